"""An experiment from its log to its decision: guards before results, arms weighted to one mix, pairs, margins, saved profiles."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_schemas import broken_by

import edgeroi
from edgeroi.ab_report import ab_report, summary
from edgeroi.arms import Requests
from edgeroi.cli.main import run
from edgeroi.errors import EdgeroiError
from edgeroi.guards import at_once, mix_of, sample_ratio

HOUR_NS = 3_600_000_000_000


def told(n=1200, seed=1, arms=("cloud", "edge"), factor=0.8, **columns):
    """A log of ``n`` requests, each drawn into an arm; the second arm's latency is the first's times ``factor``."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    frame = pd.DataFrame({
        "timestamp": pd.Timestamp("2026-11-02", tz="UTC") + pd.to_timedelta(rng.integers(0, 5 * 86400, n), unit="s"),
        "placement": np.array(arms)[arm],
        "workload": "search",
        "latency_ms": np.exp(5 + 0.4 * rng.standard_normal(n)) * np.where(arm, factor, 1.0),
        "status": 200,
        "user_id": [f"u{code}" for code in rng.integers(0, n // 4, n) * 2 + arm],
        "input_tokens": rng.integers(10, 60, n),
    })  # fmt: skip
    return frame.assign(**columns)


def effect_of(experiment, metric="p50", workload="search"):
    found = [e for e in experiment.document["effects"] if (e["metric"], e["workload"]) == (metric, workload)]
    return found[0]


def guard_of(trial, name):
    return next(guard for guard in trial.guards if guard.name == name)


def written(frame, path):
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in frame.to_dict("records")))
    return path


def ended(*args):
    with pytest.raises(SystemExit) as end:
        run([str(arg) for arg in args])
    return end.value.code


# --- guards ---


@pytest.mark.parametrize(
    ("counts", "status", "chi_square", "p"),
    [((5000, 5000), "ok", 0.0, 1.0), ((5150, 4850), "warning", 9.0, 0.0027), ((5200, 4800), "invalid", 16.0, 6.3e-5)],
)
def test_arms_of_unequal_size(counts, status, chi_square, p):
    guard = sample_ratio(dict(zip("ab", counts, strict=True)), {"a": 1, "b": 1})
    assert (guard.status, guard.numbers["chi_square"]) == (status, pytest.approx(chi_square))
    assert guard.numbers["p"] == pytest.approx(p, rel=0.01)


def test_arms_of_a_stated_split():
    assert sample_ratio({"edge": 1000, "cloud": 9000}, {"edge": 10, "cloud": 90}).status == "ok"
    assert sample_ratio({"edge": 1000, "cloud": 9000}, {"edge": 1, "cloud": 1}).status == "invalid"


def test_an_invalid_experiment_has_no_results(tmp_path, capsys):
    """Two thirds of the edge's users never reached the log."""
    frame = told(3000)
    frame = frame[(frame.placement == "cloud") | (frame.user_id.str[1:].astype(int) % 3 == 0)]
    log = written(frame, tmp_path / "x.jsonl")
    assert ended("ab", log, "--arm", "placement", "--unit", "user_id", "--save", tmp_path / "x.profile", "--format", "json") == 3
    document = json.loads(capsys.readouterr().out)
    assert broken_by("ab", document) == []
    assert (document["valid"], document["effects"], document["trials"]) == (False, [], [])
    assert "chi-square" in document["invalid_reasons"][0]
    assert not (tmp_path / "x.profile").exists()
    assert ended("ab", log, "--arm", "placement", "--unit", "user_id") == 3
    assert capsys.readouterr().out.startswith("INVALID: sample ratio")
    assert ended("ab", log, "--arm", "placement", "--unit", "user_id", "--split", "none") == 0


