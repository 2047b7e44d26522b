"""The tree of commands, and what is made of it: two examples each, completion in three shells, the man page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from test_readme import parsed

from edgeroi.cli import completion, man
from edgeroi.cli.main import COMMANDS
from edgeroi.cli.tree import Branch, help_of, whole

ROOT = Path(__file__).parents[1]


@cache
def root() -> Branch:
    return whole()


LEAVES = {branch.name: branch for branch in whole().leaves}


def test_the_tree_has_every_command() -> None:
    assert [branch.path[0] for branch in root().commands] == [command.name for command in COMMANDS]
    assert {" ".join(branch.path) for branch in root().leaves} >= {"prices list", "prices show", "prices diff", "check"}


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_shows_two_examples_that_it_takes(name: str) -> None:
    examples = LEAVES[name].examples
    assert len(examples) >= 2, f"{name} --help shows {len(examples)}"
    for example in examples:
        assert example.startswith(name + " ") or example == name
        parsed(example)


def test_an_example_that_is_wrong_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed("edgeroi prices list --nonsense")
    with pytest.raises(Exception, match="(?i)missing"):
        parsed("edgeroi check")


@pytest.mark.parametrize("name", ["edgeroi check", "edgeroi prices show"])
def test_the_tree_knows_every_option_that_help_shows(name: str) -> None:
    """Read from the printed help, which the framework makes, not from the tree."""
    branch = LEAVES[name]
    helped = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(re.findall(r"^│ +(--.*)$", help_of(branch.path), re.MULTILINE))))
    assert {option for each in branch.options for option in each.names if option.startswith("--")} == helped


def test_help_is_what_the_command_line_prints() -> None:
    env = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR",)} | {
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run([sys.executable, "-m", "edgeroi", "selftest", "--help"], capture_output=True, text=True, env=env, check=True)
    assert help_of(("selftest",)).split() == done.stdout.split()


# --- completion --------------------------------------------------------------------------------------------------------------


def completed(typed: str, folder: Path) -> set[str]:
    """What bash offers for the last word of a line, by its own machinery; it is bash that runs, with no edgeroi to be found."""
    script = folder / "edgeroi.bash"
    script.write_text("\n".join(completion.bash(root())) + "\n")
    words = shlex.split(typed) + ([""] if typed.endswith(" ") else [])
    array = " ".join(shlex.quote(word) for word in words)
    asked = f"COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _edgeroi"
    program = f"source {shlex.quote(str(script))}; {asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, text=True, cwd=folder, env={"PATH": "/usr/bin:/bin"}, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


def test_bash_completes_commands_options_values_and_files(tmp_path: Path) -> None:
    (tmp_path / "my scenario.yaml").touch()
    (tmp_path / "logs").mkdir()
    names = {command.name for command in COMMANDS}
    files = {"my scenario.yaml", "logs", "edgeroi.bash"}
    assert completed("edgeroi ", tmp_path) == names
    assert completed("edgeroi pro", tmp_path) == {"profile", "probe"}
    assert completed("edgeroi prices ", tmp_path) == {"list", "show", "diff"}
    assert completed("edgeroi check --on", tmp_path) == {"--on-undecided"}
    assert completed("edgeroi check --on-undecided ", tmp_path) == {"warn", "fail"}
    assert completed("edgeroi check --format j", tmp_path) >= {"json"}
    assert completed("edgeroi check ", tmp_path) == files
    assert completed("edgeroi check my", tmp_path) == {"my scenario.yaml"}
    assert completed("edgeroi check x.yaml --output ", tmp_path) == files
    assert completed("edgeroi check --seed ", tmp_path) == set()  # a number is nobody's to guess
    assert completed("edgeroi schema sc", tmp_path) == {"scenario"}
    assert completed("edgeroi prices list --a", tmp_path) == {"--at"}
    assert completed("edgeroi completion ", tmp_path) == {"bash", "zsh", "fish"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes_them_too(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    script = tmp_path / "edgeroi.fish"
    script.write_text("\n".join(completion.fish(root())) + "\n")

    def offered(typed: str) -> set[str]:
        program = f"source {script}; complete -C {shlex.quote(typed)}"
        done = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert done.stderr == ""
        return {line.partition("\t")[0] for line in done.stdout.splitlines()}

    assert offered("edgeroi pro") == {"profile", "probe"}
    assert offered("edgeroi prices ") == {"list", "show", "diff"}
    assert offered("edgeroi check --on-undecided ") == {"warn", "fail"}
    assert offered("edgeroi check a") == {"a.yaml"}
    assert "--max-spend" in offered("edgeroi probe --max")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_takes_its_script(tmp_path: Path) -> None:
    script = tmp_path / "_edgeroi"
    script.write_text("\n".join(completion.zsh(root())) + "\n")
    # Loaded as zsh loads it, and its functions are there; `_arguments` itself is asked to read every specification.
    program = f"""
        fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump
        _arguments() {{ for spec in "$@"; do print -r -- "$spec"; done; return 1 }}
        _describe() {{ : }}
        source {script} 2>&1; _edgeroi_check
    """
    done = subprocess.run(["zsh", "-f", "-c", program], capture_output=True, text=True, check=False)
    assert "--on-undecided" in done.stdout
    assert "(warn fail)" in done.stdout
    assert "error" not in (done.stdout + done.stderr).lower().replace("not-error", "")


# --- man -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_the_man_page_is_set_without_a_warning() -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=man.page(root(), "9.9"), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for branch in root().leaves:
        assert branch.name in re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)


def test_roff_acts_on_nothing_a_command_says() -> None:
    page = man.page(Branch((), "", (".SH no \\fBbold", "'tis"), (), ()), "1")
    assert "\n\\&.SH no \\efBbold\n" in page
    assert "\n\\&'tis\n" in page


def test_statuses_are_those_of_the_readme() -> None:
    table = re.findall(r"^\| ([\d, ]+) \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [status for status, _ in man.STATUSES] == table
