"""What every noise model can do, and what the models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.errors import DataError, is_number

Array = np.ndarray


class Noise(Protocol):
    """What a noise model can do; other packages' models join by the entry points ``sbml_hybrid.noises``.

    A model whose readouts are not centred on the truth also has ``mean(truth, times=None)``.
    """

    def apply(self, truth: Array, rng: np.random.Generator, times: Array | None = None) -> Array:
        """Draw one readout of `truth` (..., time, observable), in its units, at `times` (time,) or (..., time)."""
        ...

    def log_density(
        self, measured: Any, truth: Any, censored: Any = None, xp: Any = np, times: Array | None = None
    ) -> Any:
        """Return the log-density of each measurement, in the shape of `measured`; 0 where it is NaN.

        Where points of a series depend on each other, each is given those before it: the sum over a series is its
        joint log-density.
        """
        ...

    def scatter(self, truth: Array, times: Array | None = None) -> Array:
        """Return the standard deviation of a readout of `truth`, in its units."""
        ...


def mean_of(noise: Noise, truth: Array, times: Array | None = None) -> Array:
    """Return the expected readout of `truth`, in its units: the truth itself, unless the model says otherwise."""
    return noise.mean(truth, times) if hasattr(noise, "mean") else np.asarray(truth, float)


def require_numbers(noise: Any, **limits: str) -> None:
    """Refuse fields that are not finite numbers in their range: ``"zero or more"``, ``"above zero"`` or ``"a number"``.

    Raises
    ------
    ValueError
        The first field that is not.
    """
    for name, limit in limits.items():
        value = getattr(noise, name)
        right = is_number(value) and (limit == "a number" or value > 0 or (value == 0 and limit == "zero or more"))
        if not right:
            raise ValueError(f"{name} must be {limit}, got {value!r}.")


def times_along(times: Any, truth: Any, noise: Any) -> Array:
    """Return the times of a series, (..., time, 1), which line up with `truth` (..., time, observable).

    Raises
    ------
    DataError
        There are no times, or not as many as points.
    """
    kind = type(noise).__name__
    if times is None:
        raise DataError(f"{kind} noise depends on the times of the points, and none are given. Try times=.")
    times = np.asarray(times, dtype=float)
    shape = tuple(truth.shape)
    if len(shape) < 2 or times.ndim < 1 or shape[-2] not in (None, times.shape[-1]):
        raise DataError(
            f"{kind} noise takes a series (..., time, observable) with its times (..., time), got {shape} with "
            f"{times.shape}."
        )
    return times[..., None]


def floating(values: Any, xp: Any) -> Any:
    """Return NumPy's whole numbers, which have neither NaN nor infinity, as floats; all else as it is."""
    if xp is not np:
        return values
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(float)


def like(values: Any, model: Any, xp: Any) -> Any:
    """Return NumPy values as an array of `xp`, in the precision of `model`."""
    return values if xp is np else xp.convert_to_tensor(values, dtype=model.dtype)


def as_float(values: Any, model: Any, xp: Any) -> Any:
    """Return whole numbers as an array of `xp` that can be reckoned with `model`."""
    return values if xp is np else xp.cast(values, model.dtype)


def require_models(
    kind: str, noises: Any, least: int = 0, able: Sequence[str] = ("apply", "log_density", "scatter")
) -> tuple:
    """Return noise models as a tuple, and refuse what is none, that is, not `able`.

    Raises
    ------
    ValueError
        There are fewer than `least`, or one of them is no noise model.
    """
    try:
        made = tuple(noises)
    except TypeError:
        made = (noises,)
    for noise in made:
        if isinstance(noise, type) or not all(hasattr(noise, name) for name in able):
            raise ValueError(f"{kind} takes noise models such as sh.noise.Normal(0.1), got {noise!r}.")
    if len(made) < least:
        raise ValueError(f"{kind} takes {least} noise models or more, got {len(made)}.")
    return made
