"""A latency in many worlds at once: the same requests under every draw of round trips, stated quantiles, cold starts.

Rows are worlds, columns are requests: weighted atoms of ms (m, k). ``Timing.at`` builds one world exactly; this is that for ``m`` of
them, at most ``ATOMS`` atoms each, and the tests hold the two together. A latency that no driver moves stays exact, in one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgeroi.draws import Worlds, normal_middles
from edgeroi.estimate import Range, World
from edgeroi.felt import Felt
from edgeroi.latency import Latency, normal_mass
from edgeroi.stats import normal_quantile
from edgeroi.values import ROUNDING, Gated, ValueModel, counted

Floats = NDArray[np.float64]
#: One number for all worlds, or a column (m, 1) with one for each.
Column = float | Floats

#: About as many atoms in all where they are moved world by world, and the least of one part: a share of requests is met within 0.2 %.
ATOMS, LEAST_ATOMS = 600, 50
#: Worlds that are built one by one, where a policy or a queue has to be evaluated in each, and the atoms so few may hold: a share of
#: requests is met within 0.05 %.
FEW_ROWS, FEW_ATOMS = 25, 4_000
#: Equally likely requests of each side that are paired to see which savings are felt.
PAIRS = 250
#: Normal scores beyond which one atom stands for the rest, where quantiles differ from world to world.
_FURTHEST_Z = 4.5


@dataclass(frozen=True, eq=False)
class Part:
    """A share of the successes: atoms ``values_ms`` (1 or m, k), ascending in each row, with their ``weights`` (k,)."""

    share: Column
    values_ms: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Successes in parts whose shares sum to 1, and the share of requests that fail."""

    parts: tuple[Part, ...]
    failing: Column = 0.0

    @classmethod
    def of(cls, latency: Latency, most: int | None = None) -> Ensemble:
        """A latency that is the same in all worlds, in at most so many atoms."""
        values, weights = latency.values_ms, latency.weights
        if most is not None and values.size > most:
            values, weights = _coarser(latency, most)
        return cls((Part(1.0, values[None, :], weights),), latency.failure_ratio)

    @classmethod
    def stated(cls, quantiles_ms: Sequence[tuple[float, Column]], failing: Column, atoms: int = ATOMS) -> Ensemble:
        """Lognormal piece by piece through quantiles that differ from world to world, as ``Latency.from_quantiles`` is through fixed ones.

        A quantile that is drawn below a lower one counts as much as that.
        """
        ms = [np.maximum(np.asarray(value, np.float64).reshape(-1, 1), 1e-6) for _, value in quantiles_ms]
        if len(ms) == 1:
            return cls((Part(1.0, ms[0], np.ones(1)),), failing)
        knots = np.array([normal_quantile(p) for p, _ in quantiles_ms])
        logs = np.maximum.accumulate(np.log(np.concatenate(np.broadcast_arrays(*ms), axis=1)), axis=1)
        scores, weights = _cells(atoms)
        slopes = np.diff(logs, axis=1) / np.diff(knots)
        piece = np.clip(np.searchsorted(knots, scores) - 1, 0, slopes.shape[1] - 1)
        values = np.exp(logs[:, piece] + slopes[:, piece] * (scores - knots[piece]))
        return cls((Part(1.0, values, weights),), failing)

    @classmethod
    def of_each(cls, latencies: Sequence[Latency], atoms: int = ATOMS) -> Ensemble:
        """One row for each latency, all in as many atoms of one probability each: fine in the tails, means kept."""
        weights = _cells(atoms)[1]
        edges = np.concatenate(([0.0], np.cumsum(weights)))
        edges[-1] = 1.0
        rows = []
        for latency in latencies:
            reached = np.concatenate(([0.0], latency.cumulative))
            summed = np.concatenate(([0.0], np.cumsum(latency.weights * latency.values_ms)))
            rows.append(np.diff(np.interp(edges, reached, summed)) / weights)
        failing = np.array([[latency.failure_ratio] for latency in latencies])
        return cls((Part(1.0, np.maximum.accumulate(np.array(rows), axis=1), weights),), failing)

    def later(self, ms: Column) -> Ensemble:
        """Every success takes ``ms`` longer."""
        return replace(self, parts=tuple(replace(part, values_ms=np.maximum(part.values_ms + ms, 0.0)) for part in self.parts))

    def shared_with(self, others: Sequence[tuple[Column, Ensemble]], own: Column) -> Ensemble:
        """A mixture: ``own`` share of this one, and shares of others with the same share of failures."""
        every = ((own, self), *others)
        return replace(self, parts=tuple(replace(part, share=part.share * share) for share, side in every for part in side.parts))

    @property
    def fails(self) -> bool:
        """Whether any request fails in any world."""
        return bool(np.any(self.failing))

    # ---- queries: one number per world ----

    def mean_lost(self, model: ValueModel, slowest_ms: Column, world: World) -> Floats:
        """Units lost per request (1 or m, 1), failures included."""
        lost = sum((part.share * (model.lost(part.values_ms, world) @ part.weights)[:, None] for part in self.parts), np.zeros((1, 1)))
        return (1 - self.failing) * lost + self.failing * model.failure_lost(cast("float", slowest_ms), world)

    def quantile(self, p: float) -> Floats:
        """The p-quantile of the successes (1 or m, 1)."""
        if len(self.parts) == 1:
            (part,) = self.parts
            place = min(int(np.searchsorted(np.cumsum(part.weights), p - 1e-12)), part.weights.size - 1)
            return part.values_ms[:, [place]]
        values, weights = self._sorted
        places = np.minimum((np.cumsum(weights, axis=1) < p - 1e-12).sum(axis=1), values.shape[1] - 1)
        return np.take_along_axis(values, places[:, None], axis=1)

    def failing_at(self, slowest_ms: Column) -> Ensemble:
        """All requests, a failure counted as a success that took so long."""
        if not self.fails:
            return self
        late = Part(self.failing, np.asarray(slowest_ms, np.float64).reshape(-1, 1), np.ones(1))
        return Ensemble((*(replace(part, share=part.share * (1 - self.failing)) for part in self.parts), late))

    def slices(self, count: int = PAIRS) -> Floats:
        """The successes as ``count`` equally likely requests (1 or m, count), ascending, each the mean of its slice: the mean is kept."""
        values, weights = (self.parts[0].values_ms, self.parts[0].weights[None, :]) if len(self.parts) == 1 else self._sorted
        edges = np.linspace(0.0, 1.0, count + 1)
        reached = np.concatenate((np.zeros((weights.shape[0], 1)), np.cumsum(weights, axis=1)), axis=1)
        reached /= reached[:, -1:]
        summed = np.concatenate((np.zeros((values.shape[0], 1)), np.cumsum(weights * values, axis=1)), axis=1)
        rows = max(reached.shape[0], summed.shape[0])
        at_edges = [np.interp(edges, reached[row % reached.shape[0]], summed[row % summed.shape[0]]) for row in range(rows)]
        return np.diff(np.array(at_edges), axis=1) * count

    @cached_property
    def _sorted(self) -> tuple[Floats, Floats]:
        """All parts in one row per world, ascending, with their weights."""
        rows = max(max(part.values_ms.shape[0], np.shape(part.share)[0] if np.ndim(part.share) else 1) for part in self.parts)
        values = np.concatenate([np.broadcast_to(part.values_ms, (rows, part.weights.size)) for part in self.parts], axis=1)
        weights = np.concatenate(
            [np.broadcast_to(part.share * part.weights[None, :], (rows, part.weights.size)) for part in self.parts], axis=1
        )
        order = np.argsort(values, axis=1)
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(weights, order, axis=1)


