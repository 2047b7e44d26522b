"""Quantities as people write them: what is read, what is refused, and what to write instead."""

from __future__ import annotations

from decimal import Decimal
from math import exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi import units
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.units import Measure, Quantity, Unit, read_range, write_range


@pytest.mark.parametrize(
    ("text", "measure", "value"),
    [
        ("150 ms", units.LATENCY, 150),
        ("150ms", units.LATENCY, 150),
        ("1.5 s", units.LATENCY, 1500),
        ("2 min", units.LATENCY, 120_000),
        ("0.20 USD/Mtok", units.TOKEN_PRICE, 0.2),
        ("0.0002 USD/ktok", units.TOKEN_PRICE, 0.2),
        ("0.20 USD per Mtok", units.TOKEN_PRICE, 0.2),
        ("10M /month", units.REQUEST_RATE, 10_000_000),
        ("10M requests/month", units.REQUEST_RATE, 10_000_000),
        ("4 /s", units.REQUEST_RATE, 4 * 3600 * 730),  # a month is 730 h
        ("24 /day", units.REQUEST_RATE, 730),
        ("12 requests/year", units.REQUEST_RATE, 1),
        ("100 tok", units.TOKENS, 100),
        ("8k tok", units.TOKENS, 8000),
        ("1 Mtok", units.TOKENS, 1_000_000),
        ("100 USD/h", units.HOURLY, 100),
        ("2 h/month", units.LABOUR, 2),
        ("30 min/month", units.LABOUR, 0.5),
        ("0.80 USD/h", units.MONTHLY, 584),  # 0.80 x 730
        ("60 USD/year", units.MONTHLY, 5),
        ("60%", units.SHARE, 0.6),
        ("60 %", units.SHARE, 0.6),
        ("0.97", units.SHARE, 0.97),
        ("0.011 USD/kneuron", units.NEURON_PRICE, 0.011),
        ("2500 tok/s", units.THROUGHPUT, 2500),
        ("0.12 USD/GB", units.EGRESS_PRICE, 0.12),
        ("20 kB", units.SIZE, 0.00002),
        ("3000 USD", units.MONEY, 3000),
        ("3k USD", units.MONEY, 3000),
        ("12 months", units.MONTHS, 12),
        ("1 year", units.MONTHS, 12),
        ("0.001 USD/miss", units.PER_MISS, 0.001),
        ("0.001 USD", units.PER_MISS, 0.001),
        ("0.10 USD/request", units.PER_REQUEST, 0.1),
        ("170 USD/Mrequests", units.PER_REQUEST, 0.00017),
        ("3", units.COUNT, 3),
        ("1e3 ms", units.LATENCY, 1000),
        ("4000 km", units.DISTANCE, 4000),
        ("-10%", units.DISCOUNT, -0.1),
    ],
)
def test_a_quantity_is_read_in_the_canonical_unit_of_its_field(text: str, measure: Measure, value: float) -> None:
    assert read_range(text, measure, "a.b") == Range.point(value, "a.b")


@pytest.mark.parametrize(
    ("text", "likely", "low", "high", "shape"),
    [
        ("15 (5..40) USD/h", 15, 5, 40, "triangular"),
        ("15 USD/h (5 USD/h..40 USD/h)", 15, 5, 40, "triangular"),
        ("triangular 15 (5..40) USD/h", 15, 5, 40, "triangular"),
        ("5 to 40 USD/h", 14.142135623730951, 5, 40, "lognormal"),  # sqrt(5 x 40) = sqrt(200)
        ("5 USD/h to 40 USD/h", 14.142135623730951, 5, 40, "lognormal"),
        ("5k to 40k USD/h", 14142.135623730952, 5000, 40000, "lognormal"),
        ("normal 5 to 40 USD/h", 22.5, 5, 40, "normal"),
        ("uniform 0 to 40 USD/h", 20, 0, 40, "uniform"),
        ("15 (15..15) USD/h", 15, 15, 15, "point"),
        ("5 to 5 USD/h", 5, 5, 5, "point"),
        ("10 USD/min to 1 USD/s", sqrt(600 * 3600), 600, 3600, "lognormal"),  # each number in its own unit
    ],
)
def test_a_range_has_its_likely_value_and_its_shape(text: str, likely: float, low: float, high: float, shape: str) -> None:
    found = read_range(text, units.HOURLY, "search.value.waiting")
    assert (found.likely, found.low, found.high) == pytest.approx((likely, low, high))
    assert (found.shape, found.name, found.basis) == (shape, "search.value.waiting", "assumed")


