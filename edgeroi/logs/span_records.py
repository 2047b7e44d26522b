"""OTLP documents decoded into typed records, and their spans put into columns, many of one shape at a time.

It says what ``spans.span_of`` says and is several times faster, as most spans of a log have the same attributes in the same order. It
takes a document only if it is certain to have lost nothing of it: every key is one that OTLP defines, and there are as many ``":``
in the text as when what was decoded is written again, so no key was there twice. Spans of which anything is not plainly as it should be
are judged by ``span_of``, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgeroi.logs.lines import LONGEST_LINE, bad_bytes, object_of
from edgeroi.logs.objects import settled
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.span_window import CONTAINS, REQUEST, SERVED, Column, Spans, column_of, in_order, key_of, packed, raws_of, together
from edgeroi.logs.spans import (
    ATTRIBUTES,
    COUNTS,
    OPERATION,
    SERVER_KINDS,
    STREAMED,
    TTFT_S,
    WORDS,
    Span,
    attributes_of,
    contains_requests,
    failure_of,
    first_token_of,
    is_request,
    labels_of,
    span_of,
    value_of,
)
from edgeroi.logs.typed import pairs, space_before_colon

#: Spans of one shape that are fewer than this are judged one by one: columns would not pay.
_FEWEST = 4
#: Resources, shapes and combinations of words that are remembered with what they say, and how long those are at most.
_MOST_KNOWN, _LONGEST_KNOWN = 1 << 12, 1 << 13
#: Spans of a piece of a large document.
_PIECE = 1000
#: Beyond it a double no longer tells one ns from the next; such a span lasts a hundred days.
_LONGEST_NS = 2**53


@lru_cache(maxsize=1)
def _decoders() -> tuple[Any, Any]:
    """Of a document and of a span by itself, with every field that opentelemetry-proto 1.x gives them in JSON."""
    import msgspec
    from msgspec import UNSET, Raw, UnsetType, defstruct

    def struct(name: str, *fields: tuple[Any, ...]) -> Any:
        return defstruct(name, fields, gc=False, forbid_unknown_fields=True)

    def optional(name: str, kind: Any = Any) -> tuple[Any, ...]:
        return name, kind | UnsetType if kind is not Any else Any, UNSET

    attribute: Any = struct("Attribute", ("key", str), ("value", dict[str, Any]))
    span = (
        ("traceId", str), ("spanId", str), ("startTimeUnixNano", str), ("endTimeUnixNano", str), optional("parentSpanId", str),
        optional("name", str), optional("kind", int | str), optional("attributes", list[attribute]), optional("status", dict[str, Any]),
        *map(optional, ("events", "links", "traceState", "flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")),
    )  # fmt: skip
    one: Any = struct("Span", *span)
    scope: Any = struct("Scope", ("spans", list[one]), optional("scope"), optional("schemaUrl", str))
    group: Any = struct("Group", ("scopeSpans", list[scope]), optional("resource", Raw), optional("schemaUrl", str))
    document = struct("Document", ("resourceSpans", list[group]))
    alone = struct("SpanAlone", *span, optional("resource", Raw))
    return msgspec.json.Decoder(document), msgspec.json.Decoder(alone)


@dataclass(frozen=True, slots=True)
class _Resource:
    """What a resource says, and a number of its own."""

    number: int
    attributes: Mapping[str, object]


#: A span as it was decoded, what its resource says, its line.
Told = tuple[Any, _Resource, int]


class Records:
    """Spans in their order, as they were decoded or as ``span_of`` told of them, until they are put into columns.

    ``mapped``: the attribute each mapped column comes from; where there are any, nothing is decoded here.
    """

    def __init__(self, reading: Reading, columns: Sequence[str], mapped: Mapping[str, str]) -> None:
        self.reading, self.columns, self.mapped = reading, columns, mapped
        self._spans: list[Told | Span] = []
        self._met = 0  # resources, each of which has a number that no other one ever had
        self._resources: dict[bytes, _Resource | None] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._words: dict[Any, Mapping[str, object]] = {}

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self._spans)

    def add(self, spans: Iterable[Span]) -> None:
        """Take these."""
        self._spans.extend(spans)

    def take(self, text: bytes, line: int) -> bool:
        """Take all spans of a document; false where it is not for this way."""
        import msgspec

        if self.mapped or len(text) > LONGEST_LINE or b"\\u0022" in text or bad_bytes(text) is not None:
            return False
        whole, alone = _decoders()
        start = text[:64].lstrip(b" \t\r\n")
        try:
            decoded = (whole if start.startswith(b'{"resourceSpans"') else alone).decode(text)
            written: bytes = msgspec.json.encode(decoded)
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
            return False
        if pairs(text, b'":') != pairs(written, b'":') or space_before_colon(text):
            return False
        groups = [(self._resource(group.resource), group) for group in getattr(decoded, "resourceSpans", (decoded,))]
        if any(resource is None for resource, _ in groups):
            return False
        for resource, group in groups:
            assert resource is not None
            for scope in getattr(group, "scopeSpans", ()):
                self._spans.extend((span, resource, line) for span in scope.spans)
            if group is decoded:
                decoded.resource = msgspec.UNSET
                self._spans.append((decoded, resource, line))
        return True

    def _resource(self, raw: Any) -> _Resource | None:
        """What a resource says; ``None`` where it is no object."""
        text = bytes(raw) if raw else b"{}"
        if text in self._resources:
            return self._resources[text]
        told = object_of(text)
        self._met += 1
        said = None if isinstance(told, Bad) else _Resource(self._met, attributes_of(told.get("attributes")))
        if len(text) <= _LONGEST_KNOWN:
            if len(self._resources) >= _MOST_KNOWN:
                self._resources.clear()
            self._resources[text] = said
        return said

    def packed(self) -> Spans:
        """All of them in columns, and none left; there are some."""
        spans, self._spans = self._spans, []
        alike: dict[Any, list[int]] = {}
        odd: list[int] = []
        for place, told in enumerate(spans):
            shape = None if isinstance(told, Span) else self._shape(told[0])
            operation = shape.operation_of(told[0]) if shape and shape.plain else _ODD  # type: ignore[index]
            if shape is None or operation is _ODD:
                odd.append(place)
            else:
                span, resource, _ = told  # type: ignore[misc]
                alike.setdefault((shape.keys, resource.number, span.kind, operation, bool(span.events)), []).append(place)
        parts, places = list[Spans](), list[int]()
        for (keys, _, _, operation, _), group in alike.items():
            some: Any = [spans[place] for place in group]
            columns = self._columns(self._shapes[keys], some, operation) if len(group) >= _FEWEST else None
            if columns is None:
                odd.extend(group)
            else:
                parts.append(columns)
                places.extend(group)
        if odd:
            exact = [told if isinstance(told := spans[place], Span) else _exactly(*told) for place in odd]
            parts.append(packed(exact, self.reading, self.columns, self.mapped))
        return in_order(together(parts), np.array([*places, *odd], np.intp))

    def _shape(self, span: Any) -> _Shape:
        keys = tuple([attribute.key for attribute in span.attributes]) if span.attributes else ()
        shape = self._shapes.get(keys)
        if shape is None:
            if len(self._shapes) >= _MOST_KNOWN or sum(map(len, keys)) > _LONGEST_KNOWN:
                return _Shape.of(keys, self.columns, plain=False)
            shape = self._shapes[keys] = _Shape.of(keys, self.columns)
        return shape

    def _columns(self, shape: _Shape, group: Sequence[Told], operation: str | None) -> Spans | None:
        """Spans of one shape; ``None`` where one of them is not plainly in order."""
        spans, resource = [span for span, _, _ in group], group[0][1]
        served = SERVED * (spans[0].kind in SERVER_KINDS)
        keys = np.array([key_of((span.traceId, span.spanId)) for span in spans], np.uint64)
        parents = np.array([key_of((span.traceId, span.parentSpanId)) if span.parentSpanId else 0 for span in spans], np.uint64)
        lines = np.array([line for _, _, line in group], np.int64)
        n = len(spans)
        if not is_request(operation, shape.names):
            kind = CONTAINS * contains_requests(operation, shape.names)
            none: dict[str, Column] = {column: np.empty(0, object) for column in self.columns}
            return Spans(keys, parents, np.full(n, kind | served, np.uint8), lines, np.empty(0, np.intp), none, lines[:0], raws_of([]))
        starts, ends = (_instants([getattr(span, name) for span in spans]) for name in ("startTimeUnixNano", "endTimeUnixNano"))
        if starts is None or ends is None or int(np.abs(ends - starts).max()) >= _LONGEST_NS:
            return None
        words = self._told_words(shape, spans, resource, operation)
        if words is None:
            return None
        latency = (ends - starts) / 1e6  # exact to the last bit, as every difference is a double's whole number
        told: dict[str, Column | Sequence[Any]] = {"timestamp": starts, "latency_ms": latency, **words}
        told["request_id"] = [span.spanId for span in spans]
        told |= {column: shape.first(ATTRIBUTES[column], spans) for column in COUNTS if column in self.columns}
        if "cost_usd" in told:
            told["cost_usd"] = [value or None for value in told["cost_usd"]]
        told |= self._first_token(shape, spans, starts, latency)
        columns = {column: _column(column, told[column]) for column in self.columns}
        raws = raws_of([_shown(span) for span in spans])
        return Spans(keys, parents, np.full(n, REQUEST | served, np.uint8), lines, np.arange(n), columns, starts, raws)

    def _told_words(
        self, shape: _Shape, spans: Sequence[Any], resource: _Resource, operation: str | None
    ) -> dict[str, Sequence[Any]] | None:
        """What is said in words, once for each combination of them."""
        said = [shape.items(place, spans) for place in shape.words]
        if any(items is None for items in said):
            return None
        failed = [span.status.get("code") if span.status else None for span in spans]
        if not set(map(type, failed)) <= {int, str, type(None)}:
            return None
        rows: list[Mapping[str, object]] = []
        about = (shape.keys, resource.number, spans[0].kind, tuple(type(items[0][1]) for items in said if items))
        for place, combination in enumerate(zip(failed, *(items for items in said if items is not None), strict=True)):
            known = self._words.get((about, combination))
            if known is None:
                known = self._say(spans[place], resource, operation)
                if all(type(item[1]) is int or len(item[1]) <= _LONGEST_KNOWN for item in combination[1:]):
                    if len(self._words) >= _MOST_KNOWN:
                        self._words.clear()
                    self._words[about, combination] = known
            rows.append(known)
        columns = [column for column in rows[0] if column in self.columns]
        return {column: [row[column] for row in rows] for column in columns}

    def _say(self, span: Any, resource: _Resource, operation: str | None) -> Mapping[str, object]:
        attributes = {attribute.key: value_of(attribute.value) for attribute in span.attributes or ()}
        labels = labels_of(attributes, resource.attributes, operation, served=span.kind in SERVER_KINDS)
        return settled(labels | failure_of(span.status, attributes), self.reading)

    def _first_token(self, shape: _Shape, spans: Sequence[Any], starts: Column, latency: Column) -> dict[str, Column | Sequence[Any]]:
        streamed = shape.first(STREAMED, spans)
        if not spans[0].events and not any(name in shape.names for name in TTFT_S):
            return {"ttft_ms": np.full(len(spans), np.nan), "streamed": streamed}
        told = zip(spans, shape.first(TTFT_S, spans), streamed, starts.tolist(), latency.tolist(), strict=True)
        found = [first_token_of(span.events, said, flag, start, took) for span, said, flag, start, took in told]
        return {column: [one[column] for one in found] for column in ("ttft_ms", "streamed")}


def _column(column: str, told: Column | Sequence[Any]) -> Column:
    return told if isinstance(told, np.ndarray) else column_of(column, told)


def _exactly(span: Any, resource: _Resource, line: int) -> Span:
    import msgspec

    return span_of(msgspec.to_builtins(span), resource.attributes, line)


def _shown(span: Any) -> bytes:
    import msgspec

    return f"span {span.spanId} {None if span.name is msgspec.UNSET else span.name}".encode(errors="replace")


def _instants(texts: Sequence[str]) -> Any:
    """Nanoseconds since the epoch; ``None`` where one is not plainly that."""
    digits = "".join(texts)
    if not digits.isascii() or not digits.isdecimal() or max(map(len, texts)) > 19 or not all(texts):
        return None
    try:
        found = np.array(list(map(int, texts)), np.int64)
    except OverflowError:
        return None
    return found if int(found.min()) > 0 else None


_ODD = "odd"


@dataclass(frozen=True)
class _Shape:
    """The attributes of spans that have the same ones in the same order. ``plain``: none of them twice.

    ``words``: the places of those whose combinations say what is said in words.
    """

    keys: tuple[str, ...]
    names: Mapping[str, int]
    words: tuple[int, ...]
    plain: bool

    @classmethod
    def of(cls, keys: tuple[str, ...], columns: Sequence[str], plain: bool = True) -> _Shape:
        """The shape of these attributes, for a reading that looks at these columns."""
        names = {key: place for place, key in enumerate(keys)}
        looked_at = {name for column, wanted in WORDS.items() if column in columns for name in wanted}
        words = tuple(place for key, place in names.items() if key in looked_at)
        return cls(keys, names, words, plain and len(names) == len(keys))

    def items(self, place: int, spans: Sequence[Any]) -> list[tuple[str, Any]] | None:
        """One attribute of each span, as kind and value; ``None`` where they are not all text, or all whole numbers."""
        values = [span.attributes[place].value for span in spans]
        if set(map(len, values)) != {1}:
            return None
        items = [item for value in values for item in value.items()]
        return items if {type(said) for _, said in items} in ({str}, {int}) else None

    def operation_of(self, span: Any) -> str | None:
        """What the span says it does; ``_ODD`` where that is not plainly said."""
        for name in OPERATION:
            if name in self.names:
                said = value_of(span.attributes[self.names[name]].value)
                if type(said) is not str:
                    return _ODD
                if said:
                    return said.lower() if said.lower() != _ODD else _ODD
        return None

    def first(self, names: Sequence[str], spans: Sequence[Any]) -> Sequence[Any]:
        """Of each span the first of these attributes that tells something."""
        told = [self.column(self.names[name], spans) for name in names if name in self.names]
        if not told:
            return [None] * len(spans)
        return [next((value for value in values if value not in (None, "")), None) for values in zip(*told, strict=True)]

    def column(self, place: int, spans: Sequence[Any]) -> list[Any]:
        """One attribute of each span."""
        values = [span.attributes[place].value for span in spans]
        try:
            texts = [value["intValue"] for value in values]
            digits = "".join(texts)
        except (KeyError, TypeError):
            return [value_of(value) for value in values]
        plain = digits.isascii() and digits.isdecimal() and all(texts) and max(map(len, texts)) < 16 and set(map(len, values)) == {1}
        return list(map(int, texts)) if plain else [value_of(value) for value in values]


# ---- large documents -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _envelope() -> Any:
    """A document whose spans are left as they are written."""
    import msgspec
    from msgspec import Raw, defstruct

    scope: Any = defstruct("Scope", [("spans", list[Raw]), ("scope", Any, None), ("schemaUrl", Any, None)], forbid_unknown_fields=True)
    fields: list[Any] = [("scopeSpans", list[scope]), ("resource", Raw, Raw(b"{}")), ("schemaUrl", Any, None)]
    group: Any = defstruct("Group", fields, forbid_unknown_fields=True)
    return msgspec.json.Decoder(defstruct("Document", [("resourceSpans", list[group])], forbid_unknown_fields=True))


def pieces_of(text: bytes) -> list[bytes] | None:
    """A large document as several that say the same in its order; ``None`` where it is not JSON of the fields that OTLP defines."""
    import msgspec

    try:
        pieces = [
            b'{"resourceSpans":[{"resource":%s,"scopeSpans":[{"spans":[%s]}]}]}' % (bytes(group.resource), b",".join(map(bytes, some)))
            for group in _envelope().decode(text).resourceSpans
            for scope in group.scopeSpans
            for some in (scope.spans[at : at + _PIECE] for at in range(0, len(scope.spans), _PIECE))
        ]
        for piece in pieces:
            msgspec.json.decode(piece)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return pieces
