"""The month's end and its interval, held to their coverage; jumps, held to their false alarms; days that are under way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from edgeroi.forecast import FALSE_ALARMS, Days, Nulls, jumps, project, seen_shares, weekday_factors

#: 1 September 2026 is a Tuesday; the third month simulated is November, of 30 days.
FIRST = date(2026, 9, 1)
MONTHS = 91
NOVEMBER = slice(61, 91)
WEEK = np.array([1, 1.05, 1.1, 1.05, 0.95, 0.35, 0.3])
NULLS = Nulls(np.random.default_rng(20261122))
HOUR = 3_600 * 10**9


def days(amounts: np.ndarray, first: date = FIRST, seen_last: float = 1.0) -> Days:
    seen = np.ones(len(amounts))
    seen[-1] = seen_last
    return Days(first, np.asarray(amounts, float), seen)


def weekly(n: int = MONTHS) -> np.ndarray:
    return (WEEK * 7 / WEEK.sum())[(FIRST.weekday() + np.arange(n)) % 7]


def gaussian(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(1, 0.12, MONTHS)


def heavy(rng: np.random.Generator) -> np.ndarray:
    return rng.lognormal(-0.045, 0.3, MONTHS)


def correlated(rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 0.15, MONTHS)
    for day in range(1, MONTHS):
        noise[day] += 0.4 * noise[day - 1]
    return 1 + noise


LEVELS = np.full(MONTHS, 100.0)
SERIES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "every day alike": lambda rng: LEVELS * gaussian(rng),
    "quiet weekends": lambda rng: LEVELS * weekly() * gaussian(rng),
    "growing by a fifth a month": lambda rng: LEVELS * (1 + 0.2 * np.arange(MONTHS) / 30) * weekly() * gaussian(rng),
    "60 % more from 21 October": lambda rng: np.where(np.arange(MONTHS) >= 50, 160.0, 100.0) * weekly() * gaussian(rng),
    "80 % more from 26 October": lambda rng: np.where(np.arange(MONTHS) >= 55, 180.0, 100.0) * weekly() * gaussian(rng),
    "correlated days": lambda rng: LEVELS * weekly() * correlated(rng),
    "heavy tails": lambda rng: LEVELS * weekly() * heavy(rng),
}


@pytest.mark.parametrize("kind", SERIES)
def test_the_interval_of_a_month_covers_at_least_nominally(kind: str) -> None:
    """The truth is the simulated November; the log begins on 1 September or 1 October and ends 4 to 25 days into it."""
    rng, runs, covered = np.random.default_rng([7, *kind.encode()]), 500, 0
    for run in range(runs):
        amounts = SERIES[kind](rng)
        start, end = (0, 30)[run % 2], (65, 70, 78, 86)[run % 4]
        seen = days(amounts[start:end], FIRST + timedelta(days=start))
        ends = project(seen, jumps(seen, NULLS))
        assert ends is not None
        covered += ends.low_usd <= amounts[NOVEMBER].sum() <= ends.high_usd
    # Two standard errors below 95 % of 500: at least 465 of them.
    assert covered >= runs * 0.95 - 2 * np.sqrt(runs * 0.95 * 0.05)


def test_an_interval_is_no_wider_than_the_noise_makes_it() -> None:
    """Six days are left of noise 12 %: the textbook half-width is t x 12 x sqrt(6) beside 3,000."""
    rng, widths = np.random.default_rng(3), []
    for _ in range(40):
        ends = project(days((LEVELS * gaussian(rng))[:85]))
        assert ends is not None
        widths.append((ends.high_usd - ends.low_usd) / 2)
    textbook = stats.t.ppf(0.975, 77) * 12 * np.sqrt(6)
    assert textbook < np.mean(widths) < 1.5 * textbook


@pytest.mark.parametrize("kind", ["every day alike", "quiet weekends", "growing by a fifth a month", "correlated days", "heavy tails"])
def test_a_series_without_a_jump_has_one_no_more_often_than_is_stated(kind: str) -> None:
    rng, runs = np.random.default_rng([11, *kind.encode()]), 1000
    alarms = sum(bool(jumps(days(SERIES[kind](rng)[:45]), NULLS)) for _ in range(runs))
    # At most 1 %, and three standard errors of 1,000 runs.
    assert alarms <= runs * FALSE_ALARMS + 3 * np.sqrt(runs * FALSE_ALARMS * (1 - FALSE_ALARMS))


def test_a_jump_is_found_on_its_day() -> None:
    rng, found, runs = np.random.default_rng(5), 0, 200
    for _ in range(runs):
        seen = days(SERIES["60 % more from 21 October"](rng)[20:65], FIRST + timedelta(days=20))
        found += any(abs((jump.day - date(2026, 10, 21)).days) <= 1 and 1.3 < (jump.ratio or 0) < 2 for jump in jumps(seen, NULLS))
    assert found >= 0.85 * runs


def test_a_jump_of_four_days_ago_is_told_before_the_month_is_foretold_without_it() -> None:
    """80 % more from 3 November, seen to the 6th: without it every such month is foretold too low, and its interval misses it."""
    rng, runs, found, covered = np.random.default_rng(9), 200, 0, 0
    for _ in range(runs):
        amounts = np.where(np.arange(MONTHS) >= 63, 180.0, 100.0) * weekly() * gaussian(rng)
        seen = days(amounts[:67])
        told = jumps(seen, NULLS)
        is_told = bool(told) and abs(told[-1].day - date(2026, 11, 3)) <= timedelta(days=1)
        ends = project(seen, told)
        assert ends is not None
        found += is_told
        covered += is_told and ends.low_usd <= amounts[NOVEMBER].sum() <= ends.high_usd
    assert found / runs > 0.85
    assert covered / found >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / found)


def test_without_noise_a_jump_is_exact() -> None:
    # Twelve days are too few for a weekday pattern. Of the 924 ways to lay out two halves, two are as extreme: p is about 2/924.
    (jump,) = jumps(days(np.repeat([100.0, 250.0], 6)), NULLS)
    assert (jump.day, jump.before_usd, jump.after_usd, jump.ratio) == (FIRST + timedelta(days=6), 100.0, 250.0, 2.5)
    assert jump.p == pytest.approx(2 / 924, abs=0.003)


def test_weekday_factors_are_those_that_were_put_in() -> None:
    factors = weekday_factors(days(50 * weekly()[:56]))
    assert factors == pytest.approx(WEEK * 7 / WEEK.sum())
    assert weekday_factors(days(50 * weekly()[:13])) is None


def test_a_month_without_noise_ends_where_it_must() -> None:
    # 1 September to 20 November, 10 USD a day: 200 so far, and 10 days are left.
    ends = project(days(np.full(81, 10.0)))
    assert ends is not None
    assert (ends.month, ends.seen_usd, ends.days_left, ends.days_used) == ("2026-11", 200.0, 10.0, 81)
    assert (ends.low_usd, ends.likely_usd, ends.high_usd) == pytest.approx((300, 300, 300))


def test_a_day_under_way_is_completed_by_what_is_left_of_it() -> None:
    # The 20th has seen 40 % of its requests and 4 of its 10 USD: 190 + 4 so far, 6 to come today, 100 after.
    ends = project(days(np.append(np.full(80, 10.0), 4.0), seen_last=0.4))
    assert ends is not None
    assert ends.seen_usd == pytest.approx(194)
    assert ends.days_left == pytest.approx(10.6)
    assert ends.likely_usd == pytest.approx(300)


def test_days_before_the_log_begins_are_estimated_and_told() -> None:
    # From 11 to 24 September, 10 USD a day: ten days before and six after are not seen.
    ends = project(days(np.full(14, 10.0), date(2026, 9, 11)))
    assert ends is not None
    assert (ends.unseen_before, ends.days_left) == (10, 16)
    assert (ends.seen_usd, ends.likely_usd) == (140.0, pytest.approx(300))


def test_a_whole_month_needs_no_estimate_and_few_days_give_none() -> None:
    whole = project(days(np.arange(30.0)))
    assert whole is not None
    assert whole.is_complete
    assert whole.low_usd == whole.likely_usd == whole.high_usd == 435.0  # 0 + 1 + ... + 29
    assert project(days(np.full(6, 10.0))) is None


def test_the_share_of_a_day_is_that_of_earlier_requests() -> None:
    # Between the first and the last day, three quarters of the requests came from 9 to 10 and a quarter from 18 to 19.
    hours = {(1, 9): 5, (2, 9): 30, (2, 18): 10, (3, 9): 2}
    first, last = (24 + 9) * HOUR + HOUR // 2, (3 * 24 + 10) * HOUR
    # The log begins half an hour into 9 o'clock: half of 75 % is missed. It ends at 10: 75 % were seen.
    assert seen_shares(hours, first, last) == pytest.approx((1 - 0.375, 0.75))
    assert seen_shares({(1, 9): 1, (2, 9): 1}, 24 * HOUR, (48 + 12) * HOUR) == pytest.approx((1.0, 0.5))
