"""The questions in their order: which verdict, decided by what, and what would flip it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from judged import OPTIONS, TRAFFIC, decision, decisions, scenario, write_log
from judged import judged as judged_files
from scipy.stats import norm

from edgeroi.latency import Latency
from edgeroi.verdict import Decision, dollars, flips_if, meets_deadline, needs_of, sentence, signed

WORKLOAD = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
UNASSUMED = OPTIONS.replace(", assume: {why: so it is said, by: dana}", "")


def judged(tmp_path: Path, workload: str = "", options: str = OPTIONS) -> Decision:
    return decision(tmp_path, f"{options}{WORKLOAD}{workload}")


# ---- evidence is asymmetric ------------------------------------------------------------------------------------------------


def test_a_stated_latency_alone_never_makes_it_worth_it(tmp_path: Path) -> None:
    value = "    value: {waiting: 15 USD/h, why: w, by: b}\n"
    assert judged(tmp_path, value, UNASSUMED).verdict == "undecided"
    assert judged(tmp_path, value, UNASSUMED).reason == "wins with a stated latency, probe edge"
    assumed = judged(tmp_path, value)
    assert assumed.verdict == "worth_it"
    assert assumed.reason.endswith("assumed by dana: so it is said")


def test_a_stated_latency_is_enough_to_lose(tmp_path: Path) -> None:
    assert judged(tmp_path, "    value: {waiting: 0.40 USD/h, why: w, by: b}\n", UNASSUMED).verdict == "not_worth_it"


@pytest.mark.parametrize(
    ("hour", "verdict"), [("1 (0.5..2)", "worth_it"), ("0.1 (0.05..0.4)", "not_worth_it"), ("0.5 (0.4..0.6)", "undecided")]
)
def test_the_probability_decides_and_one_in_between_does_not(tmp_path: Path, hour: str, verdict: str) -> None:
    """An hour of waiting turns it at 0.468 USD; of 0.5 (0.4..0.6) a share of 1 - 0.068^2 / (0.2 x 0.1) = 0.769 lies above."""
    found = judged(tmp_path, f"    value: {{waiting: {hour} USD/h, why: w, by: b}}\n")
    assert found.verdict == verdict
    if verdict == "undecided":
        assert found.reason == "w.value.waiting decides, P(worth it) 77 %"
        assert found.books.p_worth_it == pytest.approx(1 - 0.068**2 / (0.2 * 0.1), abs=2e-4)


def test_no_value_and_no_premium_is_worth_it_only_if_it_is_not_slower(tmp_path: Path) -> None:
    cheaper = OPTIONS.replace("input: 0.20", "input: 0.001")
    assert judged(tmp_path, "", cheaper).verdict == "worth_it"
    assert judged(tmp_path, "", cheaper).reason.startswith("$4.00 a month cheaper and not slower")
    slower = judged(tmp_path, "", cheaper.replace("latency: 20 ms", "latency: 171 ms"))
    assert (slower.verdict, slower.reason) == ("undecided", "cheaper and slower: state what waiting is worth")
    failing = judged(tmp_path, "", cheaper.replace("latency: 20 ms", "latency: 20 ms, errors: 2%"))
    assert failing.verdict == "undecided"  # failing fast is not fast


def test_no_value_and_a_premium_is_no_reason_given_at_any_size(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert (found.verdict, found.decided_by) == ("no_reason_given", "money?")
    assert found.reason == "costs $195.00 a month more and nobody says what it is worth"
    assert judged(tmp_path, "", OPTIONS.replace("0.20 USD", "0.00699 USD")).verdict == "no_reason_given"  # $1.99 a month
    declared = judged(tmp_path, "    value: {none: {}, why: read in the morning, by: b}\n")
    assert declared.reason == "costs $195.00 a month more and gains nobody anything: read in the morning"


def test_lower_quality_needs_somebody_to_say_what_it_is_worth(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, quality: 0.95").replace(
        "latency: 20 ms", "latency: 20 ms, quality: 0.90"
    )
    value = "    value: {waiting: 15 USD/h, why: w, by: b}\n"
    found = judged(tmp_path, value, options)
    assert (found.verdict, found.decided_by) == ("undecided", "does an acceptable model fit?")
    assert judged(tmp_path, f"{value}    quality_value: 0.0001 USD/request\n", options).verdict == "worth_it"


# ---- missing --------------------------------------------------------------------------------------------------------------


def test_no_price_no_volume_no_answer(tmp_path: Path) -> None:
    unpriced = judged(tmp_path, "", OPTIONS.replace("price: {input: 0.20 USD/Mtok}, ", ""))
    assert (unpriced.verdict, unpriced.decided_by) == ("undecided", "enough data?")
    assert unpriced.reason.startswith("edge states no price")
    volume = decision(tmp_path, f"{OPTIONS}workloads:\n  w:\n    tokens: {{input: 100 tok, output: 0 tok}}\n    options: [cloud, edge]\n")
    assert (volume.verdict, volume.decided_by) == ("undecided", "enough data?")
    assert volume.reason == "requests a month are not stated and there is no log: state requests"


# ---- requirements ---------------------------------------------------------------------------------------------------------

NEEDS = "    needs: {{{}, why: w, by: b}}\n"


def test_a_deadline_that_only_the_edge_meets_requires_it(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("deadline: {p99: 100 ms}"))
    assert (found.verdict, found.reason) == ("required", "cloud misses p99 < 100 ms, edge meets it")
    assert flips_if(found) == "edge slower by 80 ms"


def test_a_deadline_that_nothing_meets(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("deadline: {p99: 10 ms}"))
    assert (found.verdict, found.reason) == ("impossible", "no option meets p99 < 10 ms")
    assert flips_if(found) == "edge faster by 10 ms"


def test_a_deadline_that_the_candidate_misses(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("deadline: {p99: 180 ms}"), OPTIONS.replace("latency: 20 ms", "latency: 190 ms"))
    assert (found.verdict, found.reason) == ("not_worth_it", "edge misses p99 < 180 ms")


def test_a_deadline_that_both_meet_leaves_the_question_to_money(tmp_path: Path) -> None:
    assert judged(tmp_path, NEEDS.format("deadline: {p99: 200 ms}")).verdict == "no_reason_given"


REGIONAL = "  regional: {{placement: regional, price: {{input: 0.05 USD/Mtok}}, {}}}\n"
THREE = WORKLOAD.replace("[cloud, edge]", "[cloud, edge, regional]") + "    baseline: cloud\n"


def test_a_cheaper_place_off_the_edge_that_meets_it_is_the_answer(tmp_path: Path) -> None:
    """1,000 Mtok at 0.05 instead of 0.20 USD."""
    options = OPTIONS + REGIONAL.format("latency: 60 ms")
    found = decision(tmp_path, options + THREE + NEEDS.format("deadline: {p99: 100 ms}"))
    assert (found.verdict, found.reason) == ("not_worth_it", "regional meets p99 < 100 ms for $150.00 a month less")


def test_a_cheaper_place_off_the_edge_that_nobody_knows_leaves_it_undecided(tmp_path: Path) -> None:
    options = OPTIONS + REGIONAL.format("model: m")
    found = decision(tmp_path, options + THREE + NEEDS.format("deadline: {p99: 100 ms}"))
    assert found.verdict == "undecided"
    assert found.reason == "regional costs $150.00 a month less, and whether it meets p99 < 100 ms is not known"


def test_data_that_may_not_leave(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("residency: site"))
    assert (found.verdict, found.decided_by) == ("required", "may the data leave?")
    regional = OPTIONS.replace("placement: cloud,", "placement: cloud, region: eu-west,")
    assert judged(tmp_path, NEEDS.format("residency: eu"), regional).reason == "edge misses residency"


def test_what_must_work_offline(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("offline: true"))
    assert (found.verdict, found.decided_by) == ("required", "must it work offline?")


def test_requirements_come_before_money(tmp_path: Path) -> None:
    """A value that covers the premium does not help an edge that misses its deadline."""
    workload = "    value: {waiting: 15 USD/h, why: w, by: b}\n" + NEEDS.format("deadline: {p99: 10 ms}")
    assert judged(tmp_path, workload).verdict == "impossible"


@pytest.mark.parametrize(
    ("hour", "verdict", "gate"), [("20", "worth_it", "pass"), ("0.1", "not_worth_it", "fail"), ("0.1 to 2", "undecided", "pass")]
)
def test_a_cheaper_option_that_meets_the_need_takes_nothing_from_an_edge_that_earns_its_price(
    tmp_path: Path, hour: str, verdict: str, gate: str
) -> None:
    """150 ms of 10 M requests are 416,667 h; 195 USD a month more is 0.468 USD/h. Gate and verdict say the same."""
    text = f"    needs: {{deadline: {{p99: 100 ms}}}}\n    value: {{waiting: {hour} USD/h, why: w, by: b}}\n"
    options = OPTIONS + REGIONAL.format("latency: 90 ms")
    found = judged_files(scenario(tmp_path, options + THREE + text), gate=True)
    assert (found.decisions[0].verdict, found.gate) == (verdict, gate)


# ---- a deadline over a sample: the whole interval of the miss ratio must stand on one side -----------------------------------


def sample(misses: int, n: int = 1000) -> Latency:
    values = [*(50.0 + 0.001 * k for k in range(n - misses)), *(150.0 + 0.001 * k for k in range(misses))]
    return Latency(np.array(values), np.full(n, 1 / n), 0.0, n, "measured")


@pytest.mark.parametrize(
    ("misses", "met"), [(2, "meets"), (4, "unknown"), (10, "unknown"), (13, "unknown"), (17, "misses"), (20, "misses")]
)
def test_a_sampled_deadline_needs_its_interval_on_one_side(misses: int, met: str) -> None:
    """Wilson 95 %: 2/1000 (0.05 %, 0.73 %), 4 (0.16, 1.02), 10 (0.54, 1.83), 13 (0.76, 2.21), 17 (1.06, 2.71), 20 (1.30, 3.07)."""
    z = norm.ppf(0.975)
    p, n = misses / 1000, 1000
    centre, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    expected = "meets" if centre + half <= 0.01 else "misses" if centre - half > 0.01 else "unknown"
    assert meets_deadline(sample(misses), 0.99, 100) == expected
    assert expected == met


def test_failures_are_misses() -> None:
    fast_but_failing = Latency.constant(10, failure_ratio=0.02)
    assert meets_deadline(fast_but_failing, 0.99, 100) == "misses"
    assert meets_deadline(fast_but_failing, 0.95, 100) == "meets"


def test_everything_late_is_a_miss_and_no_error() -> None:
    assert meets_deadline(sample(1000), 0.99, 100) == "misses"


def test_too_small_a_sample_settles_no_deadline(tmp_path: Path) -> None:
    """Of 100 requests none is late; the miss ratio may still be 3.7 %."""
    edge = write_log(tmp_path / "edge.jsonl", [20 + n % 7 for n in range(100)])
    options = OPTIONS.replace("latency: 20 ms", f"log: {edge}")
    found = judged(tmp_path, "    where: {workload: search}\n" + NEEDS.format("deadline: {p99: 100 ms}"), options)
    assert (found.verdict, found.reason) == ("undecided", "whether edge meets p99 < 100 ms is not known")


# ---- the candidate ----------------------------------------------------------------------------------------------------------


def test_without_runs_on_the_better_edge_is_the_candidate(tmp_path: Path) -> None:
    options = OPTIONS + "  other: {placement: edge, price: {input: 0.10 USD/Mtok}, latency: 20 ms, assume: {why: w, by: b}}\n"
    text = f"workloads:\n  w:\n    {TRAFFIC}\n    value: {{waiting: 15 USD/h, why: w, by: b}}\n"
    found = decision(tmp_path, options + text)
    assert (found.case.candidate, found.case.runs_on, found.best) == ("other", None, "other")


def test_runs_on_the_baseline_still_judges_the_edge(tmp_path: Path) -> None:
    found = decision(tmp_path, f"{OPTIONS}{WORKLOAD.replace('runs_on: edge', 'runs_on: cloud')}")
    assert (found.case.runs_on, found.case.candidate) == ("cloud", "edge")


def test_best_is_the_highest_net_and_may_be_a_third(tmp_path: Path) -> None:
    options = OPTIONS + REGIONAL.format("latency: 60 ms, assume: {why: w, by: b}")
    found = decision(tmp_path, options + THREE + "    value: {waiting: 1 USD/h, why: w, by: b}\n")
    hour = 10_000_000 / 3_600_000  # USD a month per ms and USD/h
    nets = {"edge": 150 * hour - 195, "regional": 110 * hour - 45}
    assert found.best == "regional"
    assert found.regret == pytest.approx(nets["regional"] - nets["edge"])


# ---- words ------------------------------------------------------------------------------------------------------------------


def test_the_sentence_names_the_terms_of_its_value_model(tmp_path: Path) -> None:
    said = sentence(judged(tmp_path, "    value: {waiting: 15 USD/h, why: w, by: b}\n"))
    assert said == (
        "w: edge costs $195.00 a month more than cloud and saves 150 of 170 ms of a request; it pays as long as an hour of waiting is "
        "worth more than $0.468, that is if a thousand requests are worth $0.0195 more this way."
    )
    missed = sentence(judged(tmp_path, "    value: {deadline: {limit: 100 ms, per_miss: 0.00001 USD/miss}, why: w, by: b}\n"))
    assert "it pays only if a miss costs more than $0.0000195" in missed


def test_an_unfelt_saving_says_from_when_it_would_be(tmp_path: Path) -> None:
    found = judged(tmp_path, "    value: {waiting: 15 USD/h, why: w, by: b}\n", OPTIONS.replace("latency: 20 ms", "latency: 100 ms"))
    assert "saves 70 of 170 ms of a request, which nobody feels below 100 ms" in sentence(found)
    assert flips_if(found) == "saves > 100 ms, or an hour of waiting > $1.00, unfelt waits counted"


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (1234.5, "$1,234.50"),
        (0.468, "$0.468"),
        (0.0000195, "$0.0000195"),
        (0.1, "$0.1"),
        (0, "$0.00"),
        (0.00000849, "$0.00000849"),
        (-0.065, "-$0.065"),
    ],
)
def test_money_in_words(amount: float, said: str) -> None:
    assert dollars(amount) == said


def test_signed_money() -> None:
    assert (signed(-541.2), signed(12)) == ("-$541.20", "+$12.00")


def test_every_question_shows_its_evidence_whatever_decides(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("offline: true"))
    assert [step.question for step in found.steps] == [
        "enough data?",
        "may the data leave?",
        "must it work offline?",
        "hard deadline?",
        "is the network the bottleneck?",
        "origin calls on the path?",
        "does an acceptable model fit?",
        "utilisation?",
        "money?",
        "operations labour?",
        "how sure?",
    ]
    assert all(step.evidence for step in found.steps)


def test_a_deadline_shows_what_it_is_held_against(tmp_path: Path) -> None:
    """All of 1,000 requests within 100 ms: Wilson's 95 % interval of 0/1000 ends at z^2 / (n + z^2)."""
    edge = write_log(tmp_path / "edge.jsonl", [20 + n % 7 for n in range(1000)])
    options = OPTIONS.replace("latency: 20 ms", f"log: {edge}")
    found = judged(tmp_path, "    where: {workload: search}\n" + NEEDS.format("deadline: {p99: 100 ms}"), options)
    (step,) = [step for step in found.steps if step.question == "hard deadline?"]
    z2 = norm.ppf(0.975) ** 2
    assert f"edge: meets p99 < 100 ms (26 ms; 0 % late, 0..{100 * z2 / (1000 + z2):.3g})" in step.evidence
    assert "cloud: misses p99 < 100 ms (170 ms; 100 % late)" in step.evidence


