"""What differs from trajectory to trajectory, in one array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class Varied(Mapping[str, Any]):
    """Name of a quantity -> its values (trajectory,), all of them rows of one array.

    A row is cut out only where it is asked for by itself: to cut out each of a hundred parameters and put them together
    again is hundreds of operations to compile, and as many in the gradient.

    Parameters
    ----------
    names
        Named as the columns of draws.
    rows
        The values (quantity, trajectory).
    """

    def __init__(self, names: Sequence[str], rows: Any) -> None:
        self.rows, self._row_of = rows, {name: i for i, name in enumerate(names)}

    def __getitem__(self, name: str) -> Any:
        return self.rows[self._row_of[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, name: object) -> bool:
        return name in self._row_of

    def together(self, names: Sequence[str], xp: Any) -> Any:
        """Return the values of some quantities (quantity, trajectory)."""
        return xp.take(self.rows, np.array([self._row_of[name] for name in names], dtype=int), axis=0)

    def replaced(self, names: Sequence[str], rows: Any, xp: Any) -> Varied:
        """Return it with other values, or further ones, of some quantities (quantity, trajectory)."""
        kept = [name for name in self if name not in names]
        parts = [self.together(kept, xp)] if kept else []
        return Varied((*kept, *names), xp.concatenate([*parts, rows], axis=0))
