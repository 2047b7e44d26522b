"""The samples of gateways and observability tools, drawn as ``generate.py`` draws the others, which calls this.

Field names, units and habits are those of the real formats: times without a zone where the tool writes none, a first token that is an
instant, counts as text, a cost of 0 for a model without a price. The numbers are drawn; nobody's request stands behind them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from generate import assistant_call, count, failed, identifier, iso, line, lognormal, starts, traced_request

Row = dict[str, Any]

FIRST_DAY = datetime(2026, 11, 9, tzinfo=UTC)
LLAMA_EDGE = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def uuid(rng: Random) -> str:
    """An identifier in the shape of a UUID."""
    digits = identifier(rng, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def after(start: datetime, seconds: float) -> datetime:
    """The instant so many seconds later."""
    return start + timedelta(seconds=seconds)


# --- LiteLLM ---------------------------------------------------------------------------------------------------------------


def attempts(rng: Random, start: datetime, fate: float) -> Iterator[Row]:
    """The rows of one request through the router: an answer, a retry after a refusal, a fallback after a time-out, or three failures."""
    trace, refusals = identifier(rng, 16), 0 if fate < 0.7 else 3 if fate >= 0.97 else 1
    timed_out = 0.85 <= fate < 0.97
    for _ in range(refusals):
        took = 20.0 if timed_out else lognormal(rng, 0.12, 0.3)
        code = ("408", "Timeout") if timed_out else ("429", "RateLimitError")
        yield failed(rng, assistant_call(rng, start), *code, took) | {"trace_id": trace}
        start += timedelta(seconds=took + lognormal(rng, 0.5, 2.0))
    if refusals < 3:
        moved = {"model": LLAMA_EDGE, "model_group": "assistant-fallback", "custom_llm_provider": "cloudflare"} if timed_out else {}
        yield assistant_call(rng, start) | {"trace_id": trace} | moved


def retried_log(rng: Random) -> Iterator[bytes]:
    """30 requests, in order of their end; the last trace holds two calls of an agent, one after the other."""
    rows: list[Row] = []
    for place, start in enumerate(starts(rng, 28, 5, FIRST_DAY)):
        rows += attempts(rng, start, (place * 0.618) % 1)
    first = assistant_call(rng, FIRST_DAY + timedelta(days=5, hours=9))
    second = assistant_call(rng, FIRST_DAY + timedelta(days=5, hours=9, minutes=1)) | {"trace_id": first["trace_id"]}
    return (line(row) for row in sorted([*rows, first, second], key=lambda row: float(row["endTime"])))


# --- OpenTelemetry ---------------------------------------------------------------------------------------------------------


def bare_spans(rng: Random) -> bytes:
    """The spans of 14 requests in one array, without their resources: callers' and servers', and the agents' around some."""
    traced = [traced_request(rng, start) for start in starts(rng, 14, 3, FIRST_DAY)]
    spans = [one for outer, inner in traced for one in (*inner, *outer)]
    return b"[\n" + b",\n".join(json.dumps(one, separators=(",", ":")).encode() for one in spans) + b"\n]\n"


# --- Langfuse --------------------------------------------------------------------------------------------------------------


