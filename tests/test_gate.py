"""The gate: each rule beside its limit, materiality per workload and on the sum, requirements, waivers, the project's policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from judged import OPTIONS, TODAY, TRAFFIC, judged, scenario, write_log

from edgeroi.errors import EdgeroiError
from edgeroi.gate import Finding
from edgeroi.verdict_report import Verdicts, gate_words

ONE = f"    {TRAFFIC}\n    options: [cloud, edge]\n    baseline: cloud\n    runs_on: edge\n"
#: USD a month of one millisecond on 10 M requests at one USD an hour.
HOUR = 10_000_000 / 3_600_000
VALUE = "    value: {{waiting: {} USD/h, why: w, by: b}}\n"


def checked(tmp_path: Path, text: str, today: date = TODAY, overrides: tuple[str, ...] = ()) -> Verdicts:
    return judged(scenario(tmp_path, text), gate=True, today=today, overrides=overrides)


def rules(verdicts: Verdicts) -> Mapping[str, Finding]:
    """The findings by rule and workload, ``edge-net:w``."""
    return {f"{f.rule}:{f.workload or 'all'}": f for each in verdicts.scenarios for f in each.findings}


def edge_at(usd_mtok: float, name: str = "edge") -> str:
    """An edge that costs this much for each of 1,000 Mtok, beside a cloud for 5 USD."""
    return OPTIONS.replace("input: 0.20", f"input: {usd_mtok}").replace("  edge:", f"  {name}:")


# ---- value undeclared, and value too small ------------------------------------------------------------------------------------


def test_a_premium_without_a_value_fails_beside_its_limit(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}")
    rule = rules(found)["edge-value-undeclared:w"]
    assert (found.gate, rule.status, rule.value, rule.limit) == ("fail", "fail", pytest.approx(195), 50)
    assert rule.place is not None
    assert rule.place.line == 9


def test_the_sentence_that_would_pass_does(tmp_path: Path) -> None:
    """What the message tells to state, stated, passes."""
    message = rules(checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}"))["edge-value-undeclared:w"].message
    stated = re.search(r"value: \{waiting: ([\d.]+) USD/h, why: \.\.\., by: \.\.\.\} or more$", message)
    assert stated is not None
    assert checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(stated[1])}").gate == "pass"


def test_no_rate_of_waiting_is_advised_where_nobody_would_feel_the_saving(tmp_path: Path) -> None:
    unfelt = OPTIONS.replace("latency: 20 ms", "latency: 100 ms")
    message = rules(checked(tmp_path, f"{unfelt}workloads:\n  w:\n{ONE}"))["edge-value-undeclared:w"].message
    assert message.endswith("a thousand requests must be worth $0.0195 more, and not as time saved: that is felt from 100 ms on")


@pytest.mark.parametrize(("hour", "gate", "high"), [(15, "pass", 6055.0), (0.40, "pass", -195 + 500 / 3), (0.10, "fail", -195 + 125 / 3)])
def test_the_high_end_of_net_is_held_against_the_floor(tmp_path: Path, hour: float, gate: str, high: float) -> None:
    """An hour of 0.40 USD loses 28.33 a month, less than the 50 that may be lost."""
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(hour)}")
    rule = rules(found)["edge-net:w"]
    assert (found.gate, rule.limit) == (gate, -50)
    assert rule.value == pytest.approx(high, abs=0.005)


@pytest.mark.parametrize(("hour", "gate", "above"), [("0.1 (0.05..0.40)", "fail", 0.0258), ("0.1 (0.05..0.60)", "pass", 0.2309)])
def test_a_loss_beyond_the_floor_has_to_be_all_but_certain(tmp_path: Path, hour: str, gate: str, above: float) -> None:
    """Net is -50 at an hour of 145/416.67 = 0.348 USD; above it lies (high - 0.348)^2 / ((high - 0.05)(high - 0.1)) of the range."""
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(hour)}")
    assert found.gate == gate
    prospect = found.decisions[0].books.prospect
    assert prospect is not None
    assert prospect.p_above(-50) == pytest.approx(above, abs=2e-4)


# ---- materiality ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("materiality", "usd_mtok", "gate", "limit"),
    [
        ("50 USD/month or 5%", 0.0549, "pass", 50),  # 49.90 more
        ("50 USD/month or 5%", 0.0551, "fail", 50),  # 50.10 more
        ("10 USD/month", 0.0149, "pass", 10),
        ("10 USD/month", 0.0151, "fail", 10),
        ("5%", 0.00524, "pass", 0.25),  # of the baseline's 5.00
        ("5%", 0.00526, "fail", 0.25),
    ],
)
def test_the_floor_is_the_larger_of_an_amount_and_a_share(
    tmp_path: Path, materiality: str, usd_mtok: float, gate: str, limit: float
) -> None:
    found = checked(tmp_path, f"{edge_at(usd_mtok)}workloads:\n  w:\n{ONE}check: {{materiality: {materiality}}}\n")
    assert (found.gate, rules(found)["edge-value-undeclared:w"].limit) == (gate, pytest.approx(limit))


def test_a_dollar_ninety_nine_breaks_no_build(tmp_path: Path) -> None:
    """The article's own premium, $1.99 a month."""
    assert checked(tmp_path, f"{edge_at(0.00699)}workloads:\n  w:\n{ONE}").gate == "pass"


