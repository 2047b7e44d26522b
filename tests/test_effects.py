"""The effect of one arm against another: each interval against a value worked by hand or by scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from edgeroi.effects import (
    UNKNOWN,
    Clusters,
    Doubt,
    Ends,
    Mean,
    Quantile,
    Ranked,
    Share,
    correlation,
    detectable,
    difference,
    effect,
    p_value,
)
from edgeroi.histogram import LatencyHistogram
from edgeroi.stats import benjamini_hochberg, ratio_of_clusters


def draws(seed, n, scale=1.0):
    return scale * np.random.default_rng(seed).lognormal(4, 0.5, n)


# --- one arm's number ---


@pytest.mark.parametrize(("p", "n", "low", "high"), [(0.5, 1000, 469, 532), (0.95, 1000, 936, 964), (0.99, 2000, 1971, 1989)])
def test_a_quantile_has_the_published_ranks(p, n, low, high):
    values = np.arange(1.0, n + 1)
    ends = Quantile.of(Ranked.of(values[::-1].copy()), p).ends(0.95)
    assert (ends.low, ends.value, ends.high) == (low, math.ceil(p * n), high)


def test_failures_are_slower_than_every_success_and_a_quantile_among_them_is_a_bound():
    durations = np.array([10.0, 20.0, 30.0, 5.0, 400.0])
    ranked = Ranked.of(durations, np.array([False, False, False, True, True]))
    assert ranked.values.tolist() == [10, 20, 30, 30, 400]
    assert not Quantile.of(ranked, 0.6).is_bound
    assert Quantile.of(ranked, 0.8).is_bound
    assert Quantile.of(ranked, 0.8).value == 30  # it failed at 5 ms, and still took longer than any success


def test_an_arm_that_fails_fast_is_not_shown_to_be_fast():
    """5 % of the treated fail within 1 ms: its p99 is unknown, and known to be no less than the slowest success."""
    control, treated = draws(1, 4000), draws(2, 4000)
    failed = np.arange(4000) % 20 == 0
    quick = np.where(failed, 1.0, treated)
    found = effect(Quantile.of(Ranked.of(quick, failed), 0.99), Quantile.of(Ranked.of(control), 0.99), "relative")
    assert found.bounds == (False, True)
    assert math.isnan(found.relative.value)
    assert math.isinf(found.relative.high)
    # The low end is the treated's least p99 over the control's greatest, each at 97.5 %: the treated's rank falls among failures.
    high = np.sort(control)[int(stats.binom.ppf(1 - 0.0125, 4000, 0.99))]
    assert found.relative.low == pytest.approx(treated[~failed].max() / high - 1, rel=1e-9)


def test_buckets_tell_what_their_requests_do():
    values, failed = draws(3, 3000), np.arange(3000) < 60
    sample, failures = LatencyHistogram.from_ms(values[~failed]), LatencyHistogram.from_ms(values[failed][:50])
    counted, listed = Ranked.of_histogram(sample, failures, 60), Ranked.of(values, failed)
    assert counted.n == listed.n == 3000
    assert counted.observed == pytest.approx(listed.observed)
    for p in (0.01, 0.5, 0.95, 0.97):
        assert counted.at(p) == pytest.approx(listed.at(p), rel=1e-3)
    assert counted.is_bound(0.99)


def test_the_delta_method_has_the_worked_variance():
    """y = [10, 20, 30, 40], x = [1, 2, 2, 3]: 100/8 = 12.5; residuals -2.5, -5, 5, 2.5; 4/3 x 62.5 / 64 = 1.302083."""
    ratio, variance = ratio_of_clusters(np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 2, 3]))
    assert (ratio, variance) == (12.5, pytest.approx(1.302083, abs=1e-6))
    mean = Mean.of_clusters(Clusters(np.array([10.0, 20, 30, 40, 0]), np.array([1.0, 2, 2, 3, 0])), np.ones(8))
    half = 3.182446 * math.sqrt(1.302083)  # t of 3 degrees: the empty fifth cluster is another arm's
    assert mean.ends(0.95) == Ends(12.5, pytest.approx(12.5 - half, rel=1e-5), pytest.approx(12.5 + half, rel=1e-5))


def test_a_mean_of_independent_requests_is_students():
    amounts = draws(4, 50)
    low, high = stats.t.interval(0.95, 49, amounts.mean(), amounts.std(ddof=1) / math.sqrt(50))
    assert Mean.of(amounts).ends(0.95) == Ends(pytest.approx(amounts.mean()), pytest.approx(low), pytest.approx(high))


def test_one_user_tells_nothing_of_the_spread():
    mean = Mean.of_clusters(Clusters.of(np.zeros(9, np.int64), 1, np.ones(9)), np.ones(9))
    assert mean.ends(0.95) == Ends(1.0, -math.inf, math.inf)


def test_without_a_hit_every_cluster_counts_once():
    """0 of 4,000 requests by 200 users is 0 of 200 as far as is known: Wilson's high end is z^2/(n + z^2) = 3.8415/203.84."""
    clusters = Clusters.of(np.repeat(np.arange(200), 20), 200, np.zeros(4000))
    assert Share(0, 4000, 4000, clusters).ends(0.95).high == pytest.approx(3.841459 / 203.841459, rel=1e-6)
    # Of 100 requests that weigh 5 and 500 that weigh 0.2 each, 600^2 / (100 x 25 + 500 x 0.04) = 142.857 count.
    weighted = Clusters.of(np.arange(600), 600, np.zeros(600), np.repeat([5.0, 0.2], [100, 500]))
    assert Share(0, 600, 600, weighted).ends(0.95).high == pytest.approx(3.841459 / (142.857143 + 3.841459), rel=1e-6)


