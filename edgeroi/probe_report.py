"""What a probe says: how each target answered, how the run itself went, the differences pair by pair, and whether to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeroi.distributions import distribution_of
from edgeroi.exchange import Exchange
from edgeroi.histogram import LatencyHistogram, nearest_rank
from edgeroi.hybrid import kind_of
from edgeroi.pairs import Difference
from edgeroi.prediction import Prediction
from edgeroi.probe_run import PolicyRun, ProbeRun, TargetRun
from edgeroi.report import Cell, Column, Figure, Json, Report, Row, Table, Text, count, envelope, ms, text
from edgeroi.stats import NEEDED, QUANTILES, order_statistic_ranks
from edgeroi.trust import BLIND, SelfTest, quantile_of

if TYPE_CHECKING:
    import pandas as pd


def summary(values: Sequence[float]) -> dict[str, Json] | None:
    """Quantiles by nearest rank with their order-statistic intervals, mean and ends, as every document has them; ``None`` of nothing."""
    if not values:
        return None
    ordered, n = np.sort(np.asarray(values, np.float64)), len(values)

    def at(rank: int | None) -> float | None:
        return None if rank is None else float(ordered[rank - 1])

    ranks = {name: order_statistic_ranks(n, p) for name, p in QUANTILES.items()}
    return {
        **{name: at(nearest_rank(p, n)) for name, p in QUANTILES.items()},
        "mean": float(ordered.mean()),
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "estimable": {name: None not in ends for name, ends in ranks.items()},
        "interval": {name: [at(low), at(high)] for name, (low, high) in ranks.items()},
    }


def probe_report(run: ProbeRun, profiled: Report | None, version: str) -> Report:
    """The report: ``profiled`` is what ``profile`` says of the log that the run wrote; without it, the run alone."""
    profiled = profiled or Report("profile", {})
    sections = (*profiled.sections, _conduct(run), *_cold(run), *_policies(run), *_differences(run), _verdict(run))
    files = profiled.document.get("files", ())
    document: dict[str, Json] = {
        **envelope("probe", version, files=files if isinstance(files, Sequence) else (), notes=profiled.notes, seed=run.seed),
        "log": run.log,
        "vantage": run.plan.vantage,
        "mode": run.plan.mode,
        "arrivals": run.plan.arrivals,
        "connections": run.plan.connections,
        "cold_gap_ms": run.plan.cold_gap_ms,
        "targets": [_target_document(each) for each in run.targets],
        "policies": [_policy_document(each) for each in run.policies],
        "pairs": _pairs_document(run.differences),
        "trusted": run.trusted,
        "reasons": list(run.reasons),
        "interrupted": run.interrupted,
        "selftest": None if run.added is None else added_document(run.added),
        "groups": profiled.document.get("groups"),
    }
    return Report("probe", document, sections, profiled.notes)


def figures_of(run: ProbeRun) -> tuple[Figure, ...]:
    """The distribution of every target's answers."""
    samples = [(each.target.name, _sample(each)) for each in run.targets]
    return distribution_of(samples, "latency, end to end: share of requests done by then")


def _sample(each: TargetRun) -> LatencyHistogram:
    return LatencyHistogram.from_ms(np.asarray([exchange.latency_ms for exchange in each.successes], np.float64))


def frame_of(run: ProbeRun) -> pd.DataFrame:
    """One row per target, quantiles by nearest rank."""
    import pandas as pd

    return pd.DataFrame([_frame_row(each) for each in run.targets])


def _frame_row(each: TargetRun) -> dict[str, object]:
    target, told = each.target, summary([exchange.latency_ms for exchange in each.successes])
    row: dict[str, object] = {"target": target.name, "placement": target.placement, "requests": len(each.steady)}
    row |= {"errors": sum(each.errors.values()), "asked_rate": each.rates.asked, "sent_rate": each.rates.achieved}
    for name in QUANTILES:
        interval = told["interval"] if told else None
        low, high = interval[name] if isinstance(interval, dict) else (None, None)
        row |= {f"latency_ms_{name}": told[name] if told else None, f"latency_ms_{name}_low": low, f"latency_ms_{name}_high": high}
    return row | {"latency_ms_mean": told["mean"] if told else None}


def added_document(added: SelfTest) -> dict[str, Json]:
    """What the probe adds, for scripts."""
    return {
        "requests": added.n,
        "rate": added.rate,
        "added_ms": {"p50": added.wire_p50, "p99": added.wire_p99},
        "added_whole_ms": {"p50": added.whole_p50, "p99": added.whole_p99},
        "lateness_ms": {"p50": added.lateness_p50, "p99": added.lateness_p99},
    }


