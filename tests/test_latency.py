"""Latency as a distribution: read, transformed, mixed, and compared over one mix."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.histogram import LatencyHistogram
from edgeroi.latency import Latency, comonotone, mixture, normal_mass, over_days, same_mix
from edgeroi.workload import Stratum, Tally

TOY_EDGE = [20.0] * 8 + [40.0, 400.0]
TOY_CLOUD = [170.0] * 8 + [180.0, 190.0]


def sampled(values_ms, failure_ratio=0.0):
    return Latency.of(LatencyHistogram.from_ms(np.asarray(values_ms, float)), failure_ratio)


# ---- a sample ----


def test_toy_pair_means():
    assert sampled(TOY_EDGE).mean_ms == pytest.approx(60.0, rel=1e-12)
    assert sampled(TOY_CLOUD).mean_ms == pytest.approx(173.0, rel=1e-12)


def test_toy_pair_apdex():
    # T = 50: edge 9 satisfied, 400 > 4T frustrated: 0.90; cloud all tolerating: 0.50
    assert sampled(TOY_EDGE).apdex(50) == pytest.approx(0.90)
    assert sampled(TOY_CLOUD).apdex(50) == pytest.approx(0.50)
    assert sampled(TOY_EDGE, failure_ratio=0.5).apdex(50) == pytest.approx(0.45)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 5000])
def test_a_sample_keeps_its_histograms_answers(n):
    held = LatencyHistogram.from_ms(np.random.default_rng(n).lognormal(4, 1, n))
    latency = Latency.of(held, 0.02)
    assert latency.n == n
    assert latency.basis == "measured"
    assert latency.mean_ms == pytest.approx(held.mean_ms, rel=1e-12)
    assert latency.quantile(1.0) == held.max_ms
    assert latency.values_ms[0] == held.min_ms
    for p in (0.01, 0.5, 0.9, 0.95, 0.99):
        assert latency.quantile(p) == pytest.approx(held.quantile(p), rel=1 / 1024)
        assert latency.estimable(p) == held.estimable(p)
        for own, theirs in zip(latency.interval(p), held.interval(p), strict=True):
            assert (own is None) == (theirs is None)
            assert own is None or own == pytest.approx(theirs, rel=1 / 1024)


def test_no_success_is_no_latency():
    with pytest.raises(NoAnswer, match="no successful request"):
        Latency.of(LatencyHistogram(), 1.0)


def test_nearest_rank_on_weights_is_exact_where_weights_add_up_inexactly():
    values = np.arange(1.0, 101.0)
    assert [sampled(values).quantile(p) for p in (0.01, 0.07, 0.5, 0.95, 0.99, 1.0)] == [1, 7, 50, 95, 99, 100]
    with pytest.raises(ValueError, match="outside"):
        sampled(values).quantile(0)


def test_misses_count_failures_and_what_is_strictly_late():
    latency = sampled([100.0, 200.0, 200.0, 300.0], failure_ratio=0.2)
    assert latency.miss_ratio(200) == pytest.approx(0.2 + 0.8 * 0.25)
    assert latency.miss_ratio(1e9) == pytest.approx(0.2)
    assert latency.miss_ratio(199) == pytest.approx(0.2 + 0.8 * 0.75)


def test_a_miss_ratio_has_the_wilson_interval_of_all_requests():
    # 980 successes of which 10 late, 20 failures: 30 of 1,000 miss
    held = sampled([10.0] * 970 + [500.0] * 10, failure_ratio=0.02)
    told = held.miss_estimate(200)
    wilson = scipy.stats.binomtest(30, 1000).proportion_ci(method="wilson")
    assert (told.value, told.n) == (pytest.approx(0.03), 1000)
    assert (told.low, told.high) == pytest.approx((wilson.low, wilson.high))
    assert Latency.constant(10).miss_estimate(200).low is None


def test_expectation_is_over_successes():
    assert sampled([1.0, 3.0], failure_ratio=0.5).expect(np.square) == pytest.approx(5.0)


# ---- stated quantiles ----


def test_worked_lognormal():
    sigma = math.log(2) / 2.326348
    assert sigma == pytest.approx(0.297955, abs=1e-6)
    latency = Latency.from_quantiles({0.5: 4500, 0.99: 9000})
    assert latency.mean_ms == pytest.approx(4704.25, rel=1e-6)
    assert latency.quantile(0.5) == pytest.approx(4500, rel=1e-4)
    assert latency.quantile(0.99) == pytest.approx(9000, rel=1e-4)
    assert latency.n is None
    assert latency.estimable(0.999)
    assert latency.interval(0.5) == (None, None)


@pytest.mark.parametrize(("p50", "p99"), [(20, 60), (100, 101), (60, 300), (1, 400), (5000, 5000.5)])
def test_two_quantiles_are_scipys_lognormal(p50, p99):
    sigma = math.log(p99 / p50) / scipy.stats.norm.ppf(0.99)
    truth = scipy.stats.lognorm(sigma, scale=p50)
    latency = Latency.from_quantiles({0.5: p50, 0.99: p99})
    assert latency.mean_ms == pytest.approx(truth.mean(), rel=1e-6)
    for p in (0.5, 0.9, 0.95, 0.99, 0.999):
        assert latency.quantile(p) == pytest.approx(truth.ppf(p), rel=1e-3)
    for p in (0.05, 0.3, 0.7, 0.97, 0.995):
        assert latency.quantile(p) == pytest.approx(truth.ppf(p), rel=0.004 * sigma + 1e-9)
    late = 1.3 * p50
    assert latency.miss_ratio(late) == pytest.approx(truth.sf(late), abs=0.002)


def test_every_stated_quantile_is_met():
    stated = {0.5: 100.0, 0.9: 130.0, 0.95: 400.0, 0.99: 420.0}
    latency = Latency.from_quantiles(stated)
    for p, ms in stated.items():
        assert latency.quantile(p) == pytest.approx(ms, rel=1e-4)
    # halfway in z between p50 and p90 lies the geometric mean
    middle = scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.9) / 2)
    assert latency.quantile(middle) == pytest.approx(math.sqrt(100 * 130), rel=1e-3)
    z = np.array([scipy.stats.norm.ppf(p) for p in stated])
    logs = np.log(list(stated.values()))

    def ms(score):
        piece = min(max(int(np.searchsorted(z, score)) - 1, 0), 2)
        return math.exp(logs[piece] + (score - z[piece]) * (logs[piece + 1] - logs[piece]) / (z[piece + 1] - z[piece]))

    scores = np.linspace(-9, 9, 36_001)
    mean = np.trapezoid([ms(s) * scipy.stats.norm.pdf(s) for s in scores], scores)
    assert latency.mean_ms == pytest.approx(mean, rel=1e-4)


def test_equal_quantiles_are_a_plateau():
    latency = Latency.from_quantiles({0.5: 100.0, 0.95: 100.0, 0.99: 200.0})
    assert latency.quantile(0.9) == pytest.approx(100, rel=1e-9)
    assert latency.quantile(0.99) == pytest.approx(200, rel=1e-4)


def test_p50_alone_is_constant_and_says_so():
    latency = Latency.from_quantiles({0.5: 20.0}, basis="aggregate")
    assert (latency.quantile(0.01), latency.quantile(0.99), latency.mean_ms) == (20, 20, 20)
    assert "only p50 is stated" in latency.notes[0]
    assert latency.basis == "aggregate"


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "needs its p50"),
        ({0.99: 60.0}, "needs its p50"),
        ({0.5: 60.0, 0.99: 20.0}, r"p99 \(20 ms\) is less than p50 \(60 ms\)"),
        ({0.5: 0.0}, "p50 is 0 ms"),
        ({0.5: 20.0, 1.0: 60.0}, "not a quantile"),
        ({0.5: math.nan}, "p50 is nan"),
    ],
)
def test_quantiles_that_are_none_are_refused(stated, said):
    with pytest.raises(EdgeroiError, match=said):
        Latency.from_quantiles(stated)


def test_normal_mass_keeps_its_precision_in_both_tails():
    low, high = np.array([-np.inf, -9.0, -0.1, 7.9, 8.0]), np.array([-8.0, -8.9, 0.2, 8.0, np.inf])
    sf, cdf = scipy.stats.norm.sf, scipy.stats.norm.cdf
    expected = [sf(8), sf(8.9) - sf(9), cdf(0.2) - cdf(-0.1), sf(7.9) - sf(8), sf(8)]
    assert normal_mass(low, high) / expected == pytest.approx(np.ones(5), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "weights", "failing"),
    [([], [], 0), ([1, 2], [1], 0), ([2, 1], [0.5, 0.5], 0), ([-1], [1], 0), ([1], [0.9], 0), ([1, 2], [1.5, -0.5], 0), ([1], [1], 1.2)],
)
def test_what_is_no_distribution_is_refused(values, weights, failing):
    with pytest.raises(ValueError, match=r"latenc|weights|failure"):
        Latency(np.array(values, float), np.array(weights, float), failing)


# ---- algebra ----


def test_shift_scale_floor():
    latency = sampled([10.0, 20.0, 40.0], failure_ratio=0.1)
    assert latency.shifted(5).values_ms.tolist() == [15, 25, 45]
    assert latency.shifted(-15).values_ms.tolist() == [0, 5, 25]
    assert latency.scaled(2).values_ms.tolist() == [20, 40, 80]
    floored = latency.floored(20)
    assert floored.values_ms.tolist() == [20, 40]
    assert floored.weights.tolist() == pytest.approx([2 / 3, 1 / 3])
    for changed in (latency.shifted(5), latency.scaled(2), floored):
        assert (changed.n, changed.failure_ratio, changed.basis) == (3, 0.1, "measured")
    with pytest.raises(ValueError, match="negative"):
        latency.scaled(-1)


def test_cold_starts_add_to_the_mean_and_sit_in_the_tail():
    # 2 % x 2,000 ms adds 40 ms on average, and is inside p99
    warm = Latency.constant(100)
    cold = warm.with_cold_starts(0.02, 2000)
    assert cold.mean_ms == pytest.approx(140)
    assert (cold.quantile(0.98), cold.quantile(0.99)) == (100, 2100)
    assert warm.with_cold_starts(0.0, 2000).values_ms.tolist() == [100]


def test_mixture_weighs_successes_and_failures():
    one, two = Latency.constant(10, failure_ratio=0.5), Latency.constant(30)
    both = mixture([(0.5, one), (0.5, two)])
    assert both.failure_ratio == pytest.approx(0.25)
    # of 100 requests 25 succeed at 10 and 50 at 30
    assert both.weights.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert both.miss_ratio(20) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="sum to 1"):
        mixture([(0.5, one), (0.4, two)])


def test_a_mixture_of_failures_only_still_fails_only():
    dead = Latency.constant(10, failure_ratio=1.0)
    assert mixture([(0.5, dead), (0.5, dead.shifted(5))]).failure_ratio == 1.0


def test_a_mixture_pools_quantiles_and_takes_the_weakest_basis():
    one, two = sampled([100.0] * 900 + [2000.0] * 100), Latency.constant(100, notes=("stated",))
    both = mixture([(10 / 11, one), (1 / 11, two)], notes=("mixed",))
    assert both.quantile(0.95) == 2000
    assert (both.basis, both.notes) == ("assumed", ("stated", "mixed"))
    assert both.n == 1100  # 1,000 sampled requests are 10/11 of the whole


def test_intervals_of_a_mixture_are_never_too_narrow():
    rng = np.random.default_rng(4)
    truth = 0.9 * scipy.stats.norm.cdf(0) + 0.1  # at 100: half of the fast part, and none of the slow one is faster
    assert truth == pytest.approx(0.55)
    p, covered = 0.9 * 0.5, 0
    for _ in range(400):
        fast, slow = sampled(100 + 10 * rng.standard_normal(300)), sampled(1000 + 10 * rng.standard_normal(25))
        low, high = mixture([(0.9, fast), (0.1, slow)]).interval(p)
        covered += low <= 100 <= high
    assert covered / 400 >= 0.95


def test_failing_at_puts_failures_among_the_latencies():
    latency = sampled([10.0, 20.0], failure_ratio=0.2).failing_at(15)
    assert latency.failure_ratio == 0
    assert dict(zip(latency.values_ms.tolist(), latency.weights.tolist(), strict=True)) == pytest.approx({10: 0.4, 15: 0.2, 20: 0.4})


def test_comonotone_pairs_quantile_with_quantile():
    weights, one, two = comonotone(sampled([1.0, 2.0]), sampled([10.0, 20.0, 30.0]))
    pairs = sorted(zip(one.tolist(), two.tolist(), weights.tolist(), strict=True))
    assert [(a, b) for a, b, _ in pairs] == [(1, 10), (1, 20), (2, 20), (2, 30)]
    assert [w for *_, w in pairs] == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])


def test_comonotone_keeps_both_distributions():
    one, two = Latency.from_quantiles({0.5: 50, 0.99: 90}), sampled(np.random.default_rng(1).lognormal(4, 1, 999))
    weights, a, b = comonotone(one, two)
    assert weights.sum() == pytest.approx(1)
    assert (weights @ a, weights @ b) == pytest.approx((one.mean_ms, two.mean_ms), rel=1e-9)
    assert (np.diff(a) >= 0).all()
    assert (np.diff(b) >= 0).all()


# ---- one mix ----

SPEED = {0: 100.0, 1: 400.0, 2: 1600.0}


def tally(counts, rng, factor=1.0, errors=0):
    """Successes per (band, quarter); how long one takes depends on its band alone."""
    draws = {mix: SPEED.get(mix[0], 300.0) * factor * rng.lognormal(0, 0.1, n) for mix, n in counts.items()}
    mixes = {mix: Stratum(latency=LatencyHistogram.from_ms(ms)) for mix, ms in draws.items()}
    latency = LatencyHistogram.from_ms(np.concatenate(list(draws.values())))
    return Tally(requests=latency.n + errors, errors=errors, latency=latency, mixes=mixes)


def test_a_router_that_sends_the_edge_the_easy_ones_is_seen_through():
    rng = np.random.default_rng(8)
    cloud = tally({(0, 1): 500, (1, 1): 500, (2, 1): 1000}, rng)
    edge = tally({(0, 1): 1500, (1, 1): 400, (2, 1): 100}, rng, errors=20)
    assert Latency.of(edge.latency, 0).mean_ms < 0.35 * Latency.of(cloud.latency, 0).mean_ms
    one, two, report = same_mix(cloud, edge)
    assert report.differs
    assert report.reweighted
    assert report.covered == (1.0, 1.0)
    assert report.by == ("output tokens", "quarter of the day")
    # 1000/2000 - 100/2000 of the long ones would have to move, and 100/2000 of the middling
    assert report.distance == pytest.approx(0.5)
    # pooled mix: 2,000, 900 and 1,100 of 4,000 at means of 100, 400, 1600 x e^(0.01/2): 590.0 x 1.005
    assert one.mean_ms == pytest.approx(583.0, rel=0.03)
    assert two.mean_ms == pytest.approx(one.mean_ms, rel=0.02)
    assert two.quantile(0.5) == pytest.approx(one.quantile(0.5), rel=0.15)
    assert two.failure_ratio == pytest.approx(20 / 2020)
    assert two.n == int(100 / (1100 / 4000))  # 100 long ones stand for 27.5 %


def test_one_mix_is_left_alone():
    rng = np.random.default_rng(9)
    one, two = tally({(0, 0): 800, (1, 0): 210}, rng), tally({(0, 0): 390, (1, 0): 105}, rng, factor=0.5)
    first, second, report = same_mix(one, two)
    assert not report.differs
    assert report.comparable
    assert not report.reweighted
    assert (first.n, second.n) == (1010, 495)
    assert second.mean_ms == pytest.approx(two.latency.mean_ms)


def test_small_samples_differ_by_chance():
    rng = np.random.default_rng(10)
    _, _, report = same_mix(tally({(0, 0): 12, (1, 0): 8}, rng), tally({(0, 0): 8, (1, 0): 12}, rng))
    assert report.distance == pytest.approx(0.2)
    assert not report.differs


def test_samples_with_little_in_common_cannot_be_compared():
    rng = np.random.default_rng(11)
    one, two = tally({(0, 0): 600, (2, 0): 400}, rng), tally({(0, 0): 1000, (1, 3): 10}, rng)
    first, _, report = same_mix(one, two)
    assert not report.comparable
    assert not report.reweighted
    assert report.covered == pytest.approx((0.6, 1000 / 1010))
    assert "too little to compare" in report.notes[-1]
    assert first.n == 1000


def test_what_one_sample_does_not_tell_is_not_compared():
    rng = np.random.default_rng(12)
    told, untold = tally({(0, 1): 500, (1, 2): 500}, rng), tally({(0, -1): 500, (1, -1): 520}, rng)
    _, _, report = same_mix(told, untold)
    assert report.by == ("output tokens",)
    assert not report.differs
    assert "quarter of the day" in report.notes[0]
    _, _, report = same_mix(told, tally({(-1, -1): 500}, rng))
    assert (report.by, report.distance, report.differs) == ((), None, False)
    assert len(report.notes) == 2


def test_time_to_first_token_has_its_own_strata():
    rng = np.random.default_rng(13)

    def streamed(shares):
        strata = {(band, 0): Stratum(ttft=LatencyHistogram.from_ms(rng.normal(10 * (band + 1), 0.1, n))) for band, n in enumerate(shares)}
        whole = LatencyHistogram()
        for stratum in strata.values():
            whole += stratum.ttft
        return Tally(requests=whole.n, ttft=whole, mixes=strata)

    one, two, report = same_mix(streamed((900, 100)), streamed((100, 900)), "ttft")
    assert report.reweighted
    assert (one.mean_ms, two.mean_ms) == pytest.approx((15, 15), rel=0.01)


# ---- days ----


def by_day(rng, days, n, spread):
    """``days`` of ``n`` requests each; a day's own factor is lognormal with this sigma."""
    draws = {day: 100 * rng.lognormal(0, spread) * rng.lognormal(0, 0.3, n) for day in range(days)}
    strata = {day: Stratum(latency=LatencyHistogram.from_ms(ms)) for day, ms in draws.items()}
    whole = LatencyHistogram.from_ms(np.concatenate(list(draws.values())))
    return Tally(requests=whole.n, latency=whole, days=strata)


