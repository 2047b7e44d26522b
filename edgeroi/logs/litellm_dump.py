"""LiteLLM records in one JSON array, or SpendLogs as a CSV dump of the proxy's table; what they mean is in ``litellm_calls``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final, Literal

from edgeroi.logs.columns import Row
from edgeroi.logs.delimited import Cells, Judge, number, peeked, rows, typed
from edgeroi.logs.elements import elements
from edgeroi.logs.exported import row_judge
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM, object_of
from edgeroi.logs.litellm import SEEN_FROM, claim_of, noted
from edgeroi.logs.litellm_attempts import CALL, add_failed, joined_attempts, told_apart
from edgeroi.logs.litellm_calls import FIELDS, canonical
from edgeroi.logs.objects import first_objects, from_array, is_array, known, seen, whole
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Intake
from edgeroi.logs.table import header_of, separator_of
from edgeroi.workload import Partial

_ADVICE = "write it as one record per line, which is read in bounded memory: jq -c '.[]' FILE > FILE.jsonl"
#: Numbers in the database, and so in a dump of it; every other cell is text.
_NUMBERS: Final = frozenset(
    (
        "spend",
        "response_cost",
        "total_tokens",
        "prompt_tokens",
        "completion_tokens",
        "request_duration_ms",
        "startTime",
        "endTime",
        "completionStartTime",
    )
)
_FLAGS: Final = frozenset(("stream",))
#: How dumps spell that a cell is null: a CSV's nothing, PostgreSQL's COPY, database tools.
_NULLS: Final = frozenset(("", "\\N", "NULL", "null"))


def _cell(name: str, cell: str) -> object:
    if name in _FLAGS:
        return typed("flag", cell)
    return None if cell in _NULLS else number(cell) if name in _NUMBERS else cell


def _looking_for(names: tuple[str, ...], traces: set[str]) -> Judge:
    """The judge that only keeps the traces of failed rows."""

    def judge(intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> None:
        for record in cells:
            if any("failure" in cell for cell in record):
                add_failed(dict(zip(names, record, strict=True)), traces)

    return judge


@dataclass
class LiteLLMDump:
    """LiteLLM records in an array or a CSV dump; see the module. ``failed``: as of ``LiteLLM``."""

    failed: frozenset[str] | None = None
    name: str = "litellm-dump"
    unit: str = "endTime - startTime, s"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks: str = "the user's own way to the gateway; the region; the time to first token of calls that were not streamed"
    fields: Mapping[str, str] = field(default_factory=lambda: FIELDS)

    def claim(self, head: Head, reading: Reading) -> Claim:
        """An array of which one element is a LiteLLM record, or a header with the columns of SpendLogs."""
        if is_array(head):
            return claim_of(first_objects(head), reading, "element")
        line = next(iter(head.lines(1)), b"")
        separator = separator_of(line, ["startTime"])
        return claim_of([dict.fromkeys(header_of(line, separator))] if separator else (), reading, "header")

    def looked_over(self, stream: BinaryIO) -> LiteLLMDump:
        """The format as it reads this file: attempts of one request are joined if any failed."""
        traces: set[str] = set()
        first, begun = peeked(stream)
        if first.startswith(b"["):
            for element in elements(whole(stream, _ADVICE, begun), len(BOM) if begun.startswith(BOM) else 0):
                add_failed(object_of(element.raw) if b"failure" in element.raw else None, traces)
        else:
            separator = separator_of(first, ["startTime"]) or ","
            for _ in rows(stream, begun, Reading(), separator, lambda names: _looking_for(names, traces)):
                pass
        return LiteLLMDump(frozenset(traces), hidden=(CALL,) if traces else ())

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records; an array has to be held whole, so above 256 MB it is refused with advice."""
        reading, call = replace(reading, hidden=self.hidden), told_apart(self.failed) if self.failed else canonical
        first, begun = peeked(stream)
        if first.startswith(b"["):
            chunks = iter((from_array(whole(stream, _ADVICE, begun), reading, known(call)),))
        else:
            separator = separator_of(first, ["startTime"]) or ","
            chunks = rows(stream, begun, reading, separator, lambda names: row_judge(names, reading, call, _cell))
        for chunk in chunks:
            yield seen(noted(chunk, self.failed), reading, SEEN_FROM)

    def settle(self, partial: Partial) -> Partial:
        """Each run of attempts counted as one request."""
        return joined_attempts(partial)


FORMAT = LiteLLMDump()
