"""What a profile says: the document for scripts, the table for people, the account of every line, and what a saving would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeroi.aggregate import Aggregate, Stated
from edgeroi.distributions import Ranked, cdf, histogram
from edgeroi.felt import Felt
from edgeroi.histogram import LatencyHistogram
from edgeroi.latency import Latency, Measure, over_days
from edgeroi.report import (
    Cell,
    Column,
    Figure,
    Json,
    Report,
    Row,
    Section,
    Table,
    Text,
    count,
    envelope,
    file_document,
    lines_document,
    ms,
    ratio,
    text,
    usd,
)
from edgeroi.request import LineCount, Reject
from edgeroi.stats import NEEDED, QUANTILES, wilson
from edgeroi.workload import LEAST_HOURS, FileAccount, Group, Partial, Profile, Tally, over_limit

if TYPE_CHECKING:
    import pandas as pd

BINS = 16
FIRST_REJECTS = 5
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Judged = Literal["ttft", "e2e"]
#: The two ends of an interval, ms.
Ends = tuple[float | None, float | None]


# -- what a saving would change


@dataclass(frozen=True, slots=True)
class Saving:
    """A saving held against the judged latency of a group: its share of p50 and p99, and what it would take to be felt.

    A saving cannot exceed what it is taken from, so shares end at 1. ``None`` where the group has no success.
    """

    ms: float
    judged: Judged
    p50_ms: float | None
    p99_ms: float | None
    share_of_p50: float | None
    share_of_p99: float | None
    felt: bool | None
    felt_from_ms: float | None


def judged_on(tally: Tally) -> Judged:
    """Time to first token where answers were streamed and most of them told it, else end to end."""
    streamed = not tally.streamed.n or 2 * tally.streamed.total >= tally.streamed.n
    return "ttft" if tally.ttft.n and streamed and 2 * tally.ttft.n >= tally.latency.n else "e2e"


def saving_of(tally: Tally, saving_ms: float, rule: Felt | None = None) -> Saving:
    """What ``saving_ms`` less would change for these requests."""
    judged = judged_on(tally)
    return _saving_between(judged, tally.ttft if judged == "ttft" else tally.latency, saving_ms, rule or Felt())


def saving_of_stated(aggregate: Aggregate, saving_ms: float, rule: Felt | None = None) -> Saving:
    """The same for an aggregate, judged on its time to first token where one is stated."""
    return _saving_between("ttft" if aggregate.ttft else "e2e", aggregate.ttft or aggregate.latency, saving_ms, rule or Felt())


def _saving_between(judged: Judged, known: LatencyHistogram | Stated, saving_ms: float, rule: Felt) -> Saving:
    p50, p99 = known.quantile(0.5), known.quantile(0.99)
    if p50 is None:
        return Saving(saving_ms, judged, None, p99, None, None, None, None)
    of_p99 = None if p99 is None else _share(saving_ms, p99)
    felt = rule.felt(p50, min(saving_ms, p50))
    return Saving(saving_ms, judged, p50, p99, _share(saving_ms, p50), of_p99, felt, rule.felt_from_ms(p50))


def _share(part: float, whole: float) -> float | None:
    return min(1.0, part / whole) if whole else None


# -- what is worked out once per group


@dataclass(frozen=True, slots=True)
class Intervals:
    """The 95 % intervals of a group's quantiles, by name, in ms; an end that the sample does not support is ``None``.

    ``plain``: by order statistics, as if requests were independent. ``over_days``: with days as clusters, ``None`` where days are alike.
    ``deciding``: the one that counts, the wider where both are there.
    """

    plain: Mapping[str, Ends]
    over_days: Mapping[str, Ends] | None
    deciding: Mapping[str, Ends]


def intervals_of(tally: Tally, measure: Measure = "latency") -> Intervals:
    """The intervals of all quantiles of a group, over its days where these differ by more than chance."""
    sample: LatencyHistogram = getattr(tally, measure)
    plain: dict[str, Ends] = {name: sample.interval(p) if sample.n else (None, None) for name, p in QUANTILES.items()}
    first = over_days(tally, QUANTILES["p50"], measure)
    if first is None or not first.differ:  # which days differ does not depend on the quantile
        return Intervals(plain, None, plain)
    spreads = {name: spread for name, p in QUANTILES.items() if (spread := over_days(tally, p, measure))}
    return Intervals(plain, {name: s.interval for name, s in spreads.items()}, {name: s.deciding for name, s in spreads.items()})


@dataclass(frozen=True, slots=True)
class _Line:
    """A group, and what is worked out of it once."""

    group: Group
    latency: Intervals
    ttft: Intervals
    saving: Saving
    requests_month: float | None


def _lines(profile: Profile, outline: Profile, saving_ms: float) -> tuple[_Line, ...]:
    return tuple(
        _Line(
            group,
            intervals_of(group.tally, "latency"),
            intervals_of(group.tally, "ttft"),
            saving_of(group.tally, saving_ms),
            outline.requests_month(group.tally),
        )
        for group in profile.groups
    )


def _outline(profile: Profile) -> Profile:
    """The profile as one group of which only volume and time are known: all that concerns the whole, without adding up latencies."""
    tallies = tuple(profile.partial.tallies.values())
    first = min((tally.first_ns for tally in tallies if tally.first_ns is not None), default=None)
    last = max((tally.last_ns for tally in tallies if tally.last_ns is not None), default=None)
    whole = Tally(sum(t.requests for t in tallies), sum(t.errors for t in tallies), first_ns=first, last_ns=last)
    return replace(profile, partial=Partial((), {(): whole}))


# -- the document


def profile_report(profile: Profile, *, version: str, saving_ms: float = 50.0, drawn: bool = False) -> Report:
    """The report of a profile, ``saving_ms`` being the saving whose effect is asked for; with ``drawn`` its distributions are figures too.

    Where nothing was profiled there is no table: the account of the lines is all there is to say.
    """
    outline = _outline(profile)
    lines = _lines(profile, outline, saving_ms)
    stated = tuple((one, saving_of_stated(one, saving_ms)) for one in profile.aggregates)
    sections: tuple[Section, ...] = (_headline(outline), _table(profile.by, lines, stated)) if profile.lines.profiled else ()
    if drawn:
        sections = (*sections, *_figures(lines))
    notes = (*profile.notes, *_own_notes(outline, lines))
    document = {
        **envelope("profile", version, files=[file_document(file) for file in profile.files], notes=notes),
        **_whole_document(profile, outline),
        "groups": [*(_group_document(line) for line in lines), *(_aggregate_document(*one) for one in stated)],
        "saving_ms": saving_ms,
    }
    return Report("profile", document, (*sections, account(profile)), notes)


def figures_of(profile: Profile) -> tuple[Figure, ...]:
    """The one picture of a profile: how latencies are distributed, end to end where that is known."""
    told = _figures(_lines(profile, _outline(profile), 0.0))
    return tuple(islice((figure for figure in told if figure.name == "cdf"), 1))


#: So many distributions can be told apart in one figure.
_MOST_CURVES = 5


def _figures(lines: Sequence[_Line]) -> Iterator[Figure]:
    """The distributions of the groups with the most successes: end to end, and to the first token where that is told."""
    measures: tuple[tuple[Measure, str], ...] = (("latency", "latency, end to end"), ("ttft", "time to first token"))
    for measure, what in measures:
        told = [line for line in lines if getattr(line.group.tally, measure).n]
        told.sort(key=lambda line: -getattr(line.group.tally, measure).n)
        shown = [_ranked(line, measure) for line in told[:_MOST_CURVES]]
        of = f", the {_MOST_CURVES} groups with the most of {len(told):,}" if len(told) > _MOST_CURVES else ""
        for figure in (cdf(shown, f"{what}: share of requests done by then{of}"), histogram(shown, f"{what}: how many took how long{of}")):
            if figure is not None:
                yield figure


def _ranked(line: _Line, measure: Measure) -> Ranked:
    intervals: Intervals = getattr(line, measure)
    name = " ".join(value for value in line.group.key.values() if value) or "all"
    return Ranked(name, Latency.of(getattr(line.group.tally, measure), 0.0), intervals.deciding)


def _whole_document(profile: Profile, outline: Profile) -> Mapping[str, Json]:
    total = outline.total
    return {
        "by": list(profile.by),
        "lines": lines_document(profile.lines),
        "rejects": [_reject_document(reject) for reject in profile.rejects[:FIRST_REJECTS]],
        "requests_month": outline.requests_month(total),
        "seen_from": profile.seen_from,
        "sampling": profile.sampling,
        "span": {"first": _iso(total.first_ns), "last": _iso(total.last_ns), "hours": outline.span_hours},
    }


def _reject_document(reject: Reject) -> Mapping[str, Json]:
    raw = reject.raw.decode("utf-8", "backslashreplace")
    return {"file": reject.file, "line": reject.line, "reason": reject.reason, "detail": reject.detail, "raw": raw}


def _group_document(line: _Line) -> Mapping[str, Json]:
    tally = line.group.tally
    cost = tally.mean("cost_usd")
    return {
        "workload": None,
        "placement": None,
        **line.group.key,
        "basis": "measured",
        "requests": tally.requests,
        "errors": tally.errors,
        "error_ratio": tally.error_ratio,
        "error_ratio_interval": list(wilson(tally.errors, tally.requests)) if tally.requests else None,
        "latency_ms": latency_document(tally.latency, line.latency),
        "ttft_ms": latency_document(tally.ttft, line.ttft),
        "network_ms": latency_document(tally.network),
        "failure_ms": latency_document(tally.failure),
        "input_tokens": _tokens_document(tally, "input_tokens"),
        "cached_tokens": _tokens_document(tally, "cached_tokens"),
        "output_tokens": _tokens_document(tally, "output_tokens"),
        "streamed_ratio": tally.streamed.total / tally.streamed.n if tally.streamed.n else None,
        "cold_start_ratio": tally.cold_starts.total / tally.cold_starts.n if tally.cold_starts.n else None,
        "cost_usd_sum": tally.total("cost_usd"),
        "cost_usd_per_1k_requests": None if cost is None else 1000 * cost,
        "requests_month": line.requests_month,
        "saving": _saving_document(line.saving),
    }


def latency_document(sample: LatencyHistogram, intervals: Intervals | None = None) -> Mapping[str, Json] | None:
    """Quantiles, mean and extremes in ms, whether each quantile may be relied on, and its 95 % interval; ``None`` of nothing.

    ``intervals`` adds those over days, where days differ by more than chance.
    """
    if not sample.n:
        return None
    over = intervals.over_days if intervals else None
    return {
        "n": sample.n,
        **{name: sample.quantile(p) for name, p in QUANTILES.items()},
        "mean": sample.mean_ms,
        "min": sample.min_ms,
        "max": sample.max_ms,
        "estimable": {name: sample.estimable(p) for name, p in QUANTILES.items()},
        "interval": {name: list(sample.interval(p)) for name, p in QUANTILES.items()},
        "interval_over_days": {name: list(ends) for name, ends in over.items()} if over else None,
    }


def _aggregate_document(one: Aggregate, saving: Saving) -> Mapping[str, Json]:
    """An aggregate as a row of the groups: what it does not state is null, and no quantile of it may be relied on."""
    tokens = {name: None if (mean := one.mean(name)) is None else {"sum": None, "mean": mean, "requests": None} for name in _TOKENS}
    nothing = ("error_ratio_interval", "network_ms", "failure_ms", "streamed_ratio", "cold_start_ratio", *_MONEY)
    return {
        "workload": None,
        "placement": None,
        **one.key,
        "basis": "aggregate",
        "file": one.file,
        "requests": one.requests,
        "errors": one.errors,
        "error_ratio": one.error_ratio,
        "latency_ms": _stated_document(one.latency),
        "ttft_ms": _stated_document(one.ttft) if one.ttft else None,
        **tokens,
        **dict.fromkeys(nothing),
        "requests_month": None,
        "saving": _saving_document(saving),
    }


_TOKENS = ("input_tokens", "cached_tokens", "output_tokens")
_MONEY = ("cost_usd_sum", "cost_usd_per_1k_requests")


def _stated_document(known: Stated) -> Mapping[str, Json]:
    return {
        "n": None,
        **{name: known.quantile(p) for name, p in QUANTILES.items()},
        "mean": known.mean_ms,
        "min": known.min_ms,
        "max": known.max_ms,
        "estimable": dict.fromkeys(QUANTILES, False),
        "interval": {name: [None, None] for name in QUANTILES},
        "interval_over_days": None,
    }


def _tokens_document(tally: Tally, column: str) -> Mapping[str, Json] | None:
    told = tally.sums.get(column)
    return {"sum": told.total, "mean": told.total / told.n, "requests": told.n} if told and told.n else None


def _saving_document(saving: Saving) -> Mapping[str, Json]:
    return {
        "ms": saving.ms,
        "judged": saving.judged,
        "share_of_p50": saving.share_of_p50,
        "share_of_p99": saving.share_of_p99,
        "felt": saving.felt,
        "felt_from_ms": saving.felt_from_ms,
    }


# -- the table


def _table(by: Iterable[str], lines: Sequence[_Line], stated: Sequence[tuple[Aggregate, Saving]]) -> Table:
    edges = bin_edges([line.group.tally.latency for line in lines])
    rows = [Row(tuple(_cells(line, edges)), _saving_words(line.saving)) for line in lines]
    rows += [Row(tuple(_aggregate_cells(*one)), _aggregate_words(*one)) for one in stated]
    return Table(tuple(_columns(by)), tuple(rows), name="profile", caption=tuple(_caption(lines, edges, bool(stated))))


def _columns(by: Iterable[str]) -> Iterator[Column]:
    yield from (Column(name, name) for name in by)
    yield Column("basis", "basis", in_words=True)
    yield from (Column("requests", "requests", "count"), Column("error_ratio", "errors", "ratio"))
    for name, rank in zip(QUANTILES, (0, 7, 2, 0), strict=True):
        yield Column(f"latency_ms_{name}", f"{name} ms", "ms", interval=True, rank=rank)
    yield from (Column("latency_ms_mean", "mean", "ms", rank=6), Column("latency_ms_max", "max", "ms", rank=8))
    yield Column("ttft_ms_p50", "TTFT p50", "ms", interval=True, rank=1)
    yield Column("ttft_ms_p99", "TTFT p99", "ms", interval=True, rank=5)
    yield from (Column("input_tokens_mean", "tokens in", "count", rank=4), Column("output_tokens_mean", "out", "count", rank=4))
    yield Column("cost_usd_per_1k_requests", "USD/1,000", "usd", rank=3)
    yield Column("distribution", "distribution", "distribution", rank=9)
    yield Column("saving_ms", "saving", "ms", in_words=True)
    yield from (Column(f"saving_share_of_{name}", f"of {name}", "ratio", in_words=True) for name in ("p50", "p99"))
    yield from (Column("saving_felt", "felt", in_words=True), Column("saving_felt_from_ms", "felt from", "ms", in_words=True))


def _cells(line: _Line, edges: Sequence[float]) -> Iterator[Cell]:
    tally, saving = line.group.tally, line.saving
    yield from (text(value) for value in line.group.key.values())
    yield text("measured")
    yield from (count(tally.requests), ratio(tally.error_ratio))
    yield from (_quantile(tally.latency, line.latency, name) for name in QUANTILES)
    yield from (ms(tally.latency.mean_ms), ms(tally.latency.max_ms))
    yield from (_quantile(tally.ttft, line.ttft, name) for name in ("p50", "p99"))
    yield from (Cell(tally.mean("input_tokens"), "count"), Cell(tally.mean("output_tokens"), "count"))
    cost = tally.mean("cost_usd")
    yield usd(None if cost is None else 1000 * cost)
    yield Cell(binned(tally.latency, edges), "distribution")
    yield from _saving_cells(saving)


def _saving_cells(saving: Saving) -> Iterator[Cell]:
    yield from (ms(saving.ms), ratio(saving.share_of_p50), ratio(saving.share_of_p99))
    yield from (Cell(saving.felt), ms(saving.felt_from_ms))


def _aggregate_cells(one: Aggregate, saving: Saving) -> Iterator[Cell]:
    """The cells of an aggregate, in the order of a group's; every quantile is marked, and none has an interval."""
    yield from (text(value) for value in one.key.values())
    yield text("aggregate")
    yield from (count(one.requests), ratio(one.error_ratio))
    yield from (_stated_cell(one.latency, p) for p in QUANTILES.values())
    yield from (ms(one.latency.mean_ms), ms(one.latency.max_ms))
    yield from (_stated_cell(one.ttft, QUANTILES[name]) for name in ("p50", "p99"))
    yield from (Cell(one.mean("input_tokens"), "count"), Cell(one.mean("output_tokens"), "count"))
    yield from (usd(None), Cell(None, "distribution"))
    yield from _saving_cells(saving)


