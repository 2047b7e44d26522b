"""Usage objects beside a duration: what each provider counts where, and which fields are a latency."""

import json
from pathlib import Path

import numpy as np
import pytest
from written import profiled

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, NoLog, detect, formats
from edgeroi.logs.reading import reading
from edgeroi.logs.usage import tokens_of, usage_in
from edgeroi.logs.usage_lines import FIELDS, FORMAT, canonical
from edgeroi.request import COLUMNS

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "calls.usage.jsonl"
CHAT = {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280, "prompt_tokens_details": {"cached_tokens": 1024},
        "completion_tokens_details": {"reasoning_tokens": 40}}  # fmt: skip
RESPONSES = {"input_tokens": 1200, "output_tokens": 80, "input_tokens_details": {"cached_tokens": 1024}, "total_tokens": 1280}
MESSAGES = {"input_tokens": 100, "output_tokens": 80, "cache_read_input_tokens": 1024, "cache_creation_input_tokens": 76}


def call(usage=CHAT, **changed):
    return {
        "timestamp": "2026-11-01T10:00:00Z",
        "model": "gpt-4o-mini",
        "operation": "draft",
        "duration_ms": 950.5,
        "usage": usage,
    } | changed


@pytest.mark.parametrize("usage", [CHAT, RESPONSES])
def test_openai_counts_cached_tokens_inside_the_input_and_reasoning_inside_the_output(usage):
    counts = tokens_of(usage)
    assert (counts["input_tokens"], counts["cached_tokens"], counts["output_tokens"]) == (1200, 1024, 80)


def test_anthropic_counts_cached_tokens_outside():
    counts = tokens_of(MESSAGES)
    # 100 + 1,024 read from the cache + 76 written to it
    assert (counts["input_tokens"], counts["cached_tokens"], counts["cache_write_tokens"]) == (1200, 1024, 76)
    assert tokens_of({"input_tokens": 100, "output_tokens": 80})["input_tokens"] == 100


def test_the_three_shapes_of_one_call_count_alike(tmp_path):
    totals = [profiled(tmp_path, call(usage)).total for usage in (CHAT, RESPONSES, MESSAGES)]
    assert {total.total("input_tokens") for total in totals} == {1200}
    assert {total.total("cached_tokens") for total in totals} == {1024}


def test_nothing_counted_is_unknown_but_an_embedding_writes_none():
    assert set(tokens_of({"prompt_tokens": 0, "completion_tokens": 0}).values()) == {None}
    assert tokens_of({"prompt_tokens": 12, "completion_tokens": 0})["output_tokens"] == 0
    assert tokens_of({"prompt_tokens": 12, "total_tokens": 12})["output_tokens"] is None


@pytest.mark.parametrize(
    ("name", "value", "latency_ms"),
    [("duration_ms", 950.5, 950.5), ("latency_ms", 950.5, 950.5), ("elapsed_s", 0.5, 500.0), ("latency_seconds", 2, 2000.0),
     ("response_time_us", 1500, 1.5), ("duration_ns", 2_000_000, 2.0), ("elapsed_ms", "12.5", 12.5)],
)  # fmt: skip
def test_the_unit_is_the_ending_of_the_name(name, value, latency_ms):
    record = call(**{name: value})
    if name != "duration_ms":
        del record["duration_ms"]
    assert canonical(record)["latency_ms"] == pytest.approx(latency_ms)
    assert FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x", True), reading()).unit == f"{name}, {name.rpartition('_')[2]}"


def test_a_name_without_a_unit_is_no_latency_and_a_usage_alone_no_log():
    for record in (call(duration_ms=None, latency=3), {"created": 1795331349, "usage": CHAT, "model": "m"}):
        record.pop("duration_ms", None)
        with pytest.raises(NoLog, match="--map latency_ms=FIELD:UNIT"):
            detect(Head(json.dumps(record).encode() + b"\n", "x.jsonl", True), reading())


