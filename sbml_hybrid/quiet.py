"""Keeping what C libraries say off the terminal."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("sbml_hybrid")


@contextmanager
def quiet() -> Iterator[None]:
    """Send what C libraries write to the terminal to our log (at level debug) instead.

    SUNDIALS writes to the file descriptors themselves, past Python and libroadrunner's logger. They
    belong to the whole process, so the first thread in turns them away and the last one out back.
    """
    with _lock:
        if _quiet.depth == 0:
            _quiet.begin()
        _quiet.depth += 1
    try:
        yield
    finally:
        with _lock:
            _quiet.depth -= 1
            if _quiet.depth == 0:
                _quiet.end()


class _Quiet:
    """Standard output and error, turned to a temporary file."""

    depth = 0

    def begin(self) -> None:
        self.kept: list[int] = []
        try:
            _flush()
            self.kept = [os.dup(descriptor) for descriptor in (1, 2)]
        except (OSError, ValueError, AttributeError):  # there is no terminal to keep clean
            return
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by end)
        for descriptor in (1, 2):
            os.dup2(self.said.fileno(), descriptor)

    def end(self) -> None:
        if not self.kept:
            return
        _flush()
        for descriptor, copy in zip((1, 2), self.kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        with self.said:
            self.said.seek(0)
            text = self.said.read(10_000).decode(errors="replace").strip()
        if text:
            log.debug("the solver said: %s", text)


_quiet, _lock = _Quiet(), threading.Lock()


def _flush() -> None:
    """Empty Python's and C's buffers, so that what waits in them goes where it was meant to go."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
