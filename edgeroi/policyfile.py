"""The policies of a scenario or a policy file, for an executor to run: who may serve requests, and the policies over them.

Only ``options`` are looked at, and of those the policies; what an option costs and how fast it is, other commands ask. An application
gives a call for each option that is no policy::

    edgeroi: 1
    options:
      edge: {placement: edge}
      cloud: {placement: cloud}
      safe: {fallback: {first: edge, then: cloud, after: 500 ms}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeroi.errors import EdgeroiError
from edgeroi.scenario import shipped_route, shipped_routes
from edgeroi.scenario.policies import POLICIES, check_references, policy_option
from edgeroi.scenario.section import Findings, Section, check_version
from edgeroi.spec import OptionSpec, Policy
from edgeroi.yamltree import Table, parse_tree, read_tree


def load_policies(path: Path | str) -> Mapping[str, Policy]:
    """The policies by name of a file, or of one that is shipped by its name (``article``).

    Raises ``EdgeroiError`` with file, line and column; several mistakes come together.
    """
    if str(path) in shipped_routes() and not Path(path).exists():
        with shipped_route(str(path)) as shipped:
            return load_policies(shipped)
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("no policies: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1` and `options:`")
    findings = Findings()
    top = Section(tree, "", findings)
    check_version(top)
    options = _policies_in(top)
    check_references(options, top)
    if not options and not findings.errors:
        top.refuse("options", "no policy", f"state one of {', '.join(POLICIES)}")
    return _checked(options, findings)


def policies_of(options: Mapping[str, Any]) -> Mapping[str, Policy]:
    """The same of a mapping that says what a file's ``options`` would; parts may be missing in it, an executor knows its calls."""
    tree = parse_tree(json.dumps({"options": options}), "options")
    assert isinstance(tree, Table)
    findings = Findings()
    return _checked(_policies_in(Section(tree, "", findings)), findings)


def _policies_in(top: Section) -> dict[str, OptionSpec]:
    found = {name: policy_option(inner, name, kinds) for name, inner in top.sections("options", needed=True) if (kinds := _kinds(inner))}
    return {name: option for name, option in found.items() if option}


def _kinds(inner: Section) -> list[str]:
    return [kind for kind in POLICIES if inner.has(kind)]


def _checked(options: Mapping[str, OptionSpec], findings: Findings) -> Mapping[str, Policy]:
    findings.raise_any()
    return {name: option.policy for name, option in options.items() if option.policy}
