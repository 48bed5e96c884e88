"""The figures show the numbers that they were given, legibly, and leave nothing behind."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

import sbml_hybrid as sh
from sbml_hybrid import plots
from sbml_hybrid.benchmarking.metrics import METRICS
from sbml_hybrid.benchmarking.statistics import errors, summary
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.plots import scores as score_figures
from sbml_hybrid.plots import style

RIVALS = (
    "persistence", "series mean", "ridge", "random forest", "MLP", "GRU", "LSTM", "TCN", "N-BEATS", "residual",
)  # fmt: skip


def dataset(draws=4, replicates=0, times=9, seed=0):
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 4, times)
    rate = rng.uniform(0.2, 1, (draws, 1, 1))
    readout = np.exp(-rate * grid[:, None]) * np.array([1.0, 100.0])
    shape = (draws, replicates, times, 2) if replicates else readout.shape
    measured = (readout[:, None] if replicates else readout) * rng.lognormal(0, 0.1, shape)
    measured[rng.random(shape) < 0.3] = np.nan
    dims = ("trajectory", *(("replicate",) if replicates else ()), "time", "observable")
    return xr.Dataset(
        {
            "truth": (
                ("trajectory", "time", "species"),
                readout,
                {"quantity": '{"P": "amount"}', "units": '{"S": "mol"}'},
            ),
            "readout": (("trajectory", "time", "observable"), readout),
            "measured": (dims, measured),
        },
        {
            "trajectory": np.arange(draws) + 10,
            "draw": ("trajectory", np.arange(draws)),
            "time": grid,
            "species": ["S", "P"],
            "observable": ["S", "P"],
            **({"replicate": np.arange(replicates)} if replicates else {}),
        },
        {"time_unit": "min"},
    )


def scores(rivals=RIVALS, draws=6, horizon=4, origins=(1.0, 2.0, 3.0), seed=0):
    """A benchmark's table with errors that grow with the horizon; `residual` knows the equations."""
    rng = np.random.default_rng(seed)
    rows = []
    named = [(n, m) for n in (*rivals, "perfect") for m in (("true", "wrong") if n == "residual" else ("none",))]
    for number, (name, mechanism) in enumerate(named):
        cells = itertools.product(range(draws), origins, range(1, horizon + 1), ("S", "P"), METRICS)
        for draw, origin, step, channel, metric in cells:
            size = 0.0 if name == "perfect" else (0.1 + 0.01 * number) * step * rng.lognormal()
            for against, value in (("truth", size), ("measurement", size + 0.05)):
                value = 1 - value if metric == "r2" else value
                rows.append((name, mechanism, False, draw, origin, step, channel, metric, against, value))
    names = ["forecaster", "mechanism", "oracle", "draw", "origin", "horizon", "channel", "metric", "against", "value"]
    return pd.DataFrame(rows, columns=names).assign(design="random")


SCORES = scores()


def forecast(data, origin=3, horizon=3, factor=1.0):
    future = data.isel(time=slice(origin + 1, origin + 1 + horizon))
    return xr.Dataset({"forecast": factor * future["readout"]})


def lines(axes, **look):
    """Curves of an axes that have the given look, as (x, y)."""
    return [line.get_data() for line in axes.lines if all(getattr(line, f"get_{k}")() == v for k, v in look.items())]


def dots(axes, face=None):
    """All points drawn as dots, as a set of (x, y)."""
    drawn = [line for line in axes.lines if line.get_linestyle() == "None"]
    if face is not None:
        drawn = [line for line in drawn if to_rgb(line.get_markerfacecolor()) == to_rgb(face)]
    return {(float(x), float(y)) for line in drawn for x, y in zip(*line.get_data(), strict=True)}


def points(data, name, rows):
    """All that was measured of an observable, as a set of (time, value)."""
    values = data["measured"].sel(observable=name).isel(trajectory=rows)
    stacked = values.stack(point=values.dims).dropna("point")
    return {(float(t), float(v)) for t, v in zip(stacked["time"].values, stacked.values, strict=True)}


def covers(one, other):
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


