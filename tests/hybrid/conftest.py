"""A layer compiled as training compiles it, on either backend."""

import numpy as np
import pytest


class Compiled:
    """A layer whose simulations and gradients are compiled once, and then called with NumPy arrays.

    On TensorFlow gradients go without XLA by default.
    """

    def __init__(self, layer, jit=False):
        import keras

        layer.build()
        self.layer = layer
        in_jax = keras.backend.backend() == "jax"
        self._run, self._gradient = _in_jax(layer) if in_jax else _in_tensorflow(layer, jit)

    def __call__(self, **inputs):
        """Return the values, whether each time was reached, and what the trace has as own and used values."""
        return [np.array(found) for found in self._run(_arrays(inputs))]

    def gradient(self, weights, **inputs):
        """Return the gradients of sum(weights * values): name of an input -> its own, and those of all variables."""
        by_inputs, by_variables = self._gradient(_arrays(inputs), np.asarray(weights, float))
        return {name: np.array(by) for name, by in by_inputs.items()}, [np.array(by) for by in by_variables]


def _arrays(inputs):
    return {name: np.asarray(values, float) for name, values in inputs.items()}


def _seen(found):
    values, trace = found
    return values, trace.reached, trace.own, trace.value


def _in_tensorflow(layer, jit):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(inputs):
        return _seen(layer.run(inputs, False))

    @tf.function(jit_compile=jit)
    def gradient(inputs, weights):
        given = {name: values for name, values in inputs.items() if name != "times"}
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(tf.cast(layer.run({**given, "times": inputs["times"]}, True)[0], tf.float64) * weights)
        return tape.gradient(loss, (given, layer.trainable_variables))

    def tensors(inputs):
        return {name: tf.constant(values) for name, values in inputs.items()}

    return lambda inputs: run(tensors(inputs)), lambda inputs, weights: gradient(tensors(inputs), tf.constant(weights))


def _in_jax(layer):
    import jax
    import keras

    def found(variables, given, times, training):
        with keras.StatelessScope(state_mapping=list(zip(layer.trainable_variables, variables, strict=True))):
            return layer.run({**given, "times": times}, training)

    def loss(variables, given, times, weights):
        return jax.numpy.sum(found(variables, given, times, True)[0] * weights)

    run = jax.jit(lambda *arguments: _seen(found(*arguments, False)))
    gradient = jax.jit(jax.grad(loss, (1, 0)))

    def parts(inputs):
        given = {name: values for name, values in inputs.items() if name != "times"}
        return [variable.value for variable in layer.trainable_variables], given, inputs["times"]

    return lambda inputs: run(*parts(inputs)), lambda inputs, weights: gradient(*parts(inputs), weights)


@pytest.fixture(scope="session")
def compiled():
    """Compile a layer."""
    return Compiled
