"""Instants of formats that define their times as UTC and often write no zone; what lies between two of them; numbers written as text."""

from __future__ import annotations

import re

from edgeroi.logs.delimited import number
from edgeroi.logs.record import Bad, instant_of

_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")


def zoned(text: str) -> str:
    """The date with its zone: UTC where it says none, ``+00`` spelled out."""
    found = _ZONE.search(text, 11)
    if found is None:
        return text + "Z"
    zone = found.group()
    return f"{text[: found.start()]}{zone[:3]}:{zone[3:].lstrip(':') or '00'}" if zone[0] in "+-" else text


def utc(value: object, name: str) -> int | Bad | None:
    """Nanoseconds since the epoch of a date, UTC unless it says otherwise, or of an epoch number; ``None`` where nothing is told."""
    if value is None or value == "":
        return None
    return instant_of(zoned(value) if isinstance(value, str) else value, None, name)


def between_ms(start: object, end: object) -> float | None:
    """Milliseconds from one instant in ns to another; ``None`` where one is unknown."""
    return (end - start) / 1e6 if isinstance(start, int) and isinstance(end, int) else None


def plain(value: object) -> object:
    """A number that was written as text as the number it is; anything else, text that is none too, as it stands."""
    return number(value) if isinstance(value, str) else value


def scaled(value: object, by: float) -> object:
    """A number in another unit; what is none stays, to be rejected as that."""
    return value * by if type(value) in (int, float) else value  # type: ignore[operator]


def before_end(ttft_ms: object, latency_ms: object) -> object:
    """A time to first token that lies before the end: one at the end is that of an answer that came in one piece, so unknown."""
    numbers = type(ttft_ms) in (int, float) and type(latency_ms) in (int, float)
    return None if numbers and ttft_ms >= latency_ms else ttft_ms  # type: ignore[operator]


def first(*values: object) -> object:
    """The first that is told."""
    return next((value for value in values if value is not None and value != ""), None)


def added(*values: object) -> object:
    """The sum of the counts that are told, ``None`` where none is; what is no count is given back, to be rejected as that."""
    told = [plain(value) for value in values if value is not None and value != ""]
    odd = next((value for value in told if type(value) is not int and not (type(value) is float and value.is_integer())), None)
    if odd is not None:
        return odd
    return sum(told) if told else None  # type: ignore[arg-type]
