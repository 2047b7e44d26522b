"""k6's ``--out json``: one metric of one request a line, about nine lines a request.

Read from k6 1.1 (its documentation, and its output on a server of our own). What the lines hide:

- A request is one ``http_req_duration`` point. The points of its other metrics follow it with the same ``time`` and ``tags``: there is
  no other identifier. They, and the ``Metric`` lines, are no requests.
- ``time`` is when the request ended. The start is that less the duration.
- ``http_req_duration`` is sending, waiting and receiving. Looking up the name, connecting and TLS are not in it.
- A request that could not be sent has the status "0" and a duration of 0; one that timed out has the status "0" and a real one.
- A script may expect a 404. ``expected_response`` says what it expected, and where it is there it decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

from edgeroi.logs.columns import Row
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import object_of
from edgeroi.logs.load_test import MAPPED, first_byte_ms, is_mapped, is_number, told
from edgeroi.logs.objects import first_objects, give, is_array, lines_of, overridden, settled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, instant_of, status_failed
from edgeroi.logs.stream import Damage, damage_of

_DURATION: Final = "http_req_duration"
#: Until the first byte came: what k6 counts between the connection and it.
_UNTIL_FIRST_BYTE: Final = ("http_req_sending", "http_req_waiting")
#: A point as k6 writes it, down to its tags: metric, time and value.
_POINT: Final = re.compile(
    rb'\{"metric":"([a-z_]+)","type":"Point","data":\{"time":"([0-9TZ:.+-]+)","value":(-?(?:0|[1-9]\d{0,17})(?:\.\d+)?(?:e[+-]?\d{1,2})?),'
)
#: Lines a chunk holds, about.
_CHUNK_LINES: Final = 20_000
_NS_PER_MS: Final = 1_000_000


class K6:
    """k6 points; see the module."""

    name = "k6"
    unit = "http_req_duration, ms"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; the time to look up the name, connect and negotiate TLS; placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "time - http_req_duration (time is the end)",
        "workload": "tags.name, else tags.url",
        "variant": "tags.scenario",
        "status": "tags.status, where the script did not expect a failure",
        "error": "tags.error_code, where expected_response is false",
        "latency_ms": "http_req_duration: sending, waiting, receiving; not the connection",
        "ttft_ms": "http_req_sending + http_req_waiting of the same request, where the answer is a stream",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Lines that are points or metrics of k6."""
        if is_mapped(reading):
            return MAPPED
        found = not is_array(head) and any(map(_is_k6, first_objects(head)))
        return Claim(found, "points of k6 metrics" if found else "no line has type Point, metric and data")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all lines, and count one request for each duration."""
        gathering = _Gathering(Intake(reading))
        for line in lines_of(stream):
            if gathering.lines >= _CHUNK_LINES and gathering.starts_anew(line):
                yield gathering.chunk()
                gathering = _Gathering(Intake(reading))
            gathering.take(line, None if line.endswith(b"\n") else damage_of(stream))
        yield gathering.chunk()


def _is_k6(record: Mapping[str, Any]) -> bool:
    return record.get("type") in ("Point", "Metric") and "metric" in record and isinstance(record.get("data"), dict)


@dataclass(slots=True)
class _Request:
    """A duration whose other points may still come: ``parts`` are the values of those that did."""

    record: dict[str, Any]
    row: Row
    parts: dict[str, object] = field(default_factory=dict)
    time: bytes = b""
    rest: bytes = b""

    @classmethod
    def of(cls, record: dict[str, Any], row: Row) -> _Request:
        """The request of a duration; its time and its tags as they are written, where they are written as k6 does."""
        found = _POINT.match(row.raw)
        return cls(record, row, {}, found[2], row.raw[found.end() :]) if found else cls(record, row)

    def borrow(self, line: bytes) -> bool:
        """Take a point of this request; false where it has to be decoded to tell what it is.

        What follows the value is, byte for byte, what was decoded and checked already, and what stands before it leaves no choice.
        """
        found = _POINT.match(line)
        if not found or found[2] != self.time or line[found.end() :] != self.rest or found[1] == _DURATION.encode():
            return False
        metric = found[1].decode()
        if metric in _UNTIL_FIRST_BYTE:
            self.parts[metric] = float(found[3])
        return True

    def same(self, record: Mapping[str, Any]) -> bool:
        """Whether a point is of the same request: it ended at the same instant and says the same of it."""
        mine, other = self.record["data"], record["data"]
        return (mine.get("time"), mine.get("tags")) == (other.get("time"), other.get("tags"))


@dataclass(slots=True)
class _Gathering:
    """Lines as they come: the request whose points are still coming, and the judged ones."""

    intake: Intake
    lines: int = 0
    pending: _Request | None = None

    def starts_anew(self, line: bytes) -> bool:
        """Whether a chunk may end before this line."""
        return self.pending is None or f'"{_DURATION}"'.encode() in line

    def take(self, line: bytes, cut: Damage | None) -> None:
        """Take one line; ``cut`` where the stream ends inside it."""
        self.lines += 1
        if cut is None and self.pending is not None and self.pending.borrow(line):
            self.intake.skip("other_record")
            return
        if not line.strip(b" \t\r\n"):
            self.intake.blank += 1
            return
        record = object_of(line.rstrip(b"\n")) if cut is None else Bad(cut.reason, "the stream ends inside this line")
        if isinstance(record, Bad):
            ends_open = record.reason == "bad_json" and not line.endswith(b"\n")
            bad = Bad("truncated_tail", "the last line has no newline and is cut") if ends_open else record
            self.intake.reject(self.lines, bad.reason, bad.detail, line)
        elif not _is_k6(record):
            self.intake.reject(self.lines, "missing_field", "no k6 line: type, metric or data is missing", line)
        else:
            self._point(record, Row(self.lines, line))

    def _point(self, record: dict[str, Any], row: Row) -> None:
        metric = record["metric"] if record["type"] == "Point" else None
        if metric == _DURATION:
            self._close()
            self.pending = _Request.of(record, row)
            return
        self.intake.skip("other_record")
        if metric in _UNTIL_FIRST_BYTE and self.pending is not None and self.pending.same(record):
            self.pending.parts[metric] = record["data"].get("value")

    def _close(self) -> None:
        if self.pending is not None:
            give(self.intake, _canonical(self.pending, self.intake.reading), self.pending.row)
            self.pending = None

    def chunk(self) -> Chunk:
        """What was read; the last request is whole."""
        self._close()
        self.intake.faults.sort(key=lambda fault: fault.line)
        return told(self.intake.chunk(self.lines), self.intake.reading)


def _canonical(request: _Request, reading: Reading) -> dict[str, object] | Bad:
    data = request.record["data"]
    tags = data.get("tags") if isinstance(data.get("tags"), dict) else {}
    took = data.get("value")
    start = _start(data.get("time"), took)
    if isinstance(start, Bad):
        return start
    values: dict[str, object] = {
        "timestamp": start,
        "workload": tags.get("name") or tags.get("url"),
        "variant": tags.get("scenario"),
        "latency_ms": took,
        "ttft_ms": _first_byte(request.parts, took),
        **_outcome(tags),
    }
    return settled(overridden(values, request.record, reading), reading)


def _start(ended: object, took: object) -> int | Bad | None:
    end = None if ended is None else instant_of(ended, None, "data.time")
    return end - round(took * _NS_PER_MS) if isinstance(end, int) and is_number(took) else end


def _first_byte(parts: Mapping[str, object], took: object) -> object:
    told = [part for name in _UNTIL_FIRST_BYTE if is_number(part := parts.get(name))]
    return first_byte_ms(sum(told), took) if len(told) == len(_UNTIL_FIRST_BYTE) else None


def _outcome(tags: Mapping[str, Any]) -> dict[str, object]:
    """What the script expected decides; without its word, the status does."""
    expected, status = tags.get("expected_response"), tags.get("status")
    if expected == "false":
        return {"status": status, "error": tags.get("error_code") or "unexpected response"}
    if expected == "true":
        return {"status": None if status_failed(status) else status}
    return {"status": status, "error": tags.get("error_code")}


FORMAT = K6()
