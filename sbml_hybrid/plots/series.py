"""Figures of time courses: trajectories with their measurements, simulated bands, forecasts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sbml_hybrid.data.coverage import coverage, quantiles, require_comparable
from sbml_hybrid.data.dataset import check_layout, succeeded
from sbml_hybrid.data.units import time_unit, units_of
from sbml_hybrid.errors import DataError, unknown_name
from sbml_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 12  # panels when nobody says which observables
_CENSORED = ((0, "o"), (1, "^"), (-1, "v"))


def trajectories(
    data: xr.Dataset,
    observables: Iterable[str] | None = None,
    draws: int = 5,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw a few trajectories: the noise-free readout as lines and the measurements as dots, a panel per observable.

    Where there are several conditions, they have the colours, and each draw is there in all of them.

    Parameters
    ----------
    data
        A dataset with `measured`, `readout` or `truth`; what there is, is drawn.
    observables
        Names of observables (species, where nothing was measured); the first 12 by default.
    draws
        How many draws; each has a colour of its own, unless conditions have. Failed ones are passed over.
    axes
        Where to draw, one per observable; a new figure by default.

    Returns
    -------
    Panels
        The axes, (observable,); `.save(path)` writes the figure.
    """
    check_layout(data)
    names = observables_of(data, observables)
    colours = by_condition(data)
    chosen = rows_of_draws(data, draws) if colours else _first_of_draws(data, draws)
    made = style.grid(len(names), axes)
    for one, name in zip(made, names, strict=True):
        for number, row in enumerate(chosen):
            colour = colours.get(_condition(data, row), style.COLOURS[number % len(style.COLOURS)])
            _draw_readout(one, data, row, name, color=colour, linewidth=1.3, alpha=0.8)
            _draw_measured(one, data, row, name, color=colour, markersize=4.5)
        _label_axes(one, data, name)
    style.legend(
        made,
        [
            *[(name, {"color": colour, "linewidth": 1.5}, True) for name, colour in colours.items()],
            (
                "noise-free readout" + ("" if colours else ", a colour for each draw"),
                {"color": style.INK, "linewidth": 1.5},
                _has_readout(data, names),
            ),
            (
                "measured",
                {"color": style.INK, "marker": "o", "markersize": 4.5, "markeredgewidth": 0, "linestyle": "none"},
                "measured" in data,
            ),
            _limit(data),
        ],
    )
    return made


