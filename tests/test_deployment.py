"""Edge use that configurations state and no scenario answers for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judged import scenario
from test_pull_request import check, text_of, workload

from edgeroi.deployment import edge_uses
from edgeroi.errors import EdgeroiError

LITELLM = """
defaults: &workers {api_key: os.environ/CF_KEY, rpm: 60}
model_list:
  - model_name: gpt ### AS CLIENTS CALL IT ###
    litellm_params: {model: azure/gpt-4o-eu, api_base: "https://example.openai.azure.com/"}
  - model_name: fast
    litellm_params:
      <<: *workers
      model: cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8
  - model_name: embed
    litellm_params: {model: openai/@cf/baai/bge-base-en-v1.5, api_base: os.environ/BASE}
  - model_name: flyer
    litellm_params: {model: openai/llama-3.2-3b, api_base: "https://model.fly.dev/v1"}
  - model_name: gateway-own
    litellm_params: {model: openai/x, api_base: "https://gateway.ai.cloudflare.com/v1/acct/gw/workers-ai/v1"}
  - model_name: gateway-other
    litellm_params: {model: openai/gpt-4o, api_base: "https://gateway.ai.cloudflare.com/v1/acct/gw/openai"}
  - model_name: aliased
    litellm_params: {model: workers_ai/llama-3.2-1b}
  - model_name: not-fly
    litellm_params: {model: openai/x, api_base: "https://x.fly.dev.example.com/v1"}
litellm_settings: {drop_params: True}
"""


def test_litellm_names_its_edge_models(tmp_path: Path) -> None:
    config = tmp_path / "litellm.yaml"
    config.write_text(LITELLM)
    found = {use.name: (use.provider, use.model, use.place.line) for use in edge_uses(config)}
    lines = LITELLM.splitlines()
    assert found == {
        "fast": ("cloudflare", "@cf/meta/llama-3.1-8b-instruct-fp8", lines.index("  - model_name: fast") + 1),
        "embed": ("cloudflare", "@cf/baai/bge-base-en-v1.5", lines.index("  - model_name: embed") + 1),
        "flyer": ("fly", "llama-3.2-3b", lines.index("  - model_name: flyer") + 1),
        "gateway-own": ("cloudflare", "x", lines.index("  - model_name: gateway-own") + 1),
        "aliased": ("cloudflare", "llama-3.2-1b", lines.index("  - model_name: aliased") + 1),
    }


WRANGLER = {
    "wrangler.toml": ('name = "w"\n[vars]\nai = "no"\n\n[ai]\nbinding = "AI"\n', [("w", 5)]),
    "inline.toml": ('name = "w"\nai = { binding = "AI" }\n', [("w", 2)]),
    "env.toml": ('name = "w"\n[env.dev]\nroute = "x"\n[env.prod.ai]\nbinding = "AI"\n', [("w (prod)", 4)]),
    "none.toml": ('name = "w"\nmain = "x.ts"\n', []),
    "wrangler.jsonc": (
        '{\n\t"name": "w", // see https://x\n\t/* "ai": {} */\n\t"ai": {"binding": "AI"},\n'
        '\t"env": {"dev": {"ai": {"binding": "AI"},},},\n}\n',
        [("w", 4), ("w (dev)", 5)],
    ),
    "wrangler.json": ('{"name": "w", "vars": {"URL": "https://x//y"}}', []),
}


@pytest.mark.parametrize("name", WRANGLER)
def test_wrangler_binds_ai(tmp_path: Path, name: str) -> None:
    text, wanted = WRANGLER[name]
    (tmp_path / name).write_text(text)
    assert [(use.name, use.place.line) for use in edge_uses(tmp_path / name)] == wanted


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "litellm.yaml").write_text(
        'model_list:\n  - {model_name: e, litellm_params: {model: "cloudflare/@cf/baai/bge-base-en-v1.5"}}\n'
    )
    (tmp_path / "wrangler.toml").write_text('name = "w"\n[ai]\nbinding = "AI"\n')
    return tmp_path


#: The scenario's edge, as somebody would price it, and a baseline that costs more.
PRICED = """
options:
  cloud: {placement: cloud, price: {input: 9 USD/Mtok}, latency: 170 ms}
  edge: {placement: edge, price: cloudflare/@cf/baai/bge-base-en-v1.5, latency: 20 ms, assume: {why: so it is said, by: dana}}
  both: {fallback: {first: edge, then: cloud, after: 500 ms}}
workloads:
"""


def told(capsys: pytest.CaptureFixture) -> list[str]:
    capsys.readouterr()
    assert check("s.yaml", "--config", "litellm.yaml", "--config", "wrangler.toml", "--format", "json") == 0
    return [found["message"] for found in json.loads(capsys.readouterr().out)["checks"] if found["rule"] == "edge-uncovered"]


@pytest.mark.parametrize(
    ("runs_on", "uncovered"),
    [("edge", 0), ("both", 0), ("cloud", 2)],
    ids=["runs on it", "a policy does", "weighed only"],
)
def test_a_workload_that_runs_on_it_covers_it(project: Path, capsys: pytest.CaptureFixture, runs_on: str, uncovered: int) -> None:
    text = PRICED + workload("search").replace("[cloud, edge]", "[cloud, edge, both]").replace("runs_on: edge", f"runs_on: {runs_on}")
    scenario(project, text, "s.yaml")
    assert len(told(capsys)) == uncovered


def test_an_option_nobody_runs_on_covers_nothing(project: Path, capsys: pytest.CaptureFixture) -> None:
    text = PRICED + workload("search", "baseline: cloud").replace("[cloud, edge]", "[edge, cloud]").replace("    runs_on: edge\n", "")
    scenario(project, text, "s.yaml")
    assert len(told(capsys)) == 2


def test_another_model_covers_the_binding_and_not_the_model(project: Path, capsys: pytest.CaptureFixture) -> None:
    scenario(project, PRICED.replace("bge-base-en", "bge-small-en") + workload("search"), "s.yaml")
    (said,) = told(capsys)
    assert said.startswith("e is served at the edge by cloudflare/@cf/baai/bge-base-en-v1.5")


def test_it_is_a_warning_at_its_line(project: Path, capsys: pytest.CaptureFixture) -> None:
    scenario(project, text_of(workload("search").replace("runs_on: edge", "runs_on: cloud")), "s.yaml")
    capsys.readouterr()
    assert check("s.yaml", "--config", "wrangler.toml", "--format", "github") == 0
    assert "::warning file=wrangler.toml,line=2,title=edgeroi%3A edge-uncovered::w binds" in capsys.readouterr().out


BOMB = (
    "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    + "model_list: *a8\n"
)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.yaml", "services: {}\n", "neither a LiteLLM proxy's configuration nor wrangler's"),
        ("x.yaml", "model_list: [\n", "not YAML"),
        ("x.toml", "name = \n", "not TOML"),
        ("x.json", "{", "not YAML"),
        ("bomb.yaml", BOMB, "unfolds into too much"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(EdgeroiError, match=said):
        edge_uses(tmp_path / name)
    with pytest.raises(EdgeroiError, match="cannot be read"):
        edge_uses(tmp_path / f"missing-{name}")
