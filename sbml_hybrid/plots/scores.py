"""Figures of the benchmark: errors by horizon and by origin, and the ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ORIGINS = 20


@dataclass(frozen=True)
class _Metric:
    """What a figure has to know of a metric: its words, and how cells are summed up."""

    label: str
    root: bool = False  # root mean square of the cells, else their mean
    pooled: bool = False  # over all channels at once, else the mean of the channels
    higher_is_better: bool = False
    in_units: bool = False  # in the unit of the channels, else without one

    def said(self, table: pd.DataFrame) -> str:
        """The words, with the unit where the table's channels have one in common."""
        unit = table.attrs.get("unit", "") if self.in_units else ""
        return f"{self.label} ({unit})" if unit else self.label


# As in the benchmark, which stands above the figures and is not theirs to import.
_METRICS = {
    "mae": _Metric("mean absolute error", in_units=True),
    "rmse": _Metric("root mean squared error", root=True, in_units=True),
    "nrmse_sd": _Metric("error (training standard deviations)", root=True),
    "nrmse_mean": _Metric("error (share of the mean)", root=True, pooled=True),
    "r2": _Metric("share of variance explained (R²)", higher_is_better=True),
    "mase": _Metric("error (mean steps of the training data)"),
}


def by_horizon(
    scores: pd.DataFrame, metric: str = "nrmse_sd", against: str = "truth", axes: Axes | None = None
) -> style.Panels:
    """Draw how the error grows with the horizon, one line per forecaster.

    Parameters
    ----------
    scores
        The table of `benchmark`.
    metric, against
        Which errors: ``"truth"``, or ``"measurement"``, where a dashed line shows the noise that no forecast undercuts.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Panels
        The axes, (1,); `.save(path)` writes the figure.
    """
    rows = _chosen(scores, metric, against)
    return _lines(rows, "horizon", metric, against, "horizon (time points ahead)", axes)


def by_origin(
    scores: pd.DataFrame, metric: str = "nrmse_sd", against: str = "truth", axes: Axes | None = None
) -> style.Panels:
    """Draw the error by the time at which the forecast was made, one line per forecaster.

    A system that comes to rest is forecast best by its last value: this figure shows from when on.

    Parameters
    ----------
    scores
        The table of `benchmark`. `scores.attrs["time_unit"]`, where there is one, is the unit of the axis.
    metric, against
        Which errors.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Panels
        The axes, (1,); `.save(path)` writes the figure.
    """
    rows = _chosen(scores, metric, against)
    if rows["origin"].nunique() > _MOST_ORIGINS:  # individual sampling times: groups of equal size, at their median
        group = pd.qcut(rows["origin"], 10, duplicates="drop")
        rows = rows.assign(origin=rows.groupby(group, observed=True)["origin"].transform("median"))
    label = style.time_label(scores.attrs.get("time_unit")).replace("time", "time of the forecast", 1)
    return _lines(rows, "origin", metric, against, label, axes)


