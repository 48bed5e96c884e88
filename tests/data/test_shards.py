"""A store written row by row loses nothing and is never half-written without saying so."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from sbml_hybrid.data.shards import PENDING, prepare, write_rows
from sbml_hybrid.data.store import open as open_store
from sbml_hybrid.errors import DataError


def template(n=10, run="a"):
    return xr.Dataset(
        {
            "truth": (("trajectory", "time", "species"), np.full((n, 5, 2), np.nan)),
            "status": ("trajectory", np.full(n, PENDING, np.int8)),
        },
        {"trajectory": range(n), "draw": ("trajectory", range(n)), "time": np.arange(5.0), "species": ["A", "B"]},
        {"run": run},
    )


def rows(n, value):
    return {"truth": np.full((n, 5, 2), value), "status": np.zeros(n, np.int8)}


def test_what_was_written_is_no_longer_pending(tmp_path):
    assert prepare(template(), tmp_path / "s.zarr", rows=4).all()

    write_rows(tmp_path / "s.zarr", 4, rows(4, 7.0))

    assert prepare(template(), tmp_path / "s.zarr", rows=4).tolist() == [True] * 4 + [False] * 4 + [True] * 2
    stored = open_store(tmp_path / "s.zarr")
    assert (stored["truth"][4:8] == 7.0).all() and stored["truth"][:4].isnull().all()


def test_the_order_of_writing_does_not_show(tmp_path):
    for name, starts in (("one", (0, 4, 8)), ("two", (8, 0, 4))):
        prepare(template(), tmp_path / name, rows=4)
        for start in starts:
            write_rows(tmp_path / name, start, rows(min(4, 10 - start), float(start)))

    files = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert files == {
        p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("other", [template(run="b"), template(n=9)])
def test_another_runs_store_is_refused(tmp_path, other):
    prepare(template(), tmp_path / "s.zarr", rows=4)

    with pytest.raises(DataError, match="another run's dataset"):
        prepare(other, tmp_path / "s.zarr", rows=4)


def test_something_that_is_no_store_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()

    with pytest.raises(DataError, match="is no Zarr store"):
        prepare(template(), tmp_path / "notes", rows=4)
    assert list((tmp_path / "notes").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_full_disk_is_told_and_the_run_can_go_on(tmp_path):
    code = f"""
import resource, signal, numpy as np, sys
sys.path[:0] = {sys.path!r}
from sbml_hybrid.data.shards import write_rows
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_rows({str(tmp_path / "s.zarr")!r}, 0, {{"truth": np.random.default_rng(0).random((4, 5, 2)),
                                                 "status": np.zeros(4, np.int8)}})
except Exception as error:
    print(type(error).__name__, error)
"""
    prepare(template(), tmp_path / "s.zarr", rows=4)

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout

    assert said.startswith("StorageError Cannot write") and "run the same again to go on" in said
    assert prepare(template(), tmp_path / "s.zarr", rows=4).all()
