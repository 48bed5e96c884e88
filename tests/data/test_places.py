"""A place far away shows what is there now, whoever wrote it, and says in one error why it cannot be reached."""

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import sbml_hybrid as sh
from sbml_hybrid.data.places import place_of
from sbml_hybrid.errors import StorageError


class Remembering(MemoryFileSystem):
    """Files in memory behind a cache of listings, as those of s3:// and gs:// are."""

    protocol = ("remembering", "memory")

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("remembering://", "memory://"))

    def ls(self, path, detail=True, **how):
        if path not in self.dircache:
            self.dircache[path] = super().ls(path, detail=detail, **how)
        return self.dircache[path]

    def invalidate_cache(self, path=None):
        self.dircache.clear()


class Locked(MemoryFileSystem):
    """A cloud that one has no key for."""

    def cat_file(self, path, **how):
        raise RuntimeError("Unable to locate credentials")

    exists = ls = pipe_file = cat_file


@pytest.fixture
def clouds():
    fsspec.register_implementation("remembering", Remembering, clobber=True)
    fsspec.register_implementation("locked", Locked, clobber=True)


def test_what_other_processes_have_written_since_is_listed(clouds):
    here, other = place_of("remembering://listed/run.zarr"), fsspec.filesystem("memory")
    other.pipe_file("/listed/run.zarr/manifest/000000/zarr.json", b"{}")
    assert here.names("manifest") == ["000000"]

    other.pipe_file("/listed/run.zarr/manifest/000001/zarr.json", b"{}")

    assert here.names("manifest") == ["000000", "000001"]


def test_a_cloud_that_cannot_be_reached_is_one_error(clouds, make):
    for reach in (sh.open, sh.overview, lambda url: sh.save(make(), url)):
        with pytest.raises(StorageError, match="Cannot reach locked://bucket/x.zarr: Unable to locate credentials"):
            reach("locked://bucket/x.zarr")


@pytest.mark.parametrize("write", [sh.write_csv, sh.write_parquet])
def test_a_table_goes_to_a_disk(make, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match="s3://bucket/data: tables are written to disks only. Write it here and copy"):
        write(make(), "s3://bucket/data")

    assert list(tmp_path.iterdir()) == []
