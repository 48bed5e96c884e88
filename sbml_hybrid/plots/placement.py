"""Places for the boxes of a network: near what they are linked with, and none over another.

All lengths are in points, y downwards, as in SBML's layouts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

_GAP = 30.0  # of free line between two boxes that are linked, at least
_MARGIN = 7.0  # between boxes that are not
_STARTS, _FEW = 6, 130  # how often a layout is begun anew, and up to how many boxes


def place(
    sizes: Mapping[str, tuple[float, float]],
    links: Sequence[tuple[str, str]],
    groups: Mapping[str, str] | None = None,
) -> dict[str, tuple[float, float]]:
    """Return the middle of each box.

    Distances follow the number of links between boxes (Kamada & Kawai 1989, 10.1016/0020-0190(89)90102-6); of
    several starts the one with the fewest crossings is kept, turned so that links lead right and down. The
    same boxes and links give the same places.

    Parameters
    ----------
    sizes
        Width and height of each box.
    links
        From which box to which.
    groups
        Box -> group; groups get rectangles of their own. Boxes without one stand where their neighbours are.
    """
    keys, groups = list(sizes), dict(groups or {})
    size = np.array([sizes[key] for key in keys], float).reshape(-1, 2)
    number = {key: i for i, key in enumerate(keys)}
    ends = np.array(sorted({(number[a], number[b]) for a, b in links if a != b}), int).reshape(-1, 2)
    group = np.array([groups.get(key, "") for key in keys])
    parts = _parts(len(keys), ends, group)
    places = np.zeros((len(keys), 2))
    for part in parts:
        places[part] = _part(part, size, ends, group)
    for part, corner in zip(parts, _packed([_extent(places[p], size[p]) for p in parts]), strict=True):
        low, _ = _extent(places[part], size[part])
        places[part] += corner - low
    return {key: (float(x), float(y)) for key, (x, y) in zip(keys, places, strict=True)}


def complete(
    known: Mapping[str, tuple[float, float]],
    sizes: Mapping[str, tuple[float, float]],
    links: Sequence[tuple[str, str]],
) -> dict[str, tuple[float, float]]:
    """Return `known`, unchanged, and places for the other boxes: amid their neighbours, or below all without any."""
    places = dict(known)
    beside: dict[str, list[str]] = {key: [] for key in sizes}
    for a, b in links:
        beside[a].append(b)
        beside[b].append(a)
    while True:
        reached = {k: [places[n] for n in beside[k] if n in places] for k in sizes if k not in places}
        reached = {k: np.mean(at, axis=0) for k, at in reached.items() if at}
        if not reached:
            break
        places |= {k: (float(x), float(y)) for k, (x, y) in reached.items()}
    x, y = min(x for x, _ in places.values()), max(y for _, y in places.values())
    places |= {k: (x, y + 40.0) for k in sizes if k not in places}
    keys = list(sizes)
    free = np.array([key not in known for key in keys])
    at = _apart(np.array([places[k] for k in keys]), np.array([sizes[k] for k in keys]), free, room=_MARGIN, grow=False)
    return {k: known[k] if k in known else (float(p[0]), float(p[1])) for k, p in zip(keys, at, strict=True)}


# -- one connected part ----------------------------------------------------------------------------


def _parts(count: int, ends: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """The connected parts, the largest first; several groups are laid out as one."""
    import networkx as nx

    if not count:
        return []
    if len(set(group) - {""}) > 1:
        return [np.arange(count)]
    graph = nx.empty_graph(count)
    graph.add_edges_from(ends.tolist())
    parts = [np.array(sorted(part)) for part in nx.connected_components(graph)]
    return sorted(parts, key=lambda part: (-len(part), part[0]))


def _part(part: np.ndarray, size: np.ndarray, ends: np.ndarray, group: np.ndarray) -> np.ndarray:
    if len(part) == 1:
        return np.zeros((1, 2))
    inside = np.isin(ends, part).all(axis=1)
    ends = np.searchsorted(part, ends[inside])
    size, group = size[part], group[part]
    distances = _distances(size, _joined(ends, group), group)
    starts = _STARTS if len(part) <= _FEW else 1
    best, fewest = None, math.inf
    for start in range(starts):
        places = _turned(_kamada_kawai(distances, start), ends)
        places = _apart(places, size, np.ones(len(part), bool), room=_MARGIN)
        if len(set(group) - {""}) > 1:
            places = _grouped(places, size, group)
        faults = _faults(places, size, ends) if starts > 1 else 0.0
        if faults < fewest:
            best, fewest = places, faults
    return best


def _joined(ends: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Join what is not linked to the rest, at the rim of its own group, so that groups stay together."""
    import networkx as nx

    graph = nx.empty_graph(len(group))
    graph.add_edges_from(ends.tolist())
    first, *others = sorted((sorted(part) for part in nx.connected_components(graph)), key=lambda p: (-len(p), p[0]))
    if not others:
        return ends
    reach = nx.single_source_shortest_path_length(graph, nx.center(graph.subgraph(first))[0])
    added = []
    for part in others:
        kin = [i for i in first if group[i] == group[part[0]]] or first
        added.append((max(kin, key=lambda i: (reach[i], -i)), part[0]))
    return np.array([*ends.tolist(), *added], int).reshape(-1, 2)


