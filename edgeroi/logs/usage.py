"""Token counts of the usage objects that providers answer with: OpenAI's chat completions and responses, Anthropic's messages.

Read from openai 3.54.0 (``types/completion_usage.py``, ``types/responses/response_usage.py``) and Anthropic's documentation of prompt
caching. In canonical columns the input holds every token of the prompt. OpenAI counts cached ones inside its input, and reasoning
inside its output; Anthropic counts those read from a cache and written to one outside: there they are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeroi.logs.times import added, first

Json = Mapping[str, Any]

_CHAT = ("prompt_tokens", "completion_tokens")
_MESSAGES = ("input_tokens", "output_tokens")
_OUTSIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")


def usage_in(record: Json) -> Json | None:
    """The usage object of a record, its own or that of its response; ``None`` also where the record counts in canonical columns."""
    if any(column in record for column in _MESSAGES):
        return None
    response = record.get("response")
    inside = response.get("usage") if isinstance(response, dict) else None
    found = next((value for value in (record.get("usage"), inside) if is_usage(value)), None)
    return found if isinstance(found, dict) else None


def is_usage(value: object) -> bool:
    """Whether this is a usage object of one of these shapes."""
    return isinstance(value, dict) and any(key in value for key in (*_CHAT, *_MESSAGES))


def tokens_of(usage: Json) -> dict[str, object]:
    """The four counts, values still unchecked; where nothing was counted at all, unknown."""
    counts = _chat(usage) if any(key in usage for key in _CHAT) else _messages(usage)
    return counts if any(counts.values()) else dict.fromkeys(counts)


def _chat(usage: Json) -> dict[str, object]:
    details = _details(usage, "prompt_tokens_details")
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "cached_tokens": first(details.get("cached_tokens"), usage.get("prompt_cache_hit_tokens")),
        "cache_write_tokens": details.get("cache_write_tokens"),
        "output_tokens": usage.get("completion_tokens"),
    }


def _messages(usage: Json) -> dict[str, object]:
    details = _details(usage, "input_tokens_details")
    read, written = (usage.get(key) for key in _OUTSIDE)
    return {
        "input_tokens": added(usage.get("input_tokens"), read, written) if read or written else usage.get("input_tokens"),
        "cached_tokens": first(read, details.get("cached_tokens")),
        "cache_write_tokens": first(written, details.get("cache_write_tokens")),
        "output_tokens": usage.get("output_tokens"),
    }


def _details(usage: Json, name: str) -> Json:
    told = usage.get(name)
    return told if isinstance(told, dict) else {}
