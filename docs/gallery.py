"""Draw the gallery of models: each at its published values, with the times and observables of models/README.md, and
its network.
"""

import re
from pathlib import Path

import numpy as np

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
    sh.plots.draws(_tied_draws()).save(folder / "draws.png")
    (folder / "gallery.md").write_text("\n".join(page))


def _tied_draws():
    """Return the draws of priors.md."""
    binding = sh.priors.Joint(
        {"kf": sh.priors.LogNormal(0.5, fold=2), "kcat": sh.priors.LogNormal(1, fold=2)},
        correlation=[[1, 0.8], [0.8, 1]],
        formulas={"kr": "kf / 2.5"},
    )
    return sh.sample({"binding": binding, "init([S])": sh.priors.Gamma(4, 2.5)}, 2000, seed=0)
