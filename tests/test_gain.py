"""Where the gain comes from: model or place, the users' regions, the cheaper fixes, and signs of trouble in a log."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import decision, judged, scenario, write_log
from scipy import stats

from edgeroi.attribution import Attribution, Parts, details_of, parts_of, words_of
from edgeroi.latency import Latency, independent_sum
from edgeroi.remedies import Remedy, best_words, cold_ms, max_speedup, proxied_ms
from edgeroi.renderers import Page, renderer
from edgeroi.symptoms import (
    cold_starts,
    cost_explosion,
    daily_requests,
    quality_gap_p,
    sessions,
    silent_failure,
    stale_model,
    trend,
    two_shares_p,
)
from edgeroi.utilisation import network_saved_ms
from edgeroi.verdict import Decision, Step
from edgeroi.verdict_report import verdict_report
from edgeroi.workload import Busy, Sum, Tally


def step(found: Decision, question: str) -> Step:
    return next(each for each in found.steps if each.question.startswith(question))


def remedy(found: Decision, name: str) -> Remedy:
    return next(each for each in found.case.gain.remedies if each.name.startswith(name))


# ---- decomposition: the worked numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saved", "whole", "share", "speedup"), [(50, 5000, 0.0100, 1.0101), (150, 170, 0.8824, 8.5), (50, 300, 0.1667, 1.2)]
)
def test_the_networks_share_and_what_its_absence_would_bring(saved: float, whole: float, share: float, speedup: float) -> None:
    assert saved / whole == pytest.approx(share, abs=5e-5)
    assert max_speedup(saved / whole) == pytest.approx(speedup, abs=5e-5)


def test_both_shares_are_shown_of_the_answer_and_of_its_first_token(tmp_path: Path) -> None:
    """First token after 800 ms, 500 tokens of 25 ms: 13,300 ms in all, of which 50 ms are 0.376 % and 6.25 %."""
    found = decision(
        tmp_path,
        """
options:
  cloud: {placement: cloud, price: {input: 0 USD/Mtok, output: 1 USD/Mtok}, rtt: 50 ms, service_ttft: 750 ms, service: 13250 ms}
  edge: {placement: edge, price: {input: 0 USD/Mtok, output: 2 USD/Mtok}, rtt: 0 ms, service_ttft: 750 ms, service: 13250 ms}
workloads:
  w: {requests: 1M /month, tokens: {input: 100 tok, output: 500 tok}, runs_on: edge, judge: ttft}
""",
    )
    assert (
        "the network is 0.376% of e2e and 6.25% of TTFT at p50, without it 1.07 times as fast at most"
        in step(found, "is the network").evidence
    )
    shorter = remedy(found, "shorter output")
    assert shorter.saves_ms == pytest.approx(50 * 25)  # a tenth of 500 tokens at 25 ms each
    assert shorter.usd_month == pytest.approx(-50)  # and of 500 Mtok at a dollar


def test_round_trips_multiply_and_a_proxy_takes_most_of_them_away() -> None:
    """150 ms to the cloud, 5 ms to a proxy: 450 cold, 150 warm, 165 with TLS at the proxy."""
    assert (cold_ms(150), cold_ms(150, 1), proxied_ms(150, 5)) == (450, 150, 165)


def fixes(tmp_path: Path, trips: str = "", extra: str = "") -> Decision:
    return decision(
        tmp_path,
        f"""
options:
  cloud: {{placement: cloud, price: {{input: 1 USD/Mtok, cached: 0.1 USD/Mtok, output: 2 USD/Mtok}}, rtt: 150 ms, {trips}service: 400 ms}}
  edge: {{placement: edge, price: {{input: 4 USD/Mtok, output: 8 USD/Mtok}}, rtt: 5 ms, service: 400 ms}}
{extra}workloads:
  w:
    requests: 1M /month
    tokens: {{input: 1000 tok, cached: 400 tok, output: 100 tok}}
    runs_on: edge
    baseline: cloud
