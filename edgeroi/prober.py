"""Sends what a schedule says, when it says so, and hands over what came back.

Threads, each with the next request of the schedule in hand, sleep until shortly before its time and spin through the rest: measured,
that is late by a tenth of a millisecond, where an event loop is late by one. The garbage collector rests meanwhile. Nothing is
corrected afterwards: a request that went out late carries its lateness, and a run that was late too often is not to be trusted.
"""

from __future__ import annotations

import gc
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from time import perf_counter_ns, sleep

from edgeroi.doors import door_of
from edgeroi.exchange import Exchange, Stamps
from edgeroi.probe_plan import ProbePlan
from edgeroi.schedule import Send

#: Before the first request: threads are started by then.
RUN_UP = timedelta(milliseconds=50)
_RUN_UP_NS = 50_000_000
#: Sleeping wakes within this of its time; the rest is spun away.
_SPIN_NS = 400_000
#: An event's wait is coarser than a sleep: it ends this long before.
_COARSE_NS = 3_000_000
#: Another thread may take the interpreter after this; 5 ms, the usual, would be seen in every percentile.
_SWITCH_S = 0.0002
#: How long requests that are out may still take when the run is interrupted.
_GRACE_S = 1.0
#: A target that asks to be left alone is left alone at most so long.
_LONGEST_PAUSE_S = 120.0

#: How often whoever watches a run is told of it.
_TICK_S = 0.3

#: Told every exchange as it ends; runs on the caller's thread.
Heard = Callable[[Exchange], None]
#: Told now and then how many requests were sent, by target; runs on the caller's thread.
Tick = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class Conduct:
    """How the run itself went, by target: requests asked for, sent, and not sent because the target asked for a pause or money ran out.

    ``capped``: sends whose time had come before a thread was free. ``abandoned``: out when the run was interrupted, their end unknown.
    """

    asked: Mapping[str, int]
    sent: Mapping[str, int]
    paused: Mapping[str, int]
    unpaid: Mapping[str, int]
    capped: int = 0
    abandoned: int = 0
    interrupted: bool = False
    most_usd: Decimal | None = None


@dataclass
class _Budget:
    """What may still be spent; every request reserves the most it can cost before it goes out."""

    left: Decimal | None
    each: Sequence[Decimal]
    spent: Decimal = Decimal(0)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pays(self, target: int) -> bool:
        """Whether one more request can be paid; it is, if so."""
        if self.left is None:
            return True
        with self.lock:
            if self.each[target] > self.left:
                return False
            self.left -= self.each[target]
            self.spent += self.each[target]
            return True


class Prober:
    """One run over a plan's targets. ``each_usd``: the most one request to each target can cost, needed where ``max_usd`` is given.

    ``seed``: of what a split draws. A run's clock is at 0 ``RUN_UP`` after ``run`` was called.
    """

    def __init__(
        self,
        plan: ProbePlan,
        *,
        max_usd: Decimal | None = None,
        each_usd: Sequence[Decimal] = (),
        seed: int = 1,
    ) -> None:
        self.plan, self._seed = plan, seed
        self._numbers = numbers = {target.name: number for number, target in enumerate(plan.targets)}
        self._leaves = tuple(tuple(numbers[leaf] for leaf in dict.fromkeys(plan.asked_by(name))) for name in numbers)
        self._doors = tuple(door_of(target, plan) for target in plan.targets)
        self._budget = _Budget(max_usd, each_usd)
        self._stop = threading.Event()
        self._ended: queue.SimpleQueue[Exchange | BaseException | None] = queue.SimpleQueue()

    def run(self, sends: Sequence[Send], heard: Heard, tick: Tick | None = None) -> Conduct:
        """Send all of it; ``heard`` is told each exchange as it ends. Ctrl-C ends the run early and is told in the result.

        ``tick`` is told a few times a second how many requests were sent, by target.
        """
        line = _Line(sends, self._stop, self._leaves, closed=self.plan.mode == "closed")
        interrupted = False
        threads = [threading.Thread(target=self._work, args=(line,), daemon=True) for _ in range(min(self.plan.in_flight, len(sends)))]
        with _undisturbed():
            line.start_ns = perf_counter_ns() + _RUN_UP_NS
            for thread in threads:
                thread.start()
            try:
                self._listen(len(threads), heard, tick and (lambda: tick(self._by_name(line.sent))))
            except KeyboardInterrupt:
                interrupted = True
                self._stop.set()
                self._listen_on(threads, heard)
        for door in self._doors:
            door.close()
        return self._conduct(line, sends, interrupted)

    def _by_name(self, of: Mapping[int, int]) -> dict[str, int]:
        return {name: of.get(number, 0) for name, number in self._numbers.items()}

    def _conduct(self, line: _Line, sends: Sequence[Send], interrupted: bool) -> Conduct:
        counted = self._by_name
        asked: dict[int, int] = {}
        for send in sends:
            asked[send.target] = asked.get(send.target, 0) + 1
        most = self._budget.spent if self._budget.left is not None else None
        out = sum(line.sent.values()) - line.ended
        return Conduct(counted(asked), counted(line.sent), counted(line.paused), counted(line.unpaid), line.capped, out, interrupted, most)

    def _listen(self, threads: int, heard: Heard, tick: Callable[[], None] | None) -> None:
        """Pass on what ends until every thread has said that it is done."""
        ticked_ns = perf_counter_ns()
        while threads:
            if tick and perf_counter_ns() - ticked_ns > _TICK_S * 1e9:
                tick()
                ticked_ns = perf_counter_ns()
            try:
                ended = self._ended.get(timeout=_TICK_S if tick else None)
            except queue.Empty:
                continue
            if ended is None:
                threads -= 1
            elif isinstance(ended, BaseException):
                raise ended
            else:
                heard(ended)

    def _listen_on(self, threads: Sequence[threading.Thread], heard: Heard) -> None:
        """After an interruption: what ends within the grace is still heard."""
        until = perf_counter_ns() + int(_GRACE_S * 1e9)
        while any(thread.is_alive() for thread in threads) and (left := until - perf_counter_ns()) > 0:
            try:
                ended = self._ended.get(timeout=left / 1e9)
            except queue.Empty:
                return
            if isinstance(ended, Exchange):
                heard(ended)

    def _work(self, line: _Line) -> None:
        try:
            for send in line.taken():
                if not self._budget.pays(send.target):
                    line.count(line.unpaid, send)
                    continue
                line.count(line.sent, send)
                ended = self._exchange(send, line)
                line.ended_one()
                self._ended.put(ended)
        except BaseException as error:
            self._ended.put(error)
        self._ended.put(None)

    def _exchange(self, send: Send, line: _Line) -> Exchange:
        target = self.plan.targets[send.target]
        labels = {"workload": self.plan.workload, **target.labels}
        base = Exchange(target.name, line.intended_ns(send), Stamps(), block=send.block, labels=labels)
        base = replace(base, warm=send.phase == "warm", cold=send.phase == "cold")
        draw = Random(f"{self._seed} {send.block} {send.target}").random
        exchange, pauses = self._doors[send.target].exchange(send.payload, base, draw)
        for name, seconds in pauses.items():
            line.pause(self._numbers[name], seconds)
        return on_run_clock(exchange, line.start_ns)


