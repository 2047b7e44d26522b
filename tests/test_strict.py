"""No line is taken that a strict reader would refuse, and none refused that it would take: mutations, the test suite of JSON."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading

SUITE = Path(__file__).parents[2] / "shared" / "data" / "JSONTestSuite" / "test_parsing"
needs_suite = pytest.mark.skipif(not SUITE.is_dir(), reason="the shared JSONTestSuite is not here")
BY = reading(by=("workload",))
MOST_COUNT = 2**53
LONGEST_MS = 2**53 / 1e6


# --- a second reader, of the standard library alone -------------------------------------------------------------------------


class Refused(Exception):
    """The line is no request."""


def refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Refused("a key twice")
    return dict(pairs)


def refuse(text: str) -> object:
    raise Refused(text)


def finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise Refused("no number")
    return float(text)


def instant(text: object) -> datetime | None:
    """RFC 3339 with a zone; an epoch number is an instant by its digits, which these logs have none of."""
    if text is None:
        return None
    if isinstance(text, bool) or not isinstance(text, str):
        raise Refused("no timestamp")
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", text, re.ASCII)
    if found is None:
        raise Refused("no timestamp")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    zone = found[7]
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Refused("no date") from None
    if zone not in "Zz":
        if int(zone[1:3]) > 23 or int(zone[4:]) > 59:
            raise Refused("no zone")
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
        at = at - offset if zone[0] == "+" else at + offset
    if not 1970 <= at.year < 2200:
        raise Refused("out of range")
    return at


def request_of(line: bytes) -> tuple[float, int]:
    """Latency in ns and output tokens; raises ``Refused`` or ``ValueError`` for what is none."""
    if b"\0" in line or line.startswith(b"\xef\xbb\xbf"):
        raise Refused("bytes")
    record = json.loads(line.decode(), object_pairs_hook=refuse_twice, parse_constant=refuse, parse_float=finite)
    if not isinstance(record, dict):
        raise Refused("no object")
    latency, tokens = record.get("latency_ms"), record.get("output_tokens")
    if isinstance(latency, bool) or not isinstance(latency, int | float) or not 0 <= latency <= LONGEST_MS:
        raise Refused("latency")
    whole = isinstance(tokens, int) or (isinstance(tokens, float) and tokens.is_integer())
    if tokens is not None and (isinstance(tokens, bool) or not whole or not 0 <= tokens < MOST_COUNT):
        raise Refused("tokens")
    if record.get("workload") is not None and not isinstance(record["workload"], str):
        raise Refused("workload")
    if record.get("streamed") is not None and not isinstance(record["streamed"], bool):
        raise Refused("streamed")
    instant(record.get("timestamp"))
    return round(latency * 1e6), int(tokens or 0)


def judged(line: bytes) -> tuple[float, int] | None:
    try:
        return request_of(line)
    except (Refused, ValueError, RecursionError):
        return None


# --- mutations --------------------------------------------------------------------------------------------------------------


def good(rng: random.Random) -> bytes:
    record = {
        "timestamp": f"2026-11-{rng.randint(1, 30):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:07{rng.choice(['Z', '+05:30'])}",
        "workload": rng.choice(["chat", "search", "näher"]),
        "latency_ms": rng.choice([rng.randint(0, 5000), round(rng.uniform(0, 9000), 3), 1.5e3]),
        "output_tokens": rng.choice([rng.randint(0, 900), None]),
        "streamed": rng.choice([True, False, None]),
        "extra": rng.choice([{"a": [1, {"b": None}]}, "text", 7]),
    }
    return json.dumps(record, ensure_ascii=False, separators=rng.choice([(",", ":"), (", ", ": ")])).encode()


BYTES = [bytes([code]) for code in b'"{}[],:0123456789.eE+-tfnu \\/\t\r\x0b\x00\x1f\x7f\xff\xc3\xa4\n']
BYTES += [b"null", b"true", b'"x":1,', b"1e999", b"\\u00e4"]


def mutated(line: bytes, rng: random.Random) -> bytes:
    """One to three bytes, or a stretch, replaced, put in, left out or said twice; of twelve lines, one key said twice."""
    if rng.random() < 1 / 12:
        line = line.replace(
            b"{", b"{" + rng.choice([b'"workload":"chat",', b'"latency_ms" : 5,', b'"\\u0073treamed":true,', b'"new":1,']), 1
        )
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(line) + 1)
        length = rng.choice((1, 1, 1, rng.randint(1, 12)))
        how = rng.choice(("replace", "insert", "delete", "repeat"))
        new = rng.choice(BYTES) if how in ("replace", "insert") else line[at : at + length] * 2 if how == "repeat" else b""
        line = line[:at] + new + line[at + (0 if how == "insert" else length) :]
    return line


def mutations(seed: int, n: int) -> bytes:
    rng = random.Random(seed)
    return b"\n".join([good(rng), *(mutated(good(rng), rng) for _ in range(n))]) + b"\n"


@pytest.mark.parametrize("seed", range(20))
def test_of_20_000_mutations_a_strict_reader_takes_the_same(tmp_path: Path, seed: int) -> None:
    data = mutations(seed, 1000)
    log, rejects = tmp_path / "a.jsonl", tmp_path / "rejects"
    log.write_bytes(data)
    profile = read_logs([log], BY, rejects_to=rejects)
    lines = data.split(b"\n")[:-1]
    ours = {json.loads(text)["line"] for text in rejects.read_text().splitlines()}
    told = {number: judged(line) for number, line in enumerate(lines, 1) if line.strip(b" \t\r\v\f")}
    theirs = {number for number, request in told.items() if request is None}
    odd = sorted(ours ^ theirs)
    assert not odd, [(number in ours, lines[number - 1]) for number in odd[:3]]
    kept = [request for request in told.values() if request is not None]
    assert len(kept) > 100
    assert len(theirs) > 100
    assert profile.lines.balanced
    assert (profile.lines.read, profile.lines.blank, profile.lines.profiled) == (len(lines), len(lines) - len(told), len(kept))
    assert profile.lines.total_rejected == len(theirs)
    assert int(profile.total.latency.sums_ns.sum()) == sum(latency for latency, _ in kept)
    assert profile.total.sums["output_tokens"].total == sum(tokens for _, tokens in kept)


# --- the test suite of JSON -------------------------------------------------------------------------------------------------


def cases(kind: str) -> list[Path]:
    return sorted(SUITE.glob(f"{kind}_*.json"))


def wrapped(path: Path) -> bytes:
    """A request with the text as a value nobody asks for."""
    return b'{"latency_ms":7,"extra":' + path.read_bytes() + b"}"


def profiled_of(tmp_path: Path, text: bytes) -> tuple[int, int]:
    """How many lines between two good ones are profiled, and how many there are."""
    good_line = b'{"latency_ms":5}\n'
    (tmp_path / "a.jsonl").write_bytes(good_line + text + b"\n" + good_line)
    lines = read_logs([tmp_path / "a.jsonl"], BY).lines
    assert lines.balanced
    assert lines.read == text.count(b"\n") + 3
    return lines.profiled - 2, text.count(b"\n") + 1


@needs_suite
def test_no_text_that_must_be_refused_is_profiled_nor_ends_a_run(tmp_path: Path) -> None:
    refused = cases("n")
    assert len(refused) > 180
    for path in refused:
        assert profiled_of(tmp_path, path.read_bytes())[0] == 0, path.name
        if b"\n" not in path.read_bytes():
            assert profiled_of(tmp_path, wrapped(path))[0] == 0, path.name


@needs_suite
def test_every_text_that_must_be_taken_is_taken(tmp_path: Path) -> None:
    taken = [path for path in cases("y") if b"\n" not in path.read_bytes()]
    assert len(taken) > 80
    for path in taken:
        # An object that says a key twice is valid JSON, and no record that can be trusted.
        expected = 0 if "duplicated_key" in path.name else 1
        assert profiled_of(tmp_path, wrapped(path))[0] == expected, path.name


@needs_suite
def test_what_a_parser_may_take_or_refuse_ends_no_run(tmp_path: Path) -> None:
    for path in cases("i"):
        profiled_of(tmp_path, path.read_bytes())
        profiled_of(tmp_path, wrapped(path))


# --- where the machine stands ----------------------------------------------------------------------------------------------


PROFILED = """
import sys
from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading
from edgeroi.logs.saved import dumped
sys.stdout.buffer.write(dumped(read_logs(sys.argv[1:], reading(by=("workload",)), keep=True)))
"""


def test_the_zone_of_the_machine_changes_no_byte(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(mutations(99, 2000))
    said = {
        subprocess.run([sys.executable, "-c", PROFILED, str(log)], env={**os.environ, "TZ": zone}, capture_output=True, check=True).stdout
        for zone in ("UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati")
    }
    assert len(said) == 1
    assert len(said.pop()) > 1000
