"""``edgeroi profile``, from logs to the table: every number against one computed here, every line accounted for, every ending."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import edgeroi
from edgeroi.cli.reading import share_of, tolerated
from edgeroi.cli.schema import schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.histogram import LatencyHistogram
from edgeroi.profile_report import (
    bin_edges,
    binned,
    frame_of,
    intervals_of,
    judged_on,
    profile_report,
    saving_of,
    span_words,
    unfit,
)
from edgeroi.renderers import Page, renderer
from edgeroi.request import LineCount
from edgeroi.workload import FileAccount, Partial, Profile, Stratum, Sum, Tally

ROOT = Path(__file__).parents[1]
SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")
CLI = [sys.executable, "-m", "edgeroi", "profile"]
DAY_NS = 86_400 * 10**9


def run(*args: str | Path, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")}
    return subprocess.run([*CLI, *map(str, args)], input=stdin, capture_output=True, cwd=ROOT, env={**clean, **(env or {})}, check=False)


def document_of(*args: str | Path, stdin: bytes | None = None, status: int = 0) -> dict[str, Any]:
    done = run(*args, "--format", "json", stdin=stdin)
    assert done.returncode == status, done.stderr.decode()
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(json.loads(schema_text("profile"))).validate(document)
    return document


def requests(values: Iterable[float], **same: object) -> bytes:
    return b"".join(json.dumps({"latency_ms": value, **same}).encode() + b"\n" for value in values)


def log(folder: Path, content: bytes, name: str = "requests.jsonl") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def nearest_rank(values: Sequence[float], p: float) -> float:
    """The ceil(p n)-th smallest, with p in whole per cent so that nothing is rounded."""
    return sorted(values)[-(-round(100 * p) * len(values) // 100) - 1]


# --- numbers ---------------------------------------------------------------------------------------------------------------


def test_a_log_of_1_to_1000_ms(tmp_path: Path) -> None:
    values = [float(v) for v in range(1, 1001)]
    np.random.default_rng(3).shuffle(values)
    (group,) = document_of(log(tmp_path, requests(values, workload="w", placement="edge", input_tokens=7, cost_usd=0.001)))["groups"]
    latency = group["latency_ms"]
    assert [latency[q] for q in ("p50", "p90", "p95", "p99", "mean", "min", "max")] == pytest.approx(
        [500, 900, 950, 990, 500.5, 1, 1000], rel=1e-3
    )
    assert latency["estimable"] == {"p50": True, "p90": True, "p95": True, "p99": True}
    # scipy.stats.binom(1000, 0.5): P(B <= 468) = 0.0231 and P(B <= 469) = 0.0268, so l = 469; by symmetry u = 532
    assert latency["interval"]["p50"] == pytest.approx([469, 532], rel=1e-3)
    assert group["input_tokens"] == {"sum": 7000, "mean": 7.0, "requests": 1000}
    assert (group["cost_usd_sum"], group["cost_usd_per_1k_requests"]) == (1.0, 1.0)
    assert (group["workload"], group["placement"], group["requests"], group["errors"]) == ("w", "edge", 1000, 0)
    assert group["ttft_ms"] is None


def test_failures_are_errors_and_outside_the_quantiles(tmp_path: Path) -> None:
    content = requests([100.0] * 30) + requests([1.0] * 10, error="timeout")
    (group,) = document_of(log(tmp_path, content))["groups"]
    assert (group["requests"], group["errors"], group["error_ratio"]) == (40, 10, 0.25)
    assert (group["latency_ms"]["p50"], group["latency_ms"]["min"]) == (100.0, 100.0)
    assert group["failure_ms"]["p50"] == 1.0


def test_by_columns_come_after_workload_and_placement(tmp_path: Path) -> None:
    content = b"".join(requests([10.0 * i], workload="w", model=f"m{i % 2}", region="eu") for i in range(1, 21))
    groups = document_of(log(tmp_path, content), "--by", "model,region")["groups"]
    assert [(g["workload"], g["placement"], g["model"], g["region"], g["requests"]) for g in groups] == [
        ("w", None, "m0", "eu", 10), ("w", None, "m1", "eu", 10),
    ]  # fmt: skip


def test_the_table_says_what_the_document_says(tmp_path: Path) -> None:
    path = log(tmp_path, requests(np.random.default_rng(5).lognormal(6, 1, 500), workload="chat", placement="cloud"))
    (group,) = document_of(path)["groups"]
    shown = run(path).stdout.decode()
    for name in ("p50", "p90", "p95", "p99"):
        low, high = group["latency_ms"]["interval"][name]
        assert (
            f"{group['latency_ms'][name]:,.1f}".removesuffix(".0") in shown.replace(".0 ", " ")
            or f"{group['latency_ms'][name]:,.0f}" in shown
        )
        assert all(f"{end:,.0f}" in shown or f"{end:,.1f}" in shown for end in (low, high))
    (record,) = csv.DictReader(io.StringIO(run(path, "--format", "csv").stdout.decode()))
    assert float(record["latency_ms_p99"]) == group["latency_ms"]["p99"]
    assert float(record["latency_ms_p99_low"]) == group["latency_ms"]["interval"]["p99"][0]
    assert record["latency_ms_p99_estimable"] == "true"


def test_a_quantile_without_enough_requests_is_marked_everywhere(tmp_path: Path) -> None:
    path = log(tmp_path, requests(range(1, 101)))
    (group,) = document_of(path)["groups"]
    assert group["latency_ms"]["estimable"] == {"p50": True, "p90": True, "p95": True, "p99": False}
    assert group["latency_ms"]["interval"]["p99"][1] is None
    shown = run(path).stdout.decode()
    assert " 99.0? " in shown
    assert "? not estimable" in shown
    assert "p99 needs 368" in shown


def test_time_span_volume_sampling_and_vantage_are_stated(tmp_path: Path) -> None:
    lines = [json.dumps({"latency_ms": 5, "timestamp": f"2026-10-{24 + i // 2:02d}T{12 * (i % 2):02d}:00:00Z"}) for i in range(5)]
    path = log(tmp_path, "\n".join(lines).encode() + b"\n")
    document = document_of(path, "--sampling", "1%", "--seen-from", "gateway")
    # 5 requests in 48 h, of which the log keeps 1 %: 5 / 0.01 / 48 * 730 a month
    assert document["requests_month"] == pytest.approx(5 / 0.01 / 48 * 730)
    assert document["span"] == {"first": "2026-10-24T00:00:00Z", "last": "2026-10-26T00:00:00Z", "hours": 48.0}
    headline = run(path, "--sampling", "1%", "--seen-from", "gateway").stdout.decode().splitlines()[0]
    assert headline == "24 Oct-26 Oct 2026, 2 d · 5 requests (7,600 a month) · sampled 1 % · seen from gateway"


def test_part_of_a_day_tells_no_month(tmp_path: Path) -> None:
    path = log(tmp_path, b"".join(b'{"latency_ms": 5, "timestamp": "2026-10-24T00:00:%02dZ"}\n' % second for second in range(30)))
    document = document_of(path)
    assert document["requests_month"] is None
    assert document["groups"][0]["requests_month"] is None
    ran = run(path)
    assert ran.stdout.decode().splitlines()[0].split(" · ")[1] == "30 requests"  # and not 2,700,000 a month
    assert "under a day tells no month's volume" in ran.stdout.decode() + ran.stderr.decode()


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (None, None, "no timestamps"),
        (0, 0, "1 Jan 1970, 0 s"),
        (0, 90 * 10**9, "1 Jan 1970, 1.5 min"),
        (20_750 * DAY_NS, 20_778 * DAY_NS, "24 Oct-21 Nov 2026, 28 d"),
        (20_453 * DAY_NS, 20_455 * DAY_NS, "31 Dec 2025-2 Jan 2026, 2 d"),
    ],
)
def test_a_span_in_words(first: int | None, last: int | None, words: str) -> None:
    assert span_words(first, last) == words


def test_saving_shares_against_arithmetic(tmp_path: Path) -> None:
    """The seed article's own cases: 50 ms of 4,500 ms is 1.11 % (and 900 ms would be felt), 150 ms of 170 ms is 88.2 %, and felt."""
    content = requests([4500.0] * 400, workload="chatbot") + requests([170.0] * 400, workload="embedding")
    chatbot, embedding = (g["saving"] for g in document_of(log(tmp_path, content), "--saving", "50ms")["groups"])
    assert chatbot["share_of_p50"] == pytest.approx(50 / 4500)
    assert (chatbot["felt"], chatbot["felt_from_ms"], chatbot["judged"]) == (False, pytest.approx(900), "e2e")
    assert embedding["felt"] is False
    _, embedding = (g["saving"] for g in document_of(tmp_path / "requests.jsonl", "--saving", "0.15 s")["groups"])
    assert embedding["share_of_p50"] == pytest.approx(150 / 170)
    assert (embedding["ms"], embedding["felt"], embedding["felt_from_ms"]) == (150.0, True, 100.0)