def _target_document(run: TargetRun) -> dict[str, Json]:
    good, target = run.successes, run.target
    late = [exchange.lateness_ms for exchange in run.steady]
    return {
        "name": target.name,
        "placement": target.placement,
        "model": target.model,
        "requests": len(run.steady),
        "errors": sum(run.errors.values()),
        "errors_by_kind": dict(run.errors),
        "warm_up": len(run.warm),
        "held_back": {"paused": run.paused, "unpaid": run.unpaid},
        "requested_rate": run.rates.asked,
        "achieved_rate": run.rates.achieved,
        "lateness_ms": {"p50": quantile_of(late, 0.5), "p99": quantile_of(late, 0.99)},
        "latency_ms": summary([exchange.latency_ms for exchange in good]),
        "timeouts_as_latency_ms": summary([e.latency_ms for e in run.steady if e.error in (None, "timeout")]),
        "ttft_ms": summary([ttft for exchange in good if (ttft := exchange.ttft_ms) is not None]),
        "gaps_ms": summary([gap for exchange in good for gap in exchange.gaps_ms]),
        "phases_ms": {name: summary(values) for name, values in phases(run.steady).items()},
        "connections": {kind: sum(e.connection == kind for e in run.steady) for kind in ("new", "reused")},
        "sites": _counted(exchange.site for exchange in run.steady),
        "http_versions": _counted(exchange.http_version for exchange in run.steady),
        "cold_starts": _cold_document(run),
        "bytes_in": sum(exchange.bytes_in for exchange in run.steady),
        "bytes_out": sum(exchange.bytes_out for exchange in run.steady),
    }


def _cold_document(run: TargetRun) -> dict[str, Json] | None:
    """The cold starts that were provoked, apart from everything else; ``None`` where none were."""
    if not run.cold:
        return None
    good = [exchange.latency_ms for exchange in run.cold if exchange.error is None]
    return {"requests": len(run.cold), "errors": len(run.cold) - len(good), "latency_ms": summary(good)}


def phases(exchanges: Sequence[Exchange]) -> Mapping[str, list[float]]:
    """What each phase took, ms: look-up, TCP and TLS of new connections; last byte sent to first byte back; the server's own account."""
    stamps = [exchange.stamps for exchange in exchanges if exchange.error is None]
    return {
        "dns": [s.dns / 1e6 for s in stamps if s.dns is not None],
        "connect": [s.connect / 1e6 for s in stamps if s.connect is not None],
        "tls": [s.tls / 1e6 for s in stamps if s.tls is not None],
        "first_byte": [wire for e in exchanges if e.error is None and (wire := e.wire_ms) is not None],
        "server": [e.server_ms for e in exchanges if e.error is None and e.server_ms is not None],
    }


def _counted(told: Iterator[str | None]) -> dict[str, Json]:
    counts: dict[str, int] = {}
    for word in told:
        if word is not None:
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def _pairs_document(differences: Sequence[tuple[str, Difference]]) -> dict[str, Json] | None:
    """The first difference, and all of them; ``None`` where there is none."""
    if not differences:
        return None
    return {**_pair_document(*differences[0]), "every": [_pair_document(measure, told) for measure, told in differences]}


def _pair_document(measure: str, told: Difference) -> dict[str, Json]:
    """``interval`` is that of the mean."""
    difference: dict[str, Json] = {
        "mean": told.mean,
        "p50": told.p50,
        "interval": list(told.mean_interval),
        "interval_p50": list(told.p50_interval),
    }
    return {"one": told.one, "two": told.two, "measure": measure, "n": told.n, "difference_ms": difference}


def _policy_document(each: PolicyRun) -> dict[str, Json]:
    """What was expected of a policy beside what was measured; ``predicted`` is null where a part never answered."""
    steady, told = each.run.steady, each.prediction
    assert each.run.target.policy is not None
    return {
        "name": each.run.target.name,
        "kind": kind_of(each.run.target.policy),
        "parts": list(each.run.target.policy.parts),
        "predicted": None if told is None else _predicted_document(each, told),
        "measured": {
            "requests": len(steady),
            "latency_ms": summary([exchange.latency_ms for exchange in each.run.successes]),
            "failure_ratio": 1 - len(each.run.successes) / len(steady) if steady else None,
            "calls": dict(each.calls),
            "given_up": dict(each.given_up),
            "answered": dict(each.answered),
            "usd_per_1k": each.usd_1k(each.calls),
        },
    }


