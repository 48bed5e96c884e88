"""How far formulas and functions lean on each other, counted before a library walks through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbml_hybrid.errors import ModelError


def count_pairs(mentions: Mapping[str, Sequence[str]], limit: int) -> int:
    """Return how many pairs (a, b) there are where `a` depends on `b`, through others too.

    libSBML's search for cycles takes a time that grows with the square of it, or faster.

    Parameters
    ----------
    mentions
        Id of what is defined -> the ids in its formula; what is not defined itself does not count.
    limit
        Counting stops just above it.
    """
    pairs = 0
    direct = {id: {other for other in others if other in mentions} for id, others in mentions.items()}
    for id in direct:
        seen: set[str] = set()
        todo = list(direct[id])
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            pairs += 1
            if pairs > limit:
                return pairs
            todo.extend(direct[at] - seen)
    return pairs


def written_out_size(own: Mapping[str, int], calls: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return how large each thing is with everything it calls written out in it.

    Parameters
    ----------
    own
        Id -> its own size, such as the number of nodes of a function's body.
    calls
        Id -> the ids it calls, once for each call; what `own` does not have is left out.

    Raises
    ------
    ModelError
        Something contains itself; the message has the way round.
    """
    sizes: dict[str, int] = {}
    for first in own:
        path = [first]
        on_path = {first}
        while path:
            at = path[-1]
            inside = [c for c in calls.get(at, ()) if c in own]
            missing = next((c for c in inside if c not in sizes), None)
            if at in sizes or missing is None:
                sizes.setdefault(at, own[at] + sum(sizes[c] for c in inside))
                on_path.discard(path.pop())
            elif missing in on_path:
                raise ModelError(" -> ".join([*path[path.index(missing) :], missing]))
            else:
                path.append(missing)
                on_path.add(missing)
    return sizes
