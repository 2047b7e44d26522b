"""Access logs of proxies and balancers, pitfall by pitfall; every expected number is worked out beside its line."""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edgeroi.census import partial_of
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.alb import GRAMMAR as ALB
from edgeroi.logs.cloudfront import TODAY
from edgeroi.logs.format import Head, NoLog, detect, formats
from edgeroi.logs.nginx import GRAMMARS as NGINX
from edgeroi.logs.nginx import JUDGE, single_ms, sums_ms
from edgeroi.logs.objects import from_lines, from_lines_together
from edgeroi.logs.reading import reading
from edgeroi.logs.textlines import read_text
from edgeroi.workload import Profile, Sum

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_logs"
SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")


def profiled(tmp_path: Path, *lines: str, name: str = "access.log", end: str = "\n", **read: object) -> Profile:
    (tmp_path / name).write_bytes((end.join(lines) + end).encode())
    return read_logs([tmp_path / name], reading(**read))


def ns(*when: int, micro: int = 0) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9 + micro * 1000


def nearest_rank(values: list[float], p: float) -> float:
    return sorted(values)[math.ceil(p * len(values)) - 1]


def agrees(profile: Profile, requests: int, good_ms: list[float], skipped: dict[str, int] | None = None) -> None:
    """The profile is what somebody else read from the same file: counts, quantiles, mean, and an account that balances."""
    total = profile.total
    assert (total.requests, total.errors) == (requests, requests - len(good_ms))
    for p in (0.5, 0.9):
        assert total.latency.quantile(p) == pytest.approx(nearest_rank(good_ms, p), rel=1e-3)
    assert total.latency.mean_ms == pytest.approx(sum(good_ms) / len(good_ms), rel=1e-6)
    assert profile.lines.balanced
    assert (profile.lines.total_rejected, profile.lines.skipped) == (0, skipped or {})


# --- nginx -----------------------------------------------------------------------------------------------------------------

COMBINED = '10.0.0.1 - - [07/Feb/2020:12:02:42 +0000] "POST /v1/chat?x=1 HTTP/1.1" 200 61 "-" "curl/8"'
INGRESS = COMBINED + " 348 0.104 [ml-llm-8000] [] 10.1.2.3:80, 10.1.2.4:80 61, 100 0.100, 0.004 200, 203 835136ae"


def test_request_time_is_seconds_and_the_time_is_the_end(tmp_path):
    profile = profiled(tmp_path, COMBINED + " 2.500")
    assert profile.total.latency.quantile(0.5) == 2500.0
    # 12:02:42 less 2.5 s
    assert profile.total.first_ns == ns(2020, 2, 7, 12, 2, 39, micro=500_000)
    assert (profile.files[0].format, profile.files[0].unit) == ("nginx combined + request_time", "request_time, s")
    assert profile.seen_from == "gateway"


def test_an_offset_is_taken_off(tmp_path):
    line = COMBINED.replace("+0000", "-0730") + " 0.000"
    assert profiled(tmp_path, line).total.first_ns == ns(2020, 2, 7, 19, 32, 42)  # 12:02 + 7:30


def test_lists_of_upstream_times_are_their_sum_and_no_first_byte(tmp_path):
    """0.100 + 0.004 of a retry, 0.1 + 0.2 + 0.3 over an internal redirect; a dash told nothing."""
    lists = ("0.100, 0.004", "0.100, 0.200 : 0.300", "0.100, -", "-", "0.050")
    assert sums_ms(lists)[:3].tolist() == pytest.approx([104.0, 600.0, 100.0])
    assert np.isnan(sums_ms(lists)[3])
    assert np.isnan(single_ms(lists)[:4]).all()
    assert single_ms(lists)[4] == 50.0
    profile = profiled(tmp_path, INGRESS, map=["latency_ms=upstream_response_time:s"])
    assert profile.total.latency.quantile(0.5) == pytest.approx(104.0)


@pytest.mark.parametrize(
    ("status", "failed"), [("200", 0), ("301", 0), ("000", 1), ("499", 1), ("502", 1)], ids=["good", "moved", "000", "gone", "bad gateway"]
)
def test_499_and_000_are_failures(tmp_path, status, failed):
    assert profiled(tmp_path, COMBINED.replace(" 200 ", f" {status} ") + " 0.010").total.errors == failed


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        (" 0.104", "nginx combined + request_time"),
        (" 0.104 0.100, 0.004", "nginx combined + request_time"),
        (' "203.0.113.9" 0.104 - .', "nginx combined + request_time"),
        (' rt=0.104 uct="0.001" uht="0.050" urt="0.103"', "nginx combined + rt="),
        (" 348 0.104 [ml-llm-8000] [] 10.1.2.3:80 61 0.100 200 abc", "nginx ingress"),
        (" 348 0.104 [ml-llm-8000] 10.1.2.3:80 61 0.100 200", "nginx ingress"),
        (" 0 0.104 [] [] - - - - abc", "nginx ingress"),
        (" 348 0.104 [a] [] unix:/run/x.sock : 10.1.2.3:80 0 : 61 0.001 : 0.100 502 : 200 abc", "nginx ingress"),
    ],
)
def test_what_stands_behind_combined(tmp_path, tail, name):
    profile = profiled(tmp_path, COMBINED + tail)
    assert profile.files[0].format == name
    assert profile.total.latency.quantile(0.5) == 104.0


