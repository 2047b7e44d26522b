"""The elements of one JSON array, each with the physical line it starts on; a broken element costs only itself.

``[ {...}, {...} ]``, pretty-printed or on one line, or the array under one key of an object (``{"data": [ ... ], "meta": ...}``). A
sound document is cut by ``msgspec`` in one pass; in a broken one a scanner of strings and brackets finds the elements and, after
a fault, where the next one starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_GAP = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[\[\]{}",]')
_CLOSER = {b"{"[0]: b"}"[0], b"["[0]: b"]"[0]}
_WHITE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its bytes, where it starts (line from 1, byte from 0), and why it is no JSON value where it is none."""

    raw: bytes
    line: int
    offset: int
    fault: str | None = None
    detail: str = ""


def elements(document: bytes, bom: int = 0) -> tuple[Element, ...]:
    """All elements of the array in ``document``, in order; ``bom`` bytes at its start are not part of it.

    Every byte between the brackets belongs to an element or to the white space and commas around one, so nothing is lost:
    a cut array ends in an element with fault ``truncated_tail``, and text after the closing bracket is one ``bad_json``.
    """
    start = document.index(b"[", bom)
    sound = _sound(document, start, memoryview(document)[bom:])
    return sound if sound is not None else tuple(_numbered(document, _scanned(document, start, _nothing_after)))


@dataclass(frozen=True, slots=True)
class Listing:
    """The elements of the array under one key of an object, and where the object ends: the byte behind it."""

    key: str
    elements: tuple[Element, ...]
    end: int


def listing(document: bytes, keys: Sequence[str], start: int = 0) -> Listing | None:
    """The array under the first of the keys that the object at ``start`` has at its top; ``None`` where it has none.

    What stands beside the array is not looked into. Every byte of the array belongs to an element as in ``elements``; a document
    that is cut behind its array ends in one element with fault ``truncated_tail``.
    """
    opened = _array_under(document, keys, start)
    if opened is None:
        return None
    key, at = opened
    end = value_end(document, start)
    closed = value_end(document, at) if end is not None else None
    inside = document[at:closed] if closed is not None else b""
    sound = _sound(document, at, inside) if closed is not None else None
    if sound is not None and end is not None:
        return Listing(key, sound, end)
    spans = tuple(_scanned(document, at, _object_after))
    return Listing(key, tuple(_numbered(document, iter(spans))), end if end is not None else len(document))


def _array_under(document: bytes, keys: Sequence[str], start: int) -> tuple[str, int] | None:
    """``(key, where its array starts)`` of the object at ``start``."""
    depth, wanted, key = 0, {b'"' + key.encode() + b'"': key for key in keys}, None
    for token in _TOKEN.finditer(document, start):
        text = token.group()
        if text in (b"{", b"["):
            if key is not None and text == b"[":
                return key, token.start()
            depth, key = depth + 1, None
        elif text in (b"}", b"]"):
            depth, key = depth - 1, None
            if depth <= 0:
                return None
        else:
            colon = _past_white(document, token.end())
            key = wanted.get(text) if depth == 1 and document[colon : colon + 1] == b":" else None
    return None


def value_end(document: bytes, start: int) -> int | None:
    """The byte behind the object or array at ``start``; ``None`` where its brackets do not match or it is cut."""
    closers: list[int] = []
    for token in _TOKEN.finditer(document, start):
        text = token.group()
        if text in (b"{", b"["):
            closers.append(_CLOSER[text[0]])
        elif text == b'"':
            return None
        elif text in (b"}", b"]"):
            if not closers or closers.pop() != text[0]:
                return None
            if not closers:
                return token.end()
    return None


def _sound(document: bytes, start: int, array: bytes | memoryview) -> tuple[Element, ...] | None:
    """The elements of the array that starts at ``start``, if it is JSON."""
    import msgspec

    try:
        raws = msgspec.json.Decoder(list[msgspec.Raw]).decode(array)
    except (msgspec.DecodeError, RecursionError):
        return None
    found, at, line = [], start + 1, 1 + document.count(b"\n", 0, start)
    for raw in map(bytes, raws):
        gap = _GAP.match(document, at)
        start = gap.end() if gap else at
        line += document.count(b"\n", at, start)
        found.append(Element(raw, line, start))
        line += raw.count(b"\n")
        at = start + len(raw)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    fault: str | None = None
    detail: str = ""


