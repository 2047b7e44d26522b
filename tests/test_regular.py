"""Lines of one shape, read a column at a time, say exactly what they say one by one, whatever is done to them.

Each test asks both readers, the part in C and numpy; they are compared with the reader of single lines, and so with each other.
"""

import json
import random

import numpy as np
import pytest

from edgeroi import compiled
from edgeroi.census import partial_of
from edgeroi.logs.jsonl import FORMAT, _learned, _paths, read_line
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Intake
from edgeroi.logs.regular import LineShape, _laid_out, _numbers, regular_columns

BY = ("workload", "placement", "status", "error", "streamed")

pytestmark = pytest.mark.usefixtures("way")


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


def assert_same(text, how=None):
    how = how or reading(by=BY)
    found, exact = FORMAT.read_lines(text, how, False), exactly(text, how)
    assert found.lines == exact.lines
    assert found.faults == exact.faults
    if exact.batch.n or found.batch is not None:
        assert partial_of(found.batch, how.by) == partial_of(exact.batch, how.by)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",", ": "), (", ", ":")])
def test_plain_logs_are_read_by_columns(separators):
    text = log(300, separators=separators)
    columns = by_columns(text, reading(by=BY))
    assert columns is not None
    assert columns.batch.n == 300
    assert_same(text)


def test_what_a_line_can_hide_is_not_read_by_columns(way):
    """One line of ten is not of the shape of the others: the part in C leaves that one out, numpy believes the columns of none."""
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
        good.split(b"\n")[0][:-1] + b"]",
        good.split(b"\n")[0][:-1],
        b"",
        b"not json",
    ]
    for line in odd:
        text = good + line + b"\n"
        columns = by_columns(text, reading(by=BY))
        if way == "numpy":
            assert columns is None, line
        else:
            assert (columns.batch.n, columns.odd.tolist()) == (9, [9]), line
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


_TOKENS = [
    b"null", b"true", b'""', b'":', b',"status":1', b"\n", b"\r\n", b"e5", b"E-3", b"1e99", b"-", b"-0", b"00", b"0.1234567890123456789",
    b"12345678901234567890", b"9007199254740993", b"\xc3\xa4", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\u0061", b"\\", b"\0\0\0\0",
    b"{}", b"[1]", b"NaN", b"2026-02-29T00:00:00Z", b"+24:00", b"+05:30",
]  # fmt: skip


def _mutated(text, rng):
    data = bytearray(text)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, how = rng.randrange(len(data)), rng.randrange(8)
        if how == 0:
            data[at] = rng.choice(_BYTES)
        elif how == 1:
            del data[at : at + rng.choice([1, 1, 2, 9, 60])]
        elif how == 2:
            data[at:at] = bytes([rng.choice(_BYTES)])
        elif how == 3:
            other, length = rng.randrange(len(data)), rng.choice([6, 20])
            data[at : at + length] = data[other : other + length]
        elif how == 4:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 5:
            _replace_a_value(data, at, rng.choice(_TOKENS))
        else:
            data[at:at] = rng.choice(_TOKENS)
    return bytes(data) + (b"" if data.endswith(b"\n") else b"\n")


def _replace_a_value(data, at, token):
    """Put a token in place of the first value that begins behind ``at``; nothing where none does."""
    begin = data.find(b'":', at) + 2
    ends = [end for end in (data.find(b",", begin), data.find(b"}", begin)) if end >= 0]
    if begin >= 2 and ends:
        data[begin : min(ends)] = token


@pytest.mark.parametrize("seed", range(6))
def test_mutations_are_read_as_line_by_line(seed):
    """1,200 texts of eight lines with a few bytes changed: all ways give the same requests, the same rejects, the same counts."""
    rng = random.Random(seed)
    texts = [log(8, seed=seed * 10 + n, separators=rng.choice([(",", ":"), (", ", ": ")])) for n in range(4)]
    for _ in range(200):
        assert_same(_mutated(rng.choice(texts), rng))


def test_mutations_of_long_pieces_leave_the_other_lines_alone():
    """One fault in 200 lines is not enough to give up the columns, so here they are what is compared."""
    rng = random.Random(77)
    text = log(200, seed=77)
    for _ in range(60):
        assert_same(_mutated(text, rng))


def test_lines_that_end_as_windows_ends_them():
    """What is quoted of a broken line, and what is said of it, may have the carriage return or not; what is counted may not differ."""
    rng, how = random.Random(8), reading(by=BY)
    text = log(12, seed=8).replace(b"\n", b"\r\n")
    assert_same(text)
    for _ in range(40):
        mutated = _mutated(text, rng)
        found, exact = FORMAT.read_lines(mutated, how, False), exactly(mutated, how)
        assert found.lines == exact.lines
        assert [(fault.line, fault.reason) for fault in found.faults] == [(fault.line, fault.reason) for fault in exact.faults]
        assert partial_of(found.batch, BY) == partial_of(exact.batch, BY)


def test_every_cut_of_a_text_is_read_as_line_by_line():
    """However few bytes are left, nothing behind them is read."""
    text = log(2, seed=9)
    for length in range(1, len(text)):
        assert_same(text[:length] + b"\n")


def test_what_has_to_be_told_is_missed():
    """Required columns: an identifier that is null, a time that is null, one that is not there at all."""
    how = reading(by=("workload",), require=("request_id", "timestamp", "region"))
    good = b'{"timestamp":"2026-11-22T10:00:00Z","request_id":"a","region":"eu","workload":"chat","latency_ms":1}\n'
    assert_same(good * 100, how)
    for old, new in ((b'"a"', b"null"), (b'"a"', b"7"), (b'"2026-11-22T10:00:00Z"', b"null"), (b'"eu"', b"null"), (b'"region":"eu",', b"")):
        assert_same(good * 100 + good.replace(old, new) + good, how)


