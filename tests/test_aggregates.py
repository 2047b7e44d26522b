"""Aggregates: a tool's own quantiles of requests it does not list. Shown as they are, never merged, and weaker than a measurement."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import jsonschema
import pytest
from judged import decision, judged, scenario, write_log
from tool_samples import FOLDER, claimed, detected_unit, profiled, sample, sampled
from typer.testing import CliRunner

from edgeroi.aggregate import Aggregate, Stated
from edgeroi.cli.main import app
from edgeroi.cli.schema import schema_text
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import weakest
from edgeroi.logs.mapping import reading_of
from edgeroi.logs.reading import reading
from edgeroi.profile_report import frame_of, profile_report
from edgeroi.renderers import Page, renderer
from edgeroi.workload import Profile

OHA: dict[str, Any] = {
    "summary": {"successRate": 1.0, "slowest": 0.5, "fastest": 0.01, "average": 0.09},
    "latencyPercentiles": {"p50": 0.08, "p90": 0.2, "p95": 0.25, "p99": 0.4},
    "statusCodeDistribution": {"200": 90, "503": 6},
    "errorDistribution": {"connection error": 4, "aborted due to deadline": 25},
}
LOCUST = "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,50%,95%,99%\r\n"


def only(profile: Profile) -> Aggregate:
    (one,) = profile.aggregates
    assert not profile.groups
    return one


def oha(tmp_path: Path, name: str = "o.json", **changed: Any) -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({key: value for key, value in (OHA | changed).items() if value is not None}))
    return path


# ---- each sample, by other means --------------------------------------------------------------------------------------------


def test_the_locust_sample_by_other_means() -> None:
    rows = [row for row in csv.DictReader(io.StringIO(sample("loadtest.locust.csv").decode())) if row["Type"]]
    asked = [row for row in rows if row["Request Count"] != "0"]
    profile = sampled("loadtest.locust.csv")
    assert [one.key["workload"] for one in profile.aggregates] == [row["Name"] for row in asked]
    for one, row in zip(profile.aggregates, asked, strict=True):
        assert [one.latency.quantile(p) for p in (0.5, 0.9, 0.95, 0.99)] == [float(row[p]) for p in ("50%", "90%", "95%", "99%")]
        assert (one.requests, one.errors) == (int(row["Request Count"]), int(row["Failure Count"]))
        assert (one.latency.mean_ms, one.latency.max_ms) == (float(row["Average Response Time"]), float(row["Max Response Time"]))
    assert profile.lines.skipped == {"header": 1, "other_record": 2}


def test_the_oha_sample_by_other_means() -> None:
    report, one = json.loads(sample("loadtest.oha.json")), only(sampled("loadtest.oha.json"))
    good = report["latencyPercentilesSuccessful"]
    assert [one.latency.quantile(p) for p in (0.5, 0.99, 0.9999)] == [1000 * good[p] for p in ("p50", "p99", "p99.99")]
    assert (one.requests, one.errors) == (984 + 12 + 4, 12 + 4)


def test_the_k6_summary_sample_by_other_means() -> None:
    metrics, one = json.loads(sample("loadtest.k6-summary.json"))["metrics"], only(sampled("loadtest.k6-summary.json"))
    good = metrics["http_req_duration{expected_response:true}"]
    assert one.latency == Stated({0.5: good["med"], 0.9: good["p(90)"], 0.95: good["p(95)"]}, good["avg"], good["min"], good["max"])
    assert (one.requests, one.errors) == (640, 24)


def test_the_inference_perf_sample_by_other_means() -> None:
    good, one = json.loads(sample("stage.inference-perf.json"))["successes"], only(sampled("stage.inference-perf.json"))
    assert one.ttft is not None
    for known, told in ((one.latency, good["latency"]["request_latency"]), (one.ttft, good["latency"]["time_to_first_token"])):
        assert [known.quantile(p) for p in (0.5, 0.95, 0.99)] == [1000 * told[p] for p in ("median", "p95", "p99")]
        assert (known.mean_ms, known.min_ms, known.max_ms) == tuple(1000 * told[end] for end in ("mean", "min", "max"))
    assert (one.requests, one.errors) == (400, 9)
    assert one.mean("output_tokens") == good["output_len"]["mean"]


UNITS = {
    "loadtest.locust.csv": ("locust", "50% ... 99.99%, ms"),
    "loadtest.oha.json": ("oha", "latencyPercentiles, s"),
    "loadtest.k6-summary.json": ("k6-summary", "http_req_duration med, p(90), ..., ms"),
    "stage.inference-perf.json": ("inference-perf", "request_latency, s"),
}


@pytest.mark.parametrize("name", UNITS)
def test_one_format_claims_a_sample_and_says_its_unit(name) -> None:
    assert (claimed(name), detected_unit(name)) == ({UNITS[name][0]}, UNITS[name][1])
    assert (sampled(name).seen_from, sampled(name).lines.balanced) == ("client", True)


# ---- Locust -----------------------------------------------------------------------------------------------------------------


def test_locust_the_aggregated_row_is_not_counted_again(tmp_path) -> None:
    profile = profiled(tmp_path, LOCUST + "GET,/a,10,1,50,51.5,50,90,99\r\n,Aggregated,10,1,50,51.5,50,90,99\r\n", name="s.csv")
    assert [one.key["workload"] for one in profile.aggregates] == ["/a"]
    assert profile.lines.skipped == {"header": 1, "other_record": 1}


def test_locust_an_endpoint_may_be_called_aggregated(tmp_path) -> None:
    assert profiled(tmp_path, LOCUST + "GET,Aggregated,10,1,50,51.5,50,90,99\r\n", name="s.csv").aggregates


def test_locust_cells_that_are_no_times_are_not_read_as_0(tmp_path) -> None:
    rows = "GET,/a,10,0,50,51.5,50,N/A,99\r\nGET,/b,10,0,N/A,N/A,N/A,N/A,N/A\r\nGET,/c,0,0,0,0,0,0,0\r\n"
    profile = profiled(tmp_path, LOCUST + rows, name="s.csv")
    assert only(profile).latency.ms == {0.5: 50.0, 0.99: 99.0}
    assert (profile.lines.rejected, profile.lines.skipped["other_record"]) == ({"missing_field": 1}, 1)


def test_an_endpoint_that_only_failed_has_no_latency(tmp_path) -> None:
    """The times Locust has are those to failure: an option that fails fast must not look fast."""
    one = only(profiled(tmp_path, LOCUST + "GET,/a,10,10,2,2.5,2,3,4\r\n", name="s.csv"))
    assert (one.error_ratio, one.latency.ms) == (1.0, {})


def test_locust_history_is_refused_with_the_reason(tmp_path) -> None:
    log = tmp_path / "h.csv"
    log.write_text("Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,99%\n1795717122,0,,Aggregated,0,0,N/A,N/A\n")
    with pytest.raises(EdgeroiError, match="history, second by second.*_stats.csv"):
        read_logs([log], reading())


# ---- oha --------------------------------------------------------------------------------------------------------------------


def test_oha_failures_are_answers_from_400_on_and_requests_without_one(tmp_path) -> None:
    """90 + 6 answers and 4 without one; the 25 cut off at the end are no failures, whatever successRate says."""
    profile = read_logs([oha(tmp_path)], reading())
    one = only(profile)
    assert (one.requests, one.errors, one.latency.quantile(0.99)) == (100, 10, 400.0)
    assert (one.latency.mean_ms, one.latency.min_ms, one.latency.max_ms) == (90.0, 10.0, 500.0)
    assert any("--stats-success-breakdown" in note for note in profile.files[0].notes)


def test_oha_quantiles_of_successes_are_taken_where_they_are_stated(tmp_path) -> None:
    one = only(read_logs([oha(tmp_path, latencyPercentilesSuccessful={"p50": 0.07, "p99": 0.3})], reading()))
    assert (one.latency.ms, one.latency.mean_ms) == ({0.5: 70.0, 0.99: 300.0}, None)  # the mean is of all answers


def test_quantiles_that_fall_are_no_distribution(tmp_path) -> None:
    lines = read_logs([oha(tmp_path, latencyPercentiles={"p50": 0.08, "p90": 0.07})], reading()).lines
    assert lines.rejected == {"out_of_range": 1}


@pytest.mark.parametrize("latency", [{}, {"p50": None}, {"p50": "0.08"}, {"p50": -1.0}, {"p100": 0.5}])
def test_a_report_without_a_quantile_is_rejected(tmp_path, latency) -> None:
    lines = read_logs([oha(tmp_path, latencyPercentiles=latency)], reading()).lines
    assert (lines.read, lines.profiled, lines.rejected) == (1, 0, {"missing_field": 1})


def test_a_cut_report_is_one_reject(tmp_path) -> None:
    log = tmp_path / "o.json"
    log.write_text(json.dumps(OHA)[:-30])
    assert read_logs([log], reading()).lines.rejected == {"truncated_tail": 1}


# ---- k6 ---------------------------------------------------------------------------------------------------------------------


def k6(shape: str, **metrics: dict[str, float]) -> str:
    told = {name: metric if shape == "export" else {"type": "trend", "values": metric} for name, metric in metrics.items()}
    return json.dumps({"root_group": {"name": ""}, "metrics": told})


@pytest.mark.parametrize("shape", ["export", "handleSummary"])
def test_k6_passes_of_the_failed_metric_are_failures(tmp_path, shape) -> None:
    trend = {"avg": 22.3, "med": 13.1, "p(90)": 51.5, "p(99.9)": 53.0}
    failed = {"passes": 12, "fails": 20, "rate": 0.375}
    one = only(profiled(tmp_path, k6(shape, http_req_duration=trend, http_req_failed=failed), name="s.json"))
    assert (one.requests, one.errors, one.latency.ms) == (32, 12, {0.5: 13.1, 0.9: 51.5, 0.999: 53.0})


def test_k6_says_where_quantiles_hold_failed_requests(tmp_path) -> None:
    text = k6("export", http_req_duration={"med": 13.1}, http_req_failed={"passes": 1, "fails": 9})
    assert any("hold failed requests" in note for note in profiled(tmp_path, text, name="s.json").files[0].notes)
    clean = k6("export", http_req_duration={"med": 13.1}, http_req_failed={"passes": 0, "fails": 9})
    assert not any("hold failed requests" in note for note in profiled(tmp_path, clean, name="s.json").files[0].notes)


# ---- inference-perf ---------------------------------------------------------------------------------------------------------


def test_inference_perf_without_a_stream_has_no_first_token(tmp_path) -> None:
    latency = {"request_latency": {"median": 2.5, "p99": 4.0}, "time_to_first_token": None}
    tokens = {"prompt_tokens": {"mean": 12.5}, "prompt_len": {"mean": 11.0}, "output_len": {"mean": 200.0}}
    report = {"load_summary": {}, "successes": {"count": 9, "latency": latency, **tokens}, "failures": {"count": 1}}
    one = only(profiled(tmp_path, json.dumps(report), name="s.json"))
    assert (one.ttft, one.latency.ms, one.error_ratio) == (None, {0.5: 2500.0, 0.99: 4000.0}, 0.1)
    assert (one.mean("input_tokens"), one.mean("output_tokens")) == (12.5, 200.0)


# ---- in a profile: side by side, never merged --------------------------------------------------------------------------------


def side_by_side(tmp_path: Path) -> Profile:
    """Two aggregates and a log, all of the workload ``search`` at the edge."""
    oha(tmp_path, "a.json")
    oha(tmp_path, "b.json", latencyPercentiles={"p50": 0.3})
    write_log(tmp_path / "log.jsonl", [100.0] * 400, placement="edge")
    return read_logs([tmp_path], reading(const=["workload=search", "placement=edge"]))


def test_aggregates_and_requests_of_one_group_stand_side_by_side(tmp_path) -> None:
    profile = side_by_side(tmp_path)
    assert [one.latency.quantile(0.5) for one in profile.aggregates] == [80.0, 300.0]
    assert [(group.key, group.tally.requests) for group in profile.groups] == [({"workload": "search", "placement": "edge"}, 400)]
    assert profile.total.latency.quantile(0.5) == pytest.approx(100, rel=1e-3)
    assert {tuple(one.key.items()) for one in profile.aggregates} == {(("workload", "search"), ("placement", "edge"))}


def test_the_document_tells_them_apart_and_marks_every_quantile(tmp_path) -> None:
    document = json.loads(renderer("json").render(profile_report(side_by_side(tmp_path), version="1"), Page()))
    jsonschema.Draft202012Validator(json.loads(schema_text("profile"))).validate(document)
    assert [group["basis"] for group in document["groups"]] == ["measured", "aggregate", "aggregate"]
    for group in document["groups"][1:]:
        latency = group["latency_ms"]
        assert not any(latency["estimable"].values())
        assert all(ends == [None, None] for ends in latency["interval"].values())
        assert latency["n"] is None
    assert document["groups"][2]["latency_ms"]["p99"] is None  # not stated, and not made up
    assert document["groups"][1]["saving"]["share_of_p50"] == pytest.approx(50 / 80)
    assert document["lines"]["profiled"] == 402


def test_table_csv_and_frame_hold_a_row_of_its_own_for_each(tmp_path) -> None:
    profile = side_by_side(tmp_path)
    report = profile_report(profile, version="1")
    table = renderer("table").render(report, Page())
    assert "80.0?" in table
    assert "aggregate: as " in table
    assert "nothing is merged with it or averaged" in table
    rows = list(csv.DictReader(io.StringIO(renderer("csv").render(report, Page()))))
    assert [(row["basis"], row["latency_ms_p50_low"]) for row in rows][1:] == [("aggregate", ""), ("aggregate", "")]
    frame = frame_of(profile)
    assert list(frame["basis"]) == ["measured", "aggregate", "aggregate"]
    assert list(frame["latency_ms_p50"])[1:] == [80.0, 300.0]


def test_an_aggregate_among_logs_without_their_copies_is_keyed_as_their_groups_are(tmp_path) -> None:
    """Logs are told apart by their requests' ids too, which no aggregate has."""
    log = tmp_path / "a.jsonl"
    log.write_text('{"latency_ms": 10, "request_id": "a", "workload": "chat"}\n' * 2)
    args = ["profile", str(log), str(FOLDER / "loadtest.oha.json"), "--dedupe"]
    document = json.loads(CliRunner().invoke(app, [*args, "--format", "json"]).stdout)
    rows = [(group["basis"], group["requests"]) for group in document["groups"]]
    assert rows == [("measured", 1), ("aggregate", 1000)]  # oha was asked for 1,000; the log has one request, twice
    assert not any("request_id" in group for group in document["groups"])
    assert CliRunner().invoke(app, args).exit_code == 0


