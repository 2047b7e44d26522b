"""What one arm of an experiment does against another: the effect on a quantile, a share or a mean, with its interval.

Each arm's number has an interval of its own kind: order statistics for a quantile, Wilson's for a share, Student's over clusters for a
mean. Two of them become the interval of their difference by MOVER, the method of variance estimates recovery (Zou, Donner, Statistics in
Medicine 27, 2008; for two shares it is Newcombe's interval, 1998): the distance to either end is the root of the summed squares of the
arms' own distances, less what the arms have in common where the same users or pairs are in both. Ratios are differences of logarithms.
Where clusters (users, sessions) correlate, shares and quantiles count as many requests as the clusters are worth (Woodruff, 1952).

A failure has no latency: it is slower than every success, so that a quantile that falls among failures is known from below only.
An end that the sample does not support is infinite. ``None`` is unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeroi.anytime import anytime_level, quantile_ranks, share_sequence
from edgeroi.histogram import LatencyHistogram
from edgeroi.stats import (
    degrees_of_clusters,
    n_effective_of_clusters,
    normal_quantile,
    order_statistic_ranks,
    ratio_of_clusters,
    student_quantile,
    wilson,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Scale = Literal["relative", "absolute"]

#: Cumulated weights are compared with a share to this precision.
_ROUNDING = 1e-12
#: The power that "could have shown" stands for.
POWER = 0.80
#: A level so near 1 that no sample supports it.
_CERTAIN = 1 - 1e-11


@dataclass(frozen=True, slots=True)
class Ends:
    """A number and its interval; the value is NaN where only a bound is known, an end infinite where nothing supports it."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def logs(self) -> Ends:
        """The logarithms; 0 has -infinity, and of what is not above 0 nothing is known."""
        value, low, high = (math.log(x) if x > 0 else -math.inf if x == 0 else math.nan for x in (self.value, self.low, self.high))
        return Ends(
            value if math.isfinite(value) else math.nan, -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high
        )

    def mapped_from_logs(self) -> Ends:
        """A difference of logarithms as a change: 0 is none, -0.5 half as much."""
        return Ends(*(math.inf if x >= 700 else math.expm1(x) for x in (self.value, self.low, self.high)))


