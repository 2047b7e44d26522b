"""Logs that stand elsewhere are read as those that stand here; nothing secret is ever printed."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edgeroi.engines import inputs, local
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.reading import reading
from edgeroi.logs.remote import shown
from edgeroi.logs.saved import dumped

pytest.importorskip("fsspec", reason="the extra 'remote' is not installed")
pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")

ROOT = Path(__file__).parents[1]
BY = reading(by=("workload",))


def lines(seed: int, n: int) -> bytes:
    rng = random.Random(seed)
    said = [json.dumps({"workload": rng.choice("ab"), "latency_ms": rng.randint(1, 900)}) for _ in range(n)]
    return "\n".join([*said, "{broken"]).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log, one that is packed, a table."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(lines(1, 4000))
    (logs / "b.jsonl.gz").write_bytes(gzip.compress(lines(2, 500)))
    (logs / "c.csv").write_text("latency_ms\n" + "7\n" * 300)
    return logs


class Whole(http.server.SimpleHTTPRequestHandler):
    """A plain server: files from start to end, whatever part is asked for."""

    def log_message(self, *args: object) -> None:
        """Nothing is to be heard."""


class InParts(Whole):
    """A server that gives parts of a file, as those of object stores do."""

    def send_head(self) -> object:  # type: ignore[override]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        data = Path(self.translate_path(self.path)).read_bytes()
        start, end = (int(found[1]), min(int(found[2] or len(data) - 1), len(data) - 1)) if found else (0, len(data) - 1)
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start : end + 1])
        return None


@pytest.fixture(params=[Whole, InParts], ids=["whole", "in parts"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(request.param, directory=str(folder)))
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()


@pytest.mark.parametrize("jobs", [1, 2])
def test_logs_behind_http_are_those_of_the_folder(monkeypatch: pytest.MonkeyPatch, folder: Path, server: str, jobs: int) -> None:
    monkeypatch.setattr(inputs, "RANGE_BYTES", 50_000)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    names = ("a.jsonl", "b.jsonl.gz", "c.csv")
    found = read_logs([f"{server}/{name}?X-Signature=s3cret" for name in names], BY, jobs=jobs)
    expected = read_logs([folder / name for name in names], BY)
    assert found.partial == expected.partial
    assert [(file.lines, file.digest) for file in found.files] == [(file.lines, file.digest) for file in expected.files]
    assert [file.path for file in found.files] == [f"{server}/{name}" for name in names]
    assert [(reject.line, reject.raw) for reject in found.rejects] == [(reject.line, reject.raw) for reject in expected.rejects]


def test_what_is_not_there_is_told_without_what_is_secret(server: str) -> None:
    for address in (f"{server}/nothing.jsonl?X-Signature=s3cret", "http://127.0.0.1:1/a?X-Signature=s3cret"):
        with pytest.raises(EdgeroiError, match="no such file|cannot be read") as error:
            read_logs([address], BY)
        assert "s3cret" not in str(error.value)
        assert address.partition("?")[0] in str(error.value)
    with pytest.raises(EdgeroiError, match="password in an address") as error:
        read_logs(["https://me:s3cret@127.0.0.1/a.jsonl"], BY)
    assert "s3cret" not in str(error.value)
    assert shown("s3://key:s3cret@bucket/a?b=c") == "s3://bucket/a"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """A bucket of a server that speaks S3, with the folder's files in it."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="the extra 'remote' is not installed")
    serving = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    program = (
        "import s3fs, sys, pathlib; system = s3fs.S3FileSystem(); system.mkdir('logs');"
        "[system.pipe(f'logs/day/{path.name}', path.read_bytes()) for path in pathlib.Path(sys.argv[1]).iterdir()]"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    yield "s3://logs/day"
    serving.stop()


def profiled(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeroi", "profile", "--max-rejected", "100%", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), check=False)


def test_a_bucket_is_a_folder(bucket: str, folder: Path, tmp_path: Path) -> None:
    saved, here = tmp_path / "s3.profile", tmp_path / "here.profile"
    done = profiled(bucket, "--save", saved, "--jobs", "2", "--format", "json")
    assert done.returncode == 0, done.stderr
    names = ("a.jsonl", "b.jsonl.gz", "c.csv")
    assert [file["path"] for file in json.loads(done.stdout)["files"]] == [f"{bucket}/{name}" for name in names]
    here.write_bytes(dumped(read_logs([folder], reading(), keep=True)))
    assert saved.read_bytes() == here.read_bytes()
    some = profiled(f"{bucket}/*.jsonl*", "--format", "json")
    assert [Path(file["path"]).name for file in json.loads(some.stdout)["files"]] == ["a.jsonl", "b.jsonl.gz"]
    for missing in (f"{bucket}/nothing.jsonl", "s3://no-such-bucket/a.jsonl"):
        gone = profiled(missing)
        assert (gone.returncode, missing in gone.stderr) == (2, True)
        assert "s3cret" not in gone.stderr
        assert "AKIAEXAMPLE" not in gone.stderr
        assert "Traceback" not in gone.stderr
