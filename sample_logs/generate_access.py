"""The access logs among the samples: proxies, load balancers, a CDN, a container, a browser, and curl; ``generate.py`` writes them.

One fleet stands behind them all: chat (streamed, long), embeddings (short), health checks and a favicon, which are no inference.
Shapes, names and units are those of the real formats; every level is drawn, and nobody's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from generate import identifier, iso, lognormal, starts

FIRST = datetime(2026, 11, 9, tzinfo=UTC)
CHAT, EMBED, HEALTH, ICON = "/v1/chat/completions", "/v1/embeddings", "/healthz", "/favicon.ico"
#: Path, share, p50 and p99 in seconds, bytes.
KINDS = (
    (CHAT, 0.46, 3.4, 11.0, 9_000),
    (EMBED, 0.40, 0.062, 0.24, 3_100),
    (HEALTH, 0.11, 0.001, 0.003, 2),
    (ICON, 0.03, 0.001, 0.002, 552),
)
AGENTS = ("openai-python/3.54.0", "node-fetch/3.3.2", "kube-probe/1.34", "Mozilla/5.0 (X11; Linux x86_64)")


@dataclass(frozen=True)
class Asked:
    """One request as it was, whoever wrote it down; ``upstream`` is seconds in the model server, ``None`` where none was asked."""

    at: datetime
    path: str
    seconds: float
    upstream: float | None
    status: int
    size: int

    @property
    def end(self) -> datetime:
        """When the last byte was out."""
        return self.at + timedelta(seconds=self.seconds)

    @property
    def method(self) -> str:
        """POST where a model is asked."""
        return "POST" if self.path.startswith("/v1/") else "GET"

    @property
    def streamed(self) -> bool:
        """Chat comes event by event."""
        return self.path == CHAT


def asked(rng: Random, n: int, days: int = 8) -> Iterator[Asked]:
    """``n`` requests in order: 1 % of the model's fail with 503 at once, 1 % are given up by the client."""
    for at in starts(rng, n, days, FIRST):
        path, _, p50, p99, size = rng.choices(KINDS, [kind[1] for kind in KINDS])[0]
        seconds = round(lognormal(rng, p50, p99), 3)
        fate = rng.random() if path in (CHAT, EMBED) else 1.0
        if fate < 0.01:
            yield Asked(at, path, 0.002, 0.002, 503, 190)
        elif fate < 0.02:
            yield Asked(at, path, round(seconds / 3, 3), None, 499, 0)
        else:
            upstream = None if path in (HEALTH, ICON) else round(max(seconds - 0.001, 0.0), 3)
            yield Asked(at, path, seconds, upstream, 404 if path == ICON else 200, round(lognormal(rng, size, size * 2)))


def agent(rng: Random, request: Asked) -> str:
    """Who asked."""
    return AGENTS[2] if request.path == HEALTH else AGENTS[3] if request.path == ICON else rng.choice(AGENTS[:2])


def address(rng: Random) -> str:
    """An address of the range set aside for documentation."""
    return f"198.51.100.{rng.randrange(1, 255)}"


def local(at: datetime) -> str:
    """``09/Nov/2026:10:00:00 +0000``."""
    return at.strftime("%d/%b/%Y:%H:%M:%S +0000")


def combined(rng: Random, request: Asked) -> str:
    """The combined format, up to the user agent."""
    line = f'{address(rng)} - - [{local(request.end)}] "{request.method} {request.path} HTTP/1.1" {request.status} {request.size}'
    return f'{line} "-" "{agent(rng, request)}"'


def ingress_log(rng: Random) -> Iterator[bytes]:
    """ingress-nginx's own format; one request in forty was tried at a second pod after the first refused."""
    for request in asked(rng, 90):
        name = "[ml-llm-8000] []" if request.upstream is not None else "[] []"
        pod = f"10.1.2.{rng.randrange(2, 6)}:8000"
        if request.upstream is None:
            upstream = "- - - -" if request.status == 404 else f"{pod} 0 {request.seconds:.3f} -"
        elif rng.random() < 0.1 and request.status == 200:
            upstream = f"10.1.2.9:8000, {pod} 0, {request.size} 0.001, {request.upstream:.3f} 502, 200"
        else:
            upstream = f"{pod} {request.size} {request.upstream:.3f} {request.status}"
        tail = f"{rng.randrange(200, 3000)} {request.seconds:.3f} {name} {upstream} {identifier(rng, 32)}"
        yield f"{combined(rng, request)} {tail}\n".encode()


