"""Gaps leave out the share that they claim, where they say, and compose."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.measurement.gaps import KINDS, gap_from_dict, is_random
from sbml_hybrid.measurement.settings import to_dict

gaps = sh.gaps
NAMES = ["A", "B", "C"]
TIMES = np.linspace(0, 30, 31)
ONE_OF_EACH = [
    gaps.RandomFraction(0.6),
    gaps.Schedule([0, 5, 15, 30]),
    gaps.Intervals([(3, 6), (20, 25)]),
    gaps.Panels({("A", "B"): [0, 5, 10], "C": [0, 30]}),
    gaps.Destructive(),
    gaps.Destructive([0, 10, 30]),
    gaps.DropOut(probability=0.4),
    gaps.DropOut(rate=0.05),
    gaps.Tail(after=20),
    gaps.Tail(share=0.3),
    gaps.Plateau(tolerance=0.05, points=5),
    gaps.KeepExtremes(3),
    gaps.KeepExtremes(2, others=gaps.RandomFraction(0.2)),
    gaps.BelowLimit(0.5),
    gaps.BelowLimit({"A": 0.2, "C": 1.5}),
]


def a_series(seed=0, times=TIMES):
    return np.random.default_rng(seed).lognormal(size=(len(times), len(NAMES)))


def kept(gap, values=None, times=TIMES, seed=0):
    values = a_series(times=times) if values is None else values
    return gap.kept(values, times, NAMES[: values.shape[-1]], np.random.default_rng(seed))


def missing_shares(gap, series=4000, times=TIMES):
    """Missing share of each of many series of their own (series,)."""
    rng = np.random.default_rng(7)
    return np.array([1 - gap.kept(a_series(times=times), times, NAMES, rng).mean() for _ in range(series)])


def test_every_kind_is_tested_here():
    assert {type(gap) for gap in ONE_OF_EACH} == set(KINDS)


@pytest.mark.parametrize("gap", ONE_OF_EACH, ids=repr)
def test_a_gap_comes_back_from_its_description_in_json(gap):
    assert gap_from_dict(json.loads(json.dumps(to_dict(gap)))) == gap
    assert hash(gap_from_dict(to_dict(gap))) == hash(gap)


@pytest.mark.parametrize("gap", ONE_OF_EACH, ids=repr)
def test_a_gap_answers_for_every_point_and_leaves_the_values_alone(gap):
    values = a_series()
    before = values.copy()

    answer = kept(gap, values)

    assert answer.shape == values.shape and answer.dtype == bool
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("gap", [gap for gap in ONE_OF_EACH if not is_random(gap)], ids=repr)
def test_many_series_at_once_are_what_each_is_alone(gap):
    block = np.stack([[a_series(seed) for seed in (row, row + 10)] for row in range(3)])

    together = gap.kept(block, TIMES, NAMES, None)

    for at in np.ndindex(3, 2):
        np.testing.assert_array_equal(together[at], gap.kept(block[at], TIMES, NAMES, None))


# -- the share that is missing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "share"),
    [
        (gaps.RandomFraction(0.3), 0.7),
        (gaps.RandomFraction(1.0), 0.0),
        (gaps.Schedule([0, 5, 15, 30]), 1 - 4 / 31),
        (gaps.Intervals([(3, 6), (20, 25)]), 10 / 31),
        (gaps.Panels({("A", "B"): [0, 5, 10], "C": [0, 30]}), 1 - (3 + 3 + 2) / 93),
        (gaps.Panels({"C": [0, 30]}), 29 / 93),
        (gaps.Destructive(), 30 / 31),
        (gaps.Destructive([0, 10]), 30 / 31),
        (gaps.DropOut(probability=0.4), 0.2),
        (gaps.DropOut(probability=0.0), 0.0),
        (gaps.DropOut(rate=0.05), (1 - np.exp(-0.05 * TIMES)).mean()),
        (gaps.Tail(after=20), 10 / 31),
        (gaps.Tail(share=0.3), 9 / 31),
        (gaps.KeepExtremes(3), 25 / 31),
        (gaps.KeepExtremes(3, others=gaps.RandomFraction(0.2)), 25 / 31 * 0.8),
        (gaps.KeepExtremes(16), 0.0),
    ],
    ids=repr,
)
def test_the_missing_share_is_the_one_that_is_claimed(gap, share):
    """Within 5 standard errors over 4000 series, exactly where nothing is random: about 1 failure in 10^6 seeds."""
    shares = missing_shares(gap)

    assert abs(shares.mean() - share) <= 5 * shares.std() / np.sqrt(len(shares)) + 1e-12


@given(share=st.floats(0, 1), points=st.integers(1, 60))
def test_a_tail_is_at_most_its_share_and_less_than_a_point_short_of_it(share, points):
    left = kept(gaps.Tail(share=share), np.ones((points, 1)), np.arange(points, dtype=float)).ravel()

    missing = (~left).sum()
    assert share * points - 1 < missing <= share * points + 1e-6
    assert left[: points - missing].all()


def test_a_share_that_is_whole_points_but_for_rounding_is_these_points():
    assert 0.29 * 100 < 29  # in floating point
    assert (~kept(gaps.Tail(share=0.29), np.ones((100, 1)), np.arange(100.0))).sum() == 29


def test_lost_series_are_lost_for_good_and_never_at_their_start():
    rng = np.random.default_rng(3)
    for gap in (gaps.DropOut(probability=1.0), gaps.DropOut(rate=0.5)):
        for _ in range(200):
            left = gap.kept(a_series(), TIMES, NAMES, rng)
            assert left[0].all()
            assert (np.diff(left.astype(int), axis=0) <= 0).all()
            assert (left == left[:, :1]).all()


def test_the_time_of_a_loss_is_uniform():
    """Kolmogorov-Smirnov of 20 000 series at 1e-4: 1 failure in 10^4 seeds; times 0.25 % apart hide no more."""
    from scipy import stats

    times = np.linspace(5, 9, 401)
    left = gaps.DropOut(1.0).kept(np.ones((20_000, 401, 1)), times, ["A"], np.random.default_rng(4))
    last = times[left[:, :, 0].sum(axis=1) - 1]

    assert stats.kstest(last, stats.uniform(5, 4).cdf).pvalue > 1e-4


def test_a_destructive_assay_reads_all_observables_once_and_any_time_alike():
    """A chi-squared test at 1e-4: 1 failure in 10^4 seeds."""
    from scipy import stats

    rng, count = np.random.default_rng(5), np.zeros(31)
    for _ in range(6200):
        left = gaps.Destructive().kept(a_series(), TIMES, NAMES, rng)
        assert left.any(axis=1).sum() == 1 and left.sum() == len(NAMES)
        count += left[:, 0]

    assert stats.chisquare(count).pvalue > 1e-4


def test_a_destructive_assay_can_be_told_its_times():
    chosen = {TIMES[kept(gaps.Destructive([0, 10]), seed=seed)[:, 0]].item() for seed in range(40)}

    assert chosen == {0, 10}


def test_the_ends_of_an_interval_are_in_it():
    left = kept(gaps.Intervals([(3, 6)]))

    assert TIMES[~left[:, 0]].tolist() == [3, 4, 5, 6]


def test_panels_measure_what_they_say_when_they_say():
    left = kept(gaps.Panels([("A", [0, 5]), (["A", "B"], [10])]))

    assert [TIMES[left[:, i]].tolist() for i in range(2)] == [[0, 5, 10], [10]]
    assert left[:, 2].all()


def test_what_is_below_the_limit_is_missing_and_the_limit_itself_is_not():
    left = kept(gaps.BelowLimit({"A": 1.0}), np.array([[0.9, 0.0], [1.0, 0.0], [np.nan, 0.0]]), TIMES[:3])

    assert left.tolist() == [[False, True], [True, True], [True, True]]


# -- defects of SimbaML's sparsifiers ------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=25),
    st.integers(1, 8),
    st.sets(st.integers(0, 24), max_size=5),
)
def test_the_extremes_that_stay_are_the_extremes(values, count, holes):
    """SimbaML slices the wrong rows here."""
    values = np.array(values)
    values[[hole for hole in holes if hole < len(values)]] = np.nan
    there = np.sort(values[~np.isnan(values)])

    left = kept(gaps.KeepExtremes(count), values[:, None], np.arange(len(values), dtype=float))[:, 0]

    expected = there if 2 * count >= len(there) else np.concatenate([there[:count], there[len(there) - count :]])
    np.testing.assert_array_equal(np.sort(values[left]), expected)


@given(rise=st.integers(1, 15), flat=st.integers(0, 15), points=st.integers(1, 12))
def test_a_plateau_is_left_out_from_its_second_point_on(rise, flat, points):
    """SimbaML's remover of constant suffixes slices the wrong rows."""
    values = np.concatenate([np.linspace(0, 1, rise, endpoint=False), np.ones(1 + flat)])[:, None]

    left = kept(gaps.Plateau(tolerance=0.01 / rise, points=points), values, np.arange(len(values), dtype=float))[:, 0]

    assert left[: rise + 1].all()
    assert left[rise + 1 :].tolist() == [flat + 1 < points] * flat


