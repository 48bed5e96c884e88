"""How draws are spread: at random, over a space-filling design, or over a grid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.simulation.priors.changed import Relative
from sbml_hybrid.simulation.priors.discrete import even_levels
from sbml_hybrid.simulation.priors.laws import (
    LARGEST,
    SMALLEST,
    Array,
    Prior,
    dimensions_of,
    names_of,
)
from sbml_hybrid.simulation.priors.said import to_dict
from sbml_hybrid.simulation.streams import MOST_ROWS, uniforms

DESIGNS = ("random", "latin-hypercube", "sobol", "grid")


def sample(
    priors: Mapping[str, Prior], n: int | Mapping[str, int], *, seed: int, design: str = "random"
) -> pd.DataFrame:
    """Draw `n` sets of values.

    Parameters
    ----------
    priors
        Name of a quantity -> its prior (`around`, `sh.priors.of`, or a dict of `sh.priors`); a `Joint` or a `Table`
        stands under any label.
    n
        How many draws, 1 or more. For a grid, what that many levels of each quantity make, or the levels by name:
        ``{"k1": 5, "k2": 3}`` makes 15 draws.
    seed
        The same seed gives the same draws.
    design
        ``"random"``: rows are independent, and row i depends on the seed and i alone.
        ``"latin-hypercube"`` and ``"sobol"`` fill the space more evenly; they depend on the seed and
        `n`, and their rows are not independent. ``"grid"`` takes every combination of a few levels of each
        quantity, in the middle of equally likely shares of its law (a `Discrete` with as many values takes those);
        the seed does not matter. What is `Fixed` counts as no dimension.

    Returns
    -------
    DataFrame
        One row per draw (index ``draw``), one column per quantity, in its own unit. The priors, the
        seed and the design are in ``.attrs["design"]``.

    Raises
    ------
    ValueError
        `n` is below 1, or no grid has that many draws; two priors draw one quantity.
    UnknownName
        There is no such design, or nothing of that name varies.
    """
    made = Design(priors, n, seed, design)
    return made.rows(0, len(made))


@dataclass(frozen=True, eq=False)
class Design:
    """Draws that are made when they are asked for: what `sample` gives, a few rows at a time.

    For designs that are too large to hold at once, or whose rows are made where they are used. A random design costs
    only the rows that are asked for; a hypercube and a Sobol sequence are made whole, once in each process.

    Parameters
    ----------
    priors, n, seed, design
        As for `sample`.

    Examples
    --------
    >>> from sbml_hybrid.simulation.priors import Uniform
    >>> design = Design({"k": Uniform(0, 1)}, 1_000_000, seed=0)
    >>> design.rows(999_998, 1_000_000).round(3)
                k
    draw
    999998  0.339
    999999  0.928
    """

    priors: Mapping[str, Prior]
    n: int | Mapping[str, int]
    seed: int
    design: str = "random"

    def __post_init__(self) -> None:
        if self.design not in DESIGNS:
            raise unknown_name("design", self.design, DESIGNS, "sh.sample")
        object.__setattr__(self, "seed", _whole("seed", self.seed, 0))
        object.__setattr__(self, "priors", dict(self.priors))
        for label, prior in self.priors.items():
            if isinstance(prior, Relative | type) or not hasattr(prior, "quantile"):
                hint = f"sh.priors.of(model, {{{label!r}: ...}})" if isinstance(prior, Relative) else "sh.priors"
                raise ValueError(f"{label!r} needs a law with values of its own, got {prior!r}. Try: {hint}.")
        twice = {c: [k for k, p in self.priors.items() if c in names_of(k, p)] for c in self.columns}
        for column, labels in twice.items():
            if len(labels) > 1:
                raise ValueError(f"{column!r} is drawn by {' and by '.join(map(repr, labels))}; leave one of them out.")
        if self.design == "grid":
            self._levels  # noqa: B018  (a grid that cannot be is refused here)
        elif isinstance(self.n, Mapping):
            raise ValueError(f"n by name makes a grid, and the design is {self.design!r}. Try: design='grid'.")
        elif _whole("n", self.n, 1) > MOST_ROWS:
            raise ValueError(f"n must be at most {MOST_ROWS}, got {self.n!r}.")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The quantities that are drawn."""
        return tuple(name for label, prior in self.priors.items() for name in names_of(label, prior))

    def __len__(self) -> int:
        return math.prod(self._levels.values()) if self.design == "grid" else int(self.n)

    @property
    def said(self) -> dict[str, Any]:
        """The design as plain values: how, how many, the seed and the priors; for a grid, its levels."""
        said = {"design": self.design, "n": len(self), "seed": self.seed}
        said["priors"] = {label: to_dict(prior) for label, prior in self.priors.items()}
        return said | ({"levels": dict(self._levels)} if self.design == "grid" else {})

    def rows(self, start: int, stop: int) -> pd.DataFrame:
        """Return the draws `start` to `stop` - 1, or to the last: a column per quantity, with their numbers as labels.

        Raises
        ------
        IndexError
            The design has no such rows.
        """
        if not 0 <= start <= min(stop, len(self)):
            raise IndexError(f"Rows {start} to {stop} of a design with {len(self)}.")
        stop = min(stop, len(self))
        u = self._probabilities(start, stop)
        values = np.empty((len(self.columns), stop - start))
        at = row = 0
        for prior in self.priors.values():
            taken, names = self._taken(prior), getattr(prior, "names", None)
            own = u[:, at : at + taken]
            if names is None:  # one quantity; what is fixed takes no probabilities
                values[row] = prior.quantile(own[:, 0] if own.shape[1] else values[row])
            else:
                values[row : row + len(names)] = prior.quantile(own).T
            at, row = at + taken, row + (1 if names is None else len(names))
        index = pd.RangeIndex(start, stop, name="draw")
        draws = pd.DataFrame(values.T, index=index, columns=list(self.columns), copy=False)
        draws.attrs["design"] = self.said
        return draws

    def _taken(self, prior: Prior) -> int:
        """How many columns of probabilities a prior takes; at random one at least, also where it is fixed."""
        return max(1, dimensions_of(prior)) if self.design == "random" else dimensions_of(prior)

    def _probabilities(self, start: int, stop: int) -> Array:
        """Probabilities (row, dimension) strictly between 0 and 1."""
        k = sum(map(self._taken, self.priors.values()))
        if k == 0:
            return np.empty((stop - start, 0))
        if self.design == "random":
            u = uniforms(self.seed, start, stop, k)
        elif self.design == "grid":
            u = self._grid(start, stop)
        else:
            u = _space_filling(self.design, len(self), k, self.seed)[start:stop]
        return np.clip(u, SMALLEST, LARGEST, order="F")  # a law takes a column

    # -- grids -------------------------------------------------------------------------------------

    @cached_property
    def _levels(self) -> dict[str, int]:
        """How many levels each dimension of the grid has, by the name of its quantity (of a `Table`: its label)."""
        varied = [name for name, _ in self._dimensions()]
        if isinstance(self.n, Mapping):
            return _levels_by_name(self.n, varied)
        n, k = _whole("n", self.n, 1), len(varied)
        root = round(n ** (1 / k)) if k else 1
        if root**k != n:
            below = next(m for m in (root, root - 1) if m**k < n)
            sizes = [below, below + 1] if k else [1]
            near = " and ".join(f"{m**k} ({m} level{'s' * (m > 1)})" for m in sizes)
            raise ValueError(
                f"A grid over {k} quantities has levels**{k} draws, and {n} is none of those; the nearest: {near}. "
                'Levels may differ: n={"k1": 5, "k2": 3}.'
            )
        return dict.fromkeys(varied, root)

    def _dimensions(self) -> Iterator[tuple[str, Prior]]:
        """What each dimension is called, and whose it is."""
        for label, prior in self.priors.items():
            for name, law in getattr(prior, "laws", {label: prior}).items():
                if dimensions_of(law):
                    yield name, law

    def _grid(self, start: int, stop: int) -> Array:
        counts = self._levels
        places = np.unravel_index(np.arange(start, stop), tuple(counts.values()))
        levels = [
            prior.levels(counts[name]) if hasattr(prior, "levels") else even_levels(counts[name])
            for name, prior in self._dimensions()
        ]
        return np.stack([own[place] for own, place in zip(levels, places, strict=True)], axis=1)


def _levels_by_name(n: Mapping[str, int], varied: list[str]) -> dict[str, int]:
    for name in n:
        if name not in varied:
            raise unknown_name("varied quantity", name, varied, "the grid")
    missing = [name for name in varied if name not in n]
    if missing:
        raise ValueError(f"n gives levels to {', '.join(n)}, and {', '.join(missing)} vary as well; 1 is the median.")
    return {name: _whole(f"n of {name!r}", n[name], 1) for name in varied}


@lru_cache(maxsize=1)  # the rows of these depend on each other, and are asked for piece by piece
def _space_filling(design: str, n: int, k: int, seed: int) -> Array:
    from scipy.stats import qmc

    maker = qmc.LatinHypercube if design == "latin-hypercube" else qmc.Sobol
    with warnings.catch_warnings():  # n need not be a power of two: the design is written down
        warnings.simplefilter("ignore", UserWarning)
        u = maker(k, rng=np.random.default_rng(seed)).random(n)
    u.setflags(write=False)
    return u


def _whole(name: str, value: Any, least: int) -> int:
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(value, bool) or whole != value or whole < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}.")
    return whole
