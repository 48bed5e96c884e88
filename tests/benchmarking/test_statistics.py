"""The ranking sums up the table as the metrics say, and its intervals hold what they promise."""

import numpy as np
import pandas as pd
import pytest

from sbml_hybrid.benchmarking.statistics import errors, summary
from sbml_hybrid.errors import DataError, UnknownName


def table(sizes, metric="nrmse_sd", against="truth", design="random", mechanisms=None, oracle=()):
    """A table with the given absolute errors {forecaster: (draw, step, channel)}."""
    frames = []
    for name, values in sizes.items():
        values = np.asarray(values, float)
        draw, step, channel = np.indices(values.shape)
        frame = {"draw": draw, "horizon": step + 1, "channel": channel, "value": values}
        frame = pd.DataFrame({key: value.ravel() for key, value in frame.items()})
        frame["channel"] = "c" + frame["channel"].astype(str)
        label = (mechanisms or {}).get(name, "none")
        frames.append(frame.assign(forecaster=name.split("/")[0], mechanism=label, oracle=name in oracle, origin=9.0))
    return pd.concat(frames, ignore_index=True).assign(metric=metric, against=against, design=design)


def ones(draws=10):
    return np.ones((draws, 2, 2))


def test_error_is_a_root_mean_square_within_channels_and_a_mean_over_them():
    values = np.random.default_rng(0).gamma(2, 1, (10, 4, 3))
    scores = table({"persistence": values})

    expected = np.sqrt((values**2).mean(axis=(0, 1))).mean()

    assert summary(scores)["error"].tolist() == pytest.approx([expected])
    assert errors(scores)["value"].tolist() == pytest.approx([expected])
    by_step = errors(scores, by=["forecaster", "horizon"])
    np.testing.assert_allclose(by_step["value"], np.sqrt((values**2).mean(axis=0)).mean(axis=1))


def test_a_mean_metric_is_a_mean_and_a_pooled_one_has_no_channels():
    values = np.random.default_rng(0).gamma(2, 1, (10, 4, 3))

    assert summary(table({"persistence": values}, "mae"), "mae")["error"][0] == pytest.approx(values.mean())
    pooled = np.sqrt((values**2).mean())
    assert summary(table({"persistence": values}, "nrmse_mean"), "nrmse_mean")["error"][0] == pytest.approx(pooled)


def test_the_best_stands_first_also_when_higher_is_better():
    scores = {"persistence": 0.5 * ones(), "good": 0.1 * ones(), "bad": 0.9 * ones()}

    assert summary(table(scores))["forecaster"].tolist() == ["good", "persistence", "bad"]
    assert summary(table(scores, "r2"), "r2")["forecaster"].tolist() == ["bad", "persistence", "good"]


def test_skill_is_the_share_of_the_naive_error_that_is_saved():
    naive = np.random.default_rng(0).gamma(2, 1, (10, 3, 2))

    ranking = summary(table({"persistence": naive, "quarter": naive / 4})).set_index("forecaster")

    assert ranking.loc["quarter", "skill"] == pytest.approx(0.75, abs=0.01)
    assert ranking.loc["persistence", "skill"] == 0
    assert ranking.loc["quarter", "win_rate"] == 1
    assert ranking.loc["persistence", "win_rate"] == 0.5


def test_skill_does_not_explode_where_the_naive_error_vanishes():
    naive = np.ones((10, 3, 1))
    naive[:5] = 0.0  # half of the draws are at rest
    rival = np.full((10, 3, 1), 0.5)
    truth = table({"persistence": naive, "rival": rival})
    noise = table({"perfect": np.full((10, 3, 1), 0.5)}, against="measurement")

    ranking = summary(pd.concat([truth, noise], ignore_index=True)).set_index("forecaster")

    # At rest both are within the noise (ratio 1), elsewhere the rival halves the error: 1 - sqrt(1 * 1/2).
    assert ranking.loc["rival", "skill"] == pytest.approx(1 - np.sqrt(0.5))


