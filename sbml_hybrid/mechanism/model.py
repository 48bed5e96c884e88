"""A model and its parts, as frozen records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.mechanism.editing import Editable
from sbml_hybrid.mechanism.kinetics import Apply, Call, Name, Number, Tree, inline, to_text
from sbml_hybrid.mechanism.units import DIMENSIONLESS, Unit

if TYPE_CHECKING:
    import pandas

    from sbml_hybrid.mechanism.equations import Equations
    from sbml_hybrid.mechanism.network import Moiety
    from sbml_hybrid.mechanism.support import Obstacle


@dataclass(frozen=True)
class Compartment:
    """A compartment; `size` is in `unit`."""

    id: str
    name: str
    size: float | None
    dimensions: float
    constant: bool
    unit: Unit


@dataclass(frozen=True)
class Species:
    """A species.

    `initial` is an amount or a concentration, as `initial_is` says; None when an initial assignment
    or a rule gives it. In formulas the id means a concentration unless `amount_in_formulas`
    (SBML's ``hasOnlySubstanceUnits``). `unit` is that of its amount. `conversion_factor` is the
    parameter, if any, that turns the extent of a reaction into an amount of this species: its own,
    or the model's for all.
    """

    id: str
    name: str
    compartment: str
    initial: float | None
    initial_is: str
    amount_in_formulas: bool
    boundary: bool
    constant: bool
    unit: Unit
    concentration_unit: Unit = Unit()
    conversion_factor: str = ""


@dataclass(frozen=True)
class Parameter:
    """A parameter; a reaction's local one is promoted and is called ``reaction_parameter``."""

    id: str
    name: str
    value: float | None
    constant: bool
    unit: Unit
    reaction: str | None = None


@dataclass(frozen=True)
class KineticLaw:
    """The rate of a reaction, in amount per time, and the ids of its promoted local parameters."""

    formula: Tree
    parameters: tuple[str, ...]

    @property
    def text(self) -> str:
        """The formula as people write it."""
        return to_text(self.formula)

    def _repr_latex_(self) -> str:
        return _in_latex(self.formula)


@dataclass(frozen=True)
class Participant:
    """A species in a reaction.

    `stoichiometry` is None when a rule or an assignment for `id` gives it, or a `formula` (the
    ``stoichiometryMath`` of SBML level 2).
    """

    species: str
    stoichiometry: float | None
    id: str = ""
    formula: Tree | None = None


@dataclass(frozen=True)
class Reaction:
    """A reaction with its kinetic law (None where the model has none); `unit` is that of its rate."""

    id: str
    name: str
    reactants: tuple[Participant, ...]
    products: tuple[Participant, ...]
    modifiers: tuple[str, ...]
    law: KineticLaw | None
    reversible: bool
    fast: bool
    unit: Unit = Unit()

    @property
    def equation(self) -> str:
        """The reaction as people write it: ``2 A + B -> C``."""
        arrow = " -> " if not self.reversible else " <-> "
        return arrow.join(_side(side) for side in (self.reactants, self.products)).strip() or "->"


def _side(participants: tuple[Participant, ...]) -> str:
    def one(p: Participant) -> str:
        count = p.id or "n" if p.stoichiometry is None else f"{p.stoichiometry:g}"
        return p.species if count == "1" else f"{count} {p.species}"

    return " + ".join(one(p) for p in participants)


@dataclass(frozen=True)
class Rule:
    """A rule of `kind` "assignment", "rate" or "algebraic" (which has no target)."""

    kind: str
    target: str
    formula: Tree

    def _repr_latex_(self) -> str:
        target = {"rate": Call("rateOf", (Name(self.target),)), "algebraic": Number(0.0)}.get(self.kind)
        return _in_latex(target or Name(self.target), self.formula)


@dataclass(frozen=True)
class InitialAssignment:
    """The value of `target` at the start, by a formula."""

    target: str
    formula: Tree

    def _repr_latex_(self) -> str:
        return _in_latex(Apply(self.target, (Number(0.0),)), self.formula)


@dataclass(frozen=True)
class Event:
    """When `trigger` becomes true, each assignment's target takes its value, after `delay`.

    The value is that at the trigger, or at the end of the delay when `from_trigger` is false.
    """

    id: str
    name: str
    trigger: Tree
    delay: Tree | None
    priority: Tree | None
    assignments: tuple[tuple[str, Tree], ...]
    persistent: bool
    initial_value: bool
    from_trigger: bool = True


@dataclass(frozen=True)
class Function:
    """A function that the model defines for its own formulas."""

    id: str
    arguments: tuple[str, ...]
    body: Tree

    def _repr_latex_(self) -> str:
        return _in_latex(Apply(self.id, tuple(Name(a) for a in self.arguments)), self.body)


def _in_latex(*sides: Tree) -> str:
    """An equation of the sides, as Jupyter takes it."""
    from sbml_hybrid.mechanism.latex import to_latex

    return rf"$\displaystyle {' = '.join(to_latex(side) for side in sides)}$"


@dataclass(frozen=True, repr=False)
class Model(Editable):
    """A biochemical model: its records, its SBML text and the hash of that text.

    Made by `sbml_hybrid.load`. Nothing of it changes; reactions' local parameters are promoted to
    global ones called ``reaction_parameter``, and submodels (the comp package) are written out.
    `packages` names the SBML packages that the file declares.
    """

    id: str
    name: str
    source: str
    sbml: str
    hash: str
    time_unit: str
    substance_unit: str
    species: tuple[Species, ...]
    reactions: tuple[Reaction, ...]
    parameters: tuple[Parameter, ...]
    compartments: tuple[Compartment, ...]
    rules: tuple[Rule, ...]
    initial_assignments: tuple[InitialAssignment, ...]
    events: tuple[Event, ...]
    functions: tuple[Function, ...]
    units: tuple[Unit, ...]
    packages: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Model {self.id}: {len(self.species)} species, {len(self.reactions)} reactions, {self.source}>"

    def _repr_html_(self) -> str:
        return self.describe()._repr_html_()

    def describe(self, check: bool = False):
        """Return the model's tables: printed in a terminal, drawn in Jupyter.

        Parameters
        ----------
        check
            Whether to add a table of what libSBML warns of: units that do not fit, and good practice.
        """
        from sbml_hybrid.mechanism.description import Description

        return Description(self, check)

    def to_sbml(self) -> str:
        """Return the model as SBML text (local parameters promoted)."""
        return self.sbml

    def to_antimony(self) -> str:
        """Return the model as Antimony text, which loads as a model that simulates the same.

        Functions are written out where they are used, and an id that is a word of Antimony, such as
        ``compartment``, gets an underscore.

        Raises
        ------
        ModelError
            Antimony cannot hold the model; the message says what would be lost.
        """
        from sbml_hybrid.mechanism.reader import antimony_text

        return antimony_text(self)

    def equations(self) -> Equations:
        """Return the model's differential equations: printed in a terminal, typeset in Jupyter."""
        from sbml_hybrid.mechanism.equations import Equations

        return Equations(self)

    def stoichiometry(self) -> pandas.DataFrame:
        """Return how many of each species (row) each reaction (column) makes; negative: uses."""
        from sbml_hybrid.mechanism.network import stoichiometry

        return stoichiometry(self)

    def moieties(self) -> tuple[Moiety, ...]:
        """Return the conserved moieties: totals of amounts that no reaction changes."""
        from sbml_hybrid.mechanism.network import moieties

        return moieties(self)

    # -- looking things up -------------------------------------------------------------------------

    @cached_property
    def by_id(self) -> dict[str, Species | Parameter | Compartment | Reaction]:
        """Every species, parameter, compartment and reaction by its id."""
        return {part.id: part for part in (*self.species, *self.parameters, *self.compartments, *self.reactions)}

    def part(self, id: str) -> Species | Parameter | Compartment | Reaction:
        """Return the species, parameter, compartment or reaction called `id`.

        Raises
        ------
        UnknownName
            There is none; the message names the closest ones.
        """
        if id not in self.by_id:
            raise unknown_name("quantity", id, self.by_id, self.source)
        return self.by_id[id]

    def meaning(self, quantity: str) -> tuple[str, str]:
        """Return the id in a quantity's name, and what the quantity is.

        Parameters
        ----------
        quantity
            An id, in the meaning that formulas give it; ``[S]`` for the concentration of any species,
            ``amount(S)`` for its amount.

        Returns
        -------
        id, kind
            The kind is "amount", "concentration", "rate" (a reaction), "stoichiometry" (a species
            reference) or "value".

        Raises
        ------
        UnknownName
            There is no such quantity; the message names the closest ones.
        """
        named = re.fullmatch(r"amount\((?P<amount>.+)\)|\[(?P<concentration>.+)\]|(?P<formula>.*)", quantity)
        form, id = next((form, id) for form, id in named.groupdict().items() if id is not None)
        part = self.by_id.get(id)
        if isinstance(part, Species):
            as_formula = "amount" if part.amount_in_formulas else "concentration"
            return id, as_formula if form == "formula" else form
        if form == "formula" and part is not None:
            return id, "rate" if isinstance(part, Reaction) else "value"
        if form == "formula" and id in self.stoichiometry_ids:
            return id, "stoichiometry"
        species = [s.id for s in self.species]
        known = species if form != "formula" else [*self.states, *(k for k in self.by_id if k not in self.states)]
        raise unknown_name("species" if form != "formula" else "quantity", id, known, self.source)

    def unit(self, quantity: str) -> Unit:
        """Return the unit of a quantity, named as for `meaning`; false, and empty, where the model does not say it.

        Raises
        ------
        UnknownName
            There is no such quantity; the message names the closest ones.
        """
        id, kind = self.meaning(quantity)
        if kind == "stoichiometry":
            return DIMENSIONLESS
        return self.by_id[id].concentration_unit if kind == "concentration" else self.by_id[id].unit

    @cached_property
    def assignment_rules(self) -> dict[str, Tree]:
        """Target -> formula, functions written out, of the assignment rules."""
        return {r.target: self.written_out(r.formula) for r in self.rules if r.kind == "assignment"}

    @cached_property
    def rate_rules(self) -> dict[str, Tree]:
        """Target -> formula, functions written out, of the rate rules."""
        return {r.target: self.written_out(r.formula) for r in self.rules if r.kind == "rate"}

    @cached_property
    def laws(self) -> dict[str, Tree]:
        """Reaction -> formula, functions written out, of the kinetic laws."""
        return {r.id: self.written_out(r.law.formula) for r in self.reactions if r.law is not None}

    @cached_property
    def starts(self) -> dict[str, Tree]:
        """Target -> formula, functions written out, of the initial assignments."""
        return {a.target: self.written_out(a.formula) for a in self.initial_assignments}

    @cached_property
    def reacting(self) -> frozenset[str]:
        """The species that some reaction makes or uses up, boundary species apart."""
        boundary = {s.id for s in self.species if s.boundary}
        return frozenset(p.species for r in self.reactions for p in (*r.reactants, *r.products)) - boundary

    @cached_property
    def stoichiometry_ids(self) -> frozenset[str]:
        """The ids of stoichiometries (species references)."""
        return frozenset(p.id for r in self.reactions for p in (*r.reactants, *r.products) if p.id)

    @cached_property
    def event_targets(self) -> frozenset[str]:
        """The ids that some event changes."""
        return frozenset(target for event in self.events for target, _ in event.assignments)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The ids of what can change in time, in the model's order: species, then parameters and compartments.

        Species that nothing changes (fixed boundary species, constant ones) are not states; parameters and
        compartments are when a rate rule or an event changes them.
        """
        moved = self.event_targets | self.rate_rules.keys()
        computed = self.assignment_rules.keys()
        species = [s.id for s in self.species if not (s.boundary or s.constant) or s.id in moved or s.id in computed]
        others = [p.id for p in (*self.parameters, *self.compartments) if p.id in moved]
        return (*species, *others)

    def written_out(self, tree: Tree) -> Tree:
        """Return `tree` with the model's own functions written out."""
        return inline(tree, {f.id: (f.arguments, f.body) for f in self.functions})

    @cached_property
    def formulas(self) -> tuple[Tree, ...]:
        """All formulas that act during a simulation, functions written out: laws, stoichiometries, rules, events."""
        counts = [p.formula for r in self.reactions for p in (*r.reactants, *r.products)]
        events = [t for e in self.events for t in (e.trigger, e.delay, e.priority, *(f for _, f in e.assignments))]
        trees = (*counts, *(r.formula for r in self.rules), *events)
        return (*self.laws.values(), *(self.written_out(t) for t in trees if t is not None))

    @cached_property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What keeps libroadrunner from simulating the model: nothing, for most."""
        from sbml_hybrid.mechanism.support import obstacles

        return obstacles(self)

    def require_simulable(self) -> None:
        """Raise a `ModelError` that names the first of the `obstacles`."""
        from sbml_hybrid.mechanism.support import require_simulable

        require_simulable(self)
