"""Writes a large request log: ``python benchmarks/generate.py FILE --size GB --format jsonl``; the same seed gives the same log.

Four workloads in three placements over thirty days, lognormal latencies, 0.5 % failures; every field is drawn request by request.
The same requests as JSON lines (about 250 bytes each), as a table, as an nginx access log, as OpenTelemetry spans, as LiteLLM's records.
Text is laid out in a matrix of bytes, one row a line, each field as wide as its widest value and padded with NUL; dropping the
NULs leaves the lines. That writes a gigabyte in seconds.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SEED = 20261122
LINES_AT_ONCE = 100_000
DAYS = 30
DAY_MS = 86_400_000
FIRST_DAY = np.datetime64("2026-10-23")
#: Spans in one line of an OTLP log, as a collector that sends in batches writes them.
SPANS_A_LINE = 50

WORKLOADS = (b"assistant", b"moderation", b"search", b"voice")
MODELS = (b"llama-3.3-70b-turbo", b"llama-guard-3-8b", b"bge-base-en-v1.5", b"gpt-oss-120b")
PLACEMENTS = (b"cloud", b"regional", b"edge")
#: Medians in ms, workload by placement, the logarithmic spread, and the share of the time to the first token.
MEDIAN_MS = np.array([[4480.0, 4420.0, 4390.0], [240.0, 180.0, 150.0], [115.0, 80.0, 60.0], [720.0, 640.0, 520.0]])
SPREAD = np.array([0.45, 0.40, 0.30, 0.25])
FIRST_TOKEN = np.array([0.14, 0.0, 0.0, 0.40])
TOKENS = np.array([[900.0, 230.0], [310.0, 4.0], [100.0, 0.0], [420.0, 45.0]])


def chosen(words: tuple[bytes, ...], codes: NDArray[np.intp]) -> Bytes:
    """The word of each code, padded with NUL."""
    table = np.array(words)
    return table.view(np.uint8).reshape(len(words), table.itemsize)[codes]


def fixed(text: bytes, n: int) -> Bytes:
    """The same text on every line."""
    return np.broadcast_to(np.frombuffer(text, np.uint8), (n, len(text)))


def digits(values: NDArray[np.int64], width: int, *, padded: bool = False) -> Bytes:
    """Decimal digits; leading zeros are NUL unless padded, and 0 is one digit."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    text = (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    if not padded:
        text[(values[:, None] < powers) & (powers > 1)] = 0
    return text


def hexadecimal(values: NDArray[np.uint64]) -> Bytes:
    """12 digits."""
    shifts = np.arange(44, -4, -4).astype(np.uint64)
    return np.frombuffer(b"0123456789abcdef", np.uint8)[(values[:, None] >> shifts) & np.uint64(15)]


def milliseconds(values: NDArray[np.float64], known: NDArray[np.bool_], unknown: bytes = b"null") -> Bytes:
    """``4480.125``, or what stands for no number."""
    thousandths = np.maximum(1, np.rint(values * 1000)).astype(np.int64)
    whole, rest = np.divmod(thousandths, 1000)
    text = np.hstack((digits(whole, 6), fixed(b".", len(values)), digits(rest, 3, padded=True)))
    text[~known] = 0
    text[~known, : len(unknown)] = np.frombuffer(unknown, np.uint8)
    return text


def day_texts() -> tuple[bytes, ...]:
    """The dates, as JSON writes them."""
    return tuple(str(FIRST_DAY + np.timedelta64(day, "D")).encode() for day in range(DAYS))


def clock(ms: NDArray[np.int64]) -> Bytes:
    """``01:02:03`` from ms since midnight."""
    n = len(ms)
    hour, minute, second = (digits(part, 2, padded=True) for part in (ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60))
    return np.hstack((hour, fixed(b":", n), minute, fixed(b":", n), second))


def instants(at_ms: NDArray[np.int64]) -> Bytes:
    """``2026-10-23T00:00:00.125Z`` from ms since the first day."""
    day, ms = np.divmod(at_ms, DAY_MS)
    n = len(at_ms)
    parts = chosen(day_texts(), day.astype(np.intp)), fixed(b"T", n), clock(ms)
    return np.hstack((*parts, fixed(b".", n), digits(ms % 1000, 3, padded=True), fixed(b"Z", n)))


