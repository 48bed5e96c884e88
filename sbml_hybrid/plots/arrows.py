"""The lines of a network: curves that pass smoothly through each reaction, and end at the boxes' edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sbml_hybrid.mechanism.wiring import Link

if TYPE_CHECKING:
    from sbml_hybrid.plots.network import Node

_BEND, _LONGEST = 0.45, 70.0  # how far a curve goes on in the direction of its reaction, and at most, in points
_BOW = 0.13  # how far an influence bows out, so that it does not run along another line
_CLEAR = 2.0  # between a line's end and the box


@dataclass(frozen=True)
class Arrow:
    """A line for `link`: a quadratic curve through start, control point and end, with a head at its end or none."""

    link: Link
    points: np.ndarray
    head: bool


def arrows(
    nodes: Mapping[str, Node], ends: list[tuple[Link, str, str]], reversible: frozenset[str]
) -> list[Arrow]:
    """Return the lines between the boxes, for links with the keys of the boxes at their ends, and the reactions that
    are `reversible`.
    """
    axis = {key: _axis(key, nodes, ends) for key, node in nodes.items() if node.kind == "reaction"}
    made = []
    for link, source, target in ends:
        start, end = nodes[source].anchor, nodes[target].anchor
        if link.role in ("reactant", "product"):
            square, box, side = (target, source, -1) if link.role == "reactant" else (source, target, 1)
            at, far = nodes[square].anchor, nodes[box].anchor
            control = at + side * axis[square] * min(_BEND * float(np.hypot(*(far - at))), _LONGEST)
            points = _clipped(np.array([at, control, far]), nodes[box])  # from the reaction to the species
            made.append(Arrow(link, points, link.role == "product" or square in reversible))
        else:
            across = np.array([start[1] - end[1], end[0] - start[0]])
            control = (start + end) / 2 + _BOW * across
            points = _clipped(np.array([end, control, start]), nodes[source])[::-1]
            made.append(Arrow(link, _clipped(points, nodes[target], _CLEAR + 1.0), False))
    return made


def _axis(key: str, nodes: Mapping[str, Node], ends: list[tuple[Link, str, str]]) -> np.ndarray:
    """The direction in which a reaction is passed: from its reactants to its products."""
    before = {source for link, source, target in ends if target == key and link.role == "reactant"}
    after = {target for link, source, target in ends if source == key and link.role == "product"}
    at = nodes[key].anchor
    come, go = (_towards(at, side, nodes) for side in (before - after, after - before))
    axis = go - come
    if np.hypot(*axis) < 1e-6:  # what goes in comes out: a loop
        both = _towards(at, before | after, nodes)
        axis = np.array([-both[1], both[0]])
    size = np.hypot(*axis)
    return axis / size if size > 1e-6 else np.array([1.0, 0.0])


def _towards(at: np.ndarray, keys: set[str], nodes: Mapping[str, Node]) -> np.ndarray:
    ways = [nodes[key].anchor - at for key in sorted(keys)]
    return np.sum([way / max(float(np.hypot(*way)), 1e-9) for way in ways], axis=0) if ways else np.zeros(2)


def _clipped(points: np.ndarray, node: Node, clear: float = _CLEAR) -> np.ndarray:
    """The curve up to where it enters the box that it ends in."""
    if node.kind == "reaction":
        half = np.array([3.0, 3.0])
    else:
        half = np.array([node.width, node.height]) / 2
    t = np.linspace(0.0, 1.0, 101)[:, None]
    curve = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]
    outside = np.flatnonzero((np.abs(curve - node.anchor) > half + clear).any(axis=1))
    stop = t[outside[-1], 0] if len(outside) else 1.0
    first = points[0] + stop * (points[1] - points[0])  # de Casteljau
    second = points[1] + stop * (points[2] - points[1])
    return np.array([points[0], first, first + stop * (second - first)])