def on_run_clock(exchange: Exchange, start_ns: int) -> Exchange:
    """The same exchange with 0 at the start of the run."""

    def since(moment: int | None) -> int | None:
        return None if moment is None else moment - start_ns

    stamps, answer = exchange.stamps, exchange.answer
    moved = replace(
        stamps,
        begun=stamps.begun - start_ns,
        sent=since(stamps.sent),
        first_byte=since(stamps.first_byte),
        last_byte=since(stamps.last_byte),
    )
    told = replace(answer, content_ns=tuple(at - start_ns for at in answer.content_ns), done_ns=since(answer.done_ns))
    return replace(exchange, intended_ns=exchange.intended_ns - start_ns, stamps=moved, answer=told)


class _Line:
    """The schedule as the threads share it: each takes the next request and waits for its time. ``leaves``: whom each target asks."""

    def __init__(self, sends: Sequence[Send], stop: threading.Event, leaves: Sequence[Sequence[int]], *, closed: bool) -> None:
        self._sends, self._stop, self._leaves = iter(sends), stop, leaves
        self._lock, self._closed = threading.Lock(), closed
        self._until: dict[int, int] = {}
        self.start_ns = 0
        self.sent: dict[int, int] = {}
        self.paused: dict[int, int] = {}
        self.unpaid: dict[int, int] = {}
        self.ended = 0
        self.capped = 0

    def taken(self) -> Iterator[Send]:
        """The next requests for this thread, each when its time has come; those of a target that asked for a pause are left out."""
        while not self._stop.is_set():
            with self._lock:
                send = next(self._sends, None)
                if send is None:
                    return
                self.capped += not self._closed and perf_counter_ns() > self.start_ns + send.at_ns
            if not self._waited_for(self.start_ns + send.at_ns):
                return
            if max(self._until.get(leaf, 0) for leaf in self._leaves[send.target]) > perf_counter_ns():
                self.count(self.paused, send)
            else:
                yield send

    def intended_ns(self, send: Send) -> int:
        """When a request is meant to go out: as scheduled; in a closed loop when the sender turns to it, which hides its waiting."""
        return max(perf_counter_ns(), self.start_ns + send.at_ns) if self._closed else self.start_ns + send.at_ns

    def _waited_for(self, moment_ns: int) -> bool:
        """Sleep, then spin, to a moment; false where the run was stopped meanwhile."""
        left = moment_ns - perf_counter_ns()
        if left > 2 * _COARSE_NS and self._stop.wait((left - _COARSE_NS) / 1e9):
            return False
        left = moment_ns - perf_counter_ns()
        if left > _SPIN_NS:
            sleep((left - _SPIN_NS) / 1e9)
        while perf_counter_ns() < moment_ns:
            pass
        return not self._stop.is_set()

    def count(self, of: dict[int, int], send: Send) -> None:
        """One more of these."""
        with self._lock:
            of[send.target] = of.get(send.target, 0) + 1

    def ended_one(self) -> None:
        """One more exchange came to its end."""
        with self._lock:
            self.ended += 1

    def pause(self, target: int, seconds: float) -> None:
        """Leave a target alone for so long, as it asked."""
        with self._lock:
            until = perf_counter_ns() + int(min(seconds, _LONGEST_PAUSE_S) * 1e9)
            self._until[target] = max(self._until.get(target, 0), until)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection, and short turns for threads, while the block runs."""
    before, collecting = sys.getswitchinterval(), gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        if collecting:
            gc.enable()
        gc.unfreeze()
