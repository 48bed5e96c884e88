"""Noise models as plain values, for attributes of datasets and for study files, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.measurement.noise.along import AdjustingMean, Autocorrelated, Growing
from sbml_hybrid.measurement.noise.combining import OneOf, PerObservable
from sbml_hybrid.measurement.noise.counts import NegativeBinomial, Poisson
from sbml_hybrid.measurement.noise.gaussian import Linear, Lognormal, Normal
from sbml_hybrid.measurement.noise.protocol import Noise
from sbml_hybrid.measurement.noise.sequence import InSequence
from sbml_hybrid.measurement.settings import letters

KINDS = {
    kind.__name__: kind
    for kind in (
        Normal, Lognormal, Linear, Poisson, NegativeBinomial, Growing, AdjustingMean, Autocorrelated, PerObservable,
        OneOf, InSequence,
    )
}  # fmt: skip


def to_dict(noise: Any) -> dict[str, Any]:
    """Return a noise model as plain values: its kind and its numbers, and the models inside it alike.

    Raises
    ------
    ValueError
        It, or one inside it, is no dataclass, so that what it was made of cannot be told.
    """
    if not is_dataclass(noise):
        raise ValueError(
            f"A noise model of one's own must be a dataclass, as datasets record its fields, got {noise!r}."
        )
    return {"kind": type(noise).__name__, **{field.name: _plain(getattr(noise, field.name)) for field in fields(noise)}}


def noise_from_dict(said: Mapping[str, Any]) -> Noise:
    """Return the noise model that `to_dict` described, ours or a plug-in's.

    Parameters
    ----------
    said
        The ``kind`` and its fields: ``{"kind": "Linear", "a": 0.1, "b": 0.05}``. A field may hold such a description,
        a list of them, or name -> description.

    Raises
    ------
    UnknownName
        There is no such noise model.
    ValueError
        It has other fields, or a value is out of range.
    """
    values = {name: _built(value) for name, value in said.items() if name != "kind" and value is not None}
    kind = kind_of(str(said.get("kind")))
    try:
        return kind(**values)
    except TypeError as error:
        takes = ", ".join(field.name for field in fields(kind)) if is_dataclass(kind) else "other values"
        raise ValueError(f"{kind.__name__} noise takes {takes}; got {', '.join(values) or 'nothing'}.") from error


def kind_of(name: str) -> type:
    """Return the class of noise models called `name`, in any case of letters, with or without hyphens.

    Raises
    ------
    UnknownName
        There is no such noise model.
    """
    for own, kind in KINDS.items():
        if letters(own) == letters(name):
            return kind
    plugged = entry_points(group="sbml_hybrid.noises")
    for entry in plugged:
        if letters(entry.name) == letters(name):
            return entry.load()
    raise unknown_name("noise model", name, [*KINDS, *plugged.names], "sh.noise")


def _plain(value: Any) -> Any:
    if is_dataclass(value) or hasattr(value, "log_density"):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _built(value: Any) -> Any:
    if isinstance(value, Mapping):
        return noise_from_dict(value) if "kind" in value else {name: _built(one) for name, one in value.items()}
    return [_built(one) for one in value] if isinstance(value, list | tuple) else value