def test_five_per_cent_of_a_large_baseline_is_more_than_fifty(tmp_path: Path) -> None:
    """2,000 USD now: 95 more is less than 100."""
    options = edge_at(2.095).replace("input: 0.005", "input: 2")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}")
    assert (found.gate, rules(found)["edge-value-undeclared:w"].limit) == ("pass", pytest.approx(100))


def test_small_losses_that_sum_up_fail_on_the_sum(tmp_path: Path) -> None:
    """Two of 30 USD, each below the floor, together 60."""
    found = checked(tmp_path, f"{edge_at(0.035)}workloads:\n  a:\n{ONE}  b:\n{ONE}")
    by_rule = rules(found)
    assert (by_rule["edge-value-undeclared:a"].status, by_rule["edge-value-undeclared:b"].status) == ("pass", "pass")
    assert (found.gate, by_rule["edge-net:all"].status, by_rule["edge-net:all"].value) == ("fail", "fail", pytest.approx(-60))


def test_one_gain_makes_up_for_another_loss_in_the_sum_only(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{edge_at(0.035)}workloads:\n  a:\n{ONE}  b:\n{ONE}{VALUE.format(15)}")
    assert (found.gate, rules(found)["edge-net:all"].value) == ("pass", pytest.approx(-30 + 6250 - 30))


def test_an_account_fee_counts_once_in_the_sum(tmp_path: Path) -> None:
    """Two of 5 + 30 USD of one account's fee: 70 alone and apart, 40 together."""
    options = edge_at(0.010).replace("latency: 20 ms", "latency: 20 ms, fixed: 30 USD/month per account")
    found = checked(tmp_path, f"{options}workloads:\n  a:\n{ONE}  b:\n{ONE}")
    assert rules(found)["edge-net:all"].value == pytest.approx(-(5 + 5 + 30))
    assert found.gate == "pass"


def test_what_is_spent_off_the_edge_is_not_the_gates_business(tmp_path: Path) -> None:
    options = OPTIONS.replace("placement: edge", "placement: regional")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}")
    assert (found.gate, rules(found)) == ("pass", {})


# ---- requirements -----------------------------------------------------------------------------------------------------------

REQUIRED = "    needs: {{residency: site{}, why: the law, by: counsel}}\n"


def test_a_required_edge_never_fails_on_what_it_earns(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{REQUIRED.format('')}")
    assert (found.gate, set(rules(found))) == ("pass", {"needs:w"})


@pytest.mark.parametrize(("cap", "gate"), [(200, "pass"), (190, "fail")])
def test_a_required_edge_fails_on_its_cap(tmp_path: Path, cap: int, gate: str) -> None:
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{REQUIRED.format(f', max_premium: {cap} USD/month')}")
    rule = rules(found)["max-premium:w"]
    assert (found.gate, rule.value, rule.limit) == (gate, pytest.approx(195), cap)


def test_a_need_that_is_missed_fails_whatever_it_earns(tmp_path: Path) -> None:
    needs = "    needs: {deadline: {p99: 10 ms}, why: w, by: b}\n"
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(15)}{needs}")
    assert (found.gate, rules(found)["needs:w"].status) == ("fail", "fail")
    assert rules(found)["needs:w"].message == "edge misses p99 < 10 ms"


