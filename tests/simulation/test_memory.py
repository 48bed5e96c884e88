"""A worker that simulates on and on does not grow."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.simulation.solver import roadrunner

STATM = Path("/proc/self/statm")


def resident() -> float:
    """Memory in bytes that this process holds."""
    return int(STATM.read_text().split()[1]) * 4096


@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc to read the resident size")
def test_a_process_keeps_nothing_of_the_trajectories_it_has_handed_out():
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    draws = sh.sample(sh.around(model, fold=2), 4000, seed=0)
    sh.simulate(model, draws, times=[0.0, 1.0])
    before = resident()

    for _ in range(3):
        sh.simulate(model, draws, times=[0.0, 1.0])

    assert resident() - before < 60 * 12_000  # libroadrunner's named arrays would keep 128 bytes each


@pytest.mark.parametrize("threads", [1, 4])
def test_a_users_own_libroadrunner_still_names_its_columns(threads):
    model = sh.load("S -> ; k*S; S = 10; k = 0.3")
    draws = sh.sample(sh.around(model, fold=2), 300, seed=0)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: sh.simulate(model, draws, times=np.linspace(0, 1, 3)), range(threads)))

    assert sh.to_roadrunner(model).simulate(0, 1, 3).colnames == ["time", "[S]"]
    assert roadrunner.Config.getValue(roadrunner.Config.PYTHON_ENABLE_NAMED_MATRIX)
