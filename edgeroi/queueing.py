"""Waiting for a server: Erlang's formulas, M/M/c, approximations for other arrivals, and where one pool beats many small sites.

``load`` is the offered load a in erlangs, arrival rate times mean service time; ``rho`` = load / servers is the utilisation, and from 1 on
the queue grows without end, which every function here refuses to put a number on. Times come out in the unit of ``service``.

M/M/c (Poisson arrivals, exponential service, first come first served) is exact for what it assumes and a screening bound for the rest:
a server that batches, or sites of uneven load, wait differently. Means of other arrivals and services are approximated, never their tails.

Sources: Erlang, 1917; Kingman, Proc. Cambridge Phil. Soc. 57, 1961; Allen, "Probability, Statistics, and Queueing Theory", 1978;
Sakasegawa, Ann. Inst. Statist. Math. 29, 1977; Halfin and Whitt, Oper. Res. 29, 1981; Whitt, Prod. Oper. Manag. 2, 1993.
That splitting one pool over sites can cost more than the network saves: Ali-Eldin, Wang and Shenoy, "The Hidden Cost of the Edge", SC'21.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist


class Overloaded(ValueError):
    """More work arrives than the servers can do: no wait can be given."""


def erlang_b(servers: int, load: float) -> float:
    """The share of arrivals that find every server busy where nobody waits; by the recursion that cannot overflow."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that have to wait. Raises ``Overloaded`` from ``load`` = ``servers`` on."""
    if servers < 1 or load < 0:
        raise ValueError(f"{servers} servers under {load} erlangs")
    if load >= servers:
        raise Overloaded(f"{servers} servers cannot carry {load:.3g} erlangs")
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1 - blocked))


@dataclass(frozen=True)
class Pool:
    """M/M/c: ``servers`` that share one queue under ``load`` erlangs, each serving in ``service`` on average."""

    servers: int
    load: float
    service: float = 1.0

    @classmethod
    def at(cls, servers: int, rho: float, service: float = 1.0) -> Pool:
        """The pool at a utilisation."""
        return cls(servers, servers * rho, service)

    @property
    def rho(self) -> float:
        """The share of the time a server is busy."""
        return self.load / self.servers

    @cached_property
    def p_wait(self) -> float:
        """The share of arrivals that wait: Erlang C."""
        return erlang_c(self.servers, self.load)

    @property
    def emptying(self) -> float:
        """How fast a queue empties, per unit of time: waits of those who wait are exponential with this rate."""
        return (self.servers - self.load) / self.service

    @property
    def mean_wait(self) -> float:
        """Mean wait of all arrivals, those who do not wait included."""
        return self.p_wait / self.emptying

    @property
    def mean_sojourn(self) -> float:
        """Mean wait and service."""
        return self.mean_wait + self.service

    def wait_tail(self, t: float) -> float:
        """P(wait > t)."""
        return self.p_wait * math.exp(-self.emptying * t)

    def wait_quantile(self, p: float) -> float:
        """The wait that a share ``p`` of all arrivals does not exceed; 0 where no more than 1 - p wait at all."""
        return math.log(self.p_wait / (1 - p)) / self.emptying if self.p_wait > 1 - p else 0.0

    def sojourn_tail(self, t: float) -> float:
        """P(wait + service > t), in the form that overflows on neither side of servers - 1 = load."""
        own, left = math.exp(-t / self.service), self.servers - 1 - self.load
        if abs(left) < 1e-9:
            return own * (1 + self.p_wait * t / self.service)
        return own + self.p_wait * (own - math.exp(-self.emptying * t)) / left

    def sojourn_quantile(self, p: float) -> float:
        """The time from arrival to answer that a share ``p`` does not exceed."""
        high = self.service
        while self.sojourn_tail(high) > 1 - p:
            high *= 2
        return _root(lambda t: 1 - p - self.sojourn_tail(t), 0.0, high)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes 0, to the last bit, by bisection."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


# ---- other arrivals and services: mean waits ---------------------------------------------------------------------------------


def kingman(rho: float, arrival_scv: float, service_scv: float, service: float = 1.0) -> float:
    """Mean wait at one server, from the squared coefficients of variation; exact for Poisson arrivals (Pollaczek and Khinchine)."""
    return _below_one(rho) / (1 - rho) * (arrival_scv + service_scv) / 2 * service


def allen_cunneen(servers: int, rho: float, arrival_scv: float, service_scv: float, service: float = 1.0) -> float:
    """Mean wait at several servers: M/M/c scaled by the variability, the textbook's way."""
    return (arrival_scv + service_scv) / 2 * Pool.at(servers, rho, service).mean_wait


def sakasegawa(servers: int, rho: float, arrival_scv: float, service_scv: float, service: float = 1.0) -> float:
    """Mean wait at several servers, without Erlang's formula."""
    busy: float = _below_one(rho) ** (math.sqrt(2 * (servers + 1)) - 1)
    return (arrival_scv + service_scv) / 2 * busy / (servers * (1 - rho)) * service


def whitt(servers: int, rho: float, arrival_scv: float, service_scv: float, service: float = 1.0) -> float:
    """Mean wait at several servers, the refined approximation of Whitt (1993): the one to use above one server."""
    weight = _whitt_weight(servers, _below_one(rho), arrival_scv, service_scv)
    return weight * allen_cunneen(servers, rho, arrival_scv, service_scv, service)


