"""A mechanism as a layer: it is the mechanism, with gradients, and what networks do keeps what is conserved."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError, UnknownName
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid.grafts import Graft
from sbml_hybrid.hybrid.simulate import Simulate

pytestmark = pytest.mark.slow  # compiling layers takes minutes

ROOT = Path(__file__).resolve().parents[2]
# Two states that exchange, one that a boundary species feeds; the start of B follows the parameter k.
EXCHANGE = (
    "compartment C = 2; species A in C, B in C, D in C, $F in C; v: A -> B; k*A; w: B -> A; q*B; u: $F -> D; r*F;"
    "z: D -> ; 0.5*D; A = 4; B = 2*k; D = 0; F = 1; k = 0.5; q = 0.2; r = 0.3"
)
END, TOLERANCE = 4.0, 1e-6
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])


def network(units=3, seed=0):
    keras.utils.set_random_seed(seed)
    return keras.layers.Dense(units, activation="tanh", dtype="float64")


def exchange(tolerance=TOLERANCE, **settings):
    settings = {"end": END, "parameters": ["k", "q"], "initial": ["A"], "controls": ["F"], "doses": ["B"]} | settings
    grafts = settings.pop("grafts", [Graft(["v", "w"], network(), inputs=["A", "B", "theta:k", "age"])])
    return Simulate(sh.load(EXCHANGE), grafts, tolerance=tolerance, **settings)


def inputs(count=3, seed=0):
    """Something for everything that the layer is given: random, and different for each trajectory."""
    rng = np.random.default_rng(seed)
    doses = np.zeros((count, len(TIMES), 1))
    doses[:, 2, 0] = rng.uniform(0.5, 2, count)
    return {
        "times": np.tile(TIMES, (count, 1)),
        "parameters": rng.uniform(0.3, 0.8, (count, 2)),
        "initial": rng.uniform(2, 9, (count, 1)),
        "controls": rng.uniform(0, 3, (count, len(TIMES), 1)),
        "doses": doses,
        "age": rng.uniform(-1, 1, count),
    }


def learned(layer, seed=0, size=0.5):
    """Give the last layer of every graft random weights."""
    rng = np.random.default_rng(seed)
    for head in layer.heads:
        for variable in head.last.variables:
            variable.assign(rng.normal(0, size, variable.shape))


def untrained(layer):
    learned(layer, size=0.0)


@pytest.fixture(scope="module")
def hybrid(compiled):
    return compiled(exchange())


# -- the mechanism -----------------------------------------------------------------------------------


def test_an_untrained_hybrid_is_what_libroadrunner_says_under_the_same_doses_and_controls(hybrid):
    untrained(hybrid.layer)
    given = inputs()

    values, reached, _, _ = hybrid(**given)

    assert reached.all()
    model = sh.load(EXCHANGE)
    for i in range(3):
        k, q = given["parameters"][i]
        fed = sh.Steps("F", TIMES[:-1].tolist(), given["controls"][i, :-1, 0].tolist())
        dose = sh.Dose("B", float(given["doses"][i, 2, 0]), time=1.0)
        condition = sh.Condition("one", {"init(A)": float(given["initial"][i, 0])}, inputs=(fed, dose))
        draw = pd.DataFrame({"k": [k], "q": [q]})
        truth = sh.simulate(model, draw, times=TIMES, conditions=[condition], quantities=hybrid.layer.observables)
        truth = truth["truth"].values[0]
        np.testing.assert_allclose(values[i], truth, atol=3 * TOLERANCE * np.ptp(truth, axis=0).max())


def test_initial_assignments_follow_the_parameters(hybrid):
    given = inputs()

    values = hybrid(**given)[0]

    np.testing.assert_allclose(values[:, 0, hybrid.layer.observables.index("B")], 2 * given["parameters"][:, 0])
    np.testing.assert_allclose(values[:, 0, hybrid.layer.observables.index("A")], given["initial"][:, 0] / 2)


def test_each_trajectory_has_its_own_times_and_what_is_padded_is_masked(hybrid):
    given = inputs()
    untrained(hybrid.layer)
    whole = hybrid(**given)[0]
    short = {**given, "times": given["times"].copy()}
    short["times"][1] = [0.0, 0.5, 1.0, np.nan, np.nan]
    short["times"][2] = [0.0, 0.5, 1.0, 1.5, 2.0]

    values, reached, _, _ = hybrid(**short)

    assert reached.tolist() == [[1] * 5, [1, 1, 1, 0, 0], [1] * 5]
    np.testing.assert_allclose(values[0], whole[0], rtol=1e-9)
    np.testing.assert_allclose(values[1, :3], whole[1, :3], rtol=1e-5)
    np.testing.assert_array_equal(values[1, 3:], values[1, [2, 2]])
    assert np.isfinite(values).all()


def test_a_trajectory_without_any_time_spoils_none(hybrid):
    given = inputs()
    whole = hybrid(**given)[0]
    given["times"][1] = np.nan

    values, reached, _, _ = hybrid(**given)

    assert reached[1].sum() == 0 and np.isfinite(values).all()
    np.testing.assert_allclose(values[[0, 2]], whole[[0, 2]], rtol=1e-9)


# -- with networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_moieties_hold_with_any_weights(hybrid, seed):
    learned(hybrid.layer, seed, size=2.0)
    given = inputs(seed=seed) | {"doses": np.zeros((3, len(TIMES), 1))}

    values = hybrid(**given)[0]

    total = values[:, :, [hybrid.layer.observables.index(s) for s in "AB"]].sum(axis=2)
    assert (np.ptp(total, axis=1) <= 1e-10 * total[:, 0]).all()
    assert np.ptp(values[:, -1]) > 0


def test_the_trace_has_what_the_mechanism_says_times_the_exponential_of_the_numbers(hybrid):
    learned(hybrid.layer)
    given = inputs()

    values, _, own, used = hybrid(**given)

    a, b = (values[:, :, hybrid.layer.observables.index(s)] for s in "AB")
    k, q = given["parameters"].T[:, :, None]
    np.testing.assert_allclose(own, np.stack([k * a, q * b], axis=2), rtol=1e-12)
    head = hybrid.layer.heads[0]
    columns = [a, b, k + 0 * a, given["age"][:, None] + 0 * a]
    rows = keras.ops.convert_to_tensor(np.stack([c.ravel() for c in columns]))
    from sbml_hybrid.mechanism.arrays import Arrays

    numbers = np.array(head.numbers(rows, None, Arrays(keras.ops))).reshape(2, *a.shape)
    np.testing.assert_allclose(used, own * np.exp(np.moveaxis(numbers, 0, 2)), rtol=1e-10)


def test_gradients_are_differences_of_the_layer_itself(hybrid):
    learned(hybrid.layer)
    given = inputs()
    weights = np.random.default_rng(1).normal(size=hybrid(**given)[0].shape)
    by_inputs, by_variables = hybrid.gradient(weights, **given)

    def difference(change):
        above, below = (np.sum(hybrid(**change(sign))[0] * weights) for sign in (1e-3, -1e-3))
        return (above - below) / 2e-3

    rng = np.random.default_rng(2)
    for name in ("parameters", "initial", "controls", "doses", "age"):
        along = rng.normal(size=given[name].shape)
        if name == "controls":
            along[:, -1] = 0.0  # what holds after the last time changes nothing
            assert (by_inputs[name][:, -1] == 0).all()
        found = np.sum(by_inputs[name] * along)
        expected = difference(lambda h, name=name, along=along: {**given, name: given[name] + h * along})
        assert abs(found - expected) <= 1e-4 * np.linalg.norm(by_inputs[name]) * np.linalg.norm(along), name
    for variable, by in zip(hybrid.layer.trainable_variables, by_variables, strict=True):
        before, along = np.array(variable), rng.normal(size=variable.shape)

        def moved(h, variable=variable, before=before, along=along):
            variable.assign(before + h * along)
            return given

        expected = difference(moved)
        variable.assign(before)
        allowed = 1e-4 * np.linalg.norm(by) * np.linalg.norm(along)
        assert abs(np.sum(by * along) - expected) <= allowed, variable.path


def test_without_grafts_it_is_the_mechanism_and_the_others_share_their_weights():
    layer = exchange(grafts=[Graft("v", network(), ["A"])])
    layer.build()

    bare, same = layer.without(), layer.without("v")

    assert bare.heads == same.heads == [] and bare.places == ()
    assert bare.accuracy == layer.accuracy
    two = exchange(grafts=[Graft("v", network(), ["A"]), Graft("w", network(), ["B"])])
    assert two.without("v").heads == [two.heads[1]]
    with pytest.raises(UnknownName, match="No graft on 'v2' in the layer"):
        two.without("v2")


def test_trajectories_that_run_out_of_steps_are_masked(compiled):
    layer = compiled(exchange(grafts=[], steps=4, doses=[], controls=[], parameters=["k"], initial=[]))

    values, reached, _, _ = layer(times=TIMES[None], parameters=[[0.5]])

    assert reached[0, 0] == 1 and reached[0, -1] == 0
    assert (np.diff(reached[0]) <= 0).all()
    assert np.isfinite(values).all()


def test_the_repressilator_is_within_the_tolerance_and_says_so(compiled):
    model = sh.load(ROOT / "models" / "repressilator.ant")
    names = list(sh.around(model, 1.5))[:3]
    layer = Simulate(model, end=200, parameters=names, tolerance=1e-3, prior=sh.around(model, 1.5, of=names))
    draws = sh.sample(sh.around(model, 1.5, of=names), 6, seed=3)
    times = np.linspace(0, 200, 21)

    values, reached, _, _ = compiled(layer)(times=np.tile(times, (6, 1)), parameters=draws[names].to_numpy())

    truth = sh.simulate(model, draws, times=times, quantities=layer.observables)["truth"].values
    assert reached.all() and layer.accuracy.error <= 1e-3
    ranges = np.ptp(truth, axis=1).max(axis=0)
    assert (np.abs(values - truth) / ranges).max() <= 2e-3  # other draws than those it was measured with
    assert "largest error" in str(layer.accuracy)


def test_beyond_its_end_a_layer_that_knows_events_up_to_there_says_nothing(compiled):
    layer = compiled(Simulate(sh.load("v: A -> ; k*A; A = 1; k = 0.3; at (time >= 5): A = A + 2"), end=4))

    values, reached, _, _ = layer(times=[[0.0, 2.0, 4.0, 5.0, 6.0]])

    assert reached[0].tolist() == [1, 1, 1, 0, 0]
    np.testing.assert_allclose(values[0, :3, 0], np.exp(-0.3 * np.array([0.0, 2.0, 4.0])), rtol=1e-3)


def test_a_parameter_that_follows_a_control_is_set_while_the_layer_simulates(compiled):
    settings = {"grafts": [Graft("k", network(), ["F"])], "parameters": ["q"], "initial": [], "doses": []}
    assert exchange(**settings).places[0].phase == "in the right-hand side"
    made = {"grafts": [Graft("q", network(), ["theta:k"]), Graft("r", network(), ["q"])]}
    run = compiled(exchange(**{**settings, **made, "parameters": ["k"], "controls": []}))
    assert run(times=TIMES[None], parameters=[[0.5]])[1].all()


def test_one_name_is_as_good_as_a_list_of_one():
    layer = exchange(grafts=[], parameters="k", initial="A", controls="F", doses=iter(["B"]), observables="D")

    assert (layer.parameters, layer.initial, layer.observables) == (("k",), ("A",), ("D",))
    assert (layer.plan.controls, layer.plan.doses) == (("F",), ("B",))


# -- what is refused ---------------------------------------------------------------------------------

BAD = {
    "a port that is not there": ({"grafts": [Graft("vv", len, ["A"])]}, UnknownName, r"No port 'vv'.*Did you mean 'v'"),
    "two grafts on a port": (
        {"grafts": [Graft("v", len, ["A"]), Graft(["w", "v"], len, ["B"])]},
        ModelError,
        "Two grafts act on v.*one network with the inputs of both",
    ),
    "an input that is not known yet": (
        {"grafts": [Graft("init(A)", len, ["B"])]},
        ModelError,
        r"init\(A\) is set before the simulation, when B .* is not known. Try: inputs that stand still",
    ),
    "an input that is the same for all": (
        {"grafts": [Graft("k", len, ["r"])]},
        ModelError,
        r"k is set before the simulation from r .*not given for each trajectory. Try: parameters=\[..., 'r'\]",
    ),
    "ports of different times": (
        {"grafts": [Graft(["v", "init(A)"], len, ["age"])]},
        ModelError,
        "One graft acts at one time, but v in the right-hand side, .* before the simulation. Try: a graft for each",
    ),
    "a parameter that is not given": (
        {"grafts": [Graft("v", len, ["theta:r"])]},
        UnknownName,
        r"No given parameter 'r'.*Known: k, q",
    ),
    "an unknown parameter": ({"parameters": ["kk"], "grafts": []}, UnknownName, "No parameter 'kk'.*Did you mean 'k'"),
    "an unknown control": ({"controls": ["A"]}, UnknownName, "No parameter or boundary species to control 'A'"),
    "an unknown dose": ({"doses": ["G"]}, UnknownName, "No species that changes 'G'"),
    "a control that is given": ({"controls": ["k"]}, ModelError, "k is both a parameter and a control"),
    "an unknown observable": ({"observables": ["AA"]}, UnknownName, "'AA'.*Did you mean 'A'"),
    "a negative end": ({"end": -1.0}, ValueError, r"end must be a time above 0, got -1\.0"),
    "an end that is no number": ({"end": float("nan")}, ValueError, "end must be a time above 0, got nan"),
    "a tolerance of 1": ({"tolerance": 1.0}, ValueError, r"tolerance must be between 0 and 1.* got 1\.0"),
    "an unknown precision": (
        {"precision": "float16"},
        ValueError,
        "precision must be float64 or float32, got 'float16'",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_refused_with_what_to_try(what):
    settings, kind, message = BAD[what]

    with pytest.raises(kind, match=message):
        exchange(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "times"}, "mode must be one of scale, replace, add, got 'times'"),
        ({"inputs": []}, "one input or more"),
        ({"network": 3}, "The network of a graft on v must be a Keras layer, got 3"),
        ({"fold": 0.5}, "fold bounds a scale and must be above 1, got 0.5"),
        ({"mode": "add", "substrate_gate": True}, "substrate_gate is for mode 'replace', got mode 'add'"),
        ({"share": [["v", "w"]]}, "No port to share 'w'"),
    ],
)
def test_a_graft_that_cannot_be_is_refused(settings, message):
    with pytest.raises((ValueError, KeyError), match=message):
        Graft(**{"port": "v", "network": network(), "inputs": ["A"]} | settings)


def test_a_network_that_gives_more_than_features_is_refused_by_name():
    shaped = keras.Sequential([keras.layers.Dense(4), keras.layers.Reshape((2, 2))])
    layer = exchange(grafts=[Graft("v", shaped, ["A"])])

    with pytest.raises(ModelError, match=r"The network of the graft on v must give \(trajectory, feature\), but gives"):
        layer.build()


def test_a_gate_on_what_is_no_reaction_is_refused():
    with pytest.raises(ModelError, match="k of text is no reaction, so it has no substrates"):
        exchange(parameters=["q"], grafts=[Graft("k", network(), ["A"], mode="replace", substrate_gate=True)])


def test_an_event_of_the_state_is_refused_by_name():
    with pytest.raises(ModelError, match="Event 'bang' of text depends on A, which changes in time"):
        Simulate(sh.load("v: A -> ; k*A; A = 4; k = 1; bang: at (A < 2): A = 4"), end=3)


def in_a_process(backend, code, **also):
    variables = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), **also}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=600)


def test_jax_in_float32_is_refused_where_float64_is_asked_for():
    pytest.importorskip("jax")
    code = (
        "import sbml_hybrid as sh; from sbml_hybrid.hybrid.simulate import Simulate\n"
        "Simulate(sh.load('A -> ; k*A; A = 1; k = 1'), end=1)"
    )

    done = in_a_process("jax", code, JAX_ENABLE_X64="0")

    assert "JAX computes in float32 unless it is told otherwise. Try: jax.config.update" in done.stderr


# -- what takes longer -------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.1, 2.0, 10.0])
def test_laws_that_a_network_scales_are_laws_with_scaled_constants(compiled, factor):
    model = sh.load(ROOT / "models" / "huang_ferrell_1996.ant")
    reactions = list(model.laws)
    layer = Simulate(model, [Graft(reactions, network(), ["KK_pp"])], end=60, tolerance=1e-4)
    times = np.linspace(0, 60, 13)
    run = compiled(layer)
    layer.heads[0].last.bias.assign(np.full(len(reactions), np.log(factor)))

    values, reached, _, _ = run(times=times[None])

    # With every rate constant times the factor, time runs faster by it.
    truth = sh.simulate(model, None, times=times * factor, quantities=layer.observables)["truth"].values
    assert reached.all()
    assert (np.abs(values - truth) / np.ptp(truth, axis=(0, 1))).max() < 2e-3


def test_a_latent_state_is_moved_by_one_network_and_read_by_another(compiled):
    model = sh.load(EXCHANGE).with_states("z", 1)
    layer = Simulate(
        model,
        [Graft("z0'", network(), ["A", "z0"]), Graft("v", network(), ["z0"], fold=3)],
        end=END, parameters=["k"], tolerance=1e-4, observables=["A", "B", "z0"],
    )  # fmt: skip
    run = compiled(layer, jit=True)
    given = {"times": inputs()["times"], "parameters": inputs()["parameters"][:, :1]}
    untrained(layer)
    still = run(**given)[0]
    learned(layer)

    values = run(**given)[0]

    np.testing.assert_array_equal(still[:, :, 2], 0.0)
    assert (np.abs(values[:, 1:, 2]) > 1e-3).all() and np.abs(values - still)[:, -1, 0].min() > 1e-3
    np.testing.assert_allclose(values[:, :, :2].sum(axis=2), still[:, :, :2].sum(axis=2), rtol=1e-9)
    _, by = run.gradient(np.ones((3, 5, 3)), **given)
    assert all(np.abs(gradient).max() > 0 for gradient in by)


VOLTERRA = (
    "birth: -> prey; a*prey; eat: prey -> predator; b*prey*predator; death: predator -> ; c*predator;"
    "prey = 2; predator = 1; a = 1; b = 0.7; c = 0.8"
)


def volterra(network, **settings):
    """Lotka and Volterra's model in logarithms, with a field of H in its place."""
    logs = ["log_prey", "log_predator"]
    graft = Graft([f"{name}'" for name in logs], network, logs, mode="replace", bare=True)
    settings = {"end": 12, "initial": logs, "observables": ["prey", "predator"], "tolerance": 1e-6} | settings
    return Simulate(sh.load(VOLTERRA).log_states(), [graft], **settings)


