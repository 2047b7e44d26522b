"""Reads logs with the processes of this machine.

A file of lines is cut into ranges of 8 MiB; each process takes the next range that nobody has, counts its requests into a census
of its own, and hands it over at the end. Counting does not depend on who read what, so the profile is the same for any number of
processes; memory does not depend on the size of the files.
"""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from xxhash import xxh3_128

from edgeroi.aggregate import Aggregate
from edgeroi.census import MOST_GROUPS as MOST_COUNTED
from edgeroi.census import Census
from edgeroi.cuts import cut_labels
from edgeroi.errors import EdgeroiError, InternalFault, OutputFailed, Place
from edgeroi.logs.format import (
    HEAD_BYTES,
    RAW_BYTES,
    Chunk,
    Detected,
    Fault,
    Head,
    LineFormat,
    LooksOver,
    NoLog,
    Settled,
    candidates,
    detect,
)
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.pieces import NewlineCount, Piece, pieces
from edgeroi.logs.reading import Reading, constant_number
from edgeroi.logs.rejects import KEPT_OF_REASON, Kept, reject_line
from edgeroi.logs.rules import ruled
from edgeroi.logs.sources import Source, expand
from edgeroi.logs.stream import Damage, Prefixed, compression_of, damage_of, opened, plain_name
from edgeroi.request import COLUMNS, Batch, Labels, LineCount, joined
from edgeroi.workload import MOST_GROUPS, OTHER, FileAccount, Partial, Profile, SeenFrom, folded, regrouped

Progress = Callable[[int, int], None]

#: A range of a file; also what a leaf of its digest is taken over.
RANGE_BYTES = 8 << 20
#: Smaller inputs are read in this process: starting others would take longer.
_SMALL_BYTES = 16 << 20
#: Requests that wait to be counted together.
_COUNTED_TOGETHER = 1 << 17
#: How many of the files in a folder that are no logs are named.
_LISTED = 10
#: The hidden column that keeps the files of a settled format apart.
_FILE = "file"


@dataclass(frozen=True, slots=True)
class _Input:
    """A file that is to be read, and as what."""

    source: Source
    detected: Detected
    reading: Reading
    compressed: bool
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class _Task:
    """A range of a file of lines, or all of a file (``end`` is ``None``)."""

    file: int
    start: int = 0
    end: int | None = None


@dataclass(slots=True)
class _Part:
    """What reading one task told: the account of its lines, the first few of each fault, and where all of them lie."""

    task: int
    read: int = 0
    lines: LineCount = field(default_factory=LineCount)
    faults: list[Fault] = field(default_factory=list)
    spool: str | None = None
    leaves: list[bytes] = field(default_factory=list)
    bytes: int = 0
    damage: Damage | str | None = None
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    said: tuple[SeenFrom | None, float] | None = None
    saved_from: tuple[tuple[str, str], ...] = ()
    aggregates: list[Aggregate] = field(default_factory=list)

    @property
    def owned(self) -> int:
        """Lines that went somewhere."""
        return self.lines.blank + self.lines.profiled + self.lines.total_rejected + self.lines.total_skipped


def read_logs(
    sources: Sequence[str | Path],
    reading: Reading,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
) -> Profile:
    """Read logs into a profile; every line of every file is accounted for.

    ``jobs``: processes, by default as many as there are processors to use. ``progress(done, total)`` is told bytes.
    ``rejects_to``: where every rejected line goes, as JSON lines. Interrupted, it returns what was read, and notes say so.
    Raises ``EdgeroiError`` for a named file that is no log, a source that is not there, a file reached twice.
    """
    inputs, notes = _inputs(expand(sources), reading)
    with tempfile.TemporaryDirectory(prefix="edgeroi-") as folder:
        spool = Path(folder) if rejects_to else None
        run = _Run(inputs, reading, _tasks(inputs), spool, progress or (lambda done, total: None))
        run.go(_processes(jobs, inputs))
        rejects = _rejects(run, rejects_to)
        return _profile(run, rejects, notes)


