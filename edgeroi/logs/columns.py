"""Typed columns (Arrow, pandas) as the raw values a record is judged by: the types are believed, nothing is coerced.

An instant with a zone is one, one without is rejected; a duration type says its own unit; missing is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.checked import instants_of
from edgeroi.logs.format import Chunk
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import LAST_NS, MOST_COUNT, MOST_SCORE, MOST_USD, Bad, Intake, error_text, mark_text, status_failed
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, Labels, joined

if TYPE_CHECKING:
    import pyarrow as pa

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Coded(Sequence[Any]):
    """The raw values of a column that repeats a few: ``told[codes[i]]``, ``None`` where the code is -1."""

    codes: NDArray[np.int32]
    told: tuple[Any, ...]

    def __len__(self) -> int:
        return self.codes.size

    def __getitem__(self, row: Any) -> Any:
        code = self.codes[row]
        return None if code < 0 else self.told[code]

    @property
    def uses(self) -> tuple[NDArray[np.int32], tuple[Any, ...]]:
        """The codes, and what each stands for: unknown, whose code is -1, comes last."""
        return self.codes, (*self.told, None)

    def only(self, rows: NDArray[np.intp]) -> Coded:
        """Some rows of it; what none of them says is no longer among what is told."""
        codes = self.codes[rows]
        used = set(codes.tolist())
        return Coded(codes, tuple(value if code in used else None for code, value in enumerate(self.told)))


#: The raw values of a column; an array holds doubles (NaN: unknown) or instants in ns (``NO_INSTANT``: unknown).
Values = Sequence[Any] | NDArray[Any]
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


@dataclass(frozen=True, slots=True)
class Row:
    """Where a record stands, and what of it is shown when it is rejected."""

    line: int
    raw: bytes


class LineRows(Sequence[Row]):
    """Complete lines as rows, numbered from ``first``, cut only where one is asked for."""

    def __init__(self, text: bytes, n: int, first: int = 1) -> None:
        self.text, self.n, self.first = text, n, first
        self._cut: list[bytes] | None = None

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: Any) -> Any:
        if not 0 <= row < self.n:
            raise IndexError(row)
        if self._cut is None:
            self._cut = self.text.split(b"\n")
        return Row(self.first + row, self._cut[row])


def take_rows(intake: Intake, columns: Mapping[str, Values], rows: Sequence[Row]) -> Batch | None:
    """Judge records whose raw values stand side by side: those in order a column at a time, the others one by one.

    The requests of the former are returned; those of the latter are in ``intake``, with every reject and skip.
    """
    quick = _in_order(columns, len(rows), intake.reading)
    if not quick.size:
        _take_each(intake, columns, rows, range(len(rows)))
        return None
    whole = quick.size == len(rows)
    part = columns if whole else {column: _at(values, quick) for column, values in columns.items()}
    judged = _Judged.of(part, quick.size, intake.reading)
    hits = int(np.count_nonzero(judged.hit & ~judged.odd))
    if hits:
        intake.skipped["cache_hit"] += hits
    left = np.ones(len(rows), np.bool_)
    left[quick] = judged.odd
    _take_each(intake, columns, rows, np.flatnonzero(left).tolist())
    return judged.batch()


def _at(values: Values, rows: NDArray[np.intp]) -> Values:
    if isinstance(values, Coded):
        return values.only(rows)
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]


def _raw(value: Any) -> Any:
    """A value as JSON would give it, also where it stands in an array."""
    if not isinstance(value, np.generic):
        return value
    plain = value.item()
    return None if plain != plain or plain == NO_INSTANT else plain


def with_batch(chunk: Chunk, batch: Batch | None) -> Chunk:
    """The chunk with the requests of a batch too."""
    if batch is None or not batch.n:
        return chunk
    batches = [one for one in (batch, chunk.batch) if one is not None and one.n]
    return replace(chunk, lines=replace(chunk.lines, profiled=chunk.lines.profiled + batch.n), batch=joined(batches))


@dataclass(slots=True)
class _Judged:
    """Columns by the rules of ``record``: what breaks one is only marked ``odd`` here, and told why one by one."""

    odd: Bools
    failed: Bools
    hit: Bools
    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)
    instants: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, columns: Mapping[str, Values], rows: int, reading: Reading) -> _Judged:
        """Judge all columns that the reading looks at."""
        judged = cls(np.zeros(rows, np.bool_), np.zeros(rows, np.bool_), np.zeros(rows, np.bool_))
        for column in reading.columns:
            if column not in columns:
                judged.odd |= column in reading.needed
                continue
            values = columns[column]
            if column in reading.needed:
                judged.odd |= np.fromiter((_raw(value) is None for value in values), np.bool_, rows)
            judged._take(column, values, reading)
        judged._settle(reading)
        return judged

    def _take(self, column: str, values: Values, reading: Reading) -> None:
        kind = COLUMNS[column]
        if kind == "instant" and isinstance(values, np.ndarray):
            self.instants = values
            self.odd |= (values != NO_INSTANT) & ((values < 0) | (values >= LAST_NS))
        elif kind == "instant":
            self.instants, bad = instants_of(list(values), reading.fields[column].unit if column in reading.fields else None)
            self.odd |= bad
        elif kind == "label":
            if column in reading.kept:
                self.labels[column] = _labelled(values, lambda value: value or None)
        elif kind == "mark":
            self.labels[column] = _labelled(values, lambda value: mark_text(value) or None)
        elif kind in ("status", "error"):
            self._take_outcome(column, values, reading)
        elif isinstance(values, Coded):
            codes, told = values.uses
            self._take_numbers(column, np.array(told, np.float64)[codes], reading)
        else:
            self._take_numbers(column, np.array(values, np.float64), reading)

    def _take_outcome(self, column: str, values: Values, reading: Reading) -> None:
        if isinstance(values, Coded):
            codes, told = values.uses
        else:
            told = tuple(dict.fromkeys(values))
            places = {value: place for place, value in enumerate(told)}
            codes = np.fromiter(map(places.__getitem__, values), np.int32, len(values))
        outcomes = [_outcome(COLUMNS[column], value, reading) for value in told]
        self.odd |= np.array([failed is None for failed, _ in outcomes], np.bool_)[codes]
        self.failed |= np.array([bool(failed) for failed, _ in outcomes], np.bool_)[codes]
        if column in reading.kept:
            names = Labels.of((text or None for _, text in outcomes), len(outcomes))
            self.labels[column] = Labels(names.codes[codes], names.names)

    def _take_numbers(self, column: str, told: NDArray[np.float64], reading: Reading) -> None:
        low, high = _RANGES.get(COLUMNS[column], (0.0, 1.0))
        scale = reading.scale(column)
        good = (told >= low) & (told <= high / scale)
        if COLUMNS[column] == "count":
            good &= told == np.floor(told)
        self.odd |= ~(good | np.isnan(told))
        self.numbers[column] = told if scale == 1.0 else told * scale

    def _settle(self, reading: Reading) -> None:
        """What only all columns together can tell."""
        latency = self.numbers.get("latency_ms")
        if latency is not None:
            latency[self.failed & (latency == 0)] = np.nan
        if "latency_ms" not in reading.const:
            self.odd |= ~self.failed & (np.isnan(latency) if latency is not None else True)
        if "cache_hit" in self.numbers:
            self.hit = self.numbers.pop("cache_hit") == 1

    def batch(self) -> Batch:
        """The requests to count."""
        keep = np.flatnonzero(~self.odd & ~self.hit)
        numbers = {column: values[keep] for column, values in self.numbers.items()}
        labels = {column: Labels(label.codes[keep], label.names) for column, label in self.labels.items()}
        return Batch(keep.size, self.failed[keep], numbers, labels, None if self.instants is None else self.instants[keep])


def _labelled(values: Values, said: Callable[[Any], str | None]) -> Labels:
    if not isinstance(values, Coded):
        return Labels.of(map(said, values), len(values))
    codes, told = values.uses
    names = Labels.of(map(said, told), len(told))
    return Labels(names.codes[codes], names.names)


#: The least and the most a kind's values may be.
_RANGES: Mapping[str, tuple[float, float]] = {
    "duration": (0.0, LONGEST_MS),
    "count": (0.0, float(MOST_COUNT - 1)),
    "money": (0.0, MOST_USD),
    "ratio": (-MOST_SCORE, MOST_SCORE),
}


def _outcome(kind: str, value: Any, reading: Reading) -> tuple[bool | None, str | None]:
    """``(failed, text)`` of a status or an error; failed is ``None`` for what is none."""
    if value is None:
        return False, None
    text = str(value) if kind == "status" else error_text(value)
    failed = status_failed(value) if kind == "status" else None if text is None else bool(text)
    return (failed and text not in reading.not_error), text


#: The types of a kind's values that are checked a column at a time; of other kinds, numbers.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "label": (str, NoneType),
    "flag": (bool, NoneType),
    "instant": (str, int, float, NoneType),
    "status": (str, int, NoneType),
    "error": (str, int, float, NoneType),
    "mark": (str, int, float, bool, NoneType),
}
_NUMBERS = (int, float, NoneType)
#: Whole numbers beyond are judged one by one.
_MOST = 2**62


def _in_order(columns: Mapping[str, Values], rows: int, reading: Reading) -> NDArray[np.intp]:
    """The rows whose values all have a type that their column's kind may have, and whose numbers are numbers."""
    good = np.full(rows, not any(COLUMNS[column] in ("flag", "count") for column in reading.kept))
    for column, values in columns.items():
        if isinstance(values, Coded):
            codes, told = values.uses
            if not (each := _plain(column, told)).all():
                good &= each[codes]
        elif not isinstance(values, np.ndarray):  # numbers of its kind, NaN or NO_INSTANT where unknown; out of range is found later
            good &= _plain(column, values)
    return np.flatnonzero(good)


