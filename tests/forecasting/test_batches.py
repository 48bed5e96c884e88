"""Batches from a store are the windows of the dataset, each once an epoch, in an order that the seed decides."""

import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.data.store import open_lazily
from sbml_hybrid.data.windows import windows
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.forecasting import batches as module


@pytest.fixture
def blocks(monkeypatch):
    """Make blocks so small that there are many."""
    monkeypatch.setattr(module, "_BLOCK_BYTES", 3000)


def all_of(batches):
    every = [batches[at] for at in range(len(batches))]
    inputs = {name: np.concatenate([x[name] for x, _ in every]) for name in every[0][0]}
    return inputs, np.concatenate([target for _, target in every])


def test_unshuffled_windows_are_those_of_the_dataset(measured, blocks):
    batches = sh.batches(measured, 8, 5, size=33)
    inputs, target = all_of(batches)
    expected = windows(measured, 8, 5)

    assert len(batches.blocks) > 3
    np.testing.assert_array_equal(target, expected.target.astype(np.float32))
    np.testing.assert_array_equal(inputs["values"], np.nan_to_num(expected.values).astype(np.float32))
    np.testing.assert_array_equal(inputs["mask"], ~np.isnan(expected.values))
    origin = expected.times[:, -1:]
    np.testing.assert_allclose(inputs["times"], expected.times - origin, atol=1e-5)
    np.testing.assert_allclose(inputs["query_times"], expected.query_times - origin, atol=1e-5)


def test_every_epoch_has_each_window_once_in_an_order_of_its_own(measured, blocks):
    batches = sh.batches(measured, 8, 5, size=40, stride=4, seed=7)
    ordered = all_of(sh.batches(measured, 8, 5, size=40, stride=4))[0]["values"]
    epochs = []
    for _ in range(3):
        epochs.append(all_of(batches)[0]["values"])
        batches.on_epoch_end()

    assert not np.array_equal(epochs[0], epochs[1])
    for epoch in epochs:
        assert len(epoch) == len(ordered) // 40 * 40
        rows = {row.tobytes() for row in epoch}
        assert rows <= {row.tobytes() for row in ordered} and len(rows) == len({r.tobytes() for r in epoch})
    again = sh.batches(measured, 8, 5, size=40, stride=4, seed=7)
    np.testing.assert_array_equal(all_of(again)[0]["values"], epochs[0])
    again.on_epoch_end()
    np.testing.assert_array_equal(all_of(again)[0]["values"], epochs[1])
    assert not np.array_equal(all_of(sh.batches(measured, 8, 5, size=40, stride=4, seed=8))[0]["values"], epochs[0])


def test_batches_of_a_store_are_those_of_memory_and_load_nothing_whole(measured, blocks, tmp_path):
    sh.save(measured, tmp_path / "data.zarr")
    lazy = open_lazily(tmp_path / "data.zarr")

    stored, kept = (all_of(sh.batches(data, 8, 5, size=32)) for data in (lazy, measured))

    np.testing.assert_array_equal(stored[1], kept[1])
    for name in kept[0]:
        np.testing.assert_array_equal(stored[0][name], kept[0][name])
    assert not lazy["measured"].variable._in_memory


def test_blocks_are_whole_shards(model, tmp_path, monkeypatch):
    from sbml_hybrid.data import shards

    monkeypatch.setattr(module, "_BLOCK_BYTES", 3000)
    monkeypatch.setattr(shards, "SHARD_ROWS", 6)
    draws = sh.sample(sh.around(model, fold=1.3), 40, seed=0)
    truth = sh.simulate(model, draws, times=np.linspace(0, 24, 25), store=tmp_path / "run.zarr")

    batches = sh.batches(truth, 8, 5, variable="truth")

    assert [block[0] % 6 for block in batches.blocks] == [0] * len(batches.blocks) and len(batches.blocks) > 3


def test_a_whole_series_may_be_answered_by_its_parameters(measured):
    inputs, target = all_of(sh.batches(measured, target="parameters", size=16))

    np.testing.assert_array_equal(target, measured["parameters"].values.astype(np.float32))
    assert inputs["values"].shape == (40, 25, 2)
    np.testing.assert_array_equal(inputs["mask"], measured["measured"].notnull())
    np.testing.assert_allclose(inputs["times"][0], measured["time"], atol=1e-5)
    _, same = all_of(sh.batches(measured, size=16))
    np.testing.assert_array_equal(same, measured["measured"].values.astype(np.float32))


