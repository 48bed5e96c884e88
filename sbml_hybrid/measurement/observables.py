"""Observables: what formulas of species are worth along trajectories, and in which units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from sbml_hybrid.data.dataset import time_dimension
from sbml_hybrid.data.units import ARBITRARY, differ, time_unit, units_attribute, units_of
from sbml_hybrid.errors import DataError, SbmlHybridError, UnknownName, unknown_name
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Tree, evaluate, mentions_time
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.reader import load, parse_formula
from sbml_hybrid.mechanism.units import Unit, unit_of_formula

Observables = Iterable[str] | Mapping[str, str] | None


def named_formulas(observables: Observables, recorded: Sequence[str]) -> dict[str, str]:
    """Return name -> formula of the observables; by default all that was recorded."""
    if observables is None:
        observables = recorded
    if isinstance(observables, str):
        observables = [observables]
    formulas = dict(observables) if isinstance(observables, Mapping) else {str(f): str(f) for f in observables}
    if not formulas:
        raise DataError("There are no observables; name at least one species or formula.")
    return {str(name): str(formula) for name, formula in formulas.items()}


def readout(truth: xr.Dataset, observables: Observables) -> xr.DataArray:
    """Return the noise-free observables of trajectories.

    Parameters
    ----------
    truth
        What `sbml_hybrid.simulate` gave.
    observables
        Species, formulas, or name -> formula.

    Returns
    -------
    DataArray
        (trajectory, time, observable), with the coordinate ``nonnegative`` (observable): whether an
        observable cannot be negative, since it is made of species by sums, products and ratios; and, where the
        trajectories say theirs, the attribute ``units``. NaN where a formula has no finite value (B/A without A).

    Raises
    ------
    UnknownName
        A formula uses an id that is neither recorded nor constant in the model.
    DataError
        A formula cannot be read.
    """
    recorded = truth["species"].values.tolist()
    formulas = named_formulas(observables, recorded)
    look_up = _Values(truth)
    ids = [*recorded, *(look_up.model.by_id if look_up.model else ())]
    functions = [function.id for function in look_up.model.functions] if look_up.model else ()
    columns, nonnegative, units = [], [], {}
    for name, formula in formulas.items():
        tree = Name(formula) if formula in recorded else parse_formula(formula, ids, functions)
        tree = tree if look_up.model is None else look_up.model.written_out(tree)
        if mentions_time(tree):
            look_up.require_model_units("time")
        values = evaluate(tree, look_up, time=look_up.times)
        units[name] = look_up.units.get(formula) or str(unit_of_formula(tree, look_up.unit))
        columns.append(np.broadcast_to(np.asarray(values, float), look_up.shape))
        nonnegative.append(_cannot_be_negative(tree, look_up.species))
    axis = time_dimension(truth)
    coords = {name: truth[name] for name in truth.coords if set(truth[name].dims) <= {"trajectory", axis}}
    coords |= {"observable": list(formulas), "nonnegative": ("observable", np.array(nonnegative))}
    attrs = {"units": units_attribute(units)} if "units" in truth["truth"].attrs else {}
    values = np.stack(columns, axis=-1)
    if "status" in truth:  # max(S, 0) of what was never computed is no number either
        values[truth["status"].values != 0] = np.nan
    values[np.isinf(values)] = np.nan  # what was divided by zero, say, has no value to measure
    return xr.DataArray(values, coords, ("trajectory", axis, "observable"), attrs=attrs)


def unlike(data: xr.Dataset, variable: str, model: Model, formulas: Mapping[str, str]) -> str:
    """Return, in words, the first unit of a dataset that is known to differ from the model's; nothing if none is.

    Parameters
    ----------
    data
        A dataset.
    variable
        ``"truth"``, ``"readout"`` or ``"measured"``.
    model
        A mechanism.
    formulas
        Channel of `variable` -> the formula that it is in the model.
    """
    said = time_unit(data)
    if differ(said, model.time_unit):
        return f"time in {said}, in the model {model.time_unit}"
    for name, said in units_of(data, variable).items():
        if said == ARBITRARY:
            return f"{name} in arbitrary units"
        own = _own_unit(model, formulas.get(name, name)) if said else ""
        if differ(said, own):
            return f"{name} in {said}, in the model {own}"
    return ""


def _own_unit(model: Model, formula: str) -> str:
    try:
        return str(model.unit(formula))
    except UnknownName:  # no quantity, but a formula of them
        pass
    try:
        return str(unit_of_formula(parse_formula(formula), model.unit))
    except SbmlHybridError:  # another mechanism than the data's may lack what the formula mentions
        return ""


class _Values:
    """Look up what an id is worth along the trajectories: recorded, by a rule, or constant."""

    def __init__(self, truth: xr.Dataset) -> None:
        self.truth = truth
        self.times = np.atleast_2d(truth["time"].values)
        self.shape = (truth.sizes["trajectory"], truth.sizes[time_dimension(truth)])
        self.recorded = truth["species"].values.tolist()
        self.controls = truth["control"].values.tolist() if "controls" in truth else []
        self.model: Model | None = _model_of(truth.attrs["sbml"]) if "sbml" in truth.attrs else None
        self.species = {s.id for s in self.model.species} if self.model else set(self.recorded)
        self.units = units_of(truth, "truth")
        self._start: InitialValues | None = None

    def __call__(self, id: str) -> Any:
        if id in self.recorded:
            return self.truth["truth"].values[:, :, self.recorded.index(id)]
        if id in self.controls:
            return self.truth["controls"].values[:, :, self.controls.index(id)]
        if self.model is None or id not in self.model.by_id:
            known = [*self.recorded, *(self.model.by_id if self.model else ())]
            raise unknown_name("quantity", id, dict.fromkeys(known), self.truth.attrs.get("model_id", "the dataset"))
        self.require_model_units(id)
        if id in self.model.assignment_rules:
            return evaluate(self.model.assignment_rules[id], self, time=self.times)
        if id in self.model.states or not _is_constant(id, self.model):
            raise unknown_name("recorded quantity", id, self.recorded, "the trajectories; simulate with quantities=")
        return self._constants()[id]

    def unit(self, id: str) -> Unit:
        """The unit of an id; not known where the trajectories have another one than the model."""
        if self.model is None or id not in self.model.by_id:
            return Unit()
        unit = self.model.unit(id)
        return unit if self.units.get(id, str(unit)) == str(unit) else Unit()

    def require_model_units(self, id: str) -> None:
        if self.model is not None and self.converted:
            raise DataError(
                f"A formula mentions {id!r}, whose value is in the model's units, and these trajectories are in others "
                f"({self.converted}). Try: measure first, then convert."
            )

    @cached_property
    def converted(self) -> str:
        """What is in another unit than the model's, in words."""
        return unlike(self.truth, "truth", self.model, {})

    def _constants(self) -> InitialValues:
        if self._start is None:
            given = {}
            if "parameters" in self.truth:
                names = self.truth["parameter"].values.tolist()
                given = {name: self.truth["parameters"].values[:, [i]] for i, name in enumerate(names)}
            self._start = InitialValues(self.model, given)
        return self._start


def _is_constant(id: str, model: Model) -> bool:
    part = model.by_id[id]
    return not isinstance(part, Species) or part.boundary or part.constant


def _cannot_be_negative(tree: Tree, species: set[str]) -> bool:
    if isinstance(tree, Name):
        return tree.id in species
    if isinstance(tree, Number):
        return tree.value >= 0
    if isinstance(tree, Call) and tree.operator in {"plus", "times", "divide"}:
        return all(_cannot_be_negative(a, species) for a in tree.arguments)
    return False


@lru_cache(maxsize=8)
def _model_of(sbml: str) -> Model:
    return load(sbml)