def test_a_plateau_waits_for_the_last_observable():
    values = np.stack([np.ones(20), np.minimum(np.arange(20.0), 12)], axis=1)

    assert kept(gaps.Plateau(points=3), values, np.arange(20.0)).sum(axis=0).tolist() == [13, 13]


@pytest.mark.parametrize("gap", [gap for gap in ONE_OF_EACH if is_random(gap)], ids=repr)
def test_the_seed_is_obeyed(small, gap):
    """SimbaML ignores it in a sparsifier."""
    one, same, other = (sh.measure(small, gaps=gap, seed=seed)["measured"].isnull() for seed in (1, 1, 2))

    assert one.identical(same)
    assert not one.identical(other)


@pytest.mark.parametrize("gap", ONE_OF_EACH[:3], ids=repr)
def test_every_measurement_has_its_time_in_the_dataset_and_the_table(small, gap):
    """SimbaML's sparse series have lost their times."""
    data = sh.measure(small, noise=sh.noise.Normal(0), gaps=gap, seed=1)
    table = sh.to_table(data)

    assert data["time"].values.tolist() == small["time"].values.tolist()
    places = [table[name].to_numpy() for name in ("trajectory", "time", "observable")]
    true = small["truth"].values[places[0], places[1].astype(int), (places[2] == "B").astype(int)]
    np.testing.assert_array_equal(table["value"], true)


