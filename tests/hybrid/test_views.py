"""Pictures of hybrids show the laws that the layer computes with, where its trajectories went."""

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid import priors
from sbml_hybrid.errors import DataError, ModelError, UnknownName
from sbml_hybrid.forecasting.engine import keras
from sbml_hybrid.hybrid import views
from sbml_hybrid.hybrid.grafts import Graft
from sbml_hybrid.hybrid.simulate import Simulate
from sbml_hybrid.plots.hybrids import LEARNED, OWN

pytestmark = pytest.mark.slow  # compiling layers takes minutes

TEXT = """
model decay
compartment C = 2; species S in C, T in C; S = 4; T = 1; k = 0.5; V = 0.6
R1: S -> T; C*V*S/(1 + S); total := S + T
unit time_unit = second; unit substance = 1e-3 mole; unit extent = 1e-3 mole; unit volume = litre
end
"""
START = np.array([2.0, 3.0, 9.0, 10.0])  # amounts: 1 to 5 mmol/l, and nothing between 1.5 and 3.7
INPUTS = {
    "times": np.tile(np.linspace(0, 0.5, 4), (4, 1)),
    "initial": START[:, None],
    "temperature": np.array([10.0, 15.0, 20.0, 25.0]),
}


def layer(port="R1", inputs=("S",), **kwargs):
    graft = Graft(port, keras.layers.Dense(3, "tanh"), inputs, **kwargs)
    made = Simulate(
        sh.load(TEXT), [graft], end=0.5, initial=["S"], observables={"S": "S", "y": "3*T"}, tolerance=1e-2, steps=30
    )
    made.build()
    return made


def trained(made, bias):
    """The layer, whose g is a constant."""
    made.heads[0].last.bias.assign(np.full(made.heads[0].last.bias.shape, bias))
    return made


@pytest.fixture(scope="module")
def hybrid():
    return layer()


def curves(one):
    """Colour -> (x, y) of the solid and the dashed parts together."""
    found = {}
    for colour in (OWN, LEARNED):
        parts = [line for line in one.get_lines() if line.get_color() == colour and line.get_linestyle() != "None"]
        found[colour] = parts[0].get_xdata(), np.nanmax([part.get_ydata() for part in parts], axis=0)
    return found


def test_untrained_both_curves_are_the_law_over_what_was_visited_and_dashed_between(hybrid):
    (one,) = views.plot_rate(trained(hybrid, 0.0), "R1", inputs=INPUTS)

    x, own = curves(one)[OWN]
    np.testing.assert_allclose(own, 2 * 0.6 * x / (1 + x), rtol=1e-9)
    np.testing.assert_allclose(curves(one)[LEARNED][1], own, rtol=1e-9)
    assert x.max() == pytest.approx(5.0)  # where it starts, as a concentration
    assert 0.7 < x.min() < 1.0
    dashed = np.isfinite(next(line for line in one.get_lines() if line.get_linestyle() == "--").get_ydata())
    assert 1.45 < x[dashed].min() < 1.6
    assert x[dashed].max() < 4.5
    assert (one.get_xlabel(), one.get_ylabel()) == ("S (mmol/l)", "R1 (mmol/s)")


def test_a_learned_factor_stands_between_the_curves_and_several_starts_span_a_band(hybrid):
    other = trained(layer(), np.log(3.0))

    (one,) = views.plot_rate([trained(hybrid, np.log(2.0)), other], "R1", "S", inputs=INPUTS)

    found = curves(one)
    np.testing.assert_allclose(found[LEARNED][1], 2.5 * found[OWN][1], rtol=1e-6)
    assert len([c for c in one.collections if c.get_alpha() == 0.2]) == 1


def test_the_trace_shows_the_factor(hybrid):
    made = views.plot_trace(trained(hybrid, np.log(2.0)), INPUTS, trajectory=2)

    upper, lower = made[:, 0]
    own, used = (line.get_ydata() for line in upper.get_lines())
    assert own[0] == pytest.approx(2 * 0.6 * 4.5 / 5.5)
    np.testing.assert_allclose(used, 2 * own, rtol=1e-6)
    np.testing.assert_allclose(lower.get_lines()[-1].get_ydata(), 2.0, rtol=1e-6)
    assert (upper.get_ylabel(), lower.get_xlabel()) == ("R1 (mmol/s)", "time (s)")


