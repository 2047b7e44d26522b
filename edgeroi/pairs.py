"""Differences taken pair by pair: what one target took less than another for the same payload at the same time.

Drift, load and payload meet both sides of a pair alike and cancel, so that the interval of the difference is narrower than that
of either side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeroi.exchange import Exchange
from edgeroi.histogram import nearest_rank
from edgeroi.stats import order_statistic_ranks, student_quantile


@dataclass(frozen=True, slots=True)
class Difference:
    """``one`` less ``two``, ms, over the ``n`` blocks in which both answered. Intervals at 95 %; ``None`` where n does not support one.

    ``mean_interval``: Student's t over blocks. ``p50_interval``: the order statistics of the differences.
    """

    one: str
    two: str
    n: int
    mean: float
    p50: float
    mean_interval: tuple[float | None, float | None]
    p50_interval: tuple[float | None, float | None]


def difference(one: Mapping[int, float], two: Mapping[int, float], names: tuple[str, str], level: float = 0.95) -> Difference | None:
    """The difference of two sets of values by block, over the blocks of both; ``None`` where they share none."""
    shared = sorted(one.keys() & two.keys())
    if not shared:
        return None
    apart = np.sort(np.array([one[block] - two[block] for block in shared]))
    n = apart.size
    mean = float(apart.mean())
    half = student_quantile((1 + level) / 2, n - 1) * float(apart.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    low, high = order_statistic_ranks(n, 0.5, level)
    return Difference(
        *names,
        n,
        mean,
        float(apart[nearest_rank(0.5, n) - 1]),
        (None, None) if half is None else (mean - half, mean + half),
        (None if low is None else float(apart[low - 1]), None if high is None else float(apart[high - 1])),
    )


def by_block(exchanges: Sequence[Exchange], target: str, measure: str) -> Mapping[int, float]:
    """The successes of a target by block: their ``latency_ms`` or ``ttft_ms``, where told."""
    values = {e.block: getattr(e, measure) for e in exchanges if e.target == target and e.error is None and e.steady}
    return {block: value for block, value in values.items() if value is not None}
