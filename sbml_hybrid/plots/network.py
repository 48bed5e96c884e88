"""The picture of a model: its species and reactions as a network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sbml_hybrid.errors import ModelError, unknown_name
from sbml_hybrid.mechanism.layout import Layout, TextGlyph, layout
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.wiring import wiring
from sbml_hybrid.plots import style
from sbml_hybrid.plots.arrows import Arrow, arrows, name_places
from sbml_hybrid.plots.boxes import FONT, SQUARE, Ends, Node, bare, boxes, name_size, text_width, with_grafts
from sbml_hybrid.plots.placement import complete, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALLEST = 3.6  # points; below it a name is left out rather than unreadable
_WIDEST, _TALLEST, _NARROWEST = 13.0, 13.0, 4.4  # inches
_LONGEST_NOTE = 200  # letters
_LINE, _ACTS, _RULE, _GRAFT = "#4D4D4D", style.COLOURS[7], "#B87A00", style.COLOURS[1]
_LOOKS = {  # face, edge, dashes
    "species": ("#DCEBF6", style.COLOURS[0], "-"),
    "boundary": ("white", style.COLOURS[0], (0, (3, 2))),
    "ruled": ("#FCEFD2", _RULE, "-"),
    "copy": ("#F0F0F0", style.PALE, "-"),
    "graft": ("#FBE4D5", _GRAFT, "-"),
}


def network(
    model: Model,
    labels: str = "id",
    currency: Iterable[str] = (),
    axes: Axes | None = None,
    grafts: Iterable[tuple[Iterable[str], Iterable[str]]] = (),
) -> style.Panels:
    """Draw the species and reactions of a model as a network.

    A reaction is a small square: lines come from its reactants, arrows lead to its products, and a reversible one has
    arrowheads on both sides. A dashed line with a round end comes from what else its rate depends on;
    whether that speeds the reaction up or slows it down is not said. What a rule or an event changes
    has such lines from all that it depends on, so a model of rate rules alone is drawn as well. Stoichiometries
    other than 1 stand on the lines. Several compartments are drawn as rectangles.

    If the SBML file brings a layout with at least half of the species, that is used. Otherwise the places
    are computed, the same ones each time.

    Parameters
    ----------
    model
        A model, as `load` gives it.
    labels
        What is written: ``"id"``, or ``"name"`` (the id where there is no name).
    currency
        Species that take part in much and explain little, such as ATP, ADP and water: they get a small grey copy beside
        each of their reactions, and the network comes apart into its pathways.
    axes
        Where to draw; a new figure by default, as large as the network needs. Names of reactions are left out
        when there are over 30; names that would be too small to read are left out, and a note says so.
    grafts
        For each network that computes something: what it acts on (``"R1"``, ``"k1"``, ``"S'"``, ``"init(S)"``,
        ``"observable(y)"``) and what it reads. It gets a box, with thin arrows from what it reads and to what it acts
        on, which is marked.

    Returns
    -------
    Panels
        The axes, (1,), in points with y downwards; `.save(path)` writes the figure.

    Raises
    ------
    ModelError
        The model has neither species nor rate rules.
    UnknownName
        `currency` names a species that the model does not have, or a graft acts on what is not there.
    """
    if labels not in ("id", "name"):
        raise ValueError(f"labels must be 'id' or 'name', got {labels!r}.")
    currency = [currency] if isinstance(currency, str) else list(currency)
    species = {s.id: s for s in model.species}
    for name in currency:
        if name not in species:
            raise unknown_name("species", name, species, model.source)
    wired = wiring(model)
    if not wired.quantities:
        raise ModelError(
            f"{model.source} has no species and no rate rule: there is no network to draw. Try: model.describe()."
        )
    drawing = layout(model)
    if drawing is not None and 2 * len({g.of for g in drawing.species} - set(currency)) < len(species):
        drawing = None
    nodes, ends = boxes(model, wired, labels, set(currency), drawing)
    grafts = [tuple([names] if isinstance(names, str) else list(names) for names in graft) for graft in grafts]
    for port in (port for ports, _ in grafts for port in ports):
        if bare(port) not in model.by_id and not port.startswith("observable("):
            raise unknown_name("port", port, model.by_id, model.source)
    nodes, ends = with_grafts(nodes, ends, model, wired, grafts)
    nodes = _placed(nodes, ends, drawing, _groups(model, nodes))
    two_way = frozenset(r.id for r in model.reactions if r.reversible)
    lines = arrows(nodes, ends, two_way)
    return _drawn(nodes, lines, _frames(model, nodes, drawing, labels), _notes(drawing), axes)


# -- where it is drawn -----------------------------------------------------------------------------


def _groups(model: Model, nodes: dict[str, Node]) -> dict[str, str]:
    """Box -> compartment, where species lie in several; a reaction is in the one that all its species are in."""
    inside = {s.id: s.compartment for s in model.species}
    if len({inside[n.id] for n in nodes.values() if n.id in inside}) < 2:
        return {}
    takes = {r.id: {inside[p.species] for p in (*r.reactants, *r.products)} for r in model.reactions}
    inside |= {id: found.pop() for id, found in takes.items() if len(found) == 1}
    return {key: inside[node.id] for key, node in nodes.items() if node.id in inside}


def _placed(nodes: dict[str, Node], ends: Ends, drawing: Layout | None, groups: dict[str, str]) -> dict[str, Node]:
    sizes = {key: (node.width, node.height) for key, node in nodes.items()}
    links = [(source, target) for _, source, target in ends]
    if drawing is None:
        places = place(sizes, links, groups)
    else:
        drawn = {glyph.of for glyph in drawing.species}
        known = {k: (n.x, n.y) for k, n in nodes.items() if n.id in drawn and n.kind != "copy"}
        squares = {r.of: r.place for r in reversed(drawing.reactions) if r.place is not None}  # the first of several
        known |= {id: (x, y + (nodes[id].height - SQUARE) / 2) for id, (x, y) in squares.items()}
        places = complete(known, sizes, links)
    return {key: replace(node, x=places[key][0], y=places[key][1]) for key, node in nodes.items()}


@dataclass(frozen=True)
class Frame:
    """The rectangle of a compartment: left, upper, right and lower edge."""

    id: str
    label: str
    edges: tuple[float, float, float, float]


def _frames(model: Model, nodes: dict[str, Node], drawing: Layout | None, labels: str) -> list[Frame]:
    """The compartments' rectangles: the file's, or around their species if there are several that stay apart."""
    names = {c.id: c.name.strip() if labels == "name" and c.name.strip() else c.id for c in model.compartments}
    if drawing is not None and drawing.compartments:
        boxes = [(g.of, g.box) for g in drawing.compartments]
        return [Frame(of, names[of], (b.x, b.y, b.x + b.width, b.y + b.height)) for of, b in boxes]
    inside = {s.id: s.compartment for s in model.species}
    members: dict[str, list[Node]] = {}
    for node in nodes.values():
        if node.id in inside:
            members.setdefault(inside[node.id], []).append(node)
    takes = {r.id: {inside[p.species] for p in (*r.reactants, *r.products)} for r in model.reactions}
    for id, found in takes.items():
        if len(found) == 1 and drawing is None:
            members[found.pop()].append(nodes[id])
    frames = [Frame(id, names[id], _around(there)) for id, there in members.items()]
    overlap = any(_overlap(a.edges, b.edges) for a, b in itertools.combinations(frames, 2))
    return [] if len(frames) < 2 or overlap else frames


def _around(nodes: list[Node]) -> tuple[float, float, float, float]:
    return (
        min(n.x - n.width / 2 for n in nodes) - 9.0,
        min(n.y - n.height / 2 for n in nodes) - 20.0,
        max(n.x + n.width / 2 for n in nodes) + 9.0,
        max(n.y + n.height / 2 for n in nodes) + 9.0,
    )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _notes(drawing: Layout | None) -> list[TextGlyph]:
    """The texts of the file's layout that stand alone."""
    return [t for t in drawing.texts if t.text.strip() and not t.beside and not t.of] if drawing else []


