"""The acceptance experiments at their small size: not the numbers of the gates, but which side they are on."""

import importlib
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def experiment(root, monkeypatch):
    """Return what imports a script of benchmarks/hybrids by name."""
    monkeypatch.syspath_prepend(root / "benchmarks" / "hybrids")
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name in ("a1", "a7", "b1", "tables", "training"):
            del sys.modules[name]


def test_a_network_for_the_missing_friction_mends_the_period(experiment):
    a1 = experiment("a1")

    found = a1.results(a1.SMALL, seeds=1)

    alone, hybrid, oracle = (np.array(errors[0]) for errors in found.values())
    assert (hybrid < alone).all() and (oracle < alone).all()


def test_a_network_learns_an_unknown_law_and_its_modifiers(experiment):
    a7 = experiment("a7")

    found = a7.results(a7.SMALL, seeds=1)

    (hybrid,), (neural,), (oracle,) = found.values()
    assert hybrid["law"] < hybrid["constant"] / 2 and oracle["law"] < hybrid["law"]
    assert hybrid["f1"] >= 0.8
    assert hybrid["trajectory"] < neural["trajectory"]


def test_the_likeliest_of_some_starts_forecasts_glycolysis(experiment):
    b1 = experiment("b1")

    found = b1.results(b1.SMALL, seeds=1)

    (errors, losses), _ = (seeds[0] for seeds in found.values())
    assert errors[np.argmin(losses)] < 2 * b1.SUCCESS
