"""Helicone requests, pitfall by pitfall."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from written import profiled

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head
from edgeroi.logs.helicone import FIELDS, FORMAT, canonical
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Skip
from edgeroi.request import COLUMNS

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "requests.helicone.jsonl.gz"


def request(**changed):
    """A streamed call of 812 ms whose first token came after 210 ms."""
    told = {
        "request_id": "r", "request_created_at": "2026-11-01T10:00:00.000Z", "response_created_at": "2026-11-01T10:00:00.820Z",
        "request_path": "https://api.openai.com/v1/chat/completions", "request_model": "gpt-4o-mini", "response_model": "gpt-4o-mini-2024",
        "provider": "OPENAI", "response_status": 200, "delay_ms": 812, "time_to_first_token": 210, "prompt_tokens": 24,
        "prompt_cache_read_tokens": 0, "prompt_cache_write_tokens": 0, "completion_tokens": 87, "cost": 0.0001,
    }  # fmt: skip
    return told | changed


def test_what_a_request_says():
    values = canonical(request())
    assert (values["latency_ms"], values["ttft_ms"], values["streamed"], values["cost_usd"]) == (812, 210, True, 0.0001)
    assert (values["workload"], values["provider"], values["model"]) == ("/v1/chat/completions", "openai", "gpt-4o-mini-2024")
    assert values["timestamp"] == (20_758 * 86_400 + 36_000) * 10**9  # 2026-11-01 is day 20,758 of the epoch


def test_a_missing_delay_is_the_time_between():
    assert canonical(request(delay_ms=None))["latency_ms"] == 820.0


@pytest.mark.parametrize("first", [None, 0, 812, 9000])
def test_what_is_no_first_token(first):
    values = canonical(request(time_to_first_token=first))
    assert (values["ttft_ms"], values["streamed"]) == (None, None)


def test_times_of_the_database_are_utc_without_a_zone():
    assert canonical(request(request_created_at="2026-11-01 10:00:00.000"))["timestamp"] == canonical(request())["timestamp"]


def test_cached_tokens_stand_outside_the_prompt():
    values = canonical(request(prompt_tokens=100, prompt_cache_read_tokens=1024, prompt_cache_write_tokens=7))
    assert (values["input_tokens"], values["cached_tokens"], values["cache_write_tokens"]) == (1131, 1024, 7)


@pytest.mark.parametrize(("status", "error"), [(-1, "timeout"), (-3, "cancelled"), (-4, "threat"), (429, "429"), (0, "0")])
def test_failures_below_zero_are_failures(tmp_path, status, error):
    failed = request(response_status=status, delay_ms=0, response_created_at=None, prompt_tokens=0, completion_tokens=0, cost=0)
    profile = profiled(tmp_path, request(), failed, by=["error"])
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (2, 1, 1)
    assert {group.key["error"] for group in profile.groups} == {None, error}
    assert profile.total.sums["input_tokens"].n == 1


def test_one_that_still_runs_is_no_request_yet():
    assert canonical(request(response_status=-2, delay_ms=None, response_created_at=None)) == Skip("other_record")


def test_a_cache_answered_where_it_is_referred_to(tmp_path):
    hit = request(cache_reference_id="0b8ba9f5-4d3c-4b0a-8f46-1d6a2f9b1c11")
    miss = request(cache_reference_id="00000000-0000-0000-0000-000000000000")
    assert profiled(tmp_path, request(), miss, hit).lines.skipped == {"cache_hit": 1}


def test_a_csv_says_the_same(tmp_path):
    names = [*request(), "request_properties"]
    row = [str(request().get(name, '"{""app"":""desk""}"')) for name in names]
    text = ",".join(names) + "\n" + ",".join(row) + "\n"
    assert profiled(tmp_path, text=text).total == profiled(tmp_path, request()).total


def test_a_cost_of_zero_is_unknown():
    assert canonical(request(cost=0))["cost_usd"] is None
    assert canonical(request(cost=None, costUSD="0.5"))["cost_usd"] == 0.5


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"delay_ms": "soon"}, "wrong_type"), ({"delay_ms": -5}, "out_of_range"), ({"request_created_at": "x"}, "bad_timestamp"),
     ({"delay_ms": None, "response_created_at": None}, "null_required"), ({"response_status": 7}, "bad_status")],
)  # fmt: skip
def test_what_a_record_gets_rejected_for(tmp_path, changed, reason):
    assert profiled(tmp_path, request(), request(**changed)).lines.rejected == {reason: 1}


def test_detection_and_fields():
    def claim(record):
        return FORMAT.claim(Head(json.dumps(record).encode() + b"\n", "x.json", True), reading())

    assert claim(request()).claimed
    assert claim({"data": [request()], "error": None}).claimed
    assert not claim({"request_id": "x", "delay_ms": 4}).claimed
    assert set(FIELDS) <= set(COLUMNS)
    assert set(canonical(request())) <= set(COLUMNS)
    assert canonical(request(request_path="http://[bad"))["workload"] == "http://[bad"


def test_the_sample_agrees_with_a_reading_of_our_own():
    rows = [row for row in map(json.loads, gzip.decompress(SAMPLE.read_bytes()).splitlines()) if row["response_status"] != -2]
    good = [row for row in rows if row["response_status"] == 200]
    profile = read_logs([SAMPLE], reading())
    assert (profile.total.requests, profile.total.errors) == (len(rows), len(rows) - len(good))
    delays = np.sort([row["delay_ms"] for row in good if row["delay_ms"] is not None])
    assert profile.total.latency.n - len(delays) == sum(row["delay_ms"] is None for row in good)
    assert profile.total.latency.max_ms >= delays[-1]
    firsts = np.sort([row["time_to_first_token"] for row in good if row["time_to_first_token"]])
    assert profile.total.ttft.quantile(0.5) == pytest.approx(firsts[int(np.ceil(len(firsts) / 2)) - 1], rel=1e-3)
    assert profile.total.total("input_tokens") == sum(row["prompt_tokens"] + row["prompt_cache_read_tokens"] for row in good)
    assert profile.total.total("cost_usd") == pytest.approx(sum(row["cost"] for row in rows), rel=1e-9)
