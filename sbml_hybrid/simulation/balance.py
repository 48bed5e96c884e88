"""Where the rates of a model vanish: Newton's method within the totals that reactions conserve, and stability there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.kinetics import Tree, mentions_time, names
from sbml_hybrid.mechanism.model import Model, Species
from sbml_hybrid.mechanism.odes import Odes, amount_of, right_hand_side
from sbml_hybrid.mechanism.rates import ZERO

UNSTABLE, UNDETERMINED, STABLE = -1, 0, 1
STABILITIES = {UNSTABLE: "unstable", UNDETERMINED: "undetermined", STABLE: "stable"}
SINGULAR = 1e-11  # reciprocal condition of the Jacobian, rows and columns scaled, at which Newton's step means nothing
ZERO_EIGENVALUE = 1e-11  # relative to the largest one: what differences leave of a zero
ITERATIONS = 30
Rates = Callable[[np.ndarray], np.ndarray]  # states (..., state) -> derivatives of amounts and values (..., state)
# Fourth-order differences: around a point, and to one side where a species would become negative.
_CENTRAL = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12
_FORWARD = np.array([1.0, 2.0, 3.0, 4.0]), np.array([48.0, -36.0, 16.0, -3.0]) / 12


@dataclass(frozen=True, eq=False)
class Root:
    """A state (state,) whose rates are zero, and its stability, one of `STABILITIES`."""

    state: np.ndarray
    stability: int


class Balance:
    """The rates of a model that knows no time, as a system of equations.

    Parameters
    ----------
    model
        The model.

    Raises
    ------
    ModelError
        Something changes with time itself, so that there is no state of rest.
    """

    def __init__(self, model: Model) -> None:
        self.odes = right_hand_side(model)
        _require_autonomous(self.odes)
        self.is_species = np.array([isinstance(model.by_id.get(id), Species) for id in self.odes.states], dtype=bool)
        self.totals = _totals(model, self.odes)

    def jacobian(self, state: np.ndarray, rates: Rates, size: np.ndarray) -> np.ndarray:
        """Return the derivatives (rate, state) of the rates, by differences over a thousandth of `size`."""
        step = 1e-3 * size
        one_sided = self.is_species & (state < 2 * step) & (state >= 0)
        offsets = np.where(one_sided, _FORWARD[0][:, None], _CENTRAL[0][:, None])
        weights = np.where(one_sided, _FORWARD[1][:, None], _CENTRAL[1][:, None])
        n = len(state)
        moved = np.broadcast_to(state, (4, n, n)).copy()
        moved[:, np.arange(n), np.arange(n)] += offsets * step
        around = rates(moved) - rates(state)
        return np.einsum("ks,ksr->rs", weights, around) / step

    def root(
        self, state: np.ndarray, rates: Rates, size: np.ndarray, near: np.ndarray, start: np.ndarray | None = None
    ) -> Root | None:
        """Return the root within `near` of `state`, with the same conserved totals; None if there is none.

        Parameters
        ----------
        state
            Where to begin (state,).
        rates
            The derivatives of states (..., state).
        size
            How large each state is for a difference, above 0.
        near
            How far from `state` the root may be.
        start
            A state (state,) whose totals are exact where those of `state` are rounded.
        """
        slope = self.jacobian(state, rates, size)
        if not np.isfinite(slope).all():
            return None
        link, free, restored = self._link(slope, size, 0.0 if start is None else start - state)
        if not len(free):
            return Root(state + restored, STABLE)
        matrix = _scaled(slope[free] @ link, size[free])
        if _is_singular(matrix):
            return None
        rows = np.abs(matrix).max(axis=1)
        inverse = np.linalg.inv(matrix / rows[:, None])
        at, last = state + restored, np.inf
        for _ in range(ITERATIONS):
            step = link @ (size[free] * (inverse @ (-rates(at)[free] / size[free] / rows)))
            at = at + step
            if not (np.abs(at - state) <= near).all():
                return None
            moved = float(np.abs(step / size).max())
            if moved < 1e-13 or (moved < 1e-9 and moved > last / 2):
                return self._checked(at, rates, size, near)
            last = moved
        return None

    def stability(self, state: np.ndarray, rates: Rates, size: np.ndarray) -> int:
        """Return what the eigenvalues of the Jacobian say, those of conserved totals left out."""
        slope = self.jacobian(state, rates, size)
        if not np.isfinite(slope).all():
            return UNDETERMINED
        link, free, _ = self._link(slope, size)
        if not len(free):
            return STABLE
        matrix = _scaled(slope[free] @ link, size[free])
        if _is_singular(matrix):
            return UNDETERMINED
        values = np.linalg.eigvals(matrix)
        nearest, noise = values.real.max(), ZERO_EIGENVALUE * np.abs(values).max()
        return UNDETERMINED if abs(nearest) <= noise else STABLE if nearest < 0 else UNSTABLE

    def _checked(self, at: np.ndarray, rates: Rates, size: np.ndarray, near: np.ndarray) -> Root | None:
        """The root, if no amount in it is negative by more than rounding."""
        negative = self.is_species & (at < 0)
        if (negative & (at < -1e-2 * near)).any():
            return None
        at = np.where(negative, 0.0, at)
        return Root(at, self.stability(at, rates, size))

    def _link(
        self, slope: np.ndarray, size: np.ndarray, lost: np.ndarray | float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How all states follow from the free ones (state, free), and which these are (Reder's link matrix).

        Of each conserved total the largest member follows from the others, so that no small number is
        the difference of large ones. Third, what to add to these members so that the totals have what `lost` has.
        """
        kept = np.abs(self.totals @ slope) <= 1e-6 * (np.abs(self.totals) @ np.abs(slope))
        totals = self.totals[kept.all(axis=1)]
        dependent: list[int] = []
        for row in range(len(totals)):
            at = int(np.abs(totals[row] * size).argmax())
            dependent.append(at)
            totals[row] /= totals[row, at]
            others = np.arange(len(totals)) != row
            totals[others] -= np.outer(totals[others, at], totals[row])
        free = np.setdiff1d(np.arange(len(size)), dependent)
        link = np.zeros((len(size), len(free)))
        link[free, np.arange(len(free))] = 1.0
        link[dependent] = -totals[:, free]
        restored = np.zeros(len(size))
        restored[dependent] = totals @ np.broadcast_to(lost, size.shape)
        return link, free, restored