""",
    )


def test_the_fixes_of_a_cold_connection_come_with_their_effect(tmp_path: Path) -> None:
    cold = fixes(tmp_path, "round_trips: 3, ")
    assert remedy(cold, "keep connections").saves_ms == 300
    assert remedy(cold, "end TLS").saves_ms == 450 - 165
    assert "keep connections open: saves 300 ms" in step(cold, "is the network").details


def test_a_connection_that_nobody_called_warm_keeps_its_question(tmp_path: Path) -> None:
    unsaid, warm = fixes(tmp_path), fixes(tmp_path, "round_trips: 1, ")
    assert (remedy(unsaid, "keep").saves_ms, remedy(unsaid, "keep").known) == (300, False)
    assert remedy(unsaid, "keep").condition == "where a request opens a new connection, which round_trips does not say"
    assert (remedy(warm, "keep").saves_ms, remedy(warm, "end TLS").saves_ms) == (0, 0)


def test_a_fix_that_saves_as_much_for_less_is_named_in_the_table(tmp_path: Path) -> None:
    """The edge saves 3 x 145 ms for 3.6 times the price of the cloud; kept connections save 300: not as much. A region saves 435 too."""
    assert best_words(fixes(tmp_path, "round_trips: 3, ").case.gain.remedies, 435, 100) == ""
    region = (
        "  near: {placement: regional, price: {input: 1.1 USD/Mtok, output: 2.2 USD/Mtok}, rtt: 5 ms, round_trips: 1, service: 400 ms}\n"
    )
    found = fixes(tmp_path, "round_trips: 3, ", region)
    (row,) = verdict_report(judged(tmp_path / "scenario.yaml")).tables[0].rows
    more = (1100 * 1 + 0.0) * 0 + (1000 * 1.1 + 100 * 2.2) - (600 * 1 + 400 * 0.1 + 100 * 2)
    assert remedy(found, "serve from a nearer region").saves_ms == 445
    assert remedy(found, "serve from a nearer region").usd_month == pytest.approx(more)
    assert f"cheaper first: serve from a nearer region (near) saves 445 ms for ${more:,.2f} a month more" in row.detail


def test_caching_is_worth_what_the_invoice_says(tmp_path: Path) -> None:
    """Another 100 of 1,000 tokens cached at 0.10 instead of 1 USD/Mtok, a million times: 90 USD."""
    found = remedy(fixes(tmp_path), "cache more")
    assert "40% of the input is cached" in found.name
    assert found.usd_month == pytest.approx(-90)


def test_what_is_not_known_is_named_without_a_number(tmp_path: Path) -> None:
    found = decision(
        tmp_path,
        """
options:
  cloud: {placement: cloud, price: {request: 0.001 USD/request}, latency: 500 ms}
  edge: {placement: edge, price: {request: 0.002 USD/request}, latency: 400 ms}
workloads:
  w: {requests: 1M /month, runs_on: edge}
""",
    )
    assert [each.saves_ms for each in found.case.gain.remedies] == [None] * 7
    assert all(each.missing for each in found.case.gain.remedies)
    assert step(found, "is the network").evidence.endswith("the network's part is not known: its rtt, or users_in")


def test_streaming_is_the_first_token_instead_of_the_last(tmp_path: Path) -> None:
    found = decision(
        tmp_path,
        """
options:
  cloud: {placement: cloud, price: {request: 0.001 USD/request}, rtt: 50 ms, service_ttft: 550 ms, service: 4950 ms}
  edge: {placement: edge, price: {request: 0.002 USD/request}, rtt: 5 ms, service_ttft: 550 ms, service: 4950 ms}
workloads:
  w: {requests: 1M /month, runs_on: edge, judge: e2e}
""",
    )
    assert remedy(found, "stream").saves_ms == pytest.approx(5000 - 600)


@pytest.mark.parametrize(("calls", "left"), [(0, 45), (1, 0), (2, -45)])
def test_state_at_the_origin_takes_the_saving_back(tmp_path: Path, calls: int, left: float) -> None:
    """User to cloud 50 ms, to the edge 5, from there to the store 45: one call and nothing is left, two and it is worse."""
    found = decision(
        tmp_path,
        f"""
options:
  cloud: {{placement: cloud, price: {{request: 0.001 USD/request}}, rtt: 50 ms, service: 100 ms}}
  edge: {{placement: edge, price: {{request: 0.001 USD/request}}, rtt: 5 ms, service: 100 ms, origin_calls: {{count: {calls}, rtt: 45 ms}}}}
workloads:
  w: {{requests: 1M /month, runs_on: edge}}
