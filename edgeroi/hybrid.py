"""An option that is a policy over other options: its timing, its invoice and its quality, in one world at a time.

A ``Plan`` is the policy with its parts resolved; ``hybrid`` makes an ``Option`` of it that is asked like any other. In a world (one
value of every driver) the plan is evaluated once by the algebra of ``edgeroi.policy``; latency, failures, the share of requests each
part is asked, and so what it charges, all come from that one result. An invoice is the parts' lines at the requests that reach
them: an account's fee and allowance count once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from edgeroi.cost import Cost, CostLine, combined
from edgeroi.draws import Worlds
from edgeroi.ensemble import ATOMS, FEW_ATOMS, FEW_ROWS, Ensemble
from edgeroi.errors import NoAnswer, Place
from edgeroi.estimate import Basis, Range, World, weakest
from edgeroi.latency import Latency
from edgeroi.option import EDGE, Option, Tariff, Timing, Traffic, ranges_in
from edgeroi.policy import Answers, Joint, Measure, Pairs, cascade, fallback, hedge, split
from edgeroi.prices import Unpriced, decimal_of
from edgeroi.spec import PLACEMENTS, Cascade, Fallback, Hedge, Policy, Reason, Route, Split

Floats = NDArray[np.float64]

#: How slow requests of two parts go together where nobody said: taken as independent, and as a driver that may be all the other way.
UNKNOWN_CORRELATION = (0.0, 0.0, 1.0)
#: A p99 that the correlation moves by less is within the error of the algebra.
_FELT_OF_P99 = 0.005
_WORLDS_KEPT = 64


def kind_of(policy: Policy) -> str:
    """``fallback``, ``split``..., as the scenario calls it."""
    return type(policy).__name__.lower()


def raced(
    policy: Fallback | Hedge, first: Answers, then: Answers, after: float | None, watch: Measure, together: float, pairs: Joint
) -> Answers:
    """A fallback or a hedge as it is stated, over its two parts."""
    free = policy.abandoned_free
    if isinstance(policy, Fallback):
        return fallback(first, then, after, watch=watch, on=policy.on, correlation=together, abandoned_free=free, pairs=pairs)
    assert after is not None
    return hedge(first, then, after, watch=watch, correlation=together, abandoned_free=free, pairs=pairs)


class _Known:
    """Results by what a world says of some drivers: the last 64, since a search asks for the same ones again and again."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.results: OrderedDict[tuple[tuple[str, float], ...], Answers] = OrderedDict()

    @classmethod
    def about(cls, *things: object) -> Self:
        """By the drivers inside these values, points too: a search moves those as well."""
        return cls(tuple(dict.fromkeys(number.name for number in ranges_in(things) if number.name)))

    def result(self, world: World, make: Callable[[World], Answers]) -> Answers:
        """What ``make`` makes of the world, made once."""
        here = tuple((name, world[name]) for name in self.names if name in world)
        if here not in self.results:
            self.results[here] = make(world)
            while len(self.results) > _WORLDS_KEPT:
                self.results.popitem(last=False)
        return self.results[here]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a plan: an option as it serves the requests that are sent to it, or a plan of its own.

    ``traffic``: tokens of those requests where they are not like all of them; its volume is the plan's to say.
    ``share`` of a route's requests, in which ``serves`` holds only those that match. ``quality``: of these answers, where it is known
    apart from the option's. ``slot``: what its calls are counted under, where the option is asked about different requests.
    """

    serves: Option | Plan
    traffic: Traffic | None = None
    share: Range | None = None
    quality: Range | None = None
    slot: str = ""

    @property
    def counted(self) -> str:
        """The slot of an option: its name, unless it is told apart."""
        return self.slot or self.serves.name

    @property
    def timings(self) -> tuple[object, ...]:
        """What is known of an option's durations; nothing of a plan, whose parts have theirs."""
        option = self.serves
        return () if isinstance(option, Plan) else (option.e2e, option.ttft, option.joint)

    def answers(self, world: World) -> Answers:
        """What an option does with a request in one world."""
        option = self.serves
        assert isinstance(option, Option)
        e2e, ttft = (timing.at(world) if timing else None for timing in (option.e2e, option.ttft))
        known = option.e2e or option.ttft
        failing = known.failures_at(world) if isinstance(known, Timing) else None
        bands = [(share, whole.at(world), first.at(world)) for share, whole, first in option.joint]
        return Answers.of(self.counted, e2e, ttft, failing, bands)

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The options at the bottom, in the order they are asked."""
        return self.serves.leaves if isinstance(self.serves, Plan) else (self,)


@dataclass(frozen=True)
class Plan:
    """A policy and its parts, in the order of ``policy.parts``; of a cascade by confidence the sure, the doubted and the next.

    ``escalated``: the share a cascade's confidence doubts, measured. ``correlation``: how far the slow requests of two parts are the
    same ones; ``pairs``: how they go together as measured, which then counts. ``notes``: what its numbers rest on.
    ``by_confidence``: the same cascade at other thresholds the log tells apart.
    """

    name: str
    policy: Policy
    parts: tuple[Part, ...]
    escalated: Range | None = None
    correlation: Range | None = None
    notes: tuple[str, ...] = ()
    by_confidence: tuple[tuple[float, Plan], ...] = ()
    pairs: Pairs | None = None

    @classmethod
    def of(cls, name: str, policy: Policy, parts: tuple[Part, ...], escalated: Range | None = None, pairs: Pairs | None = None) -> Plan:
        """The plan with how its parts go together: as measured, else as stated, else a driver from 0 to 1."""
        if isinstance(policy, Split | Route):
            return cls(name, policy, parts, escalated)
        if pairs is not None:
            said = f"{pairs.n:,} requests that both parts were asked tell how their latencies go together"
            return cls(name, policy, parts, escalated, None, (said,), pairs=pairs)
        path = f"options.{name}.{kind_of(policy)}.correlation"
        why = "nobody measured whether the same requests are slow in both parts"
        unknown = Range(*UNKNOWN_CORRELATION, path, "triangular", "assumed", why)
        return cls(name, policy, parts, escalated, policy.correlation or unknown)

    @property
    def leaves(self) -> tuple[Part, ...]:
        """Every part that is no plan, as often as it is used."""
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The options it is made of, each once."""
        found = {leaf.serves.name: leaf.serves for leaf in reversed(self.leaves) if isinstance(leaf.serves, Option)}
        return tuple(found[name] for name in dict.fromkeys(leaf.serves.name for leaf in self.leaves))

    def _plans(self) -> Iterator[Plan]:
        yield self
        for part in self.parts:
            if isinstance(part.serves, Plan):
                yield from part.serves._plans()

    @cached_property
    def _known(self) -> _Known:
        """Results by the drivers that latencies and shares hang on."""
        plans = tuple(self._plans())
        timings = (leaf.timings for leaf in self.leaves)
        own = ((_deciding(plan.policy), plan.correlation, plan.escalated, *(part.share for part in plan.parts)) for plan in plans)
        return _Known.about(tuple(timings), tuple(own))

    @cached_property
    def _known_parts(self) -> Mapping[int, _Known]:
        return {place: _Known.about(part.timings) for place, part in enumerate(self.parts)}

    def answers(self, world: World) -> Answers:
        """What becomes of a request in one world; of worlds that differ in other drivers only, the same.

        Raises ``NoAnswer`` where a latency that the policy hangs on is not known.
        """
        return self._known.result(world, self._evaluated)

    def _answers_of(self, place: int, world: World) -> Answers:
        part = self.parts[place]
        if isinstance(part.serves, Plan):
            return part.serves.answers(world)
        return self._known_parts[place].result(world, part.answers)

    def _evaluated(self, world: World) -> Answers:
        parts = [self._answers_of(place, world) for place in range(len(self.parts))]
        policy = self.policy
        if isinstance(policy, Split | Route):
            return split(list(zip(self._shares(world), parts, strict=True)))
        together = min(1.0, max(0.0, self.correlation.at(world))) if self.correlation else 0.0
        if isinstance(policy, Cascade):
            share = self.escalated or policy.escalated
            assert share is not None
            sure, doubted, then = parts if len(parts) == 3 else (parts[0], parts[0], parts[1])
            takes = policy.judge_takes.at(world) if policy.judge_takes else 0.0
            escalated = min(1.0, max(0.0, share.at(world)))
            found = cascade(sure, doubted, then, escalated, judge=self.judge, judge_ms=takes, correlation=together, pairs=self.pairs)
        else:
            first, then = parts
            watch: Measure = policy.watch or ("e2e" if first.e2e is not None else "ttft")
            after = policy.after.at(world) if policy.after else None
            found = raced(policy, first, then, after, watch, together, self.pairs)
        return found if self.pairs else replace(found, basis="assumed")  # how the two go together is nobody's measurement

    def _shares(self, world: World) -> tuple[float, ...]:
        """The share of requests each part is there for: of a split or route its own, of other policies all."""
        if isinstance(self.policy, Split):
            return self.policy.at(world)
        if not isinstance(self.policy, Route):
            return (1.0,) * len(self.parts)
        shares = [max(0.0, part.share.at(world)) for part in self.parts[:-1] if part.share]
        total = max(1.0, sum(shares))
        return (*(share / total for share in shares), max(0.0, 1 - sum(shares) / total))

    def _there(self, world: World) -> Iterator[str]:
        """The options that are part of it in a world: one that stands by is, one that no share is sent to is not."""
        for share, part in zip(self._shares(world), self.parts, strict=True):
            if share and isinstance(part.serves, Plan):
                yield from part.serves._there(world)
            elif share:
                yield part.serves.name

    @property
    def judge(self) -> str | None:
        """The slot a cascade's judge is counted in, where it costs anything."""
        return f"{self.name}: judge" if isinstance(self.policy, Cascade) and self.policy.judge else None

    # ---- many worlds ----

    @property
    def moved_by(self) -> tuple[str, ...]:
        """The names of the drivers that latencies and shares hang on."""
        return self._known.names

    def answers_in(self, worlds: Worlds) -> tuple[Answers, ...]:
        """What becomes of a request in each of at most ``FEW_ROWS`` worlds; drawn over and over, these are all that differ.

        One result where no driver of the plan's latencies and shares is among the worlds.
        """
        names = [name for name in self.moved_by if name in worlds]
        rows = max((np.size(worlds[name]) for name in names), default=1)
        return tuple(self.answers({name: float(worlds[name].flat[k]) for name in names}) for k in range(min(FEW_ROWS, rows)))

    def usd_month(self, traffic: Traffic, worlds: Worlds) -> Floats:
        """What ``cost`` comes to in many worlds at once. What the parts share of an account counts as it does in the likely world."""
        found = self._parts_usd(traffic, worlds)
        shared = float(self.cost(traffic, {}).usd_month) - float(self._parts_usd(traffic, {}))
        return np.asarray(found + shared, np.float64)

    def _parts_usd(self, traffic: Traffic, worlds: Worlds) -> Floats:
        every = self.answers_in(worlds)
        requests = traffic.requests.in_worlds(worlds)
        usd: Floats = np.zeros(())
        asked: dict[str, list[tuple[str, Part]]] = {}
        for slot, part in self._slots.items():
            asked.setdefault(part.serves.name, []).append((slot, part))
        there = set(self._there({}))
        for name in (name for name in asked if name in there):
            slots = asked[name]
            option = slots[0][1].serves
            assert isinstance(option, Option)
            calls = [(every[0].calls_of(slot), part.traffic or traffic) for slot, part in slots]
            number = _in_turn([sum(answers.calls_of(slot) for slot, _ in slots) for answers in every], worlds)
            own = replace(_mean_request(calls, {}), requests=Range.point(0.0, "calls"))
            usd = usd + option.usd_month(own, {**worlds, "calls": np.asarray(requests * number, np.float64)})
        for plan in self._plans():
            if plan.judge and isinstance(plan.policy, Cascade) and plan.policy.judge:
                judged = _in_turn([answers.calls_of(plan.judge) for answers in every], worlds)
                usd = usd + requests * judged * plan.policy.judge.in_worlds(worlds)
        return np.asarray(usd, np.float64)

    # ---- money and quality ----

    @cached_property
    def _slots(self) -> Mapping[str, Part]:
        """The slots calls and answers are counted in, with the part each stands for."""
        return {part.counted: part for plan in self._plans() for part in plan.parts if isinstance(part.serves, Option)}

    def cost(self, traffic: Traffic, world: World) -> Cost:
        """The invoice of a month: each part at the requests that reach it, fees and allowances of an account once."""
        answers, there = self.answers(world), set(self._there(world))
        asked: dict[str, list[tuple[float, Part]]] = {}
        for slot, part in self._slots.items():
            asked.setdefault(part.serves.name, []).append((answers.calls_of(slot), part))
        invoices = [_invoice(calls, traffic, world) for name, calls in asked.items() if name in there]
        return Cost((*combined(invoices), *self._judge_lines(answers, traffic, world)), traffic.load(world))

    def _judge_lines(self, answers: Answers, traffic: Traffic, world: World) -> Iterator[CostLine]:
        for plan in self._plans():
            if plan.judge and isinstance(plan.policy, Cascade) and plan.policy.judge:
                judged = decimal_of(answers.calls_of(plan.judge) * traffic.requests.at(world))
                usd = decimal_of(plan.policy.judge.at(world))
                yield CostLine(f"{plan.name}: judge", "request", judged, "request", usd, judged * usd, "stated", None, "assumed")

    def calls(self, world: World) -> Mapping[str, float]:
        """How many calls of each option a request comes to, by the option's name."""
        answers, found = self.answers(world), dict[str, float]()
        for slot, part in self._slots.items():
            found[part.serves.name] = found.get(part.serves.name, 0.0) + answers.calls_of(slot)
        return found

    def quality(self, world: World) -> float | None:
        """The mean quality of its answers, each as good as the part that gave it; ``None`` where one of those is unknown."""
        answers, points, told = self.answers(world), 0.0, 0.0
        for slot, part in self._slots.items():
            assert isinstance(part.serves, Option)
            share, known = answers.share_of(slot), part.quality or part.serves.quality
            if share and known is None:
                return None
            if share and known is not None:
                points, told = points + share * known.at(world), told + share
        return points / told if told else None

    def quality_in(self, worlds: Worlds) -> Floats:
        """``quality`` in many worlds at once, (n,) or one number (); it has to be known."""
        every = self.answers_in(worlds)
        points, told = np.zeros(()), np.zeros(())
        for slot, part in self._slots.items():
            assert isinstance(part.serves, Option)
            known = part.quality or part.serves.quality
            if known is not None:
                share = _in_turn([answers.share_of(slot) for answers in every], worlds)
                points, told = points + share * known.in_worlds(worlds), told + share
        return np.asarray(points / told, np.float64)


