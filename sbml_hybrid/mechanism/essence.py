"""What a simulation of a model depends on, in one way of writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sbml_hybrid.mechanism.difference import NAN, normal
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Tree
from sbml_hybrid.mechanism.model import Compartment, Event, KineticLaw, Model, Participant, Reaction, Species
from sbml_hybrid.mechanism.units import Unit


def essence(model: Model, renamed: Mapping[str, str] | None = None) -> Model:
    """Return the model without what no simulation depends on, for a comparison with `diff`.

    Names, units, modifiers, functions (written out in the formulas), the ids of events and the
    initial values that a rule or an initial assignment replaces are taken away; what starts as a
    concentration starts as an amount, and an initial assignment of a number is that number. A species
    that is constant or that a rule determines is a boundary species, and a compartment has three dimensions or none.

    Parameters
    ----------
    model
        The model.
    renamed
        Id -> what the other model calls it.
    """
    told = _Essence(model, dict(renamed or {}))
    nothing = {"name": "", "unit": Unit(), "constant": False}
    return replace(
        model,
        time_unit="",
        substance_unit="",
        species=tuple(told.species(s) for s in model.species),
        reactions=tuple(told.reaction(r) for r in model.reactions),
        parameters=tuple(
            replace(p, id=told.name(p.id), value=told.value(p.id, p.value), **nothing) for p in model.parameters
        ),
        compartments=tuple(replace(told.compartment(c), **nothing) for c in model.compartments),
        rules=tuple(
            replace(r, target=told.name(r.target), formula=told.formula(r.formula))
            for r in model.rules
            if r.target not in told.counts
        ),
        initial_assignments=tuple(
            replace(a, target=told.name(a.target), formula=told.formula(a.formula))
            for a in model.initial_assignments
            if a.target not in told.constants
        ),
        events=tuple(told.event(e) for e in model.events),
        functions=(),
        units=(),
    )


class _Essence:
    """A model's parts, each without what does not matter."""

    def __init__(self, model: Model, names: Mapping[str, str]) -> None:
        self.model, self.names, self.start = model, names, InitialValues(model)
        self.rules = model.assignment_rules
        self.counts = model.stoichiometry_ids & self.rules.keys()  # what level 2 writes in the reaction itself
        self.constants = {
            id for id, tree in model.starts.items() if normal(tree) == NAN or isinstance(normal(tree), Number)
        }
        self.computed = self.rules.keys() | model.starts.keys() - self.constants

    def name(self, id: str) -> str:
        return self.names.get(id, id)

    def formula(self, tree: Tree | None) -> Tree | None:
        return None if tree is None else _flat(normal(_renamed(self.model.written_out(tree), self.names)))

    def value(self, id: str, own: float | None) -> float | None:
        if id in self.computed:
            return None
        return float(self.start[id]) if id in self.constants else own

    def species(self, s: Species) -> Species:
        nothing = s.id in self.computed or s.initial is None and s.id not in self.constants
        return replace(
            s,
            id=self.name(s.id),
            name="",
            unit=Unit(),
            compartment=self.name(s.compartment),
            initial=None if nothing else float(self.start.amount(s.id)),
            initial_is="amount",
            boundary=s.boundary or s.constant or s.id in self.rules or s.id in self.model.rate_rules,
            constant=False,
            conversion_factor=self.name(s.conversion_factor),
        )

    def compartment(self, c: Compartment) -> Compartment:
        return replace(
            c, id=self.name(c.id), size=self.value(c.id, c.size), dimensions=3.0 if c.dimensions > 0 else 0.0
        )

    def reaction(self, r: Reaction) -> Reaction:
        return replace(
            r,
            id=self.name(r.id),
            name="",
            reactants=tuple(self.participant(p) for p in r.reactants),
            products=tuple(self.participant(p) for p in r.products),
            modifiers=(),
            law=KineticLaw(self.formula(r.law.formula), ()) if r.law else None,
            reversible=False,
        )

    def participant(self, p: Participant) -> Participant:
        moved = self.model.starts.keys() - self.constants | self.model.rate_rules.keys() | self.model.event_targets
        return replace(
            p,
            species=self.name(p.species),
            stoichiometry=self.value(p.id, p.stoichiometry),
            id=self.name(p.id) if p.id in moved else "",
            formula=self.formula(self.rules.get(p.id, p.formula)),
        )

    def event(self, e: Event) -> Event:
        return replace(
            e,
            id="",
            name="",
            trigger=self.formula(e.trigger),
            delay=self.formula(e.delay),
            priority=self.formula(e.priority),
            assignments=tuple((self.name(target), self.formula(tree)) for target, tree in e.assignments),
        )


def _renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    match tree:
        case Name(id=id):
            return Name(names.get(id, id))
        case Call(operator=operator, arguments=arguments):
            return Call(operator, tuple(_renamed(a, names) for a in arguments))
        case Apply(function=function, arguments=arguments):
            return Apply(function, tuple(_renamed(a, names) for a in arguments))
    return tree


def _flat(tree: Tree) -> Tree:
    """Write as libAntimony does: sums of sums (and the like) as one, a fraction of numbers as a number."""
    if not isinstance(tree, Call):
        return tree
    arguments = [_flat(a) for a in tree.arguments]
    if tree.operator in ("plus", "times", "and", "or"):
        nested = [a.arguments if isinstance(a, Call) and a.operator == tree.operator else (a,) for a in arguments]
        arguments = [a for each in nested for a in each]
    match tree.operator, arguments:
        case "divide", [Number(value=over), Number(value=under)] if under:
            return Number(over / under)
    return Call(tree.operator, tuple(arguments))
