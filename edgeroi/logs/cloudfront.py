"""CloudFront standard access logs: tab-separated, with the names of the fields in the line ``#Fields:``.

Read from AWS's reference of standard logging. What the names hide:

- ``date`` and ``time`` are UTC in whole seconds, and when the answer was finished: the start is that less ``time-taken``.
- ``time-taken`` and ``time-to-first-byte`` are seconds, measured at the edge location: the way between it and the user is not in them.
- ``x-edge-location`` (``SEA19-C1``) is the place that answered, and becomes the region. It says nothing of where a model ran: whether
  that was the edge or the origin behind it is for a rule to say.
- ``Hit``, ``RefreshHit`` and ``OriginShieldHit`` were answered from a cache in a millisecond: they are split off, as no origin was asked.
- The result ``Error`` is a failure whatever the status says (the client went away in mid-answer with 200); ``000`` is one too.
- ``-`` is unknown. A line that begins with ``#`` is a header; one with other fields changes what follows, as in joined files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Final

from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.access import path_of_target, streamed
from edgeroi.logs.columns import Values
from edgeroi.logs.format import Chunk, Claim, Counted, Format, Head
from edgeroi.logs.objects import seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.textlines import (
    Derived,
    Grammar,
    TextLines,
    Texts,
    begun,
    instants,
    known,
    ms_of_seconds,
    read_text,
    unit_of,
    unmet,
)  # fmt: skip
from edgeroi.request import LineCount, joined

_FIELDS: Final = b"#Fields:"
#: What each line must tell.
_NEEDED: Final = ("date", "time", "time-taken")
_HITS: Final = frozenset(("Hit", "RefreshHit", "OriginShieldHit"))
_WRONG: Final = ("Error", "LimitExceeded", "CapacityExceeded")
_HEADER = re.compile(rb"(?m)^#[^\n]*(?:\n|\Z)")
#: The fields of a log written today.
TODAY: Final = (
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status", "cs(Referer)",
    "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol", "cs-bytes",
    "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher", "x-edge-response-result-type", "cs-protocol-version", "fle-status",
    "fle-encrypted-fields", "c-port", "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len",
    "sc-range-start", "sc-range-end",
)  # fmt: skip


def ended(dates: Texts, times: Texts) -> Values:
    """UTC days and times of day as instants."""
    return instants([f"{date}T{time}Z" for date, time in zip(dates, times, strict=True)])


def started(dates: Texts, times: Texts, taken: Texts) -> Values:
    """When the requests began."""
    return begun(ended(dates, times), ms_of_seconds(taken))


def hits(results: Texts) -> Values:
    """Whether a cache answered."""
    return [result in _HITS for result in results]


def errors(results: Texts, detailed: Texts | None = None) -> Values:
    """What went wrong, in detail where the log has it."""
    told = results if detailed is None else detailed
    return [detail if result in _WRONG else None for result, detail in zip(results, told, strict=True)]


def are_streamed(types: Texts) -> Values:
    """Whether each answer came event by event."""
    return [streamed(kind) for kind in types]


def paths(stems: Texts) -> Values:
    """The paths asked for."""
    return [None if stem == "-" else path_of_target(stem) for stem in stems]


def group(name: str) -> str:
    """A field's name as a pattern can have it."""
    return re.sub(r"\W", "_", name.strip(), flags=re.ASCII)


@lru_cache(maxsize=64)
def grammar_of(names: tuple[str, ...]) -> Grammar:
    """The lines below a header with these names."""
    pattern = r"\t".join(rf"(?P<{group(name)}>[^\t\n]*)" for name in names)
    sources = {
        "timestamp": Derived(("date", "time", "time_taken"), started),
        "request_id": Derived(("x_edge_request_id",), known),
        "region": Derived(("x_edge_location",), known),
        "status": Derived(("sc_status",), known),
        "error": Derived(("x_edge_result_type", "x_edge_detailed_result_type"), errors),
        "streamed": Derived(("sc_content_type",), are_streamed),
        "cache_hit": Derived(("x_edge_result_type",), hits),
        "latency_ms": Derived(("time_taken",), ms_of_seconds),
        "ttft_ms": Derived(("time_to_first_byte",), ms_of_seconds),
    }
    there = {group(name) for name in names}
    columns = {column: source for column, source in sources.items() if there.issuperset(source.fields)}
    if "error" not in columns and "x_edge_result_type" in there:
        columns["error"] = Derived(("x_edge_result_type",), errors)
    named = {"path": ("cs_uri_stem", paths), "host": ("x_host_header", known), "method": ("cs_method", known)}
    readable = {name: Derived((field,), values) for name, (field, values) in named.items() if field in there}
    plain = {name: Derived((group(name),), known) for name in names if group(name) != name}
    return Grammar("CloudFront", pattern, columns, {**plain, **readable}, "gateway")


