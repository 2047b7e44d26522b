"""The shipped samples are what their generator writes, small, and described."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "sample_logs"
#: Real measurements, which no seed can write again: recorded by examples/embedding/record.py.
RECORDED = "recorded.embedding.jsonl.gz"


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_logs_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def generated() -> dict[str, bytes]:
    return generator().sample_logs()


def gateways() -> dict[str, bytes]:
    return sys.modules["generate_gateways"].gateway_logs(generator().SEED) if generated() else {}


def content(name: str, stored: bytes) -> bytes:
    """Compressors may differ between versions of Python; what they hold may not."""
    return gzip.decompress(stored) if name.endswith(".gz") else stored


def nearest_rank(values: list[float], p: float) -> float:
    return sorted(values)[math.ceil(p * len(values)) - 1]


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in content(name, generated()[name]).splitlines()]


@pytest.mark.parametrize("name", sorted(generated()))
def test_the_seed_gives_the_shipped_bytes(name: str) -> None:
    assert content(name, (FOLDER / name).read_bytes()) == content(name, generated()[name])


def test_nothing_else_lies_in_the_folder() -> None:
    there = {p.name for p in FOLDER.iterdir() if p.is_file()}
    assert there - {p.name for p in FOLDER.glob("generate*.py")} == {*generated(), RECORDED, "README.md"}


@pytest.mark.parametrize("name", sorted(gateways()))
def test_samples_of_gateways_stay_small(name: str) -> None:
    assert len(generated()[name]) <= 25_000


def test_samples_stay_small() -> None:
    assert sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file() and p.suffix not in (".py", ".md")) < 2_200_000


def test_an_access_log_is_small() -> None:
    sizes = {name: len(content) for name, content in generated().items() if name in sys.modules["generate_access"].WRITERS}
    assert sizes
    assert max(sizes.values()) <= 25_000


TOOLS = sorted(name for name in generated() if name.startswith(("loadtest.", "bench.", "stage.")))


@pytest.mark.parametrize("name", TOOLS)
def test_a_sample_of_a_tool_is_small(name: str) -> None:
    assert (FOLDER / name).stat().st_size <= 25_000


@pytest.mark.parametrize("name", sorted(generated()))
def test_the_readme_describes_it(name: str) -> None:
    assert f"`{name}`" in (FOLDER / "README.md").read_text()


def test_embedding_samples_tell_of_the_same_queries() -> None:
    edge, cloud = rows("embedding-edge.jsonl"), rows("embedding-cloud.jsonl")
    mix = ("pair_id", "timestamp", "input_tokens", "output_tokens")
    assert [[row[key] for key in mix] for row in edge] == [[row[key] for key in mix] for row in cloud]
    assert all(0 < row["network_ms"] < row["latency_ms"] for row in edge + cloud)


@pytest.mark.parametrize(
    ("name", "p50", "p99"), [("embedding-edge.jsonl", 60, 299), ("embedding-cloud.jsonl", 114, 154)], ids=["edge", "cloud"]
)
def test_the_readmes_quantiles_are_the_files(name: str, p50: float, p99: float) -> None:
    latencies = [row["latency_ms"] for row in rows(name)]
    assert (round(nearest_rank(latencies, 0.50)), round(nearest_rank(latencies, 0.99))) == (p50, p99)


def recorded() -> list[dict]:
    return [json.loads(line) for line in gzip.decompress((FOLDER / RECORDED).read_bytes()).splitlines()]


def test_the_recorded_log_is_whole_and_trusted() -> None:
    first, *rows, last = recorded()
    assert first["edgeroi_run"]["selftest"]["added_whole_ms"]["p50"] < 1
    assert (last["edgeroi_run"]["trusted"], last["edgeroi_run"]["reasons"]) == (True, [])
    requests = [row for row in rows if "latency_ms" in row]
    assert [sum(row["placement"] == place for row in requests) for place in ("edge", "cloud")] == [400, 400]
    assert {(row["model"], row["status"]) for row in requests} == {("all-MiniLM-L6-v2", 200)}
    assert sum(row["connection"] == "new" for row in requests) < 5  # kept, but for answers so late that the next question overlapped
    assert (FOLDER / RECORDED).stat().st_size < 300_000
    assert f"`{RECORDED}`" in (FOLDER / "README.md").read_text()


def test_the_recorded_clouds_distance_is_the_proxys_80_ms() -> None:
    _, *rows, _ = recorded()
    took = {(row["pair_id"], row["placement"]): row["latency_ms"] for row in rows if "latency_ms" in row}
    apart = sorted(ms - took[pair, "edge"] for (pair, place), ms in took.items() if place == "cloud")
    # 40 ms each way, and what a proxy and the probe take themselves.
    assert 80 < apart[len(apart) // 2] < 82
    quantiles = {place: nearest_rank([ms for (_, at), ms in took.items() if at == place], 0.5) for place in ("edge", "cloud")}
    assert {place: round(ms) for place, ms in quantiles.items()} == {"edge": 23, "cloud": 104}


def test_only_the_edge_answers_a_voice_within_the_deadline() -> None:
    turns = rows("voice.jsonl.gz")
    p95 = {place: nearest_rank([t["ttft_ms"] for t in turns if t["placement"] == place], 0.95) for place in ("cloud", "regional", "edge")}
    assert {place: round(ms) for place, ms in p95.items()} == {"cloud": 904, "regional": 828, "edge": 712}
