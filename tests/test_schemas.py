"""The published schemas: what a script may rely on."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import numpy as np
import pytest

from edgeroi.cli.schema import schema_names, schema_text
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import BASES
from edgeroi.histogram import LatencyHistogram
from edgeroi.profile_report import profile_report
from edgeroi.renderers import Page, renderer
from edgeroi.request import REJECT_REASONS, SKIP_REASONS, LineCount, Reject
from edgeroi.workload import FileAccount, Partial, Profile, Sum, Tally


def schema(name: str) -> Mapping[str, Any]:
    return json.loads(schema_text(name))


def broken_by(name: str, document: Mapping[str, Any]) -> list[str]:
    """Where a document breaks its schema."""
    return sorted(error.json_path for error in jsonschema.Draft202012Validator(schema(name)).iter_errors(document))


def profile_document() -> dict[str, Any]:
    sample = LatencyHistogram.from_ms(np.random.default_rng(7).lognormal(4, 0.5, 400))
    told = Tally(410, 10, sample, sample, sums={"input_tokens": Sum(1200, 400), "cost_usd": Sum(10**12, 400)}, first_ns=0, last_ns=10**15)
    lines = LineCount(420, 1, 414, {"bad_json": 2}, {"cache_hit": 3})
    account = FileAccount("a.jsonl", 9, "sha256:0", "native", "latency_ms, ms", lines)
    reject = Reject("a.jsonl", 3, "bad_json", "cut", b"{\xff")
    profile = Profile(Partial(("workload", "placement"), {("chat", "edge"): told, (None, None): Tally(4, 4)}), (account,), (reject,))
    return json.loads(renderer("json").render(profile_report(profile, version="1"), Page()))


def compare_document(command: str = "compare") -> dict[str, Any]:
    """A document with every key of the contract, written out by hand."""
    numbers = {"p50": 60.0, "p95": 80.0, "p99": 90.0, "mean": 62.0, "basis": "best_case"}
    line = {
        "item": "input tokens", "kind": "usage", "quantity": 1e6, "unit": "token", "rate_usd": 2e-7, "usd_month": 0.2,
        "source": "https://example.com", "as_of": "2026-11-22", "basis": "listed",
    }  # fmt: skip
    option = {
        "placement": "edge", "model": "m", "policy": None, "cost_usd_month": 0.2, "cost_lines": [line], "latency_ms": numbers,
        "ttft_ms": None, "error_ratio": None, "quality": None,
    }  # fmt: skip
    check = {
        "rule": "edge-net", "level": "error", "status": "fail", "message": "costs more than it is worth", "limit": -50, "value": -324.0,
        "file": "s.yaml", "line": 7,
    }  # fmt: skip
    workload = {
        "workload": "chat", "runs_on": "edge", "baseline": "cloud", "best": "cloud", "verdict": "not_worth_it", "verdict_reason": None,
        "sentence": "It pays above 23 USD/h.", "options": {"edge": option},
        "judged": {"latency": "ttft", "saved_ms": {"mean": 62.0, "p50": 60.0, "p99": None},
                   "network_share": 0.1, "felt": False, "felt_from_ms": 122.0},
        "candidate": {
            "name": "edge", "premium_usd_month": 324.0, "value_usd_month": 0.0, "net_usd_month": -324.0, "net_low_usd_month": -330.0,
            "net_high_usd_month": -300.0, "p_worth_it": None,
        },
        "break_even": {"waiting_usd_per_hour": 23.0, "usd_per_1k_requests": 0.17, "requests_month": None, "saved_ms": 122.0},
        "drivers": [{"name": "chat.volume", "low_net": -1.0, "high_net": 1.0}], "evpi_usd_month": None, "checks": [check],
    }  # fmt: skip
    return {
        "schema_version": 1, "edgeroi_version": "0.1.0", "command": command, "seed": None, "interval_level": 0.95,
        "prices_as_of": "2026-11-22", "files": [], "notes": [], "scenarios": [{"name": "s", "file": "s.yaml", "workloads": [workload]}],
    } | ({"gate": "fail"} if command == "check" else {})  # fmt: skip


DOCUMENTS = {"profile": profile_document(), "compare": compare_document(), "check": compare_document("check")}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_sound_document_is_valid(name: str) -> None:
    assert broken_by(name, DOCUMENTS[name]) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_key_of_the_contract_is_needed(name: str) -> None:
    for key in schema(name)["required"]:
        assert broken_by(name, {k: v for k, v in DOCUMENTS[name].items() if k != key}) == ["$"], key


FAULTS = {
    "profile": {
        "groups.0.latency_ms.p50": "812", "groups.0.latency_ms.estimable.p99": None, "groups.0.latency_ms.interval.p50": [1],
        "groups.0.error_ratio": 1.2, "groups.0.requests": 4.5, "lines.balanced": False, "lines.rejected": {"odd": 1}, "command": "compare",
        "seen_from": "moon", "groups.0.saving.share_of_p50": 3, "files.0.lines.read": -1,
    },
    "compare": {
        "scenarios.0.workloads.0.verdict": "maybe", "scenarios.0.workloads.0.options.edge.cost_lines.0.basis": "guessed",
        "scenarios.0.workloads.0.checks.0.status": "ok", "scenarios.0.workloads.0.candidate.p_worth_it": 2,
        "scenarios.0.workloads.0.judged.latency": "p50", "prices_as_of": 20261122,
    },
    "check": {"gate": "maybe", "scenarios.0.workloads.0.candidate.net_usd_month": "-324"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "where"), [(name, where) for name, faults in FAULTS.items() for where in faults])
def test_a_broken_document_is_found(name: str, where: str) -> None:
    document = copy.deepcopy(DOCUMENTS[name])
    *path, last = (int(key) if key.isdigit() else key for key in where.split("."))
    inner: Any = document
    for key in path:
        inner = inner[key]
    inner[last] = FAULTS[name][where]
    assert len(broken_by(name, document)) >= 1


def test_the_closed_lists_are_those_of_the_code() -> None:
    lines = schema("profile")["$defs"]["lines"]["properties"]
    assert lines["rejected"]["propertyNames"]["enum"] == list(REJECT_REASONS)
    assert lines["skipped"]["propertyNames"]["enum"] == list(SKIP_REASONS)
    assert schema("compare")["$defs"]["quantiles"]["properties"]["basis"]["enum"] == list(BASES)


def test_compare_and_check_say_the_same_things_in_the_same_way() -> None:
    assert schema("compare")["$defs"] == schema("check")["$defs"]


def test_an_unknown_schema_is_an_error_with_the_nearest_name() -> None:
    assert {"profile", "compare", "check"} <= set(schema_names())
    with pytest.raises(EdgeroiError, match="did you mean 'profile'"):
        schema_text("profiles")
