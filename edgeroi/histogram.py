"""Latencies as counts in buckets: small, exact to add up, and within 0.1 % of every value they hold.

A bucket is one of 1,024 equal steps of an octave of nanoseconds, so it is at most 1/1024 = 0.098 % wide.
Its key is the leading bits of the value as a double: integer arithmetic only, the same on every machine.
Each bucket keeps its count and the integer sum of its nanoseconds; its value is its mean, exact where it holds one value.
Zero has a bucket of its own. Adding histograms is associative, commutative and exact,
so a quantile of a merged histogram is the quantile of all the values; averaging percentiles is impossible by construction.

Guarantee: a quantile (nearest rank, the ``ceil(p*n)``-th smallest) is within 0.098 % of the exact one; mean, min and max are exact to 1 ns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from edgeroi.shown import Pictured
from edgeroi.stats import order_statistic_ranks

if TYPE_CHECKING:
    from edgeroi.report import Figure

#: Bits of a double's mantissa that a bucket ignores: 52 - 10 leaves 1,024 steps an octave.
_DROPPED_BITS = 42
#: The longest duration a histogram takes, ms: 2**53 ns (104 days) is where doubles stop telling nanoseconds apart.
LONGEST_MS = 2**53 / 1e6
_NS_PER_MS = 1_000_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def bucket_keys(nanoseconds: Ints) -> Ints:
    """The bucket of each duration: int64 (n,), 0 for 0 ns, increasing with the duration."""
    return keys_of_whole(nanoseconds.astype(np.float64))


def keys_of_whole(nanoseconds: Floats) -> Ints:
    """The same of whole numbers of nanoseconds that are doubles already, in [0, 2**53]; not of the negative zero."""
    return nanoseconds.view(np.int64) >> _DROPPED_BITS


def _no_ints() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class LatencyHistogram(Pictured):
    """Durations in buckets: ``keys`` ascending, with their ``counts`` and ``sums_ns``; ``least_ns`` and ``most_ns`` are exact."""

    keys: Ints = field(default_factory=_no_ints)
    counts: Ints = field(default_factory=_no_ints)
    sums_ns: Ints = field(default_factory=_no_ints)
    least_ns: int | None = None
    most_ns: int | None = None

    @classmethod
    def from_ms(cls, durations_ms: NDArray[np.float64]) -> Self:
        """The histogram of durations in ms, shape (n,), each in [0, ``LONGEST_MS``]; rounded to the nanosecond."""
        return cls.from_ns(np.rint(np.asarray(durations_ms, np.float64) * _NS_PER_MS).astype(np.int64))

    @classmethod
    def from_ns(cls, nanoseconds: Ints) -> Self:
        """The histogram of durations in whole nanoseconds, shape (n,)."""
        if not nanoseconds.size:
            return cls()
        keys, places, counts = np.unique(bucket_keys(nanoseconds), return_inverse=True, return_counts=True)
        sums = np.zeros(keys.size, np.int64)
        np.add.at(sums, places, nanoseconds)
        return cls(keys, counts.astype(np.int64), sums, int(nanoseconds.min()), int(nanoseconds.max()))

    def __add__(self, other: Self) -> LatencyHistogram:
        """The histogram of both samples."""
        if not other.keys.size:
            return self
        if not self.keys.size:
            return other
        keys, places = np.unique(np.concatenate((self.keys, other.keys)), return_inverse=True)
        counts, sums = np.zeros(keys.size, np.int64), np.zeros(keys.size, np.int64)
        np.add.at(counts, places, np.concatenate((self.counts, other.counts)))
        np.add.at(sums, places, np.concatenate((self.sums_ns, other.sums_ns)))
        assert self.least_ns is not None and other.least_ns is not None
        assert self.most_ns is not None and other.most_ns is not None
        return LatencyHistogram(keys, counts, sums, min(self.least_ns, other.least_ns), max(self.most_ns, other.most_ns))

    def __eq__(self, other: object) -> bool:
        """Equal bucket for bucket."""
        return (
            isinstance(other, LatencyHistogram)
            and (self.least_ns, self.most_ns) == (other.least_ns, other.most_ns)
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.sums_ns, other.sums_ns)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def n(self) -> int:
        """How many durations it holds."""
        return int(self.counts.sum())

    @property
    def values_ms(self) -> NDArray[np.float64]:
        """The value of each bucket, ascending: the mean of what it holds, ms."""
        return self.sums_ns / self.counts / _NS_PER_MS

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The share of values up to each, with the intervals of its quantiles; none of no value."""
        from edgeroi.distributions import distribution_of

        return distribution_of([("all", self)], "share of values up to each")

    @property
    def mean_ms(self) -> float | None:
        """The exact mean; ``None`` of nothing."""
        return sum(map(int, self.sums_ns)) / self.n / _NS_PER_MS if self.keys.size else None

    @property
    def min_ms(self) -> float | None:
        """The exact least; ``None`` of nothing."""
        return None if self.least_ns is None else self.least_ns / _NS_PER_MS

    @property
    def max_ms(self) -> float | None:
        """The exact most; ``None`` of nothing."""
        return None if self.most_ns is None else self.most_ns / _NS_PER_MS

    def at_rank(self, rank: int) -> float:
        """The ``rank``-th smallest duration (1 to n), ms, within 0.098 %; the first and the last are exact."""
        if not 1 <= rank <= self.n:
            raise ValueError(f"rank {rank} is outside 1..{self.n}")
        if rank in (1, self.n):
            ends = (self.least_ns, self.most_ns)
            return (ends[0] if rank == 1 else ends[1]) / _NS_PER_MS  # type: ignore[operator]
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(self.values_ms[place])

    def quantile(self, p: float) -> float | None:
        """The nearest-rank quantile for 0 < p <= 1, ms; ``None`` of nothing."""
        if not 0 < p <= 1:
            raise ValueError(f"p {p} is outside (0, 1]")
        return self.at_rank(nearest_rank(p, self.n)) if self.keys.size else None

    def interval(self, p: float, level: float = 0.95) -> tuple[float | None, float | None]:
        """The two-sided order-statistic interval of the quantile, ms; an end that no rank supports is ``None``."""
        low, high = order_statistic_ranks(self.n, p, level)
        return (None if low is None else self.at_rank(low), None if high is None else self.at_rank(high))

    def estimable(self, p: float, level: float = 0.95) -> bool:
        """Whether both ends of the interval exist (p50 from n = 6, p95 from 72, p99 from 368 at 95 %)."""
        return None not in order_statistic_ranks(self.n, p, level)

    def share_above(self, ms: float) -> float | None:
        """The share of durations greater than ``ms``, each bucket counted at its mean; ``None`` of nothing."""
        return float(self.counts[self.values_ms > ms].sum() / self.n) if self.keys.size else None


def nearest_rank(p: float, n: int) -> int:
    """``ceil(p*n)`` in exact decimal arithmetic: 0.99 * 100 is 99, not 99.00000000000001 rounded up."""
    return max(1, math.ceil(Fraction(str(p)) * n))
