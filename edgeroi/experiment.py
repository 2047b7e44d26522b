"""An experiment, judged: guards first, then the effects of every arm on every number, then for which workloads the arm is worth taking.

Where several workloads are judged, an effect counts as shown where Benjamini and Hochberg's procedure over them says so at the same rate.
Within one workload every number errs at the stated rate by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeroi.arms import METRICS, Arm, CountedArm, Metric, Requests, RowArm
from edgeroi.effects import Doubt, Effect, detectable, effect, p_value
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.guards import Guard, at_once, in_both, mix_of, sample_ratio
from edgeroi.histogram import nearest_rank
from edgeroi.latency import same_mix
from edgeroi.stats import benjamini_hochberg, order_statistic_ranks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: What a control is called where nobody says which arm it is.
CONTROLS = ("control", "cloud", "baseline", "before", "a", "A")
#: Pairs are analysed as such where this share of either arm's requests has its other side.
PAIRED_LEAST = 0.80
#: What may have been drawn into the arms, and from how many requests of each on they are not independent.
UNITS, CROWDED = ("user_id", "session_id"), 1.05
#: A request that tells no workload.
UNTOLD = "(untold)"

Decision = Literal["use", "keep", "trade", "no_difference", "undecided", "invalid"]


@dataclass(frozen=True, slots=True)
class Design:
    """How an experiment was meant. ``expected``: the share of units of each arm, equal where ``None``; empty where nobody drew them.

    ``margin``: how much quality may be lost at most for an arm to count as no worse; ``None`` where nobody said.
    """

    arm: str = "variant"
    unit: str | None = None
    control: str | None = None
    deadline_ms: float | None = None
    margin: float | None = None
    expected: Mapping[str, float] | None = None
    doubt: Doubt = field(default_factory=Doubt)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The difference pair by pair, ms: its median with the order-statistic interval; an end that too few pairs leave open is ``None``."""

    n: int
    p50_ms: float
    low_ms: float | None
    high_ms: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The effect on one number. ``p``: the doubt at which it would no longer be shown; ``q``: the same over all workloads.

    ``crude``: the effect before the arms were weighted to one mix, where they were. ``detectable``: the least that would have been shown.
    """

    metric: Metric
    effect: Effect
    p: float
    q: float
    shown: bool
    detectable: float | None
    crude: Effect | None = None

    @property
    def verdict(self) -> Literal["better", "worse", "same"]:
        """Which way the number went, as far as is shown."""
        if not self.shown:
            return "same"
        return "better" if (self.effect.judged.high < 0) == (self.metric.better == "less") else "worse"

    @property
    def is_unjudged_loss(self) -> bool:
        """Whether cost or quality came out worse and nothing tells how it spreads, as in a saved profile: not shown, and not disproved."""
        ends = self.effect.absolute
        untold = bool(self.metric.column) and not self.metric.p and math.isinf(ends.low) and math.isinf(ends.high)
        return untold and (ends.value > 0) == (self.metric.better == "less") and ends.value != 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One arm against the control for one workload. ``no_worse``: whether quality is shown to lose less than the margin, if one is told."""

    workload: str
    control: str
    treated: str
    guards: tuple[Guard, ...]
    findings: tuple[Finding, ...]
    decision: Decision
    why: str
    no_worse: bool | None = None
    pairing: Pairing | None = None

    def finding(self, name: str) -> Finding | None:
        """The effect on the number of this name."""
        return next((found for found in self.findings if found.metric.name == name), None)


