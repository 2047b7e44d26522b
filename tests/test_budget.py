"""Limits in three states, and what a share of spend is in tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest

from edgeroi.budget import Limits, combined_outcome, edge_share_of, findings, lacking, share_words, tokens_share
from edgeroi.forecast import Projection
from edgeroi.gate import Finding
from edgeroi.ledger import Charge, Ledger
from edgeroi.usage import Amounts


def charge(placement: str | None, usd: str | None, tokens: int = 0, requests: int = 1, told: bool = True) -> Charge:
    amount = None if usd is None else D(usd)
    amounts = Amounts(requests, tokens)
    return Charge(
        "chat", placement, "p", "m", None, date(2026, 11, 5), amounts, "unpriced" if usd is None else "listed", amount, told, told
    )


def ends(low: float, likely: float, high: float, seen: float = 100.0) -> Projection:
    return Projection("2026-11", seen, likely, low, high, 30, 10.0, 0, None, None)


def one(
    limits: Limits, *charges: Charge, projection: Projection | None = None, month: str | None = "2026-11", before: float | None = None
) -> Finding:
    (found,) = findings(limits, Ledger(charges), projection, month, before)
    return found


def test_five_per_cent_of_spend_is_an_eighth_of_a_per_cent_of_tokens_at_forty_times_the_price() -> None:
    # f = 0.05/(40 - 39 x 0.05) = 0.05/38.05; the article's tracker has 0.20 and 0.005 USD a million.
    assert tokens_share(0.05, 0.20 / 0.005) == pytest.approx(0.0013141, rel=1e-4)
    # 1,000 tokens at 0.20 and 760,000 at 0.005 a million: 0.0002 of 0.004 USD is 5 %, 1,000 of 761,000 tokens 0.131 %.
    found = edge_share_of(Ledger((charge("edge", "0.0002", 1000), charge("cloud", "0.0038", 760_000))))
    assert (found.spend, found.price_ratio) == (pytest.approx(0.05), pytest.approx(40))
    assert found.tokens == pytest.approx(tokens_share(0.05, 40)) == 1000 / 761_000
    said = " ".join(share_words(found, 0.05))
    assert "a token at the edge costs 40 times one elsewhere: at that price 5% of spend is 0.131% of tokens" in said
    assert "Whether it is well spent, net benefit shows" in said


@pytest.mark.parametrize("ratio", [0.1, 1.0, 7.0, 40.0])
@pytest.mark.parametrize("f", [0.0, 0.01, 0.3, 1.0])
def test_a_share_of_tokens_goes_there_and_back(f: float, ratio: float) -> None:
    spend = f * ratio / (f * ratio + 1 - f)
    assert tokens_share(spend, ratio) == pytest.approx(f)


def test_logs_that_tell_no_price_of_tokens_are_told_at_forty() -> None:
    said = share_words(edge_share_of(Ledger((charge("cloud", "1", 100),))), 0.05)
    assert "at 40 times the price 5% of spend is 0.131% of tokens" in said[0]


# Budget ---------------------------------------------------------------------------------------------------------------

BUDGET = Limits(budget_usd_month=500)


@pytest.mark.parametrize(
    ("low", "high", "status"), [(400, 500, "pass"), (400, 501, "undecided"), (499, 600, "undecided"), (501, 600, "fail")]
)
def test_a_budget_is_held_against_the_whole_interval(low: float, high: float, status: str) -> None:
    found = one(BUDGET, charge("cloud", "100"), projection=ends(low, (low + high) / 2, high))
    assert (found.rule, found.status, found.limit, found.value) == ("budget", status, 500, (low + high) / 2)
    assert not list(lacking([found]))


def test_what_is_spent_already_needs_no_projection() -> None:
    assert one(BUDGET, charge("cloud", "500.01")).status == "fail"


def test_without_days_without_prices_without_times_nobody_can_tell() -> None:
    few = one(BUDGET, charge("cloud", "100"))
    unpriced = one(BUDGET, charge("cloud", None, 100))
    untimed = one(BUDGET, charge("cloud", "100"), month=None)
    assert [(f.status, f.rule) for f in (few, unpriced, untimed)] == [
        ("undecided", "data-missing"),
        ("undecided", "price-missing"),
        ("undecided", "data-missing"),
    ]
    assert len(list(lacking([few, unpriced, untimed]))) == 3


def test_unpriced_use_that_could_turn_a_pass_undecides_it_and_says_from_which_price_on() -> None:
    # 100 of room; the month's end is at twice what was seen, so a million unpriced tokens will be two: 50 USD a million turn it.
    known = charge("cloud", "100", 10)
    found = one(BUDGET, known, charge("cloud", None, 1_000_000), projection=ends(350, 200, 400))
    assert (found.status, found.rule) == ("undecided", "price-missing")
    assert "1,000,000 tokens without a price cost less than $50.00 a million" in found.message
    # 20,000 tokens at the dearest plausible price, 1,000 USD a million, doubled: 40 USD. They cannot turn it.
    assert one(BUDGET, known, charge("cloud", None, 20_000), projection=ends(350, 200, 400)).status == "pass"
    # Requests that do not tell their tokens could cost anything.
    untold = one(BUDGET, known, charge("cloud", None, 0, requests=4, told=False), projection=ends(350, 200, 400))
    assert untold.status == "undecided"
    assert "4 requests without a price cost less than $12.50 each" in untold.message
    # And a fail stays one.
    assert one(BUDGET, known, charge("cloud", None, 10**9), projection=ends(501, 550, 600)).status == "fail"


# Edge share -----------------------------------------------------------------------------------------------------------

SHARE = Limits(edge_share=0.05)


def test_the_edge_share_passes_fails_and_waits_for_what_is_not_told() -> None:
    assert one(SHARE, charge("edge", "5", 9), charge("cloud", "95", 9)).status == "pass"
    assert one(SHARE, charge("device", "5.1", 9), charge("cloud", "94.9", 9)).status == "fail"
    unplaced = one(SHARE, charge("edge", "4", 9), charge("cloud", "94", 9), charge(None, "2", 9))
    assert (unplaced.status, unplaced.rule) == ("undecided", "data-missing")
    nothing = one(SHARE, charge("edge", None, 9))
    assert (nothing.status, nothing.rule) == ("undecided", "price-missing")
    assert one(SHARE, charge("edge", "0", 9)).status == "pass"


def test_unpriced_use_bounds_the_share_on_both_sides() -> None:
    # 6 % is at the edge; 10,000 unpriced tokens elsewhere cost at most 10 USD: at least 6/110 = 5.45 % stays a fail.
    still = one(SHARE, charge("edge", "6", 9), charge("cloud", "94", 9), charge("cloud", None, 10_000))
    assert still.status == "fail"
    # 100,000 could cost 100 USD: 6/200 = 3 %.
    perhaps = one(SHARE, charge("edge", "6", 9), charge("cloud", "94", 9), charge("cloud", None, 100_000))
    assert (perhaps.status, perhaps.rule) == ("undecided", "price-missing")
    # 1 % and at most 10 USD more at the edge: (1 + 10)/(100 + 10) = 10 %.
    assert one(SHARE, charge("edge", "1", 9), charge("cloud", "99", 9), charge("edge", None, 10_000)).status == "undecided"
    assert one(SHARE, charge("edge", "1", 9), charge("cloud", "99", 9), charge("edge", None, 1_000)).status == "pass"
    assert one(SHARE, charge("edge", "1", 9), charge("cloud", "99", 9), charge("edge", None, 0, told=False)).status == "undecided"


# Growth and all together ----------------------------------------------------------------------------------------------

GROWTH = Limits(growth=0.2)


@pytest.mark.parametrize(("low", "high", "status"), [(90, 120, "pass"), (110, 130, "undecided"), (121, 130, "fail")])
def test_growth_is_the_month_over_the_one_before(low: float, high: float, status: str) -> None:
    found = one(GROWTH, charge("cloud", "1"), projection=ends(low, (low + high) / 2, high), before=100)
    assert found.status == status
    assert found.value == pytest.approx((low + high) / 200 - 1)


def test_growth_needs_a_whole_month_before() -> None:
    assert one(GROWTH, charge("cloud", "1"), projection=ends(1, 2, 3)).rule == "data-missing"
    assert one(GROWTH, charge("cloud", "1"), before=100).rule == "data-missing"


def test_a_fail_beats_a_doubt_beats_a_pass_and_a_warning_none() -> None:
    held = one(BUDGET, charge("cloud", "100"), projection=ends(1, 2, 3))
    doubt, bad = replace(held, status="undecided"), replace(held, status="fail")
    assert combined_outcome([held, doubt, bad]) == "fail"
    assert combined_outcome([held, doubt]) == "undecided"
    assert combined_outcome([held, replace(bad, level="warning")]) == "pass"
    assert combined_outcome([held], ["fail"]) == "fail"
