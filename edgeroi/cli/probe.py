"""``edgeroi probe PROBES.yaml``: measure live endpoints, edge and cloud interleaved; the log it writes is an input like any other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeroi.cli import options
from edgeroi.cli.reading import milliseconds_of


class ConnectionsKind(StrEnum):
    """What becomes of a connection after a request."""

    reuse = "reuse"
    new = "new"
    both = "both"


def probe(
    file: Annotated[Path, typer.Argument(metavar="PROBES.yaml", help="Targets, payloads and rate.")],
    log: Annotated[Path, typer.Option("--log", metavar="FILE", help="The log to write, a line per request as it ends.")] = Path(
        "probe.jsonl"
    ),
    append: Annotated[bool, typer.Option("--append", help="Continue a log that is there.")] = False,
    max_requests: Annotated[int | None, typer.Option("--max-requests", min=1, help="At most so many requests in all.")] = None,
    max_spend: Annotated[
        str | None, typer.Option("--max-spend", metavar="USD", help="Send nothing that could cost more in all: 5 USD.")
    ] = None,
    connections: Annotated[
        ConnectionsKind | None, typer.Option("--connections", help="Keep connections, open one for every request, or both told apart.")
    ] = None,
    cold: Annotated[
        str | None, typer.Option("--cold", metavar="GAP", help="Then provoke cold starts, each after a silence: 5 min.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the order of targets and of Poisson arrivals.")] = 1,
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
) -> None:
    """Measure live endpoints open-loop: sent when the schedule says, edge and cloud interleaved, latency from the intended send.

    edgeroi probe probes.yaml --log edge-against-cloud.jsonl

    edgeroi probe probes.yaml --log probe.jsonl --append --max-requests 200 --max-spend "1 USD"

    Ends with 3 where the run cannot be trusted: sent late, slower than asked for, or held up by its own limits.
    """
    from edgeroi import __version__
    from edgeroi.cli.exits import Exit
    from edgeroi.cli.live import live_view
    from edgeroi.cli.output import say, write_report
    from edgeroi.probe_report import probe_report
    from edgeroi.probefile import load_plan
    from edgeroi.probing import Limits, profiled, run_probe

    plan = load_plan(file)
    if connections is not None:
        plan = replace(plan, connections=connections.value)
    if cold is not None:
        plan = replace(plan, cold_gap_ms=milliseconds_of(cold, "--cold"))
    limits = Limits(max_requests, None if max_spend is None else _dollars(max_spend))
    run = run_probe(plan, log, append=append, limits=limits, seed=seed, say=say, watching=live_view)
    write_report(probe_report(run, profiled(log), __version__), form.value, output)
    if run.interrupted:
        raise KeyboardInterrupt
    if not run.trusted:
        raise typer.Exit(Exit.NO_ANSWER)


def _dollars(said: str) -> Decimal:
    from edgeroi.errors import EdgeroiError
    from edgeroi.units import MONEY, read_amount

    try:
        return Decimal(str(MONEY.amount(*read_amount(said, MONEY))))
    except EdgeroiError as error:
        raise EdgeroiError(error.message, key="--max-spend", fix=error.fix) from None
