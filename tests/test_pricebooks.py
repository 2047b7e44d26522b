"""The books as shipped: what the catalogue says, what it takes from genai-prices, and that neither answers what nobody knows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from edgeroi import pricebooks
from edgeroi.cost import Load, cost_lines, cost_of, total
from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.pricebooks import catalogue, genai
from edgeroi.pricebooks.round_trips import load as load_trips
from edgeroi.pricebooks.round_trips import round_trip
from edgeroi.prices import Price, PriceBook, Rate, Retired, UnknownModel, UnknownProvider, UnmatchedContext, Unpriced, concerns

D = Decimal
TODAY = date(2026, 11, 22)
BATCH = {"processing": "batch"}
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "prices.yaml"
M = 1_000_000


def find(ref: str, at: date = TODAY, context: dict[str, str] | None = None) -> Price:
    return pricebooks.load([ref]).find(ref, at, context)


def usd(price: Price) -> tuple[D | None, D | None]:
    return (price.input and price.input.usd, price.output and price.output.usd)


@pytest.fixture(scope="module")
def whole() -> PriceBook:
    return pricebooks.load()


# What is known --------------------------------------------------------------------------------------------------------


def test_bge_base_on_workers_ai_has_its_list_price_and_its_neurons() -> None:
    price = find("cloudflare/@cf/baai/bge-base-en-v1.5")
    assert usd(price) == (D("0.067"), None)
    assert price.neurons is not None
    assert (price.neurons.input_per_mtok, price.neurons.rate.usd) == (D(6058), D("0.011"))
    assert price.placement == "edge"
    assert concerns(price, TODAY) == ()
    # 1,000 Mtok x 6,058 neurons x 0.011 per 1,000, less 10,000 x 730/24 a month
    assert round(total(cost_lines(price, Load(D(10 * M), D(100)))), 3) == D("63.292")


@pytest.mark.parametrize(
    ("ref", "context", "into", "out"),
    [
        ("deepinfra/BAAI/bge-base-en-v1.5", {}, "0.005", None),
        ("deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo", {}, "0.10", "0.32"),
        ("together/BAAI/bge-base-en-v1.5", {}, "0.008", None),
        ("bedrock/meta.llama3-3-70b-instruct-v1:0", {}, "0.72", "0.72"),
        ("bedrock/meta.llama3-3-70b-instruct-v1:0", BATCH, "0.36", "0.36"),
        ("openai/text-embedding-3-small", {}, "0.02", None),
        ("openai/text-embedding-3-small", BATCH, "0.01", None),
        ("openai/gpt-4o", BATCH, "1.25", "5"),
        ("openai/omni-moderation-latest", {}, "0", "0"),
    ],
)
def test_prices_as_the_vendors_list_them(ref: str, context: dict[str, str], into: str, out: str | None) -> None:
    assert usd(find(ref, context=context)) == (D(into), out if out is None else D(out))


def test_a_price_changes_on_its_day() -> None:
    assert usd(find("cloudflare/@cf/cloudflare/clef-flash", date(2026, 10, 18)))[0] == D("0.09")
    assert usd(find("cloudflare/@cf/cloudflare/clef-flash", date(2026, 10, 19)))[0] == D("0.038")


def test_a_day_on_which_only_another_context_changed_divides_no_row() -> None:
    standard = [row for row in pricebooks.load(["openai/gpt-4o"]).model_rows("openai/gpt-4o") if not row.context]
    assert [(row.valid_from, row.valid_to) for row in standard] == [(None, None)]


def test_long_context_steps_come_along() -> None:
    price = find("anthropic/claude-haiku-5-5")
    # 100,000 tokens in cost 0.01 USD, 100,001 five times that and a bit
    cost = [total(cost_lines(price, Load(D(1), D(into), D(0)))) for into in (100_000, 100_001)]
    assert cost == [D("0.01"), D("0.0500005")]


def test_a_model_without_published_neurons_is_billed_in_neurons_that_follow_from_its_price() -> None:
    price = find("cloudflare/@cf/openai/gpt-oss-120b")
    assert price.neurons is not None
    assert price.neurons.basis == "modelled"
    gross, free = cost_lines(price, Load(D(M), D(1000), D(200)))
    assert round(gross.usd_month, 9) == D(1000) * D("0.35") + D(200) * D("0.75")
    assert (gross.basis, free.account) == ("assumed", "cloudflare")


def test_a_machine_has_an_hour_and_some_a_throughput() -> None:
    l4 = find("aws/g6.xlarge")
    assert l4.server_hour is not None
    assert l4.server_hour.usd == D("0.8048")
    tei = find("self-hosted/g2-standard-4/bge-large-en-v1.5")
    assert (tei.tokens_per_s, concerns(tei, TODAY)[-1].rule) == (D(62192), "low-confidence")
    # 0.708 / (3,600 x 62,192) x 1e6 = 0.00316 USD/Mtok at full load
    full = Load(D(62192) * 3600 * 730 / M, D(M), D(0))
    assert round(cost_of(tei, full).usd_per_mtok or 0, 5) == D("0.00316")


def test_names_that_logs_and_gateways_use() -> None:
    for other, own in (("together_ai", "together"), ("aws.bedrock", "aws"), ("gemini", "google"), ("vertex_ai", "google-vertex")):
        assert pricebooks.load([f"{other}/x"]).provider_of(other) == own


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("groq/llama-3.1-8b-instant", "retired on 2026-08-16"),
        ("groq/llama-guard-3-8b", "retired on 2025-06-06"),
        ("groq/llama-3.2-3b-preview", "is retired, date unknown"),
        ("bedrock/meta.llama3-2-1b-instruct-v1:0", "retired on 2026-07-07"),
        ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", "retired on 2026-10-22"),
        ("fly/gpu-a10", "retired on 2026-08-01"),
        ("cloudflare/@cf/meta/llama-3-8b-instruct", "is deprecated, date unknown"),
    ],
)
def test_what_is_no_longer_served_is_refused(ref: str, said: str) -> None:
    with pytest.raises(Retired, match=said):
        find(ref)


def test_what_was_served_then_has_its_price_of_then() -> None:
    assert usd(find("groq/llama-3.1-8b-instant", date(2026, 8, 15))) == (D("0.05"), D("0.08"))
    hours = [find("fly/gpu-a10", date(2026, *day)).server_hour for day in ((2, 10), (2, 11))]
    assert [hour and hour.usd for hour in hours] == [D("1.5"), D("0.75")]


@pytest.mark.parametrize(
    ("ref", "context", "at", "kind", "said"),
    [
        # genai-prices itself answers each of these with the standard price
        ("openai/gpt-4o", {"processing": "bach"}, TODAY, UnmatchedContext, "did you mean 'batch'"),
        ("openai/gpt-4o", BATCH, date(2026, 9, 1), UnmatchedContext, "begins on 2026-10-14"),
        ("openai/text-embedding-3-large", BATCH, TODAY, UnmatchedContext, "no batch price"),
        ("anthropic/claude-opus-4-1", BATCH, TODAY, UnmatchedContext, "no batch price"),
        ("cloudflare/@cf/baai/bge-m3", BATCH, TODAY, UnmatchedContext, "no batch price"),
        ("openai/gpt-4o-minni", {}, TODAY, UnknownModel, "nearest: gpt-4o-mini"),
        ("openai/gpt-4o-mini-tts-next", {}, TODAY, UnknownModel, "nearest: gpt-4o-mini-tts"),
        ("cloudflare/workers-ai/@cf/baai/bge-m3", {}, TODAY, UnknownModel, "nearest: @cf/baai/bge-m3"),
        ("cloudfare/@cf/baai/bge-m3", {}, TODAY, UnknownProvider, "did you mean 'cloudflare'"),
        ("openai/whisper-1", {}, TODAY, Unpriced, "unpriced: also charged for, and not counted here: audio"),
        ("openrouter/deepseek/deepseek-r1:free", {}, TODAY, Unpriced, "unpriced"),
    ],
)
def test_what_nobody_knows_is_not_answered(ref: str, context: dict[str, str], at: date, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        find(ref, at, context)


@pytest.mark.parametrize(
    ("ref", "model"),
    [
        ("openai/gpt-4o-2024-08-06", "gpt-4o"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("aws/us.meta.llama3-3-70b-instruct-v1:0", "meta.llama3-3-70b-instruct-v1:0"),
        ("ovh/meta-llama-3_3-70b-instruct", "Meta-Llama-3_3-70B-Instruct"),
    ],
)
def test_a_region_or_a_version_leaves_it_the_same_model(ref: str, model: str) -> None:
    assert find(ref).model == model


@pytest.mark.parametrize(
    "ref", ["anthropic/claude-haiku-4-5-turbo", "anthropic/claude-haiku-4-50", "aws/eu.zz.meta.llama3-3-70b-instruct-v1:0"]
)
def test_any_longer_name_is_another_model(ref: str) -> None:
    with pytest.raises(UnknownModel):
        find(ref)


# Held against other sources -------------------------------------------------------------------------------------------


def reference_rows() -> list[dict[str, Any]]:
    if not REFERENCE.exists():
        return []
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    return [row for row in loaded["token_prices"] if row["provider"] != "self-hosted"]


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference table is not beside the checkout")
def test_every_row_of_the_reference_table_is_found_with_its_price(whole: PriceBook) -> None:
    rows = reference_rows()
    assert len(rows) > 80
    for row in rows:
        model = row["model"].removeprefix("together_ai/").removeprefix("deepinfra/").removeprefix("nebius/").removeprefix("groq/")
        context = BATCH if row["variant"] == "batch" else {}
        served = date(2025, 6, 1) if "retired" in row["status"] or "deprecation" in row["status"] else TODAY
        price = whole.find(f"{row['provider']}/{model}", served, context)
        said = [row.get(f"{name}_usd_per_mtok") for name in ("input", "output", "cached_input")]
        ours = [rate and float(rate.usd) for rate in (price.input, price.output, price.cached)]
        for expected, found in zip(said, ours, strict=True):
            if expected:  # a batch row of the table leaves cached out, and an input-only model says output 0
                assert found == pytest.approx(expected, rel=1e-9), row["id"]


def plain(prices: Any) -> bool:
    counted = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    return all(value is None or key in counted for key, value in vars(prices).items()) and prices.input_mtok is not None


@pytest.mark.parametrize("at", [date(2025, 1, 1), date(2026, 10, 18), TODAY, date(2027, 1, 2)])
def test_the_package_itself_computes_the_same_money(whole: PriceBook, at: date) -> None:
    from genai_prices import Usage
    from genai_prices.data import providers

    noon = datetime(at.year, at.month, at.day, 23, tzinfo=UTC)  # outside the hours that cost more
    compared = 0
    for provider in providers:
        for model in provider.models:
            prices = model.get_prices(noon)
            if not plain(prices) or model.deprecated or provider.id == "cloudflare":
                continue
            rows = [row for row in whole.rows[provider.id] if row.model == model.id and row.source.startswith("genai") and not row.context]
            for row in (row for row in rows if row.applies_on(at)):
                into, out, cached = 150_000, 2_000, 5_000 if row.cached else 0
                used = Usage(input_tokens=into, output_tokens=out, **({"cache_read_tokens": cached} if cached else {}))
                theirs = prices.calc_price(used)["total_price"]
                ours = total(cost_lines(row, Load(D(1), D(into), D(out), D(cached))))
                assert ours == theirs, row.reference
                compared += 1
    assert compared > 1500


# The files ------------------------------------------------------------------------------------------------------------


def test_every_shipped_row_has_a_source_a_day_and_a_known_provider() -> None:
    files = {file.stem for file in Path(catalogue.__file__).with_name("data").glob("*.yaml")} - {"providers", "rtt"}
    assert files <= set(catalogue.providers())
    rows = list(catalogue.every_row())
    assert len(rows) > 90
    for row in rows:
        for name, rate in row.rates:
            assert rate.source not in ("", "stated"), (row.reference, name)
            assert rate.as_of is not None, (row.reference, name)
            assert rate.as_of <= TODAY
        assert row.is_priced or row.as_of or row.status != "listed", row.reference


def test_the_catalogue_states_no_price_that_the_package_has_without_saying_why() -> None:
    for provider in set(catalogue.providers()) & set(genai.providers()):
        theirs = genai.rows(provider)
        for row in catalogue.rows(provider)[0]:
            twice = [other for other in theirs if row.input and other.input and other.answers(row.model) and other.context == row.context]
            assert not twice or row.notes, row.reference


def test_what_is_known_of_a_model_holds_in_every_context() -> None:
    batch = Price("a", "b", (("processing", "batch"),), input=Rate(D("0.5"), "Mtok", source="list"), source="list", notes=("half",))
    fact = Price("a", "b", source="catalogue", as_of=date(2026, 6, 1), status="retired", retired_on=date(2026, 7, 7), notes=("gone",))
    (row,) = pricebooks.merged((fact,), (batch,))
    assert (row.retired_on, row.status, row.source, row.notes) == (date(2026, 7, 7), "retired", "list", ("gone", "half"))
    assert row.input == Rate(D("0.5"), "Mtok", source="list", as_of=date(2026, 6, 1))
    assert pricebooks.merged((fact,), ()) == (fact,)


def price_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_price_file_of_the_users_wins_and_keeps_what_it_does_not_say(tmp_path: Path) -> None:
    file = price_file(
        tmp_path,
        """
