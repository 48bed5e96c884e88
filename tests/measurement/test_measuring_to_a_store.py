"""Measuring to a store: the same dataset as in memory, whatever its shards and jobs, and as safe as a simulation."""

import json
from contextlib import suppress
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.data import shards
from sbml_hybrid.data.store import open_lazily
from sbml_hybrid.errors import DataError
from sbml_hybrid.measurement import blocks

MODEL = "A -> B; k*A; B -> ; d*B; A = 10; B = 0; k = 0.3; d = 0.1"
CONDITIONS = [sh.Condition("control"), sh.Condition("dosed", inputs=[sh.Dose("A", 5.0, 3.0)])]
WHOLE = {
    "observables": {"B": "B", "log": "ln(A + B + k)"},
    "noise": sh.noise.Normal(sd=0.2),
    "keep": 0.8,
    "replicates": 3,
    "limits": sh.Limits(low=20, high=900),
    "plates": sh.Plates(batches=2, wells=96),
    "scaling": sh.Scaling(scale=100, fold=1.3, offset=1.0),
    "effects": [sh.effects.Batch(0.1)],
    "seed": 3,
}


def simulated(n=16, **options):
    model = sh.load(MODEL)
    options = {"times": np.linspace(0, 10, 11)} | options
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), n, seed=0), **options)


def content(place):
    """The bytes of every file of a store, without how long it took."""
    files = {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}
    for name in [name for name in files if name.startswith("manifest/0")]:
        entry = json.loads(files[name])
        entry["attributes"]["seconds"] = 0
        files[name] = json.dumps(entry).encode()
    return files


def reread(data, place):
    """A dataset as it is after it was saved."""
    sh.save(data, place)
    return sh.open(place)


def assert_same(one, other):
    xr.testing.assert_identical(one.load(), other)
    assert {name: one[name].dtype for name in one.variables} == {name: other[name].dtype for name in other.variables}
    assert set(one.coords) == set(other.coords)


@pytest.fixture(scope="module")
def truth():
    return simulated()


@pytest.fixture
def three_rows(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", 3)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"dtype": "float32"},
        {"conditions": CONDITIONS, "n": 6},
        {"times": np.sort(np.random.default_rng(0).uniform(0, 9, (10, 6)), axis=1), "n": 10},
    ],
    ids=["plain", "float32", "conditions", "times of their own"],
)
@pytest.mark.parametrize("how", [{"seed": 1}, WHOLE], ids=["plain", "everything"])
def test_a_store_holds_what_measuring_in_memory_gives(kind, how, tmp_path, three_rows):
    truth = simulated(**kind)
    stored = sh.measure(truth, store=tmp_path / "data.zarr", **how)

    expected = reread(sh.measure(truth, **how), tmp_path / "whole.zarr")
    assert_same(sh.open(tmp_path / "data.zarr"), expected)
    assert_same(stored, expected)
    assert len(shards.manifest(tmp_path / "data.zarr")) == -(-truth.sizes["trajectory"] // 3)


def test_a_schedule_and_an_earlier_measurement_are_as_in_memory(truth, tmp_path, three_rows):
    how = {"schedule": [0, 5, 10], "observables": ["A"], "seed": 2}
    before = sh.measure(truth, replicates=2, limits=sh.Limits(low=1), seed=1)

    stored = sh.measure(before, store=tmp_path / "data.zarr", **how)

    assert_same(stored, reread(sh.measure(truth, **how), tmp_path / "whole.zarr"))


def test_failed_trajectories_keep_their_status_and_are_not_measured(truth, tmp_path, three_rows):
    failed = truth.copy(deep=True)
    failed["status"][4] = 3
    failed["truth"][4] = np.nan

    stored = sh.measure(failed, store=tmp_path / "data.zarr", seed=1)

    assert_same(stored, reread(sh.measure(failed, seed=1), tmp_path / "whole.zarr"))
    said = shards.manifest(tmp_path / "data.zarr")
    assert said.status.total() == 16 and said.status["ok"] == 15 and said.pending == 0


@settings(max_examples=5)
@given(st.integers(1, 17), st.booleans())
def test_any_size_of_shards_gives_the_same_bytes(truth, tmp_path_factory, rows, lazily):
    folder = tmp_path_factory.mktemp("m")
    source = truth
    if lazily:
        sh.save(truth, folder / "truth.zarr")
        source = open_lazily(folder / "truth.zarr")
    with patch.object(shards, "SHARD_ROWS", rows):
        stored = sh.measure(source, store=folder / "data.zarr", **WHOLE)

    in_memory = sh.measure(truth, **WHOLE)
    for name in in_memory.variables:
        assert stored[name].values.tobytes() == in_memory[name].values.tobytes(), name


def test_any_number_of_jobs_gives_the_same_bytes(truth, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", 6)
    for jobs in (1, 2):
        sh.measure(truth, store=tmp_path / f"{jobs}.zarr", jobs=jobs, **WHOLE)

    assert content(tmp_path / "1.zarr") == content(tmp_path / "2.zarr")
    xr.testing.assert_identical(sh.measure(truth, jobs=2, **WHOLE), sh.measure(truth, **WHOLE))


def test_an_interrupted_call_goes_on_where_it_stopped(truth, tmp_path, three_rows):
    whole, done = blocks._write_block, []

    def interrupted(place, start, *rest):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(start)
        whole(place, start, *rest)

    with patch.object(blocks, "_write_block", interrupted), suppress(KeyboardInterrupt):
        sh.measure(truth, store=tmp_path / "data.zarr", **WHOLE)
    assert shards.manifest(tmp_path / "data.zarr").pending == 16 - 3 * 3
    after = []
    with patch.object(blocks, "_write_block", lambda *item: (after.append(item[1]), whole(*item))[1]):
        sh.measure(truth, store=tmp_path / "data.zarr", **WHOLE)
    sh.measure(truth, store=tmp_path / "whole.zarr", **WHOLE)

    assert done == [0, 3, 6] and after == [9, 12, 15]
    assert content(tmp_path / "data.zarr") == content(tmp_path / "whole.zarr")


def test_a_damaged_shard_is_named_and_measured_again(truth, tmp_path, three_rows):
    stored = sh.measure(truth, store=tmp_path / "data.zarr", seed=1)
    expected = stored.compute()
    (tmp_path / "data.zarr/measured/c/2/0/0").write_bytes(b"")

    with pytest.raises(DataError, match=r"shard 2 \(rows 6 to 8\).*Run the same measure again"):
        sh.open(tmp_path / "data.zarr")
    xr.testing.assert_identical(sh.measure(truth, store=tmp_path / "data.zarr", seed=1).load(), expected)


def test_what_is_not_finished_says_how_to_go_on(truth, tmp_path, three_rows, caplog):
    sh.measure(truth, store=tmp_path / "data.zarr", seed=1)
    (tmp_path / "data.zarr/manifest/000001/zarr.json").unlink()

    sh.open(tmp_path / "data.zarr")

    assert "3 of 16 trajectories are pending (NaN). Run the same measure again to go on." in caplog.text


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 2}, "differs in measurement"),
        ({"noise": sh.noise.Normal(1), "seed": 1}, "differs in noise"),
        ({"observables": ["A"], "seed": 1}, "differs in observables"),
        ({"schedule": [0, 5], "seed": 1}, "differs in measurement"),
    ],
)
def test_another_measurements_store_is_refused_and_left_alone(truth, tmp_path, other, said):
    place = tmp_path / "data.zarr"
    sh.measure(truth, store=place, seed=1)
    before = content(place)

    with pytest.raises(DataError, match=f"another run's dataset .it {said}"):
        sh.measure(truth, store=place, **other)
    assert content(place) == before


