"""LiteLLM's records in canonical columns: StandardLoggingPayload (callbacks, object stores) and SpendLogs (the proxy's database).

Read from the source of litellm 1.109.1 (``types/utils.py``, ``proxy/schema.prisma``, ``litellm_core_utils/litellm_logging.py``).
What the names hide:

- ``response_time`` is the time to first token of streamed calls and the duration of others: never read.
- ``completionStartTime`` is an instant. Calls that were not streamed have it equal to ``endTime``, and so have some routes that
  were: only a first token before the end is one.
- A cost of 0 is a model without a price, 0 tokens in all is a call whose usage nobody counted: both unknown.
- ``cache_hit`` is a flag or the text "True"; a hit's ``request_id`` ends in ``_cache_hit`` and a time.
- SpendLogs times are UTC and often say no zone: the format defines it, so none is asked for.
- Rows that share a ``trace_id`` may be attempts (retries, fallbacks) of one request: ``litellm_attempts`` says which, and joins them.
- The proxy sees its providers, not the user's leg: such a log is seen from a gateway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from edgeroi.logs.record import Bad, Skip, instant_of
from edgeroi.logs.times import zoned

#: Providers whose models run in the network's own edge sites. A gateway's other providers do not, whoever runs the gateway.
EDGE_PROVIDERS: Final = frozenset(("cloudflare", "workers-ai", "workers_ai"))
#: Workers AI names its models so, whatever the client in front of it calls itself.
_EDGE_MODEL = re.compile(r"(?:^|/)@(?:cf|hf)/")
#: Calls that manage files, batches, threads or tools: no model answers them.
_NO_MODEL_CALL = re.compile(
    r"a?(?:get|list|delete|cancel|retrieve|upload|add|query|ingest|search)(?:_.*)?"
    r"|a_add_message|a?create_(?:batch|assistants|thread|file|fine_tuning_job|container|sandbox|skill)"
    r"|a?file_.*|a?vector_store_.*|a?video_(?:retrieve|content|list|delete|get).*|a?run_code|a?code_interpreter_tool|call_mcp_tool"
)
_HEALTH_CHECK = "litellm-internal-health-check"
_POLLS = ("background_response_cost_poll", "background_response_status_poll")
_HIT_ID = re.compile(r"_cache_hit\d")
#: An epoch of this size is in ms or less, a smaller one in seconds.
_LEAST_MS: Final = 1e11
#: What every record of LiteLLM has, and the cost that one or the other kind has.
EVERY: Final = ("startTime", "endTime", "call_type")
PAYLOAD, SPEND = "response_cost", "spend"

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "startTime",
    "request_id": "request_id, else id",
    "session_id": "session_id, else trace_id",
    "user_id": "end_user, else user",
    "attempt": "metadata.attempted_retries + 1; of joined attempts, how many",
    "workload": "model_group, else call_type",
    "placement": "edge where the provider is cloudflare or workers-ai or the model @cf/..., else unknown",
    "variant": "silent_experiment where metadata.is_silent_experiment",
    "provider": "custom_llm_provider",
    "model": "model",
    "service_tier": "model_parameters.service_tier",
    "status": "status, else metadata.status",
    "error": "error_information.error_code, else error_class, of failures",
    "streamed": "stream; in SpendLogs a first token before the end",
    "cache_hit": "cache_hit, or a request_id with _cache_hit",
    "latency_ms": "endTime - startTime; request_duration_ms where there is no end",
    "ttft_ms": "completionStartTime - startTime, of streamed calls whose first token came before the end",
    "input_tokens": "prompt_tokens (cached ones included)",
    "cached_tokens": "metadata.usage_object.prompt_tokens_details.cached_tokens, else cache_read_input_tokens",
    "cache_write_tokens": "the same's cache_creation_tokens, else cache_creation_input_tokens",
    "output_tokens": "completion_tokens",
    "cost_usd": "response_cost or spend; 0 is unknown",
}


Json = Mapping[str, Any]


def canonical(call: Mapping[str, object]) -> dict[str, object] | Bad | Skip:
    """A LiteLLM record in canonical columns, values still unchecked; ``Skip`` for what is no model call."""
    call = _unwrapped(call)
    metadata = _object(call.get("metadata"))
    if _is_no_request(call, metadata):
        return Skip("other_record")
    times = _times(call)
    if isinstance(times, Bad):
        return times
    return times | _labels(call, metadata) | _outcome(call, metadata) | _usage(call, metadata)


def _unwrapped(call: Mapping[str, object]) -> Mapping[str, object]:
    """The payload itself, where a callback wrote all its keyword arguments."""
    inner = call.get("standard_logging_object")
    return inner if isinstance(inner, dict) else call


def _object(value: object) -> Mapping[str, object]:
    """A nested object, also where a dump wrote it as JSON text; empty where there is none."""
    import msgspec

    if isinstance(value, str) and value.startswith("{"):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _is_no_request(call: Mapping[str, object], metadata: Mapping[str, object]) -> bool:
    if not is_model_call(call.get("call_type")):
        return True
    if metadata.get("internal_call_origin") in _POLLS or metadata.get("user_api_key_alias") == _HEALTH_CHECK:
        return True
    return _HEALTH_CHECK in str(call.get("request_tags") or "")


def is_model_call(call_type: object) -> bool:
    """Whether a model answers this kind of call; a kind nobody knows is one."""
    return not (isinstance(call_type, str) and _NO_MODEL_CALL.fullmatch(call_type))


def trace_of(record: Mapping[str, object]) -> str | None:
    """What the attempts of one request share; ``None`` where the row says none."""
    call = _unwrapped(record)
    trace = call.get("trace_id") or call.get("session_id")
    return trace if isinstance(trace, str) else None


def kind_of(record: Mapping[str, object]) -> object:
    """The kind of call."""
    return _unwrapped(record).get("call_type")


def is_failure(record: Mapping[str, object]) -> bool:
    """Whether the row says that the call failed."""
    return _status(_unwrapped(record)) == "failure"


def is_first_attempt(record: Mapping[str, object]) -> bool:
    """Whether the row says that neither a retry nor a fallback led to it."""
    metadata = _object(_unwrapped(record).get("metadata"))
    counts = (metadata.get("attempted_retries"), metadata.get("attempted_fallbacks"))
    return all(type(count) is int and count == 0 for count in counts)


def is_billed_attempt(record: Mapping[str, object]) -> bool:
    """Whether the row only bills an earlier attempt of the request that another row tells."""
    return _object(_unwrapped(record).get("metadata")).get("billed_retry_attempt") is True


def _status(call: Mapping[str, object]) -> object:
    return call.get("status") or _object(call.get("metadata")).get("status") or None


def _times(call: Mapping[str, object]) -> dict[str, object] | Bad:
    instants = {name: _instant(call.get(name), name) for name in ("startTime", "endTime", "completionStartTime")}
    bad = next((at for at in instants.values() if isinstance(at, Bad)), None)
    if bad is not None:
        return bad
    start, end, first = (at if isinstance(at, int) else None for at in instants.values())
    values: dict[str, object] = {"timestamp": start, "latency_ms": _between_ms(start, end)}
    if values["latency_ms"] is None:
        values["latency_ms"] = call.get("request_duration_ms")
    before_end = first is not None and end is not None and first < end
    streamed = call.get("stream") if "stream" in call else before_end or None
    if streamed is None and not before_end and "stream" in call:
        streamed = False
    return values | {"streamed": streamed, "ttft_ms": _between_ms(start, first) if streamed is True and before_end else None}


def _between_ms(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 1e6


def _instant(value: object, name: str) -> int | Bad | None:
    """An epoch number, or a date that is UTC unless it says otherwise, as ns; an epoch as a double is good to the microsecond."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return instant_of(zoned(value), None, name)
    at = instant_of(value, None, name)
    if isinstance(at, Bad):
        return at
    return round(value * 1e6) * 1000 if isinstance(value, float) and value < _LEAST_MS else (at + 500) // 1000 * 1000


