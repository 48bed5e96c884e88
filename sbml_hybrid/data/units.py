"""The units that a dataset says, and what a unit written as text means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import xarray as xr

ARBITRARY = "a.u."  # the unit of a reading whose scale nobody knows
_LONGEST = 100
# What may stand in a unit. No power of a bracket and no power of a power: 9^9^9^9 does not fit into memory.
_ALLOWED = re.compile(r"[^\W\d_][\w\s*/^().%+\-\N{MICRO SIGN}]*|[\d%(][\w\s*/^().%+\-\N{MICRO SIGN}]*")
_FORBIDDEN = re.compile(
    r"\)\s*\^|\^(?!-?\d{1,2}(\.\d{1,20})?(?![\d.]|\s*\^))|\d{30}|\d[eE][+-]?\d{4}|(?<!\d)\.|\.(?!\d)"
)
_KINDS = {
    (("[time]", 1),): "a time",
    (("[substance]", 1),): "an amount",
    (("[mass]", 1),): "a mass",
    (("[length]", 3),): "a volume",
    (("[length]", 2),): "an area",
    (("[length]", 1),): "a length",
    (("[time]", -1),): "a rate",
    (): "dimensionless",
}
_EXACT = 2**53  # whole numbers up to here are floating-point numbers


@dataclass(frozen=True)
class Meaning:
    """What a unit means: how many of its root unit it is, exactly, and the powers of its dimensions.

    Items are amounts: 6.02214076e23 (Avogadro's number) of them are a mole.
    """

    factor: Fraction
    dimension: tuple[tuple[str, Fraction], ...]

    @property
    def kind(self) -> str:
        """In words: ``"a time"``, ``"an amount"``, ``"a concentration"``."""
        if self.is_concentration:
            return "a mass concentration" if "[mass]" in dict(self.dimension) else "a concentration"
        return _KINDS.get(
            self.dimension, "a quantity of " + " ".join(f"{name}^{power}" for name, power in self.dimension)
        )

    @property
    def is_amount(self) -> bool:
        """Whether it is an amount, or a mass."""
        return self.dimension in ((("[substance]", 1),), (("[mass]", 1),))

    @property
    def is_concentration(self) -> bool:
        """Whether it is an amount, or a mass, per volume, area or length."""
        powers = dict(self.dimension)
        amounts = [powers.pop(name) for name in ("[substance]", "[mass]") if name in powers]
        return amounts == [1] and list(powers) == ["[length]"] and powers["[length]"] in (-1, -2, -3)


@cache
def meaning(text: str) -> Meaning | None:
    """Return what a unit means, such as ``nM``, ``mmol/l``, ``item`` or ``hours``; None if it means nothing known.

    Arbitrary units (``a.u.``, ``RFU``), and scales with a zero of their own (degrees Celsius), are none.
    """
    text = text.strip().replace("**", "^")
    if len(text) > _LONGEST or not _ALLOWED.fullmatch(text) or _FORBIDDEN.search(text):
        return None
    registry = _registry()
    try:
        unit = registry.parse_units(text) if text[0].isalpha() else registry.Quantity(text)
        one, two = ((n * unit).to_root_units() for n in (1, 2))
        if 2 * one.magnitude != two.magnitude:
            return None
        factor = one.magnitude
        powers = {name: Fraction(power) for name, power in one.dimensionality.items() if power}
        return Meaning(
            Fraction(repr(factor)) if isinstance(factor, float) else Fraction(factor), tuple(sorted(powers.items()))
        )
    except Exception:  # its parser has many ways to say that it does not know a word
        return None


def units_of(data: xr.Dataset, variable: str) -> dict[str, str]:
    """Return the unit of each channel (species, observable) of a variable over time; empty where it is not known.

    The attribute ``units`` of a variable holds one unit for all of them, or a JSON object by name.

    Parameters
    ----------
    data
        A dataset.
    variable
        ``"truth"``, ``"readout"`` or ``"measured"``.
    """
    if variable not in data:
        return {}
    channels = [str(name) for name in data[data[variable].dims[-1]].values]
    said = str(data[variable].attrs.get("units", ""))
    if not said.startswith("{"):
        return dict.fromkeys(channels, said)
    try:
        by_name = json.loads(said)
    except ValueError:
        by_name = {}
    return {name: str(by_name.get(name, "")) for name in channels}


def units_attribute(units: Mapping[str, str]) -> str:
    """Return what the attribute ``units`` of a variable is, for the units of its channels."""
    each = set(units.values())
    return each.pop() if len(each) == 1 else json.dumps(dict(units), ensure_ascii=False)


def time_unit(data: xr.Dataset) -> str:
    """Return the unit of a dataset's times; empty where it is not known."""
    return str(
        data.attrs.get("time_unit", "") or (data["time"].attrs.get("units", "") if "time" in data.coords else "")
    )


def differ(one: str, other: str) -> bool:
    """Return whether two units are known to mean different things."""
    if one == other or not one or not other:
        return False
    meanings = meaning(one), meaning(other)
    return None not in meanings and meanings[0] != meanings[1]


def scaled(values: np.ndarray, factor: Fraction) -> np.ndarray:
    """Return `values` times `factor`: 90 s are 1.5 min to the last bit, which a factor of 0.01666... does not give."""
    above, below = factor.numerator, factor.denominator
    exact = above <= _EXACT and below <= _EXACT
    product = values.astype(np.float64) * above / below if exact else values.astype(np.float64) * float(factor)
    return product.astype(values.dtype)


@cache
def _registry():
    import pint

    registry = pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
    registry.define("@alias particle = item")
    return registry
