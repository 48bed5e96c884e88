"""What every forecaster promises: it sees only measurements, takes any gap, and is the same tomorrow."""

import dataclasses
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.errors import DataError, SourceNotFound, UnknownName


def scrambled(data, seed=9):
    """The same measurements, with everything else another."""
    rng = np.random.default_rng(seed)
    changed = data.copy(deep=True)
    for name in ("truth", "readout", "parameters"):
        changed[name] = changed[name].copy(data=rng.normal(size=changed[name].shape))
    return changed.assign_attrs(sbml="none", model_hash="0", model_id="none")


def test_nothing_but_measurements_changes_a_forecast_by_a_bit(kind, learned, small, train, test, sizes):
    origin = 12
    history = test.isel(time=slice(0, origin))
    forecast = learned(kind).predict(history)

    again = small[kind].fit(scrambled(train), **sizes, seed=3)
    future = scrambled(test)
    future["measured"] = future["measured"].where(future["time"] < test["time"][origin], -1e9)

    np.testing.assert_array_equal(again.predict(future.isel(time=slice(0, origin)))["forecast"], forecast["forecast"])


def test_points_before_the_lookback_are_not_looked_at(kind, learned, test):
    fitted = learned(kind)
    whole, cut = test.isel(time=slice(0, 15)), test.isel(time=slice(15 - fitted.lookback, 15))

    np.testing.assert_array_equal(fitted.predict(whole)["forecast"], fitted.predict(cut)["forecast"])


@given(keep=st.floats(0, 1), seed=st.integers(0, 2**32 - 1), channel=st.sampled_from([None, 0, 1]))
def test_any_gap_in_the_history_is_taken(kind, learned, history, keep, seed, channel):
    lost = np.random.default_rng(seed).random(history["measured"].shape) > keep
    if channel is not None:
        lost[..., channel] = True
    gaps = history.assign(measured=history["measured"].where(~lost))

    forecast = learned(kind).predict(gaps)["forecast"]

    assert np.isfinite(forecast).all()
    assert (forecast >= 0).all()


def test_a_saved_forecaster_forecasts_what_it_forecast(kind, learned, history, tmp_path):
    fitted = learned(kind)

    fitted.save(tmp_path / "kept")
    loaded = sh.load_forecaster(tmp_path / "kept")

    np.testing.assert_array_equal(loaded.predict(history)["forecast"], fitted.predict(history)["forecast"])
    assert (loaded.lookback, loaded.horizon, loaded.channels) == (fitted.lookback, fitted.horizon, ("A", "B"))
    assert json.loads((tmp_path / "kept" / "forecaster.json").read_text())["kind"] == type(fitted.forecaster).__name__


FRESH = """
import sys
import numpy as np
import sbml_hybrid as sh
folder = sys.argv[1]
history = sh.open(folder + "/history.zarr")
for i in range(int(sys.argv[2])):
    np.save(f"{folder}/{i}.npy", sh.load_forecaster(f"{folder}/{i}").predict(history)["forecast"].values)
"""


def test_a_fresh_process_forecasts_the_same_to_the_last_bit(learned, small, history, tmp_path):
    sh.save(history, tmp_path / "history.zarr")
    for i, kind in enumerate(small):
        learned(kind).save(tmp_path / str(i))

    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path), str(len(small))], check=True, capture_output=True)

    for i, kind in enumerate(small):
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}.npy"), learned(kind).predict(history)["forecast"], kind)


@pytest.mark.parametrize("one", ["RandomForest", "Residual, estimated"])
def test_learning_touches_neither_the_settings_nor_the_global_generators(one, small, train, sizes):
    config = small[one]
    before = dataclasses.replace(config)
    state = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002 (it is the global one that we watch)

    config.fit(train.isel(trajectory=slice(0, 8)), **sizes)

    assert config == before
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state  # noqa: NPY002


def test_by_default_the_next_points_are_forecast(kind, learned, history):
    fitted = learned(kind)

    forecast = fitted.predict(history)

    assert forecast["forecast"].dims == ("trajectory", "time", "observable")
    assert forecast["time"].values.tolist() == [12.0, 13.0, 14.0, 15.0, 16.0]
    np.testing.assert_array_equal(forecast["trajectory"], history["trajectory"])
    asked = fitted.predict(history, times=[12.0, 13.0, 14.0, 15.0, 16.0])
    np.testing.assert_array_equal(asked["forecast"], forecast["forecast"])


def test_any_times_can_be_asked_for(kind, learned, history):
    fitted = learned(kind)

    forecast = fitted.predict(history, times=[11.3, 12.0, 12.1, 15.99, 40.0])

    assert np.isfinite(forecast["forecast"]).all()
    np.testing.assert_allclose(
        forecast["forecast"].sel(time=12.0), fitted.predict(history)["forecast"].sel(time=12.0), rtol=1e-4, atol=1e-4
    )


def test_each_replicate_is_a_series_of_its_own(kind, learned, history):
    doubled = history.drop_vars(["truth", "readout"]).assign(
        measured=history["measured"].expand_dims(replicate=["a", "b"], axis=1).copy(deep=True)
    )
    doubled["measured"].loc[{"replicate": "b"}] = doubled["measured"].sel(replicate="b").values[::-1]
    fitted = learned(kind)

    forecast = fitted.predict(doubled)["forecast"]

    assert forecast.dims == ("trajectory", "replicate", "time", "observable")
    alone = fitted.predict(history)["forecast"]
    np.testing.assert_allclose(forecast.sel(replicate="a"), alone, rtol=1e-4)
    np.testing.assert_allclose(forecast.sel(replicate="b"), alone[::-1], rtol=1e-4)


