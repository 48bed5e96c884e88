"""Draw the pictures of the page on priors: the laws, the four designs, and quantities that belong together."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sbml_hybrid as sh
from sbml_hybrid.plots import style
from sbml_hybrid.simulation.designs import DESIGNS

P = sh.priors
LAWS = {
    "Uniform(1, 4)": P.Uniform(1, 4),
    "LogUniform(0.5, 4.5)": P.LogUniform(0.5, 4.5),
    "Normal(2, 1)": P.Normal(2, 1),
    "LogNormal(2, fold=1.5)": P.LogNormal(2, fold=1.5),
    "Beta(2, 4, high=5)": P.Beta(2, 4, high=5),
    "Gamma(2, 0.8)": P.Gamma(2, 0.8),
    "Triangular(0.5, 1.5, 4.5)": P.Triangular(0.5, 1.5, 4.5),
    "Discrete([1, 2, 4], [0.5, 0.2, 0.3])": P.Discrete([1, 2, 4], [0.5, 0.2, 0.3]),
    "Truncated(Normal(2, 1), low=1.5)": P.Truncated(P.Normal(2, 1), low=1.5),
}


def draw(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(exist_ok=True)
    _laws().savefig(folder / "laws.png", dpi=120)
    _designs().savefig(folder / "designs.png", dpi=120)
    binding = P.Joint(
        {"kf": P.LogNormal(0.5, fold=2), "kcat": P.LogNormal(1, fold=2)},
        correlation=[[1, 0.8], [0.8, 1]],
        formulas={"kr": "kf / 2.5"},
    )
    together = sh.sample({"binding": binding, "init([S])": P.Gamma(4, 2.5)}, 2000, seed=0)
    sh.plots.draws(together).save(folder / "draws.png")


def _laws() -> Figure:
    """The share of 5000 draws in each of 50 bins, and what the law itself gives it."""
    figure, edges = Figure(figsize=(9.6, 6.0), layout="constrained"), np.linspace(-0.05, 5.05, 52)
    for axes, (said, law) in zip(figure.subplots(3, 3, sharex=True).ravel(), LAWS.items(), strict=True):
        values = sh.sample({"k": law}, 5000, seed=0)["k"]
        axes.hist(values, edges, weights=np.full(5000, 1 / 5000), color=style.COLOURS[0], alpha=0.6)
        axes.stairs(np.diff(law.cdf(edges)), edges, color="black", linewidth=1)
        axes.set_title(said, fontsize="medium")
        axes.set_yticks([])
    return figure


def _designs() -> Figure:
    """64 draws of two rate constants by each design."""
    figure, priors = Figure(figsize=(11.0, 3.1), layout="constrained"), {"k1": P.Uniform(0, 1), "k2": P.Uniform(0, 1)}
    for axes, design in zip(figure.subplots(1, 4, sharey=True), DESIGNS, strict=True):
        draws = sh.sample(priors, 64, seed=0, design=design)
        axes.plot(draws["k1"], draws["k2"], ".", color=style.COLOURS[0])
        axes.set(title=design, xlabel="k1", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.5, 1])
            axis.set_ticks(np.linspace(0, 1, 9), minor=True)
        axes.grid(which="both", linewidth=0.4)
    figure.axes[0].set_ylabel("k2")
    return figure
