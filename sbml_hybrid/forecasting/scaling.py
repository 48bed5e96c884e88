"""Channels on a common scale, learned on the training data and kept with the forecaster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALES = ("auto", "linear", "log")
# A readout below a thousandth of its channel's spread says no more than zero does.
_FLOOR = 1e-3
_DECADE = 10.0


@dataclass(frozen=True, eq=False)
class Scaling:
    """How measurements are shown to a forecaster, and how its answers are read.

    Every channel is shown in standard deviations from its mean. A channel that is positive and spans more than a
    decade is shown a second time, in logarithms: in a cascade that switches on, what comes next is written in the
    small values. The answer is in plain units, since a forecaster that learns in logarithms spends itself on
    being right about next to nothing; ``scale="log"`` asks for just that.

    Parameters
    ----------
    centre, spread
        Mean and standard deviation (channel,), in the units of the readout.
    log_centre, log_spread
        Of the logarithms (channel,).
    floor
        The smallest value that is told from zero in logarithms (channel,).
    in_log
        Channels that are forecast in logarithms (channel,).
    shown_twice
        Channels that are shown on the other scale as well, as positions.
    """

    centre: np.ndarray
    spread: np.ndarray
    log_centre: np.ndarray
    log_spread: np.ndarray
    floor: np.ndarray
    in_log: np.ndarray
    shown_twice: np.ndarray

    @classmethod
    def learn(cls, values: np.ndarray, nonnegative: np.ndarray, scale: str) -> Scaling:
        """Learn from training measurements (point, channel), NaN = not measured."""
        check_scale(scale)
        centre, spread = _moments(values)
        floor = _FLOOR * spread
        logs = np.log(np.maximum(values, floor))
        log_centre, log_spread = _moments(logs)
        in_log = nonnegative & (scale == "log")
        wide = in_log if scale == "log" else nonnegative & (scale == "auto") & _spans_a_decade(values)
        return cls(centre, spread, log_centre, log_spread, floor, in_log, np.flatnonzero(wide))

    @property
    def channel_of_view(self) -> np.ndarray:
        """The channel that each view shows (view,)."""
        return np.concatenate([np.arange(len(self.centre)), self.shown_twice])

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Return values (..., channel) on the scale of the answer."""
        return np.where(self.in_log, self._log(values), self._linear(values))

    def unscaled(self, scaled: np.ndarray) -> np.ndarray:
        """Return answers (..., channel) in the units of the readout."""
        exponent = scaled * self.log_spread + self.log_centre
        return np.where(self.in_log, np.exp(np.minimum(exponent, 700.0)), scaled * self.spread + self.centre)

    def views(self, values: np.ndarray) -> np.ndarray:
        """Return all that is shown (..., view): the scaled channels, then those shown twice on the other scale."""
        other = np.where(self.in_log, self._linear(values), self._log(values))
        return np.concatenate([self.scaled(values), other[..., self.shown_twice]], axis=-1)

    def _linear(self, values: np.ndarray) -> np.ndarray:
        return (values - self.centre) / self.spread

    def _log(self, values: np.ndarray) -> np.ndarray:
        return (np.log(np.maximum(values, self.floor)) - self.log_centre) / self.log_spread


def check_scale(scale: str) -> None:
    """Raise if there is no such scale."""
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return centre, np.where(spread > 0, spread, 1.0)


def _spans_a_decade(values: np.ndarray) -> np.ndarray:
    wide = []
    for column in values.T:
        positive = column[column > 0]
        low, high = np.quantile(positive, [0.05, 0.95]) if positive.size else (1.0, 1.0)
        wide.append(high > _DECADE * low)
    return np.array(wide)
