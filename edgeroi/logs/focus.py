"""A FOCUS 1.x export of a bill, as CSV or Parquet: the columns that a reconciliation needs, strictly.

Columns and their meaning: the FOCUS specification 1.0 to 1.2 (https://focus.finops.org/focus-specification/). BilledCost, EffectiveCost,
ChargeCategory, ChargePeriodStart (inclusive), ChargePeriodEnd (exclusive), BillingCurrency and ServiceName are mandatory there and here;
ChargeClass (``Correction``), CommitmentDiscountStatus (``Unused``), ServiceCategory and ProviderName are used where they are there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.reconciliation import USAGE, BillLine

MANDATORY = ("BilledCost", "EffectiveCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd", "ServiceName")
OPTIONAL = ("ChargeClass", "CommitmentDiscountStatus", "ServiceCategory", "ProviderName", "ServiceProviderName")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
_PARQUET = b"PAR1"
#: Rows of a Parquet file that are Python values at a time.
_ROWS = 1 << 14


def read_focus(path: Path) -> tuple[BillLine, ...]:
    """Every row of the export; raises ``EdgeroiError`` with file and line for what is no export, no USD, no number or no time."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == _PARQUET
        rows = _parquet_rows(path) if is_parquet else _csv_rows(path)
        lines = tuple(_line(row, Place(str(path), number)) for number, row in rows)
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror}", place=Place(str(path)), key="--focus") from None
    if not lines:
        raise EdgeroiError("holds no row", place=Place(str(path)), key="--focus", fix="export the days of the logs")
    return lines


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            _demand(tuple(reader.fieldnames or ()), path)
            for row in reader:
                if None in row or None in row.values():
                    raise EdgeroiError("the row has more or fewer values than there are columns", place=Place(str(path), reader.line_num))
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise EdgeroiError(f"is no CSV: {error}", place=Place(str(path), reader.line_num or 1), key="--focus") from None


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        _demand(tuple(file.schema_arrow.names), path)
        wanted = [name for name in file.schema_arrow.names if name in (*MANDATORY, *OPTIONAL)]
        number = 0
        for batch in file.iter_batches(batch_size=_ROWS, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pyarrow.ArrowException as error:
        raise EdgeroiError(f"is no Parquet file: {error}", place=Place(str(path)), key="--focus") from None


def _demand(names: tuple[str, ...], path: Path) -> None:
    missing = next((name for name in MANDATORY if name not in names), None)
    if missing is not None:
        fix = did_you_mean(missing, names[:100]) if names else "export with a header"
        raise EdgeroiError(f"no FOCUS export: it has no column {missing}", place=Place(str(path), 1), key="--focus", fix=fix)


def _line(row: Mapping[str, Any], place: Place) -> BillLine:
    currency = _text(row, "BillingCurrency")
    if currency != "USD":
        fix = "convert the export at the rate of your invoice: prices here are in USD, and no exchange rate is guessed"
        raise EdgeroiError(f"the bill is in {currency or 'no currency'}", place=place, key="BillingCurrency", fix=fix)
    start, end = _instant(row, "ChargePeriodStart", place), _instant(row, "ChargePeriodEnd", place)
    if end <= start:
        raise EdgeroiError(f"ends at {end:%Y-%m-%dT%H:%M:%SZ}, which is not after its start", place=place, key="ChargePeriodEnd")
    provider = _text(row, "ProviderName") or _text(row, "ServiceProviderName")
    costs = (_money(row, "BilledCost", place), _money(row, "EffectiveCost", place))
    return BillLine(_text(row, "ServiceName"), provider, _text(row, "ServiceCategory"), start, end, _what(row, place), *costs)


def _what(row: Mapping[str, Any], place: Place) -> str:
    """The category, or what takes a row of use out of the use of its days."""
    category = _text(row, "ChargeCategory")
    if category not in CATEGORIES:
        raise EdgeroiError(f"{category!r} is no ChargeCategory", place=place, fix=did_you_mean(category, CATEGORIES))
    if _text(row, "ChargeClass") == "Correction":
        return "Correction of an earlier period"
    if category == USAGE and _text(row, "CommitmentDiscountStatus") == "Unused":
        return "Commitment not used"
    return category


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _money(row: Mapping[str, Any], column: str, place: Place) -> Decimal:
    try:
        amount = Decimal(_text(row, column))
    except InvalidOperation:
        raise EdgeroiError(f"{_text(row, column)!r} is no amount", place=place, key=column, fix="write a plain number, as 12.5") from None
    if not amount.is_finite():
        raise EdgeroiError(f"{amount} is no amount", place=place, key=column)
    return amount


def _instant(row: Mapping[str, Any], column: str, place: Place) -> datetime:
    """An instant in UTC; FOCUS writes ISO 8601 in UTC, so that one without a zone is in UTC too."""
    value = row.get(column)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(_text(row, column))
    except ValueError:
        fix = "write ISO 8601 in UTC, as 2026-11-01T00:00:00Z"
        raise EdgeroiError(f"{_text(row, column)!r} is no time", place=place, key=column, fix=fix) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
