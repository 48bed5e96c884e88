"""A store written shard by shard loses nothing, and is never half-written without saying so."""

import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import zarr

from sbml_hybrid.data import shards
from sbml_hybrid.data.shards import PENDING, manifest, prepare, unfinished, write_shard
from sbml_hybrid.data.store import open as open_store
from sbml_hybrid.data.store import open_lazily
from sbml_hybrid.errors import DataError, StorageError

ENTRY = {"status": {"ok": 4}, "rung": {"default": 4}, "failures": [], "seconds": 0.5, "draws": "as drawn"}


def template(n=10, run="a", species=("A", "B")):
    return xr.Dataset(
        {
            "truth": (("trajectory", "time", "species"), np.broadcast_to(np.nan, (n, 5, len(species)))),
            "status": (
                "trajectory",
                np.broadcast_to(np.int8(PENDING), n),
                {"flag_values": np.array([0, -1], np.int8), "flag_meanings": "ok pending"},
            ),
        },
        {
            "trajectory": range(n),
            "draw": ("trajectory", range(n)),
            "condition": ("trajectory", [f"dose {i}" for i in range(n)]),
            "time": np.arange(5.0),
            "species": list(species),
        },
        {"run": run},
    )


def rows(n, value):
    return {"truth": np.full((n, 5, 2), value), "status": np.zeros(n, np.int8)}


def write(path, start):
    n = min(4, 10 - start)
    write_shard(path, start, rows(n, float(start)), ENTRY)


@pytest.fixture
def half(tmp_path):
    """A store of three shards, of which the middle one is written."""
    prepare(template(), tmp_path / "s.zarr", rows=4)
    write(tmp_path / "s.zarr", 4)
    return tmp_path / "s.zarr"


@pytest.fixture
def full(half):
    write(half, 0)
    write(half, 8)
    return half


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def test_what_was_written_is_no_longer_pending(half):
    assert unfinished(prepare(template(), half, rows=4)) == [0, 2]

    stored = open_store(half)
    assert (stored["truth"][4:8] == 4.0).all() and stored["truth"][:4].isnull().all()
    assert stored["status"].values.tolist() == [PENDING] * 4 + [0] * 4 + [PENDING] * 2
    assert stored["trajectory"].values.tolist() == list(range(10))
    assert stored["condition"].values.tolist() == [f"dose {i}" for i in range(10)]


def test_a_store_that_is_not_finished_says_so_once_when_it_is_opened(half, caplog):
    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        data = open_store(half)
        data["truth"].mean()

    assert [r.getMessage() for r in caplog.records] == [
        f"{half} is not finished: 6 of 10 trajectories are pending (NaN). Run the same simulate again to go on."
    ]


def test_a_shard_without_its_entry_is_read_as_pending(full):
    (full / "manifest" / "000001" / "zarr.json").unlink()

    stored = open_store(full)

    assert stored["truth"][4:8].isnull().all() and (stored["status"][4:8] == PENDING).all()
    assert unfinished(manifest(full)) == [1]


def test_the_manifest_says_what_became_of_every_shard(full):
    said = manifest(full)

    assert (len(said), said.pending, said.seconds) == (3, 0, 1.5)
    assert said.status == {"ok": 12} and said.rung == {"default": 12} and list(said.failures) == []
    assert said.run["rows"] == 4 and said.run["trajectories"] == 10
    assert sorted(said.shards[2]["checksums"]) == ["status/c/2", "truth/c/2/0/0"]
    assert all((full / key).is_file() for key in said.expected)


def test_zarr_and_xarray_open_the_folder_without_a_word(full, recwarn):
    group = zarr.open_group(full, mode="r")
    plain = xr.open_zarr(full, consolidated=False, decode_times=False, chunks=None)

    assert sorted(group.array_keys()) == ["condition", "draw", "species", "status", "time", "trajectory", "truth"]
    assert list(group.group_keys()) == ["manifest"]
    np.testing.assert_array_equal(plain["truth"], open_store(full)["truth"])
    assert not recwarn.list


