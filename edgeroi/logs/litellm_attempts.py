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
- SpendLogs may bill an earlier attempt in a row of its own beside the last one (``billed_retry_attempt``, ``request_id``
  ``...-attempt-1``): its cost belongs to the run it falls into, its times tell nothing.
- The other rows of the run are in the account as ``other_record``: nothing is lost, and the lines add up.

Attempts may lie far apart in a file, and in different pieces of it. So the file is looked over first for the traces of which a call
failed; rows of those are kept apart by a hidden column, ``call``, and joined once all is read. Rows in different files are not
joined, nor is what comes from a pipe, which can be read only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np

from edgeroi.census import partial_of
from edgeroi.logs.lines import object_of
from edgeroi.logs.litellm_calls import canonical, is_billed_attempt, is_failure, is_first_attempt, kind_of, trace_of
from edgeroi.logs.record import Bad, Skip
from edgeroi.request import Batch, Labels
from edgeroi.workload import SUMMED, GroupKey, Partial, Tally, sum_tallies

Json = Mapping[str, Any]

#: The hidden column: the trace, the kind of call, when it started, and what else its row says of its place among the attempts.
CALL: Final = "call"
_FIRST, _BILLED = "first", "billed"
#: Traces with a failure that are looked for; the attempts of further ones stay requests of their own.
MOST_FAILED: Final = 20_000
#: The router waits up to 60 s before it tries again; times are good to a millisecond.
_LONGEST_WAIT_NS, _SLACK_NS = 60 * 10**9, 10**6
#: What a request is asked as: told by its first attempt; by whom it was answered the last one tells.
_ASKED: Final = frozenset(("workload", "session_id", "user_id", "variant", "prompt", "request_id"))
#: How a failure is told, and what may stand behind it: also inside JSON text.
_FAILURE, _BEHIND = b"failure", (b'"', b'\\"')
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
        yield from _lines_of_failures(text[:end])
        rest = text[end:]
    yield from _lines_of_failures(rest)


def _lines_of_failures(text: bytes) -> Iterator[bytes]:
    at = 0
    while (found := text.find(_FAILURE, at)) >= 0:
        at = found + len(_FAILURE)
        if text.startswith(_BEHIND, at):
            start, end = text.rfind(b"\n", 0, found) + 1, text.find(b"\n", at)
            at = end if end >= 0 else len(text)
            yield text[start:at]


def told_apart(failed: frozenset[str]) -> Callable[[Json], dict[str, object] | Bad | Skip]:
    """``canonical`` that keeps the rows of these traces apart, each by itself."""

    def with_call(record: Json) -> dict[str, object] | Bad | Skip:
        values = canonical(record)
        trace = trace_of(record) if isinstance(values, dict) else None
        if not isinstance(values, dict) or trace not in failed:
            return values
        place = _BILLED if is_billed_attempt(record) else _FIRST if is_first_attempt(record) else ""
        return values | {CALL: f"{trace}\n{kind_of(record)}\n{values.get('timestamp')}\n{place}"}

    return with_call


# --- joining what was kept apart ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row: its group's key without the call, what was counted of it, when it ran.

    ``first``: nothing led to it. ``billed``: it only tells what an earlier attempt cost.
    """

    key: GroupKey
    tally: Tally
    start: int
    end: int
    first: bool = False
    billed: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return self.tally.errors == 1


@dataclass(slots=True)
class Run:
    """The attempts of one request in their order, and the rows that bill earlier ones."""

    attempts: list[Attempt]
    billed: list[Attempt] = field(default_factory=list)

    @property
    def start(self) -> int:
        """When the first attempt began."""
        return self.attempts[0].start

    @property
    def last(self) -> Attempt:
        """The attempt that decided."""
        return self.attempts[-1]

    @property
    def rows(self) -> list[Attempt]:
        """All rows that tell of the request."""
        return [*self.billed, *self.attempts]


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
        if len(run.rows) == 1:
            alone.setdefault(run.last.key, []).append(run.last.tally)
    rest = Partial(partial.by, {key: sum_tallies(tallies) for key, tallies in alone.items()})
    several = [run for run in runs if len(run.rows) > 1]
    return rest + partial_of(_batch(several, partial.by), partial.by) if several else rest


def _attempt(call: str | None, key: GroupKey, tally: Tally) -> Attempt | None:
    """The row that was counted alone; ``None`` where two rows look the same or have no time."""
    if call is None or tally.requests != 1 or tally.first_ns is None:
        return None
    took_ms = _only(tally, "failure" if tally.errors else "latency")
    end = tally.first_ns + (0 if np.isnan(took_ms) else round(took_ms * 1e6))
    place = call.rpartition("\n")[2]
    return Attempt(key, tally, tally.first_ns, end, place == _FIRST, place == _BILLED)


def _only(tally: Tally, histogram: str) -> float:
    """The one duration in a histogram, NaN where there is none."""
    most = getattr(tally, histogram).max_ms
    return np.nan if most is None else float(most)


def runs_of(attempts: Sequence[Attempt]) -> list[Run]:
    """The attempts of one trace and kind as runs: each row continues the latest failed one that ended just before it began."""
    runs: list[Run] = []
    failing: list[Run] = []
    for attempt in sorted((one for one in attempts if not one.billed), key=lambda one: (one.start, one.end)):
        failing = [run for run in failing if attempt.start - run.last.end <= _LONGEST_WAIT_NS]
        before = [run for run in failing if run.last.end <= attempt.start + _SLACK_NS and not attempt.first]
        run = max(before, key=lambda run: run.last.end, default=None)
        if run is None:
            runs.append(run := Run([attempt]))
        else:
            failing = [other for other in failing if other is not run]
            run.attempts.append(attempt)
        if attempt.failed:
            failing.append(run)
    return runs + _billed_into(runs, [one for one in attempts if one.billed])


def _billed_into(runs: Sequence[Run], billed: Sequence[Attempt]) -> list[Run]:
    """Give each billing row to the run it falls into; those that fall into none are runs of their own."""
    left = []
    for row in billed:
        run = next((run for run in runs if run.start - _SLACK_NS <= row.start <= run.last.end + _SLACK_NS), None)
        if run is None:
            left.append(Run([row]))
        else:
            run.billed.append(row)
    return left


def _batch(runs: Sequence[Run], by: tuple[str, ...]) -> Batch:
    """The requests the runs come to."""
    lasts = [run.last for run in runs]
    waited = np.array([(run.last.start - run.start) / 1e6 for run in runs])
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
    instants = np.array([run.start for run in runs], np.int64)
    return Batch(len(runs), failed, kept, {column: label for column, label in labels.items() if label.names}, instants)


def _paid(run: Run, column: str) -> float:
    """The sum over all rows that told it; a score is the last one's."""
    told = [total for row in run.rows if (total := row.tally.total(column)) is not None]
    return (told[-1] if column in ("quality", "confidence") else sum(told)) if told else np.nan


def _label(run: Run, place: int, column: str) -> str | None:
    if column == "attempt":
        return str(len(run.rows))
    return (run.attempts[0] if column in _ASKED else run.last).key[place]
