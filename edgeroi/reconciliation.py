"""A bill beside what the logs imply: the same provider, the same days, the difference and whether it is within tolerance.

The bill is a FOCUS 1.x export (https://focus.finops.org/focus-specification/): BilledCost is what the invoice rests on, EffectiveCost the
same with prepaid purchases spread over the use they covered. What the logs imply is what use cost, so EffectiveCost of rows whose
ChargeCategory is Usage is what it is held against, and BilledCost stands beside it. Taxes, credits, adjustments, purchases, corrections
of earlier periods and commitments that went unused are no use of these days: they are listed, and never netted against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from edgeroi.ledger import Ledger, spent

ZERO = Decimal(0)
#: A difference of up to this is rounding of the bill.
ROUNDING_USD = Decimal("0.01")
TOLERANCE = 0.02
#: A difference is steady where so many days all have it, this close together.
_STEADY_DAYS, _STEADY_WITHIN = 7, 0.005
USAGE = "Usage"
AI_CATEGORY = "AI and Machine Learning"


@dataclass(frozen=True, slots=True)
class BillLine:
    """A row of the export in USD; ``start`` is inclusive and ``end`` exclusive, in UTC. ``what`` says what it is where it is no use."""

    service: str
    provider: str
    service_category: str
    start: datetime
    end: datetime
    what: str
    billed_usd: Decimal
    effective_usd: Decimal

    @property
    def is_of_one_day(self) -> bool:
        """Whether it lies within one UTC day."""
        return self.start.date() == (self.end - timedelta(microseconds=1)).date()


@dataclass(frozen=True, slots=True)
class Difference:
    """A provider of the logs and its services on the bill, over one day or (``day`` is ``None``) all days that both tell.

    ``steady``: the difference as a ratio where it is the same on all of at least seven days, as a discount is.
    """

    provider: str
    services: tuple[str, ...]
    day: date | None
    days: int
    logs_usd: Decimal | None
    billed_usd: Decimal
    effective_usd: Decimal
    unpriced_requests: int
    is_within: bool
    steady: float | None = None

    @property
    def usd(self) -> Decimal | None:
        """Effective cost less what the logs imply; ``None`` where the logs imply none."""
        return None if self.logs_usd is None else self.effective_usd - self.logs_usd

    @property
    def ratio(self) -> float | None:
        """The difference over what the logs imply."""
        return float(self.usd / self.logs_usd) if self.usd is not None and self.logs_usd else None


@dataclass(frozen=True, slots=True)
class Apart:
    """What is on one side only, or is no use: ``what`` names it."""

    what: str
    service: str
    billed_usd: Decimal | None
    effective_usd: Decimal | None
    logs_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All differences by service, by service and day, and what stands apart; the sums of the bill's rows are the export's."""

    services: tuple[Difference, ...]
    days: tuple[Difference, ...]
    apart: tuple[Apart, ...]
    tolerance: float

    @property
    def is_within(self) -> bool | None:
        """Whether all services are within tolerance; ``None`` where nothing could be compared."""
        return all(difference.is_within for difference in self.services) if self.services else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def provider_of(line: BillLine, names: Mapping[str, Iterable[str]], stated: Mapping[str, str]) -> str | None:
    """The provider of the logs that a service is of: as stated, else by a name of the provider in that of the service.

    A name in that of the bill's provider counts only where the service is one of AI: a provider sells more than models.
    """
    if line.service in stated:
        return stated[line.service]
    if line.service_category and line.service_category != AI_CATEGORY:
        return None
    where = [_plain(line.service), *([_plain(line.provider)] if line.service_category else [])]
    found = [
        (len(name), provider)
        for provider, known in names.items()
        for name in map(_plain, (provider, *known))
        if len(name) > 2 and any(name in text for text in where)
    ]
    return max(found)[1] if found else None


