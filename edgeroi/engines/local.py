"""Reads logs with the processes of this machine.

A file of lines is cut into ranges of 8 MiB; each process takes the next range that nobody has, counts its requests into a census
of its own, and hands it over at the end. Counting does not depend on who read what, so the profile is the same for any number of
processes; memory does not depend on the size of the files.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from edgeroi.engines.duplicates import repeated
from edgeroi.engines.folding import Fold
from edgeroi.engines.growing import Earlier, grown_from, met_again
from edgeroi.engines.inputs import inputs_of, tasks_of
from edgeroi.engines.outcome import profile_of, rejects_of
from edgeroi.engines.reader import Plan
from edgeroi.engines.workers import Progress, Run, interruptible
from edgeroi.errors import EdgeroiError, Place
from edgeroi.logs.reading import Reading
from edgeroi.logs.saved import NAME as SAVED
from edgeroi.logs.sources import expand
from edgeroi.workload import Profile

#: Smaller inputs are read in this process: starting others would take longer.
_SMALL_BYTES = 16 << 20
#: What a compressed log is taken to swell to.
_SWOLLEN = 8
#: What is asked of every request besides its count.
F = TypeVar("F", bound=Fold)


def read_logs(
    sources: Sequence[str | Path],
    reading: Reading,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
    keep: bool = False,
    grow: Path | None = None,
    go: Callable[[Run], None] | None = None,
) -> Profile:
    """Read logs into a profile; every line of every file is accounted for.

    ``jobs``: processes, by default as many as there are processors to use. ``progress(done, total)`` is told bytes.
    ``rejects_to``: where every rejected line goes, as JSON lines. Interrupted, it returns what was read, and notes say so.
    ``keep``: keep the logs apart, so that the profile can be saved and grow. ``grow``: a profile saved so, of which only what is
    new is read. ``go``: who reads instead of processes here, such as a cluster.
    Raises ``EdgeroiError`` for a named file that is no log, a source that is not there, a file reached twice.
    """
    return _read(sources, reading, jobs, progress, rejects_to, keep=keep, grow=grow, go=go)[0]


def read_folded(
    sources: Sequence[str | Path],
    reading: Reading,
    fold: F,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
) -> tuple[Profile, F]:
    """The profile of logs, and what a fold came to that met each of its requests once, whichever process read it.

    ``fold`` holds nothing yet, and is left so. Of a format whose records may each tell of an attempt (LiteLLM's retries), it meets the
    attempts, and a note says so. Raises ``EdgeroiError`` as ``read_logs`` does, and for a saved profile, which no longer knows requests.
    """
    profile, run = _read(sources, replace(reading, beside=fold.columns), jobs, progress, rejects_to, fold=fold)
    met = copy.deepcopy(fold) if run.fold is None else run.fold
    attempts = sorted({input.detected.format.name for input in run.plan.inputs if input.detected.format.hidden})
    if attempts:
        told = f"{', '.join(attempts)}: attempts that failed before another one are looked at one by one"
        profile = replace(profile, notes=(*profile.notes, told))
    return profile, met  # type: ignore[return-value]  # a sum of what began as F


def _read(
    sources: Sequence[str | Path],
    reading: Reading,
    jobs: int | None,
    progress: Progress | None,
    rejects_to: Path | None,
    *,
    keep: bool = False,
    grow: Path | None = None,
    go: Callable[[Run], None] | None = None,
    fold: Fold | None = None,
) -> tuple[Profile, Run]:
    saved = grown_from(grow, reading) if grow else None
    inputs, notes = inputs_of(expand(sources, besides=grow), reading)
    earlier = None
    if saved is not None:
        inputs, earlier, told = met_again(inputs, saved)
        notes += told
    with tempfile.TemporaryDirectory(prefix="edgeroi-") as folder, interruptible() as interrupted:
        spool = Path(folder) if rejects_to else None
        plan = Plan(inputs, tasks_of(inputs), reading, spool, apart=keep or earlier is not None, fold=fold)
        processes = _processes(jobs, plan)
        read = go or (lambda run: run.go(processes))
        at = progress or (lambda done, total: None)
        if reading.dedupe:
            plan, told = _compared(plan, read, at, interrupted)
            notes += told
        run = Run(plan, _second_half(at) if reading.dedupe else at, interrupted)
        read(run)
        rejects = rejects_of(run, rejects_to)
        if earlier is not None:
            notes.append(_told_new(run, earlier))
        return profile_of(run, rejects, notes, earlier), run


def _compared(plan: Plan, read: Callable[[Run], None], at: Progress, interrupted: Callable[[], bool]) -> tuple[Plan, list[str]]:
    """The plan with the copies that a first pass over the logs found, and notes on what cannot be compared.

    Raises ``KeyboardInterrupt`` where it is interrupted: nothing is counted yet.
    """
    once_only = next((input.source.path for input in plan.inputs if input.source.bytes is None), None)
    if once_only is not None:
        raise EdgeroiError("is read once, and finding duplicates takes two passes", place=Place(once_only), fix="save it to a file first")
    first = Run(replace(plan, keyed=True, spool=None), lambda done, total: at(done, 2 * total), interrupted)
    read(first)
    if interrupted():
        raise KeyboardInterrupt
    found = repeated({slot: b"".join(part.keys) for slot, part in first.parts.items()})
    unknown = sum(part.unknown for part in first.parts.values())
    saved = [input.source.path for input in plan.inputs if input.detected.format.name == SAVED]
    notes = [f"{unknown:,} requests without an id, in formats that are no lines, were not compared"] if unknown else []
    notes += [f"the requests in saved profiles were not compared: {', '.join(saved)}"] if saved else []
    return replace(plan, repeated=found), notes


def _second_half(at: Progress) -> Progress:
    return lambda done, total: at(total + done, 2 * total)


def _told_new(run: Run, earlier: Earlier) -> str:
    """What an update cost, and what it left as it was."""
    inputs = run.plan.inputs
    fetched = sum(part.fetched for part in run.parts.values())
    unchanged, grown = (sum(test) for test in zip(*((i.is_unchanged, bool(i.grown) and not i.is_unchanged) for i in inputs), strict=True))
    counted = f"{unchanged:,} logs unchanged, {grown:,} grown, {len(inputs) - unchanged - grown:,} read whole"
    gone = f", {len(earlier.gone):,} of the profile not named and kept" if earlier.gone else ""
    return f"update: {fetched:,} of {sum(input.source.bytes or 0 for input in inputs):,} bytes read; {counted}{gone}"


def _processes(jobs: int | None, plan: Plan) -> int:
    if jobs is not None and jobs < 1:
        raise EdgeroiError(f"{jobs} processes cannot read anything", key="--jobs", fix="give 1 or more")
    weights = (plan.bytes_of(task) * (_SWOLLEN if plan.is_stream_of_lines(task) else 1) for task in plan.tasks)
    if sum(weights) < _SMALL_BYTES and jobs is None:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or available
