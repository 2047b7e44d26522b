"""Where prices come from: one file per source, and the one book they make together.

``catalogue``: our own YAML rows, and price files of the user's. ``genai``: the ``genai-prices`` package, offline.
Where both speak of a model, the catalogue wins field by field: it holds what the package lacks (neurons, batch prices,
retirement, the day a price was last checked) and the package gives the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from edgeroi.prices import Neurons, Price, PriceBook, Rate, Reference

_TOKEN_RATES = ("input", "cached", "cache_write", "output")


def load(references: Iterable[str] | None = None, files: Iterable[Path | str] = ()) -> PriceBook:
    """The book that can answer these references, or all of them; rows of a user's own price ``files`` come before both sources.

    Only what is asked for is read: a provider that the catalogue knows alone costs no import of the package.
    """
    from edgeroi.pricebooks import catalogue

    known = catalogue.providers()
    own = [row for file in files for row in catalogue.read(file)]
    also = {name: provider.name for provider in known.values() for name in provider.names}
    asked = None if references is None else {_provider(ref, also) for ref in references}
    package: tuple[str, ...] = ()
    if asked is None or any(name not in known or not known[name].alone for name in asked):
        from edgeroi.pricebooks import genai

        package = genai.providers()
    everyone = tuple(sorted({*known, *package, *(row.provider for row in own)}))
    wanted = everyone if asked is None else tuple(name for name in everyone if name in asked)
    models = () if references is None else tuple(Reference.parse(ref).model for ref in references)
    return PriceBook({name: _rows(name, package, own, models) for name in wanted}, everyone, also)


def load_models(wanted: Callable[[str], bool]) -> PriceBook:
    """Every provider's rows of the wanted models only: a few, found without building the thousands of others."""
    from edgeroi.pricebooks import catalogue, genai

    package, known = genai.providers(), catalogue.providers()
    everyone = tuple(sorted({*known, *package}))
    found = {name: _rows(name, package, [], (), wanted) for name in everyone}
    also = {name: provider.name for provider in known.values() for name in provider.names}
    return PriceBook({name: tuple(row for row in rows if wanted(row.model)) for name, rows in found.items()}, everyone, also)


def _provider(reference: str, also: dict[str, str]) -> str:
    name = Reference.parse(reference).provider.casefold()
    return also.get(name, name)


def _rows(
    provider: str, package: tuple[str, ...], own: list[Price], models: tuple[str, ...], wanted: Callable[[str], bool] | None = None
) -> tuple[Price, ...]:
    from edgeroi.pricebooks import catalogue

    stated, rate = catalogue.rows(provider)
    listed: tuple[Price, ...] = ()
    if provider in package:
        from edgeroi.pricebooks import genai

        listed = genai.rows(provider, models, wanted)
    mine = tuple(row for row in own if row.provider == provider)
    place = catalogue.providers()[provider].placement if provider in catalogue.providers() else None
    rows = merged(mine, merged(stated, listed))
    return tuple(replace(_in_neurons(row, rate), placement=row.placement or place) for row in rows)


def merged(first: tuple[Price, ...], second: tuple[Price, ...]) -> tuple[Price, ...]:
    """The rows of both. A row of ``first`` about the same model, context and days wins, field by field.

    A row of ``first`` without a context that states no token price is about the model as such: it speaks for all its rows.
    """
    facts = tuple(row for row in first if not row.context and not _prices_use(row))
    priced = tuple(row for row in first if row not in facts)
    kept = [_told(row, facts) for row in second if not any(_same_offer(row, other) for other in priced)]
    over = [_told(row, facts) for row in priced]
    heard = {row.model for row in (*over, *kept)} | {alias for row in (*over, *kept) for alias in row.aliases}
    return (*over, *kept, *(row for row in facts if row.model not in heard))


def _prices_use(row: Price) -> bool:
    return any(rate for name, rate in row.rates if name != "neurons")


def _same_offer(row: Price, other: Price) -> bool:
    return other.answers(row.model) and row.context == other.context and (other.valid_from is None or row.valid_from == other.valid_from)


def _told(row: Price, facts: tuple[Price, ...]) -> Price:
    """The row with what is known about its model as such."""
    for fact in facts:
        if fact.answers(row.model):
            row = _checked(row if row.context else fact.over(replace(row, notes=())), row, fact)
    return row


def _checked(over: Price, row: Price, fact: Price) -> Price:
    """The day a fact was checked and its confidence go to every rate whose own source tells none; the source stays the rate's."""
    plain = not fact.neurons
    rates = {name: rate for name in _TOKEN_RATES if (rate := getattr(row, name)) is not None and plain}
    sure = fact.confidence if plain else row.confidence
    told = {name: replace(rate, as_of=fact.as_of, confidence=sure) for name, rate in rates.items() if rate.as_of is None}
    return replace(
        over,
        source=row.source if plain else fact.source,
        as_of=row.as_of or fact.as_of,
        status=row.status if fact.status == "listed" else fact.status,
        retired_on=fact.retired_on or row.retired_on,
        notes=(*fact.notes, *row.notes),
        **told,
    )


def _in_neurons(row: Price, rate: Rate | None) -> Price:
    """A model whose neurons nobody published is billed in neurons too: as many as its list price comes to."""
    if rate is None or row.neurons or row.input is None or row.context:
        return row

    def per_mtok(listed: Rate) -> Decimal:
        return listed.usd / rate.usd * 1000

    of_output, of_cached = (per_mtok(listed) if listed else None for listed in (row.output, row.cached))
    neurons = Neurons(per_mtok(row.input), of_output, rate, row.source, row.as_of, "modelled", of_cached)
    return replace(row, neurons=neurons).noting(f"neurons follow from the list price at {rate.usd} USD per {rate.unit}")
