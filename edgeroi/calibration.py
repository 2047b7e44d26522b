"""What a router's score is worth: the curve over its threshold, the best threshold with its interval, and whether its confidence is right.

A router sends a request to the ``weak`` option where its score is at least a threshold, else to the ``strong`` one. PGR, APGR and CPT are
those of RouteLLM (Ong et al., arXiv 2406.18665): with the qualities r of the router, of weak and of strong alone, PGR = (r - r_weak) /
(r_strong - r_weak); APGR is its mean over the share of strong calls, by the trapezoid rule; CPT(x) is the least share that reaches PGR x.

The threshold is chosen on one half of the requests and judged on the other: the best of many is always flattered by the half that chose it.
Its 95 % interval holds every threshold that this half cannot tell from the best, or from the one that just meets the limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edgeroi.errors import NoAnswer
from edgeroi.estimate import Estimate
from edgeroi.latency import Latency
from edgeroi.stats import normal_quantile, wilson

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Goal = Literal["max-net", "max-quality", "min-cost"]
GOALS: tuple[Goal, ...] = ("max-net", "max-quality", "min-cost")

LEVEL = 0.95
#: Thresholds that are tried at most, and requests of a half that lie between two of them at least.
_CANDIDATES, _BETWEEN = 100, 10
#: The 95 % quantile of the likelihood ratio for a rising function at a point.
_RATIO = 2.286922
_BINS = 10


# ---- RouteLLM's numbers ----


def recovered(quality: Floats, weak: float, strong: float) -> Floats | None:
    """PGR of each quality; ``None`` where the strong option is not better than the weak one."""
    return None if strong <= weak else (quality - weak) / (strong - weak)


def mean_recovered(strong_shares: Floats, gaps: Floats) -> float:
    """APGR: the mean of PGR over the share of strong calls, which must go from 0 to 1."""
    return float(np.trapezoid(gaps, strong_shares))


def share_to_recover(strong_shares: Floats, gaps: Floats, level: float) -> float | None:
    """CPT: the least share of strong calls among these that reaches a PGR of ``level``; ``None`` where none does."""
    reaching = strong_shares[gaps >= level - 1e-9]
    return float(reaching.min()) if reaching.size else None


# ---- the sides of a sweep ----


@dataclass(frozen=True, eq=False)
class Side:
    """Answers of one option (m,): the ``score`` of the request, its ``weight`` (they sum to 1), and what the answer was; NaN is unknown.

    ``worth``: USD of having this answer, its cost taken off; only its differences mean anything.
    """

    score: Floats
    weight: Floats
    quality: Floats
    usd: Floats
    ms: Floats
    failed: Flags
    worth: Floats

    def at(self, rows: Flags) -> Side:
        """Some of the answers, their weights again summing to 1."""
        columns = {name: getattr(self, name)[rows] for name in self.__dataclass_fields__}
        return Side(**{**columns, "weight": columns["weight"] / columns["weight"].sum()})


@dataclass(frozen=True, eq=False)
class Sweep:
    """Requests with a score, as both options serve them. ``paired``: row i of both sides is the same request, ``n`` of them.

    ``rising``: whether high values of ``field`` go to the weak option; else low ones do, and the score is the value with its sign turned.
    ``edges``: the scores between which both sides weigh the same, where they are not pairs: only these are thresholds.
    """

    field: str
    weak: Side
    strong: Side
    paired: bool
    rising: bool
    edges: Floats | None = None

    @property
    def n(self) -> int:
        """How many requests there are: a pair is one."""
        return self.weak.score.size if self.paired else self.weak.score.size + self.strong.score.size

    def threshold(self, score: float) -> float | None:
        """A score as a value of the field; ``None`` beyond all of them."""
        return None if math.isinf(score) else score if self.rising else -score

    def candidates(self, between: int = _BETWEEN) -> Floats:
        """Scores to try, from all weak (-inf) to all strong (inf): at most ``_CANDIDATES``, with so many requests ``between`` two."""
        if self.edges is not None:
            return np.concatenate(([-np.inf], self.edges, [np.inf]))
        scores = np.unique(np.concatenate((self.weak.score, self.strong.score)))
        most = max(2, min(_CANDIDATES, self.n // between))
        if scores.size > most:
            every = np.sort(np.concatenate((self.weak.score, self.strong.score)))
            scores = np.unique(every[np.linspace(0, every.size - 1, most + 1).astype(np.int64)[1:]])
        return np.concatenate(([-np.inf], scores, [np.inf]))


@dataclass(frozen=True, eq=False)
class Sums:
    """One measure over the candidates (k,): its mean at each, the variance of that mean, and what lies between neighbours (k - 1,).

    ``gain``: what a step from a candidate to the next adds (that cell goes from weak to strong), ``spread`` the variance of that.
    """

    mean: Floats
    variance: Floats
    gain: Floats
    spread: Floats


def summed(sweep: Sweep, candidates: Floats, weak: Floats, strong: Floats) -> Sums:
    """A measure (m,) of both sides, summed over the candidates: weak serves at candidate j where the score >= candidates[j]."""
    sides, k = (sweep.weak, sweep.strong), candidates.size - 1
    cells = [_cells(side.score, candidates) for side in sides]
    sums = [_totals(cell, side.weight * values, k) for cell, side, values in zip(cells, sides, (weak, strong), strict=True)]
    before, after = (np.concatenate(([0.0], np.cumsum(each))) for each in sums)
    mean = after + before[-1] - before
    if sweep.paired:
        n = sweep.weak.score.size
        squares = [_totals(cells[0], values**2 / n, k) for values in (weak, strong)]
        turned, kept = (np.concatenate(([0.0], np.cumsum(each))) for each in squares)
        variance = np.maximum(kept + turned[-1] - turned - mean**2, 0.0) / n
        gain = sums[1] - sums[0]
        spread = np.maximum(_totals(cells[0], (strong - weak) ** 2 / n, k) - gain**2, 0.0) / n
        return Sums(mean, variance, gain, spread)
    errors = [_error(cell, side.weight, values, k) for cell, side, values in zip(cells, sides, (weak, strong), strict=True)]
    turned, kept = (np.concatenate(([0.0], np.cumsum(each))) for each in errors)
    variance = kept + turned[-1] - turned + _composition(sweep, cells, sums, mean)
    return Sums(mean, variance, sums[1] - sums[0], errors[0] + errors[1])


def _composition(sweep: Sweep, cells: Sequence[Places], sums: Sequence[Floats], mean: Floats) -> Floats:
    """What the variance of each mean owes to how many requests fell into each cell: of single rows both sides stand for those."""
    k = mean.size - 1
    held = [_totals(cell, side.weight, k) for cell, side in zip(cells, (sweep.weak, sweep.strong), strict=True)]
    squares = [np.divide(total**2, share, out=np.zeros(k), where=share > 0) for total, share in zip(sums, held, strict=True)]
    turned, kept = (np.concatenate(([0.0], np.cumsum(each))) for each in squares)
    return np.asarray(np.maximum(kept + turned[-1] - turned - mean**2, 0.0) / sweep.n, np.float64)


def _totals(cell: Places, values: Floats, k: int) -> Floats:
    return np.bincount(cell, values, k).astype(np.float64, copy=False)


def _cells(score: Floats, candidates: Floats) -> Places:
    """The cell of each score: between which two candidates it lies, the lower one included."""
    return np.searchsorted(candidates, score, side="right") - 1


def _error(cell: Places, weight: Floats, values: Floats, k: int) -> Floats:
    """The variance of each cell's sum, its answers being a sample of its requests."""
    held, count = np.bincount(cell, weight, k), np.bincount(cell, minlength=k)
    means = np.divide(np.bincount(cell, weight * values, k), held, out=np.zeros(k), where=held > 0)
    spread = np.bincount(cell, weight**2 * (values - means[cell]) ** 2, k)
    return np.where(count > 1, spread * count / np.maximum(count - 1, 1), held**2 * float(values.var()) if values.size else 0.0)


