"""Whether it pays: what the candidate costs more, what its latency and quality are worth, and where that would turn.

premium = cost of the candidate - cost of the baseline; net = value - premium; all in USD a month.
Every number comes from one pure function of the drivers (``Books.in_world``): low and high, the bars of the drivers and the
break-evens are that function asked again, never a second formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeroi.cost import Cost
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Basis, Range, World, weakest
from edgeroi.felt import Felt, Noticed, noticed
from edgeroi.latency import Latency, comonotone
from edgeroi.option import Option, Traffic, drivers_in
from edgeroi.prices import Unpriced
from edgeroi.spec import Judged
from edgeroi.values import ValueModel, value_usd_month
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import MS_PER_HOUR, LinearTime

Floats = NDArray[np.float64]

#: Range ends of a measured quantity are those of a 90 % interval, like those of a stated ``low to high``.
_Z90 = NormalDist().inv_cdf(0.95)
_NOWHERE: World = {}


@dataclass(frozen=True)
class Stakes:
    """What a workload is, apart from the options: its traffic, which latency is judged, and what it is worth to whom.

    ``value``: ``None`` where nobody declared one. ``felt``: the gate for people, ``None`` for machines.
    """

    traffic: Traffic
    judge: Judged = "e2e"
    value: ValueModel | None = None
    felt: Felt | None = field(default_factory=Felt)
    felt_rule: Felt = field(default_factory=Felt)
    part_of: Range | None = None
    quality_usd: Range | None = None
    fastest_p50_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One world: USD a month. ``value`` is ``None`` where none is declared or a latency is unknown; net then counts the premium alone."""

    cost: float
    premium: float
    value: float | None
    net: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One driver: net with it at its low and at its high end, all others likely."""

    driver: Range
    low_net: float
    high_net: float

    @property
    def width(self) -> float:
        """How much of the net hangs on it."""
        return abs(self.high_net - self.low_net)

    @property
    def moves(self) -> bool:
        """Whether net hangs on it at all, beyond rounding."""
        return self.width > 1e-9 * max(1.0, abs(self.low_net), abs(self.high_net))


@dataclass(frozen=True, slots=True)
class Saved:
    """What the candidate takes less of the judged latency than the baseline, ms; negative where it is slower."""

    mean: float
    p50: float
    p99: float
    p99_estimable: bool
    basis: Basis


@dataclass(frozen=True)
class Books:
    """Candidate against baseline under the same stakes. ``cached_property`` holds what the likely world says."""

    stakes: Stakes
    baseline: Option
    candidate: Option

    # ---- one world ----

    def cost_of(self, option: Option, world: World = _NOWHERE) -> Cost:
        """The invoice of an option. Raises ``Unpriced`` where it has no price."""
        if option.tariff is None:
            raise Unpriced(option.unpriced or f"{option.name} has no price", place=option.place, fix="state a price for it")
        return option.tariff.cost(self.stakes.traffic, world)

    @cached_property
    def candidate_cost(self) -> Cost:
        """The candidate's likely invoice."""
        return self.cost_of(self.candidate)

    @cached_property
    def baseline_cost(self) -> Cost:
        """The baseline's likely invoice."""
        return self.cost_of(self.baseline)

    def latency_of(self, option: Option, world: World = _NOWHERE) -> Latency | None:
        """The judged latency; ``None`` where nothing is known of it."""
        return option.latency(self.stakes.judge, world)

    def in_world(self, world: World = _NOWHERE) -> Outcome:
        """What the month comes to in one world."""
        cost = float(self.cost_of(self.candidate, world).usd_month)
        premium = cost - float(self.cost_of(self.baseline, world).usd_month)
        value = self._value(world)
        return Outcome(cost, premium, value, (value or 0.0) - premium)

    def _value(self, world: World) -> float | None:
        worth = [part for part in (self._latency_value(world), self._quality_value(world)) if part is not None]
        return sum(worth) if worth else None

    def _latency_value(self, world: World) -> float | None:
        before, after = self.latency_of(self.baseline, world), self.latency_of(self.candidate, world)
        if self.stakes.value is None or before is None or after is None:
            return None
        worth, errors = self._worth(self.stakes.value, before, after, world), world.get(self._sampling_name, 0.0)
        # Worth exactly nothing means that no saving is felt, or that both sides are one sample: then there is nothing to err about.
        return worth + errors * self._sampling_usd(before, after, world) if errors and worth else worth

    def _worth(self, model: ValueModel, before: Latency, after: Latency, world: World) -> float:
        part_of = self.stakes.part_of
        return value_usd_month(
            model,
            before,
            after,
            self.stakes.traffic.requests.at(world),
            felt=self.stakes.felt,
            part_of_ms=part_of.at(world) if part_of else None,
            fastest_p50_ms=self.stakes.fastest_p50_ms,
            world=world,
        )

    def _quality_value(self, world: World) -> float | None:
        worth, before, after = self.stakes.quality_usd, self.baseline.quality, self.candidate.quality
        if worth is None or before is None or after is None:
            return None
        return self.stakes.traffic.requests.at(world) * worth.at(world) * (after.at(world) - before.at(world))

    # ---- the likely world ----

    @cached_property
    def likely(self) -> Outcome:
        """What is expected."""
        return self.in_world()

    @cached_property
    def before(self) -> Latency | None:
        """The baseline's judged latency."""
        return self.latency_of(self.baseline)

    @cached_property
    def after(self) -> Latency | None:
        """The candidate's judged latency."""
        return self.latency_of(self.candidate)

    @cached_property
    def saved(self) -> Saved | None:
        """What is saved of the judged latency of successes."""
        if self.before is None or self.after is None:
            return None
        both = (self.before, self.after)
        p50, p99 = (both[0].quantile(p) - both[1].quantile(p) for p in (0.5, 0.99))
        basis = weakest(*(side.basis for side in both))
        return Saved(both[0].mean_ms - both[1].mean_ms, p50, p99, all(side.estimable(0.99) for side in both), basis)

    @cached_property
    def noticed(self) -> Noticed | None:
        """What a person notices of the change."""
        if self.before is None or self.after is None:
            return None
        part_of = self.stakes.part_of
        return noticed(self.stakes.felt_rule, self.before, self.after, part_of.likely if part_of else None)

    @cached_property
    def network_share(self) -> float | None:
        """The network's part of the baseline's p50, where it is measured, stated or looked up."""
        timing = self.baseline.timing(self.stakes.judge)
        part = timing.network_part_ms if timing else None
        return part / self.before.quantile(0.5) if part is not None and self.before and self.before.quantile(0.5) else None

    @property
    def slower(self) -> bool:
        """Whether the candidate's judged latency is worse at the median or at p99, or it fails more often."""
        if self.before is None or self.after is None or self.saved is None:
            return False
        late = self.saved.p50 < 0 or (self.saved.p99_estimable and self.saved.p99 < 0)
        return late or self.after.failure_ratio > self.before.failure_ratio

    # ---- sampling error ----

    @property
    def _sampling_name(self) -> str:
        return "size of the latency sample"

    def _sampling_usd(self, before: Latency, after: Latency, world: World) -> float:
        """One standard error of the value of latency, from the samples behind it; 0 where nothing was sampled.

        A mean over n requests has variance var/n. Two samples add theirs; a best case is the baseline's own sample moved, so only
        the spread of the differences counts. Where some savings are felt, the error of all is counted: that errs on the side of doubt.
        """
        if self.stakes.value is None:
            return 0.0
        model = self.stakes.value.anchored(self.stakes.fastest_p50_ms)
        slowest = max(side.quantile(0.99) for side in (before, after))
        sides = [side.failing_at(slowest) for side in (before, after)]
        requests = self.stakes.traffic.requests.at(world)
        if self.candidate.best_case:
            weights, was, now = comonotone(*sides)
            return requests * _standard_error(model.loss_usd(was, world) - model.loss_usd(now, world), weights, before.n)
        errors = [_standard_error(model.loss_usd(side.values_ms, world), side.weights, side.n) for side in sides]
        return requests * math.hypot(*errors)

    @property
    def _is_sampled(self) -> bool:
        """Whether a sample is behind the value of latency, and so its error."""
        before, after = self.before, self.after
        return before is not None and after is not None and self._sampling_usd(before, after, _NOWHERE) > 0

    # ---- drivers ----

    @cached_property
    def drivers(self) -> tuple[Range, ...]:
        """Every number that is stated with a range, and the sampling error of what was measured."""
        stated = drivers_in(self.stakes, self.baseline.ranges(), self.candidate.ranges())
        if not self._is_sampled:
            return stated
        return (*stated, Range(0.0, -_Z90, _Z90, self._sampling_name, "normal", "measured"))

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """Net at both ends of each driver that moves it, the widest first."""
        bars = [Bar(driver, *(self.in_world({driver.name: end}).net for end in (driver.low, driver.high))) for driver in self.drivers]
        return tuple(sorted((bar for bar in bars if bar.moves), key=lambda bar: -bar.width))

    @cached_property
    def net_low(self) -> float:
        """Net with every driver at its worse end."""
        return self._corner(min)

    @cached_property
    def net_high(self) -> float:
        """Net with every driver at its better end."""
        return self._corner(max)

    def _corner(self, side: Callable[[tuple[float, float]], float]) -> float:
        """The extreme of net over the ends of all drivers, found one driver at a time.

        Twice over, since a driver may matter only once another has moved: an hour of waiting counts for nothing until a saving is felt.
        """
        world: dict[str, float] = {}
        for driver in (*(bar.driver for bar in self.bars), *self.drivers) * 2:
            at_low, at_high = (self.in_world({**world, driver.name: end}).net for end in (driver.low, driver.high))
            if at_low != at_high:
                world[driver.name] = driver.low if side((at_low, at_high)) == at_low else driver.high
        return side((self.in_world(world).net, self.likely.net))

    # ---- break-evens ----

    @cached_property
    def break_even(self) -> Mapping[str, float | None]:
        """The value of one driver at which net is 0, all others likely; ``None`` where there is none.

        ``waiting_usd_per_hour`` counts every saved millisecond, felt or not.
        """
        return {
            "waiting_usd_per_hour": self._break_even_waiting(),
            "usd_per_1k_requests": self._break_even_request(),
            "requests_month": self._break_even_requests(),
            "saved_ms": self._break_even_saving(),
            "price_ratio": self._break_even_price(),
            **self._break_even_worth(),
        }

    def _break_even_waiting(self) -> float | None:
        saved, requests = self.saved, self.stakes.traffic.requests.likely
        if saved is None or saved.mean <= 0 or not requests or self.likely.premium <= 0:
            return None
        blocked = self.stakes.value.blocked.likely if isinstance(self.stakes.value, LinearTime) else 1.0
        hours = requests * saved.mean * blocked / MS_PER_HOUR
        return self._premium_less_quality / hours if hours else None

    @property
    def _premium_less_quality(self) -> float:
        return self.likely.premium - (self._quality_value(_NOWHERE) or 0.0)

    def _break_even_request(self) -> float | None:
        requests = self.stakes.traffic.requests.likely
        return self.likely.premium / requests * 1000 if requests and self.likely.premium > 0 else None

    def _break_even_requests(self) -> float | None:
        """The volume nearest to the likely one at which net turns, up to six decades away."""
        likely = self.stakes.traffic.requests.likely
        if not likely:
            return None
        found = (self._turn_of_volume(likely, factor) for factor in (0.1, 10.0))
        known = [volume for volume in found if volume is not None]
        return min(known, key=lambda volume: abs(math.log(volume / likely)), default=None)

    def _turn_of_volume(self, requests: float, factor: float, steps: int = 24) -> float | None:
        """The nearest volume in one direction at which net turns, within six decades and what the stated servers can carry."""
        here, end = requests, requests * factor**6
        for _ in range(steps):
            ends = sorted((here, here * factor))
            try:
                turn = crossing(self._net_at_volume, ends[0], ends[1])
            except EdgeroiError:
                factor = math.sqrt(factor)  # the servers cannot carry that much: go on in smaller steps
                continue
            if turn is not None or (here - end) * (requests - end) <= 0:
                return turn
            here *= factor
        return None

    def _net_at_volume(self, requests: float) -> float:
        likely = self.stakes.traffic.requests
        traffic = replace(self.stakes.traffic, requests=Range.point(requests))
        world = {likely.name: requests} if likely.name else {}  # what waits for a server hangs on the volume too
        return replace(self, stakes=replace(self.stakes, traffic=traffic)).in_world(world).net

    def _break_even_saving(self) -> float | None:
        """The constant saving on every request at which net is 0.

        The least that covers a premium; negative for the slowdown that eats up what a cheaper candidate saves.
        """
        model, before, needed = self.stakes.value, self.before, self._premium_less_quality
        if model is None or before is None or not needed:
            return None

        def worth(saving: float) -> float:
            return self._worth(model, before, before.shifted(-saving), _NOWHERE)

        most = float(before.values_ms[-1])
        if needed > 0:
            return first_crossing(lambda saving: worth(saving) - needed, most) if worth(most) >= needed else None
        while worth(-most) > needed and most < MS_PER_HOUR:
            most *= 2
        return -first_crossing(lambda slower: needed - worth(-slower), most) if worth(-most) <= needed else None

    def _break_even_price(self) -> float | None:
        """The multiple of the candidate's cost at which net is 0."""
        cost = self.likely.cost
        ratio = (self.likely.net + cost) / cost if cost > 0 else None
        return ratio if ratio is not None and ratio > 0 else None

    def _break_even_worth(self) -> Mapping[str, float | None]:
        """The one number of the value model that its value is proportional to."""
        named: dict[str, float | None] = {}
        worth = self._latency_value(_NOWHERE)
        rate = _proportional(self.stakes.value)
        if rate:
            key, number = rate
            needed = self._premium_less_quality
            named[key] = number.likely * needed / worth if worth and worth > 0 and needed > 0 else None
        return named


