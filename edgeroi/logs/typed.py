"""Many lines of JSON at once, decoded into typed records, if it is certain that each line is one object with no key twice.

The type is learned from the lines themselves: every key of theirs is a field, typed where its column is wanted and of any type where
not, so a key nobody has seen, or one that is missing, is noticed, and so is a number that no double holds.
Then no key was lost in reading exactly when the text has as many
``":`` as the records have keys and no white space before a colon; what stands in a string can only make it look worse.
Lines are objects one by one when there are as many records as newlines and ``}`` newline ``{`` joins every pair.
Whatever does not pass is for the exact way, a few lines at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter, is_
from typing import Any

import numpy as np

from edgeroi.logs.lines import object_of
from edgeroi.logs.pieces import newlines
from edgeroi.logs.record import IDENTIFIERS, Bad
from edgeroi.request import COLUMNS

Path = tuple[str, ...]
#: A log with more different keys than this is decoded line by line.
_MOST_KEYS = 200
#: A record with objects in objects deeper than this is read the exact way.
_DEEPEST = 50
_COLON, _QUOTE = b':"'
#: Whether a key can name a field: what JSON would write with an escape cannot.
_NAMEABLE = re.compile(r'[^\x00-\x1f"\\]*').fullmatch
#: What a number that no double holds has: an exponent of three digits, or some two hundred digits before one of two. It is looked for
#: in lists that are left raw; text that looks like one costs time and no more.
_HUGE = re.compile(rb"[eE]\+?\d{3}|\d{200}")
#: Which bytes are white space to JSON.
_WHITE = np.isin(np.arange(256), list(b" \t\r\n"))


@dataclass(frozen=True)
class RecordType:
    """What the records of a log look like: a decoder, and where each wanted path is in a record.

    ``always``: keys that every record has, inner ones included. ``optional``: attributes that may be unset.
    ``raw``: attributes that nobody parsed. ``loose``: attributes that may hold objects of any keys, which are counted when written again.
    """

    decoder: Any
    places: Mapping[Path, str]
    always: int
    optional: tuple[str, ...]
    unset: Any
    raw: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    def decode(self, text: bytes, lines: int) -> list[Any] | None:
        """The records of ``lines`` complete lines, or ``None`` where anything at all is out of the ordinary."""
        import msgspec

        if not _one_object_a_line(text, lines) or not is_utf8(text):
            return None
        try:
            records: list[Any] = self.decoder.decode_lines(text)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        if len(records) != lines or self._may_hold_huge(records) or (self.loose and b"\\u0022" in text):
            return None
        return records if self._no_key_lost(text, records) else None

    def _may_hold_huge(self, records: Sequence[Any]) -> bool:
        values = (value for name in self.raw for value in map(attrgetter(name), records) if value is not self.unset)
        return any(map(_HUGE.search, values))

    def _no_key_lost(self, text: bytes, records: Sequence[Any]) -> bool:
        keys = self._keys(records)
        if keys is None:
            return False
        if pairs(text, b'":') == keys and not pairs(text, b" :") and b"\t" not in text and b"\r" not in text:
            return True
        if self.loose:  # what is written again has such text in it too
            return False
        # Text inside strings may look like keys; without its escapes, every quote that is left begins or ends a string.
        if self.loose:  # what is written again holds them too
            return False
        bare = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
        return bare.count(b'":') == keys and not space_before_colon(bare)

    def _keys(self, records: Sequence[Any]) -> int | None:
        """How many keys the records have; ``None`` where what they hold cannot be written again."""
        import msgspec

        unset = sum(sum(map(is_, map(attrgetter(name), records), repeat(self.unset))) for name in self.optional)
        keys = len(records) * (self.always + len(self.optional)) - unset
        for name in self.loose:
            held = [None if value is self.unset else value for value in map(attrgetter(name), records)]
            try:
                keys += pairs(msgspec.json.encode(held), b'":')
            except (ValueError, OverflowError, RecursionError):
                return None
        return keys

    def has(self, path: Path, records: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which records have the key at a path, whatever it says."""
        if path not in self.places:
            return np.zeros(len(records), np.bool_)
        return np.fromiter((value is not self.unset for value in self.values(path, records)), np.bool_, len(records))

    def told(self, path: Path) -> bool:
        """Whether any record was ever seen to have it."""
        return path in self.places

    def values(self, path: Path, records: Sequence[Any]) -> Iterator[Any]:
        """What the records say at a path that is told; ``unset`` where a key is not there."""
        return map(attrgetter(self.places[path]), records)

    def column(self, path: Path, records: Sequence[Any]) -> list[Any]:
        """The same as a list, unset as ``None``."""
        values = list(self.values(path, records))
        return [None if value is self.unset else value for value in values] if self.places[path] in self.optional else values

    def numbers(self, path: Path, records: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """The same as doubles, NaN where unknown; ``None`` where no record was ever seen to have it."""
        if path not in self.places:
            return None
        values = self.values(path, records)
        if self.places[path] in self.optional:
            values = (None if value is self.unset else value for value in values)
        return np.fromiter(values, np.float64, len(records))


#: Lines decoded together where one did not pass.
_FEW = 64


def objects_of(lines: Sequence[bytes]) -> list[dict[str, Any] | Bad]:
    """What ``object_of`` says of each line, several times faster where most of them hold an object."""
    if len(lines) > _FEW:
        whole = _objects(lines)
        if whole is not None:
            return whole
        return [record for at in range(0, len(lines), _FEW) for record in objects_of(lines[at : at + _FEW])]
    few = _objects(lines)
    return few if few is not None else [object_of(line) for line in lines]


def _objects(lines: Sequence[bytes]) -> list[dict[str, Any] | Bad] | None:
    """The objects of lines that hold one each, with no key twice: there are as many ``":`` as when they are written again."""
    import msgspec

    text = b"\n".join(lines) + b"\n"
    if b"\\u0022" in text or not lines or not _one_object_a_line(text, len(lines)) or not is_utf8(text) or b"\0" in text:
        return None
    try:
        records: list[dict[str, Any] | Bad] = msgspec.json.Decoder().decode_lines(text)
        written = msgspec.json.Encoder().encode_lines(records)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        return None
    is_sure = pairs(text, b'":') == pairs(written, b'":') and not space_before_colon(text)
    return records if len(records) == len(lines) and is_sure else None


def _one_object_a_line(text: bytes, lines: int) -> bool:
    return (
        text[:1] == b"{"
        and text[-2:] == b"}\n"
        and pairs(text, b"}\n") == lines
        and pairs(text, b"\n{") == lines - 1
        and newlines(text) == lines
    )


def space_before_colon(text: bytes) -> bool:
    """Whether a quote, white space and a colon follow each other anywhere."""
    bytes_ = np.frombuffer(text, np.uint8)
    places = np.flatnonzero(bytes_ == _COLON) - 1
    places = places[_WHITE[bytes_[places]]]
    while places.size:
        places = places - 1
        if (bytes_[places] == _QUOTE).any():
            return True
        places = places[_WHITE[bytes_[places]]]
    return False


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def pairs(text: bytes, pair: bytes) -> int:
    """How often two bytes stand side by side: compared two at a time, ten times faster than ``count``."""
    wanted = np.uint16(int.from_bytes(pair, "little"))
    even, odd = np.frombuffer(text, "<u2", len(text) // 2), np.frombuffer(text, "<u2", (len(text) - 1) // 2, 1)
    return int(np.count_nonzero(even == wanted)) + int(np.count_nonzero(odd == wanted))


def value_type(column: str) -> Any:
    """The type of a column's values as JSON may write them; numbers of any kind are doubles, checked later."""
    if column in IDENTIFIERS:
        return str | int | None
    kinds: Mapping[str, Any] = {
        "label": str | None,
        "flag": bool | None,
        "instant": str | int | float | None,
        "status": str | int | None,
        "error": str | int | float | None,
        "mark": str | bool | int | float | None,
    }
    return kinds.get(COLUMNS[column], float | None)


def is_deep(value: Mapping[str, Any]) -> bool:
    """Whether objects lie in objects more than 50 levels down: nothing to learn from, and too deep to follow by recursion."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in one.values() if isinstance(part, dict)]
        if not level:
            return False
    return True


def shape_of(value: Any) -> object:
    """The keys of an object and of the objects inside it; two records of one shape have one type."""
    return frozenset((key, shape_of(part) if isinstance(part, dict) else None) for key, part in value.items())


@dataclass(slots=True)
class Seen:
    """The keys seen at one place of many records: how often, what is inside those that hold objects, which hold lists."""

    n: int = 0
    keys: dict[str, int] = field(default_factory=dict)
    inside: dict[str, Seen] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)

    @property
    def is_alike(self) -> bool:
        """Whether all objects seen had the same keys, inner ones included."""
        inner = all(key not in self.plain and seen.is_alike for key, seen in self.inside.items())
        return inner and all(count == self.n for count in self.keys.values())

    def see(self, value: Mapping[str, Any]) -> None:
        """Note one more object."""
        self.n += 1
        for key, part in value.items():
            self.keys[key] = self.keys.get(key, 0) + 1
            if isinstance(part, dict):
                self.inside.setdefault(key, Seen()).see(part)
            else:
                self.plain.add(key)
                if isinstance(part, list):
                    self.lists.add(key)


def learn(seen: Seen, wanted: Mapping[Path, Any]) -> RecordType | None:
    """The type of the records seen, for the wanted paths; ``None`` where there is none that would do.

    Objects inside objects are followed where every record has them and they always have the same keys; others are read and not typed.
    """
    import msgspec

    if not seen.n or len(seen.keys) > _MOST_KEYS:
        return None
    made = _Made(wanted, msgspec)
    kind = made.struct(seen, (), "")
    if kind is None:
        return None
    told = (made.places, made.always, tuple(made.optional), msgspec.UNSET, tuple(made.raw), tuple(made.loose))
    return RecordType(msgspec.json.Decoder(kind), *told)


@dataclass(slots=True)
class _Made:
    """A type under construction."""

    wanted: Mapping[Path, Any]
    msgspec: Any
    places: dict[Path, str] = field(default_factory=dict)
    always: int = 0
    optional: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)

    def struct(self, seen: Seen, path: Path, prefix: str) -> Any:
        """The struct of the objects at a path; ``None`` where they differ too much."""
        fields: list[Any] = []
        renamed: dict[str, str] = {}
        for place, (key, count) in enumerate(seen.keys.items()):
            name = f"k{place}"
            kind = self._kind(seen, key, (*path, key), f"{prefix}{name}") if _NAMEABLE(key) else None
            if kind is None or (path and count < seen.n):
                return None
            renamed[name] = key
            if count == seen.n:
                self.always += 1
                fields.append((name, kind))
            else:
                self.optional.append(f"{prefix}{name}")
                fields.append((name, kind | self.msgspec.UnsetType, self.msgspec.UNSET))
        fields.sort(key=len)
        return self.msgspec.defstruct("Record", fields, rename=renamed, gc=False, forbid_unknown_fields=True)

    def _kind(self, seen: Seen, key: str, path: Path, place: str) -> Any:
        inner_wanted = any(other[: len(path)] == path and len(other) > len(path) for other in self.wanted)
        if path in self.wanted:
            if inner_wanted or (key in seen.inside and self.wanted[path] is not Any):
                return None
            self.places[path] = place
            return self._any(place) if self.wanted[path] is Any and (key in seen.inside or key in seen.lists) else self.wanted[path]
        if key in seen.inside:
            always = key not in seen.plain and seen.inside[key].n == seen.n
            if len(path) == 1 and not inner_wanted and not (always and seen.inside[key].is_alike):
                return self._any(place)
            return self.struct(seen.inside[key], path, place + ".") if always else None
        if key not in seen.lists:
            return Any  # as quick as leaving it raw, and a number is read
        self.raw.append(place)
        return self.msgspec.Raw

    def _any(self, place: str) -> Any:
        self.loose.append(place)
        return Any


#: How much of a file its records' type is learned from first, how often it may be learned anew, and from how many different shapes.
_FIRST_LOOK, _MOST_LEARNED, _MOST_SHAPES = 1 << 16, 40, 24


class Learner:
    """The type of a log's records as far as it was seen. It decides how fast lines are read, never what they say."""

    def __init__(self, wanted: Mapping[Path, Any] | None) -> None:
        self.wanted, self.strangers, self.times = wanted, False, 0
        self.shapes: dict[object, list[Any]] = {}
        self.kind: RecordType | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything can be learned yet."""
        return self.times < _MOST_LEARNED and len(self.shapes) < _MOST_SHAPES

    def decode(self, text: bytes, lines: int) -> list[Any] | None:
        """All records, or ``None``; learns from the first lines it is shown, and anew after strangers were met."""
        if not self.shapes:
            for record in map(object_of, text[:_FIRST_LOOK].split(b"\n")):
                if not isinstance(record, Bad):
                    self.meet(record)
        if self.strangers and self.times < _MOST_LEARNED:
            self.times, self.strangers = self.times + 1, False
            self.kind = self._learn() if self.wanted is not None else None
        return self.kind.decode(text, lines) if self.kind else None

    def meet(self, record: Mapping[str, Any]) -> None:
        """Look at a record that was read the exact way: its keys may be new."""
        if is_deep(record):
            return
        shape = shape_of(record)
        if shape in self.shapes:
            self.shapes[shape][0] += 1
        elif len(self.shapes) < _MOST_SHAPES:
            self.shapes[shape] = [1, record]
            self.strangers = True

    def _learn(self) -> RecordType | None:
        """One type for the commonest shapes, and for as many of the others as fit in with them."""
        kept: list[Mapping[str, Any]] = []
        kind: RecordType | None = None
        for _, record in sorted(self.shapes.values(), key=lambda told: -told[0]):
            seen = Seen()
            for one in (*kept, record):
                seen.see(one)
            wider = learn(seen, self.wanted or {})
            if wider is not None:
                kind = wider
                kept.append(record)
        return kind
