"""What is not certain, as it is said: in the table, under --explain, in JSON and CSV, and by the gate."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from judged import OPTIONS, TRAFFIC, decision, judged, scenario, write_log

import edgeroi
from edgeroi.draws import Chance
from edgeroi.errors import EdgeroiError
from edgeroi.prospect_report import GUESS, rests_on, s_curve, tornado
from edgeroi.renderers import Page, renderer
from edgeroi.renderers._plain import said
from edgeroi.report import Report, span
from edgeroi.verdict_report import verdict_report

SCENARIO = Path(__file__).parents[1] / "scenarios" / "inline-completion.yaml"
SERVED = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
OPEN = "    value: {waiting: 0.5 (0.4..0.6) USD/h, why: w, by: b}\n"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgeroi", *map(str, arguments)], capture_output=True, text=True, check=False)


def workload(*overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(renderer("json").render(verdict_report(judged(SCENARIO, overrides=overrides)), Page()))
    return {**found["scenarios"][0]["workloads"][0], "seed": found["seed"]}


# ---- for people ----------------------------------------------------------------------------------------------------------------


def test_one_line_in_the_table_and_the_rest_under_explain() -> None:
    short, explained = run("compare", SCENARIO).stdout, run("compare", SCENARIO, "--explain", "completion").stdout
    assert "? UNDECIDED: completion.value.linear_time.waiting decides" in short
    assert "P(worth it) 70 % · knowing everything is worth $" in short
    assert "what net hangs on" not in short
    assert "completion: what net hangs on, USD a month" in explained
    assert "completion: how net may turn out, USD a month" in explained
    assert "10,000 worlds drawn, seed 1" in explained
    assert "a guess: no why is stated" in explained


def test_the_bars_are_drawn_to_one_scale(tmp_path: Path) -> None:
    """Of the two drivers the wider spans the cell, from 0 to 1; the mark is where net is likely."""
    options = OPTIONS.replace("input: 0.20 USD/Mtok", "input: 0.200 (0.150..0.250) USD/Mtok")
    table = tornado(decision(tmp_path, options + SERVED + OPEN.replace("0.5 (0.4..0.6)", "0.5 (0.2..1.0)")).books, "w")
    assert table is not None
    cells = [row.cells[6].value for row in table.rows]
    assert cells[0] == pytest.approx((0, 1, 0.3 / 0.8))
    hours, width = 10_000_000 * 150 / 3_600_000, 0.8 * 10_000_000 * 150 / 3_600_000
    assert cells[1] == pytest.approx(((0.3 * hours - 50) / width, (0.3 * hours + 50) / width, 0.3 / 0.8))


def test_nothing_is_drawn_where_net_is_one_number(tmp_path: Path) -> None:
    case = decision(tmp_path, OPTIONS + SERVED + "    value: {waiting: 15 USD/h, why: w, by: b}\n").case
    assert tornado(case.books, "w") is None
    assert s_curve(case.books, "w", case.limits) is None


@pytest.mark.parametrize(
    ("shares", "drawn"),
    [
        ((0.0, 1.0, 0.5), "████████████████│███████████████"),
        ((0.25, 0.5), "········█████████···············"),
        ((0.0, 0.0), "································"),
        ((1.0, 1.0, 1.0), "·······························│"),
    ],
)
def test_a_span_is_drawn_in_the_width_of_its_cell(shares: tuple[float, ...], drawn: str) -> None:
    assert said(span(*shares)) == drawn
    assert said(span(*shares), unicode=False) == drawn.translate(str.maketrans("█·│", "#.|"))


def test_csv_has_the_probability_and_the_ends() -> None:
    printed = run("compare", SCENARIO, "--format", "csv").stdout
    (row,) = csv.DictReader(io.StringIO(printed))
    assert float(row["p_worth_it"]) == pytest.approx(0.70, abs=0.01)
    assert float(row["net_usd_month_low"]) < 0 < float(row["net_usd_month_high"])


def test_markdown_draws_too() -> None:
    explained = replace(judged(SCENARIO), explain=("completion",))
    assert "│" in renderer("markdown").render(verdict_report(explained), Page())


# ---- for scripts ---------------------------------------------------------------------------------------------------------------


def test_json_holds_all_that_is_said() -> None:
    found = workload()
    assert found["seed"] == 1
    assert found["evpi_usd_month"] > 0
    assert found["settling"] == {"driver": "completion.value.linear_time.waiting", "requests": None}
    curve = found["s_curve"]
    assert [point["p"] for point in curve] == sorted(point["p"] for point in curve)
    assert curve[1]["net_usd_month"] == found["candidate"]["net_low_usd_month"]
    assert curve[-2]["net_usd_month"] == found["candidate"]["net_high_usd_month"]
    waiting, requests, *_ = found["drivers"]
    assert (waiting["guess"], requests["guess"]) == (False, True)
    assert waiting["why"] == "from nothing but the pause itself to a wage"
    assert max(driver["worth_knowing_usd_month"] for driver in found["drivers"]) <= found["evpi_usd_month"]


def test_a_break_even_put_back_in_gives_a_net_of_zero() -> None:
    found = workload()
    units = {"waiting": "USD/h", "requests": "/month", "hours": "h/month", "fixed": "USD/month", "p50": "ms"}
    for driver in found["drivers"]:
        path = driver["name"] if driver["name"].startswith("options") else f"workloads.{driver['name']}"
        turned = workload(f"{path}={driver['break_even']:.9f} {units[path.rpartition('.')[2]]}")
        assert abs(turned["candidate"]["net_usd_month"]) < 0.01 * abs(found["candidate"]["net_usd_month"]), driver["name"]


def test_no_seed_where_nothing_was_drawn(tmp_path: Path) -> None:
    found = judged(scenario(tmp_path, OPTIONS + SERVED + "    value: {waiting: 15 USD/h, why: w, by: b}\n"))
    assert found.document["seed"] is None


def test_the_same_seed_gives_the_same_bytes_and_another_other_worlds() -> None:
    one, again, other = (run("compare", SCENARIO, "--format", "json", "--seed", seed).stdout for seed in ("1", "1", "2"))
    assert one == again
    assert one != other
    assert json.loads(other)["seed"] == 2


def test_draws_are_as_many_as_asked() -> None:
    assert "2,000 worlds drawn, seed 1" in run("compare", SCENARIO, "--explain", "completion", "--draws", "2000").stdout


@pytest.mark.parametrize("option", [("--draws", "10"), ("--draws", "2000000"), ("--seed", "-1")])
def test_odd_draws_are_refused(option: tuple[str, str]) -> None:
    ran = run("compare", SCENARIO, *option)
    assert ran.returncode == 2
    assert option[0] in ran.stderr


def test_python_takes_seed_and_draws() -> None:
    found = edgeroi.compare(SCENARIO, seed=4, draws=2_000)
    assert found.decisions[0].books.chance == Chance(4, 2_000)
    assert edgeroi.check(SCENARIO, seed=4).document["seed"] == 4
    with pytest.raises(EdgeroiError, match="draws"):
        edgeroi.compare(SCENARIO, draws=3)
    assert float(found.to_frame()["p_worth_it"][0]) == pytest.approx(0.70, abs=0.02)


# ---- undecided at the gate -----------------------------------------------------------------------------------------------------


def test_an_undecided_edge_is_a_warning_and_3_where_that_is_asked(tmp_path: Path) -> None:
    file = scenario(tmp_path, OPTIONS + SERVED + OPEN)
    warned, failed = run("check", file), run("check", file, "--on-undecided", "fail")
    assert (warned.returncode, failed.returncode) == (0, 3)
    assert "undecided: w.value.waiting decides, P(worth it) 77 %" in warned.stdout
    assert warned.stdout.rstrip().endswith("gate: PASS")
    assert "w.value.waiting decides" in failed.stderr


@pytest.mark.parametrize(
    ("edge_from", "fail_at", "verdict"), [("90%", "10%", "undecided"), ("75%", "10%", "worth_it"), ("99%", "80%", "not_worth_it")]
)
def test_the_project_s_limits_decide(tmp_path: Path, edge_from: str, fail_at: str, verdict: str) -> None:
    """P(worth it) is 77 %."""
    text = f"{OPTIONS}{SERVED}{OPEN}check: {{edge_from: {edge_from}, fail_at: {fail_at}}}\n"
    assert decision(tmp_path, text).verdict == verdict


def test_losses_are_summed_world_by_world(tmp_path: Path) -> None:
    """Two workloads under one rate of waiting: what one loses the other loses too, so the sum is twice one, not a milder mean."""
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\nrates:\n  hour: {rate: 0.40 (0.2..0.44) USD/h, why: payroll, by: cfo}\n")
    one = f"    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n    value: {{waiting: hour, why: w, by: b}}\n"
    found = judged(scenario(tmp_path, f"{OPTIONS}workloads:\n  a:\n{one}  b:\n{one}"), gate=True)
    values = {finding.workload: finding.value for finding in found.scenarios[0].findings if finding.rule == "edge-net"}
    assert values[None] == pytest.approx(values["a"] + values["b"])
    assert values["a"] == values["b"]


# ---- what a range rests on -----------------------------------------------------------------------------------------------------


def test_a_range_says_what_it_rests_on_or_is_a_guess(tmp_path: Path) -> None:
    options = OPTIONS.replace("input: 0.20 USD/Mtok", "input: {range: 0.20 (0.15..0.25) USD/Mtok, why: quote of May, by: dana}")
    options = options.replace("latency: 20 ms", "latency: 20 (10..60) ms")
    text = options + SERVED.replace("10M /month", "10M (5M..20M) /month") + OPEN
    rests = {bar.driver.name: rests_on(bar.driver) for bar in decision(tmp_path, text).books.bars}
    assert rests == {
        "w.requests": GUESS,
        "w.value.waiting": "w",  # why the value holds
        "options.edge.latency": "so it is said",  # why the latency is assumed
        "options.edge.price.input": "quote of May",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{range: 0.2 USD/Mtok}", "`why` is missing"),
        ("{range: 0.2, why: w}", "has no unit"),
        ("{range: {a: 1}, why: w}", "no quantity"),
        ("{range: 0.2 USD/Mtok, why: w, since: 2026}", "unknown key 'since'"),
    ],
)
def test_a_range_with_a_reason_is_held_to_the_grammar(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(EdgeroiError, match=said):
        decision(tmp_path, OPTIONS.replace("input: 0.20 USD/Mtok", f"input: {written}") + SERVED)


def test_a_fee_with_a_reason_may_be_per_account(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, fixed: {range: 30 (20..50) USD/month per account, why: quote, by: dana}")
    books = decision(tmp_path, options + SERVED).books
    (bar,) = books.bars
    assert (bar.driver.name, bar.driver.why) == ("options.edge.fixed", "quote")
    assert [line.account for line in books.candidate_cost.lines if line.kind == "fixed"] == ["edge"]


# ---- a best case is no chance ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hour", "p", "said"), [("5 to 40", 1.0, ()), ("0.05 (0.05..0.25)", 0.48, ("P(worth it) at most 48 %",))], ids=["wins", "open"]
)
def test_of_a_best_case_it_is_known_only_how_likely_it_is_at_most(tmp_path: Path, hour: str, p: float, said: tuple[str, ...]) -> None:
    """60 ms x 1 M requests are 16.7 h, the edge costs 1.85 USD more: 0.111 USD/h; above it lies (0.139/0.2)^2 = 48 % of the triangle."""
    write_log(tmp_path / "log.jsonl", [100.0] * 500, network_ms=60.0)
    offers = "now: {price: {input: 0.005 USD/Mtok}}\n    edge: {price: {input: 0.0235 USD/Mtok}}\n    runs_on: edge"
    worth = f"requests: 1M /month\n    users: machines\n    value: {{waiting: {hour} USD/h, why: w, by: b}}"
    file = scenario(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:\n  search:\n    {offers}\n    {worth}\n")
    candidate = json.loads(run("check", file, "--format", "json").stdout)["scenarios"][0]["workloads"][0]["candidate"]
    assert candidate["p_worth_it"] is None
    assert candidate["p_best_case"] == pytest.approx(p, abs=0.01)
    told = run("check", file).stdout
    assert sorted(set(re.findall(r"P\(worth it\)[^,;·\n]*%", told))) == sorted(set(said))
    (row,) = csv.DictReader(io.StringIO(run("compare", file, "--format", "csv").stdout))
    assert row["p_worth_it"] == ""


def test_a_latency_that_is_only_stated_gives_a_chance_on_that_condition(tmp_path: Path) -> None:
    options = OPTIONS.replace(", assume: {why: so it is said, by: dana}", "")
    file = scenario(tmp_path, options + SERVED + "    value: {waiting: 15 (5..40) USD/h, why: w, by: b}\n")
    assert "P(worth it) > 99 % if its latency is as stated" in run("compare", file).stdout


def test_the_bars_are_as_wide_as_the_page_has_room_for(tmp_path: Path) -> None:
    """32 in a pipe; a page with 20 columns more than the table takes draws 52, a narrow one no fewer than 16, or leaves the column out."""
    table = tornado(decision(tmp_path, OPTIONS + SERVED + OPEN).books, "w")
    assert table is not None

    def drawn(width: int | None) -> tuple[int, int]:
        lines = renderer("table").render(Report("x", {}, (replace(table, caption=()),)), Page(width=width)).splitlines()
        return max((len(found) for line in lines for found in re.findall("[·█│]{3,}", line)), default=0), len(lines[2])

    bar, natural = drawn(None)
    assert bar == 32
    assert drawn(natural + 20) == (52, natural + 20)
    assert drawn(natural + 500)[0] == 80
    widths = {drawn(width)[0] for width in range(60, natural + 60)}
    assert {0, 32, 80} <= widths <= {0, *range(16, 81)}
    assert all(drawn(width)[1] <= width for width in range(natural - 30, natural + 60))
