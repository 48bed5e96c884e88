"""A model whose kinetic laws have a factor in front, which can be set while it is simulated."""

from __future__ import annotations

from collections.abc import Iterable

import libsbml

from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.kinetics import Call, Name, to_text
from sbml_hybrid.mechanism.mathml import ast_from_text
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.sbml import model_from_sbml


def with_factors(model: Model, reactions: Iterable[str]) -> Model:
    """Return the model in which the law of some reactions is multiplied by a new parameter, 1 at first.

    The species that a reaction uses and makes change by the same factor, so that conserved moieties stay.

    Parameters
    ----------
    model
        The model.
    reactions
        Ids of reactions that have a law.
    """
    document = libsbml.readSBMLFromString(model.sbml)
    m = document.getModel()
    taken = {*model.by_id, *model.stoichiometry_ids, *(f.id for f in model.functions), *(e.id for e in model.events)}
    for reaction in reactions:
        factor = f"factor_{reaction}"
        while factor in taken:
            factor += "_"
        parameter = m.createParameter()
        parameter.setId(factor)
        parameter.setValue(1.0)
        parameter.setConstant(False)
        law = Call("times", (Name(factor), model.by_id[reaction].law.formula))
        m.getReaction(reaction).getKineticLaw().setMath(ast_from_text(to_text(law), m))
    owners = {p: r.id for r in model.reactions if r.law for p in r.law.parameters}
    return model_from_sbml(written(document, model.sbml), model.source, model.id, promoted=owners)


def factor_of(model: Model, reaction: str) -> str:
    """Return the id of a reaction's factor, in a model `with_factors`."""
    return model.by_id[reaction].law.formula.arguments[0].id
