"""How long the network takes between regions: published medians, each with its source and day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from edgeroi.errors import EdgeroiError, NoAnswer
from edgeroi.estimate import Range
from edgeroi.pricebooks._entries import number, table, text, texts
from edgeroi.yamltree import Node, parse_tree

#: The nearest point of presence, whatever the region.
EDGE = "edge"


@dataclass(frozen=True)
class RoundTrips:
    """Round trips between regions, in ms. A pair is known in both directions; nothing is worked out from other pairs."""

    pairs: Mapping[frozenset[str], float]
    regions: Mapping[str, str]
    within: Range
    edge: Range
    source: str

    def region(self, name: str) -> str:
        """The name of a region here (``us-east-1`` -> ``us-east``). Raises ``EdgeroiError`` with the nearest names."""
        known = self.regions.get(name.strip().casefold().replace("_", "-"))
        if known is None:
            names = sorted({*self.regions.values(), EDGE})
            nearest = get_close_matches(name, names, n=3)
            raise EdgeroiError(f"unknown region {name!r}", fix=f"{'nearest' if nearest else 'known'}: {', '.join(nearest or names)}")
        return known

    def between(self, user: str, serving: str) -> Range:
        """The round trip from users in one region to a site in another (or ``edge``), in ms; ``why`` says where it is from.

        Raises ``NoAnswer`` for a pair nobody published.
        """
        here, there = self.region(user), self.region(serving)
        if EDGE in (here, there):
            return self.edge
        if here == there:
            return self.within
        ms = self.pairs.get(frozenset((here, there)))
        if ms is None:
            raise NoAnswer(f"no round trip between {here} and {there} is known", fix="state rtt: in the scenario, in ms")
        return Range(ms, ms, ms, f"rtt.{min(here, there)}.{max(here, there)}", basis="listed", why=self.source)


@cache
def load() -> RoundTrips:
    """The shipped table."""
    text_of = (files("edgeroi.pricebooks") / "data" / "rtt.yaml").read_text(encoding="utf-8")
    top = table(parse_tree(text_of, "pricebooks/data/rtt.yaml"), "round trips")
    source = f"{text(top['source'])} ({text(top['as_of'])})"
    pairs = {frozenset(pair.split()): float(number(ms)) for pair, ms in table(top["pairs"], "pairs").items()}
    regions = {name: own for own, names in table(top["regions"], "regions").items() for name in (own, *texts(names))}
    return RoundTrips(pairs, {**regions, EDGE: EDGE}, _range("within", top, source), _range("edge", top, source), source)


def _range(key: str, top: Mapping[str, Node], source: str) -> Range:
    entry = table(top[key], key)
    likely, low, high = (float(number(entry[part])) for part in ("likely", "low", "high"))
    said = text(entry["source"]) if "source" in entry else source
    return Range(likely, low, high, f"rtt.{key}", "triangular", "listed", f"{text(entry['why'])}; {said}")


def round_trip(user: str, serving: str) -> Range:
    """The round trip from users in one region to a site in another, or to the nearest ``edge``, in ms."""
    return load().between(user, serving)
