"""Where a dataset is: a local path, or a URL that fsspec knows (s3://, gs://, memory://)."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sbml_hybrid.errors import StorageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Place:
    """A folder or file, here or far away; it can be pickled, and means the same in every process.

    Parameters
    ----------
    name
        An absolute local path, or a URL.
    said
        How the user called it.
    """

    name: str
    said: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.said or self.name

    @property
    def path(self) -> Path | None:
        """The local path; None for a URL."""
        return None if _URL.match(self.name) else Path(self.name)

    @property
    def in_memory(self) -> bool:
        """Whether it lives in the memory of one process."""
        return self.name.startswith("memory://")

    def require_shared(self, processes: bool) -> None:
        """Raise ValueError where other processes are to write to the memory of this one."""
        if processes and self.in_memory:
            raise ValueError(f"{self} is the memory of this process, which others do not share. Say jobs=1.")

    @property
    def suffix(self) -> str:
        """The extension, in lower case, with its dot."""
        return os.path.splitext(self.name.rstrip("/"))[1].lower()

    def zarr(self, read_only: bool = True) -> Any:
        """Return the place as Zarr's own kind of store."""
        from zarr.storage import FsspecStore, LocalStore

        if self.path is not None:
            return LocalStore(self.path, read_only=read_only)
        with self._filesystem():
            store = FsspecStore.from_url(self.name, read_only=read_only)
            store.fs.invalidate_cache()
        return store

    def exists(self, key: str = "") -> bool:
        """Whether there is anything at `key` within the place, or at the place itself."""
        if self.path is not None:
            return (self.path / key).exists()
        with self._filesystem() as (system, root):
            return system.exists(f"{root}/{key}".rstrip("/"))

    def names(self, key: str) -> list[str]:
        """The names of what is in a folder of the place, sorted; none where there is no such folder."""
        if self.path is not None:
            folder = self.path / key
            return sorted(os.listdir(folder)) if folder.is_dir() else []
        try:
            with self._filesystem() as (system, root):
                listed = system.ls(f"{root}/{key}", detail=False)
        except FileNotFoundError:
            return []
        return sorted({entry.rstrip("/").rsplit("/", 1)[-1] for entry in listed})

    def read(self, key: str) -> bytes | None:
        """The bytes at `key`; None where there are none."""
        try:
            if self.path is not None:
                return (self.path / key).read_bytes()
            with self._filesystem() as (system, root):
                return system.cat_file(f"{root}/{key}")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, key: str, content: bytes) -> None:
        """Write `content` at `key`: all of it, or nothing."""
        if self.path is None:
            with self._filesystem() as (system, root):  # object stores show an object when it is whole
                system.pipe_file(f"{root}/{key}", content)
            return
        target = self.path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        try:
            partial.write_bytes(content)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _filesystem(self) -> Iterator[tuple[Any, str]]:
        """The file system that the URL names, and the path in it; what a cloud says of its troubles is one error."""
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(self.name)
            system.invalidate_cache()  # it remembers what it listed, and others have written since
            yield system, root
        except OSError:
            raise
        except Exception as error:
            raise StorageError(f"Cannot reach {self.name}: {' '.join(str(error).split())}.") from error


def place_of(path: str | os.PathLike | Place) -> Place:
    """Return the place that a path or URL names; ``file://`` is a local path too."""
    if isinstance(path, Place):
        return path
    name = os.fspath(path)
    if name.startswith("file://"):
        name = name.removeprefix("file://")
    if _URL.match(name):
        return Place(name.rstrip("/"))
    local = Path(name).expanduser()
    return Place(str(local.absolute()), str(local))
