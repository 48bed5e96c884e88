"""How much `simulate` costs over a bare libroadrunner loop that does the same work right.

python benchmarks/simulation.py [draws]

Both loops run in this one process, in turns, on the same draws, tolerances and outputs; the bare one
writes into one array and knows beforehand which parameters to set. CPU seconds; the ratio is what
counts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import sbml_hybrid as sh
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.solver import LADDER, Solver, roadrunner, selection_of

MODELS = {"huang_ferrell_1996": 60.0, "repressilator": 600.0, "wolf_heinrich_2000": 1.0, "lotka_volterra": 40.0}
POINTS, ROUNDS = 101, 3


def bare(model, draws, times) -> np.ndarray:
    """The loop that a careful user writes: reset, set, start again, simulate."""
    solver = Solver(model)
    engine = solver.engine
    selections = [selection_of(model, name)[0] for name in model.states]
    out = np.empty((len(draws), len(times), len(selections)))
    values, names, grid = draws.to_numpy(), list(draws.columns), times.tolist()
    engine.integrator.relative_tolerance = LADDER[0].relative
    engine.integrator.absolute_tolerance = LADDER[0].absolute
    with quiet():
        for i, row in enumerate(values):
            engine.model.reset(roadrunner.SelectionRecord.ALL)
            for name, value in zip(names, row, strict=True):
                engine.model[name] = value
            engine.model.reset()
            engine.integrator.restart(0.0)
            out[i] = engine.simulate(times=grid, selections=selections)
    return out


def main(count: int) -> None:
    """Print a Markdown table."""
    folder = Path(__file__).resolve().parents[1] / "models"
    print("| model | states | bare, ms a trajectory | simulate, ms | bare / simulate |\n|---|---|---|---|---|")
    for name, end in MODELS.items():
        model = sh.load(folder / f"{name}.ant")
        draws = sh.sample(sh.around(model, fold=1.5), count, seed=0)
        times = np.linspace(0, end, POINTS)
        sh.simulate(model, draws.iloc[:2], times=times)
        spent = {bare: 0.0, sh.simulate: 0.0}
        for _ in range(ROUNDS):
            for run in spent:
                start = time.process_time()
                run(model, draws, times=times)
                spent[run] += time.process_time() - start
        each = {run: seconds / ROUNDS / count * 1e3 for run, seconds in spent.items()}
        ratio = each[bare] / each[sh.simulate]
        print(f"| {name} | {len(model.states)} | {each[bare]:.2f} | {each[sh.simulate]:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
