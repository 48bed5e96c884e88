"""Exact stochastic runs against exact laws.

Every statistical test has a fixed seed, and would fail for one seed in 10 000 or fewer if all is right.
"""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import expm

import sbml_hybrid as sh
from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError, SolverError
from sbml_hybrid.mechanism.molecules import counted_species
from sbml_hybrid.simulation import solver
from sbml_hybrid.simulation.gillespie import Gillespie, stream

RARE = 1e-4  # of a test's statistic, if the law is right


def many(model, n, times, run, quantities=None, **columns):
    draws = pd.DataFrame(columns or None, index=pd.RangeIndex(n, name="draw"))
    return simulate(model, draws, times=times, run=run, quantities=quantities)["truth"]


def assert_follows(counts, probabilities):
    """Chi-square of whole counts against the probability of 0, 1, 2, ...; rare ones are pooled."""
    counts = np.rint(np.asarray(counts)).astype(int)
    expected = np.asarray(probabilities) * len(counts)
    seen = np.bincount(counts, minlength=len(expected)).astype(float)
    assert len(seen) == len(expected) or seen[len(expected) :].sum() < 5
    common = expected >= 5
    seen = np.append(seen[: len(expected)][common], len(counts) - seen[: len(expected)][common].sum())
    expected = np.append(expected[common], max(len(counts) - expected[common].sum(), 1e-3))
    statistic = ((seen - expected) ** 2 / np.maximum(expected, 1.0)).sum()
    assert stats.chi2.sf(statistic, common.sum()) > RARE


def master_equation(start, end, moves):
    """Probability of every number at time `end`: `moves` is (change, rate of the number) per reaction."""
    size = start + 1
    generator = np.zeros((size, size))
    for change, rate in moves:
        for n in range(size):
            if 0 <= n + change < size:
                generator[n + change, n] += rate(n)
                generator[n, n] -= rate(n)
    return expm(generator * end)[:, start]


def test_birth_and_death_are_poisson_when_they_have_settled():
    model = load("-> P; k; P -> ; d*P; P = 0; k = 6; d = 1")

    counts = many(model, 2500, [15.0], Gillespie(seed=1)).values[:, 0, 0]

    assert_follows(counts, stats.poisson.pmf(np.arange(40), 6))
    assert abs(counts.mean() - 6) < 4 * np.sqrt(6 / 2500)
    assert abs(counts.var() / 6 - 1) < 4 * np.sqrt(2 / 2500 + 1 / (6 * 2500))


def test_a_reversible_law_settles_to_the_binomial():
    """Taken as one reaction, as libroadrunner does, it would stop in the middle."""
    model = load("compartment C = 2; species A in C, B in C; R: A -> B; C*(a*A - b*B); A = 10; B = 0; a = 2; b = 1")

    truth = many(model, 2500, [6.0], Gillespie(seed=2), ["amount(A)", "amount(B)"]).values[:, 0]

    assert_follows(truth[:, 0], stats.binom.pmf(np.arange(21), 20, 1 / 3))
    assert (truth.sum(axis=1) == 20).all()


def test_what_survives_decay_is_binomial_at_every_time():
    model = load("S -> ; k*S; S = 12; k = 0.5")
    times = np.array([0.5, 1.0, 2.0, 4.0])

    counts = many(model, 3000, times, Gillespie(seed=3)).values[:, :, 0]

    for column, time in enumerate(times):
        assert_follows(counts[:, column], stats.binom.pmf(np.arange(13), 12, np.exp(-0.5 * time)))
    assert (np.diff(counts, axis=1) <= 0).all()


def test_growth_has_its_variance():
    """Birth 0.1 X and death 0.11 X from 100: the first model of the stochastic test suite."""
    model = load("X -> 2 X; b*X; X -> ; d*X; X = 100; b = 0.1; d = 0.11")

    counts = many(model, 1500, [20.0], Gillespie(seed=4)).values[:, 0, 0]

    fall = np.exp(-0.01 * 20)
    variance = 100 * (0.21 / -0.01) * fall * (fall - 1)
    assert abs(counts.mean() - 100 * fall) < 4 * np.sqrt(variance / 1500)
    assert abs(counts.var() / variance - 1) < 4 * np.sqrt(2.2 / 1500)


