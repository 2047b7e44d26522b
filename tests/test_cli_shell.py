"""How every run ends: exit statuses, streams, files that are written whole, a help that loads nothing."""

from __future__ import annotations

import ast
import errno
import importlib
import io
import os
import pty
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import edgeroi
from edgeroi.cli import output
from edgeroi.cli.exits import Exit
from edgeroi.cli.main import COMMANDS
from edgeroi.cli.output import page_of, write_file, write_text
from edgeroi.errors import OutputFailed
from edgeroi.renderers import Page

ROOT = Path(__file__).parents[1]
CLI = [sys.executable, "-m", "edgeroi"]
needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


HEAVY = {"numpy", "pandas", "msgspec", "pydantic", "httpx", "yaml", "pyarrow", "genai_prices"}


def loaded_by(*args: str) -> set[str]:
    """The modules that are loaded once ``edgeroi ARGS`` has ended with 0."""
    code = (
        f"import sys\nfrom edgeroi.cli.main import run\ntry:\n    run({list(args)})\nexcept SystemExit as left:\n    status = left.code\n"
    )
    tail = "sys.stderr.write(' '.join(sys.modules))\nsys.exit(status)"
    return set(subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, cwd=ROOT, check=True).stderr.split())


def run(
    args: Sequence[str], *, code: str | None = None, env: Mapping[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run ``edgeroi ARGS``, or a program that ends in ``run(ARGS)`` after ``code`` has planted something."""
    program = CLI if code is None else [sys.executable, "-c", f"{code}\nfrom edgeroi.cli.main import run\nrun()"]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")}
    captured = {} if "stdout" in options else {"stdout": subprocess.PIPE}
    return subprocess.run(
        [*program, *args], stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**clean, **(env or {})}, check=False, **captured, **options
    )  # type: ignore[call-overload,no-any-return]


def planted(raised: str) -> str:
    """A program in which the command ``schema`` raises something."""
    return f"import edgeroi.cli.schema as m\nimport typer, signal, os, sys\ndef fault(*_):\n    {raised}\nm.schema_names = fault"


# --- exit statuses ---------------------------------------------------------------------------------------------------------


def test_choices_are_told_in_one_sentence() -> None:
    done = run(["completion"])
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["error: Missing argument 'SHELL'. Choose from: bash, zsh, fish"]


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        ("raise KeyError('lost')", 70, "this is a bug in edgeroi"),
        ("raise AssertionError", 70, "this is a bug in edgeroi"),
        ("raise RecursionError('deep')", 70, "this is a bug in edgeroi"),
        ("raise MemoryError", 70, "this is a bug in edgeroi"),
        ("raise SystemExit(1)", 70, ""),
        ("raise typer.Exit(1)", 70, ""),
        ("raise PermissionError(13, 'Permission denied', 'x')", 70, "this is a bug"),
        ("from edgeroi.errors import InternalFault; raise InternalFault('lines do not add up')", 70, "lines do not add up"),
        ("from edgeroi.errors import EdgeroiError; raise EdgeroiError('no unit', key='edge.price')", 2, "error: edge.price: no unit"),
        ("from edgeroi.errors import EdgeroiError; raise EdgeroiError('one\\ntwo')", 2, "error: one\nerror: two\n"),
        ("from edgeroi.errors import NoAnswer; raise NoAnswer('no price')", 3, "error: no price"),
        ("from edgeroi.errors import OutputFailed; raise OutputFailed('disk')", 74, "error: disk"),
        ("raise OSError(28, 'No space left on device')", 74, "cannot write"),
        ("from edgeroi.cli.exits import GateFailed; raise GateFailed", 1, ""),
        ("signal.raise_signal(signal.SIGINT)", 130, "interrupted"),
        ("signal.raise_signal(signal.SIGTERM)", 143, "terminated"),
        ("raise typer.Abort", 130, "interrupted"),
    ],
)
def test_how_a_run_ends(raised: str, status: int, said: str) -> None:
    done = run(["schema"], code=planted(raised))
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_only_a_failed_gate_exits_1() -> None:
    """Whatever is raised, by us, by Python or by a package."""
    names = [name for name, kind in vars(__import__("builtins")).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    program = (
        "import builtins, edgeroi.cli.schema as m, edgeroi.cli.main as c, sys\n"
        f"for name in {names!r}:\n"
        "    kind = getattr(builtins, name)\n"
        "    def fault(*_):\n"
        "        try: error = kind('x')\n"
        "        except TypeError: error = kind('x', b'', 0, 1, 'y') if 'Unicode' in name and 'Trans' not in name else None\n"
        "        raise error or kind('', 0, 1, '') if 'Unicode' in name else error or kind('x', [ValueError()])\n"
        "    m.schema_names = fault\n"
        "    try: c.run(['schema'])\n"
        "    except SystemExit as left: assert left.code in (70, 141, 130), (name, left.code)\n"
        "print('checked', end='')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 141), done.stderr


def test_a_traceback_is_there_for_who_asks() -> None:
    done = run(["schema"], code=planted("raise KeyError('lost')"), env={"EDGEROI_TRACEBACK": "1"})
    assert done.returncode == 70
    assert "Traceback" in done.stderr


def test_an_error_message_cannot_act_on_the_terminal() -> None:
    done = run(["schema", "\x1b[2J\u202e"])
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"], ["schema", "--nonsense"], ["schema", "a", "b"], ["schema", "--output"], []])
def test_misuse_exits_2_without_a_traceback(args: list[str]) -> None:
    done = run(args)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_near_miss_is_suggested() -> None:
    assert "did you mean 'profile'?" in run(["profil"]).stderr
    assert "did you mean 'profile'?" in run(["schema", "profil"]).stderr


@pytest.mark.parametrize("args", [["schema", "profile"], ["--help"], ["schema", "--help"], ["--version"]])
def test_a_reader_that_has_gone_ends_the_run_quietly_with_141(args: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(args, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_head_gets_its_line_and_the_run_ends_with_141() -> None:
    """The schema is made longer than any pipe holds, so that the write is still going on when ``head`` leaves."""
    code = "import edgeroi.cli.schema as m\nwhole = m.schema_text\nm.schema_text = lambda name: whole(name) * 100"
    command = f'{sys.executable} -c "$CODE\nfrom edgeroi.cli.main import run\nrun()" schema profile | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "CODE": code}, check=False)
    assert done.stdout.split() == ["{", "141"]
    assert done.stderr == ""


def test_a_failure_of_the_command_weighs_more_than_a_closed_pipe() -> None:
    code = (
        "import edgeroi.cli.schema as m, edgeroi.cli.output as o\nfrom edgeroi.cli.exits import GateFailed\n"
        "def gate(*_):\n    o.write_text('verdict')\n    raise GateFailed\nm.schema_names = gate"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = run(["schema"], code=code, stdout=writing)
    os.close(writing)
    assert done.returncode == 1


def test_stdout_that_was_never_open_is_141() -> None:
    for args in ("schema profile", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"{' '.join(CLI)} {args} >&-; echo $? >&2"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.stderr.split() == ["141"]


@needs_full_device
@pytest.mark.parametrize("args", [["schema", "profile"], ["--help"], ["--version"]])
def test_a_full_disk_is_74_and_named(args: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(args, stdout=full)
    assert done.returncode == 74
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_full_device
def test_a_full_device_as_output_file_is_74() -> None:
    done = run(["schema", "profile", "--output", "/dev/full"])
    assert done.returncode == 74
    assert "/dev/full: no space left on the device" in done.stderr


def test_sigint_from_outside_ends_a_run_with_130() -> None:
    code = planted("print('ready', file=sys.stderr, flush=True)\n    import time\n    time.sleep(60)")
    program = [sys.executable, "-c", f"{code}\nfrom edgeroi.cli.main import run\nrun()", "schema"]
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stderr is not None
            assert child.stderr.readline() == "ready\n"
            child.send_signal(number)
            assert child.wait(timeout=30) == status


# --- help ------------------------------------------------------------------------------------------------------------------


def test_help_loads_no_command_and_nothing_heavy() -> None:
    loaded = loaded_by("--help")
    assert not loaded & HEAVY
    assert not loaded & {f"edgeroi.cli.{command.name}" for command in COMMANDS}


def test_help_groups_the_commands() -> None:
    said = run(["--help"]).stdout
    panels = {panel: said.index(f"\n{panel}:\n") for panel in ("Decide", "Measure", "Operate", "Set up", "Options")}
    assert list(panels.values()) == sorted(panels.values())
    assert all(said.index(f"\n  {command.name} ") > panels[command.panel] for command in COMMANDS)


def test_no_command_is_answered_with_the_help() -> None:
    done = run([])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == run(["--help"]).stdout


def test_every_command_listed_exists_and_every_one_that_exists_is_listed() -> None:
    shell = {"__init__", "main", "options", "output", "exits", "reading"}
    modules = {path.stem for path in (ROOT / "edgeroi" / "cli").glob("*.py")} - shell
    held = {name for name in modules if name in top_level_names(name)}
    assert {command.name.replace("-", "_") for command in COMMANDS} == held


def top_level_names(module: str) -> set[str]:
    tree = ast.parse((ROOT / "edgeroi" / "cli" / f"{module}.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return functions | {t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)}


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_a_help_and_loads_nothing_heavy_for_it(command: str) -> None:
    assert f"edgeroi.cli.{command.replace('-', '_')}" in loaded_by(command, "--help")
    assert not loaded_by(command, "--help") & HEAVY


def test_the_version_is_the_package_s() -> None:
    assert run(["--version"]).stdout == f"edgeroi {edgeroi.__version__}\n"


def test_the_table_of_statuses_in_the_docstring_is_the_enumeration() -> None:
    doc = importlib.import_module("edgeroi.cli.exits").__doc__ or ""
    assert [int(line.split()[0]) for line in doc.splitlines() if line[:1].isdigit()] == sorted(Exit)


# --- files -----------------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("old")
    target.chmod(0o640)
    write_file(target, b"new")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o640)
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "r.json", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o640


def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_file(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    target = tmp_path / "r.json"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(OutputFailed, match=r"r\.json: no space left on the device"):
        write_file(target, b"new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_size_limit_is_74_and_leaves_no_part(tmp_path: Path) -> None:
    done = run(
        ["schema", "profile", "--output", str(tmp_path / "s.json")],
        preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))),
    )
    assert done.returncode == 74
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("missing/r.json", "its folder does not exist"), (".", "cannot write")])
def test_where_nothing_can_be_written_the_file_is_named(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(OutputFailed, match=why) as caught:
        write_file(tmp_path / name, b"x")
    assert str(tmp_path / name) in str(caught.value)


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    write_text("hello\n", Path("-"))
    assert capsys.readouterr().out == "hello\n"


# --- terminals -------------------------------------------------------------------------------------------------------------


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "page"),
    [
        ({}, Page(80, "standard")),
        ({"COLUMNS": "120", "TERM": "xterm-256color"}, Page(120, "256")),
        ({"NO_COLOR": "1"}, Page(80, "none")),
        ({"NO_COLOR": ""}, Page(80, "standard")),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, Page(80, "none")),
        ({"TERM": "dumb"}, Page(80, "none")),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, Page(80, "standard")),
    ],
)
def test_what_a_terminal_can_show(environ: dict[str, str], page: Page) -> None:
    assert page_of(Terminal(), environ) == page


@pytest.mark.parametrize(
    ("environ", "page"),
    [
        ({}, Page()),
        ({"TERM": "dumb"}, Page()),
        ({"COLUMNS": "80"}, Page()),
        ({"FORCE_COLOR": "1"}, Page(None, "standard")),
        ({"FORCE_COLOR": "0"}, Page()),
    ],
)
def test_a_pipe_has_no_width_and_no_colour_of_its_own(environ: dict[str, str], page: Page) -> None:
    assert page_of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), environ) == page


def test_a_terminal_that_lacks_the_characters_gets_others() -> None:
    assert not page_of(Terminal("latin-1"), {}).unicode


def test_what_an_encoding_lacks_is_shown_not_fatal() -> None:
    done = run(["schema", "naïve-模型"], env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert r"\u6a21" in done.stderr


def test_a_progress_bar_is_drawn_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("reading") as at:
        at(5, 10)
    assert capsys.readouterr().err == ""
    primary, secondary = pty.openpty()
    with os.fdopen(secondary, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with output.progress("reading") as at:
            at(10, 10)
        terminal.flush()
        drawn = b""
        while b"reading" not in drawn:  # it arrives in pieces; one that never comes ends with the last of them
            drawn += os.read(primary, 4096)
    os.close(primary)
