"""How likely measurements are, given what a model says: of a dataset, and under each draw of a library."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.noise import Noise, column, resolved

# One measurement counts at most so much against a draw (ten standard deviations): outliers and wrong models happen.
_MOST_AGAINST = 50.0
_AT_ONCE = 2**19


def log_likelihood(data: xr.Dataset, readout: xr.DataArray, noise: Noise) -> xr.DataArray:
    """Return the log-likelihood of each trajectory's measurements.

    Parameters
    ----------
    data
        A dataset with `measured` and, where there are limits, `censored`.
    readout
        What a model says (trajectory, time, observable), at the data's times and in its units.
    noise
        The noise model; of its observables the data may hold some only.

    Returns
    -------
    DataArray
        (trajectory, [replicate]): the sum over times and observables; what was not measured adds nothing. -inf where
        a measurement is impossible.

    Raises
    ------
    DataError
        If the data has no measurements, or the readout differs in its labels.
    """
    if "measured" not in data:
        raise DataError("A likelihood needs measurements ('measured'). Try sh.measure first.")
    try:
        measured, said = xr.align(data["measured"], readout, join="exact", copy=False)
    except ValueError as error:
        raise DataError(f"The readout has other trajectories, times or observables than the data: {error}") from error
    axis = next(dim for dim in measured.dims if dim in ("time", "sample"))
    said = said.broadcast_like(measured).transpose(*measured.dims)
    censored = data["censored"].values if "censored" in data else None
    times = data["time"].values
    if times.ndim == 2 and "replicate" in measured.dims:  # the replicates of a trajectory share its times
        times = times[:, None, :]
    scattering = resolved(noise, measured["observable"].values.tolist(), subset=True)
    density = scattering.log_density(measured.values, said.values, censored, times=times)
    return measured.copy(data=density).sum([axis, "observable"], skipna=False).rename("log_likelihood")


def under_each(
    measured: np.ndarray,
    library: np.ndarray,
    noise: Noise,
    censored: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> np.ndarray:
    """Return the log-likelihood of points under each draw of a library, up to a constant for each point.

    A single measurement counts for no more than ten standard deviations, and one that is impossible under every draw
    counts for nothing.

    Parameters
    ----------
    measured
        Points (point, channel); NaN = not measured.
    library
        What each draw says at these points (draw, point, channel), in the same units.
    noise
        How each point scatters by itself (`sh.noise.alone`, resolved for these channels). Where the noise of a series
        is autocorrelated, points taken one by one count for more than they should.
    censored
        Codes (point, channel): -1 below the limit that `measured` holds, 1 above, 0 measured.
    times
        Of the points (point,), for noise that changes in time.

    Returns
    -------
    array
        (point, draw), the sum over channels.
    """
    total = np.zeros((len(measured), len(library)), dtype=np.float32)
    for channel in range(measured.shape[1]):
        points = np.flatnonzero(~np.isnan(measured[:, channel]))
        for some in np.array_split(points, max(1, len(points) * len(library) // _AT_ONCE)):
            limits = None if censored is None else censored[some, channel, None]
            at = None if times is None else times[some]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                said = library[:, some, channel].T
                density = column(noise, channel).log_density(measured[some, channel, None], said, limits, times=at)
            density = np.where(np.isnan(density), -np.inf, density)
            best = density.max(axis=1, keepdims=True)
            possible = np.isfinite(best)
            best = np.where(possible, best, 0.0)
            total[some] += np.where(possible, np.maximum(density - best, -_MOST_AGAINST), 0.0)
    return total


def posterior_weights(log_likelihood: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Return the weight of each draw of a library, which sum to one.

    Parameters
    ----------
    log_likelihood
        (..., draw).
    power
        1 trusts the likelihood; less flattens it, as one must when draws are few or the model is wrong; 0 weighs all
        draws alike.
    """
    scaled = power * (log_likelihood - log_likelihood.max(axis=-1, keepdims=True))
    weights = np.exp(scaled)
    return weights / weights.sum(axis=-1, keepdims=True)
