"""The exception family: each error says what was asked, what is there and what to try."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Real


class SbmlHybridError(Exception):
    """The parent of every error that concerns a model, a dataset or a solver."""

    def __str__(self) -> str:
        # KeyError prints its argument in quotes; a sentence should look like one everywhere.
        return str(self.args[0]) if self.args else ""


class SourceNotFound(SbmlHybridError, FileNotFoundError):
    """A model, dataset or study was asked for at a place where there is none."""


class SourceUnreachable(SbmlHybridError, ConnectionError):
    """A model was asked for over the network, and no usable answer came."""


class ModelError(SbmlHybridError, ValueError):
    """A model cannot be read, or asks for something that cannot be simulated."""


class UnknownName(SbmlHybridError, KeyError):
    """A name that the model, the dataset or the study does not have."""


class DataError(SbmlHybridError, ValueError):
    """A dataset breaks its schema, or is too small for what is asked of it."""


class StorageError(SbmlHybridError, OSError):
    """A dataset could not be written: the disk is full, or the place is not ours to write to."""


class SolverError(SbmlHybridError, RuntimeError):
    """A single trajectory that was asked for could not be computed."""


class StudyError(SbmlHybridError, ValueError):
    """A study file asks for something that cannot be done."""


class MissingExtra(SbmlHybridError, ImportError):
    """An optional dependency is needed and not installed."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str) -> UnknownName:
    """Return the error for `name`, with the closest known names and what there is.

    Parameters
    ----------
    kind
        What was asked for, in the words of the field: ``"parameter"``, ``"observable"``.
    name
        The name that is not there.
    known
        The names that are there.
    where
        Where it was looked for, such as the model's file name.
    """
    known = [str(k) for k in known]
    lower = {k.lower(): k for k in reversed(known)}
    close = [lower[c] for c in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    listed = ", ".join(known[:12]) + (f", ... ({len(known)} in all)" if len(known) > 12 else "")
    there = f" Known: {listed}." if known else f" There is no {kind} at all."
    return UnknownName(f"No {kind} {name!r} in {where}.{hint}{there}")


def is_number(value: object) -> bool:
    """Return whether `value` is one finite number, as Python or NumPy has them."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """Return the error for an optional `package` that `purpose` needs."""
    return MissingExtra(f'{purpose} needs {package}, which is not installed. Try: pip install "sbml-hybrid[{extra}]".')
