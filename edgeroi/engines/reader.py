"""Reads one task after another: what one process, or one partition of a cluster, does.

Counting does not depend on who read what: partial profiles add up in any order to the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from xxhash import xxh3_128

from edgeroi.census import Census
from edgeroi.engines import inputs as cutting
from edgeroi.engines.inputs import Input, Task, let_go, once_only
from edgeroi.logs.format import RAW_BYTES, Chunk, Fault, LineFormat
from edgeroi.logs.lines import BOM, LONGEST_LINE
from edgeroi.logs.pieces import NewlineCount, Piece, pieces
from edgeroi.logs.reading import constant_number
from edgeroi.logs.rejects import KEPT_OF_REASON
from edgeroi.logs.stream import Damage, Prefixed, damage_of, opened
from edgeroi.request import COLUMNS, Batch, Labels, LineCount, joined
from edgeroi.workload import Partial, SeenFrom

#: Requests that wait to be counted together.
_COUNTED_TOGETHER = 1 << 17
#: The hidden column that keeps the files of a settled format apart.
FILE = "file"


@dataclass(slots=True)
class Part:
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

    @property
    def owned(self) -> int:
        """Lines that went somewhere."""
        return self.lines.blank + self.lines.profiled + self.lines.total_rejected + self.lines.total_skipped


class Reader:
    """One process's share of the work: what it read so far, as partial profiles."""

    def __init__(
        self, inputs: Sequence[Input], by: tuple[str, ...], spool: Path | None, told: Callable[[int], None], stopped: Callable[[], bool]
    ) -> None:
        self.inputs, self.by, self.spool, self.told, self.stopped = inputs, by, spool, told, stopped
        self._census: dict[str, Census] = {}
        self._waiting: dict[str, list[Batch]] = {}
        self._partials: dict[str, Partial] = {}

    def read(self, number: int, task: Task) -> Part:
        """Read a task to its end, or until stopped."""
        input = self.inputs[task.file]
        part = Part(number)
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

    def _read_range(self, part: Part, input: Input, task: Task) -> None:
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

    def _read_whole(self, part: Part, input: Input) -> None:
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
        self, part: Part, input: Input, cut: Iterator[Piece], *, first: bool, damage: Callable[[], Damage | None] = lambda: None
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

    def _take(self, part: Part, input: Input, chunk: Chunk) -> None:
        before = part.owned
        kind = input.detected.format.name if input.detected.format.hidden else ""
        if chunk.faults:
            self._keep_faults(part, before, chunk.faults)
        part.lines += replace(chunk.lines, read=0)
        part.notes.extend(note for note in chunk.notes if note not in part.notes)
        if chunk.sampling is not None:
            part.said, part.damage, part.saved_from = (chunk.seen_from, chunk.sampling), chunk.damage, chunk.saved_from
        if chunk.partial is not None:
            self._partials[kind] = sum_partials(self._partials.get(kind), chunk.partial)
        if chunk.batch is not None and chunk.batch.n:
            self._await(kind, _stated(chunk.batch, input), input)

    def _await(self, kind: str, batch: Batch, input: Input) -> None:
        if kind not in self._census:
            hidden = (*input.detected.format.hidden, FILE) if kind else ()
            self._census[kind] = Census(self.by + hidden)
        waiting = self._waiting.setdefault(kind, [])
        waiting.append(batch)
        if sum(batch.n for batch in waiting) >= _COUNTED_TOGETHER:
            self._count_waiting(kind)

    def _count_waiting(self, kind: str) -> None:
        batches, self._waiting[kind] = self._waiting[kind], []
        if batches:
            self._census[kind].add(joined(batches))

    def _keep_faults(self, part: Part, before: int, faults: Sequence[Fault]) -> None:
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
    return replace(batch, labels=labels, numbers=numbers)


def sum_partials(one: Partial | None, two: Partial | None) -> Partial:
    """What both say; one of them is there."""
    if one is None or two is None:
        only = one or two
        assert only is not None
        return only
    return one + two


@contextmanager
def _opened(input: Input, part: Part, told: Callable[[int], None]) -> Iterator[BinaryIO]:
    """The log's own bytes; what is read of the file is counted, and digested at the end."""
    source = input.source
    if source.bytes is None:
        seen = _Seen(io.BufferedReader(Prefixed(input.head, once_only(source))))
        try:
            yield opened(io.BufferedReader(seen), input.head)
        finally:
            let_go(source)
        part.bytes, part.leaves = seen.bytes, seen.leaves()
        return
    with Path(source.path).open("rb") as raw:
        first = raw.read(4)
        raw.seek(0)
        yield opened(raw, first)
    with Path(source.path).open("rb") as raw:
        while block := raw.read(cutting.RANGE_BYTES):
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
            piece = rest[: cutting.RANGE_BYTES - self._in_leaf]
            self._leaf.update(piece)
            self._in_leaf += len(piece)
            rest = rest[len(piece) :]
            if self._in_leaf == cutting.RANGE_BYTES:
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


def spooled(path: Path) -> Iterator[Fault]:
    """The faults that a task left in a file, in their order."""
    import json

    with path.open(encoding="utf-8") as file:
        for text in file:
            line, reason, detail, raw = json.loads(text)
            yield Fault(line, reason, detail, raw.encode("latin-1"))