def observation(rng: Random, start: datetime) -> Row:
    """A generation as the API tells it: streamed or not, priced or not, now and then failed.

    Cached tokens stand beside ``input``, as every part of the usage has its own price.
    """
    streamed, fate = rng.random() < 0.7, rng.random()
    asked, cached, wrote = count(rng, 700, 2400), rng.choice((0, 0, 512)), count(rng, 150, 600)
    first = lognormal(rng, 0.55, 1.6)
    whole = first + wrote * lognormal(rng, 0.014, 0.02)
    failed = fate < 0.05
    priced = not failed and fate < 0.8
    cost = {"input": round(asked * 1.5e-7, 9), "output": round(wrote * 6e-7, 9)}
    told = {"input": asked, "output": wrote, **({"input_cached_tokens": cached} if cached else {}), "total": asked + cached + wrote}
    seconds = round(lognormal(rng, 0.2, 0.6), 3) if failed else round(whole, 3)
    begun = streamed and not failed
    return {
        "id": identifier(rng, 16), "traceId": identifier(rng, 32), "type": "GENERATION", "name": rng.choice(("answer", "rewrite-query")),
        "startTime": iso(start), "endTime": iso(after(start, seconds)),
        "completionStartTime": iso(after(start, first)) if begun else None,
        "model": "gpt-4o-mini" if priced or failed else "llama-3.3-70b-local", "level": "ERROR" if failed else "DEFAULT",
        "latency": seconds, "timeToFirstToken": round(first, 3) if begun else None,
        "usageDetails": {} if failed else told,
        "costDetails": {**cost, "total": round(sum(cost.values()), 9)} if priced else {},
        "calculatedTotalCost": round(sum(cost.values()), 9) if priced else 0,
    }  # fmt: skip


def around(rng: Random, generation: Row) -> Row:
    """The span of an agent around a generation: no call of a model, and longer than it."""
    said = {"id": identifier(rng, 16), "traceId": generation["traceId"], "type": "AGENT", "name": "support-agent"}
    times = {key: generation[key] for key in ("startTime", "endTime", "latency")}
    return said | times | {"completionStartTime": None, "model": None, "level": "DEFAULT", "usageDetails": {}, "costDetails": {}}


def langfuse_pages(rng: Random) -> bytes:
    """Two pages of the API, one behind the other as two calls of curl leave them; the second is pretty-printed."""
    told: list[Row] = []
    for start in starts(rng, 36, 6, FIRST_DAY):
        generation = observation(rng, start)
        told += [around(rng, generation), generation] if rng.random() < 0.2 else [generation]
    pages = [
        {"data": part, "meta": {"page": page, "limit": 30, "totalItems": len(told), "totalPages": 2}}
        for page, part in enumerate((told[:30], told[30:]), 1)
    ]
    return (json.dumps(pages[0], separators=(",", ":")) + "\n" + json.dumps(pages[1], indent=1) + "\n").encode()


