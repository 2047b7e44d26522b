"""The arms of an experiment: which requests each holds, and its sample of every number that is asked about.

An arm is rows of a log, with the user, session or pair each belongs to, or the counts of a saved profile, which knows neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.effects import Clusters, Mean, Quantile, Ranked, Sample, Scale, Share
from edgeroi.latency import Latency
from edgeroi.request import NO_INSTANT, Batch
from edgeroi.workload import Tally

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is compared: what it is of, the scale it is judged on, and which direction is the better one."""

    name: str
    title: str
    kind: Literal["ms", "ratio", "usd", "number"]
    scale: Scale
    better: Literal["less", "more"] = "less"
    column: str = ""
    p: float = 0.0


METRICS = (
    Metric("p50", "p50", "ms", "relative", column="latency_ms", p=0.50),
    Metric("p95", "p95", "ms", "relative", column="latency_ms", p=0.95),
    Metric("p99", "p99", "ms", "relative", column="latency_ms", p=0.99),
    Metric("ttft_p50", "TTFT p50", "ms", "relative", column="ttft_ms", p=0.50),
    Metric("ttft_p95", "TTFT p95", "ms", "relative", column="ttft_ms", p=0.95),
    Metric("miss_ratio", "misses", "ratio", "absolute"),
    Metric("error_ratio", "errors", "ratio", "absolute"),
    Metric("cost_usd", "USD/1,000", "usd", "relative", column="cost_usd"),
    Metric("quality", "quality", "number", "absolute", "more", column="quality"),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
#: Columns whose values an arm holds.
MEASURED = ("latency_ms", "ttft_ms", "cost_usd", "quality")
#: What a request is reckoned to cost is told for a thousand.
PER = 1_000


# ---- rows ----


@dataclass(frozen=True, eq=False)
class Requests:
    """``n`` requests of an experiment. ``unit[i]`` is a place in 0..k-1, ``None`` where requests are independent.

    ``numbers``: by column, NaN where unknown. ``labels``: the codes of columns of text, -1 where unknown. ``weights``: of a
    standardised comparison, whose requests are always in units.
    """

    failed: Bools
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    labels: Mapping[str, Ints] = field(default_factory=dict)
    instants: Ints | None = None
    unit: Ints | None = None
    k: int = 0
    weights: Floats | None = None

    @property
    def n(self) -> int:
        """How many."""
        return int(self.failed.size)

    @classmethod
    def of(cls, batch: Batch) -> Requests:
        """The rows of a log."""
        numbers = dict(batch.numbers)
        return cls(batch.failed, numbers, {name: labels.codes.astype(np.int64) for name, labels in batch.labels.items()}, batch.instants)

    def where(self, chosen: Bools | Ints) -> Requests:
        """Some of them; the places of units stay what they are."""
        return replace(
            self,
            failed=self.failed[chosen],
            numbers={name: column[chosen] for name, column in self.numbers.items()},
            labels={name: column[chosen] for name, column in self.labels.items()},
            instants=None if self.instants is None else self.instants[chosen],
            unit=None if self.unit is None else self.unit[chosen],
            weights=None if self.weights is None else self.weights[chosen],
        )

    def in_units(self, codes: Ints) -> Requests:
        """The same in units of these codes; a request whose unit is unknown (-1) is a unit of its own."""
        unknown = codes < 0
        k = int(codes.max(initial=-1)) + 1
        unit = codes.astype(np.int64)
        unit[unknown] = k + np.arange(int(unknown.sum()))
        return replace(self, unit=unit, k=k + int(unknown.sum()))

    def number(self, column: str) -> Floats:
        """A column of numbers; NaN where nobody told it."""
        return self.numbers[column] if column in self.numbers else np.full(self.n, np.nan)


@dataclass(frozen=True, eq=False)
class RowArm:
    """An arm of which every request is known."""

    name: str
    rows: Requests

    @property
    def requests(self) -> int:
        """How many it holds."""
        return self.rows.n

    @property
    def units(self) -> int:
        """How many units those are of."""
        return self.rows.n if self.rows.unit is None else int(np.unique(self.rows.unit).size)

    @property
    def span(self) -> tuple[int, int] | None:
        """Its first and its last instant, ns since the epoch; ``None`` where none is told."""
        told = None if self.rows.instants is None else self.rows.instants[self.rows.instants != NO_INSTANT]
        return (int(told.min()), int(told.max())) if told is not None and told.size else None

    def sample(self, metric: Metric, deadline_ms: float | None = None) -> Sample | None:
        """Its sample of a number; ``None`` where no request tells it."""
        rows = self.rows
        if metric.name == "error_ratio":
            return _share(rows, rows.failed)
        if metric.name == "miss_ratio":
            if deadline_ms is None:
                return None
            told = rows.where(rows.failed | ~np.isnan(rows.number("latency_ms")))
            return _share(told, told.failed | (told.number("latency_ms") > deadline_ms)) if told.n else None
        if metric.p:
            return self._quantile(metric)
        told = rows.where(~np.isnan(rows.number(metric.column)))
        amounts = told.number(metric.column) * (PER if metric.kind == "usd" else 1)
        if not told.n:
            return None
        if told.unit is None:
            return Mean.of(amounts)
        return Mean.of_clusters(Clusters.of(told.unit, told.k, amounts, told.weights), amounts)

    def _quantile(self, metric: Metric) -> Quantile | None:
        found = self._durations.get(metric.column)
        if found is None:
            return None
        rows, ranked = found
        if rows.unit is None:
            return Quantile.of(ranked, metric.p)
        beyond = (rows.failed | (rows.number(metric.column) > ranked.at(metric.p))).astype(np.float64)
        return Quantile(ranked, metric.p, ranked.n, Clusters.of(rows.unit, rows.k, beyond, rows.weights))

    @cached_property
    def _durations(self) -> Mapping[str, tuple[Requests, Ranked]]:
        """By column the requests that tell it or failed, and those in order; without a column that no success tells."""
        held = {}
        for column in ("latency_ms", "ttft_ms"):
            known = ~np.isnan(self.rows.number(column))
            if (known & ~self.rows.failed).any():
                rows = self.rows.where(known | self.rows.failed)
                held[column] = rows, Ranked.of(rows.number(column), rows.failed, rows.weights)
        return held


def _share(rows: Requests, hit: Bools) -> Share:
    held = hit.astype(np.float64)
    if rows.unit is not None:
        clusters = Clusters.of(rows.unit, rows.k, held, rows.weights)
        return Share(float(clusters.sums.sum()), rows.n, rows.n, clusters)
    return Share(float(held.sum()), rows.n, rows.n)


# ---- counts ----


@dataclass(frozen=True, eq=False)
class CountedArm:
    """An arm of which a saved profile tells: counts in buckets. Of cost and quality it keeps sums, so their spread is unknown."""

    name: str
    tally: Tally
    latency: Latency | None = None

    @property
    def requests(self) -> int:
        """How many it holds."""
        return self.tally.requests

    @property
    def units(self) -> int:
        """Requests, as nothing else is known."""
        return self.tally.requests

    @property
    def span(self) -> tuple[int, int] | None:
        """Its first and its last instant."""
        first, last = self.tally.first_ns, self.tally.last_ns
        return None if first is None or last is None else (first, last)

    def sample(self, metric: Metric, deadline_ms: float | None = None) -> Sample | None:
        """Its sample of a number; ``None`` where the profile does not tell it."""
        tally = self.tally
        if metric.name == "error_ratio":
            return Share(tally.errors, tally.requests, tally.requests)
        if metric.name == "miss_ratio":
            if deadline_ms is None or not tally.latency.n:
                return None
            late = int(tally.latency.counts[tally.latency.values_ms > deadline_ms].sum())
            return Share(late + tally.errors, tally.requests, tally.requests)
        if metric.p:
            return self._quantile(metric)
        mean = tally.mean(metric.column)
        if mean is None:
            return None
        n = tally.sums[metric.column].n
        return Mean(mean * (PER if metric.kind == "usd" else 1), math.nan, n, n)

    def _quantile(self, metric: Metric) -> Quantile | None:
        if self.latency is not None:
            return Quantile.of(_ranked(self.latency), metric.p) if metric.column == "latency_ms" else None
        sample = self.tally.latency if metric.column == "latency_ms" else self.tally.ttft
        return Quantile.of(Ranked.of_histogram(sample, self.tally.failure, self.tally.errors), metric.p) if sample.n else None


def _ranked(latency: Latency) -> Ranked:
    """A reweighted distribution with its failures at the end."""
    assert latency.n is not None
    observed = 1 - latency.failure_ratio
    values = np.append(latency.values_ms, latency.values_ms[-1])
    cumulative = np.append(np.cumsum(latency.weights) * observed, 1.0)
    return Ranked(values, cumulative, observed, max(1, round(latency.n / observed)))


Arm = RowArm | CountedArm
