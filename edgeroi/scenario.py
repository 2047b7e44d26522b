"""Scenarios and the project's policy, read from YAML into the values of ``edgeroi.spec``.

Strict: an unknown key, a number without its unit, a name nobody defined, a policy that leads back to itself are errors with file,
line and column, the key and what to write; all mistakes of a file are told at once. Overrides (``--set PATH=VALUE``) change the
tree before it is read, so they are held to the same rules. Logs named here have to exist; nothing else is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.estimate import Range
from edgeroi.felt import Felt
from edgeroi.request import COLUMNS
from edgeroi.section import (
    Findings,
    Section,
    choice_of,
    scalar_of,
    table_of,
    text_of,
    values_of,
)
from edgeroi.spec import (
    PLACEMENTS,
    RULES,
    Capacity,
    Cascade,
    CheckSpec,
    ColdStart,
    Condition,
    Egress,
    Fallback,
    FixedFee,
    GateLimits,
    Hedge,
    LogRef,
    Materiality,
    NamedRate,
    Needs,
    Operations,
    OptionSpec,
    OriginCalls,
    Placement,
    Policy,
    PriceRef,
    ProjectPolicy,
    Reason,
    Route,
    RouteRule,
    Scenario,
    Split,
    StatedLatency,
    StatedPrice,
    Tokens,
    Waiver,
    WorkloadSpec,
)
from edgeroi.units import (
    COUNT,
    DISCOUNT,
    DISTANCE,
    EGRESS_PRICE,
    HOURLY,
    LABOUR,
    LATENCY,
    MONEY,
    MONTHLY,
    MONTHS,
    NEURON_PRICE,
    NEURON_RATE,
    PER_REQUEST,
    REQUEST_RATE,
    SHARE,
    SIZE,
    THROUGHPUT,
    TOKEN_PRICE,
    TOKENS,
    VOLUME,
    read_range,
)
from edgeroi.valuespec import read_value
from edgeroi.yamltree import Listing, Node, Scalar, Table, parse_tree, read_tree

VERSION = "1"
POLICY_NAME = "edgeroi.yaml"
POLICIES = ("split", "route", "fallback", "hedge", "cascade")

T = TypeVar("T")
Overrides = Sequence[str] | Sequence[tuple[str, str]]


def load_scenario(path: Path | str, overrides: Overrides = (), policy: ProjectPolicy | None = None) -> Scenario:
    """One scenario file. ``overrides``: ``PATH=VALUE`` texts or pairs; ``policy``: whose named rates it may use.

    Raises ``EdgeroiError`` with file, line and column; several mistakes come as one ``ManyErrors``.
    """
    return scenario_of(read_tree(path), Path(path), overrides, policy)


def load_scenarios(paths: Iterable[Path | str], overrides: Overrides = (), policy: ProjectPolicy | None = None) -> tuple[Scenario, ...]:
    """Scenario files, and all ``.yaml`` and ``.yml`` files of a folder and below, each once; ``policy`` as found beside each if not given.

    In a folder, files that hold no ``workloads`` are passed over (mappings, price files, the policy itself).
    """
    found: dict[Path, Scenario] = {}
    for path in map(Path, paths):
        for file in scenario_files(path):
            if file.resolve() not in found:
                found[file.resolve()] = load_scenario(file, overrides, policy or load_policy_beside(file))
    return tuple(found.values())


def scenario_files(path: Path) -> tuple[Path, ...]:
    """The file itself; of a folder, the scenarios in it, in the order of their names. None in it is an error."""
    if not path.is_dir():
        return (path,)
    inside = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
    found = tuple(file for file in inside if _is_scenario(file))
    if not found:
        raise EdgeroiError("no scenario in this folder", place=Place(str(path)), fix="a scenario is a .yaml file with `workloads`")
    return found


def _is_scenario(file: Path) -> bool:
    """Whether a file of a folder is a scenario, by its keys; one that cannot be read is, so that its error is told."""
    if file.name == POLICY_NAME:
        return False
    try:
        tree = read_tree(file)
    except EdgeroiError:
        return True
    return isinstance(tree, Table) and "workloads" in tree.keys


def scenario_of(tree: Node, path: Path, overrides: Overrides = (), policy: ProjectPolicy | None = None) -> Scenario:
    """The scenario a tree states."""
    file, given = str(path), tuple(_override(each) for each in overrides)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a scenario: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    for target, value in given:
        tree = _overridden(tree, target, value)
    findings = Findings(rates=policy.rates if policy else {})
    scenario = _scenario(Section(tree, "", findings), path, findings)
    findings.raise_any()
    return replace(scenario, file=file, places=dict(_places(tree, "")), overrides=given)


def _scenario(top: Section, path: Path, findings: Findings) -> Scenario:
    _version(top)
    folder = path.parent
    name = top.text("name") or path.name.partition(".")[0]
    log = _log(top, folder)
    options = {key: option for key, inner in top.sections("options") if (option := _option(inner, key, folder))}
    _references(options, top)
    workloads = {key: _workload(inner, key, options, log, folder) for key, inner in top.sections("workloads", needed=True)}
    if top.has("workloads") and not workloads and not findings.errors:
        top.refuse("workloads", "no workload", "name one below `workloads`")
    scenario = Scenario(
        name=name,
        file=str(path),
        workloads={key: workload for key, workload in workloads.items() if workload},
        options=options,
        log=log,
        prices_as_of=top.day("prices_as_of"),
        horizon_months=_or(top.number("horizon", MONTHS), 12.0),
        seen_from=top.choice("seen_from", ("client", "gateway", "server")),
        sampling=top.read("sampling", _sampling),
        users_in=top.read("users_in", lambda node: _users_in(Section(table_of(node), "users_in", findings))) or {},
        check=_check(top, tuple(workloads)),
    )
    top.close()
    return scenario


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _version(top: Section) -> None:
    node = top.node("edgeroi", needed=True, fix=f"begin with `edgeroi: {VERSION}`, the version of this grammar")
    if isinstance(node, Scalar) and node.text != VERSION:
        top.refuse("edgeroi", f"version {node.text!r} is not read here", f"write `edgeroi: {VERSION}`, or use a newer edgeroi")


def _sampling(node: Node) -> float | Literal["tail"]:
    text = scalar_of(node).text
    if text == "tail":
        return "tail"
    share = read_range(text, SHARE)
    if not share.is_point or not share.likely > 0:
        raise EdgeroiError("sampling is the share of requests the log keeps", place=node.place, fix="write it like `10%`, or `tail`")
    return share.likely


def _users_in(section: Section) -> Mapping[str, float]:
    shares = {region: section.share(region) for region in section.table.keys}
    total = sum(share for share in shares.values() if share is not None)
    if None not in shares.values() and abs(total - 1) > 0.001:
        raise EdgeroiError(f"the shares add up to {total:.4g}, not to 1", fix="make them add up to 100%")
    return {region: share for region, share in shares.items() if share is not None}


# --- logs -----------------------------------------------------------------------------------------------------------------


def _log(section: Section, folder: Path) -> LogRef | None:
    return section.read("log", lambda node: _log_ref(node, section, folder))


def _log_ref(node: Node, section: Section, folder: Path) -> LogRef | None:
    if not isinstance(node, Table):
        return LogRef(_files(node, folder), place=node.place)
    inner = Section(node, section.at("log"), section.findings)
    files = inner.read("file", lambda named: _files(named, folder), needed=True, fix="write the log's path, relative to this file")
    mapping = inner.text("mapping")
    ref = LogRef(
        files or (),
        where=_where(inner) or {},
        columns=_columns(inner, "map"),
        constants=_columns(inner, "const"),
        not_error=inner.read("not_error", values_of) or (),
        mapping=str(folder / mapping) if mapping else None,
        place=node.place,
    )
    inner.close()
    return ref


def _files(node: Node, folder: Path) -> tuple[str, ...]:
    items = node.items if isinstance(node, Listing) else (node,)
    if not items:
        raise EdgeroiError("the list is empty", place=node.place)
    return tuple(_file(item, folder) for item in items)


def _file(node: Node, folder: Path) -> str:
    text = text_of(node)
    path = folder / text
    globbed = any(sign in text for sign in "*?[")
    if not path.exists() and not (globbed and any(folder.glob(text) if not Path(text).is_absolute() else (True,))):
        siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, siblings) if siblings and not globbed else ""
        fix = near if near.startswith("did you mean") else "paths are relative to the scenario's folder"
        raise EdgeroiError(f"no {'file matches' if globbed else 'such file:'} {text}", place=node.place, fix=fix)
    return str(path)


def _where(section: Section) -> Mapping[str, tuple[str, ...]] | None:
    inner = section.section("where")
    if inner is None:
        return None
    return {column: found for column in _known_columns(inner) if (found := inner.read(column, values_of))}


def _columns(section: Section, key: str) -> Mapping[str, str]:
    inner = section.section(key)
    if inner is None:
        return {}
    return {column: found for column in _known_columns(inner) if (found := inner.read(column, lambda node: scalar_of(node).text))}


def _known_columns(section: Section) -> tuple[str, ...]:
    for column in section.table.keys:
        if column not in COLUMNS:
            section.refuse(column, f"{column!r} is no column of a log", did_you_mean(column, COLUMNS))
    return tuple(column for column in section.table.keys if column in COLUMNS)


# --- options --------------------------------------------------------------------------------------------------------------


def _option(section: Section, name: str, folder: Path) -> OptionSpec | None:
    if kinds := [kind for kind in POLICIES if section.has(kind)]:
        return _policy_option(section, name, kinds)
    placement = section.choice("placement", PLACEMENTS, needed=True)
    price, discount = _price_and_discount(section)
    section.exclusive("service", "latency")
    section.exclusive("service_ttft", "ttft")
    option = OptionSpec(
        name,
        placement,
        price=price,
        model=section.text("model"),
        region=section.text("region"),
        rtt=section.range("rtt", LATENCY),
        round_trips=_or(section.range("round_trips", COUNT), Range.point(1.0, f"{section.path}.round_trips")),
        service=_stated_latency(section, "service"),
        service_ttft=_stated_latency(section, "service_ttft"),
        latency=_stated_latency(section, "latency"),
        ttft=_stated_latency(section, "ttft"),
        log=_log(section, folder),
        cold_start=_cold_start(section),
        fixed=_fixed(section),
        operations=_operations(section),
        quality=section.range("quality", SHARE),
        errors=section.range("errors", SHARE),
        capacity=_capacity(section),
        migration=section.range("migration", MONEY),
        egress=_egress(section),
        discount=discount,
        origin_calls=_origin_calls(section),
        distance=section.range("distance", DISTANCE),
        cpu=section.range("cpu", LATENCY),
        assume=_assume(section),
        place=section.table.place,
    )
    section.taken.extend(POLICIES)
    section.close({"sla": "state `errors`", "cost": "state `price`, `fixed` or `operations`", "p50": "put quantiles under `service`"})
    return option if placement else None


def _price_and_discount(section: Section) -> tuple[PriceRef | StatedPrice | None, Range | None]:
    price = section.read("price", lambda node: price_of(node, section.at("price"), section.findings))
    context = _context(section)
    if context and isinstance(price, PriceRef):
        price = replace(price, context={**price.context, **context})
    elif context and price is not None:
        section.refuse(next(iter(key for key in ("batch", "service_tier") if section.has(key))), "a price stated here has no context")
    return price, section.range("discount", DISCOUNT)


def price_of(node: Node, path: str, findings: Findings) -> PriceRef | StatedPrice:
    """A reference into the book, with its context, or a price stated here."""
    if not isinstance(node, Table):
        return PriceRef(_reference(node), place=node.place)
    section = Section(node, path, findings)
    if section.has("ref"):
        ref = section.read("ref", _reference)
        price = PriceRef(ref or "", _context(section), node.place)
        section.close({"discount": "put `discount` beside `price`"})
        return price
    stated = StatedPrice(
        input=section.range("input", TOKEN_PRICE),
        cached=section.range("cached", TOKEN_PRICE),
        cache_write=section.range("cache_write", TOKEN_PRICE),
        output=section.range("output", TOKEN_PRICE),
        request=section.range("request", PER_REQUEST),
        gpu=section.range("gpu", HOURLY),
        neurons=section.range("neurons", NEURON_PRICE),
        neurons_input=section.range("neurons_input", NEURON_RATE),
        neurons_output=section.range("neurons_output", NEURON_RATE),
        place=node.place,
    )
    section.taken.append("ref")
    section.close({"discount": "put `discount` beside `price`"})
    if not node.entries:
        raise EdgeroiError("no price", place=node.place, fix="state one, as in `{input: 0.02 USD/Mtok}`, or write provider/model")
    return stated


def _reference(node: Node) -> str:
    text = text_of(scalar_of(node))
    provider, slash, model = text.partition("/")
    if not (provider and slash and model) or " " in provider:
        money = re.match(r"[\d.$]", text)
        fix = "name what it buys: `{input: 0.02 USD/Mtok}`" if money else "write provider/model, as in `cloudflare/@cf/baai/bge-m3`"
        raise EdgeroiError(f"{text!r} is not a price reference", place=node.place, fix=fix)
    return text


def _context(section: Section) -> Mapping[str, str]:
    batch = {"processing": "batch"} if section.flag("batch") else {}
    tier = section.text("service_tier")
    return {**batch, **({"service_tier": tier} if tier else {})}


def _stated_latency(section: Section, key: str) -> StatedLatency | None:
    return section.read(key, lambda node: _latency_of(node, section, key))


def _latency_of(node: Node, section: Section, key: str) -> StatedLatency:
    if isinstance(node, Scalar):
        return StatedLatency(section.range_of(node, key, LATENCY))
    quantiles = quantiles_of(Section(table_of(node), section.at(key), section.findings))
    if 0.5 not in dict(quantiles):
        raise EdgeroiError("p50 is missing", place=node.place, fix=f"write `{key}: {{p50: 20 ms, p99: 60 ms}}`")
    for (p, value), (higher, more) in pairwise(quantiles):
        if more.likely < value.likely:
            said = f"p{higher * 100:g} is {more.likely:g} ms, below p{p * 100:g} with {value.likely:g} ms"
            raise EdgeroiError(said, place=_key_place(node, f"p{higher * 100:g}"), fix="a higher quantile is not smaller")
    return StatedLatency(quantiles=quantiles)


def _key_place(node: Node, key: str) -> Place:
    found = node.key(key) if isinstance(node, Table) else None
    return found.place if found else node.place


def quantiles_of(section: Section) -> tuple[tuple[float, Range], ...]:
    """``{p50: 20 ms, p99.9: 60 ms}`` as rising ``(p, range)``; other keys are errors."""
    found: list[tuple[float, Range]] = []
    for name in section.table.keys:
        number = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?)", name)
        if number is None or not 0 < float(number[1]) < 100:
            section.refuse(name, f"{name!r} is no quantile", "write p50, p90, p95, p99 or p99.9")
        elif value := section.range(name, LATENCY):
            found.append((round(float(number[1]) / 100, 10), value))
    return tuple(sorted(found, key=lambda each: each[0]))


def _cold_start(section: Section) -> ColdStart | None:
    inner = section.section("cold_start")
    if inner is None:
        return None
    share, adds = inner.range("share", SHARE, needed=True), inner.range("adds", LATENCY, needed=True)
    inner.close()
    return ColdStart(share, adds) if share and adds else None


def _origin_calls(section: Section) -> OriginCalls | None:
    inner = section.section("origin_calls")
    if inner is None:
        return None
    count, rtt = inner.range("count", COUNT, needed=True), inner.range("rtt", LATENCY)
    if count and rtt is None and count.high > 0 and not inner.has("rtt"):
        inner.refuse("count", "`rtt` is missing: how far the origin is from the serving site", "write `rtt: 40 ms`")
    inner.close()
    return OriginCalls(count, rtt or Range.point(0.0, f"{section.path}.origin_calls.rtt")) if count else None


def _fixed(section: Section) -> tuple[FixedFee, ...]:
    return section.read("fixed", lambda node: tuple(_fees(node, section))) or ()


def _fees(node: Node, section: Section) -> list[FixedFee]:
    if isinstance(node, Table):
        inner = Section(node, section.at("fixed"), section.findings)
        fees = ((name, inner.read(name, lambda each, name=name: _fee(each, inner, name, name))) for name in node.keys)  # type: ignore[misc]
        return [fee for _, fee in fees if fee]
    if isinstance(node, Listing):
        return [_fee(item, section, f"fixed.{n}", f"fixed fee {n}") for n, item in enumerate(node.items, 1)]
    return [_fee(node, section, "fixed", "fixed fee")]


def _fee(node: Node, section: Section, key: str, item: str) -> FixedFee:
    scalar = scalar_of(node, MONTHLY.fix)
    text = re.sub(r"(?:\s+per\s+|/)account\s*$", "", scalar.text)
    return FixedFee(section.range_of(replace(scalar, text=text), key, MONTHLY), text != scalar.text, item)


def _operations(section: Section) -> Operations | None:
    inner = section.section("operations")
    if inner is None:
        return None
    hours, rate = inner.range("hours", LABOUR, needed=True), inner.range("rate", HOURLY)
    inner.close()
    return Operations(hours, rate) if hours else None


def _capacity(section: Section) -> Capacity | None:
    inner = section.section("capacity")
    if inner is None:
        return None
    servers, per_site, sites = inner.whole("servers"), inner.whole("per_site"), inner.whole("sites")
    if servers and per_site and sites and servers != per_site * sites:
        inner.refuse("sites", f"{sites} sites with {per_site} servers each are {sites * per_site}, not {servers}", "state two of the three")
    if servers and per_site and servers % per_site:
        inner.refuse("per_site", f"{servers} servers cannot stand {per_site} at each site")
    capacity = Capacity(
        servers or (per_site * sites if per_site and sites else None),
        per_site,
        sites or (servers // per_site if servers and per_site else 1),
        inner.range("throughput", THROUGHPUT),
        _or(inner.choice("counts", ("total", "output")), "total"),
        inner.range("gpu", HOURLY),
    )
    inner.close()
    return capacity


def _egress(section: Section) -> Egress | None:
    inner = section.section("egress")
    if inner is None:
        return None
    inner.exclusive("volume", "per_request")
    if not inner.has("volume", "per_request"):
        section.refuse("egress", "how much goes out is missing", "write `volume: 50 GB/month` or `per_request: 20 kB`")
    found = Egress(inner.range("price", EGRESS_PRICE), inner.range("volume", VOLUME), inner.range("per_request", SIZE))
    inner.close()
    return found


def _reason(section: Section) -> Reason:
    return Reason(section.text("why"), section.text("by"))


def _assume(section: Section) -> Reason | None:
    inner = section.section("assume")
    if inner is None:
        return None
    reason = Reason(inner.text("why", needed=True, fix="say why"), inner.text("by", needed=True, fix="say who answers for it"))
    inner.close()
    return reason


# --- policies -------------------------------------------------------------------------------------------------------------


def _policy_option(section: Section, name: str, kinds: list[str]) -> OptionSpec | None:
    for extra in kinds[1:]:
        section.refuse(extra, "an option has one policy", f"give `{extra}` a name of its own")
    readers: Mapping[str, Callable[[Section], Policy | None]] = {
        "split": _split,
        "route": _route,
        "fallback": _fallback,
        "hedge": _hedge,
        "cascade": _cascade,
    }
    inner = section.section(kinds[0])
    policy = readers[kinds[0]](inner) if inner else None
    assume = _assume(section)
    section.taken.extend(kinds)
    section.close({"placement": "a policy runs where its parts run", "price": "a policy costs what its parts cost"})
    return OptionSpec(name, None, policy=policy, assume=assume, place=section.table.place) if policy else None


def _split(section: Section) -> Split | None:
    shares = {name: section.range(name, SHARE) for name in section.table.keys}
    total = sum(share.likely for share in shares.values() if share)
    if None not in shares.values() and abs(total - 1) > 0.001:
        raise_at = next(iter(shares), "")
        section.refuse(raise_at, f"the shares add up to {total:.4g}, not to 1", "make them add up to 100%")
    return Split(tuple((name, share) for name, share in shares.items() if share)) if shares else None


def _first_then(section: Section) -> tuple[str, str] | None:
    first = section.text("first", needed=True, fix="name the option that is asked first")
    then = section.text("then", needed=True, fix="name the option that is asked next")
    return (first, then) if first and then else None


def _fallback(section: Section) -> Fallback | None:
    pair, after, together = _first_then(section), section.range("after", LATENCY), section.range("correlation", SHARE)
    section.close()
    return Fallback(*pair, after, together) if pair else None


def _hedge(section: Section) -> Hedge | None:
    pair, after = _first_then(section), section.range("after", LATENCY, needed=True)
    together = section.range("correlation", SHARE)
    section.close()
    return Hedge(*pair, after, together) if pair and after else None


def _cascade(section: Section) -> Cascade | None:
    pair, escalated = _first_then(section), section.range("escalated", SHARE, needed=True)
    judge, together = section.range("judge", PER_REQUEST), section.range("correlation", SHARE)
    section.close()
    return Cascade(*pair, escalated, judge, together) if pair and escalated else None


def _route(section: Section) -> Route | None:
    otherwise = section.text("otherwise", needed=True, fix="name the option for the rest")
    rules = section.read("rules", lambda node: tuple(_rule(item, section) for item in _items(node)), needed=True)
    section.close()
    known = tuple(rule for rule in rules or () if rule)
    return Route(known, otherwise) if otherwise and known else None


def _items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Listing) or not node.items:
        raise EdgeroiError("a list is wanted", place=node.place, fix="write `- {when: {region: eu-west}, to: edge}` lines")
    return node.items


def _rule(node: Node, section: Section) -> RouteRule | None:
    rule = Section(table_of(node), section.at("rules"), section.findings)
    to, when = rule.text("to", needed=True), rule.section("when", needed=True)
    conditions = tuple(_condition(when, column) for column in _known_columns(when)) if when else ()
    rule.close()
    return RouteRule(tuple(each for each in conditions if each), to) if to else None


def _condition(section: Section, column: str) -> Condition | None:
    values = section.read(column, values_of)
    if values is None:
        return None
    if found := re.fullmatch(r"(<=|>=|<|>)\s*(\d+(?:\.\d+)?)", values[0]) if len(values) == 1 else None:
        return Condition(column, found[1], (found[2],))  # type: ignore[arg-type]
    return Condition(column, "in", values)


def _references(options: Mapping[str, OptionSpec], top: Section) -> None:
    """Refuse policies over options nobody defined, and policies that lead back to themselves."""
    stated = top.table.get("options")
    names = stated.keys if isinstance(stated, Table) else ()
    for name, option in options.items():
        for part in option.policy.parts if option.policy else ():
            if part not in names:
                _refuse_at(top, option, f"options.{name}", f"no option {part!r}", did_you_mean(part, names))
        if loop := _loop(name, options, ()):
            _refuse_at(top, option, f"options.{name}", f"the policy leads back to itself: {' -> '.join(loop)}", "break the circle")


def _refuse_at(top: Section, option: OptionSpec, key: str, message: str, fix: str) -> None:
    top.findings.errors.append(EdgeroiError(message, place=option.place, key=key, fix=fix))


def _loop(name: str, options: Mapping[str, OptionSpec], seen: tuple[str, ...]) -> tuple[str, ...]:
    if name in seen:
        return (*seen, name) if seen[0] == name else ()
    policy = options[name].policy if name in options else None
    loops = (_loop(part, options, (*seen, name)) for part in (policy.parts if policy else ()))
    return next((loop for loop in loops if loop), ())


# --- workloads ------------------------------------------------------------------------------------------------------------


def _workload(section: Section, name: str, options: Mapping[str, OptionSpec], log: LogRef | None, folder: Path) -> WorkloadSpec | None:
    own_log = _log(section, folder)
    own = {key: option for key in ("now", "edge") if (option := _inline(section, key, folder))}
    if "edge" in own and "now" not in own and not section.has("now"):
        _demand_log(section, own_log or log)
        own = {"now": OptionSpec("now", "cloud", place=section.place("edge")), **own}
    served = {**own, **_chosen(section, options, own)}
    quality_value = section.range("quality_value", PER_REQUEST)
    value, value_quality = read_value(section)
    if quality_value and value_quality:
        section.refuse("quality_value", "`quality_value` stands here and under `value`", "keep one")
    baseline = _baseline(section, served)
    workload = WorkloadSpec(
        name,
        served,
        baseline or "",
        runs_on=_one_of(section, "runs_on", served),
        requests=section.range("requests", REQUEST_RATE),
        tokens=_tokens(section),
        judge=section.choice("judge", ("ttft", "e2e")),
        part_of=section.range("part_of", LATENCY),
        users=section.choice("users", ("people", "machines", "nobody")),
        value=value,
        quality_value=quality_value or value_quality,
        needs=_needs(section),
        origin_calls=_origin_calls(section),
        felt=_felt(section),
        where=_where(section),
        log=own_log,
        place=section.table.place,
    )
    section.close({"option": "write `options: [cloud, edge]`", "tokens_in": "write `tokens: {input: 100 tok}`"})
    return workload if baseline else None


def _inline(section: Section, name: str, folder: Path) -> OptionSpec | None:
    """The small form: ``now`` and ``edge`` are price references, or whole options of this workload alone."""
    placement: Placement = "edge" if name == "edge" else "cloud"
    node = section.node(name)
    if node is None:
        return None
    with section.findings.noting(node.place, section.at(name)):
        if isinstance(node, Scalar):
            return OptionSpec(name, placement, PriceRef(_reference(node), place=node.place), place=node.place)
        inner = Section(table_of(node), section.at(name), section.findings)
        key = Scalar("placement", True, node.place)
        inner.table = inner.table if inner.has("placement", *POLICIES) else inner.table.with_value(key, Scalar(placement, True, node.place))
        return _option(inner, name, folder)
    return None


def _demand_log(section: Section, log: LogRef | None) -> None:
    if log is None:
        section.refuse("edge", "what runs now is not said, and there is no log to tell", "add `now: provider/model`")


def _chosen(section: Section, options: Mapping[str, OptionSpec], own: Mapping[str, OptionSpec]) -> Mapping[str, OptionSpec]:
    names = section.words("options")
    if names is None:
        return {} if own or section.has("options") else _all_of(section, options)
    for name in names:
        if name in own:
            section.refuse("options", f"{name!r} is an option of this workload and of the scenario", f"drop `{name}:` or rename one")
        elif name not in options and not _stated(section, name):
            section.refuse("options", f"no option {name!r}", did_you_mean(name, options) if options else "define it under `options`")
    return {name: options[name] for name in names if name in options and name not in own}


def _stated(section: Section, name: str) -> bool:
    """Whether an option of this name is refused already, so that one mistake is told once."""
    return any((error.key or "").startswith(f"options.{name}") for error in section.findings.errors)


def _all_of(section: Section, options: Mapping[str, OptionSpec]) -> Mapping[str, OptionSpec]:
    if not options and not any((error.key or "").startswith("options") for error in section.findings.errors):
        message = "no option serves it"
        fix = "add `now:` and `edge:` with provider/model, or define `options`"
        section.findings.errors.append(EdgeroiError(message, place=section.table.place, key=section.path, fix=fix))
    return options


def _one_of(section: Section, key: str, served: Mapping[str, OptionSpec]) -> str | None:
    return section.read(key, lambda node: choice_of(node, tuple(served)) if served else scalar_of(node).text)


def _baseline(section: Section, served: Mapping[str, OptionSpec]) -> str | None:
    """The stated baseline, else ``now``, else the only option that is neither at the edge nor a policy."""
    stated = _one_of(section, "baseline", served)
    if section.has("baseline"):
        if stated and stated in served and served[stated].placement == "edge":
            section.refuse("baseline", f"{stated!r} is at the edge", "the baseline is the option without edge the edge is compared with")
        return stated
    if "now" in served:
        return "now"
    others = [name for name, option in served.items() if option.placement in ("cloud", "regional")]
    if len(others) == 1:
        return others[0]
    if served:
        found = f"{len(others)} could be: {', '.join(others)}" if others else "every option is at the edge, on a device or a policy"
        message = f"no baseline is named, and {found}"
        section.findings.errors.append(EdgeroiError(message, place=section.table.place, key=section.path, fix="write `baseline: NAME`"))
    return None


def _tokens(section: Section) -> Tokens:
    inner = section.section("tokens")
    if inner is None:
        return Tokens()
    tokens = Tokens(*(inner.range(key, TOKENS) for key in ("input", "cached", "cache_write", "output")))
    parts = sum(part.likely for part in (tokens.cached, tokens.cache_write) if part)
    if tokens.input and parts > tokens.input.likely:
        inner.refuse("cached" if tokens.cached else "cache_write", f"{parts:g} cached tokens of {tokens.input.likely:g} input tokens")
    inner.close()
    return tokens


def _needs(section: Section) -> Needs:
    inner = section.section("needs")
    if inner is None:
        return Needs()
    deadline = inner.section("deadline")
    residency = inner.text("residency")
    needs = Needs(
        deadline=quantiles_of(deadline) if deadline else (),
        residency=None if residency == "none" else residency,
        offline=_or(inner.flag("offline"), False),
        min_quality=inner.share("min_quality"),
        max_premium=inner.range("max_premium", MONTHLY),
        reason=_reason(inner),
        place=inner.table.place,
    )
    if (needs.residency or needs.offline) and not needs.reason.given:
        asked = "residency" if needs.residency else "offline"
        missing = " and ".join(f"`{key}`" for key in ("why", "by") if not inner.has(key))
        if missing:
            inner.refuse(asked, f"a requirement needs {missing}", "say why it must hold and who requires it")
    inner.close({"latency": "write `deadline: {p99: 200 ms}`", "p99": "write `deadline: {p99: 200 ms}`"})
    return needs


def _felt(section: Section) -> Felt:
    inner = section.section("felt")
    if inner is None:
        return Felt()
    default = Felt()
    rule = Felt(_or(inner.share("share"), default.share), _or(inner.number("ms", LATENCY), default.ms))
    inner.close()
    return rule


# --- the gate, and the project's policy -----------------------------------------------------------------------------------


def _check(top: Section, workloads: tuple[str, ...] | None) -> CheckSpec:
    section = top.section("check")
    if section is None:
        return CheckSpec()
    spec = _check_limits(section)
    waivers = section.read("waivers", lambda node: _waivers(node, section, workloads)) or ()
    section.close()
    return replace(spec, waivers=waivers)


def _check_limits(section: Section) -> CheckSpec:
    return CheckSpec(
        materiality=section.read("materiality", materiality_of),
        edge_from=section.share("edge_from"),
        fail_at=section.share("fail_at"),
        on_undecided=section.choice("on_undecided", ("warn", "fail")),
    )


def materiality_of(node: Node) -> Materiality:
    """``50 USD/month or 5%``, or one of the two."""
    example = "write it like `50 USD/month or 5%`"
    usd: float | None = None
    ratio: float | None = None
    for part in re.split(r"\s+or\s+", scalar_of(node, example).text.strip()):
        share = part.rstrip().endswith("%")
        if (ratio if share else usd) is not None:
            raise EdgeroiError("one limit in USD/month and one in %", place=node.place, fix=example)
        found = read_range(part, SHARE if share else MONTHLY)
        if not found.is_point:
            raise EdgeroiError("a limit is one number, not a range", place=node.place, fix=example)
        usd, ratio = (usd, found.likely) if share else (found.likely, ratio)
    return Materiality(usd, ratio)


def _waivers(node: Node, section: Section, workloads: tuple[str, ...] | None) -> tuple[Waiver, ...]:
    if not isinstance(node, Listing):
        example = "write `- {rule: edge-net, workload: search, why: ..., by: ..., expires: 2027-01-31}`"
        raise EdgeroiError("a list is wanted", place=node.place, fix=example)
    found = (_waiver(item, section, workloads) for item in node.items)
    return tuple(waiver for waiver in found if waiver)


def _waiver(node: Node, outer: Section, workloads: tuple[str, ...] | None) -> Waiver | None:
    with outer.findings.noting(node.place, outer.at("waivers")):
        section = Section(table_of(node), outer.at("waivers"), outer.findings)
        rule = section.choice("rule", RULES, needed=True)
        workload = section.read("workload", lambda each: choice_of(each, workloads) if workloads else text_of(each))
        why, by = section.text("why", needed=True, fix="say why"), section.text("by", needed=True, fix="say who waives it")
        expires = section.day("expires", needed=True)
        section.close()
        return Waiver(rule, workload, Reason(why, by), expires, node.place) if rule and expires else None
    return None


def load_policy(path: Path | str) -> ProjectPolicy:
    """The project's policy: named rates, discounts by provider, and limits of the gate. The same errors as of a scenario."""
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a policy: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    findings = Findings()
    top = Section(tree, "", findings)
    _version(top)
    discounts = top.section("discounts")
    rates = top.section("rates")
    policy = ProjectPolicy(
        str(path),
        rates={name: rate for name in (rates.table.keys if rates else ()) if rates and (rate := _named_rate(rates, name))},
        discounts={
            name: share for name in (discounts.table.keys if discounts else ()) if discounts and (share := discounts.range(name, DISCOUNT))
        },
        check=_check_limits(top),
        places=dict(_places(tree, "")),
    )
    top.close({"waivers": "waivers stand in the scenario they are about", "check": "write its keys here, without `check`"})
    findings.raise_any()
    return policy


