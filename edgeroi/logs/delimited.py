"""CSV with a header (comma, semicolon, tab or bar), in canonical columns or in columns the user mapped.

Text has no types, so each column's kind says how its cells are spelled: plain decimal or scientific numbers, true or false
(t, f, 1, 0) for flags. Nothing else is one: ``" 812 "``, ``1_000``, ``0x10``, ``nan`` and ``inf`` are rejected. An empty cell is null.
Counted in records: the header is skipped, blank lines are blank, a fault costs only the record it is in (see ``table``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from edgeroi.errors import InternalFault, did_you_mean
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM
from edgeroi.logs.pieces import NewlineCount, Piece, pieces
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip
from edgeroi.logs.stream import Prefixed
from edgeroi.logs.table import SEPARATORS, Record, header_of, records_in, separator_of
from edgeroi.request import COLUMNS

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_FLAGS: Mapping[str, bool] = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
_NUMERIC = ("duration", "count", "money", "ratio", "instant", "error")

#: Judges the cells of one record.
RowJudge = Callable[[Sequence[str], Reading], dict[str, object] | Bad | Skip]


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


def source_of(column: str, reading: Reading) -> str:
    """The header's name for a column: where it is mapped from, else its own."""
    mapped = reading.fields.get(column)
    return ".".join(mapped.path) if mapped else column


def rows(stream: BinaryIO, reading: Reading, separator: str, judging: Callable[[tuple[str, ...]], RowJudge]) -> Iterator[Chunk]:
    """All records of a file, a chunk for each block of it; ``judging`` makes the judge once the header is known.

    Raises ``InternalFault`` if the records' lines are not all the lines there are, by a count of newlines.
    """
    seen, took, rest = NewlineCount(), 0, b""
    table: _Table | None = None
    for piece, last in _with_last(pieces(stream.read, seen.see)):
        intake, text = Intake(reading), rest + piece.data
        if piece.too_long:
            intake.reject(1, "line_too_long", "the line is longer than 16 MiB", piece.data)
            took, rest = took + 1, b""
            yield intake.chunk(1)
            continue
        if table is None:
            table = _Table(judging, separator)
        used, read = table.take(intake, text, last)
        took, rest = took + used, _lines_after(text, used)
        yield intake.chunk(read)
    if took != seen.newlines + seen.ends_open:
        raise InternalFault(f"{took} lines in records, {seen.newlines + seen.ends_open} in the file")


@dataclass(slots=True)
class _Table:
    """A header, once met, and the judge of the records below it."""

    judging: Callable[[tuple[str, ...]], RowJudge]
    separator: str
    width: int | None = None
    judge: RowJudge | None = None

    def take(self, intake: Intake, text: bytes, last: bool) -> tuple[int, int]:
        """Judge the records of complete lines; ``(lines, records)`` that were taken, the rest waits for more."""
        lines, read = 0, 0
        if self.judge is None:
            lines = read = self._header(intake, text)
        for record in records_in(_lines_after(text, lines) if lines else text, self.separator, self.width, last):
            self._record(intake, record, lines)
            lines, read = lines + record.lines, read + 1
        return lines, read

    def _header(self, intake: Intake, text: bytes) -> int:
        """The lines down to the header's, all of them blank but the last."""
        for number, line in enumerate(text.split(b"\n"), 1):
            if line.strip(b" \t\r") not in (b"", BOM):
                names = header_of(line.removeprefix(BOM), self.separator)
                self.width, self.judge = len(names), self.judging(names)
                intake.skip("header")
                return number
            intake.blank += 1
        return number

    def _record(self, intake: Intake, record: Record, before: int) -> None:
        if record.reason is not None:
            intake.reject(before + record.line, record.reason, record.detail, record.raw)
        elif not record.cells:
            intake.blank += 1
        elif self.judge is not None:
            _give(intake, self.judge(record.cells, intake.reading), before + record.line, record.raw)


def _give(intake: Intake, judged: dict[str, object] | Bad | Skip, line: int, raw: bytes) -> None:
    if isinstance(judged, Bad):
        intake.reject(line, judged.reason, judged.detail, raw)
    elif isinstance(judged, Skip):
        intake.skip(judged.reason)
    else:
        intake.record(judged, line, raw)


def _with_last(cut: Iterator[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Each piece, and whether it is the file's last."""
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


def _plain(names: tuple[str, ...], reading: Reading) -> RowJudge:
    """The judge of a table whose columns are canonical or mapped."""
    places = [(column, COLUMNS[column], names.index(source_of(column, reading))) for column in reading.columns
              if source_of(column, reading) in names]  # fmt: skip

    def judge(cells: Sequence[str], reading: Reading) -> dict[str, object] | Bad | Skip:
        return {column: typed(kind, cells[place]) for column, kind, place in places}

    return judge


class Delimited:
    """CSV; see the module."""

    name = "csv"
    unit = "latency_ms, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
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
        first, stream = peeked(stream)
        separator = separator_of(first, [source_of("latency_ms", reading)]) or ","
        yield from rows(stream, reading, separator, lambda names: _plain(names, reading))


def _wanted(reading: Reading) -> set[str]:
    return {source_of(column, reading) for column in reading.columns}


def peeked(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first line that is not blank, and the stream as it was before."""
    first = b""
    while block := stream.read(1 << 16):
        first += block
        if b"\n" in first.removeprefix(BOM).lstrip():
            break
    line = first.removeprefix(BOM).lstrip().split(b"\n", 1)[0]
    return line, io.BufferedReader(Prefixed(first, stream), 1 << 16)


FORMAT = Delimited()
