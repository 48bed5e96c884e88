"""The network of `Hybrid`: it reads a history, and a simulation goes from there through the horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.forecasting.networks.gru import GRU
from sbml_hybrid.forecasting.networks.network import dense
from sbml_hybrid.hybrid.assimilation import Assimilation
from sbml_hybrid.hybrid.networks import first_kernel
from sbml_hybrid.hybrid.penalties import Penalty, Recorded
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.hybrid.weighing import DATA_LOSS, Weights
from sbml_hybrid.mechanism.arrays import Arrays

_MISSED = 9.0  # what a measurement costs that was not reached: three standard deviations off


class _Scratch:
    """What one call leaves for the loss of the same step."""

    recorded: Recorded | None = None


class Assimilated(keras.Model):
    """Forecast by simulating with what a network reads from the history.

    The loss is the mean squared error, in standard deviations of each channel, over what was measured in history and
    horizon: minus the log likelihood of Gaussian noise as large, in all channels, as a share of what they vary. Then
    the penalties.

    Parameters
    ----------
    encoder
        ``steps`` and ``context`` -> numbers (window, number).
    simulate
        The simulation layer.
    assimilation
        How the numbers become its inputs.
    centre, spread
        Mean and standard deviation of each channel (channel,).
    penalties
        What the hybrid should be like besides near the data.
    """

    starts = 1

    def __init__(
        self,
        encoder: Any,
        simulate: Simulate,
        assimilation: Assimilation,
        centre: np.ndarray,
        spread: np.ndarray,
        penalties: Sequence[Penalty] = (),
    ) -> None:
        super().__init__(dtype=simulate.compute_dtype, autocast=False)
        simulate.build()
        self.encoder, self.simulate = encoder, simulate
        self.penalties = Weights(tuple(penalties))
        self._scratch = _Scratch()
        # Behind an object that Keras does not look into: neither is a layer.
        self._scratch.assimilation, self._scratch.scale = assimilation, (centre, spread)
        self._scratch.reduced = simulate.without() if self.penalties.needs_reduced else None
        names = [DATA_LOSS, *self.penalties.names] if self.penalties.names else []
        self.extra_metrics = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Forecast.

        Parameters
        ----------
        inputs
            ``steps`` and ``context`` of the encoder, what `Assimilation.inputs` gives, and the columns of grafts.
        training
            False for no gradient.

        Returns
        -------
        array (window, lookback + horizon, channel)
            In standard deviations from the mean of each channel; NaN where a trajectory did not arrive.
        """
        xp = Arrays(keras.ops)
        exact = {k: xp.cast(v, self.compute_dtype) for k, v in inputs.items() if k not in ("steps", "context")}
        numbers = xp.cast(self.encoder({k: inputs[k] for k in ("steps", "context")}), self.compute_dtype)
        given = self._scratch.assimilation.given(numbers, exact, xp)
        given |= {key: exact[key] for key in ("times", *self.simulate.plan.columns)}
        values, trace = self.simulate.run(given, training)
        recorded = Recorded(trace, values, parameter_names=self.simulate.parameters, kernels=self._kernels())
        if self._scratch.reduced is not None:
            other, without = self._scratch.reduced.run(given, training)
            recorded = replace(recorded, reduced=other, reduced_reached=without.reached)
        self._scratch.recorded = recorded
        reached = xp.logical_and(trace.reached[:, :, None] > 0.5, xp.isfinite(values))
        centre, spread = (xp.convert_to_tensor(x, dtype=values.dtype) for x in self._scratch.scale)
        return xp.where(reached, (xp.where(reached, values, 0.0) - centre) / spread, np.nan)

    def _kernels(self) -> dict[str, Any]:
        heads = zip(self.simulate.places, self.simulate.heads, strict=True)
        found = {port: first_kernel(head.network, 0) for place, head in heads for port in place.graft.port}
        return {port: kernel for port, kernel in found.items() if kernel is not None}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss; penalties count in training."""
        ops = keras.ops
        target = ops.cast(ops.convert_to_tensor(y), y_pred.dtype)
        measured, reached = ops.logical_not(ops.isnan(target)), ops.logical_not(ops.isnan(y_pred))
        there = ops.logical_and(measured, reached)
        error = ops.where(there, y_pred, 0.0) - ops.where(there, target, 0.0)
        each = ops.where(there, ops.square(error), ops.where(measured, _MISSED, 0.0))
        count = ops.sum(ops.cast(measured, each.dtype))
        data = ops.sum(each) / ops.maximum(count, 1.0)
        recorded, self._scratch.recorded = self._scratch.recorded, None
        if not self.penalties.names or not training:
            return data
        total, values = self.penalties.total(recorded)
        for name, value in ({DATA_LOSS: data} | values).items():
            self.extra_metrics[name].update_state(value)
        return data + total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return what the loss told the metrics."""
        return self.get_metrics_result()


def encoder(shapes: Mapping[str, Sequence[int]], count: int, units: int, seeds: Iterator[int]) -> Any:
    """Return a network: a history with gaps -> numbers (window, number), at first 0.

    Parameters
    ----------
    shapes
        Shapes of ``steps`` and ``context``, without the batch.
    count
        How many numbers.
    units
        Width of its layers.
    seeds
        Where its weights start.
    """
    steps, context = (keras.Input(shapes[name], name=name, dtype="float32") for name in ("steps", "context"))
    seen = keras.layers.Concatenate(dtype="float32")([context, GRU(units=units).encode(steps, seeds)])
    hidden = dense(units, seeds, "swish")(dense(2 * units, seeds, "swish")(seen))
    answer = keras.layers.Dense(max(count, 1), kernel_initializer="zeros", dtype="float32")(hidden)
    return keras.Model({"steps": steps, "context": context}, answer)
