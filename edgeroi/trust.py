"""Whether a probe's run can be trusted, and if not, why: a generator that was late measured itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeroi.exchange import Exchange
from edgeroi.histogram import nearest_rank
from edgeroi.schedule import NS_PER_S

#: Lateness at p99 may be this much, or this share of the p50, whichever is more.
LATE_MS, LATE_SHARE = 2.0, 0.10
#: Less than this share of the asked rate, and it was another load.
RATE_LEAST = 0.98

#: What a closed loop is told with, wherever its numbers go.
BLIND = "measured in a closed loop, which is blind to queueing: a slow answer delayed the next question"


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests per second of one target: asked for, and sent; ``None`` where fewer than two were."""

    asked: float | None
    achieved: float | None


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the probe added to ``n`` requests whose server kept its own time, ms.

    ``wire``: last byte sent to first byte received, beyond what the server took. ``whole``: intended send to last byte, beyond the same.
    """

    n: int
    rate: float
    wire_p50: float
    wire_p99: float
    whole_p50: float
    whole_p99: float
    lateness_p50: float
    lateness_p99: float


def quantile_of(values: Sequence[float], p: float) -> float | None:
    """The nearest rank (``ceil(p n)``-th smallest); ``None`` of nothing."""
    return float(np.sort(values)[nearest_rank(p, len(values)) - 1]) if values else None


def rates_of(exchanges: Sequence[Exchange], asked: int, asked_span_ns: int) -> Rates:
    """What was asked for, ``asked`` requests over a span of intended times, and what went out over the span of real ones."""
    begun = [exchange.stamps.begun for exchange in exchanges]
    span = max(begun) - min(begun) if begun else 0
    return Rates(
        (asked - 1) * NS_PER_S / asked_span_ns if asked > 1 and asked_span_ns else None,
        (len(begun) - 1) * NS_PER_S / max(span, asked_span_ns) if len(begun) > 1 and span else None,
    )


def reasons_of(target: str, exchanges: Sequence[Exchange], rates: Rates, *, closed: bool = False) -> tuple[str, ...]:
    """Why the measurement of a target is not to be trusted; nothing where it is. A ``closed`` loop promises no rate."""
    lateness = [exchange.lateness_ms for exchange in exchanges]
    successes = [exchange.latency_ms for exchange in exchanges if exchange.error is None]
    late, p50 = quantile_of(lateness, 0.99), quantile_of(successes, 0.5)
    reasons = []
    if late is None or p50 is None:
        return (f"{target}: no answer",)
    limit = max(LATE_MS, LATE_SHARE * p50)
    if late > limit:
        reasons.append(f"{target}: requests went out late, p99 {late:.1f} ms (limit {limit:.1f} ms): this machine is too busy for the rate")
    if not closed and rates.asked and rates.achieved is not None and rates.achieved < RATE_LEAST * rates.asked:
        reasons.append(f"{target}: {rates.achieved:.3g} requests a second were sent, {rates.asked:.3g} were asked for")
    return tuple(reasons)
