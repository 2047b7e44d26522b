"""What a scenario refers to, gathered: volume and tokens from logs, the user's leg, the best case of an edge nobody measured, one mix."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged import FIRST, OPTIONS, TRAFFIC, decision, decisions, judged, scenario, write_log

from edgeroi.casefile import span_words
from edgeroi.errors import EdgeroiError
from edgeroi.verdict import Decision
from edgeroi.workload import Tally

#: From the round-trip table: within a region 15.5 ms, us-east to eu-west 83 ms.
WITHIN, ACROSS = 15.5, 83.0
SMALL = """
  search:
    now: {price: deepinfra/BAAI/bge-base-en-v1.5, region: us-east}
    edge: cloudflare/@cf/baai/bge-base-en-v1.5
    runs_on: edge
"""


def small(tmp_path: Path, head: str, workload: str = "", log: str = "log.jsonl") -> Decision:
    return decision(tmp_path, f"log: {log}\n{head}\nworkloads:{SMALL}{workload}")


# ---- volume and tokens ------------------------------------------------------------------------------------------------------


def test_volume_is_count_over_span_times_730_hours(tmp_path: Path) -> None:
    """481 requests over exactly ten days: 481 / 240 h x 730 h."""
    write_log(tmp_path / "log.jsonl", [100.0] * 481, days=10)
    traffic = small(tmp_path, "seen_from: client").books.stakes.traffic
    assert traffic.requests.likely == pytest.approx(481 / 240 * 730)
    assert traffic.requests.is_point
    assert traffic.input_tokens is not None
    assert (traffic.input_tokens.likely, traffic.input_tokens.basis) == (100, "measured")


def test_sampling_scales_the_volume(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 481, days=10)
    assert small(tmp_path, "sampling: 1%").books.stakes.traffic.requests.likely == pytest.approx(481 / 0.01 / 240 * 730)


def test_a_stated_volume_wins(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 481, days=10)
    assert small(tmp_path, "seen_from: client", "    requests: 3M /month\n").books.stakes.traffic.requests.likely == 3e6


def test_measured_tokens_win_over_stated(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 481)
    tokens = small(tmp_path, "seen_from: client", "    tokens: {input: 999 tok}\n").books.stakes.traffic.input_tokens
    assert tokens is not None
    assert tokens.likely == 100


def test_a_span_under_a_week_widens_the_volume(tmp_path: Path) -> None:
    """Five busy days read as seven, or two quiet ones: 7/5 both ways."""
    write_log(tmp_path / "log.jsonl", [100.0] * 100, days=3)
    requests = small(tmp_path, "seen_from: client").books.stakes.traffic.requests
    assert (requests.low, requests.high) == (pytest.approx(requests.likely * 5 / 7), pytest.approx(requests.likely * 7 / 5))


def test_under_a_day_is_too_little_data(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 1000, days=0.9)
    found = small(tmp_path, "seen_from: client")
    assert found.verdict == "undecided"
    assert found.reason == "too little data: the log spans 21.6 h, less than a day; state requests"


def test_no_timestamps_are_too_little_data(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 1000, timestamp=None)
    found = small(tmp_path, "seen_from: client")
    assert "has no timestamps" in found.reason


def test_a_tail_sampled_log_tells_neither_volume_nor_percentiles(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 1000)
    assert "tail-sampled" in small(tmp_path, "sampling: tail").reason
    found = small(tmp_path, "sampling: tail\nseen_from: client", "    requests: 1M /month\n    value: {waiting: 5 USD/h, why: w, by: b}\n")
    assert found.books.before is None
    assert found.verdict == "undecided"


def test_a_workload_that_is_not_in_the_log_is_an_error_with_the_near_miss(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 100, workload="serach")
    with pytest.raises(EdgeroiError) as error:
        small(tmp_path, "seen_from: client")
    assert "holds no request of workload 'search'" in error.value.message
    assert error.value.fix == "did you mean 'serach'?"
    assert error.value.place is not None
    assert error.value.place.line == 7


def test_where_chooses_rows(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 300, model="a")
    write_log(tmp_path / "log.jsonl", [200.0] * 300, model="b")
    found = small(tmp_path, "seen_from: client", "    where: {model: b}\n    requests: 1M /month\n")
    assert found.books.before is not None
    assert found.books.before.quantile(0.5) == 200


# ---- the best case of an edge that nobody measured --------------------------------------------------------------------------

WORTH = "    users: machines\n    value: {waiting: 36 USD/h, why: w, by: b}\n"


def test_from_a_client_log_with_its_network_part(tmp_path: Path) -> None:
    """Each request less its own network part: service 40 + n of 100 + n, 60 saved on each; the saving is measured, nothing is assumed."""
    write_log(tmp_path / "log.jsonl", [100.0 + n % 50 for n in range(500)], network_ms=60.0)
    books = small(tmp_path, "seen_from: client", WORTH).books
    assert books.candidate.best_case
    assert books.saved is not None
    assert (books.saved.mean, books.saved.p50) == (pytest.approx(60), pytest.approx(60))
    assert books.saved.basis == "best_case"
    assert books.network_share == pytest.approx(60 / 124, rel=1e-3)  # the p50 of 100 to 149 ms


def test_what_is_saved_never_exceeds_the_network_part_nor_cuts_into_service(tmp_path: Path) -> None:
    """The slow requests are slow in the service: their network part is 10 ms like that of the others, and no user is far away in it."""
    write_log(tmp_path / "log.jsonl", [30.0 if n % 10 else 5000.0 for n in range(500)], network_ms=10.0)
    books = small(tmp_path, "seen_from: client\nusers_in: {eu-west: 100%}", WORTH).books
    assert books.saved is not None
    assert books.saved.mean == pytest.approx(10, abs=0.01)
    assert books.after is not None
    assert books.after.values_ms[0] == pytest.approx(20)


def test_from_a_client_log_without_it_the_leg_is_taken_off(tmp_path: Path) -> None:
    """All users in us-east, served in us-east: 15.5 ms, and never below 0."""
    write_log(tmp_path / "log.jsonl", [10.0 if n % 10 == 0 else 100.0 for n in range(500)])
    books = small(tmp_path, "seen_from: client\nusers_in: {us-east: 100%}", WORTH).books
    assert books.saved is not None
    assert books.saved.p50 == pytest.approx(WITHIN)
    assert books.after is not None
    assert books.after.values_ms[0] == 0  # 10 ms cannot hold 15.5 of network


def test_from_a_gateway_log_the_users_leg_is_added_to_the_baseline(tmp_path: Path) -> None:
    """60 % in the region, 40 % across: 0.6 x 15.5 + 0.4 x 83 ms on top of what the gateway saw, and gone in the best case."""
    write_log(tmp_path / "log.jsonl", [100.0] * 500)
    books = small(tmp_path, "seen_from: gateway\nusers_in: {us-east: 60%, eu-west: 40%}", WORTH).books
    leg = 0.6 * WITHIN + 0.4 * ACROSS
    assert books.before is not None
    assert books.after is not None
    assert books.before.mean_ms == pytest.approx(100 + leg)
    assert books.after.mean_ms == pytest.approx(100)
    assert books.network_share == pytest.approx(leg / books.before.quantile(0.5))


def test_round_trips_multiply(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 500)
    now = SMALL.replace("region: us-east}", "region: us-east, round_trips: 3}")
    text = f"log: log.jsonl\nseen_from: gateway\nusers_in: {{us-east: 100%}}\nworkloads:{now}{WORTH}"
    books = decision(tmp_path, text).books
    assert books.saved is not None
    assert books.saved.mean == pytest.approx(3 * WITHIN)


def test_origin_calls_are_paid_in_the_best_case(tmp_path: Path) -> None:
    """60 ms of network gone, two calls of 40 ms back: 20 ms slower."""
    write_log(tmp_path / "log.jsonl", [100.0] * 500, network_ms=60.0)
    books = small(tmp_path, "seen_from: client", f"{WORTH}    origin_calls: {{count: 2, rtt: 40 ms}}\n").books
    assert books.saved is not None
    assert books.saved.mean == pytest.approx(60 - 80)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("", "vantage unknown: say where the log measured (seen_from), and where the users are (users_in)"),
        ("users_in: {us-east: 100%}", "vantage unknown: say where the log measured (seen_from)"),
        ("seen_from: gateway", "the log does not tell the network part: say where the users are (users_in), or the rtt of now"),
        ("seen_from: client", "the log does not tell the network part: say where the users are (users_in), or the rtt of now"),
    ],
)
def test_without_a_vantage_or_the_users_it_is_undecided_and_says_what_to_state(tmp_path: Path, head: str, reason: str) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 500)
    found = small(tmp_path, head, WORTH)
    assert found.verdict == "undecided"
    assert found.reason == reason
    assert found.books.saved is None


def test_a_winning_best_case_asks_to_be_probed_and_a_losing_one_is_final(tmp_path: Path) -> None:
    """60 ms x 1 M requests are 16.7 h; the edge costs 2.82 USD more: 6.66 at 100 tokens, less 3.35 of free neurons and the 0.50 of now."""
    write_log(tmp_path / "log.jsonl", [100.0] * 500, network_ms=60.0)
    volume = "    requests: 1M /month\n    users: machines\n"
    wins = small(tmp_path, "seen_from: client", f"{volume}    value: {{waiting: 15 USD/h, why: w, by: b}}\n")
    assert (wins.verdict, wins.reason) == ("undecided", "best case wins, probe edge")
    loses = small(tmp_path, "seen_from: client", f"{volume}    value: {{waiting: 0.01 USD/h, why: w, by: b}}\n")
    assert loses.verdict == "not_worth_it"
    assert loses.reason.startswith("even the best case loses")


def test_a_stated_rtt_of_the_edge_stays_in_its_best_case(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 500, network_ms=60.0)
    edge = SMALL.replace("edge: cloudflare/@cf/baai/bge-base-en-v1.5", "edge: {price: cloudflare/@cf/baai/bge-base-en-v1.5, rtt: 12 ms}")
    books = decision(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{edge}{WORTH}").books
    assert books.saved is not None
    assert books.saved.mean == pytest.approx(48)


def test_from_a_stated_baseline_the_stated_network_goes(tmp_path: Path) -> None:
    options = """
