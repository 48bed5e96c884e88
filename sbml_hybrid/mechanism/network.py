"""The network of reactions: its stoichiometry, and the totals of amounts that reactions leave alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import Tree, evaluate, mentions_time, names, to_text
from sbml_hybrid.mechanism.model import Model, Reaction, Species
from sbml_hybrid.mechanism.nullspace import exact, independent, left_null_space, non_negative
from sbml_hybrid.mechanism.rates import stoichiometry as count_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Moiety:
    """A total of amounts that no reaction changes, such as free and bound enzyme together.

    Parameters
    ----------
    members
        (species, coefficient): integers where the stoichiometry allows it.
    total
        The sum of coefficient times amount at the start, in the model's substance unit.
    broken_by
        In words, what changes a member in another way; the total holds until that happens.
    """

    members: tuple[tuple[str, float], ...]
    total: float
    broken_by: tuple[str, ...] = ()

    @property
    def coefficients(self) -> dict[str, float]:
        """Species -> coefficient of its amount."""
        return dict(self.members)

    def __str__(self) -> str:
        terms = [("-" if n < 0 else "+", f"{abs(n):.6g} " if abs(n) != 1 else "", id) for id, n in self.members]
        first, *others = (f"{sign} {count}{id}" for sign, count, id in terms)
        text = " ".join([first.removeprefix("+ ").replace("- ", "-"), *others])
        until = f", until {' or '.join(self.broken_by)}" if self.broken_by else ""
        return f"{text} = {self.total:.6g} (amount){until}"

    __repr__ = __str__


def stoichiometry(model: Model) -> pandas.DataFrame:
    """Return how many of each species each reaction makes (negative: uses).

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    pandas.DataFrame
        One row for each species that reactions make or use (boundary species apart, which they do not change), one
        column for each reaction.

    Raises
    ------
    ModelError
        A stoichiometry changes during a simulation, so that no number stands for it.

    Examples
    --------
    >>> from sbml_hybrid import load
    >>> stoichiometry(load("bind: E + S -> ES; 2*E*S; turn: ES -> E + P; 3*ES; E = 1; S = 9; ES = 0; P = 0"))
        bind  turn
    E   -1.0   1.0
    S   -1.0   0.0
    ES   1.0  -1.0
    P    0.0   1.0
    """
    import pandas

    entries, varying = _entries(model)
    for (species, reaction), formula in varying.items():
        raise ModelError(
            f"The stoichiometry of {species} in reaction {reaction} of {model.source} is {to_text(formula)}, which "
            "changes during a simulation: no number stands for it. Try: model.equations(), which shows it in the rates."
        )
    rows, columns = _reacting(model), [r.id for r in model.reactions]
    at_row, at_column = ({id: i for i, id in enumerate(ids)} for ids in (rows, columns))
    counts = np.zeros((len(rows), len(columns)))
    for (species, reaction), count in entries.items():
        counts[at_row[species], at_column[reaction]] = count
    return pandas.DataFrame(counts, index=rows, columns=columns)


def moieties(model: Model) -> tuple[Moiety, ...]:
    """Return the conserved moieties: totals of amounts that stay what they are during a simulation.

    They span the left null space of the stoichiometry, each species' row multiplied by its conversion
    factor, in exact arithmetic. Where there are such, totals without negative coefficients are
    chosen, the ones of fewest species first: extreme semi-positive conservation relations [1]_.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    tuple of Moiety
        As many as are independent. First those that hold for ever, then those that an event or a
        varying stoichiometry breaks, which say so. A catalyst that reactions give back is one by itself.

    References
    ----------
    .. [1] Schuster and Höfer, Journal of the Chemical Society, Faraday Transactions 87 (1991) 2561,
       doi:10.1039/FT9918702561.

    Examples
    --------
    >>> from sbml_hybrid import load
    >>> moieties(load("E + S -> ES; k1*E*S; ES -> E + P; k2*ES; E = 1; S = 9; ES = 0; P = 0; k1 = 1; k2 = 1"))
    (E + ES = 1 (amount), S + ES + P = 9 (amount))
    """
    start = InitialValues(model)
    entries, varying = _entries(model)
    broken = _broken(model, varying)
    factor = {s.id: exact(float(start[s.conversion_factor])) for s in model.species if s.conversion_factor}
    rows: dict[str, dict[str, object]] = {species: {} for species in _reacting(model)}
    for (species, reaction), count in entries.items():
        rows[species][reaction] = exact(count) * factor.get(species, 1)
    lasting = {species: row for species, row in rows.items() if species not in broken}
    chosen = independent([], non_negative(left_null_space(lasting)))
    if len(lasting) < len(rows):
        chosen = independent(chosen, non_negative(left_null_space(rows)))
    order = {species: i for i, species in enumerate(rows)}
    return tuple(_moiety(vector, order, broken, start) for vector in chosen)


def _moiety(vector: dict[str, int], order: dict[str, int], broken: dict[str, str], start: InitialValues) -> Moiety:
    ids = sorted(vector, key=order.__getitem__)
    sign = 1 if vector[ids[0]] > 0 else -1
    smallest = min(abs(n) for n in vector.values())
    unwieldy = max(abs(n) for n in vector.values()) > 1000  # conversion factors such as 0.6022
    members = tuple((id, sign * (vector[id] / smallest if unwieldy else vector[id])) for id in ids)
    total = sum(float(start.amount(id)) * n for id, n in members)
    return Moiety(members, total, tuple(dict.fromkeys(broken[id] for id in ids if id in broken)))


def _reacting(model: Model) -> list[str]:
    """The species that reactions change, in the model's order; none of them may have a rule."""
    return [s.id for s in model.species if s.id in model.reacting and not s.constant]


def _broken(model: Model, varying: dict[tuple[str, str], Tree]) -> dict[str, str]:
    """Species -> what changes its amount otherwise than by reactions of fixed stoichiometry."""
    broken = {species: f"the stoichiometry of {species} in {reaction} changes" for species, reaction in varying}
    for number, event in enumerate(model.events, 1):
        for target, _ in event.assignments:
            broken.setdefault(target, f"event {event.id or number} sets {target}")
    return broken


def _entries(model: Model) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], Tree]]:
    """(species, reaction) -> net stoichiometry, where it is not zero; and the formulas of those that vary."""
    start = InitialValues(model)
    entries: dict[tuple[str, str], float] = {}
    varying: dict[tuple[str, str], Tree] = {}
    reacting = set(_reacting(model))
    for reaction in model.reactions:
        for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
            for participant in side:
                if participant.species not in reacting:
                    continue
                at = (participant.species, reaction.id)
                tree = count_of(model, participant)
                if _varies(model, tree):
                    varying[at] = tree
                else:
                    entries[at] = entries.get(at, 0.0) + sign * float(evaluate(tree, start.__getitem__))
    return {at: n for at, n in entries.items() if n != 0}, varying


def _varies(model: Model, tree: Tree) -> bool:
    """Return whether the formula changes during a simulation."""
    moved = model.rate_rules.keys() | model.event_targets
    seen: set[str] = set()
    todo = [tree]
    while todo:
        at = todo.pop()
        if mentions_time(at):
            return True
        for id in names(at) - seen:
            seen.add(id)
            if id in moved or isinstance(model.by_id.get(id), Species | Reaction):
                return True
            if id in model.assignment_rules:
                todo.append(model.assignment_rules[id])
    return False
