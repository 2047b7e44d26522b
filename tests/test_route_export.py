"""A policy as a gateway's configuration: what LiteLLM's own router makes of it, and whether Cloudflare's graph holds together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeroi.errors import EdgeroiError
from edgeroi.gateways import cloudflare, litellm
from edgeroi.scenario import load_routes

POLICIES = """\
edgeroi: 1
policies: [{policies}]
options:
  edge: {{placement: edge, price: cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8-fast}}
  cloud: {{placement: cloud, price: deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo}}
  large: {{placement: cloud, price: openai/gpt-4o}}
  unnamed: {{placement: cloud}}
  guarded: {{fallback: {{first: edge, then: parted, after: 800 ms}}}}
  parted: {{split: {{cloud: 75%, large: 25%}}}}
  thirds: {{split: {{edge: 50%, cloud: 25%, large: 25%}}}}
  sorted:
    route:
      rules:
        - {{when: {{input_tokens: "< 400", prompt: {{words: "<= 50", has_none_of: ["explain*"]}}}}, to: guarded}}
        - {{when: {{region: [eu-west, eu-north]}}, to: large}}
      otherwise: cloud
  raced: {{hedge: {{first: edge, then: cloud, after: 80 ms}}}}
  checked: {{cascade: {{first: edge, then: cloud, confidence: 0.8}}}}
  lost: {{fallback: {{first: unnamed, then: cloud}}}}
"""

TO = {"type": "object", "required": ["elementId"], "properties": {"elementId": {"type": "string"}}, "additionalProperties": False}


def leading(*names: str) -> dict[str, Any]:
    return {"type": "object", "required": list(names), "properties": dict.fromkeys(names, TO), "additionalProperties": False}


MODEL = {
    "type": "object",
    "required": ["provider", "model", "timeout", "retries"],
    "properties": {
        "provider": {"type": "string"},
        "model": {"type": "string"},
        "timeout": {"type": "integer", "minimum": 1},
        "retries": {"type": "integer", "minimum": 0},
    },
    "additionalProperties": False,
}
#: Each element as Cloudflare's API reference has it: its outputs, and its properties where it has any.
ELEMENTS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "start": (leading("next"), None),
    "end": (leading(), None),
    "conditional": (
        leading("true", "false"),
        {"required": ["conditions"], "properties": {"conditions": {}}, "additionalProperties": False},
    ),
    "percentage": ({"patternProperties": {"^[0-9.]+%$": TO, "^else$": TO}, "additionalProperties": False, "maxProperties": 6}, None),
    "model": (leading("success", "fallback"), MODEL),
}


def written(folder: Path, *policies: str) -> Path:
    path = folder / "policies.yaml"
    path.write_text(POLICIES.format(policies=", ".join(policies)))
    return path


def exported(folder: Path, gateway: Any, *policies: str) -> Any:
    file = load_routes(written(folder, *policies))
    return gateway(file.options, file.policies)


# ---- Cloudflare


def leads_to(elements: Mapping[str, Mapping[str, Any]], at: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every way through the graph; a circle or a missing element fails."""
    assert at not in seen, f"a circle: {seen}"
    outputs = elements[at]["outputs"].values()
    if not outputs:
        yield (*seen, at)
    for output in outputs:
        yield from leads_to(elements, output["elementId"], (*seen, at))


@pytest.mark.parametrize("policy", ["guarded", "parted", "thirds", "sorted"])
def test_a_dynamic_route_holds_together(tmp_path: Path, policy: str) -> None:
    route = exported(tmp_path, cloudflare, policy).document
    json.dumps(route)
    elements = {element["id"]: element for element in route["elements"]}
    assert len(elements) == len(route["elements"])
    for element in route["elements"]:
        outputs, properties = ELEMENTS[element["type"]]
        jsonschema.validate(element["outputs"], outputs)
        assert set(element) == {"id", "type", "outputs"} | ({"properties"} if properties else set())
        if properties:
            jsonschema.validate(element["properties"], properties)
    (start,) = [element["id"] for element in route["elements"] if element["type"] == "start"]
    ways = list(leads_to(elements, start))
    assert {way[-1] for way in ways} == {element["id"] for element in route["elements"] if element["type"] == "end"}
    assert {name for way in ways for name in way} == set(elements)  # nothing stands apart


def test_who_is_called_when_by_the_graph(tmp_path: Path) -> None:
    route = exported(tmp_path, cloudflare, "guarded").document
    elements = {element["id"]: element for element in route["elements"]}
    first = elements[elements["start-1"]["outputs"]["next"]["elementId"]]
    assert first["properties"] == {
        "provider": "workers-ai",
        "model": "@cf/meta/llama-3.1-8b-instruct-fp8-fast",
        "timeout": 800,
        "retries": 0,
    }
    then = elements[first["outputs"]["fallback"]["elementId"]]
    assert then["type"] == "percentage"
    assert elements[then["outputs"]["75%"]["elementId"]]["properties"]["provider"] == "deepinfra"
    assert elements[then["outputs"]["else"]["elementId"]]["properties"]["model"] == "gpt-4o"


def shares(elements: Mapping[str, Mapping[str, Any]], at: str) -> Iterator[tuple[str, float]]:
    element = elements[at]
    if element["type"] == "model":
        yield element["properties"]["provider"], 1.0
        return
    told = {name: float(name.rstrip("%")) / 100 for name in element["outputs"] if name != "else"}
    told["else"] = 1 - sum(told.values())
    for name, share in told.items():
        yield from ((to, share * inner) for to, inner in shares(elements, element["outputs"][name]["elementId"]))


