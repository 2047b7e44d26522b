"""A policy as the configuration of a gateway that runs it: LiteLLM's router, and Cloudflare AI Gateway's dynamic routes.

Only what the gateway itself can do is written; what it cannot is an error, or, where the application can do it in front of the gateway, a
note. Field names are those of LiteLLM's ``Router`` (``model_list``, ``fallbacks``, ``timeout``, ``weight``) and of Cloudflare's JSON
configuration of dynamic routes (elements ``start``, ``conditional``, ``percentage``, ``model``, ``end``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeroi.cuts import LENGTH
from edgeroi.errors import EdgeroiError
from edgeroi.report import Json
from edgeroi.spec import Condition, Fallback, Hedge, OptionSpec, PriceRef, Route, Split

#: What the gateways call a provider of the price book, where they call it otherwise.
_LITELLM = {"fireworks": "fireworks_ai", "google": "gemini", "together": "together_ai", "aws": "bedrock", "azure-openai": "azure"}
_CLOUDFLARE = {"cloudflare": "workers-ai", "google": "google-ai-studio", "aws": "aws-bedrock", "x-ai": "grok", "azure": "azure-openai"}
#: The providers Cloudflare's gateway knows by name (``AIGatewayProviders`` of its own workers-types, November 2025).
_KNOWN_TO_CLOUDFLARE = frozenset(
    ("workers-ai", "anthropic", "aws-bedrock", "azure-openai", "google-vertex-ai", "huggingface", "openai", "perplexity-ai", "replicate")
) | frozenset(("groq", "cohere", "google-ai-studio", "mistral", "grok", "openrouter", "deepseek", "cerebras", "cartesia", "elevenlabs"))

#: A call that nothing limits is given up by LiteLLM after this, s, and by Cloudflare after this, ms.
_LITELLM_TIMEOUT_S, _CLOUDFLARE_TIMEOUT_MS = 600, 60_000
#: A request's metadata that Cloudflare's gateway takes at most.
_METADATA = 5


@dataclass(frozen=True)
class Exported:
    """The configuration, and what has to be done or known besides."""

    document: Mapping[str, Json]
    notes: tuple[str, ...] = ()


def _reference(spec: OptionSpec) -> tuple[str, str]:
    """``(provider, model)`` that an option is asked as."""
    if not isinstance(spec.price, PriceRef):
        fix = f"write `price: provider/model` for {spec.name}"
        raise EdgeroiError(f"{spec.name} names no provider and model, so no gateway can call it", place=spec.place, fix=fix)
    return spec.price.provider, spec.model or spec.price.model


def _refuse(spec: OptionSpec, gateway: str, what: str) -> EdgeroiError:
    return EdgeroiError(
        f"{spec.name}: {gateway} has no {what}", place=spec.place, fix="run it with edgeroi's executor, or export its parts"
    )


# ---- LiteLLM ----------------------------------------------------------------------------------------------------------------


@dataclass
class _Router:
    """LiteLLM's configuration while it is written: groups of deployments by name, and who stands in for whom."""

    options: Mapping[str, OptionSpec]
    models: list[dict[str, Json]] = field(default_factory=list)
    fallbacks: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)

    def group(self, name: str) -> str:
        """The model name that applications call for an option, written with all that is behind it."""
        spec = self.options[name]
        if name in self.written:
            return name
        self.written.add(name)
        policy = spec.policy
        if policy is None:
            self.deploy(name, spec)
        elif isinstance(policy, Split):
            for (part, _), share in zip(policy.shares, policy.at({}), strict=True):
                self.deploy(name, self._plain(spec, part, "split over policies"), weight=share)
        elif isinstance(policy, Fallback):
            after = policy.after.likely if policy.after and "timeout" in policy.on else None
            self.deploy(name, self._plain(spec, policy.first, "fallback from a policy"), timeout_ms=after)
            self.fallbacks[name] = [self.group(policy.then)]
            if policy.on == ("timeout",):
                self.notes.append(f"{name}: LiteLLM falls back on errors as well as on a timeout")
            if policy.watch == "ttft":
                self.notes.append(f"{name}: LiteLLM's timeout is that of the whole answer (`stream_timeout` where it is streamed)")
        elif isinstance(policy, Route):
            self._route(name, policy)
        else:
            raise _refuse(spec, "LiteLLM's router", "hedging" if isinstance(policy, Hedge) else "cascade")
        return name

    def _plain(self, spec: OptionSpec, part: str, what: str) -> OptionSpec:
        if self.options[part].policy is not None:
            raise _refuse(spec, "LiteLLM's router", what)
        return self.options[part]

    def _route(self, name: str, policy: Route) -> None:
        for rule in policy.rules:
            when = " and ".join(said(condition) for condition in rule.when)
            self.notes.append(f"{name}: LiteLLM has no such rule; have the application ask for model {self.group(rule.to)!r} when {when}")
        self.notes.append(f"{name}: otherwise for model {self.group(policy.otherwise)!r}")

    def deploy(self, group: str, spec: OptionSpec, *, weight: float | None = None, timeout_ms: float | None = None) -> None:
        """One deployment behind a model name."""
        provider, model = _reference(spec)
        called: dict[str, Json] = {"model": f"{_LITELLM.get(provider, provider)}/{model}", "api_key": f"os.environ/{_variable(provider)}"}
        if timeout_ms is not None:
            called |= {"timeout": timeout_ms / 1000, "stream_timeout": timeout_ms / 1000}
        if weight is not None:
            called["weight"] = round(weight, 6)
        self.models.append({"model_name": group, "litellm_params": called, "model_info": {"id": f"{group}: {spec.name}"}})


