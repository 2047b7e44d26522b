"""Rules: what a label follows from, in any format, in the mapping file and in a scenario; every mistake at its place."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edgeroi
from edgeroi.engines.local import read_logs
from edgeroi.errors import EdgeroiError
from edgeroi.judging import judge_files
from edgeroi.linting import lint_files
from edgeroi.logs.format import Chunk
from edgeroi.logs.mapping import read, reading_of
from edgeroi.logs.rules import ruled
from edgeroi.request import Batch, Labels, LineCount
from edgeroi.workload import Profile
from tests.judged import TODAY

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_logs"

CHAT_OR_EMBED = """\
rules:
  workload:
    - {path: ^/v1/chat/, is: chat}
    - {path: ^/v1/(embed)}
  placement:
    - {file: cloudfront, is: edge}
    - {workload: ., is: cloud}
  skip:
    - {path: ^/healthz$}
"""


@pytest.fixture
def mapped(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "mapping.yaml").write_text(text)
        return tmp_path / "mapping.yaml"

    return write


def profiled(tmp_path: Path, rows: list[dict], mapping: Path, **read: object) -> Profile:
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({"latency_ms": 5, **row}) + "\n" for row in rows))
    return read_logs([tmp_path / "log.jsonl"], reading_of(mapping, **read))


def requests(profile: Profile) -> dict[tuple[str | None, ...], int]:
    return {tuple(group.key.values()): group.tally.requests for group in profile.groups}


def paths_of(name: str) -> list[str]:
    """The path of each request of a sample that no cache answered, by looking for it."""
    held = (SAMPLES / name).read_bytes()
    lines = (gzip.decompress(held) if name.endswith(".gz") else held).decode().splitlines()
    found = [re.search(r"/v1/chat/completions|/v1/embeddings|/healthz|/favicon.ico", line) for line in lines if "\tHit\t" not in line]
    return [match[0] for match in found if match]


@pytest.mark.parametrize(
    "name",
    [
        "ingress.nginx.log",
        "access.nginx.log",
        "access.nginx.jsonl",
        "access.envoy.log",
        "access.envoy.jsonl",
        "access.alb.log.gz",
        "access.cloudfront.log.gz",
    ],
)
def test_a_path_decides_the_workload_in_every_access_log(mapped, name):
    paths = paths_of(name)
    expected = {
        workload: sum(path == of for path in paths) for workload, of in {"chat": "/v1/chat/completions", "embed": "/v1/embeddings"}.items()
    }
    profile = read_logs([SAMPLES / name], reading_of(mapped(CHAT_OR_EMBED)))
    place = "edge" if "cloudfront" in name else "cloud"
    told = requests(profile)
    assert {workload: told[workload, place] for workload in expected} == expected
    # what no rule fits stays unknown, and is counted so; health checks are skipped
    unknown = sum(n for (workload, _), n in told.items() if workload is None)
    assert unknown == len(profile_paths(paths, "/favicon.ico")) + (name == "access.nginx.log")
    assert profile.lines.skipped.get("other_record", 0) == len(profile_paths(paths, "/healthz"))
    assert profile.lines.balanced


def profile_paths(paths: list[str], of: str) -> list[str]:
    return [path for path in paths if path == of]


def test_the_first_rule_that_fits_wins(tmp_path, mapped):
    rules = "rules: {workload: [{name: ^a, is: first}, {name: b$, is: second}, {name: ., is: rest}]}"
    rows = [{"name": name} for name in ("ab", "bb", "ac", "c")] + [{}]
    assert requests(profiled(tmp_path, rows, mapped(rules))) == {
        ("first", None): 2,
        ("rest", None): 1,
        ("second", None): 1,
        (None, None): 1,
    }


def test_all_conditions_must_fit(tmp_path, mapped):
    rules = "rules: {placement: [{name: a, zone: ^eu, is: edge}]}"
    rows = [{"name": "a", "zone": "eu-1"}, {"name": "a", "zone": "us-1"}, {"name": "b", "zone": "eu-1"}, {"name": "a"}]
    assert requests(profiled(tmp_path, rows, mapped(rules))) == {(None, "edge"): 1, (None, None): 3}


def test_where_no_rule_fits_the_log_itself_is_heard(tmp_path, mapped):
    rules = "rules: {workload: [{name: ^a, is: ruled}]}"
    rows = [{"name": "a", "workload": "own"}, {"name": "b", "workload": "own"}, {"name": "b"}]
    assert requests(profiled(tmp_path, rows, mapped(rules))) == {("own", None): 1, ("ruled", None): 1, (None, None): 1}


def test_a_column_decided_above_can_be_looked_at_below(tmp_path, mapped):
    rules = "rules: {provider: [{api.base: cloudflare, is: cf}], placement: [{provider: ^cf$, is: edge}]}"
    rows = [{"api": {"base": "https://api.cloudflare.com"}}, {"api": {"base": "https://x"}, "provider": "cf"}, {"provider": "other"}]
    told = requests(profiled(tmp_path, rows, mapped(rules), by=("provider", "placement")))
    assert told == {("cf", "edge"): 2, ("other", None): 1}


def test_the_file_s_name_and_folder_decide(tmp_path, mapped):
    mapping = mapped("rules: {placement: [{file: /near/, is: edge}, {file: /far/, is: cloud}], workload: [{file: '([a-z]+)\\.jsonl$'}]}")
    for folder in ("near", "far"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "chat.jsonl").write_text('{"latency_ms": 5}\n')
    told = requests(read_logs([tmp_path / "near", tmp_path / "far"], reading_of(mapping)))
    assert told == {("chat", "cloud"): 1, ("chat", "edge"): 1}


@pytest.mark.parametrize("said", [7, 7.0, True, None, {"deep": 1}, ["x"]], ids=str)
def test_a_field_that_is_no_text_is_looked_at_as_json_writes_it(tmp_path, mapped, said):
    """No value of a field that only rules look at makes a line a bad one."""
    profile = profiled(tmp_path, [{"port": said}] * 3, mapped("rules: {workload: [{port: ^7$, is: seven}, {port: ^true$, is: yes}]}"))
    expected = {"7": "seven", "7.0": "seven", "True": "yes"}.get(str(said))
    assert requests(profile) == {(expected, None): 3}


def test_status_and_error_are_looked_at(tmp_path, mapped):
    rows = [{"status": 503, "error": "Overloaded"}, {"status": 200}]
    profile = profiled(tmp_path, rows, mapped("rules: {variant: [{error: ^Over, is: shed}, {status: ^2, is: good}]}"), by=("variant",))
    assert requests(profile) == {("good",): 1, ("shed",): 1}
    assert profile.total.errors == 1


def test_many_different_values_and_a_log_of_a_thousand_lines(tmp_path, mapped):
    """Every path is another one: labels that only rules look at are dropped as soon as they were."""
    rows = [{"path": f"/v1/chat/{n}" if n % 2 else f"/x/{n}"} for n in range(2000)]
    profile = profiled(tmp_path, rows, mapped("rules: {workload: [{path: ^/v1/chat/, is: chat}]}"))
    assert requests(profile) == {("chat", None): 1000, (None, None): 1000}
    assert profile.by == ("workload", "placement")


def test_skipped_requests_are_accounted_for(tmp_path, mapped):
    rows = [{"path": path} for path in ("/healthz", "/v1", "/metrics", "/healthz/x")]
    profile = profiled(tmp_path, rows, mapped("rules: {skip: [{path: ^/healthz$}, {path: ^/metrics$}]}"))
    assert (profile.lines.profiled, profile.lines.skipped, profile.lines.balanced) == (2, {"other_record": 2}, True)
    assert profile.total.requests == 2


def test_other_formats_know_rules_too(tmp_path, mapped):
    mapping = mapped("rules: {placement: [{provider: deepinfra, model: 70B, is: cloud}], variant: [{api_base: '(deepinfra)\\.com'}]}")
    profile = read_logs([SAMPLES / "gateway.litellm.jsonl"], reading_of(mapping, by=("placement", "variant", "workload")))
    told = requests(profile)
    assert {key[0] for key in told if key[2] == "assistant"} == {"cloud"}
    assert {key[0] for key in told if key[2] == "moderation"} == {None}
    assert {key[1] for key in told} == {"deepinfra"}
    table = tmp_path / "t.csv"
    table.write_text("latency_ms,host\n5,a.edge.net\n6,b\n")
    assert requests(read_logs([table], reading_of(mapped("rules: {placement: [{host: edge, is: edge}]}")))) == {
        (None, "edge"): 1, (None, None): 1,
    }  # fmt: skip
    spans = read_logs(
        [SAMPLES / "spans.otlp.jsonl.gz"], reading_of(mapped("rules: {placement: [{server.address: internal, is: regional}]}"))
    )
    assert {key[1] for key in requests(spans)} == {"regional"}


def test_a_data_frame_knows_rules_too(mapped):
    frame = pd.DataFrame({"latency_ms": [5.0, 6.0, 7.0], "host": ["a.edge.net", "b", None]})
    mapping = mapped("rules: {placement: [{host: edge, is: edge}], skip: [{host: ^b$}]}")
    profile = edgeroi.profile(frame, mapping=mapping)
    assert requests(profile) == {(None, "edge"): 1, (None, None): 1}


def test_a_format_s_hidden_columns_stay_and_what_only_rules_look_at_goes(mapped):
    how = reading_of(mapped("rules: {placement: [{zone: ^eu, is: edge}]}"))
    labels = {"field:zone": Labels.of(["eu", "us"], 2), "span_kind": Labels.of(["client", "server"], 2)}
    chunk = ruled(Chunk(LineCount(2, 0, 2), Batch(2, np.zeros(2, bool), {}, labels)), how)
    assert set(chunk.batch.labels) == {"placement", "span_kind"}
    assert chunk.batch.labels["placement"].codes.tolist() == [0, -1]


def test_rules_do_not_reach_into_a_saved_profile(tmp_path, mapped):
    from edgeroi.logs.saved import dumped

    saved = tmp_path / "x.profile"
    saved.write_bytes(dumped(profiled(tmp_path, [{"workload": "w"}], mapped("{}"))))
    profile = read_logs([saved], reading_of(mapped("rules: {workload: [{workload: w, is: other}]}")))
    assert requests(profile) == {("w", None): 1}
    assert any("rules do not apply" in note for note in profile.files[0].notes)


def test_what_the_command_line_says_of_a_column_wins(mapped):
    mapping = mapped("rules: {workload: [{file: ., is: ruled}], placement: [{file: ., is: edge}]}")
    told = requests(read_logs([SAMPLES / "page.har"], reading_of(mapping, const=("workload=said",))))
    assert set(told) == {("said", "edge")}
    told = requests(read_logs([SAMPLES / "page.har"], reading_of(mapping, map=("workload=_resourceType",))))
    assert set(told) == {("fetch", "edge"), ("script", "edge")}


def test_two_processes_say_the_same(tmp_path, mapped):
    (tmp_path / "a.log").write_bytes((SAMPLES / "access.nginx.log").read_bytes() * 300)
    (tmp_path / "b.log").write_bytes((SAMPLES / "access.envoy.log").read_bytes() * 20)
    how = reading_of(mapped(CHAT_OR_EMBED))
    one, two = (read_logs([tmp_path / "a.log", tmp_path / "b.log"], how, jobs=jobs) for jobs in (1, 2))
    assert (one.partial, one.lines) == (two.partial, two.lines)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("rules: [a]\n", ":1:8", "rules by column"),
        ("rules:\n  worklod: [{path: x, is: a}]\n", ":2:3", "did you mean 'workload'"),
        ("rules:\n  latency_ms: [{path: x, is: a}]\n", ":2:3", "has no rules"),
        ("rules:\n  request_id: [{path: x, is: a}]\n", ":2:3", "has no rules"),
        ("rules:\n  workload: [x]\n", ":2:14", "a rule is conditions"),
        ("rules:\n  workload: [{is: a}]\n", ":2:14", "fits everything"),
        ("rules:\n  workload: [{path: a, host: b}]\n", ":2:14", "which of the conditions"),
        ("rules:\n  skip: [{path: a, is: b}]\n", ":2:24", "leave out is"),
        ("rules:\n  workload: [{path: '(', is: b}]\n", ":2:21", "not a regular expression"),
        ("rules:\n  workload: [{path: '', is: b}]\n", ":2:21", "empty"),
        ("rules:\n  workload: [{ttft_ms: '1', is: b}]\n", ":2:15", "rules look at text"),
        ("rules:\n  workload: [{a..b: x, is: b}]\n", ":2:15", "empty part"),
        ("rules:\n  workload: [{path: x, is: [b]}]\n", ":2:28", "a single value"),
        (
            "const: {workload: a}\nrules:\n  workload: [{path: x, is: b}]\n",
            ":1:1",
            "the same for the whole file, and has rules",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistake_stands_at_its_place(mapped, text, place, message):
    with pytest.raises(EdgeroiError) as error:
        read(mapped(text))
    assert f"mapping.yaml{place}" in str(error.value)
    assert message in str(error.value)


def test_a_file_of_rules_alone_is_linted_as_a_mapping(mapped):
    linted = lint_files([mapped("rules: {worklod: [{path: x, is: a}]}\n")], TODAY)
    assert [kind for _, kind in linted.files] == ["mapping"]
    assert linted.errors == 1


SCENARIO = """\
edgeroi: 1
log: {file: %s, mapping: mapping.yaml}
options:
  cloud: {placement: cloud, price: {request: 0.001 USD/request}, log: {file: %s, mapping: mapping.yaml}}
  edge: {placement: edge, price: {request: 0.002 USD/request}, latency: 20 ms, assume: {why: said, by: dana}}
