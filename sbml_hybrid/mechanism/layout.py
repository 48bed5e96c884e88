"""Where a model's own drawing puts its species, reactions and compartments (SBML's layout package)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from sbml_hybrid.mechanism.model import Model

# The package of level 3, and the annotation that levels 1 and 2 use; both name their elements alike.
_NAMESPACES = (
    "http://www.sbml.org/sbml/level3/version1/layout/version1",
    "http://projects.eml.org/bcb/sbml/level2",
)
_FARTHEST, _MOST_GLYPHS = 1e5, 50_000


@dataclass(frozen=True)
class Box:
    """A rectangle in points: its left and upper edge (y grows downwards), width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Glyph:
    """The drawing `id` of a species or compartment, which is called `of` in the model."""

    id: str
    of: str
    box: Box


@dataclass(frozen=True)
class ReactionGlyph:
    """The drawing of a reaction: its place (x, y), None where only its participants have one.

    `participants` holds the ids of the species glyphs that it is drawn to.
    """

    id: str
    of: str
    place: tuple[float, float] | None
    participants: tuple[str, ...]


@dataclass(frozen=True)
class TextGlyph:
    """A text: of the glyph `beside`, or free; `text` is empty where it is the name of the model's part `of`."""

    text: str
    of: str
    beside: str
    box: Box


@dataclass(frozen=True)
class Layout:
    """One drawing of a model; a species may be drawn several times."""

    id: str
    compartments: tuple[Glyph, ...]
    species: tuple[Glyph, ...]
    reactions: tuple[ReactionGlyph, ...]
    texts: tuple[TextGlyph, ...]


def layout(model: Model) -> Layout | None:
    """Return the drawing that a model brings along, None if it has none.

    SBML level 3 has a package for it, levels 1 and 2 an annotation, and some files mix the two: all are
    read. Of several drawings the one with most of the model's species is taken. What a file says that
    cannot be drawn (coordinates that are not numbers or absurdly large, glyphs of what the model
    does not have) is passed over.

    Parameters
    ----------
    model
        A model, as `load` gives it.

    Returns
    -------
    Layout or None
        Places and sizes in points.
    """
    if "listOfLayouts" not in model.sbml:
        return None
    # Read from the XML, for libSBML passes over the level 3 elements in the level 2 files of BioModels. `load` has
    # refused DTDs and deep nesting.
    found = [_layout(one, model) for one in _all(ElementTree.fromstring(model.sbml), "layout")]
    found = [one for one in found if one.species]
    return max(found, key=lambda one: len({g.of for g in one.species}), default=None)


def _layout(element: ElementTree.Element, model: Model) -> Layout:
    species = {s.id for s in model.species}
    reactions = {r.id for r in model.reactions}
    compartments = {c.id for c in model.compartments}
    return Layout(
        id=_attribute(element, "id"),
        compartments=_glyphs(element, "compartment", compartments.__contains__),
        species=_glyphs(element, "species", species.__contains__),
        reactions=tuple(
            ReactionGlyph(
                _attribute(glyph, "id"),
                _attribute(glyph, "reaction"),
                _middle(glyph),
                tuple(_attribute(p, "speciesGlyph") for p in _all(glyph, "speciesReferenceGlyph")),
            )
            for glyph in _bounded(element, "reactionGlyph")
            if _attribute(glyph, "reaction") in reactions
        ),
        texts=tuple(
            TextGlyph(
                _attribute(glyph, "text"), _attribute(glyph, "originOfText"), _attribute(glyph, "graphicalObject"), box
            )
            for glyph in _bounded(element, "textGlyph")
            if (box := _box(glyph)) is not None
        ),
    )


def _glyphs(element: ElementTree.Element, kind: str, known: Callable[[str], bool]) -> tuple[Glyph, ...]:
    return tuple(
        Glyph(_attribute(glyph, "id"), _attribute(glyph, kind), box)
        for glyph in _bounded(element, f"{kind}Glyph")
        if known(_attribute(glyph, kind)) and (box := _box(glyph)) is not None and box.width > 0 and box.height > 0
    )


def _middle(glyph: ElementTree.Element) -> tuple[float, float] | None:
    """The middle of the reaction's curve, or of its box; None where neither was set (both at 0, 0)."""
    for curve in _children(glyph, "curve"):
        segments = list(_all(curve, "curveSegment"))
        ends = [_point(p) for s in segments for kind in ("start", "end") for p in _children(s, kind)]
        known = [p for p in ends if p is not None]
        if known and len(known) == len(ends):
            return sum(x for x, _ in known) / len(known), sum(y for _, y in known) / len(known)
    box = _box(glyph)
    return box.centre if box is not None and box != Box(0.0, 0.0, 0.0, 0.0) else None


def _box(glyph: ElementTree.Element) -> Box | None:
    for box in _children(glyph, "boundingBox"):
        corners = [_point(p) for p in _children(box, "position")]
        sizes = [(_number(d, "width"), _number(d, "height")) for d in _children(box, "dimensions")]
        if len(corners) == len(sizes) == 1 and corners[0] is not None:
            width, height = sizes[0]
            if width is not None and height is not None and width >= 0 and height >= 0:
                return Box(*corners[0], width, height)
    return None


def _point(element: ElementTree.Element) -> tuple[float, float] | None:
    x, y = _number(element, "x"), _number(element, "y")
    return None if x is None or y is None else (x, y)


def _number(element: ElementTree.Element, name: str) -> float | None:
    try:
        value = float(_attribute(element, name))
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _FARTHEST else None


def _attribute(element: ElementTree.Element, name: str) -> str:
    """An attribute, which writers put into the namespace or not."""
    for key in (name, *(f"{{{space}}}{name}" for space in _NAMESPACES)):
        if key in element.attrib:
            return element.attrib[key]
    return ""


def _tags(name: str) -> frozenset[str]:
    return frozenset(f"{{{space}}}{name}" for space in _NAMESPACES)


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    tags = _tags(name)
    return (one for one in element.iter() if one.tag in tags)


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    tags = _tags(name)
    return (one for one in element if one.tag in tags)


def _bounded(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return list(_all(element, name))[:_MOST_GLYPHS]
