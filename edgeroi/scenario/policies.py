"""Options that share the requests out among others; a policy that leads back to itself is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.scenario.logs import known_columns
from edgeroi.scenario.section import Section, table_of, values_of
from edgeroi.spec import Cascade, Condition, Fallback, Hedge, OptionSpec, Policy, Route, RouteRule, Split
from edgeroi.units import LATENCY, PER_REQUEST, SHARE
from edgeroi.yamltree import Listing, Node, Table

POLICIES = ("split", "route", "fallback", "hedge", "cascade")


def policy_option(section: Section, name: str, kinds: list[str]) -> OptionSpec | None:
    """An option that is a policy: one of the kinds, and nothing of its own to run or to pay."""
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
    assume = section.assume()
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
    conditions = tuple(_condition(when, column) for column in known_columns(when)) if when else ()
    rule.close()
    return RouteRule(tuple(each for each in conditions if each), to) if to else None


def _condition(section: Section, column: str) -> Condition | None:
    values = section.read(column, values_of)
    if values is None:
        return None
    if found := re.fullmatch(r"(<=|>=|<|>)\s*(\d+(?:\.\d+)?)", values[0]) if len(values) == 1 else None:
        return Condition(column, found[1], (found[2],))  # type: ignore[arg-type]
    return Condition(column, "in", values)


def check_references(options: Mapping[str, OptionSpec], top: Section) -> None:
    """Refuse policies over options nobody defined, and policies that lead back to themselves."""
    stated = top.table.get("options")
    names = stated.keys if isinstance(stated, Table) else ()
    for name, option in options.items():
        for part in option.policy.parts if option.policy else ():
            if part not in names:
                _refuse_at(top, option, f"options.{name}", f"no option {part!r}", did_you_mean(part, names))
        if (loop := _loop(name, options, ())) and name == min(loop):  # each circle is told once
            _refuse_at(top, option, f"options.{name}", f"the policy leads back to itself: {' -> '.join(loop)}", "break the circle")


def _refuse_at(top: Section, option: OptionSpec, key: str, message: str, fix: str) -> None:
    top.findings.errors.append(EdgeroiError(message, place=option.place, key=key, fix=fix))


def _loop(name: str, options: Mapping[str, OptionSpec], seen: tuple[str, ...]) -> tuple[str, ...]:
    if name in seen:
        return (*seen, name) if seen[0] == name else ()
    policy = options[name].policy if name in options else None
    loops = (_loop(part, options, (*seen, name)) for part in (policy.parts if policy else ()))
    return next((loop for loop in loops if loop), ())
