"""vegeta's results as JSON lines (``vegeta encode``); what they mean is the same in its CSV, see ``vegeta_csv``.

Read from vegeta's ``lib/results.go``. ``latency`` is a whole number of nanoseconds, ``timestamp`` is when the request was sent.
``code`` 0 is a request nobody answered; its ``error`` says why, and it has a latency all the same, which is how long it took to fail.
vegeta's own ``results.bin`` is Go's gob and read by vegeta only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, is_mapped, scaled, told
from edgeroi.logs.objects import first_objects, from_lines, is_array, known
from edgeroi.logs.reading import Reading

_KEYS: Final = ("attack", "seq", "code", "timestamp", "latency", "bytes_out", "bytes_in")
#: How vegeta's binary results name their type, a few bytes behind their start.
_GOB: Final = b"Result"
_MS_PER_NS: Final = 1e-6

FIELDS: Final[Mapping[str, str]] = {
    "timestamp": "timestamp (start)",
    "request_id": "seq",
    "workload": "attack, else url",
    "status": "code; 0 is no answer",
    "error": "error",
    "latency_ms": "latency, ns",
}


def canonical(result: Mapping[str, Any]) -> dict[str, object]:
    """A result in canonical columns, values still unchecked."""
    return {
        "timestamp": result.get("timestamp"),
        "request_id": result.get("seq"),
        "workload": result.get("attack") or result.get("url"),
        "status": result.get("code"),
        "error": result.get("error"),
        "latency_ms": scaled(result.get("latency"), _MS_PER_NS),
    }


class Vegeta:
    """vegeta results as JSON lines; see the module."""

    name = "vegeta"
    unit = "latency, ns"
    counted: Literal["lines"] = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "a first byte; tokens, model, cost; placement: rules"
    fields: Mapping[str, str] = FIELDS

    def claim(self, head: Head, reading: Reading) -> Claim:
        """Lines with the keys of a result; its binary results are told what to do with."""
        if is_mapped(reading):
            return MAPPED
        if _GOB in head.data[:64] and b"\0" in head.data[:4096]:
            return Claim(False, "binary results, which vegeta alone reads", refused="write them as text: vegeta encode --to csv FILE")
        found = not is_array(head) and any(all(key in record for key in _KEYS) for record in first_objects(head))
        return Claim(found, "vegeta results" if found else f"no line has {', '.join(_KEYS)}")

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return told(from_lines(chunk, reading, JUDGE), reading)


JUDGE: Final = known(canonical)
FORMAT = Vegeta()
