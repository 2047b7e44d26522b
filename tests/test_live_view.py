"""A probe watched on a terminal: what it shows, and that it shows nothing where nobody looks."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from test_cli_probe import PLAN, written

from edgeroi.cli.live import View
from edgeroi.exchange import Exchange, Stamps
from edgeroi.loopback import Server, delays
from edgeroi.probe_plan import ProbePlan, Target


def ended(ms: float, **said: object) -> Exchange:
    return Exchange("edge", 0, Stamps(last_byte=int(ms * 1e6)), **said)  # type: ignore[arg-type]


def test_a_line_tells_what_is_out_what_ended_and_how_long_it_took() -> None:
    view = View(ProbePlan("t", (Target("edge", "http://h", "http"), Target("cloud", "http://h", "http")), ({},)))
    for exchange in (*(ended(ms) for ms in range(100, 0, -1)), ended(5, error="timeout"), ended(999, warm=True), ended(998, cold=True)):
        view.heard(exchange)
    view.sent = {"edge": 107, "cloud": 2}
    lines = [line[:1] + line[2:] for line in view.lines()]  # but for the rate, which is the clock's
    # 103 of 107 ended, one failed; of 1..100 ms the nearest ranks are 50 and 99; the warm-up and a cold start are in neither.
    assert lines == [("edge", "4", "103", "1", "50.0", "99.0"), ("cloud", "2", "0", "0", "-", "-")]


def seen_on_a_terminal(*command: str | Path) -> tuple[int, str]:
    """The exit code, and all that a terminal was shown."""
    near, far = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-m", "edgeroi", *map(str, command)], stdout=subprocess.DEVNULL, stderr=far, env=environ)
    os.close(far)
    shown, read = b"", read_from(near)
    while piece := read():
        shown += piece
    os.close(near)
    return process.wait(), shown.decode()


def read_from(descriptor: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with suppress(OSError):  # a terminal whose other side is closed
            return os.read(descriptor, 1 << 14)
        return b""

    return read


@pytest.mark.alone
def test_a_terminal_sees_the_run_and_a_pipe_one_line_a_phase(tmp_path: Path) -> None:
    with Server(delays) as server:
        plan = written(tmp_path, PLAN.format(url=server.url, requests=60))
        code, shown = seen_on_a_terminal("probe", plan, "--log", tmp_path / "x.jsonl")
        piped = subprocess.run(
            [sys.executable, "-m", "edgeroi", "probe", plan, "--log", tmp_path / "y.jsonl"], capture_output=True, text=True, check=False
        )
    assert code in (0, 3)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"target +sent /s +in flight +ended +failed +p50 ms +p99 ms", plain)
    # Drawn more than once: the numbers of an edge that had ended more and more requests.
    counts = [int(found) for found in re.findall(r"^edge +[\d.]+ +\d+ +(\d+)", plain, re.MULTILINE)]
    assert len(set(counts)) >= 3
    assert counts == sorted(counts)
    assert "in flight" not in piped.stderr
    assert [line.partition(":")[0] for line in piped.stderr.splitlines()[:2]] == ["self-test", "126 requests to edge, cloud over 1 s"]
