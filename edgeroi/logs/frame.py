"""A pandas DataFrame as a log: each row a request, in canonical columns or in columns the user mapped; missing is unknown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeroi.census import Census
from edgeroi.errors import EdgeroiError, InternalFault, did_you_mean
from edgeroi.logs.columns import NAIVE, in_unit, inside, numbered, source_of, take_rows, with_batch
from edgeroi.logs.format import Chunk
from edgeroi.logs.reading import Reading, constant_number
from edgeroi.logs.record import Intake
from edgeroi.logs.rejects import Kept
from edgeroi.logs.rules import ruled
from edgeroi.request import COLUMNS, Batch, Labels, LineCount
from edgeroi.workload import FileAccount, Profile

if TYPE_CHECKING:
    import pandas as pd

#: Rows judged at a time.
_ROWS = 1 << 16


def profile_frame(frame: pd.DataFrame, reading: Reading, name: str = "DataFrame", meet: Callable[[Batch], object] | None = None) -> Profile:
    """The profile of a DataFrame; every row is accounted for, as records numbered from 1. ``meet`` is given the requests too, in order.

    Raises ``EdgeroiError`` where it has no column for latency, or one that is wanted twice, where a format is said, and where it is to be
    deduplicated.
    """
    if reading.format is not None:
        raise EdgeroiError("a DataFrame is in no log's format", key="log_format", fix="say with map which of its columns are which")
    if reading.dedupe:
        raise EdgeroiError("a DataFrame's rows are its own to tell apart", key="dedupe", fix="give frame.drop_duplicates()")
    census, kept, lines, notes = Census(reading.by), Kept(), LineCount(), dict[str, None]()
    for chunk in (ruled(chunk, reading) for chunk in chunks(frame, reading)):
        kept.keep(name, lines.read, chunk.faults)
        lines += chunk.lines
        notes |= dict.fromkeys(chunk.notes)
        if chunk.batch is not None and chunk.batch.n:
            batch = _stated(chunk.batch, reading)
            census.add(batch)
            if meet is not None:
                meet(batch)
    if not lines.balanced or lines.read != len(frame):
        raise InternalFault(f"{name}: the rows do not add up: {lines} of {len(frame)}")
    mapped = reading.fields.get("latency_ms")
    unit = f"{mapped.name}, {mapped.unit}" if mapped else "latency_ms, ms"
    account = FileAccount(name, _bytes(frame), _digest(frame), "pandas DataFrame", unit, lines, "records", None, tuple(notes))
    return Profile(census.partial(), (account,), tuple(kept.rejects), (), reading.seen_from, reading.sampling)


def chunks(frame: pd.DataFrame, reading: Reading) -> Iterator[Chunk]:
    """The rows, a chunk for each 65,536."""
    names = [str(name) for name in frame.columns]
    wanted = {column: found for column in reading.columns if (found := source_of(column, reading, names)) is not None}
    _demand(names, {name for name, _ in wanted.values()}, "latency_ms" in wanted or "latency_ms" in reading.const, reading)
    unmet = [f"no column {where.name}: {column} is unknown" for column, where in reading.fields.items() if column not in wanted]
    for start in range(0, len(frame), _ROWS):
        part = frame.iloc[start : start + _ROWS]
        told = {column: _values(part.iloc[:, names.index(name)], column, reading) for column, (name, _) in wanted.items()}
        intake = Intake(reading)
        columns = {column: inside(told[column], path) for column, (_, path) in wanted.items()}
        quick = take_rows(intake, columns, numbered(len(part)))
        yield with_batch(intake.chunk(len(part), tuple(unmet)), quick)


def _demand(names: list[str], used: set[str], latency: bool, reading: Reading) -> None:
    twice = next((name for name in used if names.count(name) > 1), None)
    if twice is not None:
        raise EdgeroiError(f"the DataFrame has two columns {twice!r}", fix="rename or drop one")
    if not latency:
        name = reading.fields["latency_ms"].name if "latency_ms" in reading.fields else "latency_ms"
        raise EdgeroiError(f"the DataFrame has no column {name!r}", key="latency_ms", fix=did_you_mean(name, names[:100]))


def _values(series: pd.Series[Any], column: str, reading: Reading) -> list[Any]:
    """A column as Python values; what pandas calls missing is ``None``."""
    import pandas as pd

    mapped = reading.fields.get(column)
    unit, scale = (mapped.unit if mapped else None) or "ns", reading.scale(column)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.as_unit("ns")
        told = zip(series.astype("int64").tolist(), series.isna().tolist(), strict=True)
        return [None if missing else in_unit(value, unit) for value, missing in told]
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return [None if value != value else value for value in series.tolist()]
    told = zip(series.tolist(), series.isna().tolist(), strict=True)
    return [None if missing else _plain(value, unit, scale) for value, missing in told]


def _plain(value: Any, unit: str, scale: float) -> Any:
    """A value as JSON would give it: instants as a number in the mapping's unit, durations in ms over the mapping's scale."""
    if type(value) in (str, int, float, bool):
        return value
    if isinstance(value, datetime):
        return NAIVE if value.tzinfo is None else in_unit(_ns(value), unit)
    if isinstance(value, timedelta):
        return _ns_of(value) / 1e6 / scale
    if isinstance(value, np.generic):
        return _plain(value.item(), unit, scale)
    return float(value) if isinstance(value, Decimal) else value


def _ns(at: datetime) -> int:
    import pandas as pd

    return int(pd.Timestamp(at).as_unit("ns").value)


def _ns_of(duration: timedelta) -> int:
    import pandas as pd

    return int(pd.Timedelta(duration).as_unit("ns").value)


def _stated(batch: Batch, reading: Reading) -> Batch:
    """The batch with what is the same for every request."""
    labels, numbers = dict(batch.labels), dict(batch.numbers)
    for column, text in reading.const.items():
        number = constant_number(COLUMNS[column], text)
        if COLUMNS[column] == "label":
            labels[column] = Labels.constant(text, batch.n)
        elif number is not None:
            numbers[column] = np.full(batch.n, number)
    return replace(batch, labels=labels, numbers=numbers)


def _bytes(frame: pd.DataFrame) -> int:
    return int(frame.memory_usage(index=False).sum())


def _digest(frame: pd.DataFrame) -> str:
    """Tells one DataFrame from another: SHA-256 over its columns' names and the hashes of their values, in order."""
    digest = hashlib.sha256()
    for place, name in enumerate(frame.columns):
        digest.update(str(name).encode(errors="replace") + b"\0" + _hashes(frame.iloc[:, place]))
    return "sha256:" + digest.hexdigest()


def _hashes(series: pd.Series[Any]) -> bytes:
    import pandas as pd

    try:
        return pd.util.hash_pandas_object(series, index=False).to_numpy().tobytes()
    except TypeError:  # lists and objects have no hash
        return repr(series.tolist()).encode(errors="replace")
