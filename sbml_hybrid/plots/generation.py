"""The figure of a run: what came of it, and which values it spans."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sbml_hybrid.data.overview import Overview
from sbml_hybrid.data.overview import overview as numbers
from sbml_hybrid.plots import style
from sbml_hybrid.wording import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 24  # quantities that can be told apart in one panel


def overview(data: xr.Dataset | str | os.PathLike, axes: Axes | Iterable[Axes] | None = None) -> style.Panels:
    """Draw what came of a run: how many trajectories each setting of the solver served or failed, and the ranges.

    Parameters
    ----------
    data
        What `sbml_hybrid.simulate` gave, or the path of a store, which has the time per
        trajectory as well; see `sbml_hybrid.overview` for the numbers.
    axes
        Where to draw, two; a new figure by default.

    Returns
    -------
    Panels
        The axes, (2,); `.save(path)` writes the figure.
    """
    told = numbers(data)
    height = max(2.5, 0.7 + 0.2 * min(len(told.ranges), _MOST))
    made = style.panels(1, 2, axes, width=4.2, height=height)[0].view(style.Panels)
    _draw_outcomes(made[0], told)
    _draw_ranges(made[1], told)
    return made


def _draw_outcomes(one: Axes, told: Overview) -> None:
    bars = [(f"ok ({name})" if name != "default" else "ok", n, style.COLOURS[2]) for name, n in told.rungs.items()]
    failed: dict[str, int] = {}
    for failure in told.failures:
        failed[failure.status] = failed.get(failure.status, 0) + failure.count
    bars += [(name, n, style.COLOURS[1]) for name, n in failed.items()]
    bars += [("pending", told.pending, style.PALE)] if told.pending else []
    at = np.arange(len(bars))
    one.barh(at, [n for _, n, _ in bars], color=[colour for _, _, colour in bars], height=0.6)
    for place, (_, n, _) in zip(at, bars, strict=True):
        one.annotate(f" {n}", (n, place), va="center", fontsize=style.FONT - 1, color=style.INK)
    one.set_yticks(at, [name.replace("_", " ") for name, _, _ in bars])
    one.set_ylim(max(len(bars), 3, min(len(told.ranges), _MOST) / 3) - 0.5, -0.5)
    one.margins(x=0.15)
    one.set_xlabel("trajectories" + ("" if told.seconds is None else f" ({brief(told.seconds)} each)"))
    _across(one)


def _draw_ranges(one: Axes, told: Overview) -> None:
    shown = told.ranges.dropna(subset=["median"]).iloc[:_MOST]
    at = np.arange(len(shown))
    colour = style.COLOURS[0]
    positive = shown["highest"][shown["highest"] > 0]
    if len(positive) and (shown["lowest"] >= 0).all() and positive.max() > 100 * positive.min():
        one.set_xscale("symlog", linthresh=10.0 ** np.floor(np.log10(positive.min()) - 1))
    one.hlines(at, shown["lowest"], shown["highest"], color=colour, linewidth=5, alpha=0.35)
    one.plot(shown["median"], at, "o", color=colour, markersize=4.5)
    units = set(shown["unit"])
    one.set_yticks(
        at, [f"{n} ({u})" if u and len(units) > 1 else n for n, u in zip(shown.index, shown["unit"], strict=True)]
    )
    one.set_ylim(len(shown) - 0.5, -0.5)
    unit = f" ({units.pop()})" if len(units) == 1 and "" not in units else ""
    left = len(told.ranges) - len(shown)
    one.set_xlabel(f"lowest, median, highest{unit}" + (f"; {left} more not shown" if left else ""))
    _across(one)


def _across(one: Axes) -> None:
    one.grid(visible=False, axis="y")
    one.grid(visible=True, axis="x", color=style.GRID, linewidth=0.7)
