"""Constraints hold exactly for what is measured, and change nothing else."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.constraints import KINDS, constraint_from_dict
from sbml_hybrid.measurement.settings import to_dict

constraints = sh.constraints
ONE_OF_EACH = [
    constraints.Bounds(low=0),
    constraints.Bounds({"A": 1.0}, {"A": 2.0, "B": 3.0}),
    constraints.Within(0.0, 12.0),
    constraints.Total(["A", "B"]),
    constraints.Total(["A", "B"], to=1.0),
]
VALUES = arrays(float, (7, 3), elements=st.floats(-10, 10))


def test_every_kind_is_tested_here():
    assert {type(one) for one in ONE_OF_EACH} == set(KINDS)


@pytest.mark.parametrize("constraint", ONE_OF_EACH, ids=repr)
def test_a_constraint_comes_back_from_its_description_in_json(constraint):
    assert constraint_from_dict(json.loads(json.dumps(to_dict(constraint)))) == constraint


@given(values=VALUES, low=st.floats(-5, 5), width=st.floats(0, 5))
def test_nothing_is_out_of_bounds_and_what_was_within_stays(values, low, width):
    bounded = constraints.Bounds(low, {"A": low + width}).apply(values, values, ["A", "B", "C"])

    assert (bounded >= low).all() and (bounded[:, 0] <= low + width).all()
    within = (values >= low) & ((values <= low + width) | np.array([False, True, True]))
    np.testing.assert_array_equal(bounded[within], values[within])


@given(values=VALUES, readout=VALUES, to=st.floats(0, 100))
def test_the_total_is_exact_for_any_values_and_others_stay(values, readout, to):
    fixed = constraints.Total(["C", "A"], to).apply(values, readout, ["A", "B", "C"])
    true = constraints.Total(["C", "A"]).apply(values, readout, ["A", "B", "C"])

    # Values that nearly cancel out are blown up by the rescaling, and so is their rounding.
    size = 1e-12 * (1 + np.abs(fixed).max() + np.abs(true).max())
    np.testing.assert_allclose(fixed[:, [0, 2]].sum(axis=1), to, atol=size)
    np.testing.assert_allclose(true[:, [0, 2]].sum(axis=1), readout[:, [0, 2]].sum(axis=1), atol=size)
    np.testing.assert_array_equal(fixed[:, 1], values[:, 1])
    np.testing.assert_array_equal(true[:, 1], values[:, 1])


def test_a_sum_keeps_the_proportions_that_were_measured():
    values, readout = np.array([[1.0, 3.0], [0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 4.0], [0.0, 0.0]])

    fixed = constraints.Total(["A", "B"], 10).apply(values, readout, ["A", "B"])

    assert fixed.tolist() == [[2.5, 7.5], [2.0, 8.0], [5.0, 5.0]]


def test_a_total_is_the_true_one_at_every_time_of_every_replicate(small):
    data = sh.measure(small, constraints=constraints.Total(["A", "B"]), replicates=3, seed=1)

    np.testing.assert_allclose(
        data["measured"].sum("observable"),
        data["readout"].sum("observable").broadcast_like(data["measured"].sum("observable")),
        rtol=1e-12,
    )
    assert not np.allclose(data["measured"].isel(replicate=0), data["readout"])


def test_a_range_gives_the_noise_cut_off_at_its_ends(small):
    """Kolmogorov-Smirnov at 1e-4: 1 failure in 10^4 seeds."""
    from scipy import stats

    start = small.isel(time=[0])
    data = sh.measure(
        start, ["A"], sh.noise.Normal(2.0), constraints=constraints.Within(9.0, 11.5), replicates=50, seed=1
    )

    values = data["measured"].values.ravel()
    assert values.min() >= 9 and values.max() <= 11.5
    assert stats.kstest(values, stats.truncnorm(-0.5, 0.75, loc=10, scale=2).cdf).pvalue > 1e-4


def test_what_is_within_its_range_keeps_its_noise(small):
    free = sh.measure(small, noise=sh.noise.Normal(1.0), seed=1)["measured"].values
    within = sh.measure(small, noise=sh.noise.Normal(1.0), constraints=constraints.Within(low=0), seed=1)["measured"]

    assert (within >= 0).all() and (free < 0).any()
    np.testing.assert_array_equal(within.values[free >= 0], free[free >= 0])


def test_several_ranges_hold_together_and_before_other_constraints(small):
    noise, low, high = sh.noise.Normal(1.0), constraints.Within(low={"A": 0.0}), constraints.Within(high=10.5)

    both = sh.measure(small, noise=noise, constraints=[low, high], seed=1)["measured"]
    total = sh.measure(small, noise=noise, constraints=[constraints.Total(["A", "B"], 30), low, high], seed=1)[
        "measured"
    ]

    assert (both.sel(observable="A") >= 0).all() and (both <= 10.5).all() and (both < 0).any()
    np.testing.assert_allclose(total.sum("observable"), 30)


def test_a_range_that_noise_does_not_reach_is_refused(small):
    with pytest.raises(DataError, match="Noise does not bring A into its range in 20 tries.*sh.constraints.Bounds"):
        sh.measure(small, constraints=constraints.Within(low=100, tries=20), seed=1)


def test_constraints_come_in_their_order_and_before_the_limits(small):
    bounds, total = constraints.Bounds(high=4), constraints.Total(["A", "B"], to=10)

    first = sh.measure(small, constraints=[bounds, total], seed=1)["measured"]
    last = sh.measure(small, constraints=[total, bounds], limits=sh.Limits(high=3), seed=1)

    np.testing.assert_allclose(first.sum("observable"), 10)
    assert (first > 4).any() and (last["measured"] <= 3).all() and (last["censored"] == 1).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constraints.Bounds(), "Bounds needs low, high or both"),
        (lambda: constraints.Within(3, 2), "low must not be above high, got 3 and 2"),
        (lambda: constraints.Within(3, tries=0), "tries must be a whole number"),
        (lambda: constraints.Total("A"), "two or more different observables"),
        (lambda: constraints.Total(["A", "A"]), "two or more different observables"),
        (lambda: constraints.Total(["A", "B"], to=-1), "to must be a finite number, 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_sum_of_what_is_not_measured_is_refused(small):
    with pytest.raises(UnknownName, match="No observable 'C' in the assay"):
        sh.measure(small, constraints=constraints.Total(["A", "C"]), seed=1)
