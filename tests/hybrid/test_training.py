"""Hybrids in training: what they recover, what they ignore, and what they say."""

import dataclasses
import logging
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.stats import norm

from sbml_hybrid import Limits, around, load, measure, priors, sample, simulate
from sbml_hybrid.errors import DataError, ModelError, UnknownName
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.callbacks import GrowingHorizon
from sbml_hybrid.hybrid.descent import descent
from sbml_hybrid.hybrid.estimates import Estimates, laws_of
from sbml_hybrid.hybrid.feeding import Trajectories
from sbml_hybrid.hybrid.grafts import Graft
from sbml_hybrid.hybrid.likelihood import MOST_AGAINST, Likelihood
from sbml_hybrid.hybrid.model import HybridModel
from sbml_hybrid.hybrid.networks import Perceptron
from sbml_hybrid.hybrid.penalties import InputLasso, LeastAction, MechanismAlone
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.hybrid.weights import DualAscent
from sbml_hybrid.measurement import noise

pytestmark = pytest.mark.slow  # compiling layers takes minutes

DECAY = load("J: S -> P; k*S; S = 10; P = 0; k = 0.3")
CHAIN = load("J: S -> P; k*S; J2: P -> ; k2*P; S = 10; P = 0; k = 0.3; k2 = 0.2")
TRUE = 0.5
TIMES = np.tile(np.linspace(0.0, 5.0, 6), (3, 1))
TARGET = 10 * np.exp(-TRUE * TIMES)[:, :, None]
LAWS = [priors.LogNormal(0.3, 2.0), priors.Normal(1.0, 0.5), priors.LogUniform(0.01, 1.0), priors.Uniform(-1.0, 3.0)]


def decay(**settings):
    return Simulate(DECAY, end=5.0, parameters=["k"], observables=["S"], **settings)


def chain(*grafts, **settings):
    settings = {"parameters": ["k", "k2"], "observables": ["S", "P"]} | settings
    return Simulate(CHAIN, grafts, end=5.0, **settings)


def of_chain(k=TRUE, k2=0.2):
    s, p = 10 * np.exp(-k * TIMES), 10 * k / (k2 - k) * (np.exp(-k * TIMES) - np.exp(-k2 * TIMES))
    return np.stack([s, p], axis=2)


def loss_of(model, target, answer, **arguments):
    return float(model.compute_loss({"times": TIMES}, target, keras.ops.convert_to_tensor(answer), **arguments))


@pytest.fixture(scope="module")
def untrained():
    return HybridModel(decay(), estimate={"k": (0.01, 3.0)})


@pytest.fixture(scope="module")
def trained():
    model = HybridModel(decay(), estimate={"k": (0.01, 3.0)})
    model.compile(keras.optimizers.Adam(0.05))
    target = TARGET.copy()
    target[0, 2] = np.nan
    model.history_of_test = model.fit({"times": TIMES}, target, epochs=150).history
    return model


# -- what it recovers ------------------------------------------------------------------------------


def test_a_rate_constant_is_recovered(trained):
    table = trained.estimates().set_index("parameter")

    assert table.loc["k", "value"] == pytest.approx(TRUE, rel=0.01)
    assert list(trained.estimates().columns) == ["parameter", "start", "value", "loss"]


def test_the_history_has_loss_unfinished_and_rmse(trained):
    history = trained.history_of_test

    assert {"loss", "unfinished", "rmse"} <= set(history)
    assert history["loss"][-1] < history["loss"][0] and history["unfinished"] == [0.0] * 150
    assert history["rmse"][-1] < 0.05


