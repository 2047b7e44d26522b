"""Where the gain comes from, and what speaks against it: model or place, the users' regions, cheaper fixes, signs in the log."""

from __future__ import annotations

from dataclasses import dataclass

from edgeroi.attribution import Attribution
from edgeroi.regions import UserRegion
from edgeroi.remedies import Remedy
from edgeroi.symptoms import Symptom


@dataclass(frozen=True, slots=True)
class Gain:
    """What was found beside the books of one candidate; empty where nothing is known.

    ``one_rtt``: the option whose single stated round-trip time stands for all users, where one does.
    """

    attribution: Attribution | None = None
    regions: tuple[UserRegion, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    symptoms: tuple[Symptom, ...] = ()
    one_rtt: str | None = None
