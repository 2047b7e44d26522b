"""What was used, summed as the requests go by: requests, tokens and logged money by offer and UTC day, exactly.

Every cell is integers, so that the order of the requests, and who read them, does not matter. What a request did not tell is never
a 0 among those that did: requests that tell their cost, their input, their output are counted apart from those that do not.
Memory is bounded by offers x days, not by requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeroi.census import exact_sums
from edgeroi.errors import EdgeroiError
from edgeroi.request import NO_INSTANT, Batch
from edgeroi.workload import NS_PER_HOUR, SUMMED

#: What tells one offer from another, and who asked for it.
LABELS = ("workload", "placement", "provider", "model", "service_tier")
#: Sizes of a request's input at which some listed price changes for the whole request; a test holds them to the book.
STEPS: tuple[int, ...] = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
#: Money is summed in millionths of a millionth of a dollar, as everywhere.
PER_USD = SUMMED["cost_usd"]
HOURS_PER_DAY = 24
#: More cells than this are a label that is different in every request, and would not fit the memory.
MOST_CELLS = 1_000_000
#: Codes of a batch are crossed column by column; beyond this they are renumbered first.
_MOST_CODES = 1 << 40

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class UsageKey(NamedTuple):
    """What is summed together.

    ``day``: UTC, counted from 1970-01-01; ``None`` where the request has no time. ``step``: how many of the fold's steps its input
    exceeds. ``logged``: its cost is told; ``told_input``, ``told_output``: its tokens are. ``odd``: it tells more cached tokens than
    input they could be part of.
    """

    workload: str | None
    placement: str | None
    provider: str | None
    model: str | None
    service_tier: str | None
    day: int | None
    step: int
    failed: bool
    logged: bool
    told_input: bool
    told_output: bool
    odd: bool


@dataclass(frozen=True, slots=True)
class Amounts:
    """Exact sums. ``input_tokens`` is the whole input, cached and cache-write tokens are parts of it; ``pico_usd`` is what was logged."""

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    pico_usd: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        """Both."""
        return Amounts(*(getattr(self, name) + getattr(other, name) for name in _AMOUNTS))

    def scaled(self, factor: Fraction) -> Amounts:
        """So many times as much, each amount rounded by itself."""
        return Amounts(*(round(getattr(self, name) * factor) for name in _AMOUNTS))


_AMOUNTS = ("requests", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "pico_usd")


@dataclass(frozen=True)
class Usage:
    """The sums by key; requests by UTC day and hour, whoever made them; and when the first and the last request began."""

    cells: Mapping[UsageKey, Amounts] = field(default_factory=dict)
    hours: Mapping[tuple[int, int], int] = field(default_factory=dict)
    steps: tuple[int, ...] = STEPS
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(amounts.requests for amounts in self.cells.values())

    def __add__(self, other: Usage) -> Usage:
        """What both used; the order does not matter. Raises ``ValueError`` where they are cut at different steps."""
        if self.steps != other.steps:
            raise ValueError(f"usage cut at {self.steps} does not add up with usage cut at {other.steps}")
        cells = dict(self.cells)
        for key, amounts in other.cells.items():
            cells[key] = cells[key] + amounts if key in cells else amounts
        hours = {hour: self.hours.get(hour, 0) + other.hours.get(hour, 0) for hour in self.hours.keys() | other.hours.keys()}
        return Usage(cells, hours, self.steps, _least(self.first_ns, other.first_ns), _most(self.last_ns, other.last_ns))

    def scaled(self, sampling: float) -> Usage:
        """What a log that keeps this share of the requests stands for: every amount by 1 over the share."""
        if sampling == 1:
            return self
        factor = 1 / Fraction(str(sampling))
        return replace(self, cells={key: amounts.scaled(factor) for key, amounts in self.cells.items()})


def _least(one: int | None, two: int | None) -> int | None:
    return min((ns for ns in (one, two) if ns is not None), default=None)


def _most(one: int | None, two: int | None) -> int | None:
    return max((ns for ns in (one, two) if ns is not None), default=None)


class UsageFold:
    """Usage that grows with every batch of requests; a fold of the engines (``engines/folding.py``)."""

    columns: tuple[str, ...] = LABELS

    def __init__(self, steps: tuple[int, ...] = STEPS) -> None:
        self.usage = Usage(steps=steps)

    def add(self, slot: object, batch: Batch) -> None:
        """Some more requests; where they stood does not matter. Raises ``EdgeroiError`` where a label is different in every request."""
        if batch.n:
            self.usage += usage_of(batch, self.usage.steps)
        if len(self.usage.cells) > MOST_CELLS:
            fix = "map the workload, the provider and the model to names that repeat"
            raise EdgeroiError(f"more than {MOST_CELLS:,} different workloads, models and days", fix=fix)

    def __add__(self, other: UsageFold) -> UsageFold:
        """What both met."""
        both = UsageFold(self.usage.steps)
        both.usage = self.usage + other.usage
        return both


def usage_of(batch: Batch, steps: tuple[int, ...] = STEPS) -> Usage:
    """The usage of one batch."""
    instants = np.full(batch.n, NO_INSTANT) if batch.instants is None else batch.instants
    dated = instants != NO_INSTANT
    hour = np.where(dated, instants // NS_PER_HOUR, -1)
    known = instants[dated]
    first, last = (int(known.min()), int(known.max())) if known.size else (None, None)
    return Usage(_cells(batch, np.where(dated, hour // HOURS_PER_DAY, -1), steps), _hours(hour[dated]), steps, first, last)


def _hours(hours: Ints) -> dict[tuple[int, int], int]:
    found, counts = np.unique(hours, return_counts=True)
    told = zip(found.tolist(), counts.tolist(), strict=True)
    return {divmod(hour, HOURS_PER_DAY): count for hour, count in told}


def _cells(batch: Batch, days: Ints, steps: tuple[int, ...]) -> dict[UsageKey, Amounts]:
    tokens = {name: _told(batch, name) for name in ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")}
    cost = _told(batch, "cost_usd")
    whole, parts = tokens["input_tokens"], np.nan_to_num(tokens["cached_tokens"]) + np.nan_to_num(tokens["cache_write_tokens"])
    told_input, told_output = ~np.isnan(whole), ~np.isnan(tokens["output_tokens"])
    step = np.searchsorted(np.array(steps), np.nan_to_num(whole), side="left")
    flags = (batch.failed, ~np.isnan(cost), told_input, told_output, told_input & (parts > np.nan_to_num(whole)))
    labels = [(batch.labels[name].codes, batch.labels[name].names) if name in batch.labels else None for name in LABELS]
    coded: list[Ints] = [np.zeros(batch.n, np.int64) if told is None else told[0].astype(np.int64) + 1 for told in labels]
    coded += [days + 1, step.astype(np.int64), *(flag.astype(np.int64) for flag in flags)]
    ids, firsts = _crossed(coded)
    n = firsts.size
    sums = [exact_sums(ids, np.nan_to_num(column), n).tolist() for column in tokens.values()]
    sums.append(exact_sums(ids, np.rint(np.nan_to_num(cost) * PER_USD), n).tolist())
    counts = np.bincount(ids, minlength=n).tolist()
    keys = (_key([column[at] for column in coded], labels) for at in firsts.tolist())
    return {key: Amounts(*amounts) for key, *amounts in zip(keys, counts, *sums, strict=True)}


def _told(batch: Batch, column: str) -> Floats:
    return batch.numbers[column] if column in batch.numbers else np.full(batch.n, np.nan)


def _crossed(columns: list[Ints]) -> tuple[Ints, Ints]:
    """Which different row each row is, and where each of those first stands. The columns hold no negative number."""
    crossed, size = np.zeros_like(columns[0]), 1
    for column in columns:
        most = int(column.max()) + 1
        if size * most > _MOST_CODES:
            found, crossed = np.unique(crossed, return_inverse=True)
            size = found.size
        crossed = crossed * most + column
        size *= most
    _, firsts, ids = np.unique(crossed, return_index=True, return_inverse=True)
    return ids.astype(np.int64), firsts.astype(np.int64)


def _key(codes: list[np.int64], labels: list[tuple[NDArray[np.int32], tuple[str, ...]] | None]) -> UsageKey:
    named = [None if told is None or not code else told[1][int(code) - 1] for code, told in zip(codes, labels, strict=False)]
    day, step, *flags = (int(code) for code in codes[len(LABELS) :])
    return UsageKey._make((*named, day - 1 if day else None, step, *map(bool, flags)))


def days_of(usage: Usage) -> Iterator[int]:
    """Every day from that of the first dated request to that of the last."""
    days = [day for day, _ in usage.hours]
    return iter(range(min(days), max(days) + 1)) if days else iter(())
