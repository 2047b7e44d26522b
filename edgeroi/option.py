"""One way to serve a workload: where it runs, how long it takes, what it charges, and the traffic it would carry.

Every number that somebody may doubt is a ``Range``; an option answers for one ``World`` at a time, that is for one value of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeroi.billing import Amount, Billing, Loads
from edgeroi.cost import Capacity, Cost, Discount, Load, Operations, cost_of
from edgeroi.draws import Worlds
from edgeroi.ensemble import ATOMS, FEW_ATOMS, LEAST_ATOMS, Ensemble, rows_of
from edgeroi.errors import Place
from edgeroi.estimate import Basis, Range, World, weakest
from edgeroi.latency import Latency, independent_sum, mixture
from edgeroi.prices import Fee, Price, Rate, decimal_of
from edgeroi.servers import Servers
from edgeroi.spec import ColdStart, OriginCalls, Reason, StatedLatency

Floats = NDArray[np.float64]
NOWHERE: World = {}
#: The placements whose spend the gate guards.
EDGE: tuple[str, ...] = ("edge", "device")


@dataclass(frozen=True, slots=True)
class Leg:
    """The network between a person and the option: each share of the users with its round-trip time, and the trips of a request."""

    rtts: tuple[tuple[float, Range], ...]
    round_trips: Range
    basis: Basis = "assumed"
    note: str = ""

    def mean_ms(self, world: World) -> float:
        """What the network takes of a request, mean over the users."""
        return sum(share * rtt.at(world) for share, rtt in self.rtts) * self.round_trips.at(world)

    def before(self, served: Latency, world: World) -> Latency:
        """What a person sees of requests that are served like this."""
        trips = self.round_trips.at(world)
        parts = [(share, served.shifted(rtt.at(world) * trips)) for share, rtt in self.rtts]
        seen = parts[0][1] if len(parts) == 1 else mixture(parts)
        # Which users a request came from is known by share only; the sample behind it is the same one.
        return replace(seen, n=served.n, basis=weakest(served.basis, self.basis))

    def before_each(self, served: Ensemble, world: World) -> Ensemble:
        """The same in many worlds at once; users with the same round trip are one part."""
        trips, shares = self.round_trips.at(world), dict[Range, float]()
        for share, rtt in self.rtts:
            shares[rtt] = shares.get(rtt, 0.0) + share
        (first, own), *others = [(served.later(rtt.at(world) * trips), share) for rtt, share in shares.items()]
        return first.shared_with([(share, seen) for seen, share in others], own)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one measure (e2e or TTFT) takes: a sample or stated quantiles, and what comes on top of either.

    ``sample`` is exact; ``stated`` is built anew in each world. ``leg`` is added where neither holds the user's part of the network.
    ``network_ms``: the median network part inside the sample, where its log tells it. ``failing``: how long its failures took.
    ``servers``: what a request waits for before it is served, where neither sample nor statement holds that wait.
    """

    sample: Latency | None = None
    stated: StatedLatency | None = None
    errors: Range | None = None
    leg: Leg | None = None
    cold: ColdStart | None = None
    origin: OriginCalls | None = None
    basis: Basis = "assumed"
    network_ms: float | None = None
    servers: Servers | None = None
    failing: Latency | None = None

    def failures_at(self, world: World) -> Latency | None:
        """How long failures take to show in one world; ``None`` where it was not measured."""
        return self.leg.before(self.failing, world) if self.leg and self.failing else self.failing

    def at(self, world: World) -> Latency:
        """The distribution in one world."""
        served = self.sample if self.sample is not None else self._stated_at(world)
        if self.servers:
            served = independent_sum(served, self.servers.wait(world))
        if self.origin:
            served = served.shifted(self.origin.count.at(world) * self.origin.rtt.at(world))
        if self.cold:
            served = served.with_cold_starts(self.cold.share.at(world), self.cold.adds.at(world))
        return self.leg.before(served, world) if self.leg else served

    def in_worlds(self, world: World, atoms: int = ATOMS) -> Ensemble:
        """The distribution in many worlds at once, the numbers of ``world`` being columns; exact where none of them is about it."""
        if not any(number.name in world for number in ranges_in(self)):
            return Ensemble.of(self.at(NOWHERE))
        if self.servers:
            return Ensemble.of_each([self._carried({name: float(x) for name, x in row.items()}) for row in rows_of(world)], FEW_ATOMS)
        parts = (len({rtt for _, rtt in self.leg.rtts}) if self.leg else 1) * (2 if self.cold else 1)
        each = max(LEAST_ATOMS, atoms // parts)
        served = Ensemble.of(self.sample, each) if self.sample is not None else self._stated_in(world, each)
        if self.origin:
            served = served.later(self.origin.count.at(world) * self.origin.rtt.at(world))
        if self.cold:
            share = self.cold.share.at(world)
            served = served.shared_with([(share, served.later(self.cold.adds.at(world)))], 1 - share)
        return self.leg.before_each(served, world) if self.leg else served

    def _carried(self, world: World) -> Latency:
        """The distribution in one world; where the servers cannot carry its load, nobody is answered."""
        assert self.servers is not None
        return self.at(NOWHERE).with_failures(1.0) if self.servers.overload(world) else self.at(world)

    def _stated_in(self, world: World, atoms: int) -> Ensemble:
        assert self.stated is not None
        failing = self.errors.at(world) if self.errors else 0.0
        stated = ((0.5, self.stated.constant),) if self.stated.constant else self.stated.quantiles
        return Ensemble.stated([(p, ms.at(world)) for p, ms in stated], failing, atoms)

    @property
    def moved_by(self) -> tuple[str, ...]:
        """The names of the drivers it hangs on."""
        return tuple(driver.name for driver in drivers_in(self))

    @property
    def network_part_ms(self) -> float | None:
        """What the network takes of a request, measured inside the sample or outside as the leg; ``None`` where neither is known."""
        known = [part for part in (self.network_ms, self.leg.mean_ms({}) if self.leg else None) if part is not None]
        return sum(known) if known else None

    def _stated_at(self, world: World) -> Latency:
        assert self.stated is not None
        return self.stated.at(world, self.errors.at(world) if self.errors else 0.0, self.basis)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a workload asks for in a month: requests, and mean tokens of one. ``None`` is unknown, never 0."""

    requests: Range
    input_tokens: Range | None = None
    output_tokens: Range | None = None
    cached_tokens: Range | None = None
    cache_write_tokens: Range | None = None
    notes: tuple[str, ...] = ()

    def load(self, world: World) -> Load:
        """The load in one world, as the invoice counts it."""

        def told(number: Range | None) -> Decimal | None:
            return None if number is None else decimal_of(number.at(world))

        return Load(
            told(self.requests),
            told(self.input_tokens),
            told(self.output_tokens),
            told(self.cached_tokens),
            told(self.cache_write_tokens),
            basis=weakest(*(number.basis for number in ranges_in(self))),
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an option charges: the price, the rates in it that are stated with a range, and what is paid besides."""

    price: Price
    ranged: Mapping[str, Range] = field(default_factory=dict)
    capacity: Capacity | None = None
    fees: tuple[tuple[str, Range, str | None], ...] = ()
    hours: Range | None = None
    usd_hour: Range | None = None
    discount: Range | None = None
    egress_gb: Range | None = None
    egress_gb_request: Range | None = None
    cpu_ms_request: Range | None = None

    def cost(self, traffic: Traffic, world: World) -> Cost:
        """The invoice of a month in one world. Raises ``Unpriced`` where the price needs what the traffic does not tell."""
        price = self.price
        for name, number in self.ranged.items():
            price = _with_rate(price, name, decimal_of(number.at(world)))
        fees = [Fee(item, Rate(decimal_of(usd.at(world)), "month", basis="assumed"), account) for item, usd, account in self.fees]
        operations = (
            Operations(decimal_of(self.hours.at(world)), decimal_of(self.usd_hour.at(world))) if self.hours and self.usd_hour else None
        )
        discount = Discount(decimal_of(self.discount.at(world))) if self.discount else None
        cpu = decimal_of(self.cpu_ms_request.at(world)) if self.cpu_ms_request else None
        load = replace(traffic.load(world), egress_gb=self._egress(traffic, world), cpu_ms=cpu)
        return cost_of(price, load, capacity=self.capacity, fees=fees, operations=operations, discount=discount)

    def usd_month(self, traffic: Traffic, worlds: Worlds) -> Floats:
        """What ``cost`` comes to in many worlds at once, (n,) or one number (): ask that first, which refuses what cannot be priced."""

        def told(number: Range | None) -> Amount:
            return 0.0 if number is None else worlds.get(number.name, number.likely)

        requests = told(traffic.requests)
        loads = Loads(
            requests,
            told(traffic.input_tokens),
            told(traffic.output_tokens),
            told(traffic.cached_tokens),
            told(traffic.cache_write_tokens),
            told(self.egress_gb) if self.egress_gb else told(self.egress_gb_request) * requests,
            told(self.cpu_ms_request),
        )
        rates = {name: told(number) for name, number in self.ranged.items()}
        fees = sum((told(usd) for _, usd, _ in self.fees), 0.0)
        operations = told(self.hours) * told(self.usd_hour)
        billing = Billing(self.price, rates, self.capacity, fees, operations, told(self.discount))
        return np.asarray(billing.usd_month(loads), np.float64)

    def _egress(self, traffic: Traffic, world: World) -> Decimal | None:
        if self.egress_gb:
            return decimal_of(self.egress_gb.at(world))
        if self.egress_gb_request:
            return decimal_of(self.egress_gb_request.at(world) * traffic.requests.at(world))
        return None


def _with_rate(price: Price, name: str, usd: Decimal) -> Price:
    changed: dict[str, Any] = {name: replace(getattr(price, name), usd=usd)}
    return replace(price, **changed)


class Timed(Protocol):
    """What an option's timing answers, a policy's too."""

    def at(self, world: World) -> Latency:
        """The distribution in one world."""

    def in_worlds(self, world: World, atoms: int = ATOMS) -> Ensemble:
        """The distribution in many worlds at once, the numbers of ``world`` being columns (m, 1)."""

    @property
    def moved_by(self) -> tuple[str, ...]:
        """The names of the drivers it hangs on."""

    @property
    def network_part_ms(self) -> float | None:
        """What the network takes of a request; ``None`` where it is not known."""


class Charging(Protocol):
    """What an option's tariff answers, a policy's too."""

    @property
    def hours(self) -> Range | None:
        """Hours of labour a month."""

    @property
    def usd_hour(self) -> Range | None:
        """What an hour of it costs."""

    def cost(self, traffic: Traffic, world: World) -> Cost:
        """The invoice of a month in one world."""

    def usd_month(self, traffic: Traffic, worlds: Worlds) -> Floats:
        """What the invoice comes to in many worlds at once, (n,) or one number ()."""


class Graded(Protocol):
    """What an option's quality answers, a policy's too."""

    @property
    def likely(self) -> float:
        """The likely quality."""

    def at(self, world: World) -> float:
        """The quality in one world."""

    def in_worlds(self, worlds: Worlds) -> Floats | float:
        """The quality in many worlds at once, (n,) or one number."""


@dataclass(frozen=True)
class Option:
    """One way to serve a workload, resolved: prices looked up, logs read.

    ``measured``: whether its latency was measured at this option, request by request; an aggregate does not do.
    ``tariff`` is ``None`` where no price is known, for the reason in ``unpriced``; ``e2e`` and ``ttft`` are ``None`` where nothing is
    known about them, for the reason in ``unknown_latency``.
    Of a policy, ``policy`` is its kind and ``parts`` the options it is made of. ``joint``: how e2e and TTFT go together where a log was
    asked, as (share, e2e, TTFT) of successes with a like TTFT.
    ``servers``: its dedicated servers under this workload; ``overload``: why they cannot carry it, where they cannot.
    """

    name: str
    placement: str
    model: str | None = None
    region: str | None = None
    tariff: Charging | None = None
    unpriced: str | None = None
    e2e: Timed | None = None
    ttft: Timed | None = None
    unknown_latency: str | None = None
    measured: bool = False
    best_case: bool = False
    assume: Reason | None = None
    quality: Graded | None = None
    migration: Range | None = None
    origin_calls: OriginCalls | None = None
    servers: Servers | None = None
    overload: str | None = None
    policy: str | None = None
    parts: tuple[Option, ...] = ()
    joint: tuple[tuple[float, Timing, Timing], ...] = ()
    place: Place | None = None
    notes: tuple[str, ...] = ()

    @property
    def at_edge(self) -> bool:
        """Whether the gate guards what it costs."""
        return self.placement in EDGE

    @property
    def answered_for(self) -> bool:
        """Whether a verdict in its favour may rest on its latency: it was measured, or somebody assumes it by name."""
        return self.measured or (self.assume is not None and self.assume.given)

    def usd_month(self, traffic: Traffic, worlds: Worlds) -> Floats:
        """What the option costs in many worlds at once, (n,) or one number (); it has to be priced."""
        assert self.tariff is not None
        return self.tariff.usd_month(traffic, worlds)

    @property
    def places(self) -> tuple[str, ...]:
        """Where it runs: of a policy, every place one of its parts does, the first asked first."""
        return tuple(dict.fromkeys(part.placement for part in self.parts)) or (self.placement,)

    @property
    def queued(self) -> bool:
        """Whether requests wait for servers of its own, or of a part of it: each then takes longer where there are more."""
        return any(part.servers for part in (self, *self.parts))

    def timing(self, judged: str) -> Timed | None:
        """What is known of the judged measure."""
        return self.ttft if judged == "ttft" else self.e2e

    def latency(self, judged: str, world: World) -> Latency | None:
        """The judged latency in one world; the likely one is kept, since the search for a break-even asks for it at every step."""
        timing = self.timing(judged)
        if timing is None or world:
            return timing.at(world) if timing else None
        if judged not in self._likely:
            self._likely[judged] = timing.at(world)
        return self._likely[judged]

    @cached_property
    def _likely(self) -> dict[str, Latency]:
        return {}

    def ranges(self) -> tuple[Range, ...]:
        """Every number of the option that was stated with a range."""
        return tuple(found for found in ranges_in((self.tariff, self.e2e, self.ttft, self.quality)) if not found.is_point)


def _ranges_in(thing: object) -> tuple[Range, ...]:
    """Every ``Range`` inside a value made of frozen dataclasses, tuples and mappings."""
    if isinstance(thing, Range):
        return (thing,)
    if isinstance(thing, Latency | Price) or thing is None:
        return ()
    if isinstance(thing, Mapping):
        return tuple(found for part in thing.values() for found in _ranges_in(part))
    if isinstance(thing, tuple):
        return tuple(found for part in thing for found in _ranges_in(part))
    names = getattr(thing, "__dataclass_fields__", ())
    return tuple(found for name in names for found in _ranges_in(getattr(thing, name)))


def ranges_in(*things: object) -> tuple[Range, ...]:
    """Every number inside these values that is stated, measured or looked up as a ``Range``, points too."""
    return _ranges_in(things)


def drivers_in(*things: object) -> tuple[Range, ...]:
    """The distinct drivers inside these values: ranges that are not points, by name, in order of appearance."""
    found = {driver.name: driver for thing in things for driver in ranges_in(thing) if not driver.is_point}
    return tuple(found.values())


#: What providers add to a model's name without its being another model.
_DRESS = ("instruct", "turbo", "fast", "fp8", "fp16", "int8", "awq", "versatile", "instant", "it", "latest", "v1:0", "meta", "batch")

#: ``us.meta.`` before the name itself.
_VENDOR = re.compile(r"^(?:[a-z]+\.)+")
#: A version as some providers write it: ``3-3`` or ``v3p3`` for ``3.3``.
_VERSION = re.compile(r"\bv?(\d)[-p](\d)(?=-|$)")


def family(model: str) -> str:
    """A model's name without vendor, precision and serving variants: ``@cf/meta/llama-3.3-70b-instruct-fp8-fast`` -> ``llama-3.3-70b``."""
    last = model.casefold().rsplit("/", 1)[-1].replace("_", ".").replace("llama3", "llama-3")
    last = _VERSION.sub(r"\1.\2", _VENDOR.sub("", last))
    return "-".join(word for word in last.split("-") if word not in _DRESS)
