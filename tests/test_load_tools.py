"""Logs of load generators, pitfall by pitfall; what a sample holds is worked out here by other means."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from tool_samples import agree, claimed, detected_unit, profiled, sample, sampled

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading

NOTE = "a load test: its volume and its place are the generator's, not your users'"

# ---- k6 --------------------------------------------------------------------------------------------------------------------

END = "2026-11-26T18:18:40.86406256Z"


def k6(metric: str, value: float, time: str = END, type: str = "Point", **tags: str) -> str:
    said = {"expected_response": "true", "name": "http://x/a", "scenario": "default", "status": "200", "url": "http://x/a"} | tags
    return json.dumps({"metric": metric, "type": type, "data": {"time": time, "value": value, "tags": said}}) + "\n"


def k6_request(took: float, sending: float = 0.0, waiting: float | None = None, **tags: str) -> str:
    waiting = took if waiting is None else waiting
    return (
        k6("http_reqs", 1, **tags)
        + k6("http_req_duration", took, **tags)
        + k6("http_req_blocked", 9.0, **tags)
        + k6("http_req_sending", sending, **tags)
        + k6("http_req_waiting", waiting, **tags)
        + k6("http_req_receiving", took - waiting - sending, **tags)
    )


def test_the_k6_sample_by_other_means() -> None:
    """Points grouped by their time and tags in a dictionary, not in the order of the lines."""
    requests: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    lines = [json.loads(line) for line in sample("loadtest.k6.json.gz").splitlines()]
    for point in lines:
        if point["type"] == "Point" and point["metric"].startswith("http_req"):
            requests[point["data"]["time"], json.dumps(point["data"]["tags"])] |= {
                point["metric"]: point["data"]["value"], **point["data"]["tags"]
            }  # fmt: skip
    profile = sampled("loadtest.k6.json.gz")
    for url in {request["url"] for request in requests.values()}:
        mine = [request for request in requests.values() if request["url"] == url]
        good = [request for request in mine if request["http_req_failed"] == 0]
        first = [r["http_req_sending"] + r["http_req_waiting"] for r in good if "chat" in url and r["status"] == "200"]
        agree(profile.select(workload=url), [r["http_req_duration"] for r in good], errors=len(mine) - len(good), ttfts_ms=first)
    assert profile.lines.read == len(lines)
    assert profile.lines.skipped == {"other_record": len(lines) - len(requests)}
    assert (profile.seen_from, profile.files[0].notes) == ("client", (NOTE,))


def test_k6_nine_points_are_one_request(tmp_path) -> None:
    profile = profiled(tmp_path, k6_request(100.0) + k6_request(100.0))  # same instant, same tags: two requests all the same
    assert (profile.lines.profiled, profile.lines.skipped) == (2, {"other_record": 10})
    assert profile.total.latency.quantile(0.5) == 100.0


def test_k6_time_is_the_end(tmp_path) -> None:
    """18:18:40.864 062 560 less 250 ms is 18:18:40.614 062 560; that day is 20,783 days behind the epoch."""
    start_ns = (20_783 * 86_400 + 18 * 3600 + 18 * 60 + 40) * 10**9 + 614_062_560
    assert profiled(tmp_path, k6_request(250.0)).total.first_ns == start_ns


def test_k6_first_byte_is_a_first_token_only_of_a_stream(tmp_path) -> None:
    streamed = profiled(tmp_path, k6_request(1000.0, sending=2.0, waiting=400.0)).total
    assert (streamed.ttft.n, streamed.ttft.quantile(0.5)) == (1, pytest.approx(402.0, rel=1e-3))
    for took, waiting in ((1000.0, 985.0), (4.0, 1.0)):  # 98.5 % of the time; 3 ms before the end
        assert profiled(tmp_path, k6_request(took, waiting=waiting)).total.ttft.n == 0


def test_k6_points_of_another_request_are_not_borrowed(tmp_path) -> None:
    other = k6("http_req_sending", 1.0, name="http://x/b") + k6("http_req_waiting", 100.0, name="http://x/b")
    assert profiled(tmp_path, k6("http_req_duration", 1000.0) + other).total.ttft.n == 0


@pytest.mark.parametrize(
    ("tags", "failed"),
    [
        ({"status": "0", "error_code": "1212", "expected_response": "false"}, True),
        ({"status": "503", "error_code": "1503", "expected_response": "false"}, True),
        ({"status": "200", "expected_response": "false"}, True),  # the script wanted a 201
        ({"status": "404", "expected_response": "true"}, False),
        ({"status": "302"}, False),
    ],
)
def test_k6_a_request_fails_where_the_script_did_not_expect_its_answer(tmp_path, tags, failed) -> None:
    total = profiled(tmp_path, k6_request(0.0 if failed else 5.0, **tags)).total
    assert (total.requests, total.errors, total.latency.n) == (1, int(failed), int(not failed))


def test_k6_without_the_expected_tag_the_status_decides(tmp_path) -> None:
    def point(status: str) -> str:
        told = {"metric": "http_req_duration", "type": "Point", "data": {"time": END, "value": 5.0, "tags": {"status": status}}}
        return json.dumps(told) + "\n"

    assert [profiled(tmp_path, point(status)).total.errors for status in ("200", "500", "0")] == [0, 1, 1]


def test_k6_other_records_and_broken_lines_are_accounted_for(tmp_path) -> None:
    metric = '{"type":"Metric","data":{"name":"vus","type":"gauge"},"metric":"vus"}\n'
    text = metric + "\n" + k6_request(5.0) + '{"a": 1}\n' + "{broken\n" + k6("http_req_duration", "5") + k6("http_req_duration", 7.0)[:-20]  # type: ignore[arg-type]
    lines = profiled(tmp_path, text).lines
    assert lines.balanced
    assert (lines.read, lines.blank, lines.profiled, lines.skipped) == (12, 1, 1, {"other_record": 6})
    assert lines.rejected == {"bad_json": 1, "missing_field": 1, "truncated_tail": 1, "wrong_type": 1}


def test_k6_custom_tags_can_be_mapped(tmp_path) -> None:
    text = k6_request(5.0, model="llama-3.3-70b")
    profile = profiled(tmp_path, text, map=["model=data.tags.model"], by=["model"])
    assert [group.key["model"] for group in profile.groups] == ["llama-3.3-70b"]


def test_k6_chunks_end_between_requests(tmp_path, monkeypatch) -> None:
    """The points of a request stay together however a file is cut into chunks, and rejects keep their lines."""
    monkeypatch.setattr("edgeroi.logs.k6._CHUNK_LINES", 4)
    text = "".join(k6_request(1000.0 + n, waiting=300.0) for n in range(9)) + "{broken\n" + k6_request(5.0)
    profile = profiled(tmp_path, text)
    assert (profile.lines.profiled, profile.total.ttft.n, profile.rejects[0].line) == (10, 9, 55)


# ---- all of them -----------------------------------------------------------------------------------------------------------

UNITS = {
    "loadtest.k6.json.gz": ("k6", "http_req_duration, ms"),
}


@pytest.mark.parametrize("name", UNITS)
def test_one_format_claims_a_sample_and_says_its_unit(name) -> None:
    assert (claimed(name), detected_unit(name)) == ({UNITS[name][0]}, UNITS[name][1])


@pytest.mark.parametrize("name", UNITS)
def test_a_mapped_latency_is_read_as_mapped(name) -> None:
    from edgeroi.logs.format import Head, formats

    head = Head(sample(name)[: 1 << 18], name, False)
    assert not formats()[UNITS[name][0]].claim(head, reading(map=["latency_ms=took:s"])).claimed


@pytest.mark.parametrize("name", UNITS)
def test_a_sample_is_small_and_balances(name, tmp_path) -> None:
    log = tmp_path / name
    log.write_bytes(sample(name))
    profile = read_logs([log], reading())
    assert profile.lines.balanced
    assert profile.lines.profiled
    assert not profile.lines.rejected
