"""Numbers, times and sizes as people say them."""

from __future__ import annotations


def counted(trajectories: int) -> str:
    """Return ``1 000 000 trajectories``."""
    return f"{trajectories:,} trajector{'y' if trajectories == 1 else 'ies'}".replace(",", "\u00a0")


def duration(seconds: float) -> str:
    """Return a time to wait as people say it: ``40 s``, ``25 min``, ``3.5 h``, ``2 days``."""
    seconds = max(seconds, 0.1)
    for unit, length, most in (("s", 1.0, 90.0), ("min", 60.0, 5400.0), ("h", 3600.0, 172800.0)):
        if seconds < most:
            return f"{_digits(seconds / length)} {unit}"
    return f"{_digits(seconds / 86400)} days"


def brief(seconds: float) -> str:
    """Return the time that one of many takes: ``2.5 s``, ``13 ms``, ``80 us``."""
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * length:
            return f"{_digits(seconds / length)} {unit}"
    return f"{_digits(seconds * 1e6)} \u00b5s"


def size(bytes: float) -> str:
    """Return a size as people say it: ``38 kB``, ``2 GB``."""
    for unit, length in (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if bytes < 999.5 * length:
            return f"{_digits(bytes / length)} {unit}"
    return f"{_digits(bytes / 1e12)} TB"


def _digits(value: float) -> str:
    """Two digits that count, one behind the point at most, and no exponent."""
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{float(f'{value:.2g}'):.0f}"