def _plain(column: str, values: Sequence[Any]) -> Bools:
    """Which values of a column have a type that its kind may have, and are numbers where they should be."""
    good = np.ones(len(values), np.bool_)
    types = _TYPES.get(COLUMNS[column], _NUMBERS)
    if not set(map(type, values)) <= set(types):
        good &= np.fromiter((type(value) in types for value in values), np.bool_, len(values))
    if types is _NUMBERS and not _are_numbers(values):
        near = (value is None or (type(value) in types and -_MOST < value < _MOST) for value in values)
        good &= np.fromiter(near, np.bool_, len(values))
    return good


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers a double can hold or unknown: what is not a number (NaN) is not unknown."""
    try:
        told = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return int(np.count_nonzero(np.isnan(told))) == values.count(None)


def _take_each(intake: Intake, columns: Mapping[str, Values], rows: Sequence[Row], which: Iterable[int]) -> None:
    for row in which:
        values = {column: _raw(told[row]) for column, told in columns.items()}
        bad = next((value for value in values.values() if isinstance(value, Bad)), None)
        if bad is not None:
            intake.reject(rows[row].line, bad.reason, bad.detail, rows[row].raw)
        else:
            intake.record(values, rows[row].line, rows[row].raw)


def numbered(rows: int) -> tuple[Row, ...]:
    """Records that have no text of their own, numbered from 1."""
    return tuple(Row(number, f"record {number}".encode()) for number in range(1, rows + 1))
