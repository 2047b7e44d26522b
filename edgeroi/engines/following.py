"""Logs that grow while they are watched: each look reads what is new, and a fold meets every request once.

A file of lines is read from where the last look ended to the end of its last finished line; the rest waits until it is finished. It is
known by its device and inode and by its bytes, so that one that was renamed goes on where it was, one that was cut or rewritten is
noticed and read from its start (what it held was asked and stays counted), and one that was copied or packed away is not counted
again. What can only be read front to back (compressed files, CSV, Parquet, one JSON document) is read whole again when it changed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from xxhash import xxh3_128

from edgeroi.engines.folding import Fold
from edgeroi.engines.inputs import RANGE_BYTES, Input, Task, inputs_of, start_of
from edgeroi.engines.reader import Part, Plan
from edgeroi.engines.workers import Run
from edgeroi.errors import EdgeroiError, InternalFault, Place
from edgeroi.logs.format import LineFormat
from edgeroi.logs.reading import Reading
from edgeroi.logs.rejects import Kept
from edgeroi.logs.sources import Source, expand
from edgeroi.request import LineCount
from edgeroi.workload import FileAccount, Partial, Profile

F = TypeVar("F", bound=Fold)
#: The bytes at either end of what was read of a log by which it is known again.
_KNOWN_BY = 4096
#: More than this is shared out to all processors.
_LARGE_BYTES = 16 << 20
_BLOCK = 1 << 16

Identity = tuple[int, int]


@dataclass
class _Followed:
    """A log of lines: what it is read as, up to where, its first bytes and the last ones before that place."""

    input: Input
    path: str
    at: int = 0
    head: bytes = b""
    tail: bytes = b""
    lines: LineCount = field(default_factory=LineCount)
    digest: bytes = b""
    damage: str | None = None

    def continues_in(self, path: str, size: int) -> bool:
        """Whether a file begins with all that was read of this log, as far as both ends of that tell."""
        if size < self.at or not self.at:
            return False
        with Path(path).open("rb") as file:
            if file.read(len(self.head)) != self.head:
                return False
            file.seek(self.at - len(self.tail))
            return file.read(len(self.tail)) == self.tail

    def account(self) -> FileAccount:
        """Where its lines went."""
        detected = self.input.detected
        told = (detected.name, detected.unit, self.lines, detected.format.counted)
        return FileAccount(self.path, self.at, f"xxh3-128-followed:{self.digest.hex()}", *told, self.damage)


@dataclass
class _Whole(Generic[F]):
    """What can only be read whole, as it was when it was read last."""

    stamp: tuple[int, int]
    fold: F
    account: FileAccount


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the logs: the bytes that were new, and what was odd."""

    bytes: int
    notes: tuple[str, ...] = ()


