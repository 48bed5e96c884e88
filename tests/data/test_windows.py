"""Windows are what stands in the dataset, cut at every origin, gaps and all."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.data.windows import histories, origins, windows
from sbml_hybrid.errors import DataError


def dataset(trajectories=3, times=12, channels=2, replicates=0, missing=0.0, seed=0):
    """Measurements that are all different, so that each can be told from any other."""
    rng = np.random.default_rng(seed)
    shape = (trajectories, *([replicates] if replicates else []), times, channels)
    measured = rng.permutation(float(np.prod(shape)) + np.arange(np.prod(shape))).reshape(shape)
    measured[rng.random(shape) < missing] = np.nan
    dims = ("trajectory", *(["replicate"] if replicates else []), "time", "observable")
    coords = {
        "trajectory": [f"plate {i}" for i in range(trajectories)],
        "draw": ("trajectory", np.arange(trajectories) // 2),
        "time": np.cumsum(rng.uniform(0.5, 2, times)),
        "observable": [f"y{c}" for c in range(channels)],
    }
    if replicates:
        coords["replicate"] = [f"r{i}" for i in range(replicates)]
    return xr.Dataset({"measured": (dims, measured)}, coords)


@given(n_times=st.integers(1, 60), lookback=st.integers(1, 20), horizon=st.integers(1, 20))
def test_every_origin_has_its_lookback_behind_and_its_horizon_ahead(n_times, lookback, horizon):
    found = origins(n_times, lookback, horizon)

    assert all(lookback - 1 <= origin < n_times - horizon for origin in found)
    assert (np.diff(found) == horizon).all()
    assert bool(len(found)) == (lookback + horizon <= n_times)
    if len(found):
        assert found[0] == lookback - 1
        assert found[-1] + 2 * horizon >= n_times


@given(
    lookback=st.integers(1, 6), horizon=st.integers(1, 6), stride=st.integers(1, 4), replicates=st.sampled_from([0, 2])
)
def test_each_window_is_what_the_dataset_holds_at_its_labels(lookback, horizon, stride, replicates):
    data = dataset(replicates=replicates, missing=0.3)

    cut = windows(data, lookback, horizon, stride)

    assert len(cut) == 3 * max(replicates, 1) * len(range(lookback - 1, 12 - horizon, stride))
    for i in range(0, len(cut), 3):
        series = data["measured"].sel(trajectory=cut.trajectory[i])
        if replicates:
            series = series.sel(replicate=cut.replicate[i])
        seen = slice(cut.origin[i] - lookback + 1, cut.origin[i] + 1)
        ahead = slice(cut.origin[i] + 1, cut.origin[i] + 1 + horizon)
        np.testing.assert_array_equal(cut.values[i], series[seen])
        np.testing.assert_array_equal(cut.target[i], series[ahead])
        np.testing.assert_array_equal(cut.times[i], data["time"][seen])
        np.testing.assert_array_equal(cut.query_times[i], data["time"][ahead])
        assert cut.draw[i] == data["draw"].sel(trajectory=cut.trajectory[i])


@given(at_most=st.integers(1, 40))
def test_too_many_windows_are_thinned_evenly(at_most):
    data = dataset()

    cut = windows(data, 4, 3, at_most=at_most)

    assert len(cut) <= max(at_most, 3)
    assert set(cut.trajectory) == set(data["trajectory"].values)
    assert len(set(np.diff(cut.origin[cut.trajectory == "plate 1"]))) <= 1
    assert len(cut) == 18 or at_most < 18


def test_the_order_of_dimensions_does_not_matter():
    data = dataset(replicates=2)

    turned = windows(data.transpose("observable", "time", "replicate", "trajectory"), 4, 3)

    np.testing.assert_array_equal(turned.values, windows(data, 4, 3).values)


def test_known_inputs_and_limits_go_with_their_series():
    data = (
        dataset()
        .assign(
            known=(("trajectory", "input"), np.array([[1.0], [2.0], [3.0]])),
            censored=(("trajectory", "time", "observable"), np.arange(72).reshape(3, 12, 2) % 3 - 1),
        )
        .assign_coords(input=["dose"])
    )

    cut = windows(data, 4, 3)

    assert cut.inputs == ("dose",)
    assert cut.static[cut.trajectory == "plate 1"].tolist() == [[2.0]] * 6
    np.testing.assert_array_equal(cut.censored[0], data["censored"][0, :4])


def test_a_series_that_ends_early_gives_only_whole_windows():
    own_times = np.stack([np.arange(12.0), np.r_[np.arange(7.0), np.full(5, np.nan)], np.arange(12.0)])
    data = dataset().drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), own_times))

    cut = windows(data, 4, 3)

    assert np.isfinite(cut.times).all()
    assert np.isfinite(cut.query_times).all()
    assert [int((cut.trajectory == f"plate {i}").sum()) for i in range(3)] == [6, 1, 6]


def test_a_history_is_the_end_of_each_series():
    data = dataset(replicates=2, missing=0.3)

    past = histories(data, 5)

    np.testing.assert_array_equal(past.values, data["measured"].values[:, :, -5:].reshape(6, 5, 2))
    np.testing.assert_array_equal(past.times[3], data["time"][-5:])
    assert past.target.shape == (6, 0, 2)


def test_a_series_shorter_than_the_lookback_is_led_by_points_that_were_not_measured():
    own_times = np.stack([np.arange(12.0), np.r_[5.0, 6.0, np.full(10, np.nan)], np.arange(12.0)])
    data = dataset().drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), own_times))

    past = histories(data, 4)

    assert np.isnan(past.values[1, :2]).all()
    np.testing.assert_array_equal(past.values[1, 2:], data["measured"][1, :2])
    assert past.times[1].tolist() == [5.0, 5.0, 5.0, 6.0]


def test_a_lookback_longer_than_the_series_is_refused_in_so_many_words():
    message = "lookback 10 [+] horizon 3 = 13 time points, but trajectories have 12. Shorten one, or simulate longer."

    with pytest.raises(DataError, match=message):
        windows(dataset(), 10, 3)


def test_a_history_that_is_too_short_is_refused():
    with pytest.raises(DataError, match="The history has 12 time points, but this forecaster looks back on 13"):
        histories(dataset(), 13)


@pytest.mark.parametrize("lengths", [(0, 3), (4, 0), (4, 2.5), (-1, 3)])
def test_lengths_are_counts_of_points(lengths):
    with pytest.raises(ValueError, match="must be a whole number of time points, one or more"):
        windows(dataset(), *lengths)
