"""Every dollar with its kind, quantity, rate and source: the monthly invoice of one option under one load.

A line is a quantity times a rate, exactly. What nobody charges has no line; what cannot be priced is an error, never 0.
Effective cost in the sense of FOCUS 1.2: after allowances, discounts and commitments, idle capacity included.
Formulas: monthly cost = metered + capacity + fixed, per target; a month is 730 h and a year is 12 months.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Basis, weakest
from edgeroi.prices import HOURS_PER_MONTH, UNITS, Allowance, Fee, Neurons, Price, Rate, Unpriced

LineKind = Literal[
    "input", "cached", "cache_write", "output", "neurons", "request", "cpu", "memory", "egress",
    "allowance", "discount", "commitment", "capacity", "fixed", "operations",
]  # fmt: skip

ZERO = Decimal(0)
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of the invoice of a month: ``usd_month = quantity * rate_usd``, always.

    ``quantity`` counts billing units (``unit``). With an ``account``, the line is shared by everything under that account;
    ``limit`` is then how many units of an allowance the whole account has.
    """

    item: str
    kind: LineKind
    quantity: Decimal
    unit: str
    rate_usd: Decimal
    usd_month: Decimal
    source: str
    as_of: date | None
    basis: Basis
    account: str | None = None
    limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of an option in a month. Token counts are means per request; ``None`` is unknown, never 0.

    ``input_tokens`` is the whole input: cached and cache-write tokens are parts of it. Where those parts are unknown, all
    of the input pays the full rate. ``egress_gb`` is per month, ``cpu_ms`` and ``gb_seconds``
    (memory times duration) per request.
    """

    requests_month: Decimal | None
    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    cached_tokens: Decimal | None = None
    cache_write_tokens: Decimal | None = None
    egress_gb: Decimal | None = None
    cpu_ms: Decimal | None = None
    gb_seconds: Decimal | None = None
    basis: Basis = "assumed"

    def __post_init__(self) -> None:
        """Refuse a part that is larger than its whole."""
        parts = (self.cached_tokens or ZERO) + (self.cache_write_tokens or ZERO)
        if self.input_tokens is not None and parts > self.input_tokens:
            said = f"{parts} cached and cache-write tokens are more than the {self.input_tokens} input tokens they are part of"
            raise EdgeroiError(said)

    @property
    def tokens(self) -> Decimal | None:
        """Tokens in and out of one request; ``None`` where the input is unknown."""
        return None if self.input_tokens is None else self.input_tokens + (self.output_tokens or ZERO)

    @property
    def tokens_month(self) -> Decimal | None:
        """Tokens in and out in a month."""
        return None if self.tokens is None or self.requests_month is None else self.tokens * self.requests_month


@dataclass(frozen=True, slots=True)
class Capacity:
    """Servers paid for by the hour, busy or not. ``servers`` is the sum over all sites.

    ``tokens_per_s`` is what one server does at full load, counted in tokens in and out, or in output tokens alone.
    Without ``servers`` the fewest that carry the load are taken, at least ``sites``: that of the fullest hour, which has ``peak`` times
    the mean rate.
    """

    servers: int | None = None
    tokens_per_s: Decimal | None = None
    sites: int = 1
    counts: Literal["total", "output"] = "total"
    peak: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Operations:
    """People's time the option takes, apart from its price."""

    hours_month: Decimal
    usd_hour: Decimal


