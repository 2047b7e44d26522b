"""What the tests of load tools and benchmarks share: a sample's bytes, a profile without an option, and a nearest rank of their own."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.reading import reading
from edgeroi.workload import Profile, Tally

FOLDER = Path(__file__).parents[1] / "sample_logs"


def sample(name: str) -> bytes:
    """A shipped sample, decompressed."""
    stored = (FOLDER / name).read_bytes()
    return gzip.decompress(stored) if name.endswith(".gz") else stored


def sampled(name: str, **read: object) -> Profile:
    """A shipped sample, profiled with nothing said about its format."""
    return read_logs([FOLDER / name], reading(**read))


def profiled(tmp_path: Path, text: bytes | str, name: str = "log.txt", **read: object) -> Profile:
    """A log of the test's own."""
    log = tmp_path / name
    log.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_logs([log], reading(**read))


def rank(values: Sequence[float], p: float) -> float:
    """The nearest rank: the ``ceil(p n)``-th smallest."""
    return sorted(values)[math.ceil(p * len(values)) - 1]


def agree(tally: Tally, latencies_ms: Sequence[float], *, errors: int, ttfts_ms: Sequence[float] = ()) -> None:
    """The tally holds these successes and so many failures, every quantile within the 0.1 % of its buckets."""
    assert (tally.requests, tally.errors, tally.latency.n) == (len(latencies_ms) + errors, errors, len(latencies_ms))
    assert tally.ttft.n == len(ttfts_ms)
    for p in (0.5, 0.9, 0.99):
        assert tally.latency.quantile(p) == pytest.approx(rank(latencies_ms, p), rel=1e-3)
        if ttfts_ms:
            assert tally.ttft.quantile(p) == pytest.approx(rank(ttfts_ms, p), rel=1e-3)
    assert tally.latency.mean_ms == pytest.approx(sum(latencies_ms) / len(latencies_ms), rel=1e-6)


def claimed(name: str, data: bytes | None = None) -> set[str]:
    """The names of all formats that claim a sample, or other bytes."""
    data = sample(name) if data is None else data
    head = Head(data[: 1 << 18], name.removesuffix(".gz"), len(data) <= 1 << 18)
    return {known for known, format in formats().items() if format.claim(head, reading()).claimed}


def detected_unit(name: str) -> str:
    """The unit in which a sample is said to be read."""
    return detect(Head(sample(name)[: 1 << 18], name.removesuffix(".gz"), False), reading()).unit
