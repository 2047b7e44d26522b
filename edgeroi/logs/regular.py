"""Lines that are all of one shape, read a column at a time: no object is made of any of them.

Most logs write the same keys in the same order on every line. Then the places of ``":`` say where every value begins and ends.
A piece is read this way only if it is certain to be what a JSON parser would read:

- no backslash and no control character but the newlines, and the bytes are UTF-8;
- as many ``":`` as lines times keys, each behind its own key, and keys, values and punctuation fill every line from ``{`` to ``}``;
- as many quotes as the keys and the values that begin with one need, so no string has a quote inside it, and nothing else has one.

So no key is there twice, none is missing and none is new. A value that is not plainly of its column's kind marks its row as odd,
and the exact way looks at that line; more than a few odd rows, or anything else, and the whole piece is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeroi import compiled
from edgeroi.logs.checked import (
    Bools,
    Columns,
    Floats,
    Found,
    Ints,
    added_to_first,
    counted,
    instants_of_bytes,
    looked_at,
    take_numbers,
)
from edgeroi.logs.lines import object_of
from edgeroi.logs.one_pass import columns_in_one_pass, take_words
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import IDENTIFIERS, Bad, instant_of
from edgeroi.logs.typed import Path, is_utf8
from edgeroi.request import COLUMNS

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

#: A column of words with more different values than this in one piece is looked up record by record.
_MOST_WORDS = 64
#: A word longer than this is not compared eight bytes at a time.
_LONGEST_WORD = 64
#: One odd row in so many, and it is not the odd row any more.
_ODD_ONE_IN = 64
#: Reading eight bytes at the last byte needs as many behind it.
_PADDING = b"\0" * (_LONGEST_WORD + 16)
#: Digits of a number whose integer and fraction are both exact in a double, each read as eight digits at once.
_MOST_DIGITS, _MOST_AT_ONCE = 15, 8
_QUOTE, _COLON = 34, 58
_CLOSED = np.uint64(int.from_bytes(b"}\n", "little"))


def _each(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


#: By the number of bytes that count, what keeps them.
_KEEP = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
_TENS = np.array([10**n for n in range(_MOST_AT_ONCE + 2)], np.int64)
#: Odd numbers without a pattern, to mix the words of a longer value into one.
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5] * 2, np.uint64)
_NULL = np.uint64(int.from_bytes(b"null", "little"))


@dataclass(frozen=True)
class LineShape:
    """The keys of a line in their order, and the spaces behind its colons and commas."""

    keys: tuple[bytes, ...]
    after_colon: int
    after_comma: int

    @cached_property
    def before(self) -> tuple[bytes, ...]:
        """All that stands before each value of a line."""
        colon, comma = b'":' + b" " * self.after_colon, b"," + b" " * self.after_comma
        return tuple((comma if place else b"{") + b'"' + key + colon for place, key in enumerate(self.keys))

    @classmethod
    def of(cls, line: bytes) -> LineShape | None:
        """The shape of a good line; ``None`` where it is not plain: escapes, odd spacing, objects inside."""
        record = object_of(line)
        if isinstance(record, Bad) or not record or b"\\" in line:
            return None
        keys = tuple(key.encode() for key in record)
        for gaps in ((0, 0), (1, 1), (1, 0), (0, 1)):
            shape = cls(keys, *gaps)
            if _laid_out(shape, line + b"\n", 1) is not None:
                return shape
        return None


@dataclass(frozen=True)
class _Layout:
    """Where the values are: ``begins`` and ``ends`` (keys, lines), in ``bytes_``; ``words[i]`` is the eight bytes from ``i`` on."""

    bytes_: Bytes
    words: Words
    begins: Ints
    ends: Ints
    is_text: Bools

    def token(self, key: int, row: int) -> bytes:
        """One value as it is written."""
        return self.bytes_[self.begins[key, row] : self.ends[key, row]].tobytes()


def regular_columns(text: bytes, lines: int, shape: LineShape, reading: Reading, paths: Mapping[str, Path]) -> Columns | None:
    """Complete lines as columns, or ``None`` where they are not all of this shape; by the part in C where it is there."""
    at: dict[Path, int] = {(key.decode(),): place for place, key in enumerate(shape.keys)}
    if any(len(path) > 1 and path[:1] in at for path in paths.values()):
        return None
    places = {column: at[path] for column, path in paths.items() if path in at}
    if compiled.part is not None:
        return columns_in_one_pass(compiled.part, text, lines, shape.before, places, _most_odd(lines), reading)
    layout = _laid_out(shape, text, lines)
    return None if layout is None else _judged(layout, lines, reading, places)


def _most_odd(lines: int) -> int:
    return (lines + _ODD_ONE_IN) // _ODD_ONE_IN


# ---- where everything is ---------------------------------------------------------------------------------------------------


def _laid_out(shape: LineShape, text: bytes, lines: int) -> _Layout | None:
    if b"\\" in text or not is_utf8(text):
        return None
    padded = text + _PADDING
    bytes_ = np.frombuffer(padded, np.uint8, len(text))
    words: Words = np.ndarray((len(text) + _LONGEST_WORD,), "<u8", padded, strides=(1,))
    is_quote = bytes_ == _QUOTE
    is_pair = bytes_[1:] == _COLON
    is_pair &= is_quote[:-1]
    pairs = np.flatnonzero(is_pair)
    if pairs.size != lines * len(shape.keys) or int(np.count_nonzero(bytes_ < 32)) != lines:
        return None
    found = _filled(shape, words, bytes_, np.ascontiguousarray(pairs.reshape(lines, -1).T))
    return None if found is None else _with_texts(bytes_, words, *found, int(np.count_nonzero(is_quote)))


def _filled(shape: LineShape, words: Words, bytes_: Bytes, pairs: Ints) -> tuple[Ints, Ints] | None:
    """Where values begin and end, if keys, values and punctuation fill every line."""
    colon, comma = b'":' + b" " * shape.after_colon, b"," + b" " * shape.after_comma
    begins, ends = pairs + len(colon), np.empty_like(pairs)
    for place, key in enumerate(shape.keys):
        before = b'{"' if place == 0 else comma + b'"'
        at = pairs[place] - (len(key) + len(before))
        # The quote and the colon behind the key are there: that is how it was found.
        expected = before + key + (colon if shape.after_colon else b"")
        if at.min() < 0 or not _all_begin(words, at, expected):
            return None
        if place:
            ends[place - 1] = at
        elif at[0] != 0:
            return None
        else:
            ends[-1, :-1] = at[1:] - 2
            ends[-1, -1] = bytes_.size - 2
    # Each line is closed and ended before the next begins; other newlines there are none.
    closing = words[ends[-1]] & _KEEP[2]
    return (begins, ends) if bool((closing == _CLOSED).all()) and bool((ends > begins).all()) else None


def _all_begin(words: Words, at: Ints, expected: bytes) -> bool:
    """Whether the same bytes stand at all these places."""
    for offset in range(0, len(expected), 8):
        part = expected[offset : offset + 8]
        found = words[at + offset] if offset else words[at]
        if len(part) < 8:
            found &= _KEEP[len(part)]
        if (found != np.uint64(int.from_bytes(part, "little"))).any():
            return False
    return True


def _with_texts(bytes_: Bytes, words: Words, begins: Ints, ends: Ints, quotes: int) -> _Layout | None:
    """The layout, if every quote of the piece begins or ends a key or a text."""
    is_text: Bools = bytes_[begins] == _QUOTE
    closed = (bytes_[ends - 1] == _QUOTE) & (ends - begins >= 2)
    texts = int(np.count_nonzero(is_text))
    if quotes != 2 * (begins.size + texts) or int(np.count_nonzero(is_text & closed)) != texts:
        return None
    return _Layout(bytes_, words, begins, ends, is_text)


# ---- what it says ----------------------------------------------------------------------------------------------------------


def _judged(layout: _Layout, lines: int, reading: Reading, places: Mapping[str, int]) -> Columns | None:
    found = Found(np.zeros(lines, np.bool_), np.zeros(lines, np.bool_))
    for column in reading.columns:
        if column not in places:
            found.odd |= column in reading.needed
        elif not _take(found, layout, places[column], column, reading):
            return None
    for place in set(range(len(layout.begins))) - set(places.values()):
        found.odd |= ~_plain(layout, place)
    return counted(found, reading) if int(np.count_nonzero(found.odd)) <= _most_odd(lines) else None


def _take(found: Found, layout: _Layout, place: int, column: str, reading: Reading) -> bool:
    """Take one column; false where it is not for this way."""
    what = COLUMNS[column]
    if what == "instant":
        return _take_instants(found, layout, place, column, reading)
    if what in ("label", "status", "error", "flag", "mark"):
        if looked_at(column, reading):
            return column not in (*IDENTIFIERS, "prompt") and _take_words(found, layout, place, column, reading)
        is_null = _tokens_are(layout, place, b"null")
        found.odd |= ~(layout.is_text[place] | is_null)
        return True
    told, bad = _numbers(layout, place)
    if bad is not None:
        found.odd |= bad
        told[bad] = np.nan
    take_numbers(found, told, column, reading)
    return True


def _take_instants(found: Found, layout: _Layout, place: int, column: str, reading: Reading) -> bool:
    """Times of one length; those that differ in the time of day only, as a log written in order has them, are the quick ones."""
    begins, lengths = layout.begins[place] + 1, layout.ends[place] - layout.begins[place] - 2
    first = layout.token(place, 0)[1:-1].decode("ascii", "replace")
    if not layout.is_text[place].all() or not 20 <= len(first) <= _LONGEST_WORD or bool((lengths != len(first)).any()):
        return False
    if isinstance(instant_of(first), Bad):
        return False
    parts = [layout.words[begins + offset] for offset in range(0, len(first), 8)]
    parts[-1] &= _KEEP[(len(first) - 1) % 8 + 1]
    differing = [8 * n + place for n, part in enumerate(parts) for place in _different_bytes(part)]

    def digit(place: int) -> Words:
        byte: Words = parts[place // 8] >> np.uint64(8 * (place % 8)) & np.uint64(255)
        return byte - np.uint64(48)

    found.instants = added_to_first(first, differing, digit, begins.size)
    if found.instants is None:
        rows = np.stack(parts, axis=1).view(np.uint8).reshape(begins.size, -1)
        found.instants, bad = instants_of_bytes(rows[:, : len(first)], first)
        found.odd |= bad
    return True


def _different_bytes(words: Words) -> list[int]:
    """The places of the bytes that are not the same in all words."""
    apart = int(np.bitwise_or.reduce(words ^ words[0]))
    return [place for place in range(8) if apart >> 8 * place & 255]


def _take_words(found: Found, layout: _Layout, place: int, column: str, reading: Reading) -> bool:
    told = _coded(layout, place)
    if told is None:
        return False
    codes, firsts = told
    take_words(found, column, [layout.token(place, row) for row in firsts], codes, reading)
    return True


def _coded(layout: _Layout, place: int) -> tuple[NDArray[np.int32], list[int]] | None:
    """A code for each row by its value, and the first row of each code; ``None`` where values are many or long."""
    parts = _parts(layout, place)
    if parts is None:
        return None
    mixed = parts[0]
    for n, part in enumerate(parts[1:]):
        mixed = mixed ^ part * _MIX[n]
    codes = np.zeros(mixed.size, np.int32)
    left = np.flatnonzero(mixed != mixed[0])
    firsts = [0]
    rest = mixed[left]
    while left.size:
        if len(firsts) == _MOST_WORDS:
            return None
        other = rest != rest[0]
        codes[left] = len(firsts)  # those that are other again are told their own code in a later turn
        firsts.append(int(left[0]))
        left, rest = left[other], rest[other]
    # Two values may mix to one word: then a row is not its code's first, and none of this holds.
    same = all(bool((part == part[firsts][codes]).all()) for part in parts[1:])
    return (codes, firsts) if same else None


def _parts(layout: _Layout, place: int) -> list[Words] | None:
    """The values of a column, eight bytes at a time; no byte of a value is 0, so the zeros behind it tell its length."""
    begins, lengths = layout.begins[place], layout.ends[place] - layout.begins[place]
    longest, shortest = int(lengths.max()), int(lengths.min())
    if longest > _LONGEST_WORD:
        return None
    parts = []
    for offset in range(0, longest, 8):
        part = layout.words[begins + offset]
        if shortest < offset + 8:
            part &= _KEEP[np.clip(lengths - offset, 0, 8)] if shortest != longest else _KEEP[min(longest - offset, 8)]
        parts.append(part)
    return parts


def _tokens_are(layout: _Layout, place: int, word: bytes) -> Bools:
    """Which values of a column are this literal."""
    lengths = layout.ends[place] - layout.begins[place]
    kept = layout.words[layout.begins[place]] & _KEEP[len(word)]
    found: Bools = (lengths == len(word)) & (kept == np.uint64(int.from_bytes(word, "little")))
    return found


def _plain(layout: _Layout, place: int) -> Bools:
    """Which values of a column nobody asked for are JSON: texts, literals, plain numbers."""
    good: Bools = layout.is_text[place].copy()
    if not good.all():
        for word in (b"null", b"true", b"false"):
            good |= _tokens_are(layout, place, word)
    if not good.all():
        _, bad = _numbers(layout, place)
        good |= True if bad is None else ~bad
    return good


# ---- numbers, eight digits at once -----------------------------------------------------------------------------------------


def _numbers(layout: _Layout, place: int) -> tuple[Floats, Bools | None]:
    """The column as doubles, NaN for null; which rows are neither null nor a plain number (``None``: all are).

    A plain number has no sign, no exponent, and at most 15 digits, 8 before and 8 behind the point: as an integer over a power of ten
    both are exact, and one division rounds as a parser does.
    """
    begins, lengths = layout.begins[place], layout.ends[place] - layout.begins[place]
    first = layout.words[begins]
    is_null = (lengths == 4) & ((first & _KEEP[4]) == _NULL)
    short = lengths == 1
    short |= (first & np.uint64(255)) != np.uint64(48)  # what begins with 0 ends there, or has a point next
    if b"." in layout.token(place, 0):
        told, good = _with_points(layout, place, first, short)
    else:
        value, good = _digits(first, lengths)
        told = value.astype(np.float64)
        good &= short
        if not (good | is_null).all():
            told, good = _with_points(layout, place, first, short)
    if is_null.any():
        told[is_null] = np.nan
        good |= is_null
    return told, None if bool(good.all()) else ~good


def _with_points(layout: _Layout, place: int, first: Words, short: Bools) -> tuple[Floats, Bools]:
    """The same where some have a decimal point: those without one have all their digits before it."""
    begins, lengths = layout.begins[place], layout.ends[place] - layout.begins[place]
    point = np.minimum(_point(layout.words, begins, first), lengths)
    fraction = np.clip(lengths - point - 1, 0, _MOST_AT_ONCE + 1)
    before, good = _digits(first, point)
    behind, also = _digits(layout.words[begins + point + 1], fraction)
    is_whole = point == lengths
    good &= also & (point > 0) & (is_whole | (fraction > 0)) & (point + fraction <= _MOST_DIGITS) & (short | (point == 1))
    tens = _TENS[fraction]
    return (before * tens + behind) / tens, good


def _point(words: Words, begins: Ints, first: Words) -> Ints:
    """How many bytes stand before the first point; 9 or more where there is none among nine, which no eight digits are."""
    apart = first ^ _each(46)
    zero_bytes = (apart - _each(1)) & ~apart & _each(128)
    lowest = zero_bytes & (~zero_bytes + np.uint64(1))
    point = (np.bitwise_count(lowest - np.uint64(1)) >> np.uint8(3)).astype(np.int64)
    far = point == 8
    if far.any():
        point[far & ((words[begins + 8] & np.uint64(255)) != np.uint64(46))] = 9
    return point


def _digits(eight: Words, lengths: Ints) -> tuple[Ints, Bools]:
    """The number that the first so many of eight bytes write (none write 0), and which are 0 to 8 digits and nothing else."""
    bits = (np.minimum(lengths, _MOST_AT_ONCE) << 3).view(np.uint64)
    # Shifted to the end of the eight, what comes after the digits falls out; zeros fill up the beginning.
    digits = eight << (np.uint64(64) - bits) | _each(0x30) >> bits
    strange = (digits + _each(0x46)) | (digits - _each(0x30)) | digits
    strange &= _each(128)
    digits &= _each(0x0F)
    value = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    value = (value * np.uint64(10_000) + (value >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return value.view(np.int64), (lengths <= _MOST_AT_ONCE) & (strange == 0)