@dataclass(frozen=True)
class Judged:
    """What came of an experiment: its guards, and a trial per workload and treated arm."""

    design: Design
    arms: tuple[str, ...]
    control: str
    guards: tuple[Guard, ...]
    trials: tuple[Trial, ...]
    unit: str
    notes: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether its results may be looked at."""
        return all(guard.status != "invalid" for guard in self.guards)


# ---- rows ----


def judge_rows(rows: Requests, names: Mapping[str, Sequence[str]], design: Design) -> Judged:
    """The experiment in a log's rows; ``names``: the texts behind the codes of its columns.

    Raises ``EdgeroiError`` where the column tells no two arms, ``NoAnswer`` where nothing tells them apart.
    """
    codes = _needed(rows, design.arm)
    notes = _untold(codes, design.arm)
    rows = rows.where(codes >= 0)
    arms = _arms(rows.labels[design.arm], names[design.arm], design)
    rows, unit, more = _in_units(rows, design)
    control = arms[0]
    of_arm = {arm: rows.labels[design.arm] == names[design.arm].index(arm) for arm in arms}
    counts = {arm: RowArm(arm, rows.where(chosen)).units for arm, chosen in of_arm.items()}
    guards = _ratio_guards(counts, design, unit)
    judged = Judged(design, arms, control, guards, (), unit, (*notes, *more))
    if not judged.is_valid:
        return judged
    trials: list[Trial] = []
    for workload, chosen in workloads_of(rows, names):
        sides = {arm: rows.where(chosen & mine) for arm, mine in of_arm.items()}
        trials += [
            _trial(workload, (control, sides[control]), (arm, sides[arm]), design, unit == "pair")
            for arm in arms[1:]
            if sides[control].n and sides[arm].n
        ]
    return replace(judged, trials=_over_all(trials, design))


def _needed(rows: Requests, column: str) -> Ints:
    codes = rows.labels.get(column)
    if codes is None or not (codes >= 0).any():
        such = "" if column == "placement" else ", such as placement"
        fix = f"say where it is: --map {column}=FIELD, or name another column with --arm{such}"
        raise EdgeroiError(f"no request tells its {column}", key="--arm", fix=fix)
    return codes


def _untold(codes: Ints, column: str) -> tuple[str, ...]:
    n = int((codes < 0).sum())
    return (f"{n:,} requests tell no {column} and are in no arm",) if n else ()


def _arms(codes: Ints, names: Sequence[str], design: Design) -> tuple[str, ...]:
    """The arms, the control first."""
    there = sorted(names[code] for code in np.unique(codes))
    return _control_first(there, design)


def _control_first(there: Sequence[str], design: Design) -> tuple[str, ...]:
    if len(there) < 2:
        raise EdgeroiError(f"{design.arm} is {there[0]!r} in every request, and an experiment has two arms", key="--arm")
    if design.control is not None and design.control not in there:
        raise EdgeroiError(f"no arm is called {design.control!r}", key="--control", fix=did_you_mean(design.control, there))
    control = design.control or next((name for name in CONTROLS if name in there), there[0])
    return (control, *(name for name in there if name != control))


def in_units_of(rows: Requests, unit: str) -> tuple[Requests, tuple[str, ...]]:
    """The rows in the units that a column names, and what is said of those that name none. Raises ``EdgeroiError`` where none does."""
    codes = rows.labels.get(unit)
    if codes is None or not (codes >= 0).any():
        fix = f"say where it is: --map {unit}=FIELD, or leave --unit out"
        raise EdgeroiError(f"no request tells its {unit}", key="--unit", fix=fix)
    n = int((codes < 0).sum())
    return rows.in_units(codes), (f"{n:,} requests tell no {unit}: each is a unit of its own",) if n else ()


def _in_units(rows: Requests, design: Design) -> tuple[Requests, str, tuple[str, ...]]:
    """The rows in the units that were told; else in pairs, where most requests have their other side; else each by itself."""
    if design.unit is not None:
        rows, notes = in_units_of(rows, design.unit)
        return rows, design.unit, notes
    pairs = rows.labels.get("pair_id")
    if pairs is not None and (pairs >= 0).any():
        arms = rows.labels[design.arm]
        sides = np.unique(np.stack((pairs, arms))[:, pairs >= 0], axis=1)[0]
        whole = np.bincount(sides, minlength=int(pairs.max()) + 1) > 1
        paired = (pairs >= 0) & whole[pairs]
        if paired.mean() >= PAIRED_LEAST:
            left = int((~paired).sum())
            return (
                rows.where(paired).in_units(pairs[paired]),
                "pair",
                (f"{left:,} requests without their other side are left out",) if left else (),
            )
    return rows, "request", (_independence(rows),)


def _independence(rows: Requests) -> str:
    """What it means that nobody said what was drawn into the arms; by name, where the log shows that some ask more than once."""
    for column in UNITS:
        codes = rows.labels.get(column)
        if codes is not None and (codes >= 0).any():
            told = codes[codes >= 0]
            k = int(np.unique(told).size)
            if told.size > CROWDED * k:
                each = f"{told.size / k:.3g} requests of each {column}"
                return f"{each} are taken to be independent, which makes intervals too narrow and guards too strict: say --unit {column}"
    return "requests are taken to be independent; --unit user_id reckons with users who ask more than once"


def _ratio_guards(counts: Mapping[str, int], design: Design, unit: str) -> tuple[Guard, ...]:
    if design.expected is not None and not design.expected:
        return (Guard("sample ratio", "unknown", "nobody drew who is in which arm: an effect may be of who was, not of the arm"),)
    expected = dict.fromkeys(counts, 1.0) if design.expected is None else dict(design.expected)
    if set(expected) != set(counts):
        raise EdgeroiError(
            f"the arms are {', '.join(counts)}", key="--split", fix=f"write --split {','.join(f'{arm}=1' for arm in counts)}"
        )
    return (sample_ratio(counts, expected, "requests" if unit == "request" else f"{unit}s"),)


def workloads_of(rows: Requests, names: Mapping[str, Sequence[str]]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The workloads there are, by name, and which rows are of each."""
    codes = rows.labels.get("workload")
    if codes is None:
        return [(UNTOLD, np.ones(rows.n, np.bool_))]
    told = sorted((names["workload"][code] if code >= 0 else UNTOLD, code) for code in np.unique(codes).tolist())
    return [(name, codes == code) for name, code in told]