class Following(Generic[F]):
    """Logs being watched, and the fold that has met all their requests so far."""

    def __init__(self, paths: Sequence[str | Path], reading: Reading, fold: F) -> None:
        remote = next((path for path in map(str, paths) if path == "-" or "://" in path), None)
        if remote is not None:
            raise EdgeroiError("only files and folders here can be watched", place=Place(remote), fix="leave --follow out")
        self._paths, self._empty = list(paths), fold
        self._reading = replace(reading, beside=fold.columns)
        self._met: F = copy.deepcopy(fold)
        self._logs: dict[Identity, _Followed] = {}
        self._done: list[FileAccount] = []
        self._whole: dict[Identity, _Whole[F]] = {}
        self._no_log: set[Identity] = set()
        self._kept, self._notes = Kept(), dict[str, None]()
        self._looked = False

    @property
    def fold(self) -> F:
        """What met every request so far."""
        met = self._met
        for whole in self._whole.values():
            met = met + whole.fold
        return met

    def profile(self) -> Profile:
        """The account of all lines so far; its requests are in the fold, and not counted here."""
        files = (*self._done, *(log.account() for log in self._logs.values()), *(whole.account for whole in self._whole.values()))
        how = self._reading
        return Profile(Partial(how.by), files, tuple(self._kept.rejects), tuple(self._notes), how.seen_from, how.sampling)

    def look(self) -> Look:
        """Read what is new. Raises ``EdgeroiError`` where a named file is no log, at the first look also where it is not there."""
        notes = list[str]()
        new = list[tuple[_Followed, int]]()
        there = set[Identity]()
        read = 0
        for source in self._sources(notes):
            identity, size, stamp = _told(source)
            there.add(identity)
            if identity in self._whole or not self._is_lines(identity, source, size, notes):
                read += self._read_whole(identity, source, (size, stamp))
            elif identity in self._logs and (end := _last_line(source.path, self._logs[identity].at, size)):
                new.append((self._logs[identity], end))
        new += self._renamed(there, notes)
        read += self._read_lines(new)
        self._looked = True
        self._notes |= dict.fromkeys(notes)
        return Look(read, tuple(notes))

    def _sources(self, notes: list[str]) -> Iterator[Source]:
        for path in self._paths:
            try:
                found = expand([path])
            except EdgeroiError:
                if not self._looked:
                    raise
                notes.append(f"{path} is not there for now")  # between the two steps of a rotation
                continue
            yield from (source for source in found if not source.hidden)

    def _is_lines(self, identity: Identity, source: Source, size: int, notes: list[str]) -> bool:
        """Whether the file is (now) followed line by line, or nothing to read yet; recognises it where it is new."""
        log = self._logs.get(identity)
        if log is not None and log.at and not log.continues_in(source.path, size):
            notes.append(f"{source.path} was cut or rewritten: it is read from its start; the {log.lines.read:,} lines it had stay counted")
            self._done.append(self._logs.pop(identity).account())
            log = None
        if log is not None:
            log.path = source.path
            return True
        if identity in self._no_log or not size:
            return True
        has_line = _last_line(source.path, 0, size) is not None
        if copied := self._copied(source, size):
            notes.append(f"{source.path} begins with all of {copied.path}: what was read of that is not counted again")
            self._logs[identity] = copied
            return True
        try:
            (input,), _ = inputs_of([source], self._reading)
        except EdgeroiError as error:
            if not has_line:
                return True  # what it is shows once its first line is finished
            if source.named:
                raise
            notes.append(f"ignored, {error}")
            self._no_log.add(identity)
            return True
        if input.compressed or not isinstance(input.detected.format, LineFormat):
            return self._is_packed_away(identity, source, notes)
        if has_line:
            self._logs[identity] = _Followed(input, source.path)
        return True

    def _copied(self, source: Source, size: int) -> _Followed | None:
        """The log that a new file is a copy of, as it goes on in the copy: from where it was read to, with nothing counted before."""
        twin = next((log for log in self._logs.values() if log.continues_in(source.path, size)), None)
        if twin is None:
            return None
        return replace(twin, path=source.path, input=replace(twin.input, source=source), lines=LineCount(), digest=b"")

    def _is_packed_away(self, identity: Identity, source: Source, notes: list[str]) -> bool:
        """Whether what is to be read whole is a compressed copy of what was followed, and so nothing new."""
        begin = start_of(source)[0].data
        twin = next((log for log in self._logs.values() if log.head and begin.startswith(log.head)), None)
        if twin is not None:
            notes.append(f"{source.path} is {twin.path} packed away: not counted again")
            self._no_log.add(identity)
        return twin is not None

    def _renamed(self, there: set[Identity], notes: list[str]) -> Iterator[tuple[_Followed, int]]:
        """Followed logs that no path leads to any more, found under a new name beside the old one: what was added last is read."""
        for identity, log in self._logs.items():
            if identity in there:
                continue
            moved = next((path for path in _beside(log.path) if _identity_of(path) == identity), None)
            if moved is None:
                continue
            size = moved.stat().st_size
            if str(moved) != log.path:
                notes.append(f"{log.path} was renamed to {moved.name}: it is read to its end there")
                log.path, log.input = str(moved), replace(log.input, source=replace(log.input.source, path=str(moved)))
            if log.continues_in(log.path, size) and (end := _last_line(log.path, log.at, size)):
                yield log, end

    def _read_lines(self, new: Sequence[tuple[_Followed, int]]) -> int:
        if not new:
            return 0
        inputs = [replace(log.input, source=replace(log.input.source, path=log.path, bytes=end)) for log, end in new]
        tasks = [Task(place, *ends) for place, (log, end) in enumerate(new) for ends in _ranges(log.at, end)]
        run = self._run(inputs, tasks)
        if run.fold is not None:
            self._met = self._met + run.fold  # type: ignore[operator]
        for place, (log, end) in enumerate(new):
            parts = run.parts_of(place)
            self._keep_rejects(log.path, log.lines.read, parts)
            log.lines += _lines_of(parts)
            if not log.lines.balanced:
                raise InternalFault(f"{log.path}: the lines do not add up: {log.lines}")
            log.digest = xxh3_128(log.digest + b"".join(leaf for part in parts for leaf in part.leaves)).digest()
            log.at = end
            log.head, log.tail = _ends(log.path, end)
        return sum(part.fetched for part in run.parts.values())

    def _read_whole(self, identity: Identity, source: Source, stamp: tuple[int, int]) -> int:
        before = self._whole.get(identity)
        if before is not None and before.stamp == stamp:
            return 0
        (input,), _ = inputs_of([source], self._reading)
        run = self._run([input], [Task(0)])
        parts = run.parts_of(0)
        account = FileAccount(
            source.path,
            sum(part.bytes for part in parts),
            f"xxh3-128-followed:{xxh3_128(b''.join(leaf for part in parts for leaf in part.leaves)).hexdigest()}",
            input.detected.name,
            input.detected.unit,
            _lines_of(parts),
            input.detected.format.counted,
            next((str(part.damage) for part in parts if part.damage), None),
        )
        met = copy.deepcopy(self._empty) if run.fold is None else run.fold
        self._whole[identity] = _Whole(stamp, met, account)  # type: ignore[arg-type]
        self._keep_rejects(source.path, 0, parts)
        return sum(part.fetched for part in parts)

    def _run(self, inputs: Sequence[Input], tasks: Sequence[Task]) -> Run:
        plan = Plan(inputs, tasks, self._reading, fold=self._empty)
        run = Run(plan, lambda done, total: None, lambda: False)
        run.go((os.cpu_count() or 1) if run.total > _LARGE_BYTES else 1)
        return run

    def _keep_rejects(self, path: str, before: int, parts: Sequence[Part]) -> None:
        for part in parts:
            self._kept.keep(path, before, part.faults)
            before += part.owned
            self._notes |= dict.fromkeys(part.notes)


