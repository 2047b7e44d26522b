"""Scenario files: both forms as the docs print them, every error with its line, column and cure, overrides, the project's policy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from edgeroi.errors import EdgeroiError, Place
from edgeroi.estimate import Range
from edgeroi.felt import Felt
from edgeroi.scenario import ManyErrors, find_policy, gate_limits, load_policy, load_scenario, load_scenarios
from edgeroi.spec import (
    Capacity,
    Cascade,
    CheckSpec,
    Condition,
    Fallback,
    FixedFee,
    GateLimits,
    Hedge,
    Materiality,
    PriceRef,
    ProjectPolicy,
    Reason,
    Route,
    RouteRule,
    Scenario,
    Split,
    StatedPrice,
)
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import LinearTime
from edgeroi.values.none import NoValue

SMALL = """\
edgeroi: 1
log: logs/litellm-nov.jsonl.zst        # volume, tokens, models, errors, latency
seen_from: gateway
users_in: {us-east: 60%, eu-west: 30%, ap-south: 10%}
workloads:
  assistant:
    now: deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo
    edge: cloudflare/@cf/meta/llama-3.3-70b-instruct-fp8-fast
    runs_on: edge
    value: {waiting: 5 to 40 USD/h, why: agents idle until the first token, by: dana}
"""

FULL = """\
edgeroi: 1
name: Search embeddings
prices_as_of: 2026-11-22
horizon: 12 months
options:
  cloud: {placement: cloud, price: deepinfra/BAAI/bge-base-en-v1.5, rtt: 95 ms, service: {p50: 20 ms, p99: 60 ms}}
  edge:
    placement: edge
    price: cloudflare/@cf/baai/bge-base-en-v1.5
    rtt: 12 ms
    round_trips: 1                         # 3 for a cold TLS connection
    service: {p50: 60 ms, p99: 300 ms}     # or log: {file: ../sample_logs/edge.jsonl, where: {placement: edge}}
    cold_start: {share: 1%, adds: 300 ms}
    fixed: 5 USD/month per account
    operations: {hours: 2 h/month, rate: 100 USD/h}
    quality: 0.97
    capacity: {servers: 4, per_site: 1}    # dedicated only
    migration: 3000 USD
  guarded: {fallback: {first: edge, then: cloud, after: 500 ms}}
workloads:
  search:
    requests: 10M /month
    tokens: {input: 100 tok, output: 0 tok}
    options: [cloud, edge, guarded]
    baseline: cloud
    runs_on: edge
    judge: e2e
    part_of: 640 ms                        # the page a person waits for; the embedding is one stage
    users: people                          # people | machines | nobody
    value: {linear_time: {waiting: 15 (5..40) USD/h, blocked: 30%}, why: ..., by: ...}
    needs: {deadline: {p99: 200 ms}, residency: none, offline: false, min_quality: 0.95}
    origin_calls: {count: 1, rtt: 40 ms}   # asked for at the edge; never silently 0
check: {materiality: 50 USD/month or 5%, edge_from: 0.90, fail_at: 0.10, waivers: []}
"""

BARE = """\
edgeroi: 1
options:
  cloud: {placement: cloud, price: deepinfra/BAAI/bge-base-en-v1.5}
  edge: {placement: edge, price: {input: 0.2 USD/Mtok}}
workloads:
  search: {requests: 10M /month, tokens: {input: 100 tok}, runs_on: edge}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return path

    return written


def point(value: float, name: str) -> Range:
    return Range.point(value, name)


# --- both forms, as printed ---


def test_the_small_form(write: Write, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "litellm-nov.jsonl.zst").touch()
    found = load_scenario(write(SMALL))
    assert (found.name, found.seen_from, found.horizon_months) == ("scenario", "gateway", 12)
    assert found.users_in == {"us-east": 0.6, "eu-west": 0.3, "ap-south": 0.1}
    assert found.log is not None
    assert found.log.files == (str(tmp_path / "logs" / "litellm-nov.jsonl.zst"),)
    workload = found.workloads["assistant"]
    assert (workload.baseline, workload.runs_on, tuple(workload.options)) == ("now", "edge", ("now", "edge"))
    now, edge = workload.options.values()
    assert (now.placement, edge.placement) == ("cloud", "edge")
    assert isinstance(edge.price, PriceRef)
    assert (edge.price.provider, edge.price.model) == ("cloudflare", "@cf/meta/llama-3.3-70b-instruct-fp8-fast")
    assert edge.model_name == "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    assert workload.value == LinearTime(
        Range(200**0.5, 5, 40, "assistant.value.waiting", "lognormal", why="agents idle until the first token"),
        why="agents idle until the first token",
        by="dana",
    )
    assert workload.requests is None
    assert found.options == {}


def test_the_full_form(write: Write) -> None:
    found = load_scenario(write(FULL))
    assert (found.name, found.prices_as_of, found.horizon_months) == ("Search embeddings", date(2026, 11, 22), 12)
    edge, guarded = found.options["edge"], found.options["guarded"]
    assert edge.rtt == point(12, "options.edge.rtt")
    assert edge.round_trips == point(1, "options.edge.round_trips")
    assert edge.service is not None
    assert edge.service.quantiles == ((0.5, point(60, "options.edge.service.p50")), (0.99, point(300, "options.edge.service.p99")))
    assert edge.cold_start is not None
    assert (edge.cold_start.share.likely, edge.cold_start.adds.likely) == (0.01, 300)
    assert edge.fixed == (FixedFee(point(5, "options.edge.fixed"), per_account=True),)
    assert edge.operations is not None
    assert edge.operations.rate is not None
    assert (edge.operations.hours.likely, edge.operations.rate.likely) == (2, 100)
    assert edge.quality == point(0.97, "options.edge.quality")
    assert edge.capacity == Capacity(servers=4, per_site=1, sites=4)
    assert edge.migration == point(3000, "options.edge.migration")
    assert guarded.policy == Fallback("edge", "cloud", point(500, "options.guarded.fallback.after"))
    assert guarded.placement is None
    assert found.uses_edge(guarded)
    assert not found.uses_edge(found.options["cloud"])
    assert [part.name for part in found.parts(guarded)] == ["edge", "cloud"]
    search = found.workloads["search"]
    assert search.requests == point(10_000_000, "search.requests")
    assert search.tokens.input == point(100, "search.tokens.input")
    assert search.tokens.output == point(0, "search.tokens.output")
    assert search.tokens.cached is None
    assert (tuple(search.options), search.baseline, search.runs_on) == (("cloud", "edge", "guarded"), "cloud", "edge")
    assert (search.judge, search.users) == ("e2e", "people")
    assert search.part_of == point(640, "search.part_of")
    waiting = Range(15, 5, 40, "search.value.linear_time.waiting", "triangular", why="...")
    assert search.value == LinearTime(waiting, point(0.3, "search.value.linear_time.blocked"), why="...", by="...")
    assert search.needs.deadline == ((0.99, point(200, "search.needs.deadline.p99")),)
    assert (search.needs.residency, search.needs.offline, search.needs.min_quality) == (None, False, 0.95)
    assert search.origin_calls is not None
    assert (search.origin_calls.count.likely, search.origin_calls.rtt.likely) == (1, 40)
    assert search.felt == Felt(0.2, 100)
    assert found.check == CheckSpec(Materiality(50, 0.05), 0.90, 0.10)


