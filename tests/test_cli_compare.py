"""What ``edgeroi compare`` prints: the table, the sentence, the decision path, the cost lines, and the document behind them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from judged import TODAY, judged
from typer.testing import CliRunner

from edgeroi.cli.main import app
from edgeroi.cli.schema import schema_text
from edgeroi.economics import Books
from edgeroi.errors import EdgeroiError
from edgeroi.linting import lint_files

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"
GATEWAY = ROOT / "sample_logs" / "gateway.litellm.jsonl"
EDGE_70B = "cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def compare(*arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "edgeroi", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, input=stdin)


@cache
def out(*arguments: str | Path) -> str:
    """What it prints, in this process."""
    ran = CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def document(*arguments: str | Path) -> dict[str, Any]:
    return json.loads(out(*arguments, "--format", "json"))  # type: ignore[no-any-return]


# ---- the table --------------------------------------------------------------------------------------------------------------


def test_the_table_of_the_chatbot() -> None:
    printed = out(SCENARIOS / "chatbot-70b.yaml")
    title, header, *_ = printed.splitlines()
    log = "24 Oct-20 Nov, 28 d · 1,500 requests · sampled 0.1 % · seen from gateway"
    assert title == f"Assistant on Llama 3.3 70B · {log} · prices 2026-11-22 · USD/month"
    assert header.split("  ")[0] == "workload"
    assert [name for name in ("runs on", "verdict", "premium", "value", "net (90 % interval)", "flips if") if name not in header] == []
    assert "x NOT WORTH IT" in printed
    assert "saves 57 of 669 ms to first token (8%, not felt, from 134 ms; best case)" in printed
    assert "e2e p50" in printed
    assert "same model, cloud to edge" in printed


def test_the_sentence_to_repeat() -> None:
    printed = out(SCENARIOS / "chatbot-70b.yaml").rstrip().splitlines()[-1]
    assert printed.startswith("assistant: edge costs $")
    assert "it pays only if an hour of waiting is worth more than $" in printed


def test_a_piped_table_is_never_cut() -> None:
    lines = out(SCENARIOS / "article-embedding.yaml").splitlines()
    assert max(map(len, lines)) > 80
    assert not any("…" in line for line in lines)


def test_the_decision_path_and_every_cost_line() -> None:
    printed = out(SCENARIOS / "chatbot-70b.yaml", "--explain", "assistant")
    asked = ["enough data?", "may the data leave?", "must it work offline?", "hard deadline?", "is the network the bottleneck?"]
    asked += ["origin calls on the path?", "does an acceptable model fit?", "utilisation?", "money?", "operations labour?", "how sure?"]
    path = printed[printed.index("decided by: money?") + len("decided by: money?") :]
    places = [path.index(question) for question in asked]
    assert places == sorted(places)
    assert "money? -> NOT WORTH IT" in printed
    assert "neurons, 26668 per Mtok in, 204805 out" in printed
    assert "first 10,000 neurons a day free" in printed
    assert "2026-09-20" in printed


def test_explaining_an_unknown_workload_names_the_known() -> None:
    ran = compare(SCENARIOS / "chatbot-70b.yaml", "--explain", "asistant")
    assert ran.returncode == 2
    assert b"assistant" in ran.stderr


def test_set_changes_what_is_stated() -> None:
    found = document(SCENARIOS / "gate" / "no-reason.yaml", "--set", "workloads.lookup.value.waiting=15 USD/h")
    assert found["scenarios"][0]["workloads"][0]["verdict"] == "worth_it"


def test_markdown_and_csv() -> None:
    assert "| workload | runs on | verdict |" in out(SCENARIOS / "moderation.yaml", "--format", "markdown")
    rows = list(csv.DictReader(io.StringIO(out(SCENARIOS / "moderation.yaml", "--format", "csv"))))
    assert rows[0]["workload"] == "moderation"
    assert float(rows[0]["premium_usd_month"]) == pytest.approx(72.91, abs=0.005)


# ---- the document -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(path.name for path in SCENARIOS.glob("*.yaml")))
def test_the_document_keeps_its_schema(file: str) -> None:
    found = document(SCENARIOS / file)
    jsonschema.Draft202012Validator(json.loads(schema_text("compare"))).validate(found)
    assert (found["command"], found["prices_as_of"]) == ("compare", "2026-11-22")


def test_every_cost_line_has_quantity_unit_rate_source_and_basis_and_adds_up() -> None:
    found = document(SCENARIOS / "chatbot-70b.yaml")["scenarios"][0]["workloads"][0]
    for option in found["options"].values():
        lines = option["cost_lines"]
        assert sum(line["usd_month"] for line in lines) == pytest.approx(option["cost_usd_month"])
        assert all(line["quantity"] * line["rate_usd"] == pytest.approx(line["usd_month"]) for line in lines)
        assert all(line["unit"] and line["source"] and line["as_of"] and line["basis"] for line in lines)
        assert option["cost_usd_year"] == pytest.approx(12 * option["cost_usd_month"])
        requests = found["traffic"]["requests_month"]["likely"]
        assert option["cost_usd_per_1k_requests"] == pytest.approx(option["cost_usd_month"] / requests * 1000)
    candidate = found["candidate"]
    costs = {name: option["cost_usd_month"] for name, option in found["options"].items()}
    assert candidate["premium_usd_month"] == pytest.approx(costs["edge"] - costs["now"])
    assert candidate["net_usd_month"] == pytest.approx(candidate["value_usd_month"] - candidate["premium_usd_month"])
    assert candidate["p_worth_it"] is None


def test_the_document_holds_what_the_table_shows() -> None:
    found = document(SCENARIOS / "embedding-measured.yaml")["scenarios"][0]["workloads"]
    printed = out(SCENARIOS / "embedding-measured.yaml")
    for workload in found:
        assert workload["sentence"] in printed
        assert workload["flips_if"] in printed
        assert f"{workload['judged']['saved_ms']['p50']:,.0f} of " in printed
        assert workload["judged"]["saved_ms"]["basis"] == "measured"


def test_a_table_looks_for_no_number_that_it_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume at which it would turn takes hundreds of worlds, and stands in the document only."""
    looked: list[str] = []

    def look(self: Books) -> float:
        looked.append(self.candidate.name)
        return 4321.0

    monkeypatch.setattr(Books, "_break_even_requests", look)
    shown = CliRunner().invoke(app, ["compare", str(ROOT / "scenarios/gate/justified.yaml")])
    assert (shown.exit_code, looked) == (0, [])
    told = CliRunner().invoke(app, ["compare", str(ROOT / "scenarios/gate/justified.yaml"), "--format", "json"])
    (workload,) = json.loads(told.stdout)["scenarios"][0]["workloads"]
    assert workload["break_even"]["requests_month"] == 4321.0
    assert looked == [workload["best"]]


