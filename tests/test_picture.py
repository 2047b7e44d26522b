"""``--plot``: the figures of a page as one picture, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from judged import judged

pytest.importorskip("matplotlib")

from edgeroi.errors import EdgeroiError
from edgeroi.renderers._picture import picture
from edgeroi.report import Axis, Curve, Figure, Table
from edgeroi.verdict_figures import deciding_figures

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "$x$ <script>alert(1)</script> & \x1b[2J"


def curves(name: str) -> Figure:
    band = Curve(name, (10.0, 20.0, 40.0), (0.1, 0.5, 0.9), (9.0, 18.0, float("nan")), (11.0, 22.0, float("nan")), across=True)
    return Figure("curves", name, Axis("ms", "ms", True), Axis("share", "ratio"), Table((), ()), (band,), name="cdf")


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_figures_are_the_same_bytes(suffix: str) -> None:
    assert picture([curves("one")], suffix) == picture([curves("one")], suffix)


def test_a_tornado_names_its_drivers_and_a_scenario_without_ranges_shows_its_costs() -> None:
    found = judged(ROOT / "scenarios" / "inline-completion.yaml", ROOT / "scenarios" / "chatbot-70b.yaml").decisions
    figures = deciding_figures(found)
    assert [figure.name for figure in figures] == ["tornado", "costs"]
    shown = texts(picture(figures, "svg"))
    assert {"completion.requests", "driver at its low end", "net 0", "output tokens", "now"} <= set(shown)


def test_a_name_is_text_and_no_formula() -> None:
    drawn = picture([curves(HOSTILE)], "svg")
    assert "$x$ <script>alert(1)</script> & \\x1b[2J" in texts(drawn)
    assert b"<script" not in drawn


def test_what_is_no_picture_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EdgeroiError, match=r"ends in \.png or \.svg"):
        picture([curves("one")], "gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EdgeroiError, match="matplotlib") as refused:
        picture([curves("one")], "svg")
    assert refused.value.fix == "pip install 'edgeroi[plot]'"


def test_the_command_writes_it_beside_its_table(tmp_path: Path) -> None:
    log, path = ROOT / "sample_logs" / "embedding-edge.jsonl", tmp_path / "cdf.svg"
    done = subprocess.run([sys.executable, "-m", "edgeroi", "profile", log, "--plot", path], capture_output=True, text=True, check=True)
    assert "p99 ms" in done.stdout
    shown = texts(path.read_bytes())
    assert "latency, end to end: share of requests done by then" in shown
    assert {"60 %", "ms"} <= set(shown)


def test_an_experiment_without_results_ends_as_such_though_there_is_nothing_to_draw(tmp_path: Path) -> None:
    """300 requests against 100 where halves were due: p is far below 0.001, so nothing may be looked at, drawn neither; the end is 3."""
    log, path = tmp_path / "uneven.jsonl", tmp_path / "changes.svg"
    arms = ["control"] * 300 + ["edge"] * 100
    log.write_text("".join(f'{{"variant": "{arm}", "latency_ms": {20 + k % 7}, "status": 200}}\n' for k, arm in enumerate(arms)))
    done = subprocess.run([sys.executable, "-m", "edgeroi", "ab", log, "--plot", path], capture_output=True, text=True, check=False)
    assert (done.returncode, path.exists()) == (3, False), done.stderr
    assert "INVALID: sample ratio" in done.stdout
