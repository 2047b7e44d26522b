"""JSON objects of a format whose fields are known, from lines or from one array, each judged by the format's own function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, BinaryIO

from edgeroi.errors import EdgeroiError
from edgeroi.logs.columns import Row, take_rows, with_batch
from edgeroi.logs.elements import Element, elements
from edgeroi.logs.format import Chunk, Head
from edgeroi.logs.jsonl import values_of
from edgeroi.logs.lines import BOM, LONGEST_LINE, object_of, syntax
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad, Intake, Skip, error_text
from edgeroi.logs.typed import objects_of
from edgeroi.request import Batch
from edgeroi.workload import SeenFrom

#: One JSON value has to be held whole; above this size it is refused.
LARGEST_DOCUMENT = 256 << 20
_BLOCK = 4 << 20

#: Turns one object into canonical values, or says why it is no request.
Judge = Callable[[Mapping[str, Any], Reading], dict[str, object] | Bad | Skip]


def known(
    canonical: Callable[[Mapping[str, Any]], dict[str, object] | Bad | Skip],
    readable: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Judge:
    """The judge of a format that knows where its columns are: what the user says overrides what the format knows.

    ``readable``: the record with what a mapping or a rule may name besides its own keys.
    """

    def judge(record: Mapping[str, Any], reading: Reading) -> dict[str, object] | Bad | Skip:
        values = canonical(record)
        if not isinstance(values, dict):
            return values
        told = readable(record) if readable and reading.fields else record
        return settled(overridden(values, told, reading), reading)

    return judge


def overridden(values: dict[str, object], record: Mapping[str, Any], reading: Reading) -> dict[str, object]:
    """The values with every mapped column taken from where the user said."""
    if not reading.fields:
        return values
    found = {column: value for column, value in values_of(record, reading).items() if column in reading.fields}
    return {column: value for column, value in values.items() if column not in reading.fields} | found


def settled(values: dict[str, object], reading: Reading) -> dict[str, object]:
    """A record with an error that ``--not-error`` excuses does not fail by its status either."""
    error = values.get("error")
    excused = error is not None and error_text(error) in reading.not_error
    return {**values, "status": None} if excused else values


def seen(chunk: Chunk, reading: Reading, place: SeenFrom | None) -> Chunk:
    """The chunk, with where its log measured: what the user says, else what the format knows."""
    return replace(chunk, seen_from=reading.seen_from or place, sampling=reading.sampling)


def take(intake: Intake, judge: Judge, number: int, raw: bytes) -> None:
    """Judge one object."""
    record = object_of(raw)
    give(intake, record if isinstance(record, Bad) else judge(record, intake.reading), Row(number, raw))


def give(intake: Intake, judged: dict[str, object] | Bad | Skip, row: Row) -> None:
    """Put what was judged where it belongs."""
    if isinstance(judged, Bad):
        intake.reject(row.line, judged.reason, judged.detail, row.raw)
    elif isinstance(judged, Skip):
        intake.skip(judged.reason)
    else:
        intake.record(judged, row.line, row.raw)


def from_lines(chunk: bytes, reading: Reading, judge: Judge) -> Chunk:
    """Complete lines of objects; a last one without its newline is good, or was cut while it was written."""
    lines = chunk.split(b"\n")
    tail = lines.pop()
    return from_few(lines, range(len(lines)), tail, reading, judge)


def from_lines_together(chunk: bytes, reading: Reading, judge: Judge) -> Chunk:
    """The same as ``from_lines``, with what the lines tell checked a column at a time where all tell the same columns."""
    lines = chunk.split(b"\n")
    tail = lines.pop()
    intake, told, rows = Intake(reading), list[dict[str, object]](), list[Row]()
    numbered = [(number, line) for number, line in enumerate([*lines, tail] if tail else lines, 1) if line.strip(b" \t\r")]
    intake.blank += len(lines) + bool(tail) - len(numbered)
    for (number, line), record in zip(numbered, objects_of([line for _, line in numbered]), strict=True):
        judged = record if isinstance(record, Bad) else judge(record, reading)
        if isinstance(judged, dict):
            told.append(judged)
            rows.append(Row(number, line))
        elif tail and number > len(lines) and isinstance(judged, Bad) and judged.reason == "bad_json":
            intake.reject(number, "truncated_tail", "the last line has no newline and is cut", line)
        else:
            give(intake, judged, Row(number, line))
    batch = _together(intake, told, rows)
    intake.faults.sort(key=lambda fault: fault.line)
    return with_batch(intake.chunk(len(lines) + bool(tail)), batch)


def _together(intake: Intake, told: Sequence[dict[str, object]], rows: Sequence[Row]) -> Batch | None:
    if not told or any(values.keys() != told[0].keys() for values in told):
        for values, row in zip(told, rows, strict=True):
            intake.record(values, row.line, row.raw)
        return None
    columns = {column: [values[column] for values in told] for column in intake.reading.columns if column in told[0]}
    return take_rows(intake, columns, rows)


def from_few(lines: Sequence[bytes], rows: Iterable[int], tail: bytes, reading: Reading, judge: Judge) -> Chunk:
    """Some of the lines, by their places from 0, and what stands behind the last newline."""
    intake, places = Intake(reading), tuple(rows)
    told = [row for row in places if lines[row].strip(b" \t\r")]
    intake.blank += len(places) - len(told)
    for row, record in zip(told, objects_of([lines[row] for row in told]), strict=True):
        give(intake, record if isinstance(record, Bad) else judge(record, reading), Row(row + 1, lines[row]))
    if not tail:
        return intake.chunk(len(places))
    before = len(intake.faults)
    if tail.strip(b" \t\r"):
        take(intake, judge, len(lines) + 1, tail)
    else:
        intake.blank += 1
    if len(intake.faults) > before and intake.faults[-1].reason == "bad_json":
        intake.faults.pop()
        intake.reject(len(lines) + 1, "truncated_tail", "the last line has no newline and is cut", tail)
    return intake.chunk(len(places) + 1)


def from_array(document: bytes, reading: Reading, judge: Judge) -> Chunk:
    """The elements of one array, each a record; a reject's line is the physical one its element starts on."""
    intake = Intake(reading)
    found = elements(document, len(BOM) if document.startswith(BOM) else 0)
    for element in found:
        _take_element(intake, judge, element)
    return intake.chunk(len(found))


