"""Runs a policy for real: a split, a fallback or a hedge over callables, with a thread for each call.

It knows nothing of HTTP. A call is given a ``Cancel`` and returns its result, or raises. The loser of a race and what took too long are
cancelled and never waited for; who answered, and every call that was begun, is reported. What becomes of a request is what
``edgeroi.policy`` says of distributions, so that a prediction and a run can be held against each other:

- split: one of the parts, drawn by its share;
- fallback: the first, unless it fails or has not answered after ``after``; then the second, behind it, whose word is final;
- hedge: the second is asked as well once the first has not answered for ``after`` or failed before; the first answer wins.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from edgeroi.spec import Fallback, Hedge, Split

T = TypeVar("T")
#: The policies that can be run; a route needs to know requests, a cascade a judge.
Runnable = Split | Fallback | Hedge


class Cancel(threading.Event):
    """Set where an answer is no longer wanted. ``when_set`` says what to do then: close a connection, kill a process."""

    def __init__(self) -> None:
        super().__init__()
        self._acts: list[Callable[[], object]] = []
        self._guard = threading.Lock()

    def set(self) -> None:
        """Cancel, and do what was asked for; a second time does nothing."""
        with self._guard:
            super().set()
            acts, self._acts = self._acts, []
        for act in acts:
            act()

    def when_set(self, act: Callable[[], object]) -> None:
        """Do this once cancelled: at once where that has happened."""
        with self._guard:
            if not self.is_set():
                self._acts.append(act)
                return
        act()


Call = Callable[[Cancel], T]


@dataclass(slots=True)
class Made:
    """A call that was begun. ``given_up``: cancelled before it ended. ``paid``: false only where a given-up call is stated to be free."""

    name: str
    ended: bool = False
    given_up: bool = False
    paid: bool = True


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of a request: the result and who gave it. ``result`` is ``None`` and ``error`` what was raised where a call raised.

    ``calls``: every call that was begun, in that order.
    """

    result: T | None
    by: str
    ok: bool
    error: Exception | None = None
    calls: tuple[Made, ...] = ()


class _Branch:
    """One part of a policy while it runs: how to cancel it, and the calls begun for it, those of policies inside it too."""

    def __init__(self, within: _Branch | None = None, cancel: Cancel | None = None) -> None:
        self.cancel, self.made, self._within = cancel or Cancel(), list[Made](), within
        if within is not None:
            within.cancel.when_set(self.cancel.set)

    def begin(self, name: str) -> Made:
        """A call of this part."""
        call = Made(name) if self._within is None else self._within.begin(name)
        self.made.append(call)
        return call

    def give_up(self, free: bool) -> None:
        """Cancel it; what has not ended is given up."""
        for call in self.made:
            if not call.ended:
                call.given_up, call.paid = True, not free
        self.cancel.set()


class Executor(Generic[T]):
    """Policies by name over calls by name; parts of a policy are either. ``failed`` tells a result that is no answer."""

    def __init__(self, policies: Mapping[str, Runnable], calls: Mapping[str, Call[T]], failed: Callable[[T], bool]) -> None:
        self._policies, self._calls, self._failed = policies, calls, failed

    def run(self, name: str, draw: Callable[[], float], cancel: Cancel | None = None) -> Outcome[T]:
        """Ask a policy or a call. ``draw``: a uniform number of 0..1, wanted where requests are split."""
        whole = _Branch(cancel=cancel)
        outcome = self._asked(name, draw, whole)
        return replace(outcome, calls=tuple(whole.made))

    def _asked(self, name: str, draw: Callable[[], float], branch: _Branch) -> Outcome[T]:
        policy = self._policies.get(name)
        if isinstance(policy, Split):
            return self._asked(_drawn(policy, draw()), draw, branch)
        if isinstance(policy, Fallback):
            return self._fallback(policy, draw, branch)
        if isinstance(policy, Hedge):
            return self._hedge(policy, draw, branch)
        return self._called(name, branch)

    def _called(self, name: str, branch: _Branch) -> Outcome[T]:
        call = branch.begin(name)
        try:
            result = self._calls[name](branch.cancel)
        except Exception as error:
            return Outcome(None, name, False, error)
        finally:
            call.ended = True
        return Outcome(result, name, not self._failed(result))

    def _fallback(self, policy: Fallback, draw: Callable[[], float], branch: _Branch) -> Outcome[T]:
        ended: queue.SimpleQueue[Outcome[T]] = queue.SimpleQueue()
        first = self._begun(policy.first, draw, branch, ended)
        outcome = _next(ended, policy.after.likely / 1e3 if policy.after and "timeout" in policy.on else None)
        if outcome is None:
            first.give_up(policy.abandoned_free)
        elif outcome.ok or "error" not in policy.on:
            return outcome
        if branch.cancel.is_set():
            return outcome or Outcome(None, policy.first, False)
        return self._asked(policy.then, draw, branch)

    def _hedge(self, policy: Hedge, draw: Callable[[], float], branch: _Branch) -> Outcome[T]:
        ended: queue.SimpleQueue[Outcome[T]] = queue.SimpleQueue()
        first = self._begun(policy.first, draw, branch, ended)
        outcome = _next(ended, policy.after.likely / 1e3)
        if branch.cancel.is_set() or (outcome is not None and outcome.ok):
            return outcome or Outcome(None, policy.first, False)
        then = self._begun(policy.then, draw, branch, ended)
        if outcome is None:
            outcome = ended.get()
        if not outcome.ok:
            outcome = ended.get()
        for racer in (first, then):
            racer.give_up(policy.abandoned_free)
        return outcome

    def _begun(self, name: str, draw: Callable[[], float], within: _Branch, ended: queue.SimpleQueue[Outcome[T]]) -> _Branch:
        """The part, running in a thread of its own; it is cancelled where the whole is."""
        branch = _Branch(within)
        threading.Thread(target=lambda: ended.put(self._asked(name, draw, branch)), daemon=True).start()
        return branch


def _next(ended: queue.SimpleQueue[Outcome[T]], waits_s: float | None) -> Outcome[T] | None:
    try:
        return ended.get(timeout=waits_s)
    except queue.Empty:
        return None


def _drawn(policy: Split, uniform: float) -> str:
    """The part whose share of 0..1 the number falls into."""
    reached = 0.0
    for name, share in zip(policy.parts, policy.at({}), strict=True):
        reached += share
        if uniform < reached:
            return name
    return policy.parts[-1]
