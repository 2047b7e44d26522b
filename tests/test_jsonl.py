"""JSON lines: the fast way says what the exact way says, and both say what the rules are."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeroi.census import partial_of
from edgeroi.errors import EdgeroiError
from edgeroi.logs.checked import instants_of
from edgeroi.logs.format import Head
from edgeroi.logs.jsonl import FORMAT, _learned, read_line
from edgeroi.logs.reading import Field, reading
from edgeroi.logs.record import Bad, Intake, epoch_unit, instant_of, status_failed

NATIVE = reading(by=("workload", "status", "error", "streamed", "output_tokens"))
GOOD = {
    "timestamp": "2026-11-22T10:00:00.250Z",
    "workload": "chat",
    "status": 200,
    "error": None,
    "streamed": True,
    "latency_ms": 812.5,
    "ttft_ms": 120,
    "input_tokens": 300,
    "output_tokens": 20,
    "cost_usd": 0.0004,
}


def line(**changes):
    return json.dumps({**GOOD, **changes}).encode()


def exactly(text, how):
    """Every line by the exact way alone."""
    intake = Intake(how)
    lines = text.split(b"\n")
    assert lines.pop() == b""
    for number, one in enumerate(lines, 1):
        read_line(intake, number, one)
    return intake.chunk(len(lines))


def assert_same(text, how=NATIVE):
    fast, exact = FORMAT.read_lines(text, how, False), exactly(text, how)
    assert fast.lines == exact.lines
    assert fast.faults == exact.faults
    if exact.batch.n or fast.batch is not None:
        assert partial_of(fast.batch, how.by) == partial_of(exact.batch, how.by)
    return fast


def fate(text, how=NATIVE):
    """The reason of one line's reject or skip, or 'profiled'."""
    chunk = FORMAT.read_lines(text + b"\n", how, False)
    exact = exactly(text + b"\n", how)
    assert chunk.lines == exact.lines
    (where,) = [*chunk.lines.rejected, *chunk.lines.skipped, *(["profiled"] * chunk.lines.profiled), *(["blank"] * chunk.lines.blank)]
    return where


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, "profiled"),
        ({"latency_ms": True}, "wrong_type"),
        ({"latency_ms": "812"}, "wrong_type"),
        ({"latency_ms": -1}, "out_of_range"),
        ({"latency_ms": 2**53 / 1e6 * 1.0001}, "out_of_range"),
        ({"latency_ms": None}, "null_required"),
        ({"latency_ms": None, "error": "timeout"}, "profiled"),
        ({"latency_ms": None, "status": 503}, "profiled"),
        ({"latency_ms": None, "error": ""}, "null_required"),
        ({"error": 429}, "profiled"),
        ({"error": ["no"]}, "wrong_type"),
        ({"error": False}, "wrong_type"),
        ({"status": "success"}, "profiled"),
        ({"status": "ok"}, "profiled"),
        ({"status": "wobbly"}, "bad_status"),
        ({"status": 200.5}, "bad_status"),
        ({"status": 42}, "bad_status"),
        ({"status": None}, "profiled"),
        ({"input_tokens": 3.0}, "profiled"),
        ({"input_tokens": 3.5}, "wrong_type"),
        ({"input_tokens": 2**53}, "out_of_range"),
        ({"input_tokens": -1}, "out_of_range"),
        ({"streamed": 1}, "wrong_type"),
        ({"streamed": "true"}, "wrong_type"),
        ({"workload": 7}, "wrong_type"),
        ({"workload": None}, "profiled"),
        ({"timestamp": "2026-11-22T10:00:00"}, "naive_timestamp"),
        ({"timestamp": "2026-11-22 10:00:00+05:45"}, "profiled"),
        ({"timestamp": "2026-13-22T10:00:00Z"}, "bad_timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "out_of_range"),
        ({"timestamp": 1795341600}, "profiled"),
        ({"timestamp": 12.5}, "out_of_range"),
        ({"timestamp": True}, "bad_timestamp"),
        ({"cache_hit": True}, "cache_hit"),
        ({"cache_hit": False}, "profiled"),
        ({"prompt": [{"role": "user"}]}, "profiled"),
        ({"cost_usd": "0.1"}, "wrong_type"),
    ],
    ids=str,
)
def test_a_value_is_taken_as_it_is_or_not_at_all(changes, where):
    assert fate(line(**changes)) == where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'{"latency_ms":1,"latency_ms":2}', "duplicate_key"),
        (b'{"latency_ms":1,"latency\\u005fms":2}', "duplicate_key"),
        (b'{"latency_ms":1,"latency_ms" :2}', "duplicate_key"),
        (b'{"latency_ms":1,"note":"a\\":b"}', "profiled"),
        (b'{"latency_ms":1,"note":"{\\"latency_ms\\" :1} : \\\\"}', "profiled"),
        (b'{"latency_ms":1,"note":"\\\\","note" :2}', "duplicate_key"),
        (b'{"latency_ms":1,"note":"a : b"}', "profiled"),
        (b'{"latency_ms":1}\r', "profiled"),
        (b'{"latency_ms":1,"note":{"x":1,"x":2}}', "duplicate_key"),
        (b'{"latency_ms":NaN}', "bad_json"),
        (b'{"latency_ms":1e400}', "out_of_range"),
        (b'{"latency_ms":1}{"latency_ms":2}', "bad_json"),
        (b'[{"latency_ms":1}]', "not_object"),
        (b'{"latency_ms":1,"note":"\xff"}', "invalid_utf8"),
        (b'{"latency_ms":1,"note":"\xc3\xa9"}', "profiled"),
        (b"\0" * 20, "nul_block"),
        ('{"latency_ms":1}'.encode("utf-16-le"), "utf16"),
        (b'\xef\xbb\xbf{"latency_ms":1}', "bom_mid_file"),
        (b" \t\r", "blank"),
        (b"", "blank"),
        (b'{"latency_ms":1,"a":' + b'{"a":' * 600 + b"1" + b"}" * 601, "profiled"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "too_deep"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_is_no_record_says_why(text, where):
    assert fate(text) == where
    # The same among lines that go the fast way.
    chunk = assert_same(b"\n".join([*[line()] * 300, text, *[line()] * 300]) + b"\n")
    assert [fault.line for fault in chunk.faults] in ([], [301])


def test_a_record_over_two_lines_is_not_made_up_for_by_a_line_of_two():
    plain = [b'{"latency_ms":1,"a":{}}'] * 3
    chunk = assert_same(b"\n".join([*plain, b'{"a":{}', b',"latency_ms":1}', plain[0] * 2]) + b"\n", reading(by=("user_id",)))
    assert (chunk.lines.profiled, chunk.lines.rejected) == (3, {"bad_json": 3})


@pytest.mark.parametrize("odd", [{"timing": None}, {"timing": {"total": 3}}, {"timing": 5}, {"new": 1}, {"timing": {"total": 1, "x": {}}}])
def test_one_odd_record_does_not_slow_the_others_down(odd):
    how = reading(map=("latency_ms=timing.total:s",)).for_file(f"{odd}.jsonl")
    records = [{"timing": {"total": 1, "first": 2}, "error": None}] * 50
    text = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    for part in (json.dumps({**records[0], **odd}).encode() + b"\n" + text, text):
        assert_same(part, how)
    learned = _learned(how)
    assert len(learned.decode(text, 50)) == 50


def test_a_failure_of_no_time_is_one_of_unknown_duration():
    how = reading(by=("request_id",))
    chunk = assert_same((line(latency_ms=0, error="429") + b"\n") * 2, how)
    assert partial_of(chunk.batch, ()).tallies[()].failure.n == 0


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5000),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["", "200", "ok", "error", "chat", 'a":b', "2026-11-22T10:00:00Z", "2026-11-22T10:00:00.123456+02:00", "é", " : "]),
)
RECORDS = st.dictionaries(st.sampled_from([*GOOD, "cache_hit", "request_id", "extra"]), SCALARS, max_size=4)
ODD_LINES = st.one_of(
    st.sampled_from([b"", b" ", b"{", b"[]", b"null", b'{"latency_ms":1}{"latency_ms":1}', b'{"latency_ms":1,"latency_ms":1}', b"}\r"]),
    st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")),
)


