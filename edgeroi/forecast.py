"""Money by the day: its weekday pattern, trend and jumps, and what the rest of a month will come to.

The method, which a test holds to its coverage on simulated months. A day's amount is taken as

    amount = weekday factor x (level + slope x day + a step at each jump) x (1 + noise)

The weekday factors are mean ratios of each day to the seven days around it, scaled to a mean of 1. Amounts over their factor are
regressed on the day and the steps (least squares, each day weighed by its level); what is left over, as a share of the level and its
lag-1 correlation r taken as an AR(1), is the noise. A sum of future days then has the variance of the fitted line at these days, of
the noise (times (1 + r)/(1 - r)), and of the factors themselves; its interval is Student's, with n - parameters degrees of freedom.
The unseen part of a day that is under way is the share of requests that earlier days had still to come at that hour.

A jump is the split with the largest rank CUSUM (Pettitt, Applied Statistics 28, 1979, standardised by its size), tested by
permutation at a false-alarm rate of 1 % and, once found, looked for again on both sides; its day is the one around that leaves the
least squares over. One that a steady trend explains is none. Of the last two to five whole days it is told by whether they are what
the days before foretell; of the last one nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgeroi.stats import beta_cdf, student_quantile

Floats = NDArray[np.float64]

#: Fewer whole days than this say nothing of a month: no weekday is seen twice below 14, none is missed from 7 on.
LEAST_DAYS = 7
_DAYS_OF_PATTERN = 14
#: How often a series without a jump is said to have one.
FALSE_ALARMS = 0.01
#: The fewest days on either side of a jump.
_LEAST_SIDE = 5
_PERMUTATIONS = 1999
#: A weekday that costs less than this share of the mean is no witness of the level.
_NEGLIGIBLE = 0.02
#: A day's noise is a share of its level, and that at least this share of the mean one.
_LEAST_LEVEL = 0.1
#: Residual correlation beyond this is a trend that bends, which no interval of this kind covers.
_MOST_CORRELATION = 0.8
LEVEL = 0.95
#: What choosing the jumps and the pattern from the same days leaves out of the interval, by simulation.
_WIDER = 1.1


@dataclass(frozen=True)
class Days:
    """Amounts in USD of consecutive days from ``first``, and how much of each day was seen, as a share of its usual requests."""

    first: date
    amounts: Floats
    seen: Floats

    @property
    def n(self) -> int:
        """How many."""
        return len(self.amounts)

    def day(self, place: int) -> date:
        """The day at a place; beyond the ends too."""
        return self.first + timedelta(days=place)

    @property
    def weekdays(self) -> NDArray[np.int64]:
        """Monday is 0."""
        return (self.first.weekday() + np.arange(self.n)) % 7

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Days of which (all but) everything was seen."""
        return self.seen >= WHOLE


#: A day of which at least this share was seen counts as whole.
WHOLE = 0.98


@dataclass(frozen=True, slots=True)
class Jump:
    """From ``day`` on the level is another: ``ratio`` times the one before, weekdays allowed for. ``p``: of the permutation test."""

    day: date
    before_usd: float
    after_usd: float
    p: float

    @property
    def ratio(self) -> float | None:
        """After over before."""
        return self.after_usd / self.before_usd if self.before_usd else None


@dataclass(frozen=True, slots=True)
class Trend:
    """USD a day that every further day adds, with its interval; ``None`` ends where it cannot be told."""

    usd_per_day: float
    low: float
    high: float

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Projection:
    """A month in USD: what was seen of it, what it will come to with its 95 % interval, and from how many whole days that is told.

    ``unseen_before``: days of the month before the log begins, which are estimated like those to come.
    """

    month: str
    seen_usd: float
    likely_usd: float
    low_usd: float
    high_usd: float
    days_used: int
    days_left: float
    unseen_before: int
    weekdays: tuple[float, ...] | None
    trend: Trend | None

    @property
    def is_complete(self) -> bool:
        """Whether all of the month was seen."""
        return self.days_left == 0


def weekday_factors(days: Days) -> Floats | None:
    """How much of a mean day each weekday costs, Monday first; ``None`` of fewer than 14 whole days.

    Each day over the mean of the seven days around it (the nearest seven at the ends), averaged by weekday: a jump or a trend moves
    both, and so hardly the ratio.
    """
    amounts = days.amounts[days.whole]
    weekdays = days.weekdays[days.whole]
    if len(amounts) < _DAYS_OF_PATTERN or not amounts.sum():
        return None
    sums = np.convolve(amounts, np.ones(7), "valid") / 7
    around = sums[np.clip(np.arange(len(amounts)) - 3, 0, len(sums) - 1)]
    ratios = np.divide(amounts, around, out=np.ones_like(amounts), where=around > 0)
    means = np.array([ratios[weekdays == weekday].mean() if (weekdays == weekday).any() else 1.0 for weekday in range(7)])
    return np.asarray(means * 7 / means.sum(), np.float64)


