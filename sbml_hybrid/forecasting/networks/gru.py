"""A recurrent network that reads the history point by point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sbml_hybrid.forecasting.networks.network import Network


@dataclass(frozen=True)
class GRU(Network):
    """A gated recurrent unit that reads the history in order, with its gaps and the time since each measurement.

    The network to try first, with a hundred draws or more.
    """

    def encode(self, steps: Any, seeds: Iterator[int]) -> Any:
        """Return the state after the last point (batch, unit)."""
        from sbml_hybrid.forecasting.engine import keras

        return keras.layers.GRU(
            self.units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            seed=next(seeds),
            dtype="float32",
        )(steps)
