"""How reports read, and that nothing in a log can act on a terminal, a spreadsheet or a page."""

from __future__ import annotations

import csv as csv_reader
import html
import io
import json
import math
import pkgutil
import re
from decimal import Decimal

import pytest

import edgeroi.renderers
from edgeroi.cli.options import ReportFormat
from edgeroi.cli.pull_request import CheckFormat
from edgeroi.renderers import Page, renderer
from edgeroi.renderers._plain import (
    drawn,
    ms_words,
    number_words,
    ratio_words,
    safe_text,
    said,
    said_interval,
    usd_signed_words,
    usd_words,
)
from edgeroi.renderers.json import write
from edgeroi.report import Cell, Column, Node, Report, Row, Table, Text, Tree, count, mark, ms, ratio, text, usd, usd_signed

RENDERERS = sorted(module.name for module in pkgutil.iter_modules(edgeroi.renderers.__path__) if not module.name.startswith("_"))

#: What a stranger may put into a log.
PAYLOADS = {
    "clear": "\x1b[2Jgone",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "c1": "\x9b31mred\x9d0;t\x9c",
    "controls": "a\x00b\x08c\x0bd\x0ce\rf\x7f",
    "bidi": "user\u202egnp.exe\u2066\u2069\u200f",
    "invisible": "ad\u200bmin\u00ad\ufeff\u2060\U000e0041",
    "markup": "gpt[/]4 [link=http://evil.example]x[/link] [bold red]:skull:",
    "formula": "=cmd|' /C calc'!A0",
    "lines": "one\ntwo\r\nthree\tfour\u2028five\u0085six",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markdown": "![x](http://evil.example/p.png) [y](javascript:z) `a` | b | @everyone #1 www.evil.example https://evil.example",
    "surrogate": "half \ud83d of it",
}
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]")


def hostile(payload: str) -> Report:
    """A report with the payload wherever text can stand."""
    columns = (Column("name", payload), Column("p50", "p50", "ms", interval=True), Column("verdict", "verdict", "mark"))
    rows = (Row((text(payload), ms(812.0, 700.0, 900.0), mark(payload, "bad")), detail=payload),)
    sections = (
        Text((payload,), title=payload),
        Table(columns, rows, title=payload, caption=(payload,), name=payload),
        Tree(Node(payload, payload, (Node(payload), Node(payload, children=(Node(payload),)))), title=payload),
    )
    return Report("profile", {"notes": [payload], payload: payload}, sections, (payload,))


def test_there_is_a_renderer_for_every_format_and_the_other_way_round() -> None:
    everywhere, at_the_gate = ({form.value for form in forms} for forms in (ReportFormat, CheckFormat))
    assert sorted(everywhere | at_the_gate) == RENDERERS


# --- hostile text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [Page(), Page(width=60), Page(unicode=False)], ids=["pipe", "narrow", "ascii"])
@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_nothing_from_a_log_reaches_the_reader_unescaped(name: str, payload: str, page: Page) -> None:
    written = renderer(name).render(hostile(payload), page)
    assert not FORBIDDEN.findall(written)
    written.encode()


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_with_colour_every_escape_is_ours(payload: str) -> None:
    written = renderer("table").render(hostile(payload), Page(colour="standard"))
    ours = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert "\x1b[" in written
    assert not FORBIDDEN.findall(ours)
    assert ours == renderer("table").render(hostile(payload), Page())


def test_markup_and_emoji_codes_are_printed_as_they_stand() -> None:
    written = renderer("table").render(hostile(PAYLOADS["markup"]), Page())
    assert PAYLOADS["markup"] in written


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_row_stays_one_row(payload: str) -> None:
    lines = renderer("markdown").render(hostile(payload), Page()).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    table = csv_reader.reader(io.StringIO(renderer("csv").render(hostile(payload), Page())))
    assert [len(record) for record in table] == [6, 6]


def test_markdown_makes_no_link_no_picture_no_mention_and_no_element() -> None:
    for payload in (PAYLOADS["markdown"], PAYLOADS["html"]):
        written = renderer("markdown").render(hostile(payload), Page())
        assert not re.search(r"(?<!\\)[\[\]`]", written)
        assert not re.search(r"<(?!br>)", written)
        assert not re.search(r"@\w|(?<!&)#\d|www\.|https?://", written)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "|", "%", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\u3000="])
def test_a_formula_is_text_in_a_spreadsheet(start: str) -> None:
    table = Table((Column("a", "A"), Column("b", "B", "usd_signed")), (Row((text(f"{start}1+1"), usd_signed(-0.5))),))
    written = renderer("csv").render(Report("x", {}, (table,)), Page())
    (_, record) = csv_reader.reader(io.StringIO(written))
    assert record[0].startswith("'")
    assert record[1] == "-0.5", "a negative number is a number"


def test_safe_text_shows_what_it_takes_away_and_leaves_other_scripts_alone() -> None:
    assert safe_text("\x1b[2J\x9b\u202e\u200b") == r"\x1b[2J\x9b\u{202e}\u{200b}"
    assert safe_text("模型 Größe ñ – €") == "模型 Größe ñ – €"


