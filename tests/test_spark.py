"""``--engine spark`` on a real standalone cluster: the local profile, bucket for bucket and line for line, though a worker is killed.

Skipped where Java or pyspark is missing, unless ``EDGEROI_NEEDS_SPARK`` is set, as the full check sets it: then that fails.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = {"Java": shutil.which("java"), "pyspark": importlib.util.find_spec("pyspark"), "timeout": shutil.which("timeout")}
MISSING = [name for name, there in NEEDED.items() if not there]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING) and not os.environ.get("EDGEROI_NEEDS_SPARK"), reason=f"{' and '.join(MISSING)} not installed"),
]
#: However a test ends, no server outlives this.
LONGEST_S = "170"


def line(rng: random.Random, number: int) -> str:
    record = {"workload": rng.choice(["chat", "search"]), "latency_ms": rng.randint(1, 90_000) / 8, "output_tokens": rng.randint(0, 900)}
    record |= rng.choice([{"region": "eu"}, {}, {"seq": number}])
    return rng.choice([json.dumps(record)] * 30 + ["", "{broken", "[1]", '{"latency_ms":1,"latency_ms":2}'])


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three ranges, one packed in each way, a table, and one that ends inside a line."""
    folder, rng = tmp_path_factory.mktemp("spark") / "logs", random.Random(5)
    folder.mkdir()
    some = ("\n".join(line(rng, number) for number in range(20_000)) + "\n").encode()
    (folder / "a.jsonl").write_bytes((some * (17 * 1024 * 1024 // len(some) + 1)) + b'{"latency_ms": 1')
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(some, 1))
    (folder / "c.csv").write_text("latency_ms,workload\n" + "".join(f"{n % 77}.5,chat\n" for n in range(5000)))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A master and two workers of one core each, on loopback."""

    def __init__(self, folder: Path) -> None:
        home = Path(next(iter(importlib.util.find_spec("pyspark").submodule_search_locations)))  # type: ignore[union-attr,arg-type]
        (folder / "conf").mkdir()
        (folder / "conf" / "spark-defaults.conf").write_text(
            "spark.executor.memory 512m\nspark.executor.cores 1\nspark.driver.host 127.0.0.1\nspark.driver.bindAddress 127.0.0.1\n"
        )
        (folder / "conf" / "log4j2.properties").write_text(
            "rootLogger.level = warn\nrootLogger.appenderRef.stderr.ref = console\nappender.console.type = Console\n"
            "appender.console.name = console\nappender.console.target = SYSTEM_ERR\nappender.console.layout.type = PatternLayout\n"
            "appender.console.layout.pattern = %p %c{1}: %m%n\n"
        )
        self.env = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(folder / "conf"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "scratch"),
            "SPARK_DAEMON_MEMORY": "256m",
            "PYSPARK_PYTHON": sys.executable,
        }
        port = free_port()
        self.url, self._home, self._folder = f"spark://127.0.0.1:{port}", home, folder
        self._started = [self._start("master.Master", "--port", str(port))]
        self.wait_until_listening(port)
        self.workers = [
            self._start("worker.Worker", "--cores", "1", "--memory", "700m", "--work-dir", str(folder / f"work{number}"), self.url)
            for number in range(2)
        ]
        self._started += self.workers

    def _start(self, what: str, *args: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{what}{len(list(self._folder.iterdir()))}.log").open("wb")
        command = ["timeout", "-k", "5", LONGEST_S, str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}"]
        with log:
            return subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--webui-port", "0", *args], env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    @staticmethod
    def wait_until_listening(port: int) -> None:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("the master never listened")

    def kill(self, server: subprocess.Popen[bytes]) -> None:
        """End a server and all it started, without a warning."""
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    def stop(self) -> None:
        for server in self._started:
            if server.poll() is None:
                self.kill(server)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assert not MISSING, f"EDGEROI_NEEDS_SPARK is set, and {' and '.join(MISSING)} not installed"
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started
    finally:
        started.stop()


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "edgeroi", "profile", "--max-rejected", "100%", "--format", "json", *map(str, args)]


def run(*args: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*args), capture_output=True, text=True, cwd=ROOT, env=env, check=False)


@pytest.fixture(scope="module")
def local(logs: Path) -> Path:
    """What the local engine says of the logs: a saved profile, the rejects, the document."""
    told = logs.parent / "local"
    told.mkdir()
    done = run(logs, "--save", told / "profile", "--rejects", told / "rejects")
    assert done.returncode == 0, done.stderr
    (told / "json").write_text(done.stdout)
    return told


def test_a_cluster_says_what_the_local_engine_says(cluster: Cluster, logs: Path, local: Path, tmp_path: Path) -> None:
    where = ("--engine", "spark", "--master", cluster.url)
    done = run(logs, *where, "--save", tmp_path / "profile", "--rejects", tmp_path / "rejects", env=cluster.env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (local / "json").read_text()
    assert (tmp_path / "profile").read_bytes() == (local / "profile").read_bytes()
    assert (tmp_path / "rejects").read_bytes() == (local / "rejects").read_bytes()
    text = (logs / "a.jsonl").read_bytes().split(b"\n")
    told = [reject for reject in map(json.loads, (tmp_path / "rejects").read_text().splitlines()) if reject["file"].endswith("a.jsonl")]
    assert len(told) > 5_000
    assert all(text[reject["line"] - 1].decode() == reject["raw"] for reject in told)


def test_a_worker_killed_in_mid_run_changes_nothing(cluster: Cluster, logs: Path, local: Path, tmp_path: Path) -> None:
    where = ("--engine", "spark", "--master", cluster.url)
    saved = tmp_path / "profile"
    saving = command(logs, *where, "--save", saved)
    with subprocess.Popen(saving, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=cluster.env) as child:
        victim = cluster.workers[0]
        for _ in range(900):
            if child.poll() is not None or reads(victim.pid, logs):
                break
            time.sleep(0.05)
        assert child.poll() is None, "it ended before a worker was seen to read"
        cluster.kill(victim)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert "Lost executor" in err or "Lost task" in err
    assert out == (local / "json").read_text()
    assert (tmp_path / "profile").read_bytes() == (local / "profile").read_bytes()


def reads(session: int, logs: Path) -> bool:
    """Whether a process that a worker started has one of the logs open."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) != session:
                continue
            if any(str(open_file.readlink()).startswith(str(logs)) for open_file in (folder / "fd").iterdir()):
                return True
        except OSError:
            continue
    return False


def test_what_a_cluster_cannot_do_is_told(logs: Path) -> None:
    piped = subprocess.run(
        command("-", "--engine", "spark"), input='{"latency_ms":5}\n', capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (piped.returncode, "not by a cluster" in piped.stderr) == (2, True)
    nobody = run(logs, "--master", "spark://127.0.0.1:1")
    assert (nobody.returncode, "add --engine spark" in nobody.stderr) == (2, True)
