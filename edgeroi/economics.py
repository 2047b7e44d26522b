"""Whether it pays: what the candidate costs more, what its latency and quality are worth, and where that would turn.

premium = cost of the candidate - cost of the baseline; net = value - premium; all in USD a month.
What is likely, the bars of the drivers and the break-evens come from one pure function of the drivers (``Books.in_world``), asked
again. ``Books.prospect`` is that function in many worlds at once, with the error of what was measured; the tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgeroi.cost import Cost
from edgeroi.draws import Chance, Prospect, Worlds, draws_of, worth_knowing_one
from edgeroi.ensemble import ATOMS, FEW_ROWS, PAIRS, columns, gains
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Basis, Range, World, weakest
from edgeroi.felt import Felt, Noticed, noticed
from edgeroi.investment import Investment, annuity, invested
from edgeroi.latency import Latency
from edgeroi.option import NOWHERE, Option, Timing, Traffic, drivers_in
from edgeroi.prices import Unpriced
from edgeroi.sampling import error_of_gain, same_sample, sample_name
from edgeroi.spec import Judged
from edgeroi.values import ROUNDING, Gated, ValueModel, gain_units, value_usd_month
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import MS_PER_HOUR, LinearTime

Floats = NDArray[np.float64]

#: Worlds of latencies that are drawn; each serves as many draws of all else as it takes.
_ROWS = 1_000
#: The driver that stands for what samples leave unknown.
SAMPLING = "size of the latency sample"


@dataclass(frozen=True)
class Stakes:
    """What a workload is, apart from the options: its traffic, which latency is judged, and what it is worth to whom.

    ``value``: ``None`` where nobody declared one. ``felt``: the gate for people, ``None`` for machines. What is spent once is held
    against ``horizon_months`` of net, discounted at ``discount_rate`` a year.
    """

    traffic: Traffic
    judge: Judged = "e2e"
    value: ValueModel | None = None
    felt: Felt | None = field(default_factory=Felt)
    felt_rule: Felt = field(default_factory=Felt)
    part_of: Range | None = None
    quality_usd: Range | None = None
    fastest_p50_ms: float | None = None
    horizon_months: float = 12.0
    discount_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One world: USD a month. ``value`` is ``None`` where none is declared or a latency is unknown; net then counts the premium alone."""

    cost: float
    premium: float
    value: float | None
    net: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What net is made of, USD a month: the worth of latency and of quality, less what the candidate costs, and the baseline again.

    One number each, or one for each world (n,).
    """

    latency: Floats | float
    quality: Floats | float
    cost: Floats | float
    baseline_cost: Floats | float

    @property
    def net(self) -> Floats:
        """All of it together."""
        return more_than(self.latency + self.quality, more_than(self.cost, self.baseline_cost))


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
    chance: Chance = field(default_factory=Chance)

    # ---- one world ----

    def cost_of(self, option: Option, world: World = NOWHERE) -> Cost:
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

    def latency_of(self, option: Option, world: World = NOWHERE) -> Latency | None:
        """The judged latency; ``None`` where nothing is known of it."""
        return option.latency(self.stakes.judge, world)

    def in_world(self, world: World = NOWHERE) -> Outcome:
        """What the month comes to in one world."""
        cost = float(self.cost_of(self.candidate, world).usd_month)
        premium = float(more_than(cost, float(self.cost_of(self.baseline, world).usd_month)))
        value = self._value(world)
        return Outcome(cost, premium, value, float(more_than(value or 0.0, premium)))

    def _value(self, world: World) -> float | None:
        worth = [part for part in (self._latency_value(world), self._quality_value(world)) if part is not None]
        return sum(worth) if worth else None

    def _latency_value(self, world: World) -> float | None:
        before, after = self.latency_of(self.baseline, world), self.latency_of(self.candidate, world)
        if self.stakes.value is None or before is None or after is None:
            return None
        return self._worth(self.stakes.value, before, after, world)

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
    def latency_worth(self) -> float:
        """What the difference in latency is likely worth, USD a month; 0 where nobody says, or nobody knows."""
        return self._latency_value(NOWHERE) or 0.0

    @property
    def quality_worth(self) -> float:
        """What the difference in quality is likely worth, USD a month; 0 where nobody says."""
        return self._quality_value(NOWHERE) or 0.0

    @property
    def slower(self) -> bool:
        """Whether the candidate's judged latency is worse at the median or at p99, or it fails more often."""
        return self.before is not None and self.after is not None and slower_than(self.after, self.before)

    # ---- many worlds ----

    @cached_property
    def _model(self) -> ValueModel | None:
        """The value model, anchored."""
        return self.stakes.value.anchored(self.stakes.fastest_p50_ms) if self.stakes.value else None

    @cached_property
    def stated(self) -> tuple[Range, ...]:
        """Every number that is stated with a range."""
        return drivers_in(self.stakes, self.baseline.ranges(), self.candidate.ranges())

    @cached_property
    def _timed(self) -> tuple[str, ...]:
        """The drivers of how long requests take, and of how long they may: in their worlds each distribution is built anew."""
        model = self.stakes.value
        limits = [getattr(model, each.name) for each in fields(model) if model.units.get(each.name) == "ms"] if model else []  # type: ignore[arg-type]
        timings = [timing for option in (self.baseline, self.candidate) for timing in (option.e2e, option.ttft)]
        names = [driver.name for driver in drivers_in(*limits, self.stakes.part_of)]
        return tuple(dict.fromkeys([*names, *(name for timing in timings if timing for name in timing.moved_by)]))

    @property
    def _rows(self) -> int:
        """Worlds of time that differ: few where a policy or a queue has to be evaluated in each."""
        return min(self.chance.draws, FEW_ROWS if self._one_by_one else _ROWS)

    @property
    def _one_by_one(self) -> bool:
        """Whether worlds of time are built one by one."""
        return any(option.policy or option.servers for option in (self.baseline, self.candidate))

    @cached_property
    def worlds(self) -> Worlds:
        """The draws of every driver that is stated with a range."""
        timed = self._timed
        return {driver.name: draws_of(driver, self.chance, self._rows if driver.name in timed else None) for driver in self.stated}

    @cached_property
    def _likely_gain(self) -> float:
        """Units of what the value model counts that a request gains in the likely world."""
        if self._model is None or self.before is None or self.after is None:
            return 0.0
        part_of = self.stakes.part_of
        part = part_of.likely if part_of else None
        return gain_units(self._model, self.before, self.after, NOWHERE, felt=self.stakes.felt, part_of_ms=part)

    def _gains(self, worlds: Worlds, rows: int) -> Floats | float:
        """The same in the first so many worlds (rows,); one number where no driver of them is about time."""
        names = [name for name in self._timed if name in worlds]
        timings = [timing for option in (self.baseline, self.candidate) if (timing := option.timing(self.stakes.judge))]
        if self._model is None or len(timings) < 2 or not names:
            return self._likely_gain
        seen = columns(worlds, names, rows)
        was, now = (timing.in_worlds(seen, PAIRS if isinstance(self._model, Gated) else ATOMS) for timing in timings)
        part_of = self.stakes.part_of
        return np.resize(gains(self._model, was, now, seen, felt=self.stakes.felt, part_of_ms=part_of.at(seen) if part_of else None), rows)

    @cached_property
    def _gained(self) -> Floats | float:
        """Units that a request gains in each world drawn: of as many worlds of time as differ, over and over."""
        gained = self._gains(self.worlds, self._rows)
        if not np.ndim(gained):
            return gained
        if self._one_by_one:  # coarser than the one likely world is: a candidate that changes nothing gains nothing in any world
            here = {driver.name: np.full(2, driver.likely) for driver in self.stated if driver.name in self._timed}
            gained = more_than(gained, np.resize(self._gains(here, 2), 1)) + self._likely_gain
        return np.resize(gained, self.chance.draws)

    @cached_property
    def _sampling_units(self) -> Floats | None:
        """Draws of the error of what a request gains; ``None`` where nothing was sampled, or no model asks."""
        model, before, after = self._model, self.before, self.after
        if model is None or before is None or after is None:
            return None
        part_of = self.stakes.part_of
        part = part_of.likely if part_of else None
        return error_of_gain(model, before, after, self._samples, self.chance, felt=self.stakes.felt, part_of_ms=part)

    @property
    def _samples(self) -> tuple[str, str]:
        """The names of the samples of both sides: one, where the candidate is the baseline's own sample, moved or not."""
        timings = [option.timing(self.stakes.judge) for option in (self.baseline, self.candidate)]
        one, two = (timing.sample if isinstance(timing, Timing) else None for timing in timings)
        if one is not None and (
            same_sample(one, two) or all(self._of_sample(part, one) for part in self.candidate.parts or (self.candidate,))
        ):
            return sample_name(one), sample_name(one)
        names = [sample_name(sample or latency) if latency else "" for sample, latency in ((one, self.before), (two, self.after))]
        return names[0], names[1] if names[1] != names[0] else f"{names[1]}, apart"

    def _of_sample(self, option: Option, sample: Latency) -> bool:
        """Whether an option's requests are those of the baseline's sample: its best case is these, each less its part of the network."""
        timing = option.timing(self.stakes.judge)
        return option.best_case or (isinstance(timing, Timing) and same_sample(sample, timing.sample))

    @cached_property
    def prospect(self) -> Prospect | None:
        """Net in every world drawn; ``None`` where nothing that was stated as a range or sampled moves it.

        Raises ``Unpriced`` where a price is missing. The error of a sample counts where anything is gained or lost at all: where no saving
        is felt there is nothing to err about.
        """
        n, requests = self.chance.draws, self.worlds.get(self.stakes.traffic.requests.name, self.stakes.traffic.requests.likely)
        net, sampling = np.broadcast_to(self._nets(self.worlds, self._gained), n), None
        if self.likely.value is not None and self._model is not None and self._sampling_units is not None:
            usd = requests * self._model.rate_usd(cast("World", self.worlds))
            sampling = np.where(np.asarray(self._gained) == 0, 0.0, usd * self._sampling_units)
            net = net + sampling
        moved = bool(np.ptp(net) > 1e-9 * max(1.0, abs(self.likely.net)))
        return Prospect(net, self.worlds, sampling if sampling is not None and np.any(sampling) else None) if moved else None

    def _nets(self, worlds: Worlds, gained: Floats | float) -> Floats:
        """Net in these worlds (n,), or one number (), of what a request gains in each."""
        return self._parts(worlds, gained).net

    def _parts(self, worlds: Worlds, gained: Floats | float) -> Parts:
        traffic = self.stakes.traffic
        requests = worlds.get(traffic.requests.name, traffic.requests.likely)
        worth: Floats | float = 0.0
        if self._model is not None and self.likely.value is not None:
            worth = requests * self._model.rate_usd(cast("World", worlds)) * gained
        quality, before, after = self.stakes.quality_usd, self.baseline.quality, self.candidate.quality
        better: Floats | float = 0.0
        if quality is not None and before is not None and after is not None:
            usd, was, now = (number.in_worlds(worlds) for number in (quality, before, after))
            better = requests * usd * (now - was)
        return Parts(worth, better, self.candidate.usd_month(traffic, worlds), self.baseline.usd_month(traffic, worlds))

    @property
    def drawn_parts(self) -> Parts | None:
        """What net is made of in every world drawn, the error of a sample within the worth of latency; ``None`` where net is one number."""
        if self.prospect is None:
            return None
        parts, sampling = self._parts(self.worlds, self._gained), self.prospect.sampling
        return parts if sampling is None else replace(parts, latency=parts.latency + sampling)

    def nets_along(self, driver: Range, values: Floats) -> Floats:
        """Net (n,) with one driver at each of these values (n,), all others likely."""
        if self._one_by_one and driver.name in self._timed:
            return np.array([self._net_with(driver, float(value)) for value in values])
        here = np.append(values, driver.likely)
        worlds = {driver.name: here}
        nets = np.broadcast_to(self._nets(worlds, self._gains(worlds, here.size)), here.size)
        # Many worlds are built of coarser requests than one: what that makes of the likely world is taken off all of them.
        return np.asarray(self.likely.net + nets[:-1] - nets[-1], np.float64)

    def _net_with(self, driver: Range, value: float) -> float:
        """Net in one world, all drivers but one likely; not a number where the servers cannot carry it."""
        try:
            return self.in_world({driver.name: value}).net
        except EdgeroiError:
            return math.nan

    # ---- drivers ----

    @cached_property
    def drivers(self) -> tuple[Range, ...]:
        """Every number that is stated with a range, and the sampling error of what was measured: its ends are those of net, USD."""
        error = self.prospect.sampling if self.prospect else None
        if error is None:
            return self.stated
        low, high = (float(np.quantile(error, p)) for p in (0.05, 0.95))
        return (*self.stated, Range(0.0, low, high, SAMPLING, "normal", "measured", "requests are few"))

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """Net at both ends of each driver that moves it, the widest first."""
        bars = [self._bar(driver) for driver in self.drivers]
        return tuple(sorted((bar for bar in bars if bar.moves), key=lambda bar: -bar.width))

    def _bar(self, driver: Range) -> Bar:
        if driver.name == SAMPLING:
            return Bar(driver, self.likely.net + driver.low, self.likely.net + driver.high)
        low, high = self.nets_along(driver, np.array([driver.low, driver.high]))
        return Bar(driver, float(low), float(high))

    def worth_knowing(self, driver: Range) -> float:
        """What it is worth a month to know this driver before choosing; 0 where net is not drawn."""
        if self.prospect is None:
            return 0.0
        known = self.prospect.sampling if driver.name == SAMPLING else self.prospect.worlds.get(driver.name)
        return 0.0 if known is None else min(self.prospect.evpi, worth_knowing_one(self.prospect.net, known))

    @cached_property
    def deciding(self) -> Bar | None:
        """The driver that is worth most to know, of equals the one with the widest bar; ``None`` where nothing moves net."""
        return max(self.bars, key=lambda bar: (self.worth_knowing(bar.driver), bar.width), default=None)

    def turn_of(self, bar: Bar) -> float | None:
        """The value of one driver at which net is 0, all others likely: between its ends, else the nearest within three decades beyond.

        ``None`` where there is none, and for the sampling error, which is nobody's number.
        """
        driver = bar.driver
        if driver.name == SAMPLING:
            return None
        width = driver.high - driver.low
        reaches = [driver.low - reach * width for reach in (1110, 110, 10, 1)] + [driver.low, driver.high]
        reaches += [driver.high + reach * width for reach in (1, 10, 110, 1110)]
        knots = np.unique(np.clip(reaches, driver.least, driver.most))
        slowly = self._one_by_one and driver.name in self._timed
        values = knots if slowly else np.unique(np.concatenate([np.linspace(low, high, 9) for low, high in pairwise(knots)]))
        for _ in range(3):
            nets = self.nets_along(driver, values)
            turns = np.flatnonzero(nets[:-1] * nets[1:] <= 0)
            if not turns.size:
                return None
            beside = np.minimum(abs(values[turns] - driver.likely), abs(values[turns + 1] - driver.likely))
            place = turns[int(np.argmin(beside))]
            (low, high), (at_low, at_high) = values[place : place + 2], nets[place : place + 2]
            if slowly:
                return crossing(lambda value: self._net_with(driver, value), float(low), float(high), steps=12)
            values = np.linspace(low, high, 17)
        return float(low) if at_low == at_high else float(low - at_low * (high - low) / (at_high - at_low))

    def requests_to_settle(self, edge_from: float, fail_at: float) -> int | None:
        """About how many more requests a sample would take for its error to leave no doubt; ``None`` where it is not what decides."""
        sizes = [side.n for side in (self.before, self.after) if side is not None and side.n is not None]
        if self.prospect is None or not sizes or self.deciding is None or self.deciding.driver.name != SAMPLING:
            return None
        factor = self.prospect.settling_factor(edge_from, fail_at)
        return None if factor is None else math.ceil(min(sizes) * (factor - 1))

    @cached_property
    def investment(self) -> Investment | None:
        """What is spent once to move, held against net over the horizon; ``None`` where nothing is spent."""
        spent = self.candidate.migration
        if spent is None:
            return None
        terms = self.stakes.horizon_months, self.stakes.discount_rate
        found = invested(spent.likely, self.likely.net, *terms)
        if self.prospect is None and spent.is_point:
            return found
        once = draws_of(spent, self.chance)
        net = self.prospect.net if self.prospect else self.likely.net
        return replace(found, p_pays_back=float(np.mean(net * annuity(*terms) >= once)))

    @property
    def net_low(self) -> float:
        """Net that 5 % of the worlds fall below; the likely one where nothing moves it."""
        return self.prospect.quantile(0.05) if self.prospect else self.likely.net

    @property
    def net_high(self) -> float:
        """Net that 5 % of the worlds exceed; the likely one where nothing moves it."""
        return self.prospect.quantile(0.95) if self.prospect else self.likely.net

    @property
    def p_worth_it(self) -> float | None:
        """The share of worlds in which net is not negative; ``None`` where nothing moves it and it is no matter of chance."""
        return self.prospect.p_worth_it if self.prospect else None

    # ---- break-evens ----

    @cached_property
    def break_even(self) -> Mapping[str, float | None]:
        """The value of one driver at which net is 0, all others likely; ``None`` where there is none.

        ``waiting_usd_per_hour`` counts every saved millisecond, felt or not, where the median saving is not felt. Each is looked for when
        it is asked for: most tables show one or two, and the volume takes longer than all the rest.
        """
        own = _proportional(self.stakes.value)
        return _WhenAsked(
            {
                "waiting_usd_per_hour": self._break_even_waiting,
                "usd_per_1k_requests": self._break_even_request,
                "requests_month": self._break_even_requests,
                "saved_ms": self._break_even_saving,
                "price_ratio": self._break_even_price,
                **({own[0]: partial(self._break_even_worth, own[1])} if own else {}),
            }
        )

    def _break_even_waiting(self) -> float | None:
        """Savings as they count, where the median one is felt; else every saved millisecond, as nothing would turn otherwise."""
        saved, seen, requests, needed = self.saved, self.noticed, self.stakes.traffic.requests.likely, self._premium_less_quality
        if saved is None or seen is None or self.before is None or self.after is None or not requests:
            return None
        if self.likely.premium <= 0 or needed <= 0:
            return None
        model = self.stakes.value if isinstance(self.stakes.value, LinearTime) else LinearTime(Range.point(1.0))
        if self.stakes.felt is None or seen.at_p50:
            worth = self._worth(model, self.before, self.after, NOWHERE)
            return model.waiting.likely * needed / worth if worth > 0 else None
        hours = requests * max(0.0, saved.mean) * model.blocked.likely / MS_PER_HOUR
        return needed / hours if hours else None

    @property
    def _premium_less_quality(self) -> float:
        return self.likely.premium - self.quality_worth

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
        """Net at another volume: its own invoices, and a value that is so much for each request where nobody waits for a server."""
        likely = self.stakes.traffic.requests
        traffic = replace(self.stakes.traffic, requests=Range.point(requests))
        books = replace(self, stakes=replace(self.stakes, traffic=traffic))
        if self.baseline.queued or self.candidate.queued or not likely.likely:
            return books.in_world({likely.name: requests} if likely.name else {}).net
        premium = float(books.candidate_cost.usd_month) - float(books.baseline_cost.usd_month)
        return (self.likely.value or 0.0) * requests / likely.likely - premium

    def _break_even_saving(self) -> float | None:
        """The constant saving on every request at which net is 0.

        The least that covers a premium; negative for the slowdown that eats up what a cheaper candidate saves.
        """
        model, before, needed = self.stakes.value, self.before, self._premium_less_quality
        if model is None or before is None or not needed:
            return None

        def worth(saving: float) -> float:
            return self._worth(model, before, before.shifted(-saving), NOWHERE)

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

    def _break_even_worth(self, number: Range) -> float | None:
        """The one number of the value model that its value is proportional to."""
        worth, needed = self._latency_value(NOWHERE), self._premium_less_quality
        return number.likely * needed / worth if worth and needed / worth > 0 else None