def _trial(workload: str, control: tuple[str, Requests], treated: tuple[str, Requests], design: Design, paired: bool) -> Trial:
    mix = mix_of(control[1], treated[1])
    crude = RowArm(*control), RowArm(*treated)
    arms = crude
    if mix.standardised is not None:
        arms = RowArm(control[0], mix.standardised[0]), RowArm(treated[0], mix.standardised[1])
    both = in_both(control[1], treated[1], paired)
    guards = (mix.guard, at_once(crude[0].span, crude[1].span), *((both,) if both else ()))
    findings = _findings(arms, design, crude if arms is not crude else None) if mix.comparable else ()
    trial = Trial(workload, control[0], treated[0], guards, findings, "undecided", "")
    return replace(trial, pairing=_pairing(control[1], treated[1])) if paired else trial


def _pairing(control: Requests, treated: Requests) -> Pairing | None:
    """Of pairs with one answered request on either side."""
    held: list[dict[int, float]] = []
    for rows in (control, treated):
        assert rows.unit is not None
        ok = ~rows.failed & ~np.isnan(rows.number("latency_ms")) & (np.bincount(rows.unit, minlength=rows.k)[rows.unit] == 1)
        held.append(dict(zip(rows.unit[ok].tolist(), rows.number("latency_ms")[ok].tolist(), strict=True)))
    apart = np.sort(np.array([held[1][pair] - held[0][pair] for pair in held[0].keys() & held[1].keys()]))
    if not apart.size:
        return None
    low, high = order_statistic_ranks(apart.size, 0.5)
    middle = float(apart[nearest_rank(0.5, apart.size) - 1])
    return Pairing(apart.size, middle, None if low is None else float(apart[low - 1]), None if high is None else float(apart[high - 1]))


# ---- counts ----


def judge_counts(arms: Sequence[tuple[str, Mapping[str, CountedArm]]], design: Design) -> Judged:
    """The experiment whose arms are saved profiles, the first of them the control; each is told by workload."""
    names = tuple(name for name, _ in arms)
    if len(names) < 2:
        raise EdgeroiError(
            "one profile is one arm, and an experiment has two", fix="name the profile of the other arm, or say --arm COLUMN"
        )
    if design.control is not None:
        names = _control_first(names, design)
    by_name = dict(arms)
    note = "saved profiles know no users or pairs, so requests are taken to be independent, and keep no spread of cost and quality"
    guards = (Guard("sample ratio", "unknown", "profiles of their own: nobody drew who is in which"),)
    trials = []
    for workload in sorted({workload for _, told in arms for workload in told}):
        control = by_name[names[0]].get(workload)
        for name in names[1:]:
            treated = by_name[name].get(workload)
            if control is not None and treated is not None:
                trials.append(_counted_trial(workload, control, treated, design))
    return Judged(design, names, names[0], guards, _over_all(trials, design), "request", (note,))


