"""Every wire format: what is asked, what an answer says, and what is no answer. Shapes as the makers document them, written here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeroi.dialects.dialect import dialect, dialects
from edgeroi.dialects.events import EventReader
from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Answer

PAYLOADS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "http": ({"path": "/x"}, "/x"),
    "openai-chat": ({"messages": [{"role": "user", "content": "hi"}]}, "/chat/completions"),
    "openai-embeddings": ({"input": "hi"}, "/embeddings"),
    "anthropic-messages": ({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}, "/v1/messages"),
    "cloudflare-ai": ({"messages": [{"role": "user", "content": "hi"}]}, "/@cf/meta/m"),
}

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
#: dialect, whole body, and (input, cached, written, output) tokens.
WHOLE: list[tuple[str, object, tuple[int | None, ...]]] = [
    ("openai-chat", {"model": "m", "choices": [{"message": {"content": "hi"}}], "usage": USAGE}, (9, 5, None, 4)),
    ("openai-chat", {"model": "m", "choices": [{"message": {"content": "hi"}}]}, (None, None, None, None)),
    ("openai-embeddings", {"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}, (3, None, None, 0)),
    # Anthropic's input_tokens are what was neither read from nor written to the cache: 10 + 200 + 30.
    (
        "anthropic-messages",
        {"model": "m", "content": [{"type": "text", "text": "hi"}],
         "usage": {"input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30, "output_tokens": 4}},
        (240, 200, 30, 4),
    ),
    ("cloudflare-ai", {"success": True, "errors": [], "result": {"response": "hi", "usage": USAGE}}, (9, 5, None, 4)),
    ("cloudflare-ai", {"success": True, "errors": [], "result": {"shape": [1, 768], "data": [[0.1]]}}, (None, None, None, 0)),
]  # fmt: skip
STREAMS: list[tuple[str, list[object], int, tuple[int | None, ...]]] = [
    (
        "openai-chat",
        [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}, {"choices": [{"delta": {"content": "hi"}}]},
         {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]},
         {"choices": [], "usage": USAGE}],
        2,
        (9, 5, None, 4),
    ),
    (
        "anthropic-messages",
        [{"type": "message_start",
          "message": {"model": "m", "usage": {"input_tokens": 10, "cache_read_input_tokens": 2, "output_tokens": 1}}},
         {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, {"type": "ping"},
         {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "h"}},
         {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "i"}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}, {"type": "message_stop"}],
        2,
        (12, 2, None, 7),
    ),
    (
        "cloudflare-ai",
        [{"response": "h"}, {"response": "i"}, {"response": "", "usage": USAGE}],
        2,
        (9, 5, None, 4),
    ),
]  # fmt: skip


def tokens(answer: Answer) -> tuple[int | None, ...]:
    return answer.input_tokens, answer.cached_tokens, answer.cache_write_tokens, answer.output_tokens


def test_every_dialect_is_tried_here() -> None:
    assert set(dialects()) == set(PAYLOADS)
    with pytest.raises(EdgeroiError, match="did you mean 'openai-chat'"):
        dialect("openai-chats")


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_asked(name: str, stream: bool) -> None:
    payload, path = PAYLOADS[name]
    asked = dialect(name).ask(payload, "@cf/meta/m", stream)
    assert asked.path == path
    if name != "http":
        body = json.loads(asked.body)
        assert asked.headers["content-type"] == "application/json"
        assert body.items() >= payload.items()
        assert ("stream" in body) == (stream and name != "openai-embeddings")
    # A text is asked in every dialect, and a payload's own wish is never overruled.
    of_text = dialect(name).of_text("hello", None)
    extra = {"max_tokens": 8} if name == "anthropic-messages" else {}
    assert b"hello" in dialect(name).ask({**of_text, **extra}, "m", stream).body


def test_a_payload_may_state_its_own_stream_options() -> None:
    payload = {"messages": [], "stream_options": {"include_usage": False}, "model": "other"}
    body = json.loads(dialect("openai-chat").ask(payload, "m", True).body)
    assert (body["model"], body["stream_options"]) == ("other", {"include_usage": False})


@pytest.mark.parametrize("name", ["openai-chat", "openai-embeddings", "anthropic-messages", "cloudflare-ai"])
def test_a_payload_without_its_question_is_refused(name: str) -> None:
    with pytest.raises(EdgeroiError, match="has no"):
        dialect(name).ask({"nothing": 1}, "m", False)


@pytest.mark.parametrize(("name", "body", "told"), WHOLE)
def test_tokens_of_a_whole_answer(name: str, body: object, told: tuple[int | None, ...]) -> None:
    text = json.dumps(body).encode()
    listener = dialect(name).listen(False)
    for place in range(0, len(text), 7):
        listener.hear(text[place : place + 7], place)
    answer = listener.told()
    assert (answer.error, answer.streamed, tokens(answer)) == (None, False, told)


@pytest.mark.parametrize("name", ["openai-chat", "openai-embeddings", "anthropic-messages", "cloudflare-ai"])
@pytest.mark.parametrize(
    ("body", "error"),
    [(b"{", "bad_json"), (b"[]", "bad_json"), (b"", "bad_json"), (b"{}", "no_content"), (b"[" * 100_000, "bad_json")],
)  # fmt: skip
def test_what_is_no_answer(name: str, body: bytes, error: str) -> None:
    listener = dialect(name).listen(False)
    listener.hear(body, 1)
    assert listener.told().error == error


@pytest.mark.parametrize(("name", "events", "contents", "told"), STREAMS)
@pytest.mark.parametrize("size", [1, 3, 17, 100_000])
def test_a_stream_says_the_same_however_it_is_cut(
    name: str, events: list[object], contents: int, told: tuple[int | None, ...], size: int
) -> None:
    text = b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in events) + b": keep-alive\n\ndata: [DONE]\n\n"
    listener = dialect(name).listen(True)
    for place in range(0, len(text), size):
        listener.hear(text[place : place + size], place)
    answer = listener.told()
    assert (answer.error, answer.streamed, len(answer.content_ns), tokens(answer)) == (None, True, contents, told)
    assert answer.done_ns == answer.content_ns[-1]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1), min_size=1, max_size=5),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.integers(1, 9),
)
def test_events_come_out_whole(texts: list[str], end: bytes, size: int) -> None:
    sent = b"".join(b"data: " + text.encode() + end + end for text in texts)
    reader = EventReader()
    found = [data for place in range(0, len(sent), size) for data in reader.feed(sent[place : place + size])]
    assert found == texts


def test_the_most_an_answer_can_cost_is_known_or_refused() -> None:
    limits = {
        "openai-chat": {"max_tokens": 9}, "anthropic-messages": {"max_tokens": 9}, "cloudflare-ai": {"max_tokens": 9},
    }  # fmt: skip
    assert all(dialect(name).most_output_tokens(payload) == 9 for name, payload in limits.items())
    assert dialect("openai-chat").most_output_tokens({"max_completion_tokens": 5, "max_tokens": 9}) == 5
    assert dialect("openai-chat").most_output_tokens({}) is None
    assert dialect("openai-embeddings").most_output_tokens({}) == 0
