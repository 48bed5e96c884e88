"""Grafts: networks on the ports of a mechanism."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError, is_number, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.networks import last_layer
from sbml_hybrid.hybrid.plan import column_of, observable_of
from sbml_hybrid.mechanism.families import TIME
from sbml_hybrid.mechanism.field import Answer, Site
from sbml_hybrid.mechanism.model import Model, Parameter, Reaction, Species

MODES = ("scale", "replace", "add")
BEFORE, DURING, AFTER = "before the simulation", "in the right-hand side", "in an observable"
_NUDGE = 1e-4  # of an input's range: the difference quotient of a slope that need not be exact


@dataclass(frozen=True, eq=False)
class Graft:
    """A network on one or more ports of a mechanism.

    The network is all but its last layer. That one is added, one number g for each port, and starts at zero: a graft
    that scales or adds leaves the mechanism as it is until it has learned something. A `bare` network gives g itself.

    Parameters
    ----------
    port
        What it acts on, or several: a reaction ``"R3"`` (its rate, in extent per time), a parameter ``"k1"``, an
        initial amount ``"init(S1)"``, a derivative ``"S1'"``, an observable ``"y1"``.
    network
        A Keras layer or model: inputs (trajectory, input) -> features (trajectory, feature).
    inputs
        What it reads: ids of the model, ``"time"``, ``"theta:k1"`` for a given parameter, ``"self"`` for what the
        model's own formula gives, and names of dataset columns. Species and time come scaled to their range.
    mode
        ``"scale"`` multiplies by exp(g); ``"add"`` adds g, in units of what is typical of the port; ``"replace"``
        forgets the model's own formula. By default derivatives and initial values are added to, and all else is scaled.
    share
        Ports that get the same g, as lists of them: the two directions of one step keep their equilibrium.
    substrate_gate
        For a reaction that is replaced: its rate falls to 0 with each of its reactants.
    fold
        The largest factor of a scale, up and down: g stays within log(fold).
    bare
        Whether the network is taken as it is: inputs in their own units, no last layer, and what it gives are the
        numbers g, in the port's unit. For networks with a structure that a layer behind would break, such as
        `HamiltonianField`; what they begin with is theirs.

    Examples
    --------
    >>> Graft("R3", keras.layers.Dense(16, "tanh"), inputs=["S1", "ATP"]).mode
    'scale'
    """

    port: str | Sequence[str]
    network: Any
    inputs: Sequence[str]
    mode: str | None = None
    share: Sequence[Sequence[str]] = ()
    substrate_gate: bool = False
    fold: float | None = None
    bare: bool = False

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "port", (self.port,) if isinstance(self.port, str) else tuple(self.port))
        keep(self, "inputs", (self.inputs,) if isinstance(self.inputs, str) else tuple(self.inputs))
        keep(self, "share", tuple(tuple(group) for group in self.share))
        if not self.port or not self.inputs:
            raise ValueError("A graft needs one port or more, and one input or more.")
        if not callable(self.network):
            raise ValueError(f"The network of a graft on {self.port[0]} must be a Keras layer, got {self.network!r}.")
        if self.mode is None:
            additive = self.port[0].endswith("'") or self.port[0].startswith("init(")
            keep(self, "mode", "add" if additive else "scale")
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if self.fold is not None and not (is_number(self.fold) and self.fold > 1 and self.mode == "scale"):
            raise ValueError(f"fold bounds a scale and must be above 1, got {self.fold!r} with mode {self.mode!r}.")
        if self.substrate_gate and self.mode != "replace":
            raise ValueError(f"substrate_gate is for mode 'replace', got mode {self.mode!r}.")
        for port in (port for group in self.share for port in group):
            if port not in self.port:
                raise unknown_name("port to share", port, self.port, "the graft")

    @property
    def name(self) -> str:
        """Its ports, in words."""
        return "+".join(self.port)

    @property
    def groups(self) -> np.ndarray:
        """Which number g each port takes (port,)."""
        group_of = {port: f"group {i}" for i, ports in enumerate(self.share) for port in ports}
        keys = [group_of.get(port, port) for port in self.port]
        return np.array([list(dict.fromkeys(keys)).index(key) for key in keys])


@dataclass(frozen=True, eq=False)
class Placed:
    """A graft at its place in a model.

    Parameters
    ----------
    graft
        The graft.
    phase
        When it acts.
    site
        Its place in the right-hand side or among the observables.
    columns
        The dataset columns that it reads.
    gates
        For each port, the species that its rate falls to 0 with.
    """

    graft: Graft
    phase: str
    site: Site
    columns: tuple[str, ...]
    gates: tuple[tuple[str, ...], ...] = ()


def places_of(
    grafts: Iterable[Graft],
    model: Model,
    observables: Iterable[str],
    parameters: Sequence[str],
    controls: Sequence[str] = (),
) -> tuple[Placed, ...]:
    """Return grafts at their places; one before the simulation may read what those before it have set."""
    places: list[Placed] = []
    for graft in grafts:
        made = tuple(port for place in places if place.phase == BEFORE for port in place.graft.port)
        places.append(placed(graft, model, observables, parameters, controls, made))
    return tuple(places)


def placed(
    graft: Graft,
    model: Model,
    observables: Iterable[str],
    parameters: Sequence[str],
    controls: Sequence[str] = (),
    made: Sequence[str] = (),
) -> Placed:
    """Find a graft's place.

    Parameters
    ----------
    graft, model
        The graft, and what it is on.
    observables
        The names of what comes out.
    parameters, controls
        What is given for each trajectory, and for each of its times.
    made
        What earlier grafts set before the simulation.

    Raises
    ------
    UnknownName
        There is no such port, with the closest ones.
    ModelError
        The ports act at different times, or an input is not known when they do.
    """
    observables = tuple(observables)
    moving = {*model.states, *model.laws, *model.assignment_rules, *controls}
    phases = {port: _phase(port, graft, model, observables, moving) for port in graft.port}
    if len(set(phases.values())) > 1:
        told = ", ".join(f"{port} {phase}" for port, phase in phases.items())
        raise ModelError(f"One graft acts at one time, but {told}. Try: a graft for each.")
    phase = phases[graft.port[0]]
    read, columns = [], []
    for name in graft.inputs:
        if name == "self":
            read.append(name)
        elif name == "time":
            read.append(TIME)
        elif name.startswith("theta:"):
            id = name.removeprefix("theta:")
            if id not in parameters:
                raise unknown_name("given parameter", id, parameters, model.source)
            read.append(id)
        elif name in model.by_id:
            read.append(name)
        else:
            columns.append(name)
            read.append(column_of(name))
        if phase == BEFORE and (name in ("time", "self") or name in moving):
            raise ModelError(
                f"{graft.name} is set before the simulation, when {name} of {model.source} is not known. "
                "Try: inputs that stand still, such as dataset columns or theta:k1; or a port in the right-hand side."
            )
        if phase == BEFORE and name in model.by_id and name not in (*parameters, *made):
            raise ModelError(
                f"{graft.name} is set before the simulation from {name} of {model.source}, which is not given for each "
                f"trajectory. Try: parameters=[..., {name!r}] in Simulate, or inputs that are."
            )
    ports = tuple(observable_of(p) if phase == AFTER else p for p in graft.port)
    gates = tuple(_substrates(port, model) for port in graft.port) if graft.substrate_gate else ((),) * len(ports)
    extra = tuple(dict.fromkeys(s for gate in gates for s in gate if s not in read))
    slopes = graft.mode != "scale"
    reads_own = graft.mode != "replace" or "self" in graft.inputs
    site = Site(ports, (*(i for i in read if i != "self"), *extra), slopes, reads_own)
    return Placed(graft, phase, site, tuple(columns), gates)


def _phase(port: str, graft: Graft, model: Model, observables: Sequence[str], moving: Collection[str]) -> str:
    part = model.by_id.get(port)
    if port.startswith("init("):
        return BEFORE
    if port in observables and not isinstance(part, Reaction | Parameter):
        return AFTER
    if port.endswith("'") and port[:-1] in model.states:
        return DURING
    if isinstance(part, Reaction) and port in model.laws:
        return DURING
    if isinstance(part, Parameter) and port not in model.rate_rules and port not in model.event_targets:
        dynamic = any(name in ("time", "self") or name in moving for name in graft.inputs)
        return DURING if dynamic or port in model.assignment_rules else BEFORE
    ports = [*model.laws, *(p.id for p in model.parameters), *(f"{s}'" for s in model.states), *observables]
    raise unknown_name("port", port, [*ports, *(f"init({s.id})" for s in model.species)], model.source)


def _substrates(port: str, model: Model) -> tuple[str, ...]:
    part = model.by_id.get(port)
    if not isinstance(part, Reaction):
        raise ModelError(
            f"{port} of {model.source} is no reaction, so it has no substrates. Try: substrate_gate=False."
        )
    return tuple(dict.fromkeys(p.species for p in part.reactants if isinstance(model.by_id[p.species], Species)))


class Head(keras.layers.Layer):
    """A graft's network with its last layer: inputs as they are -> what happens to the ports.

    Parameters
    ----------
    place
        The graft at its place.
    low, high
        The range of each input (input,).
    typical
        What is typical of each port, in its unit (port,).
    """

    def __init__(self, place: Placed, low: np.ndarray, high: np.ndarray, typical: np.ndarray, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        graft = place.graft
        self.place, self.network = place, graft.network
        self.count = int(graft.groups.max()) + 1
        self.last = None if graft.bare else last_layer(self.network, self.count, dtype=self._network_dtype())
        self._middle, self._half = (low + high) / 2, np.where(high > low, (high - low) / 2, 1.0)
        self._typical = np.where((np.abs(typical) > 0) & (not graft.bare), typical, 1.0)
        self._reads_self = "self" in graft.inputs
        self._read = len(graft.inputs) - self._reads_self

    def _network_dtype(self) -> Any:
        return getattr(self.network, "dtype_policy", None) or self.dtype_policy

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        count = self._read + self._reads_self * len(self.place.graft.port)
        if not self.network.built:
            self.network.build((None, count))
        features = self.network.compute_output_shape((None, count))
        if len(features) != 2:
            raise ModelError(
                f"The network of the graft on {self.place.graft.name} must give (trajectory, feature), but gives "
                f"{features}."
            )
        if self.last is not None:
            self.last.build(features)
        elif features[1] != self.count:
            raise ModelError(
                f"The bare network of the graft on {self.place.graft.name} must give {self.count} numbers, one for "
                f"each port, but gives {features[1]}."
            )
        self.built = True

    def numbers(self, inputs: Any, own: Any, xp: Any) -> Any:
        """Return the numbers g (port, trajectory) for inputs (input, trajectory)."""
        middle, half = (self._column(v[: self._read], inputs, xp) for v in (self._middle, self._half))
        seen = xp.clip((inputs[: self._read] - middle) / half, -_FARTHEST, _FARTHEST)  # a refused step may be anywhere
        if self.last is None:
            seen = middle + half * seen
        if self._reads_self:
            own = xp.stop_gradient(own) / self._column(self._typical, own, xp)
            own = own if self.last is None else xp.clip(own, -_FARTHEST, _FARTHEST)
            seen = xp.concatenate([seen, own], axis=0)
        g = self.network(xp.transpose(xp.cast(seen, self._network_dtype().compute_dtype)))
        g = g if self.last is None else self.last(g)
        g = xp.take(xp.transpose(xp.cast(g, inputs.dtype)), self.place.graft.groups, axis=0)
        if self.place.graft.fold is not None:
            most = float(np.log(self.place.graft.fold))
            g = most * xp.tanh(g / most)
        return g

    def answer(self, own: Any, inputs: Any, slopes: bool, xp: Any) -> Answer:
        """Return the ports' values and slopes; all arrays (port or input, trajectory)."""
        graft = self.place.graft
        if graft.mode == "scale":
            factor = xp.exp(self.numbers(inputs, own, xp))
            return Answer(own * factor, factor)
        value = self._value(own, inputs, xp)
        by_self = xp.ones_like(own) if graft.mode == "add" else xp.zeros_like(own)
        if not slopes:
            return Answer(value, by_self)
        rows = []
        for i in range(inputs.shape[0]):
            by = _NUDGE * self._half[i]
            nudged = xp.concatenate([inputs[:i], inputs[i : i + 1] + by, inputs[i + 1 :]], axis=0)
            rows.append((self._value(own, nudged, xp) - value) / by)
        return Answer(value, by_self, xp.stop_gradient(xp.stack(rows, axis=1)))

    def _value(self, own: Any, inputs: Any, xp: Any) -> Any:
        g = self.numbers(inputs, own, xp) * self._column(self._typical, own, xp)
        return own + g if self.place.graft.mode == "add" else g * self._gate(inputs, xp)

    def _gate(self, inputs: Any, xp: Any) -> Any:
        """For each port, how much of each of its reactants is there: x/(x + a tenth of what is typical)."""
        gates = []
        for needed in self.place.gates:
            gate = xp.ones_like(inputs[:1])
            for id in needed:
                at = self.place.site.inputs.index(id)
                x = inputs[at : at + 1]
                x = xp.where(x < 0, 0.0, x)  # with a slope at 0
                gate = gate * x / (x + 0.1 * float(self._half[at]))
            gates.append(gate)
        return xp.concatenate(gates, axis=0)

    @staticmethod
    def _column(values: np.ndarray, like: Any, xp: Any) -> Any:
        return xp.convert_to_tensor(np.asarray(values, float)[:, None], dtype=like.dtype)


_FARTHEST = 20.0  # half-ranges away: beyond anything that was ever seen
