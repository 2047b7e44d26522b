"""Delimited text cut into records: RFC 4180 quoting, and a fault costs only the record it is in.

A record is one physical line, or several where a quoted cell holds newlines. A quote inside an unquoted cell, text behind a
closing quote and a quote that never closes are faults of the line they stand in; reading goes on with the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from edgeroi.logs.lines import BOM, bad_bytes

SEPARATORS = (",", ";", "\t", "|")
#: A quoted cell that runs over more lines than this was never closed.
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its cells, or the reason it has none. ``line``: its first physical line, from 1; blank ones have no cell."""

    line: int
    lines: int
    raw: bytes
    cells: tuple[str, ...] = ()
    reason: str | None = None
    detail: str = ""


def records_in(text: bytes, separator: str, width: int | None, last: bool) -> Iterator[Record]:
    """The records of complete lines, in order; ``width`` is how many cells each must have.

    Where a quoted cell is still open at the end and ``last`` is false, the iteration ends before that record:
    the lines it did not come to are to be put before the next ones.
    """
    lines = text.split(b"\n")
    open_end = bool(lines[-1])
    if not open_end:
        lines.pop()
    closing = _closing_lines(lines)
    at = 0
    while at < len(lines):
        record = _record(lines, at, closing, separator, width, last)
        if record is None:
            return
        if record.reason in ("ragged", "bad_quote") and open_end and last and record.line + record.lines - 1 == len(lines):
            record = Record(record.line, record.lines, record.raw, (), "truncated_tail", "the last line has no newline and is cut")
        yield record
        at += record.lines


def plain_cells(text: bytes, separator: str, width: int) -> list[tuple[str, ...]] | None:
    """The cells of complete lines of which each is one record of plain text, or ``None`` where one may be something else."""
    if not text.endswith(b"\n") or any(mark in text for mark in (b'"', b"\0", b"\r", BOM)):
        return None
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        return None
    lines.pop()
    cells = [tuple(line.split(separator)) for line in lines]
    if set(map(len, cells)) != {width} or not all(map(str.strip, lines)):
        return None
    return cells


def _closing_lines(lines: Sequence[bytes]) -> dict[int, int]:
    """For each line that leaves a quoted cell open (an odd number of quotes), the next such line."""
    odd = [number for number, line in enumerate(lines) if line.count(b'"') % 2]
    return dict(pairwise(odd))


def _record(lines: Sequence[bytes], at: int, closing: dict[int, int], separator: str, width: int | None, last: bool) -> Record | None:
    """The record that starts at a line; ``None`` where more lines are needed to tell."""
    line = lines[at].removesuffix(b"\r")
    if b'"' not in line:
        return _judged(at, 1, line, line.split(separator.encode()), width)
    if line.count(b'"') % 2 == 0:
        return _judged(at, 1, line, _quoted_cells(line, separator), width)
    end = closing.get(at)
    if end is None and not last and len(lines) - at <= MOST_LINES:
        return None
    if end is None or end - at > MOST_LINES:
        return Record(at + 1, 1, line, (), "bad_quote", "a quote is not closed")
    text = b"\n".join(lines[at : end + 1]).removesuffix(b"\r")
    spanning = _judged(at, end + 1 - at, text, _quoted_cells(text, separator), width)
    return spanning if spanning.reason is None else Record(at + 1, 1, line, (), "bad_quote", "a quote is not closed")


def _judged(at: int, lines: int, raw: bytes, cells: Sequence[bytes] | None, width: int | None) -> Record:
    bad = bad_bytes(raw)
    if bad is not None:
        return Record(at + 1, lines, raw, (), bad.reason, bad.detail)
    if cells is None:
        return Record(at + 1, lines, raw, (), "bad_quote", "a quote stands inside a cell, or text behind a closing one")
    if not raw.strip(b" \t\r"):
        return Record(at + 1, lines, raw)
    if width is not None and len(cells) != width:
        return Record(at + 1, lines, raw, (), "ragged", f"{len(cells)} cells where the header has {width}")
    return Record(at + 1, lines, raw, tuple(cell.decode() for cell in cells))


@lru_cache(maxsize=8)
def _cell(separator: str) -> re.Pattern[bytes]:
    mark = re.escape(separator.encode())
    return re.compile(rb'(?:"([^"]*(?:""[^"]*)*)"|([^"' + mark + rb"]*))(" + mark + rb"|\Z)")


def _quoted_cells(text: bytes, separator: str) -> list[bytes] | None:
    """The cells of a record with quotes; ``None`` where a quote is out of place."""
    cells: list[bytes] = []
    at, pattern = 0, _cell(separator)
    while found := pattern.match(text, at):
        quoted, plain, mark = found.groups()
        cells.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        if not mark:
            return cells
        at = found.end()
    return None


def separator_of(line: bytes, names: Sequence[str]) -> str | None:
    """The separator under which a header line has one of the names as a cell, the one that makes most cells; ``None`` if none does."""
    made = {mark: header_of(line, mark) for mark in SEPARATORS}
    fitting = [mark for mark, cells in made.items() if any(name in cells for name in names)]
    return max(fitting, key=lambda mark: len(made[mark]), default=None)


def header_of(line: bytes, separator: str) -> tuple[str, ...]:
    """The names in a header line, white space around them left out; none where it is no text or wrongly quoted."""
    record = _judged(0, 1, line.removesuffix(b"\r"), _quoted_cells(line.removesuffix(b"\r"), separator), None)
    return tuple(name.strip() for name in record.cells)
