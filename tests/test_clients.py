"""What clients measured of each request: HAR, and curl's timings; every expected number is worked out beside its record."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, NoLog, detect, formats
from edgeroi.logs.har import canonical, entries
from edgeroi.logs.reading import reading
from edgeroi.request import LineCount
from edgeroi.workload import Profile, Sum

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_logs"
SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")


def nearest_rank(values: list[float], p: float) -> float:
    return sorted(values)[math.ceil(p * len(values)) - 1]


# --- HAR -------------------------------------------------------------------------------------------------------------------


def entry(**changed: object) -> dict[str, object]:
    """1 + 2 + 30 + 0.5 + 400 ms to the first byte, and 66.5 ms more: 500 ms; TLS is 20 of the 30."""
    timings = {"blocked": 1, "dns": 2, "connect": 30, "ssl": 20, "send": 0.5, "wait": 400, "receive": 66.5}
    told: dict[str, object] = {
        "startedDateTime": "2026-11-09T19:00:00.250+09:00", "time": 500.0, "timings": timings, "_resourceType": "fetch",
        "request": {"method": "POST", "url": "https://me@llm.example.net:8443/v1/chat?key=secret#x", "headers": [{"cookie": "s3cr3t"}]},
        "response": {"status": 200, "content": {"mimeType": "text/event-stream"}},
    }  # fmt: skip
    return told | changed


def har(*told: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "entries": told}}).encode()


def profiled(tmp_path: Path, content: bytes, name: str = "page.har", **read: object) -> Profile:
    (tmp_path / name).write_bytes(content)
    return read_logs([tmp_path / name], reading(**read))


def test_har_times_are_ms_and_the_start_has_an_offset(tmp_path):
    profile = profiled(tmp_path, har(entry()))
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.quantile(0.5)) == (500.0, 433.5)
    assert profile.total.first_ns == int(datetime(2026, 11, 9, 10, tzinfo=UTC).timestamp() * 1e9) + 250_000_000
    assert (profile.files[0].counted, profile.seen_from, profile.groups[0].key["workload"]) == ("records", "client", "fetch")


def test_a_time_that_is_null_is_the_phases_without_tls(tmp_path):
    assert profiled(tmp_path, har(entry(time=None))).total.latency.quantile(0.5) == 500.0


def test_minus_one_is_a_phase_that_did_not_happen(tmp_path):
    reused = {"blocked": 1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": 100, "receive": 4}
    profile = profiled(tmp_path, har(entry(time=None, timings=reused)), by=["connection"])
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.quantile(0.5)) == (105.0, 101.0)
    assert profile.groups[0].key["connection"] == "reused"
    assert canonical(entry())["connection"] == "new"


def test_a_request_given_up_is_a_failure_and_needs_no_time(tmp_path):
    gone = entry(time=None, timings={"blocked": 3, "wait": -1, "receive": -1}, response={"status": 0, "_error": "net::ERR_ABORTED"})
    profile = profiled(tmp_path, har(gone, entry(time=None, timings={})), by=["error"])
    assert (profile.total.requests, profile.total.errors, profile.groups[0].key["error"]) == (1, 1, "net::ERR_ABORTED")
    assert dict(profile.lines.rejected) == {"null_required": 1}


def test_the_browser_s_cache_is_split_off_and_streams_are_told(tmp_path):
    plain = entry(response={"status": 200, "content": {"mimeType": "application/json"}})
    profile = profiled(tmp_path, har(entry(_fromCache="disk"), entry(), plain))
    assert profile.lines == LineCount(3, 0, 2, {}, {"cache_hit": 1})
    assert profile.total.streamed == Sum(1, 2)


def test_host_and_path_without_user_port_query_can_be_mapped(tmp_path):
    profile = profiled(tmp_path, har(entry()), map=["workload=path", "provider=host"], by=["workload", "provider"])
    assert profile.groups[0].key == {"workload": "/v1/chat", "provider": "llm.example.net"}


def test_nothing_of_a_rejected_entry_is_shown(tmp_path):
    told = entry(time="soon")
    profile = profiled(tmp_path, har({"request": told.pop("request"), **told}))
    assert [(r.line, r.reason) for r in profile.rejects] == [(1, "wrong_type")]
    assert b"s3cr3t" not in profile.rejects[0].raw
    assert b"secret" not in profile.rejects[0].raw


def test_a_byte_order_mark_and_lines_are_told(tmp_path):
    text = json.dumps(json.loads(har(entry(), entry(time=-5))), indent=2)
    profile = profiled(tmp_path, b"\xef\xbb\xbf" + text.encode())
    second = [number for number, line in enumerate(text.splitlines(), 1) if line == "      {"][1]
    assert [(r.line, r.reason) for r in profile.rejects] == [(second, "out_of_range")]


@pytest.mark.parametrize("cut", [0.98, 0.75, 0.4])
def test_a_document_that_is_cut_gives_what_is_whole_and_says_so(tmp_path, cut):
    whole = json.dumps(json.loads(har(*(entry() for _ in range(8)))), indent=1).encode()
    profile = profiled(tmp_path, whole[: int(len(whole) * cut)])
    assert dict(profile.lines.rejected) == {"truncated_tail": 1}
    assert profile.lines.balanced
    assert profile.lines.profiled == whole[: int(len(whole) * cut)].count(b'"text/event-stream"\n     }\n    }\n   }')


def test_a_document_broken_elsewhere_is_no_silent_success():
    broken = har(entry(), entry()).replace(b'"version": "1.2"', b'"version": 1.2.3')
    assert [e.fault for e in entries(broken)] == [None, None, "bad_json"]


def test_sample_har():
    told = json.loads((SAMPLES / "page.har").read_text())["log"]["entries"]
    profile = read_logs([SAMPLES / "page.har"], reading())
    phases = ("blocked", "dns", "connect", "send", "wait", "receive")
    good = [
        e["time"] if e["time"] is not None else sum(e["timings"][p] for p in phases if e["timings"][p] >= 0)
        for e in told if 0 < e["response"]["status"] < 400
    ]  # fmt: skip
    assert (profile.total.requests, profile.total.errors) == (len(told), len(told) - len(good))
    assert profile.total.latency.quantile(0.5) == pytest.approx(nearest_rank(good, 0.5), rel=1e-3)
    assert profile.total.latency.mean_ms == pytest.approx(sum(good) / len(good), rel=1e-6)
    assert {g.key["workload"] for g in profile.groups} == {"fetch", "script"}


@needs_shared
def test_real_har():
    path = SHARED / "har-perfcascade" / "browsertime_sitespeed.io.har"
    times = [e["time"] for e in json.loads(path.read_text())["log"]["entries"]]
    profile = read_logs([path], reading())
    assert (profile.total.requests, profile.lines.total_rejected) == (27, 0)
    assert profile.total.latency.mean_ms == pytest.approx(sum(times) / 27, rel=1e-6)


# --- curl ------------------------------------------------------------------------------------------------------------------

TIMES = "0.001,0.010,0.030,0.031,0.150,0.1505"
NAMES = "time_namelookup,time_connect,time_appconnect,time_pretransfer,time_starttransfer,time_total"


@pytest.mark.parametrize("header", [NAMES, "Lookup,Connect,SSLConnect,PreXfer,StartXfer,Total", NAMES.replace(",", ";")])
def test_curl_times_are_cumulative_seconds(tmp_path, header):
    cells = TIMES.replace(",", ";") if ";" in header else TIMES
    profile = profiled(tmp_path, f"{header}\n{cells}\n".encode(), "t.csv", by=["connection"])
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.quantile(0.5)) == (150.5, 150.0)
    assert (profile.groups[0].key["connection"], profile.files[0].unit, profile.seen_from) == ("new", "time_total, s", "client")
    assert profile.total.first_ns is None


@pytest.mark.parametrize(
    ("code", "exited", "failed"), [("200", "0", 0), ("000", "0", 1), ("404", "0", 1), ("200", "28", 1), ("302", "", 0)]
)
def test_no_answer_and_an_exit_are_failures(tmp_path, code, exited, failed):
    content = f"http_code,exitcode,{NAMES}\n{code},{exited},{TIMES}\n".encode()
    assert profiled(tmp_path, content, "t.csv").total.errors == failed
    record = dict(zip(NAMES.split(","), map(float, TIMES.split(",")), strict=True)) | {"http_code": int(code), "exitcode": int(exited or 0)}
    assert profiled(tmp_path, json.dumps(record).encode() + b"\n", "t.jsonl").total.errors == failed


def test_a_connection_used_again(tmp_path):
    profile = profiled(tmp_path, f"{NAMES}\n0.00002,0,0,0.0001,0.1,0.1\n".encode(), "t.csv", by=["connection"])
    assert profile.groups[0].key["connection"] == "reused"


def test_curl_url_can_be_mapped(tmp_path):
    content = f"url_effective,{NAMES}\nhttps://edge.example.net/v1/embeddings?x=1,{TIMES}\n".encode()
    profile = profiled(tmp_path, content, "t.csv", map=["workload=path", "provider=host"], by=["workload", "provider"])
    assert profile.groups[0].key == {"workload": "/v1/embeddings", "provider": "edge.example.net"}


def test_a_cell_that_is_no_time_is_rejected(tmp_path):
    profile = profiled(tmp_path, f"{NAMES}\n{TIMES}\n0,0,0,0,0,\n0,0,0,0,0,fast\n0,0,0,0,0,-1\n".encode(), "t.csv")
    assert [(r.line, r.reason) for r in profile.rejects] == [(3, "null_required"), (4, "wrong_type"), (5, "out_of_range")]


def test_a_mapped_latency_is_read_as_a_plain_table(tmp_path):
    profile = profiled(tmp_path, f"{NAMES}\n{TIMES}\n".encode(), "t.csv", map=["latency_ms=time_starttransfer:s"])
    assert (profile.files[0].format, profile.total.latency.quantile(0.5)) == ("csv mapped", 150.0)


def test_sample_curl_csv():
    rows = list(csv.DictReader((SAMPLES / "timings.curl.csv").read_text().splitlines()))
    good = [float(row["time_total"]) * 1000 for row in rows if row["http_code"] == "200"]
    profile = read_logs([SAMPLES / "timings.curl.csv"], reading())
    assert (profile.total.requests, profile.total.errors) == (200, 3)
    assert profile.total.latency.quantile(0.5) == pytest.approx(nearest_rank(good, 0.5), rel=1e-3)
    assert profile.total.latency.max_ms == pytest.approx(max(good))  # the cold one
    assert profile.lines == LineCount(201, 0, 200, {}, {"header": 1})


def test_sample_curl_json():
    rows = [json.loads(line) for line in (SAMPLES / "timings.curl.jsonl").read_text().splitlines()]
    good = [row["time_total"] * 1000 for row in rows if not row["exitcode"]]
    profile = read_logs([SAMPLES / "timings.curl.jsonl"], reading(by=["connection"]))
    assert (profile.total.requests, profile.total.errors) == (60, 2)
    assert profile.total.latency.mean_ms == pytest.approx(sum(good) / len(good), rel=1e-6)
    assert {g.key["connection"]: g.tally.requests for g in profile.groups} == {"new": 30, "reused": 30}


@needs_shared
@pytest.mark.parametrize("service", ["cloudflare-workers", "cloudfront-functions", "lambda@edge"])
def test_real_curl_tables(service):
    path = SHARED / "edge-functions-curl" / service / "combined.csv"
    times = [float(row["Total"]) * 1000 for row in csv.DictReader(path.read_text().splitlines())]
    total = read_logs([path], reading()).total
    assert total.requests == 500
    assert total.latency.quantile(0.99) == pytest.approx(nearest_rank(times, 0.99), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "text"),
    [("har", har(entry())), ("har", har()), ("curl", f"{NAMES}\n{TIMES}\n".encode()), ("curl", b'{"time_total": 1, "time_connect": 0}\n')],
)
def test_exactly_one_format_claims_it(name, text):
    head = Head(text, "x", True)
    assert {other for other, format in formats().items() if format.claim(head, reading()).claimed} == {name}


@pytest.mark.parametrize(
    "text", [b"Total,Connect,Total\n1,2,3\n", b"Total,Price\n1,2\n", b'{"time_total": 1}\n', b'{"log": {"level": "info"}}\n']
)
def test_what_only_looks_alike_is_nobody_s(text):
    with pytest.raises(NoLog):
        detect(Head(text, "x.csv", True), reading())
