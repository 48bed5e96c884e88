"""Predators and prey, as a small lab would see them: noisy, with gaps, each experiment with its own rates."""

import numpy as np
import pytest

import sbml_hybrid as sh

LOTKA_VOLTERRA = """
model lotka_volterra
  A -> 2 A; k1*A;
  A + B -> 2 B; k2*A*B;
  B -> ; k3*B;
  A = 10; B = 5; k1 = 0.6; k2 = 0.05; k3 = 0.5;
end
"""
LOOKBACK, HORIZON = 8, 5


@pytest.fixture(scope="session")
def model():
    return sh.load(LOTKA_VOLTERRA)


@pytest.fixture(scope="session")
def measured(model):
    """Forty experiments of 25 points, 30 % of them missing."""
    draws = sh.sample(sh.around(model, fold=1.3), 40, seed=0)
    truth = sh.simulate(model, draws, times=np.linspace(0, 24, 25))
    return sh.measure(truth, observables=["A", "B"], noise=sh.noise.Lognormal(cv=0.1), keep=0.7, seed=1)


@pytest.fixture(scope="session")
def train(measured):
    return sh.split(measured, test=0.3, seed=2)[0]


@pytest.fixture(scope="session")
def test(measured):
    return sh.split(measured, test=0.3, seed=2)[1]


@pytest.fixture(scope="session")
def history(test):
    return test.isel(time=slice(0, 12))


def small_forecasters(model):
    """One of every kind, small enough to be quick."""
    network = {"units": 8, "epochs": 2}
    return {
        "Persistence": sh.Persistence(),
        "SeriesMean": sh.SeriesMean(),
        "Ridge": sh.Ridge(),
        "RandomForest": sh.RandomForest(trees=4),
        "MLP": sh.MLP(**network),
        "GRU": sh.GRU(**network),
        "Residual": sh.Residual(model, network=sh.MLP(**network)),
        "Residual, estimated": sh.Residual(model, network=sh.GRU(**network), estimate="prior", draws=50),
    }


KINDS = list(small_forecasters(sh.load(LOTKA_VOLTERRA)))


@pytest.fixture(scope="session")
def small(model):
    return small_forecasters(model)


@pytest.fixture(scope="session")
def learned(small, train):
    """Fitted forecasters by kind; each is fitted once in the session."""
    kept = {}

    def get(kind):
        if kind not in kept:
            kept[kind] = small[kind].fit(train, lookback=LOOKBACK, horizon=HORIZON, seed=3)
        return kept[kind]

    return get


def pytest_generate_tests(metafunc):
    """A test that asks for `kind` holds for every forecaster."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS)


@pytest.fixture
def sizes():
    return {"lookback": LOOKBACK, "horizon": HORIZON}