# -- time courses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("replicates", [0, 3])
def test_lines_are_the_readout_and_dots_the_measurements(replicates):
    data = dataset(replicates=replicates)

    axes = plots.trajectories(data, draws=2)

    assert axes.shape == (2,)
    for one, name in zip(axes, ("S", "P"), strict=True):
        curves = lines(one, linestyle="-")
        expected = data["readout"].sel(observable=name).values[:2]
        np.testing.assert_array_equal([y for _, y in curves], expected)
        np.testing.assert_array_equal(curves[0][0], data["time"])
        assert dots(one) == points(data, name, [0, 1])


def test_axes_carry_names_and_units():
    simulated = plots.trajectories(dataset())
    lab = dataset()[["measured"]]
    lab["measured"].attrs["units"] = "nM"

    assert [one.get_ylabel() for one in simulated] == ["S (mol)", "P (amount)"]
    assert {one.get_xlabel() for one in simulated} == {"time (min)"}
    assert [one.get_ylabel() for one in plots.trajectories(lab)] == ["S (nM)", "P (nM)"]
    assert [one.get_ylabel() for one in plots.band(dataset().drop_attrs(), lab)] == ["S (nM)", "P (nM)"]
    assert {one.get_xlabel() for one in plots.forecasts(forecast(dataset()), dataset())[-1]} == {"time (min)"}
    assert plots.trajectories(lab.drop_attrs())[0].get_xlabel() == "time"


def test_errors_in_the_unit_of_the_channels_say_it():
    table = SCORES.copy()
    table.attrs = {"unit": "nM", "time_unit": "h"}

    assert plots.by_horizon(table, "mae")[0].get_ylabel().startswith("mean absolute error (nM)")
    assert (
        plots.ranking(summary(table, "rmse", resamples=10), "rmse")[0]
        .get_xlabel()
        .startswith("root mean squared error (nM)")
    )
    assert "nM" not in plots.by_horizon(table)[0].get_ylabel()
    assert plots.by_origin(table)[0].get_xlabel() == "time of the forecast (h)"
    assert "()" not in plots.by_horizon(SCORES, "mae")[0].get_ylabel()


def test_failed_trajectories_are_passed_over():
    flags = {"flag_values": [0, 1], "flag_meanings": "ok failed"}
    data = dataset().assign(status=("trajectory", np.array([1, 0, 1, 0], np.int8), flags))

    one = plots.trajectories(data, ["S"], draws=5)[0]

    np.testing.assert_array_equal([y for _, y in lines(one, linestyle="-")], data["readout"].values[[1, 3], :, 0])
    with pytest.raises(DataError, match="All 2 trajectories failed to simulate"):
        plots.trajectories(data.isel(trajectory=[0, 2]))


def test_species_are_drawn_where_nothing_was_measured():
    data = dataset()[["truth"]]

    axes = plots.trajectories(data)

    np.testing.assert_array_equal(lines(axes[1], linestyle="-")[0][1], data["truth"].values[0, :, 1])


def test_individual_times_are_drawn_as_they_are():
    data = dataset(draws=2).drop_vars("time").rename(time="sample")
    times = np.linspace(0, 4, 9) + np.array([[0.0], [0.1]])
    data = data.assign_coords(time=(("trajectory", "sample"), times), sample=np.arange(9))

    one = plots.trajectories(data, ["S"])[0]

    np.testing.assert_array_equal([x for x, _ in lines(one, linestyle="-")], times)


def test_values_at_a_limit_are_triangles():
    data = dataset(draws=1)
    data["measured"][:] = 1.0
    data["censored"] = data["measured"].astype(np.int8) * np.resize(np.int8([-1, 0, 1]), (1, 9, 2))

    one = plots.trajectories(data, ["S"])[0]

    drawn = {line.get_marker(): len(line.get_xdata()) for line in one.lines if len(line.get_xdata()) < 9}
    codes = data["censored"].values[0, :, 0]
    assert drawn == {"v": (codes == -1).sum(), "o": (codes == 0).sum(), "^": (codes == 1).sum()}


