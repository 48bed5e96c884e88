"""What a hybrid is fed: padding counts for nothing, bad arrays are refused, and a failure leaves nothing behind."""

import logging

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.callbacks import GrowingHorizon

MODEL = sh.load("v1: A -> B; k1*A; v2: B -> ; k2*B*F; A = 1; B = 0; k1 = 0.3; k2 = 0.5; F = 1")
TIMES = np.array([[0.0, 1.0, 4.0, np.nan], [0.0, 2.0, 3.0, 5.0]])


def hybrid(**settings):
    layer = sh.Simulate(MODEL, end=5, parameters=["k1", "k2"], controls=["F"], doses=["A"])
    return sh.HybridModel(layer, estimate={"k2": (0.05, 5.0)}, **settings)


def arrays(padding=1.0):
    gone = np.isnan(TIMES)[:, :, None]
    inputs = {
        "times": TIMES,
        "parameters": np.array([[0.2], [0.4]]),
        "controls": np.where(gone, padding, 1.5),
        "doses": np.where(gone, padding, 0.1),
    }
    return inputs, np.where(gone, np.nan, 0.3) + np.zeros((2, 4, 2))


@pytest.fixture(scope="module")
def untrained():
    return hybrid()


@pytest.mark.slow
@pytest.mark.parametrize("padding", [np.nan, 7.0, np.inf])
def test_what_stands_behind_the_last_time_counts_for_nothing_in_training(padding):
    one, other = hybrid(), hybrid()

    losses = one.fit(*arrays(padding), epochs=3, verbose=0).history["loss"]

    assert losses == other.fit(*arrays(1.5), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


@pytest.mark.slow
def test_a_dataset_with_times_and_controls_of_each_trajectorys_own_trains():
    times = sh.irregular(3, (2, 5), 5, seed=0)
    steps = sh.Condition("a", inputs=[sh.Steps("F", times=[0], values=[2.0])])
    truth = sh.simulate(MODEL, pd.DataFrame({"k1": [0.2, 0.4, 0.3]}), times=times, conditions=[steps])
    assert np.isnan(truth["controls"].values).any()
    layer = sh.Simulate(MODEL, end=5, parameters=["k1", "k2"], controls=["F"])
    model = sh.HybridModel(layer, estimate={"k2": (0.05, 5.0)})

    losses = model.fit(sh.measure(truth, noise=sh.noise.Normal(0.01), seed=0), epochs=3, verbose=0).history["loss"]

    assert np.isfinite(losses).all() and len(losses) == 3


@pytest.mark.slow
def test_training_that_turns_nan_in_the_first_epoch_leaves_all_as_it_was(caplog):
    model = hybrid()
    model.compile(keras.optimizers.Adam(1e300))
    inputs, target = arrays()
    model.likelihood.adapt(target)  # where the standard deviations begin
    before = model.get_weights()

    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        model.fit(inputs, target, epochs=3, verbose=0)

    assert "Training stopped in epoch 1" in caplog.text
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(np.isfinite(np.array(v)).all() for v in model.optimizer.variables if v.name != "learning_rate")


@pytest.mark.slow
def test_a_training_that_was_interrupted_leaves_no_horizon_to_the_next():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = hybrid()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*arrays(), epochs=5, verbose=0, callbacks=[GrowingHorizon(0.5, 5), Interrupt()])
    inputs, target = arrays()
    late = np.where(TIMES[:, :, None] > 0.5, target, np.nan)
    before = model.evaluate(inputs, late)

    model.fit(inputs, late, epochs=1, verbose=0)

    assert np.isinf(np.array(model.horizon))
    assert model.evaluate(inputs, late) < before  # it has learned from what is late


BAD = {
    "inf in the target": (lambda i, y: y.__setitem__((1, 2, 0), np.inf), "target is infinite in trajectory 1"),
    "nothing": (lambda i, y: y.fill(np.nan), "Nothing is measured"),
    "times that decrease": (
        lambda i, y: i.__setitem__("times", TIMES[:, [1, 0, 2, 3]]),
        "0 or later, and not decrease",
    ),
    "times that are negative": (lambda i, y: i.__setitem__("times", TIMES - 1), "0 or later, and not decrease"),
    "an infinite time": (lambda i, y: i.__setitem__("times", np.where(TIMES == 5, np.inf, TIMES)), "must be finite"),
    "NaN between times": (lambda i, y: i.__setitem__("times", TIMES[:, [0, 1, 3, 2]]), "NaN between times"),
    "a parameter of NaN": (lambda i, y: i["parameters"].fill(np.nan), "k1 in parameters is no finite number"),
    "a control of NaN": (lambda i, y: i["controls"].fill(np.nan), "F in controls is no finite number"),
    "an infinite dose": (lambda i, y: i["doses"].fill(np.inf), "A in doses is no finite number in trajectory 0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_arrays_that_cannot_be_are_refused(untrained, what):
    spoil, words = BAD[what]
    inputs, target = arrays()
    spoil(inputs, target)

    with pytest.raises((ValueError, DataError), match=words):
        untrained.fit(inputs, target, verbose=0)


@pytest.mark.slow
def test_no_trajectory_no_time_and_no_batch_are_refused(untrained):
    inputs, target = arrays()
    for rows, columns in ((slice(0), slice(None)), (slice(None), slice(0))):
        few = {k: a[rows] if k == "parameters" else a[rows, columns] for k, a in inputs.items()}
        with pytest.raises(DataError, match="no trajectories or no times"):
            untrained.fit(few, target[rows, columns], verbose=0)
    for size in (0, -1, 1.5):
        with pytest.raises(ValueError, match="batch_size must be a whole number"):
            untrained.fit(inputs, target, batch_size=size, verbose=0)


@pytest.mark.slow
def test_one_callback_is_as_good_as_a_list_of_one():
    seen = []
    call = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))

    hybrid().fit(*arrays(), epochs=2, verbose=0, callbacks=call)

    assert seen == [0, 1]


@pytest.mark.slow
def test_a_network_in_front_that_has_nothing_to_make_is_refused():
    layer = sh.Simulate(MODEL, end=5, parameters=["k2"])
    with pytest.raises(ValueError, match="all are estimated or none is there"):
        sh.HybridModel(layer, estimate={"k2": (0.05, 5.0)}, before=keras.layers.Dense(4))
