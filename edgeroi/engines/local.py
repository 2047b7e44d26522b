"""Reads logs with the processes of this machine.

A file of lines is cut into ranges of 8 MiB; each process takes the next range that nobody has, counts its requests into a census
of its own, and hands it over at the end. Counting does not depend on who read what, so the profile is the same for any number of
processes; memory does not depend on the size of the files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeroi.engines.inputs import Input, inputs_of, tasks_of
from edgeroi.engines.outcome import profile_of, rejects_of
from edgeroi.engines.workers import Progress, Run
from edgeroi.errors import EdgeroiError
from edgeroi.logs.reading import Reading
from edgeroi.logs.sources import expand
from edgeroi.workload import Profile

#: Smaller inputs are read in this process: starting others would take longer.
_SMALL_BYTES = 16 << 20


def read_logs(
    sources: Sequence[str | Path],
    reading: Reading,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
) -> Profile:
    """Read logs into a profile; every line of every file is accounted for.

    ``jobs``: processes, by default as many as there are processors to use. ``progress(done, total)`` is told bytes.
    ``rejects_to``: where every rejected line goes, as JSON lines. Interrupted, it returns what was read, and notes say so.
    Raises ``EdgeroiError`` for a named file that is no log, a source that is not there, a file reached twice.
    """
    inputs, notes = inputs_of(expand(sources), reading)
    with tempfile.TemporaryDirectory(prefix="edgeroi-") as folder:
        spool = Path(folder) if rejects_to else None
        run = Run(inputs, reading, tasks_of(inputs), spool, progress or (lambda done, total: None))
        run.go(_processes(jobs, inputs))
        rejects = rejects_of(run, rejects_to)
        return profile_of(run, rejects, notes)


def _processes(jobs: int | None, inputs: Sequence[Input]) -> int:
    if jobs is not None and jobs < 1:
        raise EdgeroiError(f"{jobs} processes cannot read anything", key="--jobs", fix="give 1 or more")
    if sum(input.source.bytes or 0 for input in inputs) < _SMALL_BYTES and jobs is None:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return jobs or available
