"""Tables on disk say what the dataset says, to the last bit, however many pieces they are written in."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.data import exports, store
from sbml_hybrid.data.tables import from_table, to_table
from sbml_hybrid.errors import DataError, SourceNotFound, StorageError

KINDS = {
    "plain": {},
    "replicates": {"replicates": 3},
    "conditions": {"conditions": 2},
    "nothing missing": {"missing": 0.0},
}


@pytest.fixture(params=[2**24, 1], ids=["one piece", "a piece a trajectory"])
def pieces(request, monkeypatch):
    monkeypatch.setattr(exports, "_PIECE_BYTES", request.param)


def lazily(data, path):
    sh.save(data, path)
    return store.open_lazily(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_a_tidy_file_says_what_the_table_says(tmp_path, make, pieces, kind, name):
    data = lazily(make(**KINDS[kind]), tmp_path / "data.zarr")
    write, read = (sh.write_csv, sh.read_csv) if name == "data.csv" else (sh.write_parquet, sh.read_parquet)

    path = write(data, tmp_path / name)

    xr.testing.assert_identical(read(path), from_table(to_table(data)))
    assert not data["measured"].variable._in_memory


def test_the_number_of_pieces_does_not_show_in_csv(tmp_path, make, monkeypatch):
    sh.write_csv(make(), tmp_path / "one.csv")
    monkeypatch.setattr(exports, "_PIECE_BYTES", 1)
    sh.write_csv(make(), tmp_path / "many.csv")

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_a_series_gives_every_value_back(tmp_path, make, pieces, kind):
    data = lazily(make(**KINDS[kind]), tmp_path / "data.zarr")
    data["censored"][dict(trajectory=0, time=1)] = 1

    folder = sh.write_csv(data, tmp_path / "series", one_per="trajectory")
    back = sh.read_csv(folder)

    for name in ("measured", "censored", "trajectory", "time", "observable", "draw", "condition"):
        np.testing.assert_array_equal(back[name].transpose(*data[name].dims), data[name])
    assert back["measured"].values.tobytes() == data["measured"].values.tobytes() or kind != "nothing missing"


def test_each_file_of_a_series_keeps_its_times(tmp_path, make):
    data = make(draws=2, missing=0.0)

    folder = sh.write_csv(data, tmp_path / "series", one_per="trajectory", variable="truth")

    index = pd.read_csv(folder / "series.csv")
    assert index["trajectory"].tolist() == data["trajectory"].values.tolist()
    one = pd.read_csv(folder / index["file"][1], dtype=str)
    assert one.columns.tolist() == ["time", "X", "Y"]
    np.testing.assert_array_equal(one["time"].map(float), data["time"])
    np.testing.assert_array_equal(one[["X", "Y"]].map(float), data["truth"][1])


def test_series_with_times_of_their_own_end_where_they_end(tmp_path):
    times = np.array([[0.0, 1.0, 3.0], [0.5, 2.0, np.nan]])
    data = xr.Dataset(
        {"measured": (("trajectory", "sample", "observable"), np.arange(6.0).reshape(2, 3, 1))},
        {
            "trajectory": [4, 9],
            "draw": ("trajectory", [4, 9]),
            "time": (("trajectory", "sample"), times),
            "observable": ["X"],
        },
    )

    folder = sh.write_csv(data, tmp_path / "series", one_per="trajectory")

    second = pd.read_csv(folder / "series_000001.csv")
    assert second["time"].tolist() == [0.5, 2.0] and second["X"].tolist() == [3.0, 4.0]


def test_truth_goes_to_parquet_as_float64(tmp_path, make):
    data = make()
    data["truth"] = data["truth"].astype("float32")

    path = sh.write_parquet(data, tmp_path / "truth.parquet", variable="truth")

    pd.testing.assert_frame_equal(pd.read_parquet(path), to_table(data, "truth"), check_dtype=False)


@pytest.mark.parametrize("write", [sh.write_csv, sh.write_parquet])
def test_a_file_is_replaced_only_when_asked(tmp_path, make, write):
    path = write(make(seed=1), tmp_path / "data")
    before = path.read_bytes()

    with pytest.raises(FileExistsError, match="is there already. Choose another name, or say overwrite=True"):
        write(make(seed=2), path)
    assert path.read_bytes() == before
    write(make(seed=2), path, overwrite=True)
    assert path.read_bytes() != before


def test_a_folder_that_is_no_folder_of_series_is_never_replaced(tmp_path, make):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")

    with pytest.raises(FileExistsError):
        sh.write_csv(make(), tmp_path / "thesis", overwrite=True, one_per="trajectory")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_an_export_that_fails_leaves_nothing(tmp_path, make, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "table_of", full)
    for write in (sh.write_csv, sh.write_parquet):
        with pytest.raises(StorageError, match="No space left on device. Nothing half-written was left"):
            write(make(), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_parquet_is_refused_in_one_line(tmp_path):
    (tmp_path / "data.parquet").write_text("not at all")

    with pytest.raises(DataError, match="data.parquet is no Parquet file that can be read"):
        sh.read_parquet(tmp_path / "data.parquet")
    with pytest.raises(SourceNotFound):
        sh.read_parquet(tmp_path / "nowhere.parquet")
    with pytest.raises(ValueError, match="one_per must be 'trajectory'"):
        sh.write_csv(None, tmp_path / "data", one_per="species")


# -- large datasets --------------------------------------------------------------------------------


def test_a_large_dataset_is_opened_lazily_and_saved_in_pieces(tmp_path, make, monkeypatch):
    data = make(draws=40, times=30)
    sh.save(data, tmp_path / "small.zarr")
    monkeypatch.setattr(store, "LAZY_BYTES", 1000)
    monkeypatch.setattr(store, "_CHUNK_BYTES", 1000)

    lazy = sh.open(tmp_path / "small.zarr")
    sh.save(lazy, tmp_path / "pieces.zarr")
    back = sh.open(tmp_path / "pieces.zarr")

    assert not any(d["truth"].variable._in_memory for d in (lazy, back))
    xr.testing.assert_identical(back, data)
    train, test = sh.split(back, seed=1)
    assert not train["truth"].variable._in_memory
    xr.testing.assert_identical(test, sh.split(data, seed=1)[1])


def test_a_dataset_may_be_saved_far_away(tmp_path, make):
    far = "memory://saved/data.zarr"

    assert sh.save(make(), far) == far
    xr.testing.assert_identical(sh.open(far), make())
    with pytest.raises(FileExistsError):
        sh.save(make(), far)
    sh.save(make(seed=1), far, overwrite=True)
    xr.testing.assert_identical(sh.open(far), make(seed=1))
    with pytest.raises(SourceNotFound, match="There is no dataset at memory://saved/nothing.zarr"):
        sh.open("memory://saved/nothing.zarr")
    with pytest.raises(ValueError, match="netCDF is written to disks only"):
        sh.save(make(), "memory://saved/data.nc")


def test_a_file_url_is_a_path(tmp_path, make):
    sh.save(make(), f"file://{tmp_path}/data.zarr")

    xr.testing.assert_identical(sh.open(tmp_path / "data.zarr"), make())
    xr.testing.assert_identical(sh.open(f"file://{tmp_path}/data.zarr"), make())


def test_a_place_that_needs_another_package_says_which(make):
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(StorageError, match="Cannot reach s3://bucket/data.zarr: Install s3fs"):
            sh.save(make(), "s3://bucket/data.zarr")