def clf_instants(at_ms: NDArray[np.int64]) -> Bytes:
    """``23/Oct/2026:00:00:00 +0000`` from ms since the first day."""
    day, ms = np.divmod(at_ms, DAY_MS)
    dates = tuple((FIRST_DAY + np.timedelta64(each, "D")).item().strftime("%d/%b/%Y:").encode() for each in range(DAYS))
    return np.hstack((chosen(dates, day.astype(np.intp)), clock(ms), fixed(b" +0000", len(at_ms))))


def since_1970_us(at_ms: NDArray[np.int64], later_ms: NDArray[np.float64] | float = 0.0) -> NDArray[np.int64]:
    """Microseconds of Unix time: so long after the first day, and so much later."""
    return (FIRST_DAY.astype("datetime64[us]").astype(np.int64) + at_ms * 1000) + np.rint(np.asarray(later_ms) * 1000).astype(np.int64)


def seconds(us: NDArray[np.int64]) -> Bytes:
    """``1792823706.115000`` from microseconds."""
    whole, rest = np.divmod(us, 1_000_000)
    return np.hstack((digits(whole, 10), fixed(b".", len(us)), digits(rest, 6, padded=True)))


@dataclass(frozen=True)
class Requests:
    """What happened, however it is written down."""

    at_ms: NDArray[np.int64]
    workload: NDArray[np.intp]
    placement: NDArray[np.intp]
    failed: NDArray[np.bool_]
    latency_ms: NDArray[np.float64]
    first_ms: NDArray[np.float64]
    tokens: NDArray[np.int64]
    ids: NDArray[np.uint64]

    @property
    def n(self) -> int:
        return len(self.at_ms)

    @property
    def streams(self) -> NDArray[np.bool_]:
        """Whether an answer in pieces was asked for."""
        return cast(NDArray[np.bool_], FIRST_TOKEN[self.workload] > 0)

    def by_failure(self, good: bytes, bad: bytes) -> Bytes:
        return chosen((good, bad), self.failed.astype(np.intp))


def drawn(rng: np.random.Generator, at_ms: NDArray[np.int64]) -> Requests:
    """A request for each instant."""
    n = len(at_ms)
    workload = rng.choice(4, n, p=(0.4, 0.3, 0.2, 0.1))
    placement = rng.choice(3, n, p=(0.6, 0.25, 0.15))
    failed = rng.random(n) < 0.005
    latency = MEDIAN_MS[workload, placement] * np.exp(SPREAD[workload] * rng.standard_normal(n))
    first = latency * FIRST_TOKEN[workload] * rng.uniform(0.8, 1.2, n)
    tokens = np.rint(TOKENS[workload] * np.exp(0.4 * rng.standard_normal((n, 2)))).astype(np.int64)
    tokens[:, 1] *= ~failed
    return Requests(at_ms, workload, placement, failed, latency, first, tokens, rng.integers(0, 2**48, n, np.uint64))


# --- how they are written down ---------------------------------------------------------------------------------------------


def laid_out(n: int, *parts: bytes | Bytes) -> bytes:
    """The parts side by side, a line each; bytes are the same on every line."""
    text = np.hstack([fixed(part, n) if isinstance(part, bytes) else part for part in parts])
    return text[text != 0].tobytes()


def as_jsonl(r: Requests) -> bytes:
    """Our own records, one JSON object a line."""
    everyone = np.ones(r.n, np.bool_)
    fields: dict[bytes, Bytes] = {
        b'{"timestamp":"': instants(r.at_ms),
        b'","request_id":"': hexadecimal(r.ids),
        b'","workload":"': chosen(WORKLOADS, r.workload),
        b'","placement":"': chosen(PLACEMENTS, r.placement),
        b'","model":"': chosen(MODELS, r.workload),
        b'","status":': r.by_failure(b"200", b"504"),
        b',"error":': r.by_failure(b"null", b'"timeout"'),
        b',"streamed":': chosen((b"false", b"true"), r.streams.astype(np.intp)),
        b',"latency_ms":': milliseconds(r.latency_ms, everyone),
        b',"ttft_ms":': milliseconds(r.first_ms, r.streams & ~r.failed),
        b',"input_tokens":': digits(r.tokens[:, 0], 6),
        b',"output_tokens":': digits(r.tokens[:, 1], 6),
    }
    return laid_out(r.n, *(part for pair in fields.items() for part in pair), b"}\n")


