"""From logs and a policy file to ``Routes``: the logs are read row by row, rows told to options, calls priced, policies replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeroi.asked import PROMPT_WORDS, Asked, counted, numbers_of, only
from edgeroi.calibration import (
    GOALS,
    Chosen,
    Curve,
    Goal,
    Misrouted,
    calibration_error,
    chosen,
    curve_of,
    half_of,
    misrouted,
    misrouted_within,
)
from edgeroi.casefile import price_for, tariff_of
from edgeroi.cost import CostLine, combined, total
from edgeroi.cuts import NUMERIC
from edgeroi.engines.folding import Rows, Slot
from edgeroi.engines.local import read_folded
from edgeroi.errors import EdgeroiError, did_you_mean
from edgeroi.estimate import Range
from edgeroi.judging import book_of, refuse_unsound
from edgeroi.latency import Latency
from edgeroi.option import EDGE, Tariff, Traffic, family
from edgeroi.prices import Unpriced
from edgeroi.replay import TOKENS, Outcome, Replay, Stated
from edgeroi.request import COLUMNS, Batch, Labels, LineCount
from edgeroi.route_report import Confidence, Counts, Line, Routes
from edgeroi.scenario import RouteFile
from edgeroi.spec import Cascade, OptionSpec, Route, StatedLatency
from edgeroi.sweeping import Rule, Swept, Worth, keys_of, swept
from edgeroi.values import Gated, ValueModel, quality_usd_month, value_usd_month

if TYPE_CHECKING:
    import pandas as pd

    from edgeroi.engines.workers import Progress
    from edgeroi.logs.reading import Reading
    from edgeroi.workload import Profile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: What every replay looks at; rules and sweeps add theirs.
LOOKED_AT = (
    "workload", "placement", "model", "region", "pair_id", "confidence", "quality", "latency_ms", "ttft_ms", "cost_usd", *TOKENS,
)  # fmt: skip
#: Two volumes between which a tariff's allowances and fees stay what they are, so that their difference is what calls cost.
_VOLUMES = (1e9, 2e9)


@dataclass(frozen=True)
class Wanted:
    """What is asked besides the replay: a field to sweep, and a goal with its limit (USD a month, or a quality)."""

    sweep: str | None = None
    goal: Goal | None = None
    limit: float | None = None
    seed: int = 1


NOTHING_MORE = Wanted()


def wanted(sweep: str | None, goal: str | None, budget: float | None, quality_floor: float | None, seed: int) -> Wanted:
    """What was asked for, checked; raises ``EdgeroiError`` for what does not go together."""
    if sweep is not None and sweep != PROMPT_WORDS and (sweep not in COLUMNS or COLUMNS[sweep] not in NUMERIC):
        known = [PROMPT_WORDS, *(column for column, kind in COLUMNS.items() if kind in NUMERIC)]
        raise EdgeroiError(f"{sweep!r} is no numeric column of a log", key="--sweep", fix=did_you_mean(sweep, known))
    found = next((known for known in GOALS if known == goal), None)
    if goal is not None and found is None:
        raise EdgeroiError(f"{goal!r} is no goal", key="--goal", fix=did_you_mean(goal, GOALS))
    if found is not None and sweep is None:
        raise EdgeroiError("a goal is for a threshold, and none is swept", key="--goal", fix="add --sweep FIELD")
    limits = {"max-quality": ("--budget", budget), "min-cost": ("--quality-floor", quality_floor)}
    for of, (option, value) in limits.items():
        if of == found and value is None:
            raise EdgeroiError(f"{of} needs a limit", key=option, fix=f"add {option}")
        if of != found and value is not None:
            raise EdgeroiError(f"{option} is the limit of --goal {of}", key=option, fix=f"add --goal {of} and --sweep FIELD")
    return Wanted(sweep, found, limits[found][1] if found in limits else None, seed)


def routes(
    logs: Sequence[str | Path] | pd.DataFrame,
    file: RouteFile,
    reading: Reading,
    asked_for: Wanted = NOTHING_MORE,
    *,
    workload: str | None = None,
    today: date,
    at: date | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    rejects_to: Path | None = None,
    tolerated: Callable[[LineCount], int | None] = lambda lines: None,
) -> Routes:
    """The policies of a file replayed over logs, or over a DataFrame.

    Raises ``EdgeroiError`` for a log that is damaged, holds several workloads, or holds no request of the file's options.
    """
    from edgeroi import __version__

    rows = Rows(_columns(file, asked_for))
    if isinstance(logs, Sequence):
        profile, rows = read_folded(logs, reading, rows, jobs=jobs, progress=progress, rejects_to=rejects_to)
    else:
        profile = _read_frame(logs, reading, rows)
    refuse_unsound(profile, tolerated=tolerated(profile.lines))
    batch = _of_workload(rows.batch(), file, workload)
    file = replace(file, workload=file.workload or workload)
    run = _Run(file, batch, profile, file.prices_as_of or at or today, asked_for)
    return run.routes(__version__)


def _read_frame(frame: pd.DataFrame, reading: Reading, rows: Rows) -> Profile:
    from edgeroi.logs.frame import profile_frame

    numbers = count()
    return profile_frame(frame, replace(reading, beside=rows.columns), meet=lambda batch: rows.add(Slot(0, 0, 0, next(numbers)), batch))


def _columns(file: RouteFile, asked_for: Wanted) -> tuple[str, ...]:
    rules = [rule for spec in file.options.values() if isinstance(spec.policy, Route) for rule in spec.policy.rules]
    conditions = [condition.column for rule in rules for condition in rule.when]
    swept = ["prompt" if asked_for.sweep == PROMPT_WORDS else asked_for.sweep] if asked_for.sweep else []
    keys = ["request_id"] if asked_for.goal else []
    return tuple(dict.fromkeys((*LOOKED_AT, *conditions, *swept, *keys, *(file.where or {}))))


def _of_workload(batch: Batch, file: RouteFile, wanted: str | None) -> Batch:
    """The rows of the workload; a log of several needs one to be named."""
    if file.where is not None:
        for column, values in file.where.items():
            batch = only(batch, _is_one_of(batch, column, values))
        return batch
    names = counted(batch, "workload")
    name = wanted or file.workload
    if name is not None and names and name not in names:
        raise EdgeroiError(f"the log holds no request of workload {name!r}", key="--workload", fix=did_you_mean(name, names))
    if name is None and len(names) > 1:
        shown = ", ".join(f"{known} ({number:,})" for known, number in names.items())
        raise EdgeroiError(
            f"the log holds {len(names)} workloads, and a policy is replayed for one: {shown}", fix="name it with --workload"
        )
    return batch if name is None or not names else only(batch, _is_one_of(batch, "workload", (name,)))


def _is_one_of(batch: Batch, column: str, values: Sequence[str]) -> Flags:
    told = batch.labels.get(column)
    if told is None:
        return np.zeros(batch.n, np.bool_)
    return np.append(np.isin(np.array(told.names, object), list(values)), False)[told.codes]


def served_by(batch: Batch, options: Mapping[str, OptionSpec]) -> NDArray[np.int64]:
    """The number of the option each row was served by (rows,), -1 where none.

    By placement; where several options share one, by the region they state, and by the model where that leaves several.
    """
    found = np.full(batch.n, -1, np.int64)
    for number, spec in enumerate(options.values()):
        here = _is_one_of(batch, "placement", (spec.placement or "",))
        rivals = [other for other in options.values() if other.placement == spec.placement and other.name != spec.name]
        if rivals and any(other.region != spec.region for other in rivals) and spec.region:
            here &= _is_one_of(batch, "region", (spec.region,))
        if any(other.region == spec.region for other in rivals):
            here &= _of_model(batch, spec)
        found[here & (found < 0)] = number
    return found


def _of_model(batch: Batch, spec: OptionSpec) -> Flags:
    told, name = batch.labels.get("model", Labels(np.full(batch.n, -1, np.int32), ())), spec.model_name
    fits = [name is not None and family(model) == family(name) for model in told.names]
    return np.array([*fits, False], np.bool_)[told.codes]


@dataclass(frozen=True)
class _Calls:
    """What a call costs at the margin: USD of itself and of each token; ``None`` where the option has no price."""

    tariff: Tariff
    request: float
    tokens: Mapping[str, float]

    @classmethod
    def of(cls, tariff: Tariff) -> _Calls:
        base = cls._margin(tariff, {})
        each = {name: (cls._margin(tariff, {name: 1000.0}) - base) / 1000 for name in ("input_tokens", "output_tokens")}
        inside = cls._margin(tariff, {"input_tokens": 1000.0})
        for name in ("cached_tokens", "cache_write_tokens"):  # they are part of the input: what they cost more than it
            each[name] = (cls._margin(tariff, {"input_tokens": 1000.0, name: 1000.0}) - inside) / 1000
        return cls(tariff, base, each)

    @staticmethod
    def _margin(tariff: Tariff, tokens: Mapping[str, float]) -> float:
        told = {name: tokens.get(name, 0.0) for name in TOKENS}
        metered = replace(tariff, capacity=None, price=replace(tariff.price, server_hour=None))
        month = [float(metered.cost(_traffic(requests, told), {}).usd_month) for requests in _VOLUMES]
        return (month[1] - month[0]) / (_VOLUMES[1] - _VOLUMES[0])

    def usd(self, batch: Batch) -> Floats:
        """What a call of each row would cost (rows,); NaN where its tokens are not told and are paid for."""
        found = np.full(batch.n, self.request)
        for name, rate in self.tokens.items():
            if rate:
                told = numbers_of(batch, name)
                found = found + rate * (np.nan_to_num(told) if name.startswith("cache") else told)
        return found


def _traffic(requests: float, tokens: Mapping[str, float | None]) -> Traffic:
    """So many calls with these mean tokens, ``None`` where they are not known."""
    told = {name: None if (mean := tokens.get(name)) is None else Range.point(mean) for name in TOKENS}
    return Traffic(Range.point(requests), told["input_tokens"], told["output_tokens"], told["cached_tokens"], told["cache_write_tokens"])


class _Run:
    """One replay on its way to ``Routes``."""

    def __init__(self, file: RouteFile, batch: Batch, profile: Profile, at: date, asked_for: Wanted) -> None:
        self.file, self.batch, self.profile, self.asked_for, self.at = file, batch, profile, asked_for, at
        self.plain = {name: file.options[name] for name in file.plain}
        option = served_by(batch, self.plain)
        self.asked = Asked.of(batch, option, tuple(self.plain))
        if not self.asked.n:
            self._refuse_strangers()
        self.notes: list[str] = []
        self.calls = {name: found for name, spec in self.plain.items() if (found := self._priced(spec))}
        self.usd = self._usd(option)
        policies = {name: spec.policy for name, spec in file.options.items()}
        self.replay = Replay(self.asked, policies, self.usd, {name: _stated(spec) for name, spec in self.plain.items()})
        self.requests_month = self._requests_month()
        self.baseline = next((name for name, spec in self.plain.items() if spec.placement not in EDGE), next(iter(self.plain)))

    def _refuse_strangers(self) -> None:
        told = ", ".join(f"{name} ({number:,})" for name, number in counted(self.batch, "placement").items()) or "none"
        wanted = ", ".join(f"{name} ({spec.placement})" for name, spec in self.plain.items())
        said = f"no answered request of the log was served by {wanted}; its placements are: {told}"
        raise EdgeroiError(said, fix="say where it ran: --const placement=cloud, --map placement=PATH, or rules in a mapping file")

    # ---- money ----

    def _priced(self, spec: OptionSpec) -> _Calls | None:
        price, ranged = price_for(spec, book_of, self.at)
        if price is None:
            return None
        self.notes += [f"{spec.name}: {note}" for note in price.notes]
        return _Calls.of(tariff_of(spec, price, ranged, spec.discount))

    def _usd(self, option: NDArray[np.int64]) -> Floats:
        """What each row cost: by the option's price, else as logged."""
        found = numbers_of(self.batch, "cost_usd").copy()
        for number, name in enumerate(self.plain):
            if name in self.calls:
                found[option == number] = self.calls[name].usd(self.batch)[option == number]
        return found

    def _requests_month(self) -> float | None:
        if self.file.requests:
            return self.file.requests.likely
        total_rows = sum(group.tally.requests for group in self.profile.groups)
        month = self.profile.requests_month(self.profile.total)
        if month is None or not total_rows:
            self.notes.append("the log does not tell a month's volume (no timestamps, or less than a day): state `requests: 10M /month`")
            return None
        return month * self.asked.n / total_rows

    def _usd_month(self, outcome: Outcome) -> float | None:
        """The invoice of a month: each option at its calls, fees and allowances of an account once."""
        month = self.requests_month
        if month is None or outcome.usd is None:
            return None
        invoices: list[Sequence[CostLine]] = []
        usd = outcome.judge_usd * month
        for name, use in outcome.uses.items():
            if name not in self.calls:
                usd += use.calls * (use.usd or 0.0) * month
                continue
            # One that stands by and is never asked has its fees, and no tokens.
            tokens = use.tokens if use.calls else dict.fromkeys(TOKENS, 0.0)
            try:
                invoices.append(self.calls[name].tariff.cost(_traffic(use.calls * month, tokens), {}).lines)
            except Unpriced:
                return None
        return usd + float(total(combined(invoices)))

    # ---- what should be known besides ----

    def _untold(self) -> Iterator[str]:
        """What rules ask for and requests do not tell: such a request meets no condition."""
        for name in self._routes_in_use():
            policy = self.file.options[name].policy
            assert isinstance(policy, Route)
            for column in dict.fromkeys(condition.column for rule in policy.rules for condition in rule.when):
                untold = self.asked.n - int(np.count_nonzero(self.asked.told(column)))
                if untold:
                    yield f"{name}: {untold:,} of {self.asked.n:,} requests do not tell {column}, and meet no rule that asks for it"

    def _routes_in_use(self) -> Sequence[str]:
        found, left = list[str](), list(self.file.policies)
        while left:
            name = left.pop(0)
            policy = self.file.options[name].policy
            if isinstance(policy, Route) and name not in found:
                found.append(name)
            left += policy.parts if policy else ()
        return found

    def _other_models(self) -> Iterator[str]:
        """Options whose rows were answered by another model than the option names: its price and its latency are then of two things."""
        models = self.batch.labels.get("model")
        for name, spec in self.plain.items():
            rows = self.asked.row_of(name)
            rows = rows[rows >= 0]
            if models is None or spec.model_name is None or not rows.size:
                continue
            other = [family(model) != family(spec.model_name) for model in models.names]
            strangers = int(np.count_nonzero(np.array([*other, False], np.bool_)[models.codes[rows]]))
            if strangers:
                yield f"{name}: {strangers:,} of {rows.size:,} rows were answered by another model than {spec.model_name}"

    # ---- the lines ----

    def routes(self, version: str) -> Routes:
        """Everything that was asked for."""
        outcomes = [("option", self.replay.outcome(name)) for name in self.plain]
        outcomes += [("policy", self.replay.outcome(name)) for name in self.file.policies]
        beside = next(outcome for _, outcome in outcomes if outcome.name == self.baseline)
        lines = [self._line("today", self.replay.today(), None)]
        lines += [self._line(kind, outcome, beside) for kind, outcome in outcomes]
        found, curve, best = self._swept()
        self.notes += [*self._untold(), *self._other_models()]
        asked = self.asked
        counts = Counts(
            asked.n, int(np.count_nonzero(asked.sides > 1)), self.batch.n, asked.unmatched, asked.without_latency, asked.ambiguous
        )
        if self.file.value is not None and isinstance(self.file.value, Gated):
            self.notes.append("net counts every saving of time, felt or not; `compare` asks whether it is felt")
        confidences = tuple(self._confidences())
        return Routes(
            version,
            self.file.file,
            self.file.name,
            self.file.workload,
            self.baseline,
            counts,
            tuple(lines),
            self.requests_month,
            self.at if self.calls else None,
            self.file.value is not None,
            self.asked_for.seed,
            found,
            curve,
            best,
            confidences,
            self.profile.files,
            tuple(dict.fromkeys((*self.profile.notes, *self.notes))),
        )

    def _line(self, kind: str, outcome: Outcome, beside: Outcome | None) -> Line:
        places = tuple(self.plain[name].placement or "" if name in self.plain else "" for name in outcome.uses)
        usd, worth, net = self._usd_month(outcome), None, None
        if self.file.value is not None and beside is not None:
            worth = self._worth_month(outcome, beside)
            before = self._usd_month(beside)
            net = None if worth is None or usd is None or before is None else worth - (usd - before)
        return Line(kind, outcome, places, usd, worth, net)  # type: ignore[arg-type]

    def _worth_month(self, outcome: Outcome, beside: Outcome) -> float | None:
        """What latency and quality are worth a month beside the baseline."""
        after, before, month = outcome.latency(), beside.latency(), self.requests_month
        if after is None or before is None or month is None or self.file.value is None:
            return None
        worth = value_usd_month(self.file.value, before, after, month, fastest_p50_ms=self._fastest)
        if self.file.quality_value is None:
            return worth
        if outcome.quality is None or beside.quality is None:
            return None
        # A request that nobody answers has an answer of quality 0.
        delivered = [each.quality.value * (each.availability or 0.0) for each in (outcome, beside) if each.quality]
        return worth + quality_usd_month(month, self.file.quality_value.likely, delivered[0], delivered[1])

    @property
    def _fastest(self) -> float:
        medians = []
        for name in self.plain:
            rows = self.asked.row_of(name)
            ms = self.replay.e2e[rows[rows >= 0]]
            medians += [float(np.median(ms))] if ms.size else []
        return min(medians)

    # ---- the sweep ----

    def _swept(self) -> tuple[Swept | None, Curve | None, Chosen | None]:
        asked_for = self.asked_for
        if asked_for.sweep is None:
            return None, None, None
        rule = rule_of(self.file, asked_for.sweep)
        worth = self._worth()
        found = swept(self.replay, rule, worth)
        if rule.others:
            self.notes.append("the threshold is swept among the requests that meet the rule's other conditions")
        if asked_for.goal is None:
            return found, curve_of(found.sweep), None
        limit = asked_for.limit
        if asked_for.goal == "max-net" and worth is None:
            fix = "state `value:` in the policy file, as a scenario's workload does, or give a scenario as --policy"
            raise EdgeroiError("net needs a value of latency, and none is declared", key="--goal", fix=fix)
        if asked_for.goal == "max-quality" and limit is not None:
            if self.requests_month is None:
                raise EdgeroiError(
                    "a budget is of a month, and the volume is not known", key="--budget", fix="state `requests: 10M /month`"
                )
            limit = limit / self.requests_month
        first = np.array([half_of(key, asked_for.seed) for key in keys_of(self.asked)], np.bool_)
        halves = [swept(self.replay, rule, worth, among, found.sweep.edges).sweep for among in (first, ~first)]
        return found, curve_of(found.sweep), chosen(halves[0], halves[1], asked_for.goal, limit)

    def _worth(self) -> Worth | None:
        """USD of having an answer, its cost taken off: less what its latency loses, plus its quality where that has a value."""
        if self.file.value is None:
            return None
        model: ValueModel = self.file.value.anchored(self._fastest)
        slowest = max(
            float(np.quantile(self.replay.e2e[rows[rows >= 0]], 0.99))
            for name in self.plain
            if (rows := self.asked.row_of(name)).max() >= 0
        )
        rate, points = model.rate_usd({}), self.file.quality_value.likely if self.file.quality_value else None

        def worth(ms: Floats, failed: Flags, quality: Floats, usd: Floats) -> Floats:
            lost = np.where(failed, model.failure_lost(slowest, {}), model.lost(ms, {}))
            return -rate * lost - usd + (0.0 if points is None else points * quality)

        return worth

    # ---- confidences ----

    def _confidences(self) -> Iterator[Confidence]:
        for name in self.file.policies:
            policy = self.file.options[name].policy
            if isinstance(policy, Route) and len(set(policy.parts)) == 2 and set(policy.parts) <= set(self.plain):
                yield self._confidence(name, policy)

    def _confidence(self, name: str, policy: Route) -> Confidence:
        weak = policy.rules[0].to
        strong = next(part for part in policy.parts if part != weak)
        sent = self.asked.sent_to(policy)
        sent_weak = np.array([part == weak for part in policy.parts], np.bool_)[sent]
        said = [*(rule.confidence for rule in policy.rules), policy.otherwise_confidence]
        stated = any(each is not None for each in said)
        confidence = np.array([np.nan if each is None else each for each in said])[sent] if stated else self.asked.number("confidence")
        quality = [np.append(self.replay.quality, np.nan)[self.asked.row_of(option)] for option in (weak, strong)]
        rated = ~np.isnan(confidence) & ~np.isnan(quality[0])
        wrong = self._misrouted(sent_weak, quality)
        if not rated.any():
            what = "no answer of it is rated" if np.isnan(quality[0]).all() else "neither policy nor log tells a confidence"
            return Confidence(name, weak, strong, stated, 0, misrouted=wrong, why_unknown=f"its calibration is not known: {what}")
        error, bins = calibration_error(confidence[rated], quality[0][rated])
        alone = rated & ~self.asked.has(strong)
        why = f"only requests that {weak} answered are rated, which may be the easy ones" if alone.sum() * 2 > rated.sum() else ""
        return Confidence(name, weak, strong, stated, int(rated.sum()), error, bins, wrong, why)

    def _misrouted(self, sent_weak: Flags, quality: Sequence[Floats]) -> Misrouted | None:
        both = ~np.isnan(quality[0]) & ~np.isnan(quality[1])
        if both.any():
            return misrouted(sent_weak[both], quality[0][both], quality[1][both])
        if np.isnan(quality[0]).all() or np.isnan(quality[1]).all():
            return None
        share = float(sent_weak.mean())
        weak, strong = [[each[side & ~np.isnan(each)] for side in (sent_weak, ~sent_weak)] for each in quality]
        return misrouted_within((share, 1 - share), (weak[0], weak[1]), (strong[0], strong[1]))