def _named_rate(section: Section, name: str) -> NamedRate | None:
    """``support: 15 (5..40) USD/h``, or the same with ``why`` and ``by``; in USD/h or USD/request, as every rate of a scenario is."""
    node = section.node(name)
    if node is None:
        return None
    with section.findings.noting(node.place, section.at(name)):
        if re.match(r"[\d.$+-]", name):
            raise EdgeroiError("a rate's name begins with a letter", place=section.place(name))
        inner = Section(node, section.at(name), section.findings) if isinstance(node, Table) else None
        value = inner.node("rate", needed=True, fix=HOURLY.fix) if inner else node
        reason = _reason(inner) if inner else Reason()
        if inner:
            inner.close()
        if value is None:
            return None
        text = scalar_of(value, HOURLY.fix).text
        read_range(text, PER_REQUEST if re.search(r"/\s*(request|req|miss)", text) else HOURLY)
        return NamedRate(text, reason, value.place)
    return None


def find_policy(start: Path | str) -> Path | None:
    """The nearest ``edgeroi.yaml`` beside a file or above it, up to the root of its repository (the folder that holds ``.git``)."""
    here = Path(start).resolve()
    for folder in (here, *here.parents) if here.is_dir() else here.parents:
        if (folder / POLICY_NAME).is_file():
            return folder / POLICY_NAME
        if (folder / ".git").exists():
            return None
    return None


