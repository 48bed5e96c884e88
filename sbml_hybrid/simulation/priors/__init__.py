"""What varies, and by how much: priors on a model's quantities.

A law for one quantity gives its values at probabilities (``quantile``) and the probabilities of values (``cdf``). A
`Joint` and a `Table` draw several quantities together. `of` gives a model's quantities their laws, one by one and by
pattern; `around` varies them around the model's own values.
"""

from sbml_hybrid.simulation.priors.bulk import Priors, of
from sbml_hybrid.simulation.priors.changed import Relative, Truncated
from sbml_hybrid.simulation.priors.discrete import Discrete
from sbml_hybrid.simulation.priors.fold import around
from sbml_hybrid.simulation.priors.joint import Joint
from sbml_hybrid.simulation.priors.laws import (
    Beta,
    Fixed,
    Gamma,
    LogNormal,
    LogUniform,
    Normal,
    Prior,
    Triangular,
    Uniform,
    dimensions_of,
    names_of,
)
from sbml_hybrid.simulation.priors.said import KINDS, prior_from_dict, to_dict
from sbml_hybrid.simulation.priors.table import Table

__all__ = [
    "KINDS",
    "Beta",
    "Discrete",
    "Fixed",
    "Gamma",
    "Joint",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Prior",
    "Priors",
    "Relative",
    "Table",
    "Triangular",
    "Truncated",
    "Uniform",
    "around",
    "dimensions_of",
    "names_of",
    "of",
    "prior_from_dict",
    "to_dict",
]
