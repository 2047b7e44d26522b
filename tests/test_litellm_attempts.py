"""Retries and fallbacks that LiteLLM tells in several rows: what is one request, what it took, and that nothing is lost."""

import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written import profiled

from edgeroi.engines.local import read_logs
from edgeroi.logs.litellm import FORMAT, NOT_JOINED
from edgeroi.logs.litellm_attempts import Attempt, failed_traces, runs_of
from edgeroi.logs.reading import reading
from edgeroi.workload import Tally

START = 1795331349.0


def row(start=0.0, took=1.0, failed=False, **changed):
    """A call of trace t that began ``start`` s into the test and took ``took`` s."""
    error = {"error_information": {"error_code": "429"}, "response_cost": 0, "prompt_tokens": 0, "completion_tokens": 0}
    told = {
        "id": f"c{start}", "trace_id": "t", "call_type": "acompletion", "stream": False, "status": "failure" if failed else "success",
        "custom_llm_provider": "openai", "model": "gpt", "model_group": "assistant", "startTime": START + start,
        "endTime": START + start + took, "completionStartTime": START + start + took, "prompt_tokens": 10, "completion_tokens": 5,
        "response_cost": 0.001, "cache_hit": False,
    } | (error if failed else {})  # fmt: skip
    return told | changed


def test_a_retry_that_succeeds_is_one_request_from_first_start_to_last_end(tmp_path):
    profile = profiled(tmp_path, row(0, 0.2, failed=True), row(1.2, 2.0))
    total = profile.total
    assert (total.requests, total.errors, total.latency.n, total.failure.n) == (1, 0, 1, 0)
    assert total.latency.max_ms == pytest.approx(3200)  # 1.2 s until the retry began, and its 2 s
    assert total.first_ns == int(START) * 10**9
    assert (profile.lines.profiled, profile.lines.skipped) == (1, {"other_record": 1})
    assert profile.lines.balanced
    assert (total.total("input_tokens"), total.total("cost_usd")) == (10, pytest.approx(0.001))


def test_the_first_token_is_that_of_the_last_attempt_since_the_first_start(tmp_path):
    streamed = row(1.2, 2.0, stream=True, completionStartTime=START + 1.5)
    assert profiled(tmp_path, row(0, 0.2, failed=True), streamed).total.ttft.max_ms == pytest.approx(1500)


def test_all_attempts_failing_is_one_failure_of_the_whole_time(tmp_path):
    profile = profiled(tmp_path, row(0, 0.5, failed=True), row(1, 0.5, failed=True), row(2, 0.5, failed=True), by=["error", "attempt"])
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (1, 1, 0)
    assert profile.total.failure.max_ms == pytest.approx(2500)
    assert profile.groups[0].key == {"error": "429", "attempt": "3"}
    assert profile.lines.skipped == {"other_record": 2}


def test_a_fallback_is_asked_for_as_the_first_and_answered_as_the_last(tmp_path):
    fallback = row(1, 1, model_group="backup", model="@cf/meta/llama-3.1-8b-instruct", custom_llm_provider="cloudflare")
    profile = profiled(tmp_path, row(0, 0.5, failed=True), fallback, by=["workload", "model", "provider", "placement"])
    assert [group.key for group in profile.groups] == [
        {"workload": "assistant", "model": "@cf/meta/llama-3.1-8b-instruct", "provider": "cloudflare", "placement": "edge"}
    ]


def test_what_all_attempts_cost_is_kept(tmp_path):
    billed = row(0, 60, failed=True, prompt_tokens=10, response_cost=0.0004)  # it timed out after the provider had read the prompt
    total = profiled(tmp_path, billed, row(61, 1)).total
    assert total.requests == 1
    assert (total.total("input_tokens"), total.total("cost_usd")) == (20, pytest.approx(0.0014))


