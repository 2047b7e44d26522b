"""What the requests of a log cost, day by day: as logged, or by the book at the price of that day; what has no price is listed, never 0.

Each cell of usage becomes one charge, so that requests, tokens and money add up to the same whatever they are grouped by.
A logged cost is taken as it stands. Where none is logged, the use is priced by the row in force on its UTC day. A daily allowance
is used up day by day and never pooled; a monthly one, and graduated rates, run through the days of a calendar month in their order.
Fees that no request causes (a plan, a server by the hour) are in no charge; a note names those the book knows of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from edgeroi.cost import CostLine, Load, metered_lines
from edgeroi.errors import EdgeroiError
from edgeroi.prices import STANDARD, Allowance, Price, PriceBook, Rate
from edgeroi.usage import PER_USD, Amounts, Usage, UsageKey

ZERO = Decimal(0)
EPOCH = date(1970, 1, 1)
#: What shares in an allowance is rounded to a millionth of a millionth of a dollar; nothing else is.
PICO = Decimal(1).scaleb(-12)
#: Where a use was paid for by what the log says, by the book, by nobody known, or failed and told of no use.
Priced = Literal["logged", "listed", "unpriced", "failed"]
#: What charges can be grouped by.
DIMENSIONS = ("placement", "provider", "model", "workload", "service_tier", "day", "month", "priced")
NO_USE = "failed, and neither cost nor tokens are told: counted apart, taken as not charged for"


@dataclass(frozen=True, slots=True)
class Charge:
    """Requests of one kind on one day and what they cost; ``usd`` is ``None`` where that is unknown, and ``reason`` says why.

    ``reference``: the row of the book they are priced by. ``day``: UTC; ``None`` where the requests have no time.
    """

    workload: str | None
    placement: str | None
    provider: str | None
    model: str | None
    service_tier: str | None
    day: date | None
    amounts: Amounts
    priced: Priced
    usd: Decimal | None
    told_input: bool
    told_output: bool
    reason: str | None = None
    reference: str | None = None

    @property
    def month(self) -> str | None:
        """``2026-11``."""
        return None if self.day is None else f"{self.day:%Y-%m}"

    @property
    def tokens_told(self) -> bool:
        """Whether the log tells tokens of these requests, in or out."""
        return self.told_input or self.told_output

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.amounts.input_tokens + self.amounts.output_tokens


class Spent(NamedTuple):
    """Charges added up. ``usd`` is that of the priced ones, ``None`` where none is; the unpriced are counted beside it.

    ``untold_requests``: those of the unpriced that do not tell their tokens either. ``told_input``, ``told_output``: whether any request
    tells its tokens; where none does they are unknown, whatever ``amounts`` has added up.
    """

    amounts: Amounts
    usd: Decimal | None
    unpriced_requests: int
    unpriced_tokens: int
    untold_requests: int
    priced_tokens: int
    failed_requests: int
    told_input: bool
    told_output: bool

    def told(self, column: str) -> int | None:
        """The sum of a column of tokens; ``None`` where no request tells it. What a cache gave or took is part of the input."""
        is_told = self.told_output if column == "output_tokens" else self.told_input
        return int(getattr(self.amounts, column)) if is_told else None

    @property
    def tokens(self) -> int | None:
        """Tokens in and out; ``None`` where no request tells either."""
        return self.amounts.input_tokens + self.amounts.output_tokens if self.told_input or self.told_output else None


def spent(charges: Iterable[Charge]) -> Spent:
    """The sum of charges."""
    amounts, usd, unpriced, unpriced_tokens, untold, priced_tokens, failed = Amounts(), None, 0, 0, 0, 0, 0
    told_input = told_output = False
    for charge in charges:
        amounts += charge.amounts
        told_input, told_output = told_input or charge.told_input, told_output or charge.told_output
        if charge.usd is not None:
            usd = (usd or ZERO) + charge.usd
            priced_tokens += charge.tokens
        elif charge.priced == "unpriced":
            unpriced += charge.amounts.requests
            unpriced_tokens += charge.tokens
            untold += 0 if charge.tokens_told else charge.amounts.requests
        else:
            failed += charge.amounts.requests
    return Spent(amounts, usd, unpriced, unpriced_tokens, untold, priced_tokens, failed, told_input, told_output)


@dataclass(frozen=True)
class Ledger:
    """Every charge, and what is to be said of how they were priced."""

    charges: tuple[Charge, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def total(self) -> Spent:
        """All of them."""
        return spent(self.charges)

    def where(self, wanted: Callable[[Charge], bool]) -> Ledger:
        """Only some charges."""
        return replace(self, charges=tuple(charge for charge in self.charges if wanted(charge)))

    def by(self, dimensions: Sequence[str]) -> Mapping[tuple[object, ...], Spent]:
        """The sums by these dimensions, the dearest first, days and months in their order. Raises ``EdgeroiError`` for an unknown one."""
        for dimension in dimensions:
            if dimension not in DIMENSIONS:
                raise EdgeroiError(f"spend is not told apart by {dimension!r}", key="--by", fix=f"known: {', '.join(DIMENSIONS)}")
        groups: dict[tuple[object, ...], list[Charge]] = defaultdict(list)
        for charge in self.charges:
            groups[tuple(getattr(charge, dimension) for dimension in dimensions)].append(charge)
        sums = {key: spent(group) for key, group in groups.items()}
        timed = [place for place, dimension in enumerate(dimensions) if dimension in ("day", "month")]

        def order(key: tuple[object, ...]) -> tuple[object, ...]:
            times = tuple(str(key[place] or "") for place in timed)
            return (*times, -(sums[key].usd or ZERO), tuple(str(part or "") for part in key))

        return {key: sums[key] for key in sorted(sums, key=order)}

    @property
    def unpriced(self) -> Mapping[tuple[str | None, str | None, str], Spent]:
        """What has no price, by provider, model and the reason, the most requests first."""
        groups: dict[tuple[str | None, str | None, str], list[Charge]] = defaultdict(list)
        for charge in self.charges:
            if charge.usd is None:
                groups[charge.provider, charge.model, charge.reason or ""].append(charge)
        sums = {key: spent(group) for key, group in groups.items()}
        return dict(sorted(sums.items(), key=lambda item: (-item[1].amounts.requests, str(item[0]))))


# Pricing --------------------------------------------------------------------------------------------------------------


#: Who serves the models whose names begin with ``@cf/``.
_WORKERS_AI = "cloudflare/"


def reference_of(provider: str | None, model: str | None) -> str | None:
    """``provider/model`` as the book knows it, from what a log tells; a model that names its provider needs none beside it."""
    if not model:
        return None
    if not provider:
        return f"{_WORKERS_AI}{model}" if model.startswith("@cf/") else model if "/" in model else None
    return f"{provider}/{model.removeprefix(f'{provider}/')}"


def references_of(usage: Usage) -> frozenset[str]:
    """Every offer that was used."""
    return frozenset(ref for key in usage.cells if (ref := reference_of(key.provider, key.model)))


def context_of_tier(tier: str | None) -> Mapping[str, str]:
    """What a service tier means to the book: ``batch`` is a way of processing, the standard one is no tier."""
    if tier is None or tier.casefold() in (*STANDARD, "auto", "on_demand"):
        return {}
    return {"processing": "batch"} if tier.casefold() == "batch" else {"service_tier": tier.casefold()}


def ledger_of(usage: Usage, book: PriceBook) -> Ledger:
    """Every cell of the usage as a charge."""
    pricing = _Pricing(book, usage.steps)
    drafts = [pricing.draft(key, amounts) for key, amounts in sorted(usage.cells.items(), key=lambda item: _sortable(item[0]))]
    _settle(drafts)
    return Ledger(tuple(draft.charge() for draft in drafts), tuple(sorted(pricing.notes)))


def _sortable(key: UsageKey) -> tuple[tuple[bool, object], ...]:
    return tuple((part is not None, part if part is not None else 0) for part in key)


@dataclass(slots=True)
class _Metered:
    """A part of a charge that runs through brackets or an allowance: so many billing units at a rate, and what they come to."""

    rate: Rate
    units: Decimal
    pool: tuple[object, ...]
    day: date
    usd: Decimal = ZERO


@dataclass(slots=True)
class _Draft:
    """A charge on its way: what is fixed already, and what depends on the others of its day or month."""

    key: UsageKey
    amounts: Amounts
    placement: str | None
    priced: Priced
    fixed: Decimal = ZERO
    metered: list[_Metered] = field(default_factory=list)
    reason: str | None = None
    reference: str | None = None

    def charge(self) -> Charge:
        """The charge, settled."""
        key, is_known = self.key, self.priced in ("logged", "listed")
        usd = self.fixed + sum((part.usd for part in self.metered), ZERO) if is_known else None
        day = None if key.day is None else EPOCH + timedelta(days=key.day)
        named = (key.workload, self.placement, key.provider, key.model, key.service_tier)
        return Charge(*named, day, self.amounts, self.priced, usd, key.told_input, key.told_output, self.reason, self.reference)


class _Pricing:
    """The book, asked once for every offer, day and step."""

    def __init__(self, book: PriceBook, steps: tuple[int, ...]) -> None:
        self.book, self.steps, self.notes = book, steps, set[str]()
        self._price = lru_cache(maxsize=None)(self._looked_up)
        self._placement = lru_cache(maxsize=None)(self._placed)

    def draft(self, key: UsageKey, amounts: Amounts) -> _Draft:
        """One cell, priced where it can be."""
        placement = key.placement or self._placement(reference_of(key.provider, key.model))
        if key.logged:
            return _Draft(key, amounts, placement, "logged", Decimal(amounts.pico_usd) / PER_USD)
        if key.failed and not key.told_input and not key.told_output:
            return _Draft(key, amounts, placement, "failed", reason=NO_USE)
        try:
            return self._listed(key, amounts, placement)
        except EdgeroiError as why:
            return _Draft(key, amounts, placement, "unpriced", reason=why.message)

    def _listed(self, key: UsageKey, amounts: Amounts, placement: str | None) -> _Draft:
        reference = reference_of(key.provider, key.model)
        if reference is None:
            raise EdgeroiError("the log names no provider and model")
        if key.day is None:
            raise EdgeroiError("no time is told: which day's price holds is unknown")
        if key.odd:
            raise EdgeroiError("it tells more cached tokens than the input they are part of")
        day = EPOCH + timedelta(days=key.day)
        price = self._price(reference, day, key.service_tier)
        draft = _Draft(key, amounts, placement, "listed", reference=f"{price.reference}")
        input = self.steps[key.step - 1] + 1 if key.step else 0
        for line, rate in _lines(price, key, amounts, input):
            if rate.allowance or rate.brackets:
                allowance = rate.allowance
                pool = (allowance.account, rate.unit, allowance.amount) if allowance else (price.reference, line.kind)
                draft.metered.append(_Metered(rate, line.quantity, pool, day))
            else:
                draft.fixed += line.usd_month
        return draft

    def _looked_up(self, reference: str, day: date, tier: str | None) -> Price:
        price = self.book.find(reference, day, context_of_tier(tier), was_used=True)
        if not price.is_served(day):
            self.notes.add(f"{reference}: the book has it as no longer served; priced as last known")
        for fee in price.fees:
            self.notes.add(f"not counted: {fee.item}, {fee.rate.usd:f} USD per {fee.rate.unit}, which no request causes")
        if any(rate.allowance for _, rate in price.rates):
            self.notes.add(f"{price.provider}: its allowance is taken as used by the requests of these logs alone")
        self.notes |= {f"{reference}: {note}" for note in price.notes if note.startswith(("also charged", "other prices"))}
        if price.valid_from is None and price.as_of is not None and price.as_of > day:
            self.notes.add(f"{reference}: price read on {price.as_of}, and taken as valid on the days before")
        return price

    def _placed(self, reference: str | None) -> str | None:
        """Where an offer runs as far as the book knows."""
        try:
            return None if reference is None else next((row.placement for row in self.book.model_rows(reference)), None)
        except EdgeroiError:
            return None


def _lines(price: Price, key: UsageKey, amounts: Amounts, input: int) -> Iterator[tuple[CostLine, Rate]]:
    """What the cell is charged, each line with the rate it stands under, brackets and allowances still to come."""
    if not any((price.charges_tokens, price.request)):
        charges = ", ".join(name.replace("_", " ") for name, _ in price.rates)
        raise EdgeroiError(f"{price.reference} charges by {charges}, which no request tells")
    plain = _plain(price, Decimal(input))
    of_requests = replace(plain, input=None, cached=None, cache_write=None, output=None, neurons=None)
    # The tokens of the cell as those of one request: a rate that depends on the size of each was chosen by its step.
    told = Load(
        Decimal(1),
        Decimal(amounts.input_tokens) if key.told_input else None,
        Decimal(amounts.output_tokens) if key.told_output or key.failed else None,
        Decimal(amounts.cached_tokens),
        Decimal(amounts.cache_write_tokens),
    )
    lines = (*metered_lines(replace(plain, request=None), told), *metered_lines(of_requests, Load(Decimal(amounts.requests))))
    for line in lines:
        yield line, _rate_of(price, line, Decimal(input))


def _plain(price: Price, input: Decimal) -> Price:
    """The price that a request of this input pays, by the unit alone: no steps, brackets, allowances, and only what requests tell."""
    stripped = {name: replace(rate.for_request(input), above=(), brackets=(), allowance=None) for name, rate in _own_rates(price).items()}
    neurons = price.neurons and replace(price.neurons, rate=replace(price.neurons.rate, brackets=(), allowance=None))
    return replace(price, **stripped, neurons=neurons, cpu_ms=None, gb_second=None, egress_gb=None)  # type: ignore[arg-type]


def _own_rates(price: Price) -> Mapping[str, Rate]:
    named = ("input", "cached", "cache_write", "output", "request")
    return {name: rate for name in named if (rate := getattr(price, name)) is not None}


def _rate_of(price: Price, line: CostLine, input: Decimal) -> Rate:
    if line.kind == "neurons":
        assert price.neurons is not None
        return price.neurons.rate
    rate = _own_rates(price).get(line.kind) or price.input  # cached tokens without a rate of their own pay as input
    assert rate is not None
    return rate.for_request(input)


# Allowances and graduated rates ---------------------------------------------------------------------------------------


def _settle(drafts: Sequence[_Draft]) -> None:
    """What the parts under brackets and allowances come to, each sharing by its amount in what its day comes to."""
    pools: dict[tuple[object, ...], dict[date, list[_Metered]]] = defaultdict(lambda: defaultdict(list))
    for draft in drafts:
        for part in draft.metered:
            pools[part.pool][part.day].append(part)
    for days in pools.values():
        used, month, free_used = ZERO, "", ZERO
        for day in sorted(days):
            if f"{day:%Y-%m}" != month:
                used, month, free_used = ZERO, f"{day:%Y-%m}", ZERO
            parts = days[day]
            units = sum((part.units for part in parts), ZERO)
            free = _free(parts[0].rate.allowance, units, free_used)
            _share(parts, units, used, free)
            used, free_used = used + units, free_used + free


def _free(allowance: Allowance | None, units: Decimal, used: Decimal) -> Decimal:
    """How many of the day's billing units the allowance covers."""
    if allowance is None:
        return ZERO
    left = allowance.amount if allowance.every == "day" else max(ZERO, allowance.amount - used)
    return min(units, left)


def _share(parts: Sequence[_Metered], units: Decimal, used: Decimal, free: Decimal) -> None:
    """Each part pays its share of the day's units at its own rate, less its share of the free ones, rounded to ``PICO``."""
    if not units:
        return
    for part in parts:
        gross = part.rate.charge(used + units) - part.rate.charge(used)
        part.usd = ((gross - free * part.rate.usd) * part.units / units).quantize(PICO)
