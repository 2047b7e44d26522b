"""What is read by columns is what the exact way says, record by record: tables, text lines, LiteLLM, on texts with every kind of damage."""

import io
import json
import random

import numpy as np
import pytest

from edgeroi.logs import delimited, plain_table
from edgeroi.logs.delimited import FORMAT as CSV
from edgeroi.logs.jsonl import FORMAT as JSONL
from edgeroi.logs.lines import object_of
from edgeroi.logs.litellm import LiteLLM, _told
from edgeroi.logs.litellm_columns import TypedTold
from edgeroi.logs.reading import reading
from edgeroi.logs.textlines import _clf_ns, clf_instants
from edgeroi.logs.typed import RecordType, objects_of
from edgeroi.request import NO_INSTANT, LineCount, joined

DAMAGE = (
    b'"', b"\x00", b"\r", b"\r\n", b"\n", b"\n\n", b" ", b"\t", b"\xef\xbb\xbf", b"\xff", b"\xc3\xa9", b",", b",,", b"-", b"+", b".",
    b"e", b"E5", b"nan", b"inf", b"0x1", b"1_0", b"1e999", b"-0", b"\x0b", b"N/A", b"null", b"9" * 25, b"\\u0022", b'\\"', b'":', b"{}",
)  # fmt: skip


def said(chunks):
    """Everything that chunks tell, whatever they were cut into: lines, requests in order, rejects with their places."""
    chunks = list(chunks)
    lines = sum((chunk.lines for chunk in chunks), LineCount())
    faults, before = [], 0
    for chunk in chunks:
        faults += [(before + fault.line, fault.reason, fault.detail, fault.raw) for fault in chunk.faults]
        before += chunk.lines.profiled + chunk.lines.blank + chunk.lines.total_rejected + chunk.lines.total_skipped
    batches = [chunk.batch for chunk in chunks if chunk.batch is not None and chunk.batch.n]
    return lines, _requests(joined(batches)) if batches else [], sorted(faults)


def _requests(batch):
    numbers = {name: np.where(np.isnan(column), None, column).tolist() for name, column in batch.numbers.items()}
    labels = {name: [column.names[code] if code >= 0 else None for code in column.codes.tolist()] for name, column in batch.labels.items()}
    columns = numbers | labels
    instants = batch.instants.tolist() if batch.instants is not None else [NO_INSTANT] * batch.n
    rows = [
        (
            instants[row],
            bool(batch.failed[row]),
            *sorted((name, str(values[row])) for name, values in columns.items() if values[row] is not None),
        )
        for row in range(batch.n)
    ]
    return sorted(rows, key=str)


def damaged(rng, text, times):
    for _ in range(times):
        at = rng.randrange(len(text) + 1)
        gone = rng.choice([0, 0, 1, 1, 3, 40])
        text = text[:at] + rng.choice(DAMAGE) * rng.choice([0, 1, 1, 1]) + text[at + gone :]
    return text


# ---- tables --------------------------------------------------------------------------------------------------------------------

HEADER = ("timestamp", "request_id", "workload", "status", "error", "streamed", "latency_ms", "ttft_ms", "input_tokens", "cost_usd", "note")
CELLS = {
    "timestamp": ["2026-10-23T00:00:00.125Z", "2026-10-23T23:59:59.999Z", "2026-10-24T01:00:00.000Z", "2026-10-24 01:00:00.000Z"],
    "request_id": ["a1", "b2", "7"], "workload": ["chat", "é", " x ", "true"],
    "status": ["200", "504", "ok", "error", ""], "error": ["", "timeout", "-100.0", "429"],
    "streamed": ["true", "False", "t", "0", "1", ""],
    "latency_ms": ["5", "812.25", ".5", "7.", "1e3", "+4.0", "0"], "ttft_ms": ["", "3.5", "0.1e1"],
    "input_tokens": ["1", "1151", "2.0", ""], "cost_usd": ["", "0.001", "1E-5"], "note": ["", "anything", "1.5"],
}  # fmt: skip
ODD = {
    "timestamp": ["", "1792713600", "1792713600.5", "2026-10-23", "2026-13-23T00:00:00.125Z", "2026-10-23T00:00:00.125+02:00"],
    "status": ["20", "teapot", "1000", "0"], "error": ["nan"], "streamed": ["yes", "2"],
    "latency_ms": ["", "-1", "nan", "x", "1e300", " 5"],
    "ttft_ms": ["inf", "-0"], "input_tokens": ["1.5", "-3", "1e30"], "cost_usd": ["1e9", "free"],
}  # fmt: skip
CSV_HOWS = (
    reading(), reading(by=["status", "error", "workload"], require=["input_tokens"]), reading(by=["streamed"], not_error=["504", "429"]),
    reading(map=["latency_ms=ttft_ms:ms", "workload=note"]), reading(by=["request_id", "input_tokens"], require=["timestamp", "error"]),
)  # fmt: skip