def test_known_quantities_and_controls_come_along(measured):
    with_dose = measured.assign_coords(control=["dose"])
    with_dose["controls"] = (("trajectory", "time", "control"), np.arange(40 * 25.0).reshape(40, 25, 1))

    inputs, _ = all_of(sh.batches(with_dose, 8, 5, known=["k2"], size=32))
    expected = windows(measured, 8, 5)

    first = with_dose["controls"].values[0, :13]
    np.testing.assert_array_equal(inputs["controls"][0], first)
    k2 = measured["parameters"].sel(parameter="k2").sel(trajectory=expected.trajectory)
    np.testing.assert_array_equal(inputs["known"][:, 0], k2.values.astype(np.float32))


def test_replicates_are_series_of_their_own(measured):
    twice = xr.concat([measured["measured"], measured["measured"] + 1], "replicate").transpose(
        "trajectory", "replicate", ...
    )
    data = (
        measured.drop_vars(["measured", "censored"], errors="ignore")
        .assign(measured=twice)
        .assign_coords(replicate=[0, 1])
    )

    inputs, target = all_of(sh.batches(data, 8, 5, size=64))
    expected = windows(data, 8, 5)

    np.testing.assert_array_equal(target, expected.target.astype(np.float32))
    np.testing.assert_array_equal(inputs["values"], np.nan_to_num(expected.values).astype(np.float32))


def test_failed_trajectories_and_what_lies_behind_an_end_have_no_weight(measured):
    data = measured.copy(deep=True)
    data["status"][3] = 1
    times = np.tile(data["time"].values, (40, 1))
    times[5, 10:] = np.nan
    data = data.rename(time="sample").drop_vars("sample").assign_coords(time=(("trajectory", "sample"), times))
    data["measured"][5, 10:] = np.nan

    inputs, target = all_of(sh.batches(data, 8, 5, size=13))

    assert len(target) == 39 * 13
    short = slice(4 * 13, 5 * 13)
    assert np.isnan(target[short][3:]).all() and not inputs["mask"][short][10:].any()
    assert np.isfinite(inputs["times"]).all() and np.isfinite(inputs["query_times"]).all()


def test_what_cannot_be_cut_is_refused(measured):
    with pytest.raises(DataError, match="lookback 20 . horizon 9 = 29 time points, but trajectories have 25"):
        sh.batches(measured, 20, 9)
    with pytest.raises(UnknownName, match="No variable 'measurd' in the dataset. Did you mean 'measured'"):
        sh.batches(measured, 8, 5, variable="measurd")
    with pytest.raises(UnknownName, match="No varied quantity 'k9'"):
        sh.batches(measured, 8, 5, known=["k9"])
    with pytest.raises(ValueError, match="target 'parameters' has no time to forecast"):
        sh.batches(measured, 8, 5, target="parameters")
    with pytest.raises(ValueError, match="size must be a whole number"):
        sh.batches(measured, 8, 5, size=0)
    with pytest.raises(ValueError, match="horizon must be a whole number, one or more, got None"):
        sh.batches(measured, 8)


FIT = """
import sys
import sbml_hybrid as sh
from sbml_hybrid.data.store import open_lazily
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.forecasting.training import masked_square_error

keras.utils.set_random_seed(0)
batches = sh.batches(open_lazily(sys.argv[1]), 8, 5, size=64, seed=0)
inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in batches[0][0].items()}
flat = keras.layers.Concatenate()([keras.layers.Flatten()(x) for x in inputs.values()])
answer = keras.layers.Reshape((5, 2))(keras.layers.Dense(10)(keras.layers.Dense(16, "relu")(flat)))
network = keras.Model(inputs, answer)
network.compile(keras.optimizers.Adam(0.01), loss=masked_square_error)
loss = network.fit(batches, epochs=3, shuffle=False, verbose=0).history["loss"]
assert loss[2] < loss[0] / 2, loss
assert network.predict(sh.batches(open_lazily(sys.argv[1]), 8, 5), verbose=0).shape == (40 * 13, 5, 2)
"""


def test_a_keras_network_learns_from_a_store(measured, tmp_path, monkeypatch):
    sh.save(measured, tmp_path / "data.zarr")
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "data.zarr")])

    exec(FIT, {})


@pytest.mark.slow
@pytest.mark.jax
def test_a_keras_network_learns_from_a_store_on_jax(measured, tmp_path):
    pytest.importorskip("jax")
    sh.save(measured, tmp_path / "data.zarr")
    environment = os.environ | {"KERAS_BACKEND": "jax"}

    run = subprocess.run(
        [sys.executable, "-c", FIT, tmp_path / "data.zarr"], env=environment, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr[-2000:]
