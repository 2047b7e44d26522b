"""HAR: what a browser saw of each request, one JSON document with ``log.entries``.

Read from the HAR 1.2 specification. What the names hide:

- ``time`` is ms and the sum of the phases; some recorders leave it null: then the phases are added up. ``ssl`` is part of ``connect``,
  and -1 is a phase that did not happen (a connection used again), never a duration.
- The first byte is there after ``blocked``, ``dns``, ``connect``, ``send`` and ``wait``. It is the first token only of an answer that
  comes event by event, which its ``mimeType`` says.
- Status 0 is a request that was blocked or given up: a failure. ``_fromCache`` marks what never left the browser.
- Nothing of what the browser sent or was sent is kept: headers and cookies hold secrets. A rejected entry is shown without its text.

Counted in entries. The phases of the network (``dns``, ``connect``, ``send``) are not all of it, as ``wait`` holds a round trip: no
network time is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from edgeroi.logs.access import host_and_target, path_of_target, streamed
from edgeroi.logs.columns import Row
from edgeroi.logs.elements import Element, listing
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.lines import BOM, object_of
from edgeroi.logs.objects import give, known, seen, whole
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake

#: The phases before the first byte, and after it; ``ssl`` is inside ``connect``.
_BEFORE: Final = ("blocked", "dns", "connect", "send", "wait")
_PHASES: Final = (*_BEFORE, "receive")
_LOG = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"log"[ \t\r\n]*:[ \t\r\n]*(?=\{)')
_ADVICE: Final = "export fewer entries"
_HIDDEN: Final = b"(an entry of a HAR file, not shown: it may hold cookies and tokens)"


class Har:
    """HAR files; see the module."""

    name = "har"
    unit = "time, ms"
    counted: Counted = "records"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; the network's part (wait holds a round trip and the service); placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "startedDateTime",
        "request_id": "_requestId",
        "workload": "_resourceType",
        "status": "response.status; 0 is a failure",
        "error": "response._error",
        "streamed": "response.content.mimeType is text/event-stream",
        "connection": "new where timings.connect is above 0, else reused",
        "cache_hit": "_fromCache",
        "latency_ms": "time, else the sum of timings without ssl",
        "ttft_ms": "timings: blocked + dns + connect + send + wait",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A document that starts as a HAR does: a log with a version, a creator or entries."""
        start = head.data.removeprefix(BOM).lstrip()[:4096]
        told = _LOG.match(start) is not None and (b'"entries"' in head.data or (b'"creator"' in start and b'"version"' in start))
        if told and "latency_ms" in reading.fields:
            return Claim(True, "a HAR document", _unit(reading))
        return Claim(told, "a HAR document" if told else "does not start as {log: {version, creator, entries")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all entries; the document has to be held whole, so above 256 MB it is refused with advice."""
        intake, found = Intake(reading), entries(whole(stream, _ADVICE))
        for entry in found:
            if entry.fault is not None:
                intake.reject(entry.line, entry.fault, entry.detail, _HIDDEN)
                continue
            record = object_of(entry.raw)
            give(intake, record if isinstance(record, Bad) else JUDGE(record, reading), Row(entry.line, _HIDDEN))
        yield seen(intake.chunk(len(found)), reading, "client")


def _unit(reading: Reading) -> str | None:
    mapped = reading.fields["latency_ms"]
    return f"{mapped.name}, {mapped.unit}"


def entries(document: bytes) -> Sequence[Element]:
    """The entries of a document, each with the line it starts on; a document that is cut or no JSON ends in one that says so."""
    start = _LOG.match(document, len(BOM) if document.startswith(BOM) else 0)
    found = listing(document, ("entries",), start.end()) if start else None
    last_line = 1 + document.count(b"\n")
    if found is None:
        return [Element(b"", last_line, len(document), "truncated_tail", "the document ends before its entries")]
    if any(element.fault for element in found.elements) or _is_json(document):
        return found.elements
    return [*found.elements, Element(b"", last_line, len(document), "bad_json", "the document around the entries is no JSON")]


def _is_json(document: bytes) -> bool:
    import msgspec

    try:
        msgspec.json.decode(document.removeprefix(BOM), type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def canonical(entry: Mapping[str, Any]) -> dict[str, object] | Bad:
    """An entry in canonical columns, values still unchecked."""
    timings, response = _object(entry.get("timings")), _object(entry.get("response"))
    took, content = entry.get("time"), _object(response.get("content"))
    connect = timings.get("connect")
    return {
        "timestamp": entry.get("startedDateTime"),
        "request_id": entry.get("_requestId"),
        "workload": entry.get("_resourceType"),
        "status": response.get("status"),
        "error": response.get("_error") or None,
        "streamed": streamed(content.get("mimeType") or None),
        "connection": ("new" if connect and connect > 0 else "reused") if _is_number(connect) else None,
        "cache_hit": bool(entry.get("_fromCache")) or None,
        "latency_ms": took if took is not None else _sum(timings, _PHASES),
        "ttft_ms": _sum(timings, _BEFORE),
    }


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _sum(timings: Mapping[str, Any], phases: Sequence[str]) -> float | None:
    """The phases that happened, added up; unknown where there was neither wait nor what it waits for."""
    told = [timings[phase] for phase in phases if _is_number(timings.get(phase)) and timings[phase] >= 0]
    return float(sum(told)) if told and _is_number(timings.get("wait")) and timings["wait"] >= 0 else None


def readable(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with what a rule or mapping may name besides its own keys: method, host, path without the query, uri."""
    request = _object(entry.get("request"))
    url = request.get("url")
    host, uri = host_and_target(url) if isinstance(url, str) else ("", None)
    return {**entry, "method": request.get("method"), "host": host or None, "uri": uri, "path": path_of_target(uri) if uri else None}


JUDGE: Final = known(canonical, readable)
FORMAT = Har()
