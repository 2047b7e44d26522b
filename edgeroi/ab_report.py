"""What ``ab`` says: the decision, every effect with its interval, the guards, and the JSON document.

It is read like benchstat's: ``-12% [-14, -9]``, and ``~`` where no difference is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeroi.arms import Metric
from edgeroi.effects import Effect, Ends
from edgeroi.experiment import Decision, Finding, Judged, Pairing, Trial
from edgeroi.guards import Guard
from edgeroi.report import (
    Axis,
    Bar,
    Cell,
    CellValue,
    Column,
    Figure,
    Json,
    Mark,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tone,
    count,
    envelope,
    file_document,
    mark,
    ratio,
    text,
)
from edgeroi.shown import Shown
from edgeroi.words import milliseconds, signed
from edgeroi.workload import FileAccount

if TYPE_CHECKING:
    import pandas as pd

_TONES: Mapping[str, Tone] = {"better": "good", "worse": "bad", "same": "quiet"}
_STATUS: Mapping[str, Tone] = {"ok": "good", "warning": "doubt", "unknown": "quiet", "invalid": "bad"}
NO_EFFECT = "~"


@dataclass(frozen=True)
class Experiment(Shown):
    """An experiment as it was read and judged; ``judged`` holds the guards and, per workload and arm, a trial with its effects."""

    judged: Judged
    files: tuple[FileAccount, ...]
    notes: tuple[str, ...]
    version: str

    @property
    def is_valid(self) -> bool:
        """Whether its results may be looked at."""
        return self.judged.is_valid

    @property
    def trials(self) -> tuple[Trial, ...]:
        """One per workload and treated arm; none where the experiment is invalid."""
        return self.judged.trials

    def __repr__(self) -> str:
        """The decision in short."""
        return f"<Experiment: {next(_headlines(self.judged))}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi ab`` says."""
        return ab_report(self)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The change of every number with its interval; none where the experiment is invalid, or no change is known."""
        found = _forest(self)
        return () if found is None else (found,)

    @property
    def document(self) -> Mapping[str, Json]:
        """What ``--format json`` prints."""
        return ab_document(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per workload, treated arm and number: both values, the effect on either scale with its interval, and what is shown."""
        import pandas as pd

        columns = [column.key for column in _COLUMNS]
        rows = [[_plain(key, cell) for key, cell in zip(columns, row.cells, strict=True)] for row in _rows(self)]
        return pd.DataFrame(rows, columns=columns).drop(columns=["change", "difference", "detectable"]).convert_dtypes()


def _plain(key: str, cell: Cell) -> CellValue:
    """A value of the frame: of an arm whose number is a bound it is unknown, and its low end says what it is at least."""
    return None if key in ("control", "treated") and cell.kind == "text" else cell.value


def ab_report(experiment: Experiment, *, drawn: bool = False) -> Report:
    """The report: what to do, the effects, and the guards that stood before them; with ``drawn`` the effects as a picture too."""
    sections: list[Section] = [Text(tuple(_headlines(experiment.judged)), tone="plain" if experiment.is_valid else "bad")]
    sections += experiment.figures if drawn else ()
    if experiment.trials:
        sections.append(Table(_COLUMNS, tuple(_rows(experiment)), name="ab", caption=tuple(_caption(experiment))))
    sections.append(Table(_GUARD_COLUMNS, tuple(_guard_rows(experiment.judged)), title="guards", name="guards"))
    return Report("ab", experiment.document, tuple(sections), experiment.notes)


# ---- the decision, in sentences ----


def _headlines(judged: Judged) -> Iterator[str]:
    if not judged.is_valid:
        yield from (f"INVALID: {guard.name}: {guard.said}" for guard in judged.guards if guard.status == "invalid")
        yield "an experiment whose arms are not as they were drawn has no results; find what lost the units, and repeat it"
        return
    if not judged.trials:
        yield "no workload is in both arms"
        return
    yield summary(judged)
    yield from (_sentence(trial) for trial in judged.trials)


def summary(judged: Judged) -> str:
    """``edge for search, voice; cloud for chat; undecided: moderation``."""
    chosen: dict[str, list[str]] = {}
    for trial in judged.trials:
        chosen.setdefault(_choice(trial), []).append(trial.workload)
    return "; ".join(f"{choice} {', '.join(dict.fromkeys(workloads))}" for choice, workloads in chosen.items())


