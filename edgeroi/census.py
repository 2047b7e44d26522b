"""Counts requests, batch by batch, into the partial profile they add up to.

A census holds, per group: histograms of latency, of TTFT, of network time and of both without it, of the durations of failures;
exact integer sums; requests and busy time by UTC hour; and coarse histograms by UTC day and by mix.
The order of batches and where they are cut do not matter: every cell is an integer sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError
from edgeroi.histogram import Floats, Ints, LatencyHistogram, keys_of_whole
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, Labels
from edgeroi.workload import NS_PER_HOUR, SUMMED, Busy, GroupKey, Mix, Partial, Stratum, Sum, Tally

#: Buckets of days and mixes are 16 times coarser: 64 an octave, 1.6 % wide.
_COARSER_BITS = 4
_KEY_BITS = 21
#: A table of counts larger than this is not worth its memory: sort instead.
_DENSE_CELLS = 1 << 19
#: How many cells may wait before they are added up.
_PENDING_CELLS = 1 << 18
_HALF_BITS = 26
#: Whole numbers up to here are exact in a double.
_EXACT = 2.0**53
_NS_PER_MS = 1e6
_HOURS_PER_DAY = 24
#: How many bits of a stratum's code say the hour or day since 1970 (until 2200), or the mix; the rest say the group.
_HOUR_BITS, _DAY_BITS, _MIX_BITS = 21, 17, 9
#: More groups than this are a mistake in ``by``, and would not fit the memory.
_MOST_GROUPS = 20_000
_QUARTERS = 4


def partial_of(batch: Batch, by: tuple[str, ...]) -> Partial:
    """The partial profile of one batch."""
    census = Census(by)
    census.add(batch)
    return census.partial()


def token_band(tokens: Floats) -> Ints:
    """The band of each count of output tokens, by powers of 4: 0 is 0, 1 to 3 is 1, 4 to 15 is 2; -1 where unknown (NaN)."""
    known = ~np.isnan(tokens)
    _, bits = np.frexp(np.where(known, tokens, 0.0))
    return np.where(known, (bits + 1) // 2, -1).astype(np.int64)


def exact_sums(ids: Ints, values: Floats, n: int) -> Ints:
    """The sum of the values (whole numbers below 2**53) of each id in 0..n-1, for up to 2**26 values.

    One pass of doubles where no sum can reach 2**53, else two halves, each summed exactly.
    """
    if not values.size or float(values.max()) * values.size < _EXACT:
        return np.bincount(ids, values, n).astype(np.int64)
    whole = values.astype(np.int64)
    low = np.bincount(ids, whole & ((1 << _HALF_BITS) - 1), n)
    high = np.bincount(ids, whole >> _HALF_BITS, n)
    return (high.astype(np.int64) << _HALF_BITS) + low.astype(np.int64)


@dataclass(frozen=True)
class _Strata:
    """Which stratum each request is in: ``ids[i]`` is a place in ``codes``, which may hold strata nobody is in."""

    ids: Ints
    codes: Ints

    @classmethod
    def of(cls, values: Ints) -> _Strata:
        """The strata of plain values."""
        if not values.size:
            return cls(values, values)
        least, most = int(values.min()), int(values.max())
        if most - least < 1 << 12:
            return cls(values - least, np.arange(least, most + 1))
        codes, ids = np.unique(values, return_inverse=True)
        return cls(ids.astype(np.int64), codes)

    def where(self, chosen: NDArray[np.bool_]) -> _Strata:
        """Only the chosen requests."""
        return _Strata(self.ids[chosen], self.codes)

    def crossed(self, other: _Strata, bits: int) -> _Strata:
        """Strata of both; the other's codes are in [0, 2**bits)."""
        ids = self.ids * other.codes.size + other.ids
        codes = ((self.codes << bits)[:, None] | other.codes[None, :]).ravel()
        return _Strata(ids, codes)


