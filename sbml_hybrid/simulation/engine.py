"""Compiling a model with libroadrunner: the only doorway to it."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.quiet import quiet


def _roadrunner() -> Any:
    """Import libroadrunner with its own symbols first.

    TensorFlow 2.20 and later load their libraries globally; without RTLD_DEEPBIND libroadrunner's
    LLVM would call into TensorFlow's, and the process dies.
    """
    if not sys.platform.startswith("linux"):
        import roadrunner

        return roadrunner
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
    try:
        import roadrunner
    finally:
        sys.setdlopenflags(flags)
    return roadrunner


roadrunner = _roadrunner()
_OWN = frozenset(dir(roadrunner.RoadRunner)).difference(roadrunner.RoadRunner._properties)


class _Plain:
    """Whether libroadrunner's arrays are plain now: how many ask for it, and what it did before."""

    depth, named = 0, True


_plain, _lock = _Plain(), threading.Lock()


@contextmanager
def plain_arrays() -> Iterator[None]:
    """Have libroadrunner hand out plain arrays: each named one leaves 128 bytes behind, 64 MB after half a million.

    The setting belongs to the whole process, so the first thread in changes it and the last one out changes it back.
    """
    setting = roadrunner.Config.PYTHON_ENABLE_NAMED_MATRIX
    with _lock:
        if _plain.depth == 0:
            _plain.named = roadrunner.Config.getValue(setting)
            roadrunner.Config.setValue(setting, False)
        _plain.depth += 1
    try:
        yield
    finally:
        with _lock:
            _plain.depth -= 1
            if _plain.depth == 0:
                roadrunner.Config.setValue(setting, _plain.named)


def compiled(sbml: str, source: str) -> Any:
    """Return a ``roadrunner.RoadRunner`` of an SBML text that came from `source`, without ``engine.S1`` for its ids.

    Raises
    ------
    ModelError
        libroadrunner cannot compile it.
    """
    try:
        with quiet():
            return _made(sbml)
    except RuntimeError as error:
        raise ModelError(f"libroadrunner cannot compile {source}: {sentence(error)}") from None


def _made(sbml: str) -> Any:
    """Make an engine by the class's first constructor.

    The second one then gives the whole class a property for every id of the model, and takes those of the model before
    away: an id such as ``reset`` or ``model`` would replace the method of that name, and the next model remove it.
    """
    engine = roadrunner.RoadRunner.__new__(roadrunner.RoadRunner)
    engine._swig_init(sbml)
    return engine


def with_properties(engine: Any) -> Any:
    """Give an engine ``engine.S1`` for its ids, as its users expect, unless that would take a method from the class."""
    if not _OWN.intersection(engine.getIds()):
        engine._makeProperties()
    return engine


def sentence(error: Exception) -> str:
    """Return what libroadrunner says of an error, on one line, without the C++ function that says it."""
    return re.sub(r"\W*\bIn [\w ]+ rr::.*", "", " ".join(str(error).split()))[:300]


def aliases_of(model: Model) -> dict[str, str]:
    """Other names for what libroadrunner would take for the time of the simulation, in any spelling."""
    taken = {id.lower() for id in (*model.by_id, *model.stoichiometry_ids)}
    aliases: dict[str, str] = {}
    for id in model.by_id:
        if id.lower() == "time":
            number = next(n for n in count(len(aliases) + 1) if f"quantity_{n}" not in taken)
            aliases[id] = f"quantity_{number}"
            taken.add(aliases[id])
    return aliases