def test_alike_days_rest_on_the_plain_interval():
    spread = over_days(by_day(np.random.default_rng(1), 14, 500, 0.0), 0.95)
    assert spread.days == 14
    assert not spread.differ
    assert spread.deciding == spread.plain


def test_days_that_differ_widen_the_interval_until_it_covers():
    rng = np.random.default_rng(2)
    plain = wide = differ = 0
    for _ in range(200):
        spread = over_days(by_day(rng, 20, 400, 0.25), 0.5)
        differ += spread.differ
        plain += spread.plain[0] <= 100 <= spread.plain[1]
        wide += spread.deciding[0] <= 100 <= spread.deciding[1]
    assert differ == 200
    assert plain / 200 < 0.5  # requests taken as independent cover far less than they state
    assert wide / 200 >= 0.92


def test_days_alike_raise_few_alarms():
    rng = np.random.default_rng(3)
    assert sum(over_days(by_day(rng, 10, 200, 0.0), 0.5).differ for _ in range(300)) <= 12  # 1 % stated


def test_one_day_says_nothing_of_days_and_two_say_little():
    rng = np.random.default_rng(4)
    assert over_days(by_day(rng, 1, 500, 0.2), 0.5) is None
    assert over_days(Tally(), 0.5) is None
    spread = over_days(by_day(rng, 2, 5000, 0.5), 0.5)
    assert spread.differ
    assert spread.deciding == (None, None)


def test_days_are_not_told_apart_within_one_bucket():
    # 300.2 and 300.4 ms share a bucket, so their difference is below what strata keep
    days = {day: Stratum(latency=LatencyHistogram.from_ms(np.full(500, 300.2 + 0.2 * (day % 2)))) for day in range(10)}
    whole = LatencyHistogram.from_ms(np.repeat([300.2, 300.4], 2500))
    assert whole.keys.size == 1
    assert not over_days(Tally(requests=5000, latency=whole, days=days), 0.5).differ


def test_weights_that_round_to_more_than_1_are_still_a_distribution() -> None:
    """The sum passes 1 by less than what is taken for rounding, one atom before the last."""
    one = Latency(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5 + 1e-10, 1e-17]))
    assert [*one.cumulative] == [0.5, 1.0, 1.0]
    weights, left, right = comonotone(one, Latency.constant(5.0))
    assert (weights.sum(), left.max(), {*right.tolist()}) == (pytest.approx(1.0), 2.0, {5.0})
