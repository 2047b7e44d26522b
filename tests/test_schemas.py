"""The published schemas: what a script may rely on."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
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
from edgeroi.scenario.policies import POLICIES
from edgeroi.scenario.reading import load_scenario, scenario_files
from edgeroi.scenario.section import Section
from edgeroi.workload import FileAccount, Partial, Profile, Sum, Tally
from edgeroi.yamltree import Listing, Node, Table, read_tree


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


# --- scenarios -------------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(scenario_files(ROOT / "scenarios"))

#: Every section the grammar has; not one anybody would write.
EVERYTHING = """
edgeroi: 1
name: everything
prices_as_of: 2026-11-22
horizon: 12 months
discount_rate: 10%
seen_from: gateway
sampling: 10%
users_in: {us-east: 60%, eu-west: 40%}
options:
  cloud:
    placement: cloud
    price: {ref: deepinfra/BAAI/bge-base-en-v1.5, batch: true}
    log: {file: everything.yaml, where: {placement: edge}, map: {latency_ms: "took:s"}, const: {model: m}, not_error: [-100]}
  edge:
    placement: edge
    price: {input: 0.02 USD/Mtok, output: 0.1 (0.05..0.2) USD/Mtok, request: 0.001 USD/request}
    rtt: 12 ms
    round_trips: 1
    service: {p50: 60 ms, p99.9: 300 ms}
    cold_start: {share: 1%, adds: 300 ms}
    fixed: 5 USD/month per account
    operations: {hours: {range: 2 (1..8) h/month, why: the last two quarters, by: dana}, rate: 100 USD/h}
    quality: 0.97
    capacity: {servers: 4, per_site: 1}
    egress: {price: 0.09 USD/GB, volume: 50 GB/month}
    migration: 3000 USD
    origin_calls: {count: 1, rtt: 40 ms}
    assume: {why: measured elsewhere, by: dana}
  fallen: {fallback: {first: edge, then: cloud, after: 500 ms}}
  hedged: {hedge: {first: edge, then: cloud, after: 500 ms, correlation: 20%}, assume: {why: w, by: b}}
  cascaded: {cascade: {first: edge, then: cloud, escalated: 20%, judge: 0.001 USD/request}}
  sure: {cascade: {first: edge, then: cloud, confidence: 0.8, judge: 0.001 USD/request, judge_takes: 20 ms, kept_quality: 0.9}}
  streamed: {fallback: {first: edge, then: cloud, after: 500 ms, watch: ttft, on: [timeout, error], abandoned: free}}
  parted: {split: {edge: 20%, cloud: 80%}}
  routed:
    route:
      rules: [{when: {region: eu-west, prompt: {words: '< 50', has_none_of: [explain]}}, to: edge, share: 20%, confidence: 90%}]
      otherwise: cloud
      otherwise_confidence: 0.3
workloads:
  short:
    now: {price: deepinfra/BAAI/bge-base-en-v1.5, region: us-east}
    edge: cloudflare/@cf/baai/bge-base-en-v1.5
    runs_on: edge
    requests: 10M /month
    tokens: {input: 100 tok, output: 0 tok}
    value: {waiting: 5 to 40 USD/h, min_saving_ms: 20 ms, why: w, by: b}
    needs: {deadline: {p99: 200 ms}, residency: none, offline: false, min_quality: 0.95}
    felt: {share: 10%, ms: 50 ms}
    where: {workload: search}
  linear:
    options: [cloud, edge]
    baseline: cloud
    judge: e2e
    part_of: 640 ms
    users: people
    value: {linear_time: {waiting: 15 (5..40) USD/h, blocked: 30%, min_saving: 20 ms}}
  brief: {options: [cloud, edge], value: {waiting: 5 USD/h, min_saving: 20 ms}}
  long: {options: [cloud, edge], value: {linear_time: {waiting: 5 USD/h, min_saving_ms: 20 ms}}}
  late: {options: [cloud, edge], value: {deadline: {limit: 200 ms, per_miss: 0.01 USD/miss, hinge: per_second}}}
  elastic: {options: [cloud, edge], value: {elasticity: {table: google2009, margin: 0.02 USD/request, accept_weak_evidence: true}}}
  nothing: {options: [cloud, edge], value: none, quality_value: 0.001 USD/request}
