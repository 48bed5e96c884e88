"""Draw the pictures of the page on large runs: what came of one, and whether it covers measurements."""

from pathlib import Path

import numpy as np

import sbml_hybrid as sh

ROOT = Path(__file__).resolve().parents[1]
GROWTH = "grow: S -> 2 S; k*S*S; die: S -> ; d*S; S = 1; k = 0.3; d = 0.4"  # without end where k > d


def draw(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(exist_ok=True)
    growth, times = sh.load(GROWTH), np.linspace(0, 20, 41)
    truth = sh.simulate(growth, sh.sample(sh.around(growth, fold=1.5), 200, seed=0), times=times)
    sh.plots.overview(truth).save(folder / "overview.png")
    flu = sh.load(ROOT / "models" / "sir.ant")
    sh.plots.band(_predicted(flu), _lab(flu)).save(folder / "band.png")


def _predicted(model):
    truth = sh.simulate(model, sh.sample(sh.around(model, fold=1.5), 200, seed=0), times=np.linspace(0, 15, 31))
    return sh.measure(truth, ["I"], sh.noise.Lognormal(cv=0.1), seed=1)


def _lab(model):
    """Return what stands in for a lab's measurements: one school, drawn from the same law."""
    school = sh.simulate(model, sh.sample(sh.around(model, fold=1.5), 1, seed=7), times=np.arange(0.0, 15))
    return sh.measure(school, ["I"], sh.noise.Lognormal(cv=0.1), seed=7)
