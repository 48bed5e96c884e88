"""How draws are spread: at random, or over a space-filling design."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sbml_hybrid.errors import unknown_name
from sbml_hybrid.simulation.priors import Prior, to_dict

DESIGNS = ("random", "latin-hypercube", "sobol")


def sample(priors: Mapping[str, Prior], n: int, *, seed: int, design: str = "random") -> pd.DataFrame:
    """Draw `n` sets of values.

    Parameters
    ----------
    priors
        Name of a quantity -> its prior (`around`, or a dict of `sh.priors`).
    n
        How many draws, 1 or more.
    seed
        The same seed gives the same draws.
    design
        ``"random"``: rows are independent, and row i depends on the seed and i alone.
        ``"latin-hypercube"`` and ``"sobol"`` fill the space more evenly; they depend on the seed and
        `n`, and their rows are not independent.

    Returns
    -------
    DataFrame
        One row per draw (index ``draw``), one column per quantity, in its own unit. The priors, the
        seed and the design are in ``.attrs["design"]``.

    Raises
    ------
    ValueError
        `n` is below 1.
    UnknownName
        There is no such design.
    """
    if int(n) != n or n < 1:
        raise ValueError(f"n must be a whole number of 1 or more, got {n!r}.")
    if design not in DESIGNS:
        raise unknown_name("design", design, DESIGNS, "sh.sample")
    u = _probabilities(int(n), len(priors), seed, design)
    columns = {name: prior.quantile(u[:, i]) for i, (name, prior) in enumerate(priors.items())}
    draws = pd.DataFrame(columns, index=pd.RangeIndex(int(n), name="draw"))
    said = {name: to_dict(prior) for name, prior in priors.items()}
    draws.attrs["design"] = {"design": design, "n": int(n), "seed": int(seed), "priors": said}
    return draws


def _probabilities(n: int, k: int, seed: int, design: str) -> np.ndarray:
    """Probabilities (n, k) strictly between 0 and 1."""
    if k == 0:
        return np.empty((n, 0))
    if design == "random":
        rows = (np.random.SeedSequence(seed, spawn_key=(i,)) for i in range(n))
        u = np.stack([np.random.Generator(np.random.PCG64(row)).random(k) for row in rows])
    else:
        from scipy.stats import qmc

        maker = qmc.LatinHypercube if design == "latin-hypercube" else qmc.Sobol
        with warnings.catch_warnings():  # n need not be a power of two: the design is written down
            warnings.simplefilter("ignore", UserWarning)
            u = maker(k, rng=np.random.default_rng(seed)).random(n)
    tiny = np.finfo(float).tiny
    return np.clip(u, tiny, 1 - np.finfo(float).epsneg)
