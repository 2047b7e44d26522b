"""What a sample leaves unknown of the value computed from it: draws of the error of a mean, of a share, of paired differences.

A value is a mean of what requests lose, so its error is drawn directly, not by drawing samples: a mean over n requests is normal with
variance var/n, a share of misses is Beta (Jeffreys' prior), a quantile is the value at a rank that is Beta. ``n`` is the effective
number of requests: where days differ by more than chance, what the days are worth (``latency.over_days``). All in the likely world.
The tests hold each against samples drawn anew.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from edgeroi.draws import Chance, beta_scores, scores
from edgeroi.estimate import World
from edgeroi.felt import Felt
from edgeroi.latency import Latency, comonotone
from edgeroi.values import ROUNDING, Gated, ValueModel, counted
from edgeroi.values.deadline import Deadline

Floats = NDArray[np.float64]
_HERE: World = {}


def same_sample(one: Latency | None, two: Latency | None) -> bool:
    """Whether both are one sample: its error then cancels, and only the spread of the differences is left."""
    return one is not None and two is not None and one.n is not None and sample_name(one) == sample_name(two)


def sample_name(sample: Latency) -> str:
    """A name that follows from what the sample holds: one sample errs the same way wherever it is used, two samples independently."""
    held = blake2b(sample.values_ms.tobytes() + sample.weights.tobytes(), digest_size=8).hexdigest()
    return f"sample {held} of {sample.n}"


def error_of_quantile(sample: Latency, p: float, rng: np.random.Generator, n: int) -> Floats:
    """``n`` draws (n,) of a quantile less its estimate: the rank of the true one among ``sample.n`` is Beta(np + 1/2, n(1-p) + 1/2)."""
    if sample.n is None:
        return np.zeros(n)
    ranks = beta_scores(p * sample.n + 0.5, (1 - p) * sample.n + 0.5, rng, n)
    return sample.values_ms[np.searchsorted(sample.cumulative, ranks - 1e-12)] - sample.quantile(p)


def error_of_gain(
    model: ValueModel,
    before: Latency,
    after: Latency,
    names: tuple[str, str],
    chance: Chance,
    *,
    felt: Felt | None = None,
    part_of_ms: float | None = None,
) -> Floats | None:
    """Draws (n,) of the error of ``values.gain_units``, in its units; ``None`` where nothing was sampled. The model must be anchored.

    ``names`` are those of the two samples; where they are equal the sides are one sample, seen twice, and requests are paired.
    """
    if before.n is None and after.n is None:
        return None
    slowest = max(before.quantile(0.99), after.quantile(0.99))
    sides = ((before, names[0]), (after, names[1]))
    if names[0] != names[1] and not isinstance(model, Gated):
        each = [_error_of_loss(model, side, slowest, chance.rng(name), chance.draws) for side, name in sides]
        return each[0] - each[1]
    weights, was, now = comonotone(before.failing_at(slowest), after.failing_at(slowest))
    lost = [model.lost(was, _HERE), model.lost(now, _HERE)]
    counts = np.ones_like(was, np.bool_)
    if isinstance(model, Gated):
        counts = counted(model, was, now, before.quantile(0.5), _HERE, felt=felt, part_of_ms=part_of_ms)
    if names[0] == names[1]:
        gained = np.where(counts, lost[0] - lost[1], 0.0)
        return _error_of_mean(gained, weights, _requests(before), chance.rng(names[0]), chance.draws)
    each = [
        _error_of_mean(_counted_part(values, counts), weights, _requests(side), chance.rng(name), chance.draws)
        for values, (side, name) in zip(lost, sides, strict=True)
    ]
    return each[0] - each[1]


def _requests(side: Latency) -> float | None:
    """How many requests the sample is worth, failures among them."""
    return None if side.n is None or side.failure_ratio == 1 else side.n / (1 - side.failure_ratio)


def _error_of_loss(model: ValueModel, side: Latency, slowest_ms: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draws of the error of what a request of one side loses on average, failures included."""
    lost = np.append(model.lost(side.values_ms, _HERE), model.failure_lost(slowest_ms, _HERE))
    weights = np.append(side.weights * (1 - side.failure_ratio), side.failure_ratio)
    n = _requests(side)
    if n is not None and isinstance(model, Deadline) and not model.hinge:
        return _error_of_share(float(weights @ lost), n, rng, draws)
    return _error_of_mean(lost, weights, n, rng, draws)


def _counted_part(lost: Floats, counts: NDArray[np.bool_]) -> Floats:
    """What of each request's loss counts: the loss summed over the steps between paired requests, those that do not count left out.

    The influence function of a gain that counts in some requests only. That the border between what is felt and what is not is
    itself uncertain is left out.
    """
    return np.cumsum(np.where(counts, np.diff(lost, prepend=0.0), 0.0))


def _error_of_mean(lost: Floats, weights: Floats, n: float | None, rng: np.random.Generator, draws: int) -> Floats:
    """Draws of the error of the mean of ``lost`` under ``weights``, were they ``n`` independent requests; two-valued ones are a share."""
    held = lost[weights > 0]
    least, most = float(held.min()), float(held.max())
    if n is None or most - least <= ROUNDING * max(abs(least), abs(most)):
        return np.zeros(draws)
    mean = float(weights @ lost)
    if np.all((held == least) | (held == most)):
        return (most - least) * _error_of_share((mean - least) / (most - least), n, rng, draws)
    return scores(rng, draws) * float(np.sqrt(weights @ (lost - mean) ** 2 / n))


def _error_of_share(share: float, n: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draws of the error of a share seen in ``n`` requests: the true one is Beta(hits + 1/2, misses + 1/2)."""
    hits = min(max(share * n, 0.0), n)
    return beta_scores(hits + 0.5, n - hits + 0.5, rng, draws) - hits / n
