"""Locust's ``_stats.csv``: a row of ready quantiles for each endpoint, and one for all of them.

Read from Locust 2.47 (``stats.py``, and its output on a server of our own). What the table hides:

- The row named ``Aggregated`` holds the requests of the others once more: it is left out.
- Times are ms, and from 100 ms on rounded to two digits; the mean, the least and the greatest are not.
- Failed requests are in the times and in the quantiles: they cannot be taken out.
- An endpoint that nobody asked has 0 or ``N/A`` for times.
- ``_stats_history.csv`` is the same, second by second, of the last ten seconds; it is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final, Literal

from edgeroi.aggregate import Aggregate
from edgeroi.logs.columns import Row
from edgeroi.logs.delimited import Cells, Judge, number, peeked, rows
from edgeroi.logs.document import with_aggregates
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, is_mapped, told
from edgeroi.logs.objects import give
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip
from edgeroi.logs.stated import NO_QUANTILE, aggregate, counted, stated
from edgeroi.logs.table import header_of

_NEEDED: Final = ("Type", "Name", "Request Count", "Failure Count", "50%", "99%")
_TOTAL: Final = "Aggregated"
_NOTE: Final = "Locust rounds times to two digits from 100 ms on, and counts failed requests into its quantiles"


class Locust:
    """Locust's table of endpoints; see the module."""

    name = "locust"
    unit = "50% ... 99.99%, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "single requests, so an interval, a mix or a volume; successes apart from failures; a first byte; tokens, model, cost"
    fields: Mapping[str, str] = {
        "workload": "Name",
        "latency_ms": "an aggregate: 50%, 66%, 75%, 80%, 90%, 95%, 98%, 99%, 99.9%, 99.99%; failed requests included",
        "error": "an aggregate: Failure Count of Request Count",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """The header of the table of endpoints."""
        if is_mapped(reading):
            return MAPPED
        names = header_of(next(iter(head.lines(1)), b""), ",")
        if names[:2] == ("Timestamp", "User Count"):
            return Claim(False, "Locust's history, second by second, of the last ten seconds", refused="give its _stats.csv")
        missing = [name for name in _NEEDED if name not in names]
        return Claim(not missing, f"no header with {', '.join(missing)}" if missing else "Locust's table of endpoints")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all rows; each endpoint is an aggregate."""
        _, begun = peeked(stream)
        found: list[Aggregate] = []
        for chunk in rows(stream, begun, reading, ",", lambda names: _judge(names, reading, found)):
            yield told(with_aggregates(chunk, found), reading, _NOTE)
            found.clear()


def _judge(names: tuple[str, ...], reading: Reading, found: list[Aggregate]) -> Judge:
    def judge(intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> None:
        for record, row in zip(cells, rows, strict=True):
            endpoint = dict(zip(names, record, strict=True))
            if (endpoint["Name"] == _TOTAL and not endpoint["Type"]) or number(endpoint["Request Count"]) == 0:
                intake.skip("other_record")
                continue
            one = _endpoint(endpoint, reading)
            if isinstance(one, Aggregate):
                found.append(one)
            else:
                give(intake, one, row)

    return judge


def _endpoint(cells: Mapping[str, str], reading: Reading) -> Aggregate | Bad | Skip:
    told: dict[str, object] = {name: number(cell) for name, cell in cells.items()}
    latency = stated(told, 1.0, mean="Average Response Time", low="Min Response Time", high="Max Response Time")
    if 0.5 not in latency.ms:
        return NO_QUANTILE
    requests, errors = (counted(told[name]) for name in ("Request Count", "Failure Count"))
    return aggregate(reading, latency, {"workload": cells["Name"]}, requests=requests, errors=errors)


FORMAT = Locust()
