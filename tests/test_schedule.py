"""Intended times, blocks and pairs: what is decided before the first request, and what is made of the answers after the last."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Exchange, Stamps
from edgeroi.pairs import by_block, difference
from edgeroi.schedule import NS_PER_S, asked_rate, block_times, interleaved, replayed


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_constant_arrivals_are_evenly_apart() -> None:
    # 8 a second: every 125 ms, and three requests span 250 ms.
    assert block_times(3, 8.0, "constant", rng()).tolist() == [0, 125_000_000, 250_000_000]


def test_poisson_arrivals_are_exponential_and_seeded() -> None:
    times = block_times(20_001, 50.0, "poisson", rng())
    gaps = np.diff(times) / NS_PER_S
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50.0)).pvalue > 0.01
    assert times.tolist() == block_times(20_001, 50.0, "poisson", rng()).tolist()
    assert times.tolist() != block_times(20_001, 50.0, "poisson", rng(6)).tolist()


def test_a_replay_keeps_the_gaps_of_the_log() -> None:
    assert replayed([1_000, 5_000, 2_000]).tolist() == [0, 1_000, 4_000]
    assert replayed([1_000, 5_000, 2_000], speed=2.0).tolist() == [0, 500, 2_000]
    with pytest.raises(EdgeroiError, match="no time"):
        replayed([])


def test_every_block_asks_every_target_the_same_once() -> None:
    times = block_times(200, 10.0, "constant", rng())
    sends = interleaved(times, 3, 7, 5, rng())
    assert len(sends) == 600
    assert [send.at_ns for send in sends] == sorted(send.at_ns for send in sends)
    orders = set()
    for block in range(200):
        mine = [send for send in sends if send.block == block]
        assert sorted(send.target for send in mine) == [0, 1, 2]
        assert {send.payload for send in mine} == {block % 7}
        assert {send.phase for send in mine} == {"warm" if block < 5 else "steady"}
        assert all(times[block] <= send.at_ns < times[block] + 100_000_000 for send in mine)
        orders.add(tuple(send.target for send in mine))
    assert len(orders) == 6  # all orders of three occur
    # 600 sends, a third of 100 ms apart: 30 a second.
    assert asked_rate(sends) == pytest.approx(30.0, rel=1e-6)
    assert asked_rate(sends[:1]) is None


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_that_sends_nothing_is_refused(rate: float) -> None:
    with pytest.raises(EdgeroiError, match="send nothing"):
        block_times(3, rate, "constant", rng())


# --- pairs ---------------------------------------------------------------------------------------------------------------------


def test_a_difference_is_taken_pair_by_pair() -> None:
    one, two = rng(1).normal(100, 30, 60), rng(2).normal(0, 1, 60)
    edge = dict(enumerate(one))
    cloud = {block: one[block] + 5 + two[block] for block in range(1, 60)}  # block 0 was not answered in the cloud
    found = difference(edge, cloud, ("edge", "cloud"))
    assert found is not None
    apart = np.array([edge[block] - cloud[block] for block in range(1, 60)])
    reference = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    assert found.n == 59
    assert found.mean == pytest.approx(apart.mean())
    assert found.mean_interval == pytest.approx((reference.low, reference.high), rel=1e-9)
    assert found.p50 == sorted(apart)[29]  # the 30th of 59
    # The spread of either side alone is 30 ms; pair by pair it is 1 ms, and the interval is narrow.
    assert (found.mean_interval[1] or 0) - (found.mean_interval[0] or 0) < 0.6


def test_the_interval_of_a_mean_difference_covers() -> None:
    covered = 0
    for seed in range(2000):
        apart = rng(seed).exponential(1.0, 40)  # skewed, mean 1
        found = difference(dict(enumerate(apart)), dict.fromkeys(range(40), 0.0), ("a", "b"))
        assert found is not None
        low, high = found.mean_interval
        covered += low is not None and high is not None and low <= 1 <= high
    assert 0.92 <= covered / 2000 <= 0.96  # nominal 95 %; Student's t on 40 of an exponential covers 93 to 94 %


def test_too_few_pairs_have_no_interval_and_none_no_difference() -> None:
    assert difference({1: 2.0}, {2: 3.0}, ("a", "b")) is None
    one = difference({1: 2.0}, {1: 3.5}, ("a", "b"))
    assert one is not None
    assert (one.mean, one.mean_interval, one.p50_interval) == (-1.5, (None, None), (None, None))


def test_failures_and_the_warm_up_are_in_no_pair() -> None:
    def exchange(block: int, **said: object) -> Exchange:
        return Exchange("edge", 0, Stamps(begun=0, last_byte=block * 1_000_000), block=block, **said)  # type: ignore[arg-type]

    told = [exchange(1), exchange(2, error="timeout"), exchange(3, warm=True), exchange(4)]
    assert by_block(told, "edge", "latency_ms") == {1: 1.0, 4: 4.0}
    assert by_block(told, "edge", "ttft_ms") == {}