def test_every_key_has_its_place_by_its_path(write: Write) -> None:
    path = write(FULL)
    found = load_scenario(path)
    assert found.place("options.edge.rtt") == Place(str(path), 10, 5)
    assert found.place("workloads.search.needs.deadline.p99") == Place(str(path), 31, 24)
    assert found.place("search.needs.deadline.p99") == Place(str(path), 31, 24)  # as ranges are named
    assert found.place("search.needs.max_premium") == Place(str(path), 31, 5)  # the nearest that stands there
    assert found.place("nothing") == Place(str(path))
    keys = [line.split(":")[0].strip() for line in FULL.splitlines()]
    for dotted, place in found.places.items():
        assert place.line is not None
        assert place.column is not None
        line = FULL.splitlines()[place.line - 1]
        name = dotted.rpartition(".")[2]
        assert line[place.column - 1 :].startswith(name) or name.isdigit(), dotted
    assert {"edgeroi", "options", "workloads", "check"} <= set(keys)


def test_ranges_are_named_by_their_path(write: Write) -> None:
    found = load_scenario(write(FULL.replace("rtt: 12 ms", "rtt: 12 (8..30) ms")))
    assert found.options["edge"].rtt == Range(12, 8, 30, "options.edge.rtt", "triangular")


# --- the rest of the grammar ---


def test_what_is_not_said_is_none(write: Write) -> None:
    found = load_scenario(write(BARE))
    search, edge = found.workloads["search"], found.options["edge"]
    assert (found.log, found.seen_from, found.sampling, found.prices_as_of, found.users_in) == (None, None, None, None, {})
    assert (search.value, search.users, search.judge, search.part_of, search.origin_calls, search.where) == (None,) * 6
    assert search.tokens.output is None
    assert (edge.rtt, edge.service, edge.errors, edge.quality, edge.capacity, edge.assume) == (None,) * 6
    assert found.check == CheckSpec()


def test_the_only_option_that_is_not_at_the_edge_is_the_baseline(write: Write) -> None:
    assert load_scenario(write(BARE)).workloads["search"].baseline == "cloud"


def test_without_a_list_a_workload_has_all_options(write: Write) -> None:
    assert tuple(load_scenario(write(BARE)).workloads["search"].options) == ("cloud", "edge")


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("none", NoValue()),
        ("{none: , why: batch, by: kim}", None),
        ("{none: {}, why: batch, by: kim}", NoValue("batch", "kim")),
        ("{waiting: 20 USD/h, blocked: 50%, min_saving: 30 ms}", LinearTime(point(20, "w"), point(0.5, "b"), point(30, "m"))),
        ("{linear_time: {waiting: 20 USD/h, min_saving_ms: 30 ms}}", LinearTime(point(20, "w"), min_saving_ms=point(30, "m"))),
        ("{deadline: {limit: 200 ms, per_miss: 0.001 USD/miss}}", Deadline(point(200, "l"), point(0.001, "p"))),
        ("{deadline: {limit: 0.2 s, per_miss: 0.001 USD/request, hinge: true}}", Deadline(point(200, "l"), point(0.001, "p"), hinge=True)),
        (
            "{deadline: {limit: 200 ms, per_miss: 0.001 USD/miss, hinge: per_second}}",
            Deadline(point(200, "l"), point(0.001, "p"), hinge=True),
        ),
        (
            "{elasticity: {table: google2009, margin: 0.001 USD/request, reference: 20 ms}, why: x, by: y}",
            Elasticity("google2009", point(0.001, "m"), point(20, "r"), why="x", by="y"),
        ),
        ("{elasticity: {table: akamai2017, margin: 1 USD/request, accept_weak_evidence: true}}", None),
        (
            "{elasticity: {table: [[0 ms, 0%], [0.1 s, 0.2%]], margin: 0.001 USD/request}}",
            Elasticity(((0, 0), (100, 0.002)), point(0.001, "m")),
        ),
    ],
)
def test_every_value_model(write: Write, value: str, model: object) -> None:
    text = BARE.replace("runs_on: edge}", f"runs_on: edge, value: {value}}}")
    if value.startswith("{none: ,"):
        with pytest.raises(EdgeroiError, match="'none' has no value"):
            load_scenario(write(text))
        return
    found = load_scenario(write(text)).workloads["search"].value
    if model is None:
        assert isinstance(found, Elasticity)
        assert found.accept_weak_evidence
    else:
        assert unnamed(found) == unnamed(model)


def unnamed(model: object) -> object:
    """The model's fields, ranges without their names."""
    shown = {name: getattr(model, name) for name in getattr(model, "__slots__", ())}
    return type(model), {name: value.named("") if isinstance(value, Range) else value for name, value in shown.items()}