offers:
  - provider: deepinfra
    model: BAAI/bge-base-en-v1.5
    input: {usd: 0.004, source: our contract, as_of: 2026-11-01}
  - {provider: ours, model: rack-1, server_hour: {usd: 0.31, source: finance, as_of: 2026-11-01}, tokens_per_s: 9000}
""",
    )
    refs = ["deepinfra/BAAI/bge-base-en-v1.5", "ours/rack-1"]
    book = pricebooks.load(refs, [file])
    assert usd(book.find(refs[0], TODAY))[0] == D("0.004")
    assert book.find(refs[1], TODAY).tokens_per_s == 9000
    assert usd(pricebooks.load(refs[:1]).find(refs[0], TODAY))[0] == D("0.005")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("offers: [{provider: a, model: b, inptu: {usd: 1}}]", r"prices\.yaml:1:34 inptu: unknown key in an offer; did you mean 'input'"),
        ("offers: [{provider: a, model: b, input: {usd: 0.1.2}}]", r":1:47: '0\.1\.2' is not a number"),
        ("offers: [{provider: a, model: b, input: {usd: 1, from: x}}]", "no source 'x' is named"),
        ("offers: [{provider: a, input: {usd: 1}}]", "an offer without a model"),
        ("offers: [{model: b, input: {usd: 1}}]", "an offer without a provider"),
        ("offers: [{provider: a, model: b, as_of: yesterday}]", "'yesterday' is not a day"),
        ("offers: [{provider: a, model: b, status: gone}]", "not one of them; known: listed"),
        ("offers: [{provider: a, model: b, input: {usd: 1, unit: tok}}]", "unknown billing unit 'tok'"),
        ("offers: [{provider: a, model: b, input: {usd: -1}}]", "negative"),
        ("offers: {}", "offers is a list"),
        ("sources: {}", "a price file has offers"),
        (
            "offers:\n- {provider: a, model: b, input: {usd: 1}}\n- {provider: a, model: B, input: {usd: 2}}",
            r":3:3: a second price of a/B from the same day; append a changed price with valid_from",
        ),
    ],
)
def test_a_mistake_in_a_price_file_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EdgeroiError, match=said):
        catalogue.read(price_file(tmp_path, text))


def test_history_is_appended(tmp_path: Path) -> None:
    text = """
