"""Figures of noise models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check_layout, succeeded
from sbml_hybrid.data.units import time_unit, units_of
from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def noise(
    measured: Mapping[str, xr.Dataset],
    observable: str | None = None,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw one trajectory as several noise models measure it, side by side.

    Parameters
    ----------
    measured
        Title of a panel -> what `measure` gave for the same trajectories, under one noise model each. The first
        trajectory that worked is drawn: its readout as a line, its measurements as dots.
    observable
        Which one; the first by default.
    axes
        Where to draw, one for each noise model; a new figure by default.

    Returns
    -------
    Panels
        The axes, (noise model,); `.save(path)` writes the figure.

    Raises
    ------
    DataError
        There is nothing to draw, or a dataset has no measurements or readout.
    UnknownName
        A dataset does not have the observable.
    """
    if not measured:
        raise DataError("There is nothing to draw. Give title -> dataset, such as {'10 %': sh.measure(truth, seed=1)}.")
    made = style.grid(len(measured), axes)
    for number, (one, (title, data)) in enumerate(zip(made, measured.items(), strict=True)):
        row, name = _first(data, title), _observable(data, observable, title)
        times, colour = row["time"].values, style.COLOURS[number % len(style.COLOURS)]
        values = row["measured"].sel(observable=name)
        for replicate in np.atleast_2d(values.values):
            one.plot(times, replicate, "o", color=colour, markersize=3.5, markeredgewidth=0, alpha=0.8)
        one.plot(times, row["readout"].sel(observable=name), color=style.INK, linewidth=1.2)
        one.set_title(title, fontsize=style.FONT, color=style.INK, loc="left")
        unit = units_of(data, "measured").get(name)
        one.set_ylabel(f"{name} ({unit})" if unit else name)
        one.set_xlabel(style.time_label(time_unit(data)))
    _share_limits(made)
    style.legend(
        made,
        [
            ("noise-free readout", {"color": style.INK, "linewidth": 1.2}, True),
            (
                "measured",
                {"color": style.PALE, "marker": "o", "markersize": 3.5, "markeredgewidth": 0, "linestyle": "none"},
                True,
            ),
        ],
    )
    return made


def _first(data: xr.Dataset, title: str) -> xr.Dataset:
    check_layout(data)
    if "measured" not in data or "readout" not in data:
        raise DataError(f"{title!r} has no measurements with their noise-free readout. Try sh.measure first.")
    worked = succeeded(data)
    if not worked.sizes["trajectory"]:
        raise DataError(f"{title!r} has no trajectory that worked.")
    return worked.isel(trajectory=0)


def _observable(data: xr.Dataset, observable: str | None, title: str) -> str:
    names = data["observable"].values.tolist()
    if observable is not None and observable not in names:
        raise unknown_name("observable", observable, names, repr(title))
    return observable if observable is not None else names[0]


def _share_limits(made: style.Panels) -> None:
    """Noise models are compared by eye, so all panels have one scale."""
    low, high = (pick([one.get_ylim()[i] for one in made]) for i, pick in enumerate((min, max)))
    for one in made:
        one.set_ylim(low, high)
