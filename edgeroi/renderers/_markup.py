"""Sections as HTML: what a reader without pictures, or without a mouse, gets too. Every word of data goes through ``escaped``."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

from edgeroi.renderers._plain import drawn, number_said, safe_text, said, said_interval
from edgeroi.report import Cell, CellKind, Column, Figure, Json, Node, Row, Section, Table, Text, Tone, Tree, WhatIf
from edgeroi.verdict import probability_words

#: A table of this name is told as cards, one a row: it holds the answers.
ANSWERS = "verdicts"
#: A sign per tone, so that colour never carries the message alone.
_SIGNS: Mapping[Tone, str] = {"plain": "", "good": "✓", "bad": "✕", "doubt": "?", "quiet": ""}


def escaped(raw: str) -> str:
    """The same words with nothing in them that acts on a page."""
    return html.escape(safe_text(raw), quote=True)


def section_markup(section: Section, drawn_before: int, moved_before: int, *, lead: bool = False) -> str:
    """One section; figures and what-ifs carry their place among their kind, by which the script finds their values."""
    if isinstance(section, Table | Text) and section.folded:
        inner = section_markup(replace(section, folded=False), drawn_before, moved_before)
        return f"<details><summary>{escaped(section.title)}</summary>{inner}</details>"
    match section:
        case Table():
            return _cards(section) if section.name == ANSWERS else f'<section class="panel">{table_markup(section)}</section>'
        case Text():
            return _sentences(section, lead=lead)
        case Tree():
            return f'<section class="panel path">{_title(section.title)}<ol>{_node(section.root)}</ol></section>'
        case Figure():
            return _figure(section, drawn_before)
        case WhatIf():
            return _what_if(section, moved_before)


def _title(title: str) -> str:
    return f"<h3>{escaped(title)}</h3>" if title else ""


def _sentences(section: Text, *, lead: bool) -> str:
    tone = "" if section.tone == "plain" else f" tone-{section.tone}"
    body = "".join(f"<p>{escaped(line)}</p>" for line in section.lines)
    return f'<div class="said{" lead" if lead else ""}{tone}">{_title(section.title)}{body}</div>'


def _node(node: Node) -> str:
    evidence = f' <span class="evidence">{escaped(node.evidence)}</span>' if node.evidence else ""
    children = f"<ol>{''.join(map(_node, node.children))}</ol>" if node.children else ""
    return f'<li><span class="tone-{node.tone}">{escaped(node.label)}</span>{evidence}{children}</li>'


# ---- the answers ----


def _cards(table: Table) -> str:
    cards = "".join(_card(table.columns, row) for row in table.rows)
    name, *facts = table.title.split(" · ")
    about = f'<p class="note">{escaped(" · ".join(facts))}</p>' if facts else ""
    return f'<section class="answers"><h2>{escaped(name)}</h2>{about}<div class="cards">{cards}</div></section>'


def _card(columns: Sequence[Column], row: Row) -> str:
    """The first cell names it, the mark is the answer, numbers are listed, words follow."""
    cells = list(zip(columns, row.cells, strict=True))
    (_, name), *others = cells
    answer = next((cell for column, cell in others if column.kind == "mark"), Cell(None))
    numbers = "".join(_figure_item(column, cell) for column, cell in others if column.kind not in ("text", "mark") and not column.in_words)
    words = [(column, cell) for column, cell in others if column.kind == "text" and cell.value is not None]
    place = "".join(f"<span>{escaped(column.title)} {escaped(said(cell))}</span>" for column, cell in words[:1])
    flips = "".join(f'<p class="flips">{escaped(column.title)} {escaped(said(cell))}</p>' for column, cell in words[1:])
    detail = f'<p class="detail">{escaped(row.detail)}</p>' if row.detail else ""
    return (
        f'<article class="card {answer.tone}" data-row="{escaped(str(name.value))}"><h3>{escaped(said(name))}{place}</h3>'
        f'<p class="word tone-{answer.tone}">{_signed(str(answer.value), answer.tone)}</p>'
        f'<dl class="figures">{numbers}</dl>{flips}{detail}</article>'
    )


def _signed(word: str, tone: Tone) -> str:
    """A judgement with its sign, which is drawn for the eye alone."""
    return f'<span class="sign" aria-hidden="true">{_SIGNS[tone]}</span> {escaped(word)}' if _SIGNS[tone] else escaped(word)


def _figure_item(column: Column, cell: Cell) -> str:
    interval = said_interval(cell)
    ends = f"<small>{escaped(interval)}</small>" if interval else ""
    return f'<div><dt>{escaped(column.title)}</dt><dd data-key="{escaped(column.key)}"{_value(cell)}>{escaped(said(cell))}{ends}</dd></div>'


# ---- tables ----


def table_markup(table: Table) -> str:
    """A table that a screen reader can walk, in a frame that scrolls where the page is narrow."""
    shown = table.for_people()
    head = "".join(_head(column) for column in shown.columns)
    rows = "".join(_row(shown.columns, row) for row in shown.rows)
    label = escaped(table.title or table.name)
    caption = f"<caption>{escaped(table.title)}</caption>" if table.title else ""
    under = "".join(f'<p class="under">{escaped(line)}</p>' for line in table.caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table data-table="{escaped(table.name)}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{under}"
    )


def _head(column: Column) -> str:
    return f'<th scope="col"{_number_class(column.kind)}>{escaped(column.title)}</th>' if column.title else "<td></td>"


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = "".join(_cell(column, cell, is_first=not place) for place, (column, cell) in enumerate(zip(columns, row.cells, strict=True)))
    if not row.detail:
        return f"<tr>{cells}</tr>"
    return f'<tr class="has-detail">{cells}</tr><tr class="detail"><td colspan="{len(columns)}">{escaped(row.detail)}</td></tr>'


def _cell(column: Column, cell: Cell, *, is_first: bool) -> str:
    inner = _inner(cell)
    interval = said_interval(cell)
    ends = f"<small>{escaped(interval)}</small>" if interval else ""
    tone: Tone = cell.tone if cell.estimable or cell.value is None else "doubt"
    toned = f'<span class="tone-{tone}">{inner}</span>' if tone != "plain" else inner
    tag, scope = ("th", ' scope="row"') if is_first and column.kind == "text" else ("td", "")
    return f'<{tag}{scope}{_cell_class(column.kind, cell)} data-key="{escaped(column.key)}"{_value(cell)}>{toned}{ends}</{tag}>'


def _inner(cell: Cell) -> str:
    if isinstance(cell.value, tuple):
        return _drawn(cell)
    return _signed(str(cell.value), cell.tone) if cell.kind == "mark" and cell.value is not None else escaped(said(cell))


def _cell_class(kind: CellKind, cell: Cell) -> str:
    if kind == "text":
        size = len(cell.value) if isinstance(cell.value, str) else 0
        return ' class="words"' if size > 24 else ' class="short"' if size < 12 else ""
    return _number_class(kind)


def _number_class(kind: CellKind) -> str:
    return "" if kind in ("text", "mark", "distribution", "span") else ' class="number"'


def _value(cell: Cell) -> str:
    """The number behind the words, every digit of it."""
    if isinstance(cell.value, bool) or not isinstance(cell.value, int | float | Decimal):
        return ""
    return f' data-value="{cell.value}"'


# ---- small pictures in a cell: attributes only, since no style may stand in the markup ----


def _drawn(cell: Cell) -> str:
    values = cast("tuple[float, ...]", cell.value)
    if cell.kind == "span":
        return _svg("".join(_span_shapes(values)), f"from {values[0]:.0%} to {values[1]:.0%} of the width")
    return _svg("".join(_bin_shapes(values)), drawn([int(n) for n in values]).strip())


def _svg(shapes: str, label: str) -> str:
    return f'<svg class="drawn" viewBox="0 0 144 24" preserveAspectRatio="none" role="img" aria-label="{escaped(label)}">{shapes}</svg>'


def _span_shapes(shares: Sequence[float]) -> Iterator[str]:
    start, end = (144 * share for share in shares[:2])
    yield '<rect class="track" x="0" y="9" width="144" height="6" rx="3"/>'
    if end > 0:
        yield f'<rect x="{start:.2f}" y="5" width="{max(2.0, end - start):.2f}" height="14" rx="2"/>'
    if len(shares) > 2:
        yield f'<rect class="mark" x="{min(142.0, 144 * shares[2]):.2f}" y="1" width="2" height="22"/>'


def _bin_shapes(counts: Sequence[float]) -> Iterator[str]:
    tallest, width = max(counts, default=0) or 1, 144 / max(1, len(counts))
    for place, held in enumerate(counts):
        height = 24 * held / tallest
        yield f'<rect x="{place * width:.2f}" y="{24 - height:.2f}" width="{width * 0.86:.2f}" height="{height:.2f}"/>'


# ---- figures, and what may be moved ----


def _figure(figure: Figure, place: int) -> str:
    label = escaped(f"{figure.title}. The table behind it tells the same.")
    return (
        f'<figure class="panel"><figcaption>{escaped(figure.title)}</figcaption>'
        f'<ul class="legend" id="legend-{place}"></ul>'
        f'<div class="chart" data-figure="{place}" role="img" aria-label="{label}"></div>'
        f"<details><summary>The numbers behind it</summary>{table_markup(figure.table)}</details></figure>"
    )


def _what_if(section: WhatIf, place: int) -> str:
    model = section.model
    sliders = cast("Sequence[Mapping[str, Json]]", model["sliders"])
    held = "".join(f"<li>{escaped(str(line))}</li>" for line in cast("Sequence[Json]", model["held"]))
    return (
        f'<section class="panel" data-what-if="{place}" aria-labelledby="what-if-{place}">'
        f'<h3 id="what-if-{place}">{escaped(section.title)}</h3>'
        f'<div class="what-if">{_result(model)}<div class="sliders">'
        f"{''.join(_slider(slider, place) for slider in sliders)}{_tools(model, place)}</div></div>"
        f'<ul class="held">{held}</ul></section>'
    )


def _result(model: Mapping[str, Json]) -> str:
    """The answer where the sliders start; the script keeps it true while they move."""
    start = cast("Mapping[str, Json]", model["start"])
    word, tone = cast("Mapping[str, tuple[str, Tone]]", model["words"])[str(start["verdict"])]
    numbers: list[tuple[str, str, CellKind]] = [
        ("premium_usd_month", "premium", "usd_signed"),
        ("value_usd_month", "value", "usd"),
        ("net_usd_month", "net, USD a month", "usd_signed"),
    ]
    items = "".join(_output(name, label, Cell(cast("float | None", start[name]), kind)) for name, label, kind in numbers)
    p = cast("float | None", start["p_worth_it"])
    at_most = " at most" if cast("Mapping[str, Json]", model["judging"])["best_case"] else ""
    chance = "" if p is None else _output("p_worth_it", f"P(worth it){at_most}", Cell(p, "ratio"), probability_words(p))
    return (
        f'<div class="result {tone}"><p class="word" role="status"><output data-out="verdict">{_signed(word, tone)}</output></p>'
        f'<p class="why" data-out="reason">{escaped(str(start["reason"]))}</p><dl class="figures">{items}{chance}</dl></div>'
    )


def _output(name: str, label: str, cell: Cell, words: str = "") -> str:
    shown = f'<span data-out="{name}"{_value(cell)}>{escaped(words or said(cell))}</span>'
    return f'<div><dt>{label}</dt><dd>{shown}<small data-out="{name}_ends"></small></dd></div>'


def _slider(slider: Mapping[str, Json], place: int) -> str:
    name, kind, unit = (str(slider[key]) for key in ("name", "kind", "unit"))
    positions, start, turn = cast("Sequence[float]", slider["positions"]), cast("int", slider["start"]), slider["turn"]
    words = f"{number_said(positions[start], cast('CellKind', kind))} {unit}".strip()
    at = "" if not isinstance(turn, int) else f"{number_said(positions[turn], cast('CellKind', kind))} {unit}".strip()
    button = f'<button type="button" class="turn" data-turn="{name}">net turns at {escaped(at)}</button>' if at else ""
    id_ = f"{name}-{place}"
    return (
        f'<div class="slider" data-slider="{name}"><label for="{id_}">{escaped(str(slider["label"]))}</label>'
        f'<div class="now"><output for="{id_}" data-said="{name}">{escaped(words)}</output>{button}</div>'
        f'<div class="curve" aria-hidden="true"></div>'
        f'<input type="range" id="{id_}" min="0" max="{len(positions) - 1}" step="1" value="{start}"'
        f' aria-valuetext="{escaped(words)}"></div>'
    )


def _tools(model: Mapping[str, Json], place: int) -> str:
    every = (
        f'<label><input type="checkbox" data-every id="every-{place}"> count every saved millisecond, felt or not</label>'
        if model["every_ms"] is not None
        else ""
    )
    return f'<div class="tools">{every}<button type="button" data-reset>Back to the start</button></div>'