@pytest.mark.parametrize(
    ("control", "treated", "status", "overlap"),
    [
        ((0, 100), (0, 100), "ok", 1.0),
        ((0, 60), (40, 100), "warning", 0.2),
        ((0, 40), (60, 100), "warning", 0.0),
        (None, (0, 1), "unknown", None),
    ],
)
def test_arms_at_the_same_time(control, treated, status, overlap):
    guard = at_once(*(None if span is None else tuple(at * HOUR_NS for at in span) for span in (control, treated)))
    assert (guard.status, guard.numbers.get("overlap")) == (status, overlap)


def test_a_router_that_sends_the_edge_the_short_prompts_is_named_and_weighted_out():
    """Both arms take 100 ms for short and 300 ms for long prompts; the edge gets 80 % short ones, the cloud 40 %."""
    rng = np.random.default_rng(4)
    n = 6000
    edge = rng.random(n) < 0.5
    short = rng.random(n) < np.where(edge, 0.8, 0.4)
    frame = told(n, arms=("cloud", "edge")).assign(
        placement=np.where(edge, "edge", "cloud"),
        input_tokens=np.where(short, 20, 2000),
        latency_ms=np.where(short, 100, 300) * np.exp(0.3 * rng.standard_normal(n)),
    )
    found = edgeroi.ab(frame, arm="placement", deadline_ms=250)
    guard = guard_of(found.trials[0], "same requests")
    assert guard.status == "warning"
    assert "input tokens (39.4% would have to move)" in guard.said
    p50, miss = effect_of(found), effect_of(found, "miss_ratio")
    assert p50["crude"]["relative"] < -0.3
    assert not p50["shown"]
    assert not miss["shown"]
    # By strata: the mean of both arms' misses, weighted to the pooled mix, worked with pandas.
    late = frame.assign(late=frame.latency_ms > 250)
    pooled = late.input_tokens.value_counts(normalize=True)
    by_hand = (late.groupby(["placement", "input_tokens"]).late.mean().unstack() * pooled).sum(axis=1)
    assert miss["candidate"]["value"] == pytest.approx(by_hand["edge"])
    assert miss["baseline"]["value"] == pytest.approx(by_hand["cloud"])


def test_arms_that_hold_nothing_alike_are_not_compared():
    frame = told(2000)
    frame["input_tokens"] = np.where(frame.placement == "edge", 20, 2000)
    trial = edgeroi.ab(frame, arm="placement").trials[0]
    assert (trial.decision, trial.findings) == ("undecided", ())
    assert trial.why == "the arms hold different requests"


def test_weights_do_not_change_what_is_alike():
    rows = Requests(np.zeros(4000, bool), {"latency_ms": np.ones(4000), "input_tokens": np.tile([10.0, 300.0], 2000)})
    mix = mix_of(rows, rows)
    assert (mix.guard.status, mix.standardised) == ("ok", None)


def test_users_who_ask_twice_are_not_passed_over():
    each = 2000 / told(2000).user_id.nunique()
    assert f"{each:.3g} requests of each user_id are taken to be independent" in edgeroi.ab(told(2000), arm="placement").notes[-1]
    assert "taken to be independent; --unit" in edgeroi.ab(told(2000).drop(columns="user_id"), arm="placement").notes[-1]


def test_users_in_both_arms_are_told():
    frame = told(2000).assign(user_id=[f"u{i % 300}" for i in range(2000)])
    trial = edgeroi.ab(frame, arm="placement", unit="user_id").trials[0]
    assert guard_of(trial, "units apart").status == "warning"


# --- effects and decisions ---


def test_a_faster_arm_is_taken_and_the_table_reads_like_benchstats(tmp_path, capsys):
    log = written(told(4000), tmp_path / "x.jsonl")
    assert ended("ab", log, "--arm", "placement", "--unit", "user_id", "--deadline", "250ms") == 0
    out = capsys.readouterr().out
    assert out.startswith("edge for search\n")
    found = edgeroi.ab(log, arm="placement", unit="user_id", deadline_ms=250)
    p50 = effect_of(found)
    assert (p50["baseline"]["arm"], p50["candidate"]["arm"], p50["decision"]) == ("cloud", "edge", "better")
    assert p50["relative"] == pytest.approx(-0.2, abs=0.04)
    low, high = (100 * end for end in p50["interval"]["relative"])
    assert f"{100 * p50['relative']:.1f}".removesuffix(".0") + f"% [{low:.1f}".removesuffix(".0") in out
    assert low < -20 < high < 0


