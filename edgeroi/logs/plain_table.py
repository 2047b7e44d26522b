"""Plain lines of a table a column at a time, by Arrow's reader, where it is certain to say what the exact one would.

A block is plain if it has no quote, no carriage return, no NUL, no byte order mark and no line that may be blank, and is UTF-8: then every
line is one record, cut at its separators, and Arrow, which refuses a line with another number of cells, cuts at the same places.
Numbers are read by Arrow only where a column has no other characters than plain decimal and scientific numbers are written with,
and Arrow takes all of them: what both take is the same double. Times of one length are read side by side. Everything else is read
cell by cell, each different one once where a column repeats a few, as ``delimited.typed`` says; other blocks are left to the exact way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeroi.logs.checked import instants_of_bytes
from edgeroi.logs.columns import Coded, Values
from edgeroi.logs.lines import BOM
from edgeroi.logs.typed import is_utf8
from edgeroi.request import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

#: How much is read at once: where a block is not plain, it is this much that is read the exact way.
BLOCK_BYTES = 1 << 18
_NUMBERS = ("duration", "count", "money", "ratio")
_NEWLINE, _BLANK = 10, 32
_OF_NUMBERS = b"0123456789.eE+-"
#: Text is coded, each different value once, where there is not another one on nearly every line.
_REPEATING = ("label", "status", "error", "flag", "mark")

#: What a cell of a kind says.
Typed = Callable[[str, str], object]


def blocks(text: bytes) -> Iterator[bytes]:
    """Complete lines, some at a time."""
    at = 0
    while at < len(text):
        end = text.rfind(b"\n", at, at + BLOCK_BYTES) + 1 or text.find(b"\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


def is_plain(text: bytes) -> bool:
    """Whether every line is one record without quotes, and none is blank or begins with a byte order mark."""
    if not text.endswith(b"\n") or any(mark in text for mark in (b'"', b"\0", b"\r")) or not is_utf8(text):
        return False
    bytes_ = np.frombuffer(text, np.uint8)
    starts = np.flatnonzero(bytes_[:-1] == _NEWLINE) + 1
    firsts = np.append(bytes_[starts], bytes_[0])
    return bool(((firsts > _BLANK) & (firsts != BOM[0])).all())


def columns_of(text: bytes, lines: int, separator: str, width: int, places: Mapping[str, int], typed: Typed) -> dict[str, Values] | None:
    """The columns at these places of ``lines`` plain lines; ``None`` where the lines are not plain or have not ``width`` cells each."""
    if not is_plain(text):
        return None
    table = _read(text, separator, width, places)
    if table is None or table.num_rows != lines:
        return None
    return {column: _values(COLUMNS[column], table.column(str(place)).chunk(0), typed) for column, place in places.items()}


def _read(text: bytes, separator: str, width: int, places: Mapping[str, int]) -> pa.Table | None:
    import pyarrow as pa
    from pyarrow import csv

    coded, string = pa.dictionary(pa.int32(), pa.string()), pa.string()
    wanted = {str(place): coded if COLUMNS[column] in _REPEATING else string for column, place in places.items()}
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=[str(place) for place in range(width)]),
            csv.ParseOptions(delimiter=separator, quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                check_utf8=False, column_types=wanted, null_values=[""], strings_can_be_null=True, include_columns=list(wanted)
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table if all(table.column(name).num_chunks == 1 for name in wanted) else None


def _values(kind: str, cells: pa.Array, typed: Typed) -> Values:
    if kind in _REPEATING:
        codes = np.frombuffer(cells.indices.buffers()[1], np.int32, len(cells), cells.indices.offset * 4)
        told = tuple(typed(kind, cell) for cell in cells.dictionary.to_pylist())
        return Coded(codes if not cells.null_count else np.where(_is_known(cells.indices), codes, np.int32(-1)), told)
    quick = _numbers(cells) if kind in _NUMBERS else _instants(cells) if kind == "instant" else None
    return quick if quick is not None else [None if cell is None else typed(kind, cell) for cell in cells.to_pylist()]


def _is_known(cells: pa.Array) -> NDArray[np.bool_]:
    bits = cells.buffers()[0]
    if bits is None:
        return np.ones(len(cells), np.bool_)
    known = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return known[cells.offset : cells.offset + len(cells)].astype(np.bool_)


def _bytes_of(cells: pa.Array) -> tuple[NDArray[np.int32], bytes]:
    """Where each cell begins, with the end of the last, and the text of all."""
    _, offsets, data = cells.buffers()
    starts = np.frombuffer(offsets, np.int32, len(cells) + 1, cells.offset * 4)
    return starts, data.to_pybytes()[int(starts[0]) : int(starts[-1])] if data is not None else b""


def _numbers(cells: pa.Array) -> NDArray[Any] | None:
    """Doubles, NaN where unknown; ``None`` where one is no plain number."""
    import pyarrow as pa

    if _bytes_of(cells)[1].translate(None, _OF_NUMBERS):
        return None
    try:
        doubles = cells.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    found: NDArray[Any] = doubles.to_numpy(zero_copy_only=False)  # unknown becomes NaN, and no text was one
    return found if np.isfinite(found[_is_known(cells)]).all() else None


def _instants(cells: pa.Array) -> NDArray[Any] | None:
    """Times as ns since the epoch; ``None`` where one is unknown, no time, or of another length."""
    starts, data = _bytes_of(cells)
    length = int(starts[1] - starts[0]) if len(cells) else 0
    if cells.null_count or length < 20 or len(data) != len(cells) * length or not (np.diff(starts) == length).all() or not data.isascii():
        return None
    found, bad = instants_of_bytes(np.frombuffer(data, np.uint8).reshape(-1, length), data[:length].decode())
    return None if bad.any() else found
