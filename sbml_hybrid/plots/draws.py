"""Figures of tables of draws: what each quantity was given, and which of them move together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_MOST = 6  # quantities when nobody says which
_DOTS = 1000  # more hide each other
_DECADE = 10.0  # a positive quantity with a wider range than this has a logarithmic axis


def draws(
    table: pd.DataFrame, quantities: Iterable[str] | None = None, axes: Axes | Iterable[Axes] | None = None
) -> style.Panels:
    """Draw a table of draws: each quantity's histogram, and each pair of quantities against each other.

    Above the diagonal stands the rank correlation of each pair. A positive quantity that spans more than a decade
    has a logarithmic axis.

    Parameters
    ----------
    table
        A row per draw, a column per quantity (`sbml_hybrid.sample`).
    quantities
        Names of columns; by default the first 6 that vary.
    axes
        Where to draw, row by row, as many rows as quantities; a new figure by default.

    Returns
    -------
    Panels
        The axes, (quantity, quantity); `.save(path)` writes the figure.

    Raises
    ------
    UnknownName
        The table has no such column.
    DataError
        Nothing in the table varies, or a quantity that was asked for does not.
    """
    names = _chosen(table, [quantities] if isinstance(quantities, str) else quantities)
    values = {name: table[name].to_numpy(float) for name in names}
    logarithmic = {name: v.min() > 0 and v.max() > _DECADE * v.min() for name, v in values.items()}
    made = style.panels(len(names), len(names), axes, width=1.9 if len(names) > 1 else 4.0, height=1.8)
    for row, below in enumerate(names):
        for column, across in enumerate(names):
            one = made[row, column]
            one.grid(False)
            if column > row:
                rank = np.corrcoef(table[across].rank(), table[below].rank())[0, 1]
                _write_correlation(one, rank, "rank correlation\n" if (row, column) == (0, 1) else "")
                continue
            _scale(one.xaxis, one.set_xscale, values[across], logarithmic[across])
            if column == row:
                _draw_histogram(one, values[across], logarithmic[across])
            else:
                _scale(one.yaxis, one.set_yscale, values[below], logarithmic[below])
                dots = slice(None, None, -(-len(table) // _DOTS))
                look = {"marker": "o", "markersize": 2.4, "markeredgewidth": 0, "linestyle": "none", "alpha": 0.5}
                one.plot(values[across][dots], values[below][dots], color=style.COLOURS[0], **look)
            _label(one, across if row == len(names) - 1 else "", below if column == 0 and row else "")
    return made


def _chosen(table: pd.DataFrame, asked: Iterable[str] | None) -> list[str]:
    varied = [name for name in table.columns if table[name].nunique() > 1]
    names = varied[:_MOST] if asked is None else list(asked)
    for name in names:
        if name not in table.columns:
            raise unknown_name("quantity", name, table.columns, "the table of draws")
        if name not in varied:
            raise DataError(f"{name!r} is {table[name].iloc[0]:g} in all {len(table)} draws; draw what varies.")
    if not names:
        raise DataError(f"Nothing varies in a table of {len(table)} draws and {len(table.columns)} quantities.")
    return names


def _draw_histogram(axes: Axes, values: np.ndarray, logarithmic: bool) -> None:
    edges = (np.geomspace if logarithmic else np.linspace)(values.min(), values.max(), 25)
    edges[-1] = values.max()  # a power of 10 may be rounded below it
    axes.hist(values, edges, color=style.COLOURS[0], alpha=0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _write_correlation(axes: Axes, rank: float, what: str) -> None:
    axes.set_axis_off()
    said = f"{what}{rank:.2f}".replace("-0.00", "0.00")
    axes.text(0.5, 0.5, said, ha="center", va="center", color=style.INK, fontsize=style.FONT, transform=axes.transAxes)


def _scale(axis: Axis, set_scale: Callable[[str], None], values: np.ndarray, logarithmic: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    if not logarithmic:
        axis.set_major_locator(MaxNLocator(3))
        return
    set_scale("log")
    few = values.max() < _DECADE**2 * values.min()
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if few else (1.0,), numticks=4))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _label(axes: Axes, across: str, below: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(below)
    axes.tick_params(labelbottom=bool(across), labelleft=bool(below))