def test_the_order_of_writing_does_not_show(tmp_path):
    for name, starts in (("one", (0, 4, 8)), ("two", (8, 0, 4))):
        prepare(template(), tmp_path / name, rows=4)
        for start in starts:
            write(tmp_path / name, start)

    files = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert files == {
        p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()
    }


def test_a_large_template_is_never_held_in_memory(tmp_path):
    n = 10**6
    nothing = np.broadcast_to(np.array(np.nan), (n, 100, 50))  # 40 GB
    data = xr.Dataset(
        {
            "truth": (("trajectory", "time", "species"), nothing),
            "status": ("trajectory", np.broadcast_to(np.int8(-1), n)),
        },
        {"trajectory": np.arange(n), "time": np.arange(100.0), "species": [f"S{i}" for i in range(50)]},
    )

    there = prepare(data, tmp_path / "s.zarr", rows=200)

    assert len(there) == 5000
    assert len(list((tmp_path / "s.zarr").rglob("*"))) < 40
    lazy = open_lazily(tmp_path / "s.zarr")
    assert lazy["truth"].shape == (n, 100, 50) and lazy["truth"][-1].isnull().all()


@pytest.mark.parametrize(
    ("other", "in_what"),
    [
        (template(run="b"), "run"),
        (template(n=9), "the number of trajectories"),
        (template(species=("A", "C")), "species"),
    ],
)
def test_another_runs_store_is_refused(half, other, in_what):
    with pytest.raises(DataError, match=rf"another run's dataset \(it differs in {in_what}\)\. Choose another store"):
        prepare(other, half, rows=4)


def test_a_store_of_other_draws_is_refused(half):
    with pytest.raises(DataError, match="another run's dataset .it differs in the draws"):
        unfinished(prepare(template(), half, rows=4), lambda start, stop: "drawn otherwise")


