"""The figure of gaps draws every point of the grid once, as what it is."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.plots import missing


@pytest.fixture(scope="module")
def truth():
    model = sh.load("A -> B; k*A; A = 10; B = 0; k = 0.3")
    return sh.simulate(model, sh.sample(sh.around(model, fold=2), 5, seed=0), times=np.linspace(0, 10, 11))


@pytest.fixture(scope="module")
def data(truth):
    return sh.measure(truth, limits=sh.Limits(low=1, high=8), keep=0.6, replicates=2, seed=1)


def dots(one):
    """Each dot of the axes as (time, row, marker)."""
    return [
        (x, y, line.get_marker(), line.get_markerfacecolor() == "white")
        for line in one.get_lines()
        for x, y in zip(*line.get_data(), strict=True)
    ]


def test_every_point_is_one_dot_with_the_mark_of_its_kind(data):
    made = sh.plots.gaps(data)

    for one, name in zip(made, ["A", "B"], strict=True):
        drawn = dots(one)
        assert len(drawn) == len({dot[:2] for dot in drawn}) == 5 * 2 * 11
        for time, row, marker, hollow in drawn:
            at = {"trajectory": row // 2, "replicate": row % 2, "time": int(time)}
            code, value = (float(data[v].sel(observable=name).isel(at)) for v in ("censored", "measured"))
            assert (marker, hollow) == ({-1: "v", 1: "^"}.get(code, "o"), np.isnan(value))


def test_the_rows_are_the_first_ones_and_say_whose_they_are(data):
    one = sh.plots.gaps(data, ["B"], rows=3)[0]

    assert [label.get_text() for label in one.get_yticklabels()] == ["0 / 0", "0 / 1", "1 / 0"]
    assert {dot[1] for dot in dots(one)} == {0, 1, 2}
    assert one.get_ylim()[0] > one.get_ylim()[1]


def test_the_legend_has_what_there_is(truth, data):
    def words(made):
        return [text.get_text() for text in made.figure.legends[0].get_texts()]

    assert words(sh.plots.gaps(data)) == ["measured", "below the limit", "above the limit", "missing"]
    assert words(sh.plots.gaps(sh.measure(truth, seed=1))) == ["measured"]


def test_it_draws_into_axes_that_it_is_given(data):
    figure = Figure()
    axes = figure.subplots()

    assert sh.plots.gaps(data, ["A"], axes=axes)[0] is axes


def test_padding_of_individual_times_is_no_missing_point(data):
    times = np.tile(data["time"].values, (5, 1))
    times[1, 6:] = np.nan
    own = data.drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), times))
    own = own.assign(measured=own["measured"].where(~np.isnan(own["time"])).transpose(*own["measured"].dims))

    drawn = dots(sh.plots.gaps(own, ["A"])[0])

    assert len(drawn) == 2 * (4 * 11 + 6)


def test_the_same_data_gives_the_same_bytes(data, tmp_path):
    one, two = (sh.plots.gaps(data).save(tmp_path / f"{n}.png").read_bytes() for n in (1, 2))

    assert one == two


def test_what_cannot_be_drawn_is_refused(truth, data):
    with pytest.raises(DataError, match="no 'measured', so there are no gaps to draw"):
        sh.plots.gaps(truth)
    with pytest.raises(ValueError, match="rows must be one or more, got 0"):
        sh.plots.gaps(data, rows=0)
    with pytest.raises(UnknownName, match="No observable 'C'"):
        sh.plots.gaps(data, ["C"])


def test_every_kind_of_gap_has_its_picture_on_the_page(root):
    import runpy

    page = (root / "docs" / "gaps.md").read_text()
    drawn = {type(gap) for gap in runpy.run_path(str(root / "docs" / "gallery_assay.py"))["GAPS"]}

    assert drawn == set(sh.gaps.KINDS)
    for kind in sh.gaps.KINDS:
        assert f"`{kind.__name__}`" in page and f"_gallery/gap_{kind.__name__.lower()}.png" in page


def test_every_kind_of_effect_and_constraint_is_in_a_picture_of_the_page(root):
    import runpy

    page = (root / "docs" / "assay.md").read_text()
    drawn = runpy.run_path(str(root / "docs" / "gallery_assay.py"))

    assert {type(one) for one in drawn["EFFECTS"].values()} == set(sh.effects.KINDS)
    assert {type(one) for one in drawn["CONSTRAINTS"].values() if one} == set(sh.constraints.KINDS)
    assert "_gallery/effects.png" in page and "_gallery/constraints.png" in page


def test_each_kind_of_point_is_apart_from_the_others():
    values, codes = np.array([np.nan, 1.0, 1.0, 1.0, np.nan]), np.array([0, 0, -1, 1, 0])

    kinds = missing._kinds(np.array([0.0, 1, 2, 3, np.nan]), values, codes)

    assert sum(there.astype(int) for there in kinds.values()).tolist() == [1, 1, 1, 1, 0]
