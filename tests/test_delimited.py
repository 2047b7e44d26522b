"""CSV: strict cells, quoting, and the account of every record by the physical line it starts on."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.engines.local import read_logs
from edgeroi.logs import delimited
from edgeroi.logs.delimited import FORMAT
from edgeroi.logs.format import Head, detect, formats
from edgeroi.logs.pieces import pieces
from edgeroi.logs.reading import reading
from edgeroi.logs.table import plain_cells, records_in

DATA = Path(__file__).parents[2] / "shared" / "data"


def profiled(tmp_path, text, **read):
    log = tmp_path / "log.csv"
    log.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_logs([log], reading(**read))


def cells(text, separator=",", width=None, last=True):
    return [record.cells if record.reason is None else record.reason for record in records_in(text, separator, width, last)]


@pytest.mark.parametrize(("cell", "ms"), [("812", 812), ("12.5", 12.5), ("1e2", 100), ("1.5E+1", 15), ("+7", 7), (".5", 0.5), ("0", 0)])
def test_plain_numbers(tmp_path, cell, ms):
    assert profiled(tmp_path, f"latency_ms,x\n{cell},1\n").total.latency.values_ms.tolist() == [ms]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [(" 812 ", "wrong_type"), ("1_000", "wrong_type"), ("0x10", "wrong_type"), ("nan", "wrong_type"), ("inf", "wrong_type"),
     ("NaN", "wrong_type"), ("1,5", "wrong_type"), ("812ms", "wrong_type"), ("true", "wrong_type"), ("1e400", "out_of_range"),
     ("-1", "out_of_range"), ("9" * 5000, "out_of_range"), ("", "null_required"), ("٣", "wrong_type"), ("N/A", "wrong_type")],
)  # fmt: skip
def test_nothing_else_is_a_latency(tmp_path, cell, reason):
    profile = profiled(tmp_path, f'latency_ms,x\n1,1\n"{cell}",1\n3,1\n')
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {reason: 1})
    assert (profile.rejects[0].line, profile.rejects[0].reason) == (3, reason)


@pytest.mark.parametrize(("cell", "reason"), [("12.7", "wrong_type"), ("-3", "out_of_range"), ("99999999999999999999", "out_of_range")])
def test_a_count_is_whole(tmp_path, cell, reason):
    assert profiled(tmp_path, f"latency_ms,output_tokens\n1,{cell}\n1,5\n").lines.rejected == {reason: 1}


def test_an_empty_cell_is_unknown_never_zero(tmp_path):
    profile = profiled(tmp_path, "latency_ms,output_tokens,workload,error\n1,,,\n2,4,chat,\n,,chat,429\n")
    assert (profile.total.requests, profile.total.errors) == (3, 1)
    assert (profile.total.sums["output_tokens"].total, profile.total.sums["output_tokens"].n) == (4, 1)
    assert {group.key["workload"]: group.tally.requests for group in profile.groups} == {None: 1, "chat": 2}


@pytest.mark.parametrize(("cell", "hits"), [("true", 1), ("False", 0), ("t", 1), ("1", 1), ("0", 0), ("", 0)])
def test_flags(tmp_path, cell, hits):
    assert profiled(tmp_path, f"latency_ms,cache_hit\n1,{cell}\n").lines.skipped.get("cache_hit", 0) == hits


def test_a_flag_that_is_none_is_rejected(tmp_path):
    assert profiled(tmp_path, "latency_ms,cache_hit\n1,yes\n2,true\n").lines.rejected == {"wrong_type": 1}


def test_an_error_number_is_one_number_however_it_is_written(tmp_path):
    text = "latency_ms,error\n5,-100\n5,-100.0\n5,429\n"
    assert profiled(tmp_path, text, not_error=["-100"]).total.errors == 1


def test_times_need_a_zone(tmp_path):
    text = "latency_ms,timestamp\n1,2026-11-01T10:00:00Z\n1,2026-11-01 10:00:00\n1,1793527200\n"
    profile = profiled(tmp_path, text)
    assert profile.lines.rejected == {"naive_timestamp": 1}
    assert profile.total.first_ns == profile.total.last_ns == 1_793_527_200 * 10**9


def test_ragged_records_are_rejected_and_cost_no_other(tmp_path):
    profile = profiled(tmp_path, "latency_ms,b,c\n1,x,y\n2,x\n3,x,y,z\n4,x,y\n5,x,y,\n")
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {"ragged": 3})
    assert [reject.line for reject in profile.rejects] == [3, 4, 6]


@pytest.mark.parametrize(
    ("line", "why"),
    [('2,"x', "never closed"), ('2,x"y', "inside a cell"), ('2,"x"y', "behind a quote"), ('"2,x', "at the start"), ('2,"', "alone")],
)
def test_a_quote_out_of_place_costs_one_line(tmp_path, line, why):
    good = "1,x\n"
    profile = profiled(tmp_path, "latency_ms,b\n" + good * 3 + line + "\n" + good * 3 + '4,"q"\n' + good)
    assert (profile.lines.profiled, profile.lines.rejected) == (8, {"bad_quote": 1}), why
    assert profile.rejects[0].line == 5
    assert profile.lines.balanced


def test_two_quotes_out_of_place_cost_their_two_lines_and_none_between(tmp_path):
    profile = profiled(tmp_path, 'latency_ms,b\n1,"x\n2,y\n3,z"w\n4,v\n5,"u\n6,t\n7,"s"\n')
    assert (profile.lines.profiled, profile.lines.rejected) == (4, {"bad_quote": 3})
    assert [reject.line for reject in profile.rejects] == [2, 4, 6]


def test_a_quoted_newline_is_legal_and_lines_below_keep_their_numbers(tmp_path):
    profile = profiled(tmp_path, 'latency_ms,b\n1,"two\nlines, and ""quotes"""\n\n2,x\nbad,x\n')
    assert (profile.lines.read, profile.lines.blank, profile.lines.profiled) == (5, 1, 2)  # header, 3 records, 1 blank
    assert (profile.rejects[0].line, profile.rejects[0].reason) == (6, "wrong_type")