def _counted_trial(workload: str, control: CountedArm, treated: CountedArm, design: Design) -> Trial:
    guards: list[Guard] = []
    arms, crude = (control, treated), None
    comparable = True
    if control.tally.latency.n and treated.tally.latency.n:
        one, two, mix = same_mix(control.tally, treated.tally)
        comparable = mix.comparable
        status: Literal["ok", "warning", "unknown"] = "warning" if mix.differs else "ok" if mix.by else "unknown"
        said = "; ".join((*((f"alike by {' and '.join(mix.by)}",) if mix.by and not mix.differs else ()), *mix.notes))
        guards.append(Guard("same requests", status, said, {"distance": mix.distance}))
        if mix.reweighted:
            arms, crude = (replace(control, latency=one), replace(treated, latency=two)), (control, treated)
    guards.append(at_once(control.span, treated.span))
    findings = _findings(arms, design, crude) if comparable else ()
    return Trial(workload, control.name, treated.name, tuple(guards), findings, "undecided", "")


# ---- effects and decisions ----


def _findings(arms: tuple[Arm, Arm], design: Design, crude: tuple[Arm, Arm] | None) -> tuple[Finding, ...]:
    found = []
    for metric in METRICS:
        samples = [arm.sample(metric, design.deadline_ms) for arm in arms]
        control, treated = samples
        if control is None or treated is None:
            continue
        before = [arm.sample(metric, design.deadline_ms) for arm in crude] if crude else [None, None]
        told = effect(treated, control, metric.scale, design.doubt)
        p = p_value(treated, control, metric.scale, design.doubt)
        found.append(
            Finding(
                metric,
                told,
                p,
                p,
                told.shown,
                detectable(treated, control, metric.scale, design.doubt),
                effect(before[1], before[0], metric.scale, design.doubt) if before[0] and before[1] else None,
            )
        )
    return tuple(found)


def _over_all(trials: Sequence[Trial], design: Design) -> tuple[Trial, ...]:
    """The trials with q-values over all of them, number by number, and what each comes to."""
    alpha = 1 - design.doubt.level
    adjusted: dict[tuple[int, str], float] = {}
    for metric in METRICS:
        told = [(place, found) for place, trial in enumerate(trials) if (found := trial.finding(metric.name))]
        q_values = benjamini_hochberg(np.array([found.p for _, found in told])) if told else ()
        adjusted |= {(place, metric.name): float(q) for (place, _), q in zip(told, q_values, strict=True)}
    judged = []
    for place, trial in enumerate(trials):
        findings = []
        for found in trial.findings:
            q = adjusted[place, found.metric.name]
            findings.append(replace(found, q=q, shown=found.effect.shown and (len(trials) == 1 or q <= alpha)))
        judged.append(_decided(replace(trial, findings=tuple(findings)), design))
    return tuple(judged)


def _decided(trial: Trial, design: Design) -> Trial:
    if not trial.findings:
        why = (
            "the arms hold different requests"
            if any(g.name == "same requests" and g.status == "warning" for g in trial.guards)
            else "nothing told"
        )
        return replace(trial, decision="undecided", why=why)
    quality = trial.finding("quality")
    if design.margin is not None and quality is None:
        return replace(trial, decision="undecided", why="no request tells its quality, so nothing can be held against a margin")
    no_worse = None if design.margin is None or quality is None else quality.effect.absolute.low > -design.margin
    better = [found for found in trial.findings if found.verdict == "better"]
    worse = [found for found in trial.findings if found.verdict == "worse"]
    unjudged = [found for found in trial.findings if found.is_unjudged_loss]
    if no_worse is False and quality is not None and design.margin is not None:
        lost = quality.effect.absolute.high < -design.margin
        why = f"quality {'loses' if lost else 'may lose'} more than {design.margin:g}"
        return replace(trial, no_worse=False, decision="keep" if lost else "undecided", why=why)
    if unjudged and not better and not worse:
        # What nobody can judge hinders a choice, and is no reason for one: two requests would choose an arm by it.
        return replace(trial, no_worse=no_worse, decision="undecided", why=_because((), unjudged))
    worse += unjudged
    decision: Decision = "trade" if better and worse else "use" if better else "keep" if worse else "no_difference"
    return replace(trial, no_worse=no_worse, decision=decision, why=_because(better, worse))


def _because(better: Sequence[Finding], worse: Sequence[Finding]) -> str:
    parts = [f"{word} {', '.join(found.metric.title for found in side)}" for word, side in (("better", better), ("worse", worse)) if side]
    return "; ".join(parts) or "no difference is shown in anything"