def rule_of(file: RouteFile, column: str) -> Rule:
    """The rule whose threshold is swept: that of a policy which asks for the column, else the edge against the other option.

    Without a rule a high confidence goes to the edge, and a low number of anything else: tokens, words, a length.
    """
    for name in file.policies:
        policy = file.options[name].policy
        if isinstance(policy, Cascade) and policy.confidence is not None and column == "confidence":
            judge, takes = (each.likely if each else 0.0 for each in (policy.judge, policy.judge_takes))
            return _plain(file, Rule(column, policy.first, policy.then, True, True, judge, takes))
        if isinstance(policy, Route):
            for rule in policy.rules:
                for condition in rule.when:
                    asked = PROMPT_WORDS if condition.column == "prompt" and condition.test.startswith("words") else condition.column
                    if asked == column and condition.test[-1:] in "<=>":
                        others = tuple(each for each in rule.when if each is not condition)
                        return _plain(file, Rule(column, rule.to, policy.otherwise, ">" in condition.test, others=others))
    if len(file.plain) != 2:
        fix = f"give a policy with a rule on {column}"
        raise EdgeroiError(f"a threshold parts two options, and the policies lead to {len(file.plain)}", key="--sweep", fix=fix)
    weak, strong = sorted(file.plain, key=lambda name: file.options[name].placement not in EDGE)
    return Rule(column, weak, strong, column == "confidence")


