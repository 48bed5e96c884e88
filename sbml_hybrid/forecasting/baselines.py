"""The naive forecasters: what does not beat them is of no use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.forecasting.forecaster import Forecaster, Lesson


@dataclass(frozen=True)
class Persistence(Forecaster):
    """The last measured value of each channel, for ever.

    Where the history holds no measurement of a channel: the channel's mean in training.
    """

    def learn(self, lesson: Lesson) -> LastValue:
        """Learn each channel's mean, for histories without a measurement."""
        return LastValue(channel_means(lesson))


@dataclass(frozen=True)
class SeriesMean(Forecaster):
    """The mean of what was measured in the history, for ever.

    Where the history holds no measurement of a channel: the channel's mean in training.
    """

    def learn(self, lesson: Lesson) -> HistoryMean:
        """Learn each channel's mean, for histories without a measurement."""
        return HistoryMean(channel_means(lesson))


@dataclass(frozen=True, eq=False)
class LastValue:
    """`Persistence`, fitted; `otherwise` (channel,) stands in where nothing was measured."""

    otherwise: np.ndarray

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        measured = ~np.isnan(past.values)
        backwards = measured[:, ::-1].argmax(axis=1)
        at = past.values.shape[1] - 1 - backwards
        last = np.take_along_axis(past.values, at[:, None], axis=1)[:, 0]
        return _held(np.where(measured.any(axis=1), last, self.otherwise), past)


@dataclass(frozen=True, eq=False)
class HistoryMean:
    """`SeriesMean`, fitted; `otherwise` (channel,) stands in where nothing was measured."""

    otherwise: np.ndarray

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        count = (~np.isnan(past.values)).sum(axis=1)
        mean = np.nansum(past.values, axis=1) / np.maximum(count, 1)
        return _held(np.where(count > 0, mean, self.otherwise), past)


def channel_means(lesson: Lesson) -> np.ndarray:
    """Return the mean of all training measurements of each channel (channel,)."""
    values = lesson.data["measured"].transpose(..., "observable").values
    return np.nanmean(values.reshape(-1, values.shape[-1]), axis=0)


def _held(value: np.ndarray, past: Windows) -> np.ndarray:
    return np.repeat(value[:, None], past.query_times.shape[1], axis=1)
