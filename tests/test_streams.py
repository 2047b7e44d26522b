"""Big and hostile streams: shared between processes to the same profile, in memory that does not grow with them."""

from __future__ import annotations

import gzip
import json
import os
import pty
import random
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeroi.engines import local, reader
from edgeroi.engines.local import read_logs
from edgeroi.engines.workers import _Shares
from edgeroi.errors import EdgeroiError
from edgeroi.logs import pieces as cutting
from edgeroi.logs.reading import reading

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BY = reading(by=("workload",))
MIB = 1 << 20
PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstd.compress}


def lines(seed: int, n: int, *, dirt: bool = True) -> bytes:
    rng = random.Random(seed)
    odd = ["", "{broken", "[1]"] if dirt else []
    said = [
        rng.choice([json.dumps({"workload": rng.choice("ab"), "latency_ms": rng.randint(1, 900), "seq": number})] * 20 + odd)
        for number in range(n)
    ]
    return "\n".join(said).encode() + b"\n"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    monkeypatch.setattr(reader, "_PIECES_OF_BLOCK", 2)
    monkeypatch.setattr(cutting.pieces, "__kwdefaults__", {**cutting.pieces.__kwdefaults__, "piece_bytes": 2000})


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("cut", [0, 1000], ids=["whole", "cut"])
def test_one_stream_is_parsed_by_several_processes_to_the_same_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, cut: int
) -> None:
    data = PACK[kind](lines(1, 9000))
    log = tmp_path / f"a.jsonl.{kind}"
    log.write_bytes(data[: len(data) - cut])
    handed = tmp_path / "handed"
    hand_over = _Shares.hand_over

    def noted(self: _Shares, block: reader.Block) -> bool:
        time.sleep(0.002)  # so that another has the time to say that it waits
        taken = hand_over(self, block)
        if taken:
            with handed.open("a") as file:
                file.write("x")
        return taken

    monkeypatch.setattr(_Shares, "hand_over", noted)
    alone = read_logs([log], BY, jobs=1, rejects_to=tmp_path / "alone")
    shared = read_logs([log], BY, jobs=3, rejects_to=tmp_path / "shared")
    assert cut or len(handed.read_text()) > 10
    assert shared == alone
    assert (tmp_path / "shared").read_bytes() == (tmp_path / "alone").read_bytes()
    assert bool(shared.files[0].damage) is bool(cut)
    assert shared.lines.rejected.get("stream_truncated", 0) == bool(cut)


@pytest.mark.usefixtures("small_blocks")
def test_200_files_of_every_packing_are_the_files_unpacked(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed", tmp_path / "plain"
    packed.mkdir()
    plain.mkdir()
    for number in range(200):
        data = lines(number, 12)
        kind = ("gz", "zst", "")[number % 3]
        (plain / f"{number:03d}.jsonl").write_bytes(b'{"latency_ms":1}\n' + data)
        (packed / f"{number:03d}.jsonl{'.' if kind else ''}{kind}").write_bytes(PACK.get(kind, bytes)(b'{"latency_ms":1}\n' + data))
    found, expected = read_logs([packed], BY, jobs=3), read_logs([plain], BY, jobs=1)
    assert found.partial == expected.partial
    assert [file.lines for file in found.files] == [file.lines for file in expected.files]


@pytest.mark.usefixtures("small_blocks")
def test_a_mistake_in_a_block_of_another_process_is_told_as_one(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl.gz"
    log.write_bytes(gzip.compress(b"".join(b'{"latency_ms":1,"request_id":"%d"}\n' % n for n in range(70_000))))
    with pytest.raises(EdgeroiError, match="more than 20,000 groups"):
        read_logs([log], reading(by=("request_id",)), jobs=3)


def test_progress_of_a_packed_log_and_of_a_table_moves_with_its_bytes(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("latency_ms,note\n" + f"5,{'x' * 60}\n" * 160_000)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(lines(1, 60_000, dirt=False), 1))
    for log in (table, packed):
        told: list[tuple[int, int]] = []
        read_logs([log], BY, jobs=1, progress=lambda done, total, told=told: told.append((done, total)))  # type: ignore[misc]
        size = log.stat().st_size
        assert {total for _, total in told} == {size}
        assert told[-1][0] == size
        assert len([done for done, _ in told if 0.05 * size < done < 0.95 * size]) > 1


def test_a_terminal_sees_how_far_it_is_and_how_long_it_will_take(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl.gz"
    log.write_bytes(gzip.compress(lines(1, 3000, dirt=False)))
    program = """
import time
import edgeroi.engines.reader as reader
from edgeroi.cli.main import run
real = reader.Reader.read_block
def slow(self, block):
    time.sleep(1.2)
    return real(self, block)
reader.Reader.read_block = slow
run()
"""
    primary, secondary = pty.openpty()
    shown = bytearray()

    def listen() -> None:
        try:
            while block := os.read(primary, 1 << 16):
                shown.extend(block)
        except OSError:
            return

    listening = threading.Thread(target=listen)
    listening.start()
    subprocess.run(
        [sys.executable, "-c", program, "profile", str(log)],
        stdout=subprocess.DEVNULL, stderr=secondary, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}, check=True,
    )  # fmt: skip
    os.close(secondary)
    listening.join(timeout=20)
    os.close(primary)
    assert b"reading" in shown
    assert b"kB" in shown
    assert b"0:00:0" in shown


# --- memory ----------------------------------------------------------------------------------------------------------------

#: An interpreter with numpy and msgspec, and what the pieces in hand take; two processes more may each have as much.
BOUND_MIB = 260


def peak_mib(*args: object) -> tuple[int, dict[str, object]]:
    """The most that a run and its processes held at one time, by the system's count, and what it said."""
    command = [sys.executable, "-m", "edgeroi", "profile", "--format", "json", *map(str, args)]
    most = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True) as child:
        said: list[str] = []
        assert child.stdout is not None
        listening = threading.Thread(target=lambda: said.append(child.stdout.read()))  # type: ignore[union-attr]
        listening.start()
        while child.poll() is None:
            most = max(most, sum(_held(folder, child.pid) for folder in Path("/proc").glob("[0-9]*")))
            time.sleep(0.02)
        listening.join()
    return most >> 20, json.loads(said[0])


def _held(folder: Path, group: int) -> int:
    """What a process of the group has to itself, and its share of what it has with others (PSS)."""
    try:
        if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) != group:
            return 0
        told = (folder / "smaps_rollup").read_text()
    except (OSError, ValueError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("Pss:"))


