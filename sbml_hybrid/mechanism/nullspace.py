"""The left null space of a stoichiometry in exact arithmetic, as few and small whole numbers as may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import gcd, lcm

Vector = dict[str, int]
MAX_RAYS = 2000  # there can be exponentially many; beyond this a mixed-sign basis is given


def exact(number: float) -> Fraction:
    """Return the fraction that was meant: 1/3 for 0.3333333333333333, otherwise the decimal as written."""
    near = Fraction(number).limit_denominator(1000)
    return near if float(near) == number else Fraction(repr(float(number)))


def left_null_space(rows: Mapping[str, Mapping[str, Fraction]]) -> list[Vector]:
    """Return a basis of the vectors y, one number for each row, with y @ matrix = 0.

    Parameters
    ----------
    rows
        Row -> column -> entry, where it is not zero.
    """
    columns: dict[str, dict[str, Fraction]] = {}
    for row, entries in rows.items():
        for column, entry in entries.items():
            columns.setdefault(column, {})[row] = entry
    pivots = _eliminated([_whole(column) for column in columns.values()])
    held = {pivot for pivot, _ in pivots}
    return [_solved(row, pivots) for row in rows if row not in held]


def _eliminated(equations: list[Vector]) -> list[tuple[str, Vector]]:
    """Bring equations to echelon form: (pivot, equation), where no later equation has the pivot."""
    pivots: list[tuple[str, Vector]] = []
    users: dict[str, set[int]] = {}
    for i, equation in enumerate(equations):
        for unknown in equation:
            users.setdefault(unknown, set()).add(i)
    waiting = {i for i, equation in enumerate(equations) if equation}
    while waiting:
        at = min(waiting, key=lambda i: (len(equations[i]), i))  # the sparsest equation, then the rarest unknown
        equation = equations[at]
        pivot = min(equation, key=lambda unknown: (len(users[unknown]), unknown))
        waiting.remove(at)
        for unknown in equation:
            users[unknown].discard(at)
        for i in list(users[pivot]):
            before = equations[i]
            after = _combined(before, equation[pivot], equation, -before[pivot])
            for unknown in before.keys() - after.keys():
                users[unknown].discard(i)
            for unknown in after.keys() - before.keys():
                users[unknown].add(i)
            equations[i] = after
            if not after:
                waiting.discard(i)
        pivots.append((pivot, equation))
    return pivots


def _solved(free: str, pivots: list[tuple[str, Vector]]) -> Vector:
    """The solution in which the unknown `free` is 1 and every other free one 0."""
    solution = {free: Fraction(1)}
    for pivot, equation in reversed(pivots):
        rest = sum((n * solution[u] for u, n in equation.items() if u in solution), Fraction(0))
        if rest:
            solution[pivot] = -rest / equation[pivot]
    return _whole(solution)


def _whole(vector: Mapping[str, Fraction]) -> Vector:
    """The vector in the smallest whole numbers."""
    scale = lcm(*(Fraction(n).denominator for n in vector.values()))
    return _reduced({u: int(n * scale) for u, n in vector.items()})


def _reduced(vector: Vector) -> Vector:
    divisor = gcd(*vector.values())
    return {u: n // divisor for u, n in vector.items()} if divisor > 1 else vector


def _combined(a: Vector, times: int, b: Vector, plus: int) -> Vector:
    result = {u: n * times for u, n in a.items()}
    for u, n in b.items():
        value = result.get(u, 0) + n * plus
        if value:
            result[u] = value
        else:
            result.pop(u, None)
    return _reduced(result)


# -- totals without negative coefficients -----------------------------------------------------------


def non_negative(basis: list[Vector]) -> list[Vector]:
    """Return the vectors of the space without negative numbers that are no sum of others, then the basis.

    Parameters
    ----------
    basis
        Vectors as `left_null_space` gives them: each has an entry that no other has. Where more than
        2000 vectors would have to be kept, the basis alone stands for its part of the space.
    """
    found: list[Vector] = []
    for part in _parts(basis):
        found += _extreme(part)
    return [*sorted(found, key=lambda v: (len(v), sum(v.values()))), *basis]


def _parts(basis: list[Vector]) -> Iterable[list[Vector]]:
    """Vectors that share entries, directly or through others, belong together."""
    parts: list[tuple[set[str], list[Vector]]] = []
    for vector in basis:
        touched = [p for p in parts if not p[0].isdisjoint(vector)]
        parts = [p for p in parts if p[0].isdisjoint(vector)]
        parts.append((set(vector).union(*(p[0] for p in touched)), [v for p in touched for v in p[1]] + [vector]))
    return [vectors for _, vectors in parts]


def _extreme(basis: list[Vector]) -> list[Vector]:
    """The extreme rays of the non-negative part of a space, by the double description method.

    The basis vectors' own entries cannot become negative in a sum of them with weights of zero or more, and
    every non-negative vector is such a sum; the other entries are demanded one after another.
    """
    count = Counter(u for vector in basis for u in vector)
    own = [min(u for u in vector if count[u] == 1) for vector in basis]
    rays = [v if v[u] > 0 else {x: -n for x, n in v.items()} for v, u in zip(basis, own, strict=True)]
    demanded = set(own)
    for unknown in sorted(count.keys() - demanded, key=lambda u: (count[u], u)):
        demanded.add(unknown)
        kept = [ray for ray in rays if ray.get(unknown, 0) >= 0]
        above, below = [r for r in kept if unknown in r], [r for r in rays if r.get(unknown, 0) < 0]
        if len(above) * len(below) > 20 * MAX_RAYS:
            return []
        pairs = [_combined(a, -b[unknown], b, a[unknown]) for a in above for b in below]
        rays = _minimal([*kept, *pairs], demanded)
        if len(rays) > MAX_RAYS:
            return []
    return rays


def _minimal(rays: list[Vector], demanded: set[str]) -> list[Vector]:
    """Keep the rays whose entries among those demanded include no other ray's."""
    supports: dict[frozenset[str], Vector] = {}
    for ray in rays:
        supports.setdefault(frozenset(ray.keys() & demanded), ray)
    kept: dict[frozenset[str], Vector] = {}
    for support in sorted(supports, key=len):
        if not any(smaller < support for smaller in kept):
            kept[support] = supports[support]
    return list(kept.values())


def independent(chosen: list[Vector], candidates: list[Vector]) -> list[Vector]:
    """Return `chosen` and every candidate, in turn, that is no combination of those before it."""
    echelon: dict[str, Vector] = {}
    result = []
    for vector in (*chosen, *candidates):
        rest = vector
        while rest:
            known = next((u for u in rest if u in echelon), None)
            if known is None:
                echelon[next(iter(rest))] = rest
                result.append(vector)
                break
            rest = _combined(rest, echelon[known][known], echelon[known], -rest[known])
    return result
