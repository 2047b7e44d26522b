"""Reads one task after another: what one process, or one partition of a cluster, does.

Counting does not depend on who read what: partial profiles add up in any order to the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from xxhash import xxh3_128

from edgeroi.aggregate import Aggregate
from edgeroi.cuts import cut_labels
from edgeroi.engines.counting import FILE, Bin, Counting
from edgeroi.engines.duplicates import Repeated, Sieve, keys_of
from edgeroi.engines.folding import Fold, Folding
from edgeroi.engines.inputs import Input, Task, let_go, once_only
from edgeroi.engines.opening import Seen
from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.format import RAW_BYTES, Chunk, Fault, LineFormat, StreamFormat
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.pieces import NewlineCount, Piece, pieces
from edgeroi.logs.reading import Reading, constant_number
from edgeroi.logs.rejects import KEPT_OF_REASON
from edgeroi.logs.rules import ruled
from edgeroi.logs.sources import opened_file
from edgeroi.logs.stream import Damage, Prefixed, damage_of, opened
from edgeroi.request import COLUMNS, Batch, Labels, LineCount
from edgeroi.workload import FileAccount, Partial, SeenFrom

#: Pieces that are handed to another process together: it parses them in about the time the next are decompressed.
_PIECES_OF_BLOCK = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What all who read need to know: the tasks, how they are read, and where all rejects are left (``spool``).

    ``apart``: requests are counted file by file, and of an unfinished last line apart from the others, so that a saved profile can grow.
    ``all_faults``: every reject is told, not the first few, where there is no folder in common to leave them in.
    ``keyed``: nothing is counted, only the key of each request is told. ``repeated``: the keys of those that are to count once.
    ``fold``: what meets every request besides its being counted.
    """

    inputs: Sequence[Input]
    tasks: Sequence[Task]
    reading: Reading
    spool: Path | None = None
    apart: bool = False
    keyed: bool = False
    all_faults: bool = False
    repeated: Repeated = field(default_factory=dict)
    fold: Fold | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether a log is read to the size it was met with, though it may have grown: where it will be read again."""
        return self.apart or self.reading.dedupe

    def is_stream_of_lines(self, task: Task) -> bool:
        """Whether the lines of a task are met one after the other, so that others can parse what one decompresses."""
        input = self.inputs[task.file]
        return input.compressed and isinstance(input.detected.format, LineFormat)

    def bytes_of(self, task: Task) -> int:
        """How many bytes of its file a task reads; 0 where nobody knows."""
        return (self.inputs[task.file].source.bytes or 0) if task.end is None else task.end - task.start

    def bin(self, file: int, tail: bool = False) -> Bin:
        """Where the requests of a file are counted."""
        format = self.inputs[file].detected.format
        kind = format.name if format.hidden else ""
        return Bin(kind, file, tail) if self.apart else Bin(kind)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a stream, some megabytes, in the order ``number``; ``broken``: the stream ends inside the last of them."""

    task: int
    number: int
    pieces: tuple[Piece, ...]
    broken: Damage | None = None


@dataclass(slots=True)
class Part:
    """What reading one task, or one block of it, told: the account of its lines, the first few of each fault, and where all lie.

    ``blocks``: of a task that was read in blocks, how many; its lines are in theirs. ``lines`` leaves ``read`` at 0: that is counted in
    ``read``, by newlines. ``tail_bytes``, ``tail_lines``: an unfinished last line, which is among ``lines`` too. ``ends_open``: the file
    ends inside a line. ``fetched``: bytes read for it. ``keys``: what its requests are known by, and ``unknown`` how many by nothing.
    """

    task: int
    block: int = -1
    blocks: int = 0
    read: int = 0
    lines: LineCount = field(default_factory=LineCount)
    faults: list[Fault] = field(default_factory=list)
    spool: str | None = None
    leaves: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    bytes: int = 0
    fetched: int = 0
    damage: Damage | str | None = None
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    said: tuple[SeenFrom | None, float] | None = None
    saved_from: tuple[FileAccount, ...] = ()
    ends_open: bool = False
    tail_bytes: int = 0
    tail_lines: LineCount = field(default_factory=LineCount)
    unknown: int = 0
    aggregates: list[Aggregate] = field(default_factory=list)
    added_ms: float | None = None

    @property
    def owned(self) -> int:
        """Lines that went somewhere."""
        return self.lines.blank + self.lines.profiled + self.lines.total_rejected + self.lines.total_skipped


