"""A trajectory is the same in any company: workers, shards, order, interruptions, backends."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from time import sleep
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid import parallel
from sbml_hybrid.data import shards
from sbml_hybrid.simulation import ensemble

MODEL = "A -> B; k*A; B -> ; g*B; at (B > 3): k = k/2; A = 10; B = 0; k = 0.3; g = 0.1"
TIMES = np.linspace(0, 20, 21)


@pytest.fixture(scope="module")
def model():
    return sh.load(MODEL)


@pytest.fixture(scope="module")
def draws(model):
    return sh.sample(sh.around(model, fold=2), 30, seed=0)


@pytest.fixture(scope="module")
def expected(model, draws):
    return sh.simulate(model, draws, times=TIMES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return (tmp_path_factory.mktemp("stores") / f"{number}.zarr" for number in count())


def same(data, expected):
    for name in expected.variables:
        assert data[name].values.tobytes() == expected[name].values.tobytes(), name


@given(
    order=st.permutations(range(30)),
    shard=st.integers(1, 40),
    stored=st.booleans(),
    stop=st.integers(0, 30),
    backend=st.sampled_from(["this process", "threads"]),
)
@settings(max_examples=12)
def test_a_trajectory_is_the_same_in_any_company(model, draws, expected, folders, order, shard, stored, stop, backend):
    import joblib

    shuffled, store, done = draws.iloc[list(order)], next(folders) if stored else None, count()
    whole = ensemble.simulate_rows

    def interrupted(*arguments):
        if next(done) == stop:
            raise KeyboardInterrupt
        return whole(*arguments)

    with patch.object(shards, "SHARD_ROWS", shard):
        if stored:
            with patch.object(ensemble, "simulate_rows", interrupted), suppress(KeyboardInterrupt):
                sh.simulate(model, shuffled, times=TIMES, store=store)
        if backend == "threads":
            with joblib.parallel_config("threading", n_jobs=2):
                data = sh.simulate(model, shuffled, times=TIMES, store=store)
        else:
            data = sh.simulate(model, shuffled, times=TIMES, store=store)

    same(data.load(), expected.isel(trajectory=list(order)))


RUNS = {
    "deterministic": sh.Deterministic(),
    "molecules": sh.Gillespie(seed=3),
    "process noise": sh.ProcessNoise(sd=0.3, correlation_time=2.0, grid=1.0, seed=3),
    "at rest": None,
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("shard", [1, 5])
def test_every_kind_of_run_under_conditions_gives_the_same_in_any_company(run, shard, tmp_path, monkeypatch):
    """With times of each trajectory's own, in shards that end between the conditions of one draw."""
    cycle = sh.load("R: A -> B; k1*A - k2*B; A = 40; B = 0; k1 = 0.3; k2 = 0.2")
    draws = sh.sample(sh.around(cycle, fold=2), 8, seed=0)
    arms = [
        sh.Condition("plain"),
        sh.Condition("dosed", inputs=sh.Dose("A", 5, time=2.5)),
        sh.Condition("slow", {"k1": 0.1}),
    ]
    times, whole, done = sh.jittered(np.linspace(0, 6, 7), 24, sd=0.2, seed=1), ensemble.simulate_rows, count()

    def made(draws, times, **how):
        if RUNS[run] is None:
            return sh.steady_state(cycle, draws, conditions=arms, before={"k2": 1.0}, **how)
        return sh.simulate(cycle, draws, times=times, conditions=arms, run=RUNS[run], **how)

    def interrupted(*arguments):
        if next(done) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    expected = made(draws, times)
    monkeypatch.setattr(shards, "SHARD_ROWS", shard)
    order = [6, 1, 7, 0, 3, 2, 5, 4]
    rows = [3 * draw + arm for draw in order for arm in range(3)]
    same(made(draws.iloc[order], times[rows]), expected.isel(trajectory=rows))
    with patch.object(ensemble, "simulate_rows", interrupted), pytest.raises(KeyboardInterrupt):
        made(draws, times, store=tmp_path / "run.zarr")
    same(made(draws, times, store=tmp_path / "run.zarr").load(), expected)
    if shard > 1:
        same(made(draws, times, jobs=2), expected)