def _scaled(matrix: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The Jacobian of states relative to their size; its eigenvalues are the same."""
    return matrix * size / size[:, None]


def _is_singular(matrix: np.ndarray) -> bool:
    rows = np.abs(matrix).max(axis=1)
    return not (rows > 0).all() or bool(np.linalg.cond(matrix / rows[:, None]) * SINGULAR > 1)


def _totals(model: Model, odes: Odes) -> np.ndarray:
    """The independent conserved totals (total, state): moieties, and what nothing changes."""
    place = {name: i for i, name in enumerate(odes.variables)}
    found: list[np.ndarray] = []
    still = [{name: 1.0} for name, tree in zip(odes.variables, odes.derivatives, strict=True) if tree == ZERO]
    moieties = [{amount_of(id): n for id, n in moiety.members} for moiety in model.moieties()]
    for members in (*still, *moieties):
        row = np.zeros(len(place))
        for name, count in members.items():
            if name in place:
                row[place[name]] = count
        if np.linalg.matrix_rank(np.array([*found, row])) > len(found):
            found.append(row)
    return np.array(found).reshape(len(found), len(place))


def _require_autonomous(odes: Odes) -> None:
    definitions = dict(odes.definitions)
    for id, tree in zip(odes.states, odes.derivatives, strict=True):
        path = _to_time(tree, definitions)
        if path is not None:
            through = f" (through {' and '.join(path)})" if path else ""
            raise ModelError(
                f"{odes.model.source} has no steady state: the rate of {id!r} depends on time{through}. "
                "Try: a parameter in place of time, and its values as draws."
            )


def _to_time(tree: Tree, definitions: Mapping[str, Tree]) -> tuple[str, ...] | None:
    """The definitions through which a formula depends on time; None if it does not."""
    seen: set[str] = set()
    todo: list[tuple[Tree, tuple[str, ...]]] = [(tree, ())]
    while todo:
        at, path = todo.pop()
        if mentions_time(at):
            return path
        for name in sorted((names(at) & definitions.keys()) - seen):
            seen.add(name)
            todo.append((definitions[name], (*path, name)))
    return None