def test_the_order_of_observables_does_not_matter(kind, learned, history):
    turned = learned(kind).predict(history.isel(observable=[1, 0]))

    np.testing.assert_array_equal(turned["forecast"], learned(kind).predict(history)["forecast"])


def test_trajectories_with_times_of_their_own_are_forecast_at_times_of_their_own(kind, learned, history):
    times = history["time"].values + np.linspace(0, 1, history.sizes["trajectory"])[:, None]
    own = history.drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), times))

    forecast = learned(kind).predict(own)

    assert forecast["forecast"].dims == ("trajectory", "sample", "observable")
    np.testing.assert_allclose(forecast["time"], times[:, -1:] + np.arange(1, 6))
    assert np.isfinite(forecast["forecast"]).all()


@pytest.mark.parametrize("one", ["Ridge", "MLP"])
def test_an_input_declared_known_is_needed_and_used(one, small, train, history, sizes):
    fitted = small[one].fit(visible(train, known=["k1"]), **sizes)

    forecast = fitted.predict(history)["forecast"]

    assert fitted.inputs == ("k1",)
    other = history.copy(deep=True)
    other["parameters"].loc[{"parameter": "k1"}] *= 1.2
    assert (fitted.predict(other)["forecast"] != forecast).any()
    with pytest.raises(UnknownName, match="No input 'k1'"):
        fitted.predict(history.drop_vars("parameters"))


def test_what_can_be_negative_is_not_clipped(train, history, sizes):
    shifted = [
        data.assign(measured=data["measured"] - 100.0).assign_coords(nonnegative=("observable", [False, False]))
        for data in (train, history)
    ]

    forecast = sh.Ridge().fit(shifted[0], **sizes).predict(shifted[1])["forecast"]

    assert (forecast < 0).any()


@pytest.mark.parametrize("one", ["Ridge", "RandomForest", "MLP"])
def test_an_observable_measured_at_the_start_only_is_forecast_all_the_same(one, small, train, history, sizes):
    sparse = train.assign(measured=train["measured"].where((train["observable"] != "B") | (train["time"] < 2)))

    forecast = small[one].fit(sparse, **sizes).predict(history)["forecast"]

    assert np.isfinite(forecast).all()


def test_a_failed_trajectory_teaches_nothing(train, history, sizes):
    status = np.zeros(train.sizes["trajectory"], np.int8)
    status[:3] = 1
    failed = train.assign(status=("trajectory", status, train["status"].attrs))
    failed["measured"] = failed["measured"].where(failed["status"] == 0)

    fits = [sh.Ridge().fit(data, **sizes) for data in (failed, train.isel(trajectory=slice(3, None)))]

    np.testing.assert_array_equal(*(fitted.predict(history)["forecast"] for fitted in fits))


# -- bad input: one clear message each -------------------------------------------------------------


def test_an_observable_that_the_history_lacks_is_named(learned, history):
    with pytest.raises(UnknownName, match="No observable 'B' in the history"):
        learned("Ridge").predict(history.isel(observable=[0]))


@pytest.mark.parametrize("times", [[11.0], [5.0, 13.0]])
def test_times_within_the_history_are_refused(learned, history, times):
    with pytest.raises(ValueError, match="times must lie after the history, which ends at 11; got"):
        learned("Ridge").predict(history, times=times)


@pytest.mark.parametrize("times", [[], [[12.0]], [np.nan]])
def test_times_must_be_a_list_of_numbers(learned, history, times):
    with pytest.raises(ValueError, match="times must be a list of one or more numbers"):
        learned("Ridge").predict(history, times=times)


def test_an_observable_that_was_never_measured_is_named(train, sizes):
    blind = train.assign(measured=train["measured"].where(train["observable"] != "B"))

    with pytest.raises(DataError, match="B: never measured in the training data"):
        sh.Ridge().fit(blind, **sizes)


def test_a_series_too_short_is_refused(train):
    with pytest.raises(DataError, match="lookback 20 [+] horizon 6 = 26 time points, but trajectories have 25"):
        sh.Persistence().fit(train, lookback=20, horizon=6)


@pytest.mark.parametrize("seed", [-1, 0.5, "a"])
def test_a_seed_is_a_whole_number(train, sizes, seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        sh.Persistence().fit(train, **sizes, seed=seed)


def test_what_is_there_is_never_overwritten_unasked(learned, tmp_path):
    fitted = learned("Persistence")
    fitted.save(tmp_path / "kept")
    (tmp_path / "notes").mkdir()

    with pytest.raises(FileExistsError, match="overwrite=True"):
        fitted.save(tmp_path / "kept")
    fitted.save(tmp_path / "kept", overwrite=True)
    with pytest.raises(FileExistsError, match="something else than a forecaster"):
        fitted.save(tmp_path / "notes", overwrite=True)


def test_a_place_without_a_forecaster_is_named(tmp_path):
    with pytest.raises(SourceNotFound, match="There is no forecaster at .*nowhere"):
        sh.load_forecaster(tmp_path / "nowhere")


def test_half_a_forecaster_is_told(learned, tmp_path):
    learned("Persistence").save(tmp_path / "kept")
    (tmp_path / "kept" / "fitted.pkl").write_bytes(b"half")

    with pytest.raises(DataError, match="cannot be opened here"):
        sh.load_forecaster(tmp_path / "kept")


def test_a_forecaster_of_a_package_that_is_not_installed_is_named(learned, tmp_path):
    path = learned("Persistence").save(tmp_path / "kept")
    card = json.loads((path / "forecaster.json").read_text())
    (path / "forecaster.json").write_text(json.dumps(card | {"kind": "Oracle", "module": "elsewhere.oracle"}))

    with pytest.raises(UnknownName, match="No installed forecaster 'Oracle'"):
        sh.load_forecaster(path)