# -- the drawing -----------------------------------------------------------------------------------


def _drawn(
    nodes: dict[str, Node], lines: list[Arrow], frames: list[Frame], notes: list[TextGlyph], axes: Axes | None
) -> style.Panels:
    names = name_places(nodes, lines, 1.2 * name_size("reaction"))
    low, high = _extent(nodes, lines, frames, notes, names)
    size = (high - low) / 72
    size *= min(1.0, _WIDEST / size[0], _TALLEST / size[1])
    made = style.panels(1, 1, axes, max(_NARROWEST, size[0] + 0.1), max(1.0, size[1] + 0.1)).reshape(-1)
    one = made[0]
    one.set_axis_off()
    style.legend(made, _legend(nodes, lines), columns=4)
    scale = _fit(one, low, high)
    for frame in frames:
        _draw_frame(one, frame, scale)
    for line in lines:
        _draw_line(one, line, scale)
    small = sum(_draw_node(one, node, scale, names.get(node.key)) for node in nodes.values())
    for note in notes:
        _write(one, *note.box.centre, note.text.strip()[:_LONGEST_NOTE], FONT * scale, color=style.PALE, zorder=4)
    if small:
        said = f"{small} name{'s' * (small > 1)} left out: too small to read at this size."
        look = {"fontsize": style.FONT - 1.5, "color": style.PALE, "va": "top", "annotation_clip": False}
        one.annotate(said, xy=(0, 0), xycoords="axes fraction", **look)
    return made


