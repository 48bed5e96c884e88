"""Which readouts are measured at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sbml_hybrid.errors import DataError


def scheduled(times: np.ndarray, schedule: Sequence[float]) -> np.ndarray:
    """Return the positions of the scheduled times among `times`.

    Raises
    ------
    DataError
        A time of the schedule was not simulated.
    """
    wanted = np.asarray(schedule, dtype=float)
    if wanted.ndim != 1 or len(wanted) == 0:
        raise DataError("The schedule has no time; give the times to measure at, such as [0, 5, 15, 30].")
    distance = np.abs(times[None, :] - wanted[:, None])
    missing = wanted[distance.min(axis=1) > 1e-9 * max(np.abs(times).max(), 1.0)]
    if len(missing):
        raise DataError(
            f"The schedule asks for time {missing[0]:g}, which was not simulated (times {times[0]:g} to {times[-1]:g}, "
            f"{len(times)} points). Simulate with times= that contain it."
        )
    return np.unique(distance.argmin(axis=1))


def kept(shape: tuple[int, ...], keep: float, rng: np.random.Generator) -> np.ndarray:
    """Return which points of `shape` are measured: each with probability `keep`, independently."""
    return rng.random(shape) < keep
