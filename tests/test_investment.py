"""What is spent once: the worked numbers of reference/economics.md 3.3, and what is never said."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged import OPTIONS, TRAFFIC, judged, scenario
from scipy.stats import triang

from edgeroi.investment import annuity, invested
from edgeroi.renderers import Page, renderer
from edgeroi.verdict_report import Verdicts, verdict_report


def test_the_worked_numbers() -> None:
    """24,000 once for 3,000 - 1,000 a month: 12 months; ROI 0 after 12 and 1.00 after 24; NPV of 24 at 10 % is 19,341.71."""
    year, two = invested(24_000, 2_000, 12), invested(24_000, 2_000, 24, 0.10)
    assert (year.payback_months, year.roi, year.npv_usd) == (12, 0, 0)
    assert two.roi == pytest.approx(1.0)
    assert two.npv_usd == pytest.approx(19_341.71, abs=0.005)
    assert two.npv_usd == pytest.approx(sum(2_000 / (1 + 0.10 / 12) ** month for month in range(1, 25)) - 24_000)
    assert year.in_time
    assert not invested(24_001, 2_000, 12).in_time


@pytest.mark.parametrize("net", [0.0, -1.0])
def test_what_never_pays_back_has_no_month(net: float) -> None:
    assert invested(24_000, net, 12).payback_months is None
    assert not invested(24_000, net, 12).in_time


def test_nothing_spent_has_no_return_on_it() -> None:
    found = invested(0, 100, 12)
    assert (found.roi, found.payback_months) == (None, 0)


def test_an_annuity_without_interest_counts_months() -> None:
    assert annuity(12, 0) == 12
    assert annuity(12, 1e-9) == pytest.approx(12, rel=1e-6)


def test_a_migration_is_told_beside_the_verdict(tmp_path: Path) -> None:
    """Net is 6,250 - 195 = 6,055 a month; 12,110 once is two months of it, a return of 5 over 12."""
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, migration: 12110 USD")
    served = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    found = judged(scenario(tmp_path, f"{options}{served}    value: {{waiting: 15 USD/h, why: w, by: b}}\n"))
    (workload,) = found.document["scenarios"][0]["workloads"]  # type: ignore[index, call-overload]
    assert workload["investment"] == {
        "spent_usd": 12110, "horizon_months": 12, "roi": pytest.approx(5), "payback_months": pytest.approx(2),
        "npv_usd": pytest.approx(12 * 6055 - 12110), "p_pays_back": None,
    }  # fmt: skip
    assert "$12,110.00 once: paid back in 2.0 months; over 12 months, ROI 500%, worth +$60,550.00 today" in printed(found)


def test_no_payback_is_said_in_words(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, migration: 3000 USD")
    served = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    said = printed(judged(scenario(tmp_path, options + served)))
    assert "$3,000.00 once: no payback" in said


def test_the_probability_of_paying_back_is_drawn(tmp_path: Path) -> None:
    """An hour of 0.468 USD breaks even; 500 once over 12 months takes 41.67 more a month, an hour of 0.568: 0.5 (0.2..0.8) is above."""
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, migration: 500 USD")
    served = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    text = f"{options}{served}    value: {{waiting: 0.5 (0.2..0.8) USD/h, why: w, by: b}}\n"
    (found,) = judged(scenario(tmp_path, text)).decisions
    hour = (195 + 500 / 12) / (10_000_000 * 150 / 3_600_000)
    assert found.books.investment is not None
    assert found.books.investment.p_pays_back == pytest.approx(triang(0.5, 0.2, 0.6).sf(hour), abs=5e-4)


def printed(found: Verdicts) -> str:
    return renderer("table").render(verdict_report(found), Page())


def test_horizon_and_discount_rate_of_a_scenario_are_those_of_its_investment(tmp_path: Path) -> None:
    """reference/economics.md 3.3 as a scenario: 2,000 a month saved, 24,000 once, 24 months at 10 %."""
    text = """
horizon: 24 months
discount_rate: 10%
options:
  cloud: {placement: cloud, price: {request: 0 USD/request}, fixed: 2000 USD/month, latency: 100 ms}
  edge: {placement: edge, price: {request: 0 USD/request}, latency: 100 ms, migration: 24000 USD, assume: {why: w, by: b}}
workloads:
  w: {requests: 1M /month, options: [cloud, edge], runs_on: edge}
"""
    (found,) = judged(scenario(tmp_path, text)).decisions
    assert found.books.investment is not None
    assert found.books.investment.npv_usd == pytest.approx(19_341.71, abs=0.005)
    assert (found.books.investment.payback_months, found.books.investment.roi) == (12, pytest.approx(1.0))