@given(st.lists(st.one_of(RECORDS.map(lambda changes: line(**changes)), ODD_LINES), max_size=40))
@example([b'{"latency_ms":1,"a":[{}', b'{}]}{"latency_ms":2}'])
@example([b'{"latency_ms":1} {"latency_ms":2}', b""])
@settings(max_examples=400)
def test_the_fast_way_says_what_the_exact_way_says(lines):
    text = b"".join(one + b"\n" for one in [*[line()] * 3, *lines, *[line()] * 3])
    assert_same(text)
    assert_same(text, reading(by=("workload",), require=("timestamp", "input_tokens"), not_error=("429", "503")))


@pytest.mark.parametrize("huge", ["1e400", "[0.5, 1e400]", "[1, %s.5e99]" % ("9" * 230)])
def test_many_numbers_that_no_double_holds_fare_as_one_does(huge):
    """Half the lines hold one where nobody reads: as many as the type of the records is learned from. The other half is profiled."""
    plain = "0.5" if huge[0] != "[" else "[0.5]"
    texts = [json.dumps({**GOOD, "latency_ms": n + 1}).replace("}", f', "score": {huge if n % 2 else plain}}}') for n in range(600)]
    chunk = assert_same("".join(text + "\n" for text in texts).encode())
    assert (chunk.lines.profiled, chunk.lines.rejected) == (300, {"out_of_range": 300})


