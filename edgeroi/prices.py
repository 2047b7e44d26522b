"""What an offer charges: dated rates with their unit and origin, and the book they are looked up in.

A ``Rate`` is an amount per billing unit and refuses to meet a count of anything else: requests never multiply a token price.
A ``Price`` is all rates of one offer; a ``PriceBook`` finds the one that applies to a reference, a date and a context.
The look-up is a pure function of these: no state, no order of calls, no network. A past cost depends on past rows only.

An answer is never guessed. A model nobody lists, a batch price nobody publishes, a retired model, a row without a price: each
is an error that says what would mend it, never the standard price and never 0.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from edgeroi.errors import EdgeroiError, NoAnswer, Place, did_you_mean, near_miss
from edgeroi.estimate import Basis

Status = Literal["listed", "deprecated", "retired"]
Confidence = Literal["high", "medium", "low"]

HOURS_PER_MONTH = Decimal(730)
#: 730 h; a daily allowance counts 30.41666... times a month.
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
STALE_AFTER = timedelta(days=180)
#: Outside these a stated token price is probably per 1,000 tokens, or in cents. In USD per million tokens.
PLAUSIBLE_USD_PER_MTOK = (Decimal("0.0005"), Decimal(1000))
#: A list price is the neuron price rounded to three decimals; more than this apart, one of the two is wrong.
NEURON_TOLERANCE = Decimal("0.015")

#: The source of a price that a scenario states itself.
STATED = "stated"

#: Billing unit -> (what is counted, how many of it make one unit).
UNITS: Mapping[str, tuple[str, Decimal]] = {
    "Mtok": ("token", Decimal(1_000_000)),
    "1k neurons": ("neuron", Decimal(1_000)),
    "request": ("request", Decimal(1)),
    "1k requests": ("request", Decimal(1_000)),
    "1M requests": ("request", Decimal(1_000_000)),
    "1M CPU ms": ("CPU ms", Decimal(1_000_000)),
    "GB-s": ("GB-s", Decimal(1)),
    "server-hour": ("server-hour", Decimal(1)),
    "30 server-days": ("server-hour", Decimal(720)),
    "GB": ("GB", Decimal(1)),
    "month": ("month", Decimal(1)),
    "once": ("once", Decimal(1)),
}


class UnknownProvider(EdgeroiError):
    """No price list of this provider is known."""


class UnknownModel(EdgeroiError):
    """The provider is known and does not list this model."""


class UnmatchedContext(EdgeroiError):
    """The model has a price, and none for this context (batch, service tier) on this date."""


class Unpriced(NoAnswer):
    """The offer exists and nothing says what it charges for this use."""


class Retired(EdgeroiError):
    """The provider no longer serves the model; ``price`` is the last one known, for the use of logs of that time."""

    def __init__(self, message: str, price: Price, *, place: Place | None = None, fix: str | None = None) -> None:
        self.price = price
        super().__init__(message, place=place, fix=fix)


def decimal_of(number: Decimal | int | float | str) -> Decimal:
    """The number as it is written: ``0.1`` is a tenth, not its binary neighbour."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


@dataclass(frozen=True, slots=True)
class Bracket:
    """A step of a graduated rate: the part of the amount up to ``up_to`` billing units costs ``usd`` each."""

    up_to: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Threshold:
    """A step of a long-context rate: a request with more than ``input_tokens`` pays ``usd`` for all of its tokens."""

    input_tokens: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Allowance:
    """``amount`` billing units free per day or month, shared by everything that runs under one ``account``.

    A daily one is not pooled over the month: what a quiet day leaves is lost, so the figure assumes evenly spread days.
    """

    amount: Decimal
    every: Literal["day", "month"]
    account: str

    @property
    def a_month(self) -> Decimal:
        """Billing units free in a month of 730 h."""
        return self.amount * DAYS_PER_MONTH if self.every == "day" else self.amount


