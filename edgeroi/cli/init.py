"""``edgeroi init``: a scenario drafted from a log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def init(
    logs: LogsArgument,
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
    """Draft a scenario from a log: what it tells is filled in, what only people know stays a question in a comment.

    edgeroi init litellm.jsonl --output scenario.yaml

    edgeroi init logs/ --users-in us-east=60%,eu-west=40% --waiting "5 to 40 USD/h"
    """
    from edgeroi.casefile import GROUPED_BY
    from edgeroi.cli.output import write_text
    from edgeroi.cli.reading import LogOptions
    from edgeroi.cli.scenarios import asked_of, profiled
    from edgeroi.draft import draft

    asked = asked_of(edge, now, users_in, waiting)
    _refuse_to_overwrite(output)
    profile = profiled(
        LogOptions(logs, GROUPED_BY, map_ or (), const or (), mapping, not_error or (), (), log_format, seen_from, sampling, jobs=jobs)
    )
    write_text(draft(profile, logs, asked, name, output, (map_ or (), const or ())), output)


def _refuse_to_overwrite(output: Path | None) -> None:
    """A draft is there to be filled in: what somebody wrote into an earlier one is not replaced by questions."""
    from edgeroi.errors import EdgeroiError

    if output is not None and output.is_file() and output.stat().st_size:
        raise EdgeroiError(f"{output} exists and may hold answers", key="--output", fix="remove it first, or give another name")
