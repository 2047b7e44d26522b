"""Exact duplicates: requests that a log, or several, tell of more than once.

A request is known by its id; one without by the bytes of its line. A first pass over the logs keeps 16 bytes of each id and each
line; what occurs twice is then looked for in the second pass, and counted only where it first occurs in the order of the logs and
their lines. So it does not matter which process saw which copy, and memory is what it takes to hold the keys.

A format gives its requests in no order, so the line of a repeated id is found by reading halves, and halves of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128

from edgeroi.logs.format import Chunk, LineFormat
from edgeroi.logs.reading import Reading
from edgeroi.request import Batch, Labels, LineCount, joined

#: A task and a block of it, in the order of the logs.
Slot = tuple[int, int]
#: What occurs more than once, and the slot in which it first does.
Repeated = Mapping[bytes, Slot]
KEY_BYTES = 16
_BLANK = b" \t\r\n\v\f"


def keys_of(chunk: Chunk, lines: bytes | None) -> tuple[bytes, int]:
    """The keys of a chunk, ``KEY_BYTES`` each, and how many of its requests have none.

    ``lines``: the bytes it was read from, where those are lines; they are told only where a request among them has no id.
    """
    ids = _ids(chunk.batch)
    told = [id for id in ids if id is not None]
    if len(told) == len(ids):
        return b"".join(told), 0
    if lines is None:
        return b"".join(told), len(ids) - len(told)
    return b"".join([*told, *(_key_of_line(line) for line in lines.split(b"\n") if line.strip(_BLANK))]), 0


def _ids(batch: Batch | None) -> list[bytes | None]:
    """The key of each request by its id; ``None`` of one that has none."""
    if batch is None or not batch.n:
        return []
    labels = batch.labels.get("request_id")
    if labels is None:
        return [None] * batch.n
    keys = [xxh3_128(b"id " + name.encode("utf-8", "surrogatepass")).digest() for name in labels.names]
    return [keys[code] if code >= 0 else None for code in labels.codes.tolist()]


def _key_of_line(line: bytes) -> bytes:
    return xxh3_128(b"line " + line).digest()


def repeated(keys: Mapping[Slot, bytes]) -> dict[bytes, Slot]:
    """The keys that occur more than once, each with the first slot it occurs in."""
    slots = sorted(keys)
    counts = [len(keys[slot]) // KEY_BYTES for slot in slots]
    halves = np.frombuffer(b"".join(keys[slot] for slot in slots), np.uint64).reshape(-1, 2)
    # A stable order: among equal keys the earliest comes first.
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ordered = halves[order]
    equal = (ordered[1:] == ordered[:-1]).all(axis=1)
    firsts = np.flatnonzero(equal & ~np.concatenate(([False], equal[:-1]))) if equal.size else np.empty(0, np.int64)
    places = np.searchsorted(np.cumsum(counts), order[firsts], side="right")
    return {ordered[first].tobytes(): slots[place] for first, place in zip(firsts.tolist(), places.tolist(), strict=True)}


class Sieve:
    """Lets the first of equal requests through, within one slot; ``repeated`` says which belong to another."""

    def __init__(self, repeated: Repeated, slot: Slot) -> None:
        self.repeated, self.slot = repeated, slot
        self._met: set[bytes] = set()

    def is_first(self, key: bytes) -> bool:
        """Whether no request of this key was met before."""
        return self.repeated.get(key, self.slot) == self.slot and key not in self._met

    def passes(self, key: bytes | None) -> bool:
        """Whether the request of this key counts; it has then been met."""
        if key is None:
            return True
        first = self.is_first(key)
        if first and key in self.repeated:
            self._met.add(key)
        return first

    def records(self, chunk: Chunk) -> Chunk:
        """A chunk of records that are no lines, without copies."""
        if chunk.batch is None or not chunk.batch.n:
            return chunk
        return _without(chunk, np.array([self.passes(id) for id in _ids(chunk.batch)], np.bool_))

    def lines(self, format: LineFormat, reading: Reading, data: bytes, last: bool) -> Chunk:
        """Whole lines read, without copies."""
        if last:  # the unfinished line stands alone
            return self._one(format.read_lines(data, reading, True), data)
        lines = data.removesuffix(b"\n").split(b"\n")
        keys = [_key_of_line(line) for line in lines]
        suspects = [place for place, key in enumerate(keys) if key in self.repeated]
        others = [place for place, key in enumerate(keys) if key not in self.repeated]
        found = list[tuple[Chunk, Sequence[int]]]()
        suspects += self._apart(format, reading, lines, others, found)
        found += self._judged(format, reading, lines, keys, sorted(suspects))
        return _gathered(found)

    def _apart(
        self, format: LineFormat, reading: Reading, lines: Sequence[bytes], places: Sequence[int], found: list[tuple[Chunk, Sequence[int]]]
    ) -> list[int]:
        """Read lines of which none is repeated; return those that have a repeated id."""
        if not places:
            return []
        chunk = _read(format, reading, lines, places)
        again = [id is not None and id in self.repeated for id in _ids(chunk.batch)]
        if not any(again):
            found.append((chunk, places))
            return []
        if all(again) and len(again) == len(places):
            return list(places)
        middle = len(places) // 2
        return [place for half in (places[:middle], places[middle:]) for place in self._apart(format, reading, lines, half, found)]

    def _judged(
        self, format: LineFormat, reading: Reading, lines: Sequence[bytes], keys: Sequence[bytes], places: Sequence[int]
    ) -> Iterator[tuple[Chunk, Sequence[int]]]:
        """Read lines of which each may be a copy, in their order: together where all are or none is, else in halves."""
        if not places:
            return
        chunk = _read(format, reading, lines, places)
        ids = _ids(chunk.batch)
        told = [id for id in ids if id is not None]
        if not told and len(ids) == len(places):
            # Every line is a request without an id: what is kept is known by the lines alone.
            kept = [place for place in places if self.passes(keys[place])]
            if kept:
                yield _read(format, reading, lines, kept), kept
            yield Chunk(LineCount(skipped={"duplicate": len(places) - len(kept)} if len(kept) < len(places) else {})), ()
        elif len(told) == len(ids) and not any(self.is_first(id) for id in told):
            yield _without(chunk, np.zeros(len(ids), np.bool_)), places
        elif len(told) == len(ids) == len(set(told)) and all(self.is_first(id) for id in told):
            self._met.update(told)
            yield chunk, places
        elif len(places) == 1:
            yield self._one(chunk, lines[places[0]]), places
        else:
            middle = len(places) // 2
            yield from self._judged(format, reading, lines, keys, places[:middle])
            yield from self._judged(format, reading, lines, keys, places[middle:])

    def _one(self, chunk: Chunk, line: bytes) -> Chunk:
        if chunk.batch is None or not chunk.batch.n:
            return chunk
        keys = [_key_of_line(line.removesuffix(b"\n")) if id is None else id for id in _ids(chunk.batch)]
        return _without(chunk, np.array([self.passes(key) for key in keys], np.bool_))


def _read(format: LineFormat, reading: Reading, lines: Sequence[bytes], places: Sequence[int]) -> Chunk:
    return format.read_lines(b"\n".join([lines[place] for place in places]) + b"\n", reading, False)


def _gathered(found: Sequence[tuple[Chunk, Sequence[int]]]) -> Chunk:
    """Chunks of some lines each as the chunk of all; a fault is told at its own line."""
    batches = [chunk.batch for chunk, _ in found if chunk.batch is not None and chunk.batch.n]
    faults = [replace(fault, line=places[fault.line - 1] + 1) for chunk, places in found for fault in chunk.faults]
    first = max((chunk for chunk, _ in found), key=lambda chunk: chunk.lines.read)
    return replace(
        first,
        lines=sum((chunk.lines for chunk, _ in found), LineCount()),
        batch=joined(batches) if batches else None,
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        notes=tuple(dict.fromkeys(note for chunk, _ in found for note in chunk.notes)),
    )


def _without(chunk: Chunk, kept: NDArray[np.bool_]) -> Chunk:
    """The chunk without the requests that are copies, which are skipped in its account."""
    batch, lines, copies = chunk.batch, chunk.lines, int((~kept).sum())
    if batch is None or not copies:
        return chunk
    skipped = dict(sorted({**lines.skipped, "duplicate": copies}.items()))
    account = LineCount(lines.read, lines.blank, lines.profiled - copies, lines.rejected, skipped)
    return replace(chunk, lines=account, batch=_chosen(batch, kept))


def _chosen(batch: Batch, kept: NDArray[np.bool_]) -> Batch:
    return Batch(
        int(kept.sum()),
        batch.failed[kept],
        {column: numbers[kept] for column, numbers in batch.numbers.items()},
        {column: Labels(labels.codes[kept], labels.names) for column, labels in batch.labels.items()},
        None if batch.instants is None else batch.instants[kept],
    )
