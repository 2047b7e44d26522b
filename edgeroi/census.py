"""Counts requests, batch by batch, into the partial profile they add up to.

A census holds, per group: histograms of latency, of TTFT, of network time and of both without it, of the durations of failures;
exact integer sums; requests and busy time by UTC hour; and coarse histograms by UTC day and by mix.
The order of batches and where they are cut do not matter: every cell is an integer sum.

Durations and sums are counted by the part in C where it is there (``compiled.py``), else by numpy; each says of itself how.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeroi import compiled
from edgeroi.errors import EdgeroiError
from edgeroi.histogram import Floats, Ints, LatencyHistogram, keys_of_whole
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, Labels
from edgeroi.workload import NS_PER_HOUR, SUMMED, Busy, GroupKey, Mix, Partial, Stratum, Sum, Tally

_KEY_BITS = 21
#: Buckets of days and mixes are 16 times coarser: 64 an octave, 1.6 % wide; an hour has one bucket, and it is its busy time.
_COARSER = {"day": 4, "mix": 4, "ttft_day": 4, "ttft_mix": 4, "hour": _KEY_BITS}
#: A table of counts larger than this is not worth its memory: sort instead.
_DENSE_CELLS = 1 << 19
Bools = NDArray[np.bool_]

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
MOST_GROUPS = 20_000
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


@dataclass(frozen=True)
class _Durations:
    """Those of a column that are known and chosen, in whole nanoseconds, and the bucket of each."""

    chosen: Bools
    nanoseconds: Floats
    keys: Ints

    @classmethod
    def of(cls, durations_ms: Floats, chosen: Bools) -> _Durations:
        """Durations in ms, NaN where unknown."""
        chosen = chosen & ~np.isnan(durations_ms)
        nanoseconds = np.rint(durations_ms[chosen] * _NS_PER_MS) + 0.0
        return cls(chosen, nanoseconds, keys_of_whole(nanoseconds))


@dataclass(frozen=True)
class Held:
    """What is in the cells, by stratum and bucket, ascending: counts and sums of ns; and each stratum's least and most ns."""

    cells: Ints
    counts: Ints
    sums: Ints
    least: Mapping[int, int]
    most: Mapping[int, int]

    def totals(self) -> Iterator[tuple[int, int, int]]:
        """Each cell's stratum, count and sum."""
        return zip((self.cells >> _KEY_BITS).tolist(), self.counts.tolist(), self.sums.tolist(), strict=True)

    def histograms(self) -> dict[int, LatencyHistogram]:
        """The histogram of each stratum."""
        cuts = np.flatnonzero(np.diff(self.cells >> _KEY_BITS, prepend=-1, append=-1)).tolist()
        strata, keys = (self.cells >> _KEY_BITS)[cuts[:-1]].tolist(), self.cells & ((1 << _KEY_BITS) - 1)
        return {
            stratum: LatencyHistogram(keys[at:to], self.counts[at:to], self.sums[at:to], self.least[stratum], self.most[stratum])
            for stratum, (at, to) in zip(strata, pairwise(cuts), strict=True)
        }


class CompiledCells:
    """Durations by stratum and bucket, counted by the part in C: a table of all cells that grows with those that are held."""

    def __init__(self, part: Any, coarser_bits: int) -> None:
        self._cells = part.Cells(coarser_bits)

    @staticmethod
    def durations(durations_ms: Floats, chosen: Bools) -> Floats:
        """Those that are chosen; the others are made unknown."""
        return durations_ms if chosen.all() else np.where(chosen, durations_ms, np.nan)

    def add(self, strata: _Strata, durations_ms: Floats) -> None:
        """Count these durations."""
        self._cells.add(strata.codes[strata.ids], durations_ms)

    def held(self) -> Held:
        """What was counted so far."""
        cells, counts, sums = (np.frombuffer(column, np.int64) for column in self._cells.held())
        strata, least, most = (np.frombuffer(column, np.int64).tolist() for column in self._cells.ends())
        order = np.argsort(cells)
        extremes = (dict(zip(strata, ends, strict=True)) for ends in (least, most))
        return Held(cells[order], counts[order], sums[order], *extremes)


