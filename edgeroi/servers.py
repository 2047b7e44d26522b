"""Servers that are paid for, busy or not: how busy the workload's own rhythm makes them, and how long requests wait for one.

Arrivals are taken hour by hour, since a peak hour decides what an average hides. Waiting is that of M/M/c at each site, mixed over the
hours by the requests they bring: a screening bound, exact for Poisson arrivals and exponential service. A site that cannot keep up in
some hour has no wait at all that could be named; it is said, with the servers that would do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range, World
from edgeroi.latency import Latency
from edgeroi.queueing import Pool
from edgeroi.spec import StatedLatency
from edgeroi.workload import HOURS_PER_MONTH, Busy

Floats = NDArray[np.float64]

MS_PER_MONTH = HOURS_PER_MONTH * 3_600_000
#: A period's rate is told by at least this many logged requests on average: then chance moves it by 20 % at most (two in 20).
LEAST_PER_PERIOD = 100.0
_HOURS_PER_DAY, _HOURS_PER_WEEK = 24, 168
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How requests are spread over time: per period its share of the requests, and its rate over the mean rate.

    ``period``: what a period is; ``average`` where nothing is known but the mean, for the reason in ``why``.
    ``in_progress``: requests in progress at once in the fullest period, by Little's law, where a log tells how long they took.
    """

    shares: tuple[float, ...] = (1.0,)
    factors: tuple[float, ...] = (1.0,)
    period: str = "average"
    peak_at: str = ""
    why: str = "no log of the whole traffic: a stated volume is an average"
    in_progress: float | None = None

    @property
    def peak(self) -> float:
        """The highest rate over the mean rate."""
        return max(self.factors)


def rhythm_of(hours: Mapping[int, Busy], sampling: float = 1.0) -> Rhythm:
    """The rhythm of logged requests, by hour of the log, else of the week, else of the day: the finest that its requests can tell.

    ``hours``: requests by UTC hour since 1970. Hours between the first and the last without a request count as such.
    """
    told = {hour: busy for hour, busy in hours.items() if hour >= 0 and busy.requests}
    if not told:
        return Rhythm(why="the log has no timestamps")
    first, last = min(told), max(told)
    span, total = last - first + 1, sum(busy.requests for busy in told.values())
    in_progress = max(busy.busy_ns for busy in told.values()) / 3.6e12 / sampling
    for name, length in (("hour", span), ("hour of the week", _HOURS_PER_WEEK), ("hour of the day", _HOURS_PER_DAY)):
        if span >= max(length, 2) and total / length >= LEAST_PER_PERIOD:
            return _rhythm(told, first, span, length, name, in_progress)
    return Rhythm(why=f"{total:,} requests over {span:,} h are too few to tell one hour from another", in_progress=in_progress)


def _rhythm(told: Mapping[int, Busy], first: int, span: int, length: int, name: str, in_progress: float) -> Rhythm:
    places = np.arange(first, first + span) % length if length < span else np.arange(span)
    counts = np.array([told[hour].requests if hour in told else 0 for hour in range(first, first + span)], np.float64)
    often, brought = np.bincount(places, minlength=length), np.bincount(places, counts, minlength=length)
    factors = brought / often / counts.mean()
    top = int(factors.argmax())
    held = brought > 0
    at = _hour_words(first + top if length == span else top, name)
    return Rhythm(tuple(brought[held] / brought.sum()), tuple(factors[held]), name, at, "", in_progress)


def _hour_words(hour: int, name: str) -> str:
    at = _EPOCH + timedelta(hours=hour)
    words = {"hour": f"{at.day} {at:%b %H}:00", "hour of the week": f"{at:%a %H}:00", "hour of the day": f"{at:%H}:00"}
    return f"{words[name]} UTC"


