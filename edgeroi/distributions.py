"""How latencies are distributed, as figures: the share that was done by then, and how many took how long, both with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeroi.histogram import LatencyHistogram
from edgeroi.latency import Latency
from edgeroi.report import Axis, Cell, Column, Curve, Figure, Row, Table, ms, ratio, text
from edgeroi.stats import NEEDED, QUANTILES, wilson

Floats = NDArray[np.float64]
#: Where the curve is told: every per cent, closer together towards the tail that is asked about.
SHARES: tuple[float, ...] = (0.001, 0.005, *(k / 100 for k in range(1, 99)), 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999)
BINS = 28
#: What lies beyond is in the last bin: one outlier would squeeze all others into a corner.
_LEAST_SHARE, _MOST_SHARE = 0.001, 0.999


@dataclass(frozen=True, slots=True)
class Ranked:
    """A distribution with a name, and the ends of a quantile's interval where they are not those of its sample alone."""

    name: str
    latency: Latency
    intervals: Mapping[str, tuple[float | None, float | None]] | None = None


def cdf(shown: Sequence[Ranked], title: str) -> Figure | None:
    """The share of successes that were done by then; the interval of each quantile lies across. ``None`` of nothing."""
    if not shown:
        return None
    curves = tuple(_cdf_curve(one) for one in shown)
    return Figure(
        "curves", title, Axis("ms", "ms", True), Axis("share done by then", "ratio"), _quantile_table(shown, title), curves, name="cdf"
    )


def distribution_of(samples: Sequence[tuple[str, LatencyHistogram]], title: str) -> tuple[Figure, ...]:
    """The figure of samples with a name, those without a value left out; none of none."""
    found = cdf([Ranked(name, Latency.of(sample, 0.0)) for name, sample in samples if sample.n], title)
    return () if found is None else (found,)


def _cdf_curve(one: Ranked) -> Curve:
    x = tuple(one.latency.quantile(p) for p in SHARES)
    if one.latency.n is None:
        return Curve(one.name, x, SHARES)
    ends = [one.latency.interval(p) for p in SHARES]
    low, high = (tuple(math.nan if end[side] is None else end[side] for end in ends) for side in (0, 1))
    return Curve(one.name, x, SHARES, low, high, across=True)  # type: ignore[arg-type]


def _quantile_table(shown: Sequence[Ranked], title: str) -> Table:
    """The quantiles every report gives, with their intervals."""
    columns = (
        Column("name", "of"),
        Column("successes", "successes", "count"),
        *(Column(name, f"{name} ms", "ms", interval=True) for name in QUANTILES),
        Column("mean", "mean", "ms"),
        Column("basis", "basis"),
    )
    rows = tuple(
        Row(
            (
                text(one.name),
                Cell(one.latency.n, "count"),
                *(_quantile_cell(one, name, p) for name, p in QUANTILES.items()),
                ms(one.latency.mean_ms),
                text(one.latency.basis.replace("_", " ")),
            )
        )
        for one in shown
    )
    needs = ", ".join(f"{name} {n}" for name, n in NEEDED.items())
    caption = f"with the 95 % interval of each quantile, where requests were sampled; an interval takes so many successes: {needs}"
    return Table(columns, rows, title, (caption,), "quantiles")


def _quantile_cell(one: Ranked, name: str, p: float) -> Cell:
    low, high = one.intervals[name] if one.intervals else one.latency.interval(p)
    return ms(one.latency.quantile(p), low, high, estimable=one.latency.estimable(p))


def histogram(shown: Sequence[Ranked], title: str) -> Figure | None:
    """How many of a hundred successes took how long, in bins of equal ratio, the same for all; ``None`` where every latency is one."""
    edges = _edges([one.latency for one in shown])
    if edges is None:
        return None
    curves = tuple(_bin_curve(one, edges) for one in shown)
    x, y = Axis("ms", "ms", True), Axis("share of successes in the bin", "ratio")
    return Figure("steps", title, x, y, _bin_table(curves, edges, title), curves, name="histogram")


def _edges(latencies: Sequence[Latency]) -> Floats | None:
    """The edges (bins + 1,) that hold all but the last thousandth on either side."""
    if not latencies:
        return None
    least = min(max(latency.quantile(_LEAST_SHARE), 1e-3) for latency in latencies)
    most = max(latency.quantile(_MOST_SHARE) for latency in latencies)
    return np.geomspace(least, most * (1 + 1e-9), BINS + 1) if most > least * 1.01 else None


def _bin_curve(one: Ranked, edges: Floats) -> Curve:
    """The share in each bin from its lower edge on, with the Wilson interval of that share; the last point closes the last bin."""
    latency = one.latency
    places = np.clip(np.searchsorted(edges, latency.values_ms, side="right") - 1, 0, BINS - 1)
    shares = np.bincount(places, weights=latency.weights, minlength=BINS)
    y = tuple(float(share) for share in (*shares, shares[-1]))
    x = tuple(float(edge) for edge in edges)
    if latency.n is None:
        return Curve(one.name, x, y)
    ends = [wilson(min(share * latency.n, latency.n), latency.n) for share in y]
    return Curve(one.name, x, y, tuple(low for low, _ in ends), tuple(high for _, high in ends))


def _bin_table(curves: Sequence[Curve], edges: Floats, title: str) -> Table:
    columns = (
        Column("from", "from ms", "ms"),
        Column("to", "to ms", "ms"),
        *(Column(f"share_{place}", curve.name, "ratio", interval=True) for place, curve in enumerate(curves)),
    )
    rows = tuple(
        Row((ms(float(edges[k])), ms(float(edges[k + 1])), *(_share_cell(curve, k) for curve in curves))) for k in range(len(edges) - 1)
    )
    caption = "95 % intervals of each share; what is faster than the first bin or slower than the last is counted in it"
    return Table(columns, rows, title, (caption,), "histogram")


def _share_cell(curve: Curve, place: int) -> Cell:
    return ratio(curve.y[place], curve.low[place], curve.high[place]) if curve.low else ratio(curve.y[place])
