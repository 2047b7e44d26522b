"""How long a request takes, as a distribution: weighted atoms of milliseconds, and the share of requests that fail.

A measured histogram, a stated p50 and p99, and a best case are all this one immutable value;
shifts, mixtures and cold starts return new ones, and quantiles, miss ratios and value integrals are read from it.
Two samples are brought to one mix before they are compared, and one sample is looked at over its days.
Failures stand outside the percentiles and are a miss for every deadline, so an option that fails fast never looks fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.estimate import Basis, Estimate, weakest
from edgeroi.histogram import LatencyHistogram, nearest_rank
from edgeroi.stats import homogeneity_p, n_effective_of_clusters, order_statistic_ranks, total_variation, wilson
from edgeroi.workload import Stratum, Tally

Floats = NDArray[np.float64]

#: Quantiles that a stated distribution meets within 0.01 %, besides the stated ones.
READ_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
#: Cumulated weights are compared with p to this precision, so that 99 weights of 0.01 reach 0.99.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Latency:
    """A distribution of ms: ``values_ms`` ascending (m,), ``weights`` (m,) of the successes, summing to 1.

    ``failure_ratio``: the share of requests that fail. ``n``: successes behind it, ``None`` where it is stated, not sampled.
    """

    values_ms: Floats
    weights: Floats
    failure_ratio: float = 0.0
    n: int | None = None
    basis: Basis = "assumed"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no distribution; only a bug gets here."""
        if self.values_ms.shape != self.weights.shape or not self.values_ms.size:
            raise ValueError(f"{self.values_ms.size} latencies with {self.weights.size} weights")
        if not np.isfinite(self.values_ms).all() or self.values_ms[0] < 0 or (np.diff(self.values_ms) <= 0).any():
            raise ValueError("latencies must be finite, not negative and ascending")
        if (self.weights < 0).any() or not math.isclose(self.weights.sum(), 1, abs_tol=1e-9):
            raise ValueError("weights must not be negative and must sum to 1")
        if not 0 <= self.failure_ratio <= 1:
            raise ValueError(f"failure ratio {self.failure_ratio} is outside 0..1")

    @classmethod
    def constant(cls, ms: float, failure_ratio: float = 0.0, basis: Basis = "assumed", notes: tuple[str, ...] = ()) -> Latency:
        """Every success takes the same time."""
        return Latency.from_atoms(np.array([ms]), np.ones(1), failure_ratio=failure_ratio, basis=basis, notes=notes)

    @classmethod
    def from_atoms(
        cls,
        values_ms: Floats,
        weights: Floats,
        *,
        failure_ratio: float = 0.0,
        n: int | None = None,
        basis: Basis = "assumed",
        notes: tuple[str, ...] = (),
    ) -> Latency:
        """The distribution of atoms in any order: equal values are joined, weights scaled to sum to 1."""
        distinct, places = np.unique(np.asarray(values_ms, np.float64), return_inverse=True)
        joined = np.bincount(places, weights=weights, minlength=distinct.size)
        held = joined > 0
        return cls(distinct[held], joined[held] / joined.sum(), failure_ratio, n, basis, notes)

    @classmethod
    def of(cls, sample: LatencyHistogram, failure_ratio: float, basis: Basis = "measured", notes: tuple[str, ...] = ()) -> Latency:
        """The distribution of a sample of successes; its least and its greatest are exact, so is its mean.

        Raises ``NoAnswer`` where the sample is empty: no data is not a fast option.
        """
        if not sample.n:
            raise NoAnswer("no successful request tells this latency", fix="give a log with successes, or state the latency")
        return Latency.from_atoms(*_exact_ends(sample), failure_ratio=failure_ratio, n=sample.n, basis=basis, notes=notes)

    @classmethod
    def from_quantiles(
        cls, quantiles_ms: Mapping[float, float], failure_ratio: float = 0.0, basis: Basis = "assumed", notes: tuple[str, ...] = ()
    ) -> Latency:
        """The distribution with these quantiles, ``{0.5: 20, 0.99: 60}``.

        With p50 and one more it is the lognormal through both: sigma = ln(p99/p50) / z(0.99).
        With more, ln(ms) is linear in the normal score z between neighbours (lognormal piece by piece), so every stated
        quantile is met; beyond the outermost two the outermost piece goes on. With p50 alone it is constant, and a note says so.
        The mean is exact to 1e-6; the stated and ``READ_QUANTILES`` are met within 0.01 %.
        """
        stated = tuple(sorted((float(p), float(ms)) for p, ms in quantiles_ms.items()))
        _demand_quantiles(stated)
        if len(stated) == 1:
            alone = "only p50 is stated: every request is taken to take that long, so tails and deadlines mean little"
            return cls.constant(stated[0][1], failure_ratio, basis, (*notes, alone))
        values, weights = _lognormal_pieces(stated)
        return cls(values, weights, failure_ratio, None, basis, notes)

    # ---- algebra: each returns a new distribution ----

    def shifted(self, ms: float) -> Latency:
        """Every success takes ``ms`` longer (shorter where negative), never less than 0."""
        return self._mapped(np.maximum(self.values_ms + ms, 0.0))

    def scaled(self, factor: float) -> Latency:
        """Every success takes ``factor`` times as long."""
        if factor < 0:
            raise ValueError(f"factor {factor} is negative")
        return self._mapped(self.values_ms * factor)

    def floored(self, ms: float) -> Latency:
        """No success takes less than ``ms``."""
        return self._mapped(np.maximum(self.values_ms, ms))

    def with_cold_starts(self, share: float, adds_ms: float) -> Latency:
        """A ``share`` of the requests, whichever they are, takes ``adds_ms`` longer."""
        return mixture([(1 - share, self), (share, self.shifted(adds_ms))])

    def with_failures(self, failure_ratio: float) -> Latency:
        """The same successes, with another share of failures."""
        return replace(self, failure_ratio=failure_ratio)

    def failing_at(self, ms: float) -> Latency:
        """The distribution over all requests, a failure counted as a success that took ``ms``."""
        values = np.append(self.values_ms, ms)
        weights = np.append(self.weights * (1 - self.failure_ratio), self.failure_ratio)
        return Latency.from_atoms(values, weights, n=self.n, basis=self.basis, notes=self.notes)

    def on(self, basis: Basis, *notes: str) -> Latency:
        """The same distribution under another basis, with further notes."""
        return replace(self, basis=basis, notes=(*self.notes, *notes))

    def _mapped(self, values_ms: Floats) -> Latency:
        return Latency.from_atoms(values_ms, self.weights, failure_ratio=self.failure_ratio, n=self.n, basis=self.basis, notes=self.notes)

    # ---- queries ----

    @property
    def mean_ms(self) -> float:
        """The mean of the successes."""
        return float(self.weights @ self.values_ms)

    @property
    def cumulative(self) -> Floats:
        """P(L <= value) for each value, never more than 1; the last is exactly 1."""
        sums = np.minimum(np.cumsum(self.weights), 1.0)
        sums[-1] = 1.0
        return sums

    def quantile(self, p: float) -> float:
        """The least value that at least a share ``p`` of the successes does not exceed (nearest rank), 0 < p <= 1."""
        if not 0 < p <= 1:
            raise ValueError(f"p {p} is outside (0, 1]")
        return float(self.values_ms[np.searchsorted(self.cumulative, p - _ROUNDING)])

    def interval(self, p: float, level: float = 0.95) -> tuple[float | None, float | None]:
        """The order-statistic interval of a quantile; an end that n does not support is ``None``, both where nothing was sampled."""
        if self.n is None:
            return None, None
        low, high = order_statistic_ranks(self.n, p, level)
        return (None if low is None else self.quantile(low / self.n), None if high is None else self.quantile(high / self.n))

    def estimable(self, p: float, level: float = 0.95) -> bool:
        """Whether the sample is large enough for this quantile; a stated distribution has no sample to be too small."""
        return self.n is None or None not in order_statistic_ranks(self.n, p, level)

    def quantile_estimate(self, p: float) -> Estimate:
        """A quantile with its 95 % interval, as it reaches a reader."""
        low, high = self.interval(p)
        return Estimate(self.quantile(p), low, high, self.n, self.basis, self.notes)

    def miss_ratio(self, deadline_ms: float) -> float:
        """The share of requests that fail or take longer than the deadline."""
        return self.failure_ratio + (1 - self.failure_ratio) * float(self.weights[self.values_ms > deadline_ms].sum())

    def miss_estimate(self, deadline_ms: float) -> Estimate:
        """The miss ratio with its 95 % Wilson interval over all requests, where they were sampled."""
        ratio = self.miss_ratio(deadline_ms)
        if self.n is None or self.failure_ratio == 1:
            return Estimate(ratio, basis=self.basis, notes=self.notes)
        requests = round(self.n / (1 - self.failure_ratio))
        low, high = wilson(min(ratio * requests, requests), requests)  # weights sum to 1 within rounding
        return Estimate(ratio, low, high, requests, self.basis, self.notes)

    def expect(self, f: Callable[[Floats], Floats]) -> float:
        """The mean of ``f`` over the successes; ``f`` maps ms (m,) to (m,)."""
        return float(self.weights @ f(self.values_ms))

    def apdex(self, target_ms: float) -> float:
        """Apdex_T: the share within T, plus half the share within 4T; a failure counts 0. A report, never money."""
        satisfied = 1 - self.miss_ratio(target_ms)
        tolerating = self.miss_ratio(target_ms) - self.miss_ratio(4 * target_ms)
        return satisfied + tolerating / 2


