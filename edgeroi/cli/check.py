"""``edgeroi check``: the verdicts as a gate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeroi.cli.compare import AtOption, DrawsOption, ExplainOption, SeedOption, SetOption, report_for
from edgeroi.cli.options import FormatOption, OutputOption, ReportFormat


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
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """The same as compare, as a gate: exit 1 when edge spend is unjustified, 3 when a declared edge has no data or no price.

    edgeroi check scenarios/

    edgeroi check scenario.yaml --set workloads.search.requests="20M /month" --format json
    """
    from edgeroi.cli.exits import GateFailed
    from edgeroi.cli.output import write_report
    from edgeroi.cli.scenarios import day_of
    from edgeroi.clock import today
    from edgeroi.draws import chance_of
    from edgeroi.errors import NoAnswer
    from edgeroi.judging import judge, loaded, with_limits
    from edgeroi.memory import keep_freed
    from edgeroi.verdict_report import unanswered

    keep_freed()
    scenarios, policies = loaded(inputs, set_, policy)
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
    )
    write_report(report_for(verdicts, form), form, output)
    if verdicts.gate == "fail":
        raise GateFailed
    if verdicts.gate == "undecided":
        raise NoAnswer(unanswered(verdicts))
