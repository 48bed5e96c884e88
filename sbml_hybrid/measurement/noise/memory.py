"""How likely a series of an Ornstein-Uhlenbeck process is, with points missing and behind limits.

Everything here is in standard normal numbers z (..., time, observable) and in times / correlation time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sbml_hybrid.measurement.noise.protocol import like
from sbml_hybrid.measurement.noise.special import LOG_2PI, log_probability, log_sum

_TINY = 1e-12  # the least variance of a step, in place of none
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_REACH = 8.9  # standard deviations that a step can take: beyond lies a density of exp(-40)
_AT_ONCE = 2**21


def conditional(z: Any, known: Any, at: Any, xp: Any) -> Any:
    """Return the log-density of each z given the last known one before it."""
    before, when, seen = _last_known(z, at, known, xp)
    rho = xp.where(seen, xp.exp(-xp.maximum(at - when, 0.0 * at)), xp.zeros_like(z))
    variance = xp.maximum((1.0 - rho) * (1.0 + rho), _TINY)
    return -0.5 * ((z - rho * before) ** 2 / variance + xp.log(variance) + LOG_2PI)


def _last_known(z: Any, at: Any, known: Any, xp: Any) -> tuple[Any, Any, Any]:
    """The last known z before each point, its time, and whether there is one: each round looks twice as far back."""
    count = z.shape[-2]
    z, at, known = (_later(values, 1, xp) for values in (z, at, known))
    step = 1
    while step < count:
        further = [_later(values, step, xp) for values in (z, at, known)]
        z, at = xp.where(known, z, further[0]), xp.where(known, at, further[1])
        known = xp.logical_or(known, further[2])
        step *= 2
    return z, at, known


def _later(values: Any, steps: int, xp: Any) -> Any:
    """Values moved `steps` points later; zeros come first."""
    return xp.concatenate([xp.zeros_like(values[..., :steps, :]), values[..., : values.shape[-2] - steps, :]], axis=-2)


def filtered(z: Any, known: Any, censored: Any, at: Any, xp: Any) -> Any:
    """Return the log-density of each known z, or the log-probability beyond it where censored, given all before it.

    What lay behind a limit is integrated out point by point with 96-point Gauss-Legendre quadrature. The logarithm is
    exact where every point before was measured, and else right to 1e-5 for points at least 0.01 correlation times
    apart (10 % of a probability at 0.001).
    """
    if xp is not np:
        return _filtered(z, known, censored, at, xp)
    # Series without a limit need no quadrature, and those with one need much memory.
    shape = np.broadcast_shapes(z.shape, known.shape, censored.shape, at.shape)
    parts = [np.moveaxis(np.broadcast_to(values, shape), -2, -1) for values in (z, known, censored, at)]
    series = [np.ascontiguousarray(values).reshape(-1, shape[-2], 1) for values in parts]
    density = conditional(series[0], series[1], series[3], np)
    limited = np.flatnonzero((series[2].astype(bool) & series[1]).any(axis=(1, 2)))
    for some in np.array_split(limited, max(1, len(limited) * len(_NODES) ** 2 // _AT_ONCE)):
        if len(some):
            density[some] = _filtered(*(values[some] for values in series), np)
    return np.moveaxis(density.reshape(parts[0].shape), -1, -2)


def _filtered(z: Any, known: Any, censored: Any, at: Any, xp: Any) -> Any:
    grid = like((_NODES + 1) / 2, z, xp)
    log_share = like(np.log(_WEIGHTS / 2), z, xp)
    columns = []
    first = z[..., 0, :, None]
    nodes, log_weights = 0.0 * first + 0.0 * grid, log_share + 0.0 * first  # (..., observable, node)
    seen, last = first != first, 0.0 * first
    for i in range(z.shape[-2]):
        value, time = z[..., i, :, None], at[..., i, :, None]
        code, here = censored[..., i, :, None], known[..., i, :, None]
        rho = xp.where(seen, xp.exp(-xp.maximum(time - last, 0.0 * time)), xp.zeros_like(value))
        sd = xp.sqrt(xp.maximum((1.0 - rho) * (1.0 + rho), _TINY))
        means = rho * nodes
        u = (value - means) / sd
        density = -0.5 * u**2 - xp.log(sd) - 0.5 * LOG_2PI
        density = xp.where(code < 0, log_probability(u, xp), xp.where(code > 0, log_probability(-u, xp), density))
        chance = log_sum(log_weights + density, xp, axis=-1)[..., None]
        columns.append(xp.where(here, chance, xp.zeros_like(chance))[..., 0])
        # Where z may be now: at the value, or anywhere behind the limit that can be reached.
        low = xp.min(means, axis=-1, keepdims=True) - _REACH * sd
        high = xp.max(means, axis=-1, keepdims=True) + _REACH * sd
        low = xp.where(code > 0, xp.maximum(low, value), xp.minimum(low, value - sd))
        high = xp.where(code < 0, xp.minimum(high, value), xp.maximum(high, value + sd))
        low, high = xp.where(code == 0, value, low), xp.where(code == 0, value, high)
        behind = low + (high - low) * grid
        far = (behind[..., :, None] - means[..., None, :]) / sd[..., None]
        spread = log_sum(log_weights[..., None, :] - 0.5 * far**2, xp, axis=-1) - xp.log(sd) - 0.5 * LOG_2PI
        width = xp.log(xp.where(high > low, high - low, xp.ones_like(low)))
        inside = xp.where(code == 0, log_share + 0.0 * spread, log_share + width + spread - chance)
        nodes = xp.where(here, behind, nodes)
        log_weights = xp.where(here, inside, log_weights)
        seen, last = xp.logical_or(seen, here), xp.where(here, time, last)
    return xp.stack(columns, axis=-2)
