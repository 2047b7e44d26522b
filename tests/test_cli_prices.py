"""``edgeroi prices``: every rate with its source, day, status and basis; what changed; and how a mistake is told."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([sys.executable, "-m", "edgeroi", "prices", *args], capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stderr
    return ran


def document(*args: str) -> Any:
    return json.loads(run(*args, "--format", "json").stdout)


def test_show_tells_source_day_status_and_basis_of_every_rate() -> None:
    (price,) = document("show", "cloudflare/@cf/baai/bge-base-en-v1.5", "--at", "2026-11-22")["prices"]
    assert price["neurons_per_mtok"] == {"input": 6058, "output": None, "basis": "listed"}
    listed, neurons = price["rates"]
    assert (listed["usd"], listed["unit"], listed["as_of"]) == (0.067, "Mtok", None)
    assert listed["source"].startswith("genai-prices ")
    assert (neurons["usd"], neurons["as_of"]) == (0.011, "2026-09-20")
    assert neurons["free"] == {"amount": 10, "every": "day", "account": "cloudflare"}
    assert {rate["basis"] for rate in price["rates"]} == {"listed"}
    assert price["status"] == "listed"


def test_show_as_a_table() -> None:
    shown = run("show", "cloudflare/@cf/baai/bge-base-en-v1.5", "--at", "2026-11-22").stdout
    for word in ("0.067", "0.011", "10,000 neurons a day free", "2026-09-20", "listed", "genai-prices", "neurons are what is billed"):
        assert word in shown


def test_a_unit_that_says_what_it_counts_is_not_followed_by_the_same_word() -> None:
    listed = run("list", "cloudflare/@cf/baai/bge-base-en-v1.5").stdout
    assert "0.011 USD/1k neurons " in listed
    assert "neurons neurons" not in listed


def test_show_batch_and_its_absence() -> None:
    (price,) = document("show", "openai/gpt-4o", "--batch", "--at", "2026-11-22")["prices"]
    assert {rate["charges"]: rate["usd"] for rate in price["rates"]} == {"input": 1.25, "cached": 1.25, "output": 5}
    failed = run("show", "deepinfra/BAAI/bge-m3", "--batch", status=2)
    assert "deepinfra/BAAI/bge-m3 has no batch price; it is priced as: standard" in failed.stderr
    assert failed.stdout == ""


def test_show_of_a_day() -> None:
    usd = [
        document("show", "cloudflare/@cf/cloudflare/clef-flash", "--at", day)["prices"][0]["rates"][0]["usd"]
        for day in ("2026-10-18", "2026-10-19")
    ]
    assert usd == [0.09, 0.038]


def test_show_of_a_retired_model_is_its_last_price_and_says_so() -> None:
    (price,) = document("show", "groq/llama-3.1-8b-instant", "--at", "2026-11-22")["prices"]
    assert price["status"] == "retired 2026-08-16"
    assert "groq/llama-3.1-8b-instant was retired on 2026-08-16" in price["notes"]


def test_show_says_what_is_stale_or_undated() -> None:
    (price,) = document("show", "openai/text-embedding-3-small", "--at", "2026-11-22")["prices"]
    assert [concern["rule"] for concern in price["concerns"]] == ["stale-price"]
    (price,) = document("show", "ovh/bge-m3", "--at", "2026-11-22")["prices"]
    assert price["notes"] == ["undated price: taken as valid on 2026-11-22"]


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("show", "cloudfare/x"), 2, "did you mean 'cloudflare'"),
        (("show", "openai/gpt-4o-minni"), 2, "nearest: gpt-4o-mini"),
        (("show", "gpt-4o"), 2, "not a price reference"),
        (("show", "openai/whisper-1"), 3, "unpriced"),
        (("show", "openai/gpt-4o", "--at", "22.11.2026"), 2, "neither a day nor a file"),
        (("list", "no-such-thing"), 2, "no offer matches 'no-such-thing'"),
        (("list", "clouflare"), 2, "no offer matches 'clouflare'; did you mean 'cloudflare'?"),
        (("diff", "2026-01-01", "nowhere.yaml"), 2, "neither a day nor a file"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(args: tuple[str, ...], status: int, said: str) -> None:
    failed = run(*args, status=status)
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr


def test_list_by_part_of_a_name_and_by_glob() -> None:
    rows = list(csv.DictReader(io.StringIO(run("list", "BGE-BASE", "--at", "2026-11-22", "--format", "csv").stdout)))
    by_offer = {row["reference"]: row for row in rows}
    assert by_offer["deepinfra/BAAI/bge-base-en-v1.5"]["input"] == "0.005"
    assert by_offer["deepinfra/BAAI/bge-base-en-v1.5"]["as_of"] == "2026-08-21"
    assert "cloudflare/@cf/baai/bge-base-en-v1.5" in by_offer
    globbed = document("list", "aws/g6*")["prices"]
    assert [price["reference"] for price in globbed] == ["aws/g6.xlarge", "aws/g6e.xlarge"]


def test_diff_of_two_days() -> None:
    changes = document("diff", "2026-10-18", "2026-11-22", "--only", "cloudflare/*clef*")["changes"]
    assert changes == [
        {
            "reference": "cloudflare/@cf/cloudflare/clef-flash",
            "context": "standard",
            "what": "input tokens",
            "old": "0.09 USD/Mtok",
            "new": "0.038 USD/Mtok",
            "change": pytest.approx(0.038 / 0.09 - 1),
        }
    ]
    retired = document("diff", "2026-08-15", "2026-08-16", "--only", "groq")["changes"]
    assert {change["reference"] for change in retired} == {"groq/llama-3.1-8b-instant", "groq/llama-3.3-70b-versatile"}
    assert {change["new"] for change in retired} == {"retired 2026-08-16"}


def test_diff_of_two_files(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    kept = "{provider: a, model: same, input: {usd: 1, source: s, as_of: 2026-01-01}}"
    old.write_text(
        f"offers:\n- {kept}\n- {{provider: a, model: b, input: {{usd: 0.10}}}}\n- {{provider: a, model: gone, input: {{usd: 1}}}}\n"
    )
    new.write_text(f"offers:\n- {kept}\n- {{provider: a, model: b, input: {{usd: 0.15}}}}\n")
    changes = document("diff", str(old), str(new))["changes"]
    assert [(change["reference"], change["what"], change["old"], change["new"]) for change in changes] == [
        ("a/b", "input tokens", "0.10 USD/Mtok", "0.15 USD/Mtok"),
        ("a/gone", "offer", "input 1 USD/Mtok", None),
    ]
    assert "nothing differs" in run("diff", str(old), str(old)).stdout


def test_a_price_file_of_ones_own_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("offers:\n- {provider: ours, model: llm, input: {usd: 0.0002, source: contract, as_of: 2026-11-01}}\n")
    (price,) = document("show", "ours/llm", "--file", str(file), "--at", "2026-11-22")["prices"]
    assert price["rates"][0]["source"] == "contract"
    assert [concern["rule"] for concern in price["concerns"]] == ["magnitude"]