def load_policy_beside(scenario: Path | str) -> ProjectPolicy | None:
    """The policy that holds for a scenario file, ``None`` where its project has none."""
    found = find_policy(scenario)
    return load_policy(found) if found else None


def gate_limits(check: CheckSpec, policy: ProjectPolicy | None = None) -> GateLimits:
    """The limits that hold: the project's where it states any, unless the scenario is stricter; else the scenario's, else the defaults.

    Stricter is a lower materiality, a higher share demanded for the edge, a higher share at which it fails, ``fail`` over ``warn``.
    """
    own, project = check, policy.check if policy else CheckSpec()
    floors = [each.materiality for each in (own, project) if each.materiality]
    default = GateLimits()
    return GateLimits(
        _lowest(floors) if floors else default.materiality,
        max((each for each in (own.edge_from, project.edge_from) if each is not None), default=default.edge_from),
        max((each for each in (own.fail_at, project.fail_at) if each is not None), default=default.fail_at),
        "fail" if "fail" in (own.on_undecided, project.on_undecided) else "warn",
    )


def _lowest(floors: list[Materiality]) -> Materiality:
    usd = [floor.usd_month for floor in floors if floor.usd_month is not None]
    ratios = [floor.ratio for floor in floors if floor.ratio is not None]
    return Materiality(min(usd, default=None), min(ratios, default=None))