def test_two_equal_shares_are_kept_apart(tmp_path: Path) -> None:
    route = exported(tmp_path, cloudflare, "thirds").document
    elements = {element["id"]: element for element in route["elements"]}
    assert dict(shares(elements, elements["start-1"]["outputs"]["next"]["elementId"])) == {
        "workers-ai": 0.5,
        "deepinfra": 0.25,
        "openai": 0.25,
    }


def test_what_the_application_has_to_send_is_said(tmp_path: Path) -> None:
    found = exported(tmp_path, cloudflare, "sorted")
    conditions = [element["properties"]["conditions"] for element in found.document["elements"] if element["type"] == "conditional"]
    asked = [
        {"metadata.input_tokens": {"$lt": 400}},
        {"metadata.prompt_words": {"$lte": 50}},
        {"metadata.prompt_has_explain": {"$eq": False}},
    ]
    assert conditions == [{"$and": asked}, {"metadata.region": {"$in": ["eu-west", "eu-north"]}}]
    notes = "\n".join(found.notes)
    for key in ("input_tokens", "prompt_words", "prompt_has_explain", "region"):
        assert f"cf-aig-metadata: {key}:" in notes
    assert "deepinfra is no provider that Cloudflare's gateway knows" in notes


# ---- LiteLLM

LOADED = """
import json, sys
from litellm import Router
told = json.load(open(sys.argv[1]))
router = Router(model_list=told["model_list"], **told["router_settings"])
picked = {}
for _ in range(2000):
    found = router.get_available_deployment(model=sys.argv[2])
    picked[found["litellm_params"]["model"]] = picked.get(found["litellm_params"]["model"], 0) + 1
names = sorted({each["model_name"] for each in router.model_list})
timeouts = {each["model_name"]: each["litellm_params"].get("timeout") for each in router.model_list}
settings = {"fallbacks": router.fallbacks, "timeout": router.timeout, "retries": router.num_retries}
print(json.dumps({"picked": picked, "names": names, "timeouts": timeouts, **settings}))
"""


def loaded(path: Path, model: str) -> Any:
    """What LiteLLM's own Router makes of a configuration, in a process that reaches no network."""
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PATH": "",
        "CLOUDFLARE_API_KEY": "k",
        "DEEPINFRA_API_KEY": "k",
        "OPENAI_API_KEY": "k",
    }
    environment["CLOUDFLARE_ACCOUNT_ID"] = "a"
    done = subprocess.run([sys.executable, "-c", LOADED, str(path), model], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(find_spec("litellm") is None, reason="litellm is not installed: pip install litellm")
def test_litellm_s_own_router_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(exported(tmp_path, litellm, "guarded", "sorted").document))
    found = loaded(path, "parted")
    assert found["names"] == ["cloud", "guarded", "large", "parted"]
    assert found["fallbacks"] == [{"guarded": ["parted"]}]
    assert (found["timeout"], found["retries"]) == (600, 0)
    assert found["timeouts"]["guarded"] == 0.8
    assert found["timeouts"]["parted"] is None
    # Its shuffle picks by weight: 75 % of 2,000 is 1,500, +- 3 standard deviations of 19.4.
    assert abs(found["picked"]["deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo"] - 1500) < 59
    assert set(found["picked"]) == {"deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo", "openai/gpt-4o"}


def test_litellm_s_configuration_by_its_keys(tmp_path: Path) -> None:
    found = exported(tmp_path, litellm, "guarded")
    groups: dict[str, list[Any]] = {}
    for each in found.document["model_list"]:
        groups.setdefault(each["model_name"], []).append(each["litellm_params"])
    assert groups["guarded"] == [
        {
            "model": "cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8-fast",
            "api_key": "os.environ/CLOUDFLARE_API_KEY",
            "timeout": 0.8,
            "stream_timeout": 0.8,
        }
    ]
    assert [each["weight"] for each in groups["parted"]] == [0.75, 0.25]
    assert found.document["router_settings"]["fallbacks"] == [{"guarded": ["parted"]}]
    assert len({each["model_info"]["id"] for each in found.document["model_list"]}) == 3


def test_a_rule_is_left_to_the_application_and_said(tmp_path: Path) -> None:
    notes = exported(tmp_path, litellm, "sorted").notes
    assert notes[0].endswith("ask for model 'guarded' when input_tokens < 400 and prompt has <= 50 words and prompt has none of explain*")
    assert notes[-1] == "sorted: otherwise for model 'cloud'"


@pytest.mark.parametrize("gateway", [litellm, cloudflare])
@pytest.mark.parametrize(
    ("policy", "said"), [("raced", "has no hedging"), ("checked", "has no cascade"), ("lost", "unnamed names no provider and model")]
)
def test_what_a_gateway_cannot_do_is_refused(tmp_path: Path, gateway: Any, policy: str, said: str) -> None:
    with pytest.raises(EdgeroiError, match=said) as refused:
        exported(tmp_path, gateway, policy)
    assert refused.value.place is not None


def test_a_dynamic_route_is_one_policy(tmp_path: Path) -> None:
    with pytest.raises(EdgeroiError, match="2 policies, and a dynamic route is one"):
        exported(tmp_path, cloudflare, "guarded", "parted")
