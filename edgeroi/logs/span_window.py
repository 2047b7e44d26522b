"""Spans that wait for the spans around them: in columns, and never more than so many, however long the log is.

Which spans tell of one request can only be said when those around them have been met, and a log may have them in any order. Of a span
that is no request only what pairs it is kept: its key, its parent's, what it is. Of a request its columns are kept as numbers and shared
words. A key is a hash of 64 bits of the trace's and the span's id: among as many spans as wait, two share one about once in 10**8 logs.

Once ``MOST_WAITING`` wait, the older half is settled. So spans of one request are matched wherever they are ``MATCHED_WITHIN`` spans of
each other or less, all of them in a log of no more than ``MOST_WAITING``; in a longer log a note says how many requests
were counted whose parent was not among those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from edgeroi.logs.columns import Row, take_rows
from edgeroi.logs.format import RAW_BYTES
from edgeroi.logs.objects import settled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import MOST_COUNT, Bad, Intake
from edgeroi.logs.spans import Span, SpanKey
from edgeroi.request import COLUMNS, NO_INSTANT, Batch, joined

MOST_WAITING = 400_000
MATCHED_WITHIN = MOST_WAITING // 2
#: What a span is: a request, one that cannot be read, an agent or tool around requests, measured by a server.
REQUEST, BAD, CONTAINS, SERVED = 1, 2, 4, 8
_ANY_REQUEST = REQUEST | BAD
#: Spans are followed outwards all at once for so many levels, and beyond that one by one.
_LEVELS = 64
#: Requests judged together.
_TOGETHER = 1 << 16
_WORDS = ("label", "status", "error", "mark", "flag")
_LAST = np.iinfo(np.int64).max

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Places = NDArray[np.intp]
Bools = NDArray[np.bool_]
Column = NDArray[Any]


def key_of(key: SpanKey | None) -> int:
    """A span's key in 64 bits; 0 for none."""
    return xxh3_64_intdigest("\0".join(key).encode(errors="surrogatepass")) if key else 0


