"""Which of LiteLLM's rows are attempts of one request, and the request they come to.

LiteLLM writes a row for every attempt of its router: a failed call, its retries, its fallbacks to other models. What they share is the
``trace_id`` ("trace multiple LLM calls belonging to same overall request (e.g. fallbacks/retries)"; SpendLogs has it as
``session_id``). A trace may also hold many requests, as those of an agent do, so sharing it is not enough:

- A row continues a failed one of the same trace and the same kind of call that ended before it began, at most 60 s before (the
  router's longest wait between attempts). Rows that overlap are requests side by side. A row that says it is the first attempt
  (``attempted_retries`` and ``attempted_fallbacks`` of 0) continues none.
- A run of such rows is one request: from the first start to the last end, failed where the last one failed, its first token that of the
  last one. Tokens and cost are those of all attempts, as all were paid for. It was asked for as the first row says (workload,
  session, user) and answered as the last one says (provider, model, placement). Its ``attempt`` is how many it took.
- The other rows of the run are in the account as ``other_record``: nothing is lost, and the lines add up.

Attempts may lie far apart in a file, and in different pieces of it. So the file is looked over first for the traces of which a call
failed; rows of those are kept apart by a hidden column, ``call``, and joined once all is read. Rows in different files are not
joined, nor is what comes from a pipe, which can be read only once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np

from edgeroi.census import partial_of
from edgeroi.logs.lines import object_of
from edgeroi.logs.litellm_calls import canonical, is_failure, is_first_attempt, kind_of, trace_of
from edgeroi.logs.record import Bad, Skip
from edgeroi.request import Batch, Labels
from edgeroi.workload import SUMMED, GroupKey, Partial, Tally, sum_tallies

Json = Mapping[str, Any]

#: The hidden column: the trace, the kind of call, when it started, whether it is a first attempt.
CALL: Final = "call"
#: Traces with a failure that are looked for; the attempts of further ones stay requests of their own.
MOST_FAILED: Final = 20_000
#: The router waits up to 60 s before it tries again; times are good to a millisecond.
_LONGEST_WAIT_NS, _SLACK_NS = 60 * 10**9, 10**6
#: What a request is asked as: told by its first attempt; by whom it was answered the last one tells.
_ASKED: Final = frozenset(("workload", "session_id", "user_id", "variant", "prompt", "request_id"))
#: How a failure is told, also inside JSON text.
_FAILURE = re.compile(rb'failure\\?"')
_BLOCK = 4 << 20


# --- looking over a file --------------------------------------------------------------------------------------------------------


def failed_traces(stream: BinaryIO) -> frozenset[str]:
    """The traces of which a line says that a call failed, at most ``MOST_FAILED``; other lines are not parsed."""
    traces: set[str] = set()
    for line in _suspects(stream):
        record = object_of(line)
        if not isinstance(record, Bad):
            add_failed(record, traces)
        if len(traces) >= MOST_FAILED:
            break
    return frozenset(traces)


def add_failed(record: object, traces: set[str]) -> None:
    """Keep the trace of a failed call."""
    trace = trace_of(record) if isinstance(record, dict) and len(traces) < MOST_FAILED and is_failure(record) else None
    if trace is not None:
        traces.add(trace)


def _suspects(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(_BLOCK):
        text = rest + block
        end = text.rfind(b"\n") + 1
        yield from _lines_with(_FAILURE, text[:end])
        rest = text[end:]
    yield from _lines_with(_FAILURE, rest)


def _lines_with(pattern: re.Pattern[bytes], text: bytes) -> Iterator[bytes]:
    at = 0
    while found := pattern.search(text, at):
        start, end = text.rfind(b"\n", 0, found.start()) + 1, text.find(b"\n", found.end())
        at = end if end >= 0 else len(text)
        yield text[start:at]


def told_apart(failed: frozenset[str]) -> Callable[[Json], dict[str, object] | Bad | Skip]:
    """``canonical`` that keeps the rows of these traces apart, each by itself."""

    def with_call(record: Json) -> dict[str, object] | Bad | Skip:
        values = canonical(record)
        trace = trace_of(record) if isinstance(values, dict) else None
        if not isinstance(values, dict) or trace not in failed:
            return values
        first = "first" if is_first_attempt(record) else ""
        return values | {CALL: f"{trace}\n{kind_of(record)}\n{values.get('timestamp')}\n{first}"}

    return with_call


# --- joining what was kept apart ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row: its group's key without the call, what was counted of it, when it ran, and whether it can continue another."""

    key: GroupKey
    tally: Tally
    start: int
    end: int
    first: bool

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return self.tally.errors == 1


