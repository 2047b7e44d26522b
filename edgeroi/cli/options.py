"""Options that several commands share, so that one word means one thing everywhere.

A command module imports this, typer and the standard library at its top, and nothing heavier.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportFormat(StrEnum):
    """The ways a report can be written: each is a file in ``renderers/``."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    html = "html"


class Vantage(StrEnum):
    """Where a log measured."""

    client = "client"
    gateway = "gateway"
    server = "server"


class Engine(StrEnum):
    """Where logs are read."""

    local = "local"
    spark = "spark"


OUTPUT_PANEL = "Output"
READING_PANEL = "Reading logs"

FormatOption = Annotated[ReportFormat, typer.Option("--format", help="How to write the result.", rich_help_panel=OUTPUT_PANEL)]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the result to FILE, whole or not at all.", rich_help_panel=OUTPUT_PANEL),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw it too, as FILE.png or FILE.svg (edgeroi[plot]).", rich_help_panel=OUTPUT_PANEL),
]

LogsArgument = Annotated[
    list[str],
    typer.Argument(metavar="LOGS...", help="Log files, folders, globs, addresses (s3://, https://), saved profiles, or - for stdin."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COL=PATH[:UNIT]",
        help="Where a column is found: latency_ms=timing.total:s, or provider=@filename:REGEX.",
        rich_help_panel=READING_PANEL,
    ),
]
ConstOption = Annotated[
    list[str] | None,
    typer.Option("--const", metavar="COL=VALUE", help="A column that is the same for every request.", rich_help_panel=READING_PANEL),
]
MappingOption = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE", help="The same (--map, --const, ...) in a YAML file.", rich_help_panel=READING_PANEL),
]
NotErrorOption = Annotated[
    list[str] | None,
    typer.Option("--not-error", metavar="VALUE", help="A value of the error column that means success.", rich_help_panel=READING_PANEL),
]
RequireOption = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="COL,...", help="Reject a line in which one of these is missing.", rich_help_panel=READING_PANEL),
]
LogFormatOption = Annotated[
    str | None,
    typer.Option("--log-format", metavar="NAME", help="Read as this format, undetected.", rich_help_panel=READING_PANEL),
]
SeenFromOption = Annotated[
    Vantage | None,
    typer.Option("--seen-from", help="Where the log measured.", rich_help_panel=READING_PANEL),
]
SamplingOption = Annotated[
    str | None,
    typer.Option("--sampling", metavar="SHARE", help="The share of requests the log keeps: 1% or 0.01.", rich_help_panel=READING_PANEL),
]
RejectsOption = Annotated[
    Path | None,
    typer.Option("--rejects", metavar="FILE", help="Write every rejected line to FILE, with its reason.", rich_help_panel=READING_PANEL),
]
MaxRejectedOption = Annotated[
    str | None,
    typer.Option(
        "--max-rejected",
        metavar="N|N%",
        help="Rejected lines to tolerate before exit 2; the larger of 1% and 10 unless given.",
        rich_help_panel=READING_PANEL,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Processes to read with; one per core unless given.", rich_help_panel=READING_PANEL),
]