def _choice(trial: Trial) -> str:
    words: Mapping[Decision, str] = {
        "use": f"{trial.treated} for",
        "keep": f"{trial.control} for",
        "trade": f"{trial.treated} at a price for",
        "no_difference": f"no difference of {trial.treated} shown for",
        "undecided": f"{trial.treated} undecided for",
        "invalid": "invalid for",
    }
    return words[trial.decision]


def _sentence(trial: Trial) -> str:
    """Why, with the effect that says it best."""
    told = [found for found in trial.findings if found.verdict != "same"]
    parts = [f"{found.metric.title} {change_words(found)}" for found in told]
    parts += [f"{found.metric.title} {_unjudged_words(found)}" for found in trial.findings if found.is_unjudged_loss]
    said = f"{trial.workload}: {trial.treated} against {trial.control}: {', '.join(parts) or trial.why}"
    if trial.decision in ("undecided", "keep") and parts and trial.why and trial.no_worse is False:
        said += f"; {trial.why}"
    if trial.decision == "trade":
        price = trial.finding("cost_usd")
        if price is not None and (price.verdict == "worse" or price.is_unjudged_loss):
            said += f"; it costs {signed(price.effect.absolute.value)} per 1,000 requests: edgeroi compare says what waiting must be worth"
        else:
            said += "; better and worse at once: edgeroi compare weighs them"
    if trial.no_worse:
        said += "; quality is no worse than the margin allows"
    return said


def _unjudged_words(found: Finding) -> str:
    return f"{difference_words(found.metric, found.effect)} (not judged: nothing tells how it spreads)"


def change_words(found: Finding) -> str:
    """``-12% [-14, -9]`` as benchstat writes it; of shares and quality the difference, shares in points; ``~`` where none is shown."""
    if not found.shown:
        return NO_EFFECT
    if found.metric.scale == "relative":
        return _per_cent(found.effect.relative)
    return difference_words(found.metric, found.effect) or NO_EFFECT


def _per_cent(ends: Ends) -> str:
    value = "" if math.isnan(ends.value) else f"{_signed_figure(100 * ends.value)}% "
    return f"{value}[{_end(100 * ends.low, -100)}, {_end(100 * ends.high, math.inf)}]"


def difference_words(metric: Metric, effect: Effect) -> str | None:
    """The difference in the number's own unit: ``-31 ms [-40, -22]``, ``+0.4 pp [0.1, 0.8]``."""
    ends = effect.absolute
    scale, unit = {"ms": (1, " ms"), "ratio": (100, " pp"), "usd": (1, " USD"), "number": (1, "")}[metric.kind]
    value = "" if math.isnan(ends.value) else f"{_signed_figure(scale * ends.value)}{unit} "
    if math.isinf(ends.low) and math.isinf(ends.high):
        return value.strip() or None
    return f"{value}[{_end(scale * ends.low, -math.inf)}, {_end(scale * ends.high, math.inf)}]"


def _end(value: float, nothing: float) -> str:
    return "-" if not math.isfinite(value) or value == nothing else _figure(value)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}".removesuffix(".0")


def _signed_figure(value: float) -> str:
    return f"{'+' if value >= 0 else ''}{_figure(value)}"


def detectable_words(metric: Metric, least: float | None) -> str | None:
    """``4.1%``, ``0.3 pp``: the least effect that would have been shown."""
    if least is None:
        return "nothing"
    if metric.scale == "relative":
        return f"{_figure(100 * least)}%"
    return f"{_figure(100 * least)} pp" if metric.kind == "ratio" else _figure(least)


# ---- the table ----

_COLUMNS = (
    Column("workload", "workload"),
    Column("arm", "arm"),
    Column("metric", "metric"),
    Column("control", "control", "number"),
    Column("treated", "treated", "number"),
    Column("change", "change"),
    Column("difference", "difference", rank=2),
    Column("verdict", "", "mark", rank=1),
    Column("detectable", "would show", rank=3),
    *(Column(f"{side}_{end}", "", "number", in_words=True) for side in ("control", "treated") for end in ("low", "high")),
    *(Column(f"{scale}{end}", "", "number", in_words=True) for scale in ("relative", "absolute") for end in ("", "_low", "_high")),
    *(Column(name, "", "number", in_words=True) for name in ("p", "q", "n_control", "n_treated", "units_control", "units_treated")),
    Column("crude_relative", "", "number", in_words=True),
)


