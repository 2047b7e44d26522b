"""The best setting of a policy: the share of a split, the timeout of a fallback or a hedge, what a cascade passes on.

Every point of the curve is the same function of the drivers that the verdict asks (``Books.in_world``), with one of them moved; the
best is refined between its neighbours. What is best for net is best under the declared value only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgeroi.economics import Books
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.hybrid import Plan, PlanTariff, hybrid
from edgeroi.policy import Measure
from edgeroi.prices import Unpriced
from edgeroi.spec import Cascade, Fallback, Hedge, Split

#: Points of a curve, and how often the best is halved towards its neighbours.
_POINTS, _STEPS = 11, 3
Unit = Literal["ms", "share"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One knob of a policy: what the scenario ``stated`` and the value with the highest net, with the curve of (value, net)."""

    knob: str
    unit: Unit
    stated: float
    stated_net: float
    best: float
    best_net: float
    curve: tuple[tuple[float, float], ...]

    @property
    def gain(self) -> float:
        """What the best setting nets more than the stated one, USD a month."""
        return self.best_net - self.stated_net


def plan_of(books: Books) -> Plan | None:
    """The candidate's plan, where it is a policy."""
    tariff = books.candidate.tariff
    return tariff.plan if isinstance(tariff, PlanTariff) else None


def best_setting(books: Books) -> Setting | None:
    """The best value of the candidate's knob; ``None`` where it has none, or where net is not known."""
    plan = plan_of(books)
    if plan is None:
        return None
    if plan.by_confidence:
        return _best_confidence(books, plan)
    knob = _knob(plan)
    if knob is None:
        return None
    name, number, unit, points = knob

    def net(value: float) -> float:
        return books.in_world({number.name: value}).net

    return _searched(name, unit, number.likely, points, net)


def _knob(plan: Plan) -> tuple[str, Range, Unit, Sequence[float]] | None:
    policy = plan.policy
    if isinstance(policy, Split):
        part, share = policy.shares[0]
        return f"share of {part}", share, "share", np.linspace(0, 1, _POINTS).tolist()
    # What is kept at another share is not as good as what is stated of this one.
    if isinstance(policy, Cascade) and policy.escalated is not None and policy.kept_quality is None:
        return "escalated", policy.escalated, "share", np.linspace(0, 1, _POINTS).tolist()
    if isinstance(policy, Fallback | Hedge) and policy.after is not None:
        return "after", policy.after, "ms", _timeouts(plan, policy)
    return None


def _timeouts(plan: Plan, policy: Fallback | Hedge) -> Sequence[float]:
    """From the quickest to the slowest of the first part's answers, evenly by logarithm."""
    first = plan.parts[0]
    e2e, ttft = (first.serves.e2e, first.serves.ttft) if not isinstance(first.serves, Plan) else (None, None)
    measure: Measure = policy.watch or ("e2e" if e2e is not None or isinstance(first.serves, Plan) else "ttft")
    if isinstance(first.serves, Plan):
        latency = first.serves.answers({}).latency(measure)
    else:
        timing = e2e if measure == "e2e" else ttft
        latency = timing.at({}) if timing else None
    assert latency is not None, "the plan was evaluated, so the measure it watches is known"
    least, most = (max(latency.quantile(p), 1e-3) for p in (0.01, 0.9999))
    return np.geomspace(least, most, _POINTS).tolist() if least < most else [least]


def _searched(knob: str, unit: Unit, stated: float, points: Sequence[float], net: Callable[[float], float]) -> Setting | None:
    try:
        curve = {value: net(value) for value in (*points, stated)}
        for _ in range(_STEPS):
            best = _best(curve, stated)
            for value in _halves(sorted(curve), best):
                curve.setdefault(value, net(value))
    except (Unpriced, EdgeroiError):
        return None  # the verdict says what is missing
    best = _best(curve, stated)
    return Setting(knob, unit, stated, curve[stated], best, curve[best], tuple(sorted(curve.items())))


def _best(curve: Mapping[float, float], stated: float) -> float:
    """The value with the highest net; of those that differ in rounding only, the one nearest to what is stated."""
    most = max(curve.values())
    rounding = 1e-9 * max(1.0, max(abs(net) for net in curve.values()))
    return min((value for value, net in curve.items() if net >= most - rounding), key=lambda value: abs(value - stated))


def _halves(values: Sequence[float], best: float) -> Sequence[float]:
    """Half way from the best to each neighbour."""
    place = values.index(best)
    neighbours = [*values[max(0, place - 1) : place], *values[place + 1 : place + 2]]
    return [(best + value) / 2 for value in neighbours if not math.isclose(best, value, rel_tol=1e-6)]


def _best_confidence(books: Books, plan: Plan) -> Setting | None:
    """The best threshold among those the log's confidences are banded by."""
    assert isinstance(plan.policy, Cascade) and plan.policy.confidence is not None
    curve = []
    for threshold, other in plan.by_confidence:
        try:
            option = hybrid(other, books.baseline.name, books.candidate.assume)
            curve.append((threshold, replace(books, candidate=option).likely.net))
        except (Unpriced, EdgeroiError):
            return None
    stated = plan.policy.confidence
    nets = dict(curve)
    best = _best(nets, stated)
    return Setting("confidence", "share", stated, nets[stated], best, nets[best], tuple(curve))
