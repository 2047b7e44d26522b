"""Parquet: types are believed, nothing is coerced, every row is accounted for."""

import decimal
import gzip
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs import parquet
from edgeroi.logs.format import HEAD_BYTES, Head, detect, formats
from edgeroi.logs.reading import reading

AT = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
AT_NS = 1_793_527_200_123_456_000


def profiled(tmp_path, columns, **read):
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table(columns), log)
    return read_logs([log], reading(**read))


def test_columns_as_they_are(tmp_path):
    profile = profiled(tmp_path, {
        "latency_ms": pa.array([1.5, 2.5, None]), "workload": pa.array(["a", None, "a"]).dictionary_encode(),
        "output_tokens": pa.array([1, None, 3], pa.int32()), "error": pa.array([None, None, "timeout"]),
        "streamed": pa.array([True, False, None]), "timestamp": pa.array([AT, AT + timedelta(hours=1), None], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    total = profile.total
    assert (profile.lines.read, total.requests, total.errors) == (3, 3, 1)
    assert total.latency.values_ms.tolist() == [1.5, 2.5]
    assert (total.sums["output_tokens"].total, total.sums["output_tokens"].n) == (4, 2)
    assert (total.first_ns, total.last_ns) == (AT_NS, AT_NS + 3600 * 10**9)
    assert {group.key["workload"]: group.tally.requests for group in profile.groups} == {"a": 2, None: 1}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_an_instant_keeps_its_unit_and_its_zone(tmp_path, unit):
    whole = AT.replace(microsecond=0)
    profile = profiled(tmp_path, {"latency_ms": [1.0], "timestamp": pa.array([whole], pa.timestamp(unit, "Asia/Kathmandu"))})
    assert profile.total.first_ns == AT_NS // 10**9 * 10**9


def test_an_instant_without_a_zone_is_rejected_and_none_is_unknown(tmp_path):
    naive = pa.array([AT.replace(tzinfo=None), None], pa.timestamp("us"))
    profile = profiled(tmp_path, {"latency_ms": [1.0, 2.0], "timestamp": naive})
    assert (profile.lines.profiled, profile.lines.rejected) == (1, {"naive_timestamp": 1})


def test_a_duration_type_says_its_own_unit(tmp_path):
    told = pa.array([timedelta(milliseconds=250)], pa.duration("us"))
    assert profiled(tmp_path, {"latency_ms": told}).total.latency.max_ms == 250.0
    assert profiled(tmp_path, {"took": told}, map=["latency_ms=took:s"]).total.latency.max_ms == 250.0


def test_a_decimal_is_a_number(tmp_path):
    profile = profiled(tmp_path, {"latency_ms": [1.0], "cost_usd": pa.array([decimal.Decimal("0.0125")], pa.decimal128(10, 6))})
    assert profile.total.total("cost_usd") == 0.0125


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array(["812", "3"]), "wrong_type"), (pa.array([True, False]), "wrong_type"),
        (pa.array([float("nan"), float("inf")]), "out_of_range"),
        (pa.array([-1, -2]), "out_of_range"), (pa.array([None, None], pa.float64()), "null_required"),
    ],
)  # fmt: skip
def test_what_is_no_latency_is_rejected_row_by_row(tmp_path, column, reason):
    profile = profiled(tmp_path, {"latency_ms": column})
    assert (profile.lines.profiled, profile.lines.rejected) == (0, {reason: 2})
    assert [reject.line for reject in profile.rejects] == [1, 2]


def test_counts_as_floats_must_be_whole(tmp_path):
    assert profiled(tmp_path, {"latency_ms": [1, 2], "output_tokens": [12.0, 12.7]}).lines.rejected == {"wrong_type": 1}


def test_nested_and_dotted_columns(tmp_path):
    columns = {"timing": [{"total": 0.5}, {"total": 1.5}], "a.b": [1.0, 2.0]}
    assert profiled(tmp_path, columns, map=["latency_ms=timing.total:s"]).total.latency.values_ms.tolist() == [500, 1500]
    assert profiled(tmp_path, columns, map=["latency_ms=a.b:s"]).total.latency.values_ms.tolist() == [1000, 2000]


def test_row_numbers_go_on_through_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_ROWS", 3)
    profile = profiled(tmp_path, {"latency_ms": [1, 2, 3, 4, -5, 6, 7, -8]})
    assert [reject.line for reject in profile.rejects] == [5, 8]
    assert profile.lines.balanced
    assert profile.lines.profiled == 6


def test_compressed_and_large_and_damaged_files(tmp_path):
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({"latency_ms": [float(at) for at in range(100_000)]}), log)
    assert log.stat().st_size > HEAD_BYTES
    assert read_logs([log], reading()).lines.profiled == 100_000
    packed = tmp_path / "log.parquet.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert read_logs([packed], reading()).lines.profiled == 100_000
    log.write_bytes(log.read_bytes()[:-1000])
    with pytest.raises(EdgeroiError, match="cannot be read"):
        read_logs([log], reading())


def test_a_column_that_is_not_there_is_named(tmp_path):
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({"latency": [1.0]}), log)
    with pytest.raises(EdgeroiError, match="did you mean 'latency'"):
        read_logs([log], reading(map=["latency_ms=latncy:s"]))
    profile = read_logs([log], reading(map=["latency_ms=latency:s", "region=zone"]))
    assert profile.files[0].notes == ("no column zone: region is unknown",)
    assert detect(Head(log.read_bytes(), "x", True), reading(map=["latency_ms=latency:s"])).format is formats()["parquet"]
    assert not parquet.FORMAT.claim(Head(b"latency_ms\n1\n", "x", True), reading()).claimed
