"""Profiling a large log, against other means: ``python benchmarks/run.py --size 1 --size 4 --runs 5 --write``.

Every contender is a program of its own, started anew, on the same file in the page cache; runs alternate, so that what else the
machine does falls on all alike. Times are medians of whole processes. Memory is sampled in a run apart, summed over the
process and its children. The answers are compared before a time is believed.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import json
import os
import platform
import shutil
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

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import contenders  # noqa: E402  beside this script
import generate  # noqa: E402  beside this script

from edgeroi import compiled  # noqa: E402  after the scripts beside this one

EDGEROI = Path(sys.executable).with_name("edgeroi")
MARKS = ("<!-- results -->", "<!-- /results -->")
#: How far two quantiles of one group may lie apart: edgeroi's buckets (0.1 %) and a rank or two of another definition.
TOLERANCE = 0.002

Answers = dict[tuple[str, str], tuple[int, int, tuple[float, ...]]]


@dataclass
class Peak:
    """The most memory a tree of processes held, MB: proportional set size, and the part of it that is no file's page."""

    total: float = 0.0
    private: float = 0.0


@dataclass
class Contender:
    """A command line and what was measured of it."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peak: Peak = field(default_factory=Peak)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it prints edgeroi's document, and accounts for every line."""
        return self.command[0] == str(EDGEROI)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def bytecode_as_installed() -> None:
    """Compile the package's modules, as pip does with what it installs: an editable install leaves that to the first run."""
    import edgeroi

    compileall.compile_dir(Path(edgeroi.__file__).parent, quiet=1)


def profile_command(file: Path) -> list[str]:
    return [str(EDGEROI), "profile", str(file), "--by", "workload,placement", "--format", "json"]


def line_up(file: Path) -> list[Contender]:
    """Ours as it is installed here, ours without the part in C, and the others."""
    ours, without = Contender("edgeroi", profile_command(file)), Contender("edgeroi without the part in C", profile_command(file))
    without.environment[compiled.SWITCH] = "0"
    others = [Contender(name, [sys.executable, str(HERE / "contenders.py"), name, str(file)]) for name in contenders.CONTENDERS]
    return [ours, without, *others]


# --- measuring -------------------------------------------------------------------------------------------------------------


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
    while not ended.wait(0.02):
        sizes = [held(child) for child in descendants(pid)]
        peak.total = max(peak.total, sum(total for total, _ in sizes))
        peak.private = max(peak.private, sum(private for _, private in sizes))


def run(command: Sequence[str], peak: Peak | None = None, environment: Mapping[str, str] = MappingProxyType({})) -> tuple[float, str]:
    """Seconds from start to end, and the output; the peak is filled where one is wanted."""
    ended = threading.Event()
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=HERE.parent, env={**os.environ, **environment})
        watcher = threading.Thread(target=watch, args=(process.pid, peak, ended)) if peak else None
        if watcher:
            watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        ended.set()
        if watcher:
            watcher.join()
        if status:
            sys.exit(f"{' '.join(command)} ended with {status}")
        output.seek(0)
        return seconds, output.read()


