"""What a notebook shows of a result: its report as HTML, and its picture by matplotlib (``edgeroi[plot]``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import StringIO
from typing import Any

import numpy as np

from edgeroi.errors import EdgeroiError
from edgeroi.histogram import LatencyHistogram
from edgeroi.probe_run import ProbeRun
from edgeroi.renderers._fragment import fragment
from edgeroi.route_report import Routes
from edgeroi.spend_report import Spending
from edgeroi.verdict_report import Verdicts
from edgeroi.workload import Profile

__all__ = ["fragment", "picture"]


def picture(result: object) -> Any:
    """A matplotlib figure. Raises ``EdgeroiError`` where matplotlib is missing, ``TypeError`` for what has no picture."""
    figure = _figure_type()(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    match result:
        case Profile():
            _distributions(axes, _profiled(result))
        case ProbeRun():
            _distributions(axes, ((each.target.name, _sample(each)) for each in result.targets))
        case LatencyHistogram():
            _distributions(axes, [("all", result)])
        case Verdicts():
            _nets(axes, result)
        case Spending():
            _daily(axes, result)
        case Routes():
            _routes(axes, result)
        case _:
            raise TypeError(f"a {type(result).__name__} has no picture")
    return figure


@cache
def _figure_type() -> Any:
    """A figure that a notebook shows by itself, outside of pyplot's list of windows."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise EdgeroiError("a picture needs matplotlib", fix="pip install 'edgeroi[plot]'") from None

    def svg(figure: Any) -> str:
        """The figure as SVG, the same bytes each time."""
        written = StringIO()
        with rc_context({"svg.hashsalt": "edgeroi", "svg.fonttype": "none"}):
            figure.savefig(written, format="svg", metadata={"Date": None})
        return written.getvalue()

    return type("ShownFigure", (Figure,), {"_repr_svg_": svg})


def _profiled(profile: Profile) -> Iterator[tuple[str, LatencyHistogram]]:
    for group in profile.groups:
        yield " ".join(value for value in group.key.values() if value) or "all", group.tally.latency


def _sample(each: Any) -> LatencyHistogram:
    return LatencyHistogram.from_ms(np.asarray([exchange.latency_ms for exchange in each.successes], np.float64))


def _distributions(axes: Any, samples: Any) -> None:
    """The share of answers that came within a time, for each sample; p50, p95 and p99 are marked where they have an interval."""
    for name, sample in samples:
        if not sample.n:
            continue
        shares = np.cumsum(sample.counts) / sample.n
        (line,) = axes.step(sample.values_ms, shares, where="post", label=_label(name))
        for p in (0.5, 0.95, 0.99):
            if sample.estimable(p):
                low, high = sample.interval(p)
                axes.plot([low, high], [p, p], color=line.get_color(), linewidth=5, alpha=0.4)
    axes.set_xscale("log", subs=(2, 5))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter("{x:,g}")
    axes.set(xlabel="ms", ylabel="share answered within", ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")


def _routes(axes: Any, routes: Routes) -> None:
    """Quality over the share of strong calls, where a threshold was swept and quality is known; else how soon each policy answers."""
    known = [point for point in routes.curve.points if point.quality is not None] if routes.curve else []
    if known and routes.swept:
        axes.plot([point.strong_share for point in known], [point.quality for point in known], marker=".")
        axes.plot([0, 1], [known[0].quality, known[-1].quality], color="grey", linestyle="--", linewidth=0.8)  # a coin
        axes.set(xlabel=_label(f"share answered by {routes.swept.rule.strong}"), ylabel="quality")
        axes.grid(alpha=0.3)
        return
    for line in routes.lines:
        if (latency := line.outcome.latency()) is not None:
            axes.step(latency.values_ms, latency.cumulative, where="post", label=_label(line.outcome.name))
    axes.set_xscale("log", subs=(2, 5))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set(xlabel="ms", ylabel="share answered within", ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")


def _label(name: str) -> str:
    """A name as words: matplotlib leaves out what begins with an underscore, and sets what stands between dollars as a formula."""
    return name.replace("$", r"\$").lstrip("_") or "-"


def _nets(axes: Any, verdicts: Verdicts) -> None:
    """Net a month of every workload, with its interval; nothing is drawn of a net nobody knows."""
    frame = verdicts.to_frame()
    known = frame[frame["net_usd_month"].notna()].iloc[::-1]
    nets = known["net_usd_month"].astype(float).to_numpy()
    low, high = (known[f"net_{end}_usd_month"].astype(float).fillna(known["net_usd_month"]).to_numpy() for end in ("low", "high"))
    ends = np.maximum(np.vstack((nets - low, high - nets)), 0)
    colours = [
        "#1a7f37" if verdict in ("worth_it", "required") else "#cf222e" if "no" in verdict else "#9a6700" for verdict in known["verdict"]
    ]
    axes.barh(np.arange(len(nets)), nets, xerr=ends, color=colours, alpha=0.8)
    axes.set_yticks(np.arange(len(nets)), [_label(f"{row.workload}: {str(row.verdict).replace('_', ' ')}") for row in known.itertuples()])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="net, USD a month, 90 % interval")
    axes.grid(alpha=0.3, axis="x")


def _daily(axes: Any, spending: Spending) -> None:
    """USD of every day by placement, one upon the other; a day without a price is left out, and requests without a time have no day."""
    frame = spending.to_frame()
    frame = frame[frame["day"].notna() & frame["cost_usd"].notna()]
    frame = frame.assign(placement=frame["placement"].fillna("-"))
    days = sorted(set(frame["day"]))
    below = np.zeros(len(days))
    for placement, rows in frame.groupby("placement", sort=True):
        by_day = rows.groupby("day")["cost_usd"].sum()
        usd = np.array([float(by_day.get(day, 0.0)) for day in days])
        axes.bar(np.arange(len(days)), usd, bottom=below, label=_label(str(placement)))
        below += usd
    axes.set_xticks(np.arange(len(days))[:: max(1, len(days) // 8)], days[:: max(1, len(days) // 8)])
    axes.set(ylabel="USD a day")
    axes.grid(alpha=0.3, axis="y")
    axes.legend()