def _in_turn(numbers: Sequence[float], worlds: Worlds) -> Floats | float:
    """One number for each world, (n,): those of the worlds that differ, over and over."""
    draws = max((draws.size for draws in worlds.values()), default=1)
    return np.resize(np.array(numbers), draws) if len(numbers) > 1 else numbers[0]


def _deciding(policy: Policy) -> Policy:
    """The policy without what says nothing about who answers when: what its judge costs, and how good the answers are."""
    return replace(policy, judge=None, kept_quality=None) if isinstance(policy, Cascade) else policy


def _invoice(calls: Sequence[tuple[float, Part]], traffic: Traffic, world: World) -> list[CostLine]:
    """The lines of one option at the requests that reach it, named after it."""
    option = calls[0][1].serves
    assert isinstance(option, Option)
    if option.tariff is None:
        raise Unpriced(option.unpriced or f"{option.name} has no price", place=option.place, fix="state a price for it")
    total = sum(number for number, _ in calls)
    requests = Range.point(total * traffic.requests.at(world), basis=traffic.requests.basis)
    asked = _mean_request([(number, leaf.traffic or traffic) for number, leaf in calls], world)
    return [_named(line, option.name) for line in option.tariff.cost(replace(asked, requests=requests), world).lines]


_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")


def _mean_request(calls: Sequence[tuple[float, Traffic]], world: World) -> Traffic:
    """The mean request over calls of several kinds; tokens are unknown where they are of one kind."""
    if len({id(asked) for _, asked in calls}) == 1 or not sum(number for number, _ in calls):
        return calls[0][1]
    tokens_in, out, cached, written = (_mean_tokens(calls, name, world) for name in _TOKENS)
    return replace(calls[0][1], input_tokens=tokens_in, output_tokens=out, cached_tokens=cached, cache_write_tokens=written)