check:
  materiality: 50 USD/month or 5%
  edge_from: 0.90
  waivers: [{rule: edge-net, workload: short, why: w, by: b, expires: 2027-01-31}]
"""


def plain(node: Node) -> Any:
    """A tree as a JSON Schema validator takes it."""
    match node:
        case Table():
            return {key.text: plain(value) for key, value in node.entries}
        case Listing():
            return [plain(item) for item in node.items]
    return json.loads(node.text) if node.kind in ("number", "boolean") else None if node.kind == "null" else node.text


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    return tmp_path / "everything.yaml"


def labelled(path: str, taken: set[str]) -> tuple[str, set[str]]:
    """What the schema calls the section at a path of the parser, and its keys."""
    last = path.rpartition(".")[2]
    if "range" in taken:
        return "*.range", taken
    if "placement" in taken and last != "where":
        return "*.option", taken - set(POLICIES)
    if taken & set(POLICIES):
        return "*.policy", taken
    if ".value." in path:
        return f"*.value.{last}", taken
    if last == "log" or path in ("", "check", "check.waivers"):
        return "log" if last == "log" else path, taken
    return ("workloads.*" if path.count(".") == 1 and path.startswith("workloads.") else f"*.{last}"), taken


def parsers_keys(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The keys the parser asks for, by section, told by the parser itself."""
    asked: dict[str, set[str]] = {}
    close = Section.close

    def recording(self: Section, hints: Mapping[str, str] | None = None) -> None:
        label, keys = labelled(self.path, set(self.taken))
        asked.setdefault(label, set()).update(keys)
        close(self, hints)

    monkeypatch.setattr(Section, "close", recording)
    load_scenario(path)
    return asked


def schemas_keys(node: object, found: dict[str, set[str]]) -> dict[str, set[str]]:
    if isinstance(node, dict):
        if "$comment" in node:
            found.setdefault(node["$comment"], set()).update(node["properties"])
        for inner in node.values():
            schemas_keys(inner, found)
    elif isinstance(node, list):
        for inner in node:
            schemas_keys(inner, found)
    return found


def test_the_schema_of_scenarios_has_the_parser_s_keys_section_by_section(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsers_keys(everything, monkeypatch) == schemas_keys(schema("scenario"), {})


def test_a_scenario_with_everything_in_it_is_valid(everything: Path) -> None:
    assert broken_by("scenario", plain(read_tree(everything))) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_scenario_is_valid(path: Path) -> None:
    assert broken_by("scenario", plain(read_tree(path))) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("runs_on: edge", "run_on: edge"),
        ("seen_from: gateway", "seen_from: moon"),
        ("edgeroi: 1", "edgeroi: 2"),
        ("    placement: cloud\n", ""),
        ("cloudflare/@cf/baai/bge-base-en-v1.5", "bge"),
        ("{share: 1%, adds: 300 ms}", "{share: 1%}"),
        ("rule: edge-net", "rule: edge_net"),
        ("prices_as_of: 2026-11-22", "prices_as_of: [2026]"),
        ("p99.9: 300 ms", "worst: 300 ms"),
    ],
)
def test_a_broken_scenario_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    assert right in EVERYTHING
    (tmp_path / "everything.yaml").write_text(EVERYTHING.replace(right, wrong, 1))
    tree = read_tree(tmp_path / "everything.yaml")
    assert broken_by("scenario", plain(tree)) != []
    with pytest.raises(EdgeroiError):
        load_scenario(tmp_path / "everything.yaml")
