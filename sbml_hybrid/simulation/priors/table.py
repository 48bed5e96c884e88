"""Draws from a table of values, such as a posterior."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sbml_hybrid.errors import DataError, SourceNotFound, unknown_name
from sbml_hybrid.simulation.priors.discrete import even_levels
from sbml_hybrid.simulation.priors.laws import Array

if TYPE_CHECKING:
    import pandas as pd


class Table:
    """Rows of a table, drawn with replacement: a posterior, or values that were measured in patients.

    All columns of a row move together, so whatever correlation they have is kept. In a mapping of priors it stands
    under any label; its columns have the names of the quantities. It does not change, and two tables with the same
    content are equal.

    Parameters
    ----------
    source
        A DataFrame with a column per quantity, in its own unit, or the path of a CSV or Parquet file of one.
    columns
        The quantities to take; by default every column except `weights`.
    weights
        The column that says how likely each row is, relative to the others; by default all are equally likely.

    Raises
    ------
    SourceNotFound
        There is no such file.
    UnknownName
        The table has no such column.
    DataError
        The table has no rows, or a value that is missing, infinite or no number; a weight is negative.

    Examples
    --------
    >>> import pandas as pd
    >>> posterior = Table(pd.DataFrame({"k1": [0.1, 0.2], "k2": [3.0, 1.5]}))
    >>> posterior.quantile(np.array([[0.7]]))
    array([[0.2, 1.5]])
    """

    dimensions = 1

    def __init__(
        self,
        source: pd.DataFrame | str | os.PathLike,
        columns: Iterable[str] | None = None,
        weights: str | None = None,
    ) -> None:
        is_file = isinstance(source, str | os.PathLike)
        frame, where = (_read(Path(source)), str(source)) if is_file else (source, "the table")
        asked = [columns] if isinstance(columns, str) else columns
        names = [str(c) for c in (frame.columns if asked is None else asked) if c != weights]
        for name in (*names, *([weights] if weights is not None else [])):
            if name not in frame.columns:
                raise unknown_name("column", name, frame.columns, where)
        if len(set(names)) != len(names) or not frame.columns.is_unique:
            raise DataError(f"Each column of {where} must have a name of its own, got {', '.join(names)}.")
        if not names or not len(frame):
            raise DataError(f"{where} has {len(frame)} rows and {len(names)} columns to draw; one or more are needed.")
        self._keep("source", str(source) if is_file else None)
        self._keep("names", tuple(names))
        self._keep("weights", weights)
        values = np.stack([_numbers(frame, name, where) for name in names], axis=1)
        chances = np.ones(len(frame)) if weights is None else _weights(_numbers(frame, weights, where), weights, where)
        up_to = np.cumsum(chances[chances > 0])
        self._keep("_values", values[chances > 0])  # the rows that can be drawn
        self._keep("_up_to", up_to / up_to[-1])
        self._keep("hash", self._hashed())

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A Table does not change; make another one (asked to set {name!r}).")

    def __repr__(self) -> str:
        source = "" if self.source is None else f"{self.source!r}, "
        weighted = "" if self.weights is None else f", weights={self.weights!r}"
        return f"Table({source}{len(self)} rows of {', '.join(self.names)}{weighted})"

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def quantile(self, u: Array) -> Array:
        """Return rows (n, name), as the probabilities `u` (n, 1) pick them."""
        return self._values[np.searchsorted(self._up_to, np.asarray(u)[:, 0], side="right")]

    def levels(self, count: int) -> Array:
        """Return the probabilities of `count` levels of a grid: each row once where there are as many."""
        if count != len(self):
            return even_levels(count)
        return self._up_to - np.diff(self._up_to, prepend=0.0) / 2

    def least(self) -> dict[str, float]:
        """Return the smallest value of each quantity."""
        return dict(zip(self.names, self._values.min(axis=0).tolist(), strict=True))

    def _hashed(self) -> str:
        content = hashlib.sha256("\n".join(self.names).encode())
        for array in (self._values, self._up_to):
            content.update(np.ascontiguousarray(array, "<f8").tobytes())
        return content.hexdigest()


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    path = path.expanduser()
    if not path.is_file():
        raise SourceNotFound(f"There is no table at {path}. Give the path of a CSV or Parquet file, or a DataFrame.")
    readers = {
        ".csv": lambda: pd.read_csv(path, dtype=str),  # Python reads every digit; pandas 2 may not
        ".parquet": lambda: pd.read_parquet(path),
    }
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} ends in {path.suffix!r}; a table of draws is a .csv or a .parquet file.")
    try:
        return readers[path.suffix.lower()]()
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error


def _numbers(frame: pd.DataFrame, name: str, where: str) -> Array:
    import pandas as pd

    column = frame[name]
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(float, na_value=np.nan)
    else:
        values = np.array([_number(value) for value in column], float)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(
            f"Row {frame.index[bad[0]]} of {where} has {column.iloc[bad[0]]} for {name!r}; {len(bad)} of its "
            f"{len(values)} values are no finite numbers. Try: table.dropna()."
        )
    return values


def _number(value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _weights(weights: Array, name: str, where: str) -> Array:
    if (weights < 0).any() or not weights.any():
        raise DataError(f"The weights {name!r} of {where} must be 0 or more, and some above 0.")
    return weights
