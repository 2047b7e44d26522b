"""OTLP-JSON traces with GenAI spans: one object, one object a line as the collector's file exporter writes them, or spans by themselves.

Bare spans, an array of them or one a line, carry no resource unless they bring it along (``resource``).
Counted in spans: a line of k spans counts k, a line that cannot be read counts one. What makes a span a request, and which
spans tell of the same one, is in ``spans``. Spans of one request are matched within a file, in bounded memory: how far they may lie
apart is in ``span_window``.
A client span is measured in the application that calls the model: the user's own leg is not in it, so the log is seen from a
gateway. A log of server spans alone is seen from the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

from edgeroi.errors import EdgeroiError
from edgeroi.logs.columns import with_batch
from edgeroi.logs.elements import elements
from edgeroi.logs.format import RAW_BYTES, Chunk, Claim, Head
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.objects import LARGEST_DOCUMENT, document_of, first_objects, is_array, lines_of, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake
from edgeroi.logs.span_records import Records, pieces_of
from edgeroi.logs.span_window import MATCHED_WITHIN, MOST_WAITING, Window, columns_told
from edgeroi.logs.spans import ATTRIBUTES, BORROWED, TTFT_S, Span, attributes_of, span_of
from edgeroi.logs.stream import Damage, damage_of
from edgeroi.workload import SeenFrom

#: Spans that are put into columns together.
_PACKED_TOGETHER = 2048
#: Lines that are no documents, told together.
_MOST_BAD = 10_000
#: By whether the spans are a server's.
_SEEN_FROM: Final[Mapping[bool, SeenFrom]] = {False: "gateway", True: "server"}
_ENVELOPES: Final = ("resourceSpans", "batches")
_SPAN: Final = ("traceId", "spanId", "startTimeUnixNano")
_ADVICE = "have the collector write one object a line (its file exporter does): jq -c . FILE > FILE.jsonl"


def _columns() -> Mapping[str, str]:
    fields = {column: names[0] for column, names in ATTRIBUTES.items()}
    return fields | {
        "timestamp": "startTimeUnixNano",
        "request_id": "spanId",
        "workload": "edgeroi.workload, else gen_ai.workflow.name, else service.name/gen_ai.operation.name",
        "placement": "edge where the model is @cf/... or the address Cloudflare's, else unknown",
        "provider": "gen_ai.provider.name; server.address where another answers in that dialect",
        "region": "cloud.region of the span, or of a server span's resource",
        "status": "http.response.status_code, else status.code",
        "error": "error.type, or status.code 2",
        "streamed": "gen_ai.request.stream, or a chunk event",
        "latency_ms": "endTimeUnixNano - startTimeUnixNano",
        "ttft_ms": f"{TTFT_S[0]} and its older names, s; else the first chunk event",
        "cost_usd": "gen_ai.usage.cost; 0 is unknown",
    }


TOLD: Final = _columns()


class Otlp:
    """OTLP-JSON traces; see the module."""

    name = "otlp"
    unit = "endTimeUnixNano - startTimeUnixNano, ns"
    counted: Literal["spans"] = "spans"
    hidden: tuple[str, ...] = ()
    lacks = "the user's own way to the caller; cost, unless an instrumentation adds it; a first token of the server's is not the caller's"
    fields: Mapping[str, str] = TOLD

    def claim(self, head: Head, reading: Reading) -> Claim:
        """An OTLP document of spans, on one line or several, or spans by themselves."""
        records = first_objects(head)
        told = [envelope for record in records if (envelope := _envelope(record)) is not None]
        if not told and any(map(_is_span, records)):
            return Claim(True, "OTLP spans by themselves")
        if is_array(head):
            return Claim(bool(told), "an array of OTLP documents" if told else f"no element has resourceSpans or {', '.join(_SPAN)}")
        start = head.data.removeprefix(BOM).lstrip(b" \t\r\n")[:4096]
        if told or (start.startswith(b"{") and any(f'"{name}"'.encode() in start for name in _ENVELOPES)):
            return Claim(True, f"an OTLP document with {told[0] if told else _ENVELOPES[0]}")
        other = next((name for name in ("resourceMetrics", "resourceLogs") if f'"{name}"'.encode() in start), None)
        return Claim(False, f"OTLP {other} hold no spans" if other else "no line has resourceSpans")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read span by span, and count a request once the spans around it have been met."""
        pending = _Pending.of(reading)
        for number, line, fault in _documents(stream):
            if fault is None:
                pending.take(number, line, None if line.endswith(b"\n") else damage_of(stream))
            else:
                pending.bad.append((number, fault, line))
            if pending.waiting > MOST_WAITING:
                yield pending.chunk(0.5)
            elif len(pending.bad) >= _MOST_BAD:
                yield pending.chunk(0)
        yield pending.chunk(1)


