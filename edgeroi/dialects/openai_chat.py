"""Chat completions as OpenAI defined them and most servers speak them: streamed and not.

Source: the API reference of Chat Completions (``chat.completion`` and ``chat.completion.chunk``). ``prompt_tokens`` includes
``prompt_tokens_details.cached_tokens``. Usage of a stream comes in a frame of its own, asked for by ``stream_options``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeroi.dialects.dialect import JSON_HEADERS, Asked, Listener, Whole, count_of, demand, json_body, positive_of, text_at
from edgeroi.dialects.events import Streamed
from edgeroi.exchange import Answer

#: Where a delta holds something a person sees, or a program acts on.
_CONTENT = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")


def usage_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The tokens an answer or a frame reports, and the model that answered."""
    usage = told.get("usage")
    return {
        "input_tokens": count_of(usage, "prompt_tokens"),
        "cached_tokens": count_of(usage, "prompt_tokens_details", "cached_tokens"),
        "output_tokens": count_of(usage, "completion_tokens"),
        "model": text_at(told, "model"),
    }


def has_content(frame: Mapping[str, Any]) -> bool:
    """Whether a frame carries content: a role alone, an empty text or usage is none."""
    choices = frame.get("choices")
    deltas = [choice.get("delta") for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    return any(delta.get(key) for delta in deltas if isinstance(delta, dict) for key in _CONTENT)


def _answer(told: dict[str, Any]) -> Answer:
    whole = isinstance(told.get("choices"), list) and bool(told["choices"])
    return Answer(error=None if whole else "error_body" if told.get("error") else "no_content", **usage_of(told))


class OpenAIChat:
    """See the module."""

    name = "openai-chat"

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """The payload with model, ``stream`` and the wish for usage filled in; what it states itself is left as it is."""
        demand(payload, self.name, "messages")
        own: dict[str, Any] = {"model": model} if model else {}
        if stream:
            own |= {"stream": True, "stream_options": {"include_usage": True}}
        return Asked("POST", "/chat/completions", JSON_HEADERS, json_body({**own, **payload}))

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """One message of the user's."""
        return {key: text} if key else {"messages": [{"role": "user", "content": text}]}

    def listen(self, stream: bool) -> Listener:
        """A listener for events or for one value."""
        return Streamed(has_content, usage_of) if stream else Whole(_answer)

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """``max_completion_tokens``, or ``max_tokens`` as it was called."""
        return positive_of(payload, "max_completion_tokens", "max_tokens")


DIALECT = OpenAIChat()
