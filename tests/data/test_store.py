"""A saved dataset comes back exactly, as the same bytes, and is never half-written."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sbml_hybrid.data import store
from sbml_hybrid.data.store import save
from sbml_hybrid.errors import DataError, SourceNotFound, StorageError

FORMATS = ("data.zarr", "data.nc")
# HDF5 ends a text at its first NUL; control characters and lone surrogates are no names of anything.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)


def contents(path):
    """Every file at a path, with its bytes."""
    files = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def everything_under(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def assert_same(one, other):
    xr.testing.assert_identical(one, other)
    for name, variable in one.variables.items():
        assert other[name].dtype == variable.dtype, name
        assert other[name].values.tobytes() == variable.values.tobytes(), name  # NaN and -0.0 too
    for name, value in one.attrs.items():
        assert type(other.attrs[name]) is type(value), name


@st.composite
def datasets(draw):
    n, times, observables = (draw(st.integers(1, 3)) for _ in range(3))
    floats = st.sampled_from([np.float64, np.float32])

    def values(kind, *shape):
        return draw(arrays(kind, shape))

    def names(count):
        return draw(st.lists(TEXT, min_size=count, max_size=count, unique=True))

    return xr.Dataset(
        {
            "truth": (("trajectory", "time", "observable"), values(draw(floats), n, times, observables)),
            "measured": (
                ("trajectory", "time", "observable"),
                values(draw(floats), n, times, observables),
                {"units": draw(TEXT)},
            ),
            "status": ("trajectory", values(np.int8, n), {"flag_values": values(np.int8, 2), "flag_meanings": "a b"}),
        },
        {
            "trajectory": np.array(names(n), dtype=str) if draw(st.booleans()) else np.arange(n),
            "draw": ("trajectory", values(np.int64, n)),
            "well": ("trajectory", np.array(draw(st.lists(TEXT, min_size=n, max_size=n)), dtype=str)),
            "time": ("time", np.linspace(0, 1, times), {"units": "s"}),
            "observable": np.array(names(observables), dtype=str),
            "nonnegative": ("observable", values(np.bool_, observables)),
        },
        draw(
            st.dictionaries(
                st.sampled_from(["sbml", "design", "time_unit", "n", "µ"]),
                TEXT | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
            )
        ),
    )


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12)
@given(data=datasets())
def test_what_was_saved_comes_back_exactly(tmp_path_factory, name, data):
    path = save(data, tmp_path_factory.mktemp("store") / name)

    assert_same(data, store.open(path))


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_dataset_comes_back_with_its_flags(tmp_path, make, name):
    data = make(replicates=2)
    data.attrs["sbml"] = "<sbml>" + "µ" * 300_000

    back = store.open(save(data, tmp_path / name))

    assert_same(data, back)
    assert back["status"].attrs["flag_values"].dtype == np.int8


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_dataset_gives_the_same_bytes_later_and_in_any_order(tmp_path, make, name):
    data = make()
    reordered = xr.Dataset(
        {k: data[k].variable for k in reversed(list(data.data_vars))},
        {k: data[k].variable for k in reversed(list(data.coords))},
        dict(reversed(data.attrs.items())),
    )

    first = contents(save(data, tmp_path / "one" / name))
    time.sleep(1.1)  # HDF5 writes times in seconds
    second = contents(save(reordered, tmp_path / "two" / name))
    opened = contents(save(store.open(tmp_path / "one" / name), tmp_path / "three" / name))

    assert first == second == opened


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", [0.0, -0.0, np.nan])
def test_a_constant_keeps_its_sign_and_its_gaps(tmp_path, make, name, value):
    data = make(missing=0.0)
    data["truth"][:] = value

    assert_same(data, store.open(save(data, tmp_path / name)))


def test_both_formats_hold_the_same(tmp_path, make):
    zarr, netcdf = (store.open(save(make(), tmp_path / name)) for name in FORMATS)

    assert_same(zarr, netcdf)


def test_a_large_dataset_is_cut_by_trajectories(tmp_path):
    rows = 40
    data = xr.Dataset({"truth": (("trajectory", "time", "species"), np.random.default_rng(0).random((rows, 500, 60)))})

    path = save(data, tmp_path / "data.zarr")

    chunks = json.loads((path / "truth" / "zarr.json").read_text())["chunk_grid"]["configuration"]["chunk_shape"]
    assert 1 < chunks[0] < rows
    assert chunks[1:] == [500, 60]
    assert_same(data, store.open(path))


@pytest.mark.parametrize("name", FORMATS)
def test_an_opened_dataset_needs_its_file_no_more(tmp_path, make, name):
    path = save(make(), tmp_path / name)

    back = store.open(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert_same(make(), back)


@pytest.mark.parametrize(("name", "after"), [("data.zarr", 0), ("data.zarr", 1), ("data.zarr", 20), ("data.nc", 0)])
def test_an_interrupted_save_leaves_what_was_there(tmp_path, make, monkeypatch, name, after):
    old = make(seed=1)
    save(old, tmp_path / f"old-{name}")
    before = everything_under(tmp_path)
    whole, written = Path.write_bytes, []

    def interrupted(path, content):
        written.append(path)
        if len(written) > after:
            whole(path, content[: len(content) // 2])
            raise KeyboardInterrupt
        return whole(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(make(), tmp_path / name)
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            save(make(), tmp_path / f"old-{name}", overwrite=True)

    assert everything_under(tmp_path) == before
    assert_same(old, store.open(tmp_path / f"old-{name}"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_move_that_fails_brings_the_old_dataset_back(tmp_path, make, monkeypatch, name):
    old = make(seed=1)
    path = save(old, tmp_path / name)
    before = everything_under(tmp_path)
    real = {"rename": store.os.rename, "replace": store.os.replace}

    def failing(how):
        def move(source, target):
            if str(source).endswith(".partial"):
                raise OSError(5, "Input/output error")
            return real[how](source, target)

        return move

    with monkeypatch.context() as patch:
        for how in real:
            patch.setattr(store.os, how, failing(how))
        with pytest.raises(StorageError, match="Input/output error"):
            save(make(), path, overwrite=True)

    assert everything_under(tmp_path) == before
    assert_same(old, store.open(path))


FULL_DISK = """
import resource, sys
import numpy as np, xarray as xr
from sbml_hybrid.data.store import save
from sbml_hybrid.errors import StorageError
data = xr.Dataset({"truth": (("trajectory", "time"), np.random.default_rng(0).random((2000, 100)))})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(data, sys.argv[1])
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, root, name):
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / name)], cwd=root, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"Cannot write {tmp_path / name} (")
    assert "File too large. Nothing half-written was left. Free some space" in run.stdout
    assert everything_under(tmp_path) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_dataset_is_replaced_only_when_asked(tmp_path, make, name):
    path = save(make(seed=1), tmp_path / name)

    with pytest.raises(FileExistsError, match="is there already. Choose another name, or say overwrite=True"):
        save(make(seed=2), path)
    assert_same(make(seed=1), store.open(path))
    save(make(seed=2), path, overwrite=True)

    assert_same(make(seed=2), store.open(path))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_is_no_dataset_is_never_replaced(tmp_path, make):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    (tmp_path / "data.nc").mkdir()

    for path in (folder, tmp_path / "data.nc"):
        with pytest.raises(FileExistsError, match="holds something else than a dataset and is left alone"):
            save(make(), path, overwrite=True)

    assert (folder / "chapter.txt").read_text() == "years of work"


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path, make):
    with pytest.raises(ValueError, match=r"neither Zarr \(\.zarr\) nor netCDF \(\.nc\)\. For a table: sh\.write_csv"):
        save(make(), tmp_path / "data.csv")

    assert everything_under(tmp_path) == []


def test_a_missing_dataset_is_said_with_what_is_there(tmp_path, make):
    save(make(), tmp_path / "truth.zarr")

    with pytest.raises(SourceNotFound, match=r"no dataset at .*trut\.zarr\. Did you mean truth\.zarr\?"):
        store.open(tmp_path / "trut.zarr")
    with pytest.raises(FileNotFoundError):
        store.open(tmp_path / "nowhere" / "data.nc")


def test_what_is_no_dataset_is_refused_in_one_line(tmp_path):
    (tmp_path / "broken.nc").write_bytes(b"not HDF5 at all")
    (tmp_path / "empty.zarr").mkdir()

    for name in ("broken.nc", "empty.zarr"):
        with pytest.raises(DataError, match=f"{name} is not a .* that can be read") as caught:
            store.open(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_truncated_chunk_is_refused(tmp_path, make):
    path = save(make(missing=0.0), tmp_path / "data.zarr")
    chunk = path / "truth" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-10])

    with pytest.raises(DataError, match="data.zarr is not a Zarr folder that can be read"):
        store.open(path)
