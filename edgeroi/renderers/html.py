"""One page that opens offline: the answer, its pictures, what may be moved, and where every number comes from.

The page is a file by itself: style, script and charting library (``page/``) stand in it, and a content security policy names each by
its digest, so that nothing else runs and nothing is fetched or sent. It holds the JSON document, and what the pictures draw as values.
Whatever comes from a log or a scenario is escaped as text, and is data to the script.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template

from edgeroi import __version__
from edgeroi.renderers import Page
from edgeroi.renderers._markup import ANSWERS, escaped, section_markup
from edgeroi.renderers.json import write_compactly
from edgeroi.report import Axis, Bar, Column, Curve, Figure, Json, Report, Row, Section, Table, Text, WhatIf, count, text


def render(report: Report, page: Page) -> str:
    """The report as one HTML file; ``page`` does not matter."""
    style, script, library = asset("page.css"), asset("page.js"), asset("echarts.min.js")
    return Template(asset("page.html")).substitute(
        policy=policy([style], [library, script]),
        title=escaped(f"edgeroi {report.command}: {_about(report)}"),
        version=escaped(__version__),
        command=escaped(report.command),
        heading=escaped(_heading(report)),
        facts=_facts(report.document),
        contents=_contents(report.sections),
        body="\n".join(_parts(report)),
        provenance=_provenance(report),
        document=as_data(report.document),
        figures=as_data([_figure_data(figure) for figure in report.figures]),
        what_ifs=as_data([section.model for section in report.sections if isinstance(section, WhatIf)]),
        style=style,
        library=library,
        script=script,
    )


@cache
def asset(name: str) -> str:
    """A file of ``page/``."""
    return (files("edgeroi.renderers") / "page" / name).read_text(encoding="utf-8")


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """What the page may do: run these scripts and use these styles, and load or send nothing at all."""
    allowed = {"script-src": scripts, "style-src": styles}
    named = [f"{kind} {' '.join(_source(text) for text in texts)}" for kind, texts in allowed.items()]
    return "; ".join(("default-src 'none'", *named, "base-uri 'none'", "form-action 'none'"))


def _source(inline: str) -> str:
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def as_data(value: Json) -> str:
    """JSON that may stand in a page: without ``<`` no text of it ends the element, or opens another."""
    return write_compactly(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# ---- what the pictures draw ----


def _figure_data(figure: Figure) -> Json:
    bars: list[Json] = [_bar_data(bar) for bar in figure.bars]
    spots: list[Json] = [{"x": spot.x, "y": spot.y, "name": spot.name, "chosen": spot.chosen} for spot in figure.spots]
    marks: list[Json] = [{"at": mark.at, "name": mark.name} for mark in figure.marks]
    curves: list[Json] = [_curve_data(curve) for curve in figure.curves]
    head: Mapping[str, Json] = {"kind": figure.kind, "name": figure.name, "title": figure.title}
    axes: Mapping[str, Json] = {"x": _axis_data(figure.x), "y": _axis_data(figure.y)}
    return {**head, **axes, "curves": curves, "bars": bars, "marks": marks, "spots": spots}


def _bar_data(bar: Bar) -> Json:
    start, end = _numbers((bar.start, bar.end))
    return {"label": bar.label, "part": bar.part, "start": start, "end": end, "at": bar.at, "tone": bar.tone}


def _axis_data(axis: Axis) -> Json:
    return {"title": axis.title, "kind": axis.kind, "logarithmic": axis.logarithmic}


def _curve_data(curve: Curve) -> Json:
    ends = {"low": _numbers(curve.low), "high": _numbers(curve.high)}
    return {"name": curve.name, "x": _numbers(curve.x), "y": _numbers(curve.y), **ends, "across": curve.across}


def _numbers(values: Sequence[float]) -> list[Json]:
    return [None if math.isnan(value) else value for value in values]


# ---- around the sections ----


def _heading(report: Report) -> str:
    """The question that is answered, where one is; else what the page is about."""
    return "Is the edge worth it?" if _answers(report) else _about(report)


def _about(report: Report) -> str:
    """What the answers are about, else the title the report begins with, else the logs it was made from."""
    titled = report.sections[0].title.split(" · ")[0] if report.sections else ""
    named = [str(file["path"]) for file in _files(report.document)]
    return _few(_answers(report)) or titled or _few(named) or report.command


def _answers(report: Report) -> list[str]:
    return [table.title.split(" · ")[0] for table in report.tables if table.name == ANSWERS]


def _few(names: Sequence[str], most: int = 2) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _files(document: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    listed = document.get("files")
    return [file for file in listed if isinstance(file, Mapping)] if isinstance(listed, Sequence) else []


def _facts(document: Mapping[str, Json]) -> str:
    """Prices, seed, interval level, version: what it takes to make the same page again."""
    level = document.get("interval_level")
    told = {
        "prices as of": document.get("prices_as_of"),
        "seed": document.get("seed"),
        "intervals": f"{level:.0%}" if isinstance(level, float) else None,
        "edgeroi": document.get("edgeroi_version"),
    }
    items = "".join(f"<li>{name} {escaped(str(value))}</li>" for name, value in told.items() if value is not None)
    return f'<ul class="facts">{items}</ul>'


def _headings(sections: Sequence[Section]) -> tuple[str, ...]:
    return tuple(section.title for section in sections if isinstance(section, Text) and section.title and not section.lines)


def _contents(sections: Sequence[Section]) -> str:
    """Links to the parts of a page that has several."""
    headings = [*_headings(sections), "Inputs and provenance"]
    if len(headings) < 3:
        return ""
    items = "".join(f'<li><a href="#part-{place}">{escaped(title)}</a></li>' for place, title in enumerate(headings))
    return f'<nav class="contents" aria-label="Parts of this page"><ul>{items}</ul></nav>'


def _parts(report: Report) -> Iterator[str]:
    """Every section; two figures that follow each other stand side by side where there is room."""
    part = drawn = moved = 0
    previous: Section | None = None
    for place, section in enumerate(report.sections):
        if _beside(section) != _beside(previous):
            yield '<div class="pair">' if _beside(section) else "</div>"
        previous = section
        if isinstance(section, Text) and section.title and not section.lines:
            yield f'<h2 id="part-{part}">{escaped(section.title)}</h2>'
            part += 1
            continue
        yield section_markup(section, drawn, moved, lead=place < 3)
        drawn += isinstance(section, Figure)
        moved += isinstance(section, WhatIf)
    if _beside(previous):
        yield "</div>"


def _beside(section: Section | None) -> bool:
    return isinstance(section, Figure)


def _provenance(report: Report) -> str:
    place = len(_headings(report.sections))
    notes = "".join(f"<li>{escaped(note)}</li>" for note in report.notes)
    said = f'<section class="panel"><h3>Notes</h3><ul>{notes}</ul></section>' if notes else ""
    files = _file_table(report.document)
    return f'<h2 id="part-{place}">Inputs and provenance</h2>{said}{section_markup(files, 0, 0) if files.rows else _no_files()}'


def _no_files() -> str:
    return '<p class="note">No log was read: every number is stated, listed or looked up, as the tables say.</p>'


def _file_table(document: Mapping[str, Json]) -> Table:
    """The logs: what each was taken for, and its digest."""
    columns = (
        Column("path", "file"),
        Column("format", "read as"),
        Column("unit", "latency"),
        Column("bytes", "bytes", "count"),
        Column("digest", "digest"),
        Column("read", "lines", "count"),
        Column("profiled", "profiled", "count"),
    )
    return Table(columns, tuple(_file_row(file) for file in _files(document)), "Logs that were read", name="files")


def _file_row(file: Mapping[str, Json]) -> Row:
    lines = file.get("lines")
    told = lines if isinstance(lines, Mapping) else {}
    words = (text(str(file.get(key, "-"))) for key in ("path", "format", "unit"))
    size, read, profiled = file.get("bytes"), told.get("read"), told.get("profiled")
    numbers = [count(value if isinstance(value, int) else None) for value in (size, read, profiled)]
    return Row((*words, numbers[0], text(str(file.get("digest", "-"))), numbers[1], numbers[2]))
