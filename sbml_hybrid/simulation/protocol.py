"""The conditions of a run applied to its model: one model for all of them, and the numbers of each draw in each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sbml_hybrid.errors import SbmlHybridError, UnknownName, unknown_name
from sbml_hybrid.mechanism.dosing import NEVER, Places, Prepared, check_dose, check_input, check_knock_out, prepared
from sbml_hybrid.mechanism.initial import InitialValues, as_column
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.quantities import check_names, quantity_id
from sbml_hybrid.simulation.conditions import Condition, Dose, TimeCourse, Value, to_dict

Point = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # a time, the value (or dose) then, and its slope from there; (draw,) each


@dataclass(frozen=True, eq=False)
class Protocol:
    """Some conditions, applied to a model and to draws with certain columns.

    Parameters
    ----------
    original
        The model as it was given.
    conditions
        The conditions, in the order of a draw's trajectories.
    columns
        The columns of the draws: quantities of the model, and what conditions take from them.
    """

    original: Model
    conditions: tuple[Condition, ...]
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.conditions)

    @cached_property
    def prepared(self) -> Prepared:
        """The model that serves all conditions: as it was, where they differ in its own numbers alone."""
        places = _places(self.original, self.conditions)
        if not places:
            return Prepared(self.original, {}, {}, {}, {})
        return prepared(self.original, places)

    @property
    def model(self) -> Model:
        """The model that is compiled."""
        return self.prepared.model

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The columns that are quantities of the model."""
        taken = {name for condition in self.conditions for name in condition.columns}
        return tuple(name for name in self.columns if name not in taken)

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """What has a value of its own in some draw or condition, by the names of draws."""
        said = [n for c in self.conditions for n in (*c.values, *(c.before or {}))]
        named = dict.fromkeys([*self.own, *said])
        there = {quantity_id(name) for name in named}
        absent = [id for id in self.prepared.active if isinstance(self.original.by_id[id], Species)]
        return (*named, *(f"init({id})" for id in absent if id not in there))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What a dataset records of a trajectory: the columns of the draws, and what conditions set."""
        return tuple(dict.fromkeys([*self.columns, *(name for c in self.conditions for name in c.values)]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What is set in the compiled model before a trajectory begins."""
        moved = self.prepared.courses  # by a rate rule, which leaves their start to vary
        own = (f"init({name})" if name in moved else name for name in self.quantities)
        rig = self.prepared
        places = (*rig.doses.values(), *rig.steps.values(), *rig.courses.values())
        return (*own, *rig.active.values(), *(id for several in places for place in several for id in place))

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """The inputs: ``dose(S)``, the amount of S given so far, and the quantities that steps or courses set."""
        rig = self.prepared
        return (*(f"dose({species})" for species in rig.doses), *rig.steps, *rig.courses)

    def control_units(self) -> dict[str, str]:
        """Return control -> its unit, as the model declares it."""
        rig, model = self.prepared, self.original
        doses = (str(model.unit(f"amount({species})")) for species in rig.doses)
        held = (str(model.unit(quantity)) for quantity in (*rig.steps, *rig.courses))
        return dict(zip(self.controls, (*doses, *held), strict=True))

    @property
    def said(self) -> str:
        """The conditions as JSON, which `condition_from_dict` takes back one by one."""
        return json.dumps([to_dict(condition) for condition in self.conditions])

    def values(self, drawn: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return what every trajectory sets (trajectory, name), draw by draw.

        Parameters
        ----------
        drawn
            Values of `columns` (draw, column).
        labels
            Of the draws (draw,), for messages.

        Raises
        ------
        ValueError
            A drawn time or amount is negative, or the times of a time course do not increase.
        """
        arms = [_Arm(self, condition, drawn, labels).set_values() for condition in self.conditions]
        return np.stack(arms, axis=1).reshape(len(drawn) * len(self), -1)

    def before(self, drawn: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
        """Return what is set for pre-equilibration (trajectory, name), NaN where there is none; None if nowhere."""
        if all(condition.before is None for condition in self.conditions):
            return None
        nothing = np.full((len(drawn), len(self.names)), np.nan)
        arms = [
            nothing if c.before is None else _Arm(self, _resting(c), drawn, labels).set_values()
            for c in self.conditions
        ]
        return np.stack(arms, axis=1).reshape(len(drawn) * len(self), -1)

    def recorded(self, drawn: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the values of `parameters` (trajectory, parameter) that were simulated."""
        arms = [_Arm(self, condition, drawn, labels).recorded() for condition in self.conditions]
        return np.stack(arms, axis=1).reshape(len(drawn) * len(self), -1)

    def inputs(self, drawn: np.ndarray, labels: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the values of `controls` (trajectory, time, control).

        Parameters
        ----------
        drawn, labels
            As for `values`.
        times
            (time,), or (trajectory, sample).
        """
        n, count = len(drawn), len(self)
        every = np.broadcast_to(times, (n * count, times.shape[-1])).reshape(n, count, -1)
        arms = [
            _Arm(self, condition, drawn, labels).controls(every[:, i]) for i, condition in enumerate(self.conditions)
        ]
        return np.stack(arms, axis=1).reshape(n * count, times.shape[-1], -1)


def protocol_of(model: Model, conditions: Iterable[Condition], columns: Sequence[str], end: float) -> Protocol:
    """Return conditions applied to a model, checked.

    Parameters
    ----------
    model
        The model.
    conditions
        One or more, of different names.
    columns
        The columns of the draws.
    end
        The last time of the simulation.

    Raises
    ------
    UnknownName
        A condition names something that the model or the draws do not have.
    ModelError
        A dose, an input or a knock-out of what something else determines.
    ValueError
        Two conditions have one name, an input begins after the end, a column means two things, or a species both gets
        doses and is an input.
    """
    conditions = (conditions,) if isinstance(conditions, Condition) else tuple(conditions)
    for condition in conditions:
        if not isinstance(condition, Condition):
            raise ValueError(f"conditions must hold sh.Condition, got {condition!r}.")
    if not conditions:
        raise ValueError("conditions holds none. Try: one sh.Condition or more, or None.")
    twice = [name for name, count in Counter(c.name for c in conditions).items() if count > 1]
    if twice:
        raise ValueError(f"Two conditions are called {twice[0]!r}. Give each a name of its own.")
    for condition in conditions:
        _check(model, condition, columns, end)
    protocol = Protocol(model, conditions, tuple(columns))
    check_names(model, protocol.own)
    _check_forms(model, protocol)
    _check_controls(conditions)
    return protocol


def _resting(condition: Condition) -> Condition:
    """The condition before it begins: with the values of its pre-equilibration, and without its inputs."""
    return Condition(condition.name, {**condition.values, **(condition.before or {})}, (), condition.knock_outs)


def _places(model: Model, conditions: Sequence[Condition]) -> Places:
    """The most that one condition needs; what follows a time course in one may have steps in another."""
    followed = {i.quantity for c in conditions for i in c.inputs if isinstance(i, TimeCourse)}
    most: dict[str, Counter[str]] = {"doses": Counter(), "steps": Counter(), "courses": Counter()}
    for condition in conditions:
        needed: dict[str, Counter[str]] = {kind: Counter() for kind in most}
        for one in condition.inputs:
            if isinstance(one, Dose):
                needed["doses"][one.species] += one.count
            elif one.quantity in followed:
                needed["courses"][one.quantity] += len(one.times) + isinstance(one, TimeCourse)
            else:
                needed["steps"][one.quantity] += len(one.times)
        for kind, counts in needed.items():
            most[kind] |= counts
    knock_outs = dict.fromkeys(id for c in conditions for id in c.knock_outs)
    return Places(**{kind: dict(counts) for kind, counts in most.items()}, knock_outs=tuple(knock_outs))


class _Arm:
    """One condition of a protocol, for some draws."""

    def __init__(self, protocol: Protocol, condition: Condition, drawn: np.ndarray, labels: np.ndarray) -> None:
        self.protocol, self.condition, self.labels = protocol, condition, labels
        self.columns = {name: drawn[:, i] for i, name in enumerate(protocol.columns)}
        by_id = protocol.original.by_id
        absent = {id for id in condition.knock_outs if isinstance(by_id[id], Species)}
        self.given = {name: self.columns[name] for name in protocol.own}
        self.given |= {name: self._value(value) for name, value in condition.values.items()}
        self.given |= {name: self._value(0.0) for name in protocol.quantities if quantity_id(name) in absent}
        self.start = InitialValues(protocol.original, self.given)

    def set_values(self) -> np.ndarray:
        """What the draws set (draw, name)."""
        rig = self.protocol.prepared
        columns = [self.of(name) for name in self.protocol.quantities]
        columns += [self._value(float(id not in self.condition.knock_outs)) for id in rig.active]
        for species, places in rig.doses.items():
            for time, amount, _ in self._filled(self.doses(species), len(places)):
                columns += [amount, time]
        for quantity, places in rig.steps.items():
            for time, value, _ in self._filled(self.points(quantity), len(places)):
                columns += [value, time]
        for quantity, places in rig.courses.items():
            for time, value, slope in self._filled(self.points(quantity), len(places)):
                columns += [value, slope, time]
        return np.stack(columns, axis=1) if columns else np.empty((len(self.labels), 0))

    def recorded(self) -> np.ndarray:
        """The values of the protocol's parameters (draw, parameter)."""
        quantities = set(self.protocol.quantities)
        columns = [self.of(n) if n in quantities else self.columns[n] for n in self.protocol.parameters]
        return np.stack(columns, axis=1) if columns else np.empty((len(self.labels), 0))

    def controls(self, times: np.ndarray) -> np.ndarray:
        """The inputs at `times` (draw, time), (draw, time, control)."""
        rig, known = self.protocol.prepared, np.where(np.isnan(times), np.nan, 1.0)
        series = []
        for species in rig.doses:
            given = [amount[:, None] * (times >= time[:, None]) for time, amount, _ in self.doses(species)]
            series.append(sum(given, np.zeros(times.shape)))
        for quantity in (*rig.steps, *rig.courses):
            value = np.broadcast_to(self._value(self.start[quantity])[:, None], times.shape)
            for time, level, slope in self.points(quantity):
                since = times - time[:, None]
                with np.errstate(invalid="ignore"):
                    line = level[:, None] + slope[:, None] * since
                value = np.where(since >= 0, line, value)
            series.append(value)
        return np.stack(series, axis=2) * known[:, :, None]

    def of(self, name: str) -> np.ndarray:
        """The value of a quantity (draw,): given, or the model's own."""
        id, model = quantity_id(name), self.protocol.original
        if name in self.given:
            return self.given[name]
        if name.startswith("init([") or not isinstance(model.by_id[id], Species):
            return self._value(self.start.concentration(id) if name.startswith("init([") else self.start[id])
        return self._value(self.start.amount(id))

    def doses(self, species: str) -> list[Point]:
        """Time and amount of every dose."""
        found = []
        for dose in self.condition.inputs:
            if isinstance(dose, Dose) and dose.species == species:
                amount = self._value(dose.amount, "the amount of a dose", _from_zero)
                first = self._value(dose.time, "the time of a dose", _from_zero)
                every = self._value(0.0 if dose.every is None else dose.every, "the time between doses", _from_zero)
                found += [(first + number * every, amount, self._value(0.0)) for number in range(dose.count)]
        return found

    def points(self, quantity: str) -> list[Point]:
        """Every change of an input, in the order of their times."""
        for one in self.condition.inputs:
            if not isinstance(one, Dose) and one.quantity == quantity:
                times = [self._value(time, f"a time of {quantity!r}", _from_zero) for time in one.times]
                self._require_order(quantity, times)
                values = [self._value(value) for value in one.values]
                return _lines(times, values) if isinstance(one, TimeCourse) else _levels(times, values)
        return []

    def _filled(self, found: list[Point], count: int) -> list[Point]:
        """What is given, and up to `count` what never comes."""
        nothing = (self._value(NEVER), self._value(0.0), self._value(0.0))
        return [*found, *[nothing] * (count - len(found))]

    def _value(
        self, value: Value | np.ndarray, what: str = "", right: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """A number, or what the draws have in a column, (draw,)."""
        if not isinstance(value, str):
            return as_column(value, len(self.labels))
        column = self.columns[value]
        bad = np.flatnonzero(~right(column)) if right is not None else ()
        if len(bad):
            raise ValueError(
                f"draw {self.labels[bad[0]]} has {column[bad[0]]:g} for {value!r}, {what} in condition "
                f"{self.condition.name!r}; it must be zero or more."
            )
        return column

    def _require_order(self, quantity: str, times: list[np.ndarray]) -> None:
        for one, next_one in zip(times, times[1:], strict=False):
            wrong = np.flatnonzero(~(next_one > one))
            if len(wrong):
                at = wrong[0]
                raise ValueError(
                    f"draw {self.labels[at]} has the times {one[at]:g} and {next_one[at]:g} for {quantity!r} in "
                    f"condition {self.condition.name!r}; they must increase. Try: priors that do not overlap."
                )


def _from_zero(column: np.ndarray) -> np.ndarray:
    return column >= 0


def _levels(times: list[np.ndarray], values: list[np.ndarray]) -> list[Point]:
    return [(time, value, np.zeros_like(value)) for time, value in zip(times, values, strict=True)]


def _lines(times: list[np.ndarray], values: list[np.ndarray]) -> list[Point]:
    """The first value from 0 on, where the points begin later; then straight lines; then the last value."""
    flat = np.zeros_like(values[0])
    slopes = [(b - a) / (t - s) for a, b, s, t in zip(values, values[1:], times, times[1:], strict=False)]
    begin = (np.where(times[0] > 0, 0.0, NEVER), values[0], flat)
    return [begin, *zip(times, values, [*slopes, flat], strict=True)]


# -- what was asked --------------------------------------------------------------------------------


def _check(model: Model, condition: Condition, columns: Sequence[str], end: float) -> None:
    where = f"Condition {condition.name!r}"
    try:
        check_names(model, condition.values)
        check_names(model, condition.before or {})
        for one in condition.inputs:
            if isinstance(one, Dose):
                check_dose(model, one.species)
            else:
                check_input(model, one.quantity)
        for id in condition.knock_outs:
            check_knock_out(model, id)
    except (SbmlHybridError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None
    for name in condition.columns:
        if name not in columns:
            missing = unknown_name("column", name, columns, "the draws")
            raise UnknownName(
                f"{where} takes a value from the draws. {missing} Try: a prior called {name!r} in sample."
            )
        if quantity_id(name) in model.by_id:
            raise ValueError(
                f"{where} takes a value from the column {name!r}, which is a quantity of {model.source} too. "
                "Give the column another name."
            )
    for one in condition.inputs:
        first, what = (
            (one.time, f"a dose of {one.species!r}") if isinstance(one, Dose) else (one.times[0], one.quantity)
        )
        if not isinstance(first, str) and first > end:
            raise ValueError(
                f"{where} begins {what} at {first:g}, and the simulation ends at {end:g}. "
                "Simulate longer, or begin earlier."
            )


def _check_forms(model: Model, protocol: Protocol) -> None:
    """One quantity has one name, whoever sets it."""
    forms: dict[str, str] = {}
    for name in protocol.quantities:
        other = forms.setdefault(quantity_id(name), name)
        if other != name:
            raise ValueError(f"{other!r} and {name!r} are both set, in draws or conditions. Use one of the two in all.")


def _check_controls(conditions: Sequence[Condition]) -> None:
    """What an input sets is what `controls` says of it; a dose would shift it unseen."""
    inputs = [(c.name, one) for c in conditions for one in c.inputs]
    dosed = {one.species: name for name, one in inputs if isinstance(one, Dose)}
    for name, one in inputs:
        if not isinstance(one, Dose) and one.quantity in dosed:
            raise ValueError(
                f"{one.quantity!r} gets a dose in condition {dosed[one.quantity]!r} and is an input in {name!r}. "
                "Take one of the two in all: steps to what it is after each dose."
            )
