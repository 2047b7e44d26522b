"""The benchmark measures what it says: its log is a log, its answers are compared, its memory is the tree's."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "log.jsonl"
    done = subprocess.run([sys.executable, FOLDER / "generate.py", path, "--size", "0.02"], capture_output=True, text=True, check=True)
    assert "100,000 lines" in done.stdout
    return path


def test_every_line_is_a_whole_record(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 100_000
    assert 240 < sum(map(len, lines)) / len(lines) < 270
    for row in rows[:2000]:
        assert (row["status"], row["error"]) in {(200, None), (504, "timeout")}
        assert row["latency_ms"] > 0
        assert (row["ttft_ms"] is not None) == (row["streamed"] and row["error"] is None)


def test_the_numbers_are_written_as_they_were_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    generate = script("generate", monkeypatch)
    values = np.array([0, 7, 10, 305, 99_999], np.int64)
    assert [bytes(row[row != 0]).decode() for row in generate.digits(values, 5)] == ["0", "7", "10", "305", "99999"]
    ms = generate.milliseconds(np.array([4480.125, 0.0002, 71.9996, 3.0]), np.array([True, True, True, False]))
    assert [bytes(row[row != 0]).decode() for row in ms] == ["4480.125", "0.001", "72.000", "null"]
    at = generate.instants(np.array([0, 86_400_000 + 3_723_004], np.int64))
    assert [bytes(row).decode() for row in at] == ["2026-10-23T00:00:00.000Z", "2026-10-24T01:02:03.004Z"]


def test_edgeroi_and_the_loop_agree_on_it(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script("generate", monkeypatch)
    contenders, run = script("contenders", monkeypatch), script("run", monkeypatch)
    ours = subprocess.run(run.profile_command(log), capture_output=True, text=True, check=True).stdout
    loop = {(w, p): (n, errors, tuple(ms)) for w, p, n, errors, ms in contenders.with_loop(log)}
    assert run.differences(run.answers_of_edgeroi(ours), loop) == []
    spoilt = loop | {("voice", "edge"): (loop["voice", "edge"][0], loop["voice", "edge"][1], (1.0, 2.0, 3.0, 4.0))}
    assert len(run.differences(run.answers_of_edgeroi(ours), spoilt)) == 4


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is sampled from the proc file system")
def test_memory_is_summed_over_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that holds nothing and a child that holds 64 MB for as long as the watcher needs to see it."""
    script("generate", monkeypatch)
    script("contenders", monkeypatch)
    run = script("run", monkeypatch)
    child = "import time; held = bytearray(b'x') * 64_000_000; time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peak = run.Peak()
    run.run([sys.executable, "-c", parent], peak)
    assert 64 < peak.private < 100
    assert peak.total >= peak.private