def test_two_workloads_are_judged_on_their_own(tmp_path: Path) -> None:
    one = f"    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    found = decisions(tmp_path, f"{OPTIONS}workloads:\n  a:\n{one}  b:\n{one}    value: {{waiting: 15 USD/h, why: w, by: b}}\n")
    assert {name: each.verdict for name, each in found.items()} == {"a": "no_reason_given", "b": "worth_it"}


def test_needs_are_named_as_they_are_stated(tmp_path: Path) -> None:
    found = judged(tmp_path, NEEDS.format("deadline: {p95: 800 ms, p99.9: 2 s}, min_quality: 0.9"))
    assert list(needs_of(found.case, found.case.options["edge"])) == ["p95 < 800 ms", "p99.9 < 2000 ms", "quality"]


# ---- what is hoped for keeps no deadline -----------------------------------------------------------------------------------------


def test_a_deadline_that_only_a_stated_or_best_case_meets_is_to_be_probed(tmp_path: Path) -> None:
    needs = NEEDS.format("deadline: {p99: 100 ms}")
    stated = judged(tmp_path, needs, UNASSUMED)
    assert (stated.verdict, stated.reason) == ("undecided", "a stated latency meets p99 < 100 ms, probe edge")
    options = "options:\n  cloud: {placement: cloud, price: {input: 0 USD/Mtok}, rtt: 90 ms, service: 50 ms}\n"
    options += "  edge: {placement: edge, price: {input: 0 USD/Mtok}}\n"
    best = judged(tmp_path, needs, options)
    assert best.books.candidate.best_case
    assert (best.verdict, best.reason) == ("undecided", "only the best case meets p99 < 100 ms, probe edge")


