r"""nginx access logs: combined with ``$request_time`` behind it, ingress-nginx's own format, and JSON with nginx's variable names.

Read from nginx's documentation of its variables and ingress-nginx's of ``log-format-upstream``. What the names hide:

- ``$request_time`` is seconds with three decimals, always, from the first byte of the request to the last of the answer: a slow client
  is in it. ``$time_local``, ``$time_iso8601`` and ``$msec`` are when the line was written, so the end; the start is that less the time.
- Behind the combined format bare times have no names. The first is taken for ``$request_time``, a second for
  ``$upstream_response_time``; where the second is larger by more than rounding explains, they were swapped and nothing is claimed.
- ``$upstream_*`` are lists where an upstream was tried again (``, ``) or the request went on elsewhere (`` : ``), ``-`` without one.
  Mapped, such a list of times is its sum: what the request spent in upstreams.
- Status 499 is a client that went away, ``000`` an answer that never began: failures.
- ``$upstream_header_time``, where it is logged, is until the first byte of the header: TTFT as nginx sees it, of a request tried once.
- A log without ``escape=json`` writes ``\x22``, which is no JSON: such lines are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from edgeroi.logs.access import UNKNOWN, claim_of_json, first_told, path_of_target, streamed, text_of, value
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.objects import from_lines_together, known, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Skip, instant_of
from edgeroi.logs.textlines import (
    ASKED,
    CLF_TIME,
    QUOTED,
    Derived,
    Floats,
    Grammar,
    TextLines,
    Texts,
    begun,
    clf_instants,
    compiled,
    hosts,
    likeliest,
    methods,
    ms_of_seconds,
    paths,
    targets,
    unit_of,
    unmet,
)
from edgeroi.logs.textlines import known as known_texts
from edgeroi.logs.times import scaled
from edgeroi.workload import SeenFrom

#: A proxy does not see the user's own way to it.
SEEN_FROM: Final[SeenFrom] = "gateway"

_SECONDS: Final = r"\d+\.\d{3}"
_TIMES: Final = rf"(?:{_SECONDS}|-)(?:(?:, | : )(?:{_SECONDS}|-))*"
_ITEM: Final = r"[^,:\s][^,\s]*"
_ITEMS: Final = rf"{_ITEM}(?:(?:, | : ){_ITEM})*"
_COMBINED: Final = (
    rf'(?P<remote_addr>[^\s"]+) - (?:\[[^\]"\n]*\] - )?(?P<remote_user>[^\["\n]*?) \[(?P<time_local>{CLF_TIME})\]'
    rf' "(?P<request>{QUOTED})" (?P<status>\d{{3}}) (?P<body_bytes_sent>\d+|-)'
    rf' "(?P<http_referer>{QUOTED})" "(?P<http_user_agent>{QUOTED})"'
)
_FORWARDED: Final = rf'(?: "(?P<http_x_forwarded_for>{QUOTED})")?'
_SEPARATOR: Final = re.compile(r", | : ")
#: Two clocks that are each rounded to the millisecond may differ by so much.
_ROUNDING_MS: Final = 2.0


def sums_ms(texts: Texts) -> Floats:
    """Lists of seconds as the ms of each sum; an attempt that told none is left out, NaN where none told any."""
    return np.fromiter((_sum_ms(text) for text in texts), np.float64, len(texts))


def _sum_ms(text: str) -> float:
    told = [float(part) for part in _SEPARATOR.split(text) if part not in UNKNOWN]
    return sum(told) * 1e3 if told else np.nan


def single_ms(texts: Texts) -> Floats:
    """Seconds as ms; NaN for a dash, and for a list, whose attempts came one after the other."""
    return np.fromiter((np.nan if _SEPARATOR.search(text) else _sum_ms(text) for text in texts), np.float64, len(texts))


def summed(texts: Texts) -> list[str]:
    """Lists of seconds as the seconds of each sum, as text."""
    return ["" if np.isnan(ms) else f"{ms / 1e3:.3f}" for ms in sums_ms(texts).tolist()]


def _begun(written: Texts, seconds: Texts) -> Any:
    return begun(clf_instants(written), ms_of_seconds(seconds))


def _grammar(name: str, tail: str) -> Grammar:
    """Combined with something behind it."""
    columns = {
        "timestamp": Derived(("time_local", "request_time"), _begun),
        "status": Derived(("status",), known_texts),
        "latency_ms": Derived(("request_time",), ms_of_seconds),
    }
    if "<req_id>" in tail:
        columns["request_id"] = Derived(("req_id",), known_texts)
    if "<upstream_header_time>" in tail:
        columns["ttft_ms"] = Derived(("upstream_header_time",), single_ms)
    upstream = ("upstream_response_time", "upstream_connect_time", "upstream_header_time")
    lists = {field: Derived((field,), summed) for field in upstream if f"<{field}>" in tail}
    return Grammar(name, _COMBINED + tail, columns, {**ASKED, **lists}, SEEN_FROM)


#: Text formats, by what stands behind combined.
GRAMMARS: Final = (
    _grammar(
        "nginx ingress",
        rf" (?P<request_length>\d+) (?P<request_time>{_SECONDS}) \[(?P<proxy_upstream_name>[^\]\n]*)\]"
        r"(?: \[(?P<proxy_alternative_upstream_name>[^\]\n]*)\])?"
        rf" (?P<upstream_addr>{_ITEMS}) (?P<upstream_response_length>{_ITEMS}) (?P<upstream_response_time>{_TIMES})"
        rf" (?P<upstream_status>{_ITEMS})(?: (?P<req_id>\S+))?",
    ),
    _grammar(
        "nginx combined + request_time",
        rf"{_FORWARDED} (?P<request_time>{_SECONDS})(?: (?P<upstream_response_time>{_TIMES}))?(?: [.p])?",
    ),
    _grammar(
        "nginx combined + rt=",
        rf'{_FORWARDED} (?:rt|request_time)="?(?P<request_time>{_SECONDS})"?'
        rf'(?: (?:uct|upstream_connect_time)="?(?P<upstream_connect_time>{_TIMES})"?)?'
        rf'(?: (?:uht|upstream_header_time)="?(?P<upstream_header_time>{_TIMES})"?)?'
        rf'(?: (?:urt|upstream_response_time)="?(?P<upstream_response_time>{_TIMES})"?)?',
    ),
)

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "msec, time_iso8601 or time_local, less request_time: it is the end",
    "request_id": "req_id or request_id",
    "status": "status; 499 and 000 are failures",
    "streamed": "sent_http_content_type is text/event-stream, where JSON tells it",
    "latency_ms": "request_time",
    "ttft_ms": "upstream_header_time, of a request tried once, where it is logged by name",
}


class Nginx:
    """nginx access logs; see the module."""

    name = "nginx"
    unit = "request_time, s"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    fields: Mapping[str, str] = FIELDS
    lacks = "tokens, model, cost; the user's own way to it, though a slow client is in its time; workload and placement: rules"

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line of text with ``$request_time``, or of JSON with nginx's names for it."""
        if head.data.lstrip().startswith((b"{", b"[")):
            return claim_of_json(head, reading, _is_nginx, "nginx json", "request_time, status and another variable of nginx")
        grammar = likeliest(GRAMMARS, head)
        if grammar is None:
            return Claim(False, "no line is combined with $request_time behind it")
        missing = unmet(grammar, reading) or _swapped(grammar, head)
        if missing:
            return Claim(False, missing)
        return Claim(
            True, f"lines as {grammar.name} has them", unit_of(self.unit, reading), grammar.name, reader=TextLines.of(self, grammar)
        )

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Lines of JSON; for lines of text the claim names another reader."""
        return seen(from_lines_together(chunk, reading, JUDGE), reading, SEEN_FROM)


def _swapped(grammar: Grammar, head: Head) -> str | None:
    """Why the two times behind a line may be the other way round; only bare ones can be."""
    wanted = frozenset(("request_time", "upstream_response_time"))
    if grammar is not GRAMMARS[1]:
        return None
    found = map(compiled(grammar.pattern, wanted).fullmatch, (line.decode("utf-8", "replace") for line in head.lines()))
    times = ((float(match["request_time"]) * 1e3, _sum_ms(match["upstream_response_time"] or "")) for match in found if match)
    if any(upstream > whole + _ROUNDING_MS for whole, upstream in times):
        return "of the two times behind a line the second is the larger, so the first is not $request_time"
    return None


# ---- JSON ------------------------------------------------------------------------------------------------------------------

#: A record is nginx's by its time and status, and by one of these besides.
_SIGNS: Final = (
    "request", "request_uri", "uri", "body_bytes_sent", "bytes_sent", "remote_addr", "time_local", "time_iso8601", "msec",
    "upstream_response_time", "upstream_addr", "request_method", "http_user_agent",
)  # fmt: skip
_WRITTEN: Final = ("msec", "time_iso8601", "time_local", "@timestamp", "timestamp", "time")
_REQUEST_ID: Final = ("request_id", "req_id", "x_request_id")
_CLF = re.compile(CLF_TIME, re.ASCII)
_TIME_LIST = re.compile(_TIMES, re.ASCII)


def _is_nginx(record: Mapping[str, Any]) -> bool:
    return "request_time" in record and "status" in record and any(sign in record for sign in _SIGNS)


def canonical(record: Mapping[str, Any]) -> dict[str, object] | Bad | Skip:
    """A JSON record in canonical columns, values still unchecked."""
    if "request_time" not in record:
        return Bad("missing_field", "request_time is missing")
    seconds, written = value(record.get("request_time")), _written(record)
    if isinstance(written, Bad):
        return written
    latency = scaled(seconds, 1e3)
    return {
        "timestamp": _less(written, latency),
        "request_id": first_told(record, _REQUEST_ID),
        "status": text_of(record.get("status")),
        "streamed": streamed(record.get("sent_http_content_type")),
        "latency_ms": latency,
        "ttft_ms": _header_ms(record.get("upstream_header_time")),
    }


def _written(record: Mapping[str, Any]) -> int | Bad | None:
    said = value(first_told(record, _WRITTEN))
    if said is None:
        return None
    if isinstance(said, str) and _CLF.fullmatch(said):
        told = clf_instants([said])[0]
        return told if isinstance(told, Bad) else int(told)
    return instant_of(said)


def _less(written: int | None, latency: object) -> object:
    return written - round(latency * 1e6) if written is not None and isinstance(latency, float) and 0 <= latency < 1e12 else written


def _header_ms(said: object) -> object:
    if isinstance(said, str) and _TIME_LIST.fullmatch(said):
        ms = float(single_ms([said])[0])
        return None if np.isnan(ms) else ms
    return scaled(value(said), 1e3)


def readable(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what a rule or mapping may name besides its own keys: method, host, path, uri."""
    request = record.get("request")
    asked = [request] if isinstance(request, str) else []
    uri = first_told(record, ("request_uri", "uri")) or next(iter(targets(asked)), None)
    told = {
        "method": first_told(record, ("request_method",)) or next(iter(methods(asked)), None),
        "host": first_told(record, ("http_host", "server_name")) or next(iter(hosts(asked)), None),
        "path": path_of_target(uri) if isinstance(uri, str) else next(iter(paths(asked)), None),
        "uri": uri,
    }
    return told | dict(record)


JUDGE: Final = known(canonical, readable)
FORMAT = Nginx()
