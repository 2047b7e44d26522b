"""Samples of load tools and benchmarks, spoilt at random: nothing crashes, and every account balances or the file is refused by name."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tool_samples import FOLDER, sample

from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.reading import reading
from edgeroi.profile_report import profile_report
from edgeroi.workload import Profile

NAMES = sorted(path.name for path in FOLDER.iterdir() if path.name.startswith(("loadtest.", "bench.", "stage.")))
MUTATIONS = 20
PIECES = (b'"', b"{", b"}", b",", b"\n", b"null", b"-1", b"1e400", b"[", b":", b"NaN", b'"N/A"', b"\xff", b"\0", b"9" * 400, b"1e305")


def spoilt(data: bytes, rng: Random) -> bytes:
    """The bytes with one to four of them changed, left out, put in, or all behind them cut off."""
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data))
        behind = (
            bytes([rng.randrange(256)]) + data[at + 1 :],
            data[at + rng.randrange(1, 40) :],
            rng.choice(PIECES) + data[at:],
            b" ",
        )
        data = data[:at] + rng.choice(behind)
    return data


def read_or_refused(log: Path, data: bytes) -> Profile | None:
    """The profile; ``None`` where the file is refused, which has to be by its name."""
    log.write_bytes(data)
    try:
        return read_logs([log], reading())
    except EdgeroiError as refused:
        if log.name not in str(refused):
            raise
        return None


@pytest.mark.parametrize("name", NAMES)
def test_a_spoilt_sample_is_accounted_for_or_refused(name: str, tmp_path: Path) -> None:
    rng, whole, log = Random(name), sample(name), tmp_path / name.removesuffix(".gz")
    read = [profile for _ in range(MUTATIONS) if (profile := read_or_refused(log, spoilt(whole, rng)))]
    assert read
    for profile in read:
        assert profile.lines.balanced
        profile_report(profile, version="1")
