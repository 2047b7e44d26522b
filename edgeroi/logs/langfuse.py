"""Langfuse observations: pages of its API, and the blob storage export as JSON, JSON lines or CSV.

Read from langfuse 5.0.4 (``api/commons/types/observation_v2.py``: latency and time to first token "in seconds", cost "in USD") and
the documented fields of the blob storage export, whose times are UTC and say no zone. What the names hide:

- Only observations of type GENERATION and EMBEDDING are calls of a model; spans, agents, tools, chains and events contain them.
- ``latency`` is in seconds, and people have written "ms" beside it: it is read only where there is no end, and only from the API.
- ``completionStartTime`` is an instant, null where nothing was streamed; one at the end is no time to first token.
- The keys of ``usageDetails`` are free. Each is priced by itself, so cached tokens stand outside ``input``: all that name the input
  add up to it. Where ``input`` and ``output`` alone make the total, the others are a part of them.
- A cost of 0, ``costDetails`` of ``{}``, is a model without a price: unknown.
- Counts may come as text, as the database writes whole numbers of 64 bits.
- The application that calls the model measures: the user's own leg is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.exported import Export, opened
from edgeroi.logs.litellm_calls import at_edge
from edgeroi.logs.record import Bad, Skip
from edgeroi.logs.times import added, before_end, between_ms, first, plain, scaled, utc

Json = Mapping[str, Any]

_MODEL_CALLS: Final = ("GENERATION", "EMBEDDING")
#: What every observation has, whichever groups of fields were asked for, as the API writes it and as the export does.
_API: Final = ("traceId", "type", "startTime", "endTime")
_BLOB: Final = ("trace_id", "type", "start_time", "end_time")

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "startTime, start_time in an export",
    "request_id": "id",
    "session_id": "sessionId, else traceId",
    "user_id": "userId",
    "workload": "name, else traceName",
    "placement": "edge where the model is @cf/..., else unknown",
    "model": "model, else providedModelName",
    "prompt": "promptName",
    "status": "level",
    "error": "level ERROR",
    "streamed": "a first token before the end",
    "latency_ms": "endTime - startTime; latency, s, where the API tells no end",
    "ttft_ms": "completionStartTime - startTime; timeToFirstToken, s, where it tells none",
    "input_tokens": "all of usageDetails that names the input; promptTokens in old records",
    "cached_tokens": "all of usageDetails that names a cache and no writing to it",
    "cache_write_tokens": "all of usageDetails that names a cache and a creation or writing",
    "output_tokens": "all of usageDetails that names the output; completionTokens in old records",
    "cost_usd": "costDetails.total, else totalCost, else calculatedTotalCost; 0 is unknown",
}


def recognised(record: Json) -> str | None:
    """The kind of observation, by its keys."""
    if all(key in record for key in _API):
        return "observation"
    return "blob export" if all(key in record for key in _BLOB) else None


def canonical(record: Json) -> dict[str, object] | Bad | Skip:
    """An observation in canonical columns, values still unchecked; ``Skip`` for one that is no call of a model."""
    kind = record.get("type")
    if not isinstance(kind, str):
        return Bad("missing_field", "type is missing")
    if kind.upper() not in _MODEL_CALLS:
        return Skip("other_record")
    names = ("startTime", "endTime", "completionStartTime")
    instants = [utc(told(record, name), name) for name in names]
    bad = next((at for at in instants if isinstance(at, Bad)), None)
    if bad is not None:
        return bad
    return _times(record, *instants) | _labels(record) | _tokens(record)


def told(record: Json, name: str) -> object:
    """A field under the API's name, else under the export's."""
    return first(record.get(name), record.get(_snake(name)))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _times(record: Json, start: object, end: object, completion: object) -> dict[str, object]:
    latency_ms = first(between_ms(start, end), scaled(plain(record.get("latency")), 1e3) if "startTime" in record else None)
    said = scaled(plain(record.get("timeToFirstToken")), 1e3)
    ttft_ms = before_end(first(between_ms(start, completion), said), latency_ms)
    return {"timestamp": start, "latency_ms": latency_ms, "ttft_ms": ttft_ms, "streamed": True if ttft_ms is not None else None}


def _labels(record: Json) -> dict[str, object]:
    level = record.get("level")
    model = first(told(record, "model"), told(record, "providedModelName"))
    return {
        "request_id": record.get("id"),
        "session_id": first(told(record, "sessionId"), told(record, "traceId")),
        "user_id": told(record, "userId"),
        "workload": first(record.get("name"), told(record, "traceName")),
        "placement": "edge" if at_edge(None, model) else None,
        "model": model,
        "prompt": told(record, "promptName"),
        "status": None if level is None else "error" if level == "ERROR" else "ok",
        "error": "ERROR" if level == "ERROR" else None,
    }


def _tokens(record: Json) -> dict[str, object]:
    usage = _counts(told(record, "usageDetails")) or _counts(record.get("usage"))
    parts = {
        "input_tokens": first(added(*_naming(usage, "input", "cache")), plain(record.get("promptTokens"))),
        "cached_tokens": added(*(usage[key] for key in usage if "cache" in key and not _writes(key))),
        "cache_write_tokens": added(*(usage[key] for key in usage if "cache" in key and _writes(key))),
        "output_tokens": first(added(*_naming(usage, "output")), plain(record.get("completionTokens"))),
    }
    whole = plain(usage.get("total"))
    if whole is not None and whole == added(usage.get("input"), usage.get("output")):
        parts |= {"input_tokens": plain(usage.get("input")), "output_tokens": plain(usage.get("output"))}
    if not parts["input_tokens"] and not parts["output_tokens"]:
        parts |= dict.fromkeys(("input_tokens", "output_tokens"))
    return parts | {"cost_usd": _cost(record)}


def _naming(usage: Json, *words: str) -> list[object]:
    """The counts whose key has one of the words."""
    return [count for key, count in usage.items() if any(word in key for word in words)]


def _writes(key: str) -> bool:
    return "creation" in key or "write" in key


def _counts(usage: object) -> Json:
    """The counts of a usage object that are told; empty where it is none."""
    usage = opened(usage)
    return {key: count for key, count in usage.items() if count is not None} if isinstance(usage, dict) else {}


def _cost(record: Json) -> object:
    details = opened(told(record, "costDetails"))
    total = details.get("total") if isinstance(details, dict) else None
    return first(*(plain(value) or None for value in (total, told(record, "totalCost"), record.get("calculatedTotalCost"))))


FORMAT = Export(
    name="langfuse",
    unit="endTime - startTime; latency, s, where there is no end",
    fields=FIELDS,
    canonical=canonical,
    recognised=recognised,
    wanted=f"{', '.join(_API)} or {', '.join(_BLOB)}",
    pages=("data", "observations"),
    numbers=frozenset(("latency", "timeToFirstToken", "totalCost", "total_cost", "promptTokens", "completionTokens")),
    seen_from="gateway",
    shown=("id", "traceId", "trace_id", "type", "startTime", "start_time", "endTime", "end_time", "level", "model"),
    lacks="the region; the user's own way to the application; a first token of calls that were not streamed",
)
