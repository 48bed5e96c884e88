"""L-BFGS for several starts at once: one evaluation serves them all, and each has a line search of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_DECREASE, _CURVATURE = 1e-4, 0.9  # Wolfe's conditions
_MEMORY = 50  # steps that are remembered
_TRIES = 25  # of one line search
_PATIENCE = 5  # steps that gain too little


@dataclass(frozen=True, eq=False)
class Lowest:
    """The lowest points so far: where they are (start, weight), and their losses (start,)."""

    position: np.ndarray
    loss: np.ndarray


def descent(evaluate: Evaluate, first: np.ndarray, tolerance: float) -> Iterator[Lowest]:
    """Go down from each start to the nearest minimum.

    Steps are quasi-Newton with limited memory [1]_; their lengths keep Wolfe's weak conditions, by doubling and halving
    [2]_. A start whose loss is not finite stays where it is.

    Parameters
    ----------
    evaluate
        Positions (start, weight) -> losses (start,) and gradients (start, weight).
    first
        Where to begin (start, weight).
    tolerance
        A start is done when several steps in a row gained less than this, relative to its loss or 1.

    Yields
    ------
    Lowest
        After each evaluation, the first included; ends when every start is done.

    References
    ----------
    .. [1] Liu and Nocedal, Mathematical Programming 45 (1989) 503, doi:10.1007/BF01589116.
    .. [2] Lewis and Overton, Mathematical Programming 141 (2013) 135, doi:10.1007/s10107-012-0514-2.
    """
    x = np.array(first, dtype=float)
    f, g = _finite(*evaluate(x))
    yield Lowest(x.copy(), f.copy())
    past = _Past(x.shape)
    done = ~np.isfinite(f)
    g[done] = 0.0
    way, fresh = _steepest(g), np.ones(len(x), dtype=bool)
    length, low, high = np.ones(len(x)), np.zeros(len(x)), np.full(len(x), np.inf)
    tries, idle = np.zeros(len(x), dtype=int), np.zeros(len(x), dtype=int)
    while not done.all():
        at = x + np.where(done, 0.0, length)[:, None] * way
        value, slopes = _finite(*evaluate(at))
        along = _dot(g, way)
        lower = value <= f + _DECREASE * length * along
        taken = lower & (_dot(slopes, way) >= _CURVATURE * along) & ~done
        high, low = np.where(lower, high, length), np.where(lower, length, low)
        tries += 1

        gain = np.where(taken, f, 0.0) - np.where(taken, value, 0.0)
        past.keep(at - x, slopes - g, taken)
        x[taken], f[taken], g[taken] = at[taken], value[taken], slopes[taken]
        yield Lowest(x.copy(), f.copy())

        idle = np.where(taken, np.where(gain > tolerance * np.maximum(np.abs(f), 1.0), 0, idle + 1), idle)
        stuck = ~taken & ((tries >= _TRIES) | (_dot(g, way) >= 0))
        done |= (idle >= _PATIENCE) | (stuck & fresh)
        past.forget(stuck)
        way = np.where(taken[:, None], -past.turned(g), way)
        uphill = stuck | (taken & (_dot(g, way) >= 0))
        way = np.where(uphill[:, None], _steepest(g), way)
        fresh = np.where(taken | stuck, uphill, fresh)
        anew = taken | stuck
        with np.errstate(invalid="ignore"):
            searched = np.where(np.isfinite(high), (low + high) / 2, 2 * low)
        length = np.where(anew, 1.0, searched)
        low, high, tries = np.where(anew, 0.0, low), np.where(anew, np.inf, high), np.where(anew, 0, tries)


class _Past:
    """The last steps of each start, and how the gradient changed along them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.steps, self.changes = np.zeros((2, _MEMORY, *shape))
        self.inverse = np.zeros((_MEMORY, shape[0]))  # of step times change; 0 for no step

    def keep(self, step: np.ndarray, change: np.ndarray, which: np.ndarray) -> None:
        product = _dot(step, change)
        which = which & (product > 1e-14 * _dot(change, change))
        for kept, new in ((self.steps, step), (self.changes, change)):
            kept[:, which] = np.concatenate([kept[1:, which], new[None, which]])
        self.inverse[:, which] = np.concatenate([self.inverse[1:, which], 1 / product[None, which]])

    def forget(self, which: np.ndarray) -> None:
        self.inverse[:, which] = 0.0

    def turned(self, gradient: np.ndarray) -> np.ndarray:
        """The inverse Hessian, as far as it is known, times the gradient."""
        found, parts = gradient.copy(), np.zeros_like(self.inverse)
        for i in reversed(range(_MEMORY)):
            parts[i] = self.inverse[i] * _dot(self.steps[i], found)
            found -= parts[i][:, None] * self.changes[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            size = 1 / (self.inverse[-1] * _dot(self.changes[-1], self.changes[-1]))
        found *= np.where(self.inverse[-1] > 0, size, 1.0)[:, None]
        for i in range(_MEMORY):
            more = parts[i] - self.inverse[i] * _dot(self.changes[i], found)
            found += more[:, None] * self.steps[i]
        return found


def _steepest(gradient: np.ndarray) -> np.ndarray:
    """Down the gradient, a tenth far: weights are of order 1."""
    size = np.sqrt(_dot(gradient, gradient))
    return -0.1 * gradient / np.maximum(size, 1e-300)[:, None]


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("sw,sw->s", a, b)


def _finite(loss: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Losses, infinite where they or their gradient are not finite; and gradients, 0 there."""
    good = np.isfinite(loss) & np.isfinite(gradient).all(axis=1)
    return np.where(good, loss, np.inf), np.where(good[:, None], gradient, 0.0)