def test_a_derivative_keeps_its_own_formula_and_other_quantities_can_be_held():
    (one,) = views.plot_rate(layer("S'", ["time", "S"]), "S'", "time", inputs=INPUTS, at={"S": 3.0})

    found = curves(one)
    np.testing.assert_allclose(found[OWN][1], -2 * 0.6 * 3 / 4, rtol=1e-9)
    np.testing.assert_allclose(found[LEARNED][1], found[OWN][1], rtol=1e-9)
    assert one.get_title(loc="left") == "lines: at S = 3 mmol/l"
    assert one.get_ylabel() == "S' (mmol/s)"


def test_a_parameter_that_a_column_sets_and_an_observable():
    (one,) = views.plot_rate(trained(layer("V", ["temperature"]), np.log(2.0)), "V", inputs=INPUTS)
    (other,) = views.plot_rate(layer("y", ["T"], mode="add"), "y", inputs=INPUTS)

    x, learned = curves(one)[LEARNED]
    np.testing.assert_allclose(learned, 1.2, rtol=1e-6)
    assert (x.min(), x.max()) == (10.0, 25.0)
    x, own = curves(other)[OWN]
    np.testing.assert_allclose(own, 3 * x, rtol=1e-9)


def test_a_dose_jumps_over_what_it_does_not_visit():
    made = Simulate(
        sh.load("R1: S -> ; k*S; S = 1; k = 0.1; q := 2*S"),
        [Graft("R1", keras.layers.Dense(3, "tanh"), ["q"])],
        end=2.0,
        doses=["S"],
        tolerance=1e-2,
        steps=30,
    )
    inputs = {"times": np.linspace(0, 2, 5)[None], "doses": np.array([0.0, 0, 3, 0, 0]).reshape(1, 5, 1)}

    (one,) = views.plot_rate(made, "R1", "S", inputs=inputs)

    dashed = next(line for line in one.get_lines() if line.get_linestyle() == "--")
    gap = dashed.get_xdata()[np.isfinite(dashed.get_ydata())]
    assert (gap.min() < 1.1, gap.max() > 3.3) == (True, True)
    assert one.get_title(loc="left") == ""  # q moves with S


def test_what_is_not_there_is_named_with_the_closest(hybrid):
    with pytest.raises(UnknownName, match=r"No graft on 'r1' in the layer\. Did you mean 'R1'"):
        views.plot_rate(hybrid, "r1", inputs=INPUTS)
    with pytest.raises(UnknownName, match=r"No graft on 'r1'.*Did you mean 'R1'"):
        views.plot_trace(hybrid, INPUTS, ports=["r1"])
    with pytest.raises(UnknownName, match=r"No quantity to draw against 'tim'.*Did you mean 'time'"):
        views.plot_rate(hybrid, "R1", "tim", inputs=INPUTS)
    with pytest.raises(ModelError, match=r"total of .* is not varied alone"):
        views.plot_rate(hybrid, "R1", "total", inputs=INPUTS)
    with pytest.raises(DataError, match=r"No trajectory 7: the inputs have 4"):
        views.plot_trace(hybrid, INPUTS, trajectory=7)


def test_the_network_shows_the_graft(hybrid):
    (one,) = views.plot_network(hybrid)

    assert {"graft:S:graft 0", "graft:graft 0:R1"} <= {patch.get_gid() for patch in one.patches}


def test_estimates_take_laws_as_priors_and_units_from_the_model():
    table = pd.DataFrame({"parameter": ["C", "C"], "start": [0, 1], "value": [1.0, 2.0], "loss": [1.0, 2.0]})

    (one,) = made = views.plot_estimates(table, {"C": priors.LogUniform(0.1, 10.0)}, model=sh.load(TEXT))

    assert one.get_ylabel() == "C\n(l)"
    assert "prior (middle 90 %)" in [text.get_text() for text in made.figure.legends[0].get_texts()]
    (bar,) = one.patches
    assert bar.get_x() == pytest.approx(10 ** (-0.9))