#: What is said of something nothing is known about.
UNKNOWN = Ends(math.nan, -math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Doubt:
    """How sure an interval is, and whether it holds at every look."""

    level: float = 0.95
    sequential: bool = False


# ---- clusters ----


@dataclass(frozen=True, eq=False)
class Clusters:
    """The sum of something, and the number of requests it is of, by cluster (k,); a cluster of which the arm has nothing has size 0.

    The places are those of all arms, so that what two arms have in common can be told.
    """

    sums: Floats
    sizes: Floats
    weighted: bool = False

    @classmethod
    def of(cls, codes: Ints, k: int, amounts: Floats, weights: Floats | None = None) -> Clusters:
        """What requests (n,) in the clusters of ``codes`` come to; weights are scaled to sum to n."""
        if weights is None:
            return cls(_summed(codes, amounts, k), np.bincount(codes, minlength=k).astype(np.float64))
        weights = weights * (weights.size / weights.sum())
        return cls(_summed(codes, amounts * weights, k), _summed(codes, weights, k), weighted=True)

    @cached_property
    def there(self) -> Bools:
        """The clusters of which there is something."""
        return self.sizes > 0

    @cached_property
    def count(self) -> int:
        """How many those are."""
        return int(np.count_nonzero(self.sizes))

    @cached_property
    def ratio(self) -> tuple[float, float]:
        """The sum per request, and its variance; the variance is NaN of a single cluster."""
        sums, sizes = self.sums[self.there], self.sizes[self.there]
        return ratio_of_clusters(sums, sizes) if sizes.size > 1 else (float(sums.sum() / sizes.sum()), math.nan)

    @cached_property
    def residuals(self) -> Floats:
        """What each cluster has beyond its share of the whole (k,)."""
        return self.sums - float(self.sums.sum() / self.sizes.sum()) * self.sizes

    def n_effective(self, level: float, *, rare: bool = False) -> float:
        """How many independent requests they are worth for the share that the sums are of.

        ``rare``: reckon with few clusters that hold most of it; ranks of order statistics are rounded outward and need not.

        Where none or all of the requests count nothing tells how clusters differ: each is then worth one request, and weighted
        ones, of which the heavy are of another kind than the light, as many as Kish has it: (sum of sizes)^2 / sum of their squares.
        """
        sums, sizes = self.sums[self.there], self.sizes[self.there]
        share = sums.sum() / sizes.sum()
        if sizes.size < 2 or not 0 < share < 1:
            return float(sizes.sum()) ** 2 / float(sizes @ sizes) if self.weighted else float(sizes.size)
        return n_effective_of_clusters(sums, sizes, level, degrees_of_clusters(sums - share * sizes) if rare else None)


def _summed(codes: Ints, amounts: Floats, k: int) -> Floats:
    return np.asarray(np.bincount(codes, amounts, k), np.float64)


def correlation(one: Clusters | None, two: Clusters | None) -> float:
    """How two arms' numbers go together, from the clusters that are in both; 0 where none is."""
    if one is None or two is None or not (one.there & two.there).any():
        return 0.0
    first, second = one.residuals, two.residuals
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return max(-1.0, min(1.0, float(first @ second) / scale)) if scale else 0.0


# ---- one arm's number ----


class Sample(Protocol):
    """One arm's sample of one number."""

    @property
    def value(self) -> float:
        """The number."""
        ...

    @property
    def n(self) -> int:
        """How many requests it is of."""
        ...

    @property
    def units(self) -> int:
        """How many independent units those are."""
        ...

    @property
    def clusters(self) -> Clusters | None:
        """By cluster, where requests are not independent."""
        ...

    @property
    def is_bound(self) -> bool:
        """Whether the number is known from below only."""
        ...

    @property
    def has_exact_sequence(self) -> bool:
        """Whether ``always`` holds exactly."""
        ...

    def ends(self, level: float) -> Ends:
        """The number with its interval for one look."""
        ...

    def always(self, level: float) -> Ends:
        """The number with its interval for every look."""
        ...


@dataclass(frozen=True, eq=False)
class Ranked:
    """Durations in ascending order, failures last: ``cumulative[i]`` is the share of requests up to and with ``values[i]``.

    ``observed``: the share that succeeded. The value of a failure is a bound: its own duration, or the slowest success where that is more.
    """

    values: Floats
    cumulative: Floats
    observed: float
    n: int

    @classmethod
    def of(cls, durations_ms: Floats, failed: Bools | None = None, weights: Floats | None = None) -> Ranked:
        """Of requests (n,); the duration of a failure may be NaN."""
        n = durations_ms.size
        if failed is None or not failed.any():
            if weights is None:
                return cls(np.sort(durations_ms), np.arange(1, n + 1) / n, 1.0, n)
            failed = np.zeros(n, np.bool_)
        slowest = float(durations_ms[~failed].max(initial=0.0))
        values = np.where(failed, np.fmax(durations_ms, slowest), durations_ms)
        order = np.lexsort((values, failed))
        held = np.ones(n) if weights is None else weights[order]
        total = held.sum()
        return cls(values[order], np.cumsum(held) / total, float(held[~failed[order]].sum() / total), n)

    @classmethod
    def of_histogram(cls, successes: LatencyHistogram, failures: LatencyHistogram, errors: int) -> Ranked:
        """Of a saved profile's buckets; ``errors``: all failures, with those whose duration nobody recorded."""
        slowest = successes.max_ms or 0.0
        late = np.maximum(failures.values_ms, slowest) if failures.n else np.empty(0)
        values = np.concatenate((successes.values_ms, np.full(1 if errors > failures.n else 0, slowest), late))
        counts = np.concatenate((successes.counts, [errors - failures.n] if errors > failures.n else [], failures.counts))
        n = int(counts.sum())
        return cls(values, np.cumsum(counts) / n, successes.n / n, n)

    def at(self, share: float) -> float:
        """The least value that at least this share does not exceed."""
        return float(self.values[min(int(np.searchsorted(self.cumulative, share - _ROUNDING)), self.values.size - 1)])

    def is_bound(self, share: float) -> bool:
        """Whether that value is a failure's."""
        return share > self.observed + _ROUNDING


@dataclass(frozen=True, eq=False)
class Quantile:
    """A quantile of durations, failures slower than every success."""

    ranked: Ranked
    p: float
    worth: float
    clusters: Clusters | None = None

    @classmethod
    def of(cls, ranked: Ranked, p: float, worth: float | None = None) -> Quantile:
        """Of independent requests; ``worth``: how many equal ones they are worth, where they are weighted."""
        return cls(ranked, p, ranked.n if worth is None else worth)

    @property
    def value(self) -> float:
        """The quantile, or what it is at least."""
        return self.ranked.at(self.p)

    @property
    def n(self) -> int:
        """The requests."""
        return self.ranked.n

    @property
    def units(self) -> int:
        """The clusters, or the requests."""
        return self.clusters.count if self.clusters else self.ranked.n

    @property
    def is_bound(self) -> bool:
        """Whether it falls among the failures."""
        return self.ranked.is_bound(self.p)

    @property
    def has_exact_sequence(self) -> bool:
        """Of independent, unweighted requests."""
        return self.clusters is None and self.worth == self.ranked.n

    def ends(self, level: float) -> Ends:
        """By the order statistics of as many independent requests as these are worth."""
        if level >= _CERTAIN:
            return Ends(self.value, 0.0, math.inf)
        worth = self.clusters.n_effective(level) if self.clusters else self.worth
        n = max(1, int(worth + _ROUNDING))
        return self._between(n, order_statistic_ranks(n, self.p, level))

    def always(self, level: float) -> Ends:
        """By the counts that no look refutes."""
        return self._between(self.ranked.n, quantile_ranks(self.ranked.n, self.p, level))

    def _between(self, n: int, ranks: tuple[int | None, int | None]) -> Ends:
        low, high = ranks
        unknown = high is None or self.ranked.is_bound(high / n)
        return Ends(
            self.value,
            0.0 if low is None else self.ranked.at(low / n),
            math.inf if unknown or high is None else self.ranked.at(high / n),
        )


@dataclass(frozen=True, eq=False)
class Share:
    """A share of requests: of misses, of failures."""

    hits: float
    n: int
    worth: float
    clusters: Clusters | None = None
    is_bound: bool = False

    @property
    def value(self) -> float:
        """The share."""
        return self.hits / self.n

    @property
    def units(self) -> int:
        """The clusters, or the requests."""
        return self.clusters.count if self.clusters else self.n

    @property
    def has_exact_sequence(self) -> bool:
        """Of independent, unweighted requests."""
        return self.clusters is None and self.worth == self.n

    def ends(self, level: float) -> Ends:
        """Wilson's interval, of as many independent requests as these are worth."""
        if level >= _CERTAIN:
            return Ends(self.value, 0.0, 1.0)
        worth = self.clusters.n_effective(level, rare=True) if self.clusters else self.worth
        return Ends(self.value, *wilson(min(self.value * worth, worth), worth, level))

    def always(self, level: float) -> Ends:
        """The beta-binomial confidence sequence."""
        return Ends(self.value, *share_sequence(self.hits, self.n, level))


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean over requests: cost, quality. ``error``: its standard error, ``variance`` that of one request; NaN where untold."""

    value: float
    error: float
    n: int
    units: int
    clusters: Clusters | None = None
    variance: float = math.nan
    is_bound: bool = False
    has_exact_sequence: bool = False

    @classmethod
    def of(cls, amounts: Floats) -> Mean:
        """Of independent requests (n,)."""
        n = amounts.size
        variance = float(amounts.var(ddof=1)) if n > 1 else math.nan
        return cls(float(amounts.mean()), math.sqrt(variance / n), n, n, None, variance)

    @classmethod
    def of_clusters(cls, clusters: Clusters, amounts: Floats) -> Mean:
        """Of requests (n,) in clusters: the sum over the number, by the delta method."""
        ratio, variance = clusters.ratio
        of_one = float(amounts.var(ddof=1)) if amounts.size > 1 else math.nan
        return cls(ratio, math.sqrt(variance), amounts.size, clusters.count, clusters, of_one)

    def ends(self, level: float) -> Ends:
        """Student's interval over the units."""
        if not math.isfinite(self.error) or level >= _CERTAIN or self.units < 2:
            return Ends(self.value, -math.inf, math.inf)
        half = student_quantile((1 + level) / 2, self.units - 1) * self.error
        return Ends(self.value, self.value - half, self.value + half)

    def always(self, level: float) -> Ends:
        """The same at the stricter level that holds at every look."""
        return self.ends(anytime_level(self.units, level))


# ---- two arms ----


@dataclass(frozen=True, slots=True)
class Effect:
    """What the treated arm does against the control: both arms' numbers, the difference, and the change as a share of the control's.

    ``scale``: which of the two the judgement rests on. ``bounds``: whose number is known from below only, control and treated.
    """

    control: Ends
    treated: Ends
    absolute: Ends
    relative: Ends
    scale: Scale
    n: tuple[int, int]
    units: tuple[int, int]
    bounds: tuple[bool, bool]

    @property
    def judged(self) -> Ends:
        """The effect on the scale that is judged."""
        return self.relative if self.scale == "relative" else self.absolute

    @property
    def shown(self) -> bool:
        """Whether there is an effect beyond chance."""
        return self.judged.excludes_zero


def difference(one: Ends, two: Ends, together: float = 0.0) -> Ends:
    """``one`` less ``two`` by MOVER, where the two go ``together`` as this correlation says."""
    apart = one.value - two.value
    if math.isnan(apart):
        return UNKNOWN
    return Ends(
        apart,
        apart - _distance(one.value - one.low, two.high - two.value, together),
        apart + _distance(one.high - one.value, two.value - two.low, together),
    )


def _distance(one: float, two: float, together: float) -> float:
    if math.isinf(one) or math.isinf(two) or math.isnan(one + two):
        return math.inf
    return math.sqrt(max(0.0, one * one + two * two - 2 * together * one * two))


def between_all(one: Ends, two: Ends) -> Ends:
    """``one`` less ``two`` wherever in their intervals the two are: holds as often as both of them hold."""
    return Ends(one.value - two.value, one.low - two.high, one.high - two.low)


def effect(treated: Sample, control: Sample, scale: Scale, doubt: Doubt | None = None) -> Effect:
    """The effect with its interval, right for what the samples are and for how often they are looked at."""
    arms, absolute, relative = _apart(treated, control, doubt or Doubt())
    return Effect(
        arms[1],
        arms[0],
        absolute,
        relative.mapped_from_logs(),
        scale,
        (control.n, treated.n),
        (control.units, treated.units),
        (control.is_bound, treated.is_bound),
    )


def _apart(treated: Sample, control: Sample, doubt: Doubt) -> tuple[tuple[Ends, Ends], Ends, Ends]:
    """Both arms' ends, their difference and the difference of their logarithms.

    Exact sequences, and bounds, have no point to measure distances from: there both arms hold at once, each at half the doubt.
    """
    halved = (1 + doubt.level) / 2
    if treated.is_bound or control.is_bound:
        level = anytime_level(treated.units + control.units, halved) if doubt.sequential else halved
        one, two = (_bounded(sample, sample.ends(level)) for sample in (treated, control))
        return (one, two), between_all(one, two), between_all(one.logs, two.logs)
    if doubt.sequential and treated.has_exact_sequence and control.has_exact_sequence:
        one, two = treated.always(halved), control.always(halved)
        return (one, two), between_all(one, two), between_all(one.logs, two.logs)
    level = anytime_level(treated.units + control.units, doubt.level) if doubt.sequential else doubt.level
    together = correlation(treated.clusters, control.clusters)
    one, two = treated.ends(level), control.ends(level)
    return (one, two), difference(one, two, together), difference(one.logs, two.logs, together)


def _bounded(sample: Sample, ends: Ends) -> Ends:
    return Ends(math.nan, ends.low, math.inf) if sample.is_bound else ends


def detectable(treated: Sample, control: Sample, scale: Scale, doubt: Doubt | None = None) -> float | None:
    """The least effect that samples like these show with a probability of 80 %, on the scale; ``None`` where they would show none.

    Half the interval, and what 80 % of the estimates lie above besides.
    """
    doubt = doubt or Doubt()

    def half(doubt: Doubt) -> float:
        _, absolute, relative = _apart(treated, control, doubt)
        judged = relative if scale == "relative" else absolute
        return (judged.high - judged.low) / 2

    plain = half(Doubt(doubt.level))
    error = plain / normal_quantile((1 + doubt.level) / 2)
    least = (half(doubt) if doubt.sequential else plain) + normal_quantile(POWER) * error
    if not math.isfinite(least):
        return None
    return math.expm1(least) if scale == "relative" else least


def p_value(treated: Sample, control: Sample, scale: Scale, doubt: Doubt | None = None) -> float:
    """The greatest doubt at which the interval still excludes no effect, to 1e-3 of itself; never said to be below 1e-6."""
    sequential = doubt.sequential if doubt else False

    def shown(alpha: float) -> bool:
        _, absolute, relative = _apart(treated, control, Doubt(1 - alpha, sequential))
        return (relative if scale == "relative" else absolute).excludes_zero

    low, high = math.log(1e-6), 0.0
    if shown(math.exp(low)):
        return math.exp(low)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if shown(min(math.exp(middle), 1 - 1e-9)) else (middle, high)
    return min(1.0, math.exp(high))
