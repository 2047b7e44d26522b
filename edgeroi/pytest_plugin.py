"""Scenarios as tests: ``pytest --edgeroi scenarios/`` judges every workload, and the fixture ``edgeroi`` judges one in a test of one's own.

::

    def test_edge_cost_benefit(edgeroi):
        embedding = edgeroi.check("scenarios/embedding.yaml")
        assert embedding.gate == "pass", embedding.failures

Without ``--edgeroi`` nothing is collected, and nothing of edgeroi's own is imported before a scenario is read, so that other tests start
as fast as before. A workload that no rule fails passes; one that cannot be decided is skipped, or as ``--edgeroi-undecided`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgeroi.gate import Finding
    from edgeroi.verdict_report import Verdicts

_ENDINGS = ("skip", "xfail", "fail")
#: The item that speaks for a file as a whole: what its workloads lose together.
_TOGETHER = "all workloads together"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Whether scenarios are collected, and what an undecided one is."""
    group = parser.getgroup("edgeroi", "edge spend")
    group.addoption("--edgeroi", action="store_true", help="collect edgeroi's scenario files: a test per workload, held against the gate")
    group.addoption(
        "--edgeroi-undecided", choices=_ENDINGS, default="skip", help="what a workload is that cannot be decided (default: %(default)s)"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """A scenario file, recognised as ``edgeroi check FOLDER`` does."""
    if not parent.config.getoption("edgeroi") or file_path.suffix not in (".yaml", ".yml"):
        return None
    from edgeroi.scenario import POLICY_NAME
    from edgeroi.scenario.reading import begins_with

    if file_path.name == POLICY_NAME or not begins_with(file_path, "workloads", "edgeroi"):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A scenario: an item per workload, and one for all of them where there are several. It is judged once, when the first item runs."""

    _verdicts: Verdicts | None = None

    @property
    def verdicts(self) -> Verdicts:
        """The file, judged with the project's policy that holds for it."""
        if self._verdicts is None:
            self._verdicts = _judged([self.path])
        return self._verdicts

    def collect(self) -> Iterator[ScenarioItem]:
        """Its workloads. A mistake in the file is an error of collection, with its line and what to write."""
        from edgeroi.errors import EdgeroiError
        from edgeroi.scenario import load_policy_beside, load_scenario

        try:
            scenario = load_scenario(self.path, policy=load_policy_beside(self.path))
        except EdgeroiError as error:
            raise self.CollectError(str(error)) from None
        for name, workload in scenario.workloads.items():
            place = workload.place.line if workload.place else None
            yield ScenarioItem.from_parent(self, name=name, workload=name, line=place)
        if len(scenario.workloads) > 1:
            yield ScenarioItem.from_parent(self, name=_TOGETHER, workload=None, line=None)


class Unjustified(Exception):
    """The gate said no; its text is the findings' words."""


class ScenarioItem(pytest.Item):
    """One workload held against the gate; ``workload`` is ``None`` for what a whole file is held to."""

    def __init__(self, *, workload: str | None, line: int | None, **given: Any) -> None:
        super().__init__(**given)
        self.workload, self.line = workload, line

    def runtest(self) -> None:
        """Pass, or say what the gate found."""
        from edgeroi.errors import EdgeroiError

        assert isinstance(self.parent, ScenarioFile)
        try:
            verdicts = self.parent.verdicts
        except EdgeroiError as error:
            raise Unjustified(str(error)) from None
        found = [finding for finding in verdicts.every_finding if self._is_about(finding, verdicts)]
        failed = [finding for finding in found if finding.level == "error" and finding.status == "fail"]
        open_ = [finding for finding in found if finding.status == "undecided"]
        if failed:
            raise Unjustified(_words([*failed, *open_]))
        if open_:
            self._undecided(open_)

    def _is_about(self, finding: Finding, verdicts: Verdicts) -> bool:
        own = {decision.case.workload for decision in verdicts.decisions}
        return finding.workload == self.workload if self.workload is not None else finding.workload not in own

    def _undecided(self, found: Sequence[Finding]) -> None:
        ending, said = self.config.getoption("edgeroi_undecided"), _words(found)
        if ending == "fail" or any(finding.level == "error" for finding in found):
            raise Unjustified(said)  # no price and no data at a declared edge, or undecided where the project wants an answer
        (pytest.skip if ending == "skip" else pytest.xfail)(said)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The gate's words, without a traceback through edgeroi."""
        return str(excinfo.value) if isinstance(excinfo.value, Unjustified) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The workload's line, for whoever jumps to it."""
        return self.path, self.line - 1 if self.line else None, f"{self.path.name}: {self.name}"


def _words(found: Sequence[Finding]) -> str:
    """A line per finding: where it stands, what it says, the rule with its value beside its limit."""
    return "\n".join(_one(finding) for finding in found)


def _one(finding: Finding) -> str:
    beside = "" if finding.value is None or finding.limit is None else f": {finding.value:,.6g}, limit {finding.limit:,.6g}"
    place = f"{finding.place}: " if finding.place else ""
    return f"{place}{finding.message} [{finding.rule}{beside}]"


class Judge:
    """What the fixture gives: scenarios judged from inside a test, paths taken from pytest's root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self, *scenarios: str | Path, set: Mapping[str, str] | None = None, prices_as_of: date | None = None) -> Verdicts:
        """``edgeroi.check`` of these files and folders; ``set`` overrides keys as ``--set`` does."""
        return _judged([self.root / scenario for scenario in scenarios], set, prices_as_of)


def _judged(paths: Sequence[Path], set: Mapping[str, str] | None = None, prices_as_of: date | None = None) -> Verdicts:
    from edgeroi import check

    return check([str(path) for path in paths], set=set, prices_as_of=prices_as_of)


@pytest.fixture(scope="session")
def edgeroi(request: pytest.FixtureRequest) -> Judge:
    """Judge scenarios: ``edgeroi.check("scenarios/x.yaml").gate == "pass"``; ``.failures`` holds what keeps it from passing."""
    return Judge(request.config.rootpath)
