"""A policy replayed over a log: who would have answered each request, how long it would have taken, what it costs, how good it is.

Where a request was asked of every option its course leads to (its own side, or the sides of a pair), that course is what those sides
took, row by row: nothing is assumed. A side that was never asked is taken from the option's own rows: from those of the same mix (tokens in
and out, and the same way through the policy) where there are at least ``LEAST`` of them, else from those with the same way, else from all;
there the algebra of ``edgeroi.policy`` says what two options come to, with slow requests of both independent unless the policy states it.
How many requests each way was taken for is in the outcome. What no row and no statement tells stays unknown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgeroi.asked import Asked, numbers_of
from edgeroi.errors import NoAnswer
from edgeroi.estimate import Estimate
from edgeroi.hybrid import raced
from edgeroi.latency import Latency
from edgeroi.policy import ROW_BY_ROW, Answers, Measure, cascade, split, stacked
from edgeroi.spec import Cascade, Fallback, Hedge, Policy, Route, Split
from edgeroi.stats import normal_quantile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

#: Rows of one mix that an option needs before they stand for a request it was not asked.
LEAST = 30
#: Where a side came from, the surest first.
SOURCES = ("asked", "same mix", "same way", "any request", "stated")
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")


@dataclass(frozen=True)
class Stated:
    """What is stated of an option that the log has no rows of; ``None`` where nothing is."""

    e2e: Latency | None = None
    ttft: Latency | None = None
    quality: float | None = None


@dataclass(frozen=True)
class Use:
    """What a request asks of one option, on average: calls and answers, and of a call its tokens and its USD; ``None`` is unknown."""

    calls: float
    answered: float
    tokens: Mapping[str, float | None] = field(default_factory=dict)
    usd: float | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What becomes of the ``n`` requests under a policy.

    ``uses``: by option. ``usd``: of a request, judges included. ``quality``: of the answers given. ``sources``: how many requests rest on
    which source, the weakest of their sides. ``unknown``: requests of which nothing can be said; then the rest is ``None`` too.
    """

    name: str
    n: int
    answers: Answers | None = None
    uses: Mapping[str, Use] = field(default_factory=dict)
    usd: float | None = None
    judge_usd: float = 0.0
    quality: Estimate | None = None
    sources: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    unpriced: int = 0
    unrated: int = 0
    why_unknown: str = ""

    def latency(self, measure: Measure = "e2e") -> Latency | None:
        """How long the answered requests take; ``None`` where that is not known, or nothing was answered: failures are no latency."""
        return self.answers.latency(measure) if self.answers and not self.answers.failed.all() else None

    @property
    def availability(self) -> float | None:
        """The share of requests that somebody answers."""
        return None if self.answers is None else 1 - self.answers.failure_ratio

    def share_of(self, options: Sequence[str]) -> float | None:
        """The share of requests that one of these options answers."""
        return None if self.answers is None else sum(use.answered for name, use in self.uses.items() if name in options)


