"""What varies, and by how much: priors on a model's quantities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.mechanism.initial import InitialValues, determined_by
from sbml_hybrid.mechanism.kinetics import Call, Name, Tree
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.operators import LOGICAL, RELATIONS
from sbml_hybrid.mechanism.quantities import quantity_id

Array = np.ndarray


class Prior(Protocol):
    """A law for one quantity, in the quantity's own unit."""

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`, any shape, in (0, 1)."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Always the same value."""

    value: float

    def __post_init__(self) -> None:
        _require_finite(self)

    def quantile(self, u: Array) -> Array:
        """Return `value` in the shape of `u`."""
        return np.full(np.shape(u), float(self.value))


@dataclass(frozen=True)
class Uniform:
    """Equally likely everywhere between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_ordered(self)

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.low + np.asarray(u) * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """The logarithm is equally likely everywhere between `low` and `high`, both positive."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_positive(self, "low")
        _require_ordered(self)

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        span = math.log(self.high / self.low)
        return np.clip(self.low * np.exp(np.asarray(u) * span), self.low, self.high)


@dataclass(frozen=True)
class LogNormal:
    """The logarithm is normal.

    Parameters
    ----------
    median
        The median, positive, in the quantity's unit.
    fold
        ``exp`` of the standard deviation of the logarithm, 1 or more: two thirds of the values lie
        within ``median / fold`` and ``median * fold``.
    """

    median: float
    fold: float

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_positive(self, "median")
        if self.fold < 1:
            raise ValueError(f"fold must be 1 or more, got {self.fold!r}.")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.median * np.exp(math.log(self.fold) * _normal_quantile(u))


@dataclass(frozen=True)
class Normal:
    """Normal, with its mean and standard deviation in the quantity's unit."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _require_finite(self)
        if self.sd < 0:
            raise ValueError(f"sd must be zero or more, got {self.sd!r}.")

    def quantile(self, u: Array) -> Array:
        """Return the values at the probabilities `u`."""
        return self.mean + self.sd * _normal_quantile(u)


KINDS = {kind.__name__: kind for kind in (Fixed, Uniform, LogUniform, LogNormal, Normal)}


def to_dict(prior: Any) -> dict[str, Any]:
    """Return a prior as plain values: its kind and its numbers."""
    return {"kind": type(prior).__name__, **asdict(prior)}


def prior_from_dict(said: Mapping[str, Any]) -> Prior:
    """Return the prior that `to_dict` described."""
    numbers = {name: value for name, value in said.items() if name != "kind"}
    if said.get("kind") not in KINDS:
        raise unknown_name("prior", str(said.get("kind")), KINDS, "sh.priors")
    return KINDS[said["kind"]](**numbers)


def _normal_quantile(u: Array) -> Array:
    from scipy.special import ndtri

    return ndtri(u)


def _require_finite(prior: Any) -> None:
    for name, value in asdict(prior).items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}.")


def _require_positive(prior: Any, name: str) -> None:
    if getattr(prior, name) <= 0:
        raise ValueError(f"{name} must be positive, got {getattr(prior, name)!r}.")


def _require_ordered(prior: Any) -> None:
    if prior.low > prior.high:
        raise ValueError(f"low must not be above high, got low={prior.low!r}, high={prior.high!r}.")


# -- around a model --------------------------------------------------------------------------------


class Priors(Mapping[str, Prior]):
    """Name of a quantity -> its prior; `left_out` has the reason for each that does not vary."""

    def __init__(self, priors: Mapping[str, Prior], left_out: Mapping[str, str]) -> None:
        self._priors = dict(priors)
        self.left_out = dict(left_out)

    def __getitem__(self, name: str) -> Prior:
        return self._priors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._priors)

    def __len__(self) -> int:
        return len(self._priors)

    def __repr__(self) -> str:
        varied = [f"  {name}: {prior}" for name, prior in self.items()]
        left = [f"  {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join([f"{len(varied)} quantities vary", *varied, f"{len(left)} are left out", *left])


def around(model: Model, fold: float, of: Iterable[str] | None = None, initial: bool = False) -> Priors:
    """Vary a model's kinetic parameters around their values, log-uniformly in [v / fold, v * fold].

    Parameters
    ----------
    model
        The model.
    fold
        1 or more, dimensionless.
    of
        The quantities to vary, by name (``k1``, ``R1_k``, ``C``, ``init(S1)``, ``init([S1])``); by
        default every constant parameter with a positive value that acts on a kinetic law or a rate
        rule.
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
        A name of `of` is not in the model.
    """
    if not fold >= 1 or math.isinf(fold):
        raise ValueError(f"fold must be a finite number of 1 or more, got {fold!r}.")
    values = InitialValues(model)
    if of is not None:
        chosen = [of] if isinstance(of, str) else list(of)
        return Priors({name: _about(_start(model, values, name), fold, name) for name in chosen}, {})
    priors: dict[str, Prior] = {}
    left_out: dict[str, str] = {}
    roles = _roles(model)
    for parameter in model.parameters:
        reason = _why_not(model, parameter.id, parameter.value, roles.get(parameter.id, set()))
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


def _about(value: float, fold: float, name: str) -> LogUniform:
    if not value > 0:
        raise ValueError(
            f"{name} is {value!r}; only a positive quantity varies by a factor. Give it a prior of its own."
        )
    return LogUniform(value / fold, value * fold)


def _start(model: Model, values: InitialValues, name: str) -> float:
    id = quantity_id(name)
    model.part(id)
    if name.startswith("init(["):
        return float(values.concentration(id))
    if name.startswith("init(") and id in {s.id for s in model.species}:
        return float(values.amount(id))
    return float(values[id])


def _why_not(model: Model, id: str, value: float | None, roles: set[str]) -> str | None:
    """Why a parameter does not vary by default; None when it does."""
    if determined_by(model, id):
        return determined_by(model, id)
    if id in model.rate_rules:
        return "a rate rule changes it"
    if id in model.event_targets:
        return "an event changes it"
    if value is None or not value > 0:
        return "it has no value" if value is None else f"its value {value:g} is not positive"
    if "exponent" in roles:
        return "an exponent"
    if "rate" not in roles:
        return "only in triggers or conditions" if roles else "acts on no kinetic law or rate rule"
    return None


def _roles(model: Model) -> dict[str, set[str]]:
    """Id -> its roles ("rate", "exponent", "condition") in the formulas that act on the rates."""
    roles: dict[str, set[str]] = {}
    laws = [model.written_out(r.law.formula) for r in model.reactions if r.law is not None]
    todo: list[tuple[Tree, str]] = [(tree, "rate") for tree in (*laws, *model.rate_rules.values())]
    todo += [(model.written_out(e.trigger), "condition") for e in model.events if e.trigger is not None]
    seen: set[tuple[str, str]] = set()
    while todo:
        tree, role = todo.pop()
        for id, own in _occurrences(tree, role):
            roles.setdefault(id, set()).add(own)
            if id in model.assignment_rules and (id, own) not in seen:
                seen.add((id, own))
                todo.append((model.assignment_rules[id], own))
    return roles


def _occurrences(tree: Tree, role: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Name):
        yield tree.id, role
    elif isinstance(tree, Call):
        for i, argument in enumerate(tree.arguments):
            yield from _occurrences(argument, _role_of(tree, i, role))


def _role_of(call: Call, position: int, role: str) -> str:
    if call.operator in RELATIONS or call.operator in LOGICAL:
        return "condition"
    if (call.operator, position) in {("power", 1), ("root", 0)}:
        return "exponent"
    return role
