"""The edits of a model, as its methods: each gives a new model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbml_hybrid.mechanism.model import Model


class Editable:
    """What can be changed in a model. Every method gives a new model, read and checked like any other."""

    def set(self, values: Mapping[str, float]) -> Model:
        """Return the model with other values of parameters, compartments and initial amounts.

        It is what a draw with these values is, bit for bit.

        Parameters
        ----------
        values
            Name -> number, in the model's own units: ``k1`` a parameter, ``R1_k`` a reaction's local
            one, ``C`` the size of a compartment, ``init(S1)`` an initial amount, ``init([S1])`` an
            initial concentration, ``init(p)`` the start of a parameter that a rate rule changes.

        Raises
        ------
        UnknownName
            The model has no such quantity; the message names the closest ones.
        ValueError
            A rule or initial assignment determines it, or the number is not finite.

        Examples
        --------
        >>> from sbml_hybrid.mechanism.reader import load
        >>> load("S -> ; k*S; S = 10; k = 0.3").set({"k": 0.5, "init(S)": 3})
        <Model model: 1 species, 1 reactions, text, k = 0.5, init(S) = 3>
        """
        from sbml_hybrid.mechanism.edits import set_values

        return set_values(self, values)

    def set_law(self, id: str, law: str, /, **parameters: float) -> Model:
        """Return the model with another kinetic law for one reaction.

        The old law's local parameters go when nothing else uses them; the modifiers follow the law.

        Parameters
        ----------
        id
            The reaction.
        law
            The rate in amount per time, as an infix formula: ``"k1*S1/(K + S1)"``.
        parameters
            New parameters of the law and their values.

        Raises
        ------
        UnknownName
            There is no such reaction, or the law mentions something that the model does not have.
        ModelError
            The law is not a formula.
        ValueError
            A parameter that is given is there already, or the law does not mention it.

        Examples
        --------
        >>> from sbml_hybrid.mechanism.reader import load
        >>> saturated = load("R1: S -> ; k*S; S = 10; k = 0.3").set_law("R1", "k*S/(K + S)", K=2.0)
        >>> saturated.part("R1").law.text
        'k*S/(K + S)'
        """
        from sbml_hybrid.mechanism.edits import set_law

        return set_law(self, id, law, parameters)

    def add_reaction(self, id: str, equation: str, /, law: str, **parameters: float) -> Model:
        """Return the model with one more reaction.

        Parameters
        ----------
        id
            The new reaction.
        equation
            ``"A + 2 B -> C"``, with ``<->`` where it goes both ways; a side may be empty, counts may
            be fractions. The species must be there: see `add_species`.
        law
            The rate in amount per time, as an infix formula; species in it that are not in the
            equation become modifiers.
        parameters
            New parameters of the law and their values.

        Raises
        ------
        UnknownName
            The equation or the law mentions something that the model does not have.
        ModelError
            The equation or the law cannot be read.
        ValueError
            The id or a parameter is there already, or the law does not mention the parameter.

        Examples
        --------
        >>> from sbml_hybrid.mechanism.reader import load
        >>> load("A -> B; k*A; A = 10; B = 0; k = 0.3").add_reaction("R9", "2 B -> A", law="k9*B^2", k9=0.1)
        <Model model: 2 species, 2 reactions, text, with R9: 2 B -> A>
        """
        from sbml_hybrid.mechanism.edits import add_reaction

        return add_reaction(self, id, equation, law, parameters)

    def add_species(
        self, id: str, initial: float = 0.0, compartment: str | None = None, boundary: bool = False
    ) -> Model:
        """Return the model with one more species.

        Parameters
        ----------
        id
            The new species; in formulas it means its concentration (its amount in a compartment
            without dimensions).
        initial
            Where it starts, as formulas mean it.
        compartment
            Where it is; None when the model has one compartment only.
        boundary
            Whether reactions leave it as it is.

        Raises
        ------
        ModelError
            There is more than one compartment to choose from, or none.
        UnknownName
            There is no such compartment.
        ValueError
            The id is there already or is none, or `initial` is not finite.
        """
        from sbml_hybrid.mechanism.edits import add_species

        return add_species(self, id, initial, compartment, boundary)

    def with_states(self, id: str, count: int = 1) -> Model:
        """Return the model with latent states: numbers that start at 0 and that nothing moves, for a hybrid to move.

        They are parameters with a rate rule of 0. `sh.Graft` on ``"z0'"`` moves one, and other grafts may read it.

        Parameters
        ----------
        id
            What they are called: ``"z"`` gives z0, z1 and so on.
        count
            How many.

        Raises
        ------
        ValueError
            The id is there already or is none, or there are less than one.

        Examples
        --------
        >>> from sbml_hybrid.mechanism.reader import load
        >>> load("A -> B; k*A; A = 10; B = 0; k = 0.3").with_states("z", 2).states
        ('A', 'B', 'z0', 'z1')
        """
        from sbml_hybrid.mechanism.edits import with_states

        return with_states(self, id, count)

    def log_states(self, of: Iterable[str] | None = None) -> Model:
        """Return the same model in other coordinates: the logarithm ``log_S`` is the state, and S is its exp.

        Reactions keep their laws and stay ports of hybrids; ``log_S'`` is the rate of S over S. What is positive stays
        positive in any step, but moieties hold only as exactly as the model is solved. Varied initial values are those
        of ``log_S``.

        Parameters
        ----------
        of
            Which species; by default all that reactions or rate rules change.

        Raises
        ------
        UnknownName
            There is no such species that changes.
        ModelError
            One of them does not start above 0, or the model has no differential equations.

        Examples
        --------
        >>> from sbml_hybrid.mechanism.reader import load
        >>> load("A -> B; k*A; A = 10; B = 1; k = 0.3").log_states(of=["A"]).states
        ('A', 'B', 'log_A')
        """
        from sbml_hybrid.mechanism.logarithms import log_states

        return log_states(self, of)

    def remove(self, id: str) -> Model:
        """Return the model without a reaction, species, parameter or compartment.

        With a reaction go the parameters that came with its law, when nothing else uses them.

        Raises
        ------
        UnknownName
            There is no such part.
        ModelError
            Something in the model still uses it; the message says where.
        """
        from sbml_hybrid.mechanism.edits import remove

        return remove(self, id)

    def knock_out(self, id: str) -> Model:
        """Return the model in which a reaction does not run, or a species (a gene, an enzyme) is not there.

        A reaction keeps its place and gets the law 0. A species starts at 0 and stays there: it becomes
        a boundary species, so that the reactions that would make it still use up their reactants.

        Raises
        ------
        UnknownName
            There is no such part.
        ModelError
            A rule or an event sets the species, the reaction has no law, or the part is a parameter or
            a compartment: set it to 0.
        """
        from sbml_hybrid.mechanism.edits import knock_out

        return knock_out(self, id)

    def make_boundary(self, id: str) -> Model:
        """Return the model in which reactions leave a species as it is: held at its initial value.

        Raises
        ------
        UnknownName
            There is no such species.
        """
        from sbml_hybrid.mechanism.edits import set_boundary

        return set_boundary(self, id, True)

    def make_floating(self, id: str) -> Model:
        """Return the model in which reactions change a species: the inverse of `make_boundary`.

        Raises
        ------
        UnknownName
            There is no such species.
        ModelError
            A rule determines the species.
        """
        from sbml_hybrid.mechanism.edits import set_boundary

        return set_boundary(self, id, False)
