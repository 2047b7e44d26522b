"""Newline-delimited JSON, one request per line, in canonical columns or in columns the user mapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgeroi.logs.checked import Columns, columns_of
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.lines import is_utf16, object_of
from edgeroi.logs.pieces import newlines, without_cr
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake
from edgeroi.logs.regular import LineShape, regular_columns
from edgeroi.logs.typed import Learner, Path, RecordType, value_type
from edgeroi.logs.usage import usage_in
from edgeroi.request import COLD_RECORD, COLUMNS, RUN_RECORD, WARM_UP_RECORD, Batch, joined

_BLANK = b" \t\r\n\v\f"
#: What a probe writes beside its requests, by the line's only key.
_NOT_A_REQUEST = {RUN_RECORD: "run_record", WARM_UP_RECORD: "other_record", COLD_RECORD: "other_record"}


def path_of(column: str, reading: Reading) -> tuple[str, ...]:
    """Where a column is found in a record: where it is mapped from, else under its own name."""
    mapped = reading.fields.get(column)
    return mapped.path if mapped else (column,)


def values_of(record: Mapping[str, Any], reading: Reading) -> dict[str, object]:
    """The canonical columns a record tells, raw."""
    values: dict[str, object] = {}
    for column in reading.columns:
        inside: Any = record
        for key in path_of(column, reading):
            if not isinstance(inside, dict) or key not in inside:
                break
            inside = inside[key]
        else:
            values[column] = inside
    return values


def yields_to_usage(records: Iterable[Mapping[str, Any]], reading: Reading, name: str) -> Claim | None:
    """No claim on records that count their tokens in a provider's usage object, unless the user says otherwise: others read those."""
    chosen = "latency_ms" in reading.fields or reading.format == name
    yields = not chosen and any(usage_in(record) is not None for record in records)
    return Claim(False, "tokens are in usage objects, which usage-lines reads") if yields else None


class Jsonl:
    """Lines of JSON; see the module."""

    name = "jsonl"
    unit = "latency_ms, ms"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "what its columns do not say; a log in columns of its own is read by --map"
    fields: Mapping[str, str] = {column: column for column in COLUMNS}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file of JSON lines of which one has a latency; also one of blank lines, or of lines in UTF-16."""
        latency = ".".join(path_of("latency_ms", reading))
        name, unit = ("jsonl mapped", _mapped_unit(reading)) if reading.mapped else (self.name, self.unit)
        if not head.data.strip(_BLANK):
            return Claim(True, "nothing but blank lines" if head.data else "empty", unit, name)
        if is_utf16(head.data[:256].removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")):
            return Claim(head.name.endswith((".jsonl", ".ndjson", ".log")), "UTF-16 text", unit, name)
        records = [record for record in map(object_of, head.lines()) if not isinstance(record, Bad)]
        if not records:
            named = reading.mapped and head.name.endswith((".jsonl", ".ndjson")) and not head.data.lstrip().startswith(b"[")
            return Claim(named, "no line is a JSON object", unit, name)
        if any(RUN_RECORD in record for record in records):
            return Claim(False, "the log of a probe", unit, name)
        if (yielded := yields_to_usage(records, reading, self.name)) is not None:
            return yielded
        told = any("latency_ms" in values_of(record, reading) for record in records)
        return Claim(told, f"JSON lines with {latency}" if told else f"no JSON line has {latency}", unit, name)

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        chunk = without_cr(chunk)
        end = len(chunk) if chunk.endswith(b"\n") else chunk.rfind(b"\n") + 1
        tail = chunk[end:]
        piece = _Piece(chunk[:end], reading)
        piece.read()
        if tail:
            _read_tail(piece.intake, piece.n + 1, tail)
        return piece.chunk(piece.n + bool(tail))


#: How many lines are tried at once after a larger number did not pass.
_FEWER = (64, 8)
#: Pieces in a row that are not of one shape, after which a file is taken for irregular; for how many files what was learned is kept.
_MOST_IRREGULAR, _MOST_FILES = 12, 16


class _Piece:
    """Complete lines being read: typed where that is safe, line by line where it is not."""

    def __init__(self, text: bytes, reading: Reading) -> None:
        self.text, self.reading, self.intake = text, reading, Intake(reading)
        self.n = newlines(text)
        self.batches: list[Batch] = []

    def read(self) -> None:
        """Read all lines."""
        if not self.n:
            return
        learned = _learned(self.reading)
        columns = learned.regular(self.text, self.n)
        if columns is not None:
            self._keep(columns, range(self.n), None)
            return
        records = learned.decode(self.text, self.n)
        if learned.kind is not None and records is not None:
            self._take(records, range(self.n), learned.kind, learned.paths)
        else:
            self._read_fewer(learned)

    def _read_fewer(self, learned: _Learned) -> None:
        """Smaller and smaller blocks, until what is odd stands alone."""
        kind = learned.kind
        lines = self.text.split(b"\n")
        blocks = [range(self.n)]
        found: list[Any] = []
        numbers: list[int] = []
        for size in _FEWER if kind is not None else ():
            smaller = [range(at, min(at + size, block.stop)) for block in blocks for at in range(block.start, block.stop, size)]
            blocks = []
            for block in smaller:
                records = kind.decode(b"\n".join(lines[block.start : block.stop]) + b"\n", len(block)) if kind else None
                if records is None:
                    blocks.append(block)
                else:
                    found += records
                    numbers += block
        if kind is not None and found:
            self._take(found, numbers, kind, learned.paths, lines)
        for number in (number for block in blocks for number in block):
            record = read_line(self.intake, number + 1, lines[number])
            if record is not None:
                learned.meet(record)

    def _take(
        self, records: list[Any], numbers: Sequence[int], kind: RecordType, paths: dict[str, Path], lines: list[bytes] | None = None
    ) -> None:
        self._keep(columns_of(records, kind, self.reading, paths), numbers, lines)

    def _keep(self, columns: Columns, numbers: Sequence[int], lines: list[bytes] | None) -> None:
        self.batches.append(columns.batch)
        if columns.cache_hits:
            self.intake.skipped["cache_hit"] += columns.cache_hits
        if columns.odd.size:
            lines = lines or self.text.split(b"\n")
            for row in columns.odd.tolist():
                read_line(self.intake, numbers[row] + 1, lines[numbers[row]])

    def chunk(self, read: int) -> Chunk:
        """The chunk: what was read either way."""
        self.intake.faults.sort(key=lambda fault: fault.line)
        chunk = self.intake.chunk(read)
        batches = [batch for batch in (*self.batches, chunk.batch) if batch is not None and batch.n]
        profiled = sum(batch.n for batch in batches)
        return replace(chunk, lines=replace(chunk.lines, profiled=profiled), batch=joined(batches) if batches else None)


class _Learned(Learner):
    """What was learned of a log's records, and of its lines where they are all of one shape."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self.paths = reading, _paths(reading)
        super().__init__(_wanted(self.paths))
        self.line: LineShape | None = None
        self.irregular = 0

    def regular(self, text: bytes, lines: int) -> Columns | None:
        """All lines as columns, if they are of the shape of the last that were; after some that are not, no more is tried."""
        if self.irregular >= _MOST_IRREGULAR:
            return None
        columns = regular_columns(text, lines, self.line, self.reading, self.paths) if self.line else None
        if columns is None and (shape := LineShape.of(text[: text.index(b"\n")])) != self.line:
            self.line = shape
            columns = regular_columns(text, lines, shape, self.reading, self.paths) if shape else None
        self.irregular = 0 if columns is not None else self.irregular + 1
        return columns


