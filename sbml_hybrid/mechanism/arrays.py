"""The arrays a mechanism is computed with: NumPy's or Keras', with gradients that stay finite.

A rate law is often evaluated where a species is exactly 0. Its value there is what the formula says;
but the gradient of ``x^0.5`` is infinite there, and 0 times infinity would make the gradient of
everything NaN. Such a gradient is 0 here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


class Arrays:
    """An array namespace: that of `base`, with gradient-safe power, root, logarithm and division.

    Parameters
    ----------
    base
        NumPy or ``keras.ops``. With NumPy it also has the few functions of ``keras.ops`` that NumPy lacks.
    """

    def __init__(self, base: Any = np) -> None:
        self.base = _Numpy() if base is np else base

    def __getattr__(self, name: str) -> Any:
        if name == "base":
            raise AttributeError(name)  # while it is unpickled, before there is a base
        return getattr(self.base, name)

    def custom_gradient(self, function: Any) -> Any:
        """Return a function with a gradient of its own, from one that returns the value and a pullback.

        The pullback takes the gradient by the value, and gives those by each argument.
        """

        def adapted(*arguments: Any) -> Any:
            value, pullback = function(*arguments)

            def gradient(*upstream: Any, **also: Any) -> Any:  # backends call it in either way
                return pullback(upstream[0] if also.get("upstream") is None else also["upstream"])

            return value, gradient

        return self.base.custom_gradient(adapted)

    def take(self, x: Any, indices: Any, axis: int) -> Any:
        """Return slices of x; the gradient by rows is dense.

        TensorFlow's own is sparse, and its compiler loses sparse gradients of a concatenation.
        """
        xp = self.base
        if axis or not isinstance(indices, np.ndarray) or isinstance(xp, _Numpy):
            return xp.take(x, indices, axis=axis)

        @self.custom_gradient
        def taken(x: Any) -> Any:
            return xp.take(x, indices, axis=0), lambda up: xp.segment_sum(up, indices, num_segments=x.shape[0])

        return taken(x)

    def divide(self, above: Any, below: Any) -> Any:
        """Return above / below; the gradient is 0 where below is 0."""
        xp = self.base
        below = xp.convert_to_tensor(below)
        usual = xp.not_equal(below, 0.0)
        return xp.where(usual, xp.divide(above, xp.where(usual, below, 1.0)), xp.stop_gradient(xp.divide(above, below)))

    def log(self, x: Any) -> Any:
        """Return the natural logarithm; the gradient is 0 where x is not positive."""
        return self._positive("log", x)

    def log10(self, x: Any) -> Any:
        """Return the decimal logarithm; the gradient is 0 where x is not positive."""
        return self._positive("log10", x)

    def sqrt(self, x: Any) -> Any:
        """Return the square root; the gradient is 0 where x is not positive."""
        return self._positive("sqrt", x)

    def _positive(self, function: str, x: Any) -> Any:
        xp = self.base
        usual = xp.greater(x, 0.0)
        apply = getattr(xp, function)
        return xp.where(usual, apply(xp.where(usual, x, 1.0)), xp.stop_gradient(apply(x)))

    def power(self, x: Any, n: Any) -> Any:
        """Return x to the n; an infinite gradient is 0, and there is none for a negative x and a broken n."""
        xp = self.base
        at_zero = xp.equal(x, 0.0)
        size = xp.power(xp.where(at_zero, 1.0, xp.abs(x)), n)
        whole, odd = xp.equal(xp.floor(n), n), xp.equal(xp.mod(n, 2.0), 1.0)
        signed = xp.where(whole, xp.where(odd, -size, size), np.nan)
        of_zero = xp.where(xp.greater(n, 0.0), 0.0, xp.where(xp.less(n, 0.0), np.inf, 1.0))
        of_zero = xp.where(xp.equal(n, 1.0), x, xp.cast(of_zero, size.dtype))  # with the slope 1
        return xp.where(at_zero, of_zero, xp.where(xp.less(x, 0.0), signed, size))


@lru_cache(maxsize=512)
def _summing(segments: bytes, count: int) -> Any:
    """The sparse matrix that sums rows by segment."""
    from scipy.sparse import csr_array

    to = np.frombuffer(segments, dtype=np.int64)
    return csr_array((np.ones(len(to)), (to, np.arange(len(to)))), shape=(count, len(to)))


class _Numpy:
    """NumPy with the functions of ``keras.ops`` that a simulation needs and NumPy has under no such name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def convert_to_tensor(self, value: Any, dtype: Any = None) -> np.ndarray:
        return np.asarray(value, dtype=dtype)

    def cast(self, value: Any, dtype: Any) -> np.ndarray:
        return np.asarray(value).astype(dtype)

    def stop_gradient(self, value: Any) -> Any:
        return value

    def custom_gradient(self, function: Any) -> Any:
        return lambda *arguments: function(*arguments)[0]

    def segment_sum(self, rows: np.ndarray, segments: np.ndarray, num_segments: int) -> np.ndarray:
        return _summing(np.asarray(segments, dtype=np.int64).tobytes(), num_segments) @ rows

    def scatter_update(self, into: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        into[tuple(np.moveaxis(indices, -1, 0))] = updates
        return into  # in place: Keras' arrays cannot be, and nobody keeps the old one

    def fori_loop(self, lower: int, upper: int, body: Any, value: Any) -> Any:
        for i in range(lower, upper):
            value = body(i, value)
        return value

    def while_loop(self, condition: Any, body: Any, loop_vars: tuple[Any, ...]) -> tuple[Any, ...]:
        while condition(*loop_vars):
            loop_vars = body(*loop_vars)
        return loop_vars
