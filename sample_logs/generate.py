"""Writes the sample logs beside it: ``python sample_logs/generate.py [FOLDER]``; the same seed gives the same bytes.

Every number is drawn here; no request, person or measurement stands behind any of them. The shapes are those real logs have
(field names and units of LiteLLM 1.109 and of the OpenTelemetry GenAI conventions), the levels are typical of the published
figures for such models. Draws go through inverse distribution functions of ``random.Random``, whose stream Python guarantees.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

HERE = Path(__file__).parent
SEED = 20261122
FIRST_DAY = datetime(2026, 10, 24, tzinfo=UTC)
Z99 = NormalDist().inv_cdf(0.99)
#: Requests by hour of the UTC day: an American and European working day.
HOUR_WEIGHTS = (4, 3, 2, 2, 2, 3, 5, 8, 11, 13, 14, 15, 16, 18, 20, 21, 21, 20, 18, 15, 12, 9, 7, 5)
WEEKEND = 0.35

Row = dict[str, Any]


def lognormal(rng: Random, p50: float, p99: float) -> float:
    """One draw of the lognormal with these quantiles."""
    z = NormalDist().inv_cdf(min(max(rng.random(), 1e-9), 1 - 1e-9))
    return p50 * (p99 / p50) ** (z / Z99)


def count(rng: Random, p50: float, p99: float, at_least: int = 1) -> int:
    """A lognormal count, rounded."""
    return max(at_least, round(lognormal(rng, p50, p99)))


def starts(rng: Random, n: int, days: int, first: datetime = FIRST_DAY) -> list[datetime]:
    """``n`` instants over ``days`` days in order, busy by day, quiet by night and at weekends."""
    dates = [first + timedelta(days=day) for day in range(days)]
    chosen = rng.choices(dates, [WEEKEND if day.weekday() >= 5 else 1.0 for day in dates], k=n)
    hours = rng.choices(range(24), HOUR_WEIGHTS, k=n)
    seconds = (timedelta(hours=hour, milliseconds=rng.randrange(3_600_000)) for hour in hours)
    return sorted(day + second for day, second in zip(chosen, seconds, strict=True))


def identifier(rng: Random, digits: int = 12) -> str:
    """Hexadecimal digits."""
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def line(row: Row) -> bytes:
    """One record as one line; absent values are left out."""
    return json.dumps({key: value for key, value in row.items() if value is not None}, separators=(",", ":")).encode() + b"\n"


def iso(at: datetime) -> str:
    """``2026-10-24T09:00:00.125Z``."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- LiteLLM ---------------------------------------------------------------------------------------------------------------

LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
LLAMA_GUARD = "meta-llama/Llama-Guard-3-8B"
BGE_BASE = "BAAI/bge-base-en-v1.5"
#: USD per token, input and output, as the gateway's own price map would have them; the sample's numbers, not a price source.
GATEWAY_RATES = {LLAMA_70B: (0.10e-6, 0.32e-6), LLAMA_GUARD: (0.055e-6, 0.055e-6), BGE_BASE: (0.005e-6, 0.0)}
TIMES = ("startTime", "endTime", "completionStartTime")
DEEPINFRA = "https://api.deepinfra.com/v1/openai"


def litellm_call(rng: Random, group: str, model: str, start: datetime, tokens: tuple[int, int], seconds: tuple[float, float | None]) -> Row:
    """One success. ``seconds``: the whole call, and the first token where the answer was streamed.

    Faithful to LiteLLM: ``completionStartTime`` of an answer not streamed is its end, and ``response_time`` of a streamed one is its TTFT.
    """
    whole, first = seconds
    begin = round(start.timestamp(), 6)
    end = round(begin + whole, 6)
    first_token = end if first is None else round(begin + first, 6)
    inputs, outputs = tokens
    rates = GATEWAY_RATES[model]
    return {
        "id": f"chatcmpl-{identifier(rng)}",
        "trace_id": identifier(rng, 16),
        "call_type": "aembedding" if model == BGE_BASE else "acompletion",
        "stream": first is not None,
        "status": "success",
        "custom_llm_provider": "deepinfra",
        "model": model,
        "model_group": group,
        "api_base": DEEPINFRA,
        "startTime": begin,
        "endTime": end,
        "completionStartTime": first_token,
        "response_time": round(first_token - begin, 6),
        "prompt_tokens": inputs,
        "completion_tokens": outputs,
        "total_tokens": inputs + outputs,
        "response_cost": round(inputs * rates[0] + outputs * rates[1], 12),
        "cache_hit": False,
        "request_tags": [],
    }


