"""Where a project's policy allows more than it did: compared key by key, each with the direction that favours the edge.

=====================  =====================================================================================
``rates.NAME``         higher at any end, or of another kind; new ones are told, for nothing holds them
``discounts.NAME``     of a provider at the edge higher, of any other lower: both make the edge look cheaper
``materiality``        higher, or no longer stated, for then a scenario states its own
``edge_from``          lower, or no longer stated
``fail_at``            lower, or no longer stated: it is the probability up to which an edge fails
``on_undecided``       ``warn`` after ``fail``, or no longer stated
=====================  =====================================================================================

Against a base that states nothing, a limit is held to the gate's default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgeroi.errors import EdgeroiError, Place
from edgeroi.estimate import Range
from edgeroi.gate import Finding
from edgeroi.spec import CheckSpec, GateLimits, Materiality, NamedRate, ProjectPolicy
from edgeroi.units import HOURLY, PER_REQUEST, read_range

#: Whether a provider serves at the edge; ``None`` where that is not known.
AtEdge = Callable[[str], bool | None]

_TOLD_NEW = "is new: {now}; no rule of the base branch holds it"


@dataclass(frozen=True, slots=True)
class Loosened:
    """One key that allows more than before; ``was`` and ``now`` as they are written. ``is_new``: there was no such key to hold it to."""

    key: str
    was: str
    now: str
    place: Place
    is_new: bool = False

    @property
    def finding(self) -> Finding:
        """A warning: the change is judged by the old policy, so that nothing fails or passes by it."""
        if self.is_new:
            said = f"{self.key} {_TOLD_NEW.format(now=self.now)}"
        else:
            said = f"{self.key}: {self.now} allows more than the base branch's {self.was}, which judges here"
        return Finding("policy-weakened", None, "warning", "fail", said, place=self.place, subject=self.key)


def loosened(base: ProjectPolicy, head: ProjectPolicy, at_edge: AtEdge) -> tuple[Loosened, ...]:
    """Every key of ``head`` that allows more than ``base`` does, in the order of the table above."""
    return (*_rates(base, head), *_discounts(base, head, at_edge), *_limits(base, head))


def held(base: ProjectPolicy, head: ProjectPolicy, at_edge: AtEdge) -> ProjectPolicy:
    """The policy that judges: ``head``'s, and ``base``'s wherever ``head`` is looser."""
    keys = {each.key for each in loosened(base, head, at_edge) if not each.is_new}
    rates = {name: base.rates[name] if f"rates.{name}" in keys else rate for name, rate in head.rates.items()}
    names = dict.fromkeys((*base.discounts, *head.discounts))
    sources = {name: base.discounts if f"discounts.{name}" in keys else head.discounts for name in names}
    discounts = {name: source[name] for name, source in sources.items() if name in source}
    defaults = GateLimits()
    old = CheckSpec(
        base.check.materiality or defaults.materiality,
        base.check.edge_from if base.check.edge_from is not None else defaults.edge_from,
        base.check.fail_at if base.check.fail_at is not None else defaults.fail_at,
        base.check.on_undecided or defaults.on_undecided,
    )
    kept = {name: getattr(old, name) for name in ("materiality", "edge_from", "fail_at", "on_undecided") if name in keys}
    return replace(head, rates=rates, discounts=discounts, check=replace(head.check, **kept))


def _place(head: ProjectPolicy, key: str) -> Place:
    return head.places.get(key) or Place(head.file)


def _rates(base: ProjectPolicy, head: ProjectPolicy) -> Iterator[Loosened]:
    for name, rate in head.rates.items():
        key, old = f"rates.{name}", base.rates.get(name)
        if old is None:
            yield Loosened(key, "nothing", rate.text, _place(head, key), is_new=True)
        elif _is_higher(_read(rate), _read(old)):
            yield Loosened(key, old.text, rate.text, _place(head, key))


def _read(rate: NamedRate) -> tuple[str, Range] | None:
    """The rate's kind and range; a text that no longer reads as one is no rate to compare."""
    measure = PER_REQUEST if re.search(r"/\s*(request|req|miss)", rate.text) else HOURLY
    try:
        return ("request" if measure is PER_REQUEST else "hour"), read_range(rate.text, measure)
    except EdgeroiError:
        return None


def _is_higher(now: tuple[str, Range] | None, was: tuple[str, Range] | None) -> bool:
    if now is None or was is None or now[0] != was[0]:
        return now != was
    return any(new > old for new, old in zip(_ends(now[1]), _ends(was[1]), strict=True))


def _ends(of: Range) -> tuple[float, float, float]:
    return of.low, of.likely, of.high


def _discounts(base: ProjectPolicy, head: ProjectPolicy, at_edge: AtEdge) -> Iterator[Loosened]:
    for name in dict.fromkeys((*base.discounts, *head.discounts)):
        was, now = (_ends(found) if (found := policy.discounts.get(name)) else (0.0,) * 3 for policy in (base, head))
        edge = at_edge(name)
        higher, lower = any(n > w for n, w in zip(now, was, strict=True)), any(n < w for n, w in zip(now, was, strict=True))
        if (higher and edge is not False) or (lower and edge is not True):
            yield Loosened(f"discounts.{name}", _shares(was), _shares(now), _place(head, f"discounts.{name}"))


def _shares(ends: tuple[float, ...]) -> str:
    low, likely, high = (f"{100 * end:g}%" for end in ends)
    return likely if low == high else f"{likely} ({low}..{high})"


def _limits(base: ProjectPolicy, head: ProjectPolicy) -> Iterator[Loosened]:
    was, now, default = base.check, head.check, GateLimits()
    if _is_looser_floor(was.materiality, now.materiality, default.materiality):
        yield Loosened("materiality", _floor(was.materiality), _floor(now.materiality), _place(head, "materiality"))
    for key in ("edge_from", "fail_at"):
        old, new, usual = getattr(was, key), getattr(now, key), getattr(default, key)
        if (new is None and old is not None) or (new is not None and new < (usual if old is None else old)):
            yield Loosened(key, _share(old), _share(new), _place(head, key))
    if was.on_undecided == "fail" and now.on_undecided != "fail":
        yield Loosened("on_undecided", "fail", now.on_undecided or "nothing stated", _place(head, "on_undecided"))


def _is_looser_floor(was: Materiality | None, now: Materiality | None, default: Materiality) -> bool:
    """The floor is the larger of the two amounts, so that a part that was not there before allows more."""
    if now is None:
        return was is not None
    old = was or default
    return (now.usd_month or 0.0) > (old.usd_month or 0.0) or (now.ratio or 0.0) > (old.ratio or 0.0)


def _floor(of: Materiality | None) -> str:
    if of is None:
        return "nothing stated"
    parts = ("" if of.usd_month is None else f"{of.usd_month:g} USD/month", "" if of.ratio is None else f"{100 * of.ratio:g}%")
    return " or ".join(part for part in parts if part)


def _share(of: float | None) -> str:
    return "nothing stated" if of is None else f"{of:g}"
