"""Policies as options of a scenario: what they cost, who answers, which joint is assumed, and where the best setting lies."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from judged import decision, decisions, judged, scenario, write_log
from scipy.stats import triang

from edgeroi.errors import EdgeroiError
from edgeroi.tuning import best_setting
from edgeroi.verdict import Decision, flips_if, sentence

#: 10 M requests of 100 tokens, 1,000 Mtok a month: 5 USD in the cloud, 200 at the edge. One edge request in ten takes a second.
OPTIONS = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 200 ms}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}, log: edge.jsonl, assume: {why: so it is said, by: dana}}
"""
WORKLOAD = "requests: 10M /month\n    tokens: {input: 100 tok, output: 0 tok}\n    baseline: cloud"
VALUE = "value: {deadline: {limit: 500 ms, per_miss: 0.001 USD/miss}, why: w, by: b}"


@pytest.fixture
def edge_log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "edge.jsonl", [1000.0 if n % 10 == 0 else 50.0 for n in range(1000)], placement="edge")


def stated(policy: str, more: str = VALUE, options: str = OPTIONS, served: str = "cloud, edge, policy") -> str:
    workload = f"{WORKLOAD}\n    options: [{served}]\n    runs_on: policy\n    {more}"
    return f"{options}  policy: {policy}\nworkloads:\n  search:\n    {workload}\n"


def with_policy(tmp_path: Path, policy: str, more: str = VALUE, options: str = OPTIONS) -> Decision:
    return decision(tmp_path, stated(policy, more, options))


def cost(found: Decision) -> Decimal:
    return found.books.candidate_cost.usd_month


FALLBACK = "{fallback: {first: edge, then: cloud, after: 100 ms}}"


@pytest.mark.usefixtures("edge_log")
def test_both_sides_of_a_fallback_are_paid_where_both_run(tmp_path: Path) -> None:
    """All 1,000 Mtok at the edge's 0.20, the tenth that passes 100 ms again at the cloud's 0.005: 200.50 USD."""
    found = with_policy(tmp_path, FALLBACK)
    assert float(cost(found)) == pytest.approx(200 + 0.1 * 5, rel=1e-9)
    lines = {line.item: float(line.quantity) for line in found.books.candidate_cost.lines}
    assert lines == pytest.approx({"edge: input tokens": 1000.0, "cloud: input tokens": 100.0})
    free = with_policy(tmp_path, "{fallback: {first: edge, then: cloud, after: 100 ms, abandoned: free}}")
    assert float(cost(free)) == pytest.approx(0.9 * 200 + 0.1 * 5, rel=1e-9)


@pytest.mark.usefixtures("edge_log")
def test_the_verdict_rests_on_the_policy_s_own_tail(tmp_path: Path) -> None:
    """No answer is later than 100 + 200 ms, so that no miss of 500 ms is left of the edge's 10 %; against the cloud nothing is gained."""
    found = with_policy(tmp_path, FALLBACK)
    after = found.books.after
    assert after is not None
    assert [*after.values_ms] == pytest.approx([50.0, 300.0])
    assert (after.miss_ratio(500), after.n, after.basis) == (0.0, 1000, "assumed")
    assert found.books.likely.net == pytest.approx(-(195 + 0.5), rel=1e-6)
    assert found.verdict == "not_worth_it"
    edge = found.case.all_books["edge"].likely.net
    assert edge == pytest.approx(-10_000_000 * 0.1 * 0.001 - 195, rel=1e-6)


@pytest.mark.usefixtures("edge_log")
def test_a_split_of_all_is_the_part_itself(tmp_path: Path) -> None:
    found = with_policy(tmp_path, "{split: {edge: 100%, cloud: 0%}}").case
    one, other = (found.all_books[name].likely for name in ("policy", "edge"))
    assert (one.cost, one.value, one.net) == pytest.approx((other.cost, other.value, other.net), rel=1e-12)