def test_training_stops_with_the_last_good_weights(trained, caplog):
    good = []

    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                good.extend(keras.ops.convert_to_numpy(v) for v in self.model.trainable_variables)
                self.model.estimated.position.assign(self.model.estimated.position * np.nan)

    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        history = trained.fit({"times": TIMES}, TARGET, epochs=9, callbacks=[Broken()])

    assert len(history.history["loss"]) == 3
    for variable, value in zip(trained.trainable_variables, good, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert "Training stopped in epoch 3" in caplog.text


def test_a_saved_hybrid_has_the_weights_that_it_had(trained, tmp_path):
    trained.save(tmp_path / "hybrid.keras")

    again = HybridModel.load(tmp_path / "hybrid.keras")

    for mine, other in zip(trained.variables, again.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(other))
    assert float(again.optimizer.learning_rate) == float(trained.optimizer.learning_rate)


# -- the loss --------------------------------------------------------------------------------------


def test_what_is_not_measured_changes_nothing(untrained):
    answer = TARGET + np.random.default_rng(0).normal(size=TARGET.shape)
    missing = np.random.default_rng(1).random(TARGET.shape) < 0.3

    loss = loss_of(untrained, np.where(missing, np.nan, TARGET), answer)

    sigma = float(untrained.likelihood.sigma()[0, 0])
    z = ((answer - TARGET) / sigma)[~missing]
    assert loss == pytest.approx(np.mean(z**2 / 2 + np.log(sigma) + np.log(2 * np.pi) / 2), rel=1e-6)


def test_what_was_not_reached_changes_nothing(untrained):
    lost = np.random.default_rng(1).random(TARGET.shape) < 0.3

    as_lost = loss_of(untrained, TARGET, np.where(lost, np.nan, TARGET + 0.1))
    as_missing = loss_of(untrained, np.where(lost, np.nan, TARGET), TARGET + 0.1)

    assert as_lost == pytest.approx(as_missing, rel=1e-6)


def test_the_regularizers_of_networks_count_for_each_start():
    network = Perceptron(3, 1, seed=0, kernel_regularizer=keras.regularizers.L2(0.1))
    model = HybridModel(chain(Graft("J", network, ["S"])), starts=2)
    answer = keras.ops.convert_to_tensor(np.repeat(of_chain()[:, None], 2, axis=1))
    kernel = keras.ops.convert_to_numpy(model.simulate.heads[0].network.layers[0].kernel)

    judged = model.judged({"times": TIMES}, of_chain(), answer)

    more = keras.ops.convert_to_numpy(judged.total - judged.data)
    np.testing.assert_allclose(more, 0.1 * np.square(kernel).sum(axis=(1, 2)), rtol=1e-6)
    assert more[0] != more[1]


def test_behind_a_limit_the_chance_of_lying_there_counts(untrained):
    answer = np.full((3, 6, 1), 4.0)
    target, codes = np.full((3, 6, 1), 5.0), np.zeros((3, 6, 1))
    codes[0], codes[1] = -1, 1

    untrained.likelihood.adapt(TARGET)
    sigma = float(keras.ops.convert_to_numpy(untrained.likelihood.sigma())[0, 0])
    x = {"times": TIMES, "censored": codes}
    loss = float(untrained.compute_loss(x, target, keras.ops.convert_to_tensor(answer)))

    chances = [norm.logcdf(5, 4, sigma), norm.logsf(5, 4, sigma), norm.logpdf(5, 4, sigma)]
    assert loss == pytest.approx(-np.mean(chances), rel=1e-7)


def test_a_limit_of_detection_biases_no_estimate():
    limit = 3.0
    target, codes = np.maximum(TARGET, limit), -(limit > TARGET).astype(int)
    model = HybridModel(decay(), estimate={"k": (0.01, 3.0)}, noise=noise.Normal(0.1))

    model.refine({"times": TIMES, "censored": codes}, target, verbose=0)

    assert model.estimates().set_index("parameter").loc["k", "value"] == pytest.approx(TRUE, rel=0.01)


def test_behind_the_horizon_nothing_counts_in_training_only(untrained):
    answer = np.where(TIMES[:, :, None] > 2.5, TARGET + 5.0, TARGET)
    untrained.horizon.assign(2.5)
    try:
        within = loss_of(untrained, TARGET, answer, training=True)
        whole = loss_of(untrained, TARGET, answer, training=False)
    finally:
        untrained.horizon.assign(np.inf)

    early = np.where(TIMES[:, :, None] > 2.5, np.nan, TARGET)
    assert within == pytest.approx(loss_of(untrained, early, answer), rel=1e-6)
    assert within < whole


def test_the_horizon_grows_to_the_end(untrained):
    callback = GrowingHorizon(start=1.0, epochs=4)
    callback.set_model(untrained)

    seen = []
    for epoch in range(6):
        callback.on_epoch_begin(epoch)
        seen.append(float(untrained.horizon))

    assert seen == [1.0, 2.0, 3.0, 4.0, np.inf, np.inf]


@pytest.mark.parametrize("model", [noise.Normal(0.3), noise.Lognormal(0.2), noise.Linear(0.1, 0.1)], ids=str)
def test_a_noise_model_says_how_likely_measurements_are(model):
    layer = Likelihood(["y"], model, dtype="float64")
    values, target = TARGET[None] * 1.1, TARGET[None]

    density = layer.log_density(target, values, np.ones(target.shape, bool))

    np.testing.assert_allclose(keras.ops.convert_to_numpy(density), model.log_density(target, values), rtol=1e-9)


def test_an_impossible_measurement_is_finite():
    layer = Likelihood(["y"], noise.Lognormal(0.1), dtype="float64")

    density = layer.log_density(np.full((1, 1, 1, 1), -1.0), np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1), bool))

    assert float(density[0, 0, 0, 0]) == -50.0


