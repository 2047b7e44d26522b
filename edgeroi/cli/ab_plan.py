"""``edgeroi ab-plan LOGS...``: how many requests, users and days an experiment takes, from the log of what is there today."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.reading import LogOptions, milliseconds_of, refuse_unfit, share_of, tolerated

if TYPE_CHECKING:
    from collections.abc import Mapping


def ab_plan(
    logs: options.LogsArgument,
    effect: Annotated[
        str,
        typer.Option("--effect", metavar="[+]N%", help="The change to find, relative to today: 10% is a tenth less, +10% a tenth more."),
    ] = "10%",
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="COL", help="What is drawn into the arms: user_id, session_id. Else each request by itself."),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="MS", help="Plan for the share of requests that miss it too.")
    ] = None,
    margin: Annotated[
        str | None, typer.Option("--margin", metavar="LOSS", help="Plan to show that quality loses no more than this: 0.02.")
    ] = None,
    power: Annotated[str, typer.Option("--power", metavar="SHARE", help="The share of experiments that find it.")] = "80%",
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="COL=VALUE", help="Only these requests: placement=cloud. May be repeated.")
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
) -> None:
    """How many requests of each arm, and days, it takes to find a change of this size, number by number.

    edgeroi ab-plan gateway.jsonl --effect 10% --unit user_id --deadline 800ms

    edgeroi ab-plan logs/ --where placement=cloud --effect +100%
    """
    from edgeroi.cli.output import progress, write_report
    from edgeroi.experimenting import plan_from
    from edgeroi.plan_report import plan_report
    from edgeroi.request import LineCount
    from edgeroi.sample_sizes import Wanted

    wanted = Wanted(
        change_of(effect),
        _power_of(power),
        deadline_ms=None if deadline is None else milliseconds_of(deadline, "--deadline"),
        margin=None if margin is None else share_of(margin, "--margin"),
    )
    conditions = conditions_of(where or ())
    tolerated(max_rejected, LineCount())
    said = LogOptions(
        logs, (), map or (), const or (), mapping, not_error or (), require or (), log_format, seen_from, sampling, None, jobs
    )
    with progress("reading") as at:
        plan, profile = plan_from(logs, said.reading(), wanted, unit, conditions, jobs=jobs, progress=at)
    write_report(plan_report(plan), form.value, output)
    refuse_unfit(profile, max_rejected)


def change_of(said: str) -> float:
    """``10%`` and ``-10%`` as -0.1, ``+10%`` as 0.1; raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    found = re.fullmatch(r"([+-]?)(\d+(?:\.\d+)?) ?%", said.strip())
    if found is None or not float(found[2]) or (found[1] != "+" and float(found[2]) >= 100):
        raise EdgeroiError(f"{said!r} is no change", key="--effect", fix="write 10% for a tenth less, +10% for a tenth more")
    return float(found[2]) / 100 * (1 if found[1] == "+" else -1)


def _power_of(said: str) -> float:
    from edgeroi.errors import EdgeroiError

    power = share_of(said, "--power")
    if not 0.05 < power < 1:
        raise EdgeroiError(f"no experiment finds it in {said} of the cases", key="--power", fix="write 80% or 90%")
    return power


def conditions_of(said: list[str] | tuple[str, ...]) -> Mapping[str, str]:
    """``placement=cloud`` by column; raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    found: dict[str, str] = {}
    for text in said:
        column, equals, value = text.partition("=")
        if not equals or not column or column in found:
            raise EdgeroiError(f"{text!r} is not COLUMN=VALUE, each column once", key="--where", fix="write --where placement=cloud")
        found[column] = value
    return found
