"""Where a policy allows more than it did, key by key and in both directions, and which of the two judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judged import scenario
from test_pull_request import check, text_of, workload

from edgeroi.loosening import held, loosened
from edgeroi.pricebooks.catalogue import serves_at_edge
from edgeroi.scenario import load_policy
from edgeroi.spec import ProjectPolicy


def policy(tmp_path: Path, text: str, name: str = "policy.yaml") -> ProjectPolicy:
    path = tmp_path / name
    path.write_text(f"edgeroi: 1\n{text}\n")
    return load_policy(path)


def keys(tmp_path: Path, base: str, head: str) -> list[str]:
    return [each.key for each in loosened(policy(tmp_path, base, "base.yaml"), policy(tmp_path, head, "head.yaml"), serves_at_edge)]


#: The looser of two, the stricter, and what is said of going from the second to the first.
PAIRS = [
    ("materiality: 51 USD/month", "materiality: 50 USD/month", "materiality"),
    ("materiality: 50 USD/month or 1%", "materiality: 50 USD/month", "materiality"),  # the floor is the larger of the two
    ("materiality: 10%", "materiality: 5%", "materiality"),
    ("edge_from: 0.80", "edge_from: 0.95", "edge_from"),
    ("fail_at: 0.05", "fail_at: 0.20", "fail_at"),
    ("on_undecided: warn", "on_undecided: fail", "on_undecided"),
    ("rates: {wait: 16 USD/h}", "rates: {wait: 15 USD/h}", "rates.wait"),
    ("rates: {wait: 15 (5..41) USD/h}", "rates: {wait: 15 (5..40) USD/h}", "rates.wait"),
    ("rates: {wait: {rate: 16 USD/h, why: so, by: dana}}", "rates: {wait: 15 USD/h}", "rates.wait"),
    ("discounts: {cloudflare: 20%}", "discounts: {cloudflare: 10%}", "discounts.cloudflare"),  # a cheaper edge
    ("discounts: {openai: 10%}", "discounts: {openai: 20%}", "discounts.openai"),  # a dearer rival
]


@pytest.mark.parametrize(("looser", "stricter", "key"), PAIRS)
def test_looser_is_told_and_stricter_is_not(tmp_path: Path, looser: str, stricter: str, key: str) -> None:
    assert keys(tmp_path, stricter, looser) == [key]
    assert keys(tmp_path, looser, stricter) == []
    assert keys(tmp_path, looser, looser) == []


@pytest.mark.parametrize("key", ["materiality: 20 USD/month", "edge_from: 0.99", "fail_at: 0.3", "on_undecided: fail"])
def test_a_limit_that_is_gone_leaves_it_to_the_scenario(tmp_path: Path, key: str) -> None:
    assert keys(tmp_path, key, "") == [key.partition(":")[0]]
    assert keys(tmp_path, "", key) == []  # stricter than the defaults of 50 USD or 5 %, 0.90, 0.10 and warn


@pytest.mark.parametrize("key", ["materiality: 500 USD/month", "edge_from: 0.5", "fail_at: 0.01"])
def test_a_new_limit_is_held_to_the_default(tmp_path: Path, key: str) -> None:
    assert keys(tmp_path, "", key) == [key.partition(":")[0]]


def test_a_rate_of_another_kind_cannot_be_compared_and_counts(tmp_path: Path) -> None:
    assert keys(tmp_path, "rates: {wait: 15 USD/h}", "rates: {wait: 0.001 USD/request}") == ["rates.wait"]


def test_a_provider_nobody_knows_counts_in_both_directions(tmp_path: Path) -> None:
    assert keys(tmp_path, "discounts: {acme: 10%}", "discounts: {acme: 20%}") == ["discounts.acme"]
    assert keys(tmp_path, "discounts: {acme: 20%}", "discounts: {acme: 10%}") == ["discounts.acme"]


def test_a_discount_that_is_gone_is_one_of_0(tmp_path: Path) -> None:
    assert keys(tmp_path, "discounts: {openai: 20%}", "") == ["discounts.openai"]
    assert keys(tmp_path, "discounts: {cloudflare: 20%}", "") == []


def test_the_base_judges_where_it_is_stricter_and_the_change_where_it_is(tmp_path: Path) -> None:
    base = policy(
        tmp_path, "materiality: 50 USD/month\nedge_from: 0.8\nrates: {wait: 15 USD/h, gone: 1 USD/h}\ndiscounts: {openai: 20%}", "b"
    )
    head = policy(tmp_path, "materiality: 500 USD/month\nedge_from: 0.95\nrates: {wait: 90 USD/h, new: 7 USD/h}\nfail_at: 0.01", "h")
    judge = held(base, head, serves_at_edge)
    assert judge.check.materiality is not None
    assert judge.check.materiality.usd_month == 50
    assert (judge.check.edge_from, judge.check.fail_at) == (0.95, 0.10)  # the stricter new one; the default for what is new and looser
    assert {name: rate.text for name, rate in judge.rates.items()} == {"wait": "15 USD/h", "new": "7 USD/h"}
    assert judge.discounts["openai"].likely == pytest.approx(0.2)
    new = next(each for each in loosened(base, head, serves_at_edge) if each.key == "rates.new")
    assert new.is_new
    assert "is new" in new.finding.message


# --- on the command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A change that loses 190 USD a month and raises the floor to 500 to get through."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    scenario(tmp_path, text_of(workload("search")), "s.yaml")
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\n\nmateriality: 500 USD/month\n")
    (tmp_path / "base.yaml").write_text("edgeroi: 1\nmateriality: 50 USD/month\n")
    return tmp_path


def test_a_change_that_loosens_its_own_policy_is_judged_by_the_old_one(project: Path, capsys: pytest.CaptureFixture) -> None:
    assert check("s.yaml") == 0
    assert check("s.yaml", "--policy-from", "base.yaml", "--format", "github") == 1
    said = capsys.readouterr().out
    assert "::warning file=edgeroi.yaml,line=3," in said
    assert "materiality: 500 USD/month allows more than the base branch's 50 USD/month, which judges here" in said


def test_a_stricter_policy_judges_at_once(project: Path, capsys: pytest.CaptureFixture) -> None:
    (project / "edgeroi.yaml").write_text("edgeroi: 1\nmateriality: 1 USD/month\n")
    (project / "base.yaml").write_text("edgeroi: 1\nmateriality: 500 USD/month\n")
    assert check("s.yaml", "--policy-from", "base.yaml", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["checks"] == []


def test_a_deleted_policy_still_judges(project: Path, capsys: pytest.CaptureFixture) -> None:
    (project / "edgeroi.yaml").unlink()
    scenario(project, text_of(workload("search"), check="check: {materiality: 1M USD/month}\n"), "s.yaml")
    assert check("s.yaml") == 0
    assert check("s.yaml", "--policy-from", "base.yaml", "--format", "markdown") == 1
    said = capsys.readouterr().out
    assert "**The policy was loosened**" in said
    assert "nothing stated allows more than the base branch's 50 USD/month" in said


def test_a_raised_rate_is_not_used(project: Path, capsys: pytest.CaptureFixture) -> None:
    """416.67 h of waiting at 1 USD/h pay for 195 USD a month; at 0.10 they do not."""
    scenario(project, text_of(workload("search", value="{waiting: wait, why: they wait, by: dana}")), "s.yaml")
    (project / "edgeroi.yaml").write_text("edgeroi: 1\nrates: {wait: 1 USD/h}\n")
    (project / "base.yaml").write_text("edgeroi: 1\nrates: {wait: 0.10 USD/h}\n")
    assert check("s.yaml") == 0
    assert check("s.yaml", "--policy-from", "base.yaml") == 1