@dataclass(eq=False)
class _Sums:
    """What courses come to, in sums over the ``n`` requests.

    ``uses``: by option how often each request of the log was drawn upon for it, by itself and for those that stand on it. ``points`` and
    ``rated``: the quality of answers and how many of them, by the request that tells it; what is stated apart.
    """

    n: int
    calls: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    answered: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    told: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    sums: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    uses: dict[str, Floats] = field(default_factory=dict)
    stated_points: float = 0.0
    stated: float = 0.0
    unrated: float = 0.0

    def __post_init__(self) -> None:
        """Nothing yet."""
        self.points, self.rated = np.zeros(self.n), np.zeros(self.n)

    def used(self, option: str, requests: Places, calls: Floats) -> None:
        """Calls that were taken to be as these requests'."""
        np.add.at(self.uses.setdefault(option, np.zeros(self.n)), requests, calls)

    def rate(self, requests: Places, answers: Floats, quality: Floats) -> None:
        """So many answers of a quality that these requests tell."""
        np.add.at(self.points, requests, answers * quality)
        np.add.at(self.rated, requests, answers)

    def quality(self) -> tuple[float, float, float] | None:
        """``(mean, its standard error, answers)``; ``None`` where an answer is not rated.

        One request that stands for many is one witness: what it tells is counted together before it is squared.
        """
        told = float(self.rated.sum())
        if told + self.stated <= 0 or self.unrated >= 0.5:
            return None
        witnesses, variance = int(np.count_nonzero(self.rated)), 0.0
        if witnesses == 1:
            variance = told**2 / 4  # the most that a quality varies by
        elif witnesses:
            apart = self.points - float(self.points.sum()) / told * self.rated
            variance = float(apart @ apart) * witnesses / (witnesses - 1)
        answers = told + self.stated
        return (float(self.points.sum()) + self.stated_points) / answers, math.sqrt(variance) / answers, answers

    def worth(self) -> int | None:
        """As many requests as those drawn upon are worth at least, option by option, as of ``latency.mixture``; ``None`` of none."""
        told = [float(drawn.sum()) * self.n / float(drawn @ drawn) for drawn in self.uses.values() if drawn.any()]
        return int(min(told) + 1e-9) if told else None

    def called(self, option: str, calls: float, means: Mapping[str, tuple[float, float]]) -> None:
        """So many calls of an option; ``means``: of each measure the share of calls that tell it, and its mean over those."""
        self.calls[option] += calls
        for measure, (share, mean) in means.items():
            self.told[option, measure] += calls * share
            self.sums[option, measure] += calls * share * mean if share else 0.0

    def mean(self, option: str, measure: str) -> float | None:
        """The mean of a measure over the calls that tell it."""
        told = self.told[option, measure]
        return self.sums[option, measure] / told if told else None


