"""How fast each quantity of a model changes, as trees over the model's ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.derivative import derivative
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, Time, Tree, names, uses
from sbml_hybrid.mechanism.model import Model, Participant, Reaction, Species

ZERO = Number(0.0)


class Rates:
    """The derivatives in time of a model's quantities, as its rules and reactions give them.

    A tree mentions a reaction by its id, which means its rate (in extent per time), and any other id
    with the meaning that it has in the model's formulas. Functions and ``rateOf`` are written out.
    What an event changes is constant from one event to the next.

    Parameters
    ----------
    model
        The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._asked: list[str] = []

    def of_amount(self, species: str) -> Tree:
        """Return the derivative of a species' amount.

        A rate rule for a concentration in a compartment of size V means d(amount)/dt =
        V*rule + concentration*dV/dt; reactions change the amount itself, by the species' conversion factor.
        """
        part = self.model.by_id[species]
        if species in self.model.rate_rules:
            rule = self.written_out(self.model.rate_rules[species], species)
            if part.amount_in_formulas:
                return rule
            size = Name(part.compartment)
            return _plus(_times(size, rule), _times(Name(species), self.of(part.compartment)))
        if part.boundary or part.constant:
            return ZERO
        change = self._by_reactions(species)
        return _times(Name(part.conversion_factor), change) if part.conversion_factor else change

    def of(self, id: str) -> Tree:
        """Return the derivative of what `id` means in a formula: SBML's ``rateOf(id)``.

        What a formula computes changes through all that the formula mentions.

        Raises
        ------
        ModelError
            A formula (an assignment rule, a kinetic law) computes `id` and has no derivative, or the rate of `id` is
            defined by itself.
        """
        model = self.model
        part = model.by_id.get(id)
        if id in model.assignment_rules:
            return self._of_formula(id, model.assignment_rules[id])
        if isinstance(part, Reaction):
            return self._of_formula(id, model.laws[id]) if id in model.laws else ZERO
        if id in model.rate_rules:
            return self.written_out(model.rate_rules[id], id)
        if not isinstance(part, Species):
            return ZERO
        if part.amount_in_formulas:
            return self.of_amount(id)
        dilution = _times(Name(id), self.of(part.compartment))
        change = _minus(self.of_amount(id), dilution)
        return change if change == ZERO else Call("divide", (change, Name(part.compartment)))

    def written_out(self, tree: Tree, of: str = "") -> Tree:
        """Return `tree` with every ``rateOf`` in it replaced by the derivative it stands for.

        Parameters
        ----------
        tree
            A formula in which the model's own functions are written out.
        of
            The id whose derivative `tree` is, so that a circle is found.
        """
        if not uses(tree, "rateOf"):
            return tree
        if not of:
            return self._replaced(tree)
        with self._guarded(of):
            return self._replaced(tree)

    def _replaced(self, tree: Tree) -> Tree:
        match tree:
            case Call(operator="rateOf", arguments=(Name(id=id),)):
                return self.of(id)
            case Call(operator="rateOf"):
                raise ModelError(f"{self.model.source} asks for rateOf of a formula; SBML has it for an id alone.")
            case Call(operator=operator, arguments=arguments):
                return Call(operator, tuple(self._replaced(a) for a in arguments))
        return tree

    def _of_formula(self, id: str, tree: Tree) -> Tree:
        """The chain rule: by time, and by each id times how fast that changes."""
        with self._guarded(id):
            tree = self._replaced(tree)
            terms = [derivative(tree, Time())]
            for name in sorted(names(tree)):
                speed = self.of(name)
                if speed != ZERO:
                    terms.append(_times(derivative(tree, name), speed))
        return _sum([term for term in terms if term != ZERO])

    @contextmanager
    def _guarded(self, id: str) -> Iterator[None]:
        if id in self._asked:
            circle = " -> ".join([*self._asked[self._asked.index(id) :], id])
            raise ModelError(f"{self.model.source} defines the rate of {id!r} by itself: {circle}.")
        self._asked.append(id)
        yield
        self._asked.pop()

    # -- reactions ---------------------------------------------------------------------------------

    def _by_reactions(self, species: str) -> Tree:
        """What makes the species minus what uses it."""
        made, used = [], []
        for reaction, net in self._changes.get(species, ()):
            for side, amount in zip((made, used), net, strict=True):
                if amount != ZERO:
                    side.append(_times(amount, Name(reaction)))
        return _minus(_sum(made), _sum(used))

    @cached_property
    def _changes(self) -> dict[str, list[tuple[str, tuple[Tree, Tree]]]]:
        """Species -> (reaction, (how many it makes, how many it uses)), of reactions with a kinetic law."""
        found: dict[str, list[tuple[str, tuple[Tree, Tree]]]] = {}
        for reaction in self.model.reactions:
            if reaction.law is None:
                continue
            for species in dict.fromkeys(p.species for p in (*reaction.products, *reaction.reactants)):
                found.setdefault(species, []).append((reaction.id, self._net(reaction, species)))
        return found

    def _net(self, reaction: Reaction, species: str) -> tuple[Tree, Tree]:
        sides = [
            [stoichiometry(self.model, p) for p in side if p.species == species]
            for side in (reaction.products, reaction.reactants)
        ]
        if all(isinstance(n, Number) for side in sides for n in side):
            net = sum(n.value for n in sides[0]) - sum(n.value for n in sides[1])
            return (Number(net), ZERO) if net > 0 or net != net else (ZERO, Number(-net if net else 0.0))
        return _sum(sides[0]), _sum(sides[1])


def stoichiometry(model: Model, participant: Participant) -> Tree:
    """Return how many of the species take part: a number, or a tree where something sets it."""
    if participant.formula is not None:
        return model.written_out(participant.formula)
    moved = (model.assignment_rules, model.rate_rules, model.starts, model.event_targets)
    if participant.id and any(participant.id in ids for ids in moved):
        return Name(participant.id)
    return Number(float("nan") if participant.stoichiometry is None else participant.stoichiometry)


def references(model: Model) -> Iterator[str]:
    """Yield the ids of the model's species references, which formulas may use as quantities."""
    for reaction in model.reactions:
        for participant in (*reaction.reactants, *reaction.products):
            if participant.id and participant.id not in model.by_id:
                yield participant.id


def formulas_of_references(model: Model) -> dict[str, Tree]:
    """Return species reference -> its ``stoichiometryMath``, functions written out."""
    sides = (side for reaction in model.reactions for side in (reaction.reactants, reaction.products))
    return {p.id: model.written_out(p.formula) for side in sides for p in side if p.id and p.formula is not None}


# -- trees without what does nothing ---------------------------------------------------------------


def _sum(terms: list[Tree]) -> Tree:
    return ZERO if not terms else terms[0] if len(terms) == 1 else Call("plus", tuple(terms))


def _plus(a: Tree, b: Tree) -> Tree:
    return _sum([term for term in (a, b) if term != ZERO])


def _minus(a: Tree, b: Tree) -> Tree:
    if b == ZERO:
        return a
    if a != ZERO:
        return Call("minus", (a, b))
    match b:
        case Call(operator="times", arguments=(Number(value=count), *rest)):
            return Call("times", (Number(-count), *rest))
    return Call("minus", (b,))


def _times(a: Tree, b: Tree) -> Tree:
    if ZERO in (a, b):
        return ZERO
    return b if a == Number(1.0) else Call("times", (a, b))