def _predicted_document(each: PolicyRun, told: Prediction) -> dict[str, Json]:
    latency = told.latency
    return {
        "latency_ms": None
        if latency is None
        else {**{name: latency.quantile(p) for name, p in QUANTILES.items()}, "mean": latency.mean_ms},
        "failure_ratio": told.failure_ratio,
        "calls": dict(told.calls),
        "answered": dict(told.answered),
        "usd_per_1k": each.usd_1k(told.calls),
    }


# ---- for people


def _conduct(run: ProbeRun) -> Table:
    """How the run went, target by target."""
    columns = (
        Column("target", "target"),
        Column("requests", "requests", "count"),
        Column("failed", "failed"),
        Column("asked_rate", "asked /s", "number"),
        Column("achieved_rate", "sent /s", "number"),
        Column("lateness_p99_ms", "late p99", "ms"),
        Column("dns_p50_ms", "DNS", "ms", rank=1),
        Column("connect_p50_ms", "connect", "ms", rank=1),
        Column("tls_p50_ms", "TLS", "ms", rank=1),
        Column("first_byte_p50_ms", "first byte p50", "ms", rank=1),
        Column("first_byte_p99_ms", "p99", "ms", rank=1),
        Column("server_p50_ms", "server p50", "ms", rank=1),
        Column("sites", "served at", rank=1),
    )
    caption = ("DNS, connect and TLS: p50 of new connections; first byte: from the last byte sent; the warm-up is not in it",)
    return Table(columns, tuple(_row(each) for each in run.targets), title="The run", caption=caption, name="targets")


def _row(run: TargetRun) -> Row:
    took = phases(run.steady)
    late = [exchange.lateness_ms for exchange in run.steady]
    failed = ", ".join(f"{n:,} {kind}" for kind, n in run.errors.items())
    cells: tuple[Cell, ...] = (
        text(run.target.name),
        count(len(run.steady)),
        text(failed or "0"),
        Cell(run.rates.asked, "number"),
        Cell(run.rates.achieved, "number"),
        ms(quantile_of(late, 0.99)),
        *(ms(quantile_of(took[phase], 0.5)) for phase in ("dns", "connect", "tls", "first_byte")),
        ms(quantile_of(took["first_byte"], 0.99), estimable=len(took["first_byte"]) >= NEEDED["p99"]),
        ms(quantile_of(took["server"], 0.5)),
        text(", ".join(_counted(exchange.site for exchange in run.steady)) or None),
    )
    return Row(cells, _held_back(run))


def _held_back(run: TargetRun) -> str:
    parts = [f"{run.paused:,} not sent: it asked for a pause (429)"] if run.paused else []
    parts += [f"{run.unpaid:,} not sent: --max-spend was reached"] if run.unpaid else []
    unable = [name for name, least in NEEDED.items() if len(run.successes) < least]
    parts += [f"{len(run.successes):,} answers are too few for an interval of {', '.join(unable)}"] if unable else []
    return " · ".join(parts)


def _cold(run: ProbeRun) -> tuple[Table, ...]:
    """Cold starts, a line for each target; they are in no other figure."""
    if not any(each.cold for each in run.targets):
        return ()
    columns = (
        Column("target", "target"),
        Column("requests", "requests", "count"),
        Column("failed", "failed", "count"),
        Column("p50_ms", "p50", "ms"),
        Column("max_ms", "slowest", "ms"),
        Column("adds_p50_ms", "more than steady p50", "ms"),
    )
    gap_s = (run.plan.cold_gap_ms or 0.0) / 1e3
    caption = (f"each on a new connection after {gap_s:,.0f} s of silence; in none of the other figures",)
    return (Table(columns, tuple(_cold_row(each) for each in run.targets if each.cold), title="Cold starts", caption=caption, name="cold"),)


def _cold_row(each: TargetRun) -> Row:
    good = [exchange.latency_ms for exchange in each.cold if exchange.error is None]
    told, steady = summary(good), quantile_of([exchange.latency_ms for exchange in each.successes], 0.5)
    p50 = quantile_of(good, 0.5)
    low, high = order_statistic_ranks(len(good), 0.5)
    ordered = sorted(good)
    ends = (None if low is None else ordered[low - 1], None if high is None else ordered[high - 1])
    cells = (
        text(each.target.name),
        count(len(each.cold)),
        count(len(each.cold) - len(good)),
        Cell(p50, "ms", *ends, estimable=None not in ends),
        ms(max(good, default=None)),
        ms(None if told is None or p50 is None or steady is None else p50 - steady),
    )
    return Row(cells)


