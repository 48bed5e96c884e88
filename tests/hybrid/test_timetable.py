"""What happens at known times happens when, and as, libroadrunner has it; what is not known beforehand is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError
from sbml_hybrid.hybrid.accuracy import Reference, simulated
from sbml_hybrid.hybrid.plan import Plan
from sbml_hybrid.hybrid.steps import DormandPrince, Rosenbrock

TIMES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.0 + 1e-6, 2.5, 3.0, 3.5, 4.0, 5.0])
CELL = "compartment C = 2; species A in C, B in C; v: A -> B; k*A; w: B -> A; q*B; A = 4; B = 1; k = 0.5; q = 0.2; "
TABLE = {
    "just after a time": CELL + "at (time > 2): A = 10",
    "at a time": CELL + "at (time >= 2): A = 10",
    "at a time between those asked for": CELL + "at (time >= 1.75): A = 10",
    "at the start, from false": CELL + "at (time >= 0), t0 = false: A = 7",
    "at the start, from true: never": CELL + "at (time >= 0), t0 = true: A = 7",
    "after the start": CELL + "at (time > 0): A = 7",
    "when the time is short of something": CELL + "at (3 - time < 1): A = A + 1",
    "at the end": CELL + "at (time >= 5): A = A + 1",
    "just after the end": CELL + "at (time > 5): A = A + 1",
    "in a window": CELL + "at ((time > 1) && (time < 3)): A = A + 5",
    "on a parameter": CELL + "at (time > 2): k = 3",
    "on a compartment": CELL + "at (time > 2): C = 5",
    "on a boundary species": CELL + "u: $F -> A; 0.3*F; species F in C; F = 0; at (time > 2): F = 4",
    "on what follows from the state": CELL + "y := A + 2*B; at (time > 2): A = y, B = A/2",
    "after a delay": CELL + "at 1 after (time > 1): A = 9",
    "after a delay that begins at a time": CELL + "at 1 after (time >= 1): A = 9",
    "after a delay that falls between": CELL + "at 0.75 after (time >= 1): A = 9",
    "after a delay, from what is then there": CELL + "at 1 after (time >= 1), fromTrigger = false: A = A + B",
    "twice": CELL + "at (time > 1): A = A + 3; at (time > 3): B = B + 1",
    "at once, with a priority": CELL
    + "at (time > 2), priority = 1: A = 10; at (time > 2), priority = 5: A = 20; at (time > 2), priority = 3: B = A",
    "at once, one after the other": CELL
    + "at (time > 2), priority = 1, fromTrigger = false: A = A + 1; "
    + "at (time > 2), priority = 2, fromTrigger = false: A = 2*A",
    "at once, on different things": CELL + "at (time >= 2): A = A + 1; at (time >= 2): B = B + 2; at (time > 2): k = 2",
    "after what is never reached": CELL + "at (time > 99): A = 0",
    "a pulse in a law": CELL + "z: -> A; piecewise(3, (time > 1) && (time < 2.5), 0)",
    "a pulse at times asked for": CELL + "z: -> A; piecewise(3, (time >= 1) && (time <= 2), 0.5)",
    "a switch in an assignment rule": CELL + "p := piecewise(1, time < 2, 4); z: -> B; p",
    "a pulse and an event": CELL + "z: -> A; piecewise(3, time > 2, 0); at (time > 2): k = 0.1",
    "a repeated dose": CELL + "".join(f"at (time >= {t}): A = A + 2; " for t in (1, 2, 3, 4)),
    "times that are constants": CELL + "T = 1; d = 0.5; at (time > T + 2*d): A = A + d",
}


def of(text, parameters=(), values=None, times=TIMES, method=Rosenbrock):
    """The states at `times`, by the layer's steps in NumPy and by libroadrunner: both (trajectory, time, state)."""
    model = load(text)
    plan = Plan(model, float(times[-1]), tuple(parameters), (), (), (), {name: name for name in model.states})
    values = np.zeros((1, 0)) if values is None else np.asarray(values, float)
    draws = pd.DataFrame(values, columns=list(parameters)) if len(parameters) else None
    variables = zip(plan.odes.states, plan.odes.variables, strict=True)
    wanted = [variable if variable.startswith("amount(") else state for state, variable in variables]
    truth = simulate(model, draws, times=times, quantities=wanted)["truth"].values
    field = plan.field(())
    ranges = np.maximum(np.ptp(truth, axis=1).max(axis=0), 1e-3)
    steps = method(field) if method is Rosenbrock else method()
    course = simulated(plan, field, steps, Reference(values, times, truth), ranges, 1e-8, 4000)
    assert (course.reached == len(times)).all()
    return course.states, truth


