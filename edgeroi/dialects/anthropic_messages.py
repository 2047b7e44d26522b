"""Messages as Anthropic defined them: streamed and not.

Source: the API reference of Messages and its streaming events. ``input_tokens`` is what was neither read from the cache nor written
to it: the whole input is the sum of the three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeroi.dialects.dialect import JSON_HEADERS, Asked, Listener, Whole, count_of, demand, json_body, positive_of, text_at
from edgeroi.dialects.events import Streamed
from edgeroi.exchange import Answer

#: The version of the API whose shapes are read here.
VERSION = "2023-06-01"
_DELTAS = ("text", "partial_json", "thinking")


def usage_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of a message or of the event that carries it (``message_start``, ``message_delta``)."""
    message = event.get("message") if isinstance(event.get("message"), dict) else event
    usage = message.get("usage") if isinstance(message, dict) else None
    fresh, read, written = (count_of(usage, key) for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    return {
        "input_tokens": None if fresh is None else fresh + (read or 0) + (written or 0),
        "cached_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": count_of(usage, "output_tokens"),
        "model": text_at(message, "model"),
    }


def has_content(event: Mapping[str, Any]) -> bool:
    """Whether an event carries content: a block's delta does, its start, a ping and the message's frame do not."""
    delta = event.get("delta") if event.get("type") == "content_block_delta" else None
    return isinstance(delta, dict) and any(delta.get(key) for key in _DELTAS)


def _answer(told: dict[str, Any]) -> Answer:
    whole = isinstance(told.get("content"), list) and bool(told["content"])
    return Answer(error=None if whole else "error_body" if told.get("type") == "error" else "no_content", **usage_of(told))


class AnthropicMessages:
    """See the module."""

    name = "anthropic-messages"

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """The payload with model and ``stream`` filled in."""
        demand(payload, self.name, "messages")
        demand(payload, self.name, "max_tokens")
        own: dict[str, Any] = ({"model": model} if model else {}) | ({"stream": True} if stream else {})
        return Asked("POST", "/v1/messages", {**JSON_HEADERS, "anthropic-version": VERSION}, json_body({**own, **payload}))

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """One message of the user's."""
        return {key: text} if key else {"messages": [{"role": "user", "content": text}]}

    def listen(self, stream: bool) -> Listener:
        """A listener for events or for one value."""
        return Streamed(has_content, usage_of) if stream else Whole(_answer)

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """``max_tokens``, which a request must state."""
        return positive_of(payload, "max_tokens")


DIALECT = AnthropicMessages()
