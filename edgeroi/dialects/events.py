"""Server-sent events, read as their bytes arrive: a chunk may end in the middle of a line, or of a letter.

Follows the parsing rules of the HTML standard, 9.2.6: lines end in LF, CR or CRLF, an empty line ends an event, a line that begins with a
colon is a comment, several data lines are joined by a newline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from edgeroi.exchange import Answer

#: More than this without the end of an event, and it is no event stream.
_LONGEST_EVENT = 8 << 20


class EventReader:
    """Turns pieces of a body into the data of events. An event arrives with the byte that ends it."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._after_cr = False
        self.broken = False

    def feed(self, piece: bytes) -> Iterator[str]:
        """The data of every event that this piece completes."""
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r") if piece else self._after_cr
        text = self._rest + piece
        if len(text) > _LONGEST_EVENT:
            self.broken, self._rest = True, b""
            return
        *lines, self._rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                data, self._data = "\n".join(self._data), []
                yield data

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))


class Streamed:
    """Hears a stream of events that each hold one JSON value.

    ``content``: whether an event carries content that a person would see; frames without (a role, a keep-alive, usage, ``[DONE]``)
    neither begin nor end an answer. ``usage``: the fields of an ``Answer`` that an event tells.
    """

    def __init__(self, content: Callable[[dict[str, Any]], bool], usage: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._events, self._content, self._usage = EventReader(), content, usage
        self._came: list[int] = []
        self._told: dict[str, Any] = {}
        self._error: str | None = None

    def hear(self, piece: bytes, at_ns: int) -> None:
        """Read the events that this piece completes; all of them came when it came."""
        for data in self._events.feed(piece):
            self._take(data, at_ns)

    def _take(self, data: str, at_ns: int) -> None:
        if data.strip() == "[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._error = self._error or "bad_event"
            return
        if event.get("error"):
            self._error = self._error or "error_event"
        self._told.update({key: value for key, value in self._usage(event).items() if value is not None})
        if self._content(event):
            self._came.append(at_ns)

    def told(self) -> Answer:
        """The answer; it ends with its last content. A stream without any content is a failure."""
        error = self._error or ("bad_event" if self._events.broken else None) or (None if self._came else "no_content")
        return Answer(tuple(self._came), True, error=error, done_ns=self._came[-1] if self._came else None, **self._told)
