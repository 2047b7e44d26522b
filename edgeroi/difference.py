"""What changed between two checks of one project, read from their JSON documents: the base branch's, and that of a change to it.

Workloads are matched by their file, and where a file was renamed or stood elsewhere, by the scenario's name. A verdict, a rule that now
says something else, a limit that was loosened always count; a premium or a net that moved counts beyond ``min_change`` USD a month, in
either direction. ``None`` is unknown: to become known, or unknown, is a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgeroi.annotation import WEIGHTS, Annotation, Weight, beside, speaking, weight_of

#: Below it nobody wants to be told, in USD a month.
MIN_CHANGE_USD = 10.0

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Stand:
    """Where one workload stands: its verdict, its money, its gravest finding per rule, and the limits it is held to."""

    verdict: str
    runs_on: str | None
    premium: float | None
    net: float | None
    rules: Mapping[str, Weight]
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Change:
    """One workload that is not what it was; ``before`` or ``after`` is ``None`` where it is new or gone."""

    scenario: str
    workload: str
    before: Stand | None
    after: Stand | None

    @property
    def kind(self) -> Kind:
        """Whether the workload is new, gone, or another."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    @property
    def loosened(self) -> tuple[str, ...]:
        """Limits that now allow more: those of needs, caps and the gate itself."""
        if self.before is None or self.after is None:
            return ()
        return tuple(_loosened(self.before.limits, self.after.limits))


def _loosened(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[str]:
    return (limit for limit in after if limit in before and _looser(limit, before[limit], after[limit]))


#: Limits of which the lower one allows more; of all others it is the higher.
_FLOORS = ("needs quality", "edge_from", "fail_at", "on_undecided")
#: Rules whose limit follows from the baseline's cost: what the project decides of it stands in the gate's own limits.
_FOLLOWS_COST = ("edge-net", "edge-value-undeclared")


def _looser(limit: str, before: float, after: float) -> bool:
    step = 1e-9 * max(1.0, abs(before))
    return after < before - step if limit in _FLOORS else after > before + step


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changed, and what stayed beside it; ``news`` are findings about no workload that the base does not have."""

    gate: tuple[str, str]
    premium: tuple[float | None, float | None]
    prices_as_of: tuple[str | None, str | None]
    changes: tuple[Change, ...]
    news: tuple[Annotation, ...]
    min_change: float

    @property
    def is_quiet(self) -> bool:
        """Whether nothing changed that anybody wants to be told."""
        return not self.changes and not self.news and self.gate[0] == self.gate[1]


def difference(base: Mapping[str, Any], head: Mapping[str, Any], min_change: float = MIN_CHANGE_USD) -> Difference:
    """What the second document says that the first does not. Both are ``check``'s."""
    before, after = _stands(base), _stands(head)
    pairs = _pairs(before, after)
    found = []
    for key in after:
        old = before[pairs[key]] if key in pairs else None
        if old is None or _differs(old, after[key], min_change):
            found.append(Change(key[1], key[2], old, after[key]))
    gone = (key for key in before if key not in pairs.values())
    found += [Change(key[1], key[2], before[key], None) for key in gone]
    return Difference(
        (str(base.get("gate")), str(head.get("gate"))),
        (base.get("edge_premium_usd_month"), head.get("edge_premium_usd_month")),
        (base.get("prices_as_of"), head.get("prices_as_of")),
        tuple(found),
        _news(base, head),
        min_change,
    )


def _news(base: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[Annotation, ...]:
    known = {(each.fingerprint, each.weight) for each in beside(base)}
    return tuple(each for each in speaking(beside(head)) if (each.fingerprint, each.weight) not in known)


#: A workload's file, its scenario's name, and its own.
_Key = tuple[str, str, str]


def _pairs(before: Mapping[_Key, Stand], after: Mapping[_Key, Stand]) -> Mapping[_Key, _Key]:
    """Which workload of the base each of the head was."""
    by_file = {(file, workload): (file, name, workload) for file, name, workload in before}
    found = {key: by_file[key[0], key[2]] for key in after if (key[0], key[2]) in by_file}
    left = [key for key in before if key not in found.values()]
    for key in after:
        namesakes = [other for other in left if key not in found and other[1:] == key[1:]]
        rivals = [other for other in after if other not in found and other[1:] == key[1:]]
        if len(namesakes) == 1 and len(rivals) == 1:
            found[key] = namesakes[0]
            left.remove(namesakes[0])
    return found


def _stands(document: Mapping[str, Any]) -> dict[_Key, Stand]:
    return {
        (scenario["file"], scenario["name"], workload["workload"]): _stand(workload, scenario.get("limits") or {})
        for scenario in document.get("scenarios", ())
        for workload in scenario["workloads"]
    }


def _stand(workload: Mapping[str, Any], gate: Mapping[str, Any]) -> Stand:
    rules: dict[str, Weight] = {}
    limits = {name: float(limit) for name, limit in gate.items() if isinstance(limit, int | float)}
    for check in workload["checks"]:
        name = " ".join(part for part in (check["rule"], check.get("subject")) if part)
        rules[name] = min(rules.get(name, "pass"), weight_of(check["level"], check["status"]), key=WEIGHTS.index)
        if isinstance(check["limit"], int | float) and check["rule"] not in _FOLLOWS_COST:
            limits[name] = float(check["limit"])
    candidate = workload["candidate"]
    money = (candidate["premium_usd_month"], candidate["net_usd_month"])
    return Stand(workload["verdict"], workload["runs_on"], *money, rules, limits)


def _differs(before: Stand, after: Stand, min_change: float) -> bool:
    same = (before.verdict, before.runs_on, before.rules) == (after.verdict, after.runs_on, after.rules)
    moved = _moved(before.premium, after.premium, min_change) or _moved(before.net, after.net, min_change)
    return not same or moved or any(_loosened(before.limits, after.limits))


def _moved(before: float | None, after: float | None, min_change: float) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > min_change
