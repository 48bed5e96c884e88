"""The benchmark scores what it should, leaks nothing, and does nothing twice."""

import json
import logging
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn import metrics as reference

from sbml_hybrid.benchmarking import metrics
from sbml_hybrid.benchmarking.runner import benchmark, child_seed
from sbml_hybrid.benchmarking.statistics import errors, summary
from sbml_hybrid.errors import DataError

LENGTHS = {"lookback": 4, "horizon": 3}


def dataset(draws=8, times=13, channels=2, noise=0.1, missing=0.0, replicates=0, first=0, seed=0, attrs=None):
    """Exponential decays, one a draw, with readout and measurements."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.05, 0.3, draws)
    t = np.linspace(0, 12, times)
    readout = np.exp(-rate[:, None] * t)[:, :, None] * np.arange(1.0, channels + 1)
    shape = (draws, replicates or 1, times, channels)
    measured = readout[:, None] * (1 + noise * rng.normal(size=shape))
    measured[rng.random(shape) < missing] = np.nan
    labels = np.arange(first, first + draws)
    data = {
        "readout": (("trajectory", "time", "observable"), readout),
        "parameters": (("trajectory", "parameter"), rate[:, None]),
    }
    coords = {
        "trajectory": labels,
        "draw": ("trajectory", labels),
        "time": t,
        "observable": [f"y{c}" for c in range(channels)],
        "parameter": ["k"],
    }
    if replicates:
        data["measured"] = (("trajectory", "replicate", "time", "observable"), measured)
        coords["replicate"] = np.arange(replicates)
    else:
        data["measured"] = (("trajectory", "time", "observable"), measured[:, 0])
    return xr.Dataset(data, coords=coords, attrs=attrs or {})


@pytest.fixture
def pair():
    return dataset(), dataset(draws=6, first=100, seed=1)


@dataclass(frozen=True)
class Answer:
    """A fitted stub: always the same number, and a diary of what it was shown."""

    value: float
    diary: list

    def predict(self, history, times=None):
        self.diary.append((history, np.asarray(times)))
        shape = history["measured"].isel(time=0, drop=True)
        forecast = xr.full_like(shape, self.value).expand_dims(time=times)
        return forecast.to_dataset(name="forecast").isel(trajectory=slice(None, None, -1))


@dataclass(frozen=True)
class Stub:
    """A forecaster that answers `value`, and notes each fit and each history."""

    value: float = 1.0
    fits: list = field(default_factory=list, compare=False, repr=False)
    diary: list = field(default_factory=list, compare=False, repr=False)

    def fit(self, train, *, lookback, horizon, seed=0):
        self.fits.append((train, lookback, horizon, seed))
        return Answer(self.value, self.diary)


@dataclass(frozen=True)
class Model:
    hash: str
    sbml: str = ""


@dataclass(frozen=True)
class Knowing(Stub):
    model: Model = Model("made it")


@dataclass(frozen=True)
class Workers(Stub):
    jobs: int = 1


def chosen(scores, forecaster, metric, against="truth"):
    rows = (scores["forecaster"] == forecaster) & (scores["metric"] == metric) & (scores["against"] == against)
    return scores[rows]


def expected_cells(test, lookback, horizon, variable="measured"):
    """(trajectory, origin, step, channel), cut by a plain loop."""
    values, last, cells = test[variable].values, lookback - 1, []
    while last + horizon < test.sizes["time"]:
        cells.append(values[:, last + 1 : last + 1 + horizon])
        last += horizon
    return np.stack(cells, axis=1)


@pytest.mark.parametrize("against", ["truth", "measurement"])
def test_errors_agree_with_scikit_learn_on_pooled_arrays(pair, against):
    train, test = pair

    scores = benchmark({"stub": Stub(0.7)}, train, test, **LENGTHS)

    target = expected_cells(test, **LENGTHS, variable="readout" if against == "truth" else "measured")
    target, forecast = target.reshape(-1, 2), np.full(target.size, 0.7).reshape(-1, 2)
    sd = train["measured"].values.reshape(-1, 2).std(axis=0)
    step = np.abs(np.diff(train["measured"].values, axis=1)).reshape(-1, 2).mean(axis=0)
    expected = {
        "mae": reference.mean_absolute_error(target, forecast),
        "rmse": reference.root_mean_squared_error(target, forecast),
        "r2": reference.r2_score(target, forecast),
        "nrmse_sd": reference.root_mean_squared_error(target / sd, forecast / sd),
        "nrmse_mean": reference.root_mean_squared_error(target.ravel(), forecast.ravel()) / target.mean(),
        "mase": reference.mean_absolute_error(target / step, forecast / step),
    }
    assert set(expected) == set(metrics.METRICS)
    for metric, value in expected.items():
        found = errors(scores, metric=metric, against=against).set_index("forecaster").loc["stub", "value"]
        assert found == pytest.approx(value), metric


def test_errors_agree_with_the_metrics_when_values_are_missing():
    train, test = dataset(missing=0.4), dataset(missing=0.4, first=100, seed=1)

    scores = benchmark({"stub": Stub(0.7)}, train, test, **LENGTHS)

    target = expected_cells(test, **LENGTHS).reshape(-1, 2)
    forecast = np.full(target.shape, 0.7)
    sd = metrics.spread(train["measured"].values)
    found = errors(scores, against="measurement").set_index("forecaster").loc["stub", "value"]
    assert found == pytest.approx(metrics.nrmse_sd(forecast, target, sd))
    assert len(chosen(scores, "stub", "mae", "measurement")) == np.isfinite(target).sum()
    assert len(chosen(scores, "stub", "mae", "truth")) == target.size


def test_every_row_says_where_it_comes_from(pair):
    train, test = pair
    train.attrs |= {"noise": json.dumps({"kind": "Lognormal", "cv": 0.1}), "design": json.dumps({"design": "random"})}

    scores = benchmark({"stub": Stub(0.7)}, train, test, **LENGTHS, seed=5)

    row = scores[(scores["draw"] == 103) & (scores["origin"] == 6.0) & (scores["horizon"] == 2)]
    row = row[(row["channel"] == "y1") & (row["metric"] == "mae") & (row["forecaster"] == "stub")].set_index("against")
    assert row.loc["truth", "value"] == pytest.approx(abs(0.7 - test["readout"].sel(trajectory=103, time=8)[1]))
    assert row.loc["measurement", "value"] == pytest.approx(abs(0.7 - test["measured"].sel(trajectory=103, time=8)[1]))
    assert scores[["seed", "n_train", "noise", "missing", "design"]].drop_duplicates().values.tolist() == [
        [5, 8, "lognormal:0.1", 0.0, "random"]
    ]


def test_a_perfect_forecast_scores_zero_and_its_error_against_the_measurement_is_the_noise(pair):
    train, test = pair

    scores = benchmark({"stub": Stub()}, train, test, **LENGTHS)

    assert (chosen(scores, "perfect", "rmse")["value"] == 0).all()
    noise = expected_cells(test, **LENGTHS) - expected_cells(test, **LENGTHS, variable="readout")
    floor = errors(scores, metric="rmse", against="measurement").set_index("forecaster").loc["perfect", "value"]
    assert floor == pytest.approx(np.sqrt((noise**2).mean(axis=(0, 1, 2))).mean())


def test_naive_forecasters_take_part_unasked_and_are_named_once(pair):
    scores = benchmark({"stub": Stub()}, *pair, **LENGTHS)

    assert scores["forecaster"].unique().tolist() == ["persistence", "series mean", "stub", "perfect"]


def test_last_value_makes_no_error_in_a_system_at_rest():
    train, test = dataset(noise=0.0), dataset(noise=0.0, first=100, seed=1)
    for data in (train, test):
        data["readout"][:] = data["measured"][:] = 3.0

    scores = benchmark({"stub": Stub()}, train, test, **LENGTHS)

    assert (chosen(scores, "persistence", "rmse")["value"] == 0).all()
    assert (chosen(scores, "stub", "mae")["value"] == 2).all()
    assert summary(scores, metric="mae")["forecaster"][0] in ("persistence", "series mean")
    with pytest.raises(DataError, match="nrmse_sd is not defined for any channel"):
        summary(scores)


def test_in_pure_noise_nobody_beats_the_mean_and_skill_is_told_from_chance():
    # Noise of sd 1 around 0: last value has error sqrt(2), the mean of 4 points sqrt(1 + 1/4), 0 has error 1.
    rng = np.random.default_rng(4)
    train, test = dataset(draws=40), dataset(draws=40, first=100)
    for data in (train, test):
        data["measured"][:] = rng.normal(size=data["measured"].shape)
    del train["readout"], test["readout"]

    scores = benchmark({"zero": Stub(0.0)}, train, test, **LENGTHS)

    ranking = summary(scores, metric="rmse", against="measurement").set_index("forecaster")
    assert ranking.loc["zero", "error"] == pytest.approx(1.0, abs=0.1)
    assert ranking.loc["series mean", "error"] == pytest.approx(np.sqrt(1.25), abs=0.1)
    assert ranking.loc["persistence", "error"] == pytest.approx(np.sqrt(2), abs=0.15)
    assert ranking.index[0] == "zero"


def test_replicates_are_averaged_within_their_draw():
    train, test = dataset(replicates=3), dataset(replicates=3, first=100, seed=1)

    scores = benchmark({"stub": Stub(0.7)}, train, test, **LENGTHS)

    rows = chosen(scores, "stub", "rmse", "measurement")
    assert len(rows) == 8 * 3 * 3 * 2  # draws, origins, steps, channels: no row per replicate
    target = test["measured"].transpose("trajectory", "replicate", "time", "observable").values[:, :, 4:]
    expected = reference.root_mean_squared_error(target.reshape(-1, 2), np.full(target.size, 0.7).reshape(-1, 2))
    found = errors(scores, metric="rmse", against="measurement").set_index("forecaster").loc["stub", "value"]
    assert found == pytest.approx(expected)


def test_series_with_times_of_their_own_are_forecast_at_those_times():
    train, data = dataset(), dataset(draws=2, first=100)
    times = np.stack([data["time"].values, data["time"].values * 1.5])
    times[1, -4:] = np.nan  # four samples fewer, so one origin fewer
    test = data.drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), times))
    test["measured"] = test["measured"].where(np.isfinite(test["time"]))
    test["readout"] = test["readout"].where(np.isfinite(test["time"]))
    stub = Stub(0.7)

    scores = benchmark({"stub": stub}, train, test, **LENGTHS)

    rows = chosen(scores, "stub", "mae")
    assert rows.groupby("draw")["origin"].unique().map(list).to_dict() == {100: [3.0, 6.0, 9.0], 101: [4.5]}
    asked = [list(times) for _, times in stub.diary]
    assert [6.0, 7.5, 9.0] in asked and [10.0, 11.0, 12.0] in asked
    value = rows[(rows["draw"] == 101) & (rows["horizon"] == 3) & (rows["channel"] == "y0")]["value"].item()
    assert value == pytest.approx(abs(0.7 - test["readout"].sel(trajectory=101).values[6, 0]))


def test_forecasters_see_neither_truth_nor_parameters_nor_anything_after_the_origin(pair):
    stub = Stub()

    benchmark({"stub": stub}, *pair, **LENGTHS)

    assert set(stub.fits[0][0].data_vars) == {"measured"}
    assert [len(stub.fits), len(stub.diary)] == [1, 3]
    for history, times in stub.diary:
        assert set(history.data_vars) == {"measured"}
        assert history.sizes["time"] == 4 and len(times) == 3
        assert history["time"].values.max() < times.min()


def test_known_inputs_are_shown_and_kinetic_ones_make_a_row_an_oracle(pair):
    stub = Stub()

    scores = benchmark({"stub": stub}, *pair, **LENGTHS, known=["k"])

    assert stub.fits[0][0]["known"].dims == ("trajectory", "input")
    assert scores.groupby("forecaster", observed=True)["oracle"].all().to_dict() == {
        "persistence": False, "series mean": False, "stub": True, "perfect": False,
    }  # fmt: skip
    renamed = [part.assign_coords(parameter=["init(S)"]) for part in pair]
    assert not benchmark({"stub": Stub()}, *renamed, **LENGTHS, known=["init(S)"])["oracle"].any()


def test_who_knows_the_equations_stands_twice(pair):
    train, test = pair
    train.attrs["model_hash"] = "made it"

    scores = benchmark({"stub": Stub(), "knowing": Knowing()}, train, test, **LENGTHS, mechanism=Model("lumped"))

    rows = scores[["forecaster", "mechanism"]].drop_duplicates().astype(str).agg("/".join, axis=1)
    assert set(rows) == {
        "persistence/none", "series mean/none", "stub/none", "knowing/true", "knowing/wrong", "perfect/none"
    }  # fmt: skip


def test_a_mechanism_is_assumed_when_the_data_does_not_say_what_made_it(pair):
    scores = benchmark({"knowing": Knowing()}, *pair, **LENGTHS)

    assert scores.set_index("forecaster").loc["knowing", "mechanism"].unique().tolist() == ["assumed"]
    with pytest.raises(DataError, match="does not say which model made it"):
        benchmark({"knowing": Knowing()}, *pair, **LENGTHS, mechanism=Model("lumped"))


def test_adding_a_rival_changes_no_other_seed(pair):
    alone, joined = Stub(), Stub()

    benchmark({"stub": alone}, *pair, **LENGTHS, seed=3)
    benchmark({"another": Stub(), "stub": joined}, *pair, **LENGTHS, seed=3)

    assert alone.fits[0][3] == joined.fits[0][3] == child_seed(3, "stub")
    assert len({child_seed(seed, name) for seed in range(20) for name in ("a", "b", "stub")}) == 60


def test_the_same_benchmark_twice_gives_the_same_table(pair):
    one, other = (benchmark({"stub": Stub()}, *pair, **LENGTHS) for _ in range(2))

    pd.testing.assert_frame_equal(one, other)
    assert set(one.attrs["costs"]) == {"persistence", "series mean", "stub"}


def test_a_second_run_computes_only_what_changed(pair, tmp_path, caplog):
    first = benchmark({"a": Stub(1.0), "b": Stub(2.0)}, *pair, **LENGTHS, folder=tmp_path)
    a, b = Stub(1.0), Stub(3.0)

    with caplog.at_level(logging.INFO, "sbml_hybrid"):
        second = benchmark({"a": a, "b": b}, *pair, **LENGTHS, folder=tmp_path)

    assert (len(a.fits), len(b.fits)) == (0, 1)
    pd.testing.assert_frame_equal(chosen(first, "a", "mae"), chosen(second, "a", "mae"))
    assert "a: kept from before" in caplog.text
    parallel = Workers(jobs=1), Workers(jobs=2)
    for rival in parallel:
        benchmark({"w": rival}, *pair, **LENGTHS, folder=tmp_path)
    assert [len(rival.fits) for rival in parallel] == [1, 0]
    for change in ({"seed": 1}, {"lookback": 5}):
        again = Stub(1.0)
        benchmark({"a": again}, *pair, **(LENGTHS | change), folder=tmp_path)
        assert len(again.fits) == 1, change


def test_a_damaged_file_is_made_anew_and_a_failed_fit_leaves_nothing(pair, tmp_path):
    expected = benchmark({"a": Stub(1.0)}, *pair, **LENGTHS, folder=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:40])

    found = benchmark({"a": Stub(1.0)}, *pair, **LENGTHS, folder=tmp_path)

    pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(DataError, match="bad gave no number for"):
        benchmark({"bad": Stub(np.nan)}, *pair, **LENGTHS, folder=tmp_path)
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["a", "persistence", "series"]


def test_a_leak_is_refused(pair):
    train, _ = pair

    with pytest.raises(DataError, match=r"train and test share 8 draws \(0, 1, 2, 3, 4, \.\.\.\)"):
        benchmark({"stub": Stub()}, train, train, **LENGTHS)


def test_a_held_out_condition_may_share_draws(pair):
    train, _ = pair
    low, high = (train.assign_coords(condition=("trajectory", [dose] * 8)) for dose in ("low", "high"))

    assert len(benchmark({"stub": Stub()}, low, high, **LENGTHS))


def test_failed_trajectories_are_left_out(pair):
    train, test = pair
    status = np.array([0, 1, 0, 0, 0, 0], np.int8)
    flags = {"flag_values": [0, 1], "flag_meanings": "ok failed"}
    test["status"] = ("trajectory", status, flags)
    test["readout"][1] = test["measured"][1] = np.nan

    scores = benchmark({"stub": Stub()}, train, test, **LENGTHS)

    assert 101 not in set(scores["draw"])
    with pytest.raises(DataError, match="All 6 trajectories of the test dataset failed"):
        benchmark({"stub": Stub()}, train, test.assign(status=("trajectory", 1 + 0 * status, flags)), **LENGTHS)


def test_bad_arguments_have_their_one_clear_message(pair):
    train, test = pair
    arguments = {"rivals": {"stub": Stub()}, "train": train, "test": test, **LENGTHS}
    bad = [
        ({"lookback": 10, "horizon": 8}, "lookback 10 [+] horizon 8 = 18 time points, but trajectories have 13"),
        ({"lookback": 0}, "lookback must be a whole number of time points, one or more, got 0"),
        ({"horizon": 1.5}, "horizon must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"rivals": {}}, "rivals must be forecasters by name"),
        ({"rivals": {"stub": Stub}}, "rival 'stub' is a class; write Stub"),
        ({"rivals": {"stub": 3}}, "rival 'stub' is no forecaster, but int"),
        ({"rivals": {"perfect": Stub()}}, "'perfect' is the name of the noise-free readout"),
        ({"rivals": {"persistence": Stub()}}, "'persistence' is the name of the naive forecaster"),
        ({"test": test.isel(trajectory=slice(0))}, "The test dataset has no trajectory"),
        ({"test": test.isel(observable=[0])}, "train measures y0, y1, and test measures y0"),
        ({"test": test.drop_vars("measured")}, "measured"),
    ]
    for change, message in bad:
        with pytest.raises(ValueError, match=message):
            benchmark(**(arguments | change))
