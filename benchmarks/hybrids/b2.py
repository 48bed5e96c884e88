"""B2: conserved moieties hold whatever a network does to reactions, and drift when it acts on derivatives.

python benchmarks/hybrids/b2.py [--models huang_ferrell_1996 ...] [--seeds 5] [--write]

For each seed, a network with random weights (factors up to 5-fold on every reaction) is grafted on a model; the drift
of a moiety is the largest change of its total along 16 trajectories, relative to the total, in float64.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tables import write

import sbml_hybrid as sh

ROOT = Path(__file__).resolve().parents[2]
ENDS = {"huang_ferrell_1996": 100.0, "tyson_1991": 50.0}
DRAWS = 16


def drift(model: sh.Model, end: float, seed: int, mode: str) -> tuple[float, float, float]:
    """Return the largest relative drift of a total, the least amount over the largest, and how many were unfinished."""
    from sbml_hybrid.forecasting.engine import keras

    species = [s.id for s in model.species if s.id in model.reacting]
    ports = list(model.laws) if mode == "scale" else [f"{s}'" for s in species]
    spread = keras.initializers.RandomNormal(seed=seed)
    body = keras.layers.Dense(16, "tanh", dtype="float64", kernel_initializer=spread)
    graft = sh.Graft(ports, body, inputs=species, mode=mode, fold=5.0 if mode == "scale" else None)
    draws = sh.sample(sh.around(model, fold=1.5), DRAWS, seed=seed)
    amounts = {s: s if model.by_id[s].amount_in_formulas else f"{s}*{model.by_id[s].compartment}" for s in species}
    simulate = sh.Simulate(
        model, [graft], end=end, parameters=list(draws.columns), observables=amounts, steps=3000, tolerance=1e-2
    )
    hybrid = sh.HybridModel(simulate)
    rng, last = np.random.default_rng(seed), hybrid.simulate.heads[0].last
    size = 0.3 if mode == "scale" else 0.003
    last.set_weights([rng.normal(size=w.shape) * size for w in last.get_weights()])
    times = np.tile(np.linspace(0.0, end, 21), (DRAWS, 1))
    states = hybrid.predict({"times": times, "parameters": draws.to_numpy()}, verbose=0)
    at = {s: states[:, :, i] for i, s in enumerate(species)}
    drifts = []
    for moiety in (m for m in model.moieties() if m.total and not m.broken_by):
        total = sum(n * at[s] for s, n in moiety.members)
        drifts.append(np.nanmax(np.abs(total - total[:, :1]) / np.abs(total[:, :1])))
    least = min(np.nanmin(v) / np.nanmax(np.abs(v)) for v in at.values())
    return float(max(drifts)), float(least), float(np.isnan(states).any(axis=(1, 2)).mean())


def main() -> None:
    """Run the experiment and print or write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(ENDS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/experiments/b2.md")
    asked = parser.parse_args()
    rows = []
    for name in asked.models:
        model = sh.load(ROOT / "models" / f"{name}.ant")
        for mode, label in (("scale", "reactions, factor up to 5"), ("add", "derivatives, added")):
            found = np.array([drift(model, ENDS[name], seed, mode) for seed in range(asked.seeds)])
            drifts, unfinished = found[:, 0], found[:, 2].mean()
            rows.append([name, label, asked.seeds, f"{drifts.mean():.1e}", f"{drifts.max():.1e}", f"{unfinished:.0%}"])
            print(rows[-1], flush=True)
    if asked.write:
        text = (
            "Conserved moieties under networks with random weights: the drift of a total, relative to it. Gate: 1e-10."
        )
        columns = ["model", "graft on", "seeds", "mean drift", "largest drift", "unfinished trajectories"]
        write("b2", "B2: moieties hold", text, columns, rows)


if __name__ == "__main__":
    main()
