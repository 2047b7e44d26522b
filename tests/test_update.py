"""A saved profile that grows is, byte for byte, the profile of everything; and growing costs the new bytes."""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeroi.engines import inputs, local
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.mapping import reading_of
from edgeroi.logs.reading import reading
from edgeroi.logs.saved import dumped

BY = reading(by=("workload", "status"))
#: As in a log's own code; the tests make it small, so that a few kilobytes are many ranges.
RANGE = 4096


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "RANGE_BYTES", RANGE)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)


def lines(seed: int, n: int) -> bytes:
    """Requests, and among them blank lines, broken lines, lines that end in a carriage return."""
    rng, said = random.Random(seed), list[str]()
    for number in range(n):
        record = {
            "timestamp": f"2026-11-{1 + number * 20 // n:02d}T{rng.randint(0, 23):02d}:00:{rng.randint(0, 59):02d}Z",
            "workload": rng.choice(["chat", "search"]),
            "status": rng.choice([200, 200, 200, 503]),
            "latency_ms": round(rng.lognormvariate(6, 1), 3),
            "output_tokens": rng.randint(0, 900),
        }
        said.append(rng.choice([json.dumps(record)] * 12 + ["", " ", "{broken", "[1]", '{"latency_ms":1,"latency_ms":2}', "{}\r"]))
    return ("\n".join(said) + "\n").encode()


def saved(logs: object, path: Path, **options: object) -> tuple[str, ...]:
    """Update the profile at ``path``, or begin it; what was noted."""
    profile = read_logs(logs, BY, keep=True, grow=path if path.exists() else None, **options)  # type: ignore[arg-type]
    path.write_bytes(dumped(profile))
    return profile.notes


def whole(logs: object) -> bytes:
    return dumped(read_logs(logs, BY, keep=True))  # type: ignore[arg-type]