# -- composing -----------------------------------------------------------------------------------------


def test_of_several_gaps_all_must_keep_a_point_in_any_order(small):
    both = [gaps.DropOut(0.5), gaps.RandomFraction(0.7), gaps.Schedule([0, 5, 15, 30])]

    each = [sh.measure(small, gaps=gap, seed=3)["measured"].notnull() for gap in both]
    together = sh.measure(small, gaps=both, seed=3)["measured"].notnull()

    np.testing.assert_array_equal(together, each[0] & each[1] & each[2])
    assert together.identical(sh.measure(small, gaps=both[::-1], seed=3)["measured"].notnull())


def test_two_gaps_of_one_kind_are_independent(small):
    """Within 5 standard errors of a binomial: about 1 failure in 10^6 seeds."""
    data = sh.measure(small, keep=0.5, gaps=[gaps.RandomFraction(0.5)] * 2, seed=3)

    share = float(data["measured"].notnull().mean())
    assert abs(share - 0.125) < 5 * np.sqrt(0.125 * 0.875 / data["measured"].size)


def test_a_gap_schedule_keeps_the_grid_and_the_shorthand_drops_it(small):
    short = sh.measure(small, schedule=[0, 5, 15, 30], seed=1)
    gap = sh.measure(small, gaps=gaps.Schedule([0, 5, 15, 30]), seed=1)

    assert gap["measured"].notnull().any(["trajectory", "observable"]).values.nonzero()[0].tolist() == [0, 5, 15, 30]
    assert short.sizes["time"] == 4 and gap.sizes["time"] == 31


