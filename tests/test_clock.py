"""The day a verdict is made for: today, or the one SOURCE_DATE_EPOCH names."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from edgeroi.clock import MOMENT, today
from edgeroi.errors import EdgeroiError


def test_without_the_variable_it_is_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MOMENT, raising=False)
    before = datetime.now(UTC).date()
    assert before <= today() <= before + timedelta(days=1)


def test_the_variable_names_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    # 20,779 days after 1970-01-01, less a second: still the day before.
    monkeypatch.setenv(MOMENT, str(20_779 * 86_400 - 1))
    assert today() == date(1970, 1, 1) + timedelta(days=20_778)


@pytest.mark.parametrize("said", ["yesterday", "1e9", "9" * 30])
def test_what_is_no_moment_is_refused_by_name(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MOMENT, said)
    with pytest.raises(EdgeroiError, match=MOMENT):
        today()
