"""A mechanism as a Keras layer: parameters, initial values and controls in, trajectories out, with gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sbml_hybrid.errors import ModelError, is_number, unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.accuracy import Accuracy, measured, reference
from sbml_hybrid.hybrid.adjoint import with_gradient
from sbml_hybrid.hybrid.copies import described
from sbml_hybrid.hybrid.differentiation import finite_gradient
from sbml_hybrid.hybrid.grafts import BEFORE, DURING, Graft, Head, Placed, places_of
from sbml_hybrid.hybrid.integration import Schedule, Tolerance, find
from sbml_hybrid.hybrid.networks import with_starts
from sbml_hybrid.hybrid.plan import Plan, observable_of
from sbml_hybrid.hybrid.ranges import ranges_of
from sbml_hybrid.hybrid.steps import DormandPrince, Rosenbrock, System
from sbml_hybrid.hybrid.stops import stops_of
from sbml_hybrid.hybrid.trace import Trace
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.field import own
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.reader import load

_PRECISE = {"float64": 1e-10, "float32": 1e-5}


@keras.saving.register_keras_serializable("sbml_hybrid")
class Simulate(keras.layers.Layer):
    """Simulate a model, for every trajectory of a batch with parameters of its own.

    The layer integrates amounts, so that conserved moieties hold whatever networks do to the rates. Each trajectory has
    steps of its own, as short as its error asks for. Gradients go through parameters, initial values, controls, doses
    and the weights of networks.

    Parameters
    ----------
    model
        The model.
    grafts
        Networks on its ports.
    end
        The last time that will be asked for, in the model's time unit.
    parameters
        Quantities given for each trajectory, by id; the others keep the model's values.
    initial
        Species whose initial amounts are given (rate-rule parameters: values).
    controls
        Parameters and boundary species that are held, from each time to the next, at given values, in the meaning that
        formulas give them.
    doses
        Species of which amounts are added at given times.
    observables
        Ids or formulas, or name -> formula, of what comes out; by default every state that changes.
    tolerance
        The largest error, in units of each state's range. The layer chooses its steps so that draws from the prior keep
        it, as libroadrunner tells; `accuracy` says what was reached.
    steps
        How many steps a trajectory may take; by default half as many again as the draws needed.
    prior
        Laws of the parameters, by name, to measure with: by default 1.5-fold around the model's own values.
    precision
        ``"float64"`` or ``"float32"``: what the mechanism is computed in.

    Raises
    ------
    UnknownName
        A name that the model does not have, with the closest ones.
    ModelError
        The state triggers an event, a graft acts before its inputs are known, or a rule determines what is given.
    """

    def __init__(
        self,
        model: Model,
        grafts: Iterable[Graft] = (),
        *,
        end: float,
        parameters: Iterable[str] = (),
        initial: Iterable[str] = (),
        controls: Iterable[str] = (),
        doses: Iterable[str] = (),
        observables: Iterable[str] | Mapping[str, str] | None = None,
        tolerance: float = 1e-3,
        steps: int | None = None,
        prior: Mapping[str, Any] | None = None,
        precision: str = "float64",
        accuracy: Accuracy | None = None,
        ranges: Mapping[str, Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=precision, autocast=False, **kwargs)
        if not is_number(end) or end <= 0:
            raise ValueError(f"end must be a time above 0, got {end!r}.")
        if not is_number(tolerance) or not 0 < tolerance < 1:
            raise ValueError(f"tolerance must be between 0 and 1, in units of each state's range, got {tolerance!r}.")
        _require_precision(precision)
        self.model, self.grafts = model, tuple(grafts)
        parameters, initial, controls, doses = map(_listed, (parameters, initial, controls, doses))
        names = _named(observables, model)
        self.places = places_of(self.grafts, model, names, parameters, controls)
        _require_one_each(self.places)
        before = tuple(p for place in self.places if place.phase == BEFORE for p in place.graft.port)
        base = Plan(
            model=model,
            end=float(end),
            parameters=tuple(dict.fromkeys((*parameters, *(p for p in before if not p.startswith("init("))))),
            initial=tuple(dict.fromkeys((*initial, *(p[5:-1] for p in before if p.startswith("init("))))),
            controls=controls,
            doses=doses,
            observables=names,
        )
        self.parameters, self.initial = parameters, initial
        self.plan = replace(
            base,
            sites=tuple(place.site for place in self.places if place.phase != BEFORE),
            columns=tuple(dict.fromkeys(c for place in self.places for c in place.columns)),
        )
        if accuracy is None:
            exact = reference(base, prior)
            accuracy = measured(base, exact, tolerance, steps, _PRECISE[precision])
            ranges = ranges_of(self.places, base, accuracy, exact)
        self.accuracy, self.ranges = accuracy, dict(ranges or {})
        self._field = self.plan.field(accuracy.signed)
        self._readout = self.plan.readout(accuracy.signed)
        self._method = Rosenbrock(self._field) if accuracy.method == "ROS34PW2" else DormandPrince()
        self.heads = [self._head(place, i) for i, place in enumerate(self.places)]

    # -- making ------------------------------------------------------------------------------------

    def _head(self, place: Placed, number: int) -> Head:
        low, high = (np.array([self.ranges.get(i, (-1.0, 1.0))[k] for i in place.site.inputs]) for k in (0, 1))
        typical = np.array([self.ranges.get(f"typical {p}", (1.0, 1.0))[1] for p in place.site.ports])
        return Head(place, low, high, typical, dtype=self.dtype_policy, name=f"graft_{number}")

    def build(self, input_shape: Any = None) -> None:
        """Make the networks' weights."""
        for head in self.heads:
            if not head.built:
                head.build()
        self.built = True

    @property
    def observables(self) -> tuple[str, ...]:
        """The names of what comes out, in order."""
        return tuple(self.plan.observables)

    def without(self, *ports: str) -> Simulate:
        """Return the layer without the grafts on these ports, or without any; it shares the other grafts' weights."""
        known = [port for graft in self.grafts for port in graft.port]
        for port in ports:
            if port not in known:
                raise unknown_name("graft on", port, known, "the layer")
        kept = [i for i, g in enumerate(self.grafts) if ports and not set(ports) & set(g.port)]
        settings = self.settings() | {"accuracy": self.accuracy, "ranges": self.ranges}
        reduced = Simulate(self.model, [self.grafts[i] for i in kept], **settings)
        reduced.heads = [self.heads[i] for i in kept]
        return reduced

    def with_starts(self, starts: int) -> Simulate:
        """Return the layer with fresh networks of so many starts each: itself, if it has them; see `Perceptron`."""
        fresh: dict[int, Any] = {}
        for graft in self.grafts:
            if id(graft.network) not in fresh:
                fresh[id(graft.network)] = with_starts(graft.network, starts, f"that of the graft on {graft.name}")
        if all(network is graft.network for graft in self.grafts for network in [fresh[id(graft.network)]]):
            return self
        grafts = [replace(graft, network=fresh[id(graft.network)]) for graft in self.grafts]
        return Simulate(self.model, grafts, **self.settings(), accuracy=self.accuracy, ranges=self.ranges)

    def settings(self) -> dict[str, Any]:
        """Return what the layer was made with, besides the model, the grafts and what was measured."""
        return {
            "end": self.plan.end,
            "parameters": self.parameters,
            "initial": self.initial,
            "controls": self.plan.controls,
            "doses": self.plan.doses,
            "observables": dict(self.plan.observables),
            "tolerance": self.accuracy.tolerance,
            "precision": self.compute_dtype,
        }

    def get_config(self) -> dict[str, Any]:
        """Return all that makes the layer again."""
        networks, grafts = described(self.grafts)
        return {
            **super().get_config(),
            "sbml": self.model.sbml,
            "networks": [keras.saving.serialize_keras_object(network) for network in networks],
            "grafts": grafts,
            **self.settings(),
            "accuracy": dataclasses.asdict(self.accuracy),
            "ranges": {k: list(v) for k, v in self.ranges.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Simulate:
        """Return the layer that `get_config` described."""
        config = dict(config)
        config.pop("dtype", None)
        networks = [keras.saving.deserialize_keras_object(said) for said in config.pop("networks")]
        grafts = [Graft(**{**said, "network": networks[said["network"]]}) for said in config.pop("grafts")]
        accuracy = config.pop("accuracy")
        accuracy = Accuracy(**{**accuracy, "ranges": tuple(accuracy["ranges"]), "signed": tuple(accuracy["signed"])})
        model = load(config.pop("sbml"))
        return cls(model, grafts, accuracy=accuracy, **config)

    def compute_output_spec(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Return the shape of what comes out (trajectory, time, observable)."""
        return keras.KerasTensor((*inputs["times"].shape[:2], len(self.observables)), dtype=self.compute_dtype)

    # -- simulating --------------------------------------------------------------------------------

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Simulate.

        Parameters
        ----------
        inputs
            ``times`` (trajectory, time), not decreasing; and what the layer was told is given: ``parameters``
            (trajectory, parameter), ``initial`` (trajectory, species), ``controls`` (trajectory, time, control),
            ``doses`` (trajectory, time, species), and dataset columns by name (trajectory,). NaN behind the last time
            of a trajectory is no time; with events, one behind `end` is none either.
        training
            False for no gradient, which is faster.

        Returns
        -------
        array (trajectory, time, observable)
            With a Keras mask (trajectory, time): where a trajectory did not arrive, the last values it had.
        """
        return self.run(inputs, training)[0]

    def run(self, inputs: Mapping[str, Any], training: bool | None = None) -> tuple[Any, Trace]:
        """Simulate, and return also the `Trace` of the grafted ports; the arguments are those of `call`."""
        xp = Arrays(keras.ops)
        inputs = {name: xp.cast(xp.convert_to_tensor(value), self.compute_dtype) for name, value in inputs.items()}
        given = xp.logical_not(xp.isnan(inputs["times"]))
        if np.isfinite(self.plan.last):
            given = xp.logical_and(given, inputs["times"] <= self.plan.last)
        times = xp.where(given, inputs["times"], -1.0)
        times = xp.where(given, times, xp.max(times, axis=1, keepdims=True))
        varied, start, held = self._start(inputs, times, xp)
        weights = tuple(
            v
            for place, head in zip(self.places, self.heads, strict=True)
            if place.phase == DURING
            for v in head.variables
        )
        system = System(self._field, xp, self._field.context(held, xp), self.learned(self._field, xp), weights)
        controls, doses = self._held(inputs, given, xp)
        stops = stops_of(self.plan, varied, times, controls, doses, xp)
        ranges = xp.convert_to_tensor(np.array(self.accuracy.ranges)[:, None], dtype=times.dtype)
        tolerance = Tolerance(ranges * (self._method.floor * self.accuracy.local), self.accuracy.local)
        states, count = self._states(system, start, stops.schedule, tolerance, training is not False)
        reached = xp.logical_and(stops.reached(count, xp.shape(times)[1], xp), given)
        values, trace = self._read(stops.pick(states, xp), times, controls, held, reached, varied, xp)
        keras.src.backend.set_keras_mask(values, reached)
        return values, trace

    def _held(self, inputs: Mapping[str, Any], given: Any, xp: Any) -> tuple[Any, Any]:
        """The controls and doses at the times: behind the last, where they may be NaN, as there, and none."""
        controls, doses = None, None
        if self.plan.controls:
            last = xp.sum(xp.cast(given, "int32"), axis=1, keepdims=True) - 1
            at = xp.minimum(xp.arange(xp.shape(given)[1], dtype="int32")[None], xp.maximum(last, 0))
            controls = xp.take_along_axis(inputs["controls"], at[:, :, None], axis=1)
        if self.plan.doses and "doses" in inputs:
            doses = xp.where(given[:, :, None], inputs["doses"], 0.0)
        return controls, doses

    def _states(self, system: System, start: Any, schedule: Schedule, tolerance: Tolerance, trains: bool) -> Any:
        """The states at the stops, with a gradient if one is wanted, and how many of them each trajectory reached."""
        xp = system.xp
        weights = [(variable, xp.stop_gradient(variable.value)) for variable in system.variables]
        with keras.StatelessScope(state_mapping=weights):
            course = find(
                replace(system, context=xp.stop_gradient(system.context)),
                self._method,
                xp.stop_gradient(start),
                schedule.still(xp),
                tolerance,
                self.accuracy.steps,
                keeps_path=trains,
            )
        states = with_gradient(system, self._method, start, schedule, course) if trains else course.states
        return states, course.reached

    def _start(self, inputs: Mapping[str, Any], times: Any, xp: Any) -> tuple[Varied, Any, Any]:
        """The varied quantities by name, the states at the start, and the rows that a field is given."""
        like = times[:, 0]
        taken = {"parameters": self.parameters, "initial": tuple(f"init({s})" for s in self.initial)}
        names = [name for some in taken.values() for name in some]
        parts = [xp.transpose(inputs[key]) for key, some in taken.items() if some]
        values = Varied(names, xp.concatenate(parts, axis=0) if parts else like[None][:0])
        own_values = self.own_start()
        for place, head in zip(self.places, self.heads, strict=True):
            if place.phase == BEFORE:
                mine = [values[p] if p in values else own_values[p] + xp.zeros_like(like) for p in place.graft.port]
                read = [values[i] if i in values else inputs[_column(i)] for i in place.site.inputs]
                answer = head.answer(xp.stack(mine, axis=0), xp.stack(read, axis=0), False, xp)
                values = values.replaced(place.graft.port, answer.values, xp)
        start, held = self.plan.start(values, like, xp)
        columns = [xp.reshape(inputs[c], (1, -1)) for c in self.plan.columns]
        return values, start, xp.concatenate([held, *columns], axis=0)

    def own_start(self) -> dict[str, float]:
        """Return the model's own values of the ports that are set before the simulation."""
        from sbml_hybrid.mechanism.initial import InitialValues
        from sbml_hybrid.simulation.priors.quantities import own_value

        ports = [p for place in self.places if place.phase == BEFORE for p in place.graft.port]
        values = InitialValues(self.model)
        return {port: float(own_value(self.model, values, port)) for port in ports}

    def learned(self, field: Any, xp: Any) -> Any:
        """Return what answers at the sites of a field with the layer's networks."""
        heads = {place.site: head for place, head in zip(self.places, self.heads, strict=True)}

        def answer(number: int, own_values: Any, inputs: Any, slopes: bool) -> Any:
            return heads[field.sites[number]].answer(own_values, inputs, slopes, xp)

        return answer

    def _read(
        self, states: Any, times: Any, controls: Any, held: Any, reached: Any, varied: Varied, xp: Any
    ) -> tuple[Any, Trace]:
        """What was asked for, and the trace, at the times: all points as if each was a trajectory."""
        count, time = xp.shape(times)[1], xp.reshape(times, (1, -1))

        def flat(values: Any) -> Any:
            """From (trajectory, time, quantity) to (quantity, point)."""
            if values is None:
                return None
            return finite_gradient(xp.transpose(xp.reshape(values, (-1, values.shape[2]))), xp)

        given = flat(xp.repeat(xp.transpose(held)[:, None], count, axis=1)) if self.plan.given else time[:0]
        context = self._readout.context(given, xp)
        point = self._readout.at(flat(states), context, flat(controls), time, time, xp, self.learned(self._readout, xp))

        def rows(names: Sequence[str]) -> Any:
            if not names:
                return xp.zeros_like(times)[:, :, None][:, :, :0]
            found = xp.take(point.rows, np.array([self._readout.row_of[n] for n in names], dtype=int), axis=0)
            return xp.transpose(xp.reshape(found, (len(names), -1, count)), (1, 2, 0))

        values = rows([observable_of(name) for name in self.observables])
        moving = [place for place in self.places if place.phase != BEFORE]
        ports = [port for place in moving for port in place.site.ports]
        trace = Trace(
            ports=tuple(port for place in moving for port in place.graft.port),
            modes=tuple(place.graft.mode for place in moving for _ in place.graft.port),
            own=rows([own(p) for p in ports]),
            value=rows(ports),
            reached=xp.cast(reached, values.dtype),
            parameters=xp.transpose(varied.together(self.parameters, xp)) if self.parameters else None,
        )
        return values, trace


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _column(name: str) -> str:
    return name.removeprefix("column(").removesuffix(")")


def _named(observables: Iterable[str] | Mapping[str, str] | None, model: Model) -> dict[str, str]:
    if observables is None:
        observables = model.states
    if isinstance(observables, Mapping):
        return dict(observables)
    return {name: name for name in _listed(observables)}


def _require_one_each(places: Sequence[Placed]) -> None:
    seen: dict[str, None] = {}
    for port in (port for place in places for port in place.graft.port):
        if port in seen:
            raise ModelError(f"Two grafts act on {port}. Try: one network with the inputs of both.")
        seen[port] = None


def _require_precision(precision: str) -> None:
    if precision not in _PRECISE:
        raise ValueError(f"precision must be float64 or float32, got {precision!r}.")
    if precision == "float64" and keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_enable_x64:
            raise ModelError(
                'JAX computes in float32 unless it is told otherwise. Try: jax.config.update("jax_enable_x64", True) '
                'before anything else, or precision="float32".'
            )
