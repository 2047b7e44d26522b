"""Tables for people, on a terminal or in a pipe.

Nothing is ever cut: a narrow page leaves out whole columns by their rank and says so, wraps the last column if it is words,
and otherwise lets lines be longer than the page. Data is only ever a rich ``Text``: no markup, emoji or highlighting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from itertools import zip_longest
from typing import Literal, cast

from rich.console import Console
from rich.text import Text as Words

from edgeroi.renderers import Page
from edgeroi.renderers._plain import SPAN_WIDTH, safe_text, said, said_interval, spanned
from edgeroi.report import Cell, Column, Node, Report, Row, Table, Text, Tone, Tree

#: Wide and high enough that rich wraps, cuts and clips nothing; it pads nothing to it.
_ENDLESS = 100_000
_GAP = 2
#: A column of words may be wrapped to the first; the last column, where there is no other way, to the second.
_EASY_WRAP = 24
_NARROWEST_WRAP = 20
_STYLES: Mapping[Tone, str] = {"plain": "", "good": "green", "bad": "bold red", "doubt": "yellow", "quiet": "dim"}


def render(report: Report, page: Page) -> str:
    """The report's sections one below the other, a blank line between them."""
    return "\n".join(_written(section, page) for section in report.in_words)


def _written(section: Table | Text | Tree, page: Page) -> str:
    lines = [_words(section.title, "bold")] if section.title else []
    return _printed([*lines, *_lines(section, page)], page)


def _lines(section: Table | Text | Tree, page: Page) -> Iterator[Words]:
    match section:
        case Table():
            yield from _table_lines(section, page)
        case Text():
            yield from (_words(line, _STYLES[section.tone]) for line in section.lines)
        case Tree():
            yield from _tree_lines(section.root, page)


def _printed(lines: Sequence[Words], page: Page) -> str:
    stream = StringIO()
    console = Console(
        file=stream,
        width=_ENDLESS,
        height=_ENDLESS,  # the height too: with TERM=dumb rich would fall back to 80 columns
        force_terminal=page.colour != "none",
        color_system=None if page.colour == "none" else page.colour,
        no_color=page.colour == "none",
        legacy_windows=False,
        _environ={},  # what the terminal can do was decided by whoever made the page
    )
    for line in lines:
        line.rstrip()
        console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True, crop=False)
    return stream.getvalue()


def _words(raw: str, style: str = "") -> Words:
    return Words(safe_text(raw), style=style)


# -- tables


def _table_lines(table: Table, page: Page) -> Iterator[Words]:
    shown, left_out = _fitting(_to_width(table.for_people(), page), page)
    yield from _grid_lines(shown, page)
    if left_out:
        yield _words(f"left out for width: {', '.join(left_out)} (a wider terminal or --format json has them)", "dim")
    yield from (_words(line, "dim") for line in table.caption)


#: A bar may be drawn from so narrow, before its column is left out, to so wide.
_NARROWEST_BAR, _WIDEST_BAR = 16, 80