def joined_attempts(partial: Partial) -> Partial:
    """The partial with each run of attempts counted as one request; ``partial.by`` holds ``call``, and so does the result's."""
    place = partial.by.index(CALL)
    alone: dict[GroupKey, list[Tally]] = {}
    traces: dict[tuple[str | None, ...], list[Attempt]] = {}
    for key, tally in partial.tallies.items():
        call, bare = key[place], (*key[:place], None, *key[place + 1 :])
        attempt = _attempt(call, bare, tally)
        if call is None or attempt is None:
            alone.setdefault(bare, []).append(tally)
        else:
            trace, kind, *_ = call.split("\n")
            traces.setdefault((trace, kind, key[-1]), []).append(attempt)
    runs = [run for attempts in traces.values() for run in runs_of(attempts)]
    for run in runs:
        if len(run) == 1:
            alone.setdefault(run[0].key, []).append(run[0].tally)
    rest = Partial(partial.by, {key: sum_tallies(tallies) for key, tallies in alone.items()})
    several = [run for run in runs if len(run) > 1]
    return rest + partial_of(_batch(several, partial.by), partial.by) if several else rest


def _attempt(call: str | None, key: GroupKey, tally: Tally) -> Attempt | None:
    """The row that was counted alone; ``None`` where two rows look the same or have no time."""
    if call is None or tally.requests != 1 or tally.first_ns is None:
        return None
    took_ms = _only(tally, "failure" if tally.errors else "latency")
    end = tally.first_ns + (0 if np.isnan(took_ms) else round(took_ms * 1e6))
    return Attempt(key, tally, tally.first_ns, end, call.endswith("\nfirst"))


def _only(tally: Tally, histogram: str) -> float:
    """The one duration in a histogram, NaN where there is none."""
    most = getattr(tally, histogram).max_ms
    return np.nan if most is None else float(most)


def runs_of(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """The attempts of one trace and kind as runs: each row continues the latest failed one that ended just before it began."""
    runs: list[list[Attempt]] = []
    failing: list[list[Attempt]] = []
    for attempt in sorted(attempts, key=lambda one: (one.start, one.end)):
        failing = [run for run in failing if attempt.start - run[-1].end <= _LONGEST_WAIT_NS]
        before = [run for run in failing if run[-1].end <= attempt.start + _SLACK_NS and not attempt.first]
        run = max(before, key=lambda run: run[-1].end, default=None)
        if run is None:
            runs.append(run := [])
        else:
            failing = [other for other in failing if other is not run]
        run.append(attempt)
        if attempt.failed:
            failing.append(run)
    return runs


def _batch(runs: Sequence[Sequence[Attempt]], by: tuple[str, ...]) -> Batch:
    """The requests the runs come to."""
    lasts = [run[-1] for run in runs]
    waited = np.array([(run[-1].start - run[0].start) / 1e6 for run in runs])
    failed = np.array([last.failed for last in lasts])
    took = [_only(last.tally, "failure" if last.failed else "latency") for last in lasts]
    numbers = {"latency_ms": waited + took, "ttft_ms": waited + [_only(last.tally, "ttft") for last in lasts]}
    numbers["network_ms"] = np.array([_only(last.tally, "network") for last in lasts])
    for flag, name in (("streamed", "streamed"), ("cold_start", "cold_starts")):
        told = [getattr(last.tally, name) for last in lasts]
        numbers[flag] = np.array([float(one.total) if one.n else np.nan for one in told])
    numbers |= {column: np.array([_paid(run, column) for run in runs]) for column in SUMMED}
    kept = {column: values for column, values in numbers.items() if not np.isnan(values).all()}
    labels = {column: Labels.of([_label(run, place, column) for run in runs], len(runs)) for place, column in enumerate(by)}
    instants = np.array([run[0].start for run in runs], np.int64)
    return Batch(len(runs), failed, kept, {column: label for column, label in labels.items() if label.names}, instants)


def _paid(run: Sequence[Attempt], column: str) -> float:
    """The sum over all attempts that told it; a score is the last one's."""
    told = [total for attempt in run if (total := attempt.tally.total(column)) is not None]
    return (told[-1] if column in ("quality", "confidence") else sum(told)) if told else np.nan


def _label(run: Sequence[Attempt], place: int, column: str) -> str | None:
    if column == "attempt":
        return str(len(run))
    return (run[0] if column in _ASKED else run[-1]).key[place]