def mixture(parts: Sequence[tuple[float, Latency]], notes: tuple[str, ...] = ()) -> Latency:
    """Each share of the requests behaves like its part; shares sum to 1, notes of the parts are kept once.

    ``n`` is the least n/share of the sampled parts: then p(1-p)/n bounds the variance of the mixture's distribution function
    (sum of s_i^2 F_i(1-F_i)/n_i <= F(1-F)/n, as F(1-F) is concave), so intervals are never too narrow.
    """
    parts = [(share, part) for share, part in parts if share]
    if any(share < 0 for share, _ in parts) or not math.isclose(sum(share for share, _ in parts), 1, abs_tol=1e-9):
        raise ValueError("shares must not be negative and must sum to 1")
    values = np.concatenate([part.values_ms for _, part in parts])
    weights = np.concatenate([share * (1 - part.failure_ratio) * part.weights for share, part in parts])
    failing = min(1.0, sum(share * part.failure_ratio for share, part in parts))
    if failing == 1:
        weights = np.concatenate([share * part.weights for share, part in parts])
    told = [int(part.n / share) for share, part in parts if part.n is not None]
    said = tuple(dict.fromkeys(note for _, part in parts for note in part.notes))
    basis = weakest(*(part.basis for _, part in parts))
    return Latency.from_atoms(values, weights, failure_ratio=failing, n=min(told, default=None), basis=basis, notes=(*said, *notes))


