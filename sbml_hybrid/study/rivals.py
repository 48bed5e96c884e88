"""Forecasters by name, as a study file and the command line write them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from sbml_hybrid.errors import StudyError, unknown_name

# The name in tables and figures, and the public class.
KINDS = {
    "persistence": "Persistence",
    "series mean": "SeriesMean",
    "ridge": "Ridge",
    "random forest": "RandomForest",
    "MLP": "MLP",
    "GRU": "GRU",
    "residual": "Residual",
    "hybrid": "Hybrid",
}


def rivals_from_names(names: str, model: Any = None) -> dict[str, Any]:
    """Return forecasters with their usual settings from a list such as ``"persistence,gru,residual"``."""
    asked = [name.strip() for name in names.split(",") if name.strip()]
    if not asked:
        raise StudyError("No rival is named. Try: --rivals persistence,ridge,gru.")
    return {display_name(name): rival(name, {}, model, "the list of rivals") for name in asked}


def rivals_from_tables(tables: Mapping[str, Mapping], model: Any, place: str, jobs: int = 1) -> dict[str, Any]:
    """Return the forecasters of ``[benchmark.rivals]``: settings by name, with ``kind`` where the name is another.

    `jobs` is how many processes those may use that can, unless they say it themselves.
    """
    if not tables:
        raise StudyError(f"{place} names no rival. Add one, such as: ridge = {{}}.")
    made = {}
    for name, settings in tables.items():
        settings = dict(settings)
        kind = settings.pop("kind", name)
        shown = display_name(kind) if "kind" not in tables[name] else name
        one = rival(kind, settings, model, f"{place}, {name!r}")
        shared = hasattr(one, "jobs") and "jobs" not in settings
        made[shown] = dataclasses.replace(one, jobs=jobs) if shared else one
    return made


def display_name(kind: str) -> str:
    """Return the name that tables use for a kind, however it was written: ``random-forest`` is ``random forest``."""
    return {_plain(shown): shown for shown in KINDS}.get(_plain(kind), kind)


def rival(kind: str, settings: Mapping[str, Any], model: Any, place: str) -> Any:
    """Return one forecaster.

    Parameters
    ----------
    kind
        A name of `KINDS`, in any case and with any hyphens, or one that another package registered in the entry points
        ``sbml_hybrid.forecasters``.
    settings
        Its fields; ``network = {kind = "gru", units = 32}`` makes a nested one.
    model
        Given to forecasters that know the equations.
    place
        Where it was asked for, for messages.
    """
    made_by = _forecaster_class(kind, place)
    known = {f.name for f in dataclasses.fields(made_by)}
    values = {}
    for key, value in settings.items():
        if key not in known - {"model"}:
            raise unknown_name("setting", key, sorted(known - {"model"}), place)
        nested = key == "network" and isinstance(value, Mapping)
        values[key] = rival(value.get("kind", ""), _without_kind(value), model, place) if nested else value
    if "model" in known:
        if model is None:
            raise StudyError(f"{kind!r} knows the equations of a model, and none is given ({place}).")
        values["model"] = model
    try:
        return made_by(**values)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{str(error).rstrip('.')} ({place}).") from error


def _forecaster_class(kind: str, place: str) -> type:
    import sbml_hybrid

    ours = {_plain(shown): name for shown, name in KINDS.items()}
    if _plain(kind) in ours:
        return getattr(sbml_hybrid, ours[_plain(kind)])
    others = {_plain(point.name): point for point in entry_points(group="sbml_hybrid.forecasters")}
    if _plain(kind) in others:
        return others[_plain(kind)].load()
    raise unknown_name("forecaster", kind, [*KINDS, *others], place)


def _plain(name: str) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())


def _without_kind(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "kind"}
