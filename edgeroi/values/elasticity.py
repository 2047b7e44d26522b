"""Slower pages lose a share of what people do, as experiments measured it; each request carries a contribution margin.

u(L) = -margin * g(L - reference), with g linear between the published points, 0 below the first delay and constant beyond the last:
an experiment says nothing outside its range, so nothing is extrapolated. The response is concave, and slopes from observation
are up to 40 times those of experiments: weak tables count only where the scenario accepts them by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.estimate import Range, World

#: A: randomised, magnitude and duration stated. B: company experiment, thin detail. C: observational or commissioned. D: anecdote.
Grade = Literal["A", "B", "C", "D"]
#: ``(delay in ms, share lost)``, from no delay upwards.
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ElasticityTable:
    """One published effect of delay: its points, what was lost, how far it can be believed, and where it was read.

    ``read``: whether the figures were read in the authors' own text or in others' reports of it. ``year``: of publication.
    """

    name: str
    points: Points
    lost: str
    grade: Grade
    source: str
    year: int
    read: Literal["primary", "reported"]
    caveat: str

    @property
    def weak(self) -> bool:
        """Whether a scenario has to accept it by name."""
        return self.grade in ("C", "D")


#: Published tables. A correction is a new table with its own name and year; these are never edited.
TABLES: tuple[ElasticityTable, ...] = (
    ElasticityTable(
        "google2009",
        ((0, 0.0), (100, 0.0020), (200, 0.0029), (400, 0.0059)),
        "daily searches per user",
        "A",
        "J. Brutlag, Speed Matters for Google Web Search, 22 June 2009, table 1",
        2009,
        "primary",
        "server delay, 4 to 6 weeks; 50 ms had no measurable effect; the loss grows with exposure",
    ),
    ElasticityTable(
        "bing2009",
        ((0, 0.0), (1000, 0.028), (2000, 0.043)),
        "revenue per user",
        "A",
        "E. Schurman, J. Brutlag, Performance Related Changes and their User Impact, Velocity 2009",
        2009,
        "reported",
        "figures as reported by O'Reilly Radar, June 2009",
    ),
    ElasticityTable(
        "zalando2018",
        ((0, 0.0), (100, 0.007)),
        "revenue",
        "B",
        "Zalando, Loading Time Matters, company blog, 2018",
        2018,
        "reported",
        "a speed-up of 100 ms read backwards; little detail published",
    ),
    ElasticityTable(
        "akamai2017",
        ((0, 0.0), (100, 0.071)),
        "conversions on smartphones",
        "C",
        "Akamai and SOASTA, online retail performance report, April 2017",
        2017,
        "reported",
        "observed, not randomised, and measured from the peak of the curve; desktop 2.4 %, tablet 3.8 %",
    ),
    ElasticityTable(
        "deloitte2020",
        ((0, 0.0), (100, 0.084)),
        "retail conversions, mobile",
        "C",
        "Deloitte, 55, Milliseconds make Millions, commissioned by Google, 2020",
        2020,
        "reported",
        "regression over 37 brands and 4 weeks of speed-ups, read backwards",
    ),
    ElasticityTable(
        "amazon2006",
        ((0, 0.0), (100, 0.01)),
        "sales",
        "D",
        "G. Linden, blog and slides, 2006",
        2006,
        "reported",
        "one recollection of tests before 2002; no data was ever published",
    ),
)


def table_named(name: str) -> ElasticityTable:
    """The published table of this name; raises ``EdgeroiError`` with the near miss where there is none."""
    found = {table.name: table for table in TABLES}
    if name not in found:
        raise EdgeroiError(f"unknown elasticity table {name!r}", key="table", fix=did_you_mean(name, found))
    return found[name]


@dataclass(frozen=True, slots=True)
class Elasticity:
    """``table``: a published table's name, or points ``((ms of delay, share lost), ...)`` of one's own experiment.

    ``margin``: contribution margin (not revenue) per request, USD. ``reference``: the latency from which delay is counted,
    by default the fastest option's p50. Raises ``EdgeroiError`` for an unknown table, a weak one not accepted, or points that are none.
    """

    name: ClassVar[str] = "elasticity"
    units: ClassVar[Mapping[str, str]] = {"margin": "USD/request", "reference": "ms"}

    table: str | Points
    margin: Range
    reference: Range | None = None
    accept_weak_evidence: bool = False
    why: str | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        """Refuse evidence that does not bear the weight."""
        if not isinstance(self.table, str):
            _demand_points(self.table)
            return
        published = table_named(self.table)
        if published.weak and not self.accept_weak_evidence:
            strong = ", ".join(table.name for table in TABLES if not table.weak)
            raise EdgeroiError(
                f"{published.name} is weak evidence (grade {published.grade}: {published.caveat})",
                key="table",
                fix=f"use {strong} or an experiment of your own, or state accept_weak_evidence: true",
            )

    @property
    def points(self) -> Points:
        """The points of g."""
        return table_named(self.table).points if isinstance(self.table, str) else self.table

    @property
    def evidence(self) -> tuple[str, ...]:
        """The table's grade, source and caveat, and its range."""
        tested = f"nothing is extrapolated beyond a delay of {self.points[-1][0]:g} ms"
        if not isinstance(self.table, str):
            return ("points of the scenario's own", tested)
        of = table_named(self.table)
        return (f"{of.name}, grade {of.grade}: {of.lost}; {of.source} ({of.read})", of.caveat, tested)

    def anchored(self, fastest_p50_ms: float | None) -> Self:
        """The model with its reference: its own, else the fastest option's p50."""
        if self.reference is not None or fastest_p50_ms is None:
            return self
        return replace(self, reference=Range.point(fastest_p50_ms, "reference"))

    def rate_usd(self, world: World) -> float:
        """USD of margin of a request."""
        return self.margin.at(world)

    def lost(self, latency_ms: NDArray[np.float64], world: World) -> NDArray[np.float64]:
        """The share of the margin that is lost."""
        if self.reference is None:
            raise ValueError("an elasticity needs a reference: anchor it first")
        delays, shares = np.array(self.points).T
        return np.asarray(np.interp(latency_ms - self.reference.at(world), delays, shares), np.float64)

    def failure_lost(self, slowest_ms: float, world: World) -> float:
        """A failure loses as much as the longest delay of the experiment."""
        return self.points[-1][1]


def _demand_points(points: Points) -> None:
    if len(points) < 2 or tuple(points[0]) != (0, 0):
        raise EdgeroiError("an elasticity table starts at no delay and no loss", key="table", fix="write [[0 ms, 0%], [100 ms, 0.2%]]")
    for (delay, share), (longer, more) in pairwise(points):
        if not (delay < longer < math.inf and share <= more <= 1):
            raise EdgeroiError(
                f"point ({longer:g} ms, {more:g}) does not follow ({delay:g} ms, {share:g})",
                key="table",
                fix="delays must rise, and the share lost must not fall nor exceed 100 %",
            )


MODEL = Elasticity
