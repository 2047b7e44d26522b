"""For tests of verdicts: scenarios as text, logs as rows, judged on one day."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from edgeroi.judging import judge, loaded
from edgeroi.verdict import Decision
from edgeroi.verdict_report import Verdicts

TODAY = date(2026, 11, 22)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)

#: 10 M requests of 100 tokens: 1,000 Mtok a month.
TRAFFIC = "requests: 10M /month\n    tokens: {input: 100 tok, output: 0 tok}"
#: 170 ms in the cloud for 5 USD a month, 20 ms at the edge for 200.
OPTIONS = """
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 170 ms}
  edge: {placement: edge, price: {input: 0.20 USD/Mtok}, latency: 20 ms, assume: {why: so it is said, by: dana}}
"""


def scenario(tmp_path: Path, text: str, name: str = "scenario.yaml") -> Path:
    """A scenario file with this text below its version."""
    path = tmp_path / name
    path.write_text(f"edgeroi: 1\nname: Under test\nprices_as_of: 2026-11-22\n{text}")
    return path


def judged(*paths: Path, gate: bool = False, overrides: tuple[str, ...] = (), today: date = TODAY) -> Verdicts:
    """The files, judged; the project policy beside them holds."""
    scenarios, policies = loaded([str(path) for path in paths], overrides)
    return judge(scenarios, command="check" if gate else "compare", today=today, policies=policies, gate=gate)


def decisions(tmp_path: Path, text: str, overrides: tuple[str, ...] = ()) -> Mapping[str, Decision]:
    """The decisions of one scenario, by workload."""
    found = judged(scenario(tmp_path, text), overrides=overrides).decisions
    return {decision.case.workload: decision for decision in found}


def decision(tmp_path: Path, text: str, overrides: tuple[str, ...] = ()) -> Decision:
    """The decision of a scenario with one workload."""
    (found,) = decisions(tmp_path, text, overrides).values()
    return found


def write_log(path: Path, latencies_ms: Iterable[float], days: float = 10.0, **columns: Any) -> Path:
    """A native log: one success per latency, evenly over the days; ``columns`` are the same in each row, or called with its number."""
    rows = list(latencies_ms)
    step = timedelta(days=days) / max(1, len(rows) - 1)
    with path.open("a") as log:
        for n, latency in enumerate(rows):
            at = (FIRST + n * step).isoformat().replace("+00:00", "Z")
            told = {key: value(n) if callable(value) else value for key, value in columns.items()}
            row = {"timestamp": at, "workload": "search", "status": 200, "latency_ms": latency, "input_tokens": 100, "output_tokens": 0}
            log.write(json.dumps(row | told) + "\n")
    return path