def test_a_need_off_the_edge_is_held_too(tmp_path: Path) -> None:
    needs = "    needs: {deadline: {p99: 100 ms}, why: w, by: b}\n"
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE.replace('runs_on: edge', 'runs_on: cloud')}{needs}")
    assert (found.gate, rules(found)["needs:w"].message) == ("fail", "cloud misses p99 < 100 ms")


def test_a_need_nobody_can_check_is_no_pass(tmp_path: Path) -> None:
    needs = "    needs: {min_quality: 0.9, why: w, by: b}\n"
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(15)}{needs}")
    assert (found.gate, rules(found)["needs:w"].status) == ("undecided", "undecided")


# ---- waivers ----------------------------------------------------------------------------------------------------------------


def waived(rule: str, expires: date, workload: str = "workload: w, ") -> str:
    return f"check:\n  waivers:\n    - {{rule: {rule}, {workload}why: contract runs out, by: cfo, expires: {expires}}}\n"


@pytest.mark.parametrize(("days", "gate", "status"), [(0, "pass", "waived"), (30, "pass", "waived"), (-1, "fail", "fail")])
def test_a_waiver_holds_to_its_last_day(tmp_path: Path, days: int, gate: str, status: str) -> None:
    expires = TODAY + timedelta(days=days)
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{waived('edge-value-undeclared', expires)}")
    rule = rules(found)["edge-value-undeclared:w"]
    assert (found.gate, rule.status) == (gate, status)
    said = f"waived by cfo until {expires}: contract runs out" if status == "waived" else f"the waiver by cfo expired on {expires}"
    assert said in rule.message


def test_a_waiver_covers_its_rule_and_its_workload_only(tmp_path: Path) -> None:
    later = TODAY + timedelta(days=30)
    other = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{waived('edge-net', later)}")
    assert other.gate == "fail"
    two = f"{OPTIONS}workloads:\n  w:\n{ONE}  x:\n{ONE}{waived('edge-value-undeclared', later)}"
    assert {key: f.status for key, f in rules(checked(tmp_path, two)).items()} == {
        "edge-value-undeclared:w": "waived",
        "edge-value-undeclared:x": "fail",
    }


def test_a_waived_loss_does_not_come_back_in_the_sum(tmp_path: Path) -> None:
    text = f"{OPTIONS}workloads:\n  w:\n{ONE}  x:\n{ONE}{VALUE.format(0.40)}{waived('edge-value-undeclared', TODAY)}"
    assert checked(tmp_path, text).gate == "pass"


def test_a_waiver_needs_why_by_and_an_expiry(tmp_path: Path) -> None:
    with pytest.raises(EdgeroiError, match="expires"):
        checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}check:\n  waivers:\n    - {{rule: edge-net, why: w, by: b}}\n")


# ---- no answer ----------------------------------------------------------------------------------------------------------------


def test_a_declared_edge_without_a_price_is_no_pass(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{OPTIONS.replace('price: {input: 0.20 USD/Mtok}, ', '')}workloads:\n  w:\n{ONE}")
    assert (found.gate, rules(found)["price-missing:w"].status) == ("undecided", "undecided")


def test_a_declared_edge_without_a_volume_is_no_pass(tmp_path: Path) -> None:
    no_volume = ONE.replace("requests: 10M /month\n    ", "")
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{no_volume}")
    assert (found.gate, rules(found)["data-missing:w"].status) == ("undecided", "undecided")


def test_a_value_of_time_without_a_latency_is_no_pass(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 20 ms, assume: {why: so it is said, by: dana}", "model: m")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}{VALUE.format(15)}")
    assert (found.gate, rules(found)["data-missing:w"].status) == ("undecided", "undecided")


def test_what_is_missing_off_the_edge_is_a_warning(tmp_path: Path) -> None:
    options = OPTIONS.replace("price: {input: 0.20 USD/Mtok}, ", "")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE.replace('runs_on: edge', 'runs_on: cloud')}")
    assert (found.gate, rules(found)["price-missing:w"].level) == ("pass", "warning")


