"""Puts the policies of a workload together: parts resolved, and where requests are told apart, each part as it serves its own requests.

Rows of a log that a rule sends somewhere, or whose confidence a cascade doubts, are a narrower gathering of the same workload: latency,
failures, tokens and quality of a part are those of its own rows. Where a part was not measured on them, all of its rows stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from edgeroi.cuts import NUMERIC, Cut, raw_holds
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.hybrid import Part, Plan, hybrid
from edgeroi.option import Option, Traffic
from edgeroi.policy import Measure, Pairs
from edgeroi.request import COLUMNS
from edgeroi.spec import Cascade, Condition, Fallback, Hedge, OptionSpec, Policy, Route, RouteRule, Scenario, WorkloadSpec
from edgeroi.workload import Group

Among = Callable[[Group], bool]

#: First tokens are told apart by these ms where a policy waits for one: 8 bands a decade, each 33 % wide, from 1 ms to 100 s.
BANDS_MS = tuple(round(10 ** (n / 8), 3) for n in range(41))
#: Confidences a cascade's threshold is tried at besides the stated one.
THRESHOLDS = tuple(n / 10 for n in range(1, 10))


class Gathered(Protocol):
    """What assembling asks of a workload's gathering."""

    def named(self, name: str) -> OptionSpec:
        """An option of the workload or the scenario."""

    def option(self, spec: OptionSpec) -> Option:
        """An option that is no policy, resolved from the rows at hand."""

    def measured_at(self, spec: OptionSpec) -> tuple[Group, ...]:
        """The groups of requests that were measured at an option."""

    def asked(self) -> tuple[Group, ...]:
        """The groups of all requests of the workload, wherever they were served; none without a log."""

    def pairs(self, first: OptionSpec, then: OptionSpec, measure: Measure) -> Pairs | None:
        """How two options went together on requests that both were asked; ``None`` where the log does not pair them, or too few."""

    def tokens(self, served_by: OptionSpec | None = None) -> Traffic:
        """The tokens of the requests at hand, of those one option served where one is named."""

    def narrowed(self, among: Among) -> Self:
        """The same workload, of its requests only those."""


# ---- which columns are cut, and how ----------------------------------------------------------------------------------------


def asked_of_columns(policies: Iterable[OptionSpec], raw: Sequence[str]) -> tuple[tuple[str, ...], tuple[Cut, ...]]:
    """``(columns grouped by as they are, cuts)`` that these options need besides the ``raw`` ones."""
    conditions: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for spec in policies:
        if isinstance(spec.policy, Route):
            for condition in (condition for rule in spec.policy.rules for condition in rule.when):
                conditions.setdefault(condition.column, []).append((condition.test, condition.values))
        if isinstance(spec.policy, Fallback | Hedge) and spec.policy.watch == "ttft":
            # Told apart at the stated timeout too, so that what passes it is known and not only nearly so.
            limits = [("<=", (repr(limit),)) for limit in (*BANDS_MS, *((spec.policy.after.likely,) if spec.policy.after else ()))]
            conditions.setdefault("ttft_ms", []).extend(limits)
        if isinstance(spec.policy, Fallback | Hedge | Cascade):
            conditions.setdefault("pair_id", [])  # whether requests are paired at all; which ones, a second pass tells
        if isinstance(spec.policy, Cascade) and spec.policy.confidence is not None:
            limits = [("<", (repr(limit),)) for limit in (*THRESHOLDS, spec.policy.confidence)]
            conditions.setdefault("confidence", []).extend(limits)
    few = tuple(column for column in conditions if column not in raw and COLUMNS[column] not in (*NUMERIC, "label"))
    cuts = tuple(Cut.of(column, asked) for column, asked in conditions.items() if column not in (*raw, *few))
    return few, cuts


