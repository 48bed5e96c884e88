"""Experimental conditions: what is done to a system, as records that a study file can say.

A value is a number, or the name of a column of the draws: sampled doses and schedules are priors like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

from sbml_hybrid.errors import DataError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

Value = float | str


@dataclass(frozen=True)
class Dose:
    """A bolus: an amount of a species that is added at once, one time or again and again.

    Doses after the last time of a simulation are not given.

    Parameters
    ----------
    species
        What is given.
    amount
        How much, in the model's unit of substance; in a compartment of size V the concentration rises by amount/V.
    time
        When, in the model's time unit; at 0 it is there from the start.
    every
        The time from one dose to the next, where there are several.
    count
        How many doses.

    Examples
    --------
    >>> Dose("drug", "dose", every=24, count=7)  # an amount from the draws' column "dose", daily for a week
    Dose(species='drug', amount='dose', time=0.0, every=24.0, count=7)
    """

    species: str
    amount: Value
    time: Value = 0.0
    every: Value | None = None
    count: int = 1

    def __post_init__(self) -> None:
        what = f"a dose of {self.species!r}"
        _name("the species of a dose", self.species)
        _keep(self, "amount", _value(f"the amount of {what}", self.amount, least=0.0))
        _keep(self, "time", _value(f"the time of {what}", self.time, least=0.0))
        if isinstance(self.count, bool) or not isinstance(self.count, Integral) or self.count < 1:
            raise ValueError(f"count of {what} must be a whole number, 1 or more, got {self.count!r}.")
        if (self.every is None) != (self.count == 1):
            raise ValueError(
                f"{what} needs every= and count= (2 or more) together, got {self.every!r} and {self.count}."
            )
        if self.every is not None:
            _keep(self, "count", int(self.count))
            _keep(self, "every", _value(f"the time between doses of {self.species!r}", self.every, above=0.0))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the draws that it takes."""
        return _names(self.amount, self.time, self.every)


