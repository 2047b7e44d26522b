"""A router's threshold: RouteLLM's numbers, the curve, the best threshold within its interval, what a confidence is worth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from edgeroi.calibration import (
    Side,
    Sweep,
    _misfit,
    calibration_error,
    chosen,
    curve_of,
    half_of,
    mean_recovered,
    misrouted,
    misrouted_within,
    recovered,
    share_less,
    share_to_recover,
)
from edgeroi.errors import NoAnswer

Floats = np.ndarray


def pairs(score: Floats, weak: dict[str, Floats], strong: dict[str, Floats], *, rising: bool = True) -> Sweep:
    n = score.size

    def side(told: dict[str, Floats]) -> Side:
        unknown, zero = np.full(n, np.nan), np.zeros(n)
        columns = [told.get("quality", unknown), told.get("usd", zero), told.get("ms", zero + 1), zero > 1, told.get("worth", unknown)]
        return Side(score if rising else -score, np.full(n, 1 / n), *columns)

    return Sweep("confidence", side(weak), side(strong), True, rising)


def halves(sweep: Sweep, rng: np.random.Generator) -> tuple[Sweep, Sweep]:
    first = rng.permutation(sweep.n) < sweep.n // 2
    cut = [Sweep(sweep.field, sweep.weak.at(rows), sweep.strong.at(rows), True, sweep.rising) for rows in (first, ~first)]
    return cut[0], cut[1]


# ---- RouteLLM's numbers


def test_the_worked_example() -> None:
    # economics.md 4.2: r_w = .60, r_s = .90 and five shares of strong calls.
    shares, quality = np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.array([0.60, 0.75, 0.84, 0.88, 0.90])
    gaps = recovered(quality, 0.60, 0.90)
    assert gaps is not None
    np.testing.assert_allclose(gaps, [0, 0.5, 0.8, 0.933333, 1], atol=1e-6)
    assert mean_recovered(shares, gaps) == pytest.approx(0.683333, abs=1e-6)
    assert share_to_recover(shares, gaps, 0.5) == 0.25
    assert share_to_recover(shares, gaps, 0.8) == 0.50
    assert share_to_recover(shares, gaps, 1.01) is None


def test_a_gap_that_is_not_there_is_not_recovered() -> None:
    assert recovered(np.array([0.9, 0.8]), 0.9, 0.8) is None


def test_a_router_that_tosses_coins_recovers_half() -> None:
    rng = np.random.default_rng(5)
    n = 40_000
    sweep = pairs(rng.random(n), {"quality": (rng.random(n) < 0.6) * 1.0}, {"quality": (rng.random(n) < 0.9) * 1.0})
    assert curve_of(sweep).apgr == pytest.approx(0.5, abs=0.02)


def test_the_curve_of_four_requests() -> None:
    score = np.array([0.2, 0.4, 0.6, 0.8])
    weak = {"quality": np.array([0.0, 1, 0, 1]), "usd": np.full(4, 1.0), "ms": np.array([10.0, 20, 30, 40])}
    strong = {"quality": np.ones(4), "usd": np.full(4, 3.0), "ms": np.array([100.0, 200, 300, 400])}
    points = curve_of(pairs(score, weak, strong)).points
    assert points[0].threshold is None
    assert points[-1].threshold is None
    assert (points[0].strong_share, points[-1].strong_share) == (0, 1)
    at = next(point for point in points if point.threshold == 0.8)  # only the last stays weak: 3 strong answers of 4
    assert at.strong_share == 0.75
    assert at.quality == 1.0
    assert at.usd == pytest.approx((3 * 3 + 1) / 4)
    assert at.p50 == 100  # 40, 100, 200, 300: nearest rank of 4 is the second
    assert at.recovered == 1.0
    assert points[0].quality == 0.5
    assert points[0].recovered == 0


def test_low_values_go_to_the_weak_option_where_the_rule_falls() -> None:
    words = np.array([10.0, 20, 30, 40])
    curve = curve_of(pairs(words, {"usd": np.zeros(4)}, {"usd": np.ones(4)}, rising=False))
    at = next(point for point in curve.points if point.threshold == 20)
    assert at.usd == 0.5  # 10 and 20 are weak
    assert at.quality is None
    assert curve.apgr is None


# ---- the best threshold


def planted(rng: np.random.Generator, n: int, best: float = 0.6) -> Sweep:
    """A weak answer is worth score - best more than a strong one, on average: the best threshold is ``best``."""
    score = rng.random(n)
    return pairs(score, {"worth": score - best + rng.normal(0, 0.5, n)}, {"worth": np.zeros(n)})


@pytest.mark.parametrize(("n", "times", "widest"), [(800, 400, 0.45), (6000, 200, 0.22)])
def test_a_planted_threshold_is_within_its_interval_at_the_stated_rate(n: int, times: int, widest: float) -> None:
    held, far, widths = 0, 0, []
    for seed in range(times):
        rng = np.random.default_rng(seed)
        low, high = chosen(*halves(planted(rng, n), rng), "max-net").interval
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        held, far = held + (low <= 0.6 <= high), far + (low <= 0.95 <= high)
        widths.append(min(high, 1.0) - max(low, 0.0))
    error = 3 * math.sqrt(0.95 * 0.05 / times)
    assert held / times >= 0.95 - error
    assert far / times < 0.3  # it says something: a threshold far away is mostly outside
    assert np.mean(widths) < widest


def test_a_planted_jump_is_found_and_the_interval_is_narrow() -> None:
    held, widths = 0, []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        score = rng.random(2000)
        worth = np.where(score >= 0.6, 0.25, -0.25) + rng.normal(0, 0.5, 2000)
        low, high = chosen(*halves(pairs(score, {"worth": worth}, {"worth": np.zeros(2000)}), rng), "max-net").interval
        assert low is not None
        assert high is not None
        held += low <= 0.6 <= high
        widths.append(high - low)
    assert held / 150 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 150)
    assert np.mean(widths) < 0.1


def floored(rng: np.random.Generator, n: int) -> Sweep:
    """Weak is right with the score's probability, strong with 0.9: q(t) = .9 t + (1 - t^2) / 2, which is 0.825 at t = 0.5."""
    score = rng.random(n)
    weak = {"quality": (rng.random(n) < score) * 1.0, "usd": np.full(n, 1.0)}
    return pairs(score, weak, {"quality": (rng.random(n) < 0.9) * 1.0, "usd": np.full(n, 5.0)})


