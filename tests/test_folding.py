"""What meets every request besides its being counted: the same in the same order, whoever reads and however the logs are cut."""

import gzip
import json
import random

import numpy as np
import pandas as pd
import pytest

from edgeroi.engines import inputs, local
from edgeroi.engines.folding import Rows
from edgeroi.engines.local import read_folded, read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs import pieces as cutting
from edgeroi.logs.frame import profile_frame
from edgeroi.logs.mapping import reading_of
from edgeroi.logs.reading import reading
from edgeroi.logs.saved import dumped

WANTED = ("user_id", "quality", "latency_ms")


def records(n=4000, seed=4):
    rng = random.Random(seed)
    return [
        {
            "timestamp": f"2026-11-{rng.randint(1, 20):02d}T00:00:00Z",
            "workload": rng.choice(["chat", "search"]),
            "latency_ms": round(rng.lognormvariate(6, 1), 3),
            "user_id": f"u{rng.randint(1, 900)}",
            "quality": rng.choice([None, 0.5, 1.0]),
            "status": rng.choice([200, 200, 500]),
        }
        for _ in range(n)
    ]


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Two logs, one of them packed, cut in many places."""
    monkeypatch.setattr(inputs, "RANGE_BYTES", 5000)
    monkeypatch.setattr(local, "_SMALL_BYTES", 0)
    monkeypatch.setattr(cutting.pieces, "__kwdefaults__", {**cutting.pieces.__kwdefaults__, "piece_bytes": 700})
    told = records()
    lines = ["".join(json.dumps(record) + "\n" for record in part) for part in (told[:2500], told[2500:])]
    (tmp_path / "a.jsonl").write_text(lines[0] + "{broken\n")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines[1].encode()))
    return tmp_path, told


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_request_is_met_once_in_the_order_of_the_logs(logs, jobs):
    folder, told = logs
    profile, rows = read_folded([folder], reading(), Rows(WANTED), jobs=jobs)
    batch = rows.batch()
    assert batch.n == profile.lines.profiled == len(told)
    assert profile.lines.rejected == {"bad_json": 1}
    users = batch.labels["user_id"]
    assert [users.names[code] for code in users.codes] == [record["user_id"] for record in told]
    np.testing.assert_array_equal(batch.numbers["latency_ms"], [record["latency_ms"] for record in told])
    np.testing.assert_array_equal(batch.numbers["quality"], [np.nan if record["quality"] is None else record["quality"] for record in told])
    assert batch.failed.tolist() == [record["status"] == 500 for record in told]
    assert set(batch.numbers) == {"latency_ms", "quality"}


def test_a_fold_does_not_change_what_is_counted(logs):
    folder, _ = logs
    assert dumped(read_folded([folder], reading(), Rows(WANTED))[0]) == dumped(read_logs([folder], reading()))


def test_rules_and_constants_reach_a_fold(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"latency_ms": 5, "model": "small-1"}\n')
    (tmp_path / "how.yaml").write_text("rules: {placement: [{model: ^small, is: edge}]}\nconst: {variant: B}\n")
    how = reading_of(tmp_path / "how.yaml")
    batch = read_folded([tmp_path / "a.jsonl"], how, Rows(("placement", "variant", "model")))[1].batch()
    assert {column: labels.names for column, labels in batch.labels.items()} == {
        "placement": ("edge",),
        "variant": ("B",),
        "model": ("small-1",),
    }


def test_a_saved_profile_has_no_requests(logs, tmp_path):
    folder, _ = logs
    path = tmp_path / "x.profile"
    path.write_bytes(dumped(read_logs([folder], reading())))
    with pytest.raises(EdgeroiError, match="no longer knows single requests.*name the logs"):
        read_folded([path], reading(), Rows(WANTED))


def test_a_frame_is_met_too():
    met = []
    frame = pd.DataFrame(records(10)).drop(columns=["timestamp"])
    profile = profile_frame(frame, reading(), meet=met.append)
    assert [batch.n for batch in met] == [10]
    assert profile.lines.profiled == 10


def test_no_log_at_all_is_no_row(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"latency_ms": "x"}\n')
    assert read_folded([tmp_path / "a.jsonl"], reading(format="jsonl"), Rows(WANTED))[1].batch().n == 0
