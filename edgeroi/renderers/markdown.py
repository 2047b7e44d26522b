"""Tables for a pull request: GitHub's Markdown, in which nothing from a log is a link, a picture, a mention or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text, said, said_interval
from edgeroi.report import Cell, Column, Node, Report, Table, Text, Tree

#: Characters that Markdown acts on anywhere in a line, each with what is written instead.
_INSTEAD = {char: f"\\{char}" for char in "\\`*_[]|~{}"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "$": "&#36;"}
#: What hosts turn into mentions, references, emoji and links after Markdown is done; an invisible gap keeps them from it.
_ACTED_ON = re.compile(r"[\\`*_\[\]|~{}<>&$]|@(?=\w)|#(?=\w)|:(?=[\w+-]+:)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)
_GAP = "&#8203;"
#: What makes a list, a heading or a rule at the start of a line.
_LEADING = re.compile(r"^( *)(\d*)([-+=#.)])")


def render(report: Report, page: Page) -> str:
    """The report's sections, a blank line between them; ``page`` does not matter."""
    return "\n".join("".join(f"{line}\n" for line in _lines(section)) for section in report.in_words)


def escaped(raw: str) -> str:
    """The same words with nothing in them that Markdown or its host would act on."""
    return _ACTED_ON.sub(lambda found: _INSTEAD.get(found.group(), found.group() + _GAP), safe_text(raw))


def _sentence(raw: str) -> str:
    return _LEADING.sub(r"\1\2\\\3", escaped(raw.strip())) + "  "


def _lines(section: Table | Text | Tree) -> Iterator[str]:
    if not isinstance(section, Tree) and section.folded:
        yield from (f"<details><summary>{escaped(section.title)}</summary>", "")
        yield from _body(section)
        yield from ("", "</details>")
        return
    if section.title:
        yield from (f"**{escaped(section.title)}**", "")
    yield from _body(section)


def _body(section: Table | Text | Tree) -> Iterator[str]:
    match section:
        case Table():
            yield from _table_lines(section)
        case Text():
            yield from map(_sentence, section.lines)
        case Tree():
            yield from _node_lines(section.root, 0)


def _table_lines(table: Table) -> Iterator[str]:
    table = table.for_people()
    yield _row([escaped(column.title) for column in table.columns])
    yield _row([_rule(column) for column in table.columns])
    for row in table.rows:
        yield _row([*(_cell(cell) for cell in row.cells[:-1]), _with_detail(row.cells[-1], row.detail)])
    if table.caption:
        yield ""
        yield from map(_sentence, table.caption)


def _row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _rule(column: Column) -> str:
    return "---" if column.kind in ("text", "mark", "distribution", "span") else "---:"


def _cell(cell: Cell) -> str:
    interval = said_interval(cell)
    if isinstance(cell.value, tuple):
        return f"`{said(cell)}`"  # the blanks of empty bins would be run together outside a code span
    return escaped(f"{said(cell)} ({interval})" if interval else said(cell))


def _with_detail(cell: Cell, detail: str) -> str:
    return f"{_cell(cell)}<br>{escaped(detail)}" if detail else _cell(cell)


def _node_lines(node: Node, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- {escaped(node.label)}" + (f" ({escaped(node.evidence)})" if node.evidence else "")
    for child in node.children:
        yield from _node_lines(child, depth + 1)
