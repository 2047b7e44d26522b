"""Lint: each rule found where it should be, with its place and its cure, and silent where nothing is wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from edgeroi.cli.main import run
from edgeroi.geography import REGIONS, distance_km, floor_ms
from edgeroi.lint import Finding, embedding_model, lint_scenario, rules
from edgeroi.pricebooks import round_trips
from edgeroi.prices import Neurons, Price, PriceBook, Rate
from edgeroi.scenario import load_scenario

TODAY = date(2026, 11, 22)

CLEAN = """\
edgeroi: 1
users_in: {eu-west: 100%}
options:
  cloud: {placement: cloud, price: shop/bge-base-en-v1.5, rtt: 95 ms, service: {p50: 20 ms, p99: 60 ms}}
  edge:
    placement: edge
    region: us-east
    price: {input: 0.2 USD/Mtok}
    rtt: 80 ms
    service: {p50: 60 ms, p99: 300 ms}
  guarded: {fallback: {first: edge, then: cloud, after: 500 ms}}
workloads:
  search:
    requests: 10M /month
    tokens: {input: 100 tok}
    options: [cloud, guarded]
    value: {waiting: 5 USD/h, why: someone waits, by: dana}
    needs: {deadline: {p99: 200 ms}, why: a contract, by: kim}
    origin_calls: {count: 0}