def test_a_first_byte_is_told_only_by_name(tmp_path):
    assert profiled(tmp_path, COMBINED + ' rt=0.104 uct="0.001" uht="0.050" urt="0.103"').total.ttft.quantile(0.5) == 50.0
    assert not profiled(tmp_path, COMBINED + ' rt=0.104 uct="0.001" uht="0.050, 0.002" urt="0.100, 0.200"').total.ttft.n
    assert not profiled(tmp_path, COMBINED + " 0.104 0.103").total.ttft.n


def test_swapped_times_are_not_guessed(tmp_path):
    """The upstream cannot take 2.5 s of a request of 0.1 s; a millisecond more is rounding."""
    with pytest.raises(NoLog, match="the second is the larger"):
        profiled(tmp_path, COMBINED + " 0.100 2.500")
    assert profiled(tmp_path, COMBINED + " 0.001 0.002").total.requests == 1


def test_lines_that_do_not_match_are_rejected_at_their_place(tmp_path):
    good = COMBINED + " 0.010"
    bad_day = good.replace("07/Feb", "31/Feb")
    profile = profiled(tmp_path, good, "", "2020/02/07 12:02:42 [error] upstream timed out", good, bad_day, good.replace("curl", "c\0url"))
    assert [(r.line, r.reason) for r in profile.rejects] == [(3, "ragged"), (5, "bad_timestamp"), (6, "nul_byte")]
    assert (profile.lines.profiled, profile.lines.blank, profile.lines.read, profile.lines.balanced) == (2, 1, 6, True)


def test_a_cut_last_line_and_one_without_its_newline(tmp_path):
    path = tmp_path / "x.log"
    path.write_text(f"{COMBINED} 0.010\n{COMBINED} 0.020")
    assert read_logs([path], reading()).lines.profiled == 2
    path.write_text(f"{COMBINED} 0.010\n{COMBINED[:40]}")
    lines = read_logs([path], reading()).lines
    assert (lines.profiled, dict(lines.rejected), lines.balanced) == (1, {"truncated_tail": 1}, True)


def test_crlf_and_invalid_utf8(tmp_path):
    assert profiled(tmp_path, COMBINED + " 0.010", COMBINED + " 0.020", end="\r\n").lines.profiled == 2
    (tmp_path / "x.log").write_bytes(f"{COMBINED} 0.010\n".encode() + f"{COMBINED} 0.010\n".encode().replace(b"curl", b"c\xffrl"))
    assert dict(read_logs([tmp_path / "x.log"], reading()).lines.rejected) == {"invalid_utf8": 1}


def test_a_request_that_is_none_is_still_one(tmp_path):
    line = COMBINED.replace("POST /v1/chat?x=1 HTTP/1.1", r"\x16\x03\x01").replace(" 200 ", " 400 ")
    assert profiled(tmp_path, line + " 0.010", COMBINED + " 0.010", map=["workload=path"]).select(workload=None, placement=None).errors == 1


def test_any_cut_of_the_file_says_the_same(tmp_path):
    """One at a time or all at once: lines own themselves."""
    lines = [f"{COMBINED} 0.{n:03d}" for n in range(60)]
    lines[30] = "broken"
    text = "\n".join(lines).encode() + b"\n"
    whole = read_text(text, reading(), NGINX[1])
    parts = [read_text(line + b"\n", reading(), NGINX[1]) for line in text.split(b"\n")[:-1]]
    assert whole.lines.profiled == sum(part.lines.profiled for part in parts) == 59
    assert whole.batch.numbers["latency_ms"].tolist() == [p.batch.numbers["latency_ms"][0] for p in parts if p.batch and p.batch.n]


JSON_ROW = {
    "time_local": "07/Feb/2020:12:02:42 +0000", "request": "POST /v1/chat?x=1 HTTP/1.1", "status": "200", "request_time": "2.500",
    "upstream_header_time": "0.400", "upstream_response_time": "2.499", "http_host": "llm.example.net",
}  # fmt: skip


