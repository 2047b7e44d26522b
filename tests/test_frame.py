"""A DataFrame as a log says what the same log in a file says."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edgeroi
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs import frame
from edgeroi.logs.frame import profile_frame
from edgeroi.logs.reading import reading

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "embedding-edge.jsonl"


def profiled(columns, **read):
    return profile_frame(pd.DataFrame(columns), reading(**read))


@pytest.mark.parametrize("dtype_backend", [None, "numpy_nullable", "pyarrow"])
def test_the_same_log_from_a_file_and_from_a_frame(dtype_backend):
    rows = pd.DataFrame([json.loads(line) for line in SAMPLE.read_text().splitlines()])
    if dtype_backend:
        rows = rows.convert_dtypes(dtype_backend=dtype_backend)
    told, file = profile_frame(rows, reading()), read_logs([SAMPLE], reading())
    assert told.partial == file.partial
    assert told.lines == file.lines
    assert told.files[0].counted == "records"


def test_a_frame_is_in_no_format_and_no_name_of_a_log():
    """Neither is passed over, nor is a frame among names taken for the name of a file."""
    rows = pd.DataFrame({"latency_ms": [1.0]})
    with pytest.raises(EdgeroiError, match="log_format"):
        edgeroi.profile(rows, log_format="k6")
    with pytest.raises(EdgeroiError, match="a DataFrame is not the name of a log"):
        edgeroi.profile([str(SAMPLE), rows])  # type: ignore[list-item]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_is_unknown(missing):
    columns = {"latency_ms": [1.0, 2.0], "output_tokens": [3, missing], "workload": ["a", missing], "error": [missing, missing]}
    total = profiled(columns).total
    assert (total.requests, total.errors, total.sums["output_tokens"].n) == (2, 0, 1)


def test_a_missing_latency_is_rejected_unless_the_request_failed():
    profile = profiled({"latency_ms": [1.0, np.nan, np.nan], "error": [None, None, "timeout"]})
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {"null_required": 1})
    assert (profile.rejects[0].file, profile.rejects[0].line) == ("DataFrame", 2)


@pytest.mark.parametrize("dtype", ["datetime64[ns, UTC]", "datetime64[us, UTC]", "datetime64[s, Asia/Kathmandu]", "object"])
def test_instants_with_a_zone(dtype):
    at = pd.Series(pd.to_datetime(["2026-11-01T10:00:00Z", None])).astype(dtype)
    assert profiled({"latency_ms": [1, 2], "timestamp": at}).total.first_ns == 1_793_527_200 * 10**9


def test_instants_without_a_zone_are_rejected():
    profile = profiled({"latency_ms": [1, 2], "timestamp": pd.to_datetime(["2026-11-01T10:00:00", None])})
    assert profile.lines.rejected == {"naive_timestamp": 1}


def test_timedeltas_say_their_own_unit():
    took = pd.to_timedelta([250, 500], unit="ms")
    assert profiled({"latency_ms": took}).total.latency.values_ms.tolist() == [250, 500]
    assert profiled({"took": took}, map=["latency_ms=took:s"]).total.latency.values_ms.tolist() == [250, 500]
    assert profiled({"latency_ms": [timedelta(seconds=1), None, 7.5]}).total.latency.values_ms.tolist() == [7.5, 1000]


@pytest.mark.parametrize(
    ("latency", "reason"),
    [("812", "wrong_type"), (True, "wrong_type"), (-1, "out_of_range"), (np.inf, "out_of_range"), ([1], "wrong_type"), ({}, "wrong_type")],
)
def test_nothing_is_coerced(latency, reason):
    profile = profiled({"latency_ms": pd.Series([1.5, latency, 2.5], dtype=object)})
    assert (profile.lines.profiled, profile.lines.rejected) == (2, {reason: 1})


def test_numpy_scalars_in_an_object_column_are_numbers():
    assert profiled({"latency_ms": pd.Series([np.float32(1.5), np.int64(2)], dtype=object)}).lines.profiled == 2


def test_mapping_constants_and_groups():
    columns = {"timing": [{"total": 0.5}, {"total": 1.5}], "who": ["x", "y"]}
    profile = profiled(columns, map=["latency_ms=timing.total:s", "provider=who"], const=["workload=chat"], by=["workload", "provider"])
    assert {tuple(group.key.values()): group.tally.latency.max_ms for group in profile.groups} == {("chat", "x"): 500, ("chat", "y"): 1500}
    assert profile.files[0].unit == "timing.total, s"


def test_row_numbers_go_on_and_every_row_is_accounted_for(monkeypatch):
    monkeypatch.setattr(frame, "_ROWS", 3)
    profile = profiled({"latency_ms": [1, 2, 3, 4, -5, 6, 7, -8]})
    assert [reject.line for reject in profile.rejects] == [5, 8]
    assert (profile.lines.read, profile.lines.profiled, profile.lines.balanced) == (8, 6, True)


def test_an_empty_frame_and_columns_that_are_wrong():
    assert profiled({"latency_ms": []}).lines.read == 0
    with pytest.raises(EdgeroiError, match="did you mean 'latency'"):
        profiled({"latency": [1]}, map=["latency_ms=latncy:s"])
    with pytest.raises(EdgeroiError, match="two columns"):
        profile_frame(pd.DataFrame([[1, 2]], columns=["latency_ms", "latency_ms"]), reading())


def test_a_frame_adds_up_with_a_log():
    halves = pd.DataFrame({"latency_ms": [1.0, 2.0]}), pd.DataFrame({"latency_ms": [3.0]})
    both = profile_frame(pd.concat(halves), reading()).partial
    assert profile_frame(halves[0], reading()).partial + profile_frame(halves[1], reading()).partial == both


def test_the_digest_tells_frames_apart():
    told = {profiled({"latency_ms": [value]}).files[0].digest for value in (1.0, 2.0, 1.0)}
    assert len(told) == 2


def test_the_functions_of_the_api_pass_on_how_logs_are_read():
    """Seconds under another name, a workload nobody wrote down, an error that is none, and one name where several may be given."""
    frame = pd.DataFrame({"took": [0.25, 0.75], "code": ["-100", None], "model": ["m", None], "placement": ["edge", "edge"]})
    said = {"map": {"latency_ms": "took:s", "error": "code"}, "const": {"workload": "chat"}, "not_error": "-100"}
    found = edgeroi.profile(frame, by="workload", require="model", **said)
    assert [dict(group.key) for group in found.groups] == [{"workload": "chat"}]
    assert found.lines.rejected == {"null_required": 1}
    assert (found.total.errors, found.total.latency.max_ms) == (0, 250.0)
    spent = edgeroi.spend(frame, **said)
    assert {charge.workload for charge in spent.ledger.charges} == {"chat"}
    assert (spent.profile.total.requests, spent.profile.total.errors) == (2, 0)
