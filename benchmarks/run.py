"""Profiling a large log, against other means: ``python benchmarks/run.py --only jsonl,start-up --write``.

Every contender is a program of its own, started anew, on the same file in the page cache; runs alternate. Times are medians of whole
processes. Memory is sampled in a run apart, summed over the process and its children. The answers are compared before a time is
believed. A piece (``--only``) is measured by itself, so that a quiet hour can be used in parts; each has its own day in the README.
"""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import cluster  # noqa: E402  beside this script
import contenders  # noqa: E402  beside this script
import generate  # noqa: E402  beside this script
from measure import Racer, cpu, run, setting, take_turns, try_out  # noqa: E402  beside this script

from edgeroi import compiled  # noqa: E402  after the scripts beside this one

EDGEROI = Path(sys.executable).with_name("edgeroi")
SCENARIOS = (Path("scenarios/article-embedding.yaml"), Path("scenarios/gate/justified.yaml"))
#: How far edgeroi's quantile may lie from the nearest rank, which is what all others compute: half a bucket, 0.1 %.
TOLERANCE = 0.001
#: What an update finds appended, as a share of the log.
GROWTH = 0.01

Answers = dict[tuple[str, ...], tuple[int, int | None, tuple[float, ...]]]


@dataclass(frozen=True)
class Asked:
    """What the command line says; ``None`` is each piece's own choice."""

    folder: Path
    sizes: tuple[float, ...] | None
    runs: int | None

    def log(self, form: str, gigabytes: float) -> tuple[Path, int]:
        """A new log and its requests."""
        file = self.folder / f"log-{gigabytes:g}gb.{generate.FORMATS[form].suffix}"
        self.demand_space(gigabytes)
        return file, generate.write(file, gigabytes, form)

    def grown(self, gigabytes: float) -> Path:
        """The one log of JSON lines that grows from piece to piece, at least so large."""
        file = self.folder / "growing.jsonl"
        held = file.stat().st_size / 1e9 if file.exists() else 0.0
        self.demand_space(gigabytes - held)
        if held < gigabytes:
            generate.append(file, gigabytes - held)
        return file

    def demand_space(self, gigabytes: float) -> None:
        """End before a disk is full."""
        free = shutil.disk_usage(self.folder).free / 1e9
        if free < gigabytes + 5:
            sys.exit(f"{self.folder} has {free:.0f} GB free, {gigabytes + 5:.0f} are needed: name another with --folder")


def bytecode_as_installed() -> None:
    """Compile the package's modules, as pip does with what it installs: an editable install leaves that to the first run."""
    import edgeroi

    compileall.compile_dir(Path(edgeroi.__file__).parent, quiet=1)


# --- who races -------------------------------------------------------------------------------------------------------------

#: What says which columns make a group, where they are not workload and placement.
_GROUPED = {"nginx": ("--map", "workload=path", "--by", "workload"), "otlp": ("--by", "model"), "litellm": ("--by", "model")}
#: Formats whose lines the part in C reads; of the others it only counts the requests.
_READ_IN_C = ("jsonl", "gz", "zst")
#: The column of edgeroi's document that is the contenders' key.
_KEYS = {"nginx": ("workload",)}


def profile_command(file: Path, form: str = "jsonl", *more: str) -> list[str]:
    """Ours, to a JSON document."""
    return [str(EDGEROI), "profile", str(file), *_GROUPED.get(form, ("--by", "workload,placement")), "--format", "json", *more]


def ours(file: Path, form: str) -> list[Racer]:
    """As it is installed here; and without the part in C, where the lines are such that it reads them."""
    command = profile_command(file, form)
    without = Racer("edgeroi, without the part in C", command, is_ours=True, environment={compiled.SWITCH: "0"})
    return [Racer("edgeroi", command, is_ours=True), *([without] if form in _READ_IN_C else [])]


def others(file: Path, form: str, names: Iterable[str] | None = None) -> list[Racer]:
    """Those that are installed."""
    known = {name: how for name, how in contenders.CONTENDERS[form].items() if not how.missing and (names is None or name in names)}
    script = str(HERE / "contenders.py")
    return [Racer(name, [sys.executable, script, form, name, str(file)], how.leaves_out) for name, how in known.items()]