CSV_HEADER = b"timestamp,request_id,workload,placement,model,status,error,streamed,latency_ms,ttft_ms,input_tokens,output_tokens\n"


def as_csv(r: Requests) -> bytes:
    """The same as a table; what is not known is an empty field."""
    fields = (
        instants(r.at_ms),
        hexadecimal(r.ids),
        chosen(WORKLOADS, r.workload),
        chosen(PLACEMENTS, r.placement),
        chosen(MODELS, r.workload),
        r.by_failure(b"200", b"504"),
        r.by_failure(b"", b"timeout"),
        chosen((b"false", b"true"), r.streams.astype(np.intp)),
        milliseconds(r.latency_ms, np.ones(r.n, np.bool_)),
        milliseconds(r.first_ms, r.streams & ~r.failed, b""),
        digits(r.tokens[:, 0], 6),
        digits(r.tokens[:, 1], 6),
    )
    return laid_out(r.n, fields[0], *(part for field in fields[1:] for part in (b",", field)), b"\n")


def as_nginx(r: Requests) -> bytes:
    """Combined with ``$request_time`` behind it; no agent has a blank in its name, so that a reader may cut at blanks."""
    whole, ms = np.divmod(np.maximum(1, np.rint(r.latency_ms)).astype(np.int64), 1000)
    return laid_out(
        r.n,
        b"198.51.100.",
        digits((r.ids % np.uint64(256)).astype(np.int64), 3),
        b" - - [",
        clf_instants(r.at_ms),
        b'] "POST /v1/',
        chosen(WORKLOADS, r.workload),
        b' HTTP/1.1" ',
        r.by_failure(b"200", b"504"),
        b" ",
        digits(r.tokens[:, 1] * 40 + 60, 7),
        b' "-" "',
        chosen((b"node-fetch/3.3.2", b"python-httpx/0.28.1", b"okhttp/4.12.0"), r.placement),
        b'" ',
        digits(whole, 4),
        b".",
        digits(ms, 3, padded=True),
        b"\n",
    )


def as_otlp(r: Requests) -> bytes:
    """Client spans of OpenTelemetry's GenAI conventions, ``SPANS_A_LINE`` of one service in each line."""
    place = np.arange(r.n) % SPANS_A_LINE
    service = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},'
    resource = service + b'"scopeSpans":[{"scope":{"name":"bench"},"spans":['
    model = chosen(MODELS, r.workload)
    ids = hexadecimal(r.ids)
    ends = b'"}},{"key":"error.type","value":{"stringValue":"timeout"}}],"status":{"code":2}}', b'"}}],"status":{}}'
    return laid_out(
        r.n,
        chosen((resource, b","), (place > 0).astype(np.intp)),
        b'{"traceId":"00000000000000000000',
        ids,
        b'","spanId":"0000',
        ids,
        b'","name":"chat ',
        model,
        b'","kind":3,"startTimeUnixNano":"',
        digits(since_1970_us(r.at_ms), 16),
        b'000","endTimeUnixNano":"',
        digits(since_1970_us(r.at_ms, r.latency_ms), 16),
        b'000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},'
        b'{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.request.model","value":{"stringValue":"',
        model,
        b'"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"',
        digits(r.tokens[:, 0], 6),
        b'"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"',
        digits(r.tokens[:, 1], 6),
        r.by_failure(ends[1], ends[0]),
        chosen((b"", b"]}]}]}\n"), (place == SPANS_A_LINE - 1).astype(np.intp)),
    )


