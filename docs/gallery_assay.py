"""Draw what each model of missing points leaves out, and what limits and arbitrary units do, for their pages."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sbml_hybrid as sh

ROOT = Path(__file__).resolve().parents[1]
GAPS = (
    sh.gaps.RandomFraction(0.5),
    sh.gaps.Schedule([0, 6, 16, 30]),
    sh.gaps.Intervals([(6, 14), (40, 50)]),
    sh.gaps.Panels({"K_pp": [0, 6, 16, 30], "KK_pp": [0, 60]}),
    sh.gaps.Destructive(),
    sh.gaps.DropOut(probability=0.5),
    sh.gaps.Tail(after=40),
    sh.gaps.Plateau(tolerance=0.2, points=5),
    sh.gaps.KeepExtremes(3),
    sh.gaps.BelowLimit(0.2),
)


def trajectories():
    """Return the trajectories that the pages measure: the MAPK cascade, switched on."""
    model = sh.load(ROOT / "models" / "huang_ferrell_1996.ant")
    draws = sh.sample(sh.around(model, fold=1.5), 10, seed=0)
    return sh.simulate(model, draws, times=np.linspace(0, 60, 31))


def picture(data, observables) -> Figure:
    """Return the first two draws with their measurements on the left, and which points there are on the right."""
    figure = Figure(figsize=(7.6, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    sh.plots.trajectories(data, observables, draws=2, axes=left)
    sh.plots.gaps(data, observables, axes=right)
    right.set_title("")
    return figure


def draw(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(exist_ok=True)
    truth = trajectories()
    for gap in GAPS:
        data = sh.measure(truth, ["K_pp", "KK_pp"], sh.noise.Lognormal(0.05), gaps=gap, seed=1)
        path = folder / f"gap_{type(gap).__name__.lower()}.png"
        if isinstance(gap, sh.gaps.Panels):
            sh.plots.gaps(data).save(path, dpi=110)
        else:
            picture(data, ["K_pp"]).savefig(path, dpi=110)
    assay = sh.measure(
        truth,
        ["K_pp", "KK_pp"],
        plates=sh.Plates(batches=2, order="in turn"),
        scaling=sh.Scaling(scale={"K_pp": 20000.0}, fold=1.5),
        effects=sh.effects.Replicate(cv=0.1),
        replicates=2,
        limits=sh.Limits(low={"K_pp": 500}, high={"KK_pp": 0.8}),
        gaps=sh.gaps.DropOut(0.3),
        seed=1,
    )
    sh.plots.trajectories(assay, draws=2).save(folder / "assay.png", dpi=110)