def band(
    truth: xr.Dataset,
    measurements: xr.Dataset,
    observables: Iterable[str] | None = None,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw what the simulated draws span, and the measurements over it.

    The prior predictive picture: does the data lie within what the model can do? The share written above each panel is
    that of `sbml_hybrid.coverage`.

    Parameters
    ----------
    truth
        A dataset with the `readout` of many draws, or with `truth` and species named as the observables. Where it has
        `measured` as well, dashed lines show what 90 % of the simulated measurements span, noise included, and the
        share counts against these.
    measurements
        A dataset with `measured`, at times of its own.
    observables
        Names of observables; the first 12 measured ones by default.
    axes
        Where to draw, one per observable; a new figure by default.

    Returns
    -------
    Panels
        The axes, (observable,); `.save(path)` writes the figure.
    """
    check_layout(truth)
    check_layout(measurements)
    names = observables_of(measurements, observables)
    require_comparable(truth, measurements, names)
    covered = coverage(truth, measurements, names)
    made = style.grid(len(names), axes)
    colour = style.COLOURS[0]
    for one, name in zip(made, names, strict=True):
        times, (low, quarter, middle, upper, high), _ = quantiles(truth, name, noisy=False)
        one.fill_between(times, low, high, color=colour, alpha=0.18, linewidth=0)
        one.fill_between(times, quarter, upper, color=colour, alpha=0.3, linewidth=0)
        one.plot(times, middle, color=colour, linewidth=1.6)
        if covered.loc[name, "compared_with"] == "measured":
            at, levels, _ = quantiles(truth, name, noisy=True)
            one.plot(at, levels[[0, -1]].T, color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
        size = 3.5 if measurements["measured"].sel(observable=name).count() < 300 else 2.0
        for row in range(measurements.sizes["trajectory"]):
            _draw_measured(one, measurements, row, name, color=style.INK, markersize=size, alpha=0.65)
        _label_axes(one, measurements, name)
        if covered.loc[name, "points"]:
            share = f"{covered.loc[name, 'within_90']:.0%} of the points within 90 % of the draws".replace("%", " %", 1)
            one.set_title(share, fontsize=style.FONT - 1, color=style.INK, loc="left")
    noisy = (covered["compared_with"] == "measured").any()
    dot = {
        "color": style.INK,
        "marker": "o",
        "markersize": 3.5,
        "markeredgewidth": 0,
        "linestyle": "none",
        "alpha": 0.65,
    }
    style.legend(
        made,
        [
            ("simulated: median", {"color": colour, "linewidth": 1.6}, True),
            ("half of the draws", {"color": colour, "linewidth": 7, "alpha": 0.48}, True),
            ("90 %", {"color": colour, "linewidth": 7, "alpha": 0.18}, True),
            ("90 % with noise", {"color": colour, "linewidth": 0.9, "linestyle": (0, (4, 2))}, bool(noisy)),
            ("measured", dot, True),
            _limit(measurements),
        ],
    )
    return made


def forecasts(
    forecasts: xr.Dataset | Mapping[str, xr.Dataset],
    data: xr.Dataset,
    observables: Iterable[str] | None = None,
    draws: int = 3,
    axes: Axes | Iterable[Axes] | None = None,
) -> style.Panels:
    """Draw example forecasts after their history, with what then happened.

    There is a row of panels per trajectory, and a column per observable.

    Parameters
    ----------
    forecasts
        What `Fitted.predict` gave, by the name of the forecaster; or one alone.
    data
        The dataset that was forecast, history and future. The noise-free readout is drawn where there is one.
    observables
        Names of observables; the first 3 by default.
    draws
        How many trajectories, the first of each draw.
    axes
        Where to draw, row by row; a new figure by default.

    Returns
    -------
    Panels
        The axes, (trajectory, observable); `.save(path)` writes the figure.
    """
    check_layout(data)
    named = {"forecast": forecasts} if isinstance(forecasts, xr.Dataset) else dict(forecasts)
    if not named:
        raise ValueError("forecasts must hold one forecast or more, by the name of the forecaster.")
    names = observables_of(data, observables)[: None if observables is not None else 3]
    for forecaster, forecast in named.items():
        if "forecast" not in forecast:
            raise DataError(f"{forecaster!r} has no 'forecast'; it has {', '.join(map(str, forecast.data_vars))}.")
    shared = set.intersection(*(set(f["trajectory"].values.tolist()) for f in named.values()))
    rows = [row for row in _first_of_draws(data, None) if data["trajectory"].values[row].item() in shared][:draws]
    if not rows:
        raise DataError("The forecasts are of other trajectories than the data has. Draw them over what was forecast.")
    made = style.panels(len(rows), len(names), axes, width=3.4, height=2.1, sharex=True)
    colours = style.colours(named)
    for number, row in enumerate(rows):
        for one, name in zip(made[number], names, strict=True):
            _draw_forecasts(one, named, data, row, name, colours)
            _label_axes(one, data, name, time=number == len(rows) - 1)
        made[number, 0].annotate(
            f"draw {data['draw'].values[row]}",
            xy=(1.0, 1.02),
            xycoords="axes fraction",
            ha="right",
            fontsize=style.FONT - 1,
            color=style.PALE,
        )
    dot = {"color": style.INK, "marker": "o", "markersize": 4, "linestyle": "none"}
    measured = "measured" in data
    style.legend(
        made,
        [
            ("measured", dot, measured),
            ("measured afterwards", {**dot, "markerfacecolor": "white"}, measured),
            _limit(data),
            ("noise-free readout", {"color": style.INK, "linewidth": 1.0}, _has_readout(data, names)),
            *[(name, {"color": colours[name], "linewidth": 1.8}, True) for name in named],
        ],
    )
    return made


def _draw_forecasts(one: Axes, named: Mapping, data: xr.Dataset, row: int, name: str, colours: dict) -> None:
    label = data["trajectory"].values[row].item()
    drawn = []
    for forecaster, forecast in named.items():
        place = forecast["trajectory"].values.tolist().index(label)
        values = _of_observable(forecast, "forecast", name).isel(trajectory=place)
        values = values.mean("replicate") if "replicate" in values.dims else values
        drawn.append(_times(forecast, place))
        one.plot(drawn[-1], values.values, color=colours[forecaster], linewidth=1.8, alpha=0.9, zorder=4)
    # What comes after the last forecast would only make the forecasts small.
    first, last = np.nanmin(np.concatenate(drawn)), np.nanmax(np.concatenate(drawn))
    times = _times(data, row)
    origin = np.max(times[times < first], initial=-np.inf)
    if np.isfinite(origin):
        one.axvline(origin, color=style.PALE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    _draw_readout(one, data, row, name, last=last, color=style.INK, linewidth=1.0, zorder=2)
    _draw_measured(one, data, row, name, origin=origin, last=last, color=style.INK, markersize=4, zorder=5)


def _draw_readout(one: Axes, data: xr.Dataset, row: int, name: str, last: float = np.inf, **look) -> None:
    values, times = _readout(data, name), _times(data, row)
    if values is not None:
        one.plot(times[times <= last], values[row][times <= last], **look)


def _draw_measured(
    one: Axes, data: xr.Dataset, row: int, name: str, origin: float = np.inf, last: float = np.inf, **look
) -> None:
    """Draw dots, hollow after `origin` and none after `last`; triangles point beyond the limit where it was reached."""
    if "measured" not in data:
        return
    values = np.atleast_2d(_of_observable(data, "measured", name).isel(trajectory=row).values)
    codes = np.zeros(values.shape, int)
    if "censored" in data:
        codes = np.atleast_2d(_of_observable(data, "censored", name).isel(trajectory=row).values)
    times = np.broadcast_to(_times(data, row), values.shape)
    there = ~np.isnan(values) & (times <= last)
    for code, marker in _CENSORED:
        for hollow in (False, True):
            chosen = there & (codes == code) & ((times > origin) == hollow)
            if not chosen.any():
                continue
            one.plot(
                times[chosen],
                values[chosen],
                marker=marker,
                linestyle="none",
                markerfacecolor="white" if hollow else look["color"],
                markeredgewidth=0.9 if hollow else 0,
                **look,
            )


def _readout(data: xr.Dataset, name: str) -> np.ndarray | None:
    """Noise-free values (trajectory, time) of an observable, or of the species of that name; None if there are none."""
    for variable, dimension in (("readout", "observable"), ("truth", "species")):
        if variable in data and name in data[dimension].values:
            return data[variable].sel({dimension: name}).values
    return None


def _has_readout(data: xr.Dataset, names: list[str]) -> bool:
    return any(_readout(data, name) is not None for name in names)


def _of_observable(data: xr.Dataset, variable: str, name: str) -> xr.DataArray:
    if name not in data["observable"].values:
        raise unknown_name("observable", name, data["observable"].values, f"{variable!r}")
    return data[variable].sel(observable=name)


def observables_of(data: xr.Dataset, asked: Iterable[str] | None) -> list[str]:
    """Return the observables (or species) that were asked for, the first ones by default; refuse unknown names."""
    dimension = "observable" if "observable" in data.dims else "species"
    there = data[dimension].values.tolist()
    if asked is None:
        return there[:_MOST]
    asked = [asked] if isinstance(asked, str) else list(asked)
    if not asked:
        raise ValueError("observables must name one or more, or be None for the first ones.")
    for name in asked:
        if name not in there:
            raise unknown_name(dimension, name, there, "the dataset")
    return asked


def _first_of_draws(data: xr.Dataset, draws: int | None) -> list[int]:
    """Rows of the first trajectory of each of the first draws that succeeded."""
    if draws is not None and draws < 1:
        raise ValueError(f"draws must be one or more, got {draws!r}.")
    labels = succeeded(data)["trajectory"].values
    if not len(labels):
        raise DataError(f"All {data.sizes['trajectory']} trajectories failed to simulate: there is nothing to draw.")
    rows = np.flatnonzero(np.isin(data["trajectory"].values, labels))
    first: dict = {}
    for row in rows.tolist():
        first.setdefault(data["draw"].values[row].item(), row)
    return list(first.values())[:draws]


def rows_of_draws(data: xr.Dataset, draws: int | None) -> list[int]:
    """Rows of all trajectories, under every condition, of the first draws, without failed ones."""
    first = data["draw"].values[_first_of_draws(data, draws)]
    fine = np.isin(data["trajectory"].values, succeeded(data)["trajectory"].values)
    return np.flatnonzero(fine & np.isin(data["draw"].values, first)).tolist()


def by_condition(data: xr.Dataset) -> dict[str, str]:
    """Return a colour for each condition, in their order; none where there are not several."""
    names = list(dict.fromkeys(data["condition"].values.tolist())) if "condition" in data.coords else []
    return {str(n): style.COLOURS[i % len(style.COLOURS)] for i, n in enumerate(names)} if len(names) > 1 else {}


def _condition(data: xr.Dataset, row: int) -> str:
    return str(data["condition"].values[row]) if "condition" in data.coords else ""


def _times(data: xr.Dataset, row: int) -> np.ndarray:
    times = data["time"].values
    return times[row] if times.ndim == 2 else times


def _limit(data: xr.Dataset) -> tuple[str, dict, bool]:
    look = {"color": style.INK, "marker": "^", "markersize": 4.5, "markeredgewidth": 0, "linestyle": "none"}
    return "beyond the limit", look, "censored" in data and bool((data["censored"] != 0).any())


def _label_axes(one: Axes, data: xr.Dataset, name: str, time: bool = True) -> None:
    unit = _unit(data, name)
    one.set_ylabel(f"{name} ({unit})" if unit else name)
    if time:
        one.set_xlabel(style.time_label(time_unit(data)))


def _unit(data: xr.Dataset, name: str) -> str:
    """The unit of an observable; where none is known, whether a simulated quantity is an amount or a concentration."""
    for variable in ("measured", "readout", "truth"):
        unit = units_of(data, variable).get(name)
        if unit:
            return unit
    kinds = json.loads(data["truth"].attrs.get("quantity", "{}")) if "truth" in data else {}
    return kinds.get(name, "").replace("value", "")
