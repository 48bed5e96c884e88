"""One training loop for all networks: batches, masked loss, held-out draws, best weights, progress."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.parallel import watched

log = logging.getLogger("sbml_hybrid")

# Neighbouring windows are nearly the same: with many, an epoch need not look at all of them.
_STEPS_OF_AN_EPOCH = (24, 60)
_SMALLEST_BATCH = 16
_CHECKED_AT_ONCE = 4096
_HELD_OUT = 0.15
_FEWEST_DRAWS = 4
_PLATEAU, _COOLING = 3, 0.4


@dataclass(frozen=True, eq=False)
class Examples:
    """What a network trains on.

    Parameters
    ----------
    inputs
        Arrays by the name of the network's input, the first axis is the window.
    target
        Scaled answers (window, horizon, channel); NaN = not measured, and without weight.
    draw
        Which draw each window is from (window,).
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray
    draw: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Examples:
        return Examples({name: x[rows] for name, x in self.inputs.items()}, self.target[rows], self.draw[rows])

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network trains.

    Parameters
    ----------
    epochs
        At most so many passes.
    batch
        Windows a step; fewer where there are few windows.
    rate
        Learning rate at the start; it falls whenever the held-out error stops falling.
    decay
        Weight decay, relative to the learning rate.
    patience
        Epochs without a better held-out error before training stops.
    """

    epochs: int
    batch: int
    rate: float
    decay: float
    patience: int


def train(
    network: keras.Model,
    examples: Examples,
    schedule: Schedule,
    seed: int,
    label: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train `network` in place, and leave it with the weights that were best on held-out draws.

    With fewer than four draws none are held out, and it is the training error that must fall. `callbacks` are told of
    every epoch before the others are.
    """
    rng = np.random.default_rng(seed)
    held_out = _held_out(examples.draw, rng)
    learned_from = examples[~held_out]
    batches = Batches(learned_from, _batch_size(len(learned_from), schedule.batch), rng)
    checks = Batches(examples[held_out], _CHECKED_AT_ONCE) if held_out.any() else None
    watched = "val_loss" if checks else "loss"
    network.compile(
        optimizer=keras.optimizers.AdamW(schedule.rate, weight_decay=schedule.decay, clipnorm=1.0),
        loss=masked_square_error,
    )
    log.info("%s: trains on %s with %s, on %d windows", label, device(), keras.backend.backend(), len(learned_from))
    untrained = network.get_weights(), network.evaluate(checks or batches, verbose=0, return_dict=True)["loss"]
    history = network.fit(
        batches,
        validation_data=checks,
        epochs=schedule.epochs,
        shuffle=False,  # the batches shuffle themselves; Keras would use the global generator
        verbose=0,
        callbacks=[
            *callbacks,
            keras.callbacks.ReduceLROnPlateau(watched, _COOLING, _PLATEAU, min_lr=schedule.rate * 0.01),
            keras.callbacks.EarlyStopping(watched, patience=schedule.patience, restore_best_weights=True),
            _Progress(label, schedule.epochs, watched),
        ],
    )
    if not np.nanmin([np.inf, *history.history[watched]]) < untrained[1]:
        log.info("%s: training gained nothing, so the network stays as it began", label)
        network.set_weights(untrained[0])


def masked_square_error(target, answer):
    """Return the mean squared error over what was measured (target is not NaN)."""
    measured = keras.ops.logical_not(keras.ops.isnan(target))
    error = keras.ops.where(measured, answer - keras.ops.where(measured, target, 0.0), 0.0)
    count = keras.ops.sum(keras.ops.cast(measured, error.dtype))
    return keras.ops.sum(keras.ops.square(error)) / keras.ops.maximum(count, 1.0)


class Batches(keras.utils.PyDataset):
    """Batches of one size, in a new order every epoch if there is an `rng`, else in order.

    One size, because a step is compiled for each: the few windows that fill no batch are left out, in training other
    ones every epoch.

    Parameters
    ----------
    examples
        What to cut into batches.
    size
        Windows a batch, at most.
    rng
        What shuffles.
    """

    def __init__(self, examples: Examples, size: int, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        count = -(-len(examples) // size) if rng is None else max(len(examples) // size, 1)
        self.examples, self.rng = examples, rng
        self.count = count if rng is None else min(count, _STEPS_OF_AN_EPOCH[1])
        self.size = min(size, len(examples) // count)
        self.order = np.arange(len(examples))
        self.on_epoch_end()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return inputs and target of one batch."""
        batch = self.examples[self.order[at * self.size : (at + 1) * self.size]]
        return batch.inputs, batch.target

    def on_epoch_end(self) -> None:
        """Shuffle."""
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.examples))


def device() -> str:
    """Return what networks train on: the GPU if there is one."""
    return str(keras.distribution.list_devices()[0])


def _held_out(draw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draws = np.unique(draw)
    if len(draws) < _FEWEST_DRAWS:
        return np.zeros(len(draw), bool)
    return np.isin(draw, rng.permutation(draws)[: max(1, round(_HELD_OUT * len(draws)))])


def _batch_size(windows: int, largest: int) -> int:
    return int(min(windows, np.clip(windows // _STEPS_OF_AN_EPOCH[0], _SMALLEST_BATCH, largest)))


class _Progress(keras.callbacks.Callback):
    """A bar on the terminal, and one line in the log."""

    def __init__(self, label: str, epochs: int, watched: str) -> None:
        super().__init__()
        self.label, self.epochs, self.watched = label, epochs, watched
        self.best, self.count = float("inf"), 0

    def on_train_begin(self, logs=None) -> None:
        from tqdm.auto import tqdm

        self.bar = tqdm(total=self.epochs, desc=self.label, unit="epoch", disable=not watched(), leave=False)

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.best, self.count = min(self.best, logs[self.watched]), epoch + 1
        self.bar.update()
        self.bar.set_postfix_str(f"error {self.best**0.5:.3f}")

    def on_train_end(self, logs=None) -> None:
        self.bar.close()
        where = "held-out draws" if self.watched == "val_loss" else "its own training data"
        log.info("%s: %d epochs, error %.3f standard deviations on %s", self.label, self.count, self.best**0.5, where)
