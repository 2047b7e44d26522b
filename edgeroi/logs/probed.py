"""The log of a probe: native lines between run records. A probe stands where its user would, so the user's way is in its latencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.jsonl import FORMAT as JSONL
from edgeroi.logs.lines import object_of
from edgeroi.logs.objects import seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.request import RUN_RECORD
from edgeroi.workload import SeenFrom

#: How a run record begins, as the probe writes it.
_BEGINS = f'{{"{RUN_RECORD}"'.encode()
SEEN_FROM: Final[SeenFrom] = "client"


class Probed:
    """Lines of JSON of which one is a run record; see the module."""

    name = "probe"
    unit = "latency_ms from the intended send, ms"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "what the probe did not ask for or the answers did not say: cost, and tokens where no usage was sent"
    fields: Mapping[str, str] = JSONL.fields

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file with a run record among its first lines."""
        records = (record for record in map(object_of, head.lines()) if not isinstance(record, Bad))
        found = any(RUN_RECORD in record for record in records)
        return Claim(found, "a probe's run record" if found else f"no line has {RUN_RECORD}")

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return replace(seen(JSONL.read_lines(chunk, reading, last), reading, SEEN_FROM), added_ms=_added_ms(chunk))


def _added_ms(chunk: bytes) -> float | None:
    """What the run records of a piece of log say the probe adds, from intended send to last byte, p50; the most of several."""
    lines = (line for line in chunk.split(b"\n") if line.startswith(_BEGINS)) if _BEGINS in chunk else ()
    told = [ms for line in lines if (ms := _told_ms(object_of(line))) is not None]
    return max(told, default=None)


def _told_ms(record: Mapping[str, Any] | Bad) -> float | None:
    inside: Any = record
    for key in (RUN_RECORD, "selftest", "added_whole_ms", "p50"):
        inside = inside.get(key) if isinstance(inside, dict) else None
    is_number = isinstance(inside, int | float) and not isinstance(inside, bool)
    return float(inside) if is_number and 0 <= inside < float("inf") else None


FORMAT = Probed()
