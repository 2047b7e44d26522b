"""LiteLLM records, pitfall by pitfall; every expected number is worked out beside its record."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.census import partial_of
from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.litellm import FORMAT, JUDGE
from edgeroi.logs.litellm_calls import FIELDS, canonical
from edgeroi.logs.objects import from_lines
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Bad, Skip
from edgeroi.request import COLUMNS

START = 1795331349.211548


def payload(**changed):
    """A streamed call of 1,678.445 ms whose first token came after 428.069 ms."""
    told = {
        "id": "chatcmpl-1", "trace_id": "t-1", "call_type": "acompletion", "stream": True, "status": "success",
        "custom_llm_provider": "openai", "model": "gpt-4o-mini", "model_group": "assistant", "api_base": "https://api.openai.com/v1",
        "startTime": START, "endTime": 1795331350.889993, "completionStartTime": 1795331349.639617, "response_time": 0.428069,
        "prompt_tokens": 10, "completion_tokens": 41, "total_tokens": 51, "response_cost": 2.61e-05, "cache_hit": False,
        "request_tags": [], "metadata": {},
    }  # fmt: skip
    return told | changed


def spend_row(**changed):
    """A row of the proxy's table: 2 s, first token after 0.25 s; UTC without a zone, flags as text."""
    told = {
        "request_id": "chatcmpl-2", "call_type": "acompletion", "spend": 0.002, "total_tokens": 30, "prompt_tokens": 20,
        "completion_tokens": 10, "startTime": "2026-11-01 10:00:00.000", "endTime": "2026-11-01 10:00:02.000",
        "completionStartTime": "2026-11-01 10:00:00.250", "model": "m", "model_group": "chat", "custom_llm_provider": "deepinfra",
        "cache_hit": "False", "metadata": "{}", "request_tags": "[]", "status": "success", "session_id": "s-1",
    }  # fmt: skip
    return told | changed


def profiled(tmp_path, *records, name="log.jsonl", text=None, **read):
    log = tmp_path / name
    log.write_text("".join(json.dumps(record) + "\n" for record in records) if text is None else text)
    return read_logs([log], reading(**read))


def test_latency_is_end_less_start_and_never_response_time():
    values = canonical(payload(response_time=99.0))
    assert values["latency_ms"] == pytest.approx((1795331350.889993 - START) * 1e3, abs=1e-3)
    assert values["latency_ms"] == 1678.445  # microseconds are all a double of this size can tell
    assert canonical(payload(response_time=99.0, stream=False))["latency_ms"] == 1678.445


def test_timestamp_is_the_start_to_the_microsecond():
    assert canonical(payload())["timestamp"] == 1795331349_211548_000


def test_first_token_of_a_streamed_call():
    values = canonical(payload())
    assert (values["ttft_ms"], values["streamed"]) == (428.069, True)


def test_first_token_at_the_end_is_none_even_of_a_stream():
    same = payload(completionStartTime=payload()["endTime"])
    assert canonical(same)["ttft_ms"] is None
    assert canonical(same)["streamed"] is True


@pytest.mark.parametrize("stream", [False, None])
def test_a_call_not_streamed_has_no_first_token(stream):
    end = payload()["endTime"]
    values = canonical(payload(stream=stream, completionStartTime=end))
    assert (values["ttft_ms"], values["streamed"]) == (None, False)
    assert canonical(payload(stream=False))["ttft_ms"] is None


def test_spend_logs_tell_a_stream_by_its_first_token():
    values = canonical(spend_row())
    assert (values["latency_ms"], values["ttft_ms"], values["streamed"]) == (2000.0, 250.0, True)
    late = canonical(spend_row(completionStartTime="2026-11-01 10:00:02.000"))
    assert (late["ttft_ms"], late["streamed"]) == (None, None)


