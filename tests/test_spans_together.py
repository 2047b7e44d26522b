"""OTLP spans in bounded memory: pairing against a plain reading of the rule, typed decoding against the exact one."""

import io
import json
import random

import numpy as np
import pytest

from edgeroi.logs import otlp, span_window
from edgeroi.logs.otlp import FORMAT
from edgeroi.logs.reading import reading
from edgeroi.logs.span_records import Records
from edgeroi.request import LineCount, joined

START = 1_782_187_866_000_000_000
LENT = ("input_tokens", "output_tokens")


def attribute(key, value):
    kind = {int: "intValue", str: "stringValue", float: "doubleValue", bool: "boolValue"}[type(value)]
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def span(here, parent=None, *, names, at=0, took=1_000_000, kind=3, trace="t"):
    attributes = [attribute(*pair) for pair in names.items()]
    told = {"traceId": trace, "spanId": here, "name": "s", "kind": kind, "startTimeUnixNano": str(START + at)}
    told |= {"endTimeUnixNano": str(START + at + took), "attributes": attributes, "status": {}}
    return told | ({"parentSpanId": parent} if parent else {})


def chat(**tokens):
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"} | {f"gen_ai.usage.{name}": n for name, n in tokens.items()}


HTTP, AGENT = {"http.method": "POST"}, {"gen_ai.operation.name": "invoke_agent"}


def document(*spans, service="shop"):
    resource = {"attributes": [attribute("service.name", service)]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def lines_of(documents):
    return b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in documents)


def told(text, how=None):
    """The account of all lines, what each request says (sorted), the rejects, the notes."""
    chunks = list(FORMAT.read_stream(io.BytesIO(text), how or reading()))
    lines = sum((chunk.lines for chunk in chunks), LineCount())
    batches = [chunk.batch for chunk in chunks if chunk.batch is not None and chunk.batch.n]
    rows, before = [], 0
    if batches:
        batch = joined(batches)
        columns = {name: np.where(np.isnan(column), -1, column).tolist() for name, column in batch.numbers.items()}
        labels = {
            name: [column.names[code] if code >= 0 else "" for code in column.codes.tolist()] for name, column in batch.labels.items()
        }
        rows = sorted(
            (instant, failed, *_cells(columns, row, -1), *_cells(labels, row, ""))
            for row, (instant, failed) in enumerate(zip(batch.instants.tolist(), batch.failed.tolist(), strict=True))
        )
    rejects = []
    for chunk in chunks:
        rejects += [(before + fault.line, fault.reason, fault.raw) for fault in chunk.faults]
        before += chunk.lines.read
    return lines, rows, sorted(rejects), [note for chunk in chunks for note in chunk.notes]


def _cells(columns, row, unknown):
    return sorted((name, values[row]) for name, values in columns.items() if values[row] != unknown)


def by_the_rule(spans):
    """``(start, tokens)`` of each chat span without another around it, up to an agent, and how many have one."""
    known = {one["spanId"]: one for one in spans}  # the last of those that share an id
    operation = {id(one): one["attributes"][0]["value"]["stringValue"] for one in spans}
    inside, tops = {}, []
    for one in spans:
        if operation[id(one)] != "chat":
            continue
        top, around, met = one, one, {one["spanId"]}
        while (parent := around.get("parentSpanId")) in known and parent not in met:
            around = known[parent]
            met.add(parent)
            if operation[id(around)] == "invoke_agent":
                break
            top = around if operation[id(around)] == "chat" else top
        if top is one:
            tops.append(one)
        else:
            inside.setdefault(top["spanId"], []).append(one)
    found = []
    for top in tops:
        views = [top, *sorted(inside.get(top["spanId"], ()), key=lambda one: -int(one["startTimeUnixNano"]))]
        tokens = []
        for name in LENT:
            counts = (attr["value"]["intValue"] for view in views for attr in view["attributes"] if attr["key"] == f"gen_ai.usage.{name}")
            tokens.append(int(next(counts, -1)))
        found.append((int(top["startTimeUnixNano"]), *tokens))
    return sorted(found), sum(map(len, inside.values()))


def drawn_spans(rng, n):
    """Spans of every kind, some with one id, some that are their own ancestors, in any order."""
    ids = [f"{place:x}" for place in range(max(2, n - rng.randrange(3)))]
    spans = []
    for place in range(n):
        names = rng.choice([
            chat(), chat(input_tokens=rng.randrange(50)), chat(output_tokens=rng.randrange(50)),
            chat(input_tokens=1, output_tokens=2), HTTP | {"http.method": "GET"}, AGENT,
        ])  # fmt: skip
        spans.append(span(rng.choice(ids), rng.choice([*ids, None, "elsewhere"]), names=names, at=place * 1000))
    rng.shuffle(spans)
    return spans


