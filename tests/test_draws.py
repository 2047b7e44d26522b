"""Drivers drawn by name, and what draws say of a decision: against scipy, closed forms and hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgeroi.draws import (
    Chance,
    Prospect,
    beta_middles,
    drawn,
    normal_worth_knowing,
    scores,
    shuffled,
    worth_knowing,
    worth_knowing_one,
)
from edgeroi.estimate import Range

N = 10_000
CHANCE = Chance(seed=7, draws=N)


def normal(mean: float, deviation: float, name: str = "net") -> np.ndarray:
    return mean + deviation * scores(CHANCE.rng(name), N)


# ---- drawing ----

Z = stats.norm.ppf(0.95)
SHAPES = {
    "triangular": (Range(15, 5, 40, "w", "triangular"), stats.triang(10 / 35, 5, 35)),
    "lognormal": (Range(200**0.5, 5, 40, "w", "lognormal"), stats.lognorm(np.log(8) / (2 * Z), scale=200**0.5)),
    "normal": (Range(22.5, 5, 40, "w", "normal"), stats.norm(22.5, 35 / (2 * Z))),
    "uniform": (Range(22.5, 5, 40, "w", "uniform"), stats.uniform(5, 35)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_the_distribution_it_names(shape: str) -> None:
    """``low..high`` are the ends of a triangular and a uniform range, the 5th and the 95th percentile of the others."""
    driver, expected = SHAPES[shape]
    found = drawn(driver, CHANCE.rng("w"), N)
    for p in (0.01, 0.05, 0.3, 0.5, 0.95, 0.99):
        assert np.quantile(found, p) == pytest.approx(expected.ppf(p), abs=1e-2 * expected.std())
    assert found.mean() == pytest.approx(expected.mean(), rel=1e-3)
    inside = np.mean((found > 5) & (found < 40))
    assert inside == pytest.approx(1.0 if shape in ("triangular", "uniform") else 0.90, abs=1e-3)


def test_draws_stay_within_what_the_field_can_hold() -> None:
    share = Range(0.8, 0.5, 0.99, "blocked", "normal", least=0.0, most=1.0)
    found = drawn(share, CHANCE.rng("blocked"), N)
    assert found.max() == 1.0
    assert (found <= 1).all()


def test_a_point_is_the_same_in_every_world() -> None:
    assert set(drawn(Range.point(3.0, "x"), CHANCE.rng("x"), 50)) == {3.0}


def test_a_driver_s_draws_follow_from_seed_and_name_alone() -> None:
    one, again = (drawn(SHAPES["normal"][0], CHANCE.rng("w"), N) for _ in range(2))
    assert (one == again).all()
    assert (one != drawn(SHAPES["normal"][0], Chance(seed=8).rng("w"), N)).any()
    assert (one != drawn(SHAPES["normal"][0], CHANCE.rng("v"), N)).any()


def test_two_drivers_are_independent() -> None:
    one, two = (scores(CHANCE.rng(name), N) for name in ("a", "b"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03  # 3 / sqrt(10,000)


def test_fewer_distinct_values_are_as_evenly_spread() -> None:
    found = drawn(SHAPES["triangular"][0], CHANCE.rng("w"), N, distinct=500)
    assert np.unique(found).size == 500
    assert found.mean() == pytest.approx(20, rel=1e-4)
    assert (found[:500] == found[500:1000]).all()


def test_an_order_holds_every_slice_once() -> None:
    assert sorted(shuffled(CHANCE.rng("x"), 100)) == list(range(100))


@pytest.mark.parametrize(("a", "b"), [(0.5, 30.5), (10.5, 990.5), (200.5, 200.5), (0.5, 0.5), (30.5, 0.5)])
def test_the_beta_quantiles(a: float, b: float) -> None:
    expected = stats.beta.ppf((np.arange(N) + 0.5) / N, a, b)
    assert np.abs(beta_middles(a, b, N) - expected).max() < 2e-3 * expected.std()


# ---- what it is worth to know ----


def test_the_published_example_of_evpi() -> None:
    """reference/economics.md 3.4: net ~ N(100, 200) is worth 39.56 to know, P(net > 0) = 0.6915."""
    assert normal_worth_knowing(100, 200) == pytest.approx(39.56, abs=0.005)
    prospect = Prospect(normal(100, 200), {})
    assert prospect.evpi == pytest.approx(39.56, abs=0.02)
    assert prospect.p_worth_it == pytest.approx(0.6915, abs=1e-4)


@pytest.mark.parametrize(("mean", "deviation"), [(0, 1), (-300, 100), (50, 400), (-50, 400)])
def test_evpi_against_its_closed_form(mean: float, deviation: float) -> None:
    exact = mean * stats.norm.cdf(mean / deviation) + deviation * stats.norm.pdf(mean / deviation) - max(0, mean)
    assert worth_knowing(normal(mean, deviation)) == pytest.approx(exact, abs=2e-3 * deviation)


def test_what_is_certain_is_worth_nothing_to_know() -> None:
    assert worth_knowing(np.full(100, 5.0)) == 0
    assert worth_knowing(np.linspace(1, 2, 100)) == 0  # whatever it is, one chooses the same


@pytest.mark.parametrize("share", [1.0, 0.7, 0.3, 0.1])
def test_the_worth_of_knowing_one_driver_of_two(share: float) -> None:
    """net = 20 + s (sqrt(share) x + sqrt(1 - share) y): knowing x alone leaves a mean that is N(20, share s^2)."""
    deviation = 100.0
    x, y = scores(CHANCE.rng("x"), N), scores(CHANCE.rng("y"), N)
    net = 20 + deviation * (share**0.5 * x + (1 - share) ** 0.5 * y)
    exact = normal_worth_knowing(20, share**0.5 * deviation)
    assert worth_knowing_one(net, x) == pytest.approx(exact, abs=0.02 * deviation)
    assert worth_knowing_one(net, x) <= worth_knowing(net) + 1e-9


def test_a_driver_that_moves_nothing_is_worth_next_to_nothing_to_know() -> None:
    net = normal(0, 100)
    found = [worth_knowing_one(net, scores(CHANCE.rng(f"idle {k}"), N)) for k in range(20)]
    assert max(found) < 1.0  # 1 % of the standard deviation


def test_a_driver_that_acts_in_steps() -> None:
    """A gate: net is 100 where x > 0.8 and -50 elsewhere. Knowing x is knowing net: 0.2 x 100 - max(0, -20)."""
    x = (shuffled(CHANCE.rng("gate"), N) + 0.5) / N
    assert worth_knowing_one(np.where(x > 0.8, 100.0, -50.0), x) == pytest.approx(20, abs=0.2)


# ---- a prospect ----


def test_the_s_curve_rises_and_holds_its_quantiles() -> None:
    curve = Prospect(normal(100, 200), {}).s_curve
    assert [p for p, _ in curve] == [0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99]
    assert [net for _, net in curve] == pytest.approx([100 + 200 * stats.norm.ppf(p) for p, _ in curve], abs=0.5)


def test_larger_samples_settle_what_sampling_leaves_open() -> None:
    """Net N(20, 100^2), all of it sampling: P is 0.90 where the deviation is 20 / 1.2816, a sample 41.06 times as large."""
    error = 100 * scores(CHANCE.rng("s"), N)
    found = Prospect(20 + error, {}, error).settling_factor(0.90, 0.10)
    assert found == pytest.approx((100 * stats.norm.ppf(0.9) / 20) ** 2, rel=0.03)


def test_no_sample_settles_what_somebody_has_to_state() -> None:
    error, other = scores(CHANCE.rng("s"), N), 100 * scores(CHANCE.rng("o"), N)
    assert Prospect(20 + other + error, {}, error).settling_factor(0.90, 0.10) is None
    assert Prospect(20 + other, {}).settling_factor(0.90, 0.10) is None