def test_the_hybrid_of_three_segments_beats_both_sides(tmp_path: Path) -> None:
    """Net benefit by segment (300, -500, 50) and 200 USD of fixed fees: all at the edge -350, all in the cloud 0, the hybrid 150.

    A thousand requests of each segment are as many thousandths of the month; a miss of 100 ms costs 1 USD. In the cloud 300 of segment a,
    none of b and 50 of c are late, at the edge 500 of b.
    """
    for place, late in (("cloud", {"a": 300, "b": 0, "c": 50}), ("edge", {"a": 0, "b": 500, "c": 0})):
        for region, misses in late.items():
            write_log(tmp_path / "all.jsonl", [200.0] * misses + [50.0] * (1000 - misses), placement=place, region=region)
    options = """
log: all.jsonl
seen_from: client
options:
  cloud: {placement: cloud, price: {request: 0 USD/request}}
  edge: {placement: edge, price: {request: 0 USD/request}, fixed: 200 USD/month}
"""
    route = "{route: {rules: [{when: {region: [a, c]}, to: edge}], otherwise: cloud}}"
    text = f"{options}  policy: {route}\nworkloads:\n  search: {{requests: 3000 /month, options: [cloud, edge, policy], baseline: cloud, "
    text += "runs_on: policy, value: {deadline: {limit: 100 ms, per_miss: 1 USD/miss}, why: w, by: b}}\n"
    found = decision(tmp_path, text)
    nets = {name: books.likely.net for name, books in found.case.all_books.items()}
    assert nets == pytest.approx({"edge": -350.0, "policy": 150.0}, rel=1e-9)
    assert found.best == "policy"
    assert found.case.options["policy"].places == ("edge", "cloud")


def test_allowances_and_fees_of_an_account_count_once(tmp_path: Path) -> None:
    """The edge asked twice is billed as one: 10,000 neurons a day free once, the account's fee once, half the volume each."""
    options = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 200 ms}
  edge: {placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5, latency: 50 ms, fixed: 5 USD/month per account}
  half: {split: {edge: 50%, cloud: 50%}}
"""
    found = with_policy(tmp_path, "{split: {half: 50%, edge: 50%}}", options=options)
    lines = found.books.candidate_cost.lines
    assert [line.item for line in lines if line.kind in ("fixed", "allowance")] == [
        "edge: neurons, 6058 per Mtok in, first 10,000 neurons a day free",
        "fixed fee",
    ]
    neurons = 0.75 * 1000 * 6058
    free = 10_000 * 730 / 24
    assert float(cost(found)) == pytest.approx((neurons - free) / 1000 * 0.011 + 5 + 0.25 * 5, rel=1e-9)


def test_what_stands_by_is_paid_for_and_what_is_not_there_is_not(tmp_path: Path) -> None:
    """A standby nobody ever calls costs its 30 USD a month, in a part of a split too; an option with a share of 0 costs nothing."""
    options = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 200 ms, fixed: 30 USD/month}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}, latency: 50 ms}
  safe: {fallback: {first: edge, then: cloud}}
"""
    for policy, fixed in (
        ("{split: {safe: 100%, edge: 0%}}", 30),
        ("{split: {edge: 100%, cloud: 0%}}", 0),
        ("{hedge: {first: edge, then: safe, after: 1 s}}", 30),
    ):
        assert float(cost(with_policy(tmp_path, policy, options=options))) == pytest.approx(200 + fixed), policy


def test_two_options_of_one_account_share_its_fee_and_its_allowance(tmp_path: Path) -> None:
    """Half of the 1,000 Mtok to each of two models at 6,058 and 1,841 neurons a Mtok: together they have 10,000 neurons a day free."""
    options = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 200 ms}
  edge: {placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5, latency: 50 ms, fixed: 5 USD/month per account}
  small: {placement: edge, price: cloudflare/@cf/baai/bge-small-en-v1.5, latency: 40 ms, fixed: 5 USD/month per account}
"""
    found = with_policy(tmp_path, "{split: {small: 50%, edge: 50%}}", options=options)
    neurons, free = 500 * 6058 + 500 * 1841, 10_000 * 730 / 24
    assert float(cost(found)) == pytest.approx((neurons - free) / 1000 * 0.011 + 5, rel=1e-9)


@pytest.mark.usefixtures("edge_log")
def test_an_unstated_correlation_is_a_driver_from_none_to_all(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 200 ms", "latency: {p50: 200 ms, p99: 450 ms}")
    found = with_policy(tmp_path, FALLBACK, options=options)
    named = {bar.driver.name: bar for bar in found.books.bars}
    bar = named["options.policy.fallback.correlation"]
    assert (bar.driver.low, bar.driver.likely, bar.driver.high) == (0, 0, 1)
    assert bar.low_net == pytest.approx(found.books.likely.net)
    assert bar.high_net < bar.low_net
    assert any("slow requests of its parts taken as independent" in note for note in found.case.notes)
    stated = with_policy(tmp_path, FALLBACK.replace("100 ms", "100 ms, correlation: 30%"), options=options)
    assert "options.policy.fallback.correlation" not in {bar.driver.name for bar in stated.books.bars}
    assert stated.books.likely.net == pytest.approx(0.7 * bar.low_net + 0.3 * bar.high_net, rel=1e-6)


@pytest.mark.usefixtures("edge_log")
def test_a_measured_failure_is_as_long_as_it_was(tmp_path: Path) -> None:
    """A tenth of the edge's requests fails after 30 ms: 30 + 200 ms, and nobody fails."""
    (tmp_path / "edge.jsonl").unlink()
    write_log(tmp_path / "edge.jsonl", [50.0] * 900, placement="edge")
    write_log(tmp_path / "edge.jsonl", [30.0] * 100, placement="edge", status=500)
    after = with_policy(tmp_path, FALLBACK).books.after
    assert after is not None
    assert [*after.values_ms] == pytest.approx([50.0, 230.0])
    assert after.failure_ratio == 0


