"""Figures of hybrids: a learned law beside the model's own, what networks changed over time, and what was estimated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OWN, LEARNED = style.COLOURS[0], style.COLOURS[1]
_DASHES = (0, (3, 2))
_BINS = 40
_DOTS = 3000  # more hide each other
_STRIP = 0.1  # of the height: how often each place was visited
_CORRECTIONS = {"scale": "factor", "add": "added", "replace": "learned minus own"}


@dataclass(frozen=True, eq=False)
class Laws:
    """A port's own law and the learned one: where trajectories went, and along one quantity.

    Parameters
    ----------
    visited
        That quantity (point,), at all points of all trajectories.
    own_there, learned_there
        What the model's own law gave at these points, and what was used (point,).
    x
        That quantity along the curves (place,).
    own, learned
        Both laws along the curves, a row for each trained start (start, place).
    covered
        Whether trajectories went through that place (place,).
    """

    visited: np.ndarray
    own_there: np.ndarray
    learned_there: np.ndarray
    x: np.ndarray
    own: np.ndarray
    learned: np.ndarray
    covered: np.ndarray


def laws(
    found: Laws, across: str = "", up: str = "", note: str = "", axes: Axes | Iterable[Axes] | None = None
) -> style.Panels:
    """Draw a learned law beside the model's own.

    Dots are the points that trajectories visited, and the grey hills at the bottom say how often. Lines are dashed
    where no trajectory went. With several trained starts the lines are their medians, and bands span all of them.

    Parameters
    ----------
    found
        Both laws.
    across, up
        The labels of the axes, with units.
    note
        What is written above, such as where other quantities are held.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Panels
        The axes, (1,); `.save(path)` writes the figure.
    """
    made = style.grid(1, axes)
    one = made[0]
    few = slice(None, None, -(-len(found.visited) // _DOTS))
    dot = {"marker": "o", "markersize": 2.6, "markeredgewidth": 0, "linestyle": "none"}
    alpha = float(np.clip(150 / len(found.visited), 0.12, 0.5))
    for colour, values in ((OWN, found.own_there), (LEARNED, found.learned_there)):
        one.plot(found.visited[few], values[few], color=colour, alpha=alpha, zorder=2, **dot)
    several = len(found.own) > 1
    gaps = not found.covered.all()
    for colour, rows, width in ((OWN, found.own, 3.0), (LEARNED, found.learned, 1.6)):
        if several and (np.ptp(rows, axis=0) > 0).any():
            low, high = rows.min(axis=0), rows.max(axis=0)
            one.fill_between(found.x, low, high, where=found.covered, color=colour, alpha=0.2, linewidth=0, zorder=1)
        middle = np.median(rows, axis=0)
        one.plot(found.x, np.where(found.covered, middle, np.nan), color=colour, linewidth=width, zorder=3)
        if gaps:
            one.plot(found.x, np.where(found.covered, np.nan, middle), color=colour, lw=1.2, ls=_DASHES, zorder=3)
    _draw_visits(one, found.visited)
    one.set(xlabel=across, ylabel=up)
    one.set_title(note, fontsize=style.FONT - 1, color=style.INK, loc="left")
    said = f"learned ({len(found.learned)} starts: median and range)" if several else "learned"
    patch = {"marker": "s", "markersize": 7, "markeredgewidth": 0, "linestyle": "none", "color": "#D0D0D0"}
    style.legend(
        made,
        [
            ("the model's own law", {"color": OWN, "linewidth": 3.0}, True),
            (said, {"color": LEARNED, "linewidth": 1.6}, True),
            ("along the trajectories", {"color": style.INK, **dot, "markersize": 3.5, "alpha": 0.6}, True),
            ("how often visited", patch, True),
            ("never visited", {"color": style.INK, "linewidth": 1.2, "linestyle": _DASHES}, gaps),
        ],
        columns=3,
    )
    return made


def _draw_visits(one: Axes, visited: np.ndarray) -> None:
    """Fill hills below everything else, as high as the place was visited often."""
    low, high = one.get_ylim()
    one.set_ylim(low - (high - low) * _STRIP, high)
    counts, edges = np.histogram(visited, _BINS)
    heights = 0.9 * _STRIP * counts / counts.max()
    look = {"color": "#D0D0D0", "linewidth": 0, "step": "post", "zorder": 0.5}
    one.fill_between(edges, 0, np.append(heights, heights[-1]), transform=one.get_xaxis_transform(), **look)


# -- over time -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Course:
    """What happened at a port along one trajectory.

    Parameters
    ----------
    port
        Its name.
    mode
        ``"scale"``, ``"add"`` or ``"replace"``.
    own, used
        What the model's own law gives and what was used instead (time,).
    unit
        The unit of both; empty where it is not known.
    """

    port: str
    mode: str
    own: np.ndarray
    used: np.ndarray
    unit: str = ""

    @property
    def correction(self) -> np.ndarray:
        """The factor of a scale, NaN where there is nothing to scale; of the other modes the difference."""
        if self.mode != "scale":
            return self.used - self.own
        some = self.own != 0
        return np.where(some, self.used / np.where(some, self.own, 1.0), np.nan)


def courses(
    times: np.ndarray, found: Sequence[Course], unit: str | None = None, axes: Axes | Iterable[Axes] | None = None
) -> style.Panels:
    """Draw what happened at each port over time: above, both laws; below, the correction.

    Parameters
    ----------
    times
        The times (time,).
    found
        A course for each port.
    unit
        The unit of time.
    axes
        Where to draw, two for each port: all laws, then all corrections. A new figure by default, with three ports side
        by side.

    Returns
    -------
    Panels
        The axes, (2, port): laws above, corrections below; `.save(path)` writes the figure.
    """
    columns = len(found) if axes is not None else min(3, len(found))
    rows = math.ceil(len(found) / columns)
    made = style.panels(2 * rows, columns, axes, width=3.4 if len(found) > 1 else 4.8, height=1.9, sharex=True)
    laws, below = made[0::2].reshape(-1), made[1::2].reshape(-1)
    for empty in (*laws[len(found) :], *below[len(found) :]):
        empty.set_axis_off()
    for upper, lower, course in zip(laws, below, found, strict=False):
        upper.plot(times, course.own, color=OWN, linewidth=3.0)
        upper.plot(times, course.used, color=LEARNED, linewidth=1.6)
        neutral = 1.0 if course.mode == "scale" else 0.0
        lower.axhline(neutral, color=style.PALE, linewidth=0.9)
        lower.plot(times, course.correction, color=LEARNED, linewidth=1.6)
        _open(lower, neutral, course)
        unit_of = f" ({course.unit})" if course.unit else ""
        upper.set_ylabel(f"{course.port}{unit_of}")
        lower.set_ylabel(_CORRECTIONS[course.mode] + ("" if course.mode == "scale" else unit_of))
        lower.set_xlabel(style.time_label(unit))
        lower.tick_params(labelbottom=True)
    shown = np.array([[*laws[: len(found)]], [*below[: len(found)]]], dtype=object).view(style.Panels)
    style.legend(
        shown,
        [
            ("the model's own law", {"color": OWN, "linewidth": 3.0}, True),
            ("used", {"color": LEARNED, "linewidth": 1.6}, True),
            ("no correction", {"color": style.PALE, "linewidth": 0.9}, True),
        ],
    )
    return shown


def _open(one: Axes, neutral: float, course: Course) -> None:
    """Keep what hardly differs from the neutral line from looking like a mountain range."""
    typical = 1.0 if course.mode == "scale" else float(np.nanmax(np.abs([*course.own, 1e-300])))
    low, high = one.get_ylim()
    one.set_ylim(min(low, neutral - 0.05 * typical), max(high, neutral + 0.05 * typical))
    one.ticklabel_format(axis="y", useOffset=False)


# -- estimates -------------------------------------------------------------------------------------


def estimates(
    table: pd.DataFrame,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    truth: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    shown: str = "prior",
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw what each start of a multi-start estimated, a row for each parameter.

    A dot is a start; its colour is its loss, and the best stands at the top of the row, ringed. Where all is positive,
    the axis is logarithmic.

    Parameters
    ----------
    table
        A row for each parameter and start: `parameter`, `start`, `value`, `loss`.
    ranges
        Parameter -> (low, high) of its prior, drawn as a bar.
    truth
        Parameter -> its true value, drawn as a line.
    units
        Parameter -> its unit.
    shown
        What the legend calls the ranges.
    axes
        Where to draw, one for each parameter; a new figure by default.

    Returns
    -------
    Panels
        The axes, (parameter,); `.save(path)` writes the figure.

    Raises
    ------
    UnknownName
        A prior or a true value of what was not estimated.
    DataError
        The table lacks a column, or has no finite loss.
    """
    ranges, truth, units = dict(ranges or {}), dict(truth or {}), dict(units or {})
    for column in ("parameter", "start", "value", "loss"):
        if column not in table.columns:
            raise DataError(f"The table of estimates has no column {column!r}. It has: {', '.join(table.columns)}.")
    names = list(dict.fromkeys(table["parameter"]))
    for name in (*ranges, *truth):
        if name not in names:
            raise unknown_name("estimated parameter", name, names, "the table of estimates")
    if not np.isfinite(table["loss"]).any():
        raise DataError(f"None of {table['start'].nunique()} starts has a finite loss, so there is nothing to draw.")
    table = table[np.isfinite(table["loss"]) & np.isfinite(table["value"])]
    made = style.panels(len(names), 1, axes, width=5.8, height=1.05)[:, 0].view(style.Panels)
    colour_of = _colours_of_losses(table["loss"])
    for one, name in zip(made, names, strict=True):
        rows = table[table["parameter"] == name].sort_values("loss", ascending=False, kind="stable")
        _draw_estimates(one, rows, ranges.get(name), truth.get(name), colour_of)
        one.set_ylabel(
            name + (f"\n({units[name]})" if units.get(name) else ""), rotation=0, ha="right", va="center", labelpad=8
        )
    best, worst = table["loss"].min(), table["loss"].max()
    dot = {"marker": "o", "markersize": 6, "linestyle": "none", "markeredgewidth": 0}
    ring = dot | {"markeredgewidth": 1.3, "markeredgecolor": style.INK}
    style.legend(
        made,
        [
            (f"best start, loss {best:.3g}", ring | {"color": colour_of(best)}, True),
            (f"worst, {worst:.3g}", dot | {"color": colour_of(worst)}, worst > best),
            (shown, {"color": "#DDDDDD", "linewidth": 8}, bool(ranges)),
            ("truth", {"color": style.COLOURS[2], "linewidth": 2.0}, bool(truth)),
        ],
    )
    return made


