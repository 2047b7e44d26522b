"""``edgeroi init``: a scenario drafted from a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.compare import EdgeOption, NowOption, UsersInOption, WaitingOption
from edgeroi.cli.options import (
    ConstOption,
    JobsOption,
    LogFormatOption,
    LogsArgument,
    MapOption,
    MappingOption,
    NotErrorOption,
    OutputOption,
    SamplingOption,
    SeenFromOption,
)

if TYPE_CHECKING:
    from edgeroi.draft import Asked
    from edgeroi.workload import Profile


def init(
    logs: LogsArgument,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Ask who waits, where they are and what must hold; Enter takes the default.")
    ] = False,
    edge: EdgeOption = None,
    now: NowOption = None,
    users_in: UsersInOption = None,
    waiting: WaitingOption = None,
    name: Annotated[str, typer.Option("--name", help="What the scenario is called.")] = "Drafted from a log",
    seen_from: SeenFromOption = None,
    sampling: SamplingOption = None,
    map_: MapOption = None,
    const: ConstOption = None,
    mapping: MappingOption = None,
    not_error: NotErrorOption = None,
    log_format: LogFormatOption = None,
    jobs: JobsOption = None,
    output: OutputOption = None,
) -> None:
    """Draft a scenario from a log: filled in as it tells, guessed with the reason where it suggests, asked where only people know.

    edgeroi init litellm.jsonl --interactive --output scenario.yaml

    edgeroi init logs/ --users-in us-east=60%,eu-west=40% --waiting "5 to 40 USD/h"

    `edgeroi check scenario.yaml` judges the draft as it is.
    """
    from edgeroi.casefile import GROUPED_BY
    from edgeroi.cli.output import say, write_text
    from edgeroi.cli.reading import LogOptions
    from edgeroi.cli.scenarios import asked_of, profiled
    from edgeroi.clock import today
    from edgeroi.draft import guided

    asked = asked_of(edge, now, users_in, waiting)
    _refuse_to_overwrite(output)
    _refuse_piped_log(logs, interactive=interactive)
    profile = profiled(
        LogOptions(logs, GROUPED_BY, map_ or (), const or (), mapping, not_error or (), (), log_format, seen_from, sampling, jobs=jobs)
    )
    if interactive:
        asked = _answered(asked, profile)
    write_text(guided(profile, logs, asked, name, today(), output, (map_ or (), const or ())), output)
    if output is not None:
        say(f"next: edgeroi check {output}")


def _answered(asked: Asked, profile: Profile) -> Asked:
    from edgeroi.cli.output import say
    from edgeroi.interview import answered

    return answered(asked, profile, _ask, say)


def _ask(question: str) -> str | None:
    """One line from whoever answers; ``None`` where nobody does any more. The question goes to stderr, since the draft may go to stdout."""
    import sys

    from edgeroi.cli.output import say

    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        say(line.strip())
    return line.strip() if line else None


def _refuse_piped_log(logs: list[str], *, interactive: bool) -> None:
    from edgeroi.errors import EdgeroiError

    if interactive and "-" in logs:
        raise EdgeroiError("the answers and the log cannot both come through stdin", key="--interactive", fix="name the log's file")


def _refuse_to_overwrite(output: Path | None) -> None:
    """A draft is there to be filled in: what somebody wrote into an earlier one is not replaced by questions."""
    from edgeroi.errors import EdgeroiError

    if output is not None and output.is_file() and output.stat().st_size:
        raise EdgeroiError(f"{output} exists and may hold answers", key="--output", fix="remove it first, or give another name")
