"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from sbml_hybrid.errors import StorageError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make a file beside `path`, then move it there.

    Raises
    ------
    StorageError
        If it cannot be written, for instance because the disk is full.
    """
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        os.replace(beside, path)
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or write elsewhere."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return path
