"""What a log suggests and does not say: where it measured, and where the people are who wait. Every guess comes with its reason.

A guess fills a blank in a draft that somebody reads; no verdict in favour of an edge rests on one, since the best case never gives that.
"""

from __future__ import annotations

import re
from cmath import phase, rect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

from edgeroi.geography import REGIONS
from edgeroi.workload import Busy, Profile, SeenFrom, Tally


@dataclass(frozen=True, slots=True)
class Guess:
    """What is taken, and why."""

    value: str
    why: str


#: Words in the name of a log, and where a log of that name measures.
_NAMED: Mapping[SeenFrom, str] = {
    "gateway": r"gateway|proxy|litellm|ingress|nginx|envoy|\balb\b|router",
    "client": r"client|browser|\brum\b|mobile|frontend",
    "server": r"server|backend|worker|inference|\bvllm\b|\btgi\b",
}


def vantage_of(profile: Profile, logs: Sequence[str]) -> Guess | None:
    """Where a log measured, by its name or by what only one place knows; ``None`` where nothing speaks for one."""
    for place, words in _NAMED.items():
        found = next((match for log in logs if (match := re.search(words, log.rsplit("/", 1)[-1], re.IGNORECASE))), None)
        if found:
            return Guess(place, f"the log's name says {found[0]!r}")
    if profile.total.total("cost_usd") is not None:
        return Guess("gateway", "the log knows what each request cost, as a gateway's does")
    if any(group.key.get("provider") for group in profile.groups):
        return Guess("gateway", "the log names the provider, as who stands between users and it does")
    return None


#: Where the middle of a day of use lies, local solar time: office hours and evenings together centre on half past two.
MIDDLE_OF_A_DAY = 14.5
#: How far the hours lean to one side of the day where people are: less is round the clock, more is a job (eight even hours lean 0.83).
_LEANING, _LEAST_DAYS = (0.2, 0.85), 2
#: One candidate per stretch of longitude, those that ask most first; of several that fit, the first is guessed and the others are named.
_PEOPLED = ("us-east", "eu-west", "ap-south", "us-west", "ap-northeast", "ap-southeast", "sa-east", "us-central", "me-central", "au-east")
#: Habits move the middle of a day by more than an hour.
_FITS_DEGREES = 20


def users_of(tally: Tally) -> Guess | None:
    """Where users are, by the hours they are awake; ``None`` where requests come round the clock, all at once, or for too short a time."""
    hours = {hour: busy for hour, busy in tally.hours.items() if hour >= 0}
    if not hours or (max(hours) - min(hours)) < 24 * _LEAST_DAYS:
        return None
    middle, leaning = middle_of_day(hours)
    if not _LEANING[0] <= leaning <= _LEANING[1]:
        return None
    longitude = (MIDDLE_OF_A_DAY - middle) * 15
    apart = {name: abs((REGIONS[name][1] - longitude + 180) % 360 - 180) for name in _PEOPLED}
    region, *others = [name for name in _PEOPLED if apart[name] <= _FITS_DEGREES] or [min(apart, key=lambda name: apart[name])]
    also = f" and in {', '.join(others)}" if others else ""
    return Guess(region, f"requests centre on {_clock(middle)} UTC, when it is afternoon there{also}")


def middle_of_day(hours: Mapping[int, Busy]) -> tuple[float, float]:
    """The mean time of day of the requests on the circle of 24 hours, UTC, and how far they lean to it: 0 evenly spread, 1 all at once."""
    total = sum(busy.requests for busy in hours.values())
    if not total:
        return 0.0, 0.0
    mean = sum(busy.requests * rect(1, (hour % 24 + 0.5) / 24 * 2 * pi) for hour, busy in hours.items()) / total
    return phase(mean) / (2 * pi) * 24 % 24, abs(mean)


def _clock(hour: float) -> str:
    minutes = round(hour * 60) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
