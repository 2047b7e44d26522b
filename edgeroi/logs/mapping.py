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
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.logs.reading import DEFAULT_BY, Reading, constant, known_column, mapped_source, reading, share, vantage
from edgeroi.yamltree import Listing, Node, Scalar, Table, read_tree

KEYS = ("map", "const", "not_error", "require", "seen_from", "sampling")


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
    return said


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
    return replace(said, fields=fields, from_name=from_name)


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


_READ: dict[str, Callable[[Reading, Node], Reading]] = {
    "map": _map,
    "const": _const,
    "not_error": _not_error,
    "require": _require,
    "seen_from": _seen_from,
    "sampling": _sampling,
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