# ---- the curve ----


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold, ``None`` beyond the last value, and what a request comes to under it; ``worth`` in USD beside all strong."""

    threshold: float | None
    strong_share: float
    quality: float | None
    usd: float | None
    p50: float
    p95: float
    p99: float
    failure_ratio: float
    worth: float | None
    recovered: float | None = None


@dataclass(frozen=True)
class Curve:
    """The points from all weak to all strong; ``apgr`` and ``cpt`` where quality is known and strong is better."""

    points: tuple[Point, ...]
    apgr: float | None = None
    cpt: tuple[tuple[float, float | None], ...] = ()


#: The shares of the gap that CPT is told for.
CPT_LEVELS = (0.5, 0.8, 0.95)


def curve_of(sweep: Sweep) -> Curve:
    """The cost, quality and latency of every candidate threshold, over all requests: a description, nothing is chosen by it."""
    candidates = sweep.candidates(between=1)
    told = {name: _means(sweep, candidates, name) for name in ("quality", "usd", "worth")}
    shares = summed(sweep, candidates, np.zeros(sweep.weak.score.size), np.ones(sweep.strong.score.size)).mean
    latencies = [latency_at(sweep, score) for score in candidates]
    quality = told["quality"]
    gaps = None if quality is None else recovered(quality, float(quality[0]), float(quality[-1]))
    points = tuple(
        Point(
            sweep.threshold(float(score)),
            float(min(1.0, max(0.0, shares[j]))),
            _at(told["quality"], j),
            _at(told["usd"], j),
            latencies[j].quantile(0.5),
            latencies[j].quantile(0.95),
            latencies[j].quantile(0.99),
            latencies[j].failure_ratio,
            None if (worth := told["worth"]) is None else float(worth[j] - worth[-1]),
            _at(gaps, j),
        )
        for j, score in enumerate(candidates)
    )
    if gaps is None:
        return Curve(points)
    return Curve(points, mean_recovered(shares, gaps), tuple((level, share_to_recover(shares, gaps, level)) for level in CPT_LEVELS))


def _at(values: Floats | None, place: int) -> float | None:
    return None if values is None else float(values[place])


def _means(sweep: Sweep, candidates: Floats, name: str) -> Floats | None:
    sums = _summed_column(sweep, candidates, name)
    return None if sums is None else sums.mean


def _summed_column(sweep: Sweep, candidates: Floats, name: str) -> Sums | None:
    weak, strong = getattr(sweep.weak, name), getattr(sweep.strong, name)
    return None if np.isnan(weak).any() or np.isnan(strong).any() else summed(sweep, candidates, weak, strong)


def latency_at(sweep: Sweep, score: float) -> Latency:
    """How long requests take where the threshold is this score."""
    kept = [sweep.weak.score >= score, sweep.strong.score < score]
    parts = [side.at(rows) if rows.any() else None for side, rows in zip((sweep.weak, sweep.strong), kept, strict=True)]
    shares = [float(side.weight[rows].sum()) for side, rows in zip((sweep.weak, sweep.strong), kept, strict=True)]
    weights = np.concatenate([share * part.weight for share, part in zip(shares, parts, strict=True) if part])
    ms = np.concatenate([part.ms for part in parts if part])
    failed = np.concatenate([part.failed for part in parts if part])
    failing = float(weights[failed].sum() / weights.sum())
    answered = ~failed if not failed.all() else failed
    n = int(np.count_nonzero(answered)) if sweep.paired else _worth(shares, parts)
    return Latency.from_atoms(ms[answered], weights[answered], failure_ratio=min(1.0, failing), n=n, basis="measured")


def _worth(shares: Sequence[float], parts: Sequence[Side | None]) -> int:
    """As many requests as the samples are worth at least, as of ``latency.mixture``; unequal weights count as Kish has it."""
    told = [1 / float((part.weight**2).sum()) / share for share, part in zip(shares, parts, strict=True) if part]
    return int(min(told))


# ---- the best threshold ----


@dataclass(frozen=True)
class Chosen:
    """The threshold chosen on one half, with its interval (``None``: beyond the last value on that side), judged on the other half.

    ``n``: requests of both halves. ``met``: whether the limit of the goal holds in the other half; ``None`` where the goal has none.
    """

    goal: Goal
    limit: float | None
    threshold: float | None
    interval: tuple[float | None, float | None]
    score: float
    n: tuple[int, int]
    all_strong: bool
    all_weak: bool
    held_out: HeldOut
    chosen_on: HeldOut
    met: bool | None


@dataclass(frozen=True)
class HeldOut:
    """What a threshold comes to on some requests: per request, with 95 % intervals; ``worth`` beside all strong."""

    strong_share: Estimate
    quality: Estimate | None
    usd: Estimate | None
    worth: Estimate | None
    latency: Latency


def chosen(first: Sweep, second: Sweep, goal: Goal, limit: float | None = None) -> Chosen:
    """The best threshold for a goal, chosen on one half and judged on the other.

    ``limit``: USD of a request for ``max-quality``, quality for ``min-cost``.

    Raises ``NoAnswer`` where quality, cost or worth is not known, and where no threshold keeps the limit.
    """
    candidates = first.candidates()
    best, accepted = _best(first, candidates, goal, limit)
    low, high = max(0, int(accepted.min()) - 1), min(candidates.size - 1, int(accepted.max()) + 1)
    ends = first.threshold(float(candidates[low])), first.threshold(float(candidates[high]))
    score = float(candidates[best])
    held = judged_at(second, score)
    bound = held.usd if goal == "max-quality" else held.quality if goal == "min-cost" else None
    met = None if bound is None or limit is None else bound.value <= limit if goal == "max-quality" else bound.value >= limit
    return Chosen(
        goal,
        limit,
        first.threshold(score),
        ends if first.rising else ends[::-1],
        score,
        (first.n, second.n),
        math.isinf(score) and score > 0,
        math.isinf(score) and score < 0,
        held,
        judged_at(first, score),
        met,
    )


def _shares(sweep: Sweep, candidates: Floats) -> Floats:
    """The share of requests in each cell (k - 1,)."""
    return _totals(_cells(sweep.weak.score, candidates), sweep.weak.weight, candidates.size - 1)


def _best(sweep: Sweep, candidates: Floats, goal: Goal, limit: float | None) -> tuple[int, Places]:
    """``(place of the best candidate, places that cannot be told from it)``."""
    if goal == "max-net":
        worth = _needed(sweep, candidates, "worth", "what an answer is worth")
        best = int(np.argmax(worth.mean))
        return best, np.union1d(np.flatnonzero(not_told_from_best(worth, _shares(sweep, candidates))), [best])
    quality, usd = (_needed(sweep, candidates, name, said) for name, said in (("quality", "the quality of answers"), ("usd", "cost")))
    assert limit is not None
    bound, sign, wanted = (usd, -1.0, quality.mean) if goal == "max-quality" else (quality, 1.0, -usd.mean)
    keeps = sign * (bound.mean - limit) >= -1e-12 * max(1.0, abs(limit))
    if not keeps.any():
        reach = f"{bound.mean.min():.4g} to {bound.mean.max():.4g}"
        said = f"no threshold keeps {'the budget' if goal == 'max-quality' else 'the quality floor'} {limit:.4g}: it reaches {reach}"
        raise NoAnswer(said, fix="move the limit")
    best = int(np.flatnonzero(keeps)[np.argmax(wanted[keeps])])
    near = np.abs(bound.mean - limit) <= normal_quantile((1 + LEVEL) / 2) * np.sqrt(bound.variance)
    return best, np.union1d(np.flatnonzero(near), [best])


def _needed(sweep: Sweep, candidates: Floats, name: str, said: str) -> Sums:
    found = _summed_column(sweep, candidates, name)
    if found is None:
        raise NoAnswer(f"{said} is not known at both options, so no threshold can be chosen by it")
    return found


def not_told_from_best(sums: Sums, shares: Floats) -> Flags:
    """Which candidates (k,) may be the true best one at ``LEVEL``, the gain of the weak option rising with the score.

    The best threshold is where the expected gain of one more weak answer passes 0. Each candidate is tested by the likelihood ratio for a
    rising function that is at most 0 below it and at least 0 above (isotonic least squares with and without that), whose limit has no
    unknowns: its 95 % quantile is ``_RATIO`` (Banerjee and Wellner, Annals of Statistics 29, 2001). Where the gain jumps at the
    threshold instead of passing 0 smoothly, the set holds the best one more often. ``shares`` (k - 1,): of requests in each cell.
    """
    held = shares > 0
    means = np.where(held, -sums.gain / np.where(held, shares, 1.0), 0.0)
    noise = np.where(held, sums.spread / np.where(held, shares, 1.0), 0.0)
    width = 2 * (means.size // 10) + 1
    local = np.convolve(noise, np.ones(width), "same") / np.maximum(np.convolve(held.astype(np.float64), np.ones(width), "same"), 1.0)
    weights = np.where(held, shares / np.maximum(local, 1e-30), 0.0)
    below, above = _misfit(means, weights), _misfit(-means[::-1], weights[::-1])[:, ::-1]
    ratio = below[0] + above[0] - below[1][-1]
    return np.asarray(ratio <= _RATIO)


def _misfit(values: Floats, weights: Floats) -> NDArray[np.float64]:
    """``(with, without)`` (2, k + 1): the weighted squares left over by the best rising fit of the first i values, at most 0 or not.

    Pool adjacent violators; cutting the fit at 0 gives the best one below 0.
    """
    found = np.zeros((2, values.size + 1))
    blocks: list[list[float]] = []  # weight, weighted sum
    square = 0.0
    for place, (value, weight) in enumerate(zip(values.tolist(), weights.tolist(), strict=True), 1):
        square += weight * value * value
        if weight > 0:
            blocks.append([weight, weight * value])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1][0] += last[0]
            blocks[-1][1] += last[1]
        free = sum(total * total / held for held, total in blocks)
        cut = sum(total * total / held for held, total in blocks if total < 0)
        found[:, place] = square - cut, square - free
    return found


def judged_at(sweep: Sweep, score: float) -> HeldOut:
    """What a threshold comes to on these requests."""
    ends = np.unique(np.array([-np.inf, score, np.inf]))
    place = int(np.flatnonzero(ends == score)[0])

    def told(sums: Sums | None, n: int) -> Estimate | None:
        if sums is None:
            return None
        half = normal_quantile((1 + LEVEL) / 2) * math.sqrt(float(sums.variance[place]))
        mean = float(sums.mean[place])
        return Estimate(mean, mean - half, mean + half, n, "measured")

    share = float(summed(sweep, ends, np.zeros(sweep.weak.score.size), np.ones(sweep.strong.score.size)).mean[place])
    share = min(1.0, max(0.0, share))
    strong_share = Estimate(share, *wilson(share * sweep.n, sweep.n), sweep.n, "measured")
    quality, usd = (told(_summed_column(sweep, ends, name), sweep.n) for name in ("quality", "usd"))
    return HeldOut(strong_share, quality, usd, _worth_beside_strong(sweep, ends, place), latency_at(sweep, score))


def _worth_beside_strong(sweep: Sweep, ends: Floats, place: int) -> Estimate | None:
    sums = _summed_column(sweep, ends, "worth")
    if sums is None:
        return None
    gain, spread = 0.0 - float(sums.gain[place:].sum()), float(sums.spread[place:].sum())
    if not sweep.paired and gain:  # how many requests lie beyond the threshold is a sample too
        share = float(sweep.weak.weight[sweep.weak.score >= ends[place]].sum())
        spread += gain**2 * max(0.0, 1 / share - 1) / sweep.n
    half = normal_quantile((1 + LEVEL) / 2) * math.sqrt(spread)
    return Estimate(gain, gain - half, gain + half, sweep.n, "measured")


def half_of(key: str, seed: int) -> bool:
    """Whether a request belongs to the half that chooses: the same for the same key and seed, whatever the order of the log."""
    return crc32(f"{seed}:{key}".encode()) % 2 == 0


# ---- what the confidence is worth ----


@dataclass(frozen=True, slots=True)
class Bin:
    """Requests whose confidence lies in [low, high): how many, the mean confidence, and how good the weak option's answers were."""

    low: float
    high: float
    n: int
    confidence: float
    quality: float