def _processes(jobs: int | None, inputs: Sequence[_Input]) -> int:
    if jobs is not None and jobs < 1:
        raise EdgeroiError(f"{jobs} processes cannot read anything", key="--jobs", fix="give 1 or more")
    if sum(input.source.bytes or 0 for input in inputs) < _SMALL_BYTES and jobs is None:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or available


# --- what is to be read ---------------------------------------------------------------------------------------------------------


def _inputs(sources: Sequence[Source], reading: Reading) -> tuple[tuple[_Input, ...], list[str]]:
    inputs, others, notes = list[_Input](), list[str](), list[str]()
    candidates(reading)  # a format nobody knows is told once, not by every file
    for source in sources:
        try:
            if not source.hidden:
                inputs.append(_input(source, reading))
        except NoLog:
            if source.named:
                raise
            others.append(source.path)
        except EdgeroiError as error:
            if source.named:
                raise
            notes.append(f"ignored {error}")
    hidden = [source.path for source in sources if source.hidden]
    notes += [f"ignored, no request log: {_few(others)}"] if others else []
    notes += [f"ignored, hidden: {_few(hidden)}"] if hidden else []
    if not inputs:
        fix = "name one to hear why it is none, or say where latency is: --map latency_ms=FIELD:UNIT" if others else None
        raise EdgeroiError("; ".join(("no request log found", *notes)), fix=fix or "name the files that are logs")
    return tuple(inputs), notes


