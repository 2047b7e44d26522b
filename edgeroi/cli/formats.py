"""``edgeroi formats``: the log formats that are read, where each takes its columns from, and in which unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import FormatOption, OutputOption, ReportFormat

if TYPE_CHECKING:
    from edgeroi.logs.format import Format
    from edgeroi.report import Json, Report, Table


def formats(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this format.")] = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """The log formats that are read: latency and its unit, and where every column comes from.

    edgeroi formats

    edgeroi formats otlp --format json
    """
    from edgeroi.cli.output import write_report
    from edgeroi.errors import EdgeroiError, did_you_mean
    from edgeroi.logs.format import formats as every

    known = every()
    if name is not None and name not in known:
        raise EdgeroiError(f"{name!r} is no log format", key="formats", fix=did_you_mean(name, known))
    write_report(report_of([known[name]] if name is not None else list(known.values()), in_full=name is not None), form.value, output)


def report_of(listed: Sequence[Format], in_full: bool) -> Report:
    """The formats as a table: one row a format, or with ``in_full`` one row a column of the only one."""
    from edgeroi import __version__
    from edgeroi.report import Report, envelope

    told: list[Json] = [
        {"name": f.name, "latency": f.unit, "counted": f.counted, "tells": list(tells(f)), "lacks": f.lacks, "fields": dict(f.fields)}
        for f in listed
    ]
    document: dict[str, Json] = {**envelope("formats", __version__, interval_level=None), "formats": told}
    return Report("formats", document, (_columns(listed[0]) if in_full else _overview(listed),))


#: What a log may tell besides latency, and the columns that tell it.
_TELLING = {
    "TTFT": ("ttft_ms",),
    "tokens": ("input_tokens",),
    "cached tokens": ("cached_tokens",),
    "cost": ("cost_usd",),
    "errors": ("status", "error"),
    "model": ("model",),
    "provider": ("provider",),
    "region": ("region",),
    "time": ("timestamp",),
}


def tells(format: Format) -> tuple[str, ...]:
    """What a log in this format tells besides latency, as its fields say."""
    return tuple(word for word, columns in _TELLING.items() if any(column in format.fields for column in columns))


def _overview(listed: Sequence[Format]) -> Table:
    from edgeroi.report import Column, Row, Table, text

    columns = (
        Column("name", "format"),
        Column("latency", "latency"),
        Column("counted", "counted in"),
        Column("tells", "tells besides"),
        Column("lacks", "does not tell"),
    )
    rows = tuple(
        Row((text(f.name), text(f.unit), text(f.counted), text(", ".join(tells(f)) or "as its logs"), text(f.lacks))) for f in listed
    )
    caption = ("edgeroi formats NAME shows where each column comes from; the format of a file is found by its content",)
    return Table(columns, rows, caption=caption, name="formats")


def _columns(format: Format) -> Table:
    from edgeroi.report import Column, Row, Table, text

    rows = tuple(Row((text(column), text(source))) for column, source in format.fields.items())
    columns = (Column("column", "column"), Column("source", "comes from"))
    title = f"{format.name}: latency is {format.unit}, counted in {format.counted}"
    return Table(columns, rows, title=title, caption=(f"does not tell: {format.lacks}",), name="columns")
