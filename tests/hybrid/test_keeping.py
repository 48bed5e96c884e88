"""A trained hybrid says how wrong its simulation is, and its copies are it."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.forecasting.engine import keras

pytestmark = pytest.mark.slow  # each compiles several layers


@pytest.fixture(scope="module")
def hybrid():
    model = sh.load("v1: -> A; k1; v2: A -> B; k2*A; v3: B -> ; k3*B; A = 0; B = 0; k1 = 1; k2 = 5; k3 = 0.5")
    graft = sh.Graft("v2", sh.Perceptron(4, seed=0), inputs=["A", "B"])
    return sh.HybridModel(sh.Simulate(model, [graft], end=10, parameters=["k1"], tolerance=1e-2))


@pytest.fixture(scope="module")
def inputs():
    return {"times": np.tile(np.linspace(0, 10, 6), (3, 1)), "parameters": np.array([[0.5], [1.0], [2.0]])}


def test_the_error_of_a_hybrid_is_that_against_libroadrunner_while_its_networks_do_nothing(hybrid, inputs):
    draws = sh.sample(sh.around(hybrid.simulate.model, fold=1.001, of=["k1"]), 3, seed=0)
    draws["k1"] = inputs["parameters"][:, 0]
    exact = sh.simulate(hybrid.simulate.model, draws, times=inputs["times"][0])["truth"].values

    error = hybrid.error(inputs)

    ranges = np.ptp(exact, axis=(0, 1))
    known = (np.abs(hybrid.predict(inputs) - exact) / ranges).max(axis=(1, 2))
    assert error.shape == (3,)
    assert (known > 1e-9).all(), "nothing to measure"
    np.testing.assert_allclose(error, known, rtol=0.1, atol=1e-7)


def test_one_start_alone_predicts_what_the_hybrid_predicted(hybrid, inputs):
    hybrid.simulate.heads[0].last.set_weights(
        [np.random.default_rng(0).normal(size=w.shape) * 0.1 for w in hybrid.simulate.heads[0].last.get_weights()]
    )

    np.testing.assert_array_equal(hybrid.alone(0).predict(inputs), hybrid.predict(inputs))


def test_networks_are_told_apart_in_a_file_even_when_their_names_are_the_same(tmp_path):
    networks = [keras.layers.Dense(n, activation="tanh", name="dense") for n in (4, 4, 3)]
    model = sh.load("v1: A -> B; k1*A; v2: B -> C; k2*B; v3: C -> ; k3*C; A = 1; k1 = 0.3; k2 = 0.5; k3 = 0.2")
    grafts = [sh.Graft(f"v{i + 1}", network, ["A", "B"]) for i, network in enumerate(networks)]
    shared = [*grafts[:2], sh.Graft("v3", networks[0], ["A", "B"])]
    times, rng = {"times": np.linspace(0, 10, 6)[None]}, np.random.default_rng(0)
    for one in (grafts, shared):
        hybrid = sh.HybridModel(sh.Simulate(model, one, end=10, tolerance=1e-2))
        for weight in hybrid.trainable_variables:
            weight.assign(0.5 * rng.normal(size=weight.shape))

        hybrid.save(tmp_path / "hybrid.keras")
        again = sh.HybridModel.load(tmp_path / "hybrid.keras")

        assert len(again.weights) == len(hybrid.weights)
        np.testing.assert_array_equal(again.predict(times), hybrid.predict(times))
