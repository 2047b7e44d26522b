"""Gathers what a scenario refers to: logs read, prices looked up, round trips found. The result is cases, ready to be judged.

Measured beats stated for latency, tokens and errors, and what a tool states of its own requests (an aggregate) lies between the two;
a stated volume beats the log's. Where only the baseline was measured, the candidate is its best case: the baseline's own requests
with the whole network part gone, the same compute and no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeroi.aggregate import Aggregate
from edgeroi.assembly import Among, Assembly, Rules, asked_of_columns, policies_of
from edgeroi.cost import Capacity
from edgeroi.cuts import Cut
from edgeroi.economics import Books, Stakes, net_of
from edgeroi.elsewhere import Elsewhere
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.estimate import Range, World
from edgeroi.histogram import LatencyHistogram
from edgeroi.latency import TOLD_SHARE, Latency, over_days, same_mix
from edgeroi.option import EDGE, Leg, Option, Tariff, Timing, Traffic, drivers_in, family
from edgeroi.policy import Pairs
from edgeroi.prices import Neurons, Price, PriceBook, Rate, UnknownModel, UnknownProvider, Unpriced, decimal_of
from edgeroi.servers import Rhythm, Servers, rhythm_of
from edgeroi.spec import Judged, LogRef, OptionSpec, PriceRef, ProjectPolicy, Scenario, StatedLatency, StatedPrice, WorkloadSpec
from edgeroi.stats import order_statistic_ranks
from edgeroi.verdict import Case
from edgeroi.workload import HOURS_PER_MONTH, LEAST_HOURS, Group, Profile, SeenFrom, Tally, sum_tallies

if TYPE_CHECKING:
    from edgeroi.pricebooks.round_trips import RoundTrips

ReadLog = Callable[[LogRef, tuple[str, ...], tuple[Cut, ...]], Profile]
Measure = Literal["latency", "ttft"]

#: Where a cloud option is taken to stand when neither scenario nor log says.
USUAL_REGION = "us-east"
#: A log shorter than this has not seen the days of a week differ.
WEEK_HOURS = 168.0
#: A week of five busy days read as seven, or the other way round.
WEEK_FACTOR = 7 / 5
#: Pairs are told apart for so many requests of a log, and say how two options go together from so many on.
PAIRED_MOST, PAIRS_LEAST = 1_500, 100
#: Aggregates that a message names.
_FEW_AGGREGATES = 3
#: Columns every log is grouped by, so that rows can be told to options.
GROUPED_BY = ("workload", "placement", "model", "provider", "region", "model_version")
#: Logs up to this size are read once more for their sessions; of larger ones nothing is said about sessions.
SESSION_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Sources:
    """Where the facts come from: the price book of a reference, and of a model wherever it is served; the day; round trips; logs."""

    book: Callable[[str], PriceBook]
    book_of_family: Callable[[str], PriceBook]
    trips: Callable[[], RoundTrips]
    at: date
    read: ReadLog
    policy: ProjectPolicy | None = None


@dataclass(frozen=True)
class Casefile:
    """One scenario, gathered: its cases, the logs they rest on, and workloads the log saw at the edge that nobody covers."""

    scenario: Scenario
    cases: tuple[Case, ...]
    profiles: tuple[Profile, ...]
    uncovered: tuple[tuple[str, int], ...] = ()
    source: str = ""


def gather(scenario: Scenario, sources: Sources) -> Casefile:
    """Read and look up everything the scenario refers to."""
    by, cuts = _columns(scenario)
    read: list[tuple[LogRef, Profile]] = []

    def profile(log: LogRef) -> Profile:
        found = next((known for ref, known in read if _same_rows(ref, log)), None)
        if found is None:
            found = sources.read(log, by, cuts)
            read.append((log, found))
        return found

    rules = Rules({cut.column: cut for cut in cuts})
    again: list[tuple[LogRef, Profile]] = []

    def paired(log: LogRef) -> Profile:
        """The log once more, by the ids of some of its pairs."""
        found = next((known for ref, known in again if _same_rows(ref, log)), None)
        if found is None:
            found = sources.read(log, by, tuple(_some_pairs(profile(log)) if cut.column == "pair_id" else cut for cut in cuts))
            again.append((log, found))
        return found

    seen: dict[int, Profile | None] = {}

    def by_session(log: LogRef) -> Profile | None:
        first = profile(log)
        if id(first) not in seen:
            seen[id(first)] = sources.read(log, (*by, "session_id"), ()) if _readable_again(first) else None
        return seen[id(first)]

    gathering = (_Gathering(scenario, workload, sources, profile, paired, by_session, rules) for workload in scenario.workloads.values())
    gathered = tuple(each.case() for each in gathering)
    common = profile(scenario.log) if scenario.log else None
    uncovered = _uncovered(scenario, common) if common else ()
    profiles = tuple(found for _, found in read)
    return Casefile(scenario, gathered, profiles, uncovered, _source(scenario, profiles))


def _readable_again(profile: Profile) -> bool:
    """Whether a log may be read once more for its sessions: plain files, not large ones, and no saved profile, which has forgotten them."""
    files = profile.files
    plain = all(Path(file.path).is_file() and not file.saved_from for file in files)
    return bool(files) and plain and sum(file.bytes for file in files) <= SESSION_BYTES


def _some_pairs(profile: Profile) -> Cut:
    """A cut that leaves so many pairs told apart as groups bear: one in a power of two, so that two logs leave the same ones."""
    told = sum(group.tally.requests for group in profile.groups if group.key["pair_id"] is not None)
    one_in = 1
    while told > PAIRED_MOST * one_in:
        one_in *= 2
    return Cut("pair_id", one_in=one_in)


def _is_paired(groups: Sequence[Group]) -> bool:
    """Whether most requests tell which pair they belong to."""
    told = sum(group.tally.requests for group in groups if group.key["pair_id"] is not None)
    return told > 0 and told >= TOLD_SHARE * sum(group.tally.requests for group in groups)


def _by_pair(groups: Iterable[Group], measure: Judged) -> Mapping[str, tuple[bool, float]]:
    """``(failed, ms)`` by pair, of those with one request."""
    found: dict[str, list[Tally]] = {}
    for group in groups:
        found.setdefault(str(group.key["pair_id"]).partition(" ")[2], []).append(group.tally)
    told: dict[str, tuple[bool, float]] = {}
    for pair, tallies in found.items():
        tally = sum_tallies(tallies)
        sample = tally.failure if tally.errors else tally.latency if measure == "e2e" else tally.ttft
        if pair and tally.requests == 1 and sample.mean_ms is not None:
            told[pair] = (bool(tally.errors), sample.mean_ms)
    return told


def _same_rows(one: LogRef, two: LogRef) -> bool:
    return replace(one, where={}, place=None) == replace(two, where={}, place=None)


def _columns(scenario: Scenario) -> tuple[tuple[str, ...], tuple[Cut, ...]]:
    """The columns every log is grouped by, and those it is grouped by only as far as a policy asks."""
    logs = [scenario.log, *(w.log for w in scenario.workloads.values())]
    logs += [option.log for w in scenario.workloads.values() for option in w.options.values()]
    asked = [column for log in logs if log for column in log.where]
    asked += [column for w in scenario.workloads.values() for column in w.where or ()]
    by = tuple(dict.fromkeys((*GROUPED_BY, *asked)))
    few, cuts = asked_of_columns(policies_of(scenario, scenario.workloads.values()), by)
    return (*by, *few), cuts


def _uncovered(scenario: Scenario, profile: Profile) -> tuple[tuple[str, int], ...]:
    """Workloads with rows at the edge that no ``runs_on`` at the edge covers, with their requests."""
    covered = {name for name, w in scenario.workloads.items() if w.runs_on and scenario.uses_edge(w.options[w.runs_on])}
    seen: dict[str, int] = {}
    for group in profile.groups:
        if group.key["placement"] in EDGE and group.key["workload"] not in covered:
            name = group.key["workload"] or "(no workload)"
            seen[name] = seen.get(name, 0) + group.tally.requests
    return tuple(sorted(seen.items()))


def _source(scenario: Scenario, profiles: tuple[Profile, ...]) -> str:
    """``24 Oct-21 Nov, 28 d · 12.3 M requests · unsampled · seen from gateway``."""
    if not profiles:
        return "no log: latencies as stated"
    total = sum_tallies(profile.total for profile in profiles)
    stated = sum(len(profile.aggregates) for profile in profiles)
    said = [span_words(total), f"{total.requests:,} requests"] if total.requests or not stated else []
    said += [f"{stated:,} aggregate{'s' if stated > 1 else ''}"] if stated else []
    sampling = scenario.sampling if scenario.sampling is not None else profiles[0].sampling
    said.append("unsampled" if sampling == 1 else f"sampled {100 * sampling:.3g} %" if isinstance(sampling, float) else "tail-sampled")
    vantage = scenario.seen_from or profiles[0].seen_from
    said.append(f"seen from {vantage}" if vantage else "vantage unknown")
    return " · ".join(part for part in said if part)


def logged_reference(groups: Iterable[Group]) -> str | None:
    """``provider/model`` of most of the requests off the edge; ``None`` where the log does not tell both."""
    weights: dict[str, int] = {}
    for group in groups:
        provider, model = group.key["provider"], group.key["model"]
        if provider and model and group.key["placement"] not in EDGE:
            reference = f"{provider}/{model.removeprefix(f'{provider}/')}"
            weights[reference] = weights.get(reference, 0) + group.tally.requests
    return max(weights, key=lambda ref: weights[ref], default=None)


def span_words(tally: Tally) -> str:
    """``24 Oct-21 Nov, 28 d`` in UTC; that there are no timestamps where there are none."""
    if tally.first_ns is None or tally.last_ns is None:
        return "no timestamps"
    first, last = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (tally.first_ns, tally.last_ns))
    days = (last - first).total_seconds() / 86400
    return f"{first.day} {first:%b}-{last.day} {last:%b}, {days:.0f} d" if days >= 1 else f"{first.day} {first:%b}, {days * 24:.1f} h"


@dataclass(frozen=True)
class _Gathering:
    """One workload on its way to a case."""

    scenario: Scenario
    spec: WorkloadSpec
    sources: Sources
    profile: Callable[[LogRef], Profile]
    paired: Callable[[LogRef], Profile]
    by_session: Callable[[LogRef], Profile | None]
    rules: Rules
    among: Among | None = None

    # ---- the log ----

    @property
    def log(self) -> LogRef | None:
        return self.spec.log or self.scenario.log

    @property
    def own_rows(self) -> Mapping[str, tuple[str, ...]]:
        """Which rows of the common log are this workload's."""
        return self.spec.where if self.spec.where is not None else {"workload": (self.spec.name,)}

    def groups(self, log: LogRef, where: Mapping[str, tuple[str, ...]]) -> tuple[Group, ...]:
        """The groups of a log whose columns have one of the values, among those at hand."""
        found = (group for group in self.profile(log).groups if all(group.key[column] in values for column, values in where.items()))
        return tuple(group for group in found if self.among is None or self.among(group))

    def rows(self) -> Tally | None:
        """The workload's rows of the common log; ``None`` without one. Raises where the log holds other workloads only."""
        if self.log is None:
            return None
        profile = self.profile(self.log)
        found = sum_tallies(group.tally for group in self.groups(self.log, {**self._workload_filter(profile), **self.log.where}))
        if not found.requests and self.among is None:
            known = sorted({group.key["workload"] for group in profile.groups} - {None}, key=str)
            names = [str(name) for name in known]
            raise EdgeroiError(
                f"the log holds no request of workload {self.spec.name!r}",
                place=self.scenario.place(self.spec.name),
                key=f"workloads.{self.spec.name}",
                fix=_other_rows(self.spec.name, names, profile),
            )
        return found

    def _workload_filter(self, profile: Profile) -> Mapping[str, tuple[str, ...]]:
        told = any(group.key["workload"] is not None for group in profile.groups)
        return self.own_rows if told or self.spec.where is not None else {}

    @property
    def vantage(self) -> SeenFrom | None:
        if self.scenario.seen_from or self.log is None:
            return self.scenario.seen_from
        return self.profile(self.log).seen_from

    def option_rows(self, option: OptionSpec) -> Tally | None:
        """The requests that were measured at an option; ``None`` where none were."""
        groups = self._groups_at(option)
        found = sum_tallies(group.tally for group in groups) if groups else None
        return found if found and found.requests else None

    def _groups_at(self, option: OptionSpec) -> tuple[Group, ...] | None:
        """The groups of requests that were measured at an option; ``None`` where no log could tell."""
        if option.log:
            keys = [group.key for group in self.profile(option.log).groups]
            return self.groups(option.log, self._asked_of(option.log, keys))
        if self.log is not None and option.policy is None:
            return self._common_groups(option)
        return None

    def _asked_of(self, log: LogRef, keys: Sequence[Mapping[str, str | None]]) -> Mapping[str, tuple[str, ...]]:
        """Which rows of an option's own log are meant, by the keys it holds: the workload's where it is told, and what the log asks for."""
        told = any(key["workload"] == self.spec.name for key in keys)
        return {**(self.own_rows if told or self.spec.where is not None else {}), **log.where}

    def option_aggregate(self, option: OptionSpec) -> Aggregate | None:
        """What the option's own log states of requests it does not list; raises where it states it of several runs."""
        if option.log is None or not (aggregates := self.profile(option.log).aggregates):
            return None
        wanted = self._asked_of(option.log, [one.key for one in aggregates])
        found = [one for one in aggregates if all(one.key[column] in values for column, values in wanted.items())]
        if len(found) > 1:
            several = ", ".join(one.words for one in found[:_FEW_AGGREGATES]) + (", ..." if len(found) > _FEW_AGGREGATES else "")
            said = f"{len(found)} aggregates tell of {option.name}, and aggregates do not add up: {several}"
            raise EdgeroiError(said, place=option.log.place, fix="say which one it is: where: {workload: ...}, or name one file")
        return found[0] if found else None

    def _stated_by_aggregate(self, option: OptionSpec, measure: Measure) -> Latency | None:
        """The distribution through an aggregate's quantiles; ``None`` where there is none, or it states nothing of this measure."""
        one = self.option_aggregate(option)
        known = one.measure(measure) if one else None
        if one is None or known is None or (measure == "ttft" and not known.ms):
            return None
        if known.quantile(0.5) is None:
            said = "every request failed" if one.error_ratio == 1 else "it states no p50"
            fix = "have the tool write its median (k6: summaryTrendStats), or give a log of requests"
            raise EdgeroiError(
                f"{one.file} gives {option.name} no latency: {said}", place=option.log.place if option.log else None, fix=fix
            )
        stated = ", ".join(f"p{100 * p:g}" for p in known.ms)
        notes = [f"an aggregate: {stated} as {one.file} states them, lognormal between and beyond, without an interval"]
        notes += ["it does not state how many requests failed: taken as none"] if one.error_ratio is None else []
        return Latency.from_quantiles(known.ms, one.error_ratio or 0.0, "aggregate", tuple(notes))

    def _common_groups(self, option: OptionSpec) -> tuple[Group, ...]:
        """Groups of the common log by placement; those that say none, or a model no option names, belong to the baseline."""
        assert self.log is not None
        groups = self.groups(self.log, {**self._workload_filter(self.profile(self.log)), **self.log.where})
        here = [g for g in groups if g.key["placement"] == option.placement]
        is_baseline = option.name == self.spec.baseline
        if is_baseline and option.placement not in EDGE:
            here = here or [g for g in groups if g.key["placement"] not in EDGE]
        rivals = [other for other in self.spec.options.values() if other.placement == option.placement and other.name != option.name]
        if rivals:
            named = [g for g in here if g.key["model"] and option.model and family(g.key["model"]) == family(option.model)]
            here = named or (here if is_baseline else [])
        return tuple(here)

    # ---- traffic ----

    def traffic(self) -> tuple[Traffic, str | None]:
        """Volume and tokens, and why the volume is unknown where it is."""
        rows = self.rows()
        requests, unknown = self._requests(rows)
        return replace(self._traffic_of(rows or self._any_option_rows()), requests=requests), unknown

    def _traffic_of(self, rows: Tally | None) -> Traffic:
        """The tokens of these requests, measured before stated; their volume is told elsewhere."""
        stated = self.spec.tokens
        tokens = {"input": stated.input, "output": stated.output, "cached": stated.cached, "cache_write": stated.cache_write}
        columns = {"input": "input_tokens", "output": "output_tokens", "cached": "cached_tokens", "cache_write": "cache_write_tokens"}
        told = {part: self._tokens(rows, columns[part], tokens[part]) for part in tokens}
        return Traffic(Range.point(0.0), told["input"], told["output"], told["cached"], told["cache_write"])

    def _any_option_rows(self) -> Tally | None:
        """Requests measured at an option, the baseline's first: all options are asked the same."""
        specs = sorted(self.spec.options.values(), key=lambda spec: spec.name != self.spec.baseline)
        return next((rows for spec in specs if (rows := self.option_rows(spec))), None)

    def _tokens(self, rows: Tally | None, column: str, stated: Range | None) -> Range | None:
        measured = rows.mean(column) if rows else None
        return stated if measured is None else Range.point(measured, f"{self.spec.name}.tokens.{column}", "measured")

    def _requests(self, rows: Tally | None) -> tuple[Range, str | None]:
        name = f"{self.spec.name}.requests"
        if self.spec.requests:
            return self.spec.requests, None
        if rows is None:
            logged = any(option.log for option in self.spec.options.values())
            why = "the logs of options do not tell the whole traffic" if logged else "there is no log"
            return Range.point(0.0), f"requests a month are not stated and {why}: state requests"
        if self.scenario.sampling == "tail":
            return Range.point(0.0), "a tail-sampled log does not tell the volume: state requests"
        assert self.log is not None
        profile = self.profile(self.log)
        hours = profile.span_hours
        if hours is None or hours < LEAST_HOURS:
            short = "has no timestamps" if hours is None else f"spans {hours:.1f} h, less than a day"
            return Range.point(0.0), f"too little data: the log {short}; state requests"
        sampling = self.scenario.sampling or profile.sampling
        month = rows.requests / sampling / hours * HOURS_PER_MONTH
        if hours < WEEK_HOURS:
            why = f"{hours / 24:.1f} days do not show how the days of a week differ"
            return Range(month, month / WEEK_FACTOR, month * WEEK_FACTOR, name, "triangular", "measured", why), None
        return Range.point(month, name, "measured"), None

    # ---- latency ----

    def leg(self, option: OptionSpec) -> Leg | None:
        """The user's part of the network to an option: stated, or by where the users are; ``None`` where neither is known."""
        if option.rtt:
            return Leg(((1.0, option.rtt),), option.round_trips, "assumed", "stated")
        if option.placement == "device":
            return Leg(((1.0, Range.point(0.0)),), option.round_trips, "modelled", "on the device")
        if not self.scenario.users_in:
            return None
        region = option.region or ("edge" if option.placement == "edge" else self._logged_region(option))
        rtts = tuple((share, self._round_trip(user, region or USUAL_REGION)) for user, share in self.scenario.users_in.items())
        note = "" if region else f"{option.name}: its region is not stated, taken as {USUAL_REGION}"
        return Leg(rtts, option.round_trips, "assumed" if note else "listed", note)

    def _round_trip(self, user: str, region: str) -> Range:
        try:
            return self.sources.trips().between(user, region)
        except EdgeroiError as why:
            why.place = why.place or self.scenario.place(f"users_in.{user}")
            raise

    def _logged_region(self, option: OptionSpec) -> str | None:
        """Where the log says most of the baseline's requests were served."""
        if self.log is None or option.name != self.spec.baseline:
            return None
        told: dict[str, int] = {}
        for group in self.profile(self.log).groups:
            region = group.key["region"]
            if region and group.key["placement"] not in EDGE:
                told[region] = told.get(region, 0) + group.tally.requests
        return max(told, key=lambda region: told[region], default=None)

    def timing(self, option: OptionSpec, measure: Measure) -> Timing | None:
        """What is known of one measure of an option, measured before stated."""
        rows = self.option_rows(option)
        if rows is not None and self.scenario.sampling != "tail" and (sample := _sample(rows, measure)).n:
            measured = as_many_as_days(Latency.of(sample, rows.error_ratio or 0.0), rows, measure)
            network = rows.network.quantile(0.5) if rows.network.n >= TOLD_SHARE * rows.latency.n else None
            failing = Latency.of(rows.failure, 0.0) if rows.failure.n else None
            return Timing(measured, leg=self._outer_leg(option), basis="measured", network_ms=network, failing=failing)
        if (stated := self._stated_by_aggregate(option, measure)) is not None:
            return Timing(stated, leg=self._outer_leg(option), basis="aggregate")
        return self._stated(option, measure)

    def _joint(self, spec: OptionSpec, e2e: Timing | None, ttft: Timing | None) -> tuple[tuple[float, Timing, Timing], ...]:
        """How e2e and TTFT go together at an option, band by band of TTFT; nothing where the log was not asked or mostly does not tell."""
        if not (e2e and ttft and e2e.sample and ttft.sample and "ttft_ms" in self.rules.cuts):
            return ()
        bands: dict[str, list[Tally]] = {}
        for group in self.measured_at(spec):
            if group.key["ttft_ms"] is not None and group.tally.latency.n and group.tally.ttft.n:
                bands.setdefault(str(group.key["ttft_ms"]), []).append(group.tally)
        tallies = [sum_tallies(found) for _, found in sorted(bands.items(), key=lambda band: int(band[0]))]
        told = sum(tally.latency.n for tally in tallies)
        if told < TOLD_SHARE * (e2e.sample.n or 0):
            return ()
        return tuple(
            (
                tally.latency.n / told,
                replace(e2e, sample=Latency.of(tally.latency, 0.0)),
                replace(ttft, sample=Latency.of(tally.ttft, 0.0)),
            )
            for tally in tallies
        )

    def _outer_leg(self, option: OptionSpec) -> Leg | None:
        """The leg a gateway's or a server's log does not contain."""
        return self.leg(option) if self.vantage_of(option) in ("gateway", "server") else None

    def vantage_of(self, option: OptionSpec) -> SeenFrom | None:
        """Where an option's requests were measured: the scenario's word, else its own log's, else the common log's."""
        if self.scenario.seen_from or option.log is None:
            return self.vantage
        return self.profile(option.log).seen_from

    def _unseen(self, option: OptionSpec, rows: Tally) -> str | None:
        """Why the users' part of the network may be missing from an option's requests, where it may."""
        vantage = self.vantage_of(option)
        if vantage == "client" or (vantage is None and rows.served.n >= TOLD_SHARE * rows.latency.n):
            return None
        if vantage is None:
            return "vantage unknown: say where the log measured (seen_from)"
        return None if self.leg(option) else f"a {vantage}'s log does not hold the users' way: say where they are (users_in)"

    def _stated(self, option: OptionSpec, measure: Measure) -> Timing | None:
        whole, service = (option.latency, option.service) if measure == "latency" else (option.ttft, option.service_ttft)
        stated: StatedLatency | None = whole or service
        if stated is None:
            return None
        origin = option.origin_calls or (self.spec.origin_calls if option.placement in EDGE else None)
        return Timing(None, stated, option.errors, None if whole else self.leg(option), option.cold_start, origin, "assumed")

    def best_case(self, option: OptionSpec, baseline: OptionSpec, measure: Measure) -> Timing | str:
        """The baseline with its whole network part gone, or why that is not known."""
        leg = Leg(((1.0, option.rtt),), option.round_trips) if option.rtt else None
        rows = self.option_rows(baseline)
        if rows is not None and (sample := _sample(rows, measure)).n:
            failing = rows.error_ratio or 0.0
            served = rows.served if measure == "latency" else rows.ttft_served
            if served.n >= TOLD_SHARE * sample.n:
                return self._best(Latency.of(served, failing, "best_case"), leg)
            whole: Latency | None = Latency.of(sample, failing)
        else:
            whole = self._stated_by_aggregate(baseline, measure)
        if whole is None:
            stated = self._stated(baseline, measure)
            if stated is None or (stated.leg is None and option.placement in EDGE):
                return f"nobody measured or stated the latency of {option.name}, nor the network part of {baseline.name}"
            return replace(stated, leg=leg, cold=None, origin=self.spec.origin_calls, basis="best_case")
        known, vantage = self.leg(baseline), self.vantage_of(baseline)
        if vantage in ("gateway", "server") and known:
            return self._best(whole.on("best_case"), leg)
        if vantage == "client" and known:
            return self._best(whole.shifted(-known.mean_ms({})).on("best_case"), leg)
        if vantage is None:
            also = "" if known else ", and where the users are (users_in)"
            return f"vantage unknown: say where the log measured (seen_from){also}"
        return f"the log does not tell the network part: say where the users are (users_in), or the rtt of {baseline.name}"

    def _best(self, sample: Latency, leg: Leg | None) -> Timing:
        return Timing(sample, leg=leg, origin=self.spec.origin_calls, basis="best_case")

    # ---- options ----

    def option(self, spec: OptionSpec) -> Option:
        """One option, resolved."""
        tariff, unpriced, notes = self._tariff(spec)
        common = Option(
            spec.name,
            _placement_of(spec),
            spec.model_name,
            spec.region,
            tariff,
            unpriced,
            migration=spec.migration,
            assume=spec.assume,
            quality=self._quality(spec),
            origin_calls=spec.origin_calls or (self.spec.origin_calls if spec.placement in EDGE else None),
            place=spec.place or self.spec.place,
            notes=notes,
        )
        return self._timed(common, spec)

    def _quality(self, spec: OptionSpec) -> Range | None:
        rows = self.option_rows(spec)
        measured = rows.mean("quality") if rows else None
        return spec.quality if measured is None else Range.point(measured, f"options.{spec.name}.quality", "measured")

    def _timed(self, option: Option, spec: OptionSpec) -> Option:
        rows = self.option_rows(spec)
        measured = rows is not None and rows.latency.n > 0 and self.scenario.sampling != "tail"
        e2e, ttft = self.timing(spec, "latency"), self.timing(spec, "ttft")
        if e2e or ttft:
            beside = measured and spec.log is not None and bool(self.profile(spec.log).aggregates)
            notes = ("its log holds an aggregate too, which is not added to the requests",) if beside else ()
            return replace(option, e2e=e2e, ttft=ttft, measured=measured, joint=self._joint(spec, e2e, ttft), notes=(*option.notes, *notes))
        if spec.name == self.spec.baseline or spec.placement not in EDGE:
            return replace(option, unknown_latency=f"nobody measured or stated the latency of {spec.name}")
        baseline = self.spec.options[self.spec.baseline]
        found, first = self.best_case(spec, baseline, "latency"), self.best_case(spec, baseline, "ttft")
        e2e, ttft = (best if isinstance(best, Timing) else None for best in (found, first))
        unknown = found if isinstance(found, str) else None
        return replace(option, e2e=e2e, ttft=ttft, best_case=bool(e2e or ttft), unknown_latency=unknown)

    # ---- dedicated servers ----

    def _queued(self, option: Option, spec: OptionSpec, traffic: Traffic) -> Option:
        """An option with servers of its own, busy as this workload's rhythm makes them, and the wait for one where none is stated."""
        if spec.capacity is None:
            return option
        rhythm = self._rhythm()
        tariff = option.tariff
        if isinstance(tariff, Tariff) and tariff.capacity and spec.capacity.servers is None:
            tariff = replace(tariff, capacity=replace(tariff.capacity, peak=decimal_of(rhythm.peak)))
        servers = _servers(spec, traffic, rhythm, None if option.measured else spec.service)
        option = replace(option, tariff=tariff, servers=servers)
        if servers is None:
            return option
        if overload := servers.overload({}):
            return _overloaded(option, overload, servers.rho({}) or 0.0)
        if overload := servers.overload(_worst(servers)):
            unsure = f"at the high end of its load {option.name} {overload}"
            return replace(option, e2e=None, ttft=None, unknown_latency=unsure)
        return option if option.measured or option.best_case else _waiting(option, spec, servers)

    def _rhythm(self) -> Rhythm:
        """How the workload's requests are spread over the hours, from the log of its whole traffic."""
        rows = self.rows()
        if rows is None or self.log is None:
            return Rhythm()
        if self.scenario.sampling == "tail":
            return Rhythm(why="a tail-sampled log does not tell the hours: the volume is an average")
        return rhythm_of(rows.hours, self.scenario.sampling or self.profile(self.log).sampling)

    # ---- prices ----

    def _tariff(self, spec: OptionSpec) -> tuple[Tariff | None, str | None, tuple[str, ...]]:
        """What the option charges, or why nobody knows, and what should be said about the price."""
        try:
            price, ranged = self._price(spec)
        except Unpriced as why:
            return None, f"{why.message}: {why.fix}" if why.fix else why.message, ()
        if price is None:
            return None, f"{spec.name} states no price: write price: PROVIDER/MODEL, or its rates", ()
        tariff = tariff_of(spec, price, ranged, spec.discount or self._policy_discount(spec))
        return tariff, None, price.notes

    def _policy_discount(self, spec: OptionSpec) -> Range | None:
        return self.sources.policy.discounts.get(_account(spec)) if self.sources.policy else None

    def _price(self, spec: OptionSpec) -> tuple[Price | None, Mapping[str, Range]]:
        return price_for(spec, self.sources.book, self.sources.at, lambda: self._logged_price(spec))

    def _logged_price(self, spec: OptionSpec) -> Price | None:
        """The price of a baseline that states none: its provider and model as logged, looked up; else the cost the log itself tells."""
        if spec.name != self.spec.baseline or self.log is None or spec.capacity or spec.fixed:
            return None
        profile = self.profile(self.log)
        own = self._workload_filter(profile)
        groups = tuple(g for g in profile.groups if all(g.key[column] in values for column, values in own.items()))
        reference = logged_reference(groups)
        try:
            if reference:
                return self.sources.book(reference).find(reference, self.sources.at).noting(f"{reference} is what the log names")
        except (UnknownModel, UnknownProvider, Unpriced) as why:
            unknown = why.message
        else:
            unknown = "the log names no provider and model"
        rows = self.option_rows(spec)
        cost = rows.mean("cost_usd") if rows else None
        if not cost:
            raise Unpriced(f"{unknown}, and the log tells no cost", place=spec.place, fix="say what runs now: now: PROVIDER/MODEL")
        rate = Rate(decimal_of(cost), "request", "the log's own cost, mean of a request", basis="measured")
        return Price("logged", reference or spec.name, request=rate, basis="measured").noting(f"{unknown}: the log's own cost is used")

    # ---- policies ----

    @cached_property
    def plain(self) -> Mapping[str, OptionSpec]:
        """The options that serve requests themselves: the workload's own, and those its policies are made of."""
        own = {name: spec for name, spec in self.spec.options.items() if spec.policy is None}
        reached = {part.name: part for spec in self.spec.options.values() for part in self.scenario.parts(spec)}
        return {**reached, **own}

    def served(self, leaves: Mapping[str, Option]) -> Mapping[str, Option]:
        """The workload's options in their order, policies put together from the leaves."""
        return Assembly(self, leaves, self.rules).served(self.spec.options, self.spec.baseline)

    def named(self, name: str) -> OptionSpec:
        """An option of the workload or the scenario."""
        return self.spec.options.get(name) or self.scenario.options[name]

    def narrowed(self, among: Among) -> _Gathering:
        """The same workload, of its requests only those."""
        within = self.among
        return replace(self, among=among if within is None else lambda group: within(group) and among(group))

    def measured_at(self, spec: OptionSpec) -> tuple[Group, ...]:
        """The groups of requests that were measured at an option."""
        return self._groups_at(spec) or ()

    def asked(self) -> tuple[Group, ...]:
        """The groups of all requests of the workload, those measured at the first option that has a log where there is no common one."""
        if self.log is not None:
            return self.groups(self.log, {**self._workload_filter(self.profile(self.log)), **self.log.where})
        specs = sorted(self.plain.values(), key=lambda spec: spec.name != self.spec.baseline)
        return next((found for spec in specs if (found := self.measured_at(spec))), ())

    def pairs(self, first: OptionSpec, then: OptionSpec, measure: Judged) -> Pairs | None:
        """How two options went together on requests that both were asked; ``None`` where the log does not pair them, or too few."""
        if "pair_id" not in self.rules.cuts or not all(_is_paired(self.measured_at(spec)) for spec in (first, then)):
            return None
        inner = replace(self, profile=self.paired)
        sides = [_by_pair(inner.measured_at(spec), measure) for spec in (first, then)]
        both = sorted(sides[0].keys() & sides[1].keys())
        if len(both) < PAIRS_LEAST:
            return None
        failed, ms = (tuple(np.array([side[pair][part] for pair in both]) for side in sides) for part in (0, 1))
        return Pairs.of((failed[0], ms[0]), (failed[1], ms[1]))

    def tokens(self, served_by: OptionSpec | None = None) -> Traffic:
        """The tokens of the requests at hand, of those one option served where one is named."""
        groups = self.asked() if served_by is None else self.measured_at(served_by)
        return self._traffic_of(sum_tallies(group.tally for group in groups))

    # ---- the case ----

    def case(self) -> Case:
        """The workload, ready to be judged."""
        traffic, unknown = self.traffic()
        plain: Mapping[str, Option] = {name: self.option(spec) for name, spec in self.plain.items()}
        leaves = plain if unknown else {name: self._queued(option, self.plain[name], traffic) for name, option in plain.items()}
        options = self.served(leaves)
        baseline = options[self.spec.baseline]
        judge = self._judge(options)
        stakes = self._stakes(traffic, judge, options)
        name = self._candidate(options, baseline, stakes, unknown)
        compared, doubts = self._comparable(leaves, options[name], judge)
        options = options if compared is leaves else self.served(compared)
        books = Books(stakes, options[baseline.name], options[name])
        return Case(
            self.scenario.name,
            self.spec.name,
            options,
            baseline.name,
            name,
            books,
            self.spec.runs_on,
            self.spec.needs,
            doubts,
            unknown,
            self._cheapest_same_model(books, unknown),
            self.scenario.file,
            self.scenario.place(self.spec.name),
            self._notes([option for option in options.values() if not option.policy or option.name == name]),
            gain=self._elsewhere(books).gain(options, unknown),
        )

    def _judge(self, options: Mapping[str, Option]) -> Judged:
        """TTFT for streamed answers that people read, where it is known; e2e otherwise."""
        if self.spec.judge:
            return self.spec.judge
        if self.spec.users in ("machines", "nobody") or options[self.spec.baseline].ttft is None:
            return "e2e"
        rows = self.option_rows(self.spec.options[self.spec.baseline])
        if rows is not None and rows.streamed.n:
            return "ttft" if rows.streamed.total * 2 > rows.streamed.n else "e2e"
        return "ttft"

    def _stakes(self, traffic: Traffic, judge: Judged, options: Mapping[str, Option]) -> Stakes:
        fastest = [timing.at({}).quantile(0.5) for option in options.values() if (timing := option.timing(judge))]
        return Stakes(
            traffic,
            judge,
            self.spec.value,
            None if self.spec.users in ("machines", "nobody") else self.spec.felt,
            self.spec.felt,
            self.spec.part_of,
            self.spec.quality_value,
            min(fastest, default=None),
            self.scenario.horizon_months,
            self.scenario.discount_rate,
        )

    def _candidate(self, options: Mapping[str, Option], baseline: Option, stakes: Stakes, unknown: str | None) -> str:
        """What the change proposes; where it proposes nothing, the best edge, or the best other option."""
        if self.spec.runs_on and self.spec.runs_on != baseline.name:
            return self.spec.runs_on
        others = [name for name in options if name != baseline.name]
        if not others:
            said = f"workload {self.spec.name!r} has nothing to compare {baseline.name!r} with"
            raise EdgeroiError(said, place=self.spec.place, fix="name a second option")
        edges = [name for name in others if options[name].at_edge] or others

        def net(name: str) -> float:
            found = None if unknown else net_of(Books(stakes, baseline, options[name]))
            return float("-inf") if found is None else found

        return max(edges, key=net)

    def _comparable(self, leaves: Mapping[str, Option], candidate: Option, judge: Judged) -> tuple[Mapping[str, Option], tuple[str, ...]]:
        """Measured samples brought to one mix, and why they should still not be held against each other.

        Of a policy each part's sample is held against the baseline's; two that both need another mix are too much.
        """
        doubts: list[str] = []
        moved = leaves
        for name in dict.fromkeys(option.name for option in candidate.parts or (candidate,)):
            found, why = self._comparable_pair(leaves, name, judge)
            doubts += why
            if found is not leaves and moved is not leaves:
                doubts.append("the samples of several parts differ in mix from the baseline's")
            moved = found if found is not leaves else moved
        return moved, tuple(dict.fromkeys(doubts))

    def _comparable_pair(self, leaves: Mapping[str, Option], candidate: str, judge: Judged) -> tuple[Mapping[str, Option], tuple[str, ...]]:
        baseline = self.spec.baseline
        if baseline not in leaves or candidate == baseline:
            return leaves, ()
        before, after = (self.option_rows(self.plain[name]) for name in (baseline, candidate))
        if before is None or after is None or not (leaves[baseline].measured and leaves[candidate].measured):
            return leaves, ()
        sides = ((self.plain[baseline], before), (self.plain[candidate], after))
        doubts = list(dict.fromkeys(why for option, rows in sides if (why := _too_few(option, rows) or self._unseen(option, rows))))
        measure: Measure = "ttft" if judge == "ttft" else "latency"
        doubts += [why] if (why := self._below_error(baseline, candidate, (_sample(before, measure), _sample(after, measure)))) else []
        one, two, mix = same_mix(before, after, measure)
        if not mix.comparable:
            return leaves, (*doubts, mix.notes[-1])
        if mix.reweighted:
            resampled = {baseline: _resampled(leaves[baseline], judge, one), candidate: _resampled(leaves[candidate], judge, two)}
            leaves = {**leaves, **resampled}
        said = mix.notes if mix.reweighted else ()
        if said:
            leaves = {**leaves, candidate: replace(leaves[candidate], notes=(*leaves[candidate].notes, *said))}
        return leaves, tuple(doubts)

    def _below_error(self, baseline: str, candidate: str, samples: tuple[LatencyHistogram, LatencyHistogram]) -> str | None:
        """That two probed samples differ by less than the probe adds to each, where they do, at the median and in the mean."""
        logs = [self.plain[name].log or self.log for name in (baseline, candidate)]
        added = [self.profile(log).added_ms if log else None for log in logs]
        error = max((ms for ms in added if ms is not None), default=0.0)
        p50, mean = ([histogram.quantile(0.5) for histogram in samples], [histogram.mean_ms for histogram in samples])
        if None in added or None in p50 or None in mean:
            return None
        apart = max(abs((before or 0.0) - (after or 0.0)) for before, after in (p50, mean))
        if apart >= error:
            return None
        said = f"{baseline} and {candidate} differ by {apart:.2g} ms, and the probe itself adds {error:.2g} ms"
        return f"{said}: measure on a quieter machine (edgeroi selftest)"

    def _cheapest_same_model(self, books: Books, unknown: str | None) -> tuple[str, float] | None:
        """The cheapest row of the book that serves the candidate's model off the edge, and what it costs less.

        Where the baseline serves that model itself, only a row that costs less than the baseline is worth naming.
        """
        candidate, baseline = books.candidate, books.baseline
        if not candidate.at_edge or candidate.model is None or candidate.tariff is None or unknown:
            return None
        if baseline.tariff is None:
            return None
        try:
            cost, before = books.candidate_cost.usd_month, books.baseline_cost.usd_month
        except Unpriced:
            return None  # what the traffic does not tell is the verdict's to say
        is_same = baseline.model is not None and family(baseline.model) == family(candidate.model)
        least = max(0.0, float(cost - before)) if is_same else 0.0
        cheapest = self._elsewhere(books).cheapest_row(candidate.model, lambda row: row.placement not in EDGE)
        if cheapest is None or float(cost) - cheapest.usd_month <= least + 0.005:
            return None
        return cheapest.reference, float(cost) - cheapest.usd_month

    def _elsewhere(self, books: Books) -> Elsewhere:
        """What else there is: the book's other rows, the users' regions, the log's signs."""
        return Elsewhere(self, books, self.sources.book_of_family, self.sources.trips, self.sources.at)

    def filters(self, profile: Profile) -> Mapping[str, tuple[str, ...]]:
        """Which rows of the common log are this workload's and were asked for."""
        return {**self._workload_filter(profile), **(self.log.where if self.log else {})}

    def _notes(self, options: Sequence[Option]) -> tuple[str, ...]:
        legs = (leg.note for spec in self.plain.values() if (leg := self.leg(spec)))
        everyone = {part.name: part for option in options for part in (option, *option.parts)}
        own = (f"{name}: {note}" for name, option in everyone.items() for note in (*option.notes, *_notes_on_latency(option)))
        return tuple(dict.fromkeys(note for note in (*legs, *own) if note and note not in ("stated", "on the device")))


