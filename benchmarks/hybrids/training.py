"""What the training experiments share: what they are asked, how hybrids are trained, and how seeds are summed up."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def asked(name: str, description: str | None, **flags: str) -> argparse.Namespace:
    """Return what the command line asks for: ``seeds``, ``small``, ``write``, and further flags."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="few data and epochs: seconds instead of minutes")
    parser.add_argument("--write", action="store_true", help=f"write docs/experiments/{name}.md")
    for flag, said in flags.items():
        parser.add_argument(f"--{flag}", action="store_true", help=said)
    return parser.parse_args()


class Bench:
    """Hybrids of one kind, trained one after the other and compiled once.

    Parameters
    ----------
    build
        A seed -> a hybrid that is not trained yet.
    epochs
        How many steps, on all trajectories at once; the rate falls along a cosine to a hundredth.
    rate
        Adam's first learning rate.
    horizon
        The first horizon, in the model's time unit, which grows to the end in the first half; None for all from the
        start.
    evaluations
        How many evaluations L-BFGS has afterwards, at most.
    """

    def __init__(
        self, build: Callable[[int], Any], epochs: int, rate: float, horizon: float | None = None, evaluations: int = 0
    ) -> None:
        self.build, self.epochs, self.rate, self.horizon, self.evaluations = build, epochs, rate, horizon, evaluations
        self.model: Any = None

    def trained(self, seed: int, inputs: Mapping[str, Any], target: np.ndarray) -> Any:
        """Return the hybrid of a seed, trained on inputs and target: always the same object, with other weights."""
        from sbml_hybrid.forecasting.engine import keras
        from sbml_hybrid.hybrid.callbacks import GrowingHorizon

        fresh = self.build(seed)
        if self.model is None:
            self.model = fresh
            schedule = keras.optimizers.schedules.CosineDecay(self.rate, self.epochs, alpha=0.01)
            self.model.compile(keras.optimizers.Adam(schedule, clipvalue=1.0))
        else:
            for mine, other in zip(self.model.variables, fresh.variables, strict=True):
                mine.assign(other)
            for variable in self.model.optimizer.variables:  # moments and the count of steps
                variable.assign(np.zeros(variable.shape))
        growing = [] if self.horizon is None else [GrowingHorizon(self.horizon, max(self.epochs // 2, 1))]
        self.model.fit(inputs, target, epochs=self.epochs, verbose=0, callbacks=growing)
        if self.evaluations:
            self.model.refine(inputs, target, evaluations=self.evaluations, verbose=0)
        return self.model


def interval(values: Sequence[float], digits: int = 2) -> str:
    """Return the mean, and half the width of its 95 % interval (Student's t); one value alone has none."""
    values = np.asarray(values, float)
    mean = f"{values.mean():.{digits}f}"
    if len(values) < 2:
        return mean
    half = T_95.get(len(values), 1.96) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"