@pytest.mark.parametrize("what", TABLE)
def test_an_event_happens_as_libroadrunner_has_it(what):
    ours, truth = of(TABLE[what])

    np.testing.assert_allclose(ours, truth, rtol=2e-5, atol=1e-7)


def test_the_explicit_method_stops_at_events_too():
    ours, truth = of(TABLE["a pulse and an event"], method=DormandPrince)

    np.testing.assert_allclose(ours, truth, rtol=2e-5, atol=1e-7)


def test_what_is_seen_at_the_time_of_an_event_is_before_it_or_after_it_as_its_trigger_says():
    times = np.array([0.0, 1.0, 2.0, 3.0])

    before, _ = of("S' = 1; S = 0; at (time > 2): S = 10", times=times)
    after, _ = of("S' = 1; S = 0; at (time >= 2): S = 10", times=times)

    np.testing.assert_allclose(before[0, :, 0], [0, 1, 2, 11], rtol=1e-12)
    np.testing.assert_allclose(after[0, :, 0], [0, 1, 10, 11], rtol=1e-12)


@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])  # a failure is small, and shrinking it slow
@given(
    at=st.lists(st.sampled_from([0.5, 1.0, 1.25, 2.0, 3.0, 4.9, 5.0]), min_size=1, max_size=4, unique=True),
    late=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_doses_at_any_times_are_those_of_libroadrunner(at, late, seed):
    sign = {True: ">", False: ">="}
    events = "; ".join(f"at (time {sign[late[i]]} {t}): A = A*1.5 + {i + 1}" for i, t in enumerate(at))
    draws = np.random.default_rng(seed).uniform(0.1, 2, (3, 2))

    ours, truth = of(CELL + events, ["k", "q"], draws)

    np.testing.assert_allclose(ours, truth, rtol=2e-5, atol=1e-7)


def test_what_an_event_sets_may_follow_each_trajectory_s_parameters():
    text = CELL + "dose = 3; at (time > 2): A = A + dose*q"

    ours, truth = of(text, ["dose", "q"], [[3, 0.2], [0.5, 1.0], [0, 2]])

    np.testing.assert_allclose(ours, truth, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("event", "parameters", "message"),
    [
        (
            "bang: at (A < 2): B = 0",
            (),
            r"Event 'bang' of text depends on A, which changes in time.*Try: sbml_hybrid\.sim",
        ),
        ("at (A < 2): B = 0", (), r"Event .* of text depends on A, which changes in time"),
        ("y := A + 1; bang: at (y < 2): B = 0", (), "Event 'bang' of text depends on A, which changes in time"),
        ("bang: at (time > 1 + v): B = 0", (), "Event 'bang' of text depends on v, which changes in time"),
        ("T = 2; bang: at (time > T): B = 0", ("T",), "Event 'bang' of text depends on T, which varies from traj"),
        ("T = 2; d := 2*T; bang: at d after (time > 1): B = 0", ("T",), "depends on T, which varies from trajectory"),
        (
            "T = 2; w: -> A; piecewise(1, time^2 < T, 0)",
            ("T",),
            "When time.2 meets T in text depends on T, and not along",
        ),
        (
            "T = 2; w: -> A; floor(time/T)",
            ("T",),
            r"When floor\(time/T\) of text jumps depends on T, which no gradient",
        ),
        ("T = 2; at (time > 1): T = 3; bang: at (time > T): B = 0", (), "'bang' of text depends on T, which changes"),
    ],
)
def test_what_is_not_known_beforehand_is_refused_by_name(event, parameters, message):
    text = "v: A -> B; k*A; A = 4; B = 1; k = 0.5; " + event

    with pytest.raises(ModelError, match=message):
        Plan(load(text), 5.0, parameters, (), (), (), {}).happenings  # noqa: B018


def test_a_parameter_that_decides_no_time_may_vary_beside_one_that_does():
    plan = Plan(load(CELL + "T = 2; at (time > T): B = 0"), 5.0, ("k", "q"), (), (), (), {})

    assert {happening.time for happening in plan.happenings} == {2.0}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("at 2 after ((time > 1) && (time < 2)), persistent = false: A = 9", "waits and may be called off"),
        ("at 2 after (time > 1): A = A + 1", "sets, after a delay, values from before it"),
        (
            "at (time > 1): A = 2; at (time > 1), fromTrigger = false: B = A",
            "At time 1 several events of text happen",
        ),
    ],
)
def test_what_would_need_a_memory_is_refused(event, message):
    with pytest.raises(ModelError, match=message):
        Plan(load(CELL + event), 5.0, (), (), (), (), {}).happenings  # noqa: B018
