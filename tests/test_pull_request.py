"""What ``edgeroi check`` says to a code host: the formats against their schemas, hostile names, the comment and its baseline."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from judged import OPTIONS, judged, scenario
from markdown_it import MarkdownIt

from edgeroi.annotation import annotated, speaking
from edgeroi.cli.main import run
from edgeroi.cli.pull_request import CheckFormat, report_for
from edgeroi.cli.schema import schema_text
from edgeroi.gate import RULE_HELP
from edgeroi.renderers import Page, renderer
from edgeroi.verdict_report import Verdicts

ROOT = Path(__file__).parents[1]
GATE = ROOT / "scenarios" / "gate"
SCHEMAS = Path(__file__).parent / "fixtures" / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")

#: Names that a stranger may give a workload, each the key of one; YAML's double quotes hold the escapes.
HOSTILE = (
    "::error::",
    "<script>alert(1)</script>",
    r"two\nlines",
    "a|b",
    "`code`",
    "##[error]x",
    "[x](http://evil.example)",
    "100%",
    "{0}",
    r"\e[2J",
)


def worth(value: str) -> str:
    return f"{{waiting: {value} USD/h, why: they wait, by: dana}}"


def workload(name: str, more: str = "", value: str = worth("0.01")) -> str:
    """A workload of 10 M requests at the edge: 195 USD a month more; 150 ms on each are 416.67 h, at a cent an hour worth 4.17."""
    return f"""  "{name}":
    requests: 10M /month
    tokens: {{input: 100 tok, output: 0 tok}}
    options: [cloud, edge]
    runs_on: edge
    value: {value}
    {more}
