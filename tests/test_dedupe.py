"""``--dedupe``: of exact duplicates the first counts, whichever process sees which copy, and the others are told as skipped."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import edgeroi
from edgeroi.engines import inputs, local, reader
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs import pieces as cutting
from edgeroi.logs.reading import reading
from edgeroi.logs.saved import dumped
from edgeroi.workload import Profile

BY = ("workload", "status")
ONCE, ALL = reading(by=BY, dedupe=True), reading(by=BY)


@pytest.fixture(autouse=True)
def small_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "RANGE_BYTES", 3000)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    monkeypatch.setattr(reader, "_PIECES_OF_BLOCK", 2)
    monkeypatch.setattr(cutting.pieces, "__kwdefaults__", {**cutting.pieces.__kwdefaults__, "piece_bytes": 700})


def line(rng: random.Random) -> str:
    """Ids that come again with another latency, lines that come again whole, and lines that are no requests."""
    record: dict[str, object] = {"workload": rng.choice(["chat", "search"]), "latency_ms": rng.randint(1, 40), "status": 200}
    if rng.random() < 0.5:
        record["request_id"] = f"r{rng.randint(0, 60)}"
    if rng.random() < 0.1:
        record["cache_hit"] = True
    return rng.choice([json.dumps(record)] * 9 + ["", "{broken", "[1]", "  "])


def logs_of(folder: Path, seed: int) -> list[Path]:
    rng, found = random.Random(seed), []
    for name in ("a.jsonl", "b.jsonl", "c.jsonl.gz"):
        data = ("\n".join(line(rng) for _ in range(150)) + rng.choice(["\n", ""])).encode()
        found.append(folder / name)
        found[-1].write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return found


def once(logs: Sequence[Path]) -> tuple[list[bytes], list[int]]:
    """By reading one line after the other: the logs without later copies, and how many each had."""
    met: set[str | bytes] = set()
    kept, copies = [], []
    for log in logs:
        data = gzip.decompress(log.read_bytes()) if log.suffix == ".gz" else log.read_bytes()
        left, number = [], 0
        for text in data.split(b"\n"):
            try:
                record = json.loads(text)
                known = record.get("request_id", text) if not record.get("cache_hit") else None
            except (ValueError, AttributeError):
                known = None
            if known is not None and known in met:
                number += 1
                continue
            met |= {known} if known is not None else set()
            left.append(text)
        kept.append(b"\n".join(left))
        copies.append(number)
    return kept, copies


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("jobs", [1, 3])
def test_it_is_the_profile_of_the_logs_without_their_later_copies(tmp_path: Path, seed: int, jobs: int) -> None:
    logs = logs_of(tmp_path, seed)
    profile = read_logs(logs, ONCE, jobs=jobs, rejects_to=tmp_path / "rejects")
    kept, copies = once(logs)
    for log, data in zip(logs, kept, strict=True):
        (tmp_path / "kept").mkdir(exist_ok=True)
        (tmp_path / "kept" / log.name.removesuffix(".gz")).write_bytes(data)
    expected = read_logs([tmp_path / "kept"], ALL)
    assert sum(copies) > 100
    assert profile.partial == expected.partial
    assert [file.lines.skipped.get("duplicate", 0) for file in profile.files] == copies
    assert profile.lines.profiled == expected.lines.profiled
    assert profile.lines.balanced
    everything = read_logs(logs, ALL, rejects_to=tmp_path / "all")
    assert profile.lines.read == everything.lines.read
    assert (tmp_path / "rejects").read_bytes() == (tmp_path / "all").read_bytes()


def test_without_it_every_line_counts(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text('{"latency_ms":5}\n' * 3)
    assert read_logs([log], ALL).lines.profiled == 3
    assert read_logs([log], ONCE).lines.skipped == {"duplicate": 2}


def test_the_order_of_the_logs_says_which_copy_is_the_first(tmp_path: Path) -> None:
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_text('{"latency_ms":5,"request_id":"r"}\n')
    two.write_text('{"latency_ms":7,"request_id":"r"}\n')
    assert [read_logs(logs, ONCE).total.latency.max_ms for logs in ([one, two], [two, one])] == [5, 7]


def test_records_that_are_no_lines_are_known_by_their_id_alone(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("request_id,latency_ms\nr1,5\nr1,5\n,6\n,6\n")
    profile = read_logs([table], ONCE)
    assert (profile.lines.profiled, profile.lines.skipped["duplicate"]) == (3, 1)
    assert any(note.startswith("2 requests without an id") for note in profile.notes)


def test_a_saved_profile_is_added_and_told(tmp_path: Path) -> None:
    log, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    log.write_text('{"latency_ms":5}\n' * 3)
    other.write_text('{"latency_ms":6}\n' * 3)
    (tmp_path / "a.profile").write_bytes(dumped(read_logs([log], ALL)))
    profile = read_logs([tmp_path / "a.profile", other], ONCE)
    assert profile.total.requests == 3 + 1
    assert any("saved profiles were not compared" in note for note in profile.notes)


def test_in_python_and_on_the_command_line(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text('{"latency_ms":5}\n' * 9)
    found: Profile = edgeroi.profile(log, dedupe=True)
    assert found.total.requests == 1
    with pytest.raises(EdgeroiError, match="drop_duplicates"):
        edgeroi.profile(pd.DataFrame({"latency_ms": [1.0]}), dedupe=True)
    command = [sys.executable, "-m", "edgeroi", "profile", "--dedupe"]
    done = subprocess.run([*command, log, "--format", "json"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["lines"]["skipped"] == {"duplicate": 8}
    piped = subprocess.run([*command, "-"], input=log.read_text(), capture_output=True, text=True, check=False)
    assert (piped.returncode, "save it to a file first" in piped.stderr) == (2, True)
    updated = subprocess.run([*command, log, "--update", tmp_path / "x"], capture_output=True, text=True, check=False)
    assert (updated.returncode, "leave --dedupe out" in updated.stderr) == (2, True)