def test_arbitrary_units_start_at_the_size_of_the_data():
    layer = Likelihood(["y", "z"], scaling=["z"], typical=[10.0, 10.0], dtype="float64")
    layer.adapt(np.concatenate([TARGET, 700 * TARGET], axis=2))

    read = keras.ops.convert_to_numpy(layer.read(np.ones((1, 1, 1, 2))))

    np.testing.assert_allclose(read[0, 0, 0], [1.0, 700.0])


# -- estimates -------------------------------------------------------------------------------------


@given(law=st.sampled_from(LAWS), position=st.floats(-50, 50))
def test_estimates_stay_where_their_law_allows_them(law, position):
    layer = Estimates({"k": law}, {"k": 0.5}, dtype="float64")
    layer.position.assign([[position]])

    value = float(layer.values()["k"][0])

    assert 0 <= law.cdf(value) <= 1 and np.isfinite(value)
    if hasattr(law, "low"):
        assert law.low <= value <= law.high * (1 + 1e-12)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_one_start_is_the_models_own_value_and_several_are_draws(law):
    one = Estimates({"k": law}, {"k": 0.5}, dtype="float64")
    several = Estimates({"k": law}, {"k": 0.5}, starts=20, seed=1, dtype="float64")

    assert float(one.values()["k"][0]) == pytest.approx(0.5)
    probabilities = np.sort(law.cdf(keras.ops.convert_to_numpy(several.values()["k"])))
    assert (np.abs(probabilities - (np.arange(20) + 0.5) / 20) <= 0.5 / 20 + 1e-6).all()


def test_bounds_are_log_uniform_where_they_are_positive():
    assert laws_of({"a": (0.1, 1), "b": (-1, 1)}) == {"a": priors.LogUniform(0.1, 1), "b": priors.Uniform(-1, 1)}


# -- batches and datasets --------------------------------------------------------------------------


@given(count=st.integers(1, 12), size=st.integers(1, 13), seed=st.one_of(st.none(), st.integers(0, 9)))
def test_batches_have_one_size_and_measure_each_trajectory_once(count, size, seed):
    target = np.arange(count, dtype=float)[:, None, None] + np.zeros((count, 2, 1))
    batches = Trajectories({"times": np.zeros((count, 2))}, target, size, seed)

    parts = [batches[i] for i in range(batches.num_batches)]

    assert len({len(t) for _, t in parts}) == 1 and all(len(x["times"]) == len(t) for x, t in parts)
    seen = np.concatenate([t for _, t in parts])[:, 0, 0]
    assert sorted(seen[~np.isnan(seen)]) == list(range(count))


def test_a_dataset_gives_inputs_and_target(untrained):
    data = xr.Dataset(
        {
            "measured": (("trajectory", "time", "observable"), of_chain()[:, :, ::-1].copy()),
            "parameters": (("trajectory", "parameter"), np.array([[0.2], [0.3], [0.4]])),
        },
        coords={
            "trajectory": [0, 1, 2], "draw": ("trajectory", [0, 1, 2]), "time": TIMES[0], "observable": ["P", "S"],
            "parameter": ["k2"],
        },
    )  # fmt: skip
    model = HybridModel(chain(initial=["S"]), estimate={"k": (0.1, 1.0)})

    inputs, target = model.inputs_from(data)

    np.testing.assert_array_equal(inputs["times"], TIMES)
    np.testing.assert_array_equal(inputs["parameters"], [[0.2], [0.3], [0.4]])
    np.testing.assert_array_equal(inputs["initial"], [[10.0]] * 3)
    np.testing.assert_array_equal(target, of_chain())