def test_the_band_holds_the_quantiles_of_the_draws():
    simulated, measured = dataset(draws=40, seed=1), dataset(draws=2, times=5)
    simulated["readout"][7] = np.nan  # a failed one

    axes = plots.band(simulated, measured)

    low, middle, high = np.nanquantile(simulated["readout"].values[..., 1], [0.05, 0.5, 0.95], axis=0)
    np.testing.assert_allclose(lines(axes[1], linestyle="-")[0][1], middle)
    outline = axes[1].collections[0].get_paths()[0].vertices
    for time, bottom, top in zip(simulated["time"].values, low, high, strict=True):
        there = outline[outline[:, 0] == time, 1]
        np.testing.assert_allclose([there.min(), there.max()], [bottom, top])
    assert dots(axes[1]) == points(measured, "P", [0, 1])


def test_a_band_of_species_serves_observables_of_the_same_name():
    simulated, measured = dataset(draws=9, seed=1)[["truth"]], dataset(draws=2)

    axes = plots.band(simulated, measured, ["S"])

    np.testing.assert_allclose(lines(axes[0], linestyle="-")[0][1], simulated["truth"].median("trajectory")[:, 0])
    with pytest.raises(UnknownName, match=r"No observable 'S' in the simulations\. Known: P, Q"):
        plots.band(simulated.assign_coords(species=["P", "Q"]), measured, ["S"])


@pytest.mark.parametrize("replicates", [0, 2])
def test_forecasts_follow_their_history_and_meet_what_happened(replicates):
    data = dataset(replicates=replicates)
    made = {"GRU": forecast(data), "persistence": forecast(data, factor=2.0)}

    axes = plots.forecasts(made, data, draws=2)

    assert axes.shape == (2, 2)
    one, end = axes[1, 0], data["time"].values[6]
    for name, dataset_ in made.items():
        (curve,) = lines(one, color=style.colours([name])[name])[:1]
        np.testing.assert_array_equal(curve[1], dataset_["forecast"].values[1, :, 0])
    happened = {p for p in points(data, "S", [1]) if p[0] <= end}
    assert dots(one, style.INK) == {p for p in happened if p[0] <= data["time"].values[3]}
    assert dots(one, "white") == {p for p in happened if p[0] > data["time"].values[3]}


def test_forecasts_of_other_trajectories_are_refused():
    data = dataset()

    with pytest.raises(DataError, match="forecasts are of other trajectories than the data has"):
        plots.forecasts(forecast(data), data.assign_coords(trajectory=[1, 2, 3, 4]))
    with pytest.raises(DataError, match="'GRU' has no 'forecast'; it has measured"):
        plots.forecasts({"GRU": data[["measured"]]}, data)
    with pytest.raises(ValueError, match="one forecast or more"):
        plots.forecasts({}, data)


@pytest.mark.parametrize("draw", [plots.trajectories, lambda d, o: plots.band(d, d, o)])
def test_an_unknown_observable_is_refused_with_the_closest(draw):
    with pytest.raises(UnknownName, match=r"No observable 's' in the dataset\. Did you mean 'S'"):
        draw(dataset(), ["s"])


# -- errors ----------------------------------------------------------------------------------------


def test_the_figures_sum_up_each_metric_as_the_benchmark_does():
    assert set(score_figures._METRICS) == set(METRICS)
    for name, metric in METRICS.items():
        mine = score_figures._METRICS[name]
        assert (mine.root, mine.pooled, mine.higher_is_better) == (
            metric.kind == "rms",
            metric.pooled,
            metric.higher_is_better,
        )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("draw", "by"), [(plots.by_horizon, "horizon"), (plots.by_origin, "origin")])
def test_each_line_is_the_error_of_its_forecaster(metric, draw, by):
    table = scores(rivals=("persistence", "GRU", "residual"))

    (axes,) = draw(table, metric)

    expected = errors(table, ("forecaster", "mechanism", by), metric)
    expected = expected[expected["forecaster"] != "perfect"]
    drawn = {tuple(np.round(y, 10)) for _, y in lines(axes)}
    groups = expected.groupby(["forecaster", "mechanism"])
    assert drawn == {tuple(np.round(g.sort_values(by)["value"], 10)) for _, g in groups}
    assert len(drawn) == 4


def test_the_noise_is_drawn_against_measurements_alone():
    texts = [[t.get_text() for t in plots.by_horizon(SCORES, against=a)[0].texts] for a in ("truth", "measurement")]

    assert "noise (no forecast is better)" not in texts[0]
    assert "noise (no forecast is better)" in texts[1]


