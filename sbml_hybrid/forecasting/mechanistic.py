"""Forecasters that know the equations: a mechanism, and a network that learns what it gets wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.forecasting.forecaster import Forecaster, Lesson
from sbml_hybrid.forecasting.networks.gru import GRU
from sbml_hybrid.forecasting.networks.network import Network, Weights, bounded, network_inputs, trained
from sbml_hybrid.forecasting.paths import (
    LibraryPath,
    Mechanism,
    NominalPath,
    Path,
    draws_for,
    library,
    noise_for,
    priors_for,
    quantities_among,
)
from sbml_hybrid.forecasting.preparation import Preparation, gist
from sbml_hybrid.measurement.noise import Noise
from sbml_hybrid.measurement.observables import unlike
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.priors import Prior

log = logging.getLogger("sbml_hybrid")


@dataclass(frozen=True)
class Residual(Forecaster):
    """A mechanism, and a network that learns the difference between it and the measurements.

    The mechanism goes one path from the experiment's start (time 0) through the horizon; the network sees the history,
    the path over history and horizon, and how the two disagree. It starts as the mechanism alone, and stays so if
    training gains nothing. Nothing is restarted at a measurement: the last readout is noisy, partial, perhaps missing,
    and is no state.

    Parameters
    ----------
    model
        The mechanism, right or wrong.
    network
        The network's settings, such as ``GRU(units=32)`` or ``MLP()``; by default ``GRU()``.
    estimate
        What of the mechanism is not known: None for nothing (its nominal parameters); ``"prior"`` for what the
        training data varied, with the priors that the data says; or priors by name. The path is then the mean over a
        library of simulated draws, weighted by the likelihood of the history.
    noise
        The noise model of that likelihood; by default the one that the data says.
    draws
        Size of the library.
    jobs
        How many processes simulate it; this changes no forecast.
    """

    model: Model
    network: Network = field(default_factory=GRU)
    estimate: str | Mapping[str, Prior] | None = None
    noise: Noise | None = None
    draws: int = 2000
    jobs: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise ValueError(f"model must be a mechanism, as sh.load gives it, got {type(self.model).__name__}.")
        if self.network is None:
            object.__setattr__(self, "network", GRU())
        if not isinstance(self.network, Network):
            raise ValueError(f"network must be the settings of one, such as GRU(units=32), got {self.network!r}.")
        if not (self.estimate is None or self.estimate == "prior" or isinstance(self.estimate, Mapping)):
            raise ValueError(f"estimate must be None, 'prior' or priors by name, got {self.estimate!r}.")
        if not isinstance(self.draws, Integral) or self.draws < 2:
            raise ValueError(f"draws must be a whole number, two or more, got {self.draws!r}.")

    def learn(self, lesson: Lesson) -> MechanismAndNetwork:
        """Simulate what is not known once, and train the network on what the mechanism gets wrong."""
        from sbml_hybrid.forecasting.training import Examples

        past = lesson.windows
        preparation = Preparation.learn(lesson, self.network.scale)
        mechanism = self._path(lesson, preparation)
        path = mechanism.along(past)
        target = preparation.scaling.scaled(past.target) - preparation.scaling.scaled(path.ahead)
        examples = Examples(residual_inputs(preparation, past, path), target.astype(np.float32), past.draw)
        return MechanismAndNetwork(preparation, mechanism, trained(self.network, examples, lesson.seed, self.name))

    def _path(self, lesson: Lesson, preparation: Preparation) -> NominalPath | LibraryPath:
        attrs, past = lesson.data.attrs, lesson.windows
        said = json.loads(attrs.get("observables", "{}"))
        formulas = {name: said.get(name, name) for name in past.channels}
        other = unlike(lesson.data, "measured", self.model, formulas)
        if other:
            log.warning("%s and the data have other units (%s). Try sh.convert on the data.", self.model.source, other)
        mechanism = Mechanism(self.model, formulas, self.jobs)
        known = quantities_among(self.model, past.inputs)
        priors = {} if self.estimate is None else priors_for(self.model, self.estimate, attrs)
        unknown = {name: prior for name, prior in priors.items() if name not in known}
        if not unknown:
            return NominalPath(mechanism, known)
        noise = noise_for(self.noise, attrs, past.channels)
        static = past.static[:, list(known.values())]
        draws = draws_for(unknown, static, list(known), self.draws, lesson.seed)
        times = np.concatenate([past.times.ravel(), past.query_times.ravel()])
        beyond = times.max() + lesson.spacing * np.arange(1, past.query_times.shape[1] + 1)
        made = library(mechanism, draws, np.concatenate([times, beyond]), noise, known)
        return made.judged(past, preparation.scaling.spread)


@dataclass(frozen=True, eq=False)
class MechanismAndNetwork:
    """`Residual`, fitted: how windows become inputs, the mechanism's path, and the network's weights."""

    preparation: Preparation
    mechanism: NominalPath | LibraryPath
    weights: Weights

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel): the path, corrected on the scale of the answer."""
        path, scaling = self.mechanism.along(past), self.preparation.scaling
        correction = self.weights.answer(residual_inputs(self.preparation, past, path))
        return scaling.unscaled(scaling.scaled(path.ahead) + correction)


def residual_inputs(preparation: Preparation, past: Windows, path: Path) -> dict[str, np.ndarray]:
    """Return what the network reads: all that other networks do, the path, and how far history and path disagree."""
    scaling = preparation.scaling
    seen, ahead = scaling.views(path.seen), scaling.views(path.ahead)
    mismatch = scaling.views(past.values) - seen
    now = seen[:, -1:]
    inputs = network_inputs(preparation, past)
    more = {
        "steps": [seen, np.nan_to_num(mismatch, nan=0.0), path.seen_sd / scaling.spread],
        "context": [gist(mismatch, preparation.since(past)), now[:, 0]],
        "queries": [ahead, ahead - now, path.ahead_sd / scaling.spread],
    }
    return {name: np.concatenate([x, *map(bounded, more[name])], axis=-1) for name, x in inputs.items()}
