"""Quantities as people write them: ``0.20 USD/Mtok``, ``10M /month``, ``15 (5..40) USD/h``, ``5 to 40 USD/h``.

A quantity is a ``Decimal`` and a unit; multiplying tracks the unit, adding unlike ones is an error, so that requests times a token
price can never pass for money. ``k``, ``M`` and ``G`` multiply; ``m`` never does. A number is written as in JSON: ``1_000``,
``010``, ``1,000`` and ``1:30`` are refused with what to write instead. A month is 730 h, a year 12 months, a day 24 h.

Every error is an ``EdgeroiError`` without a place: who reads a file adds it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from typing import Self

from edgeroi.errors import EdgeroiError, near_miss
from edgeroi.estimate import Range, Shape

_MULTIPLIERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_HOUR_MS = 3_600_000

#: The word, what it measures, and how many base units it is (USD, ms, tok, request, byte, neuron, account, km).
_ATOMS: dict[str, tuple[str, Fraction]] = {
    "%": ("", Fraction(1, 100)),
    "USD": ("USD", Fraction(1)),
    "ms": ("time", Fraction(1)),
    "s": ("time", Fraction(1000)),
    "min": ("time", Fraction(60_000)),
    "account": ("account", Fraction(1)),
    "km": ("km", Fraction(1)),
    "B": ("byte", Fraction(1)),
    "kB": ("byte", Fraction(10**3)),
    "MB": ("byte", Fraction(10**6)),
    "GB": ("byte", Fraction(10**9)),
    "TB": ("byte", Fraction(10**12)),
    "KiB": ("byte", Fraction(2**10)),
    "MiB": ("byte", Fraction(2**20)),
    "GiB": ("byte", Fraction(2**30)),
    **{word: ("time", Fraction(_HOUR_MS)) for word in ("h", "hour", "hours")},
    **{word: ("time", Fraction(24 * _HOUR_MS)) for word in ("day", "days")},
    **{word: ("time", Fraction(168 * _HOUR_MS)) for word in ("week", "weeks")},
    **{word: ("time", Fraction(730 * _HOUR_MS)) for word in ("month", "months")},
    **{word: ("time", Fraction(8760 * _HOUR_MS)) for word in ("year", "years")},
    **{prefix + word: ("tok", Fraction(by)) for prefix, by in _MULTIPLIERS.items() for word in ("tok", "token", "tokens")},
    **{prefix + word: ("neuron", Fraction(by)) for prefix, by in _MULTIPLIERS.items() for word in ("neuron", "neurons")},
    **{prefix + word: ("request", Fraction(by)) for prefix, by in _MULTIPLIERS.items() for word in ("req", "request", "requests")},
    **{word: ("request", Fraction(1)) for word in ("miss", "misses")},
}
_SPOKEN = {
    "time": "a time",
    "USD": "money",
    "tok": "tokens",
    "byte": "bytes",
    "neuron": "neurons",
    "request": "requests",
    "km": "a distance",
}

Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as written: ``USD/Mtok`` is ``over=("USD",)``, ``under=("Mtok",)``."""

    over: tuple[str, ...] = ()
    under: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a unit: words joined by ``/`` or ``per``, or ``*`` above the first stroke."""
        first, *rest = (part.strip() for part in re.sub(r"\s+per\s+|^per\s+", "/", text.strip()).split("/"))
        over = tuple(word.strip() for word in first.split("*")) if first else ()
        for word in (*over, *rest):
            if word not in _ATOMS:
                raise _unknown_unit(word)
        return cls(over, tuple(rest))

    @property
    def scale(self) -> Fraction:
        """How many base units one of this is."""
        size = Fraction(1)
        for word in self.over:
            size *= _ATOMS[word][1]
        for word in self.under:
            size /= _ATOMS[word][1]
        return size

    @property
    def kind(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What stands above and below the stroke, nothing cancelled: ``h/month`` is not a bare number."""
        return self._measures(self.over), self._measures(self.under)

    @property
    def dimension(self) -> Dimension:
        """What is left once equal measures cancel: ``h/month`` is a bare number here."""
        powers: dict[str, int] = {}
        for words, sign in ((self.over, 1), (self.under, -1)):
            for measure in self._measures(words):
                powers[measure] = powers.get(measure, 0) + sign
        return tuple(sorted((measure, power) for measure, power in powers.items() if power))

    @staticmethod
    def _measures(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(_ATOMS[word][0] for word in words if _ATOMS[word][0]))

    def __mul__(self, other: Self) -> Unit:
        """The product, its words kept, words above and below struck out."""
        over, under = [*self.over], [*self.under]
        for words, same, opposite in ((other.over, over, under), (other.under, under, over)):
            for word in words:
                if word in opposite:
                    opposite.remove(word)
                else:
                    same.append(word)
        return Unit(tuple(over), tuple(under))

    def inverse(self) -> Unit:
        """What stands above goes below."""
        return Unit(self.under, self.over)

    def __str__(self) -> str:
        """``USD/Mtok``; ``/month`` where nothing stands above."""
        return "/".join(("*".join(self.over), *self.under))


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount with its unit. ``Quantity.of("10M requests/month") * Quantity.of("0.2 USD/Mtok")`` is not money, and says so."""

    amount: Decimal
    unit: Unit = Unit()

    @classmethod
    def of(cls, text: str) -> Self:
        """Read one amount with its unit."""
        amount, unit = read_amount(text.strip())
        return cls(amount, Unit.of(unit) if unit else Unit())

    def to(self, unit: str | Unit) -> Decimal:
        """The amount in another unit; an error where that measures something else."""
        wanted = Unit.of(unit) if isinstance(unit, str) else unit
        if wanted.dimension != self.unit.dimension:
            raise EdgeroiError(f"{self} cannot be expressed in {wanted}")
        return _decimal(Fraction(self.amount) * self.unit.scale / wanted.scale) if wanted != self.unit else self.amount

    def __mul__(self, other: Self | Decimal | int) -> Quantity:
        """The product with its unit, or so many times the quantity."""
        if isinstance(other, Quantity):
            return Quantity(self.amount * other.amount, self.unit * other.unit)
        return Quantity(self.amount * other, self.unit)

    def __truediv__(self, other: Self) -> Quantity:
        """The ratio with its unit."""
        return Quantity(self.amount / other.amount, self.unit * other.unit.inverse())

    def __add__(self, other: Self) -> Quantity:
        """The sum, in the unit of the left one."""
        return Quantity(self.amount + self._like(other, "add"), self.unit)

    def __sub__(self, other: Self) -> Quantity:
        """The difference, in the unit of the left one."""
        return Quantity(self.amount - self._like(other, "subtract"), self.unit)

    def __lt__(self, other: Self) -> bool:
        """Whether it is less; unlike units cannot be compared."""
        return self.amount < self._like(other, "compare")

    def _like(self, other: Self, doing: str) -> Decimal:
        if other.unit.dimension != self.unit.dimension:
            raise EdgeroiError(f"cannot {doing} {self} and {other}: {_spoken(self.unit)} and {_spoken(other.unit)}")
        return other.to(self.unit)

    def __str__(self) -> str:
        """As it would be written in a scenario."""
        return _joined(f"{self.amount:f}", str(self.unit))


@dataclass(frozen=True, slots=True)
class Measure:
    """What a field holds: its canonical unit, an example to show, another kind it takes (``/month`` for requests), and its bounds.

    ``share`` takes ``60%`` and ``0.6`` alike; without it and without a unit the field is a plain number.
    """

    unit: str
    example: str
    also: tuple[str, ...] = ()
    least: float = 0.0
    most: float | None = None
    share: bool = False

    def amount(self, number: Decimal, unit: str) -> float:
        """A number with the unit that was written, in the canonical unit and within the bounds."""
        value = self._converted(number, unit)
        if value < self.least:
            raise EdgeroiError(f"{_joined(_plain(number), unit)} is below {self.least:g}", fix=self.fix)
        if self.most is not None and value > self.most:
            fix = f"write `{_plain(number)}%`" if self.share and not unit and value <= 100 else self.fix
            raise EdgeroiError(f"{_joined(_plain(number), unit)} is above {'100 %' if self.share else f'{self.most:g}'}", fix=fix)
        return value

    def _converted(self, number: Decimal, unit: str) -> float:
        if not unit:
            return self._bare(number)
        given = Unit.of(unit)
        accepted = next((each for each in map(Unit.of, (self.unit, *self.also)) if each.kind == given.kind), None)
        if accepted is None or ("%" in given.over and not self.share):
            raise EdgeroiError(f"`{_joined(_plain(number), unit)}` is {_spoken(given)}, {self._wanted} is wanted", fix=self.fix)
        return float(_decimal(Fraction(number) * given.scale / accepted.scale))

    def _bare(self, number: Decimal) -> float:
        if self.unit:
            raise EdgeroiError(f"{_plain(number)} has no unit", fix=f"write `{_joined(_plain(number), self.unit)}`")
        return float(number)

    @property
    def _wanted(self) -> str:
        return "a share" if self.share else self.unit or "a plain number"

    @property
    def fix(self) -> str:
        """What to write, by example."""
        return f"write it like `{self.example}`"


LATENCY = Measure("ms", "150 ms")
TOKEN_PRICE = Measure("USD/Mtok", "0.20 USD/Mtok")
HOURLY = Measure("USD/h", "100 USD/h")
MONTHLY = Measure("USD/month", "5 USD/month")
REQUEST_RATE = Measure("requests/month", "10M /month", also=("/month",))
TOKENS = Measure("tok", "100 tok", also=("tok/request",))
SHARE = Measure("", "60%", most=1.0, share=True)
DISCOUNT = Measure("", "10%", least=-10.0, most=1.0, share=True)
COUNT = Measure("", "3")
LABOUR = Measure("h/month", "2 h/month")
MONTHS = Measure("months", "12 months")
THROUGHPUT = Measure("tok/s", "2500 tok/s")
SIZE = Measure("GB", "20 kB", also=("GB/request",))
VOLUME = Measure("GB/month", "50 GB/month")
EGRESS_PRICE = Measure("USD/GB", "0.12 USD/GB")
PER_REQUEST = Measure("USD/request", "0.001 USD/request")
PER_MISS = Measure("USD/request", "0.001 USD/miss", also=("USD",))
MONEY = Measure("USD", "3000 USD")
NEURON_PRICE = Measure("USD/kneuron", "0.011 USD/kneuron")
NEURON_RATE = Measure("neurons/Mtok", "6058 neurons/Mtok")
DISTANCE = Measure("km", "4000 km")

_SHAPED = re.compile(r"(?:(?P<shape>normal|uniform|lognormal|triangular)\s+)?(?P<rest>.+)", re.DOTALL)
_TRIANGLE = re.compile(r"(?P<likely>[^(]+?)\s*\((?P<low>.+?)\.\.(?P<high>[^)]+)\)(?P<unit>[^()]*)", re.DOTALL)
_INTERVAL = re.compile(r"(?P<low>.+?)\s+to\s+(?P<high>.+)", re.DOTALL)
_LOOSE = re.compile(r"(?P<low>[\d.]+[kMG]?)\s*(?:\.\.|-|–|±|\+/-)\s*(?P<high>[\d.]+[kMG]?)(?P<unit>.*)", re.DOTALL)


def read_range(text: str, measure: Measure, name: str = "") -> Range:
    """One quantity or a range of them, in the measure's canonical unit.

    ``15 (5..40) USD/h`` is triangular: likely, least, most. ``5 to 40 USD/h`` is a 90 % interval, lognormal, with its median
    sqrt(low x high) the likely value. ``normal 5 to 40`` is a 90 % interval too, ``uniform 5 to 40`` lies between its ends and nowhere
    else; of both the middle is the likely value.
    A unit, ``%`` too, stands once at the end or on each number.
    """
    return replace(_read(text, measure, name), least=measure.least, most=math.inf if measure.most is None else measure.most)


def _read(text: str, measure: Measure, name: str) -> Range:
    if len(text) > 200:
        raise EdgeroiError(f"too long for a quantity: {text[:40]!r}...", fix=measure.fix)
    shaped = _SHAPED.fullmatch(text.strip())
    shape, rest = (shaped["shape"], shaped["rest"]) if shaped else (None, text.strip())
    if found := _TRIANGLE.fullmatch(rest):
        return _triangle(found, shape, measure, name)
    if found := _INTERVAL.fullmatch(rest):
        return _interval(found, shape, measure, name)
    if shape:
        raise EdgeroiError(f"`{shape}` needs two ends", fix=f"write it like `{shape} 5 to 40`")
    if (found := _LOOSE.fullmatch(rest)) and not re.match(r"[\d.]+-\d+-", rest):
        raise EdgeroiError(
            f"{text!r} is not how a range is written", fix=f"write `{found['low']} to {_joined(found['high'], found['unit'].strip())}`"
        )
    return Range.point(measure.amount(*read_amount(rest, measure)), name)


def _parts(found: re.Match[str], names: tuple[str, ...], measure: Measure) -> list[tuple[Decimal, str]]:
    """The numbers of a range; `5 to 20M` could mean 5 or 5M, so all of them multiply or none does."""
    texts = [found[name].strip() for name in names]
    letters = {_multiplier(text) for text in texts}
    if "" in letters and len(letters) > 1:
        first = re.sub(r"^(-?[\d.]+)(?![\d.kMG])", rf"\g<1>{max(letters)}", texts[0])
        raise EdgeroiError(f"{found[0].strip()!r}: a multiplier stands on each number or on none", fix=f"write `{first}` if that is meant")
    return [read_amount(text, measure) for text in texts]


def _multiplier(text: str) -> str:
    found = re.match(r"-?[\d.]+([kMG])(?![A-Za-z%])", text)
    return found[1] if found else ""


def _triangle(found: re.Match[str], shape: str | None, measure: Measure, name: str) -> Range:
    if shape not in (None, "triangular"):
        raise EdgeroiError(
            f"`{shape}` takes two ends, not a likely value and ends", fix=f"write `{shape} {found['low']} to {found['high']}`"
        )
    parts = _parts(found, ("likely", "low", "high"), measure)
    likely, low, high = _in_one_unit(parts, found["unit"].strip(), measure, "{0} ({1}..{2})")
    if not low <= likely <= high:
        raise EdgeroiError(f"the likely value does not lie between the ends: {found[0].strip()}", fix="write `likely (low..high)`")
    return Range(likely, low, high, name, "point" if low == high else "triangular")


def _interval(found: re.Match[str], shape: str | None, measure: Measure, name: str) -> Range:
    if shape == "triangular":
        raise EdgeroiError("a triangular range needs its likely value", fix="write `likely (low..high)`")
    parts = _parts(found, ("low", "high"), measure)
    unit = "" if parts[0][1] else parts[1][1]
    low, high = _in_one_unit([parts[0], (parts[1][0], "" if unit else parts[1][1])], unit, measure, "{0} to {1}")
    if low > high:
        raise EdgeroiError(f"the low end stands first: {found[0].strip()}", fix=f"write `{_swapped(parts)}`")
    if shape is None and low <= 0 < high:
        raise EdgeroiError(f"an interval that begins at {low:g} cannot be lognormal", fix=f"write `uniform {found[0].strip()}`")
    if shape == "lognormal" and low <= 0:
        raise EdgeroiError("a lognormal range lies above 0", fix=f"write `uniform {found[0].strip()}`")
    if low == high:
        return Range(low, low, high, name, "point")
    kind: Shape = "normal" if shape == "normal" else "uniform" if shape == "uniform" else "lognormal"
    return Range(sqrt(low * high) if kind == "lognormal" else (low + high) / 2, low, high, name, kind)


def _in_one_unit(parts: list[tuple[Decimal, str]], last: str, measure: Measure, form: str) -> list[float]:
    """The amounts, where a unit stands once at the end or on each number and nowhere else."""
    stated = [unit for _, unit in parts if unit]
    if stated and (last or len(stated) < len(parts)):
        numbers = form.format(*(_plain(number) for number, _ in parts))
        unit = last or stated[-1]
        raise EdgeroiError("the unit stands once at the end or on each number", fix=f"write `{_joined(numbers, unit)}`")
    if not stated and not last and measure.unit:
        numbers = form.format(*(_plain(number) for number, _ in parts))
        raise EdgeroiError(f"{numbers} has no unit", fix=f"write `{_joined(numbers, measure.unit)}`")
    return [measure.amount(number, unit or last) for number, unit in parts]


def _swapped(parts: list[tuple[Decimal, str]]) -> str:
    (low, first), (high, last) = parts
    return f"{_joined(_plain(high), last if first else '')} to {_joined(_plain(low), first or last)}"


_NUMBER = re.compile(
    r"(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<multiplier>[kMG](?![A-Za-z%]))?\s*(?P<unit>[^\d\s.,:_+].*)?", re.DOTALL
)


def read_amount(text: str, measure: Measure | None = None) -> tuple[Decimal, str]:
    """``(number, unit)`` of one quantity, multiplier applied, the unit as written and "" where there is none."""
    found = _NUMBER.fullmatch(text)
    if not found:
        raise _no_number(text, measure)
    number = Decimal(found["number"])
    if number.adjusted() > 300 or number.adjusted() < -300:
        raise EdgeroiError(f"{text[:40]} is out of range", fix=measure.fix if measure else None)
    unit = (found["unit"] or "").strip()
    if re.match(r"[mkMGK](?:$|[\s/])", unit):
        raise _stray_multiplier(text, found["number"], unit)
    return number * _MULTIPLIERS[found["multiplier"] or ""], unit


def _stray_multiplier(text: str, number: str, unit: str) -> EdgeroiError:
    letter, rest = unit[0], unit[1:].strip()
    if letter == "m":
        return EdgeroiError(
            f"`m` in {text!r} does not multiply", fix=f"write `{_joined(number + 'M', rest)}` for millions, `min` for minutes"
        )
    if letter == "K":
        return EdgeroiError(f"`K` in {text!r} is no multiplier", fix=f"write `{_joined(number + 'k', rest)}`")
    return EdgeroiError(f"the multiplier stands apart in {text!r}", fix=f"write `{_joined(number + letter, rest)}`")


#: What is not a number as JSON writes them, and how to write it instead.
_TRAPS: tuple[tuple[str, str, str], ...] = (
    (r"(\d{1,3}(?:[,_]\d{3})+(?:\.\d+)?)(?![\d:])(.*)", "digits are not grouped", "{0}{1}"),
    (r"(\d+(?:_\d+)+)(.*)", "digits are not grouped", "{0}{1}"),
    (r"(\d+),(\d+)(.*)", "the decimal sign is a point", "{0}.{1}{2}"),
    (r"0+([1-9]\d*(?:\.\d+)?)(?![\d:xXob])(.*)", "a number does not begin with 0", "{0}{1}"),
    (r"\+(\d.*)", "a plus sign is not written", "{0}"),
    (r"(\.\d.*)", "a digit stands before the point", "0{0}"),
    (r"(\d+)\.(?!\d)(.*)", "a digit stands after the point", "{0}{1}"),
    (r"(?:\$|US\$)\s*(\d[\d.]*[kMG]?)(.*)", "money is written with USD", "{0} USD{1}"),
)


def _no_number(text: str, measure: Measure | None) -> EdgeroiError:
    for pattern, trouble, form in _TRAPS:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            first, *others = found.groups()
            return EdgeroiError(f"{text!r}: {trouble}", fix=f"write `{form.format(re.sub('[,_]', '', first), *others)}`")
    if found := re.fullmatch(r"(\d+):(\d\d)(?::\d\d)?.*", text, re.DOTALL):
        return EdgeroiError(f"{text!r} could be minutes or hours", fix=f"write `{int(found[1]) * 60 + int(found[2])} s` or `min`, `h`")
    return EdgeroiError(f"{text!r} is not a number", fix=measure.fix if measure else "write it like `0.20 USD/Mtok`")


def _unknown_unit(word: str) -> EdgeroiError:
    if not word:
        return EdgeroiError("a unit is missing beside the stroke", fix="write it like `USD/Mtok`")
    if word in ("€", "EUR", "£", "GBP", "$"):
        return EdgeroiError(f"{word!r}: money is counted in USD", fix="write it like `5 USD`")
    if word.startswith("m") and word.removeprefix("m") in ("tok", "token", "tokens", "requests", "neurons"):
        return EdgeroiError(f"unknown unit {word!r}: `m` does not multiply", fix=f"write `M{word[1:]}` for millions")
    folded = {known.lower(): known for known in reversed(_ATOMS)}
    meant = folded.get(word.lower()) or near_miss(word, _ATOMS)
    listed = "USD, ms, s, min, h, day, month, year, tok, ktok, Mtok, request, neuron, kneuron, kB, MB, GB, %"
    return EdgeroiError(f"unknown unit {word!r}", fix=f"did you mean {meant!r}?" if meant else f"known: {listed}")


def write_range(given: Range, unit: str) -> str:
    """A range as ``read_range`` takes it; to read it again gives the same numbers, where its shape has a written form."""
    likely, low, high = (_plain(Decimal(repr(number))) for number in (given.likely, given.low, given.high))
    if given.shape == "point" or given.is_point:
        return _joined(likely, unit)
    if given.shape == "triangular":
        return _joined(f"{likely} ({low}..{high})", unit)
    return _joined(f"{'' if given.shape == 'lognormal' else given.shape + ' '}{low} to {high}", unit)


def _joined(number: str, unit: str) -> str:
    return number + unit if unit == "%" else f"{number} {unit}".strip()


def _plain(number: Decimal) -> str:
    return str(number) if abs(number.adjusted()) > 15 else f"{number:f}"


def _spoken(unit: Unit) -> str:
    if unit.over == ("%",):
        return "a share"
    over, under = unit.kind
    if not under:
        return " x ".join(_SPOKEN.get(each, each) for each in over) or "a plain number"
    return (
        f"{' x '.join(_SPOKEN.get(each, each) for each in over) or 'a count'} per {' per '.join(_SPOKEN.get(each, each) for each in under)}"
    )


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)
