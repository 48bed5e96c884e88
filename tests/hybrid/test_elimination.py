"""Sparse systems are solved as a dense solver solves them, and so are their gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from sbml_hybrid.hybrid.elimination import Elimination
from sbml_hybrid.mechanism.arrays import Arrays

NUMPY, KERAS = Arrays(np), Arrays(ops)


def systems(size, filling, seed, batch=3):
    """A random pattern, diagonally dominant matrices (trajectory, row, column) of it, and right-hand sides."""
    rng = np.random.default_rng(seed)
    pattern = rng.random((size, size)) < filling
    matrices = rng.normal(size=(batch, size, size)) * (pattern | np.eye(size, dtype=bool))
    dominant = np.abs(matrices).sum(axis=2) + rng.uniform(0.1, 2, (batch, size))
    at = np.arange(size)
    matrices[:, at, at] = dominant * rng.choice([-1, 1], (batch, size))
    return pattern, matrices, rng.normal(size=(batch, size))


def entries_of(plan, matrices):
    return np.moveaxis(matrices, 0, -1)[plan.rows, plan.columns]


sizes = st.integers(1, 60)
fillings = st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
seeds = st.integers(0, 2**32 - 1)


@given(size=sizes, filling=fillings, seed=seeds)
def test_solutions_are_those_of_a_dense_solver(size, filling, seed):
    pattern, matrices, right = systems(size, filling, seed)
    plan = Elimination(pattern)

    factors = plan.factors(entries_of(plan, matrices), NUMPY)
    solution = plan.solve(factors, right.T, NUMPY)
    transposed = plan.solve_transposed(factors, right.T, NUMPY)

    np.testing.assert_allclose(solution.T, np.linalg.solve(matrices, right[..., None])[..., 0], rtol=1e-9, atol=1e-11)
    turned = np.swapaxes(matrices, 1, 2)
    np.testing.assert_allclose(transposed.T, np.linalg.solve(turned, right[..., None])[..., 0], rtol=1e-9, atol=1e-11)


@given(size=sizes, filling=fillings, seed=seeds)
def test_the_plan_holds_the_pattern_its_diagonal_and_each_place_once(size, filling, seed):
    pattern, _, _ = systems(size, filling, seed)

    plan = Elimination(pattern)

    planned = set(zip(plan.rows.tolist(), plan.columns.tolist(), strict=True))
    assert len(planned) == len(plan.rows)
    assert planned >= set(zip(*(at.tolist() for at in np.nonzero(pattern | np.eye(size, dtype=bool))), strict=True))
    np.testing.assert_array_equal(plan.index(plan.rows, plan.columns), np.arange(len(plan.rows)))
    assert sorted(plan.order.tolist()) == list(range(size))


@pytest.mark.parametrize("size", [5, 40])
def test_a_chain_needs_no_fill_in_outside_of_what_is_left_dense(size):
    plan = Elimination(np.eye(size, k=-1, dtype=bool) | np.eye(size, k=1, dtype=bool))

    # Cyclic reduction: what a level takes out, it replaces by at most one neighbour.
    assert len(plan.rows) <= 5 * size + plan.dense**2


def test_an_arrow_is_eliminated_from_its_tips():
    pattern = np.eye(30, dtype=bool)
    pattern[0, :] = pattern[:, 0] = True

    plan = Elimination(pattern)

    assert len(plan.rows) == 30 + 2 * 29
    assert plan.order[-1] == 0


def gradient(function, at):
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [np.array(g) for g in jax.jit(jax.grad(function, range(len(at))))(*at)]
    import tensorflow as tf

    tensors = [tf.constant(x) for x in at]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    return [np.array(g) for g in tape.gradient(value, tensors)]


@pytest.mark.parametrize(("size", "filling"), [(1, 0.0), (2, 1.0), (7, 0.3), (30, 0.05)])
def test_the_gradient_is_that_of_a_dense_solver(size, filling):
    pattern, matrices, right = systems(size, filling, seed=1)
    plan = Elimination(pattern)
    weights = np.random.default_rng(2).normal(size=right.T.shape)

    def loss(entries, right_side):
        solve = plan.solver(entries, KERAS)
        return ops.sum(weights * solve(right_side + 0.3 * solve(right_side)))

    by_entries, by_right = gradient(loss, [entries_of(plan, matrices), right.T.copy()])

    inverse = np.linalg.inv(matrices)
    first = np.einsum("bij,bj->bi", inverse, right)
    second = np.einsum("bij,bj->bi", inverse, right + 0.3 * first)
    back = np.einsum("bji,bj->bi", inverse, weights.T)
    further = 0.3 * np.einsum("bji,bj->bi", inverse, back)
    of_matrices = -back[:, :, None] * second[:, None] - further[:, :, None] * first[:, None]
    np.testing.assert_allclose(by_right, (back + further).T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_entries, entries_of(plan, of_matrices), rtol=1e-9, atol=1e-12)
