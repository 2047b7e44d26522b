"""A log a router may be tried on: questions to support, each asked of a small model at the edge and of a large one in the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

Row = dict[str, Any]
Lognormal = Callable[[Random, float, float], float]

SMALL, LARGE = "@cf/meta/llama-3.1-8b-instruct-fp8-fast", "meta-llama/Llama-3.3-70B-Instruct-Turbo"
#: USD per token in and out as the application's log has them; the sample's numbers, not a price source.
RATES = {SMALL: (0.045e-6, 0.384e-6), LARGE: (0.10e-6, 0.32e-6)}
#: What is asked for, by how much it takes to answer.
EASY = ("Where do I change my", "How can I reset my", "Please cancel my", "When will I get my", "Can I export my")
MIDDLING = (
    "Explain why I was charged twice for my",
    "What explains the limit on my",
    "Is there a way to merge two of my",
    "Why is there no",
)
HARD = ("Summarize the last three tickets about my", "Analyze the errors in this export of my", "Compare the plans that would fit my")
THINGS = (
    "invoice",
    "password",
    "account",
    "workspace",
    "subscription",
    "API key",
    "export",
    "team",
    "notification settings",
    "data region",
)
CLAUSES = (
    "it worked until the update of last week and nobody on our side changed anything since",
    "the page shows a spinner and then an error with a long number that means nothing to us",
    "we run this every morning for forty customers and two of them are asking what is going on",
    "support told a colleague something else in spring but the menu looks different by now",
    "please keep in mind that our contract ends in December and that finance wants an answer",
)


def prompt(rng: Random, difficulty: float) -> str:
    """A question; hard ones ask for more, and are longer more often."""
    kinds = EASY if difficulty < 0.45 else MIDDLING if difficulty < 0.75 else HARD
    kinds = kinds if rng.random() < 0.8 else rng.choice((EASY, MIDDLING, HARD))
    said = f"{rng.choice(kinds)} {rng.choice(THINGS)}?"
    more = sum(rng.random() < 0.15 + 0.5 * difficulty for _ in CLAUSES)
    return " ".join((said, *(f"{clause.capitalize()}." for clause in rng.sample(CLAUSES, more))))


def routed_log(rng: Random, starts: list[datetime], lognormal: Lognormal) -> Iterator[Row]:
    """Two rows a question. ``confidence`` is a router's, of the small model; ``quality`` 1 where a reviewer let the answer pass.

    The small model passes easy questions and fails hard ones; the router sees that, and is surer of itself than it may be.
    """
    for number, at in enumerate(starts):
        difficulty = rng.random()
        words = prompt(rng, difficulty)
        confidence = min(0.99, max(0.05, 1.08 - 0.75 * difficulty + 0.22 * (rng.random() - 0.5)))
        tokens_in = 90 + round(1.3 * len(words.split()))
        for place, model, passes in (("edge", SMALL, 0.99 - 0.75 * difficulty**1.4), ("cloud", LARGE, 0.97 - 0.08 * difficulty)):
            tokens_out = max(4, round(lognormal(rng, 60 + 80 * difficulty, 260 + 200 * difficulty)))
            network, a_token = (lognormal(rng, 14, 30), 6.5) if place == "edge" else (lognormal(rng, 95, 130), 14.0)
            took = network + lognormal(rng, 120, 320) + tokens_out * a_token
            row: Row = {
                "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "pair_id": f"q{number:04d}",
                "workload": "support",
                "placement": place,
                "provider": "cloudflare" if place == "edge" else "deepinfra",
                "model": model,
                "prompt": words,
                "confidence": round(confidence, 3),
                "input_tokens": tokens_in,
            }
            if place == "edge" and rng.random() < 0.02:
                yield row | {"latency_ms": 2000.0, "error": "timeout"}
                continue
            rates = RATES[model]
            yield row | {
                "output_tokens": tokens_out,
                "latency_ms": round(took, 1),
                "cost_usd": round(tokens_in * rates[0] + tokens_out * rates[1], 10),
                "quality": float(rng.random() < passes),
            }
