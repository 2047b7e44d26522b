"""Logs of containers: any format of lines behind the prefix, parts joined, every physical line accounted for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from edgeroi.engines.local import read_logs
from edgeroi.logs import cri
from edgeroi.logs.format import Head, LineFormat, NoLog, detect, formats
from edgeroi.logs.pieces import pieces
from edgeroi.logs.reading import reading
from edgeroi.request import LineCount
from edgeroi.workload import Profile

SAMPLES = Path(__file__).parents[1] / "sample_logs"
AT = "2026-11-09T10:00:00.123456789Z"


def native(ms: float, **more: object) -> str:
    return json.dumps({"latency_ms": ms, **more})


def full(text: str, stream: str = "stdout", at: str = AT) -> str:
    return f"{at} {stream} F {text}"


def part(text: str, stream: str = "stdout") -> str:
    return f"{AT} {stream} P {text}"


def profiled(tmp_path: Path, *lines: str, end: str = "\n", **read: object) -> Profile:
    (tmp_path / "pod.log").write_text("\n".join(lines) + end)
    return read_logs([tmp_path / "pod.log"], reading(**read))


def behind_a_prefix(path: Path) -> list[str]:
    held = path.read_bytes()
    return [full(line) for line in (gzip.decompress(held) if path.suffix == ".gz" else held).decode().splitlines()]


#: Samples of formats of lines.
LINES = [
    "access.nginx.log", "ingress.nginx.log", "access.nginx.jsonl", "access.envoy.log", "access.envoy.jsonl", "access.alb.log.gz",
    "timings.curl.jsonl", "embedding-edge.jsonl", "gateway.litellm.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_behind_the_prefix_any_format_of_lines_says_the_same(tmp_path, name):
    bare, wrapped = read_logs([SAMPLES / name], reading()), profiled(tmp_path, *behind_a_prefix(SAMPLES / name))
    assert wrapped.files[0].format == f"cri {bare.files[0].format}"
    assert wrapped.files[0].unit == bare.files[0].unit
    assert wrapped.lines == bare.lines
    assert wrapped.partial == bare.partial
    assert wrapped.seen_from == bare.seen_from


@pytest.mark.parametrize("at", [AT, "2026-11-09T10:00:00.1+02:00", "2026-11-09T10:00:00Z"])
def test_the_prefix_s_time_as_runtimes_write_it(tmp_path, at):
    assert profiled(tmp_path, full(native(5), at=at)).total.requests == 1


def test_parts_are_joined_and_the_account_is_in_physical_lines(tmp_path):
    """Three lines of two requests: the first request's first part is no request of its own."""
    text = native(812.5)
    profile = profiled(tmp_path, part(text[:5]), part(text[5:9]), full(text[9:]), full(native(3)))
    assert profile.total.requests == 2
    assert profile.total.latency.max_ms == 812.5
    assert profile.lines == LineCount(4, 0, 2, {}, {"other_record": 2})
    assert profile.lines.balanced


def test_parts_of_two_streams_may_lie_between_each_other(tmp_path):
    text = native(812.5)
    profile = profiled(tmp_path, part(text[:5]), part("warn", "stderr"), full("ing", "stderr"), full(text[5:]))
    assert (profile.total.requests, profile.lines.skipped, profile.lines.balanced) == (1, {"other_record": 3}, True)
    assert "lines of the container's other stream are no part of the log" in profile.files[0].notes


def test_a_log_on_stderr_is_found_there(tmp_path):
    profile = profiled(tmp_path, full("starting"), full(native(4), "stderr"), full(native(6), "stderr"))
    assert (profile.total.requests, profile.lines.skipped) == (2, {"other_record": 1})


def test_a_line_whose_last_part_never_comes_is_rejected(tmp_path):
    profile = profiled(tmp_path, full(native(4)), part('{"latency_'), part("ms"))
    assert [(r.line, r.reason, r.detail) for r in profile.rejects] == [
        (line, "truncated_tail", "the last part of this line never came") for line in (2, 3)
    ]
    assert profile.lines.balanced


def test_rejects_stand_at_their_physical_line(tmp_path):
    text = native(1)
    lines = [full(text), "", "no prefix", part(text[:3]), full(text[3:]), full("{broken"), full(""), full(text, "stderr"), full("null")]
    profile = profiled(tmp_path, *lines)
    assert [(r.line, r.reason) for r in profile.rejects] == [(3, "ragged"), (6, "bad_json"), (9, "not_object")]
    assert profile.lines == LineCount(9, 2, 2, {"bad_json": 1, "not_object": 1, "ragged": 1}, {"other_record": 2})