#: Sums are formed of at most so many pairs of atoms: both sides are thrown together in buckets of ln ms, this wide or a multiple of it.
_MOST_PAIRS, _SUMMED_WIDTH, _SUM_WIDTH = 100_000, 0.003, 0.002


def independent_sum(one: Latency, two: Latency) -> Latency:
    """One after the other, independent of each other: the mean is exact, quantiles are within 0.3 %; either's failure fails the whole.

    What ``two`` does not delay at all keeps ``one`` as it is; every bucket stands at its mean.
    """
    instant = two.values_ms[0] == 0
    values, weights = _paired(one, two)
    if instant:
        values, weights = np.concatenate((values, one.values_ms)), np.concatenate((weights, one.weights * two.weights[0]))
    atoms = _bucketed(values, weights, _SUM_WIDTH, 1e-6)
    failing = 1 - (1 - one.failure_ratio) * (1 - two.failure_ratio)
    told = [side.n for side in (one, two) if side.n is not None]
    notes = tuple(dict.fromkeys((*one.notes, *two.notes)))
    return Latency.from_atoms(*atoms, failure_ratio=failing, n=min(told, default=None), basis=weakest(one.basis, two.basis), notes=notes)


def _paired(one: Latency, two: Latency) -> tuple[Floats, Floats]:
    """The sums of every atom of the one with every atom of the other that is a delay, coarse where they would be too many.

    Buckets are relative to what the sum will be: a wait of 1 ms is not told from one of 1.1 ms before a service of 100.
    """
    late = two.values_ms > 0
    sides = [(one.values_ms, one.weights, two.mean_ms), (two.values_ms[late], two.weights[late], one.mean_ms)]
    width, atoms = _SUMMED_WIDTH, [side[:2] for side in sides]
    while atoms[0][0].size * atoms[1][0].size > _MOST_PAIRS:
        atoms = [_bucketed(values, weights, width, max(other, 1e-6)) for values, weights, other in sides]
        width *= 2
    (values, weights), (more, held) = atoms
    return np.add.outer(values, more).ravel(), np.multiply.outer(weights, held).ravel()