# --- words per kind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (65.9, "65.9"),
        (164.5, "164.5"),
        (4480.2, "4,480"),
        (999.96, "1,000"),
        (9.996, "10.0"),
        (1.234, "1.23"),
        (0.0424, "0.042"),
        (0.0, "0.00"),
    ],
)
def test_durations(value: float, words: str) -> None:
    assert ms_words(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(324.4, "324"), (1234567, "1,234,567"),
     (99.994, "99.99"), (99.996, "100"), (3.2, "3.20"), (0.01, "0.01"), (0.001234, "0.00123"), (0, "0.00"),
     (1.33e-6, "1.33e-06"), (Decimal("41666.67"), "41,667"), (-0.05, "-0.05"),
     (0.011, "0.011"), (0.06, "0.06"), (0.5, "0.50"), (0.144, "0.144"), (0.9996, "1.00"), (0.0999999, "0.10")],
)  # fmt: skip
def test_money(value: float | Decimal, words: str) -> None:
    assert usd_words(value) == words


@pytest.mark.parametrize(("value", "words"), [(324, "+324"), (-360.2, "-360"), (0, "0.00"), (0.0042, "+0.0042")])
def test_money_with_its_direction(value: float, words: str) -> None:
    assert usd_signed_words(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.0412, "4.12 %"), (0.0, "0 %"), (1.0, "100 %"), (1e-6, "<0.01 %"), (-1e-6, ">-0.01 %"), (12.0, "1,200 %")]
)
def test_shares(value: float, words: str) -> None:
    assert ratio_words(value) == words


@pytest.mark.parametrize(("value", "words"), [(0, "0"), (1234.5, "1,234"), (0.123456, "0.1235")])
def test_numbers(value: float, words: str) -> None:
    assert number_words(value) == words


@pytest.mark.parametrize("name", [form.value for form in ReportFormat])
def test_unknown_is_never_0(name: str) -> None:
    columns = (Column("a", "A", "ms"), Column("b", "B", "usd"), Column("c", "C", "count"), Column("d", "D", "ratio"))
    report = Report("x", {"a": None}, (Table(columns, (Row((ms(None), usd(None), count(None), ratio(None))),)),))
    written = renderer(name).render(report, Page())
    assert "0" not in (re.findall("<tbody>.*?</tbody>", written)[0] if name == "html" else written)


def test_a_value_its_sample_does_not_support_is_marked() -> None:
    cell = ms(173.0, 114.6, None, estimable=False)
    assert said(cell) == "173.0?"
    assert said_interval(cell) == "114.6..-"


def test_a_judgement_has_a_sign_as_well_as_a_colour() -> None:
    assert [said(mark("X", tone)) for tone in ("good", "bad", "doubt", "plain")] == ["+ X", "x X", "? X", "X"]


@pytest.mark.parametrize(
    ("counts", "blocks", "letters"),
    [((0, 1, 50, 100), " ▁▄█", " .=@"), ((0, 0), "  ", "  "), ((7,), "█", "@"), ((1, 10**9), "▁█", ".@")],
)
def test_a_distribution_is_drawn_to_scale_and_no_bin_that_holds_anything_looks_empty(
    counts: tuple[int, ...], blocks: str, letters: str
) -> None:
    assert drawn(counts) == blocks
    assert drawn(counts, unicode=False) == letters


# --- tables ----------------------------------------------------------------------------------------------------------------


def wide_table(n: int = 30) -> Report:
    columns = (Column("name", "name"), *(Column(f"c{i}", f"column {i}", "ms", rank=i) for i in range(n)))
    return Report("x", {}, (Table(columns, (Row((text("row"), *(ms(1000.0 + i) for i in range(n)))),)),))


def test_a_table_in_a_pipe_is_never_cut() -> None:
    written = renderer("table").render(wide_table(), Page())
    assert max(map(len, written.splitlines())) > 300
    assert all(f"column {i}" in written and f"{1000 + i:,}" in written for i in range(30))
    assert "…" not in written


def test_a_narrow_page_leaves_out_whole_columns_of_the_highest_rank_and_says_so() -> None:
    written = renderer("table").render(wide_table(), Page(width=60))
    header, _, row, note = written.splitlines()[:4]
    assert max(len(header), len(row)) <= 60
    assert "column 0" in header
    assert "column 29" not in header
    assert note.startswith("left out for width:")
    assert "column 29" in note


def test_a_column_without_a_title_is_not_named_among_those_left_out() -> None:
    columns = (Column("a", "A", "count"), Column("mark", "", rank=2), Column("long", "long", rank=1), Column("n", "n", "count"))
    rows = (Row((count(1), text("better"), text("x" * 80), count(2))),)
    note = renderer("table").render(Report("x", {}, (Table(columns, rows),)), Page(width=20)).splitlines()[-1]
    assert note.startswith("left out for width: long (")