#: By the reading's identity, which holds while the reading is kept here.
_LEARNED: dict[int, _Learned] = {}


def _learned(reading: Reading) -> _Learned:
    """What was learned of the file that this is the reading of; that of a few files is remembered."""
    learned = _LEARNED.get(id(reading))
    if learned is None:
        if len(_LEARNED) >= _MOST_FILES:
            _LEARNED.clear()
        learned = _LEARNED[id(reading)] = _Learned(reading)
    return learned


def _paths(reading: Reading) -> dict[str, Path]:
    return {column: path_of(column, reading) for column in reading.columns}


def _wanted(paths: Mapping[str, Path]) -> dict[Path, Any] | None:
    """The type at each path; ``None`` where two columns want different types of one path."""
    wanted: dict[Path, Any] = {}
    for column, path in paths.items():
        if wanted.setdefault(path, value_type(column)) != value_type(column):
            return None
    return wanted


def read_line(intake: Intake, number: int, line: bytes) -> Mapping[str, Any] | None:
    """Judge one line; the object it holds, if it does."""
    if not line.strip(b" \t\r"):
        intake.blank += 1
        return None
    record = object_of(line)
    if isinstance(record, Bad):
        intake.reject(number, record.reason, record.detail, line)
        return None
    if len(record) == 1 and (skipped := _NOT_A_REQUEST.get(next(iter(record)))):
        intake.skip(skipped)
        return None
    intake.record(values_of(record, intake.reading), number, line)
    return record


def _read_tail(intake: Intake, number: int, line: bytes) -> None:
    """A last line without its newline is good, or was cut while it was written."""
    before = len(intake.faults)
    read_line(intake, number, line)
    if len(intake.faults) > before and intake.faults[-1].reason == "bad_json":
        intake.faults.pop()
        intake.reject(number, "truncated_tail", "the last line has no newline and is cut", line)


def _mapped_unit(reading: Reading) -> str:
    mapped = reading.fields.get("latency_ms")
    return f"{mapped.name}, {mapped.unit}" if mapped else "latency_ms, ms"


FORMAT = Jsonl()