""",
    )
    assert network_saved_ms(found.books, found.books.candidate) == pytest.approx(left)
    said = step(found, "origin calls").evidence
    assert said == "none" if not calls else said.endswith("nothing is left unless the state moves too")


def test_percentiles_of_stages_do_not_add() -> None:
    """Two independent Exp(1): p99s add to 9.2103, the p99 of the sum is 6.6384."""
    ends = np.linspace(0, 40, 40_001)
    weights = -np.diff(np.exp(-ends))
    means = (np.exp(-ends[:-1]) * (1 + ends[:-1]) - np.exp(-ends[1:]) * (1 + ends[1:])) / weights
    one = Latency.from_atoms(means, weights)
    assert 2 * one.quantile(0.99) == pytest.approx(9.2103, abs=2e-3)
    assert independent_sum(one, one).quantile(0.99) == pytest.approx(6.6384, rel=2e-3)


# ---- model or place -----------------------------------------------------------------------------------------------------------


def test_both_orders_are_averaged_and_add_up() -> None:
    """Cloud and large 800, edge and small 500; small in the cloud 600, large at the edge 780.

    Model first: 200 is the model's, 100 the place's; place first: 20 the place's, 280 the model's. Means 240 and 60.
    """
    found = parts_of(-800, -500, -600, -780)
    assert found == Parts(300, 240, 60, 2)
    assert parts_of(-800, -500, -600, None) == Parts(300, 200, 100, 1)
    assert parts_of(-800, -500, None, -780) == Parts(300, 280, 20, 1)
    assert parts_of(-800, -500, None, None) is None
    assert parts_of(None, -500, -600, None) is None


BOTH = """
options:
  cloud: {placement: cloud, model: large, price: {request: 0.004 USD/request}, latency: 800 ms, quality: 0.95}
  edge: {placement: edge, model: small, price: {request: 0.003 USD/request}, latency: 500 ms, quality: 0.90, assume: {why: w, by: b}}
"""
SMALL_CLOUD = "  small-cloud: {placement: cloud, model: small, price: {request: 0.001 USD/request}, latency: 600 ms, quality: 0.90}\n"
LARGE_EDGE = "  large-edge: {placement: edge, model: large, price: {request: 0.009 USD/request}, latency: 780 ms, quality: 0.95}\n"
WORK = "workloads:\n  w: {requests: 1M /month, runs_on: edge, baseline: cloud, quality_value: 0.001 USD/request}\n"


def split(tmp_path: Path, *more: str) -> Attribution:
    found = decision(tmp_path, BOTH + "".join(more) + WORK).case.gain.attribution
    assert found is not None
    return found


def test_latency_cost_and_quality_are_split_from_the_options_present(tmp_path: Path) -> None:
    """Cost: 4,000 to 3,000; small in the cloud 1,000, large at the edge 9,000. Model first -3,000, place first 5,000 then -6,000."""
    found = split(tmp_path, SMALL_CLOUD, LARGE_EDGE)
    assert found.saved_p50_ms == Parts(300, 240, 60, 2)
    assert found.usd_month is not None
    assert (found.usd_month.whole, found.usd_month.model, found.usd_month.place) == pytest.approx((-1000, -4500, 3500))
    assert found.quality is not None
    assert (found.quality.model, found.quality.place) == pytest.approx((-0.05, 0))
    assert (found.new_model, found.new_place, found.asks) == ("small-cloud", "large-edge", ())
    assert words_of(found) == "of 300 ms saved, 240 ms is the model's and 60 ms the place's"


def test_one_order_is_said_to_be_one(tmp_path: Path) -> None:
    found = split(tmp_path, SMALL_CLOUD)
    assert found.saved_p50_ms == Parts(300, 200, 100, 1)
    assert next(iter(details_of(found))).endswith("100 ms the place's (one order of the two is known)")


def test_the_same_model_in_the_cloud_is_asked_for(tmp_path: Path) -> None:
    found = split(tmp_path)
    assert found.saved_p50_ms is None
    assert found.asks == ("add small in the cloud as an option: it tells what the model does from what the place does",)


def test_where_the_book_knows_its_price_it_shows_the_line(tmp_path: Path) -> None:
    """Llama 3.1 8B: deepinfra serves it off the edge at 0.02 and 0.04 USD/Mtok, 100 and 10 Mtok a month: 2.40 USD."""
    text = """
