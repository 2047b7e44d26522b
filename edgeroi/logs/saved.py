"""A saved profile: the sum of some logs, itself an input, exact bucket for bucket.

A file is gzip of the line ``edgeroi-profile 2 SHA256`` and a MessagePack map; the digest is of the map, so a file that was changed
or cut is refused. Keys of the map: ``by, seen_from, sampling, reading, groups, logs``; each log has its account and, where the profile
can grow, its own groups (``growth``), while ``groups`` are those of the other logs. A histogram is its keys, counts and sums as
little-endian 64-bit integers, and its extremes. Same profile, same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal

import numpy as np

from edgeroi.errors import EdgeroiError, Place
from edgeroi.histogram import Ints, LatencyHistogram
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.reading import Reading
from edgeroi.request import COLUMNS, LineCount
from edgeroi.workload import (
    Busy,
    FileAccount,
    GroupKey,
    Growth,
    Partial,
    Profile,
    SeenFrom,
    Stratum,
    Sum,
    Tally,
    in_order,
    regrouped,
    sum_of,
)

NAME = "saved-profile"
VERSION = 2
_MAGIC = b"edgeroi-profile "
#: How hard gzip tries. On the saved profile of a gigabyte its hardest, 9, takes 3.1 s of processor time for 5 % less than this in 0.07 s.
_LEVEL = 4
_HISTOGRAMS = ("latency", "ttft", "network", "served", "ttft_served", "failure")


def dumped(profile: Profile) -> bytes:
    """The profile as the bytes of a file; raises ``EdgeroiError`` where it holds aggregates, as nothing could be merged with them."""
    import msgspec

    if profile.aggregates:
        said = f"an aggregate cannot be saved, as nothing could be merged with it: {profile.aggregates[0].words}"
        raise EdgeroiError(said, key="--save", fix="leave its file out; it can be named itself wherever a log can")

    body = msgspec.msgpack.encode(_told(profile))
    digest = hashlib.sha256(body).hexdigest().encode()
    return gzip.compress(_MAGIC + b"%d %s\n" % (VERSION, digest) + body, _LEVEL, mtime=0)


def _told(profile: Profile) -> dict[str, Any]:
    growing = profile.growing
    return {
        "by": profile.by,
        "seen_from": profile.seen_from,
        "sampling": profile.sampling,
        "reading": dict(sorted(growing.reading.items())) if growing else {},
        "groups": _told_groups(growing.rest if growing else profile.partial),
        "logs": [_told_log(log, apart=growing is not None) for file in profile.files for log in file.saved_from or (file,)],
    }


def _told_log(log: FileAccount, *, apart: bool) -> dict[str, Any]:
    return {
        "name": PurePath(log.path).name,
        **{name: getattr(log, name) for name in ("bytes", "digest", "format", "unit", "counted", "damage", "notes", "added_ms")},
        "lines": asdict(log.lines),
        "growth": _told_growth(log.growth) if apart and log.growth else None,
    }


def _told_growth(growth: Growth) -> dict[str, Any]:
    return {
        "leaves": growth.leaves,
        "head": growth.head,
        "head_bytes": growth.head_bytes,
        "lines": asdict(growth.lines),
        "groups": _told_groups(growth.partial),
        "tail_bytes": growth.tail_bytes,
        "tail_lines": asdict(growth.tail_lines),
        "tail_groups": _told_groups(growth.tail) if growth.tail is not None else None,
        "resumable": growth.resumable,
        "said": growth.said,
        "place": growth.place,
    }


def _told_groups(partial: Partial) -> list[Any]:
    return [[key, _told_tally(partial.tallies[key])] for key in in_order(partial.tallies)]


def _told_tally(tally: Tally) -> dict[str, Any]:
    return {
        **{kind: _told_histogram(getattr(tally, kind)) for kind in _HISTOGRAMS},
        "requests": tally.requests,
        "errors": tally.errors,
        "streamed": _told_sum(tally.streamed),
        "cold_starts": _told_sum(tally.cold_starts),
        "sums": [[column, *_told_sum(told)] for column, told in sorted(tally.sums.items())],
        "hours": [[hour, busy.requests, str(busy.busy_ns)] for hour, busy in sorted(tally.hours.items())],
        "days": [[day, *_told_stratum(told)] for day, told in sorted(tally.days.items())],
        "mixes": [[*mix, *_told_stratum(told)] for mix, told in sorted(tally.mixes.items())],
        "first_ns": tally.first_ns,
        "last_ns": tally.last_ns,
    }


def _told_sum(told: Sum) -> list[Any]:
    # A sum may pass 64 bits, which MessagePack cannot hold.
    return [str(told.total), told.n]


def _told_stratum(told: Stratum) -> list[Any]:
    return [_told_histogram(told.latency), _told_histogram(told.ttft)]


def _told_histogram(histogram: LatencyHistogram) -> list[Any]:
    columns = (histogram.keys, histogram.counts, histogram.sums_ns)
    return [*(column.astype("<i8").tobytes() for column in columns), histogram.least_ns, histogram.most_ns]


class Saved:
    """A saved profile; see the module."""

    name = NAME
    unit = "as in the logs it was made from, kept in ns"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "single requests: only what it was grouped by can be told apart"
    fields: Mapping[str, str] = {"*": "every column the profile was grouped by, and all it measured"}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file that begins with our mark."""
        ours = head.data.startswith(_MAGIC)
        return Claim(ours, "a profile saved by edgeroi" if ours else "no profile saved by edgeroi")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """All of it in one chunk; raises ``EdgeroiError`` for one that is not whole or of a later version."""
        yield _chunk(_parsed(stream.read()), reading)


