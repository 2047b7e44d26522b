"""The shipped scenarios: each lints, gives the verdict its table states, and between them every verdict occurs."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
from judged import TODAY, judged
from scipy.stats import norm

from edgeroi.cli.schema import schema_text
from edgeroi.linting import lint_files
from edgeroi.renderers import Page, renderer
from edgeroi.scenario import scenario_files
from edgeroi.verdict import Decision, Verdict
from edgeroi.verdict_report import WORDS, verdict_report

FOLDER = Path(__file__).parents[1] / "scenarios"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def rows(width: int) -> list[list[str]]:
    """The rows of the README's tables with so many columns, headers left out."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines() if line.startswith("|")]
    return [row for row in cells if len(row) == width and row[0] != "file" and not row[0].startswith("---")]


def stated() -> list[tuple[str, str, str]]:
    """File, workload and verdict of every line; a file's name stands on its first."""
    found, file = [], ""
    for name, workload, _, verdict in rows(4):
        file = name.strip("`") or file
        found.append((file, workload, verdict))
    return found


@cache
def decided(file: str) -> dict[str, Decision]:
    return {decision.case.workload: decision for decision in judged(FOLDER / file).decisions}


@pytest.mark.parametrize(("file", "workload", "verdict"), stated())
def test_each_gives_the_verdict_its_table_states(file: str, workload: str, verdict: str) -> None:
    assert WORDS[decided(file)[workload].verdict][0] == verdict


def test_the_tables_list_every_file_and_workload() -> None:
    listed = {(file, workload) for file, workload, _ in stated()}
    there = {(path.name, workload) for path in FOLDER.glob("*.yaml") for workload in decided(path.name)}
    assert listed == there
    assert {row[0].strip("`") for row in rows(3)} == {f"gate/{path.name}" for path in (FOLDER / "gate").glob("*.yaml")}


def test_every_verdict_occurs() -> None:
    assert {decision.verdict for path in FOLDER.glob("*.yaml") for decision in decided(path.name).values()} == set(get_args(Verdict))


def test_all_lint_without_an_error() -> None:
    found = lint_files([FOLDER], TODAY)
    assert found.errors == 0
    assert {finding.rule for finding in found.findings} <= {"low-confidence"}


def test_each_states_its_day_and_says_its_verdict_in_a_comment() -> None:
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
        assert "prices_as_of: 2026-11-22" in text
        assert all(WORDS[decision.verdict][0] in comments for decision in decided(path.name).values()), path.name


@pytest.mark.parametrize(("file", "exit_status"), [(row[0].strip("`"), int(row[2])) for row in rows(3)])
def test_the_gate_ends_as_stated(file: str, exit_status: int) -> None:
    """In a process of its own: tests/test_cli_check.py."""
    assert {"pass": 0, "fail": 1, "undecided": 3}[judged(FOLDER / file, gate=True).gate or ""] == exit_status