def nginx_log(rng: Random) -> Iterator[bytes]:
    """Combined with ``$request_time $upstream_response_time`` behind it; one line is what a port scanner leaves."""
    for n, request in enumerate(asked(rng, 120)):
        upstream = "-" if request.upstream is None else f"{request.upstream:.3f}"
        yield f"{combined(rng, request)} {request.seconds:.3f} {upstream}\n".encode()
        if n == 60:
            yield f'{address(rng)} - - [{local(request.end)}] "\\x16\\x03\\x01" 400 157 "-" "-" 0.012 -\n'.encode()


def nginx_json_log(rng: Random) -> Iterator[bytes]:
    """JSON with nginx's names, every value in quotes as ``log_format escape=json`` writes them."""
    for request in asked(rng, 70):
        first = lognormal(rng, 0.4, 1.1) if request.streamed else request.seconds
        header = "-" if request.upstream is None else f"{min(first, request.upstream):.3f}"
        row = {
            "msec": f"{request.end.timestamp():.3f}",
            "remote_addr": address(rng),
            "request_method": request.method,
            "http_host": "llm.example.net",
            "request_uri": request.path,
            "status": str(request.status),
            "request_time": f"{request.seconds:.3f}",
            "upstream_header_time": header,
            "upstream_response_time": "-" if request.upstream is None else f"{request.upstream:.3f}",
            "sent_http_content_type": "text/event-stream" if request.streamed else "application/json",
        }
        yield (json.dumps(row, separators=(",", ":")) + "\n").encode()


def flagged(request: Asked) -> tuple[int, str]:
    """Envoy's code and flags: what nginx calls 499 is 0 with DC, a refusal is 503 with UF."""
    return (0, "DC") if request.status == 499 else (503, "UF") if request.status == 503 else (request.status, "-")


def envoy_log(rng: Random) -> Iterator[bytes]:
    """Envoy's default format."""
    for request in asked(rng, 90):
        code, flags = flagged(request)
        upstream = "-" if request.upstream is None else str(round(request.upstream * 1000))
        line = f'[{iso(request.at)}] "{request.method} {request.path} HTTP/2" {code} {flags} {rng.randrange(2000)} {request.size}'
        names = f'"{address(rng)}" "{agent(rng, request)}" "{identifier(rng, 16)}" "llm.example.net" "10.1.2.3:8000"'
        yield f"{line} {round(request.seconds * 1000)} {upstream} {names}\n".encode()


def envoy_json_log(rng: Random) -> Iterator[bytes]:
    """JSON as Istio's default names it: numbers as text, ``-`` for nothing."""
    for request in asked(rng, 45):
        code, flags = flagged(request)
        row = {
            "start_time": iso(request.at),
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "response_code": str(code),
            "response_flags": flags,
            "bytes_sent": str(request.size),
            "duration": str(round(request.seconds * 1000)),
            "upstream_service_time": "-" if request.upstream is None else str(round(request.upstream * 1000)),
            "authority": "llm.example.net",
            "upstream_cluster": "outbound|8000||llm.ml.svc.cluster.local",
            "route_name": "-",
            "request_id": identifier(rng, 16),
        }
        yield (json.dumps(row, separators=(",", ":")) + "\n").encode()


