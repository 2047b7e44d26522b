"""Every command with its options, arguments and examples, as values: the man page, shell completion and the reference are made of it.

It is read from the commands themselves, so it cannot say anything else than they do. All of them are imported for it, which takes a
moment: nothing that runs a command needs it.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from edgeroi.cli.main import COMMANDS, app, registered

#: What stands behind an option or for an argument: nothing, one of a few words, a path, or anything.
Takes = Literal["nothing", "choice", "path", "word"]

#: How a parameter that is a path calls itself; a text is one where its command takes addresses or folders too.
_PATHS = frozenset(("FILE", "DIR", "FILES", "LOGS", "SCENARIO", "LOG", "PROBES.yaml", "OLD", "NEW"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument (``names`` empty): how it is written, what it says of itself, what it takes."""

    names: tuple[str, ...]
    metavar: str
    help: str
    takes: Takes
    choices: tuple[str, ...] = ()
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """A command: the words that call it, what it is for, and what it takes; or a group, with commands of its own."""

    path: tuple[str, ...]
    short: str
    paragraphs: tuple[str, ...]
    options: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...]
    commands: tuple[Branch, ...] = ()

    @property
    def name(self) -> str:
        """As it is typed: ``edgeroi prices list``."""
        return " ".join(("edgeroi", *self.path))

    @property
    def examples(self) -> tuple[str, ...]:
        """The paragraphs of its help that are commands."""
        return tuple(text for text in self.paragraphs if text.startswith("edgeroi "))

    @property
    def leaves(self) -> Iterator[Branch]:
        """The commands below it that can be run; itself, where it is one."""
        if not self.commands:
            yield self
        for command in self.commands:
            yield from command.leaves


def whole() -> Branch:
    """``edgeroi`` with all its commands, in the order of its help."""
    commands = tuple(_command((command.name,), registered(command.name), command.help) for command in COMMANDS)
    root = app.registered_callback
    assert root is not None
    return replace(_of_function((), root.callback, _first_line(root.callback)), commands=commands)


def _command(path: tuple[str, ...], found: Any, short: str) -> Branch:
    """A command; or a group, whose commands are read the same way."""
    if not isinstance(found, typer.Typer):
        return _of_function(path, found, short)
    inner = [(each.name or each.callback.__name__, each.callback) for each in found.registered_commands if each.callback]
    commands = tuple(_of_function((*path, name), function, _first_line(function)) for name, function in inner)
    return Branch(path, short, (short,), (_HELP,), (), commands)


_HELP = Parameter(("--help", "-h"), "", "Show this message and exit.", "nothing")


def _of_function(path: tuple[str, ...], function: Any, short: str) -> Branch:
    paragraphs = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.getdoc(function) or short) if part.strip())
    hints = get_type_hints(function, include_extras=True)
    told = [_parameter(name, hints[name], each.default, path) for name, each in inspect.signature(function).parameters.items()]
    options = (*(each for each in told if each.names), _HELP)
    return Branch(path, short, paragraphs, options, tuple(each for each in told if not each.names))


def _first_line(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _parameter(name: str, hint: Any, default: object, path: tuple[str, ...]) -> Parameter:
    kind, info = get_args(hint)[:2]
    kinds = [inner for inner in _inside(kind) if inner is not type(None)]
    inner = kinds[-1]
    choices = tuple(str(member.value) for member in inner) if isinstance(inner, type) and issubclass(inner, Enum) else ()
    if path == ("schema",) and name == "name":
        from edgeroi.cli.schema import schema_names

        choices = schema_names()
    written = (info.metavar or "").strip("[]")
    is_path = inner is Path or bool(set(re.findall(r"[A-Za-z.]*[A-Za-z]", written)) & _PATHS)
    takes: Takes = "nothing" if inner is bool else "choice" if choices else "path" if is_path else "word"
    is_option = isinstance(info, typer.models.OptionInfo)
    declared = (*((info.default,) if isinstance(info.default, str) else ()), *(info.param_decls or ()))  # typer keeps the first apart
    names = tuple(sorted(declared or (f"--{name.replace('_', '-')}",), key=lambda each: not each.startswith("--")))
    metavar = "" if takes == "nothing" else info.metavar or "|".join(choices) or {int: "N", float: "NUMBER"}.get(inner, name.upper())
    needed = default is inspect.Parameter.empty
    return Parameter(names if is_option else (), metavar, info.help or "", takes, choices, needed, list in kinds)


def _inside(kind: Any) -> Iterator[Any]:
    """``list[str] | None`` as ``list``, ``str`` and ``NoneType``."""
    if get_origin(kind) is list:
        yield list
    yield from (inner for part in get_args(kind) for inner in _inside(part)) if get_args(kind) else (kind,)


#: The width help is shown at wherever it is written down.
WIDTH = 100


def help_of(path: Sequence[str]) -> str:
    """What ``edgeroi PATH --help`` prints, in ``WIDTH`` columns and without colour."""
    said = io.StringIO()
    settings = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "_TYPER_FORCE_DISABLE_TERMINAL": "1"}
    before = {name: os.environ.get(name) for name in (*settings, "FORCE_COLOR")}
    os.environ.update(settings)
    os.environ.pop("FORCE_COLOR", None)
    try:
        with contextlib.redirect_stdout(said):
            typer.main.get_command(app).main([*path, "--help"], prog_name="edgeroi", standalone_mode=False)
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    return "\n".join(line.rstrip() for line in said.getvalue().strip("\n").splitlines()) + "\n"
