"""Cloudflare AI Gateway: pages of its log API, its records one a line, and what Logpush tells in plain text.

Read from ``AiGatewayLog`` of @cloudflare/workers-types 5.20261117.1, the API reference of "List Gateway Logs", and the fields of the
Logpush dataset ``ai_gateway_events`` (developers.cloudflare.com, read 2026-11-22). What the names hide:

- ``duration`` is in ms; it has no first token, no place of the network, no country. 0 is a duration that was not measured.
- ``cached`` rows were answered by the gateway's own cache in a few ms, at no cost: split off.
- ``provider`` is who ran the model. Only workers-ai runs at the edge; the others are central providers reached through it.
- ``step`` counts the providers tried before; nothing in a row says which rows were one request, so each row is counted, as an attempt.
- ``tokens_in`` and ``tokens_out`` may be null, and are 0 where nobody counted; ``cost`` is an estimate, 0 where there is no price.
- ``metadata`` is an object, or that object as text.
- Logpush encrypts bodies with the customer's key. Rows that carry ``Metrics.durationMs`` are read; without it they tell no latency.
- The user's way to the gateway is not in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.exported import Export, opened
from edgeroi.logs.litellm_calls import at_edge
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.times import first, utc

Json = Mapping[str, Any]

_API: Final = ("created_at", "duration", "provider", "cached", "tokens_in", "tokens_out")
_LOGPUSH: Final = ("Gateway", "Provider", "StatusCode")
_FROM_API: Final = "fetch the logs themselves: GET /accounts/ACCOUNT/ai-gateway/gateways/GATEWAY/logs, whose pages are read as they come"

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "created_at; Timestamp of Logpush",
    "request_id": "id",
    "attempt": "step + 1",
    "workload": "request_type, else path; Endpoint of Logpush",
    "placement": "edge where the provider is workers-ai or the model @cf/..., else unknown",
    "provider": "provider; Provider",
    "model": "model; Model",
    "status": "status_code, else success; StatusCode",
    "error": "status_code where success is false",
    "streamed": "response_content_type text/event-stream",
    "cache_hit": "cached; Cached",
    "latency_ms": "duration; Metrics.durationMs",
    "input_tokens": "tokens_in; 0 in and out is unknown",
    "output_tokens": "tokens_out",
    "cost_usd": "cost; Metrics.cost; 0 is unknown",
}


def recognised(record: Json) -> str | None:
    """The kind of record, by its keys."""
    if all(key in record for key in _API):
        return "log"
    return "Logpush event" if _is_logpush(record) and "durationMs" in _metrics(record) else None


def refused(record: Json) -> tuple[str, str] | None:
    """Why a Logpush event without metrics is of no use."""
    if not _is_logpush(record):
        return None
    return "a Logpush event: its bodies and metadata are encrypted, and in plain text it tells no duration", _FROM_API


def _is_logpush(record: Json) -> bool:
    return all(key in record for key in _LOGPUSH)


def _metrics(record: Json) -> Json:
    told = opened(record.get("Metrics"))
    return told if isinstance(told, dict) else {}


def canonical(record: Json) -> dict[str, object] | Bad | Skip:
    """A log record or a Logpush event in canonical columns, values still unchecked."""
    return _event(record) if _is_logpush(record) else _log(record)


def _log(record: Json) -> dict[str, object] | Bad:
    if "duration" not in record:
        return Bad("missing_field", "duration is missing")
    start = utc(record.get("created_at"), "created_at")
    if isinstance(start, Bad):
        return start
    told, wrote = record.get("tokens_in"), record.get("tokens_out")
    uncounted = not told and not wrote
    step, content = record.get("step"), record.get("response_content_type")
    return _common(record.get("provider"), record.get("model"), record.get("status_code"), record.get("success")) | {
        "timestamp": start,
        "request_id": record.get("id"),
        "attempt": step + 1 if type(step) is int else None,
        "workload": first(record.get("request_type"), record.get("path")),
        "streamed": content.startswith("text/event-stream") if isinstance(content, str) and content else None,
        "cache_hit": record.get("cached"),
        "latency_ms": _measured(record.get("duration")),
        "input_tokens": None if uncounted else told,
        "output_tokens": None if uncounted else wrote,
        "cost_usd": record.get("cost") or None,
    }


def _event(record: Json) -> dict[str, object] | Bad:
    metrics = _metrics(record)
    if "durationMs" not in metrics:
        return Bad("missing_field", "Metrics.durationMs is missing")
    start = utc(record.get("Timestamp"), "Timestamp")
    if isinstance(start, Bad):
        return start
    return _common(record.get("Provider"), record.get("Model"), record.get("StatusCode"), None) | {
        "timestamp": start,
        "workload": record.get("Endpoint"),
        "cache_hit": record.get("Cached"),
        "latency_ms": _measured(metrics["durationMs"]),
        "cost_usd": metrics.get("cost") or None,
    }


def _measured(duration: object) -> object:
    """No call of a model takes 0 ms."""
    return None if type(duration) in (int, float) and duration == 0 else duration


def _common(provider: object, model: object, code: object, success: object) -> dict[str, object]:
    status = code if code is not None else None if success is None else "success" if success else "failure"
    return {
        "placement": "edge" if at_edge(provider, model) else None,
        "provider": provider or None,
        "model": model or None,
        "status": status,
        "error": str(code or "failure") if success is False else None,
    }


FORMAT = Export(
    name="cloudflare-ai-gateway",
    unit="duration, ms",
    fields=FIELDS,
    canonical=canonical,
    recognised=recognised,
    wanted=", ".join(_API),
    pages=("result",),
    seen_from="gateway",
    refused=refused,
    lacks="a first token; the place of the network that answered; the user's own way to the gateway; cost, but as an estimate",
)
