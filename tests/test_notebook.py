"""The Python API as a notebook uses it: what is public, how results show themselves, and the example notebook, run."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_readme import script

import edgeroi
from edgeroi.errors import EdgeroiError
from edgeroi.loopback import Embedder, Server
from edgeroi.renderers._fragment import fragment
from edgeroi.report import Column, Node, Report, Row, Table, Text, Tree, mark, text, usd_signed

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"


@pytest.fixture(scope="module")
def profile() -> edgeroi.Profile:
    return edgeroi.profile(ROOT / "sample_logs" / "recorded.embedding.jsonl.gz")


@pytest.fixture(scope="module")
def verdicts() -> edgeroi.Verdicts:
    return edgeroi.check(SCENARIOS / "embedding-measured.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> edgeroi.ProbeRun:
    folder = tmp_path_factory.mktemp("probe")
    with Server(Embedder(1, 2, 0.1)) as server:
        target = f"{{url: '{server.url}', dialect: openai-embeddings}}"
        (folder / "p.yaml").write_text(
            f"edgeroi: 1\nrate: 100 /s\nrequests: 20\nwarm_up: 1\ntargets: {{<b>x</b>: {target}, far: {target}}}\npayloads: [a b]\n"
        )
        return edgeroi.probe(folder / "p.yaml", log=folder / "p.jsonl")


# --- what is public ----------------------------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_documented() -> None:
    for name in edgeroi.__all__:
        found = getattr(edgeroi, name)
        assert found.__doc__, name
    assert {"profile", "compare", "check", "probe", "Scenario", "PriceBook", "LatencyHistogram"} <= set(edgeroi.__all__)
    assert set(edgeroi.__all__) <= set(dir(edgeroi))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        edgeroi.nonsense  # noqa: B018


def test_a_scenario_is_judged_like_its_file() -> None:
    file = SCENARIOS / "gate" / "unjustified.yaml"
    scenario = edgeroi.load_scenario(file)
    assert isinstance(scenario, edgeroi.Scenario)
    assert edgeroi.compare(scenario).document["scenarios"] == edgeroi.compare(file).document["scenarios"]
    both = edgeroi.compare([scenario, SCENARIOS / "gate" / "required.yaml"])
    assert len(both.scenarios) == 2
    with pytest.raises(edgeroi.errors.EdgeroiError, match="loaded already"):  # type: ignore[attr-defined]
        edgeroi.compare(scenario, set={"name": "x"})


def test_the_book_is_that_of_the_commands() -> None:
    from datetime import date

    price = edgeroi.load_prices("cloudflare/@cf/baai/bge-base-en-v1.5").find("cloudflare/@cf/baai/bge-base-en-v1.5", date(2026, 11, 22))
    assert price.input is not None
    assert float(price.input.usd) == 0.067  # Cloudflare's own table, 22 Nov 2026: $0.067 per M input tokens


def test_a_probe_gives_its_run_and_writes_its_log(run: edgeroi.ProbeRun) -> None:
    frame = run.to_frame()
    assert list(frame["target"]) == ["<b>x</b>", "far"]
    assert list(frame["requests"]) == [20, 20]
    # Both ends of a p50's interval exist from 6 answers on, of a p99's not before 368.
    assert frame["latency_ms_p50_low"].notna().all()
    assert frame["latency_ms_p99_high"].isna().all()
    assert (frame["latency_ms_p50"] >= 1 + 2 * 0.7).all()
    assert edgeroi.profile(run.log).total.requests == 40
    assert repr(run).startswith("<ProbeRun: requests to <b>x</b> 20, far 20; ")


# --- how results show themselves -----------------------------------------------------------------------------------------------


class Strict(HTMLParser):
    """Fails on a tag that is not closed, and keeps what is on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style", "class", "colspan"}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Strict:
    found = Strict()
    found.feed(page)
    found.close()
    assert found.open == []
    assert found.tags <= {"div", "b", "small", "table", "thead", "tbody", "tr", "th", "td", "span", "br", "ul", "li"}
    return found


HOSTILE = "</td><script>alert(1)</script><img src=x onerror='x'>\" & $x$ \x1b[31m \u202e"


