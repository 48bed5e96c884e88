"""What happens to a run when a process is killed, a disk is full, or a draw goes on for ever."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.data import shards
from sbml_hybrid.data.shards import manifest
from sbml_hybrid.errors import DataError
from sbml_hybrid.parallel import ordered_map
from sbml_hybrid.simulation import ensemble
from sbml_hybrid.simulation.runs import Deterministic

MODEL = "A -> B; k*A; B -> ; g*B; A = 10; B = 0; k = 0.3; g = 0.1"
TIMES = np.linspace(0, 20, 21)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")


@pytest.fixture(scope="module")
def model():
    return sh.load(MODEL)


@pytest.fixture(scope="module")
def draws(model):
    return sh.sample(sh.around(model, fold=2), 320, seed=0)  # five shards


@pytest.fixture(scope="module")
def expected(model, draws):
    return sh.simulate(model, draws, times=TIMES)


def deadly(label, once=""):
    """The ordinary run, until one draw kills the process: once, or whenever it is tried."""

    @dataclass(frozen=True)
    class Deadly(Deterministic):  # in here, so that it is sent to workers, who cannot import this module
        def trajectory(self, *arguments):
            if arguments[-1] == label and not (once and os.path.exists(once)):
                if once:
                    Path(once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().trajectory(*arguments)

    return Deadly()


# -- workers ---------------------------------------------------------------------------------------


def test_a_killed_worker_costs_its_shards_time_and_nothing_else(model, draws, expected, tmp_path, caplog):
    run = deadly(label=70, once=str(tmp_path / "died"))

    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        data = sh.simulate(model, draws, times=TIMES, run=run, jobs=2, store=tmp_path / "run.zarr")

    assert (tmp_path / "died").exists()
    assert data.equals(expected)
    assert "a worker process died; what it was doing is done again" in caplog.text


@pytest.mark.slow
def test_draws_that_no_worker_survives_are_marked_and_the_others_go_on(model, draws, expected, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        data = sh.simulate(model, draws, times=TIMES, run=deadly(label=70), jobs=2, store=tmp_path / "run.zarr")

    lost = np.arange(64, 128)
    codes = dict(zip(data["status"].flag_meanings.split(), data["status"].flag_values, strict=True))
    assert np.flatnonzero(data["status"] == codes["worker_lost"]).tolist() == lost.tolist()
    assert data["truth"][lost].isnull().all()
    assert data.drop_isel(trajectory=lost).equals(expected.drop_isel(trajectory=lost))
    assert data["parameters"].equals(expected["parameters"])
    assert "64 of 320 trajectories failed (64 worker_lost). First reason: the worker process" in caplog.text
    said = manifest(tmp_path / "run.zarr")
    assert said.status == {"ok": 256, "worker_lost": 64} and len(list(said.failures)) == 64


@pytest.mark.parametrize("where", ["memory", "a store"])
def test_rows_that_are_given_up_are_marked_with_the_reason(model, draws, expected, tmp_path, monkeypatch, where):
    def second_is_lost(function, items, total, jobs, label, lost):
        return (lost(*item) if number == 1 else function(*item) for number, item in enumerate(items))

    monkeypatch.setattr(ensemble, "ordered_map", second_is_lost)
    store = tmp_path / "run.zarr" if where == "a store" else None
    data = sh.simulate(model, draws, times=TIMES, store=store)

    lost = np.arange(64, 128)
    assert np.flatnonzero(data["status"] != 0).tolist() == lost.tolist()
    assert data["truth"][lost].isnull().all()
    assert data.drop_isel(trajectory=lost).equals(expected.drop_isel(trajectory=lost))
    assert data["parameters"].equals(expected["parameters"])
    sh.check(data)


def test_an_item_is_tried_twice_beside_others_and_three_times_alone(tmp_path):
    def deadly(number, folder):
        if number == 3:
            (Path(folder) / f"{time.time_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    items = ((number, tmp_path) for number in range(8))
    results = list(ordered_map(deadly, items, 8, jobs=2, lost=lambda number, folder: -number))

    assert results == [0, 1, 2, -3, 4, 5, 6, 7]
    assert 4 <= len(list(tmp_path.iterdir())) <= 5


def test_an_error_in_a_worker_is_raised_as_it_is():
    def failing(number):
        if number == 2:
            raise KeyError("two")
        return number

    with pytest.raises(KeyError, match="two"):
        list(ordered_map(failing, ((number,) for number in range(9)), 9, jobs=2))


def test_items_are_made_when_they_are_needed():
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield (number,)

    results = ordered_map(abs, items(), 1000, jobs=2)
    next(results)
    ahead = len(made)
    results.close()

    assert ahead < 20


# -- the parent ------------------------------------------------------------------------------------


def started(store, jobs):
    """A process that simulates into `store`, once some shards are finished."""
    script = Path(__file__).with_name("slowly.py")
    with open(store.with_name("said"), "w") as said:  # a pipe would stay open as long as workers hold it
        process = subprocess.Popen([sys.executable, str(script), str(store), str(jobs)], stderr=said)
    for _ in range(600):
        if store.exists() and len(manifest(store).shards) >= 2:
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(store.with_name("said").read_text())


def resume(store, jobs):
    """Run the same again, to its end."""
    script = Path(__file__).with_name("slowly.py")
    subprocess.run([sys.executable, str(script), str(store), str(jobs)], check=True, capture_output=True, timeout=100)


def entries(store):
    return {p.parent.name: p.stat().st_mtime_ns for p in (store / "manifest").glob("*/zarr.json")}


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_and_does_nothing_twice(model, tmp_path, jobs):
    store = tmp_path / "run.zarr"
    process = started(store, jobs)
    process.kill()
    process.wait()
    time.sleep(0.5)  # workers end with the shard that they are at
    before = entries(store)
    assert 2 <= len(before) < 10
    assert (sh.open(store)["status"] == -1).any()

    resume(store, jobs)

    after = entries(store)
    every = sh.sample(sh.around(model, fold=2), 640, seed=0)
    assert sh.open(store).equals(sh.simulate(model, every, times=TIMES))
    assert len(after) == 10
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupt_keeps_what_is_done_and_leaves_no_worker_behind(tmp_path, jobs):
    store = tmp_path / "run.zarr"
    process = started(store, jobs)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)

    assert process.returncode != 0 and "KeyboardInterrupt" in (tmp_path / "said").read_text()
    before = entries(store)
    assert 2 <= len(before) < 10
    time.sleep(0.5)
    assert entries(store) == before


# -- the disk --------------------------------------------------------------------------------------

FULL = """
import resource, signal, sys
import numpy as np, sbml_hybrid as sh
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = sh.load(sys.argv[2])
draws = sh.sample(sh.around(model, fold=2), 320, seed=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
try:
    sh.simulate(model, draws, times=np.linspace(0, 20, 21), store=sys.argv[1], jobs=int(sys.argv[3]))
except sh.errors.StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_is_one_clear_error_and_the_run_goes_on_later(model, draws, expected, tmp_path, jobs):
    store = tmp_path / "run.zarr"

    run = subprocess.run([sys.executable, "-c", FULL, store, MODEL, str(jobs)], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"Cannot write {store}: File too large. What was computed is kept; free some space")
    assert (sh.open(store)["status"] == -1).all()
    assert sh.simulate(model, draws, times=TIMES, store=store).equals(expected)


def test_a_corrupt_shard_is_remade_by_running_again(model, draws, expected, tmp_path):
    store = tmp_path / "run.zarr"
    sh.simulate(model, draws, times=TIMES, store=store)
    chunk, before = store / "parameters" / "c" / "3" / "0", entries(store)
    chunk.write_bytes(chunk.read_bytes()[::-1])

    with pytest.raises(DataError, match=r"shard 3 \(rows 192 to 255\): the chunk parameters/c/3/0 is not"):
        sh.open(store)
    assert sh.simulate(model, draws, times=TIMES, store=store).equals(expected)

    after = entries(store)
    assert [name for name in after if after[name] != before[name]] == ["000003"]


# -- a draw ----------------------------------------------------------------------------------------


def test_a_draw_that_would_go_on_for_ever_ends_by_its_step_budget(tmp_path):
    oscillator = sh.load("x' = w*y; y' = -w*x; x = 1; y = 0; w = 1")
    hopeless = pd.DataFrame({"w": [1.0, 1e12, 2.0]})
    began = time.perf_counter()

    data = sh.simulate(oscillator, hopeless, times=np.linspace(0, 10, 11), store=tmp_path / "run.zarr")

    assert time.perf_counter() - began < 20
    codes = dict(zip(data["status"].flag_meanings.split(), data["status"].flag_values, strict=True))
    assert data["status"].values.tolist() == [codes["ok"], codes["step_budget_spent"], codes["ok"]]
    np.testing.assert_allclose(data["truth"].sel(species="x")[2], np.cos(2 * data["time"]), atol=1e-5)
    (failure,) = manifest(tmp_path / "run.zarr").failures
    assert failure[:2] == (1, "step_budget_spent")


# -- two runs at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["simulate", "measure"])
def test_a_run_is_told_of_another_that_wrote_over_its_rows(model, draws, expected, verb, tmp_path, monkeypatch):
    write, place = shards.write_shard, tmp_path / "run.zarr"

    def beside_another(path, start, values, entry):
        write(path, start, values, entry)
        if start:  # the other one looked at the first shard before it was there, and wrote it when it was
            (place / "manifest" / "000000" / "zarr.json").unlink()
            write(path, 0, values, entry | {"draws": "of the other"})

    monkeypatch.setattr(shards, "write_shard", beside_another)
    monkeypatch.setattr(shards, "SHARD_ROWS", 160)

    with pytest.raises(DataError, match="Another run is writing other rows to .*run.zarr now"):
        if verb == "simulate":
            sh.simulate(model, draws, times=TIMES, store=place)
        else:
            sh.measure(expected, seed=1, store=place)
