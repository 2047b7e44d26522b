"""The gate's limits and waivers, and ``edgeroi.yaml``: what the project decides for all its scenarios."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from edgeroi.errors import EdgeroiError
from edgeroi.scenario.overrides import places_of
from edgeroi.scenario.section import Findings, Section, check_version, choice_of, scalar_of, table_of, text_of
from edgeroi.spec import RULES, CheckSpec, GateLimits, Materiality, NamedRate, ProjectPolicy, Reason, Waiver
from edgeroi.units import DISCOUNT, HOURLY, MONTHLY, PER_REQUEST, SHARE, read_range
from edgeroi.yamltree import Listing, Node, Table, read_tree

POLICY_NAME = "edgeroi.yaml"


def load_policy(path: Path | str) -> ProjectPolicy:
    """The project's policy: named rates, discounts by provider, and limits of the gate. The same errors as of a scenario."""
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a policy: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    findings = Findings()
    top = Section(tree, "", findings)
    check_version(top)
    discounts = top.section("discounts")
    rates = top.section("rates")
    policy = ProjectPolicy(
        str(path),
        rates={name: rate for name in (rates.table.keys if rates else ()) if rates and (rate := _named_rate(rates, name))},
        discounts={
            name: share for name in (discounts.table.keys if discounts else ()) if discounts and (share := discounts.range(name, DISCOUNT))
        },
        check=_check_limits(top),
        places=dict(places_of(tree, "")),
    )
    top.close({"waivers": "waivers stand in the scenario they are about", "check": "write its keys here, without `check`"})
    findings.raise_any()
    return policy


def _named_rate(section: Section, name: str) -> NamedRate | None:
    """``support: 15 (5..40) USD/h``, or the same with ``why`` and ``by``; in USD/h or USD/request, as every rate of a scenario is."""
    node = section.node(name)
    if node is None:
        return None
    with section.findings.noting(node.place, section.at(name)):
        if re.match(r"[\d.$+-]", name):
            raise EdgeroiError("a rate's name begins with a letter", place=section.place(name))
        inner = Section(node, section.at(name), section.findings) if isinstance(node, Table) else None
        value = inner.node("rate", needed=True, fix=HOURLY.fix) if inner else node
        reason = inner.reason() if inner else Reason()
        if inner:
            inner.close()
        if value is None:
            return None
        text = scalar_of(value, HOURLY.fix).text
        with section.findings.noting(value.place, section.at(name)):
            read_range(text, PER_REQUEST if re.search(r"/\s*(request|req|miss)", text) else HOURLY)
        return NamedRate(text, reason, value.place)
    return None


def find_policy(start: Path | str) -> Path | None:
    """The nearest ``edgeroi.yaml`` beside a file or above it, up to the root of its repository (the folder that holds ``.git``)."""
    here = Path(start).resolve()
    for folder in (here, *here.parents) if here.is_dir() else here.parents:
        if (folder / POLICY_NAME).is_file():
            return folder / POLICY_NAME
        if (folder / ".git").exists():
            return None
    return None


def load_policy_beside(scenario: Path | str) -> ProjectPolicy | None:
    """The policy that holds for a scenario file, ``None`` where its project has none."""
    found = find_policy(scenario)
    return load_policy(found) if found else None


def gate_limits(check: CheckSpec, policy: ProjectPolicy | None = None) -> GateLimits:
    """The limits that hold: the project's where it states any, unless the scenario is stricter; else the scenario's, else the defaults.

    Stricter is a lower materiality, a higher share demanded for the edge, a higher share at which it fails, ``fail`` over ``warn``.
    """
    own, project = check, policy.check if policy else CheckSpec()
    floors = [each.materiality for each in (own, project) if each.materiality]
    default = GateLimits()
    return GateLimits(
        _lowest(floors) if floors else default.materiality,
        max((each for each in (own.edge_from, project.edge_from) if each is not None), default=default.edge_from),
        max((each for each in (own.fail_at, project.fail_at) if each is not None), default=default.fail_at),
        "fail" if "fail" in (own.on_undecided, project.on_undecided) else "warn",
    )


def _lowest(floors: list[Materiality]) -> Materiality:
    usd = [floor.usd_month for floor in floors if floor.usd_month is not None]
    ratios = [floor.ratio for floor in floors if floor.ratio is not None]
    return Materiality(min(usd, default=None), min(ratios, default=None))


def check_of(top: Section, workloads: tuple[str, ...] | None) -> CheckSpec:
    """What the scenario says about its gate."""
    section = top.section("check")
    if section is None:
        return CheckSpec()
    spec = _check_limits(section)
    waivers = section.read("waivers", lambda node: _waivers(node, section, workloads)) or ()
    section.close()
    return replace(spec, waivers=waivers)


def _check_limits(section: Section) -> CheckSpec:
    return CheckSpec(
        materiality=section.read("materiality", materiality_of),
        edge_from=section.share("edge_from"),
        fail_at=section.share("fail_at"),
        on_undecided=section.choice("on_undecided", ("warn", "fail")),
    )


def materiality_of(node: Node) -> Materiality:
    """``50 USD/month or 5%``, or one of the two."""
    example = "write it like `50 USD/month or 5%`"
    usd: float | None = None
    ratio: float | None = None
    for part in re.split(r"\s+or\s+", scalar_of(node, example).text.strip()):
        share = part.rstrip().endswith("%")
        if (ratio if share else usd) is not None:
            raise EdgeroiError("one limit in USD/month and one in %", place=node.place, fix=example)
        found = read_range(part, SHARE if share else MONTHLY)
        if not found.is_point:
            raise EdgeroiError("a limit is one number, not a range", place=node.place, fix=example)
        usd, ratio = (usd, found.likely) if share else (found.likely, ratio)
    return Materiality(usd, ratio)


def _waivers(node: Node, section: Section, workloads: tuple[str, ...] | None) -> tuple[Waiver, ...]:
    if not isinstance(node, Listing):
        example = "write `- {rule: edge-net, workload: search, why: ..., by: ..., expires: 2027-01-31}`"
        raise EdgeroiError("a list is wanted", place=node.place, fix=example)
    found = (_waiver(item, section, workloads) for item in node.items)
    return tuple(waiver for waiver in found if waiver)


def _waiver(node: Node, outer: Section, workloads: tuple[str, ...] | None) -> Waiver | None:
    with outer.findings.noting(node.place, outer.at("waivers")):
        section = Section(table_of(node), outer.at("waivers"), outer.findings)
        rule = section.choice("rule", RULES, needed=True)
        workload = section.read("workload", lambda each: choice_of(each, workloads) if workloads else text_of(each))
        why, by = section.text("why", needed=True, fix="say why"), section.text("by", needed=True, fix="say who waives it")
        expires = section.day("expires", needed=True)
        section.close()
        return Waiver(rule, workload, Reason(why, by), expires, node.place) if rule and expires else None
    return None
