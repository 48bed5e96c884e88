"""Training looks at what was measured only, holds out whole draws, and keeps the best weights."""

import logging

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.forecasting.training import Batches, Examples, Schedule, _held_out, masked_square_error, train


def examples(n=120, draws=12, seed=0, missing=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    target = np.stack([x.sum(axis=1), x[:, 0] - x[:, 1]], axis=1)[:, None] + rng.normal(size=(n, 1, 2)) * 0.1
    target = np.where(rng.random(target.shape) < missing, np.nan, target).astype(np.float32)
    return Examples({"x": x}, target, np.arange(n) % draws)


def network():
    x = keras.Input((3,), name="x", dtype="float32")
    start = keras.initializers.GlorotUniform(seed=1)
    answer = keras.layers.Dense(2, kernel_initializer=start, dtype="float32")(x)
    return keras.Model({"x": x}, keras.layers.Reshape((1, 2), dtype="float32")(answer))


def loss(model, part):
    return float(masked_square_error(part.target, model(part.inputs)))


SCHEDULE = Schedule(epochs=20, batch=32, rate=0.05, decay=0.0, patience=5)


@given(seed=st.integers(0, 1000), missing=st.floats(0, 1))
def test_the_loss_is_the_mean_square_over_what_was_measured(seed, missing):
    rng = np.random.default_rng(seed)
    answer = rng.normal(size=(4, 3, 2)).astype(np.float32)
    target = np.where(rng.random(answer.shape) < missing, np.nan, answer + 1).astype(np.float32)
    target[0, 0, 0] = answer[0, 0, 0] + 1

    assert float(masked_square_error(target, answer)) == pytest.approx(1.0, rel=1e-5)


def test_the_loss_of_nothing_measured_is_zero():
    nothing = np.full((2, 3, 1), np.nan, np.float32)

    assert float(masked_square_error(nothing, np.ones_like(nothing))) == 0.0


@given(draws=st.integers(1, 40), seed=st.integers(0, 1000))
def test_whole_draws_are_held_out_and_some_are_left(draws, seed):
    draw = np.repeat(np.arange(draws), 3)

    held = _held_out(draw, np.random.default_rng(seed))

    assert (held.reshape(draws, 3).all(axis=1) == held.reshape(draws, 3).any(axis=1)).all()
    assert held.any() == (draws >= 4)
    assert not held.all()


def test_batches_are_of_one_size_and_repeat_nothing_within_an_epoch():
    batches = Batches(examples(n=100), 32, np.random.default_rng(0))

    first = [batches[i] for i in range(len(batches))]
    batches.on_epoch_end()
    second = [batches[i] for i in range(len(batches))]

    seen = np.concatenate([x["x"] for x, _ in first])
    assert [len(x["x"]) for x, _ in first] == [32, 32, 32]
    assert len(np.unique(seen, axis=0)) == 96
    assert (seen != np.concatenate([x["x"] for x, _ in second])).any()


@pytest.mark.parametrize(("windows", "sizes"), [(100, [100]), (101, [50, 50]), (230, [76, 76, 76])])
def test_checks_are_in_order_and_of_one_size(windows, sizes):
    part = examples(n=windows)

    batches = Batches(part, 100)

    cut = [batches[i][0]["x"] for i in range(len(batches))]
    assert [len(x) for x in cut] == sizes
    np.testing.assert_array_equal(np.concatenate(cut), part.inputs["x"][: sum(sizes)])


def test_training_learns_from_what_was_measured():
    model, part = network(), examples()

    train(model, part, SCHEDULE, seed=0, label="line")

    weights = model.get_weights()[0]
    np.testing.assert_allclose(weights, [[1, 1], [1, -1], [1, 0]], atol=0.1)


def test_what_was_never_measured_moves_no_weight():
    model, part = network(), examples(missing=0.0)
    part.target[..., 1] = np.nan
    before = model.get_weights()[0]

    train(model, part, SCHEDULE, seed=0, label="line")

    after = model.get_weights()[0]
    np.testing.assert_array_equal(after[:, 1], before[:, 1])
    assert (after[:, 0] != before[:, 0]).all()


def test_a_network_that_training_makes_worse_stays_as_it_was():
    """What can be learned from the training draws is wrong for those held out."""
    part = examples()
    held = _held_out(part.draw, np.random.default_rng(0))
    flipped = Examples(part.inputs, np.where(held[:, None, None], part.target, -part.target), part.draw)
    model = network()
    model.set_weights([np.array([[1, 1], [1, -1], [1, 0]], np.float32), np.zeros(2, np.float32)])
    before = model.get_weights()

    train(model, flipped, SCHEDULE, seed=0, label="line")

    for one, two in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_weights_kept_are_the_best_on_held_out_draws(caplog):
    part = examples(missing=0.0)
    held = _held_out(part.draw, np.random.default_rng(0))
    model = network()

    with caplog.at_level(logging.INFO, "sbml_hybrid"):
        train(model, part, Schedule(epochs=30, batch=16, rate=0.5, decay=0.0, patience=3), seed=0, label="line")

    said = next(r for r in caplog.records if "held-out draws" in r.getMessage())
    assert loss(model, part[held]) ** 0.5 == pytest.approx(said.args[2], rel=1e-4)


def test_the_log_says_which_device_trains(caplog):
    with caplog.at_level(logging.INFO, "sbml_hybrid"):
        train(network(), examples(), Schedule(1, 32, 0.01, 0.0, 1), seed=0, label="line")

    assert any(
        "line: trains on" in r.getMessage() and keras.backend.backend() in r.getMessage() for r in caplog.records
    )
