"""The page: a file by itself, whose numbers are the tool's, whatever stands in a log."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import OPTIONS, TODAY, TRAFFIC, decision, judged
from scipy import stats as scipy_stats

from edgeroi.cli.output import write_report
from edgeroi.distributions import BINS, SHARES, Ranked, cdf, histogram
from edgeroi.draws import Chance
from edgeroi.errors import EdgeroiError
from edgeroi.histogram import LatencyHistogram
from edgeroi.judging import judge_files
from edgeroi.latency import Latency
from edgeroi.renderers import Page, renderer
from edgeroi.renderers.html import asset
from edgeroi.report import Report, WhatIf
from edgeroi.verdict_figures import drawn_sections
from edgeroi.verdict_report import verdict_report
from edgeroi.what_if import packed, slider

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"
ASSETS = ROOT / "edgeroi" / "renderers" / "page"
PLAIN = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n    value: {{waiting: 15 USD/h, why: w, by: b}}\n"


def drawn(*paths: Path, gate: bool = False) -> Report:
    return verdict_report(judged(*paths, gate=gate), drawn=drawn_sections)


def page_of(report: Report) -> str:
    return renderer("html").render(report, Page())


class Elements(HTMLParser):
    """Every element with its attributes, and the text of each script and style."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag in self.inline:
            self.inline[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.seen and self.seen[-1][0] in self.inline and self.rawdata:
            self.inline[self.seen[-1][0]][-1] += data if self.cdata_elem else ""


# ---- the file -----------------------------------------------------------------------------------------------------------------


def test_the_page_holds_the_document_of_the_same_report() -> None:
    report = drawn(SCENARIOS / "chatbot-70b.yaml")
    held = re.search('<script type="application/json" id="document">(.*?)</script>', page_of(report), re.DOTALL)
    assert held is not None
    assert json.loads(held[1]) == json.loads(renderer("json").render(report, Page()))


def test_the_same_report_is_the_same_bytes() -> None:
    path = SCENARIOS / "inline-completion.yaml"
    assert page_of(drawn(path)) == page_of(drawn(path))


def test_the_policy_names_what_runs_by_its_digest_and_lets_nothing_else_happen() -> None:
    elements = Elements(page_of(drawn(SCENARIOS / "moderation.yaml")))
    allowed = next(attrs["content"] for tag, attrs in elements.seen if attrs.get("http-equiv") == "Content-Security-Policy")
    assert allowed is not None
    rules = dict(rule.split(" ", 1) for rule in allowed.split("; "))
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    scripts = [text for text in elements.inline["script"] if not text.lstrip().startswith(("{", "["))]
    for kind, texts in (("script-src", scripts), ("style-src", elements.inline["style"])):
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert rules[kind].split() == [f"'sha256-{digest}'" for digest in digests]
    assert len(scripts) == 2


def test_nothing_is_fetched_and_no_style_or_handler_stands_in_the_markup() -> None:
    for tag, attrs in Elements(page_of(drawn(SCENARIOS / "embedding-measured.yaml"))).seen:
        assert not {"src", "style", "srcset", "action"} & set(attrs), (tag, attrs)
        assert not [name for name in attrs if name.startswith("on")]
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert (attrs.get("href") or "#").startswith("#")
    for name in ("page.html", "page.css", "page.js"):
        assert re.findall(r"(?:https?:)?//[\w.]+\.\w+", asset(name)) in ([], ["http://www.w3.org"])


def test_the_library_is_the_one_whose_sum_is_written_down() -> None:
    told = re.search(r"[0-9a-f]{64}", (ASSETS / "README.md").read_text())
    assert told is not None
    assert hashlib.sha256((ASSETS / "echarts.min.js").read_bytes()).hexdigest() == told[0]


def test_a_page_is_small() -> None:
    assert len(page_of(drawn(SCENARIOS / "chatbot-70b.yaml")).encode()) < 1_200_000


def test_the_answers_come_first_and_the_gate_before_them() -> None:
    report = drawn(SCENARIOS / "chatbot-70b.yaml", SCENARIOS / "moderation.yaml", gate=True)
    names = [getattr(section, "name", type(section).__name__) for section in report.sections]
    assert names[0] == "Text"
    assert names.index("cdf") > max(place for place, name in enumerate(names) if name == "verdicts")
    written = page_of(report)
    assert written.index("gate: FAIL") < written.index('class="card') < written.index("data-what-if")


def test_text_formats_leave_pictures_out() -> None:
    report = drawn(SCENARIOS / "chatbot-70b.yaml")
    for name in ("table", "markdown", "csv"):
        assert "what if" not in renderer(name).render(report, Page())
    assert any(isinstance(section, WhatIf) for section in report.sections)


def test_a_page_is_not_poured_into_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(EdgeroiError, match="for a browser") as refused:
        write_report(Report("x", {}), "html")
    assert refused.value.fix == "add --output page.html"


# ---- distributions ------------------------------------------------------------------------------------------------------------


def sample(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.round(np.random.default_rng(7).lognormal(5, 0.5, n), 3)


def test_the_curve_is_the_nearest_rank_quantile_with_its_order_statistics() -> None:
    """Of n = 500: rank ceil(p n); the ends are the ranks the binomial gives, by scipy."""
    values = np.sort(sample(500))
    figure = cdf([Ranked("one", Latency.of(LatencyHistogram.from_ms(values), 0.0))], "t")
    assert figure is not None
    (curve,) = figure.curves
    assert curve.across
    for p, x, low, high in zip(SHARES, curve.x, curve.low, curve.high, strict=True):
        assert x == pytest.approx(values[math.ceil(round(p * 500, 9)) - 1], rel=1e-3)
        first, last = int(scipy_stats.binom.ppf(0.025, 500, p)), int(scipy_stats.binom.ppf(0.975, 500, p)) + 1
        for end, rank in ((low, first), (high, last)):
            if 1 <= rank <= 500 and not math.isnan(end):
                assert end == pytest.approx(values[rank - 1], rel=0.02)
    assert math.isnan(curve.high[-1])  # p99.9 takes more than 500


def test_the_histogram_counts_every_success_once() -> None:
    values = sample(2000)
    figure = histogram([Ranked("one", Latency.of(LatencyHistogram.from_ms(values), 0.0))], "t")
    assert figure is not None
    (curve,) = figure.curves
    assert sum(curve.y[:BINS]) == pytest.approx(1)
    inside = [np.count_nonzero((values >= low) & (values < high)) for low, high in zip(curve.x[1:-2], curve.x[2:-1], strict=True)]
    assert [2000 * share for share in curve.y[1 : BINS - 1]] == pytest.approx(inside, abs=2.5)  # a bucket at an edge is 0.1 % wide
    k = int(np.argmax(curve.y))
    expected = scipy_stats.binomtest(round(2000 * curve.y[k]), 2000).proportion_ci(method="wilson")
    assert (curve.low[k], curve.high[k]) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_what_is_one_latency_has_no_histogram() -> None:
    constant = [Ranked("one", Latency.constant(50.0))]
    assert histogram(constant, "t") is None
    assert cdf(constant, "t") is not None
    assert cdf([], "t") is None


# ---- what may be moved --------------------------------------------------------------------------------------------------------


def test_a_slider_has_its_start_and_its_break_even_among_its_positions() -> None:
    made = slider("x", "x", "usd", "USD", [0.0, 1.0, 2.34567, 3.0], 1.0000000001, 2.5)
    assert made.positions == (0.0, 1.0000000001, 2.35, 2.5, 3.0)
    assert (made.start, made.turn) == (1, 3)
    assert slider("x", "x", "usd", "USD", [0.0, 1.0], 0.5, None).turn is None


def test_many_numbers_are_packed_and_one_is_one() -> None:
    assert packed(3) == 3.0
    many = np.array([0.5, -2.0, 8.0])
    assert np.frombuffer(base64.b64decode(str(packed(many))), "<f4").tolist() == [0.5, -2.0, 8.0]
    assert np.frombuffer(base64.b64decode(str(packed(many, 2))), "<f4").tolist() == [0.5, 8.0]


def test_a_page_holds_no_more_worlds_than_it_needs() -> None:
    """25,000 are drawn, one in three is kept: as many of them are worth it within the chance of a sample."""
    found = judge_files([str(SCENARIOS / "inline-completion.yaml")], command="compare", today=TODAY, chance=Chance(draws=25_000))
    (decided,) = found.decisions
    what = next(section for section in drawn_sections(decided) if isinstance(section, WhatIf))
    draws: Any = what.model["draws"]
    assert (draws["n"], draws["whole"]) == (8334, False)
    held = {name: np.frombuffer(base64.b64decode(draws[name]), "<f4") for name in ("latency", "candidate", "baseline")}
    nets = held["latency"] - held["candidate"] + held["baseline"]
    assert nets.size == 8334
    assert float(np.mean(nets >= 0)) == pytest.approx(decided.books.p_worth_it, abs=4 * (0.25 / 8334) ** 0.5)


def test_the_model_of_a_page_is_what_the_tool_works_out(tmp_path: Path) -> None:
    """10 M requests, 150 ms saved, 15 USD/h: 6,250 a month; the premium by the invoices; half the volume halves both."""
    found = decision(tmp_path, OPTIONS + PLAIN)
    what = next(section for section in drawn_sections(found) if isinstance(section, WhatIf))
    model: Any = what.model
    named = {each["name"]: each for each in model["sliders"]}
    assert set(named) == {"worth", "volume", "price", "saved_ms"}
    gain = model["gains"][0][named["saved_ms"]["start"]]
    assert 10_000_000 * 15 * model["unit_usd"] * gain == pytest.approx(10_000_000 * 15 * 150 / 3_600_000)
    points = found.books.break_even
    worth = named["worth"]
    assert worth["positions"][worth["turn"]] == points["waiting_usd_per_hour"]
    assert named["price"]["positions"][named["price"]["turn"]] == points["price_ratio"]
    start, volumes = named["volume"]["start"], named["volume"]["positions"]
    other = start - 10
    rate = model["costs"]["candidate"][start] / volumes[start]
    assert model["costs"]["candidate"][other] == pytest.approx(rate * volumes[other])