def test_no_difference_says_what_would_have_been_shown():
    found = edgeroi.ab(told(3000, factor=1.0), arm="placement")
    p50 = effect_of(found)
    assert (found.trials[0].decision, p50["decision"]) == ("no_difference", "same")
    # Two medians of about 1,500 lognormals of sigma 0.4: standard error sqrt(2 x pi/2 x 0.16/1500), x 2.8.
    assert p50["mde"] == pytest.approx(math.expm1(2.8016 * math.sqrt(math.pi * 0.16 / 1500)), rel=0.15)


def test_money_for_time_is_a_trade_that_compare_prices():
    frame = told(4000)
    frame["cost_usd"] = np.where(frame.placement == "edge", 3e-4, 1e-4) * np.random.default_rng(2).lognormal(0, 0.2, 4000)
    found = edgeroi.ab(frame, arm="placement")
    cost = effect_of(found, "cost_usd")
    assert found.trials[0].decision == "trade"
    assert cost["absolute"] == pytest.approx(0.2 * math.exp(0.02), rel=0.05)  # USD per 1,000 requests
    assert found.document["summary"] == "edge at a price for search"
    lines = ab_report(found).sections[0].lines
    assert "it costs +$0.2" in lines[1]
    assert "edgeroi compare says what waiting must be worth" in lines[1]


@pytest.mark.parametrize(
    ("margin", "loss", "decision", "no_worse"), [(0.05, 0.0, "use", True), (0.001, 0.0, "undecided", False), (0.02, 0.08, "keep", False)]
)
def test_quality_is_held_to_the_stated_margin(margin, loss, decision, no_worse):
    frame = told(4000)
    frame["quality"] = np.clip(0.8 + 0.1 * np.random.default_rng(3).standard_normal(4000) - loss * (frame.placement == "edge"), 0, 1)
    trial = edgeroi.ab(frame, arm="placement", margin=margin).trials[0]
    assert (trial.decision, trial.no_worse) == (decision, no_worse)


def test_a_margin_without_quality_decides_nothing():
    assert edgeroi.ab(told(), arm="placement", margin=0.02).trials[0].decision == "undecided"


def test_failures_are_misses_and_never_make_an_arm_fast():
    frame = told(6000, factor=1.0)
    failing = (frame.placement == "edge") & (np.arange(6000) % 8 == 0)
    frame.loc[failing, ["status", "latency_ms"]] = 500, 1.0
    found = edgeroi.ab(frame, arm="placement", deadline_ms=1000)
    assert effect_of(found, "miss_ratio")["decision"] == "worse"
    p95 = effect_of(found, "p95")
    assert p95["candidate"]["lower_bound"]
    assert p95["candidate"]["value"] is None
    assert effect_of(found)["decision"] != "better"
    table = found.to_frame().set_index("metric")
    assert pd.isna(table.loc["p95", "treated"])
    assert table.loc["p95", "treated_low"] > table.loc["p95", "control_low"]


def test_three_arms_are_each_held_against_the_control():
    frame = pd.concat([told(3000), told(1500, seed=5).assign(placement="regional")], ignore_index=True)
    found = edgeroi.ab(frame, arm="placement", split={"cloud": 1, "edge": 1, "regional": 1})
    assert [(trial.control, trial.treated) for trial in found.trials] == [("cloud", "edge"), ("cloud", "regional")]
    assert found.document["arms"] == ["cloud", "edge", "regional"]
    assert sum(e["metric"] == "p50" for e in found.document["effects"]) == 2
    assert [trial.decision for trial in found.trials] == ["use", "use"]


