"""A workload: its options in the small form and the full one, its volume, what latency is worth, what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.felt import Felt
from edgeroi.scenario.logs import log_of, where_of
from edgeroi.scenario.options import option_of, origin_calls_of, quantiles_of, reference_of
from edgeroi.scenario.policies import POLICIES
from edgeroi.scenario.section import Section, choice_of, scalar_of, stated_or, table_of
from edgeroi.scenario.value import read_value
from edgeroi.spec import LogRef, Needs, OptionSpec, Placement, PriceRef, Tokens, WorkloadSpec
from edgeroi.units import LATENCY, MONTHLY, PER_REQUEST, REQUEST_RATE, TOKENS
from edgeroi.yamltree import Listing, Scalar


def workload_of(section: Section, name: str, options: Mapping[str, OptionSpec], log: LogRef | None, folder: Path) -> WorkloadSpec | None:
    """One workload; ``None`` where it cannot be told what it is compared with."""
    own_log = log_of(section, folder)
    own = {key: option for key in ("now", "edge") if (option := _inline(section, key, folder))}
    if "edge" in own and "now" not in own and not section.has("now"):
        _demand_log(section, own_log or log)
        own = {"now": OptionSpec("now", "cloud", place=section.place("edge")), **own}
    _check_inline(section, own, options)
    served = {**own, **_chosen(section, options, own)}
    quality_value = section.range("quality_value", PER_REQUEST)
    value, value_quality = read_value(section)
    if quality_value and value_quality:
        section.refuse("quality_value", "`quality_value` stands here and under `value`", "keep one")
    baseline = _baseline(section, served, options)
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
        origin_calls=origin_calls_of(section),
        felt=_felt(section),
        where=where_of(section),
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
            return OptionSpec(name, placement, PriceRef(reference_of(node), place=node.place), place=node.place)
        inner = Section(table_of(node), section.at(name), section.findings)
        key = Scalar("placement", True, node.place)
        inner.table = inner.table if inner.has("placement", *POLICIES) else inner.table.with_value(key, Scalar(placement, True, node.place))
        return option_of(inner, name, folder)
    return None


def _check_inline(section: Section, own: Mapping[str, OptionSpec], options: Mapping[str, OptionSpec]) -> None:
    """A policy written in place is made of the scenario's options."""
    for name, option in own.items():
        for part in option.policy.parts if option.policy else ():
            if part not in options and not _stated(section, f"options.{part}"):
                fix = did_you_mean(part, options) if options else "define it under `options`"
                section.refuse(name, f"no option {part!r}", fix)


def _demand_log(section: Section, log: LogRef | None) -> None:
    if log is None and not _stated(section, "log"):
        section.refuse("edge", "what runs now is not said, and there is no log to tell", "add `now: provider/model`")


def _chosen(section: Section, options: Mapping[str, OptionSpec], own: Mapping[str, OptionSpec]) -> Mapping[str, OptionSpec]:
    names = section.words("options")
    if names is None:
        return {} if own or section.has("options", "now", "edge") else _all_of(section, options)
    for name in names:
        if name in own:
            section.refuse("options", f"{name!r} is an option of this workload and of the scenario", f"drop `{name}:` or rename one")
        elif name not in options and not _stated(section, f"options.{name}"):
            section.refuse("options", f"no option {name!r}", did_you_mean(name, options) if options else "define it under `options`")
    return {name: options[name] for name in names if name in options and name not in own}


def _stated(section: Section, path: str) -> bool:
    """Whether something at this path is refused already, so that one mistake is told once."""
    return any(f"{error.key}.".startswith(f"{path}.") for error in section.findings.errors)


def _all_of(section: Section, options: Mapping[str, OptionSpec]) -> Mapping[str, OptionSpec]:
    if not options and not _stated(section, "options"):
        message = "no option serves it"
        fix = "add `now:` and `edge:` with provider/model, or define `options`"
        section.findings.errors.append(EdgeroiError(message, place=section.table.place, key=section.path, fix=fix))
    return options


def _one_of(section: Section, key: str, served: Mapping[str, OptionSpec]) -> str | None:
    """One of the options, those among them that were refused for their own mistakes."""
    refused = tuple(name for name in ("now", "edge") if section.has(name) and name not in served)
    listed = section.table.get("options")
    named = tuple(item.text for item in listed.items if isinstance(item, Scalar)) if isinstance(listed, Listing) else ()
    names = tuple(dict.fromkeys((*served, *refused, *named)))
    return section.read(key, lambda node: choice_of(node, names) if names else scalar_of(node).text)


def _uses_edge(option: OptionSpec, options: Mapping[str, OptionSpec], above: tuple[str, ...] = ()) -> bool:
    """Whether it is at the edge, or a policy any part of which is; one that leads back to itself is refused elsewhere."""
    parts = option.policy.parts if option.policy else ()
    below = (*above, option.name)
    return option.placement == "edge" or any(_uses_edge(options[p], options, below) for p in parts if p in options and p not in below)


def _baseline(section: Section, served: Mapping[str, OptionSpec], options: Mapping[str, OptionSpec]) -> str | None:
    """The stated baseline, else ``now``, else the only option that is neither at the edge nor a policy."""
    stated = _one_of(section, "baseline", served)
    if section.has("baseline"):
        if stated and stated in served and _uses_edge(served[stated], options):
            of = "a part of " if served[stated].policy else ""
            section.refuse(
                "baseline", f"{of}{stated!r} is at the edge", "the baseline is the option without edge the edge is compared with"
            )
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
        offline=stated_or(inner.flag("offline"), False),
        min_quality=inner.share("min_quality"),
        max_premium=inner.range("max_premium", MONTHLY),
        reason=inner.reason(),
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
    rule = Felt(stated_or(inner.share("share"), default.share), stated_or(inner.number("ms", LATENCY), default.ms))
    inner.close()
    return rule
