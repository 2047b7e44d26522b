"""What the traffic is: partial profiles that add up, and the profile read from their sum.

A chunk of log becomes a ``Partial``; partials add up in any order to the same bytes; the sum is read as a ``Profile``.
The local engine, a cluster and a saved profile all produce the same ``Partial``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from edgeroi.aggregate import Aggregate
from edgeroi.histogram import LatencyHistogram
from edgeroi.request import LineCount, Reject
from edgeroi.shown import Shown
from edgeroi.trust import BLIND

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.report import Figure, Report

#: The values of the ``by`` columns, in their order; ``None`` where a request did not say.
GroupKey = tuple[str | None, ...]
SeenFrom = Literal["client", "gateway", "server"]

HOURS_PER_MONTH = 730
NS_PER_HOUR = 3_600_000_000_000
#: A log that spans less tells no volume of a month.
LEAST_HOURS = 24.0

#: What is summed besides durations, and how many of its units make one: money in 1e-12 USD, ratios in 1e-6.
SUMMED: Mapping[str, int] = {
    "input_tokens": 1,
    "cached_tokens": 1,
    "cache_write_tokens": 1,
    "output_tokens": 1,
    "cost_usd": 10**12,
    "quality": 10**6,
    "confidence": 10**6,
}


@dataclass(frozen=True, slots=True)
class Sum:
    """An exact integer sum over the requests that told the number, and how many those were."""

    total: int = 0
    n: int = 0

    def __add__(self, other: Self) -> Sum:
        """The sum over both."""
        return Sum(self.total + other.total, self.n + other.n)


@dataclass(frozen=True, slots=True)
class Busy:
    """One UTC hour: requests that started in it, and the time they took."""

    requests: int = 0
    busy_ns: int = 0

    def __add__(self, other: Self) -> Busy:
        """Both."""
        return Busy(self.requests + other.requests, self.busy_ns + other.busy_ns)

    def __reduce__(self) -> tuple[type[Busy], tuple[int, int]]:
        """A month of hours by group goes from one process to another: what dataclasses do of themselves takes ten times as long."""
        return Busy, (self.requests, self.busy_ns)


K = TypeVar("K")
V = TypeVar("V", LatencyHistogram, Sum, Busy, "Stratum")


def _added(one: Mapping[K, V], two: Mapping[K, V]) -> dict[K, V]:
    merged = dict(one)
    for key, value in two.items():
        merged[key] = merged[key] + value if key in merged else value
    return merged


@dataclass(frozen=True, slots=True)
class Stratum:
    """Successes of one day, or of one mix (output-token band and quarter of the day), in buckets 16 times coarser."""

    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    ttft: LatencyHistogram = field(default_factory=LatencyHistogram)

    def __add__(self, other: Self) -> Stratum:
        """Both."""
        return Stratum(self.latency + other.latency, self.ttft + other.ttft)


#: (output-token band, quarter of the UTC day); a part that is unknown is -1.
Mix = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything counted about one group of requests; tallies add up.

    Histograms of successes: ``latency`` (e2e), ``ttft``, ``network``, and ``served``/``ttft_served``: the same less
    the request's own network time, where both are known. ``failure``: how long failed requests took.
    """

    requests: int = 0
    errors: int = 0
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    ttft: LatencyHistogram = field(default_factory=LatencyHistogram)
    network: LatencyHistogram = field(default_factory=LatencyHistogram)
    served: LatencyHistogram = field(default_factory=LatencyHistogram)
    ttft_served: LatencyHistogram = field(default_factory=LatencyHistogram)
    failure: LatencyHistogram = field(default_factory=LatencyHistogram)
    streamed: Sum = Sum()
    cold_starts: Sum = Sum()
    sums: Mapping[str, Sum] = field(default_factory=dict)
    hours: Mapping[int, Busy] = field(default_factory=dict)
    days: Mapping[int, Stratum] = field(default_factory=dict)
    mixes: Mapping[Mix, Stratum] = field(default_factory=dict)
    first_ns: int | None = None
    last_ns: int | None = None

    def __add__(self, other: Self) -> Tally:
        """The tally of both groups of requests."""
        starts = [at for at in (self.first_ns, other.first_ns) if at is not None]
        ends = [at for at in (self.last_ns, other.last_ns) if at is not None]
        return Tally(
            self.requests + other.requests,
            self.errors + other.errors,
            self.latency + other.latency,
            self.ttft + other.ttft,
            self.network + other.network,
            self.served + other.served,
            self.ttft_served + other.ttft_served,
            self.failure + other.failure,
            self.streamed + other.streamed,
            self.cold_starts + other.cold_starts,
            _added(self.sums, other.sums),
            _added(self.hours, other.hours),
            _added(self.days, other.days),
            _added(self.mixes, other.mixes),
            min(starts, default=None),
            max(ends, default=None),
        )

    @property
    def error_ratio(self) -> float | None:
        """The share of requests that failed; ``None`` of no request."""
        return self.errors / self.requests if self.requests else None

    def mean(self, column: str) -> float | None:
        """The mean of a summed column over the requests that told it, in its own unit; ``None`` where none did."""
        told = self.sums.get(column, Sum())
        return told.total / SUMMED[column] / told.n if told.n else None

    def total(self, column: str) -> float | None:
        """The sum of a summed column, in its own unit; ``None`` where no request told it."""
        told = self.sums.get(column, Sum())
        return told.total / SUMMED[column] if told.n else None


