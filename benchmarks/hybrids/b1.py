"""B1: yeast glycolysis whose use of ATP is unknown (Philipps et al., Universal differential equations, 2025).

python benchmarks/hybrids/b1.py [--seeds 5] [--small] [--published] [--write]

The model is that of Ruoff et al. (Biophys Chem 106:179, 2003, doi:10.1016/S0301-4622(03)00191-1) with the constants,
the bounds of the 12 that are estimated, the known initial concentrations and the design of the data of the study's
repository (github.com/m-philipps/ude_pipeline_systemsbio): NADH and ATP at 46 times up to 1.5 min with noise of 5 % of
their means, and a test from there to 5 min, whose error is the mean of abs(prediction - truth) / mean(truth). The use
of ATP is replaced by a network of all seven species. 16 starts are trained side by side, and the one that is likeliest
on the training data counts; it succeeds below 0.15. Adam comes near the minima, and L-BFGS ends in them. By default
starts are within 10-fold of the truth, up and down.
Here all 46 times are trained on; there half were for validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tables import write
from training import Bench, asked

import sbml_hybrid as sh

GLYCOLYSIS = """
    v0:            => S1;        J0
    v1: S1 + 2 A3  => 2 S2;      k1*S1*A3/(1 + (A3/K1)^4)  // hexokinase to aldolase, which ATP inhibits
    v2: S2         => S3 + N2;   k2*S2*(N - N2)
    v3: S3         => S4 + 2 A3; k3*S3*(A - A3)
    v4: S4 + N2    => ;          k4*S4*N2                  // ethanol
    v5: A3         => ;          k5*A3                     // the use of ATP
    v6: S2 + N2    => ;          k6*S2*N2                  // glycerol
    J:  S4         -> ;          kappa*(S4 - S4_ex)        // out of the cells, into phi times their volume
    J2:            -> S4_ex;     phi*kappa*(S4 - S4_ex)
    v7: S4_ex      => ;          k_ex*S4_ex
    S1 = 1.187; S2 = 0.193; S3 = 0.05; S4 = 0.115; N2 = 0.077; A3 = 2.475; S4_ex = 0.077  // mM; N2 NADH, A3 ATP
    J0 = 2.5; k1 = 100; k2 = 6; k3 = 16; k4 = 100; k5 = 1.28; k6 = 12; k_ex = 1.8; kappa = 13; K1 = 0.52  // mM, min
    N = 1; A = 4; phi = 0.1
