"""A dense network on the whole history at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sbml_hybrid.forecasting.networks.network import Network, dense


@dataclass(frozen=True)
class MLP(Network):
    """A multilayer perceptron: the history's points side by side, with their masks and ages.

    The simplest network, and the quickest to train.
    """

    def encode(self, steps: Any, seeds: Iterator[int]) -> Any:
        """Return one dense layer over all points (batch, unit)."""
        from sbml_hybrid.forecasting.engine import keras

        return dense(self.units, seeds, "swish")(keras.layers.Flatten(dtype="float32")(steps))