def _placement_of(spec: OptionSpec) -> str:
    assert spec.placement is not None, "a policy is put together from its parts"
    return spec.placement


def _other_rows(workload: str, names: list[str], profile: Profile) -> str:
    """What to say of a workload that a log does not hold, where it holds others, rows without a name, or aggregates alone."""
    if not profile.total.requests and profile.aggregates:
        return "it holds aggregates, which tell neither volume nor tokens: name it as the log of an option"
    return did_you_mean(workload, names) if names else "say which rows are its own: where: {model: ...}"


def _too_few(option: OptionSpec, rows: Tally) -> str | None:
    """Why a sample is too small to have a median, where it is."""
    n = rows.latency.n
    few = None in order_statistic_ranks(n, 0.5)
    return f"too little data: {n} successful request{'s' if n != 1 else ''} at {option.name}" if few else None


def _notes_on_latency(option: Option) -> tuple[str, ...]:
    timings = (timing for timing in (option.e2e, option.ttft) if isinstance(timing, Timing))
    return tuple(note for timing in timings if timing.sample for note in timing.sample.notes)


def as_many_as_days(latency: Latency, rows: Tally, measure: Measure) -> Latency:
    """The sample, worth as many requests as its days tell apart: where days differ by more than chance, intervals are the wider ones."""
    spread = over_days(rows, 0.5, measure)
    if spread is None or not spread.differ or latency.n is None or spread.n_effective >= latency.n:
        return latency
    said = f"days differ by more than chance: {latency.n:,} requests tell as much as {spread.n_effective:,}"
    return replace(latency, n=spread.n_effective, notes=(*latency.notes, said))