def test_two_runs_that_begin_at_once_share_one_store(tmp_path, monkeypatch):
    create, path = shards._create, tmp_path / "s.zarr"

    def meanwhile(template, place, rows):
        create(template, place, rows)
        monkeypatch.setattr(shards, "_create", create)
        prepare(template, path, rows=4)  # the other one is a little faster
        write(path, 4)

    monkeypatch.setattr(shards, "_create", meanwhile)
    there = prepare(template(), path, rows=4)

    assert unfinished(there) == [0, 2] and [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
    assert open_store(path)["trajectory"].values.tolist() == list(range(10))


def test_the_rows_of_two_runs_are_never_mixed_in_one_store(half):
    one, other = (ENTRY | {"draws": draws} for draws in ("of one run", "of another"))
    write_shard(half, 0, rows(4, 1.0), one)

    with pytest.raises(DataError, match="Another run is writing other rows to .*s.zarr now. Choose another store for"):
        write_shard(half, 0, rows(4, 2.0), other)
    write_shard(half, 0, rows(4, 1.0), one)  # the same rows again are no harm

    assert (open_store(half)["truth"][:4] == 1.0).all()


def test_what_keeps_a_store_from_being_written_is_told_and_space_only_where_it_lacks(tmp_path):
    (tmp_path / "notes").write_text("a file, no folder")

    with pytest.raises(StorageError, match="s.zarr: Not a directory. What was computed is kept; mend that"):
        prepare(template(), tmp_path / "notes" / "s.zarr", rows=4)


def test_a_store_that_was_removed_in_the_middle_of_a_run_is_told(half):
    shutil.rmtree(half)

    with pytest.raises(StorageError, match="s.zarr is gone: it was removed while a run wrote to it"):
        write(half, 0)


def test_something_that_is_no_store_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()

    with pytest.raises(DataError, match="is no Zarr store"):
        prepare(template(), tmp_path / "notes", rows=4)
    assert list((tmp_path / "notes").iterdir()) == []


@pytest.mark.parametrize("name", ["run.nc", "fold1.5", "s3://bucket/run.csv"])
def test_a_store_is_named_so_that_it_can_be_opened(tmp_path, name):
    path = name if "://" in name else tmp_path / name

    with pytest.raises(ValueError, match=rf"{name} is no Zarr folder. Name it .zarr, such as .*{name}.zarr"):
        prepare(template(), path, rows=4)
    assert list(tmp_path.iterdir()) == []


def test_a_store_keeps_its_rows_a_shard(half):
    assert prepare(template(), half, rows=7).run["rows"] == 4


@pytest.mark.parametrize("chunk", ["truth/c/1/0/0", "status/c/1"])
@pytest.mark.parametrize("how", ["corrupt", "missing", "cut short"])
def test_a_corrupt_or_missing_chunk_is_found_named_and_remade(full, chunk, how, caplog):
    if how == "corrupt":
        damage(full / chunk)
    elif how == "missing":
        (full / chunk).unlink()
    else:
        (full / chunk).write_bytes((full / chunk).read_bytes()[:-3])

    what = "is missing" if how == "missing" else "is not what was written"
    with pytest.raises(DataError, match=rf"shard 1 \(rows 4 to 7\): the chunk {chunk} {what}\. Run the same simulate"):
        open_store(full)
    lazy = open_lazily(full)  # the other shards can be read
    assert (lazy["truth"][:4] == 0.0).all() and (lazy["truth"][8:] == 8.0).all()
    with pytest.raises(DataError, match="shard 1"):
        lazy[chunk.split("/")[0]].load()
    assert unfinished(manifest(full)) == [1]
    assert f"shard 1 is computed again, its chunk {chunk} is corrupt or missing" in caplog.text
    write(full, 4)
    assert unfinished(manifest(full)) == []
    assert (open_store(full)["truth"][4:8] == 4.0).all()


def test_corrupt_labels_are_named(full):
    damage(full / "draw" / "c" / "0")

    with pytest.raises(DataError, match="the chunk draw/c/0 is not what was written. Remove the store"):
        open_store(full)


def test_a_manifest_entry_that_was_cut_short_is_none(full):
    entry = full / "manifest" / "000002" / "zarr.json"
    entry.write_text(entry.read_text()[:50])

    assert unfinished(manifest(full)) == [2]


def test_a_store_may_be_far_away(full):
    far = "memory://far/s.zarr"
    prepare(template(), far, rows=4)
    for start in (8, 0, 4):
        write(far, start)

    assert open_store(far).identical(open_store(full))
    assert unfinished(prepare(template(), far, rows=4)) == []
    assert manifest(far).expected == manifest(full).expected
    with pytest.raises(DataError, match="another run's dataset"):
        prepare(template(run="b"), far, rows=4)


def test_a_preparation_that_was_interrupted_far_away_is_done_again():
    far = "memory://interrupted/s.zarr"
    prepare(template(), far, rows=4)
    import fsspec

    fsspec.filesystem("memory").rm("/interrupted/s.zarr/manifest/zarr.json")

    assert unfinished(prepare(template(), far, rows=4)) == [0, 1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_full_disk_is_told_and_the_run_can_go_on(half, root):
    code = """
import resource, signal, sys, numpy as np
from sbml_hybrid.data import shards
from sbml_hybrid.data.shards import write_shard
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
values = {"truth": np.random.default_rng(0).random((4, 5, 2)), "status": np.zeros(4, np.int8)}
try:
    write_shard(sys.argv[1], 0, values, {})
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", code, str(half)], cwd=root, capture_output=True, text=True).stdout

    assert said.startswith("StorageError Cannot write") and "run the same again to go on" in said
    assert unfinished(prepare(template(), half, rows=4)) == [0, 2]
    assert open_store(half)["truth"][:4].isnull().all()
    write(half, 0)
    assert (open_store(half)["truth"][:4] == 0.0).all()


def test_entries_are_plain_json(full):
    entry = json.loads((full / "manifest" / "000000" / "zarr.json").read_text())

    assert entry["node_type"] == "group" and entry["attributes"]["start"] == 0