@dataclass(slots=True)
class NumpyCells:
    """The same by numpy: batch by batch, and the batches added up now and then."""

    coarser_bits: int = 0
    pending: list[tuple[Ints, Ints, Ints]] = field(default_factory=list)
    waiting: int = 0
    least: dict[int, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)

    durations = staticmethod(_Durations.of)

    def add(self, strata: _Strata, durations: _Durations) -> None:
        """Count these durations."""
        if not durations.keys.size:
            return
        here, nanoseconds = strata.where(durations.chosen), durations.nanoseconds
        ids, cells = _cells(here, durations.keys >> self.coarser_bits, self.coarser_bits)
        counts = np.bincount(ids, minlength=cells.size)
        held = np.flatnonzero(counts)
        self.pending.append((cells[held], counts[held], exact_sums(ids, nanoseconds, cells.size)[held]))
        self.waiting += held.size
        self._extremes(here, nanoseconds, ids, held, cells)
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

    def held(self) -> Held:
        """What was counted so far."""
        self.settle()
        cells, counts, sums = self.pending[0] if self.pending else (np.empty(0, np.int64),) * 3
        order = np.argsort(cells, kind="stable")
        return Held(cells[order], counts[order].astype(np.int64), sums[order], self.least, self.most)


Cells = NumpyCells | CompiledCells