@pytest.mark.parametrize(
    "start",
    ["2026-11-01 10:00:00.000", "2026-11-01T10:00:00", "2026-11-01T10:00:00.000Z", "2026-11-01 10:00:00+00", "2026-11-01T11:00:00+01:00",
     "2026-11-01 05:30:00.000-0430"],
)  # fmt: skip
def test_a_time_without_a_zone_is_utc_by_the_format(start):
    # 2026-11-01T10:00:00Z is day 20,758 of the epoch: 20,758 x 86,400 + 36,000
    assert canonical(spend_row(startTime=start))["timestamp"] == (20_758 * 86_400 + 36_000) * 10**9


def test_the_duration_column_stands_in_for_a_missing_end():
    assert canonical(spend_row(endTime=None, request_duration_ms=1234))["latency_ms"] == 1234


@pytest.mark.parametrize("hit", [{"cache_hit": True}, {"cache_hit": "True"}, {"id": "chatcmpl-1_cache_hit1795331349.2"}])
def test_a_cache_hit_is_skipped_not_profiled(tmp_path, hit):
    profile = profiled(tmp_path, payload(), payload(**hit))
    assert (profile.lines.profiled, profile.lines.skipped) == (1, {"cache_hit": 1})


@pytest.mark.parametrize("said", [False, None, "False", "None", ""])
def test_what_is_no_cache_hit(tmp_path, said):
    assert profiled(tmp_path, payload(cache_hit=said)).lines.profiled == 1


def test_an_unknown_word_for_a_cache_hit_is_rejected(tmp_path):
    assert profiled(tmp_path, payload(), payload(cache_hit="maybe")).lines.rejected == {"wrong_type": 1}


def test_workload_is_the_public_name_else_the_kind_of_call():
    assert canonical(payload())["workload"] == "assistant"
    assert canonical(payload(model_group=""))["workload"] == "acompletion"


def test_a_cost_of_zero_is_unknown():
    assert canonical(payload(response_cost=0.0))["cost_usd"] is None
    assert canonical(spend_row(spend=0))["cost_usd"] is None
    assert canonical(payload())["cost_usd"] == 2.61e-05
    assert canonical(spend_row())["cost_usd"] == 0.002


def test_a_cost_of_zero_is_unknown_a_column_at_a_time_too(tmp_path):
    told = profiled(tmp_path, payload(response_cost=0.0), payload(response_cost=0), payload(response_cost=0.5)).total.sums["cost_usd"]
    assert (told.total, told.n) == (5 * 10**11, 1)


def test_no_tokens_at_all_are_unknown_but_an_embedding_writes_none():
    uncounted = canonical(payload(prompt_tokens=0, completion_tokens=0))
    assert (uncounted["input_tokens"], uncounted["output_tokens"]) == (None, None)
    embedding = canonical(payload(prompt_tokens=63, completion_tokens=0))
    assert (embedding["input_tokens"], embedding["output_tokens"]) == (63, 0)


def test_cached_tokens_are_found_in_either_place_and_stay_inside_the_input():
    openai = {"usage_object": {"prompt_tokens_details": {"cached_tokens": 1024, "cache_creation_tokens": 7}}}
    anthropic = {"usage_object": {"cache_read_input_tokens": 512, "cache_creation_input_tokens": 256, "prompt_tokens_details": None}}
    told = canonical(payload(prompt_tokens=1200, metadata=openai))
    assert (told["input_tokens"], told["cached_tokens"], told["cache_write_tokens"]) == (1200, 1024, 7)
    told = canonical(spend_row(metadata=json.dumps(anthropic)))
    assert (told["cached_tokens"], told["cache_write_tokens"]) == (512, 256)
    assert canonical(payload())["cached_tokens"] is None


def test_a_failure_counts_as_an_error_with_its_duration_apart(tmp_path):
    failed = payload(status="failure", error_information={"error_code": "429", "error_class": "RateLimitError"}, response_cost=0,
                     prompt_tokens=0, completion_tokens=0, endTime=START + 0.05)  # fmt: skip
    total = profiled(tmp_path, payload(), failed).total
    assert (total.requests, total.errors, total.latency.n, total.failure.n) == (2, 1, 1, 1)
    assert total.failure.max_ms == pytest.approx(50.0, abs=1e-3)
    assert total.sums["input_tokens"].n == 1


