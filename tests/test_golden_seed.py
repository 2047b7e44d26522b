"""The seed scenario under every value model, and the worked costs, through whole scenarios; every expected figure is hand arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged import OPTIONS, TRAFFIC, decision

from edgeroi.verdict import Decision

#: 10 M requests x 150 ms, in hours.
HOURS = 10_000_000 * 150 / 3_600_000
PREMIUM = 1000 * 0.20 - 1000 * 0.005  # Mtok x USD/Mtok


def seed(tmp_path: Path, workload: str, options: str = OPTIONS) -> Decision:
    return decision(tmp_path, f"{options}workloads:\n  seed:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n{workload}")


GOLDEN = [
    ("", -195.00, "no_reason_given"),
    ("    value: {waiting: 15 USD/h, why: w, by: b}\n", 6055.00, "worth_it"),
    ("    value: {elasticity: {table: google2009, margin: 0.001 USD/request}, why: w, by: b}\n", -170.50, "not_worth_it"),
    ("    value: {elasticity: {table: google2009, margin: 0.01 USD/request}, why: w, by: b}\n", 50.00, "worth_it"),
    ("    part_of: 5000 ms\n    value: {waiting: 15 USD/h, why: w, by: b}\n", -195.00, "not_worth_it"),
]


@pytest.mark.parametrize(("workload", "net", "verdict"), GOLDEN)
def test_the_nets_of_the_seed_scenario(tmp_path: Path, workload: str, net: float, verdict: str) -> None:
    found = seed(tmp_path, workload)
    assert found.books.likely.premium == pytest.approx(PREMIUM, abs=1e-9)
    assert found.books.likely.net == pytest.approx(net, abs=0.005)
    assert found.books.net_low == pytest.approx(found.books.net_high, abs=1e-9)  # nothing is stated as a range
    assert found.verdict == verdict


def test_the_linear_value_is_the_hours_at_their_rate(tmp_path: Path) -> None:
    found = seed(tmp_path, "    value: {waiting: 15 USD/h, why: w, by: b}\n")
    assert found.books.likely.value == pytest.approx(15 * HOURS) == pytest.approx(6250.0)
    assert found.books.break_even["waiting_usd_per_hour"] == pytest.approx(195 / HOURS) == pytest.approx(0.468)


#: Half a per cent of the cloud's requests miss 200 ms: as the tail of its latency, and as requests that fail.
LATE = OPTIONS.replace("latency: 170 ms", "latency: {p50: 170 ms, p99.5: 200 ms}")
FAILING = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, errors: 0.5%")


@pytest.mark.parametrize("options", [LATE, FAILING], ids=["late", "failing"])
def test_the_deadline_row_takes_the_miss_rates_as_stated(tmp_path: Path, options: str) -> None:
    found = seed(tmp_path, "    value: {deadline: {limit: 200 ms, per_miss: 0.001 USD/miss}, why: w, by: b}\n", options)
    before, after = found.books.before, found.books.after
    assert before is not None
    assert after is not None
    assert before.miss_ratio(200) == pytest.approx(0.005, abs=1e-9)
    assert after.miss_ratio(200) == 0
    assert found.books.likely.net == pytest.approx(10_000_000 * 0.005 * 0.001 - 195, abs=0.005) == pytest.approx(-145.00)
    assert found.verdict == "not_worth_it"
    assert found.books.break_even["usd_per_miss"] == pytest.approx(195 / 50_000)


def test_elasticity_reads_delay_from_the_fastest_option(tmp_path: Path) -> None:
    """150 ms past 20 ms lie half way between (100, 0.20 %) and (200, 0.29 %): 0.245 %; counted from 0 ms the net would differ."""
    from_zero = "    value: {elasticity: {table: google2009, margin: 0.001 USD/request, reference: 0 ms}, why: w, by: b}\n"
    value = seed(tmp_path, from_zero).books.likely.value
    assert value == pytest.approx(10_000_000 * 0.001 * (0.00263 - 0.0004)) == pytest.approx(22.30)


def test_part_of_says_how_much_would_be_felt(tmp_path: Path) -> None:
    found = seed(tmp_path, "    part_of: 5000 ms\n    value: {waiting: 15 USD/h, why: w, by: b}\n")
    assert found.books.likely.value == 0
    seen = found.books.noticed
    assert seen is not None
    assert (seen.at_p50, seen.felt_from_ms) == (False, 1000.0)  # a fifth of 5,000 ms


# ---- worked costs ----------------------------------------------------------------------------------------------------------


def priced(tmp_path: Path, edge: str, traffic: str = TRAFFIC) -> Decision:
    options = f"options:\n  cloud: {{placement: cloud, price: {{input: 0 USD/Mtok, output: 0 USD/Mtok}}}}\n  edge: {edge}\n"
    return decision(tmp_path, f"{options}workloads:\n  w:\n    {traffic}\n    options: [cloud, edge]\n    runs_on: edge\n")


def test_neurons_with_the_daily_allowance_of_a_month_of_730_hours(tmp_path: Path) -> None:
    found = priced(tmp_path, "{placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5}").books.candidate_cost
    neurons = 1000 * 6058
    free = 10_000 * 730 / 24
    assert float(found.usd_month) == pytest.approx((neurons - free) / 1000 * 0.011, abs=1e-6) == pytest.approx(63.292, abs=0.0005)
    assert [line.kind for line in found.lines] == ["neurons", "allowance"]
    assert all(line.source and line.as_of for line in found.lines)


def test_stated_neurons_have_no_allowance(tmp_path: Path) -> None:
    edge = "{placement: edge, price: {neurons: 0.011 USD/kneuron, neurons_input: 6058 neurons/Mtok}}"
    assert float(priced(tmp_path, edge).books.candidate_cost.usd_month) == pytest.approx(66.638)


@pytest.mark.parametrize(
    ("mtok", "busy", "usd_per_mtok"), [(6570, "100.0 %", 0.27778), (3285, "50.0 %", 0.55556), (657, "10.0 %", 2.77778)]
)
def test_a_gpu_costs_by_how_busy_the_load_keeps_it(tmp_path: Path, mtok: int, busy: str, usd_per_mtok: float) -> None:
    """2,500 tok/s x 730 h are 6,570 Mtok a month; 2.50 USD/h are 1,825 USD, whatever of it is used."""
    traffic = f"requests: {mtok}k /month\n    tokens: {{input: 1000 tok, output: 0 tok}}"
    edge = "{placement: edge, price: {gpu: 2.50 USD/h}, capacity: {servers: 1, throughput: 2500 tok/s}}"
    cost = priced(tmp_path, edge, traffic).books.candidate_cost
    assert float(cost.usd_month) == pytest.approx(2.5 * 730)
    assert cost.usd_per_mtok is not None
    assert float(cost.usd_per_mtok) == pytest.approx(usd_per_mtok, abs=1e-5)
    assert busy in cost.lines[0].item


def test_a_gpu_against_an_api_turns_at_the_worked_volume(tmp_path: Path) -> None:
    """1,825 USD a month against 0.60 USD/Mtok: even at 3,041.67 Mtok, 46.3 % busy."""
    options = """