def test_the_likely_value_of_an_interval_is_the_median_of_the_lognormal_through_its_ends() -> None:
    found = read_range("2 to 50 ms", units.LATENCY)
    assert found.likely == pytest.approx(exp((log(2) + log(50)) / 2))


def test_percent_stands_once_at_the_end_or_on_each_number() -> None:
    for text in ("3 (1..5)%", "3% (1%..5%)", "3 (1..5) %"):
        found = read_range(text, units.SHARE)
        assert (found.likely, found.low, found.high) == (0.03, 0.01, 0.05)


@pytest.mark.parametrize(
    ("text", "measure", "message", "fix"),
    [
        # a bare number where a unit is needed
        ("0.2", units.TOKEN_PRICE, "0.2 has no unit", "write `0.2 USD/Mtok`"),
        ("150", units.LATENCY, "150 has no unit", "write `150 ms`"),
        ("12", units.MONTHS, "12 has no unit", "write `12 months`"),
        ("10M", units.REQUEST_RATE, "10000000 has no unit", "write `10000000 requests/month`"),
        # the unit of something else
        ("150 ms", units.TOKEN_PRICE, "`150 ms` is a time, USD/Mtok is wanted", "write it like `0.20 USD/Mtok`"),
        ("5 USD", units.MONTHLY, "`5 USD` is money, USD/month is wanted", "write it like `5 USD/month`"),
        (
            "0.2 USD/Mtok",
            units.PER_REQUEST,
            "`0.2 USD/Mtok` is money per tokens, USD/request is wanted",
            "write it like `0.001 USD/request`",
        ),
        ("60%", units.COUNT, "`60%` is a share, a plain number is wanted", "write it like `3`"),
        ("3%", units.LABOUR, "`3%` is a share, h/month is wanted", "write it like `2 h/month`"),
        # numbers JSON does not know
        ("1_000 ms", units.LATENCY, "'1_000 ms': digits are not grouped", "write `1000 ms`"),
        ("1,000 USD", units.MONEY, "'1,000 USD': digits are not grouped", "write `1000 USD`"),
        ("1,234,567 USD", units.MONEY, "'1,234,567 USD': digits are not grouped", "write `1234567 USD`"),
        ("0,5 USD", units.MONEY, "'0,5 USD': the decimal sign is a point", "write `0.5 USD`"),
        ("010 ms", units.LATENCY, "'010 ms': a number does not begin with 0", "write `10 ms`"),
        ("+5 ms", units.LATENCY, "'+5 ms': a plus sign is not written", "write `5 ms`"),
        (".5 ms", units.LATENCY, "'.5 ms': a digit stands before the point", "write `0.5 ms`"),
        ("5. ms", units.LATENCY, "'5. ms': a digit stands after the point", "write `5 ms`"),
        ("$5", units.MONEY, "'$5': money is written with USD", "write `5 USD`"),
        ("1:30", units.LATENCY, "'1:30' could be minutes or hours", "write `90 s` or `min`, `h`"),
        ("no", units.LATENCY, "'no' is not a number", "write it like `150 ms`"),
        ("on", units.COUNT, "'on' is not a number", "write it like `3`"),
        (".inf", units.LATENCY, "'.inf' is not a number", "write it like `150 ms`"),
        ("nan ms", units.LATENCY, "'nan ms' is not a number", "write it like `150 ms`"),
        ("0x10 ms", units.LATENCY, "unknown unit 'x10 ms'", None),
        ("1e400 ms", units.LATENCY, "1e400 ms is out of range", "write it like `150 ms`"),
        ("1e999999999 ms", units.LATENCY, "1e999999999 ms is out of range", "write it like `150 ms`"),
        ("", units.LATENCY, "'' is not a number", "write it like `150 ms`"),
        # multipliers
        ("10m /month", units.REQUEST_RATE, "`m` in '10m /month' does not multiply", "write `10M /month` for millions, `min` for minutes"),
        ("10 M /month", units.REQUEST_RATE, "the multiplier stands apart in '10 M /month'", "write `10M /month`"),
        ("0.2 USD/mtok", units.TOKEN_PRICE, "unknown unit 'mtok': `m` does not multiply", "write `Mtok` for millions"),
        ("10K /month", units.REQUEST_RATE, "`K` in '10K /month' is no multiplier", "write `10k /month`"),
        # units nobody knows
        ("5 usd", units.MONEY, "unknown unit 'usd'", "did you mean 'USD'?"),
        ("5 EUR", units.MONEY, "'EUR': money is counted in USD", "write it like `5 USD`"),
        ("5 USD/", units.MONTHLY, "a unit is missing beside the stroke", "write it like `USD/Mtok`"),
        ("5 mths", units.MONTHS, "unknown unit 'mths'", "did you mean 'months'?"),
        # bounds
        ("-5 ms", units.LATENCY, "-5 ms is below 0", "write it like `150 ms`"),
        ("60", units.SHARE, "60 is above 100 %", "write `60%`"),
        ("160%", units.SHARE, "160% is above 100 %", "write it like `60%`"),
        # ranges
        ("15 USD/h (5..40)", units.HOURLY, "the unit stands once at the end or on each number", "write `15 (5..40) USD/h`"),
        ("5 USD/h to 40", units.HOURLY, "the unit stands once at the end or on each number", "write `5 to 40 USD/h`"),
        ("15 (5 USD/h..40) USD/h", units.HOURLY, "the unit stands once at the end or on each number", "write `15 (5..40) USD/h`"),
        ("40 to 5 USD/h", units.HOURLY, "the low end stands first: 40 to 5 USD/h", "write `5 to 40 USD/h`"),
        (
            "50 (60..70) USD/h",
            units.HOURLY,
            "the likely value does not lie between the ends: 50 (60..70) USD/h",
            "write `likely (low..high)`",
        ),
        ("0 to 40 USD/h", units.HOURLY, "an interval that begins at 0 cannot be lognormal", "write `uniform 0 to 40 USD/h`"),
        ("5..40 USD/h", units.HOURLY, "'5..40 USD/h' is not how a range is written", "write `5 to 40 USD/h`"),
        ("5-40 USD/h", units.HOURLY, "'5-40 USD/h' is not how a range is written", "write `5 to 40 USD/h`"),
        ("5 – 40 USD/h", units.HOURLY, "'5 – 40 USD/h' is not how a range is written", "write `5 to 40 USD/h`"),
        ("normal 5 USD/h", units.HOURLY, "`normal` needs two ends", "write it like `normal 5 to 40`"),
        ("normal 15 (5..40) USD/h", units.HOURLY, "`normal` takes two ends, not a likely value and ends", "write `normal 5 to 40`"),
        ("triangular 5 to 40 USD/h", units.HOURLY, "a triangular range needs its likely value", "write `likely (low..high)`"),
        (
            "5 to 20M /month",
            units.REQUEST_RATE,
            "'5 to 20M /month': a multiplier stands on each number or on none",
            "write `5M` if that is meant",
        ),
        ("5 to 40", units.HOURLY, "5 to 40 has no unit", "write `5 to 40 USD/h`"),
    ],
)
def test_what_is_refused_says_why_and_what_to_write(text: str, measure: Measure, message: str, fix: str | None) -> None:
    with pytest.raises(EdgeroiError) as raised:
        read_range(text, measure)
    assert raised.value.message.startswith(message)
    if fix is not None:
        assert raised.value.fix == fix


