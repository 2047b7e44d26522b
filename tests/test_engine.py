"""The engine: whatever the cuts, the processes, the compression and the way in, one profile and every line accounted for."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128

from edgeroi.engines import inputs, local
from edgeroi.engines.local import read_logs
from edgeroi.engines.outcome import digest_of_leaves
from edgeroi.errors import EdgeroiError, InternalFault
from edgeroi.logs import pieces as cutting
from edgeroi.logs.jsonl import FORMAT
from edgeroi.logs.pieces import NewlineCount, newlines, pieces
from edgeroi.logs.reading import reading
from edgeroi.logs.saved import dumped
from edgeroi.stats import order_statistic_ranks
from edgeroi.workload import over_limit

BY = reading(by=("workload", "status"))


def line(rng):
    record = {
        "timestamp": f"2026-11-{rng.randint(1, 20):02d}T{rng.randint(0, 23):02d}:00:{rng.randint(0, 59):02d}Z",
        "workload": rng.choice(["chat", "search"]),
        "status": rng.choice([200, 200, 200, 503]),
        "latency_ms": round(rng.lognormvariate(6, 1), 3),
        "output_tokens": rng.randint(0, 900),
    }
    return rng.choice([json.dumps(record)] * 20 + ["", "  ", "{broken", "[1]", '{"latency_ms":"1"}', '{"latency_ms":1,"latency_ms":1}'])


def log(seed=1, n=3000, end="\n"):
    rng = random.Random(seed)
    return ("\n".join(line(rng) for _ in range(n)) + end).encode()


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(log())
    return file


@pytest.fixture
def small_cuts(monkeypatch):
    """Ranges and pieces so small that every file is cut in many places."""
    monkeypatch.setattr(inputs, "RANGE_BYTES", 5000)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    monkeypatch.setattr(cutting.pieces, "__kwdefaults__", {**cutting.pieces.__kwdefaults__, "piece_bytes": 700})


def without_place(profile):
    account = profile.files[0]
    return (profile.partial, account.lines, [(r.line, r.reason, r.raw) for r in profile.rejects])


def test_an_independent_reading_agrees(path):
    """Plain json and sorted lists: requests, errors, nearest ranks."""
    lines = path.read_bytes().decode().split("\n")[:-1]
    latencies, errors, blank, bad = {}, {}, 0, 0
    for text in lines:
        try:
            record = json.loads(text, object_pairs_hook=lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else None)
            group = (record["workload"], str(record["status"]))
            latencies.setdefault(group, []).append(record["latency_ms"])
            errors[group] = errors.get(group, 0) + (record["status"] >= 400)
        except (ValueError, TypeError, KeyError):
            blank, bad = blank + (not text.strip()), bad + bool(text.strip())
    profile = read_logs([path], BY)
    assert (profile.lines.read, profile.lines.blank, profile.lines.total_rejected) == (len(lines), blank, bad)
    for group in profile.groups:
        key = tuple(group.key.values())
        values = sorted(latencies[key])
        assert (group.tally.requests, group.tally.errors) == (len(values), errors[key])
        held = group.tally.failure if errors[key] else group.tally.latency
        for p in (0.5, 0.9, 0.99):
            nearest = values[max(1, -(-int(p * 100) * len(values) // 100)) - 1]
            assert held.quantile(p) == pytest.approx(nearest, rel=1e-3)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_cuts_and_processes_do_not_matter(path, small_cuts, jobs):
    cut = read_logs([path], BY, jobs=jobs)
    inputs.RANGE_BYTES = 1 << 30
    assert without_place(cut) == without_place(read_logs([path], BY, jobs=1))


@given(st.lists(st.sampled_from(["", "a", "bb" * 9, "x" * 60]), max_size=12), st.booleans(), st.integers(1, 9), st.integers(1, 25))
@settings(max_examples=300)
def test_ranges_own_every_line_once(lines, ends_open, piece_bytes, range_bytes):
    data = "\n".join(lines).encode() + (b"" if ends_open else b"\n")
    owned, counted = [], 0
    for start in range(0, len(data), range_bytes):
        file, count = io.BytesIO(data), NewlineCount()
        file.seek(start)
        inside = start > 0 and data[start - 1 : start] != b"\n"
        end = min(start + range_bytes, len(data))
        owned += [piece.data for piece in pieces(file.read, count.see, start=start, end=end, inside_line=inside, piece_bytes=piece_bytes)]
        counted += count.newlines
    assert b"".join(owned) == data
    assert all(piece.endswith(b"\n") for piece in owned[:-1])
    assert counted == data.count(b"\n") == newlines(data)


def test_a_line_too_long_costs_only_itself_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "LONGEST_LINE", 3000)
    good = log(n=40)
    file = tmp_path / "a.jsonl"
    file.write_bytes(good + b'{"x":"' + b"y" * 20_000 + b'"}\n' + good)
    monkeypatch.setattr(inputs, "RANGE_BYTES", 7000)
    monkeypatch.setattr(cutting.pieces, "__kwdefaults__", {**cutting.pieces.__kwdefaults__, "piece_bytes": 512})
    profile = read_logs([file], BY, rejects_to=tmp_path / "rejects")
    assert profile.lines.rejected["line_too_long"] == 1
    assert profile.lines.read == 81
    told = [json.loads(text) for text in (tmp_path / "rejects").read_text().splitlines()]
    assert [reject["line"] for reject in told if reject["reason"] == "line_too_long"] == [41]
    assert sum(reject["line"] > 41 for reject in told) == sum(reject["line"] < 41 for reject in told)


def test_line_ends_of_windows_change_nothing(tmp_path):
    # Of the lines of white space only the sound ones are compared: a rejected line keeps its carriage return.
    data = b"\n".join(line for line in log().split(b"\n") if line.startswith(b'{"timestamp"')) + b"\n"
    plain, windows = _written(tmp_path, "a", data), _written(tmp_path, "b", data.replace(b"\n", b"\r\n"))
    assert without_place(read_logs([plain], BY)) == without_place(read_logs([windows], BY))


def test_records_whose_keys_come_and_go_are_all_read(tmp_path):
    rng = random.Random(4)
    records = []
    for n in range(6000):
        record = {"latency_ms": n + 0.5, "workload": "chat"} | ({"status": 200} if n > 3000 else {"kind": {"of": "x"}})
        record |= {rng.choice(["a", "b", "c"]): rng.choice([1, None, "x", {"y": 2}, [{"z": 1}]])} if rng.random() < 0.1 else {}
        records.append(json.dumps(record, separators=rng.choice([(",", ":"), (", ", ": ")])))
    file = _written(tmp_path, "a.jsonl", "\n".join(records).encode() + b"\n")
    profile = read_logs([file], BY)
    assert profile.lines.profiled == 6000
    assert profile.total.latency.n == 6000
    assert int(profile.total.latency.sums_ns.sum()) == sum(n * 10**6 + 500_000 for n in range(6000))
    assert profile.select(status="200").requests == 2999


def compressed(data, kind):
    if kind == "gz":
        return gzip.compress(data)
    if kind == "gz members":
        return b"".join(gzip.compress(data[at : at + 9999]) for at in range(0, len(data), 9999))
    if kind == "gz padded":
        return gzip.compress(data) + b"\0" * 4096
    if kind == "zst":
        return zstd().compress(data)
    return b"".join(zstd().compress(data[at : at + 9999]) for at in range(0, len(data), 9999))


def zstd():
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


@pytest.mark.parametrize("kind", ["gz", "gz members", "gz padded", "zst", "zst frames"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_compression_changes_nothing(tmp_path, kind, end):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "wrongly-named.txt"
    plain.write_bytes(log(end=end))
    packed.write_bytes(compressed(log(end=end), kind))
    told = read_logs([packed], BY)
    assert told.files[0].damage is None
    assert without_place(told) == without_place(read_logs([plain], BY))


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_stream_cut_anywhere_says_so(tmp_path, kind):
    whole = compressed(log(), kind)
    for place in random.Random(5).sample(range(20, len(whole)), 12):
        file = tmp_path / f"{place}"
        file.write_bytes(whole[:place])
        try:
            profile = read_logs([file], BY)
        except EdgeroiError:
            continue  # nothing could be decompressed, so it is no log
        assert profile.files[0].damage.startswith("stream_truncated")
        assert profile.lines.balanced


def test_a_flipped_bit_never_passes_in_silence(tmp_path):
    sound = read_logs([_written(tmp_path, "sound", gzip.compress(log()))], BY)
    whole = bytearray(gzip.compress(log()))
    rng = random.Random(9)
    for place in rng.sample(range(10, len(whole)), 40):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.randrange(8)
        try:
            profile = read_logs([_written(tmp_path, f"{place}", bytes(broken))], BY)
        except EdgeroiError:
            continue
        assert profile.files[0].damage or profile.partial == sound.partial
        assert profile.lines.balanced


def _written(folder, name, data):
    (folder / name).write_bytes(data)
    return folder / name


def test_zlib_errors_keep_what_was_inflated(tmp_path):
    """The fault is in the middle of a stored block's successor: all of the first member is there."""
    data = log()
    broken = gzip.compress(data[:50_000]) + gzip.compress(data[50_000:])[:10] + b"\xff" * 50
    profile = read_logs([_written(tmp_path, "x", broken)], BY)
    assert profile.files[0].damage.startswith("stream_corrupt")
    assert profile.lines.read == data[:50_000].count(b"\n") + 1
    assert zlib.crc32(data)


