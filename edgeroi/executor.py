"""Runs a policy for real, over calls of any kind: split, route, fallback, hedge and cascade, in threads or in asyncio.

It knows nothing of HTTP. A call is given the request and answers, or raises. What is late, or lost a race, is cancelled and never waited
for, also where it ignores that; who answered, why, and every call that was begun, is reported. What becomes of a request is what
``edgeroi.policy`` says of distributions, so that a prediction and a run can be held against each other:

- split: one of the parts, drawn by its share; route: the one its first rule that holds names;
- fallback: the first, unless it fails or has not answered after ``after``; then the second, behind it, whose word is final;
- hedge: the second is asked as well once the first has not answered for ``after`` or failed before; the first answer wins;
- cascade: the first; where it fails, or its answer's confidence is below the stated one or unknown, the second, whose word is final.

The edge first, and the cloud where that fails or takes more than 50 ms:

>>> from edgeroi.policyfile import load_policies, policies_of
>>> policies = policies_of({"safe": {"fallback": {"first": "edge", "then": "cloud", "after": "50 ms"}}})
>>> def edge(query, cancel):
...     cancel.wait(20)  # hangs; a client of HTTP would shut its socket down in cancel.when_set(...)
>>> def cloud(query, cancel):
...     return f"an answer to {query}"
>>> executor = Executor(policies, {"edge": edge, "cloud": cloud})
>>> def infer_with_fallback(query):
...     outcome = executor.run("safe", query)
...     return outcome.result, outcome.by
>>> infer_with_fallback("hello")
('an answer to hello', 'cloud')
>>> outcome = executor.run("safe", "hello", timeout_ms=5_000)
>>> [(turn.policy, turn.to, turn.because) for turn in outcome.turns], [(call.name, call.ending) for call in outcome.calls]
([('safe', 'cloud', 'timeout')], [('edge', 'given_up'), ('cloud', 'accepted')])
>>> executor.close()

A router that is shipped sends short questions to the edge, unless they ask for a summary, an explanation or an analysis:

>>> with Executor(load_policies("article"), {"edge": cloud, "cloud": cloud}) as executor:
...     [executor.run("router", query).by for query in ("the capital of France?", "Explain the capital of France")]
['edge', 'cloud']

Under asyncio calls are coroutines, and cancelled as tasks are. What the edge is not sure of goes on to the cloud:

>>> import asyncio
>>> policies = policies_of({"checked": {"cascade": {"first": "edge", "then": "cloud", "confidence": 0.7}}})
>>> async def small(query):
...     return "Paris", 0.9 if "capital" in query else 0.3
>>> async def large(query):
...     return "a long answer", 1.0
>>> async def answered_by(*queries):
...     calls = {"edge": small, "cloud": large}
...     async with AsyncExecutor(policies, calls, confidence=lambda answer: answer[1]) as executor:
...         return [(await executor.run("checked", query)).by for query in queries]
>>> asyncio.run(answered_by("the capital of France?", "hm?"))
['edge', 'cloud']
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from random import random
from typing import Generic, Self, TypeVar
from weakref import finalize

from edgeroi.async_executor import AsyncCall, AsyncExecutor
from edgeroi.errors import EdgeroiError
from edgeroi.spec import Cascade, Fallback, Hedge, Policy
from edgeroi.steering import GivenUp, Made, Outcome, Turn, leaves_of
from edgeroi.underway import Asked, Branch, Cancel, Ended, Steering, after_s_of, columns_of, not_asked, overdue

__all__ = ["AsyncCall", "AsyncExecutor", "Call", "Cancel", "Executor", "GivenUp", "Made", "Outcome", "Turn"]

Q = TypeVar("Q")
T = TypeVar("T")
Call = Callable[[Q, Cancel], T]

#: Threads that wait for work from the start on; more are begun where more calls are out at once, and kept.
WARM_THREADS = 4


def _waitable(seconds: float) -> float:
    """As long as a lock can be waited for: centuries."""
    return min(seconds, threading.TIMEOUT_MAX)


class _Threads:
    """Threads that wait for work: to wake one takes a fifth of the time of beginning one, and nobody waits until it runs."""

    def __init__(self, warm: int) -> None:
        self._idle: deque[queue.SimpleQueue[Callable[[], object] | None]] = deque()
        self.closed = False
        for _ in range(warm):
            self._idle.append(self._begun())

    def start(self, job: Callable[[], object]) -> None:
        """Do this in a thread that waits, in a new one where none does."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = self._begun()
        inbox.put(job)

    def close(self) -> None:
        """Let the threads go: at once those that wait, the others when they are done."""
        self.closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().put(None)

    def _begun(self) -> queue.SimpleQueue[Callable[[], object] | None]:
        inbox: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, args=(inbox,), name="edgeroi-executor", daemon=True).start()
        return inbox

    def _serve(self, inbox: queue.SimpleQueue[Callable[[], object] | None]) -> None:
        while (job := inbox.get()) is not None:
            job()
            del job  # holds a request, and what came of it
            self._idle.append(inbox)
            if self.closed:
                self.close()


