"""Process noise: the law of the factors, and what they do to trajectories.

Every statistical test has a fixed seed, and would fail for one seed in 10 000 or fewer if all is right.
"""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sbml_hybrid as sh
from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError, UnknownName
from sbml_hybrid.simulation import solver
from sbml_hybrid.simulation.process_noise import ProcessNoise

DECAY = "R: S -> ; k*S; S = 10; k = 0.3"
ENZYME = (
    "compartment C = 2; species E in C, S in C, ES in C, P in C; bind: E + S -> ES; C*(f*E*S - b*ES);"
    "turn: ES -> E + P; C*k*ES;"
    "E = 1; S = 9; ES = 0; P = 0; f = 1; b = 0.5; k = 2"
)
DOSED = ENZYME + "; D: at time >= 2.25: S = S + 4; g := piecewise(1, time < 3.3, 2); back: P -> S; C*0.1*g*P"
TIMES = np.linspace(0, 6, 13)


def noise(sd=0.3, correlation_time=2.0, grid=0.5, **more):
    return ProcessNoise(sd, correlation_time, grid, **more)


def test_factors_have_mean_one_and_the_spread_and_correlation_that_were_asked_for():
    run, model = noise(sd=0.5, correlation_time=2.0, grid=0.5, seed=1), load(DECAY)

    paths = np.array([run.factors(model, label, 8.0)[1]["R"] for label in range(4000)])

    assert paths.shape == (4000, 16)
    sigma = np.sqrt(np.log(1.25))
    for column in (0, 7, 15):
        assert stats.kstest(paths[:, column], stats.lognorm(sigma, scale=np.exp(-(sigma**2) / 2)).cdf).pvalue > 1e-4
    assert abs(paths[:, 9].mean() - 1) < 4 * 0.5 / np.sqrt(4000)
    logs = np.log(paths)
    for lag in (1, 4, 10):
        seen, expected = np.corrcoef(logs[:, 3], logs[:, 3 + lag])[0, 1], np.exp(-lag * 0.5 / 2.0)
        assert abs(np.arctanh(seen) - np.arctanh(expected)) < 4 / np.sqrt(4000)


def test_a_path_is_the_same_for_any_end_any_outputs_and_any_company():
    model, run = load(ENZYME), noise()

    long, short = run.factors(model, 7, 20.0), run.factors(model, 7, 3.2)
    alone = noise(reactions=["turn"]).factors(model, 7, 20.0)

    assert (long[0][:7] == short[0]).all()
    for reaction in ("bind", "turn"):
        assert (long[1][reaction][:7] == short[1][reaction]).all()
    assert list(alone[1]) == ["turn"] and (alone[1]["turn"] == long[1]["turn"]).all()
    assert (run.factors(model, 8, 20.0)[1]["turn"] != long[1]["turn"]).all()
    assert not np.allclose(long[1]["bind"], long[1]["turn"])


def test_what_measures_with_the_same_seed_scatters_apart_from_the_factors():
    model, run, n = load(ENZYME), noise(correlation_time=1e-3, grid=1.0, seed=0), 400
    truth = simulate(model, pd.DataFrame(index=range(n)), times=np.arange(0, 6.0), run=run)

    data = sh.measure(truth, noise=sh.noise.Normal(1.0), replicates=2, seed=0)

    scatter = (data["measured"] - data["readout"]).transpose("trajectory", ...).values.reshape(n, -1)
    jitter = sh.jittered(np.arange(1, 7.0), n, sd=0.1, seed=0)
    paths = [np.log(run.factors(model, label, 6.0)[1][id]) for label in range(n) for id in ("bind", "turn")]
    between = np.corrcoef(np.reshape(paths, (n, -1)), np.hstack([scatter, jitter]), rowvar=False)[:12, 12:]
    assert np.abs(between).max() < 5 / np.sqrt(n)


def test_decay_with_a_known_path_follows_its_closed_form():
    run, model = noise(seed=3), load(DECAY)
    times, factors = run.factors(model, 0, 6.0)

    truth = simulate(model, times=TIMES, run=run)["truth"].values[0, :, 0]

    exposure = np.concatenate([[0], np.cumsum(factors["R"] * 0.5)])
    np.testing.assert_allclose(truth, 10 * np.exp(-0.3 * exposure), rtol=1e-6)
    assert times.tolist() == np.arange(0, 6, 0.5).tolist()