def _mean_tokens(calls: Sequence[tuple[float, Traffic]], name: str, world: World) -> Range | None:
    total, tokens = 0.0, 0.0
    bases: list[Basis] = []
    for number, asked in calls:
        told: Range | None = getattr(asked, name)
        if number and told is None:
            return None
        if number and told is not None:
            total, tokens = total + number, tokens + number * told.at(world)
            bases.append(told.basis)
    return Range.point(tokens / total, basis=weakest(*bases))


def _named(line: CostLine, option: str) -> CostLine:
    """The line with its option's name, but for fees of an account: those are known by their own, over all workloads."""
    return line if line.account and line.kind == "fixed" else replace(line, item=f"{option}: {line.item}")


# ---- as an option ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanTiming:
    """One measure of a plan, asked like a ``Timing``."""

    plan: Plan
    measure: Measure

    def at(self, world: World) -> Latency:
        """The distribution in one world."""
        found = self.plan.answers(world).latency(self.measure)
        assert found is not None
        return found

    @property
    def moved_by(self) -> tuple[str, ...]:
        """The names of the drivers that latencies and shares of the plan hang on."""
        return self.plan.moved_by

    def in_worlds(self, world: World, atoms: int = ATOMS) -> Ensemble:
        """The distribution in many worlds at once, the numbers of ``world`` being columns."""
        every = [answers.latency(self.measure) for answers in self.plan.answers_in(cast("Worlds", world))]
        if len(every) == 1 and every[0] is not None:
            return Ensemble.of(every[0])
        return Ensemble.of_each([latency for latency in every if latency is not None], FEW_ATOMS)

    @property
    def network_part_ms(self) -> float | None:
        """What the network takes of a request is not one number where parts stand in several places."""
        return None


