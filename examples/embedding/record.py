"""Records ``sample_logs/recorded.embedding.jsonl.gz``: all-MiniLM-L6-v2 on this machine, direct and behind an 80 ms round trip.

``python record.py LOG.jsonl.gz`` starts the server and the proxy, each a process of its own, probes both by ``loopback.yaml``, and keeps
the log only of a run that is trusted (``--tries`` runs at most: other programs on the machine make a run late, and a late run is not
kept). Run it with an interpreter that has edgeroi; ``--server-python`` names the one that has torch, where that is another.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ONE_WAY_MS = 40
#: As in loopback.yaml.
EDGE_PORT, CLOUD_PORT = "8765", "8766"


@contextmanager
def started(*command: str) -> Iterator[None]:
    """A process that says its port once it listens, until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port.isdigit():
            raise SystemExit(f"{command[1]} did not start")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> int:
    """Record; the exit code is the probe's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--server-python", default=sys.executable)
    parser.add_argument("--tries", type=int, default=3)
    given = parser.parse_args()
    ended = 3
    with (
        started(given.server_python, str(HERE / "server.py"), "--port", EDGE_PORT),
        started(sys.executable, str(HERE / "delay.py"), EDGE_PORT, "--port", CLOUD_PORT, "--one-way", str(ONE_WAY_MS)),
    ):
        for attempt in range(given.tries):
            recording = given.log.with_name(f".{given.log.name}.{attempt}.jsonl")
            recording.unlink(missing_ok=True)
            probe = [sys.executable, "-m", "edgeroi", "probe", str(HERE / "loopback.yaml"), "--log", str(recording)]
            ended = subprocess.run(probe, check=False).returncode
            if ended == 0:
                given.log.write_bytes(gzip.compress(recording.read_bytes(), mtime=0))
                recording.unlink()
                return 0
            recording.unlink(missing_ok=True)
            if ended != 3:
                break
    return ended


if __name__ == "__main__":
    sys.exit(main())
