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

from generate import FIRST_DAY, SEED, Row, lognormal, packed

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


# ---------------------------------------------------------------------------------------------------------------------------


def tool_logs() -> dict[str, bytes]:
    """Every file's name and content; each draws from a stream of its own."""
    logs: dict[str, Any] = {
        "loadtest.k6.json.gz": packed(k6_log(Random(SEED + 101))),
    }
    return {name: content if isinstance(content, bytes) else b"".join(content) for name, content in logs.items()}