# --- overrides, and places ------------------------------------------------------------------------------------------------


def _override(given: str | tuple[str, str]) -> tuple[str, str]:
    if not isinstance(given, str):
        return given
    path, equals, value = given.partition("=")
    if not equals or not path.strip() or not value.strip():
        raise EdgeroiError(f"{given!r} is not PATH=VALUE", key="--set", fix='write it like workloads.search.requests="20M /month"')
    return path.strip(), value.strip()


def _overridden(tree: Table, path: str, value: str) -> Table:
    """The tree with one value replaced or added; names of workloads and options have to be there already."""
    file = f"--set {path}"
    try:
        node = parse_tree(value, file)
    except EdgeroiError as error:
        raise EdgeroiError(error.message, place=Place(file), fix=error.fix) from None
    first = _split_key(tree, path)[0]
    workloads = tree.get("workloads")
    if first not in tree.keys and isinstance(workloads, Table) and _split_key(workloads, path)[0] in workloads.keys:
        path = f"workloads.{path}"
    return _with(tree, path, _at(node, Place(file)), Place(file), "")


def _split_key(table: Table, path: str) -> tuple[str, str]:
    """The first key of a path and what is left: the longest key that stands here, for a name may contain dots."""
    fitting = [key for key in table.keys if path == key or path.startswith(f"{key}.")]
    key = max(fitting, key=len) if fitting else path.partition(".")[0]
    return key, path[len(key) + 1 :]