MAPPED = reading(
    by=("model", "workload"),
    map=("latency_ms=timing.total:s", "ttft_ms=timing.first_ms", "model=model.name", "workload=model.name", "error=err", "timestamp=at:ms"),
)


@given(st.lists(st.sampled_from([None, "no timing", "null timing", "text timing", "no model", "dup", "failed"]), max_size=30))
def test_nested_fields_are_found_in_both_ways(kinds):
    def nested(kind):
        record = {"at": 1795341600123, "timing": {"total": 0.8125, "first_ms": 90}, "model": {"name": "m", "v": 1}, "err": None}
        changes = {
            "no timing": {"timing": {}},
            "null timing": {"timing": None},
            "text timing": {"timing": "fast"},
            "no model": {"model": {"v": 2}},
            "failed": {"err": 500, "timing": {"total": 0, "first_ms": None}},
        }
        text = json.dumps({**record, **changes.get(kind, {})}).encode()
        return text.replace(b'"v": 1', b'"v": 1, "v": 2') if kind == "dup" else text

    chunk = assert_same(b"".join(nested(kind) + b"\n" for kind in (None, *kinds)), MAPPED)
    successes = 1 + sum(kind in (None, "no model") for kind in kinds)
    (tally, *_) = partial_of(chunk.batch, ()).tallies.values()
    assert tally.latency.n == successes
    assert set(tally.latency.values_ms) == {812.5}
    assert tally.failure.n == 0, "a failure of 0 s is one of unknown duration"
    assert tally.errors == sum(kind == "failed" for kind in kinds)