def test_quality_is_worth_something_beside_latency(write: Write) -> None:
    inside = BARE.replace("runs_on: edge}", "runs_on: edge, value: {waiting: 1 USD/h, quality_value: 0.01 USD/request}}")
    beside = BARE.replace("runs_on: edge}", "runs_on: edge, quality_value: 0.01 USD/request}")
    assert load_scenario(write(inside)).workloads["search"].quality_value == point(0.01, "search.value.quality_value")
    assert load_scenario(write(beside)).workloads["search"].quality_value == point(0.01, "search.quality_value")


def option(write: Write, text: str) -> object:
    more = BARE.replace("workloads:", f"  third: {text}\nworkloads:").replace("runs_on: edge}", "runs_on: edge, baseline: cloud}")
    return load_scenario(write(more)).options["third"]


def test_every_policy(write: Write) -> None:
    def policy(text: str) -> object:
        return getattr(option(write, text), "policy")  # noqa: B009

    def named(value: float, key: str) -> Range:
        return point(value, f"options.third.{key}")

    assert policy("{split: {edge: 30%, cloud: 70%}}") == Split((("edge", named(0.3, "split.edge")), ("cloud", named(0.7, "split.cloud"))))
    assert policy("{fallback: {first: edge, then: cloud}}") == Fallback("edge", "cloud")
    hedge = policy("{hedge: {first: edge, then: cloud, after: 80 ms, correlation: 30%}}")
    assert hedge == Hedge("edge", "cloud", named(80, "hedge.after"), named(0.3, "hedge.correlation"))
    cascade = policy("{cascade: {first: edge, then: cloud, escalated: 20%, judge: 0.0001 USD/request}}")
    assert cascade == Cascade("edge", "cloud", named(0.2, "cascade.escalated"), named(0.0001, "cascade.judge"))
    route = policy("{route: {rules: [{when: {region: [eu-west, eu-north], confidence: '>= 0.8'}, to: edge}], otherwise: cloud}}")
    assert isinstance(route, Route)
    assert route.parts == ("edge", "cloud")
    assert route.rules[0].when == (Condition("region", "in", ("eu-west", "eu-north")), Condition("confidence", ">=", ("0.8",)))


def test_what_a_policy_may_say_besides(write: Write) -> None:
    def policy(text: str) -> object:
        return getattr(option(write, text), "policy")  # noqa: B009

    watched = policy("{fallback: {first: edge, then: cloud, after: 500 ms, watch: ttft, on: timeout, abandoned: free}}")
    after = point(500, "options.third.fallback.after")
    assert watched == Fallback("edge", "cloud", after, watch="ttft", on=("timeout",), abandoned_free=True)
    assert policy("{fallback: {first: edge, then: cloud, on: [error]}}") == Fallback("edge", "cloud", on=("error",))
    sure = policy("{cascade: {first: edge, then: cloud, confidence: 0.8, judge_takes: 20 ms}}")
    assert sure == Cascade("edge", "cloud", confidence=0.8, judge_takes=point(20, "options.third.cascade.judge_takes"))
    rules = "[{when: {input_tokens: '< 50', prompt: {has_none_of: [Summarize, explain]}}, to: edge, share: 30%}]"
    routed = policy(f"{{route: {{rules: {rules}, otherwise: cloud}}}}")
    when = (Condition("input_tokens", "<", ("50",)), Condition("prompt", "has_none_of", ("summarize", "explain")))
    assert routed == Route((RouteRule(when, "edge", point(0.3, "options.third.route.rules.1.share")),), "cloud")
    rules = "[{when: {prompt: {words: '< 50', has_none_of: ['*explain*']}}, to: edge, confidence: 90%}]"
    claiming = policy(f"{{route: {{rules: {rules}, otherwise: cloud, otherwise_confidence: 0.3}}}}")
    when = (Condition("prompt", "words<", ("50",)), Condition("prompt", "has_none_of", ("*explain*",)))
    assert claiming == Route((RouteRule(when, "edge", confidence=0.9),), "cloud", 0.3)


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("{cascade: {first: edge, then: cloud}}", "which answers go on is missing", "write `escalated: 20%`"),
        (
            "{cascade: {first: edge, then: cloud, escalated: 20%, confidence: 0.8}}",
            "`escalated` and `confidence` exclude each other",
            "keep one",
        ),
        ("{fallback: {first: edge, then: cloud, on: timeout}}", "a timeout needs `after`", "write `after: 500 ms`"),
        ("{fallback: {first: edge, then: cloud, on: error, after: 1 s}}", "it falls back on errors only", "drop `after`"),
        ("{fallback: {first: edge, then: cloud, on: timeouts}}", "'timeouts' is not known here", "did you mean 'timeout'"),
        ("{fallback: {first: edge, then: cloud, after: 1 s, watch: tftt}}", "'tftt' is not known here", "did you mean 'ttft'"),
        ("{fallback: {first: edge, then: cloud, timeout: 1 s}}", "unknown key 'timeout'", "write `after: 500 ms`"),
        ("{hedge: {first: edge, then: cloud, delay: 1 s}}", "unknown key 'delay'", "write `after: 80 ms`"),
        ("{cascade: {first: edge, then: cloud, escalated: 5%, threshold: 1}}", "unknown key 'threshold'", "write `confidence: 0.8`"),
        ("{route: {rules: [{when: {latency_ms: '< 50'}, to: edge}], otherwise: cloud}}", "latency_ms is known only once", "known before"),
        (
            "{route: {rules: [{when: {input_tokens: short}, to: edge}], otherwise: cloud}}",
            "'short' is no limit of input_tokens",
            "like `< 50`",
        ),
        ("{route: {rules: [{when: {region: '< 5'}, to: edge}], otherwise: cloud}}", "region is no number", "name the values"),
        ("{route: {rules: [{when: {input_token: '< 5'}, to: edge}], otherwise: cloud}}", "'input_token' is no column", "'input_tokens'"),
        ("{route: {rules: [{when: {}, to: edge}], otherwise: cloud}}", "no condition", "stands under `otherwise`"),
        (
            "{route: {rules: [{when: {prompt: {has_none: [a]}}, to: edge}], otherwise: cloud}}",
            "unknown key 'has_none'",
            "did you mean 'has_none_of'",
        ),
        (
            "{route: {rules: [{when: {input_tokens: {has_any_of: [a]}}, to: edge}], otherwise: cloud}}",
            "input_tokens is no text",
            "like `< 50`",
        ),
        (
            "{route: {rules: [{when: {region: a}, to: edge, share: 70%}, {when: {region: b}, to: edge, share: 40%}], otherwise: cloud}}",
            "the shares add up to 1.1, more than 1",
            "the rest goes otherwise",
        ),
    ],
)
def test_what_is_wrong_in_a_policy(write: Write, text: str, message: str, fix: str) -> None:
    with pytest.raises(EdgeroiError) as raised:
        option(write, text)
    assert message in str(raised.value)
    assert fix in str(raised.value)
    assert raised.value.place is not None
    assert raised.value.place.line


