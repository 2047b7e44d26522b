"""The tables as CSV: numbers in full precision and their own columns, text that no spreadsheet takes for a formula.

The first column says which table a row belongs to where a report holds several; unknown is an empty field.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO

from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text
from edgeroi.report import Cell, Column, Report, Row, Table

#: What spreadsheets take for the start of a formula, in their own and in full width.
_FORMULA_STARTS = "=+-@|%\t\r\n" + "\uff1d\uff0b\uff0d\uff20\uff5c"


def render(report: Report, page: Page) -> str:
    """Every table of the report, one below the other with a header each; ``page`` does not matter."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for place, table in enumerate(report.tables):
        if place:
            stream.write("\n")
        writer.writerow([_guarded(name) for name in _header(table)])
        writer.writerows(_fields(table, row) for row in table.rows)
    return stream.getvalue()


def _header(table: Table) -> list[str]:
    return [name for column in table.columns for name in _names(column)]


def _names(column: Column) -> list[str]:
    return [column.key, f"{column.key}_low", f"{column.key}_high", f"{column.key}_estimable"] if column.interval else [column.key]


def _fields(table: Table, row: Row) -> list[str]:
    return [field for column, cell in zip(table.columns, row.cells, strict=True) for field in _cell_fields(column, cell)]


def _cell_fields(column: Column, cell: Cell) -> Iterator[str]:
    yield _field(cell.value)
    if column.interval:
        yield from (_field(cell.low), _field(cell.high), "" if cell.value is None else str(cell.estimable).lower())


def _field(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return _guarded(value)
        case tuple():
            return " ".join(map(str, value))
        case float() | Decimal() if not math.isfinite(value):
            raise ValueError(f"{value} is no number for a table; unknown is None")
        case _:
            return str(value)


def _guarded(raw: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; control characters are shown."""
    guard = "'" if raw.lstrip(" \xa0\u3000").startswith(tuple(_FORMULA_STARTS)) else ""
    return guard + safe_text(raw)
