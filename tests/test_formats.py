"""The socket of log formats: each says what it owes, has a sample that reads without an option, and stands in the docs as it is."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from edgeroi.cli.formats import tells
from edgeroi.engines.local import read_logs
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


@cache
def refresh() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_in_the_docs_is_what_the_formats_say():
    assert (ROOT / "docs" / "formats.md").read_text() == refresh().formats_page(), "run python docs/refresh.py"


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
