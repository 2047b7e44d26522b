"""A report as a piece of HTML for a notebook's cell: the same words as the table on a terminal, and nothing in it acts on the page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from edgeroi.renderers._markup import escaped
from edgeroi.renderers._plain import said, said_interval
from edgeroi.report import Cell, Column, Node, Report, Table, Text, Tree

_COLOURS = {"good": "#1a7f37", "bad": "#cf222e", "doubt": "#9a6700", "quiet": "#6e7781"}
_LEFT = ("text", "mark", "distribution", "span")


def fragment(report: Report) -> str:
    """The sections in reading order, and below them the notes."""
    notes = "".join(f"<div><small>note: {escaped(note)}</small></div>" for note in report.notes)
    return f'<div class="edgeroi">{"".join(line for section in report.in_words for line in _lines(section))}{notes}</div>'


def _lines(section: Table | Text | Tree) -> Iterator[str]:
    if section.title:
        yield f"<div><b>{escaped(section.title)}</b></div>"
    match section:
        case Table():
            yield from _table(section.for_people())
        case Text():
            yield from (f"<div{_style(section.tone)}>{escaped(line)}</div>" for line in section.lines)
        case Tree():
            yield f"<ul>{_node(section.root)}</ul>"


def _style(tone: str) -> str:
    return f' style="color:{_COLOURS[tone]}"' if tone in _COLOURS else ""


def _table(table: Table) -> Iterator[str]:
    yield "<table><thead><tr>"
    yield from (f"<th{_side(column)}>{escaped(column.title)}</th>" for column in table.columns)
    yield "</tr></thead><tbody>"
    for row in table.rows:
        yield "<tr>"
        yield from (f"<td{_side(column)}>{_cell(cell)}</td>" for column, cell in zip(table.columns, row.cells, strict=True))
        yield "</tr>"
        if row.detail:
            yield f'<tr><td colspan="{len(table.columns)}" style="text-align:left"><small>{escaped(row.detail)}</small></td></tr>'
    yield "</tbody></table>"
    yield from (f"<div><small>{escaped(line)}</small></div>" for line in table.caption)


def _side(column: Column) -> str:
    return ' style="text-align:left"' if column.kind in _LEFT else ' style="text-align:right"'


def _cell(cell: Cell) -> str:
    interval = said_interval(cell)
    below = f"<br><small>{escape(interval)}</small>" if interval else ""
    return f"<span{_style(cell.tone)}>{escape(said(cell), quote=True)}</span>{below}"


def _node(node: Node) -> str:
    evidence = f" <small>{escaped(node.evidence)}</small>" if node.evidence else ""
    inner = "".join(map(_node, node.children))
    return f"<li><span{_style(node.tone)}>{escaped(node.label)}</span>{evidence}{f'<ul>{inner}</ul>' if inner else ''}</li>"
