"""A hybrid does what was done to the trajectories of a dataset, or refuses it."""

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError

MODEL = sh.load(
    "compartment V = 2; species A in V, B in V, $F in V; R1: A -> B; k*A; R2: B -> ; q*B; R3: $F -> A; r*F;"
    "A = 1; B = 0; F = 1; k = 1; q = 0.5; r = 0.1"
)
TIMES = np.linspace(0, 4, 9)
NOISE = 1e-4
TWICE = sh.Condition("twice", inputs=[sh.Dose("A", 1.0, time=1.0, every=1.0, count=2)])
DRAWN = sh.Condition("drawn", inputs=[sh.Dose("A", "amount", time=1.5)])
FED = sh.Condition("fed", inputs=[sh.Steps("F", [0, 2.0], [1.0, 3.0])])
PLAIN = sh.Condition("plain")


def measured(*conditions):
    draws = sh.sample({"k": sh.priors.Uniform(0.5, 2), "amount": sh.priors.Uniform(1, 2)}, 2, seed=0)
    draws = draws if DRAWN in conditions else draws[["k"]]
    data = sh.simulate(MODEL, draws, times=TIMES, conditions=list(conditions))
    return sh.measure(data, noise=sh.noise.Normal(NOISE), seed=0)


def hybrid(model=MODEL, parameters=("k",), **settings):
    return sh.HybridModel(sh.Simulate(model, end=4, parameters=parameters, tolerance=1e-6, **settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conditions", "settings"),
    [
        ([TWICE, PLAIN], {"doses": ["A"]}),
        ([DRAWN, PLAIN], {"doses": ["A"]}),
        ([FED, PLAIN], {"controls": ["F"]}),
        ([TWICE, FED, PLAIN], {"doses": ["A"], "controls": ["F"]}),
        ([sh.Condition("slow", {"q": 0.1}), PLAIN], {"parameters": ["k", "q"]}),
        ([sh.Condition("more", {"init(A)": 5.0}), PLAIN], {"initial": ["A"]}),
        ([sh.Condition("out", knock_outs=["R2"])], {"model": MODEL.knock_out("R2")}),
        ([sh.Condition("the same", {"q": 0.5}, inputs=[sh.Steps("F", [1.0], [1.0])])], {}),
    ],
    ids=lambda said: "" if isinstance(said, dict) else "+".join(c.name for c in said),
)
def test_a_hybrid_does_what_was_done(conditions, settings):
    data = measured(*conditions)

    error = hybrid(**settings).evaluate(data, return_dict=True)["rmse"]

    assert error < 1.2 * NOISE  # of 36 values or more: the chance is below 1e-3 for each


@pytest.mark.parametrize(
    ("condition", "settings", "words"),
    [
        (TWICE, {}, r"has doses of A, which the hybrid does not take. Try: doses=\['A'\]"),
        (FED, {}, r"has F as an input, which the hybrid does not take. Try: controls=\['F'\]"),
        (FED, {"initial": ["F"]}, "has F as an input"),
        (PLAIN, {"doses": ["A"]}, "does not say what was given of A; its controls: none"),
        (sh.Condition("off", inputs=[sh.Dose("A", 1.0, time=1.1)]), {"doses": ["A"]}, "changes A at 1.1, which is no"),
        (sh.Condition("off", inputs=[sh.Steps("F", [0, 1.1], [1, 2])]), {"controls": ["F"]}, "changes F at 1.1, which"),
        (sh.Condition("out", knock_outs=["R2"]), {}, "Condition 'out' knocks R2 out, which the hybrid does not"),
        (sh.Condition("slow", {"q": 0.1}), {}, r"sets q, which .* Try: parameters=\[..., 'q'\] in Simulate"),
        (sh.Condition("more", {"init(A)": 5.0}), {}, r"sets init\(A\), .* Try: initial=\[..., 'A'\] in Simulate"),
        (sh.Condition("line", inputs=[sh.TimeCourse("F", [0, 2], [1, 3])]), {"controls": ["F"]}, "F follow a line"),
        (sh.Condition("past", before={"k": 3.0}), {}, "begins at a steady state, which the dataset does not hold"),
    ],
)
def test_what_a_hybrid_does_not_do_is_refused(condition, settings, words):
    with pytest.raises(DataError, match=words):
        hybrid(**settings).evaluate(measured(condition))


@pytest.mark.slow
def test_the_conditions_of_trajectories_that_are_not_there_do_not_matter():
    data = measured(PLAIN, TWICE)
    plain = data.isel(trajectory=data["condition"].values == "plain")

    assert hybrid().evaluate(plain, return_dict=True)["rmse"] < 1.2 * NOISE


AT_START = sh.Condition("at start", inputs=[sh.Dose("A", 5.0, time=0.0)])
AT_FIRST = sh.Condition("at first", inputs=[sh.Dose("A", 5.0, time=2.0)])
STEP_AT_FIRST = sh.Condition("step", inputs=[sh.Steps("F", [2.0], [3.0])])
STEP_AT_START = sh.Condition("step", inputs=[sh.Steps("F", [0.0], [3.0])])


def late(condition, draws=None):
    """Measurements that begin at 2."""
    conditions = None if condition is None else [condition]
    data = sh.simulate(MODEL, draws, times=np.linspace(2, 4, 5), conditions=conditions)
    return sh.measure(data, noise=sh.noise.Normal(NOISE), seed=0)


@pytest.mark.parametrize(
    ("condition", "settings", "words"),
    [
        (AT_START, {"doses": ["A"]}, "'at start' changes A at 0, which is no time of the dataset.*begin at 0"),
        (STEP_AT_FIRST, {"controls": ["F"]}, "'step' changes F at 2, which is the first time of the dataset"),
    ],
)
def test_what_happens_before_the_first_measurement_is_done_or_refused(condition, settings, words):
    with pytest.raises(DataError, match=words):
        hybrid(**settings).inputs_from(late(condition))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "settings"), [(AT_FIRST, {"doses": ["A"]}), (STEP_AT_START, {"controls": ["F"]})]
)
def test_a_hybrid_does_what_was_done_to_measurements_that_begin_late(condition, settings):
    error = hybrid(**settings).evaluate(late(condition), return_dict=True)["rmse"]

    assert error < 1.7 * NOISE  # of 10 values or more: the chance is below 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("varies", [{"init([A])": [0.5, 3.0]}, {"init([A])": [0.5, 3.0], "V": [1.0, 4.0]}])
def test_initial_concentrations_of_a_dataset_are_amounts_to_a_hybrid(varies):
    data = late(None, pd.DataFrame(varies))
    model = hybrid(initial=["A"], parameters=["k", *(n for n in varies if n == "V")])

    assert model.evaluate(data, return_dict=True)["rmse"] < 1.5 * NOISE  # of 20 values: the chance is below 1e-3
    more = measured(sh.Condition("more", {"init([A])": 5.0}), PLAIN)
    assert model.evaluate(more, return_dict=True)["rmse"] < 1.3 * NOISE
    with pytest.raises(DataError, match=r"'more' sets init\(\[A\]\), which the hybrid leaves.*initial=\[..., 'A'\]"):
        hybrid().inputs_from(more)
