"""Draw the gallery of models: each at its published values, with the times and observables of models/README.md, and
its network; and the noise models.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import sbml_hybrid as sh

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"\| `([\w.]+)`.*\| 0-(\d+) [^|]*, (\d+) points \| (.+) \|$")


def rows():
    """Yield file, end, number of points and observables of each model in the table."""
    for line in (ROOT / "models" / "README.md").read_text().splitlines():
        if found := ROW.match(line):
            yield found[1], float(found[2]), int(found[3]), re.findall(r"`([^`]+)`", found[4])


def draw(folder: Path) -> None:
    """Write the pictures of each model, and the page that shows them, into `folder`."""
    folder.mkdir(exist_ok=True)
    page = []
    for name, end, points, observables in rows():
        model = sh.load(ROOT / "models" / name)
        nominal = sh.simulate(model, times=np.linspace(0, end, points))
        readout = sh.measure(nominal, observables=observables, seed=0).drop_vars("measured")
        sh.plots.trajectories(readout).save(folder / f"{model.id}.png")
        sh.plots.network(model).save(folder / f"{model.id}_network.png")
        page.append(
            f"**{model.name or model.id}**\n\n"
            f"![{', '.join(observables)} over time](_gallery/{model.id}.png)\n\n"
            f"![species and reactions](_gallery/{model.id}_network.png)\n"
        )
    wolf = sh.load(ROOT / "models" / "wolf_heinrich_2000.ant")
    sh.plots.network(wolf, currency=("ATP", "NAD")).save(folder / "currency.png")
    _chance(folder)
    (folder / "gallery.md").write_text("\n".join(page))
    draw_noises(folder)


def _chance(folder: Path) -> None:
    """Draw the pictures of stochastic.md: four cells, and the differential equation in black."""
    gene = sh.load(
        "transcribe: -> mRNA; a; degrade: mRNA -> ; d*mRNA; translate: -> P; b*mRNA; dilute: P -> ; g*P;"
        "mRNA = 2; P = 10; a = 2; d = 1; b = 1; g = 0.2"
    )
    times, cells = np.linspace(0, 40, 161), pd.DataFrame(index=range(4))
    smooth = sh.simulate(gene, times=times)["truth"].sel(species="P")[0]
    noise = sh.ProcessNoise(sd=0.3, correlation_time=5, grid=1, seed=0)
    for name, runs in {
        "gillespie": {f"volume {v}": sh.Gillespie(volume=v, seed=0) for v in (1, 100)},
        "process_noise": {"sd 0.3, correlation time 5": noise},
    }.items():
        figure = Figure(figsize=(4.8 * len(runs), 3.2), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
        for axes, (said, run) in zip(panels, runs.items(), strict=True):
            sh.plots.trajectories(sh.simulate(gene, cells, times=times, run=run), ["P"], axes=[axes])
            axes.plot(times, smooth, color="black", linewidth=2)
            axes.text(0.97, 0.96, said, transform=axes.transAxes, va="top", ha="right")
        figure.savefig(folder / f"{name}.png", dpi=120)


def draw_noises(folder: Path) -> None:
    """Write the pictures of docs/noise.md: one trajectory under each noise model."""
    noise = sh.noise
    families = {
        "pointwise": {
            "Normal(sd=0.3)": noise.Normal(0.3),
            "Linear(a=0, b=0.2)": noise.Linear(0, 0.2),
            "Lognormal(cv=0.2)": noise.Lognormal(0.2),
            "Linear(a=0.1, b=0.1)": noise.Linear(0.1, 0.1),
        },
        "counts": {
            "Poisson(scale=50)": noise.Poisson(50),
            "Poisson(scale=5)": noise.Poisson(5),
            "NegativeBinomial(50, dispersion=0.1)": noise.NegativeBinomial(50, 0.1),
        },
        "along": {
            "Growing(start=0, end=0.8, until=72)": noise.Growing(0, 0.8, 72),
            "Growing(0.5, 0.05, 72, relative=True)": noise.Growing(0.5, 0.05, 72, relative=True),
            "AdjustingMean(weight=0.4, spread=0.1)": noise.AdjustingMean(0.4, 0.1),
        },
        "memory": {
            "Normal(0.3)": noise.Normal(0.3),
            "Autocorrelated(Normal(0.3), time=6)": noise.Autocorrelated(noise.Normal(0.3), 6),
            "Autocorrelated(Lognormal(0.2), time=6)": noise.Autocorrelated(noise.Lognormal(0.2), 6),
        },
        "combined": {
            "OneOf([Normal(0.1), Normal(1)], [0.9, 0.1])": noise.OneOf(
                [noise.Normal(0.1), noise.Normal(1)], [0.9, 0.1]
            ),
            "InSequence([Lognormal(0.1), Normal(0.2)])": noise.InSequence([noise.Lognormal(0.1), noise.Normal(0.2)]),
            "InSequence([Lognormal(0.1), Poisson(5)])": noise.InSequence([noise.Lognormal(0.1), noise.Poisson(5)]),
        },
    }
    truth = sh.simulate(sh.load(ROOT / "models" / "goldbeter_1995.ant"), times=np.linspace(0, 72, 145))
    for family, noises in families.items():
        measured = {title: sh.measure(truth, ["M"], one, seed=1) for title, one in noises.items()}
        sh.plots.noise(measured).save(folder / f"noise_{family}.png")
    own = noise.PerObservable({"M": noise.Normal(0.3), "P2": noise.Poisson(20)})
    panels = sh.plots.trajectories(sh.measure(truth, ["M", "P2"], own, seed=1))
    for axes, title in zip(panels, ("M: Normal(sd=0.3)", "P2: Poisson(scale=20)"), strict=True):
        axes.set_title(title, fontsize="medium", loc="left")
    panels.save(folder / "noise_perobservable.png")
