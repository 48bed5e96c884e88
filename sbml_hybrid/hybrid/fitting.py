"""A Keras model of trajectories: compile, fit, evaluate and predict, from arrays or from a dataset."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.errors import is_number
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.callbacks import Following, KeepGood, Progress
from sbml_hybrid.hybrid.feeding import Needed, Trajectories, parts
from sbml_hybrid.hybrid.refining import refined
from sbml_hybrid.hybrid.weights import require_whole

log = logging.getLogger("sbml_hybrid")

_RATE = 0.01


class Fitted(keras.Model):
    """What a hybrid does with arrays and datasets; the computing is that of `HybridModel`."""

    needed: Needed
    starts: int
    seed: int

    def compile(self, optimizer: Any = None, *, jit_compile: bool = True, **kwargs: Any) -> None:
        """Set the optimizer, Adam at 0.01 by default; the loss is the likelihood.

        Raises
        ------
        ValueError
            A loss is given, or with several starts an optimizer that clips by a norm over them.
        """
        if kwargs.get("loss") is not None:
            raise ValueError("A hybrid's loss is its likelihood. Try: noise=, and leave loss out.")
        optimizer = keras.optimizers.get(keras.optimizers.Adam(_RATE) if optimizer is None else optimizer)
        if self.starts > 1 and (optimizer.clipnorm or optimizer.global_clipnorm):
            raise ValueError("Clipping by a norm ties the starts to each other. Try: clipvalue=.")
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Iterable[Any] = (),
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Train; see `keras.Model.fit`.

        Parameters
        ----------
        x, y
            Inputs by name and what was measured, NaN elsewhere; or a dataset. An input ``censored`` of the target's
            shape says where the target holds a limit: -1 for below it, 1 for above, 0 for measured.
        batch_size
            Trajectories a step; by default all.
        verbose
            0 for no bar.
        """
        if batch_size is not None:
            require_whole("batch_size", batch_size)
        if not self.compiled:
            self.compile()
        if isinstance(x, xr.Dataset | Mapping):
            inputs, target = self._checked(x, y, True)
            if validation_split:
                (inputs, target), validation_data = parts(inputs, target, validation_split, self.seed)
            self.likelihood.adapt(target)
            x, y = Trajectories(inputs, target, batch_size, self.seed if shuffle else None, endless=True), None
            kwargs.setdefault("steps_per_epoch", x.batches)
        if validation_data is not None and not isinstance(validation_data, keras.utils.PyDataset):
            held = (validation_data, None) if isinstance(validation_data, xr.Dataset) else validation_data
            validation_data = Trajectories(*self._checked(*held, True), batch_size)
        self.horizon.assign(np.inf)  # an interrupted training may have left another
        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or ()
        own = [Following(), KeepGood(), *([Progress(epochs)] if verbose else [])]
        said = {"epochs": epochs, "verbose": 0, "validation_data": validation_data, "shuffle": False}
        return super().fit(x, y, callbacks=[*own, *callbacks], **said, **kwargs)

    def refine(
        self, x: Any, y: Any = None, *, evaluations: int = 500, tolerance: float = 1e-7, verbose: Any = 1
    ) -> pd.DataFrame:
        """Go on from what `fit` found to the nearest minimum: L-BFGS, on all trajectories at once.

        Adam comes near a minimum whose valley is flat, as those of kinetic constants are, and is slow along it. This
        ends a training of some thousand weights and not too many trajectories. Every start goes down by itself, on the
        loss of `fit` at all times, with penalties that weigh what they weigh now; what is not reached counts against
        it.

        Parameters
        ----------
        x, y
            Inputs by name and what was measured, NaN elsewhere; or a dataset.
        evaluations
            How often the loss is evaluated at most. When it is interrupted, the lowest weights so far are kept.
        tolerance
            A start is done when several steps in a row gained less, relative to its loss or 1.
        verbose
            0 for no bar.

        Returns
        -------
        DataFrame
            ``evaluation``, ``start``, ``loss``: the lowest so far.

        Raises
        ------
        ValueError
            No evaluation, or a negative tolerance.
        """
        require_whole("evaluations", evaluations)
        if not (is_number(tolerance) and tolerance >= 0):
            raise ValueError(f"tolerance must be a number, 0 or more, got {tolerance!r}.")
        inputs, target = self._checked(x, y, True)
        self.likelihood.adapt(target)
        return refined(self, inputs, target, int(evaluations), float(tolerance), bool(verbose))

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Return the loss, and the metrics ``unfinished`` and ``rmse`` (in the measurements' units)."""
        if not self.compiled:
            self.compile()
        if isinstance(x, xr.Dataset | Mapping):
            x, y = Trajectories(*self._checked(x, y, True), batch_size), None
        return super().evaluate(x, y, **{"verbose": 0, **kwargs})

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Return what `call` gives; what did not arrive is NaN, and one warning says how many."""
        if not isinstance(x, xr.Dataset | Mapping):
            return super().predict(x, **{"verbose": 0, **kwargs})
        if not self.compiled:
            self.compile()
        inputs, _ = self._checked(x, None, False)
        answer = super().predict(Trajectories(inputs, None, batch_size), **{"verbose": 0, **kwargs})
        answer = answer[: len(inputs["times"])]
        rows = answer if self.starts > 1 else answer[:, None]
        lost = np.isnan(rows).any(axis=3) & np.isfinite(inputs["times"])[:, None]
        missing = int(lost.any(axis=2).sum())
        if missing:
            log.warning(
                "%d of %d trajectories did not arrive and are NaN from there on. Try: steps= above %d, or a larger "
                "tolerance=, in Simulate.",
                missing, lost.shape[0] * lost.shape[1], self.simulate.accuracy.steps,
            )  # fmt: skip
        return answer

    def inputs_from(self, dataset: xr.Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the inputs and the target (trajectory, time, observable) that a dataset has.

        Times, controls and doses are the dataset's; given parameters are those that it varied, or the model's own
        values; features are its ``known``. Replicates become trajectories; ``censored`` comes along.

        Raises
        ------
        DataError
            Nothing was measured, or a condition did something that the hybrid does not do.
        """
        return self.needed.taken_from(dataset)

    def _checked(self, x: Any, y: Any, wanted: bool) -> tuple[dict[str, np.ndarray], Any]:
        if isinstance(x, xr.Dataset):
            x, y = self.inputs_from(x)
        inputs, target = self.needed.checked(x, y, wanted)
        self.prepare(inputs)
        return inputs, target

    def prepare(self, inputs: Mapping[str, Any]) -> None:
        """Make the weights that depend on the inputs' shapes."""
        raise NotImplementedError