class _WhenAsked(Mapping[str, float | None]):
    """Numbers by name, each worked out when it is first asked for."""

    def __init__(self, ways: Mapping[str, Callable[[], float | None]]) -> None:
        self._ways = ways
        self._known: dict[str, float | None] = {}

    def __getitem__(self, name: str) -> float | None:
        if name not in self._known:
            self._known[name] = self._ways[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ways)

    def __len__(self) -> int:
        return len(self._ways)


def _proportional(model: ValueModel | None) -> tuple[str, Range] | None:
    if isinstance(model, Deadline):
        return "usd_per_miss", model.per_miss
    if isinstance(model, Elasticity):
        return "margin_usd_per_request", model.margin
    return None


def slower_than(after: Latency, before: Latency) -> bool:
    """Whether a latency is worse at the median or, where both samples tell it, at p99, or it fails more often."""
    late = [after.quantile(p) > before.quantile(p) for p in (0.5, 0.99) if p == 0.5 or (before.estimable(p) and after.estimable(p))]
    return any(late) or after.failure_ratio > before.failure_ratio


def more_than(amount: Floats | float, other: Floats | float) -> Floats:
    """How much more the one is; 0 where they differ in the last digits of a sum alone, so that equals are equal."""
    more = np.asarray(amount - other, np.float64)
    return np.where(np.abs(more) > ROUNDING * np.maximum(np.abs(amount), np.abs(other)), more, 0.0)


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
