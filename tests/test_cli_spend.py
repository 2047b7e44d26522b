"""``edgeroi spend``, from logs to the table: the sample's figures by pandas, every ending, a file that grows, what Prometheus reads."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal as D
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

import edgeroi
from edgeroi.cli.schema import schema_text
from edgeroi.cli.spend import limits_of, percentage
from edgeroi.cli.watching import seconds
from edgeroi.errors import EdgeroiError
from edgeroi.exposition import exposition
from edgeroi.spend_report import Spending

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_logs" / "spend.jsonl.gz"
BILL = ROOT / "sample_logs" / "bills" / "november.focus.csv"
CLI = [sys.executable, "-m", "edgeroi", "spend"]


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *map(str, args)], capture_output=True, text=True, cwd=ROOT, check=False)


@cache
def sample() -> Spending:
    return edgeroi.spend(SAMPLE, focus=BILL, budget_usd_month=60, max_edge_share=0.5, max_growth=1.0)


@cache
def rows() -> pd.DataFrame:
    """The sample by itself."""
    frame = pd.DataFrame(map(json.loads, gzip.decompress(SAMPLE.read_bytes()).splitlines()))
    frame["day"] = frame["timestamp"].str[:10]
    return frame


@cache
def expected() -> pd.DataFrame:
    """What each provider cost each day, from the list prices as they stand in the makers' lists and in sample_logs/generate_spend.py."""
    frame = rows()
    large = frame[(frame.provider == "mistral") & frame.input_tokens.notna()]
    fell = large.day >= "2026-10-29"
    usd = (large.input_tokens * (~fell * 1.36 + fell * 0.7) + large.output_tokens * (~fell * 4.18 + fell * 2.1)) / 1e6
    logged = frame[frame.provider == "openai"].groupby("day").cost_usd.sum()
    edge = frame[frame.provider == "workers-ai"]
    neurons = ((edge.input_tokens * 4119 + edge.output_tokens * 34868) / 1e6).groupby(edge.day).sum()
    return pd.DataFrame(
        {"mistral": usd.groupby(large.day).sum(), "openai": logged, "workers-ai": (neurons - 10_000).clip(lower=0) / 1000 * 0.011}
    ).fillna(0.0)


# The sample -----------------------------------------------------------------------------------------------------------


def test_every_day_of_every_provider_is_what_pandas_makes_of_it() -> None:
    found = sample().to_frame()
    told = found[found.priced.isin(["logged", "listed"])].groupby(["provider", "day"]).cost_usd.sum().unstack(0).fillna(0.0)
    told.index = told.index.map(str)
    pd.testing.assert_frame_equal(
        told.astype(float), expected(), check_names=False, check_index_type=False, check_column_type=False, rtol=1e-9
    )


def test_requests_tokens_and_money_are_conserved_by_every_dimension() -> None:
    found, frame = sample(), rows()
    document = found.document
    total: Any = document["total"]
    assert total["requests"] == len(frame)
    assert total["tokens"] == int(frame.input_tokens.sum() + frame.output_tokens.sum())
    assert round(float(total["cost_usd"]), 2) == round(expected().to_numpy().sum(), 2)
    for groups in ("groups", "days", "groups_by"):
        listed: Any = document[groups]
        assert sum(group["cost_usd"] or 0 for group in listed) == total["cost_usd"]
        assert sum(group["requests"] for group in listed) == total["requests"]
    # Every request is priced or listed: 59 of a model nobody lists, and the failures that tell no tokens.
    unpriced: Any = document["unpriced"]
    failures = int(frame.input_tokens.isna().sum())
    assert {(one["model"], one["requests"]) for one in unpriced} == {
        ("house-7b", int((frame.model == "house-7b").sum())),
        ("mistral-large-4", failures),
    }
    priced = found.to_frame().query("priced in ['logged', 'listed']").requests.sum()
    assert priced + sum(one["requests"] for one in unpriced) == total["requests"]


def test_the_edge_share_and_the_price_of_its_tokens() -> None:
    usd, frame = expected().sum(), rows()
    edge_tokens = frame[frame.placement == "edge"][["input_tokens", "output_tokens"]].sum().sum()
    all_tokens = frame[["input_tokens", "output_tokens"]].sum().sum()
    others = frame[frame.provider.isin(["mistral", "openai"])][["input_tokens", "output_tokens"]].sum().sum()
    edge = sample().edge
    assert edge.spend == pytest.approx(usd["workers-ai"] / usd.sum())
    assert edge.tokens == pytest.approx(edge_tokens / all_tokens)
    assert edge.price_ratio == pytest.approx((usd["workers-ai"] / edge_tokens) / ((usd["mistral"] + usd["openai"]) / others))