@dataclass(frozen=True, slots=True)
class Discount:
    """A share off every metered line of the offer; negative where it is a surcharge (data residency: -10 %)."""

    share: Decimal
    why: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an option costs: its lines, and the load they were computed for."""

    lines: tuple[CostLine, ...]
    load: Load

    @property
    def usd_month(self) -> Decimal:
        """USD in a month of 730 h."""
        return total(self.lines)

    @property
    def usd_year(self) -> Decimal:
        """USD in twelve such months."""
        return self.usd_month * 12

    @property
    def usd_per_1k_requests(self) -> Decimal | None:
        """Effective unit cost of a thousand requests; ``None`` of no request."""
        return self.usd_month / self.load.requests_month * 1000 if self.load.requests_month else None

    @property
    def usd_per_mtok(self) -> Decimal | None:
        """Effective unit cost of a million tokens, in and out together; ``None`` where tokens are unknown."""
        return self.usd_month / self.load.tokens_month * UNITS["Mtok"][1] if self.load.tokens_month else None


def total(lines: Iterable[CostLine]) -> Decimal:
    """The sum of the lines of one option, in USD a month."""
    return sum((line.usd_month for line in lines), ZERO)


def cost_of(
    price: Price,
    load: Load,
    *,
    capacity: Capacity | None = None,
    fees: Iterable[Fee] = (),
    operations: Operations | None = None,
    discount: Discount | None = None,
    committed_usd: Decimal | None = None,
) -> Cost:
    """``cost_lines`` with the load they belong to."""
    lines = cost_lines(price, load, capacity=capacity, fees=fees, operations=operations, discount=discount, committed_usd=committed_usd)
    return Cost(lines, load)


def cost_lines(
    price: Price,
    load: Load,
    *,
    capacity: Capacity | None = None,
    fees: Iterable[Fee] = (),
    operations: Operations | None = None,
    discount: Discount | None = None,
    committed_usd: Decimal | None = None,
) -> tuple[CostLine, ...]:
    """The invoice of a month. ``fees`` are charged besides the price's own; ``committed_usd`` is paid at least, each month.

    Raises ``Unpriced`` where the price needs what the load does not know, ``EdgeroiError`` where the servers cannot carry it.
    """
    if not price.is_priced:
        raise Unpriced(f"{price.reference} is unpriced", fix="state its price in the scenario")
    metered = metered_lines(price, load)
    discounted = (*metered, *_discount_lines(metered, discount))
    return (
        *discounted,
        *_commitment_lines(discounted, committed_usd),
        *_capacity_lines(price, load, capacity),
        *(_fee_line(fee) for fee in (*price.fees, *fees)),
        *_operations_lines(operations),
    )


def metered_lines(price: Price, load: Load) -> tuple[CostLine, ...]:
    """What a use is charged by its amount, before discounts, commitments and fees; raises ``Unpriced`` as ``cost_lines`` does."""
    return (*_token_lines(price, load), *_use_lines(price, load))


def _known(value: Decimal | None, what: str, price: Price) -> Decimal:
    if value is None:
        raise Unpriced(f"{price.reference} charges by {what}, which nobody stated or measured", fix=f"state {what}")
    return value


def _line(item: str, kind: LineKind, quantity: Decimal, usd: Decimal, rate: Rate, basis: Basis) -> CostLine:
    return CostLine(item, kind, quantity, rate.unit, usd, quantity * usd, rate.source, rate.as_of, weakest(rate.basis, basis))


def _metered(item: str, kind: LineKind, count: Decimal, of: str, rate: Rate, basis: Basis) -> Iterator[CostLine]:
    """The lines of a count at a rate: one per bracket, then the allowance as a credit."""
    quantity = rate.quantity(count, of)
    portions = list(rate.portions(quantity))
    for part, usd in portions:
        named = item if len(portions) == 1 else f"{item}, {part.normalize():f} {rate.unit} at {usd} USD"
        yield _line(named, kind, part, usd, rate, basis)
    if rate.allowance and quantity:
        yield _allowance_line(item, quantity, rate, rate.allowance, basis)


def _allowance_line(item: str, quantity: Decimal, rate: Rate, allowance: Allowance, basis: Basis) -> CostLine:
    free = min(quantity, allowance.a_month)
    named = f"{item}, first {rate.counted(allowance.amount)} a {allowance.every} free"
    line = _line(named, "allowance", -free, rate.usd, rate, basis)
    return replace(line, account=allowance.account, limit=allowance.a_month)


def _token_lines(price: Price, load: Load) -> Iterator[CostLine]:
    if price.neurons:
        yield from _neuron_lines(price, price.neurons, load)
    elif price.charges_tokens:
        requests = _known(load.requests_month, "requests a month", price)
        for kind, tokens, rate in _token_classes(price, load):
            item = f"{kind.replace('_', '-')} tokens" if kind != "cached" or price.cached else "cached tokens, no cached rate: as input"
            yield from _metered(item, kind, tokens * requests, "token", rate, load.basis)


def _token_classes(price: Price, load: Load) -> Iterator[tuple[LineKind, Decimal, Rate]]:
    """Tokens of one request by what they cost: each token in one class, at the rate its whole request pays."""
    tokens_in = _known(load.input_tokens, "input tokens", price) if price.input else load.input_tokens or ZERO
    cached, written = load.cached_tokens or ZERO, load.cache_write_tokens or ZERO
    classes: tuple[tuple[LineKind, Decimal, Rate | None], ...] = (
        ("input", tokens_in - cached - written, price.input),
        ("cached", cached, price.cached or price.input),
        ("cache_write", written, price.cache_write or price.input),
        ("output", _output_tokens(price, load), price.output),
    )
    for kind, tokens, rate in classes:
        if rate and (tokens or kind == "input"):
            yield kind, tokens, rate.for_request(tokens_in)


def _output_tokens(price: Price, load: Load) -> Decimal:
    if price.output or (price.neurons and price.neurons.output_per_mtok):
        return _known(load.output_tokens, "output tokens", price)
    if load.output_tokens and price.is_stated:
        said = f"{price.reference} states no output price and a request has {load.output_tokens} output tokens"
        raise Unpriced(said, fix="state output: in USD/Mtok, 0 USD/Mtok if it is free")
    return ZERO


def _neuron_lines(price: Price, neurons: Neurons, load: Load) -> Iterator[CostLine]:
    requests = _known(load.requests_month, "requests a month", price)
    tokens_in = _known(load.input_tokens, "input tokens", price)
    cached = load.cached_tokens or ZERO if neurons.cached_per_mtok is not None else ZERO
    used = (tokens_in - cached) * neurons.input_per_mtok + cached * (neurons.cached_per_mtok or ZERO)
    used += _output_tokens(price, load) * (neurons.output_per_mtok or ZERO)
    said = f"{neurons.input_per_mtok:.6g} per Mtok in"
    said += f", {neurons.output_per_mtok:.6g} out" if neurons.output_per_mtok else ""
    basis = weakest(load.basis, neurons.basis)
    yield from _metered(f"neurons, {said}", "neurons", used * requests / UNITS["Mtok"][1], "neuron", neurons.rate, basis)


def _use_lines(price: Price, load: Load) -> Iterator[CostLine]:
    """Requests, CPU time and egress, where the offer charges for them."""
    if price.request:
        requests = _known(load.requests_month, "requests a month", price)
        yield from _metered("requests", "request", requests, "request", price.request, load.basis)
    if price.cpu_ms:
        cpu = _known(load.cpu_ms, "CPU ms per request", price) * _known(load.requests_month, "requests a month", price)
        yield from _metered("CPU time", "cpu", cpu, "CPU ms", price.cpu_ms, load.basis)
    if price.gb_second:
        memory = _known(load.gb_seconds, "GB-seconds per request", price) * _known(load.requests_month, "requests a month", price)
        yield from _metered("memory time", "memory", memory, "GB-s", price.gb_second, load.basis)
    if price.egress_gb and not price.egress_gb.is_free:
        yield from _metered("egress", "egress", _known(load.egress_gb, "GB out a month", price), "GB", price.egress_gb, load.basis)


def _discount_lines(metered: tuple[CostLine, ...], discount: Discount | None) -> Iterator[CostLine]:
    if discount and discount.share:
        of = total(metered)
        item = f"{'discount' if discount.share > 0 else 'surcharge'} of {abs(discount.share * 100).normalize():f} %"
        yield CostLine(item, "discount", of, "USD", -discount.share, -of * discount.share, discount.why or "stated", None, "assumed")


def _commitment_lines(used: tuple[CostLine, ...], committed_usd: Decimal | None) -> Iterator[CostLine]:
    """Committed spend is paid whether used or not: the month costs max(committed, used)."""
    if committed_usd is not None:
        unused = max(ZERO, committed_usd - total(used))
        yield CostLine("commitment not used", "commitment", unused, "USD", Decimal(1), unused, "stated", None, "assumed")


def _fee_line(fee: Fee) -> CostLine:
    return replace(_line(fee.item, "fixed", Decimal(1), fee.rate.usd, fee.rate, fee.rate.basis), account=fee.account)


def _operations_lines(operations: Operations | None) -> Iterator[CostLine]:
    if operations:
        usd = operations.hours_month * operations.usd_hour
        yield CostLine("operations", "operations", operations.hours_month, "h", operations.usd_hour, usd, "stated", None, "assumed")


# Capacity -------------------------------------------------------------------------------------------------------------


def utilisation(load: Load, capacity: Capacity, servers: int) -> Decimal | None:
    """The mean share of paid throughput the load uses: tokens a second over servers times tokens a second of each.

    ``None`` where the throughput or the load is unknown. Never typed in: it follows from the load (Little's law).
    """
    per_second = _tokens_per_s(load, capacity)
    if per_second is None or not capacity.tokens_per_s:
        return None
    return per_second / (capacity.tokens_per_s * servers)


def _tokens_per_s(load: Load, capacity: Capacity) -> Decimal | None:
    tokens = load.tokens if capacity.counts == "total" else load.output_tokens
    return None if tokens is None or load.requests_month is None else tokens * load.requests_month / SECONDS_PER_MONTH


def gpu_usd_per_mtok(usd_hour: Decimal, tokens_per_s: Decimal, busy: Decimal = Decimal(1)) -> Decimal:
    """USD per million tokens of a server at ``busy`` utilisation: price / (3600 * throughput * utilisation) * 1e6."""
    return usd_hour / (3600 * tokens_per_s * busy) * UNITS["Mtok"][1]


def servers_needed(load: Load, capacity: Capacity) -> int:
    """The fewest servers that carry the load of the fullest hour, at least one at each site; what is stated wins."""
    if capacity.servers is not None:
        return capacity.servers
    per_second = _tokens_per_s(load, capacity)
    if per_second is None or not capacity.tokens_per_s:
        raise Unpriced("how many servers the load needs is unknown", fix="state capacity: servers, or tokens/s and the tokens per request")
    return max(capacity.sites, int((per_second * capacity.peak / capacity.tokens_per_s).to_integral_value(ROUND_CEILING)))


def _capacity_lines(price: Price, load: Load, capacity: Capacity | None) -> Iterator[CostLine]:
    """Server-hours, idle ones included; the utilisation they come to is said in the item."""
    if not price.server_hour:
        return
    given = capacity or Capacity()
    given = given if given.tokens_per_s else replace(given, tokens_per_s=price.tokens_per_s)
    servers = servers_needed(load, given)
    busy = utilisation(load, given, servers)
    if busy is not None and busy > 1:
        needs = servers_needed(load, replace(given, servers=None))
        raise EdgeroiError(f"{servers} servers cannot carry the load: {busy * 100:.1f} % busy", fix=f"state at least {needs}")
    item = f"{servers} server{'s' if servers != 1 else ''}" + (f", {busy * 100:.1f} % busy" if busy is not None else "")
    hours = price.server_hour.quantity(HOURS_PER_MONTH * servers, "server-hour")
    yield _line(item, "capacity", hours, price.server_hour.usd, price.server_hour, load.basis)


def commitment_break_even(committed_rate: Decimal, on_demand_rate: Decimal) -> Decimal:
    """The utilisation above which a committed rate is the cheaper one: 1.6 against 2.5 USD/h is 0.64."""
    return committed_rate / on_demand_rate


def break_even_requests(fixed_usd: Decimal, usd_request: Decimal, other_usd_request: Decimal) -> Decimal | None:
    """Requests a month from which fixed cost plus ``usd_request`` each is cheaper than ``other_usd_request`` each, if ever."""
    gain = other_usd_request - usd_request
    return fixed_usd / gain if gain > 0 else None


# Several workloads ----------------------------------------------------------------------------------------------------


def combined(invoices: Iterable[Iterable[CostLine]]) -> tuple[CostLine, ...]:
    """The lines of several workloads as one invoice: an account's fee once, an account's allowance not more than once.

    Each invoice alone credits min(its use, the allowance); together they get min(the sum of those, the allowance). What an
    allowance no longer covers raises the base of the invoice's discount and uses up its commitment.
    A line that is cut keeps its identity ``usd_month = quantity * rate_usd``.
    """
    paid: set[tuple[str, str]] = set()
    left: dict[tuple[str, str, Decimal], Decimal] = {}
    return tuple(line for invoice in invoices for line in _once_per_account(invoice, paid, left))


def _once_per_account(
    invoice: Iterable[CostLine], paid: set[tuple[str, str]], left: dict[tuple[str, str, Decimal], Decimal]
) -> Iterator[CostLine]:
    """One more invoice under accounts that have already ``paid`` these fees and have these allowances ``left``."""
    uncovered = ZERO
    for line in invoice:
        if line.kind == "allowance" and line.account is not None and line.limit is not None:
            key = (line.account, line.unit, line.rate_usd)
            granted = min(-line.quantity, left.get(key, line.limit))
            left[key] = left.get(key, line.limit) - granted
            uncovered += (-line.quantity - granted) * line.rate_usd
            yield _resized(line, -granted)
        elif line.kind == "discount":
            yield _resized(line, line.quantity + uncovered)
            uncovered *= 1 + line.rate_usd
        elif line.kind == "commitment":
            yield _resized(line, max(ZERO, line.quantity - uncovered))
        elif line.account is None:
            yield line
        elif (line.account, line.item) not in paid:
            paid.add((line.account, line.item))
            yield line


def _resized(line: CostLine, quantity: Decimal) -> CostLine:
    return replace(line, quantity=quantity, usd_month=quantity * line.rate_usd)
