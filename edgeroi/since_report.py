"""What changed since the base branch's check, in sentences and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeroi.difference import Change, Difference, Stand
from edgeroi.report import Json
from edgeroi.words import dollars, signed

_LIMITS: Mapping[str, str] = {
    "materiality_usd_month": "the materiality floor",
    "materiality_ratio": "the materiality share",
    "edge_from": "the probability asked of an edge",
    "fail_at": "the probability at which an edge fails",
    "on_undecided": "what an undecided edge does",
}


def _spoken(verdict: str) -> str:
    """``NOT WORTH IT``."""
    return verdict.replace("_", " ").upper()


def since_lines(since: Difference) -> tuple[str, ...]:
    """A line per change, the gate's first where it turned; one line where nothing changed."""
    if since.is_quiet:
        return (f"no verdict and no rule changed, and no premium or net by more than {dollars(since.min_change)} a month",)
    return (*change_lines(since), *(f"new: {each.sentence}" for each in since.news))


def change_lines(since: Difference) -> tuple[str, ...]:
    """What changed about the gate, the workloads and the prices; what is new about none of them is not told."""
    return tuple(_lines(since))


def _lines(since: Difference) -> Iterator[str]:
    was, now = since.gate
    if was != now:
        yield f"gate: {was.upper()} → {now.upper()}"
    yield from map(change_words, since.changes)
    first, second = since.prices_as_of
    if first != second:
        yield f"prices of {second}, and of {first} in the base: part of a change may be theirs"


def change_words(change: Change) -> str:
    """``summaries: WORTH IT → NOT WORTH IT, premium +$120.00 → +$195.00 (+$75.00), edge-net pass → fail``."""
    before, after = change.before, change.after
    if before is None or after is None:
        stand = after or before
        assert stand is not None
        premium = "unknown" if stand.premium is None else signed(stand.premium)
        return f"{change.workload}: {'new' if before is None else 'gone'}, {_spoken(stand.verdict)}, premium {premium} a month"
    parts = [part for part in _parts(before, after) if part]
    looser = (f"{_LIMITS.get(limit, limit)} loosened from {before.limits[limit]:g} to {after.limits[limit]:g}" for limit in change.loosened)
    return f"{change.workload}: {', '.join((*parts, *looser))}"


def _parts(before: Stand, after: Stand) -> Iterator[str]:
    same = before.verdict == after.verdict
    yield f"still {_spoken(after.verdict)}" if same else f"{_spoken(before.verdict)} → {_spoken(after.verdict)}"
    if before.runs_on != after.runs_on:
        yield f"runs on {before.runs_on or 'nothing stated'} → {after.runs_on or 'nothing stated'}"
    yield _moved("premium", before.premium, after.premium)
    yield _moved("net", before.net, after.net)
    for rule in dict.fromkeys((*before.rules, *after.rules)):
        was, now = before.rules.get(rule, "not asked"), after.rules.get(rule, "not asked")
        if was != now:
            yield f"{rule} {was} → {now}"


def _moved(what: str, before: float | None, after: float | None) -> str:
    """``premium +$120.00 → +$195.00 (+$75.00)``; nothing where it is the same to the cent."""
    if before is None and after is None:
        return ""
    if before is None or after is None:
        was, now = ("unknown" if amount is None else signed(amount) for amount in (before, after))
        return f"{what} {was} → {now}"
    return "" if abs(after - before) < 0.005 else f"{what} {signed(before)} → {signed(after)} ({signed(after - before)})"


def since_document(since: Difference) -> Json:
    """The same for scripts."""
    changes: list[Json] = [
        {
            "scenario": change.scenario,
            "workload": change.workload,
            "kind": change.kind,
            "before": _stand(change.before),
            "after": _stand(change.after),
            "loosened": list(change.loosened),
        }
        for change in since.changes
    ]
    return {
        "gate": list(since.gate),
        "edge_premium_usd_month": list(since.premium),
        "prices_as_of": list(since.prices_as_of),
        "min_change_usd_month": since.min_change,
        "quiet": since.is_quiet,
        "changes": changes,
        "news": [each.sentence for each in since.news],
    }


def _stand(stand: Stand | None) -> Json:
    if stand is None:
        return None
    rules: dict[str, Json] = dict(stand.rules)
    return {
        "verdict": stand.verdict,
        "runs_on": stand.runs_on,
        "premium_usd_month": stand.premium,
        "net_usd_month": stand.net,
        "rules": rules,
    }
