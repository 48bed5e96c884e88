"""A7: one kinetic law of a pathway is unknown, and a network learns it with its modifiers.

python benchmarks/hybrids/a7.py [--seeds 5] [--small] [--write]

Eight reactions, a branch, and a first step that saturates with its substrate and is inhibited by the end product
(models: `PATHWAY`). That step is replaced by a network that is offered all six species; the other laws are known. 20
trajectories from varied amounts are measured at 21 times with 5 % noise. The law is judged at the states that 20
held-out trajectories come by, the trajectories by the error of the held-out ones without noise. The rows to compare
with are a neural ODE (a network of all species makes all derivatives, with the same training) and the oracle (the true
law with its three constants estimated).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tables import write
from training import Bench, asked, interval

import sbml_hybrid as sh

PATHWAY = """
    v0:       => S1; 1.0
    v1: S1    => S2; Vmax*S1/(Km + S1)/(1 + (S5/Ki)^2)
    v2: S2    => S3; 0.8*S2
    v3: S3    => S4; 1.2*S3/(0.8 + S3)
    v4: S4    => S5; 0.6*S4
    v5: S5    =>   ; 0.5*S5
    v6: S2    => S6; 0.3*S2
    v7: S6    =>   ; 0.4*S6
    S1 = 1; S2 = 1; S3 = 1; S4 = 1; S5 = 1; S6 = 1
    Vmax = 3; Km = 0.8; Ki = 1
"""
# What is known of the first step: its substrate, and about how fast it is.
UNKNOWN = PATHWAY.replace("Vmax*S1/(Km + S1)/(1 + (S5/Ki)^2)", "0.5*S1")
SPECIES = ["S1", "S2", "S3", "S4", "S5", "S6"]
MODIFIERS = {"S1", "S5"}
CV = 0.05


END, ESSENTIAL = 10.0, 0.2


@dataclass(frozen=True)
class Size:
    """How much is done: trajectories for training (as many are held out), times, epochs, and units of two layers."""

    trajectories: int = 20
    times: int = 21
    epochs: int = 400
    alone: int = 150
    units: int = 16


SMALL = Size(trajectories=10, times=9, epochs=200, alone=150, units=8)


def law(states: np.ndarray) -> np.ndarray:
    """Return the true rate of v1 at states (..., species)."""
    s1, s5 = states[..., 0], states[..., 4]
    return 3 * s1 / (0.8 + s1) / (1 + s5**2)


def data(size: Size, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs and true trajectories, and with them the true rates, from initial amounts of 0.1 to 4."""
    start = sh.sample(prior(), size.trajectories, seed=seed)
    times = np.linspace(0.0, END, size.times)
    truth = sh.simulate(sh.load(PATHWAY), start, times=times, quantities=SPECIES)["truth"].values
    inputs = {"times": np.tile(times, (size.trajectories, 1)), "initial": start.to_numpy()}
    return inputs, np.concatenate([truth, law(truth)[:, :, None]], axis=2)


def prior() -> dict[str, Any]:
    """Return the laws of the initial amounts."""
    return {f"init({s})": sh.priors.LogUniform(0.1, 4.0) for s in SPECIES}


def measured(truth: np.ndarray, seed: int) -> np.ndarray:
    """Return what is measured: the species, with noise, and no rates."""
    noisy = sh.noise.Lognormal(CV).apply(truth, np.random.default_rng(seed))
    noisy[:, :, len(SPECIES) :] = np.nan
    return noisy


def benches(size: Size) -> dict[str, Bench]:
    """Return what is compared: the law from a network, all derivatives from one, and the true law estimated."""
    from sbml_hybrid.hybrid.model import HybridModel
    from sbml_hybrid.hybrid.networks import Perceptron
    from sbml_hybrid.hybrid.penalties import InputLasso

    noise, steps = sh.noise.Lognormal(CV), 2 * size.times + 5

    def simulation(text: str, grafts: Any = (), **settings: Any) -> Any:
        seen = [*SPECIES, "v1"]
        settings |= {"end": END, "initial": SPECIES, "observables": seen, "prior": prior(), "steps": steps}
        return sh.Simulate(sh.load(text), grafts, **settings)

    def hybrid(seed: int) -> Any:
        graft = sh.Graft("v1", Perceptron(size.units, 2, seed=seed), SPECIES, mode="scale")
        return HybridModel(simulation(UNKNOWN, [graft]), noise=noise, penalties=[InputLasso(weight=0.1)])

    def neural(seed: int) -> Any:
        graft = sh.Graft([f"{s}'" for s in SPECIES], Perceptron(2 * size.units, 2, seed=seed), SPECIES, mode="replace")
        return HybridModel(simulation(UNKNOWN, [graft]), noise=noise)

    def oracle(seed: int) -> Any:
        names = {"Vmax": (0.3, 30.0), "Km": (0.08, 8.0), "Ki": (0.1, 10.0)}
        other = PATHWAY.replace("Vmax = 3; Km = 0.8; Ki = 1", "Vmax = 1; Km = 1; Ki = 2")
        return HybridModel(simulation(other, parameters=list(names)), estimate=names, noise=noise)

    return {
        "one law from a network": Bench(hybrid, size.epochs, 0.02),
        "neural ODE": Bench(neural, size.epochs, 0.02),
        "oracle: the true law": Bench(oracle, size.alone, 0.05),
    }


