"""OpenTelemetry GenAI spans in canonical columns, and which of them are one request.

The conventions are still in development, so every generation of names is accepted, oldest last. What the spans hide:

- Only chat, generate_content, text_completion and embeddings spans are requests; agent, tool and workflow spans contain them.
- The spans of a client, of a library around it and of the server behind it tell of the same request: the outermost one is
  counted, as it is the longest and the nearest to a user, and takes from the inner ones the tokens and names it lacks, never a time.
- Times are decimal text in ns and stay integers: as doubles they would be off by up to 128 ns.
- The provider's name is the dialect spoken; where the server's address says otherwise, the address is the provider.
- The region is the server's: one the span itself names, or that of a server span's resource. A client's resource tells where
  the caller ran.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from edgeroi.logs.litellm_calls import at_edge
from edgeroi.logs.record import Bad

#: gen_ai.operation.name and its older spellings -> whether a model answers; the rest of the convention's operations contain these.
REQUEST_OPERATIONS: Final = frozenset(
    ("chat", "generate_content", "text_completion", "embeddings", "completion", "text.completion", "embedding", "llm")
)
OPERATION: Final = ("gen_ai.operation.name", "llm.request.type", "openinference.span.kind", "gen_ai.span.kind")
_OUTER_KIND: Final = ("traceloop.span.kind", "gen_ai.agent.name", "gen_ai.tool.name")
_SIGNS: Final = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.latency.time_to_first_token", "gen_ai.usage.prompt_tokens")
#: Where each column is looked for, the current name first.
ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "llm.token_count.prompt"),
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens", "llm.token_count.completion",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "cost_usd": ("gen_ai.usage.cost", "operation.cost", "llm.cost.total"),
    "service_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier", "gen_ai.openai.request.service_tier"),
    "session_id": ("gen_ai.conversation.id", "session.id"),
    "user_id": ("user.id", "enduser.id"),
    "region": ("cloud.region", "aws.region"),
}  # fmt: skip
#: Seconds, all of them.
TTFT_S: Final = (
    "gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token", "gen_ai.server.time_to_first_token",
    "gen_ai.latency.time_to_first_token", "llm.time_to_first_token",
)  # fmt: skip
CHUNK_EVENTS: Final = frozenset(
    ("gen_ai.content.completion.chunk", "llm.content.completion.chunk", "First Token Stream Event", "ai.stream.firstChunk")
)
STREAMED: Final = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
_DIALECT: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_ADDRESS: Final = ("server.address", "gen_ai.openai.api_base", "llm.openai.api_base")
#: Dialects that others speak too, and the host under which the one who invented it answers.
_HOME: Final = {"openai": "openai.com", "anthropic": "anthropic.com"}
_EDGE_HOST: Final = "api.cloudflare.com"
_ERROR: Final = ("error.type",)
_HTTP_STATUS: Final = ("http.response.status_code", "http.status_code")
_WORKLOAD: Final = ("edgeroi.workload", "gen_ai.workflow.name", "traceloop.workflow.name")
SERVER_KINDS: Final = (2, "SPAN_KIND_SERVER")
_ERROR_CODES: Final = (2, "STATUS_CODE_ERROR")
#: The columns that are numbers, and the attributes that decide each of the others.
COUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "cost_usd")
WORDS: Final[Mapping[str, tuple[str, ...]]] = {column: names for column, names in ATTRIBUTES.items() if column not in COUNTS} | {
    "provider": (*_DIALECT, *_ADDRESS),
    "placement": (*_DIALECT, *_ADDRESS, *ATTRIBUTES["model"]),
    "workload": _WORKLOAD,
    "error": _ERROR,
    "status": (*_ERROR, *_HTTP_STATUS),
}
#: What an outer span takes from an inner one where it lacks it.
BORROWED: Final = ("model", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "cost_usd", "service_tier", "region")


#: The trace's and the span's id.
SpanKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """One span: ``key`` and ``parent``, and ``values`` in canonical columns if it is a request, ``None`` if not.

    ``contains``: an agent, tool or workflow, which holds requests of its own. ``served``: measured by a server.
    ``line``: where it stands; ``raw``: its names, no content.
    """

    key: SpanKey
    parent: SpanKey | None
    values: Mapping[str, object] | Bad | None
    contains: bool = False
    served: bool = False
    line: int = 0
    raw: bytes = b""
    attributes: Mapping[str, object] = field(default_factory=dict)


def span_of(span: Mapping[str, object], resource: Mapping[str, object], line: int = 0, kept: Iterable[str] = ()) -> Span:
    """A span of an OTLP-JSON document; of its attributes only those ``kept``, as prompts may be among them."""
    attributes = attributes_of(span.get("attributes"))
    trace, here, parent = (str(span.get(name) or "") for name in ("traceId", "spanId", "parentSpanId"))
    operation = _operation(attributes)
    request = is_request(operation, attributes)
    values = _canonical(span, attributes, resource, operation) if request else None
    raw = f"span {here} {span.get('name')}".encode(errors="replace")
    contains = not request and contains_requests(operation, attributes)
    told = {name: attributes.get(name, resource.get(name)) for name in kept} if request else {}
    return Span((trace, here), (trace, parent) if parent else None, values, contains, span.get("kind") in SERVER_KINDS, line, raw, told)


def attributes_of(listed: object) -> dict[str, object]:
    """OTLP's list of ``{key, value: {stringValue | intValue | ...}}`` as names and values; whole numbers come as text and become ints.

    Also plain names and values, as exporters of bare spans write them.
    """
    if isinstance(listed, dict):
        return listed
    pairs = listed if isinstance(listed, list) else []
    return {pair["key"]: value_of(pair.get("value")) for pair in pairs if isinstance(pair, dict) and isinstance(pair.get("key"), str)}


def value_of(typed: object) -> object:
    """The value of an attribute."""
    if not isinstance(typed, dict) or not typed:
        return None
    kind, value = next(iter(typed.items()))
    if kind == "intValue" and isinstance(value, str):
        return int(value) if value.lstrip("-").isdecimal() and len(value) < 21 else value
    return value


def _first(attributes: Mapping[str, object], names: Iterable[str]) -> object:
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _operation(attributes: Mapping[str, object]) -> str | None:
    said = _first(attributes, OPERATION)
    return said.lower() if isinstance(said, str) else None


def is_request(operation: str | None, attributes: Container[str]) -> bool:
    """By the operation; a span without one is a request if it names a model or its tokens and is no agent, tool or workflow."""
    if operation is not None:
        return operation in REQUEST_OPERATIONS
    return any(name in attributes for name in _SIGNS) and not any(name in attributes for name in _OUTER_KIND)


def contains_requests(operation: str | None, attributes: Container[str]) -> bool:
    """Whether a span that is no request is an agent, tool or workflow, by its operation and the names of its attributes."""
    return operation is not None or any(name in attributes for name in _OUTER_KIND)


def _canonical(
    span: Mapping[str, object], attributes: Mapping[str, object], resource: Mapping[str, object], operation: str | None
) -> dict[str, object] | Bad:
    start, end = (_instant(span.get(name), name) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    if isinstance(start, Bad):
        return start
    if isinstance(end, Bad):
        return end
    counts = {column: _first(attributes, ATTRIBUTES[column]) for column in COUNTS}
    labels = labels_of(attributes, resource, operation, served=span.get("kind") in SERVER_KINDS)
    return counts | labels | _timing(span, attributes, start, end) | failure_of(span.get("status"), attributes) | {
        "timestamp": start,
        "request_id": span.get("spanId"),
        "cost_usd": counts["cost_usd"] or None,
    }  # fmt: skip


def labels_of(
    attributes: Mapping[str, object], resource: Mapping[str, object], operation: str | None, *, served: bool
) -> dict[str, object]:
    """What a request is told apart by; the attributes that decide it are in ``WORDS``."""
    told = {column: _first(attributes, names) for column, names in ATTRIBUTES.items() if column not in COUNTS}
    if told["region"] is None and served:
        told["region"] = resource.get("cloud.region")
    provider = _provider(attributes)
    return told | {
        "provider": provider,
        "workload": _workload(attributes, resource, operation),
        "placement": "edge" if at_edge(provider, told["model"]) or _host(attributes) == _EDGE_HOST else None,
    }


def _instant(value: object, name: str) -> int | Bad:
    """Nanoseconds, from decimal text or a whole number; exact."""
    if value is None:
        return Bad("missing_field", f"{name} is missing")
    if type(value) is int or (isinstance(value, str) and value.isdecimal() and len(value) < 20):
        at = int(value)
        return at if at > 0 else Bad("bad_timestamp", f"{name} is 0: the span has none")
    return Bad("bad_timestamp", f"{name} is not a whole number of ns")


def _timing(span: Mapping[str, object], attributes: Mapping[str, object], start: int, end: int) -> dict[str, object]:
    latency_ms = (end - start) / 1e6
    said_s, streamed = _first(attributes, TTFT_S), _first(attributes, STREAMED)
    return {"latency_ms": latency_ms, **first_token_of(span.get("events"), said_s, streamed, start, latency_ms)}


def first_token_of(events: object, said_s: object, streamed: object, start: int, latency_ms: float) -> dict[str, object]:
    """The time to the first token, said in seconds or told by an event, if it came before the end; and whether it was streamed."""
    chunk = _first_chunk(events)
    ttft_ms = said_s * 1e3 if type(said_s) in (int, float) else said_s  # type: ignore[operator]
    if ttft_ms is None and chunk is not None:
        ttft_ms = (chunk - start) / 1e6
    if type(ttft_ms) in (int, float) and ttft_ms >= latency_ms:  # type: ignore[operator]
        ttft_ms = None
    return {"ttft_ms": ttft_ms, "streamed": True if streamed is None and chunk is not None else streamed}


def _first_chunk(events: object) -> int | None:
    listed = events if isinstance(events, list) else []
    named = [event for event in listed if isinstance(event, dict) and str(event.get("name")) in CHUNK_EVENTS]
    instants = [_instant(event.get("timeUnixNano"), "timeUnixNano") for event in named]
    return min((at for at in instants if isinstance(at, int)), default=None)


def failure_of(status: object, attributes: Mapping[str, object]) -> dict[str, object]:
    """Whether it failed, by its error, else by the span's status, and the HTTP status where there is one."""
    failed = isinstance(status, dict) and status.get("code") in _ERROR_CODES
    error = _first(attributes, _ERROR) or ("error" if failed else None)
    code = _first(attributes, _HTTP_STATUS)
    return {"error": error, "status": code if code is not None else "error" if error else "ok"}


def _host(attributes: Mapping[str, object]) -> str | None:
    said = _first(attributes, _ADDRESS)
    if not isinstance(said, str):
        return None
    try:
        return urlsplit(said).hostname if "//" in said else said
    except ValueError:  # brackets that hold no IPv6 address
        return None


def _provider(attributes: Mapping[str, object]) -> object:
    """The dialect, unless it is one that others speak and the address is not its inventor's."""
    dialect, host = _first(attributes, _DIALECT), _host(attributes)
    home = _HOME.get(dialect) if isinstance(dialect, str) else None
    if host is None:
        return dialect
    at_home = home is not None and (host == home or host.endswith("." + home))
    return host if dialect is None or (home is not None and not at_home) else dialect


def _workload(attributes: Mapping[str, object], resource: Mapping[str, object], operation: str | None) -> object:
    """``edgeroi.workload``, else the workflow's name, else service/operation: chat and embeddings of one service are not one workload."""
    said = _first({**resource, **attributes}, _WORKLOAD)
    if said is not None:
        return said
    service = resource.get("service.name")
    known = isinstance(service, str) and service and not service.startswith("unknown_service")
    return "/".join(part for part in (service if known else None, operation) if isinstance(part, str)) or None
