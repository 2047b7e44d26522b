"""What a reviewer would stumble over in a scenario that is well formed: figures of the wrong size, names nobody uses, old prices.

Pure rules over a ``Scenario``, a price book and a day. An ``error`` is something no command could answer; a ``warning`` may be meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Literal

from edgeroi.errors import EdgeroiError, Place
from edgeroi.estimate import Range
from edgeroi.geography import distance_km, floor_ms
from edgeroi.prices import NEURON_TOLERANCE, Concern, Price, PriceBook, concerns, magnitude
from edgeroi.spec import Fallback, Hedge, OptionSpec, PriceRef, Scenario, Split, StatedLatency, StatedPrice, WorkloadSpec
from edgeroi.yamltree import Scalar

Level = Literal["error", "warning"]
HOUR_MS = 3_600_000.0
TOKEN_RATES = ("input", "cached", "cache_write", "output")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: which rule, how grave, where, and what to do about it."""

    rule: str
    level: Level
    message: str
    place: Place | None = None
    fix: str | None = None

    def __str__(self) -> str:
        """``FILE:LINE:COLUMN: LEVEL [RULE] MESSAGE; FIX``, as editors and CI pick it up."""
        said = f"{self.message}; {self.fix}" if self.fix else self.message
        return f"{self.place}: {self.level} [{self.rule}] {said}" if self.place else f"{self.level} [{self.rule}] {said}"


def lint_scenario(
    scenario: Scenario,
    today: date,
    book: PriceBook | None = None,
    region_named: Callable[[str], str | None] = str,
) -> tuple[Finding, ...]:
    """Every finding of every rule, in the order of their lines.

    ``today`` dates prices where the scenario does not, and waivers. Without a ``book`` references are not looked up.
    ``region_named`` gives a region's name in ``geography.REGIONS``, or ``None``.
    """
    options = tuple(_all_options(scenario))
    found: list[Finding] = []
    for option in options:
        found += [*_magnitudes(scenario, option), *_neurons(scenario, option), *_latencies(scenario, option)]
        found += [*_physics(scenario, option, region_named), *_vectors(scenario, option)]
        found += _priced(scenario, option, book, today) if book else ()
    for workload in scenario.workloads.values():
        found += [*_reasons(scenario, workload), *_volume(scenario, workload), *_origin(scenario, workload), *_path(scenario, workload)]
    found += [*_unused(scenario), *_waivers(scenario, today)]
    return tuple(sorted(dict.fromkeys(found), key=_order))


def _order(finding: Finding) -> tuple[int, int, str]:
    place = finding.place
    return (place.line or 0, place.column or 0, finding.rule) if place else (0, 0, finding.rule)


def _all_options(scenario: Scenario) -> Iterator[OptionSpec]:
    """The scenario's options and those that are local to a workload."""
    yield from scenario.options.values()
    for workload in scenario.workloads.values():
        yield from (option for option in workload.options.values() if scenario.options.get(option.name) is not option)


def _at(scenario: Scenario, given: Range, option: OptionSpec) -> Place | None:
    return scenario.place(given.name) if given.name else option.place


# --- figures of the wrong size --------------------------------------------------------------------------------------------


def _magnitudes(scenario: Scenario, option: OptionSpec) -> Iterator[Finding]:
    for name in TOKEN_RATES if isinstance(option.price, StatedPrice) else ():
        rate: Range | None = getattr(option.price, name)
        if rate is None:
            continue
        said = next((odd for usd in (rate.likely, rate.low, rate.high) if (odd := magnitude(Decimal(repr(usd))))), None)
        if said:
            yield Finding("magnitude", "warning", f"{name}: {said}", _at(scenario, rate, option), "state it per million tokens, in USD")


def _neurons(scenario: Scenario, option: OptionSpec) -> Iterator[Finding]:
    """A stated list price and a stated neuron price have to agree within rounding, or one of them is wrong."""
    price = option.price
    if not isinstance(price, StatedPrice) or price.neurons is None:
        return
    for listed, per_mtok in ((price.input, price.neurons_input), (price.output, price.neurons_output)):
        if listed is None or per_mtok is None or not listed.likely:
            continue
        billed = per_mtok.likely / 1000 * price.neurons.likely
        if abs(billed / listed.likely - 1) > float(NEURON_TOLERANCE) and abs(billed - listed.likely) > 0.0005:
            said = f"{per_mtok.likely:g} neurons are {billed:.6f} USD/Mtok, and {listed.likely:g} is stated"
            yield Finding("neuron-rate", "warning", said, _at(scenario, listed, option), "state one of the two")