def test_a_dataset_says_what_lies_behind_limits():
    truth = simulate(CHAIN, sample(around(CHAIN, 2.0, of=["k"]), 4, seed=0), times=TIMES[0])
    data = measure(truth, ["P", "S"], limits=Limits(low=3.0), replicates=2, seed=1)
    model = HybridModel(chain(), estimate={"k": (0.1, 1.0), "k2": (0.1, 1.0)})

    inputs, target = model.inputs_from(data)

    assert target.shape == inputs["censored"].shape == (8, 6, 2)
    np.testing.assert_array_equal(inputs["censored"] == -1, target == 3.0)
    assert 0 < (inputs["censored"] == -1).mean() < 1


# -- what it says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"estimate": {"kk": (0.1, 1)}}, UnknownName, "No parameter to estimate 'kk'.* Did you mean 'k'"),
        ({"estimate": {"k": (1, 0.1)}}, ValueError, r"The bounds of 'k' must be two numbers, \(low, high\)"),
        ({"starts": 0}, ValueError, "starts must be a whole number, 1 or more, got 0"),
        ({"scaling": ["Q"]}, UnknownName, "No observable 'Q'"),
        ({"after": keras.layers.Dense(1), "starts": 2}, ValueError, "and after is a Dense. Try: Perceptron"),
        ({"noise": noise.Autocorrelated(noise.Normal(1.0), 1.0)}, DataError, "depends on the times"),
        ({"penalties": (LeastAction(weight=DualAscent(0.1, 1.0)),), "starts": 2}, ValueError, "Try: starts=1"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(untrained, settings, error, message):
    with pytest.raises(error, match=message):
        HybridModel(untrained.simulate, **settings)


@pytest.mark.parametrize(
    ("inputs", "target", "message"),
    [
        ({}, TARGET, "The inputs have no 'times'"),
        ({"times": TIMES[0]}, TARGET, r"times must be \(trajectory, time\)"),
        ({"times": TIMES}, TARGET[:, :3], r"The target must be \(trajectory, time, observable\) = \(3, 6, 1\) \(S\)"),
        ({"times": TIMES}, TARGET * np.nan, "Nothing is measured"),
        ({"times": TIMES}, None, "There is no target"),
        ({"times": TIMES, "parameters": TIMES[:, :1]}, TARGET, "parameters is given as input, but k is estimated"),
        ({"times": TIMES, "dose": TIMES}, TARGET, "No input 'dose'"),
        ({"times": TIMES, "censored": TIMES}, TARGET, r"censored must have the target's shape \(3, 6, 1\)"),
        ({"times": TIMES, "censored": TARGET}, TARGET, "censored must be -1 .below the limit"),
    ],
)
def test_wrong_data_are_refused_in_one_line(untrained, inputs, target, message):
    with pytest.raises((ValueError, KeyError), match=message):
        untrained.fit(inputs, target)


def test_too_many_parameters_are_refused_with_what_is_estimated():
    model = HybridModel(chain(), estimate={"k": (0.1, 1.0)})

    with pytest.raises(ValueError, match=re.escape("shape (3, 1) (k2), got (3, 2). Estimated, and no input: k.")):
        model.predict({"times": TIMES, "parameters": np.ones((3, 2))})


def test_a_norm_over_starts_is_refused(untrained):
    model = HybridModel(untrained.simulate, estimate={"k": (0.1, 1.0)}, starts=2)

    with pytest.raises(ValueError, match="ties the starts"):
        model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0))
    with pytest.raises(ModelError, match="No start has a finite loss yet"):
        model.best()


# -- trajectories that do not arrive ---------------------------------------------------------------


def test_an_unfinished_trajectory_is_counted_and_training_goes_on(caplog):
    model = HybridModel(decay(steps=12), estimate={"k": (0.01, 3.0)})
    times = np.concatenate([TIMES, TIMES[:1] * 1e-3])  # the last of them arrives
    target = 10 * np.exp(-TRUE * times)[:, :, None]

    history = model.fit({"times": times}, target, epochs=3).history
    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        answer = model.predict({"times": times})

    assert history["unfinished"] == [0.75] * 3 and np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    assert np.isnan(answer[:3, -1]).all() and np.isfinite(answer[3]).all() and np.isfinite(answer[:, 0]).all()
    assert caplog.text.count("3 of 4 trajectories did not arrive") == 1 and "steps= above 12" in caplog.text