def calibration_error(confidence: Floats, quality: Floats) -> tuple[float, tuple[Bin, ...]]:
    """Expected calibration error: the mean over ten equal bins of |confidence - quality|, by their requests (Naeini et al., AAAI 2015)."""
    places = np.clip((confidence * _BINS + 1e-9).astype(np.int64), 0, _BINS - 1)
    counts = np.bincount(places, minlength=_BINS)
    means = [np.bincount(places, values, _BINS) / np.maximum(counts, 1) for values in (confidence, quality)]
    found = tuple(
        Bin(int(place) / _BINS, (int(place) + 1) / _BINS, int(counts[place]), float(means[0][place]), float(means[1][place]))
        for place in np.flatnonzero(counts)
    )
    error = sum(each.n * abs(each.confidence - each.quality) for each in found) / counts.sum()
    return float(error), found


@dataclass(frozen=True, slots=True)
class Misrouted:
    """Shares of all requests: sent to the weak option and answered worse there; sent to the strong one though the weak is as good.

    ``low`` and ``high`` are equal where both answers of each request are known; else they are what the two samples leave possible.
    """

    too_weak: tuple[float, float]
    too_strong: tuple[float, float]
    n: int
    paired: bool


def misrouted(sent_weak: Flags, weak: Floats, strong: Floats) -> Misrouted:
    """Of requests (n,) with the quality of both answers."""
    worse = float(np.mean(sent_weak & (weak < strong)))
    needless = float(np.mean(~sent_weak & (weak >= strong)))
    return Misrouted((worse, worse), (needless, needless), sent_weak.size, True)


