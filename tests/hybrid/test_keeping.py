"""A trained hybrid says how wrong its simulation is, and its copies are it."""

import numpy as np
import pytest

import sbml_hybrid as sh

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
