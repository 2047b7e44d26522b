"""What ``route`` says: each policy beside every option and today, the curve of a threshold and the best, what a confidence is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from edgeroi.calibration import Bin, Chosen, Curve, HeldOut, Misrouted, Point
from edgeroi.distributions import Ranked, cdf
from edgeroi.estimate import Estimate
from edgeroi.latency import Latency
from edgeroi.option import EDGE
from edgeroi.replay import SOURCES, Outcome
from edgeroi.report import (
    Axis,
    Cell,
    Column,
    Deferred,
    Figure,
    Json,
    Report,
    Row,
    Section,
    Spot,
    Table,
    Text,
    count,
    envelope,
    file_document,
    ms,
    ratio,
    text,
    usd,
    usd_signed,
)
from edgeroi.report import Curve as Drawn
from edgeroi.shown import Shown
from edgeroi.stats import QUANTILES
from edgeroi.sweeping import Swept

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.workload import FileAccount

Kind = Literal["today", "option", "policy"]


@dataclass(frozen=True, eq=False)
class Line:
    """One policy, an option alone, or today: its outcome, and USD a month; ``value`` and ``net`` beside the baseline, where declared."""

    kind: Kind
    outcome: Outcome
    placements: tuple[str, ...]
    usd_month: float | None = None
    value_usd_month: float | None = None
    net_usd_month: float | None = None

    @property
    def share_edge(self) -> float | None:
        """The share of requests that the edge answers."""
        return None if self.outcome.answers is None else sum(self.outcome.uses[name].answered for name in self._at_edge)

    @cached_property
    def _at_edge(self) -> tuple[str, ...]:
        return tuple(name for name, place in zip(self.outcome.uses, self.placements, strict=True) if place in EDGE)


@dataclass(frozen=True)
class Confidence:
    """What a router's confidence is worth, that ``weak`` will do: of ``n`` requests with a rated answer of it.

    ``stated``: whether the policy states it, else the log tells it. ``error`` and ``bins``: its calibration; ``None`` where unknown.
    """

    policy: str
    weak: str
    strong: str
    stated: bool
    n: int
    error: float | None = None
    bins: tuple[Bin, ...] = ()
    misrouted: Misrouted | None = None
    why_unknown: str = ""


@dataclass(frozen=True)
class Counts:
    """The requests of the log: ``n`` of them, ``pairs`` asked of several options, and the rows that are left out."""

    n: int
    pairs: int
    rows: int
    unmatched: int = 0
    without_latency: int = 0
    ambiguous: int = 0


@dataclass(frozen=True, eq=False)
class Routes(Shown):
    """Policies replayed over a log. Immutable; ``to_frame()`` has a row per policy."""

    version: str
    policy_file: str
    name: str
    workload: str | None
    baseline: str
    counts: Counts
    lines: tuple[Line, ...]
    requests_month: float | None = None
    prices_as_of: date | None = None
    valued: bool = False
    seed: int = 1
    swept: Swept | None = None
    curve: Curve | None = None
    chosen: Chosen | None = None
    confidences: tuple[Confidence, ...] = ()
    files: tuple[FileAccount, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    def line(self, name: str) -> Line:
        """What became of the requests under a policy, an option, or ``today``."""
        return next(line for line in self.lines if line.outcome.name == name)

    def __repr__(self) -> str:
        """Which policies, and over what."""
        return f"<Routes: {', '.join(line.outcome.name for line in self.lines)}>"

    @property
    def report(self) -> Report:
        """What ``edgeroi route`` says."""
        return route_report(self)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Quality and p95 over cost along the threshold, where one was swept; else how soon each policy answers, where that is known."""
        if self.curve and self.swept:
            return tuple(_trades(self, self.swept, self.curve))
        known = [(line.outcome.name, line.outcome.latency("e2e")) for line in self.lines]
        found = cdf(
            [Ranked(name, latency) for name, latency in known if latency is not None], f"{self.name}: share of requests done by then"
        )
        return () if found is None else (found,)

    @cached_property
    def document(self) -> Mapping[str, Json]:
        """What ``--format json`` prints."""
        return _document(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per policy: who answers, cost, latency, quality, availability; unknown is missing."""
        import pandas as pd

        rows = [dict(_flat(_line_document(line))) for line in self.lines]
        return pd.DataFrame(rows).convert_dtypes()


def _flat(document: Mapping[str, Json], under: str = "") -> Iterator[tuple[str, Json]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{under}{key}.")
        elif not isinstance(value, Sequence) or isinstance(value, str):
            yield f"{under}{key}", value


# ---- for scripts ------------------------------------------------------------------------------------------------------------


def _document(routes: Routes) -> Mapping[str, Json]:
    counts = routes.counts
    swept = routes.swept
    return {
        **envelope(
            "route",
            routes.version,
            files=[file_document(file) for file in routes.files],
            notes=routes.notes,
            seed=routes.seed if routes.chosen else None,
            prices_as_of=routes.prices_as_of.isoformat() if routes.prices_as_of else None,
        ),
        "policy_file": routes.policy_file,
        "name": routes.name,
        "workload": routes.workload,
        "baseline": routes.baseline,
        "requests": {
            "n": counts.n,
            "pairs": counts.pairs,
            "rows": counts.rows,
            "unmatched": counts.unmatched,
            "without_latency": counts.without_latency,
            "ambiguous_pairs": counts.ambiguous,
            "month": routes.requests_month,
        },
        "policies": [_line_document(line) for line in routes.lines],
        "sweep": None if swept is None else _sweep_document(swept, routes.curve),
        "curve": [_point_document(point) for point in routes.curve.points] if routes.curve else [],
        "threshold": None if routes.chosen is None else _threshold_document(routes.chosen, routes.requests_month),
        "confidence": [_confidence_document(each) for each in routes.confidences],
    }


def _line_document(line: Line) -> dict[str, Json]:
    outcome = line.outcome
    answered: dict[str, Json] = {name: use.answered for name, use in outcome.uses.items()}
    calls: dict[str, Json] = {name: use.calls for name, use in outcome.uses.items()}
    return {
        "name": outcome.name,
        "kind": line.kind,
        "requests": outcome.n,
        "unknown_requests": outcome.unknown,
        "why_unknown": outcome.why_unknown or None,
        "cost_usd_month": line.usd_month,
        "cost_usd_per_1k_requests": None if outcome.usd is None else 1000 * outcome.usd,
        "unpriced_calls": outcome.unpriced,
        "latency_ms": _latency_document(outcome.latency("e2e")),
        "ttft_ms": _latency_document(outcome.latency("ttft")),
        "quality": None if outcome.quality is None else outcome.quality.value,
        "quality_interval": None if outcome.quality is None else [outcome.quality.low, outcome.quality.high],
        "quality_basis": None if outcome.quality is None else outcome.quality.basis,
        "unrated_answers": outcome.unrated,
        "availability": outcome.availability,
        "share_edge": line.share_edge,
        "answered": answered,
        "calls": calls,
        "sources": dict(outcome.sources),
        "value_usd_month": line.value_usd_month,
        "net_usd_month": line.net_usd_month,
    }


def _latency_document(latency: Latency | None) -> Json:
    if latency is None:
        return None
    found: dict[str, Json] = {name: latency.quantile(p) for name, p in QUANTILES.items()}
    return {
        **found,
        "mean": latency.mean_ms,
        "basis": latency.basis,
        "estimable": {name: latency.estimable(p) for name, p in QUANTILES.items()},
        "interval": {name: list(latency.interval(p)) for name, p in QUANTILES.items()},
    }


def _sweep_document(swept: Swept, curve: Curve | None) -> Json:
    return {
        "field": swept.rule.field,
        "weak": swept.rule.weak,
        "strong": swept.rule.strong,
        "weak_where": ">=" if swept.rule.rising else "<=",
        "paired": swept.sweep.paired,
        "requests": swept.requests,
        "untold": swept.untold,
        "left_out": swept.left_out,
        "apgr": curve.apgr if curve else None,
        "cpt": [{"level": level, "strong_share": share} for level, share in curve.cpt] if curve else [],
    }


def _point_document(point: Point) -> Json:
    return {
        "threshold": point.threshold,
        "strong_share": point.strong_share,
        "quality": point.quality,
        "cost_usd_per_1k_requests": None if point.usd is None else 1000 * point.usd,
        "latency_ms": {"p50": point.p50, "p95": point.p95, "p99": point.p99},
        "failure_ratio": point.failure_ratio,
        "net_usd_per_1k_requests": None if point.worth is None else 1000 * point.worth,
        "pgr": point.recovered,
    }


def _threshold_document(found: Chosen, requests_month: float | None) -> Json:
    return {
        "goal": found.goal,
        "limit": _limit(found, requests_month),
        "value": found.threshold,
        "everything_to": "strong" if found.all_strong else "weak" if found.all_weak else None,
        "interval": list(found.interval),
        "requests": {"chosen_on": found.n[0], "held_out": found.n[1]},
        "chosen_on": _held_document(found.chosen_on),
        "held_out": _held_document(found.held_out),
        "limit_met_held_out": found.met,
    }


def _limit(found: Chosen, requests_month: float | None) -> float | None:
    """The limit as it was stated: USD a month, or a quality."""
    if found.goal == "max-quality" and found.limit is not None and requests_month is not None:
        return found.limit * requests_month
    return found.limit


def _held_document(held: HeldOut) -> Json:
    def told(estimate: Estimate | None, times: float = 1.0) -> Json:
        if estimate is None or estimate.low is None or estimate.high is None:
            return None
        return {"value": times * estimate.value, "interval": [times * estimate.low, times * estimate.high]}

    return {
        "strong_share": told(held.strong_share),
        "quality": told(held.quality),
        "cost_usd_per_1k_requests": told(held.usd, 1000),
        "net_usd_per_1k_requests": told(held.worth, 1000),
        "latency_ms": _latency_document(held.latency),
        "availability": 1 - held.latency.failure_ratio,
    }


def _confidence_document(each: Confidence) -> Json:
    wrong = each.misrouted
    return {
        "policy": each.policy,
        "weak": each.weak,
        "strong": each.strong,
        "from": "policy" if each.stated else "log",
        "requests": each.n,
        "calibration_error": each.error,
        "bins": [{"low": b.low, "high": b.high, "requests": b.n, "confidence": b.confidence, "quality": b.quality} for b in each.bins],
        "misrouted": None
        if wrong is None
        else {"requests": wrong.n, "paired": wrong.paired, "too_weak": list(wrong.too_weak), "too_strong": list(wrong.too_strong)},
        "why_unknown": each.why_unknown or None,
    }


# ---- for people -------------------------------------------------------------------------------------------------------------


def route_report(routes: Routes, *, drawn: bool = False) -> Report:
    """The report: the policies, then the sweep and the chosen threshold, then what confidences are worth; with ``drawn`` pictures too."""
    sections: list[Section] = [_policies(routes), *(routes.figures if drawn else ())]
    if routes.curve and routes.swept:
        sections += [_curve(routes.swept, routes.curve), *_best(routes)]
    for each in routes.confidences:
        sections += list(_confidence(each))
    return Report("route", Deferred(lambda: routes.document), tuple(sections), routes.notes)


def _policies(routes: Routes) -> Table:
    columns = (
        Column("policy", "policy"),
        Column("answered", "answered by", rank=1),
        Column("share_edge", "edge", "ratio"),
        Column("cost_usd_month", "USD/month", "usd", rank=1),
        Column("cost_usd_per_1k", "USD/1k", "usd"),
        Column("p50_ms", "p50", "ms", interval=True),
        Column("p95_ms", "p95", "ms", interval=True, rank=3),
        Column("p99_ms", "p99", "ms", interval=True, rank=2),
        Column("quality", "quality", "number", interval=True, rank=1),
        Column("availability", "available", "ratio", rank=2),
        Column("net_usd_month", "net/month", "usd_signed", rank=1),
    )
    rows = tuple(Row(tuple(_cells(line)), _detail(line, routes.counts.n)) for line in routes.lines)
    return Table(columns, rows, title=routes.name, caption=_caption(routes), name="policies")


def _cells(line: Line) -> Iterator[Cell]:
    outcome, latency, quality = line.outcome, line.outcome.latency("e2e"), line.outcome.quality
    yield text(outcome.name if line.kind != "option" else f"all {outcome.name}")
    yield text(_who(outcome))
    yield ratio(line.share_edge)
    yield usd(line.usd_month)
    yield usd(None if outcome.usd is None else 1000 * outcome.usd)
    for p in (0.5, 0.95, 0.99):
        yield ms(None) if latency is None else ms(latency.quantile(p), *latency.interval(p), estimable=latency.estimable(p))
    yield (
        Cell(None, "number") if quality is None else Cell(round(quality.value, 4), "number", _rounded(quality.low), _rounded(quality.high))
    )
    yield ratio(outcome.availability)
    yield usd_signed(line.net_usd_month)


def _rounded(end: float | None) -> float | None:
    return None if end is None else round(end, 4)


def _who(outcome: Outcome) -> str | None:
    if outcome.answers is None:
        return None
    shares = [f"{name} {100 * use.answered:.3g} %" for name, use in outcome.uses.items() if use.answered > 0]
    return ", ".join(shares) or "nobody"


_WORDS = {
    "asked": "as asked",
    "same mix": "from the other option's rows of the same mix",
    "same way": "from its rows that go the same way",
    "any request": "from all its rows",
    "stated": "as stated",
}


def _detail(line: Line, n: int) -> str:
    outcome = line.outcome
    if outcome.unknown:
        return f"unknown for {outcome.unknown:,} of {outcome.n:,} requests: {outcome.why_unknown}"
    weaker = [source for source in SOURCES if outcome.sources.get(source)]
    said = [f"{outcome.sources[source]:,} requests {_WORDS[source]}" for source in weaker if weaker != ["asked"]]
    if outcome.unpriced:
        counted = "count as the mean of the others" if outcome.usd is not None else "leave what it costs unknown"
        said.append(f"{outcome.unpriced:,} calls without a cost {counted}")
    return " · ".join(said)


def _caption(routes: Routes) -> tuple[str, ...]:
    counts = routes.counts
    said = [f"{counts.n:,} requests, {counts.pairs:,} of them asked of several options at once"]
    left = [
        (counts.unmatched, "rows of no option here"),
        (counts.without_latency, "answers without a latency"),
        (counts.ambiguous, "pairs with several rows of one option, taken as single requests"),
    ]
    said += [f"{number:,} {what}" for number, what in left if number]
    lines = ["; ".join(said)]
    if all(line.outcome.quality is None for line in routes.lines):
        lines.append("quality is not known: no row of the log tells it")
    if routes.requests_month is not None:
        lines.append(f"a month is {routes.requests_month:,.0f} requests")
    if routes.valued:
        lines.append(
            f"net: what latency and quality are worth beside all {routes.baseline}, less what it costs more; a failure is of quality 0"
        )
    return tuple(lines)


def _curve(swept: Swept, curve: Curve) -> Table:
    rule = swept.rule
    columns = (
        Column("threshold", f"{rule.field} {'>=' if rule.rising else '<='}", "number"),
        Column("strong_share", f"to {rule.strong}", "ratio"),
        Column("quality", "quality", "number", rank=1),
        Column("pgr", "PGR", "ratio", rank=1),
        Column("cost_usd_per_1k", "USD/1k", "usd"),
        Column("p50_ms", "p50", "ms"),
        Column("p95_ms", "p95", "ms"),
        Column("p99_ms", "p99", "ms"),
        Column("net_usd_per_1k", "net/1k", "usd_signed", rank=1),
    )
    rows = tuple(Row(tuple(_point_cells(point))) for point in _some(curve.points))
    kind = "both answers of each are known" if swept.sweep.paired else "one answer of each is known, the other is that of a like score"
    caption = [f"{swept.requests:,} requests; {kind}; a failure counts as quality 0"]
    if swept.untold or swept.left_out:
        lacking = f"{swept.left_out:,} lack an answer or a rating to compare, or the rule is not for them"
        caption.append(f"left out: {swept.untold:,} do not tell {rule.field}, {lacking}")
    if curve.apgr is not None:
        told = (f"{100 * level:g} % of the gap: {'not reached' if share is None else f'{100 * share:.3g} %'}" for level, share in curve.cpt)
        caption.append(f"APGR {curve.apgr:.3f} (0.5 is a coin) · calls of {rule.strong} for " + ", ".join(told))
    elif curve.points[0].quality is not None:
        caption.append(f"{rule.strong} is not better than {rule.weak} here, so there is no gap to recover")
    title = f"{rule.weak} where {rule.field} is {'at least' if rule.rising else 'at most'} the threshold, else {rule.strong}"
    return Table(columns, rows, title=title, caption=tuple(caption), name="curve")


#: Rows of a curve that people read; scripts get all.
_SHOWN = 11


def _some(points: Sequence[Point]) -> Sequence[Point]:
    """The ends, and points evenly between."""
    if len(points) <= _SHOWN:
        return points
    return [points[round(n * (len(points) - 1) / (_SHOWN - 1))] for n in range(_SHOWN)]


def _point_cells(point: Point) -> Iterator[Cell]:
    yield Cell(None if point.threshold is None else float(f"{point.threshold:.4g}"), "number")
    yield ratio(point.strong_share)
    yield Cell(None if point.quality is None else round(point.quality, 4), "number")
    yield ratio(point.recovered)
    yield usd(None if point.usd is None else 1000 * point.usd)
    yield from (ms(point.p50), ms(point.p95), ms(point.p99))
    yield usd_signed(None if point.worth is None else 1000 * point.worth)


# ---- the pictures ----


def _trades(routes: Routes, swept: Swept, curve: Curve) -> Iterator[Figure]:
    """What a threshold buys: quality, where the log tells it, and p95; over cost, or over the share of calls where no cost is known."""
    priced = all(point.usd is not None for point in curve.points)
    x = Axis("USD per 1,000 requests", "usd") if priced else Axis(f"share answered by {swept.rule.strong}", "ratio")
    across = [_across(point.strong_share, point.usd, priced) for point in curve.points]
    behind = _curve(swept, curve)
    line = f"threshold of {swept.rule.field}"
    quality = [math.nan if point.quality is None else point.quality for point in curve.points]
    over = "cost" if priced else f"calls of {swept.rule.strong}"
    if not all(map(math.isnan, quality)):
        coin = Drawn("chosen by a coin", (across[0], across[-1]), (quality[0], quality[-1]))
        drawn = (Drawn(line, tuple(across), tuple(quality)), coin)
        title, y = f"{routes.name}: quality over {over}", Axis("quality", "number")
        yield Figure("curves", title, x, y, behind, drawn, spots=tuple(_spots(routes, swept, "quality", priced)), name="quality_over_cost")
    waits = (Drawn(line, tuple(across), tuple(point.p95 for point in curve.points)),)
    title, y = f"{routes.name}: p95 over {over}", Axis("p95, ms", "ms")
    yield Figure("curves", title, x, y, behind, waits, spots=tuple(_spots(routes, swept, "p95", priced)), name="p95_over_cost")


def _across(strong_share: float, usd: float | None, priced: bool) -> float:
    return 1000 * usd if priced and usd is not None else strong_share


def _spots(routes: Routes, swept: Swept, what: Literal["quality", "p95"], priced: bool) -> Iterator[Spot]:
    """Each end of the curve is an option alone, over the requests that were swept; what was chosen stands where the curve has it."""
    assert routes.curve is not None
    ends = {swept.rule.weak: min(routes.curve.points, key=_strong), swept.rule.strong: max(routes.curve.points, key=_strong)}
    named = [(f"all {name}", point, False) for name, point in ends.items()]
    if (found := routes.chosen) is not None:
        share = found.held_out.strong_share.value
        nearest = min(routes.curve.points, key=lambda point: _apart(point, found.threshold, share))
        sign = ">=" if swept.rule.rising else "<="
        said = "chosen" if found.threshold is None else f"chosen: {sign} {found.threshold:.4g}"
        named.append((said, nearest, True))
    for name, point, chosen in named:
        y = getattr(point, what)
        if y is not None:
            yield Spot(_across(point.strong_share, point.usd, priced), y, name, chosen)


def _strong(point: Point) -> float:
    return point.strong_share


def _apart(point: Point, threshold: float | None, share: float) -> tuple[float, float]:
    """How far a point of the curve is from what was chosen: by threshold, where both have one."""
    if threshold is None:
        return (0.0, abs(point.strong_share - share))
    return (math.inf if point.threshold is None else abs(point.threshold - threshold), abs(point.strong_share - share))


def _best(routes: Routes) -> Iterator[Text]:
    found, swept = routes.chosen, routes.swept
    if found is None or swept is None:
        return
    rule, held = swept.rule, found.held_out
    sign = ">=" if rule.rising else "<="
    everything = f"everything to {rule.strong if found.all_strong else rule.weak}"
    where = everything if found.threshold is None else f"{rule.weak} where {rule.field} {sign} {found.threshold:.4g}"
    low, high = ("beyond all" if end is None else f"{end:.4g}" for end in found.interval)
    best = f"best for {_goal(found, routes.requests_month)}: {where} (95 %: {low} to {high})"
    lines = [f"{best}, chosen on {found.n[0]:,} requests"]
    measures = [f"{rule.strong} answers {_percent(held.strong_share)}"]
    if held.quality:
        measures.append(f"quality {held.quality.value:.4g} ({held.quality.low:.4g} to {held.quality.high:.4g})")
    if held.usd:
        measures.append(f"${1000 * held.usd.value:.4g} per 1,000")
    if held.worth and held.worth.low is not None and held.worth.high is not None:
        value, least, most = (f"{1000 * end + 0.0:+.4g}" for end in (held.worth.value, held.worth.low, held.worth.high))
        measures.append(f"net {value} USD per 1,000 beside all {rule.strong} ({least} to {most})")
    measures.append(f"p95 {held.latency.quantile(0.95):,.0f} ms")
    lines.append(f"on the {found.n[1]:,} requests it was not chosen on: " + ", ".join(measures))
    if found.met is False:
        lines.append("there the limit is not kept: leave some room, or give a longer log")
    yield Text(tuple(lines), title="threshold")


def _goal(found: Chosen, requests_month: float | None) -> str:
    limit = _limit(found, requests_month)
    if found.goal == "max-quality":
        return f"quality under {limit:,.4g} USD a month"
    return f"cost over a quality of {limit:.4g}" if found.goal == "min-cost" else "net"


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.3g} %"


def _confidence(each: Confidence) -> Iterator[Section]:
    title = f"what the confidence of {each.policy} is worth"
    lines: list[str] = []
    if each.error is not None:
        source = "the policy states" if each.stated else "the log tells"
        lines.append(
            f"calibration error {each.error:.3f}: {source} how sure it is of {each.weak}; {each.n:,} answers of {each.weak} are rated"
        )
        rows = tuple(Row((text(f"{b.low:.1f} to {b.high:.1f}"), count(b.n), ratio(b.confidence), ratio(b.quality))) for b in each.bins)
        columns = (
            Column("bin", "confidence"),
            Column("requests", "requests", "count"),
            Column("confidence", "mean", "ratio"),
            Column("quality", "quality", "ratio"),
        )
        yield Table(columns, rows, title=title, name=f"confidence of {each.policy}")
    if each.why_unknown:
        lines.append(each.why_unknown)
    if each.misrouted is not None:
        wrong = each.misrouted
        lines.append(f"sent to {each.weak} and worse there than at {each.strong}: {_between(wrong.too_weak)} of requests")
        lines.append(f"sent to {each.strong} though {each.weak} is as good: {_between(wrong.too_strong)} of requests")
        if not wrong.paired:
            lines.append("no request was asked of both, so these are the least and the most that the two samples leave possible")
    yield Text(tuple(lines), title="" if each.error is not None else title)


def _between(share: tuple[float, float]) -> str:
    low, high = (f"{100 * end:.3g} %" for end in share)
    return low if low == high else f"{low} to {high}"
