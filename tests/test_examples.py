"""The examples are what they say: probe files that load, a proxy that delays by what it is told."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from probing import wrong_every_time

from edgeroi.doors import asked_of
from edgeroi.probefile import load_plan

FOLDER = Path(__file__).parents[1] / "examples" / "embedding"


def test_the_probe_of_workers_ai_asks_both_sides_the_same() -> None:
    plan = load_plan(FOLDER / "workers-ai.yaml", {"CLOUDFLARE_ACCOUNT": "acc", "CLOUDFLARE_TOKEN": "key"})
    edge, own = (asked_of(target, plan.payloads[0]) for target in plan.targets)
    assert json.loads(edge.body) == {"text": ["red running shoes size 42"]}
    assert json.loads(own.body) == {"model": "all-MiniLM-L6-v2", "input": "red running shoes size 42"}
    assert edge.path == "/@cf/baai/bge-small-en-v1.5"
    assert [target.url for target in plan.targets] == [
        "https://api.cloudflare.com/client/v4/accounts/acc/ai/run",
        "https://embedding.example/v1",
    ]


def test_the_recorded_settings_are_those_beside_the_recording() -> None:
    plan = load_plan(FOLDER / "loopback.yaml", {})
    with gzip.open(FOLDER.parents[1] / "sample_logs" / "recorded.embedding.jsonl.gz") as log:
        said = json.loads(log.readline())["edgeroi_run"]
    told = {key: said[key] for key in ("name", "vantage", "rate", "warm_up", "timeout_ms", "connections", "arrivals")}
    assert told == {key: getattr(plan, key) for key in told}
    assert said["requests"] == len(plan.targets) * (plan.requests + plan.warm_up)
    assert [target["origin"] + "/v1" for target in said["targets"]] == [target.url for target in plan.targets]


@pytest.mark.alone
def test_the_proxy_adds_the_round_trip_it_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as echo:
        command = [sys.executable, str(FOLDER / "delay.py"), str(echo.getsockname()[1]), "--one-way", "15"]
        proxy = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert proxy.stdout is not None
            with socket.create_connection(("127.0.0.1", int(proxy.stdout.readline()))) as near:
                far, _ = echo.accept()

                def measured() -> Iterator[str]:
                    took = []
                    for _ in range(15):
                        begun = time.perf_counter()
                        near.sendall(b"ping")
                        far.sendall(far.recv(4))
                        assert near.recv(4) == b"ping"
                        took.append(1e3 * (time.perf_counter() - begun))
                    if not 30 <= sorted(took)[7] < 33:
                        yield "round trip"

                assert not wrong_every_time(measured, most=8)
                far.close()
        finally:
            proxy.kill()
            proxy.wait()
            assert proxy.stdout is not None
            proxy.stdout.close()
