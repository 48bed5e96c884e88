"""The lines of a network: curves that pass smoothly through each reaction, and end at the boxes' edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.mechanism.wiring import Link
from sbml_hybrid.plots.boxes import SQUARE, Node

_BEND, _LONGEST = 0.45, 70.0  # how far a curve goes on in the direction of its reaction, and at most, in points
_BOW, _WIDE_BOW = 0.13, 0.42  # how far an influence bows out; the second where another line joins the same boxes
_CLEAR = 2.0  # between a line's end and the box


@dataclass(frozen=True)
class Arrow:
    """A line for `link`: a quadratic curve (start, control point, end), and whether it has a head at start and end."""

    link: Link
    points: np.ndarray
    heads: tuple[bool, bool]

    @property
    def count_place(self) -> np.ndarray:
        """Where the stoichiometry is written: nearer to the species than to the reaction."""
        return self.along(np.array([0.6]))[0]

    def along(self, t: np.ndarray) -> np.ndarray:
        """Return points of the curve, (t, 2), for `t` from 0 (start) to 1 (end)."""
        return _curve(self.points, t)


def arrows(nodes: Mapping[str, Node], ends: list[tuple[Link, str, str]], reversible: frozenset[str]) -> list[Arrow]:
    """Return the lines between the boxes, for links with the keys of the boxes at their ends, and the reactions that
    are `reversible`.
    """
    axis = {key: _axis(key, nodes, ends) for key, node in nodes.items() if node.kind == "reaction"}
    joined = [frozenset((source, target)) for _, source, target in ends]
    sinks = axis.keys() - {source for link, source, _ in ends if link.role == "product"}
    made = []
    for link, source, target in ends:
        shared = joined.count(frozenset((source, target))) > 1
        if link.role in ("reactant", "product"):
            square, box = (target, source) if link.role == "reactant" else (source, target)
            points = _through(nodes[square].anchor, nodes[box], axis[square], link.role, shared)
            heads = (False, link.role == "product" or square in reversible)
            if square in sinks:  # nothing leads on from there, so the head shows which way it goes
                points, heads = _clipped(points[::-1], nodes[square]), (heads[1], True)
            made.append(Arrow(link, points, heads))
        else:
            start, end = nodes[source].anchor, nodes[target].anchor
            control = (start + end) / 2 + _across(end - start, _WIDE_BOW if shared else _BOW)
            points = _clipped(np.array([end, control, start]), nodes[source])[::-1]
            made.append(Arrow(link, _clipped(points, nodes[target], _CLEAR + 1.0), (False, link.role == "graft")))
    return made


def _through(at: np.ndarray, box: Node, axis: np.ndarray, role: str, shared: bool) -> np.ndarray:
    """The curve from a reaction `at` its place to a species: first along the reaction's `axis`, or against it."""
    way = box.anchor - at
    far = float(np.hypot(*way))
    control = at + (axis if role == "product" else -axis) * min(_BEND * far, _LONGEST)
    if shared:  # reactant and product, or modifier: apart from the other line
        control = at + 0.5 * way + (_across(way, _BEND / 2) if role == "product" else -_across(way, _BEND))
    return _clipped(np.array([at, control, box.anchor]), box)


def _across(way: np.ndarray, share: float) -> np.ndarray:
    """At a right angle to `way`, a `share` of its length, and not much for a long one."""
    far = max(float(np.hypot(*way)), 1e-9)
    return np.array([-way[1], way[0]]) / far * min(share * far, _LONGEST * share / _BEND)


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
    half = np.array([SQUARE, SQUARE] if node.kind == "reaction" else [node.width, node.height]) / 2
    t = np.linspace(0.0, 1.0, 101)[:, None]
    curve = _curve(points, t[:, 0])
    outside = np.flatnonzero((np.abs(curve - node.anchor) > half + clear).any(axis=1))
    stop = t[outside[-1], 0] if len(outside) else 1.0
    first = points[0] + stop * (points[1] - points[0])  # de Casteljau
    second = points[1] + stop * (points[2] - points[1])
    return np.array([points[0], first, first + stop * (second - first)])


def _curve(points: np.ndarray, t: np.ndarray) -> np.ndarray:
    t = t[:, None]
    return (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]


# -- names of reactions ----------------------------------------------------------------------------


def name_places(nodes: Mapping[str, Node], lines: list[Arrow], line_height: float) -> dict[str, tuple[float, float]]:
    """Return the middle of each reaction's name: beside its square, where the fewest lines run and no box is."""
    points = np.concatenate([line.along(np.linspace(0, 1, 25)) for line in lines]) if lines else np.zeros((0, 2))
    taken = [_box(n.anchor, n.width, n.height) for n in nodes.values() if n.kind != "reaction"]
    taken += [_box(n.anchor, SQUARE, SQUARE) for n in nodes.values() if n.kind == "reaction"]
    taken += [_box(line.count_place, 6.0 + 5.0 * len(line.link.count), 11.0) for line in lines if line.link.count]
    places = {}
    for key, node in nodes.items():
        if node.kind != "reaction" or not node.lines:
            continue
        wide, high = node.width, line_height * len(node.lines)
        room = SQUARE * (1.25 if node.marked else 1.0)
        across, up = wide / 2 + room, high / 2 + room - 2.0
        spots = [(0, up), (0, -up), (across, 0), (-across, 0)]
        spots += [(sx * across * 0.85, sy * up * 0.85) for sx in (1, -1) for sy in (1, -1)]
        costs = []
        for spot in spots:
            box = _box(node.anchor + spot, wide, high)
            covered = sum(_overlap(box, other) for other in taken)
            crossed = ((points > box[:2] - 2.5) & (points < box[2:] + 2.5)).all(axis=1)
            costs.append(100 * covered + crossed.sum())
        best = node.anchor + spots[int(np.argmin(costs))]
        taken.append(_box(best, wide, high))
        places[key] = (float(best[0]), float(best[1]))
    return places


def _box(middle: np.ndarray, width: float, height: float) -> np.ndarray:
    half = np.array([width, height]) / 2
    return np.concatenate([middle - half, middle + half])


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())
