"""AWS Application Load Balancer access logs.

Fields by position, as AWS documents the entries; their number grew over the years, so what comes behind is taken as it is. What the
names hide:

- ``time`` is when the response was generated: the end. ``request_creation_time`` is the start, and latency is the time between.
- The three processing times are seconds, and **-1 is not measured** (the client went away, the target never answered, a redirect of the
  balancer's own): they are never added up where one is -1. Logs from before there was a creation time have nothing else.
- ``target_processing_time`` ends at the target's first response header, and ``response_processing_time`` does not hold the stream: they
  are no first token and no service time. They can be mapped like any other field.
- The region is in the target group's ARN; where no target was asked (redirects, fixed answers) it is ``-``, and unknown.
- Status 460 is a client that went away, 504 a target that did not answer in time: failures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from edgeroi.logs.columns import Values
from edgeroi.logs.format import Chunk, Claim, Counted, Head
from edgeroi.logs.reading import Reading
from edgeroi.logs.record import Bad
from edgeroi.logs.textlines import (
    ASKED,
    QUOTED,
    Derived,
    Floats,
    Grammar,
    Texts,
    begun,
    hosts,
    instants,
    known,
    numbers,
    read_text,
    unit_of,
    unmet,
)  # fmt: skip

_SECONDS: Final = r"-?\d+(?:\.\d+)?"
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
_PATTERN: Final = (
    rf"(?P<type>https?|h2|grpcs|wss?) (?P<time>{_TIME}) (?P<elb>\S+) (?P<client>\S+) (?P<target>\S+)"
    rf" (?P<request_processing_time>{_SECONDS}) (?P<target_processing_time>{_SECONDS}) (?P<response_processing_time>{_SECONDS})"
    rf" (?P<elb_status_code>\d+|-) (?P<target_status_code>\d+|-) (?P<received_bytes>\d+) (?P<sent_bytes>\d+)"
    rf' "(?P<request>{QUOTED})" "(?P<user_agent>{QUOTED})" (?P<ssl_cipher>\S+) (?P<ssl_protocol>\S+) (?P<target_group_arn>\S+)'
    rf' "(?P<trace_id>{QUOTED})"'
    rf'(?: "(?P<domain_name>{QUOTED})" "(?P<chosen_cert_arn>{QUOTED})" (?P<matched_rule_priority>\S+)'
    rf' (?P<request_creation_time>{_TIME}) "(?P<actions_executed>{QUOTED})" "(?P<redirect_url>{QUOTED})"'
    rf'(?: "(?P<error_reason>{QUOTED})"(?: [^\n]*)?)?)?'
)
_THREE: Final = ("request_processing_time", "target_processing_time", "response_processing_time")


def latencies_ms(ended: Texts, created: Texts, *three: Texts) -> Floats:
    """End less creation; where no creation is told, the sum of the three times, and unknown where one of them is -1."""
    parts = np.array([numbers(texts) for texts in three])
    latency = np.where((parts < 0).any(axis=0), np.nan, parts.sum(axis=0) * 1e3)
    rows = [row for row, text in enumerate(created) if text]
    if rows:
        start, end = instants([created[row] for row in rows]), instants([ended[row] for row in rows])
        told = [(b - a) / 1e6 if not isinstance(a, Bad) and not isinstance(b, Bad) else np.nan for a, b in zip(start, end, strict=True)]
        latency[rows] = told
    return latency


def starts(ended: Texts, created: Texts, *three: Texts) -> Values:
    """The creation; where none is told, the end less the sum of the three times."""
    if all(created):
        return instants(created)
    found = list(begun(instants(ended), latencies_ms(ended, created, *three)))
    told = [row for row, text in enumerate(created) if text]
    for row, at in zip(told, instants([created[row] for row in told]), strict=True):
        found[row] = at
    return [at if isinstance(at, Bad) else int(at) for at in found]


def regions(arns: Texts) -> Values:
    """The regions of ARNs, ``None`` where there is none."""
    return [(arn.split(":")[3] or None) if arn.count(":") >= 5 else None for arn in arns]


GRAMMAR: Final = Grammar(
    "alb",
    _PATTERN,
    {
        "timestamp": Derived(("time", "request_creation_time", *_THREE), starts),
        "request_id": Derived(("trace_id",), known),
        "region": Derived(("target_group_arn",), regions),
        "status": Derived(("elb_status_code",), known),
        "error": Derived(("error_reason",), known),
        "latency_ms": Derived(("time", "request_creation_time", *_THREE), latencies_ms),
    },
    {**ASKED, "host": Derived(("request",), hosts)},
    "gateway",
)


class Alb:
    """AWS ALB access logs; see the module."""

    name = "alb"
    unit = "time - request_creation_time"
    counted: Counted = "lines"
    hidden: tuple[str, ...] = ()
    lacks = "tokens, model, cost; a first token (the target's time ends at its header); the user's way to it; workload and placement: rules"
    fields: Mapping[str, str] = {
        "timestamp": "request_creation_time; of older logs time less the three processing times",
        "request_id": "trace_id",
        "region": "the region in target_group_arn",
        "status": "elb_status_code; 460 and 504 are failures",
        "error": "error_reason",
        "latency_ms": "time - request_creation_time; of older logs the sum of the three processing times, s, where none is -1",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """A line as a load balancer writes it."""
        if not GRAMMAR.matches(head):
            return Claim(False, "no line with a load balancer's fields")
        missing = unmet(GRAMMAR, reading)
        return Claim(missing is None, missing or "lines as a load balancer writes them", unit_of(self.unit, reading))

    def read_lines(self, chunk: bytes, reading: Reading, last: bool) -> Chunk:
        """Read complete lines; only where ``last`` may the final line lack its newline."""
        return read_text(chunk, reading, GRAMMAR)


FORMAT = Alb()