@given(
    st.integers(86_400, 7_258_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.integers(0, 999_999_999),
    st.integers(0, 9),
    st.sampled_from(["Z", "z", "+00:00", "-07:30", "+05:45"]),
)
def test_timestamps_are_the_calendars(at, nanoseconds, digits, zone):
    fraction = f".{nanoseconds:09d}"[: digits + 1] if digits else ""
    text = at.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone
    offset = 0 if zone in "Zz" else (int(zone[1:3]) * 60 + int(zone[4:])) * (-1 if zone[0] == "-" else 1)
    expected = (int(at.timestamp()) - offset * 60) * 10**9 + int(fraction[1:].ljust(9, "0") or 0)
    assert instant_of(text) == expected
    instants, bad = instants_of([text, text], None)
    assert instants.tolist() == [expected] * 2
    assert not bad.any()


@given(st.lists(st.text("0123456789-:TZ+. ", min_size=15, max_size=30), min_size=1, max_size=5))
def test_a_column_of_timestamps_is_never_laxer_than_one(texts):
    texts = ["2026-11-22T10:00:00Z", *texts]
    instants, bad = instants_of(texts, None)
    for text, instant, is_bad in zip(texts, instants.tolist(), bad.tolist(), strict=True):
        if not is_bad:
            assert instant_of(text) == instant
        elif len(texts) == 2 and len(texts[1]) != 20:
            # A text of its own length has no neighbour whose shape could hide it.
            assert isinstance(instant_of(text), Bad)


def mutated(text, place, how, character):
    place %= len(text)
    if how == "replace":
        return text[:place] + character + text[place + 1 :]
    return text[:place] + character + text[place:] if how == "insert" else text[:place] + text[place + 1 :]


TIMES = st.builds(
    "2026-11-22T{:02d}:{:02d}:{:02d}{}".format,
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
    st.sampled_from(["Z", ".5Z", ".25+00:00", ".1234567891Z", ".1234567899Z", "+02:02"]),
)
MUTATED = st.builds(mutated, TIMES, st.integers(0, 40), st.sampled_from(["replace", "insert", "delete"]), st.sampled_from("0259:.Z-T "))


@given(st.sampled_from(["Z", ".5Z", ".25+00:00", ".1234567891Z", "+02:02"]), st.lists(st.one_of(TIMES, MUTATED), max_size=4))
@settings(max_examples=500)
def test_neighbours_do_not_lend_each_other_digits(zone, texts):
    texts = [f"2026-11-22T10:00:00{zone}", *texts, f"2026-11-22T23:59:59{zone}"]
    instants, bad = instants_of(texts, None)
    for text, instant, is_bad in zip(texts, instants.tolist(), bad.tolist(), strict=True):
        assert is_bad or instant_of(text) == instant, text


def test_epochs_are_told_by_their_digits():
    now = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp())
    assert [epoch_unit(now * 10**power) for power in (0, 3, 6, 9)] == ["s", "ms", "us", "ns"]
    assert {instant_of(now * 10**power) for power in (0, 3, 6, 9)} == {now * 10**9}
    assert instant_of(float(now) + 0.25) == now * 10**9 + 250_000_000


def test_statuses():
    assert [status_failed(code) for code in (100, 200, 304, 399)] == [False] * 4
    assert [status_failed(code) for code in (0, 400, 424, 503)] == [True] * 4
    assert [status_failed(code) for code in (-1, 99, 1000, True, 200.0, "maybe", "")] == [None] * 7
    assert [status_failed(word) for word in ("200", "OK", "Failure", "timeout")] == [False, False, True, True]


def test_not_error_makes_a_success_of_an_error():
    text = line(error=-100.0, latency_ms=5) + b"\n"
    assert partial_of(FORMAT.read_lines(text, NATIVE, False).batch, ()).tallies[()].errors == 1
    lenient = reading(not_error=("-100",))
    assert partial_of(FORMAT.read_lines(text, lenient, False).batch, ()).tallies[()].errors == 0


def test_a_cut_last_line_is_a_truncated_tail_and_a_whole_one_is_good():
    cut = FORMAT.read_lines(line() + b"\n" + line()[:30], NATIVE, True)
    assert (cut.lines.profiled, cut.lines.rejected) == (1, {"truncated_tail": 1})
    assert FORMAT.read_lines(line() + b"\n" + line(), NATIVE, True).lines.profiled == 2


