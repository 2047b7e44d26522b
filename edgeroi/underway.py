"""A request while a policy serves it: what is asked, what was begun, what is given up; decided alike in threads and in asyncio.

Guarantees: whether a part ended or was given up is decided once, under one lock, by whoever comes first; no call is begun for a part that
was given up; every call that was begun is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.spec import Cascade, Fallback, Hedge, Policy, Route, Split
from edgeroi.steering import GivenUp, Made, Outcome, Turn, check_runnable, drawn, is_sure, routed

Q = TypeVar("Q")
T = TypeVar("T")


class Cancel(threading.Event):
    """Set where an answer is no longer wanted. ``when_set`` says what to do then: shut a connection down, kill a process.

    That is to be quick: whoever cancels does it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._acts: list[Callable[[], object]] = []
        self._guard = threading.Lock()

    def set(self) -> None:
        """Cancel, and do what was asked for, whether it works or not; a second time does nothing."""
        with self._guard:
            super().set()
            acts, self._acts = self._acts, []
        for act in acts:
            with suppress(Exception):
                act()

    def when_set(self, act: Callable[[], object]) -> None:
        """Do this once cancelled: at once where that has happened."""
        with self._guard:
            if not self.is_set():
                self._acts.append(act)
                return
        act()

    def drop(self, act: Callable[[], object]) -> None:
        """Do this no more."""
        with self._guard, suppress(ValueError):
            self._acts.remove(act)


def columns_of(request: object) -> Mapping[str, object]:
    """What a route's rules may ask of a request: a text is its ``prompt``, a mapping has its columns."""
    if isinstance(request, str):
        return {"prompt": request}
    if isinstance(request, Mapping):
        return request
    fix = "give columns=, a function of a request"
    raise EdgeroiError(f"what a rule asks of a {type(request).__name__} is not known", key="columns", fix=fix)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q]):
    """A request, and how a split draws for it. ``thread``: where whoever asks waits."""

    request: Q
    draw: Callable[[], float]
    thread: int | None = None


@dataclass(slots=True, eq=False)
class Begun:
    """A call that was begun."""

    name: str
    ended: bool = False
    failed: bool = False
    given_up: bool = False
    paid: bool = True

    def told(self, accepted: bool) -> Made:
        """As it is reported; ``accepted``: whether its answer was."""
        if self.given_up:
            return Made(self.name, "given_up", self.paid)
        return Made(self.name, "failed" if self.failed else "accepted" if accepted else "not_taken")


@dataclass(slots=True)
class Ended(Generic[T]):
    """How a part came to its end; ``call`` is the one that ended it, ``None`` where that was never begun."""

    result: T | None
    by: str
    ok: bool = False
    error: BaseException | None = None
    call: Begun | None = None


class Branch:
    """One part of a policy while it runs: how to cancel it, and the calls begun for it, those of policies inside it too.

    All branches of a request share one lock: whether a part ended or was given up first is decided once, by whoever comes first, and
    no call is begun for a part that was given up. ``free``: calls that are given up with it are not billed.
    """

    def __init__(self, within: Branch | None = None, *, free: bool = False) -> None:
        self.cancel, self.calls, self.turns = Cancel(), list[Begun](), list[Turn]()
        self._lock: threading.Lock = within._lock if within else threading.Lock()
        self._within, self._free = within, free
        self._state: Literal["open", "ended", "given_up"] = "open"
        if within is not None:
            within.cancel.when_set(self.cancel.set)

    @property
    def given_up(self) -> bool:
        """Whether it, or what it is a part of, was."""
        return self._state == "given_up" or (self._within is not None and self._within.given_up)

    def _line(self) -> list[Branch]:
        return [self, *(self._within._line() if self._within else ())]

    def begin(self, name: str) -> Begun | None:
        """A call of this part; ``None`` where nobody wants it any more."""
        with self._lock:
            if self.given_up:
                return None
            call = Begun(name)
            for branch in self._line():
                branch.calls.append(call)
            return call

    def end(self, call: Begun, *, failed: bool) -> None:
        """The call came to its end; one that was given up before stays that."""
        with self._lock:
            call.ended, call.failed = True, failed

    def take(self, turn: Turn) -> None:
        """A decision, told unless the part was given up meanwhile."""
        with self._lock:
            if not self.given_up:
                self._line()[-1].turns.append(turn)

    def settle(self) -> bool:
        """It ended: whether that was before it was given up. From here on it cannot be."""
        with self._lock:
            if self._state != "open" or self.given_up:
                return False
            self._state = "ended"
            return True

    def give_up(self) -> bool:
        """Cancel it, unless it has ended before: what still runs is given up. Whether it was this that did it."""
        with self._lock:
            if self._state != "open":
                return False
            self._state = "given_up"
            for call in self.calls:
                if not call.ended and not call.given_up:
                    call.given_up, call.paid = True, not self._free
        self.cancel.set()
        return True

    def outcome(self, ended: Ended[T]) -> Outcome[T]:
        """The record of the whole."""
        with self._lock:
            calls = tuple(call.told(ended.ok and call is ended.call) for call in self.calls)
            return Outcome(ended.result, ended.by, ended.ok, ended.error, calls, tuple(self.turns))


