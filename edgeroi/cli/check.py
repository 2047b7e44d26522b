"""``edgeroi check``: the verdicts as a gate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.compare import AtOption, DrawsOption, ExplainOption, SeedOption, SetOption
from edgeroi.cli.options import OUTPUT_PANEL, OutputOption, PlotOption
from edgeroi.cli.pull_request import CheckFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeroi.verdict_report import Verdicts

_REQUEST_PANEL = "In a pull request"


class OnUndecided(StrEnum):
    """What an undecided edge does to the gate."""

    warn = "warn"
    fail = "fail"


def check(
    inputs: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Scenario files or folders.")],
    set_: SetOption = None,
    explain: ExplainOption = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The project policy; the nearest edgeroi.yaml unless given.")
    ] = None,
    on_undecided: Annotated[OnUndecided | None, typer.Option("--on-undecided", help="warn: pass with a warning; fail: exit 3.")] = None,
    prices_as_of: AtOption = None,
    seed: SeedOption = None,
    draws: DrawsOption = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="A former check --format json, say the base branch's: what changed is told.",
            rich_help_panel=_REQUEST_PANEL,
        ),
    ] = None,
    min_change: Annotated[
        str | None,
        typer.Option(
            "--min-change",
            metavar="AMOUNT",
            help='Changes of premium and net below it are not told; "10 USD/month" unless given.',
            rich_help_panel=_REQUEST_PANEL,
        ),
    ] = None,
    policy_from: Annotated[
        Path | None,
        typer.Option(
            "--policy-from",
            metavar="FILE",
            help="The base branch's edgeroi.yaml: where the change loosens it, this one judges.",
            rich_help_panel=_REQUEST_PANEL,
        ),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="A LiteLLM or wrangler configuration: edge models without a scenario are told.",
            rich_help_panel=_REQUEST_PANEL,
        ),
    ] = None,
    form: Annotated[
        CheckFormat, typer.Option("--format", help="How to write the result.", rich_help_panel=OUTPUT_PANEL)
    ] = CheckFormat.table,
    output: OutputOption = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="FORMAT=FILE", help="Write another format to a file, too.", rich_help_panel=OUTPUT_PANEL),
    ] = None,
    plot: PlotOption = None,
) -> None:
    """The same as compare, as a gate: exit 1 when edge spend is unjustified, 3 when a declared edge has no data or no price.

    edgeroi check scenarios/

    edgeroi check scenario.yaml --set workloads.search.requests="20M /month" --format json

    edgeroi check scenarios/ --baseline base.json --policy-from base/edgeroi.yaml --format github --also sarif=edgeroi.sarif
    """
    from edgeroi.cli.exits import GateFailed
    from edgeroi.cli.output import write_plot
    from edgeroi.cli.pull_request import baseline_of, outputs_of, since_of
    from edgeroi.cli.scenarios import day_of
    from edgeroi.clock import today
    from edgeroi.deployment import uncovered
    from edgeroi.draws import chance_of
    from edgeroi.errors import NoAnswer
    from edgeroi.judging import judge, loaded_against, with_limits
    from edgeroi.memory import keep_freed
    from edgeroi.verdict_report import unanswered

    keep_freed()
    others, base = outputs_of(also), baseline_of(baseline)
    scenarios, policies, weakened = loaded_against(inputs, set_, policy, policy_from)
    limited = tuple(with_limits(scenario, on_undecided.value if on_undecided else None) for scenario in scenarios)
    verdicts = judge(
        limited,
        command="check",
        today=today(),
        at=day_of(prices_as_of),
        policies=policies,
        gate=True,
        explain=tuple(explain or ()),
        chance=chance_of(seed, draws),
        beside=(*weakened, *uncovered(config or (), limited)),
    )
    verdicts = since_of(verdicts, base, baseline, min_change)
    _write(verdicts, form, output, others)
    if plot is not None and (verdicts.figures or verdicts.gate == "pass"):  # the gate's own end comes before there being no picture
        write_plot(verdicts.figures, plot)
    if verdicts.gate == "fail":
        raise GateFailed
    if verdicts.gate == "undecided":
        raise NoAnswer(unanswered(verdicts))


def _write(verdicts: Verdicts, form: CheckFormat, output: Path | None, others: Sequence[tuple[CheckFormat, Path]]) -> None:
    """Everything that was asked for, before the gate decides how the run ends."""
    import os

    from edgeroi.cli.output import write_report, write_text
    from edgeroi.cli.pull_request import add_summary, report_for
    from edgeroi.renderers import Page, renderer

    for other, file in others:
        write_text(renderer(other.value).render(report_for(verdicts, other), Page()), file)
    if CheckFormat.github in (form, *(other for other, _ in others)):
        add_summary(verdicts, os.environ)
    write_report(report_for(verdicts, form), form, output)