@pytest.mark.parametrize("said", ["50", "50 USD", "fast", "-5ms"])
def test_a_saving_needs_a_unit_of_time(tmp_path: Path, said: str) -> None:
    done = run(log(tmp_path, requests([1.0])), f"--saving={said}")
    assert done.returncode == 2
    assert b"--saving" in done.stderr


def tally_of(ttft: int = 0, streamed: Sum | None = None, n: int = 100) -> Tally:
    return Tally(
        n, 0, LatencyHistogram.from_ms(np.full(n, 1000.0)), LatencyHistogram.from_ms(np.full(ttft, 200.0)), streamed=streamed or Sum()
    )


@pytest.mark.parametrize(
    ("tally", "judged"),
    [
        (tally_of(), "e2e"), (tally_of(100), "ttft"), (tally_of(100, Sum(100, 100)), "ttft"), (tally_of(100, Sum(10, 100)), "e2e"),
        (tally_of(40), "e2e"), (tally_of(0, Sum(100, 100)), "e2e"),
    ],
)  # fmt: skip
def test_what_a_saving_is_judged_on(tally: Tally, judged: str) -> None:
    assert judged_on(tally) == judged


def test_a_saving_is_never_more_than_all_of_it() -> None:
    saving = saving_of(Tally(10, 0, LatencyHistogram.from_ms(np.full(10, 30.0))), 500.0)
    assert (saving.share_of_p50, saving.share_of_p99, saving.felt) == (1.0, 1.0, False)


