"""Figures as one picture by matplotlib (``edgeroi[plot]``), for a notebook or a file, PNG or SVG: the same values that a page draws.

The same figures are the same bytes with the same matplotlib: nothing of the day or the machine is written into the file.
It is no format of a report: it draws figures, and they are bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from edgeroi.errors import EdgeroiError
from edgeroi.renderers._plain import number_said, safe_text
from edgeroi.report import Axis, Bar, CellKind, Curve, Figure, Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The kinds of file, by the end of the name; what each says of its making is left out, as it is another every day.
SUFFIXES: Mapping[str, Mapping[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
_COLOURS = ("#4a5a70", "#c2500a", "#0b6fb8", "#1b7f5f", "#8a3fa0", "#9a7300", "#b02a5b", "#4f6b16")
_DASHES = ("-", "--", ":", "-.")
#: Of a judgement its colour and its sign: filled where something is shown, so that it can be told without colours too.
_SIGNS: Mapping[Tone, tuple[str, str, bool]] = {
    "good": ("#116b35", "o", True),
    "bad": ("#a8231d", "D", True),
    "doubt": ("#7a5200", "o", False),
    "quiet": ("#515c6b", "o", False),
    "plain": ("#0b6fb8", "s", True),
}
_SETTINGS: Mapping[str, object] = {
    "svg.hashsalt": "edgeroi",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with two dollar signs is a name
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.35,
}


def picture(figures: Sequence[Figure], suffix: str) -> bytes:
    """The canvas of the figures, written. Raises ``EdgeroiError`` where the suffix is no kind of picture, and as ``canvas`` does."""
    if suffix not in SUFFIXES:
        raise EdgeroiError(f"a picture ends in {' or '.join('.' + each for each in SUFFIXES)}", key="--plot", fix="name it chart.svg")
    return _written(canvas(figures), suffix)


def canvas(figures: Sequence[Figure]) -> Any:
    """The figures one below the other, as a matplotlib figure that a notebook shows. Raises ``EdgeroiError`` without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise EdgeroiError("pictures need matplotlib", fix="pip install 'edgeroi[plot]'") from None
    heights = [_height(figure) for figure in figures]
    with rc_context(dict(_SETTINGS)):
        drawn = _canvas_type(Canvas)(figsize=(9, sum(heights)), dpi=160, layout="constrained")
        places = drawn.subplots(len(figures), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
        for figure, (place,) in zip(figures, places, strict=True):
            _draw(figure, place)
    return drawn


@cache
def _canvas_type(canvas: Any) -> Any:
    """A figure outside of pyplot's list of windows, which a notebook shows by itself."""
    return type("ShownFigure", (canvas,), {"_repr_svg_": lambda drawn: _written(drawn, "svg").decode()})


def _written(drawn: Any, suffix: str) -> bytes:
    from matplotlib import rc_context

    written = io.BytesIO()
    with rc_context(dict(_SETTINGS)):
        drawn.savefig(written, format=suffix, metadata=dict(SUFFIXES[suffix]))
    return written.getvalue()


def _height(figure: Figure) -> float:
    """Inches."""
    if figure.kind == "columns":
        return 4.5
    if figure.kind == "intervals":
        return 1.6 + 0.3 * len(figure.bars)
    rows, parts = (len({getattr(bar, name) for bar in figure.bars}) for name in ("label", "part"))
    return 2 + 0.45 * rows + 0.2 * parts if rows else 4.5


def _draw(figure: Figure, place: Axes) -> None:
    place.set_title(safe_text(figure.title), loc="left", fontsize=11, fontweight="bold")
    for at, curve in enumerate(figure.curves):
        _curve(place, curve, at, steps=figure.kind == "steps")
    if figure.kind == "ranges":
        _ranges(place, figure)
    if figure.kind == "stacks":
        _stacks(place, figure)
    if figure.kind == "columns":
        _columns(place, figure)
    if figure.kind == "intervals":
        _intervals(place, figure)
    _spots(place, figure)
    for mark in figure.marks:
        place.axvline(mark.at, color="#1a2029", linewidth=1, linestyle="-" if not mark.at else "--", label=safe_text(mark.name))
    if figure.x.logarithmic:
        place.set_xscale("log")
    if figure.kind != "columns":
        _axis(place.xaxis, figure.x)
    if not figure.bars or figure.kind == "columns":
        _axis(place.yaxis, figure.y)
    _legend(place, below=_height(figure) if figure.bars and figure.kind != "columns" else None)


def _legend(place: Axes, *, below: float | None) -> None:
    """Who is who: within a plot of curves; below bars, which leave no room, ``below`` being the height of all in inches."""
    names = [str(name) for name in place.get_legend_handles_labels()[1]]
    if names and below is not None:
        columns = 2 if max(map(len, names)) < 36 else 1
        place.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.55 / max(0.5, below - 1.2)), ncols=columns)
    elif names:
        place.legend(frameon=False, fontsize=9)


