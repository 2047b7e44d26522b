"""``edgeroi prices list|show|diff``: what is known of prices, where each is from, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import FormatOption, OutputOption, ReportFormat

if TYPE_CHECKING:
    from datetime import date

    from edgeroi.prices import Price, PriceBook

prices = typer.Typer(name="prices", no_args_is_help=True, add_completion=False, help="List, show and compare prices.")

AtOption = Annotated[str | None, typer.Option("--at", metavar="DATE", help="The day to price on, as 2026-11-22; today unless given.")]
FileOption = Annotated[list[Path] | None, typer.Option("--file", "-f", metavar="FILE", help="A price file of yours; its rows win.")]


@prices.command("list")
def list_prices(
    pattern: Annotated[
        str | None, typer.Argument(metavar="[PATTERN]", help="Part of PROVIDER/MODEL, or a glob such as 'aws/*70b*'.")
    ] = None,
    at: AtOption = None,
    file: FileOption = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """List the offers in force on a day.

    edgeroi prices list llama-3.3-70b

    edgeroi prices list 'cloudflare/*bge*' --at 2026-11-22 --format csv
    """
    from edgeroi import __version__, price_report, pricebooks
    from edgeroi.cli.output import write_report
    from edgeroi.errors import EdgeroiError, near_miss

    book = pricebooks.load(files=file or ())
    rows = [row for row in book if price_report.matches(row, pattern)]
    if not rows:
        near = near_miss(pattern or "", [*{row.provider for row in book}, *{row.model for row in book}, *{row.reference for row in book}])
        fix = f"did you mean {near!r}?" if near else "edgeroi prices list without a pattern lists all of them"
        raise EdgeroiError(f"no offer matches {pattern!r}", fix=fix)
    write_report(price_report.listing(rows, _day(at), __version__), form, output)


@prices.command("show")
def show(
    ref: Annotated[str, typer.Argument(metavar="REF", help="PROVIDER/MODEL, as a scenario writes it.")],
    at: AtOption = None,
    batch: Annotated[bool, typer.Option("--batch", help="The batch price.")] = False,
    service_tier: Annotated[str | None, typer.Option("--service-tier", metavar="NAME", help="The price of a service tier.")] = None,
    file: FileOption = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """Show every rate of one offer, with its source, day, status and basis.

    edgeroi prices show cloudflare/@cf/baai/bge-base-en-v1.5

    edgeroi prices show openai/gpt-4o --batch --at 2026-11-22
    """
    from edgeroi import __version__, price_report, pricebooks
    from edgeroi.cli.output import write_report

    day = _day(at)
    context = {**({"processing": "batch"} if batch else {}), **({"service_tier": service_tier} if service_tier else {})}
    book = pricebooks.load([ref], file or ())
    write_report(price_report.detail(_found(book, ref, day, context), book.model_rows(ref), day, __version__), form, output)


@prices.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A day, or a price file.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later day, or another price file.")],
    only: Annotated[str | None, typer.Option("--only", metavar="PATTERN", help="Offers that match, as for list.")] = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """Tell what changed between two days, or between two price files.

    edgeroi prices diff 2026-08-01 2026-11-22 --only deepinfra

    edgeroi prices diff old-prices.yaml new-prices.yaml --format markdown
    """
    from edgeroi import __version__, price_report
    from edgeroi.cli.output import write_report

    (was, before), (now, after) = _side(old), _side(new)
    found = price_report.changes(_only(was, only), _only(now, only), before, after)
    write_report(price_report.difference(found, old, new, __version__), form, output)


def _found(book: PriceBook, ref: str, day: date, context: dict[str, str]) -> Price:
    """The price in force, or the last one of a model that is no longer served: looking at it is no use of it."""
    from edgeroi.prices import Retired

    try:
        return book.find(ref, day, context)
    except Retired as error:
        return error.price.noting(error.message)


def _side(side: str) -> tuple[PriceBook, date]:
    """A day of the whole book, or a price file as it stands today."""
    from edgeroi import pricebooks
    from edgeroi.pricebooks import catalogue
    from edgeroi.prices import PriceBook

    if not Path(side).exists():
        return pricebooks.load(), _day(side)
    rows = catalogue.read(side)
    return PriceBook({provider: tuple(r for r in rows if r.provider == provider) for provider in {row.provider for row in rows}}), _day(
        None
    )


def _only(book: PriceBook, pattern: str | None) -> PriceBook:
    from dataclasses import replace

    from edgeroi.price_report import matches

    return replace(book, rows={provider: tuple(row for row in rows if matches(row, pattern)) for provider, rows in book.rows.items()})


def _day(text: str | None) -> date:
    from datetime import date

    from edgeroi.clock import today
    from edgeroi.errors import EdgeroiError

    if text is None:
        return today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise EdgeroiError(f"{text!r} is neither a day nor a file", fix="write a day as 2026-11-22") from None
