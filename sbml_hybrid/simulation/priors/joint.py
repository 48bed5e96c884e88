"""Several quantities drawn together: correlated, or tied by formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.mechanism.kinetics import Apply, Tree, evaluate, mentions_time, names, walk
from sbml_hybrid.simulation.priors.laws import (
    LARGEST,
    SMALLEST,
    Array,
    Prior,
    dimensions_of,
    normal_cdf,
    normal_quantile,
)

_ROUNDING = 1e-9  # how far a correlation matrix may be from one by rounding


@dataclass(frozen=True, eq=False)
class Joint:
    """Laws of several quantities that belong together.

    For parameters that an experiment constrains together (a rate and its Michaelis constant), and for what
    thermodynamics ties: a rate backwards is the rate forwards over the equilibrium constant, and around a closed
    cycle the equilibrium constants multiply to 1 (Wegscheider's condition), so one rate follows from the others.

    In a mapping of priors it stands under any label; its columns have the names of its quantities.

    Parameters
    ----------
    laws
        Name of a quantity -> its own law.
    correlation
        Matrix (quantity, quantity) in the order of `laws`; by default the quantities are independent. It is that of
        the normal scores (a Gaussian copula): between two `LogNormal` laws it is the correlation of the logarithms,
        between two `Normal` ones that of the values.
    formulas
        Name of a further quantity -> how it follows from those of `laws` and from earlier formulas, such as
        ``{"kr": "kf / 2.5"}``. It holds in every row, to rounding. ``init(S)`` and ``init([S])`` may be used.
    not_negative
        Quantities whose formula must give zero or more in every row; `of` names those that a model says cannot be
        negative, such as initial amounts.

    Raises
    ------
    ValueError
        The matrix is no correlation matrix; a formula uses the time, or another function of a model.
    DataError
        A formula cannot be read.
    UnknownName
        A formula uses a name that is not drawn here, or `not_negative` one that has no formula.

    References
    ----------
    Nelsen (2006), An Introduction to Copulas, doi:10.1007/0-387-28678-0.
    """

    laws: Mapping[str, Prior]
    correlation: Sequence[Sequence[float]] | None = None
    formulas: Mapping[str, str] = field(default_factory=dict)
    not_negative: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "laws", dict(self.laws))
        object.__setattr__(self, "formulas", dict(self.formulas))
        if not self.laws:
            raise ValueError("Joint needs the law of one quantity or more.")
        for name, law in self.laws.items():
            if isinstance(law, type) or hasattr(law, "names") or not hasattr(law, "quantile"):
                raise ValueError(f"Joint takes laws of one quantity, such as Normal(1, 2), got {law!r} for {name!r}.")
        if self.correlation is not None:
            matrix = _checked_correlation(self.correlation, self.laws)
            object.__setattr__(self, "correlation", tuple(map(tuple, matrix.tolist())))
        for name, text in self.formulas.items():
            if not isinstance(text, str):
                raise ValueError(f"The formula of {name!r} must be a text, such as 'kf/2', got {text!r}.")
            if name in self.laws:
                raise ValueError(f"{name!r} has both a law and a formula; leave one of them out.")
        if self.not_negative is not None:
            object.__setattr__(self, "not_negative", tuple(self.not_negative))
        for name in self.not_negative or ():
            if name not in self.formulas:
                raise unknown_name("formula", name, self.formulas, "the Joint, for not_negative")
        self._trees  # noqa: B018  (reads the formulas, so that a wrong one is refused here)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Joint) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that it draws: those with a law, then those with a formula."""
        return (*self.laws, *self.formulas)

    @property
    def dimensions(self) -> int:
        """How many probabilities a draw takes: one for each law that is not `Fixed`."""
        return sum(map(dimensions_of, self.laws.values()))

    def quantile(self, u: Array) -> Array:
        """Return the values (n, name) at the probabilities `u` (n, dimension).

        Raises
        ------
        ValueError
            A formula has no finite value in some row, or a negative one where there must be none.
        """
        probabilities = self._correlated(np.asarray(u, float))
        values = {name: law.quantile(p) for (name, law), p in zip(self.laws.items(), probabilities, strict=True)}
        for name, tree in self._trees.items():
            value = np.broadcast_to(evaluate(tree, {_stand_in(n): v for n, v in values.items()}), (len(u),))
            least = 0.0 if name in (self.not_negative or ()) else -np.inf
            bad = np.flatnonzero(~(np.isfinite(value) & (value >= least)))
            if len(bad):
                at = ", ".join(f"{n} = {v[bad[0]]:.6g}" for n, v in values.items())
                given = f"The formula {name} = {self.formulas[name]} gives {value[bad[0]]:g} where {at}"
                hint = f", and {name} cannot be negative. Try: Truncated laws" if np.isfinite(value[bad[0]]) else ""
                raise ValueError(f"{given}{hint}.")
            values[name] = value
        return np.stack(list(values.values()), axis=1)

    def _correlated(self, u: Array) -> list[Array]:
        """The probabilities of each law, (n,) each: independent ones, or those of correlated normal scores."""
        columns = iter(np.ascontiguousarray(u.T))
        nothing = np.full(len(u), 0.5)
        own = [next(columns) if dimensions_of(law) else nothing for law in self.laws.values()]
        if self.correlation is None:
            return own
        scores = [normal_quantile(column) for column in own]
        # Sums written out: what a matrix product rounds to depends on how many rows it is given.
        mixed = [sum(w * z for w, z in zip(row, scores, strict=True) if w) for row in self._factor.tolist()]
        return [np.clip(normal_cdf(z), SMALLEST, LARGEST) for z in mixed]

    @cached_property
    def _factor(self) -> Array:
        return _lower_factor(np.array(self.correlation))

    @cached_property
    def _trees(self) -> dict[str, Tree]:
        known: list[str] = list(self.laws)
        trees = {}
        for name, text in self.formulas.items():
            trees[name] = _read(name, text, known)
            known.append(name)
        return trees

    @property
    def _content(self) -> tuple[Any, ...]:
        return (tuple(self.laws.items()), self.correlation, tuple(self.formulas.items()), self.not_negative)


# -- correlation -----------------------------------------------------------------------------------


def _checked_correlation(correlation: Any, laws: Mapping[str, Prior]) -> Array:
    k = len(laws)
    try:
        matrix = np.array(correlation, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"correlation must be {k} rows of {k} numbers, got {correlation!r}.") from None
    if matrix.shape != (k, k):
        problem = f"have shape ({k}, {k}), for {', '.join(laws)}; it has {matrix.shape}"
    elif not np.isfinite(matrix).all():
        problem = "hold finite numbers"
    elif np.abs(matrix - matrix.T).max() > _ROUNDING:
        i, j = np.unravel_index(np.abs(matrix - matrix.T).argmax(), matrix.shape)
        problem = f"be symmetric; [{i}, {j}] is {matrix[i, j]:g} and [{j}, {i}] is {matrix[j, i]:g}"
    elif np.abs(np.diag(matrix) - 1).max() > _ROUNDING:
        i = np.abs(np.diag(matrix) - 1).argmax()
        problem = f"have 1 on its diagonal; [{i}, {i}] is {matrix[i, i]:g}"
    elif np.linalg.eigvalsh(matrix)[0] < -_ROUNDING * k:
        problem = f"be positive semi-definite; its smallest eigenvalue is {np.linalg.eigvalsh(matrix)[0]:.3g}"
    elif any(not dimensions_of(law) and matrix[i].any(where=np.arange(k) != i) for i, law in enumerate(laws.values())):
        problem = "be 0 between a fixed quantity and the others"
    else:
        return matrix
    raise ValueError(f"correlation must {problem}.")


def _lower_factor(matrix: Array) -> Array:
    """Return L with unit rows and L L' = `matrix`; a quantity that follows from earlier ones has no column."""
    factor = np.zeros_like(matrix)
    for j in range(len(matrix)):
        pivot = matrix[j, j] - sum(factor[j, :j] ** 2)
        if pivot > _ROUNDING:
            factor[j, j] = np.sqrt(pivot)
            for i in range(j + 1, len(matrix)):
                factor[i, j] = (matrix[i, j] - sum(factor[i, :j] * factor[j, :j])) / factor[j, j]
    return factor / np.sqrt((factor**2).sum(axis=1, keepdims=True))


# -- formulas --------------------------------------------------------------------------------------


def _read(name: str, text: str, known: list[str]) -> Tree:
    from sbml_hybrid.mechanism.reader import parse_formula

    written = text
    for quantity in known:
        if not quantity.isidentifier():  # init(S), which a formula would take for a function
            written = written.replace(quantity, _stand_in(quantity))
    tree = parse_formula(written, ids=[_stand_in(quantity) for quantity in known])
    for used in sorted(names(tree)):
        if used not in map(_stand_in, known):
            raise unknown_name("quantity", used, known, f"the Joint, for {name} = {text}")
    called = [node.function for node in walk(tree) if isinstance(node, Apply)]
    if called or mentions_time(tree):
        problem = f"uses {called[0]!r}, which is not drawn here" if called else "uses the time; a draw has none"
        raise ValueError(f"The formula {name} = {text} {problem}. Drawn: {', '.join(known)}.")
    return tree


def _stand_in(quantity: str) -> str:
    """An id for a quantity's name, another for each: ``init([S1])`` is no id."""
    if quantity.isidentifier():
        return quantity
    return "_" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in quantity)
