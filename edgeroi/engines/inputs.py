"""What is to be read: files met and recognised, and cut into tasks."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from xxhash import xxh3_128

from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.format import HEAD_BYTES, Detected, Head, LineFormat, LooksOver, NoLog, candidates, detect
from edgeroi.logs.reading import Reading
from edgeroi.logs.rules import FILE
from edgeroi.logs.saved import NAME as SAVED
from edgeroi.logs.sources import Source, opened_file
from edgeroi.logs.stream import compression_of, opened, plain_name
from edgeroi.workload import FileAccount

#: A range of a file; also what a leaf of its digest is taken over.
RANGE_BYTES = 8 << 20
#: How many of the files in a folder that are no logs are named.
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Input:
    """A file that is to be read, and as what.

    ``head``: of what cannot be read twice, the bytes that were. ``start``: the digest of its first bytes, decompressed, and how many.
    ``grown``: what a saved profile holds of it already.
    """

    source: Source
    detected: Detected
    reading: Reading
    compressed: bool
    head: bytes = b""
    start: tuple[bytes, int] = (b"", 0)
    grown: FileAccount | None = None

    @property
    def resumes_at(self) -> int:
        """The first byte that nobody has read."""
        growth = self.grown.growth if self.grown else None
        return self.grown.bytes - growth.tail_bytes if self.grown and growth and not self.is_unchanged else 0

    @property
    def place(self) -> bytes:
        """The digest of its path where rules say labels by that; nothing where they do not."""
        looked_at = any(column == FILE for rule in self.reading.rules for column, _ in rule.conditions)
        return xxh3_128(self.source.path.encode("utf-8", "surrogateescape")).digest() if looked_at else b""

    @property
    def is_unchanged(self) -> bool:
        """Whether a saved profile holds all of it."""
        return self.grown is not None and self.grown.bytes == self.source.bytes


@dataclass(frozen=True, slots=True)
class Task:
    """A range of a file of lines, or all of a file (``end`` is ``None``); lines before ``own`` are only digested."""

    file: int
    start: int = 0
    end: int | None = None
    own: int = 0


def inputs_of(sources: Sequence[Source], reading: Reading) -> tuple[tuple[Input, ...], list[str]]:
    """Every log among the sources, and notes on what is none; raises ``EdgeroiError`` for a named one that is none, and for none at all."""
    inputs, others, notes = list[Input](), list[str](), list[str]()
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


def _input(source: Source, reading: Reading) -> Input:
    if source.bytes is None:
        first = once_only(source).read(HEAD_BYTES + 1)
        head = _head(opened(io.BytesIO(first), first), source)
        head = replace(head, whole=head.whole and len(first) <= HEAD_BYTES)
        return _as_detected(source, reading, head, compression_of(first) is not None, first)
    try:
        head, first = start_of(source)
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror}", place=Place(source.path)) from None
    return _as_detected(source, reading, head, compression_of(first) is not None, b"")


def _as_detected(source: Source, reading: Reading, head: Head, compressed: bool, first: bytes) -> Input:
    for_file = reading.for_file(source.path)
    try:
        start = (xxh3_128(head.data).digest(), len(head.data))
        detected = _looked_over(source, detect(head, for_file))
        return Input(source, detected, _telling_ids(for_file, detected), compressed, first, start)
    except EdgeroiError as error:
        error.place = Place(source.path)
        raise


def _looked_over(source: Source, detected: Detected) -> Detected:
    """The format as it reads this file, where it has to look over all of it first and the file can be read twice."""
    if source.bytes is None or not isinstance(detected.format, LooksOver):
        return detected
    with opened_file(source) as raw:
        first = raw.read(4)
        raw.seek(0)
        return replace(detected, format=detected.format.looked_over(opened(raw, first)))


def _telling_ids(reading: Reading, detected: Detected) -> Reading:
    """The reading, by the requests' ids too where duplicates are told apart by them."""
    if not reading.dedupe or "request_id" in reading.by or detected.format.name == SAVED:
        return reading
    return replace(reading, by=(*reading.by, "request_id"))


def once_only(source: Source) -> BinaryIO:
    """Standard input or a pipe: what is read is gone, so it is opened once and kept."""
    if source.is_stdin:
        return sys.stdin.buffer
    if source.path not in _PIPES:
        _PIPES[source.path] = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, opened_file(source))))  # read later, once
    return _PIPES[source.path]


_PIPES: dict[str, BinaryIO] = {}


def let_go(source: Source) -> None:
    """Close a pipe that was read, so that a later run in this process opens what is there then."""
    if pipe := _PIPES.pop(source.path, None):
        pipe.close()


def start_of(source: Source) -> tuple[Head, bytes]:
    """The start of a file as formats are shown it, decompressed, and its first four bytes as they stand there."""
    with opened_file(source) as raw:
        first = raw.read(4)
        raw.seek(0)
        return _head(opened(raw, first), source), first


def _head(stream: BinaryIO, source: Source) -> Head:
    data = b""
    while len(data) <= HEAD_BYTES:
        block = stream.read(HEAD_BYTES + 1 - len(data))
        if not block:
            break
        data += block
    return Head(data[:HEAD_BYTES], plain_name(Path(source.path).name), len(data) <= HEAD_BYTES)


def tasks_of(inputs: Sequence[Input]) -> tuple[Task, ...]:
    """The ranges of files of lines, and all else whole, in order."""
    return tuple(task for place, input in enumerate(inputs) for task in _tasks_of(place, input))


def _tasks_of(place: int, input: Input) -> Iterator[Task]:
    size = input.source.bytes
    if input.is_unchanged:
        return
    if not size or input.compressed or not isinstance(input.detected.format, LineFormat):
        yield Task(place)
    else:
        first = input.resumes_at // RANGE_BYTES * RANGE_BYTES
        for start in range(first, size, RANGE_BYTES):
            yield Task(place, start, min(start + RANGE_BYTES, size), max(start, input.resumes_at))
