"""A study's folder: whose it is, and which of its steps are done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sbml_hybrid.data.places import place_of
from sbml_hybrid.data.store import write_whole
from sbml_hybrid.errors import StudyError

_MANIFEST, _LOCK = "study.json", ".lock"


@dataclass(frozen=True)
class Folder:
    """A folder that belongs to one study; its manifest holds the fingerprint of each finished step."""

    path: Path

    @classmethod
    @contextmanager
    def claim(cls, path: str | Path, name: str, source: Path, content: str) -> Iterator[Folder]:
        """Hold a folder for a study: a new or empty one, or the one where the same study has worked before.

        Parameters
        ----------
        path
            The folder.
        name, source, content
            The study's name, its file, and the fingerprint of what it says. The study may have been edited since, or
            its file moved, but not both.

        Raises
        ------
        StudyError
            If the folder holds another study, or files that are none of ours; or another process is at work in it.
        """
        place = place_of(path)
        if place.path is None:
            raise StudyError(f"{place} is far away, and the results need a folder on a disk. Choose another with -o.")
        path = Path(str(place))
        folder, source = cls(path), Path(source).resolve()
        if path.exists() and not path.is_dir():
            raise StudyError(f"{path} is a file, and the results need a folder. Choose another with -o.")
        there = sorted(p.name for p in path.iterdir() if not _is_own(p)) if path.is_dir() else []
        manifest = folder._manifest()
        if there and manifest is None:
            some = ", ".join(there[:3]) + (", ..." if len(there) > 3 else "")
            raise StudyError(f"{path} holds files that are not of this study ({some}). Choose another folder with -o.")
        if manifest is not None:
            moved, edited = manifest["source"] != str(source), manifest["content"] != content
            if manifest["name"] != name or (moved and edited):
                raise StudyError(
                    f"{path} holds another study: {manifest['name']!r} of {manifest['source']}. "
                    "Choose another folder with -o."
                )
        path.mkdir(parents=True, exist_ok=True)
        with (path / _LOCK).open("w") as lock:
            if not _held(lock):
                raise StudyError(f"Another process is at work in {path}. Let it end, or choose another folder with -o.")
            for left in filter(_is_partial, list(path.rglob(".*"))):  # by a run that was killed while it wrote
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            manifest = folder._manifest()
            steps = manifest["steps"] if manifest else {}
            folder._write_manifest({"name": name, "source": str(source), "content": content, "steps": steps})
            yield folder

    def done(self, step: str, mark: str) -> bool:
        """Whether `step` was finished by what `mark` is the fingerprint of."""
        manifest = self._manifest()
        return manifest is not None and manifest["steps"].get(step) == mark

    def finish(self, step: str, mark: str) -> None:
        """Note that `step` is finished."""
        manifest = self._manifest()
        self._write_manifest(manifest | {"steps": manifest["steps"] | {step: mark}})

    def write(self, name: str, content: bytes) -> None:
        """Write a file: it is there as a whole or not at all."""
        write_whole({"": content}, self.path / name)

    def _manifest(self) -> dict | None:
        try:
            manifest = json.loads((self.path / _MANIFEST).read_text(encoding="utf-8"))
            return manifest if {"name", "source", "content", "steps"} <= set(manifest) else None
        except (OSError, ValueError, TypeError):
            return None

    def _write_manifest(self, manifest: dict) -> None:
        self.write(_MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _held(lock: IO) -> bool:
    """Lock a file until it is closed or the process ends, however it ends; False if another process holds it."""
    try:
        import fcntl
    except ImportError:  # on Windows
        import msvcrt

        try:
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return True
    return True


def _is_own(path: Path) -> bool:
    return path.name == _LOCK or _is_partial(path)


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix in (".partial", ".old")