def test_a_model_of_one_s_own_is_asked_for_each_series(small):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class FirstOnly:
        def kept(self, values, times, names, rng):
            assert values.shape == (31, 2) and times.shape == (31,)
            return (times == times[0])[:, None] & np.ones(values.shape, bool)

    data = sh.measure(small, gaps=FirstOnly(), seed=1)

    assert data["measured"].count() == small.sizes["trajectory"] * 2


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gaps.RandomFraction(0), "keep must be above 0 and at most 1, got 0"),
        (lambda: gaps.Schedule([]), "times must be one or more numbers"),
        (lambda: gaps.Intervals([(5, 3)]), "start before end"),
        (lambda: gaps.Schedule("0, 5, 15, 30 min"), "times must be one or more numbers.*got '0, 5, 15, 30 min'"),
        (lambda: gaps.Intervals((5, 8)), r"must be pairs such as \[\(10, 20\)\].*got \(5, 8\)"),
        (lambda: gaps.Panels({}), "panels must say what is measured when"),
        (lambda: gaps.Panels("AB"), "panels must say what is measured when.*got 'AB'"),
        (lambda: gaps.RandomFraction("0.5"), "keep must be above 0 and at most 1, got '0.5'"),
        (lambda: gaps.DropOut(rate="fast"), "rate must be zero or more, got 'fast'"),
        (lambda: gaps.Tail(after="noon"), "after must be a time, got 'noon'"),
        (lambda: gaps.KeepExtremes(2, others="all"), "others takes models of missing points .*got 'all'"),
        (lambda: gaps.BelowLimit(None), "needs a limit"),
        (lambda: gaps.DropOut(), "a probability or a rate, and not both"),
        (lambda: gaps.DropOut(0.1, 0.1), "a probability or a rate, and not both"),
        (lambda: gaps.DropOut(1.1), "between 0 and 1, got 1.1"),
        (lambda: gaps.DropOut(rate=-1), "rate must be zero or more, got -1"),
        (lambda: gaps.Tail(), "and not both"),
        (lambda: gaps.Tail(share=2), "between 0 and 1, got 2"),
        (lambda: gaps.Plateau(points=0), "points must be a whole number"),
        (lambda: gaps.KeepExtremes(0), "count must be a whole number"),
        (lambda: gaps.BelowLimit(float("nan")), "limit must be a finite number"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_times_that_were_not_simulated_and_unknown_observables_are_refused(small):
    for gap in (gaps.Schedule([0.5]), gaps.Panels({"A": [0.5]}), gaps.Destructive([0.5])):
        with pytest.raises(DataError, match="time 0.5, which was not simulated"):
            sh.measure(small, gaps=gap, seed=1)
    for gap in (gaps.Panels({"a": [0]}), gaps.BelowLimit({"a": 1})):
        with pytest.raises(UnknownName, match="No observable 'a' in the assay. Did you mean 'A'"):
            sh.measure(small, gaps=gap, seed=1)


def test_an_unknown_kind_or_setting_is_refused_with_the_closest_name():
    with pytest.raises(UnknownName, match="No gap model 'drop-outs' in sh.gaps. Did you mean 'DropOut'"):
        gap_from_dict({"kind": "drop-outs"})
    with pytest.raises(UnknownName, match="No setting 'probabilty' in DropOut. Did you mean 'probability'"):
        gap_from_dict({"kind": "drop-out", "probabilty": 0.1})
