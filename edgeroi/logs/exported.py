"""What a tool exports of the calls it saw: records one a line, pages of its API, one array, or a CSV; each told by the tool's own format.

A page is an object with its records in an array under one key (``{"data": [...], "meta": ...}``); pages may stand one a line or one
behind the other, pretty-printed or not. Counted in records: a page of k records counts k, a line that cannot be read counts one.
Lines and CSV are read in bounded memory; a document that does not end on its first line has to be held whole, up to 256 MB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal

from edgeroi.errors import EdgeroiError
from edgeroi.logs.columns import Row
from edgeroi.logs.delimited import Cells, number, rows, source_of, typed
from edgeroi.logs.delimited import Judge as RowJudge
from edgeroi.logs.elements import Element, listing, value_end
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.lines import BOM, object_of
from edgeroi.logs.objects import (
    LARGEST_DOCUMENT,
    Judge,
    document_of,
    first_objects,
    from_array,
    give,
    is_array,
    known,
    lines_of,
    seen,
    settled,
    take,
    whole,
)  # fmt: skip
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip
from edgeroi.logs.stream import damage_of
from edgeroi.logs.table import header_of, separator_of
from edgeroi.request import COLUMNS
from edgeroi.workload import SeenFrom

Json = Mapping[str, Any]
#: A record in canonical columns, values still unchecked, or why it is no request.
Canonical = Callable[[Json], dict[str, object] | Bad | Skip]

_WHITE = b" \t\r\n"
_BLOCK = 1 << 16
#: About how much is judged before a chunk is given on.
_CHUNK_BYTES = 4 << 20
#: How many records of a file's head are looked at.
_LOOKED_AT = 50


def _nothing(record: Json) -> None:
    """Where a format has nothing to say; a function, as formats are sent to other processes."""


@dataclass(slots=True)
class Export:
    """A format of exported records.

    ``canonical``: what a record says. ``recognised``: the kind of record this is, by its keys alone; ``None`` if none of the tool's.
    ``wanted``: what is missing where no record is. ``pages``: the keys under which a page holds its records.
    ``numbers``: the columns of a CSV export that hold numbers; ``None`` where there is no such export.
    ``seen_from``: where the tool measures. ``refused``: why a record of the tool is of no use, and what to do; ``None`` for one that is.
    ``unit_of``: where a record's latency comes from and in what, where the file decides it. ``shown``: where records hold what people
    asked and were answered, the only fields of a rejected one that are shown.
    """

    name: str
    unit: str
    fields: Mapping[str, str]
    canonical: Canonical
    recognised: Callable[[Json], str | None]
    wanted: str
    pages: tuple[str, ...] = ()
    numbers: frozenset[str] | None = None
    seen_from: SeenFrom | None = None
    refused: Callable[[Json], tuple[str, str] | None] = _nothing
    unit_of: Callable[[Json], str | None] = _nothing
    shown: tuple[str, ...] = ()
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks: str = ""

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file of which one of the first records is the tool's, unless the user says where latency is.

        One whose first records are of no use is refused, but read where the format was named: later ones may be.
        """
        if "latency_ms" in reading.fields:
            return Claim(False, "latency_ms is mapped, so the log is read as mapped")
        records = first_records(head, self.pages)
        kind = next(filter(None, map(self.recognised, records)), None)
        if kind is None and self.numbers is not None and not records:
            kind = self.recognised(dict.fromkeys(_header(head)))
        if kind is not None:
            return Claim(True, f"a {self.name} {kind}", next(filter(None, map(self.unit_of, records)), None), f"{self.name} {kind}")
        why_not = next(filter(None, map(self.refused, records)), None)
        if why_not is not None and reading.format == self.name:
            return Claim(True, f"named, though {why_not[0]}")
        return Claim(False, f"no record has {self.wanted}") if why_not is None else Claim(False, why_not[0], refused=why_not[1])

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read all records, in whichever shape they come."""
        for chunk in self._read(stream, reading):
            yield seen(_veiled(chunk, self.shown) if self.shown else chunk, reading, self.seen_from)

    def _read(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        begun = _begun(stream)
        first = _first_line(begun)
        judge = known(self.canonical)
        if first.startswith(b"["):
            yield from_array(whole(stream, _ADVICE, begun), reading, judge)
        elif first.startswith(b"{") and first.strip(_WHITE) != b"{" and _goes_on(first):
            taken = _Taken(reading, judge, self.pages)
            taken.documents(whole(stream, _ADVICE, begun).removeprefix(BOM))
            yield taken.chunk()
        elif self.numbers is not None and not first.startswith(b"{"):
            separator = _separator(first, self.recognised) or ","
            numbers = self.numbers
            yield from rows(stream, begun, reading, separator, lambda names: row_judge(names, reading, self.canonical, cell_of(numbers)))
        else:
            yield from _from_lines(begun, stream, reading, judge, self.pages)


def _veiled(chunk: Chunk, shown: Sequence[str]) -> Chunk:
    """The chunk, of whose rejects only these fields are shown, as far as they stand at the start of the record."""
    pattern = re.compile(rb'"(?:' + "|".join(map(re.escape, shown)).encode() + rb')" ?: ?(?:"[^"\\]*"|[0-9.]+)')
    return replace(chunk, faults=tuple(replace(fault, raw=b", ".join(pattern.findall(fault.raw))) for fault in chunk.faults))


_ADVICE = "write it as one record per line, which is read in bounded memory: jq -c '.[]? // .data[]? // .result[]?' FILE > FILE.jsonl"


def _begun(stream: BinaryIO) -> bytes:
    """The start of a stream, down to the end of its first line that is not blank."""
    begun = b""
    while len(begun) <= LARGEST_DOCUMENT and (block := stream.read(_BLOCK)):
        begun += block
        if b"\n" in begun.removeprefix(BOM).lstrip(_WHITE):
            break
    return begun


def _first_line(begun: bytes) -> bytes:
    return begun.removeprefix(BOM).lstrip(_WHITE).split(b"\n", 1)[0]


def _pretty(first: bytes, lines: Iterator[bytes]) -> bytes:
    """A pretty-printed object: its lines down to the one that closes it at the margin."""
    parts, size = [first], len(first)
    for line in lines:
        parts.append(line)
        size += len(line)
        if line.rstrip(_WHITE) == b"}":
            break
        if size > LARGEST_DOCUMENT:
            raise EdgeroiError(f"one JSON value of more than {LARGEST_DOCUMENT >> 20} MB", fix=_ADVICE)
    return b"".join(parts)


def _goes_on(line: bytes) -> bool:
    """Whether the line is the start of an object that goes on below it, and not one that is broken: it ends in the middle of a list."""
    return value_end(line, 0) is None and line.rstrip(_WHITE)[-1:] in (b"[", b"{", b",")


# --- CSV ----------------------------------------------------------------------------------------------------------------------


def _header(head: Head) -> tuple[str, ...]:
    """The names of the first line under the separator that makes most of them; none where it is JSON."""
    line = next(iter(head.lines(1)), b"")
    if line[:1] in (b"{", b"["):
        return ()
    return max((header_of(line, mark) for mark in (",", ";", "\t", "|")), key=len)


def _separator(line: bytes, recognised: Callable[[Json], str | None]) -> str | None:
    """The separator under which the header is the tool's."""
    names = next((names for mark in (",", ";", "\t", "|") if recognised(dict.fromkeys(names := header_of(line, mark)))), None)
    return separator_of(line, [names[0]]) if names else None