@dataclass(slots=True)
class _Cells:
    """Histograms by stratum, under construction: (stratum, bucket) -> count and sum, and each stratum's extremes."""

    coarser_bits: int = 0
    pending: list[tuple[Ints, Ints, Ints]] = field(default_factory=list)
    waiting: int = 0
    least: dict[int, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)

    def add(self, strata: _Strata, nanoseconds: Floats, keys: Ints) -> None:
        """Count these durations."""
        if not nanoseconds.size:
            return
        ids, cells = _cells(strata, keys >> self.coarser_bits, self.coarser_bits)
        counts = np.bincount(ids, minlength=cells.size)
        held = np.flatnonzero(counts)
        self.pending.append((cells[held], counts[held], exact_sums(ids, nanoseconds, cells.size)[held]))
        self.waiting += held.size
        self._extremes(strata, nanoseconds, ids, held, cells)
        if self.waiting > _PENDING_CELLS:
            self.settle()

    def _extremes(self, strata: _Strata, nanoseconds: Floats, ids: Ints, held: Ints, cells: Ints) -> None:
        """The extremes lie in each stratum's first and last bucket, so only those requests are looked at."""
        order = held[np.argsort(cells[held], kind="stable")]
        ends = np.flatnonzero(np.diff(cells[order] >> _KEY_BITS))
        firsts, lasts = order[np.concatenate(([0], ends + 1))], order[np.concatenate((ends, [order.size - 1]))]
        for chosen, seen, extreme, better in (
            (firsts, self.least, np.minimum, min),
            (lasts, self.most, np.maximum, max),
        ):
            there = np.zeros(cells.size, np.bool_)
            there[chosen] = True
            rows = np.flatnonzero(there[ids])
            found = np.zeros(strata.codes.size)
            found[strata.ids[rows]] = nanoseconds[rows]
            extreme.at(found, strata.ids[rows], nanoseconds[rows])
            inside = np.unique(strata.ids[rows])
            for stratum, value in zip(strata.codes[inside].tolist(), found[inside].astype(np.int64).tolist(), strict=True):
                seen[stratum] = better(seen.get(stratum, value), value)

    def settle(self) -> None:
        """Add up what is pending."""
        if len(self.pending) > 1:
            cells, counts, sums = (np.concatenate(column) for column in zip(*self.pending, strict=True))
            order = np.argsort(cells, kind="stable")
            starts = np.flatnonzero(np.concatenate(([True], np.diff(cells[order]) != 0)))
            added = (cells[order][starts], np.add.reduceat(counts[order], starts), np.add.reduceat(sums[order], starts))
            self.pending, self.waiting = [added], 0

    def histograms(self) -> dict[int, LatencyHistogram]:
        """The histogram of each stratum."""
        self.settle()
        if not self.pending:
            return {}
        cells, counts, sums = self.pending[0]
        order = np.argsort(cells, kind="stable")
        cells, counts, sums = cells[order], counts[order], sums[order]
        cuts = np.flatnonzero(np.diff(cells >> _KEY_BITS)) + 1
        parts = zip(*(np.split(column, cuts) for column in (cells, counts, sums)), strict=True)
        return {int(part[0][0] >> _KEY_BITS): self._histogram(*part) for part in parts}

    def _histogram(self, cells: Ints, counts: Ints, sums: Ints) -> LatencyHistogram:
        stratum = int(cells[0] >> _KEY_BITS)
        keys = cells & ((1 << _KEY_BITS) - 1)
        return LatencyHistogram(keys, counts.astype(np.int64), sums, self.least[stratum], self.most[stratum])


def _cells(strata: _Strata, keys: Ints, coarser_bits: int) -> tuple[Ints, Ints]:
    """``(ids, cells)``: the cell of each request as a place in ``cells``; a table of all cells where small, else only those held.

    The keys come without their last ``coarser_bits`` bits; the cells have them again, as zeros.
    """
    least, most = int(keys.min()), int(keys.max())
    if strata.codes.size * (most - least + 1) <= _DENSE_CELLS:
        cells = (strata.codes << _KEY_BITS)[:, None] | np.arange(least, most + 1) << coarser_bits
        return strata.ids * (most - least + 1) + (keys - least), cells.ravel()
    present = np.unique(keys)
    if strata.codes.size * present.size <= _DENSE_CELLS:
        cells = (strata.codes << _KEY_BITS)[:, None] | present << coarser_bits
        return strata.ids * present.size + np.searchsorted(present, keys), cells.ravel()
    cells, ids = np.unique((strata.codes[strata.ids] << _KEY_BITS) | keys << coarser_bits, return_inverse=True)
    return ids, cells