def packed_in_blocks(path: Path, block: bytes, times: int, before: bytes = b"", after: bytes = b"") -> None:
    """A gz stream of a block many times over, written without holding it."""
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        file.write(packer.compress(before))
        for _ in range(times):
            file.write(packer.compress(block))
        file.write(packer.compress(after) + packer.flush())


GOOD = b'{"latency_ms":5}\n'
needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not say what a process holds")


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_stream_of_any_size_is_read_in_bounded_memory(tmp_path: Path, jobs: int) -> None:
    """250 MB unpacked; what is read of it stands in a few pieces for each process."""
    log = tmp_path / "a.jsonl.gz"
    block = lines(1, 20_000, dirt=False)
    times = 250 * MIB // len(block)
    packed_in_blocks(log, block, times)
    held, document = peak_mib(log, "--jobs", jobs)
    assert document["lines"]["profiled"] == times * 20_000  # type: ignore[index]
    assert held < BOUND_MIB * (1 if jobs == 1 else 2)


@needs_proc
@pytest.mark.slow
def test_a_bomb_a_giant_line_and_deep_nesting_are_refused_in_bounded_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    packed_in_blocks(bomb, bytes(MIB), 600, before=GOOD * 3)  # 600 MB of NUL in 3 MB, in one line
    held, document = peak_mib(bomb)
    assert held < BOUND_MIB
    assert document["lines"] == {  # type: ignore[comparison-overlap]
        "read": 4, "blank": 0, "profiled": 3, "rejected": {"line_too_long": 1}, "skipped": {}, "balanced": True,
    }  # fmt: skip
    giant = tmp_path / "giant.jsonl"
    with giant.open("wb") as file:
        file.write(GOOD + b'{"latency_ms":5,"x":"')
        for _ in range(300):
            file.write(b"y" * MIB)
        file.write(b'"}\n' + GOOD)
    held, document = peak_mib(giant, "--jobs", 1)
    assert held < BOUND_MIB
    assert document["lines"]["rejected"] == {"line_too_long": 1}  # type: ignore[index]
    assert document["lines"]["profiled"] == 2  # type: ignore[index]
    deep = tmp_path / "deep.jsonl"
    nested = b'{"latency_ms":5,"x":' + b"[" * 3_000_000 + b"]" * 3_000_000 + b"}\n"
    deep.write_bytes(GOOD + nested + b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"\n" + GOOD)
    held, document = peak_mib(deep)
    assert held < BOUND_MIB
    assert document["lines"]["rejected"] == {"too_deep": 2}  # type: ignore[index]


@needs_proc
@pytest.mark.slow
def test_objects_of_10_000_keys_are_read_in_bounded_memory(tmp_path: Path) -> None:
    """No reader of ours grows with the names that a log makes up."""
    log = tmp_path / "a.jsonl"
    with log.open("wb") as file:
        file.write(GOOD * 20)
        for number in range(30):
            keys = ",".join(f'"k{number}-{key}":{{"deep":{key}}}' for key in range(10_000))
            file.write(f'{{"latency_ms":5,{keys}}}\n'.encode())
    held, document = peak_mib(log, "--jobs", 1)
    assert held < BOUND_MIB
    assert document["lines"]["profiled"] == 50  # type: ignore[index]