UNDECIDED = f"{OPTIONS.replace(', assume: {why: so it is said, by: dana}', '')}workloads:\n  w:\n{ONE}{VALUE.format(15)}"


def test_an_undecided_edge_passes_unless_it_is_asked_to_fail(tmp_path: Path) -> None:
    assert checked(tmp_path, UNDECIDED).gate == "pass"
    found = checked(tmp_path, f"{UNDECIDED}check: {{on_undecided: fail}}\n")
    assert found.gate == "undecided"
    assert rules(found)["data-missing:w"].message == "undecided: wins with a stated latency, probe edge"


def test_a_failure_weighs_more_than_a_missing_answer(tmp_path: Path) -> None:
    options = OPTIONS + "  dark: {placement: edge, latency: 20 ms}\n"
    dark = ONE.replace("[cloud, edge]", "[cloud, dark]").replace("runs_on: edge", "runs_on: dark")
    assert checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}  x:\n{dark}").gate == "fail"


# ---- the project's policy -----------------------------------------------------------------------------------------------------


def test_the_projects_floor_holds_where_it_is_stricter(tmp_path: Path) -> None:
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\nmateriality: 10 USD/month\n")
    lax = checked(tmp_path, f"{edge_at(0.02)}workloads:\n  w:\n{ONE}check: {{materiality: 500 USD/month}}\n")
    assert (lax.gate, rules(lax)["edge-value-undeclared:w"].limit) == ("fail", 10)
    strict = checked(tmp_path, f"{edge_at(0.01)}workloads:\n  w:\n{ONE}check: {{materiality: 1 USD/month}}\n")
    assert rules(strict)["edge-value-undeclared:w"].limit == 1


def test_a_rate_of_the_project_stands_in_for_the_scenarios(tmp_path: Path) -> None:
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\nrates:\n  clerk: {rate: 15 USD/h, why: payroll, by: finance}\n")
    value = "    value: {waiting: clerk, why: clerks wait, by: b}\n"
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}{value}")
    assert found.decisions[0].books.likely.net == pytest.approx(6055)


# ---- warnings -----------------------------------------------------------------------------------------------------------------


def test_a_better_third_option_is_a_warning_with_its_regret(tmp_path: Path) -> None:
    third = "  near: {placement: regional, price: {input: 0.01 USD/Mtok}, latency: 30 ms, assume: {why: w, by: b}}\n"
    found = checked(tmp_path, f"{OPTIONS}{third}workloads:\n  w:\n{ONE.replace('[cloud, edge]', '[cloud, edge, near]')}{VALUE.format(1)}")
    (warning,) = [f for f in found.scenarios[0].findings if f.level == "warning"]
    assert found.gate == "pass"
    assert warning.value == pytest.approx((140 * HOUR - 5) - (150 * HOUR - 195))
    assert warning.message.startswith("near is better by")


def test_uncovered_edge_rows_are_found_and_may_be_waived(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400, placement="cloud")
    write_log(tmp_path / "log.jsonl", [40.0] * 30, placement="edge")
    text = """
log: log.jsonl
seen_from: client
workloads:
  search:
    now: deepinfra/BAAI/bge-base-en-v1.5
    edge: cloudflare/@cf/baai/bge-base-en-v1.5
"""
    rule = rules(checked(tmp_path, text))["edge-uncovered:search"]
    assert rule.message == "30 requests of search ran at the edge and no `runs_on` covers them"
    covered = checked(tmp_path, f"{text}    runs_on: edge\n")
    assert "edge-uncovered:search" not in rules(covered)
    waiver = waived("edge-uncovered", TODAY).replace("workload: w", "workload: search")
    assert rules(checked(tmp_path, text + waiver))["edge-uncovered:search"].status == "waived"


def test_an_old_price_is_a_warning(tmp_path: Path) -> None:
    options = OPTIONS.replace("{input: 0.20 USD/Mtok}", "cloudflare/@cf/baai/bge-base-en-v1.5")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}{VALUE.format(15)}", today=date(2027, 9, 1))
    rule = rules(found)["stale-price:w"]
    assert (found.gate, rule.level) == ("pass", "warning")