def reconciled(
    bill: Sequence[BillLine],
    ledger: Ledger,
    whole_days: frozenset[date],
    names: Mapping[str, Iterable[str]],
    *,
    stated: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
) -> Reconciliation:
    """The bill against the ledger on the days that the logs saw whole. ``names``: other names of the logs' providers."""
    of_provider: dict[str, list[BillLine]] = defaultdict(list)
    apart: list[tuple[str, BillLine]] = []
    for line in bill:
        provider = provider_of(line, names, stated or {})
        if line.what != USAGE:
            apart.append((line.what, line))
        elif provider is None:
            apart.append(("use that is not in the logs", line))
        else:
            of_provider[provider].append(line)
    services, days = list[Difference](), list[Difference]()
    for provider, lines in sorted(of_provider.items()):
        inside, outside = _inside(lines, whole_days)
        apart += [("use on days that the logs do not hold whole", line) for line in outside]
        if inside:
            daily = _daily(provider, inside, ledger, tolerance, whole_days)
            days += daily
            services.append(replace(_of_service(provider, inside, ledger, tolerance, whole_days), steady=_steady(daily)))
    apart_sums = _apart(apart) + _unbilled(ledger, {difference.provider for difference in services})
    return Reconciliation(tuple(services), tuple(days), apart_sums, tolerance)


def _days_of(line: BillLine) -> frozenset[date]:
    days = ((line.end - timedelta(microseconds=1)).date() - line.start.date()).days
    return frozenset(line.start.date() + timedelta(days=day) for day in range(days + 1))


def _inside(lines: Sequence[BillLine], whole: frozenset[date]) -> tuple[list[BillLine], list[BillLine]]:
    """The rows whose days the logs saw whole, and the others."""
    inside = [line for line in lines if _days_of(line) <= whole]
    return inside, [line for line in lines if not _days_of(line) <= whole]


def _of_service(
    provider: str, lines: Sequence[BillLine], ledger: Ledger, tolerance: float, whole: frozenset[date], day: date | None = None
) -> Difference:
    """All rows of a provider against all days that the bill has rows for; between its first and last one too, where nothing is billed."""
    billed_days = frozenset[date]().union(*map(_days_of, lines))
    compared = {one for one in whole if min(billed_days) <= one <= max(billed_days)}
    told = spent(c for c in ledger.charges if _named(c.provider) == provider and c.day in compared)
    billed, effective = (sum((getattr(line, of) for line in lines), ZERO) for of in ("billed_usd", "effective_usd"))
    is_within = _is_within(told.usd, effective, tolerance) and not told.unpriced_requests
    services = tuple(sorted({line.service for line in lines}))
    return Difference(provider, services, day, len(compared), told.usd, billed, effective, told.unpriced_requests, is_within)


def _daily(provider: str, lines: Sequence[BillLine], ledger: Ledger, tolerance: float, whole: frozenset[date]) -> list[Difference]:
    """Day by day, where every row lies within one."""
    if not all(line.is_of_one_day for line in lines):
        return []
    by_day: dict[date, list[BillLine]] = defaultdict(list)
    for line in lines:
        by_day[line.start.date()].append(line)
    return [_of_service(provider, by_day[day], ledger, tolerance, whole, day) for day in sorted(by_day)]


def _steady(daily: Sequence[Difference]) -> float | None:
    """What all days differ by, where they do."""
    ratios = [one.ratio for one in daily if one.logs_usd]
    if len(ratios) < _STEADY_DAYS or None in ratios:
        return None
    told = [ratio for ratio in ratios if ratio is not None]
    return sum(told) / len(told) if max(told) - min(told) <= _STEADY_WITHIN else None


def _is_within(logs_usd: Decimal | None, effective_usd: Decimal, tolerance: float) -> bool:
    if logs_usd is None:
        return False
    return abs(effective_usd - logs_usd) <= max(ROUNDING_USD, Decimal(str(tolerance)) * abs(effective_usd))


def _named(provider: str | None) -> str:
    return (provider or "").casefold()


def _apart(lines: Iterable[tuple[str, BillLine]]) -> tuple[Apart, ...]:
    sums: dict[tuple[str, str], list[BillLine]] = defaultdict(list)
    for what, line in lines:
        sums[what, line.service].append(line)
    return tuple(
        Apart(what, service, sum((line.billed_usd for line in of), ZERO), sum((line.effective_usd for line in of), ZERO))
        for (what, service), of in sorted(sums.items())
    )


def _unbilled(ledger: Ledger, compared: set[str]) -> tuple[Apart, ...]:
    """What the logs imply of providers that the bill does not have."""
    sums = ledger.by(("provider",))
    return tuple(
        Apart("in the logs, not on the bill", str(provider or "no provider told"), None, None, told.usd)
        for (provider,), told in sums.items()
        if _named(str(provider or "")) not in compared
    )
