"""The benchmark measures what it says: its log is a log, its answers are compared, its memory is the tree's."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "log.jsonl"
    done = subprocess.run([sys.executable, FOLDER / "generate.py", path, "--size", "0.02"], capture_output=True, text=True, check=True)
    assert "100,000 requests" in done.stdout
    return path


def test_every_line_is_a_whole_record(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 100_000
    assert 240 < sum(map(len, lines)) / len(lines) < 270
    for row in rows[:2000]:
        assert (row["status"], row["error"]) in {(200, None), (504, "timeout")}
        assert row["latency_ms"] > 0
        assert (row["ttft_ms"] is not None) == (row["streamed"] and row["error"] is None)


def test_the_numbers_are_written_as_they_were_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    generate = script("generate", monkeypatch)
    values = np.array([0, 7, 10, 305, 99_999], np.int64)
    assert [bytes(row[row != 0]).decode() for row in generate.digits(values, 5)] == ["0", "7", "10", "305", "99999"]
    ms = generate.milliseconds(np.array([4480.125, 0.0002, 71.9996, 3.0]), np.array([True, True, True, False]))
    assert [bytes(row[row != 0]).decode() for row in ms] == ["4480.125", "0.001", "72.000", "null"]
    at = generate.instants(np.array([0, 86_400_000 + 3_723_004], np.int64))
    assert [bytes(row).decode() for row in at] == ["2026-10-23T00:00:00.000Z", "2026-10-24T01:02:03.004Z"]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is sampled from the proc file system")
def test_memory_is_summed_over_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that holds nothing and a child that holds 64 MB for as long as the watcher needs to see it."""
    measure = script("measure", monkeypatch)
    child = "import time; held = bytearray(b'x') * 64_000_000; time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peak = measure.Peak()
    measure.run([sys.executable, "-c", parent], peak)
    assert 64 < peak.private < 100
    assert peak.total >= peak.private


