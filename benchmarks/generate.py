"""Writes a large request log: ``python benchmarks/generate.py FILE --size GB``; about 250 bytes a line, the same seed gives the same log.

Four workloads in three placements over thirty days, lognormal latencies, 0.5 % failures; every field is drawn line by line.
Text is laid out in a matrix of bytes, one row a line, each field as wide as its widest value and padded with NUL; dropping the
NULs leaves the lines. That writes a gigabyte in seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SEED = 20261122
LINES_AT_ONCE = 100_000
DAYS = 30
DAY_MS = 86_400_000

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


def milliseconds(values: NDArray[np.float64], known: NDArray[np.bool_]) -> Bytes:
    """``4480.125``, or ``null``."""
    thousandths = np.maximum(1, np.rint(values * 1000)).astype(np.int64)
    whole, rest = np.divmod(thousandths, 1000)
    text = np.hstack((digits(whole, 6), fixed(b".", len(values)), digits(rest, 3, padded=True)))
    text[~known] = 0
    text[~known, :4] = np.frombuffer(b"null", np.uint8)
    return text


def day_texts() -> tuple[bytes, ...]:
    """The dates, as JSON writes them."""
    first = np.datetime64("2026-10-23")
    return tuple(str(first + np.timedelta64(day, "D")).encode() for day in range(DAYS))


def instants(at_ms: NDArray[np.int64]) -> Bytes:
    """``2026-10-23T00:00:00.125Z`` from ms since the first day."""
    day, ms = np.divmod(at_ms, DAY_MS)
    n = len(at_ms)
    parts = [chosen(day_texts(), day.astype(np.intp)), fixed(b"T", n), digits(ms // 3_600_000, 2, padded=True), fixed(b":", n)]
    parts += [digits(ms // 60_000 % 60, 2, padded=True), fixed(b":", n), digits(ms // 1000 % 60, 2, padded=True)]
    return np.hstack([*parts, fixed(b".", n), digits(ms % 1000, 3, padded=True), fixed(b"Z", n)])


def lines(rng: np.random.Generator, at_ms: NDArray[np.int64]) -> bytes:
    """A line for each instant."""
    n = len(at_ms)
    workload = rng.choice(4, n, p=(0.4, 0.3, 0.2, 0.1))
    placement = rng.choice(3, n, p=(0.6, 0.25, 0.15))
    failed = rng.random(n) < 0.005
    streamed = (FIRST_TOKEN[workload] > 0) & ~failed
    latency = MEDIAN_MS[workload, placement] * np.exp(SPREAD[workload] * rng.standard_normal(n))
    first = latency * FIRST_TOKEN[workload] * rng.uniform(0.8, 1.2, n)
    tokens = np.rint(TOKENS[workload] * np.exp(0.4 * rng.standard_normal((n, 2)))).astype(np.int64)
    everyone = np.ones(n, np.bool_)
    fields = {
        b'{"timestamp":"': instants(at_ms),
        b'","request_id":"': hexadecimal(rng.integers(0, 2**48, n, np.uint64)),
        b'","workload":"': chosen(WORKLOADS, workload),
        b'","placement":"': chosen(PLACEMENTS, placement),
        b'","model":"': chosen(MODELS, workload),
        b'","status":': chosen((b"200", b"504"), failed.astype(np.intp)),
        b',"error":': chosen((b"null", b'"timeout"'), failed.astype(np.intp)),
        b',"streamed":': chosen((b"false", b"true"), (FIRST_TOKEN[workload] > 0).astype(np.intp)),
        b',"latency_ms":': milliseconds(latency, everyone),
        b',"ttft_ms":': milliseconds(first, streamed),
        b',"input_tokens":': digits(tokens[:, 0], 6),
        b',"output_tokens":': digits(tokens[:, 1] * ~failed, 6),
    }
    text = np.hstack([part for name, values in fields.items() for part in (fixed(name, n), values)] + [fixed(b"}\n", n)])
    return text[text != 0].tobytes()


def write(path: Path, gigabytes: float) -> int:
    """Fill a file up to the size (of 10^9 bytes) and return how many lines that took."""
    rng = np.random.default_rng(SEED)
    wanted, written, n = int(gigabytes * 1e9), 0, 0
    step_ms = DAYS * DAY_MS / (wanted / 254)
    with path.open("wb") as file:
        while written < wanted:
            at_ms = ((n + np.arange(LINES_AT_ONCE)) * step_ms).astype(np.int64) % (DAYS * DAY_MS)
            written += file.write(lines(rng, at_ms))
            n += LINES_AT_ONCE
    return n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", type=float, default=1.0, metavar="GB")
    args = parser.parse_args()
    n = write(args.file, args.size)
    print(f"{args.file}: {n:,} lines, {args.file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