workloads:
  chat: {options: [cloud, edge], baseline: cloud, runs_on: edge, value: none}
"""


def test_a_scenario_shares_the_rules(tmp_path, mapped):
    """The log tells no workload: without the rules there would be no ``chat`` to judge."""
    mapped(CHAT_OR_EMBED.replace("{file: cloudfront, is: edge}", "{file: nowhere, is: edge}"))
    log = SAMPLES / "access.envoy.log"
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO % (log, log))
    document = judge_files([str(path)], (), command="compare", today=TODAY, at=None, gate=False).document
    cloud = document["scenarios"][0]["workloads"][0]["options"]["cloud"]
    rows = [line.split('"') for line in log.read_text().splitlines()]
    chat = sorted(float(r[2].split()[4]) for r in rows if "/v1/chat/" in r[1] and r[2].split()[1] == "-" and r[2].split()[0] == "200")
    assert cloud["latency_ms"]["p50"] == pytest.approx(chat[(len(chat) + 1) // 2 - 1], rel=1e-3)


def test_the_docs_example_is_a_mapping(mapped):
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "mapping.md").read_text(), re.DOTALL)
    said = read(mapped(block))
    assert [rule.column for rule in said.rules] == ["workload"] * 2 + ["placement"] * 3 + ["region", None]
    profile = read_logs([SAMPLES / "access.cloudfront.log.gz"], reading_of(mapped(block), by=("region",)))
    assert {key[0] for key in requests(profile)} == {"FRA", "AMS", "IAD", "SEA"}
