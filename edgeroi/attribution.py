"""Model or place: a candidate that changes both is split into what the model does and what the place does.

Each part is the mean of the two orders in which one can change after the other (Shapley's value of two players, 1953): neither order
is the right one, the mean of both treats the two alike, and the parts add up to the whole. Where only one order can be told, it is
that one, and said. What cannot be told is asked for: most often the same model in the cloud, which is the option to look at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgeroi.economics import Books
from edgeroi.latency import Latency
from edgeroi.option import Option, family
from edgeroi.prices import Unpriced
from edgeroi.words import dollars, milliseconds


@dataclass(frozen=True, slots=True)
class Parts:
    """A change and its two parts, which add up to it; ``orders``: how many of the two orders are known."""

    whole: float
    model: float
    place: float
    orders: int


def parts_of(before: float | None, after: float | None, new_model: float | None, new_place: float | None) -> Parts | None:
    """The parts of ``after`` - ``before``; ``new_model`` changes the model alone, ``new_place`` the place; ``None``: neither is known."""
    if before is None or after is None:
        return None
    models = [] if new_model is None else [new_model - before]
    models += [] if new_place is None else [after - new_place]
    if not models:
        return None
    model = sum(models) / len(models)
    return Parts(after - before, model, after - before - model, len(models))


@dataclass(frozen=True, slots=True)
class StandIn:
    """A row of the price book where no option is: its reference, and what the workload would cost there, USD a month."""

    reference: str
    usd_month: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """What of the change is the model's and what the place's. Latency parts are ms saved, ``usd_month`` USD more, ``quality`` more.

    ``new_model`` and ``new_place`` name the options in between; the stand-ins are the book's lines for them. ``asks``: what is missing.
    """

    saved_p50_ms: Parts | None
    saved_mean_ms: Parts | None
    saved_p99_ms: Parts | None
    usd_month: Parts | None
    quality: Parts | None
    new_model: str | None
    new_place: str | None
    new_model_row: StandIn | None
    new_place_row: StandIn | None
    asks: tuple[str, ...] = ()


def changes_both(baseline: Option, candidate: Option) -> bool:
    """Whether model and placement both change, as far as is known."""
    if baseline.model is None or candidate.model is None:
        return False
    return family(baseline.model) != family(candidate.model) and baseline.placement != candidate.placement


def attribution_of(
    books: Books, options: Mapping[str, Option], new_model_row: StandIn | None = None, new_place_row: StandIn | None = None
) -> Attribution | None:
    """The parts, from the options that are present; ``None`` where not both model and place change."""
    baseline, candidate = books.baseline, books.candidate
    if not changes_both(baseline, candidate):
        return None
    new_model = _option(options.values(), candidate, baseline.placement)
    new_place = _option(options.values(), baseline, candidate.placement)
    corners = (baseline, candidate, new_model, new_place)
    latencies = [books.latency_of(option) if option else None for option in corners]
    stand_ins = (None, None, new_model_row, new_place_row)
    costs = [_usd(books, option, row) for option, row in zip(corners, stand_ins, strict=True)]
    quality = [option.quality.likely if option and option.quality else None for option in corners]
    asks = () if new_model and latencies[2] else (_ask(candidate, baseline, new_model, new_model_row),)
    return Attribution(
        _parts_saved(latencies, 0.5),
        _parts_saved(latencies, None),
        _parts_saved(latencies, 0.99),
        parts_of(*costs),
        parts_of(*quality),
        new_model.name if new_model else None,
        new_place.name if new_place else None,
        None if new_model else new_model_row,
        None if new_place else new_place_row,
        asks,
    )


def _option(options: Iterable[Option], model_of: Option, placement: str) -> Option | None:
    """The option that serves the model of another at a placement."""
    wanted = family(model_of.model or "")
    return next((each for each in options if each.placement == placement and each.model and family(each.model) == wanted), None)


def _parts_saved(latencies: list[Latency | None], p: float | None) -> Parts | None:
    """The parts of a quantile of the judged latency (of its mean without ``p``), as ms saved."""
    values = [None if each is None else -(each.mean_ms if p is None else each.quantile(p)) for each in latencies]
    return parts_of(*values)


def _usd(books: Books, option: Option | None, row: StandIn | None) -> float | None:
    if option is None:
        return row.usd_month if row else None
    try:
        return float(books.cost_of(option).usd_month)
    except Unpriced:
        return row.usd_month if row else None


def _ask(candidate: Option, baseline: Option, there: Option | None, row: StandIn | None) -> str:
    """The option that would tell model from place."""
    if there:
        return f"measure {there.name}: it tells what the model does from what the place does"
    priced = f", {row.reference} at {dollars(row.usd_month)} a month" if row else ""
    model = family(candidate.model or "")
    return f"add {model} in the {baseline.placement} as an option{priced}: it tells what the model does from what the place does"


def words_of(found: Attribution) -> str:
    """``of 150 ms saved, 120 ms is the model's and 30 ms the place's``, or what to add to know it."""
    parts = found.saved_p50_ms
    if parts is None:
        return found.asks[0] if found.asks else ""
    verb = "saved" if parts.whole >= 0 else "added"
    sign = 1 if parts.whole >= 0 else -1
    whole, model, place = (milliseconds(sign * each) for each in (parts.whole, parts.model, parts.place))
    return f"of {whole} ms {verb}, {model} ms is the model's and {place} ms the place's"


def details_of(found: Attribution) -> Iterable[str]:
    """Every part that is known, a line each, and what is asked for."""
    if found.saved_p50_ms:
        yield words_of(found) + _order_words(found.saved_p50_ms)
    if found.usd_month:
        money = found.usd_month
        verb = "more" if money.whole >= 0 else "less"
        sign = 1 if money.whole >= 0 else -1
        model, place = (dollars(sign * each) for each in (money.model, money.place))
        yield f"of {dollars(sign * money.whole)} a month {verb}, {model} is the model's and {place} the place's{_order_words(money)}"
    if found.quality:
        parts = found.quality
        yield f"of {parts.whole:+.3g} quality, {parts.model:+.3g} is the model's and {parts.place:+.3g} the place's{_order_words(parts)}"
    for row, what in (
        (found.new_model_row, "the new model where the old one runs"),
        (found.new_place_row, "the old model at the new place"),
    ):
        if row:
            yield f"{what}: {row.reference}, {dollars(row.usd_month)} a month"
    yield from found.asks


def _order_words(parts: Parts) -> str:
    return "" if parts.orders == 2 else " (one order of the two is known)"
