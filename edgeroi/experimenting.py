"""From logs to a judged experiment, or to the plan of one; ``ab`` and ``ab-plan`` are this, printed.

An experiment is judged on the rows of logs, and on counts where all there is are saved profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeroi.ab_report import Experiment
from edgeroi.arms import CountedArm, Requests
from edgeroi.engines.folding import Rows, Slot
from edgeroi.engines.local import read_folded, read_logs
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.experiment import UNITS, UNTOLD, Design, judge_counts, judge_rows
from edgeroi.logs.frame import profile_frame
from edgeroi.logs.reading import Reading, known_column
from edgeroi.logs.saved import is_saved
from edgeroi.plan_report import ExperimentPlan
from edgeroi.request import COLUMNS, Batch
from edgeroi.sample_sizes import Wanted, plan_rows
from edgeroi.workload import Profile, Tally

if TYPE_CHECKING:
    import pandas as pd

#: What is asked of every row, besides its arm and its unit.
COLUMNS_ASKED = ("workload", "region", "pair_id", *UNITS, "latency_ms", "ttft_ms", "cost_usd", "quality", "input_tokens")
Progress = Callable[[int, int], None]


def experiment_in(
    logs: Sequence[str | Path] | pd.DataFrame,
    reading: Reading,
    design: Design,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[Experiment, Profile]:
    """The experiment, and the profile of its logs by workload, placement and arm.

    Raises ``EdgeroiError`` for what is no log, holds no request, or is no experiment.
    """
    from edgeroi import __version__

    demand_labels(design)
    if isinstance(logs, Sequence) and is_all_saved(logs):
        return _of_profiles([Path(path) for path in logs], reading, design)
    profile, batch = rows_of(logs, _by_arm(reading, design.arm), asked_of(design), jobs=jobs, progress=progress)
    names = {column: labels.names for column, labels in batch.labels.items()}
    judged = judge_rows(Requests.of(batch), names, design)
    return Experiment(judged, profile.files, (*profile.notes, *judged.notes), __version__), profile


def asked_of(design: Design) -> tuple[str, ...]:
    """The columns an experiment needs of every row."""
    return tuple(dict.fromkeys((*COLUMNS_ASKED, design.arm, *((design.unit,) if design.unit else ()))))


def demand_labels(design: Design) -> None:
    """Raise ``EdgeroiError`` where what tells arms or units apart is no column of text."""
    _demand_label("--arm", design.arm)
    if design.unit is not None:
        _demand_label("--unit", design.unit)


def _demand_label(option: str, column: str) -> None:
    if COLUMNS[known_column(column, option)] != "label":
        raise EdgeroiError(f"{column} is a {COLUMNS[column]}, and names no group", key=option, fix="name a column of text, such as variant")


def rows_of(
    logs: Sequence[str | Path] | pd.DataFrame, reading: Reading, columns: tuple[str, ...], *, jobs: int | None, progress: Progress | None
) -> tuple[Profile, Batch]:
    """The profile and the rows of logs or of a DataFrame. Raises ``EdgeroiError`` where there are none: nothing to ask anything of."""
    rows = Rows(columns)
    if isinstance(logs, Sequence):
        profile, rows = read_folded(list(logs), reading, rows, jobs=jobs, progress=progress)
    else:
        numbers = iter(range(1 << 62))
        how = replace(reading, beside=columns)
        profile = profile_frame(logs, how, meet=lambda batch: rows.add(Slot(0, 0, 0, next(numbers)), batch))
    if any(note.startswith("interrupted") for note in profile.notes):
        raise KeyboardInterrupt
    batch = rows.batch()
    if not batch.n:
        raise EdgeroiError("no request could be read", fix="edgeroi profile tells where every line went")
    return profile, batch


def _by_arm(reading: Reading, arm: str) -> Reading:
    return replace(reading, by=tuple(dict.fromkeys((*reading.by, arm))))


# ---- a plan ----


def plan_from(
    logs: Sequence[str | Path] | pd.DataFrame,
    reading: Reading,
    wanted: Wanted,
    unit: str | None = None,
    where: Mapping[str, str] | None = None,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[ExperimentPlan, Profile]:
    """What an experiment would take, from the rows of a log for which ``where`` holds. Raises as ``experiment_in`` does."""
    from edgeroi import __version__

    where = where or {}
    for column in where:
        _demand_label("--where", column)
    if unit is not None:
        _demand_label("--unit", unit)
    columns = tuple(dict.fromkeys((*COLUMNS_ASKED, *where, *((unit,) if unit else ()))))
    profile, batch = rows_of(logs, reading, columns, jobs=jobs, progress=progress)
    names = {column: labels.names for column, labels in batch.labels.items()}
    rows = Requests.of(batch)
    for column, text in where.items():
        there = names.get(column, ())
        if text not in there:
            raise EdgeroiError(f"no request has the {column} {text!r}", key="--where", fix=did_you_mean(text, there))
        rows = rows.where(rows.labels[column] == there.index(text))
    sizes = plan_rows(rows, names, unit, wanted, profile.sampling)
    return ExperimentPlan(wanted, unit, sizes, profile.files, profile.notes, __version__), profile


# ---- saved profiles ----


def is_all_saved(logs: Sequence[str | Path]) -> bool:
    """Whether all that is named are saved profiles."""
    return bool(logs) and all(Path(path).is_file() and is_saved(Path(path)) for path in logs)


def _of_profiles(paths: Sequence[Path], reading: Reading, design: Design) -> tuple[Experiment, Profile]:
    """Each profile an arm where there are several; of a single one, the groups by the arm's column, if it was saved by that."""
    from edgeroi import __version__

    if design.unit is not None:
        fix = f"give the logs, or leave --unit {design.unit} out"
        raise EdgeroiError("a saved profile does not know its requests' units", key="--unit", fix=fix)
    if len(paths) == 1:
        profile = read_logs(paths, _by_arm(reading, design.arm))
        arms = _by_name(profile, design.arm)
    else:
        read = [read_logs([path], reading) for path in paths]
        named = _names(paths)
        arms = {name: told for name, one in zip(named, read, strict=True) for told in _by_name(one, None).values()}
        arms = {name: {w: CountedArm(name, arm.tally) for w, arm in told.items()} for name, told in arms.items()}
        profile = replace(read[0], files=tuple(file for one in read for file in one.files))
    judged = judge_counts([*arms.items()], design)
    return Experiment(judged, profile.files, (*profile.notes, *judged.notes), __version__), profile


def _names(paths: Sequence[Path]) -> list[str]:
    stems = [path.name.removesuffix(".profile") for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _by_name(profile: Profile, column: str | None) -> dict[str, dict[str, CountedArm]]:
    """The tallies by arm and workload; all of a profile is one arm where no column is named."""
    tallies: dict[tuple[str, str], Tally] = {}
    for group in profile.groups:
        arm = "" if column is None else group.key[column]
        if arm is not None:
            key = arm, group.key.get("workload") or UNTOLD
            tallies[key] = tallies[key] + group.tally if key in tallies else group.tally
    arms: dict[str, dict[str, CountedArm]] = {}
    for (arm, workload), tally in tallies.items():
        arms.setdefault(arm, {})[workload] = CountedArm(arm, tally)
    return arms
