"""Counting: against plain Python over the same requests, and the laws by which counts add up.

Each test asks both ways of counting, the part in C and numpy, and one compares the two bucket for bucket.
"""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeroi import compiled
from edgeroi.census import Census, exact_sums, partial_of, token_band
from edgeroi.errors import EdgeroiError
from edgeroi.request import NO_INSTANT, Batch, Labels, LineCount, joined
from edgeroi.workload import OTHER, Partial, Tally, folded, over_limit, regrouped

pytestmark = pytest.mark.usefixtures("way")

NS_PER_DAY = 86_400 * 10**9
NOON = 20_000 * NS_PER_DAY + NS_PER_DAY // 2


def batch(rng, n, unknown=0.2):
    def number(values):
        return np.where(rng.random(n) < unknown, np.nan, values)

    latency = np.round(rng.lognormal(6, 1.5, n), 3)
    latency[rng.random(n) < 0.05] = 0.0
    failed = rng.random(n) < 0.2
    return Batch(
        n,
        failed,
        {
            "latency_ms": np.where(failed, number(latency), latency),
            "ttft_ms": number(latency * 0.3),
            "network_ms": number(latency * 0.4),
            "output_tokens": number(rng.integers(0, 3000, n).astype(float)),
            "cost_usd": number(rng.random(n)),
            "streamed": number((rng.random(n) < 0.5).astype(float)),
        },
        {"workload": Labels.of(rng.choice(["chat", "search", None], n).tolist(), n)},
        np.where(rng.random(n) < unknown, NO_INSTANT, NOON + rng.integers(-3 * NS_PER_DAY, 3 * NS_PER_DAY, n)),
    )


def rows(told):
    """The requests one by one, as plain Python."""
    for row in range(told.n):
        code = told.labels["workload"].codes[row]
        numbers = {column: float(values[row]) for column, values in told.numbers.items() if not math.isnan(values[row])}
        at = int(told.instants[row])
        key = (None if code < 0 else told.labels["workload"].names[code],)
        yield key, bool(told.failed[row]), numbers, None if at == NO_INSTANT else at


def ns(milliseconds):
    return round(milliseconds * 1e6)