def _bucketed(values: Floats, weights: Floats, width: float, offset_ms: float) -> tuple[Floats, Floats]:
    """Atoms thrown together in buckets ``width`` wide in ln(ms + offset), each at its mean."""
    places = np.floor(np.log(values + offset_ms) / width).astype(np.int64)
    places -= places.min()
    held, sums = (np.bincount(places, each).astype(np.float64) for each in (weights, weights * values))
    there = held > 0
    return sums[there] / held[there], held[there]


def comonotone(one: Latency, two: Latency) -> tuple[Floats, Floats, Floats]:
    """``(weights, one_ms, two_ms)``: the successes of both, paired slowest with slowest, quantile by quantile.

    The pairing of independent samples is unknown; this one keeps both distributions and makes the fewest pairs cross.
    """
    edges = np.union1d(one.cumulative, two.cumulative)
    weights = np.diff(edges, prepend=0.0)
    middles = edges - weights / 2
    one_ms, two_ms = (part.values_ms[np.searchsorted(part.cumulative, middles)] for part in (one, two))
    return weights, one_ms, two_ms


def _exact_ends(sample: LatencyHistogram) -> tuple[Floats, Floats]:
    """The buckets as atoms, the least and the greatest duration taken out of theirs to stand for themselves."""
    values, counts = [*sample.sums_ns.tolist()], [*sample.counts.tolist()]
    ends = [sample.least_ns, sample.most_ns] if sample.n > 1 else [sample.least_ns]
    for place, end in zip((0, -1), ends, strict=False):
        assert end is not None
        values[place] -= end
        counts[place] -= 1
    atoms = [(total / count / 1e6, count) for total, count in zip(values, counts, strict=True) if count]
    atoms += [(end / 1e6, 1) for end in ends if end is not None]
    return np.array([value for value, _ in atoms]), np.array([count for _, count in atoms], np.float64)


# ---- lognormal through stated quantiles ----


def _demand_quantiles(stated: tuple[tuple[float, float], ...]) -> None:
    if 0.5 not in dict(stated):
        raise EdgeroiError("a latency needs its p50", fix="write for example {p50: 20 ms, p99: 60 ms}")
    for p, ms in stated:
        if not 0 < p < 1:
            raise EdgeroiError(f"{p} is not a quantile", fix="quantiles lie between p0 and p100")
        if not 0 < ms < math.inf:
            raise EdgeroiError(f"p{100 * p:g} is {ms:g} ms", fix="a latency is more than 0 ms")
    for (p, ms), (higher, more) in pairwise(stated):
        if more < ms:
            said = f"p{100 * higher:g} ({more:g} ms) is less than p{100 * p:g} ({ms:g} ms)"
            raise EdgeroiError(said, fix="a higher quantile is never less")


#: Normal scores beyond which one atom stands for the rest (its conditional mean), and the step between the cells inside.
_FURTHEST_Z, _STEP_Z = 8.0, 0.004
#: The cell that ends at a read quantile is this narrow, so that its mean is the quantile.
_NARROW_Z = 1e-5