@dataclass(frozen=True, slots=True)
class Rate:
    """``usd`` per billing ``unit``, with where and when that was read.

    ``brackets``: graduated, ascending; each part of the amount pays its own bracket, and ``usd`` is paid above the last.
    ``above``: long-context steps, ascending; the whole request pays the highest step it exceeds.
    """

    usd: Decimal
    unit: str
    source: str = STATED
    as_of: date | None = None
    basis: Basis = "listed"
    confidence: Confidence = "high"
    brackets: tuple[Bracket, ...] = ()
    above: tuple[Threshold, ...] = ()
    allowance: Allowance | None = None

    def __post_init__(self) -> None:
        """Refuse units nobody bills in, and negative prices."""
        if self.unit not in UNITS:
            raise EdgeroiError(f"unknown billing unit {self.unit!r}", fix=did_you_mean(self.unit, UNITS))
        if self.usd < 0:
            raise EdgeroiError(f"a price of {self.usd} USD per {self.unit} is negative", fix="state a discount instead")

    @property
    def is_free(self) -> bool:
        """Whether no amount of it costs anything."""
        return not any((self.usd, *(step.usd for step in self.brackets), *(step.usd for step in self.above)))

    def quantity(self, count: Decimal, of: str) -> Decimal:
        """``count`` things in billing units; a count of anything this rate does not bill is an error."""
        thing, size = UNITS[self.unit]
        if thing != of:
            raise EdgeroiError(f"a count of {of}s cannot be charged at a rate per {self.unit}")
        return count / size

    def counted(self, units: Decimal) -> str:
        """Billing units in the things they count: 10 units of ``1k neurons`` are ``10,000 neurons``."""
        thing, size = UNITS[self.unit]
        plural = "" if thing[-1].isupper() or thing.endswith("s") else "s"
        return f"{(units * size).normalize():,f} {thing}{plural}"

    def portions(self, quantity: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
        """``(billing units, USD each)``, bracket by bracket: the sum over brackets, never all units at the last rate."""
        done = Decimal(0)
        for bracket in self.brackets:
            part = min(quantity, bracket.up_to) - done
            if part <= 0:
                break
            yield part, bracket.usd
            done += part
        if quantity > done or not quantity:
            yield quantity - done, self.usd

    def charge(self, quantity: Decimal) -> Decimal:
        """USD for so many billing units, before any allowance."""
        return sum((part * usd for part, usd in self.portions(quantity)), Decimal(0))

    def for_request(self, input_tokens: Decimal) -> Rate:
        """The rate a request of this many input tokens pays: the highest long-context step it exceeds."""
        exceeded = [step.usd for step in self.above if input_tokens > step.input_tokens]
        return replace(self, usd=exceeded[-1], above=()) if exceeded else self


@dataclass(frozen=True, slots=True)
class Neurons:
    """Workers AI bills GPU work in neurons: so many per million tokens of the model, at one rate for all models."""

    input_per_mtok: Decimal
    output_per_mtok: Decimal | None
    rate: Rate
    source: str = ""
    as_of: date | None = None
    basis: Basis = "listed"
    cached_per_mtok: Decimal | None = None

    def usd_per_mtok(self, neurons_per_mtok: Decimal) -> Decimal:
        """What a million tokens cost beyond the allowance: 6,058 neurons at 0.011 per 1,000 are 0.066638 USD."""
        return neurons_per_mtok / UNITS["1k neurons"][1] * self.rate.usd


@dataclass(frozen=True, slots=True)
class Fee:
    """A charge that does not depend on use; with an ``account`` it is paid once for everything under that account."""

    item: str
    rate: Rate
    account: str | None = None


Context = tuple[tuple[str, str], ...]


def context_of(context: Mapping[str, str]) -> Context:
    """The context in one order, so that two spellings of one context are equal."""
    return tuple(sorted(context.items()))


def said_context(context: Context) -> str:
    """``batch``, ``service tier flex``, or ``standard`` for the empty one."""
    return ", ".join(value if key == "processing" else f"{key.replace('_', ' ')} {value}" for key, value in context) or "standard"


@dataclass(frozen=True, slots=True)
class Price:
    """All that one offer charges. ``input``, ``cached``, ``cache_write`` and ``output`` are per million tokens.

    ``valid_from`` and ``valid_to`` are the first and last day of the row, ``None`` where no end is known; ``as_of`` is the day
    the price was read, ``None`` where the source does not tell. With ``neurons`` the token rates are only the provider's rounded
    list price and neurons are what is billed. ``tokens_per_s`` is the throughput of one server at full load.
    """

    provider: str
    model: str
    context: Context = ()
    input: Rate | None = None
    cached: Rate | None = None
    cache_write: Rate | None = None
    output: Rate | None = None
    neurons: Neurons | None = None
    request: Rate | None = None
    cpu_ms: Rate | None = None
    gb_second: Rate | None = None
    server_hour: Rate | None = None
    tokens_per_s: Decimal | None = None
    egress_gb: Rate | None = None
    fees: tuple[Fee, ...] = ()
    one_off: Rate | None = None
    placement: str | None = None
    source: str = STATED
    as_of: date | None = None
    status: Status = "listed"
    retired_on: date | None = None
    basis: Basis = "listed"
    confidence: Confidence = "high"
    valid_from: date | None = None
    valid_to: date | None = None
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """``provider/model``, as a scenario writes it."""
        return f"{self.provider}/{self.model}"

    @property
    def rates(self) -> tuple[tuple[str, Rate], ...]:
        """Every rate that is known, with what it charges for."""
        own = [(name, rate) for name in _RATED if (rate := getattr(self, name)) is not None]
        metered = [("neurons", self.neurons.rate)] if self.neurons else []
        return (*own, *metered, *((fee.item, fee.rate) for fee in self.fees))

    @property
    def is_stated(self) -> bool:
        """Whether somebody wrote the price down instead of referring to a book: what it omits was forgotten, not free."""
        return self.source == STATED

    @property
    def is_priced(self) -> bool:
        """Whether anything says what a use of the offer costs."""
        return bool(self.rates)

    @property
    def charges_tokens(self) -> bool:
        """Whether tokens are what is paid for."""
        return any((self.input, self.output, self.neurons))

    def answers(self, model: str) -> bool:
        """Whether this row is about that model; names that differ in case only are one model."""
        return model.casefold() in (self.model.casefold(), *(alias.casefold() for alias in self.aliases))

    def applies_on(self, at: date) -> bool:
        """Whether the row is in force on that day."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at <= self.valid_to)

    def is_served(self, at: date) -> bool:
        """Whether the provider serves the model on that day; deprecated since nobody knows when counts as not."""
        return self.retired_on > at if self.retired_on is not None else self.status == "listed"

    def over(self, under: Price) -> Price:
        """This row, with what it does not say taken from the row ``under`` it."""
        silent: tuple[object, ...] = (None, ())
        own = ("context", "notes")
        filled = {f.name: getattr(under, f.name) for f in fields(self) if getattr(self, f.name) in silent and f.name not in own}
        status = under.status if self.status == "listed" else self.status
        return replace(self, **filled, status=status, notes=(*self.notes, *under.notes))

    def noting(self, *notes: str) -> Price:
        """The same price with more to say about it."""
        return replace(self, notes=(*self.notes, *notes))


#: The fields of a price that are rates: they are asked for hundreds of times in every decision.
_RATED = tuple(f.name for f in fields(Price) if f.type == "Rate | None")


@dataclass(frozen=True, slots=True)
class Concern:
    """Something to look at that is no error: which rule noticed, and what."""

    rule: Literal["stale-price", "magnitude", "neuron-rate", "low-confidence"]
    message: str


def magnitude(usd_per_mtok: Decimal) -> str | None:
    """What is odd about a stated token price, or ``None``. Free (0) is not odd."""
    low, high = PLAUSIBLE_USD_PER_MTOK
    if 0 < usd_per_mtok < low:
        return f"{usd_per_mtok} USD/Mtok is below {low}: is it a price per 1,000 tokens or per token?"
    if usd_per_mtok > high:
        return f"{usd_per_mtok} USD/Mtok is above {high}: is it in cents, or per another unit?"
    return None


def _stale(price: Price, at: date) -> Iterator[Concern]:
    dated = {rate.as_of for _, rate in price.rates if rate.as_of} | ({price.as_of} if price.as_of else set())
    if dated and at - min(dated) > STALE_AFTER:
        age = (at - min(dated)).days
        yield Concern("stale-price", f"{price.reference}: read on {min(dated)}, {age} days before {at} (limit {STALE_AFTER.days})")


def _odd(price: Price) -> Iterator[Concern]:
    for name, rate in price.rates:
        if rate.unit == "Mtok" and (said := magnitude(rate.usd)):
            yield Concern("magnitude", f"{price.reference} {name}: {said}")


def _disagreeing(price: Price) -> Iterator[Concern]:
    if not price.neurons:
        return
    sides = (("input", price.input, price.neurons.input_per_mtok), ("output", price.output, price.neurons.output_per_mtok))
    for name, listed, per_mtok in sides:
        if listed is None or per_mtok is None or not listed.usd:
            continue
        billed = price.neurons.usd_per_mtok(per_mtok)
        apart = abs(billed / listed.usd - 1)
        # A list price has three decimals: half of the last one is rounding, whatever share of a small price that is.
        if apart > NEURON_TOLERANCE and abs(billed - listed.usd) > Decimal("0.0005"):
            what = f"{per_mtok} neurons are {billed:.6f} USD/Mtok and {listed.usd} is listed, {apart * 100:.1f} % apart"
            yield Concern("neuron-rate", f"{price.reference} {name}: {what}")


def concerns(price: Price, at: date) -> tuple[Concern, ...]:
    """What a reviewer should know about this price on that day."""
    unsure = [name for name, rate in price.rates if rate.confidence == "low"]
    low = [Concern("low-confidence", f"{price.reference}: low confidence in {', '.join(unsure)}")] if unsure else []
    return (*_stale(price, at), *_odd(price), *_disagreeing(price), *low)


@dataclass(frozen=True, slots=True)
class Reference:
    """Which offer is meant: the provider up to the first slash, then the model verbatim."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str, place: Place | None = None) -> Reference:
        """``cloudflare/@cf/baai/bge-base-en-v1.5`` -> ``cloudflare`` and ``@cf/baai/bge-base-en-v1.5``."""
        provider, slash, model = text.strip().partition("/")
        if not (provider and slash and model):
            fix = "write PROVIDER/MODEL, for example cloudflare/@cf/baai/bge-base-en-v1.5"
            raise EdgeroiError(f"{text!r} is not a price reference", place=place, fix=fix)
        return cls(provider, model)

    def __str__(self) -> str:
        """As it is written in a scenario."""
        return f"{self.provider}/{self.model}"


#: Names of the price without any context; a model may still have a row of its own under one of them.
STANDARD = ("standard", "default")


@dataclass(frozen=True)
class PriceBook:
    """Price rows by provider, and the names by which providers go.

    ``providers`` names all that exist, also those whose rows this book does not hold; ``also_known_as`` maps the names that
    logs and gateways use (``bedrock``, ``together_ai``) to the provider's own.
    """

    rows: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    also_known_as: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Price]:
        """Every row, provider by provider."""
        return (row for provider in self.rows for row in self.rows[provider])

    def provider_of(self, name: str, place: Place | None = None) -> str:
        """The provider's own name."""
        named = self.also_known_as.get(name.casefold(), name.casefold())
        known = {*self.rows, *self.providers}
        if named not in known:
            fix = did_you_mean(named, sorted({*known, *self.also_known_as}))
            raise UnknownProvider(f"no prices of a provider {name!r} are known", place=place, fix=fix)
        return named

    def model_rows(self, ref: str, place: Place | None = None) -> tuple[Price, ...]:
        """Every row about the referenced model: all contexts, all dates; unknown ones are errors with the nearest names."""
        wanted = Reference.parse(ref, place)
        rows = self.rows.get(self.provider_of(wanted.provider, place), ())
        found = tuple(row for row in rows if row.answers(wanted.model))
        if not found:
            raise UnknownModel(f"{wanted.provider} lists no model {wanted.model!r}", place=place, fix=_nearest(wanted.model, rows))
        return found

    def find(
        self, ref: str, at: date, context: Mapping[str, str] | None = None, *, place: Place | None = None, was_used: bool = False
    ) -> Price:
        """What the referenced offer charges on day ``at`` in ``context`` (``{"processing": "batch"}``).

        ``was_used``: a log shows that it was served that day, whatever the book knows of its retirement.
        Raises ``UnknownProvider``, ``UnknownModel``, ``UnmatchedContext`` or ``Retired`` (exit 2), and ``Unpriced`` (exit 3).
        """
        rows = self.model_rows(ref, place)
        if not was_used:
            _refuse_retired(ref, rows, at, place)
        matching = _in_context(ref, rows, context_of(context or {}), place)
        in_force = [row for row in matching if row.applies_on(at)]
        if not in_force:
            raise _not_in_force(ref, matching, at, place)
        latest = max(in_force, key=lambda row: row.valid_from or date.min)
        if not latest.is_priced:
            why = "; ".join(latest.notes) or "its row states no rate"
            raise Unpriced(f"{ref} is unpriced: {why}", place=place, fix="state its price in the scenario")
        return latest.noting(*_dating(latest, at))


