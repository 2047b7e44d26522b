"""Prices we keep ourselves, and price files of the user's: YAML rows, each with value, unit, source, day and confidence.

A file holds ``sources`` (named once, referred to with ``from:``) and ``offers``. History is appended with ``valid_from``, never
edited: a second row about the same model, context and day is an error, and so is an unknown key or a source nobody named.
``as_of: 2026-10`` is read as the first day of that month, the cautious reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.pricebooks._entries import day, items, number, one_of, table, text, texts
from edgeroi.prices import Allowance, Bracket, Confidence, Fee, Neurons, Price, Rate, Status, Threshold, context_of
from edgeroi.yamltree import Listing, Node, Scalar, Table, parse_tree, read_tree

_DATA = files("edgeroi.pricebooks") / "data"

#: Fields of a price that hold a rate, and the unit a rate there has unless it says another.
_RATE_UNITS: Mapping[str, str] = {
    "input": "Mtok",
    "cached": "Mtok",
    "cache_write": "Mtok",
    "output": "Mtok",
    "request": "request",
    "cpu_ms": "1M CPU ms",
    "gb_second": "GB-s",
    "server_hour": "server-hour",
    "egress_gb": "GB",
    "one_off": "once",
}
_OFFER_KEYS = (
    "model", "provider", "names", "context", *_RATE_UNITS, "neurons", "tokens_per_s", "fees", "placement",
    "as_of", "confidence", "status", "retired_on", "valid_from", "valid_to", "from", "note",
)  # fmt: skip
_RATE_KEYS = ("usd", "unit", "from", "source", "as_of", "confidence", "free", "brackets", "above")
_SOURCE_KEYS = ("source", "as_of", "confidence")


@dataclass(frozen=True, slots=True)
class Provider:
    """Who sells: other names for them, where they serve, and whether the catalogue alone knows them."""

    name: str
    names: tuple[str, ...] = ()
    placement: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Origin:
    source: str = "stated"
    as_of: date | None = None
    confidence: Confidence = "high"


@cache
def providers() -> Mapping[str, Provider]:
    """Every provider the catalogue speaks of, by name."""
    tree = table(table(_shipped("providers"), "the file")["providers"], "providers")
    return {name: _provider(name, table(node, name, ("names", "placement", "alone"))) for name, node in tree.items()}


def own_name(name: str) -> str:
    """A provider's name here, whichever of its names is used; an unknown one stays as it is."""
    known = providers()
    return name if name in known else next((own for own, each in known.items() if name in each.names), name)


def serves_at_edge(provider: str) -> bool | None:
    """Whether a provider, by any of its names, serves at the edge; ``None`` where that is not known."""
    known = providers().get(own_name(provider))
    return None if known is None or known.placement is None else known.placement == "edge"


def _provider(name: str, entry: Mapping[str, Node]) -> Provider:
    placement = text(entry["placement"]) if "placement" in entry else None
    alone = "alone" in entry and text(entry["alone"]) == "true"
    return Provider(name, texts(entry.get("names")), placement, alone)


@cache
def rows(provider: str) -> tuple[tuple[Price, ...], Rate | None]:
    """The shipped rows of a provider, and the rate of its neurons where it bills in them."""
    if not (_DATA / f"{provider}.yaml").is_file():
        return (), None
    return _offers(_shipped(provider), provider)


def read(file: Path | str) -> tuple[Price, ...]:
    """The rows of a price file of the user's; each offer names its ``provider``. Errors carry file, line and column."""
    found, _ = _offers(read_tree(file), None)
    return found


@dataclass(frozen=True, slots=True)
class PriceFile:
    """A price file looked over: its sound rows with their places, every mistake in the others, and sources that no row refers to."""

    rows: tuple[tuple[Price, Place], ...]
    mistakes: tuple[EdgeroiError, ...] = ()
    unused_sources: tuple[Scalar, ...] = ()


def looked_over(file: Path | str) -> PriceFile:
    """The file as ``read`` reads it, without stopping at the first offer that is wrong. Raises where nothing of it can be read."""
    tree = read_tree(file)
    origins, rate, nodes = _parts(tree)
    rows: list[tuple[Price, Place]] = []
    mistakes: list[EdgeroiError] = []
    for node in nodes:
        try:
            rows.append((_offer(node, None, rate, origins), node.place))
        except EdgeroiError as error:
            mistakes.append(error)
    sound = {place for _, place in rows}
    try:
        _refuse_twins(tuple(row for row, _ in rows), tuple(node for node in nodes if node.place in sound))
    except EdgeroiError as error:
        mistakes.append(error)
    referred = set(_referred(tree))
    sources = tree.get("sources") if isinstance(tree, Table) else None
    unused = (key for key, _ in sources.entries if key.text not in referred) if isinstance(sources, Table) else ()
    return PriceFile(tuple(rows), tuple(mistakes), tuple(unused))


