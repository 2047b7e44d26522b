"""OTLP-JSON GenAI spans, pitfall by pitfall; every expected number is worked out beside its span."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.otlp import FORMAT
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Bad
from edgeroi.logs.spans import span_of
from edgeroi.request import COLUMNS

START = 1782187866601937580
#: Doubles lie 256 ns apart up here, so START cannot be told as one.
END = START + 492_715_139


def attribute(key, value):
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(value)]
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def attributes(**named):
    return [attribute(key.replace("__", "."), value) for key, value in named.items()]


CHAT = {"gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", "gen_ai__request__model": "qwen"}


def span(names=CHAT, **changed):
    told = {
        "traceId": "t1", "spanId": "c1", "name": "chat qwen", "kind": 3, "startTimeUnixNano": str(START), "endTimeUnixNano": str(END),
        "attributes": attributes(**names), "status": {},
    }  # fmt: skip
    return told | changed


def export(*spans, service="shop", region=None):
    resource = attributes(service__name=service) + ([attribute("cloud.region", region)] if region else [])
    return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def values(names=CHAT, resource=None, **changed):
    return span_of(span(names, **changed), resource or {"service.name": "shop"}).values


def profiled(tmp_path, *documents, text=None, name="spans.jsonl", **read):
    log = tmp_path / name
    log.write_text("".join(json.dumps(document) + "\n" for document in documents) if text is None else text)
    return read_logs([log], reading(**read))


def test_nanoseconds_as_text_stay_exact():
    assert float(START) != START  # what a reader of doubles would get
    assert values()["timestamp"] == START
    assert values()["latency_ms"] == 492.715139
    assert values(startTimeUnixNano=START, endTimeUnixNano=END)["latency_ms"] == 492.715139


def test_whole_numbers_come_as_text():
    told = values({**CHAT, "gen_ai__usage__input_tokens": 812, "gen_ai__usage__output_tokens": 143})
    assert (told["input_tokens"], told["output_tokens"]) == (812, 143)


@pytest.mark.parametrize("names", [("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")])
def test_old_and_new_names_of_tokens(names):
    told = values({**CHAT, f"gen_ai__usage__{names[0]}": 10, f"gen_ai__usage__{names[1]}": 20})
    assert (told["input_tokens"], told["output_tokens"]) == (10, 20)


def test_cached_tokens():
    told = values({**CHAT, "gen_ai__usage__cache_read__input_tokens": 5, "gen_ai__usage__cache_creation__input_tokens": 6})
    assert (told["cached_tokens"], told["cache_write_tokens"]) == (5, 6)
    assert values()["cached_tokens"] is None


@pytest.mark.parametrize("operation", ["chat", "generate_content", "text_completion", "embeddings"])
def test_these_operations_are_requests(operation):
    assert isinstance(values({"gen_ai__operation__name": operation}), dict)


@pytest.mark.parametrize("operation", ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval", "something_new"])
def test_these_are_not(operation):
    assert values({"gen_ai__operation__name": operation, "gen_ai__request__model": "m"}) is None


def test_a_span_without_an_operation_is_a_request_if_it_names_a_model():
    assert isinstance(values({"gen_ai__system": "openai", "gen_ai__response__model": "m"}), dict)
    assert isinstance(values({"gen_ai__latency__time_to_first_token": 0.2}), dict)
    assert values({"gen_ai__response__model": "m", "traceloop__span__kind": "workflow"}) is None
    assert values({"http__method": "GET"}) is None


@pytest.mark.parametrize(
    "name",
    ["gen_ai__response__time_to_first_chunk", "gen_ai__response__time_to_first_token", "gen_ai__latency__time_to_first_token",
     "llm__time_to_first_token"],
)  # fmt: skip
def test_every_spelling_of_the_first_token_is_in_seconds(name):
    assert values({**CHAT, name: 0.25})["ttft_ms"] == 250.0


@pytest.mark.parametrize("name", ["gen_ai.content.completion.chunk", "llm.content.completion.chunk", "First Token Stream Event"])
def test_the_first_chunk_event_tells_it_too(name):
    events = [{"name": name, "timeUnixNano": str(START + at)} for at in (300_000_000, 76_633_947)]
    told = values(events=[{"name": "other", "timeUnixNano": str(START + 1)}, *events])
    assert (told["ttft_ms"], told["streamed"]) == (76.633947, True)


def test_a_first_token_at_the_end_was_not_measured():
    assert values({**CHAT, "gen_ai__response__time_to_first_chunk": 0.492715139})["ttft_ms"] is None
    assert values({**CHAT, "gen_ai__response__time_to_first_chunk": 7.0})["ttft_ms"] is None


@pytest.mark.parametrize("name", ["gen_ai__request__stream", "gen_ai__is_streaming"])
def test_streamed(name):
    assert values({**CHAT, name: False})["streamed"] is False
    assert values()["streamed"] is None


def test_client_and_server_span_are_one_request_told_by_the_client(tmp_path):
    server = span(
        {"gen_ai__response__model": "qwen", "gen_ai__usage__prompt_tokens": 11, "gen_ai__usage__completion_tokens": 40,
         "gen_ai__latency__time_to_first_token": 0.07},
        spanId="s1", parentSpanId="c1", name="llm_request", kind=2,
        startTimeUnixNano=str(START + 2_000_000), endTimeUnixNano=str(END - 2_000_000),
    )  # fmt: skip
    client = span()
    for documents in ([export(client, server)], [export(client), export(server, service="vllm")], [export(server), export(client)]):
        profile = profiled(tmp_path, *documents)
        assert profile.lines.skipped == {"other_record": 1}
        assert (profile.total.requests, profile.lines.read) == (1, 2)
        assert profile.total.latency.max_ms == 492.715139
        assert profile.total.sums["input_tokens"].total == 11
        assert profile.total.sums["output_tokens"].total == 40
        assert profile.total.ttft.n == 0  # the server's clock does not know the client's network
        assert "counted once" in profile.files[0].notes[0]


def test_a_server_span_whose_client_is_not_in_the_log_is_the_request(tmp_path):
    alone = span({"gen_ai__usage__prompt_tokens": 11, "gen_ai__latency__time_to_first_token": 0.07}, kind=2, parentSpanId="elsewhere")
    profile = profiled(tmp_path, export(alone))
    assert (profile.total.requests, profile.total.ttft.max_ms, profile.seen_from) == (1, 70.0, "server")
    assert profiled(tmp_path, export(span())).seen_from == "gateway"
    mixed = profiled(tmp_path, export(alone, span(spanId="c2")))
    assert mixed.seen_from is None
    assert "others by their server" in mixed.files[0].notes[0]
    assert profiled(tmp_path, export(alone), seen_from="client").seen_from == "client"


def test_a_span_between_them_does_not_part_them_but_an_agent_does(tmp_path):
    http = span({"http__method": "POST"}, spanId="h1", parentSpanId="c1")
    agent = span({"gen_ai__operation__name": "invoke_agent"}, spanId="h1", parentSpanId="c1")
    server = span({"gen_ai__operation__name": "chat", "gen_ai__usage__prompt_tokens": 1}, spanId="s1", parentSpanId="h1")
    assert profiled(tmp_path, export(span(), http, server)).total.requests == 1
    assert profiled(tmp_path, export(span(), agent, server)).total.requests == 2


def test_two_requests_of_one_agent_are_two(tmp_path):
    agent = span({"gen_ai__operation__name": "invoke_agent"}, spanId="a1", endTimeUnixNano=str(END + 60_000_000_000))
    profile = profiled(tmp_path, export(agent, span(parentSpanId="a1"), span(spanId="c2", parentSpanId="a1")))
    assert (profile.total.requests, profile.lines.skipped) == (2, {"other_record": 1})
    assert profile.total.latency.max_ms == 492.715139


def test_the_same_span_id_in_another_trace_is_another_span(tmp_path):
    assert profiled(tmp_path, export(span(), span(traceId="t2", parentSpanId="c1", spanId="s1"))).total.requests == 2


def test_spans_that_name_each_other_as_parents_end(tmp_path):
    loop = [span(spanId="a", parentSpanId="b"), span(spanId="b", parentSpanId="c"), span(spanId="c", parentSpanId="b")]
    for spans in (loop, loop[1:]):
        assert profiled(tmp_path, export(*spans)).lines.balanced


def test_status_two_or_an_error_type_is_an_error_and_unset_is_none(tmp_path):
    spans = [span(spanId="1"), span(spanId="2", status={"code": 2}), span({**CHAT, "error__type": "429"}, spanId="3"),
             span(spanId="4", status={"code": 1}), span(spanId="5", status={"code": "STATUS_CODE_ERROR"})]  # fmt: skip
    profile = profiled(tmp_path, export(*spans), by=["error"])
    assert (profile.total.requests, profile.total.errors) == (5, 3)
    assert {group.key["error"]: group.tally.requests for group in profile.groups} == {"429": 1, "error": 2, None: 2}
    assert profiled(tmp_path, export(*spans), not_error=["429"]).total.errors == 2


def test_a_provider_is_a_dialect_unless_the_address_says_who_answers():
    assert values()["provider"] == "openai"
    assert values({**CHAT, "server__address": "api.openai.com"})["provider"] == "openai"
    assert values({**CHAT, "server__address": "llm.internal"})["provider"] == "llm.internal"
    assert values({**CHAT, "gen_ai__openai__api_base": "http://10.0.0.7:8000/v1"})["provider"] == "10.0.0.7"
    bedrock = {"gen_ai__operation__name": "chat", "gen_ai__system": "aws.bedrock", "server__address": "x.amazonaws.com"}
    assert values(bedrock)["provider"] == "aws.bedrock"


def test_edge_models_are_at_the_edge():
    assert values({**CHAT, "gen_ai__request__model": "@cf/meta/llama-3.1-8b-instruct"})["placement"] == "edge"
    assert values()["placement"] is None


def test_workload_is_said_or_the_service_and_the_operation():
    assert values()["workload"] == "shop/chat"
    assert values({**CHAT, "edgeroi__workload": "search"})["workload"] == "search"
    assert values({**CHAT, "gen_ai__workflow__name": "refund"})["workload"] == "refund"
    assert values(resource={"service.name": "unknown_service:python"})["workload"] == "chat"


def test_region_is_the_servers_never_the_callers(tmp_path):
    assert values(resource={"cloud.region": "eu-west-1"})["region"] is None
    assert values({**CHAT, "cloud__region": "us-east-1"})["region"] == "us-east-1"
    server = span({"gen_ai__usage__prompt_tokens": 1}, spanId="s1", parentSpanId="c1", kind=2)
    profile = profiled(tmp_path, export(span(), region="eu-west-1"), export(server, region="us-east-1"), by=["region"])
    assert [group.key["region"] for group in profile.groups] == ["us-east-1"]


def test_a_cost_of_zero_is_unknown():
    assert values({**CHAT, "gen_ai__usage__cost": 0.0})["cost_usd"] is None
    assert values({**CHAT, "gen_ai__usage__cost": 0.01})["cost_usd"] == 0.01


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"endTimeUnixNano": None}, "missing_field"), ({"endTimeUnixNano": "0"}, "bad_timestamp"),
        ({"startTimeUnixNano": "x"}, "bad_timestamp"),
        ({"startTimeUnixNano": 1.5}, "bad_timestamp"), ({"endTimeUnixNano": str(START - 1)}, "out_of_range"),
    ],
)  # fmt: skip
def test_what_a_span_gets_rejected_for(tmp_path, changed, reason):
    profile = profiled(tmp_path, export(span()), export(span(spanId="x", **changed)))
    assert (profile.lines.profiled, profile.lines.rejected) == (1, {reason: 1})
    assert profile.rejects[0].line == 2
    assert profile.rejects[0].raw == b"span x chat qwen"  # never an attribute: prompts are attributes


def test_tokens_that_are_no_numbers_are_rejected(tmp_path):
    bad = span(attributes=[*attributes(**CHAT), {"key": "gen_ai.usage.input_tokens", "value": {"stringValue": "812"}}])
    assert profiled(tmp_path, export(span(), bad)).lines.rejected == {"wrong_type": 1}


def test_lines_one_object_and_a_pretty_one_say_the_same(tmp_path):
    documents = [export(span(spanId=str(at))) for at in range(3)]
    together = {"resourceSpans": [group for document in documents for group in document["resourceSpans"]]}
    lines = profiled(tmp_path, *documents)
    for text in (json.dumps(together), json.dumps(together, indent=2), json.dumps({"batches": together["resourceSpans"]})):
        whole = profiled(tmp_path, text=text, name="spans.json")
        assert whole.lines == lines.lines
        assert whole.total == lines.total
        assert whole.files[0].counted == "spans"


def test_spans_by_themselves_say_the_same_in_an_array_and_a_line_each(tmp_path):
    resource = {"attributes": attributes(service__name="shop")}
    server = span({"gen_ai__usage__input_tokens": 3, "gen_ai__response__model": "qwen"}, spanId="s1", parentSpanId="c1", kind=2)
    spans = [span() | {"resource": resource}, server, span({"http__method": "GET"}, spanId="h")]
    told = profiled(tmp_path, export(span(), *spans[1:]))
    texts = ["\n".join(map(json.dumps, spans)), json.dumps(spans), json.dumps(spans, indent=1), "\n" + json.dumps(spans) + "\n",
             json.dumps([export(span(), *spans[1:])])]  # fmt: skip
    for text in texts:
        profile = profiled(tmp_path, text=text, name="spans.json")
        assert profile.total == told.total
        assert (profile.lines.profiled, profile.lines.skipped) == (1, {"other_record": 2})
        assert profile.groups[0].key["workload"] == "shop/chat"


def test_attributes_may_be_plain_names_and_values(tmp_path):
    plain = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 12, "gen_ai.request.model": "m"}
    profile = profiled(tmp_path, span() | {"attributes": plain})
    assert profile.total.total("input_tokens") == 12


def test_a_broken_span_in_an_array_costs_only_itself(tmp_path):
    text = (
        "[\n"
        + json.dumps(span())
        + ',\n{"traceId": "t", "spanId" "x"},\n'
        + json.dumps({"a": 1})
        + ",\n"
        + json.dumps(span(spanId="c2"))[:-5]
    )
    profile = profiled(tmp_path, text=text, name="spans.json")
    assert profile.lines.balanced
    assert (profile.lines.read, profile.lines.profiled) == (4, 1)
    assert {reject.line: reject.reason for reject in profile.rejects} == {3: "bad_json", 4: "missing_field", 5: "truncated_tail"}


def test_the_sample_of_bare_spans_agrees_with_a_reading_of_our_own():
    sample = Path(__file__).parents[1] / "sample_logs" / "trace.otlp.json"
    spans = json.loads(sample.read_text())
    clients = [one for one in spans if one["kind"] == 3]
    good = [one for one in clients if one["status"].get("code") != 2]
    profile = read_logs([sample], reading())
    assert (profile.lines.read, profile.total.requests, profile.total.errors) == (len(spans), len(clients), len(clients) - len(good))
    assert profile.lines.skipped == {"other_record": len(spans) - len(clients)}
    latencies = sorted(int(one["endTimeUnixNano"]) - int(one["startTimeUnixNano"]) for one in good)
    assert profile.total.latency.max_ms == latencies[-1] / 1e6
    counted = [one for one in spans if one["kind"] == 2 and one["status"].get("code") != 2]
    tokens = [int(a["value"]["intValue"]) for one in counted for a in one["attributes"] if a["key"] == "gen_ai.usage.output_tokens"]
    assert profile.total.total("output_tokens") == sum(tokens)  # told by the servers, borrowed by their callers


def test_every_span_and_every_bad_line_is_accounted_for(tmp_path):
    other = span({"http__method": "GET"}, spanId="h")
    text = "\n".join([json.dumps(export(span(), other)), "", "{bad", "[1]", '{"resourceMetrics":[]}', json.dumps(export())[:-3]])
    profile = profiled(tmp_path, text=text)
    assert profile.lines.balanced
    assert (profile.lines.read, profile.lines.profiled, profile.lines.blank) == (7, 1, 1)
    assert profile.lines.skipped == {"other_record": 1}
    rejected = {3: "bad_json", 4: "not_object", 5: "missing_field", 6: "truncated_tail"}
    assert {reject.line: reject.reason for reject in profile.rejects} == rejected


def test_mapping_takes_an_attribute_by_its_whole_name(tmp_path):
    tenant = span({**CHAT, "app.tenant": "acme"})
    profile = profiled(tmp_path, export(tenant), map=["workload=app.tenant"])
    assert profile.groups[0].key["workload"] == "acme"
    assert profiled(tmp_path, export(tenant), map=["region=cloud.region"], by=["region"]).groups[0].key["region"] is None


def test_detection_says_no_to_metrics_and_to_other_json():
    def claim(text):
        return FORMAT.claim(Head(text.encode(), "x.json", True), reading())

    assert claim(json.dumps(export(span()))).claimed
    assert not claim('{"resourceMetrics": []}').claimed
    assert "no spans" in claim('{"resourceMetrics": []}').why
    assert not claim('{"latency_ms": 3}').claimed
    assert not claim("[]").claimed
    assert detect(Head(json.dumps(export(span())).encode(), "x.json", True), reading()).format is formats()["otlp"]


def test_its_fields_are_canonical_columns():
    assert set(FORMAT.fields) <= set(COLUMNS)
    assert set(values()) <= set(COLUMNS)
    assert isinstance(span_of(span(startTimeUnixNano="x"), {}).values, Bad)


def test_the_sample_log_agrees_with_a_reading_of_our_own():
    sample = Path(__file__).parents[1] / "sample_logs" / "spans.otlp.jsonl.gz"
    spans = [
        one
        for line in gzip.decompress(sample.read_bytes()).decode().splitlines()
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for one in scope["spans"]
    ]
    clients = [one for one in spans if one["kind"] == 3]
    good = [one for one in clients if one["status"].get("code") != 2]
    profile = read_logs([sample], reading())
    assert (profile.lines.read, profile.total.requests) == (len(spans), len(clients))
    assert profile.total.errors == len(clients) - len(good)
    latencies = np.sort([int(one["endTimeUnixNano"]) - int(one["startTimeUnixNano"]) for one in good]) / 1e6
    assert profile.total.latency.quantile(0.5) == pytest.approx(latencies[int(np.ceil(0.5 * len(good))) - 1], rel=1e-3)
    assert profile.total.sums["output_tokens"].n >= len(good)


ANY = st.sampled_from([None, True, 0, -1, 2.5, 10**30, "", "x", "12", "-5", "9" * 30, [], [1], {}, {"a": []}, [{"key": "a"}],
                       [{"key": 1, "value": {}}], [{"key": "gen_ai.operation.name", "value": {"arrayValue": {}}}],
                       [{"name": [], "timeUnixNano": {}}], {"code": []}, "http://[bad"])  # fmt: skip
NAMES = st.sampled_from(["gen_ai.operation.name", "gen_ai.usage.input_tokens", "server.address", "gen_ai.provider.name", "error.type",
                         "gen_ai.request.model", "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk",
                         "http.response.status_code", "edgeroi.workload", "cloud.region", "gen_ai.usage.cost"])  # fmt: skip
TYPED = st.builds(lambda kind, value: {kind: value}, st.sampled_from(["stringValue", "intValue", "doubleValue", "boolValue", "x"]), ANY)
SPANS = st.builds(
    lambda changes, more: span(attributes=[*attributes(**CHAT), *({"key": key, "value": value} for key, value in more.items())], **changes),
    st.dictionaries(st.sampled_from([*sorted(set(span()) - {"attributes"}), "parentSpanId", "events"]), ANY, max_size=3),
    st.dictionaries(NAMES, TYPED | ANY, max_size=3),
)


@given(st.lists(SPANS, min_size=1, max_size=4), st.sampled_from(["spans", "scopeSpans", "resource", "attributes"]), st.none() | ANY)
def test_whatever_a_span_holds_it_is_accounted_for(spans, where, odd):
    document = export(*spans)
    if odd is not None:
        group = document["resourceSpans"][0]
        holder = {"spans": group["scopeSpans"][0], "attributes": group["resource"]}.get(where, group)
        holder[where] = odd
    (chunk,) = FORMAT.read_stream(io.BytesIO(json.dumps(document).encode()), reading(by=["workload", "region"]))
    assert chunk.lines.balanced
    if odd is None or where in ("resource", "attributes"):
        assert chunk.lines.read == len(spans)
