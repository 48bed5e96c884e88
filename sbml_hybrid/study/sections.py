"""The sections of a study file: their settings, how each is read, and what holds where it is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any


def whole(least: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers, `least` or more."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"must be a whole number, {least} or more")
        return value

    return read


def _number(least: float | None = None, most: float | None = None) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"must be {least:g} or more" if most is None else f"must lie in {least:g} to {most:g}")
        return float(value)

    return read


def text(value: Any) -> str:
    """Return a text, refused with a reason where it is none."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text in quotes")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of names, such as ["A", "B"]')
    return tuple(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of numbers, such as [0, 5, 15, 30]")
    return tuple(_number()(item) for item in value)


def _times(value: Any) -> tuple[float, ...] | tuple[tuple[float, ...], ...]:
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return tuple(_numbers(item) for item in value)
    return _numbers(value)


def _number_or_numbers(value: Any) -> float | tuple[float, ...]:
    return tuple(_number(0)(item) for item in _numbers(value)) if isinstance(value, list) else _number(0)(value)


def _draws(value: Any) -> int | dict[str, int]:
    if isinstance(value, dict) and value:
        return {name: whole(1)(item) for name, item in value.items()}
    return whole(1)(value)


def _points(value: Any) -> int | tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        fewest, most = (whole(1)(item) for item in value)
        if fewest <= most:
            return fewest, most
    elif not isinstance(value, list):
        return whole(2)(value)
    raise ValueError("must be a whole number, or the fewest and the most, such as [5, 12]")


def _side(value: Any) -> str:
    if value not in ("draw", "condition"):
        raise ValueError('must be "draw" or "condition"')
    return value


def _observables(value: Any) -> tuple[str, ...] | dict[str, str]:
    if isinstance(value, dict) and value and all(isinstance(item, str) for item in value.values()):
        return dict(value)
    if isinstance(value, list) and value:
        return _names(value)
    raise ValueError('must be a list of species, such as ["A"], or formulas by name, such as {total = "A + A_p"}')


def _table(value: Any) -> dict[str, dict]:
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        raise ValueError("must be a table of tables")
    return value


def _tables(value: Any) -> tuple[dict, ...]:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError('must be a list of tables, such as [{ kind = "DropOut", probability = 0.1 }]')
    return tuple(value)


def _one_table(value: Any) -> dict:
    if not isinstance(value, dict) or not value:
        raise ValueError("must be a table, such as { low = 0.1 }")
    return value


def _text_or_table(value: Any) -> str | dict:
    return _one_table(value) if isinstance(value, dict) else text(value)


def _setting(read: Callable, default: Any = MISSING) -> Any:
    extra = {"default_factory": dict} if default == {} else {"default": default}
    return field(metadata={"read": read}, **extra)


@dataclass(frozen=True)
class Simulation:
    """``[simulate]``: what varies, how often, under which conditions, by which kind of run, and at which times."""

    draws: int | Mapping[str, int] = _setting(_draws)
    end: float | None = _setting(_number(0), None)
    points: int | tuple[int, int] = _setting(_points, 101)
    times: tuple[float, ...] | tuple[tuple[float, ...], ...] | None = _setting(_times, None)
    fold: float = _setting(_number(1), 1.5)
    of: tuple[str, ...] | None = _setting(_names, None)
    initial: bool = _setting(_flag, False)
    priors: Mapping[str, Mapping] = _setting(_table, {})
    conditions: Mapping[str, Mapping] = _setting(_table, {})
    run: Mapping | None = _setting(_one_table, None)
    steady_state: bool = _setting(_flag, False)
    before: Mapping[str, float | str] | None = _setting(_one_table, None)
    jitter: float | tuple[float, ...] = _setting(_number_or_numbers, 0.0)
    irregular: bool = _setting(_flag, False)
    quantities: tuple[str, ...] | None = _setting(_names, None)
    float32: bool = _setting(_flag, False)
    design: str = _setting(text, "random")
    seed: int = _setting(whole(0), 0)


@dataclass(frozen=True)
class Measurement:
    """``[measure]``: what an assay reads, with how much noise, and how many points it misses."""

    observables: tuple[str, ...] | Mapping[str, str] | None = _setting(_observables, None)
    noise: str | Mapping = _setting(_text_or_table, "lognormal:0.1")
    keep: float = _setting(_number(0, 1), 1.0)
    schedule: tuple[float, ...] | None = _setting(_numbers, None)
    scaling: Mapping | None = _setting(_one_table, None)
    plates: Mapping | None = _setting(_one_table, None)
    effects: tuple[Mapping, ...] = _setting(_tables, ())
    replicates: int = _setting(whole(1), 1)
    constraints: tuple[Mapping, ...] = _setting(_tables, ())
    limits: Mapping | None = _setting(_one_table, None)
    gaps: tuple[Mapping, ...] = _setting(_tables, ())
    seed: int = _setting(whole(0), 1)


@dataclass(frozen=True)
class Split:
    """``[split]``: which share of the draws, or of the conditions, is held out."""

    test: float = _setting(_number(0, 1), 0.2)
    seed: int = _setting(whole(0), 2)
    by: str = _setting(_side, "draw")


@dataclass(frozen=True)
class Benchmark:
    """``[benchmark]``: how much a forecaster sees, how far it forecasts, and who takes part."""

    lookback: int = _setting(whole(1))
    horizon: int = _setting(whole(1))
    rivals: Mapping[str, Mapping] = _setting(_table)
    known: tuple[str, ...] = _setting(_names, ())
    seed: int = _setting(whole(0), 3)