def _policies(run: ProbeRun) -> tuple[Table, ...]:
    """Each policy twice: as its parts make expect, and as it ran."""
    if not run.policies:
        return ()
    columns = (
        Column("policy", "policy"),
        Column("which", ""),
        Column("p50_ms", "p50", "ms"),
        Column("p95_ms", "p95", "ms"),
        Column("p99_ms", "p99", "ms"),
        Column("failed", "failed", "ratio"),
        Column("calls", "calls paid a request"),
        Column("answered", "answered by", rank=1),
        Column("usd_1k", "USD per 1,000", "usd", rank=1),
    )
    caption = ("predicted: the algebra of policies on the parts as measured in this run; measured: the policy as it ran beside them",)
    rows = tuple(row for each in run.policies for row in (_predicted_row(each), _measured_row(each)))
    return (Table(columns, rows, title="Policies, predicted and measured", caption=caption, name="policies"),)


def _predicted_row(each: PolicyRun) -> Row:
    told, name = each.prediction, text(each.run.target.name)
    if told is None:
        return Row((name, text("predicted"), *(ms(None),) * 3, *(text(None),) * 4), "a part never answered: nothing to predict from")
    quantiles = (ms(None if told.latency is None else told.latency.quantile(p)) for p in (0.5, 0.95, 0.99))
    usd = Cell(each.usd_1k(told.calls), "usd")
    rest = (Cell(told.failure_ratio, "ratio"), text(_by_part(told.calls, "{:.3f}")), text(_by_part(told.answered, "{:.1%}")), usd)
    return Row((name, text("predicted"), *quantiles, *rest))


def _measured_row(each: PolicyRun) -> Row:
    good, steady = [exchange.latency_ms for exchange in each.run.successes], each.run.steady
    quantiles = (ms(quantile_of(good, p), estimable=len(good) >= NEEDED[name]) for name, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)))
    failed = Cell(1 - len(good) / len(steady) if steady else None, "ratio")
    rest = (failed, text(_by_part(each.calls, "{:.3f}")), text(_by_part(each.answered, "{:.1%}")), Cell(each.usd_1k(each.calls), "usd"))
    return Row((text(""), text("measured"), *quantiles, *rest))


def _by_part(told: Mapping[str, float], form: str) -> str | None:
    return ", ".join(f"{name} {form.format(value)}" for name, value in told.items()) or None


def _differences(run: ProbeRun) -> tuple[Text, ...]:
    lines = tuple(_difference_words(measure, told) for measure, told in run.differences)
    return (Text(lines, title="Pair by pair"),) if lines else ()


def _difference_words(measure: str, told: Difference) -> str:
    what = "time to first token" if measure == "ttft_ms" else "latency"
    return (
        f"{told.one} less {told.two}, {what}: mean {told.mean:+,.1f} ms{_ends(told.mean_interval)}, "
        f"p50 {told.p50:+,.1f} ms{_ends(told.p50_interval)} over {told.n:,} pairs"
    )


def _ends(interval: tuple[float | None, float | None]) -> str:
    low, high = interval
    return "" if low is None or high is None else f" ({low:+,.1f}..{high:+,.1f})"


def _verdict(run: ProbeRun) -> Text:
    added = run.added
    measured = (
        ()
        if added is None
        else (f"the probe itself adds {added.wire_p50:.2f} ms at p50 and {added.wire_p99:.2f} ms at p99 on this machine",)
    )
    if run.plan.mode == "closed":
        measured = (*measured, BLIND)
        if run.trusted:
            return Text((*measured, "trusted for what it is: no queueing can show in it"), tone="good")
    if run.trusted:
        return Text((*measured, "trusted: sent on time, at the rate that was asked for"), tone="good")
    return Text((*measured, *(f"not to be trusted: {reason}" for reason in run.reasons)), tone="bad")


def selftest_report(added: SelfTest, version: str) -> Report:
    """What the probe adds on this machine."""
    columns = (Column("what", "what"), Column("p50_ms", "p50", "ms"), Column("p99_ms", "p99", "ms"))
    enough = added.n >= NEEDED["p99"]
    rows = tuple(
        Row((text(what), ms(p50), ms(p99, estimable=enough)))
        for what, p50, p99 in (
            ("added from last byte sent to first byte back", added.wire_p50, added.wire_p99),
            ("added from intended send to last byte", added.whole_p50, added.whole_p99),
            ("late", added.lateness_p50, added.lateness_p99),
        )
    )
    measured = f"{added.n:,} requests at {added.rate:g} a second to a server on loopback that keeps its own time"
    caption = (f"{measured}; differences below this are noise",)
    document: dict[str, Json] = {**envelope("selftest", version), **added_document(added)}
    return Report("selftest", document, (Table(columns, rows, title="What the probe adds here", caption=caption, name="selftest"),))