def table(rng, rows, separator=",", odd=0.0):
    lines = [separator.join(HEADER)]
    for _ in range(rows):
        cells = (rng.choice(ODD[name] if name in ODD and rng.random() < odd else CELLS[name]) for name in HEADER)
        lines.append(separator.join(cells))
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def arrow_from_the_start(monkeypatch):
    monkeypatch.setattr(delimited, "_MANY", 0)
    monkeypatch.setattr(plain_table, "BLOCK_BYTES", 300)


def test_a_table_by_columns_is_the_table_row_by_row(arrow_from_the_start, monkeypatch):
    rng = random.Random(3)
    texts = []
    for place in range(260):
        text = table(rng, 12, ",;\t|"[place % 4], odd=place % 3 * 0.04)
        text = text.replace(b"\n", b"\r\n") if place % 7 == 0 else text
        texts.append(damaged(rng, text, place % 5 and rng.randrange(3)))
    whole = [said(CSV.read_stream(io.BytesIO(text), CSV_HOWS[place % 5])) for place, text in enumerate(texts)]
    monkeypatch.setattr(delimited, "columns_of", lambda *given: None)
    for place, text in enumerate(texts):
        assert said(CSV.read_stream(io.BytesIO(text), CSV_HOWS[place % 5])) == whole[place], text


def test_a_plain_table_is_read_by_columns_to_its_end(arrow_from_the_start, monkeypatch):
    monkeypatch.setattr(delimited, "plain_cells", lambda *given: pytest.fail("read row by row"))
    lines, requests, faults = said(CSV.read_stream(io.BytesIO(table(random.Random(1), 500)), reading()))
    assert (lines.read, lines.profiled, lines.skipped, faults) == (501, 500, {"header": 1}, [])
    assert len(requests) == 500


# ---- lines of text -------------------------------------------------------------------------------------------------------------

TIMES = ("23/Oct/2026:00:00:00 +0000", "23/Oct/2026:23:59:59 +0000", "24/Oct/2026:07:08:09 +0000", "24/Oct/2026:07:08:09 +0530",
         "01/Jan/1970:00:00:01 +0000", "30/Feb/2026:07:08:09 +0000", "23/Oct/2026:24:00:00 +0000", "23/Oct/2026:00:60:00 +0000",
         "31/Dec/2199:23:59:59 +0000", "31/Dec/2199:23:59:59 -0100", "23/Xyz/2026:00:00:00 +0000")  # fmt: skip


def test_times_of_an_access_log_side_by_side_are_those_read_one_by_one():
    rng = random.Random(5)
    for size in (1, 2, 40):
        for _ in range(120):
            texts = [rng.choice(TIMES[: rng.choice([3, 5, 11])]) for _ in range(size)]
            alone = [_clf_ns(text) for text in texts]
            assert list(clf_instants(texts)) == alone
            assert isinstance(clf_instants(texts), np.ndarray) == all(isinstance(at, int) for at in alone)


def test_times_of_an_access_log_in_order_are_read_side_by_side(monkeypatch):
    texts = [f"{day:02}/Oct/2026:{hour:02}:{minute:02}:59 +0200" for day in (23, 24, 25) for hour in range(24) for minute in range(60)]
    expected = np.array([_clf_ns(text) for text in texts])
    monkeypatch.setattr("edgeroi.logs.textlines._clf_ns", lambda text: _clf_ns(text) if text[12:20] == "00:00:00" else pytest.fail(text))
    assert (clf_instants(texts) == expected).all()


# ---- LiteLLM -------------------------------------------------------------------------------------------------------------------

