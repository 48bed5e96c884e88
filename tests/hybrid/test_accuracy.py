"""What a layer says of its own accuracy: it is the layer's, and looking for it comes to an end."""

import logging
from dataclasses import replace

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.hybrid import accuracy
from sbml_hybrid.hybrid.accuracy import measured, reference
from sbml_hybrid.hybrid.plan import Plan


def plan_of(text, end, names=()):
    model = sh.load(text)
    return Plan(model, end, names, (), (), (), {name: name for name in model.states})


def test_the_reference_is_exact_where_a_state_is_far_smaller_than_the_others():
    """B is 1e-9 of A. libroadrunner's default is wrong by over 1e-5 of B's range: no error of the layer."""
    plan = plan_of("A -> B; k*A; B -> C; q*B; A = 1; B = 0; C = 0; k = 1e-9; q = 1", 10.0, ("q",))
    at = plan.odes.states.index("B")

    exact = reference(plan, {"q": sh.priors.Uniform(0.5, 2.0)})

    q, k, t = exact.varied, 1e-9, exact.times[None]
    closed = k / (q - k) * (np.exp(-k * t) - np.exp(-q * t))
    assert np.abs(exact.states[:, :, at] - closed).max() < 1e-6 * closed.max()
    draws = sh.sample({"q": sh.priors.Uniform(0.5, 2.0)}, len(q), seed=0)
    usual = sh.simulate(plan.model, draws, times=exact.times, quantities=["B"])["truth"].values[:, :, 0]
    assert np.abs(usual - closed).max() > 1e-5 * closed.max()
    assert measured(plan, exact, 1e-5, None).error <= 1e-5


def test_looking_ends_where_finer_steps_do_not_help(monkeypatch, caplog):
    """A reference that is wrong by 1 %: three step sizes of each method say so, and not all to 1e-10."""
    plan = plan_of("A -> B; k*A; B -> A; q*B; A = 1; B = 0; k = 1; q = 0.5", 5.0, ("k",))
    exact = reference(plan, None)
    wrong = replace(exact, states=exact.states + 0.01)
    tried = []
    simulated = accuracy.simulated
    monkeypatch.setattr(accuracy, "simulated", lambda *given: tried.append(given[5]) or simulated(*given))

    with caplog.at_level(logging.WARNING, "sbml_hybrid"):
        found = measured(plan, wrong, 1e-3, None)

    assert found.error == pytest.approx(0.01 / found.ranges[0], rel=0.02)
    assert len(tried) == 6
    assert "asked for 1.0e-03" in caplog.text and "Try: a shorter end=" in caplog.text


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-5])
def test_what_is_measured_is_the_error_of_the_steps(tolerance):
    """Against the closed form of an exchange between two states, where the reference has no part."""
    plan = plan_of("A -> B; k*A; B -> A; q*B; A = 1; B = 0; k = 1; q = 0.5", 5.0, ("k",))
    exact = reference(plan, None)

    found = measured(plan, exact, tolerance, None)

    k, q = exact.varied, 0.5
    closed = q / (k + q) + k / (k + q) * np.exp(-(k + q) * exact.times[None])
    at = plan.odes.states.index("A")
    course = accuracy.simulated(
        plan, plan.field(()), accuracy.DormandPrince(), exact, np.array(found.ranges), found.local, found.steps
    )
    assert found.method == "Dormand-Prince"
    error = np.abs(course.states[:, :, at] - closed).max() / found.ranges[at]
    assert error <= tolerance
    assert error == pytest.approx(found.error, rel=0.05, abs=1e-9)


def test_draws_that_libroadrunner_gets_through_only_coarsely_do_not_judge_the_layer(monkeypatch):
    plan = plan_of("A -> B; k*A; A = 1; B = 0; k = 1", 5.0, ("k",))
    real, coarse = accuracy.simulate, [1, 4, 5]

    def simulate(*given, **named):
        found = real(*given, **named)
        found["rung"][coarse] = [2, 3, 5]
        return found

    monkeypatch.setattr(accuracy, "simulate", simulate)
    kept = reference(plan, None).varied[:, 0]
    monkeypatch.undo()

    every = reference(plan, None).varied[:, 0]
    np.testing.assert_array_equal(kept, np.delete(every, coarse))