@pytest.mark.parametrize(
    "other",
    [row(2, 1, trace_id="u"), row(2, 1, call_type="aembedding"), row(0.1, 1), row(70, 1), row(2, 1, trace_id=None),
     row(2, 1, metadata={"attempted_retries": 0, "attempted_fallbacks": 0})],
    ids=["another trace", "another kind", "side by side", "a minute later", "no trace", "says it is the first"],
)  # fmt: skip
def test_what_is_a_request_of_its_own(tmp_path, other):
    profile = profiled(tmp_path, row(0, 0.5, failed=True), other)
    assert (profile.total.requests, profile.total.errors, profile.lines.skipped) == (2, 1, {})


def test_an_agents_calls_in_one_trace_are_requests_each(tmp_path):
    profile = profiled(tmp_path, row(0, 1), row(1.5, 1), row(3, 0.1, failed=True), row(4, 1), row(6, 1))
    assert (profile.total.requests, profile.total.errors) == (4, 0)
    assert profile.total.latency.max_ms == pytest.approx(2000)  # the failed 0.1 s, the wait, and the retry's 1 s


def test_order_and_shape_do_not_matter(tmp_path):
    rows = [row(0, 0.2, failed=True), row(1.2, 2.0), row(9, 1, trace_id="u")]
    told = profiled(tmp_path, *rows)
    for shape in (profiled(tmp_path, *reversed(rows)), profiled(tmp_path, name="log.json", text=json.dumps(rows))):
        assert shape.total == told.total
        assert shape.lines == told.lines
    names = ["request_id", "call_type", "spend", "prompt_tokens", "completion_tokens", "startTime", "endTime", "completionStartTime",
             "model", "model_group", "custom_llm_provider", "session_id", "status"]  # fmt: skip
    cells = [[one["id"], one["call_type"], one["response_cost"], one["prompt_tokens"], one["completion_tokens"], one["startTime"],
              one["endTime"], one["completionStartTime"], one["model"], one["model_group"], one["custom_llm_provider"], one["trace_id"],
              one["status"]] for one in rows]  # fmt: skip
    text = "\n".join([",".join(names), *(",".join(map(str, one)) for one in cells)]) + "\n"
    dump = profiled(tmp_path, name="dump.csv", text=text)
    assert (dump.total.requests, dump.lines.skipped) == (2, {"header": 1, "other_record": 1})
    assert dump.total.latency.max_ms == told.total.latency.max_ms


def test_attempts_in_different_pieces_of_a_file_are_joined_by_any_number_of_processes(tmp_path):
    far = [row(100 + at, 0.5, trace_id=f"x{at}", request_tags=["-" * 400]) for at in range(4000)]  # about 3 MB between the two
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(one) + "\n" for one in [row(0, 0.2, failed=True), *far, row(1.2, 2.0)]))
    assert log.stat().st_size > 2 << 20
    one, two = (read_logs([log], reading(), jobs=jobs) for jobs in (1, 2))
    assert one.total == two.total
    assert (one.total.requests, one.total.errors, one.lines.skipped) == (4001, 0, {"other_record": 1})


def test_a_gz_is_looked_over_too_and_a_pipe_says_that_it_is_not(tmp_path):
    import gzip

    rows = "".join(json.dumps(one) + "\n" for one in [row(0, 0.2, failed=True), row(1.2, 2.0)]).encode()
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(rows))
    assert read_logs([log], reading()).total.requests == 1
    chunk = FORMAT.read_lines(rows, reading(), last=True)
    assert chunk.lines.profiled == 2
    assert chunk.notes == (NOT_JOINED,)


def test_rows_in_different_files_are_not_joined(tmp_path):
    for name, one in (("a.jsonl", row(0, 0.2, failed=True)), ("b.jsonl", row(1.2, 2.0))):
        (tmp_path / name).write_text(json.dumps(one) + "\n")
    assert read_logs([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], reading()).total.requests == 2


