"""Policies probed for real: prediction beside measurement, every call counted, losers hung up on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from probing import nearest, server_process, wrong_every_time
from test_cli_probe import run, written

from edgeroi.cli.schema import schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.loopback import Reply, Request, Server, wait_until
from edgeroi.probefile import load_plan

pytestmark = pytest.mark.alone

#: Of 100 requests the edge takes 88 x 10, 2 x 20 and 10 x 250 ms, whatever their order; the cloud takes 40 ms.
CYCLE = [10] * 88 + [20] * 2 + [250] * 10
#: Ten of a hundred are not there after 50 ms: 50 + 40 ms. So p50 is 10, p95 and p99 are 90 ms, and 1.1 calls are paid for.
EXPECTED = {"p50": 10.0, "p95": 90.0, "p99": 90.0}

PLAN = """\
edgeroi: 1
rate: 20 /s
requests: {requests}
warm_up: 2
timeout: 5 s
targets:
  edge: {{placement: edge, url: "{url}", dialect: http}}
  cloud: {{placement: cloud, url: "{url}", dialect: http, with: {{path: /delay/40}}}}
  both: {{{policy}}}
payloads: {{file: payloads.jsonl}}
"""


def planned(folder: Path, url: str, policy: str, requests: int, cycle: list[int]) -> Path:
    (folder / "payloads.jsonl").write_text("".join(json.dumps({"path": f"/delay/{delay}"}) + "\n" for delay in cycle))
    return written(folder, PLAN.format(url=url, policy=policy, requests=requests))


def probed_document(folder: Path, policy: str, requests: int, cycle: list[int]) -> dict:
    log = folder / "log.jsonl"
    log.unlink(missing_ok=True)
    with server_process() as (url, _):
        done = run("probe", planned(folder, url, policy, requests, cycle), "--log", log, "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_fallback_takes_what_its_parts_predict(tmp_path: Path) -> None:
    cycle = np.random.default_rng(4).permutation(CYCLE).tolist()
    apart: list[tuple[dict[str, float], dict[str, float]]] = []

    def measured() -> Iterator[str]:
        document = probed_document(tmp_path, "fallback: {first: edge, then: cloud, after: 50 ms}", 200, cycle)
        assert list(jsonschema.Draft202012Validator(json.loads(schema_text("probe"))).iter_errors(document)) == []
        (policy,) = document["policies"]
        assert (policy["name"], policy["kind"], policy["parts"]) == ("both", "fallback", ["edge", "cloud"])
        predicted, found = policy["predicted"], policy["measured"]
        assert (found["requests"], found["failure_ratio"]) == (200, 0.0)
        added = document["selftest"]["added_whole_ms"]  # the p95 here is the median of the slower kind
        noise = {"p50": added["p50"], "p95": added["p50"], "p99": added["p99"]}
        apart.append((noise, {which: abs(predicted["latency_ms"][which] - found["latency_ms"][which]) for which in EXPECTED}))
        for which, truth in EXPECTED.items():
            if apart[-1][1][which] > max(1.0, 0.03 * truth):
                yield which
            for side in (predicted, found):  # neither is without what the probe itself adds
                if abs(side["latency_ms"][which] - truth) > max(1.0, 0.03 * truth) + added["p99"]:
                    yield f"{which} as it follows from the delays"
        # All go to the edge; a tenth to the cloud as well: both are paid for.
        for side in (predicted, found):
            if abs(side["calls"]["edge"] - 1) > 1e-9 or abs(side["calls"]["cloud"] - 0.1) > 0.005:
                yield "calls"
            if abs(side["answered"]["edge"] - 0.9) > 0.005:
                yield "answers"
        if abs(found["given_up"]["edge"] - 0.1) > 0.005:
            yield "given up"
        rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        mine = [row for row in rows if row.get("variant") == "both"]
        assert len(mine) == 200
        assert all(row["calls"] == (["edge", "cloud"] if row["answered_by"] == "cloud" else ["edge"]) for row in mine)
        assert nearest([row["latency_ms"] for row in mine], 0.95) == pytest.approx(found["latency_ms"]["p95"], abs=1e-3)

    # Within 1 ms or 3 % in one of the runs. Where the machine was too busy in all, the quietest by its own self-test may be as far off as
    # that says the probe is by itself: the median by its median, the slowest by its p99.
    wrong = wrong_every_time(measured, most=5)
    noise, between = min(apart, key=lambda told: told[0]["p99"])
    assert not {what for what in wrong if between.get(what, math.inf) > noise.get(what, 0.0)}, apart


@pytest.mark.parametrize(
    ("policy", "p50", "calls"),
    [
        # Asked as well after 20 ms where the edge takes 80: min(80, 20 + 40) = 60 ms, for two of three requests.
        ("hedge: {first: edge, then: cloud, after: 20 ms}", 60.0, {"edge": 1.0, "cloud": 2 / 3}),
        # A quarter to the edge, which takes 5 or 80 ms, the rest to the cloud, which takes 40: the median is the cloud's.
        ("split: {edge: 25%, cloud: 75%}", 40.0, {"edge": 0.25, "cloud": 0.75}),
    ],
)
def test_a_hedge_and_a_split_do_what_they_say(policy: str, p50: float, calls: dict[str, float], tmp_path: Path) -> None:
    def measured() -> Iterator[str]:
        document = probed_document(tmp_path, policy, 60, [5, 80, 80])
        (told,) = document["policies"]
        for side in ("predicted", "measured"):
            if abs(told[side]["latency_ms"]["p50"] - p50) > 2.5 + document["selftest"]["added_ms"]["p99"]:
                yield f"p50 {side}"
            for part, number in calls.items():
                # Of 60 draws of 1/4 the share lies within 0.25 +- 4 x 0.056.
                if abs(told[side]["calls"][part] - number) > (0.224 if side == "measured" and told["kind"] == "split" else 0.05):
                    yield f"calls {side}"

    assert not wrong_every_time(measured, most=6)


def test_a_loser_is_hung_up_on_and_paid_for(tmp_path: Path) -> None:
    hung_up: list[bool] = []

    def slow_here(request: Request, reply: Reply) -> None:
        if request.headers.get("x-part") == "slow":
            for _ in range(100):
                wait_until(time.perf_counter_ns() + 20_000_000)
                if not reply_waited_for(reply):
                    hung_up.append(True)
                    reply.keep_alive = False
                    return
            hung_up.append(False)
        reply.whole(json.dumps({"usage": {"prompt_tokens": 1000}, "data": [{"embedding": [0.1]}]}).encode())

    def reply_waited_for(reply: Reply) -> bool:
        import socket

        connection = reply._connection
        connection.setblocking(False)
        try:
            return connection.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            connection.setblocking(True)

    text = """\