FORMAT = Saved()


def _body(data: bytes) -> dict[str, Any]:
    import msgspec

    mark, _, body = data.partition(b"\n")
    version, _, digest = mark.removeprefix(_MAGIC).partition(b" ")
    if version != b"%d" % VERSION:
        raise EdgeroiError(f"a saved profile of version {version.decode(errors='replace')}", fix="read it with the edgeroi that saved it")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise EdgeroiError("the saved profile was cut or changed", fix="save it again")
    told: dict[str, Any] = msgspec.msgpack.decode(body)
    return told


@dataclass(frozen=True, slots=True)
class SavedProfile:
    """What a saved profile holds: its logs, and the requests (``rest``) that none of them keeps for itself.

    ``reading``: how the logs were read, part by part; empty in a profile that cannot grow.
    """

    by: tuple[str, ...]
    seen_from: SeenFrom | None
    sampling: float
    reading: Mapping[str, str]
    rest: Partial
    logs: tuple[FileAccount, ...]

    @property
    def partial(self) -> Partial:
        """All its requests."""
        return sum_of(self.by, (self.rest, *(log.growth.total for log in self.logs if log.growth)))


def is_saved(path: Path) -> bool:
    """Whether the file begins as a saved profile does."""
    try:
        with gzip.open(path) as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except (OSError, EOFError, zlib.error):
        return False


def read_saved(path: Path) -> SavedProfile:
    """The profile saved at ``path``; raises ``EdgeroiError`` for what is none, was changed, or is of another version."""
    try:
        data = gzip.decompress(path.read_bytes())
    except OSError as error:
        why = error.strerror.lower() if error.strerror else "it is no saved profile"
        raise EdgeroiError(f"cannot be read: {why}", place=Place(str(path))) from None
    except (EOFError, zlib.error):
        raise EdgeroiError("the saved profile was cut or changed", place=Place(str(path)), fix="save it again") from None
    if not data.startswith(_MAGIC):
        raise EdgeroiError("is no profile saved by edgeroi", place=Place(str(path)), fix="name one saved with --save")
    try:
        return _parsed(data)
    except EdgeroiError as error:
        error.place = Place(str(path))
        raise


def _parsed(data: bytes) -> SavedProfile:
    told = _body(data)
    by = tuple(told["by"])
    try:
        logs = tuple(_log(log, by) for log in told["logs"])
        return SavedProfile(by, told["seen_from"], told["sampling"], told["reading"], _partial(told["groups"], by), logs)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise EdgeroiError(f"the saved profile cannot be read: {error!r}", fix="save it again") from None


def _log(told: Mapping[str, Any], by: tuple[str, ...]) -> FileAccount:
    return FileAccount(
        path=told["name"],
        **{name: told[name] for name in ("bytes", "digest", "format", "unit", "counted", "damage")},
        lines=LineCount(**told["lines"]),
        notes=tuple(told["notes"]),
        growth=_growth(told["growth"], by) if told["growth"] else None,
        added_ms=told.get("added_ms"),  # profiles saved earlier tell of none
    )