def cuts(rng: random.Random, data: bytes) -> list[int]:
    """Places to stop: anywhere, just before and after a newline, at the end of a range, one byte on either side of it."""
    ends = [at for at in range(len(data)) if data[at : at + 1] == b"\n"]
    near = [rng.choice(ends) + rng.choice((0, 1)), rng.randrange(1, len(data) // RANGE + 1) * RANGE + rng.choice((-1, 0, 1))]
    return sorted(stop for stop in {*rng.sample(range(1, len(data)), 2), *near} if 600 < stop < len(data))  # a head is needed to know it by


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_cuts_an_updated_profile_is_the_profile_of_the_whole(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = b"\xef\xbb\xbf" * (seed % 2) + lines(seed, 160) + (b"" if seed % 3 else b'{"latency_ms": 7')
    (tmp_path / "logs").mkdir()
    log, other = tmp_path / "logs" / "a.jsonl", tmp_path / "logs" / "b.jsonl"
    for stop in [*cuts(rng, data), len(data), len(data)]:
        log.write_bytes(data[:stop])
        if stop > len(data) // 2:
            other.write_bytes(lines(seed + 100, 40))
        saved([tmp_path / "logs"], tmp_path / "x.profile", jobs=rng.choice((1, 2)))
        assert (tmp_path / "x.profile").read_bytes() == whole([tmp_path / "logs"])
    account = read_logs([tmp_path / "x.profile"], BY).lines
    assert account.read == (data + lines(seed + 100, 40)).count(b"\n") + (seed % 3 == 0)


def test_an_unfinished_last_line_is_neither_lost_nor_counted_twice(tmp_path: Path) -> None:
    """Complete but for its newline it is a request; cut, it is a reject until the rest arrives."""
    log, profile = tmp_path / "a.jsonl", tmp_path / "x.profile"
    first, second = b'{"latency_ms": 1}\n', b'{"latency_ms": 200}'
    for said, profiled, rejected in (
        (first + second[:10], 1, 1),
        (first + second, 2, 0),
        (first + second + b"\n", 2, 0),
        (first + second + b"\n" + first + second, 4, 0),
        (first + second + b"\n" + first + second + b" x\n", 3, 1),
    ):
        log.write_bytes(said)
        saved([log], profile)
        told = read_logs([profile], BY)
        assert (told.lines.profiled, told.lines.total_rejected) == (profiled, rejected)
        assert told.total.latency.n == profiled


def bytes_read_by(work: object) -> int:
    """What this process reads, as the system counts it."""

    def count() -> int:
        return int(next(line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")).split()[1])

    before = count()
    probe = count() - before
    work()  # type: ignore[operator]
    return count() - before - 2 * probe


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count what a process reads")
def test_an_update_reads_the_new_bytes_and_two_short_looks_at_the_old(tmp_path: Path) -> None:
    inputs.RANGE_BYTES = 1 << 20
    old, new = lines(1, 4000) * 5, lines(2, 4000)
    logs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for log in logs:
        log.write_bytes(old)
    saved(logs, tmp_path / "x.profile", jobs=1)
    logs[0].write_bytes(old + new)
    notes = list[str]()
    read = bytes_read_by(lambda: notes.extend(saved(logs, tmp_path / "x.profile", jobs=1)))
    assert len(old) > 3 << 19
    # Of each log the head (256 KiB) and the last range begun (here the second MiB); of the grown one that range again, with the rest.
    last = len(old) - (1 << 20)
    known = 2 * ((1 << 18) + last) + last
    profile = 2 * (tmp_path / "x.profile").stat().st_size
    assert len(new) < read < len(new) + known + profile + 100_000
    told = re.fullmatch(r"update: ([\d,]+) of ([\d,]+) bytes read; 1 logs unchanged, 1 grown, 0 read whole", notes[-1])
    assert told is not None
    assert int(told[2].replace(",", "")) == 2 * len(old) + len(new)
    # A range is read on to the end of its last line, 64 KiB at a time.
    assert 0 <= int(told[1].replace(",", "")) - (last + len(new)) < 1 << 17
    assert (tmp_path / "x.profile").read_bytes() == whole(logs)


@pytest.mark.parametrize("change", ["first byte", "last range", "cut", "replaced", "emptied"])
def test_a_log_that_was_rewritten_or_cut_is_noticed_told_and_read_anew(tmp_path: Path, change: str) -> None:
    log, profile, data = tmp_path / "a.jsonl", tmp_path / "x.profile", lines(1, 200)
    log.write_bytes(data)
    saved([log], profile)
    changed = {
        "first byte": b" " + data[1:] + lines(2, 9),
        "last range": data[:-20] + b"\n" * 20,
        "cut": data[: len(data) // 2],
        "replaced": lines(3, 300),
        "emptied": b"",
    }[change]
    log.write_bytes(changed)
    if change == "first byte":  # the head is looked at where there is more than a head; of a short log the last range is the first
        inputs.RANGE_BYTES = 1 << 20
        log.write_bytes(data)
        profile.unlink()
        saved([log], profile)
        log.write_bytes(changed)
    notes = saved([log], profile)
    assert any("a.jsonl was rewritten or cut" in note and f"{len(data):,} bytes then" in note for note in notes)
    assert profile.read_bytes() == whole([log])


def test_a_head_that_changed_in_a_long_log_is_noticed(tmp_path: Path) -> None:
    log, profile, data = tmp_path / "a.jsonl", tmp_path / "x.profile", lines(1, 3600)
    assert len(data) > 1 << 18
    log.write_bytes(data)
    saved([log], profile)
    log.write_bytes(data.replace(b"chat", b"talk", 1))
    assert any("was rewritten" in note for note in saved([log], profile))
    assert profile.read_bytes() == whole([log])


def test_a_log_rotated_away_is_known_under_its_new_name(tmp_path: Path) -> None:
    first, second = lines(1, 200), lines(2, 200)
    (tmp_path / "logs").mkdir()
    log, rotated, profile = tmp_path / "logs" / "app.log", tmp_path / "logs" / "app.log.1", tmp_path / "x.profile"
    log.write_bytes(first)
    saved([tmp_path / "logs"], profile)
    log.rename(rotated)
    rotated.write_bytes(first + lines(3, 5))  # a last few lines before it was moved
    log.write_bytes(second)
    notes = saved([tmp_path / "logs"], profile)
    assert "1 grown, 1 read whole" in notes[-1]
    assert profile.read_bytes() == whole([tmp_path / "logs"])


def test_a_log_that_moved_is_read_again_where_rules_look_at_its_place(tmp_path: Path) -> None:
    mapping, log, moved = tmp_path / "m.yaml", tmp_path / "edge" / "a.jsonl", tmp_path / "cloud" / "a.jsonl"
    mapping.write_text("rules:\n  placement: [{file: /edge/, is: edge}, {file: /cloud/, is: cloud}]\n")
    log.parent.mkdir()
    moved.parent.mkdir()
    log.write_bytes(lines(1, 50))
    how = reading_of(mapping, by=("placement",))
    (tmp_path / "x").write_bytes(dumped(read_logs([log], how, keep=True)))
    assert "1 logs unchanged" in read_logs([log], how, grow=tmp_path / "x").notes[-1]
    log.rename(moved)
    found = read_logs([moved], how, grow=tmp_path / "x")
    assert [group.key["placement"] for group in found.groups] == ["cloud"]
    assert dumped(found) == dumped(read_logs([moved], how, keep=True))


def test_a_log_packed_away_takes_the_place_of_the_log_it_was(tmp_path: Path) -> None:
    data = lines(1, 200)
    (tmp_path / "logs").mkdir()
    log, profile = tmp_path / "logs" / "app.log", tmp_path / "x.profile"
    log.write_bytes(data)
    saved([tmp_path / "logs"], profile)
    log.unlink()
    (tmp_path / "logs" / "app.log.1.gz").write_bytes(gzip.compress(data + lines(3, 5)))
    assert any("begins as app.log did" in note for note in saved([tmp_path / "logs"], profile))
    assert profile.read_bytes() == whole([tmp_path / "logs"])


def test_a_compressed_log_that_grew_is_read_whole_and_told(tmp_path: Path) -> None:
    log, profile = tmp_path / "a.jsonl.gz", tmp_path / "x.profile"
    log.write_bytes(gzip.compress(lines(1, 200)))
    saved([log], profile)
    assert "1 logs unchanged" in saved([log], profile)[-1]
    log.write_bytes(log.read_bytes() + gzip.compress(lines(2, 50)))
    assert any("grew and is read whole: a compressed stream" in note for note in saved([log], profile))
    assert profile.read_bytes() == whole([log])


def test_a_table_that_grew_is_read_whole(tmp_path: Path) -> None:
    """Its header stands at the start."""
    log, profile = tmp_path / "a.csv", tmp_path / "x.profile"
    rows = ["latency_ms,workload", *(f"{n}.5,chat" for n in range(900))]
    log.write_text("\n".join(rows[:500]) + "\n")
    saved([log], profile)
    log.write_text("\n".join(rows) + "\n")
    assert any("read front to back" in note for note in saved([log], profile))
    assert profile.read_bytes() == whole([log])
    assert read_logs([profile], BY).total.requests == 900


def test_logs_that_are_not_named_again_are_kept(tmp_path: Path) -> None:
    days, profile = [tmp_path / f"{day}.jsonl" for day in "abc"], tmp_path / "x.profile"
    for seed, day in enumerate(days):
        day.write_bytes(lines(seed, 120))
        notes = saved([day], profile)
    assert "2 of the profile not named and kept" in notes[-1]
    assert profile.read_bytes() == whole(days)
    assert read_logs([profile], BY).partial == read_logs(days, BY).partial


def test_a_profile_in_the_folder_it_profiles_is_not_one_of_the_logs(tmp_path: Path) -> None:
    log, profile = tmp_path / "a.jsonl", tmp_path / "x.profile"
    log.write_bytes(lines(1, 100))
    for n in (150, 200):
        saved([tmp_path], profile)
        log.write_bytes(lines(1, 100) + lines(2, n))
    saved([tmp_path], profile)
    assert profile.read_bytes() == whole([log])


def test_a_profile_read_with_other_options_cannot_grow(tmp_path: Path) -> None:
    log, profile = tmp_path / "a.jsonl", tmp_path / "x.profile"
    log.write_bytes(lines(1, 30))
    saved([log], profile)
    with pytest.raises(EdgeroiError, match=r"other options \(by: \('workload', 'status'\), now \('workload',\)\)"):
        read_logs([log], reading(by=("workload",)), grow=profile)
    with pytest.raises(EdgeroiError, match=r"other options \(const: \[\], now \[\('region', 'eu'\)\]"):
        read_logs([log], reading(by=("workload", "status"), const=("region=eu",)), grow=profile)
    profile.write_bytes(dumped(read_logs([log], BY)))
    with pytest.raises(EdgeroiError, match="without what it takes to grow"):
        read_logs([log], BY, grow=profile)
    for data, why in ((b"nothing", "no saved profile"), (gzip.compress(b"x"), "no profile saved"), (whole([log])[:-9], "cut or changed")):
        profile.write_bytes(data)
        with pytest.raises(EdgeroiError, match=why):
            read_logs([log], BY, grow=profile)


def test_profiles_merged_keep_their_sum_while_new_logs_come(tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.jsonl" for name in "abc")
    for seed, log in enumerate((one, two, three)):
        log.write_bytes(lines(seed, 150))
    saved([one], tmp_path / "one.profile")
    merged = tmp_path / "merged.profile"
    saved([tmp_path / "one.profile", two], merged)
    two.write_bytes(lines(1, 150) + lines(9, 20))
    saved([two, three], merged)
    told = read_logs([merged], BY)
    assert told.partial == read_logs([one, two, three], BY).partial
    assert told.lines == read_logs([one, two, three], BY).lines
    with pytest.raises(EdgeroiError, match="merged from another profile"):
        read_logs([one], BY, grow=merged)


def test_rejects_of_new_lines_are_told_at_their_lines_of_the_file(tmp_path: Path) -> None:
    log, profile = tmp_path / "a.jsonl", tmp_path / "x.profile"
    log.write_bytes(b'{"latency_ms": 1}\n' * 300 + b'{"latency_ms"')
    saved([log], profile)
    log.write_bytes(b'{"latency_ms": 1}\n' * 300 + b'{"latency_ms": 2}\n{broken\n')
    saved([log], profile, rejects_to=tmp_path / "rejects")
    assert [json.loads(text)["line"] for text in (tmp_path / "rejects").read_text().splitlines()] == [302]


def test_a_log_that_grows_while_it_is_read_is_read_to_where_it_was_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that is cut there is told as cut, and taken whole the next time."""
    log, profile, data = tmp_path / "a.jsonl", tmp_path / "x.profile", lines(1, 200)
    log.write_bytes(data[:9000])
    planned = local.tasks_of

    def growing(given: object) -> object:
        log.write_bytes(data)
        return planned(given)  # type: ignore[arg-type]

    monkeypatch.setattr(local, "tasks_of", growing)
    saved([log], profile)
    assert read_logs([profile], BY).lines.read == data[:9000].count(b"\n") + 1
    saved([log], profile)
    assert profile.read_bytes() == whole([log])


def test_many_logs_are_counted_apart_and_add_up(tmp_path: Path) -> None:
    """More than are counted at a time."""
    logs = [tmp_path / f"{n}.jsonl" for n in range(70)]
    for seed, log in enumerate(logs):
        log.write_bytes(lines(seed, 20))
    saved(logs, tmp_path / "x.profile", jobs=2)
    for log in logs[::2]:
        log.write_bytes(log.read_bytes() + lines(7, 3))
    saved(logs, tmp_path / "x.profile", jobs=2)
    assert (tmp_path / "x.profile").read_bytes() == whole(logs)
    assert read_logs([tmp_path / "x.profile"], BY).partial == read_logs(logs, BY).partial


# --- the command -----------------------------------------------------------------------------------------------------------


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeroi", "profile", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_begins_a_profile_and_then_updates_it(tmp_path: Path) -> None:
    log, profile = tmp_path / "a.jsonl", tmp_path / "x.profile"
    log.write_bytes(b'{"latency_ms": 1.5}\n' * 20)
    assert run(log, "--update", profile).returncode == 0
    log.write_bytes(b'{"latency_ms": 1.5}\n' * 30)
    done = run(log, "--update", profile, "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["lines"]["profiled"] == 30
    assert any("1 grown" in note for note in json.loads(done.stdout)["notes"])
    assert run(log, "--save", tmp_path / "y.profile").returncode == 0
    assert profile.read_bytes() == (tmp_path / "y.profile").read_bytes()
    both = run(log, "--update", profile, "--save", profile)
    assert (both.returncode, "not both" in both.stderr) == (2, True)