# Jumps ----------------------------------------------------------------------------------------------------------------


class Nulls:
    """What the largest standardised rank CUSUM of a series without a jump comes to, drawn once for each length; sorted."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._drawn = rng, dict[int, Floats]()

    def of(self, n: int) -> Floats:
        """The draws for ``n`` days: ranks are what they are whatever the amounts, so that only their number matters."""
        if n not in self._drawn:
            ranks = np.tile(np.arange(n) - (n - 1) / 2, (_PERMUTATIONS, 1))
            self._drawn[n] = np.sort(_cusum(self._rng.permuted(ranks, axis=1)).max(axis=1))
        return self._drawn[n]


def _sides(n: int) -> NDArray[np.int64]:
    """How many days may lie before a jump."""
    return np.arange(_LEAST_SIDE, n - _LEAST_SIDE + 1)


def _cusum(ranks: Floats) -> Floats:
    """Of series (k, n) of centred ranks, the standardised CUSUM at each place a jump may be (k, m)."""
    n = ranks.shape[-1]
    sides = _sides(n)
    scale = np.sqrt(sides * (n - sides) * (n + 1) / 12)
    return np.asarray(np.abs(np.cumsum(ranks, axis=-1)[..., sides - 1]) / scale, np.float64)


def jumps(days: Days, nulls: Nulls, false_alarms: float = FALSE_ALARMS) -> tuple[Jump, ...]:
    """Where the level changed, in order; a series without a change has one with probability ``false_alarms``."""
    factors = weekday_factors(days)
    levels, places = _levels(days, factors)
    found = _not_trend(levels, places, sorted(_splits(levels, 0, nulls, false_alarms)), factors is not None, false_alarms)
    found += _young(levels, places, found, factors is not None, false_alarms)
    ends = [0, *(at for at, _ in found), len(levels)]
    means = [float(levels[start:end].mean()) for start, end in pairwise(ends)] if len(levels) else []
    return tuple(Jump(days.day(int(places[at])), means[k], means[k + 1], p) for k, (at, p) in enumerate(found))


def _levels(days: Days, factors: Floats | None) -> tuple[Floats, NDArray[np.int64]]:
    """The amounts of whole days less their weekday, and where those days stand."""
    of_day = np.ones(days.n) if factors is None else factors[days.weekdays]
    told = days.whole & (of_day > _NEGLIGIBLE)
    places = np.flatnonzero(told)
    return days.amounts[places] / of_day[places], places


def _splits(levels: Floats, offset: int, nulls: Nulls, false_alarms: float) -> list[tuple[int, float]]:
    at, p = split(levels, nulls)
    if at is None or p > false_alarms:
        return []
    here = [(offset + at, p)]
    return _splits(levels[:at], offset, nulls, false_alarms) + here + _splits(levels[at:], offset + at, nulls, false_alarms)


def split(levels: Floats, nulls: Nulls) -> tuple[int | None, float]:
    """The place of the most likely change of level, and the p-value that there is none; ``None`` of too few days.

    Correlation from day to day makes runs that look like changes; the statistic is divided by what an AR(1) inflates it by.
    """
    n = len(levels)
    if n < 2 * _LEAST_SIDE:
        return None, 1.0
    ranks = _centred_ranks(levels)
    statistic = _cusum(ranks)
    at = int(_sides(n)[int(statistic.argmax())])
    inflated = float(statistic.max()) / math.sqrt(_inflation(_within(ranks, at), 2))
    null = nulls.of(n)
    return _nearest_split(levels, at), (1 + len(null) - int(np.searchsorted(null, inflated))) / (1 + len(null))


def _nearest_split(levels: Floats, at: int) -> int:
    """The split around one that ranks chose which leaves the least squares over.

    Ranks tell whether there is a change, and miss its day: a dear day before a late change has a high rank, however far below it is.
    """
    sides = _sides(len(levels))
    sides = sides[np.abs(sides - at) <= _LEAST_SIDE]
    apart = np.cumsum(levels - levels.mean())[sides - 1] ** 2 / (sides * (len(levels) - sides))
    return int(sides[int(apart.argmax())])


def _centred_ranks(values: Floats) -> Floats:
    """Ranks less their mean; equal values share theirs, or their order would look like a trend."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[places] - (len(values) - 1) / 2
    return np.asarray(ranks, np.float64)