@pytest.mark.parametrize("law", ["C*k*A^2", "C*k*A*A", "k*A*(A*C)"])
def test_dimerisation_follows_the_master_equation(law):
    """10 molecules of A in a compartment of size 2, 5 molecules per unit of amount: k*V*C*(a/VC)*((a-1)/VC)."""
    model = load(f"compartment C = 2; species A in C, D in C; 2 A -> D; {law}; A = 1; D = 0; k = 0.3")

    counts = many(model, 3000, [1.5], Gillespie(volume=5, seed=5), ["amount(A)"]).values[:, 0, 0] * 5

    assert_follows(counts, master_equation(10, 1.5, [(-2, lambda a: 0.3 * a * (a - 1) / 10)]))


def test_a_law_written_for_molecules_is_the_same_process():
    text = "2 A => D; {}; A = 30; D = 0; k = 0.01"

    ours = many(load(text.format("k*A^2")), 3, np.linspace(0, 9, 10), Gillespie())
    theirs = many(load(text.format("k*A*(A - 1)")), 3, np.linspace(0, 9, 10), Gillespie())

    assert (ours.values == theirs.values).all()


def test_a_reversible_dimer_follows_the_master_equation():
    model = load("2 A -> D; f*A^2 - b*D; A = 9; D = 0; f = 0.1; b = 0.7")

    counts = many(model, 3000, [2.0], Gillespie(seed=6)).sel(species="A").values[:, 0]

    moves = [(-2, lambda a: 0.1 * a * (a - 1)), (2, lambda a: 0.7 * (9 - a) / 2 if a % 2 else 0.0)]
    assert_follows(counts, master_equation(9, 2.0, moves))


def test_waiting_times_are_exponential():
    model = load("S -> ; k*S; S = 1; k = 2")
    times = np.linspace(0, 6, 1501)

    alive = many(model, 800, times, Gillespie(seed=7)).values[:, :, 0]

    waited = times[np.clip((alive > 0).sum(axis=1), 0, 1500)]
    assert stats.kstest(waited, stats.expon(scale=0.5).cdf).pvalue > RARE


def test_a_large_volume_comes_to_the_differential_equations():
    model = load("S -> P; v*S/(K + S); P -> ; d*P; S = 4; P = 1; v = 2; K = 1; d = 0.5")
    times = np.linspace(0, 5, 11)
    smooth = simulate(model, times=times)["truth"].values[0]

    errors = [
        np.abs(simulate(model, times=times, run=Gillespie(v, 8))["truth"].values[0] - smooth).max()
        for v in (50, 50_000)
    ]

    assert errors[1] < 5 * np.sqrt(5 / 50_000)
    assert errors[1] < errors[0] / 5


def test_counts_are_whole_and_moieties_exact():
    model = load(
        "compartment C = 0.5; species E in C, S in C, ES in C, P in C; E + S -> ES; C*(f*E*S - b*ES);"
        "ES -> E + P; C*k*ES;"
        "E = 2; S = 10; ES = 0; P = 0; f = 1; b = 2; k = 1"
    )
    names = ["amount(E)", "amount(S)", "amount(ES)", "amount(P)"]

    enzyme, substrate, bound, product = np.moveaxis(
        many(model, 30, np.arange(9.0), Gillespie(40, 9), names).values * 40, 2, 0
    )

    for count in (enzyme, substrate, bound, product):
        assert (count == np.rint(count)).all() and (count >= 0).all()
    assert (enzyme + bound == 40).all() and (substrate + bound + product == 200).all()


def test_a_reaction_without_enough_molecules_does_not_happen():
    """Zero-order decay: at 0 it ends, where the differential equation goes on below."""
    model = load("3 A -> ; k; A = 8; k = 5")

    counts = many(model, 20, [0, 50.0], Gillespie(seed=10)).values[:, 1, 0]

    assert (counts == 2).all()