def _colours_of_losses(losses: pd.Series):
    """Loss -> colour, from dark (best) to bright; by the logarithm where positive losses span more than a decade."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(losses.min()), float(losses.max())
    high = high if high > low else low + max(abs(low), 1e-12)
    scaled = (LogNorm if low > 0 and high > 10 * low else Normalize)(low, high)
    return lambda loss: colormaps["viridis"](0.92 * float(scaled(loss)))


def _draw_estimates(
    one: Axes, rows: pd.DataFrame, span: tuple[float, float] | None, true: float | None, colour_of
) -> None:
    values = rows["value"].to_numpy(float)
    seen = np.array([*values, *(span or ()), *(() if true is None else (true,))])
    one.grid(False)
    one.grid(axis="x", color=style.GRID, linewidth=0.7)
    one.set(yticks=[], ylim=(-0.15, 1.15))
    one.spines["left"].set_visible(False)
    if (seen > 0).all():
        one.set_xscale("log")
        _label_decades(one, seen)
    elif np.ptp(seen) > 0:
        one.set_xlim(seen.min() - 0.06 * np.ptp(seen), seen.max() + 0.06 * np.ptp(seen))
    if span is not None:
        one.axvspan(*span, color="#DDDDDD", linewidth=0, zorder=0.5)
    if true is not None:
        one.axvline(true, color=style.COLOURS[2], linewidth=2.0, zorder=2)
    places = np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([0.5])
    for value, place, loss in zip(values, places, rows["loss"], strict=True):
        ring = style.INK if place == places[-1] else "none"
        look = {"markersize": 6, "markeredgecolor": ring, "markeredgewidth": 1.3, "zorder": 3}
        one.plot(value, place, marker="o", linestyle="none", color=colour_of(loss), **look)


def _label_decades(one: Axes, seen: np.ndarray) -> None:
    """Show at least a factor of 1.5 to both sides, and plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    room = max(1.08, (seen.max() / seen.min()) ** 0.06)
    low, high = seen.min() / room, seen.max() * room
    if high < 2.25 * low:
        low, high = math.sqrt(low * high) / 1.5, math.sqrt(low * high) * 1.5
    one.set_xlim(low, high)
    decades = math.log10(high / low)
    subs = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if decades < 1 else (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
    one.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    one.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    one.xaxis.set_minor_formatter(NullFormatter())
    one.tick_params(which="minor", length=0)
