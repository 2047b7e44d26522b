"""``edgeroi route`` as it is typed and as Python: the sample log against the same rules applied by hand, its errors, its document."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

import edgeroi
from edgeroi.cli.main import app
from edgeroi.cli.schema import schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.renderers import Page, renderer
from edgeroi.route_report import route_report
from edgeroi.scenario import load_routes, shipped_routes

ROOT = Path(__file__).parents[1]
LOG = ROOT / "sample_logs" / "routed.jsonl.gz"
SUPPORT = ROOT / "scenarios" / "policies" / "support.yaml"
GOLDEN = Path(__file__).parent / "fixtures" / "routes" / "support.txt"


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeroi", "route", *map(str, args)], capture_output=True, text=True, cwd=ROOT, check=False
    )


@cache
def document(*args: str | Path) -> dict[str, Any]:
    """What ``--format json`` prints, from a command run in this process."""
    ran = CliRunner().invoke(app, ["route", *map(str, args), "--format", "json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def refused(*args: str | Path) -> EdgeroiError:
    with pytest.raises(EdgeroiError) as found:
        CliRunner().invoke(app, ["route", *map(str, args)], catch_exceptions=False)
    return found.value


@cache
def asked() -> tuple[Mapping[str, Mapping[str, Any]], ...]:
    """The questions of the sample, with both sides."""
    sides: dict[str, dict[str, Any]] = {}
    for line in gzip.decompress(LOG.read_bytes()).splitlines():
        row = json.loads(line)
        sides.setdefault(row["pair_id"], {})[row["placement"]] = row
    return tuple(sides.values())


def nearest_rank(values: list[float], p: float) -> float:
    return sorted(values)[math.ceil(p * len(values)) - 1]


def by_hand(sent: Callable[[Mapping[str, Any]], str]) -> Mapping[str, float]:
    chosen = [sides[sent(sides["edge"])] for sides in asked()]
    answered = [row for row in chosen if "error" not in row]
    return {
        "p50": nearest_rank([row["latency_ms"] for row in answered], 0.5),
        "p99": nearest_rank([row["latency_ms"] for row in answered], 0.99),
        "quality": sum(row["quality"] for row in answered) / len(answered),
        "availability": len(answered) / len(chosen),
        "share_edge": sum(row["placement"] == "edge" for row in answered) / len(chosen),
    }


def article(row: Mapping[str, Any]) -> str:
    """The article's own code: ``len(query.split()) < 50`` and none of three words in ``query.lower()``."""
    query = row["prompt"]
    has_context_request = any(word in query.lower() for word in ["summarize", "explain", "analyze"])
    confidence = 0.9 if (len(query.split()) < 50 and not has_context_request) else 0.3
    return "edge" if confidence > 0.7 else "cloud"


def told(found: Mapping[str, Any]) -> Mapping[str, float]:
    return {"p50": found["latency_ms"]["p50"], "p99": found["latency_ms"]["p99"]} | {
        name: found[name] for name in ("quality", "availability", "share_edge")
    }


# ---- the article's router, which is shipped


def test_the_article_s_router_sends_what_its_code_sends() -> None:
    assert "article" in shipped_routes()
    found = document(LOG)  # it is what is replayed where no policy is named
    policies = {each["name"]: each for each in found["policies"]}
    assert told(policies["router"]) == pytest.approx(by_hand(article))
    assert told(policies["edge"]) == pytest.approx(by_hand(lambda row: "edge"))
    assert told(policies["cloud"]) == pytest.approx(by_hand(lambda row: "cloud"))
    assert policies["router"]["sources"] == {"asked": 480}
    assert policies["router"]["quality_basis"] == policies["router"]["latency_ms"]["basis"] == "measured"


def test_what_the_article_s_confidence_is_worth() -> None:
    (found,) = document(LOG)["confidence"]
    rated = [
        (0.9 if article(sides["edge"]) == "edge" else 0.3, sides["edge"]["quality"]) for sides in asked() if "error" not in sides["edge"]
    ]
    error = 0.0
    for confidence in (0.9, 0.3):
        qualities = [quality for claimed, quality in rated if claimed == confidence]
        error += len(qualities) / len(rated) * abs(confidence - sum(qualities) / len(qualities))
    assert found["calibration_error"] == pytest.approx(error)
    assert found["from"] == "policy"
    assert sum(each["requests"] for each in found["bins"]) == found["requests"] == len(rated)
    both = [sides for sides in asked() if "error" not in sides["edge"]]
    worse = sum(article(s["edge"]) == "edge" and s["edge"]["quality"] < s["cloud"]["quality"] for s in both) / len(both)
    needless = sum(article(s["edge"]) == "cloud" and s["edge"]["quality"] >= s["cloud"]["quality"] for s in both) / len(both)
    assert found["misrouted"]["too_weak"] == pytest.approx([worse, worse])
    assert found["misrouted"]["too_strong"] == pytest.approx([needless, needless])


