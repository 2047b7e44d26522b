"""LiteLLM logs, one record a line; what the records mean is in ``litellm_calls``. The proxy does not see the user's own leg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import object_of
from edgeroi.logs.litellm_calls import EVERY, FIELDS, PAYLOAD, SPEND, canonical, recognised
from edgeroi.logs.litellm_columns import UNUSUAL, applies, ordinary
from edgeroi.logs.objects import first_objects, from_few, from_lines, is_array, known, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.request import joined
from edgeroi.workload import SeenFrom

#: A proxy does not see the user's own way to it.
SEEN_FROM: Final[SeenFrom] = "gateway"


class LiteLLM:
    """LiteLLM records, one a line; see the module."""

    name = "litellm"
    unit = "endTime - startTime, s"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    fields: Mapping[str, str] = FIELDS

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line of which one is a LiteLLM record, unless the user says where latency is."""
        return claim_of(() if is_array(head) else first_objects(head), reading, "line")

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        read = _read_ordinary(chunk, reading) if applies(reading) else from_lines(chunk, reading, JUDGE)
        return seen(read, reading, SEEN_FROM)


def claim_of(records: Iterable[object], reading: Reading, each: str) -> Claim:
    """Whether one of the records is LiteLLM's; where the user says which field is latency, the log is read as they say."""
    if "latency_ms" in reading.fields:
        return Claim(False, "latency_ms is mapped, so the log is read as mapped")
    kind = next(filter(None, map(recognised, records)), None)
    wanted = f"{', '.join(EVERY)} and {PAYLOAD} or {SPEND}"
    return Claim(kind is not None, f"a LiteLLM {kind}" if kind else f"no {each} has {wanted}", format=f"litellm {kind}" if kind else None)


def _read_ordinary(chunk: bytes, reading: Reading) -> Chunk:
    """The same as ``from_lines`` says, with what is ordinary read a column at a time."""
    end = chunk.rfind(b"\n") + 1
    lines = chunk[:end].split(b"\n")[:-1]
    records = [object_of(line) for line in lines]
    rows = [row for row, record in enumerate(records) if not isinstance(record, Bad)]
    calls = [record for record in records if not isinstance(record, Bad)]
    suspicious = any(word in chunk for word in UNUSUAL)
    unusual = np.fromiter((suspicious and any(word in lines[row] for word in UNUSUAL) for row in rows), np.bool_, len(rows))
    found = ordinary(calls, unusual, reading)
    exact = {row for row, record in enumerate(records) if isinstance(record, Bad)} | {rows[row] for row in found.odd.tolist()}
    rest = from_few(lines, sorted(exact), chunk[end:], reading, JUDGE)
    profiled = rest.lines.profiled + found.batch.n
    read = chunk.count(b"\n") + (not chunk.endswith(b"\n") and bool(chunk))
    batches = [batch for batch in (found.batch, rest.batch) if batch is not None and batch.n]
    return replace(rest, lines=replace(rest.lines, read=read, profiled=profiled), batch=joined(batches) if batches else None)


JUDGE: Final = known(canonical)
FORMAT = LiteLLM()
