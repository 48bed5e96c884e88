"""A look at XML before libSBML sees it: what would crash or flood the parser is refused."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from sbml_hybrid.errors import ModelError

# libSBML crashes at 10 000 nested elements, and takes time that is quadratic in the terms of a sum.
MAX_DEPTH, MAX_ELEMENTS, MAX_BYTES, MAX_TERMS = 400, 5_000_000, 100_000_000, 5_000


def scan(sbml: str, source: str) -> None:
    """Refuse what would crash or flood the parser: depth, number of elements, DTDs, entities and endless sums."""
    depth = elements = 0
    applied: list[int] = []  # how many children each open <apply> has

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if applied:
            applied[-1] += 1
            if applied[-1] > MAX_TERMS:
                raise ModelError(f"{source} has a formula with over {MAX_TERMS} terms in a row; it is not read.")
        if name == "apply" or name.endswith(":apply"):
            applied.append(0)
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            what = f"{MAX_DEPTH} nested elements" if depth > MAX_DEPTH else f"{MAX_ELEMENTS} elements"
            raise ModelError(f"{source} has over {what}; it is not read.")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if name == "apply" or name.endswith(":apply"):
            applied.pop()

    def doctype(*_: Any) -> None:
        raise ModelError(f"{source} has a DTD (<!DOCTYPE>); SBML files have none, and it is not read.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(sbml.encode(), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ModelError(f"{source} is broken XML: line {error.lineno}, column {error.offset}: {reason}.") from None