FORMATS = ("jsonl", "gz", "zst", "csv", "nginx", "otlp", "litellm")
#: Who is asked about which format.
ASKED = [(form, name) for form in FORMATS for name in ("duckdb", "polars")]
ASKED += [("jsonl", name) for name in ("duckdb-more", "chdb", "loop")]
ASKED += [(form, "miller") for form in ("gz", "zst", "csv", "nginx", "litellm")] + [("nginx", "goaccess")]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``run.py`` with what stands beside it, and batches small enough for groups of some dozen requests."""
    generate = script("generate", monkeypatch)
    script("contenders", monkeypatch)
    script("measure", monkeypatch)
    script("cluster", monkeypatch)
    monkeypatch.setattr(generate, "LINES_AT_ONCE", 2000)
    return script("run", monkeypatch)


def drawn_answers(generate: ModuleType, form: str) -> dict[tuple[str, ...], tuple[int, int, tuple[float, ...]]]:
    """By numpy from the requests as they were drawn, before anybody wrote or read them: the nearest rank is its ``inverted_cdf``."""
    import numpy as np

    drawn = generate.drawn(np.random.default_rng(generate.SEED), np.zeros(2000, np.int64))
    written = np.rint(drawn.latency_ms) if form == "nginx" else np.rint(drawn.latency_ms * 1000) / 1000
    names = {"nginx": tuple(b"/v1/" + word for word in generate.WORKLOADS), "otlp": generate.MODELS, "litellm": generate.MODELS}
    told = {}
    for w, p in [(w, p) for w in range(4) for p in (range(3) if form not in names else (None,))]:
        group = (drawn.workload == w) & ((drawn.placement == p) if p is not None else True)
        name = names.get(form, generate.WORKLOADS)[w].decode()
        key = (name,) if p is None else (name, generate.PLACEMENTS[p].decode())
        ms = np.quantile(written[group & ~drawn.failed], (0.5, 0.9, 0.95, 0.99), method="inverted_cdf")
        told[key] = int(group.sum()), int((group & drawn.failed).sum()), tuple(ms.tolist())
    return told


def small_log(bench: ModuleType, form: str, folder: Path) -> Path:
    path = folder / f"log.{bench.generate.FORMATS[form].suffix}"
    assert bench.generate.write(path, 1e-6, form) == 2000
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_edgeroi_answers_as_the_requests_were_drawn(form: str, bench: ModuleType, tmp_path: Path) -> None:
    (ours, *_) = bench.ours(small_log(bench, form, tmp_path), form)
    bench.try_out(ours)
    assert bench.differences(bench.answers_of_edgeroi(ours.said, form), drawn_answers(bench.generate, form)) == []
    (key, *_), told = drawn_answers(bench.generate, form), drawn_answers(bench.generate, form)
    told[key] = told[key][0], told[key][1] + 1, told[key][2]
    assert len(bench.differences(bench.answers_of_edgeroi(ours.said, form), told)) == 1


@pytest.mark.parametrize(("form", "name"), ASKED)
def test_every_contender_computes_the_nearest_rank(form: str, name: str, bench: ModuleType, tmp_path: Path) -> None:
    """In groups of dozens, where one rank beside it is percents away."""
    how = bench.contenders.CONTENDERS[form][name]
    if how.missing:
        pytest.skip(f"{how.needs} is not installed")
    answers = {answer.key: answer for answer in how.ask(small_log(bench, form, tmp_path))}
    expected = drawn_answers(bench.generate, form)
    assert answers.keys() == expected.keys()
    for key, (requests, errors, ms) in expected.items():
        assert answers[key].requests == requests
        if name != "goaccess":
            assert answers[key].errors == errors
            assert answers[key].ms == pytest.approx(ms, rel=1e-5)  # LiteLLM's times are seconds since 1970: 0.2 us apart


def test_a_contender_that_is_not_installed_is_a_row_that_says_so(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.contenders.CONTENDERS["jsonl"], "loop", bench.contenders.Contender(list, "no_such_thing_is_installed"))
    assert "| loop | not installed here | | | | |" in bench.absent("jsonl")
    assert "loop" not in [racer.name for racer in bench.others(Path("log"), "jsonl")]


def test_what_is_slow_is_timed_once(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = (bench.Racer(name, [sys.executable, "-c", "print(1)"]) for name in ("quick", "slow"))
    bench.try_out(quick)
    monkeypatch.setattr(sys.modules["measure"], "SLOW_S", 0.0)
    bench.try_out(slow)
    bench.take_turns([quick, slow], 3)
    assert (len(quick.seconds), len(slow.seconds)) == (3, 1)
    assert slow.spread.endswith("(1 run)")


def test_a_piece_is_recorded_between_its_marks_and_nowhere_else(bench: ModuleType, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- gz -->\nold\n<!-- /gz -->\nb\n<!-- zst -->\nkept\n<!-- /zst -->\n")
    bench.record("gz", "new", readme)
    assert readme.read_text() == "a\n<!-- gz -->\nnew\n<!-- /gz -->\nb\n<!-- zst -->\nkept\n<!-- /zst -->\n"
    with pytest.raises(SystemExit, match="has no <!-- csv -->"):
        bench.record("csv", "new", readme)


def test_everybody_who_is_asked_is_tested(bench: ModuleType) -> None:
    assert {(form, name) for form, names in bench.contenders.CONTENDERS.items() for name in names} == set(ASKED)


def test_every_piece_has_its_place_in_the_readme(bench: ModuleType) -> None:
    text = (FOLDER / "README.md").read_text()
    assert [name for name in bench.PIECES if text.count(f"<!-- {name} -->") != 1 or text.count(f"<!-- /{name} -->") != 1] == []
    assert bench.wanted("spark,gz") == ["gz", "spark"]
    with pytest.raises(SystemExit, match="not parquet"):
        bench.wanted("gz,parquet")


def test_a_log_that_grows_keeps_what_it_had(bench: ModuleType, tmp_path: Path) -> None:
    asked = bench.Asked(tmp_path, None, None)
    first = asked.grown(1e-6).read_bytes()
    assert asked.grown(1e-6).read_bytes() == first
    more = asked.grown(1e-6 + len(first) / 1e9).read_bytes()
    assert more.startswith(first)
    assert len(more) > len(first)
    assert not set(more[len(first) :].splitlines()) & set(first.splitlines())
