"""``edgeroi lint``: scenarios, mappings, price files and the project's policy, read as strictly as the other commands read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import FormatOption, OutputOption, ReportFormat

if TYPE_CHECKING:
    from edgeroi.linting import Linted


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Scenarios, mappings, price files, edgeroi.yaml, or folders.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override a key of the scenarios.")] = None,
    prices: Annotated[list[Path] | None, typer.Option("--prices", metavar="FILE", help="A price file of your own.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 2 on a warning too.")] = False,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """Check scenarios, mappings and price files: errors end with exit 2, warnings with 0.

    edgeroi lint scenarios/ edgeroi.yaml

    edgeroi lint scenario.yaml --strict --format json
    """
    from edgeroi.cli.output import say, write_report, write_text
    from edgeroi.clock import today
    from edgeroi.linting import lint_files, report_of

    linted = lint_files(files, today(), overrides or (), prices or ())
    if form is ReportFormat.table:
        write_text("".join(f"{finding}\n" for finding in linted.findings), output)
    else:
        write_report(report_of(linted), form.value, output)
    say(_summary(linted))
    if linted.errors or (strict and linted.findings):
        raise typer.Exit(2)


def _summary(linted: Linted) -> str:
    warnings = len(linted.findings) - linted.errors
    parts = ((len(linted.files), "file"), (linted.errors, "error"), (warnings, "warning"))
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in parts)
