"""JSON arrays: every element is a record, a broken one costs only itself, and its line is the physical one."""

import io
import json
import math
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.engines import local
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs import objects
from edgeroi.logs.elements import elements
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.json_array import FORMAT
from edgeroi.logs.reading import reading

DATA = Path(__file__).parents[2] / "shared" / "data"
LLMPERF = ("latency_ms=end_to_end_latency_s:s", "ttft_ms=ttft_s:s", "input_tokens=number_input_tokens",
           "output_tokens=number_output_tokens", "error=error_code", "provider=@filename:^([a-z]+)_")  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=6), st.sampled_from([None, 0, 1, 4]), st.booleans())
def test_elements_are_those_of_the_document(records, indent, ascii_only):
    document = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode()
    found = elements(document)
    assert [json.loads(element.raw) for element in found] == records
    assert all(document[element.offset :].startswith(element.raw) for element in found)
    assert all(element.line == 1 + document.count(b"\n", 0, element.offset) for element in found)


@given(st.lists(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_the_scanner_agrees_with_the_parser(records, data):
    """A document made unsound behind its end is cut by the scanner; the elements before are the same."""
    document = json.dumps(records, indent=data.draw(st.sampled_from([None, 2]))).encode()
    found = elements(document + b" x")
    assert [json.loads(element.raw) for element in found[:-1]] == records
    assert [(element.line, element.offset) for element in found[:-1]] == [(element.line, element.offset) for element in elements(document)]
    assert found[-1].fault == "bad_json"


def pretty(*bodies):
    return ("[\n" + ",\n".join(f'    {{\n        "latency_ms": {body}\n    }}' for body in bodies) + "\n]\n").encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [('"3', "bad_json"), ("3]", "bad_json"), ("{", "bad_json"), ("3 4", "bad_json"), ("nan", "bad_json"), ('"3"', "wrong_type"),
     ("-1", "out_of_range"), ("1e400", "out_of_range"), ('3, "latency_ms": 4', "duplicate_key")],
)  # fmt: skip
def test_a_broken_element_costs_only_itself(tmp_path, body, reason):
    log = tmp_path / "log.json"
    log.write_bytes(pretty("1", body, "3", "4"))
    profile = read_logs([log], reading())
    assert profile.lines.balanced
    assert profile.lines.profiled == 3
    assert sum(profile.lines.rejected.values()) == 1
    assert (profile.rejects[0].line, profile.rejects[0].reason) == (5, reason)  # "[", three lines of the first, then the second's {


def test_objects_inside_a_broken_element_are_not_taken_for_elements(tmp_path):
    records = [{"latency_ms": at, "messages": [{"latency_ms": 1}, {"latency_ms": 2}]} for at in range(3)]
    log = tmp_path / "log.json"
    log.write_text(json.dumps(records, indent=2).replace('"latency_ms": 1,\n    "messages"', '"latency_ms: 1,\n    "messages"', 1))
    profile = read_logs([log], reading())
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {"bad_json": 1})


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ('[{"latency_ms": 1}, {"latency_ms": 2}', {"truncated_tail": 1}),
        ('[{"latency_ms": 1}, {"latency_ms": 2}, {"late', {"truncated_tail": 1}),
        ('[{"latency_ms": 1}, {"latency_ms": 2},', {"truncated_tail": 1}),
        ('[{"latency_ms": 1}, {"latency_ms": 2},]', {"bad_json": 1}),
        ('[{"latency_ms": 1},, {"latency_ms": 2}]', {"bad_json": 1}),
        ('[{"latency_ms": 1}, {"latency_ms": 2}] more', {"bad_json": 1}),
        ('[{"latency_ms": 1}, 7, {"latency_ms": 2}, null]', {"not_object": 2}),
        ('[{"latency_ms": 1}, {"latency_ms": "2}, {"latency_ms": 2}]', {"bad_json": 1}),
        ('\ufeff[{"latency_ms": 1}, {"latency_ms": 2}]', {}),
        ('[{"latency_ms": 1},\n {"latency_ms": 2}]', {}),
    ],
)
def test_two_good_elements_whatever_is_around_them(tmp_path, text, reasons):
    log = tmp_path / "log.json"
    log.write_text(text, encoding="utf-8")
    profile = read_logs([log], reading())
    assert profile.lines.balanced
    assert (profile.lines.profiled, profile.lines.rejected) == (2, reasons)