def test_every_cell_is_what_plain_counting_says():
    told = batch(np.random.default_rng(7), 4000)
    partial = partial_of(told, ("workload",))
    groups = defaultdict(list)
    for key, failed, numbers, at in rows(told):
        groups[key].append((failed, numbers, at))
    assert partial.tallies.keys() == groups.keys()
    for key, requests in groups.items():
        tally = partial.tallies[key]
        good = [(numbers, at) for failed, numbers, at in requests if not failed]
        assert (tally.requests, tally.errors) == (len(requests), len(requests) - len(good))
        _assert_held(tally.latency, [ns(numbers["latency_ms"]) for numbers, _ in good])
        _assert_held(tally.ttft, [ns(numbers["ttft_ms"]) for numbers, _ in good if "ttft_ms" in numbers])
        _assert_held(tally.network, [ns(numbers["network_ms"]) for numbers, _ in good if "network_ms" in numbers])
        _assert_held(tally.failure, [ns(numbers["latency_ms"]) for failed, numbers, _ in requests if failed and "latency_ms" in numbers])
        served = [numbers["latency_ms"] - numbers["network_ms"] for numbers, _ in good if "network_ms" in numbers]
        _assert_held(tally.served, [ns(value) for value in served])
        for column, unit in (("output_tokens", 1), ("cost_usd", 10**12)):
            values = [round(numbers[column] * unit) for _, numbers, _ in requests if column in numbers]
            assert (tally.sums[column].total, tally.sums[column].n) == (sum(values), len(values))
        assert tally.streamed.total == sum(numbers.get("streamed", 0) for _, numbers, _ in requests)
        dated = [at for _, _, at in requests if at is not None]
        assert (tally.first_ns, tally.last_ns) == (min(dated), max(dated))
        for hour, busy in tally.hours.items():
            inside = [numbers for _, numbers, at in requests if at is not None and at // (3600 * 10**9) == hour]
            assert busy.requests == len(inside)
            assert busy.busy_ns == sum(ns(numbers.get("latency_ms", 0)) for numbers in inside)
        assert sum(busy.requests for busy in tally.hours.values()) == len(dated)
        _assert_strata(tally, good)


def test_both_ways_count_the_same(way, monkeypatch):
    """Bucket for bucket, hour for hour, sum for sum: also of latencies over the whole range, and of one request."""
    if way == "numpy":
        pytest.skip("both are asked at once")
    rng = np.random.default_rng(11)
    told = [batch(rng, n, unknown) for n, unknown in ((1, 0.0), (1, 1.0), (5000, 0.3), (0, 0.0), (20_000, 0.0))]
    wild = {"latency_ms": 10 ** rng.uniform(-6, 9.9, 3000), "quality": rng.uniform(-5, 5, 3000), "cost_usd": np.full(3000, 1e6)}
    told.append(Batch(3000, np.zeros(3000, np.bool_), wild, {"workload": Labels.of(map(str, rng.integers(0, 900, 3000)), 3000)}))
    told.append(Batch(2, np.array([False, True]), {"latency_ms": np.array([0.0, 2**53 / 1e6])}))
    here = [partial_of(each, ("workload",)) for each in told]
    monkeypatch.setattr(compiled, "part", None)
    assert here == [partial_of(each, ("workload",)) for each in told]


def test_the_part_in_c_refuses_what_is_no_stratum_and_no_duration(way):
    """Nothing hands it such things; if something did, it would be told and not count them somewhere."""
    if way == "numpy":
        pytest.skip("numpy has no such doors")
    cells, one = compiled.part.Cells(0), np.ones(1)
    for strata, ms in ((np.array([1 << 41]), one), (np.array([0]), np.array([-1.0])), (np.array([0]), np.array([np.inf]))):
        with pytest.raises(ValueError, match="no duration, or no stratum"):
            cells.add(strata, ms)
    with pytest.raises(ValueError, match="does not hold"):
        cells.add(np.array([0, 1]), one)
    with pytest.raises(ValueError, match="no group"):
        compiled.part.sums(np.array([3]), one, 1.0, np.zeros((3, 3), np.int64))
    with pytest.raises(ValueError, match="no amount"):
        compiled.part.sums(np.array([0]), one, 1e300, np.zeros((3, 3), np.int64))
    assert cells.held() == (b"", b"", b"")


def _assert_strata(tally, good):
    days, mixes = defaultdict(list), defaultdict(list)
    for numbers, at in good:
        band = -1 if "output_tokens" not in numbers else (int(numbers["output_tokens"]).bit_length() + 1) // 2
        quarter = -1 if at is None else at % NS_PER_DAY // (NS_PER_DAY // 4)
        mixes[band, quarter].append(ns(numbers["latency_ms"]))
        if at is not None:
            days[at // NS_PER_DAY].append(ns(numbers["latency_ms"]))
    for strata, expected in ((tally.days, days), (tally.mixes, mixes)):
        assert {key for key, stratum in strata.items() if stratum.latency.n} == expected.keys()
        for key, durations in expected.items():
            _assert_held(strata[key].latency, durations, 1 / 64)
            assert not (strata[key].latency.keys & 15).any()


def _assert_held(histogram, durations, width=1 / 1024):
    """The histogram holds just these durations: their number, sum and ends exactly, each rank within the width of a bucket."""
    assert histogram.n == len(durations)
    if not durations:
        return
    assert (histogram.least_ns, histogram.most_ns) == (min(durations), max(durations))
    assert int(histogram.sums_ns.sum()) == sum(durations)
    values = np.repeat(histogram.values_ms * 1e6, histogram.counts)
    assert np.allclose(values, sorted(durations), rtol=width, atol=1e-6)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), min_size=1, max_size=5))