def langfuse_export(rng: Random) -> Iterator[bytes]:
    """The same kind of observations as the blob storage export writes them to CSV: UTC without a zone, objects as JSON text."""
    columns = ("id", "trace_id", "type", "name", "start_time", "end_time", "completion_start_time", "level", "provided_model_name",
               "usage_details", "total_cost")  # fmt: skip
    yield ",".join(columns).encode() + b"\n"
    for start in starts(rng, 60, 10, FIRST_DAY):
        told = observation(rng, start)
        times = [zoneless(told[key]) for key in ("startTime", "endTime", "completionStartTime")]
        usage = json.dumps({key: str(value) for key, value in told["usageDetails"].items()})
        cells = [told["id"], told["traceId"], told["type"], told["name"], *times, told["level"], told["model"], usage]
        quoted = ['"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in cells]
        yield ",".join([*quoted, f"{told['calculatedTotalCost']:.9f}"]).encode() + b"\n"


def zoneless(stamp: str | None) -> str:
    """``2026-11-09 08:00:00.125000``, UTC all the same; nothing for nothing."""
    return stamp.replace("T", " ").replace("Z", "000") if stamp else ""


# --- Cloudflare AI Gateway ---------------------------------------------------------------------------------------------------


def gateway_log(rng: Random, start: datetime) -> Row:
    """A request through the gateway: to a model at the edge or to a central one, now and then from the cache, limited or timed out."""
    edge, fate = rng.random() < 0.4, rng.random()
    cached, limited, stopped = fate < 0.06, 0.06 <= fate < 0.10, 0.10 <= fate < 0.12
    tokens = count(rng, 500, 1800), count(rng, 120, 480)
    duration = lognormal(rng, 2100, 5200) if edge else lognormal(rng, 2900, 8800)
    failed = limited or stopped
    return {
        "id": "01K" + identifier(rng, 23).upper(), "created_at": iso(start),
        "cached": cached, "duration": round(lognormal(rng, 4, 15)) if cached else 60_000 if stopped else 0 if limited else round(duration),
        "provider": "workers-ai" if edge else "openai", "model": LLAMA_EDGE if edge else "gpt-4o-mini",
        "path": f"run/{LLAMA_EDGE}" if edge else "chat/completions", "request_type": "chat",
        "success": not failed, "status_code": 429 if limited else 504 if stopped else 200, "step": 0,
        "tokens_in": None if failed else tokens[0], "tokens_out": None if failed else tokens[1],
        "cost": 0 if edge or failed or cached else round(tokens[0] * 1.5e-7 + tokens[1] * 6e-7, 9), "custom_cost": False,
        "metadata": json.dumps({"team": rng.choice(("support", "search"))}), "response_content_type": "text/event-stream",
    }  # fmt: skip


def gateway_page(rng: Random) -> bytes:
    """One page of the log API, newest first."""
    logs = [gateway_log(rng, start) for start in reversed(starts(rng, 50, 7, FIRST_DAY))]
    about = {"page": 1, "per_page": 50, "count": len(logs), "total_count": len(logs)}
    return json.dumps({"result": logs, "result_info": about, "success": True}, separators=(",", ":")).encode() + b"\n"


# --- Helicone --------------------------------------------------------------------------------------------------------------


def helicone_request(rng: Random, start: datetime) -> Row:
    """A request as the export tells it: streamed or not, cached tokens beside the prompt's, failures below zero for what is no HTTP."""
    fate, streamed = rng.random(), rng.random() < 0.6
    status = 429 if fate < 0.04 else -3 if fate < 0.06 else -2 if fate < 0.08 else 200
    tokens, read = (count(rng, 640, 2200), count(rng, 170, 520)), rng.choice((0, 0, 1024))
    first = lognormal(rng, 480, 1500)
    whole = round(first + tokens[1] * lognormal(rng, 13, 19)) if status == 200 else round(lognormal(rng, 180, 700))
    good = status == 200
    return {
        "request_id": uuid(rng), "request_created_at": iso(start),
        "response_created_at": None if status == -2 else iso(after(start, whole / 1000)),
        "request_path": "https://api.anthropic.com/v1/messages", "request_model": "claude-3-5-haiku-latest",
        "response_model": "claude-3-5-haiku-20241022" if good else None, "provider": "ANTHROPIC", "response_status": status,
        "delay_ms": None if status == -2 or fate > 0.97 else whole, "time_to_first_token": round(first) if good and streamed else None,
        "prompt_tokens": tokens[0] if good else 0, "completion_tokens": tokens[1] if good else 0,
        "prompt_cache_read_tokens": read if good else 0, "prompt_cache_write_tokens": 0,
        "cost": round(tokens[0] * 8e-7 + read * 8e-8 + tokens[1] * 4e-6, 9) if good else 0, "request_properties": {"app": "desk"},
    }  # fmt: skip


def helicone_log(rng: Random) -> Iterator[bytes]:
    """45 requests, one a line; nulls are written, as the export writes them."""
    for start in starts(rng, 45, 7, FIRST_DAY):
        yield json.dumps(helicone_request(rng, start), separators=(",", ":")).encode() + b"\n"


# --- Bedrock ---------------------------------------------------------------------------------------------------------------


def invocation(rng: Random, start: datetime) -> Row:
    """One invocation: a stream whose last event tells its metrics, a Converse, or now and then a throttled call without a body."""
    fate, tokens = rng.random(), (count(rng, 800, 2600), count(rng, 180, 560))
    first = round(lognormal(rng, 420, 1300))
    whole = first + round(tokens[1] * lognormal(rng, 12, 18))
    operation = "InvokeModelWithResponseStream" if fate < 0.6 else "Converse"
    counts = {"inputTokenCount": tokens[0], "outputTokenCount": tokens[1]}
    metrics = {**counts, "invocationLatency": whole, "firstByteLatency": first}
    streamed = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "..."}},
                {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}]  # fmt: skip
    answered = {"output": {"message": {"role": "assistant", "content": [{"text": "..."}]}}, "metrics": {"latencyMs": whole}}
    body = {"outputContentType": "application/json", "outputBodyJson": streamed if fate < 0.6 else answered, "outputTokenCount": tokens[1]}
    row = {
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "accountId": "111111111111", "identity": {"arn": "arn:aws:iam::111111111111:role/desk"}, "region": "us-east-1",
        "requestId": uuid(rng), "operation": operation, "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
    }  # fmt: skip
    if rng.random() < 0.06:
        return row | {"errorCode": "ThrottlingException", "input": {"inputContentType": "application/json"}}
    return row | {"input": {"inputContentType": "application/json", "inputTokenCount": tokens[0]}, "output": body}


