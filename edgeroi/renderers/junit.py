"""JUnit's XML, as Jenkins, GitLab and most CI servers read it: a suite per scenario, a test case per rule and workload.

A rule that failed is a failure, one that could not be answered an error, a waived one and a warning are skipped with their reason.
A workload no rule speaks about passes by its verdict, so that it is seen to have been judged.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeroi.annotation import Annotation, Weight, annotated, beside
from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text
from edgeroi.report import Report

#: What a finding is to JUnit; of the others nothing is said, which is a pass.
_ELEMENTS: Mapping[Weight, str] = {"fail": "failure", "undecided": "error", "waived": "skipped", "warning": "skipped"}


@dataclass(frozen=True, slots=True)
class _TestCase:
    name: str
    suite: str
    found: Annotation | None = None

    @property
    def element(self) -> str | None:
        return _ELEMENTS.get(self.found.weight) if self.found else None


def render(report: Report, page: Page) -> str:
    """The document's findings as one ``testsuites``; ``page`` does not matter."""
    suites = [_suite(name, file, cases) for name, file, cases in _suites(report.document) if cases]
    root = ET.Element("testsuites", name=f"edgeroi {safe_text(report.command)}")
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suites(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[_TestCase]]]:
    for scenario in document.get("scenarios", ()):
        alone = {"scenarios": [scenario]}
        told = annotated(alone)
        quiet = [w for w in scenario["workloads"] if not any(each.workload == w["workload"] for each in told)]
        verdicts = (_TestCase(f"{w['workload']}: {w['verdict'].replace('_', ' ').upper()}", scenario["name"]) for w in quiet)
        yield scenario["name"], scenario["file"], [*_cases(told, scenario["name"]), *verdicts]
    outside = beside({"checks": document.get("checks", ())})
    yield "beside the scenarios", "", [*_cases(outside, "beside the scenarios")]


def _cases(found: Iterable[Annotation], suite: str) -> Iterator[_TestCase]:
    return (_TestCase(_name(each), suite, each) for each in found)


def _name(found: Annotation) -> str:
    return " ".join(part for part in (f"{found.workload or 'all workloads'}:", found.rule, found.subject) if part)


def _suite(name: str, file: str, cases: Sequence[_TestCase]) -> ET.Element:
    elements = [case.element for case in cases]
    suite = ET.Element("testsuite", name=safe_text(name), tests=str(len(cases)))
    for count, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(elements.count(element)))
    if file:
        suite.set("file", safe_text(file))
    suite.extend(_case(case) for case in cases)
    return suite


def _case(case: _TestCase) -> ET.Element:
    element = ET.Element("testcase", name=safe_text(case.name), classname=safe_text(case.suite))
    if case.found and case.element:
        inner = ET.SubElement(element, case.element, message=safe_text(case.found.message), type=case.found.rule)
        inner.text = safe_text(f"{case.found.file}:{case.found.line}: {case.found.sentence}")
    return element