def test_a_price_by_reference_has_its_context(write: Write) -> None:
    spec = option(write, "{placement: cloud, price: openai/gpt-4o, batch: true, service_tier: flex, discount: 10%}")
    assert getattr(spec, "price").context == {"processing": "batch", "service_tier": "flex"}  # noqa: B009
    assert getattr(spec, "discount") == point(0.1, "options.third.discount")  # noqa: B009
    inside = option(write, "{placement: cloud, price: {ref: openai/gpt-4o, batch: true}}")
    assert getattr(inside, "price").context == {"processing": "batch"}  # noqa: B009


def test_a_stated_price(write: Write) -> None:
    text = "{input: 0.02 USD/Mtok, cached: 0.002 USD/Mtok, output: 1 (0.8..1.2) USD/Mtok, request: 0.0001 USD/request, gpu: 0.80 USD/h}"
    price = getattr(option(write, f"{{placement: cloud, price: {text}}}"), "price")  # noqa: B009
    assert isinstance(price, StatedPrice)
    assert price.input == point(0.02, "options.third.price.input")
    assert price.output == Range(1, 0.8, 1.2, "options.third.price.output", "triangular")
    assert price.gpu == point(0.8, "options.third.price.gpu")
    assert price.cache_write is None


def test_fees_capacity_egress_and_an_assumption(write: Write) -> None:
    text = """
    placement: edge
    price: {gpu: 0.80 USD/h}
    fixed: {platform: 5 USD/month per account, address: 24 USD/year}
    capacity: {per_site: 2, sites: 3, throughput: 2500 tok/s, counts: output}
    egress: {per_request: 20 kB, price: 0.12 USD/GB}
    latency: 80 ms
    ttft: {p50: 30 ms, p99.9: 200 ms}
    errors: 0.5%
    origin_calls: {count: 0}
    assume: {why: same machine as the cloud's, by: dana}"""
    spec = option(write, text)
    assert getattr(spec, "fixed") == (  # noqa: B009
        FixedFee(point(5, "options.third.fixed.platform"), True, "platform"),
        FixedFee(point(2, "options.third.fixed.address"), False, "address"),
    )
    assert getattr(spec, "capacity") == Capacity(6, 2, 3, point(2500, "options.third.capacity.throughput"), "output")  # noqa: B009
    assert getattr(spec, "egress").per_request == point(0.00002, "options.third.egress.per_request")  # noqa: B009
    assert getattr(spec, "latency").constant == point(80, "options.third.latency")  # noqa: B009
    assert [p for p, _ in getattr(spec, "ttft").quantiles] == [0.5, 0.999]  # noqa: B009
    assert getattr(spec, "assume") == Reason("same machine as the cloud's", "dana")  # noqa: B009
    assert getattr(spec, "origin_calls").count.likely == 0  # noqa: B009


