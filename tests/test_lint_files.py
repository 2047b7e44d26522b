"""Lint of mappings and price files, and of paths and ranges in scenarios: every fault at its line, silent where nothing is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from judged import OPTIONS

from edgeroi.lint import rules
from edgeroi.linting import lint_files

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 11, 22)


def told(tmp_path: Path, text: str) -> list[tuple[str, str, int | None, str, str | None]]:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    linted = lint_files([path], TODAY)
    assert {each.rule for each in linted.findings} <= set(rules())
    return [(each.level, each.rule, each.place.line if each.place else None, each.message, each.fix) for each in linted.findings]


# --- mappings --------------------------------------------------------------------------------------------------------------

SOUND = """\
map: {latency_ms: "timing.total_ms:ms", ttft_ms: "first:s"}
const: {workload: chat}
rules:
  placement:
    - {host: edge, method: POST, is: edge}
    - {host: edge, is: regional}
    - {host: .*, is: cloud}
  skip:
    - {path: ^/(healthz|metrics)$}
"""


def test_a_sound_mapping_is_silent(tmp_path: Path) -> None:
    assert told(tmp_path, SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "line", "message", "fix"),
    [
        ("timing.total_ms:ms", "timing.total_ms:s", "unit", 1, "from 'timing.total_ms' in s, and the name says ms", "total_ms:ms"),
        ("first:s", "durationMillis:s", "unit", 1, "the name says ms", "durationMillis:ms"),
        ("first:s", "took_seconds:ms", "unit", 1, "the name says s", "took_seconds:s"),
        ("is: regional", "is: regionl", "placement", 6, "'regionl' is no placement", "did you mean 'regional'?"),
        ("{workload: chat}", "{placement: egde}", "placement", 2, "'egde' is no placement", "did you mean 'edge'?"),
        ("{host: edge, method: POST, is: edge}", "{host: edge, is: edge}", "never-decides", 6, "the rule on line 5 fits wherever", None),
        ("{host: edge, method: POST, is: edge}", "{host: .*, is: edge}", "never-decides", 6, "the rule on line 5 fits wherever", None),
        ("^/(healthz|metrics)$", ".*", "never-decides", 9, "this skips every request", None),
    ],
)  # fmt: skip
def test_a_mapping_that_may_be_meant_otherwise(
    tmp_path: Path, old: str, new: str, rule: str, line: int, message: str, fix: str | None
) -> None:
    assert old in SOUND
    text = SOUND.replace(old, new)
    if new.startswith("{placement"):
        text = text.partition("rules:")[0]
    found = [each for each in told(tmp_path, text) if each[2] == line]
    assert [(each[0], each[1]) for each in found] == [("warning", rule)]
    assert message in found[0][3]
    assert fix is None or fix in (found[0][4] or "")


def test_every_key_of_a_mapping_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = "mpa: {}\nmap: {latncy_ms: x:s}\nseen_from: moon\nsampling: 3\n"
    assert [(level, line) for level, _, line, _, _ in told(tmp_path, text)] == [("error", 1), ("error", 2), ("error", 3), ("error", 4)]
    assert "did you mean 'map'?" in (told(tmp_path, text + "const: {}\n")[0][4] or "")


def test_the_guides_mapping_is_sound() -> None:
    for file in (ROOT / "sample_logs").glob("*.yaml"):
        assert [f for f in lint_files([file], TODAY).findings if f.level == "error"] == []


# --- price files -------------------------------------------------------------------------------------------------------------

PRICES = """\
sources:
  list: {source: "https://example.com/prices", as_of: 2026-11-01}
offers:
  - {provider: shop, model: a, input: {usd: 0.20, from: list}, output: {usd: 0.60, from: list}}
  - {provider: shop, model: b, input: {usd: 0.20}, cached: {usd: 0.02}, as_of: 2026-10-01}
