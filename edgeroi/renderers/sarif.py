"""SARIF 2.1.0, as GitHub code scanning and editors read it: a result per finding, at the line of the scenario it is about.

Rules that passed are no results. A waived finding is one that is suppressed, with the waiver as its justification. A result is known
again by its ``partialFingerprints``, whatever its line and its amounts are by then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from urllib.parse import quote

from edgeroi.annotation import Annotation, Weight, annotated, speaking
from edgeroi.gate import RULE_HELP
from edgeroi.renderers import Page
from edgeroi.renderers._plain import safe_text
from edgeroi.renderers.json import write
from edgeroi.report import Json, Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: A finding's weight in SARIF's words; what is waived would have been an error.
_LEVELS: Mapping[Weight, str] = {"fail": "error", "undecided": "error", "warning": "warning", "waived": "error"}


def render(report: Report, page: Page) -> str:
    """The document's findings as one run; ``page`` does not matter."""
    found = speaking(annotated(report.document))
    rules = tuple(RULE_HELP)
    driver: dict[str, Json] = {
        "name": "edgeroi",
        "semanticVersion": str(report.document.get("edgeroi_version") or "0.0.0"),
        "rules": [_rule(rule) for rule in rules],
    }
    run: dict[str, Json] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "edgeroi/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, rules) for each in found],
    }
    return write({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: str) -> Json:
    asks, help_text = RULE_HELP[rule]
    level = "warning" if rule in ("stale-price", "edge-uncovered", "policy-weakened") else "error"
    return {
        "id": rule,
        "name": "".join(part.capitalize() for part in rule.split("-")),
        "shortDescription": {"text": asks},
        "fullDescription": {"text": help_text},
        "help": {"text": f"{asks}. {help_text}"},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["cost", "edge"]},
    }


def _result(found: Annotation, rules: Sequence[str]) -> Json:
    place: dict[str, Json] = {
        "artifactLocation": _location(found.file),
        "region": {"startLine": found.line},
    }
    name = f"{found.scenario}/{found.workload}" if found.workload else found.scenario
    result: dict[str, Json] = {
        "ruleId": found.rule,
        **({"ruleIndex": rules.index(found.rule)} if found.rule in rules else {}),
        "level": _LEVELS[found.weight],
        "message": {"text": _message(found.sentence)},
        "locations": [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": safe_text(name)}]}],
        "partialFingerprints": {"edgeroiFinding/v1": found.fingerprint},
        "properties": {"status": found.weight, "value": found.value, "limit": found.limit},
    }
    if found.weight == "waived":
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": safe_text(found.message)}]
    return result


def _location(file: str) -> Json:
    """A path inside the repository, relative to its root; an absolute one as the address it is."""
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": f"file://{quote(path.as_posix(), errors='replace')}"}
    return {"uri": quote(path.as_posix(), errors="replace"), "uriBaseId": "%SRCROOT%"}


def _message(raw: str) -> str:
    r"""Text in which nothing is a link: SARIF takes ``[words](place)`` for one, and ``\[`` for a bracket."""
    return re.sub(r"[\\\[\]]", lambda found: f"\\{found[0]}", safe_text(raw))
