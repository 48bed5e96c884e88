"""A model's differential equations, to be read."""

from __future__ import annotations

from sbml_hybrid.mechanism.kinetics import Call, Name, Tree, to_text
from sbml_hybrid.mechanism.latex import id_to_latex, to_latex
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.odes import amount_of, right_hand_side
from sbml_hybrid.mechanism.rates import Rates

MAX_TYPESET = 100  # lines; a browser takes seconds for more
Line = tuple[str, Tree]


class Equations:
    """The differential equations of a model: ``str()`` for a terminal, typeset in Jupyter.

    ``d[S]/dt`` is the derivative of a concentration, ``d amount(S)/dt`` of an amount, ``dp/dt`` of any other
    value. A species is shown by its amount where formulas mean that by its id, and where its compartment
    changes. A reaction's id stands for its rate; dividing by a constant compartment of size 1 is left out.
    Typeset, [S] is a concentration and n_S an amount; over 100 lines are left as text, for the page's sake.

    Parameters
    ----------
    model
        The model.

    Raises
    ------
    ModelError
        The model cannot be simulated.

    Examples
    --------
    >>> from sbml_hybrid import load
    >>> Equations(load("E + S -> ES; k1*E*S; ES -> E + P; k2*ES; E = 1; S = 9; ES = 0; P = 0; k1 = 1; k2 = 1"))
    d[E]/dt = _J1 - _J0
    d[S]/dt = -_J0
    d[ES]/dt = _J0 - _J1
    d[P]/dt = _J1
    <BLANKLINE>
    where
      _J0 = k1*E*S
      _J1 = k2*ES
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        odes = right_hand_side(model)
        rates = Rates(model)
        shown = {id: self._by_concentration(id) for id in odes.states}
        self.derivatives: tuple[Line, ...] = tuple(
            (f"[{id}]", self._without_ones(rates.of(id))) if shown[id] else (variable, tree)
            for id, variable, tree in zip(odes.states, odes.variables, odes.derivatives, strict=True)
        )
        self.definitions: tuple[Line, ...] = tuple(line for line in odes.definitions if self._is_news(line))

    def _by_concentration(self, id: str) -> bool:
        part = self._model.by_id.get(id)
        return isinstance(part, Species) and not part.amount_in_formulas and not self._moves(part.compartment)

    def _moves(self, id: str) -> bool:
        return id in self._model.rate_rules or id in self._model.assignment_rules

    def _is_news(self, line: Line) -> bool:
        """A species means what its equation or its place in the tables says, unless its compartment changes."""
        id, tree = line
        part = self._model.by_id.get(id)
        if not isinstance(part, Species) or id in self._model.assignment_rules:
            return True
        return tree != Name(amount_of(id)) and self._moves(part.compartment)

    def _without_ones(self, tree: Tree) -> Tree:
        match tree:
            case Call(operator="divide", arguments=(over, Name(id=id))) if self._is_one(id):
                return over
        return tree

    def _is_one(self, id: str) -> bool:
        part = self._model.by_id[id]
        changed = id in self._model.starts or id in self._model.event_targets or self._moves(id)
        return getattr(part, "size", None) == 1.0 and not changed

    def __str__(self) -> str:
        lines = [f"{_left(of)} = {to_text(tree)}" for of, tree in self.derivatives] or ["Nothing is integrated."]
        if self.definitions:
            lines += ["", "where", *(f"  {id} = {to_text(tree)}" for id, tree in self.definitions)]
        if self._model.event_targets:
            lines += ["", f"Events set {', '.join(sorted(self._model.event_targets))}."]
        return "\n".join(lines)

    __repr__ = __str__

    def to_latex(self) -> str:
        """Return the equations as LaTeX, an ``aligned`` environment without the dollar signs."""
        names = {s.id: f"[{id_to_latex(s.id)}]" for s in self._model.species if not s.amount_in_formulas}
        names |= {amount_of(s.id): f"n_{{{id_to_latex(s.id)}}}" for s in self._model.species}
        rows = [
            rf"\frac{{d{names.get(of.strip('[]')) or id_to_latex(of)}}}{{dt}} &= {to_latex(tree, names)}"
            for of, tree in self.derivatives
        ]
        rows += [r"&\text{where}"] if self.definitions else []
        rows += [f"{names.get(id) or id_to_latex(id)} &= {to_latex(tree, names)}" for id, tree in self.definitions]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str | None:
        few = len(self.derivatives) + len(self.definitions) <= MAX_TYPESET
        return f"$\\displaystyle {self.to_latex()}$" if few else None


def _left(of: str) -> str:
    return f"d {of}/dt" if of.startswith("amount(") else f"d{of}/dt"
