"""A saved profile: the sum of some logs, itself an input, exact bucket for bucket.

A file is gzip of the line ``edgeroi-profile 1 SHA256`` and a MessagePack map; the digest is of the map, so a file that was changed
or cut is refused. Keys of the map: ``by, seen_from, sampling, lines, damage, files, groups``; a histogram is its keys, counts and
sums as little-endian 64-bit integers, and its extremes. Same profile, same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any, BinaryIO, Literal

import numpy as np

from edgeroi.errors import EdgeroiError
from edgeroi.histogram import Ints, LatencyHistogram
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.reading import Reading
from edgeroi.request import COLUMNS, LineCount
from edgeroi.workload import Busy, GroupKey, Partial, Profile, Stratum, Sum, Tally, regrouped

VERSION = 1
_MAGIC = b"edgeroi-profile "
_HISTOGRAMS = ("latency", "ttft", "network", "served", "ttft_served", "failure")


def dumped(profile: Profile) -> bytes:
    """The profile as the bytes of a file; raises ``EdgeroiError`` where it holds aggregates, as nothing could be merged with them."""
    import msgspec

    if profile.aggregates:
        said = f"an aggregate cannot be saved, as nothing could be merged with it: {profile.aggregates[0].words}"
        raise EdgeroiError(said, key="--save", fix="leave its file out; it can be named itself wherever a log can")

    body = msgspec.msgpack.encode(_told(profile))
    digest = hashlib.sha256(body).hexdigest().encode()
    return gzip.compress(_MAGIC + b"%d %s\n" % (VERSION, digest) + body, mtime=0)


def _told(profile: Profile) -> dict[str, Any]:
    damaged = [f"{file.path}: {file.damage}" for file in profile.files if file.damage]
    return {
        "by": profile.by,
        "seen_from": profile.seen_from,
        "sampling": profile.sampling,
        "lines": asdict(profile.lines),
        "damage": "; ".join(damaged) or None,
        "files": [log for file in profile.files for log in file.saved_from or ((PurePath(file.path).name, file.digest),)],
        "groups": [[list(group.key.values()), _told_tally(group.tally)] for group in profile.groups],
    }


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

    name = "saved-profile"
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
        told = _body(stream.read())
        try:
            yield _chunk(told, reading)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise EdgeroiError(f"the saved profile cannot be read: {error!r}", fix="save it again") from None


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


def _chunk(told: Mapping[str, Any], reading: Reading) -> Chunk:
    partial = Partial(tuple(told["by"]), {tuple(key): _tally(tally) for key, tally in told["groups"]})
    notes = [f"saved from {name} ({digest})" for name, digest in told["files"]]
    notes += [f"the saved profile does not tell {column}" for column in _untold(partial, reading)]
    return Chunk(
        LineCount(**told["lines"]),
        partial=as_read(partial, reading),
        notes=tuple(notes),
        seen_from=told["seen_from"],
        sampling=told["sampling"],
        damage=told["damage"],
        saved_from=tuple((str(name), str(digest)) for name, digest in told["files"]),
    )


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
