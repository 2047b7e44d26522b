"""No verdict rests on a difference that the probe may have made itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgeroi
from edgeroi.logs.saved import dumped

SCENARIO = """\
edgeroi: 1
log: {log}
options:
  cloud: {{placement: cloud, price: {{request: 0.001 USD/request}}}}
  edge: {{placement: edge, price: {{request: 0.0009 USD/request}}}}
workloads:
  search:
    requests: 10M /month
    options: [cloud, edge]
    runs_on: edge
    value: {{waiting: 40 USD/h}}
"""


def row(place: str, ms: float, n: int) -> dict[str, object]:
    stamp = f"2026-11-{1 + n % 20:02}T10:00:{n % 60:02}Z"
    return {"timestamp": stamp, "workload": "search", "placement": place, "latency_ms": ms, "request_id": f"{n}-{place}", "status": 200}


def record(added: object) -> dict[str, object]:
    return {"edgeroi_run": {"run": "r", "selftest": {"added_whole_ms": {"p50": added, "p99": 9.0}}}}


def written(folder: Path, faster_ms: float, *records: dict[str, object], name: str = "probe.jsonl") -> Path:
    """400 requests in both places, 100 to 119 ms in the cloud and so much less at the edge."""
    pairs = [(row("cloud", 100.0 + n % 20, n), row("edge", 100.0 + n % 20 - faster_ms, n)) for n in range(400)]
    lines = [*records, *(one for pair in pairs for one in pair)]
    path = folder / name
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return path


def judged(folder: Path, log: Path) -> tuple[str, str]:
    (folder / "case.yaml").write_text(SCENARIO.format(log=log.name))
    (decision,) = edgeroi.compare(folder / "case.yaml").decisions
    return decision.verdict, decision.reason


# A cheaper edge that is 0.4 ms faster: the probe's own 0.6 ms leave nothing of it; 5 ms they leave.
@pytest.mark.parametrize(
    ("faster_ms", "added", "verdict"), [(0.4, 0.6, "undecided"), (0.4, 0.3, "worth_it"), (5.0, 0.6, "worth_it"), (-0.4, 0.6, "undecided")]
)
def test_a_difference_below_the_probes_own_error_decides_nothing(faster_ms: float, added: float, verdict: str, tmp_path: Path) -> None:
    found, reason = judged(tmp_path, written(tmp_path, faster_ms, record(added)))
    assert found == verdict
    said = "cloud and edge differ by 0.4 ms, and the probe itself adds 0.6 ms: measure on a quieter machine (edgeroi selftest)"
    assert (reason == said) == (verdict == "undecided")


def test_a_log_no_probe_wrote_has_no_such_error(tmp_path: Path) -> None:
    written(tmp_path, 0.4, name="requests.jsonl")
    (tmp_path / "case.yaml").write_text(SCENARIO.format(log="requests.jsonl").replace("edgeroi: 1", "edgeroi: 1\nseen_from: client"))
    (decision,) = edgeroi.compare(tmp_path / "case.yaml").decisions
    assert decision.verdict == "worth_it"


def test_the_figure_travels_with_the_profile(tmp_path: Path) -> None:
    one = written(tmp_path, 1.0, record(0.25))
    # Two runs in one file: the greater counts, wherever it stands.
    two = written(tmp_path, 1.0, record(0.25), record(0.75), name="two.jsonl")
    plain = written(tmp_path, 1.0, name="plain.jsonl")
    assert edgeroi.profile(one).added_ms == 0.25
    assert edgeroi.profile(two).added_ms == 0.75
    assert edgeroi.profile([one, two]).added_ms == 0.75
    assert edgeroi.profile([one, plain]).added_ms is None
    assert edgeroi.profile(plain).added_ms is None


def test_a_saved_profile_keeps_it(tmp_path: Path) -> None:
    saved = tmp_path / "probe.profile"
    saved.write_bytes(dumped(edgeroi.profile(written(tmp_path, 0.4, record(0.6)))))
    assert edgeroi.profile(saved).added_ms == 0.6


@pytest.mark.parametrize("added", [None, "0.5", -1, True, float("inf"), [0.5]])
def test_a_figure_that_is_none_is_not_believed(added: object, tmp_path: Path) -> None:
    assert edgeroi.profile(written(tmp_path, 1.0, record(added))).added_ms is None


@pytest.mark.parametrize(("mode", "told"), [("closed", 1), ("open", 0)])
def test_a_verdict_on_a_closed_loop_says_what_it_cannot_see(mode: str, told: int, tmp_path: Path) -> None:
    log = written(tmp_path, 5.0, {"edgeroi_run": {"run": "r", "mode": mode}})
    (tmp_path / "case.yaml").write_text(SCENARIO.format(log=log.name))
    notes = edgeroi.compare(tmp_path / "case.yaml").document["notes"]
    assert isinstance(notes, list | tuple)
    assert sum("blind to queueing" in str(note) for note in notes) == told
