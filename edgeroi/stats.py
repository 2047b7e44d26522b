"""Statistics the tool relies on, without a statistics package at run time; the tests hold scipy beside them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def binomial_cdf_window(n: int, p: float) -> tuple[int, NDArray[np.float64]]:
    """``(first, cdf)``: P(B <= first + i) for B ~ Bin(n, p), over the window that holds all but 1e-30 of the mass.

    The probabilities follow from the ratio of neighbours, outward from the mode, and are scaled to sum to 1.
    """
    spread = 12 * np.sqrt(n * p * (1 - p)) + 40
    first, last = max(0, int(n * p - spread)), min(n, int(n * p + spread) + 1)
    k = np.arange(first, last, dtype=np.float64)
    log_ratios = np.log((n - k) / (k + 1) * (p / (1 - p)))
    log_pmf = np.concatenate(([0.0], np.cumsum(log_ratios)))
    pmf = np.exp(log_pmf - log_pmf.max())
    return first, np.cumsum(pmf) / pmf.sum()


@lru_cache(maxsize=4096)
def order_statistic_ranks(n: int, p: float, level: float = 0.95) -> tuple[int | None, int | None]:
    """The ranks (1 to n) whose values bracket the p-quantile with at least ``level`` confidence, whatever the distribution.

    With B ~ Bin(n, p) and a = 1 - level: the largest l with P(B <= l-1) <= a/2 and the smallest u with P(B <= u-1) >= 1 - a/2.
    An end that no rank of n supports is ``None`` (David, Nagaraja, "Order Statistics", 3rd ed., 7.1).
    """
    if n < 1:
        return None, None
    tail = (1 - level) / 2
    first, cdf = binomial_cdf_window(n, p)
    low = first + int(np.searchsorted(cdf, tail, side="right"))
    high = first + int(np.searchsorted(cdf, 1 - tail, side="left")) + 1
    return (low if low >= 1 else None), (high if high <= n else None)