@dataclass(frozen=True, slots=True)
class PlanTariff:
    """What a plan charges, asked like a ``Tariff``."""

    plan: Plan

    def cost(self, traffic: Traffic, world: World) -> Cost:
        """The invoice of a month in one world."""
        return self.plan.cost(traffic, world)

    def usd_month(self, traffic: Traffic, worlds: Worlds) -> Floats:
        """What the invoice comes to in many worlds at once."""
        return self.plan.usd_month(traffic, worlds)

    @property
    def hours(self) -> Range | None:
        """Labour of its parts, where any states it."""
        return next((tariff.hours for tariff in self._tariffs() if tariff.hours), None)

    @property
    def usd_hour(self) -> Range | None:
        """What an hour of it costs."""
        return next((tariff.usd_hour for tariff in self._tariffs() if tariff.hours), None)

    def _tariffs(self) -> Iterator[Tariff]:
        yield from (option.tariff for option in self.plan.options if isinstance(option.tariff, Tariff))


@dataclass(frozen=True, slots=True)
class PlanQuality:
    """The quality of a plan, asked like a ``Range``."""

    plan: Plan

    def at(self, world: World) -> float:
        """The mean quality of its answers in one world."""
        found = self.plan.quality(world)
        assert found is not None
        return found

    def in_worlds(self, worlds: Worlds) -> Floats | float:
        """The same in many worlds at once."""
        return self.plan.quality_in(worlds)

    @property
    def likely(self) -> float:
        """The mean quality of its answers."""
        return self.at({})


