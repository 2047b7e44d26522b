"""An answer after the deadline costs; before it, faster is worth nothing.

u(L) = -per_miss when L > limit; with ``hinge``, -per_miss for each second that L exceeds the limit. The tail decides, means do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from edgeroi.estimate import Range, World


@dataclass(frozen=True, slots=True)
class Deadline:
    """``limit``: ms; ``per_miss``: USD per request that misses it, or per second it is late where ``hinge``."""

    name: ClassVar[str] = "deadline"
    units: ClassVar[Mapping[str, str]] = {"limit": "ms", "per_miss": "USD"}

    limit: Range
    per_miss: Range
    hinge: bool = False
    why: str | None = None
    by: str | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """What a miss should rest on, and what decides."""
        return ("what a miss costs should come from a contract, an incident or lost work", "only the share past the limit matters")

    def anchored(self, fastest_p50_ms: float | None) -> Self:
        """Itself: the limit is absolute."""
        return self

    def rate_usd(self, world: World) -> float:
        """USD of a miss, or of a second too late."""
        return self.per_miss.at(world)

    def lost(self, latency_ms: NDArray[np.float64], world: World) -> NDArray[np.float64]:
        """1 where the limit is missed; seconds too late where lateness counts."""
        late_ms = latency_ms - self.limit.at(world)
        return np.maximum(late_ms, 0.0) / 1000 if self.hinge else np.asarray(late_ms > 0, np.float64)

    def failure_lost(self, slowest_ms: float, world: World) -> float:
        """A failure is a miss; where lateness counts it is as late as the slowest answers, and never less than a second late."""
        return cast("float", np.maximum(1.0, self.lost(np.asarray(slowest_ms), world)))


MODEL = Deadline
