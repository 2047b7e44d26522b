"""``--set PATH=VALUE``: changes to the tree before it is read, so that they are held to the same rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.yamltree import Listing, Node, Scalar, Table, parse_tree

Overrides = Sequence[str] | Sequence[tuple[str, str]]


def override_of(given: str | tuple[str, str]) -> tuple[str, str]:
    """``PATH=VALUE`` taken apart."""
    if not isinstance(given, str):
        return given
    path, equals, value = given.partition("=")
    if not equals or not path.strip() or not value.strip():
        raise EdgeroiError(f"{given!r} is not PATH=VALUE", key="--set", fix='write it like workloads.search.requests="20M /month"')
    return path.strip(), value.strip()


def overridden(tree: Table, path: str, value: str) -> Table:
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


def places_of(node: Node, path: str) -> Iterable[tuple[str, Place]]:
    """The dotted path of every key with its place, items of lists by their number from 1."""
    if isinstance(node, Table):
        for key, value in node.entries:
            at = f"{path}.{key.text}" if path else key.text
            yield at, key.place
            yield from places_of(value, at)
    if isinstance(node, Listing):
        for n, item in enumerate(node.items, 1):
            yield f"{path}.{n}", item.place
            yield from places_of(item, f"{path}.{n}")
