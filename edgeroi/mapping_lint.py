"""What is odd in a mapping file that can be read: units a name contradicts, placements that are none, rules that never decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edgeroi.errors import did_you_mean
from edgeroi.lint import Finding
from edgeroi.logs.mapping import IS, SKIP
from edgeroi.request import COLUMNS
from edgeroi.spec import PLACEMENTS
from edgeroi.yamltree import Listing, Node, Scalar, Table

#: How the ends of field names say their unit.
_UNIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("ns", "nano", "nanos", "nanoseconds"), "ns"),
    **dict.fromkeys(("us", "micro", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ms", "milli", "millis", "milliseconds", "msec"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), "s"),
}
#: The last word of a name in snake_case, kebab-case or camelCase.
_LAST_WORD = re.compile(r"(?:(?<=[a-z0-9])[A-Z][a-z]*|(?<![A-Za-z])(?:[a-z]+|[A-Z]+|[A-Z][a-z]+))$")


def lint_mapping(tree: Node) -> tuple[Finding, ...]:
    """Every finding of every rule. The file can be read: what cannot be is an error, and said before."""
    if not isinstance(tree, Table):
        return ()
    return (*_units(tree.get("map")), *_constants(tree.get("const")), *_rules(tree.get("rules")))


def _entries(node: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    return node.entries if isinstance(node, Table) else ()


def _units(node: Node | None) -> Iterator[Finding]:
    """A duration whose field is named after one unit and read in another is off by a thousand, one way or the other."""
    for key, source in _entries(node):
        if not isinstance(source, Scalar) or COLUMNS.get(key.text) != "duration":
            continue
        path, _, unit = source.text.rpartition(":")
        named = _unit_in(path)
        if named and unit in _UNIT_WORDS.values() and unit != named:
            said = f"{key.text} is read from {path!r} in {unit}, and the name says {named}"
            yield Finding("unit", "warning", said, source.place, f"write {path}:{named}, unless the name is wrong")


def _unit_in(path: str) -> str | None:
    found = _LAST_WORD.search(path)
    return _UNIT_WORDS.get(found[0].lower()) if found else None


def _constants(node: Node | None) -> Iterator[Finding]:
    for key, value in _entries(node):
        if key.text == "placement":
            yield from _placement(value)


def _placement(value: Node | None) -> Iterator[Finding]:
    if isinstance(value, Scalar) and value.text not in PLACEMENTS:
        yield Finding("placement", "warning", f"{value.text!r} is no placement", value.place, did_you_mean(value.text, PLACEMENTS))


def _rules(node: Node | None) -> Iterator[Finding]:
    for key, listed in _entries(node):
        rules = [item for item in (listed.items if isinstance(listed, Listing) else (listed,)) if isinstance(item, Table)]
        if key.text == "placement":
            for rule in rules:
                yield from _placement(rule.get(IS))
        yield from _behind(key.text, rules)


def _behind(column: str, rules: list[Table]) -> Iterator[Finding]:
    """Rules that never decide: of a column's rules the first that fits does, so that one with fewer of the same conditions covers it."""
    for n, rule in enumerate(rules):
        earlier = next((other for other in rules[:n] if _covers(_conditions(other), _conditions(rule))), None)
        if earlier is not None:
            said = f"the rule on line {earlier.place.line} fits wherever this one does, and decides first"
            yield Finding("never-decides", "warning", said, rule.place, "put the narrower rule first")
    if column == SKIP:
        for rule in rules:
            if all(_fits_all(pattern) for pattern in _conditions(rule).values()):
                said = "this skips every request that has the field: its pattern is found in any text"
                yield Finding("never-decides", "warning", said, rule.place, "narrow the pattern")


def _conditions(rule: Table) -> Mapping[str, str]:
    return {key.text: value.text for key, value in rule.entries if key.text != IS and isinstance(value, Scalar)}


def _covers(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Whether whatever meets the second conditions meets the first: each is also asked there, or is found in any text of that field."""
    return all(second.get(name) == pattern or (name in second and _fits_all(pattern)) for name, pattern in first.items())


def _fits_all(pattern: str) -> bool:
    return re.search(pattern, "") is not None and not re.search(r"\$|\\Z", pattern)