def bedrock_log(rng: Random) -> Iterator[bytes]:
    """30 invocations, one a line as S3 keeps them."""
    return (line(invocation(rng, start)) for start in starts(rng, 30, 5, FIRST_DAY))


# --- usage objects ---------------------------------------------------------------------------------------------------------


def usage_call(rng: Random, start: datetime) -> Row:
    """An application's own record: the usage object as the provider sent it, beside a duration in ms.

    OpenAI counts cached tokens inside its input, Anthropic outside.
    """
    asked, wrote, cached = count(rng, 1100, 3600), count(rng, 140, 480), rng.choice((0, 0, 1024))
    shape, failed = rng.choice(("chat", "responses", "messages")), rng.random() < 0.04
    asked += cached
    usages: dict[str, Row] = {
        "chat": {"prompt_tokens": asked, "completion_tokens": wrote, "total_tokens": asked + wrote,
                 "prompt_tokens_details": {"cached_tokens": cached}},
        "responses": {"input_tokens": asked, "output_tokens": wrote, "total_tokens": asked + wrote,
                      "input_tokens_details": {"cached_tokens": cached}, "output_tokens_details": {"reasoning_tokens": wrote // 3}},
        "messages": {"input_tokens": asked - cached, "output_tokens": wrote, "cache_read_input_tokens": cached,
                     "cache_creation_input_tokens": 0},
    }  # fmt: skip
    duration = lognormal(rng, 250, 900) if failed else lognormal(rng, 600, 1500) + wrote * lognormal(rng, 14, 19)
    return {
        "timestamp": iso(start), "operation": rng.choice(("draft", "classify")),
        "provider": "anthropic" if shape == "messages" else "openai",
        "model": "claude-3-5-haiku-20241022" if shape == "messages" else "gpt-4o-mini", "status_code": 529 if failed else 200,
        "duration_ms": round(duration, 1), "ttft_ms": None if failed or shape != "chat" else round(lognormal(rng, 400, 560), 1),
        "usage": {"prompt_tokens": 0, "completion_tokens": 0} if failed else usages[shape],
    }  # fmt: skip


def usage_log(rng: Random) -> Iterator[bytes]:
    """60 calls, one a line."""
    return (line(usage_call(rng, start)) for start in starts(rng, 60, 9, FIRST_DAY))


def gateway_logs(seed: int) -> dict[str, bytes]:
    """Every file's name and content, each from a stream of its own."""
    return {
        "retries.litellm.jsonl": b"".join(retried_log(Random(seed + 107))),
        "trace.otlp.json": bare_spans(Random(seed + 108)),
        "pages.langfuse.json": langfuse_pages(Random(seed + 101)),
        "export.langfuse.csv": b"".join(langfuse_export(Random(seed + 102))),
        "page.cloudflare-ai-gateway.json": gateway_page(Random(seed + 103)),
        "requests.helicone.jsonl.gz": gzip.compress(b"".join(helicone_log(Random(seed + 104))), 9, mtime=0),
        "invocations.bedrock.jsonl": b"".join(bedrock_log(Random(seed + 105))),
        "calls.usage.jsonl": b"".join(usage_log(Random(seed + 106))),
    }
