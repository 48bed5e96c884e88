"""Fingerprints change with the content, and with nothing else."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from sbml_hybrid.benchmarking.fingerprints import environment, fingerprint


@dataclass(frozen=True)
class Config:
    units: int = 8
    inner: object = None


def dataset(value=1.0, note="a"):
    return xr.Dataset({"x": ("t", [value, np.nan])}, coords={"t": ["u", "v"]}, attrs={"note": note})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.0),
        (1, "1"),
        (["ab", "c"], ["a", "bc"]),
        ([1, [2, 3]], [[1, 2], 3]),
        ({"a": 1}, {"a": 2}),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5])),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(2), np.zeros(2, np.float32)),
        (dataset(), dataset(value=1.0 + 1e-15)),
        (dataset(), dataset(note="b")),
        (dataset(), dataset().rename(x="y")),
        (Config(), Config(units=9)),
        (Config(inner=Config()), Config(inner=Config(units=9))),
    ],
)
def test_different_content_has_different_fingerprints(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_equal_content_has_equal_fingerprints():
    for make in (dataset, Config, lambda: {"b": 1, "a": [1, 2]}):
        assert fingerprint(make()) == fingerprint(make())
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_another_process_finds_the_same_fingerprint():
    code = (
        "from sbml_hybrid.benchmarking.fingerprints import fingerprint; print(fingerprint({'a': {1: 'x'}, 'b': 2.5}))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == fingerprint({"a": {1: "x"}, "b": 2.5})


def test_the_keras_backend_is_part_of_the_environment(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    assert environment()["keras backend"] == "jax"
    assert {"sbml_hybrid", "numpy"} <= set(environment())