def test_the_recorded_rate_is_the_law_in_the_models_unit():
    model = load(
        "compartment C = 2; species A in C, B in C; R: A -> B; C*(a*A - b*B); A = 5; B = 1; a = 2; b = 1; v := R/C"
    )

    truth = many(model, 5, np.arange(4.0), Gillespie(10, 11), ["A", "B", "R", "v"])

    a, b, rate, v = np.moveaxis(truth.values, 2, 0)
    np.testing.assert_allclose(rate, 2 * (2 * a - b), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(v, 2 * a - b, rtol=1e-12, atol=1e-12)


# -- draws -----------------------------------------------------------------------------------------


def test_drawn_parameters_and_initial_values_are_those_of_the_draw():
    model = load("compartment C = 2; species S in C; S -> ; C*k*S; S = 1; k = 0.5; S0 = 3; k2 = 1")

    truth = many(model, 3, [0.0, 1.0], Gillespie(10), **{"init([S])": [1.0, 2.5, 4.0], "k": [0.0, 0.0, 50.0]}).values[
        :, :, 0
    ]

    assert truth.tolist() == [[1.0, 1.0], [2.5, 2.5], [4.0, 0.0]]


def test_an_initial_assignment_and_a_drawn_compartment_are_counted_anew():
    model = load("compartment C = 1; species S in C; S = 4*c0; S -> ; C*k*S; k = 0; c0 = 1")

    amounts = many(model, 2, [1.0], Gillespie(5), ["amount(S)", "S"], C=[2.0, 3.0], c0=[1.0, 2.0]).values[:, 0]

    assert amounts.tolist() == [[8.0, 4.0], [24.0, 8.0]]


def test_a_fraction_of_a_molecule_in_a_draw_is_refused_with_what_to_try():
    model = load("S -> ; k*S; S = 4; k = 1")

    with pytest.raises(ModelError, match=r"25\.5 molecules of 'S'.*volume 10.*Try: another volume, or round"):
        many(model, 2, [1.0], Gillespie(10), **{"init(S)": [2.5, 2.55]})
    with pytest.raises(ModelError, match=r"k = -1, and a law must not be negative"):
        many(model, 2, [1.0], Gillespie(), k=[1.0, -1.0])


def test_a_fraction_of_a_molecule_in_the_model_is_refused_before_anything_is_written(tmp_path):
    model = load("S -> ; k*S; S = 0.25; k = 1")

    with pytest.raises(ModelError, match=r"0\.25 molecules of 'S'"):
        simulate(model, times=[0, 1], run=Gillespie(), store=tmp_path / "new.zarr")
    assert not (tmp_path / "new.zarr").exists()
    assert many(model, 1, [0.0], Gillespie(), **{"init(S)": [3.0]}).item() == 3


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["<", "<="])
def test_a_rate_that_switches_in_time_switches_exactly_there(relation):
    model = load(f"S -> ; k*S; S = 10; k := piecewise(0, time {relation} 4, 0.5)")

    counts = many(model, 600, [4.0, 6.0], Gillespie(seed=12)).values[:, :, 0]

    assert (counts[:, 0] == 10).all()
    assert_follows(counts[:, 1], stats.binom.pmf(np.arange(11), 10, np.exp(-1)))


@pytest.mark.parametrize("relation", [">", ">="])
def test_a_dose_comes_at_its_time_and_in_the_models_unit(relation):
    model = load(
        "compartment C = 2; species S in C; S -> ; C*k*S; S = 0; k = 0.5; dose = 1; t = 3;"
        f"D: at time {relation} t: S = S + dose"
    )
    draws = {"dose": [1.0] * 500 + [0.5] * 100, "t": [3.0] * 500 + [1.0] * 100}

    truth = many(model, 600, [1.0, 2.9, 3.0, 5.0], Gillespie(10, 13), ["amount(S)"], **draws).values[:, :, 0] * 10

    assert (truth[:500, :2] == 0).all() and (truth[:500, 2] == 20).all()
    assert_follows(truth[:500, 3], stats.binom.pmf(np.arange(21), 20, np.exp(-1)))
    assert (truth[500:, 0] == 10).all()


def test_simultaneous_events_go_by_priority_and_see_the_state_at_the_trigger():
    first, second = "at time >= 1, priority = {}: S = {}", "at time >= 1, priority = 2: S = 20"
    for priority, formula, expected in ((1, "S + 1", 11), (1, "7", 7), (3, "7", 20)):
        model = load(f"S -> ; k*S; S = 10; k = 0; {first.format(priority, formula)}; {second}")
        truth = simulate(model, times=[0, 2], run=Gillespie())["truth"].values[0, :, 0]
        assert truth.tolist() == [10, expected]
        assert simulate(model, times=[0, 2])["truth"].values[0, 1, 0] == pytest.approx(expected)


def test_an_event_that_leaves_a_fraction_of_a_molecule_is_refused_with_its_time():
    model = load("S -> ; k*S; S = 10; k = 0; Half: at time >= 2: S = S/4")

    with pytest.raises(ModelError, match=r"'Half'.*2\.5 molecules of 'S' at time 2, and molecules come whole. Try: "):
        simulate(model, times=[0, 5], run=Gillespie())


