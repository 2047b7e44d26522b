"""LiteLLM records in one JSON array, or SpendLogs as a CSV dump of the proxy's table; what they mean is in ``litellm_calls``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from edgeroi.logs.delimited import number, peeked, rows, typed
from edgeroi.logs.exported import row_judge
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.litellm import JUDGE, SEEN_FROM, claim_of
from edgeroi.logs.litellm_calls import FIELDS, canonical
from edgeroi.logs.objects import first_objects, from_array, is_array, seen, whole
from edgeroi.logs.reading import Reading
from edgeroi.logs.table import header_of, separator_of

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


def _cell(name: str, cell: str) -> object:
    if name in _FLAGS:
        return typed("flag", cell)
    return (number(cell) if name in _NUMBERS else cell) if cell else None


class LiteLLMDump:
    """LiteLLM records in an array or a CSV dump; see the module."""

    name = "litellm-dump"
    unit = "endTime - startTime, s"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    fields: Mapping[str, str] = FIELDS

    def claim(self, head: Head, reading: Reading) -> Claim:
        """An array of which one element is a LiteLLM record, or a header with the columns of SpendLogs."""
        if is_array(head):
            return claim_of(first_objects(head), reading, "element")
        line = next(iter(head.lines(1)), b"")
        separator = separator_of(line, ["startTime"])
        return claim_of([dict.fromkeys(header_of(line, separator))] if separator else (), reading, "header")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records; an array has to be held whole, so above 256 MB it is refused with advice."""
        first, begun = peeked(stream)
        if first.startswith(b"["):
            yield seen(from_array(whole(stream, _ADVICE, begun), reading, JUDGE), reading, SEEN_FROM)
        else:
            separator = separator_of(first, ["startTime"]) or ","
            for chunk in rows(stream, begun, reading, separator, lambda names: row_judge(names, reading, canonical, _cell)):
                yield seen(chunk, reading, SEEN_FROM)


FORMAT = LiteLLMDump()