def _variable(provider: str) -> str:
    return re.sub(r"\W", "_", provider).upper() + "_API_KEY"


def litellm(options: Mapping[str, OptionSpec], policies: Sequence[str]) -> Exported:
    """``model_list`` and ``router_settings`` for LiteLLM's proxy (JSON is YAML too); its ``Router`` takes the list and the settings.

    Every policy is a model name of its own. Nothing is retried: a retry is not in the policy, and would be paid for.
    """
    router = _Router(options)
    for name in policies:
        router.group(name)
    settings: dict[str, Json] = {
        "routing_strategy": "simple-shuffle",  # picks by weight
        "num_retries": 0,
        "timeout": _LITELLM_TIMEOUT_S,
        "fallbacks": [{name: list(then)} for name, then in router.fallbacks.items()],
    }
    return Exported({"model_list": list(router.models), "router_settings": settings}, tuple(router.notes))


# ---- Cloudflare AI Gateway ----------------------------------------------------------------------------------------------------


@dataclass
class _Flow:
    """A dynamic route while it is written: its elements, each before those it leads to."""

    options: Mapping[str, OptionSpec]
    elements: list[dict[str, Json]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, outputs: Mapping[str, str], properties: Mapping[str, Json] | None = None) -> str:
        """One element; its id."""
        number = sum(str(element["type"]) == kind for element in self.elements) + 1
        found: dict[str, Json] = {"id": f"{kind}-{number}", "type": kind}
        if properties is not None:
            found["properties"] = properties
        found["outputs"] = {name: {"elementId": to} for name, to in outputs.items()}
        self.elements.append(found)
        return str(found["id"])

    def into(self, name: str, failing: str, timeout_ms: float | None = None) -> str:
        """The element that answers for an option, with where to go if it does not."""
        spec, policy = self.options[name], self.options[name].policy
        if policy is None:
            return self._model(spec, failing, timeout_ms)
        if isinstance(policy, Fallback):
            after = policy.after.likely if policy.after and "timeout" in policy.on else None
            if policy.watch != "ttft" and after is not None:
                self.notes.append(f"{name}: Cloudflare's timeout ends with the first chunk, not with the whole answer")
            return self.into(policy.first, self.into(policy.then, failing), after)
        if isinstance(policy, Split):
            return self._split(policy, failing, timeout_ms)
        if isinstance(policy, Route):
            return self._route(policy, failing, timeout_ms)
        raise _refuse(spec, "Cloudflare's gateway", "hedging" if isinstance(policy, Hedge) else "cascade")

    def _model(self, spec: OptionSpec, failing: str, timeout_ms: float | None) -> str:
        provider, model = _reference(spec)
        known = _CLOUDFLARE.get(provider, provider)
        if known not in _KNOWN_TO_CLOUDFLARE:
            self.notes.append(f"{known} is no provider that Cloudflare's gateway knows by itself: set it up as a custom one")
        properties: dict[str, Json] = {
            "provider": known,
            "model": model,
            "timeout": _CLOUDFLARE_TIMEOUT_MS if timeout_ms is None else round(timeout_ms),
            "retries": 0,
        }
        return self.add("model", {"success": "end-1", "fallback": failing}, properties)

    def _split(self, policy: Split, failing: str, timeout_ms: float | None) -> str:
        """One part against all that are left, so that two parts may have one share."""
        shares = [(part, share) for part, share in zip(policy.parts, policy.at({}), strict=True) if share]
        rest, left = self.into(shares[-1][0], failing, timeout_ms), shares[-1][1]
        for part, share in reversed(shares[:-1]):
            left += share
            percent = f"{100 * share / left:.4g}%"
            rest = self.add("percentage", {percent: self.into(part, failing, timeout_ms), "else": rest})
        return rest

    def _route(self, policy: Route, failing: str, timeout_ms: float | None) -> str:
        rest = self.into(policy.otherwise, failing, timeout_ms)
        for rule in reversed(policy.rules):
            asked = [self._asked(condition) for condition in rule.when]
            conditions: Json = asked[0] if len(asked) == 1 else {"$and": asked}
            fits = self.into(rule.to, failing, timeout_ms)
            rest = self.add("conditional", {"true": fits, "false": rest}, {"conditions": conditions})
        return rest

    def _asked(self, condition: Condition) -> dict[str, Json]:
        """A condition on what the application tells in ``cf-aig-metadata``."""
        signs = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
        column, test = condition.column, condition.test
        if test == "in":
            self.metadata[column] = f"the {column} of the request"
            return {f"metadata.{column}": {"$in": list(condition.values)}}
        if test in ("has_any_of", "has_none_of"):
            words = sorted(word.strip("*") for word in condition.values)
            key = f"{column}_has_" + "_".join(re.sub(r"\W", "", word) for word in words[:3])
            self.metadata[key] = f"true or false: whether the {column} has any of {', '.join(condition.values)}"
            return {f"metadata.{key}": {"$eq": test == "has_any_of"}}
        key = f"{column}_words" if test.startswith(LENGTH) else column
        self.metadata[key] = f"how many words the {column} has" if test.startswith(LENGTH) else f"the {column} of the request, a number"
        limit = float(condition.values[0])
        return {f"metadata.{key}": {signs[test.removeprefix(LENGTH)]: int(limit) if limit.is_integer() else limit}}