def test_a_log_with_its_rows_and_its_mapping(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    text = BARE.replace(
        "workloads:",
        "log: {file: ['*.jsonl'], where: {placement: edge, status: [200, 201]}, map: {latency_ms: total:s}, "
        "const: {workload: search}, not_error: [-100], mapping: map.yaml}\nworkloads:",
    )
    log = load_scenario(write(text)).log
    assert log is not None
    assert log.files == (str(tmp_path / "*.jsonl"),)
    assert log.where == {"placement": ("edge",), "status": ("200", "201")}
    assert (log.columns, log.constants, log.not_error) == ({"latency_ms": "total:s"}, {"workload": "search"}, ("-100",))
    assert log.mapping == str(tmp_path / "map.yaml")


def test_the_inline_option_of_a_workload_is_its_own(write: Write) -> None:
    text = "edgeroi: 1\nworkloads:\n  a: {now: x/y, edge: {price: z/w, rtt: 9 ms}, requests: 5 /s}\n  b: {now: x/q, edge: z/v}\n"
    found = load_scenario(write(text))
    a, b = found.workloads["a"], found.workloads["b"]
    assert a.options["edge"].rtt == point(9, "a.edge.rtt")
    assert a.options["edge"].placement == "edge"
    assert b.options["edge"].price != a.options["edge"].price


def test_sampling_is_a_share_or_the_tail(write: Write) -> None:
    assert load_scenario(write(BARE + "sampling: 10%\n")).sampling == 0.1
    assert load_scenario(write(BARE + "sampling: tail\n")).sampling == "tail"


def test_a_waiver_holds_to_its_last_day(write: Write) -> None:
    text = BARE + "check: {waivers: [{rule: edge-net, workload: search, why: a pilot, by: kim, expires: 2026-12-31}]}\n"
    (waiver,) = load_scenario(write(text)).check.waivers
    assert (waiver.rule, waiver.workload, waiver.reason) == ("edge-net", "search", Reason("a pilot", "kim"))
    assert waiver.place is not None
    assert (waiver.place.line, waiver.place.column) == (7, 19)
    assert waiver.holds(date(2026, 12, 31))
    assert not waiver.holds(date(2027, 1, 1))


# --- errors: each with its line, its column and what to write ---


def errors_of(write: Write, text: str) -> list[tuple[str, str | None, str, str | None]]:
    with pytest.raises(EdgeroiError) as raised:
        load_scenario(write(text))
    found = raised.value.errors if isinstance(raised.value, ManyErrors) else (raised.value,)
    return [(f"{e.place.line}:{e.place.column}" if e.place else "", e.key, e.message, e.fix) for e in found]


@pytest.mark.parametrize(
    ("old", "new", "place", "key", "message", "fix"),
    [
        # unknown keys and words, with the near miss
        ("horizon: 12", "horizn: 12", "4:1", "horizn", "unknown key 'horizn'", "did you mean 'horizon'?"),
        ("    rtt: 12", "    rrt: 12", "10:5", "options.edge.rrt", "unknown key 'rrt'", "did you mean 'rtt'?"),
        (
            "waiting: 15",
            "wating: 15",
            "30:27",
            "workloads.search.value.linear_time.wating",
            "unknown key 'wating'",
            "did you mean 'waiting'?",
        ),
        (
            "linear_time:",
            "linear_tme:",
            "30:13",
            "workloads.search.value.linear_tme",
            "unknown key 'linear_tme'",
            "did you mean 'linear_time'?",
        ),
        ("placement: edge\n", "placement: egde\n", "8:16", "options.edge.placement", "'egde' is not known here", "did you mean 'edge'?"),
        ("[cloud, edge, guarded]", "[cloud, edg]", "24:5", "workloads.search.options", "no option 'edg'", "did you mean 'edge'?"),
        ("runs_on: edge", "runs_on: egde", "26:14", "workloads.search.runs_on", "'egde' is not known here", "did you mean 'edge'?"),
        ("baseline: cloud", "baseline: clod", "25:15", "workloads.search.baseline", "'clod' is not known here", "did you mean 'cloud'?"),
        ("then: cloud,", "then: clowd,", "19:12", "options.guarded", "no option 'clowd'", "did you mean 'cloud'?"),
        ("judge: e2e", "judge: e2", "27:12", "workloads.search.judge", "'e2' is not known here", "did you mean 'e2e'?"),
        ("users: people", "users: peeple", "29:12", "workloads.search.users", "'peeple' is not known here", "did you mean 'people'?"),
        (
            "{p99: 200 ms}",
            "{p990: 200 ms}",
            "31:24",
            "workloads.search.needs.deadline.p990",
            "'p990' is no quantile",
            "write p50, p90, p95, p99 or p99.9",
        ),
        # numbers and units
        ("rtt: 12 ms", "rtt: 12", "10:10", "options.edge.rtt", "12 has no unit", "write `12 ms`"),
        ("10M /month", "10m /month", "22:15", "workloads.search.requests", "`m` in '10m /month' does not multiply", None),
        (
            "10M /month",
            "0.2 USD/Mtok",
            "22:15",
            "workloads.search.requests",
            "`0.2 USD/Mtok` is money per tokens",
            "write it like `10M /month`",
        ),
        (
            "round_trips: 1 ",
            "round_trips: 010 ",
            "11:18",
            "options.edge.round_trips",
            "'010': a number does not begin with 0",
            "write `10`",
        ),
        ("round_trips: 1 ", "round_trips: no ", "11:18", "options.edge.round_trips", "'no' is not a number", "write it like `3`"),
        ("round_trips: 1 ", "round_trips: on ", "11:18", "options.edge.round_trips", "'on' is not a number", "write it like `3`"),
        ("rtt: 12 ms", "rtt: 1:30", "10:10", "options.edge.rtt", "'1:30' could be minutes or hours", "write `90 s` or `min`, `h`"),
        ("100 tok,", "1_000 tok,", "23:21", "workloads.search.tokens.input", "'1_000 tok': digits are not grouped", "write `1000 tok`"),
        ("3000 USD", "3,000 USD", "18:16", "options.edge.migration", "'3,000 USD': digits are not grouped", "write `3000 USD`"),
        (
            "servers: 4",
            "servers: 4.5",
            "17:25",
            "options.edge.capacity.servers",
            "'4.5' is not a whole number from 1 on",
            "write it like `4`",
        ),
        ("2026-11-22", "22.11.2026", "3:15", "prices_as_of", "'22.11.2026' is not a day", "write a day like `2026-11-22`"),
        ("2026-11-22", "2026-02-30", "3:15", "prices_as_of", "'2026-02-30' is not a day", "write a day like `2026-11-22`"),
        ("12 months", "12 to 24 months", "4:1", "horizon", "one number is wanted, not a range", "write it like `12 months`"),
        ("edge_from: 0.90", "edge_from: 90", "33:53", "check.edge_from", "90 is above 100 %", "write `90%`"),
        ("50 USD/month or 5%", "50 or 5%", "33:22", "check.materiality", "50 has no unit", "write `50 USD/month`"),
        (
            "50 USD/month or 5%",
            "5% or 3%",
            "33:22",
            "check.materiality",
            "one limit in USD/month and one in %",
            "write it like `50 USD/month or 5%`",
        ),
        # kinds
        ("offline: false", "offline: no", "31:64", "workloads.search.needs.offline", "'no' is not true or false", "write false"),
        (
            "offline: false",
            "offline: 'false'",
            "31:64",
            "workloads.search.needs.offline",
            "'false' is not true or false",
            "write true or false, without quotes",
        ),
        ("name: Search embeddings", "name: 1.10", "2:7", "name", "a text is wanted, and 1.10 is a number", 'quote it: "1.10"'),
        ("name: Search embeddings", "name:", "2:1", "name", "no value", "write one, or delete the key"),
        ("rtt: 12 ms", "rtt: {p50: 12 ms}", "10:10", "options.edge.rtt", "one value is wanted, not a mapping", "write it like `150 ms`"),
        ("cold_start: {share: 1%, adds: 300 ms}", "cold_start: 1%", "13:17", "options.edge.cold_start", "a mapping is wanted", None),
        ("waivers: []", "waivers: none", "33:83", "check.waivers", "a list is wanted", None),
        # what is missing
        ("edgeroi: 1\n", "# 1\n", "2:1", None, "`edgeroi` is missing", "begin with `edgeroi: 1`, the version of this grammar"),
        ("edgeroi: 1\n", "edgeroi: 2\n", "1:1", "edgeroi", "version '2' is not read here", "write `edgeroi: 1`, or use a newer edgeroi"),
        ("adds: 300 ms", "", "13:17", "options.edge.cold_start", "`adds` is missing", "write it like `150 ms`"),
        ("    placement: edge\n", "", "8:5", "options.edge", "`placement` is missing", "write one of edge, regional, cloud, device"),
        (
            "first: edge, then: cloud",
            "first: edge",
            "19:23",
            "options.guarded.fallback",
            "`then` is missing",
            "name the option that is asked next",
        ),
        (
            "count: 1, rtt: 40 ms",
            "count: 1",
            "32:20",
            "workloads.search.origin_calls.count",
            "`rtt` is missing: how far",
            "write `rtt: 40 ms`",
        ),
        ("offline: false", "offline: true", "31:55", "workloads.search.needs.offline", "a requirement needs `why` and `by`", None),
        ("residency: none", "residency: eu, why: law", "31:38", "workloads.search.needs.residency", "a requirement needs `by`", None),
        (
            "{waiting: 15 (5..40) USD/h, ",
            "{",
            "30:26",
            "workloads.search.value.linear_time",
            "`waiting` is missing",
            "write it like `100 USD/h`",
        ),
        (
            "{p50: 60 ms, p99: 300 ms}",
            "{p99: 300 ms}",
            "12:14",
            "options.edge.service",
            "p50 is missing",
            "write `service: {p50: 20 ms, p99: 60 ms}`",
        ),
        # what contradicts itself
        (
            "{p50: 60 ms, p99: 300 ms}",
            "{p50: 600 ms, p99: 300 ms}",
            "12:28",
            "options.edge.service",
            "p99 is 300 ms, below p50 with 600 ms",
            None,
        ),
        ("    rtt: 12 ms", "    latency: 80 ms", "12:5", "options.edge.service", None, "keep one"),
        ("per_site: 1", "per_site: 3", "17:28", "options.edge.capacity.per_site", "4 servers cannot stand 3 at each site", None),
        ("per_site: 1", "per_site: 2, sites: 3", "17:41", "options.edge.capacity.sites", "3 sites with 2 servers each are 6, not 4", None),
        ("output: 0 tok", "cached: 200 tok", "23:30", "workloads.search.tokens.cached", "200 cached tokens of 100 input tokens", None),
        ("baseline: cloud", "baseline: edge", "25:5", "workloads.search.baseline", "'edge' is at the edge", None),
        ("[cloud, edge, guarded]", "[cloud, edge, cloud]", "24:28", "workloads.search.options", "'cloud' stands twice", "keep one"),
        (
            "value: {linear_time",
            "value: {deadline: {limit: 1 s, per_miss: 1 USD/miss}, linear_time",
            "30:59",
            "workloads.search.value.linear_time",
            None,
            "keep one model",
        ),
        (
            "then: cloud,",
            "then: guarded,",
            "19:12",
            "options.guarded",
            "the policy leads back to itself: guarded -> guarded",
            "break the circle",
        ),
        (
            "{fallback: {first: edge, then: cloud, after: 500 ms}}",
            "{split: {edge: 50%, cloud: 60%}}",
            "19:21",
            "options.guarded.split.edge",
            "the shares add up to 1.1, not to 1",
            "make them add up to 100%",
        ),
        # prices and references
        (
            "price: cloudflare/@cf/baai/bge-base-en-v1.5",
            "price: bge-base",
            "9:12",
            "options.edge.price",
            "'bge-base' is not a price reference",
            None,
        ),
        (
            "price: cloudflare/@cf/baai/bge-base-en-v1.5",
            "price: 0.2 USD/Mtok",
            "9:12",
            "options.edge.price",
            "'0.2 USD/Mtok' is not a price reference",
            "name what it buys: `{input: 0.02 USD/Mtok}`",
        ),
        (
            "price: cloudflare/@cf/baai/bge-base-en-v1.5",
            "price: {inptu: 1 USD/Mtok}",
            "9:13",
            "options.edge.price.inptu",
            "unknown key 'inptu'",
            "did you mean 'input'?",
        ),
        # waivers
        (
            "waivers: []",
            "waivers: [{rule: edge-nett, why: x, by: y, expires: 2026-12-01}]",
            "33:91",
            "check.waivers.rule",
            "'edge-nett' is not known here",
            "did you mean 'edge-net'?",
        ),
        (
            "waivers: []",
            "waivers: [{rule: edge-net, why: x, by: y}]",
            "33:84",
            "check.waivers",
            "`expires` is missing",
            "write a day like `2026-11-22`",
        ),
        ("waivers: []", "waivers: [{rule: edge-net, by: y, expires: 2026-12-01}]", "33:84", "check.waivers", "`why` is missing", "say why"),
        (
            "waivers: []",
            "waivers: [{rule: needs, workload: serch, why: x, by: y, expires: 2026-12-01}]",
            "33:108",
            "check.waivers.workload",
            "'serch' is not known here",
            "did you mean 'search'?",
        ),
    ],
)
def test_an_error_has_its_line_its_column_its_key_and_its_cure(
    write: Write, old: str, new: str, place: str, key: str | None, message: str | None, fix: str | None
) -> None:
    assert old in FULL
    found = errors_of(write, FULL.replace(old, new))
    assert found[0][:2] == (place, key), found
    if message is not None:
        assert found[0][2].startswith(message)
    if fix is not None:
        assert found[0][3] == fix


def test_all_mistakes_of_a_file_are_told_at_once_in_their_order(write: Write) -> None:
    text = (
        FULL.replace("12 months", "12").replace("rtt: 12 ms", "rtt: 12").replace("judge: e2e", "judge: e2").replace("fail_at", "fail_att")
    )
    found = errors_of(write, text)
    assert [place for place, *_ in found] == ["4:10", "10:10", "27:12", "33:59"]


def test_ten_of_many_mistakes_are_shown(write: Write) -> None:
    text = "edgeroi: 1\n" + "".join(f"k{n}: 1\n" for n in range(13)) + "workloads: {a: {now: x/y, edge: z/w}}\n"
    with pytest.raises(ManyErrors) as raised:
        load_scenario(write(text))
    lines = str(raised.value).splitlines()
    assert len(lines) == 11
    assert lines[0].endswith("scenario.yaml:2:1 k0: unknown key 'k0'; known: " + lines[0].rpartition("known: ")[2])
    assert lines[-1] == "and 3 more"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "not a scenario: a mapping is wanted"),
        ("- a", "1:1", "not a scenario: a mapping is wanted"),
        ("edgeroi: 1\n", "1:1", "`workloads` is missing"),
        ("edgeroi: 1\nworkloads: {}\n", "2:1", "no workload"),
        ("edgeroi: 1\nworkloads: {a: {requests: 1 /s}}\n", "2:16", "no option serves it"),
        ("edgeroi: 1\nworkloads: {a: {edge: x/y}}\n", "2:17", "what runs now is not said, and there is no log to tell"),
        (
            "edgeroi: 1\noptions: {e: {placement: edge, price: x/y}}\nworkloads: {a: {options: [e]}}\n",
            "3:16",
            "no baseline is named, and every",
        ),
        ("edgeroi: 1\nworkloads: {a: {now: x/y, edge: foo}}\n", "2:33", "'foo' is not a price reference"),
        ("edgeroi: 1\nusers_in: {a: 50%, b: 40%}\nworkloads: {a: {now: x/y, edge: z/w}}\n", "2:11", "the shares add up to 0.9, not to 1"),
        ("edgeroi: 1\nlog: none.jsonl\nworkloads: {a: {edge: z/w}}\n", "2:6", "no such file: none.jsonl"),
        ("edgeroi: 1\nlog: '*.jsonl'\nworkloads: {a: {edge: z/w}}\n", "2:6", "no file matches *.jsonl"),
        (
            "edgeroi: 1\nlog: {file: scenario.yaml, where: {modle: x}}\nworkloads: {a: {edge: z/w}}\n",
            "2:36",
            "'modle' is no column of a log",
        ),
    ],
)
def test_what_is_no_scenario(write: Write, text: str, place: str, message: str) -> None:
    found = errors_of(write, text)
    assert found[0][0] == place, found
    assert found[0][2].startswith(message)
    assert len(found) == 1, found