def _to_width(table: Table, page: Page) -> Table:
    """The table with its bars drawn as wide as the page has room for, after the words; narrower where they would be left out."""
    bars = [place for place, column in enumerate(table.columns) if column.kind == "span"]
    if page.width is None or not bars:
        return table
    spare = page.width - sum(_widths(table, page)) - _GAP * (len(table.columns) - 1)
    lacking = min(0, page.width - _least_width(table, page))
    width = max(_NARROWEST_BAR, min(_WIDEST_BAR, SPAN_WIDTH + (spare if spare > 0 else lacking) // len(bars)))
    return replace(table, rows=tuple(replace(row, cells=tuple(_bar(cell, width, page) for cell in row.cells)) for row in table.rows))


def _bar(cell: Cell, width: int, page: Page) -> Cell:
    is_bar = cell.kind == "span" and isinstance(cell.value, tuple)
    return replace(cell, value=spanned(cast("tuple[float, ...]", cell.value), width, unicode=page.unicode)) if is_bar else cell


def _fitting(table: Table, page: Page) -> tuple[Table, tuple[str, ...]]:
    """The table without the columns that a narrow page can best do without, and their titles."""
    left_out: list[str] = []
    while page.width is not None and _least_width(table, page) > page.width:
        rank, place = max(((column.rank, place) for place, column in enumerate(table.columns)), default=(0, 0))
        if not rank:
            break
        left_out[:0] = filter(None, (table.columns[place].title,))
        table = table.without(place)
    return table, tuple(left_out)


def _wraps(table: Table) -> bool:
    return bool(table.columns) and table.columns[-1].kind == "text"


def _least_width(table: Table, page: Page) -> int:
    widths = _widths(table, page)
    if _wraps(table):
        _narrow(widths, table, 0)
    return sum(widths) + _GAP * (len(widths) - 1)


def _widths(table: Table, page: Page) -> list[int]:
    columns = zip(*(row.cells for row in table.rows), strict=True) if table.rows else ((),) * len(table.columns)
    return [
        max(_words(column.title).cell_len, *(_longest(_cell_lines(cell, page)) for cell in cells), 0)
        for column, cells in zip(table.columns, columns, strict=True)
    ]


def _longest(lines: Sequence[Words]) -> int:
    return max(line.cell_len for line in lines)


def _grid_lines(table: Table, page: Page) -> Iterator[Words]:
    widths = _widths(table, page)
    if page.width is not None and _wraps(table):
        _narrow(widths, table, page.width)
    sides = [_side(column) for column in table.columns]
    yield _joined([_words(column.title, "bold") for column in table.columns], widths, sides)
    yield _words(("─" if page.unicode else "-") * (sum(widths) + _GAP * (len(widths) - 1)), "dim")
    for row in table.rows:
        yield from _row_lines(row, page, widths, sides)


def _narrow(widths: list[int], table: Table, page_width: int) -> None:
    """Take what is too wide from the columns of words: the last, then marked ones, then the last again, down to what can be read."""
    marked = [place for place, column in enumerate(table.columns) if column.kind == "mark"]
    for places, least in (([-1], _EASY_WRAP), (marked, _EASY_WRAP), ([-1], _NARROWEST_WRAP)):
        for place in places:
            over = sum(widths) + _GAP * (len(widths) - 1) - page_width
            widths[place] = min(widths[place], max(least, widths[place] - over)) if over > 0 else widths[place]


def _row_lines(row: Row, page: Page, widths: Sequence[int], sides: Sequence[Literal["left", "right"]]) -> Iterator[Words]:
    cells = [_cell_lines(cell, page) for cell in row.cells]
    cells = [[part for line in lines for part in _wrapped(line, width)] for lines, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=Words()):
        yield _joined(parts, widths, sides)
    if row.detail:
        yield _words(f"  {row.detail}", "dim")


def _wrapped(line: Words, width: int) -> Sequence[Words]:
    return list(line.wrap(Console(file=StringIO(), width=_ENDLESS), width)) if line.cell_len > width else [line]


def _joined(parts: Sequence[Words], widths: Sequence[int], sides: Sequence[Literal["left", "right"]]) -> Words:
    line = Words()
    for place, (part, width, side) in enumerate(zip(parts, widths, sides, strict=True)):
        room = " " * max(0, width - part.cell_len)
        line.append(" " * _GAP if place else "").append(room if side == "right" else "").append_text(part)
        line.append(room if side == "left" else "")
    return line


def _side(column: Column) -> Literal["left", "right"]:
    return "left" if column.kind in ("text", "mark", "distribution", "span") else "right"


def _cell_lines(cell: Cell, page: Page) -> list[Words]:
    """The value and its interval: beside it for money, of which a row has one or two, else on a line of its own below."""
    interval = said_interval(cell)
    value = Words(said(cell, unicode=page.unicode), style=_STYLES[cell.tone if cell.estimable or cell.value is None else "doubt"])
    if not interval:
        return [value]
    if cell.kind in ("usd", "usd_signed"):
        return [value.append(f" ({interval})", style="dim")]
    return [value, Words(interval, style="dim")]


# -- decision paths


def _tree_lines(node: Node, page: Page, before: str = "", beside: str = "") -> Iterator[Words]:
    yield Words(before, style="dim").append_text(_node_words(node))
    fork, last, pass_by = ("├─ ", "└─ ", "│  ") if page.unicode else ("|- ", "`- ", "|  ")
    for place, child in enumerate(node.children):
        is_last = place == len(node.children) - 1
        yield from _tree_lines(child, page, beside + (last if is_last else fork), beside + ("   " if is_last else pass_by))


def _node_words(node: Node) -> Words:
    words = _words(node.label, _STYLES[node.tone])
    return words.append(f"  {safe_text(node.evidence)}", style="dim") if node.evidence else words