def test_of_failures_alone_a_saving_says_nothing() -> None:
    saving = saving_of(Tally(4, 4), 50.0)
    assert (saving.share_of_p50, saving.felt, saving.felt_from_ms) == (None, None, None)


def profile_of(tally: Tally, lines: LineCount | None = None, damage: str | None = None) -> Profile:
    account = FileAccount("a.jsonl", 1, "d", "jsonl", "ms", lines or LineCount(tally.requests, 0, tally.requests), damage=damage)
    return Profile(Partial(("workload", "placement"), {("w", "edge"): tally}), (account,))


def test_a_saving_beyond_the_network_part_is_noted() -> None:
    tally = Tally(10, 0, LatencyHistogram.from_ms(np.full(10, 300.0)), network=LatencyHistogram.from_ms(np.full(10, 31.0)))
    assert any("more than the network part" in note for note in profile_report(profile_of(tally), version="0", saving_ms=50).notes)
    assert not any("network part" in note for note in profile_report(profile_of(tally), version="0", saving_ms=30).notes)


def uneven_days(medians: Sequence[float], n: int = 200) -> Tally:
    rng = np.random.default_rng(11)
    days = {day: LatencyHistogram.from_ms(rng.lognormal(math.log(median), 0.3, n)) for day, median in enumerate(medians)}
    return Tally(
        n * len(days),
        0,
        sum(days.values(), LatencyHistogram()),
        days={d: Stratum(h) for d, h in days.items()},
        first_ns=0,
        last_ns=len(days) * DAY_NS,
    )


def test_where_days_differ_the_interval_is_the_wider_one_over_days() -> None:
    tally = uneven_days([100, 150, 90, 160, 120, 80, 170])
    low, high = tally.latency.interval(0.5)
    wider_low, wider_high = intervals_of(tally).deciding["p50"]
    assert low is not None
    assert high is not None
    assert wider_low is None or wider_low < low
    assert wider_high is None or wider_high > high
    report = profile_report(profile_of(tally), version="0")
    assert report.document["groups"][0]["latency_ms"]["interval_over_days"] is not None  # type: ignore[index,call-overload]
    assert "days differ by more than chance" in renderer("table").render(report, Page())