def test_a_log_with_a_near_miss_beside_the_scenario(write: Write, tmp_path: Path) -> None:
    (tmp_path / "november.jsonl").touch()
    found = errors_of(write, "edgeroi: 1\nlog: novembre.jsonl\nworkloads: {a: {edge: z/w}}\n")
    assert found[0][3] == "did you mean 'november.jsonl'?"


def test_weak_evidence_has_to_be_accepted_by_name(write: Write) -> None:
    value = "value: {elasticity: {table: akamai2017, margin: 0.001 USD/request}}"
    ((place, key, message, fix),) = errors_of(write, BARE.replace("runs_on: edge}", f"runs_on: edge, {value}}}"))
    assert place == f"6:{BARE.splitlines()[5].index('runs_on') + len('runs_on: edge, value: {elasticity: {') + 1}"
    assert key == "workloads.search.value"
    assert message.startswith("akamai2017 is weak evidence (grade C")
    assert fix is not None
    assert "accept_weak_evidence: true" in fix


# --- overrides ---


def test_an_override_changes_the_tree_before_it_is_read(write: Write) -> None:
    found = load_scenario(
        write(FULL),
        [
            "workloads.search.value.linear_time.waiting=25 USD/h",
            "options.edge.rtt=10 (8..12) ms",
            "check.on_undecided=fail",
            "search.judge=ttft",
        ],
    )
    search = found.workloads["search"]
    assert search.value is not None
    assert getattr(search.value, "waiting") == point(25, "search.value.linear_time.waiting")  # noqa: B009
    assert found.options["edge"].rtt == Range(10, 8, 12, "options.edge.rtt", "triangular")
    assert found.check.on_undecided == "fail"
    assert search.judge == "ttft"
    assert found.overrides[0] == ("workloads.search.value.linear_time.waiting", "25 USD/h")
    assert found.place("options.edge.rtt") == Place("--set options.edge.rtt")


