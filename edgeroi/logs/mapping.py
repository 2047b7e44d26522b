"""A mapping file: how to read a log, said in YAML instead of on the command line. What the command line says of a column wins.

::

    map:                              # where columns are found: path[:unit], or @filename:REGEX
      latency_ms: timing.total:s
      provider: "@filename:^([a-z]+)_"
    const:
      workload: chat
    not_error: [-100]
    require: [timestamp, model]
    seen_from: gateway
    sampling: 0.1
    rules:                            # what follows from other fields: see ``logs/rules.py``
      workload:
        - {path: ^/v1/chat/, is: chat}
      placement:
        - {host: edge, is: edge}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.logs.reading import DEFAULT_BY, Field, Reading, constant, keys_of, known_column, mapped_source, reading, share, vantage
from edgeroi.logs.record import IDENTIFIERS
from edgeroi.logs.rules import FILE, Rule
from edgeroi.request import COLUMNS, MARK
from edgeroi.yamltree import Listing, Node, Scalar, Table, read_tree

KEYS = ("map", "const", "not_error", "require", "seen_from", "sampling", "rules")
#: In ``rules``, what is no column: the requests to skip; in a rule, what is no condition: what it says.
SKIP, IS = "skip", "is"
#: What a rule may decide, and which columns it may look at.
_DECIDED = tuple(column for column, kind in COLUMNS.items() if kind == "label" and column not in (*IDENTIFIERS, "prompt"))
_LOOKED_AT = (*_DECIDED, "status", "error")


def read(path: Path | str) -> Reading:
    """What a mapping file says; raises ``EdgeroiError`` with the place of whatever is wrong first."""
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a mapping file", place=tree.place, fix=f"write keys: {', '.join(KEYS)}")
    for key, _ in tree.entries:
        if key.text not in KEYS:
            raise EdgeroiError(f"unknown key {key.text!r}", place=key.place, fix=did_you_mean(key.text, KEYS))
    said = Reading()
    for key, node in tree.entries:
        said = _READ[key.text](said, node)
    fixed = {*said.const, *said.from_name} & {rule.column for rule in said.rules}
    if fixed:
        raise EdgeroiError(f"{min(map(str, fixed))} is the same for the whole file, and has rules", place=tree.place, fix="keep one")
    return said


def mistakes(path: Path | str) -> tuple[EdgeroiError, ...]:
    """Everything that is wrong in a mapping file, one mistake per key; none where ``read`` reads it."""
    tree = read_tree(path)
    found: list[EdgeroiError] = []
    for key, node in tree.entries if isinstance(tree, Table) else ():
        try:
            if key.text not in KEYS:
                raise EdgeroiError(f"unknown key {key.text!r}", place=key.place, fix=did_you_mean(key.text, KEYS))
            _READ[key.text](Reading(), node)
        except EdgeroiError as error:
            found.append(error)
    if not found:
        try:
            read(path)
        except EdgeroiError as error:
            found.append(error)
    return tuple(found)


def with_mapping(said: Reading, path: Path | str) -> Reading:
    """The reading with what the file says besides; where both speak of a column, the reading stays as it is."""
    file = read(path)
    spoken_of = {*said.fields, *said.from_name, *said.const}
    return replace(
        said,
        fields={**_others(file.fields, spoken_of), **said.fields},
        from_name={**_others(file.from_name, spoken_of), **said.from_name},
        const={**_others(file.const, spoken_of), **said.const},
        not_error=tuple(dict.fromkeys((*file.not_error, *said.not_error))),
        require=tuple(dict.fromkeys((*file.require, *said.require))),
        seen_from=said.seen_from or file.seen_from,
        sampling=said.sampling if said.sampling != 1.0 else file.sampling,
        rules=tuple(rule for rule in file.rules if rule.column not in spoken_of),
    )


def reading_of(path: Path | str | None, *, by: Iterable[str] = DEFAULT_BY, sampling: float | None = None, **said: Any) -> Reading:
    """A reading from strings as on the command line (see ``logs/reading.py``) and, where there is one, a mapping file."""
    spoken = reading(by=by, sampling=1.0 if sampling is None else sampling, **said)
    return spoken if path is None else with_mapping(spoken, path)


def _others(columns: Any, spoken_of: set[str]) -> dict[str, Any]:
    return {column: source for column, source in columns.items() if column not in spoken_of}


def _map(said: Reading, node: Node) -> Reading:
    fields, from_name = {}, {}
    for key, source in _pairs(node):
        known_column(key.text, "map", key.place)
        text = _text(source)
        found = mapped_source(key.text, text, "map", source.place)
        if isinstance(found, str):
            from_name[key.text] = found
        else:
            fields[key.text] = found
    _apart(said.const, {**fields, **from_name}, node.place)
    return replace(said, fields={**said.fields, **fields}, from_name=from_name)


def _const(said: Reading, node: Node) -> Reading:
    const = {}
    for key, value in _pairs(node):
        known_column(key.text, "const", key.place)
        const[key.text] = constant(key.text, _text(value), "const", value.place)
    _apart(const, {**said.fields, **said.from_name}, node.place)
    return replace(said, const=const)


def _apart(const: Iterable[str], mapped: Iterable[str], place: Place) -> None:
    twice = set(const) & set(mapped)
    if twice:
        raise EdgeroiError(f"{min(twice)} is both mapped and constant", place=place, fix="keep one")


def _not_error(said: Reading, node: Node) -> Reading:
    return replace(said, not_error=tuple(_text(item) for item in _items(node)))


def _require(said: Reading, node: Node) -> Reading:
    return replace(said, require=tuple(known_column(_text(item), "require", item.place) for item in _items(node)))


def _seen_from(said: Reading, node: Node) -> Reading:
    return replace(said, seen_from=vantage(_text(node), "seen_from", node.place))


def _sampling(said: Reading, node: Node) -> Reading:
    text = _text(node)
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise EdgeroiError(f"{text!r} is no share", key="sampling", place=node.place, fix="write 0.1 or 10%") from None
    return replace(said, sampling=share(number, "sampling", node.place))


def _rules(said: Reading, node: Node) -> Reading:
    rules, marks = list[Rule](), dict[str, Field]()
    if not isinstance(node, Table):
        raise EdgeroiError("rules by column are wanted here", place=node.place, fix=_RULE)
    for key, listed in node.entries:
        if key.text != SKIP and key.text not in _DECIDED:
            wrong = "has no rules" if key.text in COLUMNS else "is not a column"
            raise EdgeroiError(f"{key.text!r} {wrong}", key="rules", place=key.place, fix=did_you_mean(key.text, (*_DECIDED, SKIP)))
        rules += [_rule(None if key.text == SKIP else key.text, item) for item in _items(listed)]
    for rule in rules:
        for column, _ in rule.conditions:
            if column.startswith(MARK):
                marks[column] = Field(keys_of(column.removeprefix(MARK)))
    return replace(said, rules=tuple(rules), fields={**said.fields, **marks})


#: How a rule is written.
_RULE = "for example `workload: [{path: ^/v1/chat/, is: chat}]`"


def _rule(column: str | None, node: Node) -> Rule:
    if not isinstance(node, Table):
        raise EdgeroiError("a rule is conditions and what follows from them", key="rules", place=node.place, fix=_RULE)
    conditions = tuple(_conditions(node))
    said = node.get(IS)
    if column is None and said is not None:
        raise EdgeroiError("what is skipped is nothing else", key="rules skip", place=said.place, fix=f"leave out {IS}")
    if not conditions:
        raise EdgeroiError("a rule without a condition fits everything", key="rules", place=node.place, fix=_RULE)
    if column is not None and said is None and len(conditions) > 1:
        raise EdgeroiError("which of the conditions says the value?", key="rules", place=node.place, fix=f"add {IS}: VALUE")
    return Rule(column, conditions, None if said is None else _worded(said))


def _conditions(node: Table) -> Iterator[tuple[str, str]]:
    for key, value in node.entries:
        if key.text == IS:
            continue
        if key.text in COLUMNS and key.text not in _LOOKED_AT:
            raise EdgeroiError(
                f"rules look at text, and {key.text} is none", key="rules", place=key.place, fix=did_you_mean("", _LOOKED_AT)
            )
        if not all(keys_of(key.text)):
            raise EdgeroiError(f"{key.text!r} has an empty part", key="rules", place=key.place)
        pattern = _worded(value)
        try:
            re.compile(pattern)
        except re.error as error:
            raise EdgeroiError(f"{pattern!r} is not a regular expression: {error}", key=f"rules {key.text}", place=value.place) from None
        yield key.text if key.text == FILE or key.text in COLUMNS else MARK + key.text, pattern


def _worded(node: Node) -> str:
    text = _text(node)
    if not text:
        raise EdgeroiError("an empty text fits everything and says nothing", key="rules", place=node.place)
    return text


_READ: dict[str, Callable[[Reading, Node], Reading]] = {
    "map": _map,
    "const": _const,
    "not_error": _not_error,
    "require": _require,
    "seen_from": _seen_from,
    "sampling": _sampling,
    "rules": _rules,
}


def _pairs(node: Node) -> tuple[tuple[Scalar, Node], ...]:
    if not isinstance(node, Table):
        raise EdgeroiError("column: source pairs are wanted here", place=node.place, fix="for example `latency_ms: duration:s`")
    return node.entries


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Listing) else (node,)


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or node.kind == "null":
        raise EdgeroiError("a single value is wanted here", place=node.place)
    return node.text