def test_nothing_in_a_result_acts_on_the_page() -> None:
    columns = (Column(HOSTILE, HOSTILE), Column("m", "m"), Column("usd", "usd", "usd_signed"))
    table = Table(columns, (Row((text(HOSTILE), mark(HOSTILE, "bad"), usd_signed(-2, -3, None)), HOSTILE),), HOSTILE, (HOSTILE,))
    tree = Tree(Node(HOSTILE, HOSTILE, (Node(HOSTILE),)), HOSTILE)
    page = fragment(Report("x", {}, (table, Text((HOSTILE,), tone="doubt"), tree), (HOSTILE,)))
    words = "".join(read(page).words)
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u{202e}")
    assert words.count(shown) == 12  # column, cell, mark, detail, two titles, caption, sentence, two labels, evidence, note
    assert "-3.00..-" in words


@pytest.mark.parametrize("kind", ["profile", "verdicts", "run"])
def test_a_result_shows_what_its_command_prints(kind: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(kind)
    words = "".join(read(result._repr_html_()).words)
    for section in result.report.sections:
        for line in getattr(section, "lines", ()):
            assert line in words
        for row in getattr(section, "rows", ()):
            assert str(row.cells[0].value or "") in words
    if kind == "verdicts":
        assert "NOT WORTH IT" in words
        assert "gate: " in words


def test_a_repr_is_one_short_line(profile: edgeroi.Profile, verdicts: edgeroi.Verdicts) -> None:
    assert repr(profile) == "<Profile: 800 requests by workload, placement>"
    assert repr(verdicts) == "<Verdicts: suggest worth_it, search-page not_worth_it; gate fail>"


def test_a_distribution_is_drawn_at_its_quantiles(profile: edgeroi.Profile) -> None:
    axes = profile.plot().axes[0]
    drawn = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert set(drawn) == {"embedding cloud", "embedding edge"}
    sample = profile.select(placement="edge").latency
    x, y = (np.asarray(values) for values in drawn["embedding edge"].get_data())
    assert (np.diff(x) >= 0).all()
    assert (y[0], y[-1]) == (0.001, 0.999)
    # Each time by which a share is answered is the quantile of the log itself, and the band goes from one end of its interval to the other.
    band = axes.collections[sorted(drawn).index("embedding edge")].get_paths()[0].vertices
    for p in (0.5, 0.95):
        assert x[np.searchsorted(y, p)] == pytest.approx(sample.quantile(p), rel=1e-3)
        assert sorted({float(at) for at, share in band if share == p}) == pytest.approx(sample.interval(p), rel=1e-9)


def test_a_net_is_drawn_with_its_interval(verdicts: edgeroi.Verdicts) -> None:
    frame = verdicts.to_frame()
    axes = verdicts.plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["suggest: worth it", "search-page: not worth it"]
    points = [line for line in axes.get_lines() if line.get_marker() in ("o", "D")]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == [
        (pytest.approx(net), row) for row, net in enumerate(frame["net_usd_month"])
    ]
    segments = [collection.get_segments()[0] for collection in axes.collections]
    assert [tuple(ends[:, 0]) for ends in segments] == [
        (pytest.approx(row.net_low_usd_month), pytest.approx(row.net_high_usd_month)) for row in frame.itertuples()
    ]


def test_what_was_spent_is_drawn_day_by_day() -> None:
    spending = edgeroi.spend(ROOT / "sample_logs" / "gateway.litellm.jsonl")
    assert repr(spending).startswith("<Spending: 0.1413 USD, 1,500 requests")
    assert "0.141" in "".join(read(spending._repr_html_()).words)
    bars = spending.plot().axes[0].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(float(spending.usd or 0))
    assert len(bars) == 28  # 24 October to 20 November, one placement


def test_experiments_and_routes_show_themselves_too() -> None:
    log = ROOT / "sample_logs" / "experiment.jsonl.gz"
    routes = edgeroi.route(ROOT / "sample_logs" / "routed.jsonl.gz")
    plan = edgeroi.ab_plan(log, effect=0.1)
    for result in (edgeroi.ab(log, arm="placement", unit="user_id"), plan, routes):
        assert repr(result).startswith(f"<{type(result).__name__}: ")
        words = "".join(read(result._repr_html_()).words)
        said = [line for section in result.report.sections for line in getattr(section, "lines", ())]
        assert said or result is routes
        assert all(line in words for line in said)
        assert result is plan or result.plot().axes
    with pytest.raises(EdgeroiError, match="ExperimentPlan has no picture"):
        plan.plot()


def test_an_experiment_is_drawn_as_the_change_of_every_number() -> None:
    """``chat``'s p99 is known at neither end: its line goes from edge to edge. Errors that are 0 in an arm have no relative change."""
    found = edgeroi.ab(ROOT / "sample_logs" / "experiment.jsonl.gz", arm="placement", unit="user_id")
    frame = found.to_frame()
    frame = frame[frame["relative"].notna()]
    axes = found.plot().axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"{row.workload}: {row.metric}" for row in frame.itertuples()]
    points = [line for line in axes.get_lines() if line.get_marker() in ("o", "D")]
    assert [line.get_xdata()[0] for line in points] == list(frame["relative"])
    # A sign is filled where a difference is shown, and a diamond where it is a loss.
    signs = {"~": ("o", False), "better": ("o", True), "worse": ("D", True)}
    assert [(line.get_marker(), line.get_markerfacecolor() != "white") for line in points] == [
        signs[verdict] for verdict in frame["verdict"]
    ]
    spans = [tuple(collection.get_segments()[0][:, 0]) for collection in axes.collections]
    assert spans[labels.index("chat: p99")] == axes.get_xlim()
    row = frame[(frame["workload"] == "search") & (frame["metric"] == "p50")].iloc[0]
    assert spans[labels.index("search: p50")] == (row["relative_low"], row["relative_high"])
    assert len(found.figures[0].table.rows) == len(found.to_frame())