@dataclass(frozen=True, slots=True)
class Servers:
    """Dedicated servers: ``per_site`` of them at each of ``sites``, which share the requests evenly, each with a queue of its own.

    One request holds a server for the time of its tokens at ``throughput`` (tok/s), where that is stated: then a server that works on
    several at once is counted right. Else for its stated ``service``, one request at a time.
    """

    sites: int
    per_site: int
    requests: Range
    rhythm: Rhythm = Rhythm()
    service: StatedLatency | None = None
    throughput: Range | None = None
    tokens: tuple[Range, ...] = ()

    @property
    def count(self) -> int:
        """Servers at all sites."""
        return self.sites * self.per_site

    def holds_ms(self, world: World) -> float | None:
        """How long one request holds a server, ms; ``None`` where neither throughput and tokens nor service is stated."""
        if self.throughput and self.tokens:
            return 1000 * sum(part.at(world) for part in self.tokens) / self.throughput.at(world)
        return self.service.at(world).mean_ms if self.service else None

    def load(self, world: World, factor: float = 1.0) -> float | None:
        """Erlangs at one site: servers that would be busy if there were enough, at ``factor`` times the mean rate."""
        holds = self.holds_ms(world)
        return None if holds is None else self.requests.at(world) * factor / MS_PER_MONTH * holds / self.sites

    def rho(self, world: World, factor: float = 1.0) -> float | None:
        """The utilisation of a site; from 1 on it cannot keep up."""
        load = self.load(world, factor)
        return None if load is None else load / self.per_site

    def overload(self, world: World) -> str | None:
        """Why the servers cannot carry the load in their fullest period, and how many could; ``None`` where they can."""
        peak = self.load(world, self.rhythm.peak)
        if peak is None or peak < self.per_site:
            return None
        when = f" in the fullest {self.rhythm.period} ({self.rhythm.peak_at})" if self.rhythm.peak_at else ""
        needed = self.sites * (math.floor(peak) + 1)
        said = f"{self.count} server{'s' if self.count != 1 else ''} would be {peak / self.per_site:.0%} busy{when}"
        batched = "" if self.throughput else ", or its throughput where a server works on several requests at once"
        return f"cannot carry the load: {said}; state at least {needed}{batched}"

    def wait(self, world: World) -> Latency:
        """How long a request waits for a server, the hours mixed by the requests they bring. Raises ``EdgeroiError`` of an overload."""
        overload, holds = self.overload(world), self.holds_ms(world)
        if overload:
            raise EdgeroiError(f"the servers {overload}")
        if holds is None:
            raise EdgeroiError("how long a request holds a server is not stated", fix="state service, or throughput and tokens")
        loads = tuple(self.load(world, factor) or 0.0 for factor in self.rhythm.factors)
        return _mixed_wait(self.per_site, holds, loads, self.rhythm.shares)

    def peak_pool(self, world: World) -> Pool | None:
        """One site in its fullest period; ``None`` where that is unknown or too much."""
        load, holds = self.load(world, self.rhythm.peak), self.holds_ms(world)
        return None if load is None or holds is None or load >= self.per_site else Pool(self.per_site, load, holds)


#: Atoms of a wait: cells of equal width in the logarithm of what is beyond them, down to this share of the requests.
_WAIT_ATOMS, _RAREST = 1000, 1e-7


@lru_cache(maxsize=512)
def _mixed_wait(servers: int, holds_ms: float, loads: tuple[float, ...], shares: tuple[float, ...]) -> Latency:
    """A wait of 0 for those who find a server free; exponential cells for the rest, each at its mean, so that the mean is exact."""
    pools = [Pool(servers, load, holds_ms) for load in loads]
    waiting = np.array(shares) * [pool.p_wait for pool in pools]
    rates = np.array([pool.emptying for pool in pools])
    edges = _wait_edges(waiting, rates)
    beyond = np.exp(-np.outer(edges, rates)) * waiting  # (edges, periods): P(wait > edge)
    beyond[-1] = 0.0
    passed = (edges[:, None] + 1 / rates) * beyond  # E[wait; wait > edge]
    weights, totals = -np.diff(beyond.sum(axis=1)), -np.diff(passed.sum(axis=1))
    held = weights > 0
    values = np.concatenate(([0.0], totals[held] / weights[held]))
    return Latency.from_atoms(values, np.concatenate(([max(0.0, 1 - float(waiting.sum()))], weights[held])), basis="modelled")


def _wait_edges(waiting: Floats, rates: Floats) -> Floats:
    """Where the cells of the wait end: fine where many wait, down to the rarest."""
    total = float(waiting.sum())
    if total <= _RAREST:
        return np.array([0.0, 1.0])
    furthest = math.log(total / (_RAREST * total)) / float(rates.min())
    grid = np.concatenate(([0.0], np.geomspace(1e-4 / float(rates.max()), furthest, 800)))
    tail = np.exp(-np.outer(grid, rates)) @ waiting / total
    wanted = np.concatenate((np.linspace(1.0, 0.1, _WAIT_ATOMS // 2), np.geomspace(0.1, _RAREST, _WAIT_ATOMS // 2)[1:]))
    return np.unique(np.append(np.interp(-wanted, -tail, grid), furthest))