class Executor(Generic[Q, T]):
    """Policies by name over calls by name; parts of a policy are either. Safe to use from many threads; ``close`` it, or use ``with``.

    ``failed`` tells a result that is no answer, ``confidence`` how sure one is (needed by a cascade; ``None``: unknown), ``columns`` what a
    route's rules may ask of a request. ``timeouts_ms``: calls by name that fail once they took so long, wherever they stand.

    ``obedient``: calls that end at once, in whatever they are, when they are cancelled. They run in the thread of whoever asks, while
    another one watches the time: on a busy machine that spares milliseconds. Where one does not keep the promise, the request waits
    for it. All others run in threads of the executor, and may ignore their cancel.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        calls: Mapping[str, Call[Q, T]],
        *,
        failed: Callable[[T], bool] | None = None,
        confidence: Callable[[T], float | None] | None = None,
        columns: Callable[[Q], Mapping[str, object]] = columns_of,
        timeouts_ms: Mapping[str, float] | None = None,
        obedient: Collection[str] = (),
        warm: int = WARM_THREADS,
    ) -> None:
        self._calls = calls
        self._steering = Steering(policies, calls, failed, confidence, columns, timeouts_ms or {})
        self._steering.check(obedient, "obedient")
        self._obedient = {name for name in (*policies, *calls) if set(leaves_of(name, policies)) <= set(obedient)}
        self._threads = _Threads(warm)
        finalize(self, self._threads.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the threads go; requests that run come to their end."""
        self._threads.close()

    def run(
        self, name: str, request: Q, *, timeout_ms: float | None = None, draw: Callable[[], float] = random, cancel: Cancel | None = None
    ) -> Outcome[T]:
        """Ask a policy or a call. ``timeout_ms`` is for the whole; ``cancel``, once set by another thread, ends it at once.

        ``draw``: a uniform number of 0..1, wanted where requests are split.
        """
        if self._threads.closed:
            raise EdgeroiError("the executor is closed", fix="run it inside its `with`")
        self._steering.check_asked(name, timeout_ms)
        whole, asked = Branch(), Asked(request, draw, threading.get_ident())
        if cancel is not None:
            cancel.when_set(whole.give_up)
        job = partial(self._part, name, asked, whole)
        try:
            if timeout_ms is None and cancel is None:
                ended: Ended[T] | None = job()
            else:
                ended = self._within(whole, None if timeout_ms is None else timeout_ms / 1e3, name, job)
        except BaseException:
            whole.give_up()
            raise
        finally:
            if cancel is not None:
                cancel.drop(whole.give_up)
        if ended is None:
            late = timeout_ms is not None and not (cancel and cancel.is_set())
            ended = Ended(None, name, error=overdue(name, timeout_ms) if late else GivenUp(f"{name} was cancelled"))
        return whole.outcome(ended)

    def _part(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        """Ask a part; whatever the functions we were given raise is how it ended, since in a thread of ours nobody would hear of it."""
        try:
            return self._served(self._steering.chosen(name, asked.request, asked.draw, branch), asked, branch)
        except BaseException as error:
            if not isinstance(error, Exception) and threading.get_ident() == asked.thread:
                raise  # Ctrl-C of whoever waits
            return Ended(None, name, error=error)

    def _served(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        policy = self._steering.policies.get(name)
        if isinstance(policy, Fallback):
            return self._fallback(name, policy, asked, branch)
        if isinstance(policy, Hedge):
            return self._hedge(name, policy, asked, branch)
        if isinstance(policy, Cascade):
            ended = self._part(policy.first, asked, branch)
            return self._part(policy.then, asked, branch) if self._steering.goes_on(name, policy, ended, branch) else ended
        limit_ms = self._steering.timeouts_ms.get(name)
        if limit_ms is None:
            return self._called(name, asked, branch)
        part = Branch(branch)
        in_time = self._within(part, limit_ms / 1e3, name, partial(self._called, name, asked, part))
        return in_time or Ended(None, name, error=overdue(name, limit_ms))

    def _called(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        call = branch.begin(name)
        if call is None:
            return not_asked(name)
        ended: Ended[T] = Ended(None, name, call=call)
        try:
            ended.result = self._calls[name](asked.request, branch.cancel)
            ended.ok = not self._steering.is_failure(ended.result)
        except BaseException as error:
            if not isinstance(error, Exception) and threading.get_ident() == asked.thread:
                raise
            ended.result, ended.error = None, error
        finally:
            branch.end(call, failed=not ended.ok)
        return ended

    def _within(self, part: Branch, after_s: float | None, name: str, job: Callable[[], Ended[T]]) -> Ended[T] | None:
        """Do it, and give the part up after so long; ``None`` where it was given up, by this or from outside."""
        if name in self._obedient:
            running = threading.Lock()
            running.acquire()
            if after_s is not None:
                self._threads.start(lambda: running.acquire(timeout=_waitable(after_s)) or part.give_up())
            try:
                ended = job()
            finally:
                running.release()
            return ended if part.settle() else None
        inbox: queue.SimpleQueue[Ended[T] | None] = queue.SimpleQueue()
        part.cancel.when_set(lambda: inbox.put(None))
        self._threads.start(lambda: inbox.put(job()))
        try:
            found = inbox.get(timeout=None if after_s is None else _waitable(after_s))
        except queue.Empty:
            part.give_up()
            return None
        return found if found is not None and part.settle() else None

    def _fallback(self, name: str, policy: Fallback, asked: Asked[Q], branch: Branch) -> Ended[T]:
        after_s = after_s_of(policy)
        if after_s is None:
            ended: Ended[T] | None = self._part(policy.first, asked, branch)
        else:
            part = Branch(branch, free=policy.abandoned_free)
            ended = self._within(part, after_s, policy.first, partial(self._part, policy.first, asked, part))
        if self._steering.falls_back(name, policy, ended, branch):
            return self._part(policy.then, asked, branch)
        assert ended is not None
        return ended

    def _hedge(self, name: str, policy: Hedge, asked: Asked[Q], branch: Branch) -> Ended[T]:
        race: _Race[T] = _Race(branch, policy)

        def run_second() -> None:
            if race.second_begins():
                race.end(race.second, self._part(policy.then, asked, race.second))

        def run_second_later() -> None:
            if not race.first_ended.acquire(timeout=_waitable(policy.after.likely / 1e3)):
                run_second()

        def run_first() -> None:
            ended = self._part(policy.first, asked, race.first)
            race.first_ended.release()
            if not race.end(race.first, ended):
                run_second()

        self._threads.start(run_second_later)
        if policy.first in self._obedient:
            run_first()
        else:
            self._threads.start(run_first)
        return self._steering.raced(name, policy, race.ended.get(), race.first, race.second, branch)


class _Race(Generic[T]):
    """Two parts of a hedge, each in a thread of its own; the first answer ends it, or the second failure, or that it is given up."""

    def __init__(self, branch: Branch, policy: Hedge) -> None:
        self.first, self.second = Branch(branch, free=policy.abandoned_free), Branch(branch, free=policy.abandoned_free)
        self.ended: queue.SimpleQueue[Ended[T] | None] = queue.SimpleQueue()
        self.first_ended, self._second_begun, self._lock = threading.Lock(), threading.Lock(), threading.Lock()
        self.first_ended.acquire()
        self._failures, self._over = 0, False
        branch.cancel.when_set(lambda: self.ended.put(None))

    def second_begins(self) -> bool:
        """Whether the second part is to begin now: once, whether the time for it or the first part's failure came first."""
        return self._second_begun.acquire(blocking=False)

    def end(self, lane: Branch, ended: Ended[T]) -> bool:
        """A part ended; whether the race is over."""
        with self._lock:
            if self._over:
                return True
            self._failures += not ended.ok
            self._over = ended.ok or self._failures == 2
        if self._over:
            (self.second if lane is self.first else self.first).give_up()
            self.ended.put(ended)
        return self._over
