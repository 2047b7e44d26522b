"""What becomes of an answer where its numbers move: sliders, each with its positions, and all it takes to work net out at any of them.

The positions are the tool's own: costs are whole invoices at each volume, gains are worked out from both distributions at each
saving, so a page multiplies and adds but never models::

    value   = requests * worth * unit_usd * gain + requests * quality_usd * (quality - the baseline's)
    premium = price * cost of the candidate - cost of the baseline
    net     = value - premium

At the start it is what the tool says, and each break-even that the tool knows is a position of its own.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeroi.economics import Books, Outcome, more_than, slower_than
from edgeroi.errors import EdgeroiError
from edgeroi.estimate import Range, World
from edgeroi.latency import Latency
from edgeroi.option import NOWHERE, Option
from edgeroi.report import Json, WhatIf
from edgeroi.values import ValueModel, gain_units
from edgeroi.values.deadline import Deadline
from edgeroi.values.elasticity import Elasticity
from edgeroi.values.linear_time import LinearTime
from edgeroi.values.none import NoValue
from edgeroi.verdict import Decision, has_value
from edgeroi.verdict_report import WORDS

Floats = NDArray[np.float64]
Kind = Literal["usd", "count", "number", "ms", "ratio"]

#: Positions of a slider on either side of where it starts; fewer where each takes a queue.
_STEPS, _FEW_STEPS = 80, 32
#: A page holds so many worlds and no more: 50 kB for each part of net that is drawn.
_MOST_WORLDS = 10_000
#: A break-even further away than this many times the start is told, and not reached.
_FURTHEST = 1_000.0


@dataclass(frozen=True, slots=True)
class Slider:
    """A number that may be moved: its ``positions`` ascending, the places of where it starts and of where net turns among them."""

    name: str
    label: str
    kind: Kind
    unit: str
    positions: tuple[float, ...]
    start: int
    turn: int | None

    @property
    def document(self) -> Mapping[str, Json]:
        """The slider as values."""
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind,
            "unit": self.unit,
            "positions": self.positions,
            "start": self.start,
            "turn": self.turn,
        }


def slider(name: str, label: str, kind: Kind, unit: str, spread: Sequence[float], start: float, turn: float | None) -> Slider:
    """A slider over ``spread``, its steps rounded to three figures, the start and the break-even exact."""
    exact = [float(start)] if turn is None else [float(start), float(turn)]
    rounded = {float(f"{value:.3g}") for value in spread}
    near = {step for step in rounded for value in exact if math.isclose(step, value, rel_tol=1e-6)}
    positions = tuple(sorted({*(rounded - near), *exact}))
    return Slider(name, label, kind, unit, positions, positions.index(exact[0]), None if turn is None else positions.index(exact[1]))


def what_if(decision: Decision) -> WhatIf | None:
    """What can be moved of a workload whose price and volume are known; ``None`` where the servers do not even carry it as it is."""
    if decision.books.candidate.overload or decision.books.baseline.overload:
        return None
    moved = _Moved(decision)
    return WhatIf(f"{decision.case.workload}: what if", moved.model)


@dataclass(frozen=True)
class _Worth:
    """The number that the value of latency is proportional to: ``model`` has it at 1, so that its rate is that of one unit."""

    label: str
    unit: str
    model: ValueModel
    start: float
    turn: str


#: Where an hour of waiting ends on the slider if no break-even says how far to go, USD.
_AN_HOUR = 60.0


def _worth_of(model: ValueModel | None) -> _Worth | None:
    """The one number of a value model; an hour of waiting, at nothing, where none is declared. ``None`` of a model without one."""
    if model is None or isinstance(model, NoValue):
        hour = LinearTime(Range.point(1.0))
        return _Worth("value of an hour of waiting (none is declared)", "USD/h", hour, 0.0, "waiting_usd_per_hour")
    if isinstance(model, LinearTime):
        unit = replace(model, waiting=Range.point(1.0))
        return _Worth("value of an hour of waiting", "USD/h", unit, model.waiting.likely, "waiting_usd_per_hour")
    if isinstance(model, Deadline):
        per = replace(model, per_miss=Range.point(1.0))
        return _Worth("cost of a missed deadline", "USD/miss", per, model.per_miss.likely, "usd_per_miss")
    if isinstance(model, Elasticity):
        margin = replace(model, margin=Range.point(1.0))
        return _Worth("margin of a request", "USD/request", margin, model.margin.likely, "margin_usd_per_request")
    return None


@dataclass(frozen=True)
class _Moved:
    """One decision with its numbers loose."""

    decision: Decision

    @property
    def books(self) -> Books:
        return self.decision.books

    @cached_property
    def worth(self) -> _Worth | None:
        return _worth_of(self.books.stakes.value) if self.books.saved is not None else None

    @property
    def queued(self) -> bool:
        """Whether a latency hangs on the volume."""
        return self.books.baseline.queued or self.books.candidate.queued

    # ---- the sliders ----

    @cached_property
    def sliders(self) -> tuple[Slider, ...]:
        ways = (self._worth_slider, self._volume_slider, self._price_slider, self._saving_slider, self._quality_slider)
        return tuple(found for way in ways if (found := way()) is not None)

    def _worth_slider(self) -> Slider | None:
        worth = self.worth
        if worth is None:
            return None
        turn = _reached(self.books.break_even[worth.turn], worth.start or None)
        top = max(3 * worth.start, 1.6 * (turn or 0.0)) or _AN_HOUR
        spread = [top * (k / _STEPS) ** 1.5 for k in range(_STEPS + 1)]
        return slider("worth", worth.label, "usd", worth.unit, spread, worth.start, turn)

    def _volume_slider(self) -> Slider | None:
        return self._volumes

    @cached_property
    def _volumes(self) -> Slider | None:
        likely = self.books.stakes.traffic.requests.likely
        if not likely:
            return None
        turn = _reached(self.books.break_even["requests_month"], likely)
        steps = (_FEW_STEPS if self.queued else _STEPS) // 2
        least, most = (min(likely / 20, (turn or likely) / 2), max(likely * 20, (turn or likely) * 2))
        spread = [*np.geomspace(least, likely, steps + 1), *np.geomspace(likely, most, steps + 1)]
        return slider("volume", "requests a month", "count", "requests", [round(value) for value in spread], likely, turn)

    def _price_slider(self) -> Slider | None:
        if self.books.likely.cost <= 0:
            return None
        turn = _reached(self.books.break_even["price_ratio"], 1.0)
        spread = [max(2.0, 1.5 * (turn or 0.0)) * (k / _STEPS) ** 1.5 for k in range(_STEPS + 1)]
        return slider("price", f"price of {self.books.candidate.name}", "number", "× today's", spread, 1.0, turn)

    def _saving_slider(self) -> Slider | None:
        return self._savings

    @cached_property
    def _savings(self) -> Slider | None:
        """Savings at the median, reached by making every request of the candidate faster or slower by the same."""
        saved, before = self.books.saved, self.books.before
        if saved is None or before is None or self.worth is None:
            return None
        whole = before.quantile(0.5)
        least = min(saved.p50, 0.0) - 0.25 * whole
        steps = _FEW_STEPS if self.queued else _STEPS
        spread = [least + (whole - least) * k / steps for k in range(steps + 1)]
        what = "time to first token" if self.books.stakes.judge == "ttft" else "latency"
        return slider("saved_ms", f"saved of the median {what}", "ms", "ms", spread, saved.p50, self._turn_of_saving(spread, saved.p50))

    def _turn_of_saving(self, spread: Sequence[float], start: float) -> float | None:
        """The saving nearest to the start at which net turns, all else likely."""
        if self.worth is None or not self.worth.start:
            return None
        nets = np.array([self._net_saving(saving) for saving in spread])
        turns = np.flatnonzero(nets[:-1] * nets[1:] < 0)
        if not turns.size:
            return None
        place = min(turns.tolist(), key=lambda k: abs((spread[k] + spread[k + 1]) / 2 - start))
        loses, pays = sorted((spread[place], spread[place + 1]), key=self._net_saving)
        for _ in range(40):  # net may jump where savings are felt from: what is wanted is the side on which it pays
            middle = (loses + pays) / 2
            loses, pays = (loses, middle) if self._net_saving(middle) >= 0 else (middle, pays)
        return pays

    def _net_saving(self, saving: float) -> float:
        assert self.worth is not None
        gained = self._gain(saving, NOWHERE) - self._start_gain
        more = self.books.stakes.traffic.requests.likely * self.worth.start * self._unit_usd * gained
        return float(more_than(self.books.likely.net + more, 0.0))

    @cached_property
    def _start_gain(self) -> float:
        return self._gain(self._start_saving, NOWHERE)

    def _quality_slider(self) -> Slider | None:
        usd, before, after = self.books.stakes.quality_usd, self.books.baseline.quality, self.books.candidate.quality
        requests = self.books.stakes.traffic.requests.likely
        if usd is None or before is None or after is None or not requests:
            return None
        turn = after.likely - self.books.likely.net / (requests * usd.likely) if usd.likely else None
        least, most = max(0.0, min(before.likely, after.likely) - 0.2), min(1.0, max(before.likely, after.likely) + 0.2)
        spread = [least + (most - least) * k / _STEPS for k in range(_STEPS + 1)]
        label = f"quality of {self.books.candidate.name} (the baseline's is {before.likely:g})"
        return slider("quality", label, "number", "", spread, after.likely, turn if turn is not None and 0 <= turn <= 1 else None)

    # ---- what the tool says at their positions ----

    @cached_property
    def _unit_usd(self) -> float:
        """USD of a unit gained where the worth is 1; of a model without such a number the rate itself."""
        model = self.worth.model if self.worth else None
        return float(model.rate_usd(NOWHERE)) if model else 0.0

    @property
    def _start_saving(self) -> float:
        return self.books.saved.p50 if self.books.saved else 0.0

    def _at(self, requests: float | None) -> World:
        """The world of a volume, for what waits on servers."""
        name = self.books.stakes.traffic.requests.name
        return {name: requests} if requests is not None and name and self.queued else NOWHERE

    def _latencies(self, world: World) -> tuple[Latency, Latency]:
        """Both latencies in one world; kept, since every saving is asked of each."""
        key = tuple(world.items())
        if key not in self._known:
            before, after = (self.books.latency_of(option, world) for option in (self.books.baseline, self.books.candidate))
            assert before is not None and after is not None
            self._known[key] = before, after
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[tuple[str, float], ...], tuple[Latency, Latency]]:
        return {}

    def _sides(self, saving: float, world: World) -> tuple[Latency, Latency]:
        """Both latencies, the candidate's moved so that the median saves as much."""
        before, after = self._latencies(world)
        return before, after if saving == self._start_saving else after.shifted(self._start_saving - saving)

    def _gain(self, saving: float, world: World) -> float:
        """Units that a request gains, as the value model counts them."""
        assert self.worth is not None
        stakes, (before, after) = self.books.stakes, self._sides(saving, world)
        part = stakes.part_of.likely if stakes.part_of else None
        model = self.worth.model.anchored(stakes.fastest_p50_ms)
        return gain_units(model, before, after, world, felt=stakes.felt, part_of_ms=part)

    def _every_ms(self, saving: float, world: World) -> float:
        """Milliseconds a request gains on the mean, felt or not."""
        before, after = self._sides(saving, world)
        return max(0.0, before.mean_ms - after.mean_ms)

    def _slower(self, saving: float, world: World) -> bool:
        before, after = self._sides(saving, world)
        return slower_than(after, before)

    def _grid(self, of: Callable[[float, World], float]) -> Json:
        """A number at each saving; where servers are waited for, at each volume and saving, ``null`` where they cannot carry it."""
        savings = self._savings.positions if self._savings else (self._start_saving,)
        if not self.queued or self._volumes is None:
            return [[of(saving, NOWHERE) for saving in savings]]
        return [_unless_refused(lambda at: [of(saving, at) for saving in savings], self._at(volume)) for volume in self._volumes.positions]

    def _costs(self, option: Option) -> Json:
        """The invoice at each volume, ``null`` where the servers cannot carry it."""
        volumes = self._volumes.positions if self._volumes else (self.books.stakes.traffic.requests.likely,)
        return [_unless_refused(lambda requests: self._cost(option, requests), requests) for requests in volumes]

    def _cost(self, option: Option, requests: float) -> float:
        traffic = replace(self.books.stakes.traffic, requests=Range.point(requests))
        books = replace(self.books, stakes=replace(self.books.stakes, traffic=traffic))
        return float(books.cost_of(option, self._at(requests)).usd_month)

    # ---- all of it ----

    @property
    def model(self) -> Mapping[str, Json]:
        case, books = self.decision.case, self.books
        sliders: list[Json] = [each.document for each in self.sliders]
        words: dict[str, Json] = {verdict: [word, tone] for verdict, (word, tone) in WORDS.items()}
        return {
            "workload": case.workload,
            "scenario": case.scenario,
            "candidate": case.candidate,
            "baseline": case.baseline,
            "sliders": sliders,
            "words": words,
            "start": self._start(books.likely),
            "costs": {"candidate": self._costs(books.candidate), "baseline": self._costs(books.baseline)},
            "requests": books.stakes.traffic.requests.likely,
            "fixed_value": self._fixed_value,
            "unit_usd": self._unit_usd,
            "gains": self._grid(self._gain) if self.worth else None,
            "every_ms": self._grid(self._every_ms) if self._unfelt else None,
            "slower": self._grid(self._slower) if self.worth else None,
            "quality": self._quality,
            "draws": self._draws,
            "judging": self._judging,
            "held": list(self._held()),
        }

    def _start(self, likely: Outcome) -> Json:
        books = self.books
        return {
            "verdict": self.decision.verdict,
            "reason": self.decision.reason,
            "premium_usd_month": likely.premium,
            "value_usd_month": likely.value if has_value(self.decision.case) else None,
            "net_usd_month": likely.net if self._weighed else None,
            "net_low_usd_month": books.net_low,
            "net_high_usd_month": books.net_high,
            "p_worth_it": books.p_worth_it if self._weighed else None,
        }

    @property
    def _weighed(self) -> bool:
        """Whether a net is known: not where a value is declared and cannot be worked out."""
        return not has_value(self.decision.case) or self.books.likely.value is not None

    @property
    def _fixed_value(self) -> float:
        """What latency is worth by a model that has no one number to move."""
        return self.books.latency_worth if self.worth is None else 0.0

    @property
    def _unfelt(self) -> bool:
        """Whether there are savings that nobody feels at the median, and that a break-even counts all the same."""
        felt = self.books.noticed.at_p50 if self.books.noticed else True
        return self.worth is not None and isinstance(self.worth.model, LinearTime) and self.books.stakes.felt is not None and not felt

    @property
    def _quality(self) -> Json:
        usd, before, after = self.books.stakes.quality_usd, self.books.baseline.quality, self.books.candidate.quality
        if usd is None or before is None or after is None:
            return None
        return {"usd": usd.likely, "baseline": before.likely, "candidate": after.likely}

    @property
    def _draws(self) -> Json:
        """What net is made of in the worlds drawn, packed; ``null`` where net is one number.

        Of very many worlds one in so many is kept: they stand in an order of chance, so that any of them are a fair sample.
        """
        parts, drawn = self.books.drawn_parts, self.books.chance.draws
        if parts is None:
            return None
        every = math.ceil(drawn / _MOST_WORLDS)
        n = len(range(0, drawn, every))
        named = {"latency": parts.latency, "quality": parts.quality, "candidate": parts.cost, "baseline": parts.baseline_cost}
        return {"n": n, "whole": every == 1, **{name: packed(part, every) for name, part in named.items()}}

    @property
    def _judging(self) -> Json:
        """What else than net decides, and where money does not, what does."""
        case, books = self.decision.case, self.books
        return {
            "declared": has_value(case),
            "weighed": self._weighed,
            "by_money": self.decision.decided_by == "money?",
            "decided_by": self.decision.decided_by,
            "edge_from": case.limits.edge_from,
            "fail_at": case.limits.fail_at,
            "answered_for": books.candidate.answered_for,
            "best_case": books.candidate.best_case,
            "doubt": case.doubts[0] if case.doubts else None,
            "latency_known": books.saved is not None,
        }

    def _held(self) -> Sequence[str]:
        """What stays as it is while the sliders move, in words."""
        books, said = self.books, []
        if self.decision.decided_by != "money?":
            said.append(f"The verdict is decided by “{self.decision.decided_by}”, which no slider moves: they move the money.")
        said.append("Mix, tokens per request, failures and every other option stay as they are.")
        if self._savings:
            said.append(
                "A saving is moved by making every request of the candidate faster or slower by the same; "
                "the break-even of the table takes the same off every request of the baseline."
            )
        if self.worth is None:
            said.append("The judged latency of one side is not known, or its value has no single number, so neither can be moved.")
        if self._quality is None:
            said.append("Quality does not move: not stated for both sides, or nobody says what it is worth.")
        if books.prospect is not None:
            said.append("Ranges keep their relative width and move along; the error of the samples stays.")
        return said


def _reached(turn: float | None, start: float | None) -> float | None:
    """A break-even near enough for a slider."""
    if turn is None or not math.isfinite(turn) or turn < 0:
        return None
    return turn if start is None or turn <= _FURTHEST * start else None


At = TypeVar("At")


def _unless_refused(of: Callable[[At], Json], at: At) -> Json:
    """A number somewhere, ``None`` where the servers cannot carry that."""
    try:
        return of(at)
    except EdgeroiError:
        return None


def packed(part: Floats | float, every: int = 1) -> Json:
    """One number, or one in ``every`` of many as base64 of little-endian 32-bit floats: a quarter of what they take as text."""
    if not np.ndim(part):
        return float(part)
    return base64.b64encode(np.asarray(part, "<f4")[::every].tobytes()).decode("ascii")
