"""What a run over many draws promises: the same bytes however it is cut, and nothing done twice."""

import json

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError
from sbml_hybrid.simulation import ensemble

MODEL = "A -> B; k*A; B -> ; g*B; A = 10; B = 0; k = 0.3; g = 0.1"
TIMES = np.linspace(0, 20, 21)


@pytest.fixture
def model():
    return sh.load(MODEL)


@pytest.fixture
def draws(model):
    return sh.sample(sh.around(model, fold=2), 150, seed=0)


def test_one_process_and_two_give_the_same_bytes(model, draws):
    one = sh.simulate(model, draws, times=TIMES, jobs=1)
    two = sh.simulate(model, draws, times=TIMES, jobs=2)

    assert one.identical(two)


def test_a_part_of_the_draws_gives_a_part_of_the_trajectories(model, draws):
    every = sh.simulate(model, draws, times=TIMES)
    some = sh.simulate(model, draws.iloc[[140, 3, 77]], times=TIMES)

    np.testing.assert_array_equal(some["truth"], every["truth"].sel(trajectory=[140, 3, 77]))
    assert some["draw"].values.tolist() == [140, 3, 77]


def test_the_draws_are_left_alone(model, draws):
    before = draws.copy()

    sh.simulate(model, draws, times=TIMES)

    assert draws.equals(before)


def test_the_parameters_of_a_trajectory_are_in_its_row(model, draws):
    data = sh.simulate(model, draws, times=TIMES)

    expected = 10 * np.exp(-data["parameters"].sel(parameter="k") * data["time"])
    np.testing.assert_allclose(data["truth"].sel(species="A"), expected, rtol=1e-5, atol=1e-6)


def test_a_store_holds_what_memory_would(model, draws, tmp_path):
    in_memory = sh.simulate(model, draws, times=TIMES)
    stored = sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr", jobs=2)

    assert stored.equals(in_memory)
    assert sh.open(tmp_path / "run.zarr").equals(in_memory)


def test_an_interrupted_run_goes_on_without_doing_anything_twice(model, draws, tmp_path, monkeypatch):
    done = []
    whole = ensemble.simulate_rows

    def interrupted(*arguments):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(len(arguments[2]))
        return whole(*arguments)

    monkeypatch.setattr(ensemble, "simulate_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr")

    def counted(*arguments):
        done.append(len(arguments[2]))
        return whole(*arguments)

    monkeypatch.setattr(ensemble, "simulate_rows", counted)
    stored = sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr")
    monkeypatch.undo()

    assert sum(done) == len(draws)
    assert stored.equals(sh.simulate(model, draws, times=TIMES))


def test_a_store_of_another_run_is_refused(model, draws, tmp_path):
    sh.simulate(model, draws, times=TIMES, store=tmp_path / "run.zarr")

    with pytest.raises(DataError, match="holds another run's dataset"):
        sh.simulate(model, draws, times=TIMES[:5], store=tmp_path / "run.zarr")
    with pytest.raises(DataError, match="holds another run's dataset"):
        sh.simulate(sh.load(MODEL + "; h = 1"), draws, times=TIMES, store=tmp_path / "run.zarr")


def test_zero_jobs_are_refused(model, draws):
    with pytest.raises(ValueError, match="jobs must be a whole number"):
        sh.simulate(model, draws, times=TIMES, jobs=0)


def test_no_draws_are_refused(model, draws):
    with pytest.raises(ValueError, match="draws has no rows"):
        sh.simulate(model, draws.iloc[:0], times=TIMES)


@pytest.mark.parametrize("run", ["gillespie", sh.Gillespie])
def test_what_is_no_kind_of_run_is_refused(model, draws, run):
    with pytest.raises(ValueError, match=r"run must be a kind of run, such as sh.Gillespie\(volume=10\), got "):
        sh.simulate(model, draws, times=TIMES, run=run)


def test_numbers_of_numpy_are_as_good_as_those_of_python(model):
    run = sh.Gillespie(volume=np.float32(2), seed=np.int64(3), budget=np.int64(1000))

    data = sh.simulate(model, times=TIMES, run=run)

    assert data.equals(sh.simulate(model, times=TIMES, run=sh.Gillespie(2.0, 3, 1000)))
    assert sh.run_from_dict(json.loads(data.attrs["run"])) == run


def test_an_unknown_quantity_is_refused_with_the_closest_name(model, draws):
    with pytest.raises(KeyError, match=r"No quantity 'AA'.*Did you mean 'A'"):
        sh.simulate(model, draws, times=TIMES, quantities=["AA"])


def test_every_trajectory_may_have_times_of_its_own(model, draws):
    rng = np.random.default_rng(0)
    own = np.sort(rng.uniform(0, 20, (len(draws), 6)), axis=1)
    own[3, 4:] = np.nan

    data = sh.simulate(model, draws, times=own)
    sh.check(data)

    expected = 10 * np.exp(-data["parameters"].sel(parameter="k").values[:, None] * own)
    np.testing.assert_allclose(data["truth"].sel(species="A"), expected, rtol=1e-5, atol=1e-6)
    part = sh.simulate(model, draws.iloc[[77, 3]], times=own[[77, 3]], jobs=2)
    np.testing.assert_array_equal(part["truth"], data["truth"].sel(trajectory=[77, 3]))


def test_half_the_size_is_the_same_numbers_rounded(model, draws):
    whole = sh.simulate(model, draws.iloc[:5], times=TIMES)
    half = sh.simulate(model, draws.iloc[:5], times=TIMES, dtype="float32")

    assert half["truth"].dtype == np.float32
    np.testing.assert_array_equal(half["truth"], whole["truth"].astype(np.float32))
