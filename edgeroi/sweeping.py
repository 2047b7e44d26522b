"""The requests of a log as a sweep takes them: what both options made of each, or of requests with a like score.

Requests that were asked of both options are taken as pairs, and are enough from ``PAIRS`` on. Without them each option's own rows stand for
all requests of their band of the score, so that both options are judged on one mix; bands that one of the options never answered say
nothing, and are left out; where they hold more than half of the requests, nothing is said at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeroi.asked import Asked
from edgeroi.calibration import Side, Sweep
from edgeroi.errors import NoAnswer
from edgeroi.replay import Replay
from edgeroi.spec import Condition

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

#: Pairs from which on requests with one side are left out, bands of a score, and answers of an option in a band at least.
PAIRS, BANDS, LEAST_IN_BAND = 100, 40, 10
#: The share of requests that lie in bands of both options, below which their curve would be that of a few.
LEAST_SHARED = 0.5
Worth = Callable[[Floats, Flags, Floats, Floats], Floats]


@dataclass(frozen=True)
class Rule:
    """The rule whose threshold is swept: requests with a high ``field`` go to ``weak`` where it is ``rising``, else those with a low one.

    ``others``: what else a request must meet for the rule; of one that does not, the threshold says nothing.
    ``behind``: a strong answer comes behind a weak one, and both are paid for (a cascade), judged for ``judge_usd`` in ``judge_ms``.
    """

    field: str
    weak: str
    strong: str
    rising: bool
    behind: bool = False
    judge_usd: float = 0.0
    judge_ms: float = 0.0
    others: tuple[Condition, ...] = ()


@dataclass(frozen=True, eq=False)
class Swept:
    """A sweep with what it leaves out: requests that do not tell the field, that the rule is not for, or that lack a side or a quality."""

    rule: Rule
    sweep: Sweep
    requests: int
    untold: int
    left_out: int


def swept(replay: Replay, rule: Rule, worth: Worth | None, among: Flags | None = None, edges: Floats | None = None) -> Swept:
    """The sweep over the requests ``among`` (n,), all where it is ``None``. ``worth`` (ms, failed, quality, usd) -> USD, where declared.

    ``edges``: the bands of single rows, where those of other requests are to be kept to.

    Raises ``NoAnswer`` where no request tells the field, and where the options share no band of it.
    """
    asked = replay.asked
    value = asked.number(rule.field)
    meant = np.ones(asked.n, np.bool_) if among is None else among
    here = int(np.count_nonzero(meant))
    for condition in rule.others:
        meant = meant & asked.holds(condition)
    kept = ~np.isnan(value) & meant
    if not kept.any():
        raise NoAnswer(f"no request of the log tells {rule.field}", fix="map it: --map confidence=PATH, or sweep another field")
    score = value if rule.rising else -value
    both = kept & asked.has(rule.weak) & asked.has(rule.strong)
    untold = int(np.count_nonzero(meant & ~kept))
    if np.count_nonzero(both) >= PAIRS or rule.behind:
        return _paired(replay, rule, worth, score, both, here, untold)
    return _banded(replay, rule, worth, score, kept, here, untold, edges)


def _paired(replay: Replay, rule: Rule, worth: Worth | None, score: Floats, both: Flags, here: int, untold: int) -> Swept:
    requests = np.flatnonzero(both)
    if not requests.size:
        said = f"no request with {rule.field} was asked of both {rule.weak} and {rule.strong}"
        raise NoAnswer(said, fix="a cascade is swept over pairs: give a log with pair_id")
    rows = [replay.asked.row_of(option)[requests] for option in (rule.weak, rule.strong)]
    quality = [_quality(replay, option, of) for option, of in zip((rule.weak, rule.strong), rows, strict=True)]
    rated = ~np.isnan(quality[0]) & ~np.isnan(quality[1])
    if 2 * np.count_nonzero(rated) >= requests.size:  # else quality is unknown, and what is known of the rest still counts
        requests, rows = requests[rated], [of[rated] for of in rows]
        quality = [each[rated] for each in quality]
    weight = np.full(requests.size, 1 / requests.size)
    weak, strong = (_side(replay, of, score[requests], weight, each, worth) for of, each in zip(rows, quality, strict=True))
    if rule.behind:
        weak = _rated(replace(weak, usd=weak.usd + rule.judge_usd, ms=weak.ms + rule.judge_ms), worth)
        strong = _rated(replace(strong, usd=weak.usd + strong.usd, ms=weak.ms + strong.ms), worth)
    found = Sweep(rule.field, weak, strong, True, rule.rising)
    return Swept(rule, found, requests.size, untold, here - untold - requests.size)


def _banded(
    replay: Replay, rule: Rule, worth: Worth | None, score: Floats, kept: Flags, here: int, untold: int, edges: Floats | None
) -> Swept:
    asked = replay.asked
    sides = [kept & asked.has(option) for option in (rule.weak, rule.strong)]
    quality = [_quality(replay, option, asked.row_of(option)) for option in (rule.weak, rule.strong)]
    told = [side & ~np.isnan(each) for side, each in zip(sides, quality, strict=True)]
    if all(2 * np.count_nonzero(good) >= np.count_nonzero(side) for good, side in zip(told, sides, strict=True)):
        sides = told
    here_both = sides[0] | sides[1]
    if edges is None:
        bands = max(1, min(BANDS, *(int(np.count_nonzero(side)) // LEAST_IN_BAND for side in sides)))
        edges = np.unique(np.quantile(score[here_both], np.linspace(0, 1, bands + 1)[1:-1])) if here_both.any() else np.zeros(0)
        edges = _joined(edges, [score[side] for side in sides])
    band = np.searchsorted(edges, score, side="right")
    counts = [np.bincount(band[side], minlength=edges.size + 1) for side in sides]
    shared = (counts[0] > 0) & (counts[1] > 0)
    every = np.bincount(band[here_both], minlength=edges.size + 1) * shared
    total = int(every.sum())
    if total < LEAST_SHARED * np.count_nonzero(kept):
        said = f"{rule.weak} and {rule.strong} answered requests with a like {rule.field} for {total:,} of {np.count_nonzero(kept):,} only"
        raise NoAnswer(said, fix="send a share of the requests to both at random, or ask both (pair_id)")
    made = []
    for side, option, each, count in zip(sides, (rule.weak, rule.strong), quality, counts, strict=True):
        requests = np.flatnonzero(side & shared[band])
        weight = (every / np.maximum(count, 1) / total)[band[requests]]
        made.append(_side(replay, asked.row_of(option)[requests], score[requests], weight, each[requests], worth))
    return Swept(rule, Sweep(rule.field, made[0], made[1], False, rule.rising, edges), total, untold, here - untold - total)


def _joined(edges: Floats, scores: Sequence[Floats]) -> Floats:
    """The edges without those beside a band that an option answered, but fewer than ``LEAST_IN_BAND`` times.

    Half of such a log would lack it by chance, and leave out requests that are unlike the rest. One never answered stays by itself.
    """
    counts = np.stack([np.bincount(np.searchsorted(edges, score, side="right"), minlength=edges.size + 1) for score in scores])
    kept: list[float] = []
    open_band, before = counts[:, 0], np.zeros(2, np.int64)
    for edge, band in zip(edges.tolist(), counts.T[1:], strict=True):
        if open_band.all() and open_band.min() < LEAST_IN_BAND and band.all():
            open_band = open_band + band
        else:
            kept.append(edge)
            before, open_band = open_band, band
    if kept and before.all() and open_band.all() and open_band.min() < LEAST_IN_BAND:
        kept.pop()
    return np.array(kept)


def _quality(replay: Replay, option: str, rows: Places) -> Floats:
    """How good each answer was; a failure is worth nothing. NaN where it was never asked, or nobody rated it."""
    stated = replay.stated.get(option)
    found = replay.quality[rows]
    if stated is not None and stated.quality is not None:
        found = np.where(np.isnan(found), stated.quality, found)
    return np.where(rows < 0, np.nan, np.where(replay.failed[rows], 0.0, found))


def _side(replay: Replay, rows: Places, score: Floats, weight: Floats, quality: Floats, worth: Worth | None) -> Side:
    usd = replay.usd[rows]
    if np.isnan(usd).any() and not np.isnan(usd).all():
        usd = np.where(np.isnan(usd), np.nanmean(usd), usd)  # calls without a price, such as failures, cost what the others do
    side = Side(score, weight, quality, usd, replay.e2e[rows], replay.failed[rows], np.full(rows.size, np.nan))
    return _rated(side, worth)


def _rated(side: Side, worth: Worth | None) -> Side:
    return side if worth is None else replace(side, worth=worth(side.ms, side.failed, side.quality, side.usd))


def keys_of(asked: Asked) -> list[str]:
    """What tells each request from the others, whatever the order of the log: its pair, its id, else what is known of it."""
    pairs, ids = asked.text("pair_id"), asked.text("request_id")
    first = asked.rows.max(axis=1)
    began = asked.batch.instants
    ms, prompts = asked.number("latency_ms"), asked.text("prompt")
    return [pairs[n] or ids[n] or f"{None if began is None else began[first[n]]} {ms[n]!r} {prompts[n]}" for n in range(asked.n)]
