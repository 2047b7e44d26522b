"""The socket of log formats: each says what it owes, has a sample that reads without an option, and stands in the docs as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from edgeroi.cli.formats import tells
from edgeroi.cli.main import app
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.logs.format import LineFormat, StreamFormat, formats
from edgeroi.logs.reading import reading
from edgeroi.request import COLUMNS

ROOT = Path(__file__).parents[1]
SAMPLES = sorted(path for path in (ROOT / "sample_logs").iterdir() if path.suffix not in (".py", ".md") and path.is_file())


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_format_says_what_it_owes(name):
    format = formats()[name]
    assert isinstance(format, LineFormat | StreamFormat), f"{name}: something of the protocol is missing, perhaps lacks"
    assert set(format.fields) <= {*COLUMNS, "*"}  # a saved profile tells whatever its logs did
    assert format.lacks
    assert "\n" not in format.lacks
    assert not format.lacks.startswith("no "), "it stands under `does not tell`"
    assert format.counted in ("lines", "records", "spans")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_profiles_with_no_option(path):
    profile = read_logs([path], reading())
    assert profile.total.requests > 0 or profile.aggregates
    assert profile.lines.balanced
    assert profile.lines.total_rejected <= max(10, profile.lines.read // 100)


def test_the_document_says_what_the_table_says():
    done = subprocess.run([sys.executable, "-m", "edgeroi", "formats", "--format", "json"], capture_output=True, check=True, cwd=ROOT)
    told = {f["name"]: f for f in json.loads(done.stdout)["formats"]}
    assert set(told) == set(formats())
    for name, format in formats().items():
        assert (told[name]["lacks"], tuple(told[name]["tells"])) == (format.lacks, tells(format))
    page = (ROOT / "docs" / "formats.md").read_text()
    assert all(f"| {name} |" in page for name in told)


def test_what_is_told_follows_from_the_fields():
    assert tells(formats()["cloudfront"]) == ("TTFT", "errors", "region", "time")
    assert "TTFT" not in tells(formats()["alb"])


def told(*arguments):
    """What ``edgeroi formats`` says, in JSON, as its schema has it."""
    ran = CliRunner().invoke(app, ["formats", *map(str, arguments), "--format", "json"])
    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    jsonschema.validate(document, json.loads((ROOT / "edgeroi" / "schemas" / "formats.json").read_text()))
    return document


def test_what_every_format_makes_of_a_file_is_told(tmp_path):
    assert len(told()["formats"]) == len(formats())
    sample = told("--tried", ROOT / "sample_logs" / "spans.otlp.jsonl.gz")
    assert sample["claimed_by"] == ["otlp"]
    assert [one["name"] for one in sample["tried"] if one["claims"]] == ["otlp"]
    assert {one["name"] for one in sample["tried"]} == set(formats())
    half = tmp_path / "half.jsonl"
    half.write_text('{"startTime": "2026-11-01T00:00:00Z", "endTime": "2026-11-01T00:00:01Z", "call_type": "acompletion"}\n')
    missed = told("--tried", half)
    assert missed["claimed_by"] == []
    # Three of the names that LiteLLM looks for are there, so it comes first; k6 looks for none of them.
    assert missed["tried"][0]["name"] in ("litellm", "litellm-dump")
    assert {one["name"]: one["nearness"] for one in missed["tried"]}["k6"] == 0
    assert told("litellm", "--tried", half)["tried"][0]["why"].startswith("no line has startTime")
    assert told("jsonl", "--tried", half, "--map", "latency_ms=took:s")["tried"][0]["why"] == "no JSON line has took"
    with pytest.raises(EdgeroiError, match="as edgeroi formats --tried FILE shows"):
        read_logs([half], reading())


def test_a_format_that_knows_a_file_and_cannot_read_it_says_what_to_do(tmp_path):
    plain = tmp_path / "access.log"
    plain.write_text('203.0.113.9 - - [17/May/2026:10:05:03 +0000] "GET /v1 HTTP/1.1" 200 5 "-" "curl/8.5.0"\n')
    first = told("--tried", plain)["tried"][0]
    assert (first["name"], first["claims"]) == ("apache", False)
    assert "--map latency_ms" in first["fix"]


def test_what_cannot_be_tried_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "b.jsonl").write_text("{}\n")
    for arguments, said in ((("--tried", tmp_path), "no single file"), (("--map", "latency_ms=a:s"), "maps nothing")):
        ran = CliRunner().invoke(app, ["formats", *map(str, arguments)])
        assert isinstance(ran.exception, EdgeroiError) or ran.exit_code == 2
        assert said in f"{ran.exception}{ran.output}"
