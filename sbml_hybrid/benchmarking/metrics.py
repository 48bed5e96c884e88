"""Error measures: pure functions of a forecast and of what then happened.

Arrays have any shape whose last axis is the channel (one observable each). A target of NaN was not
measured and is not scored; a forecast of NaN where there is a target is an infinite error, so that a
forecaster which gives no number cannot look good. Unless said otherwise a measure is computed for each
channel and then averaged over the channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray

FLAT = 1e-6  # a channel whose sd is below this share of its largest value does not change: solver round-off


@dataclass(frozen=True)
class Scales:
    """What errors are divided by, each (channel,) but `mean`; NaN where a channel gives no such scale.

    Parameters
    ----------
    sd
        Standard deviation of the channel's training measurements, in the channel's unit.
    step
        Mean absolute difference of successive training measurements, in the channel's unit.
    mean
        Mean of all targets of all channels.
    variance
        Variance of the channel's targets, in the square of its unit.
    """

    sd: Array
    step: Array
    mean: float
    variance: Array


@dataclass(frozen=True)
class Metric:
    """One error measure, as the benchmark's table needs it.

    Parameters
    ----------
    name, label
        Its name in the table, and in words for an axis or a report.
    cell
        (error, scales) -> the value of each cell, same shape as `error`.
    kind
        How cells are summed up: their `"mean"`, or their root mean square (`"rms"`).
    pooled
        Over all channels at once rather than channel by channel.
    higher_is_better
        True for R2 alone.
    """

    name: str
    label: str
    cell: Callable[[Array, Scales], Array]
    kind: Literal["mean", "rms"]
    pooled: bool = False
    higher_is_better: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mae", "mean absolute error", lambda e, s: np.abs(e), "mean"),
        Metric("rmse", "root mean squared error", lambda e, s: np.abs(e), "rms"),
        Metric("nrmse_sd", "error, in standard deviations of the training data", lambda e, s: np.abs(e) / s.sd, "rms"),
        Metric("nrmse_mean", "error, as a share of the mean", lambda e, s: np.abs(e) / s.mean, "rms", pooled=True),
        Metric("r2", "share of variance explained", lambda e, s: 1 - e**2 / s.variance, "mean", higher_is_better=True),
        Metric("mase", "error, in mean steps of the training data", lambda e, s: np.abs(e) / s.step, "mean"),
    )
}


def mae(forecast: Array, target: Array) -> float:
    """Mean absolute error, in the unit of the channels.

    Examples
    --------
    >>> mae(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    1.0
    """
    return _over_channels(_mean(np.abs(_error(forecast, target))))


def rmse(forecast: Array, target: Array) -> float:
    """Root mean squared error, in the unit of the channels."""
    return _over_channels(_rms(_error(forecast, target)))


def nrmse_sd(forecast: Array, target: Array, sd: Array) -> float:
    """Root mean squared error in standard deviations of the training data: the measure to look at first.

    0 is perfect; about 1 is what the mean of the training data would reach.

    Parameters
    ----------
    forecast, target
        (..., channel).
    sd
        (channel,): `spread` of the training measurements. A channel of NaN (one that never changed) is left out.
    """
    return _over_channels(_rms(_error(forecast, target)) / sd)


def nrmse_mean(forecast: Array, target: Array) -> float:
    """Root mean squared error over all channels at once, as a share of the mean target (SimbaML's NRMSE)."""
    mean = _size(np.nanmean(target))
    return float(_rms(_error(forecast, target).reshape(-1, 1))[0] / mean)


def r2(forecast: Array, target: Array) -> float:
    """Share of the targets' variance that is explained: 1 is perfect, 0 is the targets' own mean.

    A channel whose targets do not vary has no R2 and is left out; NaN when that leaves none.
    """
    target = np.asarray(target, float)
    squares = _mean(_error(forecast, target) ** 2)
    return _over_channels(1 - squares / spread(target) ** 2)


def mase(forecast: Array, target: Array, step: Array) -> float:
    """Mean absolute error in mean steps of the training data: below 1 beats "as last time" one step ahead.

    Parameters
    ----------
    forecast, target
        (..., channel).
    step
        (channel,): `mean_step` of the training measurements, pooled over all series, so that a flat series does
        not divide by zero.
    """
    return _over_channels(_mean(np.abs(_error(forecast, target))) / step)


def spread(values: Array) -> Array:
    """Return the standard deviation of each channel, (channel,); NaN for one that does not change.

    Parameters
    ----------
    values
        (..., channel), NaN = missing.
    """
    flat = np.asarray(values, float).reshape(-1, np.shape(values)[-1])
    mean = _mean(flat)
    sd = np.sqrt(_mean((flat - mean) ** 2))
    largest = np.max(np.abs(flat), axis=0, initial=0.0, where=np.isfinite(flat))
    return np.where(sd > FLAT * largest, sd, np.nan)


def mean_step(values: Array) -> Array:
    """Return the mean absolute difference of successive measurements of a series, (channel,); NaN if there is none.

    Parameters
    ----------
    values
        (series, time, channel), NaN = missing: the difference then reaches to the next measurement there is.
    """
    steps = np.full(values.shape[-1], np.nan)
    for channel in range(values.shape[-1]):
        found = [np.diff(one[np.isfinite(one)]) for one in values[:, :, channel]]
        size = np.abs(np.concatenate([*found, np.empty(0)]))
        steps[channel] = _size(size.mean()) if size.size else np.nan
    return steps


def scales(train: Array, targets: Array) -> Scales:
    """Return what errors are divided by.

    Parameters
    ----------
    train
        (series, time, channel): the training measurements, NaN = missing.
    targets
        (..., channel): everything that will be scored.
    """
    mean = np.nanmean(targets) if np.isfinite(targets).any() else np.nan
    return Scales(spread(train), mean_step(train), _size(mean), spread(targets) ** 2)


def _error(forecast: Array, target: Array) -> Array:
    forecast, target = np.asarray(forecast, float), np.asarray(target, float)
    # Infinity survives the means over what is there, where NaN would pass for "not measured".
    return np.where(np.isnan(forecast) & ~np.isnan(target), np.inf, forecast - target)


def _mean(cells: Array) -> Array:
    """Mean over all axes but the last, of what is there: (channel,)."""
    cells = cells.reshape(-1, cells.shape[-1])
    there = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):
        return np.where(there, cells, 0.0).sum(axis=0) / there.sum(axis=0)


def _rms(error: Array) -> Array:
    return np.sqrt(_mean(error**2))


def _over_channels(each: Array) -> float:
    there = each[~np.isnan(each)]
    return float(there.mean()) if there.size else float("nan")


def _size(value: float) -> float:
    return abs(float(value)) if np.isfinite(value) and value != 0 else float("nan")