def cell_of(numbers: frozenset[str]) -> Callable[[str, str], object]:
    """How a cell is read: numbers where the format has some, JSON text that is an object as one, nothing as unknown."""

    def cell(name: str, text: str) -> object:
        if not text:
            return None
        if name in numbers:
            return number(text)
        return opened(text) if text.startswith("{") else text

    return cell


def opened(value: object) -> object:
    """A nested object that an export wrote as JSON text; anything else as it is."""
    import msgspec

    if isinstance(value, str) and value.startswith("{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def row_judge(names: tuple[str, ...], reading: Reading, canonical: Canonical, cell: Callable[[str, str], object]) -> RowJudge:
    """The judge of a dump with this header; what the user maps is a column of the dump."""
    mapped = {column: names.index(source_of(column, reading)) for column in reading.fields if source_of(column, reading) in names}

    def judge(intake: Intake, cells: Sequence[Cells], rows: Sequence[Row]) -> None:
        for record, row in zip(cells, rows, strict=True):
            values = canonical({name: cell(name, text) for name, text in zip(names, record, strict=True)})
            said = {column: typed(COLUMNS[column], record[place]) for column, place in mapped.items()}
            give(intake, settled(values | dict.fromkeys(reading.fields) | said, reading) if isinstance(values, dict) else values, row)

    return judge


# --- lines and pages ------------------------------------------------------------------------------------------------------------


def first_records(head: Head, pages: Sequence[str]) -> tuple[Json, ...]:
    """The records at the start of a file: of its array, its lines, or the pages it begins with."""
    objects = first_objects(head)
    if not objects and not is_array(head):
        start = len(head.data) - len(head.data.removeprefix(BOM).lstrip(_WHITE))
        found = listing(head.data, pages, start) if pages and head.data[start : start + 1] == b"{" else None
        raws = [element.raw for element in found.elements[:_LOOKED_AT] if element.fault is None] if found else []
        if found is None and (end := value_end(head.data, start)) is not None:
            raws = [head.data[start:end]]
        return tuple(record for record in map(object_of, raws) if not isinstance(record, Bad))
    inside = [part for record in objects for part in (_listed(record, pages) or [record])]
    return tuple(part for part in inside[:_LOOKED_AT] if isinstance(part, dict))


def _listed(record: Json, pages: Sequence[str]) -> list[Any] | None:
    return next((record[key] for key in pages if isinstance(record.get(key), list)), None)


@dataclass(slots=True)
class _Taken:
    """Records judged and not yet given on.

    ``before``: records in earlier chunks; a reject is placed from there, as the engine counts on by them.
    """

    reading: Reading
    judge: Judge
    pages: Sequence[str]
    before: int = 0
    read: int = 0
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.reading)

    def line(self, number: int, line: bytes, cut: Bad | None) -> None:
        """Judge one line: a record, or a page of them. ``cut``: what is wrong where the stream ends inside it."""
        if not line.strip(_WHITE):
            self.intake.blank, self.read = self.intake.blank + 1, self.read + 1
            return
        record = document_of(line.rstrip(b"\r\n"))
        found = None
        if self.pages and (isinstance(record, Bad) or _listed(record, self.pages) is not None):
            found = listing(line.rstrip(b"\r\n"), self.pages, len(line) - len(line.lstrip(_WHITE)))
        if found is not None:
            self.documents(line[found.end :], number - 1)  # another page, glued to this one
            # A page that is cut in the middle of a file is broken: only the last line can have been cut while it was written.
            self.elements(found.elements, number - 1, cut or Bad("bad_json", "the page is cut off"))
        elif isinstance(record, Bad):
            self.bad(number, record if cut is None or record.reason != "bad_json" else cut, line)
        else:
            self.read += 1
            give(self.intake, self.judge(record, self.reading), Row(number - self.before, line))

    def elements(self, found: Sequence[Element], lines_before: int = 0, cut: Bad | None = None) -> None:
        """Judge the records of one page; ``cut``: what is wrong with one that ends too early."""
        for element in found:
            line = lines_before + element.line
            if element.fault is not None:
                fault = Bad(element.fault, element.detail)
                self.bad(line, cut if cut is not None and fault.reason == "truncated_tail" else fault, element.raw)
            else:
                self.read += 1
                take(self.intake, self.judge, line - self.before, element.raw)

    def documents(self, text: bytes, lines_before: int = 0) -> None:
        """Judge objects one behind the other, pretty-printed or not: pages, or records by themselves."""
        at, line, counted = 0, 1, 0
        while (at := len(text) - len(text[at:].lstrip(_WHITE))) < len(text):
            line, counted = line + text.count(b"\n", counted, at), at
            found = listing(text, self.pages, at) if self.pages and text[at : at + 1] == b"{" else None
            end = found.end if found is not None else value_end(text, at)
            if found is not None:
                self.elements(found.elements, lines_before)
            elif end is None or text[at : at + 1] != b"{":
                self.bad(lines_before + line, Bad("truncated_tail", "the object is cut off, or its brackets do not match"), text[at:])
                return
            else:
                self.read += 1
                take(self.intake, self.judge, lines_before + line - self.before, text[at:end])
            at = end if end is not None else len(text)

    def bad(self, number: int, bad: Bad, raw: bytes) -> None:
        """One that cannot be read."""
        self.read += 1
        self.intake.reject(number - self.before, bad.reason, bad.detail, raw)

    def chunk(self) -> Chunk:
        """What was taken since the last chunk."""
        chunk = self.intake.chunk(self.read)
        self.before, self.read, self.intake = self.before + self.read, 0, Intake(self.reading)
        return chunk


def _from_lines(begun: bytes, stream: BinaryIO, reading: Reading, judge: Judge, pages: Sequence[str]) -> Iterator[Chunk]:
    """Lines of records or pages, and objects that a line with nothing but ``{`` opens; a chunk for every few MB."""
    taken, size = _Taken(reading, judge, pages), 0
    lines = enumerate(lines_of(stream, begun), 1)
    for place, line in lines:
        if line.strip(_WHITE) == b"{":
            text = _pretty(line, (more for _, more in lines))
            taken.documents(text, place - 1)
            lines = enumerate((more for _, more in lines), place + text.count(b"\n"))
        else:
            text = line
            taken.line(place, line, None if line.endswith(b"\n") else _cut(stream))
        size += len(text)
        if size > _CHUNK_BYTES:
            yield taken.chunk()
            size = 0
    yield taken.chunk()


def _cut(stream: BinaryIO) -> Bad:
    """Why a last line without its newline is no JSON."""
    damage = damage_of(stream)
    if damage is not None:
        return Bad(damage.reason, "the stream ends inside this line")
    return Bad("truncated_tail", "the last line has no newline and is cut")
