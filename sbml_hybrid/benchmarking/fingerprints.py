"""Short names for content: the same content has the same fingerprint, in every process."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid import __version__

_COMPUTING = (
    "libroadrunner",
    "python-libsbml",
    "antimony",
    "numpy",
    "scipy",
    "scikit-learn",
    "keras",
    "tensorflow",
    "jax",
)


def fingerprint(*values: Any) -> str:
    """Return 32 hex digits that change whenever any of the values changes.

    For numbers, text, containers, arrays, datasets, frozen records (also nested), models and networks. Anything else
    counts by its `repr`; one that holds a memory address differs from run to run, so such a thing is computed anew,
    never reused by mistake.
    """
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, values)
    return digest.hexdigest()


def environment() -> dict[str, str]:
    """Return the versions of everything that computes, and the Keras backend: another may give other numbers."""
    found = {"sbml_hybrid": __version__, "python": platform.python_version()}
    for package in _COMPUTING:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found | {"keras backend": os.environ.get("KERAS_BACKEND", "tensorflow")}


def _feed(digest, value: Any) -> None:
    if isinstance(value, xr.Dataset):
        _feed(digest, ("dataset", value.attrs, {str(name): value[name].variable for name in value.variables}))
    elif isinstance(value, (xr.Variable, xr.DataArray)):
        _feed(digest, (value.dims, value.attrs, value.values))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        digest.update(f"array {value.dtype.str} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.ndarray):
        _feed(digest, ("array", value.shape, value.ravel().tolist()))
    elif isinstance(value, Mapping):
        _feed(digest, sorted(((str(key), item) for key, item in value.items()), key=lambda pair: pair[0]))
    elif isinstance(value, (list, tuple)):
        digest.update(f"list {len(value)} ".encode())
        for item in value:
            _feed(digest, item)
    elif hasattr(value, "sbml") and hasattr(value, "hash"):
        _feed(digest, ("model", value.hash))
    elif hasattr(value, "get_config") and hasattr(value, "get_weights"):
        _feed(digest, ("network", type(value).__qualname__, value.get_config(), value.get_weights()))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        _feed(digest, (kind, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}))
    else:
        text = repr(value.item() if isinstance(value, np.generic) else value).encode()
        digest.update(f"{type(value).__name__} {len(text)} ".encode() + text)