"""
SPECIES = ["S1", "S2", "S3", "S4", "N2", "A3", "S4_ex"]
OBSERVABLES = ["N2", "A3"]
BOUNDS = {
    **{name: (0.1, 100.0) for name in ("J0", "k2", "k3", "k6", "k_ex", "kappa", "N", "A")},
    **{"k1": (1.0, 1000.0), "k4": (1.0, 1000.0), "K1": (0.01, 10.0), "phi": (0.01, 10.0)},
}
TRAINED, END, NOISE, SUCCESS = 1.5, 5.0, 0.05, 0.15


@dataclass(frozen=True)
class Size:
    """How much is done: starts, epochs of Adam, evaluations of L-BFGS, units of two layers, and how far starts may be.

    A `fold` of None takes the published bounds, which are 1000-fold; else starts are within this factor of the truth.
    """

    starts: int = 16
    epochs: int = 1000
    evaluations: int = 1000
    units: int = 8
    rate: float = 0.05
    fold: float | None = 10.0
    steps: int = 100
    lasso: float = 0.1


SMALL = Size(starts=4, epochs=150, evaluations=100, units=5, fold=1.3, steps=90)


def times(end: float) -> np.ndarray:
    """Return the times up to an end: 30 a minute."""
    return np.arange(0, round(30 * end) + 1) / 30


def truth(end: float) -> np.ndarray:
    """Return the true NADH and ATP (time, observable)."""
    return sh.simulate(sh.load(GLYCOLYSIS), None, times=times(end), quantities=OBSERVABLES)["truth"].values[0]


def measured(seed: int) -> np.ndarray:
    """Return what is measured (trajectory, time, observable)."""
    sizes = NOISE * truth(END).mean(axis=0)
    true = truth(TRAINED)
    noisy = true + sizes * np.random.default_rng(seed).normal(size=true.shape)
    return np.where(noisy < 0, 1e-10, noisy)[None]  # as published


def bounds(size: Size) -> dict[str, tuple[float, float]]:
    """Return what the constants are estimated within."""
    own = sh.load(GLYCOLYSIS).by_id
    if size.fold is None:
        return BOUNDS
    return {name: (own[name].value / size.fold, own[name].value * size.fold) for name in BOUNDS}


def benches(size: Size) -> dict[str, Bench]:
    """Return what is compared: a network for the use of ATP, and the true law with its constant estimated."""
    from sbml_hybrid.hybrid.model import HybridModel
    from sbml_hybrid.hybrid.networks import Perceptron
    from sbml_hybrid.hybrid.penalties import InputLasso

    model, within = sh.load(GLYCOLYSIS), bounds(size)

    def simulation(names: list[str], grafts: Any = ()) -> Any:
        return sh.Simulate(
            model, grafts, end=TRAINED, parameters=names, observables=OBSERVABLES, tolerance=5e-3, steps=size.steps,
            prior=sh.around(model, 5.0, of=names),
        )  # fmt: skip

    def hybrid(seed: int) -> Any:
        network = Perceptron(size.units, 2, seed=seed)
        graft = sh.Graft("v5", network, SPECIES, mode="replace", substrate_gate=True)
        layer, few = simulation(list(within), [graft]), InputLasso(weight=size.lasso)
        return HybridModel(layer, estimate=within, penalties=[few], starts=size.starts, seed=seed)

    def oracle(seed: int) -> Any:
        every = {**within, "k5": (0.1, 100.0)}
        return HybridModel(simulation(list(every)), estimate=every, starts=size.starts, seed=seed)

    return {
        "a network uses ATP": Bench(hybrid, size.epochs, size.rate, 0.3, size.evaluations),
        "oracle: the true law": Bench(oracle, size.epochs, size.rate, 0.3, size.evaluations),
    }


def judged(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the test error and the training loss of every start."""
    from sbml_hybrid.forecasting.engine import keras

    few = model.simulate.accuracy
    model.simulate.accuracy = replace(few, steps=20 * few.steps)  # the test goes on for longer than the training
    answer = model.predict({"times": times(END)[None]}).reshape(-1, len(times(END)), len(OBSERVABLES))
    model.simulate.accuracy = few
    tested = times(END) > TRAINED + 1e-6
    true = truth(END)[tested]
    errors = np.abs(answer[:, tested] - true).mean(axis=1) / true.mean(axis=0)
    errors = np.where(np.isfinite(errors), errors, np.inf).mean(axis=1)
    losses = keras.ops.convert_to_numpy(model.start_losses)
    return errors, np.where(np.isfinite(losses), losses, np.inf)


def results(size: Size, seeds: int) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return for each of what is compared, and each seed, the test errors and the training losses of all starts."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, bench in benches(size).items():
        for seed in range(seeds):
            model = bench.trained(seed, {"times": times(TRAINED)[None]}, measured(seed))
            errors, losses = judged(model)
            found.setdefault(name, []).append((errors, losses))
            best = int(np.argmin(losses))
            print(name, seed, f"best {errors[best]:.3f}", errors.round(3), losses.round(2), flush=True)
    return found


def main() -> None:
    """Run the experiment and print or write its table."""
    wanted = asked("b1", __doc__, published="starts within the published bounds, and 3000 epochs")
    full = Size(fold=None, epochs=3000) if wanted.published else Size()
    size, rows = SMALL if wanted.small else full, []
    for name, found in results(size, wanted.seeds).items():
        best = np.array([errors[np.argmin(losses)] for errors, losses in found])
        good = [f"{(errors < SUCCESS).sum()}" for errors, _ in found]
        least = np.median([losses.min() for _, losses in found])
        cells = [f"{(best < SUCCESS).sum()} of {len(best)}", f"{np.median(best):.3f}", f"{best.max():.3f}"]
        rows.append([name, wanted.seeds, *cells, f"{least:.3f}", ", ".join(good)])
        print(*rows[-1], sep=" | ")
    if wanted.write:
        within = "the published bounds (1000-fold)" if size.fold is None else f"{size.fold:g}-fold of the truth"
        text = (
            "Yeast glycolysis, 46 times with 5 % noise of NADH and ATP up to 1.5 min, tested from there to 5 min on "
            f"the truth. {size.starts} starts with 12 constants from {within}, {size.epochs} epochs of Adam and up "
            f"to {size.evaluations} evaluations of L-BFGS; seeds are of noise, networks and starts. The start that is "
            "likeliest on the training data succeeds if its mean absolute error, over the mean, is below "
            f"{SUCCESS:g}. Its loss is minus the mean log likelihood of a measurement. Where the loss "
            "of the best hybrid is the true law's, these measurements cannot tell the two apart, and the forecast is "
            "open."
        )
        columns = ["", "seeds", "succeed", "median NMAE of the best", "largest", "median loss of the best"]
        columns.append(f"of {size.starts} starts succeed")
        write("b1", "B1: glycolysis with an unknown use of ATP", text, columns, rows)


if __name__ == "__main__":
    main()