def test_pairs_are_analysed_as_pairs():
    """Each payload is asked of both arms; what it takes varies tenfold, what the edge saves hardly."""
    rng = np.random.default_rng(8)
    work = np.exp(5 + 0.6 * rng.standard_normal(1500))
    takes = {"cloud": work, "edge": 0.97 * work}
    pair = [f"p{i}" for i in range(1500)]
    sides = [
        told(1500).assign(placement=arm, pair_id=pair, latency_ms=ms * np.exp(0.02 * rng.standard_normal(1500)))
        for arm, ms in takes.items()
    ]
    frame = pd.concat(sides, ignore_index=True)
    found = edgeroi.ab(frame, arm="placement")
    assert found.document["unit"] == "pair"
    assert effect_of(found)["decision"] == "better"
    assert effect_of(edgeroi.ab(frame.drop(columns="pair_id"), arm="placement"))["decision"] == "same"
    pairs = found.document["trials"][0]["pairs"]
    apart = np.sort(sides[1].latency_ms.to_numpy() - sides[0].latency_ms.to_numpy())
    low, high = (int(stats.binom.ppf(q, 1500, 0.5)) for q in (0.025, 0.975))
    assert (pairs["n"], pairs["p50_ms"]) == (1500, pytest.approx(apart[749], abs=1e-6))
    assert pairs["interval"] == [pytest.approx(apart[low - 1], abs=1e-6), pytest.approx(apart[high], abs=1e-6)]


def test_over_many_workloads_one_chance_is_no_finding():
    """40 workloads without an effect: by themselves some are shown, over all of them none is."""
    frame = told(40_000, factor=1.0).assign(workload=[f"w{i % 40:02d}" for i in range(40_000)])
    found = edgeroi.ab(frame, arm="placement")
    effects = [e for e in found.document["effects"] if e["metric"] == "p50"]
    q_values = stats.false_discovery_control([e["p"] for e in effects])
    assert [e["q"] for e in effects] == pytest.approx(list(q_values))
    assert min(e["p"] for e in effects) < 0.05
    assert not any(e["shown"] for e in effects)


def test_sequential_intervals_are_wider_and_say_so(tmp_path, capsys):
    log = written(told(4000), tmp_path / "x.jsonl")
    one, every = (edgeroi.ab(log, arm="placement", sequential=sequential) for sequential in (False, True))
    widths = [np.diff(effect_of(found)["interval"]["relative"])[0] for found in (one, every)]
    assert 1.3 < widths[1] / widths[0] < 3
    assert ended("ab", log, "--arm", "placement", "--sequential") == 0
    assert "always valid" in capsys.readouterr().out


# --- saved profiles, and what a scenario can name ---


def test_two_saved_profiles_are_two_arms(tmp_path, capsys):
    frame = told(6000)
    for name, arm in (("before", "cloud"), ("after", "edge")):
        log = written(frame[frame.placement == arm], tmp_path / f"{name}.jsonl")
        assert ended("profile", log, "--save", tmp_path / f"{name}.profile") == 0
    capsys.readouterr()
    paths = [tmp_path / "before.profile", tmp_path / "after.profile"]
    found, rows = edgeroi.ab(paths, deadline_ms=200), edgeroi.ab(frame, arm="placement", deadline_ms=200)
    for metric in ("p50", "p95", "miss_ratio", "error_ratio"):
        counted, listed = effect_of(found, metric), effect_of(rows, metric)
        assert counted["absolute"] == pytest.approx(listed["absolute"], rel=0.02, abs=1e-9), metric
        assert counted["interval"]["absolute"] == pytest.approx(listed["interval"]["absolute"], rel=0.02, abs=0.3), metric
    assert found.document["control"] == "before"
    assert any("independent" in note for note in found.notes)
    assert found.trials[0].decision == "use"
    assert ended("ab", *paths, "--unit", "user_id") == 2
    assert ended("ab", *paths, "--save", tmp_path / "both.profile") == 2


