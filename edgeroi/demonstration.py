"""A full run on one machine: two endpoints on loopback, the files that measure and judge them, and the steps a user would type.

The endpoints are real servers that answer over real connections; what is made up is how far away they are and how long they take to
answer, and that is said. Nothing that follows knows those numbers: the probe measures them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeroi.errors import EdgeroiError
from edgeroi.loopback import in_a_process


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that answers: the way to it and back, the median of its service time (ms), and the spread of that (lognormal sigma)."""

    network_ms: float
    service_ms: float
    spread: float


#: Near and slow against far and quick: a small accelerator in every city, a large one in a data centre overseas.
PLACES: Mapping[str, Endpoint] = {"edge": Endpoint(8, 42, 0.35), "cloud": Endpoint(85, 16, 0.20)}
#: Per place; 400 requests are enough for a p99 with both ends of its interval, and at 40 a second they take ten seconds.
REQUESTS, RATE = 400, 40

PROBES = """\
edgeroi: 1
name: demo
workload: search
vantage: this machine, both ends on loopback
rate: {rate} /s                       # to each place; sent when due, whatever the answers do
requests: {requests}
timeout: 5 s
targets:
  edge: {{placement: edge, url: "{edge}", dialect: openai-embeddings, model: bge-base-en-v1.5}}
  cloud: {{placement: cloud, url: "{cloud}", dialect: openai-embeddings, model: bge-base-en-v1.5}}
payloads: {{generate: {{tokens: 100 tok}}}}
"""

SCENARIO = """\
edgeroi: 1
name: Search embeddings, measured by the demo
prices_as_of: 2026-11-22
seen_from: client                   # the probe stands where the user does
options:
  cloud:
    placement: cloud
    price: deepinfra/BAAI/bge-base-en-v1.5
    log: {file: probe.jsonl, where: {placement: cloud}}
  edge:
    placement: edge
    price: cloudflare/@cf/baai/bge-base-en-v1.5
    origin_calls: {count: 0}        # the index is at the edge too; a call home would eat the saving
    log: {file: probe.jsonl, where: {placement: edge}}
workloads:
  search:
    requests: 30M /month
    options: [cloud, edge]
    runs_on: edge                   # the change under review
    value: {waiting: 5 to 40 USD/h, why: people wait for the results, by: the demo}
"""
PROBES_FILE, SCENARIO_FILE, LOG_FILE = "probes.yaml", "scenario.yaml", "probe.jsonl"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done next and why, the words after ``edgeroi`` that do it, and how it may end."""

    title: str
    why: tuple[str, ...]
    command: tuple[str, ...]
    may_end: tuple[int, ...] = (0,)


MEASURE = Step(
    "Measure both places",
    (
        "The probe asks both the same thing at the same time, and counts from the moment a request was due.",
        "It ends with the difference, pair by pair, and with whether this machine was on time for it to be trusted.",
    ),
    ("probe", PROBES_FILE, "--log", LOG_FILE),
    (0, 3),
)
STEPS = (
    Step(
        "Look at the log",
        (
            "What the probe wrote is a log like your gateway's; here is the same profile for any log, asked about one saving.",
            "Every quantile has its interval. Lines that are no request are counted too, none is dropped in silence.",
        ),
        ("profile", LOG_FILE, "--saving", "77ms"),
    ),
    Step(
        "Is the edge worth it?",
        (
            f"{SCENARIO_FILE} names both options, their prices, the volume, and what an hour of waiting is worth.",
            "The table shows what the edge costs more, what it gives, and what would flip the answer.",
        ),
        ("compare", SCENARIO_FILE),
    ),
    Step(
        "Hold a change to it",
        (
            f"In CI the same file is a gate. {SCENARIO_FILE} says `runs_on: edge`, so this is a pull request that moves search there.",
            "The edge is faster, and nobody can feel it: the gate fails (exit 1), and says what would pass.",
        ),
        ("check", SCENARIO_FILE),
        (0, 1, 3),
    ),
)

NEXT = """\
Now on your own log (any of {formats} formats, found by content):
  edgeroi init YOUR-LOG.jsonl --interactive --output scenario.yaml
  edgeroi check scenario.yaml
The demo's files are in {folder}. Ask why, and then what if 30 ms were felt, or search were one stage of a page:
  cd {folder}
  edgeroi compare scenario.yaml --explain search
  edgeroi check scenario.yaml --set workloads.search.felt.ms="30 ms"
  edgeroi check scenario.yaml --set workloads.search.part_of="640 ms"
"""


@contextmanager
def endpoints() -> Iterator[Mapping[str, str]]:
    """The URLs of both places, while the block runs."""
    near, far = (tuple(str(x) for x in (p.network_ms, p.service_ms, p.spread)) for p in (PLACES["edge"], PLACES["cloud"]))
    with in_a_process(near) as edge, in_a_process(far) as cloud:
        yield {"edge": edge, "cloud": cloud}


def write_files(folder: Path, urls: Mapping[str, str], requests: int) -> None:
    """The probe file and the scenario. Raises ``EdgeroiError`` where one of the demo's files is there already."""
    there = [name for name in (PROBES_FILE, SCENARIO_FILE, LOG_FILE) if (folder / name).exists()]
    if there:
        raise EdgeroiError(f"{folder} holds {', '.join(there)} already", key="--keep", fix="name another folder, or remove them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PROBES_FILE).write_text(PROBES.format(rate=RATE, requests=requests, **urls), encoding="utf-8")
        (folder / SCENARIO_FILE).write_text(SCENARIO, encoding="utf-8")
    except OSError as error:
        raise EdgeroiError(f"cannot write into {folder}: {error.strerror}", key="--keep", fix="name a folder that can be written") from None