def test_stdin_is_a_log_like_any_other(path):
    script = (
        "import sys, json; from edgeroi.engines.local import read_logs; from edgeroi.logs.reading import reading;"
        "p = read_logs(['-'], reading(by=('workload', 'status')));"
        "print(json.dumps([p.lines.read, p.lines.profiled, p.files[0].bytes, p.files[0].digest]))"
    )
    expected = read_logs([path], BY)
    for data in (path.read_bytes(), gzip.compress(path.read_bytes())):
        told = json.loads(subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True).stdout)
        assert told[:2] == [expected.lines.read, expected.lines.profiled]
        assert told[2:] == [len(data), digest_of_leaves([xxh3_128(data).digest()])]


def test_a_pipe_is_read_once(path, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for _ in range(2):  # and the next run reads what is in it then
        with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'wb').write(open({str(path)!r}, 'rb').read())"]):
            told = read_logs([pipe], BY)
        assert without_place(told) == without_place(read_logs([path], BY))


def test_the_digest_is_of_the_bytes(tmp_path, small_cuts):
    data = log()
    leaves = [xxh3_128(data[at : at + 5000]).digest() for at in range(0, len(data), 5000)]
    assert read_logs([_written(tmp_path, "a", data)], BY).files[0].digest == digest_of_leaves(leaves)
    assert read_logs([_written(tmp_path, "b", data[:-1] + b"x")], BY).files[0].digest != digest_of_leaves(leaves)