def cpu(command: Sequence[str]) -> float:
    """Seconds of processor time of the process and its children, whatever its exit status."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE.parent)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


# --- the answers -----------------------------------------------------------------------------------------------------------


def answers_of_edgeroi(output: str) -> Answers:
    document = json.loads(output)
    if not document["lines"]["balanced"]:
        sys.exit("edgeroi's account of the lines does not balance")
    keys = ("p50", "p90", "p95", "p99")
    return {
        (g["workload"], g["placement"]): (g["requests"], g["errors"], tuple(g["latency_ms"][key] for key in keys))
        for g in document["groups"]
    }


def answers_of_other(output: str) -> Answers:
    rows = [json.loads(line) for line in output.splitlines()]
    return {(row["workload"], row["placement"]): (row["requests"], row["errors"], tuple(row["ms"])) for row in rows}


def differences(one: Answers, two: Answers) -> list[str]:
    """What the two disagree on."""
    if one.keys() != two.keys():
        return [f"groups {sorted(one.keys() ^ two.keys())}"]
    counts = [f"{key}: {one[key][:2]} and {two[key][:2]}" for key in one if one[key][:2] != two[key][:2]]
    pairs = [(key, a, b) for key in one for a, b in zip(one[key][2], two[key][2], strict=True)]
    return counts + [f"{key}: {a} and {b} ms" for key, a, b in pairs if abs(a - b) > TOLERANCE * b]


# --- the races -------------------------------------------------------------------------------------------------------------


def race(file: Path, runs: int) -> list[Contender]:
    """Once each for the memory and the answers, then ``runs`` rounds for the time, each begun by another contender."""
    racers = line_up(file)
    answers = {}
    for racer in racers:
        _, output = run(racer.command, racer.peak, racer.environment)
        answers[racer.name] = answers_of_edgeroi(output) if racer.is_ours else answers_of_other(output)
    for name, answer in answers.items():
        if wrong := differences(answers["edgeroi"], answer):
            sys.exit(f"edgeroi and {name} disagree:\n" + "\n".join(wrong[:10]))
    for turn in range(runs):
        first = turn % len(racers)
        for racer in racers[first:] + racers[:first]:
            racer.seconds.append(run(racer.command, environment=racer.environment)[0])
    return racers


def table(racers: list[Contender], size: float, n: int, runs: int) -> list[str]:
    ours = racers[0].median
    head = [
        f"### {size:g} GB, {n:,} lines, medians of {runs} runs",
        "",
        "| | wall s | edgeroi takes | peak MB | without file pages | lines accounted for |",
        "|---|--:|--:|--:|--:|---|",
    ]
    return head + [
        f"| {r.name} | {r.median:.2f} ({min(r.seconds):.2f} to {max(r.seconds):.2f}) | {ours / r.median:.2f} x |"
        f" {r.peak.total:.0f} | {r.peak.private:.0f} | {'every line' if r.is_ours else 'none'} |"
        for r in racers
    ]


def start_up(runs: int, scenario: Path) -> list[str]:
    """The processor time of commands that read no log, beside the least that a command line with these libraries takes."""
    commands = {"`python -c 'import typer, rich.console'`": [sys.executable, "-c", "import typer, rich.console"]}
    commands["`edgeroi --help`"] = [str(EDGEROI), "--help"]
    commands[f"`edgeroi compare {scenario}`"] = [str(EDGEROI), "compare", str(scenario)]
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            used = cpu(command)
            if turn:
                spent[name].append((time.perf_counter() - start, used))
    medians = {name: [statistics.median(values) for values in zip(*pairs, strict=True)] for name, pairs in spent.items()}
    least = next(iter(medians.values()))
    head = [f"### Start-up, medians of {runs} runs", "", "| | wall s | CPU s | of the first | CPU s more |", "|---|--:|--:|--:|--:|"]
    return head + [f"| {name} | {w:.3f} | {c:.3f} | {w / least[0]:.2f} x | {c - least[1]:+.2f} |" for name, (w, c) in medians.items()]


def setting() -> str:
    """The machine, the versions and the day."""
    info = Path("/proc/cpuinfo")
    models = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    names = ("edgeroi", "numpy", "msgspec", "duckdb", "polars", "chdb")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    machine = f"{os.cpu_count()} x {models[0] if models else platform.machine()}, {memory:.0f} GB"
    idle = f"load average before {os.getloadavg()[0]:.1f}"
    return f"{datetime.now(UTC):%Y-%m-%d} · {machine}, {idle} · {platform.system()}, Python {platform.python_version()} · {versions}"


def record(report: str) -> None:
    """Put the results between the marks of the README beside this file."""
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    readme.write_text(f"{before}{MARKS[0]}\n{report}\n{MARKS[1]}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, action="append", metavar="GB", help="may be repeated; 1 unless given")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the logs are kept from run to run; a temporary folder unless given")
    parser.add_argument("--scenario", type=Path, default=Path("scenarios/article-embedding.yaml"), help="one without logs")
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    args = parser.parse_args()
    if compiled.part is None:
        sys.exit("the part in C was not built here: install a C compiler, then pip install -e '.[bench]' again")
    bytecode_as_installed()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="edgeroi-bench-"))
    report = [setting(), ""]
    try:
        for size in args.size or [1.0]:
            file = folder / f"log-{size:g}gb.jsonl"
            n = generate.write(file, size)
            report += [*table(race(file, args.runs), size, n, args.runs), ""]
            file.unlink()
        report += start_up(max(args.runs, 7), args.scenario)
    finally:
        if not args.folder:
            shutil.rmtree(folder)
    print("\n".join(report))
    if args.write:
        record("\n".join(report))


if __name__ == "__main__":
    main()