@pytest.mark.usefixtures("edge_log")
def test_a_policy_may_be_the_baseline(tmp_path: Path) -> None:
    options = OPTIONS + "  far: {placement: cloud, price: {input: 0.004 USD/Mtok}, latency: 300 ms}\n"
    text = f"{options}  policy: {{split: {{cloud: 50%, far: 50%}}}}\nworkloads:\n  search:\n    {WORKLOAD.replace('cloud', 'policy')}\n"
    text += f"    options: [policy, edge]\n    runs_on: edge\n    {VALUE}\n"
    found = decision(tmp_path, text)
    assert float(found.books.baseline_cost.usd_month) == pytest.approx(4.5)
    assert found.books.likely.premium == pytest.approx(200 - 4.5)
    with pytest.raises(EdgeroiError, match="a part of 'policy' is at the edge"):
        decision(tmp_path, text.replace("far: 50%}", "edge: 50%}"))


@pytest.mark.usefixtures("edge_log")
def test_a_part_nobody_listed_is_there_all_the_same(tmp_path: Path) -> None:
    found = decision(tmp_path, stated(FALLBACK, served="cloud, policy"))
    assert float(cost(found)) == pytest.approx(200.5)
    assert list(found.case.options) == ["cloud", "policy"]


def test_what_a_policy_hangs_on_and_nobody_knows(tmp_path: Path) -> None:
    options = OPTIONS.replace(", log: edge.jsonl", "")
    found = with_policy(tmp_path, FALLBACK, options=options)
    assert found.verdict == "undecided"
    assert "how many requests reach each part is not known" in found.reason
    unpriced = OPTIONS.replace("price: {input: 0.20 USD/Mtok}, log: edge.jsonl", "latency: 50 ms")
    assert "edge states no price" in with_policy(tmp_path, FALLBACK, options=unpriced).reason


@pytest.mark.usefixtures("edge_log")
def test_requirements_of_a_policy(tmp_path: Path) -> None:
    """Data leaves with any part; a fallback to or from the edge works offline, a split does not."""
    reason = "why: w, by: b"
    residency = with_policy(tmp_path, FALLBACK, f"needs: {{residency: site, {reason}}}")
    assert residency.reason == "policy misses residency"
    offline = with_policy(tmp_path, FALLBACK, f"needs: {{offline: true, {reason}}}")
    assert offline.verdict in ("required", "not_worth_it")
    assert "policy: meets offline" in next(step.evidence for step in offline.steps if "offline" in step.question)
    parted = with_policy(tmp_path, "{split: {edge: 50%, cloud: 50%}}", f"needs: {{offline: true, {reason}}}")
    assert parted.reason == "policy misses offline"
    late = with_policy(tmp_path, FALLBACK, f"needs: {{deadline: {{p99: 250 ms}}, {reason}}}")
    assert late.reason == "policy misses p99 < 250 ms"


@pytest.mark.usefixtures("edge_log")
def test_the_gate_guards_a_policy_with_a_part_at_the_edge(tmp_path: Path) -> None:
    assert judged(scenario(tmp_path, stated(FALLBACK)), gate=True).gate == "fail"


@pytest.mark.usefixtures("edge_log")
def test_answers_are_as_good_as_who_gave_them(tmp_path: Path) -> None:
    """Nine in ten from the edge at 0.8, one from the cloud at 0.9: 0.81; what a cascade keeps may be better than its first is."""
    options = OPTIONS.replace("200 ms}", "200 ms, quality: 0.9}").replace("log: edge", "quality: 0.8, log: edge")
    good = with_policy(tmp_path, FALLBACK, options=options).books.candidate.quality
    assert good is not None
    assert good.likely == pytest.approx(0.9 * 0.8 + 0.1 * 0.9)
    kept = "{cascade: {first: edge, then: cloud, escalated: 25%, kept_quality: 0.88}}"
    good = with_policy(tmp_path, kept, options=options).books.candidate.quality
    assert good is not None
    assert good.likely == pytest.approx(0.75 * 0.88 + 0.25 * 0.9)


