"""Probabilities in logarithms, in NumPy and in keras.ops, which has few special functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

LOG_2PI = math.log(2 * math.pi)
# erfc(x) = t exp(-x^2 + polynomial in t), t = 1 / (1 + x/2), x >= 0: relative error below 1.2e-7 (Press et al.,
# Numerical Recipes, section 6.2).
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
_DEEP = 40.0  # what lies so many natural logarithms below the largest part of an integral is left out
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def log_probability(z: Any, xp: Any) -> Any:
    """Return the logarithm of the probability that a standard normal lies below `z`; 1e-7 right in keras.ops."""
    if xp is np:
        from scipy.special import log_ndtr

        return log_ndtr(z)
    x = xp.abs(z) / math.sqrt(2.0)
    t = 1.0 / (1.0 + 0.5 * x)
    exponent = 0.0 * t
    for coefficient in reversed(_ERFC):
        exponent = exponent * t + coefficient
    tail = xp.log(0.5 * t) - x**2 + exponent
    return xp.where(z < 0, tail, xp.log1p(-xp.exp(tail)))


def log_sum(terms: Any, xp: Any, axis: int = 0) -> Any:
    """Return log(sum(exp(terms))) along an axis; -inf where all terms are."""
    peak = xp.max(terms, axis=axis, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, xp.zeros_like(peak))
    total = xp.sum(xp.exp(terms - peak), axis=axis)
    positive = total > 0
    logged = xp.log(xp.where(positive, total, xp.ones_like(total)))
    return xp.where(positive, logged, xp.full_like(total, -math.inf)) + xp.squeeze(peak, axis)


def stirling_error(x: Any, xp: Any) -> Any:
    """Return log(x!) - log(sqrt(2 pi x) (x/e)^x) for x > 0, right to 1e-13 (Loader 2000)."""
    small = x < 16
    y = xp.where(small, x + 16, x)
    series = 0.0 * y
    for coefficient in reversed(_STIRLING):
        series = series / y**2 + coefficient
    series = series / y
    low = xp.where(small, x, xp.ones_like(x))
    risen = sum(xp.log(low + i) for i in range(1, 17))
    shifted = series + (low + 16.5) * xp.log(low + 16) - 16 - risen - (low + 0.5) * xp.log(low)
    return xp.where(small, shifted, series)


def deviance(x: Any, mean: Any, xp: Any) -> Any:
    """Return x log(x/mean) + mean - x for positive x and mean, without cancellation (Loader 2000)."""
    off = (mean - x) / x
    return x * (off - xp.where(off < -0.5, xp.log(mean / x), xp.log1p(off)))


def log_tail(drop: Callable, slope: Callable, first: Any, xp: Any) -> Any:
    """Return log of the integral of exp(-drop(w)) over w > 0, for a convex `drop` that rises from zero.

    64-point Gauss-Legendre up to where the integrand is exp(-40), found by Newton's method from `first`, beyond it.
    """
    width = first
    for _ in range(20):
        width = width - (drop(width) - _DEEP) / slope(width)
    parts = [math.log(w / 2) - drop(width * ((x + 1) / 2)) for x, w in zip(_NODES, _WEIGHTS, strict=True)]
    return xp.log(width) + log_sum(xp.stack(parts), xp)


def log_one_minus_exp(x: Any, xp: Any) -> Any:
    """Return log(1 - exp(x)) for x <= 0."""
    x = xp.minimum(x, xp.zeros_like(x))
    inner = xp.where(x < 0, x, -xp.ones_like(x))
    return xp.where(x < 0, xp.log(-xp.expm1(inner)), xp.full_like(x, -math.inf))