options:
  cloud: {placement: cloud, price: {input: 0 USD/Mtok}, rtt: 95 ms, round_trips: 3, service: 20 ms}
  edge: {placement: edge, price: {input: 0 USD/Mtok}}
"""
    books = decision(tmp_path, f"{options}workloads:\n  w:\n    {TRAFFIC}\n    runs_on: edge\n{WORTH}").books
    assert books.before is not None
    assert books.saved is not None
    assert (books.before.mean_ms, books.saved.mean) == (pytest.approx(20 + 3 * 95), pytest.approx(3 * 95))


# ---- options measured and stated ----------------------------------------------------------------------------------------------


def test_measured_beats_stated(tmp_path: Path) -> None:
    edge = write_log(tmp_path / "edge.jsonl", [60.0] * 400)
    options = OPTIONS.replace("latency: 20 ms", f"latency: 20 ms, log: {edge}")
    served = f"workloads:\n  search:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n"
    books = decision(tmp_path, f"{options}{served}    value: {{waiting: 15 USD/h, why: w, by: b}}\n").books
    assert books.after is not None
    assert (books.after.quantile(0.5), books.after.basis) == (60, "measured")
    assert books.candidate.measured


def test_cold_starts_mix_in(tmp_path: Path) -> None:
    options = OPTIONS.replace("latency: 20 ms", "latency: 20 ms, cold_start: {share: 2%, adds: 300 ms}")
    books = decision(tmp_path, f"{options}workloads:\n  w:\n    {TRAFFIC}\n    runs_on: edge\n").books
    assert books.after is not None
    assert books.after.mean_ms == pytest.approx(20 + 0.02 * 300)
    assert (books.after.quantile(0.98), books.after.quantile(0.981)) == (20, 320)


def test_rows_of_one_log_are_told_to_options_by_placement(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400, placement="cloud")
    write_log(tmp_path / "log.jsonl", [40.0] * 400, placement="edge")
    books = small(tmp_path, "seen_from: client", WORTH).books
    assert books.before is not None
    assert books.after is not None
    assert (books.before.quantile(0.5), books.after.quantile(0.5)) == (100, 40)
    assert books.candidate.measured


def test_errors_are_measured_too(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400, placement="cloud")
    write_log(tmp_path / "log.jsonl", [40.0] * 400, placement="edge", error=lambda n: "timeout" if n % 10 == 0 else None)
    books = small(tmp_path, "seen_from: client", WORTH).books
    assert books.after is not None
    assert books.after.failure_ratio == pytest.approx(0.1)


def test_the_price_of_now_is_what_the_log_names(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400, provider="deepinfra", model="BAAI/bge-base-en-v1.5")
    unnamed = "".join(line for line in SMALL.splitlines(keepends=True) if "now:" not in line)
    found = decision(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{unnamed}    requests: 10M /month\n")
    assert found.books.likely.cost - found.books.likely.premium == pytest.approx(5.0)
    assert any("is what the log names" in note for note in found.case.notes)


# ---- TTFT or the whole answer ----------------------------------------------------------------------------------------------


def streamed(tmp_path: Path, workload: str = "") -> Decision:
    write_log(tmp_path / "log.jsonl", [5000.0] * 400, ttft_ms=600.0, streamed=True, network_ms=50.0)
    return small(tmp_path, "seen_from: client", f"    value: {{waiting: 15 USD/h, why: w, by: b}}\n{workload}")


def test_streamed_answers_are_judged_by_their_first_token(tmp_path: Path) -> None:
    books = streamed(tmp_path).books
    assert books.stakes.judge == "ttft"
    assert books.before is not None
    assert books.before.quantile(0.5) == 600


@pytest.mark.parametrize("workload", ["    users: machines\n", "    judge: e2e\n"])
def test_machines_and_who_says_so_are_judged_by_the_whole(tmp_path: Path, workload: str) -> None:
    books = streamed(tmp_path, workload).books
    assert books.stakes.judge == "e2e"
    assert books.before is not None
    assert books.before.quantile(0.5) == 5000


# ---- one mix ------------------------------------------------------------------------------------------------------------------


def mixed(tmp_path: Path, edge_short: int, cloud_short: int = 500) -> Decision:
    """1,000 requests each: short answers take 100 ms, long ones 1,000 ms; both places are equally fast."""
    for placement, short in (("cloud", cloud_short), ("edge", edge_short)):
        write_log(tmp_path / "log.jsonl", [100.0] * short, placement=placement, output_tokens=10)
        write_log(tmp_path / "log.jsonl", [1000.0] * (1000 - short), placement=placement, output_tokens=2000)
    text = """