def test_mapping_a_latency_reads_the_log_as_mapped(tmp_path):
    record = call(latency=3)
    del record["duration_ms"]
    profile = profiled(tmp_path, record, map=["latency_ms=latency:s", "input_tokens=usage.prompt_tokens"])
    assert (profile.files[0].format, profile.total.latency.max_ms, profile.total.total("input_tokens")) == ("jsonl mapped", 3000, 1200)


def test_canonical_counts_are_the_native_formats_own(tmp_path):
    native = call(latency_ms=5, input_tokens=7)
    assert usage_in(native) is None
    assert profiled(tmp_path, native).files[0].format == "jsonl"
    assert profiled(tmp_path, call(latency_ms=5)).files[0].format == "usage-lines record"


def test_the_response_inside_tells_its_usage_and_model(tmp_path):
    record = {"started_at": "2026-11-01T10:00:00Z", "elapsed_ms": 40, "response": {"id": "r", "model": "m", "usage": RESPONSES}}
    values = canonical(record)
    assert (values["model"], values["request_id"], values["input_tokens"], values["latency_ms"]) == ("m", "r", 1200, 40)


def test_a_first_token_at_the_end_was_not_measured():
    assert canonical(call(ttft_ms=200))["ttft_ms"] == 200
    assert canonical(call(ttft_s=0.2))["ttft_ms"] == 200.0
    for first in (0, None, 950.5):
        assert canonical(call(ttft_ms=first))["ttft_ms"] is None


def test_failures_and_times(tmp_path):
    failed = call(usage=None, error={"type": "overloaded_error", "message": "x"}, duration_ms=0)
    profile = profiled(tmp_path, call(), failed, call(status="error"), call(status_code=429), by=["error"])
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (4, 3, 1)
    assert {group.key["error"] for group in profile.groups} == {None, "overloaded_error"}
    naive = profiled(tmp_path, call(), call(timestamp="2026-11-01T10:00:00"))
    assert naive.lines.rejected == {"naive_timestamp": 1}  # nobody defined it as UTC
    assert profile.seen_from is None  # who measured is not in the record


def test_a_cost_of_zero_is_unknown():
    assert canonical(call(cost_usd=0))["cost_usd"] is None
    assert canonical(call(usage=CHAT | {"cost": 0.01}))["cost_usd"] == 0.01


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"duration_ms": "long"}, "wrong_type"), ({"duration_ms": -1}, "out_of_range"), ({"timestamp": "x"}, "bad_timestamp"),
     ({"usage": CHAT | {"prompt_tokens": "many"}}, "wrong_type"), ({"usage": MESSAGES | {"cache_read_input_tokens": [1]}}, "wrong_type"),
     ({"duration_ms": None}, "null_required"), ({"status": "sort of"}, "bad_status")],
)  # fmt: skip
def test_what_a_record_gets_rejected_for(tmp_path, changed, reason):
    assert profiled(tmp_path, call(), call(**changed)).lines.rejected == {reason: 1}


def test_fields_and_the_other_json_formats_stand_back():
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(call())) <= set(COLUMNS)
    array = Head(json.dumps([call(latency_ms=4)]).encode(), "x.json", True)
    assert detect(array, reading()).format is formats()["usage-lines"]
    assert detect(array, reading(format="json-array")).name == "json-array"


def test_the_sample_agrees_with_a_reading_of_our_own():
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    good = [row for row in rows if row["status_code"] == 200]
    profile = read_logs([SAMPLE], reading())
    assert (profile.total.requests, profile.total.errors) == (len(rows), len(rows) - len(good))
    told = np.sort([row["duration_ms"] for row in good])
    assert profile.total.latency.quantile(0.5) == pytest.approx(told[int(np.ceil(len(told) / 2)) - 1], rel=1e-3)
    usages = [row["usage"] for row in good]
    inputs = [usage.get("prompt_tokens") or usage["input_tokens"] + usage.get("cache_read_input_tokens", 0) for usage in usages]
    assert profile.total.total("input_tokens") == sum(inputs)
    cached = [usage.get("prompt_tokens_details", usage.get("input_tokens_details", {})).get("cached_tokens", 0) for usage in usages]
    assert profile.total.total("cached_tokens") == sum(cached) + sum(usage.get("cache_read_input_tokens", 0) for usage in usages)
