"""``edgeroi probe`` and ``selftest`` as they are typed, against real servers on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import edgeroi
from edgeroi.cli.schema import schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.loopback import Reply, Request, Server, delays
from edgeroi.probefile import load_plan
from edgeroi.recording import Recording

pytestmark = pytest.mark.alone

PLAN = """\
edgeroi: 1
name: edge against cloud
vantage: a desk
rate: 50 /s
requests: {requests}
warm_up: 3
timeout: 5 s
targets:
  edge: {{placement: edge, url: "{url}", dialect: http, model: m}}
  cloud: {{placement: cloud, url: "{url}", dialect: http, model: m}}
payloads: [{{path: /delay/2}}, {{path: /delay/4}}]
"""


def run(*args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeroi", *map(str, args)], capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "probes.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The document of a small run, and its log."""
    folder = tmp_path_factory.mktemp("probe")
    log = folder / "run.jsonl"
    with Server(delays) as server:
        done = run("probe", written(folder, PLAN.format(url=server.url, requests=40)), "--log", log, "--format", "json")
    assert done.returncode in (0, 3), done.stderr  # 3 where this machine was too busy to be on time
    return json.loads(done.stdout), log


def test_a_run_is_told_as_its_schema_says(recorded: tuple[dict[str, Any], Path]) -> None:
    document, _ = recorded
    assert list(jsonschema.Draft202012Validator(json.loads(schema_text("probe"))).iter_errors(document)) == []
    told = {target["name"]: (target["requests"], target["errors"], target["warm_up"]) for target in document["targets"]}
    assert told == {"edge": (40, 0, 3), "cloud": (40, 0, 3)}
    assert (document["pairs"]["n"], document["pairs"]["one"], document["pairs"]["two"]) == (40, "edge", "cloud")
    assert document["trusted"] == (not document["reasons"])
    assert document["selftest"]["added_ms"]["p50"] < 5


def test_the_log_is_one_that_profile_reads(recorded: tuple[dict[str, Any], Path]) -> None:
    document, log = recorded
    profile = edgeroi.profile(log, by=("workload", "placement", "variant", "connection"))
    # 2 x 40 requests, 2 x 3 of the warm-up, a run record at each end.
    assert (profile.lines.read, profile.lines.profiled, dict(profile.lines.skipped)) == (88, 80, {"other_record": 6, "run_record": 2})
    assert profile.seen_from == "client"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert "edgeroi_run" in rows[0]
    assert rows[0]["edgeroi_run"]["selftest"] == document["selftest"]
    assert rows[0]["edgeroi_run"]["vantage"] == "a desk"
    assert rows[-1]["edgeroi_run"]["trusted"] == document["trusted"]
    requests = [row for row in rows if "latency_ms" in row]
    # The same payload at the same time in both places, by their pair.
    pairs: dict[str, set[str]] = {}
    for row in requests:
        pairs.setdefault(row["pair_id"], set()).add(row["placement"])
    assert len(pairs) == 40
    assert all(places == {"edge", "cloud"} for places in pairs.values())
    # Mean of the log's own rows, added up here.
    edge = [row["latency_ms"] for row in requests if row["placement"] == "edge"]
    told = next(target for target in document["targets"] if target["name"] == "edge")
    assert told["latency_ms"]["mean"] == pytest.approx(sum(edge) / 40, abs=1e-3)


def test_a_log_is_continued_only_when_asked(recorded: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    log.write_bytes(recorded[1].read_bytes() + b'{"cut')  # the run before was killed inside a line
    with Server(delays) as server:
        plan = written(tmp_path, PLAN.format(url=server.url, requests=5))
        refused = run("probe", plan, "--log", log)
        continued = run("probe", plan, "--log", log, "--append")
    assert refused.returncode == 2
    assert "--append" in refused.stderr
    assert continued.returncode in (0, 2, 3)
    profile = edgeroi.profile(log)
    assert (profile.lines.profiled, dict(profile.lines.rejected)) == (80 + 10, {"bad_json": 1})


def test_max_requests_is_a_limit_on_all_targets_together(tmp_path: Path) -> None:
    with Server(delays) as server:
        run("probe", written(tmp_path, PLAN.format(url=server.url, requests=40)), "--log", tmp_path / "x.jsonl", "--max-requests", "9")
        assert sum(path.startswith("/delay") for path, _ in server.served) == 9


def test_nothing_is_sent_that_could_cost_more(tmp_path: Path) -> None:
    body = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 2, "completion_tokens": 1}}).encode()
    text = """\
edgeroi: 1
rate: 50 /s
requests: 30
warm_up: 0
targets:
  cloud: {{url: "{url}", dialect: openai-chat, model: m, price: openai/gpt-4o, with: {{max_tokens: {most}}}}}
payloads: [hi]
"""

    def answer(request: Request, reply: Reply) -> None:
        reply.whole(body)

    with Server(answer) as server:
        # GPT-4o: 2.50 in and 10 USD/Mtok out. A body is fewer than 100 bytes, so its tokens cost at most 0.00025 USD;
        # 1,000 tokens out cost 0.01 USD: 0.035 USD pay for three requests and not for four.
        done = run(
            "probe", written(tmp_path, text.format(url=server.url, most=1000)), "--log", tmp_path / "a.jsonl", "--max-spend", "0.035 USD"
        )
        assert len(server.served) == 3
    assert "27 not sent: --max-spend was reached" in done.stdout
    assert done.returncode == 3
    unbounded = run("probe", written(tmp_path, text.format(url=server.url, most=1000).replace("max_tokens", "temperature")), "--log",
                    tmp_path / "b.jsonl", "--max-spend", "1 USD")  # fmt: skip
    assert unbounded.returncode == 2
    assert "limit of output tokens" in unbounded.stderr


