"""Whether a person notices a saving: at least a share of the wait, and at least so many milliseconds.

The just noticeable difference of waits under 30 s is about 18 %, rounded to 20 % (Seow, "Designing and Engineering Time", 2008);
below about 100 ms a response seems instant (Nielsen, "Usability Engineering", 1993, after Miller, 1968). Typing notices about 50 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeroi.latency import Latency, comonotone

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: A saving of exactly the share is felt, whatever rounding makes of the share.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Felt:
    """The rule: a saving is felt from ``share`` of the baseline and from ``ms`` on, whichever is more."""

    share: float = 0.20
    ms: float = 100.0

    def felt_from_ms(self, baseline_ms: float) -> float:
        """How many ms a saving must have to be felt in a wait of ``baseline_ms``."""
        return max(self.ms, self.share * baseline_ms)

    def felt(self, baseline_ms: float, saving_ms: float) -> bool:
        """Whether this saving is felt in this wait."""
        return bool(self.felt_each(np.array([baseline_ms]), np.array([saving_ms]))[0])

    def felt_each(self, baseline_ms: Floats, saving_ms: Floats) -> Flags:
        """Which savings (n,) are felt in which waits (n,)."""
        least = np.maximum(self.ms, self.share * baseline_ms)
        return np.asarray(saving_ms >= least * (1 - _ROUNDING), np.bool_)


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a person notices of a change: at p50, at p99, in which share of requests, and what p50 would have to save."""

    at_p50: bool
    at_p99: bool
    share: float
    felt_from_ms: float


def whole_path_ms(baseline: Latency, baseline_ms: Floats, part_of_ms: float | None) -> Floats:
    """What a person waits for while the stage takes ``baseline_ms`` (n,): the whole path, whose p50 is ``part_of_ms``.

    The rest of the path is taken as constant; the whole is never less than the stage.
    """
    return path_ms(baseline.quantile(0.5), baseline_ms, part_of_ms)


def path_ms(p50_ms: float | Floats, baseline_ms: Floats, part_of_ms: float | Floats | None) -> Floats:
    """The same of a baseline whose p50 is known; in many worlds at once the numbers are columns (m, 1)."""
    return baseline_ms if part_of_ms is None else np.maximum(part_of_ms - p50_ms + baseline_ms, baseline_ms)


def noticed(rule: Felt, baseline: Latency, candidate: Latency, part_of_ms: float | None = None) -> Noticed:
    """What a person notices of going from baseline to candidate, successes only, quantile by quantile."""
    weights, before, after = comonotone(baseline, candidate)
    each = rule.felt_each(whole_path_ms(baseline, before, part_of_ms), before - after)
    at = [
        rule.felt(float(whole_path_ms(baseline, np.array([was]), part_of_ms)[0]), was - candidate.quantile(p))
        for p in (0.5, 0.99)
        for was in (baseline.quantile(p),)
    ]
    p50 = baseline.quantile(0.5) if part_of_ms is None else part_of_ms
    return Noticed(at[0], at[1], float(weights[each].sum()), rule.felt_from_ms(p50))


def notice_probability(baseline_ms: float, candidate_ms: float, share: float = 0.20) -> float:
    """The probability of telling the faster from the slower: Phi(z75 * ln(baseline/candidate) / ln(1 + share)).

    A ratio of 1 + share is told apart by three in four, which is what a just noticeable difference means. A report, not a gate.
    """
    z75 = NormalDist().inv_cdf(0.75)
    return NormalDist().cdf(z75 * math.log(baseline_ms / candidate_ms) / math.log(1 + share))


def notice_weight(baseline_ms: float, candidate_ms: float, share: float = 0.20) -> float:
    """The soft gate: 0 where a difference is guessed, 1 where everyone notices, max(0, 2p - 1)."""
    return max(0.0, 2 * notice_probability(baseline_ms, candidate_ms, share) - 1)
