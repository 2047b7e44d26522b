"""What the probe itself adds on this machine: a server on loopback, in a process of its own, tells what it took; the rest is ours."""

from __future__ import annotations

import numpy as np

from edgeroi.errors import EdgeroiError
from edgeroi.exchange import Exchange
from edgeroi.loopback import in_a_process
from edgeroi.probe_plan import ProbePlan, Target
from edgeroi.prober import Prober
from edgeroi.schedule import block_times, interleaved
from edgeroi.trust import SelfTest, quantile_of

#: The server's delays, ms: what a near edge, a near region and a far one take to answer.
DELAYS_MS = (5, 10, 20, 60)


def self_test(requests: int = 400, rate: float = 50.0, seed: int = 1) -> SelfTest:
    """Probe a server of known delays on loopback, ``rate`` requests a second; raises ``EdgeroiError`` where it cannot be reached."""
    rng = np.random.default_rng(seed)
    exchanges: list[Exchange] = []
    with in_a_process() as url:
        payloads = tuple({"path": f"/delay/{delay}"} for delay in DELAYS_MS)
        plan = ProbePlan("selftest", (Target("loopback", url, "http"),), payloads, rate=rate, requests=requests, timeout_ms=5_000.0)
        times = block_times(requests, rate, "constant", rng)
        Prober(plan).run(interleaved(times, 1, len(payloads), plan.warm_up, rng), exchanges.append)
    return measured(exchanges, rate)


def measured(exchanges: list[Exchange], rate: float) -> SelfTest:
    """What was added, over the answers after the warm-up."""
    good = [e for e in exchanges if e.error is None and not e.warm and e.server_ms is not None and e.wire_ms is not None]
    if not good:
        why = next((e.error for e in exchanges if e.error), "nothing was sent")
        raise EdgeroiError(f"the self-test got no answer from its own server: {why}", fix="allow connections to 127.0.0.1")
    wire = [(e.wire_ms or 0.0) - (e.server_ms or 0.0) for e in good]
    whole = [e.latency_ms - (e.server_ms or 0.0) for e in good]
    late = [e.lateness_ms for e in good]
    p50, p99 = ([quantile_of(values, p) or 0.0 for values in (wire, whole, late)] for p in (0.5, 0.99))
    return SelfTest(len(good), rate, p50[0], p99[0], p50[1], p99[1], p50[2], p99[2])