def _distances(size: np.ndarray, ends: np.ndarray, group: np.ndarray) -> np.ndarray:
    """How far boxes should be from each other: along the shortest way over the links, for boxes of their size."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    radius = size.sum(axis=1) / 4
    count = len(size)
    gap = _GAP * float(np.clip(len(ends) / count / 1.3, 1.0, 2.2))  # where much is linked, lines need room
    length = radius[ends].sum(axis=1) + gap
    graph = coo_array((length, (ends[:, 0], ends[:, 1])), (count, count)).tocsr()
    distances = shortest_path(graph.maximum(graph.T), directed=False)
    other = (group[:, None] != group) & (group[:, None] != "") & (group != "")
    distances[other] += 3 * _GAP
    return distances


def _kamada_kawai(distances: np.ndarray, start: int) -> np.ndarray:
    import networkx as nx

    count = len(distances)
    shaken = np.random.default_rng(start).uniform(-1, 1, (count, 2))
    first = shaken if start else _scaling(distances) + 0.02 * shaken  # boxes at one place would stay together
    graph = nx.empty_graph(count)  # `dist` says it all
    dist = {i: dict(enumerate(row)) for i, row in enumerate(distances.tolist())}
    found = nx.kamada_kawai_layout(graph, dist=dist, pos=dict(enumerate(first)))
    places = np.array([found[i] for i in range(count)])
    # networkx shrinks the layout to 1; the scale that fits the distances best, in the measure of the method.
    there = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    pairs = distances > 0
    ratio = there[pairs] / distances[pairs]
    return places * (ratio.sum() / (ratio**2).sum())


def _scaling(distances: np.ndarray) -> np.ndarray:
    """Classical multidimensional scaling to two dimensions, of size 1: a start near the end."""
    squares = distances**2
    centred = squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    places = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    return places / max(float(np.abs(places).max()), 1e-9)


def _turned(places: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Turn the long axis level, and flip so that links lead to the right and down."""
    places = places - places.mean(axis=0)
    _, _, axes = np.linalg.svd(places, full_matrices=False)
    places = places @ axes.T
    flow = (places[ends[:, 1]] - places[ends[:, 0]]).sum(axis=0)
    return places * np.where(flow < -1e-9, -1.0, 1.0)


