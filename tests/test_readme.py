"""README and docs are run: every command block is, and every ``console`` block says what the program says."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Shown:
    """One command of a console block, with the output shown under it."""

    line: int
    typed: str
    output: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """On one line, without the backslashes."""
        return self.typed.replace("\\\n", " ")


#: A console block, with the comment above it that says why it is not run, where there is one.
CONSOLE_BLOCK = r"(?P<unrun>^<!-- not run: [^\n]+ -->\n)?(?P<block>^```console\n.*?^```$)"


def written_pages() -> list[Path]:
    """The pages of ``docs/`` that somebody wrote; the others are made from the code."""
    made = script("pages").PAGES
    return sorted(page for page in (ROOT / "docs").rglob("*.md") if str(page.relative_to(ROOT / "docs")) not in made)


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """(line number of the first line, content) of every fenced block in a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in fence.finditer(text)]


def shown(text: str) -> list[Shown]:
    """Every ``$ command`` of the console blocks; a line that ends in a backslash goes on."""
    found: list[Shown] = []
    for number, block in blocks(text, "console"):
        assert block.startswith("$ "), f"README.md:{number}: a console block starts with a command"
        joined = re.sub(r"\\\n", "\\\\\0", block).splitlines()
        for line in joined:
            typed = line.replace("\0", "\n")
            if line.startswith("$ "):
                found.append(Shown(number, typed[2:]))
            else:
                found[-1] = replace(found[-1], output=(*found[-1].output, typed.rstrip()))
            number += typed.count("\n") + 1
    return found


def agrees(expected: tuple[str, ...], actual: tuple[str, ...]) -> bool:
    """Whether the lines are the same; a line ``...`` stands for any number of lines."""
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(agrees(expected[1:], actual[skipped:]) for skipped in range(len(actual) + 1))
    return bool(actual) and expected[0] == actual[0] and agrees(expected[1:], actual[1:])


def without_edges(lines: list[str]) -> tuple[str, ...]:
    """The lines less trailing blanks and less blank lines at the ends."""
    return tuple("\n".join(line.rstrip() for line in lines).strip("\n").splitlines())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("readme") / "checkout")


def copied(place: Path) -> Path:
    """What the README's reader stands in; a copy, so that what a command writes stays out of the tree."""
    place.mkdir()
    for folder in ("sample_logs", "scenarios"):
        shutil.copytree(ROOT / folder, place / folder)
    for file in (*ROOT.glob("*.yaml"), ROOT / "README.md", ROOT / "pyproject.toml"):
        shutil.copy(file, place)
    return place


#: 22 November 2026: the day whose prices and warnings the README shows; a later day warns that prices grow old.
DAY_OF_THE_README = "1795305600"


def run(command: str, place: Path) -> tuple[str, ...]:
    """What a reader sees: stdout and stderr in one, without colour, not cut to a width."""
    keep = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "COLUMNS", "EDGEROI_CONFIG"}}
    env = keep | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": DAY_OF_THE_README,
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return without_edges(done.stdout.decode().splitlines())


@pytest.mark.parametrize("block", shown(README), ids=lambda block: f"line{block.line}")
def test_a_command_says_what_the_readme_shows(block: Shown, checkout: Path) -> None:
    actual = run(block.command, checkout)
    if not agrees(without_edges(list(block.output)), actual):
        assert actual == block.output, f"README.md:{block.line}: $ {block.command}"


def set_up_commands() -> list[str]:
    """The commands of the ``sh`` blocks that make a virtual environment."""
    return [line for _, block in blocks(README, "sh") for line in block.splitlines() if line.startswith("python3 -m venv")]


def test_two_commands_set_up_and_ci_runs_both() -> None:
    use, test = set_up_commands()
    assert ".venv/bin/edgeroi" in use
    assert ".venv/bin/pytest" in test
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [step for step in steps if step in {use, test}] == [use, test]


def test_the_readme_shows_commands_at_all() -> None:
    assert any(block.command.startswith("edgeroi ") and block.output for block in shown(README))


# --- docs ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Typed:
    """A block of commands in a page: its language, and why it is not run (empty where it is)."""

    line: int
    language: str
    text: str
    unrun: str = ""


def typed(text: str) -> list[Typed]:
    """Every block of commands of a page."""
    fence = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(console|sh|bash|shell)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [Typed(text.count("\n", 0, match.start(3)) + 1, match[2], match[3], match[1] or "") for match in fence.finditer(text)]