def test_folders_globs_and_names(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("in/b.jsonl", "in/a.jsonl", "in/a[1].jsonl"):
        (tmp_path / name).write_bytes(log(n=10))
    (tmp_path / "in" / "README.txt").write_text("no log")
    folder = read_logs([tmp_path / "in"], BY)
    assert [Path(file.path).name for file in folder.files] == ["a.jsonl", "a[1].jsonl", "b.jsonl"]
    assert any("ignored" in note and "README.txt" in note for note in folder.notes)
    assert [Path(f.path).name for f in read_logs([tmp_path / "in" / "a[1].jsonl"], BY).files] == ["a[1].jsonl"]
    assert [Path(f.path).name for f in read_logs([tmp_path / "in" / "?.jsonl"], BY).files] == ["a.jsonl", "b.jsonl"]
    with pytest.raises(EdgeroiError, match=r"README\.txt: not a request log"):
        read_logs([tmp_path / "in" / "README.txt"], BY)


def test_a_folder_without_logs_is_told_in_one_short_line(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.txt").write_text("no log")
    with pytest.raises(EdgeroiError, match="no request log found; ignored, no request log: .*09.txt and 20 more; name one") as error:
        read_logs([tmp_path], BY)
    assert "saved-profile" not in str(error.value)  # no format's reason, let alone 30 times
    (tmp_path / "empty").mkdir()
    with pytest.raises(EdgeroiError, match="no request log found; name the files"):
        read_logs([tmp_path / "empty"], BY)


def test_what_is_hidden_in_a_folder_is_told_and_not_read(path, tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_bytes(b"\x7fELF")
    (tmp_path / ".venv" / "bin" / "python3").symlink_to("python")
    (tmp_path / ".old.jsonl").write_bytes(log(n=10))
    alone = read_logs([path], BY)
    folder = read_logs([tmp_path], BY)
    assert folder.total == alone.total
    assert folder.notes == (f"ignored, hidden: {tmp_path}/.old.jsonl, {tmp_path}/.venv",)
    assert read_logs([tmp_path / ".old.jsonl"], BY).lines.read == 10  # named, it is read


def test_what_is_no_log_is_told_with_its_numbers(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"model": "m", "streamed": true, "timing": {"took": 5.5, "queued": 1}, "tokens": 7}\n')
    with pytest.raises(EdgeroiError, match=r"--map latency_ms=FIELD:UNIT, one of timing\.took, timing\.queued, tokens$"):
        read_logs([file], BY)
    with pytest.raises(EdgeroiError, match=r"did you mean --map latency_ms=timing\.took:s\?"):
        read_logs([file], reading(map=["latency_ms=timing.tok:s"]))


def test_a_file_reached_twice_is_refused(path, tmp_path):
    (tmp_path / "link.jsonl").symlink_to(path)
    for twice in ([path, path], [path, tmp_path / "link.jsonl"], [tmp_path, path], [tmp_path / "*.jsonl", path]):
        with pytest.raises(EdgeroiError, match="would count twice"):
            read_logs(twice, BY)


def test_what_is_not_there_is_said_with_the_nearest_name(path, tmp_path):
    with pytest.raises(EdgeroiError, match=r"no such file or folder; did you mean .*a\.jsonl"):
        read_logs([tmp_path / "a.json"], BY)
    with pytest.raises(EdgeroiError, match="no file matches"):
        read_logs([tmp_path / "*.nothing"], BY)


def test_a_rejects_file_holds_every_reject(path, tmp_path, small_cuts):
    profile = read_logs([path], BY, jobs=2, rejects_to=tmp_path / "rejects.jsonl")
    told = [json.loads(text) for text in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert len(told) == profile.lines.total_rejected > 100
    lines = path.read_bytes().split(b"\n")
    assert all(lines[reject["line"] - 1].decode() == reject["raw"] for reject in told)
    assert [reject["line"] for reject in told] == sorted(reject["line"] for reject in told)
    assert len(profile.rejects) <= 20
    assert max(profile.lines.rejected.values()) > 5
    for reason in profile.lines.rejected:
        assert sum(reject.reason == reason for reject in profile.rejects) == min(5, profile.lines.rejected[reason])


def test_what_is_kept_of_a_reject_cannot_act_on_a_terminal(tmp_path):
    file = _written(tmp_path, "a.jsonl", log(n=5) + b"\x1b[2J\xe2\x80\xae" + b"z" * 999 + b"\n")
    read_logs([file], BY, rejects_to=tmp_path / "rejects")
    text = (tmp_path / "rejects").read_text().splitlines()[-1]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(json.loads(text)["raw"]) < 300


def test_lines_that_do_not_add_up_are_our_fault(path, monkeypatch):
    honest = FORMAT.read_lines

    def losing(chunk, how, last):
        return honest(chunk[chunk.find(b"\n") + 1 :], how, last)

    monkeypatch.setattr(type(FORMAT), "read_lines", lambda self, *said: losing(*said))
    with pytest.raises(InternalFault, match="do not add up"):
        read_logs([path], BY)


def test_a_mistake_found_by_a_worker_is_told_as_one(tmp_path, small_cuts):
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f'{{"latency_ms":1,"request_id":"{n}"}}\n' for n in range(70_000)))
    with pytest.raises(EdgeroiError, match="more than 20,000 groups"):
        read_logs([file], reading(by=("request_id",)), jobs=2)


def test_groups_without_end_are_folded_with_a_note(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f'{{"latency_ms":1,"user_id":"{n}"}}\n' for n in range(2500)))
    profile = read_logs([file], reading(by=("user_id",)))
    assert len(profile.groups) == 2000
    assert profile.total.requests == 2500
    assert any("folded into (other)" in note for note in profile.notes)


def test_an_interruption_keeps_what_was_read(tmp_path, small_cuts):
    file = _written(tmp_path, "a.jsonl", log(n=20_000))
    interrupted = []

    def progress(done, total):
        if done > total / 4 and not interrupted:
            interrupted.append(done)
            signal.raise_signal(signal.SIGINT)

    for jobs in (1, 2):
        interrupted.clear()
        profile = read_logs([file], BY, jobs=jobs, progress=progress)
        if profile.lines.read < 20_000:
            assert profile.files[0].damage == "interrupted"
        assert any(note.startswith("interrupted") for note in profile.notes)
        assert profile.lines.balanced
        assert profile.total.requests == profile.lines.profiled > 0


def test_progress_ends_at_all_the_bytes(path, small_cuts):
    for jobs in (1, 2):
        told = []
        read_logs([path], BY, jobs=jobs, progress=lambda done, total, told=told: told.append((done, total)))
        size = path.stat().st_size
        assert all(total == size for _, total in told)
        assert max(done for done, _ in told) <= size
        if jobs == 1:
            assert told[-1] == (size, size)


def test_a_cut_tail_alone_is_within_the_limit(tmp_path):
    file = _written(tmp_path, "a.jsonl", log(n=30, end="\n") + b'{"latency_ms": 1')
    profile = read_logs([file], BY)
    assert profile.lines.rejected["truncated_tail"] == 1
    assert not over_limit(profile.lines, profile.lines.total_rejected - 1)


def test_a_saved_profile_is_the_profile_and_adds_up_with_others(path, tmp_path):
    other = _written(tmp_path, "b.jsonl", log(seed=2))
    saved = _written(tmp_path, "a.profile", dumped(read_logs([path], BY)))
    both, mixed = read_logs([path, other], BY), read_logs([saved, other], BY)
    assert mixed.partial == both.partial
    assert mixed.lines == both.lines
    alone = read_logs([saved], BY)
    assert alone.partial == read_logs([path], BY).partial
    assert alone.files[0].format == "saved-profile"
    assert dumped(read_logs([path], BY)) == saved.read_bytes(), "same profile, same bytes"


def test_a_saved_profile_beside_its_own_log_is_refused(path, tmp_path):
    other = _written(tmp_path, "b.jsonl", log(seed=2))
    saved = _written(tmp_path, "a.profile", dumped(read_logs([path], BY)))
    both = _written(tmp_path, "both.profile", dumped(read_logs([saved, other], BY)))
    for twice in ([saved, path], [path, saved], [saved, both], [both, other]):
        with pytest.raises(EdgeroiError, match="would count twice"):
            read_logs(twice, BY)
    empty = [_written(tmp_path, name, b"") for name in ("c.jsonl", "d.jsonl")]
    nothing = _written(tmp_path, "c.profile", dumped(read_logs(empty[:1], BY)))
    assert read_logs([nothing, empty[1], path], BY).lines == read_logs([path], BY).lines


def test_a_saved_profile_by_fewer_columns_or_more(path, tmp_path):
    saved = _written(tmp_path, "a.profile", dumped(read_logs([path], BY)))
    fewer = read_logs([saved], reading(by=("workload",)))
    assert fewer.partial == read_logs([path], reading(by=("workload",))).partial
    more = read_logs([saved], reading(by=("workload", "model"), const=("model=m",)))
    assert more.partial == read_logs([path], reading(by=("workload", "model"), const=("model=m",))).partial
    untold = read_logs([saved], reading(by=("model",)))
    assert [group.key for group in untold.groups] == [{"model": None}]
    assert any("does not tell model" in note for note in untold.files[0].notes)


def test_a_saved_profile_remembers_vantage_sampling_and_damage(path, tmp_path):
    how = reading(by=("workload",), seen_from="gateway", sampling=0.25)
    saved = _written(tmp_path, "a.profile", dumped(read_logs([path], how)))
    told = read_logs([saved], reading(by=("workload",)))
    assert (told.seen_from, told.sampling) == ("gateway", 0.25)
    with pytest.raises(EdgeroiError, match="do not add up"):
        read_logs([saved, _written(tmp_path, "b.jsonl", log(2))], reading(by=("workload",)))
    cut = _written(tmp_path, "c.gz", gzip.compress(log())[:-20])
    broken = _written(tmp_path, "c.profile", dumped(read_logs([cut], BY)))
    assert "stream_truncated" in read_logs([broken], BY).files[0].damage


def test_a_saved_profile_says_what_can_no_longer_reach_its_requests(path, tmp_path):
    path.write_text('{"latency_ms": 10, "status": 200}\n')
    saved = tmp_path / "a.profile"
    saved.write_bytes(dumped(read_logs([path], reading(sampling=0.1))))
    late = reading(
        map=("latency_ms=took:s",), const=("cost_usd=0.01", "workload=chat"), not_error=("503",), require=("status",), seen_from="client"
    )
    (account,) = read_logs([saved], late).files
    passed = "map, const cost_usd, not_error, require, seen_from cannot reach them"  # a label can still be said of all
    assert account.notes[-1] == f"its requests were counted when it was saved: {passed}, say it of their logs"
    assert "sampling cannot" in read_logs([saved], reading(sampling=0.5)).files[0].notes[-1]
    for agreeing in (reading(), reading(sampling=0.1, const=("workload=chat",))):
        assert not any("cannot reach" in note for note in read_logs([saved], agreeing).files[0].notes)


def test_a_saved_profile_that_was_changed_is_refused(path, tmp_path):
    whole = gzip.decompress(dumped(read_logs([path], BY)))
    changes = [(whole[:-9], "cut or changed"), (whole[:-1] + b"x", "cut or changed"), (whole.replace(b" 2 ", b" 3 ", 1), "of version 3")]
    for changed, why in changes:
        with pytest.raises(EdgeroiError, match=why):
            read_logs([_written(tmp_path, "x.profile", changed)], BY)


LLMPERF = Path(__file__).parents[2] / "shared" / "data" / "llmperf-leaderboard" / "individual"


@pytest.mark.skipif(not LLMPERF.is_dir(), reason="the shared data are not here")
def test_the_leaderboards_numbers_equal_an_independent_nearest_rank():
    mapped = ("latency_ms=end_to_end_latency_s:s", "ttft_ms=ttft_s:s", "input_tokens=number_input_tokens")
    mapped += ("output_tokens=number_output_tokens", "error=error_code", "provider=@filename:^([a-z]+)_")
    how = {"by": ("provider",), "map": mapped, "const": ("workload=llama2",)}
    profile = read_logs([LLMPERF], reading(**how))
    assert (profile.lines.read, profile.lines.profiled) == (2845, 2845)
    seconds = {}
    for file in LLMPERF.iterdir():
        for row in json.loads(file.read_text()):
            if row["error_code"] is None:
                seconds.setdefault(file.name.split("_")[0], []).append(row["end_to_end_latency_s"])
    assert {group.key["provider"] for group in profile.groups} == seconds.keys()
    for group in profile.groups:
        values = sorted(seconds[group.key["provider"]])
        assert group.tally.latency.n == len(values)
        for p, hundredths in ((0.5, 50), (0.99, 99)):
            nearest = values[-(-hundredths * len(values) // 100) - 1] * 1000
            assert group.tally.latency.quantile(p) == pytest.approx(nearest, rel=1e-3)
            assert group.tally.latency.estimable(p) is (None not in order_statistic_ranks(len(values), p))
    lenient = read_logs([LLMPERF], reading(**how, not_error=("-100",)))
    assert lenient.select(provider="bedrock").errors == profile.select(provider="bedrock").errors - 146
