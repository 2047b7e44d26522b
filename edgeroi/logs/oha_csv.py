"""oha's ``--output-format csv``: a row for each answered request, times in seconds.

Read from oha's ``src/printer.rs``. Only requests that were answered are written (whatever the status): how many were not is not
in the file, so its error ratio is a lower bound. ``request-start`` counts from the start of the run: there is no date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from edgeroi.logs.delimited import number, peeked, rows
from edgeroi.logs.exported import row_judge
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, as_text, first_byte_ms, is_mapped, scaled, told
from edgeroi.logs.reading import Reading
from edgeroi.logs.table import header_of

_HEADER: Final = ("request-start", "DNS", "DNS+dialup", "Response-delay", "request-duration", "bytes", "status")
_SURVIVORS: Final = "oha writes only requests that were answered: how many were not is in its JSON alone"
_MS_PER_S: Final = 1e3


def _canonical(cells: Mapping[str, str]) -> dict[str, object]:
    first, whole = (scaled(number(cells[name]) if cells[name] else None, _MS_PER_S) for name in ("Response-delay", "request-duration"))
    return {"status": cells["status"] or None, "latency_ms": whole, "ttft_ms": first_byte_ms(first, whole)}


class OhaCsv:
    """oha's requests as CSV; see the module."""

    name = "oha-csv"
    unit = "request-duration, s"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "requests that were not answered; when (there is no clock time); tokens, model, cost; workload and placement: rules"
    fields: Mapping[str, str] = {
        "status": "status",
        "latency_ms": "request-duration, s",
        "ttft_ms": "Response-delay, s, where the answer is a stream",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """The header that oha writes."""
        if is_mapped(reading):
            return MAPPED
        found = header_of(next(iter(head.lines(1)), b""), ",") == _HEADER
        return Claim(found, "oha's header" if found else f"no header {','.join(_HEADER)}")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records."""
        _, begun = peeked(stream)
        for chunk in rows(stream, begun, reading, ",", lambda names: row_judge(names, reading, _canonical, as_text)):
            yield told(chunk, reading, _SURVIVORS)


FORMAT = OhaCsv()