def absent(form: str) -> list[str]:
    """A row for each that could take part and is not installed."""
    missing = (name for name, how in contenders.CONTENDERS[form].items() if how.missing)
    return [f"| {name} | not installed here | | | | |" for name in missing]


# --- the answers -----------------------------------------------------------------------------------------------------------


def answers_of_edgeroi(output: str, form: str = "jsonl") -> Answers:
    """By group, once the account of the lines balances."""
    document = json.loads(output)
    if not document["lines"]["balanced"]:
        sys.exit("edgeroi's account of the lines does not balance")
    keys, ranks = _KEYS.get(form, contenders.KEYS[form]), ("p50", "p90", "p95", "p99")
    return {
        tuple(group[key] for key in keys): (group["requests"], group["errors"], tuple(group["latency_ms"][rank] for rank in ranks))
        for group in document["groups"]
    }


def answers_of_other(output: str) -> Answers:
    """By group."""
    rows = [json.loads(line) for line in output.splitlines()]
    return {tuple(row["key"]): (row["requests"], row["errors"], tuple(row["ms"])) for row in rows}


def differences(one: Answers, two: Answers) -> list[str]:
    """What the two disagree on, of what the second tells: counts exactly, quantiles within the width of a bucket."""
    if one.keys() != two.keys():
        return [f"groups {sorted(one.keys() ^ two.keys())}"]
    wrong = []
    for key, (requests, errors, quantiles) in two.items():
        if requests != one[key][0] or errors not in (None, one[key][1]):
            wrong.append(f"{key}: {one[key][:2]} and {(requests, errors)}")
        pairs = zip(one[key][2], quantiles, strict=True) if quantiles else ()
        wrong += [f"{key}: {a} and {b} ms" for a, b in pairs if abs(a - b) > TOLERANCE * b]
    return wrong


def demand_same_answers(racers: Sequence[Racer], form: str) -> None:
    """End where one of them says something else than the first, which is ours."""
    reference = answers_of_edgeroi(racers[0].said, form)
    for racer in racers[1:]:
        said = answers_of_edgeroi(racer.said, form) if racer.is_ours else answers_of_other(racer.said)
        if wrong := differences(reference, said):
            sys.exit(f"{form}: edgeroi and {racer.name} disagree:\n" + "\n".join(wrong[:10]))


def race(racers: Sequence[Racer], form: str, runs: int) -> None:
    """Once each for the answers and the memory, then for the time."""
    for racer in racers:
        try_out(racer)
    demand_same_answers(racers, form)
    take_turns(racers, runs)


# --- the pieces ------------------------------------------------------------------------------------------------------------


def format_piece(form: str, size: float, runs: int) -> Callable[[Asked], list[str]]:
    """One format, against whoever can read it."""

    def piece(asked: Asked) -> list[str]:
        lines: list[str] = []
        for gigabytes in asked.sizes or (size,):
            file, n = asked.log(form, gigabytes)
            packed = file.stat().st_size / 1e9
            racers = [*ours(file, form), *others(file, form)]
            race(racers, form, asked.runs or runs)
            file.unlink()
            within = f"{packed:.2g} GB packed, " if file.suffix in (".gz", ".zst") else ""
            lines += [f"### {form}: {gigabytes:g} GB, {within}{n:,} requests, medians of {asked.runs or runs}", ""]
            lines += [*_race_table(racers), *absent(form), ""]
        return lines[:-1]

    return piece


def _race_table(racers: Sequence[Racer]) -> list[str]:
    head = ["| | wall s | edgeroi takes | peak MB | without file pages | leaves out |", "|---|--:|--:|--:|--:|---|"]
    return head + [
        f"| {r.name} | {r.spread} | {racers[0].median / r.median:.2f} x | {r.peak.total:.0f} | {r.peak.private:.0f} | {r.leaves_out} |"
        for r in racers
    ]