# -- reproducibility -------------------------------------------------------------------------------

CYCLE = (
    "compartment C = 1; species A in C, B in C; R: A -> B; C*(a*A - b*B); A = 3; B = 0; a = 2; b = 1;"
    "D: at time >= 2: A = A + 1"
)


def test_a_trajectory_is_a_function_of_seed_and_label_alone():
    model, times = load(CYCLE), np.linspace(0, 5, 11)
    draws = sh.sample(sh.around(model, fold=2), 70, seed=0)
    whole = simulate(model, draws, times=times, run=Gillespie(10, 3))["truth"]

    some = draws.iloc[[65, 3, 40]]
    alone = simulate(model, some, times=times, run=Gillespie(10, 3))["truth"]
    simulate(model, draws.iloc[:3], times=times)  # the deterministic run in between leaves no trace
    solver._compiled.clear()
    anew = simulate(model, draws, times=times, run=Gillespie(10, 3), jobs=2)["truth"]

    assert (alone.values == whole.sel(trajectory=some.index).values).all()
    assert anew.values.tobytes() == whole.values.tobytes()
    other = simulate(model, draws, times=times, run=Gillespie(10, 4))["truth"]
    assert (other.values != whole.values).any(axis=(1, 2)).mean() > 0.9


@given(seed=st.integers(0, 2**64), first=st.integers(0, 2**40))
def test_no_two_trajectories_of_a_run_share_a_stream(seed, first):
    streams = [stream(seed, label) for label in range(first, first + 300)]

    assert len(set(streams)) == 300
    assert all(0 <= s < 2**32 for s in streams)


def test_every_rate_of_real_models_is_that_of_the_model(test_data):
    """Forward less backward, at 10^9 molecules per unit, is the law at the same amounts; pairs differ by 10^-9."""
    numbers = ("080", "084", "114", "212", "951")
    wanted = [id for id in (test_data / "biomodels_core.txt").read_text().split() if id[12:15] in numbers]
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        models = [load(archive.read(id).decode()) for id in wanted]
    assert len(models) == 5
    for model in models:
        made = Gillespie(volume=1e9).prepared(model)
        engines = sh.to_roadrunner(made), sh.to_roadrunner(model)
        ours, theirs = (engine.model for engine in engines)
        for id in counted_species(made):
            ours[id] = float(rng.integers(10**8, 10**10))
            theirs[id] = ours[id] / 1e9
        rates = dict(zip([r.id for r in made.reactions], ours.getReactionRates(), strict=True))
        for reaction in model.reactions:
            net = rates.get(f"{reaction.id}_forward", 0.0) - rates.get(f"{reaction.id}_backward", 0.0)
            size = sum(rates.get(f"{reaction.id}_{way}", 0.0) for way in ("forward", "backward")) / 1e9
            assert net / 1e9 == pytest.approx(theirs[reaction.id], rel=1e-7, abs=1e-9 * size)
            assert ours[reaction.id] == pytest.approx(theirs[reaction.id], rel=1e-7, abs=1e-9 * size)


# -- what ends, and what is refused ------------------------------------------------------------------


def test_an_exploding_trajectory_ends_by_its_budget_and_is_recorded():
    model = load("2 A -> 3 A; k*A^2; A = 10; k = 1")

    data = simulate(model, pd.DataFrame({"k": [1.0, 0.0]}), times=[0, 1, 10], run=Gillespie(budget=5000))

    assert data["status"].values.tolist() == [solver.BUDGET, solver.OK]
    assert np.isnan(data["truth"].values[0]).all()
    assert (data["truth"].values[1] == 10).all()
    with pytest.raises(SolverError, match=r"step_budget_spent\): 5000 reactions happened before the end"):
        simulate(model, times=[0, 1, 10], run=Gillespie(budget=5000))


