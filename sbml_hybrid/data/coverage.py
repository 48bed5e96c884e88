"""Whether simulations cover measurements: the prior predictive check, before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from sbml_hybrid.data.dataset import check_layout, succeeded, time_dimension
from sbml_hybrid.data.units import differ, time_unit, units_of
from sbml_hybrid.errors import DataError, unknown_name

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def coverage(simulated: xr.Dataset, measurements: xr.Dataset, observables: Iterable[str] | None = None) -> pd.DataFrame:
    """Return how many measurements lie within what the simulated draws span.

    A prior that covers 90 % of the measurements with its 90 % band can explain them; far fewer, and the model, its
    parameters' ranges, or the noise are wrong; nearly all within the 50 % band, and the ranges are wider than they need
    be.

    Parameters
    ----------
    simulated
        Many draws that share their times: with ``measured`` (`measure` gave them noise), which is the fair comparison,
        or else with ``readout`` or ``truth``.
    measurements
        A dataset with ``measured``, at times and with trajectories of its own, such as a lab's.
    observables
        Names; by default all that were measured.

    Returns
    -------
    DataFrame
        A row per observable: ``points`` measured within the simulated span of time, and the shares of them
        ``within_50`` and ``within_90`` per cent of the draws (by quantiles at each time, linear in between), ``below``
        and ``above`` the latter; ``compared_with`` names the variable that was used. A censored measurement is within
        where the draws reach beyond its limit, as if they had been measured with that limit.

    Raises
    ------
    UnknownName
        The simulations have no observable or species of that name.
    DataError
        The simulations do not share their times, or are in other units.
    """
    check_layout(simulated)
    check_layout(measurements)
    if "measured" not in measurements:
        raise DataError("The measurements have no 'measured'. Read them with sh.read_csv or sh.from_table.")
    names = measurements["observable"].values.tolist() if observables is None else observables
    names = [names] if isinstance(names, str) else list(names)
    require_comparable(simulated, measurements, names)
    return pd.DataFrame([_covered(simulated, measurements, name) for name in names], pd.Index(names, name="observable"))


def quantiles(simulated: xr.Dataset, name: str, noisy: bool) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the quantiles of the draws at each time.

    Parameters
    ----------
    simulated
        Draws that share their times.
    name
        An observable, or a species of that name.
    noisy
        Whether to take the simulated measurements where there are any, rather than the noise-free readout.

    Returns
    -------
    times, values, variable
        (time,), (level, time) for the levels 5, 25, 50, 75 and 95 %, and what they are of. Times at which no draw has
        a value are left out.
    """
    good = succeeded(simulated)
    places = [("measured", "observable")] if noisy else []
    for variable, dimension in (*places, ("readout", "observable"), ("truth", "species")):
        if variable not in good or name not in good[dimension].values:
            continue
        values = good[variable].sel({dimension: name})
        values = values.transpose(..., "time").values.reshape(-1, good.sizes["time"])
        there = ~np.isnan(values).all(axis=0)
        if there.any():
            return good["time"].values[there], np.nanquantile(values[:, there], LEVELS, axis=0), variable
    known = [str(n) for key in ("observable", "species") if key in good.coords for n in good[key].values]
    raise unknown_name("observable", name, dict.fromkeys(known), "the simulations")


def require_comparable(simulated: xr.Dataset, measurements: xr.Dataset, names: Iterable[str]) -> None:
    """Refuse simulations that do not share their times, and those in other units than the measurements."""
    if time_dimension(simulated) == "sample":
        raise DataError("A band needs simulations that share their times. Simulate with one list of times.")
    pairs = {"time": (time_unit(simulated), time_unit(measurements))}
    said = [units_of(simulated, "truth") | units_of(simulated, "readout") | units_of(simulated, "measured")]
    said.append(units_of(measurements, "measured"))
    pairs |= {name: tuple(units.get(name, "") for units in said) for name in names}
    for name, (one, other) in pairs.items():
        if differ(one, other):
            raise DataError(
                f"{name} is in {one} in the simulations, and in {other} in the measurements. Try sh.convert on one."
            )


def _covered(simulated: xr.Dataset, measurements: xr.Dataset, name: str) -> dict:
    times, levels, variable = quantiles(simulated, name, noisy=True)
    if name not in measurements["observable"].values:
        raise unknown_name("observable", name, measurements["observable"].values, "the measurements")
    measured = measurements["measured"].sel(observable=name)
    at = measurements["time"].broadcast_like(measured).transpose(*measured.dims).values
    known = ~np.isnan(measured.values) & (at >= times[0]) & (at <= times[-1])
    values, at, beyond = measured.values[known], at[known], _censored(measurements, name)[known]
    low, quarter, _, upper, high = (np.interp(at, times, level) for level in levels)

    def below(level: np.ndarray) -> np.ndarray:
        return (values < level) & (beyond <= 0)  # a value above the limit that is given may be anywhere above it

    def above(level: np.ndarray) -> np.ndarray:
        return (values > level) & (beyond >= 0)

    shares = {
        "within_50": ~below(quarter) & ~above(upper),
        "within_90": ~below(low) & ~above(high),
        "below": below(low),
        "above": above(high),
    }
    counted = {what: float(hit.mean()) if len(values) else np.nan for what, hit in shares.items()}
    return {"points": len(values), **counted, "compared_with": variable}


def _censored(measurements: xr.Dataset, name: str) -> np.ndarray:
    """-1 where a measurement was below its limit, +1 where above."""
    if "censored" not in measurements:
        return np.zeros(measurements["measured"].sel(observable=name).shape, np.int8)
    return measurements["censored"].sel(observable=name).values
