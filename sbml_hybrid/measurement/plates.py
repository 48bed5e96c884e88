"""Where a trajectory is measured: its batch and its well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement.settings import generator, require_count

_ORDERS = ("random", "in turn")
_ROWS = {6: 2, 12: 3, 24: 4, 48: 6, 96: 8, 384: 16, 1536: 32}


@dataclass(frozen=True)
class Plates:
    """Batches (plates, days, runs) of wells, one trajectory to a well.

    The place of a trajectory depends on its label and the seed alone, so a part of the trajectories keeps its places.

    Parameters
    ----------
    batches
        How many there are; their labels are 0, 1, 2...
    wells
        How many each has. Wells of the usual formats (6 to 1536) are called A1, A2...; others 1, 2...
    order
        ``"random"``: any free well of any batch, by the seed. ``"in turn"``: trajectory 0 in the first well of
        batch 0, 1 in the first of batch 1..., then the second wells.

    Examples
    --------
    >>> Plates(batches=2, order="in turn").places(np.arange(4), seed=0)
    (array([0, 1, 0, 1]), array(['A1', 'A1', 'A2', 'A2'], dtype='<U3'))
    """

    batches: int = 1
    wells: int = 96
    order: str = "random"

    def __post_init__(self) -> None:
        for name in ("batches", "wells"):
            require_count(name, getattr(self, name))
        if self.order not in _ORDERS:
            raise ValueError(f"order must be 'random' or 'in turn', got {self.order!r}.")

    def places(self, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch and the well of each trajectory (trajectory,), by its label.

        Raises
        ------
        DataError
            A label is no place: not a whole number, or beyond the last well.
        """
        room = self.batches * self.wells
        if labels.dtype.kind not in "iu":
            raise DataError(
                "Plates place trajectories by whole-number labels, and these have names. Say their places: "
                "truth.assign_coords(batch=('trajectory', [...]), well=('trajectory', [...]))."
            )
        if labels.min() < 0 or labels.max() >= room:
            raise DataError(
                f"Trajectory {labels.max() if labels.max() >= room else labels.min()} has no well: {self.batches} x "
                f"{self.wells} wells are for the labels 0 to {room - 1}. Try more batches."
            )
        place = generator(seed, "plates").permutation(room)[labels] if self.order == "random" else labels
        return place % self.batches, _names(self.wells)[place // self.batches]


def _names(wells: int) -> np.ndarray:
    """Names of the wells in the order in which they are filled: row by row."""
    if wells not in _ROWS:
        return np.array([str(number + 1) for number in range(wells)])
    columns = wells // _ROWS[wells]
    letters = [("A" if row >= 26 else "") + chr(ord("A") + row % 26) for row in range(_ROWS[wells])]
    return np.array([f"{letter}{column + 1}" for letter in letters for column in range(columns)])
