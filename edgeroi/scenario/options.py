"""One way to serve a workload, as the scenario states it: price, latency, capacity, labour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from edgeroi.errors import EdgeroiError, Place
from edgeroi.estimate import Range
from edgeroi.scenario.logs import log_of
from edgeroi.scenario.policies import POLICIES, policy_option
from edgeroi.scenario.section import Findings, Section, scalar_of, stated_or, table_of, text_of
from edgeroi.spec import (
    ONCE,
    PLACEMENTS,
    Capacity,
    ColdStart,
    Egress,
    FixedFee,
    Operations,
    OptionSpec,
    OriginCalls,
    PriceRef,
    StatedLatency,
    StatedPrice,
)
from edgeroi.units import (
    COUNT,
    DISCOUNT,
    DISTANCE,
    EGRESS_PRICE,
    HOURLY,
    LABOUR,
    LATENCY,
    MONEY,
    MONTHLY,
    NEURON_PRICE,
    NEURON_RATE,
    PER_REQUEST,
    SHARE,
    SIZE,
    THROUGHPUT,
    TOKEN_PRICE,
    VOLUME,
)
from edgeroi.yamltree import Listing, Node, Scalar, Table


def option_of(section: Section, name: str, folder: Path) -> OptionSpec | None:
    """One option: a placement with all that is stated about it, or a policy over others."""
    if kinds := [kind for kind in POLICIES if section.has(kind)]:
        return policy_option(section, name, kinds)
    placement = section.choice("placement", PLACEMENTS, needed=True)
    price, discount = _price_and_discount(section)
    section.exclusive("service", "latency")
    section.exclusive("service_ttft", "ttft")
    option = OptionSpec(
        name,
        placement,
        price=price,
        model=section.text("model"),
        region=section.text("region"),
        rtt=section.range("rtt", LATENCY),
        round_trips=stated_or(section.range("round_trips", COUNT), ONCE.named(f"{section.path}.round_trips")),
        service=_stated_latency(section, "service"),
        service_ttft=_stated_latency(section, "service_ttft"),
        latency=_stated_latency(section, "latency"),
        ttft=_stated_latency(section, "ttft"),
        log=log_of(section, folder),
        cold_start=_cold_start(section),
        fixed=_fixed(section),
        operations=_operations(section),
        quality=section.range("quality", SHARE),
        errors=section.range("errors", SHARE),
        capacity=_capacity(section),
        migration=section.range("migration", MONEY),
        egress=_egress(section),
        discount=discount,
        origin_calls=origin_calls_of(section),
        distance=section.range("distance", DISTANCE),
        cpu=section.range("cpu", LATENCY),
        assume=section.assume(),
        place=section.table.place,
    )
    section.taken.extend(POLICIES)
    section.close({"sla": "state `errors`", "cost": "state `price`, `fixed` or `operations`", "p50": "put quantiles under `service`"})
    return _answered(option) if placement else None


def _answered(option: OptionSpec) -> OptionSpec:
    """Whoever answers for the latency of an option answers for the ranges it is stated with."""
    why = option.assume.why if option.assume else None
    if why is None:
        return option
    stated = {name: getattr(option, name) for name in ("service", "service_ttft", "latency", "ttft")}
    return replace(option, **{name: _resting_on(why, latency) for name, latency in stated.items() if latency})  # type: ignore[arg-type]


def _resting_on(why: str, stated: StatedLatency) -> StatedLatency:
    constant = stated.constant.resting_on(why) if stated.constant else None
    return StatedLatency(constant, tuple((p, ms.resting_on(why)) for p, ms in stated.quantiles))


def _price_and_discount(section: Section) -> tuple[PriceRef | StatedPrice | None, Range | None]:
    price = section.read("price", lambda node: price_of(node, section.at("price"), section.findings))
    context = _context(section)
    if context and isinstance(price, PriceRef):
        price = replace(price, context={**price.context, **context})
    elif context and price is not None:
        section.refuse(next(iter(key for key in ("batch", "service_tier") if section.has(key))), "a price stated here has no context")
    return price, section.range("discount", DISCOUNT)


def price_of(node: Node, path: str, findings: Findings) -> PriceRef | StatedPrice:
    """A reference into the book, with its context, or a price stated here."""
    if not isinstance(node, Table):
        return PriceRef(reference_of(node), place=node.place)
    section = Section(node, path, findings)
    if section.has("ref"):
        ref = section.read("ref", reference_of)
        price = PriceRef(ref or "", _context(section), node.place)
        section.close({"discount": "put `discount` beside `price`"})
        return price
    stated = StatedPrice(
        input=section.range("input", TOKEN_PRICE),
        cached=section.range("cached", TOKEN_PRICE),
        cache_write=section.range("cache_write", TOKEN_PRICE),
        output=section.range("output", TOKEN_PRICE),
        request=section.range("request", PER_REQUEST),
        gpu=section.range("gpu", HOURLY),
        neurons=section.range("neurons", NEURON_PRICE),
        neurons_input=section.range("neurons_input", NEURON_RATE),
        neurons_output=section.range("neurons_output", NEURON_RATE),
        place=node.place,
    )
    section.taken.append("ref")
    section.close({"discount": "put `discount` beside `price`"})
    if not node.entries:
        raise EdgeroiError("no price", place=node.place, fix="state one, as in `{input: 0.02 USD/Mtok}`, or write provider/model")
    return stated


def reference_of(node: Node) -> str:
    """A price reference, ``provider/model``, verbatim."""
    text = text_of(scalar_of(node))
    provider, slash, model = text.partition("/")
    if not (provider and slash and model) or " " in provider:
        money = re.match(r"[\d.$]", text)
        fix = "name what it buys: `{input: 0.02 USD/Mtok}`" if money else "write provider/model, as in `cloudflare/@cf/baai/bge-m3`"
        raise EdgeroiError(f"{text!r} is not a price reference", place=node.place, fix=fix)
    return text


def _context(section: Section) -> Mapping[str, str]:
    batch = {"processing": "batch"} if section.flag("batch") else {}
    tier = section.text("service_tier")
    return {**batch, **({"service_tier": tier} if tier else {})}


def _stated_latency(section: Section, key: str) -> StatedLatency | None:
    return section.read(key, lambda node: _latency_of(node, section, key))


def _latency_of(node: Node, section: Section, key: str) -> StatedLatency:
    if isinstance(node, Scalar):
        return StatedLatency(section.range_of(node, key, LATENCY))
    quantiles = quantiles_of(Section(table_of(node), section.at(key), section.findings))
    if 0.5 not in dict(quantiles):
        raise EdgeroiError("p50 is missing", place=node.place, fix=f"write `{key}: {{p50: 20 ms, p99: 60 ms}}`")
    for (p, value), (higher, more) in pairwise(quantiles):
        if more.likely < value.likely:
            said = f"p{higher * 100:g} is {more.likely:g} ms, below p{p * 100:g} with {value.likely:g} ms"
            raise EdgeroiError(said, place=_key_place(node, f"p{higher * 100:g}"), fix="a higher quantile is not smaller")
    return StatedLatency(quantiles=quantiles)


def _key_place(node: Node, key: str) -> Place:
    found = node.key(key) if isinstance(node, Table) else None
    return found.place if found else node.place


def quantiles_of(section: Section) -> tuple[tuple[float, Range], ...]:
    """``{p50: 20 ms, p99.9: 60 ms}`` as rising ``(p, range)``; other keys are errors."""
    found: list[tuple[float, Range]] = []
    for name in section.table.keys:
        number = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?)", name)
        if number is None or not 0 < float(number[1]) < 100:
            section.refuse(name, f"{name!r} is no quantile", "write p50, p90, p95, p99 or p99.9")
        elif value := section.range(name, LATENCY):
            found.append((round(float(number[1]) / 100, 10), value))
    return tuple(sorted(found, key=lambda each: each[0]))


def _cold_start(section: Section) -> ColdStart | None:
    inner = section.section("cold_start")
    if inner is None:
        return None
    share, adds = inner.range("share", SHARE, needed=True), inner.range("adds", LATENCY, needed=True)
    inner.close()
    return ColdStart(share, adds) if share and adds else None


def origin_calls_of(section: Section) -> OriginCalls | None:
    """Calls back to a central store; any at all need their round-trip time."""
    inner = section.section("origin_calls")
    if inner is None:
        return None
    count, rtt = inner.range("count", COUNT, needed=True), inner.range("rtt", LATENCY)
    if count and rtt is None and count.high > 0 and not inner.has("rtt"):
        inner.refuse("count", "`rtt` is missing: how far the origin is from the serving site", "write `rtt: 40 ms`")
    inner.close()
    return OriginCalls(count, rtt or Range.point(0.0, f"{section.path}.origin_calls.rtt")) if count else None


def _fixed(section: Section) -> tuple[FixedFee, ...]:
    return section.read("fixed", lambda node: tuple(_fees(node, section))) or ()


def _fees(node: Node, section: Section) -> list[FixedFee]:
    if isinstance(node, Table) and "range" not in node.keys:
        inner = Section(node, section.at("fixed"), section.findings)
        fees = ((name, inner.read(name, lambda each, name=name: _fee(each, inner, name, name))) for name in node.keys)  # type: ignore[misc]
        return [fee for _, fee in fees if fee]
    if isinstance(node, Listing):
        return [_fee(item, section, f"fixed.{n}", f"fixed fee {n}") for n, item in enumerate(node.items, 1)]
    return [_fee(node, section, "fixed", "fixed fee")]


def _fee(node: Node, section: Section, key: str, item: str) -> FixedFee:
    """A fee in short, or as a range with what it rests on; ``per account`` stands behind the amount in both."""
    name = node.key("range") if isinstance(node, Table) else None
    stated = node.get("range") if isinstance(node, Table) else node
    scalar = scalar_of(stated or node, MONTHLY.fix)
    text = re.sub(r"(?:\s+per\s+|/)account\s*$", "", scalar.text)
    amount: Node = replace(scalar, text=text)
    if name is not None and isinstance(node, Table):
        amount = node.with_value(name, amount)
    return FixedFee(section.range_of(amount, key, MONTHLY), text != scalar.text, item)


def _operations(section: Section) -> Operations | None:
    inner = section.section("operations")
    if inner is None:
        return None
    hours, rate = inner.range("hours", LABOUR, needed=True), inner.range("rate", HOURLY)
    inner.close()
    return Operations(hours, rate) if hours else None


def _capacity(section: Section) -> Capacity | None:
    inner = section.section("capacity")
    if inner is None:
        return None
    servers, per_site, sites = inner.whole("servers"), inner.whole("per_site"), inner.whole("sites")
    if servers and per_site and sites and servers != per_site * sites:
        inner.refuse("sites", f"{sites} sites with {per_site} servers each are {sites * per_site}, not {servers}", "state two of the three")
    if servers and per_site and servers % per_site:
        inner.refuse("per_site", f"{servers} servers cannot stand {per_site} at each site")
    capacity = Capacity(
        servers or (per_site * sites if per_site and sites else None),
        per_site,
        sites or (servers // per_site if servers and per_site else 1),
        inner.range("throughput", THROUGHPUT),
        stated_or(inner.choice("counts", ("total", "output")), "total"),
        inner.range("gpu", HOURLY),
    )
    inner.close()
    return capacity


def _egress(section: Section) -> Egress | None:
    inner = section.section("egress")
    if inner is None:
        return None
    inner.exclusive("volume", "per_request")
    if not inner.has("volume", "per_request"):
        section.refuse("egress", "how much goes out is missing", "write `volume: 50 GB/month` or `per_request: 20 kB`")
    found = Egress(inner.range("price", EGRESS_PRICE), inner.range("volume", VOLUME), inner.range("per_request", SIZE))
    inner.close()
    return found