def test_unwanted_columns_are_not_even_looked_at():
    assert fate(line(prompt=7, quality=None, user_id=["x"])) == "profiled"
    assert fate(line(prompt=7), reading(by=("prompt",))) == "wrong_type"
    assert fate(line(user_id=12), reading(by=("user_id",))) == "profiled"


def test_what_is_claimed():
    def claimed(data, how=NATIVE, name="x.jsonl"):
        return FORMAT.claim(Head(data, name, True), how).claimed

    assert claimed(line())
    assert claimed(b"broken\n" + line())
    assert not claimed(b'{"duration": 3}\n')
    assert claimed(b'{"duration": 3}\n', reading(map=("latency_ms=duration:s",)))
    assert not claimed(b'{"other": 3}\n', reading(map=("latency_ms=duration:s",)))
    assert not claimed(b"just text\n")
    assert not claimed(b"\x00\x01\x02\n", name="x.bin")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("latency_ms=timing.total:s", Field(("timing", "total"), "s")),
        ("latency_ms=took_us", Field(("took_us",), "us")),
        ("latency_ms=endNano", Field(("endNano",), "ns")),
        ("latency_ms=took_ms:s", Field(("took_ms",), "s")),
        ("latency_ms=a\\.b:ms", Field(("a.b",), "ms")),
        ("timestamp=ts", Field(("ts",))),
        ("timestamp=ts:ms", Field(("ts",), "ms")),
        ("model=request.model", Field(("request", "model"))),
    ],
)
def test_a_mapping_says_path_and_unit(said, field):
    column = said.partition("=")[0]
    assert reading(map=(said,)).fields[column] == field


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": ["latency_ms=took"]}, "the unit of 'took' is not said"),
        ({"map": ["latency=took:s"]}, "did you mean 'latency_ms'"),
        ({"map": ["model=name:s"]}, "model is no time"),
        ({"map": ["latency_ms"]}, "is not COLUMN=SOURCE"),
        ({"map": ["latency_ms=a..b:s"]}, "has an empty part"),
        ({"map": ["provider=@filename:("]}, "is not a regular expression"),
        ({"map": ["latency_ms=@filename:x"]}, "latency_ms is no text"),
        ({"map": ["provider=@file:x"]}, "write @filename:REGEX"),
        ({"map": ["model=a", "model=b"]}, "given twice"),
        ({"map": ["model=a"], "const": ["model=b"]}, "given twice"),
        ({"const": ["latency_ms=5"]}, "cannot be the same for every request"),
        ({"const": ["streamed=maybe"]}, "takes true or false"),
        ({"by": ["modle"]}, "did you mean 'model'"),
        ({"by": ["latency_ms"]}, "nearly every request"),
        ({"require": ["regoin"]}, "did you mean 'region'"),
        ({"seen_from": "moon"}, "is no vantage"),
        ({"sampling": 0}, "outside"),
    ],
    ids=str,
)
def test_a_mistake_in_a_reading_says_how_to_mend_it(options, message):
    with pytest.raises(EdgeroiError, match=message.replace("(", r"\(")):
        reading(**options)


def test_a_files_name_says_a_column():
    how = reading(map=("provider=@filename:^([a-z]+)_",), const=("workload=chat",))
    assert how.for_file("logs/groq_70b.json").const == {"workload": "chat", "provider": "groq"}
    assert how.for_file("logs/70b.json").const == {"workload": "chat"}


def test_numbers_are_what_the_log_says():
    chunk = FORMAT.read_lines(line() + b"\n", NATIVE, False)
    assert chunk.batch.numbers["latency_ms"].tolist() == [812.5]
    assert chunk.batch.numbers["input_tokens"].tolist() == [300]
    assert chunk.batch.instants.tolist() == [1795341600250000000]
    assert np.isfinite(chunk.batch.numbers["cost_usd"]).all()
