"""L-BFGS for many starts: minima that are known, and starts that leave each other alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from sbml_hybrid.hybrid.descent import descent


def banana(x):
    return np.array([rosen(row) for row in x]), np.array([rosen_der(row) for row in x])


def bowl(weights):
    return lambda x: (0.5 * (weights * x * x).sum(axis=1), weights * x)


def lowest(evaluate, first, tolerance=1e-13):
    for found in descent(evaluate, first, tolerance):
        last = found
    return last


def test_each_start_finds_the_minimum_that_scipy_finds():
    first = np.random.default_rng(0).normal(size=(6, 8))  # the last start ends in another minimum

    found = lowest(banana, first)

    for loss, start in zip(found.loss, first, strict=True):
        expected = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10})
        assert loss == pytest.approx(expected.fun, rel=1e-6, abs=1e-9)


@given(st.integers(1, 12), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_the_bottom_of_a_bowl_is_found_however_flat_it_is_one_way(count, decades, seed):
    weights = np.logspace(0, decades, count)
    first = np.random.default_rng(seed).normal(size=(3, count))

    found = lowest(bowl(weights), first)

    assert (found.loss <= 1e-9 * np.maximum(bowl(weights)(first)[0], 1)).all()


def test_losses_never_rise_and_are_those_of_the_positions():
    for found, after in itertools.pairwise(descent(banana, np.random.default_rng(1).normal(size=(4, 5)), 1e-12)):
        assert (after.loss <= found.loss).all()
        np.testing.assert_array_equal(after.loss, banana(after.position)[0])


def test_a_start_goes_the_way_that_it_goes_alone():
    first = np.random.default_rng(2).normal(size=(3, 4))

    together, alone = lowest(banana, first), lowest(banana, first[1:2])

    np.testing.assert_allclose(together.position[1], alone.position[0], atol=1e-6)


def test_a_start_without_a_finite_loss_stays_and_the_others_go_on():
    def broken(x):
        loss, gradient = bowl(1.0)(x)
        loss[0] = np.nan
        return loss, gradient

    found = lowest(broken, np.ones((2, 3)))

    np.testing.assert_array_equal(found.position[0], 1.0)
    assert found.loss[1] < 1e-12


def test_a_region_without_a_loss_is_walked_around():
    def walled(x):
        loss, gradient = bowl(np.array([1.0, 100.0]))(x - [0.5, 0.5])
        return np.where(x[:, 0] > 0.6, np.inf, loss), gradient

    assert lowest(walled, np.array([[-3.0, 2.0]])).loss[0] < 1e-10
