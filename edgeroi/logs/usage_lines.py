"""Records an application writes of its own calls: a provider's ``usage`` object as it came, beside how long the call took and when.

Nobody defines such records but their writer, so only what says its own unit is read: a duration whose name ends in one
(``duration_ms``, ``elapsed_s``, ``latency_seconds``). A name without a unit is no latency here: it has to be mapped. What the usage
object counts is in ``usage``. A ``usage`` without a duration gives a cost, never a latency: it is no request log. Whether the time is
that of the start or of the end nobody says; it is taken for the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.exported import Export
from edgeroi.logs.litellm_calls import at_edge
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.times import before_end, first, plain, scaled
from edgeroi.logs.usage import tokens_of, usage_in

Json = Mapping[str, Any]

_LATENCY: Final = re.compile(
    r"(?:latency|duration|elapsed|total_time|response_time|request_time|e2e|e2e_latency|took)_(ns|us|ms|s|sec|seconds|milliseconds)"
)
_TTFT: Final = re.compile(r"(?:ttft|time_to_first_token|first_token|time_to_first_chunk)_(ns|us|ms|s|sec|seconds|milliseconds)")
_MS_PER: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "milliseconds": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3}
_TIMES: Final = ("timestamp", "start_time", "started_at", "created_at", "time", "ts", "created")
_STATUSES: Final = ("status_code", "http_status", "status")

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": f"the first of {', '.join(_TIMES)}; created of the response; a date must say its zone",
    "request_id": "id, request_id; id of the response",
    "session_id": "session_id",
    "user_id": "user_id, user",
    "workload": "workload, operation, endpoint or route",
    "placement": "placement; edge where the model is @cf/..., else unknown",
    "provider": "provider",
    "model": "model; model of the response",
    "region": "region",
    "service_tier": "service_tier; that of the response",
    "status": f"the first of {', '.join(_STATUSES)}",
    "error": "error; code, else type, of an error that is an object",
    "streamed": "stream or streamed",
    "latency_ms": "latency_..., duration_..., elapsed_..., response_time_... with the unit its name ends in",
    "ttft_ms": "ttft_... or time_to_first_token_... with the unit its name ends in, if before the end",
    "input_tokens": "usage.prompt_tokens; usage.input_tokens, with Anthropic's cached ones added",
    "cached_tokens": "usage.prompt_tokens_details.cached_tokens, input_tokens_details.cached_tokens, cache_read_input_tokens",
    "cache_write_tokens": "usage.cache_creation_input_tokens, or cache_write_tokens of the details",
    "output_tokens": "usage.completion_tokens, output_tokens (reasoning included)",
    "cost_usd": "cost_usd, usage.cost; 0 is unknown",
}


def recognised(record: Json) -> str | None:
    """A record with a usage object and a duration that says its unit."""
    return "record" if usage_in(record) is not None and _duration(record, _LATENCY) is not None else None


def unit_of(record: Json) -> str | None:
    """The field that is its latency, and the unit its name ends in."""
    duration = _duration(record, _LATENCY)
    return f"{duration[0]}, {duration[0].rpartition('_')[2]}" if duration and usage_in(record) is not None else None


def refused(record: Json) -> tuple[str, str] | None:
    """Why a usage object alone is of no use."""
    if usage_in(record) is None or "latency_ms" in record:
        return None
    return (
        "usage objects without a duration that says its unit",
        "map the latency: --map latency_ms=FIELD:UNIT; without one there is no p99",
    )


def _duration(record: Json, pattern: re.Pattern[str]) -> tuple[str, float] | None:
    """The field that is a duration, and what one of its unit is in ms."""
    found = next((name for name in map(pattern.fullmatch, record) if name), None)
    return (found.group(), _MS_PER[found.group(1)]) if found else None


def canonical(record: Json) -> dict[str, object] | Bad | Skip:
    """A record in canonical columns, values still unchecked."""
    usage = usage_in(record)
    latency_ms, ttft_ms = _measured(record, _LATENCY), _measured(record, _TTFT)
    cost = first(record.get("cost_usd"), usage.get("cost") if usage else None)
    tokens = tokens_of(usage) if usage else {}
    return _labels(record) | _outcome(record) | tokens | {
        "latency_ms": latency_ms, "ttft_ms": before_end(ttft_ms or None, latency_ms), "cost_usd": cost or None,
    }  # fmt: skip


def _measured(record: Json, pattern: re.Pattern[str]) -> object:
    duration = _duration(record, pattern)
    return scaled(plain(record[duration[0]]), duration[1]) if duration else None


def _labels(record: Json) -> dict[str, object]:
    inner = record.get("response")
    response = inner if isinstance(inner, dict) else {}

    def told(*names: str) -> object:
        return first(*(record.get(name) for name in names), *(response.get(name) for name in names))

    model = told("model")
    return {
        "timestamp": told(*_TIMES),
        "request_id": told("request_id", "id"),
        "session_id": record.get("session_id"),
        "user_id": first(record.get("user_id"), record.get("user")),
        "workload": first(*(record.get(name) for name in ("workload", "operation", "endpoint", "route"))),
        "placement": first(record.get("placement"), "edge" if at_edge(record.get("provider"), model) else None),
        "provider": record.get("provider"),
        "model": model,
        "region": record.get("region"),
        "service_tier": told("service_tier"),
        "streamed": first(record.get("stream"), record.get("streamed")),
    }


def _outcome(record: Json) -> dict[str, object]:
    error = record.get("error")
    if isinstance(error, dict):
        error = first(error.get("code"), error.get("type"), "error")
    return {"status": first(*(record.get(name) for name in _STATUSES)), "error": error}


FORMAT = Export(
    name="usage-lines",
    unit="latency_..., duration_..., elapsed_...: the unit its name ends in",
    fields=FIELDS,
    canonical=canonical,
    recognised=recognised,
    wanted="a usage object beside a duration that says its unit (duration_ms, elapsed_s)",
    refused=refused,
    unit_of=unit_of,
    lacks="whatever its writer did not write, the unit of a duration whose name says none above all; whether its time is the start",
)
