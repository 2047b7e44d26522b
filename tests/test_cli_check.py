"""How ``edgeroi check`` ends, in a process of its own: 1 only where the gate failed."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from edgeroi.cli.schema import schema_text

ROOT = Path(__file__).parents[1]
GATE = ROOT / "scenarios" / "gate"
TYPO = ROOT / "tests" / "fixtures" / "scenarios" / "typo.yaml"


@cache
def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeroi", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(
    ("name", "status", "gate"),
    [
        ("justified", 0, "PASS"),
        ("required", 0, "PASS"),
        ("unjustified", 1, "FAIL (1)"),
        ("no-reason", 1, "FAIL (1)"),
        ("no-price", 3, "UNDECIDED (1)"),
        ("no-data", 3, "UNDECIDED (1)"),
    ],
)
def test_exit_statuses(name: str, status: int, gate: str) -> None:
    ran = check(GATE / f"{name}.yaml")
    assert ran.returncode == status, ran.stderr
    assert ran.stdout.rstrip().endswith(f"gate: {gate}")
    assert "Traceback" not in ran.stderr


def test_a_typo_is_2_and_says_where_and_what_was_meant() -> None:
    ran = check(TYPO)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert f"{TYPO}:6:35" in ran.stderr
    assert "unknown key 'inptu'" in ran.stderr
    assert "did you mean 'input'?" in ran.stderr
    assert "did you mean 'edge'?" in ran.stderr  # the second mistake of the same file, in the same run


@pytest.mark.parametrize(
    "arguments", [("nowhere.yaml",), (GATE, "--set", "workloads.lookup.requests=many"), (GATE, "--prices-as-of", "soon"), ()]
)
def test_what_a_user_gets_wrong_is_2(arguments: tuple[str | Path, ...]) -> None:
    ran = check(*arguments)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_an_unanswered_gate_says_what_it_could_not_answer() -> None:
    ran = check(GATE / "no-price.yaml")
    assert "no answer: lookup: edge states no price" in ran.stderr
    assert "[price-missing]" in ran.stderr


PLANTED = """
import sys
import edgeroi.{module} as module
def planted(*given, **more):
    raise {error}
module.{name} = planted
from edgeroi.cli.main import run
sys.argv = ["edgeroi", "check", {file!r}]
run()
"""


@pytest.mark.parametrize(
    ("module", "name", "error"),
    [
        ("judging", "judge", "KeyError('planted')"),
        ("judging", "decide", "AssertionError('planted')"),
        ("judging", "outcome", "SystemExit(1)"),
        ("verdict_report", "verdict_report", "RecursionError('planted')"),
    ],
)
def test_an_internal_error_never_exits_1(module: str, name: str, error: str) -> None:
    """On the scenario that fails the gate, so that 1 is near; even an exit status of 1 from inside is 70."""
    code = PLANTED.format(module=module, name=name, error=error, file=str(GATE / "unjustified.yaml"))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 70, (ran.returncode, ran.stderr)
    assert "bug in edgeroi" in ran.stderr or "SystemExit" in error


def test_the_same_entry_unpatched_fails_the_gate() -> None:
    code = PLANTED.format(module="judging", name="nothing", error="KeyError", file=str(GATE / "unjustified.yaml"))
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 1


def test_several_files_in_one_call_fail_if_one_does() -> None:
    ran = check(GATE / "justified.yaml", GATE / "no-reason.yaml", GATE / "no-price.yaml")
    assert ran.returncode == 1
    assert ran.stdout.count("net (90 % interval)") == 3


def test_a_folder_in_one_call() -> None:
    ran = check(GATE)
    assert ran.returncode == 1
    assert ran.stdout.count("net (90 % interval)") == 6


def test_overrides() -> None:
    raised = "workloads.summaries.part_of=none"
    assert check(GATE / "unjustified.yaml", "--set", raised).returncode == 2  # `none` is no latency
    assert check(GATE / "unjustified.yaml", "--set", "workloads.summaries.requests=1k /month").returncode == 0  # below the floor
    assert check(GATE / "justified.yaml", "--set", "workloads.lookup.value.waiting=0.01 USD/h").returncode == 1


def test_on_undecided(tmp_path: Path) -> None:
    text = (GATE / "justified.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "assume:" not in line]
    file = tmp_path / "undecided.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert check(file).returncode == 0
    assert check(file, "--on-undecided", "fail").returncode == 3


def test_a_policy_file_is_the_projects(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("edgeroi: 1\nmateriality: 1 USD/month\n", encoding="utf-8")
    small = ("--set", "workloads.summaries.requests=1M /month")  # 19.50 lost, less than 50
    assert check(GATE / "unjustified.yaml", *small).returncode == 0
    assert check(GATE / "unjustified.yaml", *small, "--policy", policy).returncode == 1


@pytest.mark.parametrize("name", ["justified", "required", "unjustified", "no-reason", "no-price", "no-data"])
def test_the_document_keeps_its_schema(name: str) -> None:
    document = json.loads(check(GATE / f"{name}.yaml", "--format", "json").stdout)
    jsonschema.Draft202012Validator(json.loads(schema_text("check"))).validate(document)
    assert document["gate"] in ("pass", "fail", "undecided")


def test_the_document_holds_the_rule_beside_its_limit() -> None:
    document = json.loads(check(GATE / "no-reason.yaml", "--format", "json").stdout)
    (rule,) = document["scenarios"][0]["workloads"][0]["checks"]
    assert (rule["rule"], rule["level"], rule["status"]) == ("edge-value-undeclared", "error", "fail")
    assert (rule["limit"], rule["value"]) == (50, 195.0)
    assert rule["file"].endswith("no-reason.yaml")
    lines = (GATE / "no-reason.yaml").read_text().splitlines()
    assert lines[rule["line"] - 1] == "  lookup:"


def test_unknown_is_null_and_never_0() -> None:
    candidate = json.loads(check(GATE / "no-data.yaml", "--format", "json").stdout)["scenarios"][0]["workloads"][0]["candidate"]
    assert candidate["premium_usd_month"] == 195.0
    assert {candidate[key] for key in ("value_usd_month", "net_usd_month", "net_low_usd_month", "net_high_usd_month")} == {None}
    unpriced = json.loads(check(GATE / "no-price.yaml", "--format", "json").stdout)["scenarios"][0]["workloads"][0]
    assert unpriced["candidate"]["premium_usd_month"] is None
    assert unpriced["options"]["edge"]["cost_usd_month"] is None


def test_the_same_input_gives_the_same_bytes() -> None:
    once, again = (check.__wrapped__(GATE / "required.yaml", "--format", "json").stdout for _ in range(2))
    assert once == again != ""


def test_what_nothing_turns_is_unknown_in_every_format() -> None:
    document = json.loads(check(GATE / "no-price.yaml", "--format", "json").stdout)
    assert document["scenarios"][0]["workloads"][0]["flips_if"] is None
    assert check(GATE / "no-price.yaml", "--format", "csv").stdout.splitlines()[1].endswith(",")