def test_an_empty_array_is_a_log_of_nothing(tmp_path):
    log = tmp_path / "log.json"
    log.write_text(" [ \n ] ")
    assert read_logs([log], reading()).lines.read == 0


def test_a_document_too_large_to_hold_is_refused_with_advice(monkeypatch):
    monkeypatch.setattr(objects, "LARGEST_DOCUMENT", 100)
    with pytest.raises(EdgeroiError, match=r"jq -c '\.\[\]'"):
        list(FORMAT.read_stream(io.BytesIO(b'[{"latency_ms": 1}' + b" " * 100 + b"]"), reading()))


@pytest.mark.parametrize("jobs", [1, 2])
def test_which_of_several_logs_is_too_large_is_said(tmp_path, monkeypatch, jobs):
    """Processes are forked, so that the smaller limit holds in them too."""
    monkeypatch.setattr(objects, "LARGEST_DOCUMENT", 100)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    (tmp_path / "a.jsonl").write_text('{"latency_ms": 1}\n')
    (tmp_path / "b.json").write_text('[{"latency_ms": 1}' + " " * 100 + "]")
    with pytest.raises(EdgeroiError) as refused:
        read_logs([tmp_path], reading(), jobs=jobs)
    assert str(refused.value).startswith(f"{tmp_path / 'b.json'}: one JSON value of more than")


def test_claims_only_arrays_that_tell_a_latency():
    def claim(text, **read):
        return FORMAT.claim(Head(text, "x.json", True), reading(**read))

    assert claim(b'[{"latency_ms": 1}]').claimed
    assert not claim(b'[{"latency": 1}]').claimed
    assert claim(b'[{"latency": 1}]', map=["latency_ms=latency:us"]).unit == "latency, us"
    assert not claim(b'{"latency_ms": 1}').claimed
    assert not claim(b"[1, 2]").claimed
    assert detect(Head(b'[{"latency_ms": 1}]', "x.jsonl", True), reading(map=["region=r"])).format is formats()["json-array"]


def test_a_long_array_is_known_by_its_start():
    long = b"[" + b",".join([b'{"latency_ms": 1, "x": "' + b"y" * 100 + b'"}'] * 100)
    assert FORMAT.claim(Head(long, "x.json", False), reading()).claimed


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
@pytest.mark.parametrize("not_error", [(), ("-100",)])
def test_all_2845_llmperf_requests_against_an_independent_nearest_rank(not_error):
    good, requests = defaultdict(list), defaultdict(int)
    for path in sorted((DATA / "llmperf-leaderboard" / "individual").glob("*.json")):
        provider = re.match("[a-z]+", path.name).group()
        for row in json.loads(path.read_text()):
            requests[provider] += 1
            if row["error_code"] is None or str(row["error_code"]) in not_error:
                good[provider].append(row["end_to_end_latency_s"] * 1e3)
    folder = DATA / "llmperf-leaderboard" / "individual"
    profile = read_logs([folder], reading(by=["provider"], map=LLMPERF, const=["workload=llama2"], not_error=not_error))
    assert (profile.lines.read, profile.lines.profiled, len(profile.files)) == (2845, 2845, 19)
    assert {group.key["provider"]: group.tally.requests for group in profile.groups} == requests
    for group in profile.groups:
        told = sorted(good[group.key["provider"]])
        assert group.tally.latency.n == len(told)
        for p in (0.5, 0.99):
            assert group.tally.latency.quantile(p) == pytest.approx(told[math.ceil(p * len(told)) - 1], rel=1e-3)
    bedrock = next(group for group in profile.groups if group.key["provider"] == "bedrock")
    assert bedrock.tally.errors == (0 if not_error else 146)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_a_zero_of_a_failed_request_is_no_latency():
    profile = read_logs([DATA / "llmperf-leaderboard" / "individual" / "lepton_70b.json"], reading(map=LLMPERF))
    assert profile.total.errors > 0
    assert profile.total.latency.min_ms is None or profile.total.latency.min_ms > 0
    assert profile.total.failure.min_ms is None or profile.total.failure.min_ms > 0
