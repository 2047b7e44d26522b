"""One mapping of a YAML file while it is read into values: every key asked for once, what is left over is unknown.

Errors do not stop the reading: they gather in a ``Findings`` with their places, so that a file's author sees all of them at once.
A key that could not be read gives ``None``, as one that is not there; ``Findings.raise_any`` keeps such values from getting out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

from edgeroi.errors import EdgeroiError, Place, did_you_mean, near_miss
from edgeroi.estimate import Range
from edgeroi.spec import NamedRate, Reason
from edgeroi.units import SHARE, Measure, read_range
from edgeroi.yamltree import Listing, Node, Scalar, Table

VERSION = "1"
SHOWN = 10
C = TypeVar("C", bound=str)
T = TypeVar("T")

#: Words YAML 1.1 took for true and false.
_YES, _NO = ("yes", "on", "y", "True", "TRUE", "Yes", "On"), ("no", "off", "n", "False", "FALSE", "No", "Off")


class ManyErrors(EdgeroiError):
    """Several mistakes in one file, in the order of their lines; ``errors`` holds all of them."""

    def __init__(self, errors: tuple[EdgeroiError, ...]) -> None:
        self.errors = errors
        super().__init__(errors[0].message, place=errors[0].place, key=errors[0].key, fix=errors[0].fix)

    def __str__(self) -> str:
        """One mistake a line, the first ten of them."""
        shown = [str(error) for error in getattr(self, "errors", ())[:SHOWN]]
        more = len(getattr(self, "errors", ())) - len(shown)
        return "\n".join([*shown, f"and {more} more"] if more > 0 else shown)


@dataclass
class Findings:
    """What is wrong in a file, and what it may refer to: named rates of the project's policy."""

    errors: list[EdgeroiError] = field(default_factory=list)
    rates: Mapping[str, NamedRate] = field(default_factory=dict)

    @contextmanager
    def noting(self, place: Place, key: str) -> Iterator[None]:
        """Note an error of what is done inside, at this place unless it knows its own."""
        try:
            yield
        except ManyErrors as many:
            self.errors.extend(many.errors)
        except EdgeroiError as error:
            self.errors.append(EdgeroiError(error.message, place=error.place or place, key=key, fix=error.fix))

    def raise_any(self) -> None:
        """Raise what was found: the one error, or all of them in the order of their places."""
        found = sorted(self.errors, key=lambda error: (error.place.line or 0, error.place.column or 0) if error.place else (0, 0))
        if found:
            raise found[0] if len(found) == 1 else ManyErrors(tuple(found))


