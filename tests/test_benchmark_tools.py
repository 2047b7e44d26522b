"""Outputs of benchmark tools, pitfall by pitfall; what a sample holds is worked out here by other means."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tool_samples import agree, claimed, detected_unit, profiled, rank, sample, sampled

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading
from edgeroi.workload import Profile, Tally

LEADERBOARD = Path(__file__).parents[2] / "shared" / "data" / "llmperf-leaderboard"


def one_file(tmp_path: Path, report: object, **read: Any) -> Profile:
    return profiled(tmp_path, json.dumps(report), name="report.json", **read)


UNITS = {
    "bench.vllm.json": ("vllm-bench", "latencies, else ttfts + itls, s"),
    "bench.guidellm.json": ("guidellm", "request_latency, s"),
    "bench.aiperf.jsonl": ("aiperf", "metrics.request_latency, in the unit beside it"),
    "bench.genai-perf.json": ("genai-perf", "response_timestamps - timestamp, ns"),
    "bench.llmperf.json": ("llmperf", "end_to_end_latency_s, s"),
    "bench.genai-bench.json": ("genai-bench", "e2e_latency, in the file's _time_unit (s where it has none)"),
}


@pytest.mark.parametrize("name", UNITS)
def test_one_format_claims_a_sample_and_says_its_unit(name) -> None:
    assert (claimed(name), detected_unit(name)) == ({UNITS[name][0]}, UNITS[name][1])
    profile = sampled(name)
    assert (profile.seen_from, profile.lines.balanced, profile.lines.rejected) == ("client", True, {})


# ---- vLLM -------------------------------------------------------------------------------------------------------------------

VLLM = {
    "date": "20260523-114606", "backend": "openai-chat", "label": None, "model_id": "Qwen/Qwen3-8B", "num_prompts": 2,
    "request_rate": "inf", "burstiness": 1.0, "max_concurrency": None, "duration": 1.5, "completed": 2, "request_throughput": 1.3,
}  # fmt: skip
LISTS = {"input_lens": [10, 20], "output_lens": [3, 2], "ttfts": [0.1, 0.2], "itls": [[0.01, 0.02], [0.03]], "errors": ["", ""]}


def test_the_vllm_sample_by_other_means() -> None:
    """The times as the token stamps add up to, not as the report sums them."""
    report, profile = json.loads(sample("bench.vllm.json")), sampled("bench.vllm.json")
    rows = list(zip(report["ttfts"], report["itls"], report["queue_times"], report["output_lens"], strict=True))
    answered = [(first, gaps, waited) for first, gaps, waited, tokens in rows if tokens]
    latencies = [1000 * (first + sum(gaps) + waited) for first, gaps, waited in answered]
    agree(profile.select(workload="chat"), latencies, errors=3, ttfts_ms=[1000 * (first + waited) for first, _, waited in answered])
    assert profile.total.mean("output_tokens") == pytest.approx(report["total_output_tokens"] / 87)
    assert profile.total.first_ns is None


def test_vllm_without_latencies_is_first_token_and_gaps(tmp_path) -> None:
    tally = one_file(tmp_path, VLLM | LISTS).total
    assert (tally.latency.min_ms, tally.latency.max_ms, tally.ttft.min_ms, tally.ttft.max_ms) == (130.0, 230.0, 100.0, 200.0)


def test_vllm_own_latencies_come_first(tmp_path) -> None:
    assert one_file(tmp_path, VLLM | LISTS | {"latencies": [0.5, 0.6]}).total.latency.max_ms == 600.0


@pytest.mark.parametrize("reason", ["Internal Server Error", ""])
def test_vllm_failed_requests_have_0_and_perhaps_no_reason(tmp_path, reason) -> None:
    lists = LISTS | {"ttfts": [0.1, 0.0], "itls": [[0.01], []], "output_lens": [3, 0], "latencies": [0.11, 0.0], "errors": ["", reason]}
    tally = one_file(tmp_path, VLLM | lists).total
    assert (tally.requests, tally.errors, tally.latency.n, tally.ttft.n) == (2, 1, 1, 1)
    assert tally.latency.min_ms == 110.0


def test_vllm_waiting_for_a_turn_counts_at_a_finite_rate_only(tmp_path) -> None:
    lists = LISTS | {"latencies": [0.5, 0.5], "queue_times": [0.25, 0.25]}
    paced = one_file(tmp_path, VLLM | lists | {"request_rate": 4.0, "max_concurrency": 1})
    assert (paced.total.latency.max_ms, paced.total.ttft.min_ms) == (750.0, 350.0)
    assert one_file(tmp_path, VLLM | lists).total.latency.max_ms == 500.0
    untold = one_file(tmp_path, VLLM | LISTS | {"max_concurrency": 4})
    assert any("at most 4 requests at a time" in note for note in untold.files[0].notes)


def test_vllm_an_answer_that_was_not_streamed_has_no_first_token(tmp_path) -> None:
    lists = LISTS | {"ttfts": [0.5, 0.5], "latencies": [0.5, 0.5], "output_lens": [30, 1]}
    assert one_file(tmp_path, VLLM | lists).total.ttft.n == 1  # of the answer of one token


def test_vllm_embeddings_have_no_tokens_out(tmp_path) -> None:
    report = VLLM | {"input_lens": [10, 20], "latencies": [0.05, 0.06], "errors": ["", ""]}
    tally = one_file(tmp_path, report).total
    assert (tally.latency.n, tally.ttft.n, tally.mean("output_tokens"), tally.mean("input_tokens")) == (2, 0, None, 15.0)


def test_vllm_without_lists_is_an_aggregate(tmp_path) -> None:
    """The report quoted in formats.md, 3.8."""
    stated = {"failed": 0, "completed": 4, "num_prompts": 4, "total_input_tokens": 288, "total_output_tokens": 64}
    stated |= {"mean_ttft_ms": 19.754, "median_ttft_ms": 20.0765, "p99_ttft_ms": 20.1511}
    stated |= {"mean_e2el_ms": 189.0065, "p50_e2el_ms": 189.3228, "p99_e2el_ms": 189.5976}
    profile = one_file(tmp_path, VLLM | stated)
    (one,) = profile.aggregates
    assert one.ttft is not None
    assert (one.latency.ms, one.latency.mean_ms) == ({0.5: 189.3228, 0.99: 189.5976}, 189.0065)
    assert profile.files[0].unit == "e2el quantiles, ms"
    assert (one.ttft.ms, one.requests, one.errors, one.mean("output_tokens")) == ({0.5: 20.0765, 0.99: 20.1511}, 4, 0, 16.0)


def test_vllm_older_reports_state_no_failed(tmp_path) -> None:
    (one,) = one_file(tmp_path, VLLM | {"num_prompts": 10, "completed": 8, "median_e2el_ms": 5.0}).aggregates
    assert (one.requests, one.errors) == (10, 2)


def test_vllm_without_any_latency_says_which_option_writes_it(tmp_path) -> None:
    profile = one_file(tmp_path, VLLM | {"median_ttft_ms": 20.0})
    assert profile.lines.rejected == {"missing_field": 1}
    assert "--save-detailed" in profile.rejects[0].detail


def test_vllm_reports_appended_to_one_file(tmp_path) -> None:
    text = json.dumps(VLLM | LISTS) + "\n" + json.dumps(VLLM | LISTS | {"label": "second"}) + "\n" + json.dumps(VLLM | LISTS)[:-9]
    profile = profiled(tmp_path, text, name="r.json")
    assert (profile.lines.read, profile.lines.profiled, profile.lines.rejected) == (5, 4, {"bad_json": 1})
    assert {group.key["workload"] for group in profile.groups} == {None, "second"}


def test_vllm_lists_of_different_lengths_are_no_requests(tmp_path) -> None:
    assert one_file(tmp_path, VLLM | LISTS | {"ttfts": [0.1]}).lines.rejected == {"missing_field": 1}


def test_a_longer_report_than_a_line_may_be_is_read(tmp_path) -> None:
    """17 MB of generated text: more than a line of a log may have."""
    texts = {"generated_texts": ["x" * (17 << 20), ""]}
    assert one_file(tmp_path, VLLM | LISTS | texts).lines.profiled == 2


# ---- GuideLLM ---------------------------------------------------------------------------------------------------------------


def guidellm(*requests: dict[str, Any], fate: str = "successful", **run: Any) -> dict[str, Any]:
    told = {"successful": [], "errored": [], "incomplete": []} | {fate: list(requests)}
    whole = {"config": {"strategy": {"type_": "constant", "rate": 2.5}}, "metrics": {}, "requests": told} | run
    return {"metadata": {"version": 2, "guidellm_version": "0.8.1"}, "config": {"backend": {"model": "m"}}, "benchmarks": [whole]}


def guidellm_request(**changed: Any) -> dict[str, Any]:
    """The shape quoted in formats.md, 3.9, of a request that was answered."""
    told = {"request_id": "r", "info": {"error": None}, "request_start_time": 1771584350.5, "request_end_time": 1771584353.0}
    told |= {"request_latency": 2.5, "prompt_tokens": 256, "output_tokens": 100, "time_to_first_token_ms": 400.0}
    return told | changed


def test_the_guidellm_sample_by_other_means() -> None:
    steady, flood = json.loads(sample("bench.guidellm.json"))["benchmarks"]
    profile = sampled("bench.guidellm.json")
    good = steady["requests"]["successful"]
    latencies = [1000 * (one["request_end_time"] - one["request_start_time"]) for one in good]
    agree(profile.select(workload="constant@2"), latencies, errors=2, ttfts_ms=[one["time_to_first_token_ms"] for one in good])
    (one,) = profile.aggregates
    points = flood["metrics"]["request_latency"]["successful"]["percentiles"]
    assert one.key["workload"] == "throughput"
    assert [one.latency.quantile(p) for p in (0.001, 0.5, 0.99)] == [1000 * points[p] for p in ("p001", "p50", "p99")]
    assert (one.requests, one.errors) == (40, 2)
    assert profile.lines.skipped == {"other_record": 1 + 6}  # one cut off, six that the aggregate stands for


def test_guidellm_seconds_beside_milliseconds(tmp_path) -> None:
    tally = one_file(tmp_path, guidellm(guidellm_request())).total
    assert (tally.latency.max_ms, tally.ttft.max_ms, tally.first_ns) == (2500.0, 400.0, 1771584350_500_000_000)


def test_guidellm_errored_requests_took_their_time_to_fail(tmp_path) -> None:
    failed = guidellm_request(request_latency=None, time_to_first_token_ms=None, output_tokens=None, info={"error": "boom"})
    tally = one_file(tmp_path, guidellm(failed, fate="errored")).total
    assert (tally.errors, tally.latency.n, tally.failure.max_ms) == (1, 0, 2500.0)


def test_guidellm_requests_cut_off_at_the_end_are_no_failures(tmp_path) -> None:
    cut = guidellm_request(request_latency=None, info={"status": "cancelled", "error": "Request was cancelled"})
    lines = one_file(tmp_path, guidellm(cut, fate="incomplete")).lines
    assert (lines.profiled, lines.skipped) == (0, {"other_record": 1})


def test_guidellm_a_sampled_run_is_the_aggregate_of_all(tmp_path) -> None:
    spread = {"successful": {"mean": 3.0, "min": 1.0, "max": 9.0, "percentiles": {"p001": 1.0, "p50": 2.75, "p99": 8.0}}}
    metrics = {"request_totals": {"successful": 22, "errored": 0, "incomplete": 0, "total": 22}, "request_latency": spread}
    profile = one_file(tmp_path, guidellm(guidellm_request(), guidellm_request(), metrics=metrics))
    (one,) = profile.aggregates
    assert (one.latency.ms, one.latency.mean_ms, one.requests) == ({0.001: 1000.0, 0.5: 2750.0, 0.99: 8000.0}, 3000.0, 22)
    assert (profile.lines.read, profile.lines.profiled, profile.lines.skipped, profile.groups) == (3, 1, {"other_record": 2}, ())
    assert any("lists 2 of 22" in note for note in profile.files[0].notes)


def test_guidellm_runs_of_a_sweep_are_told_apart(tmp_path) -> None:
    report = guidellm(guidellm_request())
    flood = {"config": {"strategy": {"type_": "throughput"}}, "requests": {"successful": [guidellm_request(request_latency=12.0)]}}
    report["benchmarks"].append(flood)
    profile = one_file(tmp_path, report, by=["workload", "model"])
    assert [(group.key["workload"], group.key["model"]) for group in profile.groups] == [("constant@2.5", "m"), ("throughput", "m")]
    assert any("those of a queue" in note for note in profile.files[0].notes)


def test_guidellm_what_is_no_request_is_rejected(tmp_path) -> None:
    report = guidellm(guidellm_request(), None, guidellm_request(request_latency="2.5"), guidellm_request(request_latency=None))  # type: ignore[arg-type]
    lines = one_file(tmp_path, report).lines
    assert (lines.read, lines.profiled, lines.rejected) == (4, 1, {"not_object": 1, "null_required": 1, "wrong_type": 1})


# ---- AIPerf -----------------------------------------------------------------------------------------------------------------


def aiperf(**changed: Any) -> str:
    about = {"x_request_id": "r", "request_start_ns": 1777310455280069892, "request_end_ns": 1777310455672975797}
    about |= {"benchmark_phase": "profiling", "was_cancelled": False} | changed.pop("metadata", {})
    metrics = {"request_latency": {"value": 371.71447, "unit": "ms"}, "time_to_first_token": {"value": 263.927306, "unit": "ms"}}
    metrics |= {"input_sequence_length": {"value": 9, "unit": "tokens"}, "output_sequence_length": {"value": 6, "unit": "tokens"}}
    return json.dumps({"metadata": about, "metrics": metrics | changed.pop("metrics", {})} | changed) + "\n"


def test_the_aiperf_sample_by_other_means() -> None:
    records = [json.loads(line) for line in sample("bench.aiperf.jsonl").splitlines()]
    counted = [r for r in records if r["metadata"]["benchmark_phase"] == "profiling" and not r["metadata"]["was_cancelled"]]
    good = [r["metrics"] for r in counted if "error" not in r]
    latencies = [m["request_latency"]["value"] * {"ms": 1, "sec": 1000}[m["request_latency"]["unit"]] for m in good]
    profile = sampled("bench.aiperf.jsonl")
    agree(profile.total, latencies, errors=3, ttfts_ms=[m["time_to_first_token"]["value"] for m in good])
    assert profile.total.failure.min_ms == 20_600.0
    assert profile.lines.skipped == {"other_record": len(records) - len(counted)}
    assert profile.total.first_ns == min(r["metadata"]["request_start_ns"] for r in counted)


@pytest.mark.parametrize(("unit", "ms"), [("ns", 1e-6), ("us", 1e-3), ("ms", 1.0), ("sec", 1e3)])
def test_aiperf_the_unit_is_read_and_never_guessed(tmp_path, unit, ms) -> None:
    tally = profiled(tmp_path, aiperf(metrics={"request_latency": {"value": 812, "unit": unit}})).total
    assert tally.latency.max_ms == pytest.approx(812 * ms)


def test_aiperf_an_unknown_unit_is_rejected(tmp_path) -> None:
    odd = aiperf(metrics={"request_latency": {"value": 812, "unit": "fortnight"}}) + aiperf(metrics={"request_latency": {"value": 812}})
    listed = aiperf(metrics={"request_latency": {"value": [1.0, 2.0], "unit": "ms"}})
    assert profiled(tmp_path, odd + listed + aiperf()).lines.rejected == {"wrong_type": 3}


def test_aiperf_failures_have_no_latency_but_their_time(tmp_path) -> None:
    """The timeout of formats.md, 3.10: 20.576 172 172 s from start to end."""
    stamps = {"request_start_ns": 1777310455677099859, "request_end_ns": 1777310476253272031}
    error = {"type": "TimeoutError", "message": "TimeoutError()"}
    record = json.loads(aiperf(metadata=stamps, error=error))
    record["metrics"] = {"error_isl": {"value": 12, "unit": "tokens"}}
    tally = profiled(tmp_path, json.dumps(record) + "\n" + aiperf()).total
    assert (tally.requests, tally.errors, tally.latency.n) == (2, 1, 1)
    assert tally.failure.max_ms == pytest.approx(20_576.172172, abs=1e-6)


@pytest.mark.parametrize("about", [{"benchmark_phase": "warmup"}, {"phase_kind": "warmup"}, {"was_cancelled": True}])
def test_aiperf_warm_up_and_cancelled_requests_are_left_out(tmp_path, about) -> None:
    lines = profiled(tmp_path, aiperf(metadata=about) + aiperf()).lines
    assert (lines.profiled, lines.skipped) == (1, {"other_record": 1})


def test_aiperf_a_success_without_a_latency_is_rejected(tmp_path) -> None:
    record = json.loads(aiperf())
    del record["metrics"]["request_latency"]
    assert profiled(tmp_path, json.dumps(record) + "\n" + aiperf()).lines.rejected == {"null_required": 1}


# ---- genai-perf -------------------------------------------------------------------------------------------------------------

SENT = 1_707_773_951_000_000_000


def event(content: str | None, **delta: str) -> dict[str, str]:
    body = "[DONE]" if content is None else json.dumps({"choices": [{"delta": {"content": content} | delta}]})
    return {"response": f"data: {body}\n\n"}


def genai_perf(tmp_path: Path, *responses: tuple[int, dict[str, str]], sent: int = SENT) -> Profile:
    request = {"timestamp": sent, "request_inputs": {}, "response_timestamps": [sent + at * 10**6 for at, _ in responses]}
    request["response_outputs"] = [output for _, output in responses]
    run = {"experiment": {"mode": "concurrency", "value": 10}, "requests": [request]}
    return one_file(tmp_path, {"service_kind": "openai", "experiments": [run]})


def test_the_genai_perf_sample_by_other_means() -> None:
    (run,) = json.loads(sample("bench.genai-perf.json"))["experiments"]
    spans = [[at - one["timestamp"] for at in one["response_timestamps"]] for one in run["requests"] if one["response_timestamps"]]
    # of four responses the first is a role, the last is [DONE]
    profile = sampled("bench.genai-perf.json")
    agree(profile.select(workload="concurrency 4"), [span[2] / 1e6 for span in spans], errors=0, ttfts_ms=[span[1] / 1e6 for span in spans])
    assert profile.lines.skipped == {"other_record": 1}
    assert all(less < more for span in spans for less, more in pairwise(span))


def test_genai_perf_empty_first_and_last_responses_are_no_answer(tmp_path) -> None:
    profile = genai_perf(tmp_path, (60, event("", role="assistant")), (400, event("a")), (900, event("b")), (950, event(None)))
    assert (profile.total.latency.max_ms, profile.total.ttft.max_ms) == (900.0, 400.0)
    assert profile.total.first_ns == SENT


def test_genai_perf_several_events_in_one_response(tmp_path) -> None:
    last = {"response": event("b")["response"] + event(None)["response"]}
    assert genai_perf(tmp_path, (400, event("a")), (900, last)).total.latency.max_ms == 900.0


def test_genai_perf_one_response_is_no_stream(tmp_path) -> None:
    whole = {"response": json.dumps({"choices": [{"message": {"content": "yes"}}]})}
    tally = genai_perf(tmp_path, (700, whole)).total
    assert (tally.latency.max_ms, tally.ttft.n) == (700.0, 0)


def test_genai_perf_requests_without_content_are_left_out_and_said(tmp_path) -> None:
    for responses in ((), ((400, event("")), (410, event(None)))):
        profile = genai_perf(tmp_path, *responses)
        assert (profile.lines.profiled, profile.lines.skipped) == (0, {"other_record": 1})
        assert any("1 request has no response with content" in note for note in profile.files[0].notes)


def test_genai_perf_an_error_event_is_a_failure(tmp_path) -> None:
    failed = {"response": 'event: error\ndata: {"object":"error","message":"overloaded"}\n\n'}
    tally = genai_perf(tmp_path, (30, failed)).total
    assert (tally.errors, tally.latency.n, tally.failure.max_ms) == (1, 0, 30.0)


def test_genai_perf_a_clock_of_its_own_has_no_date(tmp_path) -> None:
    assert genai_perf(tmp_path, (400, event("a")), (900, event("b")), sent=10**12).total.first_ns is None


# ---- LLMPerf ----------------------------------------------------------------------------------------------------------------


def llmperf(**changed: Any) -> dict[str, Any]:
    """The record quoted in formats.md, 3.11."""
    told = {"error_code": None, "error_msg": "", "inter_token_latency_s": 0.0187, "ttft_s": 0.428, "end_to_end_latency_s": 2.914}
    told |= {"request_output_throughput_token_per_s": 52.16, "number_total_tokens": 701, "number_output_tokens": 151}
    return told | {"number_input_tokens": 550} | changed


LOST = {"ttft_s": 0, "end_to_end_latency_s": 0, "number_output_tokens": 0, "number_input_tokens": 0}


def test_the_llmperf_sample_by_other_means() -> None:
    rows = json.loads(sample("bench.llmperf.json"))
    good = [row for row in rows if row["error_code"] is None]
    latencies = [1000 * row["end_to_end_latency_s"] for row in good]
    agree(sampled("bench.llmperf.json").total, latencies, errors=6, ttfts_ms=[1000 * row["ttft_s"] for row in good])
    short = [row for row in rows if row["error_code"] in (None, -100)]
    forgiven = sampled("bench.llmperf.json", not_error=["-100"]).total
    agree(forgiven, [1000 * r["end_to_end_latency_s"] for r in short], errors=3, ttfts_ms=[1000 * r["ttft_s"] for r in short])


@pytest.mark.parametrize("code", [429, -1, 500])
def test_llmperf_lost_requests_have_0_and_no_time(tmp_path, code) -> None:
    tally = one_file(tmp_path, [llmperf(), llmperf(error_code=code, **LOST)]).total
    assert (tally.requests, tally.errors, tally.latency.n, tally.failure.n) == (2, 1, 1, 0)


def test_llmperf_too_short_is_a_policy(tmp_path) -> None:
    short = [llmperf(error_code=-100)]
    assert one_file(tmp_path, short).total.errors == 1
    assert one_file(tmp_path, short, not_error=["-100"]).total.errors == 0


def test_llmperf_a_first_token_at_the_end_is_none(tmp_path) -> None:
    assert one_file(tmp_path, [llmperf(ttft_s=2.914)]).total.ttft.n == 0


def test_llmperf_summaries_are_refused(tmp_path) -> None:
    """Their numbers are text, and they list no request."""
    from edgeroi.errors import EdgeroiError

    log = tmp_path / "summary.json"
    log.write_text(json.dumps({"version": "2023-08-31", "mean_input_tokens": "550", "results_end_to_end_latency_s_quantiles_p50": 2.9}))
    with pytest.raises(EdgeroiError, match="not a request log"):
        read_logs([log], reading())


def totals(profile: Profile) -> tuple[int, int, float | None]:
    tally: Tally = profile.total
    return tally.requests, tally.errors, tally.latency.quantile(0.5)


@pytest.mark.skipif(not LEADERBOARD.exists(), reason="the shared data are not here")
def test_the_leaderboard_is_read_with_nothing_said_and_as_mapped() -> None:
    folder = LEADERBOARD / "individual"
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]
    good = [1000 * row["end_to_end_latency_s"] for row in rows if row["error_code"] is None]
    plain = read_logs([folder], reading(map=["provider=@filename:^([a-z]+)_"], by=["provider"]))
    assert {file.format for file in plain.files} == {"llmperf"}
    assert totals(plain)[:2] == (len(rows), len(rows) - len(good)) == (2845, 2845 - len(good))
    assert totals(plain)[2] == pytest.approx(rank(good, 0.5), rel=1e-3)
    columns = ["latency_ms=end_to_end_latency_s:s", "ttft_ms=ttft_s:s", "error=error_code", "provider=@filename:^([a-z]+)_"]
    mapped = read_logs([folder], reading(map=columns, const=["workload=llama2"], by=["provider"]))
    assert {file.format for file in mapped.files} == {"json-array mapped"}
    assert totals(mapped) == totals(plain)


# ---- genai-bench ------------------------------------------------------------------------------------------------------------


def genai_bench(*requests: Any, **whole: Any) -> dict[str, Any]:
    return {"aggregated_metrics": {"scenario": "D(100,100)"}, "individual_request_metrics": list(requests)} | whole


def genai_bench_request(**changed: Any) -> dict[str, Any]:
    """The record quoted in formats.md, 3.12."""
    told = {"ttft": 0.35, "tpot": 0.0061, "e2e_latency": 0.9585, "output_latency": 0.6084, "num_input_tokens": 106}
    return told | {"num_output_tokens": 100, "total_tokens": 206, "error_code": None, "error_message": None} | changed


def test_the_genai_bench_sample_by_other_means() -> None:
    report = json.loads(sample("bench.genai-bench.json"))
    good = [row for row in report["individual_request_metrics"] if row["error_code"] is None]
    assert report["_time_unit"] == "ms"
    profile = sampled("bench.genai-bench.json")
    tally = profile.select(workload=report["aggregated_metrics"]["scenario"])
    agree(tally, [row["e2e_latency"] for row in good], errors=2, ttfts_ms=[row["ttft"] for row in good])


@pytest.mark.parametrize(("unit", "ms_per"), [({"_time_unit": "s"}, 1000.0), ({"_time_unit": "ms"}, 1.0), ({}, 1000.0)])
def test_genai_bench_the_unit_is_the_files(tmp_path, unit, ms_per) -> None:
    profile = one_file(tmp_path, genai_bench(genai_bench_request(), **unit))
    assert profile.total.latency.max_ms == pytest.approx(0.9585 * ms_per)
    assert profile.total.ttft.max_ms == pytest.approx(0.35 * ms_per)
    assert any(f"in {unit.get('_time_unit', 's')}" in note for note in profile.files[0].notes)


def test_genai_bench_an_unknown_unit_is_rejected(tmp_path) -> None:
    assert one_file(tmp_path, genai_bench(genai_bench_request(), _time_unit="us")).lines.rejected == {"wrong_type": 1}


def test_genai_bench_failures_are_null(tmp_path) -> None:
    lost = dict.fromkeys(genai_bench_request()) | {"error_code": 503, "error_message": "overloaded"}
    profile = one_file(tmp_path, genai_bench(genai_bench_request(), lost, "odd"))
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (2, 1, 1)
    assert profile.lines.rejected == {"not_object": 1}
