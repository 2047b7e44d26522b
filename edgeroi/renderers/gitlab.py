"""GitLab's Code Quality report: an issue per finding, which the merge request shows beside the scenario's line.

GitLab tells new issues from old ones by their fingerprint, which holds no line and no amount (``annotation.py``). Waived findings and
rules that passed are no issues.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgeroi.annotation import Annotation, Weight, annotated, speaking
from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text
from edgeroi.renderers.json import write
from edgeroi.report import Json, Report

#: GitLab knows info, minor, major, critical and blocker.
_SEVERITIES: Mapping[Weight, str] = {"fail": "critical", "undecided": "major", "warning": "minor"}


def render(report: Report, page: Page) -> str:
    """The document's findings as a JSON array; ``page`` does not matter."""
    found = speaking(annotated(report.document))
    return write([_issue(each) for each in found if each.weight in _SEVERITIES])


def _issue(found: Annotation) -> Json:
    return {
        "description": safe_text(found.sentence),
        "check_name": found.rule,
        "fingerprint": found.fingerprint,
        "severity": _SEVERITIES[found.weight],
        "location": {"path": safe_text(found.file.removeprefix("./")), "lines": {"begin": found.line}},
    }
