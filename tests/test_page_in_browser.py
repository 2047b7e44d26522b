"""The page in a real Chromium: it renders without a word or a request, says what the tool says, and turns where the tool says it turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import DESKTOP, PHONE, Opened, chromium, opened, violations
from judged import OPTIONS, TRAFFIC, decision, judged, scenario

from edgeroi.ab_report import ab_report
from edgeroi.estimate import Range
from edgeroi.profile_report import profile_report
from edgeroi.renderers import Page, renderer
from edgeroi.renderers._plain import number_said, said
from edgeroi.report import Cell, Report, WhatIf
from edgeroi.route_report import route_report
from edgeroi.spend_report import spend_report
from edgeroi.values import value_usd_month
from edgeroi.values.linear_time import LinearTime
from edgeroi.verdict import Decision
from edgeroi.verdict_figures import drawn_sections
from edgeroi.verdict_report import verdict_report

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SERVED = f"workloads:\n  w:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
PLAIN = SERVED + "    value: {waiting: 15 USD/h, why: w, by: b}\n"
#: Every kind of answer, model, policy and server that is shipped.
SHIPPED = (
    "article-embedding",
    "batch",
    "chatbot-70b",
    "dedicated",
    "embedding-measured",
    "hybrid",
    "inline-completion",
    "moderation",
    "rag",
    "voice",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a report as a page, at a size and in a scheme; tabs close with the test."""
    pages: list[Opened] = []

    def shown(report: Report, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Opened:
        path = tmp_path / "page.html"
        path.write_text(renderer("html").render(report, Page()))
        pages.append(opened(browser, path, size, scheme))
        return pages[-1]

    yield shown
    for page in pages:
        page.tab.close()


@cache
def drawn(*paths: Path, overrides: tuple[str, ...] = ()) -> Report:
    return verdict_report(judged(*paths, overrides=overrides), drawn=drawn_sections)


def model_of(report: Report, place: int = 0) -> Any:
    return [section.model for section in report.sections if isinstance(section, WhatIf)][place]


def quiet(page: Opened) -> bool:
    return not page.said and page.asked == [page.tab.url]


# ---- it renders, and says what the tool says -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_the_page_is_the_document_s(show: Any, name: str) -> None:
    """At the start of the sliders, and in the cards; and no error, no warning, no request but for the page itself."""
    report = drawn(SCENARIOS / f"{name}.yaml")
    page = show(report)
    document = json.loads(renderer("json").render(report, Page()))
    workloads = [workload for each in document["scenarios"] for workload in each["workloads"]]
    assert len(workloads) == page.tab.locator("[data-what-if]").count()
    for place, told in enumerate(workloads):
        panel, card, candidate = f'[data-what-if="{place}"]', f'[data-row="{told["workload"]}"]', told["candidate"]
        assert page.tab.get_attribute(panel, "data-verdict") == told["verdict"]
        for key in ("premium_usd_month", "value_usd_month", "net_usd_month"):
            wanted = None if candidate[key] is None else pytest.approx(candidate[key], rel=1e-9, abs=1e-9)
            assert page.number(f'{card} [data-key="{key}"]') in (
                (wanted, None) if told["verdict"] in ("required", "impossible") else (wanted,)
            )
            undeclared = key == "value_usd_month" and page.text(f'{panel} [data-out="{key}"]') == "-"
            assert undeclared or page.number(f'{panel} [data-out="{key}"]') == wanted, (told["workload"], key)
        assert page.text(f'{panel} [data-out="net_usd_month"]') == said(Cell(candidate["net_usd_month"], "usd_signed"))
        p = candidate["p_worth_it"] if candidate["p_worth_it"] is not None else candidate["p_best_case"]
        if p is not None:
            assert page.number(f'{panel} [data-out="p_worth_it"]') == pytest.approx(p, abs=1e-4)
            ends = page.tab.eval_on_selector(f'{panel} [data-out="net_usd_month_ends"]', "each => [each.dataset.low, each.dataset.high]")
            wanted = [candidate["net_low_usd_month"], candidate["net_high_usd_month"]]
            assert [float(end) for end in ends] == pytest.approx(wanted, rel=1e-5, abs=1e-3)
    assert quiet(page), (page.said, page.asked)


def test_a_report_of_any_command_is_a_page(show: Any) -> None:
    import edgeroi

    profile = edgeroi.profile(SCENARIOS.parent / "sample_logs" / "gateway.litellm.jsonl", sampling=0.001)
    report = profile_report(profile, version="1", drawn=True)
    page = show(report)
    assert page.tab.locator(".chart svg path").count() > 10
    document = json.loads(renderer("json").render(report, Page()))
    shown = page.tab.eval_on_selector_all('table[data-table="profile"] [data-key="latency_ms_p50"]', "all => all.map(e => e.dataset.value)")
    assert [float(value) for value in shown] == [group["latency_ms"]["p50"] for group in document["groups"]]
    assert quiet(page)


@pytest.fixture(scope="module")
def drawn_results() -> dict[str, Report]:
    """The pages of ``ab``, ``route`` and ``spend`` of the shipped samples, as the commands make them."""
    import edgeroi

    samples = SCENARIOS.parent / "sample_logs"
    routes = edgeroi.route(samples / "routed.jsonl.gz", SCENARIOS / "policies" / "support.yaml", sweep="confidence", goal="max-net")
    return {
        "ab": ab_report(edgeroi.ab(samples / "experiment.jsonl.gz", arm="placement", unit="user_id"), drawn=True),
        "route": route_report(routes, drawn=True),
        "spend": spend_report(edgeroi.spend(samples / "gateway.litellm.jsonl"), drawn=True),
    }


#: What the pictures of each command say in words, and how many shapes of a colour stand for its points or bars.
PICTURES = {
    "ab": ({"chat: p50", "search: USD/1,000", "no change", "change"}, {"--good": 1, "--bad": 2}),
    "route": ({"quality", "p95, ms", "all edge", "all cloud", "chosen: >= 0.689", "USD per 1,000 requests"}, {"--series-1": 2}),
    "spend": ({"2026-10-24", "USD a day"}, {"--series-1": 28}),
}


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("name", PICTURES)
def test_results_of_other_commands_are_drawn_too(
    show: Any, drawn_results: dict[str, Report], name: str, size: tuple[int, int], scheme: str
) -> None:
    page, (words, shapes) = show(drawn_results[name], size, scheme), PICTURES[name]
    assert page.tab.locator(".chart svg").count() == page.tab.locator("figure table").count() == len(drawn_results[name].figures) > 0
    shown = page.tab.eval_on_selector_all(".chart svg text", "all => all.map(each => each.textContent).join(' ')")
    assert {word for word in words if word not in shown} == set()
    assert {name: filled(page, name) for name in shapes} == shapes
    assert page.tab.evaluate("document.documentElement.scrollWidth") == size[0]
    page.tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert violations(page) == []
    assert quiet(page), (page.said, page.asked)


def filled(page: Opened, name: str) -> int:
    """How many shapes of the charts are filled with a colour of the style sheet."""
    script = """name => {
        const probe = document.body.appendChild(document.createElement("span"));
        probe.style.color = `var(${name})`;
        const wanted = getComputedStyle(probe).color;
        probe.remove();
        return [...document.querySelectorAll(".chart svg :is(path, circle, polygon)")].filter(
            (each) => getComputedStyle(each).fill === wanted).length;
    }"""
    return int(page.tab.evaluate(script, name))


# ---- what if ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worth", "volume", "price", "saved_ms"])
def test_the_verdict_turns_at_the_break_even_that_the_tool_works_out(show: Any, tmp_path: Path, name: str) -> None:
    """One number stands for each driver, so net is one number: just short of the break-even one verdict, just past it the other.

    A fee of 5,000 beside 195 for tokens, against 150 ms at 15 USD/h, 6,250: it turns at 12.468 USD/h, at 124.68 ms, at 8.2576 M requests
    (a thousand bring 0.625 and take 0.0195), and at 6,255 / 5,200 times the price.
    """
    text = OPTIONS.replace("price: {input: 0.20 USD/Mtok}", "price: {input: 0.20 USD/Mtok}, fixed: 5000 USD/month") + PLAIN
    report = drawn(scenario(tmp_path, text))
    page, model = show(report), model_of(report)
    (told,) = json.loads(renderer("json").render(report, Page()))["scenarios"][0]["workloads"]
    driver = next(each for each in model["sliders"] if each["name"] == name)
    turn, positions = driver["turn"], driver["positions"]
    key = {"worth": "waiting_usd_per_hour", "volume": "requests_month", "price": "price_ratio", "saved_ms": "saved_ms"}[name]
    by_hand = {"worth": 12.468, "volume": 5000 / (0.625 - 0.0195) * 1000, "price": 6255 / 5200, "saved_ms": 124.68}[name]
    assert positions[turn] == pytest.approx(told["break_even"][key], rel=1e-6) == pytest.approx(by_hand, rel=1e-6)
    page.tab.click(f'[data-turn="{name}"]')
    assert page.number('[data-out="net_usd_month"]') == pytest.approx(0, abs=1e-3)
    found = {}
    for step in (-1, 1):
        page.move(name, turn + step)
        found[step] = (page.tab.get_attribute("[data-what-if]", "data-verdict"), page.number('[data-out="net_usd_month"]'))
    short, past = (found[-1], found[1]) if name != "price" else (found[1], found[-1])
    assert short[0] == "not_worth_it"
    assert past[0] == "worth_it"
    assert short[1] < 0 < past[1]


def test_the_keyboard_moves_it_over_the_edge_and_back(show: Any) -> None:
    """Nobody would feel it: where every saved millisecond is counted, an hour of waiting of 42.95 USD turns it, as the sentence says."""
    report = drawn(SCENARIOS / "chatbot-70b.yaml")
    page = show(report)
    page.tab.click('[data-turn="worth"]')
    assert page.tab.is_checked("[data-every]")
    assert page.tab.evaluate("document.activeElement.id") == "worth-0"
    assert "42.95" in page.text('[data-said="worth"]')
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector('[data-verdict="undecided"]')  # a best case wins only until it is probed
    assert (page.number('[data-out="net_usd_month"]') or 0) > 0
    page.tab.keyboard.press("ArrowLeft")
    page.tab.keyboard.press("ArrowLeft")
    page.tab.wait_for_selector('[data-verdict="not_worth_it"]')
    page.tab.click("[data-reset]")
    assert page.number('[data-out="net_usd_month"]') == pytest.approx(found_net(report), rel=1e-9)
    assert quiet(page)


def found_net(report: Report) -> float:
    document = json.loads(renderer("json").render(report, Page()))
    return float(document["scenarios"][0]["workloads"][0]["candidate"]["net_usd_month"])


def net_by_the_tool(found: Decision, at: dict[str, float]) -> float:
    """Net with these numbers stated instead: invoices, distributions and the value model asked anew."""
    books = found.books
    traffic = replace(books.stakes.traffic, requests=Range.point(at["volume"]))
    asked = replace(books, stakes=replace(books.stakes, traffic=traffic))
    before, now, model = books.before, books.after, books.stakes.value
    assert before is not None
    assert now is not None
    assert isinstance(model, LinearTime)
    after = now.shifted(before.quantile(0.5) - now.quantile(0.5) - at["saved_ms"])
    priced = replace(model, waiting=Range.point(at["worth"]))
    value = value_usd_month(priced, before, after, at["volume"], felt=books.stakes.felt)
    cost, baseline = (float(asked.cost_of(option).usd_month) for option in (books.candidate, books.baseline))
    return value - (at["price"] * cost - baseline)


def test_anywhere_else_it_is_what_the_tool_says_of_these_numbers(show: Any) -> None:
    """Twenty places of all four sliders at once, of a workload with a daily allowance, a mixture of users and a felt rule."""
    (found,) = judged(SCENARIOS / "chatbot-70b.yaml").decisions
    report = drawn(SCENARIOS / "chatbot-70b.yaml")
    page, told = show(report), {each["name"]: each for each in model_of(report)["sliders"]}
    sliders = {name: each["positions"] for name, each in told.items()}
    rng = np.random.default_rng(11)
    for _ in range(20):
        places = {name: int(rng.integers(len(positions))) for name, positions in sliders.items()}
        for name, place in places.items():
            page.move(name, place)
        wanted = net_by_the_tool(found, {name: sliders[name][place] for name, place in places.items()})
        assert page.number('[data-out="net_usd_month"]') == pytest.approx(wanted, rel=1e-9, abs=1e-6), places
        for name, place in places.items():
            words = f"{number_said(sliders[name][place], told[name]['kind'])} {told[name]['unit']}"
            assert page.text(f'[data-said="{name}"]') == words


def test_quality_moves_by_what_a_point_of_it_is_worth(show: Any, tmp_path: Path) -> None:
    """10 M requests at 0.01 USD a point: 0.9 against 0.95 takes 5,000 off 6,250 - 195; it turns at 0.95 - 6,055 / 100,000 = 0.88945."""
    text = OPTIONS.replace("latency: 170 ms}", "latency: 170 ms, quality: 0.95}").replace(
        "latency: 20 ms,", "latency: 20 ms, quality: 0.9,"
    )
    report = drawn(scenario(tmp_path, text + PLAIN + "    quality_value: 0.01 USD/request\n"))
    page = show(report)
    quality = next(each for each in model_of(report)["sliders"] if each["name"] == "quality")
    assert page.number('[data-out="net_usd_month"]') == pytest.approx(6250 - 195 - 5000)
    assert quality["positions"][quality["turn"]] == pytest.approx(0.88945)
    page.move("quality", quality["turn"] - 1)
    assert page.tab.get_attribute("[data-what-if]", "data-verdict") == "not_worth_it"
    page.move("quality", quality["turn"] + 1)
    assert page.tab.get_attribute("[data-what-if]", "data-verdict") == "worth_it"
    place = len(quality["positions"]) - 1
    page.move("quality", place)
    gained = 100_000 * (quality["positions"][place] - 0.95)
    assert page.number('[data-out="net_usd_month"]') == pytest.approx(6250 - 195 + gained)


def test_the_chance_moves_as_the_tool_draws_it(show: Any) -> None:
    """A range keeps its width: waiting at half its 5, 15 and 60 USD/h is drawn by the tool to the same P(worth it)."""
    path = SCENARIOS / "inline-completion.yaml"
    (plain,) = judged(path).decisions
    waiting = next(driver for driver in plain.books.stated if driver.name.endswith("waiting"))
    report = drawn(path)
    page, (worth, *_) = show(report), model_of(report)["sliders"]
    place = min(range(len(worth["positions"])), key=lambda k: abs(worth["positions"][k] - waiting.likely / 2))
    factor = worth["positions"][place] / waiting.likely
    scaled = f"{waiting.low * factor} to {waiting.high * factor} USD/h"
    (moved,) = judged(path, overrides=(f"workloads.completion.value.linear_time.waiting={scaled}",)).decisions
    page.move("worth", place)
    assert moved.books.p_worth_it != plain.books.p_worth_it
    assert page.number('[data-out="p_worth_it"]') == pytest.approx(moved.books.p_worth_it, abs=1e-3)
    assert page.number('[data-out="net_usd_month"]') == pytest.approx(moved.books.likely.net, rel=1e-6)
    assert page.tab.get_attribute("[data-what-if]", "data-verdict") == moved.verdict


def test_a_volume_that_the_servers_cannot_carry_has_no_net(show: Any) -> None:
    report = drawn(SCENARIOS / "dedicated.yaml")
    page, model = show(report), model_of(report)
    place = model["costs"]["candidate"].index(None) if None in model["costs"]["candidate"] else model["gains"].index(None)
    page.move("volume", place)
    assert page.text('[data-out="reason"]') == "the servers cannot carry that many requests"
    assert page.number('[data-out="net_usd_month"]') is None


# ---- nothing from a stranger acts ------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "</style><!--",
    "${alert(4)}",
)


