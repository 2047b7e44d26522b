"""Lines of one shape, read a column at a time, say exactly what they say one by one, whatever is done to them."""

import json
import random

import numpy as np
import pytest

from edgeroi.census import partial_of
from edgeroi.logs.jsonl import FORMAT, _learned, _paths, read_line
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Intake
from edgeroi.logs.regular import LineShape, _laid_out, _numbers, regular_columns

BY = ("workload", "placement", "status", "error", "streamed")


def record(number, rng):
    return {
        "timestamp": f"2026-11-22T10:{number // 60 % 60:02d}:{number % 60:02d}.{rng.randrange(1000):03d}Z",
        "request_id": f"r-{rng.randrange(10**9):09d}",
        "workload": rng.choice(["chat", "search-embeddings", "moderation"]),
        "placement": rng.choice(["edge", "cloud", None]),
        "status": rng.choice([200, 200, 200, 503]),
        "error": rng.choice([None, None, "timeout"]),
        "streamed": rng.choice([True, False]),
        "latency_ms": rng.choice([rng.randrange(5000), round(rng.uniform(0, 9000), 3), 0.5, 12345678.25]),
        "ttft_ms": rng.choice([None, round(rng.uniform(0, 900), 2)]),
        "input_tokens": rng.randrange(4000),
        "output_tokens": rng.choice([0, rng.randrange(900)]),
        "seq": rng.choice([number, True, None, 2.5]),
    }


def log(lines, seed=1, separators=(",", ":")):
    rng = random.Random(seed)
    return b"".join(json.dumps(record(n, rng), separators=separators).encode() + b"\n" for n in range(lines))


def by_columns(text, how):
    shape = LineShape.of(text[: text.index(b"\n")])
    return regular_columns(text, text.count(b"\n"), shape, how, _paths(how)) if shape else None


def exactly(text, how):
    intake = Intake(how)
    lines = text.split(b"\n")
    lines.pop()
    for number, line in enumerate(lines, 1):
        read_line(intake, number, line)
    return intake.chunk(len(lines))


def assert_same(text):
    how = reading(by=BY)
    found, exact = FORMAT.read_lines(text, how, False), exactly(text, how)
    assert found.lines == exact.lines
    assert found.faults == exact.faults
    if exact.batch.n or found.batch is not None:
        assert partial_of(found.batch, BY) == partial_of(exact.batch, BY)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",", ": "), (", ", ":")])
def test_plain_logs_are_read_by_columns(separators):
    text = log(300, separators=separators)
    columns = by_columns(text, reading(by=BY))
    assert columns is not None
    assert columns.batch.n == 300
    assert_same(text)


def test_what_a_line_can_hide_is_not_read_by_columns():
    """One line of ten is not of the shape of the others: nobody believes the columns of any."""
    good = log(9, seed=2)
    odd = [
        b'{"timestamp":"2026-11-22T10:00:00Z"}',
        good.split(b"\n")[0]
        .replace(b'"chat"', b'"ch\\u0061t"')
        .replace(b'"moderation"', b'"m\\u006fderation"')
        .replace(b"search", b"s\\u0065arch"),
        good.split(b"\n")[0].replace(b'"status"', b'"placement":"edge","status"'),  # a key twice
        good.split(b"\n")[0].replace(b'"input_tokens"', b'"input_tokens" '),  # white space before a colon
        good.split(b"\n")[0][:-1] + b', "more":1}',
        b"",
        b"not json",
    ]
    for line in odd:
        text = good + line + b"\n"
        assert by_columns(text, reading(by=BY)) is None, line
        assert_same(text)


def test_two_faults_that_make_up_for_each_other_are_both_seen():
    """A quote too many in one line and one too few in another leave the number of quotes as it was."""
    lines = log(6, seed=3).split(b"\n")
    more = lines[1].replace(b'"request_id":"r-', b'"request_id":"r"-')
    fewer = lines[2].replace(b'"request_id":"r-', b'"request_id":r-')
    assert_same(b"\n".join([lines[0], more, fewer, *lines[3:]]))
    twice = lines[1].replace(b'"seq":', b'"ttft_ms":1,"seq":')  # a key more here, a key fewer there
    without = lines[2].replace(b'"output_tokens":', b'"output_tokens "')
    assert_same(b"\n".join([lines[0], twice, without, *lines[3:]]))


