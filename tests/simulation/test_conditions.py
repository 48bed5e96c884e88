"""What conditions promise: doses, inputs and knock-outs that are what a model written by hand would give."""

import json
import re
import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.data.dataset import visible
from sbml_hybrid.errors import DataError, ModelError, UnknownName
from sbml_hybrid.simulation.conditions import to_dict
from sbml_hybrid.simulation.designs import Design
from sbml_hybrid.simulation.rows import source_of
from sbml_hybrid.simulation.switches import has_jumps

TIMES = np.linspace(0, 20, 41)
DECAY = "compartment C = 2; species S in C; S = 10; R1: S -> ; C*k*S; k = 0.3"
PATHWAY = """
    compartment C = 2; species A in C, B in C, $X in C; substanceOnly species U in C
    A = 10; B = 0; X = 1; U = 3; light = 1
    R1: A -> B; C*k*A; R2: B -> ; C*g*B; R3: X -> A; C*h*X*light; R4: U -> ; d*U
    k = 0.3; g = 0.2; h = 0.5; d = 0.1
"""


def _decaying(times, dosed, k=0.3):
    """What is left at `times` of doses given as (concentration, time)."""
    return sum(np.where(times >= at, dose * np.exp(-k * (times - at)), 0.0) for dose, at in dosed)


def _truth(model, condition, times=TIMES, draws=None, **more):
    return sh.simulate(model, draws, times=times, conditions=[condition], **more)["truth"]


# -- against closed forms --------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 5.0, 7.3, 20.0])
def test_a_bolus_decays_as_its_closed_form(at):
    """An amount of 8 in a volume of 2 is a concentration of 4, from its time on, the end of the simulation included."""
    truth = _truth(sh.load(DECAY), sh.Condition("dosed", inputs=[sh.Dose("S", 8, time=at)]))

    np.testing.assert_allclose(truth.values[0, :, 0], _decaying(TIMES, [(10, 0), (4, at)]), rtol=1e-5, atol=1e-6)


def test_doses_drawn_with_their_times_are_given_in_their_own_trajectories():
    priors = {"k": sh.priors.LogUniform(0.1, 1.0), "dose": sh.priors.LogUniform(1, 100), "at": sh.priors.Uniform(0, 15)}
    draws = sh.sample(priors, 12, seed=0)

    data = sh.simulate(
        sh.load(DECAY), draws, times=TIMES, conditions=[sh.Condition("dosed", inputs=[sh.Dose("S", "dose", "at")])]
    )

    for row, draw in enumerate(draws.itertuples()):
        expected = _decaying(TIMES, [(10, 0), (draw.dose / 2, draw.at)], draw.k)
        np.testing.assert_allclose(data["truth"].values[row, :, 0], expected, rtol=1e-5, atol=1e-5)
        given = draw.dose * (draw.at <= TIMES)
        np.testing.assert_array_equal(data["controls"].sel(control="dose(S)").values[row], given)


@settings(max_examples=25)
@given(
    amounts=st.lists(st.floats(0, 50), min_size=1, max_size=4),
    times=st.lists(st.floats(0, 19), min_size=4, max_size=4),
    every=st.floats(0.25, 6),
    count=st.integers(2, 4),
)
def test_any_schedule_of_doses_is_the_sum_of_its_doses(amounts, times, every, count):
    """Doses of one moment too, and repeated ones of which some would come after the end; the volume is 2."""
    doses = [sh.Dose("S", amount, time) for amount, time in zip(amounts, times, strict=False)]
    doses.append(sh.Dose("S", 6, time=times[0], every=every, count=count))
    given = [(amount / 2, time) for amount, time in zip(amounts, times, strict=False)]
    given += [(3, times[0] + n * every) for n in range(count)]
    # a moment before and after each dose, as a time of output may lie at the dose itself or one rounding beside it
    late = np.array([time + 0.01 for _, time in given if time + 0.01 < 20])

    truth = _truth(sh.load(DECAY), sh.Condition("doses", inputs=doses), times=np.unique([0.0, *late, 20.0]))

    expected = _decaying(truth["time"].values, [(10, 0), *given])
    np.testing.assert_allclose(truth.values[0, :, 0], expected, rtol=1e-5, atol=1e-6)