@pytest.mark.parametrize("quoted", [True, False])
def test_json_numbers_may_stand_in_quotes(tmp_path, quoted):
    row = JSON_ROW if quoted else JSON_ROW | {"status": 200, "request_time": 2.5, "upstream_header_time": 0.4}
    profile = profiled(tmp_path, json.dumps(row))
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.quantile(0.5)) == (2500.0, 400.0)
    assert profile.total.first_ns == ns(2020, 2, 7, 12, 2, 39, micro=500_000)
    assert profile.files[0].format == "nginx json"


@pytest.mark.parametrize(
    "written",
    [{"msec": "1581076962.000"}, {"time_iso8601": "2020-02-07T13:02:42+01:00"}, {"@timestamp": "2020-02-07T12:02:42Z"}],
    ids=["msec", "iso", "logstash"],
)
def test_json_may_say_the_time_in_several_ways(tmp_path, written):
    row = {key: value for key, value in JSON_ROW.items() if key != "time_local"} | written
    assert profiled(tmp_path, json.dumps(row)).total.first_ns == ns(2020, 2, 7, 12, 2, 39, micro=500_000)


def test_json_dashes_and_lists_are_unknown_and_escapes_that_are_no_json_rejected(tmp_path):
    profile = profiled(
        tmp_path,
        json.dumps(JSON_ROW | {"upstream_header_time": "-", "status": "499"}),
        json.dumps(JSON_ROW | {"upstream_header_time": "0.100, 0.200"}),
        json.dumps(JSON_ROW).replace("/v1/chat", r"/\x22"),
        json.dumps(JSON_ROW | {"request_time": "soon"}),
    )
    assert (profile.total.requests, profile.total.errors, profile.total.ttft.n) == (2, 1, 0)
    assert [(r.line, r.reason) for r in profile.rejects] == [(3, "bad_json"), (4, "wrong_type")]


def test_json_that_streams_says_so(tmp_path):
    rows = [JSON_ROW | {"sent_http_content_type": kind} for kind in ("text/event-stream; charset=utf-8", "application/json")]
    assert profiled(tmp_path, *map(json.dumps, rows)).total.streamed == Sum(1, 2)


def test_the_request_s_parts_can_be_mapped(tmp_path):
    for line in (COMBINED + " 0.010", json.dumps(JSON_ROW)):
        profile = profiled(tmp_path, line, map=["workload=path"])
        assert profile.groups[0].key["workload"] == "/v1/chat"


def text_golden(name: str, seconds: int) -> tuple[int, list[float]]:
    """Requests, and ms of those that did not fail, by splitting at quotes and spaces: ``seconds`` is the place behind the last quote."""
    rows = [line.split('"') for line in (SAMPLES / name).read_text().splitlines()]
    told = [(int(row[2].split()[0]), float(row[-1].split()[seconds]) * 1000) for row in rows]
    return len(told), [ms for status, ms in told if 100 <= status < 400]


def test_sample_ingress():
    agrees(read_logs([SAMPLES / "ingress.nginx.log"], reading()), *text_golden("ingress.nginx.log", 1))


def test_sample_nginx():
    agrees(read_logs([SAMPLES / "access.nginx.log"], reading()), *text_golden("access.nginx.log", 0))


def test_sample_nginx_json():
    rows = [json.loads(line) for line in (SAMPLES / "access.nginx.jsonl").read_text().splitlines()]
    profile = read_logs([SAMPLES / "access.nginx.jsonl"], reading())
    agrees(profile, len(rows), [float(row["request_time"]) * 1000 for row in rows if int(row["status"]) < 400])
    first = min(float(row["msec"]) - float(row["request_time"]) for row in rows)
    assert profile.total.first_ns == pytest.approx(first * 1e9, abs=1e6)


@needs_shared
def test_real_ingress_lines():
    profile = read_logs([SHARED / "nginx-ingress" / "test.subset.log"], reading())
    # request_time by eye: 0.001 four times, 0.000 twice (one of them of the 400), 0.002 twice, 0.033, and 0.000 of the 502
    assert (profile.total.requests, profile.total.errors) == (10, 2)
    assert (profile.lines.total_rejected, profile.total.latency.max_ms) == (0, pytest.approx(33.0))


# --- Envoy -----------------------------------------------------------------------------------------------------------------