def test_saving_a_profile_with_an_aggregate_is_refused(tmp_path) -> None:
    saved = tmp_path / "all.profile"
    result = CliRunner().invoke(app, ["profile", str(oha(tmp_path)), "--save", str(saved)])
    assert isinstance(result.exception, EdgeroiError)
    assert "cannot be saved" in str(result.exception)
    assert not saved.exists()


def test_an_aggregate_is_no_log_to_draft_a_scenario_from(tmp_path) -> None:
    result = CliRunner().invoke(app, ["init", str(oha(tmp_path))])
    assert isinstance(result.exception, EdgeroiError)
    assert "neither volume nor tokens" in str(result.exception)


def test_rules_say_placement_and_workload_of_an_aggregate_too(tmp_path) -> None:
    (tmp_path / "edge.csv").write_bytes((LOCUST + "GET,/v1/chat,9,0,50,51.5,50,90,99\r\nGET,/healthz,9,0,1,1.5,1,2,3\r\n").encode())
    rules = "rules: {workload: [{workload: ^/v1/(.*)}], placement: [{file: edge, is: edge}], skip: [{workload: ^/healthz$}]}"
    (tmp_path / "mapping.yaml").write_text(rules)
    profile = read_logs([tmp_path / "edge.csv"], reading_of(tmp_path / "mapping.yaml"))
    assert [dict(one.key) for one in profile.aggregates] == [{"workload": "chat", "placement": "edge"}]
    assert (profile.lines.profiled, profile.lines.skipped) == (1, {"header": 1, "other_record": 1})
    assert profile.lines.balanced


