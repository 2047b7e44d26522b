"""Timings of curl's ``--write-out``: a CSV of them, or ``%{json}`` lines.

Read from curl's manual. What the names hide:

- All times are seconds since the start and **cumulative**: ``time_starttransfer`` is the first byte, ``time_total`` the whole; the
  phases are their differences. Cells of a CSV are named as in ``--write-out``, or Lookup, Connect, SSLConnect, PreXfer, StartXfer, Total.
- ``time_connect`` 0 is a connection used again. A first line may be ten times the others: a cold function, or a name server that
  did not answer, which is in ``time_namelookup``.
- ``http_code`` ``000`` is no answer, an ``exitcode`` other than 0 a failure whatever the code says.
- There is no clock time in it, so no monthly volume; a CSV of bare timings tells no failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

from edgeroi.logs.access import claim_of_json, host_and_target, path_of_target, streamed, value
from edgeroi.logs.columns import Row, take_rows
from edgeroi.logs.delimited import Cells, Judge, peeked, rows, typed_column
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.objects import from_lines_together, known, seen
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake
from edgeroi.logs.table import header_of, separator_of
from edgeroi.logs.times import scaled
from edgeroi.request import Batch

TOTAL: Final = "time_total"
#: The names of a widespread table of timings, and curl's own.
_SPELLED: Final = {
    "Lookup": "time_namelookup", "Connect": "time_connect", "SSLConnect": "time_appconnect", "PreXfer": "time_pretransfer",
    "StartXfer": "time_starttransfer", "Total": TOTAL,
}  # fmt: skip
_SIGNS: Final = ("time_starttransfer", "time_namelookup", "time_connect", "time_pretransfer")
#: How a table of timings may call its whole.
_TOTALS: Final = (TOTAL, "Total")
_NUMBERS: Final = frozenset((*_SPELLED.values(), "time_redirect", "exitcode", "num_connects"))
_REUSED: Final = {True: "reused", False: "new"}


class Curl:
    """Timings of curl; see the module."""

    name = "curl"
    unit = "time_total, s"
    counted: Counted = "records"
    hidden: tuple[str, ...] = ()
    lacks = "when (there is no clock time); tokens, model, cost; failures, in a CSV without http_code; workload and placement: rules"
    fields: Mapping[str, str] = {
        "status": "http_code, else response_code; 000 is a failure",
        "error": "exitcode, unless 0",
        "streamed": "content_type is text/event-stream",
        "connection": "new where time_connect is above time_namelookup, else reused",
        "latency_ms": "time_total, s",
        "ttft_ms": "time_starttransfer, s",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A header or a line of JSON with the whole time and another of curl's."""
        if "latency_ms" in reading.fields:
            return Claim(False, "latency_ms is mapped, so the log is read as mapped")
        if head.data.lstrip().startswith(b"{"):
            found = claim_of_json(head, reading, _is_curl, "curl json", "time_total and another time of curl")
            return replace(found, reader=CurlJson())
        line = next(iter(head.lines(1)), b"")
        separator = _separator(line)
        told = separator is not None and _are_curl(header_of(line, separator))
        return Claim(told, "a header with curl's times" if told else "no header with time_total, or Total, and another time of curl")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records of a CSV; for JSON the claim names another reader."""
        first, begun = peeked(stream)
        for chunk in rows(stream, begun, reading, _separator(first) or ",", lambda names: _row_judge(names, reading)):
            yield seen(chunk, reading, "client")


@dataclass
class CurlJson:
    """Lines of ``%{json}``."""

    name: str = Curl.name
    unit: str = Curl.unit
    lacks: str = Curl.lacks
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.fields = Curl.fields

    def claim(self, head: Head, reading: Reading) -> Claim:
        """As the format's own."""
        return FORMAT.claim(head, reading)

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return seen(from_lines_together(chunk, reading, JUDGE), reading, "client")


def _separator(line: bytes) -> str | None:
    return next((mark for total in _TOTALS if (mark := separator_of(line, [total])) is not None), None)


def _are_curl(names: Sequence[str]) -> bool:
    curls = [_SPELLED.get(name, name) for name in names]
    return len(set(curls)) == len(curls) and any(sign in curls for sign in _SIGNS) and "latency_ms" not in curls


def _is_curl(record: Mapping[str, Any]) -> bool:
    return TOTAL in record and any(sign in record for sign in _SIGNS)


def canonical(record: Mapping[str, Any]) -> dict[str, object] | Bad:
    """What one transfer tells, in canonical columns, values still unchecked."""
    if TOTAL not in record:
        return Bad("missing_field", "time_total is missing")
    connect, lookup = record.get("time_connect"), record.get("time_namelookup")
    code = record.get("http_code", record.get("response_code"))
    exited = value(record.get("exitcode"))
    return {
        "status": code,
        "error": exited if exited else None,
        "streamed": streamed(record.get("content_type")),
        "connection": _REUSED[not connect > lookup] if _is_number(connect) and _is_number(lookup) else None,  # type: ignore[operator]
        "latency_ms": scaled(record.get(TOTAL), 1e3),
        "ttft_ms": scaled(record.get("time_starttransfer"), 1e3),
    }


def _is_number(said: object) -> bool:
    return type(said) in (int, float)


def readable(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what a rule or mapping may name besides its own keys: host, path without the query, uri."""
    url = record.get("url_effective", record.get("url"))
    host, uri = host_and_target(url) if isinstance(url, str) else ("", None)
    return {**record, "host": host or None, "uri": uri, "path": path_of_target(uri) if uri else None}


def _row_judge(names: tuple[str, ...], reading: Reading) -> Judge:
    """The judge of a table with this header: cells by their names, what the user maps by its own."""
    curls = [_SPELLED.get(name, name) for name in names]

    def judge(intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> Batch | None:
        by_name = dict(zip(curls, zip(*cells, strict=True), strict=True))
        typed = {name: typed_column("duration" if name in _NUMBERS else "label", told) for name, told in by_name.items()}
        records = [dict(zip(typed, told, strict=True)) for told in zip(*typed.values(), strict=True)]
        judged = [JUDGE(record, reading) for record in records]
        values = [told for told in judged if isinstance(told, dict)]  # all: a header without the whole time is not curl's
        columns = {column: [told.get(column) for told in values] for column in values[0]} if values else {}
        return take_rows(intake, columns, rows)

    return judge


JUDGE: Final = known(canonical, readable)
FORMAT = Curl()
