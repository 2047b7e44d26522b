"""What a dialect is: how a payload becomes a request, and what an answer's body says.

A dialect knows bytes and nothing of sockets or clocks: it is told when each piece of a body arrived.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.exchange import Answer

#: More of a body than this is not kept for reading: an answer that large is no inference.
MOST_BODY = 32 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A request ready to send: ``path`` is appended to the target's URL where the dialect has one of its own."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Listener(Protocol):
    """Hears one answer's body, piece by piece."""

    def hear(self, piece: bytes, at_ns: int) -> None:
        """A piece of the body that arrived then."""
        ...

    def told(self) -> Answer:
        """What the whole body said."""
        ...


class Dialect(Protocol):
    """A wire format. ``name`` is how a probe file calls it."""

    name: str

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """The request for a payload; raises ``EdgeroiError`` naming the key that is missing or wrong."""
        ...

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """The payload that asks this text, the same for targets of different dialects; under ``key`` where one is named."""
        ...

    def listen(self, stream: bool) -> Listener:
        """A listener for one answer."""
        ...

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """The most tokens an answer may have, as the payload limits it; ``None`` where nothing does."""
        ...


@lru_cache(maxsize=1)
def dialects() -> Mapping[str, Dialect]:
    """Every dialect, by name."""
    import edgeroi.dialects as socket

    modules = sorted(module.name for module in pkgutil.iter_modules(socket.__path__))
    found = (importlib.import_module(f"edgeroi.dialects.{name}") for name in modules)
    return {module.DIALECT.name: module.DIALECT for module in found if hasattr(module, "DIALECT")}


def dialect(name: str) -> Dialect:
    """The dialect of that name; raises ``EdgeroiError`` with the near miss."""
    known = dialects()
    if name not in known:
        raise EdgeroiError(f"{name!r} is no dialect", key="dialect", fix=did_you_mean(name, known))
    return known[name]


def json_body(payload: Mapping[str, Any]) -> bytes:
    """The payload as a body of JSON."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


#: The headers of a request whose body is JSON.
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


class Whole:
    """Hears a body that is one JSON value, or nothing anybody reads; ``read`` turns the value into an answer."""

    def __init__(self, read: Callable[[dict[str, Any]], Answer] | None = None) -> None:
        self.read, self.size = read, 0
        self.pieces: list[bytes] = []

    def hear(self, piece: bytes, at_ns: int) -> None:
        """Keep the piece, up to ``MOST_BODY``."""
        self.size += len(piece)
        if self.read is not None and self.size <= MOST_BODY:
            self.pieces.append(piece)

    def told(self) -> Answer:
        """The answer; a body that is no JSON is a failure where one was promised."""
        if self.read is None:
            return Answer()
        if self.size > MOST_BODY:
            return Answer(error="body_too_large")
        try:
            value = json.loads(b"".join(self.pieces))
        except (ValueError, RecursionError):
            return Answer(error="bad_json")
        return self.read(value) if isinstance(value, dict) else Answer(error="bad_json")


def count_of(told: Any, *path: str) -> int | None:
    """The whole number at a path inside a JSON value, ``None`` where there is none."""
    for key in path:
        told = told.get(key) if isinstance(told, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def text_at(told: Any, *path: str | int) -> str | None:
    """The text at a path inside a JSON value, ``None`` where there is none."""
    for key in path:
        if isinstance(key, int):
            told = told[key] if isinstance(told, list) and len(told) > key else None
        else:
            told = told.get(key) if isinstance(told, dict) else None
    return told if isinstance(told, str) else None


def positive_of(payload: Mapping[str, Any], *keys: str) -> int | None:
    """The first of the keys that holds a positive whole number."""
    return next((found for key in keys if (found := count_of(payload, key))), None)


def demand(payload: Mapping[str, Any], dialect_name: str, *keys: str) -> None:
    """Refuse a payload that has none of the keys."""
    if not any(key in payload for key in keys):
        raise EdgeroiError(f"a {dialect_name} payload has no {' or '.join(keys)}", key="payloads", fix=f"give it {keys[0]!r}")