options:
  cloud: {placement: cloud, price: {input: 0.60 USD/Mtok}, latency: 100 ms}
  edge:
    placement: edge
    price: {gpu: 2.50 USD/h}
    capacity: {servers: 1, throughput: 2500 tok/s}
    latency: 100 ms
    assume: {why: same hardware, by: b}
"""
    traffic = "requests: 1M /month\n    tokens: {input: 1000 tok, output: 0 tok}"
    found = decision(tmp_path, f"{options}workloads:\n  w:\n    {traffic}\n    options: [cloud, edge]\n    runs_on: edge\n")
    assert found.books.likely.premium == pytest.approx(1825 - 600)
    assert found.books.break_even["requests_month"] == pytest.approx(1825 / 0.60 * 1000, rel=1e-6)


def test_cached_tokens_pay_their_own_rate(tmp_path: Path) -> None:
    """10,000 tokens in, 8,000 of them cached at a tenth, 500 out: 0.0159 USD a request against 0.0375."""
    price = "{placement: edge, price: {input: 3 USD/Mtok, cached: 0.30 USD/Mtok, output: 15 USD/Mtok}}"
    cached = priced(tmp_path, price, "requests: 1k /month\n    tokens: {input: 10000 tok, cached: 8000 tok, output: 500 tok}")
    plain = priced(tmp_path, price, "requests: 1k /month\n    tokens: {input: 10000 tok, output: 500 tok}")
    assert (
        float(cached.books.candidate_cost.usd_month)
        == pytest.approx(15.9)
        == pytest.approx(1000 * (2000 * 3 + 8000 * 0.3 + 500 * 15) / 1e6)
    )
    assert float(plain.books.candidate_cost.usd_month) == pytest.approx(37.5)


def test_two_workloads_share_one_account_fee_and_one_allowance(tmp_path: Path) -> None:
    """Together: 2 x 66.638 - 3.346 of allowance once + one fee of 5."""
    from judged import judged, scenario

    from edgeroi.gate import total_premium

    workload = f"{TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    text = f"""
options:
  cloud: {{placement: cloud, price: {{input: 0 USD/Mtok}}}}
  edge: {{placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5, fixed: 5 USD/month per account}}
workloads:
  one:
    {workload}
  two:
    {workload}
"""
    found = judged(scenario(tmp_path, text)).decisions
    alone = 66.638 - 10_000 * 730 / 24 / 1000 * 0.011 + 5
    assert [d.books.likely.premium for d in found] == pytest.approx([alone, alone], abs=1e-6)
    assert total_premium(found) == pytest.approx(2 * 66.638 - 10_000 * 730 / 24 / 1000 * 0.011 + 5, abs=1e-6)