def _nearest(model: str, rows: Iterable[Price]) -> str:
    names = list(dict.fromkeys(row.model for row in rows))
    by_end = {name.rsplit("/", 1)[-1].casefold(): name for name in names}
    close = difflib.get_close_matches(model, names, n=3, cutoff=0.6)
    close += [by_end[end] for end in difflib.get_close_matches(model.rsplit("/", 1)[-1].casefold(), by_end, n=3, cutoff=0.6)]
    nearest = list(dict.fromkeys(close))[:3]
    return f"nearest: {', '.join(nearest)}" if nearest else f"it lists {len(names)} others (edgeroi prices list)"


def _refuse_retired(ref: str, rows: tuple[Price, ...], at: date, place: Place | None) -> None:
    for row in rows:
        if not row.is_served(at):
            since = f"was retired on {row.retired_on}" if row.retired_on else f"is {row.status}, date unknown"
            raise Retired(f"{ref} {since}", row, place=place, fix="choose a model that is served, or state the price you still pay")


def _in_context(ref: str, rows: tuple[Price, ...], context: Context, place: Place | None) -> list[Price]:
    exact = [row for row in rows if row.context == context]
    if exact:
        return exact
    if context and all(value in STANDARD for _, value in context):
        return _in_context(ref, rows, (), place)
    known = list(dict.fromkeys(said_context(row.context) for row in rows))
    meant = near_miss(said_context(context), known)
    fix = f"did you mean {meant!r}?" if meant else f"it is priced as: {', '.join(known)}, or state the price you pay"
    raise UnmatchedContext(f"{ref} has no {said_context(context)} price", place=place, fix=fix)


def _not_in_force(ref: str, rows: list[Price], at: date, place: Place | None) -> EdgeroiError:
    starts = sorted(row.valid_from for row in rows if row.valid_from and row.valid_from > at)
    ends = sorted(row.valid_to for row in rows if row.valid_to and row.valid_to < at)
    since = f"the first known begins on {starts[0]}" if starts else f"the last known ended on {ends[-1]}"
    said = f"no {said_context(rows[0].context)} price of {ref} is known on {at}; {since}"
    kind = UnmatchedContext if rows[0].context else Unpriced
    return kind(said, place=place, fix="choose another prices_as_of, or state the price")


def _dating(price: Price, at: date) -> Iterator[str]:
    if price.valid_from is None and price.valid_to is None and price.as_of is None:
        yield f"undated price: taken as valid on {at}"
    elif price.valid_from is None and price.as_of is not None and price.as_of > at:
        yield f"price read on {price.as_of}, after {at}, and taken as valid then"
    if price.retired_on is not None:
        yield f"the model is to be retired on {price.retired_on}"
