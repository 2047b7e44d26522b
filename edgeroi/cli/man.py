"""The man page, from the tree of commands: ``docs/refresh.py`` writes it, and the wheel ships it as ``share/man/man1/edgeroi.1``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgeroi.cli.main import COMMANDS
from edgeroi.cli.tree import Branch, Parameter

#: Status, and what it means, as the README's table has them.
STATUSES = (
    ("0", "done; the gate passed (warnings allowed)"),
    ("1", "the gate failed; nothing else ever exits 1"),
    ("2", "usage, scenario or input error; what could be read is still printed"),
    ("3", "no answer where one was asked for: no data, no price, a probe that could not measure"),
    ("70", "a bug in edgeroi"),
    ("74", "the output could not be written"),
    ("130, 143", "interrupted, terminated"),
    ("141", "stdout was closed"),
)
#: Variable, and what it does.
ENVIRONMENT = (
    ("SOURCE_DATE_EPOCH", "the day a result is made for, in seconds since 1970, instead of today"),
    ("NO_COLOR, FORCE_COLOR", "no colour, or colour where no terminal is seen"),
    ("COLUMNS", "the width of a terminal that does not tell its own"),
    ("EDGEROI_COMPILED", "0 leaves the part in C unused; it changes no number"),
    ("EDGEROI_TRACEBACK", "shows where an error happened"),
)


def page(root: Branch, version: str) -> str:
    """The page in the man macros, the same on every day."""
    return "\n".join(_lines(root, version)) + "\n"


def _lines(root: Branch, version: str) -> Iterator[str]:
    yield '.\\" Written by docs/refresh.py from the commands themselves.'
    yield f'.TH EDGEROI 1 "" "edgeroi {version}" "User Commands"'
    yield from (".SH NAME", "edgeroi \\- profiles AI\\-inference workloads and calculates whether running them at the edge pays")
    yield from (".SH SYNOPSIS", ".B edgeroi", "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]...")
    yield from (".SH DESCRIPTION", *(_text(paragraph) for paragraph in root.paragraphs))
    yield from (".SH OPTIONS", *_parameters(root))
    for panel in dict.fromkeys(command.panel for command in COMMANDS):
        yield f'.SH "{panel.upper()}"'
        listed = {command.name for command in COMMANDS if command.panel == panel}
        for branch in root.commands:
            if branch.path[0] in listed:
                yield from _command(branch)
    yield ".SH EXIT STATUS"
    for status, meaning in STATUSES:
        yield from (".TP", f".B {status}", _text(meaning))
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT:
        yield from (".TP", f".B {_text(name)}", _text(meaning))


def _command(branch: Branch) -> Iterator[str]:
    if branch.commands:
        for inner in branch.commands:
            yield from _command(inner)
        return
    written = [f"\\fI{_text(a.metavar)}\\fR" if a.required else f"[\\fI{_text(a.metavar.strip('[]'))}\\fR]" for a in branch.arguments]
    yield f'.SS "{_text(branch.name)} [OPTIONS] {" ".join(written)}"'
    for paragraph in branch.paragraphs:
        yield ".PP"
        yield from ((".EX", _text(paragraph), ".EE") if paragraph in branch.examples else (_text(paragraph),))
    yield from _parameters(branch)


def _parameters(branch: Branch) -> Iterator[str]:
    for parameter in (*branch.arguments, *branch.options):
        yield from (".TP", _head(parameter), _text(parameter.help) or "\\&")


def _head(parameter: Parameter) -> str:
    value = f" \\fI{_text(parameter.metavar)}\\fR" if parameter.metavar else ""
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in parameter.names)
    return f"{names}{value}".strip()


def _text(text: str) -> str:
    """The text as roff takes it: no escape, no control line, hyphens that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
