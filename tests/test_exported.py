"""The elements of the list under a key, and exports in every shape: lines, pages, an array, pretty-printed or cut."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeroi.engines.local import read_logs
from edgeroi.logs.elements import listing
from edgeroi.logs.exported import Export, first_records, opened, row_judge
from edgeroi.logs.format import Head, formats
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Skip
from edgeroi.logs.times import added, before_end, plain, utc, zoned

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=6)


BESIDE = st.dictionaries(st.sampled_from(["meta", "x", 'da"ta', "[", "result_info"]), VALUES, max_size=3)


@given(RECORDS, BESIDE, st.none() | st.integers(0, 3), st.booleans())
def test_a_listing_is_the_list_of_the_document(records, beside, indent, first):
    document = {"data": records, **beside} if first else {**beside, "data": records}
    text = json.dumps(document, indent=indent).encode()
    found = listing(text + b"\n{}", ["data"])
    assert [json.loads(element.raw) for element in found.elements] == records
    assert found.end == len(text)
    lines = text.split(b"\n")
    assert all(lines[element.line - 1].find(element.raw.split(b"\n")[0]) >= 0 for element in found.elements)


@pytest.mark.parametrize("text", [b"{}", b'{"data": {}}', b'{"meta": {"data": [1]}}', b'{"x": "data", "y": [1]}', b'{"data": "[]"}'])
def test_a_key_deeper_down_or_without_a_list_is_none(text):
    assert listing(text, ["data"]) is None


@pytest.mark.parametrize(
    ("text", "good", "faults"),
    [(b'{"data": [{"a": 1}, {"a": }, {"a": 3}], "meta": {}}', 2, []),
     (b'{"data": [{"a": 1}, {"a": 2], {"a": 3}], "meta": {}}', 1, ["bad_json"]),
     (b'{"data": [{"a": 1}, {"a": 2', 1, ["truncated_tail"]),
     (b'{"data": [{"a": 1}], "meta": {"to', 1, ["truncated_tail"]),
     (b'{"data": [{"a": 1}], "meta": {', 1, ["truncated_tail"])],
)  # fmt: skip
def test_a_broken_element_costs_only_itself(text, good, faults):
    found = listing(text, ["data"]).elements
    assert [element.fault for element in found if element.fault] == faults
    assert sum(element.fault is None and b"}" in element.raw and b": }" not in element.raw for element in found) == good


def canonical(record):
    if record.get("kind") == "span":
        return Skip("other_record")
    return {"latency_ms": record.get("took"), "workload": record.get("what")}


FORMAT = Export("tool", "took, ms", {}, canonical, lambda record: "call" if "took" in record else None, "took", ("data", "result"),
                frozenset(("took",)))  # fmt: skip


def read(text, **read_as):
    chunks = list(FORMAT.read_stream(io.BytesIO(text if isinstance(text, bytes) else text.encode()), reading(**read_as)))
    return sum((chunk.lines for chunk in chunks[1:]), chunks[0].lines), [fault for chunk in chunks for fault in chunk.faults]


CALLS = [{"took": 5, "what": "a"}, {"took": 7, "what": "b"}, {"kind": "span", "took": 9}, {"took": 11, "what": "a"}]


@pytest.mark.parametrize(
    "text",
    ["\n".join(map(json.dumps, CALLS)), json.dumps(CALLS), json.dumps(CALLS, indent=2), json.dumps({"data": CALLS, "meta": {}}),
     json.dumps({"meta": {"data": 1}, "result": CALLS}, indent=1) + "\n", "\n".join(json.dumps(call, indent=2) for call in CALLS),
     json.dumps({"data": CALLS[:1]}) + "\n" + json.dumps({"data": CALLS[1:3]}, indent=2) + "\n" + json.dumps(CALLS[3]) + "\n",
     '{"data": [' + json.dumps(CALLS[0]) + ",\n" + ",\n".join(map(json.dumps, CALLS[1:])) + "]}" + json.dumps({"data": []}),
     "took,what,kind\n5,a,\n7,b,\n9,,span\n11,a,\n"],
    ids=["lines", "array", "pretty array", "page", "pretty page", "pretty records", "pages of all kinds", "pages without a newline", "csv"],
)  # fmt: skip
def test_every_shape_says_the_same(text):
    lines, faults = read(text)
    assert (lines.profiled, lines.skipped.get("other_record"), faults) == (3, 1, [])
    assert lines.balanced
    assert FORMAT.claim(Head(text.encode(), "x", True), reading()).claimed


def test_rejects_are_placed_by_their_physical_lines(tmp_path):
    page = json.dumps({"data": [{"took": 1}, {"took": "x"}]}, indent=1)  # the second record starts on line 6 of the page
    assert page.split("\n")[5].strip() == "{"
    log = tmp_path / "x.json"
    log.write_text(json.dumps({"took": 3, **dict.fromkeys(("a", "b"))}) + "\n\n" + '{"took": -1}\n' + page + "\n{bad\n" + '{"took": 3')
    lines, faults = read(log.read_bytes())
    assert lines.balanced
    assert (lines.read, lines.profiled, lines.blank) == (7, 2, 1)
    assert lines.rejected == {"out_of_range": 1, "wrong_type": 1, "bad_json": 1, "truncated_tail": 1}
    assert [(fault.line, fault.reason) for fault in faults] == [
        (3, "out_of_range"), (9, "wrong_type"), (14, "bad_json"), (15, "truncated_tail"),
    ]  # fmt: skip


def test_lines_count_on_from_chunk_to_chunk(monkeypatch):
    monkeypatch.setattr("edgeroi.logs.exported._CHUNK_BYTES", 10)
    page = json.dumps({"data": [{"took": 1}, {"took": 2}]}) + "\n"
    text = page * 3 + '{"took": null}\n{"data": [{"took": 1},\n{"took": "x"}]}\n{"data": [{"took": 1}, {"took" 5}]}\n'
    before, placed = 0, []
    for chunk in FORMAT.read_stream(io.BytesIO(text.encode()), reading()):
        placed += [before + fault.line for fault in chunk.faults]  # the engine adds what was counted before
        before += chunk.lines.read
    # the null; a page that is cut on its line and the rest of it; a page with a broken record
    assert placed == [4, 5, 6, 7]
    assert before == 12


@pytest.mark.parametrize("indent", [None, 1])
def test_a_broken_element_of_a_page_is_placed_where_it_starts(indent):
    text = json.dumps({"data": [{"took": 1}, {"took": "?"}, {"took": 3}]}, indent=indent).replace('"?"', "?")
    lines, faults = read("\n" + text)
    assert (lines.profiled, lines.rejected) == (2, {"bad_json": 1})
    assert [fault.line for fault in faults] == [2 if indent is None else 7]


def test_a_broken_first_line_costs_only_itself():
    for broken in ('{"took": 5, "wh', '{"took": {"a": 1}', "{bad", '{"took": 5} {"took": 6}'):
        lines, faults = read(broken + "\n" + "\n".join(map(json.dumps, CALLS)))
        assert (lines.read, lines.profiled, lines.rejected) == (5, 3, {"bad_json": 1})
        assert [fault.line for fault in faults] == [1]


def test_formats_can_be_sent_to_other_processes():
    import pickle

    for format in formats().values():
        assert pickle.loads(pickle.dumps(format)).name == format.name


def test_a_document_too_large_to_hold_is_refused_with_advice(monkeypatch):
    from edgeroi.errors import EdgeroiError

    monkeypatch.setattr("edgeroi.logs.objects.LARGEST_DOCUMENT", 10)
    for text in (json.dumps({"data": CALLS}), '{"data": [\n' + json.dumps(CALLS)[1:] + "}", json.dumps(CALLS)):
        with pytest.raises(EdgeroiError, match="jq -c"):
            list(FORMAT.read_stream(io.BytesIO(text.encode()), reading()))


def test_a_long_page_is_known_by_its_start():
    text = json.dumps({"meta": {}, "data": CALLS * 9}).encode()
    for cut in (120, len(text)):
        assert len(first_records(Head(text[:cut], "x", cut == len(text)), ["data"])) >= 2


def test_the_user_maps_a_field_of_a_record_or_a_column(tmp_path):
    for text in ('{"took": 5, "team": "x"}\n', "took,team\n5,x\n"):
        (chunk,) = FORMAT.read_stream(io.BytesIO(text.encode()), reading(map=["workload=team"]))
        assert chunk.batch.labels["workload"].names == ("x",)
    assert not FORMAT.claim(Head(b'{"took": 5}\n', "x", True), reading(map=["latency_ms=took:ms"])).claimed
    assert callable(row_judge(("took",), reading(), canonical, lambda name, cell: cell))


def test_a_record_that_is_refused_names_the_reason_alone(tmp_path):
    from edgeroi.logs.format import NoLog

    log = tmp_path / "push.log"
    log.write_text('{"Gateway": "g", "Provider": "openai", "StatusCode": 200, "Metadata": {"type": "encrypted", "data": "x"}}\n')
    with pytest.raises(NoLog, match="encrypted") as refused:
        read_logs([log], reading())
    assert "jsonl" not in str(refused.value)
    assert "ai-gateway/gateways" in str(refused.value)


def test_text_that_holds_an_object_is_opened_and_other_text_is_left():
    assert opened('{"a": 1}') == {"a": 1}
    assert (opened("{a"), opened("x"), opened(3)) == ("{a", "x", 3)


@pytest.mark.parametrize(
    ("written", "spelt"),
    [("2026-11-01 10:00:00", "2026-11-01 10:00:00Z"), ("2026-11-01T10:00:00+00", "2026-11-01T10:00:00+00:00"),
     ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z")],
)  # fmt: skip
def test_a_zone_is_written_out(written, spelt):
    assert zoned(written) == spelt
    assert utc(written, "x") == (20_758 * 86_400 + 36_000) * 10**9  # 2026-11-01 is day 20,758 of the epoch


def test_counts_add_up_where_they_are_told():
    assert added(None, 3, "4", "") == 7
    assert added(None, "") is None
    assert added(1, "x") == "x"
    assert added(1, 2.5) == 2.5
    assert (plain("12"), plain("1_0"), plain(4)) == (12, "1_0", 4)


def test_a_first_token_at_the_end_is_none():
    assert (before_end(5, 5), before_end(6, 5), before_end(4.5, 5), before_end(4, None), before_end(None, 5)) == (None, None, 4.5, 4, None)


ANY = st.sampled_from([None, True, 0, -1, 2.5, 10**30, "", "x", "12", "-5", [], [1], {}, {"a": []}, {"total": "x"}, '{"a"', '{"input": 3}',
                       "2026-11-01 10:00:00", "2026-11-01T10:00:00Z", [{"metrics": 3}], {"metrics": {"latencyMs": 4}}, "http://[bad",
                       {"prompt_tokens": 3}, {"input_tokens": [1], "cache_read_input_tokens": "x"},
                       {"usage": {"input_tokens": 1}}])  # fmt: skip
KEYS = {
    "langfuse": ["type", "traceId", "startTime", "endTime", "completionStartTime", "latency", "timeToFirstToken", "usageDetails", "usage",
                 "costDetails", "totalCost", "level", "model", "name", "start_time", "promptTokens", "id", "sessionId"],
    "cloudflare-ai-gateway": ["created_at", "duration", "cached", "provider", "model", "success", "status_code", "step", "tokens_in",
                              "tokens_out", "cost", "response_content_type", "Gateway", "Provider", "StatusCode", "Metrics", "Timestamp"],
    "helicone": ["request_created_at", "response_created_at", "delay_ms", "response_status", "time_to_first_token", "prompt_tokens",
                 "prompt_cache_read_tokens", "completion_tokens", "cost", "provider", "request_path", "cache_reference_id"],
    "bedrock": ["schemaType", "timestamp", "operation", "modelId", "input", "output", "errorCode", "identity", "message", "region"],
    "usage-lines": ["usage", "response", "duration_ms", "ttft_s", "timestamp", "status", "error", "model", "stream", "id", "cost_usd"],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(KEYS))
@given(st.data())
@settings(max_examples=40)
def test_whatever_a_record_holds_it_is_accounted_for_and_detection_never_fails(name, data):
    format = formats()[name]
    value = st.one_of(ANY, st.sampled_from(["ModelInvocationLog", "GENERATION", "ERROR", "Converse"]))
    records = data.draw(st.lists(st.dictionaries(st.sampled_from(KEYS[name]), value, max_size=10), min_size=1, max_size=4))
    text = "".join(json.dumps(record) + "\n" for record in records).encode()
    by = ("workload", "model", "error", "attempt", "session_id", "user_id", "region", "provider")
    chunks = list(format.read_stream(io.BytesIO(text), reading(by=by)))
    assert sum(chunk.lines.read for chunk in chunks) == len(records)
    assert all(chunk.lines.balanced for chunk in chunks)
    assert isinstance(format.claim(Head(text, "x.json", True), reading()).claimed, bool)