def requests_told(rows):
    return [(row[0], *(dict(cell for cell in row if isinstance(cell, tuple)).get(name, -1) for name in LENT)) for row in rows]


def test_pairing_is_that_of_the_rule_whatever_the_order_and_the_shape():
    rng = random.Random(7)
    inner = 0
    for _ in range(150):
        spans = drawn_spans(rng, rng.randrange(1, 14))
        lines, rows, _, notes = told(lines_of([document(one) for one in spans]))
        expected, within = by_the_rule(spans)
        assert requests_told(rows) == expected
        assert lines.balanced
        assert lines.read == len(spans)
        assert any(f"{within:,} spans tell" in note for note in notes) == bool(within)
        inner += within
    assert inner > 100


def test_a_chain_deeper_than_is_followed_at_once():
    chain = [span(f"{at}", f"{at - 1}" if at else None, names=HTTP, at=at) for at in range(200)]
    chain[3] = span("3", "2", names=chat(), at=3)
    chain.append(span("last", "199", names=chat(input_tokens=9), at=500))
    _, rows, _, _ = told(lines_of([document(*chain)]))
    assert requests_told(rows) == [(START + 3, 9, -1)]


# ---- typed decoding says what the exact one says -------------------------------------------------------------------------------

SAMPLE = [
    document(
        span("c1", names=chat() | {"server.address": "api.openai.com", "gen_ai.provider.name": "openai"}),
        span("s1", "c1", names=chat(input_tokens=12, output_tokens=3) | {"cloud.region": "eu"}, kind=2, at=10),
        span("h1", names=HTTP),
    ),
    document(span("a1", names=AGENT), span("e1", "a1", names={"gen_ai.operation.name": "embeddings", "error.type": "timeout"})),
    document(*(span(f"{n}", names=chat(input_tokens=n) | {"gen_ai.usage.cost": 0.25 * n}, at=n) for n in range(6)), service="other"),
    document(*(span(f"w{n}", names=chat() | {"gen_ai.request.stream": True, "llm.time_to_first_token": 0.0001}) for n in range(5))),
    document(*(span(f"v{n}", names=chat()) | {"events": [{"name": "gen_ai.content.completion.chunk", "timeUnixNano": str(START + 7)}]}
               for n in range(5))),
    document(*(span(f"x{n}", names=chat() | {"http.response.status_code": 500 * (n % 2)}) | {"status": {"code": n % 3}} for n in range(7))),
    span("alone", names=chat(input_tokens=4)) | {"resource": {"attributes": [attribute("service.name", "bare")]}},
]  # fmt: skip
HOWS = (reading(by=["workload", "placement", "model", "provider", "error"]), reading(by=["user_id", "region"], require=["input_tokens"]),
        reading(not_error=["timeout", "500"], by=["status"]))  # fmt: skip


def mutated(rng, text):
    """One change: a byte, a piece cut out or doubled, a word for another."""
    at, to = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    to = min(to, at + rng.choice([1, 4, 30, 200]))
    swaps = [
        (b'"chat"', b'"Chat"'), (b'"chat"', b'""'), (b"intValue", b"stringValue"), (b'"12"', b"12"),
        (b'"kind":3', b'"kind":"SPAN_KIND_SERVER"'), (b'"status":{}', b'"status":{"code":2}'), (b'"code":2', b'"code":true'),
        (b'"value":{', b'"value":{"boolValue":true,'), (b"startTime", b"start\\u0054ime"), (b'"name":"s"', b'"name":"s","name":"q"'),
        (b'"name":"s"', b'"name":""'), (b'":', b'" :'), (str(START).encode(), b"0"), (b"{}", b"null"), (b"true", b"1"),
        (b'"key"', b'"\\u006bey"'), (b'"s1"', b'"c1"'),
    ]  # fmt: skip
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + bytes([rng.choice(b'0x"{}[],:\\ \n\xff')]) + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[to:]
    if kind == 2:
        return text[:to] + text[at:]
    old, new = rng.choice(swaps)
    places = [place for place in range(len(text)) if text.startswith(old, place)]
    place = rng.choice(places) if places else 0
    return text[:place] + new + text[place + len(old) :] if places else text


def test_typed_decoding_says_what_the_exact_one_says_of_mutated_text(monkeypatch):
    rng = random.Random(11)
    whole = lines_of(SAMPLE)
    texts = [whole, *(mutated(rng, whole) for _ in range(250))]
    quick = [told(text, HOWS[place % 3]) for place, text in enumerate(texts)]
    taken = [0]
    monkeypatch.setattr(Records, "take", lambda self, text, line: taken.append(1) and False)
    for place, text in enumerate(texts):
        assert told(text, HOWS[place % 3]) == quick[place], text
    assert len(taken) > 1000


