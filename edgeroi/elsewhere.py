"""What there is besides the two options of a case: other rows of the book, the users' regions, and signs of trouble in the log.

Together they say where a gain comes from and what would give it for less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from edgeroi.attribution import Attribution, StandIn, attribution_of, changes_both
from edgeroi.economics import Books
from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.gain import Gain
from edgeroi.option import EDGE, Leg, Option, Tariff, family
from edgeroi.prices import Price, PriceBook, Unpriced
from edgeroi.regions import Offer, UserRegion, user_region
from edgeroi.remedies import remedies_of
from edgeroi.spec import LogRef, OptionSpec, Scenario, WorkloadSpec
from edgeroi.symptoms import Symptom, cold_starts, cost_explosion, sessions, silent_failure, stale_model
from edgeroi.workload import OTHER, Group, Profile, Tally

if TYPE_CHECKING:
    from edgeroi.pricebooks.round_trips import RoundTrips


class Gathered(Protocol):
    """What is asked of a workload's gathering."""

    @property
    def scenario(self) -> Scenario:
        """The scenario it is of."""

    @property
    def spec(self) -> WorkloadSpec:
        """The workload as stated."""

    @property
    def log(self) -> LogRef | None:
        """The log of its whole traffic."""

    @property
    def profile(self) -> Callable[[LogRef], Profile]:
        """A log, read."""

    @property
    def by_session(self) -> Callable[[LogRef], Profile | None]:
        """A log, read by session; ``None`` where it may not be read again."""

    def filters(self, profile: Profile) -> Mapping[str, tuple[str, ...]]:
        """Which rows of the common log are the workload's."""

    def rows(self) -> Tally | None:
        """All of them."""

    def option_rows(self, option: OptionSpec) -> Tally | None:
        """The requests that were measured at an option."""

    def measured_at(self, option: OptionSpec) -> tuple[Group, ...]:
        """The same, group by group."""

    def leg(self, option: OptionSpec) -> Leg | None:
        """The users' part of the network to an option."""


def groups_where(profile: Profile, where: Mapping[str, tuple[str, ...]]) -> tuple[Group, ...]:
    """The groups whose columns hold one of the wanted values each."""
    return tuple(group for group in profile.groups if all(group.key[column] in values for column, values in where.items()))