ENVOY = (
    '[2026-11-09T10:00:00.250Z] "POST /v1/chat?x=1 HTTP/2" 200 - 154 900 2260 100 "203.0.113.9" "curl/8" "id-1" "llm.example.net"'
    ' "10.1.2.3:8000"'
)
ISTIO = (
    '[2026-11-09T10:00:00.250Z] "GET /x HTTP/1.1" 200 - via_upstream - "-" 0 178 2260 100 "-" "curl/8" "id-1" "llm:80" "10.1.2.3:80"'
    " outbound|80||llm.ml.svc.cluster.local 10.1.2.9:5 10.2.0.1:80 10.1.2.9:6 - default"
)
ENVOY_JSON = {
    "start_time": "2026-11-09T10:00:00.250Z", "method": "POST", "path": "/v1/chat?x=1", "response_code": "200", "response_flags": "-",
    "duration": "2260", "upstream_service_time": "100", "authority": "llm.example.net",
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "name"),
    [(ENVOY, "envoy"), (ISTIO, "envoy istio"), (json.dumps(ENVOY_JSON), "envoy json"),
     (json.dumps(ENVOY_JSON | {"duration": 2260, "response_code": 200, "response_flags": None}), "envoy json")],
    ids=["text", "istio", "json of text", "json of numbers"],
)  # fmt: skip
def test_duration_is_ms_and_the_time_is_the_start(tmp_path, line, name):
    profile = profiled(tmp_path, line)
    assert profile.files[0].format == name
    assert profile.total.latency.quantile(0.5) == 2260.0
    assert profile.total.first_ns == ns(2026, 11, 9, 10, micro=250_000)
    assert not profile.total.network.n  # what is left of the duration is no network time
    assert not profile.total.ttft.n


@pytest.mark.parametrize(
    ("code", "flags", "failed"),
    [("200", "-", 0), ("0", "DC", 1), ("200", "DC", 1), ("503", "UF,URX", 1), ("200", "DI", 0), ("429", "RL", 1), ("504", "UT", 1)],
)
def test_response_flags_are_errors_even_at_200(tmp_path, code, flags, failed):
    line = ENVOY.replace(" 200 - ", f" {code} {flags} ")
    row = json.dumps(ENVOY_JSON | {"response_code": code, "response_flags": flags})
    for text in (line, row):
        profile = profiled(tmp_path, text, by=["error"])
        assert profile.total.errors == failed
        assert profile.groups[0].key["error"] == (flags if failed else None)


def test_a_flag_that_is_excused_fails_no_request(tmp_path):
    line = ENVOY.replace(" 200 - ", " 503 UF ")
    assert profiled(tmp_path, line, not_error=["UF"]).total.errors == 0


def test_envoy_s_own_cache_is_split_off(tmp_path):
    profile = profiled(tmp_path, ENVOY, ENVOY.replace(" 200 - ", " 200 RFCF "))
    assert (profile.total.requests, profile.lines.skipped) == (1, {"cache_hit": 1})


def test_response_duration_is_the_first_byte(tmp_path):
    assert profiled(tmp_path, json.dumps(ENVOY_JSON | {"response_duration": "410"})).total.ttft.quantile(0.5) == 410.0


def test_envoy_host_and_path_can_be_mapped(tmp_path):
    for line in (ENVOY, json.dumps(ENVOY_JSON)):
        profile = profiled(tmp_path, line, map=["workload=path", "provider=host"], by=["workload", "provider"])
        assert profile.groups[0].key == {"workload": "/v1/chat", "provider": "llm.example.net"}


def test_sample_envoy():
    rows = [line.split('"') for line in (SAMPLES / "access.envoy.log").read_text().splitlines()]
    told = [row[2].split() for row in rows]  # code, flags, received, sent, duration, service time
    good = [float(cells[4]) for cells in told if cells[1] == "-" and int(cells[0]) < 400]
    agrees(read_logs([SAMPLES / "access.envoy.log"], reading()), len(told), good)


def test_sample_envoy_json():
    rows = [json.loads(line) for line in (SAMPLES / "access.envoy.jsonl").read_text().splitlines()]
    good = [float(row["duration"]) for row in rows if row["response_flags"] == "-" and int(row["response_code"]) < 400]
    agrees(read_logs([SAMPLES / "access.envoy.jsonl"], reading()), len(rows), good)


# --- ALB -------------------------------------------------------------------------------------------------------------------


