"""A column at a time says what record by record says, whatever stands in the columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.census import partial_of
from edgeroi.logs.columns import NAIVE, _take_each, numbered, take_rows, with_batch
from edgeroi.logs.delimited import typed, typed_column
from edgeroi.logs.reading import reading
from edgeroi.logs.record import Intake

ODD = [None, True, False, 0, 1, -1, 2.5, 12.0, float("nan"), float("inf"), 2**53, 2**64, 10**400, "", "x", "812", [], {}, NAIVE]
USUAL = {
    "latency_ms": [0, 1.5, 250, None], "ttft_ms": [None, 12.5], "output_tokens": [0, 7, 12.0, None], "cost_usd": [0.5, None],
    "workload": ["a", "b", "", None], "provider": ["p", None], "status": [200, 500, "ok", "error", None],
    "error": [None, "", "429", -100.0, 7],
    "streamed": [True, False, None], "cache_hit": [True, False, None], "quality": [0.5, -1.0, None],
    "timestamp": ["2026-11-01T10:00:00Z", "2026-11-01T10:00:00.5+01:00", 1_793_527_200, 1_793_527_200_123_456_789, "2026-11-01", None],
}  # fmt: skip


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 6))
    names = draw(st.sets(st.sampled_from(sorted(USUAL)), min_size=1))
    odd = st.sampled_from(ODD) if draw(st.booleans()) else st.nothing()
    return {name: draw(st.lists(st.sampled_from(USUAL[name]) | odd, min_size=rows, max_size=rows)) for name in sorted(names)}, rows


READINGS = [
    {}, {"by": ["provider"]}, {"by": []}, {"by": ["output_tokens", "streamed"]}, {"by": ["status", "error"]}, {"require": ["status"]},
    {"require": ["workload", "timestamp"]}, {"not_error": ["-100", "500"]}, {"const": ["workload=w"]},
    {"map": ["latency_ms=latency_ms:s", "timestamp=timestamp:ns"]},
]  # fmt: skip


@given(tables(), st.sampled_from(READINGS))
def test_both_ways_agree(table, read):
    how, rows = reading(**{"by": ["workload"], **read}), table[1]
    columns = {name: values for name, values in table[0].items() if name in how.columns}
    quick, exact = Intake(how), Intake(how)
    batch = take_rows(quick, columns, numbered(rows))
    told = with_batch(quick.chunk(rows), batch)
    _take_each(exact, columns, numbered(rows), range(rows))
    wanted = exact.chunk(rows)
    assert told.lines == wanted.lines
    assert sorted(told.faults, key=lambda fault: fault.line) == list(wanted.faults)
    partials = [partial_of(one.batch, how.by) if one.batch is not None and one.batch.n else None for one in (told, wanted)]
    assert partials[0] == partials[1]


@pytest.mark.parametrize("kind", ["duration", "count", "money", "ratio", "error", "instant", "flag", "label", "status"])
@given(st.lists(st.text("0123456789.eE+-_ ntfrua", max_size=6), min_size=1, max_size=4))
def test_a_column_of_cells_is_spelled_as_each_is(kind, cells):
    assert list(map(repr, typed_column(kind, cells))) == [
        repr(float(one) if type(one) is int and kind in ("duration", "count", "money", "ratio") and _all_plain(kind, cells) else one)
        for one in (typed(kind, cell) for cell in cells)
    ]


def _all_plain(kind, cells):
    return all(one is None or type(one) in (int, float) for one in (typed(kind, cell) for cell in cells))
