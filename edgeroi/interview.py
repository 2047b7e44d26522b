"""The three questions only people can answer: who waits, where they are, what must hold; each with a default and an example."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from edgeroi.draft import Asked, rows_of
from edgeroi.errors import EdgeroiError
from edgeroi.guesses import users_of
from edgeroi.pricebooks.round_trips import load as load_trips
from edgeroi.units import HOURLY, LATENCY, read_amount, read_range
from edgeroi.workload import Profile

#: Asks one question and gives the line that came back, ``None`` where nobody answers any more.
Ask = Callable[[str], str | None]
Say = Callable[[str], None]
Answer = TypeVar("Answer")

WAITING = "5 to 40 USD/h"
BY = "edgeroi init --interactive"
_WAITS = ("people", "machines", "nobody")
_DEADLINE = re.compile(r"(p50|p90|p95|p99)\s*(?:<=|<|under|within|:)?\s*(.+)", re.IGNORECASE)


def answered(asked: Asked, profile: Profile, ask: Ask, say: Say) -> Asked:
    """What was asked, with the answers; what the command line said is not asked again."""
    if len(rows_of(profile)) > 1:
        say("the answers go into every workload of the log; part them in the file where they differ")
    waits = _until(ask, say, "1. Who waits for the answers: people, machines or nobody?", "people", _waits)
    waiting = asked.waiting
    if waits != "nobody" and waiting is None:
        waiting = _until(ask, say, "   What is an hour of their waiting worth? A range will do.", WAITING, _worth)
    users = asked.users_in
    if users is None:
        guess = users_of(profile.total)
        default = f"{guess.value}=100%" if guess else "us-east=100%"
        because = f" ({guess.why})" if guess else ""
        users = _until(ask, say, f"2. Where are they?{because} REGION=SHARE,...", default, _places)
    needs = _until(
        ask, say, "3. What must hold? `p95 < 800 ms`, `offline`, `residency eu`, or nothing; several with `and`.", "nothing", _needs
    )
    return replace(asked, waits=waits, waiting=waiting, users_in=users, needs=needs, runs_on="edge", by=BY)


def _until(ask: Ask, say: Say, question: str, default: str, read: Callable[[str], Answer]) -> Answer:
    """The first answer that can be read; nothing typed, or nobody there, is the default. Raises where the last word was a wrong one."""
    wrong: EdgeroiError | None = None
    while True:
        said = ask(f"{question} [{default}]")
        if said is None and wrong is not None:
            raise wrong
        try:
            return read(said or default)
        except EdgeroiError as error:
            wrong = error
            say(str(error))


def _waits(said: str) -> str:
    found = next((word for word in _WAITS if word.startswith(said.casefold())), None)
    if found is None:
        raise EdgeroiError(
            f"{said!r} is none of {', '.join(_WAITS)}", fix="people who look at a screen, machines that are paid by the hour"
        )
    return found


def _worth(said: str) -> str:
    read_range(said, HOURLY, "waiting")
    return said


def _places(said: str) -> Mapping[str, float]:
    """``us-east=60%,eu-west=40%``; one region alone has everybody. Raises ``EdgeroiError`` for shares, and regions nobody knows."""
    parts = [part.strip().partition("=") for part in said.split(",")]
    shares: dict[str, float] = {}
    for region, _, share in parts:
        number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", share.strip() or ("100" if len(parts) == 1 else ""))
        if number is None:
            raise EdgeroiError(f"{region}={share} is not REGION=SHARE", fix="write us-east=60%,eu-west=40%")
        shares[load_trips().region(region)] = float(number[1]) / 100
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise EdgeroiError(f"the shares sum to {sum(shares.values()):.0%}", fix="make them sum to 100%")
    return shares


def _needs(said: str) -> tuple[str, ...]:
    """The lines below ``needs``; none for nothing."""
    if said.casefold() in ("nothing", "none", "no"):
        return ()
    lines: list[str] = []
    limits: list[str] = []
    for part in re.split(r"\s+and\s+|,", said):
        word, _, rest = part.strip().partition(" ")
        deadline = _DEADLINE.fullmatch(part.strip())
        if deadline:
            read_amount(deadline[2], LATENCY)
            limits.append(f"{deadline[1].casefold()}: {deadline[2]}")
        elif word.casefold() == "offline":
            lines.append("offline: true")
        elif word.casefold() == "residency" and re.fullmatch(r"[A-Za-z][A-Za-z-]*", rest.strip()):
            lines.append(f"residency: {rest.strip().casefold()}")
        else:
            raise EdgeroiError(f"{part.strip()!r} is no requirement", fix="write p95 < 800 ms, offline, residency eu, or nothing")
    if limits:
        lines.insert(0, f"deadline: {{{', '.join(limits)}}}")
    return (*lines, "why: stated when the draft was made", f"by: {BY}")
