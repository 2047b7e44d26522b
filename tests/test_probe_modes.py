"""What a probe can be asked for besides its steady open loop: kinds of connections, cold starts, a log's arrivals, a closed loop."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from probing import nearest, server_process, stopped_for, wrong_every_time
from test_cli_probe import run, written

import edgeroi
from edgeroi.cli.schema import schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.loopback import Reply, Request, Server, delays
from edgeroi.probefile import load_plan
from edgeroi.schedule import Send, cold_sends

pytestmark = pytest.mark.alone

PLAN = """\
edgeroi: 1
{more}
warm_up: 2
timeout: 10 s
targets:
  edge: {{placement: edge, url: "{url}", dialect: http, model: m}}
  cloud: {{placement: cloud, url: "{url}", dialect: http, model: m}}
payloads: [{{path: /delay/{delay}}}]
"""


def probed(folder: Path, url: str, more: str, *options: str, delay: int = 2) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The document of a run, and the lines of its log."""
    log = folder / "run.jsonl"
    log.unlink(missing_ok=True)
    done = run("probe", written(folder, PLAN.format(url=url, more=more, delay=delay)), "--log", log, "--format", "json", *options)
    assert done.returncode in (0, 3), done.stderr
    document = json.loads(done.stdout)
    assert list(jsonschema.Draft202012Validator(json.loads(schema_text("probe"))).iter_errors(document)) == []
    return document, [json.loads(line) for line in log.read_text().splitlines()]


# --- connections ---------------------------------------------------------------------------------------------------------------


def test_both_kinds_of_connections_are_told_apart(tmp_path: Path) -> None:
    with Server(delays) as server:
        document, rows = probed(tmp_path, server.url, "rate: 20 /s\nrequests: 20", "--connections", "both")
    told = {target["name"]: target for target in document["targets"]}
    assert sorted(told) == ["cloud", "cloud (new)", "edge", "edge (new)"]
    assert document["connections"] == "both"
    for name in ("edge", "cloud"):
        assert told[f"{name} (new)"]["connections"] == {"new": 20, "reused": 0}
        assert told[name]["connections"]["reused"] >= 17  # a new one only where two overlap
        assert told[f"{name} (new)"]["placement"] == name
    # Like is held against like only.
    assert {(pair["one"], pair["two"]) for pair in document["pairs"]["every"]} == {("edge", "cloud"), ("edge (new)", "cloud (new)")}
    kinds = {(row["variant"], row["connection"]) for row in rows if "latency_ms" in row}
    assert ("edge (new)", "reused") not in kinds


def test_new_connections_keep_the_names_of_the_targets(tmp_path: Path) -> None:
    with Server(delays) as server:
        document, _ = probed(tmp_path, server.url, "rate: 20 /s\nrequests: 10\nconnections: new")
    assert {target["name"]: target["connections"]["new"] for target in document["targets"]} == {"edge": 10, "cloud": 10}
    assert (document["pairs"]["one"], document["pairs"]["two"]) == ("edge", "cloud")


# --- cold starts ---------------------------------------------------------------------------------------------------------------


def test_cold_starts_come_after_a_silence_of_their_target() -> None:
    sends = (Send(0, 0, 0, 0), Send(500, 1, 0, 0))
    cold = cold_sends(sends, (0, 1), gap_ns=10_000, requests=3, apart_ns=250, payloads=2)
    last = {0: 0, 1: 500}
    for send in cold:
        assert send.at_ns - last[send.target] >= 10_000
        assert send.phase == "cold"
        last[send.target] = send.at_ns
    assert [(send.block, send.payload) for send in cold] == [(1, 1), (1, 1), (2, 0), (2, 0), (3, 1), (3, 1)]


def test_cold_starts_have_a_line_of_their_own_and_are_in_no_other_figure(tmp_path: Path) -> None:
    last_seen = [0]

    def sleepy(request: Request, reply: Reply) -> None:
        """Falls asleep after 0.4 s without a request, and takes 150 ms to wake up."""
        asleep = request.received_ns - last_seen[0] > 400_000_000
        last_seen[0] = request.received_ns
        delays(Request(request.method, "/delay/150" if asleep else "/delay/5", request.headers, b"", request.received_ns), reply)

    with Server(sleepy) as server:
        only_edge = PLAN.format(url=server.url, more="rate: 40 /s\nrequests: 40\ncold_requests: 6", delay=0).splitlines(keepends=True)
        plan = written(tmp_path, "".join(line for line in only_edge if not line.startswith("  cloud")))
        log = tmp_path / "run.jsonl"
        done = run("probe", plan, "--log", log, "--cold", "600 ms", "--format", "json")
        assert done.returncode in (0, 3), done.stderr
        plan.write_text(plan.read_text().replace("requests: 40", "requests: 1").replace("cold_requests: 6", "cold_requests: 1"))
        shown = run("probe", plan, "--log", log, "--append", "--cold", "600 ms")
    document = json.loads(done.stdout)
    assert list(jsonschema.Draft202012Validator(json.loads(schema_text("probe"))).iter_errors(document)) == []
    (target,) = document["targets"]
    cold = target["cold_starts"]
    assert (cold["requests"], cold["errors"], document["cold_gap_ms"]) == (6, 0, 600)
    assert 150 <= cold["latency_ms"]["p50"] < 250
    assert None not in cold["latency_ms"]["interval"]["p50"]  # six are the fewest whose median has one
    assert (target["requests"], target["latency_ms"]["max"] < 150) == (40, True)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    told = [row["edgeroi_cold_start"] for row in rows if "edgeroi_cold_start" in row]
    assert [(row["cold_start"], row["connection"]) for row in told] == [(True, "new")] * 7
    assert not any(row.get("cold_start") for row in rows)
    # 40 requests and 1; twice 2 of the warm-up, and 6 cold starts and 1, are apart.
    lines = edgeroi.profile(log).lines
    assert (lines.profiled, lines.skipped["other_record"]) == (41, 11)
    assert "Cold starts" in shown.stdout
    assert "in none of the other figures" in shown.stdout