class Counts(Protocol):
    """What is told of every request that is read."""

    def add(self, bin: Bin, batch: Batch, hidden: tuple[str, ...]) -> None:
        """A batch of them."""
        ...

    def add_partial(self, bin: Bin, partial: Partial) -> None:
        """Those that are counted already."""
        ...

    def partials(self) -> dict[Bin, Partial]:
        """What was counted."""
        ...


class Reader:
    """One process's share of the work: what it read so far, as partial profiles."""

    def __init__(
        self,
        plan: Plan,
        told: Callable[[int], None],
        stopped: Callable[[], bool],
        hand_over: Callable[[Block], bool] = lambda block: False,
        counting: Counts | None = None,
    ) -> None:
        self.plan, self.told, self.stopped, self.hand_over = plan, told, stopped, hand_over
        self._counting: Counts = counting or Counting(plan.reading.by)
        self._sieve: Sieve | None = None
        self.folding = None if plan.fold is None or plan.keyed else Folding(plan.fold)

    def read(self, number: int) -> Iterator[Part]:
        """Read a task to its end, or until stopped; blocks of it that nobody else takes come before the part of the task."""
        task = self.plan.tasks[number]
        with _told_of(self.plan.inputs[task.file]):
            yield from self._parts(number, task)

    def _parts(self, number: int, task: Task) -> Iterator[Part]:
        part, input = Part(number), self.plan.inputs[task.file]
        if task.end is not None:
            self._read_range(part, input, task)
        elif isinstance(input.detected.format, LineFormat):
            yield from self._read_stream_of_lines(part, input)
        else:
            self._read_whole(part, input)
        yield part

    def read_block(self, block: Block) -> Part:
        """Read a block of a stream."""
        part, input = Part(block.task, block.number), self.plan.inputs[self.plan.tasks[block.task].file]
        self._read_pieces(part, input, iter(block.pieces), first=not block.number, broken=block.broken)
        return part

    def partials(self) -> dict[Bin, Partial]:
        """What was read."""
        return self._counting.partials()

    def _read_range(self, part: Part, input: Input, task: Task) -> None:
        assert task.end is not None and input.source.bytes is not None
        digest, newlines = xxh3_128(), NewlineCount()
        limit = input.source.bytes if self.plan.is_bounded else None

        def digested(block: bytes) -> None:
            digest.update(block)
            part.bytes += len(block)
            self.told(len(block))

        def see(block: bytes) -> None:
            digested(block)
            newlines.see(block)

        with opened_file(input.source) as file:

            def read(most: int) -> bytes:
                # A log that grows while it is read and is to grow on is read up to the size it was met with.
                block = file.read(most if limit is None else max(0, min(most, limit - file.tell()))) or b""
                part.fetched += len(block)
                return block

            inside_line = False
            if task.own > task.start:
                file.seek(task.start)
                _skip(read, task.own - task.start, digested)
            elif task.start:
                file.seek(task.start - 1)
                inside_line = read(1) != b"\n"
            start = max(task.start, task.own)
            cut = pieces(read, see, start=start, end=task.end, inside_line=inside_line)
            self._read_pieces(part, input, cut, first=not start)
        part.ends_open = newlines.ends_open and task.end == input.source.bytes
        part.read = newlines.newlines + part.ends_open
        part.leaves.append(digest.digest())

    def _read_stream_of_lines(self, part: Part, input: Input) -> Iterator[Part]:
        newlines = NewlineCount()
        with _opened(input, part, self.told, self.stopped) as stream:
            for held in _blocks(pieces(stream.read, newlines.see)):
                block = Block(part.task, part.blocks, held, damage_of(stream) if held[-1].last else None)
                part.blocks += 1
                if not self.hand_over(block):
                    yield self.read_block(block)
                if self.stopped():
                    part.whole = False
                    break
            part.damage = damage_of(stream)
        part.read = newlines.newlines + newlines.ends_open

    def _read_whole(self, part: Part, input: Input) -> None:
        format = input.detected.format
        assert isinstance(format, StreamFormat)
        with _opened(input, part, self.told, self.stopped) as stream:
            sieve = Sieve(self.plan.repeated, (part.task, part.block))
            for chunk in format.read_stream(stream, input.reading):
                self._take(part, input, sieve.records(chunk) if self.plan.repeated else chunk)
                part.read += chunk.lines.read
                if self.stopped():
                    part.whole = False
                    break
            part.damage = damage_of(stream) or part.damage

    def _read_pieces(self, part: Part, input: Input, cut: Iterator[Piece], *, first: bool, broken: Damage | None = None) -> None:
        for piece in cut:
            data = piece.data
            if first and data.startswith(BOM):
                data = data[len(BOM) :]
                part.notes.append("starts with a byte order mark")
            first = False
            if piece.too_long:
                detail = f"the line is longer than {LONGEST_LINE >> 20} MiB"
                self._take(part, input, _one_fault(Fault(1, "line_too_long", detail, data)))
            elif data or piece.last:
                chunk = self._read_lines(part, input, data, piece.last)
                cut_off = piece.last and broken is not None and "truncated_tail" in chunk.lines.rejected
                chunk = _one_fault(_broken_off(broken, data)) if broken and cut_off else chunk
                if piece.last:
                    part.tail_bytes, part.tail_lines = len(piece.data), chunk.lines
                self._take(part, input, chunk, data, tail=piece.last)
            if self.stopped():
                part.whole = False
                return

    def _read_lines(self, part: Part, input: Input, data: bytes, last: bool) -> Chunk:
        format = input.detected.format
        assert isinstance(format, LineFormat)
        if not self.plan.repeated:
            return format.read_lines(data, input.reading, last)
        if self._sieve is None or self._sieve.slot != (part.task, part.block):
            self._sieve = Sieve(self.plan.repeated, (part.task, part.block))
        return self._sieve.lines(format, input.reading, data, last)

    def _take(self, part: Part, input: Input, chunk: Chunk, lines: bytes | None = None, *, tail: bool = False) -> None:
        chunk = ruled(chunk, input.reading)
        if self.plan.keyed:
            keys, unknown = keys_of(chunk, lines)
            part.keys.append(keys)
            part.unknown += unknown
            return
        if chunk.faults:
            self._keep_faults(part, part.owned, chunk.faults)
        part.lines += replace(chunk.lines, read=0)
        part.added_ms = most_of(part.added_ms, chunk.added_ms)
        # A file may be read by more columns than are grouped by, as by the ids of its requests; an aggregate's key is a group's.
        by = self.plan.reading.by
        part.aggregates.extend(replace(one, key={column: one.key.get(column) for column in by}) for one in chunk.aggregates)
        part.notes.extend(note for note in chunk.notes if note not in part.notes)
        if chunk.sampling is not None:
            part.said, part.damage, part.saved_from = (chunk.seen_from, chunk.sampling), chunk.damage, chunk.saved_from
        bin = self.plan.bin(self.plan.tasks[part.task].file, tail and self.plan.apart)
        if chunk.partial is not None:
            if self.folding is not None:
                raise EdgeroiError("a saved profile no longer knows single requests", fix="name the logs that it was made from")
            self._counting.add_partial(bin, chunk.partial)
        if chunk.batch is not None and chunk.batch.n:
            self._count(part, input, bin, _stated(chunk.batch, input))

    def _count(self, part: Part, input: Input, bin: Bin, batch: Batch) -> None:
        hidden = input.detected.format.hidden
        if self.folding is not None:
            self.folding.add(self.plan.tasks[part.task].file, part.task, part.block, batch)
            batch = self.folding.less_its_labels(batch, (*self.plan.reading.by, *hidden, FILE))
        self._counting.add(bin, batch, hidden)

    def _keep_faults(self, part: Part, before: int, faults: Sequence[Fault]) -> None:
        placed = [replace(fault, line=before + fault.line) for fault in faults]
        seen = {reason: sum(fault.reason == reason for fault in part.faults) for reason in {fault.reason for fault in placed}}
        for fault in placed:
            if self.plan.all_faults or seen[fault.reason] < KEPT_OF_REASON:
                seen[fault.reason] += 1
                part.faults.append(fault)
        if self.plan.spool is not None:
            part.spool = part.spool or str(self.plan.spool / f"{part.task}.{part.block}.faults")
            _spool(Path(part.spool), placed)