@pytest.mark.parametrize(
    ("tail", "reason", "profiled_"),
    [
        (full(native(7)), None, 2),
        (full(native(7))[:-4], "truncated_tail", 1),
        (AT[:12], "truncated_tail", 1),
        (part('{"la'), "truncated_tail", 1),
    ],
    ids=["whole", "cut in the record", "cut in the prefix", "a part"],
)
def test_a_last_line_without_its_newline(tmp_path, tail, reason, profiled_):
    profile = profiled(tmp_path, full(native(1)), tail, end="")
    assert (profile.lines.profiled, dict(profile.lines.rejected)) == (profiled_, {reason: 1} if reason else {})
    assert profile.lines.balanced


def test_a_broken_stream_says_what_is_wrong_with_it(tmp_path):
    rng = np.random.default_rng(5)
    text = "".join(full(native(round(ms, 3))) + "\n" for ms in rng.uniform(1, 1000, 3000).tolist()).encode()
    whole = gzip.compress(text)
    (tmp_path / "pod.log.gz").write_bytes(whole[: len(whole) // 2])
    profile = read_logs([tmp_path / "pod.log.gz"], reading())
    assert set(profile.lines.rejected) <= {"stream_truncated"}
    assert profile.lines.balanced
    assert 1000 < profile.lines.profiled < 2000
    assert "stream_truncated" in profile.files[0].damage


@pytest.mark.parametrize("piece_bytes", [64, 131, 1000, 1 << 20])
def test_where_the_file_is_cut_changes_nothing(tmp_path, monkeypatch, piece_bytes):
    """Parts lie on both sides of every cut."""
    rows = [native(ms, workload="w") for ms in range(1, 60)]
    lines = [
        line for n, row in enumerate(rows) for line in ((part(row[:7]), full("noise", "stderr"), full(row[7:])) if n % 3 else (full(row),))
    ]
    lines[40:40] = ["garbage", full("{")]
    text = "\n".join(lines).encode() + b"\n"
    whole = profiled(tmp_path, *lines)
    monkeypatch.setattr(cri, "pieces", lambda read, see: pieces(read, see, piece_bytes=piece_bytes))
    cut = read_logs([tmp_path / "pod.log"], reading())
    assert (cut.lines, cut.partial, [(r.line, r.reason) for r in cut.rejects]) == (
        whole.lines,
        whole.partial,
        [(r.line, r.reason) for r in whole.rejects],
    )
    assert cut.lines.read == text.count(b"\n")


def test_a_line_that_is_too_long_in_parts_is_rejected_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(cri, "LONGEST_LINE", 2000)
    monkeypatch.setattr(cri, "pieces", lambda read, see: pieces(read, see, piece_bytes=500))
    profile = profiled(tmp_path, full(native(1)), *(part("x" * 100) for _ in range(60)), full("x"), full(native(2)))
    assert set(profile.lines.rejected) == {"line_too_long", "bad_json"}
    assert (profile.lines.profiled, profile.lines.balanced) == (2, True)


def test_what_is_no_log_behind_the_prefix_is_refused():
    with pytest.raises(NoLog, match="no format claims what is behind the prefix"):
        detect(Head(f"{full('hello')}\n{full('world')}\n".encode(), "pod.log", True), reading())


def test_a_mapped_latency_is_found_behind_the_prefix(tmp_path):
    profile = profiled(tmp_path, full('{"took": 0.25, "name": "chat"}'), map=["latency_ms=took:s", "workload=name"])
    assert profile.groups[0].key["workload"] == "chat"
    assert profile.total.latency.quantile(0.5) == 250.0


def test_the_sample_is_what_its_lines_say():
    lines = (SAMPLES / "container.cri.log").read_text().splitlines()
    texts, waiting = [], ""
    for line in lines:
        _, stream, tag, content = line.split(" ", 3)
        if stream == "stdout":
            waiting += content
            if tag == "F":
                texts.append(json.loads(waiting))
                waiting = ""
    profile = read_logs([SAMPLES / "container.cri.log"], reading())
    assert (profile.total.requests, profile.total.errors) == (len(texts), sum(text["status"] >= 400 for text in texts))
    good = sorted(text["latency_ms"] for text in texts if text["status"] < 400)
    assert profile.total.latency.mean_ms == pytest.approx(sum(good) / len(good), rel=1e-6)
    assert profile.lines == LineCount(len(lines), 0, len(texts), {}, {"other_record": len(lines) - len(texts)})


def test_it_wraps_formats_of_lines_only():
    assert isinstance(detect(Head(f"{full(native(1))}\n".encode(), "pod.log", True), reading()).format.inner, LineFormat)
    assert "cri" in formats()


def test_a_format_that_is_no_format_of_lines_is_named():
    with pytest.raises(NoLog, match="behind the prefix is otlp, which is not read line by line"):
        detect(Head((full('{"resourceSpans": []}') + "\n").encode(), "pod.log", True), reading())