def _labels(call: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, object]:
    retries = metadata.get("attempted_retries")
    provider, model = call.get("custom_llm_provider"), call.get("model")
    return {
        "request_id": call.get("request_id") or call.get("id"),
        "session_id": call.get("session_id") or call.get("trace_id"),
        "user_id": call.get("end_user") or call.get("user"),
        "attempt": retries + 1 if type(retries) is int else None,
        "workload": call.get("model_group") or call.get("call_type") or None,
        "placement": "edge" if at_edge(provider, model) else None,
        "variant": "silent_experiment" if metadata.get("is_silent_experiment") is True else None,
        "provider": provider or None,
        "model": model or None,
        "service_tier": _object(call.get("model_parameters")).get("service_tier") or None,
    }


def at_edge(provider: object, model: object) -> bool:
    """Whether the provider, or the way its models are named, says that the model runs at the edge."""
    by_provider = isinstance(provider, str) and provider in EDGE_PROVIDERS
    return by_provider or (isinstance(model, str) and bool(_EDGE_MODEL.search(model)))


def _outcome(call: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, object]:
    status = _status(call)
    information = _object(call.get("error_information")) or _object(metadata.get("error_information"))
    error = information.get("error_code") or information.get("error_class") or None
    return {"status": status, "error": error if status == "failure" else None, "cache_hit": _cache_hit(call)}


def _cache_hit(call: Mapping[str, object]) -> object:
    if _HIT_ID.search(str(call.get("request_id") or call.get("id") or "")):
        return True
    said = call.get("cache_hit")
    return {"true": True, "false": False, "none": None, "": None}.get(said.lower(), said) if isinstance(said, str) else said


def _usage(call: Mapping[str, object], metadata: Mapping[str, object]) -> dict[str, object]:
    told, wrote = call.get("prompt_tokens"), call.get("completion_tokens")
    uncounted = not told and not wrote and not isinstance(told, bool)
    cached, written = usage_of(metadata)
    return {
        "input_tokens": None if uncounted else told,
        "output_tokens": None if uncounted else wrote,
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "cost_usd": (call.get(PAYLOAD) if PAYLOAD in call else call.get(SPEND)) or None,
    }


def usage_of(metadata: object) -> tuple[object, object]:
    """Cached tokens, and those written to the cache, as the provider's usage tells them."""
    told = _object(metadata)
    usage = _object(told.get("usage_object")) or _object(told.get("additional_usage_values"))
    details = _object(usage.get("prompt_tokens_details"))
    return (
        _first(details.get("cached_tokens"), usage.get("cache_read_input_tokens")),
        _first(details.get("cache_creation_tokens"), usage.get("cache_creation_input_tokens")),
    )


def _first(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def recognised(record: object) -> str | None:
    """Which of LiteLLM's records this is, by its keys; ``None`` if none."""
    if not isinstance(record, dict):
        return None
    call = _unwrapped(record)
    if any(key not in call for key in EVERY):
        return None
    return "StandardLoggingPayload" if PAYLOAD in call else "SpendLogs" if SPEND in call else None
