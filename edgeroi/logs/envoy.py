"""Envoy access logs: the default text format, Istio's, and JSON with the usual names.

Read from Envoy's documentation of its access log (``usage``: command operators, response flags, the default format). What the names hide:

- ``DURATION`` is ms from the start of the request to the last byte out, all of a streamed answer. ``START_TIME`` is the start.
- ``x-envoy-upstream-service-time`` ends at the upstream's response header. What is left of the duration is the rest of a streamed
  answer as much as the way to a slow client, so it is no network time: none is told. It can be mapped like any other field.
- ``RESPONSE_DURATION`` (``response_duration``, where it is logged) is ms to the upstream's first byte: TTFT as Envoy sees it.
- Response flags say what went wrong even where the code is 200 (``DC``: the client went away in mid-answer): they are the error.
  ``DI`` (a delay was injected) is none, ``RFCF`` is an answer from Envoy's own cache.
- Code 0 is an answer that never began. In JSON numbers may be text; ``-`` and null are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.access import claim_of_json, first_told, path_of_target, text_of, value
from edgeroi.logs.columns import Values
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.objects import from_lines_together, known, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.textlines import (
    ASKED,
    QUOTED,
    Derived,
    Grammar,
    TextLines,
    Texts,
    instants,
    likeliest,
    numbers,
    unit_of,
    unmet,
)  # fmt: skip
from edgeroi.logs.textlines import known as known_texts
from edgeroi.workload import SeenFrom

#: A proxy does not see the user's own way to it.
SEEN_FROM: Final[SeenFrom] = "gateway"
#: Flags of requests that came to no harm.
_HARMLESS: Final = frozenset(("DI", "RFCF"))
_CACHED: Final = "RFCF"
_ISO: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_NUMBER: Final = r"\d+|-"


def errors_of(flags: Texts) -> Values:
    """Response flags as errors, without those that are none."""
    return [error_of(text) for text in flags]


def error_of(flags: str) -> str | None:
    """The flags that say what went wrong, ``None`` for none of them."""
    wrong = [flag for flag in flags.split(",") if flag not in ("", "-") and flag not in _HARMLESS]
    return ",".join(wrong) or None


def cache_hits(flags: Texts) -> Values:
    """Whether Envoy's cache answered."""
    return [_CACHED in text.split(",") for text in flags]


_COLUMNS: Final = {
    "timestamp": Derived(("start_time",), instants),
    "request_id": Derived(("request_id",), known_texts),
    "status": Derived(("response_code",), known_texts),
    "error": Derived(("response_flags",), errors_of),
    "cache_hit": Derived(("response_flags",), cache_hits),
    "latency_ms": Derived(("duration",), numbers),
}
_READABLE: Final = {**ASKED, "host": Derived(("authority",), known_texts)}


def _grammar(name: str, details: str, end: str) -> Grammar:
    pattern = (
        rf'\[(?P<start_time>{_ISO})\] "(?P<request>{QUOTED})" (?P<response_code>\d+) (?P<response_flags>\S+){details}'
        rf" (?P<bytes_received>{_NUMBER}) (?P<bytes_sent>{_NUMBER}) (?P<duration>{_NUMBER}) (?P<upstream_service_time>{_NUMBER})"
        rf' "(?P<forwarded_for>{QUOTED})" "(?P<user_agent>{QUOTED})" "(?P<request_id>{QUOTED})" "(?P<authority>{QUOTED})"'
        rf' "(?P<upstream_host>{QUOTED})"{end}'
    )
    return Grammar(name, pattern, _COLUMNS, _READABLE, SEEN_FROM)


GRAMMARS: Final = (
    _grammar("envoy", "", ""),
    _grammar(
        "envoy istio",
        rf' (?P<response_code_details>\S+) (?P<connection_termination_details>\S+|"{QUOTED}") "(?P<upstream_failure>{QUOTED})"',
        r" (?P<upstream_cluster>\S+) (?P<upstream_local_address>\S+) (?P<downstream_local_address>\S+) (?P<downstream_remote_address>\S+)"
        r" (?P<requested_server_name>\S+) (?P<route_name>\S+)",
    ),
)


class Envoy:
    """Envoy access logs; see the module."""

    name = "envoy"
    unit = "duration, ms"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; network time (the upstream's service time ends at its header); workload and placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "start_time",
        "request_id": "request_id or x-request-id",
        "status": "response_code; 0 is a failure",
        "error": "response_flags, without DI and RFCF",
        "cache_hit": "the response flag RFCF",
        "latency_ms": "duration",
        "ttft_ms": "response_duration, where JSON logs it",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line of Envoy's text, or of JSON with duration, response_code and another of its names."""
        if head.data.lstrip().startswith((b"{", b"[{")):
            return claim_of_json(head, reading, _is_envoy, "envoy json", "duration, response_code and another of Envoy's names")
        grammar = likeliest(GRAMMARS, head)
        if grammar is None:
            return Claim(False, "no line as Envoy's default format has them")
        missing = unmet(grammar, reading)
        why = missing or f"lines as {grammar.name} has them"
        return Claim(missing is None, why, unit_of(self.unit, reading), grammar.name, reader=TextLines.of(self, grammar))

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Lines of JSON; for lines of text the claim names another reader."""
        return seen(from_lines_together(chunk, reading, JUDGE), reading, SEEN_FROM)


# ---- JSON ------------------------------------------------------------------------------------------------------------------

_SIGNS: Final = ("start_time", "response_flags", "upstream_host", "upstream_cluster", "route_name")
_REQUEST_ID: Final = ("request_id", "x-request-id", "x_request_id")
_PATH: Final = ("path", "x-envoy-origin-path", "x-envoy-original-path", ":path")
_HOST: Final = ("authority", ":authority", "host")
_METHOD: Final = ("method", ":method")


def _is_envoy(record: Mapping[str, Any]) -> bool:
    return "duration" in record and "response_code" in record and any(sign in record for sign in _SIGNS)


def canonical(record: Mapping[str, Any]) -> dict[str, object] | Bad:
    """A JSON record in canonical columns, values still unchecked."""
    if "duration" not in record:
        return Bad("missing_field", "duration is missing")
    flags = record.get("response_flags")
    return {
        "timestamp": text_of(record.get("start_time")),
        "request_id": first_told(record, _REQUEST_ID),
        "status": text_of(record.get("response_code")),
        "error": error_of(flags) if isinstance(flags, str) else flags,
        "cache_hit": _CACHED in flags.split(",") if isinstance(flags, str) else None,
        "latency_ms": value(record.get("duration")),
        "ttft_ms": value(record.get("response_duration")),
    }


def readable(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what a rule or mapping may name besides its own keys: method, host, path without the query, uri."""
    uri = first_told(record, _PATH)
    asked = {"method": first_told(record, _METHOD), "host": first_told(record, _HOST), "uri": uri}
    return {**record, **asked, "path": path_of_target(uri) if isinstance(uri, str) else None}


JUDGE: Final = known(canonical, readable)
FORMAT = Envoy()