def assistant_call(rng: Random, start: datetime) -> Row:
    """A streamed chat answer: first token after 0.6 s, then about 18 ms a token."""
    tokens = count(rng, 900, 3200), count(rng, 232, 740)
    first = lognormal(rng, 0.600, 1.500)
    whole = first + tokens[1] * lognormal(rng, 0.018, 0.023)
    return litellm_call(rng, "assistant", LLAMA_70B, start, tokens, (whole, first))


def moderation_call(rng: Random, start: datetime) -> Row:
    """A short verdict on a message, not streamed."""
    tokens = count(rng, 310, 900), count(rng, 4, 9)
    return litellm_call(rng, "moderation", LLAMA_GUARD, start, tokens, (lognormal(rng, 0.240, 0.620), None))


def embedding_call(rng: Random, start: datetime) -> Row:
    """A search query embedded."""
    return litellm_call(rng, "search-embeddings", BGE_BASE, start, (count(rng, 100, 240), 0), (lognormal(rng, 0.135, 0.310), None))


def failed(rng: Random, row: Row, code: str, kind: str, seconds: float) -> Row:
    """The same call, had it failed after ``seconds``: no tokens, no cost, and its end in place of a first token."""
    end = round(row["startTime"] + seconds, 6)
    took = round(end - row["startTime"], 6)
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "response_cost": 0.0}
    times = {"endTime": end, "completionStartTime": end, "response_time": took}
    error = {"error_code": code, "error_class": kind, "llm_provider": "deepinfra"}
    return row | nothing | times | {"status": "failure", "id": identifier(rng), "error_information": error}


def from_cache(rng: Random, row: Row) -> Row:
    """The same call, had the gateway's cache answered it in a few milliseconds."""
    end = round(row["startTime"] + lognormal(rng, 0.002, 0.006), 6)
    took = round(end - row["startTime"], 6)
    return row | {"endTime": end, "completionStartTime": end, "response_time": took, "response_cost": 0.0, "cache_hit": True}


def litellm_rows(rng: Random) -> Iterator[Row]:
    """28 days of three workloads; of the assistant's calls 2 % are cache hits, 1 % refused, 0.4 % time out.

    Nobody retries for the caller here: the application asks again a second later, in a call with a trace of its own.
    """
    calls: list[tuple[Callable[[Random, datetime], Row], int]] = [(assistant_call, 720), (moderation_call, 460), (embedding_call, 320)]
    for call, n in calls:
        for start in starts(rng, n, 28):
            row, fate = call(rng, start), rng.random()
            if fate >= (0.034 if call is assistant_call else 0.004):
                yield row
            elif call is not assistant_call:
                yield failed(rng, row, "500", "InternalServerError", lognormal(rng, 0.3, 0.9))
            elif fate < 0.004:
                yield failed(rng, row, "408", "Timeout", 60.0)
            elif fate < 0.014:
                yield failed(rng, row, "429", "RateLimitError", lognormal(rng, 0.12, 0.3))
                yield call(rng, start + timedelta(seconds=1))
            else:
                yield from_cache(rng, row)


def litellm_log(rng: Random) -> Iterator[bytes]:
    """In order of their end, as a callback writes them; one record is ``null``, as a crashed callback leaves it."""
    lines = [line(row) for row in sorted(litellm_rows(rng), key=lambda row: float(row["endTime"]))]
    return iter([*lines[:700], b"null\n", *lines[700:]])


def spend_log(rng: Random) -> Iterator[bytes]:
    """The gateway's own table, dumped as CSV: zoneless UTC times, ``cache_hit`` as text, tags as JSON in a cell."""
    yield (
        b"request_id,call_type,spend,total_tokens,prompt_tokens,completion_tokens,startTime,endTime,completionStartTime,"
        b"request_duration_ms,model,model_group,custom_llm_provider,api_base,cache_hit,request_tags,status\r\n"
    )
    for start in starts(rng, 160, 10):
        call = assistant_call(rng, start)
        row, fate = call, rng.random()
        if fate < 0.02:
            row = failed(rng, call, "429", "RateLimitError", lognormal(rng, 0.12, 0.3))
        elif fate < 0.05:
            row = from_cache(rng, call)
        stamps = (datetime.fromtimestamp(row[key], UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for key in TIMES)
        cells = [row["id"] + ("_cache_hit1795" if row["cache_hit"] else ""), row["call_type"], f"{row['response_cost']:.10f}"]
        cells += [str(row[key]) for key in ("total_tokens", "prompt_tokens", "completion_tokens")] + list(stamps)
        cells += [str(round((row["endTime"] - row["startTime"]) * 1000)), row["model"], row["model_group"], "deepinfra", DEEPINFRA]
        cells += ["True" if row["cache_hit"] else "False", '"[""web""]"', row["status"]]
        yield ",".join(cells).encode() + b"\r\n"


# --- OpenTelemetry ---------------------------------------------------------------------------------------------------------


def attribute(key: str, value: str | int | float | bool) -> Row:
    """An OTLP attribute; whole numbers are text there."""
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}