def rates(model: Any, states: np.ndarray) -> np.ndarray:
    """Return what the hybrid's v1 is at states (point, species): it starts there, and is asked at once."""
    return model.predict({"times": np.zeros((len(states), 1)), "initial": states})[:, 0, len(SPECIES)]


def effects(model: Any, states: np.ndarray, seed: int) -> np.ndarray:
    """Return how much the rate changes where one species is taken from another state, relative to the rate's spread."""
    rng, own = np.random.default_rng(seed), rates(model, states)
    found = []
    for i in range(len(SPECIES)):
        shuffled = states.copy()
        shuffled[:, i] = rng.permutation(shuffled[:, i])
        found.append(np.sqrt(np.mean((rates(model, shuffled) - own) ** 2)) / own.std())
    return np.array(found)


def f1(found: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall of the species that `found` marks as modifiers."""
    marked = {s for s, yes in zip(SPECIES, found, strict=True) if yes}
    return 2 * len(marked & MODIFIERS) / (len(marked) + len(MODIFIERS))


def judged(model: Any, size: Size, seed: int) -> dict[str, float]:
    """Return the errors of a trained model on held-out trajectories, and how well it names the modifiers."""
    from sbml_hybrid.forecasting.engine import keras
    from sbml_hybrid.hybrid.networks import first_kernel

    inputs, truth = data(size, 1000 + seed)
    species = truth[:, :, : len(SPECIES)]
    error = (model.predict(inputs)[:, :, : len(SPECIES)] - species) / species.std(axis=(0, 1))
    found = {"trajectory": float(100 * np.sqrt(np.nanmean(error**2))), "lost": float(np.isnan(error).mean())}
    if model.simulate.grafts and len(model.simulate.grafts[0].port) > 1:
        return found  # a neural ODE has no law
    states = species.reshape(-1, len(SPECIES))
    true = law(states)
    found["law"] = float(100 * np.sqrt(np.mean((rates(model, states) - true) ** 2)) / np.ptp(true))
    if model.simulate.grafts:
        kernel = keras.ops.convert_to_numpy(first_kernel(model.simulate.heads[0].network, 0))
        rows, effect = np.linalg.norm(kernel, axis=1), effects(model, states, seed)
        print("  rows", rows.round(2), "effects", effect.round(2))
        found |= {"f1": f1(effect > ESSENTIAL), "f1 of rows": f1(rows > ESSENTIAL * rows.max())}
        found["constant"] = float(100 * true.std() / np.ptp(true))
    return found


def results(size: Size, seeds: int) -> dict[str, list[dict[str, float]]]:
    """Return for each of what is compared, and each seed, what `judged` says."""
    found: dict[str, list[dict[str, float]]] = {}
    for name, bench in benches(size).items():
        for seed in range(seeds):
            inputs, truth = data(size, seed)
            model = bench.trained(seed, inputs, measured(truth, seed))
            found.setdefault(name, []).append(judged(model, size, seed))
            print(name, seed, found[name][-1], flush=True)
    return found


def main() -> None:
    """Run the experiment and print or write its table."""
    wanted = asked("a7", __doc__)
    rows = []
    for name, found in results(SMALL if wanted.small else Size(), wanted.seeds).items():
        cells = []
        for key, digits in (("law", 1), ("f1", 2), ("f1 of rows", 2), ("trajectory", 1)):
            cells.append(interval([one[key] for one in found], digits) if key in found[0] else "")
        rows.append([name, wanted.seeds, *cells])
        print(*rows[-1], sep=" | ")
    if wanted.write:
        text = (
            "A pathway of 8 reactions, one of whose laws a network learns from 20 trajectories with 5 % noise: mean "
            "and 95 % interval over seeds, which are of networks, amounts and noise. The law's error is the root mean "
            "square over its range, at the states of 20 held-out trajectories (gate: 5 %); the trajectories' is in "
            "units of each species' standard deviation. F1 is that of the modifiers: species whose effect on the "
            f"learned rate, when they are shuffled among states, is above {ESSENTIAL:g} of its spread (gate: 0.8); or "
            f"whose row of the first kernel is longer than {ESSENTIAL:g} of the longest."
        )
        columns = ["", "seeds", "law, %", "F1", "F1 by kernel", "trajectories held out, %"]
        write("a7", "A7: one unknown law in a pathway", text, columns, rows)


if __name__ == "__main__":
    main()