def test_a_trajectory_that_is_asked_for_its_start_alone_arrives(untrained):
    answer = untrained.predict({"times": np.zeros((2, 1))})

    np.testing.assert_array_equal(answer, np.full((2, 1, 1), 10.0))


def test_refining_finds_the_least_squares_solution_of_each_start():
    rng = np.random.default_rng(0)
    noisy = TARGET + rng.normal(0, 0.3, TARGET.shape)
    model = HybridModel(decay(tolerance=1e-5), estimate={"k": (0.01, 3.0)}, starts=3)
    assert not model.compiled

    told = model.refine({"times": TIMES}, noisy, verbose=0)

    def residuals(k):
        return (10 * np.exp(-k * TIMES) - noisy[:, :, 0]).ravel()

    best = least_squares(residuals, TRUE, xtol=1e-14, ftol=1e-14).x[0]
    table = model.estimates().pivot(index="start", columns="parameter", values="value")
    np.testing.assert_allclose(table["k"], best, rtol=1e-4)
    np.testing.assert_allclose(table["sigma(S)"], np.sqrt(np.mean(residuals(best) ** 2)), rtol=1e-3)
    last = told[told["evaluation"] == told["evaluation"].max()]
    np.testing.assert_allclose(model.estimates()["loss"][:3], last["loss"], rtol=1e-6)


def test_in_refining_what_is_not_reached_counts_against_a_start():
    model = HybridModel(decay(steps=12), estimate={"k": (0.01, 3.0)})

    told = model.refine({"times": TIMES}, TARGET, evaluations=1, verbose=0)

    assert len(told) == 1 and np.isnan(model.predict({"times": TIMES})[:, -1]).all()
    (loss,) = keras.ops.convert_to_numpy(model.start_losses)
    assert told["loss"][0] == pytest.approx(loss) and loss > MOST_AGAINST / 10


def test_refining_keeps_what_it_found_when_it_is_interrupted(untrained, monkeypatch):
    model = HybridModel(decay(), estimate={"k": (0.01, 3.0)})
    seen = []

    def interrupted(evaluate, first, tolerance):
        for found in descent(evaluate, first, tolerance):
            seen.append(found)
            yield found
            if len(seen) == 8:
                raise KeyboardInterrupt

    monkeypatch.setattr("sbml_hybrid.hybrid.refining.descent", interrupted)

    with pytest.raises(KeyboardInterrupt):
        model.refine({"times": TIMES}, TARGET, verbose=0)

    kept = np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables])
    np.testing.assert_array_equal(kept, seen[-1].position[0])
    assert seen[-1].loss[0] < seen[0].loss[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"evaluations": 0}, "evaluations must be a whole number"), ({"tolerance": -1.0}, "tolerance must be a number")],
)
def test_a_wrong_setting_of_refining_is_refused(untrained, settings, message):
    with pytest.raises(ValueError, match=message):
        untrained.refine({"times": TIMES}, TARGET, **settings)


def test_times_behind_the_last_known_event_are_refused():
    pulsed = load("J: S -> ; k*S; at (time > 3): S = S + 1; S = 10; k = 0.3")
    hybrid = HybridModel(Simulate(pulsed, end=5.0))
    with pytest.raises(ValueError, match="times go to 9, but the layer knows what happens up to 5"):
        hybrid.predict({"times": np.array([[0.0, 9.0]])})


# -- slow: several compilations --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ROS34PW2", "Dormand-Prince"])
def test_any_number_of_times_may_be_asked_for(method):
    model = load("J: S -> P; k*S; J2: P -> ; k2*P; at (time > 2): S = S + 4; S = 10; P = 0; k = 0.3; k2 = 0.2")
    given = {"parameters": ["k"], "observables": ["S", "P"]}
    graft = Graft(["J", "J2"], Perceptron(3, 1, seed=0), inputs=["S", "P"])
    accuracy = dataclasses.replace(Simulate(model, end=5.0, **given).accuracy, method=method, steps=300)
    hybrid = HybridModel(
        Simulate(model, [graft], end=5.0, **given, accuracy=accuracy), estimate={"k": (0.01, 3.0)}, starts=2
    )
    times = np.linspace(0.0, 5.0, 13)[None]

    some, few, all_times = (hybrid.predict({"times": times[:, ::by]}) for by in (3, 6, 1))

    np.testing.assert_allclose(some, all_times[:, :, ::3], rtol=1e-3)
    np.testing.assert_allclose(few, all_times[:, :, ::6], rtol=1e-3)


