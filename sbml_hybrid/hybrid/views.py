"""Pictures of hybrids: what their networks learned, where they act, and what was estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sbml_hybrid.errors import DataError, ModelError, SbmlHybridError, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.grafts import AFTER, BEFORE, Placed
from sbml_hybrid.hybrid.plan import Plan, column_of, observable_of
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.field import own
from sbml_hybrid.mechanism.kinetics import names
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.odes import amount_of
from sbml_hybrid.mechanism.reader import parse_formula
from sbml_hybrid.mechanism.units import unit_of_formula
from sbml_hybrid.plots import hybrids, style
from sbml_hybrid.plots.network import network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sbml_hybrid.simulation.priors.laws import Prior

_PLACES = 201  # along a curve
_NEAR = 0.1  # of the range: what lies between visited points closer than this counts as visited
_REGULAR = 3.0  # or closer than that many times the usual distance, of a few values
_MIDDLE = (0.05, 0.95)  # what is shown of a prior
_NAMED = 4  # quantities held, in the note

Inputs = Mapping[str, Any]


def plot_rate(
    simulate: Simulate | Sequence[Simulate],
    port: str,
    against: str | None = None,
    *,
    inputs: Inputs | Sequence[Inputs],
    at: Mapping[str, float] | None = None,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw the learned law of a port beside the model's own, where trajectories went.

    The curves are along one quantity, over the range that was visited; everything else is held at its median over all
    visited points, or as `at` says. The dots are the visited points themselves, where nothing is held, so that they lie
    off the curves when other quantities matter. Lines are dashed where no trajectory went.

    Parameters
    ----------
    simulate
        The layer; or several, trained from different starts, whose curves span a band.
    port
        A grafted reaction, parameter, derivative, initial amount or observable.
    against
        What to draw it against: a species or other state, ``"time"``, a given parameter, a control or a dataset
        column; by default the first input of the graft that is one.
    inputs
        What the layer is called with; for several layers one for all, or one for each.
    at
        Where other quantities are held, by name.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Panels
        The axes, (1,); `.save(path)` writes the figure.

    Raises
    ------
    UnknownName
        The port has no graft, or the model no such quantity; with the closest ones.
    ModelError
        A quantity follows from others, so it cannot be varied alone.
    DataError
        The quantity is the same everywhere, or no trajectory reached any time.
    """
    layers = [simulate] if isinstance(simulate, Simulate) else list(simulate)
    given = [inputs] * len(layers) if isinstance(inputs, Mapping) else list(inputs)
    if not layers or len(given) != len(layers):
        raise ValueError(f"{len(layers)} layers need one inputs for all, or one for each, got {len(given)}.")
    places = [_place(layer, port) for layer in layers]
    benches = [
        (_Before if place.phase == BEFORE else _During)(layer, place, port, one)
        for layer, place, one in zip(layers, places, given, strict=True)
    ]
    against = benches[0].default() if against is None else against
    held = dict(at or {})
    for name in (against, *held):
        benches[0].require(name)
    against, held = _plain(against), {_plain(name): value for name, value in held.items()}
    shown = [n for n in dict.fromkeys((*map(_plain, benches[0].concerned), *held)) if n != against]
    pooled = np.concatenate([bench.points for bench in benches], axis=1)
    middle = np.median(pooled, axis=1)
    there = [bench.laws(bench.points, against) for bench in benches]
    visited, own_there, learned_there = (np.concatenate([found[i] for found in there]) for i in ("x", "own", "value"))
    low, high = float(visited.min()), float(visited.max())
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        raise DataError(
            f"{against} is {low:g} wherever the trajectories went, so there is no range to draw {port} over. "
            "Try: against another quantity, or inputs with more trajectories."
        )
    x = np.linspace(low, high, _PLACES)
    curves, notes = [], {}
    for bench in benches:
        base = middle.copy()
        for name, value in held.items():
            base = bench.put(base[:, None], name, np.array([float(value)]))[:, 0]
        points = bench.put(np.repeat(base[:, None], _PLACES, axis=1), against, x)
        curves.append(bench.laws(points, against))
        notes = notes or {n: v for n in shown if (v := bench.worth(base, n)) is not None}
    segments = np.concatenate([bench.passed(against, found["x"]) for bench, found in zip(benches, there, strict=True)])
    found = hybrids.Laws(
        visited,
        own_there,
        learned_there,
        x,
        np.array([curve["own"] for curve in curves]),
        np.array([curve["value"] for curve in curves]),
        _covered(x, visited, segments),
    )
    return hybrids.laws(
        found,
        _labelled(against, _unit(layers[0], against)),
        _labelled(port, _unit(layers[0], port)),
        _note(notes, layers[0]),
        axes,
    )


