"""The elements of one JSON array, each with the physical line it starts on; a broken element costs only itself.

``[ {...}, {...} ]``, pretty-printed or on one line. A sound document is cut by ``msgspec`` in one pass; in a broken one a
scanner of strings and brackets finds the elements and, after a fault, where the next one starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    sound = _sound(document, bom)
    return sound if sound is not None else tuple(_numbered(document, _scanned(document, bom)))


def _sound(document: bytes, bom: int) -> tuple[Element, ...] | None:
    import msgspec

    try:
        raws = msgspec.json.Decoder(list[msgspec.Raw]).decode(memoryview(document)[bom:])
    except (msgspec.DecodeError, RecursionError):
        return None
    found, at, line = [], document.index(b"[", bom) + 1, 1 + document.count(b"\n", 0, document.index(b"[", bom))
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


def _scanned(document: bytes, bom: int) -> Iterator[_Span]:
    at = document.index(b"[", bom) + 1
    next_start, after_comma = _next_start(document, at), False
    while True:
        at = _past_white(document, at)
        end, mark, detail = _element_end(document, at)
        if mark == b"]":
            yield from _last(document, at, end, after_comma)
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


def _last(document: bytes, at: int, end: int, after_comma: bool) -> Iterator[_Span]:
    """What stands before the closing bracket at ``end``, and what stands after it."""
    if end > at:
        yield _Span(at, end)
    elif after_comma:
        yield _Span(at, end, "bad_json", "a comma before the closing bracket")
    tail = _past_white(document, end + 1)
    if tail < len(document):
        yield _Span(tail, len(document), "bad_json", "text after the end of the array")


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