options:
  cloud: {placement: cloud, price: deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo, latency: 800 ms}
  edge: {placement: edge, price: cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8-fast, latency: 300 ms, assume: {why: w, by: b}}
workloads:
  w: {requests: 1M /month, tokens: {input: 100 tok, output: 10 tok}, runs_on: edge, value: {waiting: 1 USD/h, why: w, by: b}}
"""
    found = decision(tmp_path, text).case.gain.attribution
    assert found is not None
    assert found.new_model_row is not None
    assert found.new_model_row.reference == "deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo"
    assert found.new_model_row.usd_month == pytest.approx(100 * 0.02 + 10 * 0.04)
    assert found.usd_month is not None
    assert found.usd_month.orders == 2  # the 70B at the edge is in the book too
    assert "deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo at $2.40 a month" in found.asks[0]


def test_a_change_of_one_has_nothing_to_split(tmp_path: Path) -> None:
    assert decision(tmp_path, BOTH.replace("model: large", "model: small") + WORK).case.gain.attribution is None
    assert decision(tmp_path, BOTH.replace("placement: edge", "placement: cloud") + WORK).case.gain.attribution is None


def test_the_table_says_it_in_one_sentence(tmp_path: Path) -> None:
    path = scenario(tmp_path, BOTH + SMALL_CLOUD + LARGE_EDGE + WORK)
    (row,) = verdict_report(judged(path)).tables[0].rows
    assert "of 300 ms saved, 240 ms is the model's and 60 ms the place's" in row.detail


# ---- the users' regions -----------------------------------------------------------------------------------------------------------

WORLD = """
users_in: {us-east: 60%, eu-west: 30%, ap-south: 10%}
options:
  now: {placement: cloud, region: us-east, price: PRICE, service: SERVICE}
  edge: {placement: edge, price: cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast, service: SERVICE, assume: {why: w, by: b}}
workloads:
  w: {requests: 1M /month, tokens: {input: 100 tok, output: 400 tok}, runs_on: edge, baseline: now}
"""


def world(tmp_path: Path, service: str = "100 ms", price: str = "deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo") -> Decision:
    return decision(tmp_path, WORLD.replace("SERVICE", service).replace("PRICE", price))


def test_each_region_of_users_has_its_line(tmp_path: Path) -> None:
    """Round trips of the table: 15.5, 83 and 234 ms to Virginia, 20 to an edge."""
    lines = world(tmp_path).case.gain.regions
    assert [(each.region, each.share) for each in lines] == [("us-east", 0.6), ("eu-west", 0.3), ("ap-south", 0.1)]
    assert [each.saves_ms for each in lines] == pytest.approx([15.5 - 20, 83 - 20, 234 - 20])
    assert [each.felt for each in lines] == [False, False, True]


def test_a_region_wins_where_it_costs_less_and_loses_no_felt_saving(tmp_path: Path) -> None:
    """400 tokens out at 0.72 instead of 2.253 USD/Mtok: a region is cheaper, and 218 of 234 ms are felt too."""
    found = world(tmp_path)
    near = [each.nearer for each in found.case.gain.regions]
    assert near[0] is None  # they are there already
    assert near[1] is not None
    assert near[2] is not None
    assert (near[2].region, near[2].saves_ms, near[2].wins) == ("ap-south", pytest.approx(234 - 15.5), True)
    assert near[1].wins
    costs = {name: float(found.books.cost_of(option).usd_month) for name, option in found.case.options.items()}
    assert near[2].edge_usd_month == pytest.approx(0.1 * (costs["edge"] - costs["now"]))
    assert near[2].usd_month < near[2].edge_usd_month
    details = step(found, "is the network").details
    assert any(line.startswith("users in ap-south (10%)") and line.endswith("add a region there") for line in details)
    (row,) = verdict_report(judged(tmp_path / "scenario.yaml")).tables[0].rows
    assert "add a region in eu-west (30% of the users), ap-south (10% of the users)" in row.detail


def test_a_region_that_would_not_be_felt_does_not_beat_an_edge_that_is(tmp_path: Path) -> None:
    """Of a p50 of 1,125.5 ms a fifth is 225: the best case of an edge takes all 234 ms off Pune's way, a region there 218.5."""
    text = WORLD.replace(", service: SERVICE, assume: {why: w, by: b}", "").replace("SERVICE", "1110 ms")
    found = decision(tmp_path, text.replace("PRICE", "deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo"))
    line = found.case.gain.regions[2]
    assert found.books.candidate.best_case
    assert line.nearer is not None
    assert (line.saves_ms, line.felt, line.nearer.saves_ms, line.nearer.wins) == (234, True, 218.5, False)


