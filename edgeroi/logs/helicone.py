"""Helicone requests: its export as JSON lines, JSON or CSV, and pages of its API.

Read from the documented request schema and export of Helicone (docs.helicone.ai, read 2026-11-22). What the names hide:

- ``delay_ms`` is the whole call and may be null; then the two times of the record tell it.
- ``time_to_first_token`` is in ms, null or 0 where nothing was streamed.
- A negative ``response_status`` is no HTTP status: -1 timed out, -2 still runs, -3 was cancelled, -4 was stopped as a threat. One that
  still runs is no request yet.
- Helicone prices cached tokens beside ``prompt_tokens``, so they stand outside: the input is the sum of the three.
- A cost of 0 is a model without a price; 0 tokens in all is a call whose usage nobody counted: both unknown.
- Its database writes times in UTC without a zone, and a ``cache_reference_id`` that is not all zeros where its cache answered.
- The proxy does not see the user's own way to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from edgeroi.logs.exported import Export
from edgeroi.logs.litellm_calls import at_edge
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.times import added, before_end, between_ms, first, plain, utc

Json = Mapping[str, Any]

_EVERY: Final = ("request_created_at", "delay_ms", "response_status")
_PENDING: Final = -2
_NOT_HTTP: Final[Mapping[object, str]] = {-1: "timeout", -3: "cancelled", -4: "threat"}
_NO_CACHE: Final = frozenset("0-")

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "request_created_at",
    "request_id": "request_id",
    "user_id": "request_user_id",
    "workload": "the path of request_path",
    "placement": "edge where the provider is cloudflare or workers-ai or the model @cf/..., else unknown",
    "provider": "provider",
    "model": "response_model, else request_model",
    "status": "response_status; -1 timeout, -3 cancelled, -4 threat",
    "error": "response_status where it is a failure",
    "streamed": "a first token before the end",
    "cache_hit": "cache_reference_id that is not all zeros",
    "latency_ms": "delay_ms, else response_created_at - request_created_at",
    "ttft_ms": "time_to_first_token, ms; 0 is none",
    "input_tokens": "prompt_tokens + prompt_cache_read_tokens + prompt_cache_write_tokens",
    "cached_tokens": "prompt_cache_read_tokens",
    "cache_write_tokens": "prompt_cache_write_tokens",
    "output_tokens": "completion_tokens",
    "cost_usd": "costUSD, else cost; 0 is unknown",
}


def recognised(record: Json) -> str | None:
    """The kind of record, by its keys."""
    return "request" if all(key in record for key in _EVERY) else None


def canonical(record: Json) -> dict[str, object] | Bad | Skip:
    """A request in canonical columns, values still unchecked; ``Skip`` for one that still runs."""
    status = plain(record.get("response_status"))
    if status == _PENDING:
        return Skip("other_record")
    start, end = (utc(record.get(name), name) for name in ("request_created_at", "response_created_at"))
    bad = next((at for at in (start, end) if isinstance(at, Bad)), None)
    if bad is not None:
        return bad
    latency_ms = first(plain(record.get("delay_ms")), between_ms(start, end))
    ttft_ms = before_end(plain(record.get("time_to_first_token")) or None, latency_ms)
    return _labels(record) | _tokens(record) | _outcome(status) | {
        "timestamp": start, "latency_ms": latency_ms, "ttft_ms": ttft_ms, "streamed": True if ttft_ms is not None else None,
    }  # fmt: skip


def _outcome(status: object) -> dict[str, object]:
    """A failure by its HTTP status, or by the word for what is none."""
    word = _NOT_HTTP.get(status) if isinstance(status, int) else None
    failed = type(status) is int and not 100 <= status <= 399
    return {"status": "failure" if word else status, "error": word or (str(status) if failed else None)}


def _labels(record: Json) -> dict[str, object]:
    model, reference = first(record.get("response_model"), record.get("request_model")), record.get("cache_reference_id")
    return {
        "request_id": record.get("request_id"),
        "user_id": record.get("request_user_id") or None,
        "workload": _path(record.get("request_path")),
        "placement": "edge" if at_edge(_provider(record), model) else None,
        "provider": _provider(record),
        "model": model,
        "cache_hit": True if isinstance(reference, str) and set(reference) - _NO_CACHE else None,
    }


def _provider(record: Json) -> object:
    said = record.get("provider")
    return said.lower() or None if isinstance(said, str) else said


def _path(said: object) -> object:
    """The path alone: who was asked is the provider."""
    try:
        return urlsplit(said).path or None if isinstance(said, str) else said
    except ValueError:  # brackets that hold no IPv6 address
        return said


def _tokens(record: Json) -> dict[str, object]:
    told, wrote = plain(record.get("prompt_tokens")), plain(record.get("completion_tokens"))
    read, written = plain(record.get("prompt_cache_read_tokens")), plain(record.get("prompt_cache_write_tokens"))
    uncounted = not any((told, wrote, read, written))
    return {
        "input_tokens": None if uncounted else added(told, read, written),
        "cached_tokens": None if uncounted else read,
        "cache_write_tokens": None if uncounted else written,
        "output_tokens": None if uncounted else wrote,
        "cost_usd": first(plain(record.get("costUSD")), plain(record.get("cost"))) or None,
    }


FORMAT = Export(
    name="helicone",
    unit="delay_ms, ms",
    fields=FIELDS,
    canonical=canonical,
    recognised=recognised,
    wanted=", ".join(_EVERY),
    pages=("data",),
    numbers=frozenset(),
    seen_from="gateway",
    lacks="the region; the user's own way to the proxy; cost of models it has no price for",
)
