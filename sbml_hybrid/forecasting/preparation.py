"""From windows to numbers that a regressor or a network reads: masks, ages, summaries, clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.forecasting.forecaster import Lesson
from sbml_hybrid.forecasting.scaling import Scaling

_BINS = 3
# How strongly level, slope and curvature of a history are held to zero, against one measurement.
_STIFFNESS = np.diag([0.05, 0.3, 1.0])


@dataclass(frozen=True, eq=False)
class Preparation:
    """How windows become features; learned on the training data alone.

    Time is told in two ways: relative to the last point of the history, and by the experiment's clock, because where
    in the experiment a history stands says much about what comes next. Both stop at what was seen in training.

    Parameters
    ----------
    scaling
        The channels' scales.
    span, reach
        Usual length of a history, and of a horizon, in the dataset's time unit.
    origins, queries_seen
        First and last time, in training, of an origin and of a time to forecast.
    static_log
        Known inputs that are shown in logarithms (input,).
    centre, spread
        Mean and standard deviation of the summary's columns (feature,).
    """

    scaling: Scaling
    span: float
    reach: float
    origins: tuple[float, float]
    queries_seen: tuple[float, float]
    static_log: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def learn(cls, lesson: Lesson, scale: str) -> Preparation:
        """Learn the scales from the training data."""
        past = lesson.windows
        values = lesson.data["measured"].transpose(..., "observable").values
        origin = past.times[:, -1]
        raw = cls(
            scaling=Scaling.learn(values.reshape(-1, values.shape[-1]), lesson.nonnegative, scale),
            span=float(np.median(origin - past.times[:, 0])) + lesson.spacing,
            reach=float(np.median(past.query_times[:, -1] - origin)),
            origins=(float(origin.min()), float(origin.max())),
            queries_seen=(float(past.query_times.min()), float(past.query_times.max())),
            static_log=(past.static > 0).all(axis=0),
            centre=np.zeros(1),
            spread=np.ones(1),
        )
        summary = raw.summary(past)
        centre, spread = summary.mean(axis=0), summary.std(axis=0)
        # A column that never changes in training says nothing, whatever it does later.
        return cls(**vars(raw) | {"centre": centre, "spread": np.where(spread > 1e-9, spread, np.inf)})

    def summary(self, past: Windows) -> np.ndarray:
        """Return what the history comes to (window, feature), standardised.

        For each view: means over thirds of the history (an empty one takes its neighbour's), the last measured
        value, and a least-squares level, slope and curvature at the last point, which make the best of few, noisy,
        unevenly spaced points. For each channel: which thirds and whether anything was measured, and the age of the
        last measurement. Then the known inputs.
        """
        since = self.since(past)
        about_values = gist(self.scaling.views(past.values), since)
        measured = ~np.isnan(past.values)
        _, in_thirds = _binned(np.zeros(measured.shape), measured, since)
        _, age = _last(past.values, since)
        about_gaps = [in_thirds.reshape(len(past), -1), age, measured.any(axis=1)]
        known = np.where(self.static_log, np.log(np.where(self.static_log, past.static, 1.0)), past.static)
        return (np.concatenate([about_values, *about_gaps, known], axis=1) - self.centre) / self.spread

    def channel_of_feature(self) -> np.ndarray:
        """Return which channel each column of the summary is about (feature,); -1 for known inputs."""
        views = self.scaling.channel_of_view
        channels = np.arange(len(self.scaling.centre))
        owners = [np.tile(views, _BINS), views, np.tile(views, len(_STIFFNESS)), views]
        owners += [np.tile(channels, _BINS), channels, channels, np.full(len(self.static_log), -1)]
        return np.concatenate(owners)

    def on_answer_scale(self) -> np.ndarray:
        """Return which columns of the summary are not merely a second view of a channel (feature,)."""
        views = np.arange(len(self.scaling.channel_of_view)) < len(self.scaling.centre)
        channels = np.ones(len(self.scaling.centre), bool)
        kept = [np.tile(views, _BINS), views, np.tile(views, len(_STIFFNESS)), views]
        kept += [np.tile(channels, _BINS), channels, channels, np.ones(len(self.static_log), bool)]
        return np.concatenate(kept)

    def steps(self, past: Windows) -> np.ndarray:
        """Return the history point by point (window, lookback, feature), for networks that read in order.

        For each view the latest measured value so far (before the first: the first; 0 if there is none), for each
        channel whether it was measured here and how long ago it was last; then the time relative to the last
        point, and the clock.
        """
        views = self.scaling.views(past.values)
        measured = ~np.isnan(past.values)
        since = self.since(past)
        at = np.where(measured, np.arange(since.shape[1])[:, None], -1)
        latest = np.maximum.accumulate(at, axis=1)
        when = np.take_along_axis(since[..., None], np.maximum(latest, 0), axis=1)
        age = np.where(latest >= 0, np.minimum(since[..., None] - when, 1.0), 1.0)
        clock = 2 * _within(past.times, self._clock()) - 1
        parts = [_carried(views), measured, age, since[..., None], clock[..., None]]
        return np.concatenate([np.asarray(part, float) for part in parts], axis=2)

    def queries(self, past: Windows) -> np.ndarray:
        """Return the times to forecast (window, horizon, feature): cosines of the time ahead, and the clock."""
        clock = 2 * _within(past.query_times, self.queries_seen) - 1
        return np.concatenate([cosines(self.ahead(past), 5)[..., 1:], clock[..., None]], axis=2)

    def ahead(self, past: Windows) -> np.ndarray:
        """Return the times to forecast (window, horizon) as shares of the usual horizon, 1 for all beyond."""
        return np.clip((past.query_times - past.times[:, -1:]) / self.reach, 0.0, 1.0)

    def since(self, past: Windows) -> np.ndarray:
        """Return the times of the history (window, lookback) before its last point, as shares of the usual length."""
        return (past.times - past.times[:, -1:]) / self.span

    def elapsed(self, past: Windows) -> np.ndarray:
        """Return where on the experiment's clock the forecast starts (window,), 0 to 1 over those in training."""
        return _within(past.times[:, -1], self.origins)

    def _clock(self) -> tuple[float, float]:
        return self.origins[0] - self.span, self.origins[1]


def gist(views: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Return what a noisy history with gaps comes to (window, feature), for each view.

    Parameters
    ----------
    views
        The history (window, lookback, view), about zero; NaN = not measured.
    since
        Times before the last point (window, lookback), as shares of the usual history, 0 or less.
    """
    measured = ~np.isnan(views)
    filled = np.where(measured, views, 0.0)
    last, age = _last(views, since)
    parts = [_binned(filled, measured, since)[0], last, _curve(filled, measured, since), last * age]
    return np.concatenate([part.reshape(len(views), -1) for part in parts], axis=1)


def cosines(share: np.ndarray, count: int) -> np.ndarray:
    """Return smooth curves over 0 to 1 (..., count), the first constant, each next one with half a wave more."""
    # Not quite from 0 to pi: there all cosines are level.
    return np.cos(np.pi * np.arange(count) * (0.1 + 0.8 * share[..., None]))


def _within(times: np.ndarray, seen: tuple[float, float]) -> np.ndarray:
    first, last = seen
    # A single origin in training: no clock to read.
    return np.clip((times - first) / (last - first), 0.0, 1.0) if last > first else np.zeros(times.shape)


def _carried(values: np.ndarray) -> np.ndarray:
    at = np.where(np.isnan(values), -1, np.arange(values.shape[1])[:, None])
    latest = np.maximum.accumulate(at, axis=1)
    first = np.argmax(at >= 0, axis=1)
    source = np.where(latest >= 0, latest, first[:, None])
    return np.nan_to_num(np.take_along_axis(values, source, axis=1), nan=0.0)


def _binned(filled: np.ndarray, measured: np.ndarray, since: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over thirds of the history (window, bin, view), and whether there was anything."""
    third = np.clip(np.floor((1 + since) * _BINS), 0, _BINS - 1)
    inside = (third[:, None, :] == np.arange(_BINS)[:, None]).astype(float)
    count = inside @ measured.astype(float)
    means = np.where(count > 0, inside @ filled / np.maximum(count, 1), np.nan)
    return _carried(means), count > 0


def _last(views: np.ndarray, since: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Last measured value (window, view), 0 where there is none, and its age as a share of the usual history."""
    last = _carried(views)[:, -1]
    when = np.where(np.isnan(views), -np.inf, since[..., None]).max(axis=1)
    return last, np.minimum(-when, 1.0)


def _curve(filled: np.ndarray, measured: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Level, slope and curvature at the last point (window, 3, view), each held to zero where there is little."""
    powers = since[..., None] ** np.arange(len(_STIFFNESS))
    products = (powers[..., None] * powers[..., None, :]).reshape(*since.shape, -1)
    gram = np.swapaxes(measured, 1, 2).astype(float) @ products
    right = np.swapaxes(filled, 1, 2) @ powers
    gram = gram.reshape(*right.shape, len(_STIFFNESS)) + _STIFFNESS
    return np.swapaxes(np.linalg.solve(gram, right[..., None])[..., 0], 1, 2)
