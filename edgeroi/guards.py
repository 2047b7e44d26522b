"""What is asked of an experiment before any of its results: were the arms filled as meant, with like requests, at the same time?

Whoever is not asked first finds effects that are none: a redirect that loses one arm's slow users, a router that sends it the short
prompts, a quiet week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.arms import Requests
from edgeroi.census import token_band
from edgeroi.latency import COVERED_LEAST, MIX_ALPHA, MIX_DISTANCE, STRATUM_LEAST, TOLD_SHARE
from edgeroi.request import NO_INSTANT
from edgeroi.stats import chi_square_tail, homogeneity_p, total_variation
from edgeroi.words import share as percent
from edgeroi.workload import NS_PER_HOUR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Status = Literal["ok", "warning", "invalid", "unknown"]

#: Below the first nothing is told of the arms' results; below the second it is said beside them.
RATIO_INVALID, RATIO_WARNING = 0.001, 0.01
#: Arms are told to have run at the same time where they share so much of the time that both took.
OVERLAP_LEAST = 0.80
#: A share of the units in more than one arm that is said.
BOTH_LEAST = 0.01
_QUARTER_HOURS = 6


@dataclass(frozen=True, slots=True)
class Guard:
    """One question, how it was answered, and the numbers it was answered by."""

    name: str
    status: Status
    said: str
    numbers: Mapping[str, float | None] = field(default_factory=dict)


# ---- how many ----


def sample_ratio(counts: Mapping[str, int], expected: Mapping[str, float], what: str = "requests") -> Guard:
    """Whether the arms hold as many units as their shares promise: chi-square; p < 0.001 and the experiment is invalid.

    One that is short of what chance explains has lost units by what is being tested or counted, and so is another sample.
    """
    held = np.array([counts[arm] for arm in expected], np.float64)
    promised = np.array([*expected.values()], np.float64)
    promised *= held.sum() / promised.sum()
    statistic = float(((held - promised) ** 2 / promised).sum())
    p = chi_square_tail(statistic, held.size - 1)
    told = " : ".join(f"{counts[arm]:,} {arm}" for arm in expected)
    meant = "" if np.allclose(promised, promised[0]) else f" of {' : '.join(f'{n:,.0f}' for n in promised)} expected"
    said = f"{told} {what}{meant}, chi-square {statistic:.1f}, p {p:.2g}"
    status: Status = "invalid" if p < RATIO_INVALID else "warning" if p < RATIO_WARNING else "ok"
    return Guard("sample ratio", status, said, {"chi_square": statistic, "p": p, **{f"n_{arm}": float(n) for arm, n in counts.items()}})


def in_both(control: Requests, treated: Requests, paired: bool) -> Guard | None:
    """Whether units stay in one arm, where it is not pairs that they are."""
    if control.unit is None or treated.unit is None or paired:
        return None
    one, two = np.unique(control.unit), np.unique(treated.unit)
    shared = np.intersect1d(one, two, assume_unique=True).size / max(1, min(one.size, two.size))
    if shared < BOTH_LEAST:
        return Guard("units apart", "ok", f"{percent(shared)} of the units are in both arms", {"share": shared})
    said = f"{percent(shared)} of the units are in both arms: what one arm did to them they may carry into the other"
    return Guard("units apart", "warning", said, {"share": shared})


# ---- when ----


def at_once(control: tuple[int, int] | None, treated: tuple[int, int] | None) -> Guard:
    """Whether the arms ran at the same time."""
    if control is None or treated is None:
        return Guard("same time", "unknown", "no instants: whether the arms ran at the same time is unknown")
    union = max(control[1], treated[1]) - min(control[0], treated[0])
    common = max(0, min(control[1], treated[1]) - max(control[0], treated[0]))
    overlap = common / union if union else 1.0
    numbers = {"overlap": overlap, "hours": union / NS_PER_HOUR}
    if overlap == 0:
        said = "one arm ran after the other: whatever else changed in between is in the effect"
        return Guard("same time", "warning", said, numbers)
    if overlap < OVERLAP_LEAST:
        return Guard("same time", "warning", f"the arms share {percent(overlap)} of the time they took", numbers)
    return Guard("same time", "ok", f"the arms share {percent(overlap)} of the time they took", numbers)


# ---- what ----


@dataclass(frozen=True, slots=True)
class Mix:
    """Whether the arms hold like requests, part by part of what is known of a request before it is answered.

    ``standardised``: both arms weighted to the requests of the two together, where they differ and enough of both is alike.
    """

    guard: Guard
    differing: tuple[str, ...] = ()
    comparable: bool = True
    standardised: tuple[Requests, Requests] | None = None


def _input_band(rows: Requests) -> Ints:
    return token_band(rows.number("input_tokens"))


def _quarter(rows: Requests) -> Ints:
    if rows.instants is None:
        return np.full(rows.n, -1)
    quarters = rows.instants // NS_PER_HOUR % 24 // _QUARTER_HOURS
    return np.where(rows.instants == NO_INSTANT, -1, quarters)


def _parts(rows: Requests) -> dict[str, Ints]:
    parts = {"input tokens": _input_band(rows), "quarter of the day": _quarter(rows)}
    return parts | {name: rows.labels[name] for name in ("region",) if name in rows.labels}


def mix_of(control: Requests, treated: Requests) -> Mix:
    """Compare the arms' requests by input tokens, quarter of the day and region; output tokens are what came of them, not what was asked.

    A part differs where more than 10 % of the requests would have to move and the chi-square test gives p < 0.05, a unit counted as one
    request. The arms are then weighted to their pooled mix over the strata of all differing parts in which each holds at least 5.
    """
    told = [_parts(rows) for rows in (control, treated)]
    known = [name for name in told[0] if name in told[1] and all(_told(parts[name]) >= TOLD_SHARE for parts in told)]
    if not known:
        return Mix(Guard("same requests", "unknown", "nothing tells whether the arms were asked the same"))
    apart = {name: _apart(told[0][name], told[1][name], _crowding(control, treated)) for name in known}
    differing = tuple(name for name, (distance, p) in apart.items() if distance > MIX_DISTANCE and p < MIX_ALPHA)
    numbers = {name: distance for name, (distance, _) in apart.items()}
    if not differing:
        worst = max(numbers, key=lambda name: numbers[name])
        said = f"alike by {', '.join(known)}; by {worst} {percent(numbers[worst])} would have to move"
        return Mix(Guard("same requests", "ok", said, numbers))
    codes = _strata([np.concatenate([told[0][name], told[1][name]]) for name in differing])
    weighted, covered = _weighted(control, treated, codes[: control.n], codes[control.n :])
    comparable = min(covered) >= COVERED_LEAST
    moved = ", ".join(f"{name} ({percent(numbers[name])} would have to move)" for name in differing)
    done = "both are weighted to one mix" if comparable else "too little to compare the arms"
    said = f"the arms differ in {moved}; strata that both hold have {percent(covered[0])} and {percent(covered[1])} of them: {done}"
    guard = Guard("same requests", "warning", said, numbers | {"covered": min(covered)})
    return Mix(guard, differing, comparable, weighted if comparable else None)


def _told(codes: Ints) -> float:
    return float((codes >= 0).mean()) if codes.size else 0.0


def _crowding(control: Requests, treated: Requests) -> float:
    """Requests per unit, so that a user who asks much is not many."""
    units = [rows.n if rows.unit is None else np.unique(rows.unit).size for rows in (control, treated)]
    return (control.n + treated.n) / max(1, sum(units))


def _apart(one: Ints, two: Ints, crowding: float) -> tuple[float, float]:
    k = int(max(one.max(), two.max())) + 2
    counts = [np.bincount(codes + 1, minlength=k).astype(np.float64) for codes in (one, two)]
    return total_variation(*counts), homogeneity_p(counts[0] / crowding, counts[1] / crowding)


def _strata(columns: Sequence[Ints]) -> Ints:
    return np.unique(np.stack(columns), axis=1, return_inverse=True)[1].ravel().astype(np.int64)


def _weighted(control: Requests, treated: Requests, one: Ints, two: Ints) -> tuple[tuple[Requests, Requests], tuple[float, float]]:
    """Both arms' requests of common strata, weighted to the strata's shares in both together; and the share of each that those are."""
    k = int(max(one.max(), two.max())) + 1
    counts = np.stack([np.bincount(codes, minlength=k) for codes in (one, two)]).astype(np.float64)
    common = counts.min(axis=0) >= STRATUM_LEAST
    covered = counts[:, common].sum(axis=1) / counts.sum(axis=1)
    pooled = counts.sum(axis=0)
    arms = []
    for rows, codes, held in zip((control, treated), (one, two), counts, strict=True):
        chosen = common[codes]
        weights = (pooled / np.maximum(held, 1))[codes[chosen]]
        arms.append(replace(rows.where(chosen), weights=weights / weights.mean() if weights.size else weights))
    return _in_own_units(arms[0], arms[1]), (float(covered[0]), float(covered[1]))


def _in_own_units(control: Requests, treated: Requests) -> tuple[Requests, Requests]:
    """Each request a unit, where none were told: how a weighted share varies hangs on which requests weigh much, not only on how much.

    Where the few requests that stand for many are the slow ones, Kish's n/(1 + CV^2) makes intervals too narrow by half.
    """
    if control.unit is not None or treated.unit is not None:
        return control, treated
    k = control.n + treated.n
    return replace(control, unit=np.arange(control.n), k=k), replace(treated, unit=control.n + np.arange(treated.n), k=k)
