"""Shares tasks out to processes that each take the next one nobody has, and stops them within a moment of Ctrl-C."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from edgeroi.engines.counting import Bin, merge
from edgeroi.engines.reader import Part, Plan, Reader
from edgeroi.errors import EdgeroiError, InternalFault
from edgeroi.logs.reading import Reading
from edgeroi.workload import Partial

Progress = Callable[[int, int], None]


class Run:
    """All tasks of a call, what came of them, and whether it was interrupted."""

    def __init__(self, plan: Plan, reading: Reading, progress: Progress) -> None:
        self.plan, self.reading, self.progress = plan, reading, progress
        self.parts: dict[int, Part] = {}
        self.partials: dict[Bin, Partial] = {}
        self.interrupted = False
        self.done = 0
        self.total = sum(plan.bytes_of(task) for task in plan.tasks)

    def go(self, processes: int) -> None:
        """Read everything."""
        once_only = [number for number, task in enumerate(self.plan.tasks) if self.plan.inputs[task.file].source.bytes is None]
        others = [number for number in range(len(self.plan.tasks)) if number not in set(once_only)]
        if processes == 1 or len(others) < 2:
            self._here([*once_only, *others])
        else:
            self._here(once_only)
            self._there(others, min(processes, len(others)))

    def _here(self, numbers: Sequence[int]) -> None:
        """In this process, one after the other."""
        with interruptible() as interrupted:
            reader = Reader(self.plan, self._tell, interrupted)
            for number in numbers:
                if interrupted():
                    break
                self._take(reader.read(number))
            merge(self.partials, reader.partials())
            self.interrupted |= interrupted()

    def _tell(self, read: int) -> None:
        self.done += read
        self.progress(self.done, self.total)

    def _take(self, part: Part) -> None:
        self.parts[part.task] = part

    def _there(self, numbers: Sequence[int], processes: int) -> None:
        """In processes that each take the next task that nobody has."""
        context = _context()
        taken, done, stop = context.Value("l", 0), context.Value("q", 0), context.Event()
        ends = []
        workers = []
        for _ in range(processes):
            here, there = context.Pipe(duplex=False)
            shared = (there, self.plan, numbers, taken, done, stop)
            worker = context.Process(target=_work, args=shared, daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of threads at a fork; numpy's wait for work and hold no lock of ours.
                warnings.simplefilter("ignore", DeprecationWarning)
                worker.start()
            there.close()
            ends.append(here)
            workers.append(worker)
        try:
            with interruptible() as interrupted:
                self._gather(ends, done, stop, interrupted)
        finally:
            stop.set()
            for worker in workers:
                worker.join(timeout=5)
                if worker.is_alive():
                    worker.terminate()

    def _gather(self, ends: list[Any], done: Any, stop: Any, interrupted: Callable[[], bool]) -> None:
        while ends:
            ready = multiprocessing.connection.wait(ends, timeout=0.1)
            if interrupted() and not stop.is_set():
                stop.set()
                self.interrupted = True
            for end in ready:
                if self._received(end):
                    ends.remove(end)
            if done.value + self.done:
                self.progress(self.done + done.value, self.total)

    def _received(self, end: Any) -> bool:
        """Take one message of a worker; whether it was its last."""
        try:
            kind, told = end.recv()
        except EOFError:
            raise EdgeroiError("a reading process was ended from outside (out of memory?)", fix="try --jobs 1") from None
        if kind == "part":
            self._take(told)
        elif kind == "partials":
            merge(self.partials, told)
        elif kind == "mistake":
            raise told
        else:
            raise InternalFault(told)
        return bool(kind == "partials")


def _context() -> Any:
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return multiprocessing.get_context("fork" if forks else "spawn")


def _work(end: Any, plan: Plan, numbers: Sequence[int], taken: Any, done: Any, stop: Any) -> None:
    """A worker: tasks until there are none or it is told to stop, then what they came to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_freed_memory()

    def told(read: int) -> None:
        with done.get_lock():
            done.value += read

    try:
        reader = Reader(plan, told, stop.is_set)
        while not stop.is_set():
            with taken.get_lock():
                mine, taken.value = taken.value, taken.value + 1
            if mine >= len(numbers):
                break
            end.send(("part", reader.read(numbers[mine])))
        end.send(("partials", reader.partials()))
    except EdgeroiError as error:
        end.send(("mistake", type(error)(str(error))))
    except Exception:
        end.send(("fault", traceback.format_exc()))


#: ``mallopt`` parameters of the GNU C library (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def _keep_freed_memory() -> None:
    """Have the C library of this process keep what is freed: every piece asks for the same columns again.

    Given back to the system and fetched anew, page by page, they cost a third of the time. Where the library is another one, nothing
    changes. Only in a process of our own: what the caller's process does with its memory is not ours to say.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 1 << 23)):
            mallopt(parameter, value)


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
