"""Parameters of the mechanism as weights: one value for all trajectories, near a prior or within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sbml_hybrid.errors import is_number
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.laws import distance, require_laws
from sbml_hybrid.simulation import priors
from sbml_hybrid.simulation.priors import LogNormal, LogUniform, Normal, Uniform

_INSIDE = 1e-3  # of the width: a start at a bound would stay there


def laws_of(estimate: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return name -> law for what is to be estimated; bounds become `LogUniform`, or `Uniform` where they reach 0.

    Raises
    ------
    ValueError
        A law has no density with a gradient, or bounds are no two numbers in order.
    """
    if not estimate:
        return {}
    if not isinstance(estimate, Mapping):
        raise ValueError(f"estimate takes parameter -> law or (low, high), got {estimate!r}.")
    return require_laws({name: _law(name, said) for name, said in estimate.items()})


def _law(name: str, said: Any) -> Any:
    if isinstance(said, Mapping):
        return priors.prior_from_dict(said)
    if not isinstance(said, tuple | list):
        return said
    if len(said) != 2 or not all(is_number(bound) for bound in said) or not said[0] < said[1]:
        raise ValueError(f"The bounds of {name!r} must be two numbers, (low, high), got {said!r}.")
    low, high = map(float, said)
    return LogUniform(low, high) if low > 0 else Uniform(low, high)


class Estimates(keras.layers.Layer):
    """Parameters to estimate, for each start.

    A weight is where a parameter is on a scale of its own. `LogNormal`: the natural logarithm of the value over the
    median. `Normal`: standard deviations from the mean. Bounded and positive: the logarithm, which bends smoothly
    before the bounds. Bounded otherwise: the value, in widths, alike.

    Parameters
    ----------
    laws
        Name -> law.
    own
        Name -> the model's own value: where a single start begins, if its law allows it. Several starts begin at draws
        from the laws, stratified.
    starts, seed
        How many starts, and where chance starts.
    """

    def __init__(
        self, laws: Mapping[str, Any], own: Mapping[str, float], starts: int = 1, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.laws, self.starts = dict(laws), starts
        rng = np.random.default_rng(seed)
        first = np.zeros((starts, len(self.laws)))
        for i, (name, law) in enumerate(self.laws.items()):
            if starts == 1:
                values = np.array([own[name]])
            else:
                values = law.quantile(rng.permutation((np.arange(starts) + rng.random(starts)) / starts))
            first[:, i] = _position(law, values)
        if self.laws:
            self.position = self.add_weight(
                name="position",
                shape=first.shape,
                dtype=self.dtype,
                initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(first, dtype=dtype),
            )
        self.built = True

    def values(self) -> dict[str, Any]:
        """Return name -> value (start,), in the parameter's unit."""
        position = keras.ops.convert_to_tensor(self.position) if self.laws else None
        return {name: _value(law, position[:, i]) for i, (name, law) in enumerate(self.laws.items())}

    def against(self) -> Any:
        """Return minus the log density of the values under their laws, 0 for the likeliest ones (start,).

        Bounds are no density: they hold by themselves.
        """
        total = keras.ops.zeros((self.starts,), dtype=self.dtype)
        for name, value in self.values().items():
            if isinstance(self.laws[name], LogNormal | Normal):
                total = total + 0.5 * keras.ops.square(distance(self.laws[name], value, 1.0, keras.ops))
        return total

    @property
    def has_density(self) -> bool:
        """Whether some law prefers some values to others."""
        return any(isinstance(law, LogNormal | Normal) for law in self.laws.values())


def _value(law: Any, z: Any) -> Any:
    ops = keras.ops
    if isinstance(law, LogNormal):
        return law.median * ops.exp(z)
    if isinstance(law, Normal):
        return law.mean + law.sd * z
    if law.low > 0:
        width = math.log(law.high / law.low)
        return law.low * ops.exp(width * ops.sigmoid(4 * z / width))
    return law.low + (law.high - law.low) * ops.sigmoid(4 * z)


def _position(law: Any, values: np.ndarray) -> np.ndarray:
    """Where values are on the weight's scale; the middle for what the law does not allow."""
    if isinstance(law, LogNormal):
        good = values > 0
        return np.where(good, np.log(np.where(good, values, 1.0) / law.median), 0.0)
    if isinstance(law, Normal):
        return np.where(np.isfinite(values), (values - law.mean) / law.sd, 0.0)
    good = (values >= law.low) & (values <= law.high)
    values = np.where(good, values, law.high)
    if law.low > 0:
        width = math.log(law.high / law.low)
        part, unit = np.log(values / law.low) / width, width / 4
    else:
        part, unit = (values - law.low) / (law.high - law.low), 0.25
    part = np.clip(np.where(good, part, 0.5), _INSIDE, 1 - _INSIDE)
    return unit * np.log(part / (1 - part))
