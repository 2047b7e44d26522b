"""Ordinary LiteLLM records a whole column at a time: successes with plain numbers and nothing else to tell.

Says the same as ``litellm_calls.canonical`` and the rules of ``record``, three times faster; a row that is in any way out of the
ordinary is only marked here and goes the exact way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.checked import instants_of
from edgeroi.logs.litellm_calls import Json, at_edge, is_model_call, usage_of
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import MOST_COUNT, MOST_USD
from edgeroi.logs.times import zoned
from edgeroi.logs.typed import RecordType
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
#: What each label is the first of that is told.
_LABELS: Mapping[str, tuple[str, ...]] = {
    "workload": ("model_group", "call_type"),
    "provider": ("custom_llm_provider",),
    "model": ("model",),
    "placement": ("custom_llm_provider", "model"),
    "session_id": ("session_id", "trace_id"),
    "user_id": ("end_user", "user"),
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


def ordinary(told: Told, unusual: Bools, reading: Reading) -> Ordinary:
    """The records as columns; what ``unusual`` rows say is left to others."""
    odd = unusual | _not_plain(told)
    start, end, first = (_instants(told[name], odd) for name in ("startTime", "endTime", "completionStartTime"))
    odd |= (start == NO_INSTANT) | (end == NO_INSTANT)
    latency = (end - start) / 1e6
    before_end = (first != NO_INSTANT) & (first < end)
    streamed = _streamed(told, before_end)
    ttft = np.where((streamed == 1) & before_end, (first - start) / 1e6, np.nan)
    odd |= ~((latency >= 0) & (latency <= LONGEST_MS)) | (ttft < 0)
    numbers = {"latency_ms": latency, "ttft_ms": ttft, "streamed": streamed} | _usage(told, odd)
    labels = {name: _label(name, told) for name in _LABELS if name in reading.kept and name not in reading.const}
    keep = np.flatnonzero(~odd)
    kept = {name: values[keep] for name, values in numbers.items() if name in reading.columns and not np.isnan(values[keep]).all()}
    coded = {name: Labels(label.codes[keep], label.names) for name, label in labels.items()}
    return Ordinary(Batch(keep.size, np.zeros(keep.size, np.bool_), kept, coded, start[keep]), np.flatnonzero(odd))


class Told(dict[str, list[Any]], ABC):
    """The values of each key of ``n`` records, ``None`` where a record has it not; taken out where they are asked for."""

    n: int
    _coded: dict[str, Labels]
    texts_may_be_odd = True

    def __missing__(self, name: str) -> list[Any]:
        self[name] = values = self.column(name)
        return values

    def among(self, wanted: Set[str], *names: str) -> Bools:
        """The records of which the first of these keys that says something says one of the texts wanted."""
        first, *others = (self[name] for name in names)
        for other in others:
            first = [value or more for value, more in zip(first, other, strict=True)]
        if self.texts_may_be_odd:
            first = [value if type(value) is str else None for value in first]
        return np.fromiter(map(wanted.__contains__, first), np.bool_, self.n)

    def coded(self, name: str) -> Labels:
        """The texts of a key; what is none is unknown."""
        if name not in self._coded:
            told = self[name]
            if self.texts_may_be_odd:
                told = [value if type(value) is str else None for value in told]
            self._coded[name] = Labels.of(told, self.n)
        return self._coded[name]

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """The values of a key."""

    @abstractmethod
    def has(self, name: str) -> Bools:
        """Which records have the key, whatever it says."""

    def which(self, name: str, holds: Callable[[Any], bool], *types: type) -> Bools:
        """The records whose value at a key is of none of these types, or does not hold; equal values of one type are asked once."""
        values, n = self[name], self.n
        if not set(map(type, values)) <= set(types):
            return np.fromiter((type(value) not in types or not holds(value) for value in values), np.bool_, n)
        bad = {value for value in set(values) if not holds(value)}
        return np.fromiter(map(bad.__contains__, values), np.bool_, n) if bad else np.zeros(n, np.bool_)


class PlainTold(Told):
    """The same of objects."""

    def __init__(self, calls: Sequence[Json]) -> None:
        super().__init__()
        self.calls, self.n, self._coded = calls, len(calls), {}

    def column(self, name: str) -> list[Any]:
        """The values of a key."""
        return [call.get(name) for call in self.calls]

    def has(self, name: str) -> Bools:
        """Which records have the key."""
        return np.fromiter((name in call for call in self.calls), np.bool_, self.n)


class TypedTold(Told):
    """The same of records of the types of ``LOOKED_AT``."""

    texts_may_be_odd = False

    def __init__(self, kind: RecordType, records: Sequence[Any]) -> None:
        super().__init__()
        self.kind, self.records, self.n, self._coded = kind, records, len(records), {}

    def column(self, name: str) -> list[Any]:
        """The values of a key."""
        return self.kind.column((name,), self.records) if self.kind.told((name,)) else [None] * self.n

    def has(self, name: str) -> Bools:
        """Which records have the key."""
        return self.kind.has((name,), self.records)


def _not_plain(told: Told) -> Bools:
    """What is no success without a cache, of a kind of call that a model answers, or has something of an odd type in it."""
    odd = told.which("status", lambda status: status == "success", str)
    odd |= told.which("cache_hit", lambda hit: hit in _MISSES, bool, str, NoneType)
    odd |= told.which("stream", lambda stream: True, bool, NoneType)
    odd |= told.which("call_type", _is_model_call, str, NoneType)
    for name in _TEXTS if told.texts_may_be_odd else ():
        if not set(map(type, told[name])) <= {str, NoneType}:
            odd |= np.fromiter((type(value) not in (str, NoneType) for value in told[name]), np.bool_, odd.size)
    if not set(map(type, told["metadata"])) <= {dict, str, NoneType}:
        odd |= np.fromiter((bool(value) and type(value) not in (dict, str) for value in told["metadata"]), np.bool_, odd.size)
    return odd


_TEXTS = ("model", "model_group", "custom_llm_provider", "session_id", "trace_id", "end_user", "user", "id", "request_id")
#: Everything that is looked at, and what typed records have there; what has another type is no ordinary record.
_OTHERS = (
    "cache_hit", "stream", "metadata", "startTime", "endTime", "completionStartTime", "prompt_tokens", "completion_tokens",
    "response_cost", "spend",
)  # fmt: skip
LOOKED_AT: Mapping[str, Any] = dict.fromkeys((*_TEXTS, "status", "call_type"), str | None) | dict.fromkeys(_OTHERS, Any)


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


def _streamed(told: Told, before_end: Bools) -> Floats:
    """1, 0 or NaN: as said; where only the key is there, not streamed unless something came before the end."""
    said = np.array([value if type(value) is bool else None for value in told["stream"]], np.float64)
    unsaid = np.isnan(said)
    if not unsaid.any():
        return said
    there = told.has("stream")
    return np.where(unsaid, np.where(before_end, np.where(there, np.nan, 1.0), np.where(there, 0.0, np.nan)), said)


def _usage(told: Told, odd: Bools) -> dict[str, Floats]:
    asked, wrote = (_counts(told[name], odd) for name in ("prompt_tokens", "completion_tokens"))
    uncounted = (np.nan_to_num(asked) == 0) & (np.nan_to_num(wrote) == 0)
    costs = told["response_cost"]
    if None in costs:
        spent = zip(told.has("response_cost").tolist(), costs, told["spend"], strict=True)
        costs = [cost if is_there else spend for is_there, cost, spend in spent]
    cost = _plain(costs, (int, float), odd)
    odd |= (cost < 0) | (cost > MOST_USD)
    cost[cost == 0] = np.nan
    cached, written = np.full(odd.size, np.nan), np.full(odd.size, np.nan)
    for row, metadata in enumerate(told["metadata"]):
        if metadata:
            pair = usage_of(metadata)
            cached[row], written[row] = (np.nan if value is None else value if type(value) is int else -1 for value in pair)
    odd |= (cached < 0) | (written < 0) | (cached >= MOST_COUNT) | (written >= MOST_COUNT)
    return {
        "input_tokens": np.where(uncounted, np.nan, asked),
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


def _label(label: str, told: Told) -> Labels:
    """A label by what each combination of what it follows from says."""
    first, *others = (told.coded(name) for name in _LABELS[label])
    if not others:
        names = Labels.of([_name(label, value) for value in first.names], len(first.names))
        return Labels(np.append(names.codes, np.int32(-1))[first.codes], names.names)
    (second,) = others
    width = len(second.names) + 1
    combined, places = np.unique((first.codes + 1) * np.int64(width) + second.codes + 1, return_inverse=True)
    pairs = [((None, *first.names)[pair // width], (None, *second.names)[pair % width]) for pair in combined.tolist()]
    names = Labels.of([_name(label, *pair) for pair in pairs], len(pairs))
    return Labels(names.codes[places], names.names)


def _name(label: str, *values: str | None) -> str | None:
    if label == "placement":
        return "edge" if _at_edge(*values) else None
    return next(filter(None, values), None)
