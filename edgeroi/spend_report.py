"""What ``spend`` says: where inference ran and what it cost, the month it will come to, the limits, the bill beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from edgeroi.budget import EdgeShare, Limits, share_words
from edgeroi.forecast import Days, Jump, Projection
from edgeroi.gate import Finding, Outcome
from edgeroi.ledger import Charge, Ledger, Spent, spent
from edgeroi.option import EDGE
from edgeroi.profile_report import account, span_words
from edgeroi.reconciliation import Difference, Reconciliation
from edgeroi.report import (
    Axis,
    Bar,
    Cell,
    Column,
    Deferred,
    Figure,
    Json,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tone,
    count,
    envelope,
    file_document,
    lines_document,
    mark,
    ratio,
    text,
    usd,
    usd_signed,
)
from edgeroi.shown import Shown
from edgeroi.verdict_report import finding_document
from edgeroi.words import dollars, share, signed

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.verdict_report import Verdicts
    from edgeroi.workload import Profile

#: The columns of a JSON group, whatever the table is grouped by.
GROUPS = ("placement", "provider", "model", "workload")
_TITLES = {"priced": "price", "service_tier": "tier"}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TONES: Mapping[str, Tone] = {"pass": "good", "fail": "bad", "undecided": "doubt", "waived": "quiet"}
_TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")
#: Of the days that do not agree with the bill, how many are shown; the document has all.
_SHOWN_DAYS = 10


@dataclass(frozen=True)
class Spending(Shown):
    """What one call of spend found; immutable.

    ``profile``: the account of the lines, and of the requests without their cost. ``days``: USD a day, ``None`` where no request has a
    time. ``findings``, ``gate``: of the limits, and of the scenario where one is held against its gate; ``None`` where nobody asked.
    """

    version: str
    profile: Profile
    ledger: Ledger
    days: Days | None
    projection: Projection | None
    jumps: tuple[Jump, ...]
    edge: EdgeShare
    limits: Limits
    findings: tuple[Finding, ...]
    gate: Outcome | None
    by: tuple[str, ...] = GROUPS
    span_ns: tuple[int | None, int | None] = (None, None)
    seed: int = 0
    verdicts: Verdicts | None = None
    reconciliation: Reconciliation | None = None
    notes: tuple[str, ...] = ()

    @property
    def usd(self) -> Decimal | None:
        """What everything with a price cost; ``None`` where nothing has one."""
        return self.ledger.total.usd

    def __repr__(self) -> str:
        """How much, and the gate."""
        known = "nothing has a price" if self.usd is None else f"{float(self.usd):,.4g} USD"
        return f"<Spending: {known}, {self.profile.total.requests:,} requests{f'; gate {self.gate}' if self.gate else ''}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi spend`` says."""
        return spend_report(self)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """USD a day by placement; none where no day or no price is known."""
        daily = _daily(self)
        return () if daily is None else (daily,)

    @property
    def document(self) -> Mapping[str, Json]:
        """What ``--format json`` prints."""
        return _document(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per placement, provider, model, workload, tier and day, with how it was priced; unknown is missing, never 0."""
        import pandas as pd

        rows = [_frame_row(charge) for charge in self.ledger.charges]
        frame = pd.DataFrame(rows, columns=[*_FRAME_LABELS, "requests", *_TOKENS, "cost_usd"])
        keys = list(_FRAME_LABELS)
        # A sum of nothing known is unknown: min_count keeps it from becoming 0.
        summed = frame.groupby(keys, dropna=False, sort=False, as_index=False).sum(min_count=1)
        return summed.convert_dtypes()


_FRAME_LABELS = ("day", "placement", "provider", "model", "workload", "service_tier", "priced", "reason")


def _frame_row(charge: Charge) -> tuple[object, ...]:
    labels = tuple(getattr(charge, name) for name in _FRAME_LABELS)
    usd = None if charge.usd is None else float(charge.usd)
    of_charge = spent((charge,))
    tokens = (of_charge.told(name) for name in _TOKENS)
    return (*labels, charge.amounts.requests, *tokens, usd)


def spend_report(found: Spending, *, drawn: bool = False) -> Report:
    """The report of ``spend``; with ``drawn`` its picture too."""
    sections: list[Section] = []
    if found.ledger.charges:
        sections += [Text((" · ".join(_facts(found)),)), _spend_table(found), *(found.figures if drawn else ())]
        sections += [_unpriced_table(found.ledger)] if found.ledger.unpriced else []
        sections += _months(found)
        sections.append(Text(tuple(_asides(found))))
    if found.gate is not None:
        sections += [_gate_table(found), Text((f"gate: {found.gate.upper()}",), tone=_TONES[found.gate])]
    if found.reconciliation is not None:
        sections += _bill(found.reconciliation)
    sections.append(account(found.profile))
    return Report("spend", Deferred(lambda: _document(found)), tuple(sections), _all_notes(found))


# The picture ----------------------------------------------------------------------------------------------------------


def _daily(found: Spending) -> Figure | None:
    """USD of every day by placement, one upon the other; what has no price or no time is in no day."""
    if found.days is None:
        return None
    usd_of: dict[tuple[str, str], Decimal] = {}
    for charge in found.ledger.charges:
        if charge.usd is not None and charge.day is not None:
            key = (charge.day.isoformat(), charge.placement or "-")
            usd_of[key] = usd_of.get(key, Decimal(0)) + charge.usd
    days = [found.days.day(place).isoformat() for place in range(found.days.n)]
    places = sorted({place for _, place in usd_of})
    bars = [bar for day in days for bar in _pile(day, [(place, usd_of[day, place]) for place in places if (day, place) in usd_of])]
    columns = (Column("day", "day"), *(Column(f"usd_{at}", place, "usd") for at, place in enumerate(places)))
    rows = tuple(Row((text(day), *(usd(usd_of.get((day, place))) for place in places))) for day in days)
    title = "spend, USD a day by placement"
    table = Table(columns, rows, title, ("UTC days; what has no price or no time is in none of them",), "daily")
    return Figure("columns", title, Axis("day", "text"), Axis("USD a day", "usd"), table, bars=tuple(bars), name="daily") if bars else None


def _pile(day: str, parts: Sequence[tuple[str, Decimal]]) -> Iterator[Bar]:
    """The parts of a day, each upon the one before; a day of none keeps its place."""
    below = 0.0
    for place, money in parts:
        yield Bar(day, below, below + float(money), place)
        below += float(money)
    if not parts:
        yield Bar(day, 0.0, 0.0)


def _all_notes(found: Spending) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*found.profile.notes, *found.ledger.notes, *found.notes)))


def _facts(found: Spending) -> Iterator[str]:
    total, edge = found.ledger.total, found.edge
    yield span_words(*found.span_ns)
    yield f"{total.amounts.requests:,} requests"
    yield "tokens unknown" if total.tokens is None else f"{total.tokens:,} tokens"
    yield "no known cost" if total.usd is None else dollars(float(total.usd))
    if edge.spend is not None:
        of_tokens = f", {share(edge.tokens)} of tokens" if edge.tokens is not None else ""
        yield f"edge {share(edge.spend)} of spend{of_tokens}"
    yield "unsampled" if found.profile.sampling == 1 else f"a sample of {100 * found.profile.sampling:.4g} %, scaled up"


# Tables ---------------------------------------------------------------------------------------------------------------


def _spend_table(found: Spending) -> Table:
    """A row per group, and all of them."""
    total = found.ledger.total
    columns = (
        *(Column(name, _TITLES.get(name, name), rank=0 if name == found.by[0] else 2) for name in found.by),
        Column("requests", "requests", "count"),
        Column("input_tokens", "tokens in", "count", rank=2),
        Column("output_tokens", "out", "count", rank=3),
        Column("cost_usd", "spend", "usd"),
        Column("share_of_spend", "share", "ratio", rank=1),
        Column("usd_per_1k_requests", "per 1,000", "usd", rank=3),
        Column("unpriced_requests", "unpriced", "count", rank=1),
        Column("source", "priced", rank=3),
    )
    rows = [_group_row(key, told, total, found) for key, told in found.ledger.by(found.by).items()]
    labels = (text("all"), *(text(None) for _ in found.by[1:]))
    rows.append(Row((*labels, *_amount_cells(total, total), text(_sources(found.ledger.charges)))))
    return Table(columns, tuple(rows), title="spend", name="spend")


def _group_row(key: tuple[object, ...], told: Spent, total: Spent, found: Spending) -> Row:
    of_group = found.ledger.where(lambda charge: tuple(getattr(charge, name) for name in found.by) == key)
    labels = (text(None if part is None else str(part)) for part in key)
    return Row((*labels, *_amount_cells(told, total), text(_sources(of_group.charges))))


def _amount_cells(told: Spent, total: Spent) -> tuple[Cell, ...]:
    priced = told.amounts.requests - told.unpriced_requests - told.failed_requests
    each = None if told.usd is None or not priced else told.usd * 1000 / priced
    return (
        count(told.amounts.requests),
        count(told.told("input_tokens")),
        count(told.told("output_tokens")),
        usd(told.usd),
        ratio(float(told.usd / total.usd) if told.usd is not None and total.usd else None),
        usd(each),
        count(told.unpriced_requests or None),
    )


def _sources(charges: Sequence[Charge]) -> str:
    """``logged``, ``by the book``, or both with their share of the money."""
    sums = {how: spent(c for c in charges if c.priced == how).usd for how in ("logged", "listed")}
    named = {"logged": "as logged", "listed": "by the book"}
    there = [how for how, usd in sums.items() if usd is not None]
    if len(there) < 2:
        return named[there[0]] if there else "unpriced"
    all_usd = sum((sums[how] or Decimal(0) for how in there), Decimal(0))
    return ", ".join(f"{share(float((sums[how] or 0) / all_usd)) if all_usd else '-'} {named[how]}" for how in there)


def _unpriced_table(ledger: Ledger) -> Table:
    columns = (
        Column("provider", "provider"),
        Column("model", "model"),
        Column("requests", "requests", "count"),
        Column("tokens", "tokens", "count"),
        Column("reason", "why"),
    )
    rows = [
        Row((text(provider), text(model), count(told.amounts.requests), count(_tokens_or_none(told)), text(reason)))
        for (provider, model, reason), told in ledger.unpriced.items()
    ]
    caption = ("In no sum above. State the price in a price file of your own: --prices FILE.",)
    return Table(columns, tuple(rows), title="without a price", caption=caption, name="unpriced")


def _tokens_or_none(told: Spent) -> int | None:
    return told.unpriced_tokens if told.untold_requests < told.unpriced_requests else None


def _months(found: Spending) -> list[Section]:
    if found.days is None:
        return []
    columns = (
        Column("month", "month"),
        Column("days_seen", "days seen", "number"),
        Column("cost_usd", "spend", "usd"),
        Column("edge_share", "at the edge", "ratio", rank=1),
        Column("projection_usd", "by its end", "usd", interval=True),
    )
    rows = [Row(_month_cells(month, found)) for month in _months_of(found.days)]
    return [Table(columns, tuple(rows), title="months", name="months")]


def _months_of(days: Days) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{days.day(place):%Y-%m}" for place in range(days.n)))


def _month_cells(month: str, found: Spending) -> tuple[Cell, ...]:
    assert found.days is not None
    of_month = found.ledger.where(lambda charge: charge.month == month)
    told, edge = of_month.total, spent(c for c in of_month.charges if c.placement in EDGE)
    shown = float((edge.usd or 0) / told.usd) if told.usd else None
    seen = sum(float(found.days.seen[place]) for place in range(found.days.n) if f"{found.days.day(place):%Y-%m}" == month)
    ends = found.projection if found.projection and found.projection.month == month else None
    coming = usd(ends.likely_usd, ends.low_usd, ends.high_usd) if ends else usd(None)
    return (text(month), Cell(round(seen, 1), "number"), usd(told.usd), ratio(shown), coming)


# Sentences ------------------------------------------------------------------------------------------------------------


def _asides(found: Spending) -> Iterator[str]:
    if found.days is None:
        why = "no request has a time" if found.span_ns[1] is None else "nothing that was used has a known cost or price"
        yield f"No days, no months and nothing to project: {why}."
    elif found.projection is None:
        yield f"{int(found.days.whole.sum())} whole days: too few to project a month from (7 are needed)."
    else:
        yield from _projection_words(found.projection)
    yield from (_jump_words(jump) for jump in found.jumps)
    yield from share_words(found.edge, found.limits.edge_share or 0.05)


def _projection_words(ends: Projection) -> Iterator[str]:
    if ends.is_complete:
        return
    yield (
        f"{ends.month}: {dollars(ends.likely_usd)} by its end, 95 % interval {dollars(ends.low_usd)} to {dollars(ends.high_usd)}, "
        f"of which {dollars(ends.seen_usd)} so far; from {ends.days_used} whole days"
        + (f", weekdays {_pattern_words(ends.weekdays)}" if ends.weekdays else ", too few for a weekday pattern")
        + (f"; {ends.unseen_before} days before the log begins are estimated too" if ends.unseen_before else "")
        + "."
    )
    if ends.trend is not None:
        slopes = (ends.trend.usd_per_day, ends.trend.low, ends.trend.high)
        likely, low, high = (signed(_undusted(30 * slope, ends.likely_usd)) for slope in slopes)
        said = f"{likely} a day after 30 days ({low} to {high})"
        yield f"Trend: {said}." if ends.trend.is_shown else f"No trend shown: {said}."


def _undusted(usd: float, beside: float) -> float:
    """Without what is left over when equal floating-point numbers are fitted: less than a thousand-millionth of what a month costs."""
    return usd if abs(usd) > 1e-9 * beside else 0.0


def _pattern_words(factors: tuple[float, ...]) -> str:
    return " ".join(f"{name} {factor:.2f}" for name, factor in zip(_WEEKDAYS, factors, strict=True))


def _jump_words(jump: Jump) -> str:
    times = f", {jump.ratio:.2f} times as much" if jump.ratio is not None else ""
    change = f"{dollars(jump.before_usd)} a day before, {dollars(jump.after_usd)} from then on{times}"
    return f"Spend changed on {jump.day:%d %b %Y}: {change} (weekdays allowed for; p {jump.p:.3f}, false alarms 1 %)."


# The gate and the bill ------------------------------------------------------------------------------------------------


def _gate_table(found: Spending) -> Table:
    columns = (
        Column("status", "", "mark"),
        Column("rule", "rule"),
        Column("value", "value", "number", rank=2, in_words=True),
        Column("limit", "limit", "number", rank=2, in_words=True),
        Column("message", "found"),
    )
    rows = [
        Row(
            (
                mark(finding.status, _TONES[finding.status] if finding.level == "error" else "doubt"),
                text(finding.rule),
                Cell(finding.value, "number"),
                Cell(finding.limit, "number"),
                text(f"{finding.workload}: {finding.message}" if finding.workload else finding.message),
            )
        )
        for finding in found.findings
    ]
    return Table(columns, tuple(rows), title="limits", name="gate")


def _bill(bill: Reconciliation) -> list[Section]:
    columns = (
        Column("provider", "provider"),
        Column("services", "on the bill", rank=1),
        Column("day", "day"),
        Column("days", "days", "count", rank=1),
        Column("logs_usd", "logs imply", "usd"),
        Column("billed_usd", "billed", "usd"),
        Column("effective_usd", "effective", "usd"),
        Column("difference_usd", "difference", "usd_signed"),
        Column("difference", "of it", "ratio", rank=1),
        Column("unpriced_requests", "unpriced", "count", rank=2),
        Column("status", "", "mark"),
    )
    steady = {one.provider for one in bill.services if one.steady is not None}
    differing = [day for day in bill.days if not day.is_within and day.provider not in steady]
    shown = [*bill.services, *differing[:_SHOWN_DAYS]]
    said = f"effective less what the logs imply; within {share(bill.tolerance)} is agreed"
    more = (f"{len(differing) - _SHOWN_DAYS} more days differ",) if len(differing) > _SHOWN_DAYS else ()
    rows = tuple(Row(_difference_cells(one)) for one in shown)
    caption = (said, *more, *(_steady_words(one) for one in bill.services if one.steady is not None and not one.is_within))
    sections: list[Section] = [Table(columns, rows, title="beside the bill", caption=caption, name="bill")]
    if bill.apart:
        sections.append(_apart_table(bill))
    return sections


def _steady_words(one: Difference) -> str:
    assert one.steady is not None
    kind = "discount" if one.steady < 0 else "surcharge"
    billed = share(1 + one.steady)
    return f"{one.provider} is billed at {billed} of what the logs imply on every one of its days: a {kind} the book does not have?"


def _difference_cells(one: Difference) -> tuple[Cell, ...]:
    return (
        text(one.provider),
        text(" + ".join(one.services)),
        text(None if one.day is None else one.day.isoformat()),
        count(one.days),
        usd(one.logs_usd),
        usd(one.billed_usd),
        usd(one.effective_usd),
        usd_signed(one.usd),
        ratio(one.ratio),
        count(one.unpriced_requests or None),
        mark("agrees", "good") if one.is_within else mark("differs", "bad"),
    )


def _apart_table(bill: Reconciliation) -> Table:
    columns = (
        Column("what", "apart from it"),
        Column("service", "service"),
        Column("billed_usd", "billed", "usd"),
        Column("effective_usd", "effective", "usd"),
        Column("logs_usd", "logs imply", "usd"),
    )
    rows = (Row((text(one.what), text(one.service), usd(one.billed_usd), usd(one.effective_usd), usd(one.logs_usd))) for one in bill.apart)
    return Table(columns, tuple(rows), title="no use of these days, or on one side only", name="bill_apart")


# The document ---------------------------------------------------------------------------------------------------------


def _document(found: Spending) -> Mapping[str, Json]:
    files = [file_document(file) for file in found.profile.files]
    head = envelope("spend", found.version, files=files, notes=_all_notes(found), seed=found.seed)
    total = found.ledger.total
    return {
        **head,
        "lines": lines_document(found.profile.lines),
        "sampling": found.profile.sampling,
        "by": list(found.by),
        "total": _spent_document(total),
        "groups": _groups_document(found.ledger, GROUPS),
        "groups_by": _groups_document(found.ledger, found.by),
        "days": _groups_document(found.ledger, ("day", "placement")),
        "unpriced": [
            {
                "provider": provider,
                "model": model,
                "reason": reason,
                "requests": told.amounts.requests,
                "tokens": _tokens_or_none(told),
                "is_unpriced": bool(told.unpriced_requests),
            }
            for (provider, model, reason), told in found.ledger.unpriced.items()
        ],
        "edge_share": {
            "spend": found.edge.spend,
            "spend_high": found.edge.spend_high,
            "tokens": found.edge.tokens,
            "requests": found.edge.requests,
            "price_ratio": found.edge.price_ratio,
        },
        "projection_usd": _projection_document(found),
        "jumps": [
            {"day": jump.day.isoformat(), "before_usd": jump.before_usd, "after_usd": jump.after_usd, "ratio": jump.ratio, "p": jump.p}
            for jump in found.jumps
        ],
        "limits": {
            "budget_usd_month": found.limits.budget_usd_month,
            "edge_share": found.limits.edge_share,
            "growth": found.limits.growth,
        },
        "checks": [{"workload": finding.workload, **finding_document(finding)} for finding in found.findings],
        "gate": found.gate,
        "bill": None if found.reconciliation is None else _bill_document(found.reconciliation),
    }


def _spent_document(told: Spent) -> dict[str, Json]:
    return {
        "requests": told.amounts.requests,
        "cost_usd": told.usd,
        "tokens": told.tokens,
        **{name: told.told(name) for name in _TOKENS},
        "unpriced_requests": told.unpriced_requests,
        "unpriced_tokens": told.unpriced_tokens,
        "failed_without_use": told.failed_requests,
    }


def _groups_document(ledger: Ledger, dimensions: Sequence[str]) -> list[Json]:
    return [
        {**{name: _plain(part) for name, part in zip(dimensions, key, strict=True)}, **_spent_document(told)}
        for key, told in ledger.by(dimensions).items()
    ]


def _plain(part: object) -> str | None:
    return None if part is None else part.isoformat() if isinstance(part, date) else str(part)


def _projection_document(found: Spending) -> Json:
    ends = found.projection
    if ends is None:
        return None
    trend = ends.trend
    return {
        "month": ends.likely_usd,
        "low": ends.low_usd,
        "high": ends.high_usd,
        "of": ends.month,
        "seen": ends.seen_usd,
        "days_used": ends.days_used,
        "days_left": ends.days_left,
        "unseen_before": ends.unseen_before,
        "weekdays": None if ends.weekdays is None else list(ends.weekdays),
        "trend_usd_per_day": None if trend is None else {"likely": trend.usd_per_day, "low": trend.low, "high": trend.high},
        "basis": "modelled",
    }


def _bill_document(bill: Reconciliation) -> Json:
    return {
        "is_within": bill.is_within,
        "tolerance": bill.tolerance,
        "services": [_difference_document(one) for one in bill.services],
        "days": [_difference_document(one) for one in bill.days],
        "apart": [
            {
                "what": one.what,
                "service": one.service,
                "billed_usd": one.billed_usd,
                "effective_usd": one.effective_usd,
                "logs_usd": one.logs_usd,
            }
            for one in bill.apart
        ],
    }


def _difference_document(one: Difference) -> Json:
    return {
        "provider": one.provider,
        "services": list(one.services),
        "day": None if one.day is None else one.day.isoformat(),
        "days": one.days,
        "logs_usd": one.logs_usd,
        "billed_usd": one.billed_usd,
        "effective_usd": one.effective_usd,
        "difference_usd": one.usd,
        "difference": one.ratio,
        "steady": one.steady,
        "unpriced_requests": one.unpriced_requests,
        "is_within": one.is_within,
    }
