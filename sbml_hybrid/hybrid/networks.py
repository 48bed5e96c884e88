"""Networks whose weights may stand for several starts of one training at once."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.weights import require_whole


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
            require_whole(name, value)
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


@keras.saving.register_keras_serializable("sbml_hybrid")
class HamiltonianField(keras.layers.Layer):
    """The field of an energy H: motion that conserves it, for `Graft(..., mode="replace", bare=True)`.

    Inputs are the coordinates and then their momenta, in equal numbers, and so are the ports, their derivatives: what
    comes out is dH/dp for each coordinate and -dH/dq for each momentum (Greydanus et al. 2019, arXiv:1906.01563). H is
    a sum of units, ``H(x) = sum_j a_j F(w_j x + b_j)`` with F' the activation, whose gradient needs no differentiation
    (Jin et al. 2020, doi:10.1016/j.neunet.2020.08.017). The weights a_j start at 0, and with them the field.

    Parameters
    ----------
    units
        How many units H has.
    activation
        A Keras activation, the derivative of F: with ``"exponential"`` H is a sum of exponentials.
    seed
        Where chance starts; None for another one each time.
    starts
        How many starts; `HybridModel` sets it.
    kernel_regularizer
        A Keras regularizer of w and a.

    Raises
    ------
    ValueError
        A number of inputs that is not even.

    Examples
    --------
    >>> HamiltonianField(units=8, seed=0).compute_output_shape((None, 2))
    (None, 2)
    """

    def __init__(
        self,
        units: int = 16,
        activation: Any = "tanh",
        seed: int | None = None,
        starts: int = 1,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_whole("units", units)
        require_whole("starts", starts)
        self.units, self.starts = int(units), int(starts)
        self.seed = random.randrange(2**31) if seed is None else seed
        policy = {"dtype": self.dtype_policy}
        self.inner = Stacked(self.units, self.starts, activation, self.seed, kernel_regularizer, name="inner", **policy)
        self.outer = Stacked(1, self.starts, None, None, kernel_regularizer, name="outer", **policy)

    @property
    def kernel(self) -> Any:
        """The weights w (start, input, unit)."""
        return self.inner.kernel

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        if input_shape[-1] % 2:
            raise ValueError(
                f"A HamiltonianField reads coordinates and as many momenta, and got {input_shape[-1]} inputs."
            )
        self.inner.build(input_shape)
        self.outer.build((None, self.units))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the field (start and trajectory, input)."""
        ops = keras.ops
        steepness = ops.reshape(self.inner(inputs), (self.starts, -1, self.units)) * ops.transpose(
            ops.convert_to_tensor(self.outer.kernel), (0, 2, 1)
        )
        by = ops.reshape(ops.matmul(steepness, ops.transpose(self.kernel, (0, 2, 1))), ops.shape(inputs))
        half = inputs.shape[-1] // 2
        return ops.concatenate([by[:, half:], -by[:, :half]], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of what comes out."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return all that makes the layer again."""
        inner = self.inner.get_config()
        return {
            **super().get_config(),
            **{key: inner[key] for key in ("units", "activation", "seed", "starts", "kernel_regularizer")},
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
    if isinstance(network, Perceptron | Stacked | HamiltonianField):
        layer = network.layers[0] if isinstance(network, Perceptron) else network
        return layer.kernel[start]
    matrices = [v for v in network.trainable_variables if len(v.shape) == 2]
    return matrices[0] if matrices else None
