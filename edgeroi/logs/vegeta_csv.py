"""vegeta's results as CSV (``vegeta encode --to csv``): no header, nanoseconds, bodies and headers in base64 that nobody looks into.

``timestamp, code, latency, bytes out, bytes in, error, body, attack, seq``, and in newer versions ``method, url, headers``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from edgeroi.logs.delimited import number, peeked, rows
from edgeroi.logs.exported import row_judge
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM
from edgeroi.logs.load_test import MAPPED, is_mapped, told
from edgeroi.logs.reading import Reading
from edgeroi.logs.table import header_of
from edgeroi.logs.vegeta import FIELDS, canonical

_START: Final = re.compile(rb"\s*\d{19},\d{1,3},\d+,\d+,\d+,")
#: The columns in their order; older versions end with ``seq``.
_COLUMNS: Final = ("timestamp", "code", "latency", "bytes_out", "bytes_in", "error", "body", "attack", "seq", "method", "url", "headers")
_OLDER: Final = 9
_NUMBERS: Final = frozenset(("timestamp", "code", "latency", "seq"))


def _cell(name: str, cell: str) -> object:
    return number(cell) if name in _NUMBERS else cell


class VegetaCsv:
    """vegeta results as CSV; see the module."""

    name = "vegeta-csv"
    unit = "latency, ns"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "a first byte; tokens, model, cost; placement: rules"
    fields: Mapping[str, str] = {**FIELDS, "timestamp": "column 1, ns (start)", "latency_ms": "column 3, ns"}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A first line that starts with an instant in ns, a status, a latency and two sizes."""
        if is_mapped(reading):
            return MAPPED
        found = _START.match(head.data.removeprefix(BOM)) is not None
        return Claim(found, "vegeta results as CSV" if found else "does not start with an instant in ns, a status and a latency")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records; there is no header."""
        first, begun = peeked(stream)
        names = _COLUMNS[:_OLDER] if len(header_of(first, ",")) == _OLDER else _COLUMNS
        for chunk in rows(stream, begun, reading, ",", lambda header: row_judge(header, reading, canonical, _cell), names):
            yield told(chunk, reading)


FORMAT = VegetaCsv()
