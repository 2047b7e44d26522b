"""How large an experiment has to be to find a wanted effect, read from a log of what is there today.

Quantiles and costs are planned on the logarithm of the ratio of the arms, as ``ab`` judges them: n of each arm is
(z_a + z_b)^2 2 v / ln(1 + effect)^2, v the variance that one request brings to the logarithm. For a quantile that is p(1 - p) times the
squared slope of ln Q at p (Q the quantile function), taken over Bofinger's bandwidth (Australian J. of Statistics 17, 1975), and as the
interval of order statistics is a little wider than normal theory has it, n is the least at which that interval lets the effect be seen.
Two shares take (z_a sqrt(2 m(1 - m)) + z_b sqrt(p(1 - p) + q(1 - q)))^2 / (p - q)^2, m their mean (Fleiss, 1981).

Where requests of one user go together all of it is multiplied by the design effect 1 + (m - 1) ICC, with the intraclass correlation
estimated from the log (analysis of variance) and m the mean size of the user that a request is of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeroi.arms import METRICS, Arm, Metric, Requests, RowArm
from edgeroi.effects import Clusters, Mean, Quantile, Ranked, Sample, Share
from edgeroi.experiment import in_units_of, workloads_of
from edgeroi.stats import normal_quantile, order_statistic_ranks
from edgeroi.workload import LEAST_HOURS, NS_PER_HOUR

_HOURS_PER_DAY = 24
#: A quantile's density is told by so many requests around it, and so many beyond it.
_AROUND = 20
#: No experiment is planned beyond so many requests.
_MOST = 1 << 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found: ``change`` relative to today (-0.1: a tenth less), in a share ``power`` of the experiments.

    ``margin``: of quality, which nothing is wanted of, no more than that is to be shown lost.
    """

    change: float = -0.10
    power: float = 0.80
    level: float = 0.95
    deadline_ms: float | None = None
    margin: float | None = None

    @property
    def scores(self) -> tuple[float, float]:
        """The normal scores of the level, two-sided, and of the power."""
        return normal_quantile((1 + self.level) / 2), normal_quantile(self.power)


@dataclass(frozen=True, slots=True)
class Size:
    """What one number takes: ``requests`` and ``units`` of each arm, ``days`` for both at today's rate.

    ``design``: how many requests do the work of one, where requests of a unit go together as ``icc`` says. ``None``: the log cannot tell,
    and ``why`` says what it lacks.
    """

    workload: str
    metric: Metric
    today: float | None
    then: float | None
    requests: int | None = None
    units: int | None = None
    days: int | None = None
    design: float = 1.0
    icc: float | None = None
    why: str = ""


# ---- arithmetic ----


def for_log_ratio(variance: float, wanted: Wanted) -> float:
    """Requests of each arm that find the ratio, ``variance`` being what one request brings to the logarithm."""
    a, b = wanted.scores
    return (a + b) ** 2 * 2 * variance / math.log1p(wanted.change) ** 2


def for_quantile(ranked: Ranked, p: float, wanted: Wanted) -> float:
    """The same for a quantile, with the interval that ``ab`` will have: that of order statistics, whose ranks are rounded outward.

    The least n at which the effect exceeds the half of the interval by what the power takes. ``ranked``: today's requests.
    """
    variance, (_, b), effect = log_quantile_variance(ranked, p), wanted.scores, abs(math.log1p(wanted.change))
    if not math.isfinite(variance):
        return math.inf

    def finds(n: int) -> bool:
        low, high = order_statistic_ranks(n, p, wanted.level)
        if low is None or high is None or ranked.is_bound(high / n) or ranked.at(low / n) <= 0:
            return False
        middle = math.log(ranked.at(p))
        half = math.hypot(middle - math.log(ranked.at(low / n)), math.log(ranked.at(high / n)) - middle)
        return half + b * math.sqrt(2 * variance / n) <= effect

    enough = max(2, math.ceil(for_log_ratio(variance, wanted)))
    while not finds(enough):
        if enough > _MOST:
            return math.inf
        enough *= 2
    least = enough // 2
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if finds(middle) else (middle, enough)
    return enough


def for_shares(today: float, then: float, wanted: Wanted) -> float:
    """Requests of each arm that tell two shares apart."""
    a, b = wanted.scores
    middle = (today + then) / 2
    apart = a * math.sqrt(2 * middle * (1 - middle)) + b * math.sqrt(today * (1 - today) + then * (1 - then))
    return apart**2 / (today - then) ** 2


def for_margin(variance: float, margin: float, wanted: Wanted) -> float:
    """Requests of each arm that show a mean to lose less than the margin, where it loses nothing."""
    a, b = wanted.scores
    return (a + b) ** 2 * 2 * variance / margin**2


def log_quantile_variance(ranked: Ranked, p: float) -> float:
    """What one request brings to the variance of ln Q(p); infinite where the log is too small to have requests on both sides."""
    z = normal_quantile(p)
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    half = ranked.n**-0.2 * (4.5 * density**4 / (2 * z * z + 1) ** 2) ** 0.2
    half = min(half, (1 - p) / 2, p / 2)
    low, high = p - half, p + half
    if ranked.is_bound(high) or min(2 * half, 1 - p) * ranked.n < _AROUND or ranked.at(low) <= 0:
        return math.inf
    slope = math.log(ranked.at(high) / ranked.at(low)) / (high - low)
    return float(p * (1 - p) * slope**2)


