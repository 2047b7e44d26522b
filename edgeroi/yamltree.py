"""YAML as people mean it: JSON's scalars, each key with its line and column, and nothing that surprises.

``no``, ``on``, ``1:30``, ``010`` and ``1_000`` stay text. Anchors, aliases, merge keys, tags, several documents, duplicate keys,
keys that are not text, a value cut short by `` #`` and one split by a comma are errors that say what to write. A file is at most
1 MiB and 64 levels deep; nothing is ever expanded, so a bomb is refused at its first anchor.

Configurations of other programs, which are not ours to be strict about, are read by ``read_foreign``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeroi.errors import EdgeroiError, Place, near_miss

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
#: What a foreign file may unfold into: a proxy's configuration has hundreds of values.
MAX_NODES = 100_000

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: A comment whose sign touches its text: as likely the rest of the value.
_CUT = re.compile(r"[ \t]+#[^\s#!]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts; ``plain`` where it stands without quotes."""

    text: str
    plain: bool
    place: Place

    @property
    def kind(self) -> Literal["number", "boolean", "null", "text"]:
        """What JSON would call it."""
        if not self.plain:
            return "text"
        if self.text in ("true", "false"):
            return "boolean"
        if self.text in ("", "null", "~"):
            return "null"
        return "number" if _JSON_NUMBER.fullmatch(self.text) else "text"


@dataclass(frozen=True, slots=True)
class Listing:
    """Values in their order."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """Keys, each once, with their values, in their order."""

    entries: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value of a key, ``None`` where it does not stand."""
        return next((value for name, value in self.entries if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, with its place."""
        return next((name for name, _ in self.entries if name.text == key), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys as text."""
        return tuple(name.text for name, _ in self.entries)

    def with_value(self, key: Scalar, value: Node) -> Table:
        """The same table with one key set; it keeps its rank where it stood already."""
        if key.text not in self.keys:
            return replace(self, entries=(*self.entries, (key, value)))
        return replace(self, entries=tuple((key, value) if name.text == key.text else (name, old) for name, old in self.entries))


Node = Scalar | Listing | Table


def read_tree(path: Path | str, shown: str | None = None) -> Node:
    """The tree of a file; ``shown`` is what errors call it."""
    file = shown or str(path)
    try:
        with Path(path).open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror or error}", place=Place(file), fix=_beside(Path(path))) from None
    return parse_tree(_decoded(raw, file), file)


def read_foreign(path: Path | str, clean: Callable[[str], str] = str) -> Node:
    """The tree of a file that is somebody else's, as YAML has it: anchors, merge keys and comments anywhere are theirs to use.

    ``clean`` mends its text first. A key that stands twice has its last value. No more than ``MAX_NODES`` values are unfolded.
    """
    import yaml

    file = str(path)
    try:
        with Path(path).open("rb") as opened:
            text = clean(_decoded(opened.read(MAX_BYTES + 1), file))
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror or error}", place=Place(file), fix=_beside(Path(path))) from None
    if len(text) > MAX_BYTES:
        raise EdgeroiError(f"larger than {MAX_BYTES >> 20} MiB", place=Place(file), fix="split it")
    try:
        composed = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return _Unfolder(file).node(composed, 1) if composed is not None else Scalar("", True, Place(file, 1, 1))
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, file) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise EdgeroiError(f"not YAML: {error}", place=Place(file)) from None


