"""CSV with a header (comma, semicolon, tab or bar), in canonical columns or in columns the user mapped.

Text has no types, so each column's kind says how its cells are spelled: plain decimal or scientific numbers, true or false
(t, f, 1, 0) for flags. Nothing else is one: ``" 812 "``, ``1_000``, ``0x10``, ``nan`` and ``inf`` are rejected. An empty cell is null.
Counted in records: the header is skipped, blank lines are blank, a fault costs only the record it is in (see ``table``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, TypeVar

from edgeroi.errors import InternalFault, did_you_mean
from edgeroi.logs.columns import LineRows, Row, take_rows, with_batch
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.pieces import NewlineCount, Piece, newlines, pieces, without_cr
from edgeroi.logs.plain_table import blocks, columns_of
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Intake
from edgeroi.logs.stream import Damage, damage_of
from edgeroi.logs.table import SEPARATORS, header_of, plain_cells, records_in, separator_of
from edgeroi.request import COLUMNS, Batch

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
#: Many of them; what ``float`` takes of these characters is a number as above.
_PLAIN = re.compile(r"[0-9.eE+\-\n]*", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_FLAGS: Mapping[str, bool] = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
_NUMERIC = ("duration", "count", "money", "ratio", "instant", "error")

#: Arrow is loaded for tables of more records than this.
_MANY = 20_000

Part = TypeVar("Part", Piece, bytes)
#: The cells of one record.
Cells = tuple[str, ...]
#: Judges records by their cells, into an intake; the requests that are none of its are returned.
Judge = Callable[[Intake, Sequence[Cells], Sequence[Row]], Batch | None]
#: Makes the judge of a table from the names in its header.
Judging = Callable[[tuple[str, ...]], Judge]


def typed(kind: str, cell: str) -> object:
    """A cell as its column's kind spells it; text that is no such thing stays text, to be rejected as that."""
    if not cell:
        return None
    if kind == "flag":
        return _FLAGS.get(cell.lower(), cell)
    return number(cell) if kind in _NUMERIC else cell


def number(cell: str) -> object:
    """A plain decimal or scientific number, whole where it is written so; any other text as it is."""
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def typed_column(kind: str, cells: Sequence[str]) -> list[object]:
    """A column of cells, each as ``typed`` says; where all are plain numbers they are read as such at once."""
    if kind in ("duration", "count", "money", "ratio") and _PLAIN.fullmatch("\n".join(cells)):
        with suppress(ValueError):
            return [float(cell) if cell else None for cell in cells]
    return [typed(kind, cell) for cell in cells]


def source_of(column: str, reading: Reading) -> str:
    """The header's name for a column: where it is mapped from, else its own."""
    mapped = reading.fields.get(column)
    return ".".join(mapped.path) if mapped else column


def rows(
    stream: BinaryIO, begun: bytes, reading: Reading, separator: str, judging: Judging, names: tuple[str, ...] = ()
) -> Iterator[Chunk]:
    """All records of a file, a chunk for each block of it. ``begun``: what was read of the stream already.

    ``names``: the columns of a table that has no header. Raises ``InternalFault`` if the records' lines are not all the lines there
    are, by a count of newlines.
    """
    counted, rest, waiting = NewlineCount(), b"", [begun]
    table = _Table(judging, separator, len(names) or None, judging(names) if names else None)
    for piece, last in with_last(pieces(lambda most: waiting.pop() if waiting else stream.read(most), counted.see)):
        if piece.too_long:
            yield table.too_long(reading, piece.data)
            continue
        text = rest + piece.data
        # Without a quote every line is a record, so that lines can be read a few at a time, and what is odd is odd in a few.
        is_cut_anywhere = b'"' not in text
        for block, is_end in with_last(blocks(text) if is_cut_anywhere else iter((text,))):
            cut = damage_of(stream) if last and is_end else None
            chunk, used = table.take(reading, block, last and is_end, cut)
            rest = b"" if is_cut_anywhere else _lines_after(text, used)
            yield chunk
    if table.lines != counted.newlines + counted.ends_open:
        raise InternalFault(f"{table.lines} lines in records, {counted.newlines + counted.ends_open} in the file")


