"""What is typical of the quantities that grafts read and change, so that networks see numbers near 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sbml_hybrid.hybrid.accuracy import Accuracy, Reference
from sbml_hybrid.hybrid.grafts import Placed
from sbml_hybrid.hybrid.plan import Plan, observable_of
from sbml_hybrid.hybrid.varied import Varied
from sbml_hybrid.mechanism.arrays import Arrays


def ranges_of(
    places: Sequence[Placed], plan: Plan, accuracy: Accuracy, exact: Reference
) -> dict[str, tuple[float, float]]:
    """Return the range of every input of a graft, and what is typical of every port and observable.

    Returns
    -------
    dict
        Input -> its least and its largest value; ``"typical port"`` -> 0 and the port's largest size.
    """
    xp = Arrays(np)
    ports = {p for place in places for p in place.site.ports}
    wanted = {i for place in places for i in place.site.inputs if not i.startswith("column(")} | {
        p for p in ports if not p.endswith("'") and not p.startswith("init(")
    }
    known = {name for name in wanted if name in plan.model.by_id}
    field = replace(plan, observables={**plan.observables, **{n: n for n in known}}).readout(accuracy.signed)
    draws, points, states = exact.states.shape
    with np.errstate(all="ignore"):
        _, held = plan.start(Varied(plan.varied, exact.varied.T), np.zeros(draws), xp)
        given = np.repeat(held, points, axis=1)
        time = np.tile(exact.times, draws)[None]
        steered = np.array([[plan.odes.held_values[c]] * (draws * points) for c in plan.controls])
        steered = steered.reshape(len(plan.controls), draws * points)
        point = field.at(exact.states.reshape(-1, states).T, field.context(given, xp), steered, time, time, xp)
        slopes = plan.field(accuracy.signed)
        at = slopes.at(exact.states.reshape(-1, states).T, slopes.context(given, xp), steered, time, time, xp)
        speed = np.abs(slopes.slopes(at, xp)).max(axis=1)
    found: dict[str, tuple[float, float]] = {"time()": (0.0, plan.end)}
    for name in known:
        row = point.rows[field.row_of[observable_of(name)]]
        row = row[np.isfinite(row)] if np.isfinite(row).any() else np.zeros(1)
        found[name] = (float(row.min()), float(row.max()))
        found[f"typical {name}"] = (0.0, float(np.abs(row).max()))
    for name in plan.observables:
        row = point.rows[field.row_of[observable_of(name)]]
        found[f"typical {observable_of(name)}"] = (0.0, float(np.nanmax(np.abs(row))))
    for i, state in enumerate(plan.odes.states):
        found[f"typical {state}'"] = (0.0, float(speed[i]))
        found[f"typical init({state})"] = (0.0, float(np.abs(exact.states[:, 0, i]).max()))
    return found