def _apart(places: np.ndarray, size: np.ndarray, free: np.ndarray, room: float, grow: bool = True) -> np.ndarray:
    """Push the `free` boxes off the others, each pair along the shorter way; grow the picture where that never ends."""
    places = places.copy()
    half = (size[:, None] + size) / 2 + room
    share = free / np.maximum(free[:, None] * 1.0 + free, 1.0)  # (other, moved)
    able = np.triu(free[:, None] | free, 1)
    for _ in range(40 if grow else 4):
        for _ in range(40):
            near = (np.abs(places[:, None, 0] - places[:, 0]) < half[..., 0] - 1e-6) & able
            first, second = np.nonzero(near)
            apart = places[second] - places[first]
            over = half[first, second] - np.abs(apart)
            hit = over[:, 1] > 1e-6
            if not hit.any():
                return places
            first, second, apart, over = first[hit], second[hit], apart[hit], over[hit]
            way = over.argmin(axis=1)
            pair = np.arange(len(way))
            push = np.zeros_like(apart)
            push[pair, way] = np.where(apart[pair, way] < 0, -1.0, 1.0) * (1.01 * over[pair, way] + 0.01)
            moves, most = np.zeros_like(places), np.zeros_like(places)
            for one, other, sign in ((first, second, -1.0), (second, first, 1.0)):
                step = sign * push * share[other, one][:, None]
                np.add.at(moves, one, step)
                np.maximum.at(most, one, np.abs(step))
            places += np.clip(moves, -most, most)
        if grow:
            places *= 1.1
    return places


def _grouped(places: np.ndarray, size: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Move whole groups until their rectangles are apart, and then the boxes of no group off the others."""
    names = sorted(set(group) - {""})
    before = places.copy()
    extents = [_extent(places[group == name], size[group == name]) for name in names]
    middles = np.array([(low + high) / 2 for low, high in extents])
    sizes = np.array([high - low for low, high in extents])
    frame = sizes + np.array([20.0, 34.0])  # its edge, and its name
    moved = _apart(middles, frame, np.ones(len(names), bool), room=18.0)
    for name, shift in zip(names, moved - middles, strict=True):
        places[group == name] += shift
    loose = group == ""
    if loose.any():
        shifts = np.array([(moved - middles)[names.index(g)] if g else (0.0, 0.0) for g in group])
        near = np.hypot(*(before[loose][:, None] - before[~loose]).transpose(2, 0, 1))
        weight = 1.0 / np.maximum(near, 1.0) ** 2
        places[loose] += weight @ shifts[~loose] / weight.sum(axis=1, keepdims=True)
        places = _apart(places, size, loose, room=_MARGIN / 2, grow=False)
    return places


# -- how good a layout is --------------------------------------------------------------------------


def _faults(places: np.ndarray, size: np.ndarray, ends: np.ndarray) -> float:
    """Count the links that cross, and twice those that run over a box which is not theirs."""
    start, end = places[ends[:, 0]], places[ends[:, 1]]
    shared = (ends[:, None, :, None] == ends[None, :, None, :]).any(axis=(2, 3))
    turn = _turn(start[:, None], end[:, None], start[None]) * _turn(start[:, None], end[:, None], end[None])
    crossing = (turn < 0) & (turn.T < 0) & ~shared
    along = np.linspace(0.0, 1.0, 21)[:, None, None]
    points = start + along * (end - start)  # (21, link, 2)
    inside = (np.abs(points[:, :, None] - places) < size / 2).all(axis=3).any(axis=0)
    inside[np.arange(len(ends)), ends[:, 0]] = inside[np.arange(len(ends)), ends[:, 1]] = False
    low, high = _extent(places, size)
    wide, tall = high - low
    return crossing.sum() / 2 + 2 * inside.sum() + 0.01 * max(wide / tall, tall / wide)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]


def _extent(places: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (places - size / 2).min(axis=0), (places + size / 2).max(axis=0)


def _packed(extents: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Corners for parts, in rows as wide as the widest or as makes the whole a landscape."""
    sizes = [high - low + 2 * _MARGIN for low, high in extents]
    if not sizes:
        return []
    width = max(max(s[0] for s in sizes), 1.5 * math.sqrt(sum(s[0] * s[1] for s in sizes)))
    corners, x, y, row = [], 0.0, 0.0, 0.0
    for one in sizes:
        if x > 0 and x + one[0] > width:
            x, y, row = 0.0, y + row + 2 * _MARGIN, 0.0
        corners.append(np.array([x, y]))
        x, row = x + one[0] + 2 * _MARGIN, max(row, one[1])
    return corners
