"""What ``compare``, ``check`` and ``init`` have in common: scenarios and policies from the command line, logs, today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from edgeroi.errors import EdgeroiError

if TYPE_CHECKING:
    from edgeroi.cli.reading import LogOptions
    from edgeroi.draft import Asked
    from edgeroi.workload import Profile


def day_of(text: str | None) -> date | None:
    """A day from the command line."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise EdgeroiError(f"{text!r} is no day", key="--prices-as-of", fix="write YYYY-MM-DD") from None


def shares_of(text: str | None) -> Mapping[str, float] | None:
    """``us-east=60%,eu-west=40%`` as shares of 1."""
    if text is None:
        return None
    found: dict[str, float] = {}
    for part in text.split(","):
        region, _, share = part.strip().partition("=")
        try:
            found[region.strip()] = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except ValueError:
            raise EdgeroiError(f"{part!r} is not REGION=SHARE", key="--users-in", fix="write us-east=60%,eu-west=40%") from None
    if abs(sum(found.values()) - 1) > 1e-6:
        raise EdgeroiError(f"the shares sum to {sum(found.values()):.0%}", key="--users-in", fix="make them sum to 100%")
    return found


def asked_of(edge: str | None, now: str | None, users_in: str | None, waiting: str | None) -> Asked:
    """What the command line answers of the questions a draft leaves open."""
    from edgeroi.draft import Asked

    if waiting is not None:
        _refuse_no_range(waiting)
    return Asked(edge, now, shares_of(users_in), waiting)


def _refuse_no_range(waiting: str) -> None:
    from edgeroi.units import HOURLY, read_range

    try:
        read_range(waiting, HOURLY, "--waiting")
    except EdgeroiError as error:
        error.key = "--waiting"
        raise


def profiled(options: LogOptions) -> Profile:
    """The logs; unsound ones are refused, and those that list no request."""
    from edgeroi.judging import refuse_unsound

    profile = options.read()
    refuse_unsound(profile)
    if not profile.groups:
        said = f"{profile.aggregates[0].file} states an aggregate and lists no request, so it tells neither volume nor tokens"
        raise EdgeroiError(said, fix="write a scenario that names it as the log of an option, and state requests and tokens there")
    return profile