@settings(max_examples=60)
def test_where_batches_are_cut_does_not_matter(seed, cuts):
    rng = np.random.default_rng(seed)
    parts = [batch(rng, n) for n in cuts]
    census = Census(("workload",))
    for part in parts:
        census.add(part)
    apart = [partial_of(part, ("workload",)) for part in parts]
    together = partial_of(joined(parts), ("workload",))
    assert census.partial() == together
    assert sum(apart, Partial(("workload",))) == together
    assert sum(reversed(apart), Partial(("workload",))) == together


@given(st.lists(st.integers(0, 2**53), max_size=50), st.integers(1, 4))
def test_sums_are_exact(values, n):
    ids = np.arange(len(values)) % n
    expected = [sum(values[place::n]) for place in range(n)]
    assert exact_sums(ids, np.array(values, np.float64), n).tolist() == expected


def test_huge_counts_do_not_overflow():
    tokens = np.full(5000, 2.0**53 - 1)
    told = Batch(5000, np.zeros(5000, np.bool_), {"latency_ms": np.ones(5000), "output_tokens": tokens})
    assert partial_of(told, ()).tallies[()].sums["output_tokens"].total == 5000 * (2**53 - 1)


def test_bands_are_powers_of_four():
    tokens = [np.nan, 0, 1, 3, 4, 15, 16, 63, 64, 4**10 - 1, 4**10]
    assert token_band(np.array(tokens)).tolist() == [-1, 0, 1, 1, 2, 2, 3, 3, 4, 10, 11]


def test_wild_spreads_take_the_same_way_home():
    rng = np.random.default_rng(3)
    n = 20_000
    latency = 10 ** rng.uniform(-5, 9, n)
    told = Batch(n, np.zeros(n, np.bool_), {"latency_ms": latency}, {"workload": Labels.of(map(str, rng.integers(0, 700, n)), n)})
    partial = partial_of(told, ("workload",))
    assert sum(tally.latency.n for tally in partial.tallies.values()) == n
    whole = sum(partial.tallies.values(), Tally()).latency
    _assert_held(whole, sorted(round(value * 1e6) for value in latency.tolist()))


def test_an_explosion_of_groups_is_refused():
    n = 30_000
    told = Batch(n, np.zeros(n, np.bool_), {"latency_ms": np.ones(n)}, {"request_id": Labels.of(map(str, range(n)), n)})
    with pytest.raises(EdgeroiError, match="more than 20,000 groups by request_id"):
        Census(("request_id",)).add(told)


def test_the_rarest_groups_are_folded_and_nothing_is_lost():
    n = 5_000
    names = [str(place % (2500 if place < 2500 else 100)) for place in range(n)]
    told = Batch(n, np.zeros(n, np.bool_), {"latency_ms": np.ones(n)}, {"user_id": Labels.of(names, n)})
    few = folded(partial_of(told, ("user_id",)), 2000)
    assert len(few.tallies) == 2000
    assert sum(tally.requests for tally in few.tallies.values()) == n
    assert few.tallies[(OTHER,)].requests == 501
    assert few.tallies[("7",)].requests == 26


def test_regrouping_loses_nothing():
    partial = partial_of(batch(np.random.default_rng(1), 500), ("workload", "placement"))
    assert regrouped(partial, ()).tallies[()] == sum(partial.tallies.values(), Tally())
    with pytest.raises(ValueError, match="not by"):
        regrouped(partial, ("model",))


@pytest.mark.parametrize(
    ("read", "rejected", "limit", "over"),
    [(100, 10, None, False), (100, 11, None, True), (2000, 20, None, False), (2000, 21, None, True), (100, 1, 0, True), (5, 0, 0, False)],
)
def test_the_limit_of_rejects(read, rejected, limit, over):
    assert over_limit(LineCount(read, 0, read - rejected, {"bad_json": rejected}), limit) is over


def test_a_cut_tail_is_not_held_against_the_limit():
    assert not over_limit(LineCount(1, 0, 0, {"truncated_tail": 1}), 0)
