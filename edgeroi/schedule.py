"""When each request of a probe is to be sent: the intended times, decided before the first one goes out.

Open loop: a slow answer never delays the next question, so queueing is seen and not hidden. Targets are interleaved in blocks of
one request each, in an order drawn anew for every block and with the same payload, so that drift meets all of them alike and
differences can be taken pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError

Arrivals = Literal["constant", "poisson", "replay"]
Phase = Literal["warm", "steady", "cold"]
Ints = NDArray[np.int64]

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Send:
    """One request that is to go out ``at_ns`` after the start: to which target, with which payload, as part of which block."""

    at_ns: int
    target: int
    payload: int
    block: int
    phase: Phase = "steady"


def block_times(blocks: int, rate: float, arrivals: Arrivals, rng: np.random.Generator) -> Ints:
    """When each block begins, ns from the start: (blocks,). ``rate`` is blocks per second.

    ``constant``: every 1/rate seconds. ``poisson``: gaps drawn from the exponential distribution with that mean, as independent
    users make them; the first block begins at 0 either way.
    """
    if rate <= 0:
        raise EdgeroiError(f"{rate:g} requests a second send nothing", key="rate", fix="give more than 0")
    if arrivals == "constant":
        return np.asarray(np.rint(np.arange(blocks) * (NS_PER_S / rate)), np.int64)
    gaps = rng.exponential(NS_PER_S / rate, max(blocks - 1, 0))
    return np.concatenate(([0], np.rint(np.cumsum(gaps)).astype(np.int64)))[:blocks]


def replayed(instants_ns: Sequence[int], speed: float = 1.0) -> Ints:
    """Block times with the gaps of a log's own timestamps, ``speed`` times as fast; sorted, the first at 0."""
    if speed <= 0:
        raise EdgeroiError(f"a replay {speed:g} times as fast never ends", key="speed", fix="give more than 0")
    if not len(instants_ns):
        raise EdgeroiError("the log to replay tells no time", key="replay", fix="give one with timestamps")
    told = np.sort(np.asarray(instants_ns, np.int64))
    return np.asarray(np.rint((told - told[0]) / speed), np.int64)


def interleaved(times_ns: Ints, targets: int, payloads: int, warm_up: int, rng: np.random.Generator) -> tuple[Send, ...]:
    """Every block sends its payload to each target once, spread evenly over the time to the next block, in an order drawn anew.

    The first ``warm_up`` blocks are warm-up. Sends are in the order of their times.
    """
    if not targets or not payloads:
        raise EdgeroiError("a probe needs a target and a payload")
    last_gap = int(times_ns[-1] - times_ns[-2]) if len(times_ns) > 1 else 0
    gaps = [*(int(after - before) for before, after in pairwise(times_ns)), last_gap]
    sends = [
        Send(int(start) + gap * place // targets, int(target), block % payloads, block, "warm" if block < warm_up else "steady")
        for block, (start, gap) in enumerate(zip(times_ns.tolist(), gaps, strict=True))
        for place, target in enumerate(rng.permutation(targets).tolist())
    ]
    return tuple(sorted(sends, key=lambda send: send.at_ns))


def cold_sends(sends: Sequence[Send], targets: Sequence[int], gap_ns: int, requests: int, apart_ns: int, payloads: int) -> tuple[Send, ...]:
    """``requests`` to each of the targets behind the others, each after a silence of at least ``gap_ns`` to its target.

    ``apart_ns``: between two targets of a block, so that one's cold start does not slow the next one's.
    """
    start, block = (max(send.at_ns for send in sends), max(send.block for send in sends) + 1) if sends else (0, 0)
    period = gap_ns + len(targets) * apart_ns
    return tuple(
        Send(start + gap_ns + number * period + place * apart_ns, target, (block + number) % payloads, block + number, "cold")
        for number in range(requests)
        for place, target in enumerate(targets)
    )


def asked_rate(sends: Iterable[Send]) -> float | None:
    """Requests per second from the first intended time to the last, ``None`` where there are not two of them."""
    times = [send.at_ns for send in sends]
    span = (max(times) - min(times)) if times else 0
    return (len(times) - 1) / (span / NS_PER_S) if span else None
