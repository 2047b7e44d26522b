"""The invoice: every figure below is worked out in the test, so that a test reads as the bill it checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeroi.cost import (
    Capacity,
    CostLine,
    Discount,
    Load,
    Operations,
    break_even_requests,
    combined,
    commitment_break_even,
    cost_lines,
    cost_of,
    gpu_usd_per_mtok,
    servers_needed,
    total,
    utilisation,
)
from edgeroi.errors import EdgeroiError
from edgeroi.prices import Allowance, Bracket, Fee, Neurons, Price, Rate, Threshold, Unpriced

D = Decimal

M = 1_000_000


def mtok(usd: str) -> Rate:
    return Rate(D(usd), "Mtok", source="acme.example/pricing")


def tokens(requests: int = 10 * M, into: int = 100, out: int | None = None, **parts: D) -> Load:
    return Load(D(requests), D(into), None if out is None else D(out), **parts)  # type: ignore[arg-type]


def rounded(usd: D, places: int = 3) -> D:
    return round(usd, places)


def kinds(lines: Iterable[CostLine]) -> list[str]:
    return [line.kind for line in lines]


EMBEDDING = Price("acme", "embed", input=mtok("0.20"))
NEURON_RATE = Rate(D("0.011"), "1k neurons", allowance=Allowance(D(10), "day", "cloudflare"))
BGE_BASE = Price("cloudflare", "bge-base", input=mtok("0.067"), neurons=Neurons(D(6058), None, NEURON_RATE), source="a price list")
LLM = Price("acme", "llm", input=mtok("3"), cached=mtok("0.3"), cache_write=mtok("3.75"), output=mtok("15"))


# Tokens ---------------------------------------------------------------------------------------------------------------


def test_the_articles_embedding_at_100_tokens_a_request() -> None:
    # 10 M requests x 100 tokens = 1,000 Mtok
    edge = cost_of(EMBEDDING, tokens())
    cloud = cost_of(replace(EMBEDDING, input=mtok("0.005")), tokens())
    assert edge.usd_month == D(1000) * D("0.20") == D("200.00")
    assert cloud.usd_month == D(1000) * D("0.005") == D("5.00")
    assert edge.usd_month - cloud.usd_month == D("195.00")


def test_totals_per_month_year_thousand_requests_and_million_tokens() -> None:
    cost = cost_of(EMBEDDING, tokens())
    assert cost.usd_year == D("200.00") * 12
    assert cost.usd_per_1k_requests == D("200.00") / 10_000
    assert cost.usd_per_mtok == D("0.20")


def test_a_line_says_what_where_from_and_how_sure() -> None:
    (line,) = cost_lines(EMBEDDING, replace(tokens(), basis="measured"))
    assert line == CostLine("input tokens", "input", D(1000), "Mtok", D("0.20"), D(200), "acme.example/pricing", None, "listed")


def test_cached_tokens_pay_a_tenth_and_are_not_paid_twice() -> None:
    # 10,000 in of which 8,000 cached, 500 out, at 3 / 0.30 / 15 USD/Mtok, one request
    load = tokens(1, 10_000, 500, cached_tokens=D(8000))
    lines = cost_lines(LLM, load)
    assert [line.usd_month for line in lines] == [D("0.006"), D("0.0024"), D("0.0075")]
    assert total(lines) == D("0.0159")
    uncached = D("0.03") + D("0.0075")
    assert total(cost_lines(LLM, replace(load, cached_tokens=None))) == uncached == D("0.0375")
    batch = replace(LLM, input=mtok("1.5"), output=mtok("7.5"))
    assert total(cost_lines(batch, replace(load, cached_tokens=None))) == uncached / 2 == D("0.01875")


def test_cache_writes_are_a_class_of_their_own() -> None:
    load = tokens(1, 10_000, 500, cached_tokens=D(6000), cache_write_tokens=D(2000))
    lines = cost_lines(LLM, load)
    # (10,000 - 6,000 - 2,000) x 3 + 6,000 x 0.3 + 2,000 x 3.75 + 500 x 15, all / 1e6
    assert {line.kind: line.usd_month for line in lines} == {
        "input": D("0.006"),
        "cached": D("0.0018"),
        "cache_write": D("0.0075"),
        "output": D("0.0075"),
    }
    assert sum(line.quantity for line in lines) == D("0.0105")  # every token in one class


def test_cached_tokens_without_a_cached_rate_pay_as_input_and_say_so() -> None:
    plain = replace(LLM, cached=None)
    lines = cost_lines(plain, tokens(1, 10_000, 500, cached_tokens=D(8000)))
    assert total(lines) == D("0.0375")
    assert "no cached rate: as input" in lines[1].item


def test_parts_larger_than_their_whole_are_refused() -> None:
    with pytest.raises(EdgeroiError, match="900 cached and cache-write tokens are more than the 800 input tokens"):
        tokens(1, 800, 0, cached_tokens=D(900))


def test_a_long_request_pays_the_long_context_rate_for_all_its_tokens() -> None:
    steps = {"input": ("0.10", "0.50"), "output": ("0.50", "2.50")}
    rates = {name: replace(mtok(base), above=(Threshold(100_000, D(far)),)) for name, (base, far) in steps.items()}
    haiku = Price("anthropic", "claude-haiku-5-5", **rates)  # type: ignore[arg-type]
    at_edge, beyond = (total(cost_lines(haiku, tokens(1, into, 1000))) for into in (100_000, 100_001))
    assert at_edge == D("0.010") + D("0.0005")
    assert beyond == D("100001") * D("0.50") / M + D("0.0025")


@pytest.mark.parametrize(
    ("load", "missing"),
    [
        (Load(D(1000), None, D(5)), "input tokens"),
        (Load(D(1000), D(5), None), "output tokens"),
        (Load(None, D(5), D(5)), "requests a month"),
    ],
)
@pytest.mark.parametrize("price", [LLM, Price("cloudflare", "llama", neurons=Neurons(D(26668), D(204805), NEURON_RATE))])
def test_what_nobody_knows_is_named_and_never_free(load: Load, missing: str, price: Price) -> None:
    with pytest.raises(Unpriced, match=f"charges by {missing}"):
        cost_lines(price, load)


def test_an_embedding_charges_no_output() -> None:
    assert kinds(cost_lines(BGE_BASE, Load(D(10), D(5), None))) == ["neurons", "allowance"]
    listed = replace(EMBEDDING, source="a price list")
    assert total(cost_lines(listed, tokens(M, 100, 1))) == D(100) * D("0.20")


def test_a_stated_price_without_output_is_refused_where_there_is_output() -> None:
    with pytest.raises(Unpriced, match="states no output price and a request has 600 output tokens"):
        cost_lines(EMBEDDING, tokens(M, 100, 600))


def test_an_offer_without_any_rate_is_unpriced() -> None:
    with pytest.raises(Unpriced, match="acme/mystery is unpriced"):
        cost_lines(Price("acme", "mystery"), tokens())


def test_a_free_endpoint_costs_nothing_and_has_its_lines() -> None:
    free = Price("openai", "omni-moderation-latest", input=mtok("0"), output=mtok("0"))
    assert total(cost_lines(free, tokens(M, 400, 10))) == 0
    assert kinds(cost_lines(free, tokens(M, 400, 10))) == ["input", "output"]


# Neurons --------------------------------------------------------------------------------------------------------------


def test_neurons_less_the_daily_allowance() -> None:
    # 10 M x 100 tokens = 1,000 Mtok x 6,058 = 6,058,000 neurons; free 10,000 x 730/24 = 304,166.67
    gross, free = cost_lines(BGE_BASE, tokens())
    assert (gross.quantity, gross.unit, gross.rate_usd) == (D(6058), "1k neurons", D("0.011"))
    assert gross.usd_month == D(6058) * D("0.011") == D("66.638")
    assert rounded(-free.quantity, 4) == D("304.1667")
    assert free.account == "cloudflare"
    assert rounded(gross.usd_month + free.usd_month) == D("63.292")
    thirty_days = D("66.638") - D(300) * D("0.011")
    assert thirty_days == D("63.338")  # what a month of 30 days would come to
    assert "first 10,000 neurons a day free" in free.item


def test_the_allowance_never_turns_into_income() -> None:
    little = cost_of(BGE_BASE, tokens(1000))  # 606 neurons
    assert little.usd_month == 0
    assert cost_of(BGE_BASE, tokens(0)).usd_month == 0


def test_neurons_in_and_out_come_to_the_list_price() -> None:
    rate = replace(NEURON_RATE, allowance=None)
    llama = Price("cloudflare", "llama-70b", neurons=Neurons(D(26668), D(204805), rate))
    lines = cost_lines(llama, tokens(M, 2000, 200))
    # 2,000 Mtok x 26,668 + 200 Mtok x 204,805 = 94,297,000 neurons x 0.011 per 1,000
    assert total(lines) == D("94297") * D("0.011") == D("1037.267")


def test_cached_tokens_are_fewer_neurons_where_the_provider_says_so() -> None:
    rate = replace(NEURON_RATE, allowance=None)
    cheap = Price("cloudflare", "kimi", neurons=Neurons(D(1000), D(0), rate, cached_per_mtok=D(100)))
    load = tokens(M, 10, 0, cached_tokens=D(4))
    assert total(cost_lines(cheap, load)) == (D(6) * 1000 + D(4) * 100) / 1000 * D("0.011")


# Requests, CPU time, egress, tiers ------------------------------------------------------------------------------------


def test_a_worker_in_front_of_the_model() -> None:
    worker = Price(
        "cloudflare",
        "workers",
        request=Rate(D("0.30"), "1M requests", allowance=Allowance(D(10), "month", "cloudflare")),
        cpu_ms=Rate(D("0.02"), "1M CPU ms", allowance=Allowance(D(30), "month", "cloudflare")),
        egress_gb=Rate(D(0), "GB"),
        fees=(Fee("Workers Paid plan", Rate(D(5), "month"), "cloudflare"),),
    )
    lines = cost_lines(worker, Load(D(100 * M), cpu_ms=D(2)))
    # requests (100 - 10) x 0.30 = 27.00, CPU (200 - 30) x 0.02 = 3.40, plan 5.00; egress is free and needs no figure
    assert total(lines) == D("27.00") + D("3.40") + D("5.00")
    assert kinds(lines) == ["request", "allowance", "cpu", "allowance", "fixed"]


def test_graduated_tiers_have_a_line_each() -> None:
    tiers = Rate(D("0.3"), "request", brackets=(Bracket(D(10), D(0)), Bracket(D(100), D("0.5"))))
    lines = cost_lines(Price("acme", "api", request=tiers), Load(D(250)))
    assert [(line.quantity, line.usd_month) for line in lines] == [(D(10), D(0)), (D(90), D("45.0")), (D(150), D("45.0"))]
    assert total(lines) == D("90.00")


def test_egress_beyond_the_free_part_and_never_forgotten() -> None:
    out = Price("aws", "egress", egress_gb=Rate(D("0.09"), "GB", allowance=Allowance(D(100), "month", "aws")))
    assert total(cost_lines(out, Load(D(1), egress_gb=D(1100)))) == D(1000) * D("0.09")
    with pytest.raises(Unpriced, match="GB out a month"):
        cost_lines(out, Load(D(1)))


def test_memory_time_of_a_function() -> None:
    function = Price("aws", "lambda", request=Rate(D("0.20"), "1M requests"), gb_second=Rate(D("0.0000166667"), "GB-s"))
    lines = cost_lines(function, Load(D(3 * M), gb_seconds=D("0.128") * D("0.5")))
    assert total(lines) == D("0.60") + D(3 * M) * D("0.064") * D("0.0000166667")


# Capacity -------------------------------------------------------------------------------------------------------------

GPU = Price("acme", "gpu", server_hour=Rate(D("2.50"), "server-hour"), tokens_per_s=D(2500))


@pytest.mark.parametrize(("busy", "usd"), [("1", "0.27778"), ("0.5", "0.55556"), ("0.1", "2.77778")])
def test_idle_time_is_paid(busy: str, usd: str) -> None:
    assert rounded(gpu_usd_per_mtok(D("2.50"), D(2500), D(busy)), 5) == D(usd)


def test_utilisation_follows_from_the_load() -> None:
    # 730 h x 2.50 = 1,825 USD; at 0.60 USD/Mtok an API serves 3,041.67 Mtok for that: 1,157.4 tok/s = 46.3 % of 2,500
    load = Load(D(1_825) / D("0.60"), D(M), D(0))
    cost = cost_of(GPU, load)
    assert cost.usd_month == D(730) * D("2.50") == D(1825)
    assert cost.lines[0].item == "1 server, 46.3 % busy"
    assert rounded(cost.usd_per_mtok or D(0), 9) == D("0.600000000")
    busy = utilisation(load, Capacity(tokens_per_s=D(2500)), 1)
    assert busy is not None
    assert rounded(busy, 5) == D("0.46296")


def test_as_many_servers_as_the_load_needs_and_one_at_each_site() -> None:
    load = Load(D(1), D(2500) * 3600 * 730 * 2 + 1, D(0))  # a trifle more than two servers do
    assert servers_needed(load, Capacity(tokens_per_s=D(2500))) == 3
    assert servers_needed(load, Capacity(tokens_per_s=D(2500), sites=25)) == 25
    assert total(cost_lines(GPU, load, capacity=Capacity(sites=25))) == 25 * D(1825)


def test_stated_servers_win_and_cannot_do_the_impossible() -> None:
    load = Load(D(1), D(2500) * 3600 * 730 * 2, D(0))
    assert total(cost_lines(GPU, load, capacity=Capacity(4))) == 4 * D(1825)
    assert cost_lines(GPU, load, capacity=Capacity(4))[0].item == "4 servers, 50.0 % busy"
    with pytest.raises(EdgeroiError, match=r"1 servers cannot carry the load: 200\.0 % busy; state at least 2"):
        cost_lines(GPU, load, capacity=Capacity(1))


def test_servers_without_throughput_have_a_price_and_no_utilisation() -> None:
    bare = replace(GPU, tokens_per_s=None)
    assert cost_lines(bare, Load(None), capacity=Capacity(2))[0].item == "2 servers"
    with pytest.raises(Unpriced, match="how many servers"):
        cost_lines(bare, tokens())


def test_a_machine_billed_by_30_days_costs_more_in_a_month_of_730_hours() -> None:
    fly = Price("fly", "performance-1x", server_hour=Rate(D(31), "30 server-days"))
    assert rounded(total(cost_lines(fly, Load(None), capacity=Capacity(1))), 6) == rounded(D(31) * 730 / 720, 6)


def test_output_tokens_alone_may_be_what_limits_a_server() -> None:
    load = Load(D(1), D(10), D(2500 * 3600 * 365))
    busy = utilisation(load, Capacity(tokens_per_s=D(2500), counts="output"), 1)
    assert busy == D("0.5")


# Fees, people, discounts, commitments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("requests", "unit_cost"), [(10**5, "0.05002"), (10**6, "0.00502"), (10**7, "0.00052"), (10**8, "0.00007")])
def test_fixed_cost_thins_out_with_volume(requests: int, unit_cost: str) -> None:
    api = Price("acme", "api", request=Rate(D("0.00002"), "request"))
    fees = [Fee("platform", Rate(D(2000), "month"))]
    cost = cost_of(api, Load(D(requests)), fees=fees, operations=Operations(D("0.25") * 160, D(75)))  # a quarter of 12,000
    assert cost.usd_per_1k_requests == D(unit_cost) * 1000
    assert [(line.kind, line.usd_month) for line in cost.lines[1:]] == [("fixed", D(2000)), ("operations", D(3000))]


def test_the_volume_where_fixed_cost_is_won_back() -> None:
    volume = break_even_requests(D(5000), D("0.00002"), D("0.0007"))
    assert volume is not None
    assert round(volume) == 7_352_941
    assert break_even_requests(D(5000), D("0.0007"), D("0.0007")) is None


def test_a_discount_is_a_line_of_its_own_on_what_is_metered() -> None:
    cost = cost_of(EMBEDDING, tokens(), fees=[Fee("plan", Rate(D(5), "month"))], discount=Discount(D("0.15"), "contract 4711"))
    assert [line.usd_month for line in cost.lines] == [D("200"), D("-30.00"), D(5)]
    assert (cost.lines[1].item, cost.lines[1].source) == ("discount of 15 %", "contract 4711")
    surcharge = cost_of(EMBEDDING, tokens(), discount=Discount(D("-0.1"), "data residency"))
    assert surcharge.usd_month == D("200") * D("1.1")


def test_a_commitment_is_paid_whether_used_or_not() -> None:
    assert total(cost_lines(EMBEDDING, tokens(), committed_usd=D(300))) == D(300)
    assert total(cost_lines(EMBEDDING, tokens(), committed_usd=D(150))) == D(200)
    assert commitment_break_even(D("1.6"), D("2.5")) == D("0.64")


# Several workloads ----------------------------------------------------------------------------------------------------

PLAN = [Fee("Workers Paid plan", Rate(D(5), "month"), "cloudflare")]


def test_an_accounts_fee_and_allowance_are_counted_once() -> None:
    search, chat = (cost_lines(BGE_BASE, tokens(), fees=PLAN) for _ in range(2))
    alone = D("66.638") - D(10) * 730 / 24 * D("0.011") + 5
    assert total(search) == alone
    together = total(combined([search, chat]))
    # 12,116,000 neurons less one allowance of 304,166.67, and one plan
    assert together == 2 * D("66.638") - D(10) * 730 / 24 * D("0.011") + 5
    assert rounded(together) == D("134.930")


def test_an_allowance_serves_several_small_workloads() -> None:
    # 121,160 neurons each; three fit into 304,166.67 by two and a half
    small = [cost_lines(BGE_BASE, tokens(200_000)) for _ in range(3)]
    assert [total(lines) for lines in small] == [0, 0, 0]
    assert rounded(total(combined(small)), 6) == rounded((3 * D("121.160") - D(10) * 730 / 24) * D("0.011"), 6)


def test_what_the_allowance_no_longer_covers_is_discounted_and_uses_up_the_commitment() -> None:
    half = Discount(D("0.5"))
    pair = [cost_lines(BGE_BASE, tokens(), discount=half) for _ in range(2)]
    assert rounded(total(combined(pair)), 9) == rounded((2 * D("66.638") - D(10) * 730 / 24 * D("0.011")) / 2, 9)
    committed = [cost_lines(BGE_BASE, tokens(), committed_usd=D(64)) for _ in range(2)]
    assert rounded(total(combined(committed)), 9) == D(64) + D("66.638")  # 63.292 reaches its 64 unused; 66.638 is above


def test_a_discounted_commitment_is_used_up_by_the_discounted_amount() -> None:
    both = {"discount": Discount(D("0.5")), "committed_usd": D(33)}
    pair = [cost_lines(BGE_BASE, tokens(), **both) for _ in range(2)]  # type: ignore[arg-type]
    # the first: 63.292 / 2 = 31.646, topped up to 33; the second, without allowance: 66.638 / 2 = 33.319
    assert rounded(total(combined(pair)), 9) == D(33) + D("66.638") / 2
    topped = [cost_lines(BGE_BASE, tokens(), discount=Discount(D("0.5")), committed_usd=D(34)) for _ in range(2)]
    assert rounded(total(combined(topped)), 9) == D(34) + D(34)


def test_fees_without_an_account_are_paid_by_each() -> None:
    fee = [Fee("support", Rate(D(5), "month"))]
    both = [cost_lines(EMBEDDING, tokens(), fees=fee) for _ in range(2)]
    assert total(combined(both)) == 2 * D(205)


@given(st.lists(st.integers(0, 3 * M), max_size=6))
def test_together_is_never_cheaper_than_one_big_workload_nor_dearer_than_apart(volumes: list[int]) -> None:
    invoices = [cost_lines(BGE_BASE, tokens(volume), fees=PLAN) for volume in volumes]
    whole = total(cost_lines(BGE_BASE, tokens(sum(volumes)), fees=PLAN if volumes else []))
    assert abs(total(combined(invoices)) - whole) < D("1e-15")
    assert total(combined(invoices)) >= sum(map(total, invoices)) - 5 * len(volumes)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**5),
    st.integers(0, 10**4),
    st.sampled_from([EMBEDDING, LLM, BGE_BASE]),
    st.decimals("-0.5", "0.9", places=2),
)
def test_every_line_is_its_quantity_times_its_rate(requests: int, into: int, out: int, price: Price, share: D) -> None:
    load = tokens(requests, into, 0 if price is EMBEDDING else out)
    lines = combined([cost_lines(price, load, fees=PLAN, discount=Discount(share), committed_usd=D(10))] * 2)
    assert all(line.usd_month == line.quantity * line.rate_usd for line in lines)
    assert total(lines) >= 0