def alb(times: str = "0.001 0.400 0.000", status: str = "200", end: str = "10:00:06.376735", begun: str | None = "10:00:01.276735",
        arn: str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/llm/73e2") -> str:  # fmt: skip
    line = (
        f"https 2026-11-09T{end}Z app/llm/50dc 198.51.100.7:1024 10.0.0.192:80 {times} {status} - 125 900"
        f' "POST https://llm.example.net:443/v1/chat?x=1 HTTP/2.0" "curl/8 (a \\"b\\")" - - {arn} "Root=1-5da0"'
    )
    return line if begun is None else f'{line} "-" "-" 0 2026-11-09T{begun}Z "forward" "-" "-" "-" "-" "-" "-" TID_1'


def test_latency_is_the_end_less_the_creation_not_the_sum(tmp_path):
    """A streamed answer: header after 0.4 s, last byte 5.1 s after the request came."""
    profile = profiled(tmp_path, alb())
    assert profile.total.latency.quantile(0.5) == pytest.approx(5100.0)
    assert profile.total.first_ns == ns(2026, 11, 9, 10, 0, 1, micro=276_735)


def test_minus_one_is_never_added_up(tmp_path):
    """460 after 5.7 s with three -1: a failure of 5.7 s, and not of -3 s."""
    profile = profiled(tmp_path, alb("-1 -1 -1", "460", "10:00:12.376735", "10:00:06.657000"))
    assert (profile.total.requests, profile.total.errors, profile.total.latency.n) == (1, 1, 0)
    assert profile.total.failure.quantile(0.5) == pytest.approx(5719.735, rel=1e-6)


def test_a_redirect_of_the_balancer_s_own_has_a_latency(tmp_path):
    profile = profiled(tmp_path, alb("-1 -1 -1", "301", "10:00:01.278735", arn="-"), by=["region"])
    assert profile.total.latency.quantile(0.5) == pytest.approx(2.0)
    assert profile.groups[0].key["region"] is None


def test_old_lines_without_a_creation_are_the_sum(tmp_path):
    profile = profiled(tmp_path, alb("0.001 0.400 0.002", begun=None), alb("-1 -1 -1", "504", begun=None), alb("-1 -1 -1", begun=None))
    # 1 + 400 + 2 ms; the 504 has none and needs none; a success without one is rejected
    assert (profile.total.latency.quantile(0.5), profile.total.errors) == (pytest.approx(403.0), 1)
    assert [(r.line, r.reason) for r in profile.rejects] == [(3, "null_required")]
    # 10:00:06.376735 - 0.403
    assert profile.total.first_ns == ns(2026, 11, 9, 10, 0, 5, micro=973_735)


def test_alb_region_host_and_more_fields_than_today(tmp_path):
    profile = profiled(tmp_path, alb() + ' "-" "-" new', by=["region", "workload", "provider"], map=["workload=path", "provider=host"])
    assert profile.groups[0].key == {"region": "eu-central-1", "workload": "/v1/chat", "provider": "llm.example.net"}


def test_sample_alb():
    good, n = [], 0
    for line in gzip.decompress((SAMPLES / "access.alb.log.gz").read_bytes()).decode().splitlines():
        cells, n = line.split(), n + 1
        stamps = [datetime.fromisoformat(cell) for cell in cells if cell.startswith("2026-")]
        if int(cells[8]) < 400:
            good.append((stamps[0] - stamps[1]).total_seconds() * 1000)
    agrees(read_logs([SAMPLES / "access.alb.log.gz"], reading()), n, good)


# --- CloudFront ------------------------------------------------------------------------------------------------------------

CELLS = {
    "date": "2026-11-09", "time": "10:00:05", "x-edge-location": "SEA19-C1", "cs-method": "POST", "cs-uri-stem": "/v1/chat",
    "sc-status": "200", "x-edge-result-type": "Miss", "time-taken": "2.500", "time-to-first-byte": "0.400",
    "x-edge-detailed-result-type": "Miss", "sc-content-type": "text/event-stream", "x-host-header": "llm.example.net",
}  # fmt: skip


def row(names=TODAY, **changed: str) -> str:
    told = CELLS | {key.replace("_", "-"): value for key, value in changed.items()}
    return "\t".join(told.get(name, "-") for name in names)


def cloudfront(tmp_path: Path, *rows: str, names=TODAY, **read: object) -> Profile:
    return profiled(tmp_path, "#Version: 1.0", "#Fields: " + " ".join(names), *rows, **read)


def test_time_taken_is_seconds_and_the_time_is_the_end(tmp_path):
    profile = cloudfront(tmp_path, row(), by=["region", "placement"])
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.quantile(0.5)) == (2500.0, 400.0)
    assert profile.total.first_ns == ns(2026, 11, 9, 10, 0, 2, micro=500_000)
    assert profile.groups[0].key == {"region": "SEA19-C1", "placement": None}  # where the model ran is for a rule to say
    assert (profile.lines.skipped, profile.lines.balanced) == ({"header": 2}, True)


def test_hits_are_split_off(tmp_path):
    results = ("Hit", "RefreshHit", "OriginShieldHit", "Miss")
    profile = cloudfront(tmp_path, *(row(x_edge_result_type=result) for result in results))
    assert (profile.total.requests, profile.lines.skipped) == (1, {"cache_hit": 3, "header": 2})


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"sc_status": "000"}, None),
        ({"x_edge_result_type": "Error", "x_edge_detailed_result_type": "ClientCommError"}, "ClientCommError"),
        ({"sc_status": "502", "x_edge_result_type": "Error", "x_edge_detailed_result_type": "OriginConnectError"}, "OriginConnectError"),
    ],
    ids=["000", "an error at 200", "502"],
)
def test_results_that_are_failures(tmp_path, changed, error):
    profile = cloudfront(tmp_path, row(**changed), by=["error"])
    assert (profile.total.errors, profile.groups[0].key["error"]) == (1, error)


