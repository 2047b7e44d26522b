"""Files that really grow, turn over, are cut, copied and packed away while they are watched: every request once, only new bytes read."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from edgeroi.engines.following import Following
from edgeroi.engines.local import read_folded
from edgeroi.errors import EdgeroiError
from edgeroi.logs.reading import reading
from edgeroi.usage import UsageFold


def lines(*numbers: int) -> bytes:
    """A request each, whose input is its number."""
    rows = ({"timestamp": f"2026-11-01T10:00:00.{n % 1000:03}Z", "latency_ms": 5, "model": "m", "input_tokens": n} for n in numbers)
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def watched(*paths: Path) -> Following[UsageFold]:
    return Following(paths, reading(), UsageFold())


def told(following: Following[UsageFold]) -> tuple[int, int]:
    """Requests, and the sum of their input; the lines account for the same."""
    usage, profile = following.fold.usage, following.profile()
    assert profile.lines.balanced
    assert profile.lines.profiled == usage.requests
    return usage.requests, sum(amounts.input_tokens for amounts in usage.cells.values())


def test_only_what_is_new_is_read_and_the_sum_is_that_of_reading_anew(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(*range(500)))
    following = watched(log)
    assert following.look().bytes == log.stat().st_size
    for start in (500, 503, 700):
        new = lines(*range(start, start + 3))
        append(log, new)
        # One byte more: that the last look ended at the end of a line is looked up.
        assert following.look().bytes == len(new) + 1
        assert following.look().bytes == 0
    assert following.fold.usage == read_folded([log], reading(), UsageFold())[1].usage
    assert told(following)[0] == 509


def test_an_unfinished_line_waits_until_it_is_finished(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2) + lines(3)[:20])
    following = watched(log)
    following.look()
    assert told(following) == (2, 3)
    append(log, lines(3)[20:])
    following.look()
    assert told(following) == (3, 6)


def test_a_broken_line_is_counted_at_its_line(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2))
    following = watched(log)
    following.look()
    append(log, lines(3) + b"{oops\n")
    following.look()
    assert told(following) == (3, 6)
    assert [(reject.line, reject.reason) for reject in following.profile().rejects] == [(4, "bad_json")]


def test_a_log_that_is_renamed_is_read_to_its_end_and_its_successor_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2))
    following = watched(log)
    following.look()
    append(log, lines(4))  # between the last look and the rotation
    log.rename(tmp_path / "a.jsonl.1")
    assert any("not there for now" in note for note in following.look().notes)
    append(tmp_path / "a.jsonl.1", lines(8))
    log.write_bytes(lines(16))
    following.look()
    assert told(following) == (5, 31)
    append(log, lines(32))
    following.look()
    assert told(following) == (6, 63)


def test_a_folder_in_which_logs_turn_over_is_counted_once(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2))
    (tmp_path / "notes.txt").write_text("no log\n")
    following = watched(tmp_path)
    assert any("notes.txt" in note for note in following.look().notes)
    log.rename(tmp_path / "a.1.jsonl")
    log.write_bytes(lines(4))
    (tmp_path / "b.jsonl").write_bytes(lines(8))
    following.look()
    assert told(following) == (4, 15)
    assert not following.look().notes


def test_a_log_that_is_copied_and_cut_is_counted_once(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2))
    following = watched(tmp_path)
    following.look()
    append(log, lines(4))  # only in the copy, and not read yet
    shutil.copy(log, tmp_path / "a.1.jsonl")
    log.write_bytes(b"")
    notes = following.look().notes
    assert any("was cut or rewritten" in note and "2 lines" in note for note in notes)
    append(log, lines(8))
    following.look()
    assert told(following) == (4, 15)


def test_a_log_that_was_cut_and_grew_beyond_what_it_was_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1, 2))
    following = watched(log)
    following.look()
    log.write_bytes(lines(4, 8, 16, 32))
    assert any("read from its start" in note for note in following.look().notes)
    assert told(following) == (6, 63)


def test_a_log_that_begins_as_before_and_goes_on_otherwise_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(*range(100)))
    following = watched(log)
    following.look()
    # The first 90 lines, more than what a log is known by at its start, stay; the last ten are others.
    log.write_bytes(lines(*range(90)) + lines(*range(200, 211)))
    assert any("read from its start" in note for note in following.look().notes)
    assert told(following) == (201, sum(range(100)) + sum(range(90)) + sum(range(200, 211)))


def test_a_log_that_is_packed_away_is_not_counted_again(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(*range(100)))
    following = watched(tmp_path)
    following.look()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    assert any("packed away" in note for note in following.look().notes)
    append(log, lines(7))
    following.look()
    assert told(following) == (101, 4950 + 7)


def test_what_can_only_be_read_whole_is_read_whole_when_it_changed(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("timestamp,latency_ms,model,input_tokens\n2026-11-01T10:00:00Z,5,m,1\n")
    following = watched(table)
    assert following.look().bytes == table.stat().st_size
    assert following.look().bytes == 0
    append(table, b"2026-11-01T11:00:00Z,5,m,2\n")
    assert following.look().bytes == table.stat().st_size
    assert told(following) == (2, 3)


def test_a_document_of_one_line_without_an_end_is_read(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in lines(1, 2).splitlines()]
    (tmp_path / "page.json").write_text(json.dumps(rows))
    (tmp_path / "begun.jsonl").write_bytes(lines(4)[:30])
    following = watched(tmp_path / "page.json", tmp_path / "begun.jsonl")
    following.look()
    assert told(following) == (2, 3)
    append(tmp_path / "begun.jsonl", lines(4)[30:])
    following.look()
    assert told(following) == (3, 7)


def test_a_log_may_be_empty_at_first_but_not_be_none(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.touch()
    following = watched(log)
    following.look()
    assert told(following) == (0, 0)
    append(log, lines(5))
    following.look()
    assert told(following) == (1, 5)
    with pytest.raises(EdgeroiError, match="no such file"):
        watched(tmp_path / "b.jsonl").look()
    (tmp_path / "c.txt").write_text("words\n")
    with pytest.raises(EdgeroiError, match="not a request log"):
        watched(tmp_path / "c.txt").look()
    with pytest.raises(EdgeroiError, match="can be watched"):
        Following(["-"], reading(), UsageFold())


def test_a_log_that_is_gone_for_a_moment_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between being met and being opened a log may be renamed; the system then says what it says of a file that is gone."""
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(1))
    following = watched(log)
    following.look()
    append(log, lines(2))
    opened = Path.open

    def vanish(at: int) -> None:
        left = [at]

        def gone(self: Path, *how: object, **more: object) -> object:
            left[0] -= self == log
            if left[0] == 0:
                raise FileNotFoundError(2, "No such file or directory", str(self))
            return opened(self, *how, **more)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", gone)

    for at in (1, 2, 3):  # when it is known again, when its end is looked for, when it is read
        vanish(at)
        assert any("cannot be read for now" in note for note in following.look().notes)
        assert told(following) == (1, 1)
    monkeypatch.undo()
    following.look()
    assert told(following) == (2, 3)


def test_a_large_backlog_is_read_in_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeroi.engines.following.RANGE_BYTES", 1000)
    log = tmp_path / "a.jsonl"
    log.write_bytes(lines(*range(200)))
    following = watched(log)
    following.look()
    append(log, lines(*range(200, 300)))
    following.look()
    assert told(following) == (300, sum(range(300)))