def _not_trend(
    levels: Floats, places: NDArray[np.int64], found: list[tuple[int, float]], with_factors: bool, false_alarms: float
) -> list[tuple[int, float]]:
    """Only the splits that a steady trend beside them does not explain: the weakest goes until all that are left are shown."""
    while found:
        fit = _fitted(levels, places, tuple(int(places[at]) for at, _ in found), with_factors)
        errors = np.sqrt(fit.variance * fit.inflation * np.diag(fit.spread))[2:]
        scores = np.abs(fit.coefficients[2:]) / np.maximum(errors, 1e-300)
        weakest = int(scores.argmin())
        # The split was the best of many; about one in five days apart are as good as independent.
        if scores[weakest] > student_quantile(1 - false_alarms / 2 / (len(levels) / _LEAST_SIDE), fit.degrees):
            break
        found = found[:weakest] + found[weakest + 1 :]
    return found


def _young(
    levels: Floats, places: NDArray[np.int64], found: list[tuple[int, float]], with_factors: bool, false_alarms: float
) -> list[tuple[int, float]]:
    """A change in the last days, of which too few lie behind it for ranks: they are not what the days before foretell, by Student's test.

    One of several splits is the best by chance, and tails are heavier than Student's: it has to be ten times as sure as the others.
    """
    start, told = found[-1][0] if found else 0, list[tuple[float, int]]()
    for after in range(2, _LEAST_SIDE + 1):
        at = len(levels) - after
        if at - start < 2 * _LEAST_SIDE:
            continue
        fit = _fitted(levels[:at], places[:at], tuple(int(places[place]) for place, _ in found), with_factors)
        rows = fit.rows(places[at:].astype(np.float64))
        foretold, middle = fit.levels(rows), rows.mean(axis=0)
        error = fit.variance * fit.inflation * (float(foretold @ foretold) / after**2 + float(middle @ fit.spread @ middle))
        square = float(levels[at:].mean() - foretold.mean()) ** 2
        told.append((beta_cdf(fit.degrees * error / (fit.degrees * error + square), fit.degrees / 2, 0.5) if square else 1.0, at))
    if not told:
        return []
    p = len(told) * min(told)[0]
    if 10 * p > false_alarms:
        return []
    steps = tuple(int(places[place]) for place, _ in found)
    return [(min((at for _, at in told), key=lambda at: _fitted(levels, places, (*steps, int(places[at])), with_factors).variance), p)]


def _within(values: Floats, at: int) -> Floats:
    """The values less the mean of their side."""
    return np.concatenate([values[:at] - values[:at].mean(), values[at:] - values[at:].mean()])


def _correlation(residuals: Floats, parameters: int) -> float:
    """Lag-1 correlation of what a fit leaves over, less its bias, which is about -(1 + parameters)/n; never below 0."""
    total = float(residuals @ residuals)
    n = len(residuals)
    if n < 3 or total <= 0:
        return 0.0
    raw = float(residuals[1:] @ residuals[:-1]) / total
    return min(max(0.0, raw + (1 + parameters) / n), _MOST_CORRELATION)


def _inflation(residuals: Floats, parameters: int) -> float:
    """By how much more a sum of AR(1) noise varies than one of independent noise: (1 + r)/(1 - r)."""
    r = _correlation(residuals, parameters)
    return (1 + r) / (1 - r)


# Projection -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fit:
    """The regression: coefficients, their covariance over the noise's variance, that variance, and the noise's inflation.

    Noise is a share of the level, so each day weighs by its level: after a jump to twice as much, days vary by twice as much.
    """

    coefficients: Floats
    spread: Floats
    variance: float
    inflation: float
    degrees: int
    steps: tuple[int, ...]
    least: float = 0.0

    def levels(self, rows: Floats) -> Floats:
        """What the line is there, and no less than what noise may be a share of."""
        return np.asarray(np.maximum(rows @ self.coefficients, self.least), np.float64)

    def rows(self, places: Floats) -> Floats:
        """The regressors at places in the series."""
        columns = [np.ones_like(places), places, *(np.asarray(places >= step, np.float64) for step in self.steps)]
        return np.stack(columns, axis=1)


def _fitted(levels: Floats, places: NDArray[np.int64], steps: tuple[int, ...], with_factors: bool) -> _Fit:
    least = _LEAST_LEVEL * float(levels.mean()) or 1.0
    plain = _Fit(np.zeros(0), np.zeros((0, 0)), 0.0, 1.0, 1, steps, least)
    rows = plain.rows(places.astype(np.float64))
    about = replace(plain, coefficients=np.linalg.pinv(rows.T @ rows) @ rows.T @ levels).levels(rows)
    scaled = rows / about[:, None]
    spread = np.asarray(np.linalg.pinv(scaled.T @ scaled), np.float64)
    coefficients = spread @ scaled.T @ (levels / about)
    residuals = (levels - rows @ coefficients) / about
    degrees = max(1, len(levels) - rows.shape[1] - (6 if with_factors else 0))
    variance = float(residuals @ residuals) / degrees
    return _Fit(coefficients, spread, variance, _inflation(residuals, rows.shape[1]), degrees, steps, least)