def test_an_override_may_be_a_mapping_and_may_add_a_key(write: Write) -> None:
    found = load_scenario(
        write(BARE), [("search.needs", "{deadline: {p99: 200 ms}}"), ("horizon", "1 year"), ("check.materiality", "10 USD/month")]
    )
    assert found.workloads["search"].needs.deadline[0][1].likely == 200
    assert found.check.materiality == Materiality(10, None)


def test_a_name_with_dots_is_one_key(write: Write) -> None:
    text = BARE.replace("search:", "gpt-4.1:")
    assert load_scenario(write(text), ["workloads.gpt-4.1.requests=1 /s"]).workloads["gpt-4.1"].requests == point(
        2628000, "gpt-4.1.requests"
    )


@pytest.mark.parametrize(
    ("given", "place", "message", "fix"),
    [
        ("workloads.serch.requests=1 /s", "--set workloads.serch.requests", "no workload 'serch'", "did you mean 'search'?"),
        ("options.egde.rtt=1 ms", "--set options.egde.rtt", "no option 'egde'", "did you mean 'edge'?"),
        ("options.edge.rrt=1 ms", "--set options.edge.rrt", "unknown key 'rrt'", "did you mean 'rtt'?"),
        ("workload.search.requests=1 /s", "--set workload.search.requests", "unknown key 'workload'", "did you mean 'workloads'?"),
        ("options.edge.rtt=12", "--set options.edge.rtt", "12 has no unit", "write `12 ms`"),
        ("options.edge.rtt.p50=12 ms", "--set options.edge.rtt.p50", "`edge.rtt` holds one value, not keys", None),
        ("options.edge.rtt=[a", "--set options.edge.rtt", "not YAML", None),
        ("options.edge.rtt", None, "'options.edge.rtt' is not PATH=VALUE", None),
    ],
)
def test_an_override_that_cannot_be_names_its_path(write: Write, given: str, place: str | None, message: str, fix: str | None) -> None:
    with pytest.raises(EdgeroiError) as raised:
        load_scenario(write(FULL), [given])
    assert raised.value.message.startswith(message)
    if place is not None:
        assert str(raised.value.place) == place
    if fix is not None:
        assert raised.value.fix == fix


