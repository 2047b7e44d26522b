"""The samples of load tools and benchmarks, drawn as ``generate.py`` draws the others; it writes these too.

Shapes: k6 1.1 and Locust 2.47 as they wrote them on a server of our own, the others from the tools' sources. Each file is small, and
holds what its format is known to hide: failures with 0 or without a duration, other records, warm-ups.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from generate import FIRST_DAY, SEED, Row, count, lognormal, packed

#: When the load tests ran.
RUN = FIRST_DAY + timedelta(days=20, hours=9)
CHAT, EMBED = "https://llm.example/v1/chat/completions", "https://llm.example/v1/embeddings"


def compact(row: Row) -> bytes:
    """One record as one line."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def arrivals(rng: Random, n: int, seconds: float) -> list[float]:
    """``n`` instants of a run in order, seconds from its start."""
    return sorted(rng.random() * seconds for _ in range(n))


def rfc3339_ns(at: datetime, ns: int) -> str:
    """Nanoseconds behind a whole second, without trailing zeros, as Go writes them."""
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns:09d}".rstrip("0").rstrip(".") + "Z"


# --- k6 --------------------------------------------------------------------------------------------------------------------

K6_TRENDS = ("http_req_duration", "http_req_blocked", "http_req_connecting", "http_req_tls_handshaking")
K6_METRICS = ("http_reqs", *K6_TRENDS, "http_req_sending", "http_req_waiting", "http_req_receiving", "http_req_failed")


def k6_point(metric: str, time: str, value: float, tags: Row) -> bytes:
    """One line of ``--out json``."""
    return compact({"metric": metric, "type": "Point", "data": {"time": time, "value": value, "tags": tags}})