def _few(paths: Sequence[str]) -> str:
    more = len(paths) - _LISTED
    return ", ".join(paths[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _input(source: Source, reading: Reading) -> _Input:
    if source.bytes is None:
        first = _once_only(source).read(HEAD_BYTES + 1)
        head = _head(opened(io.BytesIO(first), first), source)
        head = replace(head, whole=head.whole and len(first) <= HEAD_BYTES)
        return _as_detected(source, reading, head, compression_of(first) is not None, first)
    try:
        with Path(source.path).open("rb") as raw:
            first = raw.read(4)
            raw.seek(0)
            head = _head(opened(raw, first), source)
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror}", place=Place(source.path)) from None
    return _as_detected(source, reading, head, compression_of(first) is not None, b"")


def _as_detected(source: Source, reading: Reading, head: Head, compressed: bool, first: bytes) -> _Input:
    for_file = reading.for_file(source.path)
    try:
        return _Input(source, _looked_over(source, detect(head, for_file)), for_file, compressed, first)
    except EdgeroiError as error:
        error.place = Place(source.path)
        raise


def _looked_over(source: Source, detected: Detected) -> Detected:
    """The format as it reads this file, where it has to look over all of it first and the file can be read twice."""
    if source.bytes is None or not isinstance(detected.format, LooksOver):
        return detected
    with Path(source.path).open("rb") as raw:
        first = raw.read(4)
        raw.seek(0)
        return replace(detected, format=detected.format.looked_over(opened(raw, first)))


def _once_only(source: Source) -> BinaryIO:
    """Standard input or a pipe: what is read is gone, so it is opened once and kept."""
    if source.is_stdin:
        return sys.stdin.buffer
    if source.path not in _PIPES:
        _PIPES[source.path] = Path(source.path).open("rb")  # noqa: SIM115  # read later, once
    return _PIPES[source.path]


_PIPES: dict[str, BinaryIO] = {}


def _let_go(source: Source) -> None:
    """Close a pipe that was read, so that a later run in this process opens what is there then."""
    if pipe := _PIPES.pop(source.path, None):
        pipe.close()


def _head(stream: BinaryIO, source: Source) -> Head:
    data = b""
    while len(data) <= HEAD_BYTES:
        block = stream.read(HEAD_BYTES + 1 - len(data))
        if not block:
            break
        data += block
    return Head(data[:HEAD_BYTES], plain_name(Path(source.path).name), len(data) <= HEAD_BYTES)


def _tasks(inputs: Sequence[_Input]) -> tuple[_Task, ...]:
    return tuple(task for place, input in enumerate(inputs) for task in _tasks_of(place, input))


def _tasks_of(place: int, input: _Input) -> Iterator[_Task]:
    size = input.source.bytes
    if not size or input.compressed or not isinstance(input.detected.format, LineFormat):
        yield _Task(place)
    else:
        yield from (_Task(place, start, min(start + RANGE_BYTES, size)) for start in range(0, size, RANGE_BYTES))


# --- reading one task -----------------------------------------------------------------------------------------------------------


class _Reader:
    """One process's share of the work: what it read so far, as partial profiles."""

    def __init__(
        self, inputs: Sequence[_Input], by: tuple[str, ...], spool: Path | None, told: Callable[[int], None], stopped: Callable[[], bool]
    ) -> None:
        self.inputs, self.by, self.spool, self.told, self.stopped = inputs, by, spool, told, stopped
        self._census: dict[str, Census] = {}
        self._waiting: dict[str, list[Batch]] = {}
        self._partials: dict[str, Partial] = {}

    def read(self, number: int, task: _Task) -> _Part:
        """Read a task to its end, or until stopped."""
        input = self.inputs[task.file]
        part = _Part(number)
        if task.end is not None:
            self._read_range(part, input, task)
        else:
            self._read_whole(part, input)
        return part

    def partials(self) -> dict[str, Partial]:
        """What was read, by the format it must be settled by ('' for most)."""
        for kind in self._waiting:
            self._count_waiting(kind)
        counted = {kind: census.partial() for kind, census in self._census.items()}
        return {kind: sum_partials(counted.get(kind), self._partials.get(kind)) for kind in counted.keys() | self._partials.keys()}

    def _read_range(self, part: _Part, input: _Input, task: _Task) -> None:
        assert task.end is not None
        digest, newlines = xxh3_128(), NewlineCount()

        def see(block: bytes) -> None:
            digest.update(block)
            newlines.see(block)
            part.bytes += len(block)
            self.told(len(block))

        with Path(input.source.path).open("rb", buffering=0) as file:
            inside_line = False
            if task.start:
                file.seek(task.start - 1)
                inside_line = file.read(1) != b"\n"
            cut = pieces(file.read, see, start=task.start, end=task.end, inside_line=inside_line)
            self._read_pieces(part, input, cut, first=not task.start)
        at_end = task.end == input.source.bytes
        part.read = newlines.newlines + (newlines.ends_open and at_end)
        part.leaves.append(digest.digest())

    def _read_whole(self, part: _Part, input: _Input) -> None:
        with _opened(input, part, self.told) as stream:
            if isinstance(input.detected.format, LineFormat):
                newlines = NewlineCount()
                cut = pieces(stream.read, newlines.see)
                self._read_pieces(part, input, cut, first=True, damage=lambda: damage_of(stream))
                part.read = newlines.newlines + newlines.ends_open
            else:
                for chunk in input.detected.format.read_stream(stream, input.reading):
                    self._take(part, input, chunk)
                    part.read += chunk.lines.read
                    if self.stopped():
                        part.whole = False
                        break
            part.damage = damage_of(stream) or part.damage

    def _read_pieces(
        self, part: _Part, input: _Input, cut: Iterator[Piece], *, first: bool, damage: Callable[[], Damage | None] = lambda: None
    ) -> None:
        format = input.detected.format
        assert isinstance(format, LineFormat)
        for piece in cut:
            data = piece.data
            if first and data.startswith(BOM):
                data = data[len(BOM) :]
                part.notes.append("starts with a byte order mark")
            first = False
            broken = damage() if piece.last else None
            if piece.too_long:
                detail = f"the line is longer than {LONGEST_LINE >> 20} MiB"
                self._take(part, input, _one_fault(Fault(1, "line_too_long", detail, data)))
            elif data or piece.last:
                chunk = format.read_lines(data, input.reading, piece.last)
                cut_off = broken is not None and "truncated_tail" in chunk.lines.rejected
                self._take(part, input, _one_fault(_broken_off(broken, data)) if broken and cut_off else chunk)
            if self.stopped():
                part.whole = False
                return

    def _take(self, part: _Part, input: _Input, chunk: Chunk) -> None:
        chunk = ruled(chunk, input.reading)
        before = part.owned
        kind = input.detected.format.name if input.detected.format.hidden else ""
        if chunk.faults:
            self._keep_faults(part, before, chunk.faults)
        part.lines += replace(chunk.lines, read=0)
        part.notes.extend(note for note in chunk.notes if note not in part.notes)
        part.aggregates.extend(chunk.aggregates)
        if chunk.sampling is not None:
            part.said, part.damage, part.saved_from = (chunk.seen_from, chunk.sampling), chunk.damage, chunk.saved_from
        if chunk.partial is not None:
            self._partials[kind] = sum_partials(self._partials.get(kind), chunk.partial)
        if chunk.batch is not None and chunk.batch.n:
            self._await(kind, _stated(chunk.batch, input), input)

    def _await(self, kind: str, batch: Batch, input: _Input) -> None:
        if kind not in self._census:
            hidden = (*input.detected.format.hidden, _FILE) if kind else ()
            self._census[kind] = Census(self.by + hidden, most_groups=None if kind else MOST_COUNTED)
        waiting = self._waiting.setdefault(kind, [])
        waiting.append(batch)
        if sum(batch.n for batch in waiting) >= _COUNTED_TOGETHER:
            self._count_waiting(kind)

    def _count_waiting(self, kind: str) -> None:
        batches, self._waiting[kind] = self._waiting[kind], []
        if batches:
            self._census[kind].add(joined(batches))

    def _keep_faults(self, part: _Part, before: int, faults: Sequence[Fault]) -> None:
        placed = [replace(fault, line=before + fault.line) for fault in faults]
        seen = {reason: sum(fault.reason == reason for fault in part.faults) for reason in {fault.reason for fault in placed}}
        for fault in placed:
            if seen[fault.reason] < KEPT_OF_REASON:
                seen[fault.reason] += 1
                part.faults.append(fault)
        if self.spool is not None:
            part.spool = part.spool or str(self.spool / f"{part.task}.faults")
            _spool(Path(part.spool), placed)


def _one_fault(fault: Fault) -> Chunk:
    return Chunk(LineCount(1, rejected={fault.reason: 1}), faults=(fault,))


def _broken_off(broken: Damage, data: bytes) -> Fault:
    return Fault(1, broken.reason, "the stream ends inside this line", data[:RAW_BYTES])


def _stated(batch: Batch, input: _Input) -> Batch:
    """The batch with what is the same for every request of the file."""
    labels, numbers = dict(batch.labels), dict(batch.numbers)
    for column, text in input.reading.const.items():
        if COLUMNS[column] == "label":
            labels[column] = Labels.constant(text, batch.n)
        else:
            number = constant_number(COLUMNS[column], text)
            numbers[column] = np.full(batch.n, np.nan if number is None else number)
    if input.detected.format.hidden:
        labels[_FILE] = Labels.constant(input.source.path, batch.n)
    stated = replace(batch, labels=labels, numbers=numbers)
    return replace(stated, labels=cut_labels(stated, input.reading.cuts)) if input.reading.cuts else stated


def sum_partials(one: Partial | None, two: Partial | None) -> Partial:
    """What both say; one of them is there."""
    if one is None or two is None:
        only = one or two
        assert only is not None
        return only
    return one + two


@contextmanager
def _opened(input: _Input, part: _Part, told: Callable[[int], None]) -> Iterator[BinaryIO]:
    """The log's own bytes; what is read of the file is counted, and digested at the end."""
    source = input.source
    if source.bytes is None:
        seen = _Seen(io.BufferedReader(Prefixed(input.head, _once_only(source))))
        try:
            yield opened(io.BufferedReader(seen), input.head)
        finally:
            _let_go(source)
        part.bytes, part.leaves = seen.bytes, seen.leaves()
        return
    with Path(source.path).open("rb") as raw:
        first = raw.read(4)
        raw.seek(0)
        yield opened(raw, first)
    with Path(source.path).open("rb") as raw:
        while block := raw.read(RANGE_BYTES):
            part.leaves.append(xxh3_128(block).digest())
            part.bytes += len(block)
            told(len(block))


class _Seen(io.RawIOBase):
    """A stream that cannot seek, digesting what is read through it."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw, self.bytes = raw, 0
        self._leaf, self._in_leaf, self._leaves = xxh3_128(), 0, list[bytes]()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer."""
        block = self._raw.read(len(buffer)) or b""
        buffer[: len(block)] = block
        self.bytes += len(block)
        rest = memoryview(block)
        while rest:
            piece = rest[: RANGE_BYTES - self._in_leaf]
            self._leaf.update(piece)
            self._in_leaf += len(piece)
            rest = rest[len(piece) :]
            if self._in_leaf == RANGE_BYTES:
                self._leaves.append(self._leaf.digest())
                self._leaf, self._in_leaf = xxh3_128(), 0
        return len(block)

    def leaves(self) -> list[bytes]:
        """The digests of its ranges."""
        return [*self._leaves, self._leaf.digest()] if self._in_leaf else self._leaves


def _spool(path: Path, faults: Sequence[Fault]) -> None:
    import json

    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps([f.line, f.reason, f.detail, f.raw.decode("latin-1")]) + "\n" for f in faults)


