"""Drafts a scenario from a log, for ``edgeroi init`` and for ``edgeroi compare LOG``.

What the log tells is filled in, what it suggests is guessed with the reason beside it, and what only people know stays a question in a
comment unless they answered it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from edgeroi.casefile import logged_reference
from edgeroi.errors import EdgeroiError
from edgeroi.guesses import users_of, vantage_of
from edgeroi.matching import MOST, Match, nearest_in_cost, others_at_edge, same_model
from edgeroi.option import family
from edgeroi.spec import LogRef, Scenario
from edgeroi.workload import Group, Profile, Tally, sum_tallies

#: Quoted wherever YAML could read it as something else.
_SPECIAL = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.@:+ ")


#: What a draft proposes where no edge offer serves the model that runs today: a small generating model, an embedding.
GENERATING = "cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8-fast"
EMBEDDING = "cloudflare/@cf/baai/bge-base-en-v1.5"
#: ``--map`` and ``--const`` as given.
Columns = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line, or a person, already answers of the questions; ``None`` leaves them open.

    ``waits``: who waits, ``people``, ``machines`` or ``nobody``. ``needs``: what must hold, as lines of YAML. ``by``: who answered.
    """

    edge: str | None = None
    now: str | None = None
    users_in: Mapping[str, float] | None = None
    waiting: str | None = None
    runs_on: str | None = None
    by: str | None = None
    waits: str | None = None
    needs: tuple[str, ...] = ()


#: What tells an editor which grammar the file has; ``edgeroi schema scenario`` prints it.
MODELINE = """# yaml-language-server: $schema=edgeroi-scenario.schema.json
# (for editors: edgeroi schema scenario --output edgeroi-scenario.schema.json writes it)
"""


def quoted(text: str) -> str:
    """The text as a YAML scalar that stays this text, whatever is in it."""
    is_plain = bool(text) and set(text) <= _PLAIN and text[0].isalpha() and ": " not in text and text == text.strip() and text[-1] != ":"
    return text if is_plain and text not in _SPECIAL else json.dumps(text, ensure_ascii=True)


def rows_of(profile: Profile) -> Mapping[str, tuple[Group, ...]]:
    """The groups of each workload; those without one go by ``requests``."""
    found: dict[str, list[Group]] = {}
    for group in profile.groups:
        found.setdefault(group.key["workload"] or "requests", []).append(group)
    return {name: tuple(groups) for name, groups in sorted(found.items())}


def draft(profile: Profile, logs: Sequence[str], asked: Asked, name: str, beside: Path | None = None, columns: Columns = ((), ())) -> str:
    """The scenario as YAML text, one workload per workload of the log; paths relative to the folder the draft is written to."""
    folder = (beside or Path("scenario.yaml")).absolute().parent
    known = (*_log(logs, folder, columns), *_vantage(profile), *_sampling(profile), *_users(asked))
    return _text(name, known, _bodies(profile, asked, _offers))


def guided(
    profile: Profile, logs: Sequence[str], asked: Asked, name: str, at: date, beside: Path | None = None, columns: Columns = ((), ())
) -> str:
    """The same for somebody who will read it: guesses with their reasons, alternatives with theirs, and the grammar for editors."""
    folder = (beside or Path("scenario.yaml")).absolute().parent
    known = (*_log(logs, folder, columns), *_vantage(profile, logs), *_sampling(profile), *_users(asked, profile))
    text = _text(name, known, _bodies(profile, asked, lambda now, tally, asked: _matched(now, tally, asked, at)))
    return MODELINE + text


def _text(name: str, known: Sequence[str], bodies: Sequence[str]) -> str:
    return "\n".join(("edgeroi: 1", f"name: {quoted(name)}", *known, "workloads:", *bodies)) + "\n"


#: The lines that name what serves a workload now and what would at the edge: of the offer now, its requests, and what was asked for.
OfferLines = Callable[[str | None, Tally, Asked], Sequence[str]]


def _bodies(profile: Profile, asked: Asked, offers: OfferLines) -> list[str]:
    others = left_out(profile, asked.edge)
    asked_of = {name: replace(asked, edge=None) if name in others else asked for name in rows_of(profile)}
    return [line for workload, groups in rows_of(profile).items() for line in _workload(workload, groups, asked_of[workload], offers)]


