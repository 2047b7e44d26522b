"""Cloudflare AI Gateway logs, pitfall by pitfall."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.cloudflare_ai_gateway import FIELDS, FORMAT, canonical
from edgeroi.logs.format import Head, NoLog, detect
from edgeroi.logs.reading import reading
from edgeroi.request import COLUMNS

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "page.cloudflare-ai-gateway.json"


def log(**changed):
    """The fields of the API's own example, with the values of a streamed call of 1,234 ms."""
    told = {
        "id": "01K", "cached": False, "created_at": "2026-11-12T18:11:19.117Z", "duration": 1234, "model": "gpt-4o-mini",
        "path": "chat/completions", "provider": "openai", "success": True, "tokens_in": 30, "tokens_out": 9, "cost": 0.00001,
        "custom_cost": False, "metadata": '{"team":"desk"}', "model_type": "", "request_content_type": "application/json",
        "request_type": "chat", "response_content_type": "text/event-stream", "status_code": 200, "step": 0,
    }  # fmt: skip
    return told | changed


def pushed(**changed):
    """An event of Logpush as its dataset describes it."""
    encrypted = {"type": "encrypted", "data": "bm8="}
    told = {
        "Cached": False, "Endpoint": "chat/completions", "Gateway": "g", "Metadata": {}, "Metrics": {"cost": 0.0042, "durationMs": 1234},
        "Model": "gpt-4o-mini", "Provider": "openai", "RateLimited": False, "RequestBody": encrypted, "ResponseBody": encrypted,
        "StatusCode": 200, "Timestamp": "2026-11-12T18:11:19Z",
    }  # fmt: skip
    return told | changed


def profiled(tmp_path, *records, page=False, **read):
    file = tmp_path / "log.json"
    lines = "".join(json.dumps(record) + "\n" for record in records)
    file.write_text(json.dumps({"result": records, "result_info": {"page": 1}, "success": True}) if page else lines)
    return read_logs([file], reading(**read))


def test_what_a_log_says():
    values = canonical(log())
    assert (values["latency_ms"], values["input_tokens"], values["output_tokens"], values["cost_usd"]) == (1234, 30, 9, 0.00001)
    assert (values["workload"], values["provider"], values["model"], values["attempt"]) == ("chat", "openai", "gpt-4o-mini", 1)
    assert (values["streamed"], values["placement"], "ttft_ms" in values) == (True, None, False)
    assert canonical(log(request_type=""))["workload"] == "chat/completions"


def test_a_page_is_its_records(tmp_path):
    pages, lines = profiled(tmp_path, log(), log(duration=2000), page=True), profiled(tmp_path, log(), log(duration=2000))
    assert pages.total == lines.total
    assert (pages.lines, pages.seen_from, pages.files[0].unit) == (lines.lines, "gateway", "duration, ms")


def test_only_workers_ai_is_at_the_edge_whatever_the_gateway():
    assert canonical(log(provider="workers-ai", model="@cf/baai/bge-base-en-v1.5"))["placement"] == "edge"
    assert canonical(log(provider="anthropic"))["placement"] is None


def test_a_cache_hit_is_split_off(tmp_path):
    profile = profiled(tmp_path, log(), log(cached=True, duration=4, cost=0))
    assert (profile.lines.profiled, profile.lines.skipped) == (1, {"cache_hit": 1})


def test_failures_recorded_with_no_duration_and_no_tokens(tmp_path):
    limited = log(success=False, status_code=429, duration=0, tokens_in=None, tokens_out=None, cost=0)
    profile = profiled(tmp_path, log(), limited, log(success=False, status_code=0, duration=None), by=["error"])
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n, profile.total.failure.n) == (3, 2, 1, 0)
    assert {group.key["error"] for group in profile.groups} == {None, "429", "failure"}


def test_success_stands_in_for_a_missing_status(tmp_path):
    assert profiled(tmp_path, log(), log(status_code=None, success=False)).total.errors == 1


def test_a_success_of_0_ms_was_not_measured(tmp_path):
    assert profiled(tmp_path, log(), log(duration=0)).lines.rejected == {"null_required": 1}


@pytest.mark.parametrize("nothing", [None, 0])
def test_tokens_and_cost_of_nothing_are_unknown_but_an_embedding_writes_none(nothing):
    values = canonical(log(tokens_in=nothing, tokens_out=nothing, cost=nothing))
    assert (values["input_tokens"], values["output_tokens"], values["cost_usd"]) == (None, None, None)
    assert canonical(log(tokens_in=12, tokens_out=0))["output_tokens"] == 0


def test_a_later_step_is_a_later_attempt_and_counted(tmp_path):
    profile = profiled(tmp_path, log(success=False, status_code=500), log(step=1), by=["attempt"])
    assert {group.key["attempt"] for group in profile.groups} == {"1", "2"}


def test_logpush_is_read_where_it_tells_a_duration(tmp_path):
    profile = profiled(tmp_path, pushed(), pushed(StatusCode=424), pushed(Cached=True), pushed(Timestamp=1794507079))
    assert (profile.lines.profiled, profile.total.errors, profile.lines.skipped) == (3, 1, {"cache_hit": 1})
    assert profile.total.latency.max_ms == 1234
    assert profile.total.total("cost_usd") == pytest.approx(3 * 0.0042)


def test_encrypted_logpush_is_refused_with_the_reason_and_the_way_out():
    event = {key: value for key, value in pushed().items() if key != "Metrics"}
    with pytest.raises(NoLog, match="encrypted") as refused:
        detect(Head(json.dumps(event).encode() + b"\n", "20260418T000210Z_x.log", True), reading())
    assert "/ai-gateway/gateways/" in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"duration": "1 s"}, "wrong_type"), ({"duration": -1}, "out_of_range"), ({"created_at": "noon"}, "bad_timestamp"),
     ({"tokens_in": 2.5}, "wrong_type"), ({"cached": "no"}, "wrong_type"), ({"status_code": 7}, "bad_status")],
)  # fmt: skip
def test_what_a_record_gets_rejected_for(tmp_path, changed, reason):
    assert profiled(tmp_path, log(), log(**changed), page=True).lines.rejected == {reason: 1}


def test_detection_and_fields():
    def claim(record):
        return FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x.json", True), reading())

    assert claim(log()).claimed
    assert claim({"result": [log()], "success": True}).claimed
    assert claim(pushed()).format == "cloudflare-ai-gateway Logpush event"
    assert not claim({"created_at": "x", "duration": 4}).claimed
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(log())) | set(canonical(pushed())) <= set(COLUMNS)


def test_the_sample_agrees_with_a_reading_of_our_own():
    logs = [row for row in json.loads(SAMPLE.read_text())["result"] if not row["cached"]]
    good = [row for row in logs if row["success"]]
    profile = read_logs([SAMPLE], reading())
    assert (profile.total.requests, profile.total.errors) == (len(logs), len(logs) - len(good))
    for placement, provider in (("edge", "workers-ai"), (None, "openai")):
        told = np.sort([row["duration"] for row in good if row["provider"] == provider])
        tally = profile.select(placement=placement)
        assert tally.latency.quantile(0.5) == pytest.approx(told[int(np.ceil(len(told) / 2)) - 1], rel=1e-3)
    assert profile.total.total("input_tokens") == sum(row["tokens_in"] for row in good)
    assert profile.total.total("cost_usd") == pytest.approx(sum(row["cost"] for row in logs), rel=1e-9)
