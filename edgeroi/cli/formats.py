"""``edgeroi formats``: the log formats that are read, where each takes its columns from, and in which unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import FormatOption, MapOption, OutputOption, ReportFormat

if TYPE_CHECKING:
    from edgeroi.logs.format import Format, Tried
    from edgeroi.report import Json, Report, Table


def formats(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this format.")] = None,
    tried: Annotated[str | None, typer.Option("--tried", metavar="FILE", help="What every format found and missed in FILE.")] = None,
    map_: MapOption = None,
    form: FormatOption = ReportFormat.table,
    output: OutputOption = None,
) -> None:
    """The log formats that are read: latency and its unit, and where every column comes from.

    edgeroi formats

    edgeroi formats otlp --format json

    edgeroi formats --tried requests.log
    """
    from edgeroi.cli.output import write_report
    from edgeroi.errors import EdgeroiError, did_you_mean
    from edgeroi.logs.format import formats as every

    known = every()
    if tried is not None:
        write_report(_tried_in(tried, name, map_ or ()), form.value, output)
        return
    if map_:
        raise EdgeroiError("maps nothing without a file", key="--map", fix="name the file with --tried")
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


def _tried_in(file: str, name: str | None, map_: Sequence[str]) -> Report:
    """What every format, or one of them, makes of a file's start."""
    from edgeroi.engines.inputs import start_of
    from edgeroi.errors import EdgeroiError, Place
    from edgeroi.logs.format import tried
    from edgeroi.logs.reading import reading
    from edgeroi.logs.sources import expand

    sources = [source for source in expand([file]) if not source.hidden]
    if len(sources) != 1 or sources[0].bytes is None:
        raise EdgeroiError("is no single file that can be read twice", key="--tried", place=Place(file), fix="name one file")
    how = reading(map=map_, format=name).for_file(sources[0].path)
    return tried_report(sources[0].path, tried(start_of(sources[0])[0], how))


def tried_report(file: str, found: Sequence[Tried]) -> Report:
    """What each format found or missed: those that claim the file come first, then those that know it for theirs, then the nearest."""
    from edgeroi import __version__
    from edgeroi.report import Column, Report, Row, Table, envelope, text

    claimed = [one.name for one in found if one.claim.claimed]
    told: list[Json] = [
        {"name": one.name, "claims": one.claim.claimed, "why": one.claim.why, "fix": one.claim.refused, "nearness": one.nearness}
        for one in found
    ]
    head = {**envelope("formats", __version__, interval_level=None), "file": file, "claimed_by": list(claimed), "tried": told}
    rows = tuple(
        Row((text(one.name), text("yes" if one.claim.claimed else "refused" if one.claim.refused else "no"), text(_said(one))))
        for one in found
    )
    columns = (Column("name", "format"), Column("claims", "claims it"), Column("why", "what it found or missed"))
    said = {0: "no format claims it", 1: f"{claimed[0]} reads it" if claimed else ""}.get(len(claimed), "say which with --log-format")
    return Report("formats", head, (Table(columns, rows, title=file, caption=(said,), name="tried"),))


def _said(one: Tried) -> str:
    return f"{one.claim.why}; {one.claim.refused}" if one.claim.refused else one.claim.why


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
