"""Intervals that hold at every look: an experiment may be watched and stopped when it has shown something.

A 5 % test looked at 20 times errs in a quarter of all experiments without an effect. A confidence sequence contains the truth at all
sizes of the sample at once with 95 %, so no look costs anything; it is wider than an interval for one look.

A share of independent requests has an exact one (the beta-binomial mixture), and through the count of requests at or below a value so
has a quantile. What is clustered, and means, have an asymptotic one (the normal mixture of Robbins, which is the mSPRT of Johari,
Pekelis and Walsh): an interval for one look at a stricter level, which the number of clusters tells.
"""

from __future__ import annotations

import math
from functools import lru_cache

#: The number of clusters, both arms together, at which the normal mixture is narrowest. It has to be fixed before anything is seen.
TUNED_TO = 1_000


def log_mixture(hits: float, n: float, share: float) -> float:
    """Ln M_n(share) with M_n = B(1 + s, 1 + n - s) / (share^s (1 - share)^(n - s)): the evidence against ``share``.

    A martingale of mean 1 where ``share`` is true, so that it ever reaches 1/alpha with a probability of alpha at most (Ville).
    """
    misses = n - hits
    impossible = (share <= 0 and hits > 0) or (share >= 1 and misses > 0)
    if impossible:
        return math.inf
    likelihood = (hits * math.log(share) if hits else 0.0) + (misses * math.log1p(-share) if misses else 0.0)
    return math.lgamma(1 + hits) + math.lgamma(1 + misses) - math.lgamma(2 + n) - likelihood


@lru_cache(maxsize=4096)
def share_sequence(hits: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The shares that ``hits`` of ``n`` do not speak against: valid at every n at once (beta-binomial mixture, uniform prior)."""
    if not 0 <= hits <= n or n <= 0:
        raise ValueError(f"{hits} of {n} is no share")
    bar = -math.log(1 - level)
    share = hits / n
    low = 0.0 if hits == 0 else _crossing(hits, n, bar, 0.0, share)
    high = 1.0 if hits == n else _crossing(hits, n, bar, 1.0, share)
    return low, high


def _crossing(hits: float, n: float, bar: float, outside: float, inside: float) -> float:
    """The share between one that is refuted and one that is not where the evidence passes the bar, by bisection."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if log_mixture(hits, n, middle) < bar:
            inside = middle
        else:
            outside = middle
    return outside


@lru_cache(maxsize=16384)
def quantile_ranks(n: int, p: float, level: float = 0.95) -> tuple[int | None, int | None]:
    """The ranks (1 to n) that bracket the p-quantile at every n at once, whatever the distribution; ``None`` where no rank does.

    The number of requests at or below the true quantile is a count of coins of p: the ranks are the counts the evidence allows.
    """
    bar = -math.log(1 - level)
    least = _edge_of_counts(n, p, bar, below=True)
    most = _edge_of_counts(n, p, bar, below=False)
    return (least if least >= 1 else None), (most + 1 if most + 1 <= n else None)


def _edge_of_counts(n: int, p: float, bar: float, *, below: bool) -> int:
    """The least (most) count of n that the evidence allows where the share is p; the evidence grows away from n p on both sides."""
    inside = min(n, max(0, round(n * p)))
    outside = -1 if below else n + 1
    while abs(outside - inside) > 1:
        middle = (outside + inside) // 2
        if log_mixture(middle, n, p) < bar:
            inside = middle
        else:
            outside = middle
    return inside


# ---- clusters and means: the normal mixture ----


def normal_mixture(z: float, information: float) -> float:
    """The likelihood ratio of an effect ``z`` standard errors from 0, of all effects drawn from N(0, tau^2), over none.

    ``information``: tau^2 over the variance of the estimate. With V per request, n of each arm and d their difference it is
    the mSPRT sqrt(2V/(2V + n tau^2)) exp(n^2 tau^2 d^2/(4V(2V + n tau^2))), z^2 = n d^2/2V and information = n tau^2/2V.
    """
    return math.exp(z * z * information / (2 * (1 + information))) / math.sqrt(1 + information)


def anytime_level(clusters: int, level: float = 0.95) -> float:
    """The level of the interval for one look that is valid at every look, of an estimate over so many clusters in all.

    The normal mixture rejects from |z| = sqrt(2 (1 + I)/I ln(sqrt(1 + I)/alpha)) on, I = clusters x rho^2; rho^2 is such that this is
    least near ``TUNED_TO`` clusters (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences", 2021).
    """
    alpha = 1 - level
    tuned = -2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))
    information = max(clusters, 1) * tuned / TUNED_TO
    z = math.sqrt(2 * (1 + information) / information * math.log(math.sqrt(1 + information) / alpha))
    return math.erf(z / math.sqrt(2))
