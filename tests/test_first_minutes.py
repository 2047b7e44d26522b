"""The first five minutes: a demo without key or network, and a draft that is judged as it is."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import edgeroi
from edgeroi.casefile import GROUPED_BY
from edgeroi.demonstration import PLACES, SCENARIO
from edgeroi.draft import Asked, draft, guided
from edgeroi.errors import EdgeroiError
from edgeroi.guesses import middle_of_day, users_of, vantage_of
from edgeroi.interview import answered
from edgeroi.loopback import Embedder, Reply, Request, Server
from edgeroi.matching import Match, nearest_in_cost, others_at_edge, same_model
from edgeroi.workload import Busy, Partial, Profile, Sum, Tally

ROOT = Path(__file__).parents[1]
GATEWAY = ROOT / "sample_logs" / "gateway.litellm.jsonl"
CLI = [sys.executable, "-m", "edgeroi"]
DAY = date(2026, 11, 22)


def run(*args: str | Path, cwd: Path | None = None, said: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *map(str, args)], input=said, capture_output=True, text=True, cwd=cwd, check=False)


# --- demo ------------------------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_the_demo_measures_judges_and_leaves_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = run("demo", "--keep", folder, "--requests", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["probe.jsonl", "probes.yaml", "scenario.yaml"]
    # Every step is shown as it is typed, in this order, and what it printed stands below it.
    typed = re.findall(r"^\$ edgeroi (\w+)", done.stdout, re.MULTILINE)
    assert typed == ["probe", "profile", "compare", "check"]
    assert "gate: " in done.stdout.split("$ edgeroi check")[1]
    # What was measured is what the servers were told: the way there and back, and half of the answers within the service time.
    profile = edgeroi.profile(folder / "probe.jsonl")
    assert profile.lines.profiled == 120
    for name, place in PLACES.items():
        median = profile.select(placement=name).latency.quantile(0.5)
        assert median is not None
        assert place.network_ms + 0.8 * place.service_ms < median < place.network_ms + 1.2 * place.service_ms + 40  # a busy machine
    # Going on where the demo ends: it refuses to write over what somebody may have changed.
    again = run("demo", "--keep", folder)
    assert again.returncode == 2
    assert "holds probes.yaml, scenario.yaml, probe.jsonl already" in again.stderr


def test_what_the_demo_says_of_its_verdict_is_so(tmp_path: Path) -> None:
    """With the median difference the two places have by design (51 ms of 101), and ten times that."""
    rng = np.random.default_rng(3)
    rows = [
        {"timestamp": f"2026-11-22T10:{n // 60 % 60:02d}:{n % 60:02d}Z", "placement": name, "workload": "search", "input_tokens": 100,
         "output_tokens": 0, "latency_ms": place.network_ms + place.service_ms * float(rng.lognormal(0, place.spread)), "pair_id": str(n)}
        for n in range(400)
        for name, place in PLACES.items()
    ]  # fmt: skip
    (tmp_path / "probe.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    assert edgeroi.check(tmp_path / "scenario.yaml").gate == "fail"
    felt = edgeroi.check(tmp_path / "scenario.yaml", set={"workloads.search.felt.ms": "30 ms"})
    assert (felt.gate, felt.decisions[0].verdict) == ("pass", "worth_it")
    assert edgeroi.check(tmp_path / "scenario.yaml", set={"workloads.search.part_of": "640 ms"}).gate == "fail"


def test_ctrl_c_ends_the_demo_and_its_servers(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*CLI, "demo", "--keep", str(tmp_path / "kept")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    log = tmp_path / "kept" / "probe.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") > 5):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert err.rstrip().endswith("interrupted")
    with pytest.raises(ProcessLookupError):  # nobody of its group is left: neither server nor step
        os.killpg(process.pid, 0)


def test_a_place_takes_its_way_and_its_service() -> None:
    """The way is the same for every request; the service is lognormal, its median within a standard error of what was said."""
    taken: list[float] = []

    def heard(request: Request, reply: Reply) -> None:
        embedder(request, reply)

    embedder = Embedder(2, 3, 0.3, seed=5)
    with Server(heard) as server:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(40):
            connection.request("POST", "/embeddings", json.dumps({"model": "m", "input": "one two three"}))
            answer = connection.getresponse()
            told = json.loads(answer.read())
            taken.append(float(answer.headers["server-timing"].removeprefix("total;dur=")))
        connection.close()
    assert told["usage"] == {"prompt_tokens": 3}
    served = server.served[:39]  # the last may be noted after its answer has come
    assert len(served) == 39
    assert all(ms >= 2 + service for (_, ms), service in zip(served, taken[:39], strict=True))
    # 1.2533 sigma / sqrt(n) is the standard error of a median's logarithm: 0.06 here, and three of them are allowed.
    assert abs(np.log(np.median(taken) / 3)) < 0.18


# --- guesses ---------------------------------------------------------------------------------------------------------------


def seen(hours: dict[int, int]) -> Tally:
    return Tally(sum(hours.values()), hours={hour: Busy(count) for hour, count in hours.items()})


def office_days(begin_utc: int, days: int = 5) -> dict[int, int]:
    """Ten hours a day from ``begin_utc``, 9 to 19 where it is office time, with a tenth of that at night."""
    return {24 * day + hour: 100 if (hour - begin_utc) % 24 < 10 else 10 for day in range(days) for hour in range(24)}


@pytest.mark.parametrize(
    ("begin_utc", "region"),
    [
        (9, "eu-west"),  # the middle of 9 to 19 UTC is 14:00 there
        (14, "us-east"),  # 9 to 19 in Virginia, UTC - 5
        (17, "us-west"),  # UTC - 8
        (0, "ap-northeast"),  # Tokyo, UTC + 9
        (4, "ap-south"),  # Pune, UTC + 5:30
        (12, "sa-east"),  # Sao Paulo, UTC - 3, with nobody who asks more within 20 degrees
    ],
)
def test_users_are_where_it_is_day_when_they_ask(begin_utc: int, region: str) -> None:
    guess = users_of(seen(office_days(begin_utc)))
    assert guess is not None
    assert guess.value == region


def test_the_clock_guesses_nothing_of_machines() -> None:
    assert users_of(seen(dict.fromkeys(range(24 * 7), 50))) is None  # round the clock
    assert users_of(seen({24 * day + 2: 900 for day in range(14)})) is None  # a nightly job
    assert users_of(seen(dict.fromkeys(range(9, 19), 50))) is None  # one day of office hours may be anything
    assert users_of(Tally()) is None


def test_the_middle_of_a_day_is_on_the_circle() -> None:
    """23:30 and 00:30 have midnight between them, not noon; two opposite hours lean nowhere."""
    middle, leaning = middle_of_day({23: Busy(1), 0: Busy(1)})
    assert min(middle, 24 - middle) == pytest.approx(0, abs=1e-9)
    assert leaning == pytest.approx(np.cos(np.pi / 24))  # two unit vectors 15 degrees apart
    assert middle_of_day({0: Busy(5), 12: Busy(5)})[1] == pytest.approx(0, abs=1e-12)


def test_the_vantage_is_guessed_by_name_or_by_what_only_a_gateway_knows() -> None:
    def of(*logs: str, **sums: Sum) -> str | None:
        guess = vantage_of(Profile(Partial(("workload",), {("a",): Tally(3, sums=sums)})), logs)
        return guess.value if guess else None

    assert of("logs/litellm-nov.jsonl") == "gateway"
    assert of("rum-export.csv") == "client"
    assert of("drum.csv") is None
    assert of("nightly/vllm.log") == "server"
    assert of("x.jsonl", cost_usd=Sum(10**9, 3)) == "gateway"
    assert of("nginx/x.jsonl") is None  # the file's own name counts, not the folder it happens to lie in


# --- offers ----------------------------------------------------------------------------------------------------------------

CHAT = Tally(1000, sums={"input_tokens": Sum(1_000_000, 1000), "output_tokens": Sum(200_000, 1000)})
EMBED = Tally(1000, sums={"input_tokens": Sum(100_000, 1000), "output_tokens": Sum(0, 1000)})


def test_the_same_model_is_found_on_both_sides_with_its_cost() -> None:
    edge, cloud = same_model("meta-llama/Llama-3.3-70B-Instruct-Turbo", CHAT, DAY)
    assert [match.reference for match in edge] == ["cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast"]
    # 1,000 tokens in at 0.293 and 200 out at 2.253 USD/Mtok: 0.293 + 0.4506 USD per 1,000 requests.
    assert edge[0].usd_1k == pytest.approx(0.7436, rel=2e-3)
    assert "deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo" in [match.reference for match in cloud]
    costs = [match.usd_1k for match in cloud if match.usd_1k is not None]
    assert costs == sorted(costs)


def test_another_model_does_the_same_kind_of_thing() -> None:
    embedding = [match.reference for match in others_at_edge("BAAI/bge-base-en-v1.5", EMBED, DAY)]
    assert "cloudflare/@cf/baai/bge-m3" in embedding
    assert not [ref for ref in embedding if "bge-base-en" in ref or "llama" in ref or "distilbert" in ref]
    chat = [match.reference for match in others_at_edge("meta-llama/Llama-3.3-70B-Instruct", CHAT, DAY)]
    assert chat
    assert not [ref for ref in chat if "bge" in ref or "guard" in ref or "llama-3.3-70b" in ref]


def test_the_nearest_in_cost_is_named_first() -> None:
    found = [Match("a", False, 0.1), Match("b", False, 0.2), Match("c", False, 0.3), Match("d", False, 0.9), Match("e", False, None)]
    assert [match.reference for match in nearest_in_cost(found, 0.5)] == ["c", "b"]
    assert [match.reference for match in nearest_in_cost(found, 0.05)] == ["a"]
    assert [match.reference for match in nearest_in_cost(found, None)] == ["a"]
    assert nearest_in_cost([], 1.0) == ()


# --- init ------------------------------------------------------------------------------------------------------------------


def test_a_draft_is_judged_by_check_as_it_is(tmp_path: Path) -> None:
    """The answers come through a pipe: who waits, what it is worth, where they are, what must hold."""
    draft = tmp_path / "scenario.yaml"
    done = run(
        "init", GATEWAY, "--sampling", "0.1%", "-i", "-o", draft, said="people\n\nus-east=60%,eu-west=40%\np95 < 2 s and residency eu\n"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert f"next: edgeroi check {draft}" in done.stderr
    verdicts = edgeroi.check(draft)
    assert verdicts.gate in ("fail", "undecided")
    assistant = next(d.case for d in verdicts.decisions if d.case.workload == "assistant")
    assert (assistant.runs_on, assistant.needs.residency) == ("edge", "eu")
    assert [(p, limit.likely) for p, limit in assistant.needs.deadline] == [(0.95, 2000.0)]
    text = draft.read_text()
    assert "users_in: {us-east: 60%, eu-west: 40%}" in text
    assert text.startswith("# yaml-language-server: $schema=edgeroi-scenario.schema.json\n")
    # An alternative on either side, each with why.
    assert re.search(r"# +cloudflare/\S+ +# or at the edge: another model, so judge its answers first, \$0\.\d+ per 1,000", text)
    assert re.search(r"# now: \S+ +# or in the cloud: the same model, \$0\.\d+ per 1,000", text)


def test_the_questions_are_asked_on_a_terminal(tmp_path: Path) -> None:
    """Typed by hand, as it were: on a pseudo-terminal, the draft to a file that is no terminal."""
    ours, theirs = pty.openpty()
    draft = tmp_path / "scenario.yaml"
    with draft.open("wb") as out:
        child = subprocess.Popen([*CLI, "init", str(GATEWAY), "-i"], stdin=theirs, stdout=out, stderr=theirs)
        os.close(theirs)
        seen = b""
        for answer, asked in (
            (b"machines\n", b"1. Who waits"),
            (b"2 USD/h\n", b"hour of their waiting"),
            (b"\n", b"2. Where"),
            (b"\n", b"3. What"),
        ):
            while asked not in seen:
                seen += os.read(ours, 4096)
            os.write(ours, answer)
        assert child.wait() == 0
    os.close(ours)
    text = draft.read_text()
    assert text.count("users: machines") == 3
    assert "value: {waiting: 2 USD/h, why: machines wait for the answer, by: edgeroi init --interactive}" in text
    assert "users_in: {eu-west: 100%}\n" in text


def test_a_model_that_is_gone_is_judged_by_one_that_is_served(tmp_path: Path) -> None:
    """Groq retired llama-3.3-70b-versatile on 16 August 2026 (its deprecation page, as the book has it)."""
    rows = [
        {"timestamp": f"2026-07-{1 + n // 24:02d}T{n % 24:02d}:00:00Z", "workload": "chat", "provider": "groq", "input_tokens": 500,
         "model": "llama-3.3-70b-versatile", "output_tokens": 100, "latency_ms": 900 + n}
        for n in range(24 * 8)
    ]  # fmt: skip
    log, file = tmp_path / "calls.jsonl", tmp_path / "s.yaml"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    file.write_text(
        guided(edgeroi.profile(log, by=GROUPED_BY), [str(log)], Asked(users_in={"us-east": 1.0}, runs_on="edge"), "n", DAY, file)
    )
    assert "# now: groq/llama-3.3-70b-versatile   # as the log names it; it was retired on 2026-08-16" in file.read_text()
    assert re.search(r"^    now: \S+   # instead: the same model, \$", file.read_text(), re.MULTILINE)
    assert "seen_from: gateway   # guessed: the log names the provider" in file.read_text()
    verdicts = edgeroi.check(file, prices_as_of=DAY)
    assert verdicts.to_frame()["premium_usd_month"].notna().all()


def test_with_nobody_to_answer_the_defaults_hold(tmp_path: Path) -> None:
    profile = edgeroi.profile(GATEWAY, by=GROUPED_BY)
    said: list[str] = []
    asked = answered(Asked(), profile, lambda question: None, said.append)
    assert (asked.waits, asked.waiting, asked.users_in, asked.needs) == ("people", "5 to 40 USD/h", {"eu-west": 1.0}, ())
    assert said == ["the answers go into every workload of the log; part them in the file where they differ"]


def answers(*lines: str) -> Asked:
    left = iter(lines)
    return answered(Asked(), edgeroi.profile(GATEWAY, by=GROUPED_BY), lambda question: next(left, None), lambda line: None)


def test_a_wrong_answer_is_asked_again_and_the_last_word_counts() -> None:
    asked = answers("everybody", "nobody", "atlantis", "us-west", "fast", "offline and p99 < 300 ms")
    assert (asked.waits, asked.waiting, asked.users_in) == ("nobody", None, {"us-west": 1.0})
    assert asked.needs[:2] == ("deadline: {p99: 300 ms}", "offline: true")
    with pytest.raises(EdgeroiError, match="is no requirement"):
        answers("people", "", "", "fast")


@pytest.mark.parametrize("needs", ["residency eu: x", "p95 < soon", "p95 < 3 s\n  evil: 1", "residency [a]"])
def test_an_answer_cannot_write_yaml_of_its_own(needs: str) -> None:
    with pytest.raises(EdgeroiError):
        answers("people", "", "", needs)


def test_the_log_and_the_answers_cannot_share_stdin() -> None:
    done = run("init", "-", "--interactive", said="")
    assert done.returncode == 2
    assert "cannot both come through stdin" in done.stderr


def test_nothing_in_a_log_writes_a_line_of_the_draft(tmp_path: Path) -> None:
    """Neither its name, nor the workload, provider or model it tells of."""
    hostile = {"workload": "w\nevil: 1", "provider": "p", "model": "m\nevil: 2", "placement": "cloud", "input_tokens": 5, "latency_ms": 9}
    begun = datetime(2026, 11, 1, tzinfo=UTC)
    log = tmp_path / "gateway\nevil: 3.jsonl"
    log.write_text("".join(json.dumps(hostile | {"timestamp": (begun + timedelta(hours=n)).isoformat()}) + "\n" for n in range(100)))
    profile = edgeroi.profile(log, by=GROUPED_BY)
    for text in (guided(profile, [str(log)], Asked(), "n", DAY, tmp_path / "s.yaml"), draft(profile, [str(log)], Asked(), "n")):
        assert not [line for line in text.splitlines() if line.startswith("evil")]
        assert "m?evil: 2" in text


#: Neither a project's policy nor a file of policies alone is a scenario.
SHIPPED = sorted(p for p in (ROOT / "scenarios").rglob("*.yaml") if p.name != "edgeroi.yaml" and p.parent.name != "policies")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_scenario_tells_editors_its_grammar(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    grammar = file.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads(grammar.read_text())["$id"] == "urn:edgeroi:schema:scenario:1"