def _referred(node: Node) -> Iterator[str]:
    """The names of sources that stand behind a ``from`` anywhere."""
    if isinstance(node, Table):
        for key, value in node.entries:
            if key.text == "from" and isinstance(value, Scalar):
                yield value.text
            yield from _referred(value)
    elif isinstance(node, Listing):
        for item in node.items:
            yield from _referred(item)


def _shipped(name: str) -> Node:
    return parse_tree((_DATA / f"{name}.yaml").read_text(encoding="utf-8"), f"pricebooks/data/{name}.yaml")


def _offers(tree: Node, provider: str | None) -> tuple[tuple[Price, ...], Rate | None]:
    origins, rate, nodes = _parts(tree)
    found = tuple(_offer(node, provider, rate, origins) for node in nodes)
    _refuse_twins(found, nodes)
    return found, rate


def _parts(tree: Node) -> tuple[Mapping[str, _Origin], Rate | None, tuple[Node, ...]]:
    """The named sources, the rate of neurons where there is one, and the offers as they stand."""
    top = table(tree, "a price file", ("sources", "neurons", "offers"))
    origins = {name: _origin(node) for name, node in table(top["sources"], "sources").items()} if "sources" in top else {}
    billed = table(top["neurons"], "neurons", ("rate",)) if "neurons" in top else None
    rate = _rate(billed["rate"], "1k neurons", origins) if billed else None
    if "offers" not in top:
        raise EdgeroiError("a price file has offers", place=tree.place, key="offers", fix="write offers: [{model: ..., input: {usd: ...}}]")
    return origins, rate, items(top["offers"], "offers")


def _refuse_twins(found: tuple[Price, ...], nodes: tuple[Node, ...]) -> None:
    """Two rows that could answer one question would let their order decide what something costs."""
    seen: set[object] = set()
    for row, node in zip(found, nodes, strict=True):
        key = (row.provider, row.model.casefold(), row.context, row.valid_from, row.is_priced and not row.neurons)
        if key in seen:
            said = f"a second price of {row.reference} from the same day"
            raise EdgeroiError(said, place=node.place, fix="append a changed price with valid_from, and end the old row with valid_to")
        seen.add(key)


def _offer(node: Node, provider: str | None, neuron_rate: Rate | None, origins: Mapping[str, _Origin]) -> Price:
    entry = table(node, "an offer", _OFFER_KEYS)
    seller = text(entry["provider"]) if "provider" in entry else provider
    if "model" not in entry or seller is None:
        missing = "model" if "model" not in entry else "provider"
        raise EdgeroiError(f"an offer without a {missing}", place=node.place, fix=f"add {missing}: NAME")
    row = Price(
        provider=seller,
        model=text(entry["model"]),
        aliases=texts(entry.get("names")),
        context=context_of({key: text(value) for key, value in table(entry["context"], "context").items()}) if "context" in entry else (),
        tokens_per_s=number(entry["tokens_per_s"]) if "tokens_per_s" in entry else None,
        fees=tuple(_fee(fee, origins) for fee in items(entry["fees"], "fees")) if "fees" in entry else (),
        placement=text(entry["placement"]) if "placement" in entry else None,
        status=_status(entry),
        notes=(text(entry["note"]),) if "note" in entry else (),
        retired_on=_day_of(entry, "retired_on"),
        valid_from=_day_of(entry, "valid_from"),
        valid_to=_day_of(entry, "valid_to"),
        neurons=_neurons(entry, neuron_rate, origins),
    )
    return _with_origin(replace(row, **_rates(entry, origins)), entry, origins)


def _rates(entry: Mapping[str, Node], origins: Mapping[str, _Origin]) -> dict[str, Any]:
    return {name: _rate(entry[name], unit, origins) for name, unit in _RATE_UNITS.items() if name in entry}


def _day_of(entry: Mapping[str, Node], key: str) -> date | None:
    return day(entry[key]) if key in entry else None


def _status(entry: Mapping[str, Node]) -> Status:
    if "status" in entry:
        return cast(Status, one_of(entry["status"], get_args(Status)))
    return "retired" if "retired_on" in entry else "listed"