def _numbered(document: bytes, spans: Iterator[_Span]) -> Iterator[Element]:
    at, line = 0, 1
    for span in spans:
        line += document.count(b"\n", at, span.start)
        at = span.start
        yield Element(document[span.start : span.end].rstrip(_WHITE), line, span.start, span.fault, span.detail)


def _scanned(document: bytes, start: int, after: Callable[[bytes, int], Iterator[_Span]]) -> Iterator[_Span]:
    """The elements of the array at ``start``; ``after`` judges what follows its closing bracket."""
    at = start + 1
    next_start, after_comma = _next_start(document, at), False
    while True:
        at = _past_white(document, at)
        end, mark, detail = _element_end(document, at)
        if mark == b"]":
            yield from _last(at, end, after_comma)
            yield from after(document, end + 1)
            return
        if mark == b",":
            yield _Span(at, end) if end > at else _Span(at, end, "bad_json", "nothing before a comma")
            at, after_comma = end + 1, True
            continue
        resumed = next_start.search(document, at + 1)
        if resumed is None:
            yield from _cut(document, at, mark, detail)
            return
        yield _Span(at, resumed.start() + 1, "bad_json", detail)
        at, after_comma = resumed.end() - 1, True


def _last(at: int, end: int, after_comma: bool) -> Iterator[_Span]:
    """What stands before the closing bracket at ``end``."""
    if end > at:
        yield _Span(at, end)
    elif after_comma:
        yield _Span(at, end, "bad_json", "a comma before the closing bracket")


def _nothing_after(document: bytes, at: int) -> Iterator[_Span]:
    """An array that is all of a document has nothing behind it."""
    tail = _past_white(document, at)
    if tail < len(document):
        yield _Span(tail, len(document), "bad_json", "text after the end of the array")


def _object_after(document: bytes, at: int) -> Iterator[_Span]:
    """Behind an array inside an object the object goes on, and is closed."""
    depth = 1
    for token in _TOKEN.finditer(document, at):
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token.group(), 0)
        if depth == 0:
            return
    yield _Span(len(document), len(document), "truncated_tail", "the object around the array is cut off")


def _cut(document: bytes, at: int, mark: bytes, detail: str) -> Iterator[_Span]:
    """The rest of a document in which no further element starts; a last element that is whole is kept."""
    whole = not mark and not detail and at < len(document)
    if whole:
        yield _Span(at, len(document))
    start = len(document) if whole else at
    yield _Span(start, len(document), "bad_json", detail) if mark else _Span(start, len(document), "truncated_tail", "the array is cut off")


def _past_white(document: bytes, at: int) -> int:
    while document[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    return at


def _next_start(document: bytes, at: int) -> re.Pattern[bytes]:
    """How an element starts in this document: at the margin of the first one, or as ``}, {`` where they share lines."""
    start = _past_white(document, at)
    margin = document[document.rfind(b"\n", 0, start) + 1 : start]
    if b"\n" in document[at:start] and not margin.strip(_WHITE):
        return re.compile(rb"\n" + re.escape(margin) + rb"\{")
    return re.compile(rb"\},[ \t\r\n]*\{")


def _element_end(document: bytes, at: int) -> tuple[int, bytes, str]:
    """``(end, mark, detail)``: where the element at ``at`` ends, and the ``,`` or ``]`` after it.

    The mark is ``b"!"`` where brackets or quotes do not match, and ``b""`` where the document ends first.
    """
    closers: list[int] = []
    for token in _TOKEN.finditer(document, at):
        text = token.group()
        if text in (b"{", b"["):
            closers.append(_CLOSER[text[0]])
        elif text == b'"':
            at_end = document.find(b"\n", token.start()) < 0
            return token.start(), b"" if at_end else b"!", "a string is not closed on its line"
        elif text in (b"}", b"]") and closers:
            if closers.pop() != text[0]:
                return token.start(), b"!", f"{text.decode()} closes nothing"
        elif text in (b",", b"]") and not closers:
            return token.start(), text, ""
        elif text == b"}":
            return token.start(), b"!", "} closes nothing"
    return len(document), b"", "brackets do not match" if closers else ""