def test_rows_are_told_apart_by_what_they_knew():
    texts = [t.get_text() for t in plots.by_horizon(SCORES)[0].texts]

    assert {"residual, true mechanism", "residual, wrong mechanism", "GRU"} <= set(texts)


@pytest.mark.parametrize("draw", [plots.by_horizon, plots.by_origin])
def test_ten_forecasters_labels_do_not_cover_each_other(draw):
    (axes,) = draw(SCORES)

    axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line to the curve
    assert len(boxes) == 11
    assert not any(covers(a, b) for a, b in itertools.combinations(boxes, 2))
    assert all(box.x1 <= axes.figure.bbox.x1 + 1 and box.y0 >= 0 for box in boxes)
    assert not any(covers(box, axes.bbox) for box in boxes)


@pytest.mark.parametrize("observables", [["S"], None])
def test_a_legend_stays_within_its_figure_and_off_the_data(observables):
    data = dataset(draws=1)
    data["censored"] = data["measured"].notnull().astype(np.int8)
    made = {f"a forecaster with a long name, number {i}": forecast(data) for i in range(10)}

    for axes in (plots.trajectories(data, observables), plots.forecasts(made, data, observables)):
        axes.figure.draw_without_rendering()
        box = axes.figure.legends[0].get_window_extent()
        assert box.x1 <= axes.figure.bbox.x1
        assert not any(covers(box, one.bbox) for one in axes.flat)


def test_a_legend_in_a_narrow_figure_of_ones_own_stays_within_it():
    axes = Figure(figsize=(4, 4), layout="constrained").subplots(2, 1)

    plots.forecasts({name: forecast(dataset()) for name in RIVALS}, dataset(), ["S"], draws=2, axes=axes)

    axes[0].figure.draw_without_rendering()
    box = axes[0].get_legend().get_window_extent()
    assert box.x1 <= axes[0].figure.bbox.x1
    assert not any(covers(box, one.bbox) for one in axes)


def test_many_origins_are_drawn_in_groups():
    table = scores(rivals=("persistence",), origins=tuple(np.linspace(0, 9, 30)), horizon=1, draws=2)

    (axes,) = plots.by_origin(table)

    assert len(lines(axes)[0][0]) == 10


def test_errors_of_very_different_size_get_a_logarithmic_axis():
    table = scores(rivals=("persistence", "GRU"))
    table.loc[table["forecaster"] == "GRU", "value"] *= 1000

    assert plots.by_horizon(table)[0].get_yscale() == "log"
    assert plots.by_horizon(SCORES)[0].get_yscale() == "linear"
    assert plots.by_horizon(SCORES)[0].get_ylim()[0] == 0


def test_the_ranking_stands_in_its_order_with_its_intervals():
    table = summary(SCORES, resamples=50)

    (axes,) = plots.ranking(table)

    axes.figure.draw_without_rendering()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [name.split(",")[0] for name in names] == table["forecaster"].tolist()
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first is on top
    drawn = {(float(np.ravel(x)[0]), float(np.ravel(y)[0])) for x, y in lines(axes, marker="o")}
    assert drawn == {(error, float(place)) for place, error in enumerate(table["error"])}
    intervals = [tuple(x) for x, y in lines(axes) if len(np.ravel(x)) == 2 and y[0] == y[1]]
    np.testing.assert_allclose(intervals, table[["low", "high"]])


def test_rows_not_to_go_by_are_hollow():
    table = summary(SCORES, resamples=50)

    (axes,) = plots.ranking(table)

    hollow = [line.get_ydata()[0] for line in axes.lines if to_rgb(line.get_markerfacecolor()) == (1, 1, 1)]
    assert hollow == table.index[~table["counts"]].tolist()


def test_a_ranking_without_intervals_is_drawn():
    table = summary(SCORES[SCORES["draw"] < 2])
    assert table["low"].isna().all()

    (axes,) = plots.ranking(table)

    assert "error" in [text.get_text() for text in axes.texts]
    assert not any("to" in text.get_text() for text in axes.texts)


