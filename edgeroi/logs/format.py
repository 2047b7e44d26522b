"""What a log format is, and which one a file is in.

A format module holds one object ``FORMAT`` with either ``read_lines`` (``LineFormat``: the engine cuts the file at newlines and
spreads the pieces over processes) or ``read_stream`` (``StreamFormat``: the file is read front to back by one process).
Both give ``Chunk``s: requests in canonical columns, and the account of every line they came from.
Heavy packages are imported inside the functions that need them.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from edgeroi.aggregate import Aggregate
from edgeroi.errors import EdgeroiError, Place, did_you_mean, near_miss
from edgeroi.logs.reading import Reading
from edgeroi.request import Batch, LineCount
from edgeroi.workload import FileAccount, Partial, SeenFrom

Counted = Literal["lines", "records", "spans"]

#: How much of a file, decompressed, is shown to the formats.
HEAD_BYTES = 1 << 18
#: How much of a rejected line is kept.
RAW_BYTES = 256
#: The formats in which a log may have columns of its own: what they miss is always worth telling.
_ONES_OWN = ("csv", "json-array", "jsonl")
#: How many of the others are told to have been near, what it counts to say of a file what is not said of any (in shares of the names
#: looked for), and what a name of a field looks like: no word of a sentence.
_NEAREST, _SAYS_MORE = 3, 0.25
_NAMES = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z0-9]+)+|[a-z]+[A-Z][A-Za-z]*|[A-Z][a-z]+(?:[A-Z][a-z]+)+")
#: How many of the numbers in a file that is no log are offered as its latency.
_SHOWN_NUMBERS = 8


class NoLog(EdgeroiError):
    """The file is in no format that is read here."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file, decompressed; ``whole`` when there is no more. ``name``: the file's name without .gz or .zst."""

    data: bytes
    name: str
    whole: bool

    def lines(self, most: int = 50) -> tuple[bytes, ...]:
        """The first lines that are complete and not blank."""
        lines = self.data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        complete = lines if self.whole else lines[:-1]
        return tuple(line.strip() for line in complete if line.strip())[:most]


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a format takes a file for its own, and why: what it recognised, or what it missed.

    ``unit`` is said where the file decides it ("latency_ms, ms"); else the format's own holds.
    ``refused``: it is the format's, but no use, as ``why`` says; this is what to do about it.
    ``reader``: what reads this file, where the format has several ways.
    """

    claimed: bool
    why: str
    unit: str | None = None
    format: str | None = None
    refused: str | None = None
    reader: LineFormat | StreamFormat | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be read as a request. ``line`` counts from 1 at the start of the chunk; ``raw`` at most 256 bytes."""

    line: int
    reason: str
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a piece of log says. ``lines.read`` is counted independently of the parser.

    ``batch``: the requests to count, cache hits already left out. ``partial``: for a saved profile, instead.
    ``faults``: one for each of ``lines.rejected``; a saved profile has none.
    ``aggregates``: what a tool states of requests it does not list; each counts as one profiled record.
    ``seen_from``, ``sampling``, ``damage``, ``saved_from``: what a saved profile says of the logs it was made from.
    ``added_ms``: what a probe says it adds to a request itself, p50.
    """

    lines: LineCount
    batch: Batch | None = None
    partial: Partial | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    seen_from: SeenFrom | None = None
    sampling: float | None = None
    damage: str | None = None
    saved_from: tuple[FileAccount, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    added_ms: float | None = None


class Format(Protocol):
    """What every format says of itself.

    ``unit``: where latency comes from and in what ("endTime - startTime, s"). ``fields``: each canonical column it fills, and from what.
    ``hidden``: label columns of its batches that are grouped by besides the reading's and settled after the merge.
    ``lacks``: one sentence on what such a log cannot tell, or tells otherwise than its names say.
    """

    name: str
    unit: str
    fields: Mapping[str, str]
    lacks: str
    counted: Counted
    hidden: tuple[str, ...]

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Whether the file is in this format; must be able to say no. Never raises."""
        ...


@runtime_checkable
class LineFormat(Format, Protocol):
    """A format of independent lines."""

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        ...


