"""What all networks share: an encoder of the history, and a decoder that is asked for any time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from sbml_hybrid.data.windows import Windows
from sbml_hybrid.forecasting.forecaster import Forecaster, Lesson
from sbml_hybrid.forecasting.preparation import Preparation, cosines
from sbml_hybrid.forecasting.scaling import check_scale

if TYPE_CHECKING:
    from sbml_hybrid.forecasting.engine import keras
    from sbml_hybrid.forecasting.training import Examples

# What lies further out than this, in standard deviations, is shown as if it lay there.
_FARTHEST = 10.0
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Network(Forecaster):
    """A forecaster made of a Keras network; a family derives from it and defines `encode`.

    Parameters
    ----------
    units
        Width of the layers.
    epochs
        At most so many passes over the training data; training stops early when held-out draws gain nothing.
    batch
        Windows a training step.
    rate
        Learning rate at the start.
    decay
        Weight decay, relative to the learning rate.
    patience
        Epochs without gain on held-out draws before training stops.
    scale
        ``"auto"`` shows positive channels that span decades in logarithms too; ``"linear"`` does not; ``"log"``
        forecasts them in logarithms, for when relative errors are what matters.
    """

    units: int = 64
    epochs: int = 60
    batch: int = 256
    rate: float = 3e-3
    decay: float = 0.1
    patience: int = 10
    scale: str = "auto"

    def __post_init__(self) -> None:
        for name in ("units", "epochs", "batch", "patience"):
            value = getattr(self, name)
            least = 0 if name == "epochs" else 1
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}.")
        for name in ("rate", "decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be zero or more, got {getattr(self, name)!r}.")
        check_scale(self.scale)

    def encode(self, steps: Any, seeds: Iterator[int]) -> Any:
        """Return what the network makes of the history: steps (batch, lookback, feature) -> (batch, unit)."""
        raise NotImplementedError(f"{self.name} does not say how it reads a history.")

    def learn(self, lesson: Lesson) -> NetworkForecast:
        """Train on all windows of the training data."""
        from sbml_hybrid.forecasting.training import Examples

        past = lesson.windows
        preparation = Preparation.learn(lesson, self.scale)
        target = preparation.scaling.scaled(past.target).astype(np.float32)
        examples = Examples(network_inputs(preparation, past), target, past.draw)
        return NetworkForecast(preparation, trained(self, examples, lesson.seed, self.name))


@dataclass(frozen=True, eq=False)
class NetworkForecast:
    """A network, fitted: how windows become its inputs, and its weights."""

    preparation: Preparation
    weights: Weights

    def forecast(self, past: Windows) -> np.ndarray:
        """Return the forecast (window, horizon, channel)."""
        answer = self.weights.answer(network_inputs(self.preparation, past))
        return self.preparation.scaling.unscaled(answer)


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network as plain arrays; the live one is made when it is first asked, and stays in its process.

    Parameters
    ----------
    network
        The settings.
    shapes
        Shape of each input, without the batch.
    channels
        How many channels it answers for.
    arrays
        The weights, in Keras' order.
    """

    network: Network
    shapes: dict[str, tuple[int | None, ...]]
    channels: int
    arrays: tuple[np.ndarray, ...]

    @cached_property
    def _live(self) -> keras.Model:
        live = assembled(self.network, self.shapes, self.channels, seed=0)
        live.set_weights(list(self.arrays))
        return live

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_live"}

    def answer(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's answer (window, horizon, channel), in standard deviations."""
        return answers_of(self._live, inputs, _ROWS_AT_ONCE)


def answers_of(live: keras.Model, inputs: Mapping[str, np.ndarray], at_once: int) -> np.ndarray:
    """Return a model's answers (row, ...) to inputs by name (row, ...), so many rows at once."""
    n = len(next(iter(inputs.values())))
    answers = []
    for start in range(0, n, at_once):
        rows = np.arange(start, min(start + at_once, n))
        # A compiled network is compiled again for each new size, so there are few sizes.
        filled = np.resize(rows, 1 << (len(rows) - 1).bit_length())
        answer = live.predict_on_batch({name: x[filled] for name, x in inputs.items()})
        answers.append(np.asarray(answer, dtype=np.float64)[: len(rows)])
    return np.concatenate(answers)


def network_inputs(preparation: Preparation, past: Windows) -> dict[str, np.ndarray]:
    """Return what networks read: ``steps`` in order, their ``context`` as a whole, the ``queries`` asked for."""
    clock = cosines(preparation.elapsed(past), 5)[:, 1:]
    context = np.concatenate([preparation.summary(past), clock], axis=1)
    inputs = {"steps": preparation.steps(past), "context": context, "queries": preparation.queries(past)}
    return {name: bounded(x) for name, x in inputs.items()}


def bounded(x: np.ndarray) -> np.ndarray:
    """Return an input as networks take it: single precision, nothing far out."""
    return np.clip(x, -_FARTHEST, _FARTHEST).astype(np.float32)


def trained(network: Network, examples: Examples, seed: int, label: str) -> Weights:
    """Train a new network, which starts with the answer 0 everywhere."""
    from sbml_hybrid.forecasting.training import Schedule, train

    shapes = {name: x.shape[1:] for name, x in examples.inputs.items()}
    shapes["queries"] = (None, *shapes["queries"][1:])
    channels = examples.target.shape[2]
    # A target that was never measured teaches nothing.
    taught = np.isfinite(examples.target).any(axis=(1, 2))
    live = assembled(network, shapes, channels, seed)
    if network.epochs:
        schedule = Schedule(network.epochs, network.batch, network.rate, network.decay, network.patience)
        train(live, examples[taught], schedule, seed, label)
    return Weights(network, shapes, channels, tuple(np.asarray(w) for w in live.get_weights()))


def assembled(network: Network, shapes: dict[str, tuple[int | None, ...]], channels: int, seed: int) -> keras.Model:
    """Return a new Keras model: inputs by name -> answer (batch, horizon, channel), at first 0."""
    from sbml_hybrid.forecasting.engine import keras

    seeds = _seeds(seed)
    steps, context, queries = (keras.Input(shapes[name], name=name, dtype="float32") for name in _INPUTS)
    seen = keras.layers.Concatenate(dtype="float32")([context, network.encode(steps, seeds)])
    z = dense(2 * network.units, seeds, "swish")(seen)
    shift = keras.layers.Reshape((1, 2 * network.units), dtype="float32")(dense(2 * network.units, seeds)(z))
    asked = dense(2 * network.units, seeds)(queries)
    mixed = keras.layers.Activation("swish", dtype="float32")(keras.layers.Add(dtype="float32")([shift, asked]))
    hidden = dense(network.units, seeds, "swish")(mixed)
    answer = keras.layers.Dense(channels, kernel_initializer="zeros", dtype="float32")(hidden)
    return keras.Model({"steps": steps, "context": context, "queries": queries}, answer)


_INPUTS = ("steps", "context", "queries")


def dense(units: int, seeds: Iterator[int], activation: str | None = None) -> keras.layers.Layer:
    """Return a dense layer whose weights start from the next seed."""
    from sbml_hybrid.forecasting.engine import keras

    start = keras.initializers.GlorotUniform(seed=next(seeds))
    return keras.layers.Dense(units, activation, kernel_initializer=start, dtype="float32")


def _seeds(seed: int) -> Iterator[int]:
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    while True:
        yield int(stream.integers(2**31))