def _proportional(model: ValueModel | None) -> tuple[str, Range] | None:
    if isinstance(model, Deadline):
        return "usd_per_miss", model.per_miss
    if isinstance(model, Elasticity):
        return "margin_usd_per_request", model.margin
    return None


def _standard_error(losses: Floats, weights: Floats, n: int | None) -> float:
    """Of the mean of ``losses`` under ``weights``, were they ``n`` independent requests; 0 where nothing was sampled."""
    if not n:
        return 0.0
    mean = float(weights @ losses)
    return math.sqrt(max(0.0, float(weights @ (losses - mean) ** 2)) / n)


def crossing(f: Callable[[float], float], low: float, high: float, *, steps: int = 60) -> float | None:
    """Where ``f`` changes sign between two ends; ``None`` where it does not.

    False position, the stale end halved (Illinois): a straight line, which net against volume mostly is, takes one step;
    every third step halves the bracket, so that bends and jumps cannot stall it.
    """
    at_low, at_high = f(low), f(high)
    if at_low == 0 or at_low * at_high > 0:
        return low if at_low == 0 else None
    left, right = at_low, at_high
    for step in range(steps):
        middle = (low + high) / 2 if step % 3 == 2 else (low * right - high * left) / (right - left)
        at_middle = f(middle)
        if at_middle == 0 or high - low <= 1e-12 * high:
            return middle
        if at_middle * at_low < 0:
            high, right, left = middle, at_middle, left / 2
        else:
            low, left, right, at_low = middle, at_middle, right / 2, at_middle
    return (low + high) / 2


def first_crossing(f: Callable[[float], float], most: float, steps: int = 34) -> float:
    """The least ``x`` in [0, ``most``] with ``f(x) >= 0``, for an ``f`` that never falls and is not negative at ``most``."""
    low, high = 0.0, most
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if f(middle) >= 0 else (middle, high)
    return high


def net_of(books: Books) -> float | None:
    """Net in the likely world, ``None`` where a price is missing."""
    try:
        return books.likely.net
    except Unpriced:
        return None