def policies_of(scenario: Scenario, workloads: Iterable[WorkloadSpec]) -> tuple[OptionSpec, ...]:
    """Every option of these workloads, and every option one of them is made of."""
    found: dict[int, OptionSpec] = {}

    def add(option: OptionSpec) -> None:
        found[id(option)] = option
        for part in option.policy.parts if option.policy else ():
            add(scenario.options[part])

    for workload in workloads:
        for option in workload.options.values():
            add(option)
    return tuple(found.values())


@dataclass(frozen=True)
class Rules:
    """The conditions of routes, asked of groups: by their cut where a column has one, else as the log tells it."""

    cuts: Mapping[str, Cut]

    def sent_to(self, rules: Sequence[RouteRule], group: Group) -> int:
        """The number of the first rule that fits; as many as there are where none does."""
        return next((n for n, rule in enumerate(rules) if all(self._holds(each, group) for each in rule.when)), len(rules))

    def _holds(self, condition: Condition, group: Group) -> bool:
        told, cut = group.key[condition.column], self.cuts.get(condition.column)
        return cut.holds(condition.test, condition.values, told) if cut else raw_holds(condition.test, condition.values, told)

    def sure(self, threshold: float, group: Group) -> bool:
        """Whether the answers of a group are at least so confident."""
        return self.cuts["confidence"].holds(">=", (repr(threshold),), group.key["confidence"])