def _stated_cell(known: Stated | None, p: float) -> Cell:
    value = known.quantile(p) if known else None
    return ms(value, estimable=value is None)


def _aggregate_words(one: Aggregate, saving: Saving) -> str:
    """That the row is an aggregate, of which file, and what a saving would change."""
    return " · ".join(part for part in (f"aggregate: as {one.file} states it", _saving_words(saving)) if part)


def _quantile(sample: LatencyHistogram, intervals: Intervals, name: str) -> Cell:
    p = QUANTILES[name]
    return ms(sample.quantile(p), *intervals.deciding[name], estimable=sample.n > 0 and sample.estimable(p))


def _saving_words(saving: Saving) -> str:
    """``50 ms less is 76 % of p50 and 30 % of p99: not felt, that takes 100 ms``."""
    if saving.p50_ms is None or saving.share_of_p50 is None or saving.felt_from_ms is None:
        return ""
    of = f"{'TTFT' if saving.judged == 'ttft' else 'e2e'} p50 {_ms_words(saving.p50_ms)}"
    of_p99 = "" if saving.share_of_p99 is None else f" and {_per_cent(saving.share_of_p99)} of p99"
    shares = f"{_per_cent(saving.share_of_p50)} of {of}{of_p99}"
    if saving.felt:
        verdict = f"felt (from {_ms_words(saving.felt_from_ms)})"
    elif saving.felt_from_ms > saving.p50_ms:
        verdict = f"not felt, and no saving here would be: that takes {_ms_words(saving.felt_from_ms)}"
    else:
        verdict = f"not felt, that takes {_ms_words(saving.felt_from_ms)}"
    return f"{_ms_words(saving.ms)} less is {shares}: {verdict}"