def _with_origin(row: Price, entry: Mapping[str, Node], origins: Mapping[str, _Origin]) -> Price:
    """Where the row comes from: what it says of itself, else what its first rate says."""
    first = row.rates[0][1] if row.rates else Rate(Decimal(0), "once", source="catalogue")
    origin = _named_origin(entry["from"], origins) if "from" in entry else _Origin(first.source, first.as_of, first.confidence)
    as_of = day(entry["as_of"]) if "as_of" in entry else origin.as_of
    sure = cast(Confidence, one_of(entry["confidence"], get_args(Confidence))) if "confidence" in entry else origin.confidence
    return replace(row, source=origin.source, as_of=as_of, confidence=sure)


def _neurons(entry: Mapping[str, Node], rate: Rate | None, origins: Mapping[str, _Origin]) -> Neurons | None:
    if "neurons" not in entry:
        return None
    if rate is None:
        raise EdgeroiError("neurons without a rate", place=entry["neurons"].place, fix="add neurons: {rate: {usd: ...}} to the file")
    parts = table(entry["neurons"], "neurons", ("input", "output"))
    origin = _named_origin(entry["from"], origins) if "from" in entry else _Origin()
    of_output = number(parts["output"]) if "output" in parts else None
    return Neurons(number(parts["input"]), of_output, rate, origin.source, origin.as_of)


def _fee(node: Node, origins: Mapping[str, _Origin]) -> Fee:
    entry = table(node, "a fee", ("item", "account", *_RATE_KEYS))
    account = text(entry["account"]) if "account" in entry else None
    return Fee(text(entry["item"]), _rate_of(entry, "month", origins, node), account)


def _rate(node: Node, unit: str, origins: Mapping[str, _Origin]) -> Rate:
    return _rate_of(table(node, "a rate", _RATE_KEYS), unit, origins, node)


def _rate_of(entry: Mapping[str, Node], unit: str, origins: Mapping[str, _Origin], node: Node) -> Rate:
    if "usd" not in entry:
        raise EdgeroiError("a rate without usd", place=node.place, fix="add usd: 0.10")
    origin = _named_origin(entry["from"], origins) if "from" in entry else _origin(node)
    brackets = tuple(Bracket(*_pair(step, "up_to")) for step in items(entry["brackets"], "brackets")) if "brackets" in entry else ()
    above = tuple(_threshold(step) for step in items(entry["above"], "above")) if "above" in entry else ()
    billed = text(entry["unit"]) if "unit" in entry else unit
    try:
        rate = Rate(
            number(entry["usd"]),
            billed,
            source=origin.source,
            as_of=origin.as_of,
            confidence=origin.confidence,
            brackets=brackets,
            above=above,
        )
    except EdgeroiError as error:  # of the unit or the amount, which know no place
        error.place = error.place or entry["unit" if billed != unit else "usd"].place
        raise
    return replace(rate, allowance=_allowance(entry["free"])) if "free" in entry else rate


def _allowance(node: Node) -> Allowance:
    entry = table(node, "free", ("amount", "every", "account"))
    every = one_of(entry["every"], ("day", "month"))
    return Allowance(number(entry["amount"]), "day" if every == "day" else "month", text(entry["account"]))


def _threshold(node: Node) -> Threshold:
    tokens, usd = _pair(node, "input_tokens")
    return Threshold(int(tokens), usd)


def _pair(node: Node, key: str) -> tuple[Decimal, Decimal]:
    entry = table(node, "a step", (key, "usd"))
    return number(entry[key]), number(entry["usd"])


# Origins --------------------------------------------------------------------------------------------------------------


def _origin(node: Node) -> _Origin:
    entry = table(node, "a source")
    source = text(entry["source"]) if "source" in entry else "stated"
    confidence = cast(Confidence, one_of(entry["confidence"], get_args(Confidence))) if "confidence" in entry else "high"
    return _Origin(source, _day_of(entry, "as_of"), confidence)


def _named_origin(node: Node, origins: Mapping[str, _Origin]) -> _Origin:
    name = text(node)
    if name not in origins:
        raise EdgeroiError(f"no source {name!r} is named", place=node.place, key="from", fix=did_you_mean(name, origins))
    return origins[name]


def every_row() -> Iterator[Price]:
    """All shipped rows; what the drift check walks."""
    return (row for provider in providers() for row in rows(provider)[0])