def cloudflare(options: Mapping[str, OptionSpec], policies: Sequence[str]) -> Exported:
    """One dynamic route: the body of ``POST .../ai-gateway/gateways/{id}/routes``. Raises ``EdgeroiError`` for several policies."""
    if len(policies) != 1:
        raise EdgeroiError(f"{len(policies)} policies, and a dynamic route is one", key="--export", fix="name one under `policies`")
    flow = _Flow(options)
    first = flow.into(policies[0], "end-1")
    flow.add("end", {})
    flow.add("start", {"next": first})
    if len(flow.metadata) > _METADATA:
        said = f"the rules ask for {len(flow.metadata)} things of a request, and the gateway takes {_METADATA} entries of metadata"
        raise EdgeroiError(said, place=options[policies[0]].place, fix="ask for fewer")
    notes = [f"send with each request, in cf-aig-metadata: {key}: {what}" for key, what in flow.metadata.items()]
    document: dict[str, Json] = {"name": re.sub(r"[^A-Za-z0-9-]+", "-", policies[0]), "elements": list(reversed(flow.elements))}
    return Exported(document, (*dict.fromkeys(flow.notes), *notes))


EXPORTS = {"litellm": litellm, "cloudflare": cloudflare}


def said(condition: Condition) -> str:
    """A condition in words."""
    values = ", ".join(condition.values)
    if condition.test == "in":
        return f"{condition.column} is {values}" if len(condition.values) == 1 else f"{condition.column} is one of {values}"
    if condition.test in ("has_any_of", "has_none_of"):
        return f"{condition.column} has {'any' if condition.test == 'has_any_of' else 'none'} of {values}"
    if condition.test.startswith(LENGTH):
        return f"{condition.column} has {condition.test.removeprefix(LENGTH)} {values} words"
    return f"{condition.column} {condition.test} {values}"
