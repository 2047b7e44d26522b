"""``edgeroi ab LOGS...``: an experiment, edge against cloud: its guards, its effects, and for which workloads the arm pays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.exits import Exit
from edgeroi.cli.reading import LogOptions, milliseconds_of, refuse_unfit, share_of, tolerated

if TYPE_CHECKING:
    from collections.abc import Mapping


#: What ``--split`` says where nobody drew who is in which arm.
NOBODY = "none"


def ab(
    logs: options.LogsArgument,
    arm: Annotated[str, typer.Option("--arm", metavar="COL", help="The column that tells the arms apart: variant, placement.")] = "variant",
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="COL", help="What was drawn into the arms: user_id, session_id. Requests of one are not independent."
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option("--control", metavar="NAME", help="The arm the others are held against; control, cloud or before unless given."),
    ] = None,
    deadline: Annotated[str | None, typer.Option("--deadline", metavar="MS", help="Compare the share of requests that miss it.")] = None,
    margin: Annotated[
        str | None,
        typer.Option("--margin", metavar="LOSS", help="Quality may be lost by so much at most: 0.02. Else nothing is held to it."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="ARM=SHARE,...", help="The share of units each arm was to get; equal unless given, none if nobody drew."
        ),
    ] = None,
    sequential: Annotated[bool, typer.Option("--sequential", help="Intervals that hold at every look, so that peeking is safe.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Save the arms as a profile: a scenario's log, by placement and arm.")
    ] = None,
    map: options.MapOption = None,
    const: options.ConstOption = None,
    mapping: options.MappingOption = None,
    not_error: options.NotErrorOption = None,
    require: options.RequireOption = None,
    log_format: options.LogFormatOption = None,
    seen_from: options.SeenFromOption = None,
    sampling: options.SamplingOption = None,
    max_rejected: options.MaxRejectedOption = None,
    jobs: options.JobsOption = None,
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
    plot: options.PlotOption = None,
) -> None:
    """Edge against cloud as an experiment: the effect on latency, misses, errors, cost and quality, each with its interval.

    edgeroi ab experiment.jsonl --arm placement --unit user_id --deadline 800ms

    edgeroi ab before.profile after.profile
    """
    from edgeroi.ab_report import ab_report
    from edgeroi.cli.output import progress, write_file, write_plot, write_report
    from edgeroi.effects import Doubt
    from edgeroi.errors import EdgeroiError
    from edgeroi.experiment import Design
    from edgeroi.experimenting import experiment_in, is_all_saved
    from edgeroi.logs.saved import dumped
    from edgeroi.request import LineCount

    design = Design(
        arm,
        unit,
        control,
        None if deadline is None else milliseconds_of(deadline, "--deadline"),
        None if margin is None else share_of(margin, "--margin"),
        None if split is None else shares_of(split),
        Doubt(sequential=sequential),
    )
    tolerated(max_rejected, LineCount())
    said = LogOptions(
        logs, (), map or (), const or (), mapping, not_error or (), require or (), log_format, seen_from, sampling, None, jobs
    )
    if save is not None and is_all_saved(logs):
        raise EdgeroiError("saved profiles are a scenario's logs as they are", key="--save", fix="name them in the scenario")
    with progress("reading") as at:
        experiment, profile = experiment_in(logs, said.reading(), design, jobs=jobs, progress=at)
    write_report(ab_report(experiment, drawn=form == options.ReportFormat.html), form.value, output)
    if plot is not None and experiment.is_valid:  # how the run ends is of an invalid one, which has nothing to draw
        write_plot(experiment.figures, plot)
    if save is not None and experiment.is_valid:
        write_file(save, dumped(profile))
    refuse_unfit(profile, max_rejected)
    if not experiment.is_valid:
        raise typer.Exit(Exit.NO_ANSWER)


def shares_of(said: str) -> Mapping[str, float]:
    """``edge=10,cloud=90`` as shares; empty for ``none``. Raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    if said == NOBODY:
        return {}
    shares: dict[str, float] = {}
    for part in said.split(","):
        name, equals, share = part.strip().rpartition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            equals = ""
        if not equals or not name or not 0 < shares[name] < float("inf"):
            raise EdgeroiError(f"{part!r} is not ARM=SHARE", key="--split", fix="write --split edge=10,cloud=90, or none")
    return shares
