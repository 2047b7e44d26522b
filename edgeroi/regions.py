"""The users' regions one by one: what the edge saves for each, and where a region nearer to them would do it for less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeroi.economics import Books
from edgeroi.words import dollars, milliseconds


@dataclass(frozen=True, slots=True)
class Nearer:
    """A region nearer to some users, and an offer of the same model there: an option's name, or a row of the book.

    ``usd_month``: what it costs more than the baseline for these users' share of the requests; ``edge_usd_month``: what the candidate does.
    """

    region: str
    offer: str
    saves_ms: float
    usd_month: float
    edge_usd_month: float
    wins: bool


@dataclass(frozen=True, slots=True)
class UserRegion:
    """The users of one region: their ``share`` of the requests, and the network time of one to the baseline and to the candidate, ms."""

    region: str
    share: float
    baseline_ms: float
    candidate_ms: float
    felt: bool | None = None
    nearer: Nearer | None = None

    @property
    def saves_ms(self) -> float:
        """What the candidate's place takes off the network."""
        return self.baseline_ms - self.candidate_ms


@dataclass(frozen=True, slots=True)
class Offer:
    """The same model in a region of its own choice: where it would stand for some users, and what the whole workload would cost there."""

    region: str
    name: str
    network_ms: float
    usd_month: float


def user_region(books: Books, region: str, share: float, baseline_ms: float, candidate_ms: float, offer: Offer | None) -> UserRegion:
    """One line: whether the saving is felt, and whether the nearer region beats the edge for these users.

    It does where it costs less than the edge and no felt saving is lost; where nobody feels (machines), where it costs less per ms saved.
    """
    saves = baseline_ms - candidate_ms
    felt = _felt(books, saves)
    if offer is None or offer.network_ms >= baseline_ms:
        return UserRegion(region, share, baseline_ms, candidate_ms, felt)
    gained = baseline_ms - offer.network_ms
    before, edge = float(books.baseline_cost.usd_month), float(books.candidate_cost.usd_month)
    more, edge_more = share * (offer.usd_month - before), share * (edge - before)
    if felt is None:
        wins = more < edge_more and more / gained < (edge_more / saves if saves > 0 else float("inf"))
    else:
        wins = more < edge_more and (not felt or bool(_felt(books, gained)))
    nearer = Nearer(offer.region, offer.name, gained, more, edge_more, wins)
    return UserRegion(region, share, baseline_ms, candidate_ms, felt, nearer)


def _felt(books: Books, saves_ms: float) -> bool | None:
    """Whether people feel a saving of that much in the baseline's p50, or in the path it is part of; ``None`` of machines."""
    stakes = books.stakes
    if stakes.felt is None or books.before is None:
        return None
    path = stakes.part_of.likely if stakes.part_of else books.before.quantile(0.5)
    return stakes.felt.felt(path, saves_ms)


def details_of(found: tuple[UserRegion, ...], candidate: str) -> Iterator[str]:
    """A line per region of users."""
    for each in found:
        felt = "" if each.felt is None else ", felt" if each.felt else ", not felt"
        saved = f"{candidate} saves {milliseconds(each.saves_ms)} of {milliseconds(each.baseline_ms)} ms of network{felt}"
        yield f"users in {each.region} ({each.share:.0%}): {saved}{_nearer_words(each.nearer, candidate)}"


def _nearer_words(nearer: Nearer | None, candidate: str) -> str:
    if nearer is None:
        return ""
    less = dollars(nearer.edge_usd_month - nearer.usd_month)
    saved = f"{nearer.offer} in {nearer.region} would save {milliseconds(nearer.saves_ms)}"
    if nearer.wins:
        return f"; {saved} for {less} a month less than {candidate}, if it is offered there: add a region there"
    return f"; {saved}"


def winning_words(found: tuple[UserRegion, ...]) -> str:
    """Where a region beats the edge, in one phrase; empty where nowhere."""
    won = [each for each in found if each.nearer and each.nearer.wins]
    if not won:
        return ""
    named = ", ".join(f"{each.nearer.region} ({each.share:.0%} of the users)" for each in won if each.nearer)
    return f"add a region in {named}: cheaper than the edge where it is offered"
