"""Does this change spend money on the edge without a reason: the rules, each with its value and its limit side by side.

A rule is ``pass``, ``fail``, ``undecided`` (an answer was asked for and there is none) or ``waived``; a warning never fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.cost import Cost, combined, total
from edgeroi.economics import Books
from edgeroi.errors import Place
from edgeroi.option import Tariff
from edgeroi.prices import Unpriced, concerns
from edgeroi.spec import GateLimits, Waiver
from edgeroi.verdict import Case, Decision, deadline_name, dollars, has_value, needs_of, p_words, signed

Floats = NDArray[np.float64]
Status = Literal["pass", "fail", "undecided", "waived"]
Level = Literal["error", "warning"]
Outcome = Literal["pass", "fail", "undecided"]

#: What each rule asks, and what to do where it fails: for whoever meets it in a pull request for the first time.
RULE_HELP: Mapping[str, tuple[str, str]] = {
    "edge-net": (
        "The edge earns its premium",
        "What the lower latency is worth, less what the edge costs more, may fall below zero only by the materiality floor. State what "
        "waiting costs and who says so, move the workload back, or waive the rule with a reason and a day on which the waiver ends.",
    ),
    "edge-value-undeclared": (
        "An edge that costs more says what for",
        "The edge costs more than the floor and the scenario declares no value. Add `value:` with `why` and `by`; the message holds the "
        "amount that would pass.",
    ),
    "needs": (
        "Stated needs are met",
        "The option the workload runs on misses a deadline, a residency, a quality or a load the scenario states as a need. Change the "
        "option, or the need with its reason.",
    ),
    "edge-uncovered": (
        "Every use of the edge has a scenario",
        "A log or a configuration uses the edge for something no scenario answers for. Add a workload whose `runs_on` is that edge.",
    ),
    "max-premium": (
        "A requirement keeps to its price",
        "The edge is required, and costs more than `max_premium` allows. Raise the cap with whoever owns it, or find a cheaper option.",
    ),
    "price-missing": (
        "Edge spend has a price",
        "Nobody knows what the edge costs here, so nothing can be said for it. Name a price or state one: `edgeroi prices list` shows "
        "those that are known.",
    ),
    "data-missing": (
        "Edge spend has data",
        "Volume or latency is not known, or too little of it to decide. State it, name a log, or measure with `edgeroi probe`.",
    ),
    "stale-price": (
        "Prices are recent",
        "A price was read more than 180 days before. Look it up again.",
    ),
    "policy-weakened": (
        "The policy is not loosened by the change it judges",
        "The project's edgeroi.yaml allows more than the base branch's does. This change is judged by the old one; the new one holds once "
        "its owners have merged it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule applied to one workload (``None``: to all of a scenario): what was found, against which limit, and where it stands.

    ``subject`` tells apart what a rule can say of one workload several times (a need, an option); it holds no figure, so that it stays
    the same while the finding does.
    """

    rule: str
    workload: str | None
    level: Level
    status: Status
    message: str
    limit: float | None = None
    value: float | None = None
    place: Place | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a scenario's limits and waivers are, on which day."""

    limits: GateLimits
    waivers: tuple[Waiver, ...]
    today: date

    def floor_usd(self, baseline_usd_month: float) -> float:
        """Below which a loss is not worth an argument: the larger of the stated amount and the share of the baseline's cost."""
        materiality = self.limits.materiality
        return max(materiality.usd_month or 0.0, (materiality.ratio or 0.0) * baseline_usd_month)

    def waive(self, finding: Finding) -> Finding:
        """The finding, waived where a waiver that has not expired covers it; an expired one is named."""
        covering = [waiver for waiver in self.waivers if waiver.rule == finding.rule and waiver.workload in (None, finding.workload)]
        if finding.status not in ("fail", "undecided") or not covering:
            return finding
        holding = next((waiver for waiver in covering if waiver.holds(self.today)), None)
        if holding is None:
            return replace(finding, message=f"{finding.message}; the waiver by {covering[0].reason.by} expired on {covering[0].expires}")
        said = f"waived by {holding.reason.by} until {holding.expires}: {holding.reason.why}"
        return replace(finding, status="waived", message=f"{finding.message}; {said}")


def outcome(findings: Sequence[Finding]) -> Outcome:
    """``fail`` beats ``undecided`` beats ``pass``."""
    statuses = {finding.status for finding in findings if finding.level == "error"}
    return "fail" if "fail" in statuses else "undecided" if "undecided" in statuses else "pass"


def findings_of(decision: Decision, gate: Gate) -> tuple[Finding, ...]:
    """Every rule that speaks about one workload."""
    case = decision.case
    found = [*_missing(case), *_judged(decision, gate), *_stale(case, gate.today), *_better(decision)]
    return tuple(gate.waive(finding) for finding in found)


def _on_edge(case: Case) -> bool:
    return case.runs_on is not None and case.runs_on in case.options and case.options[case.runs_on].at_edge


