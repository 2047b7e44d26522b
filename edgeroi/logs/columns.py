"""Typed columns (Arrow, pandas) as the raw values a record is judged by: the types are believed, nothing is coerced.

An instant with a zone is one, one without is rejected; a duration type says its own unit; missing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake

if TYPE_CHECKING:
    import pyarrow as pa

_NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def values_of_arrow(array: pa.Array | pa.ChunkedArray, column: str, reading: Reading) -> list[Any]:
    """An Arrow column as Python values: instants in ns since the epoch, durations in the column's unit, decimals as numbers."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_timestamp(kind):
        return _instants(array, kind, _unit(column, reading))
    if pa.types.is_duration(kind):
        ns = _NS_PER_UNIT[kind.unit]
        return [None if v is None else v * ns / 1e6 / reading.scale(column) for v in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_decimal(kind):
        return [None if v is None else float(v) for v in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    return values


#: What an instant without a zone is.
NAIVE = Bad("naive_timestamp", "timestamp has no zone; store it with one")


def _instants(array: pa.Array | pa.ChunkedArray, kind: pa.TimestampType, unit: str) -> list[Any]:
    import pyarrow as pa

    if kind.tz is None:
        return [NAIVE if known else None for known in array.is_valid().to_pylist()]
    return [None if v is None else in_unit(v * _NS_PER_UNIT[kind.unit], unit) for v in array.cast(pa.int64()).to_pylist()]


def _unit(column: str, reading: Reading) -> str:
    mapped = reading.fields.get(column)
    return (mapped.unit if mapped else None) or "ns"


def in_unit(ns: int, unit: str) -> int | float:
    """Nanoseconds in the unit that the mapping says numbers of this column have."""
    return ns if unit == "ns" else ns / _NS_PER_UNIT[unit]


def inside(values: Sequence[Any], path: Sequence[str]) -> list[Any]:
    """What a path leads to in each of a column's objects; ``None`` where it leads nowhere."""
    for key in path:
        values = [value.get(key) if isinstance(value, dict) else None for value in values]
    return list(values)


def source_of(column: str, reading: Reading, names: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """``(column in the table, path inside it)`` of a canonical column; ``None`` where the table has none."""
    mapped = reading.fields.get(column)
    path = mapped.path if mapped else (column,)
    if ".".join(path) in names:
        return ".".join(path), ()
    return (path[0], path[1:]) if path[0] in names and len(path) > 1 else None


def take_rows(intake: Intake, columns: Mapping[str, Sequence[Any]], rows: int) -> None:
    """Judge ``rows`` records whose values stand side by side in columns."""
    for number, values in enumerate(_rows(columns, rows), 1):
        bad = next((value for value in values.values() if isinstance(value, Bad)), None)
        raw = f"record {number}".encode()
        if bad is not None:
            intake.reject(number, bad.reason, bad.detail, raw)
        else:
            intake.record(values, number, raw)


def _rows(columns: Mapping[str, Sequence[Any]], rows: int) -> Iterator[dict[str, Any]]:
    names = tuple(columns)
    if not names:
        yield from ({} for _ in range(rows))
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))