@pytest.mark.parametrize(
    ("cloud", "words"),
    [  # 1,000 Mtok a month at 0.20 USD/Mtok are 200 USD at the edge
        ("0.005 USD/Mtok", "edge costs +$195 a month = $2,340 a year"),
        ("0.1998 USD/Mtok", "edge costs +$0.20 a month = $2.40 a year"),
        ("0.2002 USD/Mtok", "edge saves $0.20 a month = $2.40 a year"),
        ("0.50 USD/Mtok", "edge saves $300 a month = $3,600 a year"),
        ("0.20 USD/Mtok", "edge costs +$0 a month = $0 a year"),
    ],
)
def test_what_the_edge_costs_is_told_with_its_sign_and_its_cents(tmp_path: Path, cloud: str, words: str) -> None:
    found = checked(tmp_path, f"{OPTIONS.replace('0.005 USD/Mtok', cloud)}workloads:\n  w:\n{ONE}")
    assert gate_words(found).startswith(f"{words} · gate: ")


def test_the_line_below_says_what_edge_spend_comes_to(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{OPTIONS}workloads:\n  w:\n{ONE}")
    assert gate_words(found) == "edge costs +$195 a month = $2,340 a year · gate: FAIL (1)"


def test_an_override_reaches_the_gate(tmp_path: Path) -> None:
    text = f"{OPTIONS}workloads:\n  w:\n{ONE}{VALUE.format(0.10)}"
    assert checked(tmp_path, text).gate == "fail"
    assert checked(tmp_path, text, overrides=("workloads.w.value.waiting=15 USD/h",)).gate == "pass"
    assert checked(tmp_path, text, overrides=("workloads.w.requests=1M /month",)).gate == "pass"  # a tenth of the loss


def test_a_need_stands_beside_its_limit(tmp_path: Path) -> None:
    needs = "    needs: {deadline: {p99: 100 ms}, min_quality: 0.9, why: w, by: b}\n"
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, quality: 0.95").replace(
        "latency: 170 ms", "latency: 170 ms, quality: 0.95"
    )
    found = [f for f in checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}{needs}").scenarios[0].findings if f.rule == "needs"]
    assert [(f.message, f.limit, f.value) for f in found] == [("edge meets p99 < 100 ms", 100, 20), ("edge meets quality", 0.9, 0.95)]


def test_the_sum_of_what_is_priced_is_told_beside_what_is_not(tmp_path: Path) -> None:
    options = OPTIONS + "  dark: {placement: edge, latency: 20 ms}\n"
    dark = ONE.replace("[cloud, edge]", "[cloud, dark]").replace("runs_on: edge", "runs_on: dark")
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}  x:\n{dark}")
    assert gate_words(found) == "edge costs +$195 a month = $2,340 a year · gate: FAIL (1)"


def test_a_gate_rests_on_no_samples_that_must_not_be_compared(tmp_path: Path) -> None:
    """The high end of net is far below the floor, from logs of which nobody says where they measured."""
    for placement, ms in (("cloud", 60.0), ("edge", 59.0)):
        write_log(tmp_path / "log.jsonl", [ms + n % 5 for n in range(400)], placement=placement)
    options = OPTIONS.replace("latency: 170 ms", "model: m").replace("latency: 20 ms, assume: {why: so it is said, by: dana}", "model: m")
    text = f"log: log.jsonl\n{options}workloads:\n  search:\n{ONE}{VALUE.format(1)}    users: machines\n"
    found = checked(tmp_path, text)
    assert found.gate == "undecided"
    assert rules(found)["data-missing:search"].message == "vantage unknown: say where the log measured (seen_from)"
    assert checked(tmp_path, f"seen_from: client\n{text}").gate == "fail"


def test_a_deadline_of_a_hoped_for_edge_is_no_pass(tmp_path: Path) -> None:
    options = OPTIONS.replace(", assume: {why: so it is said, by: dana}", "")
    needs = "    needs: {deadline: {p99: 100 ms}, why: w, by: b}\n"
    found = checked(tmp_path, f"{options}workloads:\n  w:\n{ONE}{needs}{VALUE.format(15)}")
    assert (found.gate, rules(found)["needs:w"].status) == ("undecided", "undecided")
