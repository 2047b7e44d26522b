"""What a policy decides on the way of one request: whom to ask, whether to keep the answer. And the record of what came of it.

No call is made here: ``edgeroi.executor`` makes them. A policy says the same of one request here as ``edgeroi.policy`` says of
distributions: shares are drawn, the first rule that holds decides, an answer below the confidence goes on, what is unknown is doubted.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from edgeroi.cuts import raw_holds
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.spec import Cascade, Condition, Fallback, Hedge, Policy, Route, Split

T = TypeVar("T")

#: Why a policy took this part: its share was drawn, a rule held or none did; the first part answered, failed with nobody to follow, was
#: late or failed; it was the sooner of two; its answer was sure, or the first one's was doubted.
Because = Literal["share", "rule", "otherwise", "answered", "failed", "timeout", "error", "sooner", "sure", "doubted"]
#: How a call ended: its answer was taken, or came and was not; it failed; it was cancelled before it ended.
Ending = Literal["accepted", "not_taken", "failed", "given_up"]

_LIMITS: Mapping[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision of a policy: the part it took and why.

    ``rule``: which one of a route, from 1. ``confidence``: of a cascade's answer, or what a route states of its own.
    """

    policy: str
    to: str
    because: Because
    rule: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was begun. ``paid``: false only where it was given up and its policy states that such calls are free."""

    name: str
    ending: Ending
    paid: bool = True

    @property
    def given_up(self) -> bool:
        """Whether it was cancelled before it ended."""
        return self.ending == "given_up"


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of a request: the result, who gave it, and why it was asked (``turns``, in the order they were taken).

    ``ok`` is true with exactly one accepted call, false with none. ``result`` is ``None`` where the last call raised, and ``error``
    what it raised: ``TimeoutError`` where the time for it was over, ``GivenUp`` where whoever asked cancelled it.
    ``calls``: every call that was begun, in that order.
    """

    result: T | None
    by: str
    ok: bool
    error: BaseException | None = None
    calls: tuple[Made, ...] = ()
    turns: tuple[Turn, ...] = ()


class GivenUp(Exception):
    """The answer is not wanted any more."""


def drawn(policy: Split, uniform: float) -> str:
    """The part whose share of 0..1 the number falls into."""
    reached = 0.0
    for name, share in zip(policy.parts, policy.at({}), strict=True):
        reached += share
        if uniform < reached:
            return name
    return policy.parts[-1]


def routed(policy: Route, columns: Mapping[str, object]) -> tuple[str, int | None]:
    """Where a request of these columns goes, and by which rule, from 1; ``None`` where none holds."""
    for number, rule in enumerate(policy.rules, 1):
        if all(holds(condition, columns.get(condition.column)) for condition in rule.when):
            return rule.to, number
    return policy.otherwise, None


def holds(condition: Condition, value: object) -> bool:
    """Whether a condition holds for a value; what is unknown holds for none, nor does a text where a number is asked for."""
    if value is None:
        return False
    if condition.test not in _LIMITS:
        return raw_holds(condition.test, condition.values, str(value).lower() if isinstance(value, bool) else str(value))
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        return False
    return bool(_LIMITS[condition.test](value, float(condition.values[0])))


def is_sure(policy: Cascade, confidence: float | None) -> bool:
    """Whether a cascade keeps an answer: not where its confidence is unknown."""
    assert policy.confidence is not None
    return confidence is not None and confidence >= policy.confidence


def leaves_of(name: str, policies: Mapping[str, Policy]) -> tuple[str, ...]:
    """The calls at the bottom of a policy, or the call itself, each once."""
    policy = policies.get(name)
    return (name,) if policy is None else tuple(dict.fromkeys(leaf for part in policy.parts for leaf in leaves_of(part, policies)))


def check_runnable(policies: Mapping[str, Policy], calls: Collection[str], judged: bool) -> None:
    """Raise ``EdgeroiError`` for policies that cannot be run over these calls; ``judged``: whether an answer's confidence can be told."""
    for name, policy in policies.items():
        if name in calls:
            raise EdgeroiError(f"{name!r} is a policy and a call", key=name, fix="give one of them another name")
        for part in policy.parts:
            if part not in policies and part not in calls:
                raise EdgeroiError(f"no call and no policy {part!r}", key=name, fix=did_you_mean(part, (*calls, *policies)))
        _check_alone(name, policy, judged)
    for name in policies:
        if circle := circle_of(name, policies):
            raise EdgeroiError(f"the policy leads back to itself: {' -> '.join(circle)}", key=name, fix="break the circle")


def circle_of(name: str, policies: Mapping[str, Policy], above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The way from a policy back to itself, both ends named; nothing where it has none."""
    if name in above:
        return (*above, name) if name == above[0] else ()
    parts = policies[name].parts if name in policies else ()
    return next((found for part in parts if (found := circle_of(part, policies, (*above, name)))), ())


def _check_alone(name: str, policy: Policy, judged: bool) -> None:
    if isinstance(policy, Cascade):
        if policy.confidence is None:
            fix = "write `confidence: 0.8`, and say how sure an answer is"
            raise EdgeroiError("a share says nothing of a single answer, so the cascade cannot be run", key=name, fix=fix)
        if not judged:
            raise EdgeroiError("nobody says how sure an answer is", key=name, fix="give confidence=, a function of an answer")
    if isinstance(policy, Fallback | Hedge):
        if policy.watch == "ttft":
            raise EdgeroiError("what is run is watched as a whole, not by its first token", key=name, fix="drop `watch`")
        if policy.after is not None and not policy.after.is_point:
            raise EdgeroiError("`after` is a range, and a run needs one time", key=name, fix="write `after: 500 ms`")
    if isinstance(policy, Split) and not all(share.is_point for _, share in policy.shares):
        raise EdgeroiError("a share is a range, and a run needs one number", key=name, fix="write shares like `80%`")