# ---- requests told apart ---------------------------------------------------------------------------------------------------------

ROUTED = """
log: all.jsonl
seen_from: client
options:
  cloud: {placement: cloud, price: {input: 1 USD/Mtok}}
  edge: {placement: edge, price: {input: 10 USD/Mtok}}
"""
RULES = "[{when: {input_tokens: '< 50', prompt: {has_none_of: [summarize, explain]}}, to: edge}]"


def routed_log(tmp_path: Path) -> None:
    """At each place 400 requests of 20 tokens and 600 of 200; a quarter of the short ones asks to Explain, one in ten tells no prompt.

    At the edge short ones take 30 ms and long ones 900; in the cloud 150 and 300.
    """

    def prompt(n: int) -> str | None:
        return None if n % 10 == 9 else "Explain: why?" if n % 4 == 0 else "unexplained, translate"

    for place, short, long in (("cloud", 150.0, 300.0), ("edge", 30.0, 900.0)):
        write_log(tmp_path / "all.jsonl", [short] * 400, placement=place, input_tokens=20, prompt=prompt)
        write_log(tmp_path / "all.jsonl", [long] * 600, placement=place, input_tokens=200, prompt=prompt)


def routed(tmp_path: Path, rules: str = RULES, more: str = VALUE) -> Decision:
    workload = f"{{requests: 1M /month, options: [cloud, edge, policy], baseline: cloud, runs_on: policy, {more}}}"
    return decision(tmp_path, f"{ROUTED}  policy: {{route: {{rules: {rules}, otherwise: cloud}}}}\nworkloads:\n  search: {workload}\n")


def test_a_rule_sends_the_requests_it_says_with_their_own_tokens_and_latency(tmp_path: Path) -> None:
    """Of 400 short ones 40 tell no prompt (n % 10 == 9) and 100 others begin with Explain (n % 4 == 0): 260 of 1,000 match.

    They cost 20 tokens at the edge's rate. The other 740 are 140 short and 600 long ones: (140 * 20 + 600 * 200) / 740 tokens each.
    """
    routed_log(tmp_path)
    found = routed(tmp_path).books
    lines = {line.item: float(line.usd_month) for line in found.candidate_cost.lines}
    assert lines == pytest.approx({"edge: input tokens": 260 * 20 / 1e3 * 10, "cloud: input tokens": (140 * 20 + 600 * 200) / 1e3})
    assert found.after is not None
    assert dict(zip(found.after.values_ms.tolist(), found.after.weights.tolist(), strict=True)) == pytest.approx(
        {30.0: 0.26, 150.0: 0.14, 300.0: 0.6}
    )
    assert (found.after.basis, found.after.n) == ("measured", 1000)


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    routed_log(tmp_path)
    rules = "[{when: {input_tokens: '>= 200'}, to: cloud}, {when: {input_tokens: '>= 20'}, to: edge}]"
    found = routed(tmp_path, rules).books
    assert found.after is not None
    assert [*found.after.values_ms] == pytest.approx([30.0, 300.0])
    assert [*found.after.weights] == pytest.approx([0.4, 0.6])


def test_a_limit_is_meant_to_the_unit(tmp_path: Path) -> None:
    routed_log(tmp_path)
    shares = {}
    for limit in ("< 20", "<= 20", "> 20", ">= 20"):
        after = routed(tmp_path, f"[{{when: {{input_tokens: '{limit}'}}, to: edge}}]").books.after
        assert after is not None
        shares[limit] = sum(w for ms, w in zip(after.values_ms, after.weights, strict=True) if ms in (30.0, 900.0))
    assert shares == pytest.approx({"< 20": 0.0, "<= 20": 0.4, "> 20": 0.6, ">= 20": 1.0})


def test_shares_stand_in_where_no_log_tells(tmp_path: Path) -> None:
    routed_log(tmp_path)
    rules = "[{when: {user_id: [a, b]}, to: edge, share: 25%}]"
    found = routed(tmp_path, rules).books
    assert {line.item: float(line.quantity) for line in found.candidate_cost.lines} == pytest.approx(
        {"edge: input tokens": 0.25 * 128.0, "cloud: input tokens": 0.75 * 128.0}
    )
    with pytest.raises(EdgeroiError, match="no log of the workload tells user_id") as raised:
        routed(tmp_path, rules.replace(", share: 25%", ""))
    assert raised.value.fix == "state `share: 20%` in each rule"
    assert raised.value.place is not None