def test_a_whole_folder_in_one_call() -> None:
    ran = subprocess.run([sys.executable, "-m", "edgeroi", "compare", str(FOLDER)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("net (90 % interval)") == len(scenario_files(FOLDER))


@pytest.mark.parametrize("command", ["compare", "check"])
def test_every_document_keeps_its_schema(command: str) -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    document = json.loads(renderer("json").render(verdict_report(judged(*files, gate=command == "check")), Page()))
    found = jsonschema.Draft202012Validator(json.loads(schema_text(command))).iter_errors(document)
    assert [error.json_path for error in found] == []


# ---- the article -------------------------------------------------------------------------------------------------------------

#: 10 M requests of 100 tokens at 0.20 and 0.001 USD/Mtok; and at deepinfra's 0.005 against 6,058 neurons/Mtok at 0.011 per 1,000.
SAID = 1000 * 0.20 - 1000 * 0.001
REAL = (1000 * 6058 - 10_000 * 730 / 24) / 1000 * 0.011 - 1000 * 0.005
LINEAR = 10_000_000 * 150 / 3_600_000 * 15
ARTICLE = {
    "claim": 10_000_000 * 150 / 3_600_000 * 100 - SAID,
    "none": -SAID,
    "linear": LINEAR - SAID,
    "deadline": 10_000_000 * 0.005 * 0.001 - SAID,
    "elasticity": 10_000_000 * 0.00245 * 0.001 - SAID,
    "stage": -SAID,
    "real-none": -REAL,
    "real-linear": LINEAR - REAL,
    "real-deadline": 50 - REAL,
    "real-elasticity": 24.5 - REAL,
    "real-elasticity-1c": 245 - REAL,
    "real-stage": -REAL,
}


@pytest.mark.parametrize("workload", ARTICLE)
def test_the_article_corrected(workload: str) -> None:
    assert decided("article-embedding.yaml")[workload].books.likely.net == pytest.approx(ARTICLE[workload], abs=0.005)


def test_the_figures_in_the_articles_comment() -> None:
    """The corrected column says what the scenario gives."""
    text = (FOLDER / "article-embedding.yaml").read_text(encoding="utf-8")
    claim = decided("article-embedding.yaml")["claim"].books
    said = [f"${claim.likely.premium:,.2f}", f"${claim.likely.value:,.2f}", f"+${claim.likely.net:,.2f}", "$1.99 (code)", "$41,667 (code)"]
    assert [figure for figure in said if figure not in text] == []
    assert re.search(r"\$0\.478 for an hour", text)
    assert claim.break_even["waiting_usd_per_hour"] == pytest.approx(0.478, abs=0.0005)


# ---- the evidence behind the verdicts ------------------------------------------------------------------------------------------


def test_the_chatbot_is_judged_by_its_best_case() -> None:
    found = decided("chatbot-70b.yaml")["assistant"]
    assert (found.books.candidate.best_case, found.books.candidate.measured) == (True, False)
    assert found.reason.startswith("even the best case loses")
    assert found.books.net_high < 0


def test_the_users_leg_that_a_gateway_does_not_see_is_added_and_taken_away() -> None:
    """us-east to us-east 15.5 ms, eu-west to us-east 83, ap-south to us-east 234: a mean of 57.6 ms, and no more can be saved."""
    found = decided("chatbot-70b.yaml")["assistant"].books.saved
    assert found is not None
    assert found.mean == pytest.approx(0.6 * 15.5 + 0.3 * 83 + 0.1 * 234, abs=0.01)


def test_suggest_rests_on_two_measurements_and_its_misses() -> None:
    """Counted in the logs: 552 of 600 cloud requests and 104 of 600 edge requests take more than 100 ms."""
    found = decided("embedding-measured.yaml")["suggest"].books
    assert found.candidate.measured
    assert found.baseline.measured
    late = {side: late_in(side, 100.0) for side in ("cloud", "edge")}
    assert found.likely.value == pytest.approx(10_000_000 * (late["cloud"] - late["edge"]) * 0.0001, rel=1e-6)


def late_in(side: str, limit_ms: float) -> float:
    """The share of a sample log's requests that take longer, counted line by line."""
    text = (FOLDER.parent / "sample_logs" / f"embedding-{side}.jsonl").read_text(encoding="utf-8")
    found = [float(ms) for ms in re.findall(r'"latency_ms":([\d.]+)', text)]
    return sum(ms > limit_ms for ms in found) / len(found)


def test_the_completion_names_its_driver_and_what_settling_it_is_worth() -> None:
    """The figures in its comment are those the tool says."""
    found = decided("inline-completion.yaml")["completion"]
    text = (FOLDER / "inline-completion.yaml").read_text(encoding="utf-8")
    books, deciding = found.books, found.books.deciding
    assert books.prospect is not None
    assert deciding is not None
    assert found.reason == "completion.value.linear_time.waiting decides, P(worth it) 70 %"
    assert deciding.driver.name in text
    said = {f"${books.likely.premium:,.0f}", f"${books.turn_of(deciding):,.0f}", f"${books.prospect.evpi:,.0f}"}
    assert [figure for figure in (*said, f"${books.worth_knowing(deciding.driver):,.0f}") if figure not in text] == []
    guesses = [bar.driver.name for bar in books.bars if bar.driver.is_guess]
    assert guesses == ["completion.requests"]


def test_the_completion_against_draws_of_another_generator() -> None:
    """The same worlds drawn independently with numpy: waiting lognormal, the rest triangular; mean latencies of lognormals by hand."""
    rng = np.random.default_rng(42)
    n = 200_000
    waiting = np.exp(np.log(300**0.5) + np.log(12) / (2 * 1.6448536) * rng.standard_normal(n))
    requests, p50 = rng.triangular(2e6, 3e6, 5e6, n), rng.triangular(95, 110, 125, n)
    fee, hours = rng.triangular(300, 400, 600, n), rng.triangular(2, 3, 6, n)
    means = [mid * np.exp((np.log(tail / mid) / 2.3263479) ** 2 / 2) for mid, tail in ((260, 520), (p50, 300))]
    premium = requests * (900 * 0.05 + 30 * 0.20) / 1e6 + fee + hours * 90
    net = waiting * 0.6 * requests * (means[0] - means[1]) / 3.6e6 - premium
    prospect = decided("inline-completion.yaml")["completion"].books.prospect
    assert prospect is not None
    # Every saving counts here; the few fast requests that save less than is felt take 2 % off.
    assert prospect.p_worth_it == pytest.approx(np.mean(net >= 0), abs=0.02)
    assert prospect.evpi == pytest.approx(np.maximum(net, 0).mean() - max(0, net.mean()), rel=0.15)


def test_the_voice_deadline_is_met_by_the_edge_alone() -> None:
    case = decided("voice.yaml")["voice"].case
    from edgeroi.verdict import needs_of

    met = {name: needs_of(case, option)["p95 < 800 ms"] for name, option in case.options.items()}
    assert met == {"cloud": "misses", "regional": "misses", "edge": "meets"}


def test_a_hybrid_beats_both_sides() -> None:
    """The edge alone loses against the cloud alone, whose net is 0; asking the one first and the other behind it gains."""
    for workload, hybrid in (("reply", "guarded"), ("triage", "checked")):
        found = decided("hybrid.yaml")[workload]
        nets = {name: books.likely.net for name, books in found.case.all_books.items()}
        assert nets["edge"] < -found.case.books.likely.cost * 0.05
        assert nets[hybrid] > 1000
        assert (found.best, found.case.options[found.best].places) == (hybrid, ("edge", "cloud"))


def test_the_figures_in_the_hybrids_comment() -> None:
    """Misses of 1,500 ms by the formulas: P(L1 > 600) by lognormal tails and cold starts, then P(L2 > 900) behind it, and 2 % failures.

    The edge: 12 + lognormal(240, 600), in 4 % of requests 4 s more; the cloud: 95 + lognormal(420, 2400).
    """
    from scipy.stats import norm

    def late(ms: float, p50: float, p99: float) -> float:
        return float(norm.sf(np.log(ms / p50) / (np.log(p99 / p50) / norm.ppf(0.99))))

    cloud, edge = late(1405, 420, 2400), 0.98 * (0.96 * late(1488, 240, 600) + 0.04) + 0.02
    goes = 0.98 * (0.96 * late(588, 240, 600) + 0.04)
    found = decided("hybrid.yaml")["reply"].case
    misses = {name: found.books.latency_of(option).miss_ratio(1500) for name, option in found.options.items()}  # type: ignore[union-attr]
    assert misses["cloud"] == pytest.approx(cloud, rel=0.001)
    assert misses["edge"] == pytest.approx(edge, rel=0.001)
    # A failure takes as long as a success: most show after some 250 ms, and leave the cloud the rest of the time.
    independent = goes * late(805, 420, 2400) + 0.02 * (0.96 * late(1500 - 95 - 252, 420, 2400) + 0.04 * late(805, 420, 2400))
    # Where the same requests are slow, those that go on meet the slowest 6 % of the cloud, all of them above 1,400 ms: every one is late.
    together = goes + 0.02
    assert misses["guarded"] == pytest.approx(0.9 * independent + 0.1 * together, rel=0.01)
    text = (FOLDER / "hybrid.yaml").read_text(encoding="utf-8")
    for name, said in (("cloud", "5.3 %"), ("edge", "5.9 %"), ("guarded", "1.7 % are late")):
        assert f"{100 * misses[name]:.1f} %" in said
        assert said in text


def test_a_nearer_region_meets_the_deadline_for_less_than_the_edge() -> None:
    """250 and 400 tokens, 2 M a month: 500 and 800 Mtok at 0.72 USD/Mtok each way are 936 USD; neurons at the edge come to 1,945.61."""
    found = decided("nearer-region.yaml")["drafts"]
    edge = (500 * 26668 + 800 * 204805 - 10_000 * 730 / 24) / 1000 * 0.011
    assert found.reason == f"virginia misses p95 < 700 ms, amsterdam meets it for ${edge - (500 + 800) * 0.72:,.2f} a month less than edge"
    assert found.books.likely.premium == pytest.approx((500 + 800) * 0.72 - 500 * 0.10 - 800 * 0.32)
    at_the_edge = decided("nearer-region.yaml")["drafts-at-the-edge"]
    assert at_the_edge.reason.startswith("amsterdam meets p95 < 700 ms for ")


def test_no_option_of_the_headset_meets_both_needs() -> None:
    found = decided("impossible.yaml")["labels"]
    assert found.reason == "no option meets every need: cloud misses p99 < 20 ms, edge misses p99 < 20 ms, headset misses quality"
    missing = {name: found.books.latency_of(option).quantile(0.99) - 20 for name, option in found.case.options.items()}  # type: ignore[union-attr]
    assert missing == pytest.approx({"cloud": 62 + 45 - 20, "edge": 5 + 33 - 20, "headset": 16 - 20}, abs=0.01)


def test_the_same_servers_at_four_sites_wait_longer_than_in_one_place() -> None:
    """Lognormal service, p50 55 and p99 210 ms: its mean holds a server, sites of two and a pool of eight are M/M/c at one utilisation."""
    sigma = math.log(210 / 55) / norm.ppf(0.99)
    holds = 55 * math.exp(sigma**2 / 2)
    rho = 250e6 / (730 * 3.6e6) * holds / 8
    found = decided("dedicated.yaml")["classify"].books
    waits = {2: holds * rho**2 / (1 - rho**2), 8: holds * erlang_c_of(8, 8 * rho) / (8 * (1 - rho))}
    assert found.after is not None
    assert found.before is not None
    assert found.after.mean_ms == pytest.approx(8 + holds + waits[2], rel=1e-3)
    assert found.before.mean_ms == pytest.approx(48 + holds + waits[8], rel=1e-3)
    assert found.likely.premium == 0
    assert decided("dedicated.yaml")["classify-at-night"].books.saved.mean > 0  # type: ignore[union-attr]


def erlang_c_of(servers: int, load: float) -> float:
    """From its sum, not from the recursion."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / math.factorial(n) for n in range(servers)) + last)
