"""B2: conserved moieties hold whatever a network does to reactions, and drift when it acts on derivatives.

python benchmarks/hybrids/b2.py [--models huang_ferrell_1996 ...] [--seeds 5] [--write]

For each seed, networks with random weights (factors up to 5-fold on every reaction) are grafted on a model; the drift of
each moiety is the largest change of its total along 16 trajectories, relative to the total, in float64.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tables import write

import sbml_hybrid as sh
from sbml_hybrid.hybrid.grafts import Graft
from sbml_hybrid.hybrid.simulate import Simulate

ROOT = Path(__file__).resolve().parents[2]
ENDS = {"huang_ferrell_1996": 100.0, "tyson_1991": 50.0, "wolf_heinrich_2000": 1.0}
DRAWS = 16


def drift(model: sh.Model, end: float, seed: int, mode: str) -> tuple[float, float]:
    """Return the largest relative drift of a total, and the least amount of any species over its largest."""
    from sbml_hybrid.forecasting.engine import keras

    species = [s.id for s in model.species if s.id in model.reacting]
    moieties = [m for m in model.moieties() if m.total and not m.broken_by]
    ports = list(model.laws) if mode == "scale" else [f"{s}'" for s in species]
    body = keras.layers.Dense(16, "tanh", dtype="float64", kernel_initializer=keras.initializers.RandomNormal(seed=seed))
    graft = Graft(ports, body, inputs=species, mode=mode, fold=5.0 if mode == "scale" else None)
    draws = sh.sample(sh.around(model, fold=1.5), DRAWS, seed=seed)
    amounts = {s: f"amount({s})" if model.by_id[s].amount_in_formulas else f"{s}*{model.by_id[s].compartment}" for s in species}
    simulate = Simulate(
        model, [graft], end=end, parameters=list(draws.columns), observables={s: amounts[s].replace("amount(", "(") for s in species}
    )
    simulate.build()
    rng = np.random.default_rng(seed)
    last = simulate.heads[0].last
    last.set_weights([rng.normal(size=w.shape) * (0.3 if mode == "scale" else 0.003) for w in last.get_weights()])
    times = np.tile(np.linspace(0.0, end, 21), (DRAWS, 1))
    inputs = {"times": keras.Input((21,), dtype="float64"), "parameters": keras.Input((len(draws.columns),), dtype="float64")}
    network = keras.Model(inputs, simulate(inputs))
    states = network.predict({"times": times, "parameters": draws.to_numpy()}, verbose=0)
    at = {s: states[:, :, i] for i, s in enumerate(species)}
    drifts = []
    for moiety in moieties:
        total = sum(n * at[s] for s, n in moiety.members)
        drifts.append(np.nanmax(np.abs(total - total[:, :1])) / np.nanmax(np.abs(total)))
    return float(max(drifts)), float(min(np.nanmin(v) / np.nanmax(np.abs(v)) for v in at.values()))


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
            found = [drift(model, ENDS[name], seed, mode)[0] for seed in range(asked.seeds)]
            rows.append([name, label, asked.seeds, f"{np.mean(found):.1e}", f"{max(found):.1e}"])
            print(rows[-1], flush=True)
    if asked.write:
        text = "Conserved moieties under networks with random weights: the drift of a total, relative to it (gate: 1e-10)."
        write("b2", "B2: moieties hold", text, ["model", "graft on", "seeds", "mean drift", "largest drift"], rows)


if __name__ == "__main__":
    main()