def instant(at: datetime) -> str:
    """``2026-11-09T10:00:00.123456Z``."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/llm/73e2d6bc24d8a067"


def alb_log(rng: Random) -> Iterator[bytes]:
    """An AWS load balancer: -1 where a time was not measured, and a redirect of its own."""
    for request in asked(rng, 50):
        client, status = f"{address(rng)}:{rng.randrange(1024, 65535)}", 460 if request.status == 499 else request.status
        if request.path == ICON:
            times, status, arn, action = "-1 -1 -1", 301, "-", "redirect"
        elif request.upstream is None and request.path != HEALTH:
            times, arn, action = "-1 -1 -1", ARN, "forward"
        else:
            header = min(request.seconds, 0.4) if request.streamed else request.seconds
            times, arn, action = f"0.001 {header:.3f} 0.000", ARN, "forward"
        target = "- " + times if arn == "-" else "10.0.0.192:8000 " + times
        answered = "-" if "-1" in times else str(status)
        yield (
            f"https {instant(request.end)} app/llm/50dc6c495c0c9188 {client} {target} {status} {answered} {rng.randrange(200, 3000)}"
            f' {request.size} "{request.method} https://llm.example.net:443{request.path} HTTP/2.0" "{agent(rng, request)}"'
            f' TLS_AES_128_GCM_SHA256 TLSv1.3 {arn} "Root=1-{identifier(rng, 8)}-{identifier(rng, 24)}" "llm.example.net" "session-reused"'
            f' 0 {instant(request.at)} "{action}" "-" "-" "-" "-" "-" "-" TID_{identifier(rng, 16)}\n'
        ).encode()


POPS = ("FRA56-P1", "AMS58-P3", "IAD89-C1", "SEA19-C1")
CLOUDFRONT = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie)"
    " x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher"
    " x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte"
    " x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end"
)


def cloudfront_log(rng: Random) -> Iterator[bytes]:
    """A CDN in front of the fleet: icons are hits, a client that went away is an Error with the code it was sent."""
    yield b"#Version: 1.0\n#Fields: " + CLOUDFRONT.encode() + b"\n"
    for request in asked(rng, 80):
        result = "Hit" if request.path == ICON else "Error" if request.status in (499, 503) else "Miss"
        detailed = "ClientCommError" if request.status == 499 else "OriginConnectError" if request.status == 503 else result
        status = {499: "000", 503: "502", 404: "200"}.get(request.status, str(request.status))
        seconds = request.seconds + round(lognormal(rng, 0.012, 0.04), 3) * (result == "Miss")
        first = min(seconds, round(lognormal(rng, 0.45, 1.2), 3)) if request.streamed else seconds
        end = request.at + timedelta(seconds=seconds)
        kind = "text/event-stream" if request.streamed else "image/x-icon" if request.path == ICON else "application/json"
        name = agent(rng, request).replace(" ", "%20")
        cells = [
            f"{end:%Y-%m-%d}", f"{end:%H:%M:%S}", rng.choice(POPS), str(request.size), address(rng), request.method,
            "d111111abcdef8.cloudfront.net", request.path, status, "-", name, "-", "-", result, identifier(rng, 32), "llm.example.net",
            "https", str(rng.randrange(100, 3000)), f"{seconds:.3f}", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", result, "HTTP/2.0", "-",
            "-", str(rng.randrange(1024, 65535)), f"{first:.3f}", detailed, kind, "-", "-", "-",
        ]  # fmt: skip
        yield "\t".join(cells).encode() + b"\n"


def container_log(rng: Random) -> Iterator[bytes]:
    """A model server's JSON lines as Kubernetes keeps them: every tenth is cut in two parts, and warnings go to stderr."""
    for n, request in enumerate(asked(rng, 80)):
        if request.path in (HEALTH, ICON):
            yield f"{instant(request.end)} stderr F probe answered in {request.seconds * 1000:.0f} ms\n".encode()
            continue
        row = {
            "timestamp": iso(request.at), "workload": "chat" if request.path == CHAT else "embedding", "placement": "edge",
            "status": request.status, "latency_ms": round(request.seconds * 1000, 1),
        }  # fmt: skip
        text = json.dumps(row)
        if n % 10 == 0:
            yield f"{instant(request.end)} stdout P {text[:40]}\n".encode()
            text = text[40:]
        yield f"{instant(request.end)} stdout F {text}\n".encode()


