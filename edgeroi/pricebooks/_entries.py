"""Entries of a YAML tree as typed values; what is not of the type is an error with its place and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.yamltree import Listing, Node, Scalar, Table


def table(node: Node, what: str, known: tuple[str, ...] | None = None) -> Mapping[str, Node]:
    """The keys and values of a mapping; a key that is not ``known`` is an error with the near miss."""
    if not isinstance(node, Table):
        raise EdgeroiError(f"{what} is a mapping of keys to values", place=node.place)
    for key, _ in node.entries:
        if known is not None and key.text not in known:
            raise EdgeroiError(f"unknown key in {what}", place=key.place, key=key.text, fix=did_you_mean(key.text, known))
    return {key.text: value for key, value in node.entries}


def items(node: Node, what: str) -> tuple[Node, ...]:
    """The items of a list."""
    if not isinstance(node, Listing):
        raise EdgeroiError(f"{what} is a list", place=node.place)
    return node.items


def scalar(node: Node) -> Scalar:
    """A single value."""
    if not isinstance(node, Scalar):
        raise EdgeroiError("one value belongs here", place=node.place)
    return node


def text(node: Node) -> str:
    """A single value as it is written."""
    return scalar(node).text


def texts(node: Node | None) -> tuple[str, ...]:
    """A list of words; none where the key does not stand."""
    return () if node is None else tuple(text(item) for item in items(node, "names"))


def one_of(node: Node, known: tuple[str, ...]) -> str:
    """One of the known words."""
    if text(node) not in known:
        raise EdgeroiError(f"{text(node)!r} is not one of them", place=node.place, fix=did_you_mean(text(node), known))
    return text(node)


def number(node: Node) -> Decimal:
    """An exact number, as JSON writes it."""
    value = scalar(node)
    if value.kind != "number":
        raise EdgeroiError(f"{value.text!r} is not a number", place=node.place, fix="write it as 0.02, in the unit of the key")
    return Decimal(value.text)


def day(node: Node) -> date:
    """``2026-11-22``, or the first day of ``2026-11``."""
    written = text(node)
    try:
        return date.fromisoformat(written if written.count("-") == 2 else f"{written}-01")
    except ValueError:
        raise EdgeroiError(f"{written!r} is not a day", place=node.place, fix="write it as 2026-11-22") from None