def test_steps_of_an_input_drive_a_first_order_response():
    """x' = u - x from 0: towards each level of u with the rate constant 1."""
    model = sh.load("x = 0; u = 0; -> x; u; x -> ; x")

    data = sh.simulate(
        model, None, times=TIMES, conditions=[sh.Condition("pulse", inputs=[sh.Steps("u", [2, 6], [3, 0])])]
    )

    up = np.where(TIMES >= 2, 3 * (1 - np.exp(-(TIMES - 2))), 0)
    expected = np.where(TIMES >= 6, 3 * (1 - np.exp(-4)) * np.exp(-(TIMES - 6)), up)
    np.testing.assert_allclose(data["truth"].values[0, :, 0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(data["controls"].values[0, :, 0], np.select([TIMES >= 6, TIMES >= 2], [0, 3], 0))


def test_a_measured_time_course_is_followed_along_straight_lines():
    """The integral of straight lines is known: the trapezoids. Before and after its points the course is flat."""
    model = sh.load("total = 0; u = 5; total' = u")
    table = pd.DataFrame({"time": [12.0, 3.0, 7.5, 9.0], "u": [0.0, 1.0, 4.0, np.nan]})

    data = sh.simulate(
        model, None, times=TIMES, conditions=[sh.Condition("fed", inputs=[sh.TimeCourse.from_table("u", table)])]
    )

    fine = np.linspace(0, 20, 4001)
    course = np.interp(fine, [3, 7.5, 12], [1, 4, 0])
    total = np.concatenate([[0], np.cumsum((course[1:] + course[:-1]) / 2 * np.diff(fine))])
    np.testing.assert_allclose(data["truth"].values[0, :, 0], total[::100], rtol=1e-6, atol=1e-6)
    expected = np.interp(TIMES, [3, 7.5, 12], [1, 4, 0])
    np.testing.assert_allclose(data["controls"].values[0, :, 0], expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(
    points=st.dictionaries(st.integers(0, 2500), st.floats(-9, 9), min_size=2, max_size=6).filter(
        lambda p: min(p) < 2000
    )
)
def test_any_time_course_is_followed_as_numpy_interpolates(points):
    """Points after the end of the simulation too: what the input does, and its integral."""
    at, values = np.array(sorted(points)) / 100, [points[time] for time in sorted(points)]
    model = sh.load("total = 0; u = 5; total' = u")

    data = sh.simulate(
        model,
        None,
        times=TIMES,
        conditions=[sh.Condition("x", inputs=[sh.TimeCourse("u", at, values)])],
        quantities=["u", "total"],
    )

    knots = np.unique([*TIMES, *at[at < 20]])
    course = np.interp(knots, at, values)
    total = np.concatenate([[0], np.cumsum((course[1:] + course[:-1]) / 2 * np.diff(knots))])
    u, integral = data["truth"].values[0].T
    np.testing.assert_allclose(u, np.interp(TIMES, at, values), rtol=0, atol=1e-7)
    np.testing.assert_allclose(data["controls"].values[0, :, 0], np.interp(TIMES, at, values), rtol=0, atol=1e-9)
    np.testing.assert_allclose(integral, total[np.isin(knots, TIMES)], rtol=0, atol=1e-5)


def test_a_boundary_species_follows_a_time_course_as_a_concentration():
    model = sh.load("compartment C = 4; species $X in C; species P in C; X = 1; P = 0; R: X -> P; C*X")

    truth = _truth(model, sh.Condition("ramp", inputs=[sh.TimeCourse("X", [0, 20], [0, 20])]), quantities=["X", "P"])

    np.testing.assert_allclose(truth.values[0, :, 0], TIMES, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(truth.values[0, :, 1], TIMES**2 / 2, rtol=1e-6, atol=1e-6)


def test_doses_reach_amounts_and_fixed_species_alike():
    model = sh.load("compartment C = 4; species $X in C; substanceOnly species U in C; X = 1; U = 3; U -> ; 0*U")

    data = sh.simulate(
        model, None, times=[0, 1, 2], conditions=[sh.Condition("both", inputs=[sh.Dose("X", 8, 1), sh.Dose("U", 8, 1)])]
    )

    assert data["species"].values.tolist() == ["U", "X"]
    np.testing.assert_array_equal(data["truth"].values[0], [[3, 1], [11, 3], [11, 3]])


# -- against models written by hand ----------------------------------------------------------------


def test_doses_and_steps_are_the_same_bytes_as_events_written_by_hand():
    hand = (
        PATHWAY
        + """
        var light
        dose = 7; t1 = 3; t2 = 9; bright = 4; t3 = 5.5
        at (time >= t1), t0=false, fromTrigger=false: A = A + dose/C
        at (time >= t2), t0=false, fromTrigger=false: A = A + dose/C
        at (time >= t3), t0=false, fromTrigger=false: light = bright
    """
    )
    condition = sh.Condition("treated", inputs=[sh.Dose("A", 7, 3, every=6, count=2), sh.Steps("light", [5.5], [4])])
    model = sh.load(PATHWAY)

    truth = _truth(model, condition)

    by_hand = sh.simulate(sh.load(hand), None, times=TIMES, quantities=model.states)["truth"]
    np.testing.assert_array_equal(truth.values, by_hand.values)


def test_inputs_are_those_of_a_piecewise_rule_written_by_hand():
    hand = PATHWAY.replace("light = 1", "light := piecewise(1, time < 4, 3, time < 9, 0.5)").replace(
        "X = 1;", "X := piecewise(2, time < 5, 2 + (time - 5)*0.4, time < 10, 4);"
    )
    model = sh.load(PATHWAY)
    condition = sh.Condition(
        "inputs", inputs=[sh.Steps("light", [4, 9], [3, 0.5]), sh.TimeCourse("X", [5, 10], [2, 4])]
    )

    truth = _truth(model, condition)

    by_hand = sh.simulate(sh.load(hand), None, times=TIMES, quantities=model.states)["truth"]
    np.testing.assert_allclose(truth.values, by_hand.values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("id", ["R1", "R3", "A", "B", "X", "U"])
def test_a_knock_out_is_that_of_the_model(id):
    model = sh.load(PATHWAY)

    truth = _truth(model, sh.Condition("mutant", knock_outs=[id]))

    expected = sh.simulate(model.knock_out(id), None, times=TIMES, quantities=model.states)["truth"]
    np.testing.assert_allclose(truth.values, expected.values, rtol=1e-6, atol=1e-6)
    if id in model.states:
        np.testing.assert_array_equal(truth.sel(species=id), 0.0)


def test_a_knocked_out_species_can_be_given():
    """The rescue: nothing makes it, nothing removes it, and the dose stays."""
    truth = _truth(
        sh.load(PATHWAY),
        sh.Condition("rescue", knock_outs=["B"], inputs=[sh.Dose("B", 6, time=5)]),
        times=[0, 4, 5, 20],
    )

    np.testing.assert_array_equal(truth.sel(species="B")[0], [0, 0, 3, 3])


def test_values_of_a_condition_are_those_of_the_model_set_to_them():
    model = sh.load(PATHWAY)
    values = {"k": 0.7, "init([A])": 4.0, "C": 3.0}

    truth = _truth(model, sh.Condition("other", values))

    np.testing.assert_array_equal(truth.values, sh.simulate(model.set(values), None, times=TIMES)["truth"].values)


# -- conditions together ---------------------------------------------------------------------------

ARMS = [
    sh.Condition("control"),
    sh.Condition("dosed", inputs=[sh.Dose("A", "dose", time=3), sh.Dose("U", 2.0, time=0, every="gap", count=3)]),
    sh.Condition("lit", {"g": 0.4}, inputs=[sh.Steps("light", ["on", 10], [5, 0]), sh.TimeCourse("h", [2, 8], [1, 0])]),
    sh.Condition("stepped", inputs=[sh.Steps("h", [1, 4], [0, 2])]),
    sh.Condition("mutant", {"init(U)": 7}, knock_outs=["R2", "X"]),
]
PRIORS = {
    "k": sh.priors.LogUniform(0.1, 1.0),
    "h": sh.priors.LogUniform(0.3, 0.8),
    "dose": sh.priors.LogUniform(1, 50),
    "gap": sh.priors.Uniform(1, 8),
    "on": sh.priors.Uniform(0, 9),
}


@pytest.fixture(scope="module")
def model():
    return sh.load(PATHWAY)


@pytest.fixture(scope="module")
def draws():
    return sh.sample(PRIORS, 6, seed=0)


@pytest.fixture(scope="module")
def data(model, draws):
    return sh.simulate(model, draws, times=TIMES, conditions=ARMS)


def test_every_draw_goes_through_every_condition_in_their_order(data, draws):
    sh.check(data)

    assert data["draw"].values.tolist() == np.repeat(draws.index, 5).tolist()
    assert data["condition"].values.tolist() == [arm.name for arm in ARMS] * len(draws)
    assert data["trajectory"].values.tolist() == list(range(30))


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_condition_is_the_same_alone_and_among_others(model, draws, data, arm):
    drawn = draws[["k", "h", *arm.columns]]

    alone = sh.simulate(model, drawn, times=TIMES, conditions=[arm])["truth"]

    together = data["truth"][data["condition"].values == arm.name].sel(species=alone["species"])
    scale = np.abs(alone.values).max()
    np.testing.assert_allclose(together.values, alone.values, rtol=0, atol=2e-7 * scale)


def test_the_untreated_control_is_the_plain_simulation(model, draws, data):
    plain = sh.simulate(model, draws[["k", "h"]], times=TIMES)["truth"]

    control = data["truth"][data["condition"].values == "control"].sel(species=plain["species"])
    np.testing.assert_allclose(control.values, plain.values, rtol=0, atol=1e-6 * float(plain.max()))


def test_conditions_that_only_set_values_leave_the_control_as_it_was_to_the_last_bit(model, draws):
    two = [sh.Condition("control"), sh.Condition("other", {"g": 0.5, "init(A)": 2})]
    drawn = draws[["k", "h"]]

    control = sh.simulate(model, drawn, times=TIMES, conditions=two)["truth"][::2]

    np.testing.assert_array_equal(control.values, sh.simulate(model, drawn, times=TIMES)["truth"].values)


def test_a_part_of_the_draws_gives_a_part_of_the_trajectories(model, draws, data):
    some = sh.simulate(model, draws.iloc[[4, 1]], times=TIMES, conditions=ARMS)

    np.testing.assert_array_equal(some["truth"], data["truth"].sel(trajectory=some["trajectory"]))
    assert some["trajectory"].values.tolist() == [20, 21, 22, 23, 24, 5, 6, 7, 8, 9]
    assert some["controls"].equals(data["controls"].sel(trajectory=some["trajectory"]))


def test_two_processes_shards_and_a_store_give_the_same_bytes(model, draws, data, tmp_path, monkeypatch):
    from sbml_hybrid.data import shards

    assert data.identical(sh.simulate(model, draws, times=TIMES, conditions=ARMS, jobs=2))
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 * 41 * 5 * 7)  # seven rows: parts of draws
    assert data.identical(sh.simulate(model, draws, times=TIMES, conditions=ARMS))
    assert sh.simulate(model, draws, times=TIMES, conditions=ARMS, store=tmp_path / "run.zarr").equals(data)


def test_draws_that_are_made_as_they_are_needed_give_the_same(model, data):
    design = Design(PRIORS, 6, seed=0)

    assert sh.simulate(model, design, times=TIMES, conditions=ARMS).identical(data)


def test_a_run_under_conditions_is_estimated_like_any_other(model, draws):
    estimate = sh.estimate(model, draws, times=TIMES, conditions=ARMS)

    assert (estimate.trajectories, estimate.failed) == (30, 0)


def test_each_trajectory_may_have_times_of_its_own(model, draws):
    own = np.tile(TIMES[::4], (30, 1)) + np.arange(30)[:, None] * 0.01
    own[3, 8:] = np.nan

    jittered = sh.simulate(model, draws, times=own, conditions=ARMS)
    sh.check(jittered)

    assert np.isnan(jittered["controls"].values[3, 8:]).all()
    light = np.select([own[7] >= 10, own[7] >= draws["on"].iloc[1]], [0, 5], 1)
    np.testing.assert_array_equal(jittered["controls"].sel(control="light").values[7], light)
    together = sh.simulate(model, draws.iloc[[1]], times=own[7], conditions=ARMS)["truth"].values[2]
    np.testing.assert_allclose(jittered["truth"].values[7], together, rtol=0, atol=1e-6 * together.max())


def test_parameters_are_what_was_simulated_with(data, draws):
    rows = data["parameters"].to_pandas()

    assert rows.columns.tolist() == ["k", "h", "dose", "gap", "on", "g", "init(U)"]
    assert rows["k"].tolist() == np.repeat(draws["k"], 5).tolist()
    assert rows["g"].tolist() == [0.2, 0.2, 0.4, 0.2, 0.2] * 6
    assert rows["init(U)"].tolist() == [3, 3, 3, 3, 7] * 6


def test_what_was_measured_keeps_its_condition_and_its_inputs(data):
    measured = sh.measure(data, {"B": "B", "inflow": "h*light"}, seed=0)
    train, test = sh.split(measured, test=0.4, seed=0, by="condition")

    assert not set(train["condition"].values) & set(test["condition"].values)
    assert len(set(test["condition"].values)) == 2
    controls = measured["controls"]
    inflow = controls.sel(control="h") * controls.sel(control="light")
    np.testing.assert_array_equal(measured["readout"].sel(observable="inflow"), inflow)


def test_a_forecaster_sees_the_condition_and_its_inputs_and_no_draw(data):
    seen = visible(sh.measure(data, ["B"], seed=0))

    assert seen["controls"].equals(data["controls"])
    assert seen["condition"].values.tolist() == data["condition"].values.tolist()
    assert "parameters" not in seen
    assert json.loads(seen.attrs["conditions"])[1]["inputs"][0]["amount"] == "dose"


def test_conditions_come_back_from_the_record(data):
    said = json.loads(data.attrs["conditions"])

    assert [sh.condition_from_dict(one) for one in said] == ARMS


def test_conditions_can_be_said_in_toml():
    text = """
        [[conditions]]
        name = "lit"
        values = {g = 0.4}
        knock_outs = ["R2"]
        before = {light = 0}
        inputs = [
            {kind = "Dose", species = "A", amount = "dose", time = 3, every = 2, count = 2},
            {kind = "Steps", quantity = "light", times = ["on", 10], values = [5, 0]},
        ]
    """
    (condition,) = map(sh.condition_from_dict, tomllib.loads(text)["conditions"])

    dose, steps = sh.Dose("A", "dose", 3, every=2, count=2), sh.Steps("light", ["on", 10], [5, 0])
    assert condition == sh.Condition("lit", {"g": 0.4}, [dose, steps], "R2", before={"light": 0})
    assert sh.condition_from_dict(to_dict(condition)) == condition


def test_rows_say_what_a_trajectory_is_equilibrated_with(model, draws):
    arms = [
        sh.Condition("plain"),
        sh.Condition("dark before", {"k": 0.5}, [sh.Dose("A", 5)], before={"light": 0.0}),
    ]

    rows = source_of(model, draws[["k", "h"]], TIMES, arms).part(0, 4)

    before = dict(zip(rows.names, rows.before.T, strict=True))
    assert np.isnan(rows.before[[0, 2]]).all()
    assert before["light"][[1, 3]].tolist() == [0.0, 0.0]
    assert before["k"][[1, 3]].tolist() == [0.5, 0.5]
    assert before["dose_A_1_time"][[1, 3]].tolist() == [np.inf, np.inf]
    assert rows.given["light"].tolist() == [1.0] * 4


def test_a_trajectory_begins_at_the_steady_state_of_before_and_gets_its_doses_then():
    """A is made at 2*light and decays at 0.3: it rests at 2*light/0.3."""
    model = sh.load("A = 0; light = 1; k = 0.3; -> A; 2*light; A -> ; k*A")
    arms = [
        sh.Condition("plain"),
        sh.Condition("rested", before={}),
        sh.Condition("dark before", before={"light": 0.25}, inputs=[sh.Dose("A", 6, time=0), sh.Dose("A", 4, time=10)]),
    ]

    plain, rested, dark = sh.simulate(model, None, times=TIMES, conditions=arms)["truth"].values[:, :, 0]

    rest = 2 / 0.3
    np.testing.assert_allclose(plain, rest * (1 - np.exp(-0.3 * TIMES)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rested, rest, rtol=1e-7)
    expected = rest + _decaying(TIMES, [(rest / 4 - rest + 6, 0), (4, 10)])
    np.testing.assert_allclose(dark, expected, rtol=1e-5, atol=1e-6)


def test_molecules_are_dosed_and_knocked_out_too():
    """Gillespie: 50 molecules at 4.3; the mean of 300 is within 5 standard errors (p < 1e-5 for all the times)."""
    model = sh.load("S = 100; R1: S -> ; k*S; k = 0.3")
    draws = pd.DataFrame({"k": [0.3] * 300})
    arms = [sh.Condition("dosed", inputs=[sh.Dose("S", 50, time=4.3)]), sh.Condition("mutant", knock_outs=["R1"])]

    data = sh.simulate(model, draws, times=[0, 2, 4, 5, 7, 10], conditions=arms, run=sh.Gillespie(seed=0))

    dosed, mutant = (data["truth"].values[data["condition"].values == arm.name][:, :, 0] for arm in arms)
    expected = _decaying(data["time"].values, [(100, 0), (50, 4.3)])
    error = np.sqrt(expected * (1 - expected / 150) / 300)
    assert (np.abs(dosed.mean(axis=0) - expected) < 5 * error).all()
    np.testing.assert_array_equal(mutant, 100.0)


# -- accuracy and real models ----------------------------------------------------------------------


def test_doses_at_known_times_do_not_shorten_the_solver_s_steps(model, draws):
    assert not has_jumps(source_of(model, draws, TIMES, ARMS).model)
    assert not has_jumps(sh.load("S = 1; p = 0; S' = -S; on = 2; at ((time > on) && (time - 1 < 2*on)): p = 1"))
    assert has_jumps(sh.load("S = 1; p = 0; S' = -S; at (S < 0.5): p = 1"))
    assert has_jumps(sh.load("S = 1; p = 0; S' = -S; at 1 after (time > 2): p = 1"))
    assert has_jumps(sh.load("S = 1; p = 0; S' = -S; t = 1; at (time > t): p = 1, t = t + 1"))


def test_a_dose_among_the_model_s_own_events_is_given_once():
    """One event of the state, one of the same moment as the dose, one with a delay."""
    model = sh.load(
        "S = 10; k = 0.3; n = 0; m = 0; S -> ; k*S; at (S < 5): n = n + 1; at (time >= 6): m = 1; "
        "at 2 after (S < 3): k = 0"
    )
    condition = sh.Condition("dosed", inputs=[sh.Dose("S", 20, time=6)])

    truth = _truth(model, condition, times=[0, 6, 8, 20])

    half, third = np.log(2) / 0.3, np.log(10 / 3) / 0.3
    assert half < third < 6 < third + 2
    at_six, stop = 10 * np.exp(-1.8) + 20, third + 2
    last = at_six * np.exp(-0.3 * (stop - 6))
    np.testing.assert_allclose(truth.sel(species="S")[0], [10, at_six, last, last], rtol=1e-5)
    np.testing.assert_array_equal(truth.sel(species="m")[0], [0, 1, 1, 1])


# -- what cannot be --------------------------------------------------------------------------------

ODD = """
    compartment C = 2; species A in C, T in C, G in C
    A = 10; G = 1; T := 2*A; p = 1; q := 2*p; r = 0; r' = 1; k = 0.3; on = 0
    R1: A -> ; k*A*G; at (A < 5): on = 1
"""


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"inputs": [sh.Dose("T", 1)]}, r"a dose of 'T' would be lost: its rule sets it to 2\*A"),
        ({"inputs": [sh.Dose("AA", 1)]}, r"Condition 'x': No species 'AA' in text\. Did you mean 'A'\?"),
        ({"inputs": [sh.Dose("A", 1, time=50)]}, r"'x' begins a dose of 'A' at 50, and the simulation ends at 20"),
        ({"inputs": [sh.Steps("k", [30], [1])]}, r"'x' begins k at 30, and the simulation ends at 20"),
        ({"inputs": [sh.Dose("A", "doses")]}, r"No column 'doses' in the draws\. Did you mean 'dose'\?"),
        ({"inputs": [sh.Dose("A", "k")]}, r"the column 'k', which is a quantity of text too"),
        ({"inputs": [sh.Steps("A", [1], [1])]}, r"'A' cannot be an input: reactions of text change it"),
        ({"inputs": [sh.Steps("q", [1], [1])]}, r"'q' cannot be an input: an assignment rule of text determines it"),
        ({"inputs": [sh.TimeCourse("r", [1, 2], [1, 2])]}, r"'r' cannot be an input: a rate rule"),
        ({"inputs": [sh.Steps("on", [1], [1])]}, r"'on' cannot be an input: an event of text sets it"),
        ({"inputs": [sh.Steps("R1", [1], [1])]}, r"No quantity 'R1' in text"),
        ({"knock_outs": ["R2"]}, r"Condition 'x': No reaction or species 'R2' in text\. Known: R1, A"),
        ({"knock_outs": ["T"]}, r"'T' in text cannot be knocked out: an assignment rule sets it"),
        ({"values": {"kk": 1}}, r"Condition 'x': No quantity 'kk' in text"),
        ({"values": {"q": 1}}, r"'q' cannot vary: q is set by the assignment rule"),
        ({"values": {"A": 1}}, r"'A' is a species; vary its initial value as 'init\(A\)'"),
        ({"values": {"init(A)": 1}, "before": {"init([A])": 1}}, r"'init\(A\)' and 'init\(\[A\]\)' are both set"),
    ],
)
def test_what_cannot_be_done_to_a_model_is_refused_in_one_line(condition, said):
    draws = pd.DataFrame({"k": [0.3], "dose": [1.0]})
    uses_dose = sh.Condition("y", inputs=[sh.Dose("A", "dose")])

    with pytest.raises((ModelError, ValueError, UnknownName), match=rf"(?i){said}") as refused:
        sh.simulate(sh.load(ODD), draws, times=TIMES, conditions=[sh.Condition("x", **condition), uses_dose])

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sh.Dose("A", -1), "amount of a dose of 'A' must be 0 or more, got -1"),
        (lambda: sh.Dose("A", 1, time=-2), "time of a dose of 'A' must be 0 or more, got -2"),
        (lambda: sh.Dose("A", float("nan")), "must be a finite number, or the name of a column of the draws, got nan"),
        (lambda: sh.Dose("A", 1, every=2), "needs every= and count="),
        (lambda: sh.Dose("A", 1, count=3), "needs every= and count="),
        (lambda: sh.Dose("A", 1, every=0, count=3), "time between doses of 'A' must be above 0, got 0"),
        (lambda: sh.Steps("k", [1, 2], [1]), "as many times as values, 1 or more, got 2 times and 1 values"),
        (lambda: sh.Steps("k", [2, 1], [1, 2]), "must increase: 1 follows 2"),
        (lambda: sh.Steps("k", 2, 1), "the times of steps of 'k' must be a list, got 2"),
        (lambda: sh.TimeCourse("k", [1], [1]), "2 or more, got 1 times"),
        (lambda: sh.TimeCourse("k", [0, 1], [1, None]), "must be a finite number"),
        (lambda: sh.Condition(""), "the name of a condition must be a name"),
        (lambda: sh.Condition("x", inputs=["A"]), "inputs of condition 'x' must be Dose, Steps, TimeCourse, got 'A'"),
        (lambda: sh.Condition("x", inputs=[sh.Steps("k", [1], [1])] * 2), "has two inputs for 'k'"),
        (
            lambda: sh.Condition("x", inputs=[sh.Steps("k", [1], [1])], knock_outs="k"),
            "knocks 'k' out and has an input",
        ),
        (lambda: sh.condition_from_dict({"name": "x", "dose": 1}), "No setting 'dose' in Condition of condition 'x'"),
        (lambda: sh.condition_from_dict({"values": {}}), "Condition of condition '' lacks 'name'"),
        (lambda: sh.condition_from_dict({"name": "x", "inputs": [{"kind": "Bolus"}]}), "No kind of input 'Bolus'"),
        (lambda: sh.condition_from_dict({"name": "x", "inputs": ["Dose"]}), "must be tables such as"),
        (
            lambda: sh.condition_from_dict({"name": "x", "inputs": 3}),
            "the inputs of condition 'x' must be a list, got 3",
        ),
        (lambda: sh.condition_from_dict({"name": "x", "values": 3}), "values of condition 'x' must be name -> value"),
        (lambda: sh.Condition("x", before=["k"]), "before of condition 'x' must be name -> value"),
        (lambda: sh.Condition("x", knock_outs=3), "the knock_outs of condition 'x' must be a list, got 3"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused_in_one_line(make, said):
    with pytest.raises((ValueError, UnknownName)) as refused:
        make()

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_dose_of_a_constant_species_is_refused():
    sbml = re.sub(
        r'(<species id="S"[^>]*constant=")false', r"\1true", sh.load(DECAY.replace("S in", "$S in")).to_sbml()
    )

    with pytest.raises(ModelError, match=r"A dose of 'S' would change .* constant\. Try: model\.make_floating\('S'\)"):
        sh.simulate(sh.load(sbml), None, times=TIMES, conditions=[sh.Condition("x", inputs=[sh.Dose("S", 1)])])


def test_a_dose_needs_the_size_of_its_compartment():
    sbml = re.sub(r' size="2"', "", sh.load(DECAY.replace("C*k*S", "k*S").replace("R1: S -> ;", "S' =")).to_sbml())
    model = sh.load(sbml)

    with pytest.raises(ModelError, match=r"'C' has no size, and .* reads it\. Try: model\.set\(\{'C': 1\.0\}\)"):
        sh.simulate(model, None, times=TIMES, conditions=[sh.Condition("x", inputs=[sh.Dose("S", 1)])])


@pytest.mark.parametrize("held", [sh.Steps("X", [2], [1]), sh.TimeCourse("X", [0, 9], [1, 2])])
@pytest.mark.parametrize("together", [True, False])
def test_a_species_is_dosed_or_held_and_not_both_as_its_control_would_not_say_what_it_is(held, together):
    dose = sh.Dose("X", 3, time=5)
    both = [sh.Condition("x", inputs=[dose, held])] if together else [sh.Condition("x", inputs=dose)]

    with pytest.raises(ValueError, match="'X' gets a dose in condition 'x' and is an input in '[xy]'"):
        sh.simulate(sh.load(PATHWAY), times=TIMES, conditions=[*both, sh.Condition("y", inputs=held)])


def test_conditions_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Two conditions are called 'x'"):
        sh.simulate(sh.load(DECAY), None, times=TIMES, conditions=[sh.Condition("x"), sh.Condition("x", {"k": 1})])


@pytest.mark.parametrize(
    ("column", "inputs", "said"),
    [
        ("at", [sh.Dose("S", 1, "at")], "draw 1 has -1 for 'at', the time of a dose in condition 'x'"),
        ("amount", [sh.Dose("S", "amount")], "draw 1 has -1 for 'amount', the amount of a dose in condition 'x'"),
        ("at", [sh.TimeCourse("k", [0.5, "at", 8], [1, 2, 3])], "draw 1 has -1 for 'at', a time of 'k'"),
        ("late", [sh.TimeCourse("k", [3, "late"], [1, 2])], "draw 0 has the times 3 and 2 for 'k' in condition 'x'"),
    ],
)
def test_a_draw_whose_schedule_cannot_be_is_refused_by_its_label(column, inputs, said):
    draws = pd.DataFrame({column: [2.0, 5.0 if column == "late" else -1.0]})

    with pytest.raises(ValueError, match=said):
        sh.simulate(sh.load(DECAY), draws, times=TIMES, conditions=[sh.Condition("x", inputs=inputs)])


def test_ids_that_a_model_has_already_are_not_taken_again():
    model = sh.load(
        f"{DECAY}; dose_S_1_time = 5; dose_S_1 = 2; active_R1 = 7; k2 := dose_S_1_time*active_R1; S -> ; 0*k2"
    )

    truth = _truth(model, sh.Condition("x", inputs=[sh.Dose("S", 8, time=4)]))

    np.testing.assert_allclose(truth.values[0, :, 0], _decaying(TIMES, [(10, 0), (4, 4)]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("table", ["no value", "twice", "one"])
def test_a_table_that_is_no_time_course_is_refused(table):
    tables = {
        "no value": pd.DataFrame({"time": [0, 1], "v": [1, 2]}),
        "twice": pd.DataFrame({"time": [0, 1, 1], "u": [1, 2, 3]}),
        "one": pd.DataFrame({"time": [0, 1], "u": [1, np.nan]}),
    }
    said = {
        "no value": "No column 'u' in the table",
        "twice": "two values of 'u' at time 1",
        "one": "has 1 known values",
    }

    with pytest.raises((DataError, UnknownName), match=said[table]):
        sh.TimeCourse.from_table("u", tables[table])
