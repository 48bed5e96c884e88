"""Priors for many quantities of a model at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.errors import DataError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.quantities import check_names, quantity_id
from sbml_hybrid.simulation.priors.changed import Relative, Truncated
from sbml_hybrid.simulation.priors.joint import Joint
from sbml_hybrid.simulation.priors.laws import SMALLEST, Prior, names_of
from sbml_hybrid.simulation.priors.quantities import expanded, is_pattern, never_negative, own_value
from sbml_hybrid.simulation.priors.table import Table


class Priors(Mapping[str, Prior]):
    """Name of a quantity -> its prior; a `Joint` or a `Table` stands under its label.

    `left_out` has the reason for each quantity that does not vary; `cut` names those whose law was cut at 0,
    because they cannot be negative.
    """

    def __init__(self, priors: Mapping[str, Prior], left_out: Mapping[str, str], cut: tuple[str, ...] = ()) -> None:
        self._priors = dict(priors)
        self.left_out = dict(left_out)
        self.cut = tuple(cut)

    def __getitem__(self, name: str) -> Prior:
        return self._priors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._priors)

    def __len__(self) -> int:
        return len(self._priors)

    def __repr__(self) -> str:
        count = sum(len(names_of(name, prior)) for name, prior in self.items())
        lines = [f"{count} quantities vary", *(f"  {name}: {prior}" for name, prior in self.items())]
        if self.cut:
            lines.append(f"cut at 0, as they cannot be negative: {', '.join(self.cut)}")
        lines.append(f"{len(self.left_out)} are left out")
        return "\n".join([*lines, *(f"  {name}: {reason}" for name, reason in self.left_out.items())])


def of(model: Model, laws: Mapping[str, Prior | Relative | Joint | Table]) -> Priors:
    """Give a model's quantities their priors, one by one and by pattern.

    Parameters
    ----------
    model
        The model.
    laws
        What varies -> its law. A key is the name of a quantity (``k1``, ``R1_k``, ``C``, ``init(S1)``,
        ``init([S1])``), a pattern that stands for all that match and can vary (``k*``, ``init(*)``, ``*``; ``?`` is
        one character, brackets mean themselves), or any label for a `Joint` or a `Table`. Later entries win over
        earlier ones; a pattern leaves alone what a `Joint` or a `Table` draws. With `Relative`, a law is meant
        relative to the model's own value.

    Returns
    -------
    Priors
        Name -> law, or label -> `Joint` or `Table`. A law with values below zero, such as a `Normal`, is cut at 0 for
        what cannot be negative: initial amounts and concentrations, compartments, and the constants that `around`
        varies; a formula of a `Joint` that gives such a quantity a negative value is refused when it is drawn.
        ``.left_out`` says why something that matches a pattern does not vary.

    Raises
    ------
    UnknownName
        A name is not in the model, or nothing matches a pattern; the message has the closest names.
    ValueError
        A quantity that a rule or an initial assignment determines; one that two laws draw; nothing that matches a
        pattern can vary.

    Examples
    --------
    >>> import sbml_hybrid as sh
    >>> model = sh.load("A -> B; k1*A; B -> ; k2*B; A = 10; k1 = 0.3; k2 = 2")
    >>> sh.priors.of(model, {"k*": sh.priors.Relative(sh.priors.LogNormal(1, fold=1.5)), "k2": sh.priors.Normal(2, 1)})
    2 quantities vary
      k1: LogNormal(median=0.3, fold=1.5)
      k2: Truncated(prior=Normal(mean=2, sd=1), low=0.0, high=None)
    cut at 0, as they cannot be negative: k2
    0 are left out
    """
    collected = _Collected(model)
    for key, law in laws.items():
        if isinstance(law, type) or not hasattr(law, "quantile"):
            raise ValueError(f"{key!r} needs a law, such as sh.priors.Uniform(1, 2), got {law!r}.")
        if hasattr(law, "names"):
            collected.add_several(key, law)
        elif is_pattern(key):
            collected.add_matching(key, law)
        else:
            collected.add_one(key, law)
    return collected.priors()


class _Collected:
    """The priors so far, and who draws each quantity."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.found: dict[str, Any] = {}
        self.left_out: dict[str, str] = {}
        self.cut: set[str] = set()
        self.drawn_by: dict[str, str] = {}  # id -> the key in `found`
        self._values = InitialValues(model)

    @cached_property
    def _never_negative(self) -> frozenset[str]:
        return never_negative(self.model)

    def add_one(self, name: str, law: Any) -> None:
        check_names(self.model, [name])
        self._require_not_in_several(name, name)
        self._put(name, self._concrete(name, law))

    def add_matching(self, pattern: str, law: Any) -> None:
        matching, reasons = expanded(self.model, pattern)
        given = []
        for name in matching:
            label = self._drawn_with_others(name)
            if label is not None:
                reasons[name] = f"drawn by {label!r}"
            elif isinstance(law, Relative) and not own_value(self.model, self._values, name) > 0:
                reasons[name] = f"its value {own_value(self.model, self._values, name):g} is not positive"
            else:
                given.append(name)
                self._put(name, self._concrete(name, law))
        if not given:
            first, reason = next(iter(reasons.items()))
            raise ValueError(f"Nothing that matches {pattern!r} can vary; {first}: {reason}.")
        self.left_out |= reasons

    def add_several(self, label: str, law: Joint | Table) -> None:
        check_names(self.model, law.names)
        if quantity_id(label) in self.model.by_id and label not in law.names:
            raise ValueError(f"{label!r} is a quantity of {self.model.source}; give the law of several another label.")
        for name in law.names:
            self._require_not_in_several(name, label)
            self._forget(name)
        if isinstance(law, Joint):
            laws = {name: self._concrete(name, one) for name, one in law.laws.items()}
            positive = {*(law.not_negative or ()), *(self._never_negative & law.formulas.keys())}
            kept = tuple(name for name in law.formulas if name in positive)
            law = dataclasses.replace(law, laws=laws, not_negative=kept or None)
        elif isinstance(law, Table):
            for name, least in law.least().items():
                if least < 0 and name in self._never_negative:
                    raise DataError(f"{name} cannot be negative, but {label!r} has {least:g} for it.")
        self.found[label] = law
        self.drawn_by |= {quantity_id(name): label for name in law.names}

    def priors(self) -> Priors:
        drawn = [name for label, law in self.found.items() for name in names_of(label, law)]
        left_out = {name: reason for name, reason in self.left_out.items() if name not in drawn}
        return Priors(self.found, left_out, tuple(name for name in drawn if name in self.cut))

    def _put(self, name: str, law: Any) -> None:
        self._forget(name, unless=name)
        self.found[name] = law
        self.drawn_by[quantity_id(name)] = name

    def _forget(self, name: str, unless: str = "") -> None:
        """Take back an earlier law of the same quantity; under the same name, the new one takes its place."""
        earlier = self.drawn_by.pop(quantity_id(name), None)
        if earlier is not None and earlier != unless:
            del self.found[earlier]

    def _drawn_with_others(self, name: str) -> str | None:
        label = self.drawn_by.get(quantity_id(name))
        return label if label is not None and hasattr(self.found[label], "names") else None

    def _require_not_in_several(self, name: str, key: str) -> None:
        label = self._drawn_with_others(name)
        if label is not None:
            raise ValueError(f"{name!r} is drawn by {label!r} and by {key!r}; take it out of one of them.")

    def _concrete(self, name: str, law: Any) -> Any:
        """The law in the quantity's own unit, cut at 0 where the quantity cannot be negative."""
        if isinstance(law, Relative):
            value = own_value(self.model, self._values, name)
            if not value > 0:
                raise ValueError(f"{name} is {value!r}; only a positive quantity has a law relative to its value.")
            law = law.prior.scaled(value)
        self.cut.discard(name)
        if name in self._never_negative and float(law.quantile(np.float64(SMALLEST))) < 0:
            try:
                law = Truncated(law, low=0.0)
            except ValueError as error:
                raise ValueError(f"{name} cannot be negative. {error}") from error
            self.cut.add(name)
        return law
