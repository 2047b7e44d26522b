"""Offers of the price book that could serve a workload: the same model at the edge and in the cloud, and other models at the edge.

Each comes with why it is named and with what 1,000 requests like the log's cost there, so that a reader can choose. A model is the same
where its family is (``option.family``): vendor, precision and serving variants do not make another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from edgeroi.cost import Load, cost_lines, total
from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.option import EDGE, family
from edgeroi.prices import Price
from edgeroi.workload import Tally

#: Not per request: an allowance may be used up, and fees are paid anyway.
_NOT_PER_REQUEST = ("allowance", "fixed", "operations", "commitment")
#: Models for one purpose: no stand-in for one of another kind.
_KINDS = ("guard", "rerank", "whisper", "translat", "m2m", "coder", "vision", "tts", "classif")
#: What an embedding model's name says of it; classifiers charge for input alone too.
_EMBEDS = ("embed", "bge", "e5-", "gte-", "minilm")
#: How many alternatives of a kind are named.
MOST = 2


@dataclass(frozen=True, slots=True)
class Match:
    """An offer, whether it serves the same model, and what 1,000 requests like these cost there (``None``: not known)."""

    reference: str
    same_model: bool
    usd_1k: float | None

    def why(self, now_usd_1k: float | None) -> str:
        """Why it is named, beside what runs now."""
        cost = "" if self.usd_1k is None else f", ${self.usd_1k:.3g} per 1,000 requests like these"
        beside = f" (now ${now_usd_1k:.3g})" if cost and now_usd_1k is not None else ""
        model = "the same model" if self.same_model else "another model, so judge its answers first"
        return f"{model}{cost}{beside}"


def usd_1k(price: Price, tally: Tally) -> float | None:
    """What 1,000 requests with the mean tokens of these cost; ``None`` where the price or the tokens are not known."""
    asked, given = (_mean(tally, column) for column in ("input_tokens", "output_tokens"))
    if asked is None:
        return None
    load = Load(Decimal(1000), asked, given)
    try:
        return float(total(line for line in cost_lines(price, load) if line.kind not in _NOT_PER_REQUEST))
    except (EdgeroiError, NoAnswer):
        return None


def _mean(tally: Tally, column: str) -> Decimal | None:
    told = tally.sums.get(column)
    return Decimal(str(tally.total(column))) / told.n if told is not None and told.n else None


def same_model(model: str, tally: Tally, at: date) -> tuple[tuple[Match, ...], tuple[Match, ...]]:
    """The offers of one model at the edge, and those elsewhere, the cheapest first."""
    from edgeroi.pricebooks import load_models

    name = family(model)
    rows = list(_in_force(load_models(lambda other: family(other) == name), at))
    found = [(row, Match(row.reference, True, usd_1k(row, tally))) for row in rows]
    return tuple(_cheapest(m for row, m in found if row.placement in EDGE)), tuple(
        _cheapest(m for row, m in found if row.placement not in EDGE)
    )


def others_at_edge(model: str | None, tally: Tally, at: date) -> tuple[Match, ...]:
    """Other models at the edge that do the same kind of thing: answer in tokens, or embed; the cheapest first."""
    from edgeroi.pricebooks import catalogue, load

    edges = [name for name, provider in catalogue.providers().items() if provider.placement in EDGE]
    book = load(tuple(f"{name}/any" for name in edges))
    generates = bool(tally.total("output_tokens"))
    kinds = {word for word in _KINDS if model and word in model.casefold()}
    same = family(model) if model else None
    fitting = (
        row
        for row in _in_force(book, at)
        if row.placement in EDGE
        and family(row.model) != same
        and ("output" in dict(row.rates) if generates else any(word in row.model.casefold() for word in _EMBEDS))
        and {word for word in _KINDS if word in row.model.casefold()} == kinds
    )
    return tuple(_cheapest(Match(row.reference, False, usd_1k(row, tally)) for row in fitting))


def nearest_in_cost(found: Iterable[Match], now_usd_1k: float | None) -> tuple[Match, ...]:
    """The dearest of those that cost no more than what runs now: nearest to it in size too; else the one cheapest of all."""
    priced = [match for match in found if match.usd_1k is not None]
    within = [match for match in priced if now_usd_1k is not None and (match.usd_1k or 0.0) <= now_usd_1k]
    return tuple(reversed(within[-MOST:])) or tuple(priced[:1])


def _in_force(book: Iterable[Price], at: date) -> Iterator[Price]:
    """The plain rows that charge for tokens and can be had on a day."""
    for row in book:
        if not row.context and row.charges_tokens and row.applies_on(at) and row.is_served(at):
            yield row


def _cheapest(found: Iterable[Match]) -> list[Match]:
    return sorted(found, key=lambda match: (match.usd_1k is None, match.usd_1k or 0.0, match.reference))
