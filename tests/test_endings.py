"""How a run of ``profile`` ends when it is stopped: at its start, while it detects, reads, renders, saves; by Ctrl-C, SIGTERM, kill."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading

ROOT = Path(__file__).parents[1]
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
LINES = 400_000

#: What each stage calls; there the run says so and waits, as it would for a slow disk.
STAGES = {
    "start": "edgeroi.cli.reading.LogOptions.reading",
    "detecting": "edgeroi.engines.inputs.detect",
    "merging": "edgeroi.engines.local.profile_of",
    "rendering": "edgeroi.profile_report.profile_report",
    "saving": "os.fsync",
}

PLANTED = """
import importlib, sys, time
module, _, name = {target!r}.rpartition(".")
try:
    holder = importlib.import_module(module)
except ImportError:
    outer, _, inner = module.rpartition(".")
    holder = getattr(importlib.import_module(outer), inner)
real = getattr(holder, name)
def slow(*args, **options):
    print("here", file=sys.stderr, flush=True)
    until = time.monotonic() + {seconds}
    while time.monotonic() < until:
        time.sleep(0.05)
    return real(*args, **options)
setattr(holder, name, slow)
from edgeroi.cli.main import run
run()
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 24 MB: three ranges, and too much to be read before a signal arrives."""
    path = tmp_path_factory.mktemp("logs") / "a.jsonl"
    path.write_text("".join(f'{{"latency_ms":{n % 977 + 1},"workload":"chat","output_tokens":{n % 91}}}\n' for n in range(LINES)))
    return path


@contextmanager
def started(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A run in a process group of its own, as a terminal starts one."""
    command = [sys.executable, "-c", program, "profile", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def wait_for(child: subprocess.Popen[str], said: str) -> None:
    assert child.stderr is not None
    assert any(line == f"{said}\n" for line in child.stderr), "the stage was never reached"


def processes_of(group: int) -> set[int]:
    """The processes of a group that are alive."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.add(int(folder.name))
    return found


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_stopped_ends_with_its_status_and_leaves_the_saved_profile_as_it_was(
    tmp_path: Path, log: Path, stage: str, number: signal.Signals
) -> None:
    saved = tmp_path / "x.profile"
    saved.write_bytes(b"old")
    # Where a signal only asks for an end (while reading) the stage goes on by itself, a moment later.
    program = PLANTED.format(target=STAGES[stage], seconds=1.0 if stage == "merging" else 60)
    with started(program, log, "--save", saved, "-j", 1) as child:
        wait_for(child, "here")
        os.killpg(child.pid, number)
        out, err = child.communicate(timeout=50)
    assert child.returncode == STATUS[number]
    if stage == "rendering":  # it was saved before it is shown
        assert read_logs([saved], reading()).total.requests == LINES
    else:
        assert saved.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [saved]
    assert "Traceback" not in err
    if stage == "merging":
        assert "400,000 requests" in out
        assert "interrupted: all of the input was read" in err
        assert f"{saved} is left as it was" in err
    else:
        assert out == ""


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
@pytest.mark.parametrize("whom", ["the group", "the first process"])
def test_a_run_stopped_while_several_processes_read_prints_what_they_read(
    tmp_path: Path, log: Path, number: signal.Signals, whom: str
) -> None:
    """Each reads at a tenth of a piece in its time, so that most of the log is unread when the signal comes."""
    program = """
import sys, time
import edgeroi.engines.reader as reader, edgeroi.engines.workers as workers
real = reader.Reader._take
def slow(self, *args, **options):
    real(self, *args, **options)
    time.sleep(0.1)
reader.Reader._take = slow
gather = workers.Run._gather
def said(self, ends, shares):
    while shares.done.value < 2 << 20:
        time.sleep(0.01)
    print("here", file=sys.stderr, flush=True)
    return gather(self, ends, shares)
workers.Run._gather = said
from edgeroi.cli.main import run
run()
"""
    saved = tmp_path / "x.profile"
    with started(program, log, "--format", "json", "--save", saved, "-j", 2) as child:
        wait_for(child, "here")
        (os.killpg if whom == "the group" else os.kill)(child.pid, number)
        sent = time.monotonic()
        out, err = child.communicate(timeout=50)
        took = time.monotonic() - sent
        assert processes_of(child.pid) == set()
    document = json.loads(out)
    assert child.returncode == STATUS[number]
    assert 0 < document["lines"]["profiled"] < LINES
    assert document["lines"]["balanced"]
    assert sum(group["requests"] for group in document["groups"]) == document["lines"]["profiled"]
    assert document["files"][0]["damage"] == "interrupted"
    assert "interrupted: only part of the input was read" in document["notes"]
    assert not saved.exists()
    assert "is left as it was" in err
    # Read whole, at that pace, it would take longer by far; a piece in hand is all that is waited for.
    assert took < 24 * 0.1 / 2 + 20


def test_a_second_interruption_ends_at_once(log: Path) -> None:
    """The first is taken up between two pieces; whoever has no patience for that need not have it."""
    with started(PLANTED.format(target="edgeroi.engines.local.profile_of", seconds=60), log, "-j", 1) as child:
        wait_for(child, "here")
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=50)
    assert (child.returncode, out) == (130, "")


@pytest.mark.parametrize("old", [b"", b"old"], ids=["no file before", "a file before"])
def test_a_run_killed_while_it_saves_leaves_the_old_file_whole(tmp_path: Path, log: Path, old: bytes) -> None:
    saved = tmp_path / "x.profile"
    if old:
        saved.write_bytes(old)
    with started(PLANTED.format(target=STAGES["saving"], seconds=60), log, "--save", saved, "-j", 1) as child:
        wait_for(child, "here")
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=50)
    assert (saved.read_bytes() if saved.exists() else b"") == old
    assert profiled(log, "--save", saved).returncode == 0, "what was left behind is in nobody's way"
    assert read_logs([saved], reading()).total.requests == LINES


def test_a_run_killed_at_any_moment_leaves_the_old_profile_or_the_new(tmp_path: Path, log: Path) -> None:
    """Whatever the moment: the run is killed ever later, until one comes through."""
    saved = tmp_path / "x.profile"
    saved.write_bytes(b"old")
    wait, ended = 0.2, False
    while not ended:
        with started("from edgeroi.cli.main import run\nrun()", log, "--save", saved, "-j", 2) as child:
            try:
                ended = child.wait(timeout=wait) == 0
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        wait *= 1.6
        if saved.read_bytes() != b"old":
            assert read_logs([saved], reading()).total.requests == LINES
    assert saved.read_bytes() != b"old"


def test_a_reading_process_that_is_killed_is_told_and_nobody_waits_for_it(log: Path) -> None:
    program = PLANTED.format(target="edgeroi.engines.reader.Reader.partials", seconds=60)
    with started(program, log, "-j", 2) as child:
        wait_for(child, "here")
        victim = max(processes_of(child.pid) - {child.pid})
        os.kill(victim, signal.SIGKILL)
        _, err = child.communicate(timeout=50)
        assert processes_of(child.pid) == set()
    assert child.returncode == 2
    assert "a reading process was ended from outside" in err


def profiled(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeroi", "profile", *map(str, args)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, text=True, cwd=ROOT, check=False, **streams)  # type: ignore[call-overload,no-any-return]


def test_a_reader_that_leaves_after_a_line_ends_the_run_with_141(tmp_path: Path) -> None:
    """So many groups that no pipe holds the table."""
    log = tmp_path / "a.jsonl"
    log.write_text("".join(f'{{"latency_ms":{n + 1},"model":"model-{n:04d}"}}\n' for n in range(1500)))
    command = f"{sys.executable} -m edgeroi profile {log} --by model --save {tmp_path / 'x'} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.splitlines()[-1] == "141"
    assert "Traceback" not in done.stderr
    assert read_logs([tmp_path / "x"], reading(by=("model",))).total.requests == 1500, "what was to be saved is saved"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--output", "--save", "--rejects", None])
def test_a_full_disk_is_74_wherever_it_is_met(tmp_path: Path, option: str | None) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text('{"latency_ms":5}\n' * 50 + "broken\n" * 9)
    if option is None:
        with Path("/dev/full").open("w") as full:
            done = profiled(log, stdout=full)
    else:
        done = profiled(log, option, "/dev/full")
    assert done.returncode == 74
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode), "a device is written to, never replaced"
    assert option != "--save" or "50 requests" in done.stdout, "what was read is shown all the same"
