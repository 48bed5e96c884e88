"""Live simulators: a RoadRunner with the values that its user has given it -> a model."""

from __future__ import annotations

import math
import warnings
from typing import Any

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.rewriting import with_values
from sbml_hybrid.mechanism.sbml import model_from_sbml


def read(source: Any) -> Model | None:
    """Return the model of a ``roadrunner.RoadRunner``, tellurium's included; None for anything else.

    The model is the object's SBML with what its user has changed. At time 0 that is every value that
    is not as it would be in a fresh object. Once the object has been simulated (its time is past 0),
    its state is the simulation's and not the model's: species, and whatever a rate rule or an event
    moves, start from their initial values (``init(S)``), while constant parameters, sizes of
    compartments and stoichiometries count as they are now. What an initial assignment computes from
    a changed value is computed again, unless its user has set it: then that value replaces the
    assignment. In a compartment of a changed size, species keep their amounts, as they do in
    libroadrunner. Where the SBML gives a species no initial value, it has libroadrunner's, which is
    zero. The object itself is left alone.

    Raises
    ------
    ModelError
        The object holds no model, or one that cannot be read or simulated.

    Warns
    -----
    UserWarning
        The object has been simulated and reset to time 0, and something that an event changes is not
        at its initial value: libroadrunner's reset leaves it where the event put it. The initial value
        is taken.
    """
    if not any(kind.__name__ == "RoadRunner" and _package(kind) == "roadrunner" for kind in type(source).__mro__):
        return None  # asked of the type's name: a look at any source must not load the engine
    if not source.isModelLoaded():
        raise ModelError("This RoadRunner holds no model. Try: give it one with its load().")
    id = source.model.getModelName()
    name = f"live {'model' if id in {'', '__main'} else id}"
    sbml = source.getSBML()
    model = model_from_sbml(sbml, name, "model")
    unsaid = _unsaid(source.model, model)
    if unsaid:
        model = model_from_sbml(with_values(sbml, unsaid, name), name, "model")
    changes = _changes(source, model)
    return model_from_sbml(with_values(sbml, unsaid | changes, name), name, "model") if changes else model


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _unsaid(live: Any, model: Model) -> dict[str, float]:
    """Return name -> libroadrunner's own choice (zero for a species) of what the SBML gives no value."""
    given = model.starts.keys() | model.assignment_rules.keys()
    silent = [f"init({s.id})" for s in model.species if s.initial is None and s.id not in given]
    silent += [p.id for p in model.parameters if p.value is None and p.reaction is None and p.id not in given]
    silent += [c.id for c in model.compartments if c.size is None and c.id not in given]
    return {name: live[name if name.startswith("init(") else f"init({name})"] for name in silent}


# -- what the user has changed ---------------------------------------------------------------------


def _changes(live: Any, model: Model) -> dict[str, float]:
    """Return name -> number of what differs from a fresh object, as `with_values` takes it."""
    from sbml_hybrid.simulation.solver import to_roadrunner

    engine = to_roadrunner(model)  # held here: its model does not outlive it
    fresh = engine.model
    kept = _back_at_start(live, model, fresh)
    changes = {}
    for id in _numbers(model):
        if id not in kept and not _untouched(live.model[id], id, fresh, InitialValues(model, changes)):
            changes[id] = live.model[id]
    for species in model.species:
        if species.id not in model.assignment_rules:
            changes |= _species_change(live.model, fresh, species, species.id in kept, InitialValues(model, changes))
    return changes


def _numbers(model: Model) -> list[str]:
    """The ids of parameters, compartments and stoichiometries: first plain numbers, then what is computed from them.

    Local parameters are not among them: a live object does not let go of theirs.
    """
    parts = [p.id for p in (*model.parameters, *model.compartments) if getattr(p, "reaction", None) is None]
    sides = [p for r in model.reactions for p in (*r.reactants, *r.products)]
    parts += [p.id for p in sides if p.id and p.stoichiometry is not None]
    free = [id for id in parts if id not in model.assignment_rules]
    return sorted(free, key=lambda id: id in model.starts)


def _back_at_start(live: Any, model: Model, fresh: Any) -> set[str]:
    """Return the ids that start from their initial values, whatever they are in the object now."""
    moved = model.rate_rules.keys() | model.event_targets
    if live.model.getTime() > 0:
        fixed = {s.id for s in model.species if s.boundary or s.constant}
        return moved | {s.id for s in model.species} - (fixed - moved)
    if not len(live.getSimulationData()):
        return set()
    known = set(live.model.keys())
    left = {id for id in model.event_targets & known if not _same(live.model[id], fresh[id])}
    if left:
        warnings.warn(
            f"{model.source} was simulated, and a reset leaves what events have changed: {', '.join(sorted(left))}. "
            "Their initial values are loaded. Try: load before simulating, where others are meant.",
            stacklevel=5,
        )
    return left


def _untouched(value: float, id: str, fresh: Any, start: InitialValues) -> bool:
    """Tell whether a value is the fresh one, or what an initial assignment gives with the changed values."""
    return _same(value, fresh[id]) or (id in start.model.starts and math.isclose(value, start[id], rel_tol=1e-9))


def _species_change(live: Any, fresh: Any, species: Species, kept: bool, start: InitialValues) -> dict[str, float]:
    """Return the initial value of a species that is not the model's.

    libroadrunner keeps amounts: in a compartment of a changed size, an initial concentration is not
    what the SBML says, and none of its resets makes it so.
    """
    key = f"init({species.id})" if kept else species.id
    amount, assigned = live[key], species.id in start.model.starts
    resized = species.compartment in start.given
    if not resized and _same(amount, fresh[key]):
        return {}
    if (resized or assigned) and math.isclose(amount, start.amount(species.id), rel_tol=1e-9):
        return {}
    size = start[species.compartment]
    as_amount = species.amount_in_formulas if assigned else species.initial_is == "amount"
    if as_amount or not (math.isfinite(size) and size > 0):
        return {f"init({species.id})": amount}
    return {f"init([{species.id}])": amount / size}


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