def test_a_month_s_requests_are_those_of_the_profile() -> None:
    """The report works them out without adding up latencies; the core's own method must agree."""
    tallies = {("w", str(i)): Tally(10 * i, first_ns=i * DAY_NS, last_ns=(i + 3) * DAY_NS) for i in range(1, 4)}
    profile = Profile(
        Partial(("workload", "placement"), tallies), (FileAccount("a", 1, "d", "f", "u", LineCount(60, 0, 60)),), sampling=0.5
    )
    document = profile_report(profile, version="0").document
    assert document["requests_month"] == profile.requests_month(profile.total) == 60 / 0.5 / (5 * 24) * 730
    groups = [group["requests_month"] for group in document["groups"]]  # type: ignore[union-attr,index,call-overload]
    assert groups == [profile.requests_month(tally) for tally in tallies.values()]


def test_where_days_are_alike_the_interval_is_the_one_over_requests() -> None:
    tally = uneven_days([100] * 7)
    assert intervals_of(tally).deciding["p50"] == tally.latency.interval(0.5)
    report = profile_report(profile_of(tally), version="0")
    assert report.document["groups"][0]["latency_ms"]["interval_over_days"] is None  # type: ignore[index,call-overload]
    assert "days differ" not in renderer("table").render(report, Page())


def test_the_drawn_distribution_holds_every_success_and_its_bins_are_those_of_numpy() -> None:
    values = np.random.default_rng(2).lognormal(5, 1, 1000)
    sample = LatencyHistogram.from_ms(values)
    edges = bin_edges([sample])
    counts = binned(sample, edges)
    assert counts is not None
    assert sum(counts) == 1000
    ours, theirs = np.array(counts), np.histogram(values, np.array(edges))[0]
    assert np.abs(ours - theirs).sum() <= 10  # a value within 0.1 % of an edge may fall on its other side


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [0.0, 5.0]])
def test_a_distribution_of_next_to_nothing_can_be_drawn(values: list[float]) -> None:
    sample = LatencyHistogram.from_ms(np.array(values))
    counts = binned(sample, bin_edges([sample]))
    assert counts is None or sum(counts) == len(values)


# --- real data -------------------------------------------------------------------------------------------------------------

LEADERBOARD = SHARED / "llmperf-leaderboard" / "individual"
LEADERBOARD_OPTIONS = (
    "--by", "provider", "--map", "latency_ms=end_to_end_latency_s:s", "--map", "ttft_ms=ttft_s:s",
    "--map", "input_tokens=number_input_tokens", "--map", "output_tokens=number_output_tokens", "--map", "error=error_code",
    "--map", "provider=@filename:^([a-z]+)_", "--const", "workload=llama2",
)  # fmt: skip


def leaderboard(not_error: tuple[object, ...] = (None, "")) -> dict[str, list[float]]:
    """The successes' latencies in ms per provider, read without edgeroi."""
    found: dict[str, list[float]] = {}
    for path in sorted(LEADERBOARD.glob("*.json")):
        name = re.match("[a-z]+", path.name)
        assert name
        values = found.setdefault(name[0], [])
        values += [r["end_to_end_latency_s"] * 1000 for r in json.loads(path.read_text()) if r["error_code"] in not_error]
    return found


@needs_shared
@pytest.mark.parametrize("not_error", [(), (-100,)], ids=["as logged", "-100 is no error"])
def test_every_provider_s_quantiles_equal_an_independent_nearest_rank(not_error: tuple[int, ...]) -> None:
    document = document_of(LEADERBOARD, *LEADERBOARD_OPTIONS, *(f"--not-error={value}" for value in not_error))
    assert (document["lines"]["read"], document["lines"]["profiled"], document["lines"]["balanced"]) == (2845, 2845, True)
    expected = leaderboard((None, "", *not_error))
    assert {g["provider"] for g in document["groups"]} == {provider for provider, values in expected.items() if values}
    for group in document["groups"]:
        values = expected[group["provider"]]
        latency = group["latency_ms"]
        assert group["requests"] - group["errors"] == len(values)
        assert latency["p50"] == pytest.approx(nearest_rank(values, 0.50), rel=1e-3)
        assert latency["p99"] == pytest.approx(nearest_rank(values, 0.99), rel=1e-3)
        assert latency["estimable"]["p99"] == (len(values) >= 368)


