"""Prices as tables and documents: what is listed, all about one offer, and what changed between two books or two days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from edgeroi.prices import Price, PriceBook, Rate, concerns, said_context
from edgeroi.report import Cell, Column, Json, Report, Row, Table, Text, envelope, mark, text

#: What a rate is for, as people say it.
_CHARGES: Mapping[str, str] = {
    "input": "input tokens",
    "cached": "cached input tokens",
    "cache_write": "cache-write tokens",
    "output": "output tokens",
    "request": "requests",
    "cpu_ms": "CPU time",
    "gb_second": "memory time",
    "server_hour": "server time",
    "egress_gb": "egress",
    "one_off": "one-off",
}
_TOKEN_COLUMNS = ("input", "cached", "output")


def matches(row: Price, pattern: str | None) -> bool:
    """Whether a reference contains the pattern, or matches it where it has wildcards; upper and lower case are one."""
    if pattern is None:
        return True
    wanted, said = pattern.casefold(), row.reference.casefold()
    return fnmatchcase(said, wanted) if any(sign in wanted for sign in "*?[") else wanted in said


def in_force(rows: Iterable[Price], at: date) -> tuple[Price, ...]:
    """One row per offer and context: the latest that applies on the day."""
    chosen: dict[tuple[str, object], Price] = {}
    for row in rows:
        key = (row.reference.casefold(), row.context)
        if row.applies_on(at) and (key not in chosen or (row.valid_from or date.min) > (chosen[key].valid_from or date.min)):
            chosen[key] = row
    return tuple(sorted(chosen.values(), key=lambda row: (row.reference, row.context)))


def status_on(row: Price, at: date) -> str:
    """``listed``, ``retired 2026-08-16``, ``to be retired 2027-01-01``, or ``deprecated, date unknown``."""
    if row.retired_on is not None:
        return f"retired {row.retired_on}" if row.retired_on <= at else f"to be retired {row.retired_on}"
    return "listed" if row.status == "listed" else f"{row.status}, date unknown"


def _status_cell(row: Price, at: date) -> Cell:
    said = status_on(row, at)
    return mark(said, "good" if said == "listed" else "doubt" if said.startswith("to be") else "bad")


def _amount(rate: Rate | None) -> Cell:
    return Cell(None if rate is None else rate.usd, "number")


def _others(row: Price) -> str:
    return "; ".join(_named_rate(name.replace("_", " "), rate) for name, rate in row.rates if name not in _TOKEN_COLUMNS)


def _named_rate(name: str, rate: Rate) -> str:
    """``1.25 USD/Mtok cache write``; a unit that names what is charged for needs no name beside it."""
    return _rate_text(rate) if name in rate.unit.replace("-", " ") else f"{_rate_text(rate)} {name}"


def _rate_text(rate: Rate) -> str:
    return f"{rate.usd:f} USD/{rate.unit}"


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


# list -----------------------------------------------------------------------------------------------------------------


def listing(rows: Iterable[Price], at: date, version: str) -> Report:
    """Every offer in force on the day, a row each; token prices in USD per million tokens."""
    chosen = in_force(rows, at)
    columns = (
        Column("reference", "offer"),
        Column("context", "context", rank=1),
        Column("input", "input", "number"),
        Column("cached", "cached", "number", rank=3),
        Column("output", "output", "number"),
        Column("other", "other rates", rank=2),
        Column("status", "status", "mark"),
        Column("as_of", "read on", rank=2),
        Column("source", "source", rank=4),
    )
    body = tuple(Row(tuple(_listed_cells(row, at))) for row in chosen)
    caption = ("Token prices in USD per million tokens; `edgeroi prices show REF` tells where each rate is from.",)
    table = Table(columns, body, title=f"prices on {at}", caption=caption, name="prices")
    return Report("prices", _document(chosen, at, version), (table,))


def _listed_cells(row: Price, at: date) -> Iterable[Cell]:
    yield text(row.reference)
    yield text(said_context(row.context), "quiet")
    yield from (_amount(getattr(row, name)) for name in _TOKEN_COLUMNS)
    yield text(_others(row) or None)
    yield _status_cell(row, at)
    yield text(_day(row.as_of))
    yield text(row.source, "quiet")


# show -----------------------------------------------------------------------------------------------------------------


def detail(price: Price, rows: Iterable[Price], at: date, version: str) -> Report:
    """All about one offer: each rate with its source, day, status, basis; its history and contexts; what to look at."""
    warned = concerns(price, at)
    sections = [_rates_table(price, at), _history_table(rows)]
    said = [*price.notes, *(concern.message for concern in warned)]
    document = _document((price,), at, version, notes=tuple(said))
    words = (Text(tuple(said), title="notes", tone="doubt"),) if said else ()
    return Report("prices", document, (*sections, *words))


def _rates_table(price: Price, at: date) -> Table:
    columns = (
        Column("charges", "charges for"),
        Column("usd", "USD", "number"),
        Column("unit", "per"),
        Column("terms", "terms", rank=1),
        Column("source", "source"),
        Column("as_of", "read on"),
        Column("status", "status", "mark"),
        Column("basis", "basis"),
        Column("confidence", "confidence", rank=2),
    )
    body = [_rate_row(name, rate, price, at) for name, rate in price.rates]
    title = f"{price.reference}, {said_context(price.context)}, on {at}"
    return Table(columns, (*body, *_neuron_rows(price, at)), title=title, name="rates")


def _rate_row(name: str, rate: Rate, price: Price, at: date) -> Row:
    terms = _terms(rate)
    if price.neurons and name in ("input", "cached", "output", "cache_write"):
        terms = "list price; neurons are what is billed"
    cells = (text(_CHARGES.get(name, name)), _amount(rate), text(rate.unit), text(terms or None), text(rate.source), text(_day(rate.as_of)))
    return Row((*cells, _status_cell(price, at), text(rate.basis), text(rate.confidence)))


def _terms(rate: Rate) -> str:
    free = rate.allowance
    said = [f"{rate.counted(free.amount)} a {free.every} free per {free.account} account"] if free else []
    said += [f"up to {step.up_to.normalize():f}: {step.usd:f}" for step in rate.brackets]
    said += [f"over {step.input_tokens:,} input tokens: {step.usd:f} for the whole request" for step in rate.above]
    return "; ".join(said)


def _neuron_rows(price: Price, at: date) -> Iterable[Row]:
    """What the neurons of the model come to, so that they can be held against the list price."""
    if price.neurons is None:
        return
    per_class = (("input", price.neurons.input_per_mtok), ("output", price.neurons.output_per_mtok))
    for name, per_mtok in per_class:
        if per_mtok is None:
            continue
        cells = (text(f"{_CHARGES[name]} in neurons"), Cell(price.neurons.usd_per_mtok(per_mtok), "number"), text("Mtok"))
        said = (text(f"{per_mtok:.6g} neurons/Mtok"), text(price.neurons.source), text(_day(price.neurons.as_of)))
        yield Row((*cells, *said, _status_cell(price, at), text(price.neurons.basis), text(price.confidence)))


def _history_table(rows: Iterable[Price]) -> Table:
    columns = (
        Column("context", "context"),
        Column("valid_from", "from"),
        Column("valid_to", "to"),
        Column("rates", "rates"),
        Column("source", "source", rank=1),
    )
    ordered = sorted(rows, key=lambda row: (row.context, row.valid_from or date.min))
    body = tuple(
        Row(
            (text(said_context(row.context)), text(_day(row.valid_from)), text(_day(row.valid_to)), text(_all_rates(row)), text(row.source))
        )
        for row in ordered
    )
    return Table(columns, body, title="every row of it", name="history")


def _all_rates(row: Price) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {_rate_text(rate)}" for name, rate in row.rates) or "none"


# diff -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was: a rate, the status, or the offer as a whole. An amount that is not there is ``None``."""

    reference: str
    context: str
    what: str
    old: str | None
    new: str | None
    ratio: Decimal | None = None