def ranking(
    summary: pd.DataFrame, metric: str = "nrmse_sd", against: str = "truth", axes: Axes | None = None
) -> style.Panels:
    """Draw the ranking: each forecaster's error with its bootstrap interval, the best on top.

    Rows that no lab may go by (they knew the equations that made the data, or its kinetic parameters) are hollow.

    Parameters
    ----------
    summary
        The table of `summary`.
    metric, against
        Which errors the table holds, for the axis.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Panels
        The axes, (1,); `.save(path)` writes the figure.
    """
    kind = _metric(metric)
    if summary.empty:
        raise DataError("The summary has no rows to rank.")
    made = style.panels(1, 1, axes, width=6.4, height=1.2 + 0.27 * len(summary)).reshape(-1)
    one = made[0]
    colours = style.colours(summary["forecaster"])
    naive = summary.loc[summary["forecaster"] == "persistence", "error"]
    if len(naive):
        one.axvline(naive.iloc[0], color=style.NAIVE["persistence"], linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for place, row in enumerate(summary.itertuples()):
        colour = colours[row.forecaster]
        one.plot([row.low, row.high], [place, place], color=colour, linewidth=2.2, alpha=0.55, solid_capstyle="round")
        face = colour if row.counts else "white"
        one.plot(row.error, place, marker="o", markersize=6.5, color=colour, markerfacecolor=face, zorder=3)
        one.annotate(
            _in_words(row),
            xy=(1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=style.FONT - 1,
            color=style.INK if row.counts else style.PALE,
            annotation_clip=False,
        )
    one.set_yticks(range(len(summary)), [_title(row) for row in summary.itertuples()])
    for label, counts in zip(one.get_yticklabels(), summary["counts"], strict=True):
        label.set(fontsize=style.FONT, color=style.INK if counts else style.PALE)
    one.set_ylim(len(summary) - 0.4, -0.6)
    shown = np.isfinite(summary[["low", "high"]].to_numpy(float)).any()
    one.annotate(
        "error (95 % interval)" if shown else "error",
        xy=(1.02, 1.0),
        xycoords="axes fraction",
        va="bottom",
        fontsize=style.FONT - 1,
        color=style.PALE,
        annotation_clip=False,
    )
    one.grid(axis="y", visible=False)
    one.grid(axis="x", color=style.GRID, linewidth=0.7)
    one.tick_params(axis="y", length=0)
    _scale(one.xaxis, summary[["error", "low", "high"]].to_numpy(float), kind)
    one.set_xlabel(f"{kind.said(summary)}, against the {_target(against)}")
    _ranking_legend(made, bool(len(naive)), bool((~summary["counts"]).any()))
    return made


def _ranking_legend(made: style.Panels, naive: bool, hollow: bool) -> None:
    line = {"color": style.NAIVE["persistence"], "linewidth": 0.9, "linestyle": (0, (4, 3))}
    dot = {"color": style.PALE, "marker": "o", "markersize": 6.5, "markerfacecolor": "white", "linestyle": "none"}
    style.legend(
        made,
        [
            ("persistence", line, naive),
            ("knew the equations or parameters behind the data: not for a choice", dot, hollow),
        ],
        columns=2,
    )


def _lines(rows: pd.DataFrame, by: str, metric: str, against: str, xlabel: str, axes: Axes | None) -> style.Panels:
    kind = _METRICS[metric]
    table = _errors(rows, ["forecaster", "mechanism", "oracle", by], kind)
    groups = list(table.groupby(["forecaster", "mechanism", "oracle"], observed=True, sort=False))
    made = style.panels(1, 1, axes, width=6.6, height=max(3.4, 0.22 * len(groups) + 0.9)).reshape(-1)
    one = made[0]
    names = [key[0] for key, _ in groups if key[0] != "perfect"]
    colours, markers = style.colours(names), style.markers(names)
    ends = []
    for (name, mechanism, oracle), line in groups:
        line = line.sort_values(by)
        if name == "perfect":
            if against == "truth":
                continue  # zero by definition
            look = {"color": style.INK, "linestyle": (0, (2, 2)), "linewidth": 1.0}
            title = "noise (no forecast is better)"
        else:
            knows_all = mechanism == "true" or oracle
            look = {
                "color": colours[name],
                "linestyle": (0, (1, 1.2)) if knows_all else "-",
                "linewidth": 1.2 if name in style.NAIVE else 1.7,
                "marker": markers[name],
                "markersize": 4.5 if len(line) <= 25 else 0,
                "markerfacecolor": "white" if knows_all else colours[name],
            }
            title = _label(name, mechanism, oracle)
        one.plot(line[by], line["value"], **look)
        ends.append((line[by].iloc[-1], line["value"].iloc[-1], title, look["color"]))
    one.set_xlabel(xlabel)
    one.set_ylabel(f"{kind.said(rows)},\nagainst the {_target(against)}")
    places = np.unique(table[by])
    if len(places) <= 12:
        one.set_xticks(places)
    _scale(one.yaxis, table.loc[table["forecaster"] != "perfect", "value"].to_numpy(), kind)
    style.label_ends(one, ends)
    return made


def _errors(rows: pd.DataFrame, by: list[str], kind: _Metric) -> pd.DataFrame:
    """Sum up cells: within each channel as the metric demands, then the mean over channels."""
    values = rows.assign(value=rows["value"] ** 2) if kind.root else rows
    groups = by if kind.pooled else [*by, "channel"]
    each = values.groupby(groups, observed=True, sort=False)["value"].mean()
    each = np.sqrt(each) if kind.root else each
    return each.groupby(by, observed=True, sort=False).mean().reset_index()


def _scale(axis, values: np.ndarray, kind: _Metric) -> None:
    """From zero; logarithmic where errors differ so much that the small ones would lie on the axis."""
    finite = values[np.isfinite(values)]
    set_limits = axis.axes.set_ylim if axis.axis_name == "y" else axis.axes.set_xlim
    if kind.higher_is_better:
        lowest = min(finite.min(), 0.0) if len(finite) else 0.0
        set_limits(max(1.1 * lowest, -1.0), 1.02)  # an R2 below -1 is as useless as one of -1000
        return
    positive = finite[finite > 0]
    if len(positive) and positive.max() > 20 * positive.min():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        (axis.axes.set_yscale if axis.axis_name == "y" else axis.axes.set_xscale)("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        set_limits(positive.min() / 1.2, positive.max() * 1.2)
        return
    set_limits(0.0, 1.07 * finite.max() if len(finite) and finite.max() > 0 else 1.0)


def _chosen(scores: pd.DataFrame, metric: str, against: str) -> pd.DataFrame:
    _metric(metric)
    there = [str(name) for name in scores["against"].unique()]
    if against not in there:
        raise DataError(f"These scores are against {' and '.join(map(repr, there))}, not {against!r}.")
    rows = scores[(scores["metric"] == metric) & (scores["against"] == against)]
    if rows.empty:
        raise DataError(f"The scores have no {metric!r} against {against!r}. Try metric='mae'.")
    return rows


def _metric(name: str) -> _Metric:
    if name not in _METRICS:
        raise unknown_name("metric", name, _METRICS, "the figures")
    return _METRICS[name]


def _label(name: str, mechanism: str, oracle: bool) -> str:
    title = name if mechanism == "none" else f"{name}, {mechanism} mechanism"
    return f"{title} (oracle)" if oracle else title


def _title(row) -> str:
    return _label(row.forecaster, row.mechanism, row.oracle)


def _in_words(row) -> str:
    # Two digits of the error, and as many decimals in its interval.
    size = abs(row.error)
    decimals = int(np.clip(1 - np.floor(np.log10(size)), 0, 6)) if 0 < size < np.inf else 2
    value = f"{row.error:.{decimals}f}"
    known = np.isfinite([row.low, row.high]).all()
    return f"{value}  ({row.low:.{decimals}f} to {row.high:.{decimals}f})" if known else value


def _target(against: str) -> str:
    return "noise-free truth" if against == "truth" else against