edgeroi: 1
rate: 10 /s
requests: 6
warm_up: 0
targets:
  slow: {{url: "{url}", dialect: openai-embeddings, model: m, price: openai/text-embedding-3-small, headers: {{x-part: slow}}}}
  quick: {{url: "{url}", dialect: openai-embeddings, model: m, price: openai/text-embedding-3-large}}
  both: {{fallback: {{first: slow, then: quick, after: 50 ms}}}}
payloads: [hi]
"""
    with Server(slow_here) as server:
        done = run("probe", written(tmp_path, text.format(url=server.url)), "--log", tmp_path / "x.jsonl", "--format", "json")
    assert done.returncode in (0, 3), done.stderr
    (policy,) = json.loads(done.stdout)["policies"]
    assert hung_up.count(True) == 6  # the policy's; the endpoint's own six took their two seconds
    assert policy["measured"]["calls"] == {"slow": 1.0, "quick": 1.0}
    assert policy["measured"]["given_up"] == {"slow": 1.0, "quick": 0.0}
    # 1,000 tokens a call: 0.02 and 0.13 USD/Mtok, so 1,000 requests cost 0.02 + 0.13 USD, both sides' calls counted.
    assert policy["measured"]["usd_per_1k"] == pytest.approx(0.15)
    assert policy["predicted"]["usd_per_1k"] == pytest.approx(0.15)


def test_the_parts_of_a_policy_keep_their_connections(tmp_path: Path) -> None:
    policy = "hedge: {first: edge, then: cloud, after: 10 ms}"
    document = probed_document(tmp_path, policy, 20, [30])
    told = {target["name"]: target["connections"] for target in document["targets"]}
    # Each of the policy's 20 requests hangs up on the cloud; the endpoints beside it open another only where two of theirs overlap.
    assert max(told["edge"]["new"], told["cloud"]["new"]) <= 3
    assert document["policies"][0]["measured"]["given_up"] == {"edge": 0.0, "cloud": 1.0}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("fallback: {first: edge, then: clod, after: 50 ms}", "no target 'clod'; did you mean 'cloud'"),
        ("fallback: {first: edge, then: both, after: 50 ms}", "leads back to itself"),
        ("cascade: {first: edge, then: cloud, escalated: 20%}", "runs no cascade"),
        ("fallback: {first: edge, then: cloud, after: 40 to 60 ms}", "`after` is a range"),
        ("hedge: {first: edge, then: cloud, after: 40 ms, watch: ttft}", "watches the whole answer"),
        ("split: {edge: 20%, cloud: 70%}", "add up to 0.9"),
        ("fallback: {first: edge, then: cloud, after: 50 ms}, url: x", "unknown key 'url'"),
    ],
)
def test_a_slip_in_a_policy_is_told_with_its_place(policy: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeroiError, match=r"probes\.yaml:\d+:\d+") as error:
        load_plan(planned(tmp_path, "http://h", policy, 10, [1]), {})
    assert said in str(error.value)