@dataclass(frozen=True)
class Elsewhere:
    """One workload, its books, and where to look."""

    gathered: Gathered
    books: Books
    book_of_family: Callable[[str], PriceBook]
    trips: Callable[[], RoundTrips]
    at: date

    def cheapest_row(self, model: str, wanted: Callable[[Price], bool]) -> StandIn | None:
        """The cheapest row of the book that serves a model in one of the wanted places, and what this traffic would cost there."""
        book = self.book_of_family(family(model))
        found: list[StandIn] = []
        for row in book:
            if row.context or not row.charges_tokens or not wanted(row):
                continue
            try:
                price = book.find(row.reference, self.at)
                found.append(StandIn(row.reference, float(Tariff(price).cost(self.books.stakes.traffic, {}).usd_month)))
            except (EdgeroiError, NoAnswer):
                continue
        return min(found, key=lambda row: row.usd_month, default=None)

    # ---- where the gain comes from ----

    def gain(self, options: Mapping[str, Option], unknown: str | None) -> Gain:
        """What the book, the round trips and the log say beside the two options."""
        symptoms = tuple(self._symptoms(options))
        try:
            priced = not unknown and bool(self.books.candidate_cost.lines or self.books.baseline_cost.lines)
        except Unpriced:
            priced = False
        if not priced:
            return Gain(symptoms=symptoms)
        regions = self._regions()
        remedies = remedies_of(
            self.books, tuple(options.values()), regions=regions, proxy_rtt_ms=self._proxy_rtt_ms(), from_cache=self._from_cache()
        )
        return Gain(self._attribution(options), regions, remedies, symptoms, self._one_rtt())

    def _attribution(self, options: Mapping[str, Option]) -> Attribution | None:
        before, after = self.books.baseline, self.books.candidate
        if before.policy or after.policy or not changes_both(before, after):
            return None
        assert before.model is not None
        assert after.model is not None
        new_model = self.cheapest_row(after.model, lambda row: row.placement not in EDGE) if after.at_edge else None
        new_place = self.cheapest_row(before.model, lambda row: row.placement in EDGE) if after.at_edge else None
        return attribution_of(self.books, options, new_model, new_place)

    def _one_rtt(self) -> str | None:
        """The option for which one stated round trip stands for all users."""
        stated = (name for name in (self.books.candidate.name, self.books.baseline.name) if self.gathered.spec.options[name].rtt)
        return next(stated, None)

    def _regions(self) -> tuple[UserRegion, ...]:
        """A line per region of users; none where the round trips of an option are stated as one for all."""
        baseline, candidate = (self.gathered.spec.options[option.name] for option in (self.books.baseline, self.books.candidate))
        if not self.gathered.scenario.users_in or baseline.rtt or candidate.rtt or baseline.policy or candidate.policy:
            return ()
        before, after = self.gathered.leg(baseline), self.gathered.leg(candidate)
        if before is None or after is None or len(before.rtts) != len(self.gathered.scenario.users_in):
            return ()
        row = self.cheapest_row(self.books.baseline.model, lambda row: row.placement == "regional") if self.books.baseline.model else None
        lines = []
        for place, (user, part) in enumerate(self.gathered.scenario.users_in.items()):
            trips = before.round_trips.likely
            near = self.trips().between(user, user).likely * trips
            offer = Offer(self.trips().region(user), row.reference, near, row.usd_month) if row else None
            to_baseline = before.rtts[place][1].likely * trips
            to_candidate = 0.0 if self.books.candidate.best_case else _rtt_of(after, place) * after.round_trips.likely
            lines.append(user_region(self.books, user, part, to_baseline, to_candidate, offer))
        return tuple(lines)

    def _proxy_rtt_ms(self) -> float:
        """The round trip to a proxy near the users: to the edge as stated, else as the table knows it."""
        stated = next((spec.rtt for spec in self.gathered.spec.options.values() if spec.placement == "edge" and spec.rtt), None)
        return stated.likely if stated else self.trips().edge.likely

    def _from_cache(self) -> float | None:
        """The share of the log's answers that a response cache gave; ``None`` without a log."""
        if self.gathered.log is None:
            return None
        lines = self.gathered.profile(self.gathered.log).lines
        hits = lines.skipped.get("cache_hit", 0)
        return hits / (hits + lines.profiled) if hits else None

    def _symptoms(self, options: Mapping[str, Option]) -> Iterator[Symptom]:
        """The signs of trouble in the log."""
        candidate, baseline = (self.gathered.spec.options[option.name] for option in (self.books.candidate, self.books.baseline))
        model = self.books.candidate.model
        same = [name for name, option in options.items() if model and option.model and family(option.model) == family(model)]
        yield from stale_model({name: _versions(self.gathered.measured_at(self.gathered.spec.options[name])) for name in same})
        before, after = self.gathered.option_rows(baseline), self.gathered.option_rows(candidate)
        yield from cold_starts(candidate.name, after, candidate.cold_start.share.likely if candidate.cold_start else None)
        if before and after:
            yield from silent_failure(baseline.name, before, candidate.name, after)
        rows = self.gathered.rows()
        if rows and self.books.candidate.at_edge:
            yield from cost_explosion(rows.hours)
            if self.books.candidate.origin_calls is None:  # stated, be it as none, the question is answered
                yield from sessions(*self._sessions())

    def _sessions(self) -> tuple[int, int]:
        """Sessions of this workload with several requests, and at most how many there are; (0, 0) where that is not told.

        Where sessions are so many that the rare ones were folded, each folded request counts as a session: the share errs on the low side.
        """
        assert self.gathered.log is not None
        told = self.gathered.by_session(self.gathered.log)
        if told is None or "session_id" not in told.by:
            return 0, 0
        requests: dict[str, int] = {}
        for group in groups_where(told, self.gathered.filters(told)):
            session = group.key["session_id"]
            if session not in (None, OTHER):
                requests[str(session)] = requests.get(str(session), 0) + group.tally.requests
        folded = sum(group.tally.requests for group in told.groups if group.key["session_id"] == OTHER)
        return sum(count > 1 for count in requests.values()), len(requests) + folded


def _rtt_of(leg: Leg, place: int) -> float:
    """The round trip of the users at a place of the list; of all users where there is one for all."""
    return leg.rtts[place if len(leg.rtts) > 1 else 0][1].likely


def _versions(groups: Iterable[Group]) -> Mapping[str, int]:
    """Requests by the model's version, where it is told."""
    found: dict[str, int] = {}
    for group in groups:
        if version := group.key["model_version"]:
            found[version] = found.get(version, 0) + group.tally.requests
    return found