def test_the_month_the_jump_and_the_limits_of_the_sample() -> None:
    found = sample()
    assert found.projection is not None
    assert found.projection.month == "2026-12"
    assert found.projection.seen_usd == pytest.approx(expected().loc["2026-12-01":].to_numpy().sum())
    assert found.projection.low_usd < found.projection.likely_usd < found.projection.high_usd
    # Mistral's list price fell by half on 29 October; the generator triples the assistant on 19 November.
    assert [str(jump.day) for jump in found.jumps] == ["2026-10-29", "2026-11-19"]
    growth = next(finding for finding in found.findings if finding.rule == "growth")
    november = expected().loc["2026-11-01":"2026-11-30"].to_numpy().sum()
    assert growth.value == pytest.approx(found.projection.likely_usd / november - 1)


def test_the_bill_agrees_where_it_should_and_the_discount_is_found() -> None:
    bill = sample().reconciliation
    assert bill is not None
    services = {one.provider: one for one in bill.services}
    november = expected().loc["2026-11-01":"2026-11-30"].sum()
    assert {name: (one.is_within, one.days) for name, one in services.items()} == {
        "mistral": (False, 30),
        "openai": (True, 30),
        "workers-ai": (True, 30),
    }
    for name, one in services.items():
        assert float(one.logs_usd or 0) == pytest.approx(november[name])
    assert services["mistral"].steady == pytest.approx(-0.1, abs=1e-6)
    with BILL.open(newline="") as file:
        billed = sum(D(row["BilledCost"]) for row in csv.DictReader(file))
    assert sum(one.billed_usd for one in bill.services) + sum(one.billed_usd or 0 for one in bill.apart) == billed
    assert {one.what for one in bill.apart} == {
        "Tax",
        "Credit",
        "Correction of an earlier period",
        "use that is not in the logs",
        "in the logs, not on the bill",
    }


