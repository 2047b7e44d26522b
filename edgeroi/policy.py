"""What becomes of requests when several options share them: split, route, fallback, hedge and cascade as algebra on distributions.

An ``Answers`` is a distribution over courses of a request: how long it took, whether it failed, which parts were called and who
answered. Parts and policies are the same kind of value, so that policies nest; latency with its tail, failures, cost and quality are
all read from it. Nothing is simulated: the same parts give the same result to the last bit.

Error: a course that one part alone decides is exact. Where durations of two parts add up or race, each is brought to steps of
at most 0.8 % first (a step is its mean; neighbouring ones that hold less than 0.0001 of the requests are joined) and the result
to steps of 0.1 %: quantiles from p1 to p99 are within 0.5 %, means and calls exact to rounding.

Joint: where parts are asked about the same request, measured ``pairs`` say which ranks of both go together. Without them
``correlation`` c mixes (1 - c) independent and c comonotone pairs: the slowest of the one with the slowest of the other, failures last.
Where the courses of both parts stand for the same requests, row by row (``ROW_BY_ROW``), nothing is assumed and the rows stay in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import NoAnswer
from edgeroi.estimate import Basis, weakest
from edgeroi.histogram import keys_of_whole
from edgeroi.latency import Latency, comonotone

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Measure = Literal["e2e", "ttft"]
Reason = Literal["timeout", "error"]
_MEASURES: tuple[Measure, ...] = ("e2e", "ttft")

#: The joint of two parts whose courses are the same requests in the same order.
ROW_BY_ROW: Literal["row by row"] = "row by row"

#: What a fallback takes as its cue unless told otherwise.
EITHER: tuple[Reason, ...] = ("timeout", "error")
#: Buckets of 0.1 % are joined by eights, and lighter ones further, before durations of two parts are combined.
_COARSER_BITS, _LIGHT = 3, 1e-4
_NS_PER_MS = 1e6


@dataclass(frozen=True, eq=False)
class Pairs:
    """Ranks of two parts on the same requests: the one with rank i of the first has rank ``order[i]`` (n,) of the second.

    The ranks alone: how slow a rank is, each part's whole sample says.
    """

    order: Places

    @classmethod
    def of(cls, first: tuple[Flags, Floats], second: tuple[Flags, Floats]) -> Pairs:
        """From ``(failed, ms)`` (n,) of both, request by request; failures rank last."""
        ranks = [np.argsort(np.lexsort((ms, failed))) for failed, ms in (first, second)]
        return cls(ranks[1][np.argsort(ranks[0])])

    @property
    def n(self) -> int:
        """How many requests were measured in both."""
        return int(self.order.size)

    def across(self, levels: Floats) -> Floats:
        """The level (0..1) of the second part that goes with each level of the first."""
        return self._mapped(levels, self.order)

    def back(self, levels: Floats) -> Floats:
        """The level of the first that goes with each level of the second, and every edge between two ranks of the first."""
        inner = self._mapped(np.minimum(levels, np.nextafter(1.0, 0.0)), np.argsort(self.order))
        return np.concatenate((inner, np.arange(1, self.n + 1) / self.n))

    def _mapped(self, levels: Floats, order: Places) -> Floats:
        ranks = np.minimum((levels * self.n).astype(np.int64), self.n - 1)
        return (order[ranks] + (levels * self.n - ranks)) / self.n


Joint = Pairs | Literal["row by row"] | None


@dataclass(frozen=True, eq=False)
class Answers:
    """Weighted courses of a request, in no order: ``weights`` (m,) sum to 1.

    ``e2e`` and ``ttft``: ms (m,) until the answer, or until the failure where ``failed``; ``None`` where the measure is unknown.
    ``calls`` (m, k): how many calls of each of the k ``slots`` are paid for; ``answered`` (m, k): which of them gave the answer.
    ``n``: as many independent requests as the samples behind it are worth at least, ``None`` where nothing was sampled.
    """

    slots: tuple[str, ...]
    weights: Floats
    failed: Flags
    e2e: Floats | None
    ttft: Floats | None
    calls: Floats
    answered: Floats
    n: int | None = None
    basis: Basis = "assumed"
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        slot: str,
        e2e: Latency | None,
        ttft: Latency | None = None,
        failing: Latency | None = None,
        bands: Sequence[tuple[float, Latency, Latency]] = (),
    ) -> Answers:
        """What one part does; without any latency only whom it is asked of.

        ``failing``: how long its failures take; where that is unknown, as long as its successes, and a note says so.

        ``bands``: the coarse joint of e2e and TTFT where it was measured, as (share, e2e, ttft) of requests with a like TTFT;
        within a band, or without any, the slow ones in the one are the slow ones in the other.
        """
        known = e2e or ttft
        if known is None:
            return cls((slot,), np.ones(1), np.zeros(1, np.bool_), None, None, np.ones((1, 1)), np.ones((1, 1)))
        ratio, notes = known.failure_ratio, known.notes
        pieces = [_course(cls, slot, 1 - ratio, *_paired(e2e, ttft, bands), failed=False)]
        if ratio:
            if failing is None:
                notes = (*notes, f"{slot}: how long a failure takes is not known, taken as long as a success")
            took = failing or known
            durations = took.weights, took.values_ms if e2e else None, took.values_ms if ttft else None
            pieces.append(_course(cls, slot, ratio, *durations, failed=True))
        rows = stacked([piece for piece in pieces if piece.weights.size])
        told = [side.n for side in (e2e, ttft) if side and side.n is not None]
        return replace(rows, n=min(told, default=None), basis=weakest(*(side.basis for side in (e2e, ttft) if side)), notes=notes)

    # ---- queries ----

    def ms(self, measure: Measure) -> Floats | None:
        """The durations of one measure."""
        return self.e2e if measure == "e2e" else self.ttft

    @property
    def failure_ratio(self) -> float:
        """The share of requests nobody answered; availability is the rest."""
        return 1.0 if self.failed.all() else min(1.0, float(self.weights[self.failed].sum()))

    def latency(self, measure: Measure) -> Latency | None:
        """The distribution of one measure over the answered requests; ``None`` where it is unknown."""
        ms = self.ms(measure)
        if ms is None:
            return None
        kept = ~self.failed if not self.failed.all() else self.failed
        ratio = self.failure_ratio
        return Latency.from_atoms(ms[kept], self.weights[kept], failure_ratio=ratio, n=self.n, basis=self.basis, notes=self.notes)

    def calls_of(self, slot: str) -> float:
        """The mean number of calls of one part that a request pays for."""
        return float(self._called[self.slots.index(slot)]) if slot in self.slots else 0.0

    @cached_property
    def _called(self) -> Floats:
        return self.weights @ self.calls

    @cached_property
    def _answering(self) -> Floats:
        return self.weights @ self.answered

    def share_of(self, slot: str) -> float:
        """The share of all requests that one part answers."""
        return float(self._answering[self.slots.index(slot)]) if slot in self.slots else 0.0

    # ---- rows ----

    def at(self, rows: Places | Flags) -> Answers:
        """Some of the courses, or some of them several times, with their weights."""
        return self._each(lambda column: column[rows])

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Answers:
        e2e, ttft = (None if ms is None else change(ms) for ms in (self.e2e, self.ttft))
        weights, failed, calls, answered = (change(column) for column in (self.weights, self.failed, self.calls, self.answered))
        return replace(self, weights=weights, failed=failed, e2e=e2e, ttft=ttft, calls=calls, answered=answered)

    def _weighing(self, share: float) -> Answers:
        return replace(self, weights=self.weights * share)

    def _in_slots(self, slots: tuple[str, ...]) -> Answers:
        if slots == self.slots:
            return self
        places = [slots.index(slot) for slot in self.slots]
        wider = [np.zeros((self.weights.size, len(slots))) for _ in range(2)]
        wider[0][:, places], wider[1][:, places] = self.calls, self.answered
        return replace(self, slots=slots, calls=wider[0], answered=wider[1])


def _paired(
    e2e: Latency | None, ttft: Latency | None, bands: Sequence[tuple[float, Latency, Latency]]
) -> tuple[Floats, Floats | None, Floats | None]:
    """``(weights, e2e, ttft)`` of successes: slow with slow, band by band."""
    if e2e is None or ttft is None:
        known = e2e or ttft
        assert known is not None
        return known.weights, e2e.values_ms if e2e else None, ttft.values_ms if ttft else None
    pairs = [(share, *comonotone(one, two)) for share, one, two in bands or ((1.0, e2e, ttft),)]
    weights = np.concatenate([share * weights for share, weights, _, _ in pairs])
    return weights / weights.sum(), np.concatenate([one for _, _, one, _ in pairs]), np.concatenate([two for *_, two in pairs])


def _course(
    cls: type[Answers], slot: str, share: float, weights: Floats, e2e: Floats | None, ttft: Floats | None, *, failed: bool
) -> Answers:
    if not share:
        weights, e2e, ttft = weights[:0], e2e if e2e is None else e2e[:0], ttft if ttft is None else ttft[:0]
    once = np.ones((weights.size, 1))
    return cls((slot,), share * weights, np.full(weights.size, failed), e2e, ttft, once, once * (not failed))


def stacked(parts: Sequence[Answers]) -> Answers:
    """All courses of all parts, with their weights; a measure that one of them does not know is unknown."""
    slots = tuple(dict.fromkeys(slot for part in parts for slot in part.slots))
    rows = [part._in_slots(slots) for part in parts]
    e2e, ttft = (_column([getattr(part, name) for part in rows]) for name in ("e2e", "ttft"))
    return Answers(
        slots,
        np.concatenate([part.weights for part in rows]),
        np.concatenate([part.failed for part in rows]),
        e2e,
        ttft,
        np.concatenate([part.calls for part in rows]),
        np.concatenate([part.answered for part in rows]),
        parts[0].n,
        weakest(*(part.basis for part in parts)),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _column(columns: Sequence[Floats | None]) -> Floats | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None


# ---- the policies ----------------------------------------------------------------------------------------------------------


def split(parts: Sequence[tuple[float, Answers]]) -> Answers:
    """Each share of the requests goes to its part, whatever they are: a mixture. A part without a share is not there.

    Also a route, once its parts hold only the requests that are sent there.
    ``n`` is the least n/share, as of ``latency.mixture``: intervals are never too narrow.
    """
    parts = [(share, part) for share, part in parts if share]
    if any(share < 0 for share, _ in parts) or not math.isclose(sum(share for share, _ in parts), 1, abs_tol=1e-9):
        raise ValueError("shares must not be negative and must sum to 1")
    told = [int(part.n / share) for share, part in parts if part.n is not None]
    return replace(stacked([part._weighing(share) for share, part in parts]), n=min(told, default=None))


def fallback(
    first: Answers,
    then: Answers,
    after_ms: float | None = None,
    *,
    watch: Measure = "e2e",
    on: Sequence[Reason] = EITHER,
    correlation: float = 0.0,
    abandoned_free: bool = False,
    pairs: Joint = None,
) -> Answers:
    """``first`` answers unless it fails, or has not answered after ``after_ms`` of the watched measure; then ``then`` does, behind it.

    Of the requests below the timeout nothing changes; the others take ``after_ms`` + what ``then`` takes, a failure before it
    the time to that failure + what ``then`` takes: P(L > D) = P(L1 > t) * P(L2 > D - t) for D > t without failures.
    ``first`` is paid for in any case, unless calls that were given up are ``abandoned_free``.
    """
    watched = _watched(first, watch)
    late = np.zeros(watched.size, np.bool_) if after_ms is None or "timeout" not in on else watched > after_ms
    leaves = late | (first.failed & ("error" in on))
    spent = np.where(late, after_ms or 0.0, watched)
    calls = np.where(late[:, None], 0.0, first.calls) if abandoned_free else first.calls
    # What happened so far is a course that ends where the next begins; only its length and its calls still matter.
    so_far = replace(first, e2e=spent, ttft=spent, calls=calls)

    return _joined(first, so_far, leaves, then, correlation, _behind, watch, pairs)


def hedge(
    first: Answers,
    then: Answers,
    delay_ms: float,
    *,
    watch: Measure = "e2e",
    correlation: float = 0.0,
    abandoned_free: bool = False,
    pairs: Joint = None,
) -> Answers:
    """``then`` is asked as well once ``first`` has not answered for ``delay_ms``, or fails before; the first answer wins.

    Without failures L = L1 up to the delay and min(L1, delay + L2) beyond it; the extra cost is P(L1 > delay) calls of ``then``.
    It fails only where both fail. The loser is paid for, unless calls that were given up are ``abandoned_free``.
    """
    watched = _watched(first, watch)
    asked = first.failed | (watched > delay_ms)

    def race(one: Answers, two: Answers) -> Answers:
        begins = np.minimum(_watched(one, watch), delay_ms)
        ends = _watched(one, watch), begins + _watched(two, watch)
        wins = ~one.failed & (two.failed | (ends[0] <= ends[1]))
        lost = one.failed & two.failed
        second = _later(two, begins)
        e2e, ttft = _chosen(wins, one.e2e, second.e2e), _chosen(wins, one.ttft, second.ttft)
        if lost.any():
            e2e, ttft = (None if ms is None else np.where(lost, np.maximum(*ends), ms) for ms in (e2e, ttft))
        calls = [one.calls, two.calls]
        if abandoned_free:
            running = [wins & (ends[1] > ends[0]), ~wins & ~lost & (ends[0] > ends[1])]
            calls = [np.where(running[1][:, None], 0.0, one.calls), np.where(running[0][:, None], 0.0, two.calls)]
        answered = np.where(wins[:, None], one.answered, two.answered)
        return replace(one, e2e=e2e, ttft=ttft, failed=lost, calls=calls[0] + calls[1], answered=answered)

    return _joined(first, first, asked, then, correlation, race, watch, pairs)


def cascade(
    sure: Answers,
    doubted: Answers,
    then: Answers,
    escalated: float,
    *,
    judge: str | None = None,
    judge_ms: float = 0.0,
    correlation: float = 0.0,
    pairs: Joint = None,
) -> Answers:
    """``first`` answers, a judge looks at the answer, and the ``escalated`` share of the requests goes on to ``then``.

    ``sure`` and ``doubted`` are what ``first`` does with the requests it may keep and with those it passes on: the same where only the
    share is known. A failure of ``first`` is passed on unjudged. Nothing is shown before it is judged, so the first token of a kept
    answer comes with its last: E[cost] = c1 + c_judge + escalated * c2, and latencies of escalated requests add up.
    ``judge``: the slot its calls are counted in.
    """
    if not 0 <= escalated <= 1:
        raise ValueError(f"escalated share {escalated} is outside 0..1")
    pieces = []
    for share, part, goes_on in ((1 - escalated, sure, False), (escalated, doubted, True)):
        if not share:
            continue
        judged = _judged(part, judge, judge_ms)
        leaves = judged.failed | goes_on
        pieces.append(_joined(judged, judged, leaves, then, correlation, _behind, "e2e", pairs)._weighing(share))
    told = [piece.n for piece in pieces if piece.n is not None]
    return replace(stacked(pieces), n=min(told, default=None))


def _judged(first: Answers, judge: str | None, judge_ms: float) -> Answers:
    """The answers once they are judged: whole, and with the judge's time and call."""
    whole = _watched(first, "e2e") + np.where(first.failed, 0.0, judge_ms)
    done = replace(first, e2e=whole, ttft=whole)
    if judge is None:
        return done
    wider = done._in_slots((*first.slots, judge))
    calls = wider.calls.copy()
    calls[:, -1] = ~first.failed
    return replace(wider, calls=calls)