def test_the_perfect_forecast_is_not_ranked():
    scores = table({"persistence": ones(), "perfect": 0 * ones()})

    assert summary(scores)["forecaster"].tolist() == ["persistence"]


def test_rows_that_knew_the_answer_do_not_count():
    sizes = {"persistence": ones(), "R/true": 0.1 * ones(), "R/wrong": 0.3 * ones(), "told": 0.2 * ones()}
    scores = table(sizes, mechanisms={"R/true": "true", "R/wrong": "wrong"}, oracle=["told"])

    ranking = summary(scores)

    assert ranking[["forecaster", "mechanism"]].agg("/".join, axis=1).tolist()[:3] == ["R/true", "told/none", "R/wrong"]
    assert ranking["counts"].tolist() == [False, False, True, True]
    assert ranking["near_best"].tolist() == [False, False, True, False]


def test_near_best_holds_what_pairs_cannot_tell_apart():
    rng = np.random.default_rng(1)
    hard = rng.gamma(2, 1, (40, 1, 1))  # some draws are hard for everybody: only pairs see through that
    scores = {
        "persistence": 2 * hard,
        "best": hard,
        "twin": hard + rng.normal(0, 0.05, hard.shape),
        "worse": 1.1 * hard,
    }

    ranking = summary(table(scores)).set_index("forecaster")

    assert ranking["near_best"].to_dict() == {"best": True, "twin": True, "worse": False, "persistence": False}
    assert ranking.loc["worse", "low"] < ranking.loc["best", "error"]


def test_the_order_of_the_tables_rows_changes_nothing():
    rng = np.random.default_rng(2)
    scores = table({"persistence": rng.gamma(2, 1, (12, 3, 2)), "rival": rng.gamma(2, 1, (12, 3, 2))})

    shuffled = scores.sample(frac=1, random_state=0)

    pd.testing.assert_frame_equal(
        summary(scores).sort_values("forecaster", ignore_index=True),
        summary(shuffled).sort_values("forecaster", ignore_index=True),
    )


@pytest.mark.parametrize(("draws", "design"), [(4, "random"), (30, "sobol"), (30, "latin-hypercube")])
def test_no_interval_where_it_would_mislead(draws, design):
    ranking = summary(table({"persistence": ones(draws), "rival": 2 * ones(draws)}, design=design))

    assert ranking[["low", "high", "skill_low", "skill_high"]].isna().all(axis=None)
    assert ranking["error"].notna().all()


def test_intervals_cover_the_true_error_about_as_often_as_they_say():
    # 150 tables of 25 draws of squared errors with a known mean. With a true coverage of 94 % (skewed errors cost the
    # bootstrap a point) the share that covers lies within 0.88 to 0.99 in 99.7 % of seeds.
    rng = np.random.default_rng(3)
    truth, tables, covered, chance = np.sqrt(2.0), 150, 0, []
    for repeat in range(tables):
        squares = rng.gamma(4, 0.5, (25, 1, 1)), rng.gamma(4, 0.5, (25, 1, 1))
        scores = table({"persistence": np.sqrt(squares[0]), "rival": np.sqrt(squares[1])})
        row = summary(scores, seed=repeat, resamples=300).set_index("forecaster").loc["rival"]
        covered += row["low"] <= truth <= row["high"]
        chance.append(row["skill_low"] > 0 or row["skill_high"] < 0)

    assert 0.88 <= covered / tables <= 0.99
    # The rival is as good as persistence: skill is "shown" in 5 % of tables; below 0.11 in 99.9 % of seeds.
    assert np.mean(chance) < 0.11


def test_against_truth_without_one_says_what_there_is():
    scores = table({"persistence": ones()}, against="measurement")

    with pytest.raises(DataError, match="against 'measurement', not 'truth'. The data has no noise-free readout"):
        summary(scores)
    assert len(summary(scores, against="measurement")) == 1


def test_an_unknown_metric_is_named_with_the_closest():
    with pytest.raises(UnknownName, match="No metric 'nrmse_std'.*Did you mean 'nrmse_sd'"):
        summary(table({"persistence": ones()}), metric="nrmse_std")