class Replay:
    """Replays policies over the requests of a log.

    ``policies``: every option of the policy file, with ``None`` for those that serve requests themselves. ``usd`` (rows,): what each row
    costs at the option that served it, NaN where unknown. ``stated``: of options the log has no rows of.
    """

    def __init__(self, asked: Asked, policies: Mapping[str, Policy | None], usd: Floats, stated: Mapping[str, Stated]) -> None:
        self.asked, self.policies, self.stated = asked, policies, stated
        batch = asked.batch
        self.usd, self.failed = usd, batch.failed
        self.quality = np.where(batch.failed, np.nan, numbers_of(batch, "quality"))
        self.confidence = numbers_of(batch, "confidence")
        self.tokens = {name: numbers_of(batch, name) for name in TOKENS}
        self.e2e = self._durations("latency_ms")
        ttft = numbers_of(batch, "ttft_ms")
        self.ttft = np.where(batch.failed & np.isnan(ttft), self.e2e, ttft)
        self._sent: dict[str, Places] = {}
        self._found: dict[tuple[object, ...], tuple[Places, str]] = {}

    def _durations(self, column: str) -> Floats:
        """A failure of unknown duration takes as long as the median answer of its option."""
        ms = numbers_of(self.asked.batch, column).copy()
        for option in self.asked.options:
            rows = self.asked.row_of(option)
            rows = rows[rows >= 0]
            answered = ms[rows[~self.failed[rows]]]
            lost = rows[self.failed[rows] & np.isnan(ms[rows])]
            ms[lost] = np.median(answered) if answered.size else 0.0
        return ms

    # ---- the whole ----

    def outcome(self, name: str) -> Outcome:
        """What becomes of every request under one option or policy."""
        n = self.asked.n
        requests = np.arange(n)
        known = self._known(name, requests)
        sums, pieces, sources = _Sums(n), list[tuple[float, Answers]](), Counter[str]()
        unknown, why = 0, ""
        if known.any():
            exact = requests[known]
            try:
                places, answers = self._row_by_row(name, exact)
            except NoAnswer as missing:
                return Outcome(name, n, unknown=n, why_unknown=missing.message)
            sources["asked"] = exact.size
            self._count_exactly(exact, places, answers, sums)
            whole = replace(answers, weights=answers.weights / exact.size, n=exact.size, basis="measured")
            pieces.append((exact.size / n, whole))
        for group in self._groups(name, requests[~known]):
            try:
                found, source = self._by_mix(name, group, sums)
            except NoAnswer as missing:
                unknown, why = unknown + group.size, missing.message
                continue
            sources[source] += group.size
            pieces.append((group.size / n, found))
        told = {source: sources[source] for source in SOURCES if sources[source]}
        if unknown or not n:
            return Outcome(name, n, sources=told, unknown=unknown, why_unknown=why)
        answers = split(_scaled(pieces))
        worth = [count for count in (answers.n, sums.worth()) if count is not None]
        return self._outcome(name, replace(answers, n=min(worth, default=None)), sums, told)

    def today(self) -> Outcome:
        """What the log says ran: every row of an option as it was answered; both sides of a pair were asked, paid and are counted."""
        rows = [column[column >= 0] for column in self.asked.rows.T]
        if not self.asked.n:
            return Outcome("today", 0)
        sums, pieces = _Sums(self.asked.n), list[Answers]()
        ran = sum(each.size for each in rows)
        for option, each in zip(self.asked.options, rows, strict=True):
            if not each.size:
                continue
            self._count_calls(option, each, np.ones(each.size), sums)
            # Of the requests that ran: of a pair both answers were given, and each counts.
            good = each[~self.failed[each]]
            sums.answered[option] += good.size * self.asked.n / ran
            quality = self._quality_of(option, good)
            known = quality[~np.isnan(quality)]
            sums.unrated += good.size - known.size
            sums.rate(self.asked.request_of_row[good[~np.isnan(quality)]], np.ones(known.size), known)
            pieces.append(self._answers(option, each, np.full(each.size, 1 / ran)))
        answers = replace(stacked(pieces), n=ran, basis="measured")
        return self._outcome("today", answers, sums, {})

    def _outcome(self, name: str, answers: Answers, sums: _Sums, sources: Mapping[str, int]) -> Outcome:
        n = self.asked.n
        uses = {
            option: Use(
                sums.calls[option] / n,
                sums.answered[option] / n,
                {column: sums.mean(option, column) for column in TOKENS},
                sums.mean(option, "usd"),
            )
            for option in sums.calls
        }
        judged = sum((usd * answers.calls_of(slot) for slot, usd in self._judges(name)), 0.0) if name in self.policies else 0.0
        priced = all(use.usd is not None or not use.calls for use in uses.values())
        usd = sum(use.calls * use.usd for use in uses.values() if use.usd is not None) + judged if priced else None
        unpriced = sum(sums.calls[option] - sums.told[option, "usd"] for option in sums.calls)
        quality = None
        if found := sums.quality():
            mean, error, rated = found
            half = normal_quantile(0.975) * error
            quality = Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), round(rated), answers.basis)
        return Outcome(name, n, answers, uses, usd, judged, quality, sources, unpriced=round(unpriced), unrated=round(sums.unrated))

    def _judges(self, name: str) -> Iterator[tuple[str, float]]:
        policy = self.policies[name]
        if isinstance(policy, Cascade) and policy.judge:
            yield f"{name}: judge", policy.judge.likely
        for part in dict.fromkeys(policy.parts if policy else ()):
            yield from self._judges(part)

    # ---- row by row: every side that is needed was asked ----

    def _known(self, name: str, requests: Places) -> Flags:
        """Of which requests every side is known that their course may lead to."""
        policy = self.policies[name]
        if policy is None:
            return self.asked.row_of(name)[requests] >= 0 if name in self.asked.options else np.zeros(requests.size, np.bool_)
        if isinstance(policy, Route):
            found, sent = np.zeros(requests.size, np.bool_), self._sent_by(name)[requests]
            for number, part in enumerate(policy.parts):
                found[sent == number] = self._known(part, requests[sent == number])
            return found
        if isinstance(policy, Cascade) and policy.kept_quality is not None:
            return np.zeros(requests.size, np.bool_)  # which answers are the better ones that it keeps, no log tells
        sides = [self._known(part, requests) for part in policy.parts]
        if isinstance(policy, Cascade) and policy.confidence is not None:
            sides.append(~np.isnan(self._confidence_at(policy.first, requests)))
        return np.asarray(np.logical_and.reduce(sides))

    def _sent_by(self, name: str) -> Places:
        policy = self.policies[name]
        assert isinstance(policy, Route)
        if name not in self._sent:
            self._sent[name] = self.asked.sent_to(policy)
        return self._sent[name]

    def _row_by_row(self, name: str, requests: Places) -> tuple[Places, Answers]:
        """``(place in requests of each course, the courses)``; the weights of a request's courses sum to 1."""
        policy = self.policies[name]
        if policy is None:
            return np.arange(requests.size), self._answers(name, self.asked.row_of(name)[requests], np.ones(requests.size))
        if isinstance(policy, Route):
            sent = self._sent_by(name)[requests]
            pieces = [(np.flatnonzero(sent == number), part, 1.0) for number, part in enumerate(policy.parts)]
        elif isinstance(policy, Split):
            pieces = [(np.arange(requests.size), part, share) for part, share in zip(policy.parts, policy.at({}), strict=True)]
        else:
            return self._two_by_two(name, policy, requests)
        found = [(among, share, self._row_by_row(part, requests[among])) for among, part, share in pieces if among.size and share]
        places = np.concatenate([among[inner] for among, _, (inner, _) in found])
        return places, stacked([replace(answers, weights=answers.weights * share) for _, share, (_, answers) in found])

    def _two_by_two(self, name: str, policy: Fallback | Hedge | Cascade, requests: Places) -> tuple[Places, Answers]:
        of_first, first = self._row_by_row(policy.first, requests)
        of_then, then = self._row_by_row(policy.then, requests[of_first])
        first = replace(first.at(of_then), weights=first.weights[of_then] * then.weights)
        places = of_first[of_then]
        if isinstance(policy, Cascade):
            return self._escalated(name, policy, requests, places, first, then)
        watch: Measure = policy.watch or "e2e"
        after = policy.after.likely if policy.after else None
        return places, raced(policy, first, then, after, watch, 0.0, ROW_BY_ROW)

    def _escalated(
        self, name: str, policy: Cascade, requests: Places, places: Places, first: Answers, then: Answers
    ) -> tuple[Places, Answers]:
        if policy.confidence is None:  # the judge doubts a share of the answers, whichever they are
            assert policy.escalated is not None
            every, share = np.ones(places.size, np.bool_), policy.escalated.likely
            ways = ((every, 0.0, 1 - share), (every, 1.0, share))
        else:
            doubted = self._confidence_at(policy.first, requests[places]) < policy.confidence
            ways = ((~doubted, 0.0, 1.0), (doubted, 1.0, 1.0))
        judge, takes = f"{name}: judge" if policy.judge else None, policy.judge_takes.likely if policy.judge_takes else 0.0
        pieces = []
        for among, goes_on, share in ways:
            if among.any() and share:
                one, two = first.at(among), then.at(among)
                found = cascade(one, one, two, goes_on, judge=judge, judge_ms=takes, pairs=ROW_BY_ROW)
                pieces.append((places[among], replace(found, weights=share * found.weights)))
        return np.concatenate([rows for rows, _ in pieces]), stacked([found for _, found in pieces])

    def _confidence_at(self, option: str, requests: Places) -> Floats:
        """How confident the answers of an option were; of a policy, what the request itself tells."""
        if self.policies[option] is None:
            rows = self.asked.row_of(option)[requests] if option in self.asked.options else np.full(requests.size, -1)
            return np.append(self.confidence, np.nan)[rows]
        return self.asked.number("confidence")[requests]

    def _answers(self, slot: str, rows: Places, weights: Floats) -> Answers:
        """The courses of these rows at one option."""
        failed, once = self.failed[rows], np.ones((rows.size, 1))
        ttft = self.ttft[rows]
        return Answers((slot,), weights, failed, self.e2e[rows], None if np.isnan(ttft).any() else ttft, once, once * ~failed[:, None])

    def _count_exactly(self, requests: Places, places: Places, answers: Answers, sums: _Sums) -> None:
        """Calls, tokens, money and quality of each course, by the rows it is made of."""
        for number, slot in enumerate(answers.slots):
            if slot not in self.asked.options:
                continue
            rows = self.asked.row_of(slot)[requests[places]]
            called = answers.weights * answers.calls[:, number]
            gave = answers.weights * answers.answered[:, number]
            there = (called > 0) & (rows >= 0)
            self._count_calls(slot, rows[there], called[there], sums)
            sums.answered[slot] += float(gave.sum())
            quality = self._quality_of(slot, rows)
            known = (gave > 0) & ~np.isnan(quality)
            sums.unrated += float(gave[~known].sum())
            sums.rate(requests[places[known]], gave[known], quality[known])

    def _quality_of(self, option: str, rows: Places) -> Floats:
        found, stated = self.quality[rows], self.stated.get(option)
        if stated is not None and stated.quality is not None:
            found = np.where(np.isnan(found), stated.quality, found)
        return found

    def _count_calls(self, option: str, rows: Places, calls: Floats, sums: _Sums) -> None:
        total = float(calls.sum())
        sums.used(option, self.asked.request_of_row[rows], calls)
        columns = {**self.tokens, "usd": self.usd}
        sums.called(option, total, {name: _told(values[rows], calls) for name, values in columns.items()} if total else {})

    # ---- by the mix: a side that was not asked ----

    def _routes(self, name: str) -> tuple[str, ...]:
        """The routes in a policy: requests that go different ways through one are told apart."""
        policy = self.policies[name]
        inner = tuple(route for part in dict.fromkeys(policy.parts if policy else ()) for route in self._routes(part))
        return (name, *inner) if isinstance(policy, Route) else inner

    def _groups(self, name: str, requests: Places) -> Iterator[_Group]:
        """The requests by their mix and their way through the policy."""
        if not requests.size:
            return
        routes = self._routes(name)
        ways = np.stack([self._sent_by(route) for route in routes], axis=1) if routes else np.zeros((self.asked.n, 0), np.int64)
        keys = np.column_stack((self.asked.mix, ways))
        distinct, place = np.unique(keys[requests], axis=0, return_inverse=True)
        sizes = np.bincount(place.ravel(), minlength=len(distinct))
        for key, size in zip(distinct, sizes, strict=True):
            yield _Group(int(size), int(key[0]), dict(zip(routes, map(int, key[1:]), strict=True)))

    def _by_mix(self, name: str, group: _Group, sums: _Sums) -> tuple[Answers, str]:
        """``(what becomes of a request of this group, where that comes from)``, counted for all of them."""
        used: dict[str, _Used] = {}
        sources: list[str] = []
        answers = self._mixed(name, group, used, sources)
        for slot, one in used.items():
            option, rows = one.option, one.rows
            calls, gave = group.size * answers.calls_of(slot), group.size * answers.share_of(slot)
            even = np.full(rows.size, calls / rows.size) if rows.size else np.zeros(0)
            if rows.size:
                self._count_calls(option, rows, even, sums)
            else:
                sums.called(option, calls, {})
            sums.answered[option] += gave
            self._count_quality(one, gave, sums)
        return answers, max(sources, key=SOURCES.index)

    def _count_quality(self, one: _Used, gave: float, sums: _Sums) -> None:
        if not gave:
            return
        stated = self.stated.get(one.option)
        known = one.quality if one.quality is not None else stated.quality if stated else None
        quality = self._quality_of(one.option, one.rows)
        tells = ~np.isnan(quality)
        if one.quality is None and tells.any():
            rows = one.rows[tells]
            sums.rate(self.asked.request_of_row[rows], np.full(rows.size, gave / rows.size), quality[tells])
        elif known is not None:
            sums.stated_points, sums.stated = sums.stated_points + gave * known, sums.stated + gave
        else:
            sums.unrated += gave

    def _mixed(self, name: str, group: _Group, used: dict[str, _Used], sources: list[str]) -> Answers:
        policy = self.policies[name]
        if policy is None:
            rows, source = self._rows_for(name, group)
            sources.append(source)
            return self._sampled(name, _Used(name, rows), used)
        if isinstance(policy, Route):
            return self._mixed(policy.parts[group.way[name]], group, used, sources)
        if isinstance(policy, Split):
            shares = zip(policy.at({}), policy.parts, strict=True)
            return split([(share, self._mixed(part, group, used, sources)) for share, part in shares if share])
        if isinstance(policy, Cascade):
            return self._cascaded(name, policy, group, used, sources)
        first, then = (self._mixed(part, group, used, sources) for part in policy.parts)
        watch: Measure = policy.watch or ("e2e" if first.e2e is not None else "ttft")
        after = policy.after.likely if policy.after else None
        found = raced(policy, first, then, after, watch, policy.correlation.likely if policy.correlation else 0.0, None)
        return replace(found, basis="assumed")

    def _cascaded(self, name: str, policy: Cascade, group: _Group, used: dict[str, _Used], sources: list[str]) -> Answers:
        then = self._mixed(policy.then, group, used, sources)
        judge, takes = f"{name}: judge" if policy.judge else None, policy.judge_takes.likely if policy.judge_takes else 0.0
        together = policy.correlation.likely if policy.correlation else 0.0
        if policy.confidence is None:
            assert policy.escalated is not None
            if policy.kept_quality is None:
                first = self._mixed(policy.first, group, used, sources)
            else:
                rows, source = self._rows_for(policy.first, group)
                sources.append(source)
                kept = _Used(policy.first, rows, policy.kept_quality.likely)
                first = self._sampled(f"{policy.first} ({name})", kept, used)
            found = cascade(first, first, then, policy.escalated.likely, judge=judge, judge_ms=takes, correlation=together)
            return replace(found, basis="assumed")
        if self.policies[policy.first] is not None:
            raise NoAnswer(f"{name}: which answers of {policy.first} are doubted is known of requests with both sides only")
        rows, source = self._rows_for(policy.first, group)
        sources.append(source)
        rows = rows[~np.isnan(self.confidence[rows])]
        if not rows.size:
            raise NoAnswer(f"no row of {policy.first} tells the confidence of its answer")
        doubted = self.confidence[rows] < policy.confidence
        sure, unsure = (
            self._sampled(f"{policy.first} ({word})", _Used(policy.first, rows[among] if among.any() else rows), used)
            for word, among in (("sure", ~doubted), ("doubted", doubted))
        )
        found = cascade(sure, unsure, then, float(doubted.mean()), judge=judge, judge_ms=takes, correlation=together)
        return replace(found, basis="assumed")

    def _sampled(self, slot: str, one: _Used, used: dict[str, _Used]) -> Answers:
        used[slot] = one
        if one.rows.size:
            return replace(self._answers(slot, one.rows, np.full(one.rows.size, 1 / one.rows.size)), n=one.rows.size, basis="measured")
        stated = self.stated[one.option]
        return Answers.of(slot, stated.e2e, stated.ttft)

    def _rows_for(self, option: str, group: _Group) -> tuple[Places, str]:
        """The rows that stand for a side nobody asked, and how like they are; none where the option is stated."""
        key = (option, group.mix, *group.way.items())
        if key not in self._found:
            self._found[key] = self._like(option, group)
        return self._found[key]

    def _like(self, option: str, group: _Group) -> tuple[Places, str]:
        rows = self.asked.row_of(option) if option in self.asked.options else np.zeros(0, np.int64)
        rows = rows[rows >= 0]
        same = np.ones(rows.size, np.bool_)
        for route, way in group.way.items():
            same &= self._sent_by(route)[self.asked.request_of_row[rows]] == way
        mixed = rows[same & (self.asked.mix_of_row[rows] == group.mix)]
        if mixed.size >= LEAST:
            return mixed, "same mix"
        if np.count_nonzero(same) >= LEAST:
            return rows[same], "same way" if group.way else "any request"
        if rows.size:
            return rows, "any request"
        stated = self.stated.get(option)
        if stated is not None and (stated.e2e or stated.ttft):
            return rows, "stated"
        fix = "state its `latency`, or give a log of it"
        raise NoAnswer(f"the log has no row of {option}, and nothing is stated of its latency", fix=fix)


@dataclass(frozen=True, eq=False)
class _Used:
    """What stands for calls of an option: rows of it, none where it is stated; ``quality`` of these answers where it is stated apart."""

    option: str
    rows: Places
    quality: float | None = None


@dataclass(frozen=True)
class _Group:
    """So many requests of one mix that go one way through the routes of a policy."""

    size: int
    mix: int
    way: Mapping[str, int]


def _told(values: Floats, weights: Floats) -> tuple[float, float]:
    """``(share of the weight that tells a value, mean of it there)``."""
    known = ~np.isnan(values)
    held = float(weights[known].sum())
    return (held / float(weights.sum()), float(weights[known] @ values[known]) / held) if held else (0.0, 0.0)


def _scaled(pieces: Sequence[tuple[float, Answers]]) -> list[tuple[float, Answers]]:
    """The pieces with weights that sum to 1 within rounding."""
    return [(share, replace(piece, weights=piece.weights / piece.weights.sum())) for share, piece in pieces]