def span(ids: tuple[str, str, str | None], name: str, kind: int, ns: tuple[int, int], said: Row, error: str | None = None) -> Row:
    """One span. ``ids``: trace, span, parent. ``ns``: start and end."""
    trace, own, parent = ids
    attributes = [attribute(key, value) for key, value in said.items()] + ([attribute("error.type", error)] if error else [])
    whole = {"traceId": trace, "spanId": own, "parentSpanId": parent, "name": name, "kind": kind}
    times = {"startTimeUnixNano": str(ns[0]), "endTimeUnixNano": str(ns[1])}
    return {k: v for k, v in whole.items() if v is not None} | times | {"attributes": attributes, "status": {"code": 2} if error else {}}


def exported(service: str, scope: str, spans: list[Row]) -> Row:
    """One export of one process, as a collector's file exporter writes it: one line."""
    resource = {"attributes": [attribute("service.name", service), attribute("cloud.region", "us-east-1")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": spans}]}]}


def traced_request(rng: Random, start: datetime) -> tuple[list[Row], list[Row]]:
    """The spans of one answer: what the caller's process saw, and what the model server saw of the same request.

    The streaming caller knows the first chunk but no tokens; the server knows tokens; every fifth call stands inside an agent's span.
    """
    trace, client, server = identifier(rng, 32), identifier(rng, 16), identifier(rng, 16)
    begin = int(start.timestamp() * 1000) * 1_000_000 + rng.randrange(1_000_000)
    tokens = count(rng, 700, 2400), count(rng, 180, 600)
    network = lognormal(rng, 0.018, 0.060)
    first, refused = lognormal(rng, 0.42, 1.1), rng.random() < 0.02
    served = 0.05 if refused else first + tokens[1] * lognormal(rng, 0.015, 0.02)
    end = begin + int((served + network) * 1e9)
    half = int(network * 5e8)
    model = "meta-llama/Llama-3.3-70B-Instruct"
    asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model}
    seen = asked | {"server.address": "llm.internal", "gen_ai.request.stream": True}
    counted = {"gen_ai.request.model": model, "gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]}
    if refused:
        error, counted = "503", {"gen_ai.request.model": model}
    else:
        error = None
        seen |= {"gen_ai.response.model": model, "gen_ai.response.time_to_first_chunk": round(first + network, 6)}
        counted |= {"gen_ai.latency.time_to_first_token": round(first, 6)}
    agent = identifier(rng, 16) if rng.random() < 0.2 else None
    outer = [span((trace, client, agent), f"chat {model}", 3, (begin, end), seen, error)]
    if agent:
        doing = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support"}
        outer.append(span((trace, agent, None), "invoke_agent support", 1, (begin - 1_000_000, end + 40_000_000), doing))
    return outer, [span((trace, server, client), "llm_request", 2, (begin + half, end - half), counted, error)]


def otlp_log(rng: Random) -> Iterator[bytes]:
    """200 requests in a day's worth of exports; the caller and the server export by themselves, five requests at a time."""
    traced = [traced_request(rng, start) for start in starts(rng, 200, 8, datetime(2026, 11, 9, tzinfo=UTC))]
    for at in range(0, len(traced), 5):
        batch = traced[at : at + 5]
        yield line(exported("assistant-api", "opentelemetry.instrumentation.openai_v2", [s for outer, _ in batch for s in outer]))
        yield line(exported("vllm", "vllm.llm_engine", [s for _, inner in batch for s in inner]))


# --- native ----------------------------------------------------------------------------------------------------------------


def native(rng: Random, at: datetime, workload: str, placement: str, latency_ms: float, **more: Any) -> Row:
    """A request in edgeroi's own columns."""
    named = {"timestamp": iso(at), "request_id": identifier(rng), "workload": workload, "placement": placement}
    return named | {"status": 200, "latency_ms": round(latency_ms, 1)} | more


def embedding_pairs(seed: int) -> Iterator[tuple[Row, Row]]:
    """600 queries over ten days, each sent to both places: a near but slow and uneven edge, a far but quick and steady cloud."""
    rng = Random(seed)
    for at in starts(rng, 600, 10, datetime(2026, 11, 9, tzinfo=UTC)):
        asked = {"pair_id": identifier(rng, 8), "input_tokens": count(rng, 100, 240), "output_tokens": 0}
        near, far = lognormal(rng, 12, 24), lognormal(rng, 93, 108)
        edge = native(rng, at, "search", "edge", near + lognormal(rng, 48, 240), network_ms=round(near, 1), **asked)
        cloud = native(rng, at, "search", "cloud", far + lognormal(rng, 20, 68), network_ms=round(far, 1), **asked)
        yield edge | {"model": "@cf/baai/bge-base-en-v1.5"}, cloud | {"model": BGE_BASE}


def voice_log(rng: Random) -> Iterator[bytes]:
    """A voice agent's turns in three places; first audio must come within 800 ms, which only the edge keeps at p95."""
    network = {"cloud": (182, 230), "regional": (128, 165), "edge": (12, 26)}
    for at in starts(rng, 1500, 9, datetime(2026, 11, 9, tzinfo=UTC)):
        place = rng.choice(tuple(network))
        far = lognormal(rng, *network[place])
        first, tokens = far + lognormal(rng, 560, 780), count(rng, 45, 120)
        more = {"streamed": True, "ttft_ms": round(first, 1), "network_ms": round(far, 1)}
        yield line(
            native(
                rng,
                at,
                "voice",
                place,
                first + 11 * tokens,
                **more,
                model="meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
                input_tokens=count(rng, 420, 1100),
                output_tokens=tokens,
            )
        )


def experiment_log(rng: Random) -> Iterator[bytes]:
    """160 people over six days, each sent to the edge or to the cloud for good; who asks much is slow throughout.

    Searches are a fifth quicker at the edge, chat is as it was; the edge costs half as much again.
    """
    people = [(f"u{place:03d}", rng.choice(("cloud", "edge")), lognormal(rng, 1.0, 1.5)) for place in range(160)]
    spent = {"search": (90, 210, 40, 120), "chat": (300, 900, 400, 1500)}
    for at in starts(rng, 1200, 6, datetime(2026, 11, 9, tzinfo=UTC)):
        person, arm, slow = people[int(160 * rng.random() ** 1.3)]
        workload = rng.choice(("search", "chat"))
        p50, p99, tokens, most = spent[workload]
        took = slow * lognormal(rng, p50, p99) * (0.8 if (arm, workload) == ("edge", "search") else 1.0)
        cost = round(lognormal(rng, 2e-5, 4e-5) * (1.5 if arm == "edge" else 1.0), 8)
        row = {"timestamp": iso(at), "workload": workload, "placement": arm, "user_id": person, "status": 200}
        row |= {"latency_ms": round(took, 1), "input_tokens": count(rng, tokens, most), "cost_usd": cost}
        yield line(row if rng.random() > 0.004 else row | {"status": 503, "latency_ms": 30000.0})


def rag_log(rng: Random) -> Iterator[bytes]:
    """Answers over retrieved passages, from the client: a long input, a first token after a second, the store in the region."""
    for at in starts(rng, 500, 14, datetime(2026, 11, 7, tzinfo=UTC)):
        far = lognormal(rng, 48, 95)
        first, tokens = far + lognormal(rng, 980, 2300), count(rng, 260, 720)
        spent = {"model": LLAMA_70B, "input_tokens": count(rng, 3600, 7800), "output_tokens": tokens}
        times = {"streamed": True, "ttft_ms": round(first, 1), "network_ms": round(far, 1)}
        if rng.random() < 0.006:
            yield line(native(rng, at, "rag", "cloud", 30000, model=LLAMA_70B, error="timeout") | {"status": 504})
        else:
            yield line(native(rng, at, "rag", "cloud", first + tokens * lognormal(rng, 17, 22), **times, **spent))


def batch_log(rng: Random) -> Iterator[bytes]:
    """Tickets summarised between one and three at night; nobody waits for any of them."""
    for night in range(28):
        begin = FIRST_DAY + timedelta(days=night, hours=1)
        for offset in sorted(rng.randrange(7_200_000) for _ in range(18)):
            tokens = count(rng, 2900, 9000), count(rng, 380, 800)
            spent = {"model": LLAMA_70B, "service_tier": "batch", "input_tokens": tokens[0], "output_tokens": tokens[1]}
            took = 900 + tokens[1] * lognormal(rng, 24, 60)
            yield line(native(rng, begin + timedelta(milliseconds=offset), "nightly-summaries", "cloud", took, **spent))


def dirty_log(rng: Random) -> Iterator[bytes]:
    """600 classifications, eight of them spoilt, two lines blank, and the writer killed in the middle of the last."""
    clean = [
        native(
            rng,
            at,
            "classification",
            "cloud",
            lognormal(rng, 85, 260),
            model="distilbert",
            input_tokens=count(rng, 60, 200),
            output_tokens=1,
        )
        for at in starts(rng, 600, 8, datetime(2026, 11, 9, tzinfo=UTC))
    ]
    for n, row in enumerate(clean, start=1):
        yield SPOILT[n](row) if n in SPOILT else line(row)
    yield line(clean[-1])[:97]


SPOILT: dict[int, Callable[[Row], bytes]] = {
    70: lambda row: b"{'latency_ms': 88.1, 'status': 200}\n",
    140: lambda row: b"null\n",
    180: lambda row: b"\n",
    210: lambda row: line({key: value for key, value in row.items() if key != "latency_ms"}),
    280: lambda row: line(row | {"latency_ms": str(row["latency_ms"])}),
    350: lambda row: line(row | {"latency_ms": -row["latency_ms"]}),
    400: lambda row: b"\r\n",
    420: lambda row: line(row | {"timestamp": "yesterday"}),
    490: lambda row: line(row)[:-2] + b',"latency_ms":1.5}\n',
    560: lambda row: line(row).replace(b"distilbert", b"distil\xffbert"),
}

# ---------------------------------------------------------------------------------------------------------------------------


def packed(lines: Iterable[bytes]) -> bytes:
    """Gzipped, without the time of day."""
    return gzip.compress(b"".join(lines), compresslevel=9, mtime=0)


def routed_rows(rng: Random, log: Callable[..., Iterator[Row]]) -> Iterator[Row]:
    """480 questions over twelve days, each asked of both models."""
    return log(rng, starts(rng, 480, 12, datetime(2026, 11, 9, tzinfo=UTC)), lognormal)


def sample_logs() -> dict[str, bytes]:
    """Every file's name and content; each draws from a stream of its own, so that one can change without the others."""
    sys.path.insert(0, str(HERE))
    from generate_access import access_logs
    from generate_gateways import gateway_logs
    from generate_routes import routed_log
    from generate_spend import month_and_a_half
    from generate_tools import tool_logs

    return (
        gateway_logs(SEED)
        | access_logs(SEED + 100)
        | tool_logs()
        | {
            "gateway.litellm.jsonl": b"".join(litellm_log(Random(SEED + 1))),
            "spendlogs.litellm.csv": b"".join(spend_log(Random(SEED + 2))),
            "spans.otlp.jsonl.gz": packed(otlp_log(Random(SEED + 3))),
            "embedding-edge.jsonl": b"".join(line(edge) for edge, _ in embedding_pairs(SEED + 4)),
            "embedding-cloud.jsonl": b"".join(line(cloud) for _, cloud in embedding_pairs(SEED + 4)),
            "voice.jsonl.gz": packed(voice_log(Random(SEED + 5))),
            "rag.jsonl.gz": packed(rag_log(Random(SEED + 6))),
            "nightly-summaries.jsonl.gz": packed(batch_log(Random(SEED + 7))),
            "dirty.jsonl": b"".join(dirty_log(Random(SEED + 8))),
            "spend.jsonl.gz": month_and_a_half(Random(SEED + 9)),
            "routed.jsonl.gz": packed(line(row) for row in routed_rows(Random(SEED + 9), routed_log)),
            "experiment.jsonl.gz": packed(experiment_log(Random(SEED + 9))),
        }
    )


def sample_bills() -> dict[str, bytes]:
    """What is no log: the bills beside them, in a folder of their own."""
    from generate_spend import focus_bill

    return {"bills/november.focus.csv": focus_bill(Random(SEED + 9))}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    (folder / "bills").mkdir(exist_ok=True)
    for name, content in (sample_logs() | sample_bills()).items():
        (folder / name).write_bytes(content)
