"""What penalties read at the ports of a hybrid, and their sums: only what was reached, with finite gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sbml_hybrid.errors import unknown_name

NOTHING = 1e-30  # sizes below it are none: float32 cannot divide by them


@dataclass(frozen=True, eq=False)
class AtPorts:
    """T and value at the ports a penalty is about, 0 where not reached: (trajectory, step, port)."""

    own: Any
    value: Any
    there: Any  # (trajectory, step, 1), true or false
    scaled: tuple[bool, ...]

    @classmethod
    def of(cls, penalty: Any, recorded: Any, only: str | None = None) -> AtPorts:
        """Return what was recorded at the ports that a penalty is about, of one mode if it asks for `only`."""
        xp, trace = ops(), recorded.trace
        modes = dict(zip(trace.ports, trace.modes, strict=True))
        ports = penalty.ports
        for port in ports or ():
            if port not in modes:
                raise unknown_name("port", port, trace.ports, "the trace")
            if only and modes[port] != only:
                raise ValueError(
                    f"This penalty is for grafts of mode {only!r}, and the one on {port!r} has mode {modes[port]!r}."
                )
        if ports is None:
            ports = tuple(port for port, mode in modes.items() if only is None or mode == only)
        if not ports:
            there = ", ".join(f"{port} ({mode})" for port, mode in modes.items()) or "none at all"
            raise ValueError(
                f"{type(penalty).__name__} needs a graft{f' of mode {only!r}' if only else ''}; there is {there}."
            )
        there = mask(trace.reached)
        own, value = (xp.where(there, _columns(x, trace.ports, ports), 0.0) for x in (trace.own, trace.value))
        return cls(own, value, there, tuple(modes[port] == "scale" for port in ports))

    @property
    def learned(self) -> Any:
        """What the networks add, D."""
        return self.value - self.own

    def given(self, size: Any) -> Any:
        """Return a size of T to divide by, without a gradient where D does not follow T."""
        xp = ops()
        return xp.where(xp.convert_to_tensor(self.scaled, dtype="bool"), size, xp.stop_gradient(size))


def ops() -> Any:
    """Return ``keras.ops``, opened when it is first needed."""
    from sbml_hybrid.forecasting.engine import keras

    return keras.ops


def mask(reached: Any) -> Any:
    """Return what was reached as truth values (trajectory, step, 1)."""
    return ops().cast(reached, "bool")[:, :, None]


def _columns(x: Any, names: tuple[str, ...], chosen: tuple[str, ...]) -> Any:
    xp = ops()
    x = xp.convert_to_tensor(x)
    return x if chosen == names else xp.take(x, [names.index(name) for name in chosen], axis=2)


def mean_of(x: Any, there: Any) -> Any:
    """Return the mean over the trajectories and steps that were reached; 0 for none."""
    xp = ops()
    count = xp.sum(xp.cast(there, x.dtype), axis=(0, 1))
    return xp.sum(xp.where(there, x, 0.0), axis=(0, 1)) / xp.maximum(count, 1.0)


def centred(x: Any, there: Any) -> Any:
    """Return the distances from the mean; 0 where not reached."""
    return ops().where(there, x - mean_of(x, there), 0.0)


def size_of(there: Any, *columns: Any) -> Any:
    """Return the largest mean size of the columns, as a constant; 1 where they are 0."""
    xp = ops()
    sizes = [mean_of(xp.abs(x), there) for x in columns]
    size = xp.stop_gradient(sizes[0] if len(sizes) == 1 else xp.maximum(*sizes))
    return xp.where(size > NOTHING, size, 1.0)


def unit_of(own: Any, learned: Any, there: Any) -> Any:
    """Return the mean size of T, as a constant; 1 where T is 0, and a millionth of D's where it is next to nothing."""
    xp = ops()
    own, learned = (xp.stop_gradient(mean_of(xp.abs(x), there)) for x in (own, learned))
    return xp.where(own > NOTHING, xp.maximum(own, 1e-6 * learned), 1.0)


def log_size(x: Any) -> Any:
    """Return the logarithm of the size, with a finite gradient at 0."""
    xp = ops()
    return xp.log(xp.maximum(xp.abs(x), NOTHING))
