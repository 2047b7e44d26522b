"""Options that share the requests out among others; a policy that leads back to itself is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from edgeroi.cuts import LENGTH
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.request import COLUMNS
from edgeroi.scenario.logs import known_columns
from edgeroi.scenario.section import Section, choice_of, scalar_of, table_of, values_of
from edgeroi.spec import Cascade, Condition, Cue, Fallback, Hedge, Judged, OptionSpec, Policy, Route, RouteRule, Split
from edgeroi.units import LATENCY, PER_REQUEST, SHARE
from edgeroi.yamltree import Listing, Node, Table

CUES: tuple[Cue, ...] = ("timeout", "error")
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
    pair, after = _first_then(section), section.range("after", LATENCY)
    watch, free, together = _watch(section), _abandoned_free(section), section.range("correlation", SHARE)
    on = section.read("on", _cues)
    if on and "timeout" in on and after is None and not section.has("after"):
        section.refuse("on", "a timeout needs `after`", "write `after: 500 ms`, or `on: error`")
    if on == ("error",) and after:
        section.refuse(
            "after", "it falls back on errors only, so nothing is held against `after`", "drop `after`, or name `timeout` in `on`"
        )
    section.close({"timeout": "write `after: 500 ms`"})
    return Fallback(*pair, after, together, watch, on or ("timeout", "error"), free) if pair else None


def _hedge(section: Section) -> Hedge | None:
    pair, after = _first_then(section), section.range("after", LATENCY, needed=True)
    watch, free, together = _watch(section), _abandoned_free(section), section.range("correlation", SHARE)
    section.close({"delay": "write `after: 80 ms`"})
    return Hedge(*pair, after, together, watch, free) if pair and after else None


def _watch(section: Section) -> Judged | None:
    return section.choice("watch", ("e2e", "ttft"))


def _abandoned_free(section: Section) -> bool:
    """Whether calls that were given up cost nothing: only where somebody says so."""
    return section.choice("abandoned", ("billed", "free")) == "free"


def _cues(node: Node) -> tuple[Cue, ...]:
    items = node.items if isinstance(node, Listing) else (node,)
    found = tuple(choice_of(item, CUES) for item in items)
    if not found:
        raise EdgeroiError("the list is empty", place=node.place, fix="name `timeout`, `error` or both")
    return tuple(cue for cue in CUES if cue in found)


def _cascade(section: Section) -> Cascade | None:
    pair, escalated, confidence = _first_then(section), section.range("escalated", SHARE), section.share("confidence")
    section.exclusive("escalated", "confidence")
    if not section.has("escalated", "confidence"):
        fix = "write `escalated: 20%`, or `confidence: 0.8` where the log tells it"
        section.findings.errors.append(EdgeroiError("which answers go on is missing", place=section.table.place, key=section.path, fix=fix))
    judge, takes = section.range("judge", PER_REQUEST), section.range("judge_takes", LATENCY)
    together, kept = section.range("correlation", SHARE), section.range("kept_quality", SHARE)
    section.close({"threshold": "write `confidence: 0.8`"})
    return Cascade(*pair, escalated, judge, together, confidence, takes, kept) if pair else None


def _route(section: Section) -> Route | None:
    otherwise = section.text("otherwise", needed=True, fix="name the option for the rest")
    confidence = section.share("otherwise_confidence")
    rules = section.read("rules", lambda node: tuple(_rule(item, section, n) for n, item in enumerate(_items(node), 1)), needed=True)
    section.close()
    known = tuple(rule for rule in rules or () if rule)
    if (total := sum(rule.share.likely for rule in known if rule.share)) > 1 + 1e-9:
        section.refuse(
            "rules", f"the shares add up to {total:.4g}, more than 1", "a rule's share is of all requests, the rest goes otherwise"
        )
    return Route(known, otherwise, confidence) if otherwise and known else None


def _items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Listing) or not node.items:
        raise EdgeroiError("a list is wanted", place=node.place, fix="write `- {when: {region: eu-west}, to: edge}` lines")
    return node.items


def _rule(node: Node, section: Section, number: int) -> RouteRule | None:
    rule = Section(table_of(node), section.at("rules"), section.findings)
    to, when = rule.text("to", needed=True), rule.section("when", needed=True)
    conditions = tuple(each for column in known_columns(when) for each in _conditions(when, column)) if when else ()
    if when and not when.table.keys:
        rule.refuse("when", "no condition", "what always holds stands under `otherwise`")
    share = rule.read("share", lambda stated: section.range_of(stated, f"rules.{number}.share", SHARE))
    confidence = rule.share("confidence")
    rule.close()
    return RouteRule(conditions, to, share, confidence) if to else None


#: What is known only once a request was answered cannot send it anywhere.
_AFTERWARDS = frozenset(
    (
        "latency_ms",
        "ttft_ms",
        "network_ms",
        "lateness_ms",
        "status",
        "error",
        "output_tokens",
        "cost_usd",
        "quality",
        "placement",
        "cold_start",
    )
)
_NUMERIC = ("duration", "count", "money", "ratio")
_WORDS = ("has_any_of", "has_none_of")


def _conditions(section: Section, column: str) -> tuple[Condition, ...]:
    if column in _AFTERWARDS:
        section.read(column, lambda node: node)
        section.refuse(column, f"{column} is known only once the request was served", "a rule may ask for what is known before")
        return ()
    return section.read(column, lambda node: _tests(node, section, column)) or ()


def _tests(node: Node, section: Section, column: str) -> tuple[Condition, ...]:
    if isinstance(node, Table):
        return _of_text(Section(node, section.at(column), section.findings), column)
    values = values_of(node)
    found = _limit(values[0]) if len(values) == 1 else None
    numeric = COLUMNS[column] in _NUMERIC
    if found and numeric:
        return (Condition(column, found[0], (found[1],)),)  # type: ignore[arg-type]
    if found:
        raise EdgeroiError(f"{column} is no number", place=node.place, fix=_NO_NUMBER)
    if numeric:
        raise EdgeroiError(f"{values[0]!r} is no limit of {column}", place=node.place, fix=_LIMIT)
    if not values:
        raise EdgeroiError("the list is empty", place=node.place)
    return (Condition(column, "in", values),)


_NO_NUMBER = "name the values it may have"
_LIMIT = "write it like `< 50`: one of <, <=, >, >="


def _limit(text: str) -> tuple[str, str] | None:
    """``< 50`` taken apart."""
    found = re.fullmatch(r"(<=|>=|<|>)\s*(\d+(?:\.\d+)?)", text)
    return (found[1], found[2]) if found else None


def _of_text(inner: Section, column: str) -> tuple[Condition, ...]:
    """``prompt: {words: "< 50", has_none_of: [summarize, explain]}``: how long a text is, and words of it, whatever their case."""
    if COLUMNS[column] != "label":
        raise EdgeroiError(f"{column} is no text", place=inner.table.place, fix="write it like `< 50`")
    inner.exclusive(*_WORDS)
    length = inner.read("words", lambda node: _length(node, column))
    found = [(key, words) for key in _WORDS if (words := inner.words(key))]
    inner.close()
    if not inner.has("words", *_WORDS) and not inner.unknown:
        raise EdgeroiError("no condition", place=inner.table.place, fix=f"write {{{_WORDS[1]}: [summarize, explain]}}")
    has = [Condition(column, key, tuple(word.casefold() for word in words)) for key, words in found]  # type: ignore[arg-type]
    return (*((length,) if length else ()), *has[:1])


def _length(node: Node, column: str) -> Condition:
    found = _limit(scalar_of(node).text)
    if found is None:
        raise EdgeroiError(f"{scalar_of(node).text!r} is no number of words", place=node.place, fix=_LIMIT)
    return Condition(column, f"{LENGTH}{found[0]}", (found[1],))  # type: ignore[arg-type]


def check_references(options: Mapping[str, OptionSpec], top: Section, under: str = "options") -> None:
    """Refuse policies over options nobody defined, and policies that lead back to themselves. ``under``: the key they stand under."""
    stated = top.table.get(under)
    names = stated.keys if isinstance(stated, Table) else ()
    for name, option in options.items():
        for part in option.policy.parts if option.policy else ():
            if part not in names:
                _refuse_at(top, option, f"{under}.{name}", f"no {under.removesuffix('s')} {part!r}", did_you_mean(part, names))
        _check_kept_quality(top, option, options)
        if (loop := _loop(name, options, ())) and name == min(loop):  # each circle is told once
            _refuse_at(top, option, f"{under}.{name}", f"the policy leads back to itself: {' -> '.join(loop)}", "break the circle")


def _check_kept_quality(top: Section, option: OptionSpec, options: Mapping[str, OptionSpec]) -> None:
    policy = option.policy
    if isinstance(policy, Cascade) and policy.kept_quality and policy.first in options and options[policy.first].policy:
        message, fix = "`kept_quality` is of the first option's answers, and the first is a policy", "state the quality of its parts"
        _refuse_at(top, option, f"options.{option.name}", message, fix)


def _refuse_at(top: Section, option: OptionSpec, key: str, message: str, fix: str) -> None:
    top.findings.errors.append(EdgeroiError(message, place=option.place, key=key, fix=fix))


def _loop(name: str, options: Mapping[str, OptionSpec], seen: tuple[str, ...]) -> tuple[str, ...]:
    if name in seen:
        return (*seen, name) if seen[0] == name else ()
    policy = options[name].policy if name in options else None
    loops = (_loop(part, options, (*seen, name)) for part in (policy.parts if policy else ()))
    return next((loop for loop in loops if loop), ())