@lru_cache(maxsize=256)
def _lognormal_pieces(stated: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
    """Atoms of the distribution with ln(ms) piecewise linear in z: one per cell of z, at the mean of its cell."""
    knots = np.array([NormalDist().inv_cdf(p) for p, _ in stated])
    logs = np.log([ms for _, ms in stated])
    slopes = np.diff(logs) / np.diff(knots)
    edges = _cell_edges(tuple(p for p, _ in stated))
    piece = np.clip(np.searchsorted(knots, edges[1:] - _NARROW_Z / 2) - 1, 0, slopes.size - 1)
    slope, start = slopes[piece], logs[piece] - slopes[piece] * knots[piece]
    weights = normal_mass(edges[:-1], edges[1:])
    means = np.exp(start + slope**2 / 2) * normal_mass(edges[:-1] - slope, edges[1:] - slope) / weights
    inner = np.exp(start[1:-1] + slope[1:-1] * edges[1:-2]), np.exp(start[1:-1] + slope[1:-1] * edges[2:-1])
    means[1:-1] = np.clip(means[1:-1], *inner)  # a mean lies in its cell; rounding must not push it out
    latency = Latency.from_atoms(means, weights)
    return latency.values_ms, latency.weights


def _cell_edges(stated: tuple[float, ...]) -> Floats:
    exact = np.array([NormalDist().inv_cdf(p) for p in {*READ_QUANTILES, *stated}])
    grid = np.arange(-_FURTHEST_Z, _FURTHEST_Z + _STEP_Z / 2, _STEP_Z)
    crowded = np.abs(grid[:, None] - exact[None, :]).min(axis=1) < 2 * _NARROW_Z
    return np.concatenate(([-np.inf], np.union1d(grid[~crowded], np.concatenate((exact, exact - _NARROW_Z))), [np.inf]))


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def normal_mass(low: Floats, high: Floats) -> Floats:
    """P(low < Z <= high) of a standard normal, each to full relative precision: a cell right of 0 is taken from its mirror."""
    right = low > 0
    near, far = np.where(right, -low, high), np.where(right, -high, low)
    return np.asarray(_erfc(-near / math.sqrt(2)) - _erfc(-far / math.sqrt(2)), np.float64) / 2


# ---- two samples over one mix ----

#: What strata hold, and so what can be reweighted or compared day by day.
Measure = Literal["latency", "ttft"]
#: The parts of a ``Mix``, in its order.
MIXED_BY = ("output tokens", "quarter of the day")
#: A part of the mix counts where both samples tell it for this share of their requests.
TOLD_SHARE = 0.80
#: Samples differ in mix where this share would have to move, and chance moves it in one sample of 20 at most.
MIX_DISTANCE, MIX_ALPHA = 0.10, 0.05
#: A stratum is common where both samples hold this many, and samples compare where common strata hold this share of both.
STRATUM_LEAST, COVERED_LEAST = 5, 0.80


@dataclass(frozen=True, slots=True)
class MixReport:
    """Whether two samples hold the same requests: ``distance`` (total variation) of their mixes, and what was done about it.

    ``by``: the parts of the mix both samples tell; with none, ``distance`` is ``None`` and nothing is known about the mix.
    ``covered``: the share of each sample in strata that both hold. ``reweighted``: whether both were brought to the pooled mix.
    """

    by: tuple[str, ...]
    distance: float | None
    differs: bool
    covered: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether the two may be compared at all: the same mix, or enough of both in common to reweight."""
        return not self.differs or min(self.covered) >= COVERED_LEAST

    @property
    def reweighted(self) -> bool:
        """Whether the latencies stand for the pooled mix and not for their own."""
        return self.differs and self.comparable


def same_mix(one: Tally, two: Tally, measure: Measure = "latency") -> tuple[Latency, Latency, MixReport]:
    """Both samples' latencies, over one mix of output-token band and quarter of the day where their mixes differ.

    They differ where the total variation of their mixes exceeds 0.10 and the chi-square test of homogeneity gives p < 0.05;
    then both take the pooled mix over the strata in which each holds at least 5 successes. Where these hold less than 80 %
    of either sample nothing is reweighted, and the report says that the two cannot be compared.
    Reweighted quantiles are within 1.6 % (strata keep coarser buckets). Failures keep their own ratio.
    """
    own = tuple(Latency.of(getattr(tally, measure), tally.error_ratio or 0.0) for tally in (one, two))
    parts = _told_parts(one, two, measure)
    by = tuple(MIXED_BY[part] for part in parts)
    untold = tuple(f"mixes were not compared by {name}: not told by both samples" for name in MIXED_BY if name not in by)
    if not parts:
        return own[0], own[1], MixReport((), None, False, notes=untold)
    strata = [_strata(tally, parts, measure) for tally in (one, two)]
    keys = sorted(strata[0].keys() | strata[1].keys())
    counts = np.array([[held[key].n if key in held else 0 for key in keys] for held in strata], np.float64)
    distance = total_variation(*counts)
    differs = distance > MIX_DISTANCE and homogeneity_p(*counts) < MIX_ALPHA
    if not differs:
        return own[0], own[1], MixReport(by, distance, False, notes=untold)
    common = counts.min(axis=0) >= STRATUM_LEAST
    shares = counts[:, common].sum(axis=1) / counts.sum(axis=1)
    covered = (float(shares[0]), float(shares[1]))
    report = MixReport(by, distance, True, covered, (*untold, _said_of_mix(by, distance, covered)))
    if not report.comparable:
        return own[0], own[1], report
    pooled = counts[:, common].sum(axis=0) / counts[:, common].sum()
    chosen = [key for key, held in zip(keys, common, strict=True) if held]
    mixed = [
        mixture([(float(share), Latency.of(held[key], tally.error_ratio or 0.0)) for share, key in zip(pooled, chosen, strict=True)])
        for tally, held in zip((one, two), strata, strict=True)
    ]
    return mixed[0], mixed[1], report


def _said_of_mix(by: tuple[str, ...], distance: float, covered: tuple[float, float]) -> str:
    held = " and ".join(f"{share:.0%}" for share in covered)
    done = "both are reweighted to the pooled mix" if min(covered) >= COVERED_LEAST else "too little to compare them"
    return f"the samples differ in {' and '.join(by)} ({distance:.0%} would have to move); common strata hold {held} of them: {done}"


def _told_parts(one: Tally, two: Tally, measure: Measure) -> tuple[int, ...]:
    def told(tally: Tally, part: int) -> float:
        sizes = {mix: getattr(stratum, measure).n for mix, stratum in tally.mixes.items()}
        total = sum(sizes.values())
        return sum(n for mix, n in sizes.items() if mix[part] >= 0) / total if total else 0.0

    return tuple(part for part in range(len(MIXED_BY)) if min(told(one, part), told(two, part)) >= TOLD_SHARE)


def _strata(tally: Tally, parts: tuple[int, ...], measure: Measure) -> dict[tuple[int, ...], LatencyHistogram]:
    """The tally's strata by the chosen parts of their mix, those without a value left out."""
    held: dict[tuple[int, ...], LatencyHistogram] = {}
    for mix, stratum in sorted(tally.mixes.items()):
        if sample := _sample(stratum, measure):
            key = tuple(mix[part] for part in parts)
            held[key] = held[key] + sample if key in held else sample
    return held


def _sample(stratum: Stratum, measure: Measure) -> LatencyHistogram | None:
    sample: LatencyHistogram = getattr(stratum, measure)
    return sample if sample.n else None


# ---- one sample over its days ----

#: Days differ by more than chance where the test of homogeneity gives less than this.
DAYS_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class DaySpread:
    """A quantile over days: whether they ``differ`` by more than chance, and its interval with days as clusters.

    ``interval``: an end that so few days cannot support is ``None``. ``plain``: the interval as if requests were independent.
    """

    days: int
    differ: bool
    n_effective: int
    interval: tuple[float | None, float | None]
    plain: tuple[float | None, float | None]

    @property
    def deciding(self) -> tuple[float | None, float | None]:
        """The interval a rule may rest on: the wider one where days differ, the plain one where they do not."""
        if not self.differ:
            return self.plain
        (low, high), (plain_low, plain_high) = self.interval, self.plain
        return (
            None if low is None or plain_low is None else min(low, plain_low),
            None if high is None or plain_high is None else max(high, plain_high),
        )


def over_days(tally: Tally, p: float, measure: Measure = "latency", level: float = 0.95) -> DaySpread | None:
    """The spread of a quantile over the days of a sample; ``None`` where fewer than two days are told.

    Days differ where the share of requests above the pooled p50 is not the same on all of them (chi-square, p < 0.01).
    The interval is Woodruff's: the order statistics of as many independent requests as the days are worth.
    """
    days = [sample for _, stratum in sorted(tally.days.items()) if (sample := _sample(stratum, measure))]
    if len(days) < 2:
        return None
    pooled = sum(days[1:], days[0])
    sizes = np.array([day.n for day in days], np.float64)
    slow = _above(days, pooled, 0.5)
    differ = homogeneity_p(slow, sizes - slow) < DAYS_ALPHA
    n = max(1, int(n_effective_of_clusters(_above(days, pooled, p), sizes, level)))
    whole: LatencyHistogram = getattr(tally, measure)
    low, high = order_statistic_ranks(n, p, level)
    own = Latency.of(whole, 0.0)
    interval = None if low is None else own.quantile(low / n), None if high is None else own.quantile(high / n)
    return DaySpread(len(days), differ, n, interval, own.interval(p, level))


def _above(days: Sequence[LatencyHistogram], pooled: LatencyHistogram, p: float) -> Floats:
    """How many of each day's requests lie in buckets above the one of the pooled quantile."""
    cut = pooled.keys[np.searchsorted(np.cumsum(pooled.counts), nearest_rank(p, pooled.n))]
    return np.array([day.counts[day.keys > cut].sum() for day in days], np.float64)
