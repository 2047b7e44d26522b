"""Queues, against published values, exact results and a simulation written here."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from edgeroi.queueing import (
    Overloaded,
    Pool,
    allen_cunneen,
    erlang_b,
    erlang_c,
    halfin_whitt,
    inversion_mean,
    inversion_quantile,
    kingman,
    sakasegawa,
    servers_for,
    splitting,
    square_root_staffing,
    whitt,
)

# ---- Erlang -----------------------------------------------------------------------------------------------------------------

#: ``reference/economics.md`` 1.3, to six decimals.
ERLANG_C = {
    (1, 0.5): 0.5,
    (1, 0.9): 0.9,
    (2, 1): 1 / 3,
    (2, 1.5): 9 / 14,
    (2, 1.6): 0.711111,
    (3, 2): 4 / 9,
    (5, 4): 0.554113,
    (10, 6): 0.101299,
    (10, 8): 0.409180,
    (10, 9): 0.668732,
    (20, 16): 0.256078,
    (50, 45): 0.363864,
    (100, 90): 0.216940,
    (100, 95): 0.506457,
    (5, 2.5): 0.130371,
    (6, 2.5): 0.047445,
    (24, 20): 0.298072,
    (7, 4): 0.135110,
    (111, 100): 0.199787,
}


@pytest.mark.parametrize(("servers", "load"), ERLANG_C)
def test_erlang_c_is_the_published_one(servers: int, load: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(ERLANG_C[servers, load], abs=1e-6)


@pytest.mark.parametrize(("servers", "load", "blocked"), [(10, 6, 0.043142), (100, 90, 0.026957)])
def test_erlang_b_is_the_published_one(servers: int, load: float, blocked: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(blocked, abs=1e-6)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.3), (7, 6.5), (40, 12.0), (300, 290.0), (2000, 1990.0)])
def test_erlang_b_is_the_poisson_ratio_and_does_not_overflow(servers: int, load: float) -> None:
    """B = P(N = c) / P(N <= c) of a Poisson variable with mean a."""
    assert erlang_b(servers, load) == pytest.approx(poisson.pmf(servers, load) / poisson.cdf(servers, load), rel=1e-9)


def test_a_textbook_service_level() -> None:
    """24 servers, 20 erlangs, 180 s: P(wait > 20 s)."""
    assert Pool(24, 20, 180).wait_tail(20) == pytest.approx(0.191118, abs=1e-6)


@pytest.mark.parametrize("load", [1.0, 1.0001, 7.0])
def test_an_overload_has_no_number(load: float) -> None:
    with pytest.raises(Overloaded, match="cannot carry"):
        erlang_c(1, load)
    with pytest.raises(Overloaded, match="no time to catch up"):
        kingman(load, 1, 1)


# ---- wait and sojourn ---------------------------------------------------------------------------------------------------------

#: servers, utilisation -> p50, p99 and mean of wait and service, in services.
SOJOURN = {
    (1, 0.8): (3.46574, 23.02585, 5.0),
    (5, 0.8): (1.20439, 6.07966, 1.554113),
    (10, 0.8): (0.91214, 4.94611, 1.20459),
    (5, 0.9): (1.95245, 10.04978, 2.52499),
}


@pytest.mark.parametrize(("servers", "rho"), SOJOURN)
def test_the_sojourn_is_the_published_one(servers: int, rho: float) -> None:
    pool, (p50, p99, mean) = Pool.at(servers, rho), SOJOURN[servers, rho]
    found = (pool.sojourn_quantile(0.5), pool.sojourn_quantile(0.99), pool.mean_sojourn)
    assert found == pytest.approx((p50, p99, mean), abs=6e-6)


def test_one_server_has_an_exponential_sojourn() -> None:
    """Quantile p of Exp with mean S / (1 - rho)."""
    for rho, p in ((0.1, 0.5), (0.7, 0.99), (0.99, 0.999)):
        assert Pool.at(1, rho, 100).sojourn_quantile(p) == pytest.approx(100 * math.log(1 / (1 - p)) / (1 - rho), rel=1e-9)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.999), (2, 1.0), (2, 1.0000001), (3, 2.5), (3, 2.0), (50, 49.9), (200, 20.0)])
def test_the_tail_neither_overflows_nor_jumps(servers: int, load: float) -> None:
    """Against the integral of wait and service: P(T > t) = P(S > t) + int f(s) P(W > t - s) ds; also around servers - 1 = load."""
    pool = Pool(servers, load)
    for t in (0.5, 3.0, 20.0):
        s = (np.arange(200_000) + 0.5) * t / 200_000
        waited = float(np.mean(np.exp(-s) * pool.p_wait * np.exp(-pool.emptying * (t - s)))) * t
        assert pool.sojourn_tail(t) == pytest.approx(math.exp(-t) + waited, rel=1e-6)
    assert 0 <= pool.sojourn_tail(5_000.0) <= 1


def test_the_wait_quantile_is_zero_where_few_wait() -> None:
    """C(10, 6) = 0.101: nine in ten do not wait at all; ten in a hundred wait, and the slowest hundredth at least t."""
    pool = Pool(10, 6, 180)
    assert pool.wait_quantile(0.89) == 0
    assert pool.wait_quantile(0.99) == pytest.approx(180 / 4 * math.log(0.101299 / 0.01), rel=1e-5)
    assert pool.wait_tail(pool.wait_quantile(0.99)) == pytest.approx(0.01)


def simulated(servers: int, rho: float, customers: int, seed: int) -> np.ndarray:
    """Sojourns of M/M/c, first come first served, in services: each customer takes the server that is free first."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / (rho * servers), customers))
    services = rng.exponential(1.0, customers)
    free = [0.0] * servers
    sojourns = np.empty(customers)
    for n in range(customers):
        begun = max(arrivals[n], free[0])
        heapq.heapreplace(free, begun + services[n])
        sojourns[n] = begun + services[n] - arrivals[n]
    return sojourns[customers // 20 :]


@pytest.mark.parametrize(("servers", "rho", "mean", "p99"), [(1, 0.7, 0.03, 0.05), (5, 0.7, 0.01, 0.02), (5, 0.2006, 0.01, 0.02)])
def test_a_simulation_agrees(servers: int, rho: float, mean: float, p99: float) -> None:
    """Tolerances are some three standard errors of 300,000 correlated sojourns."""
    seen, pool = simulated(servers, rho, 300_000, seed=4), Pool.at(servers, rho)
    assert seen.mean() == pytest.approx(pool.mean_sojourn, rel=mean)
    assert np.quantile(seen, 0.99) == pytest.approx(pool.sojourn_quantile(0.99), rel=p99)
    assert (seen > pool.sojourn_quantile(0.9)).mean() == pytest.approx(0.1, abs=0.006)


# ---- the edge against one pool --------------------------------------------------------------------------------------------------

#: service, saved ms -> rho* for the mean against pools of 2, 5, 10 and very many; for p99 against 5 and very many.
INVERSION = {
    (100, 25): (0.2361, 0.2006, 0.2000, 0.2000, 0.0515, 0.0515),
    (100, 50): (0.4142, 0.3376, 0.3335, 0.3333, 0.0979, 0.0979),
    (20, 150): (0.9356, 0.9003, 0.8899, 0.8824, 0.6279, 0.6196),
    (20, 50): (0.8198, 0.7396, 0.7216, 0.7143, 0.3534, 0.3519),
    (5000, 50): (0.0100, 0.0099, 0.0099, 0.0099, 0.0022, 0.0022),
}


@pytest.mark.parametrize(("service", "saved"), INVERSION)
def test_the_inversion_is_the_table_of_the_reference(service: float, saved: float) -> None:
    means = [inversion_mean(saved, service, pool=pool) for pool in (2, 5, 10, None)]
    tails = [inversion_quantile(0.99, saved, service, pool=pool) for pool in (5, None)]
    assert (*means, *tails) == pytest.approx(INVERSION[service, saved], abs=5e-5)


def test_the_large_pool_in_closed_form() -> None:
    """50 / 5050 and 50 / (50 + 5000 ln 100); with two servers at a site nobody has a closed form, and two wait less than one."""
    assert inversion_mean(50, 5000) == pytest.approx(50 / 5050)
    assert inversion_quantile(0.99, 50, 5000) == pytest.approx(50 / (50 + 5000 * math.log(100)))
    assert inversion_mean(50, 100, pool=100_000) == pytest.approx(50 / 150, abs=1e-4)
    two = inversion_mean(50, 100, per_site=2)
    assert two is not None
    assert two == pytest.approx(brentq(lambda rho: rho**2 / (1 - rho**2) - 0.5, 0, 0.999), abs=1e-8)  # M/M/2: Wq = S rho^2/(1 - rho^2)
    assert two > 1 / 3


def test_the_worked_point() -> None:
    """S = 100 ms, 70 % busy: one server 333.33 and 1,535.06 ms, five pooled 125.19 and 513.44."""
    alone, pooled = Pool.at(1, 0.7, 100), Pool.at(5, 0.7, 100)
    assert (alone.mean_sojourn, pooled.mean_sojourn) == pytest.approx((333.33, 125.19), abs=0.005)
    assert (alone.sojourn_quantile(0.99), pooled.sojourn_quantile(0.99)) == pytest.approx((1535.06, 513.44), abs=0.005)
    assert inversion_mean(alone.mean_sojourn - pooled.mean_sojourn, 100, pool=5) == pytest.approx(0.7, abs=1e-8)


def test_no_splitting_no_inversion_and_no_saving_no_edge() -> None:
    assert inversion_mean(50, 100, per_site=5, pool=5) is None
    assert inversion_quantile(0.99, 50, 100, per_site=5, pool=5) is None
    assert inversion_mean(0, 100, pool=5) == 0
    assert inversion_mean(-10, 100) == 0


# ---- other arrivals and services ------------------------------------------------------------------------------------------------

#: servers, utilisation, squared variation of arrivals and services -> Allen and Cunneen, Sakasegawa, Whitt.
GENERAL = {
    (1, 0.8, 1, 1): (4.0, 4.0, 4.0),
    (1, 0.8, 1, 0): (2.0, 2.0, 2.0),
    (1, 0.8, 1, 4): (10.0, 10.0, 9.539445),
    (5, 0.8, 1, 1): (0.554113, 0.577037, 0.554113),
    (5, 0.8, 1, 0): (0.277056, 0.288519, 0.288780),
    (5, 0.8, 1, 4): (1.385281, 1.442593, 1.261939),
    (10, 0.9, 2, 0.5): (0.835914, 0.847317, 0.861708),
    (2, 0.9, 1, 1): (4.263158, 4.291855, 4.263158),
}


@pytest.mark.parametrize("case", GENERAL)
def test_the_approximations_are_the_table_of_the_reference(case: tuple[int, float, float, float]) -> None:
    assert (allen_cunneen(*case), sakasegawa(*case), whitt(*case)) == pytest.approx(GENERAL[case], abs=1e-6)


def test_kingman_is_exact_for_poisson_arrivals() -> None:
    """Pollaczek and Khinchine at rho 0.8: 4 for M/M/1, 2 for M/D/1, 10 for a service that varies twice as much as an exponential."""
    assert [kingman(0.8, 1, service) for service in (1, 0, 4)] == pytest.approx([4, 2, 10])


def test_whitt_knows_evenly_spaced_arrivals() -> None:
    """D/M/1: Wq = sigma / (1 - sigma), sigma = exp(-(1 - sigma)/rho), within a tenth of a per cent; Allen and Cunneen say 2."""
    sigma = brentq(lambda x: x - math.exp(-(1 - x) / 0.8), 0.1, 0.99)
    assert whitt(1, 0.8, 0, 1) == pytest.approx(sigma / (1 - sigma), rel=1e-3)


# ---- how many servers -----------------------------------------------------------------------------------------------------------


def test_splitting_by_the_square_root_and_exactly() -> None:
    """4 erlangs at each of 25 sites: 150 against 110 servers with beta 1; 175 against 111 with at most a fifth waiting."""
    assert (25 * square_root_staffing(4, 1), square_root_staffing(100, 1)) == (150, 110)
    found = splitting(25, 4, 0.2)
    assert (found.servers, found.pooled, found.penalty) == (175, 111, 64)
    assert found.ratio == pytest.approx(0.577, abs=5e-4)
    assert erlang_c(6, 4) > 0.2 >= erlang_c(7, 4)


def test_one_site_pays_no_penalty() -> None:
    assert splitting(1, 37.5, 0.1).penalty == 0


@pytest.mark.parametrize(("beta", "waits"), [(0.5, 0.50454), (1, 0.22336), (1.5, 0.08469), (2, 0.02688)])
def test_halfin_and_whitt(beta: float, waits: float) -> None:
    assert halfin_whitt(beta) == pytest.approx(waits, abs=5e-6)
    assert halfin_whitt(beta) == pytest.approx(1 / (1 + beta * norm.cdf(beta) / norm.pdf(beta)))
    load = 1_000_000
    assert erlang_c(math.ceil(square_root_staffing(load, beta)), load) == pytest.approx(waits, abs=1e-3)


@pytest.mark.parametrize(("load", "p_wait", "servers"), [(2.5, 0.10, 6), (6, 0.11, 10), (0.0, 0.2, 1), (0.2, 0.2, 1)])
def test_the_fewest_servers(load: float, p_wait: float, servers: int) -> None:
    """30 an hour of 5 minutes each, nine in ten undelayed: C(5, 2.5) = 0.130, C(6, 2.5) = 0.047."""
    assert servers_for(load, p_wait) == servers
