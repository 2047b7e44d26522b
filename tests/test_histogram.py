"""The guarantee is the test: every quantile within 0.1 % of the exact nearest rank, mean, least and greatest exact, merges lawful."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeroi.histogram import LONGEST_MS, LatencyHistogram, bucket_keys, nearest_rank

QUANTILES = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)

DISTRIBUTIONS = {
    "constant": lambda rng, n: np.full(n, 812.0),
    "uniform": lambda rng, n: rng.uniform(0, 2000, n),
    "exponential": lambda rng, n: rng.exponential(170, n),
    "normal": lambda rng, n: np.abs(rng.normal(500, 20, n)),
    "lognormal": lambda rng, n: rng.lognormal(5, 1, n),
    "heavy tail": lambda rng, n: np.minimum(10 * (1 + rng.pareto(1.1, n)), 1e9),
    "bimodal": lambda rng, n: np.where(rng.random(n) < 0.98, rng.normal(20, 0.5, n), rng.normal(1300, 40, n)).clip(0),
    "microseconds": lambda rng, n: rng.lognormal(-6, 1, n),
    "hours": lambda rng, n: rng.uniform(3.6e6, 3.6e7, n),
    "whole ms": lambda rng, n: rng.integers(1, 500, n).astype(float),
    "with zeros": lambda rng, n: rng.choice([0.0, 0.0, 3.5, 1e-6, 40.0], n),
    "powers of two": lambda rng, n: 2.0 ** rng.integers(-10, 30, n),
}


def exact_nearest_rank(values, p):
    return float(np.sort(values)[max(1, math.ceil(Fraction(str(p)) * len(values))) - 1])


@pytest.mark.parametrize("n", [1, 2, 99, 100, 1000, 20_000])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_quantile_is_within_a_thousandth(name, n):
    ns = np.rint(DISTRIBUTIONS[name](np.random.default_rng(n), n) * 1e6).astype(np.int64)
    held = LatencyHistogram.from_ns(ns)
    for p in QUANTILES:
        exact = exact_nearest_rank(ns, p) / 1e6
        assert abs(held.quantile(p) - exact) <= exact / 1024
    assert held.n == n
    assert held.min_ms == ns.min() / 1e6
    assert held.max_ms == ns.max() / 1e6
    assert held.mean_ms == pytest.approx(sum(map(int, ns)) / n / 1e6, rel=1e-15)


def test_a_thousandth_is_nearly_reached_so_the_bound_is_not_idle():
    # one step of 1/1024 above a power of two: the two ends of a bucket, with its mean between them
    ns = np.array([2**30, 2**30 + 2**20 - 1] * 50, np.int64)
    held = LatencyHistogram.from_ns(np.append(ns, [2**29, 2**31]))
    assert held.keys.size == 3
    assert abs(held.quantile(0.25) - 2**30 / 1e6) / (2**30 / 1e6) == pytest.approx(1 / 2048, rel=1e-3)


def test_a_bucket_is_at_most_a_1024th_wide_and_keys_rise():
    ns = np.unique(np.random.default_rng(5).integers(1, 2**53, 200_000))
    keys = bucket_keys(ns)
    assert (np.diff(keys) >= 0).all()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    last = np.append(first[1:], ns.size) - 1
    assert ((ns[last] - ns[first]) / ns[first] <= 1 / 1024).all()
    assert bucket_keys(np.array([0, 1])).tolist()[0] == 0
    assert bucket_keys(np.array([0, 1]))[1] > 0


durations = st.lists(st.integers(0, 2**45), max_size=60)


@given(durations, durations, durations)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_merging_is_order_free_and_is_the_histogram_of_all(one, two, three):
    a, b, c = (LatencyHistogram.from_ns(np.array(part, np.int64)) for part in (one, two, three))
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + b + c == LatencyHistogram.from_ns(np.array(one + two + three, np.int64))
    assert a + LatencyHistogram() == a


def test_unlike_histograms_are_unequal():
    held = LatencyHistogram.from_ms(np.array([1.0, 2.0]))
    assert held != LatencyHistogram.from_ms(np.array([1.0, 2.0, 2.0]))
    assert held != LatencyHistogram.from_ms(np.array([1.0, 2.000001]))
    assert held != "something else"


def test_no_data_is_none_never_zero():
    nothing = LatencyHistogram()
    assert nothing.n == 0
    assert (nothing.mean_ms, nothing.min_ms, nothing.max_ms, nothing.quantile(0.5), nothing.share_above(0)) == (None,) * 5
    assert nothing.interval(0.5) == (None, None)
    assert not nothing.estimable(0.5)
    assert LatencyHistogram.from_ms(np.array([])) == nothing


@pytest.mark.parametrize("p", [0, -0.5, 1.5])
def test_a_quantile_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match="outside"):
        LatencyHistogram.from_ms(np.array([1.0])).quantile(p)


@pytest.mark.parametrize("rank", [0, 4])
def test_a_rank_outside_the_sample_is_refused(rank):
    with pytest.raises(ValueError, match="outside"):
        LatencyHistogram.from_ms(np.array([1.0, 2.0, 3.0])).at_rank(rank)


def test_nearest_rank_is_exact_where_floats_are_not():
    # 0.99 * 100 is 99 and not 100; the article takes index int(0.99 * 100) = 99, the maximum
    assert [nearest_rank(0.99, n) for n in (100, 101, 200, 1000)] == [99, 100, 198, 990]
    assert nearest_rank(0.07, 100) == 7  # 0.07 * 100 is 7.000000000000001 in floats
    assert nearest_rank(0.5, 4) == 2
    assert LatencyHistogram.from_ms(np.arange(1.0, 5.0)).quantile(0.5) == 2.0


def test_percentiles_are_pooled_not_averaged():
    # 1,000 requests (900 at 100 ms, 100 at 2,000 ms) and 100 at 100 ms: p95s are 2,000 and 100; of all of them it is 2,000
    one = LatencyHistogram.from_ms(np.repeat([100.0, 2000.0], [900, 100]))
    two = LatencyHistogram.from_ms(np.full(100, 100.0))
    assert (one.quantile(0.95), two.quantile(0.95), (one + two).quantile(0.95)) == (2000, 100, 2000)


def test_share_above_counts_strictly_above():
    held = LatencyHistogram.from_ms(np.array([10.0, 20.0, 20.0, 40.0]))
    assert held.share_above(20) == 0.25
    assert held.share_above(19.9) == 0.75


def test_sub_microsecond_and_longest_durations_are_held():
    held = LatencyHistogram.from_ms(np.array([1e-6, LONGEST_MS]))
    assert (held.min_ms, held.max_ms) == (1e-6, LONGEST_MS)


def test_interval_ends_are_order_statistics():
    held = LatencyHistogram.from_ms(np.arange(1.0, 1001.0))
    assert held.interval(0.5) == pytest.approx((469, 532), rel=1 / 1024)
    assert held.interval(0.99) == pytest.approx((983, 997), rel=1 / 1024)
    assert LatencyHistogram.from_ms(np.arange(1.0, 101.0)).interval(0.99)[1] is None
