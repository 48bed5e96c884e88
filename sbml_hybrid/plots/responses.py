"""The figure of an experiment: what was given, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import xarray as xr

from sbml_hybrid.data.units import time_unit, units_of
from sbml_hybrid.errors import DataError
from sbml_hybrid.plots import style
from sbml_hybrid.plots.series import by_condition, rows_of_draws, trajectories

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def responses(
    data: xr.Dataset,
    observables: Iterable[str] | None = None,
    draws: int = 3,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw trajectories above the inputs that they answer, with a colour for each condition.

    Parameters
    ----------
    data
        A dataset with `controls`, as `sbml_hybrid.simulate` gives it with conditions, or as it was measured.
    observables
        Names of observables (species, where nothing was measured); the first 3 by default.
    draws
        How many draws. Failed ones are passed over.
    axes
        Where to draw, one per observable and then one per input; a new figure by default.

    Returns
    -------
    Panels
        The axes, (observable and input,); `.save(path)` writes the figure.

    Raises
    ------
    DataError
        The dataset has no inputs.
    """
    if "controls" not in data:
        raise DataError(
            "The dataset has no inputs ('controls'). Try: sh.plots.trajectories, or conditions with inputs."
        )
    dimension = "observable" if "observable" in data.dims else "species"
    names = data[dimension].values.tolist()[:3] if observables is None else observables
    names = [names] if isinstance(names, str) else list(names)
    inputs = data["control"].values.tolist()
    made = style.panels(len(names) + len(inputs), 1, axes, width=5.6, height=1.8, sharex=True)[:, 0].view(style.Panels)
    trajectories(data, names, draws, axes=list(made[: len(names)]))
    colours = by_condition(data) or {"": style.COLOURS[0]}
    for one, name in zip(made[len(names) :], inputs, strict=True):
        _draw_input(one, data, name, rows_of_draws(data, draws), colours)
    for one in made:
        one.set_xlabel(style.time_label(time_unit(data)) if one is made[-1] else "")
    return made


def _draw_input(one: Axes, data: xr.Dataset, name: str, rows: list[int], colours: dict[str, str]) -> None:
    """Given amounts and steps jump at their times; time courses are lines."""
    smooth = name in _courses(data)
    times, values = data["time"].values, data["controls"].sel(control=name).values
    for row in rows:
        condition = str(data["condition"].values[row]) if len(colours) > 1 else next(iter(colours))
        own = times[row] if times.ndim == 2 else times
        style_of_line = "default" if smooth else "steps-post"
        one.plot(own, values[row], color=colours[condition], linewidth=1.3, alpha=0.8, drawstyle=style_of_line)
    unit = units_of(data, "controls").get(name, "")
    given = name.startswith("dose(") and name.endswith(")")
    label = f"{name[5:-1]} given" if given else name
    one.set_ylabel(f"{label} ({unit})" if unit else label)


def _courses(data: xr.Dataset) -> set[str]:
    conditions = json.loads(data.attrs.get("conditions", "[]"))
    inputs = [one for condition in conditions for one in condition.get("inputs", ())]
    return {one["quantity"] for one in inputs if one["kind"] == "TimeCourse"}