def intraclass_correlation(clusters: Clusters, variance: float) -> float:
    """The share of a request's variance that lies between clusters, by the analysis of variance; 0 where it comes out negative.

    ``variance``: of single requests (n - 1 below the line).
    """
    sums, sizes = clusters.sums[clusters.there], clusters.sizes[clusters.there]
    n, k = float(sizes.sum()), sizes.size
    if k < 2 or n <= k:
        return 0.0
    mean = float(sums.sum()) / n
    among = float((sizes * (sums / sizes - mean) ** 2).sum())
    within = max(0.0, variance * (n - 1) - among)
    between_square, within_square = among / (k - 1), within / (n - k)
    size = (n - float((sizes**2).sum()) / n) / (k - 1)
    total = between_square + (size - 1) * within_square
    return max(0.0, (between_square - within_square) / total) if total > 0 else 0.0


def design_effect(clusters: Clusters, icc: float) -> float:
    """1 + (m - 1) ICC; m is the size of the cluster that a request is of, on average."""
    sizes = clusters.sizes
    return 1 + (float((sizes**2).sum() / sizes.sum()) - 1) * icc


# ---- a log ----


def sizes_for(baseline: Arm, workload: str, wanted: Wanted, sampling: float = 1.0) -> tuple[Size, ...]:
    """What every number that the log tells would take."""
    per_day = _per_day(baseline, sampling)
    found = []
    for metric in METRICS:
        sample = baseline.sample(metric, wanted.deadline_ms)
        if sample is not None and (metric.name != "quality" or wanted.margin is not None):
            found.append(_size(sample, metric, workload, wanted, per_day))
    return tuple(found)


def _per_day(baseline: Arm, sampling: float) -> float | None:
    if baseline.span is None:
        return None
    hours = (baseline.span[1] - baseline.span[0]) / NS_PER_HOUR
    return baseline.requests / sampling / hours * _HOURS_PER_DAY if hours >= LEAST_HOURS else None


def _size(sample: Sample, metric: Metric, workload: str, wanted: Wanted, per_day: float | None) -> Size:
    if sample.is_bound:
        return Size(workload, metric, None, None, why="it falls among the failures")
    today = sample.value
    then = today - (wanted.margin or 0.0) if metric.name == "quality" else today * (1 + wanted.change)
    needed, why = _independent(sample, metric, then, wanted)
    if not math.isfinite(needed):
        return Size(workload, metric, today, then, why=why)
    icc, design = _together(sample)
    requests = math.ceil(needed * design)
    units = math.ceil(requests * sample.units / sample.n) if sample.clusters is not None else None
    days = None if per_day is None else math.ceil(2 * requests / per_day)
    return Size(workload, metric, today, then, requests, units, days, design, icc)


def _together(sample: Sample) -> tuple[float | None, float]:
    """The intraclass correlation of what is averaged over requests, and its design effect; none where they are taken for independent."""
    if sample.clusters is None:
        return None, 1.0
    share = sample.clusters.ratio[0]  # of a quantile: of the requests beyond it
    variance = sample.variance if isinstance(sample, Mean) else share * (1 - share) * sample.n / max(1, sample.n - 1)
    icc = intraclass_correlation(sample.clusters, variance)
    return icc, design_effect(sample.clusters, icc)


def _independent(sample: Sample, metric: Metric, then: float, wanted: Wanted) -> tuple[float, str]:
    """Requests of each arm as if they were independent; infinite where the log cannot tell, and what it lacks."""
    if isinstance(sample, Quantile):
        return for_quantile(sample.ranked, sample.p, wanted), "too few requests around it to tell how dense they are"
    if isinstance(sample, Share):
        if 0 < sample.value < 1 and 0 < then < 1:
            return for_shares(sample.value, then, wanted), ""
        return math.inf, "no change of that size is possible" if sample.value else "none in the log, so a change of it is nothing"
    assert isinstance(sample, Mean)
    if not math.isfinite(sample.variance):
        return math.inf, "the log does not tell how it spreads"
    if metric.name == "quality" and wanted.margin is not None:
        return for_margin(sample.variance, wanted.margin, wanted), ""
    if sample.value <= 0:
        return math.inf, "it costs nothing today"
    return for_log_ratio(sample.variance / sample.value**2, wanted), ""


def plan_rows(
    rows: Requests, names: Mapping[str, Sequence[str]], unit: str | None, wanted: Wanted, sampling: float = 1.0
) -> tuple[Size, ...]:
    """The sizes by workload; ``unit``: the column of what would be drawn into arms."""
    rows = rows if unit is None else in_units_of(rows, unit)[0]
    found: list[Size] = []
    for workload, chosen in workloads_of(rows, names):
        found += sizes_for(RowArm(workload, rows.where(chosen)), workload, wanted, sampling)
    return tuple(found)