log: log.jsonl
seen_from: client
options:
  cloud: {placement: cloud, price: {input: 0 USD/Mtok, output: 0 USD/Mtok}}
  edge: {placement: edge, price: {input: 0 USD/Mtok, output: 0.0001 USD/Mtok}}
workloads:
  search:
    requests: 1M /month
    runs_on: edge
    users: machines
    value: {waiting: 36 USD/h, why: w, by: b}
"""
    return decision(tmp_path, text)


def test_an_edge_that_got_the_easy_ones_is_not_faster(tmp_path: Path) -> None:
    """90 % short at the edge, 50 % in the cloud: a difference of 360 ms in the raw means, of none over one mix."""
    found = mixed(tmp_path, edge_short=900)
    assert found.books.saved is not None
    assert found.books.saved.mean == pytest.approx(0, abs=16)  # strata keep buckets of 1.6 %
    assert found.verdict != "worth_it"
    assert any("reweighted" in note for note in found.case.notes)


def test_samples_with_nothing_in_common_are_not_compared(tmp_path: Path) -> None:
    found = mixed(tmp_path, edge_short=1000, cloud_short=100)
    assert found.verdict == "undecided"
    assert "too little to compare them" in found.reason


def test_the_same_mix_is_left_alone(tmp_path: Path) -> None:
    found = mixed(tmp_path, edge_short=500)
    assert found.books.saved is not None
    assert found.books.saved.mean == 0
    assert not any("reweighted" in note for note in found.case.notes)


# ---- the rest -------------------------------------------------------------------------------------------------------------------


def test_the_same_model_off_the_edge_is_shown_where_it_is_cheaper(tmp_path: Path) -> None:
    """Now another model: the row of the same model in the cloud is not among the options, and costs less."""
    options = """
