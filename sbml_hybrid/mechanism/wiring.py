"""Who takes part in what, and who acts on whom: the links of a model's network."""

from __future__ import annotations

from dataclasses import dataclass

from sbml_hybrid.mechanism.kinetics import Call, Name, Tree, names
from sbml_hybrid.mechanism.model import Model, Participant


@dataclass(frozen=True)
class Link:
    """A link from `source` to `target`.

    `role` is "reactant" (species to reaction), "product" (reaction to species), "modifier" (what else
    the rate depends on, to the reaction) or "rule" (what a rule or an event depends on, to what it
    changes). `count` is the stoichiometry as it is written, empty for 1.
    """

    source: str
    target: str
    role: str
    count: str = ""


@dataclass(frozen=True)
class Wiring:
    """The quantities (species, and what else has a rate rule), the reactions, and the links, by ids."""

    quantities: tuple[str, ...]
    reactions: tuple[str, ...]
    links: tuple[Link, ...]


def wiring(model: Model) -> Wiring:
    """Return the network of a model.

    A reaction has a "modifier" link from each species that it declares as one, and from what else its law depends
    on, be it through an assignment rule; that a law depends on the reactants, and in a reversible reaction on
    the products, goes without saying. The sign of an influence is not looked for. A total that the
    reactions conserve acts on nothing, for it never changes.

    Parameters
    ----------
    model
        A model, as `load` gives it.
    """
    quantities = (*(s.id for s in model.species), *(t for t in model.rate_rules if not _is_species(model, t)))
    acting = _Acting(model, frozenset(quantities))
    links: dict[Link, None] = {}
    for reaction in model.reactions:
        for role, side in (("reactant", reaction.reactants), ("product", reaction.products)):
            for species, count in _summed(side).items():
                ends = (species, reaction.id) if role == "reactant" else (reaction.id, species)
                links[Link(*ends, role, count)] = None
        law = [] if reaction.law is None else acting.on(reaction.law.formula)
        own = {p.species for p in (*reaction.reactants, *(reaction.products if reaction.reversible else ()))}
        for species in dict.fromkeys((*reaction.modifiers, *(s for s in law if s not in own))):
            links[Link(species, reaction.id, "modifier")] = None
    ruled = [(r.target, (r.formula,)) for r in model.rules if r.kind != "algebraic"]
    ruled += [(target, (e.trigger, formula)) for e in model.events for target, formula in e.assignments]
    for target, formulas in ruled:
        if target in quantities:
            for source in (s for f in formulas if f is not None for s in acting.on(f)):
                if source != target:
                    links[Link(source, target, "rule")] = None
    return Wiring(quantities, tuple(r.id for r in model.reactions), tuple(links))


def _is_species(model: Model, id: str) -> bool:
    return any(s.id == id for s in model.species)


def _summed(side: tuple[Participant, ...]) -> dict[str, str]:
    """Species -> its stoichiometry in words; a species may be listed several times."""
    counts: dict[str, list[Participant]] = {}
    for participant in side:
        counts.setdefault(participant.species, []).append(participant)
    words = {}
    for species, listed in counts.items():
        if any(p.stoichiometry is None for p in listed):
            words[species] = " + ".join(
                p.id or "n" if p.stoichiometry is None else f"{p.stoichiometry:g}" for p in listed
            )
        else:
            words[species] = f"{sum(p.stoichiometry for p in listed):g}"
    return {species: "" if word == "1" else word for species, word in words.items()}


class _Acting:
    """What a formula depends on, among the quantities of the network, in the order of the model."""

    def __init__(self, model: Model, quantities: frozenset[str]) -> None:
        self.model = model
        self.quantities = quantities
        self.rank = {id: i for i, id in enumerate(model.by_id)}
        self.laws = {r.id: r.law.formula for r in model.reactions if r.law is not None}
        self.handed_on: dict[str, frozenset[str]] = {}

    def on(self, tree: Tree) -> list[str]:
        pending, seen = list(names(self.model.written_out(tree))), set()
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending += () if name in self.quantities else self._through(name)
        return sorted(seen & self.quantities, key=self.rank.__getitem__)

    def _through(self, name: str) -> frozenset[str]:
        """What the assigned quantity or the rate `name` depends on in its turn."""
        if name not in self.handed_on:
            formula = self._formula(name)
            constant = formula is None or self._conserved(formula)
            self.handed_on[name] = frozenset() if constant else names(formula)
        return self.handed_on[name]

    def _formula(self, name: str) -> Tree | None:
        if name in self.model.assignment_rules:
            return self.model.assignment_rules[name]
        return self.model.written_out(self.laws[name]) if name in self.laws else None

    def _conserved(self, formula: Tree) -> bool:
        """Whether the formula is a sum of species that the reactions only turn into each other."""
        terms = [formula]
        while any(isinstance(t, Call) for t in terms):
            if not all(isinstance(t, Name) or isinstance(t, Call) and t.operator == "plus" for t in terms):
                return False
            terms = [one for t in terms for one in (t.arguments if isinstance(t, Call) else (t,))]
        if not all(isinstance(t, Name) for t in terms):
            return False
        ids = [t.id for t in terms]
        species = [s for s in self.model.species if s.id in ids]
        compartment = {s.compartment for s in species}
        ruled = {r.target for r in self.model.rules} | self.model.event_targets
        if len(ids) < 2 or len(species) != len(ids) or len(compartment) != 1 or ruled & ({*ids} | compartment):
            return False
        if any(s.boundary for s in species) or any(r.kind == "algebraic" for r in self.model.rules):
            return False
        sides = ((r.reactants, r.products) for r in self.model.reactions)
        return all(_gained(products, ids) == _gained(reactants, ids) is not None for reactants, products in sides)


def _gained(side: tuple[Participant, ...], ids: list[str]) -> float | None:
    counts = [p.stoichiometry for p in side if p.species in ids]
    return None if None in counts else sum(counts)
