"""Langfuse observations, pitfall by pitfall; every expected number is worked out beside its record."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from written import profiled

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.langfuse import FIELDS, FORMAT, canonical
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Bad, Skip
from edgeroi.request import COLUMNS

SAMPLES = Path(__file__).parents[1] / "sample_logs"


def observation(**changed):
    """A generation of 868 ms whose first token came after 300 ms; the API's ``latency`` is in seconds."""
    told = {
        "id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-06-22T20:44:35.502Z", "endTime": "2026-06-22T20:44:36.370Z",
        "name": "colours", "level": "DEFAULT", "model": "qwen3", "completionStartTime": "2026-06-22T20:44:35.802Z", "latency": 0.868,
        "timeToFirstToken": 0.3, "usageDetails": {"input": 17, "output": 40, "total": 57}, "costDetails": {"total": 0.002},
    }  # fmt: skip
    return told | changed


def exported(**changed):
    """The same as the blob storage export writes it."""
    told = {
        "id": "o1", "trace_id": "t1", "type": "GENERATION",
        "start_time": "2026-06-22 20:44:35.502000", "end_time": "2026-06-22 20:44:36.370000",
        "completion_start_time": "2026-06-22 20:44:35.802000", "name": "colours", "level": "DEFAULT", "provided_model_name": "qwen3",
        "usage_details": {"input": "17", "output": "40", "total": "57"}, "total_cost": 0.002,
    }  # fmt: skip
    return told | changed


@pytest.mark.parametrize("record", [observation(), exported()], ids=["API", "export"])
def test_the_api_and_the_export_say_the_same(record):
    values = canonical(record)
    # 2026-06-22 is day 20,626 of the epoch; 20:44:35.502 is 74,675.502 s into it
    assert values["timestamp"] == (20_626 * 86_400 + 74_675) * 10**9 + 502_000_000
    assert (values["latency_ms"], values["ttft_ms"], values["streamed"]) == (868.0, 300.0, True)
    assert (values["input_tokens"], values["output_tokens"], values["cost_usd"]) == (17, 40, 0.002)
    assert (values["model"], values["workload"], values["status"], values["error"]) == ("qwen3", "colours", "ok", None)


def test_latency_is_end_less_start_and_the_latency_field_seconds_where_there_is_no_end():
    assert canonical(observation(latency=868))["latency_ms"] == 868.0
    assert canonical(observation(endTime=None, completionStartTime=None, timeToFirstToken=None))["latency_ms"] == 868.0
    assert canonical(exported(end_time=None, latency=0.868))["latency_ms"] is None


def test_the_first_token_in_seconds_stands_in_for_its_instant():
    assert canonical(observation(completionStartTime=None))["ttft_ms"] == 300.0


def test_an_answer_in_one_piece_has_no_first_token():
    whole = canonical(observation(completionStartTime=None, timeToFirstToken=None))
    assert (whole["ttft_ms"], whole["streamed"]) == (None, None)
    assert canonical(observation(completionStartTime="2026-06-22T20:44:36.370Z"))["ttft_ms"] is None


@pytest.mark.parametrize("kind", ["SPAN", "AGENT", "TOOL", "CHAIN", "EVENT", "RETRIEVER"])
def test_what_contains_a_call_is_none(kind):
    assert canonical(observation(type=kind)) == Skip("other_record")
    assert isinstance(canonical(observation(type="EMBEDDING")), dict)


def test_cached_tokens_stand_outside_the_input():
    usage = {"input": 100, "input_cached_tokens": 1024, "output": 30, "output_reasoning_tokens": 12, "total": 1166}
    values = canonical(observation(usageDetails=usage))
    assert (values["input_tokens"], values["cached_tokens"], values["output_tokens"]) == (1124, 1024, 42)
    usage = {"input": 100, "cache_read_input_tokens": 512, "cache_creation_input_tokens": 256, "output": 30}
    values = canonical(observation(usageDetails=usage))
    assert (values["input_tokens"], values["cached_tokens"], values["cache_write_tokens"]) == (868, 512, 256)


def test_parts_that_the_total_does_not_count_again_are_inside():
    values = canonical(observation(usageDetails={"input": 1200, "input_cached_tokens": 1024, "output": 80, "total": 1280}))
    assert (values["input_tokens"], values["cached_tokens"], values["output_tokens"]) == (1200, 1024, 80)


def test_tokens_of_old_records_and_none():
    old = observation(usageDetails=None, promptTokens=11, completionTokens=7)
    assert (canonical(old)["input_tokens"], canonical(old)["output_tokens"]) == (11, 7)
    none = canonical(observation(usageDetails={}, promptTokens=0, completionTokens=0))
    assert (none["input_tokens"], none["output_tokens"]) == (None, None)