def test_the_energy_of_lotka_and_volterra_written_by_hand_is_their_model(compiled):
    # With u = ln prey, v = ln predator: H = a v - b e^v + c u - b e^u, u' = dH/dv = a - b e^v, v' = -dH/du = b e^u - c;
    # a v is the limit of (a/s) e^(s v).
    s, a, b, c = 1e-5, 1.0, 0.7, 0.8
    layer = volterra(sh.HamiltonianField(4, "exponential", seed=0, dtype="float64"))
    run = compiled(layer)
    inner, outer = layer.heads[0].network.inner, layer.heads[0].network.outer
    inner.kernel.assign(np.array([[[0, 0, s, 1.0], [s, 1.0, 0, 0]]]))
    outer.kernel.assign(np.array([[[a / s], [-b], [c / s], [-b]]]))
    times = np.linspace(0, 12, 25)

    values, reached, _, _ = run(times=times[None], initial=np.log([[2.0, 1.0]]))

    truth = sh.simulate(sh.load(VOLTERRA), None, times=times, quantities=layer.observables)["truth"].values
    assert reached.all()
    np.testing.assert_allclose(values, truth, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_hamiltonian_field_keeps_its_energy_whatever_its_weights(compiled, seed):
    layer = volterra(sh.HamiltonianField(6, "tanh", seed=seed, dtype="float64"))
    run = compiled(layer)
    network, rng = layer.heads[0].network, np.random.default_rng(seed)
    network.outer.kernel.assign(rng.normal(size=(1, 6, 1)))
    start = rng.normal(size=(4, 2))

    values, reached, _, _ = run(times=np.tile(np.linspace(0, 12, 25), (4, 1)), initial=start)

    w, b, a = (keras.ops.convert_to_numpy(v)[0] for v in (network.kernel, network.inner.bias, network.outer.kernel))
    energy = (np.log(np.cosh(np.log(values) @ w + b)) @ a)[..., 0]
    assert reached.all() and np.ptp(np.log(values), axis=1).max() > 0.5
    np.testing.assert_allclose(energy, energy[:, :1] + np.zeros(25), atol=1e-4 * np.abs(energy).max())


def test_a_bare_graft_comes_back_from_its_configuration_and_has_starts():
    layer = volterra(sh.HamiltonianField(4, seed=0))

    again = Simulate.from_config(layer.get_config())
    hybrid = sh.HybridModel(again, starts=3)

    assert again.grafts[0].bare and again.heads[0].last is None
    answer = hybrid.predict({"times": np.array([[0.0, 1.0]]), "initial": np.log([[2.0, 1.0]])})
    np.testing.assert_allclose(answer, np.tile([2.0, 1.0], (1, 3, 2, 1)))  # no energy, no motion


def test_a_bare_network_must_give_a_number_for_each_port():
    with pytest.raises(
        ModelError, match=r"on log_prey'\+log_predator' must give 2 numbers, one for each port, but gives 3"
    ):
        volterra(network(units=3)).build()


def test_a_trajectory_that_runs_away_spoils_no_gradient(compiled):
    layer = Simulate(
        sh.load("x' = s*x*x; z := exp(x); x = 1; s = 0.1"), end=4, parameters=["s"], observables=["z"], steps=60,
        prior={"s": sh.priors.Uniform(0.01, 0.1)},
    )  # fmt: skip
    run = compiled(layer, jit=True)
    times, s = np.tile([0.0, 1.0, 2.0, 4.0], (3, 1)), np.array([[0.1], [0.7], [0.05]])  # x = 1/(1 - s t)

    values, reached, _, _ = run(times=times, parameters=s)
    by_inputs, _ = run.gradient(reached[:, :, None] * np.isfinite(values), times=times, parameters=s)

    assert reached[1].tolist() == [1, 1, 0, 0] and reached[[0, 2]].all()
    x = 1 / (1 - s * times[0])
    exact = np.where(reached, np.exp(x) * times * x**2, 0.0).sum(axis=1)
    np.testing.assert_allclose(by_inputs["parameters"][[0, 2], 0], exact[[0, 2]], rtol=2e-3)
    assert np.isfinite(by_inputs["parameters"]).all()


@pytest.mark.parametrize("method", ["ROS34PW2", "Dormand-Prince"])
def test_gradients_are_right_where_nothing_is_yet_and_where_all_but_nothing_is_left(compiled, method):
    model = sh.load("u: F -> ; k*F; v: S -> ; 0.1*S; w: B -> ; q*B; F = 1; S = 1; B = 0; k = 2; q = 0.3")
    settings = {"end": 100.0, "parameters": ["k"], "initial": ["B"], "tolerance": 1e-5}
    accuracy = replace(Simulate(model, **settings).accuracy, method=method, local=1e-5, steps=1000)
    run = compiled(Simulate(model, **settings, accuracy=accuracy), jit=True)
    times, k = np.array([0.0, 2.0, 25.0, 50.0]), np.linspace(0.5, 3, 200)
    given = {"times": np.tile(times, (200, 1)), "parameters": k[:, None], "initial": np.zeros((200, 1))}

    for at in (1, 2, 3):
        weights = np.zeros((200, len(times), 3))
        weights[:, at, run.layer.observables.index("F")] = 1.0
        weights[:, at, run.layer.observables.index("B")] = 1.0
        by, _ = run.gradient(weights, **given)
        np.testing.assert_allclose(by["parameters"][:, 0], -times[at] * np.exp(-k * times[at]), atol=1e-4)
        np.testing.assert_allclose(by["initial"][:, 0], np.exp(-0.3 * times[at]), atol=1e-4)


def test_what_starts_at_a_number_starts_at_all_its_digits(compiled):
    model = sh.load("u: A -> ; k*A; A = 0.6; B = 3*c + A; c = 0.1; w: B -> ; 0*B; k = 0.1")
    run = compiled(Simulate(model, end=1.0, parameters=["k"], tolerance=1e-2), jit=True)

    values = run(times=np.zeros((2, 1)), parameters=np.ones((2, 1)))[0]

    np.testing.assert_allclose(values[:, 0], [[0.6, 3 * 0.1 + 0.6]] * 2, rtol=1e-15)


def test_in_float32_a_layer_is_as_accurate_as_it_says(compiled):
    layers = [exchange(1e-4, precision=p) for p in ("float32", "float64")]
    given = inputs()
    for layer in layers:
        layer.build()
        learned(layer)
    weights = np.random.default_rng(1).normal(size=(3, 5, 3))

    short, long = (compiled(layer, jit=True) for layer in layers)

    values, exact = short(**given)[0], long(**given)[0]
    assert layers[0].accuracy.error <= 1e-4 and values.dtype == "float32"
    np.testing.assert_allclose(values, exact, atol=5e-4 * np.ptp(exact, axis=(0, 1)).max())
    for name, by in long.gradient(weights, **given)[0].items():
        np.testing.assert_allclose(short.gradient(weights, **given)[0][name], by, atol=2e-3 * np.abs(by).max())


def test_gradients_are_the_same_with_xla(compiled):
    layer = exchange()
    run, given = compiled(layer, jit=True), inputs()
    learned(layer)
    weights = np.random.default_rng(1).normal(size=(3, 5, 3))

    by_inputs, by_variables = run.gradient(weights, **given)

    expected, of_variables = compiled(layer).gradient(weights, **given)
    for name, by in expected.items():
        np.testing.assert_allclose(by_inputs[name], by, rtol=1e-8, atol=1e-10)
    for ours, by in zip(by_variables, of_variables, strict=True):
        np.testing.assert_allclose(ours, by, rtol=1e-8, atol=1e-10)


def test_tensorflow_and_jax_give_the_same_loss_and_gradient():
    pytest.importorskip("jax")
    code = f"""
import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]
import numpy as np, test_simulate as t
from conftest import Compiled
run = Compiled(t.exchange())
rng = np.random.default_rng(5)
for variable in run.layer.trainable_variables:
    variable.assign(rng.normal(0, 0.5, variable.shape))
given = t.inputs()
weights = rng.normal(size=(3, 5, 3))
by_inputs, by_variables = run.gradient(weights, **given)
loss = np.sum(run(**given)[0] * weights)
print(*np.concatenate([[loss], *(by_inputs[n].ravel() for n in sorted(by_inputs)), *(g.ravel() for g in by_variables)]))
"""
    found = []
    for backend in ("tensorflow", "jax"):
        done = in_a_process(backend, code, JAX_ENABLE_X64="1")
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(np.array(done.stdout.split(), float))

    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-9 * np.abs(found[0]).max())