def test_scores_that_are_not_there_are_refused():
    with pytest.raises(UnknownName, match=r"No metric 'nrmse' in the figures\. Did you mean 'rmse' or 'nrmse_sd'"):
        plots.by_horizon(SCORES, "nrmse")
    with pytest.raises(DataError, match="These scores are against 'measurement', not 'truth'"):
        plots.by_origin(SCORES[SCORES["against"] == "measurement"])
    with pytest.raises(DataError, match=r"no 'mase' against 'truth'\. Try metric='mae'"):
        plots.by_horizon(SCORES[SCORES["metric"] != "mase"], "mase")
    with pytest.raises(DataError, match="no rows to rank"):
        plots.ranking(summary(SCORES, resamples=10).iloc[:0])


# -- the look --------------------------------------------------------------------------------------


@given(places=st.lists(st.floats(0, 1), max_size=12), gap=st.floats(0.001, 0.2))
def test_labels_are_spread_just_enough_and_keep_their_order(places, gap):
    places = np.array(places)

    moved = style.spread(places, gap)

    ordered = moved[np.argsort(places, kind="stable")]
    assert (np.diff(ordered) >= gap - 1e-9).all()
    if gap * (len(places) - 1) <= 1:
        assert ((moved >= -1e-9) & (moved <= 1 + 1e-9)).all()
    if (np.diff(np.sort(places)) >= gap + 1e-9).all():
        np.testing.assert_allclose(moved, places, atol=1e-9)


@given(order=st.permutations(RIVALS), count=st.integers(1, len(RIVALS)))
def test_a_forecaster_keeps_its_colour(order, count):
    assert style.colours(order) == style.colours(RIVALS)
    usual = [
        name for name in order[:count] if name in ("persistence", "series mean", "GRU", "residual", "ridge", "MLP")
    ]
    assert all(style.colours(order[:count])[name] == style.colours(RIVALS)[name] for name in usual)
    titled = style.colours(["residual, wrong mechanism"])
    assert list(titled.values()) == [style.colours(["residual"])["residual"]]


def test_ten_rivals_have_ten_colours():
    assert len(set(style.colours(f"rival {i}" for i in range(10)).values())) == 10
    assert len(set(style.colours(RIVALS).values())) == len(RIVALS)


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart_with_any_colour_vision(vision):
    def lab(colour):
        srgb = np.array(to_rgb(colour))
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(np.asarray(VISIONS[vision]) @ linear, 0, 1)
        xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
        x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    distances = [np.linalg.norm(lab(a) - lab(b)) for a, b in itertools.combinations(style.COLOURS, 2)]

    assert min(distances) > 14  # 2.3 is just noticeable


DRAWN = {
    "trajectories": (lambda axes=None: plots.trajectories(dataset(), axes=axes), 2),
    "band": (lambda axes=None: plots.band(dataset(), dataset(), axes=axes), 2),
    "forecasts": (lambda axes=None: plots.forecasts(forecast(dataset()), dataset(), draws=1, axes=axes), 2),
    "by_horizon": (lambda axes=None: plots.by_horizon(SCORES, axes=axes), 1),
    "ranking": (lambda axes=None: plots.ranking(summary(SCORES, resamples=10), axes=axes), 1),
}


@pytest.mark.parametrize("name", DRAWN)
def test_one_may_say_where_to_draw(name):
    draw, count = DRAWN[name]
    given_axes = Figure().subplots(1, count, squeeze=False)[0]

    made = draw(given_axes)

    assert made.flatten().tolist() == given_axes.tolist()
    assert made.figure is given_axes[0].figure
    if count > 1:
        with pytest.raises(ValueError, match=f"{count} axes are needed, got 1"):
            draw(given_axes[0])


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_leaves_nothing_behind(name):
    import matplotlib as mpl
    from matplotlib import pyplot

    settings, figures = dict(mpl.rcParams), pyplot.get_fignums()

    made = DRAWN[name][0]()

    assert made.figure.canvas.manager is None
    assert pyplot.get_fignums() == figures
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("extension", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, extension):
    paths = [plots.trajectories(dataset()).save(tmp_path / f"{i}.{extension}", dpi=40) for i in range(2)]

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_jupyter_shows_the_picture_once():
    from matplotlib import pyplot

    ours = plots.trajectories(dataset(), ["S"])
    figure, axes = pyplot.subplots()
    theirs = plots.trajectories(dataset(), ["S"], axes=axes)
    shown = [ours._repr_png_(), theirs._repr_png_()]
    pyplot.close(figure)

    assert shown[0].startswith(b"\x89PNG")
    assert shown[1] is None  # pyplot shows its own figures


