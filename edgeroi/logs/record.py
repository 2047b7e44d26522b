"""The one set of rules that turns the values of a record into a request, a reject or a skip.

Whatever the format, a value is checked here: nothing is coerced, nothing is guessed, unknown stays unknown.
``Intake`` collects the records of a chunk; formats that are fast on clean input fall back on it when something is odd.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np

from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.format import RAW_BYTES, Chunk, Fault
from edgeroi.logs.reading import Reading
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, Labels, LineCount

#: Counts stay below it: from here on a double no longer tells one from the next.
MOST_COUNT = 2**53
MOST_USD = 1e6
MOST_SCORE = 1e6
_NS_PER = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_FIRST_NS = 0
#: 2200-01-01: beyond it a timestamp is a mistake.
LAST_NS = 7_258_118_400 * 10**9
#: Identifiers are never looked into, so a number will do.
IDENTIFIERS = ("request_id", "pair_id", "session_id", "user_id")
SUCCESS_WORDS = frozenset(("ok", "success", "succeeded", "successful", "completed", "status_code_ok"))
FAILURE_WORDS = frozenset(
    ("error", "failure", "failed", "fail", "timeout", "timed_out", "cancelled", "canceled", "aborted", "rejected", "status_code_error")
)
_RFC_3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a record is no request, in a reason of the closed list and a few words that name the column."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a well-formed record is not counted."""

    reason: str


@dataclass(slots=True)
class Request:
    """One request in canonical columns; what is unknown is absent."""

    failed: bool = False
    instant: int = NO_INSTANT
    numbers: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def request_of(values: Mapping[str, object], reading: Reading) -> Request | Bad | Skip:
    """Judge a record by its raw values, canonical column -> value as JSON gave it; ``None`` and absent are unknown.

    Mapped durations come in the unit of their mapping, everything else in canonical units.
    """
    lacking = _lacking(values, reading)
    if lacking is not None:
        return lacking
    request = Request()
    for column in reading.columns:
        value = values.get(column)
        bad = None if value is None else _RULES[COLUMNS[column]](request, column, value, reading)
        if bad is not None:
            return bad
    for column in reading.hidden:
        label = values.get(column)
        if isinstance(label, str):
            request.labels[column] = label
    return _settled(request, values, reading)


def _lacking(values: Mapping[str, object], reading: Reading) -> Bad | None:
    for column in reading.needed:
        if column not in values:
            return Bad("missing_field", f"{_source(column, reading)} is missing")
        if values[column] is None:
            return Bad("null_required", f"{_source(column, reading)} is null")
    return None


def _settled(request: Request, values: Mapping[str, object], reading: Reading) -> Request | Bad | Skip:
    """What only all columns together can tell: whether it failed, whether a cache answered, whether latency may be unknown."""
    if request.failed:
        if request.numbers.get("latency_ms") == 0:
            del request.numbers["latency_ms"]
    elif "latency_ms" not in request.numbers and "latency_ms" not in reading.const:
        reason = "null_required" if "latency_ms" in values else "missing_field"
        return Bad(reason, f"{_source('latency_ms', reading)} is unknown and the request did not fail")
    if request.numbers.pop("cache_hit", 0.0):
        return Skip("cache_hit")
    return request


def _source(column: str, reading: Reading) -> str:
    mapped = reading.fields.get(column)
    return mapped.name if mapped else column


def _wrong(column: str, value: object, wanted: str, reading: Reading) -> Bad:
    kind = {bool: "true or false", str: "text", int: "a whole number", float: "a number", dict: "an object", list: "an array"}
    return Bad("wrong_type", f"{_source(column, reading)} is {kind.get(type(value), type(value).__name__)}, expected {wanted}")


def _range(column: str, reading: Reading, wanted: str) -> Bad:
    return Bad("out_of_range", f"{_source(column, reading)} is not {wanted}")


def _duration(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) not in (int, float):
        return _wrong(column, value, "a number", reading)
    if not 0 <= value <= LONGEST_MS / reading.scale(column):  # type: ignore[operator]
        return _range(column, reading, "between 0 and 2**53 ns")
    request.numbers[column] = float(value) * reading.scale(column)  # type: ignore[arg-type]
    return None