@dataclass(frozen=True)
class Steering(Generic[Q, T]):
    """What threads and asyncio decide alike."""

    policies: Mapping[str, Policy]
    names: Collection[str]
    failed: Callable[[T], bool] | None
    confidence: Callable[[T], float | None] | None
    columns: Callable[[Q], Mapping[str, object]]
    timeouts_ms: Mapping[str, float]

    def __post_init__(self) -> None:
        check_runnable(self.policies, self.names, self.confidence is not None)
        self.check(self.timeouts_ms, "timeouts_ms")
        for name, ms in self.timeouts_ms.items():
            _check_timeout(ms, name)

    def check(self, names: Collection[str], key: str) -> None:
        """Raise ``EdgeroiError`` where one of these is no call."""
        for name in names:
            if name not in self.names:
                raise EdgeroiError(f"no call {name!r}", key=key, fix=did_you_mean(name, self.names))

    def check_asked(self, name: str, timeout_ms: float | None) -> None:
        """Raise ``EdgeroiError`` where this is no policy and no call, or no timeout."""
        _check_timeout(timeout_ms, "timeout_ms")
        if name not in self.policies and name not in self.names:
            raise EdgeroiError(f"no policy and no call {name!r}", fix=did_you_mean(name, (*self.policies, *self.names)))

    def chosen(self, name: str, request: Q, draw: Callable[[], float], branch: Branch) -> str:
        """What to ask: splits and routes choose among their parts, down to a call or a policy that looks at answers."""
        policy = self.policies.get(name)
        if isinstance(policy, Split):
            branch.take(Turn(name, to := drawn(policy, draw()), "share"))
        elif isinstance(policy, Route):
            to, rule = routed(policy, self.columns(request))
            sure = policy.otherwise_confidence if rule is None else policy.rules[rule - 1].confidence
            branch.take(Turn(name, to, "otherwise" if rule is None else "rule", rule=rule, confidence=sure))
        else:
            return name
        return self.chosen(to, request, draw, branch)

    def is_failure(self, result: T) -> bool:
        """Whether a result is no answer."""
        return self.failed is not None and self.failed(result)

    def falls_back(self, name: str, policy: Fallback, ended: Ended[T] | None, branch: Branch) -> bool:
        """Whether the second part is asked; ``ended`` is ``None`` where the first was late."""
        if ended is None or (not ended.ok and "error" in policy.on):
            branch.take(Turn(name, policy.then, "timeout" if ended is None else "error"))
            return True
        branch.take(Turn(name, policy.first, "answered" if ended.ok else "failed"))
        return False

    def raced(self, name: str, policy: Hedge, ended: Ended[T] | None, first: Branch, second: Branch, branch: Branch) -> Ended[T]:
        """How a hedge ended: ``ended`` is the answer, or the last failure, or ``None`` where it was given up."""
        if ended is None:
            return not_asked(name)
        to = policy.first if ended.call in first.calls else policy.then
        branch.take(Turn(name, to, "failed" if not ended.ok else "sooner" if second.calls else "answered"))
        return ended

    def goes_on(self, name: str, policy: Cascade, ended: Ended[T], branch: Branch) -> bool:
        """Whether a cascade's second part is asked; a judge that fails leaves the answer in doubt."""
        if not ended.ok:
            branch.take(Turn(name, policy.then, "error"))
            return True
        confidence: float | None = None
        assert self.confidence is not None
        with suppress(Exception):
            confidence = self.confidence(ended.result)  # type: ignore[arg-type]  # of an answer
        sure = is_sure(policy, confidence)
        branch.take(Turn(name, policy.first if sure else policy.then, "sure" if sure else "doubted", confidence=confidence))
        return not sure


def _check_timeout(ms: float | None, key: str) -> None:
    if ms is not None and not ms > 0:
        raise EdgeroiError("a timeout is more than 0 ms", key=key)


def not_asked(name: str) -> Ended[Any]:
    """How a part ends whose time never came."""
    return Ended(None, name, error=GivenUp(f"{name} was not wanted any more"))


def after_s_of(policy: Fallback) -> float | None:
    """How long its first part is waited for, s; ``None``: as long as it takes."""
    return policy.after.likely / 1e3 if policy.after and "timeout" in policy.on else None


def overdue(name: str, ms: float | None) -> TimeoutError:
    """What is told of a part whose time was over."""
    return TimeoutError(f"{name} had not answered after {ms:g} ms")
