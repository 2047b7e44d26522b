"""Parquet, in canonical columns or in columns the user mapped: each row a request, read a row group at a time.

Counted in records, numbered from 1 through the file. Columns keep their types: text is no number, and an instant needs a zone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, Literal

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.logs.columns import inside, numbered, source_of, take_rows, values_of_arrow, with_batch
from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.objects import LARGEST_DOCUMENT
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Intake
from edgeroi.request import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
#: Rows judged at a time.
_ROWS = 1 << 16


class Parquet:
    """Parquet files; see the module."""

    name = "parquet"
    unit = "latency_ms, ms"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "what its columns do not say; instants need a zone"
    fields: Mapping[str, str] = {column: column for column in COLUMNS}

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A file that starts as Parquet does; its columns are known where the file is small, else when it is read."""
        if not head.data.startswith(_MAGIC):
            return Claim(False, "does not start as Parquet does")
        mapped = reading.fields.get("latency_ms")
        name, unit = ("parquet mapped" if reading.mapped else self.name), f"{mapped.name}, {mapped.unit}" if mapped else self.unit
        lacking = _lacking(head.data, reading) if head.whole else None
        return Claim(lacking is None, lacking or "starts as Parquet does", unit, name)

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read the rows; raises ``EdgeroiError`` for a file that is cut or has no column for latency."""
        file = _opened(stream)
        names = file.schema_arrow.names
        if source_of("latency_ms", reading, names) is None:
            raise EdgeroiError(_no_latency(reading, names), fix="say where latency is: --map latency_ms=COLUMN:UNIT")
        wanted = {column: found for column in reading.columns if (found := source_of(column, reading, names)) is not None}
        only = sorted({name for name, _ in wanted.values()})
        notes = _unmet(reading, wanted)
        for batch in _batches(file, only):
            intake = Intake(reading)
            told = {column: values_of_arrow(batch.column(name), column, reading) for column, (name, _) in wanted.items()}
            columns = {column: inside(told[column], path) for column, (_, path) in wanted.items()}
            quick = take_rows(intake, columns, numbered(batch.num_rows))
            yield with_batch(intake.chunk(batch.num_rows, notes), quick)


def _unmet(reading: Reading, wanted: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"no column {where.name}: {column} is unknown" for column, where in reading.fields.items() if column not in wanted)


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    try:
        yield from file.iter_batches(_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise EdgeroiError(f"the Parquet file is damaged: {str(error).splitlines()[0]}") from None


def _opened(stream: BinaryIO) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not stream.seekable():
        stream = io.BytesIO(_all(stream))
    try:
        return pq.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise EdgeroiError(f"the Parquet file cannot be read: {str(error).splitlines()[0]}") from None


def _all(stream: BinaryIO) -> bytes:
    """What cannot seek has to be held whole: Parquet keeps its table of contents at the end."""
    data = io.BytesIO()
    while block := stream.read(1 << 20):
        if data.write(block) and data.tell() > LARGEST_DOCUMENT:
            raise EdgeroiError(f"more than {LARGEST_DOCUMENT >> 20} MB of Parquet from a pipe or compressed", fix="give it as a plain file")
    return data.getvalue()


def _lacking(data: bytes, reading: Reading) -> str | None:
    try:
        names = _opened(io.BytesIO(data)).schema_arrow.names
    except EdgeroiError as error:
        return error.message
    return None if source_of("latency_ms", reading, names) is not None else _no_latency(reading, names)


def _no_latency(reading: Reading, names: list[str]) -> str:
    mapped = reading.fields.get("latency_ms")
    name = mapped.name if mapped else "latency_ms"
    return f"no column {name}; {did_you_mean(name, names[:100])}"


FORMAT = Parquet()
