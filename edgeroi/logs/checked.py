"""Typed records of canonical JSON as columns, checked by the rules of ``logs/record.py``, a whole column at a time.

A row that breaks a rule is only marked here; the exact way then says which rule and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import (
    IDENTIFIERS,
    MOST_COUNT,
    MOST_SCORE,
    MOST_USD,
    Bad,
    error_text,
    instant_of,
    mark_text,
    status_failed,
    zone_minutes,
)
from edgeroi.logs.record import day_ns as day_start_ns
from edgeroi.logs.typed import Path, RecordType
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, Labels

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NS_PER_SECOND = 10**9
_FIRST_NS, _LAST_NS = 0, 7_258_118_400 * 10**9


@dataclass(frozen=True)
class Columns:
    """Requests in columns: ``batch`` of those that are to be counted, which ``rows`` are odd, and how many a cache answered."""

    batch: Batch
    odd: NDArray[np.intp]
    cache_hits: int


def columns_of(records: Sequence[Any], kind: RecordType, reading: Reading, paths: dict[str, Path]) -> Columns:
    """The records as columns; ``paths`` says where each of the reading's columns is found."""
    n = len(records)
    found = Found(np.zeros(n, np.bool_), np.zeros(n, np.bool_))
    words = []
    for column, path in paths.items():
        if not kind.told(path):
            found.odd |= column in reading.needed
        elif COLUMNS[column] == "instant":
            _take_instants(found, kind.column(path, records), column, reading)
        elif COLUMNS[column] in _WORDS:
            words.append(column)
        else:
            numbers = kind.numbers(path, records)
            assert numbers is not None
            take_numbers(found, numbers, column, reading)
    _take_words(found, kind, {column: paths[column] for column in words if looked_at(column, reading)}, records, reading)
    return counted(found, reading)


#: Kinds of columns that repeat a few values: each combination of them is judged once.
_WORDS = ("label", "status", "error", "flag", "mark")


def looked_at(column: str, reading: Reading) -> bool:
    """Labels that are neither grouped by nor required are typed by the decoder, and that is all."""
    return COLUMNS[column] != "label" or column in reading.kept or column in reading.needed


@dataclass(slots=True)
class Found:
    """Columns while they are gathered."""

    odd: Bools
    failed: Bools
    numbers: dict[str, Floats] = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)
    instants: Ints | None = None


def _take_instants(found: Found, values: Sequence[Any], column: str, reading: Reading) -> None:
    mapped = reading.fields.get(column)
    found.instants, bad = instants_of(values, mapped.unit if mapped else None)
    found.odd |= bad
    if column in reading.needed:
        found.odd |= found.instants == NO_INSTANT


def take_numbers(found: Found, told: Floats, column: str, reading: Reading) -> None:
    """One column of doubles, NaN where unknown; what is out of range is odd."""
    what, scale = COLUMNS[column], reading.scale(column)
    if not _all_in_range(what, told, scale):
        unknown = np.isnan(told)
        found.odd |= ~(_in_range(what, told, scale) | unknown)
        if column in reading.needed:
            found.odd |= unknown
    found.numbers[column] = told if scale == 1.0 else told * scale


def _all_in_range(what: str, told: Floats, scale: float) -> bool:
    """Whether all are known and in range, by the ends alone: no array is made for a clean column."""
    ends = np.array([told.min(), told.max()])
    return bool(_in_range(what, ends, scale).all()) and (what != "count" or bool((told == np.floor(told)).all()))


def _take_words(found: Found, kind: RecordType, paths: dict[str, Path], records: Sequence[Any], reading: Reading) -> None:
    """Columns of words and flags together: one look-up per record finds its combination of values."""
    # Identifiers differ from record to record, so they would make every combination new.
    apart = [column for column in paths if column in IDENTIFIERS or column == "prompt" or COLUMNS[column] == "mark"]
    for columns in ([column for column in paths if column not in apart], *([column] for column in apart)):
        if not columns:
            continue
        codes = _Codes()
        get = attrgetter(*(kind.places[paths[column]] for column in columns))
        coded = np.fromiter(map(codes.__getitem__, map(get, records)), np.int32, len(records))
        combinations = list(codes) if len(columns) > 1 else [(value,) for value in codes]
        for column, values in zip(columns, zip(*combinations, strict=True), strict=True):
            take_word(found, column, [None if value is kind.unset else value for value in values], coded, reading)


def take_word(found: Found, column: str, values: Sequence[Any], coded: NDArray[np.int32], reading: Reading) -> None:
    """One column, given its value in each combination and the combination of each record."""
    what = COLUMNS[column]
    if column in reading.needed and None in values:
        found.odd |= np.array([value is None for value in values])[coded]
    if what == "flag":
        found.numbers[column] = np.array([np.nan if value is None else float(value) for value in values])[coded]
    elif what not in ("label", "mark"):
        judged = [False if value is None else _failure(what, value, reading) for value in values]
        if None in judged:
            found.odd |= np.array([failed is None for failed in judged])[coded]
        if True in judged:
            found.failed |= np.array([bool(failed) for failed in judged])[coded]
    if column in reading.kept and what != "flag":
        spelled = mark_text if what == "mark" else error_text
        texts = Labels.of([None if value is None else spelled(value) or None for value in values], len(values))
        same = len(texts.names) == len(values)  # each value has its own text, and so the codes stand already
        found.labels[column] = Labels(coded if same else texts.codes[coded], texts.names)


