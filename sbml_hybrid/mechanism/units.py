"""Units: what they are made of, what that is in SI, and how people write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree

Dimension = tuple[tuple[str, Fraction], ...]


def _kinds() -> dict[str, tuple[str, Fraction, Dimension]]:
    """Kind of SBML -> (symbol, factor to SI, dimension in SI's base units and items)."""
    base = {"A": "ampere", "C": "candela", "K": "kelvin", "g": "kilogram", "m": "metre", "s": "second"}

    def made(symbol: str, factor: str, **powers: int) -> tuple[str, Fraction, Dimension]:
        named = {base.get(letter, letter): Fraction(power) for letter, power in powers.items()}
        return symbol, Fraction(factor), tuple(sorted(named.items()))

    return {
        "ampere": made("A", "1", A=1),
        "avogadro": made("", "6.02214179e23"),  # SBML's own number
        "becquerel": made("Bq", "1", s=-1),
        "candela": made("cd", "1", C=1),
        "coulomb": made("C", "1", A=1, s=1),
        "dimensionless": made("", "1"),
        "farad": made("F", "1", A=2, g=-1, m=-2, s=4),
        "gram": made("g", "1e-3", g=1),
        "gray": made("Gy", "1", m=2, s=-2),
        "henry": made("H", "1", A=-2, g=1, m=2, s=-2),
        "hertz": made("Hz", "1", s=-1),
        "item": made("item", "1", item=1),
        "joule": made("J", "1", g=1, m=2, s=-2),
        "katal": made("kat", "1", mole=1, s=-1),
        "kelvin": made("K", "1", K=1),
        "kilogram": made("kg", "1", g=1),
        "litre": made("l", "1e-3", m=3),
        "lumen": made("lm", "1", C=1),
        "lux": made("lx", "1", C=1, m=-2),
        "metre": made("m", "1", m=1),
        "mole": made("mol", "1", mole=1),
        "newton": made("N", "1", g=1, m=1, s=-2),
        "ohm": made("ohm", "1", A=-2, g=1, m=2, s=-3),
        "pascal": made("Pa", "1", g=1, m=-1, s=-2),
        "radian": made("rad", "1"),
        "second": made("s", "1", s=1),
        "siemens": made("S", "1", A=2, g=-1, m=-2, s=3),
        "sievert": made("Sv", "1", m=2, s=-2),
        "steradian": made("sr", "1"),
        "tesla": made("T", "1", A=-1, g=1, s=-2),
        "volt": made("V", "1", A=-1, g=1, m=2, s=-3),
        "watt": made("W", "1", g=1, m=2, s=-3),
        "weber": made("Wb", "1", A=-1, g=1, m=2, s=-2),
    }


KINDS = _kinds()
_PREFIXES = {
    Fraction(10) ** power: prefix
    for prefix, power in {
        "": 0,
        "m": -3,
        "u": -6,
        "n": -9,
        "p": -12,
        "f": -15,
        "a": -18,
        "k": 3,
        "M": 6,
        "G": 9,
    }.items()
}
_METRES = _PREFIXES | {Fraction(1, 10): "d", Fraction(1, 100): "c"}
_TIMES = {60: "min", 3600: "h", 86400: "day", 604800: "week", 31557600: "year"}
# Whoever calls a unit nM means this; another name of the model's may mean anything.
_MOLAR = {f"{prefix}M": size for size, prefix in _PREFIXES.items() if size <= 1}
_MOLAR |= {word.replace("u", "\N{MICRO SIGN}"): size for word, size in _MOLAR.items() if word == "uM"}
# A unit beyond these is a slip or a trap: 10**999999999 does not fit into memory.
_MOST_FACTORS, _MOST_SCALE, _MOST_EXPONENT = 50, 100, 50


@dataclass(frozen=True)
class UnitFactor:
    """One factor of a unit, in SBML's way: ``(multiplier * 10**scale * kind)**exponent``."""

    kind: str
    exponent: float = 1.0
    scale: int = 0
    multiplier: float = 1.0

    @property
    def readable(self) -> bool:
        """Whether it is a multiple of a kind that SI has."""
        return (
            self.kind in KINDS
            and math.isfinite(self.exponent)
            and abs(self.exponent) <= _MOST_EXPONENT
            and abs(self.scale) <= _MOST_SCALE
            and math.isfinite(self.multiplier)
            and 1e-100 < self.multiplier < 1e100
        )

    @property
    def size(self) -> Fraction:
        """The multiple of its kind, before the exponent; exact in the decimals that were written."""
        return Fraction(repr(self.multiplier)) * Fraction(10) ** self.scale


@dataclass(frozen=True)
class Unit:
    """A unit: the product of its factors. Without factors it is not known, and false.

    ``str()`` gives what people write: ``mmol/l``, ``1/s``, ``item``, ``dimensionless``; ``nM`` where the
    model calls it so and means it; nothing where it is not known.

    Parameters
    ----------
    id
        What the model calls it, if it does.
    factors
        What it is made of.
    """

    id: str = ""
    factors: tuple[UnitFactor, ...] = ()

    def __post_init__(self) -> None:
        if len(self.factors) > _MOST_FACTORS or not all(factor.readable for factor in self.factors):
            object.__setattr__(self, "factors", ())

    def __bool__(self) -> bool:
        return bool(self.factors)

    def __str__(self) -> str:
        molar = _MOLAR.get(self.id)
        if molar is not None and (self.si, self.dimension) == (1000 * molar, _MOLE_PER_CUBIC_METRE):
            return self.id
        return self.meaning

    @cached_property
    def si(self) -> Fraction:
        """How many of the SI unit of its dimension it is: 60 for a minute, 1 for a mmol/l (mol/m^3)."""
        factors = [_power(f.size * KINDS[f.kind][1], Fraction(f.exponent)) for f in self.factors]
        return math.prod(factors, start=Fraction(1))

    @cached_property
    def dimension(self) -> Dimension:
        """The powers of SI's base units, and of items, that it is a multiple of."""
        powers: dict[str, Fraction] = {}
        for factor in self.factors:
            for base, power in KINDS[factor.kind][2]:
                powers[base] = powers.get(base, Fraction(0)) + power * Fraction(factor.exponent)
        return tuple(sorted((base, power) for base, power in powers.items() if power))

    @cached_property
    def meaning(self) -> str:
        """What it is made of, in symbols, whatever the model calls it."""
        return _written(self.factors) if self.factors else ""

    def equals(self, other: Unit) -> bool:
        """Whether both are known and mean the same."""
        return bool(self and other) and (self.si, self.dimension) == (other.si, other.dimension)

    def times(self, other: Unit, exponent: float = 1.0) -> Unit:
        """Return the product with a power of another unit; not known if one of them is not."""
        if not (self and other):
            return Unit()
        powers = tuple(UnitFactor(f.kind, f.exponent * exponent, f.scale, f.multiplier) for f in other.factors)
        return Unit("", self.factors + powers)


DIMENSIONLESS = Unit("", (UnitFactor("dimensionless"),))
_MOLE_PER_CUBIC_METRE = (("metre", Fraction(-3)), ("mole", Fraction(1)))


def unit_of_formula(tree: Tree, look_up: Callable[[str], Unit]) -> Unit:
    """Return the unit of a formula; not known where its parts do not say it.

    Parameters
    ----------
    tree
        A formula without calls of the model's own functions.
    look_up
        The unit of each id.
    """

    def unit_of(node: Tree) -> Unit:
        match node:
            case Number():
                return DIMENSIONLESS
            case Name(id=id):
                return look_up(id)
            case Call(operator="times", arguments=parts):
                return _product((unit_of(part), 1.0) for part in parts)
            case Call(operator="divide", arguments=(above, below)):
                return _product([(unit_of(above), 1.0), (unit_of(below), -1.0)])
            case Call(operator="power", arguments=(base, Number(value=exponent))):
                return _product([(unit_of(base), exponent)])
            case Call(operator="plus" | "minus" | "abs" | "max" | "min", arguments=(first, *others)):
                unit = unit_of(first)
                return unit if all(unit.equals(unit_of(other)) for other in others) else Unit()
        return Unit()

    return unit_of(tree)


def _product(powers: Iterable[tuple[Unit, float]]) -> Unit:
    product = DIMENSIONLESS
    for unit, exponent in powers:
        if exponent == 1 and product.equals(DIMENSIONLESS):
            product = unit  # as the model calls it
        elif not (product and unit.equals(DIMENSIONLESS)):
            product = product.times(unit, exponent)
    return product


# -- in words --------------------------------------------------------------------------------------


def _written(factors: tuple[UnitFactor, ...]) -> str:
    number, parts = _gathered(factors)
    for position, (kind, size, exponent) in enumerate(parts):
        if number != 1 and abs(exponent) == 1 and _symbol(kind, size * number**exponent):
            parts[position], number = (kind, size * number**exponent, exponent), Fraction(1)
    above = [_symbol(kind, size) + _exponent(e) for kind, size, e in parts if e > 0]
    below = [_symbol(kind, size) + _exponent(-e) for kind, size, e in parts if e < 0]
    top, bottom = _decimal(number)
    if bottom:
        below.insert(0, bottom)
    if not above and not below:
        return f"{top} dimensionless".strip() if top else "dimensionless"
    said = " ".join(part for part in (top, "*".join(above)) if part) or "1"
    return said + (f"/({'*'.join(below)})" if len(below) > 1 else f"/{below[0]}" if below else "")


def _gathered(factors: tuple[UnitFactor, ...]) -> tuple[Fraction, list[tuple[str, Fraction, Fraction]]]:
    """A number, and for each kind the multiple of it that has a name, with its exponent."""
    number, sizes, exponents = Fraction(1), {}, {}
    for factor in factors:
        kind, size, exponent = factor.kind, factor.size, Fraction(factor.exponent)
        if kind == "kilogram":
            kind, size = "gram", size * 1000
        if not KINDS[kind][0]:
            number *= _power(size * KINDS[kind][1], exponent)
            continue
        sizes.setdefault(kind, size if _symbol(kind, size) else Fraction(1))
        number *= _power(size / sizes[kind], exponent)
        exponents[kind] = exponents.get(kind, Fraction(0)) + exponent
    kinds = sorted(
        (kind for kind in exponents if exponents[kind]), key=lambda kind: kind == "second"
    )  # last: mol/(l*s)
    return number, [(kind, sizes[kind], exponents[kind]) for kind in kinds]


def _symbol(kind: str, size: Fraction) -> str:
    """What people call this multiple of a kind; nothing if it has no name."""
    symbol = KINDS[kind][0]
    if kind == "second" and size in _TIMES:
        return _TIMES[size]
    if kind in {"item", "radian", "steradian"}:
        return symbol if size == 1 else ""
    prefixes = _METRES if kind == "metre" else _PREFIXES
    if kind == "second" and size > 1:
        return ""
    return prefixes[size] + symbol if size in prefixes else ""


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        return base**exponent
    return Fraction(repr(float(base) ** float(exponent)))


def _exponent(exponent: Fraction) -> str:
    return "" if exponent == 1 else f"^{float(exponent):.12g}"


def _decimal(number: Fraction) -> tuple[str, str]:
    """What a number writes above and below the line: 0.1 is a decimal number, 1/60 is not."""
    if number == 1:
        return "", ""
    value = float(number)
    if Fraction(repr(value)) == number:
        return f"{int(value)}" if value.is_integer() and value < 1e6 else repr(value), ""
    above, below = (repr(float(x)) if x >= 10**6 else str(x) for x in (number.numerator, number.denominator))
    return ("" if above == "1" else above), below