@pytest.mark.parametrize("jobs", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shard", [7, 30])
def test_worker_processes_give_the_same_bytes(model, draws, expected, tmp_path, jobs, shard, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ROWS", shard)

    same(sh.simulate(model, draws, times=TIMES, jobs=jobs), expected)
    same(sh.simulate(model, draws, times=TIMES, jobs=jobs, store=tmp_path / "run.zarr"), expected)


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_dask_cluster_gives_the_same_bytes(model, draws, expected, tmp_path, processes, monkeypatch):
    distributed = pytest.importorskip("distributed")
    import joblib

    monkeypatch.setattr(shards, "SHARD_ROWS", 7)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=processes, dashboard_address=None, silence_logs="ERROR"
    )
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        same(sh.simulate(model, draws, times=TIMES), expected)
        same(sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr"), expected)


@pytest.mark.slow
def test_a_dask_cluster_outlives_its_workers(tmp_path):
    distributed = pytest.importorskip("distributed")
    import os
    import signal

    import joblib

    def deadly(number, folder):
        flag = os.path.join(folder, str(number))
        if number == 5 or (number == 2 and not os.path.exists(flag)):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
    )
    # A worker that dies while it is being started is not replaced, unless the cluster is told how many to keep.
    cluster.adapt(minimum=2, maximum=2, interval="200ms")
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        items = ((number, str(tmp_path)) for number in range(8))
        results = list(parallel.ordered_map(deadly, items, 8, lost=lambda number, folder: -number))

    assert results == [0, 1, 2, 3, 4, -5, 6, 7]


def test_a_cluster_without_workers_is_waited_for_and_told_of(monkeypatch, caplog):
    distributed = pytest.importorskip("distributed")
    import joblib

    monkeypatch.setattr(parallel, "_PATIENCE", 0.2)
    cluster = distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None, silence_logs="ERROR")
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"), ThreadPoolExecutor(1) as beside:
        beside.submit(lambda: [sleep(1), cluster.scale(1)])
        with caplog.at_level(logging.WARNING, "sbml_hybrid"):
            assert list(parallel.ordered_map(abs, ((-n,) for n in range(3)), 3)) == [0, 1, 2]

    (warning,) = [record.message for record in caplog.records if record.name == "sbml_hybrid"]
    assert warning.startswith("the cluster has no worker now; this waits until it has one")


def test_the_memory_of_one_process_is_no_store_for_two(model, draws, expected):
    with pytest.raises(ValueError, match=r"memory://shared\.zarr is the memory of this process.*Say jobs=1"):
        sh.simulate(model, draws, times=TIMES, store="memory://shared.zarr", jobs=2)

    same(sh.simulate(model, draws, times=TIMES, store="memory://shared.zarr"), expected)


def test_draws_that_are_made_when_needed_give_the_same(model, draws, expected, tmp_path):
    class Design:
        columns, said = draws.columns, draws.attrs["design"]
        asked: list = []

        def __len__(self):
            return len(draws)

        def rows(self, start, stop):
            self.asked.append((start, stop))
            return draws.iloc[start:stop]

    with patch.object(shards, "SHARD_ROWS", 8):
        data = sh.simulate(model, Design(), times=TIMES, store=tmp_path / "run.zarr")

    same(data, expected)
    assert [stop - start for start, stop in Design.asked][-4:] == [8, 8, 8, 6]
    assert max(stop - start for start, stop in Design.asked) == 8


def test_a_dataset_in_a_store_is_read_when_it_is_needed(model, draws, tmp_path):
    data = sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr")

    assert not data["truth"].variable._in_memory
    sh.check(data)
    assert data["truth"].isel(trajectory=3).notnull().all()
    assert not data["truth"].variable._in_memory


def test_given_draws_with_other_numbers_are_another_run(model, tmp_path):
    table = pd.DataFrame({"k": [0.1, 0.2]})
    sh.simulate(model, table, times=TIMES, store=tmp_path / "run.zarr")

    with pytest.raises(sh.errors.DataError, match="another run's dataset .it differs in the draws"):
        sh.simulate(model, table + 0.1, times=TIMES, store=tmp_path / "run.zarr")


def test_joblib_goes_on_beside_it(model, draws, expected):
    import joblib

    for _ in range(2):
        same(sh.simulate(model, draws, times=TIMES, jobs=2), expected)
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]
