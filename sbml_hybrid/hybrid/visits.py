"""Where trajectories of a hybrid went, and what the laws of its ports are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sbml_hybrid.errors import DataError, ModelError, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.grafts import AFTER, BEFORE, Placed
from sbml_hybrid.hybrid.plan import Plan, column_of, observable_of
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.field import own
from sbml_hybrid.mechanism.kinetics import names
from sbml_hybrid.mechanism.odes import amount_of

if TYPE_CHECKING:
    pass


_NEAR = 0.1  # of the range: what lies between visited points closer than this counts as visited
_REGULAR = 3.0  # or closer than that many times the usual distance, of a few values
Inputs = Mapping[str, Any]


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
        steered = np.zeros((*times.shape, 0)) if controls is None else numpy_of(controls)
        self.seen = _Seen(numpy_of(states), numpy_of(times), steered, numpy_of(held), numpy_of(reached) > 0)
        return super()._read(states, times, controls, held, reached, varied, xp)


class During:
    """The laws of a port in the right-hand side or among the observables.

    A point is a column of numbers: the states, what is held, the controls, the time.
    """

    def __init__(self, layer: Simulate, place: Placed, port: str, inputs: Inputs) -> None:
        self.layer, self.place, self.port = layer, place, port
        self.id = observable_of(port) if place.phase == AFTER else port
        settings = layer.settings() | {"accuracy": layer.accuracy, "ranges": layer.ranges}
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
        self.variables = (*plan.odes.variables, *plan.given, *plan.controls, "time")

    @property
    def concerned(self) -> list[str]:
        """What both laws depend on that can be varied: the graft's inputs, and the states in the model's own law."""
        model = self.layer.model
        law = names(model.laws[self.port]) if self.port in model.laws else frozenset()
        read = [name for name in self.place.graft.inputs if name != "self"]
        return [*read, *(s for s in self.layer.plan.odes.states if s in law and s not in read)]

    def default(self) -> str:
        """Return the quantity that laws are drawn against unless somebody says another."""
        found = [name for name in self.concerned if self._row(name) is not None]
        return found[0] if found else "time"

    def require(self, name: str) -> None:
        """Refuse, by name, a quantity that nothing can be drawn against."""
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
        name = plain(name)
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
        """Return what a quantity is worth at a point; None where it follows from others."""
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
        ends = np.cumsum([len(plan.odes.variables), len(plan.given), len(plan.controls)])
        states, held, controls, time = (
            xp.convert_to_tensor(part.astype(dtype), dtype=dtype) for part in np.split(points, ends)
        )
        context = field.context(held if plan.given else time[:0], xp)
        at = field.at(states, context, controls, time, time, xp, self.layer.learned(field, xp))
        rows = numpy_of(at.rows)
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


class Before:
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
        own_values = layer.own_start()
        like = given["times"][:, 0]
        for earlier, head in zip(layer.places[: before + 1], layer.heads, strict=False):
            if earlier.phase != BEFORE:
                continue
            mine = xp.stack([values.get(p, own_values[p] + xp.zeros_like(like)) for p in earlier.graft.port], axis=0)
            read = [values[i] if i in values else given[bare(i)] for i in earlier.site.inputs]
            read = xp.stack(read, axis=0)
            if earlier is not place:
                answer = head.answer(mine, read, False, xp)
                values |= {p: answer.values[i] for i, p in enumerate(earlier.graft.port)}
        self.head = layer.heads[before]
        self.points = np.concatenate([numpy_of(mine), numpy_of(read)])
        self.variables = [*place.graft.port, *(bare(i) for i in place.site.inputs)]

    @property
    def concerned(self) -> list[str]:
        """What the laws depend on."""
        return self.variables[len(self.place.graft.port) :]

    def default(self) -> str:
        """Return the quantity that laws are drawn against unless somebody says another."""
        return self.concerned[0]

    def require(self, name: str) -> None:
        """Refuse, by name, a quantity that nothing can be drawn against."""
        if plain(name) not in self.variables:
            raise unknown_name(
                "quantity to draw against", name, self.concerned, f"the graft on {self.place.graft.name}"
            )

    def put(self, points: np.ndarray, name: str, values: np.ndarray) -> np.ndarray:
        """Return the points with one quantity at other values."""
        points = points.copy()
        points[self.variables.index(name)] = values
        return points

    def worth(self, point: np.ndarray, name: str) -> float | None:
        """Return what a quantity is worth at a point; None where it follows from others."""
        return float(point[self.variables.index(name)])

    def laws(self, points: np.ndarray, name: str) -> dict[str, np.ndarray]:
        """Return the quantity, and the port's own and used values, at points."""
        xp, count = Arrays(keras.ops), len(self.place.graft.port)
        mine, read = (
            xp.convert_to_tensor(part, dtype=self.layer.compute_dtype) for part in (points[:count], points[count:])
        )
        row = self.place.graft.port.index(self.port)
        value = numpy_of(self.head.answer(mine, read, False, xp).values)[row]
        x = points[self.variables.index(name)]
        return {"x": x, "own": points[row], "value": value}

    def passed(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return from where to where trajectories passed a quantity (segment, 2)."""
        return np.stack([x, x], axis=1)


_LOOKED_AT = "what is looked at"


def place_of(layer: Simulate, port: str) -> Placed:
    """Return the graft on a port, at its place."""
    grafted = {p: place for place in layer.places for p in place.graft.port}
    if port not in grafted:
        raise unknown_name("graft on", port, grafted, "the layer")
    return grafted[port]


def covered(x: np.ndarray, visited: np.ndarray, segments: np.ndarray) -> np.ndarray:
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


def plain(name: str) -> str:
    """The id of a given parameter as a graft's input."""
    return name.removeprefix("theta:")


def bare(name: str) -> str:
    """Return the name of a dataset column as the user says it."""
    return name.removeprefix("column(").removesuffix(")") if name.startswith("column(") else name


def numpy_of(values: Any) -> np.ndarray:
    """Return a tensor as a NumPy array."""
    return np.asarray(keras.ops.convert_to_numpy(values))