def test_lines_keep_their_numbers_from_block_to_block(tmp_path):
    """Two-line records in the first megabyte, plain ones in the next, faults in each."""
    plain = [f"1,{'p' * 50}"] * 30_000
    lines = ["latency_ms,b", *['1,"two', 'lines"'] * 30, "bad,x", *plain, "worse,x", *plain, "1,x", "2,x,y"]
    text = "".join(line + "\n" for line in lines)
    assert len(text) > 2 << 20
    profile = profiled(tmp_path, text)
    assert [(reject.line, reject.reason) for reject in profile.rejects] == [
        (lines.index("bad,x") + 1, "wrong_type"),
        (lines.index("worse,x") + 1, "wrong_type"),
        (len(lines), "ragged"),
    ]
    assert (profile.lines.read, profile.lines.profiled) == (1 + 30 + 1 + 60_000 + 3, 30 + 60_000 + 1)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_newlines_and_a_byte_order_mark(tmp_path, separator, newline, mark):
    rows = [["latency_ms", "workload"], ["1.5", "a"], ["2.5", "b"]]
    profile = profiled(tmp_path, mark + newline.join(separator.join(row) for row in rows) + newline)
    assert (profile.lines.profiled, profile.lines.skipped) == (2, {"header": 1})
    assert {group.key["workload"] for group in profile.groups} == {"a", "b"}


def test_bytes_that_are_no_text(tmp_path):
    profile = profiled(tmp_path, b"latency_ms,b\n1,x\n2,\xff\n3,\0\n4,\xe9\n5,x\n")
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {"invalid_utf8": 2, "nul_byte": 1})


def test_one_column_and_a_header_alone(tmp_path):
    assert profiled(tmp_path, "latency_ms\n1\n2\n").lines.profiled == 2
    assert profiled(tmp_path, "latency_ms\n").lines.skipped == {"header": 1}
    assert profiled(tmp_path, "latency_ms").lines.balanced


def test_a_last_record_without_newline_is_good_or_cut(tmp_path):
    assert profiled(tmp_path, "latency_ms,b\n1,x\n2,y").lines.profiled == 2
    assert profiled(tmp_path, "latency_ms,b\n1,x\n2").lines.rejected == {"truncated_tail": 1}
    assert profiled(tmp_path, 'latency_ms,b\n1,x\n2,"y').lines.rejected == {"truncated_tail": 1}


def test_a_record_cut_by_a_damaged_stream_is_never_believed(tmp_path):
    """A cut 65.871 would read as 65."""
    text = "latency_ms,b\n" + "".join(f"{1000 + at},x\n" for at in range(5000))
    whole = gzip.compress(text.encode())
    log = tmp_path / "log.csv.gz"
    log.write_bytes(whole[: len(whole) // 2])
    profile = read_logs([log], reading())
    assert profile.files[0].damage
    assert profile.lines.rejected == {"stream_truncated": 1}
    n = profile.lines.profiled
    assert profile.total.latency.max_ms == 1000 + n - 1
    assert 0 < n < 5000


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), max_size=6)