CALL = {
    "id": "c1", "trace_id": "t1", "call_type": "acompletion", "stream": True, "status": "success", "custom_llm_provider": "deepinfra",
    "model": "m", "model_group": "chat", "startTime": 1792713600.25, "endTime": 1792713605.5, "completionStartTime": 1792713600.5,
    "prompt_tokens": 11, "completion_tokens": 7, "response_cost": 0.001, "cache_hit": False, "request_tags": [],
    "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 3}}, "attempted_retries": 0},
}  # fmt: skip
CHANGES = {
    "id": ["c2", 7, None, ""], "trace_id": ["t2", "", 5, None], "call_type": ["embedding", None, "aget_file", "", 3, True],
    "stream": [False, None, 1, "true"], "status": ["failure", None, "", 1, True], "custom_llm_provider": ["cloudflare", "", None, 4],
    "model": ["@cf/meta/x", "", None, 1.5], "model_group": ["other", "", None, ["a"]], "end_user": ["u", 5], "session_id": ["s", 4],
    "startTime": ["2026-10-23T00:00:00", None, 1, 1792713600, "x", 1792713606.0], "endTime": [None, 1792713600.25, "", True],
    "completionStartTime": [1792713605.5, None, 1792713700.0], "prompt_tokens": [0, None, -1, 2.0, "5", 2**60],
    "completion_tokens": [0, 2**53],
    "response_cost": [0, 0.0, None, 2e6, "1"], "cache_hit": [True, "True", None, "None", 0, 1], "spend": [0.5],
    "metadata": [{}, None, "{}", 3, {"usage_object": {"cache_read_input_tokens": "x"}}, {"attempted_retries": 2}],
    "standard_logging_object": [{"status": "success"}],
}  # fmt: skip


def calls(rng, n, odd):
    for _ in range(n):
        call = dict(CALL)
        for name in [name for name in CHANGES if rng.random() < odd]:
            call[name] = rng.choice(CHANGES[name])
        for name in [name for name in list(call) if rng.random() < odd / 8]:
            del call[name]
        yield json.dumps(call, separators=(",", ":")).encode()


def test_litellm_by_columns_is_litellm_record_by_record(monkeypatch):
    rng = random.Random(9)
    hows = (reading(), reading(by=["model", "session_id", "user_id", "provider"]), reading(by=["placement"], const=["workload=w"]))
    formats = (LiteLLM(frozenset()), LiteLLM(frozenset(("t2",)), hidden=("call",)))
    texts = [b"\n".join(calls(rng, 9, place % 4 * 0.06)) + b"\n" for place in range(220)]
    texts = [damaged(rng, text, place % 3 and rng.randrange(3)) for place, text in enumerate(texts)]
    quick = [said([formats[place % 2].read_lines(text, hows[place % 3], True)]) for place, text in enumerate(texts)]
    typed = [place for place, text in enumerate(texts) if isinstance(_told(text, text.split(b"\n")[:-1], hows[0])[0], TypedTold)]
    assert len(typed) > 30
    monkeypatch.setattr("edgeroi.logs.litellm.applies", lambda reading: False)
    monkeypatch.setattr("edgeroi.logs.objects.objects_of", lambda lines: [object_of(line) for line in lines])
    for place, text in enumerate(texts):
        assert said([formats[place % 2].read_lines(text, hows[place % 3], True)]) == quick[place], text


def test_objects_read_together_are_those_read_line_by_line():
    rng = random.Random(13)
    for place in range(300):
        lines = damaged(rng, b"\n".join(calls(rng, 5, 0.05)), place % 4).split(b"\n")
        assert objects_of(lines) == [object_of(line) for line in lines]
    many = [*calls(rng, 300, 0.05), b'{"a":1,"a":2}']
    assert objects_of(many) == [object_of(line) for line in many]


# ---- JSON lines whose objects inside differ from line to line ------------------------------------------------------------------

INSIDE = (
    {},
    None,
    {"a": 1},
    {"a": 1, "c": 2},
    {"b": {"c": [1, {"d": 2}]}},
    {"a": {"e": 'say "x": y'}},
    {"a": 10**25},
    {"f": 1.5e300},
    "text",
    [{"a": 1}],
)


def own_lines(rng, n):
    for place in range(n):
        record = {"latency_ms": rng.randrange(1, 99), "workload": rng.choice(["chat", "search"]), "meta": rng.choice(INSIDE)}
        yield json.dumps(record | ({"note": "x"} if place % 3 else {}), separators=(",", ":")).encode()


def test_json_lines_with_objects_of_any_keys_inside_are_read_typed_and_say_the_same(monkeypatch):
    rng = random.Random(21)
    how, decoded = reading(), []
    texts = [b"\n".join(own_lines(rng, 12)) + b"\n" for _ in range(200)]
    texts = [damaged(rng, text, place % 2).replace(b'"a":', b'"c":', rng.randrange(2)) for place, text in enumerate(texts)]
    decode = RecordType.decode
    monkeypatch.setattr(RecordType, "decode", lambda *given: decoded.append(decode(*given)) or decoded[-1])
    quick = [said([JSONL.read_lines(text, how, True)]) for text in texts]
    assert sum(records is not None for records in decoded) > 60
    monkeypatch.setattr(RecordType, "decode", lambda *given: None)
    for place, text in enumerate(texts):
        assert said([JSONL.read_lines(text, how, True)]) == quick[place], text
