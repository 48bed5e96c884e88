"""Effects belong to the label of a batch, a well or a replicate; places and scales belong to labels too."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.data.units import units_of
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.effects import KINDS, effect_from_dict
from sbml_hybrid.measurement.settings import to_dict

effects = sh.effects
EXACT = sh.noise.Normal(0)


def factors(data):
    """Measured over readout where there is something to read (trajectory, [replicate,] time, observable)."""
    return (data["measured"] / data["readout"].where(data["readout"] > 0.01)).transpose(*data["measured"].dims).values


def constant_over_time(ratio):
    spread = np.nanmax(ratio, axis=-2) - np.nanmin(ratio, axis=-2)
    return bool((spread < 1e-9).all())


# -- places --------------------------------------------------------------------------------------------


@given(
    batches=st.integers(1, 5),
    wells=st.sampled_from([5, 6, 24, 96, 384]),
    order=st.sampled_from(["random", "in turn"]),
    seed=st.integers(0, 2**32 - 1),
    rows=st.randoms(use_true_random=False),
)
def test_every_trajectory_has_a_well_of_its_own_by_its_label(batches, wells, order, seed, rows):
    plates, labels = sh.Plates(batches, wells, order), np.arange(batches * wells)
    some = np.array(rows.sample(labels.tolist(), len(labels) // 2))

    batch, well = plates.places(labels, seed)

    assert len(set(zip(batch.tolist(), well.tolist(), strict=True))) == len(labels)
    assert set(batch.tolist()) == set(range(batches))
    for whole, part in zip((batch, well), plates.places(some, seed), strict=True):
        np.testing.assert_array_equal(part, whole[some])


def test_wells_are_called_as_on_the_plate():
    wells = sh.Plates(1, 1536, "in turn").places(np.arange(1536), 0)[1]

    assert wells[[0, 47, 48, 26 * 48, 1535]].tolist() == ["A1", "A48", "B1", "AA1", "AF48"]
    assert sh.Plates(1, 96, "in turn").places(np.arange(96), 0)[1][[11, 12, 95]].tolist() == ["A12", "B1", "H12"]
    assert sh.Plates(1, 5, "in turn").places(np.arange(5), 0)[1].tolist() == ["1", "2", "3", "4", "5"]


def test_places_are_coordinates_and_random_ones_follow_the_seed(small):
    one, same, other = (sh.measure(small, plates=sh.Plates(3, 24), seed=seed) for seed in (1, 1, 2))

    assert one["batch"].dims == one["well"].dims == ("trajectory",)
    assert one["batch"].identical(same["batch"]) and not one["batch"].equals(other["batch"])
    np.testing.assert_array_equal(one["measured"], sh.measure(small, seed=1)["measured"])


def test_a_trajectory_without_a_well_is_refused(small):
    with pytest.raises(
        DataError, match=r"Trajectory 39 has no well: 2 x 12 wells are for the labels 0 to 23\. Try more"
    ):
        sh.measure(small, plates=sh.Plates(2, 12), seed=1)
    with pytest.raises(DataError, match="these have names. Say their places: truth.assign_coords"):
        sh.measure(small.assign_coords(trajectory=[f"t{i}" for i in range(40)]), plates=sh.Plates(), seed=1)


# -- effects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_comes_back_from_its_description_in_json(kind):
    for effect in (kind(0.1), kind(cv={"A": 0.2}, sd=0.3, shared=True)):
        assert effect_from_dict(json.loads(json.dumps(to_dict(effect)))) == effect


def test_a_batch_shares_its_factor_and_each_observable_has_its_own(small):
    data = sh.measure(small, noise=EXACT, plates=sh.Plates(4, 24), effects=effects.Batch(cv=0.3), seed=1)

    ratio = factors(data)
    assert constant_over_time(ratio)
    middle = np.nanmedian(ratio, axis=1).round(9)
    for batch in range(4):
        assert len(np.unique(middle[data["batch"] == batch], axis=0)) == 1
    assert len(np.unique(middle)) == 8


def test_wells_and_replicates_have_factors_of_their_own(small):
    where = {"noise": EXACT, "plates": sh.Plates(4, 24), "replicates": 3, "seed": 1}

    well = np.nanmedian(factors(sh.measure(small, effects=effects.Well(0.3), **where)), axis=2).round(9)
    replicate = np.nanmedian(factors(sh.measure(small, effects=effects.Replicate(0.3), **where)), axis=2).round(9)

    assert (well == well[:, :1]).all() and len(np.unique(well[:, 0, 0])) == 40
    assert len(np.unique(replicate)) == 40 * 3 * 2


def test_a_shared_factor_is_one_for_all_observables(small):
    data = sh.measure(small, noise=EXACT, effects=effects.Replicate(cv=0.3, shared=True), seed=1)

    ratio = np.nanmedian(factors(data), axis=1)
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1])


def test_factors_have_mean_one_and_the_cv_that_was_asked_for_and_shifts_their_sd():
    """Within 5 standard errors of 20 000 draws: about 1 failure in 10^6 seeds."""
    rng = np.random.default_rng(1)
    drawn = np.stack([effects.Batch(cv={"A": 0.3}, sd=2.0).draw(rng, ["A", "B"]) for _ in range(20_000)])

    factor, shift = drawn[:, 0, 0], drawn[:, 1, 1]
    assert abs(factor.mean() - 1) < 5 * 0.3 / np.sqrt(20_000)
    assert factor.std() == pytest.approx(0.3, rel=0.05) and (factor > 0).all()
    assert (drawn[:, 0, 1] == 1).all()
    assert abs(shift.mean()) < 5 * 2 / np.sqrt(20_000) and shift.std() == pytest.approx(2.0, rel=0.03)


def test_factors_and_shifts_are_as_likely_as_lognormal_and_normal_noise_say():
    """Chi-squared of a histogram of 20 000 draws against the integrated density, each at 1e-4."""
    from scipy import stats

    rng = np.random.default_rng(2)
    drawn = np.stack([effects.Well(cv=0.4, sd=3.0).draw(rng, ["A"])[:, 0] for _ in range(20_000)])

    of_factor, of_shift = (sh.noise.Lognormal(0.4), 1.0, (0.4, 2.4)), (sh.noise.Normal(3), 0.0, (-7, 7))
    for values, (noise, center, ends) in zip(drawn.T, (of_factor, of_shift), strict=True):
        edges = np.linspace(*ends, 25)
        inside = np.linspace(edges[:-1], edges[1:], 201)
        shares = np.trapezoid(np.exp(noise.log_density(inside, center)), inside, axis=0)
        counts = np.histogram(values, edges)[0]
        expected = np.append(shares, 1 - shares.sum()) * len(values)
        assert stats.chisquare(np.append(counts, len(values) - counts.sum()), expected).pvalue > 1e-4


def test_an_additive_effect_shifts_a_series_as_a_whole(small):
    data = sh.measure(small, noise=EXACT, effects=effects.Replicate(sd={"B": 0.5}), seed=1)

    shift = (data["measured"] - data["readout"]).values
    np.testing.assert_allclose(shift, shift[:, :1].repeat(31, axis=1), atol=1e-12)
    assert (shift[..., 0] == 0).all() and len(np.unique(shift[:, 0, 1])) == 40


def test_an_effect_leaves_the_others_and_the_noise_as_they_are(small):
    where = {"plates": sh.Plates(4, 24), "noise": EXACT, "seed": 1}
    batch, well, again = effects.Batch(0.2), effects.Well(0.1), effects.Batch(0.3)

    each = [factors(sh.measure(small, effects=one, **where)) for one in (batch, well)]
    both = factors(sh.measure(small, effects=[well, batch], **where))
    twice = factors(sh.measure(small, effects=[batch, again], **where)) / each[0]

    np.testing.assert_allclose(both, each[0] * each[1], rtol=1e-9)
    one, other = (np.log(np.nanmedian(x, axis=1)) for x in (each[0], twice))
    assert not np.allclose(np.argsort(one[:, 0]), np.argsort(other[:, 0]))


def test_batches_of_the_data_s_own_serve_and_missing_ones_are_refused(small):
    own = small.assign_coords(batch=("trajectory", ["monday", "tuesday"] * 20))

    ratio = np.nanmedian(factors(sh.measure(own, noise=EXACT, effects=effects.Batch(0.2), seed=1)), axis=1)

    assert len(np.unique(ratio[:, 0].round(9))) == 2
    with pytest.raises(DataError, match="have no batch, and a batch is asked for. Try plates=sh.Plates"):
        sh.measure(small, effects=effects.Batch(0.2), seed=1)
    with pytest.raises(DataError, match="have no well, and a well is asked for"):
        sh.measure(own, effects=effects.Well(0.2), seed=1)


def test_an_effect_out_of_range_or_unknown_is_refused():
    with pytest.raises(ValueError, match=r"cv must be a finite number, 0 or more.* got -0\.1"):
        effects.Batch(cv=-0.1)
    with pytest.raises(UnknownName, match="Did you mean 'Well'"):
        effect_from_dict({"kind": "wel"})


# -- arbitrary units -----------------------------------------------------------------------------------


def test_arbitrary_units_are_scale_times_value_plus_offset(small):
    plain = sh.measure(small, noise=EXACT, seed=1)
    scaling = sh.Scaling(scale=200, offset=30, fold=1.5, sd=4)

    data = sh.measure(small, noise=EXACT, plates=sh.Plates(3, 24), scaling=scaling, seed=1)

    expected = plain["readout"] * data["scale"] + data["offset"]
    np.testing.assert_allclose(data["measured"], expected.transpose(*data["measured"].dims))
    np.testing.assert_array_equal(data["measured"], data["readout"])
    for name in ("scale", "offset"):
        assert data[name].dims == ("trajectory", "observable")
        assert len(np.unique(data[name])) == 3 * 2
    assert units_of(data, "measured") == units_of(data, "readout") == {"A": "a.u.", "B": "a.u."}
    sh.check(data)


def test_drawn_scales_have_their_median_and_fold(small):
    """Within 5 standard errors of 80 draws: about 1 failure in 10^6 seeds."""
    data = sh.measure(small, scaling=sh.Scaling(scale=200, fold=1.5, offset=7, sd=2, by="trajectory"), seed=3)

    shifts = (data["offset"].values.ravel() - 7) / 2
    logs = np.log(data["scale"].values.ravel() / 200) / np.log(1.5)
    assert abs(logs.mean()) < 5 / np.sqrt(80)
    assert abs(logs.std() - 1) < 5 / np.sqrt(160)
    assert abs(shifts.mean()) < 5 / np.sqrt(80) and abs(shifts.std() - 1) < 5 / np.sqrt(160)
    assert abs(np.corrcoef(logs, shifts)[0, 1]) < 5 / np.sqrt(80)


def test_only_named_observables_are_scaled_and_the_others_keep_their_units(small):
    data = sh.measure(
        small.assign(truth=small["truth"].assign_attrs(units="nM")), scaling=sh.Scaling({"B": 50.0}, 3.0), seed=1
    )

    assert units_of(data, "measured") == {"A": "nM", "B": "a.u."}
    assert (data["scale"].sel(observable="A") == 1).all() and (data["offset"].sel(observable="A") == 0).all()
    assert (data["scale"].sel(observable="B") == 50).all() and (data["offset"].sel(observable="B") == 3).all()


def test_a_known_scale_needs_no_batches_and_a_drawn_one_for_all_neither(small):
    assert (sh.measure(small, scaling=sh.Scaling(7.0), seed=1)["scale"] == 7).all()
    drawn = sh.measure(small, scaling=sh.Scaling(7.0, fold=2, by="dataset"), seed=1)["scale"]
    assert len(np.unique(drawn)) == 2
    with pytest.raises(DataError, match="have no batch"):
        sh.measure(small, scaling=sh.Scaling(7.0, fold=2), seed=1)


def test_an_offset_that_may_be_negative_takes_the_promise_away(small):
    for scaling, kept in (
        (sh.Scaling(3, 1), True),
        (sh.Scaling(3, -1), False),
        (sh.Scaling(3, 1, sd=1, by="dataset"), False),
    ):
        assert sh.measure(small, scaling=scaling, seed=1)["nonnegative"].values.all() == kept


def test_forecasters_do_not_see_the_scale(small):
    seen = visible(sh.measure(small, scaling=sh.Scaling(123.0, 45.0), seed=1))

    assert not {"scale", "offset", "readout"} & set(seen.variables)
    assert "123" not in json.dumps(dict(seen.attrs)) and "scaling" not in json.loads(seen.attrs["measurement"])


def test_limits_and_noise_are_in_arbitrary_units(small):
    data = sh.measure(small, noise=sh.noise.Normal(5), scaling=sh.Scaling(100), limits=sh.Limits(low=20), seed=1)

    error = (data["measured"] - data["readout"]).values[data["censored"].values == 0]
    assert 3 < error.std() < 7 and float(data["measured"].min()) == 20


def test_a_mechanism_is_told_that_units_are_arbitrary(small):
    from sbml_hybrid.measurement.observables import unlike

    data = sh.measure(small, scaling=sh.Scaling({"B": 2.0}), seed=1)

    assert unlike(data, "measured", sh.load(small.attrs["sbml"]), {}) == "B in arbitrary units"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0.0}, "scale must be above zero"),
        ({"scale": {"A": -1}}, "scale must be a finite number, 0 or more"),
        ({"fold": 0.5}, "fold must be a finite number, 1 or more"),
        ({"by": "plate"}, "by must be 'batch', 'trajectory' or 'dataset', got 'plate'"),
    ],
)
def test_a_scaling_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        sh.Scaling(**settings)
