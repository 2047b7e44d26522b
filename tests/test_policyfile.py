"""Policies from a file or a mapping: the values an executor runs, and errors that say where and what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeroi.errors import EdgeroiError
from edgeroi.executor import Executor
from edgeroi.policyfile import load_policies, policies_of
from edgeroi.scenario import load_scenario
from edgeroi.spec import Cascade, Fallback, Hedge

ROOT = Path(__file__).parents[1]

TEXT = """\
edgeroi: 1
options:
  edge: {placement: edge}
  cloud: {placement: cloud}
  safe: {fallback: {first: raced, then: cloud, after: 0.5 s, on: timeout, abandoned: free}}
  raced: {hedge: {first: edge, then: cloud, after: 80 ms}}
  checked: {cascade: {first: edge, then: safe, confidence: 0.8}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "policies.yaml"
    path.write_text(text)
    return path


def test_a_file_holds_policies_by_name(tmp_path: Path) -> None:
    policies = load_policies(written(tmp_path, TEXT))
    safe, raced, checked = policies["safe"], policies["raced"], policies["checked"]
    assert isinstance(safe, Fallback)
    assert safe.after is not None
    assert (safe.parts, safe.after.likely, safe.on, safe.abandoned_free) == (("raced", "cloud"), 500.0, ("timeout",), True)
    assert isinstance(raced, Hedge)
    assert raced.after.likely == 80.0
    assert isinstance(checked, Cascade)
    assert checked.confidence == 0.8


def test_a_mapping_says_the_same(tmp_path: Path) -> None:
    stated = {
        "safe": {"fallback": {"first": "raced", "then": "cloud", "after": "500 ms", "on": ["timeout"], "abandoned": "free"}},
        "raced": {"hedge": {"first": "edge", "then": "cloud", "after": "0.08 s"}},
        "checked": {"cascade": {"first": "edge", "then": "safe", "confidence": 0.8}},
    }
    assert policies_of(stated) == load_policies(written(tmp_path, TEXT))


def test_what_a_file_says_is_run(tmp_path: Path) -> None:
    calls = {"edge": lambda query, cancel: f"{query}?", "cloud": lambda query, cancel: f"{query}!"}
    with Executor(load_policies(written(tmp_path, TEXT)), calls, confidence=lambda said: 0.9 if "!" in said else 0.1) as executor:
        outcome = executor.run("checked", "hm")
    # The edge's answer is doubted; the next policy asks the edge again, in a race it wins at once, and nobody judges that.
    assert outcome.result == "hm?"
    assert [(turn.policy, turn.to, turn.because) for turn in outcome.turns] == [
        ("checked", "safe", "doubted"),
        ("raced", "edge", "answered"),
        ("safe", "raced", "answered"),
    ]


@pytest.mark.parametrize(
    ("prompt", "by", "confidence"),
    [
        ("what is the time", "edge", 0.9),
        ("word " * 49, "edge", 0.9),
        ("word " * 50, "cloud", 0.3),
        ("please EXPLAIN this", "cloud", 0.3),
        ("an unexplained thing", "cloud", 0.3),  # the article looks inside words, too
    ],
)
def test_the_articles_router_is_shipped_and_runs(prompt: str, by: str, confidence: float) -> None:
    with Executor(load_policies("article"), dict.fromkeys(("edge", "cloud"), lambda *_: "")) as executor:
        outcome = executor.run("router", prompt)
    assert (outcome.by, outcome.turns[0].confidence) == (by, confidence)


def test_a_whole_scenario_holds_its_policies() -> None:
    policies = load_policies(ROOT / "scenarios" / "hybrid.yaml")
    scenario = load_scenario(ROOT / "scenarios" / "hybrid.yaml")
    assert policies == {name: option.policy for name, option in scenario.options.items() if option.policy}
    assert len(policies) > 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{safe: {fallback: {first: e, then: c, after: 500}}, e: {}, c: {}}", r"policies.yaml:2:\d+ options.safe.fallback.after: .*unit"),
        ("{e: {placement: edge}}", "policies.yaml:2:1 options: no policy; state one of split, route, fallback"),
        ("{safe: {fallback: {first: edg, then: c, after: 5 ms}}, edge: {}, c: {}}", r"yaml:2:\d+ .*no option 'edg'; did you mean 'edge'"),
        ("{safe: {fallback: {first: e, then: c, timeout: 5 ms}}, e: {}, c: {}}", "write `after: 500 ms`"),
        ("{a: {hedge: {first: b, then: a, after: 1 ms}}, b: {}}", r"yaml:2:\d+ options.a: the policy leads back to itself: a -> a"),
        ("{r: {route: {rules: [{when: {latency_ms: '< 5'}, to: e}], otherwise: e}}, e: {}}", "known only once the request was served"),
        ("{s: {split: {a: 50%, b: 20%}}, a: {}, b: {}}", "add up to 0.7"),
        ("5", "a mapping is wanted"),
    ],
)
def test_a_slip_is_told_with_its_place(options: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeroiError, match=re.compile(said)):
        load_policies(written(tmp_path, f"edgeroi: 1\noptions: {options}\n"))


def test_a_slip_in_a_mapping_is_told_with_its_key() -> None:
    with pytest.raises(EdgeroiError, match=r"options.safe.fallback.after: .*unit"):
        policies_of({"safe": {"fallback": {"first": "edge", "then": "cloud", "after": 500}}})
    with pytest.raises(EdgeroiError, match="no call and no policy 'clowd'; did you mean 'cloud'"):
        Executor(policies_of({"safe": {"fallback": {"first": "edge", "then": "clowd"}}}), dict.fromkeys(("edge", "cloud"), lambda *_: ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("options: {}\n", "`edgeroi` is missing"),
        ("edgeroi: 1\n", "`options` is missing"),
        ("- 1\n", "a mapping is wanted"),
    ],
)
def test_what_holds_no_policies_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeroiError, match=re.compile(said)):
        load_policies(written(tmp_path, text))