def test_a_store_measured_from_other_trajectories_is_refused(truth, tmp_path):
    place = tmp_path / "data.zarr"
    sh.measure(truth, store=place, seed=1)
    other = truth.copy(deep=True)
    other["truth"][12, 2, 1] += 1e-9

    with pytest.raises(DataError, match="differs in the trajectories"):
        sh.measure(other, store=place, seed=1)
    with pytest.raises(DataError, match="another run's dataset .it differs in trajectory"):
        sh.measure(truth.assign_coords(trajectory=truth["trajectory"] + 1), store=place, seed=1)


def test_the_trajectories_own_store_is_refused_and_left_alone(tmp_path):
    place = tmp_path / "truth.zarr"
    truth = simulated(store=place)
    before = content(place)

    with pytest.raises(DataError, match="another run's dataset"):
        sh.measure(truth, store=place, seed=1)
    assert content(place) == before


def test_what_cannot_be_measured_is_refused_before_there_is_a_store(truth, tmp_path):
    for wrong in ({"observables": ["Z"]}, {"plates": sh.Plates(1, 12)}, {"jobs": 0}):
        with pytest.raises((sh.errors.UnknownName, DataError, ValueError)):
            sh.measure(truth, store=tmp_path / "data.zarr", seed=1, **wrong)
        assert not (tmp_path / "data.zarr").exists()


def test_a_store_far_away_is_measured_by_one_process(truth):
    stored = sh.measure(truth, store="memory://measured.zarr", seed=1)

    np.testing.assert_array_equal(stored["measured"], sh.measure(truth, seed=1)["measured"])
    with pytest.raises(ValueError, match="Say jobs=1"):
        sh.measure(truth, store="memory://measured.zarr", seed=1, jobs=2)


def test_no_more_than_a_few_shards_are_read_at_a_time(tmp_path, three_rows):
    lazy = open_lazily(sh.save(simulated(), tmp_path / "truth.zarr"))
    read, sizes = blocks._block, []

    def block(truth, start, stop):
        sizes.append(stop - start)
        return read(truth, start, stop)

    with patch.object(blocks, "_block", block):
        sh.measure(lazy, store=tmp_path / "data.zarr", seed=1)

    assert max(sizes) == 3 and not lazy["truth"].variable._in_memory
