"""Shares tasks out to processes that each take the next one nobody has, and stops them within a moment of Ctrl-C.

A compressed stream is decompressed by the process that took it. Once another process has no task left, it is handed blocks of the
stream's lines: one is decompressing, the others parse, and nothing waits in between, so that memory stays what it was.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edgeroi.engines.counting import Bin, merge
from edgeroi.engines.folding import Fold
from edgeroi.engines.reader import Block, Part, Plan, Reader
from edgeroi.errors import EdgeroiError, InternalFault
from edgeroi.memory import keep_freed, seek_cycles_rarely
from edgeroi.workload import Partial

Progress = Callable[[int, int], None]


class Run:
    """All tasks of a call, what came of them, and whether it was interrupted."""

    def __init__(self, plan: Plan, progress: Progress, interrupted: Callable[[], bool]) -> None:
        self.plan, self.progress, self.is_interrupted = plan, progress, interrupted
        self.parts: dict[tuple[int, int], Part] = {}
        self.partials: dict[Bin, Partial] = {}
        self.fold: Fold | None = None
        self.done = 0
        self.total = sum(plan.bytes_of(task) for task in plan.tasks)

    def go(self, processes: int) -> None:
        """Read everything."""
        once_only = [number for number, task in enumerate(self.plan.tasks) if self.plan.inputs[task.file].source.bytes is None]
        others = [number for number in range(len(self.plan.tasks)) if number not in set(once_only)]
        if not any(self.plan.is_stream_of_lines(self.plan.tasks[number]) for number in others):
            processes = min(processes, len(others))
        if processes <= 1:
            self._here([*once_only, *others])
        else:
            if once_only:
                self._here(once_only)
            self._there(others, processes)

    def take(self, part: Part) -> None:
        """Keep what a part told."""
        self.parts[part.task, part.block] = part

    def parts_of(self, file: int) -> list[Part]:
        """The parts of a file that there are, in the order of its lines."""
        return [self.parts[slot] for slot in sorted(self.parts) if self.plan.tasks[slot[0]].file == file]

    def _here(self, numbers: Sequence[int]) -> None:
        """In this process, one after the other."""
        reader = Reader(self.plan, self._tell, self.is_interrupted)
        for number in numbers:
            if self.is_interrupted():
                break
            for part in reader.read(number):
                self.take(part)
        merge(self.partials, reader.partials())
        if reader.folding is not None:
            self.take_fold(reader.folding.fold)

    def take_fold(self, fold: Fold) -> None:
        """Keep what a process folded."""
        self.fold = fold if self.fold is None else self.fold + fold

    def _tell(self, read: int) -> None:
        self.done += read
        self.progress(self.done, self.total)

    def _there(self, numbers: Sequence[int], processes: int) -> None:
        """In processes that each take the next task that nobody has."""
        context = _context()
        shares = _Shares(context, numbers, processes)
        ends, workers = list[Any](), list[Any]()
        for _ in range(processes):
            here, there = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(there, self.plan, shares), daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of threads at a fork; numpy's wait for work and hold no lock of ours.
                warnings.simplefilter("ignore", DeprecationWarning)
                worker.start()
            there.close()
            ends.append(here)
            workers.append(worker)
        try:
            self._gather(ends, shares)
        except BaseException:
            for worker in workers:  # one that waits for another that is gone would wait for ever
                worker.kill()
            raise
        finally:
            shares.stop.set()
            for worker in workers:
                worker.join()

    def _gather(self, ends: list[Any], shares: _Shares) -> None:
        while ends:
            ready = multiprocessing.connection.wait(ends, timeout=0.1)
            if self.is_interrupted() and not shares.stop.is_set():
                shares.stop.set()
            for end in ready:
                if self._received(end):
                    ends.remove(end)
            if shares.done.value + self.done:
                self.progress(self.done + shares.done.value, self.total)

    def _received(self, end: Any) -> bool:
        """Take one message of a worker; whether it was its last."""
        try:
            kind, told = end.recv()
        except EOFError:
            raise EdgeroiError("a reading process was ended from outside (out of memory?)", fix="try --jobs 1") from None
        if kind == "part":
            self.take(told)
        elif kind == "partials":
            merge(self.partials, told)
        elif kind == "fold":
            self.take_fold(told)
        elif kind == "mistake":
            raise told
        else:
            raise InternalFault(told)
        return bool(kind == "partials")


class _Shares:
    """What the processes share: which tasks are taken, how much is read, and blocks handed to those who have no task left."""

    def __init__(self, context: Any, numbers: Sequence[int], processes: int) -> None:
        self.numbers = numbers
        self.stop, self.done = context.Event(), context.Value("q", 0)
        self._lock, self._blocks = context.Lock(), context.SimpleQueue()
        self._taken, self._busy, self._idle = (context.Value("l", start, lock=False) for start in (0, processes, 0))

    def tell(self, read: int) -> None:
        """So many bytes more were read."""
        with self.done.get_lock():
            self.done.value += read

    def tasks(self) -> Iterator[int]:
        """The tasks that fall to this process."""
        while not self.stop.is_set():
            with self._lock:
                mine, self._taken.value = self._taken.value, self._taken.value + 1
            if mine >= len(self.numbers):
                return
            yield self.numbers[mine]

    def blocks(self) -> Iterator[Block]:
        """The blocks that are handed to this process, until no process has anything left to hand over."""
        while (block := self._awaited()) is not None:
            yield block

    def _awaited(self) -> Block | None:
        with self._lock:
            self._busy.value -= 1
            self._idle.value += 1
            waiting = 0 if self._busy.value else self._idle.value
        for _ in range(waiting):
            self._blocks.put(None)
        block: Block | None = self._blocks.get()
        return block

    def hand_over(self, block: Block) -> bool:
        """Hand a block to a process that waits for one; whether there was any."""
        with self._lock:
            if not self._idle.value:
                return False
            self._idle.value -= 1
            self._busy.value += 1
        self._blocks.put(block)
        return True


def _context() -> Any:
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return multiprocessing.get_context("fork" if forks else "spawn")


def _work(end: Any, plan: Plan, shares: _Shares) -> None:
    """A worker: tasks until there are none or it is told to stop, blocks of others' tasks, then what they came to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed()
    seek_cycles_rarely()
    try:
        reader = Reader(plan, shares.tell, shares.stop.is_set, shares.hand_over)
        for number in shares.tasks():
            for part in reader.read(number):
                end.send(("part", part))
        for block in shares.blocks():
            end.send(("part", reader.read_block(block)))
        if reader.folding is not None:
            end.send(("fold", reader.folding.fold))
        end.send(("partials", reader.partials()))
    except EdgeroiError as error:
        end.send(("mistake", type(error)(str(error))))
    except Exception:
        end.send(("fault", traceback.format_exc()))


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C sets a flag that is looked at between pieces, so that what was read stays whole; a second one ends the process."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return

    def note(signum: int, frame: object) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before)