def _with(table: Table, path: str, value: Node, place: Place, above: str) -> Table:
    key, rest = _split_key(table, path)
    if key not in table.keys and above in ("workloads", "options"):
        raise EdgeroiError(f"no {above[:-1]} {key!r}", place=place, fix=did_you_mean(key, table.keys))
    scalar = Scalar(key, True, place)
    if not rest:
        return table.with_value(scalar, value)
    inner = table.get(key)
    if inner is not None and not isinstance(inner, Table):
        raise EdgeroiError(
            f"`{above}.{key}` holds one value, not keys".replace("`.", "`"), place=place, fix=f"set it whole, or drop `.{rest}`"
        )
    stands = table.key(key) if inner is not None else None
    return table.with_value(stands or scalar, _with(inner or Table((), place), rest, value, place, key))


def _at(node: Node, place: Place) -> Node:
    """The node with every place replaced."""
    if isinstance(node, Listing):
        return Listing(tuple(_at(item, place) for item in node.items), place)
    if isinstance(node, Table):
        return Table(tuple((replace(key, place=place), _at(value, place)) for key, value in node.entries), place)
    return replace(node, place=place)


def _places(node: Node, path: str) -> Iterable[tuple[str, Place]]:
    """The dotted path of every key with its place, items of lists by their number from 1."""
    if isinstance(node, Table):
        for key, value in node.entries:
            at = f"{path}.{key.text}" if path else key.text
            yield at, key.place
            yield from _places(value, at)
    if isinstance(node, Listing):
        for n, item in enumerate(node.items, 1):
            yield f"{path}.{n}", item.place
            yield from _places(item, f"{path}.{n}")
