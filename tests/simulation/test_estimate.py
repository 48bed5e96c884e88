"""An estimate asks a few trajectories, spread over the run, and raises what the run would."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.simulation import estimate as module
from sbml_hybrid.simulation.estimate import Estimate
from sbml_hybrid.simulation.work import simulate_rows

MODEL = "S -> ; k*S; S = 10; k = 0.3"


def test_the_size_is_that_of_the_dataset():
    model = sh.load(MODEL)
    draws = sh.sample(sh.around(model, fold=2), 500, seed=0)
    told = sh.estimate(model, draws, times=np.linspace(0, 10, 101), dtype="float32")

    data = sh.simulate(model, draws, times=np.linspace(0, 10, 101), dtype="float32")

    assert told.size == pytest.approx(data.nbytes, rel=0.02)


def test_the_time_is_shared_by_the_jobs():
    one = Estimate(1000, 12, 0, each=0.01, compiling=2.0, jobs=1, size=10)
    two = Estimate(1000, 12, 0, each=0.01, compiling=2.0, jobs=2, size=10)

    assert one.seconds == 12.0 and two.seconds == 7.0
    assert "about 12 s on 1 job" in str(one)


def test_draws_that_fail_are_told_beforehand():
    model = sh.load("S -> 2 S; k*S*S; S = 1; k = 0.3")
    draws = sh.sample({"k": sh.priors.Uniform(0.5, 0.6)}, 30, seed=0)

    told = sh.estimate(model, draws, times=[0, 3])

    assert told.failed == told.tried > 1
    assert f"{told.failed} of {told.tried} tried failed" in str(told)


def test_what_the_run_would_refuse_is_refused():
    model = sh.load(MODEL)
    with pytest.raises(ValueError, match="times must increase"):
        sh.estimate(model, times=[0, 2, 1])


def test_short_trajectories_are_timed_several_at_once_and_are_those_of_the_run(monkeypatch):
    model, seen = sh.load("-> S; v; S -> ; k*S; S = 10; k = 0.3; v = 1"), []
    draws = sh.sample(sh.around(model, fold=2), 30, seed=0)
    conditions = [sh.Condition("rested", before={"v": 2.0}), sh.Condition("dosed", inputs=[sh.Dose("S", 2, 1)])]
    times = sh.jittered([1, 2, 3], 60, sd=0.1, seed=0)

    def noted(task, start, rows):
        seen.append((rows.labels, *simulate_rows(task, start, rows)))
        return seen[-1][1:]

    monkeypatch.setattr(module, "simulate_rows", noted)
    told = sh.estimate(model, draws, times=times, conditions=conditions)

    assert told.tried == 12 and len(seen) <= 4
    whole = sh.simulate(model, draws, times=times, conditions=conditions)
    for labels, _, arrays in seen:
        for name in ("truth", "parameters", "controls"):
            np.testing.assert_array_equal(arrays[name], whole[name].sel(trajectory=labels))


def test_jobs_without_a_piece_of_the_run_do_not_count():
    model = sh.load(MODEL)
    draws = sh.sample(sh.around(model, fold=2), 200, seed=0)

    assert sh.estimate(model, draws.head(60), times=[0, 1], jobs=8).jobs == 1
    assert sh.estimate(model, draws, times=[0, 1], jobs=2).jobs == 2