sources: {invoice: {source: our invoice, as_of: 2026-06}}
offers:
  - {provider: a, model: b, input: {usd: 1, from: invoice}, valid_to: 2026-05-31}
  - {provider: a, model: b, input: {usd: 2, from: invoice}, valid_from: 2026-06-01}
"""
    book = pricebooks.load(["a/b"], [price_file(tmp_path, text)])
    assert [usd(book.find("a/b", date(2026, *day)))[0] for day in ((5, 31), (6, 1))] == [D(1), D(2)]
    assert book.find("a/b", TODAY).as_of == date(2026, 6, 1)  # a month is read as its first day


def test_a_provider_the_catalogue_knows_alone_costs_no_import_of_the_package() -> None:
    program = """
import sys
from edgeroi import pricebooks
assert 'yaml' not in sys.modules
pricebooks.load(['deepinfra/BAAI/bge-m3'])
assert 'genai_prices' not in sys.modules and 'pydantic' not in sys.modules
pricebooks.load(['openai/gpt-4o'])
assert 'genai_prices' in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_looking_up_in_another_order_changes_nothing(whole: PriceBook) -> None:
    refs = ["openai/gpt-4o", "aws/amazon.nova-micro-v1:0", "cloudflare/@cf/meta/llama-3.2-1b-instruct", "deepinfra/BAAI/bge-m3"]
    alone = {ref: find(ref) for ref in refs}
    assert {ref: pricebooks.load(refs).find(ref, TODAY) for ref in reversed(refs)} == alone
    assert {ref: whole.find(ref, TODAY) for ref in refs} == alone