def test_what_is_saved_is_a_log_by_arm_for_a_scenario(tmp_path, capsys):
    log = written(told(2000).rename(columns={"placement": "variant"}), tmp_path / "x.jsonl")
    assert ended("ab", log, "--save", tmp_path / "x.profile") == 0
    capsys.readouterr()
    profile = edgeroi.profile(tmp_path / "x.profile", by=("workload", "variant"))
    assert {group.key["variant"]: group.tally.requests for group in profile.groups} == told(2000).placement.value_counts().to_dict()
    again = edgeroi.ab(tmp_path / "x.profile")
    assert effect_of(again)["relative"] == pytest.approx(effect_of(edgeroi.ab(log))["relative"], abs=0.002)


def test_a_dearer_arm_of_saved_profiles_is_no_free_gain(tmp_path):
    """A profile keeps the sum of the costs and not their spread: twice the cost cannot be judged, and is not passed over."""
    frame = told(4000)
    frame["cost_usd"] = np.where(frame.placement == "edge", 2e-4, 1e-4)
    for arm in ("cloud", "edge"):
        log = written(frame[frame.placement == arm], tmp_path / f"{arm}.jsonl")
        assert ended("profile", log, "--save", tmp_path / f"{arm}.profile") == 0
    found = edgeroi.ab([tmp_path / "cloud.profile", tmp_path / "edge.profile"])
    cost = effect_of(found, "cost_usd")
    assert (cost["absolute"], cost["interval"]["absolute"], cost["shown"]) == (pytest.approx(0.1), [None, None], False)
    assert found.trials[0].decision == "trade"
    assert "not judged" in ab_report(found).sections[0].lines[1]


def test_a_cost_that_nobody_can_judge_chooses_no_arm():
    """One request of each arm, the edge's dearer: neither shown nor disproved, so neither arm is chosen."""
    frame = pd.DataFrame({"placement": ["cloud", "edge"], "workload": "search", "cost_usd": [1e-3, 1.1e-3], "latency_ms": 100.0})
    found = edgeroi.ab(frame, arm="placement")
    assert [trial.decision for trial in found.trials] == ["undecided"]
    assert summary(found.judged) == "edge undecided for search"


def test_a_scenario_names_what_was_saved(tmp_path, capsys):
    log = written(told(4000).rename(columns={"placement": "variant"}), tmp_path / "x.jsonl")
    assert ended("ab", log, "--save", tmp_path / "arms.profile") == 0
    scenario = tmp_path / "scenario.yaml"
    option = "  {0}: {{placement: {0}, price: {{request: {1} USD/request}}, log: {{file: arms.profile, where: {{variant: {0}}}}}}}\n"
    workload = "{baseline: cloud, runs_on: edge, requests: 10M /month, value: {waiting: 15 USD/h, why: w, by: b}}"
    scenario.write_text(
        "edgeroi: 1\nname: experiment\nseen_from: client\noptions:\n"
        f"{option.format('cloud', 0.00001)}{option.format('edge', 0.00002)}workloads:\n  search: {workload}\n"
    )
    capsys.readouterr()
    assert ended("compare", scenario, "--format", "json") == 0
    workload = json.loads(capsys.readouterr().out)["scenarios"][0]["workloads"][0]
    frame = told(4000)
    for arm in ("cloud", "edge"):
        measured = workload["options"][arm]["latency_ms"]
        assert measured["basis"] == "measured"
        assert measured["mean"] == pytest.approx(frame[frame.placement == arm].latency_ms.mean(), rel=0.01)


