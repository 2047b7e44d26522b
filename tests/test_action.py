"""The GitHub action, its steps run as the runner runs them: bash, the inputs, real git; only ``gh`` is a stand-in that keeps comments.

Also the plain-shell example, which is what the action runs, and the hooks for pre-commit.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_pull_request import JUNIT, SARIF

ROOT = Path(__file__).parents[1]
ACTION: Mapping[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
EXAMPLES = ROOT / "examples" / "ci"
EDGEROI = Path(sys.executable).with_name("edgeroi")

#: GitHub's API as far as the action uses it: a file of comments, and a file of uploads. Pages of one, to see that they are joined.
FAKE_GH = """#!{python}
import json, pathlib, re, sys
store = pathlib.Path({store!r})
words = sys.argv[1:]
if words[:2] == ["run", "download"]:
    folder = pathlib.Path(words[words.index("--dir") + 1])
    folder.mkdir()
    (folder / "comment.md").write_text("as the first workflow left it\\n")
    sys.exit()
with (store / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if (store / "forbidden").exists() and "--method" in words:
    sys.exit("HTTP 403: Resource not accessible by integration")
comments = json.loads((store / "comments.json").read_text())
fields = {{}}
for flag, given in zip(words, words[1:]):
    if flag in ("-f", "-F"):
        name, _, value = given.partition("=")
        fields[name] = pathlib.Path(value[1:]).read_text() if flag == "-F" and value.startswith("@") else value
method = words[words.index("--method") + 1] if "--method" in words else "GET"
path = next(word for word in words if word.startswith("repos/"))
if method == "GET" and path.endswith("/pulls"):
    print((store / "pulls.json").read_text())
elif method == "GET" and "/comments" in path:
    print("".join(json.dumps([comment]) for comment in comments) or "[]")
elif method == "POST" and path.endswith("/comments"):
    comments.append({{"id": 100 + len(comments), "user": {{"type": "Bot"}}, "body": fields["body"]}})
elif method == "PATCH":
    next(c for c in comments if c["id"] == int(path.rpartition("/")[2]))["body"] = fields["body"]
elif method == "POST" and path.endswith("/sarifs"):
    (store / "sarif").write_text(json.dumps(fields))
else:
    sys.exit(f"no such call: {{words}}")
(store / "comments.json").write_text(json.dumps(comments))
"""

SCENARIO = """edgeroi: 1
name: Search
prices_as_of: 2026-11-22
options:
  cloud: {placement: cloud, price: {input: 0.005 USD/Mtok}, latency: 170 ms}
  edge: {placement: edge, price: {input: 0.05 USD/Mtok}, latency: 20 ms, assume: {why: so it is said, by: dana}}
workloads:
  search:
    requests: 10M /month
    tokens: {input: 100 tok, output: 0 tok}
    options: [cloud, edge]
    runs_on: edge
    value: {waiting: 0.01 USD/h, why: they wait, by: dana}
"""


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Runner:
    """A job of one step that uses the action: a checkout of depth 1, as actions/checkout makes it, and what GitHub knows."""

    folder: Path
    checkout: Path
    base: str
    inputs: dict[str, str] = field(default_factory=dict)
    said: str = ""

    @property
    def store(self) -> Path:
        return self.folder / "github"

    @property
    def comments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.store / "comments.json").read_text())
        return found

    def use(self, **inputs: str) -> int:
        """Run every step whose condition holds, until one fails; the status of the last."""
        default = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()}
        context = {
            "github.action_path": str(ROOT), "github.repository": "o/r", "github.sha": git(self.checkout, "rev-parse", "HEAD"),
            "github.ref": "refs/pull/7/merge", "github.token": "t", "github.event.pull_request.number": "7",
            "github.event.pull_request.base.sha": self.base, "runner.temp": str(self.folder / "temp"),
        }  # fmt: skip
        given = {name.replace("_", "-"): value for name, value in {"edgeroi": str(EDGEROI), **self.inputs, **inputs}.items()}
        assert set(given) <= set(default)
        context |= {f"inputs.{name}": given.get(name, filled(default[name], context)) for name in default}
        self.said = ""
        for step in ACTION["runs"]["steps"]:
            if "if" in step and not holds(step["if"], context):
                continue
            status = self.step(step, context)
            if status:
                return status
        return 0

    def step(self, step: Mapping[str, Any], context: dict[str, str]) -> int:
        output = self.folder / "output"
        output.write_text("")
        env = {name: filled(value, context) for name, value in step["env"].items()}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        summary = str(self.folder / "summary.md")
        known = {"PATH": path, "HOME": str(self.folder), "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": summary}
        known["RUNNER_TEMP"] = str(self.folder / "temp")
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.checkout, env=known | env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            context[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode


def filled(text: str, context: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: context.get(found[1], ""), text)


def holds(condition: str, context: Mapping[str, str]) -> bool:
    """A condition of the kind the action uses: comparisons with a text, joined by ``&&``."""
    parts = (re.fullmatch(r"([\w.-]+) (==|!=) '([^']*)'", part.strip()) for part in condition.split("&&"))
    return all((context.get(part[1], "") == part[3]) == (part[2] == "==") for part in parts if part is not None or pytest.fail(condition))


@pytest.fixture
def job(tmp_path: Path) -> Runner:
    """A pull request whose base passes, checked out from a repository on this machine."""
    origin, checkout, store = tmp_path / "origin", tmp_path / "checkout", tmp_path / "github"
    for folder in (origin / "scenarios", store, tmp_path / "bin", tmp_path / "temp"):
        folder.mkdir(parents=True)
    git(origin, "init", "-q")
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    (origin / "scenarios" / "search.yaml").write_text(SCENARIO)
    (origin / "edgeroi.yaml").write_text("edgeroi: 1\nmateriality: 50 USD/month\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "base")
    base = git(origin, "rev-parse", "HEAD")
    (origin / "README").write_text("more\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "head")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", str(checkout))
    (store / "comments.json").write_text(json.dumps([{"id": 1, "user": {"type": "User"}, "body": "<!-- edgeroi check -->\nmine now"}]))
    gh = tmp_path / "bin" / "gh"
    gh.write_text(FAKE_GH.format(python=sys.executable, store=str(store)))
    gh.chmod(0o755)
    return Runner(tmp_path, checkout, base)


def change(job: Runner, file: str, old: str, new: str) -> None:
    path = job.checkout / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_change_that_loses_money_fails_with_everything_written(job: Runner) -> None:
    change(job, "scenarios/search.yaml", "0.05 USD/Mtok", "0.20 USD/Mtok")
    change(job, "edgeroi.yaml", "50 USD", "500 USD")
    assert job.use() == 1, job.said
    assert "::error file=scenarios/search.yaml,line=8,title=edgeroi%3A NOT WORTH IT::search: net" in job.said
    assert "::warning file=edgeroi.yaml,line=2," in job.said  # loosened, and judged by the base branch's
    stranger, ours = job.comments
    assert stranger["body"] == "<!-- edgeroi check -->\nmine now"
    assert ours["body"].startswith("<!-- edgeroi check -->\n**edgeroi: FAIL (1) · edge costs +&#36;195 a month")
    assert "premium +&#36;45.00 → +&#36;195.00" in ours["body"]
    assert "materiality: 500 USD/month allows more" in ours["body"]
    assert (job.folder / "summary.md").read_text() == ours["body"].partition("\n")[2]
    sent = json.loads((job.store / "sarif").read_text())
    assert (sent["ref"], len(sent["commit_sha"])) == ("refs/pull/7/merge", 40)
    log = json.loads(gzip.decompress(base64.b64decode(sent["sarif"])))
    SARIF.validate(log)
    assert {result["ruleId"] for result in log["runs"][0]["results"]} == {"edge-net", "policy-weakened"}
    JUNIT.validate((job.folder / "temp" / "edgeroi-out" / "junit.xml").read_text())
    assert git(job.checkout, "worktree", "list").count("\n") == 0  # the base's is gone again


def test_the_comment_is_one_and_is_kept(job: Runner) -> None:
    assert job.use(sarif="false") == 0, job.said
    assert len(job.comments) == 1  # nothing changed and nothing was said before: silence
    change(job, "scenarios/search.yaml", "0.05 USD/Mtok", "0.20 USD/Mtok")
    assert job.use(sarif="false") == 1
    change(job, "scenarios/search.yaml", "0.20 USD/Mtok", "0.05 USD/Mtok")
    assert job.use(sarif="false") == 0
    _, ours = job.comments
    assert "no verdict and no rule changed" in ours["body"]
    assert not (job.store / "sarif").exists()


def test_a_token_that_may_not_write_fails_nothing(job: Runner) -> None:
    (job.store / "forbidden").touch()
    change(job, "scenarios/search.yaml", "0.01 USD/h", "15 USD/h")
    assert job.use(base="") == 0, job.said
    assert "::warning title=edgeroi::SARIF was not uploaded" in job.said
    assert "::warning title=edgeroi::the comment was not written" in job.said


def test_what_cannot_be_read_ends_with_2_and_no_comment(job: Runner) -> None:
    change(job, "scenarios/search.yaml", "runs_on", "run_on")
    assert job.use(base="") == 2
    assert "unknown key 'run_on'" in job.said
    assert len(job.comments) == 1


def test_a_comment_of_another_workflow_is_posted_and_nothing_checked(job: Runner) -> None:
    left = job.folder / "comment.md"
    left.write_text("é" * 40_000 + "\nlast line\n")
    assert job.use(comment_from=str(left), pull_request="8") == 0, job.said
    calls = [json.loads(line) for line in (job.store / "calls").read_text().splitlines()]
    assert calls[-1][:4] == ["api", "--method", "POST", "repos/o/r/issues/8/comments"]
    body = job.comments[-1]["body"]
    assert len(body.encode()) < 65_536
    assert body.endswith("Cut here; the job's summary has the rest.\n")


@pytest.mark.parametrize(("checked", "number"), [("abc", "12"), ("gone", "")], ids=["still its head", "pushed to since"])
def test_the_second_workflow_for_forks_finds_the_pull_request_by_its_commit(job: Runner, checked: str, number: str) -> None:
    pulls = [{"number": 11, "head": {"sha": "other"}}, {"number": 12, "head": {"sha": "abc"}}]
    (job.store / "pulls.json").write_text(json.dumps(pulls))
    example = yaml.safe_load((EXAMPLES / "github-fork-comment.yml").read_text())
    step = next(step for step in example["jobs"]["comment"]["steps"] if "run" in step)
    event = "github.event.workflow_run"
    context = {
        "github.repository": "o/r", f"{event}.id": "1", f"{event}.head_sha": checked, f"{event}.head_branch": "x",
        f"{event}.head_repository.owner.login": "stranger",
    }  # fmt: skip
    assert job.step(step, context) == 0, job.said
    assert context["steps.find.outputs.number"] == number
    calls = [json.loads(line) for line in (job.store / "calls").read_text().splitlines()]
    assert "head=stranger:x" in calls[-1]
    left = job.folder / "temp" / "edgeroi" / "comment.md"
    if number:
        assert job.use(comment_from=str(left), pull_request=number) == 0
        assert job.comments[-1]["body"] == "<!-- edgeroi check -->\nas the first workflow left it\n"


def test_arguments_and_configurations_are_one_a_line(job: Runner) -> None:
    (job.checkout / "lite llm.yaml").write_text('model_list:\n  - {model_name: e, litellm_params: {model: "cloudflare/@cf/baai/bge-m3"}}\n')
    arguments = "--set\nworkloads.search.requests=100M /month\n"
    assert job.use(config="lite llm.yaml\n", args=arguments, sarif="false", comment="false", base="") == 1, job.said
    assert "::warning file=lite llm.yaml,line=2," in job.said
    assert len(job.comments) == 1


@pytest.mark.skipif(not os.environ.get("EDGEROI_ACTION_INSTALLS"), reason="installs from a package index; .ci/run asks for it")
def test_the_action_installs_itself(job: Runner) -> None:
    assert job.use(edgeroi="", sarif="false", comment="false", base="") == 0, job.said
    assert "edgeroi 0." in job.said


def test_no_step_puts_a_strangers_text_into_its_script() -> None:
    steps = [step for step in ACTION["runs"]["steps"] if "run" in step]
    examples = (yaml.safe_load(file.read_text()) for file in EXAMPLES.glob("github*.yml"))
    steps += [step for each in examples for job_ in each["jobs"].values() for step in job_["steps"] if "run" in step]
    assert len(steps) == 6
    for step in steps:
        assert "${{" not in step["run"]
        assert subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False).returncode == 0


def test_actions_of_others_are_pinned() -> None:
    used = re.findall(r"uses: (\S+)", "".join(file.read_text() for file in (ROOT / "action.yml", *EXAMPLES.glob("github*.yml"))))
    assert used
    assert all(re.search(r"@[0-9a-f]{40}$", each) for each in used if not each.startswith("OWNER/"))


# --- the plain shell, and GitLab --------------------------------------------------------------------------------------------------


def shell(job: Runner, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "HOME": str(job.folder), "EDGEROI": str(EDGEROI), **env}
    return subprocess.run(
        ["sh", EXAMPLES / "check.sh", *arguments], cwd=job.checkout, env=known, capture_output=True, text=True, check=False
    )


def test_the_shell_example_without_a_base(job: Runner) -> None:
    done = shell(job)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("gate: PASS")
    written = {path.name for path in (job.checkout / "edgeroi-out").iterdir()}
    assert written == {"comment.md", "edgeroi.sarif", "junit.xml", "code-quality.json", "check.json"}


def test_a_base_that_cannot_be_judged_is_told_and_its_policy_still_holds(job: Runner) -> None:
    """The scenario stands in another folder than at the base."""
    (job.checkout / "more").mkdir()
    (job.checkout / "more" / "new.yaml").write_text(SCENARIO.replace("0.05 USD/Mtok", "0.20 USD/Mtok"))
    change(job, "edgeroi.yaml", "50 USD", "500 USD")
    done = shell(job, BASE=job.base, SCENARIOS="more", MIN_CHANGE="1 USD/month")
    assert done.returncode == 1, done.stderr
    assert "no comparison, for the base cannot be judged" in done.stderr
    assert "policy-weakened" in done.stdout


def test_gitlab_reads_what_the_shell_example_writes() -> None:
    (job_,) = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text()).values()
    text = (EXAMPLES / "check.sh").read_text()
    for report in job_["artifacts"]["reports"].values():
        folder, _, name = report.partition("/")
        assert folder == "edgeroi-out"
        assert f"=$out/{name}" in text


# --- pre-commit ------------------------------------------------------------------------------------------------------------------

HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


def hooked(hook: Mapping[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """The hook as pre-commit runs it: its entry, its arguments, and the tracked files its pattern finds."""
    files = [name for name in git(folder, "ls-files").splitlines() if re.search(hook["files"], name)]
    words = [str(EDGEROI), *hook["entry"].split()[1:], *hook.get("args", ()), *(files if hook.get("pass_filenames", True) else ())]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_hooks_are_what_pre_commit_asks_for() -> None:
    asked: dict[str, Callable[[Any], bool]] = {
        "id": str.islower,
        "name": bool,
        "entry": lambda e: e.startswith("edgeroi "),
        "language": "python".__eq__,
    }
    assert set(HOOKS) == {"edgeroi-lint", "edgeroi-check"}
    for hook in HOOKS.values():
        assert all(holds_(hook[key]) for key, holds_ in asked.items())
        re.compile(hook["files"])


def test_the_hooks_pass_and_fail(job: Runner) -> None:
    assert hooked(HOOKS["edgeroi-lint"], job.checkout).returncode == 0
    assert hooked(HOOKS["edgeroi-check"], job.checkout).returncode == 0
    change(job, "scenarios/search.yaml", "0.05 USD/Mtok", "0.20 USD/Mtok")
    assert hooked(HOOKS["edgeroi-check"], job.checkout).returncode == 1
    change(job, "scenarios/search.yaml", "runs_on", "run_on")
    assert hooked(HOOKS["edgeroi-lint"], job.checkout).returncode == 2


# --- the files themselves, by the schemas of those who read them ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-actions", [ROOT / "action.yml"]),
        ("github-workflows", sorted(EXAMPLES.glob("github*.yml"))),
        ("gitlab-ci", [EXAMPLES / "gitlab-ci.yml"]),
    ],
)
def test_a_file_keeps_its_readers_schema(schema: str, files: list[Path]) -> None:
    """The schemas that check-jsonschema carries; nothing is fetched."""
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_fault_breaks_its_readers_schema(tmp_path: Path) -> None:
    broken = tmp_path / "action.yml"
    broken.write_text((ROOT / "action.yml").read_text().replace("using: composite", "using: magic"))
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.github-actions", broken]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
