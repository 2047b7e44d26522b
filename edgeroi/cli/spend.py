"""``edgeroi spend LOGS...``: where inference ran and what it cost; budgets, projection, the bill beside it, and a watch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.reading import LogOptions, tolerated

if TYPE_CHECKING:
    from edgeroi.budget import Limits
    from edgeroi.spend_report import Spending
    from edgeroi.spending import Asked
    from edgeroi.verdict_report import Verdicts

LIMITS_PANEL = "Limits"
BILL_PANEL = "The bill"
WATCH_PANEL = "Watching"


class OnUndecided(StrEnum):
    """What a limit in doubt does to the run."""

    warn = "warn"
    fail = "fail"


def spend(
    logs: options.LogsArgument,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COL,...", help="placement, provider, model, workload, service_tier, day, month or priced."),
    ] = None,
    prices: Annotated[
        list[Path] | None, typer.Option("--prices", metavar="FILE", help="A price file of yours, as for edgeroi prices; its rows win.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the permutations that tell a jump in spend from chance.")] = 0,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="USD/month", help="What a month may cost: 500/month.", rich_help_panel=LIMITS_PANEL),
    ] = None,
    max_edge_share: Annotated[
        str | None,
        typer.Option(
            "--max-edge-share", metavar="SHARE", help="The most of the spend that may be at the edge: 5%.", rich_help_panel=LIMITS_PANEL
        ),
    ] = None,
    max_growth: Annotated[
        str | None,
        typer.Option(
            "--max-growth", metavar="SHARE", help="The most this month may cost more than the last: 20%.", rich_help_panel=LIMITS_PANEL
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", metavar="FILE", help="Its gate holds too: net benefit, as in check.", rich_help_panel=LIMITS_PANEL),
    ] = None,
    on_undecided: Annotated[
        OnUndecided, typer.Option("--on-undecided", help="warn: pass with a warning; fail: exit 3.", rich_help_panel=LIMITS_PANEL)
    ] = OnUndecided.warn,
    focus: Annotated[
        Path | None,
        typer.Option("--focus", metavar="FILE", help="A FOCUS 1.x export of the bill, CSV or Parquet.", rich_help_panel=BILL_PANEL),
    ] = None,
    focus_service: Annotated[
        list[str] | None,
        typer.Option(
            "--focus-service",
            metavar="SERVICE=PROVIDER",
            help="Which provider of the logs a service on the bill is of.",
            rich_help_panel=BILL_PANEL,
        ),
    ] = None,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="SHARE", help="The difference that is agreed.", rich_help_panel=BILL_PANEL)
    ] = "2%",
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on reading what is new until Ctrl-C; then the table.", rich_help_panel=WATCH_PANEL)
    ] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="How often to look, with --follow.", rich_help_panel=WATCH_PANEL)
    ] = "10s",
    prometheus: Annotated[
        Path | None,
        typer.Option(
            "--prometheus", metavar="FILE", help="Keep the figures in FILE.prom for the node exporter.", rich_help_panel=WATCH_PANEL
        ),
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
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
    plot: options.PlotOption = None,
) -> None:
    """Where inference ran and what it cost, by the log's own cost or the book's price of the day; what has no price is listed.

    edgeroi spend gateway.jsonl --budget 500/month --max-edge-share 5%

    edgeroi spend logs/ --by day,placement --focus bill.csv --format json
    """
    from edgeroi.request import LineCount

    tolerated(max_rejected, LineCount())  # a slip in it is told before the logs are read
    limits = limits_of(budget, max_edge_share, max_growth)
    asked = _asked(by, prices, seed, limits, focus, focus_service, tolerance, _verdicts(scenario, on_undecided))
    said = LogOptions(
        logs,
        map=map or (),
        const=const or (),
        mapping=mapping,
        not_error=not_error or (),
        require=require or (),
        log_format=log_format,
        seen_from=seen_from,
        sampling=sampling,
        rejects=rejects,
        jobs=jobs,
    )
    interruption: BaseException | None = None
    if follow:
        _refuse_with_follow(rejects)
        from edgeroi.cli.watching import followed

        found = followed(said, asked, every, prometheus)
    else:
        found, interruption = _read(said, asked, prometheus)
    _end(found, form, output, plot, on_undecided, max_rejected, interruption)


def _refuse_with_follow(rejects: Path | None) -> None:
    from edgeroi.errors import EdgeroiError

    if rejects is not None:
        raise EdgeroiError("a watch has no end at which all rejects are known", key="--rejects", fix="leave --follow out, or --rejects")


def _asked(
    by: Sequence[str] | None,
    prices: Sequence[Path] | None,
    seed: int,
    limits: Limits,
    focus: Path | None,
    services: Sequence[str] | None,
    tolerance: str,
    verdicts: Verdicts | None,
) -> Asked:
    from edgeroi.ledger import Ledger
    from edgeroi.logs.focus import read_focus
    from edgeroi.spend_report import GROUPS
    from edgeroi.spending import Asked

    named = tuple(dict.fromkeys(part.strip() for text in by or () for part in text.split(",") if part.strip())) or GROUPS
    Ledger().by(named)  # a slip in it is told before the logs are read
    stated = dict(_service(text) for text in services or ())
    bill = read_focus(focus) if focus else ()
    return Asked(limits, named, tuple(prices or ()), bill, stated, percentage(tolerance, "--tolerance"), verdicts, seed)


def _read(said: LogOptions, asked: Asked, prometheus: Path | None) -> tuple[Spending, BaseException | None]:
    """Read once, and what to end with where that was interrupted."""
    from edgeroi.cli.output import write_file
    from edgeroi.exposition import exposition
    from edgeroi.spending import spending_of
    from edgeroi.usage import UsageFold

    profile, fold, interruption = said.fold_partly(UsageFold(asked.steps()))
    found = spending_of(profile, fold.usage, asked)
    if prometheus is not None:
        write_file(prometheus, exposition(found).encode())
    return found, interruption


def _verdicts(scenario: Sequence[str] | None, on_undecided: OnUndecided) -> Verdicts | None:
    """The scenarios, judged as ``check`` judges them."""
    from edgeroi.clock import today
    from edgeroi.judging import judge, loaded, with_limits

    if not scenario:
        return None
    scenarios, policies = loaded(scenario, ())
    stricter = "fail" if on_undecided is OnUndecided.fail else None
    return judge([with_limits(one, stricter) for one in scenarios], command="check", today=today(), policies=policies, gate=True)


def _end(
    found: Spending,
    form: str,
    output: Path | None,
    plot: Path | None,
    on_undecided: OnUndecided,
    max_rejected: str | None,
    interruption: BaseException | None,
) -> None:
    """The report, and how the run ends: 1 where a limit is broken, 2 where the logs are unfit, 3 where a limit had no answer."""
    from edgeroi.budget import lacking
    from edgeroi.cli.exits import GateFailed
    from edgeroi.cli.output import say, write_plot, write_report
    from edgeroi.errors import EdgeroiError, NoAnswer
    from edgeroi.profile_report import unfit
    from edgeroi.spend_report import spend_report

    write_report(spend_report(found, drawn=form == options.ReportFormat.html), form, output)
    if plot is not None and (found.figures or found.gate in (None, "pass")):  # a gate's own end comes before there being no picture
        write_plot(found.figures, plot)
    if interruption is not None:
        raise interruption
    if why := unfit(found.profile, tolerated(max_rejected, found.profile.lines)):
        raise EdgeroiError(why)
    if found.gate == "fail":
        raise GateFailed
    undecided = [f for f in found.findings if f.level == "error" and f.status == "undecided"]
    if found.gate == "undecided":
        unanswered = undecided if on_undecided is OnUndecided.fail or _is_scenario_undecided(found) else list(lacking(undecided))
        words = "; ".join(finding.message for finding in unanswered or undecided)
        if unanswered:
            raise NoAnswer(f"no answer: {words}")
        say(f"warning: undecided: {words}")


def _is_scenario_undecided(found: Spending) -> bool:
    return found.verdicts is not None and found.verdicts.gate == "undecided"


# What is typed --------------------------------------------------------------------------------------------------------


def limits_of(budget: str | None, edge_share: str | None, growth: str | None) -> Limits:
    """The limits as typed; raises ``EdgeroiError``."""
    from edgeroi.budget import Limits

    return Limits(
        None if budget is None else _usd_month(budget),
        None if edge_share is None else percentage(edge_share, "--max-edge-share"),
        None if growth is None else percentage(growth, "--max-growth", most=None),
    )


def _usd_month(text: str) -> float:
    from edgeroi.errors import EdgeroiError

    found = re.fullmatch(r"\$?(\d[\d,]*(?:\.\d+)?|\.\d+)\s*(?:USD)?\s*/\s*month", text.strip(), re.IGNORECASE)
    if found is None:
        raise EdgeroiError(f"{text!r} is no budget", key="--budget", fix="write USD a calendar month: 500/month")
    return float(found[1].replace(",", ""))


def percentage(text: str, option: str, most: float | None = 1.0) -> float:
    """``5%`` or ``0.05`` as a share, 0 too; raises ``EdgeroiError``."""
    from edgeroi.errors import EdgeroiError

    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)", text.strip())
    value = float(found[1]) / (100 if found[2] else 1) if found else None
    if value is None or (most is not None and value > most):
        raise EdgeroiError(f"{text!r} is no share", key=option, fix="write 5% or 0.05")
    return value


def _service(text: str) -> tuple[str, str]:
    from edgeroi.errors import EdgeroiError

    service, equals, provider = (part.strip() for part in text.rpartition("="))
    if not (service and equals and provider):
        raise EdgeroiError(f"{text!r} names no service and provider", key="--focus-service", fix='write "Amazon Bedrock=bedrock"')
    return service, provider.casefold()