class _Unfolder:
    """Makes our tree of PyYAML's, aliases written out, as far as that stays bounded."""

    def __init__(self, file: str) -> None:
        self.file, self.made = file, 0

    def node(self, of: Any, depth: int) -> Node:
        """The value with everything in it."""
        import yaml

        self.made += 1
        place = Place(self.file, of.start_mark.line + 1, of.start_mark.column + 1)
        if self.made > MAX_NODES or depth > MAX_DEPTH:
            raise EdgeroiError("unfolds into too much", place=place, fix="write out what its aliases stand for")
        if isinstance(of, yaml.ScalarNode):
            return Scalar(of.value, of.style is None, place)
        if isinstance(of, yaml.SequenceNode):
            return Listing(tuple(self.node(item, depth + 1) for item in of.value), place)
        return Table(tuple(self._entries(of, depth).values()), place)

    def _entries(self, of: Any, depth: int) -> dict[str, tuple[Scalar, Node]]:
        """The entries by key, what is merged first, so that what stands here wins."""
        own: dict[str, tuple[Scalar, Node]] = {}
        merged: dict[str, tuple[Scalar, Node]] = {}
        for key, value in of.value:
            name, held = self.node(key, depth + 1), self.node(value, depth + 1)
            if not isinstance(name, Scalar):
                continue
            if name.text == "<<" and name.plain:
                for table in held.items if isinstance(held, Listing) else (held,):
                    merged |= {each.text: (each, inner) for each, inner in table.entries} if isinstance(table, Table) else {}
            else:
                own[name.text] = name, held
        return merged | own


def _beside(missing: Path) -> str | None:
    """The file that was probably meant, where there is one beside it."""
    with suppress(OSError):
        if not missing.exists() and missing.parent.is_dir():
            near = near_miss(missing.name, [entry.name for entry in missing.parent.iterdir()])
            return f"did you mean {str(missing.parent / near)!r}?" if near else None
    return None


def parse_tree(text: str, file: str) -> Node:
    """The tree of a text. Raises ``EdgeroiError`` with the place of whatever is wrong first."""
    import yaml

    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise EdgeroiError(f"larger than {MAX_BYTES >> 20} MiB", place=Place(file), fix="split it")
    if odd := _UNPRINTABLE.search(text):
        raise EdgeroiError(f"control character {odd[0]!r}", place=_place_at(text, odd.start(), file), fix="delete it")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(text, file).document(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, file) from None
    except yaml.YAMLError as error:
        raise EdgeroiError(f"not YAML: {error}", place=Place(file)) from None