def _extent(
    nodes: dict[str, Node], lines: list[Arrow], frames: list[Frame], notes: list[TextGlyph], names: dict
) -> tuple[np.ndarray, np.ndarray]:
    """The upper left and the lower right corner of all that is drawn."""
    boxes = [frame.edges for frame in frames]
    boxes += [(n.box.x, n.box.y, n.box.x + n.box.width, n.box.y + n.box.height) for n in notes]
    for key, node in nodes.items():
        x, y = names.get(key, (node.x, node.y))
        boxes.append((x - node.width / 2, y - node.height / 2, x + node.width / 2, y + node.height / 2))
        boxes.append((*(node.anchor - SQUARE / 2), *(node.anchor + SQUARE / 2)))
    for line in lines:
        points = line.along(np.linspace(0, 1, 11))
        boxes.append((*points.min(axis=0), *points.max(axis=0)))
    edges = np.array(boxes)
    return edges[:, :2].min(axis=0) - 5.0, edges[:, 2:].max(axis=0) + 5.0


def _fit(one: Axes, low: np.ndarray, high: np.ndarray) -> float:
    """Show what is between two corners in the middle of the axes, at full size where it fits; return the scale."""
    one.figure.draw_without_rendering()  # the layout decides how large the axes are
    room = one.get_window_extent().size * 72 / one.figure.dpi
    scale = min(1.0, *(room / (high - low)))
    (left, top), (right, bottom) = (low + high - room / scale) / 2, (low + high + room / scale) / 2
    one.set(xlim=(left, right), ylim=(bottom, top))
    one.set_aspect("equal", adjustable="box")
    return scale


