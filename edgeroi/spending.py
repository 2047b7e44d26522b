"""Logs become spend: read and folded, priced, projected, held against limits and a bill. ``spend`` is this, printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeroi.budget import Limits, combined_outcome, edge_share_of, findings
from edgeroi.forecast import Days, Nulls, jumps, project, seen_shares
from edgeroi.ledger import EPOCH, Ledger, ledger_of, references_of
from edgeroi.reconciliation import TOLERANCE, BillLine, Reconciliation, reconciled
from edgeroi.spend_report import GROUPS, Spending
from edgeroi.usage import STEPS, Usage, UsageFold

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.engines.workers import Progress
    from edgeroi.logs.reading import Reading
    from edgeroi.prices import PriceBook
    from edgeroi.verdict_report import Verdicts
    from edgeroi.workload import Profile

_NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Asked:
    """What is asked besides the sums.

    ``prices``: price files of the user's, whose rows win. ``seed``: of the permutations that tell a jump from chance.
    ``bill``: the rows of an export of it; ``services``: which of the logs' providers a service on it is of, where its name does not say.
    """

    limits: Limits = field(default_factory=Limits)
    by: tuple[str, ...] = GROUPS
    prices: tuple[Path, ...] = ()
    bill: tuple[BillLine, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = TOLERANCE
    verdicts: Verdicts | None = None
    seed: int = 0

    def steps(self) -> tuple[int, ...]:
        """Where the price of a whole request changes with its size: in the book, and in the user's own files."""
        from edgeroi.pricebooks import catalogue

        own = {step.input_tokens for file in self.prices for row in catalogue.read(file) for _, rate in row.rates for step in rate.above}
        return tuple(sorted({*STEPS, *own}))


def spend_logs(
    logs: Sequence[str | Path],
    reading: Reading,
    asked: Asked,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
) -> Spending:
    """What the requests of logs cost. Raises ``EdgeroiError`` as reading does, and where a price file or an export is none."""
    from edgeroi.engines.local import read_folded

    _heed_early(asked)
    profile, fold = read_folded(logs, reading, UsageFold(asked.steps()), jobs=jobs, progress=progress, rejects_to=rejects_to)
    return spending_of(profile, fold.usage, asked)


def spend_frame(frame: pd.DataFrame, reading: Reading, asked: Asked) -> Spending:
    """The same of a DataFrame whose rows are requests."""
    from edgeroi.logs.frame import profile_frame

    _heed_early(asked)
    fold = UsageFold(asked.steps())
    profile = profile_frame(frame, replace(reading, beside=fold.columns), meet=lambda batch: fold.add(None, batch))
    return spending_of(profile, fold.usage, asked)


def _heed_early(asked: Asked) -> None:
    """A slip in what is asked is told before logs are read."""
    Ledger().by(asked.by)


def spending_of(profile: Profile, usage: Usage, asked: Asked) -> Spending:
    """Usage that was read, as spend."""
    from edgeroi import __version__
    from edgeroi.pricebooks import load

    usage = usage.scaled(profile.sampling)
    book = load(references_of(usage), asked.prices)
    ledger = ledger_of(usage, book)
    days = days_of(ledger, usage)
    changes = jumps(days, Nulls(np.random.default_rng(asked.seed))) if days is not None else ()
    projection = project(days, changes) if days is not None else None
    found = findings(asked.limits, ledger, projection, _last_month(usage), _previous_usd(ledger, days))
    scenario = asked.verdicts
    found += [finding for judged in scenario.scenarios for finding in judged.findings] if scenario else []
    is_gated = asked.limits.are_set or scenario is not None
    return Spending(
        version=__version__,
        profile=profile,
        ledger=ledger,
        days=days,
        projection=projection,
        jumps=changes,
        edge=edge_share_of(ledger),
        limits=asked.limits,
        findings=tuple(found),
        gate=combined_outcome(found, [scenario.gate] if scenario else []) if is_gated else None,
        by=asked.by,
        span_ns=(usage.first_ns, usage.last_ns),
        seed=asked.seed,
        verdicts=scenario,
        reconciliation=_beside(ledger, days, book, asked) if asked.bill else None,
        notes=tuple(_notes(profile, usage, days)),
    )


def days_of(ledger: Ledger, usage: Usage) -> Days | None:
    """What each day cost, and how much of it was seen; ``None`` where no request has a time or none has a price."""
    if usage.first_ns is None or usage.last_ns is None or ledger.total.usd is None:
        return None
    first, last = (ns // _NS_PER_DAY for ns in (usage.first_ns, usage.last_ns))
    amounts, seen = np.zeros(last - first + 1), np.ones(last - first + 1)
    start = EPOCH + timedelta(days=first)
    for (day,), told in ledger.by(("day",)).items():
        if isinstance(day, date) and told.usd is not None:
            amounts[(day - start).days] = float(told.usd)
    seen[0], seen[-1] = seen_shares(usage.hours, usage.first_ns, usage.last_ns)
    return Days(start, amounts, seen)


def _last_month(usage: Usage) -> str | None:
    return None if usage.last_ns is None else f"{EPOCH + timedelta(days=usage.last_ns // _NS_PER_DAY):%Y-%m}"


def _previous_usd(ledger: Ledger, days: Days | None) -> float | None:
    """What the month before the last cost, where the logs hold all of it."""
    if days is None:
        return None
    start = days.day(days.n - 1).replace(day=1)
    before = (start - timedelta(days=1)).replace(day=1)
    if days.first > before or (days.first == before and not days.whole[0]):
        return None
    usd = ledger.where(lambda charge: charge.month == f"{before:%Y-%m}").total.usd
    return None if usd is None else float(usd)


def _notes(profile: Profile, usage: Usage, days: Days | None) -> list[str]:
    found = []
    if days is not None:
        told = {day for day, _ in usage.hours}
        first = (days.first - EPOCH).days
        empty = [days.day(place) for place in range(days.n) if first + place not in told]
        if empty:
            found.append(f"{len(empty)} days inside the logs have no request, the first {empty[0]}: taken as days without spend")
    if profile.aggregates:
        found.append(f"{len(profile.aggregates)} aggregates list no requests and tell no cost: not in it")
    if profile.sampling != 1:
        found.append("scaled up from a sample: what the sample left out by chance is in no interval")
    return found


def _beside(ledger: Ledger, days: Days | None, book: PriceBook, asked: Asked) -> Reconciliation:
    from edgeroi.pricebooks import catalogue

    known = catalogue.providers()
    names: dict[str, tuple[str, ...]] = {}
    for provider in {charge.provider.casefold() for charge in ledger.charges if charge.provider}:
        own = book.also_known_as.get(provider, provider)
        names[provider] = (own, *(known[own].names if own in known else ()))
    whole = frozenset() if days is None else frozenset(days.day(int(place)) for place in np.flatnonzero(days.whole))
    return reconciled(asked.bill, ledger, whole, names, stated=asked.services, tolerance=asked.tolerance)