def _decoded(raw: bytes, file: str) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise EdgeroiError("UTF-16 text", place=Place(file, 1, 1), fix="save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(raw) > MAX_BYTES:
            raise EdgeroiError(f"larger than {MAX_BYTES >> 20} MiB", place=Place(file), fix="split it") from None
        before = raw[: error.start].decode("utf-8", "replace")
        raise EdgeroiError("not UTF-8", place=_place_at(before, len(before), file), fix="save it as UTF-8") from None


def _place_at(text: str, index: int, file: str) -> Place:
    start = text.rfind("\n", 0, index) + 1
    return Place(file, text.count("\n", 0, index) + 1, index - start + 1)


class _Composer:
    """Builds the tree from parse events, refusing what has no place in it."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
        self.file = file

    def document(self, events: Iterator[Any]) -> Node:
        """The one document of the stream."""
        import yaml

        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise EdgeroiError("a second document begins", place=self._place(event), fix="keep one per file")
                if event.version or event.tags:
                    raise EdgeroiError(
                        "a `%` directive", place=Place(self.file, 1, 1), fix="delete it; a value that begins with % is quoted"
                    )
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, 1)
        return root if root is not None else Scalar("", True, Place(self.file, 1, 1))

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml

        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            raise EdgeroiError(f"alias `*{event.anchor}`", place=place, fix="write the value out: a reviewer should not have to look it up")
        if event.anchor is not None:
            raise EdgeroiError(f"anchor `&{event.anchor}`", place=place, fix="delete it, and write the value out where it is used")
        if event.tag is not None and not (event.tag == "!" and isinstance(event, yaml.ScalarEvent)):
            raise EdgeroiError(f"tag `{event.tag}`", place=place, fix="delete it")
        if depth > MAX_DEPTH:
            raise EdgeroiError(f"more than {MAX_DEPTH} levels deep", place=place)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return Listing(tuple(self._items(events, depth)), place)
        return self._table(events, depth, place, bool(event.flow_style))

    def _scalar(self, event: Any, place: Place) -> Scalar:
        plain = event.style is None or event.style == ""
        end = event.end_mark
        if plain and event.value and _CUT.match(self.lines[end.line][end.column :]):
            whole, more, _ = (event.value + self.lines[end.line][end.column :]).strip().replace("}", ",").replace("]", ",").partition(",")
            said = f"` #` ends the value {event.value!r} and begins a comment"
            raise EdgeroiError(
                said, place=place, fix=f"quote the value ({_quoted(whole + '...' * bool(more))}), or put a space after # in a comment"
            )
        return Scalar(event.value, plain, place)

    def _items(self, events: Iterator[Any], depth: int) -> Iterator[Node]:
        import yaml

        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._node(event, events, depth + 1)

    def _table(self, events: Iterator[Any], depth: int, place: Place, flow: bool) -> Table:
        import yaml

        entries: list[tuple[Scalar, Node]] = []
        lines: dict[str, int | None] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(self._node(event, events, depth + 1), entries[-1][1] if flow and entries else None)
            value = self._node(next(events), events, depth + 1)
            if key.text in lines:
                raise EdgeroiError(
                    f"{key.text!r} stands twice, first on line {lines[key.text]}", place=key.place, key=key.text, fix="keep one"
                )
            if flow and isinstance(value, Scalar) and value.plain and not value.text:
                raise self._split_by_comma(key, entries[-1][1] if entries else None)
            lines[key.text] = key.place.line
            entries.append((key, value))
        return Table(tuple(entries), place)

    def _split_by_comma(self, key: Scalar, before: Node | None) -> EdgeroiError:
        """A key without a value: most likely the rest of a number whose digits are grouped."""
        whole = before and before.place.line and self.lines[before.place.line - 1][(before.place.column or 1) - 1 :]
        if found := re.match(r"(\d{1,3}(?:,\d{3})+)([^,}]*)", whole or ""):
            fix = f"write `{found[1].replace(',', '')}{found[2].rstrip()}`"
            return EdgeroiError(f"the comma splits `{found[0].rstrip()}` in two", place=key.place, fix=fix)
        return EdgeroiError(f"{key.text!r} has no value", place=key.place, fix="write `key: value`, or quote a value that contains a comma")

    @staticmethod
    def _key(node: Node, before: Node | None) -> Scalar:
        if not isinstance(node, Scalar):
            raise EdgeroiError("a key is a word, not a list or a mapping", place=node.place, fix="quote a value that begins with { or [")
        if node.text == "<<" and node.plain:
            raise EdgeroiError("merge key `<<`", place=node.place, fix="write the keys out: a reviewer should not have to merge them")
        if node.kind == "null":
            raise EdgeroiError("a key is missing before the colon", place=node.place)
        return node


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


#: Part of the parser's message, and what mends it.
_CURES = (
    ("mapping values are not allowed", "quote a value that contains `: `, and indent keys of one mapping alike"),
    ("expected ',' or '}'", "close the `{`, and quote a value that contains , # or a brace"),
    ("expected ',' or ']'", "close the `[`, and quote a value that contains , # or a bracket"),
    ("could not find expected ':'", "write `key: value`"),
    ("expected <block end>", "indent keys of one mapping alike"),
    ("did not find expected key", "indent keys of one mapping alike"),
    ("unexpected end of stream", "close the quote"),
    ("undefined alias", "write the value out; quote a text that begins with *"),
    ("while scanning an alias", "quote a text that begins with *"),
    ("while scanning an anchor", "quote a text that begins with &"),
    ("directive", "quote a text that begins with %"),
)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> EdgeroiError:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    here = line[mark.column : mark.column + 1] if mark else ""
    if "cannot start any token" in (error.problem or "") and here:
        if here == "\t":
            return EdgeroiError("a tab", place=place, fix="indent with spaces")
        rest = re.split(r"[,}\]]|\s#|$", line[mark.column :], maxsplit=1)[0].strip() if mark else here
        return EdgeroiError(f"a value cannot begin with {here!r}", place=place, fix=f"quote it: {_quoted(rest)}")
    said = " ".join(part for part in (error.context, error.problem) if part)
    cure = next((cure for part, cure in _CURES if part in said), None)
    if re.search(r"\s#", line) and cure is not None and "close" in cure:
        cure = "quote a value that contains ` #`: it begins a comment"
    return EdgeroiError(f"not YAML: {error.problem or said}", place=place, fix=cure)
