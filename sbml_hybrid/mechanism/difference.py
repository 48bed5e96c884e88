"""What two models say differently, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from sbml_hybrid.mechanism import model as records
from sbml_hybrid.mechanism.kinetics import Apply, Call, Number, Tree, to_text
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.units import Unit

# Aspect that holds or does not -> how it is said when it comes and when it goes.
_CHANGES = {
    "boundary": ("became a boundary species", "is no longer a boundary species"),
    "constant": ("became constant", "is no longer constant"),
    "amount in formulas": ("became an amount in formulas", "became a concentration in formulas"),
    "reversible": ("became reversible", "is no longer reversible"),
    "fast": ("became fast", "is no longer fast"),
    "persistent": ("became persistent", "is no longer persistent"),
    "true before the start": ("became true before the start", "is no longer true before the start"),
    "values from trigger time": ("takes its values at the trigger", "takes its values when it is executed"),
}
NAN = Call("nan", ())  # what `normal` makes of it: NaN is not equal to itself
_DEFINITIONS = ("unit", "function", "assignment rule", "rate rule", "algebraic rule", "initial assignment")


@dataclass(frozen=True)
class Difference:
    """One difference between two models.

    Parameters
    ----------
    what
        What differs: ``"value"``, ``"law"``, ``"boundary"``, ...; or the kind of part that only one
        of the models has: ``"reaction"``, ``"species"``, ``"rate rule"``, ...
    id
        The id of the part, or the target of the rule; empty for the model itself.
    before, after
        What the models say: a number, a truth value, or text such as a formula; None where a model
        says nothing.
    text
        The difference in words.
    """

    what: str
    id: str
    before: Any
    after: Any
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Differences:
    """What `diff` found: its length is the number of differences, and none is false.

    Parameters
    ----------
    differences
        One record for each difference.
    first, second
        What the two models are called.
    """

    differences: tuple[Difference, ...]
    first: str
    second: str

    def __len__(self) -> int:
        return len(self.differences)

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __str__(self) -> str:
        return "\n".join(d.text for d in self.differences) or "no differences"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(d.text)}</li>" for d in self.differences)
        title = f"<p>{escape(self.first)} &rarr; {escape(self.second)}</p>"
        return f"{title}<ul>{items}</ul>" if items else f"{title}<p>no differences</p>"


def diff(a: Model, b: Model) -> Differences:
    """Compare two models, part by part and by id.

    Formulas are compared as trees, without writing functions out; spaces, brackets that change
    nothing, the order of parts and where a number is written as ``1e1`` do not count. A part with
    another id is one that went and one that came.

    Parameters
    ----------
    a, b
        The models, from `load` or an edit.

    Returns
    -------
    Differences
        Printed in plain words, true when there is a difference, ``len()`` of them, with a
        ``differences`` tuple of records.

    Examples
    --------
    >>> from sbml_hybrid.mechanism.reader import load
    >>> before = load("S -> P; k*S; S = 10; P = 0; k = 0.3")
    >>> diff(before, before.set({"k": 0.5}).make_boundary("P"))
    P became a boundary species
    k: 0.3 -> 0.5
    """
    first, second = (a.source, b.source) if a.source != b.source else ("the first model", "the second model")
    mine, other = _parts(a), _parts(b)
    found: list[Difference] = []
    for kind, id in (*mine, *(key for key in other if key not in mine)):
        before, after = mine.get((kind, id)), other.get((kind, id))
        if before is None or after is None:
            found.append(_alone(kind, id, before, after, first if after is None else second))
        else:
            found.extend(_aspects(kind, id, before, after))
    return Differences(tuple(found), first, second)


# -- one difference in words -----------------------------------------------------------------------


class _Aspect(NamedTuple):
    """What is compared, and what is shown."""

    key: Any
    shown: Any


class _Part(NamedTuple):
    """A part's short description and its aspects by name."""

    text: str
    aspects: dict[str, _Aspect]


def _alone(kind: str, id: str, before: _Part | None, after: _Part | None, where: str) -> Difference:
    part = before or after
    texts = [None if p is None else p.text or id for p in (before, after)]
    name = " ".join(word for word in (kind, id) if word)
    described = f" ({part.text})" if part.text else ""
    return Difference(kind, id, *texts, f"{name}{described} is only in {where}")


def _aspects(kind: str, id: str, before: _Part, after: _Part) -> Iterator[Difference]:
    nothing = _Aspect(None, None)
    for what in dict.fromkeys([*before.aspects, *after.aspects]):
        one, two = before.aspects.get(what, nothing), after.aspects.get(what, nothing)
        if one.key != two.key:
            yield Difference(what, id, one.shown, two.shown, _words(kind, what, id, one.shown, two.shown))


def _words(kind: str, what: str, id: str, before: Any, after: Any) -> str:
    if what in _CHANGES:
        return f"{id} {_CHANGES[what][not after]}"
    change = f"{_said(before)} -> {_said(after)}"
    if what == "value":
        return f"{id}: {change}"
    if kind in _DEFINITIONS:
        return f"{kind} {id}: {change}" if kind in ("unit", "function") else f"{kind} for {id}: {change}"
    return f"{what} of {id}: {change}" if id else f"{what}: {change}"


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}" if float(f"{value:.12g}") == value else repr(value)
    return "nothing" if value in (None, "") else str(value)