@needs_shared
def test_bedrock_s_146_good_answers_come_back() -> None:
    def errors(*more: str) -> int:
        groups = document_of(LEADERBOARD, *LEADERBOARD_OPTIONS, *more)["groups"]
        return next(int(g["errors"]) for g in groups if g["provider"] == "bedrock")

    assert errors() - errors("--not-error=-100") == 146


@needs_shared
def test_curl_at_cloudflare() -> None:
    path = SHARED / "edge-functions-curl" / "cloudflare-workers" / "combined.csv"
    (group,) = document_of(path, "--map", "latency_ms=Total:s")["groups"]
    assert [round(group["latency_ms"][q], 1) for q in ("p50", "p99")] == [65.9, 164.5]


# --- the account, and the endings ------------------------------------------------------------------------------------------


def test_every_line_is_accounted_for_and_the_first_rejects_are_shown(tmp_path: Path) -> None:
    content = requests([5.0] * 50) + b"\nnot json\n" + requests(["812"]) + requests([7.0], cache_hit=True)
    path = log(tmp_path, content)
    document = document_of(path)
    assert document["lines"] == {
        "read": 54, "blank": 1, "profiled": 50, "rejected": {"bad_json": 1, "wrong_type": 1}, "skipped": {"cache_hit": 1}, "balanced": True,
    }  # fmt: skip
    shown = run(path).stdout.decode()
    assert "54 lines = 50 profiled + 1 blank + 2 rejected (1 bad_json, 1 wrong_type) + 1 cache hits split off" in shown
    assert f"{path}:52: bad_json" in shown
    assert f"{path}:53: wrong_type" in shown