"""


def text_of(*workloads: str, check: str = "") -> str:
    return f"{OPTIONS}workloads:\n{''.join(workloads)}{check}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def written(verdicts: Verdicts, form: str) -> str:
    return renderer(form).render(report_for(verdicts, CheckFormat(form)), Page())


def check(*arguments: object) -> int:
    """The status of ``edgeroi check``."""
    with pytest.raises(SystemExit) as ended:
        run(["check", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture
def gate_folder(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    monkeypatch.chdir(ROOT)
    return judged(*sorted(GATE.glob("*.yaml")), gate=True)


@pytest.fixture
def hostile(here: Path) -> Verdicts:
    return judged(scenario(here, text_of(*map(workload, HOSTILE))), gate=True)


# --- SARIF -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdicts", ["gate_folder", "hostile"])
def test_sarif_keeps_the_schema(verdicts: str, request: pytest.FixtureRequest) -> None:
    log = json.loads(written(request.getfixturevalue(verdicts), "sarif"))
    assert [error.message for error in SARIF.iter_errors(log)] == []


@pytest.mark.parametrize(
    "fault",
    [
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"].update(region={"startLine": 0}),
        lambda run: run["results"][0].update(level="bad"),
        lambda run: run["tool"]["driver"].pop("name"),
    ],
)
def test_the_schema_of_sarif_finds_a_fault(gate_folder: Verdicts, fault: Any) -> None:
    log = json.loads(written(gate_folder, "sarif"))
    fault(log["runs"][0])
    assert list(SARIF.iter_errors(log))


def test_sarif_points_at_the_workloads_line_from_the_root_of_the_repository(gate_folder: Verdicts) -> None:
    (told,) = json.loads(written(gate_folder, "sarif"))["runs"]
    found = {result["ruleId"]: result["locations"][0]["physicalLocation"] for result in told["results"]}
    place = found["edge-net"]
    assert place["artifactLocation"] == {"uri": "scenarios/gate/unjustified.yaml", "uriBaseId": "%SRCROOT%"}
    lines = (GATE / "unjustified.yaml").read_text().splitlines()
    assert lines[place["region"]["startLine"] - 1] == "  summaries:"
    assert set(found) == {"edge-net", "edge-value-undeclared", "price-missing", "data-missing"}  # what passed is no result


def test_unknown_is_null_to_sarif_and_left_out_elsewhere(gate_folder: Verdicts) -> None:
    (told,) = json.loads(written(gate_folder, "sarif"))["runs"]
    (found,) = (result for result in told["results"] if result["ruleId"] == "price-missing")
    assert found["properties"] == {"status": "undecided", "value": None, "limit": None}
    assert "(price-missing)" in found["message"]["text"]
    assert "(price-missing)" in written(gate_folder, "github")


def test_every_rule_of_sarif_is_explained(gate_folder: Verdicts) -> None:
    (told,) = json.loads(written(gate_folder, "sarif"))["runs"]
    rules = told["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULE_HELP)
    assert all(len(rule["help"]["text"]) > 60 for rule in rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in told["results"])


def fingerprints(here: Path, text: str, name: str = "s.yaml") -> Mapping[str, str]:
    found = json.loads(written(judged(scenario(here, text, name), gate=True), "sarif"))["runs"][0]["results"]
    return {each["message"]["text"].partition(":")[0] + each["ruleId"]: each["partialFingerprints"]["edgeroiFinding/v1"] for each in found}


def test_fingerprints_survive_moved_lines_another_order_and_other_amounts(here: Path) -> None:
    one, two = workload("one"), workload("two")
    before = fingerprints(here, text_of(one, two))
    assert len(set(before.values())) == len(before) == 3  # one, two, and the sum of both
    assert fingerprints(here, text_of(two, one)) == before
    assert fingerprints(here, "# a line\n\n# and another\n" + text_of(one, two)) == before
    assert fingerprints(here, text_of(one, two).replace("10M /month", "12M /month")) == before
    assert set(fingerprints(here, text_of(one, two), "other.yaml").values()).isdisjoint(before.values())


def test_two_needs_of_one_workload_are_two_findings(here: Path) -> None:
    needs = "needs: {deadline: {p50: 5 ms, p99: 10 ms}, why: it must, by: dana}"
    document = judged(scenario(here, text_of(workload("voice", needs))), gate=True).document
    found = [each for each in speaking(annotated(document)) if each.rule == "needs"]
    assert {each.subject for each in found} == {"p50", "p99"}
    assert len({each.fingerprint for each in found}) == 2


def test_a_waived_finding_is_suppressed_with_its_reason(here: Path) -> None:
    waiver = 'check: {waivers: [{rule: edge-net, workload: one, why: "until the move", by: dana, expires: 2027-01-31}]}\n'
    (result,) = json.loads(written(judged(scenario(here, text_of(workload("one"), check=waiver)), gate=True), "sarif"))["runs"][0][
        "results"
    ]
    (suppression,) = result["suppressions"]
    assert suppression["status"] == "accepted"
    assert "waived by dana until 2027-01-31: until the move" in suppression["justification"]


# --- JUnit -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdicts", ["gate_folder", "hostile"])
def test_junit_keeps_the_schema(verdicts: str, request: pytest.FixtureRequest) -> None:
    JUNIT.validate(written(request.getfixturevalue(verdicts), "junit"))


def test_the_schema_of_junit_finds_a_fault(gate_folder: Verdicts) -> None:
    broken = written(gate_folder, "junit").replace(' classname="', ' class="')
    assert not JUNIT.is_valid(broken)


def test_junit_counts_what_it_holds(gate_folder: Verdicts) -> None:
    """The folder has one scenario for each ending: two fail, two have no answer, three rules pass."""
    root = ET.fromstring(written(gate_folder, "junit"))
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {"tests": "7", "failures": "2", "errors": "2"}
    for suite in root:
        cases = list(suite)
        assert int(suite.get("tests", "")) == len(cases)
        for count, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(count, "")) == len(suite.findall(f"testcase/{element}"))
    (failure,) = root.findall("testsuite[@name='Unjustified']/testcase/failure")
    assert failure.get("type") == "edge-net"
    assert failure.text is not None
    assert failure.text.startswith("scenarios/gate/unjustified.yaml:14: ")
    assert "-195 against a limit of -50" in failure.text


def test_junit_has_a_case_for_a_workload_no_rule_speaks_about(here: Path) -> None:
    at_home = workload("batch").replace("runs_on: edge", "runs_on: cloud")
    root = ET.fromstring(written(judged(scenario(here, text_of(at_home)), gate=True), "junit"))
    assert [case.get("name") for case in root.iter("testcase")] == ["batch: NOT WORTH IT"]


# --- GitHub ----------------------------------------------------------------------------------------------------------------


def commands(written_: str) -> list[str]:
    return [line for line in written_.splitlines() if line.lstrip().startswith("::")]


def test_github_says_one_thing_per_scenario(gate_folder: Verdicts) -> None:
    said = written(gate_folder, "github")
    assert len(commands(said)) == 4
    assert [line.partition(" ")[0] for line in commands(said)] == ["::error"] * 4
    assert "::error file=scenarios/gate/unjustified.yaml,line=14,title=edgeroi%3A NOT WORTH IT::summaries: " in said


def test_github_never_says_more_than_ten(here: Path) -> None:
    many = [scenario(here, text_of(workload("w")), f"s{n}.yaml") for n in range(13)]
    ten = commands(written(judged(*many, gate=True), "github"))
    assert len(ten) == 10
    assert "4 more scenarios have findings" in ten[-1]  # nine are shown
    assert len(commands(written(judged(*many[:10], gate=True), "github"))) == 10


@pytest.mark.parametrize("name", HOSTILE)
def test_github_takes_no_command_from_a_name(here: Path, name: str) -> None:
    said = written(judged(scenario(here, text_of(workload(name))), gate=True), "github")
    assert len(commands(said)) == 1
    assert len(said.splitlines()) == 2
    assert "##[" not in said
    assert not re.search("[\x00-\x09\x0b-\x1f]", said)


def test_a_name_is_what_it_is_where_nothing_can_act(hostile: Verdicts) -> None:
    (told,) = json.loads(written(hostile, "json"))["scenarios"]
    assert "two\nlines" in [each["workload"] for each in told["workloads"]]


def test_github_escapes_what_ends_a_property_or_a_message(here: Path) -> None:
    (line,) = commands(written(judged(scenario(here, text_of(workload("100%")), "a,b:c.yaml"), gate=True), "github"))
    assert line.startswith("::error file=a%2Cb%3Ac.yaml,line=")
    assert "100%25: " in line


def test_githubs_summary_is_written_where_it_is_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    file, summary = scenario(here, text_of(workload("one"))), here / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert check(file, "--format", "table") == 1
    assert summary.read_text() == "before\n"  # GitHub's summary goes with GitHub's format
    assert check(file, "--format", "github") == 1
    assert summary.read_text().startswith("before\n**edgeroi: FAIL (1)")
    summary.write_bytes(b"x" * (1 << 20))
    assert check(file, "--format", "github") == 1
    assert summary.read_bytes()[1 << 20 :].startswith(b"edgeroi ")
    assert len(summary.read_bytes()) < (1 << 20) + 200


# --- GitLab ----------------------------------------------------------------------------------------------------------------


def test_gitlab_has_what_its_documentation_asks_for(gate_folder: Verdicts) -> None:
    """docs.gitlab.com, Code Quality report format: these five keys, a path without ``./``, a severity of the five."""
    issues = json.loads(written(gate_folder, "gitlab"))
    assert {frozenset(issue) for issue in issues} == {frozenset({"description", "check_name", "fingerprint", "severity", "location"})}
    assert {issue["severity"] for issue in issues} == {"critical", "major"}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 4
    places = {issue["location"]["path"]: issue["location"]["lines"] for issue in issues}
    assert places["scenarios/gate/no-reason.yaml"] == {"begin": 14}


# --- hostile names ---------------------------------------------------------------------------------------------------------

_OURS = {"p", "strong", "br", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}


def elements(markdown: str) -> set[str]:
    """The elements a page of this Markdown has, HTML let through as hosts do before they sanitise."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    return set(re.findall(r"<([a-z0-9]+)", page))