#: Console blocks are held against what is printed; a page's run in order, in a checkout of its own.
PAGES = {str(page.relative_to(ROOT / "docs")): page.read_text() for page in sorted((ROOT / "docs").rglob("*.md"))}


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if any(not block.unrun for block in typed(text))])
def test_a_page_says_what_its_commands_print(name: str, tmp_path: Path) -> None:
    place = copied(tmp_path / "checkout")
    for block in typed(PAGES[name]):
        if block.unrun:
            continue
        assert block.language == "console", f"docs/{name}:{block.line}: write ```console, so that it is run, or say why it is not"
        for each in shown(f"```console\n{block.text}```\n"):
            actual = run(each.command, place)
            assert agrees(without_edges(list(each.output)), actual), f"docs/{name}:{block.line}: $ {each.command}\n" + "\n".join(actual)


#: Blocks that cannot be run here: a cluster, a key, a network, a repository's own settings.
UNRUN = 8


def test_what_is_not_run_is_counted_has_a_reason_and_can_be_parsed() -> None:
    found = [(name, block) for name, text in PAGES.items() for block in typed(text) if block.unrun]
    assert len(found) == UNRUN
    for name, block in found:
        assert len(block.unrun) > 10, f"docs/{name}:{block.line}"
        for command in commands_in(block.text):
            parsed(command)


def commands_in(block: str) -> list[str]:
    """The commands of ``edgeroi`` in a block: without prompts, continued lines joined."""
    lines = [line.removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("edgeroi ")]


def parsed(command: str) -> None:
    """Fails where a command's words are not what it takes; nothing is run."""
    import shlex

    from edgeroi.cli.main import loaded

    _, name, *rest = shlex.split(re.split(r"\s(?:[|;>]|&&|2>)", command)[0])
    if name.startswith("-"):
        return
    context = loaded(name).make_context(name, rest)
    if hasattr(context.command, "commands"):
        _, inner, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        inner.make_context(inner.name, rest)


@pytest.mark.parametrize("name", sorted(script("pages").PAGES))
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == script("pages").PAGES[name](), "run python docs/refresh.py"


# --- pictures ----------------------------------------------------------------------------------------------------------------


def drawing() -> ModuleType:
    return script("draw")


def words(svg: str) -> list[str]:
    """The text of a picture; how it is drawn may differ between versions of rich."""
    return [html.unescape(text).replace("\xa0", " ") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


@pytest.mark.parametrize(("name", "command"), sorted(drawing().PICTURES.items()))
def test_a_picture_shows_what_the_command_prints(name: str, command: tuple[str, ...]) -> None:
    assert words((ROOT / "docs" / name).read_text()) == words(drawing().picture(command))
    assert f"docs/{name}" in README


def test_a_picture_fetches_nothing() -> None:
    drawn = drawing().picture(("edgeroi", "--version"))
    assert "edgeroi" in "".join(words(drawn))
    assert "@font-face" not in drawn
    assert not re.search(r"url\((?!#)", drawn)


# --- the reader of the README is itself held to examples ---------------------------------------------------------------------


def test_blocks_are_read() -> None:
    text = "a\n```console\n$ one \\\n  two\nout\n\nmore\n$ three\n```\n```sh\n$ no\n```\n"
    assert shown(text) == [Shown(3, "one \\\n  two", ("out", "", "more")), Shown(8, "three", ())]
    assert shown(text)[0].command.split() == ["one", "two"]


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a|b", "a|b", True),
        ("a|b", "a|c", False),
        ("a", "a|b", False),
        ("a|b", "a", False),
        ("a|...", "a|b|c", True),
        ("...|c", "a|b|c", True),
        ("a|...|c", "a|c", True),
        ("a|...|d", "a|b|c", False),
    ],
)
def test_an_ellipsis_stands_for_any_lines(expected: str, actual: str, same: bool) -> None:
    assert agrees(tuple(expected.split("|")), tuple(actual.split("|"))) is same


@pytest.mark.parametrize(
    ("shown", "printed", "now"),
    [
        ("...|gate|x 1|...", "a|gate|x 2|z", "...|gate|x 2|..."),
        ("a|...", "a|b", "a|..."),
        ("a 1|...|gate|x 1", "a 1|b|gate|x 2", "a 1|...|gate|x 2"),
    ],
)
def test_what_is_left_out_stays_left_out_when_the_readme_is_refreshed(shown: str, printed: str, now: str) -> None:
    assert script("refresh").abridged(shown.split("|"), printed.split("|")) == now.split("|")


def test_a_stretch_that_is_gone_is_not_left_to_rot() -> None:
    with pytest.raises(SystemExit, match="gate"):
        script("refresh").abridged(["...", "gate"], ["a", "b"])


def test_a_command_is_really_run(tmp_path: Path) -> None:
    assert run("printf 'x\\ny  \\n\\n'; echo z >&2", tmp_path) == ("x", "y", "", "z")


def test_the_number_of_formats_is_the_number_there_is() -> None:
    from edgeroi.logs.format import formats

    assert f"[{len(formats())} formats](docs/formats.md)" in README
