"""Dedicated servers: the load hour by hour, the wait for one, and what it does to the verdict."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from judged import decision, judged, scenario, write_log
from scipy.stats import lognorm

from edgeroi.cost import Capacity, Load, servers_needed
from edgeroi.economics import Books
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.latency import Latency, independent_sum
from edgeroi.queueing import Pool
from edgeroi.servers import Rhythm, Servers, rhythm_of
from edgeroi.spec import StatedLatency
from edgeroi.utilisation import Utilisation, utilisation_of
from edgeroi.verdict import Decision, Step
from edgeroi.verdict_report import verdict_report
from edgeroi.workload import Busy

MS_PER_MONTH = 730 * 3_600_000
MONDAY = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp()) // 3600

# ---- the rhythm of requests -------------------------------------------------------------------------------------------------


def test_the_peak_hour_decides_and_not_the_average() -> None:
    """Two days of 24 hours with 100 requests each, but one hour with 2,500: 7,200 in 48 h are 150 an hour, the peak 16.7 times that."""
    hours = {MONDAY + hour: Busy(100) for hour in range(48)} | {MONDAY + 30: Busy(2500)}
    found = rhythm_of(hours)
    assert (found.period, found.peak_at) == ("hour", "3 Nov 06:00 UTC")
    assert found.peak == pytest.approx(2500 / (7200 / 48))
    assert sum(found.shares) == pytest.approx(1)
    assert sum(share / factor for share, factor in zip(found.shares, found.factors, strict=True)) == pytest.approx(1)  # time adds up


def test_hours_without_a_request_count_as_time() -> None:
    """300 requests in each of two hours, ten hours apart: 600 over 11 hours is 54.5 an hour, too few for the hours; 24 h are not told."""
    assert rhythm_of({MONDAY: Busy(300), MONDAY + 10: Busy(300)}).period == "average"
    found = rhythm_of({MONDAY: Busy(3000), MONDAY + 10: Busy(3000)})
    assert found.peak == pytest.approx(3000 / (6000 / 11))


def test_a_thin_log_is_folded_until_chance_does_not_make_the_peak() -> None:
    """A sampled log of four weeks, 20 requests an hour, 60 at 13:00 on every day: an hour of it tells nothing, the hour of the day does."""
    hours = {MONDAY + hour: Busy(60 if hour % 24 == 13 else 20) for hour in range(4 * 168)}
    weekly = rhythm_of({hour: Busy(busy.requests * (2 if hour % 168 < 96 else 1)) for hour, busy in hours.items()})
    assert weekly.period == "hour of the week"
    assert {weekly.peak_at} <= {f"{day} 13:00 UTC" for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
    daily = rhythm_of(dict(list(hours.items())[: 8 * 24]))
    assert (daily.period, daily.peak_at) == ("hour of the day", "13:00 UTC")
    assert daily.peak == pytest.approx(60 / ((23 * 20 + 60) / 24))
    few = rhythm_of({MONDAY + hour: Busy(1) for hour in range(100)})
    assert (few.period, few.peak, few.why) == ("average", 1.0, "100 requests over 100 h are too few to tell one hour from another")


def test_requests_in_progress_by_littles_law() -> None:
    """An hour with 1,800 requests of 4 s holds two at any moment; of a tenth of the requests, twenty."""
    hours = {MONDAY: Busy(1800, 1800 * 4 * 10**9), MONDAY + 1: Busy(900, 900 * 4 * 10**9)}
    assert rhythm_of(hours).in_progress == pytest.approx(2)
    assert rhythm_of(hours, 0.1).in_progress == pytest.approx(20)


def test_a_log_without_timestamps_has_no_hours() -> None:
    assert rhythm_of({}).why == "the log has no timestamps"


# ---- load and wait --------------------------------------------------------------------------------------------------------------


def servers(per_site: int = 1, sites: int = 1, rho: float = 0.5, rhythm: Rhythm = Rhythm(), service_ms: float = 100.0) -> Servers:  # noqa: B008
    requests = rho * per_site * sites * MS_PER_MONTH / service_ms
    stated = StatedLatency(Range.point(service_ms))
    return Servers(sites, per_site, Range.point(requests, "w.requests"), rhythm, stated)


def test_the_load_is_rate_times_service_over_the_sites() -> None:
    """60 M requests a month of 94 ms: 22.8 a second, 2.15 erlangs, at five sites 0.43 each."""
    found = Servers(5, 1, Range.point(60e6), Rhythm(), StatedLatency(Range.point(94.0)))
    assert found.rho({}) == pytest.approx(60e6 / (730 * 3600) * 0.094 / 5)
    assert found.rho({}, 2.0) == pytest.approx(2 * 60e6 / (730 * 3600) * 0.094 / 5)


def test_throughput_counts_a_server_that_works_on_several_at_once() -> None:
    """100 tokens in and 400 out at 2,500 tok/s are 200 ms of a server, whatever the 4 s a person sees."""
    tokens = (Range.point(100), Range.point(400))
    found = Servers(1, 1, Range.point(1e6), Rhythm(), StatedLatency(Range.point(4000.0)), Range.point(2500), tokens)
    assert found.holds_ms({}) == pytest.approx(200)


@pytest.mark.parametrize(("per_site", "rho"), [(1, 0.3), (1, 0.9), (4, 0.8), (20, 0.95), (8, 0.1)])
def test_the_wait_is_erlangs(per_site: int, rho: float) -> None:
    wait, pool = servers(per_site, rho=rho).wait({}), Pool.at(per_site, rho, 100)
    assert wait.mean_ms == pytest.approx(pool.mean_wait, rel=1e-4)
    assert wait.miss_ratio(0.0) == pytest.approx(pool.p_wait, rel=1e-6)
    for p in (0.9, 0.99, 0.999):
        assert wait.quantile(p) == pytest.approx(pool.wait_quantile(p), rel=0.02, abs=1e-9)
    assert wait.basis == "modelled"


def test_the_wait_mixes_the_hours_by_their_requests() -> None:
    """Half of the time at 0.2 and half at 0.8 of the mean's 1: the busy half brings four requests in five."""
    rhythm = Rhythm((0.2, 0.8), (0.4, 1.6), "hour of the day", "13:00 UTC")
    found = servers(rho=0.5, rhythm=rhythm).wait({})
    calm, busy = Pool.at(1, 0.2, 100), Pool.at(1, 0.8, 100)
    assert found.mean_ms == pytest.approx(0.2 * calm.mean_wait + 0.8 * busy.mean_wait, rel=1e-4)
    assert found.mean_ms > Pool.at(1, 0.5, 100).mean_wait * 3
    for t in (50.0, 400.0, 1500.0):
        assert found.miss_ratio(t) == pytest.approx(0.2 * calm.wait_tail(t) + 0.8 * busy.wait_tail(t), rel=0.05)


