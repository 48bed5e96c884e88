"""Steps have the order that they claim, keep what is conserved, and stay bounded where a rate is fast."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.hybrid.steps import DormandPrince, Rosenbrock, Step, System
from sbml_hybrid.mechanism.arrays import Arrays
from sbml_hybrid.mechanism.field import Field
from sbml_hybrid.mechanism.odes import right_hand_side

NUMPY = Arrays(np)
DECAY = "S -> ; k*S; S = 2; k = 0.7", lambda t: [2 * np.exp(-0.7 * t)]
LOGISTIC = "-> S; S*(1 - S); S = 0.1", lambda t: [1 / (1 + 9 * np.exp(-t))]
CIRCLE = "x' = y; y' = -x; x = 1; y = 0", lambda t: [np.cos(t), -np.sin(t)]
FORCED = "x' = -2*(x - cos(time)) - sin(time); x = 3", lambda t: [2 * np.exp(-2 * t) + np.cos(t)]
RICCATI = "x' = -2*time*x^2; x = 1", lambda t: [1 / (1 + t**2)]
PROBLEMS = {"decay": DECAY, "logistic": LOGISTIC, "circle": CIRCLE, "forced": FORCED, "riccati": RICCATI}
CASCADE = "A -> B; k1*A*B/(1 + B); B -> C; k2*B; C -> A; k3*C^2; A = 3; B = 1; C = 0.1; k1 = 9; k2 = 0.4; k3 = 70"


class Scaled:
    """A Jacobian that is wrong by a factor."""

    def __init__(self, jacobian, factor):
        self.rows, self.columns, self.pattern = jacobian.rows, jacobian.columns, jacobian.pattern
        self.entries = lambda point, xp: factor * jacobian.entries(point, xp)


def explicit(field):
    return DormandPrince()


def implicit(factor=1.0):
    def method(field):
        found = Rosenbrock(field)
        object.__setattr__(found, "jacobian", Scaled(found.jacobian, factor))
        return found

    return method


@lru_cache
def equations(text):
    return right_hand_side(load(text))


class Path:
    """A model that is stepped through, from its start."""

    def __init__(self, text, method):
        self.odes = equations(text)
        field = Field(self.odes)
        self.method = method(field)
        self.system = System(field, NUMPY, field.context(np.zeros((0, 1)), NUMPY))
        self.start = self.odes.start[:, None]

    def step(self, state, time, length):
        at, h = np.full((1, 1), float(time)), np.full((1, 1), float(length))
        return self.method(self.system, Step(state, None, at, h))

    def end(self, until, steps):
        state, h = self.start, until / steps
        for i in range(steps):
            state, _ = self.step(state, i * h, h)
        return state[:, 0]


def observed_order(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


METHODS = {
    "Dormand-Prince": (explicit, 5, (8, 16, 32)),
    "ROS34PW2": (implicit(), 3, (40, 80, 160)),
    "ROS34PW2 with a wrong Jacobian": (implicit(0.3), 3, (40, 80, 160)),
    "ROS34PW2 with a Jacobian of the wrong sign": (implicit(-0.5), 3, (40, 80, 160)),
    "ROS34PW2 without a Jacobian": (implicit(0.0), 3, (40, 80, 160)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", METHODS)
def test_errors_fall_with_the_order_that_is_claimed(name, problem):
    method, order, counts = METHODS[name]
    text, exact = PROBLEMS[problem]
    path = Path(text, method)

    errors = [np.abs(path.end(2.0, n) - exact(2.0)).max() for n in counts]

    assert path.method.order == order
    assert observed_order([1 / n for n in counts], errors) > order - 0.35
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("problem", ["logistic", "circle", "riccati"])
@pytest.mark.parametrize("name", ["Dormand-Prince", "ROS34PW2"])
def test_the_estimate_of_the_error_falls_with_its_order_and_is_no_smaller_than_the_error(name, problem):
    text, exact = PROBLEMS[problem]
    path = Path(text, METHODS[name][0])
    begun, sizes = 0.6, [0.04, 0.02, 0.01]
    state = np.array(exact(begun))[:, None]

    steps = [path.step(state, begun, h) for h in sizes]

    estimates = [np.abs(error).max() for _, error in steps]
    errors = [np.abs(after[:, 0] - exact(begun + h)).max() for (after, _), h in zip(steps, sizes, strict=True)]
    assert observed_order(sizes, estimates) == pytest.approx(path.method.error_order, abs=0.5)
    assert np.all(np.array(errors) <= np.array(estimates))


class Decay(Path):
    """What decays at `rate`, for itself (x) or as an amount (S), which formulas never see below 0."""

    def __init__(self, text, rate):
        super().__init__(text, implicit())
        field = Field(self.odes, given=["k"])
        self.method = implicit()(field)
        self.system = System(field, NUMPY, field.context(np.array([[rate]]), NUMPY))


rates, lengths = (st.floats(low, 9).map(lambda e: 10**e) for low in (-3, -6))


@given(rate=rates, length=lengths)
def test_a_value_that_decays_never_grows_and_is_gone_after_one_long_step(rate, length):
    path = Decay("x' = -k*x; x = 1; k = 1", rate)

    after, _ = path.step(path.start, 0.0, length)

    assert np.abs(after).max() <= 1 + 1e-12
    if rate * length > 1e6:
        assert np.abs(after).max() < 1e-5


@given(rate=rates, length=lengths)
def test_an_amount_that_decays_stays_bounded_although_formulas_never_see_it_below_zero(rate, length):
    path = Decay("S -> ; k*S; S = 1; k = 1", rate)

    after, _ = path.step(path.start, 0.0, length)

    assert np.abs(after).max() < 4


@pytest.mark.parametrize("method", [explicit, implicit()], ids=["Dormand-Prince", "ROS34PW2"])
@pytest.mark.parametrize("text", [CASCADE, FORCED[0], CIRCLE[0]], ids=["cascade", "forced", "circle"])
def test_a_step_of_length_zero_changes_nothing(method, text):
    path = Path(text, method)

    after, error = path.step(path.start, 1.5, 0.0)

    np.testing.assert_array_equal(after, path.start)
    np.testing.assert_array_equal(error, 0.0)


@pytest.mark.parametrize("method", [explicit, implicit(), implicit(0.3)], ids=["Dormand-Prince", "ROS34PW2", "wrong"])
@given(lengths=st.lists(st.floats(1e-4, 0.03), min_size=1, max_size=20))
def test_conserved_moieties_keep_their_total_to_rounding(method, lengths):
    path = Path(CASCADE, method)
    state, time = path.start, 0.0

    for h in lengths:
        state, _ = path.step(state, time, h)
        time += h

    assert state.sum() == pytest.approx(path.start.sum(), rel=1e-14 * (1 + len(lengths)))


def test_each_trajectory_steps_at_its_own_time_and_length_as_if_alone():
    path = Path(FORCED[0], implicit())
    states, times, lengths = np.array([[3.0, 1.0, 0.2]]), np.array([[0.0, 1.0, 7.0]]), np.array([[0.1, 0.0, 0.5]])
    still = path.system.field.context(np.zeros((0, 3)), NUMPY)

    together, _ = path.method(System(path.system.field, NUMPY, still), Step(states, None, times, lengths))

    alone = [path.step(states[:, i : i + 1], times[0, i], lengths[0, i])[0][0, 0] for i in range(3)]
    np.testing.assert_allclose(together[0], alone, rtol=1e-14)


def test_a_step_that_ends_where_a_formula_switches_is_wholly_before_it():
    path = Path("x' = piecewise(1, time < 2, 100); x = 0", explicit)

    before, _ = path.step(path.start, 1.0, 1.0)
    after, _ = path.step(path.start, 2.0, 1.0)

    np.testing.assert_allclose([before[0, 0], after[0, 0]], [1.0, 100.0], rtol=1e-14)