# Round trips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "there", "ms"),
    [("us-east", "eu-west", 83), ("eu-west", "us-east", 83), ("us-east-1", "central-india", 234), ("Tokyo", "ap-southeast", 73)],
)
def test_the_round_trip_between_two_regions_is_the_same_both_ways(here: str, there: str, ms: float) -> None:
    found = round_trip(here, there)
    assert (found.likely, found.is_point, found.basis) == (ms, True, "listed")
    assert found.why is not None
    assert "2026-08" in found.why
    assert found.name == round_trip(there, here).name


def test_within_a_region_and_to_the_edge() -> None:
    within, edge = round_trip("us-east", "us-east-1"), round_trip("ap-south", "edge")
    assert (within.likely, within.low, within.high) == (15.5, 10, 28)  # of 10, 13, 18, 28
    assert (edge.likely, edge.high) == (20, 50)
    assert "cloudflare.com/network, 2026-09-05" in (edge.why or "")


def test_an_unknown_region_is_an_error_with_the_near_miss() -> None:
    with pytest.raises(EdgeroiError, match=r"unknown region 'us-esat'; nearest: .*us-east"):
        round_trip("us-esat", "us-east")


def test_a_pair_nobody_published_has_no_answer() -> None:
    with pytest.raises(NoAnswer, match="no round trip between us-west and ap-south is known; state rtt"):
        round_trip("us-west", "ap-south")


def test_no_detour_is_shorter_than_half_the_direct_way() -> None:
    # the matrix is measured, not metric; but a leg far out of line would be a slip of the pen
    trips = load_trips()
    names = sorted({name for pair in trips.pairs for name in pair})
    for a, b in combinations(names, 2):
        for via in names:
            legs = [trips.pairs.get(frozenset(pair)) for pair in ((a, b), (a, via), (via, b))]
            if all(legs) and via not in (a, b):
                direct, one, two = legs
                assert direct is not None
                assert one is not None
                assert two is not None
                assert one + two >= direct / 2