# --- a log's arrivals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.jsonl.gz"])
def test_a_log_is_replayed_with_its_own_gaps(name: str, tmp_path: Path) -> None:
    # Requests at 0, 300, 400, 1000 ms and so on, told in no order: at twice the speed 0, 150, 200, 500.
    offsets = (0, 300, 400, 1000, 1100, 1700)
    lines = "".join(
        json.dumps({"timestamp": f"2026-11-01T10:00:{ms / 1000:06.3f}Z", "latency_ms": 5.0}) + "\n" for ms in reversed(offsets)
    ).encode()
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    more = f"arrivals: {{replay: {name}, speed: 2}}"
    plan = load_plan(written(tmp_path, PLAN.format(url="http://h", more=more, delay=1)), {})
    assert plan.replay_ns == (0, 150_000_000, 200_000_000, 500_000_000, 550_000_000, 850_000_000)
    assert (plan.arrivals, plan.requests, plan.warm_up) == ("replay", 4, 2)
    # Five gaps in 0.85 s.
    assert plan.rate == pytest.approx(5 / 0.85)
    with Server(delays) as server:
        document, rows = probed(tmp_path, server.url, more)
    assert document["arrivals"] == "replay"
    assert {target["requests"] for target in document["targets"]} == {4}
    # Both targets are asked within each gap, at its beginning and in its middle; the log keeps the intended times.
    steady = sorted(datetime.fromisoformat(str(row["timestamp"])) for row in rows if "timestamp" in row)
    gaps = [round((after - before).total_seconds() * 1e3) for before, after in pairwise(steady)]
    assert gaps == [150, 150, 25, 25, 150, 150, 150]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("arrivals: {replay: none.jsonl}", "none.jsonl"),
        ("arrivals: {replay: calls.jsonl, speed: fast}", "is no speed"),
        ("arrivals: {speed: 2}", "`replay` is missing"),
        ("arrivals: {replay: calls.jsonl}\nrate: 3 /s", "the rate of its log"),
        ("arrivals: {replay: timeless.jsonl}", "no request of the log tells its time"),
        ("mode: shut", "'shut'"),
        ("connections: all", "'all'"),
        ("cold: 5", "no unit"),
    ],
)
def test_a_slip_is_told_with_its_place(more: str, said: str, tmp_path: Path) -> None:
    lines = [json.dumps({"timestamp": f"2026-11-01T10:00:0{n}Z", "latency_ms": 5.0}) for n in range(9)]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "timeless.jsonl").write_text('{"latency_ms": 5.0}\n')
    with pytest.raises(EdgeroiError) as error:
        load_plan(written(tmp_path, PLAN.format(url="http://h", more=more, delay=1)), {})
    assert said in str(error.value)


# --- a closed loop -------------------------------------------------------------------------------------------------------------


def test_a_closed_loop_is_blind_to_a_stall_and_says_so_everywhere(tmp_path: Path) -> None:
    def measured() -> Iterator[str]:
        with server_process() as (url, pid), stopped_for(pid, 2.5, 1.0):
            document, rows = probed(tmp_path, url, "mode: closed\nrate: 20 /s\nrequests: 60")
        whole = [row["latency_ms"] for row in rows if "latency_ms" in row]
        assert len(whole) == 120
        # An open loop would see a third of the requests wait; one at a time, one does.
        if not (nearest(whole, 0.95) < 100 and max(whole) > 500):
            yield "blind"
        assert document["mode"] == "closed"
        assert rows[0]["edgeroi_run"]["mode"] == "closed"

    assert not wrong_every_time(measured, most=3)
    log = tmp_path / "run.jsonl"
    assert "blind to queueing" in run("profile", log).stdout
    with Server(delays) as server:
        plan = written(tmp_path, PLAN.format(url=server.url, more="mode: closed\nrate: 50 /s\nrequests: 8", delay=1))
        shown = run("probe", plan, "--log", tmp_path / "x.jsonl")
    assert "in a closed loop: blind to queueing" in shown.stderr
    assert "measured in a closed loop, which is blind to queueing" in shown.stdout
