"""Priors as plain values, for datasets and study files, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from sbml_hybrid.errors import DataError, SbmlHybridError, unknown_name
from sbml_hybrid.simulation.priors.changed import Relative, Truncated
from sbml_hybrid.simulation.priors.discrete import Discrete
from sbml_hybrid.simulation.priors.joint import Joint
from sbml_hybrid.simulation.priors.laws import (
    Beta,
    Fixed,
    Gamma,
    LogNormal,
    LogUniform,
    Normal,
    Prior,
    Triangular,
    Uniform,
)
from sbml_hybrid.simulation.priors.table import Table

_LAWS = (Fixed, Uniform, LogUniform, LogNormal, Normal, Beta, Gamma, Triangular, Discrete)
KINDS = {kind.__name__: kind for kind in (*_LAWS, Truncated, Relative, Joint, Table)}


def to_dict(prior: Any) -> dict[str, Any]:
    """Return a prior as plain values, as JSON and TOML hold them: its kind and its numbers.

    A `Table` is described by its file, if it is from one, its names, its number of rows and the hash of its content.
    """
    said = {"kind": type(prior).__name__}
    if isinstance(prior, Table):
        parts = {"source": prior.source, "columns": prior.names, "weights": prior.weights}
        parts |= {"rows": len(prior), "hash": prior.hash}
    else:
        parts = {field.name: getattr(prior, field.name) for field in fields(prior)}
    return said | {name: _plain(value) for name, value in parts.items() if value is not None}


def prior_from_dict(said: Mapping[str, Any], folder: str | os.PathLike = ".") -> Prior | Joint | Table:
    """Return the prior that `to_dict` described.

    Parameters
    ----------
    said
        The kind and the numbers. For a `Table`: `source`, and if need be `columns` and `weights`.
    folder
        Where a table's file is looked for.

    Raises
    ------
    UnknownName
        There is no such kind of prior, or it has no such number.
    ValueError
        A number is missing or out of its range.
    DataError
        The table was not from a file, or the file's content is another one today.
    """
    if not isinstance(said, Mapping):
        raise ValueError(f"A prior is said as a table, such as {{kind = 'Uniform', low = 1, high = 2}}, got {said!r}.")
    if "kind" not in said:
        raise ValueError(f"The prior {dict(said)} needs its kind, one of {', '.join(KINDS)}.")
    if said["kind"] not in KINDS:
        raise unknown_name("prior", str(said["kind"]), KINDS, "sh.priors")
    kind = KINDS[said["kind"]]
    numbers = {name: value for name, value in said.items() if name != "kind"}
    if kind is Table:
        return _table(numbers, folder)
    known = [field.name for field in fields(kind)]
    for name in numbers:
        if name not in known:
            raise unknown_name("setting", name, known, f"the prior {kind.__name__}")
    if "prior" in numbers:
        numbers["prior"] = prior_from_dict(numbers["prior"], folder)
    if isinstance(numbers.get("laws"), Mapping):
        numbers["laws"] = {name: prior_from_dict(law, folder) for name, law in numbers["laws"].items()}
    try:
        return kind(**numbers)
    except SbmlHybridError:
        raise
    except TypeError as error:
        raise ValueError(f"The prior {dict(said)} cannot be made: {error}. It takes {', '.join(known)}.") from error


def _table(numbers: Mapping[str, Any], folder: str | os.PathLike) -> Table:
    known = ("source", "columns", "weights", "rows", "hash")
    for name in numbers:
        if name not in known:
            raise unknown_name("setting", name, known, "the prior Table")
    if "source" not in numbers:
        raise DataError(
            f"A table of {numbers.get('rows', 'some')} rows was drawn from memory, and its rows are not said here. "
            "Write it to a CSV or Parquet file, and draw from sh.priors.Table(path)."
        )
    path = Path(folder) / Path(numbers["source"]).expanduser()
    found = Table(path, numbers.get("columns"), numbers.get("weights"))
    if "hash" in numbers and numbers["hash"] != found.hash:
        raise DataError(f"{path} is not the table that the description was made from: its content has changed.")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # a number of NumPy's
        return value.item()
    return value if isinstance(value, int | float | str) else to_dict(value)
