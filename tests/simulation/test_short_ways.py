"""What the solver does at once, or past libroadrunner's own bookkeeping, is what the long way gives."""

import numpy as np
import pytest

from sbml_hybrid import load
from sbml_hybrid.simulation.solver import Solver

TIMES = np.array([0.0, 0.3, 1.0, 7.0])


@pytest.mark.parametrize(
    "text",
    [
        "S -> P; k*S; S = 3; P = 1; k = 0.2",
        "p' = -p; p = 2; S -> ; k*S; S = 3; k = 0.2; T := 2*S",
        "compartment C; species R in C; R' = -R; R = 4; S -> ; k*S; S = 3; k = 0.2",
        "species T in C, S in C; compartment C = 2; T := 2*S; S -> ; k*S; S = 3; k = 0.2",
        "p' = -p; p = 2",
    ],
)
def test_the_state_is_read_at_once_as_one_by_one(text):
    solver = Solver(load(text))
    solver.begin((), ())

    at_once = solver._state()

    assert len(solver.state_ids) > 0
    np.testing.assert_array_equal(at_once, [solver.engine.model[id] for id in solver.state_ids])


@pytest.mark.parametrize("varied", [{"k": 0.7, "j": 2.0}, {"j": 2.0, "cell": 3.0, "k": 0.7}, {"cell": 3.0}, {}])
def test_parameters_and_compartments_take_the_values_given(varied):
    model = load("compartment cell = 2; species S in cell; S = 3; S -> ; k*S*j; k = 0.2; j = 1")

    concentration, amount = Solver(model).run(list(varied.items()), [("[S]", 3.0)], TIMES, (), ["[S]", "S"]).values.T

    value = {"cell": 2.0, "k": 0.2, "j": 1.0, **varied}
    expected = 3.0 * np.exp(-value["k"] * value["j"] / value["cell"] * TIMES)
    np.testing.assert_allclose(concentration, expected, rtol=1e-6)
    np.testing.assert_allclose(amount, concentration * value["cell"], rtol=1e-12)


def test_a_trajectory_is_what_libroadrunners_own_simulate_gives():
    solver = Solver(load("S -> P; k*S; S = 3; k = 0.2"))

    ours = solver.run((), (), TIMES, (), ["[S]", "P"]).values

    solver.engine.model.reset()
    solver.engine.integrator.restart(0.0)
    np.testing.assert_array_equal(ours, np.array(solver.engine.simulate(times=TIMES.tolist())))