def test_nothing_in_a_name_becomes_markup(hostile: Verdicts) -> None:
    said = written(hostile, "markdown")
    assert elements(said) <= _OURS
    assert "script" not in elements(said)
    assert "a" not in elements(said)
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}  # seven columns, in both tables


def test_elements_are_found() -> None:
    assert elements("a <script>x</script> [y](http://z) `c`") == {"p", "script", "a", "code"}


def test_a_link_in_a_name_is_no_link_to_sarif(hostile: Verdicts) -> None:
    messages = [result["message"]["text"] for result in json.loads(written(hostile, "sarif"))["runs"][0]["results"]]
    assert not any(re.search(r"(?<!\\)\[", message) for message in messages)
    assert any(message.startswith(r"\[x\](http://evil.example): ") for message in messages)


# --- every output, before the gate decides ------------------------------------------------------------------------------------


def test_one_run_writes_every_format_whole_and_then_fails(here: Path, capsys: pytest.CaptureFixture) -> None:
    file = scenario(here, text_of(workload("one")))
    forms = [form.value for form in CheckFormat]
    also = [part for form in forms for part in ("--also", f"{form}=out.{form}")]
    assert check(file, *also) == 1
    assert capsys.readouterr().out.rstrip().endswith("gate: FAIL (1)")
    for form in forms:
        assert (here / f"out.{form}").read_text() == (whole := written_by(file, form, here, capsys)), form
        assert whole.endswith("\n")
    SARIF.validate(json.loads((here / "out.sarif").read_text()))
    JUNIT.validate((here / "out.junit").read_text())