def _rows(experiment: Experiment) -> Iterator[Row]:
    for trial in experiment.trials:
        for found in trial.findings:
            yield Row((text(trial.workload), text(trial.treated), *_cells(found)))


def _cells(found: Finding) -> Iterator[Cell]:
    metric, effect = found.metric, found.effect
    yield text(metric.title)
    yield from (_value(metric, ends, bound) for ends, bound in zip((effect.control, effect.treated), effect.bounds, strict=True))
    yield text(change_words(found))
    yield text(difference_words(metric, effect))
    yield mark(NO_EFFECT if found.verdict == "same" else found.verdict, _TONES[found.verdict])
    yield text(None if found.shown else detectable_words(metric, found.detectable))
    yield from (_number(end) for ends in (effect.control, effect.treated) for end in (ends.low, ends.high))
    yield from (_number(x) for ends in (effect.relative, effect.absolute) for x in (ends.value, ends.low, ends.high))
    yield from (_number(found.p), _number(found.q), *(count(n) for n in (*effect.n, *effect.units)))
    yield _number(found.crude.relative.value if found.crude else math.nan)


def _value(metric: Metric, ends: Ends, bound: bool) -> Cell:
    """A number; of a quantile among the failures only what it is at least."""
    if bound:
        return text(f">= {milliseconds(ends.low)}", "doubt")
    return Cell(_known(ends.value), metric.kind)


def _number(value: float) -> Cell:
    return Cell(_known(value), "number")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _caption(experiment: Experiment) -> Iterator[str]:
    design = experiment.judged.design
    sure = "always valid: look as often as you like" if design.doubt.sequential else "for one look: to watch it grow, say --sequential"
    yield f"control: {experiment.judged.control}; {design.doubt.level:.0%} intervals, {sure}; unit: {experiment.judged.unit}"
    yield f"{NO_EFFECT} no difference shown; would show: the least effect that such a sample shows with a probability of 80 %"
    if len(experiment.trials) > 1:
        yield f"over {len(experiment.trials)} workloads an effect is shown where its q-value (Benjamini-Hochberg) is at most 5 %"
    if any(True in found.effect.bounds for trial in experiment.trials for found in trial.findings):
        yield ">= the quantile falls among failures, which are slower than every success: it is known from below only"
    if any(found.crude for trial in experiment.trials for found in trial.findings):
        yield "arms that differ in their requests are weighted to one mix; --format json has the effects before that (crude)"
    for trial in experiment.trials:
        if trial.pairing:
            yield f"{trial.workload}: pair by pair {_pairing_words(trial.pairing)}"


def _pairing_words(pairing: Pairing) -> str:
    ends = ", ".join("-" if end is None else _figure(end) for end in (pairing.low_ms, pairing.high_ms))
    return f"{_signed_figure(pairing.p50_ms)} ms [{ends}] (median of {pairing.n:,} differences)"


_GUARD_COLUMNS = (Column("workload", "of"), Column("guard", "guard"), Column("status", "", "mark"), Column("said", "what was found"))


def _guard_rows(judged: Judged) -> Iterator[Row]:
    told = [("all", guard) for guard in judged.guards]
    told += [(_of(trial, judged), guard) for trial in judged.trials for guard in trial.guards]
    for of, guard in told:
        yield Row((text(of), text(guard.name), mark(guard.status, _STATUS[guard.status]), text(guard.said)))


def _of(trial: Trial, judged: Judged) -> str:
    return trial.workload if len(judged.arms) == 2 else f"{trial.workload}, {trial.treated}"


# ---- the picture ----


def _forest(experiment: Experiment) -> Figure | None:
    """The relative change of every number, a line each; of those nothing is known of there is none."""
    told = [(trial, found) for trial in experiment.trials for found in trial.findings]
    bars = tuple(bar for trial, found in told if (bar := _change_bar(trial, found, experiment.judged)) is not None)
    if not bars:
        return None
    level = f"{experiment.judged.design.doubt.level:.0%}".replace("%", " %")
    columns = (*(Column(name, name) for name in ("workload", "arm", "metric")), Column("relative", "change", "ratio", interval=True))
    rows = tuple(
        Row((text(trial.workload), text(trial.treated), text(found.metric.title), _change_cell(found.effect.relative)))
        for trial, found in told
    )
    title = f"change against {experiment.judged.control}, relative, with its {level} interval"
    table = Table(columns, rows, title, ("an interval that is open on a side goes on to the edge of the picture",), "changes")
    x, y = Axis("change", "ratio"), Axis("number", "text")
    return Figure("intervals", title, x, y, table, bars=bars, marks=(Mark(0.0, "no change"),), name="changes")