def test_more_resources_words_and_shapes_than_are_remembered_are_told_apart(monkeypatch):
    names = [chat(input_tokens=n) | {"user.id": f"u{n}", f"key{n % 5}": "x"} for n in range(60)]
    text = lines_of(document(*(span(f"{n}", names=names[n]) for _ in range(5)), service=f"service {n}") for n in range(60))
    how = reading(by=["workload", "user_id"])
    whole = told(text, how)
    assert len({row[-1] for row in whole[1]}) == 60  # a workload for each service
    for most in (1, 2, 7):
        monkeypatch.setattr("edgeroi.logs.span_records._MOST_KNOWN", most)
        assert told(text, how) == whole
    monkeypatch.setattr("edgeroi.logs.span_records._LONGEST_KNOWN", 10)
    assert told(text, how) == whole


def test_typed_decoding_is_what_reads_ordinary_documents(monkeypatch):
    monkeypatch.setattr(otlp._Pending, "_take_exactly", lambda *given: pytest.fail("an ordinary document was decoded the exact way"))
    lines, _, _, _ = told(lines_of(SAMPLE))
    assert lines.read == 29


# ---- how far apart, and how large ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_window(monkeypatch):
    monkeypatch.setattr(otlp, "MOST_WAITING", 100)
    monkeypatch.setattr(otlp, "MATCHED_WITHIN", 50)
    monkeypatch.setattr(otlp, "_PACKED_TOGETHER", 7)


def spans_apart(pairs, apart):
    """Servers' spans, each ``apart`` spans after its client's, with an HTTP span between the two."""
    clients = [[span(f"c{n}", names=chat(), at=n)] for n in range(pairs)]
    https = [[span(f"h{n}", f"c{n}", names=HTTP, at=n)] for n in range(pairs)]
    servers = [[span(f"s{n}", f"h{n}", names=chat(input_tokens=7), at=n + 1)] for n in range(pairs)]
    rest = [[] for _ in range(pairs + apart)]
    for place in range(pairs):
        rest[place] += clients[place]
        rest[place + apart // 2] += https[place]
        rest[place + apart] += servers[place]
    return [document(*some) for some in rest if some]


def test_spans_within_the_window_are_one_request_however_long_the_log_is(small_window):
    lines, rows, _, notes = told(lines_of(spans_apart(400, 14)))
    assert (lines.read, lines.profiled, lines.skipped) == (1200, 400, {"other_record": 800})
    assert {row[1] for row in requests_told(rows)} == {7}
    assert "400 spans tell of a request" in notes[0]
    assert "within 50 spans of each other: 0 requests" in notes[1]


def test_spans_farther_apart_are_counted_by_themselves_and_the_report_says_how_many(small_window):
    lines, rows, _, notes = told(lines_of(spans_apart(400, 200)))
    assert lines.balanced
    assert lines.read == 1200
    alone = lines.profiled - 400
    assert alone > 300
    assert f"{alone:,} requests name a span around them that was not among those" in notes[-1]
    assert len({row[0] for row in rows}) == 401


def test_no_more_spans_wait_than_are_said(small_window, monkeypatch):
    waiting, settle = [], span_window.Window.settle
    monkeypatch.setattr(
        span_window.Window, "settle", lambda self, *how: (waiting.append(self.n), settle(self, *how), waiting.append(self.n))[1]
    )
    told(lines_of(spans_apart(2000, 14)))
    assert len(waiting) > 100
    assert max(waiting[::2]) <= 100 + 3  # the last document's
    assert max(waiting[1::2]) <= 50 + 14  # of the older half those whose request is in the younger one


def test_rejects_keep_their_lines_when_a_log_is_given_on_in_parts(small_window):
    documents = spans_apart(300, 14)
    bad = [2, 90, 200, 299]
    text = lines_of(documents).split(b"\n")
    for line in bad:
        text[line - 1] = b'{"resourceSpans":'
    _, _, rejects, _ = told(b"\n".join(text))
    # the engine places a reject by the spans before its chunk, so only their order and number can be asked here
    assert len(rejects) == len(bad)


def test_a_large_document_is_read_in_pieces_and_says_the_same(monkeypatch):
    one = {"resourceSpans": [group for each in SAMPLE[:-1] for group in each["resourceSpans"]]}
    text = lines_of([one])
    for how in HOWS:
        whole = told(text, how)
        with monkeypatch.context() as small:
            small.setattr(otlp, "LONGEST_LINE", 100)
            small.setattr("edgeroi.logs.span_records._PIECE", 2)
            small.setattr(otlp, "document_of", lambda line: pytest.fail("decoded as a whole"))
            assert told(text, how) == whole
        with monkeypatch.context() as small:
            small.setattr(otlp, "LONGEST_LINE", 100)
            assert told(text[:-9], how) == ((LineCount(1, 0, 0, {"truncated_tail": 1}, {})), [], [(1, "truncated_tail", text[:256])], [])