@dataclass(slots=True)
class _Pending:
    """What was read and not yet given on: spans, blank lines, and lines that are no document.

    ``records``: spans on their way into the window's columns.
    ``before``: spans and lines given on; a reject is placed from there, as the engine counts on by them.
    ``inner``, ``orphans``: of all given on, how many spans told what another told, and how many requests named a parent not met.
    """

    reading: Reading
    window: Window
    records: Records
    before: int = 0
    bad: list[tuple[int, Bad, bytes]] = field(default_factory=list)
    blank: int = 0
    inner: int = 0
    orphans: int = 0
    served: set[bool] = field(default_factory=set)

    @classmethod
    def of(cls, reading: Reading) -> _Pending:
        """Nothing yet."""
        columns = columns_told(reading, TOLD)
        window = Window(columns, [column for column in BORROWED if column not in reading.fields])
        return cls(reading, window, Records(reading, columns, _mapped(reading)))

    @property
    def waiting(self) -> int:
        """How many spans are held."""
        return self.window.n + self.records.n

    def take(self, number: int, line: bytes, cut: Damage | None) -> None:
        """Read one document; ``cut`` where the stream ends inside it."""
        if not line.strip(b" \t\r\n"):
            self.blank += 1
        elif cut is not None or not self.records.take(line, number):
            self._take_exactly(number, line, cut)
        self._pack(_PACKED_TOGETHER)

    def _take_exactly(self, number: int, line: bytes, cut: Damage | None) -> None:
        import msgspec

        kept = self.records.mapped.values()
        if cut is None and len(line) > LONGEST_LINE and (pieces := pieces_of(line)) is not None:
            for piece in pieces:
                if not self.records.take(piece, number):
                    self.records.add(spans_in(msgspec.json.decode(piece), number, kept))
                self._pack(_PACKED_TOGETHER)
            return
        record = document_of(line) if cut is None else Bad(cut.reason, "the stream ends inside this line")
        if isinstance(record, Bad) and record.reason == "bad_json" and not line.endswith(b"\n"):
            record = Bad("truncated_tail", "the last line has no newline and is cut")
        if isinstance(record, Bad):
            self.bad.append((number, record, line[:RAW_BYTES]))
        elif _envelope(record) is not None:
            self.records.add(spans_in(record, number, kept))
        elif _is_span(record):
            self.records.add((span_of(record, _resource(record), number, kept),))
        else:
            self.bad.append((number, Bad("missing_field", "resourceSpans is missing"), line[:RAW_BYTES]))

    def _pack(self, least: int) -> None:
        """Put spans into columns, where there are so many."""
        if self.records.n >= least:
            self.window.add(self.records.packed())

    def chunk(self, share: float) -> Chunk:
        """The account of what was read, and of the older spans: a share of them, one request for each set that tells of it."""
        self._pack(1)
        intake = Intake(self.reading, blank=self.blank)
        for number, bad, line in self.bad:
            intake.reject(number - self.before, bad.reason, bad.detail, line)
        settled = self.window.settle(intake, self.before, share)
        self.inner, self.orphans, self.served = self.inner + settled.inner, self.orphans + settled.orphans, self.served | settled.served
        read = settled.spans + len(self.bad) + self.blank
        intake.faults.sort(key=lambda fault: fault.line)
        chunk = with_batch(intake.chunk(read, self._notes() if share == 1 else ()), settled.batch)
        self.before, self.bad, self.blank = self.before + read, [], 0
        return seen(chunk, self.reading, _SEEN_FROM[next(iter(self.served))] if len(self.served) == 1 else None)

    def _notes(self) -> tuple[str, ...]:
        notes = ["some requests were measured by their caller, others by their server"] if len(self.served) > 1 else []
        if self.inner:
            notes.append(f"{self.inner:,} spans tell of a request that a span around them tells too; it is counted once")
        if self.window.overflowed:
            notes.append(
                f"spans of one request are matched within {MATCHED_WITHIN:,} spans of each other: {self.orphans:,} requests"
                " name a span around them that was not among those, and are counted by themselves"
            )
        return tuple(notes)


