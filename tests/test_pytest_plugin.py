"""Scenarios as tests: what pytest collects, how each ends, and that nobody else pays for it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import numpy  # noqa: F401 - pytester forgets what its runs imported, and these cannot be imported twice
import pytest
import yaml  # noqa: F401
from judged import OPTIONS
from test_pull_request import text_of, workload, worth

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
#: The plug-in as an installation brings it, or by name where this installation is older than it.
WITH = () if any(entry.name == "edgeroi" for entry in entry_points(group="pytest11")) else ("-p", "edgeroi.pytest_plugin")


def ran(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*WITH, "-p", "no:cacheprovider", *arguments)


def put(pytester: pytest.Pytester, name: str, text: str) -> Path:
    path = pytester.path / "scenarios" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"edgeroi: 1\nname: Under test\nprices_as_of: 2026-11-22\n{text}")
    return path


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    put(pytester, "bad.yaml", text_of(workload("loses")))
    put(pytester, "good.yaml", text_of(workload("pays", value=worth("15")), workload("too", value=worth("15"))))
    (pytester.path / "scenarios" / "edgeroi.yaml").write_text("edgeroi: 1\n")
    (pytester.path / "scenarios" / "compose.yaml").write_text("services: {}\n")
    return pytester


def test_a_test_per_workload_and_one_for_all_of_a_file(folder: pytest.Pytester) -> None:
    found = ran(folder, "--edgeroi", "scenarios", "-v")
    found.assert_outcomes(passed=3, failed=1)
    found.stdout.fnmatch_lines_random(
        [
            "*bad.yaml::loses FAILED*",
            "*good.yaml::pays PASSED*",
            "*good.yaml::too PASSED*",
            "*good.yaml::all workloads together PASSED*",
        ]
    )


def test_a_failure_shows_the_findings_words_and_no_traceback(folder: pytest.Pytester) -> None:
    """150 ms on 10 M requests are 416.67 h, at a cent worth 4.17 against 195."""
    said = ran(folder, "--edgeroi", "scenarios/bad.yaml").stdout.str()
    assert "bad.yaml:9:3: net -$190.83 a month, $50.00 may be lost" in said
    assert "[edge-net: -190.833, limit -50]" in said
    assert "pytest_plugin.py" not in said


def test_without_the_option_no_scenario_is_a_test(folder: pytest.Pytester) -> None:
    ran(folder, "scenarios").assert_outcomes()


UNDECIDED = OPTIONS.replace(", assume: {why: so it is said, by: dana}", "")


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [((), {"skipped": 1}), (("--edgeroi-undecided", "xfail"), {"xfailed": 1}), (("--edgeroi-undecided", "fail"), {"failed": 1})],
)
def test_an_undecided_workload_ends_as_asked(pytester: pytest.Pytester, ending: tuple[str, ...], outcome: dict[str, int]) -> None:
    put(pytester, "open.yaml", text_of(workload("open", value=worth("15"))).replace(OPTIONS, UNDECIDED))
    found = ran(pytester, "--edgeroi", "scenarios", "-rsx", *ending)
    found.assert_outcomes(**outcome)
    assert "undecided: " in found.stdout.str()


def test_a_declared_edge_without_a_price_fails(pytester: pytest.Pytester) -> None:
    put(pytester, "free.yaml", text_of(workload("free")).replace("price: {input: 0.20 USD/Mtok}, ", ""))
    found = ran(pytester, "--edgeroi", "scenarios")
    found.assert_outcomes(failed=1)
    assert "edge states no price" in found.stdout.str()


def test_what_workloads_lose_together_is_a_test(pytester: pytest.Pytester) -> None:
    """Each loses 40.83 (45 less 4.17), less than the 50 that matter; two lose 81.67."""
    put(pytester, "sum.yaml", text_of(workload("a"), workload("b")).replace("0.20 USD/Mtok", "0.05 USD/Mtok"))
    found = ran(pytester, "--edgeroi", "scenarios")
    found.assert_outcomes(passed=2, failed=1)
    assert "all edge workloads together" in found.stdout.str()


def test_a_mistake_in_a_scenario_is_an_error_of_collection(pytester: pytest.Pytester) -> None:
    put(pytester, "typo.yaml", text_of(workload("w")).replace("runs_on", "run_on"))
    found = ran(pytester, "--edgeroi", "scenarios")
    found.assert_outcomes(errors=1)
    assert "unknown key 'run_on'" in found.stdout.str()
    assert "typo.yaml:13:5" in found.stdout.str()


def test_the_projects_policy_holds(folder: pytest.Pytester) -> None:
    (folder.path / "scenarios" / "edgeroi.yaml").write_text("edgeroi: 1\nmateriality: 500 USD/month\n")
    ran(folder, "--edgeroi", "scenarios").assert_outcomes(passed=4)


#: The article's test, whose comment says the opposite of what its assert finds, as three lines.
ARTICLE = """
def test_edge_cost_benefit(edgeroi):
    embedding = edgeroi.check("scenarios/embedding.yaml")
    assert embedding.gate == "pass", embedding.failures
"""


@pytest.mark.parametrize(
    ("value", "outcome"), [("{waiting: 100 USD/h, why: as the article has it, by: the article}", "passed"), ("none", "failed")]
)
def test_the_articles_test_is_three_lines(pytester: pytest.Pytester, value: str, outcome: str) -> None:
    """Its own inputs: at 100 USD an hour 416.67 h are worth 41,667 against 195; with no value declared the 195 fail."""
    put(pytester, "embedding.yaml", text_of(workload("embedding", value=value)))
    pytester.makepyfile(ARTICLE)
    found = ran(pytester)
    found.assert_outcomes(**{outcome: 1})
    if outcome == "failed":
        assert "embedding: " in found.stdout.str()


def test_the_fixture_overrides_keys(pytester: pytest.Pytester) -> None:
    put(pytester, "s.yaml", text_of(workload("w")))
    pytester.makepyfile(
        """
        def test_small(edgeroi):
            few = {"workloads.w.requests": "1M /month"}
            assert edgeroi.check("scenarios/s.yaml", set=few).gate == "pass"
            assert edgeroi.check("scenarios/s.yaml").gate == "fail"
        """
    )
    ran(pytester).assert_outcomes(passed=1)


def test_the_plug_in_loads_nothing_but_pytest() -> None:
    code = "import sys, pytest; before = set(sys.modules); import edgeroi.pytest_plugin; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["edgeroi", "edgeroi.pytest_plugin"]


def test_an_installation_brings_the_plug_in() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"edgeroi": "edgeroi.pytest_plugin"}