def _told(source: Source) -> tuple[Identity, int, int]:
    told = Path(source.path).stat()
    return (told.st_dev, told.st_ino), told.st_size, told.st_mtime_ns


def _identity_of(path: Path) -> Identity | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _beside(path: str) -> list[Path]:
    folder = Path(path).parent
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _ranges(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and first own byte of each task: the first begins where the last look ended."""
    while start < end:
        stop = min(end, (start // RANGE_BYTES + 1) * RANGE_BYTES)
        yield start, stop, start
        start = stop


def _last_line(path: str, start: int, size: int) -> int | None:
    """Where the last finished line behind ``start`` ends; ``None`` where none does."""
    with Path(path).open("rb") as file:
        end = size
        while end > start:
            begin = max(start, end - _BLOCK)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return None


def _ends(path: str, end: int) -> tuple[bytes, bytes]:
    """The first bytes, and the last before ``end``."""
    with Path(path).open("rb") as file:
        head = file.read(min(_KNOWN_BY, end))
        file.seek(max(0, end - _KNOWN_BY))
        return head, file.read(min(_KNOWN_BY, end))


def _lines_of(parts: Sequence[Part]) -> LineCount:
    lines = sum((part.lines for part in parts), LineCount())
    return replace(lines, read=sum(part.read for part in parts))
