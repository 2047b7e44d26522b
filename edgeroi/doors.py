"""How a request reaches a target: an endpoint by its wire, a policy by the endpoints it asks.

Every policy has connections of its own to its parts: hanging up on a loser costs the policy its next handshake, which is part of what
it takes, and never the parts that are measured beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter_ns
from typing import Any, Protocol

from edgeroi.dialects.dialect import Asked, dialect
from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Exchange
from edgeroi.executor import Cancel, Executor
from edgeroi.probe_plan import ProbePlan, Target
from edgeroi.wire import Endpoint, Wire


class Door(Protocol):
    """Where a target's requests go in. ``payload`` is the number of one of the plan's payloads."""

    def exchange(self, payload: int, base: Exchange, draw: Callable[[], float]) -> tuple[Exchange, Mapping[str, float]]:
        """What became of a request, and which endpoints asked for a pause of how many seconds. ``draw``: for a split, 0..1."""
        ...

    def close(self) -> None:
        """Close what is idle."""
        ...


def door_of(target: Target, plan: ProbePlan) -> Door:
    """The way to a target."""
    return Direct(target, plan) if target.policy is None else ByPolicy(target.name, plan)


class Direct:
    """An endpoint."""

    def __init__(self, target: Target, plan: ProbePlan) -> None:
        self._target, self._dialect = target, dialect(target.dialect)
        self._wire = Wire(endpoint_of(target, plan))
        self._asked = tuple(asked_of(target, payload) for payload in plan.payloads)

    def call(self, payload: int, base: Exchange, cancel: Cancel | None = None) -> Exchange:
        """One request, which ends early as the failure ``given_up`` where it is cancelled."""
        return self._wire.exchange(self._asked[payload], self._dialect.listen(self._target.stream), base, cancel)

    def exchange(self, payload: int, base: Exchange, draw: Callable[[], float]) -> tuple[Exchange, Mapping[str, float]]:
        """As of ``Door``."""
        found = self.call(payload, base)
        return found, {} if found.retry_after_s is None else {self._target.name: found.retry_after_s}

    def close(self) -> None:
        """Close what is idle."""
        self._wire.close()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request on its way through a policy. ``pauses``: the seconds that endpoints ask to be left alone for, while it is answered."""

    payload: int
    base: Exchange
    pauses: dict[str, float] = field(default_factory=dict)


class ByPolicy:
    """A policy, run over connections of its own."""

    def __init__(self, name: str, plan: ProbePlan) -> None:
        self._name = name
        targets = {target.name: target for target in plan.targets}
        self._doors = {leaf: Direct(targets[leaf], plan) for leaf in dict.fromkeys(plan.asked_by(name))}
        policies = {part: policy for part, policy in plan.policies.items() if set(plan.asked_by(part)) <= self._doors.keys()}
        calls = {leaf: partial(self._called, leaf) for leaf in self._doors}
        # A wire hangs up at once whatever it is in, so its calls may run in the thread that sends on time.
        self._executor = Executor(policies, calls, failed=_failed, obedient=calls)

    def _called(self, name: str, sent: _Sent, cancel: Cancel) -> Exchange:
        found = self._doors[name].call(sent.payload, sent.base, cancel)
        if found.retry_after_s is not None:
            sent.pauses[name] = found.retry_after_s
        return found

    def exchange(self, payload: int, base: Exchange, draw: Callable[[], float]) -> tuple[Exchange, Mapping[str, float]]:
        """The answer that counted, from the intended send of the whole; see ``Exchange`` for what it says of the calls.

        What the answering server took is left out: the rest of the time is not the network's alone.
        """
        begun = perf_counter_ns()
        outcome = self._executor.run(self._name, sent := _Sent(payload, base), draw=draw)
        if outcome.result is None:
            raise outcome.error or AssertionError("a request that nobody cancelled has an end")
        answer = outcome.result
        whole = replace(
            answer,
            stamps=replace(answer.stamps, begun=begun),
            server_ms=None,
            retry_after_s=None,
            answered_by=outcome.by,
            calls=tuple(call.name for call in outcome.calls),
            given_up=tuple(call.name for call in outcome.calls if call.given_up),
            unpaid=tuple(call.name for call in outcome.calls if not call.paid),
        )
        return whole, dict(sent.pauses)  # a loser may still add to them

    def close(self) -> None:
        """Close what is idle."""
        self._executor.close()
        for door in self._doors.values():
            door.close()


def _failed(exchange: Exchange) -> bool:
    return exchange.error is not None


def endpoint_of(target: Target, plan: ProbePlan) -> Endpoint:
    """Where a target's requests go."""
    return Endpoint(target.url, target.headers, plan.timeout_ms / 1e3, target.authority, target.fresh, plan.keep_bodies)


def asked_of(target: Target, payload: str | Mapping[str, Any]) -> Asked:
    """A payload as this target is asked it; raises ``EdgeroiError`` at the target's place."""
    spoken = dialect(target.dialect)
    try:
        whole = spoken.of_text(payload, target.text_as) if isinstance(payload, str) else dict(payload)
        return spoken.ask({**whole, **target.extra}, target.model, target.stream)
    except EdgeroiError as error:
        error.place = error.place or target.place
        raise
