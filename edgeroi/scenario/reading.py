"""Scenario files into ``Scenario`` values: the file as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgeroi.errors import EdgeroiError, Place
from edgeroi.scenario.logs import log_of
from edgeroi.scenario.options import option_of
from edgeroi.scenario.overrides import Overrides, overridden, override_of, places_of
from edgeroi.scenario.policies import check_references
from edgeroi.scenario.project import POLICY_NAME, check_of, load_policy_beside
from edgeroi.scenario.section import Findings, Section, check_version, scalar_of, stated_or, table_of
from edgeroi.scenario.workloads import workload_of
from edgeroi.spec import ProjectPolicy, Scenario
from edgeroi.units import MONTHS, SHARE, read_range
from edgeroi.yamltree import MAX_BYTES, Node, Table, read_tree


def load_scenario(path: Path | str, overrides: Overrides = (), policy: ProjectPolicy | None = None) -> Scenario:
    """One scenario file. ``overrides``: ``PATH=VALUE`` texts or pairs; ``policy``: whose named rates it may use.

    Raises ``EdgeroiError`` with file, line and column; several mistakes come as one ``ManyErrors``.
    """
    return scenario_of(read_tree(path), Path(path), overrides, policy)


def load_scenarios(paths: Iterable[Path | str], overrides: Overrides = (), policy: ProjectPolicy | None = None) -> tuple[Scenario, ...]:
    """Scenario files, and all ``.yaml`` and ``.yml`` files of a folder and below, each once; ``policy`` as found beside each if not given.

    In a folder, files without a line that begins with ``workloads`` or ``edgeroi`` are passed over (mappings, price files), and those with
    ``policies`` but no ``workloads``, which ``edgeroi route`` reads.
    """
    found: dict[Path, Scenario] = {}
    for path in map(Path, paths):
        for file in scenario_files(path):
            if file.resolve() not in found:
                found[file.resolve()] = load_scenario(file, overrides, policy or load_policy_beside(file))
    return tuple(found.values())


def scenario_files(path: Path) -> tuple[Path, ...]:
    """The file itself; of a folder, the scenarios in it and below, in the order of their names. None in it is an error."""
    if not path.is_dir():
        return (path,)
    found = tuple(file for file in yaml_files(path) if file.name != POLICY_NAME and _looks_like_a_scenario(file))
    if not found:
        raise EdgeroiError("no scenario in this folder", place=Place(str(path)), fix="a scenario is a .yaml file with `workloads`")
    return found


def _looks_like_a_scenario(file: Path) -> bool:
    """Whether it has workloads, or begins as a scenario and is no policy file."""
    return begins_with(file, "workloads") or (begins_with(file, "edgeroi") and not begins_with(file, "policies"))


def yaml_files(folder: Path) -> tuple[Path, ...]:
    """The YAML files in a folder and below, in the order of their names; what is hidden is left alone."""
    every = (file for file in folder.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
    return tuple(sorted(file for file in every if not any(part.startswith(".") for part in file.relative_to(folder).parts)))


def begins_with(file: Path, *keys: str) -> bool:
    """Whether one of these keys begins a line of the file: told without parsing, so that a broken file of ours is not passed over."""
    with file.open("rb") as opened:
        text = opened.read(MAX_BYTES)
    names = "|".join(keys)
    return re.search(rf"^(?:\xef\xbb\xbf)?(?:{{\s*)?[\"']?(?:{names})[\"']?\s*:".encode(), text, re.MULTILINE) is not None


def scenario_of(tree: Node, path: Path, overrides: Overrides = (), policy: ProjectPolicy | None = None) -> Scenario:
    """The scenario a tree states."""
    file, given = str(path), tuple(override_of(each) for each in overrides)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a scenario: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    for target, value in given:
        tree = overridden(tree, target, value)
    findings = Findings(rates=policy.rates if policy else {})
    scenario = _scenario(Section(tree, "", findings), path, findings)
    findings.raise_any()
    return replace(scenario, file=file, places=dict(places_of(tree, "")), overrides=given)


def _scenario(top: Section, path: Path, findings: Findings) -> Scenario:
    check_version(top)
    folder = path.parent
    name = top.text("name") or path.name.partition(".")[0]
    log = log_of(top, folder)
    options = {key: option for key, inner in top.sections("options") if (option := option_of(inner, key, folder))}
    check_references(options, top)
    workloads = {key: workload_of(inner, key, options, log, folder) for key, inner in top.sections("workloads", needed=True)}
    if top.has("workloads") and not workloads and not findings.errors:
        top.refuse("workloads", "no workload", "name one below `workloads`")
    scenario = Scenario(
        name=name,
        file=str(path),
        workloads={key: workload for key, workload in workloads.items() if workload},
        options=options,
        log=log,
        prices_as_of=top.day("prices_as_of"),
        horizon_months=stated_or(top.number("horizon", MONTHS), 12.0),
        discount_rate=stated_or(top.share("discount_rate"), 0.0),
        seen_from=top.choice("seen_from", ("client", "gateway", "server")),
        sampling=top.read("sampling", _sampling),
        users_in=top.read("users_in", lambda node: _users_in(Section(table_of(node), "users_in", findings))) or {},
        check=check_of(top, tuple(workloads)),
    )
    top.close()
    return scenario


def _sampling(node: Node) -> float | Literal["tail"]:
    text = scalar_of(node).text
    if text == "tail":
        return "tail"
    share = read_range(text, SHARE)
    if not share.is_point or not share.likely > 0:
        raise EdgeroiError("sampling is the share of requests the log keeps", place=node.place, fix="write it like `10%`, or `tail`")
    return share.likely


def _users_in(section: Section) -> Mapping[str, float]:
    shares = {region: section.share(region) for region in section.table.keys}
    total = sum(share for share in shares.values() if share is not None)
    if None not in shares.values() and abs(total - 1) > 0.001:
        raise EdgeroiError(f"the shares add up to {total:.4g}, not to 1", fix="make them add up to 100%")
    return {region: share for region, share in shares.items() if share is not None}