# ---- in a verdict: weaker than measured --------------------------------------------------------------------------------------

HEAD = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, CLOUD}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}, EDGE}
workloads:
  search:
    requests: 10M /month
    tokens: {input: 100 tok, output: 0 tok}
    options: [cloud, edge]
    baseline: cloud
    runs_on: edge
    judge: e2e
"""
WORTH = "    value: {linear_time: {waiting: 40 USD/h}, why: people wait, by: dana}\n"
CLOUD = "latency: {p50: 700 ms, p99: 900 ms}"


def text_of(cloud: str = CLOUD, edge: str = "log: o.json", value: str = WORTH) -> str:
    return HEAD.replace("CLOUD", cloud).replace("EDGE", edge) + value


def test_an_option_may_name_an_aggregate_as_its_log(tmp_path) -> None:
    """Its quantiles are met as they are stated; p99.9 goes on as the lognormal through p95 and p99 does."""
    oha(tmp_path)
    option = decision(tmp_path, text_of()).case.options["edge"]
    assert option.e2e is not None
    latency = option.e2e.at({})
    assert (latency.basis, latency.n, option.measured) == ("aggregate", None, False)
    assert [latency.quantile(p) for p in (0.5, 0.9, 0.95, 0.99)] == pytest.approx([80.0, 200.0, 250.0, 400.0], rel=1e-4)
    z95, z99, z999 = (NormalDist().inv_cdf(p) for p in (0.95, 0.99, 0.999))
    beyond = 400.0 * (400.0 / 250.0) ** ((z999 - z99) / (z99 - z95))
    assert latency.quantile(0.999) == pytest.approx(beyond, rel=1e-3)
    assert latency.interval(0.5) == (None, None)
    assert latency.failure_ratio == 0.1


def test_a_winning_edge_is_not_worth_it_by_an_aggregate_alone(tmp_path) -> None:
    """620 of 700 ms on 10 M requests at 40 USD/h is worth far more than 195 USD; without the requests it stays to be probed."""
    oha(tmp_path, statusCodeDistribution={"200": 100}, errorDistribution={})
    found = decision(tmp_path, text_of())
    assert found.case.books.net_low > 0
    assert (found.verdict, found.reason) == ("undecided", "wins by an aggregate without its requests, probe edge")
    assumed = text_of(edge="log: o.json, assume: {why: oha was run twice, by: dana}")
    assert decision(tmp_path, assumed).verdict == "worth_it"


def test_a_losing_edge_is_not_worth_it(tmp_path) -> None:
    oha(tmp_path, latencyPercentiles={"p50": 0.69, "p99": 0.89})
    assert decision(tmp_path, text_of()).verdict == "not_worth_it"


def test_a_deadline_is_not_kept_by_an_aggregate_but_can_be_missed(tmp_path) -> None:
    oha(tmp_path, statusCodeDistribution={"200": 100}, errorDistribution={})
    needs = "    needs: {deadline: {p95: 300 ms}}\n"
    kept = decision(tmp_path, text_of(value=WORTH + needs))
    assert (kept.verdict, kept.reason) == ("undecided", "an aggregate without its requests meets p95 < 300 ms, probe edge")
    missed = decision(tmp_path, text_of(value=WORTH + needs.replace("300", "200")))
    assert missed.verdict in ("impossible", "not_worth_it")


def test_the_gate_does_not_pass_an_edge_by_an_aggregate(tmp_path) -> None:
    oha(tmp_path, statusCodeDistribution={"200": 100}, errorDistribution={})
    path = scenario(tmp_path, text_of() + "check: {on_undecided: fail}\n")
    assert judged(path, gate=True).gate == "undecided"


def test_compare_says_the_basis_in_json_and_table(tmp_path) -> None:
    oha(tmp_path)
    path = scenario(tmp_path, text_of())
    result = CliRunner().invoke(app, ["compare", str(path), "--format", "json"])
    option = json.loads(result.stdout)["scenarios"][0]["workloads"][0]["options"]["edge"]
    assert (option["latency_ms"]["basis"], option["measured"]) == ("aggregate", False)
    assert option["latency_ms"]["estimable"] == {"p50": False, "p95": False, "p99": False}
    assert option["latency_ms"]["p50"] == pytest.approx(80, rel=1e-4)
    table = CliRunner().invoke(app, ["compare", str(path), "--format", "table"])
    assert "1 aggregate" in table.stdout


def test_the_weakest_basis_wins_over_an_aggregate_and_an_aggregate_over_measured(tmp_path) -> None:
    assert weakest("measured", "aggregate") == "aggregate"
    assert weakest("aggregate", "listed") == "listed"
    oha(tmp_path)
    write_log(tmp_path / "log.jsonl", [700.0 + n % 40 for n in range(500)])
    found = decision(tmp_path, "seen_from: client\n" + text_of(cloud="log: log.jsonl"))
    assert found.books.saved is not None
    assert found.books.saved.basis == "aggregate"


def test_several_aggregates_of_an_option_are_refused_until_one_is_named(tmp_path) -> None:
    rows = "".join(f"GET,{name},100,0,{p50},50,{p50},{p50 + 20},{p50 + 90}\r\n" for name, p50 in (("/a", 80), ("/b", 200)))
    (tmp_path / "s.csv").write_bytes((LOCUST + rows).encode())
    with pytest.raises(EdgeroiError, match=r"2 aggregates tell of edge, and aggregates do not add up: workload /a .*where"):
        decision(tmp_path, text_of(edge="log: s.csv"))
    option = decision(tmp_path, text_of(edge="log: {file: s.csv, where: {workload: /b}}")).case.options["edge"]
    assert option.e2e is not None
    assert option.e2e.at({}).quantile(0.5) == pytest.approx(200, rel=1e-4)


def test_requests_beside_an_aggregate_are_what_counts(tmp_path) -> None:
    oha(tmp_path)
    write_log(tmp_path / "log.jsonl", [100.0] * 400)
    option = decision(tmp_path, "seen_from: client\n" + text_of(edge="log: [log.jsonl, o.json]")).case.options["edge"]
    assert option.measured
    assert "its log holds an aggregate too, which is not added to the requests" in option.notes


def test_an_aggregate_without_its_median_gives_no_latency(tmp_path) -> None:
    oha(tmp_path, latencyPercentiles={"p90": 0.2})
    with pytest.raises(EdgeroiError, match="states no p50"):
        decision(tmp_path, text_of())
    oha(tmp_path, statusCodeDistribution={"503": 100}, errorDistribution={})
    with pytest.raises(EdgeroiError, match="every request failed"):
        decision(tmp_path, text_of())


def test_an_edge_nobody_measured_is_the_best_case_of_an_aggregate_baseline(tmp_path) -> None:
    """80 ms at p50 less one round trip of 30 ms: the network part is gone, the rest stays."""
    oha(tmp_path)
    found = decision(tmp_path, text_of(cloud="log: o.json, rtt: 30 ms", edge="rtt: 5 ms"))
    option = found.case.options["edge"]
    assert option.e2e is not None
    assert option.best_case
    assert option.e2e.at({}).quantile(0.5) == pytest.approx(80 - 30 + 5, rel=1e-3)
    assert not math.isnan(found.books.net_low)


def test_an_aggregate_tells_no_volume(tmp_path) -> None:
    oha(tmp_path)
    text = "log: o.json\n" + text_of().replace("    requests: 10M /month\n", "")
    with pytest.raises(EdgeroiError, match="neither volume nor tokens"):
        decision(tmp_path, text)


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_sample_can_be_an_options_log_by_name(name, tmp_path) -> None:
    where = ", where: {workload: /v1/embeddings}" if name.endswith("locust.csv") else ""
    option = decision(tmp_path, text_of(edge=f"log: {{file: {FOLDER / name}{where}}}")).case.options["edge"]
    assert option.e2e is not None
    assert option.e2e.basis == "aggregate"
