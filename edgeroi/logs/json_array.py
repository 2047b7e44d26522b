"""One JSON array of objects, pretty-printed or not, each a request in canonical columns or in columns the user mapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.jsonl import path_of, values_of, yields_to_usage
from edgeroi.logs.objects import first_objects, from_array, is_array, whole
from edgeroi.logs.reading import Reading
from edgeroi.request import COLUMNS

_ADVICE = "write it as one object per line, which is read in bounded memory: jq -c '.[]' FILE > FILE.jsonl"


def _plain(record: Mapping[str, Any], reading: Reading) -> dict[str, object]:
    return values_of(record, reading)


class JsonArray:
    """An array of objects; see the module."""

    name = "json-array"
    unit = "latency_ms, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "what its columns do not say; the whole array is held in memory, so at most 256 MB"
    fields: Mapping[str, str] = {column: column for column in COLUMNS}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """An array of objects of which one has a latency; also an empty array."""
        if not is_array(head):
            return Claim(False, "does not start with [ and an object")
        mapped = reading.fields.get("latency_ms")
        name, unit = ("json-array mapped" if reading.mapped else self.name), f"{mapped.name}, {mapped.unit}" if mapped else self.unit
        records = first_objects(head)
        if (yielded := yields_to_usage(records, reading, self.name)) is not None:
            return yielded
        told = any("latency_ms" in values_of(record, reading) for record in records)
        empty = head.whole and not head.data.strip(b"\xef\xbb\xbf \t\r\n[]")
        latency = ".".join(path_of("latency_ms", reading))
        return Claim(told or empty, f"an array of objects with {latency}" if told else f"no element has {latency}", unit, name)

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read the array; it has to be held whole, so above 256 MB it is refused with advice."""
        yield from_array(whole(stream, _ADVICE), reading, _plain)


FORMAT = JsonArray()
