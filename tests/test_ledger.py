"""Every request is priced at its day's price or listed; allowances and graduated rates by hand; sums agree however they are grouped."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from itertools import combinations

import pytest

from edgeroi.errors import EdgeroiError
from edgeroi.ledger import DIMENSIONS, EPOCH, NO_USE, Ledger, context_of_tier, ledger_of, reference_of, spent
from edgeroi.prices import Allowance, Bracket, Fee, Neurons, Price, PriceBook, Rate, Threshold
from edgeroi.usage import Amounts, Usage, UsageKey


def usage(*cells: tuple[dict, Amounts], steps: tuple[int, ...] = (200_000,)) -> Usage:
    nothing = dict.fromkeys(UsageKey._fields)
    plain = {"step": 0, "failed": False, "logged": False, "told_input": True, "told_output": True, "odd": False}
    named = {"provider": "acme", "model": "m", "day": day(1)}
    return Usage({UsageKey(**{**nothing, **plain, **named, **told}): amounts for told, amounts in cells}, {}, steps)  # type: ignore[arg-type]


def day(of_november: int, month: int = 11) -> int:
    return (date(2026, month, of_november) - EPOCH).days


def mtok(usd: str, **more: object) -> Rate:
    return Rate(D(usd), "Mtok", "a list", **more)  # type: ignore[arg-type]


def book(*rows: Price) -> PriceBook:
    providers = {row.provider for row in rows}
    return PriceBook({name: tuple(row for row in rows if row.provider == name) for name in providers}, tuple(providers), {"alias": "acme"})


ACME = Price("acme", "m", input=mtok("2"), cached=mtok("0.5"), output=mtok("10"), source="a list", placement="cloud")


def usd(ledger: Ledger) -> D | None:
    return ledger.total.usd


def test_each_token_pays_its_own_rate() -> None:
    # 600,000 fresh at 2, 400,000 cached at 0.5, 100,000 out at 10: 1.20 + 0.20 + 1.00.
    found = ledger_of(usage(({}, Amounts(3, 1_000_000, 400_000, 0, 100_000))), book(ACME))
    assert usd(found) == D("2.4")
    (charge,) = found.charges
    assert (charge.priced, charge.reference, charge.placement, charge.day) == ("listed", "acme/m", "cloud", date(2026, 11, 1))


def test_cached_tokens_without_a_rate_pay_as_input() -> None:
    plain = Price("acme", "m", input=mtok("2"), output=mtok("10"), source="a list")
    assert usd(ledger_of(usage(({}, Amounts(1, 1_000_000, 400_000, 100_000, 0))), book(plain))) == D(2)


def test_a_day_pays_the_price_of_that_day() -> None:
    old = Price("acme", "m", input=mtok("4"), source="a list", valid_to=date(2026, 11, 9))
    new = Price("acme", "m", input=mtok("1"), source="a list", valid_from=date(2026, 11, 10))
    cells = [({"day": day(n)}, Amounts(1, 1_000_000)) for n in (9, 10)]
    by_day = ledger_of(usage(*cells), book(old, new)).by(("day",))
    assert {key[0]: told.usd for key, told in by_day.items()} == {date(2026, 11, 9): 4, date(2026, 11, 10): 1}


def test_what_is_logged_is_taken_as_it_stands() -> None:
    cell = ({"logged": True, "model": "nobody-lists-it"}, Amounts(2, 10, 0, 0, 5, 123_456_789_012))
    assert usd(ledger_of(usage(cell), book(ACME))) == D("0.123456789012")


def test_long_requests_pay_their_step_for_all_of_their_tokens() -> None:
    # To 200,000 tokens at 1, above at 3 for the whole request: 0.4 Mtok at 1 and 0.6 Mtok at 3.
    stepped = Price("acme", "m", input=mtok("1", above=(Threshold(200_000, D(3)),)), source="a list")
    cells = (({"step": 0}, Amounts(2, 400_000)), ({"step": 1}, Amounts(2, 600_000)))
    assert usd(ledger_of(usage(*cells), book(stepped))) == D("2.2")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"model": None}, "the log names no provider and model"),
        ({"model": "n"}, "acme lists no model 'n'"),
        ({"provider": "nobody"}, "no prices of a provider 'nobody' are known"),
        ({"day": None}, "no time is told: which day's price holds is unknown"),
        ({"told_input": False}, "acme/m charges by input tokens, which nobody stated or measured"),
        ({"told_output": False}, "acme/m charges by output tokens, which nobody stated or measured"),
        ({"odd": True}, "it tells more cached tokens than the input they are part of"),
        ({"service_tier": "batch"}, "acme/m has no batch price"),
        ({"model": "by-the-hour"}, "acme/by-the-hour charges by server hour, which no request tells"),
    ],
)
def test_what_has_no_price_is_listed_with_its_reason_and_is_in_no_sum(told: dict, reason: str) -> None:
    hourly = Price("acme", "by-the-hour", server_hour=Rate(D(2), "server-hour", "a list"), source="a list")
    found = ledger_of(usage((told, Amounts(5, 100, 0, 0, 20)), ({}, Amounts(1, 1_000_000))), book(ACME, hourly))
    assert usd(found) == 2
    ((key, listed),) = found.unpriced.items()
    assert key[2] == reason
    assert (listed.unpriced_requests, listed.unpriced_tokens, listed.usd) == (5, 120, None)


def test_a_failure_that_used_nothing_is_counted_apart() -> None:
    cells = (
        ({"failed": True, "told_input": False, "told_output": False}, Amounts(4)),
        # One that read its input before it failed pays for that: 0.5 Mtok at 2.
        ({"failed": True, "told_output": False}, Amounts(1, 500_000)),
    )
    found = ledger_of(usage(*cells), book(ACME))
    assert found.total[1:4] == (D(1), 0, 0)
    assert found.total.failed_requests == 4
    assert [key[2] for key in found.unpriced] == [NO_USE]


def test_a_model_that_is_gone_is_priced_as_it_was_and_said() -> None:
    gone = Price("acme", "m", input=mtok("2"), source="a list", retired_on=date(2026, 10, 1))
    found = ledger_of(usage(({}, Amounts(1, 1_000_000))), book(gone))
    assert usd(found) == 2
    assert any("no longer served" in note for note in found.notes)


def test_names_of_providers_and_tiers() -> None:
    assert reference_of("openai", "openai/gpt-5") == "openai/gpt-5"
    assert reference_of(None, "openai/gpt-5") == "openai/gpt-5"
    assert reference_of(None, "@cf/baai/bge-base-en-v1.5") == "cloudflare/@cf/baai/bge-base-en-v1.5"
    assert reference_of(None, "gpt-5") is None
    assert context_of_tier("default") == context_of_tier(None) == {}
    assert context_of_tier("batch") == {"processing": "batch"}
    assert context_of_tier("flex") == {"service_tier": "flex"}


# Allowances and graduated rates ---------------------------------------------------------------------------------------


def neurons(model: str, per_mtok: str, free: str = "10") -> Price:
    rate = Rate(D("0.011"), "1k neurons", "a list", allowance=Allowance(D(free), "day", "acme"))
    return Price("acme", model, input=mtok("1"), neurons=Neurons(D(per_mtok), None, rate), source="a list", placement="edge")


def test_a_daily_allowance_is_used_up_day_by_day_and_shared_by_the_account() -> None:
    """10,000 neurons a day free. On the 1st model m uses 6,000 and n 14,000: 10,000 are paid, 0.11 USD, 3 to 7. On the 2nd m uses 4,000:
    nothing is paid, and what is left is lost. On the 3rd n uses 28,000: 18,000 are paid, 0.198 USD."""
    cells = (
        ({"model": "m", "day": day(1)}, Amounts(1, 6_000_000)),
        ({"model": "n", "day": day(1)}, Amounts(1, 7_000_000)),
        ({"model": "m", "day": day(2)}, Amounts(1, 4_000_000)),
        ({"model": "n", "day": day(3)}, Amounts(1, 14_000_000)),
    )
    found = ledger_of(usage(*cells), book(neurons("m", "1000"), neurons("n", "2000")))
    told = {key: sums.usd for key, sums in found.by(("model", "day")).items()}
    first, second, third = (date(2026, 11, n) for n in (1, 2, 3))
    assert told == {("m", first): D("0.033"), ("n", first): D("0.077"), ("m", second): D(0), ("n", third): D("0.198")}


def test_a_monthly_allowance_runs_through_the_month_and_begins_anew() -> None:
    # 10 M requests free a month, 0.30 a million after. 8 M on the 1st, 8 M on the 20th, 8 M on 1 December: 0, 6 M x 0.30, 0.
    rate = Rate(D("0.30"), "1M requests", "a list", allowance=Allowance(D(10), "month", "acme"))
    cells = [({"day": each}, Amounts(8_000_000)) for each in (day(1), day(20), day(1, 12))]
    found = ledger_of(usage(*cells), book(Price("acme", "m", request=rate, source="a list")))
    assert [told.usd for told in found.by(("day",)).values()] == [0, D("1.8"), 0]


def test_graduated_rates_run_through_the_month() -> None:
    # 10 at 0, to 100 at .5, above at .3. Of 250 in a month: 90 (economics: 10 free, 90 x .5, 150 x .3). 60 on the 1st: 25; 190 after: 65.
    rate = Rate(D("0.3"), "request", "a list", brackets=(Bracket(D(10), D(0)), Bracket(D(100), D("0.5"))))
    cells = [({"day": day(n)}, Amounts(amount)) for n, amount in ((1, 60), (2, 190))]
    found = ledger_of(usage(*cells), book(Price("acme", "m", request=rate, source="a list")))
    assert [told.usd for told in found.by(("day",)).values()] == [25, 65]


def test_fees_that_no_request_causes_are_named() -> None:
    fee = Fee("plan", Rate(D(5), "month", "a list"))
    found = ledger_of(usage(({}, Amounts(1, 1_000_000))), book(Price("acme", "m", input=mtok("2"), fees=(fee,), source="a list")))
    assert usd(found) == 2
    assert "not counted: plan, 5 USD per month, which no request causes" in found.notes


# Conservation ---------------------------------------------------------------------------------------------------------


def test_the_sum_is_the_same_by_any_dimensions() -> None:
    cells = []
    for n in range(60):
        told = {"day": day(1 + n % 7), "model": "mno"[n % 3], "workload": ("chat", None)[n % 2], "provider": ("acme", "alias")[n % 5 == 0]}
        cells.append((told | {"logged": n % 4 == 0}, Amounts(n + 1, 1_234_567 * n, 0, 0, 0, 7_777_777_777 * n)))
    found = ledger_of(usage(*cells), book(neurons("m", "1003"), neurons("n", "2017"), ACME))
    total = found.total
    assert total.amounts.requests == sum(amounts.requests for _, amounts in usage(*cells).cells.items())
    for size in (1, 2, 3):
        for dimensions in combinations(DIMENSIONS, size):
            groups = found.by(dimensions).values()
            assert sum((told.usd or 0) for told in groups) == total.usd
            assert sum(told.amounts.requests for told in groups) == total.amounts.requests
            assert sum(told.unpriced_requests for told in groups) == total.unpriced_requests
    priced = sum(c.amounts.requests for c in found.charges if c.usd is not None)
    assert priced + total.unpriced_requests + total.failed_requests == total.amounts.requests
    assert total.unpriced_requests > 0


def test_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(EdgeroiError, match="'colour'"):
        Ledger().by(("colour",))


def test_nothing_costs_nothing_known() -> None:
    assert spent([]).usd is None