def hybrid(plan: Plan, baseline: str, assume: Reason | None = None, place: Place | None = None) -> Option:
    """The plan as an option. It is at the edge if any part is; measured, and answered for, as far as parts apart from the baseline are.

    Where a latency that the policy hangs on is unknown, so are its shares, and with them its price.
    """
    parts = plan.options
    placements = [part.placement for part in parts]
    own = [part for part in parts if part.name != baseline] or list(parts)
    option = Option(
        plan.name,
        min(placements, key=lambda placement: (placement not in EDGE, PLACEMENTS.index(placement))),
        _same(part.model for part in parts),
        _same(part.region for part in parts),
        measured=all(part.measured for part in own),
        best_case=any(part.best_case for part in parts),
        assume=assume or _assumed(own),
        migration=next((part.migration for part in parts if part.migration), None),
        origin_calls=next((part.origin_calls for part in parts if part.origin_calls and part.at_edge), None),
        policy=kind_of(plan.policy),
        parts=parts,
        place=place,
        notes=plan.notes,
    )
    unpriced = next((part.unpriced or f"{part.name} has no price" for part in parts if part.tariff is None), None)
    try:
        answers = plan.answers({})
    except NoAnswer as why:
        missing = next((part.unknown_latency for part in parts if part.unknown_latency), None) or why.message
        return replace(option, unpriced=unpriced or f"how many requests reach each part is not known: {missing}", unknown_latency=missing)
    timings = {measure: PlanTiming(plan, measure) for measure in ("e2e", "ttft") if answers.ms(measure) is not None}
    unknown = next((part.unknown_latency for part in parts if part.unknown_latency), None)
    return replace(
        option,
        tariff=None if unpriced else PlanTariff(plan),
        unpriced=unpriced,
        e2e=timings.get("e2e"),
        ttft=timings.get("ttft"),
        unknown_latency=None if timings else unknown or f"nobody measured or stated a latency that all parts of {plan.name} tell",
        quality=PlanQuality(plan) if plan.quality({}) is not None else None,
        notes=(*option.notes, *_assumed_joint(plan, answers)),
    )


def _assumed(parts: Sequence[Option]) -> Reason | None:
    """Who answers for the parts nobody measured; ``None`` where somebody does not for one of them."""
    unmeasured = [part.assume for part in parts if not part.measured]
    return unmeasured[0] if unmeasured and all(part.answered_for for part in parts) else None


def _same(values: Iterator[str | None] | Sequence[str | None]) -> str | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _assumed_joint(plan: Plan, answers: Answers) -> tuple[str, ...]:
    """What the assumption about the joint does to p99, where one is made and it matters."""
    together = plan.correlation
    if together is None:
        return ()
    p99 = [_p99(plan, {} if together.likely == share else {together.name: share}) for share in (0.0, 1.0)]
    if abs(p99[1] - p99[0]) < _FELT_OF_P99 * max(p99):
        return ()
    said = "slow requests of its parts taken as independent" if not together.likely else f"correlation {together.likely:g} is stated"
    return (f"{said}: p99 {p99[0]:,.0f} ms independent, {p99[1]:,.0f} ms if the same requests are slow in both",)


def _p99(plan: Plan, world: World) -> float:
    answers = plan.answers(world)
    latency = answers.latency("e2e") or answers.latency("ttft")
    assert latency is not None
    return latency.quantile(0.99)
