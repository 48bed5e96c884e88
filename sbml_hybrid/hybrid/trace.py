"""What the ports of a hybrid recorded along trajectories: what the mechanism says, and what the networks add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened at the grafted ports, at every observation time.

    Parameters
    ----------
    ports
        Their names, in order: ``"R3"``, ``"k1"``, ``"S'"``, ``"y1"``.
    modes
        What each graft does: ``"scale"``, ``"replace"`` or ``"add"`` (port,).
    own
        What the model's own formula gives, T: (trajectory, step, port), in the port's unit.
    value
        What was used instead, (trajectory, step, port): ``own * exp(g)``, ``g`` or ``own + g``.
    reached
        1 where the trajectory reached that time and 0 where it did not (trajectory, step).
    parameters
        The given parameters (trajectory, parameter); None where none are.
    """

    ports: tuple[str, ...]
    modes: tuple[str, ...]
    own: Any
    value: Any
    reached: Any
    parameters: Any = None

    @property
    def learned(self) -> Any:
        """What the networks add, D = value - own: (trajectory, step, port)."""
        return self.value - self.own