def test_a_secret_is_sent_and_never_written(tmp_path: Path) -> None:
    secret = "sk-planted-8f14e45fceea167a"
    heard: list[str | None] = []

    def echo(request: Request, reply: Reply) -> None:
        heard.append(request.headers.get("authorization"))
        reply.whole(
            json.dumps(dict(request.headers)).encode(), "401 Unauthorized", {"server-timing": f"{secret};dur=1", "x-served-by": secret}
        )

    text = """\
edgeroi: 1
rate: 50 /s
requests: 5
warm_up: 1
keep_bodies: true
targets:
  edge: {{url: "{url}/${{PLANTED}}", dialect: http, headers: {{authorization: "Bearer ${{PLANTED}}"}}}}
payloads: [{{}}]
"""
    log = tmp_path / "x.jsonl"
    with Server(echo) as server:
        plan = written(tmp_path, text.format(url=server.url))
        done = run("probe", plan, "--log", log, env={"PLANTED": secret})
        as_json = run("probe", plan, "--log", log, "--append", "--format", "json", "--output", tmp_path / "x.json", env={"PLANTED": secret})
    assert heard[0] == f"Bearer {secret}"
    assert "[secret]" in log.read_text()
    everything = done.stdout + done.stderr + as_json.stdout + as_json.stderr
    everything += "".join(path.read_text() for path in tmp_path.iterdir())
    assert secret not in everything
    missing = run("probe", plan, "--log", tmp_path / "y.jsonl")
    assert missing.returncode == 2
    assert "PLANTED is not set" in missing.stderr


def test_a_secret_goes_from_texts_however_it_is_written_and_numbers_stay(tmp_path: Path) -> None:
    log = tmp_path / "x.jsonl"
    with Recording(log, "r", append=False, secrets=frozenset({"25", 'a"b'})) as recording:
        recording.run_record(vantage='port 25, key a"b', rate=12.25, targets=[{"name": "25"}])
    (line,) = (json.loads(text) for text in log.read_text().splitlines())
    told = line["edgeroi_run"]
    assert (told["vantage"], told["rate"], told["targets"]) == ("port [secret], key [secret]", 12.25, [{"name": "[secret]"}])


def test_an_interrupted_run_keeps_what_it_measured(tmp_path: Path) -> None:
    log = tmp_path / "x.jsonl"
    with Server(delays) as server:
        plan = written(tmp_path, PLAN.format(url=server.url, requests=2000))
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeroi", "probe", plan, "--log", log, "--format", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while len(server.served) < 60:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    document = json.loads(said)
    assert document["interrupted"] is True
    assert document["trusted"] is False
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows[-1]["edgeroi_run"]["interrupted"] is True
    assert sum(target["requests"] for target in document["targets"]) == sum("latency_ms" in row for row in rows) >= 50


def test_selftest_tells_what_the_probe_adds() -> None:
    done = run("selftest", "--requests", "60", "--rate", "100", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert list(jsonschema.Draft202012Validator(json.loads(schema_text("selftest"))).iter_errors(document)) == []
    assert document["requests"] == 55  # less the warm-up
    assert 0 < document["added_ms"]["p50"] < 5


# --- the file ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dialect: http", "dialect: htp", "did you mean 'http'"),
        ("rate: 50 /s", "rate: 50", "has no unit"),
        ("timeout: 5 s", "timeout: 5 USD", "money"),
        ("placement: edge", "placement: egde", "did you mean 'edge'"),
        ("requests: 40", "request: 40", "did you mean 'requests'"),
        ('url: "http://h"', 'url: "ftp://h"', "http:// or https://"),
        ('url: "http://h"', 'url: "http://me:pw@h"', "a user or a password"),
        ("model: m", "model: m, headers: {x-api-key: sk-1}", "written out"),
        ("payloads: [{path: /delay/2}, {path: /delay/4}]", "payloads: {file: none.jsonl}", "cannot be read"),
        ("payloads: [{path: /delay/2}, {path: /delay/4}]", "payloads: {generate: {tokens: 0 tok}}", "at least one token"),
    ],
)
def test_a_slip_in_a_probe_file_is_told_with_its_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = PLAN.format(url="http://h", requests=40)
    assert old in text
    path = written(tmp_path, text.replace(old, new, 1))
    with pytest.raises(EdgeroiError, match=r"probes\.yaml:\d+:\d+") as error:
        load_plan(path, {})
    assert said in str(error.value)


def test_payloads_are_texts_mappings_or_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('"one"\n\n{"input": "two"}\n')
    text = PLAN.format(url="http://h", requests=40).replace("payloads: [{path: /delay/2}, {path: /delay/4}]", "payloads: {file: q.jsonl}")
    assert load_plan(written(tmp_path, text), {}).payloads == ("one", {"input": "two"})
    generated = text.replace("{file: q.jsonl}", "{generate: {tokens: 30 tok, count: 4}}")
    payloads = load_plan(written(tmp_path, generated), {}).payloads
    assert [len(str(payload).split()) for payload in payloads] == [30] * 4
    assert len(set(map(str, payloads))) == 4
