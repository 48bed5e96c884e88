"""Penalties: what they are in closed form, that they stay finite, and how their weights change."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sbml_hybrid import priors
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.penalties import (
    Identity,
    Independence,
    InputLasso,
    LeastAction,
    MechanismAlone,
    ParameterPrior,
    Recorded,
    Sensitivity,
)
from sbml_hybrid.hybrid.trace import Trace
from sbml_hybrid.hybrid.weighing import Weights, penalty_from_dict, to_dict
from sbml_hybrid.hybrid.weights import DualAscent, Scheduled

LAWS = {
    "k1": priors.LogNormal(0.3, 2.0),
    "k2": priors.Normal(1.0, 0.5),
    "k3": priors.LogUniform(0.01, 1.0),
    "k4": priors.Uniform(-1.0, 3.0),
}
OF_PORTS = [LeastAction(), LeastAction("absolute"), LeastAction("log"), Independence(), Identity(), Sensitivity()]
ALL = [*OF_PORTS, MechanismAlone(), ParameterPrior(LAWS), InputLasso()]
CHANGING = [Scheduled(1.0, 0.1, epochs=3, shape="exponential"), DualAscent(0.1, rate=1.0)]
IDS = [f"{penalty.name}-{getattr(penalty, 'size', '')}".rstrip("-") for penalty in ALL]


def recorded(own, value, reached=None, mode="scale", *, reduced=None, parameters=None, dtype="float32", kernels=None):
    """Arrays (trajectory, step) or (trajectory, step, port) as what was recorded at ports R0, R1, ..."""
    own, value = (np.asarray(x, float).reshape(*np.shape(x)[:2], -1) for x in (own, value))
    count = own.shape[2]
    own, value = (keras.ops.convert_to_tensor(x, dtype) for x in (own, value))
    reached = np.ones(own.shape[:2]) if reached is None else np.asarray(reached)
    parameters = np.tile([[0.3, 1.0, 0.1, 0.0]], (own.shape[0], 1)) if parameters is None else parameters
    trace = Trace(
        tuple(f"R{i}" for i in range(count)),
        (mode,) * count,
        own,
        value,
        keras.ops.convert_to_tensor(reached, dtype),
        keras.ops.convert_to_tensor(parameters, dtype),
    )
    reduced = own if reduced is None else keras.ops.convert_to_tensor(reduced, dtype)
    kernels = {"R0": keras.ops.zeros((3, 4), dtype)} if kernels is None else kernels
    return Recorded(trace, value, reduced, parameter_names=tuple(LAWS), kernels=kernels)


def number(tensor):
    return float(keras.ops.convert_to_numpy(tensor))


def slope(function, *at):
    """The gradient of a scalar function, on either backend, within a compiled step."""
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(x) for x in jax.jit(jax.grad(function, argnums=tuple(range(len(at)))))(*at)]
    import tensorflow as tf

    @tf.function
    def compiled(*at):
        with tf.GradientTape() as tape:
            tape.watch(at)
            loss = function(*at)
        return tape.gradient(loss, at, unconnected_gradients="zero")

    return [x.numpy() for x in compiled(*at)]


def waves(seed=0, shape=(6, 40, 2)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=shape)


# -- closed forms ----------------------------------------------------------------------------------


@given(factor=st.floats(0.1, 10.0), unit=st.sampled_from([1e-12, 1.0, 1e9]))
@settings(max_examples=15)
def test_a_law_times_a_constant_costs_what_the_factor_says_in_any_unit(factor, unit):
    own = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, 1.0]]) * unit
    one = recorded(own, own * factor)

    assert number(LeastAction("log").value(one)) == pytest.approx(math.log(factor) ** 2, abs=2e-5)
    for relative in (LeastAction(), Identity(floor=1e-3), MechanismAlone()):
        expected = (factor - 1) ** 2
        if isinstance(relative, MechanismAlone):  # relative to the mean size of the prediction
            expected *= np.mean(own**2) / np.mean(own * factor) ** 2
        assert number(relative.value(one)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_absolute_action_is_the_mean_square_of_what_is_added_over_ports():
    own = np.zeros((1, 2, 2))
    value = np.array([[[1.0, 0.0], [3.0, 2.0]]])

    assert number(LeastAction("absolute").value(recorded(own, value, mode="add"))) == pytest.approx((5.0 + 2.0) / 2)
    assert number(LeastAction("absolute", ports=("R1",)).value(recorded(own, value, mode="add"))) == pytest.approx(2.0)


def test_a_rate_that_passes_zero_divides_by_a_share_of_its_mean_size():
    own = np.array([[0.0, 2.0]])  # mean size 1, so that 0 counts as 0.1

    assert number(LeastAction(floor=0.1).value(recorded(own, own + 0.2, mode="add"))) == pytest.approx((4 + 0.01) / 2)


def test_a_formula_that_is_zero_everywhere_counts_in_its_own_unit():
    action = LeastAction(floor=1.0).value(recorded(np.zeros((2, 3)), np.full((2, 3), 0.5), mode="add"))

    assert number(action) == pytest.approx(0.25)


def test_identity_counts_a_small_trajectory_as_much_as_a_large_one():
    own = np.array([[1.0, 1.0], [100.0, 100.0]])
    value = own * [[2.0], [1.0]]

    assert number(Identity(floor=1e-4).value(recorded(own, value, mode="add"))) == pytest.approx(0.5, rel=1e-3)


@given(seed=st.integers(0, 99), offset=st.floats(-3.0, 3.0))
@settings(max_examples=15)
def test_independence_is_the_squared_correlation(seed, offset):
    own, learned = waves(seed)
    learned = learned + offset + 0.5 * own
    expected = np.mean([np.corrcoef(own[..., i].ravel(), learned[..., i].ravel())[0, 1] ** 2 for i in range(2)])

    assert number(Independence().value(recorded(own, own + learned))) == pytest.approx(expected, rel=2e-3)


def test_a_constant_or_nothing_correlates_with_nothing():
    own, _ = waves()
    for learned in (0.0, 0.7):
        assert number(Independence().value(recorded(own, own + learned))) == pytest.approx(0.0, abs=1e-6)


@given(share=st.floats(0.0, 20.0), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_sensitivity_is_the_excess_of_the_learned_variation_in_parts_of_the_whole(share, seed):
    own, other = waves(seed)
    learned = share * other + 5.0
    varied, own_varied = np.var(learned, axis=(0, 1)), np.var(own, axis=(0, 1))
    expected = np.mean(np.maximum(0, varied - own_varied) / (varied + own_varied))

    found = number(Sensitivity(floor=1e-4).value(recorded(own, own + learned)))

    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert 0 <= found < 1


def test_a_network_that_cancels_the_mechanism_is_penalised_and_one_that_helps_is_not():
    own, other = waves()

    assert number(Sensitivity().value(recorded(own, other, mode="replace"))) == pytest.approx(1 / 3, abs=0.1)
    assert number(Sensitivity().value(recorded(own, 2 * other, mode="replace"))) > 0.5
    assert number(Sensitivity().value(recorded(own, own + 0.3 * other, mode="add"))) == 0


def test_the_likeliest_parameters_cost_nothing_and_others_half_the_square_of_their_distance():
    prior = ParameterPrior(LAWS)
    own = np.ones((1, 2))

    def cost(**changed):
        best = {"k1": 0.3, "k2": 1.0, "k3": 0.1, "k4": 0.0} | changed
        return number(prior.value(recorded(own, own, parameters=np.array([list(best.values())]))))

    assert cost() == pytest.approx(0.0, abs=1e-9)
    assert cost(k1=0.3 * 2.0**3) == pytest.approx(4.5, rel=1e-5)  # three standard deviations of the logarithm
    assert cost(k2=0.0) == pytest.approx(2.0)
    assert cost(k3=0.011) == cost(k3=0.99) == cost(k4=-0.99) == cost(k4=2.99) == 0
    assert cost(k4=3.08) == pytest.approx(2.0, rel=1e-3)  # 2 % of the width outside, at 1 % a standard deviation
    assert cost(k3=1.0 * 100**0.02) == pytest.approx(2.0, rel=1e-3)


def test_a_prior_pulls_a_parameter_back_from_where_it_cannot_be():
    prior = ParameterPrior({"k1": LAWS["k1"], "k3": LAWS["k3"]})
    one = recorded(np.ones((1, 2)), np.ones((1, 2)))

    def cost(parameters):
        trace = Trace(one.trace.ports, one.trace.modes, one.trace.own, one.trace.value, one.trace.reached, parameters)
        return prior.value(Recorded(trace, one.prediction, parameter_names=("k1", "k3")))

    for where in ([-0.5, -0.5], [0.0, 0.0]):
        (gradient,) = slope(cost, keras.ops.convert_to_tensor([where], "float32"))
        assert np.isfinite(gradient).all()
        assert (gradient < 0).all()  # smaller with a larger parameter


def test_the_input_lasso_is_the_sum_of_the_rows_lengths():
    kernels = {"R0": np.array([[3.0, 4.0], [0.0, 0.0]], "float32"), "R1": np.array([[1.0, 0.0]], "float32")}
    own = np.ones((1, 2, 2))

    assert number(InputLasso().value(recorded(own, own, kernels=kernels))) == pytest.approx(6.0, rel=1e-5)
    assert number(InputLasso(ports=["R1"]).value(recorded(own, own, kernels=kernels))) == pytest.approx(1.0, rel=1e-5)


# -- what holds for all ----------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", ALL, ids=IDS)
def test_an_untrained_hybrid_costs_nothing(penalty):
    own, _ = waves()

    assert number(penalty.value(recorded(own, own))) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("penalty", ALL, ids=IDS)
def test_what_was_not_reached_changes_nothing(penalty):
    own, other = np.abs(waves(shape=(4, 6, 2)))
    reached = np.ones((4, 6))
    reached[1, 3:] = reached[3] = 0
    value = own + other
    spoilt, spoilt_value = own.copy(), value.copy()
    spoilt[reached == 0], spoilt_value[reached == 0] = np.inf, np.nan

    usual, other = recorded(own, value, reached), recorded(spoilt, spoilt_value, reached)

    assert number(penalty.value(other)) == number(penalty.value(usual))
    nothing = recorded(spoilt[3:], spoilt_value[3:], reached[3:])
    assert number(penalty.value(nothing)) == pytest.approx(0.0, abs=1e-6)


SIZES = st.sampled_from([0.0, 1e-35, 1e-20, 1e-3, 1.0, 1e6])


@given(own=SIZES, learned=SIZES, flat=st.booleans(), mode=st.sampled_from(["scale", "add", "replace"]))
@example(own=0.0, learned=1.0, flat=False, mode="add")
@example(own=1e-20, learned=1e6, flat=False, mode="scale")
@settings(max_examples=6)
@pytest.mark.parametrize("penalty", [*OF_PORTS, MechanismAlone()], ids=IDS[:7])
def test_gradients_are_finite_for_any_sizes(penalty, own, learned, flat, mode):
    shape = np.ones((2, 3, 1)) if flat else np.array([[[0.0], [1.0], [2.0]], [[3.0], [0.5], [0.0]]])
    mode = "scale" if getattr(penalty, "size", "") == "log" else mode

    def cost(own, value):
        return _changed(own, value, mode, penalty)

    at = [keras.ops.convert_to_tensor(x, "float32") for x in (shape * own, shape * own + shape[::-1] * learned)]
    assert np.isfinite(number(cost(*at)))
    assert all(np.isfinite(gradient).all() for gradient in slope(cost, *at))


def _changed(own, value, mode, penalty):
    trace = Trace(("R0",), (mode,), own, value, keras.ops.ones(own.shape[:2]))
    return penalty.value(Recorded(trace, value, own))


def test_the_lasso_has_a_finite_gradient_where_a_row_is_zero():
    one = recorded(np.ones((1, 2)), np.ones((1, 2)))
    kernel = keras.ops.convert_to_tensor([[0.0, 0.0], [3.0, 4.0]], "float32")

    (gradient,) = slope(
        lambda kernel: InputLasso().value(Recorded(one.trace, one.prediction, kernels={"R0": kernel})), kernel
    )

    np.testing.assert_allclose(gradient, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-5)


def test_the_relative_action_does_not_fall_by_a_growing_mechanism():
    own, value = (keras.ops.convert_to_tensor(x, "float32") for x in (np.ones((1, 4, 1)), np.full((1, 4, 1), 3.0)))

    def added(own, learned):
        return _changed(own, own + learned, "add", LeastAction())

    def scaled(own, factor):
        return _changed(own, own * factor, "scale", LeastAction())

    np.testing.assert_allclose(slope(added, own, value - own)[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(slope(scaled, own, value)[0], 0.0, atol=1e-6)


@pytest.mark.parametrize("penalty", ALL, ids=IDS)
def test_float64_stays_float64(penalty):
    if keras.ops.convert_to_tensor(0.0, "float64").dtype != np.float64:
        pytest.skip("JAX has no float64 unless JAX_ENABLE_X64 is set")
    own, other = np.abs(waves())

    wide = penalty.value(recorded(own, own + other, dtype="float64"))

    assert keras.backend.standardize_dtype(wide.dtype) == "float64"
    assert number(wide) == pytest.approx(number(penalty.value(recorded(own, own + other))), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("weight", [0.5, *CHANGING], ids=["fixed", "scheduled", "dual"])
@pytest.mark.parametrize("penalty", ALL, ids=IDS)
def test_a_penalty_comes_back_from_plain_values(penalty, weight):
    weighted = replace(penalty, weight=weight)

    assert penalty_from_dict(json.loads(json.dumps(to_dict(weighted)))) == weighted


# -- weights ---------------------------------------------------------------------------------------


def test_the_total_is_the_weighted_sum_and_zero_weight_adds_nothing():
    own, other = np.abs(waves())
    one = recorded(own, own + other)
    both = Weights([LeastAction(weight=2.0), Identity(weight=0.5), LeastAction("absolute", weight=0.0)])

    total, values = both.total(one)

    assert list(values) == ["least_action", "identity", "least_action_2"] == list(both.names)
    assert number(total) == pytest.approx(2 * number(values["least_action"]) + number(values["identity"]) / 2, rel=1e-5)
    assert number(values["least_action_2"]) > 0
    assert both.variables == []
    assert number(Weights([]).total(one)[0]) == 0


def test_a_watched_penalty_adds_nothing_even_where_it_has_no_value():
    one = recorded(np.ones((1, 2)), np.full((1, 2), np.nan))

    assert number(Weights([LeastAction(weight=0)]).total(one)[0]) == 0


def test_only_the_penalty_of_the_mechanism_alone_asks_for_a_second_simulation():
    assert not Weights([penalty for penalty in ALL if not isinstance(penalty, MechanismAlone)]).needs_reduced
    assert Weights(ALL).needs_reduced


@pytest.mark.parametrize(("shape", "halfway"), [("linear", 0.505), ("exponential", 0.1)])
def test_a_schedule_goes_from_start_to_end_and_stays(shape, halfway):
    weights = Weights([LeastAction(weight=Scheduled(1.0, 0.01, epochs=4, shape=shape))])
    followed = [weights.current["least_action"]]
    for epoch in range(6):
        weights.on_epoch_end(epoch, {})
        followed.append(weights.current["least_action"])

    assert followed[0] == 1.0
    assert followed[2] == pytest.approx(halfway)
    np.testing.assert_allclose(followed[4:], 0.01, rtol=1e-6)
    assert (np.diff(followed) <= 0).all()


@pytest.mark.parametrize(("target", "rate"), [(0.25, 3.0), (0.01, 300.0)])
def test_dual_ascent_brings_a_penalty_to_its_target(target, rate):
    weights = Weights([LeastAction(weight=DualAscent(target, rate))])
    for epoch in range(400):  # the best x of (x - 1)^2 + weight x^2
        x = 1 / (1 + weights.current["least_action"])
        weights.on_epoch_end(epoch, {"least_action": x**2})

    assert x**2 == pytest.approx(target, rel=0.02)
    assert weights.current["least_action"] == pytest.approx(target**-0.5 - 1, rel=0.02)


def test_a_penalty_below_its_target_ends_without_a_weight():
    weights = Weights([LeastAction(weight=DualAscent(2.0, rate=1.0, start=5.0))])
    for epoch in range(10):
        weights.on_epoch_end(epoch, {"least_action": 0.5})

    assert weights.current["least_action"] == 0


def test_dual_ascent_stops_at_its_largest_and_ignores_an_epoch_without_a_value():
    rising = DualAscent(0.0, rate=10.0, largest=3.0)

    assert rising.after(2.0, 1.0) == 3.0
    assert rising.after(2.0, math.nan) == 2.0
    assert DualAscent(1.0, rate=10.0, start=1.0, largest=3.0, of="data").after(1.0, 0.0) == 3.0
    assert DualAscent(-2.0, rate=1.0, start=1.0, of="data").after(1.0, -1.0) == 0.5


@given(losses=st.lists(st.floats(0.0, 10.0), max_size=20), rate=st.floats(0.01, 100.0))
def test_dual_ascent_of_the_data_is_the_schedule_of_aphynity(losses, rate):
    dual, weight, importance = DualAscent(0.0, rate, start=0.5, of="data"), 0.5, 2.0
    for loss in losses:
        weight, importance = dual.after(weight, loss), importance + rate * loss

    assert weight == pytest.approx(1 / importance)


def test_dual_ascent_says_what_it_misses_in_the_logs():
    weights = Weights([LeastAction(weight=DualAscent(0.0, 1.0, start=1.0, of="data"))])

    with pytest.raises(ValueError, match="follows 'data_loss', and the epoch's logs have loss"):
        weights.on_epoch_end(0, {"loss": 1.0})


@keras.saving.register_keras_serializable(package="test_penalties")
class Toy(keras.Model):
    """One learned number added to a mechanism that says 1, where the data say 2."""

    def __init__(self, weights=(), **kwargs):
        super().__init__(**kwargs)
        self.penalty_weights = weights if isinstance(weights, Weights) else Weights(weights)
        self.extra = self.add_weight(shape=(), initializer="zeros", name="extra")
        self.means = {name: keras.metrics.Mean(name=name) for name in self.penalty_weights.names}

    def call(self, x):
        return x + self.extra

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        trace = Trace(("y1",), ("add",), x, y_pred, keras.ops.ones_like(x[:, :, 0]))
        total, values = self.penalty_weights.total(Recorded(trace, y_pred))
        for name, value in values.items():
            self.means[name].update_state(value)
        return keras.ops.mean(keras.ops.square(y - y_pred)) + total


class Following(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.penalty_weights.on_epoch_end(epoch, logs)


@pytest.fixture(scope="module")
def fitted():
    """The toy after a fit in which the penalty should come to 0.25, and its history."""
    toy = Toy([LeastAction("absolute", weight=DualAscent(0.25, rate=2.0))])
    toy.compile(keras.optimizers.SGD(0.1))
    x = np.ones((16, 3, 1), "float32")
    history = toy.fit(x, 2 * x, batch_size=4, epochs=40, verbose=0, callbacks=[Following()])
    return toy, history.history


def test_weights_change_within_a_fit_until_the_target_is_met(fitted):
    toy, history = fitted

    assert history["least_action"][2] > 0.5
    assert history["least_action"][-1] == pytest.approx(0.25, rel=0.05)
    assert toy.penalty_weights.current["least_action"] == pytest.approx(1.0, rel=0.1)
    assert number(toy.extra) == pytest.approx(0.5, rel=0.05)
    assert len(toy.penalty_weights.variables) == len(toy.penalty_weights.non_trainable_variables) == 1


def test_weights_and_penalties_are_saved_with_a_model(fitted, tmp_path):
    toy, _ = fitted
    weights = toy.penalty_weights
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.penalty_weights = weights
    model.save_weights(tmp_path / "kept.weights.h5")

    again = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    again.penalty_weights = Weights.from_config(json.loads(json.dumps(weights.get_config())))
    assert again.penalty_weights.penalties == weights.penalties
    assert again.penalty_weights.current["least_action"] == 0
    again.load_weights(tmp_path / "kept.weights.h5")

    assert again.penalty_weights.current == weights.current


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeastAction("sideways"), "size must be one of 'relative', 'absolute', 'log', got 'sideways'"),
        (lambda: LeastAction(weight=-1.0), "weight must be zero or more, .* got -1.0"),
        (lambda: LeastAction(floor=0), "floor must be a positive number, got 0"),
        (lambda: Identity(ports="y1"), r"ports takes names, such as ports=\('R3',\), .* got 'y1'"),
        (lambda: Identity(ports=3), "ports takes names, .* got 3"),
        (lambda: Identity(ports=[]), r"ports takes names, .* got \[\]"),
        (lambda: ParameterPrior({}), "laws takes parameter -> law"),
        (lambda: ParameterPrior({"k1": priors.Gamma(1, 1)}), "law of 'k1' must be one of LogNormal, .* got Gamma"),
        (lambda: ParameterPrior({"k1": priors.Normal(1, 0)}), "allows one value only, .* fix the parameter instead"),
        (lambda: Scheduled(1.0, 0.0, 10, "exponential"), "needs two positive ends, got start=1.0, end=0.0"),
        (lambda: Scheduled(1.0, 0.1, 0), "epochs must be a whole number, 1 or more, got 0"),
        (lambda: DualAscent(-1.0, 1.0), "target must be a number, zero or more, got -1.0"),
        (lambda: DualAscent(0.1, 0.0), "rate must be a positive number, got 0.0"),
        (lambda: DualAscent(0.1, 1.0, start=2.0, largest=1.0), "start must not be above largest"),
        (lambda: DualAscent(0.1, 1.0, of="data"), "start must be positive, got 0"),
        (lambda: penalty_from_dict({"kind": "LeastAktion"}), "No penalty 'LeastAktion' .* Did you mean 'LeastAction'"),
        (lambda: penalty_from_dict({"kind": "Identity", "flor": 1}), "No setting 'flor' .* Did you mean 'floor'"),
        (lambda: penalty_from_dict({"kind": "ParameterPrior"}), "cannot be made: .* It takes .*laws"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(make, message):
    with pytest.raises((ValueError, KeyError), match=message):
        make()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (LeastAction(ports=("R7",)), "No port 'R7' in the trace. Known: R0"),
        (LeastAction("log"), r"LeastAction needs a graft of mode 'scale'; there is R0 \(add\)"),
        (LeastAction("log", ports=("R0",)), "the one on 'R0' has mode 'add'"),
        (ParameterPrior({"k9": LAWS["k1"]}), "No parameter 'k9' in what the hybrid is given"),
        (InputLasso(ports=("R9",)), "No network 'R9' in the grafts"),
    ],
)
def test_what_is_not_recorded_is_named(penalty, message):
    with pytest.raises((ValueError, KeyError), match=message):
        penalty.value(recorded(np.ones((1, 2)), np.ones((1, 2)), mode="add"))


def test_the_mechanism_alone_asks_for_what_it_needs():
    one = recorded(np.ones((1, 2)), np.ones((1, 2)))

    with pytest.raises(ValueError, match="needs the prediction without networks"):
        MechanismAlone().value(Recorded(one.trace, one.prediction))


def test_where_the_mechanism_alone_did_not_arrive_it_is_not_compared():
    own = np.ones((1, 3, 1))
    one = recorded(own, own, reduced=own * [[[1.0], [1.0], [7.0]]])
    short = Recorded(one.trace, one.prediction, one.reduced, reduced_reached=np.array([[1.0, 1.0, 0.0]]))

    assert number(MechanismAlone().value(one)) == pytest.approx(12.0)
    assert number(MechanismAlone().value(short)) == 0