def test_service_and_wait_together_are_the_sojourn() -> None:
    """An exponential service in fine atoms: the sum has the exact M/M/c quantiles."""
    ends = np.linspace(0, 30, 30_001)
    weights = -np.diff(np.exp(-ends))
    means = (np.exp(-ends[:-1]) * (1 + ends[:-1]) - np.exp(-ends[1:]) * (1 + ends[1:])) / weights
    service = Latency.from_atoms(100 * means, weights)
    for per_site, rho in ((1, 0.7), (5, 0.9), (10, 0.3)):
        whole, pool = independent_sum(service, servers(per_site, rho=rho).wait({})), Pool.at(per_site, rho, 100)
        assert whole.mean_ms == pytest.approx(pool.mean_sojourn, rel=1e-4)
        assert [whole.quantile(p) for p in (0.5, 0.9, 0.99)] == pytest.approx(
            [pool.sojourn_quantile(p) for p in (0.5, 0.9, 0.99)], rel=2e-3
        )


def test_a_sum_of_lognormals_is_their_simulation() -> None:
    one, two = Latency.from_quantiles({0.5: 20, 0.99: 60}, 0.01), Latency.from_quantiles({0.5: 100, 0.99: 900}, 0.02)
    rng = np.random.default_rng(11)
    drawn = sum(
        lognorm.rvs(math.log(p99 / p50) / 2.3263478740, scale=p50, size=2_000_000, random_state=rng) for p50, p99 in ((20, 60), (100, 900))
    )
    found = independent_sum(one, two)
    assert found.failure_ratio == pytest.approx(1 - 0.99 * 0.98)
    assert found.mean_ms == pytest.approx(one.mean_ms + two.mean_ms, rel=1e-9)
    assert [found.quantile(p) for p in (0.5, 0.9, 0.99)] == pytest.approx(np.quantile(drawn, [0.5, 0.9, 0.99]), rel=6e-3)


@pytest.mark.parametrize("rho", [1.0, 1.43])
def test_an_overload_is_said_and_never_a_number(rho: float) -> None:
    full = servers(5, rho=rho)
    with pytest.raises(EdgeroiError, match="the servers cannot carry the load"):
        full.wait({})
    assert full.peak_pool({}) is None


