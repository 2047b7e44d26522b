"""Interval statistics, held beside scipy and beside simulation: a stated coverage is a claim."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from edgeroi.histogram import LatencyHistogram
from edgeroi.stats import (
    beta_cdf,
    chi_square_tail,
    clopper_pearson,
    homogeneity_p,
    n_effective,
    n_effective_of_clusters,
    normal_quantile,
    order_statistic_ranks,
    student_quantile,
    total_variation,
    wilson,
)


def ranks_by_scipy(n, p, level=0.95):
    """The definition, rank by rank: largest l with P(B <= l-1) <= a/2, smallest u with P(B <= u-1) >= 1 - a/2."""
    tail = (1 - level) / 2
    cdf = scipy.stats.binom.cdf(np.arange(n), n, p)  # cdf[l-1] = P(B <= l-1)
    lows, highs = np.flatnonzero(cdf <= tail), np.flatnonzero(cdf >= 1 - tail)
    return (int(lows[-1]) + 1 if lows.size else None), (int(highs[0]) + 1 if highs.size else None)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 72, 100, 299, 367, 368, 500, 1000, 2845, 10_000])
def test_ranks_are_those_of_the_binomial(n, p):
    assert order_statistic_ranks(n, p) == ranks_by_scipy(n, p)


@pytest.mark.parametrize(
    ("n", "p", "ranks"),
    [
        (100, 0.5, (40, 61)),
        (1000, 0.5, (469, 532)),
        (1000, 0.95, (936, 964)),
        (368, 0.99, (360, 368)),
        (500, 0.99, (490, 500)),
        (1000, 0.99, (983, 997)),
        (2000, 0.99, (1971, 1989)),
        (10_000, 0.99, (9880, 9920)),
    ],
)
def test_published_ranks(n, p, ranks):
    assert order_statistic_ranks(n, p) == ranks


@pytest.mark.parametrize(("p", "least"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_least_sample_of_a_quantile(p, least):
    assert None not in order_statistic_ranks(least, p)
    assert None in order_statistic_ranks(least - 1, p)
    assert order_statistic_ranks(0, p) == (None, None)


def test_p99_interval_of_500_lognormals_covers_what_it_states():
    rng = np.random.default_rng(20261122)
    truth = np.exp(scipy.stats.norm.ppf(0.99))
    samples = np.sort(rng.lognormal(size=(4000, 500)), axis=1)
    low, high = order_statistic_ranks(500, 0.99)
    covered = ((samples[:, low - 1] <= truth) & (truth <= samples[:, high - 1])).mean()
    stated = scipy.stats.binom.cdf(high - 1, 500, 0.99) - scipy.stats.binom.cdf(low - 1, 500, 0.99)
    assert stated == pytest.approx(0.9802, abs=1e-4)
    assert covered == pytest.approx(0.983, abs=0.008)


def test_coverage_survives_the_histogram():
    rng = np.random.default_rng(7)
    truth = 100 * np.exp(scipy.stats.norm.ppf(0.95))
    within = 0
    for _ in range(300):
        low, high = LatencyHistogram.from_ms(100 * rng.lognormal(size=400)).interval(0.95)
        within += low <= truth <= high
    assert within / 300 >= 0.93


def test_worked_intervals_of_a_share():
    assert wilson(10, 1000) == pytest.approx((0.005441, 0.018309), abs=5e-7)
    assert clopper_pearson(10, 1000) == pytest.approx((0.004806, 0.018313), abs=5e-7)
    # rule of three: the one-sided 95 % bound of 0 in 1,000 is 1 - 0.05**(1/1000), the two-sided 90 % upper end
    assert clopper_pearson(0, 1000, 0.90) == pytest.approx((0, 0.002991), abs=5e-7)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (1, 50), (7, 19), (146, 2845), (9_950, 10_000)])
@pytest.mark.parametrize("level", [0.90, 0.95, 0.99])
def test_intervals_of_a_share_are_scipys(hits, n, level):
    test = scipy.stats.binomtest(hits, n)
    assert wilson(hits, n, level) == pytest.approx(tuple(test.proportion_ci(level, "wilson")), abs=1e-12)
    assert clopper_pearson(hits, n, level) == pytest.approx(tuple(test.proportion_ci(level, "exact")), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_no_share_is_refused(hits, n):
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, n)
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(hits, n)


def test_special_functions_are_scipys():
    rng = np.random.default_rng(3)
    for a, b, x in zip(rng.uniform(0.5, 3000, 200), rng.uniform(0.5, 3000, 200), rng.uniform(0, 1, 200), strict=True):
        assert beta_cdf(x, a, b) == pytest.approx(scipy.stats.beta.cdf(x, a, b), rel=1e-8, abs=1e-14)
    for degrees in (1, 2, 3, 4, 6, 27, 200):
        for p in (0.5, 0.9, 0.975, 0.995):
            assert student_quantile(p, degrees) == pytest.approx(scipy.stats.t.ppf(p, degrees), rel=1e-9, abs=1e-9)
        for statistic in (0.0, 0.3, degrees, 3 * degrees, 60.0):
            assert chi_square_tail(statistic, degrees) == pytest.approx(scipy.stats.chi2.sf(statistic, degrees), rel=1e-9)
    assert normal_quantile(0.75) == pytest.approx(0.67449, abs=5e-6)


def test_sample_ratio_mismatch_figures():
    # 5150/4850 against an even split: chi-square (150^2 + 150^2)/5000 = 9.0; 5200/4800: 16.0
    assert chi_square_tail(9.0, 1) == pytest.approx(0.0027, abs=5e-5)
    assert chi_square_tail(16.0, 1) == pytest.approx(6.3e-5, abs=5e-7)


def test_homogeneity_is_the_chi_square_test_of_a_table():
    one, two = np.array([120.0, 80, 40]), np.array([90.0, 110, 50])
    expected = scipy.stats.chi2_contingency(np.stack((one, two)), correction=False).pvalue
    assert homogeneity_p(one, two) == pytest.approx(expected, rel=1e-12)


def test_thin_cells_are_thrown_together_and_one_cell_tells_nothing():
    one, two = np.array([500.0, 400, 1, 0, 2]), np.array([450.0, 450, 0, 1, 1])
    together = np.array([[500.0, 400, 3], [450, 450, 2]])
    assert homogeneity_p(one, two) == pytest.approx(scipy.stats.chi2_contingency(together, correction=False).pvalue, rel=1e-12)
    assert homogeneity_p(np.array([10.0]), np.array([99.0])) == 1.0
    assert homogeneity_p(np.array([1.0, 1.0]), np.array([0.0, 2.0])) == 1.0


def test_homogeneity_alarms_as_often_as_it_says():
    rng = np.random.default_rng(11)
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    alarms = [homogeneity_p(*(rng.multinomial(n, shares).astype(float) for n in (900, 400))) < 0.05 for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)


def test_total_variation_is_the_share_that_would_have_to_move():
    assert total_variation(np.array([70.0, 30.0]), np.array([2.0, 3.0])) == pytest.approx(0.3)
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 9.0])) == 1.0


def test_correlated_requests_are_worth_less():
    assert 20_000 / n_effective(20_000, 20, 0.3) == pytest.approx(6.7)  # 1 + 19 * 0.3
    alike = np.full(20, 50.0), np.full(20, 1000.0)
    assert n_effective_of_clusters(*alike) == 20_000
    # half of the days all slow, half all fast: 20 days are worth 20 draws less the t factor, not 20,000
    split = np.repeat([0.0, 1000.0], 10), np.full(20, 1000.0)
    t = scipy.stats.t.ppf(0.975, 19)
    # between = 20/19 * 20 * 500^2 / 20000^2, binomial = 0.25 / 20000: design effect = 20000/19, so n = 19 (1.96/t)^2
    assert n_effective_of_clusters(*split) == pytest.approx(19 * (1.959964 / t) ** 2, rel=1e-5)
