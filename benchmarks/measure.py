"""How long a command takes, how much memory its processes hold at the most, and on what machine that was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[1]
#: What takes longer than this is timed once, and its row says so.
SLOW_S = 10.0


@dataclass
class Peak:
    """The most memory a tree of processes held, MB: proportional set size, and the part of it that is no file's page."""

    total: float = 0.0
    private: float = 0.0


@dataclass
class Racer:
    """A command line, and what was measured of it; ``said``: its first output; ``is_ours``: it accounts for every line."""

    name: str
    command: Sequence[str]
    leaves_out: str = "nothing"
    is_ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak: Peak = field(default_factory=Peak)
    said: str = ""
    slow: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """``3.12 (2.83 to 3.80)``, or ``21.4 (1 run)``."""
        several = f"{min(self.seconds):.2f} to {max(self.seconds):.2f}" if len(self.seconds) > 1 else "1 run"
        return f"{self.median:.2f} ({several})"


def try_out(racer: Racer) -> None:
    """One run for the output and the memory, which is not timed."""
    seconds, racer.said = run(racer.command, racer.peak, racer.environment)
    racer.slow = seconds > SLOW_S


def take_turns(racers: Sequence[Racer], runs: int) -> None:
    """So many rounds for the time, each begun by another, so that what else the machine does falls on all alike."""
    for turn in range(runs):
        first = turn % len(racers)
        for racer in (*racers[first:], *racers[:first]):
            if not (racer.slow and racer.seconds):
                racer.seconds.append(run(racer.command, environment=racer.environment)[0])


def descendants(pid: int) -> Iterable[int]:
    """The process and all below it, as far as they live."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from descendants(int(child))
    except OSError:
        return


def held(pid: int) -> tuple[float, float]:
    """(proportional set size, of it anonymous or shared memory) of one process, MB; nothing of one that ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0, 0.0
    kb = {key: float(value.split()[0]) for key, _, value in (line.partition(":") for line in rollup.splitlines()[1:])}
    return kb.get("Pss", 0.0) / 1000, (kb.get("Pss_Anon", 0.0) + kb.get("Pss_Shmem", 0.0)) / 1000


def watch(pid: int, peak: Peak, ended: threading.Event) -> None:
    """Keep the peak up to date, every 20 ms."""
    while not ended.wait(0.02):
        sizes = [held(child) for child in descendants(pid)]
        peak.total = max(peak.total, sum(total for total, _ in sizes))
        peak.private = max(peak.private, sum(private for _, private in sizes))


def run(command: Sequence[str], peak: Peak | None = None, environment: Mapping[str, str] = MappingProxyType({})) -> tuple[float, str]:
    """Seconds from start to end, and the output; the peak is filled where one is wanted. What fails ends the benchmark."""
    ended = threading.Event()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, cwd=ROOT, env={**os.environ, **environment})
        watcher = threading.Thread(target=watch, args=(process.pid, peak, ended)) if peak else None
        if watcher:
            watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        ended.set()
        if watcher:
            watcher.join()
        if status:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} ended with {status}:\n{errors.read()[-2000:]}")
        output.seek(0)
        return seconds, output.read()


def cpu(command: Sequence[str]) -> float:
    """Seconds of processor time of the process and its children. Raises ``CalledProcessError`` where it fails: that is not its work."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), list(command))
    return usage.ru_utime + usage.ru_stime


def setting(packages: Sequence[str], programs: Mapping[str, Sequence[str]]) -> str:
    """The day, the machine, and the versions of what is installed."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    machine = f"{os.cpu_count()} x {models[0] if models else platform.machine()}, {memory:.0f} GB"
    idle = f"load average before {os.getloadavg()[0]:.1f}"
    versions = ", ".join(filter(None, (*map(_package, packages), *(_program(*told) for told in programs.items()))))
    return f"{datetime.now(UTC):%Y-%m-%d} · {machine}, {idle} · {platform.system()}, Python {platform.python_version()} · {versions}"


def _package(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def _program(name: str, command: Sequence[str]) -> str:
    """A program's name with what stands last in the first line it says of its version."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{name} {said.splitlines()[0].split()[-1].rstrip('.')}"
