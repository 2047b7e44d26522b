"""Lines of text with named fields: a pattern finds them, and what each column is computed from is said beside it.

Only the fields that a reading needs are captured, for all lines of a chunk in one call; columns are then computed side by side.
A line is taken only if the pattern matches all of it, and a chunk at once only if it has as many matches as lines; else each line is
looked at by itself, and one that does not match is rejected as ``ragged``. In a text log ``-`` is what an unknown value is written as.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import did_you_mean
from edgeroi.histogram import LONGEST_MS
from edgeroi.logs.access import UNKNOWN, host_and_target, path_of_target
from edgeroi.logs.checked import instants_of
from edgeroi.logs.columns import LineRows, Row, Values, take_rows, with_batch
from edgeroi.logs.delimited import typed_column
from edgeroi.logs.format import Chunk, Claim, Counted, Format, Head
from edgeroi.logs.lines import bad_bytes
from edgeroi.logs.objects import seen
from edgeroi.logs.pieces import newlines, without_cr
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import LAST_NS, Bad, Intake, day_ns, error_text, instant_of
from edgeroi.request import COLUMNS, NO_INSTANT
from edgeroi.workload import SeenFrom

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = Sequence[str]

#: How fields are written, for patterns: inside quotes, with escapes (what was matched is never given back: only a quote can follow);
#: a time as the Common Log Format has it.
QUOTED: Final = r'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
CLF_TIME: Final = r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_GROUP = re.compile(r"\(\?P<(\w+)>")
#: A time of the Common Log Format has so many characters, its clock's digits at these places; the day may change so often in a piece.
_CLF_LENGTH: Final = 26
_CLF_CLOCK: Final = [12, 13, 15, 16, 18, 19]
_MOST_DAYS: Final = 1000
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}


@dataclass(frozen=True)
class Derived:
    """What a column or field is computed from: the texts of some fields, side by side, in this order."""

    fields: tuple[str, ...]
    values: Callable[..., Values]


@dataclass(frozen=True)
class Grammar:
    """A kind of line. ``pattern``: all of a line, a named group for each field; no part of it may match a newline.

    ``columns``: canonical columns. ``readable``: fields made of others, which a mapping or a rule may name like the fields themselves.
    """

    name: str
    pattern: str
    columns: Mapping[str, Derived]
    readable: Mapping[str, Derived] = field(default_factory=dict)
    seen_from: SeenFrom | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every field that can be named, those of the line first."""
        return tuple(dict.fromkeys((*_GROUP.findall(self.pattern), *self.readable)))

    def matches(self, head: Head) -> int:
        """How many of the first lines are of this kind."""
        whole = compiled(self.pattern, frozenset())
        return sum(whole.fullmatch(line.decode("utf-8", "replace")) is not None for line in head.lines())