def most_of(*told: float | None) -> float | None:
    """The most of what is known."""
    return max((value for value in told if value is not None), default=None)


def _blocks(cut: Iterator[Piece]) -> Iterator[tuple[Piece, ...]]:
    """Pieces gathered into blocks, wherever the stream is read the same."""
    held = list[Piece]()
    for piece in cut:
        held.append(piece)
        if len(held) == _PIECES_OF_BLOCK:
            yield tuple(held)
            held = []
    if held:
        yield tuple(held)


def _skip(read: Callable[[int], bytes], count: int, see: Callable[[bytes], None]) -> None:
    while count and (block := read(count)):
        see(block)
        count -= len(block)


def _one_fault(fault: Fault) -> Chunk:
    return Chunk(LineCount(1, rejected={fault.reason: 1}), faults=(fault,))


def _broken_off(broken: Damage, data: bytes) -> Fault:
    return Fault(1, broken.reason, "the stream ends inside this line", data[:RAW_BYTES])


def _stated(batch: Batch, input: Input) -> Batch:
    """The batch with what is the same for every request of the file."""
    labels, numbers = dict(batch.labels), dict(batch.numbers)
    for column, text in input.reading.const.items():
        if COLUMNS[column] == "label":
            labels[column] = Labels.constant(text, batch.n)
        else:
            number = constant_number(COLUMNS[column], text)
            numbers[column] = np.full(batch.n, np.nan if number is None else number)
    if input.detected.format.hidden:
        labels[FILE] = Labels.constant(input.source.path, batch.n)
    stated = replace(batch, labels=labels, numbers=numbers)
    return replace(stated, labels=cut_labels(stated, input.reading.cuts)) if input.reading.cuts else stated


