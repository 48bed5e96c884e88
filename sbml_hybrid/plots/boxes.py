"""The boxes of a network: one for each species and reaction, and what is written in it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from sbml_hybrid.mechanism.kinetics import Number, names
from sbml_hybrid.mechanism.layout import Layout
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.wiring import Link, Wiring

FONT = 8.5  # of species, in points
SQUARE = 6.0  # of a reaction
_NAMED_REACTIONS = 30  # with more, their names are left out
_WRAP, _UNBROKEN, _LINES = 15, 24, 3  # letters in a line, in one word, lines in a name


@dataclass(frozen=True)
class Node:
    """A box of the picture, in points: what it shows, its middle, and its size; `marked` where a network acts on it."""

    key: str
    id: str
    kind: str
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    marked: bool = False

    @property
    def anchor(self) -> np.ndarray:
        """Where links end: the middle, or a reaction's square, which stands above its name."""
        return np.array([self.x, self.y - (self.height - SQUARE) / 2 if self.kind == "reaction" else self.y])


Ends = list[tuple[Link, str, str]]  # with the keys of the boxes at both ends


def boxes(
    model: Model, wired: Wiring, labels: str, currency: set[str], drawing: Layout | None
) -> tuple[dict[str, Node], Ends]:
    """Return the boxes, without places unless `drawing` has them, and which of them each link joins.

    Parameters
    ----------
    model, wired
        A model and its network.
    labels
        ``"id"`` or ``"name"``.
    currency
        Species that get a box at each of their reactions.
    drawing
        A layout of the file, whose boxes are used; it may draw a species several times.
    """
    named = len(wired.reactions) <= _NAMED_REACTIONS
    nodes = {id: _node(model, id, id, labels, named) for id in wired.reactions}
    glyphs: dict[str, list] = {}
    for glyph in drawing.species if drawing else ():
        glyphs.setdefault(glyph.of, []).append(glyph)
    keys_of: dict[str, list[str]] = {}
    for id in wired.quantities:
        if id in currency:
            continue
        shown = glyphs.get(id, [])
        keys_of[id] = [id, *(f"{id} ({glyph.id})" for glyph in shown[1:])]
        for key, glyph in itertools.zip_longest(keys_of[id], shown):
            nodes[key] = _node(model, key, id, labels, True)
            if glyph is not None:
                x, y = glyph.box.centre
                nodes[key] = replace(nodes[key], width=glyph.box.width, height=glyph.box.height, x=x, y=y)
    chosen = {r.of: set(r.participants) for r in drawing.reactions} if drawing else {}

    def box(id: str, link: Link) -> str:
        other = link.target if id == link.source else link.source
        if id in currency:
            key = f"{id} at {other}"
            if key not in nodes:
                nodes[key] = replace(_node(model, key, id, labels, True, small=True), kind="copy")
            return key
        keys = keys_of.get(id, [id])
        for key, glyph in zip(keys, glyphs.get(id, []), strict=False):
            if glyph.id in chosen.get(other, ()):
                return key
        return keys[0]

    ends = [(link, box(link.source, link), box(link.target, link)) for link in wired.links]
    for id in currency - {n.id for n in nodes.values()}:  # takes part in nothing
        nodes[id] = _node(model, id, id, labels, True)
    return nodes, ends


Grafts = Iterable[tuple[Iterable[str], Iterable[str]]]  # (ports, inputs) of each


def with_grafts(
    nodes: dict[str, Node], ends: Ends, model: Model, wired: Wiring, grafts: Grafts
) -> tuple[dict[str, Node], Ends]:
    """Return the boxes and links with a box for each graft (ports, inputs), and what it acts on marked.

    A port that has no box, such as a parameter, is written in the graft's box, and marks the reactions that depend on
    it; an input that has none is written there as well.
    """
    nodes, ends = dict(nodes), list(ends)
    key_of = {node.id: key for key, node in reversed(nodes.items())}
    laws = {r.id: r.law.formula for r in model.reactions if r.law is not None}
    for number, (ports, inputs) in enumerate(grafts):
        key = f"graft {number}"
        ports, inputs = list(ports), list(inputs)
        acted: dict[str, None] = {}
        said = [bare(port) for port in ports if bare(port) not in key_of]
        for port in ports:
            users = [id for id in wired.reactions if bare(port) in names(model.written_out(laws.get(id, Number(0.0))))]
            acted |= dict.fromkeys([bare(port)] if bare(port) in key_of else users)
        unseen = [name for name in inputs if bare(name) not in key_of and name != "self"]
        read = dict.fromkeys(bare(name) for name in inputs if bare(name) in key_of)
        lines = ("network", *_wrapped(", ".join(said) and f"sets {', '.join(said)}"))
        lines += _wrapped(", ".join(unseen) and f"reads {', '.join(unseen)}")
        lines = tuple(line for line in lines if line)
        wide, high = max(text_width(line, FONT) for line in lines), 1.2 * FONT * len(lines)
        nodes[key] = Node(key, key, "graft", lines, wide + 1.4 * FONT, high + 0.6 * FONT)
        for id in acted:
            nodes[key_of[id]] = replace(nodes[key_of[id]], marked=True)
            ends.append((Link(key, id, "graft"), key, key_of[id]))
        ends += [(Link(id, key, "graft"), key_of[id], key) for id in read]
    return nodes, ends


def bare(name: str) -> str:
    """Return the id in a port's or input's name: ``S`` for ``S'``, ``init(S)``, ``observable(S)``, ``theta:S``."""
    inside = re.fullmatch(r"(?:init|observable)\((.+)\)", name)
    return inside[1] if inside else name.removesuffix("'").removeprefix("theta:")


def _node(model: Model, key: str, id: str, labels: str, named: bool, small: bool = False) -> Node:
    part = model.by_id[id]
    kind = "reaction" if hasattr(part, "reactants") else "species"
    if id in model.rate_rules or id in model.assignment_rules:
        kind = "ruled"
    elif kind == "species" and (part.boundary or part.constant):
        kind = "boundary"
    lines = _wrapped(part.name.strip() or id if labels == "name" else id) if named else ()
    font = name_size(kind, small)
    wide, high = max((text_width(line, font) for line in lines), default=0.0), 1.2 * font * len(lines)
    if kind == "reaction":
        return Node(key, id, kind, lines, max(wide, SQUARE), SQUARE + high)
    return Node(key, id, kind, lines, wide + font, high + 0.6 * font)


def name_size(kind: str, small: bool = False) -> float:
    """Return the size of a name in points."""
    return FONT * (0.82 if kind in ("reaction", "copy") or small else 1.0)


def _wrapped(text: str) -> tuple[str, ...]:
    """Lines of about 15 letters, broken after a space, ``_`` or the like; at most three, the rest is an ellipsis."""
    pieces = re.findall(r".+?(?:[ _\-,:;/+]+|$)", " ".join(text.split()))
    pieces = [hump for p in pieces for hump in ([p] if len(p) <= _WRAP else re.split(r"(?<=[a-z])(?=[A-Z])", p))]
    pieces = [p[i : i + _UNBROKEN] for p in pieces for i in range(0, len(p), _UNBROKEN)]
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > _WRAP:
            lines.append("")
        lines[-1] += piece
    if len(lines) > 1 and len(lines[-1]) <= 2:
        lines[-2:] = [lines[-2] + lines[-1]]
    lines = [line.strip() for line in lines]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], lines[_LINES - 1][: _WRAP - 1] + "…"]
    return tuple(lines)


def text_width(text: str, font: float) -> float:
    """Return the width of a line of text of size `font`, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, FontProperties(size=font), ismath=False)[0]