# ---- putting together ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assembly:
    """The options of one workload, policies put together. ``leaves``: the options that are none, by name."""

    gathered: Gathered
    leaves: Mapping[str, Option]
    rules: Rules
    plans: dict[str, Plan] = field(default_factory=dict)

    def served(self, specs: Mapping[str, OptionSpec], baseline: str) -> Mapping[str, Option]:
        """These options in their order."""
        return {name: self._option(spec, baseline) for name, spec in specs.items()}

    def _option(self, spec: OptionSpec, baseline: str) -> Option:
        found = self._serving(spec.name)
        return found if isinstance(found, Option) else hybrid(found, baseline, spec.assume, spec.place)

    def _serving(self, name: str) -> Option | Plan:
        spec = self.gathered.named(name)
        if spec.policy is None:
            return self.leaves[name]
        if name not in self.plans:
            self.plans[name] = self._plan(spec)
        return self.plans[name]

    def _plan(self, spec: OptionSpec) -> Plan:
        policy = spec.policy
        assert policy is not None
        if isinstance(policy, Route):
            return Plan.of(spec.name, policy, self._routed(spec, policy))
        if isinstance(policy, Cascade) and policy.confidence is not None:
            plans = {limit: self._by_confidence(spec, policy, limit) for limit in sorted({*THRESHOLDS, policy.confidence})}
            return replace(plans[policy.confidence], by_confidence=tuple(plans.items()))
        first, *others = (Part(self._serving(part)) for part in policy.parts)
        if isinstance(policy, Cascade) and policy.kept_quality:
            first = replace(first, quality=policy.kept_quality, slot=f"{policy.first} ({spec.name})")
        return Plan.of(spec.name, policy, (first, *others), pairs=self._pairs(policy))

    def _pairs(self, policy: Policy) -> Pairs | None:
        """How its two parts were measured together, where both are options that were."""
        if not isinstance(policy, Fallback | Hedge | Cascade):
            return None
        first, then = (self.gathered.named(name) for name in policy.parts)
        if first.policy or then.policy or not (self.leaves[first.name].measured and self.leaves[then.name].measured):
            return None
        watch = "e2e" if isinstance(policy, Cascade) else policy.watch
        return self.gathered.pairs(first, then, watch or ("e2e" if self.leaves[first.name].e2e else "ttft"))

    # ---- where requests are told apart ----

    def _routed(self, spec: OptionSpec, policy: Route) -> tuple[Part, ...]:
        groups = self.gathered.asked()
        untold = self._untold(policy, groups)
        if untold is not None:
            return self._routed_as_stated(spec, policy, untold)
        total = sum(group.tally.requests for group in groups)
        parts = []
        for place, to in enumerate(policy.parts):
            requests = sum(group.tally.requests for group in groups if self.rules.sent_to(policy.rules, group) == place)
            share = Range.point(requests / total, f"options.{spec.name}.route.{place + 1}", "measured")
            parts.append(replace(self._narrowed(to, lambda group, n=place: self.rules.sent_to(policy.rules, group) == n), share=share))  # type: ignore[misc]
        return tuple(replace(part, slot=f"{to} ({spec.name} {n})") for n, (part, to) in enumerate(zip(parts, policy.parts, strict=True), 1))

    def _untold(self, policy: Route, groups: Sequence[Group]) -> str | None:
        """A column that a rule asks for and no request tells; ``None`` where all are told."""
        columns = dict.fromkeys(condition.column for rule in policy.rules for condition in rule.when)
        return next((column for column in columns if all(group.key[column] is None for group in groups)), None)

    def _routed_as_stated(self, spec: OptionSpec, policy: Route, untold: str) -> tuple[Part, ...]:
        if any(rule.share is None for rule in policy.rules):
            said = f"which requests {spec.name} sends where is not known: no log of the workload tells {untold}"
            raise EdgeroiError(said, place=spec.place, key=f"options.{spec.name}.route", fix="state `share: 20%` in each rule")
        return (*(Part(self._serving(rule.to), share=rule.share) for rule in policy.rules), Part(self._serving(policy.otherwise)))

    def _narrowed(self, name: str, among: Among, served_by: OptionSpec | None = None) -> Part:
        """A part as it serves these requests; as it serves all where it was not measured on them."""
        inner, spec = self.gathered.narrowed(among), self.gathered.named(name)
        at_hand = inner.asked() if served_by is None else inner.measured_at(served_by)
        tokens = inner.tokens(served_by) if at_hand else None
        if spec.policy is None:
            measured = not self.leaves[name].measured or bool(inner.measured_at(spec))
            return Part(inner.option(spec) if measured else self.leaves[name], tokens)
        narrower = replace(self, gathered=inner, leaves={**self.leaves, **self._leaves_of(spec, inner)}, plans={})
        return Part(narrower._serving(name))

    def _leaves_of(self, spec: OptionSpec, inner: Gathered) -> Mapping[str, Option]:
        found: dict[str, Option] = {}
        for part in spec.policy.parts if spec.policy else ():
            below = self.gathered.named(part)
            if below.policy:
                found |= self._leaves_of(below, inner)
            elif not self.leaves[part].measured or inner.measured_at(below):
                found[part] = inner.option(below)
        return found

    def _by_confidence(self, spec: OptionSpec, policy: Cascade, threshold: float) -> Plan:
        """The cascade that keeps the answers of at least this confidence."""
        first = self.gathered.named(policy.first)
        groups = self.gathered.measured_at(first) if first.policy is None else ()
        if all(group.key["confidence"] is None for group in groups):
            said = f"no log of {policy.first} tells the confidence of its answers"
            fix = "state `escalated: 20%` instead, or give a log with `confidence`"
            raise EdgeroiError(said, place=spec.place, key=f"options.{spec.name}.cascade.confidence", fix=fix)
        doubted = sum(group.tally.requests for group in groups if not self.rules.sure(threshold, group))
        share = doubted / sum(group.tally.requests for group in groups)
        sides = {
            side: replace(self._narrowed(policy.first, among, first), slot=f"{policy.first} ({spec.name} {side})")
            for side, among in (
                ("sure", lambda group: self.rules.sure(threshold, group)),
                ("doubted", lambda group: not self.rules.sure(threshold, group)),
            )
        }
        then = Part(self._serving(policy.then))
        if isinstance(then.serves, Option):
            then = replace(then, traffic=sides["doubted"].traffic, slot=f"{policy.then} ({spec.name})")
        escalated = Range.point(share, f"options.{spec.name}.cascade.escalated", "measured")
        return Plan.of(spec.name, policy, (sides["sure"], sides["doubted"], then), escalated)
