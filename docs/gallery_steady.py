"""Draw the pictures of the page on steady states."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sbml_hybrid as sh
from sbml_hybrid.plots import style

ROOT = Path(__file__).resolve().parents[1]
# Goldbeter and Koshland (1981), https://doi.org/10.1073/pnas.78.11.6840
CYCLE = "W -> Wp; v1*W/(K + W); Wp -> W; v2*Wp/(K + Wp); W = 1; Wp = 0; v1 = 1; v2 = 1; K = 0.01"


def draw(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    _memory(left)
    _ultrasensitivity(right)
    figure.savefig(folder / "steady_switches.png", dpi=150)
    plt.close(figure)


def _memory(axes) -> None:
    """The toggle switch remembers: GFP over IPTG, from below and from above, for some draws of its parameters."""
    model = sh.load(ROOT / "models" / "gardner_2000.ant")
    doses = np.logspace(-6, -3, 61)
    some = sh.sample(sh.around(model, fold=1.15), 6, seed=0)
    for before, colour, label in (
        (0.0, style.COLOURS[0], "0"),
        (1e-2, style.COLOURS[1], "10 mM"),
    ):
        for i in range(len(some)):
            draws = pd.DataFrame({"IPTG": doses}).assign(**some.iloc[i])
            level = sh.steady_state(model, draws, before={"IPTG": before})["truth"].sel(species="V", time=0.0)
            axes.semilogx(doses, level, color=colour, linewidth=1.1, alpha=0.8, label=None if i else label)
    axes.set(xlabel="IPTG (M)", ylabel="V at rest (with GFP)", title="Toggle switch: a memory")
    axes.legend(frameon=False, loc="lower right", title="IPTG before")


def _ultrasensitivity(axes) -> None:
    """The Goldbeter-Koshland switch: the modified share over the ratio of the two enzymes' rates."""
    model = sh.load(CYCLE)
    ratios = np.logspace(-1, 1, 81)
    for k, colour in zip((0.01, 0.1, 1.0), style.COLOURS, strict=False):
        found = sh.steady_state(model, pd.DataFrame({"v1": ratios, "K": k}))
        axes.semilogx(ratios, found["truth"].sel(species="Wp", time=0.0), color=colour, label=f"K = {k:g}")
    axes.set(xlabel="v1 / v2", ylabel="modified share at rest", title="Covalent modification: a sharp threshold")
    axes.legend(frameon=False)