def _take_element(intake: Intake, judge: Judge, element: Element) -> None:
    if element.fault is None:
        take(intake, judge, element.line, element.raw)
    else:
        intake.reject(element.line, element.fault, element.detail, element.raw)


def whole(stream: BinaryIO, advice: str, begun: bytes = b"") -> bytes:
    """All of a document that is one JSON value; above 256 MB it is refused with advice. ``begun``: what was read of it already."""
    blocks, size = [begun], len(begun)
    while size <= LARGEST_DOCUMENT and (block := stream.read(_BLOCK)):
        blocks.append(block)
        size += len(block)
    if size > LARGEST_DOCUMENT:
        raise EdgeroiError(f"one JSON value of more than {LARGEST_DOCUMENT >> 20} MB", fix=advice)
    return b"".join(blocks)


def lines_of(stream: BinaryIO, begun: bytes = b"") -> Iterator[bytes]:
    """Every line with its newline, the last one as it is; a byte order mark at the start is left out. ``begun``: what was read already.

    A line of more than 256 MB is refused.
    """
    rest, first = b"", True
    while block := begun or stream.read(_BLOCK):
        begun = b""
        if first:
            block, first = block.removeprefix(BOM), False
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield from (line + b"\n" for line in lines)
        if len(rest) > LARGEST_DOCUMENT:
            raise EdgeroiError(
                f"a line of more than {LARGEST_DOCUMENT >> 20} MB", fix="write fewer records a line: jq -c . FILE > FILE.jsonl"
            )
    if rest:
        yield rest


def document_of(line: bytes) -> dict[str, Any] | Bad:
    """The object a line holds, also where it is longer than a record may be: a page of records, a batch of spans."""
    import msgspec

    if len(line) <= LONGEST_LINE:
        return object_of(line)
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Bad("bad_json", syntax(error))
    return value if isinstance(value, dict) else Bad("not_object", "the document is JSON, but no object")


def is_array(head: Head) -> bool:
    """Whether the file starts as an array of objects, or is an empty one."""
    start = head.data.removeprefix(BOM).lstrip(b" \t\r\n")
    inside = start[1:].lstrip(b" \t\r\n")[:1]
    return start.startswith(b"[") and inside in (b"{", b"]", b"")


@lru_cache(maxsize=4)
def first_objects(head: Head) -> tuple[dict[str, Any], ...]:
    """The objects at the start of a file, from an array or from lines; what is none is left out. Every format looks at the same ones."""
    if is_array(head):
        found = elements(head.data, len(BOM) if head.data.startswith(BOM) else 0)[:50]
        raws = tuple(element.raw for element in found if element.fault is None)
    else:
        raws = head.lines()
    return tuple(record for record in map(object_of, raws) if not isinstance(record, Bad))


def numbers_of(head: Head) -> tuple[str, ...]:
    """The paths at which the first objects of a file hold a number, as ``--map`` takes them."""
    return tuple(dict.fromkeys(path for record in first_objects(head) for path in _numbers(record)))


def _numbers(record: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    for key, value in record.items():
        name = key.replace(".", "\\.")
        if isinstance(value, dict) and depth > 1:
            yield from (f"{name}.{path}" for path in _numbers(value, depth - 1))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name