def test_an_overload_in_one_hour_is_one() -> None:
    """60 % busy on average, 150 % at lunch: 3 servers that would need to be 5."""
    full = servers(3, rho=0.6, rhythm=Rhythm((0.5, 0.5), (0.625, 2.5), "hour of the day", "12:00 UTC"))
    assert full.overload({}) == (
        "cannot carry the load: 3 servers would be 150% busy in the fullest hour of the day (12:00 UTC); "
        "state at least 5, or its throughput where a server works on several requests at once"
    )
    assert servers(3, rho=0.6).overload({}) is None


def test_servers_left_to_the_load_are_those_of_the_fullest_hour() -> None:
    """1,000 tok/s on average at 2,500 tok/s: one server; four with an hour eight times as full (8,000 / 2,500 = 3.2)."""
    load = Load(Decimal(730 * 3600), Decimal(1000), Decimal(0))
    assert servers_needed(load, Capacity(None, Decimal(2500))) == 1
    assert servers_needed(load, Capacity(None, Decimal(2500), peak=Decimal(8))) == 4


# ---- in a scenario ----------------------------------------------------------------------------------------------------------------

DEDICATED = """
options:
  cloud: {placement: cloud, price: {request: 0.0005 USD/request}, rtt: 60 ms, service: 100 ms}
  edge:
    placement: edge
    price: {gpu: 0.80 USD/h}
    rtt: 10 ms
    service: 100 ms
    capacity: {sites: 5, per_site: 1}
    assume: {why: so it is said, by: dana}
workloads:
  w:
    requests: REQUESTS /month
    tokens: {input: 100 tok, output: 0 tok}
    options: [cloud, edge]
    runs_on: edge
    value: {waiting: 15 USD/h, why: w, by: b}
"""
#: Five servers of 100 ms carry this many requests a month at full use.
FULL = 5 * MS_PER_MONTH / 100


def dedicated(tmp_path: Path, rho: float, text: str = DEDICATED) -> Decision:
    return decision(tmp_path, text.replace("REQUESTS", f"{rho * FULL:.0f}"))


def usage(found: Decision) -> Utilisation:
    used = utilisation_of(found.books, found.books.candidate)
    assert used is not None
    return used


def step(found: Decision, question: str = "utilisation?") -> Step:
    return next(each for each in found.steps if each.question == question)


def test_the_wait_enters_the_latency(tmp_path: Path) -> None:
    """M/M/1 at 70 %: a mean wait of 233.3 ms on top of 10 ms of network and a constant 100 ms of service."""
    found = dedicated(tmp_path, 0.7)
    assert found.books.after is not None
    assert found.books.after.mean_ms == pytest.approx(110 + 100 * 0.7 / 0.3, rel=1e-4)
    assert found.books.after.quantile(0.99) == pytest.approx(110 + Pool.at(1, 0.7, 100).wait_quantile(0.99), rel=0.01)
    assert found.books.saved is not None
    assert found.books.saved.mean == pytest.approx(160 - 110 - 100 * 0.7 / 0.3, rel=1e-4)
    assert "edge: the wait for a server is modelled (M/M/c at each site, hour by hour): a screening bound" in found.case.notes


def test_a_stated_whole_latency_holds_its_wait(tmp_path: Path) -> None:
    found = dedicated(tmp_path, 0.7, DEDICATED.replace("rtt: 10 ms\n    service: 100 ms", "latency: 110 ms"))
    assert found.books.after is not None
    assert found.books.after.mean_ms == pytest.approx(110)


def test_the_node_shows_rho_the_inversion_and_what_idles(tmp_path: Path) -> None:
    """50 ms saved, 100 ms of service: 1/3 and 50/(50 + 100 ln 100) against a large pool; the five in one place 0.3376 and 0.0979."""
    used = usage(dedicated(tmp_path, 0.25))
    assert (used.average, used.peak, used.network_ms) == pytest.approx((0.25, 0.25, 50))
    large, same = used.inversions
    assert (large.mean, large.p99) == pytest.approx((1 / 3, 50 / (50 + 100 * math.log(100))))
    assert (same.mean, same.p99) == pytest.approx((0.3376, 0.0979), abs=5e-5)
    assert (used.inverted("large", "mean"), used.inverted("large", "p99")) == (False, True)
    assert used.usd_month == pytest.approx(5 * 730 * 0.80)
    assert used.idle_usd_month == pytest.approx(0.75 * 5 * 730 * 0.80)


