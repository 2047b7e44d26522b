"""Statistics the tool relies on, without a statistics package at run time; the tests hold scipy beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


#: The quantiles every report gives, by name.
QUANTILES: Mapping[str, float] = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
#: How many successes an interval needs on both sides (order statistics at 95 %).
NEEDED: Mapping[str, int] = {"p50": 6, "p90": 36, "p95": 72, "p99": 368}


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


# ---- shares ----


def normal_quantile(p: float) -> float:
    """The normal score z of ``p``."""
    return NormalDist().inv_cdf(p)


def wilson(hits: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share, ``hits`` of ``n`` (Wilson, JASA 22, 1927); never outside [0, 1], sane at 0 hits. ``n`` > 0."""
    if not 0 <= hits <= n or n <= 0:
        raise ValueError(f"{hits} of {n} is no share")
    z2, share = normal_quantile((1 + level) / 2) ** 2, hits / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return (0.0 if hits == 0 else max(0.0, centre - half)), (1.0 if hits == n else min(1.0, centre + half))


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share: covers with at least ``level`` whatever the share (Clopper, Pearson, Biometrika 26, 1934)."""
    if not 0 <= hits <= n or n <= 0:
        raise ValueError(f"{hits} of {n} is no share")
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _where(lambda x: beta_cdf(x, hits, n - hits + 1), tail)
    high = 1.0 if hits == n else _where(lambda x: beta_cdf(x, hits + 1, n - hits), 1 - tail)
    return low, high


# ---- special functions ----


def _where(rising: Callable[[float], float], level: float, low: float = 0.0, high: float = 1.0) -> float:
    """The point of [low, high] where a rising function passes ``level``, to the last bit, by bisection."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return high


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), to about 1e-13 relative, by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _continued(lambda m: _beta_coefficient(m, x, a, b)))


def _beta_coefficient(m: int, x: float, a: float, b: float) -> float:
    half = m // 2
    if m % 2:
        return -(a + half) * (a + b + half) * x / ((a + m - 1) * (a + m))
    return half * (b - half) * x / ((a + m - 1) * (a + m))


def _continued(coefficient: Callable[[int], float], most: int = 10_000) -> float:
    """1 + c1/(1 + c2/(1 + ...)) by the modified Lentz method, to 1e-15."""
    value, upper, lower = 1.0, 1.0, 0.0
    for m in range(1, most):
        lower = 1 / _not_zero(1 + coefficient(m) * lower)
        upper = _not_zero(1 + coefficient(m) / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            return value
    raise ArithmeticError("continued fraction does not settle")


def _not_zero(x: float) -> float:
    return x or 1e-300


@lru_cache(maxsize=4096)
def student_quantile(p: float, degrees: float) -> float:
    """The quantile of Student's t for ``p`` >= 0.5: t^2 = d (1/x - 1) with I_x(d/2, 1/2) = 2 (1 - p)."""
    if not 0.5 <= p < 1:
        raise ValueError(f"p {p} is outside [0.5, 1)")
    x = _where(lambda x: beta_cdf(x, degrees / 2, 0.5), 2 * (1 - p))
    return math.sqrt(degrees * (1 / x - 1))


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(chi-square > statistic), the p-value of the test.

    Summed from the recursion Q(k+1, x) = Q(k, x) + x^k e^-x / k!, from erfc for odd degrees: exact up to rounding.
    """
    x = statistic / 2
    if x <= 0:
        return 1.0
    k, total = (0.5, math.erfc(math.sqrt(x))) if degrees % 2 else (1.0, math.exp(-x))
    while k < degrees / 2:
        total += math.exp(k * math.log(x) - x - math.lgamma(k + 1))
        k += 1
    return min(1.0, total)


# ---- many tests ----


def benjamini_hochberg(p_values: Floats) -> Floats:
    """The p-values (k,) as q-values: of those called true up to q, a share q at most is false (Benjamini, Hochberg, JRSS B 57, 1995)."""
    order = np.argsort(p_values, kind="stable")[::-1]
    scaled = p_values[order] * p_values.size / np.arange(p_values.size, 0, -1)
    adjusted = np.empty(p_values.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


# ---- samples in parts: cells, days, users ----


def total_variation(one: Floats, two: Floats) -> float:
    """Half the sum of |difference| of two sets of shares (k,): the share that would have to move to make them equal."""
    return float(np.abs(one / one.sum() - two / two.sum()).sum() / 2)


def homogeneity_p(one: Floats, two: Floats, least_expected: float = 5.0) -> float:
    """The p-value of the chi-square test that two rows of counts (k,) come from one set of shares.

    Cells that expect fewer than ``least_expected`` in either row are thrown together; one cell left tells nothing: 1.0.
    """
    table = np.stack((one, two)).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    thin = expected.min(axis=0) < least_expected
    table = np.column_stack((table[:, ~thin], table[:, thin].sum(axis=1)))
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return chi_square_tail(float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1)


def n_effective(n: float, cluster_size: float, intraclass_correlation: float) -> float:
    """How many independent requests n correlated ones are worth: n / (1 + (m - 1) ICC), m a cluster (Kish, "Survey Sampling", 1965)."""
    return n / (1 + (cluster_size - 1) * intraclass_correlation)


def ratio_of_clusters(sums: Floats, sizes: Floats) -> tuple[float, float]:
    """``(ratio, variance)`` of the sum over the size of clusters (k,), k >= 2: k/(k - 1) sum((y - r x)^2) / sum(x)^2, the delta method."""
    n, k = float(sizes.sum()), sizes.size
    ratio = float(sums.sum()) / n
    return ratio, k / (k - 1) * float(((sums - ratio * sizes) ** 2).sum()) / n**2


def degrees_of_clusters(residuals: Floats) -> int:
    """The degrees of freedom of a variance estimated from clusters' residuals (k,): 2k over their kurtosis less 1, at most k - 1.

    A chi-square of d degrees varies by 2/d of its squared mean, the estimate by (kurtosis - 1)/k (Satterthwaite, Biometrics 2, 1946):
    where few clusters hold all of the rare hits, many clusters tell no more than a few would.
    """
    k, squares = residuals.size, residuals**2
    spread = float((squares**2).mean()) / float(squares.mean()) ** 2 - 1 if squares.any() else 0.0
    return max(1, min(k - 1, int(2 * k / spread))) if spread > 0 else k - 1


def n_effective_of_clusters(hits: Floats, sizes: Floats, level: float = 0.95, degrees: int | None = None) -> float:
    """How many independent requests clusters (k,) of ``sizes`` with ``hits`` are worth for the share of hits; at most their number.

    n / design effect, the design effect being the variance of the ratio between clusters over the binomial variance
    (Kish, 1965; Woodruff, JASA 47, 1952, reads quantile intervals from it), less what few clusters leave uncertain:
    (z / t with k - 1 ``degrees`` unless given)^2. Needs k >= 2.
    """
    n, k = float(sizes.sum()), sizes.size
    share, between = ratio_of_clusters(hits, sizes)
    binomial = share * (1 - share) / n
    design = max(1.0, between / binomial) if binomial else 1.0
    fewness = (normal_quantile((1 + level) / 2) / student_quantile((1 + level) / 2, degrees or k - 1)) ** 2
    return n / design * (fewness if design > 1 else 1.0)