_SHOWN = {"better": "better", "worse": "worse", "same": "no difference shown"}


def _change_bar(trial: Trial, found: Finding, judged: Judged) -> Bar | None:
    change = found.effect.relative
    low, high = _open(change)
    if math.isnan(low) and math.isnan(high) and not math.isfinite(change.value):
        return None
    label = f"{_of(trial, judged)}: {found.metric.title}"
    return Bar(label, low, high, _SHOWN[found.verdict], _known(change.value), _TONES[found.verdict])


def _open(change: Ends) -> tuple[float, float]:
    """The ends, NaN where nothing supports one: nothing falls by more than all of it."""
    low = change.low if math.isfinite(change.low) and change.low > -1 else math.nan
    return low, change.high if math.isfinite(change.high) else math.nan


def _change_cell(change: Ends) -> Cell:
    low, high = (_known(end) for end in _open(change))
    return ratio(_known(change.value), low, high)


# ---- the document ----


def ab_document(experiment: Experiment) -> Mapping[str, Json]:
    """The document of ``ab``."""
    judged, design = experiment.judged, experiment.judged.design
    return {
        **envelope(
            "ab",
            experiment.version,
            files=[file_document(file) for file in experiment.files],
            notes=experiment.notes,
            interval_level=design.doubt.level,
        ),
        "valid": judged.is_valid,
        "invalid_reasons": [guard.said for guard in judged.guards if guard.status == "invalid"],
        "arm": design.arm,
        "arms": list(judged.arms),
        "control": judged.control,
        "unit": judged.unit,
        "deadline_ms": design.deadline_ms,
        "margin": design.margin,
        "sequential": design.doubt.sequential,
        "summary": summary(judged) if judged.trials else None,
        "guards": [_guard_document(guard) for guard in judged.guards],
        "trials": [_trial_document(trial) for trial in judged.trials],
        "effects": [_effect_document(trial, found) for trial in judged.trials for found in trial.findings],
    }


def _guard_document(guard: Guard) -> Mapping[str, Json]:
    return {"name": guard.name, "status": guard.status, "said": guard.said, "numbers": dict(guard.numbers)}


def _trial_document(trial: Trial) -> Mapping[str, Json]:
    pairing = trial.pairing
    return {
        "workload": trial.workload,
        "control": trial.control,
        "treated": trial.treated,
        "decision": trial.decision,
        "why": trial.why,
        "no_worse": trial.no_worse,
        "guards": [_guard_document(guard) for guard in trial.guards],
        "pairs": None if pairing is None else {"n": pairing.n, "p50_ms": pairing.p50_ms, "interval": [pairing.low_ms, pairing.high_ms]},
    }


def _effect_document(trial: Trial, found: Finding) -> Mapping[str, Json]:
    effect = found.effect
    return {
        "workload": trial.workload,
        "metric": found.metric.name,
        "unit": "USD/1,000 requests" if found.metric.kind == "usd" else found.metric.kind,
        "baseline": _side_document(trial.control, effect.control, effect, 0),
        "candidate": _side_document(trial.treated, effect.treated, effect, 1),
        "absolute": _known(effect.absolute.value),
        "relative": _known(effect.relative.value),
        "interval": {"absolute": _interval(effect.absolute), "relative": _interval(effect.relative)},
        "judged_on": effect.scale,
        "shown": found.shown,
        "decision": found.verdict,
        "p": found.p,
        "q": found.q,
        "mde": found.detectable,
        "crude": None
        if found.crude is None
        else {"absolute": _known(found.crude.absolute.value), "relative": _known(found.crude.relative.value)},
    }


def _side_document(arm: str, ends: Ends, effect: Effect, place: int) -> Mapping[str, Json]:
    return {
        "arm": arm,
        "value": _known(ends.value),
        "interval": _interval(ends),
        "n": effect.n[place],
        "units": effect.units[place],
        "lower_bound": effect.bounds[place],
    }


def _interval(ends: Ends) -> list[Json]:
    return [_known(ends.low), _known(ends.high)]