"""


def test_a_sound_price_file_is_silent(tmp_path: Path) -> None:
    assert told(tmp_path, PRICES) == []


@pytest.mark.parametrize(
    ("old", "new", "level", "rule", "line", "message"),
    [
        ("model: a, input: {usd: 0.20,", "model: a, input: {usd: 0.0002,", "warning", "magnitude", 4, "is below 0.0005"),
        ("{usd: 0.02}", "{usd: 0.30}", "warning", "magnitude", 5, "0.30 USD/Mtok is more than the 0.20 of input"),
        ("as_of: 2026-10-01", "as_of: 2026-01-01", "warning", "stale-price", 5, "read on 2026-01-01, 325 days before"),
        (", as_of: 2026-10-01", "", "warning", "undated-price", 5, "nobody knows when it was read"),
        ("as_of:", "valid_from: 2026-10-01, valid_to: 2026-09-01, as_of:", "warning", "never-valid", 5, "before it begins"),
        ("sources:", 'sources:\n  old: {source: "https://example.com"}', "warning", "unused-source", 2, "no offer is from 'old'"),
        ("cached: {usd: 0.02}", "cached: {usd: 0.02, unit: Mtokens}", "error", "syntax", 5, "unknown billing unit 'Mtokens'"),
        ("cached:", "cachd:", "error", "syntax", 5, "unknown key in an offer"),
        ("from: list}, output", "from: lits}, output", "error", "syntax", 4, "no source 'lits' is named"),
        ("model: b", "model: a", "error", "syntax", 5, "a second price of shop/a"),
    ],
)  # fmt: skip
def test_a_price_file_that_may_be_wrong(tmp_path: Path, old: str, new: str, level: str, rule: str, line: int, message: str) -> None:
    assert old in PRICES
    found = [each for each in told(tmp_path, PRICES.replace(old, new)) if each[1] == rule]
    assert [(each[0], each[2]) for each in found] == [(level, line)]
    assert message in found[0][3]


def test_every_offer_that_is_wrong_is_told_at_once_and_the_others_are_looked_at(tmp_path: Path) -> None:
    text = (
        PRICES.replace("model: a", "modle: a").replace("usd: 0.02}", "usd: cheap}") + "  - {provider: shop, model: c, input: {usd: 9000}}\n"
    )
    assert [(level, rule, line) for level, rule, line, _, _ in told(tmp_path, text)] == [
        ("error", "syntax", 4),
        ("error", "syntax", 5),
        ("warning", "magnitude", 6),
        ("warning", "undated-price", 6),
    ]


# --- scenarios ---------------------------------------------------------------------------------------------------------------

WORKLOAD = """workloads:
  search:
    requests: 10M /month
    tokens: {input: 100 tok, output: 0 tok}
    options: [cloud, edge]
    runs_on: edge
    origin_calls: {count: 0}
    part_of: PATH
    value: {waiting: 5 USD/h, why: they wait, by: dana}
"""


@pytest.mark.parametrize(("path", "found"), [("169 ms", True), ("170 ms", False), ("640 ms", False)])
def test_a_path_is_as_long_as_its_stage(tmp_path: Path, path: str, found: bool) -> None:
    """The cloud takes 170 ms."""
    said = [each for each in told(tmp_path, f"edgeroi: 1\n{OPTIONS}{WORKLOAD.replace('PATH', path)}") if each[1] == "part-of"]
    assert bool(said) == found
    if found:
        assert said[0][3] == "the path takes 169 ms, and its stage on cloud alone 170 ms"


def test_a_stage_is_its_service_and_its_round_trips(tmp_path: Path) -> None:
    """3 round trips of 40 ms and 20 ms of service are 140 ms."""
    cloud = "rtt: 40 ms, round_trips: 3, service: {p50: 20 ms, p99: 60 ms}"
    text = f"edgeroi: 1\n{OPTIONS.replace('latency: 170 ms', cloud)}{WORKLOAD.replace('PATH', '139 ms')}"
    assert [each[3] for each in told(tmp_path, text) if each[1] == "part-of"] == [
        "the path takes 139 ms, and its stage on cloud alone 140 ms"
    ]


@pytest.mark.parametrize(
    ("written", "line", "message", "fix"),
    [
        ("{rnage: 15 (5..40) USD/h, why: so}", 14, "unknown key 'rnage'", "did you mean 'range'?"),
        ("{ranges: 15 (5..40) USD/h, why: so}", 14, "unknown key 'ranges'", "did you mean 'range'?"),
        ("{range: 15 (5..40) USD/h, wy: so}", 14, "unknown key 'wy'", "did you mean 'why'?"),
        ("{why: so}", 14, "`range` is missing", "write `{range:"),
    ],
)
def test_a_misspelt_key_of_a_range_has_its_near_miss(tmp_path: Path, written: str, line: int, message: str, fix: str) -> None:
    text = f"edgeroi: 1\n{OPTIONS}{WORKLOAD.replace('PATH', '640 ms').replace('waiting: 5 USD/h', f'waiting: {written}')}"
    (said,) = (each for each in told(tmp_path, text) if each[0] == "error")
    assert (said[2], said[3].rpartition(": ")[2]) == (line, message)
    assert fix in (said[4] or "")