def plot_trace(
    simulate: Simulate,
    inputs: Inputs,
    trajectory: int = 0,
    ports: Iterable[str] | None = None,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw what happened at each grafted port along a trajectory.

    Above: what the model's own law gives at every time, and what was used. Below: the correction, which is the factor
    exp(g) of a graft that scales, and a difference otherwise. Lines end where the trajectory did.

    Parameters
    ----------
    simulate
        The layer.
    inputs
        What it is called with.
    trajectory
        Which row of the inputs.
    ports
        Names of grafted ports; by default all that act in the right-hand side or in an observable.
    axes
        Where to draw, two for each port: all laws, then all corrections; a new figure by default.

    Returns
    -------
    Panels
        The axes, (2, port); `.save(path)` writes the figure.

    Raises
    ------
    UnknownName
        There is no such port among them, with the closest ones.
    DataError
        No graft acts while the layer simulates, or there is no such trajectory.
    """
    asked = [ports] if isinstance(ports, str) else ports if ports is None else list(ports)
    moving = [(p, place.graft.mode) for place in simulate.places if place.phase != BEFORE for p in place.graft.port]
    for port in asked or ():
        if port not in dict(moving):
            raise unknown_name("graft on", port, dict(moving), "what acts while the layer simulates")
    if not moving:
        raise DataError("No graft acts while the layer simulates, so there is nothing to draw over time.")
    times = np.asarray(inputs["times"], float)
    if not -len(times) <= trajectory < len(times):
        raise DataError(f"No trajectory {trajectory}: the inputs have {len(times)}, from 0 to {len(times) - 1}.")
    row = {name: np.asarray(value, float)[trajectory : trajectory + 1 or None] for name, value in inputs.items()}
    _, trace = simulate.run(row, training=False)
    own_values, used, reached = (_numpy(x)[0] for x in (trace.own, trace.value, trace.reached))
    gone = reached > 0
    found = [
        hybrids.Course(p, dict(moving)[p], own_values[gone][:, i], used[gone][:, i], _unit(simulate, p))
        for i, p in enumerate(trace.ports)
        if asked is None or p in asked
    ]
    return hybrids.courses(times[trajectory][gone], found, simulate.model.time_unit, axes)


def plot_estimates(
    table: pd.DataFrame,
    prior: Mapping[str, Prior | tuple[float, float]] | None = None,
    truth: Mapping[str, float] | None = None,
    *,
    model: Model | None = None,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw what each start of a multi-start estimated, a row for each parameter.

    A dot is a start; its colour is its loss, and the best stands at the top of the row, ringed. Where all is positive,
    the axis is logarithmic.

    Parameters
    ----------
    table
        A row for each parameter and start: `parameter`, `start`, `value`, `loss`.
    prior
        Parameter -> its law, or (low, high); of a law the middle 90 % are drawn, as a bar.
    truth
        Parameter -> its true value, drawn as a line.
    model
        The model, for the units.
    axes
        Where to draw, one for each parameter; a new figure by default.

    Returns
    -------
    Panels
        The axes, (parameter,); `.save(path)` writes the figure.

    Raises
    ------
    UnknownName
        A prior or a true value of what was not estimated.
    DataError
        The table lacks a column, or has no finite loss.
    """
    ranges = {name: _middle(law) for name, law in (prior or {}).items()}
    units = {} if model is None else {name: _unit_of(model, name) for name in dict.fromkeys(table["parameter"])}
    laws = any(not isinstance(law, tuple | list) for law in (prior or {}).values())
    return hybrids.estimates(table, ranges, truth, units, "prior (middle 90 %)" if laws else "prior", axes)


def plot_network(
    simulate: Simulate, labels: str = "id", currency: Iterable[str] = (), axes: Axes | None = None
) -> style.Panels:
    """Draw the species and reactions of a hybrid, with a box for each network that is grafted on them.

    Thin arrows lead from what a network reads to its box, and from there to what it acts on. The other arguments are
    those of `sbml_hybrid.plots.network`.
    """
    grafts = []
    for place in simulate.places:
        ports = [observable_of(p) if place.phase == AFTER else p for p in place.graft.port]
        grafts.append((ports, [name for name in place.graft.inputs if name != "self"]))
    return network(simulate.model, labels, currency, axes, grafts)


# -- where trajectories went -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Seen:
    """All that the laws are computed from: arrays (trajectory, time, quantity), `held` (quantity, trajectory)."""

    states: np.ndarray
    times: np.ndarray
    controls: np.ndarray
    held: np.ndarray
    reached: np.ndarray


class _Visiting(Simulate):
    """A layer that keeps where its trajectories went."""

    def _read(self, states: Any, times: Any, controls: Any, held: Any, reached: Any, varied: Any, xp: Any) -> Any:
        steered = np.zeros((*times.shape, 0)) if controls is None else _numpy(controls)
        self.seen = _Seen(_numpy(states), _numpy(times), steered, _numpy(held), _numpy(reached) > 0)
        return super()._read(states, times, controls, held, reached, varied, xp)


class _During:
    """The laws of a port in the right-hand side or among the observables.

    A point is a column of numbers: the states, what is held, the controls, the time.
    """

    def __init__(self, layer: Simulate, place: Placed, port: str, inputs: Inputs) -> None:
        self.layer, self.place, self.port = layer, place, port
        self.id = observable_of(port) if place.phase == AFTER else port
        settings = layer._settings() | {"accuracy": layer.accuracy, "ranges": layer._ranges}
        visiting = _Visiting(layer.model, layer.grafts, **settings)
        layer.build()
        visiting.heads = layer.heads
        visiting.run(inputs, training=False)
        seen = visiting.seen
        count = seen.times.shape[1]
        rows = [
            *np.moveaxis(seen.states, 2, 0),
            *(np.repeat(row[:, None], count, axis=1) for row in seen.held),
            *np.moveaxis(seen.controls, 2, 0),
            seen.times,
        ]
        self.reached = seen.reached
        self.dosed = np.asarray(inputs["doses"], float) if layer.plan.doses else None
        self.points = np.array([row[seen.reached] for row in rows])
        if not self.points.shape[1]:
            raise DataError("No trajectory reached any of its times, so there is nothing to draw.")
        plan = layer.plan
        self.variables = (*plan.odes.variables, *plan.given, *plan.control_variables, "time")

    @property
    def concerned(self) -> list[str]:
        """What both laws depend on that can be varied: the graft's inputs, and the states in the model's own law."""
        model = self.layer.model
        law = names(model.laws[self.port]) if self.port in model.laws else frozenset()
        read = [name for name in self.place.graft.inputs if name != "self"]
        return [*read, *(s for s in self.layer.plan.odes.states if s in law and s not in read)]

    def default(self) -> str:
        found = [name for name in self.concerned if self._row(name) is not None]
        return found[0] if found else "time"

    def require(self, name: str) -> None:
        if self._row(name) is not None:
            return
        free = [self._word(v) for v in self.variables]
        if name in self.layer.model.by_id:
            raise ModelError(
                f"{name} of {self.layer.model.source} is not varied alone: it follows from others, or is the same in "
                f"all trajectories. Try: {', '.join(free[:12])}."
            )
        raise unknown_name("quantity to draw against", name, free, self.layer.model.source)

    def _row(self, name: str) -> int | None:
        name = _plain(name)
        for variable in (amount_of(name), name, column_of(name)):
            if variable in self.variables:
                return self.variables.index(variable)
        return None

    @staticmethod
    def _word(variable: str) -> str:
        inside = variable.startswith(("amount(", "column("))
        return variable[variable.index("(") + 1 : -1] if inside else variable

    def put(self, points: np.ndarray, name: str, values: np.ndarray) -> np.ndarray:
        """Return the points with a quantity at these values, in the unit that its id has in formulas."""
        row, points = self._row(name), points.copy()
        points[row] = 1.0 if self.variables[row].startswith("amount(") else values
        if self.variables[row].startswith("amount("):  # an id means a concentration, or the amount itself
            points[row] = values / self.laws(points, name)["x"]
        return points

    def worth(self, point: np.ndarray, name: str) -> float | None:
        if self._row(name) is None:  # what follows from others moves with them
            return None
        return float(self.laws(point[:, None], name)["x"][0])

    def laws(self, points: np.ndarray, name: str) -> dict[str, np.ndarray]:
        """Return both laws at the points, and a quantity there."""
        plan: Plan = self.layer.plan
        named = name in self.layer.model.by_id
        if named:
            plan = replace(plan, observables={**plan.observables, _LOOKED_AT: name})
        xp = Arrays(keras.ops)
        field = plan.readout(self.layer.accuracy.signed)
        dtype = self.layer.compute_dtype
        ends = np.cumsum([len(plan.odes.variables), len(plan.given), len(plan.control_variables)])
        states, held, controls, time = (
            xp.convert_to_tensor(part.astype(dtype), dtype=dtype) for part in np.split(points, ends)
        )
        context = field.context(held if plan.given else time[:0], xp)
        at = field.at(states, context, controls, time, time, xp, self.layer._learned(field, xp))
        rows = _numpy(at.rows)
        x = rows[field.row_of[observable_of(_LOOKED_AT)]] if named else points[self._row(name)]
        return {"x": x, "own": rows[field.row_of[own(self.id)]], "value": rows[field.row_of[self.id]]}

    def passed(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return what was passed through between one time and the next (segment, 2); what is given jumps instead."""
        if name in self.layer.plan.controls:
            return np.zeros((0, 2))
        where = np.full(self.reached.shape, np.nan)
        where[self.reached] = x
        ends = np.stack([where[:, :-1], where[:, 1:]], axis=-1)
        if name in self.layer.plan.doses:
            ends[self.dosed[:, 1:, self.layer.plan.doses.index(name)] != 0] = np.nan
        ends = ends.reshape(-1, 2)
        ends = ends[np.isfinite(ends).all(axis=1)]
        return np.sort(ends, axis=1)


class _Before:
    """The laws of a port that is set before the simulation; a point is a column: own values, then inputs."""

    def __init__(self, layer: Simulate, place: Placed, port: str, inputs: Inputs) -> None:
        self.layer, self.place, self.port = layer, place, port
        layer.build()
        xp = Arrays(keras.ops)
        given = {n: xp.convert_to_tensor(np.asarray(v), dtype=layer.compute_dtype) for n, v in inputs.items()}
        before = layer.places.index(place)
        values: dict[str, Any] = {}
        for key, ids in (("parameters", layer.parameters), ("initial", [f"init({s})" for s in layer.initial])):
            values |= {id: given[key][:, i] for i, id in enumerate(ids)}
        own_values = layer._own_start()
        like = given["times"][:, 0]
        for earlier, head in zip(layer.places[: before + 1], layer.heads, strict=False):
            if earlier.phase != BEFORE:
                continue
            mine = xp.stack([values.get(p, own_values[p] + xp.zeros_like(like)) for p in earlier.graft.port], axis=0)
            read = [values[i] if i in values else given[_bare(i)] for i in earlier.site.inputs]
            read = xp.stack(read, axis=0)
            if earlier is not place:
                answer = head.answer(mine, read, False, xp)
                values |= {p: answer.values[i] for i, p in enumerate(earlier.graft.port)}
        self.head = layer.heads[before]
        self.points = np.concatenate([_numpy(mine), _numpy(read)])
        self.variables = [*place.graft.port, *(_bare(i) for i in place.site.inputs)]

    @property
    def concerned(self) -> list[str]:
        return self.variables[len(self.place.graft.port) :]

    def default(self) -> str:
        return self.concerned[0]

    def require(self, name: str) -> None:
        if _plain(name) not in self.variables:
            raise unknown_name(
                "quantity to draw against", name, self.concerned, f"the graft on {self.place.graft.name}"
            )

    def put(self, points: np.ndarray, name: str, values: np.ndarray) -> np.ndarray:
        points = points.copy()
        points[self.variables.index(name)] = values
        return points

    def worth(self, point: np.ndarray, name: str) -> float | None:
        return float(point[self.variables.index(name)])

    def laws(self, points: np.ndarray, name: str) -> dict[str, np.ndarray]:
        xp, count = Arrays(keras.ops), len(self.place.graft.port)
        mine, read = (
            xp.convert_to_tensor(part, dtype=self.layer.compute_dtype) for part in (points[:count], points[count:])
        )
        row = self.place.graft.port.index(self.port)
        value = _numpy(self.head.answer(mine, read, False, xp).values)[row]
        x = points[self.variables.index(name)]
        return {"x": x, "own": points[row], "value": value}

    def passed(self, name: str, x: np.ndarray) -> np.ndarray:
        return np.stack([x, x], axis=1)


_LOOKED_AT = "what is looked at"


def _place(layer: Simulate, port: str) -> Placed:
    grafted = {p: place for place in layer.places for p in place.graft.port}
    if port not in grafted:
        raise unknown_name("graft on", port, grafted, "the layer")
    return grafted[port]


def _covered(x: np.ndarray, visited: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Whether each place is between two points that followed each other, or that are close."""
    points = np.unique(visited)
    gaps = np.stack([points[:-1], points[1:]], axis=1)
    wide = gaps[:, 1] - gaps[:, 0]
    usual = _REGULAR * np.median(wide) if len(wide) > 1 else 0.0
    near = gaps[wide <= max(_NEAR * (x[-1] - x[0]), usual)]
    spans = np.concatenate([segments, near])
    room = 1e-9 * (x[-1] - x[0])
    starts, ends = np.sort(spans[:, 0]), np.sort(spans[:, 1])
    return np.searchsorted(starts, x + room, "right") > np.searchsorted(ends, x - room, "left")


# -- words -----------------------------------------------------------------------------------------


def _unit(layer: Simulate, name: str) -> str:
    formula = dict(layer.plan.observables).get(name)
    if formula is not None and name not in layer.model.by_id:
        return _unit_of(layer.model, formula)
    return _unit_of(layer.model, name)


def _unit_of(model: Model, name: str) -> str:
    """The unit of an id, a port or a formula; empty where the model does not say it."""
    if name == "time":
        return model.time_unit
    try:
        if name.endswith("'"):
            unit = str(model.unit(amount_of(name[:-1]) if _is_species(model, name[:-1]) else name[:-1]))
            return f"{unit}/{model.time_unit}" if unit and model.time_unit else ""
        if name.startswith("init("):
            return str(model.unit(amount_of(name[5:-1]) if _is_species(model, name[5:-1]) else name[5:-1]))
        if name in model.by_id:
            return str(model.unit(name))
        return str(unit_of_formula(parse_formula(name), model.unit))
    except SbmlHybridError:  # a column of the dataset, or a formula without a unit
        return ""


def _is_species(model: Model, id: str) -> bool:
    return any(s.id == id for s in model.species)


def _labelled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _note(held: Mapping[str, float], layer: Simulate) -> str:
    said = []
    for name, value in list(held.items())[:_NAMED]:
        unit = _unit(layer, name)
        said.append(f"{name} = {value:.3g}" + (f" {unit}" if unit and unit != "dimensionless" else ""))
    more = ", ..." if len(held) > _NAMED else ""
    return f"lines: at {', '.join(said)}{more}" if said else ""


def _middle(law: Any) -> tuple[float, float]:
    if isinstance(law, tuple | list):
        return float(law[0]), float(law[1])
    low, high = law.quantile(np.array(_MIDDLE))
    return float(low), float(high)


def _plain(name: str) -> str:
    """The id of a given parameter as a graft's input."""
    return name.removeprefix("theta:")


def _bare(name: str) -> str:
    return name.removeprefix("column(").removesuffix(")") if name.startswith("column(") else name


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values))