def test_a_fix_that_shows_a_quantity_is_one_that_is_read() -> None:
    measures = [each for each in vars(units).values() if isinstance(each, Measure)]
    assert len(measures) >= 20
    for measure in measures:
        read_range(measure.example, measure)


def test_requests_times_a_token_price_is_not_money() -> None:
    """The mistake of the article this project began with: 10,000,000 requests x 0.20 USD per million tokens passed for 2.00 USD."""
    requests, price, tokens = (Quantity.of(text) for text in ("10M requests/month", "0.20 USD/Mtok", "100 tok/request"))
    with pytest.raises(EdgeroiError, match="cannot be expressed in USD/month"):
        (requests * price).to("USD/month")
    with pytest.raises(EdgeroiError, match="cannot add"):
        Quantity.of("1 USD/month") + requests * price
    # 10,000,000 x 100 tok = 1,000 Mtok; x 0.20 = 200 USD
    assert (requests * tokens * price).to("USD/month") == 200


def test_arithmetic_keeps_the_unit_and_is_exact() -> None:
    hours, rate = Quantity.of("2 h/month"), Quantity.of("100 USD/h")
    assert str(hours * rate) == "200 USD/month"
    assert (Quantity.of("0.1 USD") + Quantity.of("0.2 USD")).amount == Decimal("0.3")
    assert (Quantity.of("1 s") - Quantity.of("150 ms")).to("ms") == 850
    assert (Quantity.of("3000 USD") / Quantity.of("200 USD/month")).to("months") == 15
    assert Quantity.of("900 ms") < Quantity.of("1 s")
    assert Quantity.of("5 USD") * 3 == Quantity(Decimal(15), Unit.of("USD"))
    with pytest.raises(EdgeroiError, match="cannot compare 5 USD and 5 ms: money and a time"):
        assert Quantity.of("5 USD") < Quantity.of("5 ms")