def test_a_picture_is_the_same_bytes_each_time_and_keeps_names_as_words(run: edgeroi.ProbeRun) -> None:
    one, two = run.plot()._repr_svg_(), run.plot()._repr_svg_()
    assert one == two
    assert "&lt;b&gt;x&lt;/b&gt;" in one
    assert "<b>" not in one


def test_what_has_no_picture_says_so(tmp_path: Path) -> None:
    log = tmp_path / "failed.jsonl"
    log.write_text('{"latency_ms": 5, "status": 500}\n')
    for nothing in (edgeroi.profile(log), edgeroi.LatencyHistogram()):
        with pytest.raises(EdgeroiError, match=f"{type(nothing).__name__} has no picture"):
            nothing.plot()


def test_a_histogram_is_drawn_too() -> None:
    line = edgeroi.LatencyHistogram.from_ms(np.array([10.0, 20.0, 40.0])).plot().axes[0].get_lines()[0]
    assert line.get_xdata()[list(line.get_ydata()).index(0.5)] == pytest.approx(20, rel=1e-3)


SAMPLES = "sample_logs/"
#: What each command is asked, and the same in Python.
DRAWN = {
    "profile": ((SAMPLES + "recorded.embedding.jsonl.gz",), {}),
    "compare": (("scenarios/embedding-measured.yaml",), {}),
    "check": (("scenarios/embedding-measured.yaml",), {}),
    "ab": ((SAMPLES + "experiment.jsonl.gz",), {"arm": "placement", "unit": "user_id"}),
    "route": ((SAMPLES + "routed.jsonl.gz",), {"policy": "scenarios/policies/support.yaml", "sweep": "confidence", "goal": "max-net"}),
    "spend": ((SAMPLES + "gateway.litellm.jsonl",), {}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_there_is_one_way_of_drawing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``plot()`` shows is what ``--plot`` writes, byte for byte."""
    monkeypatch.chdir(ROOT)
    path, (given, options) = tmp_path / "drawn.svg", DRAWN[name]
    said = [word for key, value in options.items() for word in (f"--{key}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "edgeroi", name, *given, *said, "--plot", path], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert path.read_text() == getattr(edgeroi, name)(*given, **options).plot()._repr_svg_()


# --- the example ----------------------------------------------------------------------------------------------------------------


def outputs(notebook: dict) -> list[dict[str, str]]:
    """What each cell printed and showed. How pandas and matplotlib draw is theirs: of those only that it is there."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            told = {kind: "".join(lines) for kind, lines in output.get("data", {"stream": output.get("text", ())}).items()}
            theirs = "dataframe" in told.get("text/html", "") or "image/svg+xml" in told
            found.append(dict.fromkeys(told, "") if theirs else told)
    return found


def test_the_example_notebook_prints_what_it_shows() -> None:
    notebook = script("notebook")
    kept = json.loads(notebook.NOTEBOOK.read_text())
    assert outputs(notebook.executed(kept)) == outputs(kept), "run python docs/refresh.py"
    assert len(outputs(kept)) >= 10
    assert any("image/svg+xml" in output for output in outputs(kept))
    text_of = html.unescape(notebook.NOTEBOOK.read_text())
    assert not re.search(r"/(home|root|tmp|work)/", text_of)
