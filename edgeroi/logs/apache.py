"""Apache access logs, common and combined, with or without the virtual host: no latency, unless somebody says which number it is.

Neither format has a duration. Where ``LogFormat`` has one behind it, it is a bare number: ``%D`` is microseconds, ``%T`` whole seconds,
``%{ms}T`` milliseconds, and nothing on the line says which. So it is told::

    --map latency_ms=%D                 the only number behind the line is Apache's %D, so microseconds; %T, %{ms}T, %{us}T likewise
    --map latency_ms=extra.2:us         the second field behind the line, where there are several

``%t`` is when the request was received: the start. A log of nginx in this form is refused likewise, with nginx's own advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.nginx import GRAMMARS as NGINX
from edgeroi.logs.reading import Reading
from edgeroi.logs.textlines import ASKED, CLF_TIME, QUOTED, Derived, Grammar, TextLines, clf_instants, compiled, known, unit_of

#: Apache's names of a duration, as ``--map`` takes them.
DIRECTIVES: Final = ("%D", "%T", "%{ms}T", "%{us}T", "%{s}T", "%^FB")
_LINE: Final = (
    rf"(?:(?P<host>[^\s:]+)(?::\d+)? )?(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>[^\[\n]*?) \[(?P<time>{CLF_TIME})\]"
    rf' "(?P<request>{QUOTED})" (?P<status>\d{{3}}|-) (?P<bytes>\d+|-)(?: "(?P<referer>{QUOTED})" "(?P<user_agent>{QUOTED})")?'
)
_FIELD: Final = rf'"{QUOTED}"|[^\s"]+'
#: More fields than these behind a line are not looked at.
_MOST_EXTRA: Final = 12
_FIX: Final = (
    "append %D to the LogFormat and say so with --map latency_ms=%D (with nginx: append $request_time to the log_format); "
    "a number already behind each line is named the same way: %D, %T, %{ms}T"
)


@lru_cache(maxsize=16)
def grammar_of(extras: int) -> Grammar:
    """Lines with so many fields behind them."""
    tail = "".join(rf" (?P<extra_{place}>{_FIELD})" for place in range(1, extras + 1))
    readable = {**ASKED} | {f"extra.{place}": Derived((f"extra_{place}",), known) for place in range(1, extras + 1)}
    if extras == 1:
        readable |= dict.fromkeys(DIRECTIVES, Derived(("extra_1",), known))
    columns = {"timestamp": Derived(("time",), clf_instants), "status": Derived(("status",), known)}
    return Grammar("Apache's log format", _LINE + tail, columns, readable, "server")


@lru_cache(maxsize=1)
def _any() -> Grammar:
    """A line with whatever behind it."""
    return Grammar("Apache's log format", _LINE + rf"(?P<extras>(?: (?:{_FIELD})){{0,{_MOST_EXTRA}}})", {})


def extras_of(head: Head) -> int | None:
    """How many fields stand behind the first line of this form; ``None`` where there is no such line."""
    wanted = compiled(_any().pattern, frozenset(("extras",)))
    found = next((match for line in head.lines() if (match := wanted.fullmatch(line.decode("utf-8", "replace")))), None)
    return None if found is None else len(re.findall(_FIELD, found["extras"], re.ASCII))


class Apache:
    """Apache access logs; see the module."""

    name = "apache"
    unit = "the field that --map latency_ms names"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "latency, unless it is logged and --map says which number it is; tokens, model, cost; workload and placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "%t: it is the start",
        "status": "%>s",
        "latency_ms": "only where it is said: --map latency_ms=%D, %T, %{ms}T or extra.N:UNIT",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line in common or combined form, if the user said where its latency is."""
        extras = extras_of(head)
        if extras is None or any(grammar.matches(head) for grammar in NGINX):
            return Claim(False, "no line in common or combined form")
        grammar, mapped = grammar_of(extras), reading.fields.get("latency_ms")
        if mapped is None:
            return Claim(False, _no_latency(extras), refused=_FIX)
        name = ".".join(mapped.path)
        if name in DIRECTIVES and extras != 1:
            behind = f"{extras} fields stand behind each line, so which of them is {name}?" if extras else "nothing stands behind a line"
            return Claim(False, f"Apache's log format: {behind}", refused=f"name its place: extra.N:{mapped.unit}" if extras else _FIX)
        if name not in grammar.names:
            return Claim(False, f"Apache's log format without a field {mapped.name}", refused=_FIX)
        return Claim(True, "lines in common or combined form", unit_of(self.unit, reading), reader=TextLines.of(self, grammar))

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Lines with one field behind them; for files with more the claim names another reader."""
        return TextLines.of(self, grammar_of(1)).read_lines(chunk, reading, last)


def _no_latency(extras: int) -> str:
    told = "no latency is in it" if not extras else f"{extras} {'field stands' if extras == 1 else 'fields stand'} behind each line unnamed"
    return f"an access log in Apache's common or combined form: {told}"


FORMAT = Apache()