def _new_cells(coarser_bits: int) -> Cells:
    return NumpyCells(coarser_bits) if compiled.part is None else CompiledCells(compiled.part, coarser_bits)


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
    """Requests counted by the columns ``by``, grown one batch at a time.

    More than ``most_groups`` are refused; ``None`` where hidden columns, which the format itself keeps few, make the groups.
    """

    def __init__(self, by: tuple[str, ...], most_groups: int | None = MOST_GROUPS) -> None:
        self.by = by
        self._most_groups = most_groups
        self._groups: dict[GroupKey, int] = {}
        self._cells: dict[str, Cells] = {}
        self._counts: dict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
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
        held = {kind: cells.held() for kind, cells in self._cells.items()}
        hours = _by_group({code: Busy(n, ns) for code, n, ns in held.pop("hour").totals()} if "hour" in held else {}, _HOUR_BITS)
        histograms = {kind: cells.histograms() for kind, cells in held.items()}
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
        if self._most_groups is not None and len(self._groups) + len(keys) > self._most_groups:
            self._refuse_explosion(keys, self._most_groups)
        return _Strata(ids, np.array([self._groups.setdefault(key, len(self._groups)) for key in keys], np.int64))

    def _refuse_explosion(self, keys: list[GroupKey], most: int) -> None:
        if len(self._groups.keys() | set(keys)) > most:
            raise EdgeroiError(f"more than {most:,} groups by {', '.join(self.by)}", key="--by", fix="group by fewer columns")

    def _count(self, what: str, groups: _Strata, told: list[int] | None = None) -> None:
        """Add what is told of each group; by default how many requests it has."""
        told = np.bincount(groups.ids, minlength=groups.codes.size).tolist() if told is None else told
        for code, number in zip(groups.codes.tolist(), told, strict=True):
            self._counts[what][code] += number

    def _add_durations(self, batch: Batch, groups: _Strata) -> None:
        succeeded = ~batch.failed
        latency, ttft, network = (batch.numbers.get(column) for column in ("latency_ms", "ttft_ms", "network_ms"))
        periods = _periods(batch, groups)
        self._count_durations(latency, succeeded, {"latency": groups, **periods})
        self._count_durations(ttft, succeeded, {"ttft": groups, **{f"ttft_{period}": strata for period, strata in periods.items()}})
        self._count_durations(network, succeeded, {"network": groups})
        self._count_durations(latency, batch.failed, {"failure": groups})
        for kind, durations in (("served", latency), ("ttft_served", ttft)):
            if durations is not None and network is not None:
                self._count_durations(np.maximum(durations - network, 0.0), succeeded, {kind: groups})

    def _count_durations(self, durations_ms: Floats | None, chosen: Bools, strata: Mapping[str, _Strata]) -> None:
        """Count the chosen durations once in each kind of strata."""
        if durations_ms is None:
            return
        told: Any = None
        for kind, each in strata.items():
            cells = self._cells.setdefault(kind, _new_cells(_COARSER.get(kind, 0)))
            told = cells.durations(durations_ms, chosen) if told is None else told
            cells.add(each, told)

    def _add_sums(self, batch: Batch, groups: _Strata) -> None:
        for column, unit in {**SUMMED, "streamed": 1, "cold_start": 1}.items():
            numbers = batch.numbers.get(column)
            if numbers is not None:
                told, totals = _summed(groups, numbers, unit)
                self._count(column + " n", groups, told)
                self._count(column + " total", groups, totals)

    def _add_times(self, batch: Batch, groups: _Strata) -> None:
        if batch.instants is None:
            return
        dated = batch.instants != NO_INSTANT
        if not dated.any():
            return
        self._add_span(groups.where(dated), batch.instants[dated])
        latency = batch.numbers.get("latency_ms")
        busy = np.zeros(batch.n) if latency is None else np.nan_to_num(latency)
        hours = _Strata.of(np.where(dated, batch.instants, 0) // NS_PER_HOUR)
        self._count_durations(busy, dated, {"hour": groups.crossed(hours, _HOUR_BITS)})

    def _add_span(self, groups: _Strata, instants: Ints) -> None:
        least = np.full(groups.codes.size, np.iinfo(np.int64).max)
        most = np.full(groups.codes.size, np.iinfo(np.int64).min)
        np.minimum.at(least, groups.ids, instants)
        np.maximum.at(most, groups.ids, instants)
        for code, first, last in zip(groups.codes.tolist(), least.tolist(), most.tolist(), strict=True):
            if first <= last:
                before = self._span.get(code, (first, last))
                self._span[code] = (min(first, before[0]), max(last, before[1]))


def _summed(groups: _Strata, numbers: Floats, unit: int) -> tuple[list[int], list[int]]:
    """Of each group, how many of the numbers are known and their sum in whole units; it may pass 2**63."""
    n = groups.codes.size
    if compiled.part is not None:
        told = np.zeros((3, n), np.int64)
        compiled.part.sums(groups.ids, numbers, float(unit), told)
    else:
        known = ~np.isnan(numbers)
        ids, values = groups.ids[known], np.rint(numbers[known] * unit).astype(np.int64)
        halves = (values & ((1 << _HALF_BITS) - 1), values >> _HALF_BITS)
        told = np.array([np.bincount(ids, minlength=n), *(np.bincount(ids, half, n) for half in halves)]).astype(np.int64)
    counts, low, high = told.tolist()
    return counts, [(h << _HALF_BITS) + part for h, part in zip(high, low, strict=True)]


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


def _periods(batch: Batch, groups: _Strata) -> dict[str, _Strata]:
    """Each group's UTC days (counted from 1 on 1970-01-01, 0 for none; no days without timestamps), and its mixes."""
    tokens = batch.numbers.get("output_tokens")
    bands = np.full(batch.n, -1, np.int64) if tokens is None else token_band(tokens)
    if batch.instants is None:
        return {"mix": groups.crossed(_Strata.of((bands + 1) * 8), _MIX_BITS)}
    dated = batch.instants != NO_INSTANT
    hours = np.where(dated, batch.instants // NS_PER_HOUR, -_HOURS_PER_DAY)
    quarters = np.where(dated, hours % _HOURS_PER_DAY // (_HOURS_PER_DAY // _QUARTERS), -1)
    return {
        "day": groups.crossed(_Strata.of(hours // _HOURS_PER_DAY + 1), _DAY_BITS),
        "mix": groups.crossed(_Strata.of((bands + 1) * 8 + quarters + 1), _MIX_BITS),
    }


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
