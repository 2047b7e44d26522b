"""A FOCUS export is read strictly, and held against what the logs imply."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from edgeroi.errors import EdgeroiError
from edgeroi.ledger import Charge, Ledger
from edgeroi.logs.focus import MANDATORY, read_focus
from edgeroi.reconciliation import BillLine, Reconciliation, provider_of, reconciled
from edgeroi.usage import Amounts

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "bills" / "november.focus.csv"
AI = "AI and Machine Learning"
ROW = {
    "BilledCost": "1.5", "EffectiveCost": "2.25", "BillingCurrency": "USD", "ChargeCategory": "Usage", "ChargeClass": "",
    "ChargePeriodStart": "2026-11-01T00:00:00Z", "ChargePeriodEnd": "2026-11-02T00:00:00Z", "ServiceName": "OpenAI API",
    "ServiceCategory": AI, "ProviderName": "OpenAI",
}  # fmt: skip


def written(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "bill.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_row_is_read_as_the_specification_means_it(tmp_path: Path) -> None:
    (line,) = read_focus(written(tmp_path, ROW))
    start = datetime(2026, 11, 1, tzinfo=UTC)
    assert line == BillLine("OpenAI API", "OpenAI", AI, start, start + timedelta(days=1), "Usage", D("1.5"), D("2.25"))
    assert line.is_of_one_day


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {name: D(row[name]) for name in ("BilledCost", "EffectiveCost")}
        row |= {name: datetime.fromisoformat(row[name]) for name in ("ChargePeriodStart", "ChargePeriodEnd")}
        row["ChargeClass"] = row["ChargeClass"] or None
    table = pa.Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "bill.parquet")
    assert read_focus(tmp_path / "bill.parquet") == read_focus(SAMPLE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"BillingCurrency": "EUR"}, r"bill\.csv:3 BillingCurrency: the bill is in EUR; convert"),
        ({"BilledCost": "1,5"}, r"bill\.csv:3 BilledCost: '1,5' is no amount"),
        ({"EffectiveCost": "NaN"}, r"bill\.csv:3 EffectiveCost: NaN is no amount"),
        ({"ChargePeriodStart": "yesterday"}, r"bill\.csv:3 ChargePeriodStart: 'yesterday' is no time"),
        ({"ChargePeriodEnd": "2026-11-01T00:00:00Z"}, r"bill\.csv:3 ChargePeriodEnd: .* not after its start"),
        ({"ChargeCategory": "Usages"}, r"bill\.csv:3: 'Usages' is no ChargeCategory; did you mean 'Usage'"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_line(tmp_path: Path, change: dict[str, str], said: str) -> None:
    with pytest.raises(EdgeroiError, match=said):
        read_focus(written(tmp_path, ROW, ROW | change))


@pytest.mark.parametrize("column", MANDATORY)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    with pytest.raises(EdgeroiError, match=f"no FOCUS export: it has no column {column}"):
        read_focus(written(tmp_path, {name: value for name, value in ROW.items() if name != column}))


def test_a_ragged_row_no_row_and_no_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ROW)
    path.write_text(path.read_text() + "1,2\n")
    with pytest.raises(EdgeroiError, match=r"bill\.csv:3: the row has more or fewer values"):
        read_focus(path)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(EdgeroiError, match="holds no row"):
        read_focus(path)
    with pytest.raises(EdgeroiError, match="cannot be read"):
        read_focus(tmp_path / "none.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(EdgeroiError, match="is no Parquet file"):
        read_focus(tmp_path / "broken.parquet")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, "Usage"),
        ({"ChargeCategory": "Tax"}, "Tax"),
        ({"ChargeCategory": "Credit"}, "Credit"),
        ({"ChargeClass": "Correction"}, "Correction of an earlier period"),
        ({"CommitmentDiscountStatus": "Unused"}, "Commitment not used"),
        ({"CommitmentDiscountStatus": "Used"}, "Usage"),
    ],
)
def test_what_is_no_use_of_its_days_is_named(tmp_path: Path, change: dict[str, str], what: str) -> None:
    (line,) = read_focus(written(tmp_path, ROW | {"CommitmentDiscountStatus": ""} | change))
    assert line.what == what


# Against the logs -----------------------------------------------------------------------------------------------------

NAMES = {"bedrock": ("aws", "amazon", "amazon-bedrock"), "openai": ()}


def bill(
    service: str, provider: str, start: int, usd: str, days: int = 1, category: str = AI, what: str = "Usage", hours: int = 0
) -> BillLine:
    first = datetime(2026, 11, start, hours, tzinfo=UTC)
    end = first + (timedelta(hours=1) if hours else timedelta(days=days))
    return BillLine(service, provider, category, first, end, what, D(usd), D(usd))


def logged(day: int, usd: str | None, provider: str = "openai") -> Charge:
    told = ("unpriced", None) if usd is None else ("logged", D(usd))
    return Charge(None, None, provider, "m", None, date(2026, 11, day), Amounts(3 if usd is None else 1), *told, True, True)  # type: ignore[arg-type]


def held(lines: list[BillLine], charges: list[Charge], whole: range = range(1, 31), **more: object) -> Reconciliation:
    days = frozenset(date(2026, 11, day) for day in whole)
    return reconciled(lines, Ledger(tuple(charges)), days, NAMES, **more)  # type: ignore[arg-type]


def test_service_and_day_are_held_against_the_logs() -> None:
    # The 1st agrees to 1.96 % of the bill, the 2nd is 5 % off; together 2.10 on the bill and 2.03 in the logs: 3.3 %.
    found = held([bill("OpenAI API", "OpenAI", 1, "1.02"), bill("OpenAI API", "OpenAI", 2, "1.08")], [logged(1, "1.00"), logged(2, "1.03")])
    assert [(one.day, one.usd, one.is_within) for one in found.days] == [
        (date(2026, 11, 1), D("0.02"), True),
        (date(2026, 11, 2), D("0.05"), False),
    ]
    (service,) = found.services
    assert (service.logs_usd, service.effective_usd, service.usd, service.days, service.is_within) == (
        D("2.03"),
        D("2.10"),
        D("0.07"),
        2,
        False,
    )
    assert found.is_within is False
    assert held([bill("OpenAI API", "OpenAI", 1, "1.02")], [logged(1, "1.00")], tolerance=0.01).is_within is False


def test_hours_add_up_to_their_day_and_a_month_is_compared_as_one() -> None:
    hourly = held([bill("OpenAI API", "OpenAI", 1, "0.5", hours=h) for h in (3, 9)], [logged(1, "1.00")])
    assert [(one.day, one.effective_usd, one.is_within) for one in hourly.days] == [(date(2026, 11, 1), 1, True)]
    monthly = held([bill("OpenAI API", "OpenAI", 1, "30", days=30)], [logged(day, "1") for day in range(1, 31)])
    assert monthly.days == ()
    assert [(one.logs_usd, one.days, one.is_within) for one in monthly.services] == [(30, 30, True)]


def test_days_that_the_logs_did_not_see_whole_are_not_compared() -> None:
    found = held([bill("OpenAI API", "OpenAI", day, "1") for day in (1, 2, 3)], [logged(day, "1") for day in (1, 2, 3)], range(2, 3))
    assert [one.day for one in found.days] == [date(2026, 11, 2)]
    assert [(one.what, one.billed_usd) for one in found.apart] == [("use on days that the logs do not hold whole", 2)]


def test_a_day_without_a_row_between_billed_days_counts_against_the_bill() -> None:
    found = held([bill("OpenAI API", "OpenAI", 1, "1"), bill("OpenAI API", "OpenAI", 3, "1")], [logged(day, "1") for day in (1, 2, 3)])
    assert [(one.logs_usd, one.effective_usd, one.days) for one in found.services] == [(3, 2, 3)]


def test_taxes_and_credits_are_never_netted_and_every_row_is_somewhere() -> None:
    lines = [
        bill("OpenAI API", "OpenAI", 1, "1"),
        bill("OpenAI API", "OpenAI", 1, "0.20", what="Tax"),
        bill("OpenAI API", "OpenAI", 1, "-0.50", what="Credit"),
        bill("Amazon Simple Storage Service", "AWS", 1, "9", category="Storage"),
    ]
    found = held(lines, [logged(1, "1"), logged(1, "4", "bedrock")])
    assert [(one.logs_usd, one.effective_usd, one.is_within) for one in found.services] == [(1, 1, True)]
    assert {one.what: one.billed_usd for one in found.apart if one.billed_usd is not None} == {
        "Tax": D("0.20"),
        "Credit": D("-0.50"),
        "use that is not in the logs": 9,
    }
    assert [(one.service, one.logs_usd) for one in found.apart if one.billed_usd is None] == [("bedrock", 4)]
    everywhere = sum(one.billed_usd for one in found.services) + sum(one.billed_usd or 0 for one in found.apart)
    assert everywhere == sum(line.billed_usd for line in lines)


def test_logs_with_use_that_has_no_price_do_not_agree() -> None:
    found = held([bill("OpenAI API", "OpenAI", 1, "1")], [logged(1, "1"), logged(1, None)])
    assert [(one.unpriced_requests, one.is_within) for one in found.services] == [(3, False)]


def test_a_steady_difference_is_told_apart_from_a_slip() -> None:
    bills = [bill("OpenAI API", "OpenAI", day, "0.9") for day in range(1, 9)]
    logs = [logged(day, "1") for day in range(1, 9)]
    assert held(bills, logs).services[0].steady == pytest.approx(-0.1)
    slipped = [*bills[:-1], bill("OpenAI API", "OpenAI", 8, "0.5")]
    assert held(slipped, logs).services[0].steady is None
    assert held(bills[:6], logs).services[0].steady is None


def test_whose_service_it_is() -> None:
    assert provider_of(bill("Amazon Bedrock", "AWS", 1, "1"), NAMES, {}) == "bedrock"
    assert provider_of(bill("Claude 4", "OpenAI", 1, "1"), NAMES, {}) == "openai"
    assert provider_of(bill("Amazon S3", "AWS", 1, "1", category="Storage"), NAMES, {}) is None
    # Without a category the bill's provider says nothing: it sells more than models.
    assert provider_of(bill("Compute", "OpenAI", 1, "1", category=""), NAMES, {}) is None
    assert provider_of(bill("Foundation models", "AWS", 1, "1", category=""), NAMES, {"Foundation models": "bedrock"}) == "bedrock"