# --- the door ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--arm", "latency_ms"), "names no group"),
        (("--arm", "variant"), "no request tells its variant"),
        (("--arm", "placement", "--control", "clod"), "did you mean 'cloud'"),
        (("--arm", "placement", "--unit", "session_id"), "no request tells its session_id"),
        (("--arm", "placement", "--split", "edge=1,moon=1"), "the arms are cloud, edge"),
        (("--arm", "placement", "--split", "edge"), "is not ARM=SHARE"),
        (("--arm", "placement", "--margin", "much"), "is not a share"),
        (("--arm", "workload"), "an experiment has two"),
    ],
)
def test_a_slip_is_told(tmp_path, capsys, options, said):
    log = written(told(60), tmp_path / "x.jsonl")
    assert ended("ab", log, *options) == 2
    assert said in capsys.readouterr().err


def test_the_document_keeps_its_schema_and_the_frame_its_numbers(tmp_path, capsys):
    frame = told(3000)
    log = written(frame, tmp_path / "x.jsonl")
    for more in ((), ("--sequential",), ("--unit", "user_id", "--deadline", "200ms")):
        assert ended("ab", log, "--arm", "placement", "--format", "json", *more) == 0
        assert broken_by("ab", json.loads(capsys.readouterr().out)) == []
    found = edgeroi.ab(frame, arm="placement")
    table = found.to_frame().set_index("metric")
    assert table.loc["p50", "relative"] == pytest.approx(effect_of(found)["relative"])
    assert len(table) == len(found.document["effects"])


def test_the_same_log_gives_the_same_bytes_whoever_reads_it(tmp_path, capsys):
    log = written(told(1500), tmp_path / "x.jsonl")
    outs = []
    for jobs in (1, 2):
        assert ended("ab", log, "--arm", "placement", "--unit", "user_id", "--format", "json", "--jobs", jobs) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]


def test_without_arms_or_rows_there_is_no_experiment(tmp_path, capsys):
    with pytest.raises(EdgeroiError, match="two"):
        edgeroi.ab(told(50).assign(placement="edge"), arm="placement")
    with pytest.raises(EdgeroiError, match="with --arm, such as placement$"):
        edgeroi.ab(told(50))
    # A log without a request is a wrong input, as for every other command: the question was not asked of anything.
    (tmp_path / "empty.jsonl").touch()
    for command in ("ab", "ab-plan"):
        assert ended(command, tmp_path / "empty.jsonl") == 2
        assert "no request could be read" in capsys.readouterr().err


# --- the sample ---

SAMPLE = Path(__file__).parents[1] / "sample_logs" / "experiment.jsonl.gz"


def test_the_sample_experiment_reads_as_its_rows_say(capsys):
    """Every value beside one computed here with pandas; what is printed is pinned."""
    assert ended("ab", SAMPLE, "--arm", "placement", "--unit", "user_id", "--deadline", "200ms") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cloud for chat; edge at a price for search"
    assert lines[2].startswith(
        "search: edge against cloud: p50 -18.6% [-26.4, -11.6], USD/1,000 +53.1% [45.6, 61.1]; it costs +$0.0108 per 1,000"
    )
    rows = pd.read_json(SAMPLE, lines=True)
    rows = rows.assign(cost=1000 * rows.cost_usd, failed=rows.status >= 400, key=np.where(rows.status >= 400, np.inf, rows.latency_ms))
    found = edgeroi.ab(SAMPLE, arm="placement", unit="user_id", deadline_ms=200)
    for (workload, arm), part in rows.groupby(["workload", "placement"]):
        ordered = np.sort(part.key.to_numpy())
        expected = {
            "p50": ordered[math.ceil(0.5 * len(part)) - 1],
            "p95": ordered[math.ceil(0.95 * len(part)) - 1],
            "miss_ratio": (part.failed | (part.latency_ms > 200)).mean(),
            "error_ratio": part.failed.mean(),
            "cost_usd": part.cost.mean(),
        }
        for metric, value in expected.items():
            side = effect_of(found, metric, workload)["baseline" if arm == "cloud" else "candidate"]
            assert side["value"] == pytest.approx(value), (workload, arm, metric)
            assert (side["n"], side["units"]) == (len(part), part.user_id.nunique())