def test_fields_are_found_by_their_names_however_many(tmp_path):
    names = ("time-taken", "date", "time", "sc-status")
    profile = cloudfront(tmp_path, row(names), names=names)
    assert (profile.total.latency.quantile(0.5), profile.total.ttft.n) == (2500.0, 0)
    with pytest.raises(NoLog, match="#Fields: without time-taken"):
        cloudfront(tmp_path, row(("date", "time")), names=("date", "time"))


def test_rows_with_other_cells_are_rejected_and_another_header_ends_the_reading(tmp_path):
    fields = "#Fields: " + " ".join(TODAY)
    profile = cloudfront(tmp_path, row(), row() + "\tmore", fields, row(time="25:00:00"))
    assert [(r.line, r.reason) for r in profile.rejects] == [(4, "ragged"), (6, "bad_timestamp")]
    with pytest.raises(EdgeroiError, match="files joined"):
        cloudfront(tmp_path, row(), "#Fields: date time time-taken")


def test_what_streams_is_told_by_its_type(tmp_path):
    total = cloudfront(tmp_path, row(), row(sc_content_type="application/json"), row(sc_content_type="-")).total
    assert (total.streamed.total, total.streamed.n) == (1, 2)


def test_cloudfront_names_can_be_mapped_as_they_stand(tmp_path):
    profile = cloudfront(tmp_path, row(), map=["workload=cs-uri-stem", "provider=host"], by=["workload", "provider"])
    assert profile.groups[0].key == {"workload": "/v1/chat", "provider": "llm.example.net"}


def test_sample_cloudfront():
    lines = gzip.decompress((SAMPLES / "access.cloudfront.log.gz").read_bytes()).decode().splitlines()
    names = lines[1].split()[1:]
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[2:]]
    asked = [r for r in rows if r["x-edge-result-type"] != "Hit"]
    good = [float(r["time-taken"]) * 1000 for r in asked if r["x-edge-result-type"] == "Miss" and 0 < int(r["sc-status"]) < 400]
    profile = read_logs([SAMPLES / "access.cloudfront.log.gz"], reading(by=["region"]))
    agrees(profile, len(asked), good, {"cache_hit": len(rows) - len(asked), "header": 2})
    assert {group.key["region"] for group in profile.groups} == {r["x-edge-location"] for r in asked}


# --- Apache ----------------------------------------------------------------------------------------------------------------

COMMON = '203.0.113.9 - frank [09/Nov/2026:10:00:00 +0000] "GET /v1/chat?x=1 HTTP/1.1" 200 -'
REFERRED = COMMON + ' "-" "a \\"quoted\\" agent"'


@pytest.mark.parametrize("line", [COMMON, REFERRED, "llm.example.net:443 " + REFERRED], ids=["common", "combined", "vhost"])
def test_without_a_latency_it_is_refused_with_the_reason_and_the_fix(tmp_path, line):
    with pytest.raises(NoLog) as refused:
        profiled(tmp_path, line)
    assert "no latency is in it" in str(refused.value)
    assert "--map latency_ms=%D" in str(refused.value)


@pytest.mark.parametrize(
    ("said", "ms"),
    [("%D", 1.5), ("%D:us", 1.5), ("%T", 1_500_000.0), ("%{ms}T", 1500.0), ("%{us}T", 1.5), ("%{s}T", 1_500_000.0), ("extra.1:ms", 1500.0)],
)
def test_the_same_number_is_what_it_is_said_to_be(tmp_path, said, ms):
    """1500 in three units: only the LogFormat tells."""
    profile = profiled(tmp_path, REFERRED + " 1500", map=[f"latency_ms={said}"])
    assert profile.total.latency.quantile(0.5) == pytest.approx(ms)
    assert profile.total.first_ns == ns(2026, 11, 9, 10)  # %t is when the request came
    assert profile.files[0].format == "apache"


def test_an_unnamed_number_is_not_guessed(tmp_path):
    with pytest.raises(NoLog, match="1 field stands behind each line unnamed"):
        profiled(tmp_path, REFERRED + " 1500")


def test_a_unit_apache_does_not_mean_is_refused():
    with pytest.raises(EdgeroiError, match=r"%D is in us by Apache's definition, not in ms"):
        reading(map=["latency_ms=%D:ms"])