@dataclass(frozen=True)
class Steps:
    """An input that is held at values, each from its time to the next: piecewise constant.

    Before the first time, and in conditions without it, the quantity has its own value.

    Parameters
    ----------
    quantity
        A parameter, a compartment, or a species that no reaction changes (a boundary species).
    times
        When each value begins, increasing, in the model's time unit.
    values
        The values, in the quantity's own unit: a concentration for a species unless the model says amount.

    Examples
    --------
    >>> Steps("light", times=[6, 18], values=[1, 0])
    Steps(quantity='light', times=(6.0, 18.0), values=(1.0, 0.0))
    """

    quantity: str
    times: tuple[Value, ...]
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _keep_points(self, "steps", least=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the draws that it takes."""
        return _names(*self.times, *self.values)


@dataclass(frozen=True)
class TimeCourse:
    """An input that follows points, with straight lines between them: a measured forcing, a ramp, an infusion.

    It has the first value from the start to the first point, and keeps the last value after the last.

    Parameters
    ----------
    quantity
        A parameter, a compartment, or a species that no reaction changes (a boundary species).
    times
        The times of the points, increasing, in the model's time unit.
    values
        The values there, in the quantity's own unit: a concentration for a species unless the model says amount.

    Examples
    --------
    >>> TimeCourse("glucose", times=[0, 30, 120], values=[5, 9, 5])
    TimeCourse(quantity='glucose', times=(0.0, 30.0, 120.0), values=(5.0, 9.0, 5.0))
    """

    quantity: str
    times: tuple[Value, ...]
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _keep_points(self, "a time course", least=2)

    @classmethod
    def from_table(cls, quantity: str, table: pd.DataFrame, time: str = "time", value: str | None = None) -> TimeCourse:
        """Return the time course of measured points; rows without a value are passed over.

        Parameters
        ----------
        quantity
            What follows the points.
        table
            One row per point, in any order.
        time, value
            The columns of the times and of the values; the quantity's own name by default.

        Raises
        ------
        UnknownName
            The table has no such column.
        DataError
            Two points have the same time, or there are fewer than two.
        """
        value = quantity if value is None else value
        for column in (time, value):
            if column not in table.columns:
                raise unknown_name("column", column, table.columns, "the table")
        known = table[[time, value]].dropna().sort_values(time)
        twice = known[time][known[time].duplicated()]
        if len(twice):
            raise DataError(
                f"The table has two values of {value!r} at time {twice.iloc[0]:g}. "
                f"Try: table.groupby({time!r}, as_index=False).mean()."
            )
        if len(known) < 2:
            raise DataError(f"The table has {len(known)} known values of {value!r}; a time course needs two or more.")
        return cls(quantity, known[time].tolist(), known[value].tolist())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the draws that it takes."""
        return _names(*self.times, *self.values)


@dataclass(frozen=True)
class Condition:
    """What is done to the system: one arm of an experiment.

    `simulate` runs every draw under every condition. A condition that says nothing is the untreated control.

    Parameters
    ----------
    name
        What it is called; the dataset's coordinate ``condition``.
    values
        Name -> value of parameters, compartments and initial amounts (``"k1"``, ``"init(S1)"``), in place of the
        model's or the draw's.
    inputs
        `Dose`, `Steps` and `TimeCourse`.
    knock_outs
        Reactions that do not run, and species that are not there, as in `Model.knock_out`.
    before
        Values during a pre-equilibration: the trajectory then begins at the steady state that the model has with them,
        without inputs; ``{}`` for that of the condition's own values. None for none: it begins at the initial
        amounts.

    Examples
    --------
    >>> Condition("starved", {"glucose": 0.5}, inputs=[Dose("insulin", 10.0, time=5.0)])
    Condition(name='starved', values={'glucose': 0.5}, inputs=(Dose(species='insulin', amount=10.0, time=5.0, \
every=None, count=1),), knock_outs=(), before=None)
    """

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)
    inputs: tuple[Dose | Steps | TimeCourse, ...] = ()
    knock_outs: tuple[str, ...] = ()
    before: Mapping[str, Value] | None = None

    def __post_init__(self) -> None:
        _name("the name of a condition", self.name)
        where = f"condition {self.name!r}"
        for what in ("values", "before"):
            given = getattr(self, what)
            if not isinstance(given, Mapping | None):
                raise ValueError(f'{what} of {where} must be name -> value, such as {{"k1": 0.5}}, got {given!r}.')
            if given is not None:
                _keep(self, what, {name: _value(f"{name!r} of {where}", value) for name, value in given.items()})
        alone = isinstance(self.inputs, tuple(INPUTS.values()))
        inputs = (self.inputs,) if alone else _listed(where, "inputs", self.inputs)
        for one in inputs:
            if not isinstance(one, tuple(INPUTS.values())):
                raise ValueError(f"The inputs of {where} must be {', '.join(INPUTS)}, got {one!r}.")
        _keep(self, "inputs", inputs)
        alone = isinstance(self.knock_outs, str)
        _keep(self, "knock_outs", (self.knock_outs,) if alone else _listed(where, "knock_outs", self.knock_outs))
        self._check_targets(where)

    def _check_targets(self, where: str) -> None:
        held = [one.quantity for one in self.inputs if not isinstance(one, Dose)]
        for quantity in held:
            if held.count(quantity) > 1:
                raise ValueError(f"{where} has two inputs for {quantity!r}. Try: one Steps with all times.")
            if quantity in self.knock_outs:
                raise ValueError(f"{where} knocks {quantity!r} out and has an input for it. Take one of them away.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the draws that it takes."""
        own = _names(*self.values.values(), *(self.before or {}).values())
        return tuple(dict.fromkeys([*own, *(name for one in self.inputs for name in one.columns)]))


INPUTS: dict[str, type] = {kind.__name__: kind for kind in (Dose, Steps, TimeCourse)}


# -- as plain values -------------------------------------------------------------------------------


def to_dict(condition: Condition) -> dict[str, Any]:
    """Return a condition as plain values, as JSON and TOML can hold them; what is not there is left out."""
    said: dict[str, Any] = {"name": condition.name, "values": dict(condition.values)}
    said["inputs"] = [{"kind": type(one).__name__, **_plain(one)} for one in condition.inputs]
    said["knock_outs"] = list(condition.knock_outs)
    said = {name: value for name, value in said.items() if value}
    return said if condition.before is None else said | {"before": dict(condition.before)}


def _plain(one: Any) -> dict[str, Any]:
    values = {f.name: getattr(one, f.name) for f in fields(one)}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items() if v is not None}