# --- several files, and the project's policy ---

POLICY = """\
edgeroi: 1
rates:
  support: {rate: 15 (5..40) USD/h, why: payroll 2026, by: finance}
  margin: 0.001 USD/request
discounts: {cloudflare: 10%, aws: -10%}
materiality: 20 USD/month or 2%
fail_at: 20%
on_undecided: fail
"""


def test_a_folder_is_its_scenarios_each_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.yaml").write_text(BARE)
    (tmp_path / "deep" / "a.yml").write_text(BARE)
    (tmp_path / "prices.yaml").write_text("offers: []\n")
    (tmp_path / "edgeroi.yaml").write_text(POLICY)
    found = load_scenarios([tmp_path, tmp_path / "b.yaml"])
    assert [Path(each.file).name for each in found] == ["b.yaml", "a.yml"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(EdgeroiError, match="no scenario in this folder"):
        load_scenarios([tmp_path / "empty"])


def test_a_broken_file_in_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "b.yaml").write_text(BARE)
    assert len(load_scenarios([tmp_path])) == 1  # not one of ours
    for ours in ("edgeroi: 1\nedgeroi: 1\n", "{workloads: 1, workloads: 2}\n", "\ufeffworkloads: !Ref x\n", "edgeroi: 1\nworklods: {}\n"):
        (tmp_path / "a.yaml").write_text(ours)
        with pytest.raises(EdgeroiError, match=r"a\.yaml:"):
            load_scenarios([tmp_path])


def test_hidden_folders_and_other_peoples_yaml_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.yaml").write_text("edgeroi: 2\n")
    (tmp_path / "deploy.yaml").write_text("spec:\n  workloads: !Ref y\n")
    (tmp_path / "b.yaml").write_text(BARE)
    assert [Path(each.file).name for each in load_scenarios([tmp_path])] == ["b.yaml"]


def test_a_rate_of_the_project_goes_by_its_name(tmp_path: Path, write: Write) -> None:
    (tmp_path / "edgeroi.yaml").write_text(POLICY)
    policy = load_policy(tmp_path / "edgeroi.yaml")
    assert policy.rates["support"].reason == Reason("payroll 2026", "finance")
    assert policy.discounts["cloudflare"].likely == 0.1
    assert policy.discounts["aws"].likely == -0.1
    text = BARE.replace("runs_on: edge}", "runs_on: edge, value: {waiting: support}}")
    (found,) = load_scenarios([write(text)])
    value = found.workloads["search"].value
    assert isinstance(value, LinearTime)
    assert value.waiting == Range(
        15, 5, 40, "rates.support", "triangular", why="payroll 2026"
    )  # one name: it moves together wherever it is used
    with pytest.raises(EdgeroiError) as raised:
        load_scenario(write(text.replace("waiting: support", "waiting: suport")), policy=policy)
    assert (raised.value.message, raised.value.fix) == ("no rate 'suport' in the project's policy", "did you mean 'support'?")
    with pytest.raises(EdgeroiError, match="is money per requests, USD/h is wanted"):
        load_scenario(write(text.replace("waiting: support", "waiting: margin")), policy=policy)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("materiality", "materialty", "6:1", "unknown key 'materialty'"),
        ("15 (5..40) USD/h", "15", "3:19", "15 has no unit"),
        ("discounts: {cloudflare: 10%", "discounts: {cloudflare: 10", "5:25", "10 is above 100 %"),
        ("edgeroi: 1\n", "", "1:1", "`edgeroi` is missing"),
    ],
)
def test_a_policy_is_read_as_strictly(tmp_path: Path, old: str, new: str, place: str, message: str) -> None:
    path = tmp_path / "edgeroi.yaml"
    path.write_text(POLICY.replace(old, new))
    with pytest.raises(EdgeroiError) as raised:
        load_policy(path)
    assert str(raised.value.place) == f"{path}:{place}"
    assert raised.value.message.startswith(message)


def test_the_policy_is_the_nearest_one_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    deep = tmp_path / "repo" / "scenarios" / "x"
    deep.mkdir(parents=True)
    (tmp_path / "edgeroi.yaml").write_text(POLICY)
    (tmp_path / "repo" / ".git").mkdir()
    scenario = deep / "a.yaml"
    scenario.write_text(BARE)
    assert find_policy(scenario) is None
    (tmp_path / "repo" / "edgeroi.yaml").write_text(POLICY)
    assert find_policy(scenario) == tmp_path / "repo" / "edgeroi.yaml"
    assert find_policy(deep) == tmp_path / "repo" / "edgeroi.yaml"


def test_the_stricter_of_scenario_and_project_holds() -> None:
    policy = ProjectPolicy("p", check=CheckSpec(Materiality(20, 0.02), fail_at=0.2, on_undecided="fail"))
    assert gate_limits(CheckSpec()) == GateLimits(Materiality(50, 0.05), 0.90, 0.10, "warn")
    assert gate_limits(CheckSpec(Materiality(500, 0.5), 0.5, 0.01, "warn"), policy) == GateLimits(Materiality(20, 0.02), 0.5, 0.2, "fail")
    assert gate_limits(CheckSpec(Materiality(5, None)), policy).materiality == Materiality(5, 0.02)
    assert gate_limits(CheckSpec(Materiality(100, None))).materiality == Materiality(100, None)  # the scenario's own, without a project's


def test_loading_is_the_same_twice(write: Write) -> None:
    path = write(FULL)
    first: Scenario = load_scenario(path)
    assert first == load_scenario(path)
