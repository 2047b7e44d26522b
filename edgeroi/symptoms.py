"""Signs of the ways an edge goes wrong unseen, read from the log: a stale model, cold starts, silent failure, growing spend, sessions.

Each sign has its threshold and, where chance could make it, a test of significance. A sign is a warning: it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from edgeroi.stats import beta_cdf
from edgeroi.words import share
from edgeroi.workload import Busy, Tally

Kind = Literal["stale_model", "cold_start", "silent_failure", "cost_explosion", "sessions"]

#: Above this share of cold starts they are inside p99.
COLD_SHARE = 0.01
#: A gap or a trend is told where chance alone makes one like it in fewer than one of a hundred logs.
ALPHA = 0.01
#: Growth in a month from which spend is said to run away, and the days a trend needs.
GROWTH_A_MONTH, LEAST_DAYS = 0.25, 7
_DAYS_A_MONTH = 730 / 24
#: From this share of sessions with several requests on they are no retries: the workload has state.
SESSIONS_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Symptom:
    """One sign: its kind, what was seen, and the p-value where it was tested."""

    kind: Kind
    said: str
    value: float | None = None
    p_value: float | None = None


def stale_model(versions: Mapping[str, Mapping[str, int]]) -> Iterator[Symptom]:
    """Options of one model whose log rows name other versions: ``option -> version -> requests``."""
    told = {name: set(seen) for name, seen in versions.items() if seen}
    if len(told) > 1 and len({frozenset(seen) for seen in told.values()}) > 1:
        said = "; ".join(f"{name} runs {', '.join(sorted(seen))}" for name, seen in told.items())
        yield Symptom("stale_model", f"the model's version differs: {said}")


def cold_starts(name: str, rows: Tally | None, stated: float | None) -> Iterator[Symptom]:
    """A share of cold starts that reaches into p99, measured or stated."""
    if rows and rows.cold_starts.n:
        cold, source = rows.cold_starts.total / rows.cold_starts.n, f"{rows.cold_starts.total:,} of {rows.cold_starts.n:,} requests"
    elif stated is not None:
        cold, source = stated, "as stated"
    else:
        return
    if cold > COLD_SHARE:
        yield Symptom("cold_start", f"{share(cold)} of the requests to {name} meet a cold start ({source}): they are inside its p99", cold)


def silent_failure(before_name: str, before: Tally, name: str, after: Tally) -> Iterator[Symptom]:
    """A candidate that fails more often or answers worse than the baseline, beyond chance."""
    if before.requests and after.requests:
        gap = after.errors / after.requests - before.errors / before.requests
        p = two_shares_p(before.errors, before.requests, after.errors, after.requests)
        if gap > 0 and p < ALPHA:
            shares = f"{share(after.errors / after.requests)} against {share(before.errors / before.requests)} at {before_name}"
            yield Symptom("silent_failure", f"{name} fails more often: {shares} (p = {p:.2g})", gap, p)
    was, now = before.mean("quality"), after.mean("quality")
    if was is not None and now is not None and now < was:
        p = quality_gap_p(was, before.sums["quality"].n, now, after.sums["quality"].n)
        if p < ALPHA:
            said = f"{name} answers worse: quality {now:.3g} against {was:.3g} at {before_name} (p < {p:.2g})"
            yield Symptom("silent_failure", said, now - was, p)


def two_shares_p(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """The two-sided p-value that two shares are one, by the pooled z test; 1 where there is nothing to tell apart."""
    pooled = (hits + other_hits) / (n + other_n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    return 2 * NormalDist().cdf(-abs(hits / n - other_hits / other_n) / error) if error else 1.0


def quality_gap_p(mean: float, n: int, other_mean: float, other_n: int) -> float:
    """At most this p-value, two-sided, that two mean qualities of 0..1 are one: a score in 0..1 varies by q(1 - q) at most."""
    error = math.sqrt(mean * (1 - mean) / n + other_mean * (1 - other_mean) / other_n)
    return 2 * NormalDist().cdf(-abs(mean - other_mean) / error) if error else 0.0 if mean != other_mean else 1.0


def cost_explosion(hours: Mapping[int, Busy]) -> Iterator[Symptom]:
    """Daily requests that grow by more than chance makes them, and fast: what is paid by use grows with them."""
    days = daily_requests(hours)
    if len(days) < LEAST_DAYS:
        return
    growth, p = trend(days)
    month = (1 + growth) ** _DAYS_A_MONTH - 1
    if p < ALPHA and month > GROWTH_A_MONTH:
        said = f"requests grow by {share(month)} a month over the log's {len(days)} whole days (p = {p:.2g})"
        yield Symptom("cost_explosion", f"{said}: what is paid by use grows with them", month, p)


def daily_requests(hours: Mapping[int, Busy]) -> tuple[int, ...]:
    """Requests of each whole UTC day between the first and the last, days without any included."""
    told = [hour for hour in hours if hour >= 0]
    if not told:
        return ()
    first, last = -(-min(told) // 24), (max(told) + 1) // 24
    return tuple(sum(hours[hour].requests for hour in range(24 * day, 24 * day + 24) if hour in hours) for day in range(first, last))


def trend(days: tuple[int, ...]) -> tuple[float, float]:
    """Growth a day as a share, and its two-sided p-value: least squares of ln(requests) on the day, t with n - 2 degrees.

    Days spread more than their Poisson error, so the spread around the line is what it is tested against.
    """
    y, x = np.log(np.maximum(np.array(days, np.float64), 0.5)), np.arange(len(days), dtype=np.float64)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - slope * centred
    error = math.sqrt(float(rest @ rest) / (len(days) - 2) / float(centred @ centred))
    return math.expm1(slope), _t_tail(abs(slope) / error, len(days) - 2) if error else 0.0 if slope else 1.0


def _t_tail(t: float, degrees: int) -> float:
    """P(|T| > t) of Student's t: I_x(d/2, 1/2) at x = d / (d + t^2)."""
    return beta_cdf(degrees / (degrees + t * t), degrees / 2, 0.5)


def sessions(several: int, known: int) -> Iterator[Symptom]:
    """Sessions of several requests: what they remember must be where they are served."""
    if known and several / known >= SESSIONS_SHARE:
        said = f"{several:,} of {known:,} sessions in the log have several requests: their context must be where they are served"
        yield Symptom("sessions", f"{said} (say how it gets there: origin_calls)", several / known)
