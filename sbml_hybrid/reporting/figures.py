"""The report's figures: small single ones, which a phone shows one below the other and paper side by side."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid import plots
from sbml_hybrid.benchmarking.cells import kept_forecast
from sbml_hybrid.benchmarking.runner import PERSISTENCE
from sbml_hybrid.benchmarking.statistics import errors
from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.data.store import write_whole
from sbml_hybrid.reporting.words import title

_NARROW, _WIDE, _HEIGHT = 4.2, 5.0, 3.1  # inches: legible on a phone without zooming
_MOST = 4  # observables that get figures of their own


@dataclass(frozen=True)
class Figure:
    """A figure that was written: its name, what it shows, and the SVG file."""

    name: str
    caption: str
    path: Path


@dataclass(frozen=True)
class Examples:
    """Where example forecasts come from: the folder that the benchmark kept them in, and what it was given."""

    folder: Path
    test: xr.Dataset
    lookback: int
    horizon: int


def write_figures(
    folder: Path, data: xr.Dataset, scores: pd.DataFrame, ranking: pd.DataFrame, against: str, examples: Examples
) -> dict[str, list[Figure]]:
    """Write every figure as SVG and as PNG, and return them by the section of the report that they belong to."""
    observables = data["observable"].values.tolist()[:_MOST]

    def write(name: str, caption: str, draw: Callable, width: float = _NARROW, rows: int = 1) -> Figure:
        return _write(folder, name, caption, draw, width, rows)

    made: dict[str, list[Figure]] = {"forecasts": [], "data": [], "errors": []}
    chosen, forecasts = _examples(examples, scores, ranking, against)
    for name in observables:
        made["forecasts"].append(
            write(
                f"forecasts_{name}",
                f"Forecasts of {name}.",
                lambda axes, name=name: plots.forecasts(forecasts, chosen, [name], axes=axes),
                rows=chosen.sizes["trajectory"],
            )
        )
        made["data"].append(
            write(
                f"trajectories_{name}",
                f"{name} in time.",
                lambda axes, name=name: plots.trajectories(data, [name], axes=axes),
            )
        )
    shown = _legible(scores, ranking)
    made["errors"] = [
        write(
            "by_horizon",
            "How the error grows with the time looked ahead.",
            lambda axes: plots.by_horizon(shown, against=against, axes=axes),
            _WIDE,
        ),
        write(
            "by_origin",
            "The error by the time at which the forecast was made.",
            lambda axes: plots.by_origin(shown, against=against, axes=axes),
            _WIDE,
        ),
    ]
    made["ranking"] = [_save(folder, "ranking", "The ranking.", plots.ranking(ranking, against=against))]
    return made


def _write(folder: Path, name: str, caption: str, draw: Callable, width: float, rows: int) -> Figure:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, _HEIGHT if rows == 1 else 0.7 + 1.75 * rows), layout="constrained")
    axes = canvas.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    drawn = draw(axes if rows > 1 else axes[0])
    legend = axes[0].get_legend()
    if legend is not None:  # above the axes, where it covers nothing
        handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
        legend.remove()
        look = {"frameon": False, "fontsize": plots.style.FONT - 0.5, "handlelength": 1.6}
        room = width - 2 * look["fontsize"] / 72  # it is set off from the border
        count, _ = plots.style.columns_that_fit(handles, labels, room, 2, **look)
        canvas.legend(handles, labels, loc="outside upper left", ncols=count, **look)
    return _save(folder, name, caption, drawn)


def _save(folder: Path, name: str, caption: str, drawn: plots.style.Panels) -> Figure:
    plain = re.sub(r"[^\w.-]+", "_", name)
    with tempfile.TemporaryDirectory() as beside:
        for kind in ("png", "svg"):
            picture = drawn.save(Path(beside) / f"{plain}.{kind}", dpi=200)
            write_whole({"": picture.read_bytes()}, folder / picture.name)
    return Figure(plain, caption, folder / f"{plain}.svg")


def _legible(scores: pd.DataFrame, ranking: pd.DataFrame) -> pd.DataFrame:
    """The rows of at most six forecasters, the naive one among them: more lines than that are not told apart."""
    best = ranking.head(5)["forecaster"].tolist()
    return scores[scores["forecaster"].isin([*best, PERSISTENCE, "perfect"])]


def _examples(
    examples: Examples, scores: pd.DataFrame, ranking: pd.DataFrame, against: str
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Three held-out experiments, by how well the best forecaster does, at the origin where most happens."""
    best = ranking[ranking["counts"]].iloc[0]
    mine = scores[(scores["forecaster"] == best["forecaster"]) & (scores["mechanism"] == best["mechanism"])]
    origin = 0
    if time_dimension(examples.test) == "time":  # with times of their own, experiments share no origin
        by_origin = errors(scores[scores["forecaster"] == PERSISTENCE], ["origin"], against=against)
        time = by_origin.loc[by_origin["value"].idxmax(), "origin"]
        origin = sorted(scores["origin"].unique()).index(time)
        mine = mine[mine["origin"] == time]
    by_draw = errors(mine, ["draw"], against=against).sort_values("value")["draw"].tolist()
    picked = [by_draw[round(share * (len(by_draw) - 1))] for share in (0.1, 0.5, 0.9)]
    draws = examples.test["draw"].values.tolist()
    rows = [draws.index(draw) for draw in dict.fromkeys(picked)]
    lines = ranking[ranking["counts"] & (ranking["forecaster"] != PERSISTENCE)].head(2)
    lines = pd.concat([lines, ranking[ranking["forecaster"] == PERSISTENCE]])
    forecasts = {
        title(row): kept_forecast(
            examples.folder,
            row["forecaster"],
            row["mechanism"],
            examples.test,
            examples.lookback,
            examples.horizon,
            origin,
        )
        for _, row in lines.iterrows()
    }
    return examples.test.isel(trajectory=np.array(rows)), forecasts
