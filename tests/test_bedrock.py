"""Bedrock invocation logs, pitfall by pitfall."""

import json
from pathlib import Path

import numpy as np
import pytest
from written import profiled

from edgeroi.engines.local import read_logs
from edgeroi.logs.bedrock import FIELDS, FORMAT, canonical
from edgeroi.logs.format import Head, NoLog, detect
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Skip
from edgeroi.request import COLUMNS

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "invocations.bedrock.jsonl"
STREAM = [
    {"type": "message_start"},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"invocationLatency": 950, "firstByteLatency": 220}},
]


def invocation(body=STREAM, operation="InvokeModelWithResponseStream", **changed):
    told = {
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-11-01T10:00:00Z", "region": "us-east-1",
        "identity": {"arn": "arn:aws:iam::1:user/x"}, "requestId": "r", "operation": operation,
        "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
        "input": {"inputContentType": "application/json", "inputTokenCount": 571},
        "output": {"outputBodyJson": body, "outputTokenCount": 30},
    }  # fmt: skip
    return told | changed


def test_a_stream_tells_both_in_its_last_event():
    values = canonical(invocation())
    assert (values["latency_ms"], values["ttft_ms"], values["streamed"]) == (950, 220, True)
    assert (values["input_tokens"], values["output_tokens"]) == (571, 30)
    assert (values["provider"], values["region"], values["workload"]) == ("bedrock", "us-east-1", "InvokeModelWithResponseStream")
    assert values["timestamp"] == (20_758 * 86_400 + 36_000) * 10**9


@pytest.mark.parametrize(
    "body", [{"output": {}, "metrics": {"latencyMs": 640}}, [{"contentBlockDelta": {}}, {"metadata": {"metrics": {"latencyMs": 640}}}]]
)
def test_converse_tells_the_whole_alone(body):
    values = canonical(invocation(body, operation="Converse"))
    assert (values["latency_ms"], values["ttft_ms"], values["streamed"]) == (640, None, False)


@pytest.mark.parametrize("output", [{"outputTokenCount": 3}, {"outputBodyS3Path": "s3://x"}, {"outputBodyJson": {"content": []}}, None])
def test_a_record_without_a_latency_is_rejected_and_says_so(tmp_path, output):
    profile = profiled(tmp_path, invocation(), invocation(output=output, operation="InvokeModel"))
    assert profile.lines.rejected == {"null_required": 1}
    assert profile.rejects[0].detail == "the body of this InvokeModel tells no latency"


def test_a_log_without_any_is_refused_with_the_reason():
    plain = invocation({"content": []}, operation="InvokeModel")
    with pytest.raises(NoLog, match="no latency in its bodies"):
        detect(Head(json.dumps(plain).encode() + b"\n", "x.json", True), reading())


def test_a_named_format_is_read_for_what_comes_later(tmp_path):
    plain = [invocation({"content": []}, operation="InvokeModel")] * 60
    profile = profiled(tmp_path, *plain, invocation(), format="bedrock")
    assert (profile.lines.profiled, profile.lines.rejected) == (1, {"null_required": 60})


def test_tokens_of_a_cache_stand_outside_the_input():
    told = {"inputTokenCount": 10, "cacheReadInputTokenCount": 1000, "cacheWriteInputTokenCount": 200}
    values = canonical(invocation(input=told))
    assert (values["input_tokens"], values["cached_tokens"], values["cache_write_tokens"]) == (1210, 1000, 200)


def test_a_model_may_be_an_arn_and_another_region_may_answer():
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0"
    values = canonical(invocation(modelId=arn, inferenceRegion="us-west-2", requestMetadata={"workload": "desk"}))
    assert (values["model"], values["region"], values["workload"]) == ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "us-west-2", "desk")


def test_an_error_code_is_a_failure_without_a_latency(tmp_path):
    failed = invocation(errorCode="ThrottlingException", output=None)
    profile = profiled(tmp_path, invocation(), failed, by=["error"])
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (2, 1, 1)
    assert {group.key["error"] for group in profile.groups} == {None, "ThrottlingException"}
    assert profile.seen_from == "server"


def test_cloudwatch_events_hold_the_record_as_their_message(tmp_path):
    events = {"events": [{"timestamp": 1, "message": json.dumps(invocation())}, {"timestamp": 2, "message": "START"}], "nextToken": "x"}
    profile = profiled(tmp_path, events)
    assert (profile.lines.profiled, profile.lines.skipped) == (1, {"other_record": 1})
    assert profile.total.latency.max_ms == 950
    assert canonical({"message": "x"}) == Skip("other_record")


def test_what_was_asked_and_answered_is_never_shown(tmp_path):
    secret = invocation([{"delta": "s3cret"}, *STREAM], timestamp="x", input={"inputBodyJson": {"prompt": "s3cret"}})
    profile = profiled(tmp_path, invocation(), secret)
    assert profile.lines.rejected == {"bad_timestamp": 1}
    assert "s3cret" not in profile.rejects[0].detail
    assert b"s3cret" not in profile.rejects[0].raw
    assert b'"timestamp": "x"' in profile.rejects[0].raw
    cut = json.dumps(invocation() | {"a": "s3cret"})[:-5].replace('"schemaType"', '"prompt": "s3cret", "schemaType"')
    log = tmp_path / "cut.json"
    log.write_text(json.dumps(invocation()) + "\n" + cut)
    assert b"s3cret" not in read_logs([log], reading()).rejects[0].raw


def test_detection_and_fields():
    def claim(record, **read):
        return FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x.json", True), reading(**read))

    assert claim(invocation()).claimed
    assert not claim({"schemaType": "Other"}).claimed
    assert not claim(invocation(), map=["latency_ms=x:ms"]).claimed
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(invocation())) <= set(COLUMNS)


def test_the_sample_agrees_with_a_reading_of_our_own():
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    good = [row for row in rows if "errorCode" not in row]
    bodies = [row["output"]["outputBodyJson"] for row in good]
    metrics = [body[-1]["amazon-bedrock-invocationMetrics"] for body in bodies if isinstance(body, list)]
    told = [one["invocationLatency"] for one in metrics] + [body["metrics"]["latencyMs"] for body in bodies if isinstance(body, dict)]
    profile = read_logs([SAMPLE], reading())
    assert (profile.total.requests, profile.total.errors) == (len(rows), len(rows) - len(good))
    for histogram, values in ((profile.total.latency, told), (profile.total.ttft, [one["firstByteLatency"] for one in metrics])):
        assert histogram.n == len(values)
        assert histogram.quantile(0.5) == pytest.approx(np.sort(values)[int(np.ceil(len(values) / 2)) - 1], rel=1e-3)
    assert profile.total.total("input_tokens") == sum(row["input"]["inputTokenCount"] for row in good)