# ---- two parts asked about one request -------------------------------------------------------------------------------------

Combine = Callable[[Answers, Answers], Answers]


def _watched(part: Answers, measure: Measure) -> Floats:
    ms = part.ms(measure)
    if ms is None:
        raise NoAnswer(
            f"the {measure} of {', '.join(part.slots)} is not known, and the policy hangs on it", fix="state it, or give its log"
        )
    return ms


def _later(part: Answers, ms: Floats) -> Answers:
    e2e, ttft = (None if column is None else column + ms for column in (part.e2e, part.ttft))
    return replace(part, e2e=e2e, ttft=ttft)


def _behind(one: Answers, two: Answers) -> Answers:
    """``two`` begins where ``one`` ends, and both are paid for."""
    return replace(_later(two, _watched(one, "e2e")), calls=one.calls + two.calls)


def _chosen(flags: Flags, one: Floats | None, two: Floats | None) -> Floats | None:
    return None if one is None or two is None else np.where(flags, one, two)


def _joined(
    first: Answers,
    so_far: Answers,
    leaves: Flags,
    then: Answers,
    correlation: float,
    combine: Combine,
    watch: Measure,
    pairs: Joint = None,
) -> Answers:
    """The courses of ``first`` that stay, as they are, and those that ``then`` takes part in, combined with its courses.

    ``so_far``: the same courses as ``first``, as ``combine`` is to see them.
    ``n``: by the Hoeffding decomposition the variance of any P(L > t) over independent samples that are used once each is at most
    p(1-p) / min(n), so the lesser of both counts; half of it where both draw on one sample.
    """
    slots = tuple(dict.fromkeys((*first.slots, *then.slots)))
    first, so_far, two = (part._in_slots(slots) for part in (first, so_far, then))
    if isinstance(pairs, str):
        return _in_place(leaves, combine(so_far, two), first) if leaves.any() else first
    pieces = [first.at(~leaves)]
    if leaves.any() and pairs is not None:
        pieces.append(_together(first, so_far, leaves, two, combine, watch, pairs))
    elif leaves.any():
        if correlation < 1:
            pieces.append(_independent(so_far.at(leaves), two, combine)._weighing(1 - correlation))
        if correlation > 0:
            pieces.append(_together(first, so_far, leaves, two, combine, watch, None)._weighing(correlation))
    elif first.ttft is not None and then.ttft is None:
        pieces[0] = replace(pieces[0], ttft=None)
    told = [n for n in (first.n, then.n, pairs.n if pairs else None) if n is not None]
    used_twice = {slot for slot in first.slots if first.calls_of(slot)} & {slot for slot in two.slots if two.calls_of(slot)}
    joined = stacked([piece for piece in pieces if piece.weights.size])
    notes = tuple(dict.fromkeys((*first.notes, *then.notes)))
    return replace(joined, n=_worth(min(told, default=None), used_twice), basis=weakest(first.basis, then.basis), notes=notes)