def test_outputs_between_grid_points_lie_on_the_same_trajectory():
    run, model = noise(seed=3, grid=0.7), load(ENZYME)

    coarse = simulate(model, times=[0, 3, 6], run=run)["truth"].values[0]
    fine = simulate(model, times=TIMES, run=run)["truth"].values[0]

    np.testing.assert_allclose(coarse, fine[[0, 6, 12]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("text", [DECAY, ENZYME, DOSED])
def test_no_noise_is_the_deterministic_run_to_the_last_bit(text):
    model = load(text)
    draws = sh.sample(sh.around(model, fold=2), 5, seed=0)

    quiet = simulate(model, draws, times=TIMES, run=noise(sd=0.0))["truth"].values

    assert (quiet == simulate(model, draws, times=TIMES)["truth"].values).all()


@pytest.mark.parametrize("text", [DECAY, ENZYME, DOSED])
def test_little_noise_is_nearly_the_deterministic_run(text):
    """The factors are there and the solver restarts, at the dose and the switch too."""
    model = load(text)

    quiet = simulate(model, times=TIMES, run=noise(sd=1e-12))["truth"].values

    np.testing.assert_allclose(quiet, simulate(model, times=TIMES)["truth"].values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("grid", [0.1, 0.5, 2.25])
def test_moieties_are_conserved_and_amounts_stay_positive(grid):
    model = load(DOSED)

    truth = simulate(model, pd.DataFrame(index=range(20)), times=TIMES, run=noise(sd=1.0, grid=grid, seed=4))["truth"]

    enzyme = truth.sel(species="E") + truth.sel(species="ES")
    substrate = truth.sel(species="S") + truth.sel(species="ES") + truth.sel(species="P")
    np.testing.assert_allclose(enzyme, 1.0, rtol=1e-9)
    np.testing.assert_allclose(substrate, np.broadcast_to(np.where(TIMES < 2.25, 9.0, 13.0), (20, 13)), rtol=1e-9)
    assert (truth >= -1e-9).all()
    assert (truth.std("trajectory").sel(species="P").values[4:] > 0.1).all()


def test_the_mean_of_a_production_is_that_without_noise():
    model = load("-> P; k; P = 0; k = 2")

    made = simulate(model, pd.DataFrame(index=range(400)), times=[0, 6.0], run=noise(seed=5))["truth"].values[:, 1, 0]

    expected = 12.0
    assert abs(made.mean() - expected) < 4 * made.std() / np.sqrt(400)
    assert made.std() > 0.5


def test_a_species_stands_for_the_reactions_that_touch_it():
    model = load(ENZYME)

    assert noise(0.2).spreads(model) == {"bind": 0.2, "turn": 0.2}
    assert noise(0.2, reactions=["P"]).spreads(model) == {"turn": 0.2}
    assert noise({"P": 0.4, "bind": 0.1}).spreads(model) == {"bind": 0.1, "turn": 0.4}
    assert noise({"E": 0.4, "bind": 0.0}).spreads(model) == {"turn": 0.4}
    assert noise({"E": 0.4, "bind": 0.1}, reactions=["bind"]).spreads(model) == {"bind": 0.1}


def test_an_undisturbed_reaction_keeps_its_law():
    model = load("R: S -> ; k*S; Q: P -> ; k*P; S = 10; P = 10; k = 0.3")

    truth = simulate(model, times=TIMES, run=noise(reactions=["R"], seed=1))["truth"]

    np.testing.assert_allclose(truth.sel(species="P").values[0], 10 * np.exp(-0.3 * TIMES), rtol=1e-6)
    assert abs(np.log(truth.sel(species="S").values[0, -1] / truth.sel(species="P").values[0, -1])) > 1e-3


def test_a_trajectory_is_a_function_of_seed_and_label_alone():
    model = load(DOSED)
    draws = sh.sample(sh.around(model, fold=2), 66, seed=0)
    whole = simulate(model, draws, times=TIMES, run=noise(seed=6))["truth"].values

    some = simulate(model, draws.iloc[[65, 2]], times=TIMES, run=noise(seed=6))["truth"].values
    solver._compiled.clear()
    anew = simulate(model, draws, times=TIMES, run=noise(seed=6), jobs=2)["truth"].values

    assert (some == whole[[65, 2]]).all()
    assert anew.tobytes() == whole.tobytes()


def test_an_event_still_happens_once_and_on_time():
    model = load("R: S -> ; k*S; S = 10; k = 0.0; at time >= 2.25: S = S + 4; at S < 3: S = 100")

    run, draws = noise(grid=0.25, reactions=["R"]), pd.DataFrame({"k": [0.0, 1.0]})

    truth = simulate(model, draws, times=[0, 2.25, 2.5, 6], run=run)["truth"].values[:, :, 0]

    exposure = np.cumsum(run.factors(model, 1, 6.0)[1]["R"] * 0.25)[[8, 9]]
    before = 100 * np.exp(-(exposure[0] - np.log(10 / 3))) + 4
    assert truth[0].tolist() == pytest.approx([10, 14, 14, 14])
    assert truth[1, 1:3].tolist() == pytest.approx([before, before * np.exp(exposure[0] - exposure[1])], rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sd": -0.1}, r"sd must be zero or more \(0\.2 is 20 %\), got -0\.1"),
        ({"sd": {"R": float("nan")}}, "sd must be"),
        ({"correlation_time": 0}, "correlation_time must be a positive time, got 0"),
        ({"grid": -1}, "grid must be a positive time, got -1"),
        ({"reactions": "R"}, "reactions must be a list"),
        ({"seed": -1}, "seed must be"),
        ({"sd": "0.1"}, "sd must be .* got '0.1'"),
        ({"grid": None}, "grid must be a positive time, got None"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        noise(**wrong)


def test_what_cannot_be_disturbed_is_refused_by_name():
    with pytest.raises(UnknownName, match="No reaction or reacting species 'turm'.*Did you mean 'turn'"):
        noise(reactions=["turm"]).prepared(load(ENZYME))
    with pytest.raises(UnknownName, match="'k'"):
        noise({"k": 0.1}).prepared(load(ENZYME))
    with pytest.raises(ModelError, match="no kinetic law that process noise could disturb"):
        noise().prepared(load("k = 1; k' = 1"))
    with pytest.raises(ModelError, match="event 'E' has a delay"):
        noise().prepared(load(DECAY + "; E: at 1 after time > 1: S = 5"))


def test_the_dataset_says_how_it_came_about():
    run = noise({"R": 0.2}, seed=3)

    said = json.loads(simulate(load(DECAY), times=[0, 1], run=run).attrs["run"])

    assert said["kind"] == "ProcessNoise" and said["sd"] == {"R": 0.2}
    assert sh.run_from_dict(said) == run
    assert sh.run_from_dict({"kind": "deterministic"}) == sh.Deterministic()
    with pytest.raises(UnknownName, match="No kind of run 'Gilespie'.*Did you mean 'Gillespie'"):
        sh.run_from_dict({"kind": "Gilespie"})
    with pytest.raises(UnknownName, match="No setting 'volum' in Gillespie"):
        sh.run_from_dict({"kind": "Gillespie", "volum": 2})
    with pytest.raises(ValueError, match="ProcessNoise needs correlation_time and grid. It takes sd, "):
        sh.run_from_dict({"kind": "ProcessNoise", "sd": 0.1})
    with pytest.raises(ValueError, match="needs its kind, one of Deterministic"):
        sh.run_from_dict({"volume": 10})


def test_doses_inputs_knock_outs_and_rest_before_act_on_what_is_disturbed():
    """Beside the known path of the factor, every condition has a closed form."""
    model, run = load("-> S; p; R: S -> ; k*S; S = 10; k = 0.3; p = 0"), noise(seed=4, reactions=["R"])
    arms = [
        sh.Condition("control"),
        sh.Condition("dosed", inputs=[sh.Dose("S", 6, time=2.25)]),
        sh.Condition("mutant", knock_outs=["R"]),
        sh.Condition("rested", before={"p": 1.2}),
        sh.Condition("stepped", inputs=[sh.Steps("k", [1.25], [0.0])]),
    ]

    data = simulate(model, pd.DataFrame({"k": [0.3, 0.5]}), times=TIMES, conditions=arms, run=run)

    for row, label in enumerate(data["trajectory"].values.tolist()):
        arm, k = data["condition"].values[row], (0.3, 0.5)[row // len(arms)]
        starts, paths = run.factors(model, label, TIMES[-1])
        cumulative = k * np.array([_spent(starts, paths["R"], t) for t in TIMES])
        expected = (1.2 / k if arm == "rested" else 10.0) * np.exp(-cumulative)
        if arm == "dosed":
            since = np.maximum(cumulative - k * _spent(starts, paths["R"], 2.25), 0)
            expected += np.where(TIMES >= 2.25, 6 * np.exp(-since), 0)
        if arm == "stepped":
            expected = 10 * np.exp(-np.minimum(cumulative, k * _spent(starts, paths["R"], 1.25)))
        if arm == "mutant":
            expected[:] = 10.0
        np.testing.assert_allclose(data["truth"].values[row, :, 0], expected, rtol=2e-6)


def _spent(starts, factor, time):
    """The integral of a factor that is constant from each of `starts` to the next."""
    lengths = np.clip(np.append(starts[1:], np.inf), None, time) - np.clip(starts, None, time)
    return float(factor @ lengths)
