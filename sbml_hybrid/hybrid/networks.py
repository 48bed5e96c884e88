"""Networks whose weights may stand for several starts of one training at once."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sbml_hybrid.errors import is_number
from sbml_hybrid.forecasting.engine import keras


@keras.saving.register_keras_serializable("sbml_hybrid")
class Stacked(keras.layers.Layer):
    """A dense layer for each start, all in one product.

    The rows of its input are those of the first start, then those of the second, and so on; each start has weights of
    its own (start, input, unit).

    Parameters
    ----------
    units
        How many numbers come out.
    starts
        How many starts there are.
    activation
        A Keras activation; None for none.
    seed
        Where chance starts; None for weights of 0.
    kernel_regularizer
        A Keras regularizer, of each start's kernel by itself.
    """

    def __init__(
        self,
        units: int,
        starts: int = 1,
        activation: Any = None,
        seed: int | None = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.starts, self.seed = units, starts, seed
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Make the weights: Glorot's, or 0."""
        shape = (self.starts, input_shape[-1], self.units)
        first = np.zeros(shape)
        if self.seed is not None:
            limit = np.sqrt(6 / (shape[1] + shape[2]))
            for start in range(self.starts):  # so that a start has the same weights, however many there are
                first[start] = np.random.default_rng([self.seed, start]).uniform(-limit, limit, shape[1:])

        def initial(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.convert_to_tensor(first, dtype=dtype)

        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=initial, regularizer=self.kernel_regularizer
        )
        self.bias = self.add_weight(name="bias", shape=(self.starts, 1, self.units), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return (start and trajectory, ..., unit) for (start and trajectory, ..., input)."""
        ops = keras.ops
        rows = ops.reshape(inputs, (self.starts, -1, inputs.shape[-1]))
        answer = self.activation(ops.matmul(rows, self.kernel) + self.bias)
        return ops.reshape(answer, (-1, *ops.shape(inputs)[1:-1], self.units))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of what comes out."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return all that makes the layer again."""
        return {
            **super().get_config(),
            "units": self.units,
            "starts": self.starts,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable("sbml_hybrid")
class Perceptron(keras.layers.Layer):
    """Dense layers one behind the other, for `Graft(network=...)`.

    Any Keras layer or model is a network of a graft; this one can also be trained from many starts at once
    (``HybridModel(starts=16)``), each with weights of its own.

    Parameters
    ----------
    units
        Units of each layer.
    depth
        How many layers.
    activation
        A Keras activation.
    seed
        Where chance starts; None for another one each time.
    starts
        How many starts; `HybridModel` sets it.
    kernel_regularizer
        A Keras regularizer of all kernels, that behind the last layer included.

    Examples
    --------
    >>> Perceptron(units=8, depth=1, seed=0).compute_output_shape((None, 2))
    (None, 8)
    """

    def __init__(
        self,
        units: int = 16,
        depth: int = 2,
        activation: Any = "tanh",
        seed: int | None = None,
        starts: int = 1,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        for name, value in (("units", units), ("depth", depth), ("starts", starts)):
            if not (is_number(value) and value == int(value) and value >= 1):
                raise ValueError(f"{name} must be a whole number, 1 or more, got {value!r}.")
        self.units, self.depth, self.starts = int(units), int(depth), int(starts)
        self.seed = random.randrange(2**31) if seed is None else seed
        seeds = np.random.SeedSequence(self.seed).generate_state(self.depth).tolist()
        self.layers = [
            Stacked(
                self.units,
                self.starts,
                activation,
                seed,
                self.kernel_regularizer,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i, seed in enumerate(seeds)
        ]

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return features (start and trajectory, ..., unit) of inputs (start and trajectory, ..., input)."""
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of what comes out."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return all that makes the layer again."""
        activation = keras.activations.serialize(self.layers[0].activation)
        return {
            **super().get_config(),
            "units": self.units,
            "depth": self.depth,
            "activation": activation,
            "seed": self.seed,
            "starts": self.starts,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def last_layer(network: Any, count: int, **kwargs: Any) -> Any:
    """Return the layer that goes behind a network and starts at 0: with as many starts as the network has."""
    if hasattr(network, "starts"):
        regularizer = getattr(network, "kernel_regularizer", None)
        return Stacked(count, network.starts, kernel_regularizer=regularizer, **kwargs)
    return keras.layers.Dense(count, kernel_initializer="zeros", **kwargs)


def with_starts(network: Any, starts: int, what: str) -> Any:
    """Return a network with weights for so many starts: itself, if it has them.

    A layer of one's own has them, if it has the attribute ``starts`` and takes it again from its configuration.

    Raises
    ------
    ValueError
        Its weights cannot have a start axis.
    """
    if getattr(network, "starts", 1) == starts:
        return network
    if not hasattr(network, "starts"):
        raise ValueError(
            f"starts={starts} needs networks with weights for each start, and {what} is a {type(network).__name__}. "
            "Try: Perceptron(units=16, depth=2), or starts=1."
        )
    return type(network).from_config({**network.get_config(), "starts": starts})


def first_kernel(network: Any, start: int) -> Any:
    """Return the first kernel of a network (input, unit), that of a start; None where it has none."""
    if isinstance(network, Perceptron | Stacked):
        layer = network.layers[0] if isinstance(network, Perceptron) else network
        return layer.kernel[start]
    matrices = [v for v in network.trainable_variables if len(v.shape) == 2]
    return matrices[0] if matrices else None