def test_an_infinite_rate_ends_with_its_reactions_name():
    model = load("R: A -> ; k*A/(A - 2)^2; A = 5; k = 1")

    with pytest.raises(SolverError, match=r"not_finite\): the rate of R_forward is infinite"):
        simulate(model, times=[0, 1000], run=Gillespie())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.5 A -> B; k*A; A = 2; k = 1", r"'_J0' has 1\.5 of 'A'"),
        ("A => B; k*A - B; A = 2; B = 0; k = 1", "'_J0'.*not reversible"),
        ("A -> B; k*A; A = 2; k = 1; k' = 1", "a rate rule moves 'k' smoothly"),
        ("A -> B; k*A*time; A = 2; k = 1", "k\\*A\\*time, changes smoothly in time"),
        ("A -> B; k*A; A = 2; k := 1 + sin(time)", "'_J0', k\\*A, changes smoothly in time"),
        ("A -> B; k*A; A = 2; k := piecewise(1, time > A, 2)", "compares the time with what changes, in time > A"),
        ("A -> B; k*A; A = 2; k = 1; E: at A < 1: A = 2", "event 'E' looks at 'A', which changes"),
        ("A -> B; k*A; A = 2; k = 1; E: at 1 after time > 1: A = 2", "event 'E' has a delay"),
        ("compartment C = 1; species A in C; A -> ; k*A; A = 2; k = 1; E: at time > 1: C = 2", "sets 'C', a size"),
        ("k = 1; E: at time > 1: k = 2", "no reaction with a kinetic law"),
    ],
)
def test_what_has_no_exact_meaning_is_refused_by_name(text, said):
    with pytest.raises(ModelError, match=f"{said}.*") as caught:
        Gillespie().prepared(load(text))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"volume": 0}, "volume must be a positive number of molecules per unit of amount, got 0"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, got -1"),
        ({"seed": 0.5}, "seed must be"),
        ({"budget": 0}, "budget must be"),
        ({"volume": "10"}, "volume must be .* got '10'"),
        ({"budget": "10"}, "budget must be .* got '10'"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Gillespie(**wrong)


def test_the_dataset_says_how_it_came_about():
    data = simulate(load("-> P; k; k = 1; P = 0"), times=[0, 1], run=Gillespie(volume=7, seed=3))

    said = json.loads(data.attrs["run"])
    assert said == {"kind": "Gillespie", "volume": 7, "seed": 3, "budget": 10_000_000}
    assert sh.run_from_dict(said) == Gillespie(volume=7, seed=3)
    assert json.loads(data.attrs["tolerances"]) == {}
    assert data["rung"].attrs["flag_meanings"] == "exact"
    sh.check(data)
    numbers = Gillespie(volume=np.int64(7), seed=np.int64(3))
    assert simulate(load("-> P; k; k = 1; P = 0"), times=[0, 1], run=numbers).identical(data)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kind": "Gillespie", "volume": "7"}, "volume must be a positive number of molecules .* got '7'"),
        ({"kind": "ProcessNoise", "sd": 0.1}, "ProcessNoise needs correlation_time and grid. It takes sd, "),
    ],
)
def test_a_description_that_lacks_a_number_is_refused_with_what_there_is(said, message):
    with pytest.raises(ValueError, match=message):
        sh.run_from_dict(said)


def test_a_step_that_makes_a_law_negative_is_refused_and_one_that_takes_molecules_away_is_not():
    model = load("R: A -> B; k1*A - k2*B; A = 40; B = 0; k1 = 0.3; k2 = 0.2; g := 2*s; s = 1; P: $X -> B; g*X; X = 3")
    drawn = pd.DataFrame({"level": [1.0, -1.0]})
    for quantity in ("k1", "s"):
        below = sh.Condition("x", inputs=sh.Steps(quantity, times=[5], values=["level"]))
        with pytest.raises(
            ModelError, match=rf"A draw has step_{quantity}_1_value = -1, and a law must not be negative"
        ):
            simulate(model, drawn, times=[0, 9], conditions=below, run=Gillespie())

    washed = load("R: A -> B; k1*A; A = 40; B = 0; k1 = 0.3; n = 0; at time >= 0.5: B = B + n")
    truth = simulate(washed, pd.DataFrame({"n": [-2.0]}), times=[0, 9], run=Gillespie())["truth"]

    assert truth.sum("species").values.tolist() == [[40.0, 38.0]]


def test_molecules_never_rest_and_a_condition_that_begins_at_rest_is_refused_before_any_work(tmp_path):
    model = sh.load("-> P; k; P -> ; d*P; P = 0; k = 6; d = 1")
    arms = [sh.Condition("plain"), sh.Condition("rested", before={})]

    with pytest.raises(ModelError, match="'rested' begins at a steady state .* never come to rest. Try: no before"):
        sh.simulate(model, times=[0, 1], conditions=arms, run=sh.Gillespie(), store=tmp_path / "x.zarr")

    assert not (tmp_path / "x.zarr").exists()
