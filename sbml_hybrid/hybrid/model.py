"""A hybrid as a Keras model: a simulation layer, networks around it, and the likelihood of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.estimates import Estimates, laws_of
from sbml_hybrid.hybrid.feeding import needed_by
from sbml_hybrid.hybrid.keeping import Kept
from sbml_hybrid.hybrid.likelihood import Likelihood
from sbml_hybrid.hybrid.networks import first_kernel, last_layer, with_starts
from sbml_hybrid.hybrid.penalties import Penalty, Recorded
from sbml_hybrid.hybrid.plan import observable_of
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.hybrid.trace import Trace
from sbml_hybrid.hybrid.weighing import DATA_LOSS, Weights
from sbml_hybrid.hybrid.weights import DualAscent, require_whole


@dataclass(frozen=True, eq=False)
class Judged:
    """How good the starts are at some measurements.

    Parameters
    ----------
    total
        The losses (start,).
    data
        Minus the mean log likelihood of what was measured and reached (start,).
    against
        The same, where what was not reached counts against it (start,).
    penalties
        The value of each penalty before its weight (start,), by name.
    unfinished
        Whether a trajectory did not arrive, and whether it counts; both (start, trajectory).
    error, seen
        Of each prediction, 0 where nothing was measured within its limits and reached; and where it was (start,
        trajectory, time, observable).
    """

    total: Any
    data: Any
    against: Any
    penalties: Mapping[str, Any]
    unfinished: tuple[Any, Any]
    error: Any
    seen: Any


class _Scratch:
    """What one call leaves for the loss of the same step."""

    recorded: Recorded | None = None


@keras.saving.register_keras_serializable("sbml_hybrid")
class HybridModel(Kept):
    """Train a mechanism, with networks grafted on it, on measurements.

    The loss is minus the mean log likelihood of what was measured (not NaN) and reached, plus minus the log density of
    the estimated parameters' priors (over the number of measurements, so that the minimum is the likeliest), plus
    penalties and what the networks' regularizers say of their weights. A trajectory that does not arrive within its
    steps counts up to where it came; how many there are is the metric ``unfinished``.

    Parameters
    ----------
    simulate
        The simulation layer.
    estimate
        Parameters and initial values (``init(S1)``) of the layer -> law or (low, high): weights, with one value for all
        trajectories, instead of inputs.
    before
        A Keras layer or model: ``features`` of each trajectory -> numbers, from which a last layer that starts at zero
        makes the layer's remaining parameters: the logarithm of their fold change from the model's own values (the
        difference, where that is not positive). It begins at the model's own values.
    after
        A Keras layer: trajectories (trajectory, time, observable) -> trajectories alike, before any scaling. Its start
        is the user's matter.
    noise
        A noise model of `sh.noise`; None for Gaussian noise with a standard deviation estimated for each observable.
    scaling
        Observables in arbitrary units, whose scale and offset are estimated.
    penalties
        What the hybrid should be like besides near the data.
    starts
        How many trainings run side by side, from start values drawn from the laws and networks of their own
        (`Perceptron`). The loss is the sum over starts; the metrics ``loss_0``, ``loss_1``, ... are minus the mean log
        likelihood of each, in which a measurement that was not reached counts as one that is ten standard deviations
        off, so that no start wins by failing.
    seed
        Where chance starts: start values, batches.

    Raises
    ------
    UnknownName
        Something to estimate or to scale that the layer does not have.
    ValueError
        Several starts with networks that have none, or a setting out of range.
    """

    def __init__(
        self,
        simulate: Simulate,
        *,
        estimate: Mapping[str, Any] | None = None,
        before: Any = None,
        after: Any = None,
        noise: Any = None,
        scaling: Sequence[str] = (),
        penalties: Sequence[Penalty] = (),
        starts: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(simulate, Simulate):
            raise ValueError(f"A hybrid needs a Simulate layer, got {type(simulate).__name__}.")
        kwargs.pop("dtype", None)
        super().__init__(dtype=simulate.compute_dtype, autocast=False, **kwargs)
        require_whole("starts", starts)
        self.starts, self.seed = int(starts), int(seed)
        laws = laws_of(estimate)
        self.needed = needed_by(simulate, laws, before is not None)
        _require_apart(penalties, self.starts)
        simulate = simulate.with_starts(self.starts)
        before, after = (
            None if network is None else with_starts(network, self.starts, name)
            for name, network in (("before", before), ("after", after))
        )
        simulate.build()
        self.simulate, self.before, self.after, self.noise = simulate, before, after, noise
        self._predicted = tuple(p for p in simulate.parameters if p not in laws) if before is not None else ()
        if before is not None and not self._predicted:
            raise ValueError(
                "The network in front makes the layer's parameters, and all are estimated or none is there. Try: "
                "parameters= in Simulate with what it should make."
            )
        common = {"starts": self.starts, "dtype": simulate.compute_dtype}
        self.estimated = Estimates(laws, self.needed.own, seed=self.seed, name="estimated", **common)
        ranges = simulate.ranges
        typical = [ranges.get(f"typical {observable_of(n)}", (0.0, 1.0))[1] for n in simulate.observables]
        self.likelihood = Likelihood(simulate.observables, noise, scaling, typical, name="likelihood", **common)
        self.penalties = Weights(tuple(penalties))
        self.to_parameters = None if before is None else last_layer(before, len(self._predicted), name="to_parameters")
        if after is not None:
            after(keras.Input((None, len(simulate.observables)), dtype=simulate.compute_dtype))  # makes its weights
        self._feature_shape: tuple[int, ...] | None = None
        self.horizon = self._kept("horizon", (), np.inf)
        self.start_losses = self._kept("start_losses", (self.starts,), np.nan)
        self._reduced = _Scratch()
        self._reduced.simulate = simulate.without() if self.penalties.needs_reduced else None
        self._scratch = _Scratch()
        self._metrics_of()
        self.built = True

    def _kept(self, name: str, shape: tuple[int, ...], value: float) -> Any:
        start = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=shape, initializer=start, trainable=False, dtype=self.compute_dtype)

    def _metrics_of(self) -> None:
        mean = keras.metrics.Mean
        self.unfinished = mean("unfinished")
        self.rmse = keras.metrics.RootMeanSquaredError("rmse")
        extra = [*self.penalties.names, *([f"loss_{i}" for i in range(self.starts)] if self.starts > 1 else [])]
        if self.penalties.names or self.estimated.has_density:
            extra.insert(0, DATA_LOSS)
        self.extra_metrics = {name: mean(name) for name in extra}

    # -- computing ---------------------------------------------------------------------------------

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Predict what is measured.

        Parameters
        ----------
        inputs
            As `Simulate.call` takes them, without what is estimated, and ``features`` where a network is in front.
        training
            False for no gradient.

        Returns
        -------
        array (trajectory, time, observable)
            In the measurements' units; with several starts (trajectory, start, time, observable). NaN where a
            trajectory did not arrive.
        """
        ops = keras.ops
        self.prepare(inputs)
        tiled = {key: self._tiled(inputs[key]) for key in self.needed.keys}
        given = self._given(tiled)
        values, trace = self.simulate.run(given, training)
        values, reached = self._seen(values, trace, self.after)
        recorded = Recorded(trace, values)
        if self._reduced.simulate is not None:
            reduced, other = self._reduced.simulate.run(given, training)
            recorded = replace(recorded, reduced=self._seen(reduced, other, None)[0], reduced_reached=other.reached)
        self._scratch.recorded = recorded
        answer = ops.where(reached, values, np.nan)
        answer = ops.reshape(answer, (self.starts, -1, *ops.shape(answer)[1:]))
        return answer[0] if self.starts == 1 else ops.moveaxis(answer, 0, 1)

    def _seen(self, values: Any, trace: Trace, after: Any) -> tuple[Any, Any]:
        """What is read off trajectories (start and trajectory, time, observable), finite, and where it is right."""
        ops = keras.ops
        reached = ops.logical_and(ops.cast(trace.reached, "bool")[:, :, None], ops.isfinite(values))
        values = ops.where(reached, values, 0.0)
        if after is not None:
            shape = values.shape
            values = ops.cast(after(values), self.compute_dtype)
            if values.shape[1:] != shape[1:]:
                raise ValueError(f"after must give (trajectory, time, observable) = {shape}, but gives {values.shape}.")
        by_start = self.likelihood.read(ops.reshape(values, (self.starts, -1, *ops.shape(values)[1:])))
        return ops.reshape(by_start, (-1, *ops.shape(values)[1:])), reached

    def _tiled(self, values: Any) -> Any:
        values = keras.ops.convert_to_tensor(values)
        if self.starts == 1:
            return values
        return keras.ops.tile(values, (self.starts, *(1,) * (len(values.shape) - 1)))

    def _given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The simulation layer's inputs (start and trajectory, ...)."""
        ops, needed = keras.ops, self.needed
        by_start = ops.reshape(ops.zeros_like(ops.cast(inputs["times"][:, 0], self.compute_dtype)), (self.starts, -1))
        found = {n: ops.reshape(v[:, None] + by_start, (-1,)) for n, v in self.estimated.values().items()}
        for key in ("parameters", "initial"):
            names = [n if key == "parameters" else f"init({n})" for n in needed.named.get(key, ())]
            found |= {name: ops.cast(inputs[key][:, i], self.compute_dtype) for i, name in enumerate(names)}
        if self.before is not None:
            numbers = ops.cast(self.to_parameters(self.before(inputs["features"])), self.compute_dtype)
            for i, name in enumerate(self._predicted):
                own = needed.own[name]
                found[name] = own * ops.exp(numbers[:, i]) if own > 0 else own + numbers[:, i]
        given = {key: inputs[key] for key in ("times", "controls", "doses", *needed.columns) if key in inputs}
        names = {"parameters": self.simulate.parameters, "initial": [f"init({s})" for s in self.simulate.initial]}
        return given | {key: ops.stack([found[n] for n in some], axis=1) for key, some in names.items() if some}

    def prepare(self, inputs: Mapping[str, Any]) -> None:
        """Make the weights of the network in front, once the features' shape is known."""
        if self.before is not None and self._feature_shape is None:
            self._build_before(inputs["features"].shape[1:])

    def _build_before(self, shape: Sequence[int]) -> None:
        shape = (None, *shape)
        if not self.before.built:
            self.before.build(shape)
        self.to_parameters.build(self.before.compute_output_shape(shape))
        self._feature_shape = tuple(shape[1:])

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss, and tell the metrics."""
        ops = keras.ops
        found = self.judged(x, y, y_pred, sample_weight, training)
        self._tell(found)
        # A start that has failed leaves the others alone.
        return found.total[0] if self.starts == 1 else ops.sum(ops.where(ops.isfinite(found.total), found.total, 0.0))

    def judged(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = False) -> Judged:
        """Return how good each start is at inputs and target, given what `call` said; in training up to the horizon."""
        ops = keras.ops
        values = y_pred[None] if self.starts == 1 else ops.moveaxis(y_pred, 1, 0)
        target = ops.cast(ops.convert_to_tensor(y), values.dtype)[None]
        times = ops.cast(ops.convert_to_tensor(x["times"]), values.dtype)[None, :, :, None]
        measured = ops.logical_not(ops.isnan(target))
        counted = ops.any(measured, axis=(0, 2, 3))  # what fills up a batch has no measurement
        if training:
            measured = ops.logical_and(measured, ops.logical_not(times > self.horizon))
        reached = ops.logical_not(ops.isnan(values))
        there = ops.logical_and(measured, reached)
        codes = ops.cast(ops.convert_to_tensor(x["censored"]), values.dtype)[None] if "censored" in x else None
        density = self.likelihood.log_density(target, values, there, codes)
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, values.dtype)[None, :, None, None]
        count = ops.sum(ops.cast(there, values.dtype), axis=(1, 2, 3))
        data = -ops.sum(weight * density, axis=(1, 2, 3)) / ops.maximum(count, 1.0)
        total = data + self.estimated.against() / ops.maximum(self.likelihood.measurements, ops.maximum(count, 1.0))
        seen = there if codes is None else ops.logical_and(there, codes == 0)
        penalty, penalties = self._penalty()
        missed = ops.cast(ops.logical_and(measured, ops.logical_not(there)), density.dtype)
        against = ops.sum(missed * self.likelihood.worst() - density, axis=(1, 2, 3))
        arrived = ops.all(ops.logical_or(reached, ops.isnan(times)), axis=(2, 3))
        return Judged(
            total=total + penalty + self._regularization(),
            data=data,
            against=against / ops.maximum(ops.sum(ops.cast(measured, density.dtype)), 1.0),
            penalties=penalties,
            unfinished=(1.0 - ops.cast(arrived, "float32"), _like(counted[None], arrived)),
            error=ops.where(seen, values - ops.where(seen, target, 0.0), 0.0),
            seen=seen,
        )

    def _tell(self, found: Judged) -> None:
        """Tell the metrics."""
        self.unfinished.update_state(*found.unfinished)
        error, some = (keras.ops.reshape(p, (-1, 1)) for p in (found.error, _like(found.seen, found.error)))
        self.rmse.update_state(keras.ops.zeros_like(error), error, some[:, 0])
        if DATA_LOSS in self.extra_metrics:
            self.extra_metrics[DATA_LOSS].update_state(found.data)
        for name, values in found.penalties.items():
            self.extra_metrics[name].update_state(values)
        for start in range(self.starts if self.starts > 1 else 0):
            self.extra_metrics[f"loss_{start}"].update_state(found.against[start])

    def _penalty(self) -> tuple[Any, dict[str, Any]]:
        """The weighted penalties of each start (start,), and each penalty's values (start,) by name."""
        ops, recorded = keras.ops, self._scratch.recorded
        self._scratch.recorded = None
        if not self.penalties.names:
            return 0.0, {}
        found = [self.penalties.total(self._of_start(recorded, start)) for start in range(self.starts)]
        each = {name: ops.stack([values[name] for _, values in found]) for name in self.penalties.names}
        return ops.stack([total for total, _ in found]), each

    def _regularization(self) -> Any:
        """What the networks' own regularizers say of the weights of each start (start,)."""
        ops, total = keras.ops, keras.ops.zeros((self.starts,), self.compute_dtype)
        for variable in self.trainable_variables:
            if variable.regularizer is not None:
                rows = ops.convert_to_tensor(variable)
                each = [variable.regularizer(rows[i] if self.starts > 1 else rows) for i in range(self.starts)]
                total = total + ops.cast(ops.stack(each), total.dtype)
        return total

    def _of_start(self, recorded: Recorded, start: int) -> Recorded:
        def mine(values: Any) -> Any:
            if values is None or self.starts == 1:
                return values
            return keras.ops.reshape(values, (self.starts, -1, *keras.ops.shape(values)[1:]))[start]

        trace = recorded.trace
        names = ("own", "value", "reached", "parameters")
        heads = zip(self.simulate.places, self.simulate.heads, strict=True)
        kernels = {port: first_kernel(h.network, start) for place, h in heads for port in place.graft.port}
        return Recorded(
            trace=replace(trace, **{name: mine(getattr(trace, name)) for name in names}),
            prediction=mine(recorded.prediction),
            reduced=mine(recorded.reduced),
            reduced_reached=mine(recorded.reduced_reached),
            parameter_names=self.simulate.parameters,
            kernels={port: kernel for port, kernel in kernels.items() if kernel is not None},
        )

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return what the loss told the metrics."""
        return self.get_metrics_result()


def _like(mask: Any, like: Any) -> Any:
    return keras.ops.broadcast_to(keras.ops.cast(mask, "float32"), keras.ops.shape(like))


def _require_apart(penalties: Sequence[Penalty], starts: int) -> None:
    for penalty in penalties:
        if starts > 1 and isinstance(penalty.weight, DualAscent):
            raise ValueError(
                f"The weight of {penalty.name} follows one hybrid, and there are {starts} starts. Try: starts=1."
            )