def _failure(what: str, value: Any, reading: Reading) -> bool | None:
    if what == "status":
        failed = status_failed(value)
        return failed and str(value) not in reading.not_error
    text = error_text(value)
    return None if text is None else bool(text) and text not in reading.not_error


class _Codes(dict[Any, int]):
    """A code for each value, in order of first appearance."""

    def __missing__(self, value: Any) -> int:
        self[value] = code = len(self)
        return code


def _in_range(what: str, told: Floats, scale: float) -> Bools:
    if what == "duration":
        return (told >= 0) & (told <= LONGEST_MS / scale)
    if what == "count":
        whole: Bools = told == np.floor(told)
        return (told >= 0) & (told < MOST_COUNT) & whole
    if what == "money":
        return (told >= 0) & (told <= MOST_USD)
    if what == "ratio":
        return (told >= -MOST_SCORE) & (told <= MOST_SCORE)
    return np.ones(told.size, np.bool_)


def counted(found: Found, reading: Reading) -> Columns:
    """What only all columns together can tell: whether latency may be unknown, and whether a cache answered."""
    odd, failed, latency = found.odd, found.failed, found.numbers.get("latency_ms")
    if latency is not None:
        latency[failed & (latency == 0)] = np.nan
    if "latency_ms" not in reading.const:
        odd |= ~failed & (np.isnan(latency) if latency is not None else True)
    hit = found.numbers.pop("cache_hit", np.zeros(odd.size)) == 1
    keep = ~odd & ~hit
    n = int(np.count_nonzero(keep))
    batch = Batch(n, failed, found.numbers, found.labels, found.instants)
    return Columns(batch if n == odd.size else _rows(batch, keep, n), np.flatnonzero(odd), int(np.count_nonzero(hit & ~odd)))


def _rows(batch: Batch, keep: Bools, n: int) -> Batch:
    numbers = {column: values[keep] for column, values in batch.numbers.items()}
    labels = {column: Labels(label.codes[keep], label.names) for column, label in batch.labels.items()}
    return Batch(n, batch.failed[keep], numbers, labels, None if batch.instants is None else batch.instants[keep])


def instants_of(values: Sequence[Any], unit: str | None) -> tuple[Ints, Bools]:
    """``(instants, bad)``: nanoseconds since the epoch, ``NO_INSTANT`` where unknown; bad where a value is no instant."""
    n = len(values)
    same_day = _instants_of_a_day(values)
    if same_day is not None:
        return same_day, np.zeros(n, np.bool_)
    instants, bad = np.full(n, NO_INSTANT), np.zeros(n, np.bool_)
    if set(map(type, values)) == {str}:
        lengths = np.fromiter(map(len, values), np.int64, n)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            texts = values if rows.size == n else [values[row] for row in rows.tolist()]
            instants[rows], bad[rows] = _instants_of_texts(texts, length)
        return instants, bad
    for row, value in enumerate(values):
        at = NO_INSTANT if value is None else instant_of(value, unit)
        if isinstance(at, Bad):
            bad[row] = True
        else:
            instants[row] = at
    return instants, bad


def _instants_of_a_day(values: Sequence[Any]) -> Ints | None:
    """Texts of one shape that differ only in the time of day, as a log written in order has them; ``None`` for anything else.

    All of them are the first one plus what their own digits add; a row that is shifted or of another shape shows in a place
    that must not differ or must be a digit.
    """
    first = values[0] if values else None
    if type(first) is not str or not first.isascii() or isinstance(instant_of(first), Bad):
        return None
    try:
        data = "".join(values).encode()
    except TypeError:
        return None
    if len(data) != len(values) * len(first):
        return None
    rows = np.frombuffer(data, np.uint8).reshape(len(values), len(first))
    return _added_to_first(rows, first)


#: What one step of a digit adds, by its place in the text, and the highest it may be.
_DIGITS: dict[int, tuple[int, int]] = {
    11: (36_000 * _NS_PER_SECOND, 2),
    12: (3_600 * _NS_PER_SECOND, 9),
    14: (600 * _NS_PER_SECOND, 5),
    15: (60 * _NS_PER_SECOND, 9),
    17: (10 * _NS_PER_SECOND, 5),
    18: (_NS_PER_SECOND, 9),
    **{place: (10 ** (28 - place), 9) for place in range(20, 29)},
}


def _added_to_first(rows: NDArray[np.uint8], first: str) -> Ints | None:
    differing = np.flatnonzero((rows != rows[0]).any(axis=0)).tolist()
    return added_to_first(first, differing, lambda place: rows[:, place] - np.uint8(48), len(rows))


