"""Another package adds a forecaster, a noise model and a reader by name, through entry points."""

import importlib
import sys

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.measurement.noise import kind_of
from sbml_hybrid.study.rivals import rivals_from_names

PACKAGE = """
from dataclasses import dataclass

import numpy as np
import sbml_hybrid as sh
from sbml_hybrid.forecasting.forecaster import Forecaster


@dataclass(frozen=True)
class Nought(Forecaster):
    def learn(self, lesson):
        return self

    def forecast(self, windows):
        return np.zeros((*windows.query_times.shape, len(windows.channels)))


@dataclass(frozen=True)
class Offset:
    by: float

    def apply(self, truth, rng, times=None):
        return truth + self.by


def read(source):
    return sh.load("S -> ; k*S; S = 10; k = 0.3") if source == "decay:0.3" else None
"""
ENTRY_POINTS = """
[sbml_hybrid.forecasters]
nought = visiting_package:Nought
[sbml_hybrid.noises]
offset = visiting_package:Offset
[sbml_hybrid.readers]
decay = visiting_package:read
"""


@pytest.fixture
def visitor(tmp_path, monkeypatch):
    """Install a small package for the length of a test."""
    (tmp_path / "visiting_package.py").write_text(PACKAGE)
    info = tmp_path / "visiting_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: visiting-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("visiting_package", None)


def test_a_reader_of_another_package_loads_its_sources(visitor):
    assert [s.id for s in sh.load("decay:0.3").species] == ["S"]


def test_noise_and_forecaster_of_another_package_are_known_by_name(visitor, tmp_path):
    truth = sh.simulate(sh.load("decay:0.3"), times=np.linspace(0, 5, 11))
    (forecaster,) = rivals_from_names("nought").values()

    data = sh.measure(truth, noise=kind_of("offset")(2.0), seed=0)
    fitted = forecaster.fit(data, lookback=3, horizon=2)
    again = sh.load_forecaster(fitted.save(tmp_path / "nought"))

    np.testing.assert_allclose(data["measured"], data["readout"] + 2.0)
    assert (again.predict(data)["forecast"] == 0).all()


def test_a_name_that_nobody_provides_is_refused_with_what_there_is(visitor):
    with pytest.raises(sh.errors.UnknownName, match=r"No forecaster 'noughts'.*Did you mean 'nought'"):
        rivals_from_names("noughts")
