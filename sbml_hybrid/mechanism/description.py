"""A model's tables, for a terminal and for Jupyter."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from sbml_hybrid.mechanism.kinetics import to_text
from sbml_hybrid.mechanism.model import Model

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
_MOST_FINDINGS = 50


class Description:
    """What a model holds: ``str()`` for a terminal, `to_html` for a page, drawn by itself in Jupyter.

    Parameters
    ----------
    model
        The model.
    check
        Whether to add what libSBML warns of, at most 50 findings.
    """

    def __init__(self, model: Model, check: bool = False) -> None:
        self.title = f"{model.name or model.id} ({model.source})"
        self.counts = _counts(model)
        self.obstacles = _stuck(model)
        self.tables = [table for table in _tables(model) if table[2]]
        if check:
            self.tables.append(_warnings(model))

    def __str__(self) -> str:
        said = [self.title, self.counts, *([self.obstacles] if self.obstacles else [])]
        return "\n".join([*said, *(_plain(*table) for table in self.tables)])

    __repr__ = __str__

    def to_html(self) -> str:
        """Return the tables as HTML; every text of the model is escaped."""
        body = "".join(_html(*table) for table in self.tables)
        head = "".join(f"<p>{escape(text)}</p>" for text in (self.counts, self.obstacles) if text)
        return f'<div class="sbml-hybrid-model"><h3>{escape(self.title)}</h3>{head}{body}</div>'

    _repr_html_ = to_html


def _counts(model: Model) -> str:
    parts = {
        "species": model.species,
        "reactions": model.reactions,
        "parameters": model.parameters,
        "compartments": model.compartments,
        "rules": model.rules,
        "initial assignments": model.initial_assignments,
        "events": model.events,
        "functions": model.functions,
    }
    said = [f"{len(items)} {word}" for word, items in parts.items() if items]
    return ", ".join(said) + (f"; time in {model.time_unit}" if model.time_unit else "")


def _stuck(model: Model) -> str:
    """Why the model cannot be simulated, in a line; empty where it can."""
    if not model.obstacles:
        return ""
    more = len(model.obstacles) - 1
    rest = f" (and {more} more in model.obstacles)" if more else ""
    return f"Cannot be simulated: {model.obstacles[0].text}{rest}"


def _tables(model: Model) -> Iterable[Table]:
    yield (
        "Reactions",
        ("id", "reaction", "kinetic law", "unit"),
        [(r.id, r.equation, r.law.text if r.law else "", str(r.unit)) for r in model.reactions],
    )
    kinds = {True: "boundary", False: ""}
    yield (
        "Species",
        ("id", "name", "compartment", "initially", "unit", ""),
        [
            (s.id, s.name, s.compartment, _initially(s, model), str(model.unit(s.id)), kinds[s.boundary])
            for s in model.species
        ],
    )
    yield (
        "Parameters",
        ("id", "name", "value", "unit", "determined by"),
        [(p.id, p.name, _number(p.value), str(p.unit), _origin(p.id, model)) for p in model.parameters],
    )
    yield (
        "Compartments",
        ("id", "name", "size", "unit", "determined by"),
        [(c.id, c.name, _number(c.size), str(c.unit), _origin(c.id, model)) for c in model.compartments],
    )
    yield (
        "Rules",
        ("target", "kind", "formula"),
        [(_primed(r.target, r.kind), r.kind, to_text(r.formula)) for r in model.rules],
    )
    yield (
        "Initial assignments",
        ("target", "formula"),
        [(a.target, to_text(a.formula)) for a in model.initial_assignments],
    )
    yield ("Events", ("id", "when", "delay", "then"), [_event_row(e) for e in model.events])
    yield (
        "Functions",
        ("function", "formula"),
        [(f"{f.id}({', '.join(f.arguments)})", to_text(f.body)) for f in model.functions],
    )
    yield ("Units", ("id", "meaning"), [(u.id, u.meaning) for u in model.units])


def _warnings(model: Model) -> Table:
    from sbml_hybrid.mechanism.consistency import findings

    found = findings(model.to_sbml())
    rows = [(str(f.line), f.severity, f.category, f.message) for f in found[:_MOST_FINDINGS]]
    if len(found) > _MOST_FINDINGS:
        rows.append(("", "", "", f"and {len(found) - _MOST_FINDINGS} more"))
    rows = rows or [("", "", "", "none: libSBML finds nothing to warn of")]
    return "Warnings (line: of the text that to_sbml() gives)", ("line", "severity", "category", "message"), rows


def _event_row(event) -> tuple[str, ...]:
    then = "; ".join(f"{target} = {to_text(formula)}" for target, formula in event.assignments)
    return event.id, to_text(event.trigger) if event.trigger else "", to_text(event.delay) if event.delay else "", then


def _initially(species, model: Model) -> str:
    unit = species.unit if species.initial_is == "amount" else species.concentration_unit
    return (
        _origin(species.id, model)
        or f"{_number(species.initial)} {unit}".removesuffix(" dimensionless").rstrip() + f" ({species.initial_is})"
    )


def _origin(id: str, model: Model) -> str:
    if id in model.assignment_rules:
        return "assignment rule"
    said = ["initial assignment"] * (id in model.starts) + ["rate rule"] * (id in model.rate_rules)
    return ", ".join(said)


def _primed(target: str, kind: str) -> str:
    return f"{target}'" if kind == "rate" else target or "0"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _plain(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]
    return "\n".join(["", title, *(f"  {line}".rstrip() for line in lines)])


def _html(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<h4>{escape(title)}</h4><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
