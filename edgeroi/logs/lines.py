"""What can be wrong with a line of JSON before its values are looked at: bytes, syntax, nesting, keys said twice.

``object_of`` is exact and says why; formats with a faster way for clean input come here for what is left.
"""

from __future__ import annotations

import json
from typing import Any

from edgeroi.logs.record import Bad

#: A line longer than this is not looked into.
LONGEST_LINE = 16 << 20
BOM = b"\xef\xbb\xbf"


def object_of(line: bytes) -> dict[str, Any] | Bad:
    """The JSON object a line holds, or why it holds none; white space around it is allowed."""
    import msgspec

    bad = bad_bytes(line)
    if bad is not None:
        return bad
    try:
        value = msgspec.json.decode(line)
    except RecursionError:
        return Bad("too_deep", "brackets are nested too deep")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Bad("out_of_range" if "out of range" in str(error) else "bad_json", syntax(error))
    if not isinstance(value, dict):
        return Bad("not_object", "the line is JSON, but no object")
    if may_repeat_a_key(line, value):
        repeated = repeated_key(line)
        if repeated is not None:
            return Bad("duplicate_key", f"key {repeated!r} is there twice")
    return value


def bad_bytes(line: bytes) -> Bad | None:
    """What is wrong with the bytes themselves."""
    if len(line) > LONGEST_LINE:
        return Bad("line_too_long", f"the line is longer than {LONGEST_LINE >> 20} MiB")
    if b"\0" in line:
        return _bad_nul(line)
    if line.startswith(BOM):
        return Bad("bom_mid_file", "a byte order mark stands before the line")
    try:
        line.isascii() or line.decode()
    except UnicodeDecodeError as error:
        if line.startswith((b"\xff\xfe", b"\xfe\xff")):
            return _UTF_16
        return Bad("invalid_utf8", f"byte {error.start + 1} is not UTF-8")
    return None


_UTF_16 = Bad("utf16", "the file is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")


def _bad_nul(line: bytes) -> Bad:
    if not line.strip(b"\0"):
        return Bad("nul_block", f"{len(line)} NUL bytes, as a crash leaves them")
    if line.startswith((b"\xff\xfe", b"\xfe\xff")) or is_utf16(line):
        return _UTF_16
    if line.startswith(b"\0\0\0\0") or line.endswith(b"\0\0\0\0"):
        return Bad("nul_block", "a block of NUL bytes, as a crash leaves them")
    return Bad("nul_byte", f"byte {line.index(0) + 1} is NUL")


def is_utf16(data: bytes) -> bool:
    """Whether every other byte is NUL, give or take a newline's half at either end."""
    for start in (0, 1):
        nuls, texts = data[start::2], data[1 - start :: 2]
        if len(data) > 3 and nuls.count(0) == len(nuls) and not texts.count(0):
            return True
    return False


def syntax(error: Exception) -> str:
    """What the parser said, without what it read."""
    said = str(error)
    return said.removeprefix("JSON is malformed: ").split(" - at")[0] or type(error).__name__


def may_repeat_a_key(line: bytes, value: dict[str, Any]) -> bool:
    """Whether a key may be there twice; False is certain.

    Every key is a quote with a colon behind it, unless white space stands between. So where the line has no more
    ``":`` than the value has keys, and no white space before any colon, no key was lost in reading.
    """
    return line.count(b'":') != _keys(value) or b" :" in line or b"\t:" in line or b"\r:" in line or b"\n:" in line


def _keys(value: Any) -> int:
    """How many keys a value has, at all depths."""
    keys, pending = 0, [value]
    while pending:
        inside = pending.pop()
        if type(inside) is dict:
            keys += len(inside)
            pending.extend(part for part in inside.values() if type(part) in (dict, list))
        else:
            pending.extend(part for part in inside if type(part) in (dict, list))
    return keys


class _RepeatedKey(ValueError):
    pass


def repeated_key(line: bytes) -> str | None:
    """The first key that an object of the line has twice, after escapes are read; the line is valid JSON."""
    try:
        json.loads(line, object_pairs_hook=_once)
    except _RepeatedKey as error:
        return str(error.args[0])
    except (RecursionError, ValueError):
        return None
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, if no key is there twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        raise _RepeatedKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return value
