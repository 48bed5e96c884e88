"""What differs between trajectories is looked up one by one, or taken together."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.initial import InitialValues

NUMPY = Arrays(np)


def test_what_is_replaced_is_replaced_and_what_is_new_is_added():
    varied = Varied(["a", "b"], np.array([[1.0, 2.0], [3.0, 4.0]]))

    other = varied.replaced(["c", "a"], np.array([[5.0, 6.0], [7.0, 8.0]]), NUMPY)

    assert list(other) == ["b", "c", "a"] and "a" in other and "d" not in other
    np.testing.assert_array_equal(other.together(["a", "b"], NUMPY), [[7.0, 8.0], [3.0, 4.0]])
    np.testing.assert_array_equal(varied["a"], [1.0, 2.0])
    with pytest.raises(KeyError):
        other["d"]


def test_a_start_is_what_the_initial_values_of_each_trajectory_are():
    # A is given, B follows a parameter, D a given size, k is itself; the others are the model's own.
    model = sh.load(
        "compartment C = 2; species A in C, B in C, D in C, E in C; A = 4; B = 3*k; D = 5; E = 1; k = 1; q = 2; p = 7;"
        "v: A -> B; k*A; w: D -> E; q*D; p' = -p"
    )
    plan = Plan(model, 1.0, ("k", "C"), ("A", "p"), (), (), {"A": "A"})
    values = np.array([[0.5, 2.0], [3.0, 4.0], [6.0, 8.0], [1.0, 9.0]])

    start, held = plan.start(Varied(plan.varied, values), np.zeros(2), NUMPY)

    for i in range(2):
        own = InitialValues(model, dict(zip(plan.varied, values[:, i], strict=True)))
        alone = [own.amount(v[7:-1]) if v.startswith("amount(") else own[v] for v in plan.odes.variables]
        np.testing.assert_allclose(start[:, i], alone, rtol=1e-15)
        np.testing.assert_allclose(held[:, i], [own[v] for v in plan.held], rtol=1e-15)
    assert set(plan.held) == {"k", "C"}
