"""``edgeroi profile LOGS...``: request logs -> percentiles, tokens, errors, and what a saving would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.reading import LogOptions, milliseconds_of, refuse_unfit, tolerated

if TYPE_CHECKING:
    from edgeroi.workload import Profile


def profile(
    logs: options.LogsArgument,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COL,...", help="Group by these columns too, besides workload and placement."),
    ] = None,
    saving: Annotated[str, typer.Option("--saving", metavar="MS", help="The saving whose effect is asked for.")] = "50ms",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Save the profile: an input like a log, it merges with others.")
    ] = None,
    update: Annotated[
        Path | None,
        typer.Option("--update", metavar="FILE", help="Add what is new in the logs to a saved profile, reading only that; or begin one."),
    ] = None,
    map: options.MapOption = None,
    const: options.ConstOption = None,
    mapping: options.MappingOption = None,
    not_error: options.NotErrorOption = None,
    require: options.RequireOption = None,
    log_format: options.LogFormatOption = None,
    seen_from: options.SeenFromOption = None,
    sampling: options.SamplingOption = None,
    rejects: options.RejectsOption = None,
    max_rejected: options.MaxRejectedOption = None,
    jobs: options.JobsOption = None,
    dedupe: Annotated[
        bool,
        typer.Option(
            "--dedupe",
            help="Count a request once that the logs tell of twice: the same request id, else the same line. Reads them twice.",
            rich_help_panel=options.READING_PANEL,
        ),
    ] = False,
    engine: Annotated[
        options.Engine,
        typer.Option("--engine", help="Where the logs are read: by processes here, or on Spark.", rich_help_panel=options.READING_PANEL),
    ] = options.Engine.local,
    master: Annotated[
        str | None,
        typer.Option("--master", metavar="URL", help="The Spark cluster: spark://HOST:7077.", rich_help_panel=options.READING_PANEL),
    ] = None,
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
    plot: options.PlotOption = None,
) -> None:
    """Request logs -> latency percentiles, tokens, errors, and what a saving would change.

    edgeroi profile gateway.jsonl --saving 80ms

    edgeroi profile logs/ --by model,region --map latency_ms=took:s --format json --output profile.json

    edgeroi profile logs/ --update edge.profile
    """
    from edgeroi import __version__
    from edgeroi.cli.output import write_plot, write_report
    from edgeroi.memory import seek_cycles_rarely
    from edgeroi.profile_report import profile_report
    from edgeroi.request import LineCount

    seek_cycles_rarely()
    saving_ms = milliseconds_of(saving, "--saving")
    target = _saved_to(save, update, dedupe=dedupe)
    tolerated(max_rejected, LineCount())  # a slip in it is told before the logs are read
    said = LogOptions(
        logs,
        by or (),
        map or (),
        const or (),
        mapping,
        not_error or (),
        require or (),
        log_format,
        seen_from,
        sampling,
        rejects,
        jobs,
        dedupe,
        engine,
        master,
    )
    found, interruption = said.read_partly(keep=target is not None, grow=update if update and update.exists() else None)
    unsaved = _unsaved(found, target, interruption)
    report = profile_report(found, version=__version__, saving_ms=saving_ms, drawn=form == options.ReportFormat.html)
    write_report(report, form, output)
    if plot is not None:
        write_plot(found.figures, plot)
    if unsaved is not None:
        raise unsaved
    refuse_unfit(found, max_rejected)


def _saved_to(save: Path | None, update: Path | None, *, dedupe: bool) -> Path | None:
    """The file the profile goes to; raises ``EdgeroiError`` for two, and for an update that cannot know what it was told before."""
    from edgeroi.errors import EdgeroiError

    if update is not None and dedupe:
        raise EdgeroiError("a saved profile does not know the requests it holds", key="--update", fix="leave --dedupe out, or use --save")
    if save is not None and update is not None:
        raise EdgeroiError("a profile is saved anew or updated, not both", key="--update", fix="leave --save out")
    return save or update


def _unsaved(found: Profile, path: Path | None, interruption: BaseException | None) -> BaseException | None:
    """Save a profile that was read whole; what to end with, once it is shown too, where it was interrupted or cannot be saved."""
    from edgeroi.cli.output import say, write_file
    from edgeroi.errors import OutputFailed
    from edgeroi.logs.saved import dumped

    if path is None:
        return interruption
    if interruption is not None:
        say(f"note: {path} is left as it was")
        return interruption
    try:
        write_file(path, dumped(found))
    except OutputFailed as failure:
        return failure
    return None
