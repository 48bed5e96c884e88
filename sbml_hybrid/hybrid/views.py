"""Pictures of hybrids: what their networks learned, where they act, and what was estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sbml_hybrid.errors import DataError, SbmlHybridError, unknown_name
from sbml_hybrid.hybrid.grafts import AFTER, BEFORE
from sbml_hybrid.hybrid.plan import observable_of
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.hybrid.visits import Before, During, covered, numpy_of, place_of, plain
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
    places = [place_of(layer, port) for layer in layers]
    benches = [
        (Before if place.phase == BEFORE else During)(layer, place, port, one)
        for layer, place, one in zip(layers, places, given, strict=True)
    ]
    against = benches[0].default() if against is None else against
    held = dict(at or {})
    for name in (against, *held):
        benches[0].require(name)
    against, held = plain(against), {plain(name): value for name, value in held.items()}
    shown = [n for n in dict.fromkeys((*map(plain, benches[0].concerned), *held)) if n != against]
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
        covered(x, visited, segments),
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
    own_values, used, reached = (numpy_of(x)[0] for x in (trace.own, trace.value, trace.reached))
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