def changes(old: PriceBook, new: PriceBook, before: date, after: date) -> tuple[Change, ...]:
    """What differs between two books, each on its day; the same book twice tells what changed in between."""
    was = {(row.reference, row.context): row for row in in_force(old, before)}
    now = {(row.reference, row.context): row for row in in_force(new, after)}
    keys = sorted({*was, *now})
    return tuple(change for key in keys for change in _offer_changes(was.get(key), now.get(key), before, after))


def _offer_changes(was: Price | None, now: Price | None, before: date, after: date) -> Iterable[Change]:
    known = now or was
    assert known is not None
    name, context = known.reference, said_context(known.context)
    if was is None or now is None:
        yield Change(name, context, "offer", _all_rates(was) if was else None, _all_rates(now) if now else None)
        return
    if was.is_served(before) != now.is_served(after):
        yield Change(name, context, "status", status_on(was, before), status_on(now, after))
    old_rates, new_rates = dict(was.rates), dict(now.rates)
    for charged in dict.fromkeys([*old_rates, *new_rates]):
        yield from _rate_changes(name, context, charged, old_rates.get(charged), new_rates.get(charged))


def _rate_changes(name: str, context: str, charged: str, was: Rate | None, now: Rate | None) -> Iterable[Change]:
    def billed(rate: Rate | None) -> object:
        return rate and (rate.usd, rate.unit, rate.brackets, rate.above, rate.allowance)

    if billed(was) == billed(now):
        return
    ratio = now.usd / was.usd - 1 if was and now and was.usd and was.unit == now.unit else None
    said = [None if rate is None else "; ".join(part for part in (_rate_text(rate), _terms(rate)) if part) for rate in (was, now)]
    yield Change(name, context, _CHARGES.get(charged, charged), said[0], said[1], ratio)


