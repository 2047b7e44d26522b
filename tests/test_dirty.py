"""The corpus of broken lines and broken streams: everything visible, at its line, and the account balances."""

import json
from pathlib import Path

import pytest

from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.reading import reading
from edgeroi.request import REJECT_REASONS

DIRTY = Path(__file__).parents[2] / "shared" / "data" / "dirty"
pytestmark = pytest.mark.skipif(not DIRTY.is_dir(), reason="the shared corpus is not here")
KINDS = json.loads((DIRTY / "manifest.json").read_text()) if DIRTY.is_dir() else []
LINES = [kind for kind in KINDS if kind["scope"] == "line"]

#: The values of the good lines, from SOURCE.txt and the files: latency 1834.25 and TTFT 212.5 everywhere.
GOOD_LATENCY_MS = 1834.25
READING = reading(
    by=("model", "status"),
    map=("timestamp=ts", "request_id=id", "input_tokens=prompt_tokens", "output_tokens=completion_tokens", "cache_hit=cached"),
    require=("timestamp", "request_id", "model", "region", "input_tokens", "output_tokens", "ttft_ms", "latency_ms", "status"),
)


def by_id(kind):
    return kind["kind"]


def rejects_of(path, tmp_path):
    profile = read_logs([path], READING, rejects_to=tmp_path / "rejects.jsonl")
    return profile, [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", LINES, ids=by_id)
def test_a_line_goes_where_the_corpus_says(kind, tmp_path):
    profile, rejects = rejects_of(DIRTY / f"{kind['kind']}.jsonl", tmp_path)
    lines, dirty = profile.lines, range(kind["line"], kind["line"] + kind["lines"])
    assert lines.balanced
    assert lines.read == kind["total_lines"]
    assert {reject["line"] for reject in rejects} <= set(dirty), "a good line was rejected"
    assert {reject["reason"] for reject in rejects} <= set(REJECT_REASONS)
    if kind["truth"] == "reject":
        assert [reject["line"] for reject in rejects] == list(dirty)
        assert lines.profiled == kind["total_lines"] - kind["lines"]
    elif kind["truth"] == "accept":
        assert not rejects
        assert lines.profiled == kind["total_lines"]
    elif kind["truth"] == "blank":
        assert (lines.blank, lines.profiled) == (1, kind["total_lines"] - 1)
    else:
        assert lines.profiled + len(rejects) == kind["total_lines"], "a line of the policy kind vanished"


@pytest.mark.parametrize("kind", [kind for kind in LINES if kind["truth"] == "accept"], ids=by_id)
def test_an_accepted_line_has_the_values_the_corpus_says(kind, tmp_path):
    profile, _ = rejects_of(DIRTY / f"{kind['kind']}.jsonl", tmp_path)
    others = json.loads((DIRTY / f"{kind['kind']}.jsonl").read_bytes().split(b"\n")[0])["prompt_tokens"]
    assert others != 812
    total = profile.total
    for field, value in kind["want"].items():
        if field == "model":
            assert value in [group.key["model"] for group in profile.groups]
        elif field == "latency_ms":
            assert total.latency.min_ms == value == 0.0
        else:
            good = sum(json.loads(line)["prompt_tokens"] for line in _good_lines(kind))
            assert total.sums["input_tokens"].total == good + value


def _good_lines(kind):
    lines = (DIRTY / f"{kind['kind']}.jsonl").read_bytes().split(b"\n")
    return [line for number, line in enumerate(lines, 1) if line and number != kind["line"]]


FILES = {
    "file_bom_utf8": (20, 0, 20, 0),
    "file_crlf": (20, 0, 20, 0),
    "file_no_final_newline": (20, 0, 20, 0),
    "file_empty": (0, 0, 0, 0),
    "file_only_newlines": (5, 5, 0, 0),
    "file_json_array": (20, 0, 20, 0),
    "file_first_line_bad": (21, 0, 20, 1),
    "file_binary": (17, 0, 0, 17),
}


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_of_dirt(name, tmp_path):
    profile, rejects = rejects_of(DIRTY / f"{name}.jsonl", tmp_path)
    lines = profile.lines
    assert (lines.read, lines.blank, lines.profiled, len(rejects)) == FILES[name]
    assert lines.balanced


def test_a_byte_order_mark_is_noted():
    assert "byte order mark" in read_logs([DIRTY / "file_bom_utf8.jsonl"], READING).files[0].notes[0]


#: file -> profiled, rejected at the cut, and how the damage begins; gzip and zstd of Python read as many lines before they raise.
WHOLE = {"gz_two_members.jsonl.gz": 3000, "gz_name_but_plain.jsonl.gz": 3000, "plain_name_but_gz.jsonl": 3000}
WHOLE |= {"zst_ok.jsonl.zst": 3000, "zst_two_frames.jsonl.zst": 3000, "gz_empty.jsonl.gz": 0, "gz_zero_bytes.jsonl.gz": 0}
BROKEN = {
    "gz_trunc_half.jsonl.gz": (1469, 1, "stream_truncated"),
    "zst_trunc.jsonl.zst": (691, 1, "stream_truncated"),
    "gz_bad_crc.jsonl.gz": (3000, 0, "stream_corrupt"),
    "gz_trailing_garbage.jsonl.gz": (3000, 0, "stream_corrupt"),
    "zst_bitflip.jsonl.zst": (0, 0, "stream_corrupt"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_stream_is_read_whatever_its_name(name):
    profile = read_logs([DIRTY / "compressed" / name], READING)
    assert profile.files[0].damage is None
    assert (profile.lines.read, profile.lines.profiled) == (WHOLE[name], WHOLE[name])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_says_so_and_keeps_what_came_before(name):
    profile = read_logs([DIRTY / "compressed" / name], READING)
    profiled, rejected, damage = BROKEN[name]
    assert profile.files[0].damage.startswith(damage)
    assert (profile.lines.profiled, profile.lines.total_rejected) == (profiled, rejected)
    assert set(profile.lines.rejected) <= {damage}
    assert profile.lines.balanced


def test_a_flipped_bit_is_never_silent():
    profile = read_logs([DIRTY / "compressed" / "gz_bitflip.jsonl.gz"], READING)
    assert profile.files[0].damage.startswith("stream_corrupt")
    assert profile.lines.balanced
    assert profile.lines.profiled == 1469


def test_the_names_above_are_all_there_are():
    names = {path.name for path in (DIRTY / "compressed").iterdir()}
    assert names == WHOLE.keys() | BROKEN.keys() | {"gz_bitflip.jsonl.gz"}


def test_what_is_no_request_log_is_refused():
    log = DIRTY.parent / "not-a-request-log" / "nginx_plus_status.ndjson"
    with pytest.raises(EdgeroiError, match="not a request log") as error:
        read_logs([log], reading())
    assert "jsonl: no JSON line has latency_ms" in str(error.value)