def test_the_price_of_splitting_in_servers_and_dollars(tmp_path: Path) -> None:
    """4 erlangs at each of 25 sites with 7 servers: 175 against 111 in one pool, 64 more at 0.80 USD/h."""
    text = DEDICATED.replace("{sites: 5, per_site: 1}", "{sites: 25, per_site: 7}").replace("REQUESTS", f"{100 * MS_PER_MONTH / 100:.0f}")
    used = usage(decision(tmp_path, text))
    assert used.split is not None
    assert (used.split.servers, used.split.pooled) == (175, 111)
    assert used.split_usd_month == pytest.approx(64 * 730 * 0.80)


def test_origin_calls_come_off_what_the_edge_saves(tmp_path: Path) -> None:
    """60 - 10 ms less one call of 45: 5 ms; two calls and nothing is left to save, so that any load inverts it."""
    one = usage(dedicated(tmp_path, 0.2, DEDICATED.replace("rtt: 10 ms", "rtt: 10 ms\n    origin_calls: {count: 1, rtt: 45 ms}")))
    assert one.network_ms == pytest.approx(5)
    two = usage(dedicated(tmp_path, 0.2, DEDICATED.replace("rtt: 10 ms", "rtt: 10 ms\n    origin_calls: {count: 2, rtt: 45 ms}")))
    assert [each.mean for each in two.inversions] == [0, 0]


def test_a_serverless_edge_has_no_utilisation(tmp_path: Path) -> None:
    from judged import OPTIONS, TRAFFIC

    found = decision(tmp_path, f"{OPTIONS}workloads:\n  w:\n    {TRAFFIC}\n    runs_on: edge\n")
    assert step(found).evidence == "not applicable: a shared pool's servers and load are unknown"
    assert utilisation_of(found.books, found.books.candidate) is None


def test_an_overloaded_edge_is_impossible_and_fails_the_gate(tmp_path: Path) -> None:
    found = dedicated(tmp_path, 1.2)
    assert (found.verdict, found.decided_by) == ("impossible", "utilisation?")
    assert found.reason.startswith("edge cannot carry the load: 5 servers would be 120% busy; state at least 10")
    assert found.books.after is None
    held = judged(scenario(tmp_path, DEDICATED.replace("REQUESTS", f"{1.2 * FULL:.0f}")), gate=True)
    assert held.gate == "fail"
    assert [(finding.rule, finding.status) for finding in held.scenarios[0].findings] == [("needs", "fail")]


def test_an_overloaded_edge_misses_every_deadline_and_is_never_best(tmp_path: Path) -> None:
    text = DEDICATED + "    needs: {deadline: {p99: 5000 ms}, why: w, by: b}\n"
    found = dedicated(tmp_path, 1.2, text)
    assert (found.verdict, found.reason) == ("not_worth_it", "edge misses p99 < 5000 ms")
    assert found.best == "cloud"


def test_a_throughput_that_the_mean_load_exceeds_is_said_the_same_way(tmp_path: Path) -> None:
    """100 tokens at 1,000 tok/s hold a server for 100 ms."""
    text = DEDICATED.replace("per_site: 1}", "per_site: 1, throughput: 1000 tok/s}")
    found = dedicated(tmp_path, 1.2, text)
    assert (found.verdict, found.decided_by) == ("impossible", "utilisation?")
    assert found.reason.endswith("state at least 10")


def test_a_volume_that_may_overload_leaves_it_undecided(tmp_path: Path) -> None:
    text = DEDICATED.replace("REQUESTS /month", f"{0.5 * FULL / 1e6:.1f}M ({0.4 * FULL / 1e6:.1f}M..{1.5 * FULL / 1e6:.1f}M) /month")
    found = decision(tmp_path, text)
    assert found.verdict == "undecided"
    assert found.reason.startswith("at the high end of its load edge cannot carry the load: 5 servers would be 150% busy")