@dataclass
class TextLines:
    """Reads the lines of one grammar, in the name of the format that claimed them."""

    name: str
    unit: str
    fields: Mapping[str, str]
    lacks: str
    grammar: Grammar
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()

    @classmethod
    def of(cls, format: Format, grammar: Grammar) -> TextLines:
        """The reader of a format for a grammar of its own."""
        return cls(format.name, format.unit, format.fields, format.lacks, grammar)

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Whether one of the first lines is of this grammar."""
        return Claim(self.grammar.matches(head) > 0, f"lines as {self.grammar.name} has them", self.unit)

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return read_text(chunk, reading, self.grammar)


def unit_of(unit: str, reading: Reading) -> str:
    """Where latency comes from, as the user says or as the format knows."""
    mapped = reading.fields.get("latency_ms")
    return f"{mapped.name}, {mapped.unit}" if mapped else unit


def likeliest(grammars: Sequence[Grammar], head: Head) -> Grammar | None:
    """The kind that most of the first lines are of; ``None`` where none is of any."""
    best = max(grammars, key=lambda grammar: grammar.matches(head))
    return best if best.matches(head) else None


def unmet(grammar: Grammar, reading: Reading) -> str | None:
    """Why the field that latency is mapped from is not there; ``None`` where it is, or where none is mapped."""
    mapped = reading.fields.get("latency_ms")
    if mapped is None or ".".join(mapped.path) in grammar.names:
        return None
    return f"no field {mapped.name}; {did_you_mean(mapped.name, grammar.names)}"


@lru_cache(maxsize=256)
def compiled(pattern: str, wanted: frozenset[str]) -> re.Pattern[str]:
    """The pattern of a whole line, capturing only what is wanted."""
    kept = _GROUP.sub(lambda group: group[0] if group[1] in wanted else "(?:", pattern)
    return re.compile(f"^{kept}$", re.ASCII | re.MULTILINE)


def read_text(chunk: bytes, reading: Reading, grammar: Grammar) -> Chunk:
    """Lines of one kind; a last one without its newline is good, or was cut while it was written."""
    end = chunk.rfind(b"\n") + 1
    text, tail = without_cr(chunk[:end]), chunk[end:]
    intake, plan = Intake(reading), _Plan.of(grammar, reading)
    lines = LineRows(text, newlines(text))
    found = plan.at_once(lines)
    rows: Sequence[Row] = lines
    if found is None or tail:
        found, rows = plan.one_by_one(intake, [*lines] if found is None else [], tail, (found, lines))
    batch = take_rows(intake, plan.columns(found), rows) if found else None
    intake.faults.sort(key=lambda fault: fault.line)
    return seen(with_batch(intake.chunk(lines.n + bool(tail)), batch), reading, grammar.seen_from)


@dataclass(frozen=True)
class _Plan:
    """What a reading needs of a grammar: the fields to capture, in the order they stand in, and what columns are computed from."""

    grammar: Grammar
    reading: Reading
    sources: Mapping[str, Derived]
    captured: tuple[str, ...]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, grammar: Grammar, reading: Reading) -> _Plan:
        """The plan; a mapped column whose field is not there is unknown."""
        groups = _GROUP.findall(grammar.pattern)
        sources = {column: found for column in reading.columns if (found := _source(grammar, column, reading, groups))}
        wanted = frozenset(name for source in sources.values() for name in source.fields)
        return cls(grammar, reading, sources, tuple(name for name in groups if name in wanted), compiled(grammar.pattern, wanted))

    def at_once(self, lines: LineRows) -> list[Any] | None:
        """The captured fields of all lines, or ``None`` where not every one matches."""
        if b"\0" in lines.text:
            return None
        try:
            found = self.pattern.findall(lines.text.decode())
        except UnicodeDecodeError:
            return None
        return found if len(found) == lines.n else None

    def one_by_one(
        self, intake: Intake, lines: Sequence[Row], tail: bytes, before: tuple[list[Any] | None, LineRows]
    ) -> tuple[list[Any], list[Row]]:
        """The same of those lines that match, and of a last one without its newline, with their rows; the others are accounted for."""
        found, rows = (list(before[0]), [*before[1]]) if before[0] is not None else ([], [])
        for row in lines:
            self._take(intake, row, found, rows)
        if tail:
            faults = len(intake.faults)
            self._take(intake, Row(before[1].n + 1, tail), found, rows)
            if len(intake.faults) > faults and intake.faults[-1].reason == "ragged":
                intake.faults.pop()
                intake.reject(before[1].n + 1, "truncated_tail", "the last line has no newline and is cut", tail)
        return found, rows

    def _take(self, intake: Intake, row: Row, found: list[Any], rows: list[Row]) -> None:
        if not row.raw.strip(b" \t\r"):
            intake.blank += 1
            return
        bad = bad_bytes(row.raw)
        match = None if bad else self.pattern.fullmatch(row.raw.removesuffix(b"\r").decode())
        if match:
            fields = match.groups("")
            found.append(fields[0] if len(fields) == 1 else fields)
            rows.append(row)
        else:
            bad = bad or Bad("ragged", f"the line has not the fields of {self.grammar.name}")
            intake.reject(row.line, bad.reason, bad.detail, row.raw)

    def columns(self, found: Sequence[Any]) -> dict[str, Values]:
        """The columns of the lines found."""
        several = len(self.captured) > 1
        by_field = [list(map(itemgetter(place), found)) for place in range(len(self.captured))] if several else [found]
        texts = dict(zip(self.captured, by_field, strict=True))
        columns = {column: source.values(*(texts[name] for name in source.fields)) for column, source in self.sources.items()}
        if self.reading.not_error and "error" in columns and "status" in columns:
            columns["status"] = [
                None if error is not None and error_text(error) in self.reading.not_error else status
                for status, error in zip(columns["status"], columns["error"], strict=True)
            ]
        return columns


def _source(grammar: Grammar, column: str, reading: Reading, groups: Sequence[str]) -> Derived | None:
    """What a column is computed from: the field it is mapped from, else as the grammar says."""
    mapped = reading.fields.get(column)
    if mapped is None:
        return grammar.columns.get(column)
    name = ".".join(mapped.path)
    if name in grammar.readable:
        readable = grammar.readable[name]
        return Derived(readable.fields, _Typed(COLUMNS[column], readable.values))
    return Derived((name,), _Typed(COLUMNS[column], known)) if name in groups else None


@dataclass(frozen=True)
class _Typed:
    """The values of a field as the kind of a column spells them."""

    kind: str
    values: Callable[..., Values]

    def __call__(self, *texts: Texts) -> Values:
        found = self.values(*texts)
        return found if isinstance(found, np.ndarray) else typed_column(self.kind, ["" if value is None else value for value in found])


# ---- what texts say --------------------------------------------------------------------------------------------------------


def known(texts: Texts) -> Values:
    """The texts themselves, ``None`` for a dash."""
    return [None if text in UNKNOWN else text for text in texts]


def ms_of_seconds(texts: Texts) -> Floats:
    """Seconds as ms, NaN for a dash."""
    return numbers(texts) * 1e3


def numbers(texts: Texts) -> Floats:
    """Plain numbers, NaN for a dash."""
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return np.fromiter((np.nan if text in UNKNOWN else float(text) for text in texts), np.float64, len(texts))


@lru_cache(maxsize=1 << 16)
def _clf_ns(text: str) -> int | Bad:
    day = day_ns(int(text[7:11]), _MONTHS.get(text[3:6], 0), int(text[:2]))
    hour, minute, second, zone_hour, zone_minute = (int(text[at : at + 2]) for at in (12, 15, 18, 22, 24))
    if day is None or hour > 23 or minute > 59 or second > 59 or zone_hour > 23 or zone_minute > 59:
        return Bad("bad_timestamp", f"{text!r} is on no calendar or clock")
    offset = (zone_hour * 60 + zone_minute) * (-1 if text[21] == "-" else 1)
    at = day + ((hour * 60 + minute - offset) * 60 + second) * 10**9
    return at if 0 <= at < LAST_NS else Bad("out_of_range", f"{text!r} is not between 1970 and 2200")


def clf_instants(texts: Texts) -> Values:
    """Times as the Common Log Format writes them, ns since the epoch; a list with the reason where one is no time."""
    plain = _plain_clf(texts)
    if plain is not None:
        return plain
    told = list(map(_clf_ns, texts))
    try:
        return np.array(told, np.int64)
    except TypeError:
        return told


def _plain_clf(texts: Texts) -> Ints | None:
    """The same, if all are times of the days and zones of a few: what is the same is read once, and the clock's digits side by side."""
    data = "".join(texts).encode()
    if len(data) != len(texts) * _CLF_LENGTH:
        return None
    bytes_ = np.frombuffer(data, np.uint8).reshape(len(texts), _CLF_LENGTH)
    clock = bytes_[:, _CLF_CLOCK] - np.uint8(48)
    rest = np.delete(bytes_, _CLF_CLOCK, axis=1)
    days = np.flatnonzero(np.r_[True, (rest[1:] != rest[:-1]).any(axis=1)])
    hour, minute, second = (clock[:, at].astype(np.int64) * 10 + clock[:, at + 1] for at in (0, 2, 4))
    if days.size > _MOST_DAYS or int(clock.max()) > 9 or int(hour.max()) > 23 or int(minute.max()) > 59 or int(second.max()) > 59:
        return None
    midnights = [_clf_ns(f"{texts[row][:12]}00:00:00{texts[row][20:]}") for row in days.tolist()]
    if any(isinstance(at, Bad) for at in midnights):
        return None
    told = np.repeat(np.array(midnights, np.int64), np.diff(np.r_[days, len(texts)])) + ((hour * 60 + minute) * 60 + second) * 10**9
    return told if int(told.max()) < LAST_NS else None


