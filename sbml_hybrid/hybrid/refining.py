"""The last part of a training: down to the nearest minimum, with L-BFGS on all trajectories at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.descent import descent
from sbml_hybrid.hybrid.differentiation import compiled, pullback
from sbml_hybrid.parallel import watched

log = logging.getLogger("sbml_hybrid")


def refined(
    model: Any, inputs: Mapping[str, np.ndarray], target: np.ndarray, evaluations: int, tolerance: float, bar: bool
) -> pd.DataFrame:
    """Give a hybrid the weights of the nearest minimum of each start; see `HybridModel.refine`."""
    from tqdm.auto import tqdm

    weights = _Rows(model)
    judge = _judge(model, inputs, target)
    losses: list[np.ndarray] = []
    found = None

    def evaluate(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (loss, _), gradients = judge(weights.apart(position))
        return loss, weights.together(gradients)

    ways: Iterator[Any] = descent(evaluate, weights.together(weights.values()), tolerance)
    try:
        with tqdm(
            total=evaluations, desc="hybrid", unit="evaluation", disable=not (bar and watched()), leave=False
        ) as on:
            for _, found in zip(range(evaluations), ways, strict=False):  # in this order none is evaluated in vain
                losses.append(found.loss)
                on.update()
                on.set_postfix_str(f"loss {found.loss.min():.4g}")
    finally:  # what was found is kept when it is interrupted
        if found is not None:
            weights.assign(found.position)
    (_, likelihoods), _ = judge(weights.values())
    model.start_losses.assign(likelihoods)
    log.info("hybrid: %d evaluations, loss %.4g to %.4g", len(losses), losses[0].min(), losses[-1].min())
    evaluation, start = np.indices((len(losses), model.starts))
    columns = {"evaluation": evaluation.ravel(), "start": start.ravel(), "loss": np.concatenate(losses)}
    return pd.DataFrame(columns)


def _judge(model: Any, inputs: Mapping[str, np.ndarray], target: np.ndarray) -> Any:
    """Return what gives, for weights, the losses and minus the mean log likelihoods (2, start), and gradients."""

    def both(values: list[Any], inputs: Any, target: Any) -> Any:
        def losses(*values: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(model.trainable_variables, values, strict=True))):
                judged = model.judged(inputs, target, model(inputs, training=True))
            # What was not reached counts against a start, or it would go down by failing.
            total = judged.total - judged.data + judged.against
            return keras.ops.stack([total, judged.against])

        first = np.zeros((2, model.starts))
        first[0] = 1.0  # starts have no weight in common, so the gradient of their sum is that of each
        return pullback(losses, values, keras.ops.convert_to_tensor(first, dtype=model.compute_dtype))

    run = compiled(both)

    def judge(values: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        losses, gradients = run(values, inputs, target)
        return np.asarray(losses, dtype=float), [np.asarray(gradient, dtype=float) for gradient in gradients]

    return judge


class _Rows:
    """The trainable weights of a hybrid as rows of numbers, one for each start."""

    def __init__(self, model: Any) -> None:
        self.variables, self.starts = model.trainable_variables, model.starts
        sizes = [int(np.prod(variable.shape)) // self.starts for variable in self.variables]
        self.cuts = np.cumsum(sizes)[:-1]

    def values(self) -> list[np.ndarray]:
        return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in self.variables]

    def together(self, values: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.reshape(value, (self.starts, -1)) for value in values], axis=1, dtype=float)

    def apart(self, rows: np.ndarray) -> list[np.ndarray]:
        cut = np.split(rows, self.cuts, axis=1)
        return [
            part.reshape(variable.shape).astype(keras.backend.standardize_dtype(variable.dtype))
            for part, variable in zip(cut, self.variables, strict=True)
        ]

    def assign(self, rows: np.ndarray) -> None:
        for variable, value in zip(self.variables, self.apart(rows), strict=True):
            variable.assign(value)