def misrouted_within(shares: tuple[float, float], weak: tuple[Floats, Floats], strong: tuple[Floats, Floats]) -> Misrouted:
    """Of requests with one answer each: bounds that hold however the two answers go together (Makarov, 1981).

    ``shares`` sent weak and strong; ``weak`` and ``strong``: qualities of each option among those sent weak, and among those sent strong.
    """
    worse = [share_less(weak[side], strong[side]) for side in (0, 1)]
    too_weak = shares[0] * worse[0][0], shares[0] * worse[0][1]
    too_strong = shares[1] * (1 - worse[1][1]), shares[1] * (1 - worse[1][0])
    return Misrouted(too_weak, too_strong, weak[0].size + strong[0].size + weak[1].size + strong[1].size, False)


def share_less(one: Floats, two: Floats) -> tuple[float, float]:
    """Between which shares P(one < two) lies, given both distributions alone."""
    if not one.size or not two.size:
        return 0.0, 1.0
    points = np.unique(np.concatenate((one, two)))
    below = [np.searchsorted(np.sort(values), points, side="right") / values.size for values in (one, two)]
    under = [np.searchsorted(np.sort(values), points, side="left") / values.size for values in (one, two)]
    low = max(0.0, float(np.max(below[0] - below[1])))
    high = 1 - max(0.0, float(np.max(below[1] - under[0])))
    return low, high