def written_by(file: Path, form: str, here: Path, capsys: pytest.CaptureFixture) -> str:
    assert check(file, "--format", form, "--output", here / "alone") == 1
    capsys.readouterr()
    return (here / "alone").read_text()


@pytest.mark.parametrize(
    ("also", "said"),
    [("sarif", "write FORMAT=FILE"), ("sarfi=x", "did you mean 'sarif'?"), ("=x", "names no format"), ("html2=x", "names no format")],
)
def test_also_says_how_it_is_written(here: Path, capsys: pytest.CaptureFixture, also: str, said: str) -> None:
    assert check(scenario(here, text_of(workload("one"))), "--also", also) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("form", ["junit", "sarif", "github", "gitlab"])
@pytest.mark.parametrize("command", ["compare", "profile"])
def test_a_gates_format_is_refused_elsewhere(command: str, form: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        run([command, str(GATE / "justified.yaml"), "--format", form])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"'{form}' is not one of" in said
    assert "'markdown'" in said


# --- the comment, and what changed --------------------------------------------------------------------------------------------


@pytest.fixture
def base(here: Path, capsys: pytest.CaptureFixture) -> Path:
    """The base branch's result: one workload that costs 45 USD a month more than it gains, less than matters, and one that is worth it."""
    priced = OPTIONS.replace("0.20 USD/Mtok", "0.05 USD/Mtok")
    (here / "s.yaml").write_text(
        f"edgeroi: 1\nname: S\nprices_as_of: 2026-11-22\n{priced}workloads:\n{workload('low')}{workload('good', value=worth('15'))}"
    )
    assert check("s.yaml", "--format", "json", "--output", "base.json") == 0
    return here / "s.yaml"


def comment(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    status = check("s.yaml", "--format", "markdown", "--baseline", "base.json", *arguments)
    return status, capsys.readouterr().out


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_where_nothing_changed_it_is_one_line(base: Path, capsys: pytest.CaptureFixture) -> None:
    status, said = comment(capsys)
    assert status == 0
    assert len(said.splitlines()) == 1
    assert "no verdict and no rule changed, and no premium or net by more than &#36;10.00 a month" in said


@pytest.mark.parametrize("volume", ["11M /month", "9M /month"], ids=["more", "less"])
def test_what_moved_by_less_than_the_amount_is_silent_in_either_direction(base: Path, capsys: pytest.CaptureFixture, volume: str) -> None:
    """A tenth of the volume is 4.50 USD of the premium of 45; of the 6,250 USD that `good` is worth it is 625."""
    edit(base, "10M /month", volume)
    assert len(comment(capsys, "--min-change", "700 USD/month")[1].splitlines()) == 1
    _, said = comment(capsys, "--min-change", "600 USD/month")
    assert "good: still WORTH IT" in said
    assert "low:" not in said.partition("| workload")[0]
    _, said = comment(capsys, "--min-change", "4 USD/month")
    assert "low: still NOT WORTH IT" in said
    sign = "+" if volume == "11M /month" else "-"
    assert f"({sign}&#36;4.50)" in said


def test_a_verdict_that_turns_is_told_whatever_it_costs(base: Path, capsys: pytest.CaptureFixture) -> None:
    edit(base, "{waiting: 0.01 USD/h, why: they wait, by: dana}", "{waiting: 15 USD/h, why: they wait, by: dana}")
    status, said = comment(capsys, "--min-change", "1G USD/month")
    assert status == 0
    assert "low: NOT WORTH IT → WORTH IT" in said


def test_the_gate_that_turns_the_premium_and_the_rule_are_told(base: Path, capsys: pytest.CaptureFixture) -> None:
    """0.20 for 0.05 USD/Mtok on 1,000 Mtok each: 300 USD a month more in all; `low` is worth 416.67 h at a cent, 4.17, and loses 190.83."""
    edit(base, "0.05 USD/Mtok", "0.20 USD/Mtok")
    status, said = comment(capsys)
    assert status == 1
    assert said.startswith("**edgeroi: FAIL (1) · edge costs +&#36;390 a month")
    assert "\\+&#36;300.00 a month against the base branch" in said
    assert "gate: PASS → FAIL" in said
    assert "premium +&#36;45.00 → +&#36;195.00 (+&#36;150.00)" in said
    assert "edge-net pass → fail" in said
    assert "edge-net fails: -191, limit -50" in said  # the rule, its value and its limit in the row
    rows = [line for line in said.partition("<details>")[0].splitlines() if line.startswith("| ")]
    assert rows[2].startswith("| low | edge | x NOT WORTH IT | +195 |")


def test_what_passes_as_before_is_counted(base: Path, capsys: pytest.CaptureFixture) -> None:
    edit(base, "{waiting: 0.01 USD/h, why: they wait, by: dana}", "{waiting: 0.20 USD/h, why: they wait, by: dana}")
    _, said = comment(capsys)
    rows = [line for line in said.partition("<details>")[0].splitlines() if line.startswith("| ")]
    assert len(rows) == 3  # the head, its rule, `low`
    assert "and 1 more workload: 1 passing" in said


def test_a_new_and_a_gone_workload_are_told(base: Path, capsys: pytest.CaptureFixture) -> None:
    edit(base, '"low":', '"other":')
    _, said = comment(capsys)
    assert "other: new, NOT WORTH IT, premium +&#36;45.00 a month" in said
    assert "low: gone" in said


def test_a_renamed_file_is_the_same_scenario(base: Path, capsys: pytest.CaptureFixture) -> None:
    base.rename(base.with_name("t.yaml"))
    capsys.readouterr()
    assert check("t.yaml", "--format", "markdown", "--baseline", "base.json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_limit_that_allows_more_is_told(base: Path, capsys: pytest.CaptureFixture) -> None:
    with base.open("a") as opened:
        opened.write("check: {materiality: 500 USD/month, fail_at: 0.05}\n")
    _, said = comment(capsys)
    assert "the materiality floor loosened from 50 to 500" in said
    assert "the probability at which an edge fails loosened from 0.1 to 0.05" in said
    edit(base, "materiality: 500 USD/month, fail_at: 0.05", "materiality: 46 USD/month, fail_at: 0.2")
    assert len(comment(capsys)[1].splitlines()) == 1  # stricter, and still passed


def test_a_new_waiver_is_told(base: Path, capsys: pytest.CaptureFixture) -> None:
    edit(base, "0.05 USD/Mtok", "0.20 USD/Mtok")
    with base.open("a") as opened:
        opened.write("check: {waivers: [{rule: edge-net, workload: low, why: until we move, by: dana, expires: 2099-01-31}]}\n")
    status, said = comment(capsys)
    assert status == 0
    assert "edge-net pass → waived" in said
    assert "**Waived**" in said
    assert "waived by dana until 2099-01-31: until we move" in said


def test_the_document_holds_the_change_and_keeps_its_schema(base: Path, capsys: pytest.CaptureFixture) -> None:
    edit(base, "0.05 USD/Mtok", "0.20 USD/Mtok")
    capsys.readouterr()
    assert check("s.yaml", "--baseline", "base.json", "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(schema_text("check"))).validate(document)
    since = document["since"]
    assert (since["gate"], since["quiet"]) == (["pass", "fail"], False)
    assert since["edge_premium_usd_month"] == pytest.approx([90.0, 390.0])
    low = next(change for change in since["changes"] if change["workload"] == "low")
    assert (low["before"]["premium_usd_month"], low["after"]["premium_usd_month"]) == pytest.approx((45.0, 195.0))
    assert check("s.yaml", "--baseline", "base.json") == 1
    assert "against the base" in capsys.readouterr().out


def test_ten_rows_are_shown_and_the_others_counted(here: Path) -> None:
    found = judged(scenario(here, text_of(*(workload(f"w{n}") for n in range(14)))), gate=True)
    said = written(found, "markdown")
    shown = [line for line in said.partition("<details>")[0].splitlines() if re.match(r"\| w\d", line)]
    assert len(shown) == 10
    assert "and 4 more workloads: 4 failing" in said


def test_a_comment_explains_what_it_is_asked_to(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert check(scenario(here, text_of(workload("one"))), "--format", "markdown", "--explain", "one") == 1
    said = capsys.readouterr().out
    assert "**Decision path**" in said
    assert "**one: cost a month**" in said


def test_failures_are_sentences_and_none_where_the_gate_passes(gate_folder: Verdicts) -> None:
    assert len(gate_folder.failures) == 4
    assert gate_folder.failures[-1].startswith("summaries: net at most -$195.00")
    assert judged(GATE / "justified.yaml", gate=True).failures == ()


def test_workloads_of_one_name_are_told_apart(gate_folder: Verdicts) -> None:
    said = written(gate_folder, "markdown")
    assert "| lookup (No price) | edge |" in said
    assert "| dictation | on-site |" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not the document of a check"),
        (b'{"command": "compare", "schema_version": 1}', "not the document of a check"),
        (b'{"command": "check", "schema_version": 99}', "schema version 99"),
        (b'{"command": "check", "schema_version": 1}', "not a whole document"),
        (b'{"command": "check", "schema_version": 1, "scenarios": [{"name": "S"}]}', "not a whole document"),
    ],
)
def test_a_baseline_that_is_none_is_refused(base: Path, capsys: pytest.CaptureFixture, content: bytes, said: str) -> None:
    (base.parent / "base.json").write_bytes(content)
    capsys.readouterr()
    assert check("s.yaml", "--baseline", "base.json") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("amount", ["10", "10 USD", "soon", "5 to 10 USD/month", "-1 USD/month"])
def test_an_amount_has_its_unit(base: Path, capsys: pytest.CaptureFixture, amount: str) -> None:
    assert check("s.yaml", "--baseline", "base.json", "--min-change", amount) == 2
    assert "--min-change" in capsys.readouterr().err
    assert check("s.yaml", "--min-change", "10 USD/month") == 2  # nothing to compare with