@dataclass(frozen=True)
class Spans:
    """Spans side by side: every one has a key, a parent (0: none), what it is, its line.

    ``rows``: the places of those that are requests, each of which has a value in every one of ``columns`` (doubles, NaN where unknown;
    instants; else objects, ``None`` where unknown), a start and what is shown if it is rejected. ``faults``: by row, why it cannot be read.
    """

    keys: Keys
    parents: Keys
    kinds: NDArray[np.uint8]
    lines: Ints
    rows: Places
    columns: Mapping[str, Column]
    starts: Ints
    raws: NDArray[np.bytes_]
    faults: Mapping[int, Bad] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many there are."""
        return self.keys.size


def columns_told(reading: Reading, told: Iterable[str]) -> tuple[str, ...]:
    """The columns kept of a request: those that are looked at and that spans tell or a mapping names."""
    return tuple(column for column in reading.columns if column in told or column in reading.fields)


def packed(spans: Sequence[Span], reading: Reading, columns: Sequence[str], mapped: Mapping[str, str]) -> Spans:
    """Spans as columns; ``mapped``: the attribute each mapped column comes from."""
    rows = [place for place, span in enumerate(spans) if span.values is not None]
    requests = [spans[place] for place in rows]
    values = [_values(span, reading, mapped) for span in requests]
    return Spans(
        np.array([key_of(span.key) for span in spans], np.uint64),
        np.array([key_of(span.parent) for span in spans], np.uint64),
        np.array([_kind(span) for span in spans], np.uint8),
        np.array([span.line for span in spans], np.int64),
        np.array(rows, np.intp),
        {column: column_of(column, [told.get(column) for told in values]) for column in columns},
        np.array([_start(span.values) for span in requests], np.int64),
        raws_of([span.raw for span in requests]),
        {row: span.values for row, span in enumerate(requests) if isinstance(span.values, Bad)},
    )


def _values(span: Span, reading: Reading, mapped: Mapping[str, str]) -> Mapping[str, object]:
    if not isinstance(span.values, Mapping):
        return {}
    return settled({**span.values, **{column: span.attributes.get(name) for column, name in mapped.items()}}, reading)


def _kind(span: Span) -> int:
    what = 0 if span.values is None else BAD if isinstance(span.values, Bad) else REQUEST
    return what | CONTAINS * span.contains | SERVED * span.served


def _start(values: Mapping[str, object] | Bad | None) -> int:
    return min(int(str(values["timestamp"])), _LAST) if isinstance(values, Mapping) else 0


def raws_of(raws: Sequence[bytes]) -> NDArray[np.bytes_]:
    """What is shown of rejected spans, each as long as it may be."""
    return np.array([raw[:RAW_BYTES] for raw in raws], np.bytes_)


def column_of(column: str, values: Sequence[Any]) -> Column:
    """A column as doubles or instants where it holds nothing else, as objects where it does; words that are the same are one object."""
    kind, types = COLUMNS[column], set(map(type, values))
    if kind == "instant" and types <= {int} and all(0 <= value < _LAST for value in values):
        return np.array(values, np.int64)
    if kind not in (*_WORDS, "instant") and types <= {int, float, type(None)}:
        small = all(value is None or -MOST_COUNT < value < MOST_COUNT for value in values)  # false for what is not a number, too
        if small:
            return np.array(values, np.float64)
    held = np.empty(len(values), object)
    held[:] = [sys.intern(value) if type(value) is str else value for value in values]
    return held


def together(parts: Sequence[Spans]) -> Spans:
    """All of them, in order."""
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(part.n for part in parts)])
    rows_before = np.cumsum([0, *(part.rows.size for part in parts)]).tolist()
    return Spans(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.parents for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.lines for part in parts]),
        np.concatenate([part.rows + start for part, start in zip(parts, before, strict=False)]),
        {column: _concatenated([part.columns[column] for part in parts]) for column in parts[0].columns},
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.raws for part in parts]),
        {row + start: bad for part, start in zip(parts, rows_before, strict=False) for row, bad in part.faults.items()},
    )


def _concatenated(columns: Sequence[Column]) -> Column:
    return np.concatenate(columns if len({column.dtype for column in columns}) == 1 else list(map(_objects, columns)))


def _objects(column: Column) -> Column:
    if column.dtype == object:
        return column
    objects = column.astype(object)
    objects[np.isnan(column) if column.dtype == np.float64 else column == NO_INSTANT] = None
    return objects


def in_order(spans: Spans, places: Places) -> Spans:
    """The spans in the order of these places, one for each."""
    order = np.argsort(places)
    now = np.empty_like(order)
    now[order] = np.arange(order.size)
    rows = np.argsort(now[spans.rows])
    row_now = np.empty_like(rows)
    row_now[rows] = np.arange(rows.size)
    return Spans(
        spans.keys[order],
        spans.parents[order],
        spans.kinds[order],
        spans.lines[order],
        now[spans.rows][rows],
        {column: values[rows] for column, values in spans.columns.items()},
        spans.starts[rows],
        spans.raws[rows],
        {int(row_now[row]): bad for row, bad in spans.faults.items()},
    )


def some(spans: Spans, kept: Bools) -> Spans:
    """Those that are kept."""
    rows_kept = kept[spans.rows]
    places = np.cumsum(kept) - 1
    row_places = (np.cumsum(rows_kept) - 1).tolist()
    return Spans(
        spans.keys[kept],
        spans.parents[kept],
        spans.kinds[kept],
        spans.lines[kept],
        places[spans.rows[rows_kept]],
        {column: values[rows_kept] for column, values in spans.columns.items()},
        spans.starts[rows_kept],
        spans.raws[rows_kept],
        {row_places[row]: bad for row, bad in spans.faults.items() if rows_kept[row]},
    )


# ---- which spans tell of one request ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paired:
    """What lies around each span.

    ``top``: the outermost request around it, its own place where there is none. ``own``: the place its key stands for, the last of those
    that have it. ``orphan``: it names a parent that is not there.
    """

    top: Places
    own: Places
    orphan: Bools


def paired(spans: Spans) -> Paired:
    """As ``spans.outermost`` says: up to an agent, tool or workflow, through whatever else lies between."""
    order = np.argsort(spans.keys, kind="stable")
    ordered = spans.keys[order]
    own = order[np.searchsorted(ordered, spans.keys, "right") - 1]
    at = np.searchsorted(ordered, spans.parents, "right") - 1
    met = (spans.parents != 0) & (at >= 0) & (ordered[at] == spans.parents)
    outer = np.where(met & (spans.parents != spans.keys), order[at], -1)
    top = np.arange(spans.n)
    inside = np.flatnonzero((spans.kinds & _ANY_REQUEST != 0) & (outer >= 0))
    around = outer[inside]
    for _ in range(_LEVELS):
        # One whose own key comes round, which another span may have too, has been followed to its end.
        apart = spans.keys[around] != spans.keys[inside]
        inside, around = inside[apart], around[apart]
        kinds = spans.kinds[around]
        top[inside] = np.where(kinds & REQUEST != 0, around, top[inside])
        further = (kinds & CONTAINS == 0) & (outer[around] >= 0)
        inside, around = inside[further], outer[around[further]]
    for place in inside.tolist():
        top[place] = _outermost(place, outer, spans)
    return Paired(top, own, (spans.parents != 0) & ~met)


def _outermost(place: int, outer: Places, spans: Spans) -> int:
    """The same for one span, by steps that end where they come round."""
    top, at, met = place, place, {int(spans.keys[place])}
    while (around := int(outer[at])) >= 0 and int(spans.keys[around]) not in met:
        at = around
        met.add(int(spans.keys[at]))
        if spans.kinds[at] & CONTAINS:
            break
        top = at if spans.kinds[at] & REQUEST else top
    return top


def completed(spans: Spans, pairs: Paired, lent: Sequence[str]) -> dict[str, Column]:
    """The columns, with what an outermost request lacks of those ``lent`` taken from the latest inner one that tells it."""
    tops = pairs.top[spans.rows]
    request = spans.kinds[spans.rows] & REQUEST != 0
    inner = np.flatnonzero((tops != spans.rows) & request)
    if not inner.size:
        return dict(spans.columns)
    inner = inner[np.lexsort((-spans.starts[inner], tops[inner]))]
    outermost = np.flatnonzero((tops == spans.rows) & request)
    columns = dict(spans.columns)
    for column in lent:
        told, values = columns[column], columns[column].copy()
        known = _known(told)
        lending = inner[known[inner]]
        groups, first = np.unique(tops[lending], return_index=True)
        lacking = outermost[~known[outermost]]
        if not groups.size or not lacking.size:
            continue
        at = np.minimum(np.searchsorted(groups, pairs.own[spans.rows[lacking]]), groups.size - 1)
        found = groups[at] == pairs.own[spans.rows[lacking]]
        values[lacking[found]] = told[lending[first[at[found]]]]
        columns[column] = values
    return columns


def _known(column: Column) -> Bools:
    if column.dtype == object:
        return np.fromiter((value is not None for value in column), np.bool_, column.size)
    known: Bools = ~np.isnan(column) if column.dtype == np.float64 else column != NO_INSTANT
    return known


# ---- the spans that wait ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settled:
    """What was settled: how many spans, the requests among them that were in order, how many were another view of one.

    ``orphans``: requests that name a parent that was not there. ``served``: whether a server measured them, or their caller.
    """

    spans: int
    batch: Batch | None
    inner: int
    orphans: int
    served: frozenset[bool]


class Window:
    """The spans that wait. ``overflowed``: some were settled while more might come."""

    def __init__(self, columns: Sequence[str], lent: Sequence[str]) -> None:
        self.columns, self.lent = columns, tuple(column for column in lent if column in columns)
        self.n = 0
        self.overflowed = False
        self._parts: list[Spans] = []

    def add(self, spans: Spans) -> None:
        """Let these wait, too."""
        self._parts.append(spans)
        self.n += spans.n

    def settle(self, intake: Intake, before: int, share: float) -> Settled:
        """Count the requests of the older spans, a share of all; rejects are placed from ``before`` on."""
        if not self.n or not share:
            return Settled(0, None, 0, 0, frozenset())
        spans, self._parts, waiting = together(self._parts), [], self.n
        pairs = paired(spans)
        is_request = spans.kinds & _ANY_REQUEST != 0
        older = np.arange(spans.n) < int(share * spans.n)
        done = np.where(is_request, older[pairs.top], older)
        counted = done & is_request & (pairs.top == np.arange(spans.n))
        columns = completed(spans, pairs, self.lent)
        batches = list(_judged(spans, columns, counted, intake, before))
        for _ in range(int(np.count_nonzero(done & ~counted))):
            intake.skip("other_record")
        if share < 1:
            self.overflowed = True
            # What lay between a span that waits and its outermost request may be gone: they are joined directly.
            inside = is_request & (pairs.top != np.arange(spans.n))
            parents = np.where(inside, spans.keys[pairs.top], spans.parents)
            self.add(some(Spans(**{**_parts_of(spans), "parents": parents}), ~done))
        self.n = int(np.count_nonzero(~done))
        return Settled(
            waiting - self.n,
            joined(batches) if batches else None,
            int(np.count_nonzero(done & is_request & ~counted)),
            int(np.count_nonzero(counted & pairs.orphan)),
            frozenset((spans.kinds[counted] & SERVED != 0).tolist()),
        )


def _parts_of(spans: Spans) -> dict[str, Any]:
    return {name: getattr(spans, name) for name in Spans.__dataclass_fields__}


def _judged(spans: Spans, columns: Mapping[str, Column], counted: Bools, intake: Intake, before: int) -> Iterator[Batch]:
    """The requests to count, as many at a time as is good; what is wrong with the others is in the intake."""
    rows = np.flatnonzero(counted[spans.rows])
    for row, bad in spans.faults.items():
        if counted[spans.rows[row]]:
            intake.reject(int(spans.lines[spans.rows[row]]) - before, bad.reason, bad.detail, bytes(spans.raws[row]))
    if spans.faults:
        rows = np.setdiff1d(rows, np.fromiter(spans.faults, np.intp))
    for start in range(0, rows.size, _TOGETHER):
        part = rows[start : start + _TOGETHER]
        values = {column: told[part] if told.dtype != object else told[part].tolist() for column, told in columns.items()}
        batch = take_rows(intake, values, _Shown(spans, part, before))
        if batch is not None:
            yield batch


@dataclass(frozen=True)
class _Shown(Sequence[Row]):
    """Some rows as they are shown when they are rejected."""

    spans: Spans
    rows: Places
    before: int

    def __len__(self) -> int:
        return self.rows.size

    def __getitem__(self, place: Any) -> Any:
        row = self.rows[place]
        return Row(int(self.spans.lines[self.spans.rows[row]]) - self.before, bytes(self.spans.raws[row]))