def project(days: Days, changes: Sequence[Jump] = ()) -> Projection | None:
    """The calendar month of the last day; ``None`` where fewer than seven whole days are known."""
    factors = weekday_factors(days)
    levels, places = _levels(days, factors)
    last = days.day(days.n - 1)
    start = last.replace(day=1)
    length = ((start + timedelta(days=31)).replace(day=1) - start).days
    of_month = np.arange(length) + (start - days.first).days
    inside = (of_month >= 0) & (of_month < days.n)
    seen = np.zeros(length)
    seen[inside] = np.where(days.whole[of_month[inside]], 1.0, days.seen[of_month[inside]])
    seen_usd = float(days.amounts[of_month[inside]].sum())
    unseen_before = int((of_month < 0).sum())
    left = 1 - seen
    month = f"{start:%Y-%m}"
    if not left.any():
        return Projection(month, seen_usd, seen_usd, seen_usd, seen_usd, len(levels), 0.0, 0, _tuple(factors), None)
    if len(levels) < LEAST_DAYS:
        return None
    steps = tuple((change.day - days.first).days for change in changes)
    fit = _fitted(levels, places, steps, factors is not None)
    of_day = np.ones(7) if factors is None else factors
    weekdays = (start.weekday() + np.arange(length)) % 7
    weights = left * of_day[weekdays]
    likely, error = _sum_of(fit, weights, of_month.astype(np.float64), weekdays, days, factors)
    reach = _WIDER * student_quantile((1 + LEVEL) / 2, fit.degrees) * error
    low, high = max(0.0, likely - reach), max(0.0, likely + reach)
    likely = max(0.0, likely)
    told = (month, seen_usd, seen_usd + likely, seen_usd + low, seen_usd + high)
    return Projection(*told, len(levels), float(left.sum()), unseen_before, _tuple(factors), _trend(fit))


def _sum_of(
    fit: _Fit, weights: Floats, places: Floats, weekdays: NDArray[np.int64], days: Days, factors: Floats | None
) -> tuple[float, float]:
    """What weighted days will come to, and its standard error."""
    rows = fit.rows(places)
    at = weights @ rows
    likely = float(at @ fit.coefficients)
    line = fit.inflation * float(at @ fit.spread @ at)
    of_level = weights * fit.levels(rows)
    noise = fit.inflation * float(of_level @ of_level)
    variance = fit.variance * (line + noise)
    if factors is not None:
        seen = np.bincount(days.weekdays[days.whole], minlength=7)
        level = np.array([float((weights * (weekdays == weekday)) @ rows @ fit.coefficients) for weekday in range(7)])
        # A factor is the mean of as many ratios as there were such weekdays, each as noisy as a day is; the seven add up to 7.
        relative = fit.variance / np.maximum(seen, 1)
        share = level - float(level.sum()) * factors / 7
        variance += float(relative @ (share**2))
    return likely, math.sqrt(variance)


def _trend(fit: _Fit) -> Trend:
    reach = student_quantile((1 + LEVEL) / 2, fit.degrees) * math.sqrt(fit.variance * fit.inflation * float(fit.spread[1, 1]))
    slope = float(fit.coefficients[1])
    return Trend(slope, slope - reach, slope + reach)


def _tuple(factors: Floats | None) -> tuple[float, ...] | None:
    return None if factors is None else tuple(float(factor) for factor in factors)


def seen_shares(hours: Mapping[tuple[int, int], int], first_ns: int, last_ns: int) -> tuple[float, float]:
    """How much of its day the first and the last request leave seen, by the requests of the days between.

    Hours are those of UTC days counted from 1970. Without a whole day between, hours count alike.
    """
    per_hour = 3_600 * 10**9
    first_day, last_day = first_ns // per_hour // 24, last_ns // per_hour // 24
    usual = np.zeros(24)
    for (day, hour), requests in hours.items():
        if first_day < day < last_day:
            usual[hour] += requests
    usual = usual / usual.sum() if usual.any() else np.full(24, 1 / 24)
    before = np.concatenate([[0.0], np.cumsum(usual)])

    def passed(ns: int) -> float:
        hour, inside = ns // per_hour % 24, ns % per_hour / per_hour
        return float(before[hour] + inside * usual[hour])

    start, end = passed(first_ns), passed(last_ns)
    if first_day == last_day:
        return max(0.0, end - start), max(0.0, end - start)
    return 1 - start, end
