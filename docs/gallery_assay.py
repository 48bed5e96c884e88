"""Draw what each part of an assay does, and what each model of missing points leaves out, for their pages."""

from pathlib import Path

import numpy as np
import pandas as pd
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

EFFECTS = {
    "Batch(cv=0.2), of two wells": sh.effects.Batch(cv=0.2),
    "Well(cv=0.2), of six": sh.effects.Well(cv=0.2),
    "Replicate(sd=0.1)": sh.effects.Replicate(sd=0.1),
}
CONSTRAINTS = {
    "none": (),
    "Bounds(low=0)": sh.constraints.Bounds(low=0),
    "Within(low=0)": sh.constraints.Within(low=0),
    "Total of all forms of K": sh.constraints.Total(["K_pp", "rest"]),
}


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
    draw_effects(folder)
    forms = {"K_pp": "K_pp", "rest": "1.2 - K_pp"}
    noise = sh.noise.Normal(sd=0.1)
    measured = {title: sh.measure(truth, forms, noise, constraints=one, seed=1) for title, one in CONSTRAINTS.items()}
    sh.plots.noise(measured).save(folder / "constraints.png", dpi=110)


def draw_effects(folder: Path) -> None:
    """Draw six wells of one treatment, which differ by their batch, by themselves, or by their replicates alone."""
    model = sh.load(ROOT / "models" / "huang_ferrell_1996.ant")
    truth = sh.simulate(model, pd.DataFrame(index=range(6)), times=np.linspace(0, 60, 31))
    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    for axes, (title, effect) in zip(figure.subplots(1, 3, sharey=True), EFFECTS.items(), strict=True):
        three = isinstance(effect, sh.effects.Replicate)
        data = sh.measure(
            truth.isel(trajectory=slice(2 if three else 6)),
            ["K_pp"],
            sh.noise.Lognormal(0.02),
            plates=sh.Plates(batches=3, order="in turn"),
            effects=effect,
            replicates=3 if three else 1,
            seed=1,
        )
        sh.plots.trajectories(data, draws=6, axes=axes)
        axes.text(0.98, 0.12, title, transform=axes.transAxes, ha="right")
    figure.savefig(folder / "effects.png", dpi=110)
