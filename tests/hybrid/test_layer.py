"""The layer in one quick look; test_simulate.py has all of it."""

import numpy as np

import sbml_hybrid as sh


def test_an_untrained_hybrid_is_the_mechanism_and_a_step_of_training_nears_the_data():
    model = sh.load("v1: -> A; k1; v2: A -> ; k2*A; A = 0; k1 = 1; k2 = 0.5")
    times = np.linspace(0, 5, 4)
    truth = sh.simulate(model, None, times=times)["truth"].values
    graft = sh.Graft("v2", sh.Perceptron(4, seed=0), inputs=["A"])
    hybrid = sh.HybridModel(sh.Simulate(model, [graft], end=5, tolerance=1e-2, steps=20))
    inputs = {"times": times[None]}

    np.testing.assert_allclose(hybrid.predict(inputs), truth, atol=0.02 * truth.max())
    told = hybrid.fit(inputs, 0.8 * truth, epochs=5, verbose=0)

    assert told.history["loss"][-1] < told.history["loss"][0]
