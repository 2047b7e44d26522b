"""Exactly one format takes each sample for its own, and what is no request log is taken by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs.format import HEAD_BYTES, Head, NoLog, detect, formats
from edgeroi.logs.reading import reading
from edgeroi.logs.stream import opened, plain_name

ROOT = Path(__file__).parents[1]
SAMPLES = sorted(p for p in (ROOT / "sample_logs").iterdir() if p.is_file() and p.suffix not in (".py", ".md"))
NO_LOGS = ROOT.parent / "shared" / "data" / "not-a-request-log"


def head_of(path: Path) -> Head:
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(0)
        data = opened(file, first).read(HEAD_BYTES + 1)
    return Head(data[:HEAD_BYTES], plain_name(path.name), len(data) <= HEAD_BYTES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_one_format_claims_it_and_all_others_say_why_not(path: Path) -> None:
    claims = {name: format.claim(head_of(path), reading()) for name, format in formats().items()}
    assert len([name for name, claim in claims.items() if claim.claimed]) == 1, claims
    assert all(claim.why for claim in claims.values())
    assert not any(claim.refused for claim in claims.values())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_it_profiles_with_no_option_given(path: Path) -> None:
    profile = read_logs([path], reading())
    assert profile.total.requests > 0 or profile.aggregates
    assert profile.lines.balanced


def test_every_format_says_its_unit_and_fields() -> None:
    for name, format in formats().items():
        assert format.name == name
        assert format.unit
        # What stands behind a container's prefix is in another format, and so are its fields.
        assert "latency_ms" in format.fields or "*" in format.fields or name == "cri"


@pytest.mark.parametrize(
    "data", [b'{"hello": "world"}\n', b"some text\n", b'{"data": [{"id": 1}], "meta": {}}', b'{"result": []}', b"\x89PNG\r\n"]
)
def test_what_is_no_log_is_refused(data: bytes) -> None:
    with pytest.raises(NoLog, match="not a request log in any known format"):
        detect(Head(data, "x.json", True), reading())


@pytest.mark.skipif(not NO_LOGS.exists(), reason="the shared data are not here")
@pytest.mark.parametrize("path", sorted(NO_LOGS.glob("*.ndjson")), ids=lambda path: path.name)
def test_json_lines_that_are_no_request_log_are_refused(path: Path) -> None:
    with pytest.raises(NoLog):
        detect(head_of(path), reading())


def test_a_file_that_is_no_log_is_told_what_came_nearest(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text('{"startTime": "2026-11-01T00:00:00Z", "endTime": "2026-11-01T00:00:01Z", "call_type": "acompletion"}\n')
    with pytest.raises(NoLog) as error:
        read_logs([path], reading())
    said = str(error.value)
    # Three of the four names that LiteLLM's records have are in it, and none of k6's or of a probe's.
    assert "litellm: no line has startTime, endTime, call_type" in said
    assert "jsonl: no JSON line has latency_ms" in said
    assert "k6:" not in said
    told = said.count(": no ") + said.count(": does not ")
    assert f"and {len(formats()) - told} others came no nearer" in said
    assert "--map latency_ms=FIELD:UNIT" in said
