"""YAML's surprises: each is text, or an error with its line, its column and what to write instead. With either of PyYAML's parsers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.errors import EdgeroiError, Place
from edgeroi.yamltree import MAX_BYTES, MAX_DEPTH, Listing, Scalar, Table, parse_tree, read_tree


@pytest.fixture(autouse=True, params=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def scalar(text: str) -> Scalar:
    tree = parse_tree(f"a: {text}\n", "f.yaml")
    assert isinstance(tree, Table)
    found = tree.get("a")
    assert isinstance(found, Scalar)
    return found


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "off", "y", "True", "1:30", "22:22", "010", "012", "0o7", "1_000", "0x1F", "+1", ".5", "5."]
)
def test_what_json_does_not_know_stays_text(text: str) -> None:
    assert scalar(text) == Scalar(text, True, Place("f.yaml", 1, 4))
    assert scalar(text).kind == "text"


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan", "2026-11-22", "1,000 USD", "=", "60%"])
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(text: str) -> None:
    assert scalar(text).kind == "text"
    assert scalar(text).text == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", "number"),
        ("-1.5e3", "number"),
        ("1.10", "number"),
        ("true", "boolean"),
        ("false", "boolean"),
        ("null", "null"),
        ("~", "null"),
        ("", "null"),
    ],
)
def test_the_scalars_of_json_are_what_they_are(text: str, kind: str) -> None:
    assert scalar(text).kind == kind


@pytest.mark.parametrize("text", ['"1"', "'true'", '"null"', '""'])
def test_quoted_is_text(text: str) -> None:
    assert scalar(text).kind == "text"


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "fix"),
    [
        (
            "a: 1\nb: fixes #12",
            2,
            4,
            "` #` ends the value 'fixes' and begins a comment",
            'quote the value ("fixes #12"), or put a space after # in a comment',
        ),
        (
            "a: {why: see #12, by: x}\n",
            1,
            10,
            "` #` ends the value 'see'",
            'quote the value ("see #12..."), or put a space after # in a comment',
        ),
        ("a:\n  - b #c\n", 2, 5, "` #` ends the value 'b'", 'quote the value ("b #c"), or put a space after # in a comment'),
        ("a: {b: 1,000 USD}", 1, 10, "the comma splits `1,000 USD` in two", "write `1000 USD`"),
        ("a: {b: 10,000,000 /month, c: 1}", 1, 11, "the comma splits `10,000,000 /month` in two", "write `10000000 /month`"),
        ("a: {b: x, c}", 1, 11, "'c' has no value", "write `key: value`, or quote a value that contains a comma"),
        ("a: @cf/baai/bge", 1, 4, "a value cannot begin with '@'", 'quote it: "@cf/baai/bge"'),
        ("a: {model: @cf/x, b: 1}", 1, 12, "a value cannot begin with '@'", 'quote it: "@cf/x"'),
        ("a: 1\nb: %5", 2, 4, "a value cannot begin with '%'", 'quote it: "%5"'),
        ("a: `x`", 1, 4, "a value cannot begin with '`'", 'quote it: "`x`"'),
        ("a: 1\nb: 2\na: 3", 3, 1, "'a' stands twice, first on line 1", "keep one"),
        ("a: {b: 1, 'b': 2}", 1, 11, "'b' stands twice, first on line 1", "keep one"),
        ("a: &x 1", 1, 4, "anchor `&x`", "delete it, and write the value out where it is used"),
        ("a: &x {b: 1}", 1, 4, "anchor `&x`", None),
        ("a: *x", 1, 4, "alias `*x`", "write the value out: a reviewer should not have to look it up"),
        ("a:\n  <<: {b: 1}", 2, 3, "merge key `<<`", "write the keys out: a reviewer should not have to merge them"),
        ("a: !!python/object:os.system x", 1, 4, "tag `tag:yaml.org,2002:python/object:os.system`", "delete it"),
        ("a: !env HOME", 1, 4, "tag `!env`", "delete it"),
        ("a: !!float 1", 1, 4, "tag `tag:yaml.org,2002:float`", "delete it"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document begins", "keep one per file"),
        ("%YAML 1.1\n---\na: no", 1, 1, "a `%` directive", "delete it; a value that begins with % is quoted"),
        ("? [a]\n: 1", 1, 3, "a key is a word, not a list or a mapping", "quote a value that begins with { or ["),
        ("{{x: 1}: 2}: 3", 1, 2, "a key is a word, not a list or a mapping", None),
        ("a:\n\tb: 1", 2, 1, "a tab", "indent with spaces"),
        ("a: x\x00y", 1, 5, "control character '\\x00'", "delete it"),
        ("a: x\x1b[31m", 1, 5, "control character '\\x1b'", "delete it"),
        (
            "a: b: c",
            1,
            5,
            "not YAML: mapping values are not allowed",
            "quote a value that contains `: `, and indent keys of one mapping alike",
        ),
        ("a:\n  b: 1\n c: 2", 3, 2, "not YAML: ", "indent keys of one mapping alike"),
        ("a: 'x", 1, 6, "not YAML: found unexpected end of stream", "close the quote"),
        ("a: {b: 1\nc: 2}\nd: 3", None, None, "not YAML: ", None),
    ],
)
def test_a_trap_is_an_error_with_its_place_and_its_cure(
    text: str, line: int | None, column: int | None, message: str, fix: str | None
) -> None:
    with pytest.raises(EdgeroiError) as raised:
        parse_tree(text, "f.yaml")
    assert raised.value.message.startswith(message)
    if line is not None:
        assert raised.value.place == Place("f.yaml", line, column)
    if fix is not None:
        assert raised.value.fix == fix


@pytest.mark.parametrize(
    "text", ["a: 1 # one", "a: 1   #! x", "a: 1 ##", "a: 1 #", "# a\na: 1", "a: 'x #1'", 'a: "x #1" #y', "a: x#1", "a: |\n  x #1\n"]
)
def test_a_comment_is_a_comment(text: str) -> None:
    assert isinstance(parse_tree(text, "f.yaml"), Table)


def test_every_key_has_its_line_and_column() -> None:
    tree = parse_tree("a:\n  - {b: 1}\n  - c\nd: 'x'\n", "f.yaml")
    assert isinstance(tree, Table)
    assert [(key.text, str(key.place)) for key, _ in tree.entries] == [("a", "f.yaml:1:1"), ("d", "f.yaml:4:1")]
    items = tree.get("a")
    assert isinstance(items, Listing)
    assert [str(item.place) for item in items.items] == ["f.yaml:2:5", "f.yaml:3:5"]


def test_a_key_may_look_like_anything_and_is_text() -> None:
    tree = parse_tree("1: a\nno: b\n2026-11-22: c\n'x y': d\n", "f.yaml")
    assert isinstance(tree, Table)
    assert tree.keys == ("1", "no", "2026-11-22", "x y")


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)),
    "merge keys": "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n}\n  <<: [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(17)),
    "self": "a: &a [*a]\n",
    "depth": "[" * 20_000 + "]" * 20_000,
    "block depth": "\n".join(" " * n + "a:" for n in range(300)),
    "keys": "{" * 5_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    started = time.process_time()
    with pytest.raises(EdgeroiError) as raised:
        parse_tree(BOMBS[name], "bomb.yaml")
    assert raised.value.place is not None
    assert raised.value.place.file == "bomb.yaml"
    assert time.process_time() - started < 5  # expanded, the first of them holds 9^9 items


def test_the_deepest_and_the_largest_that_are_read(tmp_path: Path) -> None:
    assert isinstance(parse_tree("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1), "f"), Listing)
    with pytest.raises(EdgeroiError, match="more than 64 levels deep"):
        parse_tree("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, "f")
    file = tmp_path / "large.yaml"
    file.write_text("a: 1\n" + "#" * (MAX_BYTES - 5))
    assert isinstance(read_tree(file), Table)
    file.write_text("a: 1\n" + "#" * (MAX_BYTES - 4))
    with pytest.raises(EdgeroiError, match="larger than 1 MiB; split it"):
        read_tree(file)


@pytest.mark.parametrize(
    ("raw", "message", "place"),
    [
        (b"a: 1\nb: \xff\n", "not UTF-8", "2:4"),
        ("a: 1".encode("utf-16"), "UTF-16 text", "1:1"),
        (b"\xef\xbb\xbfa: 1\na: 2", "'a' stands twice", "2:1"),
    ],
)
def test_bytes_that_are_not_utf_8_are_told_where(tmp_path: Path, raw: bytes, message: str, place: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(raw)
    with pytest.raises(EdgeroiError) as raised:
        read_tree(file)
    assert raised.value.message.startswith(message)
    assert str(raised.value.place) == f"{file}:{place}"


def test_a_file_that_is_not_there_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("edgeroi: 1\n")
    with pytest.raises(EdgeroiError, match=r"cannot be read: No such file or directory; did you mean .*/scenario\.yaml'\?$"):
        read_tree(tmp_path / "senario.yaml")
    with pytest.raises(EdgeroiError, match="cannot be read: No such file"):
        read_tree(tmp_path / "none.yaml")


def test_nothing_at_all_is_a_null() -> None:
    assert parse_tree("", "f.yaml") == Scalar("", True, Place("f.yaml", 1, 1))


@given(st.text(alphabet="ab01:-,{}[]#&*!%@'\"<>|? \n\t", max_size=30))
def test_any_text_is_a_tree_or_an_error_with_a_place(text: str) -> None:
    try:
        parse_tree(text, "f.yaml")
    except EdgeroiError as error:
        place = error.place
    else:
        return
    assert place is not None