def test_a_deadline_that_even_the_best_case_misses_is_final(tmp_path: Path) -> None:
    options = "options:\n  cloud: {placement: cloud, price: {input: 0 USD/Mtok}, rtt: 90 ms, service: 50 ms}\n"
    options += "  edge: {placement: edge, price: {input: 0 USD/Mtok}}\n"
    assert judged(tmp_path, NEEDS.format("deadline: {p99: 40 ms}"), options).verdict == "impossible"


def measured(tmp_path: Path, requests: int, head: str = "seen_from: client\n") -> Decision:
    """Both sides measured, the edge faster and cheaper, by so many requests."""
    (tmp_path / "log.jsonl").unlink(missing_ok=True)
    write_log(tmp_path / "log.jsonl", [300.0 + n % 5 for n in range(400)], placement="cloud")
    write_log(tmp_path / "log.jsonl", [40.0 + n % 5 for n in range(requests)], placement="edge")
    text = """
log: log.jsonl
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}}
  edge: {placement: edge, price: {input: 0.001 USD/Mtok}}
workloads:
  search: {requests: 10M /month, runs_on: edge}
"""
    return decision(tmp_path, head + text)


def test_five_requests_have_no_median_and_six_do(tmp_path: Path) -> None:
    few = measured(tmp_path, 5)
    assert (few.verdict, few.reason) == ("undecided", "too little data: 5 successful requests at edge")
    assert measured(tmp_path, 6).verdict == "worth_it"