def left_out(profile: Profile, edge: str | None) -> Mapping[str, str]:
    """The workloads, with their model, that an edge offer is not about: another model serves them, and the offer's own serves some."""
    models = {name: logged_model(groups) for name, groups in rows_of(profile).items()}
    if edge is None or family(edge) not in {family(model) for model in models.values() if model}:
        return {}
    return {name: model for name, model in models.items() if model and family(model) != family(edge)}


def logged_model(groups: Sequence[Group]) -> str | None:
    """The model of most of a workload's requests."""
    weights: dict[str, int] = {}
    for group in groups:
        if model := group.key["model"]:
            weights[model] = weights.get(model, 0) + group.tally.requests
    return max(weights, key=lambda model: weights[model], default=None)


def draft_name(logs: Sequence[str]) -> str:
    """What a scenario that is only these logs goes by."""
    return Path(logs[0]).name if len(logs) == 1 else f"{len(logs)} logs"


def scenario_from(profile: Profile, logs: Sequence[str], asked: Asked, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario that a draft for this log states, without a file of its own; of the workloads the edge offer is about."""
    from edgeroi.scenario import scenario_of
    from edgeroi.yamltree import parse_tree

    name = draft_name(logs)
    scenario = scenario_of(parse_tree(draft(profile, logs, asked, name), name), Path(name), tuple(overrides))
    others = left_out(profile, asked.edge)
    workloads = {name: workload for name, workload in scenario.workloads.items() if name not in others}
    return replace(scenario, log=LogRef(tuple(logs)), workloads=workloads)


def _log(logs: Sequence[str], folder: Path, columns: Columns) -> list[str]:
    """The log's path, and how its columns are called where the command line said so."""
    if not logs or "-" in logs:
        return ["# log: PATH   # the log came through a pipe"]
    files = [quoted(os.path.relpath(Path(log).absolute(), folder)) for log in logs]
    file = files[0] if len(files) == 1 else f"[{', '.join(files)}]"
    if not any(columns):
        return [f"log: {file}"]
    lines = ["log:", f"  file: {file}"]
    for key, given in zip(("map", "const"), columns, strict=True):
        pairs = [assignment.partition("=") for assignment in given]
        lines += [f"  {key}: {{{', '.join(f'{column}: {quoted(value)}' for column, _, value in pairs)}}}"] if pairs else []
    return lines


def _vantage(profile: Profile, logs: Sequence[str] | None = None) -> list[str]:
    if profile.seen_from:
        return [f"seen_from: {profile.seen_from}"]
    guess = vantage_of(profile, logs) if logs is not None else None
    if guess is not None:
        return [f"seen_from: {guess.value}   # guessed: {comment(guess.why)}; else client, gateway or server"]
    return ["# seen_from: gateway   # where did this log measure: client, gateway or server?"]


def _sampling(profile: Profile) -> list[str]:
    return [f"sampling: {profile.sampling * 100:.6g}%"] if profile.sampling != 1 else []


def _users(asked: Asked, profile: Profile | None = None) -> list[str]:
    if asked.users_in:
        shares = ", ".join(f"{quoted(region)}: {share * 100:g}%" for region, share in asked.users_in.items())
        return [f"users_in: {{{shares}}}"]
    guess = users_of(profile.total) if profile is not None else None
    if guess is not None:
        return [f"users_in: {{{guess.value}: 100%}}   # guessed: {guess.why}; where are the people who wait? Decides what an edge can save"]
    return ["# users_in: {us-east: 60%, eu-west: 40%}   # where are the people who wait? Decides what an edge can save."]


def comment(text: str) -> str:
    """The text in a comment: whatever a log says, it stays on its line."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _workload(name: str, groups: tuple[Group, ...], asked: Asked, offers: OfferLines) -> list[str]:
    tally = sum_tallies(group.tally for group in groups)
    now = asked.now or logged_reference(groups)
    lines = [f"  {quoted(name)}:   # {_told(tally)}"]
    lines += ["    where: {}"] if groups[0].key["workload"] is None else []
    lines += offers(now, tally, asked)
    lines += [f"    runs_on: {asked.runs_on}"] if asked.runs_on else ["    # runs_on: edge   # does this change move it there?"]
    lines += [f"    users: {asked.waits}"] if asked.waits else []
    lines += ["    needs:", *(f"      {line}" for line in asked.needs)] if asked.needs else []
    return lines + _value(asked)


def _offers(now: str | None, tally: Tally, asked: Asked) -> list[str]:
    """What the log names, and the same model at the edge."""
    return [f"    {_now(now, asked)}", *([f"    edge: {quoted(asked.edge)}"] if asked.edge else _edge(tally, now))]


def _matched(now: str | None, tally: Tally, asked: Asked, at: date) -> list[str]:
    """The offers to judge, which can be had on that day, and what else there is, each with why."""
    model = now.partition("/")[2] if now else None
    edge, cloud = same_model(model, tally, at) if model else ((), ())
    gone = unserved(now, at) if now and not asked.now and is_listed(now) else None
    stand_in = cloud[0] if gone and cloud else None
    serving = stand_in.reference if stand_in else now
    now_usd = next((match.usd_1k for match in cloud if match.reference == serving), None)
    lines = [f"    {_now(now, asked)}"]
    if gone and now:
        lines = [f"    # now: {comment(now)}   # as the log names it; it {gone}"]
        lines += [f"    now: {quoted(stand_in.reference)}   # instead: {stand_in.why(None)}"] if stand_in else []
    others = nearest_in_cost(others_at_edge(model, tally, at), now_usd)
    chosen, *rest = (*edge, *others) or (Match(GENERATING if tally.total("output_tokens") else EMBEDDING, False, None),)
    lines += [f"    edge: {quoted(asked.edge)}" if asked.edge else f"    edge: {quoted(chosen.reference)}   # {chosen.why(now_usd)}"]
    lines += [f"    #     {match.reference}   # or at the edge: {match.why(None)}" for match in rest[: MOST + 1]] if not asked.edge else []
    elsewhere = [match for match in cloud if match.reference != serving][:MOST]
    return lines + [f"    # now: {match.reference}   # or in the cloud: {match.why(None)}" for match in elsewhere]


def unserved(reference: str, at: date) -> str | None:
    """Why an offer that the book knows cannot be had on a day: ``was retired on ...``; ``None`` where it can."""
    from edgeroi.judging import book_of

    try:
        book_of(reference).find(reference, at)
    except EdgeroiError as error:
        return comment(error.message.removeprefix(f"{reference} "))
    return None


def _now(now: str | None, asked: Asked) -> str:
    if asked.now:
        return f"now: {quoted(asked.now)}"
    if now is None:
        return "# now: PROVIDER/MODEL   # what serves it today? The log does not say"
    return (
        f"now: {quoted(now)}   # as the log names it"
        if is_listed(now)
        else f"# now: {comment(now)}   # as the log names it; it has no price"
    )


def _edge(tally: Tally, now: str | None) -> list[str]:
    same = same_model_at_edge(now)
    if same:
        return [f"    edge: {same}   # the same model at the edge"]
    guess = GENERATING if tally.total("output_tokens") else EMBEDDING
    return [f"    edge: {guess}   # another model: which one would serve it? edgeroi prices list cloudflare"]


def is_listed(reference: str) -> bool:
    """Whether the price book knows the offer by this name."""
    from edgeroi.judging import book_of

    try:
        return bool(book_of(reference).model_rows(reference))
    except EdgeroiError:
        return False


def same_model_at_edge(now: str | None) -> str | None:
    """The edge offer of the same model, where our catalogue knows one."""
    from edgeroi.judging import book_of_family

    if now is None:
        return None
    return next((row.reference for row in book_of_family(family(now.partition("/")[2])) if row.placement == "edge"), None)


def _told(tally: Tally) -> str:
    p50, ttft = tally.latency.quantile(0.5), tally.ttft.quantile(0.5)
    said = [f"{tally.requests:,} requests", f"p50 {p50:,.0f} ms" if p50 is not None else "no latency"]
    said += [f"first token {ttft:,.0f} ms"] if ttft is not None else []
    said += [f"{tally.error_ratio:.1%} errors"] if tally.errors and tally.error_ratio is not None else []
    return ", ".join(said)


def _value(asked: Asked) -> list[str]:
    if asked.waits == "nobody":
        return [f"    value: none   # nobody waits, by {comment(asked.by or 'command line')}"]
    if asked.waiting:
        return [f"    value: {{waiting: {asked.waiting}, why: {_why(asked)}, by: {quoted(asked.by or 'command line')}}}"]
    return ["    # value: {waiting: 5 to 40 USD/h, why: ..., by: ...}   # who waits, and what is their hour worth?"]


def _why(asked: Asked) -> str:
    return "given on the command line" if asked.waits is None else f"{asked.waits} wait for the answer"
