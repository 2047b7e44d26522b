"""A standalone Spark cluster on loopback: a master and workers of one core each, ended when the block ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEFAULTS = "spark.executor.memory 512m\nspark.executor.cores 1\nspark.driver.host 127.0.0.1\nspark.driver.bindAddress 127.0.0.1\n"
_LOGGING = """rootLogger.level = info
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n
"""


def missing() -> str:
    """What a cluster needs and is not here; nothing where it can be started."""
    needed = {"Java": shutil.which("java"), "pyspark": importlib.util.find_spec("pyspark")}
    return " and ".join(name for name, there in needed.items() if not there)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, dict[str, str]]]:
    """``(address of the master, environment for its drivers)``, once every worker is registered."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    home = Path(next(iter(spec.submodule_search_locations)))
    environment = _configured(folder, home)
    port = _free_port()
    url, started = f"spark://127.0.0.1:{port}", []
    try:
        started.append(_start(folder / "master.log", home, environment, "master.Master", "--port", str(port)))
        _wait_for(folder / "master.log", "New state: ALIVE", 1)
        for number in range(workers):
            options = ("--cores", "1", "--memory", "700m", "--work-dir", str(folder / f"work{number}"))
            started.append(_start(folder / f"worker{number}.log", home, environment, "worker.Worker", *options, url))
        _wait_for(folder / "master.log", "Registering worker", workers)
        yield url, environment
    finally:
        for server in started:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _configured(folder: Path, home: Path) -> dict[str, str]:
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "spark-defaults.conf").write_text(_DEFAULTS)
    (folder / "conf" / "log4j2.properties").write_text(_LOGGING)
    return {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(log: Path, home: Path, environment: dict[str, str], what: str, *options: str) -> subprocess.Popen[bytes]:
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}", "--host", "127.0.0.1", "--webui-port", "0", *options]
    with log.open("wb") as out:
        return subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True)


def _wait_for(log: Path, words: str, times: int) -> None:
    """Until a log says so many times what is waited for, a minute at most."""
    for _ in range(600):
        if log.read_text().count(words) >= times:
            return
        time.sleep(0.1)
    sys.exit(f"{log.name} never said {words!r} {times} times:\n{log.read_text()[-2000:]}")