def _axis(axis: Any, told: Axis) -> None:
    """The title, and numbers in the words of the tables."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    kind: CellKind = "number" if told.kind in ("ms", "usd", "usd_signed") else told.kind
    axis.set_label_text(told.title)
    if told.logarithmic:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_said(value, kind)))


def _curve(place: Axes, curve: Curve, at: int, *, steps: bool) -> None:
    style: dict[str, Any] = {"color": _COLOURS[at % len(_COLOURS)], "linestyle": _DASHES[at % len(_DASHES)], "label": safe_text(curve.name)}
    if steps:
        place.step(curve.x, curve.y, where="post", **style)
    else:
        place.plot(curve.x, curve.y, **style)
    band: dict[str, Any] = {"color": style["color"], "alpha": 0.18, "linewidth": 0}
    if curve.low and curve.across:
        place.fill_betweenx(curve.y, curve.low, curve.high, **band)
    elif curve.low:
        place.fill_between(curve.x, curve.low, curve.high, step="post" if steps else None, **band)


def _ranges(place: Axes, figure: Figure) -> None:
    """From the likely net to where each end of the driver takes it."""
    likely = figure.marks[0].at if figure.marks else 0.0
    labels = [safe_text(bar.label) for bar in figure.bars]
    for name, colour, ends in (
        ("driver at its low end", 2, [b.start for b in figure.bars]),
        ("at its high end", 1, [b.end for b in figure.bars]),
    ):
        place.barh(range(len(labels)), [end - likely for end in ends], left=likely, height=0.6, color=_COLOURS[colour], label=name)
    _lines(place, labels)


def _stacks(place: Axes, figure: Figure) -> None:
    labels = list(dict.fromkeys(bar.label for bar in figure.bars))
    for at, part in enumerate(dict.fromkeys(bar.part for bar in figure.bars)):
        bars = [bar for bar in figure.bars if bar.part == part]
        rows, widths, starts = ([labels.index(b.label) for b in bars], [b.end - b.start for b in bars], [b.start for b in bars])
        place.barh(rows, widths, left=starts, height=0.6, color=_COLOURS[(at + 1) % len(_COLOURS)], label=safe_text(part))
    _lines(place, [safe_text(label) for label in labels])


def _columns(place: Axes, figure: Figure) -> None:
    """Upright stacks in the order of their labels, of which as many are written as have room."""
    labels = list(dict.fromkeys(bar.label for bar in figure.bars))
    for at, part in enumerate(dict.fromkeys(bar.part for bar in figure.bars if bar.part)):
        bars = [bar for bar in figure.bars if bar.part == part]
        rows, heights, starts = ([labels.index(b.label) for b in bars], [b.end - b.start for b in bars], [b.start for b in bars])
        place.bar(rows, heights, bottom=starts, width=0.8, color=_COLOURS[(at + 1) % len(_COLOURS)], label=safe_text(part))
    every = max(1, -(-len(labels) // 8))
    place.set_xticks(range(0, len(labels), every), [safe_text(label) for label in labels[::every]])
    place.set_xlabel(figure.x.title)
    place.grid(visible=False, axis="x")


def _intervals(place: Axes, figure: Figure) -> None:
    """A point with its interval on each line; an end that nothing supports goes on to the edge."""
    low, high = ends_of(figure)
    place.set_xlim(low, high)
    named: set[str] = set()
    for row, bar in enumerate(figure.bars):
        colour, sign, filled = _SIGNS[bar.tone]
        ends = (low if math.isnan(bar.start) else bar.start, high if math.isnan(bar.end) else bar.end)
        place.hlines(row, *ends, color=colour, linewidth=2)
        for end in (each for each in (bar.start, bar.end) if not math.isnan(each)):
            place.plot([end, end], [row - 0.12, row + 0.12], color=colour, linewidth=2)
        if bar.at is not None:
            label = safe_text(bar.part) if bar.part and bar.part not in named else None
            named.add(bar.part)
            place.plot([bar.at], [row], sign, color=colour, markerfacecolor=colour if filled else "white", markersize=7, label=label)
    _lines(place, [safe_text(bar.label) for bar in figure.bars])


def ends_of(figure: Figure) -> tuple[float, float]:
    """The ends of an axis that holds every interval and mark, with some room."""
    found = [mark.at for mark in figure.marks]
    found += [end for bar in figure.bars for end in _held(bar)]
    room = 0.06 * (max(found) - min(found)) or 1.0
    return min(found) - room, max(found) + room


def _held(bar: Bar) -> list[float]:
    return [end for end in (bar.start, bar.end, bar.at) if end is not None and not math.isnan(end)]


def _spots(place: Axes, figure: Figure) -> None:
    """Points with their names beside them; the chosen one is a star."""
    if figure.spots:
        place.margins(0.08)
    for at, spot in enumerate(figure.spots):
        colour = _COLOURS[1] if spot.chosen else _COLOURS[0]
        place.plot([spot.x], [spot.y], "*" if spot.chosen else "o", color=colour, markersize=15 if spot.chosen else 8, clip_on=False)
        left, right = place.get_xlim()
        after = spot.x > (left + right) / 2
        place.annotate(
            safe_text(spot.name),
            (spot.x, spot.y),
            xytext=(-10 if after else 10, 8 if at % 2 else -12),
            textcoords="offset points",
            ha="right" if after else "left",
            fontsize=9,
            color=colour,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _lines(place: Axes, labels: Sequence[str]) -> None:
    place.set_yticks(range(len(labels)), labels)
    place.invert_yaxis()
    place.grid(visible=False, axis="y")
