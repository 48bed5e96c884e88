"""What the parts of an assay share: numbers by observable, their records, and generators by label."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from sbml_hybrid.errors import is_number, unknown_name

Pairs = tuple[tuple[str, float], ...]
Number = float | Mapping[str, float] | Pairs


def numbers(name: str, value: Number | None, least: float = -math.inf) -> float | Pairs | None:
    """Return a number, or numbers by observable as pairs (which are frozen); None stays None.

    Raises
    ------
    ValueError
        One of them is not finite, or below `least`.
    """
    if value is None:
        return None
    try:
        by_name = dict(value) if isinstance(value, Mapping | Sequence) and not isinstance(value, str) else {"": value}
    except (TypeError, ValueError):  # a list of something else than pairs
        by_name = {}
    bound = "a finite number" if least == -math.inf else f"a finite number, {least:g} or more"
    for one in by_name.values() if by_name else [value]:
        if not (is_number(one) and one >= least):
            raise ValueError(f"{name} must be {bound}, or such numbers by observable, got {one!r}.")
    if "" in by_name:
        return float(by_name[""])
    return tuple((str(key), float(one)) for key, one in by_name.items())


def require(name: str, value: Any, words: str, right: Callable[[float], bool]) -> None:
    """Raise ValueError unless a value is a number, and the right one; the words say which these are."""
    if not (isinstance(value, Real) and not isinstance(value, bool) and right(value)):
        raise ValueError(f"{name} must {words}, got {value!r}.")


def require_count(name: str, value: Any) -> None:
    """Raise ValueError unless a value is a whole number, one or more."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number, one or more, got {value!r}.")


def by_observable(value: float | Pairs | None, names: Sequence[str], otherwise: float) -> np.ndarray:
    """Return one number for each observable (observable,): `otherwise` where none was given.

    Raises
    ------
    UnknownName
        A number was given for something that is not measured.
    """
    if not isinstance(value, tuple):
        return np.full(len(names), otherwise if value is None else value)
    known(dict(value), names)
    given = dict(value)
    return np.array([given.get(name, otherwise) for name in names])


def known(asked: Sequence[str] | Mapping[str, float], names: Sequence[str]) -> None:
    """Raise UnknownName if one of the observables that were asked for is not measured."""
    for name in asked:
        if name not in names:
            raise unknown_name("observable", name, names, "the assay")


def to_dict(part: Any) -> dict[str, Any]:
    """Return a part of an assay as plain values: its kind and its settings, without those that are None."""
    said = {one.name: _plain(getattr(part, one.name)) for one in fields(part)}
    return {"kind": type(part).__name__, **{name: value for name, value in said.items() if value is not None}}


def from_dict(said: Mapping[str, Any], kinds: Sequence[type], what: str, where: str) -> Any:
    """Return what `to_dict` described; the kind in any case of letters, with or without hyphens.

    Raises
    ------
    UnknownName
        There is no such kind, or it has no such setting.
    """
    known_kinds = {letters(kind.__name__): kind for kind in kinds}
    name = str(said.get("kind"))
    if letters(name) not in known_kinds:
        raise unknown_name(what, name, [kind.__name__ for kind in kinds], where)
    kind = known_kinds[letters(name)]
    settings = {key: value for key, value in said.items() if key != "kind"}
    there = [one.name for one in fields(kind)]
    for key in settings:
        if key not in there:
            raise unknown_name("setting", key, there, kind.__name__)
    return kind(**settings)


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """Return the generator of a key: whole numbers as they are, anything else by a hash of its text."""
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=words(*key)))


def words(*key: int | str) -> tuple[int, ...]:
    """Return a key as whole numbers, zero or more; they are a key too."""
    made: list[int] = []
    for part in key:
        whole = isinstance(part, int | np.integer) and part >= 0
        made += [int(part)] if whole else np.frombuffer(_digest(str(part)), "<u4").tolist()
    return tuple(made)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def letters(name: str) -> str:
    """Return a name without what may be left out: the case of letters, hyphens and the like."""
    return "".join(character for character in name.lower() if character.isalnum())


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple):
        pairs = value and all(isinstance(v, tuple) and len(v) == 2 and isinstance(v[0], str) for v in value)
        return {key: _plain(one) for key, one in value} if pairs else [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
