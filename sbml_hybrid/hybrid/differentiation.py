"""Gradients and compilation as the backend has them, where Keras has no name for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sbml_hybrid.forecasting.engine import keras


def pullback(function: Callable[..., Any], arguments: Sequence[Any], upstream: Any) -> tuple[Any, Sequence[Any]]:
    """Return a function's value, and what a gradient by the value is by each argument (0 where it does not matter)."""
    if keras.backend.backend() == "jax":
        import jax

        value, pulled = jax.vjp(function, *arguments)
        return value, pulled(upstream)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(arguments)
        value = function(*arguments)
    return value, tape.gradient(value, arguments, upstream, tf.UnconnectedGradients.ZERO)


def finite_gradient(value: Any, xp: Any) -> Any:
    """Return a value as it is; of its gradient, what is not finite counts 0.

    A trajectory that has run away gives observables without bounds. Nothing is asked of these, but 0 times an infinite
    slope would be no number, and one trajectory would be the end of all.
    """

    @xp.custom_gradient
    def same(value: Any) -> Any:
        return value, lambda up: xp.where(xp.isfinite(up), up, xp.zeros_like(up))

    return same(value)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays, compiled for each shape it is called with."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