def test_the_log_gives_the_peak(tmp_path: Path) -> None:
    """40 days of 100 requests an hour, doubled from 12 to 13 h: on average (24 + 1) / 24 of the ordinary hour's rate."""
    ordinary = [80.0] * 100

    def at(hour: int, n: int) -> str:
        return (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hour, seconds=10 * n)).isoformat().replace("+00:00", "Z")

    rows = [(hour, n % 300) for hour in range(2 * 24) for n in range(len(ordinary) * (2 if hour % 24 == 12 else 1))]
    write_log(tmp_path / "log.jsonl", [80.0] * len(rows), timestamp=lambda k: at(*rows[k]), placement="cloud")
    text = "log: log.jsonl\nseen_from: client\n" + DEDICATED.replace("REQUESTS", f"{0.4 * FULL:.0f}").replace("  w:\n", "  search:\n", 1)
    used = usage(decision(tmp_path, text))
    assert used.servers.rhythm.period == "hour"
    assert used.servers.rhythm.peak_at.endswith("12:00 UTC")
    assert used.average == pytest.approx(0.4)
    assert used.peak == pytest.approx(0.4 * 2 / (25 / 24))
    overloaded = decision(tmp_path, text.replace(f"{0.4 * FULL:.0f}", f"{0.6 * FULL:.0f}"))
    assert overloaded.verdict == "impossible"
    assert "115% busy in the fullest hour" in overloaded.reason


def test_without_a_log_the_volume_is_said_to_be_an_average(tmp_path: Path) -> None:
    assert step(dedicated(tmp_path, 0.25)).evidence == (
        "5 servers at 5 sites: 25% busy on average (no log of the whole traffic: a stated volume is an average)"
    )


def test_measured_servers_are_not_guessed_busy(tmp_path: Path) -> None:
    """What a request took there may have shared its server with others: without a throughput, only Little's law is said."""
    text = "log: log.jsonl\nseen_from: client\n" + DEDICATED.replace("REQUESTS", "1M").replace("  w:\n", "  search:\n", 1)
    text = text.replace("    rtt: 10 ms\n    service: 100 ms\n", "")
    write_log(tmp_path / "log.jsonl", [400.0] * 480, days=2, placement="cloud")
    write_log(tmp_path / "log.jsonl", [300.0] * 480, days=2, placement="edge")
    found = decision(tmp_path, text)
    assert found.books.candidate.measured
    assert found.books.after is not None
    assert found.books.after.quantile(0.5) == 300  # no wait is added to what was measured
    evidence = step(found).evidence
    assert evidence.startswith("5 servers at 5 sites: state capacity: throughput, or service, to know how busy; the log has 0.00")
    assert (usage(found).average, usage(found).inversions) == (None, ())


def test_the_baselines_own_servers_are_shown_beside(tmp_path: Path) -> None:
    text = DEDICATED.replace(
        "price: {request: 0.0005 USD/request}, rtt: 60 ms", "price: {gpu: 1 USD/h}, capacity: {servers: 5, sites: 1}, rtt: 60 ms"
    )
    found = dedicated(tmp_path, 0.7, text)
    assert any(line.startswith("cloud: 5 servers: 70% busy on average") for line in step(found).details)
    assert found.books.before is not None
    assert found.books.before.mean_ms == pytest.approx(160 + Pool.at(5, 0.7, 100).mean_wait, rel=1e-4)


def test_the_table_says_where_the_edge_inverts(tmp_path: Path) -> None:
    (row,) = verdict_report(judged(scenario(tmp_path, DEDICATED.replace("REQUESTS", f"{0.7 * FULL:.0f}")))).tables[0].rows
    assert "its servers are 70% busy at the peak: slower on average than one large pool from 33.3% on" in row.detail
    (calm,) = verdict_report(judged(scenario(tmp_path, DEDICATED.replace("REQUESTS", f"{0.05 * FULL:.0f}")))).tables[0].rows
    assert "large pool" not in calm.detail


def test_throughput_may_count_output_alone(tmp_path: Path) -> None:
    """100 tokens in and 400 out at 2,000 output tok/s hold a server for 200 ms; that the input counted too was a slip."""
    text = DEDICATED.replace("per_site: 1}", "per_site: 1, throughput: 2000 tok/s, counts: output}").replace(
        "output: 0 tok", "output: 400 tok"
    )
    assert usage(dedicated(tmp_path, 0.2, text)).holds_ms == pytest.approx(200)
    assert dedicated(tmp_path, 0.2, text).books.candidate_cost.lines[0].item == "5 servers, 40.0 % busy"


def test_the_break_even_of_volume_knows_the_wait(tmp_path: Path) -> None:
    """At the volume that is named, the books come to 0."""
    found = dedicated(tmp_path, 0.25)
    turn = found.books.break_even["requests_month"]
    assert turn is not None
    assert net_at(found.books, turn) == pytest.approx(0, abs=0.01 * abs(found.books.likely.net))


def net_at(books: Books, requests: float) -> float:
    return books.in_world({"w.requests": requests}).net
