"""What latency is worth: one model per file, found by its file name, and the value of one option over another.

A model is a frozen dataclass whose fields are the keys of the scenario; it says what one request loses at a latency, in USD.
The value of a candidate is what its requests lose less than the baseline's, over the whole of both distributions. Models are never summed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.estimate import World
from edgeroi.felt import Felt, path_ms
from edgeroi.latency import Latency, comonotone

#: A gain that is a smaller share of what is lost is the last digit of a weight.
ROUNDING = 1e-12
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class ValueModel(Protocol):
    """What a file of this package offers as ``MODEL``: ``units`` names the unit of every quantity among its fields."""

    name: ClassVar[str]
    units: ClassVar[Mapping[str, str]]

    @property
    def why(self) -> str | None:
        """Why the model and its numbers hold for this workload."""

    @property
    def by(self) -> str | None:
        """Who says so."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the model rests on, in sentences a report prints beside its value."""

    def anchored(self, fastest_p50_ms: float | None) -> Self:
        """The model with whatever it measures against fixed to the fastest option's p50, where it states nothing itself."""

    def rate_usd(self, world: World) -> float:
        """USD of one unit of what is lost: of a miss, of a millisecond, of a request's margin."""

    def lost(self, latency_ms: Floats, world: World) -> Floats:
        """Units lost per request at these latencies, of their shape. Of many worlds at once the numbers of ``world`` are columns (m, 1)."""

    def failure_lost(self, slowest_ms: float, world: World) -> float:
        """Units lost per failed request; ``slowest_ms`` is the larger p99 of the two options compared, a column of many worlds."""


@runtime_checkable
class Gated(Protocol):
    """A model that counts only some savings: it is asked pair by pair, and the felt rule gates it."""

    def counts(self, saving_ms: Floats, world: World) -> Flags:
        """Which savings (n,) the model itself counts."""


def model_names() -> tuple[str, ...]:
    """The value models there are: the files of this package."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


def model_named(name: str) -> type[ValueModel]:
    """The class of a value model, by its file name; raises ``EdgeroiError`` with the near miss where there is none."""
    if name not in model_names():
        raise EdgeroiError(f"unknown value model {name!r}", key="value", fix=did_you_mean(name, model_names()))
    return cast("type[ValueModel]", importlib.import_module(f"{__name__}.{name}").MODEL)


def lost_per_request(model: ValueModel, latency: Latency, slowest_ms: float, world: World) -> float:
    """The mean units lost per request, failures included; the model must be anchored."""
    lost = latency.expect(lambda ms: model.lost(ms, world))
    return (1 - latency.failure_ratio) * lost + latency.failure_ratio * model.failure_lost(slowest_ms, world)


def value_usd_month(
    model: ValueModel,
    baseline: Latency,
    candidate: Latency,
    requests_month: float,
    *,
    felt: Felt | None = None,
    part_of_ms: float | None = None,
    fastest_p50_ms: float | None = None,
    world: World | None = None,
) -> float:
    """What serving the requests at the candidate's latency is worth over the baseline's, USD a month; negative where it is slower.

    ``felt``: the gate, ``None`` for machines; it acts on models that are ``Gated`` and on savings only, never on slowdowns.
    ``part_of_ms``: the p50 of the whole path the stage is part of. ``fastest_p50_ms``: what an elasticity is read against by default.
    """
    anchored, here = model.anchored(fastest_p50_ms), world or {}
    gained = gain_units(anchored, baseline, candidate, here, felt=felt, part_of_ms=part_of_ms)
    return requests_month * anchored.rate_usd(here) * gained


def gain_units(
    model: ValueModel,
    baseline: Latency,
    candidate: Latency,
    world: World,
    *,
    felt: Felt | None = None,
    part_of_ms: float | None = None,
) -> float:
    """What a request loses less at the candidate's latency, in the model's units; the model must be anchored.

    Of a model that is ``Gated`` both distributions are paired quantile by quantile, failures at the larger p99, and a saving that
    does not count is taken as no change.
    """
    slowest = max(baseline.quantile(0.99), candidate.quantile(0.99))
    if not isinstance(model, Gated):
        return lost_per_request(model, baseline, slowest, world) - lost_per_request(model, candidate, slowest, world)
    weights, before, after = comonotone(baseline.failing_at(slowest), candidate.failing_at(slowest))
    counts = counted(model, before, after, baseline.quantile(0.5), world, felt=felt, part_of_ms=part_of_ms)
    lost = model.lost(before, world)
    gained = float(weights @ (lost - model.lost(np.where(counts, after, before), world)))
    return gained if abs(gained) > ROUNDING * float(weights @ np.abs(lost)) else 0.0


def counted(
    model: Gated,
    before_ms: Floats,
    after_ms: Floats,
    p50_ms: float | Floats,
    world: World,
    *,
    felt: Felt | None = None,
    part_of_ms: float | Floats | None = None,
) -> Flags:
    """Which changes of paired requests count: every slowdown, and savings that are felt and that the model itself counts.

    ``p50_ms``: the baseline's. In many worlds at once requests stand in columns and the numbers are columns (m, 1).
    """
    saving = before_ms - after_ms
    noticed = np.ones_like(saving, np.bool_) if felt is None else felt.felt_each(path_ms(p50_ms, before_ms, part_of_ms), saving)
    return np.asarray((saving <= 0) | (noticed & model.counts(saving, world)), np.bool_)


def quality_usd_month(requests_month: float, usd_per_quality_point: float, candidate: float, baseline: float) -> float:
    """What a difference in quality is worth, of either sign: requests x USD per request and point of quality x points gained."""
    return requests_month * usd_per_quality_point * (candidate - baseline)
