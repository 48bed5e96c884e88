"""How likely measurements are under what a hybrid predicts, as a layer: noise and arbitrary units may be estimated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.measurement.noise import resolved
from sbml_hybrid.measurement.noise.gaussian import with_limits

LEAST_SIGMA = 1e-4  # of an observable's range: below it the solver's error would be fitted
_FIRST_SIGMA = 0.1
# What a measurement costs that a trajectory did not reach, or that the noise calls impossible, as in `calibration`.
MOST_AGAINST = 50.0


class Likelihood(keras.layers.Layer):
    """The log likelihood of measurements.

    Parameters
    ----------
    observables
        Their names, in order.
    noise
        A noise model of `sh.noise`; None for Gaussian noise whose standard deviation is estimated for each observable.
    scaling
        Observables in arbitrary units: what is measured is ``scale * value + offset``, both estimated.
    typical
        What is typical of each observable, in its unit: with the data it says where a scale starts.
    starts
        How many starts; each has estimates of its own.

    Raises
    ------
    UnknownName
        An observable in `scaling` or `noise` that is not there.
    DataError
        Noise that depends on times or on the other points of a series.
    """

    def __init__(
        self,
        observables: Sequence[str],
        noise: Any = None,
        scaling: Sequence[str] = (),
        typical: Sequence[float] | None = None,
        starts: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.observables = tuple(observables)
        self.scaling = (scaling,) if isinstance(scaling, str) else tuple(scaling)
        for name in self.scaling:
            if name not in self.observables:
                raise unknown_name("observable", name, self.observables, "the layer")
        self.noise = None if noise is None else resolved(noise, self.observables)
        count = len(self.observables)
        if self.noise is not None:
            self.noise.log_density(np.ones((1, 2, count)), np.ones((1, 2, count)))  # raises for what needs times
        self._typical = np.ones(count) if typical is None else np.asarray(typical, float)

        def add(name: str, shape: tuple[int, ...], first: float, trainable: bool = True) -> Any:
            def start(shape: Any, dtype: Any = None) -> Any:  # Keras' constant is rounded to float32 on TensorFlow
                return keras.ops.convert_to_tensor(np.full(shape, first), dtype=dtype)

            return self.add_weight(name=name, shape=shape, initializer=start, trainable=trainable, dtype=self.dtype)

        self.log_sigma = add("log_sigma", (starts, count), math.log(_FIRST_SIGMA)) if noise is None else None
        scaled = len(self.scaling)
        self.log_scale = add("log_scale", (starts, scaled), 0.0) if scaled else None
        self.offset = add("offset", (starts, scaled), 0.0) if scaled else None
        self.unit = add("unit", (count,), 1.0, trainable=False)
        self.factor = add("factor", (count,), 1.0, trainable=False)
        self.measurements = add("measurements", (), 0.0, trainable=False)
        self.built = True

    def adapt(self, target: np.ndarray) -> None:
        """Take units from the data (trajectory, time, observable), once: the range of each observable."""
        first = float(keras.ops.convert_to_numpy(self.measurements)) == 0
        self.measurements.assign(float(np.isfinite(target).sum()))
        if not first:
            return
        there = np.isfinite(target)
        low, high = (f(np.where(there, target, s * np.inf), axis=(0, 1)) for f, s in ((np.min, 1), (np.max, -1)))
        some = there.any(axis=(0, 1))
        extent = np.where(some, np.where(some, high, 1.0) - np.where(some, low, 0.0), 1.0)
        size = np.where(some, np.maximum(np.abs(np.where(some, high, 1.0)), np.abs(np.where(some, low, 1.0))), 1.0)
        size = np.where(size > 0, size, 1.0)
        self.unit.assign(np.where(extent > 1e-9 * size, extent, size))
        scaled = np.array([name in self.scaling for name in self.observables])
        usual = np.where(self._typical > 0, self._typical, 1.0)
        self.factor.assign(np.where(scaled, size / usual, 1.0))

    def read(self, values: Any) -> Any:
        """Return what is read off values (start, trajectory, time, observable), in the measurements' units."""
        if not self.scaling:
            return values
        return values * _spread(self.scale()) + _spread(self._shift())

    def scale(self) -> Any:
        """Return the scale of each observable (start, observable), 1 where the unit is not arbitrary."""
        logs = self._columns(self.log_scale)
        return keras.ops.exp(logs) * self.factor

    def _shift(self) -> Any:
        return self._columns(self.offset) * self.unit

    def _columns(self, weights: Any) -> Any:
        weights = keras.ops.convert_to_tensor(weights)
        nothing = keras.ops.zeros_like(weights[:, 0])
        columns = [weights[:, self.scaling.index(n)] if n in self.scaling else nothing for n in self.observables]
        return keras.ops.stack(columns, axis=1)

    def sigma(self) -> Any:
        """Return the estimated standard deviations (start, observable), in the measurements' units."""
        return self.unit * keras.ops.sqrt(keras.ops.exp(2 * self.log_sigma) + LEAST_SIGMA**2)

    def log_density(self, target: Any, values: Any, there: Any, censored: Any = None) -> Any:
        """Return the log density of each measurement, 0 where there is none.

        Of one behind a limit, which is what the target then holds, it is the log probability of lying there.

        Parameters
        ----------
        target
            Measurements (1, trajectory, time, observable).
        values
            What is predicted (start, trajectory, time, observable).
        there
            Where it was measured and reached, alike.
        censored
            -1 for below the limit, 1 above it, 0 for measured (1, trajectory, time, observable).
        """
        ops = keras.ops
        values = ops.where(there, values, 1.0)
        if self.noise is None:
            sigma = _spread(self.sigma())
            z = (ops.where(there, target, values) - values) / sigma
            density = with_limits(z, ops.log(sigma), censored, ops)
        else:
            density = self.noise.log_density(ops.where(there, target, np.nan), values, censored, xp=ops)
        possible = ops.logical_and(there, ops.isfinite(density))
        return ops.where(possible, density, ops.where(there, -self.worst(), 0.0))

    def worst(self) -> Any:
        """Return what a measurement costs that is impossible or was not reached (observable,)."""
        return MOST_AGAINST + keras.ops.log(self.unit)

    def estimated(self) -> dict[str, np.ndarray]:
        """Return name -> value (start,) of all that is estimated: ``sigma(y)``, ``scale(y)``, ``offset(y)``."""
        found = {}
        if self.noise is None:
            sigma = keras.ops.convert_to_numpy(self.sigma())
            found |= {f"sigma({name})": sigma[:, i] for i, name in enumerate(self.observables)}
        if self.scaling:
            scale, shift = (keras.ops.convert_to_numpy(x) for x in (self.scale(), self._shift()))
            at = {name: self.observables.index(name) for name in self.scaling}
            found |= {f"scale({name})": scale[:, i] for name, i in at.items()}
            found |= {f"offset({name})": shift[:, i] for name, i in at.items()}
        return found


def _spread(values: Any) -> Any:
    """From (start, observable) to what lines up with (start, trajectory, time, observable)."""
    return values[:, None, None, :]