def _latencies(scenario: Scenario, option: OptionSpec) -> Iterator[Finding]:
    for given in _durations(option):
        if given.high > HOUR_MS:
            said = f"{given.high / HOUR_MS:.3g} h is long for a latency"
            yield Finding("slow", "warning", said, _at(scenario, given, option), "check its unit: ms, s, min or h")
    for stated in (option.service, option.service_ttft, option.latency, option.ttft):
        if stated and len(stated.quantiles) == 1:
            said = "p50 alone says nothing of the tail: every request is taken to take that long"
            yield Finding("one-quantile", "warning", said, _at(scenario, stated.quantiles[0][1], option), "state p99 too")


def _durations(option: OptionSpec) -> Iterator[Range]:
    stated: Iterable[StatedLatency | None] = (option.service, option.service_ttft, option.latency, option.ttft)
    for each in stated:
        if each:
            yield from (each.constant,) if each.constant else (value for _, value in each.quantiles)
    others = (option.rtt, option.cold_start and option.cold_start.adds, option.origin_calls and option.origin_calls.rtt)
    yield from (each for each in others if each)


def _physics(scenario: Scenario, option: OptionSpec, region_named: Callable[[str], str | None]) -> Iterator[Finding]:
    km, where = _distance(scenario, option, region_named)
    claimed = option.rtt or (option.latency.quantile(0.5) if option.latency else None)
    if km is None or claimed is None or claimed.likely >= floor_ms(km):
        return
    said = f"{claimed.likely:g} ms is faster than light in glass: {km:,.0f} km {where} take {floor_ms(km):.3g} ms there and back"
    yield Finding("physics", "warning", said, _at(scenario, claimed, option), "measure it, or correct the distance or region")


def _distance(scenario: Scenario, option: OptionSpec, region_named: Callable[[str], str | None]) -> tuple[float | None, str]:
    """Km to the users and how they are known: stated, or the mean over ``users_in`` where every region is known."""
    if option.distance:
        return option.distance.low, "as stated"
    site = region_named(option.region) if option.region else None
    if site is None or not scenario.users_in:
        return None, ""
    legs = [(share, distance_km(here, site) if (here := region_named(users)) else None) for users, share in scenario.users_in.items()]
    if any(km is None for _, km in legs):
        return None, ""
    return sum(share * km for share, km in legs if km is not None), f"on average from the users to {option.region}"


# --- names ----------------------------------------------------------------------------------------------------------------


def _unused(scenario: Scenario) -> Iterator[Finding]:
    used: set[str] = set()
    for workload in scenario.workloads.values():
        for option in workload.options.values():
            used |= _reached(scenario, option)
    for name, option in scenario.options.items():
        if name not in used:
            place = scenario.place(f"options.{name}")
            yield Finding("unused-option", "warning", f"no workload uses option {option.name!r}", place, "add it to a workload's `options`")


def _reached(scenario: Scenario, option: OptionSpec) -> set[str]:
    parts = option.policy.parts if option.policy else ()
    return {option.name}.union(*(_reached(scenario, scenario.options[part]) for part in parts))


_EMBEDDING = re.compile(r"embed|\bbge\b|\be5\b|\bgte\b|minilm|mpnet|sentence|\bvoyage-\d|jina-embeddings|snowflake-arctic|nomic")
_PRECISION = re.compile(r"[-_.](?:fp\d+|bf16|int[48]|q[48](?:_\w+)?|awq|gptq|onnx|fast|turbo)\b")


def embedding_model(name: str) -> str | None:
    """The embedding model behind a provider's name for it, whatever its precision; ``None`` for other models."""
    bare = name.rsplit("/", 1)[-1].casefold()
    return _PRECISION.sub("", bare) if _EMBEDDING.search(bare) else None


