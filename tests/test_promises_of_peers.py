"""What other generators of synthetic time series were found to do wrong does not happen here."""

import re

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError

NOISES = [
    sh.noise.Normal(0.1),
    sh.noise.Lognormal(0.1),
    sh.noise.Linear(0.1, 0.1),
    sh.noise.Poisson(10),
    sh.noise.NegativeBinomial(10, 0.1),
    sh.noise.Growing(0.1, 0.5, 10),
    sh.noise.AdjustingMean(0.2, spread=0.1),
    sh.noise.Autocorrelated(sh.noise.Normal(0.1), 3),
    sh.noise.PerObservable({"B": sh.noise.Normal(0.1)}, default=sh.noise.Lognormal(0.1)),
    sh.noise.OneOf([sh.noise.Normal(0.1), sh.noise.Normal(1.0)]),
    sh.noise.InSequence([sh.noise.Lognormal(0.1), sh.noise.Poisson(10)]),
]


@pytest.fixture(scope="module")
def truth():
    model = sh.load("A -> B; k1*A; B -> ; k2*B; A = 10; B = 1; k1 = 0.3; k2 = 0.2")
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), 6, seed=0), times=np.linspace(0, 10, 21))


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: type(noise).__name__)
def test_every_noise_obeys_the_seed(truth, noise):
    one, same, other = (sh.measure(truth, noise=noise, seed=seed)["measured"] for seed in (3, 3, 4))

    assert one.identical(same)
    assert not one.equals(other)


@pytest.mark.parametrize("kind", [sh.Gillespie, sh.ProcessNoise])
def test_every_noisy_run_obeys_the_seed(kind):
    model = sh.load("-> P; k; P -> ; d*P; P = 20; k = 10; d = 0.5")
    settings = {} if kind is sh.Gillespie else {"sd": 0.3, "correlation_time": 2, "grid": 1}

    one, same, other = (
        sh.simulate(model, pd.DataFrame(index=range(3)), times=range(5), run=kind(seed=seed, **settings))["truth"]
        for seed in (0, 0, 1)
    )

    assert one.identical(same)
    assert not one.equals(other)


@pytest.mark.parametrize("draws", [1, 2, 3, 5])
@pytest.mark.parametrize("test", [0.05, 0.2, 0.5, 0.95])
def test_a_split_of_few_series_leaves_no_side_empty_or_says_so(truth, draws, test):
    few = sh.measure(truth.isel(trajectory=slice(draws)), seed=1)

    try:
        train, held = sh.split(few, test=test, seed=0)
    except DataError as error:
        assert "leaves none to" in str(error) and int(test * draws + 0.5) in (0, draws)
        return
    assert train.sizes["trajectory"] >= 1 and held.sizes["trajectory"] >= 1
    assert train.sizes["trajectory"] + held.sizes["trajectory"] == draws


def test_observables_come_in_the_order_in_which_they_were_asked_for_and_forecasts_too(truth):
    for names in (["B", "A"], ["A", "B"]):
        data = sh.measure(truth, names, noise=sh.noise.Normal(0), seed=1)
        fitted = sh.Ridge().fit(data, lookback=8, horizon=4, seed=0)
        forecast = fitted.predict(data.isel(time=slice(8)))

        assert data["observable"].values.tolist() == names
        np.testing.assert_array_equal(data["measured"], truth["truth"].sel(species=names))
        assert forecast["observable"].values.tolist() == names


def test_every_output_has_its_times(truth, tmp_path):
    data = sh.measure(truth, keep=0.5, seed=1)
    sh.write_csv(data, tmp_path / "all.csv")
    sh.write_csv(data, tmp_path / "series", one_per="trajectory")
    sh.write_parquet(data, tmp_path / "all.parquet")
    sh.save(data, tmp_path / "data.zarr")
    forecast = sh.Persistence().fit(data, lookback=8, horizon=4, seed=0).predict(data.isel(time=slice(8)))
    one = next(path for path in sorted((tmp_path / "series").glob("*.csv")) if path.name != "series.csv")

    assert "time" in sh.to_table(data)
    for table in (pd.read_csv(tmp_path / "all.csv"), pd.read_parquet(tmp_path / "all.parquet"), pd.read_csv(one)):
        assert set(table["time"]) <= set(truth["time"].values) and table["time"].nunique() > 10
    assert sh.open(tmp_path / "data.zarr")["time"].values.tolist() == truth["time"].values.tolist()
    assert forecast["time"].values.tolist() == truth["time"].values[8:12].tolist()


def test_a_forecaster_that_is_trained_leaves_what_it_learned_before_as_it_was(truth):
    """Scaling is learned in `fit` alone, and `fit` gives back a new one: nothing is ever normalised anew in place."""
    data = sh.measure(truth, seed=1)
    first = sh.Ridge().fit(data, lookback=8, horizon=4, seed=0)
    before = first.predict(data.isel(time=slice(8)))

    larger = data.assign(measured=data["measured"] * 100)
    second = sh.Ridge().fit(larger, lookback=8, horizon=4, seed=0)

    assert first.predict(data.isel(time=slice(8))).identical(before)
    assert not second.predict(data.isel(time=slice(8)))["forecast"].equals(before["forecast"])


def test_every_test_that_the_documentation_names_is_there(root):
    page = (root / "docs" / "coming_from_simbaml.md").read_text()
    named = []
    for row in page.splitlines():
        for file, test in re.findall(r"`(tests/[\w/]+\.py)?::(test_\w+)`", row):
            named.append((file or named[-1][0], test))

    assert len(named) >= 15
    for file, test in named:
        assert f"def {test}(" in (root / file).read_text(), f"{file} has no {test}"