@dataclass(frozen=True, slots=True)
class FileAccount:
    """One input: what it was taken for, in which unit, and where each of its lines went.

    ``saved_from``: the logs in a saved profile. ``growth``: where a saved profile is to grow, what it keeps of this log.
    ``added_ms``: of a probe's log, what the probe by its own test adds to a request, p50; the most of several runs.
    """

    path: str
    bytes: int
    digest: str
    format: str
    unit: str
    lines: LineCount
    counted: Literal["lines", "records", "spans"] = "lines"
    damage: str | None = None
    notes: tuple[str, ...] = ()
    saved_from: tuple[FileAccount, ...] = ()
    growth: Growth | None = None
    added_ms: float | None = None


@dataclass(frozen=True)
class Partial:
    """What one chunk of log says; ``a + b == b + a``, and grouping does not matter."""

    by: tuple[str, ...]
    tallies: Mapping[GroupKey, Tally] = field(default_factory=dict)

    def __add__(self, other: Self) -> Partial:
        """What both chunks say."""
        if self.by != other.by:
            raise ValueError(f"partial profiles by {self.by} and by {other.by} do not add up")
        merged = dict(self.tallies)
        for key, tally in other.tallies.items():
            merged[key] = merged[key] + tally if key in merged else tally
        return Partial(self.by, merged)


@dataclass(frozen=True, slots=True)
class Growth:
    """What a saved profile keeps of one log, so that the next reading of it costs only its new bytes.

    ``leaves``: the digests of its ranges; ``head``: the digest of its first ``head_bytes``, decompressed: by both it is known again.
    ``lines``, ``partial``: its complete lines and their requests. ``tail``: an unfinished last line, which the log may still complete,
    so that it must come out again: its bytes, its account and its requests. ``resumable``: whether reading can go on where it stopped.
    ``said``: where it measured, and the share of requests it keeps. ``place``: the digest of its path, where rules look at that.
    """

    leaves: tuple[bytes, ...]
    head: bytes
    head_bytes: int
    lines: LineCount
    partial: Partial
    tail_bytes: int = 0
    tail_lines: LineCount = field(default_factory=LineCount)
    tail: Partial | None = None
    resumable: bool = False
    said: tuple[SeenFrom | None, float] = (None, 1.0)
    place: bytes = b""

    @property
    def total(self) -> Partial:
        """All its requests, of the unfinished line too."""
        return self.partial if self.tail is None else self.partial + self.tail


def _sort_key(key: GroupKey) -> tuple[tuple[bool, str], ...]:
    return tuple((part is None, part or "") for part in key)


def in_order(keys: Iterable[GroupKey]) -> list[GroupKey]:
    """Keys of groups as they are told; unknown last."""
    return sorted(keys, key=_sort_key)


@dataclass(frozen=True, slots=True)
class Group:
    """One row of a profile: which requests, and their tally."""

    key: Mapping[str, str | None]
    tally: Tally


@dataclass(frozen=True)
class Growing:
    """What makes a profile one that can grow: how its logs were read, and the requests (``rest``) that no log keeps for itself."""

    reading: Mapping[str, str]
    rest: Partial