def _spooled(path: Path) -> Iterator[Fault]:
    import json

    with path.open(encoding="utf-8") as file:
        for text in file:
            line, reason, detail, raw = json.loads(text)
            yield Fault(line, reason, detail, raw.encode("latin-1"))


# --- sharing the tasks out ------------------------------------------------------------------------------------------------------


class _Run:
    """All tasks of a call, what came of them, and whether it was interrupted."""

    def __init__(self, inputs: Sequence[_Input], reading: Reading, tasks: Sequence[_Task], spool: Path | None, progress: Progress) -> None:
        self.inputs, self.reading, self.tasks, self.spool, self.progress = inputs, reading, tasks, spool, progress
        self.parts: dict[int, _Part] = {}
        self.partials: dict[str, Partial] = {}
        self.interrupted = False
        self.done = 0
        self.total = sum(input.source.bytes or 0 for input in inputs)

    def go(self, processes: int) -> None:
        """Read everything."""
        once_only = [number for number, task in enumerate(self.tasks) if self.inputs[task.file].source.bytes is None]
        others = [number for number in range(len(self.tasks)) if number not in set(once_only)]
        if processes == 1 or len(others) < 2:
            self._here([*once_only, *others])
        else:
            self._here(once_only)
            self._there(others, min(processes, len(others)))

    def _here(self, numbers: Sequence[int]) -> None:
        """In this process, one after the other."""
        with _interruptible() as interrupted:
            reader = _Reader(self.inputs, self.reading.by, self.spool, self._tell, interrupted)
            for number in numbers:
                if interrupted():
                    break
                self._take(reader.read(number, self.tasks[number]))
            self._merge(reader.partials())
            self.interrupted |= interrupted()

    def _tell(self, read: int) -> None:
        self.done += read
        self.progress(self.done, self.total)

    def _take(self, part: _Part) -> None:
        self.parts[part.task] = part

    def _merge(self, partials: Mapping[str, Partial]) -> None:
        for kind, partial in partials.items():
            self.partials[kind] = sum_partials(self.partials.get(kind), partial)

    def _there(self, numbers: Sequence[int], processes: int) -> None:
        """In processes that each take the next task that nobody has."""
        context = _context()
        taken, done, stop = context.Value("l", 0), context.Value("q", 0), context.Event()
        ends = []
        workers = []
        for _ in range(processes):
            here, there = context.Pipe(duplex=False)
            shared = (there, self.inputs, self.reading.by, self.spool, self.tasks, numbers, taken, done, stop)
            worker = context.Process(target=_work, args=shared, daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of threads at a fork; numpy's wait for work and hold no lock of ours.
                warnings.simplefilter("ignore", DeprecationWarning)
                worker.start()
            there.close()
            ends.append(here)
            workers.append(worker)
        try:
            with _interruptible() as interrupted:
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
            self._merge(told)
        elif kind == "mistake":
            raise told
        else:
            raise InternalFault(told)
        return bool(kind == "partials")


def _context() -> Any:
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return multiprocessing.get_context("fork" if forks else "spawn")


def _work(
    end: Any, inputs: Sequence[_Input], by: tuple[str, ...], spool: Path | None, tasks: Sequence[_Task], numbers: Sequence[int],
    taken: Any, done: Any, stop: Any,
) -> None:  # fmt: skip
    """A worker: tasks until there are none or it is told to stop, then what they came to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_freed_memory()

    def told(read: int) -> None:
        with done.get_lock():
            done.value += read

    try:
        reader = _Reader(inputs, by, spool, told, stop.is_set)
        while not stop.is_set():
            with taken.get_lock():
                mine, taken.value = taken.value, taken.value + 1
            if mine >= len(numbers):
                break
            end.send(("part", reader.read(numbers[mine], tasks[numbers[mine]])))
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
def _interruptible() -> Iterator[Callable[[], bool]]:
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


# --- what came of it ------------------------------------------------------------------------------------------------------------


def _parts_of(run: _Run, file: int) -> list[_Part]:
    return [run.parts[number] for number, task in enumerate(run.tasks) if task.file == file and number in run.parts]


def _profile(run: _Run, rejects: Kept, notes: list[str]) -> Profile:
    settled, moved = _settled(run)
    accounts = tuple(_account(run, place, moved.get(input.source.path, 0)) for place, input in enumerate(run.inputs))
    for account in accounts:
        if not account.lines.balanced:
            raise InternalFault(f"{account.path}: the lines do not add up: {account.lines}")
    _refuse_counted_twice(accounts)
    few = folded(settled)
    if few is not settled:
        notes.append(f"more than {MOST_GROUPS:,} groups: the rarest {len(settled.tallies) - MOST_GROUPS + 1:,} are folded into {OTHER}")
    if run.interrupted:
        notes.append("interrupted: only part of the input was read")
    seen_from, sampling = _said(run, notes)
    aggregates = tuple(one for place in range(len(run.inputs)) for part in _parts_of(run, place) for one in part.aggregates)
    return Profile(few, accounts, tuple(rejects.rejects), tuple(notes), seen_from, sampling, aggregates)


def _said(run: _Run, notes: list[str]) -> tuple[SeenFrom | None, float]:
    """Where the logs measured and the share they keep: what was said, and what saved profiles say of theirs."""
    ours = (run.reading.seen_from, run.reading.sampling)
    said = [part.said or ours for place in range(len(run.inputs)) for part in _parts_of(run, place)]
    places, shares = {place for place, _ in said}, {share for _, share in said}
    if len(shares) > 1:
        raise EdgeroiError(f"logs that keep {sorted(shares)} of their requests do not add up", key="sampling", fix="profile them apart")
    if len(places) > 1:
        notes.append("the logs were not all seen from the same place")
    return (places.pop() if len(places) == 1 else None, shares.pop() if shares else ours[1])


def _settled(run: _Run) -> tuple[Partial, dict[str, int]]:
    """All that was read, by the reading's columns; and how many requests of each file turned out to be told of twice."""
    total, moved = Partial(run.reading.by), dict[str, int]()
    formats = {input.detected.format.name: input.detected.format for input in run.inputs}
    for kind, partial in sorted(run.partials.items()):
        if not kind:
            total += partial
            continue
        format = formats[kind]
        assert isinstance(format, Settled)
        once = format.settle(partial)
        for key, tally in regrouped(partial, (_FILE,)).tallies.items():
            left = regrouped(once, (_FILE,)).tallies.get(key)
            moved[str(key[0])] = tally.requests - (left.requests if left else 0)
        total += regrouped(once, run.reading.by)
    return total, moved


def _account(run: _Run, place: int, moved: int) -> FileAccount:
    input, parts = run.inputs[place], _parts_of(run, place)
    lines = sum((part.lines for part in parts), LineCount())
    if moved:
        skipped = {**lines.skipped, "other_record": lines.skipped.get("other_record", 0) + moved}
        lines = replace(lines, profiled=lines.profiled - moved, skipped=dict(sorted(skipped.items())))
    whole = len(parts) == sum(task.file == place for task in run.tasks) and all(part.whole for part in parts)
    # A line may start in one range and end in the next, so newlines say how many lines there are only once all are counted.
    lines = replace(lines, read=sum(part.read if whole else part.owned for part in parts))
    damage = next((str(part.damage) for part in parts if part.damage), None if whole else "interrupted")
    return FileAccount(
        path=input.source.path,
        bytes=sum(part.bytes for part in parts),
        digest=digest_of_leaves([leaf for part in parts for leaf in part.leaves]),
        format=input.detected.name,
        unit=input.detected.unit,
        lines=lines,
        counted=input.detected.format.counted,
        damage=damage,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        saved_from=tuple(log for part in parts for log in part.saved_from),
    )


def _refuse_counted_twice(accounts: Sequence[FileAccount]) -> None:
    """A saved profile beside a log it was made from, or beside another profile of that log, would count its requests twice."""
    held: dict[str, FileAccount] = {}
    for account in accounts:
        for name, digest in account.saved_from or (("", account.digest),):
            other = held.setdefault(digest, account) if account.lines.read else account
            if other is not account and (account.saved_from or other.saved_from):
                said = f"holds the requests of {name or other.path}, as {other.path} does; they would count twice"
                raise EdgeroiError(said, place=Place(account.path), fix="name one of the two")


def digest_of_leaves(leaves: Sequence[bytes]) -> str:
    """The digest of a file: XXH3 (128 bits) over the XXH3 of each 8 MiB of it, in order, so that processes can share the work.

    It tells one file from another and notices a change; it is no seal against somebody who forges one.
    """
    return "xxh3-128-8m:" + xxh3_128(b"".join(leaves)).hexdigest()


def _rejects(run: _Run, path: Path | None) -> Kept:
    """The first few rejects with their lines in the file; all of them go to ``path``."""
    kept = Kept()
    with _written(path) as file:
        for place, input in enumerate(run.inputs):
            before = 0
            for part in _contiguous(run, place):
                kept.keep(input.source.path, before, part.faults)
                if file is not None and part.spool:
                    file.writelines(reject_line(input.source.path, before + fault.line, fault) for fault in _spooled(Path(part.spool)))
                before += part.owned
    return kept


def _contiguous(run: _Run, place: int) -> Iterator[_Part]:
    """The parts of a file up to the first that is missing or cut: beyond it line numbers are unknown."""
    for number, task in enumerate(run.tasks):
        if task.file == place:
            if number not in run.parts:
                return
            yield run.parts[number]
            if not run.parts[number].whole:
                return


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that appears whole or not at all."""
    if path is None:
        yield None
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
        shutil.move(draft, path)
    except OSError as error:
        raise OutputFailed(f"cannot be written: {error.strerror}", place=Place(str(path))) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