def sizes_piece(asked: Asked) -> list[str]:
    """Time per GB and memory as the log grows, beside the bare DuckDB query."""
    runs = asked.runs or 1
    lines = [f"### A log that grows, medians of {runs}", "", "| GB | | wall s | s per GB | peak MB | without file pages |"]
    lines.append("|--:|---|--:|--:|--:|--:|")
    for gigabytes in sorted(asked.sizes or (1.0, 4.0, 10.0)):
        file = asked.grown(gigabytes)
        racers = [ours(file, "jsonl")[0], *others(file, "jsonl", ("duckdb",))]
        race(racers, "jsonl", runs)
        held = file.stat().st_size / 1e9
        lines += [
            f"| {held:.4g} | {r.name} | {r.spread} | {r.median / held:.2f} | {r.peak.total:.0f} | {r.peak.private:.0f} |" for r in racers
        ]
    return lines


def update_piece(asked: Asked) -> list[str]:
    """A saved profile, brought up to date with a hundredth more, against one made anew; both must be the same bytes."""
    runs, gigabytes = asked.runs or 3, max(asked.sizes or (10.0,))
    file = asked.grown(gigabytes)
    before, anew, updated = (asked.folder / f"{name}.profile" for name in ("before", "anew", "updated"))
    begun = run(profile_command(file, "jsonl", "--save", str(before)))[0]
    held = file.stat().st_size
    generate.append(file, gigabytes * GROWTH)
    added = (file.stat().st_size - held) / 1e6
    again = run(profile_command(file, "jsonl", "--save", str(anew)))[0]
    seconds = []
    for _ in range(runs):
        shutil.copyfile(before, updated)
        seconds.append(run(profile_command(file, "jsonl", "--update", str(updated)))[0])
        if updated.read_bytes() != anew.read_bytes():
            sys.exit("an updated profile is not what a new one would be")
    told = {f"`--save`, {held / 1e9:.4g} GB": [begun], f"`--save` anew, {added:.0f} MB more": [again], "`--update`": seconds}
    lines = [f"### {added:.0f} MB more in a log of {held / 1e9:.4g} GB", "", "| | wall s | of all anew |", "|---|--:|--:|"]
    return lines + [f"| {name} | {statistics.median(each):.2f} | {statistics.median(each) / again:.3f} x |" for name, each in told.items()]


def spark_piece(asked: Asked) -> list[str]:
    """The same log by one process, by two, and by a standalone cluster of one worker and of two; all must say the same."""
    if without := cluster.missing():
        return [f"### Spark: {without} not installed here"]
    runs, gigabytes = asked.runs or 3, max(asked.sizes or (1.0,))
    file, _ = asked.log("jsonl", gigabytes)
    racers = [Racer(f"here, `--jobs {jobs}`", profile_command(file, "jsonl", "--jobs", str(jobs)), is_ours=True) for jobs in (1, 2)]
    for racer in racers:
        try_out(racer)
    take_turns(racers, runs)
    starts: dict[str, float] = {}
    for workers in (1, 2):
        racer, starts[f"{workers}"] = _on_cluster(asked, file, workers, runs)
        racers.append(racer)
    first = json.loads(racers[0].said)
    for racer in racers[1:]:
        said = json.loads(racer.said)
        if any(said[part] != first[part] for part in ("groups", "lines")):
            sys.exit(f"{racer.name} says something else than {racers[0].name}")
    held = file.stat().st_size / 1e9
    file.unlink()
    lines = [f"### Spark and local on {held:.4g} GB, medians of {runs}", "", "| | wall s | of one process |", "|---|--:|--:|"]
    lines += [f"| {r.name} | {r.spread} | {r.median / racers[0].median:.2f} x |" for r in racers]
    begun = " and ".join(f"{seconds:.1f} s" for seconds in starts.values())
    return [*lines, "", f"The time of a driver's start is in these; that of the cluster ({begun}) is not."]