@runtime_checkable
class StreamFormat(Format, Protocol):
    """A format that is read front to back."""

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all of it, a few MB a chunk; lines count from 1 in each chunk. ``stream.seekable()`` is False for gz, zst and stdin."""
        ...


@runtime_checkable
class Settled(Format, Protocol):
    """A format with hidden columns: several of its records may tell of one request."""

    def settle(self, partial: Partial) -> Partial:
        """What remains when requests that several records tell of are counted once.

        ``partial.by`` is the reading's columns, then ``hidden``, then ``file``; so is the result's. Requests that vanish are
        moved from profiled to skipped (other_record) in the account of their file.
        """
        ...


@runtime_checkable
class LooksOver(Format, Protocol):
    """A format of which a line can only be read when something is known of all the others."""

    def looked_over(self, stream: BinaryIO) -> LineFormat | StreamFormat:
        """The format as it reads this file, which it has read once to its end; for files that can be read twice."""
        ...


@dataclass(frozen=True)
class Detected:
    """The format of a file, its name and unit as they are reported, and why it was taken for that."""

    format: LineFormat | StreamFormat
    name: str
    unit: str
    why: str


@lru_cache(maxsize=1)
def formats() -> Mapping[str, LineFormat | StreamFormat]:
    """Every format there is, by name: the modules here that hold a ``FORMAT``."""
    import edgeroi.logs as socket

    modules = sorted(module.name for module in pkgutil.iter_modules(socket.__path__))
    loaded = (importlib.import_module(f"edgeroi.logs.{name}") for name in modules)
    found = [module.FORMAT for module in loaded if hasattr(module, "FORMAT")]
    return {format.name: format for format in found}


@dataclass(frozen=True, slots=True)
class Tried:
    """What a format said of a file, and how near the file came to it: 0 for one that has nothing of what it looks for."""

    name: str
    claim: Claim
    nearness: float


def tried(head: Head, reading: Reading) -> tuple[Tried, ...]:
    """Every format that may read the file: those that claim it, then the nearest.

    A file came near where the format says of it what it does not say of any, or where it holds some of the names that are looked for.
    """
    held = set(_NAMES.findall(head.data.decode("utf-8", "replace")))
    found = []
    for name, format in candidates(reading).items():
        claim = format.claim(head, reading)
        says_more = claim.why != format.claim(_NOTHING, reading).why
        found.append(Tried(name, claim, _share_of(set(_NAMES.findall(claim.why)), held) + _SAYS_MORE * says_more))
    return tuple(sorted(found, key=lambda one: (not one.claim.claimed, not one.claim.refused, -one.nearness)))


def detect(head: Head, reading: Reading) -> Detected:
    """The one format that claims the file; raises ``EdgeroiError`` naming what each candidate missed, or the several that claim it."""
    known = candidates(reading)
    claims = {name: format.claim(head, reading) for name, format in known.items()}
    claimed = [name for name, claim in claims.items() if claim.claimed]
    if len(claimed) == 1:
        return _detected(known[claimed[0]], claims[claimed[0]])
    place = Place(head.name)
    if claimed:
        both = "; ".join(f"{name} ({claims[name].why})" for name in claimed)
        raise EdgeroiError(f"could be any of {both}", place=place, fix="say which with --log-format")
    refused = next(((name, claim) for name, claim in claims.items() if claim.refused), None)
    if refused is not None:
        raise NoLog(f"{refused[0]}: {refused[1].why}", place=place, fix=refused[1].refused)
    raise NoLog(_missed(tried(head, reading)), place=place, fix=_advice(head, reading))


def _missed(found: Sequence[Tried]) -> str:
    """What each candidate missed; of many formats those that say how a log of one's own is read, and those that came nearest."""
    near = [one.name for one in found if one.nearness and one.name not in _ONES_OWN][:_NEAREST]
    told = found if len(found) <= len(_ONES_OWN) else [one for one in found if one.name in (*_ONES_OWN, *near)]
    missed = "; ".join(f"{one.name}: {one.claim.why}" for one in sorted(told, key=lambda one: one.name))
    others = len(found) - len(told)
    more = f"; and {others} others came no nearer, as edgeroi formats --tried FILE shows" if others else ""
    return f"not a request log in any known format ({missed}{more})"


#: A file that has nothing to do with any format.
_NOTHING = Head(b"-\n", "-", whole=True)


def _share_of(wanted: set[str], held: set[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 0.0


def _advice(head: Head, reading: Reading) -> str:
    """Which of the numbers in its records the user may have meant as latency."""
    from edgeroi.logs.objects import numbers_of

    numbers, mapped = numbers_of(head), reading.fields.get("latency_ms")
    near = mapped and near_miss(mapped.name, numbers)
    if near:
        return f"did you mean --map latency_ms={near}:{mapped.unit}?" if mapped else ""
    shown = [*numbers[:_SHOWN_NUMBERS], *(["..."] if len(numbers) > _SHOWN_NUMBERS else [])]
    told = f", one of {', '.join(shown)}" if shown else ""
    return f"say where latency is: --map latency_ms=FIELD:UNIT{told}"


def candidates(reading: Reading) -> Mapping[str, LineFormat | StreamFormat]:
    """The formats to try: all, or the one that was named; raises ``EdgeroiError`` with the near miss for a name that is none."""
    every = formats()
    if reading.format is None:
        return every
    if reading.format not in every:
        raise EdgeroiError(f"{reading.format!r} is no log format", key="--log-format", fix=did_you_mean(reading.format, every))
    return {reading.format: every[reading.format]}


def _detected(format: LineFormat | StreamFormat, claim: Claim) -> Detected:
    return Detected(claim.reader or format, claim.format or format.name, claim.unit or format.unit, claim.why)