def test_errors_are_grouped_by_code_and_may_be_excused(tmp_path):
    failed = payload(status="failure", error_information={"error_code": "404"})
    assert {group.key["error"] for group in profiled(tmp_path, payload(), failed, by=["error"]).groups} == {"404", None}
    assert profiled(tmp_path, payload(), failed, not_error=["404"]).total.errors == 0


def test_a_status_in_the_metadata_is_used_and_an_unknown_one_rejected(tmp_path):
    old = spend_row(metadata=json.dumps({"status": "failure"}))
    del old["status"]
    assert profiled(tmp_path, spend_row(), old).total.errors == 1
    assert profiled(tmp_path, payload(), payload(status="blocked")).lines.rejected == {"bad_status": 1}


def test_attempts_of_one_trace_are_requests_each_under_one_session(tmp_path):
    profile = profiled(tmp_path, payload(status="failure"), payload(metadata={"attempted_retries": 1}), by=["session_id", "attempt"])
    assert {tuple(group.key.values()) for group in profile.groups} == {("t-1", None), ("t-1", "2")}


@pytest.mark.parametrize("provider", ["cloudflare", "workers-ai"])
def test_only_an_edge_provider_is_at_the_edge(provider):
    assert canonical(payload(custom_llm_provider=provider))["placement"] == "edge"
    assert canonical(payload(model="cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast"))["placement"] == "edge"
    assert canonical(payload(custom_llm_provider="openai", api_base="https://gateway.ai.cloudflare.com/v1/x/openai"))["placement"] is None


@pytest.mark.parametrize(
    "call_type", ["afile_list", "create_batch", "aretrieve_batch", "call_mcp_tool", "avector_store_search", "list_containers",
                  "aget_thread"]
)  # fmt: skip
def test_management_calls_are_no_requests(call_type):
    assert canonical(payload(call_type=call_type)) == Skip("other_record")


@pytest.mark.parametrize(
    "call_type", ["acompletion", "embedding", "atext_completion", "rerank", "atranscription", "aresponses", "anthropic_messages",
                  "create_video", "generate_content", "pass_through_endpoint", "something_new", ""]
)  # fmt: skip
def test_model_calls_are(call_type):
    assert isinstance(canonical(payload(call_type=call_type)), dict)


def test_health_checks_and_polls_are_no_requests():
    assert canonical(payload(request_tags=["litellm-internal-health-check"])) == Skip("other_record")
    assert canonical(payload(metadata={"internal_call_origin": "background_response_cost_poll"})) == Skip("other_record")


def test_the_payload_is_found_inside_a_callbacks_arguments(tmp_path):
    assert profiled(tmp_path, {"standard_logging_object": payload(), "kwargs": {}}).lines.profiled == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"prompt_tokens": "812"}, "wrong_type"), ({"prompt_tokens": True}, "wrong_type"), ({"completion_tokens": 12.5}, "wrong_type"),
        ({"completion_tokens": -1}, "out_of_range"), ({"response_cost": "0.1"}, "wrong_type"), ({"stream": "yes"}, "wrong_type"),
        ({"startTime": "yesterday"}, "bad_timestamp"), ({"startTime": [1]}, "bad_timestamp"), ({"startTime": 12.5}, "out_of_range"),
        ({"endTime": START - 1}, "out_of_range"), ({"endTime": None}, "null_required"),
        ({"completionStartTime": START - 1}, "out_of_range"),
    ],
)  # fmt: skip
def test_what_a_record_gets_rejected_for(tmp_path, changed, reason):
    profile = profiled(tmp_path, payload(), payload(**changed))
    assert (profile.lines.profiled, profile.lines.rejected) == (1, {reason: 1})
    assert [(reject.line, reject.reason) for reject in profile.rejects] == [(2, reason)]


