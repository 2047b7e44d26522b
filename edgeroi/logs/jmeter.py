"""JMeter's results as CSV (JTL): a sample a row, in milliseconds.

- ``timeStamp`` is when the sample started, in ms since the epoch unless JMeter was told another form.
- ``elapsed`` runs to the last byte, ``Latency`` to the first; both hold the time to connect.
- ``success`` decides, not ``responseCode``: an assertion may fail a 200 and accept a 404. A code may be words
  ("Non HTTP response code: java.net.ConnectException").
- A transaction controller adds a row of its own for the samples inside it: those are the requests, it is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal

from edgeroi.logs.delimited import number, peeked, rows
from edgeroi.logs.exported import row_judge
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, as_text, first_byte_ms, is_mapped, told
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Skip, status_failed
from edgeroi.logs.table import header_of, separator_of

_NEEDED: Final = ("timeStamp", "elapsed", "label", "success")
_TRANSACTION: Final = re.compile(r"Number of samples in transaction\s*:")
_HTTP: Final = re.compile(r"[1-9]\d\d")


def _canonical(cells: Mapping[str, str]) -> dict[str, object] | Bad | Skip:
    if _TRANSACTION.match(cells.get("responseMessage", "")):
        return Skip("other_record")
    succeeded, code = cells["success"].lower(), cells.get("responseCode", "")
    if succeeded not in ("true", "false"):
        return Bad("wrong_type", "success is neither true nor false")
    elapsed = _number(cells["elapsed"])
    status = code if _HTTP.fullmatch(code) else None
    return {
        "timestamp": _number(cells["timeStamp"]),
        "workload": cells["label"] or None,
        "status": status if succeeded == "false" or not status_failed(status) else None,
        "error": (code or "failed") if succeeded == "false" else None,
        "latency_ms": elapsed,
        "ttft_ms": first_byte_ms(_number(cells.get("Latency", "")), elapsed),
    }


def _number(cell: str) -> object:
    return number(cell) if cell else None


class JMeter:
    """JMeter samples; see the module."""

    name = "jmeter"
    unit = "elapsed, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "timeStamp, ms (start)",
        "workload": "label",
        "status": "responseCode, where it is a number and success does not overrule it",
        "error": "responseCode, where success is false",
        "latency_ms": "elapsed",
        "ttft_ms": "Latency, where the answer is a stream",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A header with JMeter's names."""
        if is_mapped(reading):
            return MAPPED
        line = next(iter(head.lines(1)), b"")
        names = header_of(line, separator_of(line, _NEEDED[:1]) or ",")
        missing = [name for name in _NEEDED if name not in names]
        return Claim(not missing, f"no header with {', '.join(missing)}" if missing else "JMeter's header")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records."""
        first, begun = peeked(stream)
        for chunk in rows(
            stream, begun, reading, separator_of(first, _NEEDED[:1]) or ",", lambda names: row_judge(names, reading, _canonical, as_text)
        ):
            yield told(chunk, reading)


FORMAT = JMeter()