def test_a_policy_behind_a_rule_serves_the_rule_s_requests(tmp_path: Path) -> None:
    """Short requests go to a fallback at the edge, which answers them all in 30 ms and never passes one on."""
    routed_log(tmp_path)
    inner = "  guarded: {fallback: {first: edge, then: cloud, after: 100 ms}}\n"
    rules = "[{when: {input_tokens: '< 50'}, to: guarded}]"
    workload = f"{{requests: 1M /month, options: [cloud, policy], baseline: cloud, runs_on: policy, {VALUE}}}"
    text = f"{ROUTED}{inner}  policy: {{route: {{rules: {rules}, otherwise: cloud}}}}\nworkloads:\n  search: {workload}\n"
    after = decision(tmp_path, text).books.after
    assert after is not None
    assert dict(zip(after.values_ms.tolist(), after.weights.tolist(), strict=True)) == pytest.approx({30.0: 0.4, 300.0: 0.6})


def confident_log(tmp_path: Path) -> None:
    """At the edge 700 sure answers of quality 0.95 (0.85 sure, 40 ms, 50 tokens) and 300 doubtful ones of 0.5 (0.35, 80 ms, 250)."""
    write_log(tmp_path / "all.jsonl", [40.0] * 700, placement="edge", confidence=0.85, quality=0.95, input_tokens=50)
    write_log(tmp_path / "all.jsonl", [80.0] * 300, placement="edge", confidence=0.35, quality=0.5, input_tokens=250)
    write_log(tmp_path / "all.jsonl", [500.0] * 1000, placement="cloud", quality=0.9, input_tokens=110)


CASCADE = "{cascade: {first: edge, then: cloud, confidence: 0.6, judge: 0.001 USD/request, judge_takes: 10 ms}}"


def cascaded(tmp_path: Path, policy: str = CASCADE) -> Decision:
    options = ROUTED.replace("{input: 1 USD/Mtok}", "{input: 100 USD/Mtok}")
    workload = (
        "{requests: 1M /month, options: [cloud, policy], baseline: cloud, runs_on: policy, value: none, quality_value: 0.01 USD/request}"
    )
    return decision(tmp_path, f"{options}  policy: {policy}\nworkloads:\n  search: {workload}\n")


def test_a_cascade_by_confidence_keeps_the_good_answers(tmp_path: Path) -> None:
    """0.7 are kept after 40 + 10 ms, 0.3 go on after 80 + 10: 590 ms. Their 250 tokens, not the mean 110, are what the cloud charges."""
    confident_log(tmp_path)
    found = cascaded(tmp_path).books
    assert found.after is not None
    assert dict(zip(found.after.values_ms.tolist(), found.after.weights.tolist(), strict=True)) == pytest.approx({50.0: 0.7, 590.0: 0.3})
    lines = {line.item: float(line.usd_month) for line in found.candidate_cost.lines}
    assert lines == pytest.approx(
        {"edge: input tokens": 110 * 10, "cloud: input tokens": 0.3 * 250 * 100, "policy: judge": 1_000_000 * 0.001}
    )
    assert found.candidate.quality is not None
    assert found.candidate.quality.likely == pytest.approx(0.7 * 0.95 + 0.3 * 0.9)


def test_the_best_confidence_is_where_quality_is_worth_its_price(tmp_path: Path) -> None:
    """Up to 0.3 all is kept: 11,000 - 1,100 - 1,000 USD saved and 0.085 points of quality at 0.01 USD lost, 850: 8,050 of net.

    From 0.4 to 0.8 the doubtful third goes on: 11,000 - 1,100 - 1,000 - 7,500 and 0.035 points gained: 1,750. At 0.9 all of it goes on.
    """
    confident_log(tmp_path)
    setting = cascaded(tmp_path).best_setting
    assert setting is not None
    nets = dict(setting.curve)
    assert nets[0.3] == pytest.approx(8_900 + 10_000 * (0.7 * 0.95 + 0.3 * 0.5 - 0.9), rel=1e-6)
    assert nets[0.6] == pytest.approx(1_400 + 10_000 * (0.7 * 0.95 + 0.3 * 0.9 - 0.9), rel=1e-6)
    assert nets[0.9] == pytest.approx(-1_100 - 1_000, rel=1e-6)
    assert (setting.knob, setting.best) == ("confidence", 0.3)


def test_a_confidence_that_no_log_tells(tmp_path: Path) -> None:
    routed_log(tmp_path)
    with pytest.raises(EdgeroiError, match="no log of edge tells the confidence") as raised:
        cascaded(tmp_path)
    assert "escalated: 20%" in (raised.value.fix or "")


