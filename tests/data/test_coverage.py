"""Coverage counts what lies within the simulated draws, and is right where it is known beforehand."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName

TIMES = np.linspace(0, 8, 9)


@pytest.fixture(scope="module")
def draws():
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    prior = {"k": sh.priors.LogNormal(0.3, 1.5)}
    return [sh.simulate(model, sh.sample(prior, n, seed=s), times=TIMES) for n, s in ((2000, 0), (400, 1))]


def test_data_of_the_same_law_is_covered_as_often_as_promised(draws):
    simulated, own = (sh.measure(d, noise=sh.noise.Lognormal(0.2), seed=i) for i, d in enumerate(draws))
    own = own.isel(time=slice(1, None))

    told = sh.coverage(simulated, own).loc["S"]

    # 400 series whose 8 points hang together: a standard error of at most sqrt(.25 / 400) = .025, four of them allowed
    assert told["points"] == 3200 and told["compared_with"] == "measured"
    assert told["within_90"] == pytest.approx(0.9, abs=0.1) and told["within_50"] == pytest.approx(0.5, abs=0.1)
    assert told["below"] + told["above"] + told["within_90"] == pytest.approx(1)


def test_data_far_above_is_not_covered(draws):
    own = sh.measure(draws[1], noise=sh.noise.Normal(0.0), seed=0)
    own["measured"] = own["measured"] + 100

    told = sh.coverage(draws[0], own).loc["S"]

    assert told["above"] == 1 and told["within_90"] == 0 and told["compared_with"] == "truth"


@pytest.mark.parametrize("limits", [sh.Limits(low=3.0), sh.Limits(high=3.5), sh.Limits(low=1.0, high=6.0)])
def test_censored_measurements_count_as_if_the_draws_had_been_measured_with_their_limit(draws, limits):
    noise = sh.noise.Lognormal(0.2)
    simulated, as_limited = (sh.measure(draws[0], noise=noise, seed=0, limits=one) for one in (None, limits))
    own = sh.measure(draws[1], noise=noise, seed=1, limits=limits)

    told = sh.coverage(simulated, own).loc["S"]

    assert (own["censored"] != 0).mean() > 0.2
    shares = ["within_50", "within_90", "below", "above"]
    np.testing.assert_allclose(list(told[shares]), list(sh.coverage(as_limited, own).loc["S", shares]), atol=0.02)
    assert told["within_90"] > 0.85


def test_points_beyond_the_simulated_times_and_missing_ones_do_not_count(draws):
    own = sh.measure(draws[1], keep=0.5, seed=0)
    later = own.assign_coords(time=own["time"] + 4)

    told = sh.coverage(draws[0], later).loc["S"]

    assert told["points"] == int(later["measured"].sel(time=slice(0, 8)).notnull().sum())


def test_what_was_not_simulated_cannot_be_covered(draws):
    own = sh.measure(draws[1], {"P": "2*S"}, seed=0)
    with pytest.raises(UnknownName, match="No observable 'P' in the simulations"):
        sh.coverage(draws[0], own)


def test_other_units_are_refused(draws):
    own = sh.measure(draws[1], seed=0)
    own["time"].attrs["units"] = "h"
    simulated = draws[0].copy()
    simulated["time"].attrs["units"] = "min"
    with pytest.raises(DataError, match=r"time is in min in the simulations, and in h"):
        sh.coverage(simulated, own)
