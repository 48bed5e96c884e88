"""A dataset in other units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import check, check_layout
from sbml_hybrid.data.noise_record import in_other_units
from sbml_hybrid.data.units import Meaning, meaning, scaled, time_unit, units_attribute, units_of
from sbml_hybrid.errors import DataError, unknown_name

_SERIES = ("truth", "readout", "measured")
_IN_OLD_UNITS = {"gaps", "limits", "constraints", "effects"}  # of the record of a measurement

Steps = dict[str, tuple[Fraction, str]]  # channel -> factor, new unit


def convert(
    data: xr.Dataset,
    *,
    time: str | None = None,
    concentration: str | None = None,
    amount: str | None = None,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return a dataset in other units: the same trajectories and measurements, in other numbers.

    Times, and the values of `truth`, `readout` and `measured` (limits of detection included) are converted, and so are
    the attributes that name units, the schedule and the noise. What else the record of the measurement says in the old
    units (limits, bounds, shifts, gaps) is dropped. Parameters, known inputs and controls stay in the model's units.
    Species and observables without a unit stay as they are.

    Measure first, then convert: formulas use the model's constants, which are in the model's units.

    Parameters
    ----------
    data
        A dataset that says its units, as simulated ones do where the model does. For a lab's own:
        ``data.assign_attrs(time_unit="h")`` and ``data["measured"].attrs["units"] = "nM"``.
    time
        The new unit of the times: ``"min"``, ``"hour"``, ``"day"``.
    concentration
        The new unit of all that is a concentration: ``"nM"``, ``"mmol/l"``, ``"item/l"``.
    amount
        The new unit of all that is an amount: ``"nmol"``, or ``"item"`` by Avogadro's number (6.02214076e23 per mole).
    units
        New units by name, for single species and observables of any dimension.

    Returns
    -------
    Dataset
        A new dataset; `data` stays as it is.

    Raises
    ------
    DataError
        The dataset does not say the unit of what is to be converted, or it is of another dimension. Amounts and
        concentrations do not become each other: that takes the size of the compartment.
    UnknownName
        `units` names a species or observable that is not there.
    ValueError
        What was asked for is not a unit, or of another kind than the argument's name says.

    Examples
    --------
    >>> import sbml_hybrid as sh
    >>> model = sh.load("model m; unit time_unit = second; S -> ; k*S; S = 10; k = 0.01; end")
    >>> sh.convert(sh.simulate(model, times=[0, 60, 90]), time="min")["time"].values
    array([0. , 1. , 1.5])
    """
    check_layout(data)
    if time is None and concentration is None and amount is None and not units:
        raise ValueError("Say what to convert to: time='min', concentration='nM', amount='item' or units={'S': 'uM'}.")
    steps: dict[str, Steps] = {variable: {} for variable in _SERIES if variable in data}
    for kind, text in (("concentration", concentration), ("amount", amount)):
        if text is not None:
            _plan_kind(data, steps, kind, text)
    for name, text in (units or {}).items():
        _plan_name(data, steps, name, text)
    result, passed = (data, Fraction(1)) if time is None else _with_times(data, time)
    for variable, step in steps.items():
        result = _with_values(result, variable, step)
    measured = steps.get("measured", {})
    result = _without_old_units(_with_noise(result, measured, passed), measured)
    check(result)
    return result


# -- what to do ------------------------------------------------------------------------------------


def _plan_kind(data: xr.Dataset, steps: dict[str, Steps], kind: str, text: str) -> None:
    target = _target(kind, text)
    if not (target.is_concentration if kind == "concentration" else target.is_amount):
        raise ValueError(f"{kind}={text!r}: this is {target.kind}.")
    found = False
    for variable, step in steps.items():
        if "units" not in data[variable].attrs:
            raise _not_said(variable)
        for name, unit in units_of(data, variable).items():
            said = meaning(unit)
            if said is not None and said.dimension == target.dimension:
                step[name], found = (said.factor / target.factor, text.strip()), True
    if not found:
        raise _nothing(data, kind, text, target)


def _plan_name(data: xr.Dataset, steps: dict[str, Steps], name: str, text: str) -> None:
    target = _target(f"the unit of {name}", text)
    there = {variable: units_of(data, variable) for variable in steps}
    if not any(name in units for units in there.values()):
        known = dict.fromkeys(channel for units in there.values() for channel in units)
        raise unknown_name("species or observable", name, known, "the dataset")
    for variable, units in there.items():
        if name not in units:
            continue
        said = meaning(units[name])
        if said is None:
            raise _not_said(variable, name) if not units[name] else _not_known(name, units[name])
        if said.dimension != target.dimension:
            raise DataError(_misfit(name, units[name], said, text, target))
        steps[variable][name] = said.factor / target.factor, text.strip()