_BYTES = b'"{}[],:\\ \t\r0123456789.-+eEnulltruefalseZT\x00\x1f\x7f\x80\xff\xc3'


def _mutated(text, rng):
    data = bytearray(text)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, how = rng.randrange(len(data)), rng.randrange(5)
        if how == 0:
            data[at] = rng.choice(_BYTES)
        elif how == 1:
            del data[at : at + rng.choice([1, 1, 2, 9])]
        elif how == 2:
            data[at:at] = bytes([rng.choice(_BYTES)])
        elif how == 3:
            other = rng.randrange(len(data))
            data[at : at + 6] = data[other : other + 6]
        else:
            data[at:at] = rng.choice([b"null", b'""', b'":', b',"status":1', b"\n", b"e5", b"00", b"\xc3\xa4"])
    return bytes(data) + (b"" if data.endswith(b"\n") else b"\n")


@pytest.mark.parametrize("seed", range(6))
def test_mutations_are_read_as_line_by_line(seed):
    """2,400 texts of eight lines with a few bytes changed: both ways give the same requests, the same rejects, the same counts."""
    rng = random.Random(seed)
    texts = [log(8, seed=seed * 10 + n, separators=rng.choice([(",", ":"), (", ", ": ")])) for n in range(4)]
    for _ in range(400):
        assert_same(_mutated(rng.choice(texts), rng))


def _as_columns(tokens):
    text = b"".join(b'{"latency_ms":' + token.encode() + b"}\n" for token in tokens)
    layout = _laid_out(LineShape((b"latency_ms",), 0, 0), text, len(tokens))
    told, bad = _numbers(layout, 0)
    return told, np.zeros(len(tokens), bool) if bad is None else bad


def test_numbers_are_what_float_reads():
    rng = random.Random(5)
    tokens = [str(rng.randrange(10 ** rng.randrange(1, 9))) for _ in range(2000)]
    tokens += [f"{rng.uniform(0, 10 ** rng.randrange(0, 8)):.{rng.randrange(1, 8)}f}" for _ in range(6000)]
    tokens += ["0", "0.5", "0.00000001", "99999999", "99999999.9999999", "1.0", "10", "100000.5"]
    told, bad = _as_columns(tokens)
    assert not bad.any()
    assert told.tolist() == [float(token) for token in tokens]


def test_what_is_no_plain_number_is_odd_and_null_is_unknown():
    odd = ["01", "00", "00.5", "1.", ".5", "-1", "+1", "1e5", "1E5", "1_0", "0x10", "NaN", "nul", "nulll", "1.2.3", "1,5", "true", '"5"']
    odd += ["123456789", "1.123456789", "12345678.12345678", "1 ", "1\x7f"]
    told, bad = _as_columns([*odd, "null", "7"])
    assert bad.tolist() == [True] * len(odd) + [False, False]
    assert np.isnan(told[-2])
    assert told[-1] == 7


def test_a_word_with_many_values_is_somebody_elses():
    """Grouping by something nearly unique is looked up record by record, not compared a hundred times."""
    text = b"".join(b'{"model":"m-%03d","latency_ms":1}\n' % (n % 100) for n in range(200))
    how = reading(by=("model",))
    assert by_columns(text, how) is None
    assert FORMAT.read_lines(text, how, False).lines.profiled == 200


def test_days_turn_within_a_piece():
    text = b"".join(b'{"timestamp":"2026-11-%02dT23:59:59Z","latency_ms":1}\n' % (n % 28 + 1) for n in range(56))
    columns = by_columns(text, reading(by=()))
    assert columns is not None
    assert len(set(columns.batch.instants.tolist())) == 28
    assert_same(text)


def test_a_file_that_is_never_regular_is_not_tried_for_ever():
    how = reading(by=())
    odd = b'{"latency_ms":1,"a":{"b":1}}\n{"latency_ms":1}\n'
    for _ in range(20):
        FORMAT.read_lines(odd, how, False)
    assert _learned(how).regular(log(5), 5) is None
