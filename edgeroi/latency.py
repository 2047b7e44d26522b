"""How long a request takes, as a distribution: weighted atoms of milliseconds, and the share of requests that fail.

A measured histogram, a stated p50 and p99, and a best case are all this one immutable value;
shifts, mixtures and cold starts return new ones, and quantiles, miss ratios and value integrals are read from it.
Failures stand outside the percentiles and are a miss for every deadline, so an option that fails fast never looks fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.estimate import Basis, Estimate, weakest
from edgeroi.histogram import LatencyHistogram
from edgeroi.stats import order_statistic_ranks, wilson

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
        return _of_atoms(np.array([ms]), np.ones(1), failure_ratio=failure_ratio, basis=basis, notes=notes)

    @classmethod
    def of(cls, sample: LatencyHistogram, failure_ratio: float, basis: Basis = "measured", notes: tuple[str, ...] = ()) -> Latency:
        """The distribution of a sample of successes; its least and its greatest are exact, so is its mean.

        Raises ``NoAnswer`` where the sample is empty: no data is not a fast option.
        """
        if not sample.n:
            raise NoAnswer("no successful request tells this latency", fix="give a log with successes, or state the latency")
        return _of_atoms(*_exact_ends(sample), failure_ratio=failure_ratio, n=sample.n, basis=basis, notes=notes)

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
        return _of_atoms(values, weights, n=self.n, basis=self.basis, notes=self.notes)

    def on(self, basis: Basis, *notes: str) -> Latency:
        """The same distribution under another basis, with further notes."""
        return replace(self, basis=basis, notes=(*self.notes, *notes))

    def _mapped(self, values_ms: Floats) -> Latency:
        return _of_atoms(values_ms, self.weights, failure_ratio=self.failure_ratio, n=self.n, basis=self.basis, notes=self.notes)

    # ---- queries ----

    @property
    def mean_ms(self) -> float:
        """The mean of the successes."""
        return float(self.weights @ self.values_ms)

    @property
    def cumulative(self) -> Floats:
        """P(L <= value) for each value; the last is exactly 1."""
        sums = np.cumsum(self.weights)
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
        low, high = wilson(ratio * requests, requests)
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
    return _of_atoms(values, weights, failure_ratio=failing, n=min(told, default=None), basis=basis, notes=(*said, *notes))


def comonotone(one: Latency, two: Latency) -> tuple[Floats, Floats, Floats]:
    """``(weights, one_ms, two_ms)``: the successes of both, paired slowest with slowest, quantile by quantile.

    The pairing of independent samples is unknown; this one keeps both distributions and makes the fewest pairs cross.
    """
    edges = np.union1d(one.cumulative, two.cumulative)
    weights = np.diff(edges, prepend=0.0)
    middles = edges - weights / 2
    one_ms, two_ms = (part.values_ms[np.searchsorted(part.cumulative, middles)] for part in (one, two))
    return weights, one_ms, two_ms


def _of_atoms(
    values: Floats,
    weights: Floats,
    *,
    failure_ratio: float = 0.0,
    n: int | None = None,
    basis: Basis = "assumed",
    notes: tuple[str, ...] = (),
) -> Latency:
    """The distribution of atoms in any order: equal values are joined, weights scaled to sum to 1."""
    distinct, places = np.unique(np.asarray(values, np.float64), return_inverse=True)
    joined = np.bincount(places, weights=weights, minlength=distinct.size)
    held = joined > 0
    return Latency(distinct[held], joined[held] / joined.sum(), failure_ratio, n, basis, notes)


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
_NARROW_Z = 1e-4


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
    latency = _of_atoms(means, weights)
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