def _on_cluster(asked: Asked, file: Path, workers: int, runs: int) -> tuple[Racer, float]:
    """The measured racer and how long the cluster took to be there."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder, cluster.cluster(Path(folder), workers) as (url, environment):
        took = time.perf_counter() - began
        name = f"Spark, {workers} worker{'s' if workers > 1 else ''} of one core"
        racer = Racer(name, profile_command(file, "jsonl", "--engine", "spark", "--master", url), is_ours=True, environment=environment)
        try_out(racer)
        racer.slow = False
        take_turns([racer], runs)
    return racer, took


def start_up_piece(asked: Asked) -> list[str]:
    """The processor time of commands that read no log, beside the least that a command line with these libraries takes."""
    runs = max(asked.runs or 7, 7)
    commands = {"`python -c 'import typer, rich.console'`": [sys.executable, "-c", "import typer, rich.console"]}
    commands["`edgeroi --help`"] = [str(EDGEROI), "--help"]
    commands |= {f"`edgeroi compare {scenario}`": [str(EDGEROI), "compare", str(scenario)] for scenario in SCENARIOS}
    scenarios = (path for path in sorted((HERE.parent / "scenarios").rglob("*.yaml")) if path.parent.name != "policies")
    without_logs = [str(path) for path in scenarios if "log:" not in path.read_text()]
    commands[f"`edgeroi compare`, the {len(without_logs)} scenarios without logs"] = [str(EDGEROI), "compare", *without_logs]
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            used = cpu(command)
            if turn:
                spent[name].append((time.perf_counter() - began, used))
    medians = {name: [statistics.median(values) for values in zip(*pairs, strict=True)] for name, pairs in spent.items()}
    least = next(iter(medians.values()))
    head = [f"### Start-up, medians of {runs} runs", "", "| | wall s | CPU s | of the first | CPU s more |", "|---|--:|--:|--:|--:|"]
    return head + [f"| {name} | {w:.3f} | {c:.3f} | {w / least[0]:.2f} x | {c - least[1]:+.2f} |" for name, (w, c) in medians.items()]


#: In the order of the README.
PIECES: dict[str, Callable[[Asked], list[str]]] = {
    "jsonl": format_piece("jsonl", 1.0, 5),
    **{form: format_piece(form, 0.25, 3) for form in ("gz", "zst", "csv", "nginx", "otlp", "litellm")},
    "sizes": sizes_piece,
    "update": update_piece,
    "spark": spark_piece,
    "start-up": start_up_piece,
}
_PROGRAMS = {"GoAccess": ("goaccess", "--version"), "Miller": ("mlr", "--version")}
_PACKAGES = ("edgeroi", "numpy", "msgspec", "duckdb", "polars", "chdb", "pyspark")


# --- the README ------------------------------------------------------------------------------------------------------------


def record(name: str, report: str, readme: Path) -> None:
    """Put a piece between its marks."""
    marks = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = readme.read_text().partition(marks[0])
    _, closed, after = rest.partition(marks[1])
    if not (found and closed):
        sys.exit(f"{readme} has no {' and '.join(marks)}")
    readme.write_text(f"{before}{marks[0]}\n{report}\n{marks[1]}{after}")


def wanted(names: str) -> list[str]:
    """The pieces of ``--only``, in the order of the README."""
    asked = names.split(",")
    if unknown := sorted(set(asked) - PIECES.keys()):
        sys.exit(f"--only knows {', '.join(PIECES)}, not {', '.join(unknown)}")
    return [name for name in PIECES if name in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PIECES), metavar="PIECE,...", help=f"of {', '.join(PIECES)}; all unless given")
    parser.add_argument("--size", type=float, action="append", metavar="GB", help="may be repeated; each piece has its own otherwise")
    parser.add_argument("--runs", type=int, help="rounds for the time; each piece has its own number otherwise")
    parser.add_argument("--folder", type=Path, help="where the logs are written, and removed; a temporary folder unless given")
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    args = parser.parse_args()
    names = wanted(args.only)
    if compiled.part is None:
        sys.exit("the part in C was not built here: install a C compiler, then pip install -e '.[bench]' again")
    bytecode_as_installed()
    with tempfile.TemporaryDirectory(prefix="edgeroi-bench-", dir=args.folder) as folder:
        asked = Asked(Path(folder), tuple(args.size) if args.size else None, args.runs)
        for name in names:
            where = setting(_PACKAGES, _PROGRAMS)
            report = "\n".join([*PIECES[name](asked), "", where])
            print(report + "\n", flush=True)
            if args.write:
                record(name, report, HERE / "README.md")


if __name__ == "__main__":
    main()
