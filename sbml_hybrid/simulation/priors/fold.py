"""Priors around a model's own values."""

from __future__ import annotations

from collections.abc import Iterable

from sbml_hybrid.errors import is_number
from sbml_hybrid.mechanism.initial import InitialValues, determined_by
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.simulation.priors.bulk import Priors
from sbml_hybrid.simulation.priors.laws import LogUniform, Prior
from sbml_hybrid.simulation.priors.quantities import expanded, is_pattern, own_value, roles_of, why_not


def around(model: Model, fold: float, of: Iterable[str] | None = None, initial: bool = False) -> Priors:
    """Vary a model's kinetic parameters around their values, log-uniformly in [v / fold, v * fold].

    Parameters
    ----------
    model
        The model.
    fold
        1 or more, dimensionless.
    of
        The quantities to vary, by name (``k1``, ``R1_k``, ``C``, ``init(S1)``, ``init([S1])``) or
        by pattern (``k*``, ``init(*)``: all with a positive value that match); by default every
        constant parameter with a positive value that acts on a kinetic law or a rate rule.
    initial
        Also vary the initial values of species that are not zero (``init(S)`` where the model gives
        an amount, ``init([S])`` where it gives a concentration).

    Returns
    -------
    Priors
        Name -> `LogUniform`; ``.left_out`` says why the others do not vary.

    Raises
    ------
    ValueError
        `fold` is below 1, or a quantity of `of` has no positive value.
    UnknownName
        A name of `of` is not in the model, or nothing matches a pattern.
    """
    if not is_number(fold) or fold < 1:
        raise ValueError(f"fold must be a finite number of 1 or more, got {fold!r}.")
    values = InitialValues(model)
    if of is not None:
        return _asked(model, values, fold, [of] if isinstance(of, str) else list(of))
    priors: dict[str, Prior] = {}
    left_out: dict[str, str] = {}
    roles = roles_of(model)
    for parameter in model.parameters:
        reason = why_not(model, parameter.id, parameter.value, roles.get(parameter.id, set()))
        if reason:
            left_out[parameter.id] = reason
        else:
            priors[parameter.id] = _about(parameter.value, fold, parameter.id)
    left_out |= {c.id: "a compartment" for c in model.compartments}
    for species in model.species if initial else ():
        name = f"init({species.id})" if species.initial_is == "amount" else f"init([{species.id}])"
        if determined_by(model, species.id):
            left_out[name] = determined_by(model, species.id)
        elif species.initial is None or species.initial <= 0:
            left_out[name] = "its initial value is not positive"
        else:
            priors[name] = _about(species.initial, fold, name)
    return Priors(priors, left_out)


def _asked(model: Model, values: InitialValues, fold: float, asked: list[str]) -> Priors:
    priors: dict[str, Prior] = {}
    left_out: dict[str, str] = {}
    for name in asked:
        if not is_pattern(name):
            priors[name] = _about(own_value(model, values, name), fold, name)
            continue
        matching, reasons = expanded(model, name)
        left_out |= reasons
        for found in matching:
            value = own_value(model, values, found)
            if value > 0:
                priors[found] = _about(value, fold, found)
            else:
                left_out[found] = f"its value {value:g} is not positive"
    return Priors(priors, {name: reason for name, reason in left_out.items() if name not in priors})


def _about(value: float, fold: float, name: str) -> LogUniform:
    if not value > 0:
        raise ValueError(
            f"{name} is {value!r}; only a positive quantity varies by a factor. Give it a prior of its own."
        )
    return LogUniform(value / fold, value * fold)