def test_where_the_log_measured_is_asked_before_a_loss_is_believed(tmp_path: Path) -> None:
    """From a gateway the users' way is missing on the side that has it: the saving may be larger than it looks."""
    write_log(tmp_path / "log.jsonl", [60.0 + n % 5 for n in range(400)], placement="cloud")
    write_log(tmp_path / "log.jsonl", [50.0 + n % 5 for n in range(400)], placement="edge")
    text = """
log: log.jsonl
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}}
workloads:
  search: {requests: 10M /month, runs_on: edge, users: machines, value: {waiting: 1 USD/h, why: w, by: b}}
"""
    assert decision(tmp_path, f"seen_from: client\n{text}").verdict == "not_worth_it"
    assert decision(tmp_path, f"seen_from: gateway\n{text}").verdict == "undecided"


# ---- needs that no option meets together -------------------------------------------------------------------------------------------


def test_each_option_missing_another_need_is_impossible(tmp_path: Path) -> None:
    """The cloud is good and late, the edge in time and bad."""
    options = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, quality: 0.95").replace(
        "latency: 20 ms", "latency: 20 ms, quality: 0.80"
    )
    found = judged(tmp_path, NEEDS.format("deadline: {p99: 100 ms}, min_quality: 0.9"), options)
    assert (found.verdict, found.decided_by) == ("impossible", "does an acceptable model fit?")
    assert found.reason == "no option meets every need: cloud misses p99 < 100 ms, edge misses quality"


