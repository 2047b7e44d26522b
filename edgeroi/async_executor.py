"""Runs a policy in asyncio, over coroutines: as ``edgeroi.executor`` says, which is where to import it from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from random import random
from typing import Any, Generic, Self, TypeVar

from edgeroi.spec import Cascade, Fallback, Hedge, Policy
from edgeroi.steering import Outcome
from edgeroi.underway import Asked, Branch, Ended, Steering, after_s_of, columns_of, not_asked, overdue

Q = TypeVar("Q")
T = TypeVar("T")
AsyncCall = Callable[[Q], Awaitable[T]]


class AsyncExecutor(Generic[Q, T]):
    """The same over coroutines, in the event loop that runs it; see ``Executor``. What is given up is cancelled as a task is.

    A coroutine that goes on after its cancel is not waited for, except by ``aclose``.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        calls: Mapping[str, AsyncCall[Q, T]],
        *,
        failed: Callable[[T], bool] | None = None,
        confidence: Callable[[T], float | None] | None = None,
        columns: Callable[[Q], Mapping[str, object]] = columns_of,
        timeouts_ms: Mapping[str, float] | None = None,
    ) -> None:
        self._calls = calls
        self._steering = Steering(policies, calls, failed, confidence, columns, timeouts_ms or {})
        self._tasks: set[asyncio.Task[Ended[T]]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self, grace_s: float = 1.0) -> None:
        """Wait for what was given up and has not come to its end, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)

    async def run(self, name: str, request: Q, *, timeout_ms: float | None = None, draw: Callable[[], float] = random) -> Outcome[T]:
        """Ask a policy or a call. Cancel the task that waits for it, and every call is cancelled. The rest as of ``Executor.run``."""
        self._steering.check_asked(name, timeout_ms)
        whole, asked = Branch(), Asked(request, draw)
        try:
            if timeout_ms is None:
                return whole.outcome(await self._part(name, asked, whole))
            ended = await self._within(whole, timeout_ms / 1e3, self._part(name, asked, whole))
        except BaseException:
            whole.give_up()
            raise
        return whole.outcome(ended or Ended(None, name, error=overdue(name, timeout_ms)))

    async def _part(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        """Ask a part; whatever the functions we were given raise is how it ended."""
        try:
            return await self._served(self._steering.chosen(name, asked.request, asked.draw, branch), asked, branch)
        except Exception as error:
            return Ended(None, name, error=error)

    async def _served(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        policy = self._steering.policies.get(name)
        if isinstance(policy, Fallback):
            return await self._fallback(name, policy, asked, branch)
        if isinstance(policy, Hedge):
            return await self._hedge(name, policy, asked, branch)
        if isinstance(policy, Cascade):
            ended = await self._part(policy.first, asked, branch)
            return await self._part(policy.then, asked, branch) if self._steering.goes_on(name, policy, ended, branch) else ended
        limit_ms = self._steering.timeouts_ms.get(name)
        if limit_ms is None:
            return await self._called(name, asked, branch)
        part = Branch(branch)
        in_time = await self._within(part, limit_ms / 1e3, self._called(name, asked, part))
        return in_time or Ended(None, name, error=overdue(name, limit_ms))

    async def _called(self, name: str, asked: Asked[Q], branch: Branch) -> Ended[T]:
        call = branch.begin(name)
        if call is None:
            return not_asked(name)
        ended: Ended[T] = Ended(None, name, call=call)
        try:
            ended.result = await self._calls[name](asked.request)
            ended.ok = not self._steering.is_failure(ended.result)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if branch.given_up or (task and task.cancelling()):
                raise
            ended.error = error  # nobody of ours cancelled it: a failure like any
        except Exception as error:
            ended.result, ended.error = None, error
        finally:
            branch.end(call, failed=not ended.ok)
        return ended

    def _begun(self, part: Branch, job: Coroutine[Any, Any, Ended[T]]) -> asyncio.Task[Ended[T]]:
        """A task that is cancelled where the part is given up."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        part.cancel.when_set(task.cancel)
        return task

    async def _within(self, part: Branch, after_s: float, job: Coroutine[Any, Any, Ended[T]]) -> Ended[T] | None:
        task = self._begun(part, job)
        try:
            await asyncio.wait((task,), timeout=after_s)
        except asyncio.CancelledError:
            part.give_up()
            raise
        if (ended := _end_of(task)) and part.settle():
            return ended
        part.give_up()
        return None

    async def _fallback(self, name: str, policy: Fallback, asked: Asked[Q], branch: Branch) -> Ended[T]:
        after_s = after_s_of(policy)
        if after_s is None:
            ended: Ended[T] | None = await self._part(policy.first, asked, branch)
        else:
            part = Branch(branch, free=policy.abandoned_free)
            ended = await self._within(part, after_s, self._part(policy.first, asked, part))
        if self._steering.falls_back(name, policy, ended, branch):
            return await self._part(policy.then, asked, branch)
        assert ended is not None
        return ended

    async def _hedge(self, name: str, policy: Hedge, asked: Asked[Q], branch: Branch) -> Ended[T]:
        first, second = Branch(branch, free=policy.abandoned_free), Branch(branch, free=policy.abandoned_free)
        tasks = [self._begun(first, self._part(policy.first, asked, first))]
        try:
            await asyncio.wait(tasks, timeout=policy.after.likely / 1e3)
            if not _answer_of(tasks):
                tasks.append(self._begun(second, self._part(policy.then, asked, second)))
            while not (answer := _answer_of(tasks)) and (running := [task for task in tasks if not task.done()]):
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for lane in (first, second):
                lane.give_up()
            raise
        for lane in (first, second):
            if answer is None or answer.call not in lane.calls:
                lane.give_up()
        return self._steering.raced(name, policy, answer or _end_of(tasks[-1]), first, second, branch)


def _end_of(task: asyncio.Task[Ended[T]]) -> Ended[T] | None:
    """How its part ended; ``None`` where it has not, or was cancelled."""
    return task.result() if task.done() and not task.cancelled() else None


def _answer_of(tasks: Sequence[asyncio.Task[Ended[T]]]) -> Ended[T] | None:
    """The first answer there is."""
    return next((ended for task in tasks if (ended := _end_of(task)) and ended.ok), None)
