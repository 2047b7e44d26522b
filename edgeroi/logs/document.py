"""Load tools' reports: files that are one JSON object, or one object a line, read whole.

What a report tells of is counted in records: the requests it lists, or each aggregate it states. A report that cannot be read is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal

from edgeroi.aggregate import Aggregate
from edgeroi.logs.columns import Row
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM
from edgeroi.logs.load_test import MAPPED, is_mapped, told
from edgeroi.logs.objects import document_of, give, overridden, settled, whole
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip
from edgeroi.logs.stream import damage_of

Json = Mapping[str, Any]
#: A request's canonical values and the object they come from, or why it is none.
Judged = tuple[dict[str, object] | Bad | Skip, Json]
_ADVICE = "have the tool list fewer requests, or keep its parts in files of their own"


@dataclass(slots=True)
class Told:
    """What one report tells: the requests it lists, in order, the aggregates it states, and notes on both."""

    requests: Sequence[Judged] = ()
    aggregates: Sequence[Aggregate] = ()
    notes: list[str] = field(default_factory=list)


def _own_unit(head: bytes) -> str | None:
    """The format's own unit holds. A function with a name, as a format is handed to the processes that read."""
    return None


@dataclass(slots=True, eq=False)  # a format is itself and no other, so that it can be the key of what is known of it
class ReportFormat:
    """A tool's report as a log format.

    ``keys``: what stands in the first bytes of each of its reports and makes it one, ``is_called`` what it is called then.
    ``tell``: what a report tells. ``unit_of``: where its latency comes from and in what, where the head of a file decides it.
    """

    name: str
    unit: str
    fields: Mapping[str, str]
    lacks: str
    is_called: str
    keys: tuple[str, ...]
    tell: Callable[[Json, Reading], Told | Bad]
    unit_of: Callable[[bytes], str | None] = _own_unit
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file that starts as an object with the report's keys, unless the user says where latency is."""
        if is_mapped(reading):
            return MAPPED
        start = head.data.removeprefix(BOM).lstrip(b" \t\r\n")
        found = start.startswith(b"{") and all(f'"{key}"'.encode() in start for key in self.keys)
        return Claim(found, self.is_called if found else f"no object with {', '.join(self.keys)}", self.unit_of(start) if found else None)

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """All reports of the file."""
        yield told(from_reports(stream, reading, self.tell), reading)


def from_reports(stream: BinaryIO, reading: Reading, tell: Callable[[Json, Reading], Told | Bad]) -> Chunk:
    """All reports of a file in one chunk; above 256 MB it is refused with advice."""
    intake, read, aggregates, notes = Intake(reading), 0, list[Aggregate](), dict[str, None]()
    for number, raw, report in _reports(stream):
        said = report if isinstance(report, Bad) else tell(report, reading)
        if isinstance(said, Bad):
            intake.reject(number, said.reason, said.detail, raw)
            read += 1
            continue
        for judged, record in said.requests:
            read += 1
            values = settled(overridden(judged, record, reading), reading) if isinstance(judged, dict) else judged
            give(intake, values, Row(read, f"request {read}".encode()))
        read += len(said.aggregates)
        aggregates += said.aggregates
        notes |= dict.fromkeys(said.notes)
    return with_aggregates(intake.chunk(read, tuple(notes)), aggregates)


def each(listed: object, judge: Callable[[Json], dict[str, object] | Bad | Skip]) -> list[Judged]:
    """Every element of a report's list of requests, judged; one that is no object is rejected as that, no list holds none."""
    elements = listed if isinstance(listed, list) else []
    return [(judge(one), one) if isinstance(one, dict) else (_NO_OBJECT, {}) for one in elements]


_NO_OBJECT = Bad("not_object", "what stands among the requests is no object")


def only(one: Aggregate | Bad | Skip, notes: Sequence[str] = ()) -> Told | Bad:
    """What a report tells that states one aggregate and lists no request."""
    if isinstance(one, Bad):
        return one
    return Told([(one, {})]) if isinstance(one, Skip) else Told(aggregates=[one], notes=list(notes))


def with_aggregates(chunk: Chunk, aggregates: Iterable[Aggregate]) -> Chunk:
    """The chunk with aggregates too, each of them one of its records."""
    found = (*chunk.aggregates, *aggregates)
    profiled = chunk.lines.profiled + len(found) - len(chunk.aggregates)
    return replace(chunk, lines=replace(chunk.lines, profiled=profiled), aggregates=found)


def _reports(stream: BinaryIO) -> Iterator[tuple[int, bytes, dict[str, Any] | Bad]]:
    """Each report with its number and its bytes; the whole file, or each line of it where it is several."""
    document = whole(stream, _ADVICE).removeprefix(BOM)
    cut = damage_of(stream)
    if cut is not None:
        yield 1, document, Bad(cut.reason, "the stream ends inside the report")
        return
    report = document_of(document.strip(b" \t\r\n"))
    lines = [line for line in document.split(b"\n") if line.strip(b" \t\r")]
    if isinstance(report, Bad) and report.reason == "bad_json" and len(lines) > 1 and not isinstance(document_of(lines[0]), Bad):
        yield from ((number, line, document_of(line)) for number, line in enumerate(lines, 1))
        return
    cut_off = isinstance(report, Bad) and "truncated" in report.detail
    yield 1, document, Bad("truncated_tail", "the report is cut") if cut_off else report
