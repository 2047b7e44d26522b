"""No value: nobody waits, or nobody has said what waiting costs. The honest default; the break-even is reported instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgeroi.estimate import World


@dataclass(frozen=True, slots=True)
class NoValue:
    """Latency is worth nothing: batch, asynchronous and background work."""

    name: ClassVar[str] = "none"
    units: ClassVar[Mapping[str, str]] = {}

    why: str | None = None
    by: str | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """That nothing was claimed."""
        return ("no value of latency is declared",)

    def anchored(self, fastest_p50_ms: float | None) -> Self:
        """Itself: there is nothing to measure against."""
        return self

    def rate_usd(self, world: World) -> float:
        """0."""
        return 0.0

    def lost(self, latency_ms: NDArray[np.float64], world: World) -> NDArray[np.float64]:
        """0 at any latency."""
        return np.zeros_like(latency_ms)

    def failure_lost(self, slowest_ms: float, world: World) -> float:
        """0: a failure of work nobody values costs what its error handling costs, which is a cost and not latency."""
        return 0.0


MODEL = NoValue
