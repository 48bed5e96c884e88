"""What an SBML file says about units, in the way of its level."""

from __future__ import annotations

from typing import Any

import libsbml

from sbml_hybrid.mechanism.units import Unit, UnitFactor

# Levels 1 and 2 have these by themselves; a model may define them anew. Level 3 has no defaults.
_BUILT_IN = {
    "substance": (UnitFactor("mole"),),
    "volume": (UnitFactor("litre"),),
    "area": (UnitFactor("metre", 2.0),),
    "length": (UnitFactor("metre"),),
    "time": (UnitFactor("second"),),
}
_SIZES = {3: "volume", 2: "area", 1: "length"}
_AMERICAN = {"liter": "litre", "meter": "metre"}


class DeclaredUnits:
    """The units of a model's time, amounts, sizes, parameters and rates; what it does not say is not known.

    Parameters
    ----------
    m
        libSBML's model.
    """

    def __init__(self, m: libsbml.Model) -> None:
        self.model, self.level = m, m.getLevel()
        self.definitions = tuple(_definition(u) for u in m.getListOfUnitDefinitions())
        self._by_id = {unit.id: unit for unit in self.definitions}
        self._concentrations: dict[tuple[str, ...], Unit] = {}  # of a million species, most are alike
        self._rates: dict[tuple[Unit, Unit], Unit] = {}
        self.time = self._base("time", m.getTimeUnits())
        self.substance = self._base("substance", m.getSubstanceUnits())
        self.extent = self._base("substance", m.getExtentUnits())

    def called(self, id: str) -> Unit:
        """Return the unit that the model refers to by `id`."""
        if id not in self._by_id:
            kind = _AMERICAN.get(id, id)
            factors = _BUILT_IN[id] if self.level < 3 and id in _BUILT_IN else (UnitFactor(kind),)
            self._by_id[id] = Unit("", factors)
        return self._by_id[id]

    def amount(self, s: libsbml.Species) -> Unit:
        """Return the unit of a species' amount."""
        return self.called(s.getSubstanceUnits()) if s.getSubstanceUnits() else self.substance

    def concentration(self, s: libsbml.Species) -> Unit:
        """Return the unit of a species' concentration, its amount per size of its compartment."""
        key = (s.getSubstanceUnits(), s.getCompartment(), s.getSpatialSizeUnits())
        if key not in self._concentrations:
            self._concentrations[key] = self._concentration(s)
        return self._concentrations[key]

    def _concentration(self, s: libsbml.Species) -> Unit:
        compartment = self.model.getCompartment(s.getCompartment())
        if compartment is None or compartment.getSpatialDimensionsAsDouble() == 0:
            return Unit()
        size = self.called(s.getSpatialSizeUnits()) if s.getSpatialSizeUnits() else self.size(compartment)
        return self._as_the_model_calls_it(self.amount(s).times(size, -1.0))

    def size(self, c: libsbml.Compartment) -> Unit:
        """Return the unit of a compartment's size."""
        if c.getUnits():
            return self.called(c.getUnits())
        kind = _SIZES.get(c.getSpatialDimensionsAsDouble(), "")
        m = self.model
        declared = {"volume": m.getVolumeUnits(), "area": m.getAreaUnits(), "length": m.getLengthUnits()}
        return self._base(kind, declared.get(kind, ""))

    def rate(self, r: libsbml.Reaction) -> Unit:
        """Return the unit of a reaction's rate, its extent per time."""
        law, extent, time = r.getKineticLaw(), self.extent, self.time
        if law is not None:  # the first versions let a law have its own
            extent = self.called(law.getSubstanceUnits()) if law.getSubstanceUnits() else extent
            time = self.called(law.getTimeUnits()) if law.getTimeUnits() else time
        if (extent, time) not in self._rates:
            self._rates[extent, time] = extent.times(time, -1.0)
        return self._rates[extent, time]

    def _base(self, kind: str, declared: str) -> Unit:
        return self.called(declared if self.level > 2 else kind)

    def _as_the_model_calls_it(self, unit: Unit) -> Unit:
        """A concentration has the name that the model gives to the same unit, such as nM."""
        named = (u for u in self.definitions if u.equals(unit) and str(u) != u.meaning)
        return next(named, unit)


def _definition(definition: libsbml.UnitDefinition) -> Unit:
    return Unit(definition.getId(), tuple(_factor(u) for u in definition.getListOfUnits()))


def _factor(unit: Any) -> UnitFactor:
    """Return a factor; one that is not said in full, or that has an offset, is none that can be read."""
    kind = libsbml.UnitKind_toString(unit.getKind())
    if unit.getLevel() > 2 and not (unit.isSetExponent() and unit.isSetScale() and unit.isSetMultiplier()):
        kind = ""
    if unit.getOffset():
        kind = ""
    return UnitFactor(_AMERICAN.get(kind, kind), unit.getExponentAsDouble(), unit.getScale(), unit.getMultiplier())
