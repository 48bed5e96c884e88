"""Sampling times of each trajectory's own: about a plan, or at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral

import numpy as np

from sbml_hybrid.simulation.streams import require_seed

_STREAM = 1000  # apart from those of draws, noise and gaps, whose rows have the same seeds


def jittered(
    times: Sequence[float] | np.ndarray, n: int, *, sd: float | Sequence[float], seed: int, exact_start: bool = True
) -> np.ndarray:
    """Draw for every trajectory its own sampling times around planned ones, as hands and timers give them.

    Each time is normal about its plan, cut off half-way to its neighbours and at 0: samples come in their order,
    and each is the one planned. For an `sd` that is small against the gaps that is the normal law itself.

    Parameters
    ----------
    times
        The plan (sample,), increasing, 0 or later, in the model's time unit.
    n
        How many trajectories.
    sd
        Standard deviation, in the model's time unit: one number, or one for each time.
    seed
        Row i depends on the seed, the plan and i alone.
    exact_start
        Whether a planned time 0, the beginning itself, is kept.

    Returns
    -------
    array (trajectory, sample)
        What `sbml_hybrid.simulate` takes as its times.

    Raises
    ------
    ValueError
        A plan that does not increase, a negative `sd`, an `n` below 1, or a `seed` that is none.

    Examples
    --------
    >>> jittered([0, 5, 15, 30], 2, sd=0.5, seed=0).round(2)
    array([[ 0.  ,  5.08, 14.1 , 30.74],
           [ 0.  ,  5.39, 14.65, 30.28]])
    """
    from scipy.special import ndtr, ndtri

    plan = np.asarray(times, dtype=np.float64)
    if plan.ndim != 1 or not len(plan) or not (np.isfinite(plan).all() and plan[0] >= 0 and (np.diff(plan) > 0).all()):
        raise ValueError(f"times must increase from 0 or later, got {plan.ravel()[:5].tolist()}...")
    spread = np.asarray(sd, dtype=np.float64)
    if spread.shape not in ((), plan.shape) or not (spread >= 0).all() or not np.isfinite(spread).all():
        raise ValueError(f"sd must be zero or more, one number or one for each of {len(plan)} times, got {sd!r}.")
    middles = (plan[1:] + plan[:-1]) / 2
    low, high = np.concatenate([[0.0], middles]), np.concatenate([middles, [np.inf]])
    moved = (spread > 0) & ~((plan == 0) & bool(exact_start))
    scale = np.where(moved, spread, 1.0)
    with np.errstate(over="ignore"):
        below, above = ndtr((low - plan) / scale), ndtr((high - plan) / scale)
    u = np.stack([rng.random(len(plan)) for rng in _generators(n, seed)])
    drawn = plan + scale * ndtri(below + u * (above - below))
    return np.where(moved, np.clip(drawn, low, np.nextafter(high, 0.0)), plan)


def irregular(n: int, points: int | tuple[int, int], end: float, *, seed: int) -> np.ndarray:
    """Draw for every trajectory sampling times at random, evenly over the time from 0 to `end`.

    Parameters
    ----------
    n
        How many trajectories.
    points
        How many samples each has; (fewest, most) for a number that differs between trajectories, evenly drawn.
    end
        The latest time, above 0, in the model's time unit.
    seed
        Row i depends on the seed, `points`, `end` and i alone.

    Returns
    -------
    array (trajectory, sample)
        What `sbml_hybrid.simulate` takes as its times: increasing, with NaN behind the last of a shorter row.

    Raises
    ------
    ValueError
        A number of points or trajectories below 1, an `end` that is not above 0, or a `seed` that is none.

    Examples
    --------
    >>> irregular(2, (2, 4), 60, seed=0).round(1)
    array([[ 2.2, 34. ,  nan,  nan],
           [14.5, 47. ,  nan,  nan]])
    """
    asked = (points, points) if isinstance(points, Integral) else points
    whole = isinstance(asked, Sequence) and all(isinstance(count, Integral) for count in asked)
    if not whole or len(asked) != 2 or not 1 <= asked[0] <= asked[1]:
        raise ValueError(f"points must be a whole number of 1 or more, or (fewest, most) of these, got {points!r}.")
    if not (0 < end < np.inf):
        raise ValueError(f"end must be a time above 0, got {end!r}.")
    fewest, most = map(int, asked)
    found = np.full((_counted(n), most), np.nan)
    for row, rng in zip(found, _generators(n, seed), strict=True):
        count = int(rng.integers(fewest, most, endpoint=True))
        row[:count] = end * np.sort(rng.random(count))
    return found


def _generators(n: int, seed: int) -> Iterator[np.random.Generator]:
    """A generator for each row, a function of the seed and the row's number alone."""
    require_seed(seed)
    return (np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i, _STREAM))) for i in range(_counted(n)))


def _counted(n: int) -> int:
    if int(n) != n or n < 1:
        raise ValueError(f"n must be a whole number of 1 or more, got {n!r}.")
    return int(n)