def _sample(rows: Tally, measure: Measure) -> LatencyHistogram:
    return rows.latency if measure == "latency" else rows.ttft


def _resampled(option: Option, judge: Judged, latency: Latency) -> Option:
    timing = option.timing(judge)
    assert isinstance(timing, Timing)
    mixed = replace(timing, sample=latency)
    option = replace(option, joint=())  # the bands hold the mix as it was
    return replace(option, ttft=mixed) if judge == "ttft" else replace(option, e2e=mixed)


def _capacity(spec: OptionSpec) -> Capacity | None:
    if spec.capacity is None:
        return None
    stated = spec.capacity
    return Capacity(stated.servers, decimal_of(stated.throughput.likely) if stated.throughput else None, stated.sites, stated.counts)


def _servers(spec: OptionSpec, traffic: Traffic, rhythm: Rhythm, service: StatedLatency | None) -> Servers | None:
    """The stated servers under this traffic; ``None`` where their number is left to the load: then they are as many as it takes."""
    stated = spec.capacity
    if stated is None or stated.servers is None:
        return None
    counted = (traffic.output_tokens,) if stated.counts == "output" else (traffic.input_tokens, traffic.output_tokens)
    tokens = tuple(part for part in counted if part is not None)
    return Servers(stated.sites, max(1, stated.servers // stated.sites), traffic.requests, rhythm, service, stated.throughput, tokens)


def _worst(servers: Servers) -> World:
    """The world in which the load on the servers is highest."""
    slow = {servers.throughput.name: servers.throughput.low} if servers.throughput else {}
    driving = drivers_in(servers.requests, servers.service, servers.tokens)
    return {**{driver.name: driver.high for driver in driving}, **slow}


def _overloaded(option: Option, overload: str, average: float) -> Option:
    """An option whose servers cannot carry the load: it has a price, and no latency."""
    said = f"{option.name} {overload}"
    tariff = option.tariff
    if isinstance(tariff, Tariff) and tariff.capacity and average > 1:  # its invoice would refuse: what they cost is known all the same
        tariff = replace(tariff, capacity=replace(tariff.capacity, tokens_per_s=None))
    return replace(option, tariff=tariff, e2e=None, ttft=None, overload=said, unknown_latency=said)


def _waiting(option: Option, spec: OptionSpec, servers: Servers) -> Option:
    """The option with the wait for a server added to what is stated as service alone; a stated whole latency holds its wait."""
    queued = servers if servers.holds_ms({}) else None
    e2e = replace(option.e2e, servers=queued) if isinstance(option.e2e, Timing) and spec.service and queued else option.e2e
    ttft = replace(option.ttft, servers=queued) if isinstance(option.ttft, Timing) and spec.service_ttft and queued else option.ttft
    if e2e is option.e2e and ttft is option.ttft:
        return option
    said = "the wait for a server is modelled (M/M/c at each site, hour by hour): a screening bound"
    return replace(option, e2e=e2e, ttft=ttft, notes=(*option.notes, said))


#: Field of a stated price -> field and unit of ``Price``.
_STATED_RATES: Mapping[str, tuple[str, str]] = {
    "input": ("input", "Mtok"),
    "cached": ("cached", "Mtok"),
    "cache_write": ("cache_write", "Mtok"),
    "output": ("output", "Mtok"),
    "request": ("request", "request"),
    "gpu": ("server_hour", "server-hour"),
}


def price_for(
    spec: OptionSpec, book: Callable[[str], PriceBook], at: date, logged: Callable[[], Price | None] = lambda: None
) -> tuple[Price | None, Mapping[str, Range]]:
    """The price of an option, and its rates that are stated with a range: looked up, or as stated, or else what ``logged`` says."""
    if isinstance(spec.price, PriceRef):
        price: Price | None = book(spec.price.ref).find(spec.price.ref, at, spec.price.context, place=spec.price.place)
        ranged: dict[str, Range] = {}
    elif spec.price:
        price, ranged = _stated_price(spec.name, spec.price)
    else:
        price, ranged = logged(), {}
    if spec.capacity and spec.capacity.gpu:
        price, ranged = _with(price, spec.name, "server_hour", "server-hour", spec.capacity.gpu, ranged)
    if spec.egress and spec.egress.price:
        price, ranged = _with(price, spec.name, "egress_gb", "GB", spec.egress.price, ranged)
    if price is None and spec.fixed:
        free = Rate(decimal_of(0), "request", "stated: fixed fees only", basis="assumed")
        price = Price("stated", spec.name, request=free, basis="assumed")
    return price, ranged


def tariff_of(spec: OptionSpec, price: Price, ranged: Mapping[str, Range], discount: Range | None) -> Tariff:
    """What an option charges: its price, and what is paid besides."""
    return Tariff(
        price,
        ranged,
        _capacity(spec),
        tuple((fee.item, fee.usd_month, _account(spec) if fee.per_account else None) for fee in spec.fixed),
        spec.operations.hours if spec.operations else None,
        spec.operations.rate if spec.operations else None,
        discount,
        spec.egress.volume if spec.egress else None,
        spec.egress.per_request if spec.egress else None,
        spec.cpu,
    )


def _account(spec: OptionSpec) -> str:
    return spec.price.provider if isinstance(spec.price, PriceRef) else spec.name


def _stated_price(option: str, stated: StatedPrice) -> tuple[Price | None, dict[str, Range]]:
    price: Price | None = None
    ranged: dict[str, Range] = {}
    for key, (name, unit) in _STATED_RATES.items():
        number = getattr(stated, key)
        if number is not None:
            price, ranged = _with(price, option, name, unit, number, ranged)
    if stated.neurons and stated.neurons_input:
        rate = Rate(decimal_of(stated.neurons.likely), "1k neurons", basis="assumed")
        out = decimal_of(stated.neurons_output.likely) if stated.neurons_output else None
        neurons = Neurons(decimal_of(stated.neurons_input.likely), out, rate, basis="assumed")
        price = replace(price or Price("stated", option, basis="assumed"), neurons=neurons)
    return price, ranged


def _with(
    price: Price | None, option: str, name: str, unit: str, number: Range, ranged: Mapping[str, Range]
) -> tuple[Price, dict[str, Range]]:
    """The price with one more stated rate; a rate with a range is remembered as a driver."""
    own: dict[str, Rate] = {name: Rate(decimal_of(number.likely), unit, basis="assumed")}
    stated = replace(price or Price("stated", option, basis="assumed"), **own)  # type: ignore[arg-type]
    return stated, {**ranged, **({} if number.is_point else {name: number})}