def test_the_threshold_of_a_quality_floor_is_within_its_interval() -> None:
    held = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        low, high = chosen(*halves(floored(rng, 2000), rng), "min-cost", 0.825).interval
        held += (low or 0.0) <= 0.5 <= (high or 1.0)
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400) <= held / 400


def test_the_threshold_of_a_budget_spends_it() -> None:
    rng = np.random.default_rng(3)
    sweep = floored(rng, 4000)  # a request costs 1 + 4 t on average: 3 USD at t = 0.5
    found = chosen(*halves(sweep, rng), "max-quality", 3.0)
    assert found.threshold == pytest.approx(0.5, abs=0.03)
    assert found.chosen_on.usd is not None
    assert found.chosen_on.usd.value <= 3.0
    assert found.held_out.usd is not None
    assert found.held_out.usd.low <= 3.0 <= found.held_out.usd.high


def test_what_is_told_is_the_half_that_did_not_choose() -> None:
    rng = np.random.default_rng(11)
    first, second = halves(planted(rng, 1000), rng)
    found = chosen(first, second, "max-net")
    assert found.held_out.worth is not None
    by_hand = [np.where(side.weak.score >= found.score, side.weak.worth, 0.0).mean() for side in (first, second)]
    assert found.held_out.worth.value == pytest.approx(by_hand[1])
    assert found.chosen_on.worth is not None
    assert found.chosen_on.worth.value == pytest.approx(by_hand[0])
    assert by_hand[0] > by_hand[1]  # the best of many flatters itself on its own half; on this seed visibly