def _in_place(leaves: Flags, both: Answers, first: Answers) -> Answers:
    """Row by row: what both parts come to where ``then`` takes part, else ``first`` alone."""
    calls, answered = (np.where(leaves[:, None], two, one) for two, one in ((both.calls, first.calls), (both.answered, first.answered)))
    failed = np.where(leaves, both.failed, first.failed)
    e2e, ttft = (_chosen(leaves, both.ms(measure), first.ms(measure)) for measure in _MEASURES)
    return replace(first, e2e=e2e, ttft=ttft, failed=failed, calls=calls, answered=answered)


def _worth(n: int | None, used_twice: set[str]) -> int | None:
    return n if n is None or not used_twice else n // 2


def _independent(one: Answers, two: Answers, combine: Combine) -> Answers:
    """Every course of the one with every course of the other."""
    one, two = (_thinned(part, _COARSER_BITS, _LIGHT) for part in (one, two))
    sizes = one.weights.size, two.weights.size
    each = one._each(lambda column: np.repeat(column, sizes[1], axis=0))
    every = two._each(lambda column: np.tile(column, (sizes[0],) + (1,) * (column.ndim - 1)))
    return _thinned(replace(combine(each, every), weights=each.weights * every.weights), 0, 0.0)


def _together(
    first: Answers, so_far: Answers, leaves: Flags, two: Answers, combine: Combine, watch: Measure, pairs: Pairs | None
) -> Answers:
    """The slowest of the one with the slowest of the other, failures last; or rank with rank as the ``pairs`` were measured.

    Both distributions stay what they are; within the rank of one measured pair slow goes with slow.
    """
    known = pairs or Pairs(np.zeros(1, np.int64))
    orders = [np.lexsort((_ranking(part, watch), part.failed)) for part in (first, two)]
    sums = [np.cumsum(part.weights[order]) for part, order in zip((first, two), orders, strict=True)]
    sums = [each / each[-1] for each in sums]
    edges = np.union1d(sums[0], known.back(sums[1]))
    weights = np.diff(edges, prepend=0.0)
    middles = edges - weights / 2
    places = (middles, known.across(middles))
    rows = [order[np.minimum(np.searchsorted(each, at), each.size - 1)] for each, order, at in zip(sums, orders, places, strict=True)]
    goes = leaves[rows[0]]
    weights = weights[goes] * float(first.weights.sum())
    return replace(combine(so_far.at(rows[0][goes]), two.at(rows[1][goes])), weights=weights)