def test_one_option_that_misses_nothing_is_enough(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, quality: 0.95").replace(
        "latency: 20 ms", "latency: 20 ms, quality: 0.80"
    )
    options += REGIONAL.format("latency: 60 ms, quality: 0.95")
    found = decision(tmp_path, options + THREE + NEEDS.format("deadline: {p99: 100 ms}, min_quality: 0.9"))
    assert (found.verdict, found.reason) == ("not_worth_it", "edge misses quality")


def test_a_nearer_region_that_is_required_says_what_the_edge_would_cost_more(tmp_path: Path) -> None:
    """1,000 Mtok at 0.05 and 0.20 USD."""
    options = OPTIONS + REGIONAL.format("latency: 60 ms")
    found = decision(tmp_path, options + THREE.replace("runs_on: edge", "runs_on: regional") + NEEDS.format("deadline: {p99: 100 ms}"))
    assert (found.verdict, found.reason) == (
        "required",
        "cloud misses p99 < 100 ms, regional meets it for $150.00 a month less than edge",
    )


def test_what_the_net_pays_for_of_peoples_time(tmp_path: Path) -> None:
    def labour(hour: str) -> str:
        found = judged(tmp_path, f"    value: {{waiting: {hour} USD/h, why: w, by: b}}\n")
        return next(step.evidence for step in found.steps if step.question == "operations labour?")

    assert labour("15").endswith("the net pays for $6,055.00 of it a month")  # 10 M x 150 ms x 15 USD/h less 195
    assert labour("0.1").endswith("the net pays for none")