def test_files_are_accounted_for_in_the_document() -> None:
    (file,) = document(SCENARIOS / "chatbot-70b.yaml")["files"]
    lines = file["lines"]
    assert file["path"].endswith("gateway.litellm.jsonl")
    assert lines["read"] == lines["blank"] + lines["profiled"] + sum(lines["rejected"].values()) + sum(lines["skipped"].values())
    assert lines["read"] == len(GATEWAY.read_bytes().splitlines())


# ---- without a scenario ---------------------------------------------------------------------------------------------------------

LOG = (GATEWAY, "--edge", EDGE_70B, "--sampling", "0.1%", "--users-in", "us-east=60%,eu-west=30%,ap-south=10%")


def test_a_log_and_an_edge_offer_give_the_sentence() -> None:
    printed = out(*LOG, "--waiting", "5 to 40 USD/h")
    assert "x NOT WORTH IT" in printed
    assert "it pays only if an hour of waiting is worth more than $42.95" in printed


def test_a_log_gives_what_the_same_scenario_gives() -> None:
    from_log = document(*LOG, "--waiting", "5 to 40 USD/h")["scenarios"][0]["workloads"]
    from_scenario = document(SCENARIOS / "chatbot-70b.yaml")["scenarios"][0]["workloads"]
    assert [workload["workload"] for workload in from_log] == ["assistant"]
    assert from_log[0]["candidate"] == {**from_scenario[0]["candidate"], "basis": "assumed"}  # the region of now is not stated


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--edge", "cloudflare/@cf/meta/llama-3.3-70b"), "error: --edge: cloudflare lists no model '@cf/meta/llama-3.3-70b'; nearest: "),
        (("--edge", "foo"), "error: --edge: 'foo' is not a price reference; write provider/model"),
        (("--edge", "groq/llama-3.1-8b-instant"), "error: --edge: groq/llama-3.1-8b-instant was retired on 2026-08-16; choose "),
        (("--edge", EDGE_70B, "--now", "deepinfra/none"), "error: --now: deepinfra lists no model 'none'; it lists "),
        (("--edge", EDGE_70B, "--users-in", "atlantis=100%"), "error: --users-in: unknown region 'atlantis'; known: "),
        (("--edge", EDGE_70B, "--waiting", "5"), "error: --waiting: 5 has no unit; write `5 USD/h`"),
    ],
)
def test_a_mistake_is_told_of_the_option_it_is_in(arguments: tuple[str, ...], said: str) -> None:
    ran = compare(GATEWAY, *arguments)
    assert ran.returncode == 2
    first, *more = ran.stderr.decode().splitlines()
    assert first.startswith(said)
    assert more == []  # once, however many workloads it is about