def _vectors(scenario: Scenario, option: OptionSpec) -> Iterator[Finding]:
    """Vectors of different models are not comparable: an index filled by one cannot be searched by another."""
    if not isinstance(option.policy, Split | Fallback | Hedge):
        return
    models = {part.name: model for part in scenario.parts(option) if part.model_name and (model := embedding_model(part.model_name))}
    for (one, first), (other, second) in combinations(models.items(), 2):
        if first != second:
            said = f"{one} embeds with {first} and {other} with {second}: their vectors cannot be compared"
            yield Finding("mixed-embeddings", "warning", said, scenario.place(f"options.{option.name}"), "use one model in both")
            return


# --- prices ---------------------------------------------------------------------------------------------------------------


def _priced(scenario: Scenario, option: OptionSpec, book: PriceBook, today: date) -> Iterator[Finding]:
    if not isinstance(option.price, PriceRef):
        return
    at = scenario.prices_as_of or today
    try:
        price = book.find(option.price.ref, at, option.price.context, place=option.price.place)
    except EdgeroiError as error:
        yield Finding("price", "error", error.message, error.place or option.price.place, error.fix)
        return
    yield from (_concerning(concern, option.price.place) for concern in concerns(price, at))


def lint_prices(rows: Iterable[tuple[Price, Place]], today: date) -> tuple[Finding, ...]:
    """What is odd about the rows of a price file, each at its line."""
    return tuple(finding for row, place in rows for finding in _row(row, place, today))


def _row(row: Price, place: Place, today: date) -> Iterator[Finding]:
    yield from (_concerning(concern, place) for concern in concerns(row, today))
    if row.as_of is None and not any(rate.as_of for _, rate in row.rates):
        yield Finding("undated-price", "warning", f"{row.reference}: nobody knows when it was read", place, "add as_of: YYYY-MM-DD")
    if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
        said = f"{row.reference}: it ends on {row.valid_to}, before it begins on {row.valid_from}"
        yield Finding("never-valid", "warning", said, place, "swap valid_from and valid_to")
    if row.cached and row.input and row.cached.unit == row.input.unit and row.cached.usd > row.input.usd:
        said = f"{row.reference} cached: {row.cached.usd} USD/{row.cached.unit} is more than the {row.input.usd} of input that is not"
        yield Finding("magnitude", "warning", said, place, "swap them, or look them up again")


def unused_source(key: Scalar) -> Finding:
    """A source that no offer refers to."""
    said = f"no offer is from {key.text!r}"
    return Finding("unused-source", "warning", said, key.place, "refer to it with `from`, or delete it")


def _concerning(concern: Concern, place: Place | None) -> Finding:
    return Finding(concern.rule, "warning", concern.message, place)


# --- what is missing ------------------------------------------------------------------------------------------------------


def _reasons(scenario: Scenario, workload: WorkloadSpec) -> Iterator[Finding]:
    value, needs = workload.value, workload.needs
    if value is not None and value.name != "none" and not (value.why and value.by):
        missing = " and ".join(f"`{key}`" for key in ("why", "by") if not getattr(value, key))
        said = f"the value of latency lacks {missing}: a number nobody answers for"
        yield Finding("reason", "warning", said, scenario.place(f"{workload.name}.value"), "say why it holds and who says so")
    if needs.deadline and not needs.reason.given:
        said = "a deadline without `why` and `by` is a wish: it fails the gate as a requirement would"
        yield Finding(
            "reason", "warning", said, scenario.place(f"{workload.name}.needs.deadline"), "say why it must hold and who requires it"
        )


def _volume(scenario: Scenario, workload: WorkloadSpec) -> Iterator[Finding]:
    logs = (scenario.log, workload.log, *(option.log for option in workload.options.values()))
    if workload.requests is None and not any(logs):
        said = "nothing says how many requests there are"
        yield Finding("no-volume", "warning", said, scenario.place(workload.name), "state `requests: 10M /month`, or a `log`")
    tokens = workload.tokens
    if tokens.input is None and tokens.output is None and not any(logs) and any(_charges_tokens(o) for o in workload.options.values()):
        said = "nothing says how many tokens a request has, and tokens are what is paid for"
        yield Finding("no-tokens", "warning", said, scenario.place(workload.name), "state `tokens: {input: 100 tok, output: 0 tok}`")


