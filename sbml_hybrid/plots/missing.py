"""A figure of what was measured, what is missing, and what is beyond the limits of the assay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check_layout, succeeded, time_dimension
from sbml_hybrid.data.units import time_unit
from sbml_hybrid.errors import DataError
from sbml_hybrid.plots import style
from sbml_hybrid.plots.series import observables_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = {
    "measured": {"marker": "o", "color": style.COLOURS[0], "markeredgewidth": 0},
    "below the limit": {"marker": "v", "color": style.COLOURS[1], "markeredgewidth": 0},
    "above the limit": {"marker": "^", "color": style.COLOURS[1], "markeredgewidth": 0},
    "missing": {"marker": "o", "color": "#BBBBBB", "markerfacecolor": "white", "markeredgewidth": 0.7},
}


def gaps(
    data: xr.Dataset,
    observables: Iterable[str] | None = None,
    rows: int = 12,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw which points were measured: a panel per observable, a row of dots per series, at their times.

    Parameters
    ----------
    data
        A dataset with `measured`.
    observables
        Names of observables; the first 12 by default.
    rows
        How many series (trajectories, or their replicates) at most, the first ones; failed ones are passed over.
    axes
        Where to draw, one per observable; a new figure by default.

    Returns
    -------
    Panels
        The axes, (observable,); `.save(path)` writes the figure.
    """
    check_layout(data)
    if "measured" not in data:
        raise DataError("The dataset has no 'measured', so there are no gaps to draw. Try sh.measure first.")
    if rows < 1:
        raise ValueError(f"rows must be one or more, got {rows!r}.")
    names = observables_of(data, observables)
    series, labels = _series(succeeded(data), rows)
    made = style.grid(len(names), axes)
    # Dots that do not touch each other, however many there are.
    size = float(np.clip(150 / max(data.sizes[time_dimension(data)], 3 * len(labels)), 1.5, 4.5))
    found: set[str] = set()
    for one, name in zip(made, names, strict=True):
        column = data["observable"].values.tolist().index(name)
        for height, (times, values, codes) in enumerate(series):
            for kind, there in _kinds(times, values[:, column], codes[:, column]).items():
                if there.any():
                    found.add(kind)
                    small = size * 0.7 if kind == "missing" else size
                    dots = {**_LOOKS[kind], "markersize": small, "linestyle": "none", "clip_on": False}
                    one.plot(times[there], np.full(there.sum(), height), **dots)
        one.set_yticks(range(len(labels)), labels)
        one.set_ylim(len(labels) - 0.5, -0.5)
        one.grid(False)
        one.set_title(name, fontsize=style.FONT, color=style.INK)
        one.set_xlabel(style.time_label(time_unit(data)))
        one.set_ylabel("trajectory / replicate" if "replicate" in data["measured"].dims else "trajectory")
    style.legend(
        made,
        [(kind, {**look, "markersize": 4.5, "linestyle": "none"}, kind in found) for kind, look in _LOOKS.items()],
    )
    return made


def _kinds(times: np.ndarray, values: np.ndarray, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Which points of a series are of which kind (time,); each point is of one."""
    there = ~np.isnan(values)
    return {
        "missing": ~there & ~np.isnan(times),
        "measured": there & (codes == 0),
        "below the limit": there & (codes < 0),
        "above the limit": there & (codes > 0),
    }


def _series(data: xr.Dataset, most: int) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], list[str]]:
    """Times (time,), values and codes (time, observable) of the first series, and their labels."""
    axis, replicated = time_dimension(data), "replicate" in data["measured"].dims
    order = ("trajectory", *(["replicate"] if replicated else []), axis, "observable")
    values = data["measured"].transpose(*order).values
    codes = data["censored"].transpose(*order).values if "censored" in data else np.zeros(values.shape, np.int8)
    times = np.broadcast_to(data["time"].values, (len(values), values.shape[-2]))
    series, labels = [], []
    for at in list(np.ndindex(values.shape[:-2]))[:most]:
        series.append((times[at[0]], values[at], codes[at]))
        label = str(data["trajectory"].values[at[0]])
        labels.append(f"{label} / {data['replicate'].values[at[1]]}" if replicated else label)
    return series, labels