def _missing(case: Case) -> Iterator[Finding]:
    """A declared edge without a price or without data: no data is never a pass."""
    status: Status = "undecided"
    level: Level = "error" if _on_edge(case) else "warning"
    if case.missing_price:
        yield Finding("price-missing", case.workload, level, status, case.missing_price, place=case.place)
    if case.volume_unknown:
        yield Finding("data-missing", case.workload, level, status, case.volume_unknown, place=case.place)
    elif has_value(case) and case.books.saved is None and not case.books.candidate.overload:
        why = case.books.candidate.unknown_latency or case.books.baseline.unknown_latency or "latency unknown"
        yield Finding("data-missing", case.workload, level, status, why, place=case.place)
    elif has_value(case) and case.doubts:
        yield Finding("data-missing", case.workload, level, status, case.doubts[0], place=case.place)


def _judged(decision: Decision, gate: Gate) -> Iterator[Finding]:
    case = decision.case
    if case.missing_price or case.volume_unknown:
        return
    if case.runs_on and case.runs_on in case.options:
        yield from _needs(decision, gate)
    if _on_edge(case):
        yield from _required(decision) if decision.verdict == "required" else _money(decision, gate)


def _needs(decision: Decision, gate: Gate) -> Iterator[Finding]:
    """Every stated need of the option the workload runs on."""
    case = decision.case
    assert case.runs_on is not None
    if overload := case.options[case.runs_on].overload:
        yield Finding("needs", case.workload, "error", "fail", overload, place=case.place, subject="capacity")
    for need, met in needs_of(case, case.options[case.runs_on]).items():
        status: Status = {"meets": "pass", "misses": "fail", "unknown": "undecided"}[met]  # type: ignore[assignment]
        said = {"meets": "meets", "misses": "misses", "unknown": "is not known to meet"}[met]
        limit, value = _measured(case, need)
        about = need.partition(" ")[0]  # `p95 < 800 ms`: its limit may move
        yield Finding("needs", case.workload, "error", status, f"{case.runs_on} {said} {need}", limit, value, case.place, about)


def _measured(case: Case, need: str) -> tuple[float | None, float | None]:
    """The limit of a need and what the option the workload runs on has, where both are numbers."""
    assert case.runs_on is not None
    option = case.options[case.runs_on]
    if need == "quality":
        return case.needs.min_quality, option.quality.likely if option.quality else None
    latency = case.books.latency_of(option)
    for p, limit in case.needs.deadline:
        if need == deadline_name(p, limit):
            return limit.likely, latency.quantile(p) if latency else None
    return None, None


def _required(decision: Decision) -> Iterator[Finding]:
    """A required placement never fails on what it earns, only on a stated cap of its premium."""
    case, cap = decision.case, decision.case.needs.max_premium
    premium = decision.books.likely.premium
    if cap is None:
        return
    status: Status = "fail" if premium > cap.likely else "pass"
    said = f"the requirement costs {dollars(premium)} a month, {dollars(cap.likely)} is the most it may"
    yield Finding("max-premium", case.workload, "error", status, said, cap.likely, premium, case.place)


def _money(decision: Decision, gate: Gate) -> Iterator[Finding]:
    """``edge-value-undeclared`` where nobody says what the premium buys, else ``edge-net``."""
    case, books = decision.case, decision.books
    floor = gate.floor_usd(_baseline_usd(books))
    if not has_value(case):
        premium = books.likely.premium
        status: Status = "fail" if premium > floor else "pass"
        said = f"{case.runs_on} costs {dollars(premium)} a month more than {case.baseline} and no value is declared"
        fix = f"; to pass, state what it is worth: {_passing(books)}" if status == "fail" else ""
        yield Finding("edge-value-undeclared", case.workload, "error", status, said + fix, floor, premium, case.place)
    elif books.saved is not None and not case.doubts:
        net = books.prospect.net if books.prospect else books.likely.net
        status, high, said = _held(net, floor, gate.limits.fail_at, at_best=books.candidate.best_case)
        yield Finding("edge-net", case.workload, "error", status, said, -floor, high, case.place)


def _held(net: Floats | float, floor: float, fail_at: float, *, at_best: bool) -> tuple[Status, float, str]:
    """Net against the floor: where it is drawn, a loss beyond the floor has to be all but certain (in 1 - ``fail_at`` of the worlds).

    ``at_best``: net is that of a best case, the most it can be. With the value that stands beside the limit: net, or the most it is in
    that share of the worlds.
    """
    may = f"{dollars(floor)} may be lost"
    if isinstance(net, float) or not np.ptp(net):
        high = float(np.max(net))
        return "fail" if high < -floor else "pass", high, f"net {signed(high)} a month, {may}"
    high, p = float(np.quantile(net, 1 - fail_at)), p_words(float(np.mean(net >= 0)), at_best=at_best)
    status: Status = "fail" if float(np.mean(net >= -floor)) <= fail_at else "pass"
    return status, high, f"net at most {signed(high)} a month in {100 * (1 - fail_at):g} % of worlds, {may}{f'; {p}' if p else ''}"


