"""Premium, value, net, their corners, and the break-evens: against hand arithmetic and against the laws they must keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged import OPTIONS, TRAFFIC, decision, write_log

from edgeroi.economics import Books, crossing, first_crossing
from edgeroi.option import family

SERVED = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"


def books(tmp_path: Path, workload: str = "", options: str = OPTIONS) -> Books:
    return decision(tmp_path, f"{options}{SERVED}{workload}").books


# ---- A against A ----


@pytest.mark.parametrize(
    "value",
    [
        "",
        "    value: {waiting: 5 to 40 USD/h, why: w, by: b}\n",
        "    value: {deadline: {limit: 100 ms, per_miss: 0.01 USD/miss}, why: w, by: b}\n",
        "    value: {elasticity: {table: bing2009, margin: 0.01 USD/request, reference: 0 ms}, why: w, by: b}\n",
    ],
)
def test_an_option_against_itself_is_worth_exactly_nothing(tmp_path: Path, value: str) -> None:
    log = write_log(tmp_path / "log.jsonl", [50 + 3 * (n % 97) for n in range(500)], placement="cloud")
    same = f"price: deepinfra/BAAI/bge-base-en-v1.5, log: {log}"
    options = f"options:\n  cloud: {{placement: cloud, {same}}}\n  edge: {{placement: edge, {same}}}\n"
    found = books(tmp_path, f"    where: {{workload: search}}\n{value}", options)
    assert found.likely.premium == 0
    assert found.likely.value in (None, 0.0)
    assert found.likely.net == 0
    assert found.net_low <= 0 <= found.net_high


# ---- low and high ----


def test_bars_are_one_driver_at_its_ends_and_all_others_likely(tmp_path: Path) -> None:
    """15 (5..40) USD/h x 416.67 h, less a premium of 200 - 5 (150..250)."""
    options = OPTIONS.replace("input: 0.20 USD/Mtok", "input: 0.200 (0.155..0.255) USD/Mtok")
    found = books(tmp_path, "    value: {waiting: 15 (5..40) USD/h, why: w, by: b}\n", options)
    hours = 10_000_000 * 150 / 3_600_000
    assert found.likely.net == pytest.approx(15 * hours - 195)
    assert [bar.driver.name for bar in found.bars] == ["w.value.waiting", "options.edge.price.input"]  # the widest first
    ends = [(bar.low_net, bar.high_net) for bar in found.bars]
    assert ends[0] == pytest.approx((5 * hours - 195, 40 * hours - 195))
    assert ends[1] == pytest.approx((15 * hours - 150, 15 * hours - 250))


def test_a_driver_of_two_options_moves_both(tmp_path: Path) -> None:
    """A named rate of the project, used on both sides, is one driver and cancels out."""
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\nrates:\n  token: 0.1 (0.05..0.2) USD/request\n")
    options = OPTIONS.replace("{input: 0.20 USD/Mtok}", "{request: token}").replace("{input: 0.005 USD/Mtok}", "{request: token}")
    found = books(tmp_path, "", options)
    assert found.net_low == found.net_high == 0


def test_the_sampling_error_scales_with_the_value_of_time(tmp_path: Path) -> None:
    """Half of 400 requests at 100 ms, half at 200; the other side 300 ms: a mean of 150 with a standard error of 50 / sqrt(400).

    At 36 USD/h a millisecond of 1 M requests is 10 USD; the ends are those of a 90 % interval, 1.645 standard errors.
    """
    edge = write_log(tmp_path / "edge.jsonl", [100, 200] * 200, placement="edge")
    options = f"""
options:
  cloud: {{placement: cloud, price: {{input: 0 USD/Mtok}}, latency: 300 ms}}
  edge: {{placement: edge, price: {{input: 0 USD/Mtok}}, log: {edge}}}
