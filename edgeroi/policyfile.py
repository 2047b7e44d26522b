"""Policies by themselves, stated as in a scenario, for an executor to run: from a YAML file, or from a mapping.

A file holds ``edgeroi: 1`` and ``policies:``, names over policies; their parts are policies of the file, or calls that only the
application knows::

    edgeroi: 1
    policies:
      safe: {fallback: {first: edge, then: cloud, after: 500 ms}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeroi.errors import EdgeroiError
from edgeroi.scenario.policies import POLICIES, policy_option
from edgeroi.scenario.section import Findings, Section, check_version
from edgeroi.spec import OptionSpec, Policy
from edgeroi.steering import circle_of
from edgeroi.yamltree import Node, Table, parse_tree, read_tree


def load_policies(path: Path | str) -> Mapping[str, Policy]:
    """The policies of a file. Raises ``EdgeroiError`` with file, line and column; several mistakes come together."""
    return _read(read_tree(path))


def policies_of(stated: Mapping[str, Any]) -> Mapping[str, Policy]:
    """The policies that a mapping states as a file's ``policies:`` would, held to the same rules."""
    return _read(parse_tree(json.dumps({"edgeroi": 1, "policies": stated}), "policies"))


def _read(tree: Node) -> Mapping[str, Policy]:
    if not isinstance(tree, Table):
        raise EdgeroiError("no policies: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1` and `policies:`")
    findings = Findings()
    top = Section(tree, "", findings)
    check_version(top)
    options = {name: option for name, inner in top.sections("policies", needed=True) if (option := _option(name, inner))}
    top.close()
    policies = {name: option.policy for name, option in options.items() if option.policy}
    for name, option in options.items():
        if (circle := circle_of(name, policies)) and name == min(circle):  # each is told once
            said = f"the policy leads back to itself: {' -> '.join(circle)}"
            findings.errors.append(EdgeroiError(said, place=option.place, key=f"policies.{name}", fix="break the circle"))
    findings.raise_any()
    return policies


def _option(name: str, inner: Section) -> OptionSpec | None:
    kinds = [kind for kind in POLICIES if inner.has(kind)]
    if not kinds:
        inner.findings.errors.append(
            EdgeroiError("no policy", place=inner.table.place, key=inner.path, fix=f"state one of {', '.join(POLICIES)}")
        )
        return None
    return policy_option(inner, name, kinds)
