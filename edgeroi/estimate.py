"""A number with its doubt: interval, sample size, basis and notes travel with the value.

No data is ``None``, never 0. The weakest basis wins when numbers combine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Basis = Literal["measured", "aggregate", "modelled", "listed", "best_case", "assumed"]

#: Strongest first. An aggregate is a tool's own quantiles of real requests that it does not list: they cannot be checked, have no
#: interval and no mix, so it is weaker than measured, and a verdict in favour of an edge never rests on it.
BASES: tuple[Basis, ...] = ("measured", "aggregate", "listed", "modelled", "best_case", "assumed")


def weakest(*bases: Basis) -> Basis:
    """The basis of a number made from numbers of these bases."""
    return max(bases, key=BASES.index)


Shape = Literal["point", "triangular", "lognormal", "normal", "uniform"]
World = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Range:
    """A driver: its likely value and how far it may reasonably lie from it.

    ``low`` and ``high`` are the ends of a triangular or uniform range, and those of a 90 % interval for the other shapes, whose
    tails go on to ``least`` and ``most``, what the field can hold. ``why`` is what the range rests on; one without is a guess.
    ``name`` is the driver's path in the scenario (``search.value.waiting``); two ranges of one name move together.
    """

    likely: float
    low: float
    high: float
    name: str = ""
    shape: Shape = "point"
    basis: Basis = "assumed"
    why: str | None = None
    least: float = field(default=-math.inf, compare=False)
    most: float = field(default=math.inf, compare=False)

    @classmethod
    def point(cls, value: float, name: str = "", basis: Basis = "assumed") -> Range:
        """A number stated without a range."""
        return cls(value, value, value, name, "point", basis)

    @property
    def is_point(self) -> bool:
        """Whether nothing is said about how far the value may lie from the likely one."""
        return self.low == self.high

    @property
    def is_guess(self) -> bool:
        """Whether somebody stated a range and nothing says what it rests on."""
        return self.basis == "assumed" and not self.is_point and self.why is None

    def at(self, world: World) -> float:
        """The value in one world: the world's own for this name, else the likely one."""
        return world.get(self.name, self.likely)

    def in_worlds(self, worlds: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64] | float:
        """The value in many worlds at once: the draws (n,) of this name, else the likely one."""
        return worlds.get(self.name, self.likely)

    def resting_on(self, why: str | None) -> Range:
        """The same range with what it rests on, where it does not say so itself; a single number claims nothing to rest."""
        return self if self.is_point or self.why is not None else replace(self, why=why)

    def named(self, name: str) -> Range:
        """The same range under another name."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number as it reaches a reader: ``value`` with ``[low, high]`` (95 % unless said), ``n`` behind it, and its basis."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    basis: Basis = "assumed"
    notes: tuple[str, ...] = ()