@pytest.mark.parametrize("unpriced", [{"costDetails": {}, "totalCost": 0}, {"costDetails": None, "calculatedTotalCost": 0.0}])
def test_a_cost_of_nothing_is_unknown(unpriced):
    assert canonical(observation(**unpriced))["cost_usd"] is None
    assert canonical(observation(costDetails={}, totalCost="0.004"))["cost_usd"] == 0.004


def test_a_failure_is_outside_the_quantiles(tmp_path):
    failed = observation(level="ERROR", endTime=None, latency=None, usageDetails={}, completionStartTime=None)
    profile = profiled(tmp_path, observation(), failed)
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (2, 1, 1)
    assert profile.seen_from == "gateway"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"endTime": None, "latency": None}, "null_required"), ({"startTime": "soon"}, "bad_timestamp"), ({"type": None}, "missing_field"),
     ({"endTime": "2026-06-22T20:44:35.501Z", "completionStartTime": None, "timeToFirstToken": None}, "out_of_range"),
     ({"usageDetails": {"input": "many", "output": 2}}, "wrong_type"), ({"model": 3}, "wrong_type")],
)  # fmt: skip
def test_what_a_record_gets_rejected_for(tmp_path, changed, reason):
    profile = profiled(tmp_path, observation(), observation(**changed), by=["workload", "model"])
    assert profile.lines.rejected == {reason: 1}
    assert [(reject.line, reject.reason) for reject in profile.rejects] == [(2, reason)]


def test_edge_models_are_at_the_edge():
    assert canonical(observation(model="@cf/meta/llama-3.1-8b-instruct"))["placement"] == "edge"
    assert canonical(observation())["placement"] is None


def test_detection_knows_both_and_can_say_no():
    def claim(record):
        return FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x.jsonl", True), reading())

    assert claim(observation()).format == "langfuse observation"
    assert claim({"data": [observation()], "meta": {"page": 1}}).format == "langfuse observation"
    assert claim(exported()).format == "langfuse blob export"
    assert not claim({"id": "t", "latency": 3, "timestamp": "2026-01-01T00:00:00Z"}).claimed  # a trace, or anything
    assert detect(Head(b"id,trace_id,type,start_time,end_time\n", "x.csv", True), reading()).format is formats()["langfuse"]
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(observation())) <= set(COLUMNS)
    assert isinstance(canonical(observation(endTime="x")), Bad)


def generations(name):
    if name.endswith(".csv"):
        with (SAMPLES / name).open(newline="") as file:
            return list(csv.DictReader(file))
    text = (SAMPLES / name).read_text()
    first, rest = json.JSONDecoder().raw_decode(text)[0], text.split("\n", 1)[1]
    return [row for page in (first, json.loads(rest)) for row in page["data"] if row["type"] == "GENERATION"]


@pytest.mark.parametrize("name", ["pages.langfuse.json", "export.langfuse.csv"])
def test_the_samples_agree_with_a_reading_of_our_own(name):
    rows = generations(name)
    zone = ("", "") if name.endswith(".json") else ("+00:00", "_")
    start, end, begun = ("start_time", "end_time", "completion_start_time") if zone[1] else ("startTime", "endTime", "completionStartTime")

    def seconds(row, key):
        return np.datetime64(row[key].replace("Z", "")).astype("datetime64[us]").astype(float) / 1e6

    good = [row for row in rows if row["level"] != "ERROR"]
    profile = read_logs([SAMPLES / name], reading())
    assert (profile.total.requests, profile.total.errors) == (len(rows), len(rows) - len(good))
    latencies = np.sort([(seconds(row, end) - seconds(row, start)) * 1e3 for row in good])
    firsts = np.sort([(seconds(row, begun) - seconds(row, start)) * 1e3 for row in good if row[begun]])
    assert profile.total.latency.quantile(0.5) == pytest.approx(latencies[int(np.ceil(len(good) / 2)) - 1], rel=1e-3)
    assert profile.total.ttft.quantile(0.5) == pytest.approx(firsts[int(np.ceil(len(firsts) / 2)) - 1], rel=1e-3)
    usages = [row["usageDetails"] if "usageDetails" in row else json.loads(row["usage_details"]) for row in good]
    # in the samples every part of the input is priced by itself, so the total is all of them
    assert profile.total.total("input_tokens") == sum(int(usage["total"]) - int(usage["output"]) for usage in usages)
    costs = [float(row["calculatedTotalCost"] if "calculatedTotalCost" in row else row["total_cost"]) for row in rows]
    assert profile.total.total("cost_usd") == pytest.approx(sum(costs), rel=1e-9)
    assert profile.total.sums["cost_usd"].n == sum(cost > 0 for cost in costs)
