"""Intervals that hold at every look: the exact figures, and what they rest on recomputed with scipy."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import betaln

from edgeroi.anytime import TUNED_TO, anytime_level, log_mixture, normal_mixture, quantile_ranks, share_sequence


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(10, 1000, 0.002075, 0.027942), (100, 10_000, 0.006348, 0.014823), (0, 1000, 0.0, 0.009856)]
)
def test_the_confidence_sequence_of_a_share_has_the_published_ends(hits, n, low, high):
    """The beta-binomial mixture with a uniform prior at 95 %; the last is exact too: (1001 / 0.05)^(-1/1000) from 1 is 0.009856."""
    assert share_sequence(hits, n) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_no_hit_of_a_thousand_is_solved_by_hand():
    """M_n(x) = 1 / (1001 (1 - x)^1000) = 20 at x = 1 - (1 / 20020)^(1/1000)."""
    assert share_sequence(0, 1000)[1] == pytest.approx(1 - (1 / 20_020) ** (1 / 1000), rel=1e-9)


def test_the_evidence_is_that_of_scipy_s_beta_function():
    for hits, n, share in ((3, 40, 0.2), (0, 7, 0.5), (7, 7, 0.5)):
        evidence = betaln(1 + hits, 1 + n - hits) - betaln(1, 1) - hits * math.log(share) - (n - hits) * math.log1p(-share)
        assert log_mixture(hits, n, share) == pytest.approx(evidence, rel=1e-9)


@pytest.mark.parametrize(("n", "p"), [(400, 0.5), (2000, 0.95), (5000, 0.99)])
def test_ranks_are_the_counts_that_the_evidence_allows(n, p):
    allowed = [s for s in range(n + 1) if betaln(1 + s, 1 + n - s) - s * math.log(p) - (n - s) * math.log1p(-p) < math.log(20)]
    low, high = quantile_ranks(n, p)
    assert low == allowed[0]
    assert high == (allowed[-1] + 1 if allowed[-1] < n else None)


def test_too_few_requests_support_no_rank():
    assert quantile_ranks(20, 0.99) == (pytest.approx(17, abs=2), None)


def test_a_true_share_is_left_out_by_some_look_in_few_of_many_sequences():
    """5 % at most over all 2,000 looks at once (Ville); a plain Wilson interval is wrong at some look in most sequences."""
    rng = np.random.default_rng(11)
    hits = np.cumsum(rng.random((2000, 2000)) < 0.03, axis=1)
    n = np.arange(1, 2001)
    evidence = betaln(1 + hits, 1 + n - hits) - hits * math.log(0.03) - (n - hits) * math.log1p(-0.03)
    wrong = (evidence >= math.log(20)).any(axis=1).mean()
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    z = np.abs(hits / n - 0.03) / np.sqrt(0.03 * 0.97 / n)
    assert (z[:, 50:] > 1.96).any(axis=1).mean() > 0.3


@pytest.mark.parametrize(("n", "ratio"), [(1000, 3.2787), (2000, 28.40)])
def test_the_mixture_is_the_published_msprt(n, ratio):
    """d = .1, V = 1, tau^2 = .01: z^2 = n d^2/2V, information = n tau^2/2V; at n = 1,000 a plain test (z 2.236) would already reject."""
    assert normal_mixture(math.sqrt(n * 0.01 / 2), n * 0.01 / 2) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize("clusters", [50, 1000, 40_000])
def test_the_anytime_level_is_where_the_mixture_reaches_twenty(clusters):
    tuned = (5.991464547 + math.log(6.991464547)) / TUNED_TO
    z = optimize.brentq(lambda z: normal_mixture(z, clusters * tuned) - 20, 0.1, 12)
    assert anytime_level(clusters) == pytest.approx(2 * stats.norm.cdf(z) - 1, rel=1e-9)


def test_the_normal_mixture_is_narrowest_near_the_size_it_is_tuned_to():
    levels = {clusters: anytime_level(clusters) for clusters in (100, 500, 1000, 2000, 10_000)}
    assert min(levels, key=levels.get) in (500, 1000, 2000)