def test_one_round_trip_time_for_all_is_shown_as_what_it_is(tmp_path: Path) -> None:
    found = fixes(tmp_path)
    assert (found.case.gain.regions, found.case.gain.one_rtt) == ((), "edge")
    assert step(found, "is the network").details[0] == "one round-trip time for all users of edge: say where they are (users_in)"


# ---- signs of trouble -------------------------------------------------------------------------------------------------------------


def test_a_stale_model_is_one_whose_version_differs() -> None:
    (found,) = stale_model({"cloud": {"2026-10": 400}, "edge": {"2026-06": 300}})
    assert found.said == "the model's version differs: cloud runs 2026-10; edge runs 2026-06"
    assert not list(stale_model({"cloud": {"2026-10": 400}, "edge": {"2026-10": 300}}))
    assert not list(stale_model({"cloud": {"2026-10": 400}, "edge": {}}))  # not told is not stale


def test_cold_starts_above_one_in_a_hundred_are_inside_p99() -> None:
    assert not list(cold_starts("edge", Tally(1000, cold_starts=Sum(10, 1000)), None))
    (found,) = cold_starts("edge", Tally(1000, cold_starts=Sum(11, 1000)), None)
    assert found.value == pytest.approx(0.011)
    assert "inside its p99" in found.said
    (stated,) = cold_starts("edge", None, 0.02)
    assert "as stated" in stated.said
    assert not list(cold_starts("edge", None, None))


def test_a_gap_in_errors_needs_more_than_chance() -> None:
    """3.0 % of 1,000 against 1.0 %: chi-square 10.2 without correction, p = 0.0014. 1.5 % might be chance."""
    chi2 = stats.chi2_contingency([[30, 970], [10, 990]], correction=False)
    assert two_shares_p(30, 1000, 10, 1000) == pytest.approx(chi2.pvalue)
    (found,) = silent_failure("cloud", Tally(1000, 10), "edge", Tally(1000, 30))
    assert found.said == "edge fails more often: 3% against 1% at cloud (p = 0.0014)"
    assert not list(silent_failure("cloud", Tally(1000, 10), "edge", Tally(1000, 15)))
    assert not list(silent_failure("cloud", Tally(1000, 30), "edge", Tally(1000, 10)))
    assert two_shares_p(0, 100, 0, 100) == 1


def test_a_gap_in_quality_is_held_against_the_widest_spread_it_can_have() -> None:
    """0.95 against 0.90 of 1,000 each, as if every score were 0 or 1: z = 0.05 / sqrt(0.0475/1000 + 0.09/1000) = 4.26."""
    z = 0.05 / math.sqrt(0.95 * 0.05 / 1000 + 0.9 * 0.1 / 1000)
    assert quality_gap_p(0.95, 1000, 0.90, 1000) == pytest.approx(2 * stats.norm.sf(z))
    before = Tally(1000, sums={"quality": Sum(950 * 10**6, 1000)})
    after = Tally(1000, sums={"quality": Sum(900 * 10**6, 1000)})
    (found,) = silent_failure("cloud", before, "edge", after)
    assert found.said.startswith("edge answers worse: quality 0.9 against 0.95 at cloud")
    assert not list(
        silent_failure("cloud", Tally(20, sums={"quality": Sum(19 * 10**6, 20)}), "edge", Tally(20, sums={"quality": Sum(18 * 10**6, 20)}))
    )


def days_of(counts: Sequence[int]) -> dict[int, Busy]:
    """24 hours a day, the day's requests in one of them; the last hour is told too, so that the day is whole."""
    hours = {24 * day: Busy(count) for day, count in enumerate(counts)}
    return hours | {24 * len(counts) - 1: Busy(0)}


