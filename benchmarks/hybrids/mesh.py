"""Whose steps: CVODE's own, made beforehand for each draw, or those that the cell finds for itself.

python benchmarks/hybrids/mesh.py

Prints the table of docs/decisions/12-whose-steps.md: the same method (ROS34PW2, in NumPy) on both kinds of steps, 16
draws, 1.5-fold around the model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sbml_hybrid as sh
from sbml_hybrid.hybrid.accuracy import Reference, ranges_of_states, reference, simulated
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.steps import Rosenbrock, Step, System
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.quiet import quiet

MODELS = {"huang_ferrell_1996": 200.0, "tyson_1991": 100.0}
XP = Arrays(np)


def meshes(model: sh.Model, plan: Plan, exact: Reference, halvings: int) -> np.ndarray:
    """CVODE's steps for each draw (draw, step), with stops at all times, halved so often; 0 after the last."""
    engine = sh.to_roadrunner(model)
    engine.timeCourseSelections = ["time"]
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-3, 1e-9
    found = []
    for values in exact.varied:
        engine.resetToOrigin()
        for name, value in zip(plan.varied, values, strict=True):
            engine.model[name] = value
        engine.reset()
        engine.integrator.variable_step_size = True
        with quiet():
            natural = np.array(engine.simulate(0, plan.end))[:, 0]
        engine.integrator.variable_step_size = False
        times = np.unique(np.concatenate([natural[natural <= plan.end], exact.times]))
        for _ in range(halvings):
            times = np.sort(np.concatenate([times, (times[1:] + times[:-1]) / 2]))
        found.append(np.diff(times))
    return np.array([np.pad(steps, (0, max(map(len, found)) - len(steps))) for steps in found])


def on_meshes(plan: Plan, exact: Reference, steps: np.ndarray) -> np.ndarray:
    """The states at the reference's times (draw, time, state), on steps made beforehand."""
    field = plan.field(())
    method = Rosenbrock(field)
    start, held = plan.start(dict(zip(plan.varied, exact.varied.T, strict=True)), np.zeros(len(steps)), XP)
    system = System(field, XP, field.context(held, XP))
    x, time, path = start, np.zeros((1, len(steps))), [start.T]
    for h in steps.T:
        x, _ = method(system, Step(x, None, time, h[None]))
        time = time + h[None]
        path.append(x.T)
    ends = np.cumsum(np.pad(steps, ((0, 0), (1, 0))), axis=1)
    at = np.array([[np.argmin(np.abs(row - t)) for t in exact.times] for row in ends])
    return np.take_along_axis(np.stack(path, axis=1), at[:, :, None], axis=1)


def main() -> None:
    """Print the table."""
    print("| model | steps | how many | draws that failed | largest error of the others | median error |")
    print("|---|---|---|---|---|---|")
    for name, end in MODELS.items():
        model = sh.load(Path(__file__).parents[2] / "models" / f"{name}.ant")
        plan = Plan(model, end, tuple(sh.around(model, fold=1.5)), (), (), (), {})
        exact = reference(plan, None, 16)
        ranges = ranges_of_states(exact.states, [v.startswith("amount(") for v in plan.odes.variables])
        rows = {}
        with np.errstate(all="ignore"):
            for halvings in range(3):
                steps = meshes(model, plan, exact, halvings)
                rows[f"CVODE's own, halved {halvings} times"] = (steps.shape[1], on_meshes(plan, exact, steps))
            for local in (1e-3, 1e-4, 1e-5, 1e-6):
                course = simulated(plan, plan.field(()), Rosenbrock(plan.field(())), exact, ranges, local, 6000)
                states = np.where((course.reached == len(exact.times))[:, None, None], course.states, np.nan)
                rows[f"found in the cell, tolerance {local:g}"] = (int(course.tried), states)
        for label, (count, states) in rows.items():
            errors = (np.abs(states - exact.states) / ranges).max(axis=(1, 2))
            good = errors[np.isfinite(errors)]
            print(
                f"| {name} | {label} | {count} | {len(errors) - len(good)} | {good.max():.1e} | {np.median(good):.1e} |"
            )


if __name__ == "__main__":
    main()