options:
  cloud: {placement: cloud, price: deepinfra/BAAI/bge-m3, latency: 100 ms}
  edge: {placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5, latency: 100 ms}
"""
    found = decision(tmp_path, f"{options}workloads:\n  w:\n    {TRAFFIC}\n    runs_on: edge\n").case.cheapest_same_model
    assert found is not None
    assert found[0] == "deepinfra/BAAI/bge-base-en-v1.5"
    assert found[1] == pytest.approx(63.292 - 5.0, abs=0.001)


def test_edge_rows_that_no_workload_covers_are_counted(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400, placement="cloud")
    write_log(tmp_path / "log.jsonl", [40.0] * 30, placement="edge", workload="stray")
    path = scenario(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{SMALL}")
    (found,) = judged(path, gate=True).scenarios
    assert [(f.rule, f.workload, f.value) for f in found.findings if f.rule == "edge-uncovered"] == [("edge-uncovered", "stray", 30.0)]


def test_a_log_is_read_once_however_many_workloads_rest_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeroi import judging

    write_log(tmp_path / "log.jsonl", [100.0] * 100, workload="a")
    write_log(tmp_path / "log.jsonl", [100.0] * 100, workload="b")
    read: list[tuple[object, tuple[str, ...]]] = []
    original = judging.read_log
    monkeypatch.setattr(judging, "read_log", lambda log, by, *cuts: (read.append((log, by)), original(log, by, *cuts))[1])
    text = "".join(SMALL.replace("search", name) for name in ("a", "b"))
    assert set(decisions(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{text}")) == {"a", "b"}
    assert [columns[-1] for _, columns in read] == ["model_version", "session_id"]  # once, and once more for its sessions


def test_sessions_are_not_looked_for_where_somebody_says_what_is_called_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeroi import judging

    write_log(tmp_path / "log.jsonl", [100.0] * 100)
    read: list[tuple[object, tuple[str, ...]]] = []
    original = judging.read_log
    monkeypatch.setattr(judging, "read_log", lambda log, by, *cuts: (read.append((log, by)), original(log, by, *cuts))[1])
    decisions(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{SMALL}    origin_calls: {{count: 0}}\n")
    assert len(read) == 1


def test_a_log_that_is_mostly_rejects_bears_no_verdict(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [100.0] * 100)
    log.write_text(log.read_text() + "{broken\n" * 50)
    with pytest.raises(EdgeroiError, match="50 of 150 lines were rejected"):
        small(tmp_path, "seen_from: client")


def test_spans_in_words() -> None:
    start = int(FIRST.timestamp() * 1e9)
    day = 86_400 * 10**9
    assert span_words(Tally(2, first_ns=start, last_ns=start + 21 * day)) == "1 Nov-22 Nov, 21 d"
    assert span_words(Tally(2, first_ns=start, last_ns=start + day // 2)) == "1 Nov, 12.0 h"
    assert span_words(Tally(2)) == "no timestamps"


# ---- days, and what a log does not hold ------------------------------------------------------------------------------------------


def test_days_that_differ_make_a_sample_worth_fewer_requests(tmp_path: Path) -> None:
    """Ten days of 100 equal requests each: 1,000 requests say what the days say, and 99.9 % under a limit is not known from ten days."""
    log = tmp_path / "edge.jsonl"
    write_log(log, [10.0 + 9.0 * (n // 100) for n in range(1000)], days=9.999)
    even = write_log(tmp_path / "even.jsonl", [10.0 + 9.0 * (n % 10) for n in range(1000)], days=9.999)
    found = {}
    for name, file in (("by day", log), ("even", even)):
        options = OPTIONS.replace("latency: 20 ms", f"log: {file}")
        needs = "    needs: {deadline: {p95: 150 ms}, why: w, by: b}\n"
        served = f"workloads:\n  search:\n    {TRAFFIC}\n    options: [cloud, edge]\n    runs_on: edge\n{needs}"
        found[name] = decision(tmp_path, f"seen_from: client\n{options}{served}")
    assert found["even"].verdict == "required"
    assert found["by day"].verdict == "undecided"
    assert found["even"].books.after is not None
    assert found["by day"].books.after is not None
    assert (found["even"].books.after.n, found["by day"].books.after.n < 50) == (1000, True)
    assert any("days differ by more than chance: 1,000 requests tell as much as" in note for note in found["by day"].case.notes)


def two_logs(tmp_path: Path, head: str, **columns: float) -> Decision:
    for placement, ms in (("cloud", 300.0), ("edge", 40.0)):
        write_log(tmp_path / f"{placement}.jsonl", [ms + n % 5 for n in range(400)], placement=placement, **columns)
    text = f"""
{head}
options:
  cloud: {{placement: cloud, price: {{input: 0 USD/Mtok}}, log: cloud.jsonl}}
  edge: {{placement: edge, price: {{input: 0.001 USD/Mtok}}, log: edge.jsonl}}