def k6_request(rng: Random, end_s: float, url: str) -> Iterator[bytes]:
    """The nine points of one request, which ended so many seconds into the run."""
    fate = rng.random()
    sending, waiting = lognormal(rng, 0.05, 0.2), lognormal(rng, 380, 980) if url == CHAT else lognormal(rng, 70, 190)
    receiving = lognormal(rng, 2600, 6100) if url == CHAT else lognormal(rng, 0.08, 0.3)
    tags: Row = {
        "expected_response": "true",
        "group": "",
        "method": "POST",
        "name": url,
        "scenario": "default",
        "status": "200",
        "url": url,
    }
    if fate < 0.02:
        sending = waiting = receiving = 0.0
        tags |= {"error": "dial: connection refused", "error_code": "1212", "expected_response": "false", "status": "0"}
    elif fate < 0.035:
        sending, waiting, receiving = 0.0, 60000.0, 0.0
        tags |= {"error": "request timeout", "error_code": "1050", "expected_response": "false", "status": "0"}
    elif fate < 0.06:
        waiting, receiving = lognormal(rng, 12, 40), 0.05
        tags |= {"error_code": "1503", "expected_response": "false", "status": "503"}
    elif fate < 0.07:
        waiting, receiving = lognormal(rng, 15, 30), 0.05
        tags |= {"status": "404"}  # the script asks for a model that is not there, and expects this answer
    sending, waiting, receiving = (round(part, 6) for part in (sending, waiting, receiving))
    ns = round(end_s * 1e9)
    time = rfc3339_ns(RUN + timedelta(seconds=ns // 10**9), ns % 10**9)
    tags = dict(sorted(tags.items()))
    trends = (round(sending + waiting + receiving, 6), 0.003, 0, 0)
    values = (1, *trends, sending, waiting, receiving, int(tags["expected_response"] == "false"))
    for metric, value in zip(K6_METRICS, values, strict=True):
        yield k6_point(metric, time, value, tags)


def k6_log(rng: Random) -> Iterator[bytes]:
    """360 requests in five minutes: half a streamed chat, half embeddings; the metrics are declared before their first point."""
    for metric in K6_METRICS:
        told = {"name": metric, "type": "trend", "contains": "time", "thresholds": [], "submetrics": None}
        yield compact({"type": "Metric", "data": told, "metric": metric})
    for number, end_s in enumerate(arrivals(rng, 360, 300)):
        yield from k6_request(rng, end_s, CHAT if number % 2 else EMBED)
        if number % 60 == 0:
            time = rfc3339_ns(RUN + timedelta(seconds=int(end_s)), 0)
            yield k6_point("vus", time, 8, {})


# --- vegeta ----------------------------------------------------------------------------------------------------------------


def vegeta_results(rng: Random) -> Iterator[Row]:
    """120 embeddings at a steady rate; a few refused (code 0, the time it took to fail), a few overloaded (503)."""
    for seq in range(120):
        ns = round((seq / 2 + 0.0001 * rng.random()) * 1e9)
        at, fate, took = RUN + timedelta(seconds=ns // 10**9), rng.random(), lognormal(rng, 84, 240)
        code, error = 200, ""
        if fate < 0.03:
            code, took, error = 0, lognormal(rng, 0.4, 1.2), f'Post "{EMBED}": dial tcp 192.0.2.10:443: connect: connection refused'
        elif fate < 0.06:
            code, took, error = 503, lognormal(rng, 9, 30), "503 Service Unavailable"
        yield {
            "attack": "",
            "seq": seq,
            "code": code,
            "timestamp": rfc3339_ns(at, ns % 10**9),
            "latency": round(took * 1e6),
            "bytes_out": 180,
            "bytes_in": 9 if code == 200 else 0,
            "error": error,
            "body": "eyJvayI6MX0=" if code == 200 else None,
            "method": "POST",
            "url": EMBED,
            "headers": None,
        }


def vegeta_cells(result: Row) -> bytes:
    """The same result as ``vegeta encode --to csv`` writes it: no header, the instant in ns, an error with quotes quoted."""
    whole, _, fraction = result["timestamp"].removesuffix("Z").partition(".")
    ns = round(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
    quotes = '"'
    error = quotes + result["error"].replace(quotes, quotes * 2) + quotes if quotes in result["error"] else result["error"]
    cells = (ns, result["code"], result["latency"], result["bytes_out"], result["bytes_in"], error, result["body"] or "", "")
    return ",".join(str(cell) for cell in (*cells, result["seq"], result["method"], result["url"], "")).encode() + b"\n"


# --- oha, JMeter -----------------------------------------------------------------------------------------------------------


def oha_rows(rng: Random) -> Iterator[bytes]:
    """200 answered requests of a streamed chat, seconds from the start of the run; four answers are a 500."""
    yield b"request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status\n"
    for number, start in enumerate(arrivals(rng, 200, 120)):
        dialup = round(lognormal(rng, 0.021, 0.05), 9) if number < 8 else 0
        first, status = dialup + lognormal(rng, 0.41, 1.1), 500 if number % 50 == 21 else 200
        whole = first + lognormal(rng, 2.4, 5.5) if status == 200 else first + 0.0001
        yield f"{start:.9f},{dialup / 4:.9f},{dialup},{first:.9f},{whole:.9f},{1800 if status == 200 else 42},{status}\n".encode()


def jmeter_rows(rng: Random) -> Iterator[bytes]:
    """100 samples in a transaction each: an embedding; some fail to connect, some answers fail an assertion, one 404 is expected."""
    yield (
        b"timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
        b"grpThreads,allThreads,URL,Latency,IdleTime,Connect\n"
    )
    for number, offset in enumerate(arrivals(rng, 100, 300)):
        stamp, fate, took = round((RUN.timestamp() + offset) * 1000), rng.random(), round(lognormal(rng, 92, 260))
        code, message, success, failure, first = "200", "OK", "true", "", max(1, took - 1)
        if fate < 0.03:
            code, message, success, took, first = "Non HTTP response code: java.net.ConnectException", "refused", "false", 3, 0
        elif fate < 0.06:
            success, failure = "false", '"Test failed: text expected to contain ""embedding"""'
        elif number == 77:
            code, message = "404", "Not Found"
        tail = f"512,180,4,4,{EMBED},{first},0,0"
        yield f"{stamp},{took},embed,{code},{message},users 1-{number % 4 + 1},text,{success},{failure},{tail}\n".encode()
        told = f'"Number of samples in transaction : 1, number of failing samples : {int(success == "false")}"'
        yield f"{stamp},{took},search,,{told},users 1-{number % 4 + 1},,{success},,{tail.replace(EMBED, 'null')}\n".encode()


# --- aggregates: the tools' own quantiles of requests that they do not list --------------------------------------------------


def percentile(values: list[float], p: float) -> float:
    """Linear between the two nearest, as numpy and k6 have it; ``p`` between 0 and 1."""
    ordered = sorted(values)
    place = p * (len(ordered) - 1)
    below = int(place)
    return ordered[below] + (ordered[min(below + 1, len(ordered) - 1)] - ordered[below]) * (place - below)


def locust_rounded(ms: float) -> int:
    """Two digits from 100 ms on, whole ms below: how Locust groups the times it keeps."""
    return round(ms, -(len(str(round(ms))) - 2)) if ms >= 100 else round(ms)


LOCUST_POINTS = (0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1.0)


def locust_row(kind: str, name: str, times: list[float], failures: int) -> bytes:
    """One row of ``_stats.csv``: ready quantiles of all requests, failed ones too."""
    grouped = sorted(round(float(locust_rounded(ms))) for ms in times)
    points = [grouped[min(len(grouped) - 1, int(p * len(grouped)))] for p in LOCUST_POINTS]
    whole = (len(times), failures, points[0], sum(times) / len(times), min(times), max(times), 512.0, len(times) / 300, failures / 300)
    return ",".join(str(cell) for cell in (kind, name, *whole, *points)).encode() + b"\r\n"


def locust_stats(rng: Random) -> Iterator[bytes]:
    """Two endpoints, one that nobody asked, and all of them once more."""
    yield (
        b"Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,"
        b"Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%\r\n"
    )
    embeds = [lognormal(rng, 96, 290) for _ in range(900)]
    chats = [lognormal(rng, 3100, 7400) for _ in range(300)]
    chats[:3] = [60000.0, 60000.0, 12.5]  # two timeouts and a refusal: Locust times them as it times answers
    yield locust_row("POST", "/v1/embeddings", embeds, 0)
    yield locust_row("POST", "/v1/chat/completions", chats, 3)
    yield b"GET,/health,0,0,0,0.0,0,0,0,0.0,0.0,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A\r\n"
    yield locust_row("", "Aggregated", embeds + chats, 3)


def oha_report(rng: Random) -> Iterator[bytes]:
    """1,000 requests in seconds: 12 answers are a 503, four were not answered; eight more were cut off when the time was up."""
    times = [lognormal(rng, 0.088, 0.31) for _ in range(984)]
    answers = times + [lognormal(rng, 0.011, 0.03) for _ in range(12)]
    points = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)

    def quantiles(values: list[float]) -> Row:
        return {f"p{100 * p:g}": percentile(values, p) for p in points}

    summary = {"successRate": 0.996, "total": 120.0, "slowest": max(answers), "fastest": min(answers)}
    summary |= {"average": sum(answers) / len(answers), "requestsPerSec": 8.36, "totalData": 1996800, "sizePerRequest": 2004}
    report = {
        "summary": summary,
        "responseTimeHistogram": {"0.1": 600, "0.4": 396},
        "latencyPercentiles": quantiles(answers),
        "latencyPercentilesSuccessful": quantiles(times),
        "rps": {"mean": 8.4, "stddev": 2.0, "max": 14.0, "min": 3.0, "percentiles": {"p50": 8.3}},
        "details": {"DNSDialup": {"average": 0.02, "fastest": 0.018, "slowest": 0.03}},
        "statusCodeDistribution": {"200": 984, "503": 12},
        "errorDistribution": {"aborted due to deadline": 8, "connection error": 4},
    }
    yield json.dumps(report, indent=2).encode()


def k6_summary(rng: Random) -> Iterator[bytes]:
    """``--summary-export``: 640 requests, 24 of which failed; no p(99), as the script did not ask for it."""
    good = [lognormal(rng, 92, 270) for _ in range(616)]
    everything = good + [lognormal(rng, 9, 22) for _ in range(24)]

    def trend(values: list[float]) -> Row:
        points = {"p(90)": percentile(values, 0.9), "p(95)": percentile(values, 0.95), "med": percentile(values, 0.5)}
        return {"avg": sum(values) / len(values), "min": min(values), "max": max(values), **points}

    metrics = {
        "http_req_duration": trend(everything),
        "http_req_duration{expected_response:true}": trend(good),
        "http_req_failed": {"passes": 24, "fails": 616, "value": 24 / 640},
        "http_reqs": {"count": 640, "rate": 10.6},
        "iterations": {"count": 640, "rate": 10.6},
    }
    root = {"name": "", "path": "", "id": "d41d8cd98f00b204e9800998ecf8427e", "groups": {}, "checks": {}}
    yield json.dumps({"root_group": root, "metrics": metrics}, indent=4).encode()


def inference_perf_report(rng: Random) -> Iterator[bytes]:
    """One stage of 400 streamed chats, seconds; nine failed."""
    points = (0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)

    def summary(values: list[float]) -> Row:
        ends = {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}
        return ends | {"median" if p == 50 else f"p{p:g}": percentile(values, p / 100) for p in points}

    first = [lognormal(rng, 0.43, 1.2) for _ in range(391)]
    whole = [one + lognormal(rng, 2.7, 6.0) for one in first]
    tokens = [float(count(rng, 220, 700)) for _ in first]
    latency = {"request_latency": summary(whole), "time_to_first_token": summary(first), "inter_token_latency": None}
    report = {
        "load_summary": {"count": 400, "schedule_delay": summary([0.001, 0.002]), "send_duration": 60.0, "requested_rate": 6.7},
        "successes": {"count": 391, "latency": latency, "prompt_len": summary([900.0, 910.0]), "output_len": summary(tokens)},
        "failures": {"count": 9, "request_latency": summary([0.2, 30.0]), "prompt_len": summary([900.0, 910.0])},
    }
    yield json.dumps(report, indent=2).encode()


# --- benchmarks of models ----------------------------------------------------------------------------------------------------

MODEL = "meta-llama/Llama-3.3-70B-Instruct"


def streamed(rng: Random, tokens: int) -> tuple[float, list[float]]:
    """Seconds to the first token, and the gaps behind it."""
    return round(lognormal(rng, 0.42, 1.1), 6), [round(lognormal(rng, 0.017, 0.031), 6) for _ in range(tokens - 1)]


def vllm_report(rng: Random) -> Iterator[bytes]:
    """90 requests at 2 a second, seconds; two were refused without a reason, one with; some waited for their turn."""
    lists: dict[str, list[Any]] = {
        name: [] for name in ("input_lens", "output_lens", "ttfts", "itls", "latencies", "queue_times", "errors")
    }
    for number in range(90):
        tokens = count(rng, 11, 26, 2)
        first, gaps = streamed(rng, tokens)
        failed = number in (17, 40, 71)
        row = (
            count(rng, 300, 900),
            tokens,
            first,
            gaps,
            round(first + sum(gaps), 6),
            round(max(0.0, lognormal(rng, 0.01, 0.2) - 0.02), 6),
            "",
        )
        if failed:
            row = (row[0], 0, 0.0, [], 0.0, row[5], "Service Unavailable" if number == 40 else "")
        for name, value in zip(lists, row, strict=True):
            lists[name].append(value)
    good = [one for one, error in zip(lists["latencies"], lists["output_lens"], strict=True) if error]
    report = {"date": "20261113-090000", "endpoint_type": "openai-chat", "backend": "openai-chat", "label": "chat", "model_id": MODEL}
    report |= {"tokenizer_id": MODEL, "num_prompts": 90, "request_rate": 2.0, "burstiness": 1.0, "max_concurrency": 16}
    report |= {"duration": 47.3, "completed": 87, "failed": 3, "total_input_tokens": sum(lists["input_lens"])}
    report |= {"total_output_tokens": sum(lists["output_lens"]), "request_throughput": 1.84, **lists}
    yield json.dumps(report | {"mean_e2el_ms": 1000 * sum(good) / len(good), "median_e2el_ms": 1000 * percentile(good, 0.5)}).encode()


def guidellm_request(rng: Random, start: float, fate: str) -> Row:
    """One request as it stands in one of the three lists: seconds beside milliseconds."""
    tokens, first = count(rng, 160, 420), lognormal(rng, 0.39, 0.98)
    took = first + tokens * lognormal(rng, 0.012, 0.019)
    done = fate == "successful"
    info = {"request_id": f"{rng.getrandbits(32):08x}", "status": {"successful": "completed", "errored": "errored"}.get(fate, "cancelled")}
    info |= {"error": None if done else "Request was cancelled" if fate == "incomplete" else "503 Service Unavailable"}
    told = {"type_": "generative_request_stats", "request_id": info["request_id"], "info": info, "request_start_time": start}
    told |= {"request_end_time": start + (took if done else 0.21), "request_latency": took if done else None}
    told |= {"prompt_tokens": 256, "output_tokens": tokens if done else None, "time_to_first_token_ms": 1000 * first if done else None}
    return told


def guidellm_run(rng: Random, strategy: Row, listed: dict[str, int], totals: dict[str, int]) -> Row:
    """One run: its requests, or some of them, and its own quantiles of all."""
    start = RUN.timestamp()
    requests = {fate: [guidellm_request(rng, start + place / 2, fate) for place in range(n)] for fate, n in listed.items()}
    whole = sorted(lognormal(rng, 9.4, 21.0) for _ in range(totals["successful"]))
    points = {
        "p001": 0.001,
        "p01": 0.01,
        "p05": 0.05,
        "p10": 0.1,
        "p25": 0.25,
        "p50": 0.5,
        "p75": 0.75,
        "p90": 0.9,
        "p95": 0.95,
        "p99": 0.99,
    }
    ends = {"mean": sum(whole) / len(whole), "min": whole[0], "max": whole[-1]}
    latency = {"successful": ends | {"percentiles": {name: percentile(whole, p) for name, p in points.items()}}}
    metrics = {"request_totals": totals | {"total": sum(totals.values())}, "request_latency": latency}
    return {"type_": "generative_benchmark", "config": {"strategy": strategy}, "metrics": metrics, "requests": requests}


def guidellm_report(rng: Random) -> Iterator[bytes]:
    """Two runs: one at a steady rate, all listed; a throughput run of which six requests are listed."""
    all_ = {"successful": 38, "errored": 2, "incomplete": 1}
    runs = [
        guidellm_run(rng, {"type_": "constant", "rate": 2.0}, all_, all_),
        guidellm_run(rng, {"type_": "throughput", "max_concurrency": None}, {"successful": 6, "errored": 0, "incomplete": 0}, all_),
    ]
    about = {"version": 2, "guidellm_version": "0.8.1", "python_version": "3.12.3", "platform": "Linux"}
    yield json.dumps({"metadata": about, "config": {"backend": {"kind": "openai_http", "model": MODEL}}, "benchmarks": runs}).encode()


def aiperf_records(rng: Random) -> Iterator[bytes]:
    """45 requests: two of a warm-up, one cancelled by AIPerf, three timeouts without a latency; one latency in seconds."""
    start = int(RUN.timestamp()) * 10**9
    for number in range(45):
        begin = start + number * 500_000_000 + rng.randrange(10**6)
        first, tokens = lognormal(rng, 380, 930), count(rng, 140, 380)
        took = first + tokens * lognormal(rng, 11, 17)
        about: Row = {"session_num": number, "x_request_id": f"{rng.getrandbits(64):016x}", "request_start_ns": begin}
        about |= {"request_ack_ns": begin + 3_000_000, "request_end_ns": begin + round((took + 20) * 1e6)}
        about |= {"worker_id": "w0", "benchmark_phase": "warmup" if number < 2 else "profiling", "was_cancelled": number == 30}
        metrics: Row = {"request_latency": {"value": round(took, 6), "unit": "ms"}}
        if number == 40:
            metrics["request_latency"] = {"value": round(took / 1000, 9), "unit": "sec"}
        metrics |= {
            "time_to_first_token": {"value": round(first, 6), "unit": "ms"},
            "inter_chunk_latency": {"value": [11.0, 12.5], "unit": "ms"},
        }
        metrics |= {
            "input_sequence_length": {"value": 550, "unit": "tokens"},
            "output_sequence_length": {"value": tokens, "unit": "tokens"},
        }
        record: Row = {"metadata": about, "metrics": metrics}
        if number in (12, 33, 44):
            about["request_end_ns"] = begin + 20_600_000_000
            record = {"metadata": about, "metrics": {"error_isl": {"value": 550, "unit": "tokens"}}}
            record["error"] = {"code": None, "type": "TimeoutError", "message": "TimeoutError()"}
        yield compact(record)


def genai_perf_event(content: str | None, role: bool = False) -> Row:
    """One streamed response as perf_analyzer keeps it."""
    if content is None:
        return {"response": "data: [DONE]\n\n"}
    delta = {"role": "assistant", "content": ""} if role else {"content": content}
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}
    return {"response": f"data: {json.dumps(chunk)}\n\n"}


def genai_perf_export(rng: Random) -> Iterator[bytes]:
    """24 streamed chats, four at a time: a role before the first content, ``[DONE]`` behind the last; one without any response."""
    start = int(RUN.timestamp()) * 10**9
    requests = []
    for number in range(24):
        sent = start + number * 400_000_000
        first = sent + round(lognormal(rng, 410, 990) * 1e6)
        stamps = [first - 60_000_000, first]
        stamps += [stamps[-1] + round(lognormal(rng, 450, 1200) * 1e6)]
        stamps += [stamps[-1] + 9_000_000]
        outputs = [genai_perf_event("", role=True), genai_perf_event("Yes"), genai_perf_event(", it is."), genai_perf_event(None)]
        payload = json.dumps({"messages": [{"role": "user", "content": "Is it?"}], "stream": True})
        asked = {"timestamp": sent, "request_inputs": {"payload": payload}}
        requests.append(asked | {"response_timestamps": stamps if number != 9 else [], "response_outputs": outputs if number != 9 else []})
    experiment = {"mode": "concurrency", "value": 4}
    whole = {"service_kind": "openai", "endpoint": "v1/chat/completions"}
    yield json.dumps(whole | {"experiments": [{"experiment": experiment, "requests": requests, "window_boundaries": []}]}).encode()


def llmperf_responses(rng: Random) -> Iterator[bytes]:
    """75 requests, seconds: three refused (429) or lost (-1) with 0 for every time, three answers called too short (-100)."""
    rows = []
    for number in range(75):
        tokens, first = count(rng, 150, 170), lognormal(rng, 0.41, 1.2)
        whole = first + tokens * lognormal(rng, 0.016, 0.024)
        code, message = {11: (429, "Too Many Requests"), 31: (429, "Too Many Requests"), 52: (-1, "")}.get(number, (None, ""))
        if number in (20, 21, 60):
            code, message = -100, "Output too few tokens"
        lost = code in (429, -1)
        row = {"error_code": code, "error_msg": message, "inter_token_latency_s": 0 if lost else (whole - first) / tokens}
        row |= {"ttft_s": 0 if lost else first, "end_to_end_latency_s": 0 if lost else whole}
        row |= {"request_output_throughput_token_per_s": 0 if lost else tokens / whole, "number_total_tokens": 0 if lost else 550 + tokens}
        rows.append(row | {"number_output_tokens": 0 if lost else tokens, "number_input_tokens": 0 if lost else 550})
    yield json.dumps(rows, indent=1).encode()


def genai_bench_result(rng: Random) -> Iterator[bytes]:
    """64 requests in milliseconds, as ``_time_unit`` says at the end; two were refused and have null for every number."""
    rows = []
    for number in range(64):
        tokens, first, gap = count(rng, 100, 130), lognormal(rng, 350, 800), lognormal(rng, 6.1, 9.0)
        whole = first + gap * (tokens - 1)
        row: Row = {"ttft": first, "tpot": gap, "e2e_latency": whole, "output_latency": whole - first, "num_input_tokens": 106}
        row |= {"num_output_tokens": tokens, "total_tokens": 106 + tokens}
        if number in (5, 44):
            row = dict.fromkeys(row)
        rows.append(row | {"error_code": None if row["ttft"] else 503, "error_message": None if row["ttft"] else "Service Unavailable"})
    about = {"scenario": "N(480,240)/(300,150)", "num_concurrency": 8, "iteration_type": "num_concurrency"}
    yield json.dumps({"aggregated_metrics": about, "individual_request_metrics": rows, "_time_unit": "ms"}, indent=1).encode()


# ---------------------------------------------------------------------------------------------------------------------------


def tool_logs() -> dict[str, bytes]:
    """Every file's name and content; each draws from a stream of its own."""
    logs: dict[str, Any] = {
        "loadtest.k6.json.gz": packed(k6_log(Random(SEED + 101))),
        "loadtest.vegeta.jsonl.gz": packed(map(compact, vegeta_results(Random(SEED + 102)))),
        "loadtest.vegeta.csv": map(vegeta_cells, vegeta_results(Random(SEED + 102))),
        "loadtest.oha.csv": oha_rows(Random(SEED + 103)),
        "loadtest.jmeter.csv": jmeter_rows(Random(SEED + 104)),
        "loadtest.locust.csv": locust_stats(Random(SEED + 105)),
        "loadtest.oha.json": oha_report(Random(SEED + 106)),
        "loadtest.k6-summary.json": k6_summary(Random(SEED + 107)),
        "stage.inference-perf.json": inference_perf_report(Random(SEED + 108)),
        "bench.vllm.json": vllm_report(Random(SEED + 109)),
        "bench.guidellm.json": guidellm_report(Random(SEED + 110)),
        "bench.aiperf.jsonl": aiperf_records(Random(SEED + 111)),
        "bench.genai-perf.json": genai_perf_export(Random(SEED + 112)),
        "bench.llmperf.json": llmperf_responses(Random(SEED + 113)),
        "bench.genai-bench.json": genai_bench_result(Random(SEED + 114)),
    }
    return {name: content if isinstance(content, bytes) else b"".join(content) for name, content in logs.items()}