def _draw_frame(one: Axes, frame: Frame, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y, far, low = frame.edges
    look = {"fc": "#F4F4F2", "ec": "#D5D5D0", "lw": 0.8, "zorder": 0}
    shape = FancyBboxPatch((x, y), far - x, low - y, boxstyle="round,pad=0,rounding_size=6", **look)
    shape.set_gid(f"compartment:{frame.id}")
    one.add_patch(shape)
    _write(one, x + 6, y + 3, frame.label, FONT * scale, color=style.PALE, ha="left", va="top", zorder=0.5)


def _draw_node(one: Axes, node: Node, scale: float, spot: tuple[float, float] | None) -> bool:
    """Draw a box and its name; return whether the name was left out."""
    from matplotlib import patches

    font = name_size(node.kind)
    if node.kind == "reaction":
        side = SQUARE * (1.5 if node.marked else 1.0)
        x, y = node.anchor - side / 2
        shape = patches.Rectangle((x, y), side, side, fc=_GRAFT if node.marked else style.INK, lw=0, zorder=3)
        place = spot
    else:
        face, edge, dashes = _LOOKS[node.kind]
        round_ = f"round,pad=0,rounding_size={min(5.0, node.height / 3, node.width / 3)}"
        corner = (node.x - node.width / 2, node.y - node.height / 2)
        shape = patches.FancyBboxPatch(
            corner, node.width, node.height, boxstyle=round_, fc=face, ec=edge, lw=1.1 * scale, ls=dashes, zorder=3
        )
        if node.marked:
            shape.set(edgecolor=_GRAFT, linewidth=2.0 * scale)
        place = node.x, node.y
        wide = max(text_width(line, font) for line in node.lines)
        # A box of the file's layout may be too small for its name: that stands out, and can be read.
        font *= max(0.7, min(1.0, (node.width - 2) / wide, node.height / (1.2 * font * len(node.lines))))
    shape.set_gid(f"{node.kind}:{node.key}")
    one.add_patch(shape)
    if font * scale < _SMALLEST:
        return bool(node.lines)
    if node.lines:
        colour = "#555555" if node.kind in ("reaction", "copy") else style.INK
        text = _write(one, *place, "\n".join(node.lines), font * scale, color=colour, zorder=4)
        if node.kind == "reaction":
            _halo(text, scale)
    return False


def _draw_line(one: Axes, line: Arrow, scale: float) -> None:
    from matplotlib import patches
    from matplotlib.path import Path

    look = {
        "reactant": {"ec": _LINE, "fc": _LINE, "lw": 1.1 * scale},
        "product": {"ec": _LINE, "fc": _LINE, "lw": 1.1 * scale},
        "modifier": {"ec": _ACTS, "fc": _ACTS, "lw": 1.0 * scale, "ls": (0, (3.5, 2))},
        "rule": {"ec": _RULE, "fc": _RULE, "lw": 1.0 * scale, "ls": (0, (3.5, 2))},
        "graft": {"ec": _GRAFT, "fc": _GRAFT, "lw": 0.8 * scale},
    }[line.link.role]
    path = Path(line.points, [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    gid = f"{line.link.role}:{line.link.source}:{line.link.target}"
    if any(line.heads):
        size = (8 if line.link.role == "graft" else 12) * scale
        heads = "<|" * line.heads[0] + "-" + "|>" * line.heads[1] + ",head_length=0.42,head_width=0.19"
        shape = patches.FancyArrowPatch(
            path=path,
            arrowstyle=heads,
            mutation_scale=size,
            zorder=1.5,
            joinstyle="miter",
            **look,
        )
    else:
        shape = patches.PathPatch(path, **(look | {"fc": "none"}), zorder=1.5, capstyle="butt")
    shape.set_gid(gid)
    one.add_patch(shape)
    if line.link.role in ("modifier", "rule"):
        one.add_patch(patches.Circle(line.points[-1], 2.3, fc=look["fc"], ec="none", zorder=1.6))
    if line.link.count and FONT * 0.82 * scale >= _SMALLEST:
        text = _write(one, *line.count_place, line.link.count, 0.85 * FONT * scale, color=_LINE, zorder=2)
        _halo(text, scale)


def _write(one: Axes, x: float, y: float, text: str, size: float, **look):
    """Write a text as it is: ``$``, ``_`` and ``^`` mean nothing."""
    return one.text(
        x, y, text, fontsize=size, parse_math=False, usetex=False, **({"ha": "center", "va": "center"} | look)
    )


def _halo(text, scale: float) -> None:
    from matplotlib import patheffects

    text.set_path_effects([patheffects.withStroke(linewidth=2.2 * scale, foreground="white", alpha=0.85)])


def _legend(nodes: dict[str, Node], lines: list[Arrow]) -> list[tuple[str, dict, bool]]:
    kinds, roles = {n.kind for n in nodes.values()}, {line.link.role for line in lines}
    box = {"marker": "s", "markersize": 7, "linestyle": "none"}
    boxes = {kind: box | {"markerfacecolor": face, "markeredgecolor": edge} for kind, (face, edge, _) in _LOOKS.items()}
    dash = {"linestyle": (0, (3.5, 2)), "linewidth": 1.0, "marker": "o", "markersize": 4, "markevery": [1]}
    return [
        ("species", boxes["species"], "species" in kinds),
        ("boundary species (dashed)", boxes["boundary"], "boundary" in kinds),
        ("set by a rule", boxes["ruled"], "ruled" in kinds),
        ("drawn at each reaction", boxes["copy"], "copy" in kinds),
        ("reaction", box | {"color": style.INK, "markersize": 5}, "reaction" in kinds),
        ("speeds up or slows down", dash | {"color": _ACTS}, "modifier" in roles),
        ("acts through a rule or event", dash | {"color": _RULE}, "rule" in roles),
        ("a network, and what it acts on", boxes["graft"], "graft" in kinds),
    ]
