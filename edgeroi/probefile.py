"""Probe files: which endpoints to measure, with what, how often. Read as strictly as scenarios; secrets come from the environment only.

A text may hold ``${NAME}``: in URLs and headers it becomes what the environment says, anywhere else it stays. A header that is
usually secret and is written out is refused, so that no key ends in a repository.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgeroi.dialects.dialect import dialects
from edgeroi.engines.instants import instants_of
from edgeroi.errors import EdgeroiError, Place
from edgeroi.probe_plan import COLD_REQUESTS, ENOUGH_REQUESTS, POLITE_RATE, TIMEOUT_MS, WARM_UP, ProbePlan, Target
from edgeroi.scenario.policies import POLICIES, check_references, policy_option
from edgeroi.scenario.section import Findings, Section, check_version, flag_of, scalar_of, stated_or, table_of, text_of
from edgeroi.schedule import NS_PER_S, replayed
from edgeroi.spec import PLACEMENTS, Cascade, OptionSpec, PriceRef, Route, Split
from edgeroi.units import COUNT, LATENCY, TOKENS, Measure
from edgeroi.yamltree import Listing, Node, Scalar, Table, read_tree

RATE = Measure("requests/s", "2 /s", also=("/s",))

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: Headers whose value is a key: it is never written into the file.
_SECRET = re.compile(r"authorization|key|token|secret|cookie|password", re.IGNORECASE)
#: A payload file is a handful of examples, not a data set.
_MOST_PAYLOADS, _MOST_PAYLOAD_BYTES = 100_000, 256 << 20
#: Words that are one token each in the usual vocabularies, so that n of them are about n tokens.
_WORDS = (
    "the",
    "time",
    "people",
    "water",
    "long",
    "work",
    "place",
    "great",
    "house",
    "world",
    "school",
    "night",
    "point",
    "city",
    "small",
    "number",
)


def load_plan(path: Path | str, environ: Mapping[str, str] | None = None) -> ProbePlan:
    """The plan of a file. Raises ``EdgeroiError`` with file, line and column; several mistakes come together."""
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a probe file: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    findings = Findings()
    plan = _Reader(Section(tree, "", findings), Path(path).parent, os.environ if environ is None else environ).plan(Path(path))
    findings.raise_any()
    return plan


class _Reader:
    """Reads one file; remembers which secrets went in, so that nothing printed ever holds them."""

    def __init__(self, top: Section, folder: Path, environ: Mapping[str, str]) -> None:
        self.top, self.folder, self.environ = top, folder, environ
        self.secrets: set[str] = set()
        self.policies: dict[str, OptionSpec] = {}

    def plan(self, path: Path) -> ProbePlan:
        """All of the file."""
        top = self.top
        check_version(top)
        targets = [target for name, inner in top.sections("targets", needed=True) if (target := self._target(name, inner))]
        if top.has("targets") and not targets and not top.findings.errors:
            top.refuse("targets", "no target", "name one below `targets`")
        check_references(self.policies, top, "targets")
        payloads = top.read(
            "payloads",
            self._payloads,
            needed=True,
            fix="write a list of texts or mappings, {file: x.jsonl}, or {generate: {tokens: 100 tok}}",
        )
        requests, warm_up = stated_or(top.whole("requests"), ENOUGH_REQUESTS), stated_or(top.whole("warm_up", least=0), WARM_UP)
        replay = self._replay()
        if replay and top.has("rate"):
            top.refuse("rate", "a replay has the rate of its log", "drop `rate`, or write `speed` beside `replay`")
        replay = replay[: requests + warm_up] if top.has("requests") else replay
        if replay and len(replay) <= warm_up:
            top.refuse("arrivals", f"the log tells of {len(replay):,} requests, and {warm_up:,} are the warm-up", "replay a longer one")
        plan = ProbePlan(
            name=top.text("name") or path.name.partition(".")[0],
            targets=tuple(targets),
            payloads=payloads or (),
            workload=top.text("workload") or "probe",
            vantage=top.text("vantage"),
            rate=_rate_of(replay) if replay else stated_or(top.number("rate", RATE), POLITE_RATE),
            requests=len(replay) - warm_up if replay else requests,
            warm_up=warm_up,
            arrivals="replay" if replay else top.choice("arrivals", ("constant", "poisson")) or "constant",
            mode=top.choice("mode", ("open", "closed")) or "open",
            replay_ns=replay,
            cold_gap_ms=top.number("cold", LATENCY),
            cold_requests=stated_or(top.whole("cold_requests"), COLD_REQUESTS),
            timeout_ms=stated_or(top.number("timeout", LATENCY), TIMEOUT_MS),
            connections=top.choice("connections", ("reuse", "new", "both")) or "reuse",
            max_in_flight=top.whole("max_in_flight"),
            keep_bodies=bool(top.flag("keep_bodies")),
            secrets=frozenset(self.secrets),
        )
        if plan.rate <= 0 and top.has("rate"):
            top.refuse("rate", "nothing would be sent", "write it like `2 /s`")
        top.close()
        return plan

    def _target(self, name: str, inner: Section) -> Target | None:
        kinds = [kind for kind in POLICIES if inner.has(kind)]
        return self._policy(name, inner, kinds) if kinds else self._endpoint(name, inner)

    def _policy(self, name: str, inner: Section, kinds: list[str]) -> Target | None:
        """A target that is a policy over others, stated as in a scenario; one that a probe can run."""
        option = policy_option(inner, name, kinds)
        if option is None or option.policy is None:
            return None
        policy = option.policy
        if isinstance(policy, Route | Cascade):
            inner.refuse(kinds[0], f"a probe runs no {kinds[0]}", "it runs fallback, hedge and split; probe the parts")
            return None
        self.policies[name] = option
        if not isinstance(policy, Split):
            if policy.watch == "ttft":
                inner.refuse(kinds[0], "a probe's policy watches the whole answer", "drop `watch`, or write `watch: e2e`")
            if policy.after is not None and not policy.after.is_point:
                inner.refuse(kinds[0], "`after` is a range, and a probe needs one time", "write `after: 500 ms`")
        elif not all(share.is_point for _, share in policy.shares):
            inner.refuse(kinds[0], "a share is a range, and a probe needs one number", "write shares like `80%`")
        if option.assume:
            inner.refuse("assume", "a probe assumes nothing", "drop it")
        return Target(name=name, url="", dialect="", policy=policy, place=inner.table.place)

    def _endpoint(self, name: str, inner: Section) -> Target | None:
        price = inner.text("price")
        if price is not None and "/" not in price:
            inner.refuse("price", f"{price!r} is no reference", "write provider/model")
            price = None
        target = Target(
            name=name,
            url=inner.read("url", self._url, needed=True, fix="write url: https://...") or "",
            dialect=inner.choice("dialect", tuple(dialects()), needed=True) or "",
            placement=inner.choice("placement", PLACEMENTS),
            model=inner.text("model"),
            region=inner.text("region"),
            price=PriceRef(price, place=inner.place("price")) if price else None,
            headers=inner.read("headers", self._headers) or {},
            stream=bool(inner.flag("stream")),
            extra=inner.read("with", _mapping) or {},
            text_as=inner.text("text_as"),
            authority=self._file(inner, "authority"),
            place=inner.table.place,
        )
        inner.close({"key": "secrets come from the environment: headers: {authorization: Bearer ${NAME}}"})
        return target

    def _file(self, inner: Section, key: str) -> str | None:
        said = inner.text(key)
        return None if said is None else str(self.folder / said)

    def _url(self, node: Node) -> str:
        url = self._filled(text_of(node), node)
        try:
            told = urlsplit(url)
            port_is_one = told.port is None or told.port > 0
        except ValueError:
            port_is_one = False
        if not port_is_one or told.scheme not in ("http", "https") or not told.hostname:
            raise EdgeroiError("a URL begins with http:// or https:// and names a host", place=node.place)
        if told.username is not None or told.password is not None:
            raise EdgeroiError("the URL holds a user or a password", place=node.place, fix="use headers: {authorization: Basic ${NAME}}")
        return url

    def _headers(self, node: Node) -> Mapping[str, str]:
        headers = {}
        for name, value in table_of(node).entries:
            text = scalar_of(value).text
            if _SECRET.search(name.text) and not _VARIABLE.search(text):
                raise EdgeroiError(
                    f"the header {name.text} is written out",
                    place=value.place,
                    fix=f"write {name.text}: ${{NAME}} and set NAME in the environment",
                )
            headers[name.text.lower()] = self._filled(text, value)
        return headers

    def _filled(self, text: str, node: Node) -> str:
        """The text with its variables filled in from the environment."""

        def value(found: re.Match[str]) -> str:
            told = self.environ.get(found[1], "")
            if not told:
                raise EdgeroiError(f"{found[1]} is not set in the environment", place=node.place, fix=f"export {found[1]}=...")
            if re.search(r"[\r\n\x00]", told):
                raise EdgeroiError(f"{found[1]} holds a line break", place=node.place, fix="set it without one")
            self.secrets.add(told)
            return told

        return _VARIABLE.sub(value, text)

    def _replay(self) -> tuple[int, ...]:
        """``{replay: FILE, speed: 2}``: when the requests of a log began, from the first on, ns; nothing where arrivals are no replay."""
        if not isinstance(self.top.table.get("arrivals"), Table):
            return ()
        inner = self.top.section("arrivals")
        assert inner is not None
        speed = inner.read("speed", _speed)
        found = inner.read("replay", lambda node: replayed(instants_of(self.folder / text_of(node)).tolist(), speed or 1.0), needed=True)
        inner.close()
        return () if found is None else tuple(found.tolist())

    # ---- payloads ----

    def _payloads(self, node: Node) -> tuple[str | Mapping[str, Any], ...]:
        if isinstance(node, Listing):
            return tuple(_payload(item) for item in node.items)
        inner = Section(table_of(node), "payloads", self.top.findings)
        inner.exclusive("file", "generate")
        if inner.has("file"):
            found = inner.read("file", lambda named: _from_file(self.folder / text_of(named), named.place))
        else:
            found = inner.read(
                "generate", lambda named: _generated(Section(table_of(named), "payloads.generate", self.top.findings)), needed=True
            )
        inner.close()
        return found or ()


def _speed(node: Node) -> float:
    text = scalar_of(node).text
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 0:
        raise EdgeroiError(f"{text!r} is no speed", place=node.place, fix="write speed: 2 for twice as fast as the log")
    return float(text)


def _rate_of(times_ns: Sequence[int]) -> float:
    """Requests per second of a replay, on average."""
    span = times_ns[-1] - times_ns[0]
    return (len(times_ns) - 1) * NS_PER_S / span if span else POLITE_RATE


def _payload(node: Node) -> str | Mapping[str, Any]:
    return text_of(node) if isinstance(node, Scalar) else _mapping(node)


def _mapping(node: Node) -> Mapping[str, Any]:
    return {name.text: _value(value) for name, value in table_of(node).entries}


def _value(node: Node) -> Any:
    """A node as JSON has it."""
    if isinstance(node, Table):
        return _mapping(node)
    if isinstance(node, Listing):
        return [_value(item) for item in node.items]
    if node.kind == "number":
        return json.loads(node.text)
    return {"boolean": flag_of, "null": lambda _: None}.get(node.kind, lambda scalar: scalar.text)(node)


def _from_file(path: Path, place: Place) -> tuple[str | Mapping[str, Any], ...]:
    """One payload a line: a JSON object, or a JSON string that is the text."""
    try:
        if path.stat().st_size > _MOST_PAYLOAD_BYTES:
            raise EdgeroiError(f"{path} is larger than {_MOST_PAYLOAD_BYTES >> 20} MiB", place=place, fix="keep a sample of it")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeroiError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", place=place) from None
    payloads: list[str | Mapping[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            raise EdgeroiError("not JSON", place=Place(str(path), number), fix="write one object or one string a line") from None
        if not isinstance(told, (str, dict)):
            raise EdgeroiError("neither an object nor a string", place=Place(str(path), number))
        payloads.append(told)
    if not payloads or len(payloads) > _MOST_PAYLOADS:
        raise EdgeroiError(f"{path} holds {len(payloads):,} payloads; 1 to {_MOST_PAYLOADS:,} are wanted", place=place)
    return tuple(payloads)


def _generated(inner: Section) -> tuple[str, ...]:
    """``count`` different texts of about so many tokens each: common words, each of which is one token in the usual vocabularies."""
    tokens, count = inner.number("tokens", TOKENS), inner.number("count", COUNT)
    inner.close()
    n, many = int(tokens or 0), int(stated_or(count, 20.0))
    if n < 1:
        raise EdgeroiError("a generated payload has at least one token", place=inner.table.place, fix="write {generate: {tokens: 100 tok}}")
    return tuple(" ".join(_WORDS[(place * (text + 1) + text) % len(_WORDS)] for place in range(n)) for text in range(max(1, many)))