def test_drawing_changes_no_argument():
    data, table = dataset(), SCORES.copy()
    before = data.copy(deep=True)

    plots.trajectories(data)
    plots.forecasts(forecast(data), data)
    plots.by_horizon(SCORES)

    xr.testing.assert_identical(data, before)
    pd.testing.assert_frame_equal(SCORES, table)


def test_many_observables_stand_in_rows_of_three_and_twelve_at_most():
    names = [f"y{i}" for i in range(14)]
    values = np.ones((2, 3, 14))
    data = xr.Dataset(
        {"measured": (("trajectory", "time", "observable"), values)},
        {"trajectory": [0, 1], "draw": ("trajectory", [0, 1]), "time": [0.0, 1.0, 2.0], "observable": names},
    )

    axes = plots.trajectories(data)

    assert [one.get_ylabel() for one in axes] == names[:12]
    assert axes[0].get_gridspec().ncols == 3
    assert len(plots.trajectories(data, names[:5]).figure.axes) == 5


# -- tables of draws -------------------------------------------------------------------------------


def table_of_draws(n=300):
    rng = np.random.default_rng(0)
    k = rng.lognormal(0, 2, n)
    return pd.DataFrame({"k": k, "half": k / 2, "shift": rng.normal(-3, 1, n), "fixed": 1.0})


def test_a_table_of_draws_shows_every_pair_and_says_how_they_move_together():
    table = table_of_draws()

    made = plots.draws(table)

    assert made.shape == (3, 3)
    x, y = made[2, 0].lines[0].get_data()
    np.testing.assert_array_equal(x, table["k"])
    np.testing.assert_array_equal(y, table["shift"])
    assert [one.get_xscale() for one in made[2]] == ["log", "log", "linear"]
    assert made[0, 1].texts[0].get_text() == "rank correlation\n1.00"
    assert abs(float(made[0, 2].texts[0].get_text())) < 0.3
    assert [one.get_xlabel() for one in made[2]] == ["k", "half", "shift"]
    for i, name in enumerate(["k", "half", "shift"]):
        assert sum(patch.get_height() for patch in made[i, i].patches) == table[name].count()


def test_draws_can_be_chosen_and_what_is_fixed_or_missing_is_refused():
    table = table_of_draws()

    assert plots.draws(table, "shift").shape == (1, 1)
    with pytest.raises(UnknownName, match="No quantity 'shft' in the table of draws. Did you mean 'shift'"):
        plots.draws(table, ["shft"])
    with pytest.raises(DataError, match="'fixed' is 1 in all 300 draws"):
        plots.draws(table, ["fixed"])
    with pytest.raises(DataError, match="Nothing varies in a table of 300 draws and 1 quantities"):
        plots.draws(table[["fixed"]])


def measured_twice():
    truth = sh.simulate(sh.load("A -> B; k*A; A = 10; k = 0.3"), times=np.linspace(0, 5, 11))
    noises = {"little": sh.noise.Normal(0.1), "much": sh.noise.Normal(5.0)}
    return {title: sh.measure(truth, ["A", "B"], noise, keep=0.8, seed=1) for title, noise in noises.items()}


def test_noise_models_are_drawn_side_by_side_on_one_scale():
    measured = measured_twice()

    made = plots.noise(measured, "B")

    assert [one.get_title(loc="left") for one in made] == ["little", "much"]
    assert made[0].get_ylim() == made[1].get_ylim()
    for one, data in zip(made, measured.values(), strict=True):
        dots, line = one.get_lines()
        np.testing.assert_array_equal(dots.get_ydata(), data["measured"].sel(observable="B")[0])
        np.testing.assert_array_equal(line.get_ydata(), data["readout"].sel(observable="B")[0])


def test_noise_without_measurements_or_with_another_observable_is_refused():
    measured = measured_twice()

    with pytest.raises(DataError, match="There is nothing to draw"):
        plots.noise({})
    with pytest.raises(DataError, match="'bare' has no measurements with their noise-free readout"):
        plots.noise({"bare": measured["little"].drop_vars("readout")})
    with pytest.raises(UnknownName, match="No observable 'C' in 'little'"):
        plots.noise(measured, "C")
