"""Token prices of the ``genai-prices`` package, read offline: exact decimals, dated history, variants by context.

The package itself answers an unknown context with the standard price, prices retired models as if they were served, and lets a
prefix match what is no version of the model. So its data is turned into rows, one for each context and each stretch of days,
and the price book decides. It does not say when a price was last checked: such rows are undated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from edgeroi.prices import Context, Price, Rate, Threshold, context_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

#: The package's price keys that edgeroi charges for, our field, and the billing unit.
_KEYS: Mapping[str, tuple[str, str]] = {
    "input_mtok": ("input", "Mtok"),
    "cache_read_mtok": ("cached", "Mtok"),
    "cache_write_mtok": ("cache_write", "Mtok"),
    "output_mtok": ("output", "Mtok"),
    "requests_kcount": ("request", "1k requests"),
}
#: Charged keys that need no note: ours, and the dearer of two cache lifetimes.
_IGNORED = (*_KEYS, "cache_write_1h_mtok")
#: What may stand before and after a model's name and leave it the same model: a region; a date, a version or ``latest``.
_REGION = re.compile(r"(?:(?:us|eu|apac|au|jp|in|us-gov|global)\.)?")
_VERSION = re.compile(r"(?:[-@:](?:\d{8}|20\d\d-\d\d-\d\d|latest|v\d+(?::\d+)?|\d{3,4}))*")


@cache
def _by_id() -> Mapping[str, Provider]:
    from genai_prices.data import providers as known

    return {provider.id: provider for provider in known}


@cache
def _origin() -> str:
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def providers() -> tuple[str, ...]:
    """The providers the package lists."""
    return tuple(_by_id())


def rows(provider: str, models: tuple[str, ...] = (), wanted: Callable[[str], bool] | None = None) -> tuple[Price, ...]:
    """Every row of a provider, or of its ``wanted`` models.

    ``models`` are names that may be longer forms of a listed one and then become its aliases.
    """
    listed = _by_id()[provider]
    source = f"{_origin()}, {(listed.pricing_urls or ['no page given'])[0].removeprefix('https://')}"
    longer = {model: found.id for model in models if (found := match(listed, model)) and model.casefold() not in _names(found)}
    chosen = (model for model in listed.models if wanted is None or wanted(model.id))
    return tuple(row for model in chosen for row in _model_rows(listed.id, model, source, longer))


def match(provider: Provider, name: str) -> ModelInfo | None:
    """The model a name stands for: itself, a name listed for it, or either with a region before or a version after it."""
    exact = next((model for model in provider.models if name.casefold() in _names(model)), None)
    return exact or next((model for model in provider.models if _is_version(name, model)), None)


def _names(model: ModelInfo) -> set[str]:
    return {model.id.casefold(), *(text.casefold() for kind, text in _clauses(model.match) if kind == "equals")}


def _clauses(clause: Any) -> Iterator[tuple[str, str]]:
    """``(kind, text)`` of every leaf of the package's match logic."""
    for key, value in vars(clause).items():
        if isinstance(value, list):
            for part in value:
                yield from _clauses(part)
        else:
            yield key, value


def _is_version(name: str, model: ModelInfo) -> bool:
    if not model.is_match(name):
        return False
    stems = {model.id, *(text for kind, text in _clauses(model.match) if kind in ("starts_with", "contains", "equals"))}
    return any(_is_longer(name.casefold(), stem.casefold()) for stem in stems)


def _is_longer(name: str, stem: str) -> bool:
    before, found, after = name.partition(stem)
    return bool(found) and bool(_REGION.fullmatch(before)) and bool(_VERSION.fullmatch(after))


def _model_rows(provider: str, model: ModelInfo, source: str, longer: Mapping[str, str]) -> Iterator[Price]:
    aliases = tuple(sorted({text for kind, text in _clauses(model.match) if kind == "equals"} - {model.id}))
    aliases += tuple(name for name, of in longer.items() if of == model.id)
    for context, start, end, prices in _periods(model):
        yield Price(
            provider=provider,
            model=model.id,
            context=context,
            aliases=aliases,
            source=source,
            status="deprecated" if model.deprecated else "listed",
            valid_from=None if start == date.min else start,
            valid_to=end,
            notes=tuple(_notes(model, prices)),
            **_rates(prices, source),
        )


_Period = tuple[Context, date, date | None, Mapping[str, Any]]


def _periods(model: ModelInfo) -> Iterator[_Period]:
    """Each context with its prices and the first and last day they hold; a day on which nothing changed divides nothing."""
    open_now: dict[Context, _Period] = {}
    for start, end in _stretches(model):
        standard = _standard(model, start)
        for context, prices in ((), standard), *_variants(model, standard, start):
            before = open_now.get(context)
            same = before is not None and before[3] == prices and before[2] == start - timedelta(days=1)
            if before is not None and not same:
                yield before
            open_now[context] = (context, before[1] if before is not None and same else start, end, prices)
    yield from open_now.values()


def _stretches(model: ModelInfo) -> list[tuple[date, date | None]]:
    """The days between one change of any of the model's prices and the next, first and last day of each."""
    starts = sorted({date.min, *(day for constraint in _constraints(model) if (day := getattr(constraint, "start_date", None)))})
    ends = [following - timedelta(days=1) for following in starts[1:]]
    return list(zip(starts, [*ends, None], strict=True))


def _constraints(model: ModelInfo) -> Iterator[object]:
    dated = model.prices if isinstance(model.prices, list) else []
    yield from (price.constraint for price in dated)
    yield from (variant.constraint for variant in model.price_variants or ())


def _is_active(constraint: Any, day: date) -> bool:
    """Whether a price is in force all day; one for some hours of the day never is, and is noted instead."""
    return constraint is None or (hasattr(constraint, "start_date") and constraint.start_date <= day)


def _standard(model: ModelInfo, day: date) -> Mapping[str, Any]:
    if not isinstance(model.prices, list):
        return vars(model.prices)
    active = [price.prices for price in model.prices if _is_active(price.constraint, day)]
    return vars(active[-1] if active else model.prices[0].prices)


def _variants(model: ModelInfo, standard: Mapping[str, Any], day: date) -> Iterator[tuple[Context, Mapping[str, Any]]]:
    """Each context with prices of its own on that day; the first variant that names a price wins, the rest is standard."""
    contexts: dict[Context, dict[str, Any]] = {}
    for variant in model.price_variants or ():
        if _is_active(variant.constraint, day):
            own = contexts.setdefault(context_of(variant.when), {})
            own.update({key: value for key, value in vars(variant.prices).items() if value is not None and key not in own})
    return ((context, {**standard, **own}) for context, own in contexts.items())


def _rates(prices: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {name: _rate(prices[key], unit, source) for key, (name, unit) in _KEYS.items() if prices.get(key) is not None}


def _rate(price: Any, unit: str, source: str) -> Rate:
    if isinstance(price, Decimal):
        return Rate(price, unit, source=source)
    return Rate(price.base, unit, source=source, above=tuple(Threshold(tier.start, tier.price) for tier in price.tiers))


def _notes(model: ModelInfo, prices: Mapping[str, Any]) -> Iterator[str]:
    other = [key.rpartition("_")[0].replace("_", " ") for key, value in prices.items() if value is not None and key not in _IGNORED]
    if other:
        yield f"also charged for, and not counted here: {', '.join(other)}"
    for price in model.prices if isinstance(model.prices, list) else []:
        hours: Any = price.constraint
        if hasattr(hours, "start_time"):
            yield f"other prices from {hours.start_time:%H:%M} to {hours.end_time:%H:%M} UTC: {price.prices}"