"""
    served = "workloads:\n  search:\n    requests: 1M /month\n    users: machines\n    options: [cloud, edge]\n    runs_on: edge\n"
    found = decision(tmp_path, f"{options}{served}    value: {{waiting: 36 USD/h, why: w, by: b}}\n").books
    assert found.likely.net == pytest.approx(150 * 10)
    assert found.net_high - found.likely.net == pytest.approx(1.6449 * 2.5 * 10, rel=3e-3)
    assert found.likely.net - found.net_low == pytest.approx(1.6449 * 2.5 * 10, rel=3e-3)
    nothing = decision(tmp_path, f"{options}{served}    value: {{waiting: 0 USD/h, why: w, by: b}}\n").books
    assert nothing.net_low == nothing.net_high == 0  # what is worth nothing is worth nothing without doubt


# ---- break-evens: put back in, net is 0 ----


def net_with(tmp_path: Path, workload: str, options: str = OPTIONS, served: str = SERVED) -> float:
    return decision(tmp_path, f"{options}{served}{workload}").books.likely.net


WAITING = "    value: {{waiting: {} USD/h, why: w, by: b}}\n"


def test_the_break_even_hour(tmp_path: Path) -> None:
    hour = books(tmp_path).break_even["waiting_usd_per_hour"]
    assert net_with(tmp_path, WAITING.format(f"{hour:.12f}")) == pytest.approx(0, abs=1e-6)


def test_the_break_even_hour_counts_what_people_feel(tmp_path: Path) -> None:
    """Half of the savings fall short of 100 ms and pay nothing, so the hour must be worth more than one of which each saving counts."""
    log = write_log(tmp_path / "edge.jsonl", [50.0] * 300 + [120.0] * 200, placement="edge")
    options = OPTIONS.replace("latency: 20 ms", f"log: {log}")
    felt = books(tmp_path, "    where: {workload: search}\n" + WAITING.format(0.3), options).break_even["waiting_usd_per_hour"]
    # 60 % save 120 ms and count; 40 % save 50 ms and do not.
    assert felt == pytest.approx(195 / (10_000_000 * 0.6 * 120 / 3_600_000))
    assert net_with(tmp_path, "    where: {workload: search}\n" + WAITING.format(f"{felt:.12f}"), options) == pytest.approx(0, abs=1e-6)
    counted = "    where: {workload: search}\n    users: machines\n" + WAITING.format(0.3)
    everything = books(tmp_path, counted, options).break_even["waiting_usd_per_hour"]
    assert everything == pytest.approx(195 / (10_000_000 * (0.6 * 120 + 0.4 * 50) / 3_600_000))


def test_the_break_even_saving(tmp_path: Path) -> None:
    """15 USD/h on 10 M requests: 195 USD are 4.68 ms; but nobody feels less than 100 ms."""
    felt = books(tmp_path, WAITING.format(15)).break_even["saved_ms"]
    assert felt == pytest.approx(100)
    machines = books(tmp_path, WAITING.format(15) + "    users: machines\n").break_even["saved_ms"]
    assert machines == pytest.approx(195 / 15 / 10_000_000 * 3_600_000) == pytest.approx(4.68)


def test_the_slowdown_that_eats_up_what_a_cheaper_option_saves(tmp_path: Path) -> None:
    """Now the cloud costs 195 more: at 15 USD/h the edge may be 4.68 ms slower."""
    options = OPTIONS.replace("0.005 USD", "X").replace("0.20 USD", "0.005 USD").replace("X", "0.20 USD")
    assert books(tmp_path, WAITING.format(15), options).break_even["saved_ms"] == pytest.approx(-4.68)
    slower = options.replace("latency: 20 ms", "latency: 174.68 ms")
    assert net_with(tmp_path, WAITING.format(15), slower) == pytest.approx(0, abs=1e-6)


def test_the_break_even_price(tmp_path: Path) -> None:
    ratio = books(tmp_path, WAITING.format(15)).break_even["price_ratio"]
    assert ratio == pytest.approx((6250 + 5) / 200)


def test_the_break_even_volume_with_a_fee(tmp_path: Path) -> None:
    """A request is worth 0.000625 USD and costs 0.0000195 more: a fee of 605.50 is covered from 1 M requests on."""
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, fixed: 605.50 USD/month")
    found = books(tmp_path, WAITING.format(15), options)
    assert found.break_even["requests_month"] == pytest.approx(605.50 / (0.000625 - 0.0000195), rel=1e-9) == pytest.approx(1_000_000)


def test_the_break_even_thousand(tmp_path: Path) -> None:
    assert books(tmp_path).break_even["usd_per_1k_requests"] == pytest.approx(195 / 10_000)


def test_what_cannot_turn_it_is_not_named(tmp_path: Path) -> None:
    """An edge as fast as the cloud: no price of an hour covers what it costs more."""
    options = OPTIONS.replace("latency: 20 ms", "latency: 170 ms")
    found = books(tmp_path, WAITING.format(15), options).break_even
    assert found["waiting_usd_per_hour"] is None
    assert found["requests_month"] is None


def test_crossings() -> None:
    assert crossing(lambda x: x - 100, 1, 1000) == pytest.approx(100)
    assert crossing(lambda x: x + 1, 1, 1000) is None
    assert first_crossing(lambda x: x - 3, 10) == pytest.approx(3)


# ---- quality ----


def test_quality_counts_in_both_directions(tmp_path: Path) -> None:
    """A point of quality of a request is worth 0.001 USD: 2 % less of 10 M requests are 200 USD."""
    better = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, quality: 0.95").replace("latency: 20 ms", "latency: 20 ms, quality: 0.97")
    worse = OPTIONS.replace("latency: 170 ms", "latency: 170 ms, quality: 0.97").replace("latency: 20 ms", "latency: 20 ms, quality: 0.95")
    worth = "    quality_value: 0.001 USD/request\n"
    assert net_with(tmp_path, worth, better) == pytest.approx(200 - 195)
    assert net_with(tmp_path, worth, worse) == pytest.approx(-200 - 195)


# ---- costs besides the price ----


def test_operations_fees_and_discounts_are_in_the_premium(tmp_path: Path) -> None:
    """200 less 10 % + 5 of fee + 2 h of 100 USD, against 5."""
    extra = "latency: 20 ms, discount: 10%, fixed: 5 USD/month, operations: {hours: 2 h/month, rate: 100 USD/h}"
    found = books(tmp_path, "", OPTIONS.replace("latency: 20 ms", extra))
    assert found.likely.premium == pytest.approx(200 * 0.9 + 5 + 200 - 5)
    assert {line.kind for line in found.candidate_cost.lines} == {"input", "discount", "fixed", "operations"}


def test_a_discount_of_the_project_applies_to_its_provider(tmp_path: Path) -> None:
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\ndiscounts:\n  deepinfra: 20%\n")
    options = OPTIONS.replace("{input: 0.005 USD/Mtok}", "deepinfra/BAAI/bge-base-en-v1.5")
    assert books(tmp_path, "", options).likely.premium == pytest.approx(200 - 5 * 0.8)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("aws/meta.llama3-3-70b-instruct-v1:0", "@cf/meta/llama-3.3-70b-instruct-fp8-fast", True),
        ("us.meta.llama3-3-70b-instruct-v1:0", "meta-llama/Llama-3.3-70B-Instruct-Turbo", True),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct", True),
        ("@cf/baai/bge-base-en-v1.5", "BAAI/bge-base-en-v1.5", True),
        ("meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", False),
        ("@cf/meta/llama-3-8b-instruct", "@cf/meta/llama-3.1-8b-instruct", False),
        ("BAAI/bge-base-en-v1.5", "BAAI/bge-large-en-v1.5", False),
    ],
)
def test_models_are_told_apart_by_name_and_not_by_dress(one: str, two: str, same: bool) -> None:
    assert (family(one) == family(two)) is same
