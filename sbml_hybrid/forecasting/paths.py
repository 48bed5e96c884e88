"""What a mechanism says about an experiment: one path from its start through the horizon."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.calibration.likelihood import posterior_weights, under_each
from sbml_hybrid.data.windows import Windows
from sbml_hybrid.errors import DataError, SourceNotFound, UnknownName
from sbml_hybrid.measurement.noise import (
    Lognormal,
    Noise,
    PerObservable,
    alone,
    noise_from_dict,
    of_observable,
    resolved,
)
from sbml_hybrid.measurement.observables import readout
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names
from sbml_hybrid.simulation.designs import sample
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.priors import Prior, names_of, prior_from_dict

log = logging.getLogger("sbml_hybrid")

_POWERS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02, 0.0)
_MOST_TIMES, _EVENLY = 400, 101
_DRAWS_AT_ONCE, _SERIES_AT_ONCE, _WINDOWS_TO_JUDGE = 500, 32, 2000
# How near, in standard deviations of the library, a draw must be to an input that is known.
_NEAR = 0.1


@dataclass(frozen=True, eq=False)
class Path:
    """Where the mechanism goes: mean and standard deviation, over what it does not know, in readout units.

    Parameters
    ----------
    seen, seen_sd
        At the times of the history (window, lookback, channel).
    ahead, ahead_sd
        At the times to forecast (window, horizon, channel).
    """

    seen: np.ndarray
    seen_sd: np.ndarray
    ahead: np.ndarray
    ahead_sd: np.ndarray


@dataclass(frozen=True, eq=False)
class Mechanism:
    """A model, asked for the readouts of draws.

    Parameters
    ----------
    model
        The equations.
    formulas
        Observable -> formula, in the order of the channels.
    jobs
        How many processes simulate.
    """

    model: Model
    formulas: dict[str, str]
    jobs: int

    def readouts(self, draws: pd.DataFrame | None, times: np.ndarray) -> np.ndarray:
        """Return (draw, time, channel); a draw that fails is NaN."""
        if times[0] < 0:
            raise DataError(f"A mechanism starts at time 0, and the data begins at {times[0]:g}. Shift the times.")
        if draws is None:
            return readout(simulate(self.model, times=times), self.formulas).values
        parts = []
        for start in range(0, len(draws), _DRAWS_AT_ONCE):
            # Not all at once: what is kept of a trajectory is much less than what is simulated.
            truth = simulate(self.model, draws.iloc[start : start + _DRAWS_AT_ONCE], times=times, jobs=self.jobs)
            parts.append(readout(truth, self.formulas).values)
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class NominalPath:
    """The mechanism at its nominal parameters, and at the known inputs that it has.

    Parameters
    ----------
    mechanism
        The model.
    known
        Known inputs that are quantities of the model, with their positions among all.
    """

    mechanism: Mechanism
    known: dict[str, int]

    def along(self, past: Windows) -> Path:
        """Return the path of each window."""
        grid = np.unique(np.concatenate([past.times.ravel(), past.query_times.ravel()]))
        if self.known:
            given, which = np.unique(past.static[:, list(self.known.values())], axis=0, return_inverse=True)
            curves = self.mechanism.readouts(pd.DataFrame(given, columns=list(self.known)), grid)
        else:
            curves, which = self.mechanism.readouts(None, grid), np.zeros(len(past), int)
        failed = ~np.isfinite(curves).all(axis=(1, 2))
        if failed.any():
            log.warning(
                "%s: %d of %d known inputs cannot be simulated", self.mechanism.model.id, failed.sum(), len(failed)
            )
            curves[failed] = self.mechanism.readouts(None, grid)
        which = which.ravel()[:, None]
        seen = curves[which, np.searchsorted(grid, past.times)]
        ahead = curves[which, np.searchsorted(grid, past.query_times)]
        return Path(seen, np.zeros_like(seen), ahead, np.zeros_like(ahead))


@dataclass(frozen=True, eq=False)
class LibraryPath:
    """The weighted mean over simulated draws, by the likelihood of the history: no solver runs at prediction.

    Parameters
    ----------
    mechanism
        The model, for times that lie beyond the library.
    draws
        What was drawn (draw, quantity).
    times
        Where the library was simulated (time,); in between it is interpolated.
    readouts
        What each draw gives (draw, time, channel).
    noise
        How each point scatters by itself: the noise model of the likelihood, resolved for the channels.
    power
        How far the likelihood is trusted, 0 to 1 (`posterior_weights`).
    known
        Known inputs that are quantities of the model, with their positions among all.
    """

    mechanism: Mechanism
    draws: pd.DataFrame
    times: np.ndarray
    readouts: np.ndarray
    noise: Noise
    power: float
    known: dict[str, int]

    def along(self, past: Windows) -> Path:
        """Return the path of each window."""
        library = self._reaching(float(past.query_times.max(initial=past.times.max())))
        groups = _by_series(past)
        parts = [library._along(past[rows]) for rows in groups]
        order = np.argsort(np.concatenate(groups))
        return Path(*(np.concatenate([vars(part)[name] for part in parts])[order] for name in vars(parts[0])))

    def judged(self, past: Windows, spread: np.ndarray) -> LibraryPath:
        """Return the library with the power that forecasts the training windows best.

        Too few draws, or a wrong mechanism, make the likelihood surer than it should be; how much, the data says.

        Parameters
        ----------
        past
            Training windows.
        spread
            Standard deviation of each channel (channel,).
        """
        judged = past[np.linspace(0, len(past) - 1, min(len(past), _WINDOWS_TO_JUDGE)).astype(int)]
        rivals = [replace(self, power=power) for power in _POWERS]
        errors = np.zeros(len(rivals))
        for rows in _by_series(judged):
            some = judged[rows]
            likelihood, asked = self._log_likelihood(some), self._asked(some.query_times)
            for i, rival in enumerate(rivals):
                ahead, _ = rival._moments(likelihood, *asked)
                errors[i] += np.nansum(((ahead - some.target) / spread) ** 2)
        best = rivals[int(np.argmin(errors))]
        log.info("%s: the likelihood counts with the power %g", self.mechanism.model.id, best.power)
        return best

    def _along(self, past: Windows) -> Path:
        likelihood = self._log_likelihood(past)
        seen, ahead = self._asked(past.times), self._asked(past.query_times)
        return Path(*self._moments(likelihood, *seen), *self._moments(likelihood, *ahead))

    def _log_likelihood(self, past: Windows) -> np.ndarray:
        """Of each history under each draw (window, draw)."""
        first, which = _distinct_points(past)
        measured, censored = (x.reshape(-1, x.shape[2])[first] for x in (past.values, past.censored))
        times = past.times.ravel()[first]
        table = under_each(measured, self._at(times), self.noise, censored if censored.any() else None, times)
        total = self._nearness(past.static)
        for step in range(which.shape[1]):
            total = total + table[which[:, step]]
        return total

    def _nearness(self, static: np.ndarray) -> np.ndarray:
        """How well each draw agrees with what is known of each window (window, draw), as a log-density."""
        total = np.zeros((len(static), len(self.readouts)), dtype=np.float32)
        for name, position in self.known.items():
            drawn, given = self.draws[name].to_numpy(), static[:, position, None]
            if (drawn > 0).all() and (given > 0).all():
                drawn, given = np.log(drawn), np.log(given)
            total -= 0.5 * ((given - drawn) / (_NEAR * max(drawn.std(), np.finfo(float).tiny))) ** 2
        return total

    def _asked(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each draw gives at the distinct ones of some times, and which one each is."""
        distinct, which = np.unique(times, return_inverse=True)
        return self._at(distinct), which.reshape(times.shape)

    def _moments(self, likelihood: np.ndarray, curves: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and standard deviation at the times of each window (window, time, channel)."""
        weights = posterior_weights(likelihood, self.power)
        flat = curves.reshape(len(curves), -1)
        mean = (weights @ flat).reshape(len(weights), *curves.shape[1:])
        square = (weights @ flat**2).reshape(mean.shape)
        rows = np.arange(len(weights))[:, None]
        mean, square = mean[rows, which], square[rows, which]
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def _at(self, times: np.ndarray) -> np.ndarray:
        """What each draw gives at any times (draw, time, channel)."""
        after = np.clip(np.searchsorted(self.times, times), 1, len(self.times) - 1)
        share = (times - self.times[after - 1]) / (self.times[after] - self.times[after - 1])
        share = np.clip(share, 0.0, 1.0)[:, None]
        return self.readouts[:, after - 1] * (1 - share) + self.readouts[:, after] * share

    def _reaching(self, end: float) -> LibraryPath:
        if end <= self.times[-1]:
            return self
        log.info("%s: simulates its library again, up to time %g", self.mechanism.model.id, end)
        return library(self.mechanism, self.draws, np.append(self.times, end), self.noise, self.known, self.power)


def library(
    mechanism: Mechanism,
    draws: pd.DataFrame,
    times: np.ndarray,
    noise: Noise,
    known: dict[str, int],
    power: float = 1.0,
) -> LibraryPath:
    """Simulate a library of draws that covers `times`; draws that fail are left out.

    Raises
    ------
    DataError
        If all of them fail.
    """
    end = float(times.max())
    distinct = np.unique(times)
    exact = distinct if len(distinct) <= _MOST_TIMES else np.linspace(distinct[0], end, _MOST_TIMES)
    grid = np.unique(np.concatenate([exact, np.linspace(0, end, _EVENLY)]))
    readouts = mechanism.readouts(draws, grid)
    worked = np.isfinite(readouts).all(axis=(1, 2))
    if not worked.any():
        raise DataError(f"None of {len(draws)} draws of {mechanism.model.id} could be simulated. Try narrower priors.")
    return LibraryPath(mechanism, draws[worked], grid, readouts[worked], noise, power, known)


def draws_for(priors: Mapping[str, Prior], known: np.ndarray, names: Sequence[str], n: int, seed: int) -> pd.DataFrame:
    """Draw from the priors; for inputs that are known, from what they were in training (window, input)."""
    # A seed of its own: the user's data may have been drawn with the very seed of the fit.
    drawn, picked = np.random.SeedSequence(seed, spawn_key=(2,)).generate_state(2)
    draws = sample(
        {name: priors[name] for name in priors if name not in names}, n, seed=int(drawn), design="latin-hypercube"
    )
    rows = np.random.default_rng(int(picked)).integers(len(known), size=n)
    return draws.assign(**{name: known[rows, i] for i, name in enumerate(names)})


def priors_for(model: Model, estimate: str | Mapping[str, Prior], attrs: Mapping[str, Any]) -> dict[str, Prior]:
    """Return what to draw: the priors given, or those that the training data was drawn from.

    A model that is not the data's own may lack some of the latter; they are left out.

    Raises
    ------
    DataError
        If the data does not say its priors, or the model has none of them.
    UnknownName
        If a quantity that was asked for is not in the model.
    """
    if isinstance(estimate, Mapping):
        check_names(model, [name for label, prior in estimate.items() for name in names_of(label, prior)])
        return dict(estimate)
    said = json.loads(attrs.get("design", "{}")).get("priors", {})
    if not said:
        raise DataError(
            "estimate='prior' takes what the training data varied, and this data does not say. "
            "Give the priors: estimate={'k1': sh.priors.LogUniform(0.1, 10)}, or sh.around(model, fold=2)."
        )
    kept, lacking = {}, []
    for name, prior in said.items():
        try:
            law = prior_from_dict(prior)
            check_names(model, names_of(name, law))
            kept[name] = law
        except (UnknownName, SourceNotFound, ValueError):
            lacking.append(name)
    if not kept:
        raise DataError(f"{model.source} has none of the quantities that the training data varied: {', '.join(said)}.")
    if lacking:
        log.info("%s cannot vary %s, as the training data did", model.source, ", ".join(lacking))
    return kept


def noise_for(noise: Noise | None, attrs: Mapping[str, Any], channels: Sequence[str]) -> Noise:
    """Return how each point of these channels scatters by itself, by the noise model given or the one the data says.

    Raises
    ------
    DataError
        If there is neither, or it does not say how a point scatters by itself (`AdjustingMean`).
    """
    if noise is None and "noise" not in attrs:
        raise DataError(
            "estimate= weighs draws by the noise, and this data does not say it. Try noise=sh.noise.Lognormal(0.1)."
        )
    chosen = noise if noise is not None else noise_from_dict(json.loads(attrs["noise"]))
    by_itself = alone(chosen)
    # No library holds the exact answer: without noise no draw of it would be possible.
    ever = np.array([0.0, np.finfo(float).max])
    each = {name: of_observable(by_itself, name) for name in map(str, channels)}
    exact = [name for name, one in each.items() if not one.scatter(np.ones((2, 1)), ever).any()]
    if not exact:
        return resolved(by_itself, channels, subset=True)
    return resolved(PerObservable(each | dict.fromkeys(exact, Lognormal(cv=0.02))), channels)


def quantities_among(model: Model, inputs: Sequence[str]) -> dict[str, int]:
    """Return the known inputs that are quantities of the model, with their positions."""
    found = {}
    for position, name in enumerate(inputs):
        try:
            check_names(model, [name])
            found[name] = position
        except (UnknownName, ValueError):
            log.info("%s has no quantity %s; it is shown to the network only", model.source, name)
    return found


def _series_of(past: Windows) -> np.ndarray:
    """A number for the series of each window (window,)."""
    _, trajectory = np.unique(past.trajectory, return_inverse=True)
    _, replicate = np.unique(past.replicate, return_inverse=True)
    return np.unique(trajectory * (replicate.max() + 1) + replicate, return_inverse=True)[1]


def _by_series(past: Windows) -> list[np.ndarray]:
    """Positions of windows, in groups that are small enough to weigh at once."""
    series = _series_of(past)
    return [np.flatnonzero(series // _SERIES_AT_ONCE == group) for group in range(series.max() // _SERIES_AT_ONCE + 1)]


def _distinct_points(past: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Windows overlap: where each distinct point of their series first stands, and which one each step is."""
    lookback = past.times.shape[1]
    position = past.origin[:, None] + np.arange(1 - lookback, 1)
    position = position - position.min()
    number = _series_of(past)[:, None] * (position.max() + 1) + position
    _, first, which = np.unique(number, return_index=True, return_inverse=True)
    return first, which.reshape(number.shape)