def test_a_hostile_name_is_text(show: Any, tmp_path: Path) -> None:
    import edgeroi

    log = tmp_path / "hostile.jsonl"
    rows = [{"workload": name, "latency_ms": 10 + k, "status": 200} for name in HOSTILE for k in range(20)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = show(profile_report(edgeroi.profile(log), version="1", drawn=True))
    shown = page.tab.eval_on_selector_all('table[data-table="profile"] tbody th', "all => all.map(each => each.textContent)")
    assert set(HOSTILE) == set(shown)
    assert page.tab.evaluate("[document.scripts.length, document.images.length, document.styleSheets.length]") == [5, 0, 1]
    legends = page.tab.eval_on_selector_all(".legend li", "all => all.map(each => each.textContent)")
    assert set(legends) == set(HOSTILE)
    assert quiet(page)


def test_a_page_cannot_send_anything(show: Any, tmp_path: Path) -> None:
    page = show(drawn(scenario(tmp_path, OPTIONS + PLAIN)))
    sent = page.tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.message)")
    assert sent == "Failed to fetch"
    assert any("Content Security Policy" in said for said in page.said)
    assert page.asked == [page.tab.url]


# ---- everyone can read it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(show: Any, scheme: str) -> None:
    page = show(drawn(SCENARIOS / "embedding-measured.yaml"), scheme=scheme)
    page.tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert violations(page) == []