def test_without_pairs_the_misrouted_are_bounded_and_the_bounds_hold_what_pairs_know(tmp_path: Path) -> None:
    rows = [dict(side) for sides in asked() for side in sides.values()]
    path = tmp_path / "apart.jsonl"
    path.write_text("".join(json.dumps({key: value for key, value in row.items() if key != "pair_id"}) + "\n" for row in rows))
    (exact,), (bounded,) = document(LOG)["confidence"], document(path)["confidence"]
    assert bounded["misrouted"]["paired"] is False
    for way in ("too_weak", "too_strong"):
        low, high = bounded["misrouted"][way]
        assert low < exact["misrouted"][way][0] < high


# ---- the report


def test_the_sample_as_it_is_printed() -> None:
    done = run("sample_logs/routed.jsonl.gz", "--policy", "scenarios/policies/support.yaml", "--sweep", "confidence", "--goal", "max-net")
    assert done.returncode == 0, done.stderr
    assert done.stdout == GOLDEN.read_text()


def test_the_document_has_its_schema_and_the_held_out_figure_is_the_one_printed() -> None:
    args = (LOG, "--policy", SUPPORT, "--sweep", "confidence", "--goal", "min-cost", "--quality-floor", "0.85")
    found = document(*args)
    schema = json.loads(schema_text("route"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    jsonschema.validate(document(LOG), schema)
    held, chosen_on = found["threshold"]["held_out"], found["threshold"]["chosen_on"]
    assert held["quality"]["value"] != chosen_on["quality"]["value"]
    printed = CliRunner().invoke(app, ["route", *map(str, args)]).stdout
    assert f"quality {held['quality']['value']:.4g} " in printed
    assert f"quality {chosen_on['quality']['value']:.4g} " not in printed
    requests = found["threshold"]["requests"]
    assert requests["chosen_on"] + requests["held_out"] == found["requests"]["n"] == 480


def test_the_threshold_does_not_hang_on_the_order_of_the_log_or_on_who_reads_it(tmp_path: Path) -> None:
    lines = gzip.decompress(LOG.read_bytes()).splitlines(keepends=True)
    turned = tmp_path / "turned.jsonl"
    turned.write_bytes(b"".join(reversed(lines)))
    args = ("--policy", SUPPORT, "--sweep", "confidence", "--goal", "max-net")
    one, two = document(LOG, *args)["threshold"], document(turned, *args, "--jobs", "2")["threshold"]
    assert (one["value"], one["interval"]) == (two["value"], two["interval"])
    assert one["held_out"]["net_usd_per_1k_requests"]["value"] == pytest.approx(two["held_out"]["net_usd_per_1k_requests"]["value"])
    assert one != document(LOG, *args, "--seed", "2")["threshold"]


def test_money_is_what_each_call_costs_at_the_option_s_price() -> None:
    policies = {each["name"]: each for each in document(LOG, "--policy", SUPPORT)["policies"]}
    # deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo as `edgeroi prices show` has it, USD per Mtok.
    shown = CliRunner().invoke(app, ["prices", "show", "deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo", "--format", "json"])
    rates = {rate["charges"]: rate["usd"] for rate in json.loads(shown.stdout)["prices"][0]["rates"]}
    spent = [side["cloud"]["input_tokens"] * rates["input"] + side["cloud"]["output_tokens"] * rates["output"] for side in asked()]
    assert policies["cloud"]["cost_usd_per_1k_requests"] == pytest.approx(1000 * sum(spent) / len(spent) / 1e6)
    assert policies["cloud"]["cost_usd_month"] == pytest.approx(300_000 * sum(spent) / len(spent) / 1e6)


# ---- Python


def test_the_python_function_says_the_same() -> None:
    found = edgeroi.route(LOG, SUPPORT, only="sure", sweep="confidence", goal="max-net")
    assert (
        found.document["threshold"]
        == document(LOG, "--policy", SUPPORT, "--only", "sure", "--sweep", "confidence", "--goal", "max-net")["threshold"]
    )
    frame = found.to_frame()
    assert frame["name"].tolist() == ["today", "edge", "cloud", "sure"]
    assert frame.loc[3, "latency_ms.p50"] == found.line("sure").outcome.latency().quantile(0.5)  # type: ignore[union-attr]
    with pytest.raises(FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]


def test_a_notebook_shows_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'edgeroi[plot]'")
    policy = tmp_path / "policy.yaml"
    policy.write_text(SUPPORT.read_text().replace("name: Questions to support", 'name: "<b>bold</b>"'))
    swept, plain = edgeroi.route(LOG, policy, sweep="confidence"), edgeroi.route(LOG, policy, only="sure")
    assert "<b>bold" not in swept._repr_html_()
    assert "&lt;b&gt;bold" in swept._repr_html_()
    assert "quality over cost" in swept.plot()._repr_svg_()
    assert "share of requests done by then" in plain.plot()._repr_svg_()


def test_what_a_threshold_buys_is_drawn_along_it_with_what_was_chosen() -> None:
    found = edgeroi.route(LOG, SUPPORT, only="sure", sweep="confidence", goal="max-net")
    quality, p95 = found.figures
    curve, told = found.document["curve"], found.document["threshold"]["value"]
    assert list(quality.curves[0].x) == [pytest.approx(point["cost_usd_per_1k_requests"]) for point in curve]
    assert list(quality.curves[0].y) == [point["quality"] for point in curve]
    assert list(p95.curves[0].y) == [point["latency_ms"]["p95"] for point in curve]
    assert [(spot.name, spot.chosen) for spot in quality.spots] == [
        ("all edge", False),
        ("all cloud", False),
        (f"chosen: >= {told:.4g}", True),
    ]
    ends = {spot.name: (spot.x, spot.y) for spot in quality.spots}
    assert {ends["all edge"], ends["all cloud"]} == {(quality.curves[0].x[at], quality.curves[0].y[at]) for at in (0, -1)}
    best = min(curve, key=lambda point: abs((point["threshold"] or 9) - told))
    assert quality.spots[2].y == best["quality"]
    assert quality.table.rows == p95.table.rows


def test_without_a_sweep_every_policy_is_drawn_by_its_latencies() -> None:
    found = edgeroi.route(LOG, SUPPORT, only="sure")
    (figure,) = found.figures
    assert [curve.name for curve in figure.curves] == ["today", "edge", "cloud", "sure"]
    sure = figure.curves[-1]
    assert sure.x[sure.y.index(0.5)] == found.line("sure").outcome.latency().quantile(0.5)  # type: ignore[union-attr]


def test_what_rules_ask_and_the_log_does_not_tell_is_said() -> None:
    logs = [ROOT / "sample_logs" / f"embedding-{place}.jsonl" for place in ("edge", "cloud")]
    found = edgeroi.route(logs, SUPPORT, workload="search")
    assert "sure: 600 of 600 requests do not tell confidence, and meet no rule that asks for it" in found.notes
    assert any("600 of 600 rows were answered by another model than @cf/meta/llama-3.1-8b" in note for note in found.notes)
    assert found.line("sure").share_edge == 0
    checked = found.line("checked").outcome
    assert (checked.unknown, checked.answers) == (600, None)
    assert "no row of edge tells the confidence" in checked.why_unknown
    guarded = found.line("guarded")
    assert guarded.outcome.uses["cloud"].calls == 0
    assert guarded.usd_month == found.line("edge").usd_month


def test_a_dataframe_is_a_log() -> None:
    import pandas as pd

    frame = pd.DataFrame([side for sides in asked() for side in sides.values()])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    found, of_the_log = edgeroi.route(frame, sweep="prompt_words"), edgeroi.route(LOG, sweep="prompt_words")
    for key in ("requests", "confidence"):
        assert found.document[key] == of_the_log.document[key], key
    # Money in a log is read to the digit, in a DataFrame it is a float: the last digit may differ.
    pd.testing.assert_frame_equal(found.to_frame(), of_the_log.to_frame(), rtol=1e-9)
    curves = [pd.json_normalize(list(each.document["curve"])) for each in (found, of_the_log)]  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(curves[0], curves[1], rtol=1e-9)


# ---- what is wrong


def file_of(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--sweep", "confidenc"), "did you mean 'confidence'"),
        (("--sweep", "model"), "'model' is no numeric column"),
        (("--goal", "max-net"), "add --sweep FIELD"),
        (("--sweep", "confidence", "--goal", "max-quality"), "add --budget"),
        (("--sweep", "confidence", "--budget", "5"), "add --goal max-quality"),
        (("--sweep", "confidence", "--goal", "max-quality", "--budget", "much"), "write it like `500 USD/month`"),
        (("--sweep", "confidence", "--goal", "max-net"), "net needs a value of latency"),
        (("--workload", "supprt"), "did you mean 'support'"),
        (("--only", "rooter"), "did you mean 'router'"),
        (("--policy", "nowhere.yaml"), "name a policy file, or one that is shipped: article"),
    ],
)
def test_a_slip_is_told_with_what_to_write(args: tuple[str, ...], said: str) -> None:
    slip = refused(LOG, *args)
    assert slip.exit_code == 2
    assert said in str(slip)


def test_a_narrow_terminal_keeps_what_a_policy_costs_and_its_median() -> None:
    written = renderer("table").render(route_report(edgeroi.route(LOG)), Page(width=60))
    header = next(line for line in written.splitlines() if line.startswith("policy"))
    assert header.split() == ["policy", "edge", "USD/1k", "p50"]
    assert "left out for width: answered by, USD/month, quality, p99, available, p95 (" in written


def test_what_nobody_answered_has_no_latency(tmp_path: Path) -> None:
    """Failures are outside the quantiles: an edge that only fails, and fast, must not look fast."""
    rows = [
        {"latency_ms": 5 + n % 7, "placement": place, "pair_id": f"p{n}", "status": 500 if place == "edge" else 200}
        for n in range(300)
        for place in ("edge", "cloud")
    ]
    log = tmp_path / "failing.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    edge = next(line for line in document(log)["policies"] if line["name"] == "edge")
    assert (edge["availability"], edge["latency_ms"]) == (0, None)
    # No call has a cost: there is no mean of others to count them by.
    assert "300 calls without a cost leave what it costs unknown" in run(log).stdout


def test_a_limit_out_of_reach_is_no_answer() -> None:
    done = run(LOG, "--sweep", "confidence", "--goal", "min-cost", "--quality-floor", "0.999")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no threshold keeps the quality floor" in done.stderr


def test_a_saved_profile_has_no_requests(tmp_path: Path) -> None:
    saved = tmp_path / "routed.profile"
    assert CliRunner().invoke(app, ["profile", str(LOG), "--save", str(saved)]).exit_code == 0
    assert "profile" in str(refused(saved))


def test_a_log_of_several_workloads_asks_which() -> None:
    log = ROOT / "sample_logs" / "gateway.litellm.jsonl"
    assert "name it with --workload" in str(refused(log, "--const", "placement=cloud"))


def test_a_log_that_says_no_placement_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "bare.jsonl"
    path.write_text('{"latency_ms": 5, "workload": "chat"}\n' * 3)
    assert "--const placement=cloud" in str(refused(path))


def test_too_many_rejected_lines_are_refused_unless_they_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "dirty.jsonl"
    path.write_bytes(gzip.decompress(LOG.read_bytes()) + b"{\n" * 20)
    assert "20 of 980 lines were rejected" in str(refused(path))
    assert document(path, "--max-rejected", "25")["requests"]["n"] == 480


OPTIONS = "options: {edge: {placement: edge}, cloud: {placement: cloud}, routed: {fallback: {first: edge, then: cloud, after: 1 s}}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("edgeroi: 1\n" + OPTIONS, "`policies` is missing"),
        (
            "edgeroi: 1\n" + OPTIONS + "policies: {routed: {fallback: {first: edge}}}",
            "under `options`, and here its name: `policies: [routed]`",
        ),
        ("edgeroi: 1\npolicies: [rooted]\n" + OPTIONS, "policy.yaml:2:1 policies: no option 'rooted'; did you mean 'routed'"),
        ("edgeroi: 1\npolicies: [edge]\n" + OPTIONS, "'edge' is no policy"),
        ("edgeroi: 1\npolicies: [routed]\nlogs: x\n" + OPTIONS, "policy.yaml:3:1 logs: unknown key 'logs'"),
        ("edgeroi: 1\npolicies: [routed]\noptions: {routed: {fallback: {first: edge, then: cloud, after: 500}}}\n", "500"),
        ("policies: [routed]\n" + OPTIONS, "begin with `edgeroi: 1`"),
        ("edgeroi: 1\npolicies: [routed]\nrequests: 10M\n" + OPTIONS, "policy.yaml:3:11 requests: 10000000 has no unit"),
        ("[1, 2]\n", "a mapping is wanted"),
    ],
)
def test_a_policy_file_is_read_strictly(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EdgeroiError) as refused:
        load_routes(file_of(tmp_path, text))
    assert said in str(refused.value)


def test_a_scenario_is_a_policy_file_too(tmp_path: Path) -> None:
    found = load_routes(ROOT / "scenarios" / "hybrid.yaml", "reply")
    assert found.policies == ("guarded",)
    assert found.plain == ("cloud", "edge")
    assert found.value is not None
    with pytest.raises(EdgeroiError, match="has 2 workloads"):
        load_routes(ROOT / "scenarios" / "hybrid.yaml")


def test_a_folder_of_scenarios_passes_policy_files_over_and_lint_reads_them() -> None:
    from edgeroi.scenario import scenario_files

    assert SUPPORT not in scenario_files(ROOT / "scenarios")
    done = CliRunner().invoke(app, ["lint", str(SUPPORT), "--format", "json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["files"][0]["kind"] == "routes"
