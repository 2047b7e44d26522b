"""Embeddings as OpenAI defined them: ``{model, input}`` -> ``{data: [{embedding}], usage: {prompt_tokens}}``.

Source: the API reference of Embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeroi.dialects.dialect import JSON_HEADERS, Asked, Listener, Whole, count_of, demand, json_body, text_at
from edgeroi.exchange import Answer


def _answer(told: dict[str, Any]) -> Answer:
    vectors = told.get("data")
    whole = isinstance(vectors, list) and bool(vectors) and all(isinstance(v, dict) and v.get("embedding") for v in vectors)
    error = None if whole else "error_body" if told.get("error") else "no_content"
    return Answer(
        input_tokens=count_of(told, "usage", "prompt_tokens"), output_tokens=0 if whole else None, model=text_at(told, "model"), error=error
    )


class OpenAIEmbeddings:
    """See the module."""

    name = "openai-embeddings"

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """The payload with the model filled in."""
        demand(payload, self.name, "input")
        return Asked("POST", "/embeddings", JSON_HEADERS, json_body({**({"model": model} if model else {}), **payload}))

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """The text as the only input."""
        return {key or "input": text}

    def listen(self, stream: bool) -> Listener:
        """An embedding comes whole."""
        return Whole(_answer)

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """An embedding has no output tokens."""
        return 0


DIALECT = OpenAIEmbeddings()
