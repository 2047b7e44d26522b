"""``edgeroi route LOGS... --policy FILE``: what a policy would cost and gain; its threshold; its export to a gateway."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.reading import LogOptions, tolerated

if TYPE_CHECKING:
    from edgeroi.scenario import RouteFile


class Goal(StrEnum):
    """What a threshold is to be best for."""

    max_net = "max-net"
    max_quality = "max-quality"
    min_cost = "min-cost"


class Gateway(StrEnum):
    """What a policy can be exported to."""

    litellm = "litellm"
    cloudflare = "cloudflare"


_SWEEP_PANEL = "Threshold"


def route(
    logs: Annotated[
        list[str] | None,
        typer.Argument(metavar="LOGS...", help="Log files, folders, globs, addresses, or - for stdin. None are needed for --export."),
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", metavar="FILE", help="A policy file, a scenario, or `article`: the article's own router.")
    ] = "article",
    workload: Annotated[str | None, typer.Option("--workload", metavar="NAME", help="Whose requests, where there are several.")] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="NAME", help="Of several policies in the file, this one.")] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="FIELD",
            help="The field whose threshold is moved: confidence, input_tokens, prompt_words, any number of the log.",
            rich_help_panel=_SWEEP_PANEL,
        ),
    ] = None,
    goal: Annotated[
        Goal | None,
        typer.Option("--goal", help="Choose the threshold on half of the requests, judge it on the other.", rich_help_panel=_SWEEP_PANEL),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="USD", help="Of max-quality, a month: 500.", rich_help_panel=_SWEEP_PANEL)
    ] = None,
    quality_floor: Annotated[
        float | None, typer.Option("--quality-floor", metavar="Q", help="Of min-cost: 0.9.", rich_help_panel=_SWEEP_PANEL)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the two halves.", rich_help_panel=_SWEEP_PANEL)] = 1,
    export: Annotated[
        Gateway | None, typer.Option("--export", help="Write the policy as the configuration of a gateway, instead of a report.")
    ] = None,
    map: options.MapOption = None,
    const: options.ConstOption = None,
    mapping: options.MappingOption = None,
    not_error: options.NotErrorOption = None,
    require: options.RequireOption = None,
    log_format: options.LogFormatOption = None,
    sampling: options.SamplingOption = None,
    rejects: options.RejectsOption = None,
    max_rejected: options.MaxRejectedOption = None,
    jobs: options.JobsOption = None,
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
    plot: options.PlotOption = None,
) -> None:
    """Replay a policy over a log: who would have answered, at what cost, latency and quality, beside each option alone and today.

    edgeroi route router.jsonl --policy policy.yaml --sweep confidence --goal min-cost --quality-floor 0.9

    edgeroi route --policy policy.yaml --export litellm --output config.yaml
    """
    from edgeroi.cli.output import progress, write_plot, write_report
    from edgeroi.clock import today
    from edgeroi.errors import EdgeroiError
    from edgeroi.replaying import budget_of, routes, wanted
    from edgeroi.request import LineCount
    from edgeroi.route_report import route_report
    from edgeroi.scenario import load_routes

    file = load_routes(policy, workload).only(only)
    if export is not None:
        _export(file, export, output)
        return
    if not logs:
        raise EdgeroiError("no log to replay the policy over", key="LOGS", fix="name one; only --export needs none")
    asked_for = wanted(sweep, goal.value if goal else None, budget_of(budget) if budget else None, quality_floor, seed)
    tolerated(max_rejected, LineCount())
    said = LogOptions(logs, (), map or (), const or (), mapping, not_error or (), require or (), log_format, None, sampling, rejects, jobs)
    with progress("reading") as at:
        found = routes(
            logs,
            file,
            said.reading(),
            asked_for,
            workload=workload,
            today=today(),
            jobs=jobs,
            progress=at,
            rejects_to=rejects,
            tolerated=lambda lines: tolerated(max_rejected, lines),
        )
    write_report(route_report(found, drawn=form == options.ReportFormat.html), form, output)
    if plot is not None:
        write_plot(found.figures, plot)


def _export(file: RouteFile, gateway: Gateway, output: Path | None) -> None:
    import json

    from edgeroi.cli.output import say, write_text
    from edgeroi.gateways import EXPORTS

    found = EXPORTS[gateway.value](file.options, file.policies)
    for note in found.notes:
        say(f"note: {note}")
    write_text(json.dumps(found.document, indent=2) + "\n", output)