def test_the_bill_is_what_the_generator_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "sample_logs"
    spec = importlib.util.spec_from_file_location("generate_for_bills", folder / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(str(folder))
    spec.loader.exec_module(generate)
    assert {name: (folder / name).read_bytes() for name in generate.sample_bills()} == generate.sample_bills()
    assert {path.name for path in (folder / "bills").iterdir()} == {Path(name).name for name in generate.sample_bills()}


def test_a_data_frame_and_a_log_say_the_same() -> None:
    frame = rows().drop(columns="day").assign(timestamp=lambda told: pd.to_datetime(told.timestamp))
    assert edgeroi.spend(frame).ledger.total == sample().ledger.total


def test_how_many_processes_read_does_not_matter() -> None:
    assert edgeroi.spend(SAMPLE, jobs=2).ledger == edgeroi.spend(SAMPLE, jobs=1).ledger


def test_a_price_of_ones_own_prices_what_had_none(tmp_path: Path) -> None:
    prices = tmp_path / "own.yaml"
    prices.write_text(
        'sources: {own: {source: "our contract", as_of: 2026-11-01, confidence: high}}\n'
        "offers:\n  - {provider: acme, model: house-7b, input: {usd: 1, from: own}, output: {usd: 2, from: own}, from: own}\n"
    )
    house = rows()[rows().model == "house-7b"]
    found = edgeroi.spend(SAMPLE, prices=prices)
    told = found.ledger.by(("provider",))["acme",]
    assert float(told.usd or 0) == pytest.approx((house.input_tokens.sum() + 2 * house.output_tokens.sum()) / 1e6)
    assert found.ledger.total.unpriced_requests == 0


# The command ----------------------------------------------------------------------------------------------------------


def document_of(*args: str | Path, status: int = 0) -> dict[str, Any]:
    done = run(*args, "--format", "json")
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(json.loads(schema_text("spend"))).validate(document)
    return document


def test_the_document_holds_its_schema_and_says_what_the_api_says() -> None:
    document = document_of(SAMPLE, "--focus", BILL, "--max-edge-share", "50%")
    ours = json.loads(json.dumps(sample().document, default=float))
    for key in ("total", "groups", "days", "unpriced", "edge_share", "projection_usd", "jumps", "bill"):
        assert document[key] == ours[key]
    assert document["gate"] == "pass"


@pytest.fixture
def forty(tmp_path: Path) -> Path:
    """The article's tracker: 0.20 and 0.005 USD a million, and 5 % of the spend at the edge: 1,000 of 761,000 tokens, over 40 days."""
    prices = "sources: {article: {source: 'the article', as_of: 2026-11-01, confidence: low}}\noffers:\n"
    for name, usd in (("near", "0.20"), ("far", "0.005")):
        prices += f"  - {{provider: acme, model: {name}, input: {{usd: {usd}, from: article}}, from: article}}\n"
    (tmp_path / "prices.yaml").write_text(prices)
    placed = (("edge", "near", 1_000), ("cloud", "far", 760_000))
    lines = [
        {"timestamp": f"2026-{10 + day // 31}-{day % 31 + 1:02}T23:59:00Z", "latency_ms": 9, "placement": where, "provider": "acme",
         "model": model, "input_tokens": tokens, "output_tokens": 0}
        for day in range(40) for where, model, tokens in placed
    ]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_five_per_cent_of_spend_is_printed_as_what_it_is_of_tokens(forty: Path) -> None:
    done = run(forty / "log.jsonl", "--prices", forty / "prices.yaml", "--max-edge-share", "5%")
    assert done.returncode == 0, done.stderr
    assert "edge 5% of spend, 0.131% of tokens" in done.stdout
    assert "In these logs a token at the edge costs 40 times one elsewhere: at that price 5% of spend is 0.131% of tokens." in done.stdout
    assert "gate: PASS" in done.stdout


def test_tokens_that_no_request_tells_are_unknown_and_not_none(tmp_path: Path) -> None:
    lines = [{"timestamp": f"2026-11-{day:02}T09:00:00Z", "latency_ms": 9, "cost_usd": 0.001, "workload": "chat"} for day in range(1, 15)]
    log = tmp_path / "bare.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = edgeroi.spend(log)
    held = ("tokens", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")
    total = json.loads(json.dumps(found.document, default=str))["total"]
    assert [total[name] for name in held] == [None] * 5
    assert "tokens unknown" in run(log).stdout
    assert "edgeroi_tokens_total{" not in exposition(found)
    # The same days without a difference between them: fitting leaves dust, and dust is no trend.
    assert "No trend shown: +$0.00 a day after 30 days (+$0.00 to +$0.00)." in run(log).stdout
    # One that tells its output alone leaves its input unknown.
    log.write_text("".join(json.dumps({**line, "output_tokens": 7}) + "\n" for line in lines))
    total = json.loads(json.dumps(edgeroi.spend(log).document, default=str))["total"]
    assert [total[name] for name in held] == [98, None, None, None, 98]


def test_the_gate_ends_as_the_contract_says(forty: Path) -> None:
    """A day is 0.004 USD without noise: November, begun with 9 days, will be 0.12."""
    log, prices = forty / "log.jsonl", ("--prices", forty / "prices.yaml")
    assert run(log, *prices, "--budget", "0.13/month").returncode == 0
    failed = run(log, *prices, "--budget", "0.11/month", "--max-edge-share", "5%")
    assert failed.returncode == 1
    assert "gate: FAIL" in failed.stdout
    # Without the price of the edge's tokens the answer is not known, and nobody is told it is.
    far = forty / "far.yaml"
    far.write_text((forty / "prices.yaml").read_text().replace("model: near", "model: nearby"))
    lacking = run(log, "--prices", far, "--max-edge-share", "0.01%")
    assert lacking.returncode == 3
    assert "no answer" in lacking.stderr


def test_a_limit_in_doubt_warns_or_ends_with_3_where_that_is_wanted() -> None:
    ends = sample().projection
    assert ends is not None
    budget = f"{ends.likely_usd:.2f}/month"
    warned = run(SAMPLE, "--budget", budget)
    assert warned.returncode == 0
    assert "warning: undecided" in warned.stderr
    assert "gate: UNDECIDED" in warned.stdout
    assert run(SAMPLE, "--budget", budget, "--on-undecided", "fail").returncode == 3


def test_a_scenario_brings_its_own_gate(forty: Path) -> None:
    log, prices = forty / "log.jsonl", ("--prices", forty / "prices.yaml")
    scenario = ROOT / "scenarios" / "chatbot-70b.yaml"
    judged = edgeroi.check(scenario)
    done = document_of(log, *prices, "--scenario", scenario, status=1)
    assert judged.gate == done["gate"] == "fail"
    theirs = [(f.rule, f.workload, f.status) for each in judged.scenarios for f in each.findings]
    assert [(check["rule"], check["workload"], check["status"]) for check in done["checks"]] == theirs


def test_grouped_otherwise_csv_and_markdown_hold_the_same_sums() -> None:
    done = run(SAMPLE, "--by", "month,placement", "--format", "csv")
    assert done.returncode == 0
    table = list(csv.DictReader(io.StringIO(done.stdout.split("\n\n")[0])))
    body = [row for row in table if row["month"] != "all"]
    assert {(row["month"], row["placement"]) for row in body} == {(f"2026-{m}", p) for m in (10, 11, 12) for p in ("edge", "cloud")}
    assert sum(D(row["cost_usd"]) for row in body) == D(table[-1]["cost_usd"])
    assert "| month" in run(SAMPLE, "--by", "month", "--format", "markdown").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--budget", "500"), "write USD a calendar month"),
        (("--budget", "500/day"), "write USD a calendar month"),
        (("--max-edge-share", "lots"), "write 5% or 0.05"),
        (("--max-edge-share", "120%"), "write 5% or 0.05"),
        (("--by", "colour"), "known: placement"),
        (("--every", "soon", "--follow"), "--every"),
        (("--focus", "sample_logs/README.md"), "no FOCUS export"),
        (("--follow", "--rejects", "x"), "leave --follow out"),
        (("--focus-service", "Bedrock"), "names no service and provider"),
    ],
)
def test_a_slip_is_told_with_its_fix(args: tuple[str, ...], said: str) -> None:
    done = run("sample_logs/dirty.jsonl", *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_typed() -> None:
    for text in ("500/month", "$500/month", "500 USD/month", "500.00 usd / month", "0,500/month"):
        assert limits_of(text, None, None).budget_usd_month == 500
    assert (percentage("5%", "x"), percentage("0.05", "x"), percentage("0%", "x"), percentage("150%", "x", None)) == (0.05, 0.05, 0, 1.5)
    assert (seconds("10s"), seconds("500 ms")) == (10, 0.5)
    with pytest.raises(EdgeroiError, match="no time to wait"):
        seconds("0s")


def test_what_is_missing_is_called_by_its_name() -> None:
    dated = {"latency_ms": [1.0], "timestamp": ["2026-11-01T00:00:00Z"]}
    untimed = edgeroi.spend(pd.DataFrame({"latency_ms": [1.0], "cost_usd": [2.0]}), budget_usd_month=1)
    unpriced = edgeroi.spend(pd.DataFrame(dated), budget_usd_month=1)
    few = edgeroi.spend(pd.DataFrame(dated | {"cost_usd": [0.25]}), budget_usd_month=1)
    assert [found.findings[0].message for found in (untimed, unpriced, few)] == [
        "budget: no request has a time",
        "budget: nothing that was used in 2026-11 has a price",
        "budget: 2026-11: $0.25 so far, and fewer than seven whole days to tell the rest of the month from",
    ]


# Watching -------------------------------------------------------------------------------------------------------------


def read_metrics(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for read in family.samples:
            found.setdefault(read.name, {})[tuple(read.labels.values())] = read.value
    return found


def test_prometheus_reads_what_the_report_says() -> None:
    metrics = read_metrics(exposition(sample()))
    total, edge, ends = sample().ledger.total, sample().edge, sample().projection
    assert sum(metrics["edgeroi_spend_usd_total"].values()) == pytest.approx(float(total.usd or 0), abs=1e-8)
    assert sum(metrics["edgeroi_spend_requests_total"].values()) == total.amounts.requests
    assert metrics["edgeroi_spend_edge_share_ratio"]["spend",] == edge.spend
    assert ends is not None
    assert metrics["edgeroi_spend_month_projection_usd"]["high",] == ends.high_usd
    assert metrics["edgeroi_spend_budget_used_ratio"][()] == pytest.approx(ends.seen_usd / 60)
    assert sum(metrics["edgeroi_spend_gate"].values()) == 1
    # What has no price has no sample of money, rather than one of 0.
    assert not any("acme" in labels for labels in metrics["edgeroi_spend_usd_total"])
    assert any("acme" in labels and value == 59 for labels, value in metrics["edgeroi_spend_unpriced_requests_total"].items())


def test_labels_from_a_log_cannot_break_the_file(tmp_path: Path) -> None:
    evil = 'a"} 1\n# TYPE x gauge\\'
    frame = pd.DataFrame(
        {"latency_ms": [1.0], "model": [evil], "provider": ["p"], "cost_usd": [2.0], "timestamp": ["2026-11-01T00:00:00Z"]}
    )
    metrics = read_metrics(exposition(edgeroi.spend(frame)))
    assert metrics["edgeroi_spend_usd_total"] == {("", "p", evil, ""): 2.0}
    assert all(name.startswith("edgeroi_spend_") for name in metrics)


def call(n: int) -> bytes:
    """The n-th request of a log: a cent each."""
    at = f"2026-11-{n % 20 + 1:02}T10:00:00Z"
    told = {"timestamp": at, "request_id": str(n), "latency_ms": 5, "provider": "p", "model": "m", "placement": "edge", "cost_usd": 0.01}
    return json.dumps(told).encode() + b"\n"


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
    """A watch of a folder that has one log of ten requests, with its file for Prometheus elsewhere."""
    (tmp_path / "logs").mkdir()
    log, metrics = tmp_path / "logs" / "calls.jsonl", tmp_path / "edgeroi.prom"
    log.write_bytes(b"".join(map(call, range(10))))
    options = ["--follow", "--every", "50ms", "--prometheus", str(metrics), "--budget", "0.25/month", "--format", "json"]
    process = subprocess.Popen([*CLI, str(log.parent), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    yield process, log, metrics
    if process.poll() is None:
        process.kill()
    process.communicate()


def wait_for(process: subprocess.Popen[str], metrics: Path, requests: int) -> dict[str, dict[tuple[str, ...], float]]:
    """The file once it tells of so many requests; it can be read whole at any moment."""
    for _ in range(3000):
        if process.poll() is not None:
            break
        told = read_metrics(metrics.read_text()) if metrics.exists() else {}
        if sum(told.get("edgeroi_spend_requests_total", {}).values()) == requests:
            return told
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"{requests} requests were never told: {process.communicate()[1]}")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_log_that_grows_is_followed_until_told_to_stop(watching: tuple[subprocess.Popen[str], Path, Path], signum: int) -> None:
    process, log, metrics = watching
    wait_for(process, metrics, 10)
    for n in range(10, 20):
        with log.open("ab") as file:
            file.write(call(n))
    wait_for(process, metrics, 20)
    log.rename(log.with_suffix(".1.jsonl"))
    log.write_bytes(b"".join(map(call, range(20, 40))))
    told = wait_for(process, metrics, 40)
    assert sum(told["edgeroi_spend_usd_total"].values()) == pytest.approx(0.40)
    assert told["edgeroi_spend_gate"]["fail",] == 1
    process.send_signal(signum)
    said, heard = process.communicate()
    document = json.loads(said)
    jsonschema.Draft202012Validator(json.loads(schema_text("spend"))).validate(document)
    assert (document["total"]["requests"], document["total"]["cost_usd"]) == (40, 0.4)
    # The end is the gate's: 0.40 of 0.25 is a fail.
    assert process.returncode == 1
    # Only what was new was read: all bytes once, and one more at each look that went on.
    sizes = sum(path.stat().st_size for path in log.parent.iterdir())
    read = [int(line.rpartition("; ")[2].split()[0].replace(",", "")) for line in heard.splitlines() if line.endswith("bytes read")]
    assert sizes <= sum(read) <= sizes + len(read)


def test_the_file_for_prometheus_is_written_without_watching_too(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    log.write_bytes(b"".join(map(call, range(10))))
    assert run(log, "--prometheus", tmp_path / "x.prom").returncode == 0
    told = read_metrics((tmp_path / "x.prom").read_text())
    assert sum(told["edgeroi_spend_usd_total"].values()) == pytest.approx(0.10)
    assert os.listdir(tmp_path).count("x.prom") == 1  # noqa: PTH208