def _count(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) is not int and not (type(value) is float and value.is_integer()):
        return _wrong(column, value, "a whole number", reading)
    if not 0 <= value < MOST_COUNT:
        return _range(column, reading, "between 0 and 2**53")
    request.numbers[column] = float(value)
    return None


def _money(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) not in (int, float):
        return _wrong(column, value, "a number", reading)
    if not 0 <= value <= MOST_USD:  # type: ignore[operator]
        return _range(column, reading, "between 0 and 1,000,000 USD")
    request.numbers[column] = float(value)  # type: ignore[arg-type]
    return None


def _ratio(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) not in (int, float):
        return _wrong(column, value, "a number", reading)
    if not -MOST_SCORE <= value <= MOST_SCORE:  # type: ignore[operator]
        return _range(column, reading, "a finite score")
    request.numbers[column] = float(value)  # type: ignore[arg-type]
    return None


def _flag(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) is not bool:
        return _wrong(column, value, "true or false", reading)
    request.numbers[column] = float(value)
    return None


def _label(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) is int and column in IDENTIFIERS:
        value = str(value)
    if type(value) is not str:
        return _wrong(column, value, "text", reading)
    if value:
        request.labels[column] = value
    return None


def _instant(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    mapped = reading.fields.get(column)
    at = instant_of(value, mapped.unit if mapped else None, _source(column, reading))
    if isinstance(at, Bad):
        return at
    request.instant = at
    return None


def _status(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    failed = status_failed(value)
    if failed is None:
        return Bad("bad_status", f"{_source(column, reading)} is neither an HTTP status nor a known word")
    text = str(value)
    request.failed |= failed and text not in reading.not_error
    if column in reading.kept:
        request.labels[column] = text
    return None


def _error(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    if type(value) not in (str, int, float):
        return _wrong(column, value, "null, text or a number", reading)
    text = error_text(value)
    if text is None:
        return _wrong(column, value, "a finite number", reading)
    request.failed |= bool(text) and text not in reading.not_error
    if text and column in reading.kept:
        request.labels[column] = text
    return None


def _mark(request: Request, column: str, value: object, reading: Reading) -> Bad | None:
    """A field that only rules look at: no value of it makes a request a bad one."""
    text = mark_text(value)
    if text:
        request.labels[column] = text
    return None


def mark_text(value: object) -> str | None:
    """A value as rules look at it: text as it is, a number or flag as JSON writes it; ``None`` for what has parts."""
    if isinstance(value, bool):
        return str(value).lower()
    return error_text(value) if isinstance(value, str | int | float) else None


_RULES = {
    "duration": _duration,
    "count": _count,
    "money": _money,
    "ratio": _ratio,
    "flag": _flag,
    "label": _label,
    "instant": _instant,
    "status": _status,
    "error": _error,
    "mark": _mark,
}


def error_text(value: object) -> str | None:
    """An error as it is grouped by and compared with ``--not-error``: -100.0 is ``-100``; ``None`` for what is no error value."""
    if isinstance(value, float):
        return None if not math.isfinite(value) else str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def status_failed(value: object) -> bool | None:
    """Whether a status says failure: HTTP 100 to 399 is success, 400 to 999 and 0 (no answer) failure, words as listed; else ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if re.fullmatch(r"\d{1,3}", value, re.ASCII):
            return status_failed(int(value))
        word = value.lower()
        return False if word in SUCCESS_WORDS else True if word in FAILURE_WORDS else None
    if not isinstance(value, int):
        return None
    return not 100 <= value <= 399 if value == 0 or 100 <= value <= 999 else None


def instant_of(value: object, unit: str | None = None, name: str = "timestamp") -> int | Bad:
    """Nanoseconds since the epoch of RFC 3339 text with a zone, or of an epoch number (unit by its digits unless given)."""
    if type(value) is str:
        return _instant_of_text(value, name)
    if type(value) not in (int, float):
        return Bad("bad_timestamp", f"{name} is neither text nor a number")
    return _instant_of_number(value, unit, name)  # type: ignore[arg-type]


def _instant_of_number(value: float, unit: str | None, name: str) -> int | Bad:
    if not 0 <= value < 1e20:
        return Bad("out_of_range", f"{name} is no instant between 1970 and 2200")
    unit = unit or epoch_unit(value)
    if unit is None:
        return Bad("out_of_range", f"{name} is too small to be an instant since 1970; a relative clock has no date")
    whole = int(value)
    # The fraction on its own: a product of 19 digits would be rounded to 16.
    at = whole * _NS_PER[unit] + round((value - whole) * _NS_PER[unit])
    return at if _FIRST_NS <= at < LAST_NS else Bad("out_of_range", f"{name} is not between 1970 and 2200")


def epoch_unit(value: float) -> str | None:
    """The unit of an epoch number by its size: 9 to 11 digits are seconds, then ms, us and ns by threes; ``None`` below 1e8."""
    return next((unit for least, unit in ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s")) if value >= least), None)


def _instant_of_text(text: str, name: str) -> int | Bad:
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return Bad("bad_timestamp", f"{name} is not RFC 3339")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    start = day_ns(int(year), int(month), int(day))
    if start is None or int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return Bad("bad_timestamp", f"{name} is on no calendar or clock")
    if zone is None:
        return Bad("naive_timestamp", f"{name} has no zone; write Z or an offset")
    offset = zone_minutes(zone)
    if offset is None:
        return Bad("bad_timestamp", f"{name} has a zone that does not exist")
    at = start + ((int(hour) * 60 + int(minute) - offset) * 60 + int(second)) * 10**9 + int((fraction or "0")[:9].ljust(9, "0"))
    return at if _FIRST_NS <= at < LAST_NS else Bad("out_of_range", f"{name} is not between 1970 and 2200")


def zone_minutes(zone: str) -> int | None:
    """Minutes east of UTC; ``None`` for +99:99."""
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1) if hours < 24 and minutes < 60 else None


@lru_cache(maxsize=4096)
def day_ns(year: int, month: int, day: int) -> int | None:
    """Midnight UTC of a day, in nanoseconds since the epoch; ``None`` for a day that is on no calendar."""
    try:
        return (date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()) * 86_400 * 10**9
    except ValueError:
        return None


@dataclass(slots=True)
class Intake:
    """The records of one chunk as they are judged; ``chunk`` closes it."""

    reading: Reading
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    blank: int = 0

    def record(self, values: Mapping[str, object], line: int, raw: bytes) -> None:
        """Judge a record by its canonical values."""
        judged = request_of(values, self.reading)
        if isinstance(judged, Request):
            self.requests.append(judged)
        elif isinstance(judged, Skip):
            self.skip(judged.reason)
        else:
            self.reject(line, judged.reason, judged.detail, raw)

    def reject(self, line: int, reason: str, detail: str, raw: bytes) -> None:
        """A line that cannot be read; ``line`` counts from 1 at the start of the chunk."""
        self.faults.append(Fault(line, reason, detail, raw[:RAW_BYTES]))

    def skip(self, reason: str) -> None:
        """A well-formed line that is not a request to count."""
        self.skipped[reason] += 1

    def chunk(self, read: int, notes: tuple[str, ...] = ()) -> Chunk:
        """The chunk; ``read`` is the number of its lines or records by a count of its own."""
        rejected = Counter(fault.reason for fault in self.faults)
        lines = LineCount(read, self.blank, len(self.requests), dict(sorted(rejected.items())), dict(sorted(self.skipped.items())))
        return Chunk(lines, batch_of(self.requests, self.reading), None, tuple(self.faults), notes)


def batch_of(requests: Sequence[Request], reading: Reading) -> Batch:
    """The requests as columns: the numbers any of them tells, and the labels that are grouped by."""
    n = len(requests)
    columns = sorted({column for request in requests for column in request.numbers})
    numbers = {column: np.fromiter((request.numbers.get(column, np.nan) for request in requests), np.float64, n) for column in columns}
    grouping = (*reading.kept, *reading.hidden)
    labels = {column: Labels.of([request.labels.get(column) for request in requests], n) for column in grouping}
    instants = np.fromiter((request.instant for request in requests), np.int64, n)
    failed = np.fromiter((request.failed for request in requests), np.bool_, n)
    return Batch(n, failed, numbers, {column: label for column, label in labels.items() if label.names}, instants)