workloads:
  search:
    requests: 10M /month
    runs_on: edge
    value: {{waiting: 15 USD/h, why: w, by: b}}
"""
    return decision(tmp_path, text)


def test_two_measurements_from_nobody_knows_where_are_no_worth_it(tmp_path: Path) -> None:
    found = two_logs(tmp_path, "")
    assert (found.verdict, found.reason) == ("undecided", "vantage unknown: say where the log measured (seen_from)")
    assert two_logs(tmp_path, "seen_from: client").verdict == "worth_it"


def test_two_measurements_at_a_gateway_lack_the_users_way(tmp_path: Path) -> None:
    found = two_logs(tmp_path, "seen_from: gateway")
    assert (found.verdict, found.reason) == ("undecided", "a gateway's log does not hold the users' way: say where they are (users_in)")
    placed = two_logs(tmp_path, "seen_from: gateway\nusers_in: {us-east: 100%}")
    assert placed.verdict == "worth_it"


def test_measurements_with_their_network_part_are_seen_from_the_client(tmp_path: Path) -> None:
    assert two_logs(tmp_path, "", network_ms=10.0).verdict == "worth_it"


def test_a_network_part_that_few_rows_tell_is_no_base_for_a_best_case(tmp_path: Path) -> None:
    """One request of 500 with its network part would stand for all."""
    write_log(tmp_path / "log.jsonl", [100.0] * 500, network_ms=lambda n: 60.0 if n == 0 else None)
    found = small(tmp_path, "seen_from: client", WORTH)
    assert found.books.saved is None
    assert found.reason.startswith("the log does not tell the network part")


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ("{us-eats: 100%}", "unknown region 'us-eats'; nearest: us-east"),
        ("{af-south: 100%}", "no round trip between af-south and ap-south"),
    ],
)
def test_regions_that_are_not_known_are_told_with_their_place(tmp_path: Path, users: str, said: str) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400)
    now = SMALL.replace("region: us-east", "region: ap-south")
    with pytest.raises(EdgeroiError) as error:
        decision(tmp_path, f"log: log.jsonl\nseen_from: gateway\nusers_in: {users}\nworkloads:{now}")
    assert "scenario.yaml:6:12: " in str(error.value)
    assert said in str(error.value)


def test_what_runs_now_is_asked_for_where_the_log_does_not_tell(tmp_path: Path) -> None:
    write_log(tmp_path / "log.jsonl", [100.0] * 400)
    unnamed = "".join(line for line in SMALL.splitlines(keepends=True) if "now:" not in line)
    found = decision(tmp_path, f"log: log.jsonl\nseen_from: client\nworkloads:{unnamed}")
    why = "the log names no provider and model, and the log tells no cost"
    assert found.reason == f"now is unpriced: {why}: say what runs now: now: PROVIDER/MODEL"


def test_a_price_by_tokens_that_nobody_stated_is_no_answer_of_that_workload(tmp_path: Path) -> None:
    listed = OPTIONS.replace("{input: 0.20 USD/Mtok}", "cloudflare/@cf/baai/bge-base-en-v1.5")
    untold = "{requests: 10M /month, options: [cloud, edge], baseline: cloud, runs_on: edge}"
    told = untold.replace("{", "{tokens: {input: 100 tok, output: 0 tok}, ", 1)
    text = f"{listed}workloads:\n  search: {untold}\n  other: {told}\n"
    found = decisions(tmp_path, text)
    assert found["search"].verdict == "undecided"
    assert "charges by input tokens, which nobody stated or measured" in found["search"].reason
    assert found["other"].verdict == "no_reason_given"
    assert judged(scenario(tmp_path, text), gate=True).gate == "fail"
    alone = f"{listed}workloads:\n  search: {untold}\n"
    assert judged(scenario(tmp_path, alone), gate=True).gate == "undecided"