def test_the_best_of_four_starts_is_what_training_it_alone_gives():
    graft = Graft("J", Perceptron(4, 1, seed=1), ["S"])
    penalties = (LeastAction(weight=0.1), MechanismAlone(weight=0.01), InputLasso(weight=0.01))
    model = HybridModel(
        chain(graft, initial=["S"]),
        estimate={"k": (0.01, 3.0), "init(S)": priors.LogNormal(8.0, 1.5)},
        scaling=["P"],
        penalties=penalties,
        starts=4,
    )
    inputs, target = {"times": TIMES, "parameters": np.full((3, 1), 0.2)}, of_chain() * [1.0, 7.0]
    alone = [model.alone(start) for start in range(4)]

    history = model.fit(inputs, target, epochs=10).history
    best = model.best()
    start = int(np.argmin([history[f"loss_{i}"][-1] for i in range(4)]))
    alone[start].fit(inputs, target, epochs=10)

    assert len(model.estimates()) == 4 * 6 and model.estimates()["loss"].min() == history[f"loss_{start}"][-1]
    for one, other in zip(best.trainable_variables, alone[start].trainable_variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), rtol=1e-4, atol=1e-5
        )


def test_networks_before_and_after_start_at_the_model_and_learn():
    before = keras.Sequential([keras.layers.Dense(4, "tanh")])
    last = keras.layers.Dense(2, kernel_initializer="zeros")
    values = keras.Input((6, 2))
    after = keras.Model(values, keras.layers.Add()([values, last(values)]))
    model = HybridModel(chain(), before=before, after=after, estimate={"k2": (0.1, 1.0)})
    inputs = {"times": TIMES, "features": np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])}

    start = model.predict(inputs)
    history = model.fit(inputs, of_chain(), batch_size=2, epochs=5, validation_data=(inputs, of_chain())).history

    np.testing.assert_allclose(start, of_chain(k=0.3), rtol=1e-3, atol=1e-3)
    assert history["loss"][-1] < history["loss"][0] and history["val_rmse"][-1] < history["val_rmse"][0]


def test_a_saved_hybrid_predicts_what_it_predicted_in_another_process(tmp_path):
    model = HybridModel(chain(Graft("J", Perceptron(4, 1, seed=1), ["S"])), estimate={"k": (0.1, 1.0)})
    inputs = {"times": TIMES, "parameters": np.full((3, 1), 0.2)}
    model.fit(inputs, of_chain(), epochs=2)
    model.save(tmp_path / "hybrid.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)

    ran(
        f"""
        import keras, numpy as np
        import sbml_hybrid.hybrid.model
        model = keras.models.load_model(r"{tmp_path / "hybrid.keras"}")
        np.save(r"{tmp_path / "answer.npy"}", model.predict(dict(np.load(r"{tmp_path / "inputs.npz"}"))))
        """
    )

    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), model.predict(inputs))


@pytest.mark.jax
def test_tensorflow_and_jax_have_the_same_loss_and_step(tmp_path):
    pytest.importorskip("jax")
    script = """
        import numpy as np
        from tests.hybrid.test_training import CHAIN, TIMES, chain, of_chain
        from sbml_hybrid.hybrid.grafts import Graft
        from sbml_hybrid.hybrid.model import HybridModel
        from sbml_hybrid.hybrid.networks import Perceptron
        import keras
        model = HybridModel(chain(Graft("J", Perceptron(4, 1, seed=1), ["S"])), estimate={"k": (0.1, 1.0)})
        inputs = {"times": TIMES, "parameters": np.full((3, 1), 0.2)}
        history = model.fit(inputs, of_chain(), epochs=3).history
        print("losses", *history["loss"])
    """

    losses = {}
    for backend in ("tensorflow", "jax"):
        lines = ran(script, KERAS_BACKEND=backend).splitlines()
        losses[backend] = [float(x) for x in next(x for x in lines if x.startswith("losses")).split()[1:]]

    np.testing.assert_allclose(losses["jax"], losses["tensorflow"], rtol=1e-5)


def ran(script, **variables):
    """Run a script in a process of its own, from the repository's root, and return what it printed."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "JAX_ENABLE_X64": "1", "PYTHONPATH": path, **variables}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
