"""Where a project's configurations put inference at the edge: a LiteLLM proxy's ``model_list``, a Worker's AI binding in ``wrangler``.

What such a file is follows from what it is called and holds: ``*.toml`` is wrangler's, as is JSON with a ``main`` or an ``ai``, and YAML
with a ``model_list`` is LiteLLM's. A use of the edge is covered where a scenario has a workload that ``runs_on`` an edge option of the
same model; a binding, which names no model, where one runs on any model of that provider.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgeroi.errors import EdgeroiError, Place
from edgeroi.gate import Finding
from edgeroi.option import family
from edgeroi.spec import OptionSpec, PriceRef, Scenario
from edgeroi.yamltree import Listing, Node, Scalar, Table, read_foreign

#: Whose hosts serve at the edge: the end of the name, and the provider.
_HOSTS: Mapping[str, str] = {
    "api.cloudflare.com": "cloudflare",
    ".workers.dev": "cloudflare",
    ".fly.dev": "fly",
    ".flycast": "fly",
    ".edgecompute.app": "fastly",
}
#: Cloudflare's gateway passes on to anybody; only this part of a path is its own inference.
_GATEWAY, _OWN = "gateway.ai.cloudflare.com", "/workers-ai"
#: What every model of Workers AI begins with, whatever the proxy calls its provider.
_WORKERS_AI = "@cf/"


@dataclass(frozen=True, slots=True)
class EdgeUse:
    """One use of the edge that a configuration states: by which name, at which provider, of which model, where it stands."""

    name: str
    provider: str
    model: str | None
    place: Place

    @property
    def finding(self) -> Finding:
        """What is said where no scenario covers it."""
        if self.model is None:
            said = f"{self.name} binds {self.provider}'s inference and no scenario has a workload that runs on it"
        else:
            said = f"{self.name} is served at the edge by {self.provider}/{self.model} and no scenario has a workload that runs on it"
        return Finding(
            "edge-uncovered", None, "warning", "fail", said, place=self.place, subject=f"{self.provider}/{self.model or self.name}"
        )


def uncovered(files: Iterable[Path], scenarios: Sequence[Scenario]) -> tuple[Finding, ...]:
    """A finding for every use of the edge in these configurations that no scenario answers for; each place once."""
    uses = (use for file in files for use in edge_uses(file))
    return tuple(dict.fromkeys(use.finding for use in uses if not _covers(scenarios, use)))


def edge_uses(file: Path) -> tuple[EdgeUse, ...]:
    """Every use of the edge a configuration states. Raises ``EdgeroiError`` for a file that is neither kind."""
    if file.suffix == ".toml":
        return tuple(_of_toml(file))
    is_json = file.suffix in (".json", ".jsonc")
    tree = read_foreign(file, _without_comments if is_json else str)
    if isinstance(tree, Table) and isinstance(models := tree.get("model_list"), Listing):
        return tuple(use for item in models.items if (use := _of_model(item)))
    if is_json and isinstance(tree, Table):
        return tuple(_of_worker(tree))
    fix = "a LiteLLM configuration has a `model_list`; a Worker's is wrangler.toml, wrangler.json or wrangler.jsonc"
    raise EdgeroiError("neither a LiteLLM proxy's configuration nor wrangler's", place=Place(str(file)), key="--config", fix=fix)


# --- what covers a use ----------------------------------------------------------------------------------------------------


def _covers(scenarios: Sequence[Scenario], use: EdgeUse) -> bool:
    return any(_is_use(part, use) for scenario in scenarios for part in _run_at_edge(scenario))


def _run_at_edge(scenario: Scenario) -> Iterator[OptionSpec]:
    """The edge options that some workload runs on, policies taken apart."""
    for workload in scenario.workloads.values():
        option = workload.options.get(workload.runs_on) if workload.runs_on else None
        if option is not None:
            yield from (part for part in scenario.parts(option) if part.placement == "edge")


def _is_use(option: OptionSpec, use: EdgeUse) -> bool:
    from edgeroi.pricebooks.catalogue import own_name

    if use.model is not None:
        return option.model_name is not None and family(option.model_name) == family(use.model)
    named = isinstance(option.price, PriceRef) and own_name(option.price.provider) == use.provider
    return named or (use.provider == "cloudflare" and (option.model_name or "").startswith(_WORKERS_AI))


# --- LiteLLM --------------------------------------------------------------------------------------------------------------


def _of_model(item: Node) -> EdgeUse | None:
    """One entry of ``model_list``, where it is served at the edge."""
    params = item.get("litellm_params") if isinstance(item, Table) else None
    node = params.get("model") if isinstance(params, Table) else None
    if not isinstance(item, Table) or not isinstance(params, Table) or not isinstance(node, Scalar):
        return None
    model, base = node.text, _text(params.get("api_base")) or _text(params.get("base_url"))
    provider = _served_by(model, _text(params.get("custom_llm_provider")), base)
    if provider is None:
        return None
    at = model.find(_WORKERS_AI)
    bare = model[at:] if at >= 0 else model.partition("/")[2] or model
    return EdgeUse(_text(item.get("model_name")) or model, provider, bare, item.place)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _served_by(model: str, stated: str, base: str) -> str | None:
    """The edge provider behind an entry, ``None`` where it is none, or where only the environment knows."""
    from edgeroi.pricebooks.catalogue import own_name, serves_at_edge

    if _WORKERS_AI in model:
        return "cloudflare"
    provider = stated or model.partition("/")[0]
    return own_name(provider) if serves_at_edge(provider) else _host_of(base)


def _host_of(base: str) -> str | None:
    try:
        parts = urlsplit(base)
        host = parts.hostname or ""
    except ValueError:
        return None
    if host == _GATEWAY:
        return "cloudflare" if _OWN in parts.path else None
    return next((provider for end, provider in _HOSTS.items() if host == end or (end.startswith(".") and host.endswith(end))), None)


# --- wrangler -------------------------------------------------------------------------------------------------------------


def _of_worker(tree: Table) -> Iterator[EdgeUse]:
    """The AI bindings of a Worker and of its environments, which inherit none."""
    worker = _text(tree.get("name")) or "the Worker"
    environments = tree.get("env")
    named = environments.entries if isinstance(environments, Table) else ()
    for name, part in ((worker, tree), *((f"{worker} ({key.text})", value) for key, value in named)):
        key = part.key("ai") if isinstance(part, Table) else None
        if key is not None:
            yield EdgeUse(name, "cloudflare", None, key.place)


def _of_toml(file: Path) -> Iterator[EdgeUse]:
    """The same of TOML, whose parser keeps no lines: they are looked for by how such a table can be written."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        read = tomllib.loads(text)
    except OSError as error:
        raise EdgeroiError(f"cannot be read: {error.strerror or error}", place=Place(str(file)), key="--config") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise EdgeroiError(f"not TOML: {error}", place=Place(str(file)), key="--config") from None
    worker = read.get("name") or "the Worker"
    environments = read.get("env")
    named = environments.items() if isinstance(environments, dict) else ()
    parts: list[tuple[str, Any, str]] = [(worker, read, ""), *((f"{worker} ({key})", value, f"env.{key}.") for key, value in named)]
    for name, part, prefix in parts:
        if isinstance(part, dict) and "ai" in part:
            yield EdgeUse(name, "cloudflare", None, Place(str(file), _line_of(text, prefix), 1))


def _line_of(text: str, prefix: str) -> int | None:
    """The line of ``[ai]``, ``ai = {...}`` or ``ai.binding =``, below the environment's head where there is one."""
    dotted = re.escape(prefix)
    head = re.search(rf"^[ \t]*\[[ \t]*{dotted}ai[ \t]*\]", text, re.MULTILINE)
    if head is None:
        outer = re.search(rf"^[ \t]*\[[ \t]*{re.escape(prefix.rstrip('.'))}[ \t]*\]", text, re.MULTILINE) if prefix else None
        head = re.compile(r"^[ \t]*ai[ \t]*[.=]", re.MULTILINE).search(text, outer.end() if outer else 0)
    return text.count("\n", 0, head.start()) + 1 if head else None


_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _without_comments(text: str) -> str:
    """JSON with its comments and tabs blanked, so that every line and column stays where it was."""

    def blanked(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])

    return _STRING_OR_COMMENT.sub(blanked, text).replace("\t", " ")