def _target(what: str, text: str) -> Meaning:
    target = meaning(text) if isinstance(text, str) else None
    if target is None:
        raise ValueError(f"{what}: {text!r} is not a unit. Try 's', 'min', 'h', 'nM', 'mmol/l', 'nmol' or 'item'.")
    return target


def _nothing(data: xr.Dataset, kind: str, text: str, target: Meaning) -> DataError:
    said = {name: unit for variable in _SERIES for name, unit in units_of(data, variable).items() if unit}
    if not said:
        return _not_said(next(variable for variable in _SERIES if variable in data))
    known = {name: unit for name, unit in said.items() if meaning(unit) is not None}
    if not known:
        name, unit = next(iter(said.items()))
        return _not_known(name, unit)
    name, unit = next(iter(known.items()))
    return DataError(f"Nothing here is {target.kind}. {_misfit(name, unit, meaning(unit), text, target)}")


def _misfit(name: str, unit: str, said: Meaning, text: str, target: Meaning) -> str:
    sentence = f"{name} is in {unit}, {said.kind}; {text!r} is {target.kind}."
    if {said.kind, target.kind} == {"an amount", "a concentration"}:
        formula = f"{name}*C" if said.is_concentration else f"{name}/C"
        sentence += (
            f" It takes the size of the compartment. Try: measure the observable {formula!r}, for compartment C."
        )
    return sentence.replace(", dimensionless;", ";") if unit == "dimensionless" else sentence


def _not_said(variable: str, name: str | None = None) -> DataError:
    of = f"{name!r} in {variable!r}" if name else f"{variable!r}"
    return DataError(f"The dataset does not say the unit of {of}. Say it: data[{variable!r}].attrs['units'] = 'nM'.")


def _not_known(name: str, unit: str) -> DataError:
    return DataError(f"{name!r} is in {unit!r}, and what that means is not known; it cannot be converted.")


# -- doing it --------------------------------------------------------------------------------------


def _with_times(data: xr.Dataset, text: str) -> tuple[xr.Dataset, Fraction]:
    target, text, unit = _target("time", text), text.strip(), time_unit(data)
    if not unit:
        raise DataError("The dataset does not say the unit of its times. Say it: data.assign_attrs(time_unit='min').")
    said = meaning(unit)
    if said is None:
        raise _not_known("time", unit)
    if said.dimension != target.dimension:
        raise DataError(f"time is in {unit}; {text!r} is {target.kind}.")
    factor = said.factor / target.factor
    times = data["time"]
    result = data.assign_coords(time=(times.dims, scaled(times.values, factor), {**times.attrs, "units": text}))
    attrs = {"time_unit": text}
    record = _record(data.attrs.get("measurement"))
    if record.get("schedule") is not None:
        record["schedule"] = scaled(np.array(record["schedule"], float), factor).tolist()
    if factor != 1:
        record.pop("gaps", None)  # its times are in the old unit
    if record:
        attrs["measurement"] = json.dumps(record)
    return result.assign_attrs(attrs), factor


def _with_values(data: xr.Dataset, variable: str, step: Steps) -> xr.Dataset:
    if not step:
        return data
    series = data[variable]
    units = units_of(data, variable)
    values = series.values.copy()
    for position, name in enumerate(units):
        if name in step:
            factor, units[name] = step[name]
            values[..., position] = scaled(values[..., position], factor)
    return data.assign({variable: series.copy(data=values).assign_attrs(units=units_attribute(units))})


def _with_noise(data: xr.Dataset, steps: Steps, passed: Fraction) -> xr.Dataset:
    """Keep the record of the noise right, or drop it where it cannot be."""
    record = _record(data.attrs.get("noise"))
    names = data["observable"].values.tolist() if "observable" in data.coords else []
    factors = {str(name): steps[name][0] if name in steps else Fraction(1) for name in names}
    if not record or (passed == 1 and set(factors.values()) <= {Fraction(1)}):
        return data
    converted = in_other_units(record, factors, passed)
    if converted is not None:
        return data if converted == record else data.assign_attrs(noise=json.dumps(converted))
    result = data.copy(deep=False)
    del result.attrs["noise"]  # no record can say it
    return result


def _without_old_units(data: xr.Dataset, steps: Steps) -> xr.Dataset:
    """Drop from the record what is in the units that the measurements had: limits, bounds, shifts."""
    record = _record(data.attrs.get("measurement"))
    if {factor for factor, _ in steps.values()} <= {Fraction(1)} or not record.keys() & _IN_OLD_UNITS:
        return data
    kept = {name: value for name, value in record.items() if name not in _IN_OLD_UNITS}
    return data.assign_attrs(measurement=json.dumps(kept))


def _record(text: object) -> dict:
    try:
        record = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
