"""Rates that refuse foreign units, and a look-up that never guesses: the rules of the price book, on books made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.errors import EdgeroiError, NoAnswer, Place
from edgeroi.prices import (
    Allowance,
    Bracket,
    Neurons,
    Price,
    PriceBook,
    Rate,
    Reference,
    Retired,
    Threshold,
    UnknownModel,
    UnknownProvider,
    UnmatchedContext,
    Unpriced,
    concerns,
    decimal_of,
    magnitude,
)

D = Decimal

TODAY = date(2026, 11, 22)
BATCH = (("processing", "batch"),)


def mtok(usd: str, **said: object) -> Rate:
    return Rate(D(usd), "Mtok", **said)  # type: ignore[arg-type]


def price(model: str = "small", usd: str | None = "0.02", **said: object) -> Price:
    rate = None if usd is None else mtok(usd)
    return Price("acme", model, input=rate, **{"as_of": date(2026, 11, 1), **said})  # type: ignore[arg-type]


def book(*rows: Price) -> PriceBook:
    return PriceBook({"acme": rows}, ("acme", "cloudflare", "deepinfra"), {"acme-ai": "acme"})


# References -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("cloudflare/@cf/baai/bge-base-en-v1.5", "cloudflare", "@cf/baai/bge-base-en-v1.5"),
        ("deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo", "deepinfra", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("aws/meta.llama3-3-70b-instruct-v1:0", "aws", "meta.llama3-3-70b-instruct-v1:0"),
    ],
)
def test_a_reference_is_the_provider_then_the_model_verbatim(text: str, provider: str, model: str) -> None:
    assert Reference.parse(text) == Reference(provider, model)
    assert str(Reference.parse(text)) == text


@pytest.mark.parametrize("text", ["gpt-4o", "openai/", "/gpt-4o", ""])
def test_what_is_no_reference_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(EdgeroiError, match=r"s\.yaml:3:9.*not a price reference.*PROVIDER/MODEL"):
        Reference.parse(text, Place("s.yaml", 3, 9))


# Rates ----------------------------------------------------------------------------------------------------------------


def test_requests_never_multiply_a_token_price() -> None:
    assert mtok("0.20").quantity(D(1_000_000_000), "token") == 1000
    with pytest.raises(EdgeroiError, match="count of requests cannot be charged at a rate per Mtok"):
        mtok("0.20").quantity(D(10_000_000), "request")


def test_a_unit_nobody_bills_in_and_a_negative_price_are_refused() -> None:
    with pytest.raises(EdgeroiError, match="unknown billing unit 'Mtoks'; did you mean 'Mtok'"):
        Rate(D(1), "Mtoks")
    with pytest.raises(EdgeroiError, match="negative"):
        Rate(D("-0.1"), "Mtok")


def test_graduated_rates_sum_over_brackets() -> None:
    rate = Rate(D("0.3"), "request", brackets=(Bracket(D(10), D(0)), Bracket(D(100), D("0.5"))))
    assert rate.charge(D(250)) == D(10) * 0 + D(90) * D("0.5") + D(150) * D("0.3") == D("90.0")  # all units at 0.3 would be 75.00
    assert rate.charge(D(10)) == 0
    assert rate.charge(D(100)) == D(45)
    assert rate.charge(D(0)) == 0


@given(st.decimals(0, 10**6, places=3), st.decimals(0, 10**6, places=3))
def test_a_graduated_charge_never_falls_as_the_amount_grows(one: D, two: D) -> None:
    rate = Rate(D("0.3"), "request", brackets=(Bracket(D(10), D(0)), Bracket(D(100), D("0.5"))))
    low, high = sorted((one, two))
    assert rate.charge(low) <= rate.charge(high)
    assert sum(part for part, _ in rate.portions(high)) == high


def test_a_long_request_pays_its_step_for_all_its_tokens() -> None:
    rate = mtok("0.10", above=(Threshold(100_000, D("0.50")), Threshold(200_000, D("0.60"))))
    assert rate.for_request(D(100_000)).usd == D("0.10")
    assert rate.for_request(D(100_001)).usd == D("0.50")
    assert rate.for_request(D(300_000)).usd == D("0.60")


def test_a_daily_allowance_counts_730_over_24_times_a_month() -> None:
    assert Allowance(D(10), "day", "cloudflare").a_month == D(10) * D(730) / 24
    assert Allowance(D(10), "month", "cloudflare").a_month == 10


def test_a_number_is_read_as_it_is_written() -> None:
    assert decimal_of(0.1) == D("0.1")
    assert decimal_of("0.30") == D("0.30")
    assert decimal_of(3) == D(3)


# Looking up -----------------------------------------------------------------------------------------------------------


def test_a_price_is_found_by_any_name_its_provider_goes_by_and_in_any_case() -> None:
    rows = book(price("Small-v1", aliases=("small",)))
    for ref in ("acme/Small-v1", "acme-ai/small-V1", "ACME/small"):
        assert rows.find(ref, TODAY).input == mtok("0.02")


def test_an_unknown_provider_is_an_error_with_the_near_miss() -> None:
    with pytest.raises(UnknownProvider, match="did you mean 'cloudflare'"):
        book(price()).find("cloudfare/x", TODAY)


def test_an_unknown_model_is_an_error_with_the_nearest_names_and_never_free() -> None:
    rows = book(price("org/bge-base-en"), price("org/bge-small-en"), price("llama-70b"))
    with pytest.raises(UnknownModel, match="nearest: org/bge-base-en") as raised:
        rows.find("acme/bge-base-em", TODAY)
    assert raised.value.exit_code == 2
    with pytest.raises(UnknownModel, match="lists 3 others"):
        rows.find("acme/zzzzzz", TODAY)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"processing": "bach"}, "no bach price; did you mean 'batch'"),
        ({"processing": "flex"}, "no flex price; it is priced as: standard, batch"),
        ({"service_tier": "priority"}, "no service tier priority price"),
        ({"processing": "batch", "service_tier": "flex"}, "no batch, service tier flex price"),
        ({"region": "eu"}, "no region eu price"),
    ],
)
def test_a_context_without_a_price_is_an_error_and_never_the_standard_price(context: dict[str, str], said: str) -> None:
    rows = book(price(), price(usd="0.01", context=BATCH))
    with pytest.raises(UnmatchedContext, match=said):
        rows.find("acme/small", TODAY, context)
    assert rows.find("acme/small", TODAY, {"processing": "batch"}).input == mtok("0.01")


def test_batch_where_no_batch_price_exists_is_an_error() -> None:
    with pytest.raises(UnmatchedContext, match="no batch price; it is priced as: standard"):
        book(price()).find("acme/small", TODAY, {"processing": "batch"})


def test_a_tier_that_is_called_standard_or_default_is_the_standard_price() -> None:
    assert book(price()).find("acme/small", TODAY, {"service_tier": "default"}).input == mtok("0.02")
    own = price(usd="0.03", context=(("service_tier", "default"),))
    assert book(price(), own).find("acme/small", TODAY, {"service_tier": "default"}).input == mtok("0.03")


def test_a_retired_model_is_refused_from_its_day_on() -> None:
    rows = book(price(retired_on=date(2026, 8, 16)))
    with pytest.raises(Retired, match="retired on 2026-08-16") as raised:
        rows.find("acme/small", date(2026, 8, 16))
    assert raised.value.price.input == mtok("0.02")
    assert "the model is to be retired on 2026-08-16" in rows.find("acme/small", date(2026, 8, 15)).notes


def test_a_model_deprecated_nobody_knows_since_when_is_refused_saying_so() -> None:
    with pytest.raises(Retired, match="is deprecated, date unknown"):
        book(price(status="deprecated")).find("acme/small", TODAY)


def test_a_row_without_a_price_is_unpriced_and_no_answer() -> None:
    with pytest.raises(Unpriced, match="unpriced: it charges by the image") as raised:
        book(price(usd=None, notes=("it charges by the image",))).find("acme/small", TODAY)
    assert isinstance(raised.value, NoAnswer)
    assert raised.value.exit_code == 3


def test_an_error_carries_the_place_of_the_reference() -> None:
    with pytest.raises(UnknownModel, match=r"s\.yaml:7:12"):
        book(price()).find("acme/other", TODAY, place=Place("s.yaml", 7, 12))


# Dates ----------------------------------------------------------------------------------------------------------------

HISTORY = (price(usd="0.09", valid_to=date(2026, 10, 18)), price(usd="0.038", valid_from=date(2026, 10, 19)))


@pytest.mark.parametrize(("at", "usd"), [("2026-10-18", "0.09"), ("2026-10-19", "0.038"), ("2026-11-22", "0.038"), ("2020-01-01", "0.09")])
def test_the_day_decides_which_row_applies(at: str, usd: str) -> None:
    assert book(*HISTORY).find("acme/small", date.fromisoformat(at)).input == mtok(usd)


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_adding_a_future_row_changes_no_past_cost(at: date, begins: date) -> None:
    rows = (price(usd="0.09"), price(usd="0.05", valid_from=date(2026, 3, 1)))
    before = book(*rows).find("acme/small", at)
    with_more = book(*rows, price(usd="7", valid_from=begins)).find("acme/small", at)
    if begins > at:
        assert with_more == before
    elif begins > date(2026, 3, 1):
        assert with_more.input == mtok("7")


def test_the_order_of_rows_and_of_calls_does_not_matter() -> None:
    forth, back = book(*HISTORY), book(*reversed(HISTORY))
    days = [TODAY - timedelta(days=n) for n in range(0, 60, 7)]
    first = [forth.find("acme/small", day) for day in days]
    assert [back.find("acme/small", day) for day in reversed(days)] == first[::-1]


def test_a_day_before_the_first_known_price_has_none() -> None:
    late = price(valid_from=date(2026, 5, 1))
    with pytest.raises(Unpriced, match="no standard price of acme/small is known on 2026-04-30; the first known begins on 2026-05-01"):
        book(late, price(valid_from=date(2026, 9, 1))).find("acme/small", date(2026, 4, 30))
    batch = price(context=BATCH, valid_from=date(2026, 10, 14))
    with pytest.raises(UnmatchedContext, match=r"no batch price .* on 2026-09-01; the first known begins on 2026-10-14"):
        book(price(), batch).find("acme/small", date(2026, 9, 1), {"processing": "batch"})


def test_an_undated_price_says_so() -> None:
    assert book(price(as_of=None)).find("acme/small", TODAY).notes == ("undated price: taken as valid on 2026-11-22",)
    assert book(price()).find("acme/small", TODAY).notes == ()
    early = book(price()).find("acme/small", date(2026, 1, 1))
    assert early.notes == ("price read on 2026-11-01, after 2026-01-01, and taken as valid then",)


# What a reviewer should look at ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("usd", "odd"), [("0.0005", False), ("0.00049", True), ("0", False), ("1000", False), ("1000.01", True)])
def test_a_stated_price_of_an_odd_magnitude_is_noticed(usd: str, odd: bool) -> None:
    assert (magnitude(D(usd)) is not None) is odd
    assert [concern.rule for concern in concerns(price(usd=usd), TODAY)] == (["magnitude"] if odd else [])


@pytest.mark.parametrize(("days", "stale"), [(180, False), (181, True)])
def test_a_price_older_than_180_days_is_stale(days: int, stale: bool) -> None:
    found = concerns(price(as_of=TODAY - timedelta(days=days)), TODAY)
    assert [concern.rule for concern in found] == (["stale-price"] if stale else [])


def test_one_old_rate_makes_the_price_stale() -> None:
    mixed = replace(price(), output=mtok("0.1", as_of=date(2025, 8, 12)))
    assert "read on 2025-08-12, 467 days before 2026-11-22" in concerns(mixed, TODAY)[0].message


def in_neurons(listed: str, per_mtok: int, **said: object) -> Price:
    rate = Rate(D("0.011"), "1k neurons")
    return replace(price(usd=listed), neurons=Neurons(D(per_mtok), None, rate), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("listed", "per_mtok", "apart"),
    [
        ("0.067", 6058, False),  # 6.058 x 0.011 = 0.066638: 0.5 % is rounding
        ("0.204", 18582, False),  # 0.204402
        ("0.293", 26668, False),  # 0.293348
        ("0.002", 227, False),  # 0.002497: a quarter, and still the rounding of the third decimal
        ("2.24", 204805, False),  # 2.252855: 0.6 % apart, and more than half a thousandth of a dollar
        ("2.21", 204805, True),  # 1.9 %
        ("0.073", 6058, True),  # 8.7 %
        ("2.509", 230, True),  # 0.00253: a vendor's own table was out by this much
    ],
)
def test_a_list_price_that_disagrees_with_the_neurons_is_noticed(listed: str, per_mtok: int, apart: bool) -> None:
    assert [concern.rule for concern in concerns(in_neurons(listed, per_mtok), TODAY)] == (["neuron-rate"] if apart else [])


def test_low_confidence_is_said() -> None:
    unsure = replace(price(), input=mtok("0.02", confidence="low"))
    assert "low confidence in input" in concerns(unsure, TODAY)[0].message


# Rows over rows -------------------------------------------------------------------------------------------------------


def test_a_row_over_another_keeps_what_it_says_and_takes_the_rest() -> None:
    above = price(usd="1.04", notes=("ours",), retired_on=date(2026, 10, 22))
    below = price(usd="0.88", output=mtok("0.88"), notes=("theirs",), status="deprecated")
    merged = above.over(below)
    assert merged.input == mtok("1.04")
    assert merged.output == mtok("0.88")
    assert merged.retired_on == date(2026, 10, 22)
    assert merged.status == "deprecated"
    assert merged.notes == ("ours", "theirs")
