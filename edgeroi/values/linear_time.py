"""Time is money: each hour of waiting costs the same, so milliseconds add up.

u(L) = -waiting * blocked * L / 3.6e6. Only means matter. That small savings add up at one rate is how US DOT values travel time,
and it is contested: experiments find little value in small savings (Daly, Tsang, Rohr, European Transport Conference).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgeroi.estimate import Range, World

MS_PER_HOUR = 3_600_000.0
#: Somebody waits for every request, unless the scenario says otherwise.
ALL_BLOCKED = Range.point(1.0, "blocked")


@dataclass(frozen=True, slots=True)
class LinearTime:
    """``waiting``: USD per hour somebody waits; ``blocked``: the share of requests somebody does wait for.

    ``min_saving_ms``: savings below it, quantile by quantile, do not count.
    """

    name: ClassVar[str] = "linear_time"
    units: ClassVar[Mapping[str, str]] = {"waiting": "USD/h", "blocked": "ratio", "min_saving_ms": "ms"}

    waiting: Range
    blocked: Range = ALL_BLOCKED
    min_saving_ms: Range | None = None
    why: str | None = None
    by: str | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """The assumption that is made, and what it leaves out."""
        return ("that small savings of time add up at one rate is an assumption", "only mean latencies matter, tails do not")

    def anchored(self, fastest_p50_ms: float | None) -> Self:
        """Itself: time is lost from 0 on."""
        return self

    def rate_usd(self, world: World) -> float:
        """USD of a millisecond of waiting."""
        return self.waiting.at(world) * self.blocked.at(world) / MS_PER_HOUR

    def lost(self, latency_ms: NDArray[np.float64], world: World) -> NDArray[np.float64]:
        """Milliseconds waited."""
        return latency_ms

    def failure_lost(self, slowest_ms: float, world: World) -> float:
        """A failure is waited for as long as the slowest answers, however fast it failed."""
        return slowest_ms

    def counts(self, saving_ms: NDArray[np.float64], world: World) -> NDArray[np.bool_]:
        """Which savings are not below the least that counts."""
        least = -np.inf if self.min_saving_ms is None else self.min_saving_ms.at(world)
        return np.asarray(saving_ms >= least, np.bool_)


MODEL = LinearTime
