"""Lines of one shape, read by the part in C in one pass; ``logs/regular.py`` reads the same by numpy, in many.

A line either is, byte for byte, the keys of the shape in their order with a value of its column's kind behind each, or it is odd,
and the exact way looks at it. So a broken line spoils no other. What a value may be is said in ``logs/checked.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.logs.checked import Columns, Found, counted, looked_at, take_numbers, take_word
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import IDENTIFIERS
from edgeroi.logs.typed import value_type
from edgeroi.request import COLUMNS, NO_INSTANT

#: More keys than this, and the lines are read otherwise.
_MOST_KEYS = 200
_UNREAD, _TEXT, _STATED, _NUMBER, _WORD, _INSTANT = "utsnwi"
#: What an array of each kind holds before anything is read: unknown.
_UNKNOWN: Mapping[str, tuple[type[np.generic], float | int]] = {
    _NUMBER: (np.float64, np.nan),
    _WORD: (np.int32, 0),
    _INSTANT: (np.int64, NO_INSTANT),
}

Array = NDArray[Any]


def columns_in_one_pass(
    part: Any, text: bytes, lines: int, before: tuple[bytes, ...], places: Mapping[str, int], most_odd: int, reading: Reading
) -> Columns | None:
    """Complete lines as columns, or ``None`` where they are not for this way, or more than ``most_odd`` of them are odd.

    ``before``: what stands before each value of a line; ``places``: which value is a column's, for those of the reading that the
    lines have. Values of other keys are only seen to be JSON.
    """
    kinds = [_UNREAD] * len(before)
    for column, place in places.items():
        kind = _kind(column, reading)
        if kind is None or kinds[place] != _UNREAD:  # two columns of one value are read otherwise
            return None
        kinds[place] = kind
    if len(kinds) > _MOST_KEYS:
        return None
    arrays = tuple(_unknown(kind, lines) for kind in kinds)
    odd = np.zeros(lines, np.bool_)
    words = part.read_lines(text, before, "".join(kinds).encode(), arrays, odd, most_odd)
    if words is None or odd.all():
        return None
    found = Found(odd, np.zeros(lines, np.bool_))
    for column in reading.columns:
        _take(found, column, places.get(column), arrays, words, reading)
    return counted(found, reading)


def _kind(column: str, reading: Reading) -> str | None:
    """What the part in C has to look for; ``None`` where it cannot: a word that is another on every line."""
    what = COLUMNS[column]
    if what == "instant":
        return _INSTANT
    if what not in ("label", "status", "error", "flag", "mark"):
        return _NUMBER
    if not looked_at(column, reading):
        return _TEXT
    if column not in (*IDENTIFIERS, "prompt"):
        return _WORD
    return None if column in reading.kept else _STATED


def _unknown(kind: str, lines: int) -> Array | None:
    if kind not in _UNKNOWN:
        return None
    dtype, unknown = _UNKNOWN[kind]
    return np.full(lines, unknown, dtype)


def _take(found: Found, column: str, place: int | None, arrays: tuple[Array | None, ...], words: list[Any], reading: Reading) -> None:
    told = None if place is None else arrays[place]
    if place is None:
        found.odd |= column in reading.needed
    elif told is None:
        return
    elif words[place] is not None:
        take_words(found, column, words[place], told, reading)
    elif COLUMNS[column] == "instant":
        found.instants = told
        if column in reading.needed:
            found.odd |= told == NO_INSTANT
    else:
        take_numbers(found, told, column, reading)


def take_words(found: Found, column: str, words: Sequence[bytes], codes: NDArray[np.int32], reading: Reading) -> None:
    """One column, given its different values as they are written, and which of them each line has."""
    values = [_value_of(word, column) for word in words]
    if _NOT_JSON in values:
        found.odd |= np.array([value is _NOT_JSON for value in values])[codes]
    take_word(found, column, [None if value is _NOT_JSON else value for value in values], codes, reading)


_NOT_JSON = object()


@lru_cache(maxsize=4096)
def _value_of(word: bytes, column: str) -> Any:
    """What is written, as JSON of the column's type; the same words come again in every piece."""
    import msgspec

    try:
        return msgspec.json.decode(word, type=value_type(column))
    except (msgspec.DecodeError, ValueError):
        return _NOT_JSON