def _ranking(part: Answers, watch: Measure) -> Floats:
    """What tells slow courses from quick ones: the watched measure, else the one that is known."""
    ms = part.ms(watch)
    return ms if ms is not None else _watched(part, "e2e" if watch == "ttft" else "ttft")


def _thinned(part: Answers, coarser_bits: int, light: float) -> Answers:
    """The same distribution in fewer courses, failures apart from answers; means, calls and weights stay what they are."""
    if not part.failed.any() or part.failed.all():
        return _thinned_alike(part, coarser_bits, light)
    pieces = [_thinned_alike(part.at(flags), coarser_bits, light) for flags in (~part.failed, part.failed) if flags.any()]
    return stacked(pieces) if len(pieces) > 1 else pieces[0]


def _thinned_alike(part: Answers, coarser_bits: int, light: float) -> Answers:
    leading = part.e2e if part.e2e is not None else part.ttft
    if leading is None:  # without a duration every course is like the next
        leading = np.zeros(part.weights.size)
    bins, ms = _bins(leading, part.weights, coarser_bits, light)
    weights = _summed(bins, part.weights)
    means = [
        np.stack([_summed(bins, part.weights * column) / weights for column in matrix.T], axis=1) for matrix in (part.calls, part.answered)
    ]
    failed = np.full(weights.size, bool(part.failed[0]))
    thin = replace(part, weights=weights, failed=failed, calls=means[0], answered=means[1], e2e=None, ttft=None)
    thin = replace(thin, e2e=None if part.e2e is None else ms, ttft=None if part.ttft is None else ms)
    if part.e2e is None or part.ttft is None or np.array_equal(part.e2e, part.ttft):
        return thin
    other_bins, other = _bins(part.ttft, part.weights, coarser_bits, light)
    return _with_first_tokens(thin, _summed(other_bins, part.weights), other)