def har_document(rng: Random) -> bytes:
    """A page that talks to the model: streamed chat and embeddings by fetch, scripts and images beside them."""
    entries: list[dict[str, Any]] = []
    for n, request in enumerate(asked(rng, 34, 1)):
        url, kind = f"https://llm.example.net{request.path}", "fetch"
        if request.path in (HEALTH, ICON):
            url, kind = f"https://static.example.net/chunk-{n}.js", "script"
        new = rng.random() < 0.2
        timings = {
            "blocked": round(lognormal(rng, 1.0, 6.0), 3), "dns": round(lognormal(rng, 8, 40), 3) if new else -1,
            "connect": round(lognormal(rng, 60, 140), 3) if new else -1, "ssl": round(lognormal(rng, 35, 90), 3) if new else -1,
            "send": 0.2, "wait": round(min(request.seconds * 1000, lognormal(rng, 450, 1200)), 3),
        }  # fmt: skip
        timings["receive"] = round(max(request.seconds * 1000 - timings["wait"], 0.1), 3)
        if request.status == 499:
            timings |= {"wait": -1, "receive": -1}
        entry = {
            "startedDateTime": iso(request.at), "_resourceType": kind, "request": {"method": request.method, "url": url},
            "time": round(sum(ms for phase, ms in timings.items() if phase != "ssl" and ms > 0), 3),
            "response": {"status": {499: 0, 404: 200}.get(request.status, request.status),
                         "content": {"mimeType": "text/event-stream" if request.streamed else "application/json"}},
            "timings": timings,
        }  # fmt: skip
        if request.status == 499:
            entry["time"] = None
            entry["response"]["_error"] = "net::ERR_ABORTED"
        if n == 5:
            entry["time"] = None  # some recorders leave it out
        entries.append(entry)
    log = {"version": "1.2", "creator": {"name": "edgeroi samples", "version": "1"}, "pages": [], "entries": entries}
    return (json.dumps({"log": log}, indent=1) + "\n").encode()


def phases(rng: Random, seconds: float, new: bool) -> list[float]:
    """Curl's cumulative times: name, connection, TLS, sent, first byte, whole; zeros where a connection is used again."""
    lookup = lognormal(rng, 0.0009, 0.004)
    connect = lookup + lognormal(rng, 0.009, 0.02) if new else 0.0
    tls = connect + lognormal(rng, 0.022, 0.05) if new else 0.0
    sent = max(tls, lookup) + 0.00006
    first = sent + seconds
    return [round(second, 6) for second in (lookup if new else 0.00002, connect, tls, sent, first, first + 0.00004)]


def curl_table(rng: Random) -> Iterator[bytes]:
    """An embedding asked 200 times in a row; the first is cold, three were never answered."""
    yield b"http_code,time_namelookup,time_connect,time_appconnect,time_pretransfer,time_starttransfer,time_total\n"
    for n in range(200):
        times = phases(rng, lognormal(rng, 0.031, 0.12) + (0.9 if n == 0 else 0.0), new=True)
        code = "000" if n in (40, 90, 160) else "200"
        yield (",".join((code, *(f"{second:.6f}" for second in times))) + "\n").encode()


def curl_json_lines(rng: Random) -> Iterator[bytes]:
    """``--write-out '%{json}'`` and a newline, shortened to the keys that tell something here; every second connection is used again."""
    names = ("time_namelookup", "time_connect", "time_appconnect", "time_pretransfer", "time_starttransfer", "time_total")
    for n in range(60):
        times = dict(zip(names, phases(rng, lognormal(rng, 0.04, 0.15), new=n % 2 == 0), strict=True))
        failed = n in (20, 45)
        row = {
            "url_effective": "https://edge.example.net/v1/embeddings", "http_code": 0 if failed else 200, "exitcode": 28 if failed else 0,
            "content_type": None if failed else "application/json", "num_connects": int(n % 2 == 0), **times,
        }  # fmt: skip
        yield (json.dumps(row, separators=(",", ":")) + "\n").encode()


#: Each file's name, and what writes it.
WRITERS: dict[str, Callable[[Random], Iterable[bytes]]] = {
    "ingress.nginx.log": ingress_log,
    "access.nginx.log": nginx_log,
    "access.nginx.jsonl": nginx_json_log,
    "access.envoy.log": envoy_log,
    "access.envoy.jsonl": envoy_json_log,
    "access.alb.log.gz": alb_log,
    "access.cloudfront.log.gz": cloudfront_log,
    "container.cri.log": container_log,
    "page.har": lambda rng: [har_document(rng)],
    "timings.curl.csv": curl_table,
    "timings.curl.jsonl": curl_json_lines,
}


def access_logs(seed: int) -> dict[str, bytes]:
    """Every file's name and content, packed where AWS leaves it so; each draws from a stream of its own."""
    written = {name: b"".join(write(Random(seed + place))) for place, (name, write) in enumerate(WRITERS.items())}
    return {name: gzip.compress(data, 9, mtime=0) if name.endswith(".gz") else data for name, data in written.items()}