def test_a_first_token_timeout_keeps_what_goes_with_a_quick_first_token(tmp_path: Path) -> None:
    """Half of the edge's answers begin after 100 ms and are long, 2,000 ms; half begin after 400 ms and are short, 600 ms.

    Beyond 200 ms the cloud is asked: 200 + 500 ms. The long ones stay, which the slow first tokens alone would not tell.
    """
    log = tmp_path / "all.jsonl"
    write_log(
        log, [2000.0 if n % 2 else 600.0 for n in range(1000)], placement="edge", streamed=True, ttft_ms=lambda n: 100 if n % 2 else 400
    )
    write_log(log, [500.0] * 1000, placement="cloud", streamed=True, ttft_ms=150)
    workload = f"{{requests: 1M /month, options: [cloud, policy], baseline: cloud, runs_on: policy, judge: e2e, {VALUE}}}"
    policy = "{fallback: {first: edge, then: cloud, after: 200 ms, watch: ttft}}"
    found = decision(tmp_path, f"{ROUTED}  policy: {policy}\nworkloads:\n  search: {workload}\n")
    assert found.books.after is not None
    assert [*found.books.after.values_ms] == pytest.approx([700.0, 2000.0])
    option = found.case.options["policy"]
    assert option.ttft is not None
    assert [*option.ttft.at({}).values_ms] == pytest.approx([100.0, 350.0])


def paired_logs(tmp_path: Path, pair_of: Callable[[int], str | None]) -> None:
    """The edge takes a second for one request in ten, the cloud 450 instead of 200 ms for one in ten: for which, ``pair_of`` says."""
    write_log(tmp_path / "all.jsonl", [1000.0 if n < 40 else 50.0 for n in range(400)], placement="edge", pair_id=lambda n: f"p{n}")
    write_log(tmp_path / "all.jsonl", [450.0 if n < 40 else 200.0 for n in range(400)], placement="cloud", pair_id=pair_of)


PAIRED = "{fallback: {first: edge, then: cloud, after: 100 ms, correlation: 50%}}"


@pytest.mark.parametrize(
    ("pair_of", "late"),
    [(lambda n: f"p{n}", 0.1), (lambda n: f"p{399 - n}", 0.0), (lambda n: f"p{(n + 20) % 400}", 0.05)],
    ids=["the same", "others", "half of them"],
)
def test_pairs_in_the_log_say_whether_the_same_requests_are_slow(tmp_path: Path, pair_of: Callable[[int], str], late: float) -> None:
    """550 ms where both are slow. Measured pairs count more than a stated correlation, and nothing is assumed any more."""
    paired_logs(tmp_path, pair_of)
    workload = f"{{requests: 1M /month, options: [cloud, policy], baseline: cloud, runs_on: policy, {VALUE}}}"
    found = decision(tmp_path, f"{ROUTED}  policy: {PAIRED}\nworkloads:\n  search: {workload}\n")
    assert found.books.after is not None
    assert found.books.after.miss_ratio(500) == pytest.approx(late, abs=1e-9)
    assert (found.books.after.basis, found.books.after.n) == ("measured", 400)
    assert any("400 requests that both parts were asked" in note for note in found.case.notes)
    assert not any("correlation" in driver.name for driver in found.books.drivers)


def test_too_few_pairs_say_nothing(tmp_path: Path) -> None:
    paired_logs(tmp_path, lambda n: f"p{n}" if n < 99 else f"q{n}")
    workload = f"{{requests: 1M /month, options: [cloud, policy], baseline: cloud, runs_on: policy, {VALUE}}}"
    found = decision(tmp_path, f"{ROUTED}  policy: {PAIRED}\nworkloads:\n  search: {workload}\n")
    assert found.books.after is not None
    assert found.books.after.basis == "assumed"
    assert found.books.after.miss_ratio(500) == pytest.approx(0.5 * 0.01 + 0.5 * 0.1, rel=1e-6)


# ---- the best setting ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("edge_log")
def test_the_best_timeout_is_the_one_that_costs_least_in_misses(tmp_path: Path) -> None:
    """Between 50 and 300 ms no request is late and a tenth is paid twice: -195.50 USD. Below 50 ms all are, above 300 a tenth is late."""
    setting = best_setting(with_policy(tmp_path, FALLBACK.replace("100 ms", "400 ms")).books)
    assert setting is not None
    assert 50 <= setting.best <= 300
    assert setting.best_net == pytest.approx(-195.5, rel=1e-6)
    assert setting.stated_net == pytest.approx(-195.5 - 1000, rel=1e-6)
    assert setting.gain == pytest.approx(1000, rel=1e-6)
    below = [net for value, net in setting.curve if value < 50]
    assert below == pytest.approx([-200.0] * len(below), rel=1e-6)