def instants(texts: Texts) -> Values:
    """RFC 3339 times as ns since the epoch; a list with the reason where one is no time."""
    found, bad = instants_of(texts, None)
    return [instant_of(text) for text in texts] if bad.any() else found


def begun(ended: Values, latency_ms: Floats) -> Values:
    """When what ended then had begun; where its duration is unknown, the end stands for it."""
    took = np.rint(np.clip(np.nan_to_num(latency_ms), 0, LONGEST_MS) * 1e6).astype(np.int64)  # beyond is rejected for itself
    if isinstance(ended, np.ndarray):
        return np.where(ended == NO_INSTANT, NO_INSTANT, ended - took)
    return [at - ms if isinstance(at, int) else at for at, ms in zip(ended, took.tolist(), strict=True)]


_REQUEST = re.compile(r"(\S+) (\S+)(?: \S+)?")


@lru_cache(maxsize=1 << 14)
def _asked(request: str) -> tuple[str, str, str] | None:
    """``(method, host, target)`` of a request line; the host is empty where the target names none."""
    found = _REQUEST.fullmatch(request)
    if found is None:
        return None
    host, target = host_and_target(found[2])
    return found[1], host, target


def methods(requests: Texts) -> Values:
    """The methods of request lines."""
    return [asked[0] if asked else None for asked in map(_asked, requests)]


def hosts(requests: Texts) -> Values:
    """The hosts that request lines name."""
    return [(asked[1] or None) if asked else None for asked in map(_asked, requests)]


def targets(requests: Texts) -> Values:
    """What request lines ask for, with the query."""
    return [asked[2] if asked else None for asked in map(_asked, requests)]


def paths(requests: Texts) -> Values:
    """What request lines ask for, without the query."""
    return [path_of_target(asked[2]) if asked else None for asked in map(_asked, requests)]


#: What a quoted request line lets one name.
ASKED: Final[Mapping[str, Derived]] = {
    "method": Derived(("request",), methods),
    "uri": Derived(("request",), targets),
    "path": Derived(("request",), paths),
}