@lru_cache(maxsize=32)
def _cells(count: int) -> tuple[Floats, Floats]:
    """Cells of the normal score: the mean score of each, and its probability."""
    edges = np.concatenate(([-np.inf], np.linspace(-_FURTHEST_Z, _FURTHEST_Z, count - 1), [np.inf]))
    weights = normal_mass(edges[:-1], edges[1:])
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    return -np.diff(density) / weights, weights / weights.sum()


def _coarser(latency: Latency, most: int) -> tuple[Floats, Floats]:
    """The distribution in at most ``most`` atoms, each the mean of a cell of the normal score: fine in the tails, its mean kept."""
    reached = latency.cumulative - latency.weights / 2
    edges = np.interp(np.linspace(-_FURTHEST_Z, _FURTHEST_Z, most - 1), normal_middles(4096), (np.arange(4096) + 0.5) / 4096)
    cells = np.searchsorted(edges, reached)
    weights = np.bincount(cells, latency.weights, minlength=most)
    values = np.bincount(cells, latency.weights * latency.values_ms, minlength=most)
    held = weights > 0
    return values[held] / weights[held], weights[held] / weights.sum()


def columns(worlds: Worlds, names: Sequence[str], rows: int) -> World:
    """The first ``rows`` draws of these drivers, each a column, so that they meet rows of atoms."""
    return cast("World", {name: worlds[name][:rows, None] for name in names})


def rows_of(world: World, most: int = FEW_ROWS) -> tuple[Mapping[str, float], ...]:
    """At most so many worlds of columns, one by one; drawn over and over, these are all that differ."""
    held = {name: np.ravel(numbers) for name, numbers in cast("Worlds", world).items()}
    rows = min(most, max(numbers.size for numbers in held.values()))
    return tuple({name: float(numbers[k % numbers.size]) for name, numbers in held.items()} for k in range(rows))


def column(number: Range, world: World) -> Column:
    """A number in many worlds: its column, else the likely value."""
    return number.at(world)


def gains(
    model: ValueModel, before: Ensemble, after: Ensemble, world: World, *, felt: Felt | None = None, part_of_ms: Column | None = None
) -> Floats:
    """Units gained per request in each world (1 or m,): ``values.gain_units`` row by row. The model must be anchored."""
    slowest: Column = 0.0
    if (before.fails or after.fails) and np.any(np.asarray(model.failure_lost(1e9, world)) != model.failure_lost(0.0, world)):
        slowest = np.maximum(before.quantile(0.99), after.quantile(0.99))
    if isinstance(model, Gated):
        was, now = (side.failing_at(slowest).slices() for side in (before, after))
        counts = counted(model, was, now, before.quantile(0.5), world, felt=felt, part_of_ms=part_of_ms)
        lost = model.lost(was, world)
        gained = np.where(counts, lost - model.lost(now, world), 0.0).mean(axis=1)
        least = ROUNDING * np.abs(lost).mean(axis=1)
    else:
        lost = before.mean_lost(model, slowest, world)[:, 0]
        gained = lost - after.mean_lost(model, slowest, world)[:, 0]
        least = ROUNDING * np.abs(lost)
    return np.where(np.abs(gained) > least, gained, 0.0)