def _charges_tokens(option: OptionSpec) -> bool:
    if isinstance(option.price, StatedPrice):
        return any(getattr(option.price, name) for name in TOKEN_RATES)
    return isinstance(option.price, PriceRef)


def _origin(scenario: Scenario, workload: WorkloadSpec) -> Iterator[Finding]:
    """Calls back to a central store cancel what the edge saves, so that they are asked for and never taken as none."""
    served = {part.name: part for option in workload.options.values() for part in scenario.parts(option)}
    edges = [option for option in served.values() if option.placement == "edge"]
    if edges and workload.origin_calls is None and any(option.origin_calls is None for option in edges):
        said = "does the edge call a central store on the way? One call costs what the edge saves"
        fix = "state `origin_calls: {count: 0}`, or the count and its `rtt`"
        yield Finding("origin-calls", "warning", said, scenario.place(workload.name), fix)


def _path(scenario: Scenario, workload: WorkloadSpec) -> Iterator[Finding]:
    """A path that a person waits for holds its stage: one that is shorter was mistaken for something else, or is in another unit."""
    path = workload.part_of
    if path is None:
        return
    longest = max(((ms, option.name) for option in workload.options.values() if (ms := _usual_ms(option)) is not None), default=None)
    if longest is not None and path.likely < longest[0]:
        said = f"the path takes {path.likely:,.0f} ms, and its stage on {longest[1]} alone {longest[0]:,.0f} ms"
        place = scenario.place(f"{workload.name}.part_of")
        yield Finding("part-of", "warning", said, place, "state the whole path, this stage included")


def _usual_ms(option: OptionSpec) -> float | None:
    """What an option takes by what is stated of it: its median, else its service and its round trips; ``None`` where that is not stated."""
    whole, service = (stated.quantile(0.5) if stated else None for stated in (option.latency, option.service))
    if whole is not None:
        return whole.likely
    if service is None:
        return None
    return service.likely + (option.rtt.likely * option.round_trips.likely if option.rtt else 0.0)


def _waivers(scenario: Scenario, today: date) -> Iterator[Finding]:
    for waiver in scenario.check.waivers:
        if not waiver.holds(today):
            said = f"the waiver of {waiver.rule} expired on {waiver.expires}"
            yield Finding("waiver-expired", "warning", said, waiver.place, "delete it, or argue for it anew")


def references(scenarios: Iterable[Scenario]) -> tuple[str, ...]:
    """Every price reference of these scenarios, each once."""
    prices = (option.price for scenario in scenarios for option in _all_options(scenario))
    return tuple(dict.fromkeys(price.ref for price in prices if isinstance(price, PriceRef) and price.ref))


def as_finding(error: EdgeroiError) -> Finding:
    """A mistake the reader found, as a finding."""
    key = f"{error.key}: " if error.key and f"{error.key}" not in error.message else ""
    return Finding("syntax", "error", f"{key}{error.message}", error.place, error.fix)


def rules() -> Mapping[str, str]:
    """Every rule with one line about it."""
    return {
        "syntax": "the file cannot be read",
        "price": "a price reference finds no price",
        "magnitude": "a token price is of an unlikely size",
        "neuron-rate": "a list price and the neuron price disagree",
        "stale-price": "a price was read more than 180 days before",
        "undated-price": "nobody knows when a price was read",
        "low-confidence": "a price rests on a weak source",
        "slow": "a latency is above an hour",
        "one-quantile": "a latency is stated by its median alone",
        "physics": "a round trip is faster than light",
        "unused-option": "no workload uses an option",
        "part-of": "a path is shorter than the stage that is part of it",
        "unused-source": "no offer of a price file refers to a source",
        "never-valid": "a price ends before it begins",
        "unit": "a field's name says another unit than it is read in",
        "placement": "a mapping names a placement that is none",
        "never-decides": "a rule of a mapping stands behind one that fits wherever it would",
        "mixed-embeddings": "a fallback, split or hedge mixes embedding models",
        "reason": "a value or deadline lacks why and by",
        "no-volume": "nothing says how many requests there are",
        "no-tokens": "nothing says how many tokens a request has",
        "origin-calls": "calls back to a central store are not stated",
        "waiver-expired": "a waiver has expired",
    }