def test_words_in_the_last_column_are_wrapped_rather_than_lost() -> None:
    columns = (Column("a", "A", "count"), Column("why", "why"))
    table = Table(columns, (Row((count(1), text("saves more than 122 ms, or an hour of waiting is worth more than 23 dollars"))),))
    lines = renderer("table").render(Report("x", {}, (table,)), Page(width=40)).splitlines()
    assert max(map(len, lines)) <= 40
    assert "dollars" in lines[-1]


def test_a_long_verdict_is_wrapped_and_its_neighbours_stay_in_line() -> None:
    columns = (Column("verdict", "verdict", "mark"), Column("n", "premium", "usd_signed"), Column("why", "flips if"))
    said = "REQUIRED: cloud misses p95 < 800 ms, edge meets it"
    table = Table(columns, (Row((mark(said, "good"), usd_signed(53.37), text("edge slower by 88 ms"))),))
    lines = renderer("table").render(Report("x", {}, (table,)), Page(width=70)).splitlines()
    assert max(map(len, lines)) <= 70
    assert {line.find("+53.37") for line in lines} - {-1} == {lines[0].find("premium") + 1}  # right-aligned below its title
    assert " ".join(line[: lines[0].find("premium")].strip() for line in lines[2:]) == f"+ {said}"
    wide = renderer("table").render(Report("x", {}, (table,)), Page(width=120)).splitlines()
    assert f"+ {said}" in wide[2]


def test_the_range_of_money_stands_beside_it_and_that_of_a_duration_below_it() -> None:
    columns = (Column("net", "net (low..high)", "usd_signed"), Column("p99", "p99 ms", "ms"))
    table = Table(columns, (Row((usd_signed(-360, -389, -252), ms(812, 700, 900))),))
    lines = renderer("table").render(Report("x", {}, (table,)), Page()).splitlines()
    assert lines[2:] == ["-360 (-389..-252)         812.0", "                   700.0..900.0"]


def test_columns_line_up() -> None:
    columns = (Column("a", "A"), Column("b", "B", "ms"))
    table = Table(columns, (Row((text("模型"), ms(1.0))), Row((text("long name"), ms(12345.0)))))
    lines = renderer("table").render(Report("x", {}, (table,)), Page()).splitlines()
    assert lines == ["A               B", "─────────────────", "模型         1.00", "long name  12,345"]


def test_a_decision_path_shows_its_branches() -> None:
    tree = Tree(Node("enough data?", "n = 400", (Node("yes", children=(Node("may it leave?"),)), Node("no"))))
    written = renderer("table").render(Report("x", {}, (tree,)), Page())
    assert written.splitlines() == ["enough data?  n = 400", "├─ yes", "│  └─ may it leave?", "└─ no"]


@pytest.mark.parametrize("name", RENDERERS)
def test_the_same_report_is_the_same_bytes(name: str) -> None:
    assert renderer(name).render(hostile("a"), Page()) == renderer(name).render(hostile("a"), Page())


# --- json ------------------------------------------------------------------------------------------------------------------


def test_decimals_are_exact_numbers_and_floats_come_back_the_same() -> None:
    values = {
        "exact": Decimal("0.10"),
        "long": Decimal("12345678901234567890.123456789"),
        "tiny": Decimal("1E-30"),
        "float": 0.1 + 0.2,
        "int": 2**70,
    }
    back = json.loads(write(values), parse_float=Decimal)
    assert back == {**values, "float": Decimal("0.30000000000000004")}
    assert json.loads(write(values))["float"] == 0.1 + 0.2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity")])
def test_there_is_no_nan_in_json(value: float | Decimal) -> None:
    with pytest.raises(ValueError, match="is no JSON number"):
        write({"a": [value]})


def test_keys_are_sorted_and_empty_things_stay_what_they_are() -> None:
    assert write({"b": [], "a": {}, "c": (1, None, True)}) == '{\n  "a": {},\n  "b": [],\n  "c": [\n    1,\n    null,\n    true\n  ]\n}\n'


# --- csv -------------------------------------------------------------------------------------------------------------------


def test_csv_holds_numbers_unrounded_with_their_intervals_in_columns_of_their_own() -> None:
    columns = (Column("name", "Name"), Column("p99", "p99 ms", "ms", interval=True), Column("shape", "shape", "distribution"))
    table = Table(columns, (Row((text("a,b"), ms(173.0123456789, 114.6, None, estimable=False), Cell((1, 0, 2), "distribution"))),))
    written = renderer("csv").render(Report("x", {}, (table,)), Page())
    assert written == 'name,p99,p99_low,p99_high,p99_estimable,shape\n"a,b",173.0123456789,114.6,,false,1 0 2\n'


def test_markdown_shows_the_words_that_were_meant() -> None:
    written = renderer("markdown").render(hostile("1. a_b *c* <d> & $5 > $4"), Page())
    shown = html.unescape(re.sub(r"\\([\\`*_\[\]|~{}.])", r"\1", written)).replace("\u200b", "")
    assert shown.count("1. a_b *c* <d> & $5 > $4") == 14
