"""What a policy should have taken, by the algebra of ``edgeroi.policy`` on its parts as they were measured in the same run.

The parts were asked the same payloads in the same blocks, so it is measured too which of their latencies go together. What the
prediction leaves out is in the measurement: connections opened again after a loser was hung up on, the thread that wakes when the time
is over, and what one request of a policy does to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeroi.exchange import Exchange
from edgeroi.hybrid import raced
from edgeroi.latency import Latency
from edgeroi.policy import Answers, Flags, Floats, Pairs, split
from edgeroi.probe_plan import ProbedPolicy, ProbePlan
from edgeroi.spec import Split


@dataclass(frozen=True)
class Prediction:
    """A policy's latency, and how many calls of each endpoint a request pays for, as its parts make expect."""

    latency: Latency | None
    failure_ratio: float
    calls: Mapping[str, float]
    answered: Mapping[str, float]


def predicted(name: str, plan: ProbePlan, measured: Mapping[str, Sequence[Exchange]]) -> Prediction | None:
    """What to expect of a policy; ``None`` where one of its parts never answered. ``measured``: the endpoints' requests without warm-up."""
    answers = _answers(name, plan, measured)
    if answers is None:
        return None
    leaves = dict.fromkeys(plan.asked_by(name))
    calls, answered = ({leaf: of(leaf) for leaf in leaves} for of in (answers.calls_of, answers.share_of))
    return Prediction(answers.latency("e2e") if answers.failure_ratio < 1 else None, answers.failure_ratio, calls, answered)


def _answers(name: str, plan: ProbePlan, measured: Mapping[str, Sequence[Exchange]]) -> Answers | None:
    policy = plan.policies.get(name)
    if policy is None:
        return _endpoint(name, measured.get(name, ()))
    parts = [found for part in policy.parts if (found := _answers(part, plan, measured)) is not None]
    if len(parts) < len(policy.parts):
        return None
    if isinstance(policy, Split):
        return split(list(zip(policy.at({}), parts, strict=True)))
    after = policy.after.likely if policy.after else None
    stated = policy.correlation.likely if policy.correlation else 0.0
    return raced(policy, parts[0], parts[1], after, "e2e", stated, _together(policy, measured))


def _endpoint(name: str, exchanges: Sequence[Exchange]) -> Answers | None:
    took = {failed: [e.latency_ms for e in exchanges if (e.error is not None) == failed] for failed in (False, True)}
    if not took[False]:
        return None
    ratio = len(took[True]) / len(exchanges)
    good = _distribution(took[False], ratio)
    return Answers.of(name, good, None, _distribution(took[True]) if took[True] else None)


def _distribution(ms: Sequence[float], failure_ratio: float = 0.0) -> Latency:
    values = np.maximum(np.asarray(ms, np.float64), 0.0)
    return Latency.from_atoms(values, np.ones(values.size), failure_ratio=failure_ratio, n=values.size, basis="measured")


def _together(policy: ProbedPolicy, measured: Mapping[str, Sequence[Exchange]]) -> Pairs | None:
    """Which latencies of two endpoints go together, over the blocks that asked both; ``None`` where a part is a policy itself."""
    first, then = ({e.block: e for e in measured.get(part, ())} for part in policy.parts[:2])
    shared = sorted(first.keys() & then.keys())
    if not shared:
        return None

    def ranked(of: Mapping[int, Exchange]) -> tuple[Flags, Floats]:
        return np.array([of[block].error is not None for block in shared]), np.array([of[block].latency_ms for block in shared])

    return Pairs.of(ranked(first), ranked(then))