def test_times_are_what_the_calendar_says():
    """Days at the ends of months, leap years, offsets, fractions of any length: against the reader of single lines."""
    days = ["1970-01-01", "1999-12-31", "2000-02-29", "2024-02-29", "2024-03-01", "2100-02-28", "2100-03-01", "2026-12-31", "2199-12-31"]
    bad = ["2100-02-29", "2026-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "1969-12-31", "2200-01-01", "9999-12-31"]
    ends = ["Z", "z", "+00:00", "-05:30", "+23:59", "", "+24:00", "+05:60", "+0530"]
    clocks = ["T00:00:00", "t23:59:59", " 12:30:15.5", "T01:02:03.123456789123", "T24:00:00", "T10:60:00", "T10:00:60", "T10:00:00."]
    texts = [day + clocks[0] + end for day in days + bad for end in ends]
    texts += [days[2] + clock + end for clock in clocks for end in ends]
    for text in texts:
        line = b'{"timestamp":"%s","latency_ms":1}\n' % text.encode()
        assert_same(b'{"timestamp":"2026-11-22T10:00:00Z","latency_ms":1}\n' + line, reading(by=()))


def _as_columns(tokens):
    """The numbers of the tokens, and which of them are not read as numbers by columns."""
    text = b"".join(b'{"latency_ms":' + token.encode() + b"}\n" for token in tokens)
    shape = LineShape((b"latency_ms",), 0, 0)
    if compiled.part is None:
        told, bad = _numbers(_laid_out(shape, text, len(tokens)), 0)
        return told, np.zeros(len(tokens), bool) if bad is None else bad
    told, odd = np.full(len(tokens), np.nan), np.zeros(len(tokens), bool)
    assert compiled.part.read_lines(text, shape.before, b"n", (told,), odd, len(tokens)) is not None
    return told, odd


def test_numbers_are_what_float_reads():
    rng = random.Random(5)
    tokens = [str(rng.randrange(10 ** rng.randrange(1, 9))) for _ in range(2000)]
    tokens += [f"{rng.uniform(0, 10 ** rng.randrange(0, 8)):.{rng.randrange(1, 8)}f}" for _ in range(6000)]
    tokens += ["0", "0.5", "0.00000001", "99999999", "99999999.9999999", "1.0", "10", "100000.5"]
    told, bad = _as_columns(tokens)
    assert not bad.any()
    assert told.tolist() == [float(token) for token in tokens]


def test_what_is_no_plain_number_is_odd_and_null_is_unknown():
    odd = ["01", "00", "00.5", "1.", ".5", "+1", "1_0", "0x10", "NaN", "nul", "nulll", "1.2.3", "1,5", "true", '"5"']
    odd += ["1 ", "1\x7f", "1e", "1e+", "1e100", "-", "--1", "1.e5", "1e5.0", "1" * 19, "0." + "1" * 40, "Infinity", "1.5.", "-01"]
    told, bad = _as_columns([*odd, "null", "7"])
    assert bad.tolist() == [True] * len(odd) + [False, False]
    assert np.isnan(told[-2])
    assert told[-1] == 7


def test_numbers_that_few_write_are_exact_or_odd(way):
    """Signs, exponents, sixteen digits and more: numpy leaves them to the exact way, the part in C reads what ``float`` reads."""
    rng = random.Random(6)
    tokens = [repr(rng.uniform(0, 10 ** rng.randrange(1, 9))) for _ in range(3000)]
    tokens += [repr(rng.lognormvariate(0, 30)) for _ in range(1000)]
    tokens += ["-1", "-0", "1e5", "1E5", "1.5e-07", "123456789.123456789", "9007199254740993", "999999999999999999", "0.1e-99", "5e-324"]
    told, bad = _as_columns(tokens)
    assert [value for value, is_odd in zip(told.tolist(), bad, strict=True) if not is_odd] == [
        float(token) for token, is_odd in zip(tokens, bad, strict=True) if not is_odd
    ]
    if way == "part in C":
        assert [token for token, is_odd in zip(tokens, bad, strict=True) if is_odd] == ["5e-324"]


@pytest.mark.parametrize("column", ["latency_ms", "output_tokens", "status", "seq"])
def test_a_number_that_is_no_double_is_out_of_range(column):
    """1e400 is syntax, and no number: also where nobody asked for the column."""
    lines = log(100, seed=11).split(b"\n")
    record = {**json.loads(lines[50]), column: 0}
    lines[50] = json.dumps(record, separators=(",", ":")).encode().replace(b'"%s":0' % column.encode(), b'"%s":1e400' % column.encode())
    assert FORMAT.read_lines(b"\n".join(lines), reading(by=BY), False).lines.rejected == {"out_of_range": 1}
    assert_same(b"\n".join(lines))


@pytest.mark.parametrize(("lines", "told"), [(1, None), (2, [None]), (3, None)])
def test_there_are_as_many_lines_as_were_said(way, lines, told):
    if way == "numpy":
        pytest.skip("numpy is not told how many")
    values = np.full(lines, np.nan)
    found = compiled.part.read_lines(b'{"a":1}\n{"a":2}\n', (b'{"a":',), b"n", (values,), np.zeros(lines, bool), 3)
    assert found == told
    assert told is None or values.tolist() == [1, 2]


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
