"""The REST run endpoint of Workers AI: ``POST .../ai/run/MODEL`` -> ``{result, success, errors, messages}``, or events when streamed.

Source: Cloudflare's REST API for Workers AI (``/accounts/{account_id}/ai/run/{model_name}``). The target's URL ends in ``/ai/run``;
the model is part of the path. Text generation reports ``usage``, in the last event of a stream; embeddings give ``{shape, data}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from edgeroi.dialects.dialect import JSON_HEADERS, Asked, Listener, Whole, count_of, demand, json_body, positive_of
from edgeroi.dialects.events import Streamed
from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Answer


def usage_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The tokens a result or an event reports."""
    usage = told.get("usage")
    return {
        "input_tokens": count_of(usage, "prompt_tokens"),
        "cached_tokens": count_of(usage, "prompt_tokens_details", "cached_tokens"),
        "output_tokens": count_of(usage, "completion_tokens"),
    }


def has_content(event: Mapping[str, Any]) -> bool:
    """Whether an event carries a piece of the answer."""
    return bool(event.get("response")) or bool(event.get("tool_calls"))


def _answer(told: dict[str, Any]) -> Answer:
    result = told.get("result")
    if told.get("success") is False or told.get("errors"):
        return Answer(error="error_body")
    if not isinstance(result, dict) or not result:
        return Answer(error="no_content")
    usage = usage_of(result)
    return Answer(**{**usage, "output_tokens": 0} if "data" in result and "shape" in result else usage)


class CloudflareAI:
    """See the module."""

    name = "cloudflare-ai"

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """The payload to the model's own path, with ``stream`` filled in."""
        if not model:
            raise EdgeroiError("a cloudflare-ai target needs its model: it is part of the path", key="model", fix="write model: '@cf/...'")
        demand(payload, self.name, "messages", "prompt", "text", "input")
        body = json_body({**({"stream": True} if stream else {}), **payload})
        return Asked("POST", "/" + quote(model, safe="@/"), JSON_HEADERS, body)

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """A prompt; an embedding model wants ``text_as: text``."""
        return {key or "prompt": [text] if key == "text" else text}

    def listen(self, stream: bool) -> Listener:
        """A listener for events or for one value."""
        return Streamed(has_content, usage_of) if stream else Whole(_answer)

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """``max_tokens``; embeddings (``text``) have no output."""
        return 0 if "text" in payload else positive_of(payload, "max_tokens")


DIALECT = CloudflareAI()
