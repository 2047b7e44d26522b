"""The sum of an invoice in many worlds at once: what ``cost`` adds up line by line, as arrays of doubles.

``cost.cost_lines`` is the invoice; this is its total where numbers are arrays (n,), one entry per world, and nothing is said about lines.
The tests hold the two together, world by world, for every kind of price. Doubles err in the 15th digit, which no draw would notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeroi.cost import Capacity
from edgeroi.prices import HOURS_PER_MONTH, UNITS, Price, Rate

Floats = NDArray[np.float64]
#: One number for all worlds, or one for each (n,).
Amount = float | Floats

_SECONDS_PER_MONTH = float(HOURS_PER_MONTH) * 3600


@dataclass(frozen=True, eq=False)
class Loads:
    """``cost.Load`` in many worlds: requests a month, mean tokens of one, GB out a month, CPU ms of a request."""

    requests_month: Amount
    input_tokens: Amount = 0.0
    output_tokens: Amount = 0.0
    cached_tokens: Amount = 0.0
    cache_write_tokens: Amount = 0.0
    egress_gb: Amount = 0.0
    cpu_ms: Amount = 0.0


@dataclass(frozen=True, eq=False)
class Billing:
    """An offer, with the rates that differ from world to world (``rates``: field of ``Price`` -> USD) and what is paid besides.

    ``fees_usd`` and ``operations_usd`` are USD a month; ``discount`` is a share of everything metered.
    """

    price: Price
    rates: Mapping[str, Amount] = field(default_factory=dict)
    capacity: Capacity | None = None
    fees_usd: Amount = 0.0
    operations_usd: Amount = 0.0
    discount: Amount = 0.0

    def usd_month(self, loads: Loads) -> Amount:
        """USD in a month. What the price needs and the load does not tell counts nothing: ask ``cost.cost_of`` first, which refuses."""
        metered = self._tokens(loads) + self._uses(loads)
        fees = sum(float(fee.rate.usd) for fee in self.price.fees)
        return metered * (1 - self.discount) + self._servers(loads) + fees + self.fees_usd + self.operations_usd

    def _usd(self, name: str, rate: Rate, input_tokens: Amount = 0.0) -> Amount:
        """USD of a billing unit: the world's own, else the highest long-context step that the request exceeds."""
        if name in self.rates:
            return self.rates[name]
        usd: Amount = float(rate.usd)
        for step in rate.above:
            usd = np.where(np.asarray(input_tokens) > step.input_tokens, float(step.usd), usd)
        return usd

    def _tokens(self, loads: Loads) -> Amount:
        price, requests = self.price, loads.requests_month
        if price.neurons:
            per = price.neurons
            cached = loads.cached_tokens if per.cached_per_mtok is not None else 0.0
            used = (loads.input_tokens - cached) * float(per.input_per_mtok) + cached * float(per.cached_per_mtok or 0)
            used = used + loads.output_tokens * float(per.output_per_mtok or 0)
            return _metered(used * requests / 1e6, per.rate, float(per.rate.usd))
        own = loads.input_tokens - loads.cached_tokens - loads.cache_write_tokens
        classes: tuple[tuple[Amount, str], ...] = (
            (own, "input"),
            (loads.cached_tokens, "cached" if price.cached else "input"),
            (loads.cache_write_tokens, "cache_write" if price.cache_write else "input"),
            (loads.output_tokens, "output"),
        )
        usd: Amount = 0.0
        for tokens, name in classes:
            rate: Rate | None = getattr(price, name)
            if rate is not None:
                usd = usd + _metered(tokens * requests, rate, self._usd(name, rate, loads.input_tokens))
        return usd

    def _uses(self, loads: Loads) -> Amount:
        """Requests, CPU time and egress."""
        counts = {
            "request": loads.requests_month,
            "cpu_ms": loads.cpu_ms * loads.requests_month,
            "egress_gb": loads.egress_gb,
        }
        usd: Amount = 0.0
        for name, count in counts.items():
            rate: Rate | None = getattr(self.price, name)
            if rate is not None:
                usd = usd + _metered(count, rate, self._usd(name, rate))
        return usd

    def _servers(self, loads: Loads) -> Amount:
        """Server-hours. Where the servers that were stated cannot carry a world's load, it takes as many as can."""
        rate = self.price.server_hour
        if rate is None:
            return 0.0
        given = self.capacity or Capacity()
        throughput = given.tokens_per_s or self.price.tokens_per_s
        tokens = loads.output_tokens + (loads.input_tokens if given.counts == "total" else 0.0)
        peak = float(given.peak) if given.servers is None else 1.0
        needed = np.ceil(tokens * loads.requests_month / _SECONDS_PER_MONTH * peak / float(throughput)) if throughput else 0.0
        servers = np.maximum(needed, float(given.servers if given.servers is not None else given.sites))
        return servers * float(HOURS_PER_MONTH) / _size(rate) * self._usd("server_hour", rate)


def _size(rate: Rate) -> float:
    return float(UNITS[rate.unit][1])


def _metered(count: Amount, rate: Rate, usd: Amount) -> Amount:
    """A count at a rate: bracket by bracket, less the allowance."""
    quantity = count / _size(rate)
    charged: Amount = 0.0
    done = 0.0
    for bracket in rate.brackets:
        charged = charged + np.clip(quantity - done, 0.0, float(bracket.up_to) - done) * float(bracket.usd)
        done = float(bracket.up_to)
    charged = charged + np.maximum(quantity - done, 0.0) * usd
    if rate.allowance:
        charged = charged - np.minimum(quantity, float(rate.allowance.a_month)) * usd
    return charged