def test_mapping_overrides_what_the_format_knows(tmp_path):
    record = payload(metadata={"team": "search"})
    profile = profiled(tmp_path, record, map=["workload=metadata.team"])
    assert [group.key["workload"] for group in profile.groups] == ["search"]
    assert profile.seen_from == "gateway"
    assert profiled(tmp_path, record, seen_from="client", sampling=0.5).sampling == 0.5
    assert profile.total.latency.max_ms == 1678.445
    assert profiled(tmp_path, record, const=["workload=all"]).groups[0].key["workload"] == "all"


def test_detection_names_the_kind_and_can_say_no():
    def claim(record, **read):
        return FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x.jsonl", True), reading(**read))

    assert claim(payload()).format == "litellm StandardLoggingPayload"
    assert claim(spend_row()).format == "litellm SpendLogs"
    other = claim({"startTime": 1, "endTime": 2, "latency_ms": 3})
    assert not other.claimed
    assert "call_type" in other.why
    assert not claim(payload(), map=["latency_ms=response_time:s"]).claimed


def test_every_line_is_accounted_for(tmp_path):
    lines = [json.dumps(payload()), "", "null", "{", json.dumps(payload(cache_hit=True)), json.dumps(payload(call_type="file_list")),
             json.dumps(payload())[:-40]]  # fmt: skip
    profile = profiled(tmp_path, text="\n".join(lines))
    assert profile.lines.balanced
    assert (profile.lines.read, profile.lines.blank, profile.lines.profiled) == (7, 1, 1)
    assert profile.lines.rejected == {"not_object": 1, "bad_json": 1, "truncated_tail": 1}
    assert profile.lines.skipped == {"cache_hit": 1, "other_record": 1}
    assert {(reject.line, reject.reason) for reject in profile.rejects} == {(3, "not_object"), (4, "bad_json"), (7, "truncated_tail")}


def test_an_array_of_payloads_is_read_alike(tmp_path):
    records = [payload(), payload(cache_hit=True), payload(status="failure")]
    lines = profiled(tmp_path, *records)
    array = profiled(tmp_path, name="log.json", text=json.dumps(records, indent=2))
    assert array.files[0].format == "litellm StandardLoggingPayload"
    assert array.files[0].counted == "records"
    assert array.seen_from == lines.seen_from == "gateway"
    assert array.lines == lines.lines
    assert array.total == lines.total


def test_a_csv_dump_is_read_as_the_rows_are(tmp_path):
    rows = [spend_row(), spend_row(cache_hit="True"), spend_row(status="failure", spend=0, prompt_tokens=0, completion_tokens=0),
            spend_row(request_tags='["a, b"]', completionStartTime="")]  # fmt: skip
    names = list(rows[0])
    quoted = [",".join('"' + str(row[name]).replace('"', '""') + '"' for name in names) for row in rows]
    dump = profiled(tmp_path, name="dump.csv", text="\n".join([",".join(names), *quoted]) + "\n")
    lines = profiled(tmp_path, *rows)
    assert dump.lines.skipped == {"cache_hit": 1, "header": 1}
    assert dump.total == lines.total
    assert dump.total.sums["cost_usd"].total == 2 * 2_000_000_000  # 2 x 0.002 USD in 1e-12 USD


@pytest.mark.parametrize("null", ["", "\\N", "NULL"])
def test_a_dump_spells_null_in_several_ways(tmp_path, null):
    row = {name: str(value) for name, value in spend_row(completionStartTime=null, request_duration_ms=null, cache_hit=null).items()}
    text = ",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n"
    profile = profiled(tmp_path, name="dump.csv", text=text)
    assert (profile.lines.profiled, profile.lines.rejected, profile.total.ttft.n) == (1, {}, 0)


def test_a_number_in_a_dump_must_be_one(tmp_path):
    row = spend_row(prompt_tokens="1_000")
    text = ",".join(row) + "\n" + ",".join(f'"{value}"' for value in row.values()) + "\n"
    profile = profiled(tmp_path, name="dump.csv", text=text)
    assert profile.lines.rejected == {"wrong_type": 1}


