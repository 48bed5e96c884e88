"""The figure of an experiment shows what was given, and what came of it, in the colours of the conditions."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError

ARMS = [
    sh.Condition("control"),
    sh.Condition("dosed", inputs=[sh.Dose("S", 4, time=3)]),
    sh.Condition("fed", inputs=[sh.TimeCourse("u", [0, 8], [0, 2]), sh.Steps("v", [2, 5], [1, 0])]),
]


@pytest.fixture(scope="module")
def data():
    model = sh.load("S = 1; u = 1; v = 0; k = 0.3; -> S; u + v; S -> ; k*S")
    draws = sh.sample({"k": sh.priors.LogUniform(0.2, 0.5)}, 4, seed=0)
    return sh.measure(sh.simulate(model, draws, times=np.linspace(0, 8, 17), conditions=ARMS), seed=0)


def test_each_condition_has_one_colour_in_every_panel(data):
    made = sh.plots.responses(data, draws=2)

    assert [one.get_ylabel() for one in made] == ["S (concentration)", "S given", "v", "u"]
    assert [one.get_xlabel() for one in made] == ["", "", "", "time"]
    for one in made:
        lines = [line for line in one.get_lines() if line.get_linestyle() != "None"]
        assert len(lines) == 6
        colours = [line.get_color() for line in lines]
        assert colours[:3] == colours[3:]
        assert len(set(colours)) == 3
    assert [text.get_text() for text in made.figure.legends[0].get_texts()][:3] == ["control", "dosed", "fed"]


def test_the_inputs_are_drawn_as_they_were(data):
    _, dose, steps, course = sh.plots.responses(data, draws=1)

    np.testing.assert_array_equal(dose.get_lines()[1].get_ydata(), np.where(data["time"] >= 3, 4, 0))
    assert {line.get_drawstyle() for line in (*dose.get_lines(), *steps.get_lines())} == {"steps-post"}
    assert {line.get_drawstyle() for line in course.get_lines()} == {"default"}
    np.testing.assert_allclose(course.get_lines()[2].get_ydata(), data["time"] / 4)


def test_trajectories_of_one_condition_keep_a_colour_for_each_draw(data):
    (one,) = sh.plots.trajectories(data[{"trajectory": data["condition"].values == "fed"}], draws=3)

    assert len({line.get_color() for line in one.get_lines()}) == 3


def test_a_dataset_without_inputs_is_refused(data):
    with pytest.raises(DataError, match=r"no inputs \('controls'\)"):
        sh.plots.responses(data.drop_vars("controls"))