def test_growth_that_is_more_than_chance_and_fast() -> None:
    """3 % a day is 1.03^30.4 = 2.46 times a month; least squares of the logarithm as scipy has it."""
    counts = [round(1000 * 1.03**day * (1.05 if day % 2 else 0.95)) for day in range(20)]
    assert daily_requests(days_of(counts)) == tuple(counts)
    growth, p = trend(tuple(counts))
    line = stats.linregress(range(20), np.log(counts))
    assert (growth, p) == pytest.approx((math.expm1(line.slope), line.pvalue), rel=1e-6)
    (found,) = cost_explosion(days_of(counts))
    assert found.value == pytest.approx((1 + growth) ** (730 / 24) - 1)
    assert "over the log's 20 whole days" in found.said


def test_weekends_noise_and_short_logs_are_no_explosion() -> None:
    rng = np.random.default_rng(5)
    assert not list(cost_explosion(days_of([400 if day % 7 > 4 else 1000 for day in range(28)])))
    assert not list(cost_explosion(days_of(rng.poisson(1000, 28).tolist())))
    assert not list(cost_explosion(days_of([100, 200, 400, 800, 1600, 3200])))
    assert not list(cost_explosion({}))


def test_chance_alone_warns_in_one_log_of_a_hundred() -> None:
    rng = np.random.default_rng(8)
    alarms = sum(trend(tuple(rng.poisson(200, 14).tolist()))[1] < 0.01 for _ in range(4000))
    assert 20 <= alarms <= 62  # 40 expected, three and a half standard deviations of 6.3


def test_sessions_of_several_requests_carry_state() -> None:
    (found,) = sessions(300, 1000)
    assert found.value == 0.3
    assert not list(sessions(40, 1000))  # a retry here and there
    assert not list(sessions(0, 0))


LOGGED = """
log: log.jsonl
seen_from: client
options:
  cloud: {placement: cloud, model: llama-3.3-70b, price: {input: 1 USD/Mtok}}
  edge: {placement: edge, model: llama-3.3-70b, price: {input: 2 USD/Mtok}, ORIGIN}
workloads:
  search: {requests: 1M /month, runs_on: edge, value: {waiting: 5 USD/h, why: w, by: b}}
"""


def logged(tmp_path: Path, origin: str = "rtt: 5 ms") -> Any:
    """Both sides measured on one log: the edge on an older version, colder, and failing three times as often; a session has three turns."""

    def status(bad: int) -> Any:
        return lambda n: 500 if n % 1000 < bad else 200

    common = {"session_id": lambda n: f"s{n // 3}", "model": "llama-3.3-70b", "cold_start": lambda n: n % 40 == 0}
    write_log(
        tmp_path / "log.jsonl", [300.0 + n % 9 for n in range(2000)], placement="cloud", model_version="2", status=status(10), **common
    )
    write_log(
        tmp_path / "log.jsonl", [200.0 + n % 9 for n in range(2000)], placement="edge", model_version="1", status=status(30), **common
    )
    return judged(scenario(tmp_path, LOGGED.replace("ORIGIN", origin)))


def test_the_signs_are_read_from_the_log_and_said_below_the_table(tmp_path: Path) -> None:
    found = logged(tmp_path)
    signs = found.decisions[0].case.gain.symptoms
    assert [sign.kind for sign in signs] == ["stale_model", "cold_start", "silent_failure", "sessions"]
    assert signs[3].said.startswith("667 of 667 sessions in the log have several requests")
    shown = renderer("table").render(verdict_report(found), Page())
    assert "warning: search: edge fails more often: 3% against 1% at cloud" in shown
    document = json.loads(renderer("json").render(verdict_report(found), Page()))
    (workload,) = document["scenarios"][0]["workloads"]
    assert [warning["kind"] for warning in workload["warnings"]] == [sign.kind for sign in signs]


def test_stated_origin_calls_answer_the_question_of_sessions(tmp_path: Path) -> None:
    signs = logged(tmp_path, "origin_calls: {count: 0}").decisions[0].case.gain.symptoms
    assert "sessions" not in [sign.kind for sign in signs]


def test_the_last_hours_of_a_log_are_no_whole_day() -> None:
    first = int(datetime(2026, 11, 1, 6, tzinfo=UTC).timestamp()) // 3600
    hours = {first + hour: Busy(10) for hour in range(24 * 3)}
    assert daily_requests(hours) == (240, 240)
