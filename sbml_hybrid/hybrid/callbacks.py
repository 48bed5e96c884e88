"""Callbacks of a hybrid's training: a growing horizon, good weights kept, and what `fit` does by itself."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from sbml_hybrid.errors import is_number
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.weighing import DATA_LOSS
from sbml_hybrid.hybrid.weights import require_whole
from sbml_hybrid.parallel import watched

log = logging.getLogger("sbml_hybrid")


class GrowingHorizon(keras.callbacks.Callback):
    """Train on the beginning of trajectories first, and on more of them epoch by epoch.

    A long trajectory of a wrong mechanism says little about what is wrong. Measurements behind the horizon count for
    nothing in training; validation has all of them. The horizon grows evenly to the end that `Simulate` was given.

    Parameters
    ----------
    start
        The horizon in the first epoch, in the model's time unit.
    epochs
        In how many epochs all is seen.
    """

    def __init__(self, start: float, epochs: int) -> None:
        super().__init__()
        if not (is_number(start) and start >= 0):
            raise ValueError(f"start must be a time, zero or more, got {start!r}.")
        require_whole("epochs", epochs)
        self.start, self.epochs = float(start), int(epochs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Move the horizon."""
        end, done = self.model.simulate.plan.end, epoch / self.epochs
        self.model.horizon.assign(np.inf if done >= 1 else self.start + done * max(end - self.start, 0.0))

    def on_train_end(self, logs: Any = None) -> None:
        """See all again."""
        self.model.horizon.assign(np.inf)


class KeepGood(keras.callbacks.Callback):
    """Stop training where loss or weights turn NaN, and leave the weights as they were an epoch before.

    With several starts training goes on as long as one of them is good.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """Remember the weights at the start, the optimizer's too, which Keras makes at the first step."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self._remember()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the loss and the weights."""
        good = np.isfinite((logs or {}).get("loss", 0.0)) & _finite(self.model)
        if good.any():
            self._remember()
            return
        for variable, value in zip(self._variables(), self.kept, strict=True):
            variable.assign(value)
        self.model.stop_training = True
        log.warning(
            "Training stopped in epoch %d, where the loss turned NaN; the weights are those before. Try: a smaller "
            "learning rate, or narrower bounds in estimate=.",
            epoch + 1,
        )

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _remember(self) -> None:
        self.kept = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables()]


class Following(keras.callbacks.Callback):
    """What `fit` does by itself: the weights of penalties change, and the losses of starts are remembered."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Follow."""
        self.model.penalties.on_epoch_end(epoch, logs)
        starts = self.model.starts
        names = [f"loss_{i}" for i in range(starts)] if starts > 1 else [DATA_LOSS if DATA_LOSS in logs else "loss"]
        self.model.start_losses.assign(np.array([float(logs[name]) for name in names]))


class Progress(keras.callbacks.Callback):
    """A bar on the terminal, and one line in the log.

    Parameters
    ----------
    epochs
        How many there will be at most.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs, self.count, self.last = epochs, 0, {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the bar."""
        from tqdm.auto import tqdm

        self.bar = tqdm(total=self.epochs, desc="hybrid", unit="epoch", disable=not watched(), leave=False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Move it."""
        self.count, self.last = epoch + 1, dict(logs or {})
        self.bar.update()
        self.bar.set_postfix_str(f"loss {self.last.get('loss', np.nan):.4g}")

    def on_train_end(self, logs: Any = None) -> None:
        """Close it."""
        self.bar.close()
        loss, unfinished = self.last.get("loss", np.nan), self.last.get("unfinished", 0.0)
        log.info("hybrid: %d epochs, loss %.4g, %.1f %% unfinished", self.count, loss, 100 * unfinished)


def _finite(model: Any) -> np.ndarray:
    """Which starts have finite weights only (start,)."""
    good = np.ones(model.starts, bool)
    for variable in model.trainable_variables:
        finite = np.isfinite(keras.ops.convert_to_numpy(variable))
        good &= finite.all() if model.starts == 1 else finite.reshape(model.starts, -1).all(axis=1)
    return good