# --- two arms ---


def test_two_shares_differ_by_newcombes_interval():
    """Newcombe, Statistics in Medicine 17 (1998), table II, method 10: 56/70 less 48/80 is (0.0524, 0.3339)."""
    found = effect(Share(56, 70, 70), Share(48, 80, 80), "absolute")
    assert found.absolute == Ends(pytest.approx(0.2), pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_the_difference_of_two_estimates_is_the_root_of_squares_less_what_they_have_in_common():
    one, two = Ends(10.0, 7.0, 14.0), Ends(4.0, 1.0, 8.0)
    assert difference(one, two) == Ends(6.0, 6 - 5.0, 6 + 5.0)  # (3, 4) and (4, 3)
    common = difference(one, two, 0.5)
    assert common.low == pytest.approx(6 - math.sqrt(9 + 16 - 12))
    assert difference(one, UNKNOWN).low == -math.inf


def test_relative_is_the_ratio_of_the_arms():
    control, treated = Quantile.of(Ranked.of(draws(5, 3000)), 0.5), Quantile.of(Ranked.of(draws(5, 3000, 0.8)), 0.5)
    found = effect(treated, control, "relative")
    assert found.relative.value == pytest.approx(-0.2)
    assert found.shown
    # MOVER on logarithms: both arms have the same order statistics but for the factor.
    values = np.log(np.sort(draws(5, 3000)))
    centre, low, high = (values[rank - 1] for rank in (1500, 1446, 1555))
    half = math.hypot(centre - low, high - centre)
    assert found.relative.low == pytest.approx(0.8 * math.exp(-half) - 1, rel=1e-6)
    assert found.relative.high == pytest.approx(0.8 * math.exp(half) - 1, rel=1e-6)


def test_pairs_are_worth_what_their_sides_have_in_common():
    rng = np.random.default_rng(6)
    common = rng.normal(size=2000)
    sides = [np.exp(4 + 0.5 * common + 0.1 * rng.normal(size=2000)) for _ in range(2)]
    sides[1] *= 0.98
    pair = np.arange(2000)

    def sample(values, paired):
        ranked = Ranked.of(values)
        return Quantile(ranked, 0.5, 2000, Clusters.of(pair, 2000, (values > ranked.at(0.5)).astype(float)) if paired else None)

    apart, paired = (effect(sample(sides[1], on), sample(sides[0], on), "relative") for on in (False, True))
    phi = np.corrcoef(sides[0] > np.median(sides[0]), sides[1] > np.median(sides[1]))[0, 1]
    assert correlation(sample(sides[1], True).clusters, sample(sides[0], True).clusters) == pytest.approx(phi, abs=0.01)
    shorter = (paired.relative.high - paired.relative.low) / (apart.relative.high - apart.relative.low)
    assert shorter == pytest.approx(math.sqrt(1 - phi), rel=0.05)
    assert paired.shown
    assert not apart.shown


def test_the_p_value_is_the_doubt_at_which_the_interval_lets_go():
    control, treated = Quantile.of(Ranked.of(draws(7, 2000)), 0.5), Quantile.of(Ranked.of(draws(8, 2000, 0.96)), 0.5)
    p = p_value(treated, control, "relative")
    assert effect(treated, control, "relative", Doubt(1 - 1.01 * p)).shown
    assert not effect(treated, control, "relative", Doubt(1 - 0.99 * p)).shown


def test_welchs_p_is_met_where_requests_are_many():
    one, two = draws(9, 5000), draws(10, 5000, 1.015)
    p = p_value(Mean.of(two), Mean.of(one), "absolute")
    assert p == pytest.approx(stats.ttest_ind(two, one, equal_var=False).pvalue, rel=0.02)


def test_what_would_have_been_shown_is_half_the_interval_and_the_power_besides():
    """Means with standard errors 3 and 4: 5 x (1.959964 + 0.841621) at many degrees."""
    one, two = Mean(100.0, 3.0, 10**6, 10**6), Mean(101.0, 4.0, 10**6, 10**6)
    assert detectable(two, one, "absolute") == pytest.approx(5 * 2.801585, rel=1e-4)


def test_without_spread_there_is_no_interval():
    found = effect(Mean(2.0, math.nan, 9, 9), Mean(1.0, math.nan, 9, 9), "relative")
    assert found.relative == Ends(pytest.approx(1.0), -1.0, math.inf)
    assert not found.shown
    assert detectable(Mean(2.0, math.nan, 9, 9), Mean(1.0, math.nan, 9, 9), "relative") is None


def test_benjamini_hochberg_is_scipys():
    p_values = np.array([0.01, 0.04, 0.03, 0.005, 0.6, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p_values), stats.false_discovery_control(p_values))