def test_it_fits_a_phone_and_its_charts_are_drawn_there(show: Any) -> None:
    page = show(drawn(SCENARIOS / "inline-completion.yaml"), PHONE, "dark")
    assert page.tab.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert page.tab.locator(".chart svg").count() == page.tab.locator(".chart").count() == 5
    assert violations(page) == []


def test_the_theme_can_be_chosen_and_charts_follow(show: Any, tmp_path: Path) -> None:
    page = show(drawn(scenario(tmp_path, OPTIONS + PLAIN)))

    def ground() -> list[str]:
        script = (
            "[getComputedStyle(document.body).backgroundColor, document.querySelector('.chart svg path[stroke]').getAttribute('stroke')]"
        )
        found: list[str] = page.tab.evaluate(script)
        return found

    before = ground()
    page.tab.click("#theme")
    after = ground()
    assert page.tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_in_print_short_tables_are_open_and_all_is_dark_on_white_within_the_paper(show: Any) -> None:
    """A4 between its margins is about 700 px wide; the table of 28 bins stays shut, its picture is there."""
    page = show(drawn(SCENARIOS / "inline-completion.yaml"), (700, 1000), "dark")
    page.tab.emulate_media(media="print")
    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    shut = page.tab.eval_on_selector_all("details:not([open]) table", "all => all.map((each) => each.dataset.table)")
    assert shut == ["histogram"]
    assert page.tab.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 700
    assert not page.tab.is_visible("#theme")
    page.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.tab.locator("details[open]").count() == 0


def test_without_a_script_every_number_is_there(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(renderer("html").render(drawn(scenario(tmp_path, OPTIONS + PLAIN)), Page()))
    tab = browser.new_context(java_script_enabled=False).new_page()
    tab.goto(path.as_uri())
    books = decision(tmp_path, OPTIONS + PLAIN).books
    words = said(Cell(books.likely.net, "usd_signed"))
    assert tab.inner_text('[data-out="net_usd_month"]') == tab.inner_text('.card [data-key="net_usd_month"]') == words
    assert tab.is_visible("noscript p")
    tab.context.close()
