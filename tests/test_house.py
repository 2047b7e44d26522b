"""The rules of the house that no linter knows: the map, the names, what may be imported and when."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import socket
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edgeroi"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["name"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}

#: ``edgeroi.profile`` and its like are functions: a module of that name would take their place.
PUBLIC_FUNCTIONS = {"profile", "compare", "check", "probe", "route", "ab", "spend"}
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "handler", "base", "processor", "common", "misc"}
HEAVY = {"numpy", "pandas", "msgspec", "pydantic", "httpx", "yaml", "pyarrow", "genai_prices", "scipy"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


# --- the map ---------------------------------------------------------------------------------------------------------------


@cache
def the_map() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(SHELL or CORE, names) per line of the map in the package's docstring.

    The map is the indented block after the line that ends in ``::``. A line of it starts a part (``SHELL`` or ``CORE``) or goes on
    with it, then names one or more modules joined by `` · ``, a package with a slash; two or more spaces end the names.
    """
    docstring = ast.get_docstring(parsed(PACKAGE / "__init__.py")) or ""
    _, _, block = docstring.partition("::\n")
    lines, part = [], ""
    for line in block.splitlines():
        if line.strip() and not line.startswith("    "):
            break
        match = re.fullmatch(r"\s+(?:(SHELL|CORE)\s+)?([a-z_]+/?(?: · [a-z_]+/?)*)(?:\s{2,}.*)?", line)
        if match:
            part = match[1] or part
            lines.append((part, tuple(match[2].split(" · "))))
    return tuple(lines)


def test_the_map_is_the_directory() -> None:
    there = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    there |= {f"{p.parent.name}/" for p in PACKAGE.glob("*/*.py")}
    drawn = [name for _, names in the_map() for name in names]
    assert sorted(drawn) == sorted(there)


def test_the_map_is_what_the_import_rules_say() -> None:
    layers = CONTRACTS["A line imports only lines below it"]["layers"]
    assert [set(re.findall(r"\w+", layer)) for layer in layers] == [{n.rstrip("/") for n in names} for _, names in the_map()]


def test_the_import_rules_know_the_whole_core() -> None:
    core = {f"edgeroi.{name.rstrip('/')}" for part, names in the_map() if part == "CORE" for name in names}
    assert set(CONTRACTS["The core knows no file, network, clock, terminal, YAML or environment"]["source_modules"]) == core


# --- names and docstrings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_says_what_it_knows(path: Path) -> None:
    assert ast.get_docstring(parsed(path)), f"{named(path)} has no docstring"


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name != "cli"], ids=named)
def test_no_module_takes_the_place_of_a_public_function(path: Path) -> None:
    assert path.stem not in PUBLIC_FUNCTIONS


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_name_without_meaning(path: Path) -> None:
    classes = {node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)}
    empty = {name for name in {path.stem, path.parent.name} | classes if words_of(name) & EMPTY_WORDS}
    assert not empty


def shipped_text() -> list[Path]:
    suffixes = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".cfg", ""}
    folders = ("edgeroi", "tests", "scenarios", "benchmarks", "sample_logs", "docs", "examples", ".ci")
    found = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix in suffixes]
    return found + [p for p in ROOT.iterdir() if p.is_file() and p.suffix in suffixes and p.name != ".git"]


def test_no_path_of_this_machine_in_the_tree() -> None:
    places = {str(ROOT), str(ROOT.parent / "shared"), str(Path.home()), sys.prefix} - {"/"}
    pattern = re.compile("(?<![\\w.$}~/-])(?:" + "|".join(re.escape(place) for place in sorted(places)) + r")(?![\w-])")
    leaks = [f"{named(p)}:{n}" for p in shipped_text() for n, line in enumerate(p.read_text().splitlines(), 1) if pattern.search(line)]
    assert not leaks


# --- imports ---------------------------------------------------------------------------------------------------------------


def third_party(path: Path) -> set[str]:
    """Top-level names a module imports anywhere in it, less the standard library and edgeroi itself."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"compression", "edgeroi"}  # compression.zstd: the standard library from 3.14


def test_every_import_is_a_declared_dependency() -> None:
    project = PYPROJECT["project"]
    extras = [
        package for name, packages in project["optional-dependencies"].items() if name not in ("dev", "bench") for package in packages
    ]
    declared = {re.split(r"[^\w.-]", d, maxsplit=1)[0].lower().replace("_", "-") for d in (*project["dependencies"], *extras)}
    homes = importlib.metadata.packages_distributions() | {"backports": ["backports.zstd"]}
    missing = {
        f"{named(path)}: {name}"
        for path in MODULES
        for name in third_party(path)
        if not {d.lower().replace("_", "-") for d in homes.get(name, [name])} & declared  # of an extra that is not installed, its own name
    }
    assert not missing


def loaded_by(code: str) -> set[str]:
    """The heavy packages in ``sys.modules`` after a fresh interpreter ran the code."""
    tail = f"\nimport sys; sys.stderr.write('LOADED ' + ' '.join({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stderr.rpartition("LOADED ")[2].split())


def test_import_edgeroi_is_light() -> None:
    assert loaded_by("import edgeroi") == set()


def loaded_by_command(command: str) -> set[str]:
    """The same, of ``edgeroi COMMAND``, which has to end well."""
    code = f"import sys; sys.argv = ['edgeroi', *{command.split()!r}]\nfrom edgeroi.cli.main import run\n"
    return loaded_by(code + "try: run()\nexcept SystemExit as end: assert not end.code, end.code")


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_help_loads_nothing_heavy(command: str) -> None:
    assert loaded_by_command(command) == set()


@pytest.mark.parametrize(
    "command", ["profile", "compare", "check", "spend", "ab", "ab-plan", "init", "prices", "lint", "formats", "schema"]
)
def test_a_commands_help_loads_nothing_heavy_of_ours(command: str) -> None:
    """Typer itself takes pydantic to read a command's parameters."""
    assert loaded_by_command(f"{command} --help") <= {"pydantic"}


def test_the_probe_of_imports_sees_an_import() -> None:
    assert loaded_by("import numpy") == {"numpy"}


# --- tests -----------------------------------------------------------------------------------------------------------------


def test_no_test_leaves_the_machine() -> None:
    """192.0.2.1 is set aside for documentation; were the guard gone, the attempt would end in another error."""
    with socket.socket() as out, pytest.raises(pytest.fail.Exception, match="tried to reach"):
        out.connect(("192.0.2.1", 9))


# --- releases --------------------------------------------------------------------------------------------------------------


def test_the_changelog_knows_this_version() -> None:
    import edgeroi

    assert f"## {edgeroi.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_is_a_program() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=False).returncode == 0