"""


def row(**given: object) -> Price:
    at = {"as_of": date(2026, 11, 1), "source": "a list", **given}
    rate = Rate(Decimal("0.02"), "Mtok", as_of=at["as_of"])  # type: ignore[arg-type]
    return Price("shop", "bge-base-en-v1.5", input=rate, **at)  # type: ignore[arg-type]


BOOK = PriceBook({"shop": (row(),)}, ("shop",))

Lint = Callable[..., tuple[Finding, ...]]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    def linted(text: str, book: PriceBook = BOOK, today: date = TODAY) -> tuple[Finding, ...]:
        path = tmp_path / "s.yaml"
        path.write_text(text)
        return lint_scenario(load_scenario(path), today, book, lambda name: name if name in REGIONS else None)

    return linted


def test_nothing_is_said_of_a_sound_scenario(lint: Lint) -> None:
    assert lint(CLEAN) == ()


@pytest.mark.parametrize(
    ("old", "new", "rule", "place", "message"),
    [
        ("{input: 0.2 USD/Mtok}", "{input: 0.0002 USD/Mtok}", "magnitude", "8:13", "input: 0.0002 USD/Mtok is below 0.0005"),
        ("{input: 0.2 USD/Mtok}", "{output: 2000 USD/Mtok}", "magnitude", "8:13", "output: 2000.0 USD/Mtok is above 1000"),
        ("{input: 0.2 USD/Mtok}", "{input: 1 (0.9..1001) USD/Mtok}", "magnitude", "8:13", "input: 1001.0 USD/Mtok is above 1000"),
        (
            "{input: 0.2 USD/Mtok}",
            "{input: 2.509 USD/Mtok, neurons: 0.011 USD/kneuron, neurons_input: 0.23 neurons/Mtok}",
            "neuron-rate",
            "8:13",
            "0.23 neurons are 0.000003 USD/Mtok, and 2.509 is stated",  # 0.23 / 1000 x 0.011
        ),
        ("p99: 300 ms", "p99: 300 min", "slow", "10:27", "5 h is long for a latency"),
        ("rtt: 80 ms", "rtt: 80 h", "slow", "9:5", "80 h is long for a latency"),
        ("{p50: 60 ms, p99: 300 ms}", "{p50: 60 ms}", "one-quantile", "10:15", "p50 alone says nothing of the tail"),
        # Amsterdam to Washington is 6,200 km by air: at least 62 ms
        ("rtt: 80 ms", "rtt: 12 ms", "physics", "9:5", "12 ms is faster than light in glass: 6,2"),
        (
            "rtt: 80 ms",
            "rtt: 30 ms\n    distance: 4000 km",
            "physics",
            "9:5",
            "30 ms is faster than light in glass: 4,000 km as stated take 40 ms",
        ),
        ("options: [cloud, guarded]", "options: [cloud, edge]", "unused-option", "11:3", "no workload uses option 'guarded'"),
        (
            "{input: 0.2 USD/Mtok}",
            "{input: 0.2 USD/Mtok}\n    model: all-MiniLM-L6-v2",
            "mixed-embeddings",
            "12:3",
            "edge embeds with all-minilm-l6-v2 and cloud with bge-base-en-v1.5: their vectors cannot be compared",
        ),
        ("why: someone waits, by: dana", "by: dana", "reason", "17:5", "the value of latency lacks `why`"),
        (", why: a contract, by: kim", "", "reason", "18:13", "a deadline without `why` and `by` is a wish"),
        ("    requests: 10M /month\n", "", "no-volume", "13:3", "nothing says how many requests there are"),
        ("    tokens: {input: 100 tok}\n", "", "no-tokens", "13:3", "nothing says how many tokens a request has"),
        (
            "options: [cloud, guarded]\n",
            "options: [cloud, edge, guarded]\n    baseline: cloud\n#",
            "origin-calls",
            "13:3",
            "does the edge call a central store",
        ),
    ],
)
def test_a_rule_finds_its_fault_and_says_where(lint: Lint, old: str, new: str, rule: str, place: str, message: str) -> None:
    text = CLEAN.replace(old, new)
    if rule == "origin-calls":
        text = text.replace("    origin_calls: {count: 0}\n", "").replace("#    value", "    value")
    assert text != CLEAN
    found = [finding for finding in lint(text) if finding.rule == rule]
    assert len(found) == 1, lint(text)
    assert found[0].level == "warning"
    assert str(found[0].place).endswith(f"s.yaml:{place}")
    assert found[0].message.startswith(message)
    assert found[0].fix or rule in ("stale-price",)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("{input: 0.2 USD/Mtok}", "{input: 0.0005 USD/Mtok}", "magnitude"),
        ("{input: 0.2 USD/Mtok}", "{input: 0 USD/Mtok}", "magnitude"),  # free is not odd
        ("{input: 0.2 USD/Mtok}", "{input: 1000 USD/Mtok}", "magnitude"),
        # 6,058 neurons are 0.066638 USD: 0.067 is that, rounded
        ("{input: 0.2 USD/Mtok}", "{input: 0.067 USD/Mtok, neurons: 0.011 USD/kneuron, neurons_input: 6058 neurons/Mtok}", "neuron-rate"),
        ("p99: 300 ms", "p99: 1 h", "slow"),
        ("{waiting: 5 USD/h, why: someone waits, by: dana}", "none", "reason"),  # nothing is claimed
        ("rtt: 80 ms", "rtt: 40 ms\n    distance: 4000 km", "physics"),
        ("users_in: {eu-west: 100%}", "users_in: {mars: 100%}", "physics"),
        ("{input: 0.2 USD/Mtok}", "{input: 0.2 USD/Mtok}\n    model: '@cf/baai/bge-base-en-v1.5'", "mixed-embeddings"),
    ],
)
def test_a_rule_is_silent_at_its_limit(lint: Lint, old: str, new: str, rule: str) -> None:
    assert old in CLEAN
    assert not [finding for finding in lint(CLEAN.replace(old, new)) if finding.rule == rule]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("@cf/baai/bge-base-en-v1.5", "bge-base-en-v1.5"),
        ("BAAI/bge-base-en-v1.5", "bge-base-en-v1.5"),
        ("e2-standard-16/bge-small-en-v1.5-int8", "bge-small-en-v1.5"),
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", None),
        ("gpt-4o", None),
    ],
)
def test_an_embedding_model_is_known_by_its_name_whatever_its_precision(name: str, model: str | None) -> None:
    assert embedding_model(name) == model


def test_two_generating_models_may_back_each_other(lint: Lint) -> None:
    text = CLEAN.replace("{input: 0.2 USD/Mtok}", "{input: 0.2 USD/Mtok}\n    model: llama-3.1-8b")
    assert not [finding for finding in lint(text) if finding.rule == "mixed-embeddings"]


def test_a_hedge_over_two_embedding_models_mixes_them_too(lint: Lint) -> None:
    text = CLEAN.replace("{input: 0.2 USD/Mtok}", "{input: 0.2 USD/Mtok}\n    model: all-MiniLM-L6-v2").replace("fallback:", "hedge:")
    assert [finding.rule for finding in lint(text)] == ["mixed-embeddings"]


def test_a_part_nobody_listed_is_asked_about_its_origin_calls_too(lint: Lint) -> None:
    (found,) = lint(CLEAN.replace("    origin_calls: {count: 0}\n", ""))
    assert found.rule == "origin-calls"


def test_a_price_older_than_180_days_is_told(lint: Lint) -> None:
    read = date(2026, 5, 26)  # 180 days before
    assert lint(CLEAN, PriceBook({"shop": (row(as_of=read),)}, ("shop",))) == ()
    (found,) = lint(CLEAN, PriceBook({"shop": (row(as_of=date(2026, 5, 25)),)}, ("shop",)))
    assert (found.rule, found.level) == ("stale-price", "warning")
    assert "181 days before 2026-11-22 (limit 180)" in found.message
    assert str(found.place).endswith("s.yaml:4:36")


def test_the_scenario_says_which_day_prices_are_looked_up_for(lint: Lint) -> None:
    old = PriceBook({"shop": (row(as_of=date(2025, 1, 1)),)}, ("shop",))
    assert lint("prices_as_of: 2025-03-01\n" + CLEAN, old) == ()


def test_a_list_price_that_disagrees_with_its_neurons_is_told(lint: Lint) -> None:
    rate = Rate(Decimal("0.011"), "1k neurons", as_of=date(2026, 11, 1))
    good = row(neurons=Neurons(Decimal(1818), None, rate))  # 1.818 x 0.011 = 0.019998
    bad = row(neurons=Neurons(Decimal(6058), None, rate))
    assert lint(CLEAN, PriceBook({"shop": (good,)}, ("shop",))) == ()
    (found,) = lint(CLEAN, PriceBook({"shop": (bad,)}, ("shop",)))
    assert found.rule == "neuron-rate"
    assert "6058 neurons are 0.066638 USD/Mtok and 0.02 is listed" in found.message


@pytest.mark.parametrize(
    ("old", "new", "message", "fix"),
    [
        ("shop/bge-base-en-v1.5", "shop/bge-bas-en-v1.5", "shop lists no model 'bge-bas-en-v1.5'", "nearest: bge-base-en-v1.5"),
        ("shop/bge", "shopp/bge", "no prices of a provider 'shopp' are known", "did you mean 'shop'?"),
        ("rtt: 95", "batch: true, rtt: 95", "shop/bge-base-en-v1.5 has no batch price", None),
    ],
)
def test_a_reference_without_a_price_is_an_error(lint: Lint, old: str, new: str, message: str, fix: str | None) -> None:
    (found,) = lint(CLEAN.replace(old, new, 1))
    assert (found.rule, found.level, found.message) == ("price", "error", message)
    assert fix is None or found.fix == fix
    assert str(found.place).endswith("s.yaml:4:36")


def test_a_retired_model_is_an_error_with_its_date(lint: Lint) -> None:
    (found,) = lint(CLEAN, PriceBook({"shop": (row(retired_on=date(2026, 10, 1)),)}, ("shop",)))
    assert (found.rule, found.level) == ("price", "error")
    assert "retired on 2026-10-01" in found.message


def test_a_waiver_past_its_day_is_told(lint: Lint) -> None:
    text = CLEAN + "check: {waivers: [{rule: edge-net, why: pilot, by: kim, expires: 2026-11-21}]}\n"
    (found,) = lint(text)
    assert found.rule == "waiver-expired"
    assert str(found.place).endswith("s.yaml:20:19")
    assert lint(text, today=date(2026, 11, 21)) == ()


def test_a_finding_reads_as_editors_expect(lint: Lint) -> None:
    (found,) = lint(CLEAN.replace("why: someone waits, by: dana", "by: dana"))
    assert str(found).endswith(
        "s.yaml:17:5: warning [reason] the value of latency lacks `why`: a number nobody answers for; say why it holds and who says so"
    )


def test_light_takes_a_millisecond_per_hundred_kilometres_there_and_back() -> None:
    assert floor_ms(4000) == 40
    # London to New York is 5,570 km; Ireland lies 460 km nearer, Virginia 450 km farther
    assert distance_km("eu-north", "us-east") == pytest.approx(5470, rel=0.02)
    assert distance_km("ap-southeast", "au-east") == pytest.approx(6300, rel=0.02)  # Singapore to Sydney
    assert distance_km("us-east", "us-east") == 0
    assert distance_km("us-east", "mars") is None


def test_no_published_round_trip_beats_light() -> None:
    """Both tables hold each other: coordinates against medians measured between the same places."""
    table = round_trips.load()
    compared = 0
    for pair, ms in table.pairs.items():
        one, other = sorted(pair)
        km = distance_km(one, other)
        if km is not None:
            compared += 1
            assert floor_ms(km) <= ms, (one, other)
    assert compared >= 20


# --- the command ---


def lint_command(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["lint", *args])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    price = "cloudflare/@cf/baai/bge-base-en-v1.5"
    text = CLEAN.replace("shop/bge-base-en-v1.5", price).replace("options: [cloud, guarded]", "options: [cloud]")
    (tmp_path / "warned.yaml").write_text("prices_as_of: 2026-11-22\n" + text)
    (tmp_path / "edgeroi.yaml").write_text("edgeroi: 1\nrates: {support: 15 USD/h}\n")
    (tmp_path / "deploy.yaml").write_text("services: !Ref of others\n")
    return tmp_path


def test_warnings_end_with_0_and_errors_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = lint_command([str(folder)], capsys)
    assert code == 0
    assert [line.partition("[")[2].partition("]")[0] for line in out.splitlines()] == ["unused-option", "unused-option"]
    assert "2 files, 0 errors, 2 warnings" in err
    (folder / "broken.yaml").write_text("workloads: {a: 1}\nworkloads: 2\n")
    code, out, err = lint_command([str(folder)], capsys)
    assert code == 2
    assert f"{folder / 'broken.yaml'}:2:1: error [syntax] 'workloads' stands twice, first on line 1; keep one" in out
    assert "3 files, 1 error, 2 warnings" in err


def test_strict_ends_with_2_on_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_command([str(folder), "--strict"], capsys)[0] == 2


def test_every_mistake_of_a_scenario_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(CLEAN.replace("rtt: 95 ms", "rtt: 95").replace("requests: 10M", "requests: 10m"))
    code, out, _ = lint_command([str(path), "--format", "json"], capsys)
    assert code == 2
    document = json.loads(out)
    assert [(each["line"], each["column"], each["rule"]) for each in document["findings"]] == [(4, 64, "syntax"), (14, 15, "syntax")]
    assert (document["errors"], document["warnings"], document["command"]) == (2, 0, "lint")
    assert document["files"] == [{"path": str(path), "kind": "scenario"}]


def test_csv_holds_a_finding_a_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = lint_command([str(folder), "--format", "csv"], capsys)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(each["line"], each["rule"]) for each in rows] == [("6", "unused-option"), ("12", "unused-option")]


def test_an_override_is_held_to_the_rules_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = lint_command([str(folder / "warned.yaml"), "--set", "options.edge.rrt=1 ms"], capsys)
    assert code == 2
    assert out.startswith("--set options.edge.rrt: error [syntax] options.edge.rrt: unknown key 'rrt'; did you mean 'rtt'?")


def test_a_price_file_is_read_and_its_rates_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("offers:\n  - {provider: shop, model: m, input: {usd: 0.0001}, as_of: 2026-11-01}\n")
    code, out, _ = lint_command([str(path)], capsys)
    assert code == 0
    assert "[magnitude] shop/m input: 0.0001 USD/Mtok is below 0.0005" in out
    path.write_text("offers:\n  - {provider: shop, modle: m}\n")
    code, out, _ = lint_command([str(path)], capsys)
    assert code == 2
    assert f"{path}:2:22" in out


def test_a_mapping_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("map: {latency_ms: timing.total:s}\nconst: {workload: chat}\n")
    code, out, err = lint_command([str(path), "--format", "json"], capsys)
    assert (code, json.loads(out)["files"]) == (0, [{"path": str(path), "kind": "mapping"}])
    path.write_text("map:\n  latncy_ms: timing.total:s\n")
    code, out, err = lint_command([str(path)], capsys)
    assert code == 2
    assert out == f"{path}:2:3: error [syntax] map: 'latncy_ms' is not a column; did you mean 'latency_ms'?\n"
    assert "1 file, 1 error, 0 warnings" in err


def test_a_file_of_nobody_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("services: {}\n")
    code, out, _ = lint_command([str(path)], capsys)
    assert code == 2
    assert "neither scenario, mapping, price file nor policy" in out


def test_every_rule_that_is_found_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(lint_command([str(folder), "--format", "json"], capsys)[1])
    assert {each["rule"] for each in document["findings"]} <= set(rules()) == set(document["rules"])