@pytest.mark.usefixtures("edge_log")
def test_the_best_share_of_a_split_is_at_the_end_its_net_rises_to(tmp_path: Path) -> None:
    setting = best_setting(with_policy(tmp_path, "{split: {edge: 40%, cloud: 60%}}").books)
    assert setting is not None
    assert (setting.knob, setting.stated, setting.best, setting.best_net) == ("share of edge", 0.4, 0.0, pytest.approx(0.0, abs=1e-6))
    nets = dict(setting.curve)
    assert nets[1.0] == pytest.approx(-1000 - 195, rel=1e-6)
    assert nets[0.4] == pytest.approx(0.4 * nets[1.0], rel=1e-6)


@pytest.mark.usefixtures("edge_log")
def test_where_every_setting_is_as_good_the_stated_one_is_best(tmp_path: Path) -> None:
    setting = best_setting(with_policy(tmp_path, FALLBACK).books)
    assert setting is not None
    assert (setting.best, setting.gain) == (100.0, 0.0)


@pytest.mark.usefixtures("edge_log")
def test_what_is_kept_at_another_share_is_not_what_was_stated(tmp_path: Path) -> None:
    kept = "{cascade: {first: edge, then: cloud, escalated: 25%, kept_quality: 0.88}}"
    assert best_setting(with_policy(tmp_path, kept).books) is None
    assert best_setting(with_policy(tmp_path, kept.replace(", kept_quality: 0.88", "")).books) is not None


def test_of_one_option_there_is_nothing_to_set(tmp_path: Path) -> None:
    options = OPTIONS.replace("log: edge.jsonl", "latency: 50 ms")
    text = f"{options}workloads:\n  search:\n    {WORKLOAD}\n    options: [cloud, edge]\n    runs_on: edge\n    {VALUE}\n"
    (found,) = decisions(tmp_path, text).values()
    assert found.best_setting is None


@pytest.mark.usefixtures("edge_log")
def test_the_document_tells_the_parts_the_place_and_the_curve(tmp_path: Path) -> None:
    document: Any = judged(scenario(tmp_path, stated(FALLBACK))).document
    found = document["scenarios"][0]["workloads"][0]
    option = found["options"]["policy"]
    assert (option["policy"], option["placement"]) == ("fallback", "edge")
    assert option["parts"] == [
        {"name": "edge", "placement": "edge", "calls_per_request": pytest.approx(1.0)},
        {"name": "cloud", "placement": "cloud", "calls_per_request": pytest.approx(0.1)},
    ]
    assert option["latency_ms"]["basis"] == "assumed"
    assert found["best_places"] == ["cloud"]
    assert found["best_setting"]["knob"] == "after"
    assert len(found["best_setting"]["curve"]) >= 10


# ---- drawn ---------------------------------------------------------------------------------------------------------------------

#: 1 M requests of 1,000 and 150 tokens: 800 USD a month in the cloud, 23 at the edge. Nobody waits: quality alone is worth something.
MODELS = """
options:
  edge: {placement: edge, price: {input: 0.02 USD/Mtok, output: 0.02 USD/Mtok}, latency: 100 ms, quality: QUALITY, assume: {why: w, by: b}}
  cloud: {placement: cloud, price: {input: 0.50 USD/Mtok, output: 2 USD/Mtok}, latency: 500 ms, quality: 0.91}
  policy: POLICY
workloads:
  w:
    requests: 1M /month
    tokens: {input: 1000 tok, output: 150 tok}
    options: [cloud, policy]
    runs_on: policy
    users: nobody
    value: {none: {}, why: w, by: b}
    quality_value: WORTH USD/request
"""


def drawn_quality(tmp_path: Path, policy: str, quality: str, worth: str) -> Decision:
    return decision(tmp_path, MODELS.replace("QUALITY", quality).replace("POLICY", policy).replace("WORTH", worth))


def test_how_good_a_part_is_is_drawn(tmp_path: Path) -> None:
    """Half of 777 USD is saved; at 6,000 USD a point that buys 0.06475 points, which the half at the edge loses at a quality of 0.7805."""
    found = drawn_quality(tmp_path, "{split: {edge: 50%, cloud: 50%}}", "0.80 (0.60..0.90)", "0.006")
    quality = triang(c=2 / 3, loc=0.60, scale=0.30)
    assert found.books.p_worth_it == pytest.approx(quality.sf(0.7805), abs=2e-4)
    assert found.books.net_low == pytest.approx(388.5 + 6000 * (quality.ppf(0.05) - 0.91) / 2, abs=0.1)
    assert (found.verdict, found.reason) == ("undecided", "options.edge.quality decides, P(worth it) 46 %")
    assert flips_if(found) == "options.edge.quality < 0.78"


