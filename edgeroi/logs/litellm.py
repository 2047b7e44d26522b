"""LiteLLM logs, one record a line; what the records mean is in ``litellm_calls``. The proxy does not see the user's own leg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO, Final, Literal

import numpy as np

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.litellm_attempts import CALL, MOST_FAILED, failed_traces, joined_attempts, told_apart
from edgeroi.logs.litellm_calls import EVERY, FIELDS, PAYLOAD, SPEND, canonical, recognised
from edgeroi.logs.litellm_columns import LOOKED_AT, UNUSUAL, PlainTold, Told, TypedTold, applies, ordinary
from edgeroi.logs.objects import Judge, first_objects, from_few, from_lines, is_array, known, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.typed import Learner, objects_of
from edgeroi.request import joined
from edgeroi.workload import Partial, SeenFrom

#: A proxy does not see the user's own way to it.
SEEN_FROM: Final[SeenFrom] = "gateway"


#: Said of a log that was not looked over and has failed calls.
NOT_JOINED: Final = "what comes from a pipe is read once: retries and fallbacks are counted as requests of their own"


@dataclass
class LiteLLM:
    """LiteLLM records, one a line; see the module. ``failed``: traces of which a call failed, once the file was looked over."""

    failed: frozenset[str] | None = None
    name: str = "litellm"
    unit: str = "endTime - startTime, s"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks: str = "the user's own way to the gateway; the region; the time to first token of calls that were not streamed"
    fields: Mapping[str, str] = field(default_factory=lambda: FIELDS)

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line of which one is a LiteLLM record, unless the user says where latency is."""
        return claim_of(() if is_array(head) else first_objects(head), reading, "line")

    def looked_over(self, stream: BinaryIO) -> LiteLLM:
        """The format as it reads this file: attempts of one request are joined if any failed."""
        failed = failed_traces(stream)
        return LiteLLM(failed, hidden=(CALL,) if failed else ())

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        reading, failed = replace(reading, hidden=self.hidden), self.failed or frozenset()
        judge = known(told_apart(failed)) if failed else JUDGE
        read = _read_ordinary(chunk, reading, judge, failed) if applies(reading) else from_lines(chunk, reading, judge)
        return seen(noted(read, self.failed), reading, SEEN_FROM)

    def settle(self, partial: Partial) -> Partial:
        """Each run of attempts counted as one request."""
        return joined_attempts(partial)


def noted(chunk: Chunk, failed: frozenset[str] | None) -> Chunk:
    """The chunk, with what is to be said of retries in it."""
    if failed is None:
        any_failed = chunk.batch is not None and bool(chunk.batch.failed.any())
        return replace(chunk, notes=(*chunk.notes, NOT_JOINED)) if any_failed else chunk
    most = f"more than {MOST_FAILED:,} traces with a failed call: retries of further ones are counted as requests of their own"
    return replace(chunk, notes=(*chunk.notes, most)) if len(failed) >= MOST_FAILED else chunk


def claim_of(records: Iterable[object], reading: Reading, each: str) -> Claim:
    """Whether one of the records is LiteLLM's; where the user says which field is latency, the log is read as they say."""
    if "latency_ms" in reading.fields:
        return Claim(False, "latency_ms is mapped, so the log is read as mapped")
    kind = next(filter(None, map(recognised, records)), None)
    wanted = f"{', '.join(EVERY)} and {PAYLOAD} or {SPEND}"
    return Claim(kind is not None, f"a LiteLLM {kind}" if kind else f"no {each} has {wanted}", format=f"litellm {kind}" if kind else None)


def _read_ordinary(chunk: bytes, reading: Reading, judge: Judge, failed: frozenset[str]) -> Chunk:
    """The same as ``from_lines`` says, with what is ordinary read a column at a time."""
    end = chunk.rfind(b"\n") + 1
    lines = chunk[:end].split(b"\n")[:-1]
    told, rows = _told(chunk[:end], lines, reading)
    unusual = np.zeros(told.n, np.bool_)
    if any(word in chunk for word in UNUSUAL):
        unusual |= np.fromiter((any(word in lines[row] for word in UNUSUAL) for row in rows), np.bool_, told.n)
    if failed:
        unusual |= told.among(failed, "trace_id", "session_id")  # a trace inside another object is unusual already
    found = ordinary(told, unusual, reading)
    exact = set(range(len(lines))).difference(rows) if told.n < len(lines) else set()
    exact.update(rows[row] for row in found.odd.tolist())
    rest = from_few(lines, sorted(exact), chunk[end:], reading, judge)
    profiled = rest.lines.profiled + found.batch.n
    read = chunk.count(b"\n") + (not chunk.endswith(b"\n") and bool(chunk))
    batches = [batch for batch in (found.batch, rest.batch) if batch is not None and batch.n]
    return replace(rest, lines=replace(rest.lines, read=read, profiled=profiled), batch=joined(batches) if batches else None)


def _told(text: bytes, lines: Sequence[bytes], reading: Reading) -> tuple[Told, Sequence[int]]:
    """What the lines that hold an object tell, and their places from 0."""
    learner = _learner(reading.file)
    typed = learner.decode(text, len(lines)) if lines else None
    if typed is not None and learner.kind is not None:
        return TypedTold(learner.kind, typed), range(len(lines))
    records = objects_of(lines)
    rows = [row for row, record in enumerate(records) if not isinstance(record, Bad)]
    calls = [record for record in records if not isinstance(record, Bad)]
    for call in calls if learner.is_open else ():
        learner.meet(call)
    return PlainTold(calls), rows


@lru_cache(maxsize=16)
def _learner(file: str | None) -> Learner:
    """What was learned of a file's records."""
    return Learner({(name,): kind for name, kind in LOOKED_AT.items()})


JUDGE: Final = known(canonical)
FORMAT = LiteLLM()