# -- a model's parts -------------------------------------------------------------------------------


def _parts(model: Model) -> dict[tuple[str, str], _Part]:
    """(kind, id) -> the part, in the model's order."""
    units = {"time unit": _plain(model.time_unit), "substance unit": _plain(model.substance_unit)}
    parts = {("model", ""): _Part("", units)}
    parts |= {("unit", u.id): _Part(u.meaning, {"unit": _unit(u)}) for u in model.units}
    parts |= {("function", f.id): _function(f) for f in model.functions}
    parts |= {("compartment", c.id): _compartment(c) for c in model.compartments}
    parts |= {("species", s.id): _species(s) for s in model.species}
    parts |= {("parameter", p.id): _parameter(p) for p in model.parameters}
    parts |= {("reaction", r.id): _reaction(r) for r in model.reactions}
    for rule in model.rules:
        target = rule.target or f"0 = {to_text(rule.formula)}"
        parts[f"{rule.kind} rule", target] = _defined(rule.formula)
    parts |= {("initial assignment", a.target): _defined(a.formula) for a in model.initial_assignments}
    for number, event in enumerate(model.events, 1):
        parts["event", event.id or f"number {number}"] = _event(event)
    return parts


def _plain(value: Any) -> _Aspect:
    """A value that is compared as it is; NaN equals NaN."""
    return _Aspect("nan" if value != value else value, value)


def _unit(unit: Unit) -> _Aspect:
    """What the unit means, whatever the model calls it."""
    return _Aspect((unit.si, unit.dimension), str(unit)) if unit else _Aspect(None, None)


def _formula(tree: Tree | None) -> _Aspect:
    return _Aspect(None, None) if tree is None else _Aspect(normal(tree), to_text(tree))


def _defined(tree: Tree) -> _Part:
    return _Part(to_text(tree), {"formula": _formula(tree)})


def _function(f: records.Function) -> _Part:
    text = f"({', '.join(f.arguments)}) = {to_text(f.body)}"
    return _Part(f"{f.id}{text}", {"function": _Aspect((f.arguments, normal(f.body)), text)})


def _compartment(c: records.Compartment) -> _Part:
    values = {"size": c.size, "dimensions": c.dimensions, "constant": c.constant, "name": c.name}
    return _Part("", {what: _plain(value) for what, value in values.items()} | {"unit": _unit(c.unit)})


def _species(s: records.Species) -> _Part:
    values = {
        "compartment": s.compartment,
        f"initial {s.initial_is}": s.initial,
        "conversion factor": s.conversion_factor,
        "amount in formulas": s.amount_in_formulas,
        "boundary": s.boundary,
        "constant": s.constant,
        "name": s.name,
    }
    return _Part("", {what: _plain(value) for what, value in values.items()} | {"unit": _unit(s.unit)})


def _parameter(p: records.Parameter) -> _Part:
    values = {"value": p.value, "constant": p.constant, "name": p.name}
    return _Part(_said(p.value), {what: _plain(value) for what, value in values.items()} | {"unit": _unit(p.unit)})


def _reaction(r: records.Reaction) -> _Part:
    sides = tuple(
        tuple(sorted((p.species, p.id, str(p.stoichiometry)) for p in side)) for side in (r.reactants, r.products)
    )
    aspects = {
        "equation": _Aspect(sides, r.equation),
        "law": _formula(r.law.formula if r.law else None),
        "modifiers": _Aspect(frozenset(r.modifiers), ", ".join(sorted(r.modifiers))),
    }
    values = {"reversible": r.reversible, "fast": r.fast, "name": r.name}
    counts = {
        f"stoichiometry of {p.species}": _formula(p.formula)
        for p in (*r.reactants, *r.products)
        if p.formula is not None
    }
    return _Part(r.equation, aspects | counts | {what: _plain(value) for what, value in values.items()})


def _event(e: records.Event) -> _Part:
    aspects = {what: _formula(getattr(e, what)) for what in ("trigger", "delay", "priority")}
    aspects |= {f"assignment to {target}": _formula(tree) for target, tree in e.assignments}
    values = {
        "persistent": e.persistent,
        "true before the start": e.initial_value,
        "values from trigger time": e.from_trigger,
        "name": e.name,
    }
    text = f"at {to_text(e.trigger)}" if e.trigger is not None else ""
    return _Part(text, aspects | {what: _plain(value) for what, value in values.items()})


def normal(tree: Tree) -> Tree:
    """Return `tree` with what is only another way of writing made one: ``-1``, and numbers that are NaN."""
    match tree:
        case Number(value=value) if value != value:
            return NAN
        case Call(operator="minus", arguments=(Number(value=value),)):
            return Number(-value)
        case Call(operator=operator, arguments=arguments):
            return Call(operator, tuple(normal(a) for a in arguments))
        case Apply(function=function, arguments=arguments):
            return Apply(function, tuple(normal(a) for a in arguments))
    return tree