def as_litellm(r: Requests) -> bytes:
    """Records of LiteLLM's StandardLoggingPayload, the fields that tell of the call; every call is a trace of its own."""
    ids, times = hexadecimal(r.ids), [since_1970_us(r.at_ms, later) for later in (0.0, r.latency_ms, r.first_ms)]
    first = np.where(r.streams & ~r.failed, times[2], times[1])
    return laid_out(
        r.n,
        b'{"id":"chatcmpl-',
        ids,
        b'","trace_id":"',
        ids,
        b'","call_type":"acompletion","stream":',
        chosen((b"false", b"true"), r.streams.astype(np.intp)),
        b',"status":"',
        r.by_failure(b"success", b"failure"),
        b'","custom_llm_provider":"deepinfra","model":"',
        chosen(MODELS, r.workload),
        b'","model_group":"',
        chosen(WORKLOADS, r.workload),
        b'","api_base":"https://api.example.net/v1","startTime":',
        seconds(times[0]),
        b',"endTime":',
        seconds(times[1]),
        b',"completionStartTime":',
        seconds(first),
        b',"prompt_tokens":',
        digits(r.tokens[:, 0], 6),
        b',"completion_tokens":',
        digits(r.tokens[:, 1], 6),
        b',"total_tokens":',
        digits(r.tokens.sum(axis=1), 7),
        b',"response_cost":0.00012,"cache_hit":false,"request_tags":[]}\n',
    )


@dataclass(frozen=True)
class Format:
    """How requests are written: the lines, what stands above them, how a name ends, and about how many bytes a request takes."""

    lines: Callable[[Requests], bytes]
    suffix: str
    bytes_each: int
    header: bytes = b""


FORMATS = {
    "jsonl": Format(as_jsonl, "jsonl", 258),
    "gz": Format(as_jsonl, "jsonl.gz", 258),
    "zst": Format(as_jsonl, "jsonl.zst", 258),
    "csv": Format(as_csv, "csv", 102, CSV_HEADER),
    "nginx": Format(as_nginx, "log", 115),
    "otlp": Format(as_otlp, "otlp.jsonl", 556),
    "litellm": Format(as_litellm, "litellm.jsonl", 464),
}


# --- files -----------------------------------------------------------------------------------------------------------------


def batches(form: Format, size: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """``(requests, text)`` until the text comes to the size; it spans thirty days."""
    rng = np.random.default_rng(seed)
    step_ms = DAYS * DAY_MS / (size / form.bytes_each)
    written = n = 0
    while written < size:
        at_ms = ((n + np.arange(LINES_AT_ONCE)) * step_ms).astype(np.int64) % (DAYS * DAY_MS)
        text = form.lines(drawn(rng, at_ms))
        yield LINES_AT_ONCE, text
        written += len(text)
        n += LINES_AT_ONCE


def opened(path: Path, mode: str) -> BinaryIO:
    """A file that packs what is written where its name says so: gzip as ``gzip -1``, Zstandard at its own level 3."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, mode, compresslevel=1))
    if path.suffix == ".zst":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        return cast(BinaryIO, zstd.open(path, mode))
    return cast(BinaryIO, path.open(mode))


def write(path: Path, gigabytes: float, form: str = "jsonl") -> int:
    """Fill a file up to the size (of 10^9 bytes, before it is packed) and return how many requests that took."""
    chosen_form, n = FORMATS[form], 0
    with opened(path, "wb") as file:
        file.write(chosen_form.header)
        for count, text in batches(chosen_form, int(gigabytes * 1e9), SEED):
            file.write(text)
            n += count
    return n


def append(path: Path, gigabytes: float) -> int:
    """Let a log of JSON lines grow by a month of other requests, and return how many."""
    with path.open("ab") as file:
        n = 0
        for count, text in batches(FORMATS["jsonl"], int(gigabytes * 1e9), SEED + file.tell()):
            file.write(text)
            n += count
    return n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", type=float, default=1.0, metavar="GB")
    parser.add_argument("--format", choices=sorted(FORMATS), default="jsonl", help="gz and zst are packed if the file's name says so")
    args = parser.parse_args()
    n = write(args.file, args.size, args.format)
    print(f"{args.file}: {n:,} requests, {args.file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