def _with_first_tokens(part: Answers, weights: Floats, ttft: Floats) -> Answers:
    """The courses, ascending, each with the first token of its rank."""
    sums = [np.cumsum(each) / each.sum() for each in (part.weights, weights)]
    edges = np.union1d(*sums)
    parted = np.diff(edges, prepend=0.0)
    middles = edges - parted / 2
    rows, firsts = (np.minimum(np.searchsorted(each, middles), each.size - 1) for each in sums)
    return replace(part.at(rows), ttft=ttft[firsts], weights=parted * float(part.weights.sum()))


def _bins(ms: Floats, weights: Floats, coarser_bits: int, light: float) -> tuple[Places, Floats]:
    """``(bin of each course, mean of each bin)``, bins ascending: buckets of the histogram, neighbours joined while they are light."""
    keys = keys_of_whole(np.rint(ms * _NS_PER_MS) + 0.0) >> coarser_bits
    keys -= keys.min()
    held = np.bincount(keys) > 0
    places = (np.cumsum(held) - 1)[keys]
    if light:
        masses = _summed(places, weights)
        before = np.floor((np.cumsum(masses) - masses) / light)
        places = (np.cumsum(np.diff(before, prepend=before[0]) > 0))[places]
    elif np.count_nonzero(held) == ms.size:
        return places, np.sort(ms)
    return places, _summed(places, weights * ms) / _summed(places, weights)


def _summed(places: Places, values: Floats) -> Floats:
    return np.bincount(places, values).astype(np.float64, copy=False)
