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
from edgeroi.trust import BLIND
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
        read, records = seen(JSONL.read_lines(chunk, reading, last), reading, SEEN_FROM), _run_records(chunk)
        told = [ms for record in records if (ms := _added_ms(record)) is not None]
        blind = any(_at(record, "mode") == "closed" for record in records)
        return replace(read, added_ms=max(told, default=None), notes=(*read.notes, BLIND) if blind else read.notes)


def _run_records(chunk: bytes) -> list[Mapping[str, Any]]:
    """The run records of a piece of log."""
    lines = (line for line in chunk.split(b"\n") if line.startswith(_BEGINS)) if _BEGINS in chunk else ()
    return [record for record in map(object_of, lines) if not isinstance(record, Bad)]


def _at(record: Mapping[str, Any], *path: str) -> Any:
    inside: Any = record
    for key in (RUN_RECORD, *path):
        inside = inside.get(key) if isinstance(inside, dict) else None
    return inside


def _added_ms(record: Mapping[str, Any]) -> float | None:
    """What a run says the probe adds, from intended send to last byte, p50."""
    inside = _at(record, "selftest", "added_whole_ms", "p50")
    is_number = isinstance(inside, int | float) and not isinstance(inside, bool)
    return float(inside) if is_number and 0 <= inside < float("inf") else None


FORMAT = Probed()
