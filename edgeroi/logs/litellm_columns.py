"""Ordinary LiteLLM records a whole column at a time: successes with plain numbers and nothing else to tell.

Says the same as ``litellm_calls.canonical`` and the rules of ``record``, three times faster; a row that is in any way out of the
ordinary is only marked here and goes the exact way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.checked import instants_of
from edgeroi.logs.litellm_calls import Json, at_edge, is_model_call, usage_of
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import MOST_COUNT, MOST_USD
from edgeroi.logs.times import zoned
from edgeroi.request import NO_INSTANT, Batch, Labels

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: What makes a line one to look at closely: health checks, polls, ids of cache hits, mirrored traffic, nested payloads.
UNUSUAL = (b"litellm-internal-health-check", b"background_response_", b"_cache_hit", b"is_silent_experiment", b"standard_logging_object")
_EPOCH_SECONDS = (1e8, 1e11)
_MISSES = (False, None, "False", "None", "")
_is_model_call = lru_cache(maxsize=1024)(is_model_call)
_at_edge = lru_cache(maxsize=4096)(at_edge)
_LABELS: Mapping[str, Callable[[Json], str | None]] = {
    "workload": lambda call: call.get("model_group") or call.get("call_type") or None,
    "provider": lambda call: call.get("custom_llm_provider") or None,
    "model": lambda call: call.get("model") or None,
    "placement": lambda call: "edge" if _at_edge(call.get("custom_llm_provider"), call.get("model")) else None,
    "session_id": lambda call: call.get("session_id") or call.get("trace_id") or None,
    "user_id": lambda call: call.get("end_user") or call.get("user") or None,
}


def applies(reading: Reading) -> bool:
    """Whether the reading asks for nothing but what is known here."""
    return not reading.fields and not reading.needed and set(reading.kept) <= _LABELS.keys() | reading.const.keys() and (
        "latency_ms" not in reading.const
    )  # fmt: skip


@dataclass(frozen=True)
class Ordinary:
    """The requests that are ordinary, and which rows are not."""

    batch: Batch
    odd: NDArray[np.intp]


def ordinary(calls: Sequence[Json], unusual: Bools, reading: Reading) -> Ordinary:
    """The records as columns; ``unusual`` rows are not even looked at."""
    odd = unusual | ~_each(calls, _is_plain_success)
    start, end, first = (_instants([call.get(name) for call in calls], odd) for name in ("startTime", "endTime", "completionStartTime"))
    odd |= (start == NO_INSTANT) | (end == NO_INSTANT)
    latency = (end - start) / 1e6
    before_end = (first != NO_INSTANT) & (first < end)
    streamed = _streamed(calls, before_end)
    ttft = np.where((streamed == 1) & before_end, (first - start) / 1e6, np.nan)
    odd |= ~((latency >= 0) & (latency <= LONGEST_MS)) | (ttft < 0)
    numbers = {"latency_ms": latency, "ttft_ms": ttft, "streamed": streamed} | _usage(calls, odd)
    labels = {name: _label(of, calls, odd) for name, of in _LABELS.items() if name in reading.kept}
    keep = np.flatnonzero(~odd)
    kept = {name: values[keep] for name, values in numbers.items() if name in reading.columns and not np.isnan(values[keep]).all()}
    coded = {name: Labels(label.codes[keep], label.names) for name, label in labels.items() if name not in reading.const}
    return Ordinary(Batch(keep.size, np.zeros(keep.size, np.bool_), kept, coded, start[keep]), np.flatnonzero(odd))


def _each(calls: Sequence[Json], holds: Callable[[Json], bool]) -> Bools:
    return np.fromiter(map(holds, calls), np.bool_, len(calls))


def _is_plain_success(call: Json) -> bool:
    """A success that no cache answered, of a kind of call that a model answers, with nothing of an odd type in it."""
    hit, metadata = call.get("cache_hit"), call.get("metadata")
    return (
        call.get("status") == "success"
        and (hit is False or hit in _MISSES)
        and type(hit) in (bool, str, type(None))
        and (not metadata or type(metadata) in (dict, str))
        and call.get("stream") in (True, False, None)
        and type(call.get("stream")) in (bool, type(None))
        and all(type(call.get(name)) in (str, type(None)) for name in _TEXTS)
        and _is_model_call(call.get("call_type"))
    )


_TEXTS = ("call_type", "model", "model_group", "custom_llm_provider", "session_id", "trace_id", "end_user", "user", "id", "request_id")


def _instants(values: Sequence[Any], odd: Bools) -> Ints:
    """Nanoseconds, ``NO_INSTANT`` where unknown; values that are neither epoch seconds nor a date are odd."""
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        at, bad = instants_of([zoned(value) if value else None for value in values], None)
        odd |= bad
        return at
    seconds = np.array([value if type(value) is float else np.nan for value in values])
    told = (seconds >= _EPOCH_SECONDS[0]) & (seconds < _EPOCH_SECONDS[1])
    odd |= ~told & np.fromiter((value is not None and value != "" for value in values), np.bool_, len(values))
    return np.where(told, np.rint(np.where(told, seconds, 0.0) * 1e6).astype(np.int64) * 1000, NO_INSTANT)


def _streamed(calls: Sequence[Json], before_end: Bools) -> Floats:
    """1, 0 or NaN: as said; where only the key is there, not streamed unless something came before the end."""
    said = np.array([_flag(call.get("stream", _UNSAID)) for call in calls], np.float64)
    untold = np.where(before_end, 1.0, np.nan)
    return np.where(said == _UNSAID, untold, np.where(np.isnan(said), np.where(before_end, np.nan, 0.0), said))


_UNSAID = 2.0


def _flag(value: object) -> Any:
    return value if value is None or type(value) is bool else _UNSAID


def _usage(calls: Sequence[Json], odd: Bools) -> dict[str, Floats]:
    told, wrote = (_counts([call.get(name) for call in calls], odd) for name in ("prompt_tokens", "completion_tokens"))
    uncounted = (np.nan_to_num(told) == 0) & (np.nan_to_num(wrote) == 0)
    cost = _plain([call.get("response_cost") if "response_cost" in call else call.get("spend") for call in calls], (int, float), odd)
    odd |= (cost < 0) | (cost > MOST_USD)
    cost[cost == 0] = np.nan
    cached, written = np.full(len(calls), np.nan), np.full(len(calls), np.nan)
    for row in np.flatnonzero([bool(call.get("metadata")) for call in calls]).tolist():
        pair = usage_of(calls[row]["metadata"])
        cached[row], written[row] = (np.nan if value is None else value if type(value) is int else -1 for value in pair)
    odd |= (cached < 0) | (written < 0) | (cached >= MOST_COUNT) | (written >= MOST_COUNT)
    return {
        "input_tokens": np.where(uncounted, np.nan, told),
        "output_tokens": np.where(uncounted, np.nan, wrote),
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "cost_usd": cost,
    }


def _counts(values: Sequence[Any], odd: Bools) -> Floats:
    counts = _plain(values, (int,), odd)
    odd |= (counts < 0) | (counts >= MOST_COUNT)
    return counts


def _plain(values: Sequence[Any], kinds: tuple[type, ...], odd: Bools) -> Floats:
    """Numbers of these kinds, NaN where unknown; anything else is odd."""
    if not set(map(type, values)) <= {*kinds, type(None)}:
        odd |= np.fromiter((value is not None and type(value) not in kinds for value in values), np.bool_, len(values))
        values = [value if type(value) in kinds else None for value in values]
    try:
        return np.array(values, np.float64)
    except OverflowError:
        odd[:] = True
        return np.full(len(values), np.nan)


def _label(of: Callable[[Json], str | None], calls: Sequence[Json], odd: Bools) -> Labels:
    return Labels.of([None if marked else of(call) for call, marked in zip(calls, odd.tolist(), strict=True)], len(calls))
