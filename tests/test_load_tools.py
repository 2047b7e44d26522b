"""Logs of load generators, pitfall by pitfall; what a sample holds is worked out here by other means."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
from collections import defaultdict
from typing import Any

import pytest
from tool_samples import agree, claimed, detected_unit, profiled, sample, sampled

from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.format import Head, formats
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


def test_k6_points_are_the_same_however_they_are_written(tmp_path) -> None:
    """Compact, as k6 writes them, they are told from their bytes; with spaces they are decoded."""
    text = k6_request(1000.0, sending=2.5, waiting=400.0) + k6_request(5.0) + k6_request(9.0, status="503", expected_response="false")
    compact = "".join(json.dumps(json.loads(line), separators=(",", ":")) + "\n" for line in text.splitlines())
    spaced, close = (profiled(tmp_path, written) for written in (text, compact))
    assert spaced.lines == close.lines
    for measure in ("latency", "ttft", "failure"):
        one, two = getattr(spaced.total, measure), getattr(close.total, measure)
        assert (one.n, one.sums_ns.tolist()) == (two.n, two.sums_ns.tolist())


@pytest.mark.parametrize(
    ("was", "put"),
    [
        ('"value":400.0', '"value":0400.0'),
        ('"value":400.0', '"value":1e400'),
        ("}}}\n", "}}\n"),
        ("}}}\n", "}},1}\n"),
        ("}}}\n", '}},"metric":"x"}\n'),
    ],
)
def test_k6_a_broken_point_of_a_request_is_rejected(tmp_path, was, put) -> None:
    text = k6("http_req_duration", 900.0) + k6("http_req_sending", 1.0) + k6("http_req_waiting", 400.0)
    *lines, last = (json.dumps(json.loads(line), separators=(",", ":")) + "\n" for line in text.splitlines())
    assert was in last
    profile = profiled(tmp_path, "".join(lines) + last.replace(was, put))
    assert (profile.lines.profiled, profile.total.ttft.n, profile.lines.total_rejected) == (1, 0, 1)


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


# ---- vegeta ----------------------------------------------------------------------------------------------------------------

RESULT = {
    "attack": "", "seq": 0, "code": 200, "timestamp": "2026-11-26T10:00:00.123456789+02:00", "latency": 2_453_412, "bytes_out": 0,
    "bytes_in": 24, "error": "", "body": None, "method": "GET", "url": "http://x/a", "headers": None,
}  # fmt: skip
CELLS = "1795680000123456789,200,2453412,0,24,,Ym9keQ==,,0"


def vegeta(**changed: object) -> str:
    return json.dumps(RESULT | changed) + "\n"


def test_the_vegeta_samples_tell_the_same_by_other_means() -> None:
    results = [json.loads(line) for line in sample("loadtest.vegeta.jsonl.gz").splitlines()]
    rows = list(csv.reader(io.StringIO(sample("loadtest.vegeta.csv").decode())))
    good = [int(row[2]) / 1e6 for row in rows if 200 <= int(row[1]) < 400]
    assert good == [result["latency"] / 1e6 for result in results if not result["error"]]
    for name in ("loadtest.vegeta.jsonl.gz", "loadtest.vegeta.csv"):
        profile = sampled(name)
        agree(profile.select(), good, errors=len(results) - len(good))
        assert profile.total.first_ns == int(rows[0][0])
        assert profile.lines.profiled == len(rows)


def test_vegeta_latency_is_nanoseconds_and_its_instant_the_start(tmp_path) -> None:
    """2026-11-26 is day 20,783 of the epoch; 10:00 at +02:00 is 08:00 UTC."""
    total = profiled(tmp_path, vegeta()).total
    assert total.latency.quantile(0.5) == 2.453412
    assert total.first_ns == (20_783 * 86_400 + 8 * 3600) * 10**9 + 123_456_789


@pytest.mark.parametrize(("code", "error"), [(0, "connection refused"), (500, "500 Internal Server Error"), (0, "")])
def test_vegeta_code_0_and_4xx_are_failures(tmp_path, code, error) -> None:
    total = profiled(tmp_path, vegeta() + vegeta(code=code, error=error, latency=77)).total
    assert (total.requests, total.errors, total.latency.n, total.failure.n) == (2, 1, 1, 1)


def test_vegeta_attacks_are_workloads(tmp_path) -> None:
    profile = profiled(tmp_path, vegeta(attack="nightly") + vegeta())
    assert {group.key["workload"] for group in profile.groups} == {"nightly", "http://x/a"}


def test_vegeta_numbers_as_text_are_rejected_not_read(tmp_path) -> None:
    profile = profiled(tmp_path, vegeta() + vegeta(latency="2453412") + vegeta(code="200"))
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {"wrong_type": 1})


@pytest.mark.parametrize("tail", ["", ",GET,http://x/a,"])
def test_vegeta_csv_of_both_widths(tmp_path, tail) -> None:
    profile = profiled(tmp_path, f"{CELLS}{tail}\n{CELLS}\n{CELLS}{tail}\n", name="r.csv")
    rejected = {"ragged": 1} if tail else {}
    assert (profile.lines.read, profile.lines.profiled, profile.lines.rejected) == (3, 3 - len(rejected), rejected)
    assert profile.total.latency.quantile(0.5) == 2.453412
    assert profile.files[0].format == "vegeta-csv"


def test_vegeta_csv_with_an_error_in_quotes(tmp_path) -> None:
    row = '1795680000123456789,0,812000,0,0,"Get ""http://x"", refused",,,1,GET,http://x/a,\n'
    total = profiled(tmp_path, row + CELLS + ",GET,http://x/a,\n", name="r.csv").total
    assert (total.requests, total.errors) == (2, 1)


def test_vegeta_binary_results_are_told_what_to_do_with(tmp_path) -> None:
    log = tmp_path / "results.bin"
    log.write_bytes(b"\x5c\xff\x81\x03\x01\x01\x06Result\x01\xff\x82\x00\x01\x0a\x01\x06Attack\x01\x0c\x00")
    with pytest.raises(EdgeroiError, match="vegeta encode"):
        read_logs([log], reading())


# ---- oha -------------------------------------------------------------------------------------------------------------------

OHA = "request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status\n"


def test_the_oha_sample_by_other_means() -> None:
    rows = list(csv.DictReader(io.StringIO(sample("loadtest.oha.csv").decode())))
    good = [row for row in rows if row["status"] == "200"]
    profile = sampled("loadtest.oha.csv")
    latencies, first = ([1000 * float(row[name]) for row in good] for name in ("request-duration", "Response-delay"))
    agree(profile.select(), latencies, errors=len(rows) - len(good), ttfts_ms=first)
    assert profile.lines.skipped == {"header": 1}


def test_oha_is_seconds_without_a_date_and_knows_only_the_answered(tmp_path) -> None:
    profile = profiled(tmp_path, OHA + "3.5,0.001,0.02,0.4,0.812,42,200\n3.6,0,0,0,0.9,42,200\n", name="o.csv")
    assert profile.total.latency.max_ms == 900.0
    assert profile.total.latency.min_ms == 812.0
    assert (profile.total.ttft.n, profile.total.ttft.min_ms) == (1, 400.0)  # a delay of 0 is one that nobody measured
    assert profile.total.first_ns is None
    assert any("only requests that were answered" in note for note in profile.files[0].notes)


def test_oha_cells_that_are_no_numbers_are_rejected(tmp_path) -> None:
    text = OHA + "3.5,0,0,0.4,N/A,42,200\n3.5,0,0,0.4,,42,200\n3.5,0,0\n1,0,0,0.1,0.2,3,200\n"
    lines = profiled(tmp_path, text, name="o.csv").lines
    assert (lines.profiled, lines.rejected) == (1, {"null_required": 1, "ragged": 1, "wrong_type": 1})


# ---- JMeter ----------------------------------------------------------------------------------------------------------------

JTL = "timeStamp,elapsed,label,responseCode,responseMessage,success,Latency\n"


def test_the_jmeter_sample_by_other_means() -> None:
    rows = list(csv.DictReader(io.StringIO(sample("loadtest.jmeter.csv").decode())))
    requests = [row for row in rows if row["URL"] != "null"]
    good = [float(row["elapsed"]) for row in requests if row["success"] == "true"]
    profile = sampled("loadtest.jmeter.csv")
    agree(profile.select(workload="embed"), good, errors=len(requests) - len(good))
    assert profile.lines.skipped == {"header": 1, "other_record": len(rows) - len(requests)}
    assert profile.total.first_ns == min(int(row["timeStamp"]) for row in requests) * 10**6


@pytest.mark.parametrize(
    ("cells", "failed"),
    [
        ("200,OK,true", False),
        ("404,Not Found,true", False),  # an assertion that ignores the status
        ("200,OK,false", True),  # an assertion on the body
        ("Non HTTP response code: java.net.SocketTimeoutException,timed out,false", True),
        (",,true", False),
        (",,FALSE", True),
    ],
)
def test_jmeter_success_decides(tmp_path, cells, failed) -> None:
    total = profiled(tmp_path, f"{JTL}1795680000123,354,login,{cells},300\n", name="r.jtl").total
    assert (total.requests, total.errors) == (1, int(failed))
    assert total.first_ns == 1795680000123 * 10**6


def test_jmeter_transactions_are_not_requests(tmp_path) -> None:
    told = '"Number of samples in transaction : 2, number of failing samples : 0"'
    row = "1795680000123,354,login,200,OK,true,300\n"
    profile = profiled(tmp_path, f"{JTL}{row}{row}1795680000123,708,page,,{told},true,0\n", name="r.jtl")
    assert (profile.lines.profiled, profile.lines.skipped) == (2, {"header": 1, "other_record": 1})


def test_jmeter_latency_is_the_first_byte_of_a_stream_only(tmp_path) -> None:
    rows = "".join(f"1795680000123,1000,a,200,OK,true,{first}\n" for first in (300, 999, 0))
    ttft = profiled(tmp_path, JTL + rows, name="r.jtl").total.ttft
    assert (ttft.n, ttft.min_ms) == (1, 300.0)


def test_jmeter_other_separators_and_other_instants(tmp_path) -> None:
    assert profiled(tmp_path, (JTL + "1795680000123,354,login,200,OK,true,300\n").replace(",", ";"), name="r.jtl").lines.profiled == 1
    dated = profiled(tmp_path, JTL + "2026/11/26 10:00:00,354,login,200,OK,true,300\n", name="r.jtl")
    assert dated.lines.rejected == {"bad_timestamp": 1}
    assert profiled(tmp_path, JTL + "1795680000123,354,login,200,OK,maybe,300\n", name="r.jtl").lines.rejected == {"wrong_type": 1}


# ---- all of them -----------------------------------------------------------------------------------------------------------

UNITS = {
    "loadtest.k6.json.gz": ("k6", "http_req_duration, ms"),
    "loadtest.vegeta.jsonl.gz": ("vegeta", "latency, ns"),
    "loadtest.vegeta.csv": ("vegeta-csv", "latency, ns"),
    "loadtest.oha.csv": ("oha-csv", "request-duration, s"),
    "loadtest.jmeter.csv": ("jmeter", "elapsed, ms"),
}


@pytest.mark.parametrize("name", UNITS)
def test_one_format_claims_a_sample_and_says_its_unit(name) -> None:
    assert (claimed(name), detected_unit(name)) == ({UNITS[name][0]}, UNITS[name][1])


@pytest.mark.parametrize("name", UNITS)
def test_a_mapped_latency_is_read_as_mapped(name) -> None:
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


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_format_can_be_handed_to_another_process(name) -> None:
    """Where processes are not forked, what is detected is sent to them."""
    assert pickle.loads(pickle.dumps(formats()[name])).name == name


@pytest.mark.parametrize("huge", ["9" * 400, "1e305", "-1e305"])
@pytest.mark.parametrize(
    ("name", "behind", "key"),
    [
        ("loadtest.vegeta.jsonl.gz", "", "latency"),
        ("loadtest.k6.json.gz", '"metric":"http_req_duration","type":"Point"', "value"),
        ("bench.llmperf.json", "", "end_to_end_latency_s"),
        ("bench.aiperf.jsonl", '"profiling"', "value"),
        ("bench.vllm.json", "", "latencies"),
    ],
)
def test_numbers_beyond_reckoning_are_rejected(tmp_path, name, behind, key, huge) -> None:
    """Put in the place of a latency."""
    text = sample(name).decode()
    found = re.compile(rf'"{key}": ?\[?([\d.]+)').search(text, text.index(behind))
    assert found is not None
    lines = profiled(tmp_path, text[: found.start(1)] + huge + text[found.end(1) :], name=name.removesuffix(".gz")).lines
    assert lines.rejected == {"out_of_range": 1}
    assert lines.balanced
