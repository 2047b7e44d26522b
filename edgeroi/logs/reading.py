"""How a log is to be read: where each canonical column comes from, what counts as an error, what is grouped by.

The strings are those of the command line; a mapping file says the same in YAML (see ``logs/mapping.py``)::

    --map latency_ms=timing.total:s     the field ``total`` inside ``timing``, in seconds
    --map latency_ms=duration_ms        a name that ends in a unit needs none
    --map provider=@filename:^([a-z]+)_ the first group of a pattern found in the file's name
    --map latency_ms=%D:us              the only number behind an Apache line (see ``logs/apache.py``)
    --const workload=chat               the same for every request
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal

from edgeroi.cuts import Cut
from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.logs.rules import FILE, Rule, found
from edgeroi.request import COLUMNS, MARK
from edgeroi.workload import SUMMED, SeenFrom

TimeUnit = Literal["ns", "us", "ms", "s"]

#: What one of the unit is in ms.
MS_PER: Mapping[str, float] = MappingProxyType({"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3})
#: Apache's own names for a duration, each in the unit that its definition says.
_DIRECTIVES: Mapping[str, TimeUnit] = MappingProxyType({"%D": "us", "%T": "s", "%{us}T": "us", "%{ms}T": "ms", "%{s}T": "s", "%^FB": "us"})
#: A name that ends so says its unit.
_SUFFIXES: tuple[tuple[str, TimeUnit], ...] = (("_ns", "ns"), ("_us", "us"), ("_ms", "ms"), ("_s", "s"), ("Nano", "ns"))
#: Columns a profile always looks at; the others only when grouped by, required or mapped.
PROFILED = (
    "timestamp", "status", "error", "streamed", "cold_start", "cache_hit",
    "latency_ms", "ttft_ms", "network_ms", *SUMMED,
)  # fmt: skip
#: Kinds whose values can name a group.
_GROUPING = ("label", "flag", "count", "status", "error")
_CONSTANT = ("label", "flag", "count", "duration", "money", "ratio")
DEFAULT_BY = ("workload", "placement")


@dataclass(frozen=True, slots=True)
class Field:
    """Where a column comes from: keys from the outermost inwards, and the unit of a time (``None``: not a time, or RFC 3339)."""

    path: tuple[str, ...]
    unit: TimeUnit | None = None

    @property
    def name(self) -> str:
        """The path as it was typed."""
        return ".".join(key.replace(".", "\\.") for key in self.path)


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a log. Picklable; ``fields`` and ``const`` override what a format would say of the same column.

    ``by``: the columns of a group, in order. ``fields``: mapped columns. ``from_name``: patterns on the file's name.
    ``const``: one text for every request, by column. ``not_error``: error or status values that are successes all the same.
    ``cuts``: columns among ``by`` that are grouped by what a rule asks of them, and not by their values.
    ``require``: columns every request must tell. ``format``: the only format to try. ``file``: the file it is the reading of.
    ``hidden``: labels besides ``by`` that the format of the file itself gives and settles by.
    ``rules``: what labels follow from others (see ``logs/rules.py``); the fields they look at are among ``fields``, as marks.
    ``dedupe``: exact duplicates are to be told apart. ``beside``: columns a fold looks at, by which nothing is grouped.
    """

    by: tuple[str, ...] = DEFAULT_BY
    fields: Mapping[str, Field] = field(default_factory=dict)
    from_name: Mapping[str, str] = field(default_factory=dict)
    const: Mapping[str, str] = field(default_factory=dict)
    not_error: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    seen_from: SeenFrom | None = None
    sampling: float = 1.0
    format: str | None = None
    dedupe: bool = False
    file: str | None = None
    hidden: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    cuts: tuple[Cut, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def mapped(self) -> bool:
        """Whether the user said where columns come from."""
        return any(not column.startswith(MARK) for column in self.fields)

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns a batch must hold: those grouped by, those a fold looks at, and those that rules do."""
        if not self.rules:
            return self.by if not self.beside else tuple(dict.fromkeys((*self.by, *self.beside)))
        looked_at = (column for rule in self.rules for column, _ in rule.conditions if column != FILE and column not in self.const)
        return tuple(dict.fromkeys((*self.by, *self.beside, *looked_at)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The canonical columns this reading looks at, in the canonical order; the others are not even checked."""
        wanted = {*PROFILED, *self.kept, *self.require, *self.fields} - self.const.keys()
        marks = sorted(column for column in wanted if column.startswith(MARK)) if self.rules else ()
        return (*(column for column in COLUMNS if column in wanted), *marks)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns every record itself must tell."""
        return tuple(column for column in self.require if column not in self.const)

    def scale(self, column: str) -> float:
        """What to multiply a mapped duration by to get ms; 1 where the column is not mapped."""
        mapped = self.fields.get(column)
        return MS_PER[mapped.unit] if mapped and mapped.unit and COLUMNS[column] == "duration" else 1.0

    def told(self) -> dict[str, str]:
        """Everything by which two readings of one log could count differently, as text by the name of its part."""
        return {part.name: _told(getattr(self, part.name)) for part in dataclass_fields(self) if part.name not in ("file", "beside")}

    def for_file(self, name: str) -> Reading:
        """The reading of one file: what its name says has become constant. A name the pattern does not fit says nothing."""
        said = {column: found(pattern, PurePath(name).name) for column, pattern in self.from_name.items()}
        told = {column: text for column, text in said.items() if text is not None}
        return replace(self, const={**self.const, **told}, file=name)


def _told(part: object) -> str:
    return repr(sorted(part.items()) if isinstance(part, Mapping) else part)


def reading(
    *,
    by: Iterable[str] = DEFAULT_BY,
    map: Iterable[str] = (),
    const: Iterable[str] = (),
    not_error: Iterable[str] = (),
    require: Iterable[str] = (),
    seen_from: SeenFrom | None = None,
    sampling: float = 1.0,
    format: str | None = None,
    dedupe: bool = False,
) -> Reading:
    """A reading from the strings of the command line; raises ``EdgeroiError`` naming the option and the nearest known word."""
    fields: dict[str, Field] = {}
    from_name: dict[str, str] = {}
    for said in map:
        column, source = _assigned(said, "--map")
        _once(column, {**fields, **from_name}, "--map")
        found = mapped_source(column, source)
        if isinstance(found, str):
            from_name[column] = found
        else:
            fields[column] = found
    consts: dict[str, str] = {}
    for said in const:
        column, text = _assigned(said, "--const")
        _once(column, {**fields, **from_name, **consts}, "--const")
        consts[column] = constant(column, text)
    return Reading(
        tuple(_grouping(column) for column in by),
        fields,
        from_name,
        consts,
        tuple(not_error),
        tuple(known_column(column, "--require") for column in require),
        vantage(seen_from),
        share(sampling),
        format,
        dedupe,
    )


def known_column(column: str, option: str, place: Place | None = None) -> str:
    """The column, or an error naming the nearest one."""
    if column not in COLUMNS:
        raise EdgeroiError(f"{column!r} is not a column", key=option, fix=did_you_mean(column, COLUMNS), place=place)
    return column


def mapped_source(column: str, source: str, option: str = "--map", place: Place | None = None) -> Field | str:
    """Where a column is found: a field, or the pattern of ``@filename:REGEX``."""
    return _name_pattern(column, source, option, place) if source.startswith("@") else field_of(column, source, option, place)


def field_of(column: str, source: str, option: str = "--map", place: Place | None = None) -> Field:
    """``timing.total:s`` as a field: a duration has a unit, said or ending its name; other columns have none."""
    path, _, unit = source.rpartition(":")
    if unit not in MS_PER or not path:
        path, unit = source, ""
    keys = keys_of(path)
    if not all(keys):
        raise EdgeroiError(f"{source!r} has an empty part", key=f"{option} {column}", place=place)
    kind = COLUMNS[column]
    if kind == "duration":
        return Field(keys, _unit(column, keys[-1], unit, source, option, place))
    if unit and kind != "instant":
        raise EdgeroiError(f"{column} is no time, so {source!r} cannot have a unit", key=option, fix=f"write {column}={path}", place=place)
    return Field(keys, unit or None)  # type: ignore[arg-type]


def keys_of(path: str) -> tuple[str, ...]:
    r"""The keys of a path, from the outermost inwards; a dot in a key is written ``\.``."""
    return tuple(key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path))


def _unit(column: str, name: str, said: str, source: str, option: str, place: Place | None) -> TimeUnit:
    by_name = next((unit for suffix, unit in _SUFFIXES if name.endswith(suffix)), None)
    defined = _DIRECTIVES.get(name)
    if defined is not None and said not in ("", defined):
        raise EdgeroiError(
            f"{name} is in {defined} by Apache's definition, not in {said}",
            key=f"{option} {column}", fix=f"write {column}={name}:{defined}", place=place,
        )  # fmt: skip
    unit = said or by_name or defined
    if unit is None:
        raise EdgeroiError(
            f"the unit of {source!r} is not said, and guessing it would be wrong by 1,000",
            key=f"{option} {column}", fix=f"write {column}={source}:ms, or :ns, :us, :s", place=place,
        )  # fmt: skip
    return unit  # type: ignore[return-value]


def constant(column: str, text: str, option: str = "--const", place: Place | None = None) -> str:
    """The text, if the column can have one value for all requests and the text is one."""
    kind = COLUMNS[column]
    if kind not in _CONSTANT or column == "latency_ms":
        raise EdgeroiError(f"{column} cannot be the same for every request", key=option, place=place)
    if kind != "label" and constant_number(kind, text) is None:
        wanted = "true or false" if kind == "flag" else "a number that is not negative"
        raise EdgeroiError(f"{column} takes {wanted}, not {text!r}", key=option, place=place)
    return text


def constant_number(kind: str, text: str) -> float | None:
    """A constant's number: 1 or 0 for true or false, else the number itself; ``None`` where the text is neither."""
    if kind == "flag":
        return {"true": 1.0, "false": 0.0}.get(text.lower())
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _assigned(said: str, option: str) -> tuple[str, str]:
    column, equals, source = said.partition("=")
    if not equals or not source:
        raise EdgeroiError(f"{said!r} is not COLUMN=SOURCE", key=option, fix=f"for example {option} workload=name")
    return known_column(column.strip(), option), source


def _once(column: str, given: Iterable[str], option: str) -> None:
    if column in given:
        raise EdgeroiError(f"{column} is given twice", key=option, fix="keep one")


def _name_pattern(column: str, source: str, option: str = "--map", place: Place | None = None) -> str:
    keyword, colon, pattern = source.partition(":")
    if keyword != "@filename" or not colon or not pattern:
        raise EdgeroiError(f"{source!r} is not a source", key=f"{option} {column}", fix="write @filename:REGEX", place=place)
    if COLUMNS[column] != "label":
        raise EdgeroiError(f"{column} is no text, so a file's name cannot say it", key=option, place=place)
    try:
        re.compile(pattern)
    except re.error as error:
        raise EdgeroiError(f"{pattern!r} is not a regular expression: {error}", key=f"{option} {column}", place=place) from None
    return pattern


def _grouping(column: str) -> str:
    kind = COLUMNS[known_column(column, "--by")]
    if kind not in _GROUPING:
        fix = did_you_mean("", [name for name, kind in COLUMNS.items() if kind in _GROUPING])
        raise EdgeroiError(f"{column} is a {kind}: nearly every request would be a group of its own", key="--by", fix=fix)
    return column


def vantage(seen_from: str | None, option: str = "--seen-from", place: Place | None = None) -> SeenFrom | None:
    """Where a log measured, or an error naming the places."""
    places = ("client", "gateway", "server")
    if seen_from is not None and seen_from not in places:
        raise EdgeroiError(f"{seen_from!r} is no vantage", key=option, fix=did_you_mean(seen_from, places), place=place)
    return seen_from  # type: ignore[return-value]


def share(sampling: float, option: str = "--sampling", place: Place | None = None) -> float:
    """The share of requests a log keeps, in (0, 1]."""
    if not 0 < sampling <= 1:
        raise EdgeroiError(f"the share of requests the log keeps, {sampling}, is outside (0, 1]", key=option, place=place)
    return sampling