class Section:
    """A mapping at a dotted path. ``take`` methods answer ``None`` for a key that is not there; ``close`` refuses the keys nobody took."""

    def __init__(self, table: Table, path: str, findings: Findings) -> None:
        self.table, self.path, self.findings = table, path, findings
        self.taken: list[str] = []
        self.missing: dict[str, EdgeroiError] = {}

    def at(self, key: str) -> str:
        """The dotted path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def place(self, key: str) -> Place:
        """Where a key stands, or the mapping where it does not."""
        found = self.table.key(key)
        return found.place if found else self.table.place

    def has(self, *keys: str) -> bool:
        """Whether any of the keys stands here."""
        return any(key in self.table.keys for key in keys)

    def refuse(self, key: str, message: str, fix: str | None = None) -> None:
        """Note an error at a key."""
        self.findings.errors.append(EdgeroiError(message, place=self.place(key), key=self.at(key), fix=fix))

    def node(self, key: str, *, needed: bool = False, fix: str | None = None) -> Node | None:
        """The value as it stands; one without a value is an error."""
        self.taken.append(key)
        node = self.table.get(key)
        if node is None and needed:
            self.missing[key] = EdgeroiError(f"`{key}` is missing", place=self.table.place, key=self.path or None, fix=fix)
            self.findings.errors.append(self.missing[key])
        if isinstance(node, Scalar) and node.kind == "null":
            self.refuse(key, "no value", "write one, or delete the key")
            return None
        return node

    def read(self, key: str, reader: Callable[[Node], T], *, needed: bool = False, fix: str | None = None) -> T | None:
        """What ``reader`` makes of the value; its errors are noted at the value's place."""
        node = self.node(key, needed=needed, fix=fix)
        if node is None:
            return None
        with self.findings.noting(node.place, self.at(key)):
            return reader(node)
        return None

    def text(self, key: str, *, needed: bool = False, fix: str | None = None) -> str | None:
        """A text that is not empty; a number or a truth value has to be quoted to pass for one."""
        return self.read(key, text_of, needed=needed, fix=fix)

    def flag(self, key: str) -> bool | None:
        """``true`` or ``false``."""
        return self.read(key, flag_of)

    def choice(self, key: str, known: Iterable[C], *, needed: bool = False) -> C | None:
        """One of the known words."""
        words = tuple(known)
        return self.read(key, lambda node: choice_of(node, words), needed=needed, fix=f"write one of {', '.join(words)}")

    def range(self, key: str, measure: Measure, *, needed: bool = False) -> Range | None:
        """A quantity or a range of it, named by its path; or the name of a rate of the project."""
        return self.read(key, lambda node: self.range_of(node, key, measure), needed=needed, fix=measure.fix)

    def range_of(self, node: Node, key: str, measure: Measure) -> Range:
        """The quantity a node states, in short or as ``{range: 15 (5..40) USD/h, why: ..., by: ...}``."""
        if isinstance(node, Table) and _is_reasoned(node):
            return self._reasoned(Section(node, self.at(key), self.findings), node, key, measure)
        text = scalar_of(node, measure.fix).text
        if text in self.findings.rates:
            rate = self.findings.rates[text]
            return replace(read_range(rate.text, measure, f"rates.{text}"), why=rate.reason.why)
        try:
            return read_range(text, measure, driver(self.at(key)))
        except EdgeroiError as error:
            if re.fullmatch(r"[A-Za-z_][\w -]*", text) and text not in (*_YES, *_NO) and (near := near_miss(text, self.findings.rates)):
                raise EdgeroiError(f"no rate {text!r} in the project's policy", fix=f"did you mean {near!r}?") from None
            raise error from None

    def _reasoned(self, inner: Section, node: Table, key: str, measure: Measure) -> Range:
        """A quantity with what it rests on; one without is marked as a guess wherever it decides."""
        before = len(self.findings.errors)
        stated = inner.node("range", needed=True, fix=f"write `{{range: {measure.example}, why: ...}}`")
        why, _ = inner.text("why", needed=True, fix="say what the range rests on"), inner.text("by")
        inner.close()
        if stated is None:  # that it is missing or misspelt is noted: once is enough
            noted = tuple(self.findings.errors[before:])
            del self.findings.errors[before:]
            raise ManyErrors(noted)
        if not isinstance(stated, Scalar):
            raise EdgeroiError("no quantity", place=node.place, fix=measure.fix)
        return replace(self.range_of(stated, key, measure), why=why)

    def number(self, key: str, measure: Measure) -> float | None:
        """One number, no range."""
        found = self.range(key, measure)
        if found is not None and not found.is_point:
            self.refuse(key, "one number is wanted, not a range", measure.fix)
        return None if found is None else found.likely

    def share(self, key: str) -> float | None:
        """One share, ``60%`` or ``0.6``, as a number of 1."""
        return self.number(key, SHARE)

    def whole(self, key: str, *, least: int = 1) -> int | None:
        """A whole number."""
        return self.read(key, lambda node: whole_of(node, least))

    def day(self, key: str, *, needed: bool = False) -> date | None:
        """A day, ``2026-11-22``."""
        return self.read(key, day_of, needed=needed, fix="write a day like `2026-11-22`")

    def section(self, key: str, *, needed: bool = False) -> Section | None:
        """The mapping under a key."""
        return self.read(key, lambda node: Section(table_of(node), self.at(key), self.findings), needed=needed)

    def sections(self, key: str, *, needed: bool = False) -> Iterator[tuple[str, Section]]:
        """The mappings under a key that holds named ones: workloads, options."""
        outer = self.section(key, needed=needed)
        for name in outer.table.keys if outer else ():
            assert outer is not None
            if inner := outer.section(name):
                yield name, inner

    def words(self, key: str) -> tuple[str, ...] | None:
        """A text or a list of texts."""
        return self.read(key, words_of)

    def reason(self) -> Reason:
        """The ``why`` and ``by`` that stand here."""
        return Reason(self.text("why"), self.text("by"))

    def assume(self) -> Reason | None:
        """Who answers, under ``assume``, for something nobody measured; both parts are needed."""
        inner = self.section("assume")
        if inner is None:
            return None
        reason = Reason(inner.text("why", needed=True, fix="say why"), inner.text("by", needed=True, fix="say who answers for it"))
        inner.close()
        return reason

    def exclusive(self, *keys: str) -> None:
        """Refuse more than one of the keys."""
        here = [key for key in self.table.keys if key in keys]
        if len(here) > 1:
            self.refuse(here[1], f"`{here[0]}` and `{here[1]}` exclude each other", "keep one")

    def close(self, hints: Mapping[str, str] | None = None) -> None:
        """Refuse every key nobody took, with the nearest that is known; ``hints`` has more to say about some.

        A misspelt key is not told a second time as missing.
        """
        for name in self.unknown:
            near = near_miss(name.text, sorted(set(self.taken)))
            if near in self.missing:
                self.findings.errors.remove(self.missing.pop(near))
            fix = (hints or {}).get(name.text) or did_you_mean(name.text, sorted(set(self.taken)))
            self.findings.errors.append(EdgeroiError(f"unknown key {name.text!r}", place=name.place, key=self.at(name.text), fix=fix))

    @property
    def unknown(self) -> tuple[Scalar, ...]:
        """The keys nobody took so far."""
        return tuple(name for name, _ in self.table.entries if name.text not in self.taken)


