"""Which log a scenario names, which of its rows, and how its columns are called. A log named here has to exist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.request import COLUMNS
from edgeroi.scenario.section import Section, scalar_of, text_of, values_of
from edgeroi.spec import LogRef
from edgeroi.yamltree import Listing, Node, Table


def log_of(section: Section, folder: Path) -> LogRef | None:
    """The log a scenario, option or workload names, as a path, a list of paths, or a mapping with ``file``."""
    return section.read("log", lambda node: _log_ref(node, section, folder))


def _log_ref(node: Node, section: Section, folder: Path) -> LogRef | None:
    if not isinstance(node, Table):
        return LogRef(_files(node, folder), place=node.place)
    inner = Section(node, section.at("log"), section.findings)
    files = inner.read("file", lambda named: _files(named, folder), needed=True, fix="write the log's path, relative to this file")
    mapping = inner.text("mapping")
    ref = LogRef(
        files or (),
        where=where_of(inner) or {},
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


def where_of(section: Section) -> Mapping[str, tuple[str, ...]] | None:
    """The rows that are meant: the values wanted of each column; ``None`` where nothing is said."""
    inner = section.section("where")
    if inner is None:
        return None
    return {column: found for column in known_columns(inner) if (found := inner.read(column, values_of))}


def _columns(section: Section, key: str) -> Mapping[str, str]:
    inner = section.section(key)
    if inner is None:
        return {}
    return {column: found for column in known_columns(inner) if (found := inner.read(column, lambda node: scalar_of(node).text))}


def known_columns(section: Section) -> tuple[str, ...]:
    """The keys that are columns of a log; the others are refused."""
    for column in section.table.keys:
        if column not in COLUMNS:
            section.refuse(column, f"{column!r} is no column of a log", did_you_mean(column, COLUMNS))
    return tuple(column for column in section.table.keys if column in COLUMNS)