@contextmanager
def _told_of(input: Input) -> Iterator[None]:
    """What is wrong with a log is said of it by name."""
    try:
        yield
    except EdgeroiError as error:
        if error.place is not None:
            raise
        raise type(error)(error.message, place=Place(input.source.path), key=error.key, fix=error.fix) from None


@contextmanager
def _opened(input: Input, part: Part, told: Callable[[int], None], stopped: Callable[[], bool]) -> Iterator[BinaryIO]:
    """The log's own bytes; what is read of the file is counted, and digested to its end unless ``stopped``."""
    source = input.source
    if source.bytes is None:
        seen = Seen(io.BufferedReader(Prefixed(input.head, once_only(source))), told)
        try:
            yield opened(io.BufferedReader(seen), input.head)
        finally:
            let_go(source)
        part.bytes, part.leaves = seen.bytes, seen.leaves()
        return
    with opened_file(source) as raw:
        first = raw.read(4)
        raw.seek(0)
        seen = Seen(raw, told, seekable=not input.compressed)
        yield opened(io.BufferedReader(seen, 1 << 17), first)
        seen.drain(stopped)
    part.bytes, part.leaves, part.fetched = seen.bytes, seen.leaves(), seen.bytes


def _spool(path: Path, faults: Sequence[Fault]) -> None:
    import json

    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps([f.line, f.reason, f.detail, f.raw.decode("latin-1")]) + "\n" for f in faults)


def spooled(path: Path) -> Iterator[Fault]:
    """The faults that a task left in a file, in their order."""
    import json

    with path.open(encoding="utf-8") as file:
        for text in file:
            line, reason, detail, raw = json.loads(text)
            yield Fault(line, reason, detail, raw.encode("latin-1"))