def test_the_half_that_chose_flatters_itself() -> None:
    # Nothing to gain: whatever the choosing half says is luck, and the other half says so.
    told = {"chosen_on": [], "held_out": []}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n = 400
        sweep = pairs(rng.random(n), {"worth": rng.normal(0, 1, n)}, {"worth": np.zeros(n)})
        found = chosen(*halves(sweep, rng), "max-net")
        for name, values in told.items():
            values.append(getattr(found, name).worth.value)
    assert np.mean(told["chosen_on"]) > 0.03
    assert abs(np.mean(told["held_out"])) < 3 * np.std(told["held_out"]) / math.sqrt(200)


def test_a_floor_out_of_reach_is_no_answer() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(NoAnswer, match="no threshold keeps the quality floor 0.99: it reaches"):
        chosen(*halves(floored(rng, 500), rng), "min-cost", 0.99)
    unrated = pairs(rng.random(300), {"usd": np.ones(300)}, {"usd": np.ones(300)})
    with pytest.raises(NoAnswer, match="the quality of answers is not known"):
        chosen(*halves(unrated, rng), "min-cost", 0.9)


def test_a_half_depends_on_the_request_and_the_seed_alone() -> None:
    keys = [f"q{n}" for n in range(4000)]
    first = [half_of(key, 1) for key in keys]
    assert first == [half_of(key, 1) for key in keys]
    assert abs(np.mean(first) - 0.5) < 0.03
    assert first != [half_of(key, 2) for key in keys]


def test_the_best_rising_fit_and_the_one_below_nothing() -> None:
    rng = np.random.default_rng(4)
    values, weights = rng.normal(0, 1, 30) + np.linspace(-1, 1, 30), rng.random(30) + 0.1
    found = _misfit(values, weights)
    for n in range(1, 31):
        fit = isotonic_regression(values[:n], weights=weights[:n]).x
        assert found[1, n] == pytest.approx(float(weights[:n] @ (values[:n] - fit) ** 2))
        assert found[0, n] == pytest.approx(float(weights[:n] @ (values[:n] - np.minimum(fit, 0)) ** 2))


# ---- what a confidence is worth


def test_the_calibration_error_of_six_answers() -> None:
    # 0.9: three of four right, off by 0.15; 0.3: one of two right, off by 0.2: (4 x 0.15 + 2 x 0.2) / 6.
    confidence, quality = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.3]), np.array([1.0, 1, 1, 0, 0, 1])
    error, bins = calibration_error(confidence, quality)
    assert error == pytest.approx(1 / 6)
    assert [(b.low, b.n, b.quality) for b in bins] == [(0.3, 2, 0.5), (0.9, 4, 0.75)]


def test_a_calibrated_confidence_has_no_error_and_a_constant_one_its_own() -> None:
    rng = np.random.default_rng(6)
    confidence = rng.random(50_000)
    quality = (rng.random(50_000) < confidence) * 1.0
    assert calibration_error(confidence, quality)[0] < 0.01
    assert calibration_error(np.full(50_000, 0.9), quality)[0] == pytest.approx(0.4, abs=0.01)
    assert calibration_error(np.ones(4), np.ones(4))[0] == 0  # the last bin holds 1


def test_misrouted_requests_where_both_answers_are_known() -> None:
    sent = np.array([True, True, True, False, False])
    found = misrouted(sent, np.array([1.0, 0, 0, 1, 0]), np.array([1.0, 1, 0, 1, 1]))
    assert found.too_weak == (0.2, 0.2)
    assert found.too_strong == (0.2, 0.2)


def test_the_bounds_hold_for_every_way_two_samples_can_go_together() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        one, two = rng.integers(0, 4, 5) / 3, rng.integers(0, 4, 5) / 3
        low, high = share_less(one, two)
        every = [np.mean(one < two[list(order)]) for order in itertools.permutations(range(5))]
        assert low <= min(every) + 1e-12
        assert high >= max(every) - 1e-12
        assert high - low <= max(every) - min(every) + 1e-12  # and are the best there are
    found = misrouted_within((0.5, 0.5), (np.ones(4), np.ones(4)), (np.ones(4), np.zeros(4)))
    assert found.too_weak == (0.0, 0.0)
    assert found.too_strong == (0.5, 0.5)  # weak is always as good there