V = TypeVar("V")
Histograms = Mapping[int, LatencyHistogram]
#: The histograms of a tally that are kept in full.
_HISTOGRAMS = ("latency", "ttft", "network", "served", "ttft_served", "failure")


class Census:
    """Requests counted by the columns ``by``, grown one batch at a time."""

    def __init__(self, by: tuple[str, ...]) -> None:
        self.by = by
        self._groups: dict[GroupKey, int] = {}
        self._cells: dict[str, _Cells] = {}
        self._counts: dict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._hours: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self._span: dict[int, tuple[int, int]] = {}

    def add(self, batch: Batch) -> None:
        """Count the requests of a batch."""
        if not batch.n:
            return
        groups = self._grouped(batch)
        self._count("requests", groups)
        self._count("errors", groups.where(batch.failed))
        self._add_durations(batch, groups)
        self._add_sums(batch, groups)
        self._add_times(batch, groups)

    def partial(self) -> Partial:
        """What was counted so far."""
        histograms = {kind: cells.histograms() for kind, cells in self._cells.items()}
        hours = _by_group({code: Busy(*told) for code, told in self._hours.items()}, _HOUR_BITS)
        days = _strata_by_group(histograms.get("day", {}), histograms.get("ttft_day", {}), _DAY_BITS)
        mixes = _strata_by_group(histograms.get("mix", {}), histograms.get("ttft_mix", {}), _MIX_BITS)
        tallies = {key: self._tally(group, histograms, hours, days, mixes) for key, group in self._groups.items()}
        return Partial(self.by, tallies)

    def _tally(
        self,
        group: int,
        histograms: Mapping[str, Histograms],
        hours: Mapping[int, Mapping[int, Busy]],
        days: Mapping[int, Mapping[int, Stratum]],
        mixes: Mapping[int, Mapping[int, Stratum]],
    ) -> Tally:
        of_kind = {kind: histograms.get(kind, {}).get(group, LatencyHistogram()) for kind in _HISTOGRAMS}
        sums = {column: self._sum(column, group) for column in SUMMED}
        first, last = self._span.get(group, (None, None))
        return Tally(
            requests=self._counts["requests"][group],
            errors=self._counts["errors"][group],
            **of_kind,
            streamed=self._sum("streamed", group),
            cold_starts=self._sum("cold_start", group),
            sums={column: told for column, told in sums.items() if told.n},
            hours=dict(hours.get(group, {})),
            days={code - 1: day for code, day in days.get(group, {}).items() if code},
            mixes={_mix(code): mix for code, mix in mixes.get(group, {}).items()},
            first_ns=first,
            last_ns=last,
        )

    def _sum(self, column: str, group: int) -> Sum:
        return Sum(self._counts[column + " total"][group], self._counts[column + " n"][group])

    def _grouped(self, batch: Batch) -> _Strata:
        """The group of each request, numbered over all batches."""
        columns = [_labels(batch, column) for column in self.by]
        ids = np.zeros(batch.n, np.int64)
        for labels in columns:
            ids = ids * (len(labels.names) + 1) + labels.codes + 1
            ids = _Strata.of(ids).ids if ids.max(initial=0) >= 1 << 40 else ids
        firsts, ids = _firsts(ids)
        keys = [tuple(_name(labels, row) for labels in columns) for row in firsts.tolist()]
        if len(self._groups) + len(keys) > _MOST_GROUPS:
            self._refuse_explosion(keys)
        return _Strata(ids, np.array([self._groups.setdefault(key, len(self._groups)) for key in keys], np.int64))

    def _refuse_explosion(self, keys: list[GroupKey]) -> None:
        if len(self._groups.keys() | set(keys)) > _MOST_GROUPS:
            raise EdgeroiError(f"more than {_MOST_GROUPS:,} groups by {', '.join(self.by)}", key="--by", fix="group by fewer columns")

    def _count(self, what: str, groups: _Strata, values: Ints | None = None) -> None:
        told = np.bincount(groups.ids, minlength=groups.codes.size) if values is None else _big_sums(groups, values)
        for code, number in zip(groups.codes.tolist(), told if isinstance(told, list) else told.tolist(), strict=True):
            self._counts[what][code] += number

    def _add_durations(self, batch: Batch, groups: _Strata) -> None:
        succeeded = ~batch.failed
        latency, ttft, network = (batch.numbers.get(column) for column in ("latency_ms", "ttft_ms", "network_ms"))
        periods = _periods(batch)
        for kind, durations in (("latency", latency), ("ttft", ttft)):
            self._histogram(kind, durations, succeeded, groups, periods)
        self._histogram("network", network, succeeded, groups)
        self._histogram("failure", latency, batch.failed, groups)
        for kind, durations in (("served", latency), ("ttft_served", ttft)):
            if durations is not None and network is not None:
                self._histogram(kind, np.maximum(durations - network, 0.0), succeeded, groups)

    def _histogram(
        self,
        kind: str,
        durations_ms: Floats | None,
        chosen: NDArray[np.bool_],
        groups: _Strata,
        periods: tuple[_Strata, _Strata] | None = None,
    ) -> None:
        if durations_ms is None:
            return
        chosen = chosen & ~np.isnan(durations_ms)
        nanoseconds = np.rint(durations_ms[chosen] * _NS_PER_MS) + 0.0
        keys = keys_of_whole(nanoseconds)
        here = groups.where(chosen)
        self._cells.setdefault(kind, _Cells()).add(here, nanoseconds, keys)
        if periods is not None:
            day, mix = (period.where(chosen) for period in periods)
            prefix = "" if kind == "latency" else kind + "_"
            if day.codes.size:
                self._coarse(prefix + "day").add(here.crossed(day, _DAY_BITS), nanoseconds, keys)
            self._coarse(prefix + "mix").add(here.crossed(mix, _MIX_BITS), nanoseconds, keys)

    def _coarse(self, kind: str) -> _Cells:
        return self._cells.setdefault(kind, _Cells(_COARSER_BITS))

    def _add_sums(self, batch: Batch, groups: _Strata) -> None:
        for column, unit in {**SUMMED, "streamed": 1, "cold_start": 1}.items():
            numbers = batch.numbers.get(column)
            if numbers is None:
                continue
            told = ~np.isnan(numbers)
            self._count(column + " n", groups.where(told))
            self._count(column + " total", groups.where(told), np.rint(numbers[told] * unit).astype(np.int64))

    def _add_times(self, batch: Batch, groups: _Strata) -> None:
        if batch.instants is None:
            return
        dated = batch.instants != NO_INSTANT
        if not dated.any():
            return
        here, instants = groups.where(dated), batch.instants[dated]
        self._add_span(here, instants)
        latency = batch.numbers.get("latency_ms", np.full(batch.n, np.nan))[dated]
        busy = np.rint(np.nan_to_num(latency) * _NS_PER_MS)
        hours = here.crossed(_Strata.of(instants // NS_PER_HOUR), _HOUR_BITS)
        requests, took = np.bincount(hours.ids, minlength=hours.codes.size), exact_sums(hours.ids, busy, hours.codes.size)
        held = np.flatnonzero(requests)
        for code, n, ns in zip(hours.codes[held].tolist(), requests[held].tolist(), took[held].tolist(), strict=True):
            told = self._hours[code]
            told[0] += n
            told[1] += ns

    def _add_span(self, groups: _Strata, instants: Ints) -> None:
        least = np.full(groups.codes.size, np.iinfo(np.int64).max)
        most = np.full(groups.codes.size, np.iinfo(np.int64).min)
        np.minimum.at(least, groups.ids, instants)
        np.maximum.at(most, groups.ids, instants)
        for code, first, last in zip(groups.codes.tolist(), least.tolist(), most.tolist(), strict=True):
            if first <= last:
                before = self._span.get(code, (first, last))
                self._span[code] = (min(first, before[0]), max(last, before[1]))


def _big_sums(groups: _Strata, values: Ints) -> list[int]:
    """Sums that may pass 2**63, as Python integers."""
    n = groups.codes.size
    low = np.bincount(groups.ids, values & ((1 << _HALF_BITS) - 1), n).tolist()
    high = np.bincount(groups.ids, values >> _HALF_BITS, n).tolist()
    return [(int(h) << _HALF_BITS) + int(part) for h, part in zip(high, low, strict=True)]


def _labels(batch: Batch, column: str) -> Labels:
    """The texts of a column; flags and counts are spelled out."""
    if column in batch.labels:
        return batch.labels[column]
    numbers = batch.numbers.get(column)
    if numbers is None:
        return Labels(np.full(batch.n, -1, np.int32), ())
    values = np.unique(numbers[~np.isnan(numbers)])
    codes = np.where(np.isnan(numbers), -1, np.searchsorted(values, numbers))
    spelled = (("false", "true")[int(v)] if COLUMNS[column] == "flag" else str(int(v)) for v in values)
    return Labels(codes.astype(np.int32), tuple(spelled))


def _firsts(ids: Ints) -> tuple[Ints, Ints]:
    """``(firsts, ids)``: ids renumbered from 0 without gaps, and the place where each first occurs."""
    most = int(ids.max(initial=0))
    if most >= 1 << 16:
        _, firsts, renumbered = np.unique(ids, return_index=True, return_inverse=True)
        return firsts, renumbered
    firsts = np.full(most + 1, -1, np.int64)
    firsts[ids[::-1]] = np.arange(ids.size - 1, -1, -1)
    held = firsts >= 0
    return firsts[held], (np.cumsum(held) - 1)[ids]


def _name(labels: Labels, row: int) -> str | None:
    code = int(labels.codes[row])
    return None if code < 0 else labels.names[code]


def _periods(batch: Batch) -> tuple[_Strata, _Strata]:
    """The UTC day of each request (days since 1970-01-01, no strata without timestamps), and its mix."""
    tokens = batch.numbers.get("output_tokens")
    bands = np.full(batch.n, -1, np.int64) if tokens is None else token_band(tokens)
    if batch.instants is None:
        return _Strata(np.empty(batch.n, np.int64), np.empty(0, np.int64)), _Strata.of((bands + 1) * 8)
    dated = batch.instants != NO_INSTANT
    hours = np.where(dated, batch.instants // NS_PER_HOUR, -_HOURS_PER_DAY)
    quarters = np.where(dated, hours % _HOURS_PER_DAY // (_HOURS_PER_DAY // _QUARTERS), -1)
    return _Strata.of(hours // _HOURS_PER_DAY + 1), _Strata.of((bands + 1) * 8 + quarters + 1)


def _mix(code: int) -> Mix:
    return (code // 8 - 1, code % 8 - 1)


def _by_group(told: Mapping[int, V], bits: int) -> dict[int, dict[int, V]]:
    """``group << bits | part -> value`` as ``group -> part -> value``, parts ascending."""
    grouped: dict[int, dict[int, V]] = defaultdict(dict)
    for code in sorted(told):
        grouped[code >> bits][code & ((1 << bits) - 1)] = told[code]
    return grouped


def _strata_by_group(latency: Histograms, ttft: Histograms, bits: int) -> dict[int, dict[int, Stratum]]:
    nothing = LatencyHistogram()
    codes = latency.keys() | ttft.keys()
    return _by_group({code: Stratum(latency.get(code, nothing), ttft.get(code, nothing)) for code in codes}, bits)
