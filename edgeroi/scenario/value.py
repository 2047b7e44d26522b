"""What a workload says latency is worth, read into one of the models of ``edgeroi.values``.

``value: {waiting: 5 to 40 USD/h, why: ..., by: ...}`` is ``linear_time`` in short; the long form names the model. A model's fields are
the keys; a field that ends in ``_ms`` is written without, since its value carries the unit. A new model file needs nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range
from edgeroi.scenario.section import Section, flag_of, scalar_of, table_of, text_of
from edgeroi.units import HOURLY, LATENCY, PER_MISS, PER_REQUEST, SHARE, Measure, read_range
from edgeroi.values import ValueModel, model_named, model_names
from edgeroi.yamltree import Listing, Node, Scalar, Table

SHORT = "linear_time"
#: The unit a model names for a field, and how it is written.
MEASURES: Mapping[str, Measure] = {"USD/h": HOURLY, "ratio": SHARE, "ms": LATENCY, "USD": PER_MISS, "USD/request": PER_REQUEST}
EXAMPLE = "write it like `{waiting: 5 to 40 USD/h, why: ..., by: ...}`, or `none`"


def read_value(workload: Section) -> tuple[ValueModel | None, Range | None]:
    """The declared model, and what a point of quality is worth where that stands here too; ``None`` where nothing is declared."""
    node = workload.node("value")
    if node is None:
        return None, None
    with workload.findings.noting(node.place, workload.at("value")):
        if isinstance(node, Scalar):
            return _without_keys(node), None
        section = Section(table_of(node), workload.at("value"), workload.findings)
        quality = section.range("quality_value", PER_REQUEST)
        return _model(section), quality
    return None, None


def _without_keys(node: Scalar) -> ValueModel:
    if node.text == "none":
        return model_named("none")()
    quantity = f"write `{{waiting: {node.text}}}`" if node.text[:1].isdigit() else EXAMPLE
    raise EdgeroiError(f"{node.text!r} is no value model", place=node.place, fix=quantity)


def _model(section: Section) -> ValueModel | None:
    said = {key: section.text(key) for key in ("why", "by")}
    named = [name for name in model_names() if section.has(name)]
    section.taken.extend(model_names())
    if len(named) > 1:
        section.refuse(named[1], f"`{named[0]}` and `{named[1]}` would count the same time twice", "keep one model")
        return None
    if not named and not section.has(*_keys(model_named(SHORT))):
        if not section.unknown:
            section.findings.errors.append(EdgeroiError("no value model", place=section.table.place, key=section.path, fix=EXAMPLE))
        section.taken.extend(_keys(model_named(SHORT)))
        section.close(_homes())
        return None
    model = model_named(named[0] if named else SHORT)
    inner = _inside(section, named[0]) if named else section
    built = _built(model, inner, said) if inner else None
    section.close(_homes())
    return built


def _inside(section: Section, name: str) -> Section | None:
    """The mapping that holds a model's fields; ``none`` needs no field."""
    empty = section.table.get(name)
    if name == "none" and isinstance(empty, Scalar):
        return Section(Table((), empty.place), section.at(name), section.findings)
    return section.section(name)


def _keys(model: type[ValueModel]) -> dict[str, Field[Any]]:
    """The keys a model is written with."""
    return {each.name.removesuffix("_ms"): each for each in fields(model) if each.name not in ("why", "by")}  # type: ignore[arg-type]


def _homes() -> Mapping[str, str]:
    """For a model's key that stands without its model: where it belongs."""
    return {key: f"write `{name}: {{{key}: ...}}`" for name in model_names() for key in _keys(model_named(name))}


def _built(model: type[ValueModel], section: Section, said: Mapping[str, str | None]) -> ValueModel | None:
    before = len(section.findings.errors)
    values: dict[str, Any] = {}
    for key, each in _keys(model).items():
        written = each.name if section.has(each.name) else key
        needed = each.default is MISSING and each.default_factory is MISSING
        found = _field(section, written, each.name, model.units, needed)
        if found is not None:
            # Why the model holds is also what its numbers rest on, unless one says its own.
            values[each.name] = found.resting_on(said["why"]) if isinstance(found, Range) else found
    if section.path.rpartition(".")[2] != "value":
        section.close()
    if len(section.findings.errors) > before:
        return None
    try:
        return model(**values, **said)
    except EdgeroiError as error:
        place = section.place(error.key or "")
        raise EdgeroiError(error.message, place=place, fix=error.fix) from None


def _field(section: Section, key: str, name: str, units: Mapping[str, str], needed: bool) -> object:
    if name in units:
        return section.range(key, MEASURES[units[name]], needed=needed)
    if name == "table":
        return section.read(key, _table, needed=needed, fix="name a published table, as in `table: google2009`")
    if name == "hinge":
        return section.read(key, _hinge)
    return section.flag(key)


def _hinge(node: Node) -> bool:
    return True if scalar_of(node).text == "per_second" else flag_of(node)


def _table(node: Node) -> str | tuple[tuple[float, float], ...]:
    """The name of a published table, or points of one's own: ``[[0 ms, 0%], [100 ms, 0.2%]]``."""
    if not isinstance(node, Listing):
        return text_of(node)
    return tuple(_point(item) for item in node.items)


def _point(node: Node) -> tuple[float, float]:
    if not isinstance(node, Listing) or len(node.items) != 2:
        raise EdgeroiError("a point is a delay and a share", place=node.place, fix="write it like `[100 ms, 0.2%]`")
    delay, share = (scalar_of(item) for item in node.items)
    try:
        return read_range(delay.text, LATENCY).likely, read_range(share.text, SHARE).likely
    except EdgeroiError as error:
        raise EdgeroiError(error.message, place=node.place, fix=error.fix) from None