@dataclass(slots=True)
class _Table:
    """A header, once met, and the judge of the records below it; ``lines`` and ``records`` were taken so far."""

    judging: Judging
    separator: str
    width: int | None = None
    judge: Judge | None = None
    lines: int = 0
    records: int = 0

    def take(self, reading: Reading, text: bytes, last: bool, cut: Damage | None) -> tuple[Chunk, int]:
        """The records of complete lines, and how many lines they take; the others wait for more.

        ``cut``: the stream ends inside the last line. Rejects are placed by records, as those before them are counted.
        """
        intake, before, started = Intake(reading), self.lines, self.records
        if self.judge is None:
            self._header(intake, text)
        first, cells, places = self.lines, list[Cells](), list[Row]()
        below = _lines_after(text, first - before)
        if cut is None and isinstance(self.judge, OwnColumns) and self.records >= _MANY:
            taken = self._take_columns(intake, self.judge, below, started)
            if taken is not None:
                return taken, self.lines - before
        plain = plain_cells(below, self.separator, self.width or 0) if cut is None else None
        if plain is not None and self.judge is not None:
            return self._take_plain(intake, plain, below, started), self.lines - before
        for record in records_in(below, self.separator, self.width, last):
            self.lines, self.records = self.lines + record.lines, self.records + 1
            if cut is not None and self.lines - before == text.count(b"\n") + 1:
                record = replace(record, reason=cut.reason, detail="the stream ends inside this record")
            line = first - started + record.line
            if record.reason is not None:
                intake.reject(line, record.reason, record.detail, record.raw)
            elif record.cells:
                cells.append(record.cells)
                places.append(Row(line, record.raw))
            else:
                intake.blank += 1
        quick = self.judge(intake, cells, places) if self.judge is not None and cells else None
        intake.faults.sort(key=lambda fault: fault.line)
        return with_batch(intake.chunk(self.records - started), quick), self.lines - before

    def _take_columns(self, intake: Intake, judge: OwnColumns, text: bytes, started: int) -> Chunk | None:
        """Plain lines a column at a time; ``None`` where they are not plain."""
        text, n = without_cr(text), newlines(text)
        columns = columns_of(text, n, self.separator, self.width or 0, judge.places, typed)
        if columns is None:
            return None
        quick = take_rows(intake, columns, LineRows(text, n, self.lines - started + 1))
        self.lines, self.records = self.lines + n, self.records + n
        return with_batch(intake.chunk(self.records - started), quick)

    def _take_plain(self, intake: Intake, cells: Sequence[Cells], text: bytes, started: int) -> Chunk:
        """Lines that are a record each."""
        assert self.judge is not None
        rows = [Row(line, raw) for line, raw in enumerate(text.split(b"\n")[:-1], self.lines - started + 1)]
        quick = self.judge(intake, cells, rows)
        self.lines, self.records = self.lines + len(rows), self.records + text.count(b"\n")
        return with_batch(intake.chunk(self.records - started), quick)

    def too_long(self, reading: Reading, start: bytes) -> Chunk:
        """One line that is not looked into."""
        intake = Intake(reading)
        intake.reject(1 + self.lines - self.records, "line_too_long", f"the line is longer than {LONGEST_LINE >> 20} MiB", start)
        self.lines, self.records = self.lines + 1, self.records + 1
        return intake.chunk(1)

    def _header(self, intake: Intake, text: bytes) -> None:
        """The lines down to the header's, all of them blank but the last."""
        for line in text.removesuffix(b"\n").split(b"\n"):
            self.lines, self.records = self.lines + 1, self.records + 1
            if line.strip(b" \t\r") not in (b"", BOM):
                names = header_of(line.removeprefix(BOM), self.separator)
                self.width, self.judge = len(names), self.judging(names)
                intake.skip("header")
                return
            intake.blank += 1


def with_last(cut: Iterator[Part]) -> Iterator[tuple[Part, bool]]:
    """Each part, and whether it is the last."""
    before = next(cut, None)
    for piece in cut:
        if before is not None:
            yield before, False
        before = piece
    if before is not None:
        yield before, True


def _lines_after(text: bytes, lines: int) -> bytes:
    """What stands behind so many lines."""
    at = 0
    for _ in range(lines):
        at = text.find(b"\n", at) + 1 or len(text)
    return text[at:]


@dataclass(frozen=True)
class OwnColumns:
    """The judge of a table whose columns are canonical or mapped; ``places``: where they stand."""

    places: Mapping[str, int]

    @classmethod
    def of(cls, names: tuple[str, ...], reading: Reading) -> OwnColumns:
        """By the names in the header."""
        sources = {column: source_of(column, reading) for column in reading.columns}
        return cls({column: names.index(source) for column, source in sources.items() if source in names})

    def __call__(self, intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> Batch | None:
        """Judge these records."""
        by_place = list(zip(*cells, strict=True))
        return take_rows(intake, {column: typed_column(COLUMNS[column], by_place[place]) for column, place in self.places.items()}, rows)


class Delimited:
    """CSV; see the module."""

    name = "csv"
    unit = "latency_ms, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "what its columns do not say; cells have no types, so numbers are plain and flags true or false"
    fields: Mapping[str, str] = {column: column for column in COLUMNS}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A header that names the latency column; a mapped column it lacks is said."""
        line = next(iter(head.lines(1)), b"")
        latency = source_of("latency_ms", reading)
        separator = separator_of(line, [latency])
        if separator is None:
            names = header_of(line, max(SEPARATORS, key=lambda mark: line.count(mark.encode())))
            near = f"; {did_you_mean(latency, names)}" if 1 < len(names) < 100 and len(line) < 4096 else ""
            return Claim(False, f"no header with {latency}{near}")
        names = header_of(line, separator)
        twice = next((name for name in names if names.count(name) > 1 and name in _wanted(reading)), None)
        if twice is not None:
            return Claim(False, f"the header has {twice} twice")
        mapped = reading.fields.get("latency_ms")
        lacking = [where.name for column, where in reading.fields.items() if source_of(column, reading) not in names]
        said = f"a header with {latency}" + (f", without {', '.join(lacking)}" if lacking else "")
        return Claim(True, said, f"{mapped.name}, {mapped.unit}" if mapped else self.unit, "csv mapped" if reading.mapped else self.name)

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records; the separator is the one under which the header names the latency column."""
        first, begun = peeked(stream)
        separator = separator_of(first, [source_of("latency_ms", reading)]) or ","
        yield from rows(stream, begun, reading, separator, lambda names: OwnColumns.of(names, reading))


def _wanted(reading: Reading) -> set[str]:
    return {source_of(column, reading) for column in reading.columns}


def peeked(stream: BinaryIO) -> tuple[bytes, bytes]:
    """The first line that is not blank, and all that had to be read for it."""
    begun = b""
    while block := stream.read(1 << 16):
        begun += block
        if b"\n" in begun.removeprefix(BOM).lstrip():
            break
    return begun.removeprefix(BOM).lstrip().split(b"\n", 1)[0], begun


FORMAT = Delimited()