@pytest.mark.parametrize(("name", "content"), [("empty.jsonl", b""), ("blank.jsonl", b"\n\n"), ("bad.jsonl", b'{"latency_ms": "x"}\n' * 3)])
def test_where_nothing_was_profiled_there_is_an_account_and_no_table(tmp_path: Path, name: str, content: bytes) -> None:
    done = run(log(tmp_path, content, name), "--log-format", "jsonl")
    assert done.returncode == 2
    assert b"nothing was profiled" in done.stderr
    assert b"= 0 profiled" in done.stdout
    assert b"p50" not in done.stdout
    document = document_of(tmp_path / name, "--log-format", "jsonl", status=2)
    assert (document["groups"], document["lines"]["profiled"], document["requests_month"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("bad", "more", "status"),
    [(10, (), 0), (11, (), 2), (11, ("--max-rejected", "11"), 0), (1, ("--max-rejected", "0"), 2), (11, ("--max-rejected", "5%"), 0),
     (11, ("--max-rejected", "0.5%"), 2)],
)  # fmt: skip
def test_more_rejects_than_are_tolerated_exit_2_and_what_was_read_is_still_printed(
    tmp_path: Path, bad: int, more: tuple[str, ...], status: int
) -> None:
    done = run(log(tmp_path, requests([5.0] * 300) + b"{}\n" * bad), *more)
    assert done.returncode == status, done.stderr
    assert b"p50 ms" in done.stdout
    assert f"{bad} rejected".encode() in done.stdout


def test_a_cut_last_line_is_a_note_and_no_failure(tmp_path: Path) -> None:
    done = run(log(tmp_path, requests([5.0] * 3) + b'{"latency_ms": 1'), "--max-rejected", "0")
    assert done.returncode == 0, done.stderr
    assert b"1 truncated_tail" in done.stdout


def test_a_truncated_stream_exits_2_after_everything_before_the_cut(tmp_path: Path) -> None:
    whole = gzip.compress(requests(np.random.default_rng(1).uniform(1, 1000, 2000)))
    done = run(log(tmp_path, whole[: len(whole) // 2], "cut.jsonl.gz"))
    assert done.returncode == 2
    assert b"damaged input" in done.stderr
    assert b"stream_truncated" in done.stdout
    assert b"p50 ms" in done.stdout


def test_all_rejects_go_to_a_file(tmp_path: Path) -> None:
    path = log(tmp_path, requests([5.0] * 300) + b"{}\nnull\n" * 4)
    run(path, "--rejects", tmp_path / "rejects.jsonl")
    told = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(r["line"], r["reason"]) for r in told] == [(301 + i, "not_object" if i % 2 else "missing_field") for i in range(8)]


def test_the_result_goes_to_a_file_and_nothing_to_stdout(tmp_path: Path) -> None:
    path = log(tmp_path, requests([5.0] * 30))
    done = run(path, "--output", tmp_path / "out.md", "--format", "markdown")
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "out.md").read_text().count("\n| ") == 3


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_same_input_is_the_same_bytes(tmp_path: Path, jobs: str) -> None:
    path = log(tmp_path, requests(np.random.default_rng(4).lognormal(5, 1, 5000), workload="w"))
    assert run(path, "--jobs", jobs, "--format", "json").stdout == run(path, "--format", "json").stdout


def test_a_mapping_file_says_what_the_options_say_and_the_options_win(tmp_path: Path) -> None:
    path = log(tmp_path, b"".join(json.dumps({"took": i / 1000, "svc": "a", "n": 4}).encode() + b"\n" for i in range(1, 31)))
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("map:\n  latency_ms: took:s\n  workload: svc\nconst:\n  placement: edge\nseen_from: client\n")
    document = document_of(path, "--mapping", mapping)
    (group,) = document["groups"]
    assert (group["workload"], group["placement"], group["latency_ms"]["p50"], document["seen_from"]) == ("a", "edge", 15.0, "client")
    (group,) = document_of(path, "--mapping", mapping, "--const", "placement=cloud")["groups"]
    assert group["placement"] == "cloud"


def test_saved_profiles_are_logs_and_merge_to_what_the_logs_together_say(tmp_path: Path) -> None:
    values = np.random.default_rng(9).lognormal(5, 1, 900)
    first = log(tmp_path, requests(values[:500], workload="w", input_tokens=3), "a.jsonl")
    second = log(tmp_path, requests(values[500:], workload="w", input_tokens=4), "b.jsonl")
    for path in (first, second):
        assert run(path, "--save", path.with_suffix(".profile")).returncode == 0
    together = document_of(first, second)
    merged = document_of(first.with_suffix(".profile"), second.with_suffix(".profile"))
    mixed = document_of(first.with_suffix(".profile"), second)
    assert together["groups"] == merged["groups"] == mixed["groups"]
    assert together["lines"] == merged["lines"] == mixed["lines"]


def test_a_profile_that_cannot_be_saved_is_74(tmp_path: Path) -> None:
    done = run(log(tmp_path, requests([5.0] * 30)), "--save", tmp_path / "missing" / "x.profile")
    assert done.returncode == 74
    assert b"its folder does not exist" in done.stderr


def test_stdin_is_a_log(tmp_path: Path) -> None:
    (group,) = document_of("-", stdin=requests([5.0] * 30))["groups"]
    assert group["requests"] == 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_shows_what_it_read_and_says_so(number: int) -> None:
    with subprocess.Popen(
        [*CLI, "-", "--format", "json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(requests([5.0] * 400_000))  # more than a pipe holds: it is being read once this returns
        child.stdin.flush()
        child.send_signal(number)
        with suppress(BrokenPipeError):  # it may have stopped reading already
            child.stdin.write(requests([5.0] * 400_000))
            child.stdin.close()
        document = json.loads(child.stdout.read())
        assert child.wait(timeout=60) == {signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(number)]
    assert any("interrupted" in note for note in document["notes"])
    assert document["files"][0]["damage"] == "interrupted"
    assert 0 < document["lines"]["profiled"] < 800_000


def test_nothing_in_a_log_acts_on_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;t\x07\x9b31m\u202e[/]:skull:[link=http://x]"
    path = log(tmp_path, requests([5.0] * 30, workload=evil) + (evil + "\n").encode(), "e\x1b[31mvil.jsonl")
    for more in ((), ("--format", "csv"), ("--format", "markdown"), ("--format", "json")):
        done = run(path, *more)
        assert done.returncode == 0, done.stderr
        for written in (done.stdout, done.stderr):
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", written.decode())


def test_a_pipe_gets_whole_lines_whatever_the_terminal_is_called(tmp_path: Path) -> None:
    path = log(tmp_path, requests([5.0] * 400, workload="w" * 60, placement="p" * 60, input_tokens=5, cost_usd=0.1))
    for env in ({}, {"TERM": "dumb"}, {"COLUMNS": "80"}, {"NO_COLOR": "1"}):
        shown = run(path, env=env).stdout.decode()
        assert "w" * 60 in shown
        assert "p" * 60 in shown
        assert "distribution" in shown
        assert max(map(len, shown.splitlines())) > 200


def test_colour_only_where_it_was_asked_for(tmp_path: Path) -> None:
    path = log(tmp_path, requests([5.0] * 30))
    assert b"\x1b[" not in run(path).stdout
    assert b"\x1b[" in run(path, env={"FORCE_COLOR": "1"}).stdout
    assert b"\x1b[" not in run(path, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--by", "modle"), "did you mean 'model'"),
        (("--map", "latency_ms=took"), "write latency_ms=took:ms"),
        (("--sampling", "10"), "--sampling"),
        (("--sampling", "some"), "write 1%, 0.01 or 1/100"),
        (("--max-rejected", "few"), "write 25 or 2%"),
        (("--seen-from", "moon"), "client"),
        (("--log-format", "jsonlines"), "jsonl"),
    ],
)
def test_a_mistake_is_named_with_its_option_and_its_cure(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = run(log(tmp_path, requests([5.0] * 30)), *args)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


# --- parts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "share"), [("1%", 0.01), ("0.01", 0.01), ("1/100", 0.01), ("100%", 1.0), ("1", 1.0), ("12.5 %", 0.125)])
def test_a_share_is_written_as_people_write_it(said: str, share: float) -> None:
    assert share_of(said, "--sampling") == pytest.approx(share)


@pytest.mark.parametrize("said", ["0", "0%", "101%", "2", "1/0", "x", "-1%", "1e-2"])
def test_what_is_no_share_is_refused(said: str) -> None:
    with pytest.raises(EdgeroiError, match="--sampling"):
        share_of(said, "--sampling")


@pytest.mark.parametrize(("said", "limit"), [(None, None), ("25", 25), ("2%", 20), ("0%", 0), ("0", 0), ("0.1 %", 1)])
def test_tolerated_rejects_of_1000_lines(said: str | None, limit: int | None) -> None:
    assert tolerated(said, LineCount(1000)) == limit


def test_what_cannot_be_relied_on_is_refused_and_nothing_else_is() -> None:
    one = Tally(100, 0, LatencyHistogram.from_ms(np.ones(100)))
    assert unfit(profile_of(one)) is None
    assert unfit(profile_of(one, LineCount(111, 0, 100, {"bad_json": 11}))) is not None
    assert unfit(profile_of(one, LineCount(111, 0, 100, {"truncated_tail": 11}))) is None
    assert unfit(profile_of(one, damage="stream_corrupt: crc")) is not None
    assert unfit(profile_of(Tally(), LineCount(3, 3))) == "nothing was profiled"


def test_the_frame_holds_the_rows_of_the_csv(tmp_path: Path) -> None:
    frame = frame_of(profile_of(Tally(100, 0, LatencyHistogram.from_ms(np.arange(1.0, 101.0)))))
    assert list(frame[["workload", "placement", "requests"]].iloc[0]) == ["w", "edge", 100]
    assert frame["latency_ms_p50"].iloc[0] == pytest.approx(50, rel=1e-3)
    assert not frame["latency_ms_p99_estimable"].iloc[0]
    assert frame["ttft_ms_p50"].isna().all()


def test_a_profile_is_a_frame_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"latency_ms": {ms}, "placement": "edge"}}\n' for ms in range(1, 12)))
    frame = edgeroi.profile(log).to_frame()
    assert list(frame["placement"]) == ["edge"]
    assert frame["requests"].iloc[0] == 11
    assert frame["latency_ms_p50"].iloc[0] == pytest.approx(6, rel=1e-3)  # the 6th of 1..11
    assert frame["input_tokens_sum"].isna().all()  # nobody told them: not 0
    assert edgeroi.profile(log, by="placement", require="latency_ms").by == ("placement",)  # one name is not its letters


def test_a_slip_in_the_limit_is_told_before_the_logs_are_read(tmp_path: Path) -> None:
    ran = run(log(tmp_path, b'{"latency_ms": 5}\n'), "--max-rejected", "abc")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"--max-rejected: 'abc' is neither" in ran.stderr