@given(
    st.lists(st.lists(texts, min_size=3, max_size=3), max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.integers(1, 40),
)
def test_records_are_those_of_the_standard_library_wherever_the_text_is_cut(rows, separator, block):
    """Cut into blocks of any size, with open quotes carried over, the same records come out."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    text = out.getvalue().encode()
    stream, rest, found, lines = io.BytesIO(text), b"", [], 0
    for piece in pieces(stream.read, lambda seen: None, piece_bytes=block):
        records = list(records_in(rest + piece.data, separator, 3, False))
        used = sum(record.lines for record in records)
        rest = delimited._lines_after(rest + piece.data, used)
        lines += used
        found += [list(record.cells) for record in records]
    assert not rest
    assert found == rows
    assert lines == text.count(b"\n")


@given(st.lists(st.sampled_from(["1,x", '2,"y"', '3,"z', 'x"', "", '4,"a\nb"', "5", '"', '6,""']), max_size=12))
def test_every_line_belongs_to_one_record_whatever_is_wrong(lines):
    text = "".join(line + "\n" for line in lines).encode()
    records = list(records_in(text, ",", 2, True))
    assert sum(record.lines for record in records) == text.count(b"\n")
    assert [record.line for record in records] == [1 + sum(one.lines for one in records[:at]) for at in range(len(records))]


@given(st.lists(st.text('ab,;\t \r"\0\ufeff\x85é', max_size=6), max_size=5), st.sampled_from([",", ";", "\t"]), st.integers(1, 3))
def test_plain_lines_are_read_as_the_exact_way_reads_them(lines, separator, width):
    text = "".join(line + "\n" for line in lines).encode()
    plain = plain_cells(text, separator, width)
    assert plain is None or plain == cells(text, separator, width)


def test_quoted_text_is_unquoted():
    assert cells(b'"a ""b"" c",",","\n",\n') == [('a "b" c', ",", "\n", "")]
    assert cells(b"a;b\n", ";") == [("a", "b")]


def test_a_mapped_column_is_found_by_its_whole_name(tmp_path):
    profile = profiled(tmp_path, "timing.total,kind\n0.5,a\n", map=["latency_ms=timing.total:s", "workload=kind"])
    assert (profile.total.latency.max_ms, profile.groups[0].key["workload"]) == (500.0, "a")
    assert profile.files[0].unit == "timing.total, s"


def test_the_header_decides_and_says_what_it_lacks(tmp_path):
    def claim(text, **read):
        return FORMAT.claim(Head(text.encode(), "x.csv", True), reading(**read))

    assert claim("latency_ms,b\n").claimed
    assert "did you mean 'Total'" in claim("Lookup,Total\n", map=["latency_ms=Totl:s"]).why
    assert not claim("latency,b\n1,2\n").claimed
    assert not claim("latency_ms,a,a,latency_ms\n").claimed
    assert not claim('{"latency_ms": 1, "b": 2}\n').claimed
    assert "without region_name" in claim("latency_ms,b\n", map=["region=region_name"]).why
    assert detect(Head(b"latency_ms,b\n1,2\n", "x.csv", True), reading()).format is formats()["csv"]


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_the_edge_functions_measurements():
    profile = read_logs([DATA / "edge-functions-curl" / "cloudflare-workers" / "combined.csv"], reading(map=["latency_ms=Total:s"]))
    assert (profile.lines.read, profile.lines.profiled, profile.lines.skipped) == (501, 500, {"header": 1})
    assert profile.total.latency.quantile(0.5) == pytest.approx(65.9, abs=0.1)
    assert profile.total.latency.quantile(0.99) == pytest.approx(164.5, abs=0.1)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_every_measured_file_agrees_with_the_standard_library():
    for path in sorted((DATA / "edge-functions-curl").glob("*/*.csv")):
        with path.open() as file:
            told = sorted(float(row["Total"]) * 1e3 for row in csv.DictReader(file))
        total = read_logs([path], reading(map=["latency_ms=Total:s"])).total
        assert total.latency.n == len(told)
        assert total.latency.quantile(0.5) == pytest.approx(told[-(-len(told) // 2) - 1], rel=1e-3)