def difference(found: tuple[Change, ...], old: str, new: str, version: str) -> Report:
    """The changes as a table; ``old`` and ``new`` name the two sides."""
    columns = (
        Column("reference", "offer"),
        Column("context", "context", rank=1),
        Column("what", "what"),
        Column("old", old),
        Column("new", new),
        Column("change", "change", "ratio"),
    )
    body = tuple(Row((text(c.reference), text(c.context), text(c.what), text(c.old), text(c.new), Cell(c.ratio, "ratio"))) for c in found)
    listed: list[Json] = [
        {"reference": c.reference, "context": c.context, "what": c.what, "old": c.old, "new": c.new, "change": c.ratio} for c in found
    ]
    document = {**envelope("prices", version, interval_level=None), "old": old, "new": new, "changes": listed}
    if not found:
        return Report("prices", document, (Text((f"nothing differs between {old} and {new}",)), Table(columns, (), name="changes")))
    return Report("prices", document, (Table(columns, body, title=f"{old} -> {new}", name="changes"),))


# The document ---------------------------------------------------------------------------------------------------------


def _document(rows: tuple[Price, ...], at: date, version: str, notes: tuple[str, ...] = ()) -> Mapping[str, Json]:
    head = envelope("prices", version, notes=notes, interval_level=None, prices_as_of=at.isoformat())
    return {**head, "prices": [_price_json(row, at) for row in rows]}


def _price_json(row: Price, at: date) -> Mapping[str, Json]:
    neurons = row.neurons
    return {
        "reference": row.reference,
        "provider": row.provider,
        "model": row.model,
        "context": dict(row.context),
        "placement": row.placement,
        "status": status_on(row, at),
        "retired_on": _day(row.retired_on),
        "valid_from": _day(row.valid_from),
        "valid_to": _day(row.valid_to),
        "as_of": _day(row.as_of),
        "source": row.source,
        "basis": row.basis,
        "confidence": row.confidence,
        "tokens_per_s": row.tokens_per_s,
        "rates": [_rate_json(name, rate) for name, rate in row.rates],
        "neurons_per_mtok": None
        if neurons is None
        else {"input": neurons.input_per_mtok, "output": neurons.output_per_mtok, "basis": neurons.basis},
        "notes": list(row.notes),
        "concerns": [{"rule": concern.rule, "message": concern.message} for concern in concerns(row, at)],
    }


def _rate_json(name: str, rate: Rate) -> Mapping[str, Json]:
    free = rate.allowance
    return {
        "charges": name,
        "usd": rate.usd,
        "unit": rate.unit,
        "source": rate.source,
        "as_of": _day(rate.as_of),
        "basis": rate.basis,
        "confidence": rate.confidence,
        "brackets": [{"up_to": step.up_to, "usd": step.usd} for step in rate.brackets],
        "above": [{"input_tokens": step.input_tokens, "usd": step.usd} for step in rate.above],
        "free": None if free is None else {"amount": free.amount, "every": free.every, "account": free.account},
    }