def _passing(books: Books) -> str:
    """The value that would cover the premium, in the scenario's words; no rate of waiting where nobody would notice the saving."""
    each = f"a thousand requests must be worth {dollars(books.break_even['usd_per_1k_requests'])} more"
    waiting, seen = books.break_even["waiting_usd_per_hour"], books.noticed
    if waiting is None or seen is None:
        return each
    if books.stakes.felt is not None and not seen.at_p50:
        return f"{each}, and not as time saved: that is felt from {seen.felt_from_ms:,.0f} ms on"
    step = 10.0 ** (math.floor(math.log10(waiting)) - 2)
    return f"value: {{waiting: {math.ceil(waiting / step) * step:.3g} USD/h, why: ..., by: ...}} or more"


def _baseline_usd(books: Books) -> float:
    return books.likely.cost - books.likely.premium


def _stale(case: Case, today: date) -> Iterator[Finding]:
    sides = {part.name: part for side in (case.books.baseline, case.books.candidate) for part in (side.parts or (side,))}
    for option in sides.values():
        if not isinstance(option.tariff, Tariff):
            continue
        for concern in concerns(option.tariff.price, today):
            if concern.rule == "stale-price":
                place = option.place or case.place
                yield Finding("stale-price", case.workload, "warning", "pass", concern.message, place=place, subject=option.name)


def _better(decision: Decision) -> Iterator[Finding]:
    """A better third option, and a cheaper place for the same model, are warnings."""
    case = decision.case
    runs_on = case.runs_on or case.baseline
    if decision.best not in (runs_on, case.baseline) and decision.regret > 0:
        said = f"{decision.best} is better by {dollars(decision.regret)} a month"
        yield Finding("edge-net", case.workload, "warning", "pass", said, value=decision.regret, place=case.place, subject="better option")
    if case.cheapest_same_model and _on_edge(case):
        name, less = case.cheapest_same_model
        said = f"{name} serves the same model off the edge for {dollars(less)} a month less"
        yield Finding("edge-net", case.workload, "warning", "pass", said, value=less, place=case.place, subject="same model")


def sum_findings(decisions: Sequence[Decision], gate: Gate) -> tuple[Finding, ...]:
    """Materiality on the sum: workloads that each lose too little to matter may together lose enough."""
    edge = [decision for decision in decisions if _weighed(decision) and not _waived(decision, gate)]
    if len(edge) < 2:
        return ()
    nets = [d.books.prospect.net if d.books.prospect else d.books.likely.net for d in edge if has_value(d.case)]
    lost = sum(nets, -sum(d.books.likely.premium for d in edge if not has_value(d.case)) + _shared_usd(edge))
    floor = gate.floor_usd(sum(_baseline_usd(d.books) for d in edge))
    at_best = any(decision.books.candidate.best_case for decision in edge)
    status, high, said = _held(lost, floor, gate.limits.fail_at, at_best=at_best)
    return (gate.waive(Finding("edge-net", None, "error", status, f"all edge workloads together: {said}", -floor, high)),)


def _weighed(decision: Decision) -> bool:
    """Whether the gate knows what an edge workload loses: not of requirements, nor where price, volume or latency is missing."""
    case = decision.case
    if not _on_edge(case) or decision.verdict == "required" or case.missing_price or case.volume_unknown:
        return False
    return not has_value(case) or (case.books.saved is not None and not case.doubts)


def _waived(decision: Decision, gate: Gate) -> bool:
    """Whether somebody accepted this workload's loss by name: the sum does not bring it up again."""
    rule = "edge-net" if has_value(decision.case) else "edge-value-undeclared"
    named = (waiver for waiver in gate.waivers if waiver.rule == rule and waiver.workload == decision.case.workload)
    return any(waiver.holds(gate.today) for waiver in named)


def _shared_usd(decisions: Sequence[Decision]) -> float:
    """What counting account-wide fees and allowances once takes off the sum of the premiums; negative where an allowance runs out."""
    return _counted_twice(d.books.candidate_cost for d in decisions) - _counted_twice(d.books.baseline_cost for d in decisions)


def _counted_twice(costs: Iterable[Cost]) -> float:
    invoices = [cost.lines for cost in costs]
    return float(sum((total(invoice) for invoice in invoices), Decimal(0)) - total(combined(invoices)))


def total_premium(decisions: Sequence[Decision]) -> float | None:
    """What the proposals cost more in a month, account-wide fees and allowances counted once; ``None`` where a price is missing."""
    try:
        premium = sum(d.books.likely.premium for d in decisions)
        return premium - _shared_usd(decisions)
    except Unpriced:
        return None
