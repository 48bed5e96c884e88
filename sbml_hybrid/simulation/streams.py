"""Random numbers of many rows at once: what NumPy gives for each row's own seed, bit for bit.

``Generator(PCG64(SeedSequence(seed, spawn_key=(row,)))).random(k)`` costs tens of microseconds a row, most of
them to make the generator. Here the same integers are computed for thousands of rows together, so that a row is
still a function of its seed and its number alone.

Methods: SeedSequence hashes the seed as M. E. O'Neill's ``randutils`` does (NumPy documents the algorithm);
PCG XSL RR 128/64 is from M. E. O'Neill, PCG: A Family of Simple Fast Space-Efficient Statistically Good
Algorithms for Random Number Generation, Harvey Mudd College HMC-CS-2014-0905.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_POOL = 4  # words of 32 bits in a SeedSequence
_MASK = 0xFFFFFFFF
_INIT_A, _MULT_A, _INIT_B, _MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
_AT_ONCE = 2**14  # numbers whose states stay in the processor's cache
MOST_ROWS = 2**32  # the number of a row is one word of 32 bits

_Wide = tuple[np.ndarray, np.ndarray]  # the high and low 64 bits of 128


def uniforms(seed: int, start: int, stop: int, k: int) -> np.ndarray:
    """Return `k` numbers, each evenly in [0, 1), for each of the rows `start` to `stop` - 1: (row, k).

    Row i holds ``np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(i,)))).random(k)``.
    """
    u = np.empty((k, stop - start))  # a law takes a column
    rows = max(1, _AT_ONCE // max(k, 1))
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        state, increment = _started(_seeded(seed, np.arange(first, last, dtype=np.uint32)))
        numbers = _output(_along(_stepped(state, increment), increment, k))
        np.multiply(numbers >> np.uint64(11), 2.0**-53, out=u[:, first - start : last - start])
    return u.T


def require_seed(seed: Any) -> None:
    """Refuse what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 or more, got {seed!r}.")


# -- SeedSequence ----------------------------------------------------------------------------------


class _Hash:
    """The running constant of SeedSequence's hash."""

    def __init__(self, start: int, factor: int) -> None:
        self._constant, self._factor = start, factor

    def __call__(self, value: np.ndarray) -> np.ndarray:
        value = value ^ np.uint32(self._constant)
        self._constant = self._constant * self._factor & _MASK
        value = value * np.uint32(self._constant)
        return value ^ value >> np.uint32(16)


def _mix(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    mixed = _MIX_L * x - _MIX_R * y
    return mixed ^ mixed >> np.uint32(16)


def _seeded(seed: int, rows: np.ndarray) -> np.ndarray:
    """The words that SeedSequence(seed, spawn_key=(row,)) gives to PCG64: (4, row), 64 bits each."""
    entropy = [seed >> shift & _MASK for shift in range(0, max(seed.bit_length(), 1), 32)]
    entropy += [0] * (_POOL - len(entropy))
    words = [*(np.full(1, word, np.uint32) for word in entropy), rows]  # one-element arrays wrap without a warning
    hashed = _Hash(_INIT_A, _MULT_A)
    pool = [hashed(word) for word in words[:_POOL]]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = _mix(pool[target], hashed(pool[source]))
    for word in words[_POOL:]:
        pool = [_mix(part, hashed(word)) for part in pool]
    hashed = _Hash(_INIT_B, _MULT_B)
    halves = [hashed(pool[i % _POOL]).astype(np.uint64) for i in range(8)]
    return np.stack([halves[i] | halves[i + 1] << np.uint64(32) for i in range(0, 8, 2)])


# -- PCG64 -----------------------------------------------------------------------------------------


def _started(words: np.ndarray) -> tuple[_Wide, _Wide]:
    """The state and the increment of each row's generator."""
    one = np.uint64(1)
    increment = (words[2] << one | words[3] >> np.uint64(63), words[3] << one | one)
    return _stepped(_sum(increment, (words[0], words[1])), increment), increment


def _stepped(state: _Wide, increment: _Wide) -> _Wide:
    return _sum(_times(state, _MULTIPLIER), increment)


def _along(state: _Wide, increment: _Wide, k: int) -> _Wide:
    """`k` states in a row, (k, row): the first, then from `done` of them as many more, `done` steps ahead at once."""
    high, low = (np.empty((k, len(part)), np.uint64) for part in state)
    high[:1], low[:1] = state
    done, factor, total = min(k, 1), _MULTIPLIER, 1  # done steps ahead: factor * state + total * increment
    while 0 < done < k:
        more = slice(0, min(done, k - done))
        ahead = _sum(_times((high[more], low[more]), factor), _times(increment, total))
        high[done : 2 * done], low[done : 2 * done] = ahead
        done, factor, total = 2 * done, factor * factor % 2**128, total * (factor + 1) % 2**128
    return high, low


def _output(state: _Wide) -> np.ndarray:
    high, low = state
    value, turn = high ^ low, high >> np.uint64(58)
    return value >> turn | value << (-turn & np.uint64(63))


def _sum(a: _Wide, b: _Wide) -> _Wide:
    low = a[1] + b[1]
    return a[0] + b[0] + (low < a[1]), low


def _times(state: _Wide, factor: int) -> _Wide:
    high, low = state
    by_high, by_low = np.uint64(factor >> 64), np.uint64(factor & 0xFFFFFFFFFFFFFFFF)
    # The upper half of low * by_low, from products of 32 bits each.
    half, mask = np.uint64(32), np.uint64(_MASK)
    a, b, c, d = low >> half, low & mask, by_low >> half, by_low & mask
    middle = a * d + (b * d >> half)
    other = b * c + (middle & mask)
    upper = a * c + (middle >> half) + (other >> half)
    return upper + high * by_low + low * by_high, low * by_low