def test_its_fields_are_canonical_columns():
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(payload())) <= set(COLUMNS)
    assert {"litellm", "litellm-dump"} <= set(formats())


def test_the_sample_log_agrees_with_a_reading_of_our_own():
    from pathlib import Path

    sample = Path(__file__).parents[1] / "sample_logs" / "gateway.litellm.jsonl"
    records = [json.loads(line) for line in sample.read_text().splitlines()]
    calls = [call for call in records if isinstance(call, dict) and not call["cache_hit"]]
    done = [call for call in calls if call["status"] == "success"]
    profile = read_logs([sample], reading())
    assert profile.total.requests == len(calls)
    assert profile.total.errors == len(calls) - len(done)
    latencies = np.sort([(call["endTime"] - call["startTime"]) * 1e3 for call in done])
    firsts = np.sort([(call["completionStartTime"] - call["startTime"]) * 1e3 for call in done if call["stream"]])
    for p in (0.5, 0.99):
        rank = int(np.ceil(p * len(latencies)))
        assert profile.total.latency.quantile(p) == pytest.approx(latencies[rank - 1], rel=1e-3)
        assert profile.total.ttft.quantile(p) == pytest.approx(firsts[int(np.ceil(p * len(firsts))) - 1], rel=1e-3)
    assert profile.total.total("cost_usd") == pytest.approx(sum(call["response_cost"] for call in done), rel=1e-6)


def test_a_bad_instant_says_which():
    assert canonical(payload(endTime="soon")) == Bad("bad_timestamp", "endTime is not RFC 3339")


def test_it_is_the_only_format_that_claims_its_logs():
    head = Head(json.dumps(payload()).encode() + b"\n", "x.jsonl", True)
    assert detect(head, reading()).format is formats()["litellm"]


ANY = st.sampled_from([None, True, False, 0, 1, -1, 7, 2.5, 0.0, -0.5, 1e7, 1795331349.9, 1795331349212, 2**60, 10**400, "", "x", "True",
                       "2026-11-01 10:00:00.123", "2026-11-01T10:00:00Z", [], [1], {}, {"usage_object": {"cache_read_input_tokens": 3}},
                       '{"usage_object": {"prompt_tokens_details": {"cached_tokens": "3"}}}', "afile_list", "chatcmpl_cache_hit12.5",
                       ["litellm-internal-health-check"], "failure", "@cf/meta/llama"])  # fmt: skip
RECORDS = st.builds(
    lambda make, changes, without: {key: value for key, value in make(**changes).items() if key not in without},
    st.sampled_from([payload, spend_row]),
    st.dictionaries(st.sampled_from(sorted({*payload(), *spend_row(), "user", "end_user"})), ANY, max_size=2),
    st.sets(st.sampled_from(sorted({*payload(), *spend_row()})), max_size=1),
)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.sampled_from([(), ("workload", "placement"), ("provider", "model", "session_id")]))
def test_a_column_at_a_time_says_what_record_by_record_says(records, by):
    chunk = "".join(json.dumps(record) + "\n" for record in records).encode()
    read = reading(by=by)
    quick, exact = FORMAT.read_lines(chunk, read, True), from_lines(chunk, read, JUDGE)
    assert quick.lines == exact.lines
    assert quick.faults == exact.faults
    told = [partial_of(one.batch, tuple(by)) if one.batch is not None and one.batch.n else None for one in (quick, exact)]
    assert told[0] == told[1]


def test_the_quick_way_is_taken():
    from edgeroi.logs.litellm_columns import PlainTold, applies, ordinary

    assert applies(reading())
    found = ordinary(PlainTold([payload(), payload(status="failure"), spend_row()]), np.zeros(3, bool), reading())
    assert (found.batch.n, found.odd.tolist()) == (1, [1, 2])
    assert ordinary(PlainTold([spend_row()] * 2), np.zeros(2, bool), reading()).batch.n == 2