def _per_cent(share: float) -> str:
    return "less than 1%" if 0 < share < 0.01 else f"{share:.0%}"


def _ms_words(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 or value == int(value) else f"{value:.3g} ms"


def _caption(lines: Sequence[_Line], edges: Sequence[float], aggregated: bool) -> Iterator[str]:
    if lines:
        yield "below each quantile its 95 % interval; failed requests count as errors and are outside the quantiles"
    samples = [line.group.tally.latency for line in lines if line.group.tally.latency.n]
    lacking = [name for name, p in QUANTILES.items() if not all(sample.estimable(p) for sample in samples)]
    if lacking:
        needs = ", ".join(f"{name} needs {NEEDED[name]}" for name in lacking)
        yield f"? not estimable: too few successes for an interval ({needs}); rely on nothing marked so"
    if aggregated:
        yield "? of an aggregate: stated by a tool without its requests, so it has no interval, and nothing is merged with it or averaged"
    uneven = [_key_words(line.group) for line in lines if line.latency.over_days]
    if uneven:
        yield f"days differ by more than chance, so the interval is the one over days where that is wider: {_few(uneven)}"
    if edges:
        yield f"distribution: {_ms_words(edges[0])} to {_ms_words(edges[-1])}, logarithmic, the same in every row"


# -- the drawn distribution


def bin_edges(samples: Iterable[LatencyHistogram], bins: int = BINS) -> tuple[float, ...]:
    """Edges in ms of ``bins`` bins of equal ratio that hold every sample; empty where there is no value above 0."""
    held = [sample for sample in samples if sample.n and sample.most_ns]
    if not held:
        return ()
    least = min(float(sample.values_ms[sample.values_ms > 0][0]) for sample in held)
    most = max(float(sample.values_ms[-1]) for sample in held)
    widest = max(most, least * 1.1)  # one value still has a bin around it
    return tuple(float(edge) for edge in np.geomspace(least, widest, bins + 1))


def binned(sample: LatencyHistogram, edges: Sequence[float]) -> tuple[int, ...] | None:
    """How many values of the sample lie in each bin; what lies outside counts in the bin at that end. ``None`` of nothing."""
    if not sample.n or not edges:
        return None
    places = np.clip(np.searchsorted(edges, sample.values_ms, side="right") - 1, 0, len(edges) - 2)
    return tuple(int(n) for n in np.bincount(places, weights=sample.counts, minlength=len(edges) - 1))


# -- around the table


def _headline(outline: Profile) -> Text:
    return Text((" · ".join(_facts(outline)),))


def _facts(profile: Profile) -> Iterator[str]:
    total, aggregates = profile.total, len(profile.aggregates)
    per_month = profile.requests_month(total)
    if total.requests or not aggregates:
        yield span_words(total.first_ns, total.last_ns)
        requests = "1 request" if total.requests == 1 else f"{total.requests:,} requests"
        yield requests + (f" ({_rounded(per_month)} a month)" if per_month is not None else "")
    if aggregates:
        yield "1 aggregate" if aggregates == 1 else f"{aggregates:,} aggregates"
    yield "unsampled" if profile.sampling == 1 else f"sampled {100 * profile.sampling:.4g} %"
    yield f"seen from {profile.seen_from}" if profile.seen_from else "vantage not said (--seen-from client|gateway|server)"


def _rounded(n: float) -> str:
    """Three significant digits: a month's requests are an extrapolation."""
    return f"{float(f'{n:.3g}'):,.0f}"


def span_words(first_ns: int | None, last_ns: int | None) -> str:
    """``24 Oct-21 Nov 2026, 28 d``; UTC."""
    if first_ns is None or last_ns is None:
        return "no timestamps"
    first, last = _instant(first_ns), _instant(last_ns)
    return f"{_dates(first, last)}, {_length(last - first)}"


def _dates(first: datetime, last: datetime) -> str:
    ending = f"{last.day} {_MONTHS[last.month - 1]} {last.year}"
    if first.date() == last.date():
        return ending
    beginning = f"{first.day} {_MONTHS[first.month - 1]}"
    return f"{beginning}-{ending}" if first.year == last.year else f"{beginning} {first.year}-{ending}"


def _length(span: timedelta) -> str:
    for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if span.total_seconds() >= seconds:
            return f"{span.total_seconds() / seconds:.3g} {unit}"
    return f"{span.total_seconds():.3g} s"


def _instant(at_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else _instant(at_ns).isoformat().replace("+00:00", "Z")


def account(profile: Profile) -> Text:
    """Where every line went, file by file, and the first few that could not be read."""
    return Text((*_total_words(profile), *_file_words(profile.files), *_reject_words(profile)), tone="quiet")


def _total_words(profile: Profile) -> Iterator[str]:
    if len(profile.files) != 1:  # of one file its own line says it all
        yield f"{len(profile.files):,} files: {_lines_words(profile.lines, 'read')}"


def _lines_words(lines: LineCount, counted: str) -> str:
    parts = [f"{lines.profiled:,} profiled", f"{lines.blank:,} blank"]
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(lines.rejected.items()))
    parts += [f"{lines.total_rejected:,} rejected" + (f" ({reasons})" if reasons else "")]
    parts += [f"{n:,} {_skipped_words(reason)}" for reason, n in sorted(lines.skipped.items())]
    return f"{lines.read:,} {counted} = {' + '.join(parts)}"


def _skipped_words(reason: str) -> str:
    return "cache hits split off" if reason == "cache_hit" else f"skipped {reason}"


def _file_words(files: Sequence[FileAccount], most: int = 8) -> Iterator[str]:
    """A line per file; of many files only those that say more than the total does, and how the others were read."""
    odd = [file for file in files if file.damage or file.lines.total_rejected or file.notes]
    shown = list(files) if len(files) <= most else odd[:most]
    for file in shown:
        damage = f" · {file.damage}" if file.damage else ""
        yield f"{file.path}: {file.format}, {file.unit}: {_lines_words(file.lines, file.counted)}{damage}"
        yield from (f"  {note}" for note in file.notes)
    left = [file for file in files if file not in shown]
    for kind in sorted({(file.format, file.unit) for file in left}):
        n = sum((file.format, file.unit) == kind for file in left)
        yield f"{n:,} {'more ' if shown else ''}{'file' if n == 1 else 'files'}: {kind[0]}, {kind[1]}"


def _reject_words(profile: Profile) -> Iterator[str]:
    total = profile.lines.total_rejected
    if profile.rejects:
        shown = profile.rejects[:FIRST_REJECTS]
        rest = f"; the first {len(shown)} of {total:,}, --rejects FILE writes all" if total > len(shown) else ""
        yield f"rejected{rest}:"
        yield from (f"  {_reject_line(reject)}" for reject in shown)


def _reject_line(reject: Reject) -> str:
    raw = reject.raw.decode("utf-8", "backslashreplace")
    return f"{reject.file}:{reject.line}: {reject.reason}: {reject.detail}: {raw[:80]}{'...' if len(raw) > 80 else ''}"


def _own_notes(outline: Profile, lines: Sequence[_Line]) -> Iterator[str]:
    span = outline.span_hours
    if span is not None and span < LEAST_HOURS:
        yield f"the log spans {span:.3g} h: under a day tells no month's volume; state requests: in a scenario"
    beyond = [f"{_key_words(line.group)} ({_ms_words(network)})" for line, network in _with_network(lines) if line.saving.ms > network]
    if beyond:
        saving = _ms_words(lines[0].saving.ms)
        yield f"a saving of {saving} is more than the network part (p50) of {_few(beyond)}: moving them cannot save it"
    silent = [words for line in lines if (words := _without_cost(line.group))]
    if silent:
        yield f"the cost is the mean of those that told one; {_few(silent)} did not"


def _with_network(lines: Sequence[_Line]) -> Iterator[tuple[_Line, float]]:
    for line in lines:
        network = line.group.tally.network.quantile(0.5)
        if network is not None:
            yield line, network


def _without_cost(group: Group) -> str | None:
    """How many answered requests told no cost, where others did."""
    told, answered = group.tally.sums.get("cost_usd"), group.tally.requests - group.tally.errors
    return f"{answered - told.n:,} of {answered:,} in {_key_words(group)}" if told and 0 < told.n < answered else None


def _few(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _key_words(group: Group) -> str:
    return " ".join(value or "-" for value in group.key.values()) or "all"


# -- whether it can be relied on


def unfit(profile: Profile, limit: int | None = None) -> str | None:
    """Why what was read is not what was asked for; ``None`` where it is.

    Nothing profiled, a damaged stream, or more than ``limit`` rejects (by default the larger of 1 % and 10 lines).
    A cut last line alone is no reason: a log that is being written to ends so.
    """
    lines = profile.lines
    if not lines.profiled:
        return "nothing was profiled"
    damaged = [file.path for file in profile.files if file.damage]
    if damaged:
        return f"damaged input: {', '.join(damaged[:3])}{' and others' if len(damaged) > 3 else ''}; what could be read is shown"
    if over_limit(lines, limit):
        tolerated = "the larger of 1 % and 10 lines" if limit is None else f"{limit:,}"
        return f"{lines.total_rejected:,} of {lines.read:,} lines rejected, more than is tolerated ({tolerated}; --max-rejected)"
    return None


# -- as a data frame


def frame_of(profile: Profile) -> pd.DataFrame:
    """One row per group, the columns of the CSV: numbers unrounded, unknown as ``None`` or NaN."""
    import pandas as pd

    outline = _outline(profile)
    groups = [_frame_row(group, outline.requests_month(group.tally)) for group in profile.groups]
    return pd.DataFrame([*groups, *map(_aggregate_frame_row, profile.aggregates)])


def _aggregate_frame_row(one: Aggregate) -> Mapping[str, object]:
    row: dict[str, object] = {**one.key, "basis": "aggregate", "requests": one.requests, "errors": one.errors}
    row["error_ratio"] = one.error_ratio
    for label, known in (("latency_ms", one.latency), ("ttft_ms", one.ttft or Stated({}))):
        for name, p in QUANTILES.items():
            value = known.quantile(p)
            row |= {f"{label}_{name}": value, f"{label}_{name}_low": None, f"{label}_{name}_high": None}
            row[f"{label}_{name}_estimable"] = None if value is None else False
        row |= {f"{label}_mean": known.mean_ms, f"{label}_min": known.min_ms, f"{label}_max": known.max_ms}
    return row | {f"{column}_mean": one.mean(column) for column in _TOKENS}


def _frame_row(group: Group, requests_month: float | None) -> Mapping[str, object]:
    tally = group.tally
    row: dict[str, object] = {**group.key, "basis": "measured", "requests": tally.requests, "errors": tally.errors}
    row["error_ratio"] = tally.error_ratio
    measures: tuple[tuple[str, Measure, LatencyHistogram], ...] = (
        ("latency_ms", "latency", tally.latency),
        ("ttft_ms", "ttft", tally.ttft),
    )
    for label, measure, sample in measures:
        intervals = intervals_of(tally, measure)
        for name, p in QUANTILES.items():
            low, high = intervals.deciding[name]
            row |= {f"{label}_{name}": sample.quantile(p), f"{label}_{name}_low": low, f"{label}_{name}_high": high}
            row[f"{label}_{name}_estimable"] = sample.estimable(p) if sample.n else None
        row |= {f"{label}_mean": sample.mean_ms, f"{label}_min": sample.min_ms, f"{label}_max": sample.max_ms}
    for column in ("input_tokens", "cached_tokens", "output_tokens", "cost_usd"):
        row |= {f"{column}_sum": tally.total(column), f"{column}_mean": tally.mean(column)}
    return row | {"requests_month": requests_month}
