"""Scenarios and the project's policy, read from YAML into the values of ``edgeroi.spec``.

Strict: an unknown key, a number without its unit, a name nobody defined, a policy that leads back to itself are errors with file,
line and column, the key and what to write; all mistakes of a file are told at once. Overrides (``--set PATH=VALUE``) change the
tree before it is read, so they are held to the same rules. Logs named here have to exist; nothing else is looked at.
"""

from edgeroi.scenario.options import price_of
from edgeroi.scenario.overrides import Overrides
from edgeroi.scenario.project import POLICY_NAME, find_policy, gate_limits, load_policy, load_policy_beside
from edgeroi.scenario.reading import load_scenario, load_scenarios, scenario_files, scenario_of
from edgeroi.scenario.routes import RouteFile, load_routes, shipped_routes
from edgeroi.scenario.section import Findings, ManyErrors

__all__ = [
    "POLICY_NAME",
    "Findings",
    "ManyErrors",
    "Overrides",
    "RouteFile",
    "find_policy",
    "gate_limits",
    "load_policy",
    "load_policy_beside",
    "load_routes",
    "load_scenario",
    "load_scenarios",
    "price_of",
    "scenario_files",
    "scenario_of",
    "shipped_routes",
]