@dataclass(frozen=True)
class Profile(Shown):
    """Logs, read: groups of requests, and the account of every line they came from.

    ``seen_from``: where the log measured, ``None`` where nobody said. ``sampling``: the share of requests the log keeps.
    ``rejects``: the first few rejected lines; all of them go to a rejects file where one was asked for.
    ``aggregates``: what tools state of requests they do not list; they stand beside the groups and are in none of them.
    """

    partial: Partial
    files: tuple[FileAccount, ...] = ()
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
    seen_from: SeenFrom | None = None
    sampling: float = 1.0
    aggregates: tuple[Aggregate, ...] = ()
    growing: Growing | None = None

    @property
    def by(self) -> tuple[str, ...]:
        """The columns it is grouped by."""
        return self.partial.by

    @cached_property
    def lines(self) -> LineCount:
        """The account of all lines of all files."""
        return sum((file.lines for file in self.files), LineCount())

    @property
    def added_ms(self) -> float | None:
        """What the probes that measured all of it add to a request themselves, p50, the most of them; ``None`` where others measured."""
        told = [log.added_ms for file in self.files for log in file.saved_from or (file,)]
        return None if None in told else max((ms for ms in told if ms is not None), default=None)

    @property
    def blind(self) -> tuple[str, ...]:
        """The logs that were measured in a closed loop, so that no queueing can show in them."""
        return tuple(log.path for file in self.files for log in file.saved_from or (file,) if BLIND in log.notes)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """One row per group, in the order of their keys; unknown last."""
        keys = in_order(self.partial.tallies)
        return tuple(Group(dict(zip(self.by, key, strict=True)), self.partial.tallies[key]) for key in keys)

    @cached_property
    def total(self) -> Tally:
        """All requests as one group."""
        return sum_tallies(self.partial.tallies.values())

    def select(self, **where: str | None) -> Tally:
        """The requests whose columns have these values, as one group; columns must be among ``by``."""
        unknown = set(where) - set(self.by)
        if unknown:
            raise ValueError(f"profile is by {self.by}, not by {sorted(unknown)}")
        return sum_tallies(group.tally for group in self.groups if where.items() <= group.key.items())

    @property
    def span_hours(self) -> float | None:
        """Hours from the first to the last request; ``None`` without timestamps."""
        total = self.total
        if total.first_ns is None or total.last_ns is None:
            return None
        return (total.last_ns - total.first_ns) / NS_PER_HOUR

    def requests_month(self, tally: Tally) -> float | None:
        """Requests a month of 730 h at the log's own rate and sampling; ``None`` where the span is unknown or under a day.

        A part of a day says nothing of its nights: held for a month, 29 seconds of load test would be millions.
        """
        span = self.span_hours
        return tally.requests / self.sampling / span * HOURS_PER_MONTH if span is not None and span >= LEAST_HOURS else None

    def __repr__(self) -> str:
        """How much it holds."""
        return f"<Profile: {self.total.requests:,} requests by {', '.join(self.by)}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi profile`` says."""
        from edgeroi import __version__
        from edgeroi.profile_report import profile_report

        return profile_report(self, version=__version__, saving_ms=50.0)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How the latencies of its groups are distributed, with the intervals of the quantiles; none without a success."""
        from edgeroi.profile_report import figures_of

        return figures_of(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per group: counts, quantiles with their intervals, tokens, cost; numbers unrounded, unknown as ``None`` or NaN."""
        from edgeroi.profile_report import frame_of

        return frame_of(self)


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """All of them as one group."""
    merged = list(tallies)
    while len(merged) > 1:
        # In pairs, pairs of pairs and so on: each bucket is copied log2(n) times instead of n times.
        merged = [sum(merged[place : place + 2], Tally()) for place in range(0, len(merged), 2)]
    return merged[0] if merged else Tally()


def tally_fields() -> tuple[str, ...]:
    """The names of what a tally holds, in order; a saved profile writes them in this order."""
    return tuple(f.name for f in fields(Tally))


def sum_of(by: tuple[str, ...], partials: Iterable[Partial]) -> Partial:
    """All that the partials say, which are all by the same columns."""
    tallies: dict[GroupKey, list[Tally]] = {}
    for partial in partials:
        if partial.by != by:
            raise ValueError(f"partial profiles by {by} and by {partial.by} do not add up")
        for key, tally in partial.tallies.items():
            tallies.setdefault(key, []).append(tally)
    return Partial(by, {key: sum_tallies(of_key) for key, of_key in tallies.items()})


#: What the rarest groups are folded into where there are too many.
OTHER = "(other)"
MOST_GROUPS = 2_000


def regrouped(partial: Partial, by: tuple[str, ...]) -> Partial:
    """The same requests by fewer columns, or in another order; raises ``ValueError`` where a column was not kept."""
    missing = [column for column in by if column not in partial.by]
    if missing:
        raise ValueError(f"profile is by {partial.by}, not by {missing}")
    places = [partial.by.index(column) for column in by]
    tallies: dict[GroupKey, list[Tally]] = {}
    for key, tally in partial.tallies.items():
        tallies.setdefault(tuple(key[place] for place in places), []).append(tally)
    return Partial(by, {key: sum_tallies(of_key) for key, of_key in tallies.items()})


def folded(partial: Partial, most: int = MOST_GROUPS) -> Partial:
    """The ``most`` groups with most requests; all others as one, keyed ``(other)`` in every column."""
    if len(partial.tallies) <= most:
        return partial
    commonest = sorted(partial.tallies, key=lambda key: (-partial.tallies[key].requests, _sort_key(key)))
    kept, rare = commonest[: most - 1], commonest[most - 1 :]
    other = sum_tallies(partial.tallies[key] for key in rare)
    return Partial(partial.by, {**{key: partial.tallies[key] for key in kept}, (OTHER,) * len(partial.by): other})


def over_limit(lines: LineCount, limit: int | None = None) -> bool:
    """Whether more lines were rejected than ``limit``, by default the larger of 1 % and 10; a cut last line does not count."""
    rejected = lines.total_rejected - lines.rejected.get("truncated_tail", 0)
    return rejected > (max(10, lines.read // 100) if limit is None else limit)