def _whitt_weight(servers: int, rho: float, arrival_scv: float, service_scv: float) -> float:
    """Whitt's phi. The names are the paper's: gamma, phi1, phi3, phi4 and psi."""
    gamma = min(0.24, (1 - rho) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * servers * rho))
    phi1, phi3 = 1 + gamma, (1 - 4 * gamma) * math.exp(-2 * (1 - rho) / (3 * rho))
    phi4, mixed = min(1.0, (phi1 + phi3) / 2), (arrival_scv + service_scv) / 2
    psi = 1.0 if mixed >= 1 else phi4 ** (2 * (1 - mixed))
    if not arrival_scv:
        return phi3  # evenly spaced arrivals, for which phi3 was made: the mixture below would blur it
    if arrival_scv >= service_scv:
        parts = 4 * arrival_scv - 3 * service_scv
        return 4 * (arrival_scv - service_scv) / parts * phi1 + service_scv / parts * psi
    both = 2 * (arrival_scv + service_scv)
    return (service_scv - arrival_scv) / both * phi3 + (service_scv + 3 * arrival_scv) / both * psi


def _below_one(rho: float) -> float:
    if not 0 <= rho < 1:
        raise Overloaded(f"a utilisation of {rho:.3g} leaves no time to catch up")
    return rho


# ---- the edge against one pool ----------------------------------------------------------------------------------------------


def inversion_mean(saved: float, service: float, *, per_site: int = 1, pool: int | None = None) -> float | None:
    """The utilisation above which sites of ``per_site`` servers are slower on average than one pool, ``saved`` of network included.

    Both sides run at the same utilisation. ``pool``: its servers, ``None`` for one so large that nobody waits in it; then a site of one
    server inverts at saved / (saved + service). ``None``: never, the pool being no larger than a site.
    """
    if pool is None and per_site == 1:
        return max(0.0, saved) / (max(0.0, saved) + service)

    def gap(rho: float) -> float:
        return Pool.at(per_site, rho, service).mean_wait - (Pool.at(pool, rho, service).mean_wait if pool else 0.0)

    return _inversion(gap, saved, per_site, pool)


def inversion_quantile(p: float, saved: float, service: float, *, per_site: int = 1, pool: int | None = None) -> float | None:
    """The same for a quantile of wait and service; a site of one server against a large pool: saved / (saved + service ln(1/(1-p)))."""
    unhurried = service * math.log(1 / (1 - p))
    if pool is None and per_site == 1:
        return max(0.0, saved) / (max(0.0, saved) + unhurried)

    def gap(rho: float) -> float:
        pooled = Pool.at(pool, rho, service).sojourn_quantile(p) if pool else unhurried
        return Pool.at(per_site, rho, service).sojourn_quantile(p) - pooled

    return _inversion(gap, saved, per_site, pool)


#: How near to full utilisation the inversion is looked for, and how finely.
_FULLEST, _FINEST = 1 - 1e-9, 1e-10


def _inversion(gap: Callable[[float], float], saved: float, per_site: int, pool: int | None) -> float | None:
    if pool is not None and pool <= per_site:
        return None
    if saved <= 0:
        return 0.0
    low, high = 0.0, _FULLEST
    while high - low > _FINEST:
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) < saved else (low, middle)
    return high


# ---- how many servers -------------------------------------------------------------------------------------------------------


def square_root_staffing(load: float, beta: float) -> float:
    """Servers for a load with ``beta`` of slack: a + beta sqrt(a)."""
    return load + beta * math.sqrt(load)


def halfin_whitt(beta: float) -> float:
    """The share that waits under square-root staffing of a large pool: 1 / (1 + beta Phi(beta) / phi(beta))."""
    normal = NormalDist()
    return 1 / (1 + beta * normal.cdf(beta) / normal.pdf(beta))


def servers_for(load: float, p_wait: float) -> int:
    """The fewest servers with which at most a share ``p_wait`` of the arrivals waits, exactly."""
    blocked, servers = 1.0, 0
    while True:
        servers += 1
        blocked = load * blocked / (servers + load * blocked)
        if servers > load and servers * blocked / (servers - load * (1 - blocked)) <= p_wait:
            return servers


@dataclass(frozen=True, slots=True)
class Splitting:
    """The same load at ``sites`` of ``per_site`` servers, or in one pool of ``pooled``, at the same share of waits."""

    sites: int
    per_site: int
    pooled: int
    p_wait: float

    @property
    def servers(self) -> int:
        """Servers at all sites."""
        return self.sites * self.per_site

    @property
    def penalty(self) -> int:
        """Servers that only the splitting asks for."""
        return self.servers - self.pooled

    @property
    def ratio(self) -> float:
        """The penalty as a share of the pool."""
        return self.penalty / self.pooled


def splitting(sites: int, load_per_site: float, p_wait: float) -> Splitting:
    """What splitting a load evenly over sites costs in servers, by the exact Erlang C."""
    return Splitting(sites, servers_for(load_per_site, p_wait), servers_for(sites * load_per_site, p_wait), p_wait)