def test_several_fields_are_told_apart_by_place(tmp_path):
    line = REFERRED + ' "203.0.113.9" 17 1500'
    with pytest.raises(NoLog, match=r"3 fields stand behind each line, so which of them is %D\?"):
        profiled(tmp_path, line, map=["latency_ms=%D"])
    assert profiled(tmp_path, line, map=["latency_ms=extra.3:us"]).total.latency.quantile(0.5) == pytest.approx(1.5)


def test_a_number_that_is_none_is_rejected(tmp_path):
    profile = profiled(tmp_path, REFERRED + " 1500", REFERRED + " soon", map=["latency_ms=%D"])
    assert [(r.line, r.reason) for r in profile.rejects] == [(2, "wrong_type")]


@needs_shared
def test_real_apache_lines_have_no_latency_and_could_be_read_if_they_had(tmp_path):
    log = SHARED / "elastic-apache" / "apache_logs"
    with pytest.raises(NoLog, match="no latency is in it"):
        read_logs([log], reading())
    (tmp_path / "timed.log").write_bytes(b"".join(line + b" 1234\n" for line in log.read_bytes().splitlines()))
    profile = read_logs([tmp_path / "timed.log"], reading(map=["latency_ms=%D"]))
    assert (profile.lines.read, profile.lines.total_rejected) == (2000, 0)
    statuses = [int(line.split(b'"')[2].split()[0]) for line in log.read_bytes().splitlines()]
    assert profile.total.errors == sum(status >= 400 for status in statuses)


# --- who claims what -------------------------------------------------------------------------------------------------------

EXAMPLES = {
    "nginx": (COMBINED + " 0.010", INGRESS, json.dumps(JSON_ROW)),
    "envoy": (ENVOY, ISTIO, json.dumps(ENVOY_JSON)),
    "alb": (alb(), alb(begun=None)),
    "cloudfront": ("#Version: 1.0\n#Fields: " + " ".join(TODAY) + "\n" + row(),),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in EXAMPLES.items() for text in texts])
def test_exactly_one_format_claims_it(name, text):
    head = Head(text.encode() + b"\n", "x.log", True)
    claims = {other for other, format in formats().items() if format.claim(head, reading()).claimed}
    assert claims == {name}
    assert detect(head, reading()).format.name == name


@pytest.mark.parametrize(
    "text",
    [
        '{"duration": 3, "status": 200}',
        '{"request_time": 3}',
        '{"response_code": 200, "start_time": "x"}',
        "10.0.0.1 - - [x] 200",
        "#Fields: a",
    ],
)
def test_what_only_looks_alike_is_nobody_s(text):
    with pytest.raises(NoLog):
        detect(Head(text.encode() + b"\n", "x.log", True), reading())


@needs_shared
def test_status_snapshots_of_nginx_plus_are_refused():
    with pytest.raises(NoLog):
        read_logs([SHARED / "not-a-request-log" / "nginx_plus_status.ndjson"], reading())


def test_a_field_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(NoLog, match="did you mean 'upstream_response_time'"):
        detect(Head((INGRESS + "\n").encode(), "x.log", True), reading(map=["latency_ms=upstream_responce_time:s"]))


def test_no_part_of_a_pattern_crosses_a_line():
    """Two broken halves are no line together."""
    for grammar, line in ((NGINX[0], INGRESS), (ALB, alb())):
        for at in range(1, len(line) - 1, 7):
            chunk = read_text(f"{line[:at]}\n{line[at:]}\n".encode(), reading(), grammar)
            assert chunk.lines.read == 2
            assert chunk.lines.balanced
            assert chunk.lines.profiled < 2


# --- a second reader -------------------------------------------------------------------------------------------------------


def second_reader(line: str) -> tuple[int, float] | None:
    """The status and ms of a line in combined with one or two times behind it, read letter by letter; ``None`` where it is none."""
    quoted, rest = [], line
    for _ in range(3):
        if rest.count('"') < 2:
            return None
        before, _, rest = rest.partition('"')
        text = ""
        while rest and rest[0] != '"':
            step = 2 if rest[0] == "\\" else 1
            if len(rest) <= step:
                return None
            text, rest = text + rest[:step], rest[step:]
        quoted.append(before)
        if not rest:
            return None
        rest = rest[1:]
    start, middle, gap = quoted
    address, dash, user = start.split(" ", 2) if start.count(" ") >= 2 else ("", "", "")
    at = user.rfind(" [")
    day, month, year_on = (*user[at + 2 : -2].split("/"), "", "", "")[:3] if user.endswith("] ") and at >= 0 else ("", "", "")
    clock = year_on[4:]
    shape = "".join("9" if c in "0123456789" else c for c in day + "/" + "Mmm" + "/" + year_on)
    if shape not in ("99/Mmm/9999:99:99:99 +9999", "99/Mmm/9999:99:99:99 -9999") or not address or dash != "-" or "[" in user[:at]:
        return None
    if any(c.isspace() for c in address):
        return None
    try:
        at_utc = datetime.strptime(f"{day}/{month}/{year_on}", "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if not 1970 <= at_utc.year < 2200:
        return None
    if month not in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] or clock[7:9] == "60":
        return None
    words = middle.split(" ")
    if len(words) != 4 or words[0] or words[3] or not is_digits(words[1], 3) or not (words[2] == "-" or is_digits(words[2])) or gap != " ":
        return None
    return tail_ms(rest, int(words[1]))