def test_the_same_price_is_said_as_such(tmp_path: Path) -> None:
    said = sentence(judged(tmp_path, "", OPTIONS.replace("0.20", "0.005").replace("latency: 20 ms", "latency: 180 ms")))
    assert said == "w: edge costs as much as cloud and adds 10 of 170 ms of a request; it pays only if it is not slower."


def test_a_cheaper_option_that_is_too_slow_already_pays_only_if_it_were_less_so(tmp_path: Path) -> None:
    """195 USD less buys 4.68 ms at 15 USD/h; it adds 30, which counts however little anybody feels it."""
    swapped = (
        OPTIONS.replace("input: 0.005", "input: 0.30").replace("input: 0.20", "input: 0.105").replace("latency: 20 ms", "latency: 200 ms")
    )
    found = judged(tmp_path, "    value: {waiting: 15 USD/h, why: w, by: b}\n", swapped)
    assert found.verdict == "not_worth_it"
    assert "felt" not in found.reason
    assert sentence(found).endswith("it pays only if it is not slower than cloud by more than 4.7 ms.")


def test_what_misses_more_turns_where_a_miss_costs_less(tmp_path: Path) -> None:
    """All 10 M requests miss 180 ms at the edge and none in the cloud: 195 USD saved are 0.0000195 USD a miss, on either side of it."""
    swapped = (
        OPTIONS.replace("input: 0.005", "input: 0.30").replace("input: 0.20", "input: 0.105").replace("latency: 20 ms", "latency: 200 ms")
    )
    value = "    value: {{deadline: {{limit: 180 ms, per_miss: {} USD/miss}}, why: w, by: b}}\n"
    loses, wins = (judged(tmp_path, value.format(usd), swapped) for usd in ("0.00004", "0.00001"))
    assert (loses.verdict, wins.verdict) == ("not_worth_it", "worth_it")
    assert loses.books.break_even["usd_per_miss"] == pytest.approx(0.0000195)
    assert (flips_if(loses) or "").startswith("a miss < $0.0000195")
    assert (flips_if(wins) or "").startswith("a miss > $0.0000195")