def test_a_unit_is_its_words_and_what_they_measure() -> None:
    assert str(Unit.of("USD per Mtok")) == "USD/Mtok"
    assert Unit.of("h/month").dimension == ()
    assert Unit.of("h/month").kind != Unit().kind
    assert Unit.of("USD/h").kind == Unit.of("USD/month").kind


NUMBERS = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10**9), places=4)
UNITS = st.sampled_from([each for each in vars(units).values() if isinstance(each, Measure) and each.unit])


@given(NUMBERS, UNITS)
def test_what_is_written_is_read_back(number: Decimal, measure: Measure) -> None:
    point = Range.point(float(number), "x")
    assert read_range(write_range(point, measure.unit), measure, "x") == point


@given(st.lists(NUMBERS, min_size=3, max_size=3).map(sorted), UNITS)
def test_a_range_that_is_written_is_read_back(numbers: list[Decimal], measure: Measure) -> None:
    low, likely, high = map(float, numbers)
    shape = "point" if low == high else "triangular"
    triangle = Range(likely, low, high, "x", shape)
    assert read_range(write_range(triangle, measure.unit), measure, "x") == triangle
    if low < high:
        interval = Range(sqrt(low * high), low, high, "x", "lognormal")
        assert read_range(write_range(interval, measure.unit), measure, "x") == interval
        flat = Range((low + high) / 2, low, high, "x", "uniform")
        assert read_range(write_range(flat, measure.unit), measure, "x") == flat


@given(NUMBERS, st.sampled_from(["ms", "s", "min", "h", "day", "week", "month", "year"]), st.sampled_from(["ms", "s", "h", "month"]))
def test_a_unit_there_and_back_is_the_same_amount(number: Decimal, one: str, other: str) -> None:
    there = Quantity(Quantity(number, Unit.of(one)).to(other), Unit.of(other))
    assert there.to(one) == pytest.approx(number, rel=Decimal("1e-20"))


@given(st.text(max_size=40))
def test_any_text_is_a_range_or_an_error_with_a_message(text: str) -> None:
    try:
        found = read_range(text, units.LATENCY)
    except EdgeroiError:
        return
    assert 0 <= found.low <= found.likely <= found.high < float("inf")