def condition_from_dict(said: Mapping[str, Any]) -> Condition:
    """Return the condition that `to_dict` described, or a study file.

    Raises
    ------
    UnknownName
        There is no such setting, or no such kind of input.
    ValueError
        A setting is missing, or its value is none that it can have.

    Examples
    --------
    >>> condition_from_dict({"name": "pulse", "inputs": [{"kind": "Dose", "species": "D", "amount": 5}]}).inputs
    (Dose(species='D', amount=5.0, time=0.0, every=None, count=1),)
    """
    where = f"condition {said.get('name', '')!r}"
    inputs = []
    given = said.get("inputs", ())
    for one in (given,) if isinstance(given, Mapping) else _listed(where, "inputs", given):
        if not isinstance(one, Mapping):
            raise ValueError(f"The inputs of {where} must be tables such as {{kind = 'Dose', ...}}, got {one!r}.")
        if one.get("kind") not in INPUTS:
            raise unknown_name("kind of input", one.get("kind"), INPUTS, where)
        inputs.append(_made(INPUTS[one["kind"]], {n: v for n, v in one.items() if n != "kind"}, where))
    return _made(Condition, {**said, "inputs": tuple(inputs)}, where)


def _made(kind: type, settings: Mapping[str, Any], where: str) -> Any:
    known = [f.name for f in fields(kind)]
    for name in settings:
        if name not in known:
            raise unknown_name("setting", name, known, f"{kind.__name__} of {where}")
    try:
        return kind(**settings)
    except TypeError as error:
        _, missing, lacking = str(error).rpartition("argument")
        problem = f"lacks {lacking.strip(' s:')}" if missing else f"cannot be made: {error}"
        raise ValueError(f"{kind.__name__} of {where} {problem}. It takes {', '.join(known)}.") from None


# -- checks ----------------------------------------------------------------------------------------


def _keep(record: Any, name: str, value: Any) -> None:
    object.__setattr__(record, name, value)


def _name(what: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} must be a name, got {value!r}.")


def _names(*values: Value | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str)))


def _value(what: str, value: Any, least: float = -math.inf, above: float = -math.inf) -> Value:
    """A finite number, or the name of a column."""
    if isinstance(value, str) and value.strip():
        return value
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a finite number, or the name of a column of the draws, got {value!r}.")
    if number < least or number <= above:
        bound = f"{least:g} or more" if number < least else f"above {above:g}"
        raise ValueError(f"{what} must be {bound}, got {number:g}.")
    return number


def _keep_points(record: Steps | TimeCourse, what: str, least: int) -> None:
    what = f"{what} of {record.quantity!r}"
    _name("the quantity of an input", record.quantity)
    times, values = (_listed(what, name, getattr(record, name)) for name in ("times", "values"))
    if len(times) != len(values) or len(times) < least:
        raise ValueError(
            f"{what} needs as many times as values, {least} or more, got {len(times)} times and {len(values)} values."
        )
    times = tuple(_value(f"the times of {what}", time, least=0.0) for time in times)
    for one, next_one in zip(times, times[1:], strict=False):
        if not isinstance(one, str) and not isinstance(next_one, str) and next_one <= one:
            raise ValueError(f"the times of {what} must increase: {next_one:g} follows {one:g}.")
    _keep(record, "times", times)
    _keep(record, "values", tuple(_value(f"the values of {what}", value) for value in values))


def _listed(what: str, name: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"the {name} of {what} must be a list, got {given!r}.")
    return tuple(given)