def _mapped(reading: Reading) -> dict[str, str]:
    """The attribute each mapped column comes from: its whole name, dots and all."""
    return {column: ".".join(where.path) for column, where in reading.fields.items()}


def spans_in(document: Mapping[str, Any], line: int, kept: Iterable[str] = ()) -> Iterator[Span]:
    """Every span of an OTLP document, with the attributes ``kept``; what has not the shape of one holds none."""
    for group in _listed(document, *_ENVELOPES):
        names = _resource(group)
        for scope in _listed(group, "scopeSpans", "instrumentationLibrarySpans"):
            for span in _listed(scope, "spans"):
                yield span_of(span, names, line, kept)


def _listed(holder: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]]:
    found: Sequence[Any] = next((holder[name] for name in names if isinstance(holder.get(name), list)), ())
    return [part for part in found if isinstance(part, dict)]


def _resource(holder: Mapping[str, Any]) -> dict[str, object]:
    """The attributes of the resource that a group of spans, or a span by itself, names."""
    resource = holder.get("resource")
    return attributes_of(resource.get("attributes")) if isinstance(resource, dict) else {}


def _is_span(record: Mapping[str, Any]) -> bool:
    """Whether the record is a span by itself."""
    return all(name in record for name in _SPAN)


def _envelope(record: Mapping[str, Any]) -> str | None:
    return next((name for name in _ENVELOPES if isinstance(record.get(name), list)), None)


def _documents(stream: BinaryIO) -> Iterator[tuple[int, bytes, Bad | None]]:
    """Each document with the line it starts on, and why it is none where an array holds something broken.

    Every line is one, or every element of an array, or all of the file where its first line is only the start of an object.
    """
    lines = enumerate(lines_of(stream), 1)
    for number, line in lines:
        if line.lstrip(b" \t\r\n").startswith(b"["):
            array = b"\n" * (number - 1) + _joined(line, (text for _, text in lines))
            yield from ((one.line, one.raw + b"\n", Bad(one.fault, one.detail) if one.fault else None) for one in elements(array))
            return
        if line.strip(b" \t\r\n") == b"{" or (line.strip() and _starts_object(line)):
            yield number, _joined(line, (text for _, text in lines)), None
            return
        yield number, line, None
        if line.strip():
            break
    yield from ((number, line, None) for number, line in lines)


def _starts_object(line: bytes) -> bool:
    """Whether the line opens brackets it does not close, as the first line of a pretty-printed object."""
    is_open = line.lstrip(BOM).lstrip().startswith(b"{") and line.count(b"{") > line.count(b"}")
    return is_open and isinstance(document_of(line), Bad)


def _joined(first: bytes, rest: Iterator[bytes]) -> bytes:
    parts, size = [first], len(first)
    for line in rest:
        parts.append(line)
        size += len(line)
        if size > LARGEST_DOCUMENT:
            raise EdgeroiError(f"one JSON value of more than {LARGEST_DOCUMENT >> 20} MB", fix=_ADVICE)
    return b"".join(parts)


FORMAT = Otlp()