def _plain(file: RouteFile, rule: Rule) -> Rule:
    for name in (rule.weak, rule.strong):
        if file.options[name].policy is not None:
            raise EdgeroiError(f"a threshold is swept between two options, and {name} is a policy", key="--sweep", fix="sweep its own rule")
    return rule


def _stated(spec: OptionSpec) -> Stated:
    """What the file states of an option's latency and quality: that of the whole request, or the service behind its round trips."""
    legs = spec.rtt.likely * spec.round_trips.likely if spec.rtt else 0.0
    e2e, ttft = (_latency(whole, behind, legs) for whole, behind in ((spec.latency, spec.service), (spec.ttft, spec.service_ttft)))
    failing = spec.errors.likely if spec.errors else 0.0
    e2e, ttft = (None if each is None else each.with_failures(failing) for each in (e2e, ttft))
    return Stated(e2e, ttft, spec.quality.likely if spec.quality else None)


def _latency(whole: StatedLatency | None, service: StatedLatency | None, legs: float) -> Latency | None:
    stated = whole or service
    return None if stated is None else stated.at({}).shifted(0.0 if whole else legs)


def budget_of(text: str) -> float:
    """``500``, ``500 USD`` or ``500 USD/month`` as USD a month; raises ``EdgeroiError``."""
    from edgeroi.units import MONEY, read_amount

    bare = text.strip().removesuffix("/month").strip()
    try:
        return float(MONEY.amount(*read_amount(bare if bare.endswith("USD") else f"{bare} USD", MONEY)))
    except EdgeroiError as error:
        raise EdgeroiError(error.message, key="--budget", fix="write it like `500 USD/month`") from None
