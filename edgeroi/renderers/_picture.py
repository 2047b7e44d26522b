"""Figures as one picture in a file, PNG or SVG, by matplotlib (``edgeroi[plot]``): the same values that a page draws.

The same figures are the same bytes with the same matplotlib: nothing of the day or the machine is written into the file.
It is no format of a report: it draws figures, and they are bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeroi.errors import EdgeroiError
from edgeroi.renderers._plain import number_said, safe_text
from edgeroi.report import Axis, CellKind, Curve, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The kinds of file, by the end of the name; what each says of its making is left out, as it is another every day.
SUFFIXES: Mapping[str, Mapping[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
_COLOURS = ("#4a5a70", "#c2500a", "#0b6fb8", "#1b7f5f", "#8a3fa0", "#9a7300", "#b02a5b", "#4f6b16")
_DASHES = ("-", "--", ":", "-.")
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
    """The figures one below the other. Raises ``EdgeroiError`` where matplotlib is missing, or the suffix is no kind of picture."""
    if suffix not in SUFFIXES:
        raise EdgeroiError(f"a picture ends in {' or '.join('.' + each for each in SUFFIXES)}", key="--plot", fix="name it chart.svg")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise EdgeroiError("pictures need matplotlib", key="--plot", fix="pip install 'edgeroi[plot]'") from None
    heights = [_height(figure) for figure in figures]
    with mpl.rc_context(dict(_SETTINGS)):
        canvas = Canvas(figsize=(9, sum(heights)), dpi=160, layout="constrained")
        places = canvas.subplots(len(figures), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
        for figure, (place,) in zip(figures, places, strict=True):
            _draw(figure, place)
        written = io.BytesIO()
        canvas.savefig(written, format=suffix, metadata=dict(SUFFIXES[suffix]))
    return written.getvalue()


def _height(figure: Figure) -> float:
    """Inches."""
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
    for mark in figure.marks:
        place.axvline(mark.at, color="#1a2029", linewidth=1, linestyle="-" if not mark.at else "--", label=safe_text(mark.name))
    if figure.x.logarithmic:
        place.set_xscale("log")
    _axis(place.xaxis, figure.x)
    if not figure.bars:
        _axis(place.yaxis, figure.y)
    _legend(place, below=bool(figure.bars))


def _legend(place: Axes, *, below: bool) -> None:
    """Who is who: within a plot of curves, below bars, which leave no room."""
    names = [str(name) for name in place.get_legend_handles_labels()[1]]
    if names and below:
        columns = 2 if max(map(len, names)) < 36 else 1
        place.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.28), ncols=columns)
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


def _lines(place: Axes, labels: Sequence[str]) -> None:
    place.set_yticks(range(len(labels)), labels)
    place.invert_yaxis()
    place.grid(visible=False, axis="y")
