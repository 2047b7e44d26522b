"""Newline-delimited JSON, one request per line, in canonical columns or in columns the user mapped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import is_utf16, object_of
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake
from edgeroi.request import COLUMNS

_BLANK = b" \t\r\n\v\f"


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


class Jsonl:
    """Lines of JSON; see the module."""

    name = "jsonl"
    unit = "latency_ms, ms"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
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
        told = any("latency_ms" in values_of(record, reading) for record in records)
        return Claim(told, f"JSON lines with {latency}" if told else f"no JSON line has {latency}", unit, name)

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        intake = Intake(reading)
        lines = chunk.split(b"\n")
        tail = lines.pop()
        for number, line in enumerate(lines, 1):
            read_line(intake, number, line)
        if tail:
            _read_tail(intake, len(lines) + 1, tail)
        return intake.chunk(chunk.count(b"\n") + bool(tail))


def read_line(intake: Intake, number: int, line: bytes) -> None:
    """Judge one line."""
    if not line.strip(b" \t\r"):
        intake.blank += 1
        return
    record = object_of(line)
    if isinstance(record, Bad):
        intake.reject(number, record.reason, record.detail, line)
    else:
        intake.record(values_of(record, intake.reading), number, line)


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