def test_how_good_the_kept_answers_are_is_drawn(tmp_path: Path) -> None:
    """At 35 % passed on 497 USD are saved; at 14,000 USD a point of 65 % of the answers that buys 0.05462 points below 0.91."""
    policy = "{cascade: {first: edge, then: cloud, escalated: 35%, kept_quality: 0.88 (0.80..0.92), correlation: 0%}}"
    found = drawn_quality(tmp_path, policy, "0.80", "0.014")
    kept = triang(c=2 / 3, loc=0.80, scale=0.12)
    assert found.books.p_worth_it == pytest.approx(kept.sf(0.91 - 497 / 9100), abs=2e-4)
    assert sentence(found).endswith("it pays as long as its answers are not worth $0.497 less a thousand requests.")


@pytest.mark.parametrize("policy", ["{fallback: {first: edge, then: cloud, after: 60 s}}", "{split: {edge: 30%, cloud: 70%}}"])
def test_a_policy_of_equals_changes_nothing_in_any_world(tmp_path: Path, policy: str) -> None:
    """Sums of shares differ from the whole in their last digits, which is no loss."""
    same = "price: {input: 0.10 USD/Mtok, output: 0.20 USD/Mtok}, latency: {p50: 500 ms, p99: 900 ms}"
    options = f"\noptions:\n  cloud: {{placement: cloud, {same}}}\n  edge: {{placement: edge, {same}, assume: {{why: w, by: b}}}}\n"
    for more in ("value: {waiting: 5 to 40 USD/h, why: w, by: b}", "users: people"):
        found = decision(tmp_path, stated(policy, more, options).replace("output: 0 tok", "output: 30 tok"))
        books = found.books
        assert (books.likely.premium, books.likely.net, books.net_low, books.net_high) == (0, 0, 0, 0)
        assert books.p_worth_it in (None, 1.0)
        assert found.verdict == "worth_it"


def test_the_volume_at_which_a_policy_over_servers_turns(tmp_path: Path) -> None:
    """Eight servers behind a split: at the break-even volume they are busier, requests wait longer, and net is 0 all the same."""
    text = """
options:
  cloud: {placement: cloud, price: {input: 0.10 USD/Mtok}, rtt: 90 ms, service: {p50: 200 ms, p99: 700 ms}}
  site:
    placement: edge
    price: {gpu: 0.80 USD/h}
    rtt: 8 ms
    service: {p50: 55 ms, p99: 210 ms}
    capacity: {per_site: 2, sites: 4}
    assume: {why: w, by: b}
  both: {split: {site: 90%, cloud: 10%}}
workloads:
  w:
    requests: 40M /month
    tokens: {input: 300 tok, output: 0 tok}
    options: [cloud, both]
    runs_on: both
    users: machines
    value: {waiting: 0.2 USD/h, why: w, by: b}
"""
    turn = decision(tmp_path, text).books.break_even["requests_month"]
    assert turn is not None
    there = decision(tmp_path, text, (f"w.requests={turn:.6f} /month",)).books
    assert there.likely.net == pytest.approx(0, abs=1e-3)
    fewer = decision(tmp_path, text).books
    assert there.after is not None
    assert fewer.after is not None
    assert there.after.mean_ms > fewer.after.mean_ms + 0.1


def test_a_split_with_a_best_case_errs_far_less_than_two_samples_would(tmp_path: Path) -> None:
    """Both parts are the baseline's own requests, each less its part of the network: what slow requests add to both cancels out.

    Two samples of 500, each with a deviation of 120 ms at 2.78 USD a month and ms, would be 2 x 1.645 x sqrt(2) x 120/sqrt(500) apart.
    """
    write_log(tmp_path / "log.jsonl", [100.0 + 400.0 * (n % 10 == 0) for n in range(500)], network_ms=lambda n: 40.0 + n % 40)
    text = """log: log.jsonl
seen_from: client
options:
  cloud: {placement: cloud, price: {input: 0.05 USD/Mtok}}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}}
  half: {split: {edge: 50%, cloud: 50%}}
workloads:
  search:
    requests: 10M /month
    options: [cloud, edge, half]
    baseline: cloud
    runs_on: RUNS_ON
    users: machines
    value: {waiting: 1 USD/h, why: w, by: b}
"""
    whole, half = (decision(tmp_path, text.replace("RUNS_ON", name)).books for name in ("edge", "half"))
    assert whole.net_high - whole.net_low > 1
    assert half.likely.net == pytest.approx(whole.likely.net / 2)
    apart = 2 * 1.645 * (2 / 500) ** 0.5 * 120 * 10_000_000 / 3_600_000
    assert 0 < half.net_high - half.net_low < apart / 4
