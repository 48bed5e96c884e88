"""Networks with several starts: each start is a network of its own."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.networks import HamiltonianField, Perceptron, Stacked, first_kernel, last_layer, with_starts


def numbers(network, inputs):
    return keras.ops.convert_to_numpy(network(np.asarray(inputs, "float32")))


@settings(max_examples=5)
@given(starts=st.integers(2, 4), seed=st.integers(0, 100), start=st.integers(0, 1))
def test_a_start_answers_as_it_would_alone(starts, seed, start):
    together, alone = Perceptron(4, 2, seed=seed, starts=starts), Perceptron(4, 2, seed=seed)
    inputs = np.random.default_rng(seed).normal(size=(starts, 3, 2))

    answer = numbers(together, inputs.reshape(-1, 2)).reshape(starts, 3, 4)
    alone.build((None, 2))
    for many, mine in zip(together.weights, alone.weights, strict=True):
        mine.assign(many[start : start + 1])

    np.testing.assert_allclose(answer[start], numbers(alone, inputs[start]), rtol=1e-5, atol=1e-6)


def test_the_first_start_has_the_weights_of_a_single_one():
    together, alone = Perceptron(4, 2, seed=3, starts=3), Perceptron(4, 2, seed=3)

    for network in (together, alone):
        network.build((None, 2))

    for many, mine in zip(together.weights, alone.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(many)[:1], keras.ops.convert_to_numpy(mine))


def test_starts_differ():
    network = Perceptron(4, 1, seed=0, starts=2)
    network.build((None, 2))

    assert not np.allclose(first_kernel(network, 0), first_kernel(network, 1))


def test_trajectories_are_rows_too():
    network = Perceptron(4, 1, seed=0, starts=2)
    inputs = np.random.default_rng(0).normal(size=(6, 5, 2))

    answer = numbers(network, inputs)

    assert answer.shape == (6, 5, 4) == network.compute_output_shape(inputs.shape)
    np.testing.assert_allclose(answer[:, 2], numbers(network, inputs[:, 2]), rtol=1e-5)


def test_a_network_comes_back_from_its_configuration():
    network = Perceptron(4, 2, "relu", seed=5, starts=2)

    again = Perceptron.from_config(network.get_config())

    inputs = np.ones((4, 3))
    np.testing.assert_array_equal(numbers(again, inputs), numbers(network, inputs))


def test_without_a_seed_the_configuration_has_the_one_that_was_taken():
    network = Perceptron(4, 1)

    np.testing.assert_array_equal(
        numbers(Perceptron.from_config(network.get_config()), np.ones((1, 2))), numbers(network, np.ones((1, 2)))
    )


def test_the_last_layer_starts_at_zero_and_has_the_starts_of_its_network():
    last = last_layer(Perceptron(4, 1, starts=3), 2)

    assert isinstance(last, Stacked) and last.starts == 3
    assert (numbers(last, np.ones((3, 4))) == 0).all()
    assert (numbers(last_layer(keras.layers.Dense(4), 2), np.ones((3, 4))) == 0).all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 100), activation=st.sampled_from(["tanh", "exponential"]), starts=st.integers(1, 2))
def test_a_hamiltonian_field_is_the_turned_gradient_of_an_energy(seed, activation, starts):
    network = HamiltonianField(5, activation, seed=seed, starts=starts, dtype="float64")
    x = np.random.default_rng(seed).normal(size=(starts, 3, 4))
    network.build((None, 4))
    network.outer.kernel.assign(np.random.default_rng(seed).normal(size=(starts, 5, 1)))
    network.inner.bias.assign(np.random.default_rng(seed + 1).normal(size=(starts, 1, 5)))
    w, b, a = (keras.ops.convert_to_numpy(v) for v in (network.kernel, network.inner.bias, network.outer.kernel))

    def energy(x):
        z = x @ w + b
        return ((np.log(np.cosh(z)) if activation == "tanh" else np.exp(z)) @ a)[..., 0]

    field = keras.ops.convert_to_numpy(network(x.reshape(-1, 4))).reshape(x.shape)

    slopes = [(energy(x + h) - energy(x - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
    np.testing.assert_allclose(field, np.stack([*slopes[2:], -slopes[0], -slopes[1]], axis=2), atol=1e-7)


def test_a_hamiltonian_field_starts_at_nothing_and_comes_back_from_its_configuration():
    network = HamiltonianField(5, "exponential", seed=1, starts=2)
    again = HamiltonianField.from_config(network.get_config())

    assert (numbers(network, np.ones((4, 2))) == 0).all() and (numbers(again, np.ones((4, 2))) == 0).all()
    for mine, other in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(other))
    assert first_kernel(network, 1).shape == (2, 5)


def test_a_hamiltonian_field_needs_as_many_momenta_as_coordinates():
    with pytest.raises(ValueError, match="reads coordinates and as many momenta, and got 3 inputs"):
        HamiltonianField(5).build((None, 3))


def test_other_networks_have_no_starts():
    message = re.escape("starts=4 needs networks with weights for each start, and the third is a Dense.")
    with pytest.raises(ValueError, match=message):
        with_starts(keras.layers.Dense(3), 4, "the third")


def test_no_units_are_refused_with_the_value():
    with pytest.raises(ValueError, match="units must be a whole number, 1 or more, got 0"):
        Perceptron(units=0)