def is_digits(text: str, n: int | None = None) -> bool:
    return bool(text) and all(c in "0123456789" for c in text) and n in (None, len(text))


def is_seconds(text: str) -> bool:
    whole, point, part = text.partition(".")
    return bool(point) and is_digits(whole) and is_digits(part, 3)


def tail_ms(tail: str, status: int) -> tuple[int, float] | None:
    if not tail.startswith(" ") or not (status == 0 or 100 <= status <= 999):
        return None
    first, space, upstream = tail[1:].partition(" ")
    if not is_seconds(first) or (space and not upstream):
        return None
    if upstream in (".", "p"):
        upstream = ""
    elif upstream[-2:] in (" .", " p"):
        upstream = upstream[:-2]
        if not upstream:
            return None
    parts = upstream.replace(" : ", ", ").split(", ") if upstream else []
    return (status, float(first) * 1000) if all(part == "-" or is_seconds(part) for part in parts) else None


def mutated(rng: np.random.Generator, line: str) -> str:
    """The line with up to three letters changed, doubled, left out or swapped."""
    alphabet = '0123456789 "[]/:.,-+\\AJan\tx'
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(line)))
        kind = int(rng.integers(0, 4))
        letter = alphabet[int(rng.integers(0, len(alphabet)))]
        line = line[:at] + ("", letter, letter + line[at], line[at : at + 1] * 2)[kind] + line[at + 1 :]
    return line


def test_mutations_of_good_lines_are_judged_as_a_second_reader_judges_them():
    """5,000 lines, nearly all of them broken: what is accepted has the value the other reader finds, and no more is accepted."""
    rng = np.random.default_rng(20261126)
    tails = (" 0.104", " 0.104 0.100, 0.004", " 12.500 - .", " 0.001 0.100 : 0.200")
    lines = [mutated(rng, COMBINED + tails[n % 4]) for n in range(5000)]
    lines = [line for line in lines if line.strip()]
    expected = {n: told for n, line in enumerate(lines, 1) if (told := second_reader(line)) is not None}
    chunk = read_text(("\n".join(lines) + "\n").encode(), reading(), NGINX[1])
    rejected = {fault.line for fault in chunk.faults}
    assert chunk.lines.balanced
    assert sorted({*range(1, len(lines) + 1)} - rejected) == sorted(expected), differences(lines, rejected, expected)
    assert 200 < len(expected) < 4000
    good = [ms for status, ms in expected.values() if ms and 100 <= status < 400]
    told = chunk.batch.numbers["latency_ms"][~chunk.batch.failed]
    assert sorted(told[told > 0].tolist()) == pytest.approx(sorted(good))


def differences(lines: list[str], rejected: set[int], expected: dict[int, object]) -> list[str]:
    return [lines[n - 1] for n in range(1, len(lines) + 1) if (n in rejected) == (n in expected)][:5]


@pytest.mark.parametrize(
    "more", [{}, {"map": ["workload=path", "user_id=who"]}, {"require": ["request_id"]}], ids=["plain", "mapped", "required"]
)
def test_records_checked_together_are_judged_as_one_by_one(more):
    """Rows of every kind: what the quick way says of them, the exact way says too."""
    rng = np.random.default_rng(7)
    odd = [{"status": "999x"}, {"request_time": "-"}, {"request_time": "-1"}, {"status": "499", "request_time": "0.000"}, {"msec": "soon"},
           {"who": "dana"}, {"upstream_header_time": "x"}, {"status": 200.5}, {"request_id": "r"}, {"request_time": None}]  # fmt: skip
    rows = [JSON_ROW | (odd[int(rng.integers(0, len(odd)))] if rng.random() < 0.4 else {}) for _ in range(300)]
    text = "\n".join(json.dumps(row) if n % 37 else "{" for n, row in enumerate(rows)).encode()
    how = reading(**more)
    for chunk in (text, text + b"\n", text[:-9]):
        quick, exact = from_lines_together(chunk, how, JUDGE), from_lines(chunk, how, JUDGE)
        assert (quick.lines, quick.faults) == (exact.lines, exact.faults)
        assert partial_of(quick.batch, how.by) == partial_of(exact.batch, how.by)