def test_a_row_that_bills_an_earlier_attempt_is_part_of_its_request(tmp_path):
    final = row(30, 30, failed=True, id="x")
    billed = final | {"id": "x-attempt-1", "response_cost": 0.0004, "prompt_tokens": 10, "metadata": {"billed_retry_attempt": True}}
    profile = profiled(tmp_path, final, billed, by=["attempt"])
    assert (profile.total.requests, profile.total.errors, profile.lines.skipped) == (1, 1, {"other_record": 1})
    assert (profile.total.total("cost_usd"), profile.total.failure.max_ms) == (pytest.approx(0.0004), pytest.approx(30_000))
    assert profile.groups[0].key["attempt"] == "2"
    elsewhere = profiled(tmp_path, final, billed | {"startTime": START + 500, "endTime": START + 501})
    assert elsewhere.total.requests == 2  # it falls into no request of its trace


def test_only_the_traces_of_failures_are_looked_for(monkeypatch):
    lines = [row(trace_id="good", messages="heart failure"), row(failed=True, trace_id="bad"), row(failed=True, trace_id=None)]
    nested = {"standard_logging_object": row(failed=True, trace_id="inner")}
    old = row(trace_id="old", status=None, metadata=json.dumps({"status": "failure"}))
    text = "".join(json.dumps(one) + "\n" for one in [*lines, nested, old]) + '{"status":"failure"'
    assert failed_traces(io.BytesIO(text.encode())) == {"bad", "inner", "old"}
    monkeypatch.setattr("edgeroi.logs.litellm_attempts.MOST_FAILED", 1)
    assert len(failed_traces(io.BytesIO(text.encode()))) == 1


ATTEMPTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90), st.booleans(), st.booleans()), max_size=12)


@given(ATTEMPTS)
@settings(max_examples=60)
def test_every_attempt_is_in_one_run_and_a_run_goes_on_only_after_a_failure(drawn):
    second = 10**9
    attempts = [
        Attempt((str(n),), Tally(requests=1, errors=int(failed)), start * second, (start + took) * second, first)
        for n, (start, took, failed, first) in enumerate(drawn)
    ]
    runs = [run.attempts for run in runs_of(attempts)]
    assert sorted(one.key for run in runs for one in run) == sorted(one.key for one in attempts)
    for run in runs:
        for before, after in pairwise(run):
            assert before.failed
            assert not after.first
            assert 0 <= after.start - before.end <= 60 * second or before.end - after.start <= 10**6


def test_the_sample_agrees_with_a_reading_of_our_own():
    """By the rule itself, on rows sorted by their start: a run ends with its first success or its trace."""
    sample = Path(__file__).parents[1] / "sample_logs" / "retries.litellm.jsonl"
    runs = []
    for call in sorted(map(json.loads, sample.read_text().splitlines()), key=lambda call: (call["trace_id"], call["startTime"])):
        goes_on = runs and runs[-1][-1]["trace_id"] == call["trace_id"] and runs[-1][-1]["status"] == "failure"
        runs[-1:] = [[*runs[-1], call]] if goes_on else [*runs[-1:], [call]]
    good = [run for run in runs if run[-1]["status"] == "success"]
    profile = read_logs([sample], reading(by=["workload", "placement"]))
    assert (profile.lines.read, profile.total.requests, profile.total.errors) == (sum(map(len, runs)), len(runs), len(runs) - len(good))
    assert profile.lines.skipped == {"other_record": profile.lines.read - len(runs)}
    took = sorted((run[-1]["endTime"] - run[0]["startTime"]) * 1e3 for run in good)
    assert profile.total.latency.quantile(0.5) == pytest.approx(took[-(-len(took) // 2) - 1], rel=1e-3)
    assert profile.total.latency.max_ms == pytest.approx(took[-1], abs=1e-3)
    firsts = [(run[-1]["completionStartTime"] - run[0]["startTime"]) * 1e3 for run in good]
    assert profile.total.ttft.max_ms == pytest.approx(max(firsts), abs=1e-3)
    assert profile.total.total("cost_usd") == pytest.approx(sum(call["response_cost"] for run in runs for call in run), rel=1e-9)
    moved = [run for run in good if run[-1]["custom_llm_provider"] == "cloudflare"]
    assert moved  # answered by the fallback at the edge, asked for under the first name
    assert profile.select(workload="assistant", placement="edge").requests == len(moved)
    assert {group.key["workload"] for group in profile.groups} == {"assistant"}