def added_to_first(first: str, differing: Sequence[int], digit: Callable[[int], NDArray[Any]], n: int) -> Ints | None:
    """The instants of ``n`` texts that are the first one but at the ``differing`` places, where ``digit`` tells theirs (unsigned).

    ``None`` where they differ in more than the time of day, or in what is no digit.
    """
    fraction_ends = 20 + len(re.match(r"\d*", first[20:])[0]) if first[19] == "." else 19  # type: ignore[index]
    instants = np.full(n, instant_of(first), np.int64)
    for place in differing:
        digits = digit(place)
        most = 9 if 28 < place < fraction_ends else _DIGITS.get(place, (0, 0))[1]
        if place >= max(fraction_ends, 19) or not most or int(digits.max()) > most:
            return None
        if place <= 28:  # digits beyond the nanosecond are dropped
            step = _DIGITS[place][0]
            instants += digits.astype(np.int64) * step - int(digits[0]) * step
    if 11 in differing and int((digit(11).astype(np.int64) * 10 + digit(12)).max()) > 23:
        return None
    if 12 in differing and 11 not in differing and first[11] == "2" and int(digit(12).max()) > 3:
        return None
    return instants if int(instants.min()) >= _FIRST_NS and int(instants.max()) < _LAST_NS else None


_SEPARATORS = ((4, b"-"), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":"))
_SHORTEST = 20


def _instants_of_texts(texts: Sequence[str], length: int) -> tuple[Ints, Bools]:
    """Texts of one length, read by the shape of the first; rows of another shape are bad here, and judged one by one later."""
    data = "".join(texts).encode()
    if length < _SHORTEST or len(data) != len(texts) * length:
        return np.full(len(texts), NO_INSTANT), np.ones(len(texts), np.bool_)
    return instants_of_bytes(np.frombuffer(data, np.uint8).reshape(len(texts), length), texts[0])


def instants_of_bytes(bytes_: NDArray[np.uint8], first: str) -> tuple[Ints, Bools]:
    """The same of texts as bytes (n, length of the first)."""
    zone_at = len(first) - (1 if first[-1] in "Zz" else 6)
    offset = _offset(first[zone_at:]) if zone_at >= 19 else None
    if offset is None or (zone_at != 19 and (first[19] != "." or zone_at == 20)):
        return np.full(len(bytes_), NO_INSTANT), np.ones(len(bytes_), np.bool_)
    return _instants_of_shape(bytes_, zone_at, offset)


def _offset(zone: str) -> int | None:
    """Minutes east of UTC of ``Z`` or ``+01:00``; ``None`` for anything else."""
    return zone_minutes(zone) if re.fullmatch(r"Z|z|[+-]\d\d:\d\d", zone, re.ASCII) else None


def _instants_of_shape(bytes_: NDArray[np.uint8], zone_at: int, offset: int) -> tuple[Ints, Bools]:
    fixed = [4, 7, 10, 13, 16, *([19] if zone_at > 19 else []), *range(zone_at, bytes_.shape[1])]
    good = (bytes_[:, fixed] == bytes_[0, fixed]).all(axis=1)
    for place, allowed in _SEPARATORS:
        good &= bytes_[0, place] in allowed
    digits_at = [place for place in range(zone_at) if place not in fixed]
    digits = (bytes_[:, digits_at] - np.uint8(48)).astype(np.int64)
    good &= (digits <= 9).all(axis=1)
    digits[~good] = 0
    day, seconds, bad = _clock(digits)
    fraction = np.zeros(good.size, np.int64)
    for place in range(14, min(digits.shape[1], 23)):
        fraction = fraction * 10 + digits[:, place]
    fraction *= 10 ** (9 - min(9, digits.shape[1] - 14))
    instants = day + (seconds - offset * 60) * _NS_PER_SECOND + fraction
    good &= ~bad & (instants >= _FIRST_NS) & (instants < _LAST_NS)
    return np.where(good, instants, NO_INSTANT), ~good


def _day_in_range(day: int) -> int | None:
    """Nanoseconds to the start of ``YYYYMMDD``; ``None`` for no day, and for one that no log is of."""
    start = day_start_ns(day // 10_000, day // 100 % 100, day % 100)
    return start if start is not None and _FIRST_NS - 86_400 * _NS_PER_SECOND <= start < _LAST_NS + 86_400 * _NS_PER_SECOND else None


def _clock(digits: Ints) -> tuple[Ints, Ints, Bools]:
    """``(day_ns, seconds, bad)`` of ``YYYYMMDDhhmmss`` digits, shape (n, >= 14)."""
    date = digits[:, :8] @ np.array([10**7, 10**6, 10**5, 10**4, 10**3, 100, 10, 1])
    hour, minute, second = (digits[:, place] * 10 + digits[:, place + 1] for place in (8, 10, 12))
    days, rows = (date[:1], np.zeros(date.size, np.intp)) if (date == date[0]).all() else np.unique(date, return_inverse=True)
    starts = [_day_in_range(day) for day in days.tolist()]
    bad_day = np.array([start is None for start in starts])[rows]
    day_ns = np.array([start or 0 for start in starts])[rows]
    return day_ns, (hour * 60 + minute) * 60 + second, bad_day | (hour > 23) | (minute > 59) | (second > 59)