def names_in(line: bytes) -> tuple[str, ...] | None:
    """The names of a ``#Fields:`` line, ``None`` for another line or where a name stands twice."""
    if not line.startswith(_FIELDS):
        return None
    names = tuple(line.removeprefix(_FIELDS).decode("utf-8", "replace").split())
    return names if len({group(name) for name in names}) == len(names) else None


class CloudFront:
    """CloudFront standard logs; see the module."""

    name = "cloudfront"
    unit = "time-taken, s"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; the way between the edge location and the user; where the model ran, and the workload: rules"
    fields: Mapping[str, str] = {
        "timestamp": "date and time, UTC, less time-taken: they are the end",
        "request_id": "x-edge-request-id",
        "region": "x-edge-location",
        "status": "sc-status; 000 is a failure",
        "error": "x-edge-detailed-result-type where x-edge-result-type is Error, LimitExceeded or CapacityExceeded",
        "streamed": "sc-content-type is text/event-stream",
        "cache_hit": "x-edge-result-type is Hit, RefreshHit or OriginShieldHit",
        "latency_ms": "time-taken",
        "ttft_ms": "time-to-first-byte, s",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line ``#Fields:`` that names the time taken."""
        names = next(filter(None, map(names_in, head.lines())), None)
        if names is None:
            return Claim(False, "no line #Fields:")
        lacking = [name for name in _NEEDED if name not in names]
        if lacking:
            return Claim(False, f"#Fields: without {', '.join(lacking)}")
        missing = unmet(grammar_of(names), reading)
        why = missing or "#Fields: with time-taken"
        return Claim(missing is None, why, unit_of(self.unit, reading), reader=CloudFrontLines.below(self, names))

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Lines with the 33 fields of today; for a file with others the claim names another reader."""
        return CloudFrontLines.below(self, TODAY).read_lines(chunk, reading, last)


@dataclass
class CloudFrontLines(TextLines):
    """The lines below a header with these names."""

    names: tuple[str, ...] = ()

    @classmethod
    def below(cls, format: Format, names: tuple[str, ...]) -> CloudFrontLines:
        """The reader for a file with this header."""
        return cls(format.name, format.unit, format.fields, format.lacks, grammar_of(names), names=names)

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; raises ``EdgeroiError`` at a header with other names, as what follows would be misread."""
        if not _HEADER.search(chunk):
            return read_text(chunk, reading, self.grammar)
        parts = [self._part(part, reading) for part in _parts(chunk)]
        lines = sum((part.lines for part in parts), LineCount())
        batches = [part.batch for part in parts if part.batch is not None and part.batch.n]
        before = accumulate((part.lines.read for part in parts), initial=0)
        faults = tuple(replace(f, line=f.line + above) for part, above in zip(parts, before, strict=False) for f in part.faults)
        return seen(Chunk(lines, joined(batches) if batches else None, faults=faults), reading, self.grammar.seen_from)

    def _part(self, part: bytes, reading: Reading) -> Chunk:
        if not part.startswith(b"#"):
            return read_text(part, reading, self.grammar)
        if part.startswith(_FIELDS) and names_in(part) != self.names:
            fix = "give the files one by one, as CloudFront wrote them"
            raise EdgeroiError("another #Fields: line than the first: files joined", place=Place(reading.file or "-"), fix=fix)
        return Chunk(LineCount(1, skipped={"header": 1}))


def _parts(text: bytes) -> Iterator[bytes]:
    """Headers one by one, and what stands between them."""
    at = 0
    for header in _HEADER.finditer(text):
        if header.start() > at:
            yield text[at : header.start()]
        yield header[0]
        at = header.end()
    if at < len(text):
        yield text[at:]


FORMAT = CloudFront()