def _is_reasoned(node: Table) -> bool:
    """Whether a mapping is meant as ``{range: ..., why: ..., by: ...}``, ``range`` misspelt or forgotten included."""
    return bool({"range", "why", "by"} & set(node.keys)) or any(near_miss(key, ("range",)) for key in node.keys)


def driver(path: str) -> str:
    """The name of the range at a path: workloads go by their own name."""
    return path.removeprefix("workloads.")


def table_of(node: Node) -> Table:
    """The node as a mapping."""
    if not isinstance(node, Table):
        raise EdgeroiError("a mapping is wanted", place=node.place, fix="write `key: value` pairs below it, or `{key: value}`")
    return node


def scalar_of(node: Node, fix: str | None = None) -> Scalar:
    """The node as a single value."""
    if not isinstance(node, Scalar):
        raise EdgeroiError(f"one value is wanted, not a {'list' if isinstance(node, Listing) else 'mapping'}", place=node.place, fix=fix)
    return node


def text_of(node: Node) -> str:
    """The node as text."""
    scalar = scalar_of(node)
    if scalar.kind != "text":
        what = scalar.text or "nothing"
        raise EdgeroiError(f"a text is wanted, and {what} is a {scalar.kind}", place=node.place, fix=f'quote it: "{scalar.text}"')
    if not scalar.text.strip():
        raise EdgeroiError("the text is empty", place=node.place)
    return scalar.text.strip()


def flag_of(node: Node) -> bool:
    """The node as true or false."""
    scalar = scalar_of(node, "write true or false")
    if scalar.kind == "boolean":
        return scalar.text == "true"
    meant = "true" if scalar.text in _YES else "false" if scalar.text in _NO else None
    fix = f"write {meant}" if meant else "write true or false, without quotes"
    raise EdgeroiError(f"{scalar.text!r} is not true or false", place=node.place, fix=fix)


def choice_of(node: Node, known: tuple[C, ...]) -> C:
    """The node as one of the known words."""
    text = scalar_of(node).text
    for word in known:
        if word == text:
            return word
    raise EdgeroiError(f"{text!r} is not known here", place=node.place, fix=did_you_mean(text, known))


def whole_of(node: Node, least: int) -> int:
    """The node as a whole number."""
    scalar = scalar_of(node)
    if not re.fullmatch(r"0|[1-9]\d{0,8}", scalar.text) or int(scalar.text) < least:
        raise EdgeroiError(f"{scalar.text!r} is not a whole number from {least} on", place=node.place, fix="write it like `4`")
    return int(scalar.text)


def day_of(node: Node) -> date:
    """The node as a day."""
    text = scalar_of(node).text
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise EdgeroiError(f"{text!r} is not a day", place=node.place, fix="write a day like `2026-11-22`")


def words_of(node: Node) -> tuple[str, ...]:
    """The node as texts, each once; a single one stands for a list of one."""
    words = tuple(text_of(item) for item in node.items) if isinstance(node, Listing) else (text_of(node),)
    if isinstance(node, Listing):
        for n, item in enumerate(node.items):
            if words[n] in words[:n]:
                raise EdgeroiError(f"{words[n]!r} stands twice", place=item.place, fix="keep one")
    if not words:
        raise EdgeroiError("the list is empty", place=node.place)
    return words


def values_of(node: Node) -> tuple[str, ...]:
    """The node as values of a column, whatever their kind: text, a number, true or false, or a list of them."""
    items = node.items if isinstance(node, Listing) else (node,)
    return tuple(scalar_of(item).text for item in items)


def stated_or(value: T | None, default: T) -> T:
    """What was stated, else the default."""
    return default if value is None else value


def check_version(top: Section) -> None:
    """Refuse a file of another version of the grammar, or of none."""
    node = top.node("edgeroi", needed=True, fix=f"begin with `edgeroi: {VERSION}`, the version of this grammar")
    if isinstance(node, Scalar) and node.text != VERSION:
        top.refuse("edgeroi", f"version {node.text!r} is not read here", f"write `edgeroi: {VERSION}`, or use a newer edgeroi")