def test_workloads_of_other_models_are_left_out_and_named() -> None:
    ran = compare(*LOG)
    assert b"left out, another model serves them: moderation (meta-llama/Llama-Guard-3-8B), search-embeddings" in ran.stderr


def test_an_offer_no_workload_has_now_is_held_against_all() -> None:
    found = document(GATEWAY, "--edge", "cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8-fast")["scenarios"][0]["workloads"]
    assert [workload["workload"] for workload in found] == ["assistant", "moderation", "search-embeddings"]


def test_without_where_the_users_are_it_says_so() -> None:
    printed = out(GATEWAY, "--edge", EDGE_70B, "--sampling", "0.1%", "--waiting", "15 USD/h")
    assert "say where the users are (users_in)" in printed


def test_a_log_through_a_pipe() -> None:
    arguments = ("-", *LOG[1:], "--waiting", "5 to 40 USD/h")
    piped = compare(*arguments, stdin=GATEWAY.read_bytes())
    assert piped.returncode == 0, piped.stderr.decode()
    assert b"NOT WORTH IT" in piped.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((GATEWAY,), "is no scenario; a log goes with --edge"),
        ((GATEWAY, "--users-in", "us-east=100%"), "--edge"),
        ((SCENARIOS / "voice.yaml", "--edge", EDGE_70B), "voice.yaml: a scenario names its options itself; drop --edge"),
        ((SCENARIOS / "voice.yaml", SCENARIOS / "voice.yaml"), "its premium would count twice; name it once"),
        ((SCENARIOS, SCENARIOS / "voice.yaml"), "its premium would count twice; name it once"),
        ((SCENARIOS / "voic.yaml",), "did you mean"),
        ((SCENARIOS / "voice.yaml", "--format", "junit"), "Invalid value for '--format': 'junit' is not one of 'table'"),
        ((SCENARIOS / "voice.yaml", "--set", "workloads.voice.bseline=cloud"), "error: --set workloads.voice.bseline: unknown"),
        ((*LOG[:3], "--users-in", "us-east=60%"), "sum to 60%"),
        ((*LOG[:3], "--users-in", "atlantis=100%"), "unknown region 'atlantis'"),
        ((GATEWAY, "--edge", "cloudflare/@cf/meta/llama-3.3-70b"), "nearest"),
        ((*LOG, "--waiting", "a lot"), "USD/h"),
        ((*LOG, "--now", "deepinfra/none"), "none"),
    ],
)
def test_what_a_user_gets_wrong_is_2_and_says_how_to_go_on(arguments: tuple[str | Path, ...], said: str) -> None:
    ran = compare(*arguments)
    assert ran.returncode == 2, ran.stdout.decode()
    assert said in ran.stderr.decode()
    assert b"Traceback" not in ran.stderr


# ---- init ------------------------------------------------------------------------------------------------------------------------


def init(*arguments: str | Path) -> str:
    ran = CliRunner().invoke(app, ["init", *map(str, arguments)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    "log", ["gateway.litellm.jsonl", "rag.jsonl.gz", "voice.jsonl.gz", "nightly-summaries.jsonl.gz", "spans.otlp.jsonl.gz"]
)
def test_a_draft_lints_and_compares(tmp_path: Path, log: str) -> None:
    draft = tmp_path / "scenario.yaml"
    init(ROOT / "sample_logs" / log, "--output", draft)
    assert lint_files([draft], TODAY).errors == 0
    assert judged(draft).decisions


def test_a_draft_does_not_overwrite_answers(tmp_path: Path) -> None:
    draft = tmp_path / "scenario.yaml"
    init(GATEWAY, "--output", draft)
    draft.write_text(draft.read_text() + "# an answer\n")
    ran = CliRunner().invoke(app, ["init", str(GATEWAY), "--output", str(draft)])
    assert isinstance(ran.exception, EdgeroiError)
    assert "exists and may hold answers; remove it first" in str(ran.exception)
    assert draft.read_text().endswith("# an answer\n")


def test_a_draft_leaves_its_questions_as_comments() -> None:
    text = init(GATEWAY)
    for question in ("# runs_on: edge", "# value:"):
        assert question in text
    assert "\nusers_in: {eu-west: 100%}   # guessed: requests centre on 14:53 UTC, when it is afternoon there; where are the people" in text
    assert "  assistant:   # 720 requests, p50 4,520 ms, first token 613 ms, 1.8% errors" in text
    assert "    now: deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo   # as the log names it" in text


def test_a_draft_for_an_offer_gives_the_others_their_own() -> None:
    text = init(GATEWAY, "--edge", EDGE_70B)
    assert text.count(EDGE_70B) == 1
    assert "edge: cloudflare/@cf/meta/llama-guard-3-8b   # the same model, $" in text
