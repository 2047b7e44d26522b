"""``edgeroi compare``: scenarios, or a log and an edge offer, to the verdict table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import (
    ConstOption,
    FormatOption,
    JobsOption,
    LogFormatOption,
    MapOption,
    MappingOption,
    NotErrorOption,
    OutputOption,
    PlotOption,
    ReportFormat,
    SamplingOption,
    SeenFromOption,
)

if TYPE_CHECKING:
    from edgeroi.draft import Asked
    from edgeroi.report import Report
    from edgeroi.spec import Scenario
    from edgeroi.verdict_report import Verdicts
    from edgeroi.workload import Profile

_LOG_PANEL = "A log instead of a scenario"

SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override a key of the scenario.")]
_EXPLAINED = "Print the decision path with its evidence, what net hangs on, and every cost line."
ExplainOption = Annotated[list[str] | None, typer.Option("--explain", metavar="WORKLOAD", help=_EXPLAINED)]
AtOption = Annotated[str | None, typer.Option("--prices-as-of", metavar="DATE", help="The day whose prices apply; a scenario's own wins.")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="The seed of the draws; 1 unless given.")]
DrawsOption = Annotated[int | None, typer.Option("--draws", metavar="N", help="How many worlds are drawn; 10,000 unless given.")]
EdgeOption = Annotated[
    str | None,
    typer.Option("--edge", metavar="PROVIDER/MODEL", help="The offer that would serve it at the edge.", rich_help_panel=_LOG_PANEL),
]
NowOption = Annotated[
    str | None,
    typer.Option(
        "--now", metavar="PROVIDER/MODEL", help="The offer that serves it today, if the log does not tell.", rich_help_panel=_LOG_PANEL
    ),
]
UsersInOption = Annotated[
    str | None,
    typer.Option(
        "--users-in", metavar="REGION=SHARE,...", help="Where the people who wait are: us-east=60%,eu-west=40%.", rich_help_panel=_LOG_PANEL
    ),
]
WaitingOption = Annotated[
    str | None,
    typer.Option("--waiting", metavar="RANGE", help='What an hour of waiting is worth: "5 to 40 USD/h".', rich_help_panel=_LOG_PANEL),
]


def compare(
    inputs: Annotated[list[str], typer.Argument(metavar="SCENARIO...|LOGS...", help="Scenario files or folders; or logs, with --edge.")],
    edge: EdgeOption = None,
    now: NowOption = None,
    users_in: UsersInOption = None,
    waiting: WaitingOption = None,
    seen_from: SeenFromOption = None,
    sampling: SamplingOption = None,
    set_: SetOption = None,
    explain: ExplainOption = None,
    prices_as_of: AtOption = None,
    seed: SeedOption = None,
    draws: DrawsOption = None,
    map_: MapOption = None,
    const: ConstOption = None,
    mapping: MappingOption = None,
    not_error: NotErrorOption = None,
    log_format: LogFormatOption = None,
    jobs: JobsOption = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
    plot: PlotOption = None,
) -> None:
    """Cost, latency and value of every option -> the verdict table, or a page (--format html --output page.html).

    edgeroi compare scenarios/chatbot.yaml --explain assistant

    edgeroi compare litellm.jsonl --edge cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast --users-in us-east=60%,eu-west=40%
    """
    from edgeroi.cli.output import write_plot, write_report
    from edgeroi.cli.scenarios import day_of
    from edgeroi.clock import today
    from edgeroi.draws import chance_of
    from edgeroi.judging import judge, loaded
    from edgeroi.memory import keep_freed

    keep_freed()
    explained, chance = tuple(explain or ()), chance_of(seed, draws)
    if edge is None:
        _demand_edge({"--now": now, "--users-in": users_in, "--waiting": waiting})
        _refuse_logs(inputs)
        scenarios, policies = loaded(inputs, set_)
        at = day_of(prices_as_of)
        verdicts = judge(scenarios, command="compare", today=today(), at=at, policies=policies, explain=explained, chance=chance)
    else:
        _refuse_scenarios(inputs)
        from edgeroi.casefile import GROUPED_BY
        from edgeroi.cli.reading import LogOptions
        from edgeroi.cli.scenarios import asked_of, profiled

        asked = asked_of(edge, now, users_in, waiting)
        profile = profiled(
            LogOptions(
                inputs, GROUPED_BY, map_ or (), const or (), mapping, not_error or (), (), log_format, seen_from, sampling, jobs=jobs
            )
        )
        day = day_of(prices_as_of)
        with _in_options(profile, inputs, asked):
            scenario = _drafted(profile, inputs, asked, set_)
            verdicts = judge(
                (scenario,), command="compare", today=today(), at=day, explain=explained, read=lambda log, by, cuts: profile, chance=chance
            )
        verdicts = replace(verdicts, notes=(*verdicts.notes, *_left_out(profile, edge)))
    write_report(report_for(verdicts, form), form, output)
    if plot is not None:
        write_plot(verdicts.figures, plot)


def report_for(verdicts: Verdicts, form: str) -> Report:
    """The report in a format: pages have pictures and what may be moved, and explain every workload."""
    from edgeroi.verdict_report import verdict_report

    if form != ReportFormat.html:
        return verdict_report(verdicts)
    from edgeroi.verdict_figures import drawn_sections

    return verdict_report(verdicts, drawn=drawn_sections)


def _left_out(profile: Profile, edge: str) -> tuple[str, ...]:
    """That the offer is not about every workload of the log, where it is not."""
    from edgeroi.draft import left_out

    others = ", ".join(f"{name} ({model})" for name, model in left_out(profile, edge).items())
    return (f"left out, another model serves them: {others}; give --edge for theirs, or write a scenario (edgeroi init)",) if others else ()


def _demand_edge(given: dict[str, str | None]) -> None:
    from edgeroi.errors import EdgeroiError

    for name, value in given.items():
        if value is not None:
            raise EdgeroiError(f"{name} goes with a log and --edge", fix="add --edge PROVIDER/MODEL, or state it in the scenario")


def _refuse_logs(inputs: list[str]) -> None:
    from pathlib import Path

    from edgeroi.errors import EdgeroiError

    for given in inputs:
        if given == "-" or (Path(given).is_file() and Path(given).suffix not in (".yaml", ".yml")):
            fix = "add --edge PROVIDER/MODEL, the offer that would serve it; edgeroi prices list cloudflare shows some"
            raise EdgeroiError(f"{given} is no scenario; a log goes with --edge", fix=fix)


#: The options that a draft's keys stand for.
_OPTION_OF: Mapping[str, str] = {"now": "--now", "edge": "--edge", "users_in": "--users-in", "value": "--waiting"}


@contextmanager
def _in_options(profile: Profile, inputs: list[str], asked: Asked) -> Iterator[None]:
    """A mistake found in the scenario behind a log is told of the option it came from: nobody can look into a file that is not there."""
    from edgeroi.draft import draft, draft_name
    from edgeroi.errors import EdgeroiError

    name = draft_name(inputs)
    try:
        yield
    except EdgeroiError as error:
        lines = draft(profile, tuple(inputs), asked, name).splitlines()
        said = dict.fromkeys(_in_option(line, name, lines) for line in str(error).splitlines())
        told = EdgeroiError("\n".join(said))
        told.exit_code = error.exit_code
        raise told from None


def _in_option(said: str, name: str, lines: Sequence[str]) -> str:
    found = re.match(rf"{re.escape(name)}:(\d+)(?::\d+)?(?: [^:]*)?: (.*)", said)
    if found is None:
        return said
    drafted = lines[int(found[1]) - 1]
    option = _OPTION_OF.get(drafted.strip().partition(":")[0], name)
    named_by_log = option == "--now" and "# as the log names it" in drafted
    return f"{name} names what no price is known for: {found[2]}; or say --now PROVIDER/MODEL" if named_by_log else f"{option}: {found[2]}"


def _refuse_scenarios(inputs: list[str]) -> None:
    from pathlib import Path

    from edgeroi.errors import EdgeroiError, Place

    for given in inputs:
        if Path(given).suffix in (".yaml", ".yml"):
            raise EdgeroiError("a scenario names its options itself", place=Place(given), fix="drop --edge, or give a log")


def _drafted(profile: Profile, inputs: list[str], asked: Asked, set_: list[str] | None) -> Scenario:
    """The scenario that ``init`` would write for this log, read as one."""
    from edgeroi.draft import scenario_from

    return scenario_from(profile, tuple(inputs), asked, tuple(set_ or ()))
