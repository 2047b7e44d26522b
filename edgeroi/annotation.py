"""The findings of a check as other programs show them beside a file: read from its JSON document, one after the other.

A finding's ``fingerprint`` is the same as long as it is about the same rule, workload and subject of the same file: it holds no line,
no place in a list and no figure, so that a code host recognises a finding after lines moved and amounts changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

#: What a reader should do with it: a failed gate, no answer where one is needed, something to look at, something accepted, nothing.
Weight = Literal["fail", "undecided", "warning", "waived", "pass"]
WEIGHTS: tuple[Weight, ...] = ("fail", "undecided", "warning", "waived", "pass")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One rule's word about one workload, with the value it found beside the limit, and where it stands."""

    scenario: str
    file: str
    line: int
    rule: str
    workload: str | None
    weight: Weight
    message: str
    limit: float | None = None
    value: float | None = None
    subject: str = ""
    verdict: str = ""

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that stay the same while the finding is the same."""
        parts = (self.file, self.rule, self.workload or "", self.subject)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def sentence(self) -> str:
        """``summaries: net at most ... (edge-net: -195 against a limit of -50)``."""
        found = "" if self.value is None else f": {self.value:,.6g}"
        limit = "" if self.limit is None else f" against a limit of {self.limit:,.6g}"
        about = f"{self.workload}: " if self.workload and not self.message.startswith(f"{self.workload}:") else ""
        return f"{about}{self.message} ({self.rule}{found}{limit if found else ''})"


def annotated(document: Mapping[str, Any]) -> tuple[Annotation, ...]:
    """Every finding of a check, scenario by scenario, then those that belong to none."""
    found = [each for scenario in document.get("scenarios", ()) for each in _of_scenario(scenario)]
    return (*found, *_about_none(document))


def beside(document: Mapping[str, Any]) -> tuple[Annotation, ...]:
    """The findings that are about no workload of a scenario: sums, configurations, logs, the policy."""
    shared = [_annotation(c, each["name"], each["file"], "") for each in document.get("scenarios", ()) for c in each.get("checks", ())]
    return (*shared, *_about_none(document))


def speaking(found: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """Those that a reviewer has to know of: all but rules that passed."""
    return tuple(each for each in found if each.weight != "pass")


def gravest(found: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """The same, the gravest first; of equals, those that stand first."""
    return tuple(sorted(found, key=lambda each: WEIGHTS.index(each.weight)))


def _about_none(document: Mapping[str, Any]) -> Iterator[Annotation]:
    return (_annotation(check, "", check["file"] or "", "") for check in document.get("checks", ()))


def _of_scenario(scenario: Mapping[str, Any]) -> Iterator[Annotation]:
    for workload in scenario["workloads"]:
        for check in workload["checks"]:
            yield _annotation({**check, "workload": workload["workload"]}, scenario["name"], scenario["file"], workload["verdict"])
    for check in scenario.get("checks", ()):
        yield _annotation(check, scenario["name"], scenario["file"], "")


def _annotation(check: Mapping[str, Any], scenario: str, file: str, verdict: str) -> Annotation:
    return Annotation(
        scenario,
        check["file"] or file,
        check["line"] or 1,
        check["rule"],
        check.get("workload"),
        weight_of(check["level"], check["status"]),
        check["message"],
        check["limit"],
        check["value"],
        check.get("subject") or "",
        verdict,
    )


def weight_of(level: str, status: Weight) -> Weight:
    """How much a finding weighs: a warning never fails, and a waived one is a matter of record."""
    return "warning" if level == "warning" and status != "waived" else status