def _growth(told: Mapping[str, Any], by: tuple[str, ...]) -> Growth:
    seen_from, sampling = told["said"]
    return Growth(
        leaves=tuple(told["leaves"]),
        head=told["head"],
        head_bytes=told["head_bytes"],
        lines=LineCount(**told["lines"]),
        partial=_partial(told["groups"], by),
        tail_bytes=told["tail_bytes"],
        tail_lines=LineCount(**told["tail_lines"]),
        tail=None if told["tail_groups"] is None else _partial(told["tail_groups"], by),
        resumable=told["resumable"],
        said=(seen_from, sampling),
        place=told["place"],
    )


def _partial(groups: list[Any], by: tuple[str, ...]) -> Partial:
    return Partial(by, {tuple(key): _tally(tally) for key, tally in groups})


def _chunk(saved: SavedProfile, reading: Reading) -> Chunk:
    partial = saved.partial
    notes = [f"saved from {log.path} ({log.digest})" for log in saved.logs]
    notes += [f"the saved profile does not tell {column}" for column in _untold(partial, reading)]
    if passed := _passed_over(saved, reading):
        notes.append(f"its requests were counted when it was saved: {', '.join(passed)} cannot reach them, say it of their logs")
    return Chunk(
        sum((log.lines for log in saved.logs), LineCount()),
        partial=as_read(partial, reading),
        notes=tuple(notes),
        seen_from=saved.seen_from,
        sampling=saved.sampling,
        damage="; ".join(f"{log.path}: {log.damage}" for log in saved.logs if log.damage) or None,
        saved_from=tuple(replace(log, growth=None) for log in saved.logs),
    )


def _passed_over(saved: SavedProfile, reading: Reading) -> list[str]:
    """What the reading says of single requests, or otherwise than the profile, and a saved profile can no longer follow."""
    said = {
        "map": reading.mapped,
        **{f"const {column}": True for column in reading.const if COLUMNS[column] != "label"},
        "not_error": bool(reading.not_error),
        "require": bool(reading.needed),
        "seen_from": reading.seen_from not in (None, saved.seen_from),
        "sampling": reading.sampling not in (1.0, saved.sampling),
    }
    return [name for name, is_said in said.items() if is_said]


def _untold(partial: Partial, reading: Reading) -> list[str]:
    return [column for column in reading.by if column not in partial.by and column not in reading.const]


def as_read(partial: Partial, reading: Reading) -> Partial:
    """The partial by the columns of the reading: what it was not grouped by is unknown, what is constant is said."""
    const = {column: text for column, text in reading.const.items() if COLUMNS[column] == "label"}
    added = tuple(column for column in reading.by if column not in partial.by)
    by = partial.by + added
    tallies: dict[GroupKey, Tally] = {}
    for key, tally in partial.tallies.items():
        said = tuple(const.get(column, part) for column, part in zip(by, key + (None,) * len(added), strict=True))
        tallies[said] = tallies[said] + tally if said in tallies else tally
    return regrouped(Partial(by, tallies), reading.by)


def _tally(told: Mapping[str, Any]) -> Tally:
    return Tally(
        requests=told["requests"],
        errors=told["errors"],
        **{kind: _histogram(told[kind]) for kind in _HISTOGRAMS},
        streamed=_sum(*told["streamed"]),
        cold_starts=_sum(*told["cold_starts"]),
        sums={column: _sum(total, n) for column, total, n in told["sums"]},
        hours={hour: Busy(requests, int(busy_ns)) for hour, requests, busy_ns in told["hours"]},
        days={day: Stratum(_histogram(latency), _histogram(ttft)) for day, latency, ttft in told["days"]},
        mixes={(band, quarter): Stratum(_histogram(latency), _histogram(ttft)) for band, quarter, latency, ttft in told["mixes"]},
        first_ns=told["first_ns"],
        last_ns=told["last_ns"],
    )


def _sum(total: str, n: int) -> Sum:
    return Sum(int(total), n)


def _histogram(told: list[Any]) -> LatencyHistogram:
    keys, counts, sums = (_ints(column) for column in told[:3])
    if not keys.size == counts.size == sums.size or (np.diff(keys) <= 0).any() or (counts < 1).any():
        raise ValueError("a histogram is not one")
    return LatencyHistogram(keys, counts, sums, told[3], told[4])


def _ints(data: bytes) -> Ints:
    return np.frombuffer(data, "<i8").astype(np.int64)
