"""Measurements: formulas mean what the model means, noise and gaps belong to the trajectory."""

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName

TIMES = np.linspace(0, 10, 21)
MODEL = """compartment C = 2; species A in C; substanceOnly species B in C
A -> B; C*k*A; A = 5; B = 1; k = 0.3; y := 2*A + k"""


@pytest.fixture(scope="module")
def truth():
    model = sh.load(MODEL)
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), 30, seed=0), times=TIMES)


def test_no_noise_and_no_gaps_give_the_truth_back(truth):
    data = sh.measure(truth, noise=sh.noise.Normal(sd=0), seed=1)

    np.testing.assert_array_equal(data["measured"], truth["truth"])
    np.testing.assert_array_equal(data["readout"], truth["truth"])


def test_a_formula_means_what_the_model_means(truth):
    data = sh.measure(truth, {"total": "A*C + B", "rule": "y", "constant": "k"}, seed=1)

    np.testing.assert_allclose(data["readout"].sel(observable="total"), 11.0, rtol=1e-9)
    a, k = truth["truth"].sel(species="A"), truth["parameters"].sel(parameter="k")
    np.testing.assert_allclose(data["readout"].sel(observable="rule"), 2 * a + k)
    np.testing.assert_allclose(data["readout"].sel(observable="constant"), k.values[:, None] * np.ones(21))
    assert data["nonnegative"].values.tolist() == [False, False, False]
    assert sh.measure(truth, ["A + 2*B", "A"], seed=1)["nonnegative"].values.tolist() == [True, True]


def test_a_part_of_the_trajectories_keeps_its_noise_and_its_gaps(truth):
    every = sh.measure(truth, keep=0.6, seed=4)
    some = sh.measure(truth.isel(trajectory=[20, 3]), keep=0.6, seed=4)

    np.testing.assert_array_equal(some["measured"], every["measured"].isel(trajectory=[20, 3]))


def test_gaps_do_not_change_the_noise_of_what_is_left(truth):
    whole, sparse = sh.measure(truth, seed=4)["measured"], sh.measure(truth, keep=0.5, seed=4)["measured"]

    left = sparse.notnull()
    np.testing.assert_array_equal(sparse.values[left], whole.values[left])


def test_the_share_that_is_kept_is_the_share_that_was_asked_for(truth):
    """Within 5 standard errors of a binomial: about 1 failure in 10^6 seeds."""
    kept = float(sh.measure(truth, keep=0.3, seed=5)["measured"].notnull().mean())

    assert abs(kept - 0.3) < 5 * np.sqrt(0.3 * 0.7 / truth["truth"].size)


def test_a_schedule_measures_at_its_times_and_no_others(truth):
    data = sh.measure(truth, schedule=[0, 0.5, 3, 10], seed=1)

    assert data["time"].values.tolist() == [0, 0.5, 3, 10]
    with pytest.raises(DataError, match="asks for time 0.7, which was not simulated"):
        sh.measure(truth, schedule=[0, 0.7], seed=1)


def test_the_truth_is_left_alone(truth):
    before = truth.copy(deep=True)

    sh.measure(truth, keep=0.5, seed=1)

    assert truth.identical(before)


def test_no_formula_makes_a_number_of_a_trajectory_that_failed():
    model = sh.load("S -> ; k*S; S = 1; k = 1; x = 1; x' = k*x^2")  # x is infinite at time 1/k
    truth = sh.simulate(model, pd.DataFrame({"k": [0.1, 5.0]}), times=[0.0, 1.0, 2.0])

    data = sh.measure(truth, {"most": "max(S, 0)", "one": "1 + 0*S"}, noise=sh.noise.Normal(sd=0), seed=0)

    assert np.isfinite(data["readout"].values[0]).all()
    assert np.isnan(data["readout"].values[1]).all()


def test_a_trajectory_that_failed_has_no_measurements():
    truth = sh.simulate(sh.load("S = 1; k = 1; S' = k*S^2"), pd.DataFrame({"k": [0.01, 2.0]}), times=[0, 1, 2])

    measured = sh.measure(truth, seed=1)["measured"]

    assert measured[0].notnull().all() and measured[1].isnull().all()


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(truth, keep):
    with pytest.raises(ValueError, match="keep must be above 0 and at most 1"):
        sh.measure(truth, keep=keep, seed=1)


def test_an_unknown_observable_is_refused_with_the_closest_names(truth):
    with pytest.raises(UnknownName, match="No quantity 'Bb' in model. Did you mean 'B'"):
        sh.measure(truth, ["A + Bb"], seed=1)


def test_a_state_that_was_not_recorded_is_refused():
    truth = sh.simulate(sh.load(MODEL), None, times=TIMES, quantities=["A"])

    with pytest.raises(UnknownName, match="No recorded quantity 'B'.*simulate with quantities="):
        sh.measure(truth, ["A + B"], seed=1)


def test_no_observables_are_refused(truth):
    with pytest.raises(DataError, match="There are no observables"):
        sh.measure(truth, [], seed=1)
