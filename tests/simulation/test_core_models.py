"""58 published models of every size and feature run through the whole chain, and as exactly as promised."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.engine import compiled
from sbml_hybrid.simulation.ensemble import simulate
from sbml_hybrid.simulation.settings import selection_of
from sbml_hybrid.simulation.solver import LADDER, Solver
from sbml_hybrid.simulation.switches import has_jumps, switch_times

TIMES = np.linspace(0, 100, 101)
FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
LIST = FOLDER / "biomodels_core.txt"
CORE = LIST.read_text().split("\n") if LIST.is_file() else []
CORE = [line.strip() for line in CORE if line.strip()]
ROUNDING = 16 * np.finfo(float).eps  # CVODE's own, on a state that nothing changes


@pytest.fixture(scope="module")
def archive(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as opened:
        yield opened


def test_the_list_of_core_models_is_there(test_data):
    assert len(CORE) == 58


def bare(model, relative, absolute, times):
    """Simulate with libroadrunner alone, from the text alone."""
    engine = compiled(model.sbml, model.source)
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = relative, absolute
    selections = [selection_of(model, name)[0] for name in model.states]
    cuts = [0.0, *switch_times(model, {}, 1, float(times[-1]))[0], float(times[-1])]
    if has_jumps(model):
        engine.integrator.maximum_time_step = times[-1] / 1000
    values = np.empty((len(times), len(selections)))
    for start, end in zip(cuts, cuts[1:], strict=False):
        at = np.flatnonzero((times >= start) & (times <= end))
        grid = np.unique([start, *times[at], end])
        piece = np.array(engine.simulate(times=grid.tolist(), selections=selections))
        values[at] = piece[np.searchsorted(grid, times[at])]
    return values


EVERY_THIRD = [pytest.param(n, marks=[pytest.mark.slow] * (i % 3 > 0)) for i, n in enumerate(CORE)]


@pytest.mark.parametrize("name", EVERY_THIRD)
def test_the_nominal_trajectory_is_right(archive, name):
    model = sh.load(archive.read(name).decode())

    ours = simulate(model, None, times=TIMES)["truth"].values[0]

    with quiet():
        try:
            exact = bare(model, 1e-10, 1e-14, TIMES)
        except RuntimeError:  # some models do not run with so small an absolute tolerance
            exact = bare(model, 1e-10, 1e-12, TIMES)
    extent = np.ptp(exact, axis=0)
    allowed = 1e-4 * np.maximum(extent, 1e-9 * np.median(extent)) + ROUNDING * np.abs(exact).max(axis=0)
    assert (np.abs(ours - exact) <= allowed).all()


@pytest.mark.parametrize("name", EVERY_THIRD)
def test_the_nominal_trajectory_is_what_libroadrunner_alone_gives_at_these_settings(archive, name):
    model = sh.load(archive.read(name).decode())
    solver = Solver(model)
    solver.begin((), ())
    solver.configure(LADDER[0], TIMES)
    tolerances = solver.told["absolute_tolerance"]

    result = simulate(model, None, times=TIMES)
    with quiet():
        expected = bare(model, LADDER[0].relative * solver.strictness, tolerances, TIMES)

    assert result["rung"].item() == 0
    np.testing.assert_array_equal(result["truth"].values[0], expected)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.suite if i % 3 else pytest.mark.slow) for i, n in enumerate(CORE)]
)
def test_the_whole_chain_runs_without_a_special_case(archive, name):
    model = sh.load(archive.read(name).decode())
    assert len(str(model.describe()).splitlines()) > 5
    draws = sh.sample(sh.around(model, fold=1.5), 20, seed=0)
    times = np.linspace(0, 50, 51)

    truth = simulate(model, draws, times=times)
    data = sh.measure(truth, keep=0.7, seed=1)
    train, test = sh.split(data, test=0.3, seed=2)
    scores = sh.benchmark({"ridge": sh.Ridge()}, train, test, lookback=10, horizon=10, seed=3)

    assert (truth["status"].values == 0).mean() > 0.5
    ranked = sh.summary(scores)
    assert {"persistence", "ridge"} <= set(ranked["forecaster"])
    assert np.isfinite(ranked["error"]).all()
